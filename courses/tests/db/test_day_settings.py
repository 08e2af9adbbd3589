"""What a location decides about its infusion days: defaults from nothing, and nobody overwrites unseen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.parallel import Parallel
from courses.forms.day_settings import LIMITS, DaySettingsForm
from courses.models import InfusionDaySettings
from courses.pure import fasting, limits
from courses.services.day_settings import (
    SETTINGS,
    StaleDaySettingsError,
    change_day_settings,
    day_settings_of,
    seen_day_settings,
)
from courses.tests.day_kit import ten

pytestmark = pytest.mark.django_db


def values(**changed: Any) -> dict[str, Any]:
    shipped = {name: getattr(InfusionDaySettings(), name) for name in SETTINGS}
    return shipped | {"concentrations_mg_per_ml": [Decimal(10), Decimal(50), Decimal(100)]} | changed


def test_asking_writes_nothing_and_gives_the_shipped_numbers() -> None:
    settings = day_settings_of(make_clinic().location)
    for name, limit in LIMITS.items():
        assert getattr(settings, name) == limit.default, name
    assert not InfusionDaySettings.objects.exists()


def test_the_shipped_profiles_exist() -> None:
    settings = InfusionDaySettings()
    assert settings.fasting_profile in {one.code for one in fasting.PROFILES}
    assert settings.limits_profile in {one.code for one in limits.PROFILES}


def test_what_was_saved_is_what_stands() -> None:
    clinic = make_clinic()
    place = clinic.location
    change_day_settings(
        location=place,
        values=values(rest_min=15, checks_needed=1, concentrations_mg_per_ml=[Decimal(50)]),
        expected=seen_day_settings(day_settings_of(place)),
        by=clinic.manager,
        now=ten(),
    )
    found = day_settings_of(place)
    assert (found.rest_min, found.checks_needed, found.concentrations_mg_per_ml) == (15, 1, [Decimal("50.0")])


def test_somebody_elses_save_is_never_overwritten_unseen() -> None:
    clinic = make_clinic()
    place = clinic.location
    seen = seen_day_settings(day_settings_of(place))
    known: dict[str, Any] = {"location": place, "expected": seen, "now": ten()}
    change_day_settings(values=values(rest_min=15), by=clinic.manager, **known)
    with pytest.raises(StaleDaySettingsError) as stale:
        change_day_settings(values=values(rest_min=12), by=clinic.clinician, **known)
    assert stale.value.current.rest_min == 15
    assert day_settings_of(place).rest_min == 15


def test_saving_unchanged_settings_does_not_look_like_a_change() -> None:
    clinic = make_clinic()
    place = clinic.location
    for _ in range(2):
        seen = seen_day_settings(day_settings_of(place))
        change_day_settings(location=place, values=values(), expected=seen, by=clinic.manager, now=ten())
    assert seen_day_settings(day_settings_of(place)) == seen_day_settings(InfusionDaySettings())


def test_nurses_and_the_front_desk_do_not_change_them() -> None:
    clinic = make_clinic()
    seen = seen_day_settings(day_settings_of(clinic.location))
    for by in (clinic.nurse, clinic.desk):
        with pytest.raises(PermissionDenied):
            change_day_settings(location=clinic.location, values=values(), expected=seen, by=by, now=ten())
    assert not InfusionDaySettings.objects.exists()


def test_what_is_not_plausible_is_refused() -> None:
    clinic = make_clinic()
    seen = seen_day_settings(day_settings_of(clinic.location))
    for wrong in ({"rems_days": 8}, {"checks_needed": 0}, {"bag_ml": 5}):
        with pytest.raises(ValidationError):
            change_day_settings(
                location=clinic.location, values=values(**wrong), expected=seen, by=clinic.manager, now=ten()
            )


def test_concentrations_are_sorted_each_once_and_need_one() -> None:
    typed = {name: str(value) for name, value in values().items()}
    form = DaySettingsForm(typed | {"concentrations_mg_per_ml": "100, 10, 10"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["concentrations_mg_per_ml"] == [Decimal(10), Decimal(100)]
    for wrong in ("", "0", "300", "ten"):
        form = DaySettingsForm(typed | {"concentrations_mg_per_ml": wrong})
        assert "concentrations_mg_per_ml" in form.errors, wrong


@pytest.mark.django_db(transaction=True)
def test_two_managers_at_once_leave_one_save_and_one_who_is_told(parallel: Parallel) -> None:
    clinic = make_clinic()
    place, seen = clinic.location, seen_day_settings(day_settings_of(clinic.location))

    def save(index: int) -> None:
        change_day_settings(
            location=place, values=values(rest_min=11 + index), expected=seen, by=clinic.manager, now=ten()
        )

    outcomes = parallel(4, save)
    refused = [one.error for one in outcomes if one.error is not None]
    assert len(refused) == 3
    assert all(isinstance(one, StaleDaySettingsError) for one in refused)
