"""A protocol on ideal weeks (clinical.md A2 C2)."""

from __future__ import annotations

from courses.planning.sketch import Week, sketch_weeks
from courses.planning.templates import BY_ID


def test_six_in_twelve_days_start_on_a_monday() -> None:
    template = BY_ID["T-MWF6"]
    assert sketch_weeks(template.steps, 6) == (
        Week(1, (1, None, 2, None, 3, None, None)),
        Week(2, (4, None, 5, None, 6, None, None)),
    )


def test_eight_at_twice_a_week_reach_into_the_fourth_week() -> None:
    template = BY_ID["T-2W6"]
    weeks = sketch_weeks(template.steps, 8)
    assert [week.number for week in weeks] == [1, 2, 3, 4]
    assert weeks[-1].cells == (7, None, None, 8, None, None, None)


def test_a_taper_shows_only_weeks_with_an_infusion() -> None:
    template = BY_ID["M-CANBIND"]
    assert [week.number for week in sketch_weeks(template.steps, 11)] == [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24]
