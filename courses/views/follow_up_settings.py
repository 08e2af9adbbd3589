"""Set-up of how a location follows its courses: booster rule, questionnaires, long-term checks, reviews, offers."""

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
from courses.forms.follow_up_settings import LABELS, FollowUpSettingsForm
from courses.models import FollowUpSettings
from courses.services.follow_up_settings import (
    SETTINGS,
    StaleFollowUpError,
    change_follow_up,
    follow_up_settings_of,
    seen_follow_up,
)


@require_GET
@requires(Can.EDIT_FOLLOW_UP)
def follow_up_settings(request: HttpRequest) -> HttpResponseBase:
    """The settings of the location where this person works; from there one goes to the others."""
    place = current_location(request)
    if place is None:
        messages.error(request, "There is no location yet. A manager adds the first one in Set-up.")
        return redirect("/")
    return redirect("courses:follow_up_settings_of", place.pk)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_FOLLOW_UP)
def follow_up_settings_of_place(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """What this location decides."""
    place = get_object_or_404(Location, pk=location_pk)
    current = follow_up_settings_of(place)
    if request.method == "GET":
        form = FollowUpSettingsForm(instance=current, initial={"expected": seen_follow_up(current)})
        return _page(request, place, form)
    form = FollowUpSettingsForm(request.POST, instance=current)
    if not form.is_valid():
        return _page(request, place, form, status=422)
    try:
        change_follow_up(
            location=place,
            values={name: form.cleaned_data[name] for name in SETTINGS},
            expected=form.cleaned_data["expected"],
            by=staff(request),
            now=timezone.now(),
        )
    except StaleFollowUpError as stale:
        return _stale(request, place, form, stale.current)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _page(request, place, form, status=422)
    messages.success(request, f"{place} follows its courses by these settings now.")
    return go(request, "courses:follow_up_settings_of", place.pk)


def _stale(
    request: HttpRequest, place: Location, form: FollowUpSettingsForm, current: FollowUpSettings
) -> HttpResponse:
    """What was typed stays in the fields, what differs is listed, and saving again overwrites it knowingly."""
    theirs = [
        (LABELS[name], _said(getattr(current, name)), _said(form.cleaned_data[name]))
        for name in SETTINGS
        if getattr(current, name) != form.cleaned_data[name]
    ]
    typed = form.data.copy()  # type: ignore[attr-defined]
    typed["expected"] = seen_follow_up(current)
    again = FollowUpSettingsForm(typed, instance=follow_up_settings_of(place))
    return _page(request, place, again, status=409, theirs=theirs)


def _said(value: Any) -> str:  # noqa: ANN401 (any setting)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not asked" if value is None else str(value)


def _page(
    request: HttpRequest, place: Location, form: FollowUpSettingsForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {"place": place, "form": form, "tab": "follow_up"} | more
    return render(request, "courses/follow_up_settings.html", context, status=status)
