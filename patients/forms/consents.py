"""What signing, a scan, withdrawing and consent to be contacted accept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from patients.forms.registry import DayInput
from patients.models import Channel, ConsentText
from patients.pure.scans import ScanError, check_size, kind_of_scan
from patients.pure.signatures import MAX_CHARACTERS, Strokes, parse_strokes
from patients.templatetags.people import phone_words

SOURCES = ("On the phone", "In person", "On paper", "In writing (e-mail or letter)")
RELATIONS_HINT = "Empty when the patient signs. Else for example: legal guardian, health care proxy."


class SignForm(forms.Form):
    """A typed name with a drawn signature, or with an explicit tick where nothing can be drawn."""

    text = forms.IntegerField(widget=forms.HiddenInput)
    strokes = forms.CharField(required=False, max_length=MAX_CHARACTERS, widget=forms.HiddenInput)
    signer_name = forms.CharField(max_length=160, label="Your full name")
    signer_relation = forms.CharField(
        required=False,
        max_length=80,
        label="You sign for somebody else? Say how you are related",
        help_text="For example: legal guardian. Leave it empty when you sign for yourself.",
    )
    typed_is_signature = forms.BooleanField(
        required=False, label="I do not draw: my name as typed above is my signature."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("signer_name", "signer_relation"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def clean_strokes(self) -> Strokes:
        try:
            return parse_strokes(self.cleaned_data["strokes"])
        except ValueError as error:
            raise forms.ValidationError(f"{error} Clear the box and sign again.") from error


class ScanForm(forms.Form):
    """A consent that was signed on paper."""

    text = forms.ModelChoiceField(ConsentText.objects.none(), label="Version that was signed", empty_label=None)
    scan = forms.FileField(
        label="Scan of the signed paper",
        allow_empty_file=True,  # said in our own words below
        help_text="PDF, PNG or JPEG, at most 10 MB.",
        widget=forms.FileInput(attrs={"accept": "application/pdf,image/png,image/jpeg"}),
    )
    signed_on = forms.DateField(widget=DayInput, label="Day of the signature")
    signer_name = forms.CharField(max_length=160, label="Who signed")
    signer_relation = forms.CharField(
        required=False, max_length=80, label="Signed for the patient as", help_text=RELATIONS_HINT
    )

    def __init__(self, *args: Any, texts: Sequence[ConsentText], today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["text"]
        field.queryset = ConsentText.objects.filter(pk__in=[text.pk for text in texts])  # type: ignore[attr-defined]
        field.choices = [(text.pk, str(text)) for text in texts]  # type: ignore[attr-defined]
        self.fields["signed_on"].widget.attrs["max"] = today.isoformat()
        for name in ("signer_name", "signer_relation"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def clean_scan(self) -> UploadedFile:
        """The file, looked into before it is kept; one that is too large is not even read."""
        file: UploadedFile = self.cleaned_data["scan"]
        try:
            check_size(file.size or 0)
            kind_of_scan(file.read())
        except ScanError as refused:
            raise forms.ValidationError(str(refused)) from refused
        file.seek(0)
        return file


class WithdrawForm(forms.Form):
    reason = forms.CharField(
        max_length=300, label="What the patient said", widget=forms.Textarea(attrs={"rows": 3, "autofocus": True})
    )


class ContactForm(forms.Form):
    """What the patient says about one channel."""

    granted = forms.TypedChoiceField(
        choices=[("yes", "Yes, the patient agrees"), ("no", "No, the patient does not want it")],
        coerce=lambda said: said == "yes",
        widget=forms.RadioSelect,
        label="What the patient said",
    )
    value = forms.ChoiceField(required=False, label="Number or address")
    scope = forms.CharField(max_length=120, label="What about")
    was_read = forms.BooleanField(required=False, label="The patient heard or read these words before saying yes.")
    source = forms.ChoiceField(choices=[("", "Choose"), *((said, said) for said in SOURCES)], label="How it was said")
    note = forms.CharField(required=False, max_length=200)

    def __init__(self, *args: Any, channel: Channel, values: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel, self.values = channel, values
        self.is_phone = channel in {Channel.PHONE, Channel.SMS}
        field = self.fields["value"]
        field.choices = [(value, phone_words(value) if self.is_phone else value) for value in values]  # type: ignore[attr-defined]
        field.label = {Channel.EMAIL: "E-mail address", Channel.LETTER: "Address"}.get(channel, "Number")
        if channel != Channel.SMS:
            del self.fields["was_read"]

    def clean(self) -> dict[str, Any]:
        """A yes is about a number or address; a yes to text messages was asked for in the express words (TCPA)."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("granted"):
            if not cleaned.get("value") and "value" not in self.errors:
                what = {Channel.EMAIL: "e-mail address", Channel.LETTER: "postal address"}.get(self.channel, "number")
                self.add_error("value", f"There is no {what} on record. Add it to the patient first.")
            if self.channel == Channel.SMS and not cleaned.get("was_read"):
                self.add_error("was_read", "Read the words to the patient first: a yes to texts must be express.")
        return cleaned
