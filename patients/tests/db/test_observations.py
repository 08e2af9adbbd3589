"""Vital signs and pregnancy tests: recorded once, asked twice when unusual, struck with a reason, never removed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import IntegrityError, transaction

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.models import Patient, PregnancyTest, VitalSigns
from patients.pure.vitals import Vitals
from patients.services.observations import (
    ObservationKind,
    UnusualValueError,
    latest_pregnancy_test,
    latest_pressure,
    latest_vitals,
    latest_weight,
    record_pregnancy_test,
    record_vitals,
    strike,
)
from patients.services.registry import MergedPatientError
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
TODAY = date(2027, 1, 7)
USUAL = Vitals(Decimal("82.4"), 132, 84, 78)


def record(patient: Patient, by: User, vitals: Vitals = USUAL, **facts: Any) -> VitalSigns:
    facts = {"measured_at": NOW, "now": NOW} | facts
    return record_vitals(patient_id=patient.pk, vitals=vitals, by=by, **facts)


@pytest.fixture
def nurse() -> User:
    return make_user(Role.NURSE)


@pytest.fixture
def ada() -> Patient:
    return make_patient()


def test_a_reading_stands_in_the_record_with_its_author(ada: Patient, nurse: User) -> None:
    record(ada, nurse)
    row = VitalSigns.objects.get()
    assert (row.weight_kg, row.systolic_mmhg, row.diastolic_mmhg, row.heart_rate_bpm) == (Decimal("82.4"), 132, 84, 78)
    assert (row.recorded_by, row.recorded_at) == (nurse, NOW)


def test_half_a_pressure_is_refused_at_its_field(ada: Patient, nurse: User) -> None:
    with pytest.raises(ValidationError) as refused:
        record(ada, nurse, Vitals(systolic_mmhg=120))
    assert list(refused.value.message_dict) == ["diastolic_mmhg"]


def test_a_moment_ahead_is_refused_and_a_clock_a_little_ahead_is_not(ada: Patient, nurse: User) -> None:
    with pytest.raises(ValidationError, match="in the future"):
        record(ada, nurse, measured_at=NOW + timedelta(minutes=6))
    assert record(ada, nurse, measured_at=NOW + timedelta(minutes=4)).pk


def test_an_unusual_value_is_saved_only_when_somebody_confirms_it(ada: Patient, nurse: User) -> None:
    odd = Vitals(systolic_mmhg=212, diastolic_mmhg=104)
    with pytest.raises(UnusualValueError) as asked:
        record(ada, nurse, odd)
    assert [remark.field for remark in asked.value.remarks] == ["systolic_mmhg"]
    assert not VitalSigns.objects.exists()
    assert record(ada, nurse, odd, confirmed=True).systolic_mmhg == 212


def test_the_same_reading_twice_is_one(ada: Patient, nurse: User) -> None:
    only_weight = Vitals(weight_kg=Decimal("82.4"))
    record(ada, nurse)
    record(ada, nurse, only_weight)
    for again in (USUAL, only_weight):
        with pytest.raises(ValidationError, match="already stands"):
            record(ada, nurse, again)
    assert record(ada, nurse, measured_at=NOW - timedelta(minutes=1)).pk


@pytest.mark.django_db(transaction=True)
def test_a_double_click_records_one_reading(parallel: Parallel) -> None:
    ada, nurse = make_patient(), make_user(Role.NURSE)
    outcomes = parallel(6, lambda _: record(ada, nurse))
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert VitalSigns.objects.count() == 1


def test_what_is_struck_stays_visible_and_counts_no_more(ada: Patient, nurse: User) -> None:
    before = record(ada, nurse, measured_at=NOW - timedelta(days=1))
    wrong = record(ada, nurse, Vitals(Decimal("84.2"), 142, 84, 78))
    assert latest_vitals(ada) == wrong
    with pytest.raises(ValidationError, match="Say why"):
        strike(patient_id=ada.pk, kind=ObservationKind.VITALS, record_id=wrong.pk, reason="  ", by=nurse, now=NOW)
    for reason in ("Other patient's cuff", "Again"):
        strike(patient_id=ada.pk, kind=ObservationKind.VITALS, record_id=wrong.pk, reason=reason, by=nurse, now=NOW)
    wrong.refresh_from_db()
    assert (wrong.struck_reason, wrong.struck_by) == ("Other patient's cuff", nurse)
    assert latest_vitals(ada) == before


def test_another_patients_reading_cannot_be_struck_through_this_one(ada: Patient, nurse: User) -> None:
    other = record(make_patient("Mei", "Chen"), nurse)
    with pytest.raises(ObjectDoesNotExist):
        strike(patient_id=ada.pk, kind=ObservationKind.VITALS, record_id=other.pk, reason="x", by=nurse, now=NOW)


def test_each_latest_looks_for_its_own_value(ada: Patient, nurse: User) -> None:
    assert (latest_vitals(ada), latest_pressure(ada), latest_weight(ada)) == (None, None, None)
    pressure = record(ada, nurse, Vitals(systolic_mmhg=128, diastolic_mmhg=80), measured_at=NOW - timedelta(days=2))
    weight = record(ada, nurse, Vitals(weight_kg=Decimal("70.0")), measured_at=NOW - timedelta(days=1))
    pulse = record(ada, nurse, Vitals(heart_rate_bpm=70))
    assert (latest_vitals(ada), latest_pressure(ada), latest_weight(ada)) == (pulse, pressure, weight)


def test_a_pregnancy_test_is_dated_and_the_latest_valid_one_counts(ada: Patient, nurse: User) -> None:
    facts = {"patient_id": ada.pk, "today": TODAY, "by": nurse, "now": NOW}
    with pytest.raises(ValidationError, match="in the future"):
        record_pregnancy_test(tested_on=date(2027, 1, 8), result="negative", **facts)
    with pytest.raises(ValidationError):
        record_pregnancy_test(tested_on=TODAY, result="perhaps", **facts)
    first = record_pregnancy_test(tested_on=date(2027, 1, 2), result="negative", **facts)
    with pytest.raises(ValidationError, match="already stands"):
        record_pregnancy_test(tested_on=date(2027, 1, 2), result="negative", **facts)
    second = record_pregnancy_test(tested_on=TODAY, result="unclear", **facts)
    assert latest_pregnancy_test(ada) == second
    strike(
        patient_id=ada.pk,
        kind=ObservationKind.PREGNANCY_TEST,
        record_id=second.pk,
        reason="Mixed up",
        by=nurse,
        now=NOW,
    )
    assert latest_pregnancy_test(ada) == first
    assert PregnancyTest.objects.count() == 2


def test_nothing_is_recorded_on_a_record_that_was_merged_away(ada: Patient, nurse: User) -> None:
    merged = make_patient("Adah", merged_into=ada)
    with pytest.raises(MergedPatientError):
        record(merged, nurse)
    with pytest.raises(MergedPatientError):
        record_pregnancy_test(patient_id=merged.pk, tested_on=TODAY, result="negative", today=TODAY, by=nurse, now=NOW)


def test_the_table_takes_no_half_of_a_blood_pressure(ada: Patient, nurse: User) -> None:
    """A form refuses it before; this is for whatever comes past the form."""
    half = {"patient": ada, "measured_at": NOW, "recorded_at": NOW, "recorded_by": nurse, "systolic_mmhg": 130}
    with pytest.raises(IntegrityError, match="vitalsigns_pressure_in_order"), transaction.atomic():
        VitalSigns.objects.create(**half)
    assert VitalSigns.objects.create(**half, diastolic_mmhg=80).pk
