"""Screening: everything that the rules look at, read in few queries; answers kept; the decision signed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from patients.models import (
    Allergy,
    Assessment,
    Consultation,
    DecisionOutcome,
    IntakeSettings,
    Medicine,
    Patient,
    PregnancyTest,
    Problem,
    RequestStatus,
    ScreeningAnswer,
    ScreeningDecision,
    TreatedCondition,
    VitalSigns,
    YesNo,
)
from patients.pure.background import BackgroundKind, says_none
from patients.pure.indications import Indication
from patients.pure.interactions import Drug
from patients.pure.pressure import profile_of
from patients.pure.screening import (
    BY_CODE,
    Answer,
    Facts,
    Finding,
    Limits,
    Pregnancy,
    Pressure,
    Recorded,
    evaluate,
)
from patients.pure.screening.decision import OPENING, Judged, Refusal, refusals_of
from patients.services.followers import Noted, tell_followers
from patients.services.intake_settings import intake_settings_of
from patients.services.registry import lock_patient
from patients.services.requests import advance

NOTE_LIMIT = 300
SENT_TWICE_WITHIN = timedelta(minutes=2)
PHQ9, AUDITC, CSSRS = "phq9", "auditc", "cssrs"
SAFETY_ITEM = "9"


class DecisionRefusedError(Exception):
    """Something is still to be said before the decision can be signed; nothing was saved."""

    def __init__(self, refusals: Collection[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(" ".join(refusal.text for refusal in self.refusals))


class FindingsChangedError(Exception):
    """What the rules find is no longer what the page showed; nothing was saved.

    ``new`` are the codes of findings that are there now and were not shown like this, ``gone`` how many are gone.
    """

    def __init__(self, new: frozenset[str], gone: int) -> None:
        self.new, self.gone = new, gone
        super().__init__("The findings changed since the page was opened.")


@dataclass(frozen=True, slots=True)
class Screened:
    """One consultation with what the rules find in it."""

    consultation: Consultation
    patient: Patient
    settings: IntakeSettings
    limits: Limits
    facts: Facts
    findings: tuple[Finding, ...]
    today: date

    @property
    def indication(self) -> str:
        """What the consultation is about; else what the patient is treated for, where that is one thing."""
        known = self.facts.treated_for
        return self.consultation.indication or (next(iter(known)) if len(known) == 1 else "")


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What somebody chose for one question, and what their page had shown there."""

    value: str
    note: str
    base_value: str
    base_note: str

    @property
    def is_changed(self) -> bool:
        return (self.value, self.note) != (self.base_value, self.base_note)


@dataclass(frozen=True, slots=True)
class AnswersSaved:
    """What became of the answers: ``conflicts`` holds what somebody else had answered meanwhile, by question."""

    saved: tuple[str, ...]
    conflicts: Mapping[str, Answer]


# --- reading ----------------------------------------------------------------------------------------------------------
def screen(consultation_id: int, *, now: datetime, profile: str = "") -> Screened:
    """The consultation, everything recorded about its patient, and the findings; two queries.

    Args:
        profile: the blood-pressure profile to judge by; the location's unless given.

    Raises:
        Consultation.DoesNotExist: there is no such consultation.
    """
    row: Any = _with_facts(
        Consultation.objects.select_related("patient__resource", "location", "clinician", "request", "booking")
    ).get(pk=consultation_id)
    settings = intake_settings_of(row.location)
    limits = limits_of(settings, profile)
    today = row.location.local(now).date()
    facts = _facts(row, today=today, counts_from=now - timedelta(days=settings.decision_valid_days))
    return Screened(row, row.patient, settings, limits, facts, evaluate(facts, limits), today)


def facts_of(patient: Patient, consultation: Consultation, now: datetime) -> Facts:
    """What the rules look at, for a consultation of this patient."""
    if consultation.patient_id != patient.pk:
        raise ValueError("This is a consultation of another patient.")
    return screen(consultation.pk, now=now).facts


