"""Languages, countries and time zones to choose from."""

from __future__ import annotations

from importlib.resources import files
from zoneinfo import available_timezones

LANGUAGES = {
    "en": "English",
    "ar": "Arabic",
    "bn": "Bengali",
    "zh": "Chinese",
    "nl": "Dutch",
    "fa": "Farsi",
    "fr": "French",
    "de": "German",
    "el": "Greek",
    "ht": "Haitian Creole",
    "he": "Hebrew",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pl": "Polish",
    "pt": "Portuguese",
    "pa": "Punjabi",
    "ru": "Russian",
    "so": "Somali",
    "es": "Spanish",
    "sv": "Swedish",
    "tl": "Tagalog",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
}
"""ISO 639-1 code -> name; English first, the rest by name."""


def countries() -> dict[str, str]:
    """ISO 3166-1 alpha-2 code -> English name, by name.

    Source: iso3166.tab of the IANA time zone database, as the `tzdata` package ships it.
    """
    text = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return dict(sorted(((code, name) for code, name in rows), key=lambda row: row[1]))


def time_zones() -> list[str]:
    """The zones that places are in ("America/New_York"), without the shorthands and offsets."""
    other = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/")
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(other))


COUNTRIES = countries()
