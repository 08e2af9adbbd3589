"""The planner's questions: what the address of the page says, and what it means for the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, time
from typing import Any

from django import forms
from django.http import QueryDict

from clinic.models import Resource
from clinic.models.hours import Weekday
from courses.planning.settings import PlanSettings
from courses.planning.types import VisitShape, Wishes
from courses.planning.words import WEEKDAYS, say_days

NOON_MIN = 12 * 60
MOST_INFUSIONS = 60
TIMES = (
    ("any", "Any time"),
    ("morning", "Mornings (start by noon)"),
    ("afternoon", "Afternoons (start from noon)"),
    ("around", "Around …"),
    ("at", "Exactly at …"),
)
NEEDS_A_CLOCK = ("around", "at")
OF_THE_PROTOCOL = ("n", "weekday", "gap_min", "gap_max", "preparation", "infusion", "observation", "turnaround")
"""Fields whose values come from the protocol, and are taken from it anew when another one is chosen."""
SPOKEN = {"gap_min": "Smallest gap in days", "gap_max": "Largest gap in days", "clock": "The time of day"}


def say_weekday(weekday: int) -> str:
    return WEEKDAYS[weekday]


class PlanForm(forms.Form):
    """Everything that may be wished for. ``settings`` is what it means, when it is valid."""

    n = forms.IntegerField(label="Infusions", min_value=1, max_value=MOST_INFUSIONS)
    weekday = forms.TypedMultipleChoiceField(
        label="Weekdays",
        choices=[(day.value, say_weekday(day.value)) for day in Weekday],
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    gap_min = forms.IntegerField(label="at least", min_value=1, max_value=366)
    gap_max = forms.IntegerField(label="at most", min_value=1, max_value=366)
    first = forms.DateField(label="First on or after", widget=forms.DateInput(attrs={"type": "date"}))
    time = forms.ChoiceField(label="Time of day", choices=TIMES)
    clock = forms.TimeField(
        label="at", required=False, widget=forms.TimeInput(attrs={"type": "time", "step": 300}, format="%H:%M")
    )
    clinician = forms.TypedChoiceField(label="Clinician", coerce=int, empty_value=None, required=False)
    nurse = forms.TypedChoiceField(label="Nurse", coerce=int, empty_value=None, required=False)
    chair = forms.TypedChoiceField(label="Chair", coerce=int, empty_value=None, required=False)
    preparation = forms.IntegerField(label="Preparation", min_value=0, max_value=240)
    infusion = forms.IntegerField(label="Infusion", min_value=1, max_value=480)
    observation = forms.IntegerField(label="Observation", min_value=0, max_value=480)
    turnaround = forms.IntegerField(label="Turnaround", min_value=0, max_value=240)

    def __init__(
        self, data: QueryDict, *, base: PlanSettings, today: date, people: Mapping[str, Sequence[Resource]]
    ) -> None:
        """``data`` may leave out anything; what is missing comes from ``base``, the protocol's own settings."""
        self.base, self.today = base, today
        self.has_rhythm = any(step.weekdays for step in base.steps)
        self.not_on, self.unread_days = _days(data.getlist("not_on"))
        super().__init__(data=_completed(data, base))
        if not self.has_rhythm:
            del self.fields["weekday"]
        for name in ("clinician", "nurse", "chair"):
            field: Any = self.fields[name]
            field.choices = [("", "Any"), *((one.pk, one.name) for one in people[name])]
        self.fields["first"].widget.attrs["min"] = today.isoformat()
        for name, made in self.fields.items():
            look = "form-select" if isinstance(made, forms.ChoiceField) else "form-control"
            made.widget.attrs |= {"class": f"{look} is-invalid" if name in self.errors else look}
            if name in SPOKEN:
                made.widget.attrs["aria-label"] = SPOKEN[name]

    def clean_first(self) -> date:
        first: date = self.cleaned_data["first"]
        if first < self.today:
            raise forms.ValidationError("This day is past. Choose today or later.")
        if (first - self.today).days > MOST_INFUSIONS * 7:
            raise forms.ValidationError("This is more than a year ahead. Choose an earlier day.")
        return first

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        low, high = data.get("gap_min"), data.get("gap_max")
        if low is not None and high is not None and low > high:
            self.add_error("gap_max", f"The largest gap must not be below the smallest, {say_days(low)}.")
        if self.has_rhythm and not data.get("weekday") and "weekday" not in self.errors:
            self.add_error("weekday", "Choose at least one weekday.")
        if data.get("time") in NEEDS_A_CLOCK and data.get("clock") is None and "clock" not in self.errors:
            self.add_error("clock", "Give the time, for example 10:00.")
        if self.unread_days:
            self.add_error(None, "A day that the patient cannot come is not a date; use the calendar of the field.")
        return data

    @property
    def settings(self) -> PlanSettings:
        """The protocol's settings as this patient needs them."""
        data = self.cleaned_data
        adapted = self.base.adapted(
            n=data["n"],
            weekdays=data.get("weekday") or None,
            min_gap_days=data["gap_min"],
            max_gap_days=data["gap_max"],
        )
        shape = VisitShape(data["preparation"], data["infusion"], data["observation"], data["turnaround"])
        attended = (min(minutes, shape.patient_min) for minutes in (adapted.clinician_min, adapted.attention_min))
        clinician_min, attention_min = attended
        return replace(
            adapted,
            shape=shape,
            clinician_min=clinician_min,
            attention_min=attention_min,
            not_before=data["first"],
            wishes=self._wishes(),
        )

    def _wishes(self) -> Wishes:
        data = self.cleaned_data
        clock: time | None = data.get("clock")
        minute = clock.hour * 60 + clock.minute if clock else None
        exact = data["time"] == "at"
        return Wishes(
            earliest_min=NOON_MIN if data["time"] == "afternoon" else (minute if exact else None),
            latest_min=NOON_MIN if data["time"] == "morning" else (minute if exact else None),
            preferred_min=minute if data["time"] in NEEDS_A_CLOCK else None,
            clinician_id=data["clinician"],
            nurse_id=data["nurse"],
            chair_id=data["chair"],
            unavailable=self.not_on,
        )

    def warnings(self) -> list[str]:
        """Numbers that are allowed and do not go together well."""
        data = self.cleaned_data
        chosen = sorted(data.get("weekday") or [])
        if not chosen:
            return []
        apart = [(b - a - 1) % 7 + 1 for a, b in zip(chosen, [*chosen[1:], chosen[0]], strict=True)]
        found = []
        largest = data["gap_max"]
        if max(apart) > largest:
            found.append(
                f"These weekdays are up to {say_days(max(apart))} apart, and the largest gap is {say_days(largest)}: "
                "some infusions must leave the rhythm."
            )
        if min(apart) < data["gap_min"] and len(chosen) > 1:
            found.append(
                f"Some of these weekdays are {say_days(min(apart))} apart, and the smallest gap is "
                f"{say_days(data['gap_min'])}: they are skipped where they are too close."
            )
        return found


