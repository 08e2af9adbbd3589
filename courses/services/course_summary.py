"""A course at a glance: dots, the next infusion, how well the dates were kept, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from django.db.models import Prefetch, QuerySet

from clinic.models.bookings import UPCOMING_STATUSES
from courses.models import (
    Course,
    CourseStatus,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    Phase,
    PhaseKind,
    RevisionKind,
    VisitOutcome,
)
from courses.planning.checks import note_infusion
from courses.planning.dates import gap_days
from courses.planning.rules import gap_limits, judge
from courses.planning.types import Severity
from courses.planning.words import say_count, say_day, say_list, say_numbers
from courses.services.absences import why_away
from courses.services.courses import interruption_of
from courses.services.series_changes import say_place
from courses.services.series_state import PHASES_WITH_OVERRIDES, Row, Series, series_of


class Level(StrEnum):
    """How much a remark matters; the page puts a word and an icon beside the colour."""

    DANGER = "danger"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is wrong or due.

    ``act`` names what mends it: "reslot", "move", "decide", "record", "close", or nothing.
    """

    level: Level
    text: str
    act: str = ""
    infusion_id: int | None = None
    number: int = 0  # of the infusion to move


@dataclass(frozen=True, slots=True)
class Dot:
    """One infusion as a dot: given, booked, or waiting for a time."""

    number: int
    state: str

    @property
    def words(self) -> str:
        return f"infusion {self.number}: {'no time yet' if self.state == 'waiting' else self.state}"


@dataclass(frozen=True, slots=True)
class Next:
    """The next visit of a course."""

    number: int
    infusion_id: int
    booking_id: int
    start: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """What a clinician reads in five seconds."""

    series: Series
    dots: tuple[Dot, ...]
    next: Next | None
    kept: int  # gaps between given infusions that were inside their limits
    gaps: int  # gaps between given infusions
    remarks: tuple[Remark, ...]

    @property
    def course(self) -> Course:
        return self.series.course

    @property
    def given(self) -> int:
        return len(self.series.given)

    @property
    def planned(self) -> int:
        return self.series.settings.n

    @property
    def words(self) -> str:
        """The dots for people who do not see them: "3 of 6 given"."""
        return f"{self.given} of {self.planned} given"

    @property
    def started(self) -> datetime | None:
        first = next((row for row in self.series.rows if row.is_given and row.booking is not None), None)
        return first.booking.start if first is not None and first.booking is not None else None


def summary_of(series: Series, now: datetime) -> Summary:
    """The summary of one series."""
    given = sorted(series.given)
    gaps = list(pairwise(given))
    kept = sum(_inside(series, a, b) for a, b in gaps)
    return Summary(
        series=series,
        dots=tuple(Dot(row.number, "planned" if _comes_later(series, row) else _dot(row)) for row in series.rows),
        next=_next(series, now),
        kept=kept,
        gaps=len(gaps),
        remarks=tuple(_remarks(series, now)) if series.course.status in OPEN else (),
    )


CLINICAL_KINDS = frozenset(
    {
        RevisionKind.WITHHELD,
        RevisionKind.NUMBER,
        RevisionKind.RHYTHM,
        RevisionKind.CONTINUED,
        RevisionKind.RESTARTED,
        RevisionKind.CLOSED,
        RevisionKind.REVIEWED,
        RevisionKind.DOSE,
        RevisionKind.TREATMENT,
        RevisionKind.MAINTENANCE,
        RevisionKind.INTERVAL,
        RevisionKind.STEPPED_BACK,
        RevisionKind.BOOSTER,
    }
)
"""Changes whose reason is clinical: shown only to those who may read clinical notes."""
OPEN = (CourseStatus.PLANNED, CourseStatus.ACTIVE, CourseStatus.INTERRUPTED)


def _inside(series: Series, earlier: int, later: int) -> bool:
    low, high = gap_limits(earlier, later, series.rule)
    return low <= gap_days(series.given[earlier].day, series.given[later].day) <= high


def _dot(row: Row) -> str:
    return "given" if row.is_given else "booked" if row.is_booked else "waiting"


def _next(series: Series, now: datetime) -> Next | None:
    coming = [row for row in series.booked if row.booking is not None and row.booking.end > now]
    if not coming:
        return None
    row = min(coming, key=lambda one: one.booking.start if one.booking else now)
    booking = row.booking
    return Next(row.number, row.infusion.pk, booking.pk, booking.start) if booking is not None else None


# -- what is wrong -----------------------------------------------------------------------------------------------------


def _remarks(series: Series, now: datetime) -> Iterable[Remark]:
    if series.course.status == CourseStatus.INTERRUPTED:
        found = interruption_of(series, now)
        text = (
            found.sentence
            if found
            else "This course is interrupted. The prescriber decides: continue, restart or close."
        )
        yield Remark(Level.DANGER, text, "decide")
    yield from _unrecorded(series, now)
    yield from _waiting(series)
    yield from _away(series, now)
    yield from _off_window(series, now)
    yield from _long(series, now)
    yield from _due(series)


def _unrecorded(series: Series, now: datetime) -> Iterable[Remark]:
    for row in series.booked:
        booking = row.booking
        if booking is not None and booking.end <= now and booking.status in UPCOMING_STATUSES:
            day = say_day(series.local_day(booking.start))
            text = f"Infusion {row.number} on {day} was recorded neither as given nor as missed."
            yield Remark(Level.WARN, text, "record", row.infusion.pk)


