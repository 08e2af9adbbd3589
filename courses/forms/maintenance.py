"""The shape of what a prescriber decides about maintenance, and of what the desk books ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict

from clinic.pure.walltime import YEARS
from courses.forms.course import StepPlace, StepRhythmForm, dress
from courses.planning.checks import check_gaps
from courses.planning.protocols import Step
from courses.planning.types import GapRule

KEEP, RELEASE = "keep", "release"
STEP, REST = "step", "rest"
GOES_ON, CHANGES = "goes_on", "changes"


def _day(label: str, *, required: bool = True, help_text: str = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        help_text=help_text,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


def _reason(label: str = "Reason") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It stays with the course, with your name.",
    )


class DatesForm(forms.Form):
    """When the plan is reviewed, until when the consent is renewed, and why."""

    review_on = _day("Next review")
    reconsent_on = _day("Consent renewed by", required=False, help_text="Empty: no day of its own.")
    reason = _reason()
    seen = forms.DateField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)

    def clean(self) -> dict[str, Any]:
        """No day where the year is a slip of the hand."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("review_on", "reconsent_on"):
            day = values.get(name)
            if isinstance(day, date) and day.year not in YEARS:
                self.add_error(name, "This year is a slip of the hand.")
        return values


class ReviewForm(DatesForm):
    """What a review came to."""

    outcome = forms.ChoiceField(
        label="What comes of it",
        choices=[(GOES_ON, "Goes on as it is"), (CHANGES, "Goes on with another interval or another plan")],
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )


class PlanForm(DatesForm):
    """How the course goes on; ``seen`` is the plan that was in force, 0 for none."""

    release = forms.ChoiceField(
        label="What the maintenance until now has booked",
        choices=[(KEEP, "Keep these bookings"), (RELEASE, "Release them")],
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        required=False,
    )
    override_reason = forms.CharField(
        label="Why it starts although something is missing",
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It stays visible on the course.",
    )
    seen = forms.IntegerField(widget=forms.HiddenInput)  # type: ignore[assignment]

    def __init__(self, data: QueryDict | None, *, steps: Sequence[Step], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.steps: list[StepRhythmForm] = []
        first = 1
        for position, step in enumerate(steps, 1):
            last = first + step.count - 1
            place = StepPlace(position, first, last, given=0, is_only=False)
            self.steps.append(StepRhythmForm(data, step=step, place=place))
            first = last + 1

    def clean(self) -> dict[str, Any]:
        """The steps can be read, and fit into one phase."""
        values = super().clean()
        if not all(one.is_valid() for one in self.steps):
            self.add_error(None, "Some numbers of the steps need another value.")
        elif sum(step.count for step in self.chosen_steps) > MOST:
            self.add_error(None, f"A plan has at most {MOST} infusions. Review it then, and decide the next.")
        return values

    @property
    def chosen_steps(self) -> tuple[Step, ...]:
        """As typed."""
        return tuple(one.changed_step for one in self.steps)


MOST = 60


class NextForm(forms.Form):
    """How many infusions are booked ahead."""

    n = forms.TypedChoiceField(
        label="How many ahead",
        choices=[(str(number), str(number)) for number in range(1, 5)],
        coerce=int,
        widget=forms.RadioSelect,
    )


class IntervalForm(forms.Form):
    """Another gap from the next infusion on."""

    target = forms.IntegerField(label="Usual gap (days)", min_value=1, max_value=366)
    low = forms.IntegerField(label="Smallest gap (days)", min_value=1, max_value=366)
    high = forms.IntegerField(label="Largest gap (days)", min_value=1, max_value=366)
    scope = forms.ChoiceField(
        label="For how long",
        choices=[(STEP, "For the rest of this step"), (REST, "For the rest of the plan")],
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
    replan = forms.ChoiceField(
        label="Times that are booked",
        choices=[("1", "Find new times by the new gap"), ("", "Keep the times")],
        required=False,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)

    def clean(self) -> dict[str, Any]:
        """The limits are in order, and the usual gap is between them."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if {"target", "low", "high"} <= values.keys():
            low, high = values["low"], values["high"]
            found = check_gaps(frozenset(), values["target"], low, high)
            if found:
                self.add_error("high" if low > high else "target", " ".join(found))
        return values

    @property
    def gap(self) -> GapRule:
        """As the planning core speaks of it."""
        data = self.cleaned_data
        return GapRule(data["low"], data["high"], target_days=data["target"])
