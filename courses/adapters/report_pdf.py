"""A page of the reports as PDF: the same numbers, drawn and defined, without any name of a patient."""

from __future__ import annotations

from datetime import datetime

from courses.adapters import typesetting
from courses.pure.reports.contents import Report
from courses.pure.reports.paper import as_data

TEMPLATE = "report_pdf/report.typ"


def report_pdf(report: Report, *, clinic: str, said_at: str, at: datetime) -> bytes:
    """The report as a PDF made ``at`` that moment.

    Args:
        report: what is said.
        clinic: whose it is.
        said_at: ``report.as_of`` on the clocks of the clinic, in words.
        at: UTC.
    """
    return typesetting.typeset(source(), as_data(report, clinic=clinic, said_at=said_at), at=at)


def source() -> bytes:
    """The template: the same for every report."""
    return typesetting.source_of(TEMPLATE)