def limits_of(settings: IntakeSettings, profile: str = "") -> Limits:
    """The clinic's own limits ([D]), with the profile that a decision is made by."""
    return Limits(
        pressure_profile=profile_of(profile or settings.pressure_profile).code,
        benzodiazepine_limit_mg=settings.benzodiazepine_limit_mg,
        substance_window_months=settings.substance_window_months,
        pressure_max_age_days=settings.pressure_max_age_days,
        pregnancy_test_max_age_days=settings.pregnancy_test_max_age_days,
    )


def current_decision(patient: Patient, indication: str, day: date) -> ScreeningDecision | None:
    """The latest decision about this condition, if a series may start by it on ``day``; None otherwise.

    The latest counts: an earlier "fit" does not survive a later "no", and an expired one has to be renewed.
    """
    latest = latest_decision(patient, indication)
    return latest if latest and opens_on(latest, day) else None


def latest_decision(patient: Patient, indication: str) -> ScreeningDecision | None:
    """The latest decision about this condition, whatever it says."""
    rows = ScreeningDecision.objects.filter(patient=patient, indication=indication)
    return rows.select_related("signed_by").order_by("-signed_at", "-id").first()


def opens_on(decision: ScreeningDecision, day: date) -> bool:
    """True when a series may start by this decision on ``day``; the last day is included."""
    return decision.opens_the_way and decision.expires_on is not None and day <= decision.expires_on


def latest_decisions(patient: Patient) -> list[ScreeningDecision]:
    """The latest decision for each condition, the latest of them first; one query."""
    rows = ScreeningDecision.objects.filter(patient=patient).select_related("signed_by", "consultation__location")
    latest = rows.order_by("indication", "-signed_at", "-id").distinct("indication")
    return sorted(latest, key=lambda one: (one.signed_at, one.pk), reverse=True)


def decisions_of(patient: Patient) -> QuerySet[ScreeningDecision]:
    """Every decision about the patient, the latest first."""
    return ScreeningDecision.objects.filter(patient=patient).select_related("signed_by", "consultation__location")


# --- answers ----------------------------------------------------------------------------------------------------------
def save_answers(*, consultation_id: int, given: Mapping[str, GivenAnswer], by: User, now: datetime) -> AnswersSaved:
    """Each answer that was changed stands, unless somebody else answered that question differently meanwhile.

    Answers may change after the consultation was signed, for the renewal of a decision: each decision keeps what the
    rules found when it was signed, and the history keeps each answer.

    Raises:
        KeyError: there is no such question.
        ValueError: an answer is none of yes, no and not asked.
        Consultation.DoesNotExist: there is no such consultation.
    """
    changed = {BY_CODE[code].code: one for code, one in given.items() if one.is_changed}
    if odd := {one.value for one in changed.values()} - set(YesNo.values):
        raise ValueError(f"No such answer: {sorted(odd)}")
    saved, conflicts = [], {}
    with recorded(by=by, now=now):
        Consultation.objects.select_for_update(no_key=True).only("id").get(pk=consultation_id)
        rows = {row.code: row for row in ScreeningAnswer.objects.filter(consultation=consultation_id, code__in=changed)}
        for code, one in changed.items():
            row = rows.get(code) or ScreeningAnswer(consultation_id=consultation_id, code=code)
            stored, mine = (row.answer, row.note), (one.value, one.note.strip()[:NOTE_LIMIT])
            if stored not in (mine, (one.base_value, one.base_note)):
                conflicts[code] = Answer(*stored)
                continue
            if stored != mine:
                row.answer, row.note = mine
                row.save()
            saved.append(code)
    return AnswersSaved(tuple(saved), conflicts)


