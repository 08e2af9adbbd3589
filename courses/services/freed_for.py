"""For whom a freed time would be better, the one to be asked first in front.

Who is asked first is said by ``courses.pure.offers``; whether the time is legal for somebody by the judge, through the
same preview that a move by hand shows. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    Case,
    Exists,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import JSONObject

from clinic.services.freetime import Calendar, calendars
from courses.models import (
    CourseStatus,
    FreedSlot,
    Infusion,
    InfusionStatus,
    OfferState,
    Phase,
    RevisionKind,
    WaitingEntry,
)
from courses.planning.clock import minute_of
from courses.planning.dates import gap_days
from courses.planning.rules import gap_limits
from courses.planning.types import Placed
from courses.planning.words import say_minute
from courses.pure.offers import Gap, Ranked, Standing, Wait, rank
from courses.services.freed import Freed
from courses.services.moves import Mode, MoveDesk, Target
from courses.services.planning_input import Team, build_instance, team_at
from courses.services.series_changes import Preview, PreviewRow, preview
from courses.services.series_state import PHASES, Row, Series, series_of
from patients.models import PatientStatus, Phone

READ = 150
"""[D] So many series are looked at by their dates."""
JUDGED = 30
"""[D] So many patients are judged on the calendar, those whom it would help most."""
SHOWN = 10
"""[D] So many are shown."""
OWED = (InfusionStatus.MISSED, InfusionStatus.WITHHELD, InfusionStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patient for whom the time is legal and better, with the preview that would book it."""

    ranked: Ranked
    series: Series
    row: Row
    offer: Preview
    phones: tuple[str, ...]

    @property
    def patient_id(self) -> int:
        return self.series.patient.pk

    @property
    def standing(self) -> Standing:
        return self.ranked.standing

    @property
    def hours(self) -> str:
        """The hours that the series was planned for, where the freed time is outside them: "until 12:00"."""
        wishes = self.series.settings.wishes
        first, last = wishes.earliest_min, wishes.latest_min
        if self.standing.in_hours:
            return ""
        if first is None or last is None:
            return f"from {say_minute(first)}" if first is not None else f"until {say_minute(last or 0)}"
        return f"{say_minute(first)} to {say_minute(last)}"

    @property
    def gaps(self) -> tuple[PreviewRow, ...]:
        """The gap before the infusion and the one after it, as they were and as they would be."""
        numbers = [row.number for row in self.offer.rows if row.number >= self.row.number and row.becomes is not None]
        return tuple(row for row in self.offer.rows if row.number in numbers[:2] and row.gap is not None)


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody on the waiting list of the location, and whether the freed time suits what they said."""

    entry: WaitingEntry
    suits: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a freed time would help, and who waits for an earlier one."""

    candidates: tuple[Candidate, ...] = ()
    waiting: tuple[Waiter, ...] = ()

    @property
    def is_cut(self) -> bool:
        """There may be more: nobody was judged after so many."""
        return len(self.candidates) >= SHOWN


