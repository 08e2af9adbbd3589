"""The chair board: what happens on every chair of a location at this moment, read at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Count, Max, Sum

from clinic.models import Booking, BookingKind, BookingStatus, Location, Resource
from clinic.models.bookings import UPCOMING_STATUSES
from courses.models import AdverseOutcome, AlarmAct, FlowsheetRow, GateSeverity, InfusionDaySettings, LimitAlarm
from courses.pure.adverse import said_effects
from courses.pure.flowsheet import began_at
from courses.pure.flowsheet import is_late as is_late_by
from courses.pure.phases import PHASE_LABELS, DayPhase, phase_of
from courses.services.day import VisitCard, day_span, visits_between
from courses.services.flowsheet import due_of
from courses.services.infusion_desk import CHILDREN, Desk, read_children
from courses.services.leaving import leaving_of
from patients.models import Allergy, IntakeSettings
from patients.pure.background import BackgroundKind, says_none
from patients.pure.pressure import Judgement, Verdict, judge_pressure
from patients.pure.pressure import profile_of as start_profile_of

HERE = (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING)
ON_THE_DAY = (*HERE, BookingStatus.DONE)
GRAVE = (AlarmAct.STOP, AlarmAct.PAUSE, AlarmAct.URGENT)
"""Alarms that ask for an act now; ``notify`` is shown on the infusion's page only."""


class Level(StrEnum):
    DANGER = "danger"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Flag:
    """Something about a patient that somebody at the chair has to know. ``plain`` says it without clinical values."""

    code: str
    icon: str
    text: str
    plain: str
    level: Level


@dataclass(frozen=True, slots=True)
class Clock:
    """A length of time that goes on: up from ``since``, down to ``until``, or standing still at ``length``."""

    label: str
    length: timedelta
    since: datetime | None = None
    until: datetime | None = None
    plus: timedelta = timedelta()  # what had run before ``since``
    is_over: bool = False  # it counts down and has passed zero

    @property
    def plus_ms(self) -> int:
        return self.plus // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The large clock, the small ones, and the one that the ring goes on with over a whole."""

    main: Clock
    more: tuple[Clock, ...] = ()
    share: Clock | None = None
    whole: timedelta = timedelta()

    @property
    def percent(self) -> int:
        """How much of the stretch is over, for the ring: 0 to 100."""
        if self.share is None or not self.whole:
            return 0
        return max(0, min(100, int(100 * (self.share.length / self.whole))))

    @property
    def whole_ms(self) -> int:
        return self.whole // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Pressure:
    """The last blood pressure, and how far its systolic value is from the baseline (mmHg)."""

    systolic_mmhg: int
    diastolic_mmhg: int
    change_mmhg: int | None

    @property
    def said(self) -> str:
        return f"{self.systolic_mmhg}/{self.diastolic_mmhg}"

    @property
    def change(self) -> str:
        return "" if self.change_mmhg is None else f"{self.change_mmhg:+d}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Hold:
    """A pressure before the start that the profile does not let pass, and nobody has decided about it."""

    row: FlowsheetRow
    judgement: Judgement

    @property
    def is_hard(self) -> bool:
        return self.judgement.verdict is Verdict.HARD


@dataclass(frozen=True, slots=True)
class Seat:
    """One patient on the board."""

    card: VisitCard
    phase: DayPhase
    clocks: Clocks
    due: datetime | None = None
    is_late: bool = False
    grace_min: int = 0
    needs_baseline: bool = False
    pressure: Pressure | None = None
    flags: tuple[Flag, ...] = ()
    dose: str = ""

    @property
    def label(self) -> str:
        return PHASE_LABELS[self.phase]

    @property
    def initials(self) -> str:
        return self.card.patient.initials if self.card.patient else ""


@dataclass(frozen=True, slots=True)
class Chair:
    """One chair: who is on it, or until when it is free and for whom."""

    pk: int
    name: str
    seat: Seat | None
    next: VisitCard | None
    busy_with: str = ""  # blocked time, or a visit that is no infusion
    busy_until: datetime | None = None
    next_is_late: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    chairs: tuple[Chair, ...]
    waiting: tuple[Seat, ...]
    now: datetime

    @property
    def size(self) -> str:
        """How large the cards of a wall screen may be."""
        steps = ((4, "few"), (6, "some"), (9, "many"))
        return next((word for most, word in steps if len(self.chairs) <= most), "crowd")


