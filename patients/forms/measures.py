"""Forms built from the registry of measures: all questions of an instrument, or some of them, or its total."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms

from patients.forms.registry import DayInput
from patients.pure.measures import Item, Measure

LONG_ANSWER = 32  # letters


@dataclass(frozen=True, slots=True)
class Question:
    """One item as the template shows it."""

    item: Item
    name: str  # of its radio buttons
    chosen: int | None
    only_after: str  # the name of the question that must be answered "yes" before this one is asked; else empty
    error: str

    @property
    def is_stacked(self) -> bool:
        """Long answers stand below each other."""
        return any(len(option.label) > LONG_ANSWER for option in self.item.options)

    @property
    def is_unscored(self) -> bool:
        return not self.item.is_scored


class MeasureForm(forms.Form):
    """The questions of a measure as radio groups; an answer may be left out, the scoring knows what that means.

    ``only`` shows some of the items, for one question a screen. ``answers()`` of a valid form goes into the scoring.
    The template is ``patients/measures/_questions.html``.
    """

    def __init__(
        self,
        measure: Measure,
        *args: Any,
        only: Collection[int] | None = None,
        saved: dict[int, int | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.measure = measure
        self.items_shown = [item for item in measure.items if only is None or item.number in only]
        for item in self.items_shown:
            self.fields[field_name(item.number)] = forms.TypedChoiceField(
                choices=[(str(option.value), option.label) for option in item.options],
                coerce=int,
                empty_value=None,
                required=False,
                label=item.text,
                widget=forms.RadioSelect,
                initial=(saved or {}).get(item.number),
                error_messages={"invalid_choice": "Choose one of the answers."},
            )

    @property
    def questions(self) -> list[Question]:
        return [
            Question(
                item,
                field_name(item.number),
                self._chosen(item),
                field_name(item.only_after_yes_to) if item.only_after_yes_to else "",
                " ".join(str(one) for one in self.errors.get(field_name(item.number), ())) if self.is_bound else "",
            )
            for item in self.items_shown
        ]

    def answers(self) -> dict[int, int | None]:
        """Item number -> value, None where nothing was chosen. Of a valid form."""
        return {item.number: self.cleaned_data[field_name(item.number)] for item in self.items_shown}

    def unanswered(self) -> tuple[int, ...]:
        """The scored items without an answer; those that are skipped on purpose are not among them."""
        given = self.answers()
        return tuple(
            item.number
            for item in self.items_shown
            if item.is_scored
            and given[item.number] is None
            and not (item.only_after_yes_to and given.get(item.only_after_yes_to) == 0)
        )

    def _chosen(self, item: Item) -> int | None:
        value = self[field_name(item.number)].value()
        return int(value) if str(value) in {str(known) for known in item.values} else None


def field_name(number: int) -> str:
    """The name of an item's radio buttons."""
    return f"item_{number}"


class TotalForm(forms.Form):
    """The total of a form on paper; with its item about suicide, and what else the measure keeps."""

    total = forms.IntegerField(label="Total")

    def __init__(self, measure: Measure, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.measure = measure
        limits = {"min": str(measure.minimum), "max": str(measure.maximum), "step": "1", "inputmode": "numeric"}
        self.fields["total"] = forms.IntegerField(
            label=f"Total ({measure.range_words})",
            min_value=measure.minimum,
            max_value=measure.maximum,
            widget=forms.NumberInput(attrs=limits | {"autofocus": True, "autocomplete": "off"}),
            help_text=measure.scale_words,
        )
        if measure.danger_item:
            item = measure.item(measure.danger_item)
            self.fields["danger_answer"] = forms.TypedChoiceField(
                label=f"Item {item.number}, about suicide",
                choices=[("", "Not known"), *((str(value), str(value)) for value in sorted(item.values))],
                coerce=int,
                empty_value=None,
                required=False,
                help_text="If it is known. Any answer but 0 raises an alert.",
            )
        if measure.asks_education:
            self.fields["finished_high_school"] = forms.TypedChoiceField(
                label="Finished high school",
                choices=[("", "Not known"), ("1", "Yes"), ("0", "No")],
                coerce=lambda value: value == "1",
                empty_value=None,
                required=False,
            )
            self.fields["form_version"] = forms.CharField(
                label="Version of the form", max_length=40, required=False, help_text="For example 8.1."
            )
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True


class WhenForm(forms.Form):
    """When it was filled in, on the clocks of the location; and a note."""

    taken_on = forms.DateField(label="Filled in on", widget=DayInput)
    taken_time = forms.TimeField(label="At", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    note = forms.CharField(required=False, max_length=300, help_text="For example: by phone, read out by the nurse.")
    token = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["taken_on"].widget.attrs["max"] = today.isoformat()
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        when = Row(Column("taken_on", css_class="col-7 col-sm-4"), Column("taken_time", css_class="col-5 col-sm-3"))
        self.helper.layout = Layout(when, "note", "token")

    def moment(self) -> tuple[date, time]:
        """Day and time of a valid form."""
        return self.cleaned_data["taken_on"], self.cleaned_data["taken_time"]


class StrikeForm(forms.Form):
    """Why an assessment was entered in error."""

    reason = forms.CharField(
        label="Why was it entered in error?", max_length=200, help_text="For example: belongs to another patient."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
