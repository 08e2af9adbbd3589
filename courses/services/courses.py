"""Changing a running course: its number of infusions, its rhythm and minutes; interruption (R6); closing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Max, Q

from clinic.models import User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from clinic.services import bookings
from clinic.services.recorded import recorded
from courses.models import (
    Course,
    CourseStatus,
    Infusion,
    InfusionStatus,
    Phase,
    Revision,
    RevisionKind,
    VisitOutcome,
)
from courses.planning.dates import gap_days, is_interruption
from courses.planning.moves import nearest
from courses.planning.proposals import answer
from courses.planning.question import Demand
from courses.planning.settings import PlanSettings
from courses.planning.solver import solve
from courses.planning.types import Instance, Placed, Rule, VisitShape
from courses.planning.words import say_count, say_days, say_numbers
from courses.services.closing import end_what_follows
from courses.services.planning_input import Team, build_instance
from courses.services.revisions import placed_facts, write_revision
from courses.services.series_changes import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    Preview,
    Proposed,
    ReasonNeededError,
    preview,
)
from courses.services.series_commit import commit, release_rows
from courses.services.series_state import (
    PHASES_WITH_OVERRIDES,
    Series,
    locked_series,
    read_series,
    read_series_of,
    series_of,
)

INTERRUPTED_AFTER_DAYS = 14  # R6; a slower rhythm stretches it (courses.planning.dates.is_interruption)
LEFT = (
    InfusionStatus.PLANNED,
    InfusionStatus.BOOKED,
    InfusionStatus.MISSED,
    InfusionStatus.WITHHELD,
    InfusionStatus.CANCELLED,
)


# -- interruption (R6) -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interruption:
    """A series in which nothing was given for longer than the protocol bears."""

    series: Series
    last_given: date
    days: int

    @property
    def course(self) -> Course:
        return self.series.course

    @property
    def sentence(self) -> str:
        last = len(self.series.given)
        return (
            f"Nothing was given for {say_days(self.days)} since infusion {last}. "
            "The prescriber decides: continue, restart or close."
        )


def interrupted_courses(now: datetime) -> list[Interruption]:
    """Courses whose last infusion lies too far back while more are owed, longest first (R6).

    A course is left alone where a clinician has allowed the pause, or has decided to continue after it.
    """
    latest = (now + timedelta(hours=14)).date() - timedelta(days=INTERRUPTED_AFTER_DAYS + 1)
    late = (
        Phase.objects.filter(course__status__in=[CourseStatus.ACTIVE, CourseStatus.INTERRUPTED])
        .annotate(last_given=Max("infusions__day", filter=Q(infusions__status=InfusionStatus.GIVEN)))
        .filter(last_given__lte=latest, infusions__status__in=LEFT)
    )
    phases = PHASES_WITH_OVERRIDES.filter(pk__in=list(late.values_list("pk", flat=True)))
    found = [one for phase in phases if (one := interruption_of(series_of(phase), now)) is not None]
    continued = _continued_since({one.course.pk: one.last_given for one in found})
    return sorted((one for one in found if one.course.pk not in continued), key=lambda one: -one.days)


def interruption_of(series: Series, now: datetime) -> Interruption | None:
    """The interruption of one series, where there is one; no query."""
    last = series.last_given
    owed = [row for row in series.rows if not row.is_given]
    if last is None or not owed:
        return None
    days, gap = gap_days(last, series.today(now)), series.rule.into(owed[0].number)
    if gap is None or not is_interruption(days, gap, series.rule):
        return None
    allowed = any(one.rule == Rule.INTERRUPTED and owed[0].infusion.day == one.day for one in owed[0].overrides)
    return None if allowed else Interruption(series, last, days)


def _continued_since(last_given: Mapping[int, date]) -> set[int]:
    """The courses that a prescriber continued after their last infusion."""
    rows = (
        Revision.objects.filter(course__in=last_given, kind=RevisionKind.CONTINUED)
        .values("course")
        .annotate(last=Max("at"))
    )
    return {row["course"] for row in rows if row["last"] >= datetime.combine(last_given[row["course"]], time(), UTC)}


def mark_interrupted(now: datetime) -> int:
    """Every running course that R6 calls interrupted has that status; returns how many were marked just now."""
    pks = [one.course.pk for one in interrupted_courses(now) if one.course.status == CourseStatus.ACTIVE]
    return _mark(pks)


def mark_if_interrupted(series: Series, now: datetime) -> bool:
    """The course of this series has the status that R6 gives it; true when it is interrupted."""
    course = series.course
    if course.status == CourseStatus.INTERRUPTED:
        return True
    found = interruption_of(series, now) if course.status == CourseStatus.ACTIVE else None
    if found is None or _continued_since({course.pk: found.last_given}):
        return False
    _mark([course.pk])
    course.status = CourseStatus.INTERRUPTED
    return True


def _mark(pks: list[int]) -> int:
    running = Course.objects.filter(pk__in=pks, status=CourseStatus.ACTIVE)
    return running.update(status=CourseStatus.INTERRUPTED, version=F("version") + 1)


def continue_course(course_id: int, *, reason: str, by: User, now: datetime) -> Course:
    """The prescriber goes on with an interrupted series; what has no time yet waits for one.

    Raises:
        PermissionDenied, ReasonNeededError, ChangeRefusedError
    """
    _demand_decision(by, reason)
    with transaction.atomic():
        course, series = locked_course(course_id)
        if course.status != CourseStatus.INTERRUPTED:
            raise ChangeRefusedError(f"This course is {course.get_status_display().lower()}, not interrupted.")
        Course.objects.filter(pk=course.pk).update(status=CourseStatus.ACTIVE, version=F("version") + 1)
        last = series.last_given
        write_revision(
            course=course,
            phase=series.phase,
            kind=RevisionKind.CONTINUED,
            summary=f"Continued after a pause of {say_days(gap_days(last, series.today(now)))}."
            if last
            else "Continued.",
            reason=reason.strip()[:300],
            by=by,
            now=now,
            before={"status": CourseStatus.INTERRUPTED.value},
            after={"status": CourseStatus.ACTIVE.value},
        )
        course.refresh_from_db()
        return course


# -- closing -----------------------------------------------------------------------------------------------------------

CLOSED_STATUSES = (CourseStatus.COMPLETED, CourseStatus.STOPPED, CourseStatus.TRANSFERRED, CourseStatus.LOST)


def close_course(
    course_id: int,
    *,
    status: CourseStatus,
    reason: str,
    by: User,
    now: datetime,
    to: str = "",
    expected_version: int | None = None,
    restart: bool = False,
    beside: Mapping[str, Any] | None = None,
) -> Course:
    """The course is over; bookings still to come are released, and nothing of it is planned or waits any more.

    Args:
        course_id: the course.
        status: completed, stopped, transferred or lost to follow-up.
        reason: why, or what was tried to reach the patient; stays with the course.
        by: who decides.
        now: the moment.
        to: to whom the patient is transferred.
        expected_version: of the course, as the page showed it.
        restart: a new course follows in its place.
        beside: what else the revision keeps of the time before, such as the facts of a review.

    Raises:
        PermissionDenied, ReasonNeededError, ChangedMeanwhileError, ChangeRefusedError
    """
    if status not in CLOSED_STATUSES:
        raise ValueError(f"a course is closed as completed, stopped, transferred or lost, not as {status}")
    _demand_decision(by, reason)
    if status == CourseStatus.TRANSFERRED and not to.strip():
        raise ChangeRefusedError("Say to whom the patient is transferred; it stays with the course.")
    try:
        with recorded(by=by, now=now):
            course, series = locked_course(course_id)
            if course.status in CLOSED_STATUSES:
                raise ChangedMeanwhileError(f"This course is {course.get_status_display().lower()} already.")
            if expected_version is not None and course.version != expected_version:
                raise ChangedMeanwhileError("Somebody changed this course meanwhile. Nothing was closed; look again.")
            closed_to = to.strip()[:120] if status == CourseStatus.TRANSFERRED else ""
            ended = f"Transferred to {closed_to}" if closed_to else status.label
            word = "Stopped, to be restarted" if restart else ended
            kind = RevisionKind.RESTARTED if restart else RevisionKind.CLOSED
            return end_course(
                series, status=status, kind=kind, word=word, reason=reason.strip(), by=by, now=now,
                closed_to=closed_to, beside=beside,
            )  # fmt: skip
    except bookings.StepRefusedError as error:
        raise ChangeRefusedError(f"A visit is going on, so the course cannot be closed now. {error}") from error


def end_course(
    series: Series,
    *,
    status: CourseStatus,
    kind: RevisionKind,
    word: str,
    reason: str,
    by: User,
    now: datetime,
    closed_to: str = "",
    beside: Mapping[str, Any] | None = None,
) -> Course:
    """The course of this locked series is over, holds no time and has nothing waiting. Belongs into a transaction.

    Args:
        word: how it ended, the beginning of the revision's sentence.
        closed_to: to whom the patient was transferred.
        beside: what else the revision keeps of the time before.

    Raises:
        clinic.services.bookings.StepRefusedError: a visit is going on.
    """
    course = series.course
    others = course.phases.exclude(pk=series.phase.pk).values_list("pk", flat=True)
    rows = [row for one in (series, *(read_series(pk) for pk in others)) for row in one.booked]
    release_rows(rows, VisitOutcome.CANCELLED, reason="Course closed", by=by, now=now)
    Infusion.objects.filter(phase__course=course, status__in=LEFT).update(status=InfusionStatus.DROPPED, day=None)
    course.status, course.closed_reason, course.closed_on = status, reason[:200], series.today(now)
    course.closed_to = closed_to
    course.pencilled_until = None
    course.version += 1
    course.save(update_fields=["status", "closed_reason", "closed_on", "closed_to", "pencilled_until", "version"])
    freed = f"; {say_count(len(rows), 'booking')} released" if rows else ""
    revision = write_revision(
        course=course,
        phase=series.phase,
        kind=kind,
        summary=f"{word} after {len(series.given)} of {say_count(series.settings.n, 'infusion')}{freed}.",
        reason=reason[:300],
        by=by,
        now=now,
        before={"infusions": placed_facts(row.placed for row in rows if row.placed is not None), **(beside or {})},
        after={"status": status.value} | ({"closed_to": closed_to} if closed_to else {}),
    )
    end_what_follows(course, how=status.label.lower(), reason=reason, revision=revision, by=by, now=now)
    return course


def locked_course(course_id: int) -> tuple[Course, Series]:
    """The course and the series of its last phase, with the patient's row locked."""
    phase = Phase.objects.filter(course=course_id).order_by("-position").values_list("pk", flat=True).first()
    if phase is None:
        raise ChangeRefusedError("This course has no series.")
    series = locked_series(phase)
    return series.course, series


