"""A report for filters that may name a second group to compare with: what page and files are written from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from courses.pure.reports.contents import Report
from courses.pure.reports.filters import Filters
from courses.reports.filtering import Choices, choices, said
from courses.reports.registry import ReportKind


def report_of(kind: ReportKind, filters: Filters, now: datetime, known: Choices | None = None) -> Report:
    """The report, with the figures of the second group beside its own where two are compared."""
    built = kind.build(filters, now)
    if filters.compare is None or built.others is not None:
        return built
    second = kind.build(filters.compare.alone, now)
    words = said(filters.compare, known or choices(), lead=kind.lead)
    return replace(built, compared_with=words, others={one.key: one for one in second.figures()})
