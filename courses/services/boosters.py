"""Boosters of one course: why now, legal times for it, accepted with one act; asked for by hand; declined.

A booster is a phase of its own (kind booster, one infusion) and goes through ``book_series`` and the judge as every
series does. It comes after everything else: while infusions of another phase are still to come, the next of them is
brought forward instead, because a phase put between them would stand against the order that the judge keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, QuerySet

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import (
    Course,
    CourseBoosterRule,
    CourseStatus,
    FollowUpSettings,
    Phase,
    PhaseKind,
    Protocol,
    ProtocolStep,
    ProtocolVersion,
    RevisionKind,
    Task,
    TaskEnd,
    TaskKind,
    VersionStatus,
)
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.dates import gap_days
from courses.planning.moves import drop_zones, nearest
from courses.planning.proposals import verdict_of
from courses.planning.settings import PlanSettings
from courses.planning.solver import solve
from courses.planning.types import Instance, Placed, Severity
from courses.planning.words import say_day, say_minute
from courses.pure.boosters import BoosterRule, few_starts
from courses.services.booster_rules import plain_rule
from courses.services.courses import locked_course
from courses.services.plan_address import decode, encode
from courses.services.planning_input import Team, build_instance, settings_from_version, team_at
from courses.services.refusals import OpenCourseError, SeriesRefusedError
from courses.services.revisions import placed_facts, write_revision
from courses.services.series import book_series
from courses.services.series_state import PHASES_IN_TWO, Row, Series, read_in_two, series_of
from courses.services.together import rows_as_json, rows_from_json, whole_as_json
from courses.services.worklists.boosters import TEXT
from courses.services.worklists.engine import end_task, end_tasks, sweep_after
from patients.models import Message, MessageEvent, Patient

SLUG = "M-PRN"
LOOK_AHEAD_DAYS = 14  # clinic setting: a booster that is needed is not looked for farther ahead
BY_PATIENT, BY_CLINICIAN = "patient", "clinician"


class BoosterRefusedError(Exception):
    """Nothing was booked or entered; the message says what is wrong and what to do."""


class StaleBoosterError(BoosterRefusedError):
    """The time is gone, or somebody was faster: look at the page as it is now."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One legal free time for the booster."""

    placed: Placed
    code: str
    people: str
    gap_days: int | None  # since the last infusion


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be booked, or why nothing can.

    ``waits_for`` is the infusion of another phase that comes first, where that is the reason.
    """

    slots: tuple[Slot, ...] = ()
    why_none: str = ""
    waits_for: Row | None = None
    is_maintenance: bool = False
    title: str = ""  # of the protocol
    min_gap_days: int = 0


# -- reading -----------------------------------------------------------------------------------------------------------


def read_phases(course_id: int) -> list[Series]:
    """Every phase of a course with its infusions, the earliest first."""
    return _series_in_order(read_in_two(PHASES_IN_TWO.filter(course=course_id).order_by("position")))


def _series_in_order(phases: Iterable[Phase]) -> list[Series]:
    found: list[Series] = []
    before = None
    for phase in phases:
        series = series_of(phase, before=before)
        before = max([one.day for one in series.plan], default=before)
        found.append(series)
    return found


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the page of a course's boosters shows, beside the times."""

    course: Course
    phases: tuple[Series, ...]
    tasks: tuple[Task, ...]  # that ask now, the earliest first
    rule: BoosterRule
    own: CourseBoosterRule | None
    version: ProtocolVersion | None  # by which a booster is booked
    messages: tuple[Message, ...]  # that asked the patient about a booster, the earliest first


def read_sheet(course_id: int) -> Sheet:
    """Two queries: all that belongs to the course comes with its phases, because asking the calendar takes the rest.

    Raises:
        Course.DoesNotExist: there is no such course, or nothing was ever planned in it.
    """
    rows: list[Any] = read_in_two(_sheet_rows().filter(course=course_id).order_by("position"))
    if not rows:
        raise Course.DoesNotExist(f"course {course_id} has no phase")
    last = rows[-1]
    asked = rows_from_json(Task, last.its_tasks)
    own = next(iter(rows_from_json(CourseBoosterRule, last.its_rule)), None)
    clinic = next(iter(rows_from_json(FollowUpSettings, last.its_settings)), None)
    return Sheet(
        course=last.course,
        phases=tuple(_series_in_order(rows)),
        tasks=tuple(one for one in asked if one.closed_at is None and one.kind == TaskKind.BOOSTER),
        rule=plain_rule(own or clinic or FollowUpSettings()),
        own=own,
        version=_fitting(last.course, [_version(one) for one in last.its_versions]),
        messages=rows_from_json(Message, last.its_messages),
    )


