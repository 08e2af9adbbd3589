"""Days and clocks in the language of whoever reads them, short enough for a text message.

The words are those of CLDR (Babel), so that a new language needs none of ours. The clock is that of the United States
where CLDR knows it for the language ("1:00 PM", Spanish "1:00 p.m."). No character wider than a plain space is used:
one narrow space would turn a whole text message into Unicode, with 70 characters a part instead of 160.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_skeleton, format_time

COUNTRY = "US"
_PLAIN = str.maketrans("\u202f\u00a0\u2009", "   ")


def say_day(day: date, language: str) -> str:
    """Such as "Wed, Jan 13" / "mié, 13 ene"; of an instant the day on the clocks that it is given on."""
    local = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)  # noqa: DTZ001 (a date)
    return format_skeleton("MMMEd", local.replace(tzinfo=None), locale=_locale(language)).translate(_PLAIN)


def say_day_year(day: date, language: str) -> str:
    """Such as "Wed, Jan 13, 2027" / "mié, 13 ene 2027"."""
    local = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)  # noqa: DTZ001 (a date)
    return format_skeleton("yMMMEd", local.replace(tzinfo=None), locale=_locale(language)).translate(_PLAIN)


def say_clock(local: datetime | time, language: str) -> str:
    """Such as "1:00 PM" / "1:00 p.m.", as the clocks show that ``local`` is given on."""
    clock = local.time() if isinstance(local, datetime) else local
    return format_time(clock, "short", locale=_locale_of_clocks(language)).translate(_PLAIN)


def say_moment(local: datetime, language: str) -> str:
    """Such as "Wed, Jan 13, 1:00 PM" / "mié, 13 ene, 1:00 p.m.", on the clocks of ``local``."""
    return f"{say_day(local, language)}, {say_clock(local, language)}"


@cache
def longest_day(language: str) -> str:
    """The longest thing that `say_day` says in the year 2027."""
    days = (date(2027, 1, 1) + timedelta(days=number) for number in range(365))
    return max((say_day(day, language) for day in days), key=_size)


@cache
def longest_clock(language: str) -> str:
    clocks = (datetime(2027, 1, 1, hour, 30) for hour in range(24))  # noqa: DTZ001 (only its clock is said)
    return max((say_clock(clock, language) for clock in clocks), key=_size)


def longest_moment(language: str) -> str:
    return f"{longest_day(language)}, {longest_clock(language)}"


def _size(said: str) -> tuple[int, int]:
    """Of two of the same length the one with accents is larger: it may turn a text message into Unicode."""
    return len(said), len(said.encode())


@cache
def _locale(language: str) -> Locale:
    """Of a language that Babel does not know: English."""
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


@cache
def _locale_of_clocks(language: str) -> Locale:
    try:
        return Locale(_locale(language).language, COUNTRY)
    except UnknownLocaleError:
        return _locale(language)
