"""The shape of what the calendar is told: a new consultation or blocked time, another time for one, the end of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from django import forms

from clinic.models import BookingKind, Location, Resource, ResourceKind, User
from clinic.pure.roles import Role
from clinic.pure.walltime import YEARS
from patients.models import Patient, PatientStatus

LENGTHS = (15, 30, 45, 60, 90, 120)
LONGER = (180, 240, 480)  # for blocked time: half a day, a day


class Found(Protocol):
    """One patient that a search found; ``exact`` when nothing had to be guessed."""

    @property
    def patient(self) -> Patient: ...
    @property
    def exact(self) -> bool: ...


Find = Callable[[str], Sequence[Found]]


def say_length(length_min: int) -> str:
    hours, rest = divmod(length_min, 60)
    return f"{rest} min" if not hours else f"{hours} h {rest:02d}" if rest else f"{hours} h"


class PlacedForm(forms.Form):
    """A time at one location, on its clocks, with a clinician and a room or chair.

    After ``is_valid`` the data also hold ``at`` and ``end``, the instants, and ``resources``.
    """

    day = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    start = forms.TimeField(widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), label="From")
    length_min = forms.TypedChoiceField(
        choices=[(n, say_length(n)) for n in (*LENGTHS, *LONGER)], coerce=int, initial=60, label="Length"
    )
    clinician = forms.ModelChoiceField(
        Resource.objects.none(), required=False, label="Clinician", empty_label="Choose …"
    )
    station = forms.ModelChoiceField(
        Resource.objects.none(), required=False, label="Room or chair", empty_label="Choose …"
    )
    anyway = forms.CharField(required=False, widget=forms.HiddenInput)  # the warnings that were read and accepted

    def __init__(self, *args: Any, location: Location, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.location = location
        clinicians = User.objects.with_role(Role.CLINICIAN).filter(resource__is_active=True)
        self._resources("clinician").queryset = Resource.objects.filter(user__in=clinicians).order_by("name")
        self._resources("station").queryset = Resource.objects.stations(location).order_by("-kind", "position", "id")

    def _resources(self, name: str) -> forms.ModelChoiceField[Resource]:
        return self.fields[name]  # type: ignore[return-value]

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if day.year not in YEARS:
            raise forms.ValidationError("Check the year.")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("day") and data.get("start"):
            data["at"] = self._instant(data)
            if data["at"] and data.get("length_min"):
                data["end"] = data["at"] + timedelta(minutes=data["length_min"])
        data["resources"] = [one for one in (data.get("clinician"), data.get("station")) if one]
        return data

    def _instant(self, data: dict[str, Any]) -> datetime | None:
        at = exact_instant(self.location, data["day"], data["start"])
        if at is None:
            self.add_error("start", "This time does not exist on that day: the clocks go forward.")
        return at

    def _clean_consultation(self, data: dict[str, Any]) -> None:
        for name, words in (("clinician", "Choose the clinician."), ("station", "Choose a room.")):
            if name in self.fields and not data.get(name) and name not in self.errors:
                self.add_error(name, words)
        station = data.get("station")
        if station and station.kind == ResourceKind.CHAIR:
            self.add_error("station", "A consultation takes a room, not an infusion chair.")


def exact_instant(location: Location, day: date, clock: time) -> datetime | None:
    """When the location's clocks show that; None for an hour that the spring change skips, and for no real year."""
    if day.year not in YEARS:
        return None
    at = location.at(day, clock)
    return at if location.local(at).replace(tzinfo=None) == datetime.combine(day, clock) else None


class NewVisitForm(PlacedForm):
    """A consultation or blocked time at one location. ``choices`` are patients to choose from when several fit."""

    kind = forms.ChoiceField(
        choices=[(BookingKind.CONSULTATION, "Consultation"), (BookingKind.BLOCK, "Blocked time")], label="What"
    )
    patient = forms.CharField(
        required=False,
        max_length=80,
        help_text="Name, MRN, phone or birth date.",
        label="Patient",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    patient_id = forms.IntegerField(required=False, widget=forms.HiddenInput)
    title = forms.CharField(
        required=False,
        max_length=120,
        label="What for",
        help_text="For example “Staff meeting”. Everybody who sees the calendar reads it.",
    )
    field_order = ("kind", "patient", "patient_id", "title", "day", "start", "length_min", "clinician", "station")

    def __init__(self, *args: Any, find: Find, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.find = find
        self.choices: list[Patient] = []

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("kind") == BookingKind.BLOCK:
            self._clean_block(data)
        else:
            self._clean_consultation(data)
            self._clean_patient(data)
        return data

    def _clean_block(self, data: dict[str, Any]) -> None:
        if not data["resources"]:
            self.add_error("station", "Choose what is blocked: a person, a room or a chair.")
        if not data.get("title"):
            self.add_error("title", "Say what the time is for.")

    def _clean_patient(self, data: dict[str, Any]) -> None:
        if data.get("patient_id"):
            data["who"] = Patient.objects.current().filter(pk=data["patient_id"]).first()
            if data["who"] is None:
                self.add_error("patient", "This patient's record no longer exists. Search again.")
        else:
            data["who"] = self._found(data.get("patient", ""))
        if data["who"] is not None and data["who"].status == PatientStatus.DECEASED:
            self.add_error("patient", f"{data['who'].list_name} is recorded as deceased, so nothing can be booked.")

    def _found(self, text: str) -> Patient | None:
        """The only patient whom the words fit without a guess; else an error, with whom they might mean."""
        hits = self.find(text) if text else []
        if len(hits) == 1 and hits[0].exact:
            return hits[0].patient
        self.choices = [hit.patient for hit in hits]
        if not text:
            self.add_error("patient", "Say for whom.")
        elif not hits:
            self.add_error("patient", "Nobody fits. Check the spelling, or add the patient first.")
        else:
            said = "Several patients fit: choose one below." if len(hits) > 1 else "Is this the patient? Choose below."
            self.add_error("patient", said)
        return None


class VisitTimeForm(PlacedForm):
    """Another time or other people for a consultation or blocked time that exists.

    Args:
        has_room: False for a consultation on video, which takes none.
    """

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, kind: BookingKind, has_room: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        if kind == BookingKind.CONSULTATION and not has_room:
            del self.fields["station"]
        if kind == BookingKind.BLOCK:  # what is blocked stays; only its time changes here
            del self.fields["clinician"], self.fields["station"]
        del self.fields["length_min"]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.kind == BookingKind.CONSULTATION:
            self._clean_consultation(data)
        return data


class EndVisitForm(forms.Form):
    """Why a visit does not take place."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(max_length=200, required=False, strip=True)

    def __init__(self, *args: Any, needs_reason: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = needs_reason
        self.fields["reason"].error_messages["required"] = "Say why, in a few words."
