"""Which courses are printed, and for whom."""

from __future__ import annotations

from django import forms

from courses.pure.course_page import Audience


class ChosenForm(forms.Form):
    """Ticked courses and a reader. How many may be ticked is for the service to say."""

    audience = forms.ChoiceField(
        label="For",
        choices=[(Audience.REFERRER.value, "Referrers"), (Audience.INSURER.value, "An insurer")],
        widget=forms.Select(attrs={"class": "form-select"}),
        error_messages={"required": "Choose for whom the file is.", "invalid_choice": "Choose a reader of the list."},
    )
    course = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def __init__(self, *args: object, ticked: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        known = [one for one in ticked if one.isascii() and one.isdigit() and len(one) < LEN_OF_NUMBER]
        self.fields["course"].choices = [(one, one) for one in known]  # type: ignore[attr-defined]
        self.fields["course"].error_messages["invalid_choice"] = "A tick is not one of the list. Tick anew."


LEN_OF_NUMBER = 19
"""Longer is no id of a row."""
