"""Which free consultations to offer: arithmetic on what is free, clinician by clinician and minute by minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clinic.pure.walltime import YEARS, BoolArray, IntArray

NOON_MIN = 12 * 60
A_DAY_AT_MOST = 2
"""Offers of one day: somebody who cannot come on a day wants to hear of another one."""
APART_MIN = 60
"""Two offers of one day differ by at least so much, or they would be the same answer twice."""


class Part(StrEnum):
    """The same values as ``PartOfDay`` (a test compares them); layer 0 knows no models."""

    ANY = "any"
    MORNING = "morning"
    AFTERNOON = "afternoon"


class Mode(StrEnum):
    """The same values as ``VisitMode`` (a test compares them)."""

    IN_PERSON = "in_person"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person on the telephone asked for; nothing said means anything will do."""

    mode: Mode = Mode.IN_PERSON
    part: Part = Part.ANY
    location_id: int | None = None
    clinician_id: int | None = None
    weekdays: frozenset[int] = frozenset()  # 0 is Monday; empty: all


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """One location, day by day and start by start.

    ``starts`` are minutes since the epoch. ``clinicians`` and ``rooms`` say who and what is free for the whole length
    from there, while the location is open; ``patient`` the same of the patient (always, while nobody knows them).
    """

    location_id: int
    days: tuple[date, ...]
    minutes: tuple[int, ...]  # after local midnight
    clinician_ids: tuple[int, ...]
    starts: IntArray  # [day, minute]
    clinicians: BoolArray  # [day, minute, clinician]
    rooms: BoolArray  # [day, minute]
    patient: BoolArray  # [day, minute]


@dataclass(frozen=True, slots=True, order=True)
class Offer:
    """One free consultation. Rooms are found when it is shown and again when it is booked."""

    start_min: int  # since the epoch
    location_id: int
    clinician_id: int
    day_index: int = field(compare=False)
    minute_index: int = field(compare=False)


class Help(StrEnum):
    """What would help when nothing is free."""

    PART = "part"  # the other half of the day
    WEEKDAYS = "weekdays"
    CLINICIAN = "clinician"
    LOCATION = "location"
    VIDEO = "video"
    PATIENT = "patient"  # only the patient's own visits and absences are in the way


@dataclass(frozen=True, slots=True)
class WayOut:
    """The wish that would find something, and the first that it finds."""

    help: Help
    wish: Wish
    first: Offer


def offers(boards: Sequence[Board], wish: Wish, count: int) -> tuple[Offer, ...]:
    """The next ``count`` free consultations, soonest first and spread.

    Each clinician is offered with their first free time of a day (of its morning and of its afternoon), at most twice a
    day altogether and never two within an hour. Where that leaves fewer than ``count``, further times of the same days
    fill up, still an hour apart; then any. Nothing is offered twice for the same moment at the same location.
    """
    masks = [_free(board, wish) for board in boards]
    heads = sorted(_each(boards, [_heads(mask, board) for mask, board in zip(masks, boards, strict=True)]))
    chosen = _spread(heads, boards, [], _Limits(count, A_DAY_AT_MOST, APART_MIN))
    for limits in (_Limits(count, count, APART_MIN), _Limits(count, count, 1)):
        if len(chosen) < count:
            chosen = _spread(sorted(_each(boards, masks)), boards, chosen, limits)
    return tuple(sorted(chosen))


def ways_out(boards: Sequence[Board], wish: Wish) -> tuple[WayOut, ...]:
    """Each single thing that would have to give way so that something is free, with the first free time then."""
    found = []
    for kind, other in _relaxed(wish):
        first = _first(boards, other, without_patient=kind is Help.PATIENT)
        if first is not None:
            found.append(WayOut(kind, other, first))
    return tuple(found)


def _relaxed(wish: Wish) -> Iterator[tuple[Help, Wish]]:
    if wish.part is not Part.ANY:
        yield Help.PART, replace(wish, part=Part.ANY)
    if wish.weekdays:
        yield Help.WEEKDAYS, replace(wish, weekdays=frozenset())
    if wish.clinician_id is not None:
        yield Help.CLINICIAN, replace(wish, clinician_id=None)
    if wish.location_id is not None:
        yield Help.LOCATION, replace(wish, location_id=None)
    if wish.mode is Mode.IN_PERSON:
        yield Help.VIDEO, replace(wish, mode=Mode.VIDEO)
    yield Help.PATIENT, wish


