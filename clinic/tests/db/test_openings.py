"""Records of another location, opened with a reason: once, for one patient, for so long, and never quietly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, InternalError, transaction

from clinic.edge.reach import reached_by, reached_of_all, standing_of
from clinic.models import AccessLog, Booking, BookingKind, Location, Opening, OpeningReason, User
from clinic.pure.roles import Role
from clinic.services.access import record_reading
from clinic.services.openings import LookedAtError, close_record, count_to_look_at, look_at, open_record, openings
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.parallel import Parallel
from courses.tests.follow_kit import make_plain_course
from patients.models import Patient
from patients.tests.factories import make_consultation, make_patient, make_request

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
WHY = "asks to move her visit"


@pytest.fixture
def lakeside(db: None) -> Location:
    return make_location("Lakeside")


@pytest.fixture
def desk(db: None) -> User:
    """Front desk of Downtown."""
    return make_user(Role.FRONT_DESK, home_location=make_location("Downtown"))


def fresh(person: User) -> User:
    """As the next request loads the person."""
    return User.objects.with_reach().get(pk=person.pk)


def reaches(person: User, patient: Patient, at: datetime = NOW) -> bool:
    """By the record, and by a list: both say the same."""
    person = fresh(person)
    alone = standing_of(person, subject_ids=[patient.resource_id], now=at)[patient.resource_id].is_reached
    listed = Patient.objects.filter(reached_by(person, now=at), pk=patient.pk).exists()
    assert Patient.objects.filter(reached_of_all(person, now=at), pk=patient.pk).exists() == listed  # as counted
    assert alone == listed
    return alone


def opened(by: User, patient: Patient, at: datetime = NOW, **fields: Any) -> Opening:
    known = {"kind": OpeningReason.HERE, "reason": WHY, "path": "/patients/1/", "location_id": None} | fields
    return open_record(by=by, subject_id=patient.resource_id, now=at, **known)


# -- where a patient belongs -------------------------------------------------------------------------------------------
def test_a_patient_belongs_to_the_home_location_and_one_without_any_to_everybody(
    desk: User, lakeside: Location
) -> None:
    assert not reaches(desk, make_patient(home_location=lakeside))
    assert reaches(desk, make_patient(home_location=desk.home_location))
    assert reaches(desk, make_patient())


@pytest.mark.parametrize("tie", ["booking", "cancelled", "consultation", "request", "course"])
def test_whatever_ties_a_patient_to_a_location_opens_the_record_there(desk: User, lakeside: Location, tie: str) -> None:
    patient, here = make_patient(home_location=lakeside), desk.home_location
    assert here is not None
    assert not reaches(desk, patient)
    if tie in ("booking", "cancelled"):
        Booking.objects.create(
            kind=BookingKind.CONSULTATION,
            status="cancelled" if tie == "cancelled" else "booked",
            location=here,
            subject=patient.resource,
            span=(NOW - timedelta(days=900), NOW - timedelta(days=900, hours=-1)),
            created_at=NOW,
        )
    elif tie == "consultation":
        make_consultation(patient, here, make_user(Role.CLINICIAN))
    elif tie == "request":
        make_request(here, patient=patient)
    else:
        from clinic.tests.factories import make_clinic  # noqa: PLC0415

        clinic = make_clinic("Harbour")
        desk.work_places.create(location=clinic.location)
        make_plain_course(clinic, patient)
    assert reaches(desk, patient)


def test_a_second_location_opens_its_patients_and_losing_it_closes_them_at_once(desk: User, lakeside: Location) -> None:
    patient = make_patient(home_location=lakeside)
    place = desk.work_places.create(location=lakeside)
    assert reaches(desk, patient)
    place.delete()
    assert not reaches(desk, patient)


# -- opening -----------------------------------------------------------------------------------------------------------
def test_an_opening_opens_this_record_for_this_person_until_the_minute(desk: User, lakeside: Location) -> None:
    ada, bo = make_patient(home_location=lakeside), make_patient("Bo", "Berg", home_location=lakeside)
    other = make_user(Role.FRONT_DESK, home_location=desk.home_location)
    row = opened(desk, ada)
    assert row.until == NOW + timedelta(hours=12)
    assert (reaches(desk, ada), reaches(desk, bo), reaches(other, ada)) == (True, False, False)
    assert reaches(desk, ada, row.until - timedelta(seconds=1))
    assert not reaches(desk, ada, row.until)


def test_it_stands_in_the_read_log_with_its_reason_and_so_does_what_is_read_meanwhile(
    desk: User, lakeside: Location
) -> None:
    patient = make_patient(home_location=lakeside)
    row = opened(desk, patient)
    first = AccessLog.objects.get()
    assert (first.user, first.subject, first.page) == (desk, patient.resource, "Opened with a reason")
    assert first.reason == row.words == "The patient is here, or on the phone: asks to move her visit"
    person = fresh(desk)
    person.opened_because[patient.resource_id] = row.words
    for _ in range(2):  # also the second look within five minutes, which is quiet otherwise
        record_reading(by=person, subject_id=patient.resource_id, page="Visits", path="/", now=NOW)
    assert list(AccessLog.objects.filter(page="Visits").values_list("reason", flat=True)) == [row.words] * 2


def test_hardly_a_reason_is_none(desk: User, lakeside: Location) -> None:
    with pytest.raises(ValidationError):
        opened(desk, make_patient(home_location=lakeside), reason="x")
    assert not Opening.objects.exists()


def test_a_second_press_meets_the_first_and_after_its_end_there_is_a_new_one(desk: User, lakeside: Location) -> None:
    patient = make_patient(home_location=lakeside)
    first = opened(desk, patient)
    assert opened(desk, patient, NOW + timedelta(hours=1)).pk == first.pk
    assert opened(desk, patient, first.until).pk != first.pk


@pytest.mark.django_db(transaction=True)
def test_a_double_click_opens_once(parallel: Parallel) -> None:
    desk = make_user(Role.FRONT_DESK, home_location=make_location("Downtown"))
    patient = make_patient(home_location=make_location("Lakeside"))
    outcomes = parallel(6, lambda _: opened(desk, patient).pk)
    assert [one.error for one in outcomes] == [None] * 6
    assert len({one.value for one in outcomes}) == Opening.objects.count() == AccessLog.objects.count() == 1


def test_closing_ends_it_for_this_person_only_and_stays_as_it_was(desk: User, lakeside: Location) -> None:
    patient = make_patient(home_location=lakeside)
    other = make_user(Role.FRONT_DESK, home_location=desk.home_location)
    row = opened(desk, patient)
    close_record(by=other, opening_id=row.pk, now=NOW)
    assert reaches(desk, patient)
    close_record(by=desk, opening_id=row.pk, now=NOW + timedelta(minutes=5))
    close_record(by=desk, opening_id=row.pk, now=NOW + timedelta(minutes=9))
    row.refresh_from_db()
    assert row.closed_at == NOW + timedelta(minutes=5)
    assert not reaches(desk, patient, NOW + timedelta(minutes=6))


# -- looking at it -----------------------------------------------------------------------------------------------------
def test_a_manager_looks_once_and_nobody_at_their_own(desk: User, lakeside: Location) -> None:
    manager, second = make_user(Role.MANAGER), make_user(Role.MANAGER)
    row = opened(desk, make_patient(home_location=lakeside))
    own = opened(manager, make_patient(home_location=lakeside))
    assert count_to_look_at() == 2
    look_at(opening_id=row.pk, note="Called the desk.", by=manager, now=NOW)
    with pytest.raises(LookedAtError):
        look_at(opening_id=row.pk, note="Again", by=second, now=NOW)
    with pytest.raises(ValidationError, match="another manager"):
        look_at(opening_id=own.pk, note="", by=manager, now=NOW)
    row.refresh_from_db()
    assert (row.seen_by, row.seen_note, count_to_look_at()) == (manager, "Called the desk.", 1)


def test_the_list_finds_by_person_place_time_and_what_is_new(desk: User, lakeside: Location) -> None:
    manager = make_user(Role.MANAGER)
    old = opened(desk, make_patient(home_location=lakeside), NOW - timedelta(days=9), location_id=lakeside.pk)
    new = opened(make_user(Role.NURSE), make_patient(home_location=lakeside))
    look_at(opening_id=old.pk, note="", by=manager, now=NOW)
    assert list(openings()) == [new, old]
    assert list(openings(only_new=True)) == [new]
    assert list(openings(user_id=desk.pk)) == list(openings(location_id=lakeside.pk)) == [old]
    assert list(openings(since=NOW - timedelta(days=1))) == [new]
    assert list(openings(until=NOW)) == [old]


@pytest.mark.parametrize(
    "change", [{"reason": "something nicer"}, {"until": NOW + timedelta(days=9)}, {"user_id": None}]
)
def test_the_database_keeps_what_was_written(desk: User, lakeside: Location, change: dict[str, Any]) -> None:
    row = opened(desk, make_patient(home_location=lakeside))
    if "user_id" in change:
        change = {"user_id": make_user(Role.NURSE).pk}
    with pytest.raises(InternalError), transaction.atomic():
        Opening.objects.filter(pk=row.pk).update(**change)
    with pytest.raises(InternalError), transaction.atomic():
        Opening.objects.filter(pk=row.pk).delete()
    row.refresh_from_db()
    assert row.reason == WHY


def test_the_database_refuses_a_look_at_ones_own_and_a_second_look(desk: User, lakeside: Location) -> None:
    row = opened(desk, make_patient(home_location=lakeside))
    with pytest.raises(IntegrityError), transaction.atomic():
        Opening.objects.filter(pk=row.pk).update(seen_at=NOW, seen_by=desk)
    look_at(opening_id=row.pk, note="fine", by=make_user(Role.MANAGER), now=NOW)
    with pytest.raises(InternalError), transaction.atomic():
        Opening.objects.filter(pk=row.pk).update(seen_note="not fine")
    row.refresh_from_db()
    assert row.seen_note == "fine"
