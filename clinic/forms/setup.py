"""Forms of the set-up pages: they shape what a manager types; the rules are in the services."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import available_timezones

import holidays
from django import forms
from django.http import QueryDict
from phonenumber_field.formfields import PhoneNumberField

from clinic.models import ExceptionKind, Location, ResourceKind, RolePolicy, User
from clinic.models.places import validate_time_zone
from clinic.pure.roles import ROLE_LABELS, Role

MAX_CLOSURE_DAYS = 366
STEPS_MIN = (5, 10, 15, 20, 30, 60)
BOTH_TIMES = "Give both times, or neither for the whole day."


def day_field(label: str, **kwargs: Any) -> forms.DateField:
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(label=label, widget=widget, **kwargs)


def time_field(label: str, **kwargs: Any) -> forms.TimeField:
    widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    return forms.TimeField(label=label, widget=widget, required=False, **kwargs)


def _zones() -> list[str]:
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))


class LocationForm(forms.Form):
    name = forms.CharField(max_length=80)
    short_name = forms.CharField(max_length=12, help_text="Up to 12 letters, for the top bar and narrow columns.")
    address = forms.CharField(max_length=200, required=False)
    phone = PhoneNumberField(region="US", required=False)
    time_zone = forms.CharField(
        max_length=64,
        validators=[validate_time_zone],
        initial="America/New_York",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Type a city, for example Chicago.",
    )
    holiday_country = forms.CharField(
        label="Public holidays of", max_length=2, initial="US", help_text="Country in two letters: US, CA, GB."
    )
    holiday_region = forms.CharField(
        label="State or province", max_length=8, required=False, help_text="For example NY. Empty: the whole country."
    )
    start_step_min = forms.TypedChoiceField(
        label="Visits start every",
        coerce=int,
        initial=15,
        choices=[(step, f"{step} minutes") for step in STEPS_MIN],
        help_text="Clinic setting. The planner and the calendar offer starts on this grid.",
    )
    is_active = forms.BooleanField(label="Open for new bookings", required=False, initial=True)

    @staticmethod
    def zones() -> list[str]:
        return _zones()

    def clean_holiday_country(self) -> str:
        country = str(self.cleaned_data["holiday_country"]).upper()
        if country not in holidays.list_supported_countries():
            raise forms.ValidationError("Holidays of this country are not known. Write two letters such as US.")
        return country

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        country, region = data.get("holiday_country"), str(data.get("holiday_region", "")).upper()
        data["holiday_region"] = region
        if country and region and region not in holidays.list_supported_countries().get(country, []):
            known = ", ".join(holidays.list_supported_countries()[country][:60]) or "none"
            self.add_error("holiday_region", f"Not a region of {country}. Known are: {known}.")
        return data


class StationForm(forms.Form):
    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in (ResourceKind.CHAIR, ResourceKind.ROOM)])
    name = forms.CharField(max_length=80)
    note = forms.CharField(max_length=200, required=False, help_text="For example: recliner, by the window.")


class ClosureForm(forms.Form):
    reason = forms.CharField(max_length=120, help_text="Staff read it on the calendar, for example Staff training.")
    first_day = day_field("First day")
    last_day = day_field("Last day", required=False, help_text="Empty: one day only.")
    from_time = time_field("From", help_text="Empty: the whole day.")
    until_time = time_field("Until")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("first_day"), data.get("last_day")
        data["last_day"] = last or first
        if first and last and last < first:
            self.add_error("last_day", "The last day is before the first day.")
        elif first and last and last - first > timedelta(days=MAX_CLOSURE_DAYS):
            self.add_error("last_day", "That is longer than a year. Check the year, or switch the location off.")
        start, end = data.get("from_time"), data.get("until_time")
        if (start is None) != (end is None) and not {"from_time", "until_time"} & set(self.errors):
            self.add_error("until_time" if end is None else "from_time", BOTH_TIMES)
        elif start and end and end <= start:
            self.add_error("until_time", "The end must be after the start.")
        return data


class YearForm(forms.Form):
    """Which year's public holidays to propose."""

    year = forms.IntegerField(min_value=2000, max_value=2100)


