"""Saving what was previewed: judged again on the calendar of this moment, written in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F

from clinic.models import Booking, BookingStatus, User
from clinic.pure.roles import Can
from clinic.services.bookings import (
    BookingRefusedError,
    Move,
    StaleBookingError,
    StepRefusedError,
    TimeTakenError,
    Wanted,
    rebook,
    release,
)
from courses.models import (
    Course,
    CourseStatus,
    FirstGap,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    PhaseStep,
    RevisionKind,
    RuleOverride,
    VisitOutcome,
)
from courses.planning.clock import clock_of
from courses.planning.settings import PlanSettings
from courses.planning.types import Placed, Severity, Verdict, VisitShape
from courses.planning.words import say_count, say_day, say_list, say_numbers
from courses.services.planning_input import build_instance, claims_for
from courses.services.revisions import placed_facts, write_revision
from courses.services.series_changes import (
    NEEDS,
    NEEDS_REASON,
    ChangedMeanwhileError,
    ChangeRefusedError,
    Proposed,
    ReasonNeededError,
    fingerprint,
    from_token,
    judged,
    minutes_of,
    plain_settings,
    read_token,
    say_place,
    summary_of,
)
from courses.services.series_state import Row, Series, locked_series


def commit(
    token: str, *, reason: str = "", by: User | None, now: datetime, beside: Mapping[str, Any] | None = None
) -> Course:
    """Exactly what was previewed is saved, in one transaction.

    Args:
        token: from the preview that the person saw.
        reason: why; must be given where the change goes against a rule, or is one of the prescriber's.
        by: who saves it; None is the patient, by a link, who goes against no rule.
        now: the moment.
        beside: what else the revision keeps of the time before, such as the facts of a review.

    Raises:
        PermissionDenied: the person's role does not include this change.
        ChangedMeanwhileError: the course or the calendar changed since the preview; nothing was saved.
        ReasonNeededError: a reason is missing.
        ChangeRefusedError: the change cannot be made at all, or some infusions would be left without a time.
    """
    plain = read_token(token)
    kind = RevisionKind(plain["kind"])
    if not (by.can(NEEDS[kind]) if by is not None else kind is RevisionKind.MOVED):
        raise PermissionDenied("Your role does not include this change.")
    if plain["missing"]:
        raise ChangeRefusedError(
            f"There is no time for {say_numbers(plain['missing'])}, so nothing was changed: a change is saved whole. "
            "Choose another day, or other times for the rest."
        )
    try:
        with transaction.atomic():
            series = locked_series(plain["phase"])
            _check_unchanged(plain["saw"], series, plain["to"])
            return _carry_out(from_token(series, plain), reason=reason.strip(), by=by, now=now, beside=beside or {})
    except TimeTakenError as error:
        said = " ".join(dict.fromkeys(clash.message for clash in error.clashes))
        raise ChangedMeanwhileError(f"Somebody took a time meanwhile, so nothing was changed. {said}") from error
    except (StaleBookingError, StepRefusedError) as error:
        raise ChangedMeanwhileError(f"Nothing was changed. {error}") from error
    except BookingRefusedError as error:
        raise ChangeRefusedError(f"Nothing was changed. {error}") from error


def _check_unchanged(saw: list[list[Any]], series: Series, to: Sequence[Sequence[Any]]) -> None:
    present = fingerprint(series)
    if present == saw:
        return
    if present[0] != saw[0]:
        raise ChangedMeanwhileError(
            f"The course was changed meanwhile: it is {series.course.get_status_display().lower()} "
            f"with {say_count(series.settings.n, 'infusion')} now. Nothing was changed."
        )
    before = {row[0]: row for row in saw[1:]}
    numbers = [row[0] for row in present[1:] if before.get(row[0]) != row] or [one[0] for one in to]
    said = [_where(series, number) for number in numbers]
    raise ChangedMeanwhileError(
        f"Somebody changed {say_numbers(numbers)} meanwhile, so nothing was changed: {say_list(said)}."
    )


def _where(series: Series, number: int) -> str:
    row = next((one for one in series.rows if one.number == number), None)
    if row is None:
        return f"infusion {number} is no longer planned"
    if row.placed is None:
        return f"infusion {number} is {row.infusion.get_status_display().lower()} now"
    if row.is_given:
        return f"infusion {number} was given on {say_day(row.placed.day)}"
    return f"infusion {number} is on {say_place(row.placed)} now"


def _carry_out(proposed: Proposed, *, reason: str, by: User | None, now: datetime, beside: Mapping[str, Any]) -> Course:
    series = proposed.series
    if series.course.status == CourseStatus.INTERRUPTED:
        raise ChangeRefusedError("This course is interrupted: first the prescriber continues, restarts or closes it.")
    if series.course.status not in (CourseStatus.PLANNED, CourseStatus.ACTIVE):
        raise ChangeRefusedError("This course is closed, so its infusions do not move any more.")
    verdict = _judged_now(proposed, now=now)
    blocked = [one.message for one in verdict.findings if one.severity is Severity.BLOCK]
    if blocked:
        raise ChangedMeanwhileError(f"Nothing was changed. {' '.join(blocked)}")
    if verdict.needs_override:
        if by is None or not by.can(Can.OVERRIDE_RULE):
            raise PermissionDenied("Only a clinician may go against a rule of the protocol.")
        if not reason:
            said = " ".join(one.message for one in verdict.needs_override)
            raise ReasonNeededError(f"{said} A clinician may allow it, with a reason.")
    if proposed.kind in NEEDS_REASON and not reason:
        raise ReasonNeededError("Give the reason for this change; it stays with the course.")
    before = _facts(series.settings, series.plan)
    _drop(proposed, by=by, now=now)
    _write_settings(proposed)
    infusions = _write_places(proposed, by=by, now=now)
    _write_overrides(proposed, verdict, infusions, reason=reason, by=by, now=now)
    Course.objects.filter(pk=series.course.pk).update(version=F("version") + 1)
    write_revision(
        course=series.course,
        phase=series.phase,
        kind=proposed.kind,
        summary=summary_of(proposed)[:300],
        reason=reason[:300],
        by=by,
        now=now,
        before={**before, **beside},
        after=_facts(proposed.settings, proposed.placed),
    )
    return series.course


def _judged_now(proposed: Proposed, *, now: datetime) -> Verdict:
    """The verdict on the calendar of this moment; what the change itself gives up counts as free."""
    series, changed = proposed.series, proposed.changed
    if not changed:
        return judged(proposed, None)
    shapes = [proposed.shapes.get(one.number, proposed.settings.shape) for one in changed]
    longest = VisitShape(*(max(parts) for parts in zip(*map(minutes_of, shapes), strict=True)))
    instance = build_instance(
        replace(proposed.settings, shape=longest),
        patient=series.patient,
        now=now,
        location=series.location,
        away=series.away,
        ignoring=series.booking_ids([*(one.number for one in changed), *proposed.dropped]),
        before=series.before,
        days={one.day for one in changed},
    )
    return judged(proposed, instance)


def _drop(proposed: Proposed, *, by: User | None, now: datetime) -> None:
    """What is no longer planned gives its time back."""
    rows = [row for row in proposed.series.rows if row.number in proposed.dropped]
    if not rows:
        return
    if any(row.is_given for row in rows):
        raise ChangeRefusedError(
            "An infusion that was given stays in the course; the number cannot be smaller than that."
        )
    release_rows(rows, VisitOutcome.CANCELLED, reason="No longer planned", by=by, now=now)
    Infusion.objects.filter(pk__in=[row.infusion.pk for row in rows]).update(status=InfusionStatus.DROPPED, day=None)


def release_rows(rows: Iterable[Row], outcome: VisitOutcome, *, reason: str, by: User | None, now: datetime) -> None:
    """The bookings of these rows are released and their visits closed with the outcome."""
    open_visits = [row.visit for row in rows if row.visit is not None and row.visit.outcome == VisitOutcome.OPEN]
    if not open_visits:
        return
    # The booking is seen by everybody who sees the calendar; why somebody was held is not for all of them.
    public = "Clinical hold" if outcome is VisitOutcome.WITHHELD else reason
    ids = [visit.booking_id for visit in open_visits]
    release(ids, status=BookingStatus(outcome.value), reason=public[:200], by=by, now=now)
    InfusionVisit.objects.filter(pk__in=[visit.pk for visit in open_visits]).update(
        outcome=outcome, reason=reason[:300], at=now, by=by
    )


def _write_settings(proposed: Proposed) -> None:
    settings, phase = proposed.settings, proposed.series.phase
    if settings == proposed.series.settings:
        return
    phase.n_planned = settings.n
    phase.preparation_min, phase.infusion_min, phase.observation_min, phase.turnaround_min = minutes_of(settings.shape)
    wishes = settings.wishes
    phase.earliest_start, phase.latest_start = clock_of(wishes.earliest_min), clock_of(wishes.latest_min)
    phase.preferred_start = clock_of(wishes.preferred_min)
    phase.preferred_clinician_id, phase.preferred_nurse_id = wishes.clinician_id, wishes.nurse_id
    phase.preferred_chair_id = wishes.chair_id
    phase.full_clean(exclude=["course", "protocol_version"])
    phase.save()
    labels = [step.label for step in phase.steps.all()]
    PhaseStep.objects.filter(phase=phase).delete()
    PhaseStep.objects.bulk_create(
        PhaseStep(
            phase=phase,
            position=position,
            label=labels[position - 1] if position <= len(labels) else "",
            count=step.count,
            weekdays=sorted(step.weekdays),
            target_gap_days=step.target_gap_days,
            min_gap_days=step.min_gap_days,
            max_gap_days=step.max_gap_days,
            first_gap=FirstGap(step.first_gap.value),
        )
        for position, step in enumerate(settings.steps, 1)
    )


def _write_places(proposed: Proposed, *, by: User | None, now: datetime) -> dict[int, Infusion]:
    """The bookings stand where they were previewed; returns the infusions that changed, by number."""
    series, changed = proposed.series, proposed.changed
    if not changed:
        return {}
    rows = {row.number: row for row in series.rows}
    there = [one for one in changed if one.number in rows and rows[one.number].is_booked]
    fresh = [one for one in changed if one not in there]
    moves = []
    for one in there:
        booking = rows[one.number].booking
        if booking is None:  # a booked infusion has one; without it there is nothing to move
            raise ChangedMeanwhileError(f"Infusion {one.number} has no booking any more. Nothing was changed.")
        moves.append(Move(booking.pk, _wanted(proposed, one), expected_version=booking.version))
    bookings = rebook(moves, also=[_wanted(proposed, one) for one in fresh], by=by, now=now)
    infusions = _infusions(series, changed)
    _write_visits(proposed, dict(zip([*there, *fresh], bookings, strict=True)), infusions)
    return infusions


def _wanted(proposed: Proposed, one: Placed) -> Wanted:
    series = proposed.series
    settings = replace(proposed.settings, shape=_shape_for(proposed, one.number))
    return claims_for(settings, one, patient=series.patient, location=series.location)


def _shape_for(proposed: Proposed, number: int) -> VisitShape:
    if number in proposed.shapes:
        return proposed.shapes[number]
    if proposed.settings.shape != proposed.series.settings.shape:
        return proposed.settings.shape
    return proposed.series.shape_of(number)


def _infusions(series: Series, changed: Sequence[Placed]) -> dict[int, Infusion]:
    """The changed infusions are booked on their new day; numbers that were dropped before come back."""
    numbers = [one.number for one in changed]
    known = {one.number: one for one in Infusion.objects.filter(phase=series.phase, number__in=numbers)}
    fresh = {number: Infusion(phase=series.phase, number=number) for number in numbers if number not in known}
    found = known | fresh
    for one in changed:
        found[one.number].status, found[one.number].day = InfusionStatus.BOOKED, one.day
    Infusion.objects.bulk_create(fresh.values())
    Infusion.objects.bulk_update(known.values(), ["status", "day"])
    return found


def _write_visits(proposed: Proposed, booking_of: Mapping[Placed, Booking], infusions: Mapping[int, Infusion]) -> None:
    rows = {row.number: row for row in proposed.series.rows}
    made, kept = [], []
    for one, booking in booking_of.items():
        row = rows.get(one.number)
        visit = row.visit if row is not None and row.is_booked else None
        minutes = minutes_of(_shape_for(proposed, one.number))
        if visit is None:
            visit = InfusionVisit(infusion=infusions[one.number], booking=booking)
            made.append(visit)
        else:
            kept.append(visit)
        visit.preparation_min, visit.infusion_min, visit.observation_min, visit.turnaround_min = minutes
    InfusionVisit.objects.bulk_create(made)
    InfusionVisit.objects.bulk_update(kept, ["preparation_min", "infusion_min", "observation_min", "turnaround_min"])


def _write_overrides(
    proposed: Proposed,
    verdict: Verdict,
    infusions: Mapping[int, Infusion],
    *,
    reason: str,
    by: User | None,
    now: datetime,
) -> None:
    """Who allowed what, and why, stays with the infusion that follows the gap."""
    day_of = {one.number: one.day for one in proposed.placed}
    rows = {row.number: row.infusion for row in proposed.series.rows} | dict(infusions)
    RuleOverride.objects.bulk_create(
        RuleOverride(
            infusion=rows[one.number],
            rule=one.rule.value,
            day=day_of[one.number],
            actual=one.actual,
            limit=one.limit,
            message=one.message[:300],
            reason=reason[:300],
            at=now,
            by=by,
        )
        for one in verdict.needs_override
    )


def _facts(settings: PlanSettings, placed: Iterable[Placed]) -> dict[str, Any]:
    return {"infusions": placed_facts(placed), **plain_settings(settings)}
