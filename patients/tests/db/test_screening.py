"""Screening facts out of the tables, answers that nobody overwrites silently, and the signed decision."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction

from clinic.models import Location, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from patients.models import (
    Assessment,
    Consultation,
    IntakeSettings,
    Patient,
    PregnancyTest,
    RequestStatus,
    ScreeningAnswer,
    ScreeningDecision,
    VitalSigns,
)
from patients.pure.background import BackgroundKind
from patients.pure.evidence import Severity
from patients.pure.screening import QUESTIONS
from patients.pure.screening.decision import Judged
from patients.services.background import EntryData, record_entry
from patients.services.merge import merge_patients
from patients.services.registry import MergedPatientError
from patients.services.screening import (
    DecisionRefusedError,
    FindingsChangedError,
    GivenAnswer,
    current_decision,
    decisions_of,
    facts_of,
    latest_decision,
    latest_decisions,
    save_answers,
    screen,
    sign_decision,
)
from patients.tests.factories import (
    make_allergy,
    make_consultation,
    make_medicine,
    make_patient,
    make_problem,
    make_request,
    make_vitals,
)
from patients.tests.screening_kit import all_accepted, answer_all, make_clean, make_score, stamps

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thursday, 10:00 in New York
TODAY = date(2027, 1, 7)


@pytest.fixture
def place() -> Location:
    return make_location()


@pytest.fixture
def doctor() -> User:
    return make_user(Role.CLINICIAN)


@pytest.fixture
def ada() -> Patient:
    return make_patient(sex="female")


@pytest.fixture
def clean(ada: Patient, place: Location, doctor: User) -> Consultation:
    return make_clean(ada, place, doctor, NOW)


def codes(consultation: Consultation, **facts: Any) -> dict[str, Severity]:
    return {one.code: one.severity for one in screen(consultation.pk, now=NOW, **facts).findings}


def sign(consultation: Consultation, by: User, **facts: Any) -> ScreeningDecision:
    """Fit, everything accepted, unless said otherwise."""
    now = facts.get("now", NOW)
    screened = screen(consultation.pk, now=now, profile=facts.get("profile", ""))
    values = {
        "indication": "trd",
        "outcome": "fit",
        "judged": all_accepted(screened),
        "shown": stamps(screened),
        "now": now,
    } | facts
    return sign_decision(consultation_id=consultation.pk, by=by, **values)


def test_a_signed_decision_is_told_to_whoever_follows_the_patient(
    clean: Consultation, ada: Patient, doctor: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        sign(clean, doctor)
    jobs = [callback.job for callback in callbacks if hasattr(callback, "job")]
    assert ("courses.tasks.worklists.sweep_patient", (ada.pk, "decision")) in jobs


# --- facts ------------------------------------------------------------------------------------------------------------
def test_when_everything_was_asked_and_is_fine_nothing_is_found(clean: Consultation) -> None:
    assert codes(clean) == {}


def test_what_the_registry_holds_is_looked_at(clean: Consultation, ada: Patient) -> None:
    make_medicine(ada, "theophylline 300 MG", dose="")
    make_medicine(ada, "naltrexone", dose="50 mg", ended_on=date(2026, 12, 1))
    make_problem(ada, "Schizophrenia")
    make_allergy(ada, "Esketamine")
    assert codes(clean) == {
        "hypersensitivity": Severity.STOP,
        "medicine_theophylline": Severity.STOP,
        "psychosis": Severity.REVIEW,
    }


@pytest.mark.parametrize(("ended", "is_found"), [(-1, False), (0, True), (30, True)])
def test_a_medicine_counts_until_the_day_it_ends_has_passed(
    ended: int, is_found: bool, clean: Consultation, ada: Patient
) -> None:
    make_medicine(ada, "theophylline", ended_on=TODAY + timedelta(days=ended))
    assert ("medicine_theophylline" in codes(clean)) == is_found


def test_struck_readings_and_ended_allergies_do_not_count(clean: Consultation, ada: Patient, doctor: User) -> None:
    struck = {"struck_at": NOW, "struck_by": doctor, "struck_reason": "another patient"}
    later = NOW + timedelta(minutes=5)
    make_vitals(ada, doctor, systolic_mmhg=190, measured_at=later, **struck)
    make_score(ada, "cssrs", later, band="High", **struck)
    PregnancyTest.objects.create(
        patient=ada, tested_on=TODAY, result="positive", recorded_at=NOW, recorded_by=doctor, **struck
    )
    make_allergy(ada, "Ketamine", ended_on=TODAY - timedelta(days=1))
    assert codes(clean) == {}


def test_the_latest_of_each_counts(clean: Consultation, ada: Patient, doctor: User) -> None:
    make_vitals(ada, doctor, systolic_mmhg=165, measured_at=NOW - timedelta(days=1))
    make_score(ada, "cssrs", NOW - timedelta(days=1), band="High")
    assert codes(clean) == {}
    make_vitals(ada, doctor, systolic_mmhg=165, measured_at=NOW + timedelta(minutes=1))
    assert codes(clean) == {"pressure": Severity.STOP}


def test_a_reading_without_pressure_does_not_hide_the_pressure(clean: Consultation, ada: Patient, doctor: User) -> None:
    make_vitals(
        ada,
        doctor,
        systolic_mmhg=None,
        diastolic_mmhg=None,
        heart_rate_bpm=None,
        measured_at=NOW + timedelta(minutes=1),
    )
    assert codes(clean) == {}


def test_the_profile_is_the_locations_unless_another_is_chosen(
    clean: Consultation, ada: Patient, doctor: User, place: Location
) -> None:
    make_vitals(ada, doctor, systolic_mmhg=158, diastolic_mmhg=91, measured_at=NOW + timedelta(minutes=1))
    assert codes(clean) == {"pressure": Severity.REVIEW}
    IntakeSettings.objects.create(location=place, pressure_profile="trial_e1")
    assert codes(clean) == {"pressure": Severity.STOP}
    assert codes(clean, profile="swiss_label") == {}


def test_the_clinics_limits_are_used(clean: Consultation, ada: Patient, place: Location, doctor: User) -> None:
    IntakeSettings.objects.create(
        location=place, benzodiazepine_limit_mg=20, pressure_max_age_days=1, substance_window_months=6
    )
    make_medicine(ada, "diazepam", dose="10 mg a day")
    VitalSigns.objects.update(measured_at=NOW - timedelta(days=2))
    screened = screen(clean.pk, now=NOW)
    found = {one.code: one.severity for one in screened.findings}
    assert found["medicine_benzodiazepine_efficacy"] is Severity.INFO
    assert found["pressure_old"] is Severity.REVIEW
    assert screened.limits.substance_window_months == 6


def test_measures_are_read_with_band_and_item_9(clean: Consultation, ada: Patient) -> None:
    make_score(ada, "auditc", NOW + timedelta(minutes=1), score=3)
    make_score(ada, "cssrs", NOW + timedelta(minutes=1), band="", detail={"triage": "Moderate"})
    assert codes(clean) == {
        "suicide_risk": Severity.REVIEW,
        "safety_plan": Severity.REVIEW,
        "level_of_care": Severity.REVIEW,
        "alcohol_screen": Severity.REVIEW,
    }


def test_item_9_without_a_cssrs_asks_for_it(ada: Patient, place: Location, doctor: User) -> None:
    consultation = make_consultation(ada, place, doctor)
    make_score(ada, "phq9", NOW, score=2, answers={"9": 1})
    assert "ask_cssrs" in codes(consultation)


def test_scores_older_than_a_decision_lasts_do_not_count(clean: Consultation) -> None:
    with transaction.atomic():
        Assessment.objects.filter(measure="gad7").first()
        later = NOW + timedelta(days=91)
        found = {one.code: one for one in screen(clean.pk, now=later).findings}
    assert "GAD-7" in found["suggested_data"].raised_by


def test_the_facts_of_another_patient_are_refused(clean: Consultation, place: Location) -> None:
    with pytest.raises(ValueError, match="another patient"):
        facts_of(make_patient("Mei", "Chen"), clean, NOW)


@pytest.mark.parametrize("rows", [2, 20])
def test_reading_needs_two_queries_whatever_is_recorded(
    rows: int, clean: Consultation, ada: Patient, queries: Queries
) -> None:
    for number in range(rows):
        make_medicine(ada, f"tramadol {number}")
        make_problem(ada, f"Glaucoma {number}")
        make_score(ada, "phq9", NOW + timedelta(minutes=number), score=number)
    with queries("screening facts"):
        screened = screen(clean.pk, now=NOW)
    assert screened.findings


# --- answers ----------------------------------------------------------------------------------------------------------
def answered(value: str, base: str = "", note: str = "", base_note: str = "") -> GivenAnswer:
    return GivenAnswer(value, note, base, base_note)


def test_answers_are_kept_and_what_was_not_touched_stays(ada: Patient, place: Location, doctor: User) -> None:
    consultation = make_consultation(ada, place, doctor)
    given = {"glaucoma": answered("yes", note="left eye"), "avm": answered("no"), "bipolar": answered("")}
    done = save_answers(consultation_id=consultation.pk, given=given, by=doctor, now=NOW)
    assert set(done.saved) == {"glaucoma", "avm"}
    rows = {row.code: (row.answer, row.note) for row in ScreeningAnswer.objects.all()}
    assert rows == {"glaucoma": ("yes", "left eye"), "avm": ("no", "")}


def test_what_somebody_else_answered_meanwhile_is_not_overwritten(clean: Consultation, doctor: User) -> None:
    ScreeningAnswer.objects.filter(code="glaucoma").update(answer="yes", note="Dr. Lee")
    given = {"glaucoma": answered("no", base="", note="x"), "porphyria": answered("yes", base="no")}
    done = save_answers(consultation_id=clean.pk, given=given, by=doctor, now=NOW)
    assert done.saved == ("porphyria",)
    assert (done.conflicts["glaucoma"].value, done.conflicts["glaucoma"].note) == ("yes", "Dr. Lee")
    assert ScreeningAnswer.objects.get(code="glaucoma").answer == "yes"


def test_the_same_answer_by_two_people_is_no_conflict(clean: Consultation, doctor: User) -> None:
    done = save_answers(consultation_id=clean.pk, given={"glaucoma": answered("no", base="yes")}, by=doctor, now=NOW)
    assert done.conflicts == {}


def test_who_has_seen_the_other_answer_may_change_it(clean: Consultation, doctor: User) -> None:
    save_answers(consultation_id=clean.pk, given={"glaucoma": answered("yes", base="no")}, by=doctor, now=NOW)
    assert ScreeningAnswer.objects.get(code="glaucoma").answer == "yes"


def test_odd_answers_are_refused(clean: Consultation, doctor: User) -> None:
    with pytest.raises(ValueError, match="maybe"):
        save_answers(consultation_id=clean.pk, given={"glaucoma": answered("maybe")}, by=doctor, now=NOW)
    with pytest.raises(KeyError):
        save_answers(consultation_id=clean.pk, given={"invented": answered("yes")}, by=doctor, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_without_the_guard_one_of_two_answers_is_lost(parallel: Parallel) -> None:
    """What the guard is for: both read "not asked", both write, and one answer is as if never given."""
    doctor, place = make_user(Role.CLINICIAN), make_location()
    consultation = make_consultation(make_patient(), place, doctor)
    row = ScreeningAnswer.objects.create(consultation=consultation, code="mania")
    have_read = threading.Barrier(2)

    def naive(index: int) -> str:
        mine = ScreeningAnswer.objects.get(pk=row.pk)
        assert mine.answer == ""
        have_read.wait(10)
        mine.answer = ("yes", "no")[index]
        mine.save()
        return mine.answer

    outcomes = parallel(2, naive)
    assert sorted(outcome.value for outcome in outcomes) == ["no", "yes"]  # nobody was told
    row.refresh_from_db()
    assert row.answer in {"yes", "no"}


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_answer_at_once_one_is_told(parallel: Parallel) -> None:
    doctor, place = make_user(Role.CLINICIAN), make_location()
    consultation = make_consultation(make_patient(), place, doctor)

    def answer(index: int) -> Any:
        value = "yes" if index % 2 else "no"
        return save_answers(consultation_id=consultation.pk, given={"mania": answered(value)}, by=doctor, now=NOW)

    outcomes = [outcome.value for outcome in parallel(6, answer)]
    kept = ScreeningAnswer.objects.get(code="mania").answer
    assert sum(bool(outcome.conflicts) for outcome in outcomes) == 3
    assert all((not outcome.conflicts) or outcome.conflicts["mania"].value == kept for outcome in outcomes)


# --- decisions --------------------------------------------------------------------------------------------------------
def test_a_fit_decision_is_signed_and_lasts_as_long_as_the_clinic_says(
    clean: Consultation, ada: Patient, doctor: User, place: Location
) -> None:
    IntakeSettings.objects.create(location=place, decision_valid_days=60)
    late = datetime(2027, 1, 8, 4, 30, tzinfo=UTC)  # still Thursday in New York
    decision = sign(clean, doctor, now=late)
    assert (decision.patient, decision.signed_by, decision.signed_at) == (ada, doctor, late)
    assert decision.expires_on == date(2027, 3, 8)
    assert decision.pressure_profile == "default"
    assert decision.findings == []


def test_findings_and_verdicts_are_kept_as_they_were(clean: Consultation, ada: Patient, doctor: User) -> None:
    make_medicine(ada, "sertraline", dose="50 mg")
    decision = sign(clean, doctor, judged={"medicine_ssri": Judged("done", " watch the pressure ")})
    make_medicine(ada, "theophylline")
    decision.refresh_from_db()
    (kept,) = decision.findings
    assert kept["code"] == "medicine_ssri"
    assert kept["severity"] == "info"
    assert kept["raised_by"] == ["sertraline, 50 mg"]
    assert (kept["verdict"], kept["note"]) == ("done", "watch the pressure")
    assert kept["source"] == "P28, P26b"


@pytest.mark.parametrize("outcome", ["fit", "conditions"])
def test_a_stop_is_overridden_only_with_a_reason(outcome: str, clean: Consultation, ada: Patient, doctor: User) -> None:
    make_allergy(ada, "ketamine")
    conditions = "Challenge dose first"
    for judged in ({}, {"hypersensitivity": Judged("accepted", "I know")}, {"hypersensitivity": Judged("overridden")}):
        with pytest.raises(DecisionRefusedError) as refused:
            sign(clean, doctor, outcome=outcome, conditions=conditions, judged=judged)
        assert [one.where for one in refused.value.refusals] == ["hypersensitivity"]
    assert not ScreeningDecision.objects.exists()
    overridden = {"hypersensitivity": Judged("overridden", "A rash from tape in 2019, allergist agrees")}
    assert sign(clean, doctor, outcome=outcome, conditions=conditions, judged=overridden).opens_the_way


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"outcome": "conditions"}, "conditions"),
        ({"outcome": "not_now"}, "reason"),
        ({"outcome": "no"}, "reason"),
        ({"outcome": ""}, "outcome"),
        ({"indication": ""}, "indication"),
        ({"indication": "flu"}, "indication"),
    ],
)
def test_what_is_missing_is_refused(facts: dict[str, str], where: str, clean: Consultation, doctor: User) -> None:
    with pytest.raises(DecisionRefusedError) as refused:
        sign(clean, doctor, **facts)
    assert where in [one.where for one in refused.value.refusals]
    assert not ScreeningDecision.objects.exists()


def test_a_refusal_needs_no_verdicts_and_never_expires(clean: Consultation, ada: Patient, doctor: User) -> None:
    make_allergy(ada, "ketamine")
    decision = sign(clean, doctor, outcome="no", reason="Allergic to ketamine", judged={})
    assert (decision.expires_on, decision.reason) == (None, "Allergic to ketamine")


def test_findings_that_changed_since_the_page_was_shown_refuse_the_signature(
    clean: Consultation, ada: Patient, doctor: User
) -> None:
    make_medicine(ada, "sertraline")
    shown = stamps(screen(clean.pk, now=NOW))
    make_medicine(ada, "theophylline")
    with pytest.raises(FindingsChangedError) as refused:
        sign(clean, doctor, shown=shown)
    assert (refused.value.new, refused.value.gone) == (frozenset({"medicine_theophylline"}), 0)
    with pytest.raises(FindingsChangedError) as refused:
        sign(clean, doctor, shown=[*stamps(screen(clean.pk, now=NOW)), "mania:0000"])
    assert (refused.value.new, refused.value.gone) == (frozenset(), 1)
    assert not ScreeningDecision.objects.exists()


def test_another_profile_than_the_one_shown_is_noticed(clean: Consultation, ada: Patient, doctor: User) -> None:
    make_vitals(ada, doctor, systolic_mmhg=155, measured_at=NOW + timedelta(minutes=1))
    shown = stamps(screen(clean.pk, now=NOW, profile="swiss_label"))
    with pytest.raises(FindingsChangedError):
        sign(clean, doctor, shown=shown)
    decision = sign(clean, doctor, profile="swiss_label")
    assert decision.pressure_profile == "swiss_label"


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.MANAGER])
def test_only_a_prescriber_signs(role: Role, clean: Consultation) -> None:
    with pytest.raises(PermissionDenied):
        sign(clean, make_user(role))
    assert not ScreeningDecision.objects.exists()


def test_a_merged_record_is_not_decided_on(clean: Consultation, ada: Patient, doctor: User) -> None:
    Patient.objects.filter(pk=ada.pk).update(merged_into=make_patient("Ada", "Okafor-Lee"), status="merged")
    with pytest.raises(MergedPatientError):
        sign(clean, doctor)


def test_the_request_behind_it_is_decided(ada: Patient, place: Location, doctor: User) -> None:
    request = make_request(place, patient=ada, status=RequestStatus.SEEN)
    sign(make_clean(ada, place, doctor, NOW, request=request), doctor, outcome="not_now", reason="First the ECG")
    request.refresh_from_db()
    assert request.status == RequestStatus.DECIDED


def test_the_same_form_sent_twice_signs_once(clean: Consultation, doctor: User) -> None:
    first = sign(clean, doctor)
    assert sign(clean, doctor, now=NOW + timedelta(seconds=20)) == first
    assert sign(clean, doctor, outcome="no", reason="On second thought") != first
    assert ScreeningDecision.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_sent_twice_at_once_it_stands_once(parallel: Parallel) -> None:
    doctor, place = make_user(Role.CLINICIAN), make_location()
    consultation = make_clean(make_patient(), place, doctor, NOW)
    outcomes = parallel(4, lambda _: sign(consultation, doctor).pk)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert len({outcome.value for outcome in outcomes}) == ScreeningDecision.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_medicine_written_down_while_somebody_signs_is_seen_or_waits(parallel: Parallel) -> None:
    """Either the signature is refused, or the medicine came after it; never a decision that silently missed it."""
    doctor, place, ada = make_user(Role.CLINICIAN), make_location(), make_patient()
    consultation = make_clean(ada, place, doctor, NOW)
    shown = stamps(screen(consultation.pk, now=NOW))

    def work(index: int) -> Any:
        if index:
            data = EntryData("theophylline")
            kind = BackgroundKind.MEDICINE
            return record_entry(patient_id=ada.pk, kind=kind, data=data, today=TODAY, by=doctor, now=NOW)
        return sign(consultation, doctor, shown=shown)

    signed, written = parallel(2, work)
    assert written.error is None
    assert signed.error is None or isinstance(signed.error, FindingsChangedError | DecisionRefusedError)


# --- which decision counts --------------------------------------------------------------------------------------------
def test_the_latest_decision_counts(clean: Consultation, ada: Patient, doctor: User) -> None:
    fit = sign(clean, doctor)
    assert current_decision(ada, "trd", TODAY) == fit
    refusal = sign(clean, doctor, outcome="no", reason="Psychosis", now=NOW + timedelta(hours=1))
    assert current_decision(ada, "trd", TODAY) is None
    assert latest_decision(ada, "trd") == refusal
    assert list(decisions_of(ada)) == [refusal, fit]


def test_an_expired_decision_must_be_renewed(clean: Consultation, ada: Patient, doctor: User) -> None:
    decision = sign(clean, doctor)
    assert decision.expires_on == date(2027, 4, 7)  # 90 days
    assert current_decision(ada, "trd", date(2027, 4, 7)) == decision
    assert current_decision(ada, "trd", date(2027, 4, 8)) is None
    make_vitals(ada, doctor, measured_at=NOW + timedelta(days=91))
    renewed = sign(clean, doctor, now=NOW + timedelta(days=91))
    assert current_decision(ada, "trd", date(2027, 4, 9)) == renewed


def test_a_decision_is_for_one_condition(clean: Consultation, ada: Patient, doctor: User) -> None:
    sign(clean, doctor)
    assert current_decision(ada, "ptsd", TODAY) is None
    assert current_decision(make_patient("Mei", "Chen"), "trd", TODAY) is None


def test_the_latest_for_each_condition_is_told(clean: Consultation, ada: Patient, doctor: User) -> None:
    sign(clean, doctor)
    ptsd = sign(clean, doctor, indication="ptsd", now=NOW + timedelta(hours=1))
    again = sign(clean, doctor, outcome="no", reason="Psychosis", now=NOW + timedelta(hours=2))
    assert latest_decisions(ada) == [again, ptsd]


def test_a_merged_record_brings_its_decisions_along(clean: Consultation, ada: Patient, doctor: User) -> None:
    decision = sign(clean, doctor)
    kept = make_patient("Ada", "Okafor-Lee")
    merge_patients(kept_id=kept.pk, duplicate_id=ada.pk, take=(), reason="same person", by=doctor, now=NOW)
    assert current_decision(kept, "trd", TODAY) == decision
    assert screen(clean.pk, now=NOW).patient == kept


def test_the_database_keeps_a_decision_as_it_was_signed(clean: Consultation, doctor: User) -> None:
    decision = sign(clean, doctor)
    for change in ({"outcome": "no"}, {"conditions": "x"}, {"findings": [{"code": "x"}]}, {"expires_on": TODAY}):
        with pytest.raises(DatabaseError), transaction.atomic():
            ScreeningDecision.objects.filter(pk=decision.pk).update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        ScreeningDecision.objects.filter(pk=decision.pk).delete()
    assert ScreeningDecision.objects.get() == decision


def test_every_question_can_be_answered_and_kept(ada: Patient, place: Location, doctor: User) -> None:
    consultation = make_consultation(ada, place, doctor)
    answer_all(consultation)
    assert ScreeningAnswer.objects.filter(consultation=consultation).count() == len(QUESTIONS)
