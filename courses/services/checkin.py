"""Check-in: the answers of the checklist, what was decided against a hold, and withholding the infusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from clinic.models import User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from courses.models import CheckAnswer, DrugDraw, GateDecision, InfusionRecord, InfusionVisit, RunEvent, RunKind
from courses.pure.checklist import BY_CODE
from courses.pure.checklist_answers import (
    TEST,
    WEIGHT,
    Entries,
    Typed,
    base_of_test,
    fingerprint,
    problem_with,
    say_answer,
)
from courses.services import moves
from courses.services.gate import Finding, gate_of
from courses.services.infusion_desk import read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, changing
from patients.models import Patient
from patients.services.observations import (
    latest_pregnancy_test,
    latest_weight,
    record_pregnancy_test,
    record_vitals,
)

LONGEST_REASON = 200  # of a released booking


@dataclass(frozen=True, slots=True)
class Theirs:
    """What somebody else answered meanwhile."""

    said: str
    by: str


class AnsweredMeanwhileError(ChangedMeanwhileError):
    """Somebody else answered the same items meanwhile. Nothing was saved; ``theirs`` is what stands there now."""

    def __init__(self, theirs: Mapping[str, Theirs]) -> None:
        self.theirs = dict(theirs)
        super().__init__(
            "Somebody answered the same question meanwhile. Nothing was overwritten: yours and theirs are shown."
        )


def save_checkin(*, booking_id: int, entries: Entries, by: User, now: datetime) -> None:
    """The answers stand in the record, a weight and a test in the patient's own; all of it or nothing.

    What was not touched (it is as the page had shown it) is left alone, whatever others made of it meanwhile.

    Raises:
        AnsweredMeanwhileError: somebody else answered one of them meanwhile.
        ValidationError: an answer does not fit; by item.
        UnusualValueError: the weight is rare and nobody has confirmed it.
        DayRefusedError, PermissionDenied: see ``changing``; or the infusion was started.
    """
    with changing(booking_id, by=by, now=now) as record:
        _refuse_after_start(record)
        changed = {item: typed for item, typed in entries.answers.items() if typed.is_touched}
        _validate(changed, now)
        patient = _patient_of(record)
        theirs = _answered(record, changed) | _measured(patient, entries)
        if theirs:
            raise AnsweredMeanwhileError(theirs)
        for item, typed in changed.items():
            CheckAnswer.objects.update_or_create(
                record=record,
                item=item,
                defaults={"value": typed.value, "detail": typed.detail, "at": now, "by": by},
            )
        place = record.visit.booking.location
        _save_measured(patient, entries, today=place.local(now).date(), by=by, now=now)


def _patient_of(record: InfusionRecord) -> Patient:
    """From the visit along its keys: asked from the patient's side, stale statistics make it a walk over everybody."""
    visits = InfusionVisit.objects.filter(pk=record.visit_id)
    return Patient.objects.get(pk=visits.values_list("infusion__phase__course__patient_id", flat=True).get())


def _refuse_after_start(record: InfusionRecord) -> None:
    if RunEvent.objects.valid().filter(record=record, kind=RunKind.START).exists():
        raise DayRefusedError("The infusion was started: the check-in stays as it was. Write a note instead.")


def _validate(changed: Mapping[str, Typed], now: datetime) -> None:
    problems = {}
    for code, typed in changed.items():
        item = BY_CODE.get(code)
        said = problem_with(item, typed.value, typed.detail, now=now) if item else "This is not asked."
        if said:
            problems[code] = said
    if problems:
        raise ValidationError(problems)


def _answered(record: InfusionRecord, changed: Mapping[str, Typed]) -> dict[str, Theirs]:
    """What others answered since the pages were shown, where it differs from what is to be saved."""
    found = CheckAnswer.objects.filter(record=record, item__in=list(changed)).select_related("by")
    stands = {one.item: one for one in found}
    theirs = {}
    for code, typed in changed.items():
        one = stands.get(code)
        now_there = fingerprint(one.value, one.detail) if one else ""
        if now_there not in (typed.base, fingerprint(typed.value, typed.detail)):
            said = say_answer(BY_CODE[code], one.value, one.detail) if one else "Not answered"
            theirs[code] = Theirs(said, one.by.display_name if one else "")
    return theirs


def _measured(patient: Patient, entries: Entries) -> dict[str, Theirs]:
    theirs = {}
    if entries.weight is not None:
        weight = latest_weight(patient)
        if weight is not None and str(weight.pk) != entries.weight.base:
            theirs[WEIGHT] = Theirs(f"{weight.weight_kg} kg", weight.recorded_by.display_name)
    if entries.test is not None:
        test = latest_pregnancy_test(patient)
        if test is not None and base_of_test(test.result, test.tested_on) != entries.test.base:
            theirs[TEST] = Theirs(test.get_result_display(), test.recorded_by.display_name)
    return theirs


