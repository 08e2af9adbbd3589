"""A consultation is moved or cancelled behind the link of its message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from clinic.models import AllocationRole, Booking, BookingStatus
from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    ConsultationRequest,
    Message,
    Patient,
    RequestStatus,
)
from patients.tests.factories import make_patient, make_request
from patients.tests.link_kit import make_message, page_of, seen, words
from patients.tests.visit_link_kit import NOW, VISIT, consult, status, steps, times

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


# --- moving -----------------------------------------------------------------------------------------------------------
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


# --- cancelling -------------------------------------------------------------------------------------------------------
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