def _demand_decision(by: User, reason: str) -> None:
    if not by.can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber decides about a course.")
    if not reason.strip():
        raise ReasonNeededError("Give the reason; it stays with the course.")


# -- number, rhythm, minutes, wishes -----------------------------------------------------------------------------------


def change_course(token: str, *, reason: str, by: User, now: datetime) -> Course:
    """Exactly what was previewed is saved; see ``series_commit.commit`` for what it refuses."""
    return commit(token, reason=reason, by=by, now=now)


def preview_number(series: Series, *, n: int, now: datetime, team: Team | None = None) -> Preview:
    """The series with another number of infusions: new ones get times after the others, superfluous ones are dropped.

    Args:
        series: as it stands.
        n: how many infusions it shall have.
        now: the moment.
        team: of its location, where it was read already.

    Raises:
        ChangeRefusedError: fewer than were given already, more than 60, or the course is closed.
    """
    _check_running(series)
    given = max(series.given, default=0)
    if n < max(1, given):
        raise ChangeRefusedError(
            f"Infusion {given} was given already, so the series has at least {say_count(given, 'infusion')}."
        )
    if n > 60:  # noqa: PLR2004 (the constraint phase_number_plausible)
        raise ChangeRefusedError("A series has at most 60 infusions.")
    settings = series.settings.adapted(n=n)
    kept = tuple(one for one in series.plan if one.number <= n)
    if n <= series.settings.n:
        return preview(Proposed(RevisionKind.NUMBER, series, settings, kept), None)
    waiting = {row.number for row in series.waiting}
    instance = _question(series, settings, fixed=kept, now=now, team=team)
    found = solve(instance) or solve(instance, Demand(allow_longer=True)) or solve(instance, Demand(allow_missing=True))
    placed = tuple(one for one in (found.placed if found else kept) if one.number not in waiting)
    there = {one.number for one in placed}
    missing = tuple(number for number in range(series.settings.n + 1, n + 1) if number not in there)
    text = f"There is no free time for {say_numbers(missing)}." if missing else ""
    return preview(Proposed(RevisionKind.NUMBER, series, settings, placed, missing=missing, explanation=text), instance)


