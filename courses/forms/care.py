"""The shape of what is written about care beside the infusions. What is plausible, the service knows."""

from __future__ import annotations

from django import forms

from courses.models import CareKind
from patients.forms.registry import DayInput

TEXT = {"class": "form-control", "autocomplete": "off"}
DAY = {"class": "form-control"}
DAY_ERRORS = {"required": "Give the day.", "invalid": "A day, as 2027-04-05."}


class CareForm(forms.Form):
    """Something beside the infusions."""

    use_required_attribute = False

    kind = forms.ChoiceField(
        label="What kind",
        choices=CareKind.choices,
        widget=forms.Select({"class": "form-select"}),
        error_messages={"required": "Choose what it is."},
    )
    title = forms.CharField(
        label="What",
        max_length=120,
        help_text="For example: cognitive behavioral therapy, sertraline, walk every day.",
        widget=forms.TextInput(TEXT),
        error_messages={"required": "Say what it is."},
    )
    responsible = forms.CharField(
        label="Who is responsible",
        max_length=120,
        help_text="The person who looks after it, for example the therapist, with the practice.",
        widget=forms.TextInput(TEXT),
        error_messages={"required": "Say who is responsible. For a goal that may be the patient."},
    )
    started_on = forms.DateField(label="Since", widget=DayInput(DAY), error_messages=DAY_ERRORS)
    detail = forms.CharField(
        label="More about it (optional)",
        max_length=500,
        required=False,
        widget=forms.Textarea({"class": "form-control", "rows": 2}),
    )
    on_chart = forms.BooleanField(
        label="Show it on the chart of scores",
        required=False,
        initial=True,
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )


class CareEditForm(CareForm):
    """It is called otherwise, or somebody else is responsible. ``expected``: what the person had before them."""

    kind = None  # type: ignore[assignment] # what it is does not change, and neither does its beginning
    started_on = None  # type: ignore[assignment]
    expected = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    def seen_again(self, expected: int) -> None:
        """The person has read what stands there now: sending the same form again is meant."""
        self.data = {**self.data.dict(), "expected": str(expected)}  # type: ignore[attr-defined]


class EntryForm(forms.Form):
    """Something took place."""

    use_required_attribute = False

    day = forms.DateField(label="On", widget=DayInput(DAY), error_messages=DAY_ERRORS)
    note = forms.CharField(
        label="What happened (optional)", max_length=300, required=False, widget=forms.TextInput(TEXT)
    )


class EndForm(forms.Form):
    """It ended."""

    use_required_attribute = False

    ended_on = forms.DateField(label="Until", widget=DayInput(DAY), error_messages=DAY_ERRORS)
    reason = forms.CharField(
        label="Why it ended",
        max_length=300,
        widget=forms.TextInput(TEXT),
        error_messages={"required": "Give the reason; it stays with the record."},
    )


class StrikeForm(forms.Form):
    """It was entered in error."""

    use_required_attribute = False

    reason = forms.CharField(
        label="Why was it entered in error?",
        max_length=200,
        widget=forms.TextInput(TEXT),
        error_messages={"required": "Give the reason; it stays with the record."},
    )
