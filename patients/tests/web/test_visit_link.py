"""What a patient does by the link of a message about a consultation: looks, confirms, moves, cancels, prepares."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.serializers import serialize
from django.test import Client
from icalendar import Calendar
from pghistory.models import Context

from clinic.models import AllocationRole, Booking, BookingStatus
from clinic.services import bookings
from clinic.services.visits import shift_visit
from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    ConsultationRequest,
    IntakeSettings,
    MeasureLink,
    Message,
    MessageEvent,
    Patient,
    RequestStatus,
    VisitMode,
)
from patients.services.consultations import book_consultation
from patients.services.intake_settings import DEFAULTS
from patients.services.messages.links import Purpose, token
from patients.tests.factories import make_patient, make_request
from patients.tests.link_kit import make_message, page_of, seen, words

if TYPE_CHECKING:
    from clinic.tests.fixtures.ledger import Queries

pytestmark = pytest.mark.django_db
NY = ZoneInfo("America/New_York")
DAY = date(2027, 1, 7)  # a Thursday


def ny(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY).astimezone(UTC)


NOW = ny("09:00", date(2027, 1, 4))
VISIT = ny("10:00")


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


def consult(clinic: Clinic, patient: Patient, start: datetime = VISIT, **more: Any) -> Booking:
    values: dict[str, Any] = {"length_min": 60, "room_id": clinic.room.pk, "mode": VisitMode.IN_PERSON} | more
    return book_consultation(
        patient=patient,
        location=clinic.location,
        start=start,
        clinician_id=clinic.clinician.resource_id or 0,
        by=clinic.desk,
        now=NOW - timedelta(days=1),
        **values,
    )


@pytest.fixture
def booking(clinic: Clinic, ada: Patient) -> Booking:
    return consult(clinic, ada)


@pytest.fixture
def message(clinic: Clinic, ada: Patient, booking: Booking) -> Message:
    return make_message(ada, clinic.location, now=NOW, booking=booking)


def status(booking: Booking) -> str:
    return Booking.objects.get(pk=booking.pk).status


def steps(message: Message) -> list[str]:
    return list(message.steps.values_list("text", flat=True))


def times(answer: Any) -> list[str]:
    """The keys of the times that a page offers."""
    return [key for _start, rows in answer.context["days"] for key in (one.key for one in rows)]


# -- looking -----------------------------------------------------------------------------------------------------------


def test_the_page_says_when_and_where_and_whom_to_call(client: Client, message: Message) -> None:
    answer = client.get(page_of(message))
    assert answer.status_code == 200
    said = words(answer)
    for part in (
        "Hello Ada",
        "Thu, Jan 7",
        "10:00 AM",
        "Downtown",
        "1 Main Street",
        "(212) 555-0100",
        "Yes, I am coming",
    ):
        assert part in said
    assert "988" in said  # the crisis line stands in the footer of every public page


def test_the_page_names_nothing_but_the_first_name_and_no_treatment(client: Client, message: Message) -> None:
    for name in ("link", "move", "cancel", "prepare"):
        page = client.get(page_of(message, name)).content.decode().lower()
        for word in ("okafor", "ketamine", "infusion", "depress", "treatment", "consultation", "dose", "hart", "mrn"):
            assert word not in page, (name, word)


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("name", ["link", "move", "cancel", "prepare", "calendar"])
def test_a_mail_scanner_may_open_everything_and_changes_nothing(
    client: Client, message: Message, booking: Booking, name: str, method: str
) -> None:
    before = serialize("json", [Booking.objects.get(pk=booking.pk), Message.objects.get()])
    for headers in ({}, {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"}):
        assert getattr(client, method)(page_of(message, name), headers=headers).status_code == 200
    assert serialize("json", [Booking.objects.get(pk=booking.pk), Message.objects.get()]) == before
    assert steps(message) == []


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_other_method_is_known(client: Client, message: Message, method: str) -> None:
    for name in ("link", "move", "cancel", "prepare", "calendar"):
        assert getattr(client, method)(page_of(message, name)).status_code == 405


def test_no_browser_keeps_it_no_other_site_hears_of_it_and_no_cookie_is_set(client: Client, message: Message) -> None:
    for name in ("link", "move", "cancel", "prepare", "calendar"):
        answer = client.get(page_of(message, name))
        assert answer["Cache-Control"] == "no-store, private"
        assert answer["Referrer-Policy"] == "same-origin"
        assert "noindex" in answer["X-Robots-Tag"]
        assert not answer.cookies


def test_our_pages_ask_no_other_site_for_anything(client: Client, message: Message) -> None:
    page = client.get(page_of(message)).content.decode()
    outside = [one for one in page.split('"') if one.startswith(("http://", "https://", "//"))]
    assert outside == ["https://www.openstreetmap.org/search?query=1+Main+Street%2C+New+York%2C+NY+10001"]
    assert 'rel="noopener noreferrer"' in page


def test_a_patient_elsewhere_sees_both_clocks(client: Client, message: Message, ada: Patient) -> None:
    Patient.objects.filter(pk=ada.pk).update(time_zone="America/Los_Angeles")
    said = words(client.get(page_of(message)))
    assert "7:00 AM" in said
    assert "on the clocks in Los Angeles" in said
    assert "At the clinic Thu, Jan 7, 10:00 AM" in said


def test_a_patient_on_the_same_clocks_by_another_name_sees_one(client: Client, message: Message, ada: Patient) -> None:
    Patient.objects.filter(pk=ada.pk).update(time_zone="America/Toronto")
    assert "At the clinic" not in words(client.get(page_of(message)))


def test_on_another_day_over_there_the_day_is_theirs(client: Client, clinic: Clinic, ada: Patient) -> None:
    """Sydney is at GMT+11 in January: 17:00 on Thursday in New York is 09:00 on Friday there."""
    Patient.objects.filter(pk=ada.pk).update(time_zone="Australia/Sydney")
    late = make_message(ada, clinic.location, now=NOW, booking=consult(clinic, ada, ny("17:00")))
    said = words(client.get(page_of(late)))
    assert "Fri, Jan 8 9:00 AM" in said
    assert "At the clinic Thu, Jan 7, 5:00 PM" in said


def test_a_video_visit_has_no_way_to_us(client: Client, clinic: Clinic, ada: Patient) -> None:
    booking = consult(clinic, ada, ny("14:00"), room_id=None, mode=VisitMode.VIDEO)
    message = make_message(ada, clinic.location, now=NOW, booking=booking)
    said = words(client.get(page_of(message)))
    assert "By video" in said
    assert "Way to us" not in said
    assert "quiet place" in words(client.get(page_of(message, "prepare")))


# -- confirming --------------------------------------------------------------------------------------------------------


def test_a_press_confirms_and_the_message_says_so_once(client: Client, message: Message, booking: Booking) -> None:
    url = page_of(message)
    answer = client.post(url, {"answer": "confirm"} | seen(booking), follow=True)
    assert "Your appointment is confirmed" in words(answer)
    there = Booking.objects.get(pk=booking.pk)
    assert (there.status, there.confirmed_at) == (BookingStatus.CONFIRMED, NOW)
    assert client.post(url, {"answer": "confirm"} | seen(booking)).status_code == 302
    assert Booking.objects.get(pk=booking.pk).version == there.version
    assert steps(message) == ["Confirmed by the patient, by a link."]
    message.refresh_from_db()
    assert message.opened_at == NOW
    assert "Yes, I am coming" not in words(client.get(url))


@pytest.mark.parametrize("data", [{}, {"answer": ""}, {"answer": "CONFIRM"}, {"answer": "cancel"}])
def test_an_odd_answer_confirms_nothing(
    client: Client, message: Message, booking: Booking, data: dict[str, str]
) -> None:
    assert client.post(page_of(message), data | seen(booking)).status_code == 422
    assert status(booking) == BookingStatus.BOOKED


@pytest.mark.parametrize("what", ["", "x", "2027-13-45T00:00:00Z", "2027-01-07T10:00:00", "2027-01-07T09:00:00+00:00"])
@pytest.mark.parametrize("name", ["link", "cancel", "move"])
def test_a_form_without_the_time_that_was_shown_does_nothing(
    client: Client, message: Message, booking: Booking, what: str, name: str
) -> None:
    data = {"answer": "confirm", "time": "20270108T1500.1.1", "seen": what}
    assert client.post(page_of(message, name), data).status_code == 409
    assert (status(booking), steps(message)) == (BookingStatus.BOOKED, [])


def test_whoever_looked_before_the_desk_moved_it_sees_the_new_time_first(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    shift_visit(booking, start=ny("14:00"), by=clinic.desk, now=NOW)
    answer = client.post(page_of(message), {"answer": "confirm"} | seen(booking))
    assert answer.status_code == 409
    said = words(answer)
    assert "was changed a moment ago" in said
    assert "The time has changed since our message" in said
    assert "2:00 PM" in said
    assert status(booking) == BookingStatus.BOOKED


def test_the_new_time_is_shown_and_can_be_confirmed_by_the_old_message(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    moved = shift_visit(booking, start=ny("14:00"), by=clinic.desk, now=NOW)
    said = words(client.get(page_of(message)))
    assert "The time has changed since our message" in said
    client.post(page_of(message), {"answer": "confirm"} | seen(moved))
    assert status(booking) == BookingStatus.CONFIRMED


def test_the_history_holds_a_word_instead_of_the_address(client: Client, message: Message, booking: Booking) -> None:
    client.post(page_of(message), {"answer": "confirm"} | seen(booking))
    told = [str(context.metadata) for context in Context.objects.all()]
    assert any("'/v/'" in one for one in told)
    assert not any(token(message, Purpose.VISIT) in one for one in told)


# -- moving ------------------------------------------------------------------------------------------------------------


def test_other_times_are_legal_free_and_not_the_own(client: Client, message: Message, booking: Booking) -> None:
    answer = client.get(page_of(message, "move"))
    keys = times(answer)
    assert 1 <= len(keys) <= 12
    assert not any(key.startswith("20270107T1500.") for key in keys)  # 10:00 in New York
    assert "booked at once" in words(answer)


def test_a_pressed_time_is_booked_at_once_with_its_length_and_people(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    key = times(client.get(page_of(message, "move")))[3]
    answer = client.post(page_of(message, "move"), {"time": key} | seen(booking), follow=True)
    assert "Your new time is booked" in words(answer)
    there = Booking.objects.get(pk=booking.pk)
    assert there.start == datetime.strptime(key.split(".")[0], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    assert there.end - there.start == timedelta(hours=1)
    assert there.status == BookingStatus.CONFIRMED  # whoever picked the time need not be asked
    held = there.allocations.filter(role=AllocationRole.CLINICIAN, released=False).get()
    assert held.resource_id == clinic.clinician.resource_id
    [step] = steps(message)
    assert step.startswith("Moved by the patient, by a link, from Thu 7 Jan, 10:00 to ")


def test_pressed_twice_it_is_moved_once(client: Client, message: Message, booking: Booking) -> None:
    url = page_of(message, "move")
    data = {"time": times(client.get(url))[0]} | seen(booking)
    client.post(url, data)
    version = Booking.objects.get(pk=booking.pk).version
    assert client.post(url, data).status_code == 302
    assert Booking.objects.get(pk=booking.pk).version == version
    assert len(steps(message)) == 1


def test_a_time_that_went_meanwhile_is_refused_and_others_are_shown(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    url = page_of(message, "move")
    key = times(client.get(url))[2]
    start = datetime.strptime(key.split(".")[0], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    consult(clinic, make_patient("Leo", "Park"), start)
    answer = client.post(url, {"time": key} | seen(booking))
    assert answer.status_code == 409
    assert "somebody was faster" in words(answer)
    assert key not in times(answer)
    assert times(answer)
    assert Booking.objects.get(pk=booking.pk).start == VISIT


@pytest.mark.parametrize(
    "key",
    [
        "x",
        "20270102T1500.1.1",
        "99999999T9999.1.1",
        "20270108T0300.{place}.{doctor}",
        "20270108T1507.{place}.{doctor}",
        "20270108T1500.{place}.999999",
        "20270108T1500.999999.{doctor}",
        "20270109T1500.{place}.{doctor}",
        "20270105T1300.{place}.{doctor}",
        "\x00",
        "20270108T1500." + "9" * 200 + ".1",
    ],
)
def test_a_time_that_was_never_offered_is_refused(
    client: Client, message: Message, booking: Booking, clinic: Clinic, key: str
) -> None:
    """At night, off the grid, with nobody, elsewhere, on a Saturday, within 24 hours, junk."""
    key = key.format(place=clinic.location.pk, doctor=clinic.clinician.resource_id)
    answer = client.post(page_of(message, "move"), {"time": key} | seen(booking))
    assert answer.status_code == 409
    assert Booking.objects.get(pk=booking.pk).start == VISIT


def test_no_time_at_all_is_refused_at_the_form(client: Client, message: Message, booking: Booking) -> None:
    answer = client.post(page_of(message, "move"), seen(booking))
    assert answer.status_code == 422
    assert "Please choose one of the times" in words(answer)


def test_later_days_go_on_after_the_last_one(client: Client, message: Message) -> None:
    url = page_of(message, "move")
    first = client.get(url)
    later = client.get(f"{url}?after={first.context['after']}")
    assert min(times(later)) > max(times(first))
    for junk in ("x", "2027-99-99", "9999-12-31", "0001-01-01", ""):
        assert client.get(f"{url}?after={junk}").status_code == 200


def test_where_nothing_is_free_the_page_says_so_and_whom_to_call(
    client: Client, message: Message, clinic: Clinic
) -> None:
    clinic.clinician.shifts.all().delete()
    said = words(client.get(page_of(message, "move")))
    assert "there is no other time that we can offer here" in said
    assert "(212) 555-0100" in said


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_cancelling_asks_once_more_and_then_frees_the_time(
    client: Client, message: Message, booking: Booking, clinic: Clinic
) -> None:
    url = page_of(message, "cancel")
    assert "Cancel the appointment?" in words(client.get(url))
    assert status(booking) == BookingStatus.BOOKED
    answer = client.post(url, {"reason": "Out of town"} | seen(booking), follow=True)
    assert "This appointment is cancelled" in words(answer)
    assert "We will call you" in words(answer)
    there = Booking.objects.get(pk=booking.pk)
    assert (there.status, there.ended_at) == (BookingStatus.CANCELLED, NOW)
    assert there.ended_reason == "Cancelled by the patient, by a link. “Out of town”"
    assert not there.allocations.filter(released=False).exists()
    assert steps(message) == ["Cancelled by the patient, by a link."]


def test_cancelled_twice_it_is_cancelled_once(client: Client, message: Message, booking: Booking) -> None:
    url = page_of(message, "cancel")
    client.post(url, seen(booking))
    version = Booking.objects.get(pk=booking.pk).version
    assert client.post(url, {"reason": "Again"} | seen(booking)).status_code == 302
    assert Booking.objects.get(pk=booking.pk).version == version
    assert len(steps(message)) == 1


def test_its_request_waits_for_the_desk_again(client: Client, clinic: Clinic, ada: Patient) -> None:
    request = make_request(clinic.location, patient=ada)
    booking = consult(clinic, ada, request=request)
    message = make_message(ada, clinic.location, now=NOW, booking=booking)
    client.post(page_of(message, "cancel"), seen(booking))
    assert ConsultationRequest.objects.get(pk=request.pk).status == RequestStatus.CONTACTED


@pytest.mark.parametrize("reason", ["x" * 1500, "a\x00b", "<script>alert(1)</script>", "líneas\n\n\nmás"])
def test_any_reason_is_kept_short_and_harmless(client: Client, message: Message, booking: Booking, reason: str) -> None:
    client.post(page_of(message, "cancel"), {"reason": reason} | seen(booking))
    kept = Booking.objects.get(pk=booking.pk)
    assert kept.status == BookingStatus.CANCELLED
    assert len(kept.ended_reason) <= 200
    assert "\n" not in kept.ended_reason


# -- too late, over ----------------------------------------------------------------------------------------------------


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


# -- the calendar entry ------------------------------------------------------------------------------------------------


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


# -- other purposes ----------------------------------------------------------------------------------------------------


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


# -- speed -------------------------------------------------------------------------------------------------------------


def test_queries_of_each_page(client: Client, message: Message, booking: Booking, queries: Queries) -> None:
    for name in ("link", "move", "cancel", "prepare", "calendar"):
        with queries(f"visit link, {name}"):
            client.get(page_of(message, name))
    assert status(booking) == BookingStatus.BOOKED
