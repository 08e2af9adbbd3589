"""From rows to the planner's question, and from its answer to booking requests. Nothing is written here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
from django.db.models import Exists, Max, OuterRef, Q

from clinic.models import (
    AllocationRole,
    BookingKind,
    ExceptionKind,
    Location,
    Resource,
    ResourceKind,
    Shift,
    ShiftException,
)
from clinic.models.bookings import ATTENTION_LANE
from clinic.pure.roles import Role
from clinic.services.bookings import Claim, Wanted
from clinic.services.freetime import Calendar, Need
from courses.models import Course, Infusion, InfusionStatus, Phase, PhaseKind, ProtocolVersion
from courses.models.protocols import StepFields
from courses.planning.clock import minute_of
from courses.planning.dates import NoOpenDayError, reference_dates
from courses.planning.protocols import FirstGap, Step
from courses.planning.settings import PlanSettings
from courses.planning.types import BoolArray, FreeStarts, Instance, Placed, SeriesRule, VisitShape, Wishes
from patients.models import Patient, Unavailability

ROOM_TO_MOVE_DAYS = 21  # the calendar is read this far beyond the last reference date
SLOW_GAP_DAYS = 14  # from this rhythm on only the days around each reference date are read
AROUND_DAYS = 7
FARTHEST_DAYS = 400


# -- settings -------------------------------------------------------------------------------------------------------


def settings_from_version(version: ProtocolVersion, *, location: Location, not_before: date) -> PlanSettings:
    """The settings of a protocol version as it stands, for a first infusion on or after ``not_before``."""
    return PlanSettings(
        protocol_version_id=version.pk,
        location_id=location.pk,
        n=version.n_default,
        steps=tuple(step_of(row) for row in version.steps.all()),
        shape=shape_of(version),
        clinician_min=version.clinician_min,
        attention_min=version.attention_min,
        not_before=not_before,
        span_warn_days=version.span_warn_days,
        continues=version.protocol.phase_kind != PhaseKind.INITIAL,
    )


def settings_from_phase(phase: Phase) -> PlanSettings:
    """The settings under which a phase of a running course is planned now, with what was adapted for the patient."""
    version = phase.protocol_version
    return PlanSettings(
        protocol_version_id=version.pk,
        location_id=phase.course.location_id,
        n=phase.n_planned,
        steps=tuple(step_of(row) for row in phase.steps.all()),
        shape=shape_of(phase),
        clinician_min=version.clinician_min,
        attention_min=version.attention_min,
        not_before=phase.not_before or phase.course.created_at.date(),
        wishes=Wishes(
            earliest_min=minute_of(phase.earliest_start),
            latest_min=minute_of(phase.latest_start),
            preferred_min=minute_of(phase.preferred_start),
            clinician_id=phase.preferred_clinician_id,
            nurse_id=phase.preferred_nurse_id,
            chair_id=phase.preferred_chair_id,
        ),
        span_warn_days=version.span_warn_days,
        continues=phase.kind != PhaseKind.INITIAL,
    )


def step_of(row: StepFields) -> Step:
    """A stored step as the planner knows it."""
    return Step(
        count=row.count,
        min_gap_days=row.min_gap_days,
        max_gap_days=row.max_gap_days,
        weekdays=frozenset(row.weekdays),
        target_gap_days=row.target_gap_days,
        first_gap=FirstGap(row.first_gap),
    )


def shape_of(row: ProtocolVersion | Phase) -> VisitShape:
    """The minutes of one visit of a protocol version or a phase."""
    return VisitShape(row.preparation_min, row.infusion_min, row.observation_min, row.turnaround_min)


# -- the question ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Team:
    """Who and what can take part at a location, in the order in which the clinic shows them."""

    chairs: tuple[Resource, ...]
    nurses: tuple[Resource, ...]
    clinicians: tuple[Resource, ...]

    @property
    def everything(self) -> tuple[Resource, ...]:
        return (*self.chairs, *self.nurses, *self.clinicians)

    def names(self) -> dict[int, str]:
        """Resource id -> name."""
        return {one.pk: one.name for one in self.everything}


def team_at(location: Location) -> Team:
    """The active chairs of a location and everybody who has shifts or extra work there, in one query.

    Whoever works only elsewhere is left out: their calendar would be read for nothing.
    """
    mine = {"user": OuterRef("user__pk"), "location": location}
    works_here = Exists(Shift.objects.filter(**mine)) | Exists(
        ShiftException.objects.filter(**mine, kind=ExceptionKind.EXTRA)
    )
    chairs_here = Q(kind=ResourceKind.CHAIR, location=location)
    staff_here = Q(works_here, kind=ResourceKind.PERSON, user__is_active=True)
    rows = list(
        Resource.objects.filter(chairs_here | staff_here, is_active=True)
        .select_related("user")
        .order_by("kind", "position", "name")
    )
    people = [one for one in rows if one.kind == ResourceKind.PERSON]

    def with_role(role: Role) -> tuple[Resource, ...]:
        return tuple(one for one in people if role.value in one.user.roles)

    chairs = tuple(one for one in rows if one.kind == ResourceKind.CHAIR)
    return Team(chairs, with_role(Role.NURSE), with_role(Role.CLINICIAN))


def build_instance(
    settings: PlanSettings,
    *,
    patient: Patient,
    now: datetime,
    location: Location | None = None,
    team: Team | None = None,
    calendar: Calendar | None = None,
    away: Sequence[Unavailability] | None = None,
    fixed: Mapping[int, Placed] | None = None,
    missed: Mapping[int, date] | None = None,
    ignoring: Collection[int] = frozenset(),
    before: date | None = None,
    days: Collection[date] | None = None,
    horizon_days: int | None = None,
) -> Instance:
    """The planner's question, with the calendar of the location read once.

    Args:
        settings: what is asked for.
        patient: whose own bookings and unavailable times are taken out.
        now: nothing may start before it.
        location, team, calendar, away: where they are known already; else they are read.
        fixed: number -> infusion given, or booked and to be kept.
        missed: number -> latest date on which it was missed or held.
        ignoring: booking ids that the question may move; they count as free.
        before: the last infusion of an earlier phase.
        days: reads only these days, to judge a plan that stands.
        horizon_days: reads exactly so many days from the first on, instead of what the series can need.
    """
    place = location or Location.objects.get(pk=settings.location_id)
    crew = team or team_at(place)
    fixed, missed = dict(fixed or {}), dict(missed or {})
    start = max(settings.not_before, place.local(now).date())
    rule = settings.rule
    last = start + timedelta(days=(horizon_days or _longest_days(rule, start, fixed, before)) - 1)
    if days is not None:
        last = max(start, *days)
    book = calendar or Calendar(place, known=(*crew.everything, patient.resource))
    is_open = book.open_days(start, last)
    if days is None and horizon_days is None:
        wanted = _days_that_matter(rule, start, is_open, fixed=fixed, missed=missed, before=before)
    else:
        wanted = set(is_open if days is None else days)
    read = tuple(sorted(is_open & wanted))
    if away is None:
        away = list(Unavailability.objects.filter(patient=patient, first_day__lte=last, last_day__gte=start))
    free = _free_starts(settings, book, crew, patient, days=read, is_open=is_open, ignoring=ignoring)
    _take_out(free, place, now, away, settings.shape.patient_min)
    unavailable = settings.wishes.unavailable | _whole_days(away, start, last)
    return Instance(
        rule=rule,
        not_before=start,
        free=free,
        wishes=replace(settings.wishes, unavailable=unavailable),
        fixed=fixed,
        before=before,
        missed=missed,
    )


def _longest_days(rule: SeriesRule, start: date, fixed: Mapping[int, Placed], before: date | None) -> int:
    """A bound on the days within which the series ends, closures and all."""
    total = sum(gap.max_days for gap in rule.gaps) + ROOM_TO_MOVE_DAYS * 2
    if before is not None and rule.entry is not None:
        # A booster may follow up to a year later; the usual distance says where it is looked for.
        usual = before + timedelta(days=rule.entry.target_days or rule.entry.min_days)
        total += max(0, (usual - start).days)
    total += max([0, *((one.day - start).days for one in fixed.values())])
    return min(FARTHEST_DAYS, total)


def _days_that_matter(
    rule: SeriesRule,
    start: date,
    is_open: frozenset[date],
    *,
    fixed: Mapping[int, Placed],
    missed: Mapping[int, date],
    before: date | None,
) -> set[date]:
    """Up to three weeks beyond the reference dates; only the days around them where they are far apart."""
    done = {number: one.day for number, one in fixed.items()}
    try:
        reference = reference_dates(rule, start, is_open.__contains__, done, missed, before)
    except NoOpenDayError:
        return set(is_open)
    wanted: set[date] = set()
    previous = start
    for one in reference:
        gap = rule.into(one.number)
        is_slow = gap is not None and gap.max_days > SLOW_GAP_DAYS and one.number not in missed
        wanted.update(_range(one.day - timedelta(days=AROUND_DAYS) if is_slow else previous, one.day))
        wanted.update(_range(one.day, one.day + timedelta(days=AROUND_DAYS)))
        previous = one.day
    wanted.update(_range(previous, previous + timedelta(days=ROOM_TO_MOVE_DAYS)))
    return wanted


def _range(first: date, last: date) -> Iterable[date]:
    return (date.fromordinal(ordinal) for ordinal in range(first.toordinal(), last.toordinal() + 1))


def _free_starts(
    settings: PlanSettings,
    calendar: Calendar,
    team: Team,
    patient: Patient,
    *,
    days: tuple[date, ...],
    is_open: frozenset[date],
    ignoring: Collection[int],
) -> FreeStarts:
    """Who and what is free when, read in one go."""
    shape = settings.shape
    chairs, nurses = tuple(one.pk for one in team.chairs), tuple(one.pk for one in team.nurses)
    clinicians = tuple(one.pk for one in team.clinicians) if settings.clinician_min else ()
    minutes = calendar.starts_minutes(days)
    needs = [
        Need((patient.resource_id,), 0, shape.patient_min),
        Need(chairs, 0, shape.chair_min),
        Need(nurses, 0, shape.patient_min),
    ]
    if settings.attention_min:
        needs.append(Need(nurses, 0, settings.attention_min, attention=True))
    if clinicians:
        needs.append(Need(clinicians, 0, settings.clinician_min))
    found = calendar.free_matrix(days, minutes, needs, ignoring=ignoring)
    own, free_chairs, free_nurses, *others = found
    if settings.attention_min:
        free_nurses = free_nurses & others.pop(0)
    empty = np.zeros((len(days), len(minutes), 0), dtype=bool)
    return FreeStarts(
        days=days,
        minutes=minutes,
        chair_ids=chairs,
        nurse_ids=nurses,
        clinician_ids=clinicians,
        chairs=free_chairs & own,
        nurses=free_nurses,
        clinicians=others[0] if clinicians else empty,
        load=calendar.load(days, minutes),
        open_days=is_open,
    )


def _take_out(
    free: FreeStarts, place: Location, now: datetime, away: Sequence[Unavailability], patient_min: int
) -> None:
    """What is past, and the parts of days on which the patient cannot come, is not free any more."""
    minutes = np.asarray(free.minutes, dtype=np.int64)
    local = place.local(now)
    for index, day in enumerate(free.days):
        if day == local.date():
            free.chairs[index, minutes <= local.hour * 60 + local.minute] = False
        for one in away:
            if one.from_time is not None and one.until_time is not None and one.first_day <= day <= one.last_day:
                free.chairs[index, overlapping(minutes, patient_min, one.from_time, one.until_time)] = False


def overlapping(starts: npt.NDArray[np.int64], patient_min: int, from_time: time, until_time: time) -> BoolArray:
    """Which starts would keep the patient at the clinic within the two clock times."""
    first, last = minute_of(from_time) or 0, minute_of(until_time) or 0
    found: BoolArray = (starts < last) & (starts + patient_min > first)
    return found


def _whole_days(away: Sequence[Unavailability], first: date, last: date) -> frozenset[date]:
    return frozenset(
        day
        for one in away
        if one.from_time is None
        for day in _range(max(one.first_day, first), min(one.last_day, last))
    )


def last_day_before(course: Course, position: int | None = None) -> date | None:
    """The last day on which an infusion of the course's earlier phases is booked or was given."""
    earlier = Infusion.objects.filter(
        phase__course=course, status__in=[InfusionStatus.BOOKED, InfusionStatus.GIVEN, InfusionStatus.PLANNED]
    )
    if position is not None:
        earlier = earlier.filter(phase__position__lt=position)
    found: date | None = earlier.aggregate(last=Max("day"))["last"]
    return found