def candidates_for(freed: Freed, *, now: datetime) -> Found:
    """For whom the freed time is legal and better, the one to be asked first in front; nine queries.

    Left out: whoever gave this time up, declined it, or cannot come then, and pencilled or interrupted courses. Hours
    wished when the series was planned only put somebody further back in their group, as in every move by hand. A visit
    later on the same day is not moved: its gaps would stay as they are.
    """
    slot, place = freed.slot, freed.slot.location
    not_asked = {slot.booking.subject_id}
    declined = {one.patient_id for one in freed.asked if one.state in (OfferState.DECLINED, OfferState.ACCEPTED)}
    phases: dict[int, Any] = {}
    found: dict[int, tuple[Series, Row]] = {}
    standings: list[Standing] = []
    waiters: dict[int, Waiter] = {}
    phase: Any  # with what is read along
    for phase in _phases(slot, freed.local.date()):
        series = series_of(phase, before=phase.before_day)
        entries = [_entry(plain, series) for plain in phase.waits]
        wait = next((fits for entry in entries if (fits := _wait(entry, freed, now)) is not None), None)
        waiters |= {entry.course_id: Waiter(entry, wait is not None) for entry in entries}
        if series.patient.resource_id in not_asked or series.patient.pk in declined:
            continue
        for row in _rows(series, freed.local.date()):
            phases[row.infusion.pk] = phase
            found[row.infusion.pk] = (series, row)
            standings.append(_standing(series, row, freed.local, wait))
    ranked = rank(standings)[:JUDGED]
    waiting = tuple(sorted(waiters.values(), key=lambda one: (not one.suits, one.entry.opened_at)))
    if not ranked:
        return Found(waiting=waiting)
    team = team_at(place)
    people = [found[one.standing.infusion_id][0].patient.resource for one in ranked]
    calendar = calendars([place], freed.local.date(), freed.local.date(), known=[*team.everything, *people])[0]
    legal: list[Candidate] = []
    for one in ranked:
        series, row = found[one.standing.infusion_id]
        offer = _judge(freed, series, row, team=team, calendar=calendar, now=now)
        if offer is not None:
            numbers = tuple(phases[row.infusion.pk].numbers)
            legal.append(Candidate(one, series, row, offer, numbers))
        if len(legal) == SHOWN:
            break
    return Found(tuple(legal), waiting)


def _phases(slot: FreedSlot, day: date) -> QuerySet[Phase]:
    """The running series at the location that have something without a time, or something after the freed day."""
    mine = Infusion.objects.filter(phase=OuterRef("pk"))
    owed = Exists(mine.filter(status__in=OWED))
    later = mine.filter(status=InfusionStatus.BOOKED, day__gt=day).order_by().values("phase")
    earlier = Infusion.objects.filter(
        phase__course=OuterRef("course"),
        phase__position__lt=OuterRef("position"),
        status__in=[InfusionStatus.BOOKED, InfusionStatus.GIVEN, InfusionStatus.PLANNED],
    )
    waits = WaitingEntry.objects.filter(course=OuterRef("course"), closed_at__isnull=True)
    facts = JSONObject(
        weekdays="weekdays", start="from_time", end="to_time", notice="notice_hours", opened_at="opened_at"
    )
    phones = Phone.objects.filter(patient=OuterRef("course__patient")).order_by("-is_primary", "pk")
    return (
        PHASES.filter(
            course__location=slot.location,
            course__status__in=[CourseStatus.PLANNED, CourseStatus.ACTIVE],
            course__pencilled_until__isnull=True,
        )
        .exclude(course__patient__status=PatientStatus.DECEASED)
        .annotate(
            is_owed=owed,
            next_day=Subquery(later.annotate(first=Min("day")).values("first")),
            before_day=Subquery(earlier.order_by().values("phase__course").annotate(last=Max("day")).values("last")),
            waits=ArraySubquery(waits.values(json=facts)),
            numbers=ArraySubquery(phones.values("number")),
        )
        .filter(Q(is_owed=True) | Q(next_day__isnull=False))
        .annotate(
            group=Case(When(is_owed=True, then=Value(0)), When(waits__len__gt=0, then=Value(1)), default=Value(2))
        )
        .order_by("group", "next_day", "pk")[:READ]
    )


def _in_hours(series: Series, local: datetime) -> bool:
    """Whether a start then is inside the hours that the series was planned for."""
    wishes, minute = series.settings.wishes, local.hour * 60 + local.minute
    return (wishes.earliest_min or 0) <= minute and (wishes.latest_min is None or minute <= wishes.latest_min)


