"""The shape of what a location decides about its infusion days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField

from courses.models import InfusionDaySettings
from courses.pure import fasting, limits
from patients.pure.intake_limits import OURS, Limit

LIMITS: dict[str, Limit] = {
    "weight_max_age_days": Limit(30, 1, 365, "days", OURS),
    "rest_min": Limit(10, 1, 60, "minutes", "10 to 15 minutes are usual."),
    "late_grace_min": Limit(2, 0, 30, "minutes", OURS),
    "checks_needed": Limit(2, 1, 3, "people", "Two is usual; no published source gives the number."),
    "bag_ml": Limit(100, 10, 1000, "mL", OURS),
    "rems_days": Limit(7, 1, 7, "days", "The REMS asks for 7 (L2); fewer leave time to spare."),
}
"""Source: clinical.md D1, D3, B3; all are [D] but the 7 days of L2, of which fewer are a choice of the clinic."""
LABELS = {
    "fasting_profile": "Fasting",
    "rest_min": "Rest before the pressure is taken again",
    "weight_max_age_days": "A weight counts for",
    "checks_needed": "People who check the dose before the start",
    "concentrations_mg_per_ml": "Concentrations in use (mg/mL)",
    "bag_ml": "Usual bag",
    "limits_profile": "Limits of vital signs",
    "late_grace_min": "Vital signs are late after",
    "dissociation_scale": "Dissociation is scored with",
    "rems_days": "Time for the REMS form of esketamine",
}
HINTS = {
    "fasting_profile": "Sources differ; one counts here. The nasal spray follows its own label.",
    "limits_profile": "No published set of limits is agreed on. The name of the limits is kept with each decision.",
    "concentrations_mg_per_ml": "With commas. 100 mg/mL is never given into a vein undiluted (label).",
    "dissociation_scale": "Staff enter the total. No cut-offs exist for either.",
}
GROUPS = (
    ("Before the start", ("fasting_profile", "rest_min", "weight_max_age_days")),
    ("Dose", ("checks_needed", "concentrations_mg_per_ml", "bag_ml")),
    ("Vital signs", ("limits_profile", "late_grace_min", "dissociation_scale")),
    ("Esketamine", ("rems_days",)),
)
MOST_MG_PER_ML = 200


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    fields: list[forms.BoundField]


class DaySettingsForm(forms.ModelForm):
    """All of a location's settings of the infusion day. ``expected`` tells whether somebody else saved in between."""

    expected = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)
    concentrations_mg_per_ml = SimpleArrayField(
        forms.DecimalField(min_value=Decimal("0.1"), max_value=MOST_MG_PER_ML, max_digits=5, decimal_places=1),
        label=LABELS["concentrations_mg_per_ml"],
        help_text=HINTS["concentrations_mg_per_ml"],
        min_length=1,
        max_length=8,
        error_messages={"required": "Give at least one."},
    )

    class Meta:
        model = InfusionDaySettings
        fields = tuple(name for _, names in GROUPS for name in names)
        labels = LABELS
        help_texts = HINTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, limit in LIMITS.items():
            self.fields[name] = forms.IntegerField(
                label=f"{LABELS[name]} ({limit.unit})",
                min_value=limit.least,
                max_value=limit.most,
                help_text=f"Shipped: {limit.default} {limit.unit}. {limit.source}",
            )
        self.fields["fasting_profile"] = _choice(
            "fasting_profile", [(one.code, f"{one.title}: {one.said}") for one in fasting.PROFILES]
        )
        self.fields["limits_profile"] = _choice("limits_profile", [(one.code, one.title) for one in limits.PROFILES])
        known = self.initial.get("concentrations_mg_per_ml")
        if known:
            self.initial["concentrations_mg_per_ml"] = ", ".join(f"{Decimal(one).normalize():f}" for one in known)

    def clean_concentrations_mg_per_ml(self) -> list[Decimal]:
        """In order and each once, however they were typed."""
        return sorted(set(self.cleaned_data["concentrations_mg_per_ml"]))

    def groups(self) -> Iterator[Group]:
        for title, names in GROUPS:
            yield Group(title, [self[name] for name in names])


def _choice(name: str, choices: list[tuple[str, str]]) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choices, label=LABELS[name], help_text=HINTS[name])
