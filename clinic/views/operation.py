"""How the machinery runs, and the messages that a development installation kept instead of sending them."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.adapters.started import STARTED_AT
from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import is_fragment
from clinic.edge.lists import listing
from clinic.models import CaughtMail, User
from clinic.pure.roles import Can
from clinic.services.operation import operation

CATCHER = "clinic.adapters.catcher.EmailBackend"
LONGEST_FILTER = 254


@require_GET
@requires(Can.VIEW_OPERATION)
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page, or what the page asks for again every few seconds."""
    template = "clinic/operation/_operation.html" if is_fragment(request) else "clinic/operation/operation.html"
    facts = {
        "operation": operation(now=timezone.now(), started_at=STARTED_AT),
        "place": current_location(request),
        "is_caught": not settings.PRODUCTION,
    }
    return render(request, template, facts)


@require_GET
@requires(Can.VIEW_MESSAGES)
def caught(request: HttpRequest) -> HttpResponse:
    """What would have been sent. In production there is no such page.

    Every role sees messages to patients, so that a newcomer can try the product with any sign-in of the demonstration.
    Mail to staff has links to passwords in it: only who may change staff sees that.
    """
    if settings.PRODUCTION:
        raise Http404
    wanted = " ".join(request.GET.get("to", "").replace("\x00", "").split())[:LONGEST_FILTER]
    rows = _shown_to(staff(request))
    if wanted:
        rows = rows.filter(to__icontains=wanted)
    facts = {
        "listing": listing(request, rows, sorts={"at": ("at",)}, default="-at", size=20),
        "wanted": wanted,
        "place": current_location(request),
        "leaves": _leaves(),
    }
    return render(request, "clinic/operation/caught.html", facts)


def _shown_to(person: User) -> QuerySet[CaughtMail]:
    rows = CaughtMail.objects.all()
    if person.can(Can.EDIT_SETUP):
        return rows
    of_staff = User.objects.exclude(email="").annotate(address=Lower("email")).values("address")
    return rows.annotate(address=Lower("to")).exclude(address__in=of_staff)


def _leaves() -> list[str]:
    """What is sent for real all the same, since a provider is set up for it."""
    sent = []
    if settings.EMAIL_BACKEND != CATCHER:
        sent.append("e-mail")
    if settings.TWILIO_ACCOUNT_SID:
        sent.append("text messages")
    return sent
