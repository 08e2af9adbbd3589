"""What the set-up of intake accepts: wording and limits of a location, its prices, its consent texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms

from patients.models import ConsentText, IntakeSettings, PriceItem, PriceKind
from patients.pure.intake_limits import CURRENCIES, LIMITS, Limit
from patients.pure.pressure import PROFILES

LONGEST_TEXT = 4000
LONGEST_CONSENT = 40_000


@dataclass(frozen=True, slots=True)
class Row:
    """One field with what is known about its number; None for words."""

    field: forms.BoundField
    limit: Limit | None


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    lead: str
    rows: list[Row]


GROUPS = (
    (
        "The request page",
        "What people read who ask for a consultation. Plain text; numbers in it can be tapped to call.",
        ("takes_requests", "welcome", "hours_text", "privacy_note", "crisis_text"),
    ),
    ("Consultation", "", ("consultation_min", "currency")),
    (
        "Screening",
        "What the rules judge by. They propose, a clinician decides.",
        ("pressure_profile", "benzodiazepine_limit_mg", "substance_window_months", "decision_valid_days"),
    ),
    (
        "Ready to start",
        "How old a thing may be on the day of the first infusion.",
        (
            *("consent_valid_days", "baseline_max_age_days", "pressure_max_age_days"),
            *("pregnancy_test_max_age_days", "pencil_hours"),
        ),
    ),
    ("Safety and links", "", ("escalate_after_min", "link_valid_days", "link_change_hours")),
)
LABELS = {
    "takes_requests": "Show the request page",
    "welcome": "Welcome",
    "hours_text": "Hours",
    "privacy_note": "Privacy note",
    "crisis_text": "Crisis lines",
    "consultation_min": "Length of a consultation",
    "currency": "Currency",
    "pressure_profile": "Blood pressure limits before an infusion",
    "benzodiazepine_limit_mg": "Benzodiazepines: reviewed above (diazepam equivalent)",
    "substance_window_months": "An alcohol or drug use disorder counts as recent for",
    "decision_valid_days": "A screening decision is valid for",
    "consent_valid_days": "A consent to treatment is valid for",
    "baseline_max_age_days": "The baseline score is at most this old",
    "pressure_max_age_days": "The blood pressure is at most this old",
    "pregnancy_test_max_age_days": "A pregnancy test is at most this old",
    "pencil_hours": "A pencilled series is held for",
    "escalate_after_min": "A danger alert that nobody took escalates after",
    "link_valid_days": "A questionnaire link is valid for",
    "link_change_hours": "How long before a visit a link still moves or cancels it",
}
HINTS = {
    "crisis_text": "Shown on each public page, and at once when an answer signals danger. Keep 911 and 988 in it.",
    "pencil_hours": "0: nothing is booked before everything is there.",
    "link_change_hours": "Later the patient’s link asks them to call. It offers no sooner times either.",
}


class IntakeSettingsForm(forms.ModelForm):
    """All of a location's intake settings. `expected` tells whether somebody else saved in between."""

    expected = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    class Meta:
        model = IntakeSettings
        fields = tuple(name for _, _, names in GROUPS for name in names)
        labels = LABELS
        widgets = {
            "welcome": forms.Textarea(attrs={"rows": 3}),
            "privacy_note": forms.Textarea(attrs={"rows": 4}),
            "crisis_text": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, limit in LIMITS.items():
            own = HINTS.get(name, "")
            self.fields[name] = forms.IntegerField(
                label=f"{LABELS[name]} ({limit.unit})",
                min_value=limit.least,
                max_value=limit.most,
                help_text=" ".join(filter(None, (own, f"Shipped: {limit.default} {limit.unit}.", limit.source))),
            )
        self.fields["pressure_profile"] = forms.ChoiceField(
            choices=[(profile.code, f"{profile.title}: {profile.said}") for profile in PROFILES],
            label=LABELS["pressure_profile"],
            help_text="The name of the limits is kept with each decision. The default’s hold is a clinic setting.",
        )
        self.fields["currency"] = forms.ChoiceField(choices=[(code, code) for code in CURRENCIES], label="Currency")
        for name in ("welcome", "privacy_note", "crisis_text"):
            self.fields[name].max_length = LONGEST_TEXT  # type: ignore[attr-defined]
            self.fields[name].widget.attrs["maxlength"] = LONGEST_TEXT
        self.fields["crisis_text"].help_text = HINTS["crisis_text"]

    def groups(self) -> Iterator[Group]:
        for title, lead, names in GROUPS:
            yield Group(title, lead, [Row(self[name], LIMITS.get(name)) for name in names])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in ("welcome", "privacy_note", "crisis_text"):
            if len(cleaned.get(name) or "") > LONGEST_TEXT:
                self.add_error(name, f"At most {LONGEST_TEXT} characters.")
        if not (cleaned.get("crisis_text") or "").strip():
            self.add_error("crisis_text", "Somebody in danger must find a number here. Keep 911 and 988.")
        return cleaned


class PriceForm(forms.Form):
    """One line of the price list."""

    kind = forms.ChoiceField(choices=PriceKind.choices, label="Counts")
    label = forms.CharField(max_length=PriceItem._meta.get_field("label").max_length, label="What")
    amount = forms.DecimalField(
        min_value=Decimal(0), max_value=Decimal("9999999.99"), max_digits=9, decimal_places=2, label="Amount"
    )
    expected = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        self.fields["label"].widget.attrs["autocomplete"] = "off"


class ConsentTextForm(forms.Form):
    """A draft of what patients sign."""

    title = forms.CharField(max_length=ConsentText._meta.get_field("title").max_length)
    body = forms.CharField(
        max_length=LONGEST_CONSENT,
        label="Text",
        widget=forms.Textarea(attrs={"rows": 28, "spellcheck": "true"}),
        help_text="Empty lines part paragraphs. A line that begins with ## is a heading, with - an item of a list.",
    )
    expected = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)
