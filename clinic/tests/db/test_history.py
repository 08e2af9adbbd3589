"""The history as a manager reads it: who, when, from where, before and after; complete, in order, in pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pghistory
import pytest
from django.apps import apps
from django.db import InternalError, connection, transaction

from clinic.models import Booking, BookingKind, Closure, Resource
from clinic.pure.roles import Role
from clinic.services.history import (
    PAGE,
    Change,
    Cursor,
    Wanted,
    history,
    patient_by_mrn,
    tables,
)
from clinic.tests.factories import make_chair, make_closure, make_location, make_user
from patients.tests.factories import make_allergy, make_patient, make_phone

pytestmark = pytest.mark.django_db
EVER = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}


def read(*, with_clinical: bool = True, location=None, **facts):
    return history(Wanted(**(EVER | facts)), with_clinical=with_clinical, location=location)


def entries(**facts):
    return [entry for deed in read(**facts).deeds for entry in deed.entries]


def changes_of(entry) -> dict[str, tuple[str, str]]:
    return {field.label: (field.before, field.after) for field in entry.fields}


def test_every_tracked_table_can_be_filtered_by_name() -> None:
    assert {"clinic.booking", "clinic.closure", "clinic.user", "patients.patient", "courses.course"} <= set(tables())
    assert tables()["clinic.closure"] == "Closure"


def test_a_change_says_who_from_where_and_before_and_after_in_words() -> None:
    place, manager = make_location(), make_user(Role.MANAGER)
    closure = make_closure(place, date(2027, 1, 7))
    with pghistory.context(user=manager.pk, url="/setup/closures/1/"):
        closure.reason, closure.last_day, closure.from_time, closure.until_time = (
            "Flood",
            date(2027, 1, 8),
            time(8),
            time(9),
        )
        closure.save()
    deed = read(table="clinic.closure").deeds[0]
    assert (deed.who, deed.path) == (manager.display_name, "/setup/closures/1/")
    assert (deed.entries[0].change, deed.entries[0].thing) == (Change.CHANGED, "Closure “Flood”")
    assert changes_of(deed.entries[0]) == {
        "Reason": ("Staff training", "Flood"),
        "Last day": ("Thu 7 Jan 2027", "Fri 8 Jan 2027"),
        "From time": ("", "08:00"),
        "Until time": ("", "09:00"),
    }


def test_names_stand_for_numbers_and_words_for_codes() -> None:
    place = make_location()
    patient = make_patient()
    span = (place.at(date(2027, 1, 7), time(10)), place.at(date(2027, 1, 7), time(12)))
    booking = Booking.objects.create(
        kind=BookingKind.INFUSION, location=place, subject=patient.resource, span=span, created_at=EVER["since"]
    )
    said = changes_of(entries(table="clinic.booking", location=place)[0])
    assert said["Location"] == ("", "Downtown")
    assert said["Span"] == ("", "Thu 7 Jan 2027, 10:00–12:00")
    assert (said["Kind"], said["Status"]) == (("", "Infusion"), ("", "Booked"))
    booking.status = "done"
    booking.save()
    assert changes_of(entries(table="clinic.booking")[0]) == {"Status": ("Booked", "Done")}


def test_removing_shows_what_there_was_and_bulk_changes_are_not_missed() -> None:
    place = make_location()
    make_closure(place, date(2027, 1, 7))
    Closure.objects.update(reason="Moved by hand")
    Closure.objects.all().delete()
    removed, changed, added = entries(table="clinic.closure")
    assert [removed.change, changed.change, added.change] == [Change.REMOVED, Change.CHANGED, Change.ADDED]
    assert changes_of(removed)["Reason"] == ("", "Moved by hand")


def test_roles_are_said_in_words() -> None:
    person = make_user(Role.NURSE)
    person.roles = [Role.NURSE.value, Role.MANAGER.value]
    person.save()
    assert changes_of(entries(table="clinic.user")[0]) == {"Roles": ("Nurse", "Nurse, Manager")}


def test_passwords_never_stand_in_the_history() -> None:
    person = make_user(Role.NURSE)
    person.set_password("not in the history")
    person.save()
    assert [entry.change for entry in entries(table="clinic.user")] == [Change.ADDED]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(e)::text FROM clinic_userevent e")
        assert not any("password" in row[0] for row in cursor.fetchall())


def test_clinical_values_are_hidden_from_whoever_may_not_see_them() -> None:
    allergy = make_allergy(make_patient(), "Latex")
    allergy.description = "Penicillin"
    allergy.save()
    seen = entries(table="patients.allergy")[0]
    hidden = entries(table="patients.allergy", with_clinical=False)[0]
    assert ("Latex", "Penicillin") in changes_of(seen).values()
    assert hidden.is_hidden
    assert set(changes_of(hidden).values()) == {("", "")}
    assert "Penicillin" not in hidden.thing


def test_names_and_bookings_are_open_to_whoever_reads_the_history() -> None:
    make_patient()
    assert "Okafor" in entries(table="patients.patient", with_clinical=False)[0].thing


def test_a_table_that_nobody_opened_is_closed() -> None:
    from clinic.services.history import OPEN_TABLES  # noqa: PLC0415

    known = {model._meta.label_lower for model in apps.get_models()}
    assert known >= OPEN_TABLES, "a table was renamed: name it anew, or its values are hidden from managers"
    assert not {"patients.allergy", "patients.medicine", "patients.problem", "patients.treatedcondition"} & OPEN_TABLES


# --- filters ------------------------------------------------------------------------------------------------------


def test_by_person_kind_and_time() -> None:
    place, manager, other = make_location(), make_user(Role.MANAGER), make_user(Role.MANAGER)
    with pghistory.context(user=manager.pk):
        chair = make_chair(place)
    with pghistory.context(user=other.pk):
        chair.name = "Window"
        chair.save()
    assert [entry.change for entry in entries(user_id=manager.pk)] == [Change.ADDED]
    assert [entry.change for entry in entries(user_id=other.pk)] == [Change.CHANGED]
    assert [entry.change for entry in entries(table="clinic.resource", change=Change.CHANGED)] == [Change.CHANGED]
    assert entries(table="clinic.resource", until=datetime(2001, 1, 1, tzinfo=UTC)) == []


def test_by_patient_finds_everything_about_them_and_nothing_about_others() -> None:
    ada, mei = make_patient("Ada", "Okafor"), make_patient("Mei", "Chen")
    place = make_location()
    for patient in (ada, mei):
        make_phone(patient)
        make_allergy(patient)
        day = date(2027, 1, 7)
        Booking.objects.create(
            kind=BookingKind.CONSULTATION,
            location=place,
            subject=patient.resource,
            span=(place.at(day, time(9)), place.at(day, time(10))),
            created_at=EVER["since"],
        )
    found = entries(subject_id=ada.resource_id)
    assert {entry.table for entry in found} == {
        *{"clinic.resource", "clinic.booking", "patients.patient", "patients.phone", "patients.allergy"}
    }
    assert len(found) == 5


def test_every_table_about_a_patient_is_found_by_patient() -> None:
    from clinic.services.history import _way_to_patient  # noqa: PLC0415

    about = {label for label in tables() if label.startswith(("patients.", "courses."))}
    assert {label for label in about if not _way_to_patient(label)} == {
        "courses.reportmail",
        *{"courses.protocol", "courses.protocolversion", "courses.protocolstep"},
        *{"patients.intakesettings", "patients.priceitem", "patients.consenttext"},
        *{"patients.messagerule", "patients.messagetext"},
        *{"patients.privacysettings", "patients.retentionterm"},
        *{"courses.infusiondaysettings", "courses.followupsettings", "courses.druglot", "courses.discrepancy"},
    }, "a new table needs its way to the patient in WAYS_TO_PATIENT, or a place in this list"


def test_a_patient_is_found_by_the_number_that_the_clinic_issued() -> None:
    ada = make_patient()
    assert patient_by_mrn(f" {ada.mrn.lower()} ") == ada.resource
    assert patient_by_mrn("nobody") is None


# --- pages --------------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_gap_or_repeat_also_inside_one_moment() -> None:
    place = make_location()
    Resource.objects.bulk_create(
        Resource(kind="chair", name=f"Chair {n}", location=place, position=n) for n in range(2 * PAGE + 20)
    )  # one statement, one instant
    make_closure(place, date(2027, 1, 7))
    seen, page = [], read()
    while True:
        seen += [entry.thing for deed in page.deeds for entry in deed.entries]
        if page.next is None:
            break
        page = read(after=Cursor.parse(str(page.next)))
    assert len(seen) == len(set(seen)) == 2 * PAGE + 20 + 2  # the chairs, the location, the closure


def test_what_one_act_changed_stands_together() -> None:
    place, manager = make_location(), make_user(Role.MANAGER)
    with transaction.atomic(), pghistory.context(user=manager.pk, url="/setup/"):
        make_chair(place)
        make_chair(place)
        make_closure(place, date(2027, 1, 7))
    deed = next(deed for deed in read().deeds if deed.path == "/setup/")
    assert len(deed.entries) == 3


@pytest.mark.parametrize(
    "text", ["", "x", "2027-01-07|clinic.user", "2027-01-07T10:00:00|clinic.user|1", "a|b|c", "|" * 10_000]
)
def test_an_address_that_is_no_cursor_begins_at_the_newest(text) -> None:
    assert Cursor.parse(text) is None


def test_nobody_can_rewrite_the_history() -> None:
    make_closure(make_location(), date(2027, 1, 7))
    for statement in ("UPDATE clinic_closureevent SET reason = 'x'", "DELETE FROM clinic_closureevent"):
        with pytest.raises(InternalError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_span_is_half_open() -> None:
    make_closure(make_location(), date(2027, 1, 7))
    at = read(table="clinic.closure").deeds[0].at
    assert entries(table="clinic.closure", since=at, until=at + timedelta(microseconds=1))
    assert not entries(table="clinic.closure", since=at - timedelta(days=1), until=at)
