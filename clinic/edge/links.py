"""Addresses of pages in the packages above, by name only: the place does not know them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from clinic.models import Booking


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One visit in a list that asks somebody to move it."""

    booking: Booking
    url: str


def visit_url(booking: Booking) -> str:
    """The page on which a visit is moved; the calendar of its day where there is none of its own."""
    try:
        return reverse("courses:visit", args=[booking.pk])
    except NoReverseMatch:
        return f"{reverse('courses:calendar')}?day={booking.location.local(booking.start):%Y-%m-%d}"


def visit_rows(bookings: Iterable[Booking]) -> list[VisitRow]:
    return [VisitRow(booking, visit_url(booking)) for booking in bookings]


def own_page(request: HttpRequest, wanted: str, default: str = "/") -> str:
    """``wanted`` when it is an address of this product, else ``default``: no other site, no name of a view."""
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else default
