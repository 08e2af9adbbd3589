"""One infusion day: the page, and what it asks for by itself."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from clinic.edge.access import requires
from clinic.edge.htmx import is_fragment
from clinic.pure.roles import Can
from courses.views.infusion.frame import desk_or_404, render_day, stamp_of


@requires(Can.VIEW_INFUSION)
@require_GET
def day(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The infusion day of one visit; polled, it answers 204 while nothing has changed."""
    desk = desk_or_404(booking_id)
    if is_fragment(request) and request.GET.get("seen") == stamp_of(desk):
        return HttpResponse(status=204)
    return render_day(request, desk)