def preview_settings(
    series: Series, *, settings: PlanSettings, replan: bool, now: datetime, team: Team | None = None
) -> Preview:
    """The series under another rhythm, other minutes or other wishes.

    Args:
        series: as it stands.
        settings: as they shall be from now on; the number of infusions is not changed here.
        replan: everything still to come gets new times by the new settings; else the times stay.
        now: the moment.
        team: of its location, where it was read already.
    """
    _check_running(series)
    old = series.settings
    kind = RevisionKind.RHYTHM if (settings.steps, settings.shape) != (old.steps, old.shape) else RevisionKind.WISHES
    coming = [row for row in series.booked if row.booking is not None and row.booking.status in UPCOMING_STATUSES]
    if replan:
        moving = {row.number for row in coming}
        fixed = tuple(one for one in series.plan if one.number not in moving)
        instance = _question(series, settings, fixed=fixed, now=now, team=team)
        found = answer(instance)
        placed = found.proposals[0].placed if found.proposals else fixed
        there = {one.number for one in placed}
        missing = tuple(row.number for row in series.rows if row.number not in there)
        shapes = dict.fromkeys(moving, settings.shape) if settings.shape != old.shape else {}
        return preview(
            Proposed(kind, series, settings, placed, missing=missing, explanation=found.explanation, shapes=shapes),
            instance,
        )
    shapes = {row.number: settings.shape for row in coming} if settings.shape != old.shape else {}
    proposed = Proposed(kind, series, settings, series.plan, shapes=shapes)
    if not shapes:
        return preview(proposed, None)
    instance = _question(series, settings, fixed=series.plan, now=now, giving_up=tuple(shapes), team=team)
    return preview(proposed, instance)


