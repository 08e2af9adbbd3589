"""The shape of what a prescriber decides at a review. What is allowed, ``courses.services.reviews`` knows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from courses.forms.course import dress
from courses.forms.dose import NASAL_MG
from courses.pure.doses import UNITS, Basis
from courses.pure.reviews import RHYTHM_LABELS, Rhythm

REASON = {"required": "Give the reason; it stays with the course."}


class NoteForm(forms.Form):
    """Going on needs no reason; a note may be left."""

    note = forms.CharField(
        label="Note",
        max_length=250,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="May be empty.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)


class ReasonedForm(forms.Form):
    """A decision that changes something says why."""

    reason = forms.CharField(
        label="Reason", max_length=250, widget=forms.Textarea(attrs={"rows": 2}), error_messages=REASON
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)


class NewDoseForm(ReasonedForm):
    """Another dose with its unit; whole devices where it is a nasal spray."""

    amount = forms.DecimalField(
        label="New dose",
        min_value=Decimal("0.01"),
        max_digits=7,
        decimal_places=2,
        error_messages={"required": "Give the dose."},
    )
    basis = forms.ChoiceField(
        label="Unit",
        choices=[
            ("", "Choose"),
            *((basis.value, "mg in total" if basis is Basis.TOTAL_MG else UNITS[basis]) for basis in Basis),
        ],
        error_messages={"required": "Choose the unit."},
    )
    field_order = ("amount", "basis", "reason")

    def __init__(self, data: Mapping[str, Any] | None = None, *, is_nasal: bool, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.is_nasal = is_nasal
        if is_nasal:
            del self.fields["basis"]
            amount: Any = self.fields["amount"]
            amount.widget = forms.Select(choices=[("", "Choose"), *NASAL_MG], attrs={"class": "form-select"})

    @property
    def unit(self) -> str:
        """The basis that was chosen; devices are milligrams in total."""
        return Basis.TOTAL_MG.value if self.is_nasal else self.cleaned_data["basis"]


class RhythmChoiceForm(forms.Form):
    """The rhythm of everything still to come."""

    rhythm = forms.TypedChoiceField(
        label="From now on",
        coerce=Rhythm,
        choices=[(rhythm.value, label) for rhythm, label in RHYTHM_LABELS.items()],
        error_messages={"required": "Choose a rhythm."},
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )


class TreatmentForm(ReasonedForm):
    """What is changed or added beside the infusions; on wish it stands under the care beside them."""

    what = forms.CharField(
        label="What is changed or added",
        max_length=120,
        error_messages={"required": "Say what is changed or added."},
        help_text="As in “Lamotrigine added, 25 mg” or “CBT with Dr. Lang”.",
    )
    beside = forms.BooleanField(
        label="Keep it under the care beside the infusions",
        required=False,
        initial=True,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    responsible = forms.CharField(label="Who is responsible", max_length=120, required=False)
    field_order = ("what", "beside", "responsible", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["beside"].widget.attrs["class"] = "form-check-input"

    def clean(self) -> dict[str, Any]:
        """Care beside the infusions has somebody who is responsible for it."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("beside") and not values.get("responsible", "").strip():
            self.add_error("responsible", "Say who is responsible for it.")
        return values
