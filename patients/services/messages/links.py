"""The one short address in a message: signed, for one purpose, with an end; nothing of it is stored.

A token is the purpose's letter, the message's number and an HMAC of the message's ``uid``, whose salt is the purpose.
It needs no row of its own, fits into a text message, and reading it changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from clinic.models import Booking, Location
from patients.models import Message, MessageStep, Patient, PatientStatus

SALT = "patients.message_link"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAC_DIGITS = 17
"""101 bits: nobody guesses one, and only letters and digits, so that no phone cuts the address short."""
LOCAL_ADDRESS = "http://127.0.0.1:8000"
STAYS_AFTER_VISIT = timedelta(days=7)
"""[D] So long after its visit a link still says that the visit is over, and whom to call."""


READ_WITH = ("location", "patient__resource", "patient__merged_into__resource", "booking__location")


class Purpose(StrEnum):
    """What a link opens; a token of one opens nothing else."""

    VISIT = "visit"
    QUESTIONNAIRE = "questionnaire"
    OFFER = "offer"
    SHEET = "sheet"
    COURSE = "course"


LETTERS = {
    Purpose.VISIT: "v",
    Purpose.QUESTIONNAIRE: "q",
    Purpose.OFFER: "o",
    Purpose.SHEET: "s",
    Purpose.COURSE: "c",
}
_BY_LETTER = {letter: purpose for purpose, letter in LETTERS.items()}
_SHAPE = re.compile(rf"([{''.join(LETTERS.values())}])([0-9a-z]{{1,12}})([0-9A-Za-z]{{{MAC_DIGITS}}})")
LASTS = {
    Purpose.VISIT: timedelta(days=14),
    Purpose.QUESTIONNAIRE: timedelta(days=14),
    Purpose.OFFER: timedelta(days=7),
    Purpose.SHEET: timedelta(days=14),
    Purpose.COURSE: timedelta(days=60),
}
"""[D] From when the message went out; that of a visit until ``STAYS_AFTER_VISIT`` after it, if that is later."""


class Refusal(StrEnum):
    """Why a link opens nothing. A forged one and one that never was are the same to whoever asks."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    GONE = "gone"  # what it was about is no longer this patient's, or there is nobody to ask any more


