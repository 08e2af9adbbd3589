"""How many milligrams a day somebody takes, read from what was written, or nothing when that is not certain."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = r"\d+(?:\.\d+)?"
_WORDS = {
    "half a": "0.5",
    "one half": "0.5",
    "half": "0.5",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "a tablet": "1 tablet",
    "a capsule": "1 capsule",
}
_UNCERTAIN = re.compile(
    r"\b(as needed|as required|if needed|when needed|prn|sos|as directed|taper\w*|then|weekly|per week|a week|each week"
    r"|every week|times a week|every other|every second|alternate|every 2 days|every \d+ days|for \d+ days?"
    r"|months?|patch|drops?|spray|unknown|sometimes|occasional\w*|or)\b|\bx\s*\d|%|\bml\b|\?"
)
"""Where one of these stands, no daily dose can be read, and the page asks."""
_TABLET = r"(?:tablets?|tabs?|tbs?|pills?|capsules?|caps?|wafers?)"
_AMOUNT = re.compile(rf"(?:{_NUMBER}\s*(?:-|to)\s*)?(?P<mg>{_NUMBER})\s*mg\b(?!\s*(?:oral\s+)?{_TABLET}\b)")
_STRENGTH = re.compile(rf"(?P<mg>{_NUMBER})\s*mg\b")
_PIECES = re.compile(rf"(?:{_NUMBER}\s*(?:-|to)\s*)?(?P<count>{_NUMBER})\s*{_TABLET}\b")
_MANY_TIMES = re.compile(
    rf"\b(?P<times>{_NUMBER})\s*(?:x|times?)(?:\s*(?:/|a|per|each|every)?\s*(?:d|day|daily))?\b"
    r"|\b(?P<twice>twice|bid|b\.i\.d\.?|bd)\b|\b(?P<thrice>thrice|tid|t\.i\.d\.?|tds)\b|\b(?P<four>qid|q\.i\.d\.?)\b"
    r"|\b(?:every\s*|q\s*)(?P<hours>\d+)\s*(?:h|hr|hrs|hours?)\b"
)
_MOMENTS = re.compile(
    r"\b(?:mornings?|qam|am|noon|midday|lunch|afternoons?|evenings?|qpm|pm|nights?|nightly|bedtime|qhs|hs)\b"
)
_DAILY = re.compile(r"(?:/\s*|\b)(?:daily|day|d|qd|o\.d\.|od|24\s*h(?:ours?)?|once)\b")


def daily_mg(dose: str, *, written: str = "") -> Decimal | None:
    """Milligrams a day, or None where that cannot be read with certainty. Of a range the upper end counts.

    Args:
        dose: what was written about dose and times: "5 mg twice a day", "1 tablet at bedtime", "10 mg/day".
        written: the medicine's own name after the drug, for the strength of a tablet: "0.25 MG Oral Tablet".
    """
    says, strength_text = _tidy(dose), _tidy(written)
    if _UNCERTAIN.search(says) or _UNCERTAIN.search(strength_text):
        return None
    if not _times(says):
        says, strength_text = f"{strength_text} {says}".strip(), ""
    times = _times(says)
    if not times:
        return None
    amounts = [Decimal(found["mg"]) for found in _AMOUNT.finditer(says)]
    if pieces := [Decimal(found["count"]) for found in _PIECES.finditer(says)]:
        strength = _only_strength(strength_text) or _only_strength(says)
        amounts = [count * strength for count in pieces] if strength else []
    elif not amounts:
        strength = _only_strength(strength_text) or _only_strength(says)
        amounts = [strength] if strength else []
    return _together(amounts, times)


def _together(amounts: list[Decimal], times: list[Decimal]) -> Decimal | None:
    """One amount at each of the times, or an amount for each of them; anything else is not certain."""
    if len(amounts) == 1:
        return amounts[0] * sum(times, Decimal(0))
    if amounts and len(amounts) == len(times):
        return sum((amount * often for amount, often in zip(amounts, times, strict=True)), Decimal(0))
    return None


def _tidy(text: str) -> str:
    """Small letters, numbers as digits, micrograms as milligrams."""
    said = re.sub(r"\s+", " ", text.casefold().replace("½", " 0.5 ").replace("1/2", "0.5").replace("–", "-"))
    said = re.sub(r"(?<=\d),(?=\d)", "?", said)  # 0,5 or 1,000: nobody knows
    for word, number in _WORDS.items():
        said = re.sub(rf"\b{word}\b", number, said)
    return re.sub(
        rf"({_NUMBER})\s*(?:mcg|micrograms?|µg|μg|ug)\b", lambda found: f"{Decimal(found[1]) / 1000:f} mg", said
    ).strip()


def _only_strength(text: str) -> Decimal | None:
    """The strength of one tablet, when the text names just one."""
    found = {Decimal(match["mg"]) for match in _STRENGTH.finditer(text)}
    return found.pop() if len(found) == 1 else None


def _times(text: str) -> list[Decimal]:
    """How often a day: one number for each moment that is named; empty where nothing is said."""
    text = re.sub(rf"\b\d+\s*hr\b(?=\s*(?:{_NUMBER}|$|extended))", "", text)  # "24 HR" is how a tablet releases
    moments = _MOMENTS.findall(text)
    if many := [_often(found) for found in _MANY_TIMES.finditer(text)]:
        agree = len(many) == 1 and (not moments or len(moments) == many[0])
        return many if agree else []
    if moments:
        return [Decimal(1)] * len(moments)
    return [Decimal(1)] if _DAILY.search(text) else []


def _often(found: re.Match[str]) -> Decimal:
    if found["times"]:
        return Decimal(found["times"])
    if found["hours"]:
        hours = Decimal(found["hours"])
        return Decimal(24) / hours if hours else Decimal(0)
    return Decimal(2 if found["twice"] else 3 if found["thrice"] else 4)
