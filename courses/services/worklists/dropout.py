"""The drop-out radar: more infusions are owed, and nothing is booked inside the largest gap after the last one.

Source: clinical.md A 12 (completing the course is essential), F1 (drop-out: fewer given than planned, no planned
pause); about one in five leaves after the first infusion (issue 5). Maintenance has a list of its own, and so has a
course that is interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import OuterRef, Subquery

from clinic.models import BookingStatus
from courses.models import Course, CourseStatus, Infusion, InfusionStatus, Phase, Revision, Task, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES, PhaseKind
from courses.models.infusions import UNSETTLED_STATUSES
from courses.planning.words import say_day, say_list
from courses.services.pauses import continued_at, is_allowed
from courses.services.series_state import PHASES_WITH_OVERRIDES, Row, Series, series_of
from courses.services.worklists.engine import Wanted, fresh_keys

UNRECORDED = timedelta(days=1)  # clinic setting: a visit of yesterday may yet be recorded as given
IN_CLINIC = (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING)
FIRST_LEAVES = "About one in five leaves after the first infusion."
WATCHED = (CourseStatus.PLANNED, CourseStatus.ACTIVE)
LOOKED_AT = (PhaseKind.INITIAL, PhaseKind.BOOSTER)


@dataclass(frozen=True, slots=True)
class Lost:
    """A course that nobody is leading on: what is owed, and until when it can go on inside its rhythm."""

    series: Series
    owed: tuple[Row, ...]  # without a time, by number
    last: Infusion | None  # the last one given
    since: date  # from when the gap counts: the last one given, the day that was missed, or the decision to continue
    until: date  # the last day inside the largest gap
    stamp: int  # what happened last, so that something new is a new task


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    """One task for each course in which somebody may be leaving."""
    owing = Infusion.objects.filter(status__in=UNSETTLED_STATUSES, phase__kind__in=LOOKED_AT)
    owing = owing.filter(phase__course__status__in=WATCHED)
    if course_id is not None:
        owing = owing.filter(phase__course=course_id)
    found = _lost(owing.order_by().values_list("phase__course", flat=True).distinct(), now)
    keys = fresh_keys(TaskKind.DROPOUT, {pk: _base(pk, one) for pk, one in found.items()})
    for pk, one in found.items():
        course = one.series.course
        yield Wanted(
            kind=TaskKind.DROPOUT,
            key=keys[pk],
            location_id=course.location_id,
            text=_text(one),
            due_on=one.until,
            patient_id=course.patient_id,
            course_id=pk,
            infusion_id=one.owed[0].infusion.pk,
            facts=_facts(one),
        )


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:
    """Booked, given, interrupted or no longer owed: by which act the radar has nothing to say any more."""
    courses = {task.course_id for task in tasks if task.course_id is not None}
    series = _series(courses)
    still = _lost(courses, now, known=series)
    over = {pk for pk, one in series.items() if one.course.status not in OPEN_COURSE_STATUSES}  # the engine says so
    gone = [task for task in tasks if task.course_id in series and task.course_id not in {*still, *over}]
    if not gone:
        return {}
    ids = [task.course_id for task in gone]
    open_tasks = Task.objects.open().filter(kind=TaskKind.INTERRUPTED, course__in=ids)
    on_the_other_list = set(open_tasks.values_list("course_id", flat=True))
    who = _latest(ids)
    said = {}
    for task in gone:
        one = series[task.course_id or 0]
        if one.course.status == CourseStatus.INTERRUPTED and task.course_id not in on_the_other_list:
            continue  # it stays here until the other list has it
        said[task.pk] = _why(one, who.get(task.course_id or 0), now)
    return said


# -- the condition -----------------------------------------------------------------------------------------------------


def _series(courses: Iterable[int]) -> dict[int, Series]:
    """The series of each course's latest phase, by course."""
    latest = Phase.objects.filter(course=OuterRef("pk")).order_by("-position").values("pk")[:1]
    phases = Course.objects.filter(pk__in=courses).values_list(Subquery(latest), flat=True)
    rows = PHASES_WITH_OVERRIDES.filter(pk__in=[pk for pk in phases if pk is not None])
    return {phase.course_id: series_of(phase) for phase in rows}


def _lost(courses: Iterable[int | None], now: datetime, known: Mapping[int, Series] | None = None) -> dict[int, Lost]:
    """Which of these courses somebody may be leaving."""
    series = known if known is not None else _series(pk for pk in courses if pk is not None)
    continued = continued_at(series)
    last = _last_given(series)
    return {pk: one for pk, row in series.items() if (one := _judge(row, last.get(pk), continued.get(pk), now))}


