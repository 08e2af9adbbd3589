"""How a location follows its courses, with defaults where it has decided nothing yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import FollowUpSettings
from patients.pure.consent_text import fingerprint

SETTINGS = tuple(field.name for field in FollowUpSettings._meta.concrete_fields if field.name not in {"id", "location"})


class StaleFollowUpError(Exception):
    """Somebody else saved meanwhile; ``current`` is what stands. Nothing was saved."""

    def __init__(self, current: FollowUpSettings) -> None:
        self.current = current
        super().__init__("Somebody else saved these settings while they were open. Nothing was overwritten.")


def follow_up_settings_of(location: Location) -> FollowUpSettings:
    """The location's row, or an unsaved one with the defaults: asking writes nothing."""
    return FollowUpSettings.objects.filter(location=location).first() or FollowUpSettings(location=location)


def seen_follow_up(settings: FollowUpSettings) -> str:
    """What a form sends along, so that a save on top of somebody else's is noticed."""
    return fingerprint(*(getattr(settings, name) for name in SETTINGS))


def change_follow_up(
    *, location: Location, values: Mapping[str, Any], expected: str, by: User, now: datetime
) -> FollowUpSettings:
    """The location follows its courses by what was typed; the row is made when it is first needed.

    Args:
        values: all of ``SETTINGS``, by name.
        expected: ``seen_follow_up`` of what the person had before them.

    Raises:
        PermissionDenied: the person may not do this.
        StaleFollowUpError: somebody else saved meanwhile.
        ValidationError: a value does not fit.
    """
    if not by.can(Can.EDIT_FOLLOW_UP):
        raise PermissionDenied("Your role does not include this.")
    with recorded(by=by, now=now):
        Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        current = follow_up_settings_of(location)
        if seen_follow_up(current) != expected:
            raise StaleFollowUpError(current)
        for name in SETTINGS:
            setattr(current, name, values[name])
        current.full_clean()
        current.save()
        return current