def _first(boards: Sequence[Board], wish: Wish, *, without_patient: bool) -> Offer | None:
    masks = [_free(board, wish, without_patient=without_patient) for board in boards]
    heads = [_heads(mask, board) for mask, board in zip(masks, boards, strict=True)]
    return min(_each(boards, heads), default=None)


def _free(board: Board, wish: Wish, *, without_patient: bool = False) -> BoolArray:
    """``[day, minute, clinician]``: what the wish allows of what is free."""
    if wish.location_id not in (None, board.location_id):
        return np.zeros_like(board.clinicians)
    whole = np.ones_like(board.patient) if without_patient else board.patient.copy()
    if wish.mode is Mode.IN_PERSON:
        whole &= board.rooms
    minutes = np.asarray(board.minutes, dtype=np.int64)
    if wish.part is not Part.ANY:
        whole &= (minutes < NOON_MIN if wish.part is Part.MORNING else minutes >= NOON_MIN)[None, :]
    if wish.weekdays:
        whole &= np.asarray([day.weekday() in wish.weekdays for day in board.days], dtype=bool)[:, None]
    free: BoolArray = board.clinicians & whole[:, :, None]
    if wish.clinician_id is not None:
        free &= (np.asarray(board.clinician_ids, dtype=np.int64) == wish.clinician_id)[None, None, :]
    return free


def _heads(free: BoolArray, board: Board) -> BoolArray:
    """Only the first free start of each clinician in each morning and each afternoon."""
    kept = np.zeros_like(free)
    noon = int(np.searchsorted(np.asarray(board.minutes, dtype=np.int64), NOON_MIN))
    for lo, hi in ((0, noon), (noon, len(board.minutes))):
        if lo < hi and free.size:
            half = free[:, lo:hi]
            first = half.argmax(axis=1)  # [day, clinician]
            day, clinician = np.nonzero(half.any(axis=1))
            kept[day, lo + first[day, clinician], clinician] = True
    return kept


def _each(boards: Sequence[Board], masks: Sequence[BoolArray]) -> Iterator[Offer]:
    for board, mask in zip(boards, masks, strict=True):
        places: tuple[npt.NDArray[np.intp], ...] = np.nonzero(mask)
        for day, minute, clinician in zip(*(axis.tolist() for axis in places), strict=True):
            yield Offer(int(board.starts[day, minute]), board.location_id, board.clinician_ids[clinician], day, minute)


class _Limits(NamedTuple):
    number: int
    a_day: int
    apart_min: int


def _spread(
    candidates: Sequence[Offer], boards: Sequence[Board], chosen: Sequence[Offer], limits: _Limits
) -> list[Offer]:
    """``chosen`` and what may join it, in the order of time; of several clinicians the one offered least so far."""
    days = {board.location_id: board.days for board in boards}
    taken = list(chosen)
    on_day = Counter(days[one.location_id][one.day_index] for one in taken)
    with_whom = Counter(one.clinician_id for one in taken)
    position = 0
    while position < len(candidates) and len(taken) < limits.number:
        start = candidates[position].start_min
        group = [candidates[position]]
        while position + len(group) < len(candidates) and candidates[position + len(group)].start_min == start:
            group.append(candidates[position + len(group)])
        position += len(group)
        if any(abs(one.start_min - start) < limits.apart_min for one in taken):
            continue
        best = min(group, key=lambda one: (with_whom[one.clinician_id], one.location_id, one.clinician_id))
        day = days[best.location_id][best.day_index]
        if on_day[day] >= limits.a_day:
            continue
        taken.append(best)
        on_day[day] += 1
        with_whom[best.clinician_id] += 1
    return taken


@dataclass(frozen=True, slots=True)
class SlotKey:
    """What stands for a free consultation in a form: when (UTC), where, with whom; the room is found later."""

    start: datetime
    location_id: int
    clinician_id: int

    def __str__(self) -> str:
        return f"{self.start:%Y%m%dT%H%M}.{self.location_id}.{self.clinician_id}"

    @classmethod
    def parse(cls, text: str) -> SlotKey:
        """Raises ValueError for anything that `str` of a key never wrote."""
        moment, location, clinician = text.split(".")
        start = datetime.strptime(moment, "%Y%m%dT%H%M").replace(tzinfo=UTC)
        if start.year not in YEARS or not (location.isdecimal() and clinician.isdecimal()):
            raise ValueError("no slot of a calendar")
        return cls(start, int(location[:12]), int(clinician[:12]))
