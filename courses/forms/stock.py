"""The shape of what the log of the controlled drug is told. Amounts are empty until somebody fills them in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from clinic.pure.walltime import YEARS
from courses.models import Drug, StockKind


def mg_field(label: str, *, required: bool = True, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=required,
        min_value=Decimal(0),
        max_digits=7,
        decimal_places=1,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.1", "autocomplete": "off"}),
    )


def count_field(label: str, *, required: bool = True, help_text: str = "", least: int = 0) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=required,
        min_value=least,
        max_value=9_999,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )


def day_input(label: str, *, required: bool = True, help_text: str = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        help_text=help_text,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}, format="%Y-%m-%d"),
    )


class SeenForm(forms.Form):
    """``seen`` is the last line of the log, or how many draws there were, when the page was made."""

    seen = forms.IntegerField(min_value=0, max_value=10**9, widget=forms.HiddenInput)


# -- lots -------------------------------------------------------------------------------------------------------------
class AddLotForm(forms.Form):
    drug = forms.ChoiceField(choices=[("", "Choose"), *Drug.choices])
    lot_number = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    manufacturer = forms.CharField(max_length=80, required=False)
    concentration_mg_per_ml = forms.DecimalField(
        label="Concentration (mg/mL)",
        required=False,
        min_value=Decimal("0.1"),
        max_digits=5,
        decimal_places=1,
        help_text="Of a vial, as printed on it: 10, 50 or 100. A nasal device has none.",
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.1"}),
    )
    content_mg = mg_field("One vial or device contains (mg)", help_text="For example 200 (20 mL of 10 mg/mL), or 28.")
    expires_on = day_input("Expires on", help_text="The last day on which it may be used. Month only: its last day.")
    units = count_field(
        "Received now", required=False, least=1, help_text="Vials or devices. Empty: only put the lot on the list."
    )
    invoice = forms.CharField(label="Invoice or order form", max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        drug, per_ml = data.get("drug"), data.get("concentration_mg_per_ml")
        if drug == Drug.KETAMINE and per_ml is None and "concentration_mg_per_ml" not in self.errors:
            self.add_error("concentration_mg_per_ml", "A vial needs its concentration: it is printed on the label.")
        if drug == Drug.ESKETAMINE and per_ml is not None:
            self.add_error("concentration_mg_per_ml", "A nasal device has no concentration. Leave this empty.")
        return data


class ReceiveForm(SeenForm):
    units = count_field("How many were received", least=1)
    invoice = forms.CharField(
        label="Invoice or order form", max_length=200, required=False, help_text="The number that the paper carries."
    )


class CountForm(SeenForm):
    """What stands on the shelf: whole vials or devices, and what is in opened ones."""

    whole = count_field("Whole, unopened")
    rest_mg = mg_field(
        "In opened ones (mg)", required=False, help_text="May be estimated for an opened vial (Schedule III)."
    )
    reason = forms.CharField(label="Note", max_length=200, required=False)

    def counted_mg(self, content_mg: Decimal) -> Decimal:
        return content_mg * self.cleaned_data["whole"] + (self.cleaned_data["rest_mg"] or Decimal(0))


class DestroyForm(SeenForm):
    amount_mg = mg_field("How much (mg)")
    reason = forms.CharField(
        label="Why and how",
        max_length=300,
        help_text="For example: expired; reverse distributor and their form number; or Form 41, whose second witness "
        "you name here.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class DiscrepancyForm(forms.Form):
    explanation = forms.CharField(
        label="What was found",
        max_length=300,
        help_text="What was looked for, what is known, what is not.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    is_loss_reported = forms.BooleanField(label="Loss or theft: reported to the DEA (Form 106)", required=False)


# -- one infusion -----------------------------------------------------------------------------------------------------
class DrawForm(SeenForm):
    """Either mg or whole vials; devices are always whole."""

    lot = forms.IntegerField(min_value=1, max_value=10**9, error_messages={"required": "Choose the lot."})
    amount = mg_field("How much was taken")
    unit = forms.ChoiceField(choices=[("mg", "mg"), ("whole", "whole vials")])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        amount = data.get("amount")
        if data.get("unit") == "whole" and amount is not None and amount != int(amount):
            self.add_error("amount", "Enter a whole number of them.")
        return data

    def taken(self) -> dict[str, Any]:
        """For ``draw``: mg, or how many whole ones."""
        amount = self.cleaned_data["amount"]
        return {"units": int(amount)} if self.cleaned_data["unit"] == "whole" else {"amount_mg": amount}


class CloseDrawForm(forms.Form):
    """All three are asked for: an empty field is not a zero."""

    given_mg = mg_field("Given (mg)")
    wasted_mg = mg_field("Wasted (mg)")
    returned_mg = mg_field("Returned to stock (mg)")
    reason = forms.CharField(label="Note", max_length=300, required=False)


# -- what a page shows ------------------------------------------------------------------------------------------------
class LogFilterForm(forms.Form):
    """Which lines of a log; anything unreadable counts as not asked for."""

    kind = forms.ChoiceField(
        choices=[("", "All kinds"), *StockKind.choices],
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    since = day_input("From", required=False)
    until = day_input("To", required=False)

    def wanted(self) -> dict[str, Any]:
        self.is_valid()
        found = {name: self.cleaned_data.get(name) for name in ("kind", "since", "until")}
        return {name: value for name, value in found.items() if value and getattr(value, "year", YEARS[0]) in YEARS}
