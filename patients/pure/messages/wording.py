"""What the words of a message may be: placeholders, length of a text message, what must stand in it and what must not.

Source: clinical.md G. "TCPA": name and contact of the clinic, at most 160 characters, a way to opt out. "PHI in
messages": no drug, diagnosis or score, no link with identifiers (``forbidden``); model text: "Maple Clinic: appointment
Wed 1/13 1:00 PM. Bring your driver. Questions 555-0100. Reply STOP to opt out."
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from clinic.pure.dates import longest_clock, longest_day, longest_moment
from patients.pure.messages.forbidden import telling_words

LONGEST_SMS = 160
"""Characters of a text message with everything filled in, in either encoding (clinical.md G, TCPA exemption)."""


# --- placeholders -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name in braces. ``says`` is for whoever writes the text."""

    name: str
    says: str

    @property
    def written(self) -> str:
        return f"{{{self.name}}}"


COMMON = (
    Placeholder("first_name", "First name"),
    Placeholder("clinic", "Name of the clinic"),
    Placeholder("phone", "Phone of the clinic"),
)
LINK = Placeholder("link", "Link")
OWN = (
    Placeholder("when", "Day and time"),
    Placeholder("day", "Day"),
    Placeholder("time", "Time"),
    Placeholder("old_when", "Day and time before"),
    Placeholder("where", "Address"),
    Placeholder("until", "Until when"),
    Placeholder("count", "How many visits"),
    Placeholder("last_day", "Day of the last visit"),
)
PLACEHOLDERS = {one.name: one for one in (*COMMON, LINK, *OWN)}

_HOLE = re.compile(r"\{([^{}]*)\}")


def placeholders_in(text: str) -> list[str]:
    """The names in braces, each once, in their order; also those that mean nothing."""
    return list(dict.fromkeys(_HOLE.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every name replaced. What a value contains is never read as a placeholder.

    The point of an abbreviation ends the sentence too: "at {time}." with "1:00 p.m." is "at 1:00 p.m."

    Raises:
        KeyError: a name has no value.
    """

    def value(hole: re.Match[str]) -> str:
        said = values[hole.group(1)]
        return said.removesuffix(".") if text[hole.end() : hole.end() + 1] == "." else said

    return _HOLE.sub(value, text)


# --- the length of a text message -------------------------------------------------------------------------------------
class Encoding(StrEnum):
    """How the network sends it: the alphabet of GSM 03.38 with 7 bits a sign, else UTF-16."""

    GSM = "GSM-7"
    UNICODE = "Unicode"


_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")
ONE_PART = {Encoding.GSM: 160, Encoding.UNICODE: 70}
EACH_PART = {Encoding.GSM: 153, Encoding.UNICODE: 67}
"""Units of a message that needs several parts: each carries a header (GSM 03.40)."""


@dataclass(frozen=True, slots=True)
class SmsLength:
    """``units`` are septets or UTF-16 units; ``odd`` the characters that made it Unicode, each once, in their order."""

    characters: int
    encoding: Encoding
    units: int
    parts: int
    odd: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return self.units <= LONGEST_SMS

    @property
    def over(self) -> int:
        return max(self.units - LONGEST_SMS, 0)


def sms_length(text: str) -> SmsLength:
    """How long the network finds ``text``. A character that takes two units is never split between two parts."""
    odd = tuple(dict.fromkeys(sign for sign in text if sign not in _GSM_BASIC and sign not in _GSM_TWICE))
    encoding = Encoding.UNICODE if odd else Encoding.GSM
    sizes = [(len(sign.encode("utf-16-le")) // 2 if odd else 1 + (sign in _GSM_TWICE)) for sign in text]
    units = sum(sizes)
    return SmsLength(len(text), encoding, units, _parts(sizes, units, encoding), odd)


def _parts(sizes: list[int], units: int, encoding: Encoding) -> int:
    if units <= ONE_PART[encoding]:
        return 1 if units else 0
    parts, room = 1, EACH_PART[encoding]
    for size in sizes:
        if size > room:
            parts, room = parts + 1, EACH_PART[encoding]
        room -= size
    return parts


# --- samples ----------------------------------------------------------------------------------------------------------
SAMPLE_NAME, LONGEST_NAME = "Ada", "Maximiliano Alejandro"
SAMPLE_TOKEN_CHARS = 24
FALLBACK_PHONE = "(212) 555-0100"
FALLBACK_ADDRESS = "120 Madison Avenue, Suite 1400, New York, NY 10016"


def longest_samples(language: str, *, clinic: str, phone: str, where: str, link: str) -> dict[str, str]:
    """A value for every placeholder that no real one is likely to exceed.

    Args:
        clinic: what the location is really called in such a message; the same for ``phone`` and ``where``.
        link: as long as a link really is.
    """
    return {
        "first_name": LONGEST_NAME,
        "clinic": clinic,
        "phone": phone or FALLBACK_PHONE,
        "link": link,
        "when": longest_moment(language),
        "day": longest_day(language),
        "time": longest_clock(language),
        "old_when": longest_moment(language),
        "where": where or FALLBACK_ADDRESS,
        "until": longest_moment(language),
        "count": "12",
        "last_day": longest_day(language),
    }


# --- what is wrong with a text ----------------------------------------------------------------------------------------
_ADDRESS = re.compile(r"https?:|www\.|\S+@\S+|\b[\w-]+\.(?:com|org|net|health|clinic|care|us|io)\b", re.IGNORECASE)
_LAST_WORDS = 60
_STOP = re.compile(r"\bSTOP\b")


def problems_of(text: str, *, allowed: Collection[str], must_name: Collection[str] = ("clinic",)) -> list[str]:
    """What is wrong with one text, as sentences that can stand at its field; empty when nothing is.

    Args:
        allowed: the placeholders that this kind of message has.
        must_name: those without which nobody knows who writes.
    """
    found = [
        f"“{{{name}}}” means nothing here. Use only: {', '.join('{' + one + '}' for one in allowed)}."
        for name in placeholders_in(text)
        if name not in allowed
    ]
    if re.search(r"[{}]", _HOLE.sub("", text)):
        found.append("A brace { or } stands alone. Placeholders look like {first_name}.")
    found += [
        f"Put {{{name}}} into it: the reader must see who writes."
        for name in must_name
        if name not in placeholders_in(text)
    ]
    found += [f"“{one.word}” must not stand in a message: {one.why}." for one in telling_words(text)]
    if address := _ADDRESS.search(text):
        found.append(f"“{address.group()}” is an address of its own. Only {{link}} may lead anywhere.")
    return found


def lacks_opt_out(sms: str) -> bool:
    """True unless the message ends by saying how to stop: the word STOP in its last words, after all placeholders."""
    return not _STOP.search(_HOLE.sub(" ", sms)[-_LAST_WORDS:]) or sms.rstrip().endswith("}")
