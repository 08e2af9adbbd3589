"""The lists behind the outcome figures: the courses that a figure speaks of, and what each counts as."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

from courses.models import CourseResult, OutcomeDefinition
from courses.pure.outcomes.terms import SHIPPED
from courses.pure.reports.contents import Cell, Column, Kind, Unit
from courses.pure.reports.filters import Filters
from courses.reports import outcome_tables
from courses.reports.filtering import choices, results, said
from courses.reports.outcome_groups import behind, dropped_after, groups
from courses.reports.registry import LazyRows, Listed, ListedRow, NoSuchListError
from courses.services.outcomes import terms_of
from patients.pure.measures import MEASURES

TITLES = {
    "completed": "Completed the series",
    "kit-completed": "4 to 8 infusions in 7 to 28 days",
    "dropped-out": "Dropped out",
    "response": "Response",
    "partial": "Partial response",
    "non-response": "Non-response",
    "remission": "Remission, of the evaluable",
    "remission-all": "Remission, of all with a baseline",
    "responder-lost": "Response lost in the series",
    "speed-early": "Early responders",
    "speed-gradual": "Gradual responders",
    "speed-late": "Late responders",
    "worsening": "Worse by the clinic’s points",
    "any-increase": "Any score above the baseline",
    "new-danger": "New or more suicidal thoughts",
    "started": "Courses started",
    "adherence": "Gaps on window",
    "held-28": "Responses and how long they held",
    "held-56": "Responses and how long they held",
    "held-median": "Responses and how long they held",
}
COLUMNS = (
    Column("started", "First infusion", Kind.DATE),
    Column("condition", "Condition"),
    Column("measure", "Measure"),
    Column("given", "Infusions given", Kind.NUMBER),
    Column("planned", "Planned", Kind.NUMBER),
    Column("baseline", "Baseline", Kind.NUMBER),
    Column("score", "Score", Kind.NUMBER),
    Column("change", "Lower by", Kind.NUMBER, Unit.PERCENT),
)
PART = Column("part", "Counts")
HELD = (
    Column("held", "Held or followed", Kind.NUMBER, Unit.DAYS),
    Column("lost", "Lost"),
    Column("ended", "Following ended by"),
)
GAPS = (Column("window", "Gaps on window", Kind.NUMBER), Column("gaps", "Gaps", Kind.NUMBER))


def listed(key: str, filters: Filters) -> Listed:
    """The courses behind a figure, a step of the funnel or a row of a table.

    Raises:
        NoSuchListError: there is no such figure or row.
    """
    rows = results(filters).order_by("-started_on", "-pk")
    versions = [SHIPPED, *(terms_of(row) for row in OutcomeDefinition.objects.order_by("number"))]
    found = groups(filters.at, versions)
    if key in found:
        return _listed(TITLES[key], behind(rows, found[key]), filters, (PART,), lambda one: (one.part,))
    if key.startswith("held-") and key in TITLES:
        held = rows.filter(held_days__isnull=False).order_by("held_days", "-pk")
        return _listed(TITLES[key], held, filters, HELD, _held)
    if key == "adherence":
        with_gaps = rows.filter(gaps__gt=0)
        return _listed(TITLES[key], with_gaps, filters, GAPS, lambda one: (one.gaps_on_window, one.gaps))
    if key == "started":
        return _listed(TITLES[key], rows, filters)
    return _step(key, rows, filters) or _row(key, rows, filters)


def _held(one: CourseResult) -> tuple[Cell, ...]:
    return one.held_days, "Yes" if one.has_relapsed else "No", one.get_censored_by_display()


def _step(key: str, rows: QuerySet[CourseResult], filters: Filters) -> Listed | None:
    """Courses that came so far, or dropped out there."""
    found = re.fullmatch(r"(reached|dropped)-([1-8])", key)
    if not found:
        return None
    k = int(found[2])
    if found[1] == "reached":
        return _listed(f"Came to infusion {k}", rows.filter(n_given__gte=k), filters)
    return _listed(f"Dropped out after infusion {k}", rows.filter(dropped_after(k)), filters)


def _row(key: str, rows: QuerySet[CourseResult], filters: Filters) -> Listed:
    """The courses of one row of a table."""
    for dimension in outcome_tables.DIMENSIONS:
        start = f"by-{dimension.name}-"
        found = (
            outcome_tables.rows_of(rows, filters, dimension.name, key.removeprefix(start))
            if key.startswith(start)
            else None
        )
        if found:
            chosen, value = found
            words = outcome_tables.words_for(dimension, filters, choices())(value)
            return _listed(f"{dimension.title}: {words}", chosen, filters)
    raise NoSuchListError(key)


def _nothing(_: CourseResult) -> tuple[Cell, ...]:
    return ()


def _listed(
    title: str,
    rows: QuerySet[CourseResult],
    filters: Filters,
    more: tuple[Column, ...] = (),
    cells: Callable[[Any], tuple[Cell, ...]] = _nothing,
) -> Listed:
    is_later = filters.at == "later"

    def line(one: CourseResult) -> ListedRow:
        score, lower = (one.later_score, one.later_improvement) if is_later else (one.end_score, one.end_improvement)
        measure = MEASURES[one.measure].short_name if one.measure in MEASURES else ""
        facts = (one.started_on, one.get_indication_display(), measure, one.n_given, one.n_planned, one.baseline)
        return ListedRow(patient_id=one.patient_id, course_id=one.pk, cells=(*facts, score, lower, *cells(one)))

    lazy = LazyRows(rows, line)
    return Listed(title=title, about=said(filters, choices()), columns=(*COLUMNS, *more), rows=lazy, total=len(lazy))