def _sheet_rows() -> QuerySet[Phase]:
    versions = _published(OuterRef("protocol_version__protocol__route")).annotate(
        step_rows=rows_as_json(ProtocolStep, "version", "position")
    )
    whole = whole_as_json(ProtocolVersion, steps=F("step_rows"), of_protocol=whole_as_json(Protocol, "protocol__"))
    asked = Message.objects.filter(patient__courses__phases=OuterRef("pk"), event=MessageEvent.BOOSTER_DUE)
    return PHASES_IN_TWO.annotate(
        its_messages=ArraySubquery(asked.order_by("pk").values(whole=whole_as_json(Message))),
        its_tasks=rows_as_json(Task, "course__phases", "opened_at", "pk"),
        its_rule=rows_as_json(CourseBoosterRule, "course__phases", "pk"),
        its_settings=rows_as_json(FollowUpSettings, "location__courses__phases", "pk"),
        its_versions=ArraySubquery(versions.values(whole=whole)),
    )


def _version(plain: dict[str, Any]) -> ProtocolVersion:
    """A version as it came with the phases, with its protocol and its steps."""
    [version] = rows_from_json(ProtocolVersion, [plain])
    [version.protocol] = rows_from_json(Protocol, [plain["of_protocol"]])
    steps = list(rows_from_json(ProtocolStep, plain["steps"]))
    version._prefetched_objects_cache = {"steps": steps}  # type: ignore[attr-defined] # noqa: SLF001
    return version


def open_tasks(course_id: int) -> list[Task]:
    """What asks about a booster of this course now, the earliest first."""
    return list(Task.objects.open().filter(kind=TaskKind.BOOSTER, course=course_id).order_by("opened_at", "pk"))


def last_infusions(phases: Sequence[Series], most: int = 3) -> list[tuple[Series, Row]]:
    """The latest infusions that were given, the latest first."""
    given = [(series, row) for series in phases for row in series.rows if row.is_given and row.infusion.day]
    return sorted(given, key=lambda one: one[1].infusion.day or date.min, reverse=True)[:most]


def booster_version(course: Course, phases: Sequence[Series]) -> ProtocolVersion | None:
    """The published protocol for a booster by the route of the course: M-PRN, else the first by its code."""
    route = phases[-1].phase.protocol_version.protocol.route if phases else ""
    return _fitting(course, _published(route).select_related("protocol").prefetch_related("steps"))


def _published(route: Any) -> QuerySet[ProtocolVersion]:  # noqa: ANN401 (a route, or where it stands)
    rows = ProtocolVersion.objects.filter(
        status=VersionStatus.PUBLISHED,
        protocol__is_active=True,
        protocol__phase_kind=PhaseKind.BOOSTER,
        protocol__route=route,
    )
    return rows.order_by("protocol__slug", "pk")


def _fitting(course: Course, versions: Iterable[ProtocolVersion]) -> ProtocolVersion | None:
    fitting = [one for one in versions if not one.indications or course.indication in one.indications]
    return min(fitting, key=lambda one: one.protocol.slug != SLUG, default=None)


def hindrance(course: Course, phases: Sequence[Series]) -> Offer | None:
    """Why no booster can be booked now, as an empty offer; None where one can."""
    if course.status not in OPEN_COURSE_STATUSES:
        return Offer(why_none="This course is closed. What follows is planned as a new course.")
    if course.pencilled_until is not None:
        return Offer(why_none="The course is only pencilled. Confirm it before you plan what follows.")
    if course.status == CourseStatus.INTERRUPTED:
        return Offer(why_none="This course is interrupted: first the prescriber continues, restarts or closes it.")
    if not any(series.given for series in phases):
        return Offer(why_none="Nothing was given in this course yet. A booster comes after its series.")
    for series in phases:
        coming = [row for row in series.rows if not row.is_given]
        if coming:
            return _waits(series, coming[0])
    return None


def _waits(series: Series, row: Row) -> Offer:
    """Another phase goes on."""
    kind = PhaseKind(series.phase.kind)
    at = f" is booked for {say_day(row.placed.day)}" if row.placed is not None else " has no time yet"
    if kind is PhaseKind.BOOSTER:
        return Offer(why_none=f"A booster of this course{at}. Move it where it is too late.", waits_for=row)
    if kind is PhaseKind.MAINTENANCE:
        text = (
            f"The maintenance goes on: infusion {row.number}{at}. Bring it forward, or step back to a shorter "
            "interval; a booster is booked when no infusion of the maintenance is to come."
        )
        return Offer(why_none=text, waits_for=row, is_maintenance=True)
    text = f"The initial series goes on: infusion {row.number}{at}. A booster comes after it."
    return Offer(why_none=text, waits_for=row)


# -- times -------------------------------------------------------------------------------------------------------------


