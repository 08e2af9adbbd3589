"""Assessments: a measure filled in, scored and kept. Nothing is edited; what was entered in error is struck."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import AlertKind, Assessment, AssessmentSource, MeasureLink, Patient
from patients.pure.measures import About, AnswerError, Flag, Measure, Scored, measure, score, score_total
from patients.services.alerts import raise_alert
from patients.services.followers import Noted, tell_followers
from patients.services.registry import lock_patient

CLOCK_SLACK = timedelta(minutes=5)
"""A tablet's clock may be ahead of the server's by this much."""
TOKEN_LENGTH = 64

ALERT_KINDS = {
    Flag.CSSRS_HIGH: AlertKind.CSSRS_HIGH,
    Flag.CSSRS_MODERATE: AlertKind.CSSRS_MODERATE,
    Flag.PHQ9_ITEM9: AlertKind.PHQ9_ITEM9,
    Flag.SUICIDE_ITEM: AlertKind.SUICIDE_ITEM,
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What some measures keep beside the score: form and education (MoCA, SLUMS)."""

    form_version: str = ""
    finished_high_school: bool | None = None


def record_assessment(
    *,
    patient: Patient,
    measure: str,
    taken_at: datetime,
    source: AssessmentSource,
    location: Location,
    now: datetime,
    by: User | None,
    answers: Mapping[int, int | None] | Mapping[str, int | None] | None = None,
    total: Decimal | int | None = None,
    danger_answer: int | None = None,
    link: MeasureLink | None = None,
    note: str = "",
    circumstances: Circumstances | None = None,
    token: str = "",
) -> Assessment:
    """The assessment stands in the record with its score, and each danger signal in it waits as an alert.

    Sent twice (the same ``token``, or the same measure of the same link) it stands there once.

    Args:
        answers: item number -> value; or else
        total: the total of a form whose items are not known, with ``danger_answer`` for its item about suicide.
        by: who entered it; None when the patient did.
        location: whose clinicians the alert is for.
        token: any text that is the same when one form is sent twice.

    Raises:
        ValidationError: nothing is answered, an answer is not possible, or the moment is ahead or before birth.
        MergedPatientError: the record was merged away.
        LookupError: no such measure.
    """
    one, circumstances = find(measure), circumstances or Circumstances()
    with recorded(by=by, now=now):
        patient = lock_patient(patient.pk)
        if known := _recorded_before(patient, one, link=link, token=token):
            return known
        _refuse_moment(patient, taken_at, location=location, now=now)
        about = About(sex=patient.sex, finished_high_school=circumstances.finished_high_school)
        found, kept = _scored(one, answers, total, danger_answer, about)
        row = Assessment(
            patient=patient,
            measure=one.code,
            measure_version=one.version,
            taken_at=taken_at,
            source=source,
            answers=kept,
            score=found.score,
            is_prorated=found.is_prorated,
            band=found.band,
            detail=_detail(found, circumstances, token),
            note=note[:300],
            recorded_at=now,
            recorded_by=by,
            link=link,
        )
        row.full_clean(exclude=["answers"])  # checked above; empty where only a total is known
        row.save()
        _alert(row, one, found, location=location, now=now)
        tell_followers(Noted.SCORE, patient.pk)
        return row


def strike_assessment(*, patient_id: int, assessment_id: int, reason: str, by: User, now: datetime) -> Assessment:
    """What was entered in error counts no more and stays visible, with who struck it, when and why.

    Struck twice it stays as it was struck first. An alert that it raised still waits for a clinician.

    Raises:
        ValidationError: no reason is given.
        Assessment.DoesNotExist: the patient has no such assessment.
        MergedPatientError: the record was merged away.
    """
    if not reason.strip():
        raise ValidationError({"reason": "Say why this is struck."})
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        row = Assessment.objects.get(pk=assessment_id, patient=patient)
        if not row.is_struck:
            row.struck_at, row.struck_by, row.struck_reason = now, by, reason.strip()[:200]
            row.save(update_fields=["struck_at", "struck_by", "struck_reason"])
            tell_followers(Noted.SCORE, patient.pk)
        return row


def latest_score(patient: Patient, measure: str, on_or_before: datetime) -> Assessment | None:
    """The latest assessment with a score that counts, taken by then; None where there is none."""
    return baseline_candidates(patient, [measure], until=on_or_before).first()


