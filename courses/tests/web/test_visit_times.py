"""One visit: a new one, and another time for one."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking, BookingKind
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_absence, make_clinic, make_closure, make_hours, make_room, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.tests import series_kit
from courses.tests.sheet_kit import HTMX, ask, words
from courses.tests.visit_kit import DAY, block, consult, ny, take
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NEW = "/calendar/new/"


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


# -- a new one ---------------------------------------------------------------------------------------------------------


def fields(clinic: Clinic, **more: Any) -> dict[str, Any]:
    return {
        "kind": "consultation",
        "day": str(DAY),
        "start": "14:00",
        "length_min": "60",
        "clinician": clinic.clinician.resource_id,
        "station": clinic.room.pk,
    } | more


def book(client: Client, clinic: Clinic, *, at: str = "09:40", htmx: bool = True, **more: Any) -> Any:
    return ask(client, clinic.desk, NEW, at=at, post=fields(clinic, **more), headers=HTMX if htmx else {})


def test_a_consultation_is_booked_by_the_name_of_the_only_patient_whom_it_fits(client: Client, clinic: Clinic) -> None:
    patient = make_patient()
    answer = book(client, clinic, patient="okafor ada")
    assert answer["HX-Redirect"] == "/calendar/?day=2027-01-07"
    booking = Booking.objects.get()
    assert (booking.subject_id, booking.start, booking.end) == (patient.resource_id, ny("14:00"), ny("15:00"))
    assert booking.created_by == clinic.desk


def test_it_works_as_a_plain_form(client: Client, clinic: Clinic) -> None:
    make_patient()
    answer = book(client, clinic, patient="Okafor", htmx=False)
    assert (answer.status_code, answer["Location"]) == (302, "/calendar/?day=2027-01-07")
    assert Booking.objects.count() == 1


def test_several_who_fit_are_offered_and_the_chosen_one_is_booked(client: Client, clinic: Clinic) -> None:
    make_patient("Ada", "Okafor")
    other = make_patient("Adam", "Okafor")
    answer = book(client, clinic, patient="Okafor")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Several patients fit" in page
    assert page.count('type="radio" name="patient_id"') == 2
    assert f"MRN {other.mrn}" in page
    book(client, clinic, patient="Okafor", patient_id=other.pk)
    assert Booking.objects.get().subject_id == other.resource_id


def test_a_guess_is_never_booked_without_a_look(client: Client, clinic: Clinic) -> None:
    make_patient("Ada", "Okafor")
    answer = book(client, clinic, patient="Okafro")
    assert answer.status_code == 422
    assert "Is this the patient?" in answer.content.decode()
    assert Booking.objects.count() == 0


@pytest.mark.parametrize(("typed", "said"), [("", "Say for whom."), ("Zzyzx", "Nobody fits.")])
def test_without_a_patient_nothing_is_booked(client: Client, clinic: Clinic, typed: str, said: str) -> None:
    answer = book(client, clinic, patient=typed)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_from_a_patient_s_page_the_name_is_filled_in(client: Client, clinic: Clinic) -> None:
    patient = make_patient()
    page = ask(client, clinic.desk, f"{NEW}?patient_id={patient.pk}").content.decode()
    assert "Okafor, Ada" in page
    assert f'name="patient_id" value="{patient.pk}"' in page
    assert 'name="patient"' not in page
    assert ask(client, clinic.desk, f"{NEW}?patient_id=none").status_code == 200


def test_a_patient_who_has_died_is_not_booked(client: Client, clinic: Clinic) -> None:
    patient = make_patient(status="deceased", deceased_on=date(2026, 12, 1))
    answer = book(client, clinic, patient_id=patient.pk)
    assert answer.status_code == 422
    assert "recorded as deceased" in answer.content.decode()


def test_a_click_into_the_calendar_fills_in_the_place_and_the_time(client: Client, clinic: Clinic) -> None:
    room = ask(client, clinic.desk, f"{NEW}?day=2027-01-08&start=11:15&station={clinic.room.pk}").content.decode()
    assert 'value="2027-01-08"' in room
    assert 'value="11:15"' in room
    assert f'<option value="{clinic.room.pk}" selected>' in room
    assert '<option value="consultation" selected>' in room
    chair = ask(client, clinic.desk, f"{NEW}?station={clinic.chairs[0].pk}").content.decode()
    assert '<option value="block" selected>' in chair


def test_otherwise_it_begins_at_the_next_full_step(client: Client, clinic: Clinic) -> None:
    assert 'value="09:45"' in ask(client, clinic.desk, NEW, at="09:40").content.decode()


def test_the_past_is_refused(client: Client, clinic: Clinic) -> None:
    make_patient()
    answer = book(client, clinic, patient="Okafor", at="14:30")
    assert answer.status_code == 422
    assert "This time is over" in answer.content.decode()
    assert Booking.objects.count() == 0


def test_a_closed_location_is_refused(client: Client, clinic: Clinic) -> None:
    make_patient()
    make_closure(clinic.location, DAY, reason="Three Kings")
    answer = book(client, clinic, patient="Okafor", anyway="1")
    assert answer.status_code == 422
    assert "Downtown is closed on Thu 7 Jan: Three Kings" in answer.content.decode()


def test_outside_the_hours_a_tick_is_asked_for_and_counts_only_for_what_was_read(
    client: Client, clinic: Clinic
) -> None:
    make_patient()
    page = book(client, clinic, patient="Okafor", start="17:30").content.decode()
    assert "Downtown is open 08:00–18:00" in page
    assert "Samuel Hart works 08:00–18:00" in page
    found = re.search(r'name="anyway" value="([0-9a-f]+)"', page)
    assert found
    assert Booking.objects.count() == 0
    make_absence(clinic.clinician, DAY)
    assert book(client, clinic, patient="Okafor", start="17:30", anyway=found[1]).status_code == 422  # another warning
    again = re.search(
        r'name="anyway" value="([0-9a-f]+)"', book(client, clinic, patient="Okafor", start="17:30").content.decode()
    )
    assert again
    book(client, clinic, patient="Okafor", start="17:30", anyway=again[1])
    assert Booking.objects.get().start == ny("17:30")


def test_an_hour_that_does_not_exist_is_refused(client: Client, clinic: Clinic) -> None:
    make_patient()
    make_hours(clinic.location, weekdays=[6])
    answer = book(client, clinic, patient="Okafor", day="2027-03-14", start="02:30")
    assert answer.status_code == 422
    assert "This time does not exist on that day" in answer.content.decode()
    assert Booking.objects.count() == 0


def test_what_is_in_the_way_is_named(client: Client, clinic: Clinic) -> None:
    consult(clinic, "14:30")
    answer = book(client, clinic, patient_id=make_patient("Mei", "Chen").pk)
    assert answer.status_code == 422
    said = words(answer.content.decode())
    assert "Room 1 is taken Thu 7 Jan 14:30–15:30 by a consultation." in said
    assert "Samuel Hart is taken" in said


def test_sent_twice_it_is_booked_once(client: Client, clinic: Clinic) -> None:
    patient = make_patient()
    assert book(client, clinic, patient_id=patient.pk).status_code == 200
    again = book(client, clinic, patient_id=patient.pk)
    assert again.status_code == 422
    assert "The patient already has a consultation" in again.content.decode()
    assert Booking.objects.count() == 1


@pytest.mark.parametrize(
    ("gap", "said"),
    [({"clinician": ""}, "Choose the clinician."), ({"station": ""}, "Choose a room."), ({"start": "25:00"}, "valid time"),
     ({"day": "x"}, "valid date"), ({"day": "0001-01-01"}, "Check the year."), ({"day": "9999-12-31"}, "Check the year."),
     ({"length_min": "7"}, "valid choice"), ({"clinician": "999999"}, "valid choice")],
)  # fmt: skip
def test_gaps_and_nonsense_are_named_beside_their_field(
    client: Client, clinic: Clinic, gap: dict[str, str], said: str
) -> None:
    answer = book(client, clinic, patient_id=make_patient().pk, **gap)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_a_consultation_takes_a_room_not_a_chair(client: Client, clinic: Clinic) -> None:
    answer = book(client, clinic, patient_id=make_patient().pk, station=clinic.chairs[0].pk)
    assert "takes a room, not an infusion chair" in answer.content.decode()


def test_time_is_blocked_for_a_person_and_a_chair_together(client: Client, clinic: Clinic) -> None:
    book(client, clinic, kind="block", title="Staff meeting", station=clinic.chairs[0].pk)
    booking = Booking.objects.get()
    assert (booking.kind, booking.title, booking.subject_id) == (BookingKind.BLOCK, "Staff meeting", None)
    held = set(booking.allocations.values_list("resource_id", flat=True))
    assert held == {clinic.chairs[0].pk, clinic.clinician.resource_id}


def test_blocked_time_needs_something_to_block_and_a_word_for_it(client: Client, clinic: Clinic) -> None:
    answer = book(client, clinic, kind="block", title="", station="", clinician="")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose what is blocked" in page
    assert "Say what the time is for." in page


@pytest.mark.parametrize("role", [Role.NURSE, Role.MANAGER])
def test_roles_that_do_not_book_are_refused(client: Client, clinic: Clinic, role: Role) -> None:
    user = clinic.users[role]
    assert ask(client, user, NEW).status_code == 403
    assert ask(client, user, NEW, post=fields(clinic, patient_id=make_patient().pk)).status_code == 403
    assert Booking.objects.count() == 0
    assert Client().get(NEW)["Location"].startswith("/accounts/login/")


def test_the_form_stays_within_its_queries(client: Client, clinic: Clinic, queries: Queries) -> None:
    patient = make_patient()
    ask(client, clinic.desk, NEW)
    with time_machine.travel(ny("09:40"), tick=False), queries("new visit"):
        answer = client.get(f"{NEW}?patient_id={patient.pk}", headers=HTMX)
    assert answer.status_code == 200
    assert patient.family_name in answer.content.decode()


# -- another time ------------------------------------------------------------------------------------------------------


def drop(client: Client, user: Any, booking: Booking, *, at: str = "09:40", **wish: Any) -> Any:
    facts = {"day": str(DAY), "start": "15:00", "version": booking.version} | wish
    return ask(client, user, reverse("courses:move_visit", args=[booking.pk]), at=at, post=facts)


def test_a_dropped_consultation_stands_at_its_new_time_and_can_be_put_back(client: Client, clinic: Clinic) -> None:
    booking = take(consult(clinic), "confirmed", by=clinic.desk, at=ny("08:00"))
    answer = drop(client, clinic.desk, booking).json()
    assert answer["done"] == "Moved to Thu 7 Jan, 15:00. Okafor, Ada had confirmed the old time: ask again."
    booking.refresh_from_db()
    assert booking.start == ny("15:00")
    back = ask(client, clinic.desk, reverse("courses:move_visit", args=[booking.pk]), post=answer["undo"])
    assert back.status_code == 200
    assert Booking.objects.get(pk=booking.pk).start == ny("10:00")


def test_it_can_change_rooms_and_back(client: Client, clinic: Clinic) -> None:
    booking, other = consult(clinic), make_room(clinic.location)
    answer = drop(client, clinic.desk, booking, **{"from": clinic.room.pk, "to": other.pk}).json()
    assert booking.allocations.get(role="station", released=False).resource == other
    ask(client, clinic.desk, reverse("courses:move_visit", args=[booking.pk]), post=answer["undo"])
    assert booking.allocations.get(role="station", released=False).resource == clinic.room


def test_it_can_change_clinicians_but_not_to_a_nurse_a_chair_or_another_clinic(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    second = make_user(Role.CLINICIAN, first_name="Noor", last_name="Aziz")
    elsewhere = make_clinic("Lakeside")
    mine = clinic.clinician.resource_id
    for source, target, said in (
        (mine, clinic.nurse.resource_id, "is no clinician"),
        (mine, clinic.room.pk, "is a person: drop this on a person"),
        (clinic.room.pk, clinic.chairs[0].pk, "drop this on a room"),
        (clinic.room.pk, elsewhere.room.pk, "drop this on a room"),
        (clinic.chairs[0].pk, clinic.chairs[1].pk, "Load the page again"),
        (mine, 987654, "Load the page again"),
    ):
        answer = drop(client, clinic.desk, booking, **{"from": source, "to": target})
        assert answer.status_code == 422
        assert said in answer.json()["problem"]
    asked = drop(client, clinic.desk, booking, **{"from": mine, "to": second.resource_id}).json()
    assert asked["ask"] == ["Noor Aziz does not work at Downtown that day."]
    agreed = {"from": mine, "to": second.resource_id, "anyway": asked["anyway"]}
    assert drop(client, clinic.desk, booking, **agreed).status_code == 200
    assert booking.allocations.get(role="clinician", released=False).resource == second.resource


def test_where_something_stands_already_it_is_refused_and_named(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    consult(clinic, "15:30", patient=make_patient("Mei", "Chen"))
    answer = drop(client, clinic.desk, booking)
    assert answer.status_code == 422
    assert "Room 1 is taken Thu 7 Jan 15:30–16:30" in answer.json()["problem"]
    assert Booking.objects.get(pk=booking.pk).start == ny("10:00")


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        ({"start": "08:00"}, 422, "This time is over"),
        ({"day": "2027-01-09"}, 422, "Downtown is closed on Sat 9 Jan"),
        ({"day": "2027-03-14", "start": "02:30"}, 422, "does not exist"),
        ({"day": "9999-12-31"}, 422, "could not be read"),
        ({"day": "0001-01-01"}, 422, "could not be read"),
        ({"start": "10:00+05:00"}, 422, "could not be read"),
        ({"from": 2**63, "to": 2**64}, 422, "This visit has changed"),
        ({"version": 2**64}, 422, "Somebody changed this visit"),
        ({"day": "x"}, 422, "could not be read"),
        ({"start": ""}, 422, "could not be read"),
        ({"version": "x"}, 422, "could not be read"),
        ({"version": 0}, 422, "Somebody changed this visit"),
    ],
)
def test_a_move_that_cannot_be_is_refused_in_words(
    client: Client, clinic: Clinic, wish: dict[str, Any], status: int, said: str
) -> None:
    booking = consult(clinic)
    answer = drop(client, clinic.desk, booking, **wish)
    assert answer.status_code == status
    assert said in answer.json()["problem"]
    assert Booking.objects.get(pk=booking.pk).version == booking.version


def test_outside_the_hours_it_asks_first(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    asked = drop(client, clinic.desk, booking, start="17:30").json()
    assert asked["ask"][0] == "Downtown is open 08:00–18:00 on Thu 7 Jan."
    assert Booking.objects.get(pk=booking.pk).start == ny("10:00")
    assert "done" in drop(client, clinic.desk, booking, start="17:30", anyway=asked["anyway"]).json()


def test_a_dropped_infusion_is_only_a_wish(client: Client) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    before = booking.version
    answer = drop(
        client, booked.desk, booking, day="2027-04-06", start="09:00",
        **{"from": booked.clinic.chairs[0].pk, "to": booked.clinic.chairs[1].pk},
    ).json()  # fmt: skip
    parts = urlsplit(answer["sheet"])
    assert parts.path == reverse("courses:move", args=[booked.infusion_any(1)])
    assert parse_qs(parts.query) == {
        "day": ["2027-04-06"], "start": ["09:00"], "chair": [str(booked.clinic.chairs[1].pk)],
    }  # fmt: skip
    assert Booking.objects.get(pk=booking.pk).version == before
    assert ask(client, booked.desk, answer["sheet"], headers=HTMX).status_code == 200


def test_blocked_time_of_a_nurse_moves_with_all_lanes(client: Client, clinic: Clinic) -> None:
    assert clinic.nurse.resource_id
    booking = block(clinic, "12:00", [clinic.nurse.resource_id])
    lanes = booking.allocations.filter(released=False).count()
    assert drop(client, clinic.desk, booking).status_code == 200
    held = Booking.objects.get(pk=booking.pk).allocations.filter(released=False)
    assert held.count() == lanes
    assert {one.span.lower for one in held} == {ny("15:00")}


@pytest.mark.parametrize("role", [Role.NURSE, Role.MANAGER])
def test_roles_that_do_not_book_cannot_move(client: Client, clinic: Clinic, role: Role) -> None:
    booking = consult(clinic)
    assert drop(client, clinic.users[role], booking).status_code == 403
    assert ask(client, clinic.users[role], reverse("courses:visit_time", args=[booking.pk])).status_code == 403
    answer = Client().post(reverse("courses:move_visit", args=[booking.pk]))
    assert answer["Location"].startswith("/accounts/login/")


def change(client: Client, clinic: Clinic, booking: Booking, **more: Any) -> Any:
    facts = {
        "day": str(DAY), "start": "15:00", "version": booking.version, "next": "/",
        "clinician": clinic.clinician.resource_id, "station": clinic.room.pk,
    } | more  # fmt: skip
    return ask(client, clinic.desk, reverse("courses:visit_time", args=[booking.pk]), post=facts, headers=HTMX)


def test_a_form_does_what_dragging_does(client: Client, clinic: Clinic) -> None:
    booking, other = consult(clinic), make_room(clinic.location)
    page = ask(client, clinic.desk, reverse("courses:visit_time", args=[booking.pk])).content.decode()
    assert 'value="10:00"' in page
    assert f'<option value="{clinic.room.pk}" selected>' in page
    assert change(client, clinic, booking, station=other.pk)["HX-Redirect"] == "/"
    booking.refresh_from_db()
    assert booking.start == ny("15:00")
    assert booking.allocations.get(role="station", released=False).resource == other


@pytest.mark.parametrize(
    ("more", "said"),
    [({"start": "17:45"}, "open 08:00–18:00"), ({"day": "2027-01-09"}, "is closed"), ({"version": 0}, "Somebody changed"),
     ({"station": ""}, "Choose a room."), ({"start": "08:00"}, "This time is over")],
)  # fmt: skip
def test_the_form_refuses_and_asks_as_dragging_does(
    client: Client, clinic: Clinic, more: dict[str, Any], said: str
) -> None:
    booking = consult(clinic)
    answer = change(client, clinic, booking, **more)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Booking.objects.get(pk=booking.pk).start == ny("10:00")


def test_blocked_time_has_a_form_with_only_its_time(client: Client, clinic: Clinic) -> None:
    booking = block(clinic, "12:00", [clinic.room.pk])
    page = ask(client, clinic.desk, reverse("courses:visit_time", args=[booking.pk])).content.decode()
    assert 'name="station"' not in page
    change(client, clinic, booking)
    assert Booking.objects.get(pk=booking.pk).start == ny("15:00")


def test_for_an_infusion_the_form_is_the_move_page_of_its_course(client: Client) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    answer = ask(client, booked.desk, reverse("courses:visit_time", args=[booking.pk]))
    assert answer["Location"] == reverse("courses:move", args=[booked.infusion_any(1)])


def test_a_lunch_break_is_asked_about(client: Client, clinic: Clinic) -> None:
    clinic.location.opening_hours.all().delete()
    make_hours(clinic.location, opens=time(8), closes=time(12))
    make_hours(clinic.location, opens=time(13), closes=time(18))
    booking = consult(clinic, "14:00")
    asked = drop(client, clinic.desk, booking, start="11:30").json()
    assert asked["ask"] == ["Downtown is open 08:00–12:00 and 13:00–18:00 on Thu 7 Jan."]


def test_a_visit_of_yesterday_that_is_moved_offers_no_way_back_into_the_past(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic, day=DAY - timedelta(days=1))
    assert drop(client, clinic.desk, booking).json()["undo"] is None
