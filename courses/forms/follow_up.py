"""The shape of what is done about a measure that is due: sent, waived, or a waiver struck."""

from __future__ import annotations

from enum import StrEnum

from django import forms

from courses.models import MeasureAct
from patients.pure.measures import MEASURES


class Act(StrEnum):
    MESSAGE = "message"  # goes out by text or e-mail
    SEND = "send"  # a link for the patient's phone, to show
    TABLET = "tablet"  # this device is handed over
    WAIVE = "waive"
    UNDO = "undo"  # strike a waiver


class ActForm(forms.Form):
    """Which act, about which item of the schedule."""

    act = forms.ChoiceField(choices=[(act.value, act.value) for act in Act])
    key = forms.CharField(max_length=MeasureAct._meta.get_field("key").max_length)


class WaiveForm(forms.Form):
    """Which measures of the item are not asked for, and why."""

    measures = forms.MultipleChoiceField(
        choices=[(code, code) for code in MEASURES], error_messages={"required": "Choose what is not asked for."}
    )
    reason = forms.CharField(max_length=300, error_messages={"required": "Say why; it stays with the measure."})


class UndoForm(forms.Form):
    """Which waiver is struck, and why."""

    act_id = forms.IntegerField(min_value=1, max_value=2**62)
    reason = forms.CharField(max_length=200, error_messages={"required": "Say why; it stays with the measure."})