def baseline_candidates(
    patient: Patient, measures: Iterable[str], *, until: datetime, since: datetime | None = None
) -> QuerySet[Assessment]:
    """Assessments with a score that count, taken from ``since`` up to ``until``; the latest first."""
    rows = Assessment.objects.valid().filter(
        patient=patient, measure__in=list(measures), score__isnull=False, taken_at__lte=until
    )
    if since is not None:
        rows = rows.filter(taken_at__gte=since)
    return rows.order_by("-taken_at", "-id")


def flags_of(row: Assessment) -> frozenset[Flag]:
    """What the scoring said that a clinician must know."""
    return frozenset(Flag(name) for name in row.detail.get("flags", ()))


def find(code: str) -> Measure:
    """Raises: LookupError: no such measure."""
    return measure(code)


# -- parts -------------------------------------------------------------------------------------------------------------
def _recorded_before(patient: Patient, one: Measure, *, link: MeasureLink | None, token: str) -> Assessment | None:
    """The patient's row is locked, so of two equal forms the second finds what the first has written."""
    rows = Assessment.objects.filter(patient=patient, measure=one.code)
    if link is not None:
        return rows.filter(link=link).first()
    return rows.filter(detail__token=token[:TOKEN_LENGTH]).first() if token else None


def _refuse_moment(patient: Patient, taken_at: datetime, *, location: Location, now: datetime) -> None:
    if taken_at > now + CLOCK_SLACK:
        raise ValidationError({"taken_at": "This moment is in the future. Check the date and time."})
    if location.local(taken_at).date() < patient.birth_date:
        raise ValidationError({"taken_at": "This day is before the patient was born. Check the year."})


def _scored(
    one: Measure,
    answers: Mapping[int, int | None] | Mapping[str, int | None] | None,
    total: Decimal | int | None,
    danger_answer: int | None,
    about: About,
) -> tuple[Scored, dict[str, int | None]]:
    """What the rules say, and the answers as they are kept."""
    try:
        if total is not None:
            found = score_total(one.code, total, about, danger_answer=danger_answer)
            return found, {} if danger_answer is None else {str(one.danger_item): danger_answer}
        given: dict[Any, int | None] = dict(answers or {})
        if all(value is None for value in given.values()):
            raise ValidationError("Nothing is answered yet.")
        found = score(one.code, given, about)
    except AnswerError as wrong:
        raise ValidationError(str(wrong)) from wrong
    by_number = {str(key): value for key, value in given.items()}
    return found, {str(item.number): by_number.get(str(item.number)) for item in one.items}


def _detail(found: Scored, circumstances: Circumstances, token: str) -> dict[str, Any]:
    detail = dict(found.detail)
    detail["flags"] = [flag.value for flag in found.flags]
    if found.missing:
        detail["missing"] = list(found.missing)
    if found.problem:
        detail["problem"] = found.problem
    if circumstances.form_version:
        detail["form_version"] = circumstances.form_version[:40]
    if token:
        detail["token"] = token[:TOKEN_LENGTH]
    return detail


def _alert(row: Assessment, one: Measure, found: Scored, *, location: Location, now: datetime) -> None:
    for flag in found.dangers:
        raise_alert(
            kind=ALERT_KINDS[flag],
            detail=_danger_words(row, one, found),
            location=location,
            now=now,
            patient=row.patient,
            assessment=row,
        )
    if Flag.DANGER_ITEM_UNANSWERED in found.flags:
        kind = AlertKind.PHQ9_ITEM9 if one.code == "phq9" else AlertKind.SUICIDE_ITEM
        detail = f"{_item_words(one)}not answered. Ask it today."
        raise_alert(kind=kind, detail=detail, location=location, now=now, patient=row.patient, assessment=row)


def _danger_words(row: Assessment, one: Measure, found: Scored) -> str:
    """What was answered; the kind of the alert, which stands before it, has said of which instrument."""
    if one.danger_item is None:
        yes = [item.number for item in one.items if row.answers.get(str(item.number))]
        return f"Yes to question{'s' if len(yes) > 1 else ''} {', '.join(str(number) for number in yes)}."
    answer = row.answers[str(one.danger_item)]
    label = one.item(one.danger_item).label_of(answer)
    said = f"“{label}” ({answer})" if label != str(answer) else f"answered {answer}"
    score_said = f" Total {found.score:f}." if found.score is not None else " No total."
    return f"{_item_words(one)}{said}.{score_said} Ask the C-SSRS."


def _item_words(one: Measure) -> str:
    """Which item, where the kind of the alert does not say it."""
    return "" if one.code == "phq9" else f"{one.short_name} item {one.danger_item}: "
