"""A week of clock times as one form: a row a day, several stretches a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict

from clinic.pure.week import DAYS, WORKDAYS, Stretch, Week, day_problem, joined

STRETCHES = 3
"""Fields for this many stretches a day: morning, afternoon, and one for the odd evening."""
ORDINALS = ("", ", after a break", ", after a second break", ", after a third break")


@dataclass(frozen=True, slots=True)
class DayRow:
    name: str
    pairs: tuple[tuple[BoundField, BoundField], ...]

    @property
    def errors(self) -> list[str]:
        return [str(error) for pair in self.pairs for bound in pair for error in bound.errors]

    @property
    def is_empty(self) -> bool:
        return not any(bound.value() for pair in self.pairs for bound in pair)


class WeekForm(forms.Form):
    """``week`` holds the stretches by weekday once the form is valid. An empty day is a day without any."""

    starts_word, ends_word = "opens", "closes"

    def __init__(self, data: Mapping[str, Any] | None = None, *, week: Week | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        week = week or {}
        self.stretches = max(STRETCHES, *(len(stretches) for stretches in week.values())) if week else STRETCHES
        for day in range(7):
            for number in range(self.stretches):
                known = week.get(day, ())[number : number + 1]
                self._add(day, number, "from", self.starts_word, known[0].start if known else None)
                self._add(day, number, "until", self.ends_word, known[0].end if known else None)

    def _add(self, day: int, number: int, end: str, word: str, initial: time | None) -> None:
        label = f"{DAYS[day]} {word}{ORDINALS[min(number, len(ORDINALS) - 1)]}"
        widget = forms.TimeInput(format="%H:%M", attrs={"type": "time", "class": "form-control", "aria-label": label})
        self.fields[f"d{day}_{number}_{end}"] = forms.TimeField(
            required=False,
            label=label,
            initial=initial,
            widget=widget,
            error_messages={"invalid": "Write a time such as 08:30."},
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        self.week: dict[int, tuple[Stretch, ...]] = {}
        for day in range(7):
            found = self._stretches_of(day, data)
            if problem := day_problem(found):
                self.add_error(f"d{day}_0_from", problem)
            self.week[day] = joined(found)
        return data

    def _stretches_of(self, day: int, data: Mapping[str, Any]) -> list[Stretch]:
        found = []
        for number in range(self.stretches):
            names = f"d{day}_{number}_from", f"d{day}_{number}_until"
            start, end = (data.get(name) for name in names)
            if start is not None and end is not None:
                found.append(Stretch(start, end))
            elif start is not None and names[1] not in self.errors:
                self.add_error(names[1], "Say until when.")
            elif end is not None and names[0] not in self.errors:
                self.add_error(names[0], "Say from when.")
        return found

    def days(self) -> list[DayRow]:
        return [
            DayRow(
                DAYS[day],
                tuple((self[f"d{day}_{n}_from"], self[f"d{day}_{n}_until"]) for n in range(self.stretches)),
            )
            for day in range(7)
        ]


def with_monday_copied(data: QueryDict) -> QueryDict:
    """The sent form, with Monday's times on Tuesday to Friday too."""
    copied = data.copy()
    for name in list(data):
        day = name.partition("_")[0]
        if day in {f"d{number}" for number in WORKDAYS}:
            copied[name] = ""
    for name in [name for name in data if name.startswith("d0_")]:
        for number in WORKDAYS:
            copied[f"d{number}_{name.removeprefix('d0_')}"] = str(data[name])
    return copied


class ShiftWeekForm(WeekForm):
    """Weekly shifts from a day on."""

    starts_word, ends_word = "starts", "ends"

    def __init__(self, data: Mapping[str, Any] | None = None, *, first_day: date, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.fields["first_day"] = forms.DateField(
            label="From this day on",
            initial=first_day,
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "form-control"}),
            help_text="What was before that day stays as it was.",
        )
