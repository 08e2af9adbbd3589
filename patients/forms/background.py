"""What the background accepts: conditions, allergies, medicines, problems, and times when a patient cannot come."""

from __future__ import annotations

from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms

from patients.forms.registry import DayInput
from patients.models.background import INDICATION_CHOICES, AllergySeverity, CodeSystem
from patients.pure.background import BackgroundKind

FAR_AHEAD_YEARS = 2


class EntryForm(forms.Form):
    """One entry of the background."""

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        for name, field in self.fields.items():
            if isinstance(field, forms.DateField):
                field.widget.attrs["max"] = today.isoformat()
            field.widget.attrs["autocomplete"] = "off"
            if name in {"description", "indication"}:
                field.widget.attrs["autofocus"] = True
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True

    def _not_ahead(self, name: str) -> date | None:
        day: date | None = self.cleaned_data.get(name)
        if day and day > self.today:
            raise forms.ValidationError("This day is in the future. Check the year.")
        return day


class ConditionForm(EntryForm):
    indication = forms.ChoiceField(choices=[("", "Choose"), *INDICATION_CHOICES], label="Treated for")
    since = forms.DateField(required=False, widget=DayInput)
    note = forms.CharField(required=False, max_length=200)

    def clean_since(self) -> date | None:
        return self._not_ahead("since")


class CodedForm(EntryForm):
    """Something described in words, with a code when one is known."""

    description = forms.CharField(max_length=200)
    code_system = forms.ChoiceField(choices=CodeSystem.choices, required=False)
    code = forms.CharField(required=False, max_length=32)
    started_on = forms.DateField(required=False, widget=DayInput, label="Since")
    ended_on = forms.DateField(required=False, widget=DayInput, label="Ended", help_text="Empty: still current.")
    note = forms.CharField(required=False, max_length=300)

    def clean_started_on(self) -> date | None:
        return self._not_ahead("started_on")

    def clean_ended_on(self) -> date | None:
        return self._not_ahead("ended_on")

    def clean(self) -> dict[str, Any]:
        """A code comes with its system, and an end with a start before it."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("code") and not cleaned.get("code_system"):
            self.add_error("code_system", "Which system is this code from?")
        if cleaned.get("code_system") and not cleaned.get("code"):
            self.add_error("code", "Give the code, or choose “No code”.")
        started, ended = cleaned.get("started_on"), cleaned.get("ended_on")
        if started and ended and ended < started:
            self.add_error("ended_on", "The end is before the start.")
        return cleaned


class ProblemForm(CodedForm):
    """A diagnosis or problem."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["description"].label = "Problem"
        self.helper.layout = _coded()


class AllergyForm(CodedForm):
    reaction = forms.CharField(required=False, max_length=120, help_text="For example hives, swelling, anaphylaxis.")
    severity = forms.ChoiceField(choices=AllergySeverity.choices, initial=AllergySeverity.UNKNOWN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["description"].label = "Allergy or intolerance to"
        self.helper.layout = _coded("reaction", "severity")


class MedicineForm(CodedForm):
    dose = forms.CharField(required=False, max_length=80, help_text="For example 10 mg once a day.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["description"].label = "Medicine, over-the-counter product or supplement"
        self.helper.layout = _coded("dose")


FORMS: dict[BackgroundKind, type[EntryForm]] = {
    BackgroundKind.CONDITION: ConditionForm,
    BackgroundKind.ALLERGY: AllergyForm,
    BackgroundKind.MEDICINE: MedicineForm,
    BackgroundKind.PROBLEM: ProblemForm,
}


class UnavailabilityForm(forms.Form):
    """From one day to another, all day or between two times."""

    first_day = forms.DateField(widget=DayInput, label="From")
    last_day = forms.DateField(widget=DayInput, label="To", required=False, help_text="Empty: one day.")
    from_time = forms.TimeField(
        required=False, label="Between", widget=forms.TimeInput(attrs={"type": "time"}), help_text="Empty: all day."
    )
    until_time = forms.TimeField(required=False, label="and", widget=forms.TimeInput(attrs={"type": "time"}))
    note = forms.CharField(required=False, max_length=120, help_text="For example travel, or works Tuesdays.")

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            Row(Column("first_day"), Column("last_day")), Row(Column("from_time"), Column("until_time")), "note"
        )

    def clean(self) -> dict[str, Any]:
        """One day unless two are given; both times or neither; nothing that is over, nothing years ahead."""
        cleaned = super().clean() or self.cleaned_data
        first = cleaned.get("first_day")
        if not first:
            return cleaned
        last = cleaned["last_day"] = cleaned.get("last_day") or first
        if last < first:
            self.add_error("last_day", "The last day is before the first.")
        elif last < self.today:
            self.add_error("first_day", "This time is over already.")
        elif last.year - self.today.year > FAR_AHEAD_YEARS:
            self.add_error("last_day", "This is years ahead. Check the year.")
        start, end = cleaned.get("from_time"), cleaned.get("until_time")
        if (start is None) != (end is None):
            self.add_error("until_time", "Give both times, or neither for the whole day.")
        elif start and end and end <= start:
            self.add_error("until_time", "The end is not after the start.")
        return cleaned


def _coded(*own: str) -> Layout:
    """The fields of a coded entry, those of its own kind after the description."""
    return Layout(
        "description",
        Row(*(Column(name) for name in own)),
        Row(Column("started_on"), Column("ended_on")),
        Row(Column("code_system"), Column("code")),
        "note",
    )