def offer_for(course: Course, phases: Sequence[Series], version: ProtocolVersion | None, *, now: datetime) -> Offer:
    """Few, different legal times from tomorrow on, from the real calendar; or why there are none.

    Args:
        version: ``booster_version``, or the one of ``read_sheet``.
    """
    blocked = hindrance(course, phases)
    if blocked is not None:
        return blocked
    if version is None:
        return Offer(why_none="No protocol for a booster is published. A clinician publishes one under Protocols.")
    settings = settings_for(version, phases, now=now)
    team = team_at(course.location)
    instance = build_instance(
        settings,
        patient=phases[-1].patient,
        now=now,
        location=course.location,
        team=team,
        away=phases[-1].away,
        before=_last_day(phases),
        horizon_days=LOOK_AHEAD_DAYS,
    )
    slots = tuple(_slot(one, team, _last_day(phases)) for one in _few(instance, _usual(phases)))
    entry = settings.rule.entry
    until = say_day(settings.not_before + timedelta(days=LOOK_AHEAD_DAYS - 1))
    return Offer(
        slots=slots,
        why_none="" if slots else f"There is no legal free time until {until}. Look at the calendar, or free one.",
        title=version.title,
        min_gap_days=entry.min_days if entry is not None else 0,
    )


def settings_for(version: ProtocolVersion, phases: Sequence[Series], *, now: datetime) -> PlanSettings:
    """The protocol with this patient's wishes, from tomorrow on and not before its smallest gap allows."""
    latest = phases[-1]
    tomorrow = latest.today(now) + timedelta(days=1)
    settings = settings_from_version(version, location=latest.location, not_before=tomorrow).adapted(n=1)
    last, entry = _last_day(phases), settings.rule.entry
    earliest = last + timedelta(days=entry.min_days) if last is not None and entry is not None else tomorrow
    return replace(settings, wishes=latest.settings.wishes, not_before=max(tomorrow, earliest))


def _last_day(phases: Sequence[Series]) -> date | None:
    return max((one.day for series in phases for one in series.plan), default=None)


def _usual(phases: Sequence[Series]) -> tuple[Placed, ...]:
    """Where the patient usually comes: the latest phase that has times."""
    return next((series.plan for series in reversed(phases) if series.plan), ())


def _few(instance: Instance, usual: Sequence[Placed]) -> Iterable[Placed]:
    """The planner's best first among few, different legal starts; every one judged."""
    best = solve(instance)
    # Off the usual distance is a note: a booster comes when it is needed.
    free = {zone.day: zone.minutes for zone in drop_zones(instance, (), 1) if zone.severity in (None, Severity.NOTE)}
    known = [one.start_min for one in usual if one.start_min is not None]
    near = best.placed[0].start_min if best is not None else None
    for day, minute in few_starts(free, usual_min=known[-1] if known else near):
        placed = nearest(instance, 1, day, minute, usual)
        if placed is not None and verdict_of(instance, [placed]).is_legal:
            yield placed


def _slot(placed: Placed, team: Team, last: date | None) -> Slot:
    names = team.names()
    who = [names[one] for one in (placed.chair_id, placed.nurse_id, placed.clinician_id) if one in names]
    return Slot(placed, encode(placed), " · ".join(who), gap_days(last, placed.day) if last is not None else None)


# -- acts --------------------------------------------------------------------------------------------------------------


def accept_booster(
    course_id: int, *, code: str, seen_phases: int, by: User, now: datetime, override_reason: str = ""
) -> Course:
    """The booster is booked as a phase of one infusion, "why now" stands in a revision, and what asked for it is over.

    Args:
        code: the slot, as ``Offer`` gave it.
        seen_phases: how many phases the course had on the page, so that a second click adds nothing.
        override_reason: why a clinician books although something (the consent) is missing.

    Raises:
        PermissionDenied: the person does not decide about courses.
        StaleBoosterError: the time is gone, or somebody booked meanwhile.
        BoosterRefusedError: nothing asks for it, something else comes first, or it is against a rule.
        courses.services.refusals.NotReadyError: something is missing, and no reason is given.
    """
    _demand(by, Can.DECIDE_COURSE, "Only a prescriber accepts a booster.")
    placed = _decoded(code)
    try:
        with recorded(by=by, now=now):
            course, _ = locked_course(course_id)
            phases = read_phases(course_id)
            if len(phases) != seen_phases:
                raise StaleBoosterError("Somebody booked for this course meanwhile. Nothing was added; look again.")
            blocked = hindrance(course, phases)
            if blocked is not None:
                raise StaleBoosterError(blocked.why_none)
            tasks = open_tasks(course_id)
            if not tasks:
                raise StaleBoosterError("Nothing asks for a booster any more. Say why, then choose a time.")
            version = booster_version(course, phases)
            if version is None:
                raise BoosterRefusedError("No protocol for a booster is published.")
            settings = settings_for(version, phases, now=now)
            book_series(
                patient=course.patient,
                # The judge says what is too early, and not the calendar that was not read.
                settings=replace(settings, not_before=min(settings.not_before, placed.day)),
                placed=[placed],
                indication=course.indication,
                prescriber=course.prescriber,
                by=by,
                now=now,
                seen_phases=seen_phases,
                override_reason=override_reason,
            )
            _write_why(course, tasks, placed, by=by, now=now)
            sweep_after(course_id, now)
            return course
    except OpenCourseError as refusal:
        raise StaleBoosterError(
            "Somebody booked for this course meanwhile. Nothing was added; look again."
        ) from refusal
    except SeriesRefusedError as refusal:
        if refusal.taken:
            raise StaleBoosterError(f"{refusal} These are the times that are free now.") from refusal
        raise


