"""Where the lines of the printed chart run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from courses.pure.summary_pdf import Reading, chart_of

START = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)


def at(minutes: int, systolic: int, diastolic: int) -> Reading:
    return Reading(START + timedelta(minutes=minutes), systolic, diastolic)


def test_lines_run_from_left_to_right_and_higher_pressures_stand_higher() -> None:
    chart = chart_of([at(0, 120, 80), at(40, 200, 40)], marks=[(START + timedelta(minutes=20), "start")])
    assert chart is not None
    upper, lower = chart.systolic[0], chart.diastolic[0]
    assert (upper.x1, upper.x2, upper.y1, upper.y2) == (0.0, 1.0, 0.5, 0.0)  # the scale is 40 to 200
    assert (lower.y1, lower.y2) == (0.75, 1.0)
    assert chart.marks == ((0.5, "start"),)
    assert chart.scale == ((1.0, "40"), (0.75, "80"), (0.5, "120"), (0.25, "160"), (0.0, "200"))


def test_a_pressure_beyond_the_scale_widens_it() -> None:
    chart = chart_of([at(0, 120, 80), at(10, 240, 120)])
    assert chart is not None
    assert chart.systolic[0].y2 == 0.0
    assert chart.scale[-1] == (0.0, "240")


def test_one_reading_makes_no_line() -> None:
    assert chart_of([at(0, 120, 80)]) is None
