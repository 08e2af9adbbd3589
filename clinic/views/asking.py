"""The page between a change and its effect on visits: which ones, and go back or keep them on the to-move list."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from clinic.edge.links import visit_rows
from clinic.models import Booking

KEEP = "keep_bookings"
LISTED = 100
"""This many visits are listed; the page says how many more there are."""


def keeps_bookings(request: HttpRequest) -> bool:
    """True when the person saw the visits in the way and said to go ahead."""
    return KEEP in request.POST


def ask_about(  # noqa: PLR0913 (the words of one page)
    request: HttpRequest, bookings: Sequence[Booking], *, title: str, text: str, back_url: str, go_ahead: str = ""
) -> HttpResponse:
    """The list of visits in the way; with ``go_ahead`` also the button that sends the same form again.

    Args:
        go_ahead: the words on that button; empty when the change has to wait until the visits are moved.
    """
    sent = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in {"csrfmiddlewaretoken", KEEP}
        for value in values
    ]
    facts = {
        "title": title,
        "text": text,
        "back_url": back_url,
        "go_ahead": go_ahead,
        "sent": sent,
        "keep": KEEP,
        "visits": visit_rows(bookings[:LISTED]),
        "count": len(bookings),
        "unlisted": max(0, len(bookings) - LISTED),
    }
    return render(request, "clinic/in_the_way.html", facts, status=409)
