"""What the check-in of an infusion day accepts: the shape of each answer. What it comes to, the services know."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import forms

from clinic.models import Location
from courses.pure.checklist import EARLIER, ITEMS, MEDICINES, NONE, NOT_POSSIBLE, YES, CheckItem, Kind
from courses.pure.checklist_answers import Entries, Measured, Typed
from patients.models import PregnancyResult
from patients.pure.vitals import Vitals, kg_from_lb

TODAY, YESTERDAY = "today", "yesterday"
DAYS = ((TODAY, "Today"), (YESTERDAY, "Yesterday"), (EARLIER, "Earlier"))
TENTH = Decimal("0.1")


class CheckinForm(forms.Form):
    """Every item may be left out: what is not answered stays as it is. Its fields begin with "checkin-".

    Args:
        place: whose clocks the times are on.
        now: for "today" and "yesterday".
    """

    prefix = "checkin"
    weight = forms.DecimalField(required=False, min_value=1, max_value=999, max_digits=5, decimal_places=2)
    weight_unit = forms.ChoiceField(required=False, choices=(("kg", "kg"), ("lb", "lb")))
    weight_confirmed = forms.BooleanField(required=False)
    weight_base = forms.CharField(required=False, max_length=40)
    test = forms.ChoiceField(required=False, choices=PregnancyResult.choices)
    test_base = forms.CharField(required=False, max_length=40)

    def __init__(self, *args: Any, place: Location, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.place, self.now = place, now
        for item in ITEMS:
            self.fields |= _fields_of(item)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for item in ITEMS:
            if item.kind is Kind.MOMENT:
                self._check_moment(item, cleaned)
        weight = cleaned.get("weight")
        if weight is not None and cleaned.get("weight_unit") not in ("kg", "lb"):
            self.add_error("weight", "Kilograms or pounds?")
        elif weight is not None and cleaned["weight_unit"] == "kg" and weight != round(weight, 1):
            self.add_error("weight", "Kilograms to one decimal, for example 82.4.")
        if cleaned.get("temperature") is not None and cleaned.get("temperature_unit") not in ("c", "f"):
            self.add_error("temperature", "Celsius or Fahrenheit?")
        return cleaned

    def _check_moment(self, item: CheckItem, cleaned: dict[str, Any]) -> None:
        day, clock = cleaned.get(f"{item.code}_day"), cleaned.get(item.code)
        if clock is not None and not day:
            self.add_error(item.code, "Today or yesterday?")
        elif day in (TODAY, YESTERDAY) and clock is None and item.code not in self.errors:
            self.add_error(item.code, "Give the time.")

    @property
    def entries(self) -> Entries:
        """What was typed, in the shape in which it is stored."""
        given = self.cleaned_data
        answers = {}
        for item in ITEMS:
            value, detail = self._answer(item)
            if value:
                answers[item.code] = Typed(value, detail, given.get(f"{item.code}_base", ""))
        weight = given.get("weight")
        if weight is not None:
            weight = kg_from_lb(weight) if given["weight_unit"] == "lb" else weight
        return Entries(
            answers,
            Measured(given["weight_base"], vitals=Vitals(weight_kg=weight), is_confirmed=given["weight_confirmed"])
            if weight is not None
            else None,
            Measured(given["test_base"], result=given["test"]) if given.get("test") else None,
        )

    def _answer(self, item: CheckItem) -> tuple[str, str]:
        """The value and the detail as they are stored; empty where nothing was answered."""
        given = self.cleaned_data
        value, detail = given.get(item.code), given.get(f"{item.code}_detail", "")
        if item.kind is Kind.MOMENT:
            return self._moment(item), "fatty" if given.get(f"{item.code}_fatty") else ""
        if item.kind is Kind.NUMBER:
            return (_celsius(value, given["temperature_unit"]), "") if value is not None else ("", "")
        if item.kind is Kind.MEDICINES:
            order = [code for code, _ in (*MEDICINES, (NONE, "")) if code in (value or ())]
            return ",".join(order), "" if order == [NONE] else detail
        if item.code == "measure":
            return value or "", detail
        keeps = (bool(item.ask) and value != item.good) or (item.kind is Kind.PERSON and value == YES)
        return value or "", detail if keeps else ""

    def _moment(self, item: CheckItem) -> str:
        day, clock = self.cleaned_data.get(f"{item.code}_day"), self.cleaned_data.get(item.code)
        if day == EARLIER:
            return EARLIER
        if not day or clock is None:
            return ""
        today = self.place.local(self.now).date()
        on = today - timedelta(days=1) if day == YESTERDAY else today
        return self.place.local(self.place.at(on, clock)).isoformat()

    @property
    def medicines(self) -> str:
        """The medicines as they were ticked, also where the rest does not fit."""
        name = self.add_prefix("medicines_today")
        return ",".join(self.fields["medicines_today"].widget.value_from_datadict(self.data, self.files, name) or ())

    def add_problems(self, problems: dict[str, list[str]]) -> None:
        """What a service said, beside the fields that it is about."""
        for name, said in problems.items():
            self.add_error(name if name in self.fields else None, said)


def _fields_of(item: CheckItem) -> dict[str, forms.Field]:
    base = {f"{item.code}_base": forms.CharField(required=False, max_length=40)}
    detail = {f"{item.code}_detail": forms.CharField(required=False, max_length=300)}
    if item.kind is Kind.MOMENT:
        return {
            item.code: forms.TimeField(required=False),
            f"{item.code}_day": forms.ChoiceField(required=False, choices=DAYS),
            f"{item.code}_fatty": forms.BooleanField(required=False),
            **base,
        }
    if item.kind is Kind.NUMBER:
        number = forms.DecimalField(required=False, min_value=20, max_value=120, max_digits=4, decimal_places=1)
        unit = forms.ChoiceField(required=False, choices=(("c", "°C"), ("f", "°F")))
        return {item.code: number, f"{item.code}_unit": unit, **base}
    if item.kind is Kind.MEDICINES:
        choices = (*MEDICINES, (NONE, "None of these"))
        return {item.code: forms.MultipleChoiceField(required=False, choices=choices), **detail, **base}
    values = [(NOT_POSSIBLE, "")] if item.good == NOT_POSSIBLE else [(YES, "Yes"), ("no", "No")]
    return {item.code: forms.ChoiceField(required=False, choices=values), **detail, **base}


def _celsius(degrees: Decimal, unit: str) -> str:
    value = (degrees - 32) * 5 / 9 if unit == "f" else degrees
    return str(value.quantize(TENTH, rounding=ROUND_HALF_UP))


class DecideForm(forms.Form):
    """One finding as it was shown, and why it may start all the same."""

    code = forms.SlugField(max_length=32)
    stamp = forms.CharField(max_length=64)
    reason = forms.CharField(required=False, max_length=300)


class WithholdForm(forms.Form):
    """Why nothing is given today, and the version of the visit that the person saw."""

    reason = forms.CharField(required=False, max_length=200)
    version = forms.IntegerField(min_value=1)
