"""The chair strip of Today: a thin line a chair, with where each visit stands, as numbers for an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clinic.models import Location, Resource
from clinic.pure.walltime import minute_of
from courses.services.day import Stage, VisitCard
from courses.services.hours import OpenDay, gaps, local_minutes


@dataclass(frozen=True, slots=True)
class Piece:
    """One coloured stretch of a bar, in per cent of the strip's width."""

    x: str
    width: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Bar:
    card: VisitCard
    x: str
    width: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    station: Resource
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """The chairs of a location over its day, as numbers for an SVG: no style attribute is needed."""

    hours: tuple[tuple[str, str], ...]  # (x, label)
    shut: tuple[tuple[str, str], ...]  # (x, width) in which the location is not open
    lanes: tuple[Lane, ...]
    now_x: str | None


def strip(place: Location, cards: Sequence[VisitCard], opened: OpenDay, now: datetime) -> Strip:
    """Where each visit stands on its chair's line: the opening hours (8 to 18 on a closed day), more where it is used.

    Positions are distances on the wall clock, also on days that have 23 or 25 hours: both are what the clinic reads.
    """
    day = opened.day
    chairs = list(Resource.objects.chairs(place))
    on_chairs = {chair.pk for chair in chairs}
    held = [(c, t, local_minutes(place, t.start, t.end, day)) for c in cards for t in c.taken]
    held = [one for one in held if one[1].resource_id in on_chairs]
    minutes = [minute for spans in (opened.spans, [span for *_, span in held]) for span in spans for minute in span]
    lo, hi = min(minutes, default=8 * 60) // 60 * 60, -(-max(minutes, default=18 * 60) // 60) * 60

    def x(minute: int) -> float:
        return (min(max(minute, lo), hi) - lo) / (hi - lo) * 100

    def bar(card: VisitCard, span: tuple[int, int]) -> Bar:
        pieces = [(s.stage, local_minutes(place, s.start, s.end, day)) for s in card.stretches]
        return Bar(
            card,
            _share(x(span[0])),
            _share(x(span[1]) - x(span[0])),
            tuple(Piece(_share(x(a)), _share(x(b) - x(a)), stage) for stage, (a, b) in pieces if x(b) > x(a)),
        )

    lanes = tuple(
        Lane(chair, tuple(bar(c, span) for c, t, span in held if t.resource_id == chair.pk)) for chair in chairs
    )
    clock = minute_of(place.local(now).time())
    return Strip(
        hours=tuple((_share(x(minute)), f"{minute // 60:02d}") for minute in range(lo, hi, 60)),
        shut=tuple((_share(x(a)), _share(x(b) - x(a))) for a, b in gaps(opened.spans, lo, hi)),
        lanes=lanes,
        now_x=_share(x(clock)) if lo <= clock <= hi and day == place.local(now).date() else None,
    )


def _share(value: float) -> str:
    return f"{value:.2f}%"
