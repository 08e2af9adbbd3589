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
from clinic.forms.setup import SecondFactorForm
from clinic.pure.roles import ROLE_LABELS, Can, Role
from clinic.services.overview import setup_cards
from clinic.services.staff import demand_second_factor, second_factor_counts


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
