"""What the Response page of a course and its card show: the outcome in words, each score with what it tells about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Prefetch, TextField
from django.db.models.functions import Cast, JSONObject

from clinic.models import Location
from courses.models import (
    CareItem,
    ClinicalEvent,
    Course,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    MaintenancePlan,
    OutcomeDefinition,
    Phase,
    PhaseKind,
    Task,
)
from courses.planning.words import say_numbers
from courses.pure.doses_given import Given as Dose
from courses.pure.outcomes.judging import Outcome, Score, shown
from courses.pure.outcomes.leading import ALL_LEADING, leading_measures
from courses.pure.outcomes.published import Median, medians_for
from courses.pure.outcomes.terms import End
from courses.services.course_summary import Summary
from courses.services.doses_given import dose_of, with_doses
from courses.services.events import EventLine, lines_of
from courses.services.following import Following, read_following
from courses.services.outcome_words import Badge, badges_of, headline
from courses.services.outcomes import CourseOutcome, judge_course, next_series_of, next_start, terms_of
from courses.services.together import rows_as_json, rows_from_json
from patients.models import Assessment
from patients.pure.measures import MEASURES, Measure
from patients.pure.measures.trend import Spark, spark
from patients.services.panels import Mark
from patients.services.trends import Point, chart_facts, with_changes

BEFORE = timedelta(days=28)
"""Scores from so long before the first infusion stand on the chart."""
SHORT = {PhaseKind.INITIAL: "", PhaseKind.MAINTENANCE: "M", PhaseKind.BOOSTER: "B"}


@dataclass(frozen=True, slots=True)
class InfusionGiven:
    """One infusion on the chart and in its table."""

    infusion: Infusion
    phase: Phase
    day: date
    dose: Dose | None

    @property
    def short(self) -> str:
        return f"{SHORT[PhaseKind(self.phase.kind)]}{self.infusion.number}"

    @property
    def name(self) -> str:
        if self.phase.kind == PhaseKind.INITIAL:
            return f"Infusion {self.infusion.number} of {self.phase.n_planned}"
        return f"{self.phase.get_kind_display()}, infusion {self.infusion.number}"

    @property
    def mark(self) -> Mark:
        said = f", {self.dose.said}" if self.dose and not self.dose.is_going_on else ""
        return Mark(self.day, self.short, f"{self.name}{said}")


@dataclass(frozen=True, slots=True)
class Line:
    """One score with what it tells about: the baseline, an infusion, a day of the follow-up, or nothing."""

    point: Point
    what: str
    percent: Decimal | None  # lower than the baseline, unrounded
    counts: bool

    @property
    def percent_shown(self) -> str:
        return _percent_words(self.percent)

    @property
    def percent_size(self) -> str:
        """Without its sign, for words that say the direction."""
        return "" if self.percent is None else _percent_words(abs(self.percent))

    @property
    def percent_side(self) -> str:
        return "above baseline" if self.percent is not None and self.percent < 0 else "improvement"


@dataclass(frozen=True, slots=True)
class Judged:
    """One measure of the course with everything that is shown about it."""

    measure: Measure
    outcome: Outcome
    lines: tuple[Line, ...]  # the earliest first
    chart: dict[str, Any] | None
    title: str
    tone: str
    symbol: str
    badges: tuple[Badge, ...]

    @property
    def baseline(self) -> Line | None:
        return next((line for line in self.lines if line.what == "Baseline"), None)

    @property
    def latest(self) -> Line | None:
        """The latest score that says something about the course."""
        return next((line for line in reversed(self.lines) if line.counts and line.what != "Baseline"), None)

    @property
    def end_percent_shown(self) -> str:
        return _percent_words(self.outcome.end_improvement)

    @property
    def overlaps(self) -> bool:
        return any(line.point.window for line in self.lines)


@dataclass(frozen=True, slots=True)
class Response:
    """The Response page of one course: the leading measure first."""

    course_outcome: CourseOutcome
    judged: tuple[Judged, ...]
    infusions: tuple[InfusionGiven, ...]
    care: tuple[CareItem, ...]
    events: tuple[EventLine, ...]  # the latest first, struck ones too
    following: Following
    medians: tuple[Median, ...]  # drawn as a ribbon; empty where they are not

    @property
    def leading(self) -> Judged:
        return self.judged[0]


def read_response(course: Course, now: datetime) -> Response:
    """Six queries, however much there is; one more where there are events."""
    phases = _phases_of(course)
    following = read_following(course)
    until = next_series_of(course)
    terms, events = terms_of(following.definition), following.events
    found = judge_course(course, phases, following.scores, terms, events=events, until=until)
    infusions = _infusions_of(phases, {one.pk: dose_of(one, now) for phase in phases for one in phase.infusions.all()})
    care = tuple(one for one in following.care if one.struck_at is None and one.on_chart)
    medians = _drawn_medians(course, found.outcome)
    shown_outcomes = (found.outcome, *(one for one in found.others if _is_shown(course, one)))
    context = _Chart(course.location, infusions, care, medians, [one for one in events if not one.is_struck])
    judged = tuple(_judged_in(one, following.scores, context, until) for one in shown_outcomes)
    return Response(found, judged, infusions, care, lines_of(events), following, medians)


# -- the card of the course page ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Card:
    """The outcome at a glance, with a small drawing of the scores."""

    judged: Judged
    drawing: Spark


@dataclass(frozen=True, slots=True)
class Beside:
    """What the course page needs besides its series: scores, terms, tasks, plans, and what came after the course."""

    scores: tuple[Assessment, ...]
    definition: OutcomeDefinition | None
    until: date | None
    restarted: Course | None
    tasks: tuple[Task, ...]  # open ones, the one due first
    plans: tuple[MaintenancePlan, ...]
    events: tuple[ClinicalEvent, ...] = ()  # the earliest first, struck ones too


NOTHING = Beside((), None, None, None, (), ())
"""Before the first infusion there is nothing to judge, to decide about or to go on from."""
FACTS = ("id", "measure", "taken_at", "answers", "band", "is_prorated", "detail")


def read_beside(course: Course) -> Beside:
    """One query."""
    scores = Assessment.objects.valid().filter(
        patient=OuterRef("patient"), measure__in=ALL_LEADING, score__isnull=False
    )
    facts = {name: F(name) for name in FACTS} | {"score": Cast(F("score"), TextField())}
    given = Infusion.objects.filter(phase__course__patient=OuterRef("patient"), status=InfusionStatus.GIVEN)
    row = (
        Course.objects.filter(pk=course.pk)
        .annotate(
            its_scores=ArraySubquery(scores.order_by("taken_at", "id").values(whole=JSONObject(**facts))),
            its_definition=rows_as_json(OutcomeDefinition, "courses", "number"),
            its_given=ArraySubquery(given.order_by("day").values(whole=JSONObject(course="phase__course", day="day"))),
            its_following=rows_as_json(Course, "previous", "pk"),
            its_tasks=rows_as_json(Task, "course", "due_on", "pk"),
            its_plans=rows_as_json(MaintenancePlan, "course", "-decided_at"),
            its_events=rows_as_json(ClinicalEvent, "course", "day", "pk"),
        )
        .values("its_scores", "its_definition", "its_given", "its_following", "its_tasks", "its_plans", "its_events")
        .get()
    )
    starts: dict[int, date] = {}
    for one in row["its_given"]:
        starts.setdefault(one["course"], date.fromisoformat(one["day"]))
    return Beside(
        scores=tuple(_assessment(one) for one in row["its_scores"]),
        definition=next(iter(rows_from_json(OutcomeDefinition, row["its_definition"])), None),
        until=next_start(course.pk, starts),
        restarted=next(iter(rows_from_json(Course, row["its_following"])), None),
        tasks=tuple(task for task in rows_from_json(Task, row["its_tasks"]) if task.closed_at is None),
        plans=rows_from_json(MaintenancePlan, row["its_plans"]),
        events=rows_from_json(ClinicalEvent, row["its_events"]),
    )


def _assessment(row: Mapping[str, Any]) -> Assessment:
    """With what judging and drawing need; not to be saved."""
    known = {name: row[name] for name in FACTS if name != "taken_at"}
    return Assessment(taken_at=datetime.fromisoformat(row["taken_at"]), score=Decimal(row["score"]), **known)


def card_of(course: Course, summaries: Sequence[Summary], beside: Beside) -> Card | None:
    """No query; None while nothing is given."""
    phases = [one.series.phase for one in reversed(summaries)]
    infusions = _infusions_of(phases)
    if not infusions:
        return None
    terms = terms_of(beside.definition)
    found = judge_course(course, phases, beside.scores, terms, events=beside.events, until=beside.until)
    chart = _Chart(course.location, infusions, (), (), ())
    judged = _judged_in(found.outcome, beside.scores, chart, beside.until)
    measure = judged.measure
    drawing = spark(
        [(line.point.local.date(), line.point.row.score) for line in judged.lines if line.point.row.score is not None],
        [one.day for one in infusions],
        low=measure.minimum,
        high=measure.maximum,
        edges=[band.low for band in measure.bands[1:]],
        width=640,
    )
    return Card(judged, drawing)


# -- parts -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Chart:
    """What every chart of the course shows besides its scores."""

    place: Location
    infusions: Sequence[InfusionGiven]
    care: Sequence[CareItem]
    medians: Sequence[Median]
    events: Sequence[ClinicalEvent]  # that count


def _phases_of(course: Course) -> list[Phase]:
    """Three queries: phases with what was given, by which dose."""
    visits = InfusionVisit.objects.select_related("booking").order_by("id")
    infusions = Infusion.objects.exclude(status=InfusionStatus.DROPPED).annotate(**with_doses()).order_by("number")
    return list(
        Phase.objects.filter(course=course)
        .order_by("position")
        .prefetch_related(Prefetch("infusions", queryset=infusions), Prefetch("infusions__visits", queryset=visits))
    )


def _infusions_of(phases: Sequence[Phase], doses: Mapping[int, Dose | None] | None = None) -> tuple[InfusionGiven, ...]:
    found = [
        InfusionGiven(infusion, phase, infusion.day, (doses or {}).get(infusion.pk))
        for phase in phases
        for infusion in phase.infusions.all()
        if infusion.status == InfusionStatus.GIVEN and infusion.day is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.day, one.phase.position, one.infusion.number)))


def _is_shown(course: Course, outcome: Outcome) -> bool:
    """The measures by which the course may be judged; others have their own trend on the patient's pages."""
    return outcome.measure in leading_measures(course.indication)


