"""The shape of what is sent when a record is completed, signed or added to."""

from __future__ import annotations

from django import forms

from courses.models import InfusionAmendment

LONGEST_NOTE = 4000


class SeenForm(forms.Form):
    """Which version of the record the page showed."""

    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class AmendForm(forms.Form):
    """What is added to a signed record, and why."""

    reason = forms.CharField(
        max_length=InfusionAmendment._meta.get_field("reason").max_length,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        label="Why",
        error_messages={"required": "Say why this is added."},
    )
    text = forms.CharField(
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
        label="What is added",
        error_messages={"required": "Write what is added."},
    )


class RemsSentForm(forms.Form):
    """The REMS form was sent; what came back, where something did."""

    reference = forms.CharField(
        max_length=60,
        required=False,
        label="Reference",
        help_text="The number of the confirmation, if there was one.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
