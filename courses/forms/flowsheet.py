"""What a device sends about vital signs: one look, a row struck, an alarm answered. Nothing has a default."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from clinic.models import Booking
from courses.pure.limits import FIELDS, Look


def _number(label: str) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False)


class InstantField(forms.Field):
    """An ISO instant with its offset, as a device writes it."""

    def to_python(self, value: Any) -> datetime | None:  # noqa: ANN401
        text = str(value or "").strip()
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ValidationError("This is not a moment.") from None
        if found.tzinfo is None:
            raise ValidationError("This moment has no time zone.")
        return found.astimezone(UTC)


class RowForm(forms.Form):
    """One look at the patient. ``at`` comes from the device, ``clock`` from a person who measured earlier."""

    uid = forms.UUIDField(required=False)
    at = InstantField(required=False)
    clock = forms.TimeField(label="Measured at", required=False)
    systolic_mmhg = _number("Systolic")
    diastolic_mmhg = _number("Diastolic")
    heart_rate_bpm = _number("Heart rate")
    spo2_percent = _number("SpO2")
    respiratory_rate = _number("Respiratory rate")
    moaas = _number("MOAA/S")
    dissociation = _number("Dissociation")
    nausea = _number("Nausea")
    note = forms.CharField(label="Note", required=False, max_length=500)
    confirmed = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        nothing = all(data.get(name) is None for name in FIELDS) and not data.get("note")
        if nothing and not self.errors:
            raise ValidationError("Enter at least one value or a note.")
        return data

    @property
    def is_timed(self) -> bool:
        """Somebody or some device said when."""
        return bool(self.cleaned_data["clock"] or self.cleaned_data["at"])

    @property
    def key(self) -> uuid.UUID:
        """The device's key; a new one where there is none."""
        found = self.cleaned_data["uid"]
        return found if isinstance(found, uuid.UUID) else uuid.uuid4()

    def look(self, booking: Booking, now: datetime) -> Look:
        """The look, with its instant: as typed on the clocks of the place, else the device's, else ``now``."""
        data = self.cleaned_data
        place = booking.location
        clock = data["clock"]
        at = place.at(place.local(booking.start).date(), clock) if clock else data["at"] or now
        return Look(at=at, **{name: data[name] for name in FIELDS})


class StrikeRowForm(forms.Form):
    """A row that was entered in error, and why."""

    row = forms.IntegerField()
    reason = forms.CharField(max_length=200, error_messages={"required": "Say why this row is struck."})


class AnswerForm(forms.Form):
    """What was done about an alarm."""

    alarm = forms.IntegerField()
    what_was_done = forms.CharField(max_length=300, error_messages={"required": "Say what was done."})
