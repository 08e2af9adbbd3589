"""Assessments: recorded once, scored by the registry, a danger signal raised with them; struck, never edited."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import InternalError, transaction

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from patients.models import AlertKind, Assessment, AssessmentSource, DangerAlert, LinkKind, MeasureLink, Patient
from patients.models.registry import Sex
from patients.pure.measures import Flag
from patients.services import assessments
from patients.services.assessments import (
    Circumstances,
    baseline_candidates,
    flags_of,
    latest_score,
    record_assessment,
    strike_assessment,
)
from patients.services.merge import merge_patients, undo_merge
from patients.services.registry import MergedPatientError
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
MILD = dict(zip(range(1, 10), (1, 1, 1, 1, 1, 0, 0, 0, 0), strict=True))


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_patient()


def record(clinic: Clinic, patient: Patient, measure: str = "phq9", **fields: Any) -> Assessment:
    usual: dict[str, Any] = {
        "taken_at": NOW,
        "source": AssessmentSource.STAFF,
        "by": clinic.nurse,
        "location": clinic.location,
        "now": NOW,
    }
    if not {"answers", "total"} & set(fields):
        usual["answers"] = MILD
    return record_assessment(patient=patient, measure=measure, **(usual | fields))


# --- recorded ---------------------------------------------------------------------------------------------------------
def test_answers_score_band_and_version_of_the_wording_are_kept(clinic: Clinic, ada: Patient) -> None:
    row = record(clinic, ada, answers={"1": 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 0, 7: 0, 8: 0, 9: 0, 10: 2})
    row.refresh_from_db()
    assert row.answers == {"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 0, "7": 0, "8": 0, "9": 0, "10": 2}
    assert (row.score, row.band, row.is_prorated, row.measure_version) == (Decimal(5), "Mild", False, "en-US 1")
    assert row.detail["difficulty"] == "Very difficult"
    assert not DangerAlert.objects.exists()


def test_a_total_is_kept_without_answers(clinic: Clinic, ada: Patient) -> None:
    row = record(clinic, ada, "madrs", total=31)
    assert (row.score, row.band, row.answers, row.detail["entered"]) == (Decimal(31), "Moderate", {}, "total")


def test_form_and_education_are_kept_where_the_measure_asks(clinic: Clinic, ada: Patient) -> None:
    row = record(clinic, ada, "slums", total=26, circumstances=Circumstances("VAMC 2006", finished_high_school=True))
    assert row.band == "Mild cognitive impairment"
    assert (row.detail["form_version"], row.detail["finished_high_school"]) == ("VAMC 2006", True)


@pytest.mark.parametrize(
    ("sex", "total", "band"), [(Sex.FEMALE, 3, "Positive"), (Sex.MALE, 3, "Negative"), (Sex.MALE, 4, "Positive")]
)
def test_auditc_looks_at_the_sex_of_the_patient(clinic: Clinic, sex: Sex, total: int, band: str) -> None:
    assert record(clinic, make_patient(sex=sex), "auditc", total=total).band == band  # clinical.md case 14


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"taken_at": NOW + timedelta(hours=1)}, "in the future"),
        ({"taken_at": datetime(1985, 3, 13, 12, tzinfo=UTC)}, "before the patient was born"),
        ({"answers": {}}, "Nothing is answered"),
        ({"answers": {1: None}}, "Nothing is answered"),
        ({"answers": {1: 4}}, "has no answer 4"),
        ({"answers": {11: 1}}, "has no item 11"),
        ({"total": 28}, "0 to 27"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    clinic: Clinic, ada: Patient, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        record(clinic, ada, **fields)
    assert not Assessment.objects.exists()


def test_the_day_of_birth_itself_is_accepted(clinic: Clinic) -> None:
    newborn = make_patient(birth_date=date(2027, 1, 7))
    assert record(clinic, newborn, "pain_nrs", total=0).pk


def test_a_merged_record_takes_nothing(clinic: Clinic, ada: Patient) -> None:
    old = make_patient("Ada", "Okafor-Old", merged_into=ada)
    with pytest.raises(MergedPatientError):
        record(clinic, old)


# --- once -------------------------------------------------------------------------------------------------------------
def test_the_same_form_sent_twice_is_one_assessment_and_one_alert(clinic: Clinic, ada: Patient) -> None:
    first = record(clinic, ada, answers=MILD | {9: 1}, token="abc")
    assert record(clinic, ada, answers=MILD | {9: 1}, token="abc") == first
    assert record(clinic, ada, answers=MILD | {9: 1}, token="def") != first
    assert Assessment.objects.count() == 2
    assert DangerAlert.objects.count() == 2


def test_one_link_gives_each_measure_once(clinic: Clinic, ada: Patient) -> None:
    link = MeasureLink.objects.create(
        patient=ada,
        location=clinic.location,
        measures=["phq9", "gad7"],
        kind=LinkKind.PHONE,
        token_hash="0" * 64,
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )
    first = record(clinic, ada, link=link, by=None, source=AssessmentSource.LINK)
    assert record(clinic, ada, link=link, by=None, source=AssessmentSource.LINK, answers=MILD | {1: 3}) == first
    assert record(clinic, ada, "gad7", link=link, by=None, source=AssessmentSource.LINK, answers={1: 0}) != first


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_two_clicks_at_the_same_moment_would_write_two(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlocked(patient_id: int) -> Patient:
        return Patient.objects.get(pk=patient_id)

    looked = assessments._recorded_before

    def slowly(*args: Any, **fields: Any) -> Assessment | None:
        found = looked(*args, **fields)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(assessments, "lock_patient", unlocked)
    monkeypatch.setattr(assessments, "_recorded_before", slowly)
    clinic, ada = make_clinic(), make_patient()
    parallel(2, lambda _: record(clinic, ada, token="same").pk)
    assert Assessment.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_write_one(parallel: Parallel) -> None:
    clinic, ada = make_clinic(), make_patient()
    outcomes = parallel(4, lambda _: record(clinic, ada, answers=MILD | {9: 2}, token="same").pk)
    assert len({outcome.value for outcome in outcomes}) == 1, outcomes
    assert Assessment.objects.count() == 1
    assert DangerAlert.objects.count() == 1


# --- danger -----------------------------------------------------------------------------------------------------------
def answers(*values: int | None) -> dict[int, int | None]:
    return dict(enumerate(values, 1))


@pytest.mark.parametrize(
    "case",
    [
        ("phq9", {"answers": answers(0, 0, 0, 1, 0, 0, 0, 0, 1)}, AlertKind.PHQ9_ITEM9, "“Several days” (1). Total 2."),
        ("phq9", {"answers": answers(None, None, None, 1, 0, 0, 0, 0, 3)}, AlertKind.PHQ9_ITEM9, "No total."),
        ("phq9", {"answers": answers(0, 0, 0, 1, 0, 0, 0, 0)}, AlertKind.PHQ9_ITEM9, "not answered. Ask it today."),
        ("phq9", {"total": 3, "danger_answer": 2}, AlertKind.PHQ9_ITEM9, "“More than half the days” (2). Total 3."),
        ("hamd17", {"answers": answers(*[0, 0, 1], *[0] * 14)}, AlertKind.SUICIDE_ITEM, "not worth living"),
        (
            "qids16",
            {"answers": answers(*[0] * 11, 1, *[0] * 4)},
            AlertKind.SUICIDE_ITEM,
            "QIDS-SR16 item 12: answered 1.",
        ),
        ("madrs", {"total": 20, "danger_answer": 4}, AlertKind.SUICIDE_ITEM, "MADRS item 10: answered 4. Total 20."),
        ("cssrs", {"answers": answers(1, 1, 1, 0, 0, 1)}, AlertKind.CSSRS_MODERATE, "Yes to questions 1, 2, 3, 6."),
        ("cssrs", {"answers": answers(1, 1, 0, 1, 0, 0)}, AlertKind.CSSRS_HIGH, "Yes to questions 1, 2, 4."),
    ],
)
def test_a_danger_signal_waits_as_an_alert(
    clinic: Clinic, ada: Patient, case: tuple[str, dict[str, Any], AlertKind, str]
) -> None:
    measure, given, kind, said = case
    row = record(clinic, ada, measure, **given)
    alert = DangerAlert.objects.get()
    assert (alert.kind, alert.patient, alert.assessment, alert.location) == (kind, ada, row, clinic.location)
    assert said in alert.detail
    assert alert.acknowledged_at is None


@pytest.mark.parametrize(
    ("measure", "given"),
    [
        ("phq9", {"answers": answers(3, 3, 3, 3, 3, 3, 3, 3, 0)}),
        ("phq9", {"total": 24}),
        ("madrs", {"total": 50}),
        ("cssrs", {"answers": answers(1, 0, None, None, None, 0)}),
        ("qids16", {"answers": answers(*[0] * 16)}),
    ],
)
def test_without_a_signal_there_is_no_alert(clinic: Clinic, ada: Patient, measure: str, given: dict[str, Any]) -> None:
    record(clinic, ada, measure, **given)
    assert not DangerAlert.objects.exists()


def test_flags_are_read_back_from_the_row(clinic: Clinic, ada: Patient) -> None:
    row = record(clinic, ada, answers=MILD | {9: 1})
    assert flags_of(row) == {Flag.PHQ9_ITEM9, Flag.ASK_CSSRS}


# --- struck -----------------------------------------------------------------------------------------------------------
def test_a_struck_assessment_counts_no_more_and_stays(clinic: Clinic, ada: Patient) -> None:
    row = record(clinic, ada, answers=MILD | {9: 1})
    struck = strike_assessment(
        patient_id=ada.pk, assessment_id=row.pk, reason="Another patient", by=clinic.nurse, now=NOW
    )
    assert (struck.struck_by, struck.struck_reason, struck.struck_at) == (clinic.nurse, "Another patient", NOW)
    again = strike_assessment(
        patient_id=ada.pk, assessment_id=row.pk, reason="x", by=clinic.clinician, now=NOW + timedelta(1)
    )
    assert again.struck_reason == "Another patient"
    assert latest_score(ada, "phq9", NOW) is None
    assert DangerAlert.objects.waiting().count() == 1  # somebody must still look at it


def test_striking_needs_a_reason_and_the_right_patient(clinic: Clinic, ada: Patient) -> None:
    row, other = record(clinic, ada), make_patient("Mei", "Chen")
    with pytest.raises(ValidationError, match="Say why"):
        strike_assessment(patient_id=ada.pk, assessment_id=row.pk, reason="  ", by=clinic.nurse, now=NOW)
    with pytest.raises(Assessment.DoesNotExist):
        strike_assessment(patient_id=other.pk, assessment_id=row.pk, reason="x", by=clinic.nurse, now=NOW)


def test_the_table_itself_refuses_edits_and_removal(clinic: Clinic, ada: Patient) -> None:
    row = record(clinic, ada)
    row.score = 27
    with pytest.raises(InternalError, match="Cannot update"), transaction.atomic():
        row.save()
    with pytest.raises(InternalError, match="Cannot delete"), transaction.atomic():
        row.delete()


# --- latest and baseline ----------------------------------------------------------------------------------------------
def test_the_latest_score_is_the_last_one_taken_by_then_that_has_a_number(clinic: Clinic, ada: Patient) -> None:
    for days, fields in ((20, {"total": 20}), (10, {"total": 15}), (2, {"answers": {1: 1}}), (0, {"total": 9})):
        record(clinic, ada, taken_at=NOW - timedelta(days=days), **fields)

    def latest(days: int) -> Any:
        found = latest_score(ada, "phq9", NOW - timedelta(days=days))
        return found and found.score

    assert [latest(days) for days in (0, 1, 10, 11, 30)] == [9, 15, 15, 20, None]
    assert latest_score(make_patient("Mei", "Chen"), "phq9", NOW) is None


def test_baseline_candidates_lie_in_the_span_and_come_latest_first(clinic: Clinic, ada: Patient) -> None:
    for days, measure in ((15, "phq9"), (14, "madrs"), (3, "phq9"), (1, "gad7")):
        record(clinic, ada, measure, total=10, taken_at=NOW - timedelta(days=days))
    found = baseline_candidates(ada, ["phq9", "madrs"], until=NOW, since=NOW - timedelta(days=14))
    assert [(row.measure, (NOW - row.taken_at).days) for row in found] == [("phq9", 3), ("madrs", 14)]


def test_assessments_follow_their_patient_into_a_merge_and_back(clinic: Clinic, ada: Patient) -> None:
    twin = make_patient("Ada", "Okafor-Twin")
    row = record(clinic, twin, answers=MILD | {9: 1})
    merge = merge_patients(kept_id=ada.pk, duplicate_id=twin.pk, by=clinic.clinician, now=NOW)
    row.refresh_from_db()
    assert row.patient == ada
    assert DangerAlert.objects.get().patient == ada
    undo_merge(merge_id=merge.pk, by=clinic.clinician, now=NOW)
    row.refresh_from_db()
    assert row.patient == twin