# -- the request ----------------------------------------------------------------------------------------------------


def claims_for(settings: PlanSettings, placed: Placed, *, patient: Patient, location: Location) -> Wanted:
    """The booking request for one placed infusion: the one place that knows what a visit takes, and for how long.

    Raises:
        ValueError: the infusion has no start, chair or nurse.
    """
    if placed.start_min is None or placed.chair_id is None or placed.nurse_id is None:
        raise ValueError(f"infusion {placed.number} has no time, chair or nurse yet")
    start = location.at(placed.day, time(placed.start_min // 60, placed.start_min % 60))

    def claim(resource_id: int, role: AllocationRole, minutes: int, lane: int | None = None) -> Claim:
        return Claim(resource_id, role, start, start + timedelta(minutes=minutes), lane)

    shape = settings.shape
    claims = [
        claim(patient.resource_id, AllocationRole.PATIENT, shape.patient_min),
        claim(placed.chair_id, AllocationRole.STATION, shape.chair_min),
        claim(placed.nurse_id, AllocationRole.NURSE, shape.patient_min),
    ]
    if settings.attention_min:
        claims.append(claim(placed.nurse_id, AllocationRole.ATTENTION, settings.attention_min, ATTENTION_LANE))
    if settings.clinician_min and placed.clinician_id is not None and placed.clinician_id != placed.nurse_id:
        claims.append(claim(placed.clinician_id, AllocationRole.CLINICIAN, settings.clinician_min))
    return Wanted(
        kind=BookingKind.INFUSION,
        location_id=location.pk,
        start=start,
        end=start + timedelta(minutes=shape.chair_min),
        claims=tuple(claims),
        subject_id=patient.resource_id,
    )
