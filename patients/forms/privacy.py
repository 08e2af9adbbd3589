"""What the pages of privacy accept: to whom a record goes, consents of Part 2, holds, erasures, terms."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms

from patients.forms.registry import DayInput
from patients.pure.privacy import AUDIENCE_LABELS, BASIS_LABELS, TERMS, Kept

LONGEST = 300


def reason_field(label: str, **kwargs: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 2}), **kwargs)


class EverythingForm(forms.Form):
    """Everything about one person, for somebody, for a reason."""

    kind = forms.ChoiceField(
        label="File",
        choices=[("pdf", "PDF, to read"), ("json", "JSON, complete, for another program")],
        initial="pdf",
        widget=forms.RadioSelect,
    )
    audience = forms.ChoiceField(
        label="For whom", choices=[(one.value, label) for one, label in AUDIENCE_LABELS.items()]
    )
    recipient = forms.CharField(
        label="Recipient", max_length=160, help_text="Name of the person, practice, insurer or court that gets it."
    )
    reason = reason_field("Reason", help_text="For example: request of March 3, on paper; subpoena with its number.")
    with_history = forms.BooleanField(label="With every earlier version of each row", required=False)
    with_readings = forms.BooleanField(label="With who read the record", required=False)
    override_reason = reason_field(
        "Without a consent, because", required=False, help_text="Only in a medical emergency (42 CFR 2.51)."
    )


class MarkForm(forms.Form):
    """Whether the record counts as protected by 42 CFR Part 2."""

    is_protected = forms.TypedChoiceField(
        label="This record",
        choices=[("1", "holds records that 42 CFR Part 2 protects"), ("0", "holds none")],
        coerce=lambda value: value == "1",
        widget=forms.RadioSelect,
    )
    reason = reason_field("Reason", help_text="For example: records received from a Part 2 program.")


class DisclosureConsentForm(forms.Form):
    """A consent that was signed on paper (42 CFR 2.31)."""

    is_for_tpo = forms.TypedChoiceField(
        label="Purpose",
        choices=[("1", "All treatment, payment and health care operations"), ("0", "Only what is named here")],
        coerce=lambda value: value == "1",
        initial="1",
        widget=forms.RadioSelect,
    )
    recipient = forms.CharField(label="Who may get it", max_length=160, initial="My treating providers and my insurer")
    what = forms.CharField(label="What may be disclosed", max_length=200, initial="My substance use disorder records")
    signed_on = forms.DateField(label="Signed on", widget=DayInput)
    expires_on = forms.DateField(
        label="Ends on", required=False, widget=DayInput, help_text="Empty: it holds until it is revoked."
    )
    signer_name = forms.CharField(label="Signed by", max_length=160)
    signer_relation = forms.CharField(
        label="Relation",
        max_length=80,
        required=False,
        help_text="Empty: the patient. Else for example legal guardian.",
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_signed_on(self) -> date:
        day: date = self.cleaned_data["signed_on"]
        if day > self.today:
            raise forms.ValidationError("This day has not come yet.")
        return day


class ReasonForm(forms.Form):
    """A reason and nothing else."""

    reason = reason_field("Reason")


class ProposeForm(forms.Form):
    """Why a record should be erased."""

    basis = forms.ChoiceField(label="Basis", choices=[(one.value, label) for one, label in BASIS_LABELS.items()])
    reason = reason_field("Reason, with the rule of law", help_text="It is kept for good: do not name the patient.")


class TermsForm(forms.Form):
    """How long each class is kept; never shorter than the law's least."""

    def __init__(self, *args: Any, known: dict[Kept, int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for term in TERMS:
            self.fields[term.kept.value] = forms.IntegerField(
                label=f"{term.title} ({term.unit})",
                min_value=term.least,
                max_value=term.most,
                initial=known[term.kept],
                widget=forms.NumberInput(attrs={"class": "form-control"}),
                help_text=f"{term.text} Shipped: {term.usual}. {term.source}.",
            )

    def amounts(self) -> dict[Kept, int]:
        return {Kept(name): value for name, value in self.cleaned_data.items()}
