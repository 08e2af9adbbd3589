"""Reviews: a decision point is reached, a weekly esketamine session was missed and things got worse, or an event.

An event is a psychiatric admission or a suicide attempt. A point has one task. Only the latest point that a series has
reached is asked for: the facts of a review hold those of the points before it. What was decided does not come again; a
point that was undone and is reached again does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery

from courses.models import (
    ClinicalEvent,
    Course,
    CourseStatus,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    Phase,
    PhaseKind,
    Route,
    Task,
    TaskEnd,
    TaskKind,
    VisitOutcome,
)
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_count, say_day
from courses.pure.reviews import (
    DAYS_A_WEEK,
    OF_SERIES,
    Point,
    PointKind,
    Rise,
    is_weekly_or_slower,
    plain_score,
    point_reached,
    rise_after,
    say_standing,
    stop_rule,
)
from courses.services.outcomes import CourseOutcome, outcomes_of_many
from courses.services.planning_input import step_of
from courses.services.worklists.engine import Wanted
from patients.models import Assessment
from patients.pure.measures import MEASURES

MEASURE = "phq9"  # clinical.md case 27c speaks of PHQ-9


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:  # noqa: ARG001 (every kind is asked so)
    """Points that are reached and undecided, returns to twice weekly, and events.

    Five queries, two more with esketamine, eight more where a point waits: its line says where the series stands.
    """
    phases = _phases(course_id)
    known = _known(phases)
    yield from _points(phases, known)
    yield from _returns(phases)
    yield from _events(course_id)


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (the shape of every kind)
    """Reviews whose point is no longer reached, or that another act decided. Four queries, one more with events."""
    if not tasks:
        return {}
    courses = {course.pk: course for course in Course.objects.filter(pk__in={task.course_id for task in tasks})}
    phases = {phase.pk: phase for phase in _read(Phase.objects.filter(pk__in={_phase_of(task) for task in tasks}))}
    struck = _struck([task.facts["event"] for task in tasks if "event" in task.facts])
    found = {}
    for task in tasks:
        said = _settled(task, courses.get(task.course_id or 0), phases.get(_phase_of(task)), struck)
        if said:
            found[task.pk] = said
    return found


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """One review that there is or was."""

    key: str
    after: int
    kind: str
    is_open: bool
    is_taken_back: bool  # its point was undone: it may come again


def _read(phases: QuerySet[Phase]) -> list[Phase]:
    infusions = Infusion.objects.exclude(status=InfusionStatus.DROPPED).order_by("number")
    later = Phase.objects.filter(course=OuterRef("course"), position__gt=OuterRef("position"))
    return list(
        phases.annotate(is_followed=Exists(later))
        .select_related("course__location", "protocol_version__protocol")
        .prefetch_related(Prefetch("infusions", queryset=infusions), "steps")
    )


def _phases(course_id: int | None) -> list[Phase]:
    rows = Phase.objects.filter(course__status__in=[CourseStatus.ACTIVE, CourseStatus.INTERRUPTED])
    rows = rows.filter(infusions__status=InfusionStatus.GIVEN).distinct()
    if course_id is None:
        return _read(Phase.objects.filter(pk__in=_in_question(rows)))
    return _read(rows.filter(course=course_id))


def _in_question(phases: QuerySet[Phase]) -> list[int]:
    """Those about which a task may be asked for, by their numbers alone: for a sweep of all courses. Two queries."""
    decided: dict[int, int] = {}
    closed = Task.objects.filter(kind=TaskKind.REVIEW, closed_at__isnull=False, course__status__in=OPEN_COURSE_STATUSES)
    closed = closed.filter(facts__point__in=OF_SERIES).exclude(closed_how=TaskEnd.SETTLED)
    for phase, after in closed.order_by().values_list("facts__phase", "facts__after"):
        decided[phase] = max(after or 0, decided.get(phase, 0))
    given = Count("infusions", filter=Q(infusions__status=InfusionStatus.GIVEN), distinct=True)
    version = "protocol_version__"
    columns = ("pk", "kind", "n_planned", "n_given", f"{version}decision_points", f"{version}protocol__route")
    found = []
    for pk, kind, planned, n, points, route in phases.annotate(n_given=given).values_list(*columns):
        point = point_reached(n, planned, points) if kind == PhaseKind.INITIAL else None
        if route == Route.NASAL or (point is not None and decided.get(pk, 0) < point.after):
            found.append(pk)
    return found


def _known(phases: Sequence[Phase]) -> dict[int, list[Known]]:
    rows = Task.objects.filter(kind=TaskKind.REVIEW, course__in={phase.course_id for phase in phases})
    found: dict[int, list[Known]] = defaultdict(list)
    for key, facts, how in rows.values_list("key", "facts", "closed_how"):
        one = Known(key, facts.get("after", 0), facts.get("point", ""), not how, how == TaskEnd.SETTLED)
        found[facts.get("phase", 0)].append(one)
    return found


def _given(phase: Phase) -> list[Infusion]:
    return [one for one in phase.infusions.all() if one.status == InfusionStatus.GIVEN]


def _is_over(phase: Phase) -> bool:
    """Everything of it is given and the next phase is planned: that was the decision."""
    return bool(phase.is_followed) and len(_given(phase)) >= phase.n_planned  # type: ignore[attr-defined]


# -- decision points ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """A point that nobody has decided yet, with the key of its task."""

    phase: Phase
    point: Point
    key: str


def _points(phases: Sequence[Phase], known: Mapping[int, Sequence[Known]]) -> Iterator[Wanted]:
    reached = [one for phase in phases for one in _reached(phase, known.get(phase.pk, ()))]
    outcomes = outcomes_of_many([one.phase.course_id for one in reached]) if reached else {}
    for one in reached:
        yield _wanted(one, outcomes.get(one.phase.course_id))


def _reached(phase: Phase, known: Sequence[Known]) -> Iterator[Reached]:
    if phase.kind != PhaseKind.INITIAL or _is_over(phase):
        return  # maintenance has reviews of its own
    point = point_reached(len(_given(phase)), phase.n_planned, phase.protocol_version.decision_points)
    before = [one for one in known if one.kind in OF_SERIES]
    if point is None or any(one.after >= point.after and not (one.is_taken_back or one.is_open) for one in before):
        return
    waiting = next((one for one in before if one.is_open and one.after >= point.after), None)
    if waiting is None:
        yield Reached(phase, point, _new_key(phase, point, taken={one.key for one in before}))
    elif waiting.after == point.after and waiting.kind == point.kind:
        yield Reached(phase, point, waiting.key)  # asked for again, so that it says what is true by now


def _new_key(phase: Phase, point: Point, *, taken: set[str]) -> str:
    base = f"review:{phase.pk}:{'end' if point.kind is PointKind.END else point.after}"
    key, again = base, 1
    while key in taken:
        again += 1
        key = f"{base}:{again}"
    return key


def _wanted(one: Reached, outcome: CourseOutcome | None) -> Wanted:
    phase, point, given = one.phase, one.point, _given(one.phase)
    text = f"Review {point.words}{f' of {phase.n_planned}' if point.kind is PointKind.AFTER else ''}."
    standing = _standing(outcome, phase, point)
    return Wanted(
        kind=TaskKind.REVIEW,
        key=one.key,
        location_id=phase.course.location_id,
        text=text,
        due_on=_due_on(phase, given),
        patient_id=phase.course.patient_id,
        course_id=phase.course_id,
        infusion_id=given[min(point.after, len(given)) - 1].pk,
        facts={"phase": phase.pk, "point": point.kind.value, "after": point.after, "n": phase.n_planned}
        | ({"said": f"{text} {standing}"} if standing else {}),
    )


def _standing(found: CourseOutcome | None, phase: Phase, point: Point) -> str:
    """Empty for a series that is not the one by which the course is judged."""
    if found is None or found.phase_id != phase.pk:
        return ""
    outcome, terms = found.outcome, found.outcome.terms
    rule = stop_rule(
        outcome.improvement,
        given=len(_given(phase)),
        after=terms.review_after,
        below_percent=terms.improvement_percent,
    )
    return say_standing(outcome, MEASURES[found.measure].short_name, rule, point)


def _due_on(phase: Phase, given: Sequence[Infusion]) -> date:
    """Before the next infusion; the day after the last one where nothing is booked."""
    last = max(one.day for one in given if one.day is not None)
    coming = [one.day for one in phase.infusions.all() if one.status == InfusionStatus.BOOKED and one.day is not None]
    return min((day for day in coming if day > last), default=last + timedelta(days=1))


# -- esketamine: return to twice weekly --------------------------------------------------------------------------------


def _returns(phases: Sequence[Phase]) -> Iterator[Wanted]:
    """A weekly session was missed and PHQ-9 is up by 5 or more since: the prescriber is asked (L3, case 27c).

    In weeks 1 to 4 the schedule continues as it is, so nothing is asked there.
    """
    nasal = {phase.pk: phase for phase in phases if _may_return(phase)}
    if not nasal:
        return
    visits = (
        InfusionVisit.objects.filter(infusion__phase__in=nasal, outcome=VisitOutcome.MISSED)
        .exclude(infusion__status=InfusionStatus.DROPPED)
        .select_related("booking", "infusion")
        .order_by("id")
    )
    scores: dict[int, list[tuple[datetime, Decimal]]] = defaultdict(list)
    patients = {phase.course.patient_id for phase in nasal.values()}
    rows = Assessment.objects.valid().filter(patient__in=patients, measure=MEASURE)
    for row in rows.order_by("taken_at", "id"):
        if row.score is not None:
            scores[row.patient_id].append((row.taken_at, row.score))
    for visit in visits:
        phase = nasal[visit.infusion.phase_id]
        if not is_weekly_or_slower([step_of(row) for row in phase.steps.all()], visit.infusion.number):
            continue
        rise = rise_after(scores[phase.course.patient_id], visit.booking.start)
        if rise is not None:
            yield _return(phase, visit, rise)


def _may_return(phase: Phase) -> bool:
    is_nasal = phase.protocol_version.protocol.route == Route.NASAL
    return is_nasal and not phase.is_followed and len(_given(phase)) < phase.n_planned  # type: ignore[attr-defined]


def _return(phase: Phase, visit: InfusionVisit, rise: Rise) -> Wanted:
    missed = visit.infusion
    text = f"Review after a missed session (infusion {missed.number})."
    return Wanted(
        kind=TaskKind.REVIEW,
        key=f"review:{phase.pk}:return:{missed.pk}",
        location_id=phase.course.location_id,
        text=text,
        due_on=_next_session(phase, visit),
        patient_id=phase.course.patient_id,
        course_id=phase.course_id,
        infusion_id=missed.pk,
        facts={
            "phase": phase.pk,
            "point": PointKind.RETURN.value,
            "after": len(_given(phase)),
            "n": phase.n_planned,
            "missed": missed.number,
            "measure": MEASURE,
            "before": str(rise.before),
            "since": str(rise.after),
            "said": f"{text} PHQ-9 {plain_score(rise.before)} → {plain_score(rise.after)} since.",
        },
    )


def _next_session(phase: Phase, visit: InfusionVisit) -> date:
    """How to go on is decided before the next session: as it is booked, or as the protocol wants it after this one."""
    missed_on = phase.course.location.local(visit.booking.start).date()
    later = [one.day for one in phase.infusions.all() if one.day is not None and one.day > missed_on]
    return min(later, default=missed_on + timedelta(days=_usual_gap(phase, visit.infusion.number)))


def _usual_gap(phase: Phase, number: int) -> int:
    last = 0
    for row in phase.steps.all():
        last += row.count
        if number <= last:
            return row.target_gap_days or DAYS_A_WEEK
    return DAYS_A_WEEK


# -- events ------------------------------------------------------------------------------------------------------------


def _events(course_id: int | None) -> Iterator[Wanted]:
    """An admission or a suicide attempt in an open course: a prescriber looks, that very day (F1: it counts at once).

    One query. What happened after a course was closed stands in the list of those who are worse.
    """
    phases = Phase.objects.filter(course=OuterRef("course")).order_by("-position")
    given = Infusion.objects.filter(phase=OuterRef("its_phase"), status=InfusionStatus.GIVEN).order_by()
    rows = (
        ClinicalEvent.objects.valid()
        .filter(course__status__in=OPEN_COURSE_STATUSES)
        .select_related("course__location")
        .annotate(its_phase=Subquery(phases.values("pk")[:1]), its_planned=Subquery(phases.values("n_planned")[:1]))
        .annotate(its_given=Subquery(given.values("phase").annotate(n=Count("pk")).values("n")))
    )
    for row in rows if course_id is None else rows.filter(course=course_id):
        if row.its_phase is not None:
            yield _event(row)


def _event(row: ClinicalEvent) -> Wanted:
    place, kind = row.course.location, row.get_kind_display()
    return Wanted(
        kind=TaskKind.REVIEW,
        key=event_key(row.pk),
        location_id=place.pk,
        text="Review: something happened that a prescriber has to know.",
        due_on=place.local(row.at).date(),
        patient_id=row.course.patient_id,
        course_id=row.course_id,
        facts={
            "phase": row.its_phase,  # type: ignore[attr-defined]
            "point": PointKind.EVENT.value,
            "after": row.its_given or 0,  # type: ignore[attr-defined]
            "n": row.its_planned,  # type: ignore[attr-defined]
            "event": row.pk,
            "said": f"{kind} on {say_day(row.day)}{f': {row.note}' if row.note else '.'}",
        },
    )


def event_key(event_id: int | str) -> str:
    """The key of the review of an event; with an empty id its beginning."""
    return f"review:event:{event_id}"


# -- settled -----------------------------------------------------------------------------------------------------------


def _phase_of(task: Task) -> int:
    return int(task.facts.get("phase", 0))


def _settled(task: Task, course: Course | None, phase: Phase | None, struck: Collection[int]) -> str:
    if course is None or phase is None:
        return ""
    if course.closed_on is not None:
        return f"The course is closed: {course.get_status_display().lower()}."
    if task.facts.get("point") == PointKind.EVENT:
        return "The event was struck as entered in error." if task.facts.get("event") in struck else ""
    if _is_over(phase):
        return "What follows the series is planned."
    return _no_longer_reached(task, phase)


def _struck(events: Sequence[int]) -> set[int]:
    """Those of these events that were entered in error. A query where there are any."""
    rows = ClinicalEvent.objects.filter(pk__in=events, struck_at__isnull=False)
    return set(rows.values_list("pk", flat=True)) if events else set()


def _no_longer_reached(task: Task, phase: Phase) -> str:
    point, given = task.facts.get("point"), len(_given(phase))
    if point == PointKind.RETURN:
        is_dropped = all(one.pk != task.infusion_id for one in phase.infusions.all())
        return "The missed infusion is no longer planned." if is_dropped else ""
    if given < task.facts.get("after", 0):
        return f"Undone: {say_count(given, 'infusion')} given now."
    if point == PointKind.END and phase.n_planned > given:
        return f"The series has {say_count(phase.n_planned, 'infusion')} now."
    return ""