def _days(texts: Iterable[str]) -> tuple[frozenset[date], list[str]]:
    found, unread = set(), []
    for text in filter(None, texts):
        try:
            found.add(date.fromisoformat(text))
        except ValueError:
            unread.append(text)
    return frozenset(found), unread


def _completed(data: QueryDict, base: PlanSettings) -> QueryDict:
    """The data with everything that is missing; the protocol's own numbers when another protocol was chosen since."""
    made = data.copy()
    values = initial_values(base)
    is_fresh = data.get("of") != str(base.protocol_version_id)
    for name, value in values.items():
        is_numbered = name in OF_THE_PROTOCOL
        if (is_numbered and is_fresh) or (name not in made and not (name == "weekday" and not is_fresh)):
            made.setlist(name, value)
    return made


def initial_values(base: PlanSettings) -> dict[str, list[str]]:
    """What the address leaves out."""
    first, shape = base.steps[0], base.shape
    return {
        "n": [str(base.n)],
        "weekday": [str(day) for day in sorted(first.weekdays)],
        "gap_min": [str(first.min_gap_days)],
        "gap_max": [str(first.max_gap_days)],
        "first": [base.not_before.isoformat()],
        "time": ["any"],
        "preparation": [str(shape.preparation_min)],
        "infusion": [str(shape.infusion_min)],
        "observation": [str(shape.observation_min)],
        "turnaround": [str(shape.turnaround_min)],
    }
