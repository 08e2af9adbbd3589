"""Conditions, allergies, medicines, problems; and times when a patient cannot come."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError

from clinic.models import AllocationRole, Booking, BookingKind
from clinic.pure.roles import Role
from clinic.services.bookings import Claim, Wanted, book
from clinic.tests.factories import make_clinic, make_user
from patients.models import Allergy, Patient, Unavailability
from patients.pure.background import BackgroundKind as Kind
from patients.services.availability import Span, add_unavailability, remove_unavailability
from patients.services.background import (
    EntryData,
    change_entry,
    completeness,
    record_entry,
    record_none,
    remove_entry,
    with_completeness,
)
from patients.services.history import changes_of
from patients.tests.factories import make_allergy, make_medicine, make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
TODAY = date(2027, 1, 7)


def test_none_known_is_an_answer_and_ends_when_something_is_found() -> None:
    ada, doctor = make_patient(), make_user(Role.CLINICIAN)
    record_none(patient_id=ada.pk, kind=Kind.ALLERGY, today=TODAY, by=doctor, now=NOW)
    none = Allergy.objects.get()
    assert (str(none), none.code_system, none.code) == ("No known allergies", "snomed", "716186003")
    record_entry(
        patient_id=ada.pk, kind=Kind.ALLERGY, data=EntryData("Latex"), today=date(2027, 1, 9), by=doctor, now=NOW
    )
    assert [(str(row), row.ended_on) for row in Allergy.objects.order_by("pk")] == [
        ("No known allergies", date(2027, 1, 9)),
        ("Latex", None),
    ]


def test_none_known_is_refused_beside_a_current_entry() -> None:
    ada = make_patient()
    make_allergy(ada)
    with pytest.raises(ValidationError, match="contradicts"):
        record_none(patient_id=ada.pk, kind=Kind.ALLERGY, today=TODAY, by=make_user(Role.CLINICIAN), now=NOW)


def test_the_same_current_entry_twice_is_refused_but_not_after_the_first_has_ended() -> None:
    ada, doctor = make_patient(), make_user(Role.CLINICIAN)
    facts = {"patient_id": ada.pk, "kind": Kind.MEDICINE, "today": TODAY, "by": doctor, "now": NOW}
    first = record_entry(data=EntryData("Sertraline", dose="50 mg"), **facts)
    with pytest.raises(ValidationError, match="already on the list"):
        record_entry(data=EntryData("sertraline", dose="100 mg"), **facts)
    ended = EntryData("Sertraline", dose="50 mg", ended_on=TODAY)
    change_entry(patient_id=ada.pk, kind=Kind.MEDICINE, entry_id=first.pk, data=ended, by=doctor, now=NOW)
    assert record_entry(data=EntryData("sertraline", dose="100 mg"), **facts).pk


def test_an_entry_that_ends_before_it_starts_is_refused() -> None:
    ada = make_patient()
    data = EntryData("Latex", started_on=date(2020, 5, 2), ended_on=date(2020, 5, 1))
    with pytest.raises(ValidationError, match="The end is before the start"):
        record_entry(
            patient_id=ada.pk, kind=Kind.ALLERGY, data=data, today=TODAY, by=make_user(Role.CLINICIAN), now=NOW
        )


@pytest.mark.django_db(transaction=True)  # each change needs its own moment in the history
def test_what_was_entered_by_mistake_is_gone_and_history_keeps_it() -> None:
    ada, doctor = make_patient(), make_user(Role.CLINICIAN)
    entry = make_allergy(ada, "Penicillin")
    assert remove_entry(patient_id=ada.pk, kind=Kind.ALLERGY, entry_id=entry.pk, by=doctor, now=NOW) == "Penicillin"
    assert not Allergy.objects.exists()
    latest = changes_of(ada, clinical=True, limit=1)[0]
    assert (latest.sentence, latest.who) == ("Allergy removed: Penicillin", "Samuel Hart, MD")


def test_history_without_clinical_rights_says_that_something_changed_not_what() -> None:
    ada = make_patient()
    make_medicine(ada, "Diazepam")
    changes = changes_of(ada, clinical=False, limit=5)
    assert [change.sentence for change in changes if change.model == "Medicine"] == ["Medicine added"]
    assert "Diazepam" not in repr(changes)


def test_completeness_tells_what_was_asked_without_the_answers() -> None:
    ada = make_patient()
    make_allergy(ada)
    found = completeness(with_completeness(Patient.objects.all()).get(pk=ada.pk))
    assert found.missing == ["treated for", "medicines", "problems"]


def visit(patient: Patient, start: datetime) -> Booking:
    clinic = make_clinic()
    end = start + timedelta(hours=2)
    claims = (Claim(patient.resource_id, AllocationRole.PATIENT, start, end),)
    wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, start, end, claims, subject_id=patient.resource_id)
    return book([wanted], by=clinic.desk, now=NOW)[0]


@pytest.mark.parametrize(
    ("span", "is_hit"),
    [  # the visit is Fri 8 Jan, 10:00-12:00 in New York, which is 15:00-17:00 UTC
        (Span(date(2027, 1, 8), date(2027, 1, 8)), True),
        (Span(date(2027, 1, 1), date(2027, 1, 31), time(11, 0), time(13, 0)), True),
        (Span(date(2027, 1, 8), date(2027, 1, 8), time(12, 0), time(17, 0)), False),
        (Span(date(2027, 1, 8), date(2027, 1, 8), time(8, 0), time(10, 0)), False),
        (Span(date(2027, 1, 9), date(2027, 1, 12)), False),
    ],
)
def test_visits_in_a_time_when_the_patient_cannot_come_are_said_and_stand(span: Span, is_hit: bool) -> None:
    ada = make_patient()
    booked = visit(ada, datetime(2027, 1, 8, 15, 0, tzinfo=UTC))
    _, hit = add_unavailability(patient_id=ada.pk, span=span, by=make_user(Role.FRONT_DESK), now=NOW)
    assert hit == ([booked] if is_hit else [])
    booked.refresh_from_db()
    assert booked.status == "booked"


def test_the_same_time_twice_is_refused_and_removing_twice_is_once() -> None:
    ada, desk = make_patient(), make_user(Role.FRONT_DESK)
    span = Span(date(2027, 1, 20), date(2027, 1, 22))
    row, _ = add_unavailability(patient_id=ada.pk, span=span, by=desk, now=NOW)
    with pytest.raises(ValidationError, match="already on the list"):
        add_unavailability(patient_id=ada.pk, span=span, by=desk, now=NOW)
    for _ in range(2):
        remove_unavailability(patient_id=ada.pk, unavailability_id=row.pk, by=desk, now=NOW)
    assert not Unavailability.objects.exists()