# --- deciding ---------------------------------------------------------------------------------------------------------
def sign_decision(
    *,
    consultation_id: int,
    indication: str,
    outcome: str,
    judged: Mapping[str, Judged],
    shown: Collection[str],
    by: User,
    now: datetime,
    conditions: str = "",
    reason: str = "",
    profile: str = "",
) -> ScreeningDecision:
    """The decision is signed with what the rules found and what was decided on each; its request is decided.

    The same decision sent twice stands once. A decision that opens the way counts until the clinic's number of days
    has passed; the last day is included.

    Args:
        judged: the verdict on each finding, by its code.
        shown: the stamps of the findings that the page showed.
        profile: the blood-pressure profile to judge by; the location's unless given.

    Raises:
        PermissionDenied: ``by`` may not sign decisions.
        FindingsChangedError: the findings are no longer those that were shown.
        DecisionRefusedError: a verdict, a reason or a condition is missing.
        MergedPatientError: the record was merged away.
    """
    if not by.can(Can.SIGN_DECISION):
        raise PermissionDenied("Only a prescriber signs a decision.")
    with recorded(by=by, now=now):
        screened = _locked(consultation_id, now=now, profile=profile)
        _refuse_changed(screened.findings, shown)
        refusals = refusals_of(screened.findings, judged, outcome=outcome, conditions=conditions, reason=reason)
        if indication not in set(Indication):
            refusals = (Refusal("indication", "Choose what the patient would be treated for."), *refusals)
        if refusals:
            raise DecisionRefusedError(refusals)
        opens = outcome in OPENING
        decision = ScreeningDecision(
            patient=screened.patient,
            consultation=screened.consultation,
            indication=indication,
            outcome=outcome,
            conditions=conditions.strip() if outcome == DecisionOutcome.CONDITIONS else "",
            reason=reason.strip(),
            pressure_profile=screened.limits.pressure_profile,
            findings=[_kept(finding, judged.get(finding.code, Judged())) for finding in screened.findings],
            signed_at=now,
            signed_by=by,
            expires_on=screened.today + timedelta(days=screened.settings.decision_valid_days) if opens else None,
        )
        if twin := _sent_before(decision):
            return twin
        decision.full_clean(exclude=["findings"])  # made here; empty when nothing was found
        decision.save()
        if screened.consultation.request_id:
            advance(screened.consultation.request_id, to=RequestStatus.DECIDED, by=by, now=now)
        tell_followers(Noted.DECISION, screened.patient.pk)
        return decision


def _locked(consultation_id: int, *, now: datetime, profile: str) -> Screened:
    """What is found, while nobody can change it: who records about a patient locks the patient or the consultation."""
    patient_id = Consultation.objects.values_list("patient_id", flat=True).get(pk=consultation_id)
    lock_patient(patient_id)
    Consultation.objects.select_for_update(no_key=True).only("id").get(pk=consultation_id)
    return screen(consultation_id, now=now, profile=profile)


def _sent_before(decision: ScreeningDecision) -> ScreeningDecision | None:
    """The decision that this very form already made, when a browser sent it twice."""
    latest = latest_decision(decision.patient, decision.indication)
    if latest is None or decision.signed_at - latest.signed_at >= SENT_TWICE_WITHIN:
        return None
    same = ("consultation_id", "signed_by_id", "outcome", "conditions", "reason", "pressure_profile", "findings")
    return latest if all(getattr(latest, name) == getattr(decision, name) for name in same) else None


def _refuse_changed(findings: Iterable[Finding], shown: Collection[str]) -> None:
    stamps = {finding.stamp: finding.code for finding in findings}
    new = frozenset(code for stamp, code in stamps.items() if stamp not in shown)
    gone = sum(stamp.partition(":")[0] not in set(stamps.values()) for stamp in shown)
    if new or gone:
        raise FindingsChangedError(new, gone)


