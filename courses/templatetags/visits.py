"""How the state of a visit or an infusion is shown: always a word and an icon, never a colour alone."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from clinic.models import BookingKind, BookingStatus
from courses.models import InfusionStatus

register = template.Library()

# status -> (icon, colour class)
LOOKS: dict[str, tuple[str, str]] = {
    BookingStatus.BOOKED: ("circle-dashed", ""),
    BookingStatus.CONFIRMED: ("circle-check", "tag-info"),
    BookingStatus.ARRIVED: ("door-enter", "tag-accent"),
    BookingStatus.IN_CHAIR: ("armchair", "tag-accent"),
    BookingStatus.OBSERVING: ("eye", "tag-accent"),
    BookingStatus.DONE: ("check", "tag-ok"),
    BookingStatus.MISSED: ("user-x", "tag-danger"),
    BookingStatus.CANCELLED: ("ban", ""),
    BookingStatus.WITHHELD: ("player-pause", "tag-warn"),
    InfusionStatus.PLANNED: ("calendar-question", "tag-warn"),
    InfusionStatus.GIVEN: ("check", "tag-ok"),
    InfusionStatus.DROPPED: ("minus", ""),
}


@register.inclusion_tag("courses/_status.html")
def status_tag(status: str, kind: str = "booking") -> dict[str, Any]:
    """The word, icon and colour of a booking's or an infusion's status."""
    symbol, css = LOOKS.get(status, ("circle", ""))
    label = InfusionStatus(status).label if kind == "infusion" else BookingStatus(status).label
    return {"label": label, "symbol": symbol, "css": css}


@register.inclusion_tag("courses/_status.html")
def visit_tag(card: Any) -> dict[str, Any]:  # noqa: ANN401 (a VisitCard, which lives in a higher layer)
    """The same for a visit, in the words of its kind: "With clinician" instead of "In chair" at a consultation.

    A visit of a series that is only held says "Pencilled".
    """
    held = card.pencil_at(timezone.now())
    if held:
        return {"label": held, "symbol": "pencil", "css": "tag-pencil"}
    symbol, css = LOOKS.get(card.status, ("circle", ""))
    if card.kind == BookingKind.CONSULTATION and card.status == BookingStatus.IN_CHAIR:
        symbol = "stethoscope"
    return {"label": card.state, "symbol": symbol, "css": css}


@register.filter
def pencil(card: Any) -> str:  # noqa: ANN401 (a VisitCard)
    """Says "Pencilled" or "Pencil ended" at a visit of a series that is only held; else nothing."""
    said: str = card.pencil_at(timezone.now())
    return said
