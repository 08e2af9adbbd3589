"""The shape of an event that counts as a relapse at once."""

from __future__ import annotations

from django import forms

from courses.forms.care import DAY, DAY_ERRORS, TEXT
from courses.models import ClinicalEventKind
from patients.forms.registry import DayInput


class EventForm(forms.Form):
    """Something grave happened."""

    use_required_attribute = False

    kind = forms.ChoiceField(
        label="What happened",
        choices=ClinicalEventKind.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what happened.", "invalid_choice": "Choose what happened."},
    )
    day = forms.DateField(
        label="On", widget=DayInput(DAY), help_text="For an admission its first day.", error_messages=DAY_ERRORS
    )
    note = forms.CharField(
        label="What is known about it (optional)",
        max_length=300,
        required=False,
        help_text="For example the hospital, and who told you.",
        widget=forms.TextInput(TEXT),
    )
