"""Forms of a person's own account."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.forms import LoginForm
from django import forms

from clinic.models import Location, User
from clinic.pure.roles import DIGEST_ROLES


class SignInForm(LoginForm):
    """User name or e-mail, and the password; labels instead of placeholders."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        login.label = "User name or e-mail"
        login.widget.attrs = {"autocomplete": "username", "autofocus": True, "autocapitalize": "none"}
        self.fields["password"].widget.attrs.pop("placeholder", None)
        self.fields["password"].help_text = ""


class AccountForm(forms.ModelForm):
    """What a person may change about themselves; the rest is a manager's."""

    class Meta:
        model = User
        fields = ("first_name", "last_name", "title", "home_location", "wants_digest")
        labels = {"home_location": "Location that opens first", "wants_digest": "A summary by e-mail each working day"}
        help_texts = {
            "title": "Shown after your name, for example MD or RN.",
            "home_location": "",
            "wants_digest": "What needs you, in numbers and links; no names of patients.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["first_name"].required = self.fields["last_name"].required = True
        home = cast("forms.ModelChoiceField", self.fields["home_location"])
        home.queryset = Location.objects.active()
        if self.instance.reach is not None:
            home.queryset = home.queryset.filter(pk__in=self.instance.reach)
        home.empty_label = "The first one"
        if not DIGEST_ROLES.intersection(self.instance.roles):
            del self.fields["wants_digest"]
