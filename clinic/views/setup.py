"""The first page of set-up: what there is, what is missing, and where to change it; and the second-factor policy."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.forms.setup import OwnLocationsForm, SecondFactorForm
from clinic.models import RolePolicy
from clinic.pure.roles import ROLE_LABELS, Can, Role
from clinic.services.overview import setup_cards
from clinic.services.staff import (
    demand_second_factor,
    limit_to_own_locations,
    limited_counts,
    limited_roles,
    second_factor_counts,
)


@require_GET
@requires(Can.EDIT_SETUP)
def index(request: HttpRequest) -> HttpResponse:
    return render(
        request, "clinic/setup.html", {"overview": setup_cards(now=timezone.now()), "catches": not settings.PRODUCTION}
    )


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def second_factor(request: HttpRequest) -> HttpResponseBase:
    form = SecondFactorForm(request.POST or None, initial={"roles": SecondFactorForm.demanded()})
    if request.method == "POST" and form.is_valid():
        roles = [Role(role) for role in form.cleaned_data["roles"]]
        demand_second_factor(roles=roles, by=staff(request), now=timezone.now())
        messages.success(request, "Saved. It holds from the next page that anybody opens.")
        return go(request, "setup:second_factor")
    counts = second_factor_counts()
    demanded = set(form["roles"].value() or [])
    rows = [(role.value, ROLE_LABELS[role], role.value in demanded, *counts[role]) for role in Role]
    return render(request, "clinic/second_factor.html", {"form": form, "rows": rows})


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def own_locations(request: HttpRequest) -> HttpResponseBase:
    """Which roles open only patients of their holders' own locations."""
    held = [role.value for role in limited_roles(RolePolicy.objects.all())]
    form = OwnLocationsForm(request.POST if request.method == "POST" else None, initial={"roles": held})
    if form.is_bound and form.is_valid():
        roles = [Role(role) for role in form.cleaned_data["roles"]]
        limit_to_own_locations(roles=roles, by=staff(request), now=timezone.now())
        messages.success(request, "Saved. It holds from the next page that anybody opens.")
        return go(request, "setup:own_locations")
    counts, chosen = limited_counts(), set(form["roles"].value() or [])
    rows = [(role.value, ROLE_LABELS[role], role.value in chosen, *counts[role]) for role in Role]
    context = {"form": form, "rows": rows}
    return render(request, "clinic/own_locations.html", context, status=422 if form.is_bound else 200)
