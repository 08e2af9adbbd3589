"""The shape of what people do with tasks, and of the filters of the lists. What is allowed, the engine knows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms

from clinic.pure.walltime import YEARS
from courses.models import TaskKind

WORDS = {"rows": 2, "class": "form-control"}


class PutOffForm(forms.Form):
    """Until when it waits, and why; on the radar, what was reached."""

    until = forms.DateField(
        label="Comes up again on",
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}, format="%Y-%m-%d"),
        error_messages={"required": "Say on which day it comes up again.", "invalid": "This is not a day."},
    )
    reason = forms.CharField(
        label="Why it waits",
        max_length=300,
        widget=forms.Textarea(attrs=WORDS),
        error_messages={"required": "Say why it waits; it stays with the task."},
    )

    def __init__(self, *args: Any, kind: str, today: date, read_by_desk: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["until"].initial = today + timedelta(days=1)
        self.fields["until"].widget.attrs["min"] = (today + timedelta(days=1)).isoformat()
        if kind == TaskKind.DROPOUT:
            self.fields["reason"].label = "What was reached"
            self.fields["reason"].widget.attrs["placeholder"] = "Called, will come; left a message; line busy"
        if read_by_desk:
            self.fields["reason"].help_text = "The front desk reads this."

    def clean_until(self) -> date:
        """No day where the year is a slip of the hand."""
        until: date = self.cleaned_data["until"]
        if until.year not in YEARS:
            raise forms.ValidationError("This is not a day.")
        return until


class EndForm(forms.Form):
    """Why a task is over."""

    text = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs=WORDS),
        error_messages={"required": "Say why; it stays with the task."},
    )

    def __init__(self, *args: Any, how: str, read_by_desk: bool, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": f"id_{how}_%s"} | kwargs)
        self.fields["text"].label = "What was reached" if how == "done" else "Why it is set aside"
        if read_by_desk:
            self.fields["text"].help_text = "The front desk reads this."
