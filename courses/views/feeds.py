"""The staff feed: one's visits in one's own calendar program, by a private address."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.limits import over_limit
from clinic.pure.roles import Can
from courses.services.calendar import feed, feed_owner, renew_feed, switch_off_feed

RATE = "120/m"
"""By address. Calendar programs of a whole clinic may ask through one."""
KEPT_S = 60
"""However often a calendar program asks, its answer is made at most once in this time."""


@require_GET
def staff_feed(request: HttpRequest, token: UUID) -> HttpResponse:
    """One person's calendar for their telephone: the private address is the key; no patient is named."""
    if over_limit(request, group="staff feed", rate=RATE):
        return HttpResponse(status=HTTPStatus.TOO_MANY_REQUESTS)
    owner = feed_owner(token)  # read each time, so that an address that was switched off is dead at once
    if owner is None:
        raise Http404
    key = f"staff-feed:{token}"
    body = cache.get(key)
    if body is None:
        body = feed(owner, now=timezone.now())
        cache.set(key, body, KEPT_S)
    answer = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    answer["Cache-Control"] = "private, max-age=300"
    answer["Content-Disposition"] = 'inline; filename="cadence.ics"'
    answer["X-Robots-Tag"] = "noindex"
    return answer


@requires(Can.VIEW_CALENDAR)
@require_http_methods(["GET", "POST"])
def feed_link(request: HttpRequest) -> HttpResponseBase:
    """The page with one's own private feed address; a press makes a new one and the old one stops working."""
    user = staff(request)
    if request.method == "POST":
        if request.POST.get("off"):
            switch_off_feed(user=user, now=timezone.now())
            messages.success(request, "The feed is off. Its address answers no more.")
        else:
            renew_feed(user=user, now=timezone.now())
            messages.success(request, "This is your new private address.")
        return redirect("courses:feed_link")
    address = user.calendar_token and request.build_absolute_uri(reverse("courses:feed", args=[user.calendar_token]))
    return render(request, "courses/feed_link.html", {"address": address, "is_booked": user.resource_id is not None})
