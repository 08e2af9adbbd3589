"""A person's own account, the location they work at now, and the sign that they are still there."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import LOCATION_KEY
from clinic.edge.htmx import go
from clinic.edge.links import own_page
from clinic.forms.account import AccountForm
from clinic.models import Location
from clinic.pure.roles import Can
from clinic.services.staff import change_own_account

EVERYBODY = tuple(Can)
"""Pages that belong to whoever is signed in, whatever the role."""


@require_http_methods(["GET", "POST"])
@requires(*EVERYBODY)
def me(request: HttpRequest) -> HttpResponseBase:
    person = staff(request)
    form = AccountForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        change_own_account(person=person, now=timezone.now(), **form.cleaned_data)
        messages.success(request, "Your account is saved.")
        return go(request, "setup:me")
    kinds = set(Authenticator.objects.filter(user=person).values_list("type", flat=True))
    facts = {
        "form": form,
        "has_second_factor": bool(kinds & {Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN}),
        "sessions": UserSession.objects.filter(user=person).count(),
    }
    return render(request, "clinic/me.html", facts, status=422 if form.is_bound else 200)


@require_POST
@requires(*EVERYBODY)
def choose_location(request: HttpRequest, pk: int) -> HttpResponseBase:
    request.session[LOCATION_KEY] = get_object_or_404(Location.objects.active(), pk=pk).pk
    return redirect(own_page(request, request.POST.get("next", "")))


@require_POST
@requires(*EVERYBODY)
def alive(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 (the middleware has noted the activity)
    return HttpResponse(status=204)


def closed(request: HttpRequest, *_: str) -> HttpResponse:  # noqa: ARG001 (nobody is told anything)
    """What allauth offers and this house does not: sign-up, and changing the e-mail address that a manager typed."""
    raise Http404