WHY = {VisitOutcome.MISSED: "no-show", VisitOutcome.WITHHELD: "withheld", VisitOutcome.CANCELLED: "cancelled"}


def _comes_later(series: Series, row: Row) -> bool:
    """An infusion of a maintenance plan that nobody has booked yet: its window is watched by the worklist."""
    return series.phase.kind == PhaseKind.MAINTENANCE and row.infusion.status == InfusionStatus.PLANNED


def _waiting(series: Series) -> Iterable[Remark]:
    rows = [row for row in series.waiting if not _comes_later(series, row)]
    if not rows:
        return
    first = rows[0]
    last = first.attempts[-1] if first.attempts else None
    why = f" ({WHY[VisitOutcome(last.outcome)]} {say_day(series.local_day(last.booking.start))})" if last else ""
    verb = "has" if len(rows) == 1 else "have"
    names = say_numbers([row.number for row in rows])
    yield Remark(Level.WARN, f"{names.capitalize()} {verb} no time{why}.", "reslot", first.infusion.pk)


def _coming(series: Series, now: datetime) -> list[Row]:
    return [
        row
        for row in series.booked
        if row.booking is not None and row.booking.start > now and row.booking.status in UPCOMING_STATUSES
    ]


def _away(series: Series, now: datetime) -> Iterable[Remark]:
    """Visits that were booked before the patient said that they cannot come then."""
    clashes = [
        row
        for row in _coming(series, now)
        if row.placed is not None
        and why_away(series.away, row.placed.day, row.placed.start_min, series.shape_of(row.number).patient_min)
    ]
    if not clashes:
        return
    first, fall = clashes[0], "falls" if len(clashes) == 1 else "fall"
    places = [f"infusion {row.number} on {say_place(row.placed)}" for row in clashes if row.placed is not None]
    text = (
        f"{say_count(len(clashes), 'booked infusion')} {fall} into times at which the patient cannot come: "
        f"{say_list(places)}."
    )
    yield Remark(Level.WARN, text, "move", first.infusion.pk, first.number)


def _long(series: Series, now: datetime) -> Iterable[Remark]:
    """Visits to come with a longer infusion than the protocol says."""
    version = series.phase.protocol_version
    for row in _coming(series, now):
        minutes = series.shape_of(row.number).infusion_min
        said = note_infusion(minutes, usual_min=version.infusion_min, longest_min=version.infusion_max_min)
        if said:
            yield Remark(Level.INFO, f"Infusion {row.number}: {said[0].lower()}{said[1:]}")


def _off_window(series: Series, now: datetime) -> Iterable[Remark]:
    """Gaps to come that break the protocol and that nobody has allowed, as after a cancellation."""
    if series.waiting:
        return  # the hole is named already; the gaps over it say nothing new
    verdict = judge(series.plan, series.rule, today=series.today(now), before=series.before)
    for finding in verdict.findings:
        if finding.severity is not Severity.BREACH or finding.number in series.given:
            continue
        row = series.row(finding.number)
        if not any(one.day == row.infusion.day and one.rule == finding.rule.value for one in row.overrides):
            yield Remark(Level.WARN, finding.message, "reslot", row.infusion.pk)


def _due(series: Series) -> Iterable[Remark]:
    """A decision point inside the series is a task of its own, which says by itself when it is decided."""
    given = len(series.given)
    if given and given >= series.settings.n:
        text = f"All {say_count(series.settings.n, 'infusion')} are given: close the course or plan what follows."
        yield Remark(Level.INFO, text, "close")


# -- reading many ------------------------------------------------------------------------------------------------------


def with_series(courses: QuerySet[Course]) -> QuerySet[Course]:
    """The courses with everything that ``summaries`` needs, in a constant number of queries."""
    visits = InfusionVisit.objects.select_related("booking").order_by("id")
    infusions = Infusion.objects.exclude(status=InfusionStatus.DROPPED).order_by("number")
    return courses.select_related("patient", "location", "prescriber").prefetch_related(
        Prefetch("phases", queryset=Phase.objects.select_related("protocol_version__protocol").order_by("position")),
        "phases__steps",
        Prefetch("phases__infusions", queryset=infusions),
        Prefetch("phases__infusions__visits", queryset=visits),
        "phases__infusions__overrides",
    )


def summaries(courses: Sequence[Course], now: datetime) -> list[Summary]:
    """One summary a course, of its latest phase; no query for courses that come from ``with_series``."""
    found = []
    for course in courses:
        phases = list(course.phases.all())
        if phases:
            phases[-1].course = course  # the prefetch does not hand the course on
            found.append(summary_of(series_of(phases[-1]), now))
    return found


def read_summaries(course_id: int, now: datetime) -> list[Summary]:
    """Every phase of one course, the latest first."""
    phases = list(PHASES_WITH_OVERRIDES.filter(course=course_id).order_by("position"))
    found: list[Summary] = []
    before = None
    for phase in phases:
        series = series_of(phase, before=before)
        before = max([one.day for one in series.plan], default=before)
        found.append(summary_of(series, now))
    return found[::-1]
