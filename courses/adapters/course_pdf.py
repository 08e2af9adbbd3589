"""The summary of a course as PDF, for the patient, the referrer or the insurer; of several as one file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from courses.adapters import typesetting
from courses.pure.course_page import CoursePage

TEMPLATE = "course_pdf/summary.typ"


def pdf_of(page: CoursePage, *, at: datetime) -> bytes:
    """The page as a PDF made ``at`` that moment."""
    return typesetting.typeset(source(), page.as_data(), at=at)


def pdf_of_many(pages: Sequence[CoursePage], *, at: datetime) -> bytes:
    """One file in which each course begins on a page of its own and counts its own pages."""
    data = {"pages": [page.as_data() for page in pages]}
    return typesetting.typeset(source(), data, at=at)


def source() -> bytes:
    """The template: the same for every course and reader."""
    return typesetting.source_of(TEMPLATE)
