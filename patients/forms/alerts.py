"""Danger alerts: what was done, and which of them a list shows."""

from __future__ import annotations

from enum import StrEnum

from django import forms


class Deed(StrEnum):
    """What a clinician can have done about a danger signal; the words that are kept with it."""

    CALLED = "called"
    PLAN = "plan"
    EMERGENCY = "emergency"
    CSSRS = "cssrs"
    OTHER = "other"


DEEDS = {
    Deed.CALLED: "Called the patient",
    Deed.PLAN: "Went through the safety plan",
    Deed.EMERGENCY: "Sent to emergency care",
    Deed.CSSRS: "Did the C-SSRS",
    Deed.OTHER: "Something else",
}


class AcknowledgeForm(forms.Form):
    """At least one deed, or words of one's own; "something else" has to be said."""

    deeds = forms.MultipleChoiceField(
        label="What was done",
        choices=[(deed.value, words) for deed, words in DEEDS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    note = forms.CharField(
        label="In your words",
        max_length=1500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        deeds, note = data.get("deeds", []), data.get("note", "").strip()
        if not deeds and not note:
            self.add_error("deeds", "Say what was done: tick at least one, or write it down.")
        elif Deed.OTHER in deeds and not note:
            self.add_error("note", "Say what else was done.")
        return data

    @property
    def words(self) -> str:
        """The deeds and the note as one text."""
        done = [DEEDS[Deed(one)] for one in self.cleaned_data["deeds"] if one != Deed.OTHER]
        note = self.cleaned_data["note"].strip()
        return " ".join(part for part in (f"{'; '.join(done)}." if done else "", note) if part)


class Show(StrEnum):
    """Which alerts a list shows."""

    WAITING = "waiting"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"


SHOW_LABELS = {Show.WAITING: "Waiting", Show.ESCALATED: "Escalated", Show.ACKNOWLEDGED: "Acknowledged"}
