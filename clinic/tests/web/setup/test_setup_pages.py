"""Every set-up page as a manager sees it: its one heading, its queries, the empty clinic, the audit, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from clinic.models import (
    AccessLog,
    Booking,
    Location,
    OpeningReason,
    Resource,
    User,
)
from clinic.pure.roles import Role
from clinic.services.openings import open_record
from clinic.tests.factories import (
    Clinic,
    make_absence,
    make_chair,
    make_closure,
    make_hours,
    make_location,
    make_shifts,
    make_user,
)
from clinic.tests.setup_kit import NOW, THURSDAY, url, visit, words
from clinic.tests.web.addresses import every_address
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


# --- every page -------------------------------------------------------------------------------------------------------


def fill(clinic: Clinic, count: int) -> None:
    """`count` more of everything that a list may show."""
    later = THURSDAY + timedelta(days=14 * count)
    for n in range(count):
        place = make_location("Site")
        make_hours(place)
        make_chair(place)
        make_chair(clinic.location)
        nurse = make_user(Role.NURSE, username=f"nurse-{n}-of-{count}")
        make_shifts(nurse, place)
        make_closure(clinic.location, later + timedelta(days=n))
        make_absence(clinic.nurse, later + timedelta(days=n))
        visit(clinic.location, later + timedelta(days=n), 9, person=clinic.nurse)
        subject = make_patient().resource
        AccessLog.objects.create(at=NOW, user=nurse, subject=subject, page="Patient record", path="/p/")
        open_record(
            by=nurse,
            subject_id=subject.pk,
            location_id=place.pk,
            kind=OpeningReason.EMERGENCY,
            reason="Fainted in the street",
            path="/p/",
            now=NOW,
        )


PAGES: dict[str, Callable[[Clinic], str]] = {
    "set-up": lambda _: url("index"),
    "own locations by role": lambda _: url("own_locations"),
    "openings": lambda _: url("openings"),
    "first steps": lambda _: url("welcome"),
    "second factor by role": lambda _: url("second_factor"),
    "locations": lambda _: url("locations"),
    "location": lambda c: url("location", c.location.pk),
    "location form": lambda c: url("location_edit", c.location.pk),
    "chair form": lambda c: url("station_edit", c.chairs[0].pk),
    "opening hours": lambda c: url("opening_hours", c.location.pk),
    "closures": lambda c: url("closures", c.location.pk),
    "closure form": lambda c: url("closure_add", c.location.pk),
    "public holidays": lambda c: url("holidays", c.location.pk),
    "staff": lambda _: url("staff"),
    "person": lambda c: url("person", c.nurse.pk),
    "person form": lambda c: url("staff_edit", c.nurse.pk),
    "shifts": lambda c: url("shifts", c.nurse.pk, c.location.pk),
    "exception form": lambda c: url("exception_add", c.nurse.pk),
    "staff week": lambda _: url("staff_week"),
    "history": lambda _: url("history"),
    "read log": lambda _: url("readings"),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_the_same_few_queries_for_2_and_for_20_rows(page, clinic, manager, queries) -> None:
    for count in (2, 18):
        fill(clinic, count)
        with queries(page):
            answer = manager.get(PAGES[page](clinic))
        assert answer.status_code == 200


def test_a_closure_with_its_visits_needs_the_same_few_queries(clinic, manager, queries) -> None:
    row = make_closure(clinic.location, THURSDAY)
    for count in (2, 18):
        for _ in range(count):
            visit(clinic.location, THURSDAY)
        with queries("closure"):
            answer = manager.get(url("closure", row.pk))
        assert words(answer).count("Infusion") == Booking.objects.count()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_heading_and_shows_no_script_of_a_name(page, clinic, manager) -> None:
    Location.objects.update(name=SCRIPT, address=SCRIPT)
    User.objects.update(first_name=SCRIPT, title=SCRIPT)
    Resource.objects.filter(kind="chair").update(note=SCRIPT)
    make_closure(clinic.location, THURSDAY, reason=SCRIPT)
    make_absence(clinic.nurse, THURSDAY, reason=SCRIPT)
    body = manager.get(PAGES[page](clinic)).content.decode()
    assert SCRIPT not in body
    assert len(re.findall(r"<h1[ >]", body)) == 1


def test_every_set_up_page_that_shows_something_is_in_the_list_above(clinic) -> None:
    acts = {
        "me",
        "alive",
        "choose_location",
        "invite",
        "deactivate",
        "reactivate",
        "exception_delete",
        "closure_delete",
    }
    acts |= {"station_move", "station_retire", "station_restore", "staff_add", "location_add", "station_add", "closure"}
    acts |= {"welcome_next", "welcome_later", "welcome_step", "end_sessions", "forget_second_factor"}
    acts |= {"open_record", "close_record", "look_at"}
    acts |= {"operation", "caught"}  # looked at and counted in test_operation_pages
    named = {address.name for address in every_address() if address.name.startswith("setup:")}
    from django.urls import resolve  # noqa: PLC0415

    shown = {resolve(make(clinic)).view_name for make in PAGES.values()}
    assert named - shown == {f"setup:{name}" for name in acts}


EMPTY = [
    "index",
    "second_factor",
    "locations",
    "location_add",
    "staff",
    "staff_add",
    "staff_week",
    "history",
    "readings",
    "me",
]


@pytest.mark.parametrize("name", EMPTY)
def test_a_clinic_with_nothing_in_it_opens_and_says_what_to_do_next(name, client) -> None:
    client.force_login(make_user(Role.MANAGER))
    answer = client.get(url(name))
    assert answer.status_code == 200
    said = {"index": "Start with the first steps", "locations": "Add a location"}.get(name, "")
    assert said in words(answer)


def test_a_person_s_page_opens_in_an_empty_clinic(client) -> None:
    manager = make_user(Role.MANAGER)
    client.force_login(manager)
    assert "there is none yet" in words(client.get(url("person", manager.pk)))


# --- audit ------------------------------------------------------------------------------------------------------------


def test_a_change_made_on_a_page_stands_in_the_history_with_its_author_and_page(clinic, manager) -> None:
    manager.post(url("station_edit", clinic.chairs[0].pk), {"kind": "chair", "name": "Window", "note": ""})
    row = Resource.objects.get(pk=clinic.chairs[0].pk)
    assert row.name == "Window"
    said = words(
        manager.get(url("history"), {"first_day": "2020-01-01", "last_day": "2090-01-01", "table": "clinic.resource"})
    )
    assert "Ruth Adeyemi, Practice manager" in said
    assert url("station_edit", row.pk) in said
    assert "Name Chair 1 → Window" in said


def test_reading_the_history_of_a_patient_is_itself_a_reading(clinic, manager) -> None:
    patient = make_patient()
    assert manager.get(url("history"), {"mrn": patient.mrn}).status_code == 200
    row = AccessLog.objects.get()
    assert (row.user, row.subject, row.page) == (clinic.manager, patient.resource, "History of changes")
    assert f"Ada Okafor MRN {patient.mrn} History of changes" in words(
        manager.get(url("readings"), {"mrn": patient.mrn})
    )


def test_the_read_log_is_filtered(clinic, manager) -> None:
    ada, mei = make_patient("Ada", "Okafor"), make_patient("Mei", "Chen")
    for patient, user in ((ada, clinic.nurse), (mei, clinic.desk)):
        AccessLog.objects.create(at=NOW, user=user, subject=patient.resource, page="Patient record", path="/p/")
    said = words(manager.get(url("readings"), {"person": clinic.nurse.pk}))
    assert f"Ada Okafor MRN {ada.mrn} Patient record" in said
    assert "Mei Chen" not in said
    assert "No readings" in words(manager.get(url("readings"), {"first_day": "2026-01-01", "last_day": "2026-02-01"}))


@pytest.mark.parametrize("page", ["history", "readings"])
@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"mrn": "nobody"}, "No patient has this number."),
        ({"mrn": "x" * 10_000}, "at most 12 characters"),
        ({"first_day": "2027-01-05", "last_day": "2027-01-04"}, "The last day is before the first day."),
        ({"person": "999999"}, "Select a valid choice"),
        ({"first_day": "soon"}, "Enter a valid date"),
    ],
)
def test_odd_filters_are_refused_in_words(manager, page, asked, refusal) -> None:
    answer = manager.get(url(page), asked)
    assert answer.status_code == 422
    assert refusal in words(answer)


@pytest.mark.parametrize("path", ["/setup/nowhere/", "/setup/locations/999999/", "/setup/staff/999999/"])
def test_what_does_not_exist_says_so_inside_the_product(manager, path) -> None:
    answer = manager.get(path)
    assert answer.status_code == 404
    assert "Nothing here" in words(answer)
    assert "Back to Today" in words(answer)


def test_another_role_is_told_whose_page_it_is(clinic, client) -> None:
    client.force_login(clinic.nurse)
    answer = client.get(url("index"))
    assert answer.status_code == 403
    assert "Not part of your role" in words(answer)


def test_a_form_from_elsewhere_is_refused_in_words(clinic) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(clinic.manager)
    answer = strict.post(url("deactivate", clinic.nurse.pk))
    assert answer.status_code == 403
    assert "Please try again" in words(answer)
    assert User.objects.get(pk=clinic.nurse.pk).is_active
