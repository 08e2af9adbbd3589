"""What a patient sees behind the link of a message about a consultation, and how it is confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.serializers import serialize
from django.test import Client
from pghistory.models import Context

from clinic.models import Booking, BookingStatus
from clinic.services.visits import shift_visit
from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    Message,
    Patient,
    VisitMode,
)
from patients.services.messages.links import Purpose, token
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message, page_of, seen, words

if TYPE_CHECKING:
    from clinic.tests.fixtures.ledger import Queries
from patients.tests.visit_link_kit import NOW, consult, ny, status, steps

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


# --- looking ----------------------------------------------------------------------------------------------------------
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


# --- confirming -------------------------------------------------------------------------------------------------------
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


# --- speed ------------------------------------------------------------------------------------------------------------
def test_queries_of_each_page(client: Client, message: Message, booking: Booking, queries: Queries) -> None:
    for name in ("link", "move", "cancel", "prepare", "calendar"):
        with queries(f"visit link, {name}"):
            client.get(page_of(message, name))
    assert status(booking) == BookingStatus.BOOKED
