"""What stands on the page of one infusion: facts in words, the flowsheet, and where the lines of its chart run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

LOWEST, HIGHEST = 40, 200
"""mmHg: the chart shows at least 40 to 200, more when something was measured beyond."""
STEP = 40


@dataclass(frozen=True, slots=True)
class Reading:
    """One pressure, in mmHg."""

    at: datetime
    systolic: int
    diastolic: int


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight line of the chart; places are parts of its width and height, from the top left."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Pressures over time: lines and dots of both, the baseline, start and end, and the scale."""

    systolic: tuple[Stroke, ...]
    diastolic: tuple[Stroke, ...]
    dots: tuple[tuple[float, float], ...]
    baseline: tuple[float, ...]
    marks: tuple[tuple[float, str], ...]
    scale: tuple[tuple[float, str], ...]


def chart_of(
    readings: Sequence[Reading], *, marks: Sequence[tuple[datetime, str]] = (), baseline: Reading | None = None
) -> Chart | None:
    """The chart of these readings, in the order of time; none for fewer than two, which make no line.

    Args:
        marks: instants that get an upright line with a word: start, end.
    """
    if len(readings) < 2:  # noqa: PLR2004
        return None
    times = [one.at for one in readings] + [at for at, _ in marks]
    first, last = min(times), max(times)
    width = (last - first).total_seconds() or 1
    low = min(LOWEST, *(one.diastolic for one in readings))
    high = max(HIGHEST, *(one.systolic for one in readings))

    def across(at: datetime) -> float:
        return round((at - first).total_seconds() / width, 4)

    def down(value: int) -> float:
        return round((high - value) / (high - low), 4)

    def strokes(values: Sequence[tuple[datetime, int]]) -> tuple[Stroke, ...]:
        return tuple(Stroke(across(a), down(v), across(b), down(w)) for (a, v), (b, w) in pairwise(values))

    return Chart(
        systolic=strokes([(one.at, one.systolic) for one in readings]),
        diastolic=strokes([(one.at, one.diastolic) for one in readings]),
        dots=tuple((across(one.at), down(value)) for one in readings for value in (one.systolic, one.diastolic)),
        baseline=(down(baseline.systolic), down(baseline.diastolic)) if baseline else (),
        marks=tuple((across(at), word) for at, word in marks),
        scale=tuple((down(value), str(value)) for value in range(-(-low // STEP) * STEP, high + 1, STEP)),
    )


Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A heading with facts below it, each a label and what is said."""

    title: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole page in words. ``left`` and ``right`` stand beside each other, ``below`` under the flowsheet."""

    clinic: str
    address: str
    title: str
    day: str
    patient: str
    person: str
    is_draft: bool
    stands: str
    left: tuple[Block, ...]
    right: tuple[Block, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    struck: tuple[str, ...]
    chart: Chart | None
    below: tuple[Block, ...]
    signatures: Rows
    amendments: tuple[tuple[str, str, str], ...]
    made: str

    def as_data(self) -> dict[str, Any]:
        """Plain lists and texts, for the template of the PDF."""
        return asdict(self)
