"""Set-up of intake: the wording and limits of a location, and its price list."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.models import Location
from clinic.pure.roles import Can
from patients.forms.intake_setup import LABELS, IntakeSettingsForm, PriceForm
from patients.models import IntakeSettings, PriceItem
from patients.services.intake_settings import intake_settings_of
from patients.services.intake_setup import (
    SETTINGS,
    PriceData,
    StalePriceError,
    StaleSettingsError,
    add_price,
    change_intake_settings,
    change_price,
    move_price,
    seen_price,
    seen_settings,
    set_price_active,
)


@require_GET
@requires(Can.EDIT_INTAKE_SETTINGS)
def setup(request: HttpRequest) -> HttpResponseBase:
    """The settings of the location where this person works; from there one goes to the others."""
    place = current_location(request)
    if place is None:
        messages.error(request, "There is no location yet. A manager adds the first one in Set-up.")
        return redirect("/")
    return redirect("intake:settings", place.pk)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_INTAKE_SETTINGS)
def settings(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """Wording and limits; "Preview" shows the request page's words without saving them."""
    place = get_object_or_404(Location, pk=location_pk)
    current = intake_settings_of(place)
    if request.method == "GET":
        form = IntakeSettingsForm(instance=current, initial={"expected": seen_settings(current)})
        return _settings_page(request, place, form, current)
    form = IntakeSettingsForm(request.POST, instance=intake_settings_of(place))
    if not form.is_valid():
        return _settings_page(request, place, form, current, status=422)
    if "preview" in request.POST:
        return _settings_page(request, place, form, form.instance, is_preview=True)
    try:
        change_intake_settings(
            location=place,
            values={name: form.cleaned_data[name] for name in SETTINGS},
            expected=form.cleaned_data["expected"],
            by=staff(request),
            now=timezone.now(),
        )
    except StaleSettingsError as stale:
        return _stale_settings(request, place, form, stale.current)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _settings_page(request, place, form, current, status=422)
    messages.success(request, f"The intake settings of {place} are saved.")
    return go(request, "intake:settings", place.pk)


def _stale_settings(
    request: HttpRequest, place: Location, form: IntakeSettingsForm, current: IntakeSettings
) -> HttpResponse:
    """What was typed stays in the fields, what differs is listed, and saving again overwrites it knowingly."""
    theirs = [
        (LABELS[name], getattr(current, name), form.cleaned_data[name])
        for name in SETTINGS
        if getattr(current, name) != form.cleaned_data[name]
    ]
    typed = form.data.copy()  # type: ignore[attr-defined]
    typed["expected"] = seen_settings(current)
    again = IntakeSettingsForm(typed, instance=intake_settings_of(place))
    return _settings_page(request, place, again, current, status=409, theirs=theirs)


def _settings_page(
    request: HttpRequest,
    place: Location,
    form: IntakeSettingsForm,
    shown: IntakeSettings,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context = {"place": place, "form": form, "shown": shown, "tab": "settings"} | more
    return render(request, "patients/intake_setup/settings.html", context, status=status)


# --- prices -----------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_INTAKE_SETTINGS)
def prices(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """The price list, and one more line."""
    place = get_object_or_404(Location, pk=location_pk)
    form = PriceForm(request.POST or None)
    if form.is_bound and form.is_valid():
        try:
            added = add_price(location=place, data=_price_data(form), by=staff(request), now=timezone.now())
        except ValidationError as refused:
            show_refusal(form, refused)
        else:
            messages.success(request, f"“{added}” is on the list.")
            return go(request, "intake:prices", place.pk)
    rows = list(PriceItem.objects.filter(location=place))
    context = {
        "place": place,
        "form": form,
        "listed": [row for row in rows if row.is_active],
        "retired": [row for row in rows if not row.is_active],
        "currency": intake_settings_of(place).currency,
        "tab": "prices",
    }
    return render(request, "patients/intake_setup/prices.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_INTAKE_SETTINGS)
def price_edit(request: HttpRequest, price_id: int) -> HttpResponseBase:
    """Change one line."""
    price = get_object_or_404(PriceItem.objects.select_related("location"), pk=price_id)
    known = {"kind": price.kind, "label": price.label, "amount": price.amount, "expected": seen_price(price)}
    form = PriceForm(request.POST or None, initial=known)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            change_price(
                price_id=price_id,
                data=_price_data(form),
                expected=form.cleaned_data["expected"],
                by=staff(request),
                now=timezone.now(),
            )
        except StalePriceError as stale:
            typed = request.POST.copy()
            typed["expected"] = seen_price(stale.current)
            form = PriceForm(typed)
            now = f"{stale.current.label}, {stale.current.amount}"
            form.add_error(None, f"{stale} It says now: {now}.")
            status = 409
        except ValidationError as refused:
            show_refusal(form, refused)
        else:
            messages.success(request, "Saved.")
            return go(request, "intake:prices", price.location_id)
    context = {"place": price.location, "price": price, "form": form}
    return render(request, "patients/intake_setup/price_edit.html", context, status=status)


@require_POST
@requires(Can.EDIT_INTAKE_SETTINGS)
def price_retire(request: HttpRequest, price_id: int) -> HttpResponseBase:
    """Off the list, or back on it."""
    price = get_object_or_404(PriceItem, pk=price_id)
    set_price_active(
        price_id=price_id, is_active=request.POST.get("is_active") == "1", by=staff(request), now=timezone.now()
    )
    return go(request, "intake:prices", price.location_id)


@require_POST
@requires(Can.EDIT_INTAKE_SETTINGS)
def price_move(request: HttpRequest, price_id: int, direction: str) -> HttpResponseBase:
    """One place up or down."""
    if direction not in {"up", "down"}:
        raise Http404
    price = get_object_or_404(PriceItem, pk=price_id)
    move_price(price_id=price_id, up=direction == "up", by=staff(request), now=timezone.now())
    return go(request, "intake:prices", price.location_id)


def _price_data(form: PriceForm) -> PriceData:
    return PriceData(**{name: form.cleaned_data[name] for name in ("kind", "label", "amount")})
