"""The chair board: all chairs of the location at this moment, also as a wall screen that shows nothing else."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.handover import hand_over, handed_over_to
from clinic.edge.htmx import is_fragment
from clinic.pure.roles import Can
from courses.services.board import board_stamp, read_board


@requires(Can.VIEW_CALENDAR)
@require_GET
def board(request: HttpRequest) -> HttpResponseBase:
    if "wall" in request.GET:
        return redirect("board:wall")
    return _show(request, is_wall=False)


@requires(Can.VIEW_CALENDAR)
@require_GET
def wall(request: HttpRequest) -> HttpResponseBase:
    """Initials instead of names, no way to anything else, readable from three metres."""
    return _show(request, is_wall=True)


@requires(Can.VIEW_CALENDAR)
@require_POST
def put_up(request: HttpRequest) -> HttpResponseBase:
    """This browser shows the wall screen and nothing else, and stays signed in, until somebody gives their password."""
    hand_over(request, home=reverse("board:wall"), back=reverse("board:board"))
    return redirect("board:wall")


def _show(request: HttpRequest, *, is_wall: bool) -> HttpResponseBase:
    """Asked again, the answer is 204 while nothing has changed; the clocks go on in the browser."""
    place, now = current_location(request), timezone.now()
    if place is None:
        return redirect("courses:today")  # which says what to set up
    stamp = board_stamp(place, now)
    if is_fragment(request) and request.GET.get("seen") == stamp:
        return HttpResponse(status=204)
    user = staff(request)
    context = {
        "board": read_board(place, now=now),
        "place": place,
        "stamp": stamp,
        "is_wall": is_wall,
        "is_put_up": bool(handed_over_to(request)),
        "may_read": user.can(Can.VIEW_CLINICAL),
        "may_open": user.can(Can.VIEW_INFUSION) and not is_wall,
        "address": reverse("board:wall" if is_wall else "board:board"),
    }
    page = "courses/board/wall.html" if is_wall else "courses/board/board.html"
    return render(request, "courses/board/_board.html" if is_fragment(request) else page, context)
