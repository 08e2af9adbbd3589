"""What somebody who types into the search field may mean: names, a birth date in any usual spelling, a number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from patients.pure.names import GRAM, digits, tokens

MAX_CHARS = 80
MAX_READINGS = 6
OLDEST_YEARS = 130
MONTHS = {
    name[:length]: number
    for number, name in enumerate(
        (
            *("january", "february", "march", "april", "may", "june"),
            *("july", "august", "september", "october", "november", "december"),
        ),
        start=1,
    )
    for length in range(3, len(name) + 1)
}
_MONTH = r"(?P<name>[a-z]{3,9})\.?"
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[0-9]{4})"
_GAP = r"[\s,./-]*"
WHOLE_DATES = (
    r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})",
    r"(?P<one>[0-9]{1,2})\s*(?P<gap>[-/.\s])\s*(?P<two>[0-9]{1,2})\s*(?P=gap)\s*(?P<year>[0-9]{4}|[0-9]{2})",
    rf"{_DAY}{_GAP}{_MONTH}{_GAP}{_YEAR}",
    rf"{_MONTH}{_GAP}{_DAY}{_GAP}{_YEAR}",
    rf"{_YEAR}{_GAP}{_MONTH}{_GAP}{_DAY}",
    r"(?P<compact>[0-9]{8})",
)
PARTS_OF_DATES = (rf"{_MONTH}{_GAP}{_YEAR}", _YEAR)


def _compiled(spellings: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"(?<![\w+]){spelling}(?!\w)") for spelling in spellings)


WHOLE_SPELLINGS = _compiled(WHOLE_DATES)
PART_SPELLINGS = _compiled(PARTS_OF_DATES)
NUMBER_RUN = re.compile(r"(?<!\w)[+#]?\(?[0-9][0-9\s()./+-]*(?!\w)")
TRUNK_ZERO = re.compile(r"\(0\)")


@dataclass(frozen=True, slots=True)
class Days:
    """From ``first`` to ``last``, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that the typed text may mean. All of it must hold; of ``born`` one is enough."""

    words: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    born: tuple[Days, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words or self.numbers or self.born)


def readings(text: str, *, today: date) -> tuple[Reading, ...]:
    """What ``text`` may mean, the likeliest first; empty when it holds no letter and no digit.

    No birth date lies after ``today``, and years of two digits are the last two such years before it.
    """
    plain = unicodedata.normalize("NFKC", text)[:MAX_CHARS].casefold()
    found: list[Reading] = []
    for match in _dates(plain):
        if born := _days(match.groupdict(), today):
            rest = f"{plain[: match.start()]} {plain[match.end() :]}"
            found += [Reading(words, numbers, born) for words, numbers in _words_and_numbers(rest)]
    found += [Reading(words, numbers) for words, numbers in _words_and_numbers(plain)]
    return tuple(dict.fromkeys(reading for reading in found if reading))[:MAX_READINGS]


def _dates(plain: str) -> list[re.Match[str]]:
    """Where a date may stand: one whole date (even an impossible one, 31/2/1985 means no year), else month or year."""
    whole = next((match for spelling in WHOLE_SPELLINGS if (match := spelling.search(plain))), None)
    if whole:
        return [whole]
    return [match for spelling in PART_SPELLINGS if (match := spelling.search(plain))]


def _days(part: dict[str, str | None], today: date) -> tuple[Days, ...]:
    """The days that one spelling may mean; none when there is no such day or nobody alive can be born on it."""
    if compact := part.get("compact"):
        spelt = [
            (compact[:4], compact[4:6], compact[6:]),
            *((compact[4:], *pair) for pair in _both(compact[:2], compact[2:4])),
        ]
        return _existing(spelt, today)
    year = part["year"] or ""
    if part.get("one"):
        return _existing([(year, *pair) for pair in _both(part["one"] or "", part["two"] or "")], today)
    if part.get("month"):
        return _existing([(year, part["month"] or "", part["day"] or "")], today)
    if name := part.get("name"):
        month = MONTHS.get(name)
        if month is None:
            return ()
        return (
            _existing([(year, str(month), part["day"] or "")], today)
            if part.get("day")
            else _span(int(year), month, today)
        )
    return _span(int(year), None, today)


def _both(one: str, two: str) -> list[tuple[str, str]]:
    """Month and day in both orders: 3/7 is 7 March here and 3 July there."""
    return [(one, two), (two, one)] if one != two else [(one, two)]


def _existing(spelt: list[tuple[str, str, str]], today: date) -> tuple[Days, ...]:
    found = []
    for year, month, day in spelt:
        for full in _years(year, today):
            try:
                born = date(full, int(month), int(day))
            except ValueError:
                continue
            if _plausible(born.year, today) and born <= today:
                found.append(Days(born, born))
    return tuple(dict.fromkeys(found))


def _years(year: str, today: date) -> list[int]:
    if len(year) == 4:  # noqa: PLR2004 (written in full)
        return [int(year)]
    latest = today.year - (today.year - int(year)) % 100
    return [latest, latest - 100]


def _span(year: int, month: int | None, today: date) -> tuple[Days, ...]:
    if not _plausible(year, today):
        return ()
    first = date(year, month or 1, 1)
    after = date(year + 1, 1, 1) if month in (None, 12) else date(year, (month or 0) + 1, 1)
    return (Days(first, after - timedelta(days=1)),)


def _plausible(year: int, today: date) -> bool:
    return today.year - OLDEST_YEARS <= year <= today.year


def _words_and_numbers(text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Ways to take apart what is left besides a date: groups of digits may be one number or several."""
    runs = [match.group() for match in NUMBER_RUN.finditer(text)]
    words = tuple(dict.fromkeys(tokens(NUMBER_RUN.sub(" ", text))))
    if runs and words and words[0] == "mrn":
        words = words[1:]
    joined = tuple(digits(TRUNK_ZERO.sub("", run)) for run in runs)
    yield words, joined
    shortened = tuple(number.lstrip("0") if len(number) > GRAM else number for number in joined)
    if shortened != joined and all(shortened):
        yield words, shortened  # 020 7946 0958 is kept as +44 20 7946 0958, 0044 … too
    pieces = tuple(dict.fromkeys(digits(piece) for run in runs for piece in run.split()))
    if len(pieces) > len(joined) and all(len(piece) >= GRAM for piece in pieces):
        yield words, pieces


def proposed_name(text: str) -> tuple[str, str]:
    """Given and family name of somebody whom the search did not find, to start a new record with.

    "ana silva" -> ("Ana", "Silva"), "Silva, Ana" -> ("Ana", "Silva"), "silva 1985" -> ("", "Silva").
    """
    for spelling in WHOLE_SPELLINGS:
        match = spelling.search(text.casefold()) if len(text.casefold()) == len(text) else None
        if match:
            text = f"{text[: match.start()]} {text[match.end() :]}"
    family, comma, given = text.partition(",")
    words = [re.sub(r"[^\w'’-]|[0-9_]", "", word) for word in (f"{given} {family}" if comma else text).split()]
    names = [word if word != word.lower() else word.title() for word in words if any(map(str.isalpha, word))]
    return " ".join(names[:-1]), "".join(names[-1:])
