"""The shape of what a prescriber changes about a course, and of the list's filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.http import QueryDict

from clinic.models import Location, User
from clinic.models.hours import Weekday
from courses.forms.moves import MinutesForm, minutes_initial
from courses.models import CourseStatus, Protocol
from courses.planning.checks import check_gaps
from courses.planning.clock import clock_of, minute_of
from courses.planning.protocols import Step
from courses.planning.settings import PlanSettings
from courses.planning.words import say_count

SHORT_WEEKDAYS = [(day.value, day.label[:3]) for day in Weekday]
OPEN = "open"


class FilterForm(forms.Form):
    """Which courses the list shows. An odd value in the address is ignored."""

    status = forms.ChoiceField(
        choices=[(OPEN, "Open courses"), ("all", "All courses"), *CourseStatus.choices], required=False
    )
    location = forms.TypedChoiceField(coerce=int, empty_value=None, required=False)
    prescriber = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Every prescriber")
    protocol = forms.ModelChoiceField(queryset=Protocol.objects.none(), required=False, empty_label="Every protocol")

    def __init__(self, *args: Any, locations: Iterable[Location] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places: Any = self.fields["location"]
        places.choices = [("", "Every location"), *((place.pk, place.name) for place in locations)]
        choices: dict[str, Any] = {
            "prescriber": User.objects.filter(roles__contains=["clinician"]),
            "protocol": Protocol.objects.all(),
        }
        for name, rows in choices.items():
            self.fields[name].queryset = rows  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs |= {"class": "form-select", "data-autosubmit": ""}

    def value(self, name: str) -> Any:  # noqa: ANN401 (a row or a word)
        """The chosen value, or nothing."""
        return self.cleaned_data.get(name)


class NumberForm(forms.Form):
    """How many infusions the series shall have."""

    n = forms.IntegerField(label="Infusions in this series", min_value=1, max_value=60)


class StepRhythmForm(forms.Form):
    """One step of a running series: how far apart its infusions are, and how many they are."""

    count = forms.IntegerField(label="Infusions in this step", min_value=1, max_value=60)
    weekdays = forms.TypedMultipleChoiceField(
        choices=SHORT_WEEKDAYS, coerce=int, widget=forms.CheckboxSelectMultiple, required=False
    )
    target_gap_days = forms.IntegerField(label="Usual gap (days)", min_value=1, max_value=366, required=False)
    min_gap_days = forms.IntegerField(label="Smallest gap (days)", min_value=1, max_value=366)
    max_gap_days = forms.IntegerField(label="Largest gap (days)", min_value=1, max_value=366)

    def __init__(self, data: QueryDict | None, *, step: Step, place: StepPlace) -> None:
        self.step, self.place = step, place
        self.notes: tuple[str, ...] = ()
        initial = {
            "count": step.count,
            "weekdays": sorted(step.weekdays),
            "target_gap_days": step.target_gap_days,
            "min_gap_days": step.min_gap_days,
            "max_gap_days": step.max_gap_days,
        }
        super().__init__(data, prefix=f"step{place.position}", initial=initial)
        if place.is_only:
            del self.fields["count"]
        dress(self)

    def clean(self) -> dict[str, Any]:
        """Weekdays or a usual gap, inside limits that are in order; what was given already stays in its step."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("count", self.place.given) < self.place.given:
            given = say_count(self.place.given, "infusion")
            self.add_error("count", f"{given} of this step {'was' if self.place.given == 1 else 'were'} given already.")
        if "min_gap_days" in values and "max_gap_days" in values and "target_gap_days" in values:
            self._check_gaps(values)
        return values

    def _check_gaps(self, values: dict[str, Any]) -> None:
        low, high = values["min_gap_days"], values["max_gap_days"]
        weekdays, target = frozenset(values.get("weekdays") or ()), values["target_gap_days"]
        found = check_gaps(weekdays, target, low, high)
        if low <= high and weekdays and target is None:
            self.notes = found  # some weekdays are skipped then; for one patient that may be meant
        elif found:
            self.add_error("max_gap_days" if low > high else "target_gap_days", " ".join(found))

    @property
    def changed_step(self) -> Step:
        """The step as typed."""
        data = self.cleaned_data
        return replace(
            self.step,
            count=data.get("count", self.step.count),
            weekdays=frozenset(data["weekdays"]),
            target_gap_days=data["target_gap_days"],
            min_gap_days=data["min_gap_days"],
            max_gap_days=data["max_gap_days"],
        )


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Where a step stands in its series: its position from 1, its infusions, and how many of them were given."""

    position: int
    first: int
    last: int
    given: int
    is_only: bool

    @property
    def is_done(self) -> bool:
        """Everything of it was given, so it does not change any more."""
        return self.given >= self.last - self.first + 1


def places_of(steps: Sequence[Step], given: int) -> list[StepPlace]:
    """The place of each step of a series of which the first ``given`` infusions were given."""
    found: list[StepPlace] = []
    first = 1
    for position, step in enumerate(steps, 1):
        last = first + step.count - 1
        found.append(StepPlace(position, first, last, max(0, min(given, last) - first + 1), len(steps) == 1))
        first = last + 1
    return found


class RhythmForm(MinutesForm):
    """How far apart, how long, when and with whom, for this patient; the protocol itself stays as it is."""

    earliest_start = forms.TimeField(label="Not before", required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    latest_start = forms.TimeField(label="Not after", required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    preferred_start = forms.TimeField(label="Best near", required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    clinician = forms.TypedChoiceField(label="Clinician", coerce=int, empty_value=None, required=False)
    nurse = forms.TypedChoiceField(label="Nurse", coerce=int, empty_value=None, required=False)
    chair = forms.TypedChoiceField(label="Chair", coerce=int, empty_value=None, required=False)
    replan = forms.ChoiceField(
        label="Times that are booked",
        choices=[("", "Keep the times"), ("1", "Find new times by the new rhythm")],
        required=False,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )

    def __init__(
        self,
        data: QueryDict | None,
        *,
        settings: PlanSettings,
        given: int,
        people: Mapping[str, Sequence[tuple[int, str]]],
    ) -> None:
        """``people`` names who and what can be preferred: resource id and name, for each of the three fields."""
        self.before = settings
        wishes = settings.wishes
        initial = {
            "earliest_start": clock_of(wishes.earliest_min),
            "latest_start": clock_of(wishes.latest_min),
            "preferred_start": clock_of(wishes.preferred_min),
            "clinician": wishes.clinician_id,
            "nurse": wishes.nurse_id,
            "chair": wishes.chair_id,
            "replan": "",
            **minutes_initial(settings.shape),
        }
        super().__init__(data, initial=initial)
        for name in ("clinician", "nurse", "chair"):
            field: Any = self.fields[name]
            field.choices = [("", "No preference"), *people[name]]
        self.steps = [
            StepRhythmForm(None if place.is_done else data, step=step, place=place)
            for step, place in zip(settings.steps, places_of(settings.steps, given), strict=True)
        ]
        dress(self)

    @property
    def open_steps(self) -> list[StepRhythmForm]:
        """The steps that can still change."""
        return [one for one in self.steps if not one.place.is_done]

    def clean(self) -> dict[str, Any]:
        """Limits are in order, and the steps still add up to the number of infusions."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        early, late = values.get("earliest_start"), values.get("latest_start")
        if early and late and early > late:
            self.add_error("latest_start", "This must not be before the earliest start.")
        if not all(one.is_valid() for one in self.open_steps):
            self.add_error(None, "Some numbers of the rhythm need another value.")
        elif (planned := sum(one.count for one in self._steps())) != self.before.n:
            said = say_count(planned, "infusion")
            self.add_error(
                None,
                f"The steps add up to {said}, but this series has {self.before.n}. "
                "Change another step as well, or the number of infusions on its own page.",
            )
        return values

    def _steps(self) -> tuple[Step, ...]:
        return tuple(one.step if one.place.is_done else one.changed_step for one in self.steps)

    @property
    def settings(self) -> PlanSettings:
        """What was typed, as the planning core speaks of it."""
        data = self.cleaned_data
        wishes = replace(
            self.before.wishes,
            earliest_min=minute_of(data["earliest_start"]),
            latest_min=minute_of(data["latest_start"]),
            preferred_min=minute_of(data["preferred_start"]),
            clinician_id=data["clinician"],
            nurse_id=data["nurse"],
            chair_id=data["chair"],
        )
        return replace(self.before, steps=self._steps(), shape=self.shape, wishes=wishes)

    @property
    def notes(self) -> list[str]:
        """Numbers that are allowed and do not go together well."""
        return [
            sentence if one.place.is_only else f"Step {one.place.position}: {sentence}"
            for one in self.open_steps
            for sentence in one.notes
        ]


