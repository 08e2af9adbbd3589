"""Measures due around a course: which, in what state, and what is done about each: sent, entered or waived.

That a measure was entered is seen from the assessment itself; what was sent or waived stands in ``MeasureAct`` under
the key of the item, which hangs on its anchor. So what was done stays with the item when its infusion moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q, QuerySet

from courses.models import (
    Course,
    FollowUpSettings,
    Infusion,
    InfusionStatus,
    MaintenancePlan,
    MaintenanceWay,
    MeasureAct,
    MeasureActKind,
)
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.pure.follow_up import Ask, Dated, Due, Followed, Group, Rhythm, Timing, schedule, taken_over
from courses.services.following import Following, read_following
from patients.models import Assessment, MeasureLink
from patients.pure.measures import MEASURES, Measure
from patients.services.measure_links import LinkState, progress_of

DATED = (InfusionStatus.BOOKED, InfusionStatus.GIVEN)
OPEN_LINKS = (LinkState.SENT, LinkState.OPENED, LinkState.STARTED)
LONGEST_WINDOW = timedelta(days=60)
"""Longer than an item accepts a score before its last day, apart from the days of the bladder check."""


class State(StrEnum):
    """What became of one measure of an item."""

    LATER = "not yet due"
    DUE = "due"
    OVERDUE = "overdue"
    SENT = "sent"  # a link is with the patient
    ENTERED = "entered"
    WAIVED = "waived"
    PASSED = "not asked"  # optional, and over; or a later long-term check has taken its place


OPEN = (State.OVERDUE, State.SENT, State.DUE)
"""What waits for an act now, the most pressing first."""
ORDER = (*OPEN, State.LATER, State.PASSED, State.WAIVED, State.ENTERED)


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of an item, and what was done about it."""

    ask: Ask
    state: State
    assessment: Assessment | None = None
    waiver: MeasureAct | None = None
    sent: MeasureAct | None = None
    link_state: LinkState | None = None

    @property
    def measure(self) -> Measure:
        return MEASURES[self.ask.measure]

    @property
    def name(self) -> str:
        """Of what was filled in, else of what is asked for."""
        code = self.assessment.measure if self.assessment is not None else self.ask.measure
        return MEASURES[code].short_name

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_settled(self) -> bool:
        return self.state in (State.ENTERED, State.WAIVED)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the schedule with its measures."""

    due: Due
    lines: tuple[Line, ...]
    is_missed: bool  # too late for a new score: only one that was taken in time counts, from paper

    @property
    def key(self) -> str:
        return self.due.key

    @property
    def state(self) -> State:
        """That of the measure which is furthest from done."""
        return min((line.state for line in self.lines), key=ORDER.index)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_settled(self) -> bool:
        return all(line.is_settled for line in self.lines)

    @property
    def open_lines(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.is_open)

    @property
    def waivable(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.is_open or line.state is State.LATER)

    @property
    def sendable(self) -> tuple[Line, ...]:
        """What a patient may be asked to answer alone, now: an answer of today would count."""
        return () if self.is_missed else tuple(line for line in self.open_lines if line.measure.can_be_sent)

    @property
    def word(self) -> str:
        """All that the front desk reads of it."""
        if self.state in (State.LATER, State.SENT, State.PASSED):
            return self.state.value
        return "complete" if self.is_settled else "missing"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every item of one course, the earliest first."""

    course: Course
    today: date
    items: tuple[Item, ...]
    waiting: tuple[str, ...] = ()  # infusions without a day; what hangs on them is not here yet

    @property
    def now(self) -> tuple[Item, ...]:
        """What waits for an act and can still be answered: overdue first, optional last."""
        found = [item for item in self.items if item.is_open and not item.is_missed]
        return tuple(sorted(found, key=lambda item: (item.due.is_optional, ORDER.index(item.state), item.due.last_day)))

    @property
    def missed(self) -> tuple[Item, ...]:
        """What waits for an act and can only be entered from paper or waived."""
        return tuple(item for item in self.items if item.is_open and item.is_missed)

    def groups(self) -> list[tuple[Group, list[Item]]]:
        """The rest by phase. Optional items that nobody asked for are left out: they are no gap."""
        rest = [
            item for item in self.items if not item.is_open and (not item.due.is_optional or item.state in ORDER[-2:])
        ]
        found = [(group, [item for item in rest if item.due.group is group]) for group in Group]
        return [(group, items) for group, items in found if items]

    def item(self, key: str) -> Item | None:
        return next((item for item in self.items if item.key == key), None)


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What the schedule of one course is made of."""

    course: Course  # with its location
    infusions: Sequence[Dated]
    settings: FollowUpSettings
    in_maintenance: bool
    acts: Sequence[MeasureAct] = ()
    scores: Sequence[Assessment] = ()  # that count, the earliest first
    links: Mapping[int, MeasureLink] = field(default_factory=dict)  # those of the acts, where they were read


def read_schedule(course: Course, now: datetime) -> Schedule:
    """The schedule of one course: four queries."""
    following = read_following(course)
    return schedule_of(course, infusions_of(course), following, now)


def infusions_of(course: Course) -> list[Infusion]:
    """Every infusion that is still planned, with its phase."""
    rows = Infusion.objects.filter(phase__course=course).exclude(status=InfusionStatus.DROPPED)
    return list(rows.select_related("phase").order_by("phase__position", "number"))


def schedule_of(course: Course, infusions: Iterable[Infusion], following: Following, now: datetime) -> Schedule:
    """The schedule of a course of which everything is read; a query for the links that were sent, if there are any."""
    sent = [act.link_id for act in following.acts if act.link_id is not None and not act.is_struck]
    plan = following.plan
    return put_together(
        Known(
            course=course,
            infusions=[_dated(one.pk, one.number, one.phase.kind, one.day, one.status) for one in infusions],
            settings=following.settings,
            in_maintenance=plan is not None and plan.way != MaintenanceWay.NONE,
            acts=[act for act in following.acts if not act.is_struck],
            scores=following.scores,
            links=MeasureLink.objects.in_bulk(sent) if sent else {},
        ),
        now,
    )


def read_schedules(
    courses: QuerySet[Course], now: datetime, *, since: date | None = None, until: date | None = None
) -> list[Schedule]:
    """The schedules of many courses, in six queries whatever their number. What became of a link is not asked.

    Args:
        since: only items that have begun, and whose last day is not before this day; None: every item.
        until: with ``since``, also items that begin by this day.
    """
    infusions: dict[int, list[Dated]] = defaultdict(list)
    acts: dict[int, list[MeasureAct]] = defaultdict(list)
    scores: dict[int, list[Assessment]] = defaultdict(list)
    found = list(courses.select_related("location").order_by("pk"))
    ids = [course.pk for course in found]
    places = FollowUpSettings.objects.filter(location__in={course.location_id for course in found})
    settings = {one.location_id: one for one in places}
    rows = Infusion.objects.filter(phase__course__in=ids).exclude(status=InfusionStatus.DROPPED)
    columns = ("phase__course_id", "pk", "number", "phase__kind", "day", "status")
    for course_id, pk, number, kind, day, status in rows.order_by("phase__position", "number").values_list(*columns):
        infusions[course_id].append(_dated(pk, number, kind, day, status))
    for act in MeasureAct.objects.valid().filter(course__in=ids):
        acts[act.course_id].append(act)
    taken = Assessment.objects.valid().filter(patient__in={course.patient_id for course in found})
    if since is not None:
        longest = LONGEST_WINDOW + timedelta(days=max([one.bladder_days for one in settings.values()], default=0))
        taken = taken.filter(taken_at__gte=datetime.combine(since, time.min, tzinfo=UTC) - longest)
    for row in taken.order_by("taken_at", "id").only("patient_id", "measure", "taken_at", "score", "link_id"):
        scores[row.patient_id].append(row)
    plans = MaintenancePlan.objects.filter(course__in=ids, ended_at__isnull=True).exclude(way=MaintenanceWay.NONE)
    maintained = set(plans.values_list("course_id", flat=True))
    return [
        put_together(
            Known(
                course=course,
                infusions=infusions[course.pk],
                settings=settings.get(course.location_id) or FollowUpSettings(location_id=course.location_id),
                in_maintenance=course.pk in maintained,
                acts=acts[course.pk],
                scores=scores[course.patient_id],
            ),
            now,
            since=since,
            until=until,
        )
        for course in found
    ]


def followed_courses(courses: QuerySet[Course], *, since: date) -> QuerySet[Course]:
    """The open ones with an infusion on or after ``since``, or with maintenance in force."""
    recent = Infusion.objects.filter(phase__course=OuterRef("pk"), day__gte=since, status__in=DATED)
    plans = MaintenancePlan.objects.filter(course=OuterRef("pk"), ended_at__isnull=True)
    lasting = Exists(plans.exclude(way=MaintenanceWay.NONE))
    return courses.filter(Q(Exists(recent)) | Q(lasting), status__in=OPEN_COURSE_STATUSES)


def put_together(known: Known, now: datetime, *, since: date | None = None, until: date | None = None) -> Schedule:
    """The items with their states. No query. ``since``, ``until``: see ``read_schedules``."""
    course, settings = known.course, known.settings
    today = course.location.local(now).date()
    followed = Followed(
        infusions=tuple(known.infusions),
        indication=course.indication,
        in_maintenance=known.in_maintenance,
        is_over=course.status not in OPEN_COURSE_STATUSES,
    )
    sight = _Sight(known, today, _by_measure(known), {(act.key, act.measure, act.kind): act for act in known.acts}, now)
    dues = schedule(followed, rhythm_of(settings))
    earlier = taken_over(dues, today)
    if since is not None:
        latest = max(today, until or today)
        dues = tuple(one for one in dues if one.first_day <= latest and one.last_day >= since)
    items = tuple(sight.item(due, is_taken_over=due.key in earlier) for due in dues)
    waiting = () if followed.is_over else tuple(one.name for one in known.infusions if one.day is None)
    return Schedule(course, today, items, waiting)


def rhythm_of(settings: FollowUpSettings) -> Rhythm:
    return Rhythm(
        weekly_weeks=settings.weekly_weeks,
        follow_until_day=settings.follow_until_day,
        grace_days=settings.grace_days,
        bladder_days=settings.bladder_days,
        cognition_months=settings.cognition_months,
        cognition_infusions=settings.cognition_infusions,
    )


def _dated(pk: int, number: int, kind: str, day: date | None, status: str) -> Dated:
    return Dated(pk, number, kind, day if status in DATED else None, status == InfusionStatus.GIVEN)


def _by_measure(known: Known) -> dict[str, list[tuple[date, Assessment]]]:
    """The assessments that answer a measure, with their local day. One without a score answers only what has none."""
    found: dict[str, list[tuple[date, Assessment]]] = defaultdict(list)
    for row in known.scores:
        if row.measure in MEASURES and (row.score is not None or not MEASURES[row.measure].has_total):
            found[row.measure].append((known.course.location.local(row.taken_at).date(), row))
    return found


@dataclass(frozen=True, slots=True)
class _Sight:
    known: Known
    today: date
    taken: Mapping[str, Sequence[tuple[date, Assessment]]]
    acts: Mapping[tuple[str, str, str], MeasureAct]  # the latest of each
    now: datetime

    def item(self, due: Due, *, is_taken_over: bool) -> Item:
        lines = tuple(self.line(due, ask) for ask in due.asks)
        if is_taken_over:  # one check of bladder or memory answers all that were missed: only the latest waits
            lines = tuple(replace(line, state=State.PASSED) if line.is_open else line for line in lines)
        return Item(due, lines, self.today > due.counts_to)

    def line(self, due: Due, ask: Ask) -> Line:
        sent = self.acts.get((due.key, ask.measure, MeasureActKind.SENT))
        waiver = self.acts.get((due.key, ask.measure, MeasureActKind.WAIVED))
        assessment, link_state = self._answer(due, ask, sent), self._link_state(sent)
        state = self._state(due, link_state)
        if waiver is not None:
            state = State.WAIVED
        if assessment is not None:
            state = State.ENTERED
        return Line(ask, state, assessment, waiver, sent, link_state)

    def _answer(self, due: Due, ask: Ask, sent: MeasureAct | None) -> Assessment | None:
        """The score inside the window; or what came by the item's own link, late only where that is the same score."""
        found = []
        for code in {ask.measure, *ask.accepts}:
            for day, row in self.taken.get(code, ()):
                by_link = sent is not None and row.link_id == sent.link_id
                if due.counts_on(day) or (by_link and day >= due.counts_from and not due.is_strict):
                    found.append(row)
        found.sort(key=lambda row: (row.taken_at, row.pk))
        if not found:
            return None
        return found[-1] if due.group is Group.BASELINE else found[0]  # F1: the last before the series counts

    def _link_state(self, sent: MeasureAct | None) -> LinkState | None:
        link = self.known.links.get(sent.link_id or 0) if sent is not None else None
        return progress_of([link], now=self.now)[0].state if link is not None else None

    def _state(self, due: Due, link_state: LinkState | None) -> State:
        timing = due.timing(self.today, self.known.settings.grace_days)
        if timing is Timing.DUE and link_state in OPEN_LINKS:
            return State.SENT
        return {
            Timing.LATER: State.LATER,
            Timing.DUE: State.DUE,
            Timing.OVERDUE: State.OVERDUE,
            Timing.PASSED: State.PASSED,
        }[timing]
