"""The shape of a dose order and of its check. What is right for the patient, ``courses.services.dosing`` knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms

from courses.pure.doses import UNITS, Basis, Ordered, plain

NASAL_MG = (("28", "28 mg"), ("56", "56 mg"), ("84", "84 mg"))
CHECKS = ("drug", "dose", "concentration", "volume", "bag", "rate")
NASAL_CHECKS = ("drug", "dose", "devices")


class OrderForm(forms.Form):
    """Everything starts empty but the minutes, which the visit was booked with, and the clinic's usual bag."""

    basis = forms.ChoiceField(
        choices=[(basis.value, UNITS[basis]) for basis in Basis], error_messages={"required": "Choose the unit."}
    )
    amount = forms.DecimalField(
        min_value=Decimal("0.01"), max_digits=7, decimal_places=2, error_messages={"required": "Give the dose."}
    )
    infusion_min = forms.IntegerField(min_value=1, max_value=5760, error_messages={"required": "Give the minutes."})
    concentration = forms.ChoiceField(error_messages={"required": "Choose the concentration of the vial."})
    bag_ml = forms.IntegerField(min_value=10, max_value=1000, error_messages={"required": "Give the bag's volume."})
    change_reason = forms.CharField(max_length=300, required=False)
    override_reason = forms.CharField(max_length=300, required=False)
    seal = forms.CharField(max_length=80, required=False)
    after = forms.IntegerField(required=False)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        concentrations: Iterable[Decimal],
        is_nasal: bool,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.fields["concentration"].choices = [  # type: ignore[attr-defined]
            (plain(one), f"{plain(one)} mg/mL") for one in concentrations
        ]
        self.is_nasal = is_nasal
        if is_nasal:
            for name in ("basis", "concentration", "bag_ml", "infusion_min"):
                self.fields[name].required = False

    def ordered(self, nasal_min: int) -> Ordered:
        """What was ordered; nasal devices have neither bag nor vial and the visit's own minutes."""
        values = self.cleaned_data
        if self.is_nasal:
            return Ordered(Basis.TOTAL_MG.value, values["amount"], nasal_min)
        strength = Decimal(values["concentration"])
        return Ordered(values["basis"], values["amount"], values["infusion_min"], strength, values["bag_ml"])

    @property
    def accepted(self) -> frozenset[str]:
        """The codes of the remarks that were ticked."""
        return frozenset(self.data.getlist("accept")) if hasattr(self.data, "getlist") else frozenset()


class CheckForm(forms.Form):
    """What somebody held against the label. ``order`` is the one that they saw."""

    order = forms.IntegerField()

    @property
    def ticked(self) -> frozenset[str]:
        """The lines that were ticked."""
        return frozenset(self.data.getlist("checked")) if hasattr(self.data, "getlist") else frozenset()
