"""A freed time that is offered by message, and that it is gone: told only to those whom the offer reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import CharField, F, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat

from clinic.models import User
from clinic.pure.dates import say_moment
from courses.models import OfferState, SlotOffer
from courses.services.messages.said import ids_of, language_of
from patients.models import Message, MessageEvent
from patients.models.messages import GONE_OUT
from patients.services.messages.addressing import choose_for, zone_of
from patients.services.messages.kinds import Occasion
from patients.services.messages.planning import announce

ABOUT = "offer"


def announce_offer(offer: SlotOffer, *, by: User, now: datetime) -> list[Message]:
    """The patient can take the time behind the message's link; belongs into the transaction of the offer.

    Whoever agreed to neither text nor e-mail gets none: the desk has the telephone in hand.
    """
    if choose_for(offer.patient, offer.slot.location).is_call:
        return []
    return announce([_occasion(offer, MessageEvent.OFFER, now, ends_at=offer.expires_at)], now=now, by=by)


def announce_gone(offers: Iterable[SlotOffer], *, now: datetime) -> list[Message]:
    """Those who had a message with the offer are told that the time is gone; two queries, and those of the outbox.

    Args:
        offers: just closed because somebody else has the time; with their slot.
    """
    by_about = {f"{ABOUT}:{offer.pk}": offer for offer in offers}
    if not by_about:
        return []
    patients = {offer.patient_id for offer in by_about.values()}
    asked = Message.objects.filter(patient__in=patients, event=MessageEvent.OFFER, about__in=by_about)
    told = [by_about[about] for about in sorted(set(asked.values_list("about", flat=True)))]
    occasions = [_occasion(offer, MessageEvent.OFFER_GONE, now, ends_at=offer.slot.start) for offer in told]
    return announce(occasions, now=now) if occasions else []


def _occasion(offer: SlotOffer, event: MessageEvent, now: datetime, *, ends_at: datetime) -> Occasion:
    return Occasion(
        event=event,
        key=f"offer {offer.pk}",
        location_id=offer.slot.location_id,
        anchor=now,
        ends_at=ends_at,
        patient_id=offer.patient_id,
        about=f"{ABOUT}:{offer.pk}",
        facts={ABOUT: offer.pk},
    )


def offer_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """The offer is open and the time still there; one query."""
    offers = _read(messages)
    return {message.pk: said for message in messages if (said := _why_not(offers.get(message.pk), now))}


def _why_not(offer: SlotOffer | None, now: datetime) -> str:
    if offer is None:
        return "The offer is gone."
    if offer.state != OfferState.OPEN:
        return f"The offer is over: {offer.get_state_display().lower()}."
    if now >= offer.expires_at:
        return "The offer has expired."
    return f"The time is no longer offered: {offer.slot.closed_text}" if offer.slot.closed_at is not None else ""


def gone_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001
    """Somebody else has the time, and the offer had reached the patient; two queries."""
    offers = _read(messages)
    wanted = {message.about for message in messages}
    patients = {message.patient_id for message in messages}
    reached = Message.objects.filter(
        patient__in=patients, event=MessageEvent.OFFER, about__in=wanted, state__in=GONE_OUT
    )
    told = set(reached.values_list("about", flat=True))
    said = {}
    for message in messages:
        offer = offers.get(message.pk)
        if offer is None or offer.state != OfferState.GONE:
            said[message.pk] = "The offer ended in another way."
        elif offer.told_at is not None:
            said[message.pk] = "The patient has seen on the page that it is gone."
        elif message.about not in told:
            said[message.pk] = "The offer itself never went out."
    return said


def offer_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    """The time at the clinic, and until when the offer stands on the patient's clocks; one query."""
    return {message.pk: _values(message, offer) for message, offer in _pairs(messages)}


def gone_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    return {message.pk: {"when": _values(message, offer)["when"]} for message, offer in _pairs(messages)}


def _values(message: Message, offer: SlotOffer) -> dict[str, str]:
    language, place = language_of(message), offer.slot.location
    until = offer.expires_at.astimezone(zone_of(message.patient, place))
    return {"when": say_moment(place.local(offer.slot.start), language), "until": say_moment(until, language)}


def _pairs(messages: Sequence[Message]) -> list[tuple[Message, SlotOffer]]:
    offers = _read(messages)
    return [(message, offers[message.pk]) for message in messages if message.pk in offers]


def _read(messages: Sequence[Message]) -> dict[int, SlotOffer]:
    """Message id -> its offer, with slot and location."""
    ids = ids_of(messages, ABOUT)
    offers = SlotOffer.objects.select_related("slot__location").in_bulk(set(ids.values()))
    return {pk: offers[offer_id] for pk, offer_id in ids.items() if offer_id in offers}


def message_states(offer: str = "pk", patient: str = "patient") -> Subquery:
    """For the query that reads an offer: the state of the latest message that carried it; NULL where there is none."""
    about = Concat(Value(f"{ABOUT}:"), Cast(OuterRef(offer), CharField()))
    rows = Message.objects.filter(patient=OuterRef(patient), event=MessageEvent.OFFER).alias(wanted=about)
    return Subquery(rows.filter(about=F("wanted")).order_by("-pk").values("state")[:1])