def _judge(series: Series, last: Infusion | None, continued: datetime | None, now: datetime) -> Lost | None:
    owed = series.waiting
    if series.course.status not in WATCHED or series.phase.kind not in LOOKED_AT or not owed:
        return None
    happened = [one.at for row in series.rows for one in row.attempts if one.at is not None]
    happened += [continued] if continued is not None else []
    days = [last.day if last else None, series.local_day(continued) if continued else None]
    if not series.given:
        days += [series.missed_on(row.number) for row in owed]
    since = max((day for day in days if day is not None), default=None)
    if since is None:
        return None  # nothing was given and nothing went wrong: the series is still being planned
    until = since + timedelta(days=_largest_gap(series))
    today = series.today(now)
    ahead = [row for row in series.booked if row.infusion.day and row.infusion.day >= today - UNRECORDED]
    if any(row.booking is not None and row.booking.status in IN_CLINIC for row in ahead):
        return None  # somebody who is here now is not leaving
    if any(row.infusion.day <= until or is_allowed(row) for row in ahead if row.infusion.day):
        return None
    if ahead and not series.given:
        return None  # the first one was missed, the next one is booked: it is on its way
    return Lost(series, owed, last, since, until, int(max(happened).timestamp()) if happened else 0)


def _largest_gap(series: Series) -> int:
    """Of the infusion that comes next."""
    number = max(series.given, default=0) + 1
    gap = series.rule.into(number) if number <= series.rule.count else None
    if gap is None:  # into the first one there is no gap: the rhythm that follows it counts
        gap = next(iter(series.rule.gaps), None)
    return gap.max_days if gap is not None else series.rule.interrupted_after_days


def _last_given(courses: Iterable[int]) -> dict[int, Infusion]:
    """The last infusion given in each course, in whichever phase."""
    rows = Infusion.objects.filter(phase__course__in=list(courses), status=InfusionStatus.GIVEN)
    ordered = rows.order_by("phase__course_id", "-day", "-id").distinct("phase__course_id").select_related("phase")
    return {one.phase.course_id: one for one in ordered}


# -- the words ---------------------------------------------------------------------------------------------------------


def _base(course: int, one: Lost) -> str:
    return f"dropout:{course}:{one.last.pk if one.last else 'first'}:{one.stamp}"


WORDS = {
    InfusionStatus.PLANNED: "has no time",
    InfusionStatus.MISSED: "was a no-show",
    InfusionStatus.WITHHELD: "was withheld",
    InfusionStatus.CANCELLED: "was cancelled",
}


def _text(one: Lost) -> str:
    """For the front desk: what has no time, and until when it would fit."""
    first = one.owed[0]
    when = one.series.missed_on(first.number)
    said = f"Infusion {first.number} of {one.series.phase.n_planned} {WORDS[InfusionStatus(first.infusion.status)]}"
    said += f" on {say_day(when)}" if when is not None else ""
    more = f"; {len(one.owed) - 1} more without a time" if len(one.owed) > 1 else ""
    leaves = f" {FIRST_LEAVES}" if len(one.series.given) == 1 else ""
    return f"{said}{more}. The largest gap ends on {say_day(one.until)}, and nothing is booked inside it.{leaves}"


def _facts(one: Lost) -> dict[str, object]:
    given = len(one.series.given)
    last = f", the last on {say_day(one.last.day)}" if one.last is not None and one.last.day is not None else ""
    numbers = say_list([str(row.number) for row in one.owed])
    said = f"{given} of {one.series.phase.n_planned} given{last}; infusion{'s' if len(one.owed) > 1 else ''} {numbers} "
    said += f"{'have' if len(one.owed) > 1 else 'has'} no time. The gap is kept until {say_day(one.until)}."
    attempt = one.owed[0].last_attempt
    if attempt is not None and attempt.reason:
        said += f" Reason given: “{attempt.reason}”."
    return {
        "said": f"{said} {FIRST_LEAVES}" if given == 1 else said,
        "given": given,
        "planned": one.series.phase.n_planned,
        "last_given": one.last.day.isoformat() if one.last is not None and one.last.day is not None else None,
        "owed": [row.number for row in one.owed],
    }


def _latest(courses: Iterable[int | None]) -> dict[int, Revision]:
    """The latest change of each course, with who made it."""
    rows = Revision.objects.filter(course__in=[pk for pk in courses if pk is not None]).select_related("by")
    return {one.course_id: one for one in rows.order_by("course_id", "-at", "-id").distinct("course_id")}


def _why(series: Series, change: Revision | None, now: datetime) -> str:
    by = f" ({change.by})" if change is not None else ""
    if series.course.status == CourseStatus.INTERRUPTED:
        return "The course is interrupted by now; it stands on that list."
    if series.phase.kind not in LOOKED_AT:
        return f"The course went on to {series.phase.get_kind_display().lower()}{by}."
    today = series.today(now)
    ahead = [row for row in series.booked if row.infusion.day and row.infusion.day >= today - UNRECORDED]
    first = min(ahead, key=lambda row: row.infusion.day or date.max, default=None)
    if first is not None and first.infusion.day is not None:
        return f"Infusion {first.number} is booked for {say_day(first.infusion.day)}{by}."
    last = series.last_given
    if not series.waiting and last is not None:
        return f"Infusion {max(series.given)} was given on {say_day(last)}, and none is owed any more{by}."
    return f"None is owed any more{by}."
