"""What every course of the cohort achieved: row by row as reckoned by hand, and as a naive calculation finds it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest

from courses.models import CourseResult
from courses.tests.cohort import load_cohort
from courses.tests.cohort_rows import ROWS, Facts
from courses.tests.naive import naive

pytestmark = pytest.mark.django_db


def rounded(percent: Decimal | None) -> str | None:
    return None if percent is None else str(percent.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))


def later_of(row: CourseResult) -> tuple[Any, ...] | None:
    if not row.later_end:
        return None
    assert row.later_score is not None
    return int(row.later_score), rounded(row.later_improvement), row.later_end, row.is_later_remission


def facts_of(row: CourseResult) -> Facts:
    """A stored row in the words of the table."""
    return Facts(
        given=row.n_given,
        last=(row.last_on - row.started_on).days,
        span=row.span_days,
        on_window=row.gaps_on_window,
        completed=row.is_completed,
        kit=row.is_kit_completed,
        dropped=row.is_dropped_out,
        changes_on=row.changes_on,
        over=row.is_over,
        measure=row.measure,
        baseline=int(row.baseline) if row.baseline is not None else None,
        evaluable=row.is_evaluable,
        end=row.end,
        score=int(row.end_score) if row.end_score is not None else None,
        percent=rounded(row.end_improvement),
        remission=row.is_remission,
        first=row.first_response,
        speed=row.speed,
        lost=row.is_responder_lost,
        increase=row.has_any_increase,
        worse=row.has_worsened,
        danger=row.has_new_danger,
        later=later_of(row),
        held=row.held_days,
        relapsed=row.has_relapsed,
        censored=row.censored_by,
        maintenance_day=row.maintenance_day,
        given_in_all=row.n_given_in_all if row.n_given_in_all != row.n_given else None,
        mg=str(row.given_mg) if row.given_mg is not None else None,
        mg_per_kg=str(row.dose_mg_per_kg) if row.dose_mg_per_kg is not None else None,
        effects=(row.infusions_with_effects, row.infusions_stopped, row.serious_effects),
        severity=row.severity,
        failures=row.previous_failures,
    )


def test_each_of_the_forty_courses_achieved_what_was_reckoned_by_hand() -> None:
    cohort = load_cohort()
    stored = {key: CourseResult.objects.get(course=course) for key, course in cohort.courses.items()}
    assert len(stored) == 40
    assert {key: facts_of(row) for key, row in stored.items()} == {key: row.facts for key, row in ROWS.items()}


def test_a_second_calculation_from_the_rows_alone_finds_the_same() -> None:
    cohort = load_cohort()
    for key, course in cohort.courses.items():
        row, expected = CourseResult.objects.get(course=course), naive(key)
        percent = expected.pop("end_improvement")
        found = {name: getattr(row, name) for name in expected}
        assert (key, found) == (key, expected)
        if percent is None:
            assert row.end_improvement is None
        else:  # stored to six places
            assert row.end_improvement is not None
            assert abs(Fraction(row.end_improvement) - percent) <= Fraction(1, 2_000_000)
