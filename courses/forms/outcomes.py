"""The shape of the clinic's outcome terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms

from patients.pure.measures import MEASURES

MEASURED = ("phq9", "qids16", "madrs", "pcl5")


@dataclass(frozen=True, slots=True)
class Number:
    label: str
    least: int
    most: int
    source: str = ""  # empty: a clinic setting


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    lead: str
    fields: list[tuple[forms.BoundField, bool]]  # with whether it is the clinic's own choice


IMPROVEMENT = "Transl Psychiatry 2024"
"""P25 of clinical.md section I."""
NUMBERS = {
    "baseline_days": Number("Baseline: days before infusion 1, at most", 1, 60),
    "after_hours": Number("After an infusion: hours, at least", 1, 72),
    "last_days": Number("After the last infusion: days, at most", 1, 60),
    "improvement_percent": Number("Improvement, from (%)", 1, 99, IMPROVEMENT),
    "partial_percent": Number("Partial response, from (%)", 1, 99, IMPROVEMENT),
    "response_percent": Number("Response, from (%)", 2, 100, "In all sources"),
    "early_last": Number("Early: response by infusion", 1, 10),
    "gradual_last": Number("Gradual: response by infusion", 2, 20),
    "relapse_readings": Number("Readings in a row below response", 1, 5),
    "relapse_apart_days": Number("Days between them, at least", 0, 30),
    "review_after": Number("Ask about non-improvement after infusion", 1, 12, IMPROVEMENT),
}
SCORES = {
    "remission_max": (
        "Remission, at most",
        {"phq9": "McInnes 2022", "qids16": "McIntyre 2020", "madrs": "Ekstrand 2022"},
    ),
    "evaluable_min": ("Evaluable for response, baseline from", {}),
    "worsening_points": ("Worsening, from so many points above baseline", {"phq9": "Löwe 2004"}),
    "relapse_scores": ("Relapse at once, from a score of", {"madrs": "Salloum 2020 used 22"}),
}
GROUPS = (
    ("Which score counts", "", ("baseline_days", "after_hours", "last_days")),
    (
        "Improvement and response",
        "Percent of the baseline, compared unrounded.",
        ("improvement_percent", "partial_percent", "response_percent"),
    ),
    ("How fast", "Each response falls into one class only; what comes later is late.", ("early_last", "gradual_last")),
    ("When it is lost", "", ("relapse_readings", "relapse_apart_days")),
    ("When to ask", "A prompt for the review of a series, never a reason to stop by itself.", ("review_after",)),
)


class TermsForm(forms.Form):
    """One version of the terms. ``expected`` is the number of the version that the person had before them."""

    expected = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    reason = forms.CharField(
        label="Why the terms change",
        max_length=300,
        help_text="Stays with the version. Courses that run keep the terms with which they began.",
        error_messages={"required": "Say why the terms change: the reason stays with the version."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, number in NUMBERS.items():
            self.fields[name] = forms.IntegerField(
                label=number.label, min_value=number.least, max_value=number.most, help_text=number.source
            )
        for name, (_, sources) in SCORES.items():
            for code in MEASURED:
                one = MEASURES[code]
                self.fields[f"{name}_{code}"] = forms.DecimalField(
                    label=one.short_name,
                    required=False,
                    min_value=Decimal(0),
                    max_value=one.maximum,
                    decimal_places=1,
                    help_text=sources.get(code, ""),
                )

    @staticmethod
    def initial_of(values: dict[str, Any]) -> dict[str, Any]:
        """The fields of the form from the values of a version."""
        found = {name: values[name] for name in NUMBERS}
        for name in SCORES:
            found |= {f"{name}_{code}": f"{value:g}" for code, value in values[name].items() if code in MEASURED}
        return found

    def values(self) -> dict[str, Any]:
        """The values of a version; a score that is left empty is not there."""
        found = {name: self.cleaned_data[name] for name in NUMBERS}
        for name in SCORES:
            typed = {code: self.cleaned_data[f"{name}_{code}"] for code in MEASURED}
            found[name] = {code: float(value) for code, value in typed.items() if value is not None}
        return found

    def groups(self) -> Iterator[Group]:
        for title, lead, names in GROUPS:
            yield Group(title, lead, [(self[name], not NUMBERS[name].source) for name in names])

    def scores(self) -> Iterator[Group]:
        for name, (title, sources) in SCORES.items():
            yield Group(title, "", [(self[f"{name}_{code}"], code not in sources) for code in MEASURED])