def _save_measured(patient: Patient, entries: Entries, *, today: date, by: User, now: datetime) -> None:
    weight, test = entries.weight, entries.test
    if weight is not None and weight.vitals is not None:
        try:
            record_vitals(
                patient_id=patient.pk,
                vitals=weight.vitals,
                measured_at=now,
                by=by,
                now=now,
                confirmed=weight.is_confirmed,
            )
        except ValidationError as error:
            raise ValidationError({WEIGHT: error.messages}) from error
    if test is not None:
        try:
            record_pregnancy_test(
                patient_id=patient.pk, tested_on=today, result=test.result, today=today, by=by, now=now
            )
        except ValidationError as error:
            raise ValidationError({TEST: error.messages}) from error


# -- deciding ----------------------------------------------------------------------------------------------------------


def let_through(*, booking_id: int, code: str, stamp: str, reason: str, by: User, now: datetime) -> GateDecision:
    """A clinician answers for a finding that speaks against the start: a soft one acknowledged, a hard one overridden.

    It holds for the facts that were shown (``stamp``); a new reading asks anew.

    Raises:
        PermissionDenied: only who orders doses decides.
        ChangedMeanwhileError: the facts have changed, or somebody decided already.
        ValidationError: a hard finding needs a reason.
        DayRefusedError: nobody overrides this one; or see ``changing``.

    Source: clinical.md D3, R9, S28.
    """
    with changing(booking_id, by=by, now=now, needs=Can.ORDER_DOSE) as record:
        _refuse_after_start(record)
        finding = _finding(booking_id, code, stamp, now)
        if not finding.may_override:
            raise DayRefusedError(f"{finding.said} Nobody overrides this. {finding.mend}".strip())
        reason = reason.strip()[:300]
        if finding.is_hard and not reason:
            raise ValidationError({"reason": "Say why it may start although the rule says no."})
        return GateDecision.objects.create(
            record=record,
            code=finding.code,
            severity=finding.state.value,
            said=finding.said[:300],
            profile=finding.profile,
            stamp=finding.stamp,
            reason=reason,
            at=now,
            by=by,
        )


def _finding(booking_id: int, code: str, stamp: str, now: datetime) -> Finding:
    desk = read_desk(booking_id, now=now)
    found = next((one for one in gate_of(desk).findings if one.code == code and one.stamp == stamp), None)
    if found is None:
        raise ChangedMeanwhileError("The facts have changed since this page was shown. Look again.")
    if found.decision is not None:
        raise ChangedMeanwhileError(f"{desk.name(found.decision.by_id)} has decided this already.")
    if not found.holds:
        raise ChangedMeanwhileError("This no longer speaks against the start.")
    return found


# -- withholding -------------------------------------------------------------------------------------------------------


def withhold_today(*, booking_id: int, reason: str, version: int | None, by: User, now: datetime) -> InfusionVisit:
    """Nothing is given today: the visit is withheld with the reason, and its infusion waits for a new time (R5).

    Raises:
        PermissionDenied: the role does not include this.
        ValidationError: no reason is given.
        ChangedMeanwhileError: the visit changed since the page was shown.
        DayRefusedError: nobody has arrived, drug was drawn and is not accounted for, or the infusion was started.

    Source: clinical.md R5, case 21.
    """
    if not by.can(Can.RUN_INFUSION):
        raise PermissionDenied("Your role does not include this.")
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        said = "Give the reason; it stays with the infusion." if not reason else f"At most {LONGEST_REASON} characters."
        raise ValidationError({"reason": said})
    visit = InfusionVisit.objects.select_related("booking", "infusion__phase").get(booking_id=booking_id)
    if visit.booking.status in UPCOMING_STATUSES:
        raise DayRefusedError("The patient has not arrived yet. Cancel or move the visit on Today instead.")
    try:
        with transaction.atomic():
            moves.withhold_infusion(visit.infusion_id, reason=reason, by=by, now=now, expected_version=version)
            # The booking is locked by now, so nobody draws any more.
            if DrugDraw.objects.filter(record__visit=visit, closed_at__isnull=True).exists():
                raise DayRefusedError(
                    "Drug was drawn for this infusion and is not accounted for. "
                    "Return or waste it under “Drug drawn”, then withhold."
                )
    except moves.ChangedMeanwhileError as error:
        raise ChangedMeanwhileError(str(error)) from error
    except moves.ChangeRefusedError as error:
        raise DayRefusedError(str(error)) from error
    return visit
