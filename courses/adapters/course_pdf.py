"""The summary of a course as PDF, for the patient or for the referrer."""

from __future__ import annotations

from datetime import datetime

from courses.adapters import typesetting
from courses.pure.course_page import CoursePage

TEMPLATE = "course_pdf/summary.typ"


def pdf_of(page: CoursePage, *, at: datetime) -> bytes:
    """The page as a PDF made ``at`` that moment."""
    return typesetting.typeset(source(), page.as_data(), at=at)


def source() -> bytes:
    """The template: the same for every course and both readers."""
    return typesetting.source_of(TEMPLATE)
