"""To whom, by which channel and in which language a message goes: what a person agreed to, and what they prefer.

A yes holds for the number or address that it was given for (clinical.md G, TCPA): one that is no longer on record is
not used. Whoever cannot be texted or written to is called by a person, and never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from patients.adapters.providers import can_send
from patients.models import Channel, ContactConsent, Message, Patient, Phone
from patients.services.contact_consents import on_record, same_value

if TYPE_CHECKING:
    from clinic.models import Location
    from patients.models import ConsultationRequest

AUTOMATIC = (Channel.SMS, Channel.EMAIL)
"""Channels that need no person, in the order in which they are tried where a rule says nothing."""
WISHED = "channel"
"""The name under which ``Message.facts`` keeps a channel that somebody chose for this one message."""
NO_CONSENT = "No consent to text or e-mail."
PREFERS_CALLS = "Prefers to be called."
NAMES = {Channel.SMS: "Text messages", Channel.EMAIL: "E-mail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a message goes. ``channel`` "phone": a person calls ``to``, which may be empty, because of ``why_not``."""

    channel: Channel
    to: str
    language: str
    zone: ZoneInfo
    why_not: str = ""

    @property
    def is_call(self) -> bool:
        return self.channel is Channel.PHONE


@dataclass(frozen=True, slots=True)
class Contacts:
    """What is known about reaching one person: ``said`` has the latest word on each channel."""

    said: dict[Channel, ContactConsent] = field(default_factory=dict)
    phones: list[Phone] = field(default_factory=list)


def choose(messages: Sequence[Message]) -> dict[int, Address]:
    """Message id -> its address; one query where ``patient``, ``request``, ``rule``, ``location`` have been read.

    Preferred channel first where the rule has it, then the rule's channels in their order; the first that the person
    agreed to, for a number or address on record, and that this installation can send by. "phone" among them, or
    nothing left: a person calls.
    """
    known = contacts_of({message.patient_id for message in messages if message.patient_id is not None})
    can = _channels()
    return {message.pk: _address(message, known, can) for message in messages}


def choose_for(patient: Patient, location: Location, channels: Sequence[str] = AUTOMATIC) -> Address:
    """How a message would reach the patient; one query."""
    return _for_patient(patient, location, channels, contacts_of([patient.pk])[patient.pk], _channels())


def contacts_of(patient_ids: Iterable[int]) -> dict[int, Contacts]:
    """What is known of each; one query however many there are."""
    consents = ContactConsent.objects.filter(patient=OuterRef("pk")).order_by("channel", "-at", "-id")
    said = consents.distinct("channel").values(json=JSONObject(channel="channel", granted="granted", value="value"))
    phones = Phone.objects.filter(patient=OuterRef("pk")).order_by("-is_primary", "id")
    numbers = phones.values(json=JSONObject(number="number", kind="kind", is_primary="is_primary"))
    rows = Patient.objects.filter(pk__in=list(patient_ids)).order_by("pk")
    known: dict[int, Contacts] = defaultdict(Contacts)
    for pk, words, lines in rows.values_list("pk", ArraySubquery(said), ArraySubquery(numbers)):
        known[pk] = Contacts(
            said={Channel(one["channel"]): ContactConsent(patient_id=pk, **one) for one in words},
            phones=[Phone(patient_id=pk, **one) for one in lines],
        )
    return known


def zone_of(patient: Patient | None, location: Location) -> ZoneInfo:
    """The patient's own time zone, else that of the location."""
    return ZoneInfo(patient.time_zone) if patient is not None and patient.time_zone else location.tz


def _channels() -> frozenset[Channel]:
    """Those for which a provider is set up; asked once for many messages."""
    return frozenset(channel for channel in AUTOMATIC if can_send(channel))


def _address(message: Message, known: dict[int, Contacts], can: frozenset[Channel]) -> Address:
    wished = message.facts.get(WISHED)
    channels = [wished] if wished else (message.rule.channels if message.rule else AUTOMATIC)
    if message.patient is not None:
        return _for_patient(message.patient, message.location, channels, known[message.patient.pk], can)
    if message.request is None:
        raise ValueError("a message has a patient or a request")
    return _for_request(message.request, message.location, channels, can)


def _for_patient(
    patient: Patient, location: Location, channels: Sequence[str], contacts: Contacts, can: frozenset[Channel]
) -> Address:
    phones = [{"number": one.number, "kind": one.kind, "is_primary": one.is_primary} for one in contacts.phones]
    recorded = on_record(patient, phones)
    language, zone = patient.language or "en", zone_of(patient, location)
    call = next(iter(recorded[Channel.PHONE]), "")
    ordered = sorted(channels, key=lambda channel: channel != patient.preferred_channel)
    outdated = ""
    for channel in map(Channel, ordered):
        if channel is Channel.PHONE:
            return Address(channel=channel, to=call, language=language, zone=zone, why_not=PREFERS_CALLS)
        if channel not in AUTOMATIC:
            continue
        to, why_not = _agreed(channel, contacts.said.get(channel), recorded[channel])
        if to and channel not in can:
            to, why_not = "", _no_provider(channel)
        if to:
            return Address(channel=channel, to=to, language=language, zone=zone)
        outdated = outdated or why_not
    return Address(channel=Channel.PHONE, to=call, language=language, zone=zone, why_not=outdated or NO_CONSENT)


def _agreed(channel: Channel, said: ContactConsent | None, recorded: Sequence[str]) -> tuple[str, str]:
    """The number or address that may be used, or why the yes that was said does not help."""
    if said is None or not said.granted:
        return "", ""
    name = NAMES[channel]
    if not recorded:
        return "", f"{name}: agreed, but no {'number' if channel is Channel.SMS else 'address'} is on record."
    if not said.value:
        return recorded[0], ""
    mine = [value for value in recorded if same_value(channel, value) == same_value(channel, said.value)]
    if mine:
        return mine[0], ""
    return "", f"{name}: agreed for {said.value}, which is no longer on record."


def _no_provider(channel: Channel) -> str:
    return f"{NAMES[channel]}: agreed, but no provider is set up to send it."


def _for_request(
    request: ConsultationRequest, location: Location, channels: Sequence[str], can: frozenset[Channel]
) -> Address:
    phone = str(request.phone.as_e164) if request.phone else ""
    usable = {
        Channel.SMS: phone if request.may_sms else "",
        Channel.EMAIL: request.email if request.may_email else "",
    }
    why_not = ""
    for channel in map(Channel, channels):
        to = usable.get(channel, "")
        if to and channel in can:
            return Address(channel=channel, to=to, language=request.language, zone=location.tz)
        why_not = why_not or (_no_provider(channel) if to else "")
    return Address(
        channel=Channel.PHONE, to=phone, language=request.language, zone=location.tz, why_not=why_not or NO_CONSENT
    )