class LinkRefusedError(Exception):
    """The link opens nothing. ``message`` is None unless the token was a real one."""

    def __init__(self, why: Refusal, message: Message | None = None) -> None:
        self.why, self.message = why, message
        super().__init__(f"This link is {why}.")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a token stands for. ``booking`` is the visit that the message is about, if it is about one."""

    message: Message
    purpose: Purpose
    token: str
    patient: Patient
    booking: Booking | None
    expires_at: datetime

    @property
    def location(self) -> Location:
        """Whose page it is: where the visit is now, else where the message came from."""
        return self.booking.location if self.booking is not None else self.message.location

    @property
    def first_name(self) -> str:
        return self.patient.preferred_name or self.patient.given_name


def token(message: Message, purpose: Purpose | str) -> str:
    """The token of a saved message for one purpose; the same each time."""
    return f"{LETTERS[Purpose(purpose)]}{_to_36(message.pk)}{_mac(message.uid, Purpose(purpose))}"


def url(message: Message, purpose: Purpose | str) -> str:
    """The absolute address for what goes out."""
    base: str = getattr(settings, "CADENCE_BASE_URL", "") or LOCAL_ADDRESS
    return base.rstrip("/") + reverse("public:visit_link", args=[token(message, purpose)])


def purpose_of(token: str) -> Purpose:
    """What the token claims to be for; only ``read`` says whether that is true.

    Raises:
        LinkRefusedError: it has not the shape of a token.
    """
    return _BY_LETTER[_parts(token)[0]]


def read(token: str, *, purpose: Purpose, now: datetime) -> Opened:
    """What the token opens, in one query. Changes nothing: who previews a link does not open it.

    Raises:
        LinkRefusedError: forged, altered, for another purpose, expired, or what it is about is gone.
    """
    letter, number, mac = _parts(token)
    rows = Message.objects.select_related(*READ_WITH)
    message = rows.filter(pk=int(number, 36)).first()
    # Reckoned in either case: a token for a message that never was takes as long as a forged one.
    uid = message.uid if message is not None else UUID(int=0)
    is_ours = any(constant_time_compare(mac, _mac(uid, purpose, secret)) for secret in _secrets())
    if message is None or not is_ours or LETTERS[purpose] != letter:
        raise LinkRefusedError(Refusal.UNKNOWN)
    return _opened(message, purpose, token, now)


def expires_at(message: Message, purpose: Purpose) -> datetime:
    """The first instant at which the link opens nothing; it moves along with the visit."""
    went_out = message.sent_at or message.due_at
    until = went_out + LASTS[purpose]
    if message.booking is None or purpose not in (Purpose.VISIT, Purpose.SHEET):
        return until
    return max(until, message.booking.end + STAYS_AFTER_VISIT)


def note_opened(message: Message, *, now: datetime, said: str = "The link was used.") -> None:
    """Somebody pressed something behind the link; the first time is kept. Mail scanners press nothing.

    Args:
        said: what the message's history says, in the words of staff.
    """
    mark_opened(message, now=now)
    note(message, now=now, said=said)


def mark_opened(message: Message, *, now: datetime) -> None:
    """When the link was first used is kept."""
    Message.objects.filter(pk=message.pk, opened_at__isnull=True).update(opened_at=now)


def note(message: Message, *, now: datetime, said: str) -> None:
    """A line in the message's history."""
    state = Message.objects.filter(pk=message.pk).values_list("state", flat=True).get()
    MessageStep.objects.create(message=message, at=now, state=state, text=said[:300])


def start_told(message: Message) -> datetime | None:
    """The start of the visit as the message told it: from its facts, else from the occasion that its key names."""
    told = str(message.facts.get("start", "")) or message.key
    found = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?=Z|\+00:00|:00)", told)
    return datetime.fromisoformat(found[0]).replace(tzinfo=UTC) if found else None


# -- parts -------------------------------------------------------------------------------------------------------------


def _opened(message: Message, purpose: Purpose, token: str, now: datetime) -> Opened:
    until = expires_at(message, purpose)
    if now >= until:
        raise LinkRefusedError(Refusal.EXPIRED, message)
    patient = message.patient
    if patient is not None and patient.merged_into is not None:
        patient = patient.merged_into
    if patient is None or patient.status == PatientStatus.DECEASED:
        raise LinkRefusedError(Refusal.GONE, message)
    booking = message.booking
    if booking is not None and booking.subject_id not in {patient.resource_id, message.patient.resource_id}:  # type: ignore[union-attr]
        raise LinkRefusedError(Refusal.GONE, message)
    if booking is None and purpose is Purpose.VISIT:
        raise LinkRefusedError(Refusal.GONE, message)
    return Opened(message, purpose, token, patient, booking, until)


def _parts(token: str) -> tuple[str, str, str]:
    found = _SHAPE.fullmatch(token)
    if found is None:
        raise LinkRefusedError(Refusal.UNKNOWN)
    letter, number, mac = found.groups()
    return letter, number, mac


def _secrets() -> list[str | bytes]:
    """The key that signs, then those that were used before it and still open what was sent."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _mac(uid: UUID, purpose: Purpose, secret: str | bytes | None = None) -> str:
    mac = salted_hmac(f"{SALT}.{purpose.value}", uid.bytes, secret=secret, algorithm="sha256").digest()
    number, digits = int.from_bytes(mac, "big"), []
    for _ in range(MAC_DIGITS):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(digits)


def _to_36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = f"{'0123456789abcdefghijklmnopqrstuvwxyz'[digit]}{digits}"
        if not number:
            return digits
