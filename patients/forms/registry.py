"""What the registry's pages accept: a patient's particulars, their numbers, their status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import country_code_for_region

from clinic.models import Location
from patients.adapters.languages import languages
from patients.models import Channel, Patient, PatientStatus
from patients.models.registry import PhoneKind
from patients.pure.regions import COUNTRIES, LANGUAGES, time_zones

OLDEST_YEARS = 125
"""Nobody has lived longer than 122 years; more is a slip of the pen."""
MAX_PHONES = 6


class DayInput(forms.DateInput):
    """A date field of the browser; the value goes there and back as 1985-03-14 whatever the language."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs=attrs, format="%Y-%m-%d")


class DialledNumberField(PhoneNumberField):
    """A telephone number as people write it: spaces, brackets, dots, "00" or "011" or "+" before the country's code."""

    def prepare_value(self, value: Any) -> Any:  # noqa: ANN401 (Django's signature)
        """The number as it can be typed back: without the country's code only where that code is understood."""
        if not isinstance(value, PhoneNumber):
            return value
        is_local = value.country_code == country_code_for_region(self.region or settings.PHONENUMBER_DEFAULT_REGION)
        return value.as_national if is_local else value.as_international

    def to_python(self, value: Any) -> PhoneNumber | str:  # noqa: ANN401 (Django's signature)
        text = re.sub(r"^\s*00(?=[1-9])", "+", str(value or ""))
        number = super().to_python(text)
        if number and number.extension:
            raise ValidationError(
                _("Extensions cannot be dialled from here. Leave out “ext. %(ext)s”."), params={"ext": number.extension}
            )
        return number


def check_birth_date(born: date, today: date) -> None:
    """Raises ValidationError for a day on which no living person was born."""
    if born > today:
        raise ValidationError(_("This day is in the future. Check the year."))
    if today.year - born.year > OLDEST_YEARS:
        raise ValidationError(
            _("That would make the patient %(age)d years old. Check the year."), params={"age": today.year - born.year}
        )


def _languages_by_messages() -> list[tuple[str, list[tuple[str, str]]]]:
    """First those in which messages and pages of patients are, then those for which they are in English."""
    ours = [(code, name) for code, name in LANGUAGES.items() if code in languages()]
    others = [(code, name) for code, name in LANGUAGES.items() if code not in languages()]
    return [("Messages in this language", ours), ("Messages in English", others)]


def one_line(text: str) -> str:
    """Without the spaces that slip in when a name is pasted."""
    return " ".join(text.split())


class PatientForm(forms.ModelForm):
    """Everything about who a patient is, except their numbers. Never saved: `values()` goes to a service."""

    language = forms.ChoiceField(choices=list(LANGUAGES.items()), help_text="For messages and letters.")
    country = forms.ChoiceField(choices=[("", "Not recorded"), *COUNTRIES.items()], required=False)
    preferred_channel = forms.ChoiceField(
        choices=[
            ("", "No preference"),
            *(choice for choice in Channel.choices if choice[0] != Channel.LETTER),
        ],
        required=False,
        label="Prefers to be reached by",
        help_text="Used only where they agreed to it.",
    )
    time_zone = forms.ChoiceField(required=False)
    emergency_phone = DialledNumberField(required=False, label="Phone of the emergency contact")
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Patient
        fields = (
            *("given_name", "family_name", "preferred_name", "pronouns", "birth_date", "sex"),
            *("email", "address", "city", "region", "postal_code", "country"),
            *("language", "preferred_channel", "time_zone", "home_location"),
            *("emergency_name", "emergency_relation", "emergency_phone", "insurance_note", "referrer"),
        )
        widgets = {"birth_date": DayInput, "insurance_note": forms.Textarea(attrs={"rows": 2})}
        labels = {
            "email": "E-mail",
            "address": "Street and number",
            "home_location": "Usual location",
            "emergency_name": "Name",
            "referrer": "Referred by",
        }
        help_texts = {
            "preferred_name": "If different from the legal given name.",
            "sex": "For reference ranges and pregnancy tests.",
            "insurance_note": "Payer, plan, number: whatever the front desk needs.",
        }

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["birth_date"].widget.attrs |= {
            "max": today.isoformat(),
            "min": f"{today.year - OLDEST_YEARS}-01-01",
        }
        self.fields["time_zone"].choices = [("", "That of the location"), *((zone, zone) for zone in time_zones())]  # type: ignore[attr-defined]
        self.fields["language"].choices = _languages_by_messages()  # type: ignore[attr-defined]
        places: Any = self.fields["home_location"]
        places.queryset = Location.objects.active()
        places.empty_label = "Not decided"
        for name, hint in (("given_name", "off"), ("family_name", "off"), ("email", "off"), ("address", "off")):
            self.fields[name].widget.attrs["autocomplete"] = hint
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True

    def clean_given_name(self) -> str:
        return one_line(self.cleaned_data["given_name"])

    def clean_family_name(self) -> str:
        return one_line(self.cleaned_data["family_name"])

    def clean_preferred_name(self) -> str:
        return one_line(self.cleaned_data["preferred_name"])

    def clean_birth_date(self) -> date:
        born: date = self.cleaned_data["birth_date"]
        check_birth_date(born, self.today)
        return born

    def values(self) -> dict[str, Any]:
        """The cleaned fields under the names of `patients.services.registry.PatientData`, without the numbers."""
        values = {name: self.cleaned_data[name] for name in self.Meta.fields}
        place = values.pop("home_location")
        number = values.pop("emergency_phone")
        return values | {
            "home_location_id": place.pk if place else None,
            "emergency_phone": number.as_e164 if number else "",
        }


