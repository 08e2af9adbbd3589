"""The slot finder's pages: who may book, what is offered and said, and that nothing is booked twice or by mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking, BookingStatus
from clinic.pure.roles import Role
from clinic.services.visits import block_time
from clinic.tests.factories import Clinic, make_absence, make_clinic, make_shifts, make_user
from patients.models import Channel, Consultation, MessageRule, Patient, RequestStatus, VisitMode
from patients.pure.slots import SlotKey
from patients.services.contact_consents import record_contact_consent
from patients.services.messages.rules import ensure_rules
from patients.tests.factories import make_patient, make_request

if TYPE_CHECKING:
    from clinic.tests.fixtures.ledger import Queries

pytestmark = pytest.mark.django_db
NY = ZoneInfo("America/New_York")
DAY = date(2027, 1, 7)  # a Thursday
TIP = "<script>alert('x')</script>"
HTMX = {"HX-Request": "true"}


def ny(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY).astimezone(UTC)


NOW = ny("07:00")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def signed_in(clinic: Clinic, role: Role = Role.FRONT_DESK) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def key(clinic: Clinic, clock: str = "10:00") -> str:
    resource = clinic.clinician.resource
    assert resource
    return str(SlotKey(ny(clock), clinic.location.pk, resource.pk))


def slots_of(**who: int) -> str:
    return f"{reverse('intake:slots')}?" + "&".join(f"{name}={pk}" for name, pk in who.items())


def book(client: Client, address: str, slot: str, *, htmx: bool = False, **more: Any) -> Any:
    data = {"slot": slot, "mode": "in_person", **more}
    return client.post(address, data, headers=HTMX if htmx else {})


# --- who --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "status"), [(Role.FRONT_DESK, 200), (Role.CLINICIAN, 200), (Role.NURSE, 403), (Role.MANAGER, 403)]
)
def test_the_desk_and_clinicians_book_others_do_not(clinic: Clinic, role: Role, status: int) -> None:
    ada = make_patient()
    client = signed_in(clinic, role)
    assert client.get(slots_of(patient=ada.pk)).status_code == status
    answer = book(client, slots_of(patient=ada.pk), key(clinic))
    assert answer.status_code == (302 if status == 200 else 403)
    assert Consultation.objects.count() == (status == 200)


def test_a_stranger_is_asked_to_sign_in(clinic: Clinic) -> None:
    answer = Client().get(slots_of(patient=make_patient().pk))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


# --- what is offered --------------------------------------------------------------------------------------------------
def test_five_next_free_times_are_offered_with_whom_and_where(clinic: Clinic) -> None:
    text = signed_in(clinic).get(slots_of(patient=make_patient().pk)).content.decode()
    assert text.count('data-slot="') == 5
    for word in ("Thu 7 Jan, 08:00", "Thu 7 Jan, 12:00", "Mon 11 Jan, 08:00", clinic.clinician.display_name, "Room 1"):
        assert word in text, word


def test_the_wishes_of_a_request_are_the_first_question_and_chips_change_it(clinic: Clinic) -> None:
    row = make_request(clinic.location, wished_part="afternoon", wished_mode="video", wished_weekdays=[4])
    client = signed_in(clinic)
    text = client.get(slots_of(request=row.pk)).content.decode()
    assert "Fri 8 Jan, 12:00" in text
    assert "Thu 7 Jan" not in text.split("slots-list")[1]
    mornings = client.get(slots_of(request=row.pk) + "&asked=1&part=morning&mode=in_person").content.decode()
    assert "Thu 7 Jan, 08:00" in mornings


def test_where_nothing_is_free_it_says_so_and_what_would_help(clinic: Clinic) -> None:
    for number in range(60):
        make_absence(clinic.clinician, date.fromordinal(DAY.toordinal() + number))
    other = make_user(Role.CLINICIAN, username="osei")
    make_shifts(other, clinic.location)
    address = slots_of(patient=make_patient().pk)
    first = clinic.clinician.resource
    assert first
    text = signed_in(clinic).get(f"{address}&asked=1&clinician={first.pk}").content.decode()
    assert "Nothing is free from Thu 7 Jan" in text
    assert "With another clinician" in text


@pytest.mark.parametrize(
    "query",
    [
        "day=2027-02-31",
        "day=9999-12-31",
        "part=night",
        "mode=carrier-pigeon",
        "clinician=abc",
        "asked=1&clinician=4000",
        "weekday=9&asked=1",
    ],
)
def test_an_odd_address_asks_the_usual_question(clinic: Clinic, query: str) -> None:
    answer = signed_in(clinic).get(f"{slots_of(patient=make_patient().pk)}&{query}")
    assert answer.status_code == 200


def test_nobody_named_leads_to_a_search_and_an_unknown_one_to_404(clinic: Clinic) -> None:
    make_patient("Ada", family_name="Okafor")
    client = signed_in(clinic)
    assert "for whom?" in client.get(reverse("intake:slots")).content.decode()
    assert "Okafor, Ada" in client.get(reverse("intake:slots"), {"q": "okaf"}).content.decode()
    assert "Nobody fits" in client.get(reverse("intake:slots"), {"q": "zzz"}).content.decode()
    for who in ("patient=987654", "request=987654", "move=987654", "patient=abc"):
        assert client.get(f"{reverse('intake:slots')}?{who}").status_code == 404


def test_names_with_markup_are_text(clinic: Clinic) -> None:
    row = make_request(clinic.location, given_name=TIP, family_name=TIP)
    client = signed_in(clinic)
    assert TIP not in client.get(slots_of(request=row.pk)).content.decode()
    ada = make_patient(TIP)
    book(client, slots_of(patient=ada.pk), key(clinic))
    booked = reverse("intake:booked", args=[Booking.objects.get().pk])
    for address in (slots_of(patient=ada.pk), booked):
        assert TIP not in client.get(address).content.decode()


# --- booking ----------------------------------------------------------------------------------------------------------
def test_a_booked_time_shows_what_was_booked_and_the_reminder_plan(clinic: Clinic) -> None:
    """Reminders at 10:00 local two days and one day before, directions two hours before (clinical.md R11 [D])."""
    ensure_rules(clinic.location, now=NOW)
    ada = make_patient(phones=["+12125550123"])
    client = signed_in(clinic)
    answer = book(client, slots_of(patient=ada.pk), _on_monday(clinic))
    booking = Booking.objects.get()
    assert answer["Location"] == reverse("intake:booked", args=[booking.pk])
    text = client.get(answer["Location"]).content.decode()
    for word in (
        "Mon 11 Jan 2027",
        "10:00–11:00",
        "Room 1",
        "No consent to text or e-mail.",
        "call list",
    ):
        assert word in text, word
    for word in ("Sat 9 Jan, 10:00", "Sun 10 Jan, 10:00", "Mon 11 Jan, 08:00"):
        assert word in text, word
    record_contact_consent(
        patient=ada, channel=Channel.SMS, granted=True, value="+12125550123", source="Test", by=None, now=NOW
    )
    assert "Text message" in client.get(answer["Location"]).content.decode()
    MessageRule.objects.filter(key="consultation-2-days").update(days=-3)
    assert "Fri 8 Jan, 10:00" in client.get(answer["Location"]).content.decode()
    MessageRule.objects.update(is_on=False)
    assert "No reminders are switched on" in client.get(answer["Location"]).content.decode()


def _on_monday(clinic: Clinic) -> str:
    resource = clinic.clinician.resource
    assert resource
    return str(SlotKey(ny("10:00", date(2027, 1, 11)), clinic.location.pk, resource.pk))


def test_in_the_sheet_the_queue_is_told(clinic: Clinic) -> None:
    row = make_request(clinic.location, patient=make_patient())
    answer = book(signed_in(clinic), slots_of(request=row.pk), key(clinic), htmx=True, version=row.version)
    assert answer.status_code == 200
    assert "requests-changed" in json.loads(answer["HX-Trigger"])
    row.refresh_from_db()
    assert row.status == RequestStatus.BOOKED
    assert Consultation.objects.get().request == row


def test_somebody_new_is_registered_with_the_booking_once_the_birth_date_is_known(clinic: Clinic) -> None:
    row = make_request(clinic.location, birth_date=None)
    client = signed_in(clinic)
    refused = book(client, slots_of(request=row.pk), key(clinic), version=row.version)
    assert refused.status_code == 422
    assert "The registry needs a birth date" in refused.content.decode()
    assert not Booking.objects.exists()
    answer = book(client, slots_of(request=row.pk), key(clinic), version=row.version, birth_date="1990-05-01")
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.patient is not None
    assert (row.patient.given_name, row.patient.birth_date) == (row.given_name, date(1990, 5, 1))
    assert Consultation.objects.get().patient == row.patient


def test_somebody_like_a_known_patient_is_asked_about_before_anything_is_booked(clinic: Clinic) -> None:
    ada = make_patient("Ada", family_name="Okafor", birth_date=date(1985, 3, 7))
    row = make_request(clinic.location, given_name="Ada", family_name="Okafor", birth_date=date(1985, 3, 7))
    client = signed_in(clinic)
    asked = book(client, slots_of(request=row.pk), key(clinic), version=row.version)
    assert asked.status_code == 422
    assert "Is this the same person?" in asked.content.decode()
    assert Patient.objects.count() == 1
    assert not Booking.objects.exists()
    book(client, slots_of(request=row.pk), key(clinic), version=row.version, who=str(ada.pk))
    assert Consultation.objects.get().patient == ada


def test_a_time_that_somebody_took_meanwhile_is_refused_and_others_are_offered(clinic: Clinic) -> None:
    block_time(
        location=clinic.location,
        resource_ids=[clinic.clinician.resource_id or 0],
        start=ny("10:00"),
        end=ny("11:00"),
        title="Meeting",
        by=clinic.desk,
        now=NOW,
    )
    answer = book(signed_in(clinic), slots_of(patient=make_patient().pk), key(clinic))
    assert answer.status_code == 422
    assert "no longer free" in answer.content.decode()
    assert answer.content.decode().count('data-slot="') == 5
    assert not Consultation.objects.exists()


def test_a_double_click_books_once(clinic: Clinic) -> None:
    ada = make_patient()
    client = signed_in(clinic)
    addresses = {book(client, slots_of(patient=ada.pk), key(clinic))["Location"] for _ in range(2)}
    assert len(addresses) == 1
    assert Consultation.objects.count() == 1


@pytest.mark.parametrize("slot", ["", "now", "20270107T1500.x.1", "20270107T1500.1.99999999999999", "9" * 61])
def test_a_slot_that_was_never_offered_is_refused(clinic: Clinic, slot: str) -> None:
    answer = book(signed_in(clinic), slots_of(patient=make_patient().pk), slot)
    assert answer.status_code == 422
    assert not Booking.objects.exists()


def test_on_video_no_room_is_held_and_everybody_reads_it(clinic: Clinic) -> None:
    ada = make_patient()
    client = signed_in(clinic)
    answer = book(client, slots_of(patient=ada.pk) + "&mode=video", key(clinic), mode="video")
    booking = Booking.objects.get()
    assert booking.consultation.mode == VisitMode.VIDEO
    assert not booking.allocations.filter(resource=clinic.room).exists()
    assert "Video" in client.get(answer["Location"]).content.decode()
    assert "video consultation" in client.get(reverse("courses:today")).content.decode()


def test_another_time_keeps_the_visit_and_a_stale_page_is_refused(clinic: Clinic) -> None:
    ada = make_patient()
    client = signed_in(clinic)
    book(client, slots_of(patient=ada.pk), key(clinic))
    booking = Booking.objects.get()
    moved = book(client, slots_of(move=booking.pk), key(clinic, "14:00"), version=booking.version)
    assert moved.status_code == 302
    stale = book(client, slots_of(move=booking.pk), key(clinic, "16:00"), version=booking.version)
    assert stale.status_code == 422
    booking.refresh_from_db()
    assert (booking.start, booking.status) == (ny("14:00"), BookingStatus.BOOKED)
    assert Booking.objects.count() == 1


def test_for_somebody_who_has_died_nothing_is_booked(clinic: Clinic) -> None:
    gone = make_patient(status="deceased")
    client = signed_in(clinic)
    assert "nothing can be booked" in client.get(slots_of(patient=gone.pk)).content.decode()
    assert book(client, slots_of(patient=gone.pk), key(clinic)).status_code == 422
    assert not Booking.objects.exists()


# --- how much is read -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [2, 20])
def test_the_finder_needs_the_same_few_queries_for_any_number_of_clinicians(
    clinic: Clinic, queries: Queries, count: int
) -> None:
    for number in range(count):
        make_shifts(make_user(Role.CLINICIAN, username=f"doctor{number}"), clinic.location)
    row = make_request(clinic.location, patient=make_patient())
    client = signed_in(clinic)
    address = slots_of(request=row.pk)
    client.get(address)
    with queries("slot finder"):
        assert client.get(address).status_code == 200
    book(client, address, key(clinic), version=row.version)
    booked = reverse("intake:booked", args=[Booking.objects.get().pk])
    client.get(booked)
    with queries("booked consultation"):
        client.get(booked)


def test_a_consultation_that_stands_already_is_named_on_the_clocks_of_its_place(clinic: Clinic) -> None:
    row = make_request(clinic.location, patient=make_patient())
    client = signed_in(clinic)
    book(client, slots_of(request=row.pk), key(clinic, "10:00"), version=row.version)
    text = client.get(slots_of(request=row.pk)).content.decode()
    assert "A consultation is booked already" in text
    assert "Thu 7 Jan, 10:00" in text


def test_a_video_consultation_moves_to_an_exact_time_without_a_room(clinic: Clinic) -> None:
    client = signed_in(clinic)
    book(client, slots_of(patient=make_patient().pk) + "&mode=video", key(clinic), mode="video")
    booking = Booking.objects.get()
    address = reverse("courses:visit_time", args=[booking.pk])
    assert 'name="station"' not in client.get(address).content.decode()
    moved = {"day": "2027-01-08", "start": "09:15", "version": booking.version}
    answer = client.post(address, moved | {"clinician": clinic.clinician.resource_id})
    assert answer.status_code == 302
    booking.refresh_from_db()
    assert booking.start == ny("09:15", date(2027, 1, 8))
    assert not booking.allocations.filter(resource=clinic.room).exists()
