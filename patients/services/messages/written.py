"""A message in staff's own words to one patient: what may be sent how, how it will read, when it goes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clinic.models import Location, User
from patients.models import Channel, Message, Patient
from patients.pure.messages import wording as pure
from patients.pure.messages.timing import out_of_quiet_hours
from patients.services.messages.addressing import WISHED, Address, choose
from patients.services.messages.planning import write
from patients.services.messages.rendering import KEPT_LINK
from patients.services.messages.wording import common_values, opt_out

OFFERED = (Channel.SMS, Channel.EMAIL, Channel.PHONE)
ENDS = ".!?…"
ALLOWED = tuple(place.name for place in pure.COMMON)
"""Placeholders of a message in staff's own words."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to write, before anything is filled in."""

    channel: Channel
    text: str
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The message as it would go out. ``size`` of a text message only.

    Attributes:
        problems: name of the field -> sentences; the message cannot be sent while there are any.
        waits: it would go out at night on the patient's clocks, so it waits until ``goes_out``.
    """

    location: Location
    address: Address
    subject: str
    text: str
    size: pure.SmsLength | None
    problems: dict[str, list[str]]
    goes_out: datetime
    waits: bool

    @property
    def is_sendable(self) -> bool:
        return not self.problems


def ways_to_reach(patient: Patient, location: Location) -> dict[Channel, Address]:
    """Channel -> how a message would reach the patient by it; one that is not agreed to leads to a call. One query."""
    wished = [
        Message(pk=number, patient=patient, location=location, facts={WISHED: channel.value})
        for number, channel in enumerate(OFFERED, start=1)
    ]
    found = choose(wished)
    return {channel: found[one.pk] for channel, one in zip(OFFERED, wished, strict=True)}


def show(draft: Draft, *, patient: Patient, location: Location, address: Address, now: datetime) -> Shown:
    """How the draft would go out, and what speaks against it. No query.

    Args:
        address: of the draft's channel, from ``ways_to_reach``.
    """
    text = framed(draft, language=address.language)
    values = common_values(location, first_name=patient.preferred_name or patient.given_name, channel=draft.channel)
    filled = _filled(text, values)
    size = pure.sms_length(filled) if draft.channel is Channel.SMS else None
    goes_out = out_of_quiet_hours(now, address.zone)
    return Shown(
        location=location,
        address=address,
        subject=_filled(draft.subject, values),
        text=filled,
        size=size,
        problems=_problems(draft, address, size),
        goes_out=goes_out,
        waits=goes_out > now,
    )


def framed(draft: Draft, *, language: str) -> str:
    """The words with who writes and how to stop them, where they do not say so themselves (clinical.md G, TCPA)."""
    words = draft.text.replace("\r\n", "\n").strip()
    if not words:
        return ""
    says_who = "clinic" in pure.placeholders_in(words)
    if draft.channel is Channel.SMS:
        words = words if says_who else f"{{clinic}}: {words}"
        if not pure.lacks_opt_out(words):
            return words
        return f"{words}{'' if words[-1] in ENDS else '.'} {opt_out(language)}"
    if draft.channel is Channel.EMAIL and not says_who:
        return f"{words}\n\n{{clinic}}\n{{phone}}"
    return words


def send_written(draft: Draft, shown: Shown, *, patient: Patient, key: str, by: User, now: datetime) -> Message:
    """The message is due; sent again with the same ``key`` it stays one.

    Args:
        shown: what ``show`` made of the draft, without problems.
    """
    return write(
        patient=patient,
        location=shown.location,
        text=framed(draft, language=shown.address.language),
        subject=draft.subject,
        channel=draft.channel.value,
        key=key,
        by=by,
        now=now,
    )


def _filled(text: str, values: dict[str, str]) -> str:
    known = {name: values.get(name, f"{{{name}}}") for name in pure.placeholders_in(text)}
    return pure.fill(text, known)


def _problems(draft: Draft, address: Address, size: pure.SmsLength | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if draft.channel is not Channel.PHONE and address.is_call:
        found["channel"] = [f"{address.why_not} Choose another way, or record what they say first."]
    if (
        text := pure.problems_of(draft.text, allowed=ALLOWED, must_name=())
        if draft.text.strip()
        else ["Write something."]
    ):
        found["text"] = text
    if KEPT_LINK in draft.text:
        found.setdefault("text", []).append(f"“{KEPT_LINK}” stands for a link, and a message of your own has none.")
    if draft.channel is Channel.EMAIL:
        subject = pure.problems_of(draft.subject, allowed=ALLOWED, must_name=())
        if subject or not draft.subject.strip():
            found["subject"] = subject or ["An e-mail needs a subject."]
    if size is not None and not size.fits:
        said = f"It is {size.units} characters with everything filled in; at most {pure.LONGEST_SMS} may go out. "
        found.setdefault("text", []).append(f"{said}Take {size.over} away.")
    return found