class PhoneForm(forms.Form):
    """One row of numbers; an empty row says nothing."""

    number = DialledNumberField(required=False, label="Number")
    kind = forms.ChoiceField(choices=PhoneKind.choices, required=False, initial=PhoneKind.MOBILE)
    is_primary = forms.BooleanField(required=False, label="Call this one first")


class BasePhoneFormSet(forms.BaseFormSet):
    """All the numbers of a patient."""

    def clean(self) -> None:
        """No number twice, and at most one that is called first."""
        if any(self.errors):
            return
        rows = self.rows()
        numbers = [row["number"] for row in rows]
        if len(set(numbers)) != len(numbers):
            raise ValidationError("The same number is there twice. Remove one of them.")
        if sum(row["is_primary"] for row in rows) > 1:
            raise ValidationError("Only one number can be the one to call first. Unmark the others.")

    def rows(self) -> list[dict[str, Any]]:
        """The number (E.164), kind and is_primary of every row that is filled and not removed."""
        return [
            {
                "number": form.cleaned_data["number"].as_e164,
                "kind": form.cleaned_data.get("kind") or PhoneKind.MOBILE,
                "is_primary": form.cleaned_data.get("is_primary", False),
            }
            for form in self.forms
            if form.cleaned_data.get("number") and not form.cleaned_data.get("DELETE")
        ]


def phone_formset(
    data: Mapping[str, Any] | None = None,
    *,
    initial: Iterable[Mapping[str, Any]] = (),
    region: str = "US",
    empty_rows: int = 1,
) -> BasePhoneFormSet:
    """The rows for the numbers that are there, and some empty ones.

    Args:
        data: what was sent. What the numbers were before does not matter then: a row counts for what it says.
        region: country whose numbers may be written without a country code.
    """
    made = forms.formset_factory(
        PhoneForm, formset=BasePhoneFormSet, extra=empty_rows, can_delete=True, max_num=MAX_PHONES, validate_max=True
    )
    formset = made(data, initial=list(initial), prefix="phones")
    for form in formset.forms:
        number: Any = form.fields["number"]
        number.region = region
        number.widget.attrs |= {"inputmode": "tel", "autocomplete": "off"}
        form.fields["DELETE"].label = "Remove"
    return formset  # type: ignore[return-value]


class QuickForm(forms.Form):
    """The least with which somebody on the telephone becomes a patient."""

    given_name = forms.CharField(max_length=80, label="Legal given name")
    family_name = forms.CharField(max_length=80, label="Legal family name")
    birth_date = forms.DateField(widget=DayInput)
    phone = DialledNumberField(required=False)

    def __init__(self, *args: Any, today: date, region: str = "US", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["phone"].region = region  # type: ignore[attr-defined]
        self.fields["birth_date"].widget.attrs |= {"max": today.isoformat()}
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(
            Row(Column("given_name"), Column("family_name")), Row(Column("birth_date"), Column("phone"))
        )

    def clean_given_name(self) -> str:
        return one_line(self.cleaned_data["given_name"])

    def clean_family_name(self) -> str:
        return one_line(self.cleaned_data["family_name"])

    def clean_birth_date(self) -> date:
        born: date = self.cleaned_data["birth_date"]
        check_birth_date(born, self.today)
        return born


class StatusForm(forms.Form):
    """Active, inactive or deceased, and since when."""

    status = forms.ChoiceField(choices=PatientStatus.choices, widget=forms.RadioSelect)
    deceased_on = forms.DateField(
        required=False,
        label="Date of death",
        widget=DayInput,
        help_text="If it is known; only for a patient who has died.",
    )
    keep_bookings = forms.BooleanField(required=False, label="I have seen these visits; let them stand for now")
    version = forms.IntegerField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("deceased_on") and cleaned.get("status") != PatientStatus.DECEASED:
            self.add_error("deceased_on", "A date of death belongs only to a patient who has died.")
        return cleaned


class ListFilterForm(forms.Form):
    """The filters of the list of patients. What is unknown in the address is left out, never an error."""

    q = forms.CharField(required=False, max_length=80, strip=True)
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *PatientStatus.choices])
    location = forms.ModelChoiceField(Location.objects.none(), required=False, empty_label="Any location")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["location"].queryset = Location.objects.active()  # type: ignore[attr-defined]
