"""What a request for a consultation may say: on the public page, on the phone, and what the desk notes about it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dates import WEEKDAYS
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic.models import Location, User
from clinic.models.hours import Weekday
from clinic.pure.words import translatable
from patients.forms.registry import DayInput, DialledNumberField, check_birth_date, one_line
from patients.models import CloseReason, ContactOutcome, DangerAnswer, PartOfDay, RequestSource
from patients.models.background import INDICATION_CHOICES
from patients.models.requests import VisitMode
from patients.pure.requests import ASKED_ABOUT

LONGEST_MESSAGE = 10_000
"""Characters; about four pages."""
FILLED_IN_AT_LEAST_S = 4
"""Nobody reads and answers the page faster; programs do."""
FILLED_IN_AT_MOST_S = 24 * 60 * 60
STAMP_SALT = "cadence.request"
CHANNELS = ("may_phone", "may_sms", "may_email")


class MessageField(forms.CharField):
    """Free text; a line break counts as one character, as it does for whoever types it (browsers send two)."""

    def to_python(self, value: Any) -> str:  # noqa: ANN401 (Django's signature)
        return str(super().to_python(value)).replace("\r\n", "\n")


class RequestForm(forms.Form):
    """What both ways of asking have in common. `values()` has the names of `patients.services.requests.RequestData`."""

    given_name = forms.CharField(max_length=80)
    family_name = forms.CharField(max_length=80)
    birth_date = forms.DateField(required=False, widget=DayInput)
    phone = DialledNumberField(required=False)
    email = forms.EmailField(required=False, max_length=254, label=_("E-mail"))
    may_phone = forms.BooleanField(required=False, label=_("Call me"))
    may_sms = forms.BooleanField(required=False, label=_("Text me"))
    may_email = forms.BooleanField(required=False, label=_("Write me an e-mail"))
    seeks_help_for = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    message = MessageField(required=False, max_length=LONGEST_MESSAGE, widget=forms.Textarea)
    wished_mode = forms.ChoiceField(
        required=False, choices=[*VisitMode.choices, ("", "Either")], widget=forms.RadioSelect, initial=""
    )
    wished_weekdays = forms.TypedMultipleChoiceField(
        required=False,
        coerce=int,
        choices=[(day.value, day.label) for day in Weekday],
        widget=forms.CheckboxSelectMultiple,
    )
    wished_part = forms.ChoiceField(
        required=False, choices=PartOfDay.choices, widget=forms.RadioSelect, initial=PartOfDay.ANY
    )

    def __init__(self, *args: Any, today: date, region: str = "US", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["phone"].region = region  # type: ignore[attr-defined]
        self.fields["phone"].widget.attrs["inputmode"] = "tel"
        self.fields["birth_date"].widget.attrs["max"] = today.isoformat()
        # A browser would cut a long text without a word; here the server says how much is too much, at the field.
        self.fields["message"].widget.attrs.pop("maxlength", None)

    def clean_given_name(self) -> str:
        return one_line(self.cleaned_data["given_name"])

    def clean_family_name(self) -> str:
        return one_line(self.cleaned_data["family_name"])

    def clean_birth_date(self) -> date | None:
        born: date | None = self.cleaned_data["birth_date"]
        if born is not None:
            check_birth_date(born, self.today)
        return born

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        # What was typed and is refused already has its message; "give one" would be wrong beside it.
        if not (cleaned.get("phone") or cleaned.get("email") or self.errors.keys() & {"phone", "email"}):
            self.add_error("phone", _("Give a telephone number or an e-mail address, so that we can answer."))
        for channel in ("may_phone", "may_sms"):
            if cleaned.get(channel) and not cleaned.get("phone") and "phone" not in self.errors:
                self.add_error("phone", _("Give the number that we may call or text."))
        if cleaned.get("may_email") and not cleaned.get("email") and "email" not in self.errors:
            self.add_error("email", _("Give the address that we may write to."))
        return cleaned

    def values(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if name in NAMES}
        return values | {
            "phone": values["phone"].as_e164 if values["phone"] else "",
            "seeks_help_for": tuple(values["seeks_help_for"]),
            "wished_weekdays": tuple(values["wished_weekdays"]),
            "wished_part": values["wished_part"] or PartOfDay.ANY,
        }


NAMES = frozenset(
    {
        *("given_name", "family_name", "birth_date", "phone", "email", *CHANNELS, "seeks_help_for", "message"),
        *("wished_mode", "wished_weekdays", "wished_part", "danger", "referrer"),
    }
)


WISHES = {
    "wished_mode": {
        VisitMode.IN_PERSON.value: translatable("In person"),
        VisitMode.VIDEO.value: translatable("Video"),
        "": translatable("Either"),
    },
    "wished_part": {
        PartOfDay.ANY.value: translatable("Any time"),
        PartOfDay.MORNING.value: translatable("Mornings"),
        PartOfDay.AFTERNOON.value: translatable("Afternoons"),
    },
}
"""What the public page offers, in the words that have translations."""


class PublicRequestForm(RequestForm):
    """The page without sign-in. A program that fills it in is asked again instead of being told why; so is a person."""

    danger = forms.ChoiceField(
        choices=[
            (DangerAnswer.NO.value, _("No")),
            (DangerAnswer.YES.value, _("Yes")),
            (DangerAnswer.NOT_SAID.value, _("I would rather not say")),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one answer. “I would rather not say” is fine.")},
    )
    homepage = forms.CharField(required=False, label=_("Leave this field empty"))
    stamp = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, open_weekdays: Collection[int] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seeks_help_for"].choices = [(key, gettext(said)) for key, said in ASKED_ABOUT.items()]  # type: ignore[attr-defined]
        for name, said in WISHES.items():
            self.fields[name].choices = [(key, gettext(words)) for key, words in said.items()]  # type: ignore[attr-defined]
        days = [
            (day.value, capfirst(str(WEEKDAYS[day.value])))
            for day in Weekday
            if day.value in open_weekdays or not open_weekdays
        ]
        self.fields["wished_weekdays"].choices = days  # type: ignore[attr-defined]
        for name, hint in (
            ("given_name", "given-name"),
            ("family_name", "family-name"),
            ("birth_date", "bday"),
            ("phone", "tel"),
            ("email", "email"),
            ("homepage", "off"),
        ):
            self.fields[name].widget.attrs["autocomplete"] = hint
        self.fields["homepage"].widget.attrs["tabindex"] = "-1"
        self.fields["given_name"].error_messages["required"] = _("Write your given name.")
        self.fields["family_name"].error_messages["required"] = _("Write your family name.")

    @staticmethod
    def new_stamp() -> str:
        """When the page was opened and which form it is, signed."""
        return signing.dumps(uuid4().hex, salt=STAMP_SALT)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not any(cleaned.get(channel) for channel in CHANNELS):
            self.add_error("may_phone", _("Tick at least one way in which we may answer you."))
        self.submission = self._read_stamp(cleaned.get("stamp", ""))
        if cleaned.get("homepage"):
            raise ValidationError(
                _("Something filled in a field that is meant to stay empty. Send the form once more.")
            )
        return cleaned

    def _read_stamp(self, stamp: str) -> UUID:
        """The form's own number.

        Raises:
            ValidationError: with what to do, when it was sent too fast or too late, or the stamp is not ours.
        """
        try:
            number = signing.loads(stamp, salt=STAMP_SALT, max_age=FILLED_IN_AT_MOST_S)
        except signing.BadSignature as problem:  # also when it is too old
            raise ValidationError(
                _("This page had been open for too long. Look over your answers and send them once more."), code="stamp"
            ) from problem
        try:
            signing.loads(stamp, salt=STAMP_SALT, max_age=FILLED_IN_AT_LEAST_S)
        except signing.SignatureExpired:
            return UUID(number)
        raise ValidationError(_("That was very quick. Look over your answers and send them once more."), code="quick")

    def keep(self, typed: QueryDict) -> None:
        """The form shows what was typed, and judges nothing yet: it was sent only to see it in another language."""
        shown = {name: field.widget.value_from_datadict(typed, {}, name) for name, field in self.fields.items()}
        self.initial.update({name: value for name, value in shown.items() if value}, homepage="")

    def shown_again(self) -> None:
        """The refused form can be sent again: its stamp counts, and what a program put into the trap is gone."""
        data = self.data.copy()  # type: ignore[attr-defined]
        data["homepage"] = ""
        if self.has_error("__all__", "stamp"):
            data["stamp"] = self.new_stamp()
        self.data = data


class DeskRequestForm(RequestForm):
    """Somebody calls, stands at the desk, or is sent by a colleague: one short form."""

    location = forms.ModelChoiceField(Location.objects.none(), empty_label=None)
    source = forms.ChoiceField(
        choices=[(one.value, one.label) for one in RequestSource if one != RequestSource.WEB],
        initial=RequestSource.PHONE,
        widget=forms.RadioSelect,
        label="How they asked",
    )
    referrer = forms.CharField(required=False, max_length=160, label="Referred by")
    danger = forms.ChoiceField(
        choices=[
            (DangerAnswer.NOT_ASKED.value, "Not asked"),
            (DangerAnswer.NO.value, "No"),
            (DangerAnswer.YES.value, "Yes"),
            (DangerAnswer.NOT_SAID.value, "Would not say"),
        ],
        initial=DangerAnswer.NOT_ASKED,
        widget=forms.RadioSelect,
    )
    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, reach: Collection[int] | None = None, **kwargs: Any) -> None:
        """``reach``: ids of the locations to choose from; None: all."""
        super().__init__(*args, **kwargs)
        places = Location.objects.active()
        self.fields["location"].queryset = places if reach is None else places.filter(pk__in=reach)  # type: ignore[attr-defined]
        self.fields["seeks_help_for"].choices = INDICATION_CHOICES  # type: ignore[attr-defined]
        for name, label in (("may_phone", "Call"), ("may_sms", "Text"), ("may_email", "E-mail")):
            self.fields[name].label = label
        self.fields["message"].widget.attrs["rows"] = 3
        self.fields["given_name"].widget.attrs["autofocus"] = True
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"


class CardForm(forms.Form):
    """What each act on a card sends along: the version that the person saw."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class ContactForm(CardForm):
    """One attempt to reach somebody. The buttons are the outcomes."""

    outcome = forms.ChoiceField(choices=ContactOutcome.choices)
    note = forms.CharField(required=False, max_length=300)
    next_act_on = forms.DateField(required=False, widget=DayInput, label="Try again on")


class OwnerForm(CardForm):
    """Who owes the next step; empty for nobody in particular."""

    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Nobody in particular")

    def __init__(self, *args: Any, people: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = people  # type: ignore[attr-defined]


class LinkForm(CardForm):
    patient = forms.IntegerField(min_value=1)


class RegisterForm(CardForm):
    birth_date = forms.DateField(required=False, widget=DayInput)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_birth_date(self) -> date | None:
        born: date | None = self.cleaned_data["birth_date"]
        if born is not None:
            check_birth_date(born, self.today)
        return born


class CloseForm(CardForm):
    reason = forms.ChoiceField(choices=CloseReason.choices, label="Why")
    note = forms.CharField(required=False, max_length=200)


def number_region(place: Location | None) -> str:
    """The country whose numbers may be written without a country code."""
    return place.holiday_country if place else settings.PHONENUMBER_DEFAULT_REGION
