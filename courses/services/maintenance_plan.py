"""The plan of maintenance of one course: what can be chosen, decided, reviewed, ended.

How the plan is read, with its windows, stands in ``maintenance``; what books its infusions in ``maintenance_next``.
Source: clinical.md A 23-33, C5 (an interval per patient, a review date always).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from clinic.models import User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from clinic.services import bookings
from clinic.services.recorded import recorded
from courses.models import (
    Course,
    CourseStatus,
    FollowUpSettings,
    Infusion,
    InfusionStatus,
    MaintenancePlan,
    MaintenanceWay,
    Phase,
    PhaseKind,
    ProtocolStep,
    ProtocolVersion,
    Revision,
    RevisionKind,
    TaskKind,
    VersionStatus,
    VisitOutcome,
)
from courses.planning.protocols import Step, say_steps
from courses.planning.types import Wishes
from courses.planning.words import say_count, say_day, say_numbers
from courses.pure.maintenance import led_into_by, months_later
from courses.services.maintenance import OPEN_FOR_CHANGE, Maintenance, read_maintenance
from courses.services.messages.changes import announce_given_back
from courses.services.planning_input import settings_from_version, step_of
from courses.services.readiness_gate import Running, admit, readiness_before
from courses.services.revisions import write_revision
from courses.services.series import phase_of
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError, ReasonNeededError
from courses.services.series_commit import release_rows
from courses.services.series_state import Series
from courses.services.together import rows_as_json, rows_from_json
from courses.services.worklists.engine import end_tasks, sweep_after
from patients.models import Patient
from patients.services.readiness import Readiness

# -- what can be chosen ------------------------------------------------------------------------------------------------


def protocols_for(found: Maintenance) -> QuerySet[Any]:
    """The published maintenance protocols by the route of the course."""
    rows = ProtocolVersion.objects.filter(
        status=VersionStatus.PUBLISHED, protocol__phase_kind=PhaseKind.MAINTENANCE
    ).select_related("protocol")
    if found.phases:
        rows = rows.filter(protocol__route=found.phases[0].phase.protocol_version.protocol.route)
    return rows.annotate(step_rows=rows_as_json(ProtocolStep, "version", "position")).order_by("protocol__slug")


def steps_for(version: ProtocolVersion, found: Maintenance) -> tuple[Step, ...]:
    """The steps of a protocol as they would follow this course (case 27: a label's weeks go on without a pause)."""
    last = next((one for one in reversed(found.phases) if one.phase.kind != PhaseKind.BOOSTER), None)
    before = last.settings.adapted(n=last.settings.n).steps[-1] if last is not None else None
    rows = rows_from_json(ProtocolStep, version.step_rows) if hasattr(version, "step_rows") else version.steps.all()
    return led_into_by([step_of(row) for row in rows], before)


def first_review(found: Maintenance, today: date) -> date:
    """When a plan decided today is reviewed, unless the prescriber says otherwise (A 33, [D])."""
    return months_later(today, (found.settings or FollowUpSettings()).review_months)


def first_reconsent(found: Maintenance, today: date) -> date:
    """Until when consent is renewed for a plan decided today, unless the prescriber says otherwise ([D])."""
    return months_later(today, (found.settings or FollowUpSettings()).reconsent_months)


# -- deciding ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """How a course goes on, as the prescriber says it."""

    way: MaintenanceWay
    review_on: date
    reason: str
    reconsent_on: date | None = None
    version_id: int | None = None  # of the protocol, for a plan by steps
    steps: tuple[Step, ...] = ()
    adopt: bool = False  # by steps: the maintenance that is booked already becomes the plan
    release: bool = False  # give back what the plan until now has booked
    override_reason: str = ""  # why it starts although something is missing


def decide_plan(
    course_id: int, decision: Decision, *, seen_plan: int | None, by: User, now: datetime
) -> MaintenancePlan:
    """The course goes on by this plan; the one before it is over, and its infusions without a booking are dropped.

    Args:
        seen_plan: the plan that was in force when the person decided, so that two decisions do not cross.

    Raises:
        PermissionDenied: only a prescriber decides.
        ReasonNeededError, ChangedMeanwhileError, ChangeRefusedError
        courses.services.refusals.NotReadyError: consent is missing, or a decision stands against treatment.
    """
    _demand_decision(by, decision.reason)
    try:
        with recorded(by=by, now=now):
            course, found = _locked(course_id, now)
            _check_open(course)
            if (found.plan.pk if found.plan else None) != seen_plan:
                raise ChangedMeanwhileError(
                    "Somebody decided about the maintenance meanwhile, so nothing was saved. Look at that plan first."
                )
            _check_dates(decision.review_on, decision.reconsent_on, course.location.local(now).date())
            before = facts_of(found.plan)
            ended = "" if decision.adopt else _end(found, decision, by=by, now=now)
            phase = _phase_for(course, found, decision, by=by, now=now)
            plan = MaintenancePlan.objects.create(
                course=course,
                way=decision.way,
                phase=phase,
                review_on=decision.review_on,
                reconsent_on=decision.reconsent_on,
                reason=decision.reason.strip()[:300],
                decided_at=now,
                decided_by=by,
            )
            Course.objects.filter(pk=course.pk).update(version=course.version + 1)
            revision = write_revision(
                course=course,
                phase=phase,
                kind=RevisionKind.MAINTENANCE,
                summary=f"{_said(plan, phase)}{ended}"[:300],
                reason=plan.reason,
                by=by,
                now=now,
                before=before,
                after=facts_of(plan),
            )
            _reviewed(course.pk, "A new plan was decided.", revision, by=by, now=now)
            return plan
    except bookings.StepRefusedError as error:
        raise ChangeRefusedError(f"A visit is going on, so its plan cannot end now. {error}") from error


def readiness_for_plan(found: Maintenance, now: datetime) -> Readiness:
    """What a plan by steps asks for before it begins: consent, and no decision against it."""
    course = found.course
    return readiness_before(
        course.patient,
        indication=course.indication,
        location=course.location,
        kind=PhaseKind.MAINTENANCE,
        course=Running(
            first_day=min((one.day for series in found.phases for one in series.plan), default=None),
            has_maintenance=any(series.phase.kind == PhaseKind.MAINTENANCE for series in found.phases),
        ),
        first_day=None,
        now=now,
    )


def _adopted(found: Maintenance, decision: Decision) -> Phase:
    """The phase that was booked as a series, as the plan."""
    if decision.way != MaintenanceWay.STEPS or found.plan is not None or found.adoptable is None:
        raise ChangedMeanwhileError("There is no booked maintenance that could become the plan any more. Look again.")
    return found.adoptable.phase


def _phase_for(course: Course, found: Maintenance, decision: Decision, *, by: User, now: datetime) -> Phase | None:
    """The phase of a plan by steps: adopted, or new and its infusions waiting for a time."""
    if decision.adopt:
        return _adopted(found, decision)
    if decision.way != MaintenanceWay.STEPS:
        return None
    if found.unsettled_series:
        raise ChangeRefusedError(
            f"{say_numbers([row.number for row in found.unsettled_series]).capitalize()} of the initial series "
            "still wait for a time. Book them, or change the number of infusions; then decide the maintenance."
        )
    version = protocols_for(found).filter(pk=decision.version_id or 0).first()
    if version is None or not decision.steps:
        raise ChangeRefusedError("Choose a published protocol of maintenance; this one is not, or not any more.")
    admission = admit(readiness_for_plan(found, now), override_reason=decision.override_reason, by=by, now=now)
    admission.write_override(course, by=by, now=now)
    settings = settings_from_version(version, location=course.location, not_before=course.location.local(now).date())
    wishes = found.phases[-1].settings.wishes if found.phases else Wishes()
    n = sum(step.count for step in decision.steps)
    phase = phase_of(course, version, replace(settings, steps=decision.steps, n=n, wishes=wishes))
    owe(phase, n)
    return phase


def owe(phase: Phase, n: int) -> None:
    """Infusions 1 to ``n`` of the phase are planned; those that are there stay as they are, dropped ones come back."""
    numbers = range(1, n + 1)
    known = set(phase.infusions.values_list("number", flat=True))
    phase.infusions.filter(number__in=numbers, status=InfusionStatus.DROPPED).update(status=InfusionStatus.PLANNED)
    Infusion.objects.bulk_create(Infusion(phase=phase, number=number) for number in numbers if number not in known)


# -- ending ------------------------------------------------------------------------------------------------------------


def _end(found: Maintenance, decision: Decision, *, by: User, now: datetime) -> str:
    """The maintenance until now is over; what it leaves behind, in words for the revision."""
    plan, running_now = found.plan, found.running
    said = "" if running_now is None else _let_go(running_now, release=decision.release, by=by, now=now)
    if plan is not None:
        plan.ended_at, plan.ended_by = now, by
        plan.ended_reason = f"A new plan was decided: {decision.reason.strip()}"[:300]
        plan.save(update_fields=["ended_at", "ended_by", "ended_reason"])
    return said


def _let_go(series: Series, *, release: bool, by: User, now: datetime) -> str:
    """What a phase still owes is dropped, and what it has booked is given back where that is wanted."""
    upcoming = [row for row in series.booked if row.booking is not None and row.booking.status in UPCOMING_STATUSES]
    gone = [*series.waiting, *(upcoming if release else [])]
    if release:
        release_rows(upcoming, VisitOutcome.CANCELLED, reason="No longer planned", by=by, now=now)
        visits = [row.booking for row in upcoming if row.booking is not None]
        announce_given_back(series.course, visits, by=by, now=now)
    Infusion.objects.filter(pk__in=[row.infusion.pk for row in gone]).update(status=InfusionStatus.DROPPED, day=None)
    left = {row.number for row in series.rows} - {row.number for row in gone}
    Phase.objects.filter(pk=series.phase.pk).update(n_planned=max(left, default=1))
    dropped = f" {say_count(len(gone), 'infusion')} of the plan before dropped." if gone else ""
    kept = len(upcoming)
    bookings_said = ""
    if kept:
        bookings_said = f" {say_count(kept, 'booking')} {'released' if release else 'kept'}."
    return f"{dropped}{bookings_said}"


# -- review, dates -----------------------------------------------------------------------------------------------------


def record_review(
    plan_id: int,
    *,
    goes_on: bool,
    review_on: date,
    reconsent_on: date | None,
    reason: str,
    seen_review_on: date,
    by: User,
    now: datetime,
) -> Revision:
    """The plan was looked at: it goes on as it is, or will be changed; the next review has its date.

    Args:
        seen_review_on: the date that the person saw, so that two reviews do not cross.

    Raises:
        PermissionDenied, ReasonNeededError, ChangedMeanwhileError, ChangeRefusedError
    """
    _demand_decision(by, reason)
    with recorded(by=by, now=now):
        plan = _locked_plan(plan_id, seen_review_on)
        today = plan.course.location.local(now).date()
        _check_dates(review_on, reconsent_on, today)
        before = facts_of(plan)
        _write_dates(plan, review_on, reconsent_on)
        word = "goes on as it is" if goes_on else "is changed"
        revision = write_revision(
            course=plan.course,
            phase=plan.phase,
            kind=RevisionKind.REVIEWED if goes_on else RevisionKind.MAINTENANCE,
            summary=f"Maintenance reviewed on {say_day(today)}: it {word}. Next review {_day(review_on)}.",
            reason=reason.strip()[:300],
            by=by,
            now=now,
            before=before,
            after=facts_of(plan),
        )
        _reviewed(plan.course_id, f"Reviewed: it {word}.", revision, by=by, now=now)
        return revision


def move_dates(
    plan_id: int,
    *,
    review_on: date,
    reconsent_on: date | None,
    reason: str,
    seen_review_on: date,
    by: User,
    now: datetime,
) -> Revision:
    """The review, or the day until which consent is renewed, is on another day, with the reason.

    Raises:
        PermissionDenied, ReasonNeededError, ChangedMeanwhileError
        ChangeRefusedError: a day that is not ahead, or nothing that changes.
    """
    _demand_decision(by, reason)
    with recorded(by=by, now=now):
        plan = _locked_plan(plan_id, seen_review_on)
        changed = [
            f"{name} {_day(new)} instead of {_day(old)}"
            for name, old, new in (
                ("review", plan.review_on, review_on),
                ("consent to be renewed by", plan.reconsent_on, reconsent_on),
            )
            if old != new
        ]
        if not changed:
            raise ChangeRefusedError("These are the dates as they are. Choose another day, or leave them.")
        today = plan.course.location.local(now).date()
        _check_dates(review_on if review_on != plan.review_on else None, reconsent_on, today)
        before = facts_of(plan)
        _write_dates(plan, review_on, reconsent_on)
        said = "; ".join(changed)
        revision = write_revision(
            course=plan.course,
            phase=plan.phase,
            kind=RevisionKind.MAINTENANCE,
            summary=f"{said[0].upper()}{said[1:]}.",
            reason=reason.strip()[:300],
            by=by,
            now=now,
            before=before,
            after=facts_of(plan),
        )
        sweep_after(plan.course_id, now)
        return revision


def _write_dates(plan: MaintenancePlan, review_on: date, reconsent_on: date | None) -> None:
    plan.review_on, plan.reconsent_on = review_on, reconsent_on
    plan.save(update_fields=["review_on", "reconsent_on"])


def _reviewed(course_id: int, text: str, revision: Revision, *, by: User, now: datetime) -> None:
    end_tasks(TaskKind.MAINTENANCE_REVIEW, course_id=course_id, text=text, by=by, now=now, revision=revision)
    sweep_after(course_id, now)


# -- guards ------------------------------------------------------------------------------------------------------------


def _demand_decision(by: User, reason: str) -> None:
    if not by.can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber decides about the maintenance.")
    if not reason.strip():
        raise ReasonNeededError("Give the reason; it stays with the course.")


def _check_open(course: Course) -> None:
    if course.status == CourseStatus.INTERRUPTED:
        raise ChangeRefusedError("This course is interrupted: first the prescriber continues, restarts or closes it.")
    if course.status not in OPEN_FOR_CHANGE:
        raise ChangeRefusedError("This course is closed, so there is no maintenance to decide. Plan a new course.")
    if course.pencilled_until is not None:
        raise ChangeRefusedError("The course is only pencilled. Confirm it before you decide what follows.")


def _check_dates(review_on: date | None, reconsent_on: date | None, today: date) -> None:
    if review_on is not None and review_on <= today:
        raise ChangeRefusedError("The next review must be on a day after today.")
    if reconsent_on is not None and reconsent_on < today:
        raise ChangeRefusedError("The day until which consent is renewed must not be over.")


def _locked(course_id: int, now: datetime) -> tuple[Course, Maintenance]:
    """The course and its plan, read after the patient's row was locked, as everything that plans for a patient does."""
    patient_id = Course.objects.values_list("patient_id", flat=True).get(pk=course_id)
    Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    found = read_maintenance(course_id, now, dated=False)
    return found.course, found


def _locked_plan(plan_id: int, seen_review_on: date) -> MaintenancePlan:
    patient_id = MaintenancePlan.objects.values_list("course__patient_id", flat=True).get(pk=plan_id)
    Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    plan = MaintenancePlan.objects.select_related("course__location", "phase").get(pk=plan_id)
    if plan.ended_at is not None:
        raise ChangedMeanwhileError("This plan ended meanwhile, so nothing was saved. Look at the plan in force.")
    if plan.review_on != seen_review_on:
        raise ChangedMeanwhileError(
            f"Somebody moved the review to {say_day(plan.review_on)} meanwhile, so nothing was saved. Look again."
        )
    return plan


# -- words, facts ------------------------------------------------------------------------------------------------------


def _day(day: date | None) -> str:
    return f"{say_day(day)} {day.year}" if day is not None else "no day"


def _said(plan: MaintenancePlan, phase: Phase | None) -> str:
    review = f" Review {_day(plan.review_on)}."
    if phase is not None:
        return f"Maintenance: {say_steps([step_of(row) for row in phase.steps.all()])}.{review}"
    if plan.way == MaintenanceWay.AS_NEEDED:
        return f"Maintenance as needed: a booster when symptoms return.{review}"
    return f"No more infusions planned: the course is observed.{review}"


def facts_of(plan: MaintenancePlan | None) -> dict[str, object]:
    """The plan as a revision keeps it; steps and bookings stand in the phase's own facts."""
    if plan is None:
        return {}
    return {
        "way": plan.way,
        "phase": plan.phase_id,
        "review_on": plan.review_on.isoformat(),
        "reconsent_on": plan.reconsent_on.isoformat() if plan.reconsent_on else None,
    }
