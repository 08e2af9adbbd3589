"""Where a link ends: too late, over, forged, another purpose; and the calendar entry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from icalendar import Calendar

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.services.visits import shift_visit
from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    IntakeSettings,
    MeasureLink,
    Message,
    MessageEvent,
    Patient,
)
from patients.services.intake_settings import DEFAULTS
from patients.services.messages.links import Purpose, token
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message, page_of, seen, words
from patients.tests.visit_link_kit import NOW, VISIT, consult, ny, status, steps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100", address="1 Main Street, New York, NY 10001")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(phones=["+12125550123"], home_location=clinic.location)


@pytest.fixture
def booking(clinic: Clinic, ada: Patient) -> Booking:
    return consult(clinic, ada)


@pytest.fixture
def message(clinic: Clinic, ada: Patient, booking: Booking) -> Message:
    return make_message(ada, clinic.location, now=NOW, booking=booking)


# --- too late, over ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hours", "before"), [(24, ny("10:00", date(2027, 1, 6))), (48, ny("10:00", date(2027, 1, 5)))]
)
def test_changing_ends_so_many_hours_before_and_confirming_does_not(  # noqa: PLR0917
    client: Client, message: Message, booking: Booking, clinic: Clinic, clock: Any, hours: int, before: datetime
) -> None:
    IntakeSettings.objects.create(location=clinic.location, **DEFAULTS | {"link_change_hours": hours})
    clock.move_to(before - timedelta(seconds=1))
    assert "Choose another time" in words(client.get(page_of(message)))
    clock.move_to(before)
    said = words(client.get(page_of(message)))
    assert "Choose another time" not in said
    assert "please call us" in said
    for name, data in (("cancel", {}), ("move", {"time": "20270112T1500.1.1"})):
        answer = client.post(page_of(message, name), data | seen(booking))
        assert answer.status_code == 409
        assert "too short before" in words(answer)
        assert "too short before" in words(client.get(page_of(message, name)))
    assert (status(booking), Booking.objects.get(pk=booking.pk).start) == (BookingStatus.BOOKED, VISIT)
    client.post(page_of(message), {"answer": "confirm"} | seen(booking))
    assert status(booking) == BookingStatus.CONFIRMED


@pytest.mark.parametrize(
    ("to", "at", "said"),
    [
        (BookingStatus.CANCELLED, NOW, "This appointment is cancelled"),
        (BookingStatus.MISSED, VISIT + timedelta(minutes=30), "This appointment is over"),
        (BookingStatus.ARRIVED, VISIT, "Your appointment has begun"),
        (None, VISIT, "Your appointment has begun"),
        (None, VISIT + timedelta(hours=1), "This appointment is over"),
    ],
)
def test_a_visit_that_is_over_says_so_and_takes_nothing(  # noqa: PLR0917
    client: Client,
    message: Message,
    booking: Booking,
    clinic: Clinic,
    clock: Any,
    to: BookingStatus | None,
    at: datetime,
    said: str,
) -> None:
    clock.move_to(at)
    if to in (BookingStatus.CANCELLED, BookingStatus.MISSED):
        bookings.release([booking.pk], status=to, reason="", by=clinic.desk, now=at)
    elif to is not None:
        bookings.advance(booking.pk, to=to, by=clinic.desk, now=at)
    before = Booking.objects.get(pk=booking.pk)
    page = client.get(page_of(message))
    assert page.status_code == 200
    assert said in words(page)
    assert "(212) 555-0100" in words(page)
    for name, data in (("link", {"answer": "confirm"}), ("move", {"time": "20270112T1500.1.1"}), ("cancel", {})):
        answer = client.post(page_of(message, name), data | seen(booking))
        assert answer.status_code in (302, 409)  # cancelling what is cancelled is done already
        assert Booking.objects.get(pk=booking.pk).version == before.version
    assert steps(message) == []


def test_a_cancelled_visit_tells_the_next_one(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    bookings.release([booking.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
    consult(clinic, message.patient or make_patient(), ny("11:00", date(2027, 1, 12)))
    said = words(client.get(page_of(message)))
    assert "Your next appointment Tue, Jan 12 11:00 AM" in said


def test_an_expired_link_says_so_and_whom_to_call(client: Client, message: Message, clock: Any) -> None:
    clock.move_to(VISIT + timedelta(days=30))
    for name in ("link", "move", "cancel", "prepare", "calendar"):
        answer = client.get(page_of(message, name))
        assert answer.status_code == 410
        assert "This link has expired" in words(answer)
        assert "(212) 555-0100" in words(answer)


def test_a_forged_link_and_one_that_never_was_are_the_same(client: Client, message: Message) -> None:
    real = token(message, Purpose.VISIT)
    for one in (real[:-1], f"{real[:-1]}{'a' if real[-1] != 'a' else 'b'}", "x", "v1" + "0" * 17, "y" * 500):
        for answer in (client.get(f"/v/{one}/"), client.post(f"/v/{one}/", {"answer": "confirm"})):
            assert answer.status_code == 404
            assert "This link does not work" in words(answer)


def test_with_two_locations_a_forged_link_gives_away_neither(client: Client, message: Message) -> None:
    make_clinic("Uptown", phone="+12125550199")
    said = words(client.get("/v/v10000/"))
    assert "Downtown" not in said
    assert "Uptown" not in said


@pytest.mark.parametrize("purpose", [Purpose.QUESTIONNAIRE, Purpose.OFFER, Purpose.SHEET])
def test_a_link_of_another_purpose_opens_no_visit(client: Client, message: Message, purpose: Purpose) -> None:
    for name in ("move", "cancel", "prepare", "calendar"):
        assert client.get(page_of(message, name, purpose)).status_code == 404
    assert client.get(page_of(message, "link", purpose)).status_code == 410  # there is nothing of that kind


def test_too_much_is_refused_unread(client: Client, message: Message, booking: Booking) -> None:
    assert client.post(page_of(message, "cancel"), {"reason": "x" * 4000} | seen(booking)).status_code == 413
    assert status(booking) == BookingStatus.BOOKED


def test_whoever_asks_too_often_is_stopped(client: Client, message: Message) -> None:
    known = {"REMOTE_ADDR": "203.0.113.177"}
    answers = [client.get("/v/x/", **known) for _ in range(242)]  # fixed windows: at most twice the rate in two of them
    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert "That was too often" in words(answers[-1])


# --- the calendar entry -----------------------------------------------------------------------------------------------
def event(client: Client, message: Message, purpose: Purpose = Purpose.VISIT) -> Any:
    answer = client.get(page_of(message, "calendar", purpose))
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    calendar = Calendar.from_ical(answer.content)
    return calendar, calendar.walk("VEVENT")


def test_the_calendar_entry_has_a_neutral_title_and_an_alarm(client: Client, message: Message) -> None:
    calendar, [entry] = event(client, message)
    assert str(entry["SUMMARY"]) == "Appointment at Downtown"
    assert entry.decoded("DTSTART") == VISIT
    assert str(entry["LOCATION"]) == "1 Main Street, New York, NY 10001"
    assert str(entry["STATUS"]) == "CONFIRMED"
    assert str(calendar["METHOD"]) == "PUBLISH"
    [alarm] = entry.walk("VALARM")
    assert alarm.decoded("TRIGGER") == timedelta(days=-1)
    text = client.get(page_of(message, "calendar")).content.decode().lower()
    for word in ("ada", "okafor", "consult", "infusion", "ketamine", "hart"):
        assert word not in text


def test_a_moved_visit_updates_the_same_entry_and_a_cancelled_one_removes_it(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    _, [before] = event(client, message)
    shift_visit(booking, start=ny("14:00"), by=clinic.desk, now=NOW)
    _, [moved] = event(client, message)
    assert moved["UID"] == before["UID"]
    assert moved["SEQUENCE"] > before["SEQUENCE"]
    assert moved.decoded("DTSTART") == ny("14:00")
    bookings.release([booking.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
    calendar, [gone] = event(client, message)
    assert (str(calendar["METHOD"]), str(gone["STATUS"]), gone["UID"]) == ("CANCEL", "CANCELLED", before["UID"])
    assert gone["SEQUENCE"] > moved["SEQUENCE"]


def test_over_a_night_on_which_the_clocks_change_the_instant_stays(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    """On Sunday 14 March 2027 clocks in New York go from 02:00 to 03:00: on Monday 10:00 is 14:00 GMT."""
    monday = date(2027, 3, 15)
    booking = consult(clinic, ada, ny("10:00", monday))
    message = make_message(ada, clinic.location, now=NOW, booking=booking)
    _, [entry] = event(client, message)
    assert entry.decoded("DTSTART") == datetime(2027, 3, 15, 14, 0, tzinfo=UTC)
    assert "10:00" in words(client.get(page_of(message)))


# --- other purposes ---------------------------------------------------------------------------------------------------
def test_all_visits_to_come_are_listed_and_can_be_added_to_a_calendar(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    for day in (7, 12, 14):
        consult(clinic, ada, ny("10:00", date(2027, 1, day)))
    consult(clinic, make_patient("Leo", "Park"), ny("12:00", date(2027, 1, 8)))
    message = make_message(ada, clinic.location, now=NOW, event=MessageEvent.SERIES_BOOKED)
    said = words(client.get(page_of(message, "link", Purpose.COURSE)))
    for part in (
        "Thu, Jan 7, 2027 10:00 AM",
        "Tue, Jan 12, 2027 10:00 AM",
        "Thu, Jan 14, 2027 10:00 AM",
        "3 appointments",
    ):
        assert part in said
    assert "8 Jan" not in said
    _, entries = event(client, message, Purpose.COURSE)
    assert len({str(one["UID"]) for one in entries}) == 3
    assert client.post(page_of(message, "link", Purpose.COURSE)).status_code == 405


def test_the_first_press_makes_the_questionnaire_and_later_ones_open_the_same(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    message = make_message(
        ada, clinic.location, now=NOW, event=MessageEvent.MEASURE_DUE, facts={"measures": ["phq9", "gad7"]}
    )
    url = page_of(message, "link", Purpose.QUESTIONNAIRE)
    assert "Downtown has 17 questions for you" in words(client.get(url))
    assert not MeasureLink.objects.exists()
    first, second = client.post(url), client.post(url)
    assert first["Location"] == second["Location"]
    made = MeasureLink.objects.get()
    assert (made.measures, made.patient, made.created_by) == (["phq9", "gad7"], ada, None)
    assert client.get(first["Location"]).status_code == 200
    assert steps(message) == ["The questionnaire was opened by the link."]
    MeasureLink.objects.update(finished_at=NOW)
    assert "answered already" in words(client.get(url))


@pytest.mark.parametrize("facts", [{}, {"measures": []}, {"measures": ["nonsense"]}])
def test_a_message_that_asks_nothing_opens_nothing(client: Client, clinic: Clinic, ada: Patient, facts: Any) -> None:
    message = make_message(ada, clinic.location, now=NOW, event=MessageEvent.MEASURE_DUE, facts=facts)
    url = page_of(message, "link", Purpose.QUESTIONNAIRE)
    assert client.get(url).status_code == 410
    assert client.post(url).status_code == 410
    assert not MeasureLink.objects.exists()