def _decoded(code: str) -> Placed:
    try:
        placed = decode([code])[0]
    except ValueError as error:
        raise BoosterRefusedError("Choose one of the times.") from error
    if placed.number != 1:
        raise BoosterRefusedError("Choose one of the times.")
    return placed


def _write_why(course: Course, tasks: Sequence[Task], placed: Placed, *, by: User, now: datetime) -> None:
    """The booster's revision with "why now"; the tasks end with it."""
    why = [said for task in tasks for said in task.facts.get("why", [])]
    at = f"{say_day(placed.day)}, {say_minute(placed.start_min or 0)}"
    revision = write_revision(
        course=course,
        phase=course.phases.order_by("-position").first(),
        kind=RevisionKind.BOOSTER,
        summary=f"Booster booked for {at}.",
        reason=" ".join(why)[:300],  # it stands whole in ``before``
        by=by,
        now=now,
        before={"tasks": [{"key": task.key, "facts": task.facts} for task in tasks]},
        after={"infusions": placed_facts([placed])},
    )
    end_tasks(
        TaskKind.BOOSTER, course_id=course.pk, text=f"Booster booked for {at}.", by=by, now=now, revision=revision
    )


def ask_for_booster(course_id: int, *, by_whom: str, reason: str, by: User, now: datetime) -> tuple[Task, bool]:
    """The patient's request, or a clinician's judgement, waits as a task with its reason; true when it is a new one.

    Asked twice it waits once: what is open already is given back as it is.

    Args:
        by_whom: ``BY_PATIENT`` or ``BY_CLINICIAN``.

    Raises:
        PermissionDenied: the person works on no tasks, or judges without being a prescriber.
        BoosterRefusedError: no reason, or the course is closed.
    """
    if by_whom == BY_CLINICIAN:
        _demand(by, Can.DECIDE_COURSE, "Only a prescriber judges that a booster is needed.")
    _demand(by, Can.WORK_TASKS, "Your role does not include this.")
    reason = reason.replace("\x00", "").strip()[:300]
    if not reason:
        raise BoosterRefusedError("Say why: it stays with the booster as “why now”.")
    with recorded(by=by, now=now):
        course = Course.objects.select_related("location").get(pk=course_id)
        Patient.objects.select_for_update(no_key=True).get(pk=course.patient_id)
        course.refresh_from_db(fields=["status"])
        if course.status not in OPEN_COURSE_STATUSES:
            raise BoosterRefusedError("This course is closed. What follows is planned as a new course.")
        waiting = next((one for one in open_tasks(course_id) if one.facts.get("by") == by_whom), None)
        if waiting is not None:
            return waiting, False
        today = course.location.local(now).date()
        who = "The patient asked" if by_whom == BY_PATIENT else f"{by.display_name} judged"
        task = Task.objects.create(
            kind=TaskKind.BOOSTER,
            key=f"booster:{course.pk}:asked:{uuid4()}",
            patient_id=course.patient_id,
            location_id=course.location_id,
            course=course,
            text=TEXT,
            facts={"by": by_whom, "why": [f"{who} on {say_day(today)}: {reason}"], "readings": []},
            due_on=today,
            opened_at=now,
        )
        return task, True


def decline_booster(course_id: int, task_id: int, *, reason: str, by: User, now: datetime) -> Task:
    """No booster for now; the task is set aside with the reason, and the same scores do not ask again.

    Raises:
        PermissionDenied: the person does not decide about courses.
        Task.DoesNotExist: the course has no such task.
        courses.services.worklists.engine.TaskRefusedError: no reason, or it is over already.
    """
    _demand(by, Can.DECIDE_COURSE, "Only a prescriber declines a booster.")
    with recorded(by=by, now=now):
        Task.objects.get(pk=task_id, course=course_id, kind=TaskKind.BOOSTER)
        return end_task(task_id, how=TaskEnd.DECLINED, text=reason, by=by, now=now)


def _demand(by: User, capability: Can, said: str) -> None:
    if not by.can(capability):
        raise PermissionDenied(said)
