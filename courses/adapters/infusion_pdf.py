"""The record of an infusion as PDF."""

from __future__ import annotations

from datetime import datetime

from courses.adapters import typesetting
from courses.pure.summary_pdf import Summary

TEMPLATE = "infusion_pdf/infusion.typ"


def pdf_of(summary: Summary, *, at: datetime) -> bytes:
    """The page as a PDF made ``at`` that moment."""
    return typesetting.typeset(source(), summary.as_data(), at=at)


def source() -> bytes:
    """The template: the same for every infusion."""
    return typesetting.source_of(TEMPLATE)


def inputs_of(summary: Summary) -> dict[str, str]:
    """The summary as the template reads it."""
    return typesetting.inputs_of(summary.as_data())
