"""The shape of a side effect as staff type it, times as HH:MM of the day. What is plausible, the service knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Any

from django import forms

from courses.models import AdverseEvent, AdverseOutcome, AdverseSeverity
from courses.pure.adverse import EFFECTS, How

TEXT = {"class": "form-control", "autocomplete": "off"}
CLOCK = {"class": "form-control eff-clock", "type": "time"}


class HowForm(forms.Form):
    """How an effect is and went on."""

    use_required_attribute = False

    severity = forms.ChoiceField(
        choices=AdverseSeverity.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose how strong it is."},
    )
    is_serious = forms.ChoiceField(
        choices=[("no", "No"), ("yes", "Yes, serious")],
        widget=forms.RadioSelect,
        error_messages={"required": "Answer whether it is serious."},
    )
    action = forms.CharField(max_length=300, required=False, widget=forms.TextInput(TEXT))
    medicine = forms.CharField(max_length=80, required=False, widget=forms.TextInput(TEXT))
    medicine_dose = forms.CharField(max_length=40, required=False, widget=forms.TextInput(TEXT))
    medicine_time = forms.TimeField(
        required=False, widget=forms.TimeInput(CLOCK, format="%H:%M"), error_messages={"invalid": "A time, as 14:05."}
    )
    medicine_effect = forms.CharField(max_length=120, required=False, widget=forms.TextInput(TEXT))
    outcome = forms.ChoiceField(
        choices=AdverseOutcome.choices, widget=forms.RadioSelect, error_messages={"required": "Choose how it is now."}
    )
    resolved = forms.TimeField(
        required=False, widget=forms.TimeInput(CLOCK, format="%H:%M"), error_messages={"invalid": "A time, as 14:05."}
    )

    def how(self, instant: Callable[[time], datetime]) -> How:
        """What was typed, its times as instants of the visit's day."""
        got = self.cleaned_data
        return How(
            severity=got["severity"],
            is_serious=got["is_serious"] == "yes",
            outcome=got["outcome"],
            action=got["action"],
            medicine=got["medicine"],
            medicine_dose=got["medicine_dose"],
            medicine_at=instant(got["medicine_time"]) if got["medicine_time"] else None,
            medicine_effect=got["medicine_effect"],
            resolved_at=instant(got["resolved"]) if got["resolved"] else None,
        )

    def add_refusal(self, messages: dict[str, list[str]]) -> None:
        """What the service refused, beside its field where there is one."""
        for field, texts in messages.items():
            self.add_error(field if field in self.fields else None, texts)


class EffectForm(HowForm):
    """A new side effect."""

    code = forms.ChoiceField(
        choices=[(one.code, one.label) for one in EFFECTS],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what it was."},
    )
    text = forms.CharField(max_length=300, required=False, widget=forms.TextInput(TEXT))
    onset = forms.TimeField(
        widget=forms.TimeInput(CLOCK, format="%H:%M"),
        error_messages={"required": "When did it begin?", "invalid": "A time, as 14:05."},
    )

    def groups(self) -> list[tuple[str, list[Any]]]:
        """The choices of what it was, by group."""
        found: dict[str, list[Any]] = {}
        for effect, choice in zip(EFFECTS, self["code"], strict=True):
            found.setdefault(effect.group, []).append(choice)
        return list(found.items())


class FollowForm(HowForm):
    """How a recorded side effect went on; ``base`` is what the page had shown."""

    base = forms.CharField(max_length=64, widget=forms.HiddenInput)


def initial_of(effect: AdverseEvent, local: Callable[[datetime], datetime], base: str) -> dict[str, Any]:
    """What a recorded effect says, for its form."""
    return {
        "severity": effect.severity,
        "is_serious": "yes" if effect.is_serious else "no",
        "action": effect.action,
        "medicine": effect.medicine,
        "medicine_dose": effect.medicine_dose,
        "medicine_time": local(effect.medicine_at).time() if effect.medicine_at else None,
        "medicine_effect": effect.medicine_effect,
        "outcome": effect.outcome,
        "resolved": local(effect.resolved_at).time() if effect.resolved_at else None,
        "base": base,
    }


class StrikeForm(forms.Form):
    """Why it was entered in error."""

    reason = forms.CharField(max_length=200, error_messages={"required": "Say why it was entered in error."})


class NoteForm(forms.Form):
    """One of the notes of a session, with the fingerprint of what the page had shown."""

    field = forms.ChoiceField(choices=[("session_note", ""), ("prophylaxis_note", "")])
    text = forms.CharField(required=False)  # how long it may be is said at the field, by the service
    base = forms.CharField(max_length=64)
