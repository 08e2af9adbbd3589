"""The shape of a tick and of a discharge. Whether somebody may leave, the service knows."""

from __future__ import annotations

from typing import Any

from django import forms

from courses.models import InstructionsWay
from courses.pure.leaving import LONGEST_ADVICE, LONGEST_NAME, TICKS


class TickForm(forms.Form):
    """One criterion that a person answers; ``base`` is the fingerprint of what the page had shown."""

    item = forms.ChoiceField(choices=[(one, one) for one in TICKS])
    value = forms.CharField(max_length=LONGEST_NAME, required=False)
    base = forms.CharField(max_length=64)


class DischargeForm(forms.Form):
    """How the instructions were given."""

    use_required_attribute = False

    way = forms.ChoiceField(
        choices=InstructionsWay.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Say how the instructions were given."},
    )

    def without_message(self) -> DischargeForm:
        """As shown for a patient who agreed to neither text nor e-mail."""
        way = self.fields["way"]
        assert isinstance(way, forms.ChoiceField)  # noqa: S101 (for the type checker)
        way.choices = [choice for choice in InstructionsWay.choices if choice[0] != InstructionsWay.SENT]
        return self


class HospitalForm(forms.Form):
    """Who took over."""

    taken_over_by = forms.CharField(
        max_length=LONGEST_NAME, error_messages={"required": "Who took over: the crew or the person, in a few words."}
    )


class AgainstAdviceForm(forms.Form):
    """They would not stay: what they were told, and with whom they went."""

    use_required_attribute = False

    told = forms.CharField(
        max_length=LONGEST_ADVICE,
        label="What they were told, and what they said",
        widget=forms.Textarea({"class": "form-control", "rows": 2}),
        error_messages={"required": "Say what they were told: no driving, whom to call, what to watch for."},
    )
    went_with = forms.CharField(
        max_length=LONGEST_NAME,
        required=False,
        label="Who went with them",
        widget=forms.TextInput({"class": "form-control", "autocomplete": "off"}),
    )
    is_alone = forms.BooleanField(
        required=False,
        label="Nobody: they left alone",
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("went_with")) == bool(cleaned.get("is_alone")) and "went_with" not in self.errors:
            self.add_error("went_with", "Give a name, or say that they left alone.")
        return cleaned