def _drawn_medians(course: Course, outcome: Outcome) -> tuple[Median, ...]:
    """The ribbon says when responders lost the effect elsewhere: it is drawn for those who responded."""
    return medians_for(course.indication) if outcome.end is End.RESPONSE else ()


def _judged_in(outcome: Outcome, rows: Sequence[Assessment], chart: _Chart, until: date | None) -> Judged:
    measure = MEASURES[outcome.measure]
    since = chart.infusions[0].day - BEFORE if chart.infusions else None
    mine = [
        row
        for row in rows
        if row.measure == measure.code
        and row.score is not None
        and (since is None or chart.place.local(row.taken_at).date() >= since)
        and (until is None or chart.place.local(row.taken_at).date() <= until)
    ]
    marks = [one.mark for one in chart.infusions]
    points = with_changes(measure, mine, chart.place, marks)
    lines = tuple(_line(point, outcome) for point in points)
    title, tone, symbol = headline(outcome)
    return Judged(
        measure=measure,
        outcome=outcome,
        lines=lines,
        chart=_chart_facts(measure, outcome, lines, marks, chart) if lines else None,
        title=title,
        tone=tone,
        symbol=symbol,
        badges=tuple(badges_of(outcome)),
    )


def _line(point: Point, outcome: Outcome) -> Line:
    """What a score tells about, by the outcome that was judged from it."""
    pk, day = point.row.pk, point.local.date()
    if outcome.baseline and outcome.baseline.pk == pk:
        return Line(point, "Baseline", None, counts=True)
    numbers = [number for number, one in outcome.after.items() if one.pk == pk]
    if numbers:
        return Line(point, f"After {say_numbers(numbers)}", outcome.improvement.get(numbers[0]), counts=True)
    later = next((percent for one, percent in outcome.follow_up if one.pk == pk), None)
    if later is not None:
        days = (day - outcome.infusions[-1].day).days
        return Line(point, f"Day {days} after the series", later, counts=True)
    if not outcome.infusions or point.row.taken_at < outcome.infusions[0].start:
        return Line(point, "Before the series", None, counts=False)
    return Line(point, "Not counted", _percent(outcome.baseline, point), counts=False)


