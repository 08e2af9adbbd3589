"""Two records of one person become one, and two again exactly as they were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.forms.models import model_to_dict

from clinic.models import Allocation, AllocationRole, Booking, BookingKind
from clinic.services.bookings import Claim, Wanted, book
from clinic.tests.factories import Clinic, make_clinic
from courses.models import Course
from patients.models import (
    Allergy,
    ExternalId,
    Medicine,
    Merge,
    Patient,
    PatientStatus,
    Phone,
    Problem,
    TreatedCondition,
    Unavailability,
)
from patients.pure.indications import Indication
from patients.services.merge import MergeRefusedError, differences, merge_patients, piles, undo_merge, why_not_undoable
from patients.services.search import refresh_search, search_patients
from patients.tests.factories import (
    make_allergy,
    make_medicine,
    make_patient,
    make_phone,
    make_problem,
    make_unavailability,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
TABLES = (Phone, Allergy, Medicine, Problem, TreatedCondition, Unavailability, ExternalId, Course, Booking, Allocation)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def visit(clinic: Clinic, patient: Patient, start: datetime, now: datetime = NOW, chair: int = 0) -> Booking:
    end = start + timedelta(hours=2)
    claims = (
        Claim(patient.resource_id, AllocationRole.PATIENT, start, end),
        Claim(clinic.chairs[chair].pk, AllocationRole.STATION, start, end),
    )
    wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, start, end, claims, subject_id=patient.resource_id)
    return book([wanted], by=clinic.desk, now=now)[0]


def course(patient: Patient, clinic: Clinic, indication: Indication) -> Course:
    return Course.objects.create(
        patient=patient,
        indication=indication,
        location=clinic.location,
        prescriber=clinic.clinician,
        created_at=NOW,
        created_by=clinic.clinician,
    )


def full_pair(clinic: Clinic) -> tuple[Patient, Patient]:
    """Two records of Ada, both with something of everything; some of it in both."""
    kept = make_patient("Ada", "Okafor", phones=["+12125550123"], conditions=[Indication.TRD], city="New York")
    other = make_patient(
        "Adaeze",
        "Okafor",
        phones=["+12125550199", "+12125550123"],
        conditions=[Indication.TRD, Indication.PAIN],
        email="ada@example.org",
        city="Boston",
    )
    make_allergy(other)
    make_medicine(other)
    make_problem(other)
    make_unavailability(other, date(2027, 1, 20))
    ExternalId.objects.create(patient=other, source="synthea", value="a-1")
    course(other, clinic, Indication.PAIN)
    course(kept, clinic, Indication.TRD)
    visit(clinic, other, NOW + timedelta(days=1))
    visit(clinic, kept, NOW + timedelta(days=2))
    refresh_search([kept, other])
    return kept, other


def snapshot() -> dict[str, list[dict[str, Any]]]:
    """Every row that a merge could touch, without the version counters, which only go up."""
    rows: dict[str, list[dict[str, Any]]] = {
        model.__name__: [model_to_dict(row) for row in model.objects.order_by("pk")] for model in TABLES
    }
    rows["Patient"] = [dict(row) for row in Patient.objects.order_by("pk").values()]
    rows["Resource"] = [
        dict(row) for row in Patient.objects.order_by("pk").values("resource__is_active", "resource__name")
    ]
    for table in rows.values():
        for row in table:
            row.pop("version", None)
    return rows


def merge(clinic: Clinic, kept: Patient, other: Patient, take: tuple[str, ...] = ()) -> Merge:
    return merge_patients(
        kept_id=kept.pk, duplicate_id=other.pk, take=take, reason="same card", by=clinic.clinician, now=NOW
    )


def test_everything_of_the_duplicate_belongs_to_the_kept_record(clinic: Clinic) -> None:
    kept, other = full_pair(clinic)
    merge(clinic, kept, other, take=("email",))
    for model in (Allergy, Medicine, Problem, Unavailability, ExternalId, Course):
        assert not model.objects.filter(patient=other).exists(), model
    assert {phone.number.as_e164: phone.is_primary for phone in kept.phones.all()} == {
        "+12125550123": True,
        "+12125550199": False,
    }
    assert set(kept.treated_conditions.values_list("indication", flat=True)) == {"trd", "pain"}
    assert Booking.objects.filter(subject=kept.resource).count() == 2
    assert not Allocation.objects.filter(resource=other.resource).exists()
    kept.refresh_from_db()
    other.refresh_from_db()
    assert (kept.email, kept.city, kept.given_name) == ("ada@example.org", "New York", "Ada")
    assert other.merged_into == kept
    assert not other.resource.is_active
    found = search_patients("+12125550199", today=NOW.date())
    assert [hit.patient.pk for hit in found] == [kept.pk]


def test_undo_gives_each_row_back(clinic: Clinic) -> None:
    kept, other = full_pair(clinic)
    before = snapshot()
    made = merge(clinic, kept, other, take=("email", "city", "given_name"))
    assert snapshot() != before
    undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    after = snapshot()
    for table, rows in before.items():
        assert after[table] == rows, table
    made.refresh_from_db()
    assert (made.undone_at, made.undone_by) == (LATER, clinic.clinician)


def test_a_record_merged_before_follows_to_the_new_one_and_comes_back(clinic: Clinic) -> None:
    first, second, third = make_patient(), make_patient(), make_patient()
    merge(clinic, second, first)
    made = merge(clinic, third, second)
    first.refresh_from_db()
    assert first.merged_into == third
    undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    first.refresh_from_db()
    assert first.merged_into == second


def test_both_booked_at_the_same_time_is_refused_with_the_times_and_nothing_moves(clinic: Clinic) -> None:
    kept, other = make_patient(), make_patient()
    make_allergy(other)
    visit(clinic, kept, NOW + timedelta(days=1))
    visit(clinic, other, NOW + timedelta(days=1, hours=1), chair=1)
    before = snapshot()
    with pytest.raises(MergeRefusedError, match=r"Fri 08 Jan 2027, 11:00 and Fri 08 Jan 2027, 10:00"):
        merge(clinic, kept, other)
    assert snapshot() == before
    assert not Merge.objects.exists()


def test_two_open_courses_for_one_condition_are_refused_in_the_words_of_the_constraint(clinic: Clinic) -> None:
    kept, other = make_patient(), make_patient()
    course(kept, clinic, Indication.TRD)
    course(other, clinic, Indication.TRD)
    with pytest.raises(MergeRefusedError, match="already has an open course for this condition"):
        merge(clinic, kept, other)
    assert Course.objects.filter(patient=other).count() == 1


def test_a_record_is_merged_once_not_with_itself_and_not_dead_into_living(clinic: Clinic) -> None:
    kept, other, third = make_patient(), make_patient(), make_patient()
    merge(clinic, kept, other)
    with pytest.raises(MergeRefusedError, match=f"MRN {other.mrn} was merged into another record before"):
        merge(clinic, third, other)
    with pytest.raises(MergeRefusedError, match=f"MRN {other.mrn} was merged"):
        merge(clinic, other, third)
    with pytest.raises(MergeRefusedError, match="with itself"):
        merge(clinic, kept, kept)
    Patient.objects.filter(pk=third.pk).update(status=PatientStatus.DECEASED)
    with pytest.raises(MergeRefusedError, match="Settle which is true first"):
        merge(clinic, kept, third)


def test_undo_is_refused_with_the_reason_once_it_cannot_be_exact(clinic: Clinic) -> None:
    kept, other = full_pair(clinic)
    made = merge(clinic, kept, other, take=("email",))
    assert why_not_undoable(made) == []
    Allergy.objects.all().delete()
    Patient.objects.filter(pk=kept.pk).update(email="new@example.org")
    visit(clinic, kept, NOW + timedelta(days=9), now=LATER)
    before = snapshot()
    with pytest.raises(MergeRefusedError) as refused:
        undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    said = " ".join(refused.value.reasons)
    assert "1 of the allergies that moved are gone" in said
    assert "“email” was changed since" in said
    assert "1 visit was booked since" in said
    assert snapshot() == before


def test_undo_works_once(clinic: Clinic) -> None:
    made = merge(clinic, make_patient(), make_patient())
    undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    with pytest.raises(MergeRefusedError, match="undone already"):
        undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)


def test_a_booking_moved_since_still_goes_back_to_its_record(clinic: Clinic) -> None:
    """Its allocations are new rows by then; whose visit it is can still be told."""
    from clinic.services.visits import shift_visit  # noqa: PLC0415

    kept, other = make_patient(), make_patient()
    booked = visit(clinic, other, NOW + timedelta(days=1))
    made = merge(clinic, kept, other)
    booked.refresh_from_db()
    shift_visit(booked, start=NOW + timedelta(days=3), by=clinic.desk, now=LATER)
    undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    booked.refresh_from_db()
    assert booked.subject == other.resource
    assert list(Allocation.objects.filter(resource=other.resource).values_list("booking_id", flat=True)) == [booked.pk]


def test_the_comparison_names_conflicts_first_and_suggests_the_side_that_says_something(clinic: Clinic) -> None:
    kept, other = full_pair(clinic)
    assert [(one.name, one.suggested, one.is_conflict) for one in differences(kept, other)] == [
        ("given_name", "kept", True),
        ("city", "kept", True),
        ("email", "duplicate", False),
    ]
    assert {pile.label: pile.count for pile in piles(other)} == {
        "visit": 1,
        "phones": 2,
        "allergy": 1,
        "medicine": 1,
        "problem": 1,
        "treated conditions": 2,
        "unavailability": 1,
        "external id": 1,
        "course": 1,
    }


def test_a_number_and_a_condition_with_the_same_id_are_not_mixed_up(clinic: Clinic) -> None:
    """The primary number steps back; a condition that stays must not make the undo forget it."""
    kept = make_patient(phones=["+12125550123"])
    other = make_patient(phones=["+12125550199"])
    same_id = other.phones.get().pk
    TreatedCondition.objects.create(pk=same_id, patient=other, indication=Indication.TRD)
    TreatedCondition.objects.create(pk=same_id + 1, patient=kept, indication=Indication.TRD)
    made = merge(clinic, kept, other)
    undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    assert other.phones.get().is_primary


def test_a_number_that_both_have_may_be_primary_in_both(clinic: Clinic) -> None:
    kept, other = make_patient(phones=["+12125550123"]), make_patient(phones=["+12125550123"])
    make_phone(other, "+12125550124")
    before = snapshot()
    made = merge(clinic, kept, other)
    assert kept.phones.count() == 2
    undo_merge(merge_id=made.pk, by=clinic.clinician, now=LATER)
    assert snapshot() == before


def test_also_a_hidden_relation_moves(clinic: Clinic) -> None:
    """Every table that points to a patient is walked, so that a new model cannot be forgotten."""
    from patients.services.merge import _relations  # noqa: PLC0415

    labels = {f"{rel.related_model._meta.label}.{rel.field.name}" for rel in _relations()}
    assert {"patients.Phone.patient", "patients.Patient.merged_into", "courses.Course.patient"} <= labels
    assert not any("Event" in label or "Merge." in label for label in labels)
