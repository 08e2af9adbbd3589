"""Forms about records of other locations: the reason to open one, and a manager's look at what was opened."""

from __future__ import annotations

from typing import Any

from django import forms

from clinic.forms.setup import day_field
from clinic.models import Location, OpeningReason, User
from clinic.pure.reach import REASON_AT_LEAST

FIRST_YEAR, LAST_YEAR = 2000, 2200


class OpenForm(forms.Form):
    kind = forms.ChoiceField(
        label="Why",
        choices=OpeningReason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Say why you need this record."},
    )
    reason = forms.CharField(
        label="In your words",
        min_length=REASON_AT_LEAST,
        max_length=150,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="A manager reads this. For example: asks to move tomorrow's visit, is on the phone.",
        error_messages={
            "required": "Say in a few words what you need the record for.",
            "min_length": f"Say a little more: at least {REASON_AT_LEAST} letters, for whoever reads it later.",
        },
    )
    next = forms.CharField(widget=forms.HiddenInput, required=False, max_length=2000)

    def clean_reason(self) -> str:
        return " ".join(str(self.cleaned_data["reason"]).split())


class LookForm(forms.Form):
    note = forms.CharField(label="Note", max_length=300, required=False)


class OpeningsForm(forms.Form):
    """Filters of the list of openings."""

    first_day = day_field("From", required=False)
    last_day = day_field("To", required=False)
    person = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Anybody")
    location = forms.ModelChoiceField(
        label="Patient of", queryset=Location.objects.none(), required=False, empty_label="Any location"
    )
    show = forms.ChoiceField(required=False, choices=[("", "To look at"), ("all", "All")])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].queryset = User.objects.order_by("last_name", "first_name", "id")  # type: ignore[attr-defined]
        self.fields["location"].queryset = Location.objects.all()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("first_day"), data.get("last_day")
        for name in ("first_day", "last_day"):
            if data.get(name) and not FIRST_YEAR <= data[name].year <= LAST_YEAR:
                self.add_error(name, f"Choose a day between {FIRST_YEAR} and {LAST_YEAR}.")
        if first and last and last < first:
            self.add_error("last_day", "The last day is before the first day.")
        return data
