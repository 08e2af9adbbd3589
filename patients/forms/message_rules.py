"""What the page of a message rule accepts: when it goes out, by which channels, its words in every language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from patients.models import Channel, MessageRule, MessageText
from patients.pure.messages.offsets import MOST_DAYS, MOST_MINUTES, Said, Side, Unit, offset_of
from patients.pure.messages.timing import NOT_AFTER, NOT_BEFORE, Offset

MOST_EMAIL = 4000
MINUTES_OF = {Unit.MINUTES: 1, Unit.HOURS: 60, Unit.DAYS: 24 * 60}
ORDERS = {
    "sms,email": "Text message, else e-mail",
    "email,sms": "E-mail, else text message",
    "sms": "Text message only",
    "email": "E-mail only",
    "phone": "A person calls (call list)",
}
"""Channels in the order in which they are tried. Who can be reached by none of them is put on the call list."""
WORDS = ("subject", "email_text", "sms_text")
LABELS = {
    "title": "Name of the rule",
    "amount": "When",
    "unit": "Unit",
    "side": "Before or after",
    "clock": "At (patient’s clock)",
    "channels": "Sent by",
    "useful_amount": "Skipped if later by",
    "useful_unit": "Unit of delay",
}


@dataclass(frozen=True, slots=True)
class LanguageFields:
    """The texts of one language, as bound fields."""

    code: str
    name: str
    subject: forms.BoundField
    email_text: forms.BoundField
    sms_text: forms.BoundField


class MessageRuleForm(forms.Form):
    """One rule. ``version`` tells whether somebody else saved in between; words are judged by the service."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2_000_000_000)
    title = forms.CharField(label=LABELS["title"], max_length=MessageRule._meta.get_field("title").max_length)
    amount = forms.IntegerField(label=LABELS["amount"], min_value=0, max_value=MOST_MINUTES)
    unit = forms.ChoiceField(label=LABELS["unit"], choices=[(one.value, one.value) for one in Unit])
    side = forms.ChoiceField(label=LABELS["side"], choices=[(one.value, one.value) for one in Side])
    clock = forms.TimeField(
        label=LABELS["clock"],
        required=False,
        widget=forms.TimeInput(attrs={"type": "time", "step": 300}, format="%H:%M"),
    )
    useful_amount = forms.IntegerField(label=LABELS["useful_amount"], min_value=1, max_value=MOST_MINUTES)
    useful_unit = forms.ChoiceField(label=LABELS["useful_unit"], choices=[(one.value, one.value) for one in Unit])
    channels = forms.ChoiceField(label=LABELS["channels"], choices=list(ORDERS.items()))

    def __init__(self, *args: Any, languages: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.languages = languages
        for code, name in languages.items():
            self.fields[f"{code}_subject"] = forms.CharField(
                label=f"Subject of the e-mail, {name}", max_length=MessageText._meta.get_field("subject").max_length
            )
            self.fields[f"{code}_email_text"] = forms.CharField(
                label=f"E-mail, {name}",
                max_length=MOST_EMAIL,
                widget=forms.Textarea(attrs={"rows": 13, "lang": code, "spellcheck": "true"}),
            )
            self.fields[f"{code}_sms_text"] = forms.CharField(
                label=f"Text message, {name}",
                max_length=MessageText._meta.get_field("sms_text").max_length,
                widget=forms.Textarea(attrs={"rows": 3, "lang": code, "spellcheck": "true"}),
            )
            self.fields[f"{code}_subject"].widget.attrs["lang"] = code
        for name in ("title", *(f"{code}_subject" for code in languages)):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def language_fields(self) -> Iterator[LanguageFields]:
        for code, name in self.languages.items():
            yield LanguageFields(code, name, *(self[f"{code}_{word}"] for word in WORDS))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for code in self.languages:  # browsers send \r\n, which would count twice
            for word in WORDS:
                if f"{code}_{word}" in cleaned:
                    cleaned[f"{code}_{word}"] = cleaned[f"{code}_{word}"].replace("\r\n", "\n").strip()
        self._clean_when(cleaned)
        self._clean_useful(cleaned)
        return cleaned

    def _clean_when(self, cleaned: dict[str, Any]) -> None:
        amount, unit, clock = cleaned.get("amount"), cleaned.get("unit"), cleaned.get("clock")
        if amount is None or not unit or "clock" in self.errors:
            return
        if unit == Unit.DAYS:
            if clock is None:
                self.add_error("clock", "Days need a time of day.")
            elif not NOT_BEFORE <= clock < NOT_AFTER:
                self.add_error("clock", f"Between {NOT_BEFORE:%H:%M} and {NOT_AFTER:%H:%M}, so that nobody is woken.")
            if amount > MOST_DAYS:
                self.add_error("amount", f"At most {MOST_DAYS} days.")
        elif amount * MINUTES_OF[Unit(unit)] > MOST_MINUTES:
            self.add_error(
                "amount", f"At most {MOST_MINUTES // MINUTES_OF[Unit(unit)]} {unit}; further away say it in days."
            )

    def _clean_useful(self, cleaned: dict[str, Any]) -> None:
        amount, unit = cleaned.get("useful_amount"), cleaned.get("useful_unit")
        if amount and unit and amount * MINUTES_OF[Unit(unit)] > MOST_MINUTES:
            self.add_error("useful_amount", "At most 30 days.")

    # --- for the service ----------------------------------------------------------------------------------------------
    @property
    def offset(self) -> Offset:
        """Of a valid form."""
        data = self.cleaned_data
        clock = data["clock"] if data["unit"] == Unit.DAYS else None
        return offset_of(Said(amount=data["amount"], unit=Unit(data["unit"]), side=Side(data["side"]), clock=clock))

    @property
    def useful_min(self) -> int:
        minutes: int = self.cleaned_data["useful_amount"] * MINUTES_OF[Unit(self.cleaned_data["useful_unit"])]
        return minutes

    @property
    def channel_order(self) -> tuple[str, ...]:
        return tuple(self.cleaned_data["channels"].split(","))


def say_order(channels: list[str]) -> str:
    """Such as "Text message, else e-mail"; also for an order that the form does not offer."""
    usual = ORDERS.get(",".join(channels))
    return usual or ", else ".join(Channel(one).label for one in channels)


def useful_said(minutes: int) -> tuple[int, Unit]:
    """The largest unit in which it is a whole number."""
    for unit in (Unit.DAYS, Unit.HOURS):
        if minutes % MINUTES_OF[unit] == 0:
            return minutes // MINUTES_OF[unit], unit
    return minutes, Unit.MINUTES


class PreviewForm(forms.Form):
    """What a preview asks for beside the words: language, and whose name and visit are filled in."""

    language = forms.CharField(max_length=8, required=False)
    patient = forms.IntegerField(required=False, min_value=1, max_value=2_000_000_000_000)
