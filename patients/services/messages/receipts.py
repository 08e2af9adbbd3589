"""What becomes of a message after the provider took it: delivered, or not. Receipts come late, twice and in any order.

A receipt of failure about a message that arrived is an old one, and one about another attempt than ours says nothing
about this one. A receipt that it went out is also news of a message of which nobody knew whether the provider has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Q

from clinic.services.recorded import recorded
from patients.models import Channel, Message, MessageState, MessageStep, Patient
from patients.services.contact_consents import record_contact_consent
from patients.services.messages.incoming import same_number, stop

ERROR_MAX, ID_MAX = 300, 80
OPTED_OUT = "21610"
REASONS = {
    "30001": "The provider's queue was full.",
    "30002": "The account at the provider is suspended.",
    "30003": "The phone was off or out of reach.",
    "30004": "The phone blocks messages.",
    "30005": "The number does not exist or is not in use.",
    "30006": "The number cannot get text messages (a landline, perhaps).",
    "30007": "The phone company filtered the message as unwanted.",
    "30008": "The phone company gave no reason.",
    "30032": "The toll-free number that it was sent from is not verified.",
    "30034": "The number that it was sent from is not registered with the phone companies.",
    OPTED_OUT: "This number has answered STOP.",
}
"""Twilio's numbers (twilio.com/docs/api/errors), in words that staff can act on."""


class News(StrEnum):
    """What a receipt says, whoever sent it."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


OF_TWILIO = {"sent": News.SENT, "delivered": News.DELIVERED, "read": News.DELIVERED} | dict.fromkeys(
    ("undelivered", "failed", "canceled"), News.FAILED
)
"""Other words (accepted, queued, sending) say nothing that we did not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One receipt. ``provider_id``: the provider's number of the attempt; ``why``: of a failure, in words for staff."""

    news: News
    provider_id: str
    provider: str
    to: str = ""
    why: str = ""


# --- text messages ----------------------------------------------------------------------------------------------------
def note_sms(uid: UUID, *, provider_id: str, status: str, code: str, to: str, now: datetime) -> bool:
    """What Twilio says of the message stands in its history, and changes it where that is news.

    Returns:
        False for a message that we do not have.
    """
    number = same_number(to)
    with recorded(by=None, now=now):
        message = Message.objects.select_for_update(no_key=True).filter(uid=uid, channel=Channel.SMS).first()
        if message is None:
            return False
        if status in OF_TWILIO:
            why = REASONS.get(code, f"The phone company did not take it ({code})." if code else "It did not arrive.")
            notice = Notice(
                news=OF_TWILIO[status], provider_id=provider_id[:ID_MAX], provider="twilio", to=number, why=why
            )
            _take(message, notice, now=now)
        if code == OPTED_OUT and number == message.to:
            stop(number, now=now, note="The provider says that this number has answered STOP.")
    return True


# --- e-mail -----------------------------------------------------------------------------------------------------------
def note_mail(*, provider_id: str, provider: str, event: str, to: str, why: str, now: datetime) -> bool:
    """What a provider of e-mail says of one: delivered, bounced, marked as unwanted (which ends the consent too).

    Args:
        event: django-anymail's word for it.

    Returns:
        False for a message that we do not have; staff mail is not in the outbox.
    """
    news = {"sent": News.SENT, "delivered": News.DELIVERED}.get(event)
    if event in {"bounced", "rejected", "failed", "complained", "unsubscribed"}:
        news = News.FAILED
    if news is None or not provider_id:
        return False
    with recorded(by=None, now=now):
        found = Message.objects.select_for_update(no_key=True).filter(provider_id=provider_id[:ID_MAX])
        message = found.filter(channel=Channel.EMAIL).first()
        if message is None:
            return False
        if event == "unsubscribed":
            _step(message, "The reader asked for no more e-mail.", now=now)
        else:
            _take(message, Notice(news=news, provider_id=provider_id, provider=provider, to=to, why=why), now=now)
        if event in {"complained", "unsubscribed"}:
            _end_mail(message, to or message.to, event=event, now=now)
    return True


def _end_mail(message: Message, address: str, *, event: str, now: datetime) -> None:
    """Everybody with this address has agreed to e-mail no more."""
    said = "marked our message as unwanted" if event == "complained" else "asked for no more e-mail"
    mine = Q(email__iexact=address) | Q(pk=message.patient_id or 0)
    for patient in Patient.objects.filter(mine).order_by("pk"):
        record_contact_consent(
            patient=patient,
            channel=Channel.EMAIL,
            granted=False,
            source="E-mail provider",
            note=f"The reader {said}.",
            value=address,
            by=None,
            now=now,
        )


# --- both -------------------------------------------------------------------------------------------------------------
def _take(message: Message, notice: Notice, *, now: datetime) -> None:
    """The message has taken the step that the notice tells of, if it is one forward."""
    to = _next(message, notice)
    if to is None:
        return
    is_first = not message.provider_id
    message.state, message.state_at = to, now
    message.claim = message.claimed_at = None
    message.provider_id = message.provider_id or notice.provider_id
    message.provider = message.provider or notice.provider
    message.to = message.to or notice.to
    if to in {MessageState.SENT, MessageState.DELIVERED}:
        message.sent_at, message.error = message.sent_at or now, ""
    if to == MessageState.DELIVERED:
        message.delivered_at = message.delivered_at or now
    if to == MessageState.FAILED:
        message.error = notice.why[:ERROR_MAX]
    message.save(
        update_fields=[
            *("state", "state_at", "claim", "claimed_at", "provider_id", "provider", "to"),
            *("sent_at", "delivered_at", "error"),
        ]
    )
    said = {MessageState.SENT: "Sent.", MessageState.DELIVERED: "Delivered."}.get(to, f"Not delivered: {notice.why}")
    _step(message, f"{said} (The provider says so.)" if is_first else said, now=now)


def _next(message: Message, notice: Notice) -> MessageState | None:
    """The state that follows, or None where the notice is old, or about something else."""
    state = MessageState(message.state)
    if message.attempted_at is None and message.sent_at is None:
        return None  # we never asked: nothing that anybody says of it is about it
    is_ours = message.provider_id in {"", notice.provider_id}
    if notice.news is News.DELIVERED:
        return None if state in {MessageState.DELIVERED, MessageState.CALLED} else MessageState.DELIVERED
    if not is_ours:
        return None
    if notice.news is News.SENT:
        unknown = state is MessageState.FAILED and not message.provider_id
        return MessageState.SENT if unknown or state in _UNDECIDED else None
    fails_from = {*_UNDECIDED, MessageState.SENT}
    if message.channel == Channel.EMAIL:
        fails_from.add(MessageState.DELIVERED)  # a mail server took it, and sent it back afterwards
    return MessageState.FAILED if state in fails_from else None


_UNDECIDED = {MessageState.SENDING, MessageState.PLANNED}
"""Of a message that was tried: its worker still holds it, or was killed while it did."""


def _step(message: Message, text: str, *, now: datetime) -> None:
    MessageStep.objects.create(message=message, at=now, state=message.state, text=text[:ERROR_MAX])
