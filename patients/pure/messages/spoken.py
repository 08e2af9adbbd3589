"""The words of a message as somebody says them on the telephone: without the link and what only leads to it."""

from __future__ import annotations

import re

_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-ZÁÉÍÓÚÑ¿¡])")
_DIGIT = re.compile(r"\d")


def spoken(text: str, *, link: str) -> tuple[str, ...]:
    """The paragraphs of ``text`` that can be said.

    "Where: …" stays. "Please confirm it here: [link]" leads nowhere on the telephone and goes; "Take it until Wed,
    1:00 PM: [link]" holds a time and stays, as a sentence.

    Args:
        link: what stands in the place of the link.
    """
    said = (_without_link(paragraph, link) for paragraph in re.split(r"\n\s*\n", text))
    return tuple(one for one in said if one)


def _without_link(paragraph: str, link: str) -> str:
    if link not in paragraph:
        return paragraph.strip()
    before, _, after = (part.strip() for part in paragraph.partition(link))
    if before.endswith(":"):
        *sentences, lead = _SENTENCE_ENDS.split(before)
        before = " ".join([*sentences, f"{lead.removesuffix(':')}."] if _DIGIT.search(lead) else sentences)
    return " ".join(part for part in (before, _without_link(after.lstrip("."), link)) if part)
