"""Where the marks of a chart on paper lie, worked out from its table: parts of width and height from the top left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise

from courses.pure.reports.contents import Cell, Chart, Drawing, Table, Unit
from courses.pure.reports.rates import percent_words, rounded

Point = tuple[float, float]
Tick = tuple[float, str]
PARTS = 4
"""About so many steps has a scale."""
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
HUNDRED = Decimal(100)
MOST_LABELS = 12
AT_RISK_COLUMN = 4
PLACES = 4
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar from the left edge; none where nothing is known. ``low`` and ``high`` are the ends of its interval."""

    label: str
    said: str
    part: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    bars: tuple[Bar, ...]
    scale: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a stacked bar: of which column, from where, how long."""

    column: int
    start: float
    length: float
    said: str


@dataclass(frozen=True, slots=True)
class Stacked:
    label: str
    pieces: tuple[Piece, ...]
    total: str


@dataclass(frozen=True, slots=True)
class Stack:
    names: tuple[str, ...]
    rows: tuple[Stacked, ...]
    scale: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line in as many runs as it has gaps; a run of one point is a dot."""

    name: str
    runs: tuple[tuple[Point, ...], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    scale: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve that falls in steps, its band as an outline, and how many were still followed."""

    steps: tuple[Point, ...]
    band: tuple[Point, ...]
    across: tuple[Tick, ...]
    scale: tuple[Tick, ...]
    at_risk: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Square:
    said: str
    part: float | None


@dataclass(frozen=True, slots=True)
class Heat:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Square, ...]], ...]


Drawn = Bars | Stack | Lines | Curve | Heat


def drawn(chart: Chart) -> Drawn | None:
    """The marks of the chart; None where its table has nothing to draw."""
    if not chart.table.rows:
        return None
    return DRAWERS[chart.drawing](chart.table)


def number_words(value: Decimal | int, unit: Unit | str) -> str:
    """As pages write it: 64.7 %, 18 days, 1,250; below 0 with the minus of printers."""
    plain = f"{value:,}" if isinstance(value, int) else rounded(value)
    said = percent_words(Decimal(value)) if unit == Unit.PERCENT else f"{plain} {unit}".rstrip()
    return said.replace("-", MINUS, 1) if said.startswith("-") else said


def scale_up_to(most: Decimal, unit: Unit | str = Unit.COUNT) -> tuple[Decimal, tuple[Decimal, ...]]:
    """The end of a scale from 0 that holds ``most``, and its steps: round numbers, whole ones for counts."""
    if unit == Unit.PERCENT and most <= HUNDRED and most > HUNDRED / 2:
        return HUNDRED, tuple(Decimal(one) for one in (0, 25, 50, 75, 100))
    rough = max(most, Decimal(1)) / PARTS
    size = Decimal(10) ** rough.adjusted()
    step = next(one * size for one in STEPS if one * size >= rough)
    if unit == Unit.COUNT:
        step = max(step.to_integral_value(rounding=ROUND_CEILING), Decimal(1))
    many = max(1, int((most / step).to_integral_value(rounding=ROUND_CEILING)))
    return step * many, tuple(step * number for number in range(many + 1))


# -- bars --------------------------------------------------------------------------------------------------------------
def _funnel(table: Table) -> Bars:
    """Bars by how many, with the share beside; the first step is the whole width."""
    most = max((_number(row[1]) or Decimal(0) for row in table.rows), default=Decimal(0)) or Decimal(1)
    return Bars(tuple(_step(table, row, most) for row in table.rows), ())


def _step(table: Table, row: Sequence[Cell], most: Decimal) -> Bar:
    n = _number(row[1])
    share = _number(row[2]) if len(row) > 2 else None  # noqa: PLR2004 - step, n, share
    said = [number_words(n, table.columns[1].unit) if n is not None else "not known"]
    if share is not None:
        said.append(percent_words(share))
    return Bar(str(row[0]), " · ".join(said), _part(n, most))


def _bars(table: Table) -> Bars:
    unit = table.columns[1].unit
    values = [_number(cell) for row in table.rows for cell in row[1:4]]
    most, steps = scale_up_to(max((one for one in values if one is not None), default=Decimal(1)), unit)
    bars = []
    for row in table.rows:
        value, *ends = (_number(cell) for cell in row[1:4])
        low, high = (_part(ends[0], most), _part(ends[1], most)) if len(ends) > 1 else (None, None)
        said = number_words(value, unit) if value is not None else "nothing is said"
        bars.append(Bar(_label(row[0]), said, _part(value, most), low, high))
    return Bars(tuple(bars), _ticks(steps, most, unit))


def _stack(table: Table) -> Stack:
    totals = [sum((_number(cell) or Decimal(0) for cell in row[1:]), Decimal(0)) for row in table.rows]
    unit = table.columns[1].unit if len(table.columns) > 1 else Unit.COUNT
    most, steps = scale_up_to(max(totals), unit)
    rows = tuple(_stacked(row, total, most, unit) for row, total in zip(table.rows, totals, strict=True))
    return Stack(tuple(column.title for column in table.columns[1:]), rows, _ticks(steps, most, unit))


def _stacked(row: Sequence[Cell], total: Decimal, most: Decimal, unit: Unit) -> Stacked:
    pieces, start = [], Decimal(0)
    for at, cell in enumerate(row[1:]):
        value = _number(cell)
        if value:
            pieces.append(Piece(at, float(round(start / most, PLACES)), _sure(value, most), rounded(value)))
            start += value
    return Stacked(_label(row[0]), tuple(pieces), number_words(total, unit))


# -- lines -------------------------------------------------------------------------------------------------------------
def _lines(table: Table) -> Lines:
    unit = table.columns[1].unit if len(table.columns) > 1 else Unit.COUNT
    values = [_number(cell) for row in table.rows for cell in row[1:]]
    most, steps = scale_up_to(max((one for one in values if one is not None), default=Decimal(1)), unit)
    width = max(1, len(table.rows) - 1)
    lines = tuple(
        Line(column.title, _runs([_number(row[at]) for row in table.rows], most, width))
        for at, column in enumerate(table.columns)
        if at
    )
    every = -(-len(table.rows) // MOST_LABELS)
    across = [(round(at / width, PLACES), _label(row[0])) for at, row in enumerate(table.rows) if at % every == 0]
    return Lines(lines, tuple(across), _upright(steps, most, unit))


def _runs(values: Sequence[Decimal | None], most: Decimal, width: int) -> tuple[tuple[Point, ...], ...]:
    runs: list[list[Point]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((round(at / width, PLACES), round(1 - _sure(value, most), PLACES)))
    return tuple(tuple(run) for run in runs if run)


def _curve(table: Table) -> Curve:
    """From 100 % down; the band ends where the interval is not known any more."""
    rows = [[_number(cell) for cell in row] for row in table.rows]
    last = max((row[0] for row in rows if row[0] is not None), default=Decimal(1)) or Decimal(1)
    end, days = scale_up_to(last, Unit.DAYS)
    known = [(row[0] or Decimal(0), row[1]) for row in rows]
    lows, highs = ([(row[0] or Decimal(0), row[at]) for row in rows] for at in (2, 3))
    band = (*_stairs(highs, end), *reversed(_stairs(lows, end)))
    every = -(-len(rows) // 8)
    at_risk = [
        (_sure(row[0] or Decimal(0), end), rounded(row[AT_RISK_COLUMN] or Decimal(0)))
        for at, row in enumerate(rows)
        if at % every == 0 and len(row) > AT_RISK_COLUMN
    ]
    across = tuple((_sure(day, end), rounded(day)) for day in days)
    steps = tuple(Decimal(one) for one in (0, 25, 50, 75, 100))
    return Curve(_stairs(known, end), band, across, _upright(steps, HUNDRED, Unit.PERCENT), tuple(at_risk))


def _stairs(values: Sequence[tuple[Decimal, Decimal | None]], end: Decimal) -> tuple[Point, ...]:
    """A step function: level until the next day, then straight down; as far as it is known."""
    known: list[Point] = []
    for day, value in values:
        if value is None:
            known += [(_sure(day, end), known[-1][1])] if known else []
            break
        known.append((_sure(day, end), round(1 - _sure(value, HUNDRED), PLACES)))
    points = known[:1]
    for before, after in pairwise(known):
        points += [(after[0], before[1]), after]
    return tuple(points)


def _heat(table: Table) -> Heat:
    unit = table.columns[1].unit if len(table.columns) > 1 else Unit.COUNT
    values = [_number(cell) for row in table.rows for cell in row[1:]]
    known = [one for one in values if one is not None]
    most = HUNDRED if unit == Unit.PERCENT else max(known, default=Decimal(0)) or Decimal(1)
    rows = tuple((_label(row[0]), tuple(_square(_number(cell), most) for cell in row[1:])) for row in table.rows)
    return Heat(tuple(column.title for column in table.columns[1:]), rows)


def _square(value: Decimal | None, most: Decimal) -> Square:
    return Square("", None) if value is None else Square(rounded(value, 0), min(1.0, _sure(value, most)))


# -- small -------------------------------------------------------------------------------------------------------------
def _number(cell: Cell) -> Decimal | None:
    return Decimal(cell) if isinstance(cell, int | Decimal) else None


def _label(cell: Cell) -> str:
    return "" if cell is None else str(cell)


def _part(value: Decimal | None, most: Decimal) -> float | None:
    return None if value is None else _sure(value, most)


def _sure(value: Decimal, most: Decimal) -> float:
    return float(round(value / most, PLACES))


def _ticks(steps: Sequence[Decimal], most: Decimal, unit: Unit) -> tuple[Tick, ...]:
    sign = " %" if unit == Unit.PERCENT else ""
    return tuple((_sure(one, most), f"{rounded(one, 2)}{sign}") for one in steps)


def _upright(steps: Sequence[Decimal], most: Decimal, unit: Unit) -> tuple[Tick, ...]:
    return tuple((round(1 - part, PLACES), word) for part, word in _ticks(steps, most, unit))


DRAWERS: Mapping[Drawing, Callable[[Table], Drawn]] = {
    Drawing.FUNNEL: _funnel,
    Drawing.BARS: _bars,
    Drawing.STACK: _stack,
    Drawing.LINE: _lines,
    Drawing.SURVIVAL: _curve,
    Drawing.HEAT: _heat,
}