def _rows(series: Series, day: date) -> list[Row]:
    """The infusions of a series that the time could be for: the first owed, the next one booked later, and the last.

    Whoever let a visit of that very day go is not asked to come on it after all.
    """
    owed = [row for row in series.rows if row.infusion.status in OWED][:1]
    owed = [row for row in owed if series.missed_on(row.number) != day]
    later = [row for row in series.booked if row.placed is not None and row.placed.day > day]
    return [*owed, *dict.fromkeys([*later[:1], *later[-1:]])]


def _entry(plain: Mapping[str, Any], series: Series) -> WaitingEntry:
    """A row of the waiting list, as it came with the series."""
    return WaitingEntry(
        patient=series.patient,
        course=series.course,
        weekdays=plain["weekdays"] or [],
        from_time=_time(plain["start"]),
        to_time=_time(plain["end"]),
        notice_hours=plain["notice"],
        opened_at=datetime.fromisoformat(plain["opened_at"]),
    )


def _wait(entry: WaitingEntry, freed: Freed, now: datetime) -> Wait | None:
    """What the entry says, where the freed time suits it."""
    local, ahead = freed.local, (freed.slot.start - now) / timedelta(hours=1)
    wait = Wait(
        since=freed.slot.location.local(entry.opened_at).date(),
        weekdays=frozenset(entry.weekdays),
        from_min=minute_of(entry.from_time),
        to_min=minute_of(entry.to_time),
        notice_hours=entry.notice_hours,
    )
    return wait if wait.fits(local.date(), local.hour * 60 + local.minute, ahead) else None


def _time(plain: str | None) -> time | None:
    return time.fromisoformat(plain) if plain else None


def _standing(series: Series, row: Row, local: datetime, wait: Wait | None) -> Standing:
    number, placed, to = row.number, row.placed, local.date()
    now = {one.number: one for one in series.plan}
    then = now | {number: Placed(number, to)}
    return Standing(
        patient_id=series.patient.pk,
        infusion_id=row.infusion.pk,
        number=number,
        of=series.settings.n,
        to=to,
        day=placed.day if placed is not None else None,
        before=_gap_into(series, number, now) if placed is not None else None,
        before_then=_gap_into(series, number, then),
        after_then=_gap_after(series, number, then),
        ends=max((one.day for one in now.values()), default=None),
        ends_then=max(one.day for one in then.values()),
        owed_since=series.missed_on(number) if placed is None else None,
        wait=wait,
        in_hours=_in_hours(series, local) or (wait is not None and wait.says_hours),
    )


def _gap_into(series: Series, number: int, placed: Mapping[int, Placed]) -> Gap | None:
    earlier = max((one for one in placed if one < number), default=0)
    day = placed[earlier].day if earlier else series.before
    if day is None or (not earlier and series.rule.entry is None):
        return None
    return Gap(gap_days(day, placed[number].day), *gap_limits(earlier, number, series.rule))


def _gap_after(series: Series, number: int, placed: Mapping[int, Placed]) -> Gap | None:
    later = min((one for one in placed if one > number), default=None)
    if later is None:
        return None
    days = gap_days(placed[number].day, placed[later].day)
    return Gap(days, *gap_limits(number, later, series.rule))


def _judge(freed: Freed, series: Series, row: Row, *, team: Team, calendar: Calendar, now: datetime) -> Preview | None:
    """The preview that moves the infusion to the freed time, where nothing speaks against it."""
    day, minute = freed.local.date(), freed.local.hour * 60 + freed.local.minute
    instance = build_instance(
        replace(series.question, not_before=series.today(now)),
        patient=series.patient,
        now=now,
        location=freed.slot.location,
        team=team,
        calendar=calendar,
        away=series.away,
        fixed={one.number: one for one in series.plan if one.number != row.number},
        before=series.before,
        days={day},
    )
    desk = MoveDesk(series, row, Mode.ONLY, instance, team)
    offer = desk.preview(Target(day, minute, chair_id=freed.slot.chair_id))
    if not offer.is_possible or offer.breaches:
        return None
    return preview(replace(offer.proposed, kind=RevisionKind.OFFERED), instance)
