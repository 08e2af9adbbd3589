"""Outcomes: how far courses come, who responds, who stays well; counted from ``CourseResult`` in SQL.

Definitions: clinical.md F1, in the words of the clinic's outcome terms. Published figures: F2.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import BooleanField, Case, Count, F, Q, QuerySet, When

from clinic.pure.roles import Can
from courses.models import CourseResult, OutcomeDefinition
from courses.pure.outcomes.terms import SHIPPED, Terms
from courses.pure.reports.contents import Report, Section
from courses.pure.reports.filters import LISTED, Filters
from courses.pure.reports.outcome_terms import TermWords
from courses.pure.reports.survival import Survival, survival_of
from courses.reports import outcome_lists, outcome_tables
from courses.reports.filtering import choices, results, said
from courses.reports.outcome_figures import (
    Facts,
    figures_in,
    headline,
    response_section,
    series_section,
    staying_section,
)
from courses.reports.outcome_groups import Counts, counted, groups, whole_series
from courses.reports.registry import ReportKind
from courses.services.outcomes import terms_of


def build(filters: Filters, now: datetime) -> Report:
    """The page, with the figures of a second group where two are compared; five queries, two more for that group."""
    known, versions = choices(), every_version()
    facts = read(filters.alone, versions)
    others = read(filters.compare.alone, versions) if filters.compare else None
    lines = outcome_tables.split(results(filters), facts.groups, filters)
    about = f"Completed: of the series that are over. Response and remission: {facts.when}, of the evaluable ones."
    tables = tuple(outcome_tables.tables(lines, filters, known, about=about, source=facts.words.source))
    sections = [headline(facts), series_section(facts), response_section(facts), staying_section(facts)]
    if tables:
        sections.append(Section("split", "By group", tables, about=SMALL))
    return Report(
        key="outcomes",
        title="Outcomes",
        about=said(filters, known),
        as_of=now,
        sections=tuple(sections),
        compared_with=said(filters.compare, known) if filters.compare else "",
        others={one.key: one for one in figures_in(others)} if others else None,
    )


CONDITIONS = tuple(LISTED["indication"])
SMALL = "A row of fewer than 5 says only how many they are. Where intervals overlap widely, a difference may be chance."


def every_version() -> list[Terms]:
    """The shipped terms and every version of the clinic's; one query."""
    return [SHIPPED, *(terms_of(row) for row in OutcomeDefinition.objects.order_by("number"))]


def read(filters: Filters, versions: Sequence[Terms]) -> Facts:
    """Everything that the figures rest on; two queries."""
    found = groups(filters.at, versions)
    rows, (aggregates, names) = results(filters), counted(found)
    totals: dict[str, Any] = rows.order_by().aggregate(
        **aggregates,
        **whole_series(),
        terms=ArrayAgg("terms_number", distinct=True, default=[]),
        **{f"treats_{one}": Count("pk", filter=Q(indication=one)) for one in CONDITIONS},
    )
    present = [one for one in versions if one.number in totals["terms"]]
    return Facts(
        filters=filters,
        counts=Counts(totals, names),
        groups=found,
        words=TermWords(present or [versions[-1]], filters.at),
        conditions={one: totals[f"treats_{one}"] for one in CONDITIONS if totals[f"treats_{one}"]},
        survival=durability(rows, filters),
    )


def durability(rows: QuerySet[CourseResult], filters: Filters) -> Survival:
    """How long responses held; where asked for, followed only until the first infusion of maintenance."""
    days, is_event = F("held_days"), F("has_relapsed")
    if filters.censor == "maintenance":
        earlier = Q(maintenance_day__lt=F("held_days"))
        days = Case(When(earlier, then=F("maintenance_day")), default=F("held_days"))  # type: ignore[assignment]
        is_event = Case(When(earlier, then=False), default=F("has_relapsed"), output_field=BooleanField())  # type: ignore[assignment]
    counts = (
        rows.filter(held_days__isnull=False)
        .order_by()
        .annotate(days=days, is_event=is_event)
        .values_list("days", "is_event")
        .annotate(n=Count("pk"))
    )
    return survival_of((day, event) for day, event, n in counts for _ in range(n))


KIND = ReportKind(
    key="outcomes",
    title="Outcomes",
    can=Can.VIEW_OUTCOME_REPORTS,
    build=build,
    listed=outcome_lists.listed,
    about="Whether courses are finished, who responds, and how long it lasts.",
    options=("at", "censor"),
)
