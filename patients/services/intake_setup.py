"""What a location decides about its intake is changed here: wording and limits, and the price list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Max

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import IntakeSettings, PriceItem
from patients.pure.consent_text import fingerprint
from patients.services.intake_settings import intake_settings_of

SETTINGS = tuple(field.name for field in IntakeSettings._meta.concrete_fields if field.name not in {"id", "location"})


class StaleSettingsError(Exception):
    """Somebody else saved meanwhile; `current` is what stands. Nothing was saved."""

    def __init__(self, current: IntakeSettings) -> None:
        self.current = current
        super().__init__("Somebody else saved these settings while they were open. Nothing was overwritten.")


class StalePriceError(Exception):
    """Somebody else changed this line meanwhile; `current` is what stands. Nothing was saved."""

    def __init__(self, current: PriceItem) -> None:
        self.current = current
        super().__init__("Somebody else changed this line while it was open. Look at it, then save again.")


# --- wording and limits -----------------------------------------------------------------------------------------------
def seen_settings(settings: IntakeSettings) -> str:
    """What a form sends along, so that a save on top of somebody else's is noticed."""
    return fingerprint(*(getattr(settings, name) for name in SETTINGS))


def change_intake_settings(
    *, location: Location, values: Mapping[str, Any], expected: str, by: User, now: datetime
) -> IntakeSettings:
    """The location's intake says what was typed; the row is made when it is first needed.

    Args:
        values: all of `SETTINGS`, by name.
        expected: `seen_settings` of what the person had before them.

    Raises:
        StaleSettingsError: when somebody else saved meanwhile.
        ValidationError: when a value does not fit.
    """
    with recorded(by=by, now=now):
        Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        current = intake_settings_of(location)
        if seen_settings(current) != expected:
            raise StaleSettingsError(current)
        for name in SETTINGS:
            setattr(current, name, values[name])
        current.full_clean()
        current.save()
        return current


# --- prices -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PriceData:
    """One line of the price list."""

    kind: str
    label: str
    amount: Decimal


def seen_price(price: PriceItem) -> str:
    return fingerprint(price.kind, price.label, price.amount, price.is_active)


def add_price(*, location: Location, data: PriceData, by: User, now: datetime) -> PriceItem:
    """The location's price list has one more line, at its end.

    Raises:
        ValidationError: when a value does not fit, for example a negative amount.
    """
    with recorded(by=by, now=now):
        Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        last = PriceItem.objects.filter(location=location).aggregate(last=Max("position"))["last"] or 0
        price = PriceItem(location=location, kind=data.kind, label=data.label, amount=data.amount, position=last + 1)
        price.full_clean()
        price.save()
        return price


def change_price(*, price_id: int, data: PriceData, expected: str, by: User, now: datetime) -> PriceItem:
    """The line says what was typed. Estimates and letters made before keep what they said.

    Raises:
        StalePriceError: when somebody else changed it meanwhile.
        ValidationError: when a value does not fit.
    """
    with recorded(by=by, now=now):
        price = PriceItem.objects.select_for_update(no_key=True, of=("self",)).get(pk=price_id)
        if seen_price(price) != expected:
            raise StalePriceError(price)
        price.kind, price.label, price.amount = data.kind, data.label, data.amount
        price.full_clean()
        price.save(update_fields=["kind", "label", "amount"])
        return price


def set_price_active(*, price_id: int, is_active: bool, by: User, now: datetime) -> PriceItem:
    """The line is on the list, or retired: it stays on record and is in no estimate any more."""
    with recorded(by=by, now=now):
        price = PriceItem.objects.select_for_update(no_key=True, of=("self",)).get(pk=price_id)
        price.is_active = is_active
        price.save(update_fields=["is_active"])
        return price


def move_price(*, price_id: int, up: bool, by: User, now: datetime) -> PriceItem:
    """The line stands one place further up, or down, among those on the list; at the end it stays where it is."""
    with recorded(by=by, now=now):
        location_id = PriceItem.objects.values_list("location_id", flat=True).get(pk=price_id)
        Location.objects.select_for_update(no_key=True).get(pk=location_id)
        rows = list(PriceItem.objects.filter(location_id=location_id))
        on_list = [row for row in rows if row.is_active]
        order = [*on_list, *(row for row in rows if not row.is_active)]
        price = next(row for row in rows if row.pk == price_id)
        if price in on_list:
            at = on_list.index(price)
            to = at - 1 if up else at + 1
            if 0 <= to < len(on_list):
                order[at], order[to] = order[to], order[at]
        for position, row in enumerate(order, 1):
            if row.position != position:
                row.position = position
                row.save(update_fields=["position"])
        return price