def _kept(finding: Finding, judged: Judged) -> dict[str, Any]:
    """A finding and its verdict as the decision keeps them."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "kind": finding.kind.value,
        "title": finding.title,
        "reason": finding.reason,
        "source": finding.source,
        "mark": finding.mark.value,
        "raised_by": list(finding.raised_by),
        "verdict": judged.verdict,
        "note": judged.note.strip()[:1000],
    }


# --- one query for everything -----------------------------------------------------------------------------------------
def _with_facts(consultations: QuerySet[Consultation]) -> QuerySet[Consultation]:
    mine = {"patient": OuterRef("patient_id")}
    vitals = VitalSigns.objects.valid().filter(**mine)
    pressures = vitals.filter(systolic_mmhg__isnull=False, diastolic_mmhg__isnull=False)
    return consultations.annotate(
        answer_rows=_rows(ScreeningAnswer, "code", "answer", "note", where={"consultation": OuterRef("pk")}),
        medicine_rows=_rows(Medicine, "description", "dose", "ended_on", where=mine),
        allergy_rows=_rows(Allergy, "description", "ended_on", where=mine),
        problem_rows=_rows(Problem, "description", "code_system", "code", "ended_on", where=mine),
        condition_rows=ArraySubquery(TreatedCondition.objects.filter(**mine).values("indication")),
        has_weight=Exists(vitals.filter(weight_kg__isnull=False)),
        pressure_rows=ArraySubquery(
            pressures.order_by("-measured_at", "-id").values(
                row=_json("systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm", "measured_at")
            )[:1]
        ),
        test_rows=ArraySubquery(
            PregnancyTest.objects.valid()
            .filter(**mine)
            .order_by("-tested_on", "-id")
            .values(row=_json("result", "tested_on"))[:1]
        ),
        score_rows=ArraySubquery(
            Assessment.objects.valid()
            .filter(**mine)
            .order_by("measure", "-taken_at", "-id")
            .distinct("measure")
            .values(row=_json("measure", "score", "band", "detail", "answers", "taken_at"))
        ),
    )


def _rows(model: type[Model], *columns: str, where: Mapping[str, Any]) -> ArraySubquery:
    return ArraySubquery(model._default_manager.filter(**where).order_by("id").values(row=_json(*columns)))


def _json(*names: str) -> JSONObject:
    return JSONObject(**{name: name for name in names})


def _facts(row: Any, *, today: date, counts_from: datetime) -> Facts:  # noqa: ANN401 (a row with annotations)
    """What the rules look at, in an annotated consultation.

    Args:
        counts_from: scores before this moment are too old to screen by.
    """
    patient, location = row.patient, row.location
    scores = {one["measure"]: one for one in row.score_rows if datetime.fromisoformat(one["taken_at"]) >= counts_from}
    medicines, allergies = (
        [one for one in rows if _is_current(one, today)] for rows in (row.medicine_rows, row.allergy_rows)
    )
    listed = {"medicines": medicines, "allergies": allergies, "problems": row.problem_rows}
    auditc, phq9 = scores.get(AUDITC, {}), scores.get(PHQ9, {})
    return Facts(
        age=patient.age_on(today),
        sex=patient.sex,
        treated_for=frozenset({row.indication, *row.condition_rows} - {""}),
        answers={one["code"]: Answer(one["answer"], one["note"]) for one in row.answer_rows},
        asked=frozenset(name for name, rows in listed.items() if rows),
        medicines=tuple(
            Drug(one["description"], one["dose"])
            for one in medicines
            if not says_none(BackgroundKind.MEDICINE, one["description"])
        ),
        allergies=tuple(one["description"] for one in allergies),
        problems=tuple(
            Recorded(one["description"], one["code_system"], one["code"], _is_current(one, today))
            for one in row.problem_rows
            if not says_none(BackgroundKind.PROBLEM, one["description"])
        ),
        family_history=row.family_history,
        can_be_pregnant=row.can_be_pregnant,
        pregnancy=next(
            (Pregnancy(one["result"], (today - date.fromisoformat(one["tested_on"])).days) for one in row.test_rows),
            None,
        ),
        pressure=next((_pressure(one, location, today) for one in row.pressure_rows), None),
        has_weight=row.has_weight,
        has_safety_plan=bool(row.safety_plan.strip()),
        measures=frozenset(scores),
        auditc=None if auditc.get("score") is None else Decimal(str(auditc["score"])),
        cssrs=_triage(scores.get(CSSRS, {})),
        phq9_item9=phq9.get("answers", {}).get(SAFETY_ITEM),
    )


def _pressure(row: Mapping[str, Any], location: Any, today: date) -> Pressure:  # noqa: ANN401
    measured_on = location.local(datetime.fromisoformat(row["measured_at"])).date()
    return Pressure(row["systolic_mmhg"], row["diastolic_mmhg"], row["heart_rate_bpm"], (today - measured_on).days)


def _is_current(row: Mapping[str, Any], today: date) -> bool:
    """True until the day on which it ends has passed: what is taken for the last time today still matters today."""
    return row["ended_on"] is None or date.fromisoformat(row["ended_on"]) >= today


def _triage(row: Mapping[str, Any]) -> str:
    """The band of a C-SSRS; what an incomplete one has already reached counts as well."""
    return str(row.get("band") or row.get("detail", {}).get("triage") or "")
