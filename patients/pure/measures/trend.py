"""Scores over time: which of them overlap, how far they have moved, and where a small drawing puts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise


class Window(StrEnum):
    """How the span that a score asks about lies."""

    CLEAR = ""
    OVERLAP = "overlapping window"
    IN_SERIES = "in-series, overlapping window"


def windows(days: Sequence[date], infusions: Iterable[date], recall_days: int | None) -> list[Window]:
    """For each day of an assessment, in order: does its recall window overlap the one before, and inside a series?

    Two windows overlap when fewer days than the measure asks about lie between them. It is in a series when an infusion
    was given inside the window; one of the same day comes after its check-in (clinical.md E4). The wording of the
    questions is never changed; the score is labelled instead.

    Args:
        days: local dates, ascending.
        recall_days: the span that the measure asks about; None: no span, nothing overlaps.

    Source: clinical.md E1, recall-window caveat; P20 used the follow-up after 14 days or more for headline outcomes.
    """
    if recall_days is None:
        return [Window.CLEAR for _ in days]
    given = sorted(infusions)
    found = [Window.CLEAR] if days else []
    for before, day in pairwise(days):
        if (day - before).days >= recall_days:
            found.append(Window.CLEAR)
        elif any(0 < (day - infusion).days < recall_days for infusion in given):
            found.append(Window.IN_SERIES)
        else:
            found.append(Window.OVERLAP)
    return found


def percent_change(first: Decimal, now: Decimal) -> Decimal | None:
    """How much lower than the first score, in percent with one decimal; negative when higher; None when first is 0.

    Source: clinical.md H1 (case 1: 20 to 14 is 30.0).
    """
    if first == 0:
        return None
    return ((first - now) / first * 100).quantize(Decimal("0.1"))


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a small drawing, in its own units."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Spark:
    """A small drawing of scores: dots from left to right, ticks for infusions, areas for bands."""

    width: int
    height: int
    dots: tuple[Dot, ...]
    ticks: tuple[float, ...]
    edges: tuple[float, ...]  # where one band ends and the next begins, from the lowest

    @property
    def line(self) -> str:
        """The points of an SVG polyline."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


PAD = 6.0


def spark(  # noqa: PLR0913 (a drawing has sizes)
    points: Sequence[tuple[date, Decimal]],
    infusions: Iterable[date],
    *,
    low: int,
    high: int,
    edges: Iterable[int] = (),
    width: int = 320,
    height: int = 96,
) -> Spark:
    """Scores by day, the lowest possible at the bottom; infusions outside the span of days are left out.

    Args:
        points: ascending by day.
        edges: scores at which a new band begins.
    """
    if not points:
        return Spark(width, height, (), (), ())
    first, last = points[0][0], points[-1][0]
    span = max((last - first).days, 1)

    def across(day: date) -> float:
        if first == last:
            return width / 2
        return round(PAD + (day - first).days / span * (width - 2 * PAD), 1)

    def down(value: Decimal | int) -> float:
        share = (float(value) - low) / (high - low)
        return round(height - PAD - share * (height - 2 * PAD), 1)

    return Spark(
        width,
        height,
        tuple(Dot(across(day), down(score)) for day, score in points),
        tuple(across(day) for day in infusions if first <= day <= last),
        tuple(down(edge) for edge in edges),
    )
