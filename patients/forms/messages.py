"""What the pages of messages accept: staff's own words, why a message is held back, how an answer was handled."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms

from patients.models import Channel

HOW = (
    (Channel.SMS.value, "Text message"),
    (Channel.EMAIL.value, "E-mail"),
    (Channel.PHONE.value, "Call list"),
)
WORDS_MAX = 2000


class WriteForm(forms.Form):
    """A message to one patient. ``token`` makes a form that is sent twice one message."""

    channel = forms.ChoiceField(choices=HOW)
    subject = forms.CharField(max_length=120, required=False, label="Subject of the e-mail")
    text = forms.CharField(max_length=WORDS_MAX, required=False, widget=forms.Textarea(attrs={"rows": 5}))
    token = forms.CharField(max_length=32, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False

    def clean_token(self) -> str:
        token: str = self.cleaned_data["token"]
        if not token.isalnum():
            raise forms.ValidationError("Open this page anew.")
        return token


class HoldForm(forms.Form):
    """Why a message does not go out."""

    reason = forms.CharField(max_length=200, error_messages={"required": "Say why, so that nobody sends it after all."})


class HandleForm(forms.Form):
    """What was done about an answer."""

    note = forms.CharField(max_length=120, error_messages={"required": "Say in a few words what you did."})