def _percent_words(percent: Decimal | None) -> str:
    return "" if percent is None else f"{shown(percent)} %".replace("-", "−")


def _percent(baseline: Score | None, point: Point) -> Decimal | None:
    if baseline is None or not baseline.value or point.row.score is None:
        return None
    return (baseline.value - point.row.score) / baseline.value * 100


def _chart_facts(
    measure: Measure, outcome: Outcome, lines: Sequence[Line], marks: Sequence[Mark], chart: _Chart
) -> dict[str, Any]:
    """What ``static/js/trend.js`` draws, with the line of response, care beside and published times."""
    facts = chart_facts(measure, [line.point for line in lines], marks)
    for point, line in zip(facts["points"], lines, strict=True):
        said = (
            f"{line.what}: {line.percent_shown} lower" if line.percent is not None and line.percent > 0 else line.what
        )
        point["says"] = said
    facts["lines"] = []  # cuts of a screen are no aim of a treatment
    most = outcome.terms.remission_max.get(outcome.measure)
    facts["remission"] = float(most) if most is not None else None
    if outcome.is_evaluable and outcome.baseline:
        half = outcome.baseline.value * (100 - outcome.terms.response_percent) / 100
        facts["lines"].append({"at": float(half), "short": f"response ≤ {half.normalize():f}"})
    days = [date.fromisoformat(point["at"][:10]) for point in facts["points"]] + [mark.day for mark in marks]
    days += [one.day for one in chart.events]
    first, last = min(days), max(days)
    facts["events"] = [{"at": one.day.isoformat(), "label": one.get_kind_display()} for one in chart.events]
    facts["spans"] = list(_spans(chart.care, first, last))
    facts["ribbons"] = list(_ribbons(chart.medians, outcome))
    return facts


def _spans(care: Sequence[CareItem], first: date, last: date) -> Iterator[Mapping[str, Any]]:
    """What was done beside, cut to what the chart shows."""
    for one in care:
        end = one.ended_on or last
        if end < first or one.started_on > last:
            continue
        yield {
            "name": one.title,
            "from": max(one.started_on, first).isoformat(),
            "to": min(end, last).isoformat(),
            "is_open": one.ended_on is None,
        }


def _ribbons(medians: Sequence[Median], outcome: Outcome) -> Iterator[Mapping[str, Any]]:
    if len(medians) < 2 or not outcome.infusions:  # noqa: PLR2004 (one number is no range)
        return
    last = outcome.infusions[-1].day
    days = [int(one.days) for one in (medians[0], medians[-1])]
    yield {
        "name": "published medians until relapse",
        "from": (last + timedelta(days=days[0])).isoformat(),
        "to": (last + timedelta(days=days[1])).isoformat(),
    }
