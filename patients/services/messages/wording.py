"""The words of messages at one location: its languages, what a text may say there, how long it gets, what is filled in.

What is true of words everywhere stands in ``patients.pure.messages.wording``.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from clinic.models import Location
from patients.models import Channel, MessageEvent
from patients.pure.messages import wording as pure
from patients.pure.messages.forbidden import Telling, telling_words, without_telling_words
from patients.pure.messages.wording import COMMON, LINK, PLACEHOLDERS, Placeholder
from patients.services.languages import speaking
from patients.services.messages.defaults import BY_KEY, OPT_OUT
from patients.services.messages.kinds import kind_of

CLINIC_SMS_CHARS = 18
"""A longer name of a location makes way for its short one in a text message."""
LINK_PATH = "/v/" + "x" * pure.SAMPLE_TOKEN_CHARS + "/"


def opt_out(language: str) -> str:
    """How one stops them, "Reply STOP to opt out.", in that language."""
    with speaking(language):
        return str(OPT_OUT)


# --- what the clinic is called ----------------------------------------------------------------------------------------
def clinic_name(location: Location, channel: Channel | str = Channel.EMAIL) -> str:
    """The location's name without words that must not go out; in a text message the short one where it is long.

    "Maple Ketamine Clinic" is "Maple Clinic" to a patient's locked phone.
    """
    name, short = without_telling_words(location.name), without_telling_words(location.short_name)
    if channel == Channel.SMS and len(name) > CLINIC_SMS_CHARS:
        name = short or name
    return name or short or "Your clinic"


def phone_of(location: Location) -> str:
    """The number as people of the country write it; empty when the location has none."""
    return str(location.phone.as_national) if location.phone else ""


def common_values(location: Location, *, first_name: str, channel: Channel | str) -> dict[str, str]:
    """The values that every message has, without {link}."""
    return {"first_name": first_name, "clinic": clinic_name(location, channel), "phone": phone_of(location)}


# --- placeholders and samples -----------------------------------------------------------------------------------------
def placeholders_of(event: str) -> tuple[Placeholder, ...]:
    """What a text of this event may contain; of an event that nobody registered only what every message has."""
    try:
        kind = kind_of(event)
    except KeyError:
        return _as_shipped(event)
    own = tuple(PLACEHOLDERS[name] for name in kind.placeholders)
    return (*COMMON, *((LINK,) if kind.purpose else ()), *own)


def _as_shipped(event: str) -> tuple[Placeholder, ...]:
    used: set[str] = set()
    for one in BY_KEY.values():
        if one.event == event:
            texts = (str(one.words.subject), one.words.email_text(), one.words.sms_text())
            used |= {name for text in texts for name in pure.placeholders_in(text)}
    common = [place.name for place in COMMON]
    return (*COMMON, *(place for name, place in PLACEHOLDERS.items() if name in used and name not in common))


def sample_link() -> str:
    """As long as a real link is, and opens nothing."""
    return _base() + LINK_PATH


def shown_link() -> str:
    """What stands for a link where people look at it."""
    return f"{_base()}/v/…"


def _base() -> str:
    base: str = getattr(settings, "CADENCE_BASE_URL", "") or "http://127.0.0.1:8000"
    return base.rstrip("/")


def longest_values(location: Location, language: str, channel: Channel | str = Channel.SMS) -> dict[str, str]:
    """A value for every placeholder that no real one is likely to exceed, at this location."""
    return pure.longest_samples(
        language,
        clinic=clinic_name(location, channel),
        phone=phone_of(location),
        where=location.address,
        link=sample_link(),
    )


# --- what is wrong ----------------------------------------------------------------------------------------------------
def sms_size(text: str, *, location: Location, language: str) -> pure.SmsLength:
    """How long the text message gets there at most; a placeholder that means nothing counts as it is written."""
    values = longest_values(location, language)
    unknown = {name: f"{{{name}}}" for name in pure.placeholders_in(text) if name not in values}
    return pure.sms_length(pure.fill(text, values | unknown))


def problems_of_texts(
    texts: Mapping[str, str], *, event: MessageEvent | str, location: Location, language: str
) -> dict[str, list[str]]:
    """Field -> what is wrong with it, as sentences for whoever writes; fields without a fault are left out.

    Args:
        texts: ``subject``, ``email_text`` and ``sms_text`` in ``language``.
    """
    allowed = [place.name for place in placeholders_of(event)]
    found = {
        "subject": pure.problems_of(texts["subject"], allowed=[n for n in allowed if n != "link"], must_name=()),
        "email_text": pure.problems_of(texts["email_text"], allowed=allowed),
        "sms_text": pure.problems_of(texts["sms_text"], allowed=allowed),
    }
    if pure.lacks_opt_out(texts["sms_text"]):
        found["sms_text"].append(f"End with how to stop: “{opt_out(language)}”")
    size = sms_size(texts["sms_text"], location=location, language=language)
    if not size.fits:
        found["sms_text"].append(
            f"With the longest values it is {size.units} characters; at most {pure.LONGEST_SMS} may go out. "
            f"Take {size.over} away."
        )
    return {name: said for name, said in found.items() if said}


def problems_of_outgoing(text: str) -> list[Telling]:
    """Words that must not leave the house, in a text with everything filled in; sending asks this last."""
    return telling_words(text)
