"""The words of one message as they go out, and as they are kept: the same, with "[link]" in place of the address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.html import format_html, linebreaks, urlize
from django.utils.safestring import mark_safe

from patients.models import Channel, Message, MessageText
from patients.pure.messages.wording import fill, placeholders_in
from patients.services.messages import links
from patients.services.messages.kinds import kind_of
from patients.services.messages.wording import common_values, problems_of_outgoing

if TYPE_CHECKING:
    from patients.services.messages.addressing import Address

LINK = "link"
KEPT_LINK = "[link]"
"""What the stored text has where the link was."""
SUBJECT_MAX = 200  # Message.subject


class NoTextError(Exception):
    """The message cannot be written: no text for it, or the text asks for something that is not known."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes out, and ``kept``: the same text without the secret of the link."""

    subject: str
    text: str
    html: str
    kept: str


def render(message: Message, values: Mapping[str, str], address: Address) -> Rendered:
    """The message in the language and for the channel of its address; a call has the words of an e-mail.

    No query when rule, its texts, location and patient are read.

    Args:
        values: of the kind's own placeholders (``Kind.fill_in``).

    Raises:
        NoTextError: says what is missing, in words for staff.
    """
    subject, text = _words(message, address)
    known = {**values, **_common(message, address)}
    kept = _filled(text, {**known, LINK: KEPT_LINK})
    link = _link(message) if LINK in placeholders_in(text) and not address.is_call else KEPT_LINK
    sent = _filled(text, {**known, LINK: link})
    said = " ".join(_filled(subject, {**known, LINK: ""}).split())[:SUBJECT_MAX]
    for telling in problems_of_outgoing(f"{said}\n{kept}"):
        raise NoTextError(f"“{telling.word}” must not stand in a message: {telling.why}.")
    is_mail = address.channel is Channel.EMAIL
    return Rendered(
        subject=said,
        text=sent,
        html=_html(sent, message.language or address.language) if is_mail else "",
        kept=kept,
    )


def language_of(message: Message, wished: str) -> str:
    """In which language the message is: the wished one if its rule has words in it, so that days and words agree."""
    found = text_in(message.rule.texts.all(), wished) if message.rule is not None else None
    return found.language if found is not None else wished


def _common(message: Message, address: Address) -> dict[str, str]:
    one = message.patient or message.request
    name = (message.patient.preferred_name if message.patient else "") or (one.given_name if one else "")
    return common_values(message.location, first_name=name, channel=address.channel)


def _words(message: Message, address: Address) -> tuple[str, str]:
    if message.rule is None:
        return message.subject, message.text.replace(KEPT_LINK, f"{{{LINK}}}")
    found = text_in(message.rule.texts.all(), address.language)
    if found is None:
        raise NoTextError(f"“{message.rule.title}” has no text in any language.")
    return found.subject, found.sms_text if address.channel is Channel.SMS else found.email_text


def text_in(texts: Iterable[MessageText], language: str) -> MessageText | None:
    """The text in that language, else in its main one ("es" for "es-MX"), else in English, else in any."""
    by_language = {text.language: text for text in texts}
    for code in (language, language.partition("-")[0], "en"):
        if code in by_language:
            return by_language[code]
    return next(iter(by_language.values()), None)


def _filled(text: str, values: Mapping[str, str]) -> str:
    try:
        return fill(text, values)
    except KeyError as missing:
        raise NoTextError(f"The text asks for {{{missing.args[0]}}}, which this message does not have.") from None


def _link(message: Message) -> str:
    try:
        purpose = kind_of(message.event).purpose
    except KeyError:
        purpose = ""
    if not purpose:
        raise NoTextError("The text asks for {link}, and this kind of message has none.")
    return links.url(message, purpose)


def _html(text: str, language: str) -> str:
    """The text as a page for mail programs: paragraphs, addresses that can be pressed, nothing else."""
    body = linebreaks(urlize(text, nofollow=False, autoescape=True))
    return format_html('<!doctype html><html lang="{}"><body>{}</body></html>', language, mark_safe(body))  # noqa: S308 (escaped by urlize)
