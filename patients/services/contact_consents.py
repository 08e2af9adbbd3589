"""Consent to be contacted, by channel; kept apart from consent to treatment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from phonenumber_field.phonenumber import to_python

from clinic.models import User
from patients.models import Channel, ContactConsent, Patient

SCOPE = "Appointments and questionnaires"


def record_contact_consent(
    *,
    patient: Patient,
    channel: Channel,
    granted: bool,
    source: str,
    by: User | None,
    now: datetime,
    value: str = "",
    scope: str = SCOPE,
    note: str = "",
) -> ContactConsent:
    """What the patient said now counts for this channel; what was said before stays on record.

    Args:
        value: the number or address that it is about.
        source: how it was said, for example "Request page" or "On the phone".
        by: None when the patient said it without staff.
    """
    return ContactConsent.objects.create(
        patient=patient,
        channel=channel,
        granted=granted,
        value=value,
        scope=scope,
        source=source,
        note=note,
        at=now,
        by=by,
    )


def contact_consents_of(patient: Patient) -> dict[Channel, ContactConsent | None]:
    """The latest word for every channel; None where nothing was said, which is no consent. One query."""
    latest = ContactConsent.objects.filter(patient=patient).order_by("channel", "-at", "-id").distinct("channel")
    said = {Channel(row.channel): row for row in latest}
    return {channel: said.get(channel) for channel in Channel}


# --- what it is about -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChannelState:
    """What was said about one channel, newest first, and what stands in the registry for it now.

    Attributes:
        on_record: the numbers or addresses that the patient has now, as `record_contact_consent` takes them.
    """

    channel: Channel
    said: tuple[ContactConsent, ...]
    on_record: tuple[str, ...]

    @property
    def latest(self) -> ContactConsent | None:
        return self.said[0] if self.said else None

    @property
    def is_granted(self) -> bool:
        return self.latest is not None and self.latest.granted

    @property
    def is_about_another(self) -> bool:
        """True when the yes was given for a number or address that the patient does not have any more.

        A yes to text messages holds for the number that it was given for, not for the next one (clinical.md G, TCPA).
        """
        latest = self.latest
        if latest is None or not latest.granted or not latest.value:
            return False
        known = {same_value(self.channel, value) for value in self.on_record}
        return same_value(self.channel, latest.value) not in known

    @property
    def may_be_used(self) -> bool:
        """A yes that holds for what is on record now; nothing said is no."""
        return self.is_granted and not self.is_about_another


def same_value(channel: Channel, value: str) -> str:
    """Equal for two spellings of the same number or address."""
    return _e164(value) if channel in {Channel.PHONE, Channel.SMS} else " ".join(value.casefold().split())


def _e164(value: object) -> str:
    """+12125550123 for a number, however it is written; other words as they are."""
    number = to_python(value)
    return str(number.as_e164) if number and number.is_valid() else str(value).strip()


def on_record(patient: Patient, phones: Sequence[Mapping[str, Any]]) -> dict[Channel, tuple[str, ...]]:
    """Channel -> what the registry has for it, the first to be proposed; for text messages mobile numbers come first.

    Args:
        phones: rows with `number`, `kind` and `is_primary`, as the record's head has them.
    """
    ordered = sorted(phones, key=lambda phone: not phone["is_primary"])
    mobile_first = sorted(ordered, key=lambda phone: phone["kind"] != "mobile")
    line = ", ".join(filter(None, (patient.address, patient.city, f"{patient.region} {patient.postal_code}".strip())))
    return {
        Channel.PHONE: tuple(_e164(phone["number"]) for phone in ordered),
        Channel.SMS: tuple(_e164(phone["number"]) for phone in mobile_first),
        Channel.EMAIL: (patient.email,) if patient.email else (),
        Channel.LETTER: (line,) if patient.address else (),
    }


def contact_history(patient: Patient) -> list[ContactConsent]:
    """Everything that was said about all channels, newest first, with who wrote it down. One query."""
    return list(ContactConsent.objects.filter(patient=patient).select_related("by"))


def channel_states(
    said: Iterable[ContactConsent], known: Mapping[Channel, Sequence[str]]
) -> dict[Channel, ChannelState]:
    """All channels, in their order, from `contact_history` and `on_record`. No query."""
    by_channel: dict[str, list[ContactConsent]] = defaultdict(list)
    for row in said:
        by_channel[row.channel].append(row)
    return {
        channel: ChannelState(channel, tuple(by_channel[channel.value]), tuple(known.get(channel, ())))
        for channel in Channel
    }
