"""What a location decides about its infusion days, with defaults where it has decided nothing yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import InfusionDaySettings
from patients.pure.consent_text import fingerprint

SETTINGS = tuple(
    field.name for field in InfusionDaySettings._meta.concrete_fields if field.name not in {"id", "location"}
)


class StaleDaySettingsError(Exception):
    """Somebody else saved meanwhile; ``current`` is what stands. Nothing was saved."""

    def __init__(self, current: InfusionDaySettings) -> None:
        self.current = current
        super().__init__("Somebody else saved these settings while they were open. Nothing was overwritten.")


def day_settings_of(location: Location) -> InfusionDaySettings:
    """The location's row, or an unsaved one with the defaults: asking writes nothing."""
    return InfusionDaySettings.objects.filter(location=location).first() or InfusionDaySettings(location=location)


def seen_day_settings(settings: InfusionDaySettings) -> str:
    """What a form sends along, so that a save on top of somebody else's is noticed."""
    concentrations = [float(one) for one in settings.concentrations_mg_per_ml]
    rest = [getattr(settings, name) for name in SETTINGS if name != "concentrations_mg_per_ml"]
    return fingerprint(*rest, *concentrations)


def change_day_settings(
    *, location: Location, values: Mapping[str, Any], expected: str, by: User, now: datetime
) -> InfusionDaySettings:
    """The location's infusion days go by what was typed; the row is made when it is first needed.

    Args:
        values: all of ``SETTINGS``, by name.
        expected: ``seen_day_settings`` of what the person had before them.

    Raises:
        PermissionDenied: the person may not do this.
        StaleDaySettingsError: somebody else saved meanwhile.
        ValidationError: a value does not fit.
    """
    if not by.can(Can.EDIT_DAY_SETTINGS):
        raise PermissionDenied("Your role does not include this.")
    with recorded(by=by, now=now):
        Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        current = day_settings_of(location)
        if seen_day_settings(current) != expected:
            raise StaleDaySettingsError(current)
        for name in SETTINGS:
            setattr(current, name, values[name])
        current.full_clean()
        current.save()
        return current