def dress(form: forms.BaseForm) -> None:
    """Every plain field has the product's look; check boxes and radio buttons keep theirs."""
    for field in form.fields.values():
        if isinstance(field.widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
            continue
        field.widget.attrs["class"] = "form-select" if isinstance(field.widget, forms.Select) else "form-control"


class ReasonForm(forms.Form):
    """A decision of the prescriber needs a reason."""

    reason = forms.CharField(max_length=200, widget=forms.Textarea(attrs={"rows": 2, "class": "form-control"}))


ENDINGS = (
    (CourseStatus.COMPLETED, "Completed as planned", "Give in the reason what it came to."),
    (CourseStatus.STOPPED, "Stopped early", "Give in the reason why, for example no improvement or side effects."),
    (CourseStatus.TRANSFERRED, "Transferred", "Somebody else treats the patient from now on."),
    (CourseStatus.LOST, "Lost to follow-up", "Give in the reason what was tried: calls, messages, a letter."),
)
"""How a course can end, each with what its reason should say."""


class EndingForm(ReasonForm):
    """Why a course ends, and to whom the patient goes where somebody else goes on."""

    closed_to = forms.CharField(
        label="Transferred to",
        max_length=120,
        required=False,
        help_text="The clinic or the clinician.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def demand_destination(self, status: str) -> None:
        """A transfer says to whom, beside its field."""
        known = self.cleaned_data.get("closed_to", "")
        if status == CourseStatus.TRANSFERRED and not known and "closed_to" not in self.errors:
            self.add_error("closed_to", "Say to whom the patient is transferred.")


class CloseForm(EndingForm):
    """How a course ends."""

    status = forms.ChoiceField(
        choices=[(status, label) for status, label, _ in ENDINGS],
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        error_messages={"required": "Choose how it ended."},
    )
    version = forms.IntegerField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        self.demand_destination(values.get("status", ""))
        return values

    def endings(self) -> list[tuple[Any, str]]:
        """The radio buttons, each with what its reason should say."""
        return [(radio, hint) for radio, (_, _, hint) in zip(self["status"], ENDINGS, strict=True)]


class DecideForm(EndingForm):
    """How an interrupted course goes on; it can also end as ``ENDINGS`` say, except as completed."""

    choice = forms.ChoiceField(
        choices=[
            ("continue", "Continue"),
            ("restart", "Restart"),
            *((status, label) for status, label, _ in ENDINGS if status != CourseStatus.COMPLETED),
        ],
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        error_messages={
            "required": "Choose how to go on: continue, restart or close it.",
            "invalid_choice": "Choose how to go on: continue, restart or close it.",
        },
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        self.demand_destination(values.get("choice", ""))
        return values

    def radios(self) -> dict[str, Any]:
        """The radio buttons by their choice, for the template that explains each."""
        return {str(radio.data["value"]): radio for radio in self["choice"]}
