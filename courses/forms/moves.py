"""The shape of a move, of an ending, and of other minutes. What is allowed, the services know."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms

from clinic.pure.walltime import YEARS
from courses.planning.types import VisitShape

ONLY, SHIFT = "only", "shift"


class MoveForm(forms.Form):
    """Where an infusion should go, as the address says it; every part may be missing."""

    mode = forms.ChoiceField(choices=[(ONLY, "Only this one"), (SHIFT, "Shift the rest")], required=False)
    day = forms.DateField(required=False)
    start = forms.TimeField(required=False)
    chair = forms.IntegerField(required=False)
    nurse = forms.IntegerField(required=False)
    clinician = forms.IntegerField(required=False)

    def clean_day(self) -> date | None:
        """No day where the year is a slip of the hand."""
        day: date | None = self.cleaned_data.get("day")
        return day if day and day.year in YEARS else None

    @property
    def start_min(self) -> int | None:
        """The wished start in minutes after midnight."""
        clock = self.cleaned_data.get("start")
        return None if clock is None else clock.hour * 60 + clock.minute

    def value(self, name: str) -> Any:  # noqa: ANN401 (a date, a number or a word)
        """What was typed, or nothing where it could not be read."""
        return self.cleaned_data.get(name)


class ConfirmForm(forms.Form):
    """The preview that a person agrees to, with the reason where one is needed."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=8000)
    reason = forms.CharField(max_length=300, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class EndForm(forms.Form):
    """Why a visit does not take place."""

    reason = forms.CharField(
        max_length=200, required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "form-control"})
    )
    version = forms.IntegerField(widget=forms.HiddenInput)


class MinutesForm(forms.Form):
    """The minutes of one visit."""

    preparation_min = forms.IntegerField(label="Preparation (min)", min_value=0, max_value=240)
    infusion_min = forms.IntegerField(label="Infusion (min)", min_value=1, max_value=1440)
    observation_min = forms.IntegerField(label="Observation, at least (min)", min_value=0, max_value=480)
    turnaround_min = forms.IntegerField(label="Turnaround of the chair (min)", min_value=0, max_value=240)

    @property
    def shape(self) -> VisitShape:
        """The minutes as the planning core speaks of them."""
        return VisitShape(**{name: self.cleaned_data[name] for name in MINUTES})


MINUTES = ("preparation_min", "infusion_min", "observation_min", "turnaround_min")


def minutes_initial(shape: VisitShape) -> dict[str, int]:
    """What the fields show before anybody types."""
    return {name: getattr(shape, name) for name in MINUTES}