class StaffForm(forms.Form):
    first_name = forms.CharField(max_length=150)
    last_name = forms.CharField(max_length=150)
    title = forms.CharField(max_length=40, required=False, help_text="For example MD, RN, Practice manager.")
    username = forms.CharField(
        label="User name",
        max_length=150,
        help_text="For signing in. Letters, digits and @ . + - _",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )
    email = forms.EmailField(label="E-mail", required=False, help_text="For a forgotten password.")
    roles = forms.MultipleChoiceField(
        choices=[(role.value, label) for role, label in ROLE_LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one role; without one a person sees nothing."},
    )
    lanes = forms.IntegerField(
        label="Chairs at once",
        min_value=1,
        max_value=9,
        initial=3,
        help_text="Clinic setting for nurses: how many infusions one nurse may watch at the same time.",
    )
    home_location = forms.ModelChoiceField(
        label="Location that opens first", queryset=Location.objects.none(), required=False, empty_label="The first one"
    )
    locations = forms.ModelMultipleChoiceField(
        label="Also works at",
        queryset=Location.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Whose patients they open, besides those of the location that opens first, where a role is limited "
        "to its own locations.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("home_location", "locations"):
            self.fields[name].queryset = Location.objects.active()  # type: ignore[attr-defined]

    def clean_roles(self) -> frozenset[Role]:
        return frozenset(Role(role) for role in self.cleaned_data["roles"])


class StaffFilterForm(forms.Form):
    q = forms.CharField(label="Name", required=False, max_length=80)
    role = forms.ChoiceField(
        required=False, choices=[("", "All roles"), *((role.value, label) for role, label in ROLE_LABELS.items())]
    )
    state = forms.ChoiceField(
        label="Account", required=False, choices=[("", "Active"), ("off", "Switched off"), ("all", "All")]
    )


class ExceptionForm(forms.Form):
    kind = forms.ChoiceField(label="What", choices=ExceptionKind.choices)
    day = day_field("Day")
    starts = time_field("From", help_text="Off for the whole day: leave both times empty.")
    ends = time_field("Until")
    location = forms.ModelChoiceField(
        queryset=Location.objects.none(), required=False, help_text="Needed for extra work.", empty_label="—"
    )
    reason = forms.CharField(max_length=120, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["location"].queryset = Location.objects.active()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        start, end = data.get("starts"), data.get("ends")
        extra = data.get("kind") == ExceptionKind.EXTRA
        if extra and not data.get("location"):
            self.add_error("location", "Say where the extra work is.")
        if extra and start is None and "starts" not in self.errors:
            self.add_error("starts", "Extra work needs a start and an end.")
        elif (start is None) != (end is None) and not {"starts", "ends"} & set(self.errors):
            self.add_error("ends" if end is None else "starts", BOTH_TIMES)
        elif start and end and end <= start:
            self.add_error("ends", "The end must be after the start.")
        return data


class SecondFactorForm(forms.Form):
    roles = forms.MultipleChoiceField(
        required=False,
        choices=[(role.value, label) for role, label in ROLE_LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
    )

    @staticmethod
    def demanded() -> list[str]:
        return list(RolePolicy.objects.filter(requires_second_factor=True).values_list("role", flat=True))


class OwnLocationsForm(forms.Form):
    """Which roles open only patients of their holders' own locations."""

    roles = forms.MultipleChoiceField(
        required=False,
        choices=[(role.value, label) for role, label in ROLE_LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
    )


class AuditForm(forms.Form):
    """Filters of the history and of the read log."""

    first_day = day_field("From", required=False)
    last_day = day_field("To", required=False)
    person = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Anybody")
    mrn = forms.CharField(label="Patient (MRN)", required=False, max_length=12)

    def __init__(self, data: QueryDict, *, today: date, **kwargs: Any) -> None:
        """Without dates in the address it is the last 30 days, and the fields say so."""
        shown = data.copy()
        if not shown.get("last_day"):
            shown["last_day"] = today.isoformat()
        if not shown.get("first_day"):
            shown["first_day"] = _days_before(str(shown["last_day"]), 30, today=today).isoformat()
        super().__init__(shown, **kwargs)
        self.fields["person"].queryset = User.objects.order_by("last_name", "first_name", "id")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("first_day"), data.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "The last day is before the first day.")
        return data


def _days_before(text: str, days: int, *, today: date) -> date:
    """So many days before the day in ``text``; before today when it is no day."""
    try:
        return max(date.fromisoformat(text), date(1900, 1, 1)) - timedelta(days=days)
    except ValueError:
        return today - timedelta(days=days)


class HistoryForm(AuditForm):
    table = forms.ChoiceField(label="What", required=False)
    change = forms.ChoiceField(
        label="Change",
        required=False,
        choices=[("", "Any"), ("insert", "Added"), ("update", "Changed"), ("delete", "Removed")],
    )

    def __init__(self, data: QueryDict, *, tables: dict[str, str], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        choices = [("", "Everything"), *tables.items()]
        self.fields["table"].choices = choices  # type: ignore[attr-defined]
