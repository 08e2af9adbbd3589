"""The shape of a tap, and of its correction."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from clinic.pure.walltime import YEARS
from courses.models import RunKind


class TapForm(forms.Form):
    """One tap. ``uid`` and ``at`` come from the device; ``once`` is the page's own number where no script ran."""

    kind = forms.ChoiceField(choices=RunKind.choices)
    uid = forms.UUIDField(required=False)
    once = forms.UUIDField(required=False)
    at = forms.CharField(max_length=40, required=False)
    reason = forms.CharField(max_length=300, required=False)
    for_adverse_event = forms.BooleanField(required=False)
    order = forms.IntegerField(required=False)
    number = forms.IntegerField(required=False)

    def clean_at(self) -> datetime | None:
        """An instant with its offset; nothing means now."""
        text = self.cleaned_data["at"]
        if not text:
            return None
        try:
            found = parse_datetime(text)
        except ValueError:
            found = None
        if found is None or found.utcoffset() is None or found.year not in YEARS:
            raise ValidationError("This time could not be read.")
        return found


class CorrectForm(forms.Form):
    """The local time that a tap should have had, and why; or that it was no tap at all."""

    clock = forms.TimeField(required=False, error_messages={"invalid": "Give a time like 10:05."})
    reason = forms.CharField(max_length=200, error_messages={"required": "Say why it is corrected."})
    is_removed = forms.BooleanField(required=False)

    def clean(self) -> None:
        """A time is needed unless the tap is taken out."""
        values = self.cleaned_data
        if not values.get("is_removed") and not values.get("clock") and "clock" not in self.errors:
            self.add_error("clock", "Give the right time.")
