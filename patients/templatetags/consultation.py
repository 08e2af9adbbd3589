"""Words of a consultation's page: severities, directions and sources of interactions."""

from __future__ import annotations

from django import template

from patients.pure.evidence import SEVERITY_LABELS, Severity, citations_in
from patients.pure.interactions import DIRECTION_LABELS, Direction

register = template.Library()


@register.filter
def severity_word(severity: str) -> str:
    return SEVERITY_LABELS[Severity(severity)]


@register.filter
def direction_words(direction: str) -> str:
    return DIRECTION_LABELS[Direction(direction)]


@register.filter
def source_words(source: str) -> str:
    """The publications that a source line names, in full; the line itself where it names none."""
    return "; ".join(citations_in(source)) or source
