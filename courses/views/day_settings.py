"""Set-up of the infusion days of a location: fasting, limits, weight, checks, concentrations."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.models import Location
from clinic.pure.roles import Can
from courses.forms.day_settings import LABELS, DaySettingsForm
from courses.models import InfusionDaySettings
from courses.pure import fasting, limits
from courses.services.day_settings import (
    SETTINGS,
    StaleDaySettingsError,
    change_day_settings,
    day_settings_of,
    seen_day_settings,
)
from patients.pure.evidence import MARK_LABELS, Mark


@require_GET
@requires(Can.EDIT_DAY_SETTINGS)
def day_settings(request: HttpRequest) -> HttpResponseBase:
    """The settings of the location where this person works; from there one goes to the others."""
    place = current_location(request)
    if place is None:
        messages.error(request, "There is no location yet. A manager adds the first one in Set-up.")
        return redirect("/")
    return redirect("courses:day_settings_of", place.pk)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_DAY_SETTINGS)
def day_settings_of_place(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """What this location decides."""
    place = get_object_or_404(Location, pk=location_pk)
    current = day_settings_of(place)
    if request.method == "GET":
        form = DaySettingsForm(instance=current, initial={"expected": seen_day_settings(current)})
        return _page(request, place, form)
    form = DaySettingsForm(request.POST, instance=day_settings_of(place))
    if not form.is_valid():
        return _page(request, place, form, status=422)
    try:
        change_day_settings(
            location=place,
            values={name: form.cleaned_data[name] for name in SETTINGS},
            expected=form.cleaned_data["expected"],
            by=staff(request),
            now=timezone.now(),
        )
    except StaleDaySettingsError as stale:
        return _stale(request, place, form, stale.current)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _page(request, place, form, status=422)
    messages.success(request, f"The infusion days of {place} go by these settings now.")
    return go(request, "courses:day_settings_of", place.pk)


def _stale(request: HttpRequest, place: Location, form: DaySettingsForm, current: InfusionDaySettings) -> HttpResponse:
    """What was typed stays in the fields, what differs is listed, and saving again overwrites it knowingly."""
    theirs = [
        (LABELS[name], _said(getattr(current, name)), _said(form.cleaned_data[name]))
        for name in SETTINGS
        if _said(getattr(current, name)) != _said(form.cleaned_data[name])
    ]
    typed = form.data.copy()  # type: ignore[attr-defined]
    typed["expected"] = seen_day_settings(current)
    again = DaySettingsForm(typed, instance=day_settings_of(place))
    return _page(request, place, again, status=409, theirs=theirs)


def _said(value: Any) -> str:  # noqa: ANN401 (any setting)
    return ", ".join(f"{one.normalize():f}" for one in value) if isinstance(value, list) else str(value)


def _found(profile: fasting.FastingProfile | limits.Profile) -> str:
    """Where a profile comes from, in words; chapters of our own notes say nothing to a clinic."""
    if profile.mark is Mark.SETTING:
        return "A clinic setting."
    found = MARK_LABELS[profile.mark]
    return f"{found.capitalize()}." if profile.source.startswith("clinical.md") else f"{profile.source}: {found}."


def _page(
    request: HttpRequest, place: Location, form: DaySettingsForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "place": place,
        "form": form,
        "tab": "days",
        "fasting": [(one, _found(one), one.note.replace(fasting.CONFLICT, "").strip()) for one in fasting.PROFILES],
        "conflict": fasting.CONFLICT,
        "limits": [(one, _found(one), one.note) for one in limits.PROFILES],
    }
    return render(request, "courses/day_settings.html", context | more, status=status)
