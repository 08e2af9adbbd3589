"""The shape of what is said about a freed time, and of a place on the waiting list."""

from __future__ import annotations

from typing import Any

from django import forms

from courses.forms.course import SHORT_WEEKDAYS
from courses.models import WaitingEntry

A_WEEK_IN_HOURS = 168


class PlanForm(forms.Form):
    """For whom, as the page showed it, and what they said."""

    plan = forms.CharField(max_length=8000)
    reason = forms.CharField(max_length=120, required=False)


class ReasonForm(forms.Form):
    """Why nobody is asked."""

    reason = forms.CharField(
        label="Why is it left open?",
        max_length=150,
        error_messages={"required": "Say why nobody is asked; it stays with the task."},
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )


class WaitingForm(forms.Form):
    """When the patient could come. Empty means any day and any hour."""

    weekdays = forms.TypedMultipleChoiceField(
        label="On", choices=SHORT_WEEKDAYS, coerce=int, widget=forms.CheckboxSelectMultiple, required=False
    )
    from_time = forms.TimeField(
        label="Earliest start",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time", "class": "form-control"}, format="%H:%M"),
    )
    to_time = forms.TimeField(
        label="Latest start",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time", "class": "form-control"}, format="%H:%M"),
    )
    notice_hours = forms.IntegerField(
        label="Needs to know before (hours)",
        min_value=0,
        max_value=A_WEEK_IN_HOURS,
        initial=4,
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )
    note = forms.CharField(
        label="Note",
        max_length=200,
        required=False,
        help_text="Everybody who moves visits reads it: nothing clinical.",
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, last = data.get("from_time"), data.get("to_time")
        if first is not None and last is not None and first >= last:
            self.add_error("to_time", "The earliest start must be before the latest.")
        return data


def initial_of(entry: WaitingEntry | None) -> dict[str, Any]:
    """What the form shows first."""
    if entry is None:
        return {}
    names = ("weekdays", "from_time", "to_time", "notice_hours", "note")
    return {name: getattr(entry, name) for name in names}
