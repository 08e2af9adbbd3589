"""The languages that patients are spoken to in: English, and each one that has a catalog.

A catalog is ``locale/<code>/LC_MESSAGES/django.po`` of this package; putting one there adds the language everywhere.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from babel import Locale

LOCALE = Path(__file__).resolve().parents[1] / "locale"
ENGLISH = "en"


@cache
def languages() -> dict[str, str]:
    """Code -> name in English, English first."""
    return {code: str(_locale(code).get_display_name(ENGLISH)) for code in (ENGLISH, *_found())}


@cache
def own_names() -> dict[str, str]:
    """Code -> name as those say it who speak it: "English", "Español"."""
    names = {code: str(_locale(code).get_display_name(code.replace("-", "_"))) for code in languages()}
    return {code: name[:1].upper() + name[1:] for code, name in names.items()}


def known(code: str) -> str:
    """The language in which somebody is spoken to who speaks ``code``: "es" for "es-MX", English where we lack it."""
    wanted = code.strip().lower().replace("_", "-")
    return next((one for one in (wanted, wanted.partition("-")[0]) if one in languages()), ENGLISH)


def _locale(code: str) -> Locale:
    return Locale.parse(code, sep="-")


def _found() -> list[str]:
    codes = {path.parents[1].name.lower().replace("_", "-") for path in LOCALE.glob("*/LC_MESSAGES/django.po")}
    return sorted(codes - {ENGLISH})
