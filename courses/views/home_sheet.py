"""The sheet for going home, behind the one link of a message: what was explained, to read once more."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext

from clinic.models import Booking
from courses.models import Discharge
from patients.services.messages.clocks import clocks_of
from patients.services.messages.links import LinkRefusedError, Opened, Refusal
from patients.views.messages.doors import page_around


def by_message(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """The instructions as they were given at the discharge of the message's visit; no drug, no diagnosis."""
    left = _discharge(opened.booking)
    if left is None:
        raise LinkRefusedError(Refusal.GONE, opened.message)
    context = page_around(request, opened) | {
        # The usual lines have translations; a clinic's own text stays as it was written.
        "lines": [gettext(line.strip()) for line in left.instructions.splitlines() if line.strip()],
        "no_driving_until": left.no_driving_until,
        "clocks": clocks_of(opened.patient, opened.location),
    }
    status = HTTPStatus.METHOD_NOT_ALLOWED if request.method == "POST" else HTTPStatus.OK
    return render(request, "courses/home_sheet.html", context, status=status)


def _discharge(booking: Booking | None) -> Discharge | None:
    if booking is None:
        return None
    return Discharge.objects.valid().filter(record__visit__booking=booking).order_by("-at").first()
