"""What the consultation's small forms accept: treatments that were tried, vital signs, tests, signing, amendments."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms

from clinic.models import Location
from patients.forms.registry import DayInput
from patients.models import PregnancyResult, TreatmentMethod, TreatmentOutcome, YesNo
from patients.pure.consultation import FIELD_LIMIT
from patients.pure.vitals import Vitals, kg_from_lb

LONGEST_WEEKS = 2_600  # fifty years


class PlainForm(forms.Form):
    """A form whose tag and buttons belong to the template."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        for field in self.fields.values():
            field.widget.attrs.setdefault("autocomplete", "off")


class TreatmentForm(PlainForm):
    """Something that was tried, and what came of it."""

    method = forms.ChoiceField(choices=TreatmentMethod.choices, initial=TreatmentMethod.MEDICINE)
    name = forms.CharField(max_length=120, label="Drug or method", widget=forms.TextInput(attrs={"autofocus": True}))
    dose = forms.CharField(required=False, max_length=80, help_text="The highest that was taken.")
    duration_weeks = forms.IntegerField(required=False, min_value=0, max_value=LONGEST_WEEKS, label="Weeks")
    adequate = forms.ChoiceField(required=False, choices=YesNo.choices, label="Adequate in dose and time")
    outcome = forms.ChoiceField(required=False, choices=TreatmentOutcome.choices)
    note = forms.CharField(required=False, max_length=300)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper.layout = Layout(
            "method",
            "name",
            Row(Column("dose"), Column("duration_weeks")),
            Row(Column("adequate"), Column("outcome")),
            "note",
        )


class VitalsForm(PlainForm):
    """One reading. The weight may be typed in pounds; it is kept in kilograms."""

    UNITS = (("kg", "kg"), ("lb", "lb"))

    weight = forms.DecimalField(
        required=False,
        min_value=1,
        max_value=999,
        max_digits=5,
        decimal_places=2,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "autofocus": True}),
    )
    unit = forms.ChoiceField(choices=UNITS, initial="kg", label="Unit of the weight")
    systolic_mmhg = forms.IntegerField(required=False, label="Systolic (mmHg)", min_value=1, max_value=999)
    diastolic_mmhg = forms.IntegerField(required=False, label="Diastolic (mmHg)", min_value=1, max_value=999)
    heart_rate_bpm = forms.IntegerField(required=False, label="Heart rate (a minute)", min_value=1, max_value=999)
    day = forms.DateField(widget=DayInput, label="Measured on")
    clock = forms.TimeField(label="at", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    note = forms.CharField(required=False, max_length=200, help_text="For example lying, left arm.")
    confirmed = forms.BooleanField(required=False, label="I have read the display again: the values are right")

    def __init__(self, *args: Any, location: Location, now: datetime, asks: bool = False, **kwargs: Any) -> None:
        local = location.local(now)
        kwargs["initial"] = {"day": local.date(), "clock": local.time().replace(second=0, microsecond=0)} | (
            kwargs.get("initial") or {}
        )
        super().__init__(*args, **kwargs)
        self.location = location
        if not asks and "confirmed" not in (self.data or {}):
            del self.fields["confirmed"]
        self.helper.layout = Layout(
            Row(Column("weight"), Column("unit")),
            Row(Column("systolic_mmhg"), Column("diastolic_mmhg"), Column("heart_rate_bpm")),
            Row(Column("day"), Column("clock")),
            "note",
            *(["confirmed"] if "confirmed" in self.fields else []),
        )

    @property
    def vitals(self) -> Vitals:
        """What was typed, the weight in kilograms."""
        given = self.cleaned_data
        weight: Decimal | None = given.get("weight")
        if weight is not None:
            weight = kg_from_lb(weight) if given["unit"] == "lb" else weight
        return Vitals(weight, given.get("systolic_mmhg"), given.get("diastolic_mmhg"), given.get("heart_rate_bpm"))

    def clean(self) -> dict[str, Any]:
        """A weight in kilograms has one decimal: a second one is read, not rounded away."""
        cleaned = super().clean() or self.cleaned_data
        weight = cleaned.get("weight")
        if weight is not None and cleaned.get("unit") == "kg" and weight != round(weight, 1):
            self.add_error("weight", "Kilograms to one decimal, for example 82.4.")
        return cleaned

    @property
    def measured_at(self) -> datetime:
        return self.location.at(self.cleaned_data["day"], self.cleaned_data["clock"])


class PregnancyForm(PlainForm):
    """A dated test."""

    result = forms.ChoiceField(choices=[("", "Choose"), *PregnancyResult.choices])
    tested_on = forms.DateField(widget=DayInput, label="Tested on")
    note = forms.CharField(required=False, max_length=200)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        kwargs["initial"] = {"tested_on": today} | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        self.fields["tested_on"].widget.attrs["max"] = today.isoformat()


class StrikeForm(PlainForm):
    """Why a record counts no more."""

    reason = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autofocus": True}))


class AmendForm(PlainForm):
    """What is added to a signed record."""

    reason = forms.CharField(
        max_length=200, help_text="Why it is added.", widget=forms.TextInput(attrs={"autofocus": True})
    )
    text = forms.CharField(max_length=FIELD_LIMIT, widget=forms.Textarea(attrs={"rows": 8}), label="What is added")


class SignForm(PlainForm):
    """The version that the person read."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