def preview_minutes(infusion_id: int, *, shape: VisitShape, now: datetime) -> Preview:
    """One visit with minutes of its own, at the time where it is."""
    series = read_series_of(infusion_id)
    _check_running(series)
    row = next((one for one in series.rows if one.infusion.pk == infusion_id), None)
    if row is None or not row.is_booked or row.placed is None:
        raise ChangeRefusedError("Only a booked infusion has minutes to change.")
    longer = replace(series.settings, shape=shape)
    instance = _question(series, longer, fixed=series.plan, now=now, giving_up=(row.number,))
    place = _same_people(instance, row.placed)
    placed = tuple(place if one.number == row.number else one for one in series.plan)
    proposed = Proposed(
        RevisionKind.WISHES,
        series,
        series.settings,
        placed,
        number=row.number,
        by_hand=True,
        shapes={row.number: shape},
    )
    return preview(proposed, instance)


def _same_people(instance: Instance, place: Placed) -> Placed:
    """The same start, with other people or another chair only where the longer visit needs it."""
    found = nearest(instance, place.number, place.day, place.start_min, [place])
    return found if found is not None and found.start_min == place.start_min else place


def _question(
    series: Series,
    settings: PlanSettings,
    *,
    fixed: tuple[Placed, ...],
    now: datetime,
    giving_up: tuple[int, ...] | None = None,
    team: Team | None = None,
) -> Instance:
    """The calendar, with what may move counted as free: ``giving_up``, else every booked infusion that is not fixed."""
    kept = {one.number for one in fixed}
    moving = (
        giving_up if giving_up is not None else tuple(row.number for row in series.booked if row.number not in kept)
    )
    missed = {row.number: day for row in series.waiting if (day := series.missed_on(row.number)) is not None}
    return build_instance(
        replace(settings, not_before=series.today(now)),
        patient=series.patient,
        now=now,
        location=series.location,
        away=series.away,
        team=team,
        fixed={one.number: one for one in fixed},
        missed=missed,
        ignoring=series.booking_ids(moving),
        before=series.before,
    )


def _check_running(series: Series) -> None:
    if series.course.status == CourseStatus.INTERRUPTED:
        raise ChangeRefusedError("This course is interrupted: first the prescriber continues, restarts or closes it.")
    if series.course.status not in (CourseStatus.PLANNED, CourseStatus.ACTIVE):
        raise ChangeRefusedError("This course is closed, so it does not change any more.")
