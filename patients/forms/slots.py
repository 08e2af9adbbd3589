"""What the slot finder is asked: filters out of the address, and which slot for whom out of the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.dateparse import parse_date

from clinic.edge.numbers import number_in
from patients.models import Patient, VisitMode
from patients.pure.slots import Mode, Part, SlotKey, Wish

LOOK_AHEAD = timedelta(days=2 * 365)
ANYWHERE = "any"
NEW = "new"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the finder."""

    wish: Wish
    from_day: date


def asked_in(values: QueryDict, *, usual: Wish, today: date, locations: Sequence[int]) -> Asked:
    """What the address says; what it leaves out, or says in a way that makes no sense, is as ``usual``.

    Once the filters were used (``asked``), no ticked weekday means all of them.
    """
    mode, part = values.get("mode", ""), values.get("part", "")
    place = number_in(values.get("location"))
    location = None if values.get("location") == ANYWHERE else place if place in locations else usual.location_id
    weekdays = {int(one) for one in values.getlist("weekday") if one in set("0123456")}
    return Asked(
        Wish(
            mode=Mode(mode) if mode in set(Mode) else usual.mode,
            part=Part(part) if part in set(Part) else usual.part,
            location_id=location,
            clinician_id=number_in(values.get("clinician")),
            weekdays=frozenset(weekdays) if weekdays or values.get("asked") else usual.weekdays,
        ),
        _from_day(values.get("day", ""), today),
    )


def _from_day(text: str, today: date) -> date:
    try:
        day = parse_date(text) or today
    except ValueError:  # the 31st of February
        day = today
    return min(max(day, today), today + LOOK_AHEAD)


def as_address(asked: Asked, *, today: date, who: Mapping[str, Any]) -> str:
    """The same question as an address, so that a page or a form can ask it again."""
    wish, values = asked.wish, QueryDict(mutable=True)
    values.update({name: str(value) for name, value in who.items()})
    values["asked"] = "1"
    values["mode"], values["part"] = wish.mode.value, wish.part.value
    values["location"] = str(wish.location_id or ANYWHERE)
    if wish.clinician_id is not None:
        values["clinician"] = str(wish.clinician_id)
    if asked.from_day != today:
        values["day"] = asked.from_day.isoformat()
    values.setlist("weekday", [str(one) for one in sorted(wish.weekdays)])
    return values.urlencode()


class BookSlotForm(forms.Form):
    """Which slot. For a request that nobody linked yet also whose it is: a patient of the registry, or a new one."""

    slot = forms.CharField(max_length=60, error_messages={"required": "Choose one of the times."})
    mode = forms.ChoiceField(choices=VisitMode.choices, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    who = forms.CharField(required=False, max_length=12)
    birth_date = forms.DateField(
        required=False,
        label="Birth date",
        widget=forms.DateInput(attrs={"type": "date", "autocomplete": "off"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, is_unknown: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_unknown = is_unknown
        if not is_unknown:
            del self.fields["who"], self.fields["birth_date"]

    def clean_slot(self) -> SlotKey:
        try:
            return SlotKey.parse(self.cleaned_data["slot"])
        except ValueError as problem:
            raise forms.ValidationError("This time could not be read. Choose one of the times.") from problem

    def clean_mode(self) -> VisitMode:
        return VisitMode(self.cleaned_data["mode"])

    def clean_who(self) -> Patient | None:
        """The patient who was chosen; None for somebody new."""
        said = self.cleaned_data["who"]
        if said in {"", NEW}:
            return None
        found = Patient.objects.current().select_related("resource").filter(pk=number_in(said) or 0).first()
        if found is None:
            raise forms.ValidationError("This patient's record no longer exists. Choose again.")
        return found

    @property
    def is_surely_new(self) -> bool:
        """Somebody looked at the patients who might be meant, and said that it is none of them."""
        return bool(self.cleaned_data.get("who") is None and self.data.get("who") == NEW)