def board_stamp(location: Location, now: datetime) -> str:
    """Changes with every step of a visit, every entry of a record, and every minute. One query."""
    start, end = day_span(location, location.local(now).date())
    facts = (
        Booking.objects.filter(location=location)
        .overlapping(start, end)
        .aggregate(
            n=Count("pk"),
            ids=Sum("pk"),
            versions=Sum("version"),
            records=Sum("infusion_visit__record__version"),
            latest=Max("infusion_visit__record__pk"),
        )
    )
    return ".".join(str(one or 0) for one in (location.pk, int(now.timestamp()) // 60, *facts.values()))


def desks_of(
    cards: Iterable[VisitCard], *, now: datetime, children: Mapping[int, dict[str, tuple[object, ...]]] | None = None
) -> dict[int, Desk]:
    """The infusion day of everybody who has arrived, by booking; one query. The cards were read ``with_day``.

    Args:
        children: the rows of the records where the caller has read them already.
    """
    here = [
        card.booking
        for card in cards
        if card.kind is BookingKind.INFUSION and card.status in ON_THE_DAY and card.booking is not None
    ]
    records = {booking.pk: getattr(booking.infusion_visit, "record", None) for booking in here}
    if children is None:
        children = read_children(record.pk for record in records.values() if record)
    return {
        booking.pk: Desk(
            booking=booking,
            visit=booking.infusion_visit,
            record=record,
            day_settings=_settings(booking, "day_settings"),
            intake_settings=_settings(booking, "intake_settings"),
            now=now,
            children=children[record.pk] if record else dict.fromkeys(CHILDREN, ()),
            people={},
        )
        for booking in here
        for record in (records[booking.pk],)
    }


def _settings(booking: Booking, name: str) -> Any:  # noqa: ANN401 (one of two models)
    found = getattr(booking.location, name, None)
    return found or {"day_settings": InfusionDaySettings, "intake_settings": IntakeSettings}[name](
        location=booking.location
    )


def read_board(location: Location, *, now: datetime) -> Board:
    """Every chair of the location and everybody who waits, in five queries however many there are."""
    start, end = day_span(location, location.local(now).date())
    cards = visits_between(location, start, end, with_day=True)
    desks = desks_of(cards, now=now)
    allergies = _allergies([desk.patient.pk for desk in desks.values() if desk.booking.status in HERE])
    seats = {pk: seat_of(card, desks[pk], allergies) for card in cards for pk in [card.booking_id] if pk in desks}
    chairs = tuple(_chair(chair, cards, seats, now) for chair in Resource.objects.chairs(location))
    waiting = tuple(seat for seat in seats.values() if seat.card.status is BookingStatus.ARRIVED)
    return Board(chairs, waiting, now)


def _allergies(patient_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    rows = Allergy.objects.filter(patient__in=patient_ids, ended_on__isnull=True).order_by("patient", "pk")
    for patient_id, text in rows.values_list("patient_id", "description"):
        if not says_none(BackgroundKind.ALLERGY, text):
            found[patient_id] = (*found.get(patient_id, ()), text)
    return found


def _chair(chair: Resource, cards: Sequence[VisitCard], seats: Mapping[int, Seat], now: datetime) -> Chair:
    """Who is on the chair: somebody treated before somebody who has only arrived, before the time to clean it."""
    mine = [card for card in cards if any(one.resource_id == chair.pk for one in card.taken)]
    order = {DayPhase.TURNAROUND: 2, DayPhase.ARRIVED: 1}
    there = [
        seats[card.booking_id]
        for card in mine
        if card.booking_id in seats and seats[card.booking_id].phase not in (DayPhase.OVER, DayPhase.EXPECTED)
    ]
    there.sort(key=lambda seat: (order.get(seat.phase, 0), seat.card.start))
    seat = there[0] if there else None
    busy = next((card for card in mine if _is_other(card, now)), None)
    taken = {seat.card.booking_id} if seat else set()
    coming = [card for card in mine if card.status in UPCOMING_STATUSES and now < card.end and card is not busy]
    waiting = [card for card in mine if card.status is BookingStatus.ARRIVED and card.booking_id not in taken]
    following = next((card for card in sorted([*waiting, *coming], key=lambda card: card.start)), None)
    return Chair(
        pk=chair.pk,
        name=chair.name,
        seat=seat,
        next=following,
        busy_with=busy.who if busy and seat is None else "",
        busy_until=busy.end if busy and seat is None else None,
        next_is_late=following is not None and following.start < now and following.status in UPCOMING_STATUSES,
    )


def _is_other(card: VisitCard, now: datetime) -> bool:
    """Blocked time that is now, or somebody who is here for something else than an infusion."""
    if card.kind is BookingKind.BLOCK:
        return card.start <= now < card.end
    return card.kind is BookingKind.CONSULTATION and card.status in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR)


# -- one patient -------------------------------------------------------------------------------------------------------


def seat_of(card: VisitCard, desk: Desk, allergies: Mapping[int, tuple[str, ...]]) -> Seat:
    """One patient as the board shows them; no queries."""
    leaving = leaving_of(desk)
    phase = phase_of(
        desk.booking.status, desk.run, chair_until=desk.booking.end, now=desk.now, is_ready=leaving.is_ready
    )
    clocks = _clocks(desk, phase, leaving.earliest)
    began = began_at(desk.run) is not None
    due = due_of(desk) if began and phase in WATCHED else None
    return Seat(
        card=card,
        phase=phase,
        clocks=clocks,
        due=due,
        is_late=is_late_by(due, now=desk.now, grace_min=desk.day_settings.late_grace_min),
        grace_min=desk.day_settings.late_grace_min,
        needs_baseline=phase is DayPhase.PREPARING and desk.baseline is None,
        pressure=_pressure(desk),
        flags=tuple(_flags(desk, phase, allergies.get(desk.patient.pk, ()))),
        dose=f"{desk.order.dose_mg} mg" if desk.order else "",
    )


WATCHED = (DayPhase.INFUSING, DayPhase.PAUSED, DayPhase.OBSERVING, DayPhase.READY)


def _clocks(desk: Desk, phase: DayPhase, earliest: datetime | None) -> Clocks:
    now, booking = desk.now, desk.booking
    if phase in (DayPhase.INFUSING, DayPhase.PAUSED):
        return _while_infusing(desk)
    if phase in (DayPhase.OBSERVING, DayPhase.READY):
        return _while_observing(desk, earliest, is_ready=phase is DayPhase.READY)
    if phase is DayPhase.TURNAROUND:
        gone = _up("since they left", booking.left_at, now)
        whole = booking.end - (booking.left_at or booking.end)
        return Clocks(_down("until free", booking.end, now), (gone,), gone, whole)
    if phase is DayPhase.PREPARING:
        planned = booking.start + timedelta(minutes=desk.visit.preparation_min)
        return Clocks(_up("in the chair", booking.started_at, now), (_down("to the start", planned, now),))
    return Clocks(_up("waiting", booking.arrived_at, now))


def _while_infusing(desk: Desk) -> Clocks:
    now, run = desk.now, desk.run
    planned, left = timedelta(minutes=run.planned_min), run.remaining(now)
    ran = Clock("infused", run.run_for(now), since=run.running_since, plus=run.ran)
    if run.is_paused:
        standing = Clock("left", max(timedelta(), left))
        return Clocks(_up("paused for", run.paused_since, now), (ran, standing), ran, planned)
    return Clocks(_down("left", now + left, now), (ran,), ran, planned)


def _while_observing(desk: Desk, earliest: datetime | None, *, is_ready: bool) -> Clocks:
    now, run = desk.now, desk.run
    since = run.ended_at or (run.devices[-1] if run.devices else None) or desk.booking.observing_at or now
    until = earliest or since + timedelta(minutes=desk.visit.observation_min)
    ended = _up("since the end", since, now)
    if is_ready:
        return Clocks(ended, (), ended, until - since)
    return Clocks(_down("left", until, now), (ended,), ended, until - since)


def _up(label: str, since: datetime | None, now: datetime) -> Clock:
    return Clock(label, max(timedelta(), now - since) if since else timedelta(), since=since)


def _down(label: str, until: datetime, now: datetime) -> Clock:
    return Clock(label, abs(until - now), until=until, is_over=until < now)


def _pressure(desk: Desk) -> Pressure | None:
    last = next((row for row in reversed(desk.rows) if row.systolic_mmhg and row.diastolic_mmhg), None)
    if last is None or last.systolic_mmhg is None or last.diastolic_mmhg is None:
        return None
    base = desk.baseline
    change = last.systolic_mmhg - base.systolic_mmhg if base and base.systolic_mmhg and base.pk != last.pk else None
    return Pressure(last.systolic_mmhg, last.diastolic_mmhg, change)


def hold_of(desk: Desk) -> Hold | None:
    """The last pressure before the start, when it does not pass and nobody has decided about it since."""
    row = desk.baseline
    if began_at(desk.run) is not None or desk.is_ended or desk.booking.status not in HERE or row is None:
        return None
    if row.systolic_mmhg is None or row.diastolic_mmhg is None:
        return None
    profile = start_profile_of(desk.intake_settings.pressure_profile)
    said = judge_pressure(profile, row.systolic_mmhg, row.diastolic_mmhg, row.heart_rate_bpm)
    enough = (GateSeverity.HARD,) if said.verdict is Verdict.HARD else (GateSeverity.SOFT, GateSeverity.HARD)
    decided = any(one.code == "pressure" and one.severity in enough and one.at >= row.at for one in desk.decisions)
    return None if decided or said.verdict is Verdict.PROCEED else Hold(row, said)


def open_alarms(desk: Desk) -> tuple[LimitAlarm, ...]:
    """Alarms that ask for an act now and have no answer, the gravest first."""
    found = [one for one in desk.alarms if one.act in GRAVE and one.answered_at is None]
    return tuple(sorted(found, key=lambda one: (GRAVE.index(AlarmAct(one.act)), one.raised_at)))


def _flags(desk: Desk, phase: DayPhase, allergies: Sequence[str]) -> Iterable[Flag]:
    for alarm in open_alarms(desk)[:1]:
        what = {AlarmAct.STOP: "Stop", AlarmAct.PAUSE: "Pause"}.get(AlarmAct(alarm.act), "Urgent")
        yield Flag("alarm", "urgent", f"{what}: {alarm.said}", "Alarm not answered", Level.DANGER)
    hold = hold_of(desk)
    if hold is not None:
        level = Level.DANGER if hold.is_hard else Level.WARN
        word = "Hold" if hold.is_hard else "Above soft limit"
        text = f"{word} {hold.row.systolic_mmhg}/{hold.row.diastolic_mmhg}"
        yield Flag("hold", "hand-stop", text, "Waits for a decision", level)
    if phase is DayPhase.INFUSING and desk.run.remaining(desk.now) < timedelta():
        yield Flag("over", "hourglass", "Should have ended", "Should have ended", Level.WARN)
    if desk.run.is_over and any(draw.closed_at is None for draw in desk.draws):
        yield Flag("drug", "bottle", "Drug not accounted for", "", Level.WARN)
    open_effects = [one for one in desk.effects if one.outcome in OPEN_OUTCOMES]
    if open_effects and phase is not DayPhase.TURNAROUND:
        text = said_effects([(one.code, one.text, one.severity) for one in open_effects])
        yield Flag("effect", "mood-sick", text, "", Level.WARN)
    if phase is not DayPhase.TURNAROUND and allergies:
        others = [one for one in allergies if "latex" not in one.lower()]
        if len(others) < len(allergies):
            yield Flag("latex", "hand-off", "Latex allergy", "", Level.WARN)
        if others:
            said = f"Allergy: {others[0]}" if len(others) == 1 else f"{len(others)} allergies"
            yield Flag("allergy", "alert-circle", said, "", Level.INFO)


OPEN_OUTCOMES = (AdverseOutcome.IMPROVING, AdverseOutcome.UNCHANGED, AdverseOutcome.UNKNOWN)
