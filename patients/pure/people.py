"""One row of somebody's table, read as a person: what it says, and what is wrong with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import phonenumbers

from patients.pure.lookups import MONTHS
from patients.pure.names import normalise
from patients.pure.regions import COUNTRIES, LANGUAGES

SEXES = {
    **dict.fromkeys(("f", "female", "woman", "w"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
    **dict.fromkeys(("o", "x", "other", "nonbinary", "non binary", "nb", "intersex", "diverse"), "other"),
    **dict.fromkeys(("", "u", "unk", "unknown", "not recorded", "undisclosed", "na", "n a"), "unknown"),
}
PHONE_KINDS = {"mobile": "mobile", "home_phone": "home", "work_phone": "work"}
DATES = ("birth_date", "deceased_on")
CODES = {"language": LANGUAGES, "country": COUNTRIES}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
BROKEN = re.compile(r"[\udc80-\udcff]")
NUMERIC = re.compile(r"([0-9]{1,4})[-/. ]+([0-9]{1,2})[-/. ]+([0-9]{1,4})")
WORDY = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th)?[-/. ]*([a-z]{3,9})[-/., ]*([0-9]{4})"
    r"|([a-z]{3,9})[-/. ]*([0-9]{1,2})(?:st|nd|rd|th)?[-/., ]*([0-9]{4})"
)
COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
TIME_OF_DAY = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}.*$")
MONTH_FIRST, DAY_FIRST = "mdy", "dmy"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row, where, and what was written there."""

    target: str  # our name; empty when it is the row as a whole
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a source says it. ``said`` holds every value as text, to compare with what it said the last time."""

    external_id: str
    values: dict[str, str | date | None]  # fields of Patient
    phones: tuple[tuple[str, str], ...]  # kind, number in E.164
    said: dict[str, str]

    @property
    def born(self) -> date:
        born = self.values["birth_date"]
        assert isinstance(born, date)  # noqa: S101 (read_person gives no person without)
        return born


@dataclass(slots=True)
class Reader:
    """Reads rows with one way of writing dates and numbers, and collects what is wrong."""

    date_order: str = MONTH_FIRST
    region: str = "US"
    problems: list[Problem] = field(default_factory=list)

    def person(self, cells: Mapping[str, str]) -> Person | None:
        """The person that a row describes; None when something is wrong, which then stands in ``problems``.

        Args:
            cells: our names of columns -> what the row says there.
        """
        self.problems = []
        told = self._told(cells)
        values = {
            name: self._value(name, text)
            for name, text in told.items()
            if name not in PHONE_KINDS and name != "external_id"
        }
        numbers = {name: self.phone(name, told[name]) if told[name] else "" for name in PHONE_KINDS if name in told}
        if self.problems:
            return None
        kinds: dict[str, str] = {}
        for name, number in numbers.items():
            if number:
                kinds.setdefault(number, PHONE_KINDS[name])
        said = {name: value.isoformat() if isinstance(value, date) else value or "" for name, value in values.items()}
        phones = tuple((kind, number) for number, kind in kinds.items())
        return Person(told.get("external_id", ""), values, phones, said | numbers)

    def _told(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The cells as text, a full name parted; what must not be empty is refused."""
        told = {name: self.text(name, cell) for name, cell in cells.items()}
        if "full_name" in told:
            family, given = _parted(told.pop("full_name"))
            told = {"given_name": given, "family_name": family} | told
        broken = {problem.target for problem in self.problems}
        for name in ("given_name", "family_name", "birth_date"):
            if not told.get(name) and name not in broken:
                self.refuse(name, "", "is empty")
        return told

    def _value(self, name: str, text: str) -> str | date | None:
        if name in DATES:
            return self.day(name, text)
        if name == "sex":
            return self.sex(text)
        if not text:
            return ""
        if name in CODES:
            return self.code(name, text, CODES[name])
        return self.phone(name, text) if name == "emergency_phone" else text

    def refuse(self, target: str, value: str, reason: str) -> None:
        self.problems.append(Problem(target, printable(value), reason))

    def text(self, name: str, cell: str) -> str:
        """The cell on one line, composed letters, no blanks around; broken and control characters are refused."""
        if cell.isascii() and cell.isprintable():  # nearly every cell, so worth a shorter way
            return " ".join(cell.split())
        if BROKEN.search(cell):
            self.refuse(name, cell, "holds bytes that are no letters in this file's encoding; choose another encoding")
        elif CONTROL.search(cell):
            self.refuse(name, cell, "holds control characters (for example a zero byte); remove them")
        lines = [" ".join(line.split()) for line in unicodedata.normalize("NFC", cell).splitlines()]
        return ", ".join(line for line in lines if line)

    def day(self, name: str, text: str) -> date | None:
        if not text:
            return None
        try:
            return read_day(text, self.date_order)
        except ValueError as problem:
            self.refuse(name, text, str(problem))
            return None

    def sex(self, text: str) -> str:
        found = SEXES.get(normalise(text))
        if found is None:
            self.refuse("sex", text, "is none of female, male, other, unknown")
        return found or "unknown"

    def code(self, name: str, text: str, known: Mapping[str, str]) -> str:
        """The code of a language or country that is written as its code or in words."""
        words = text.casefold()
        found = next((code for code, label in known.items() if words in (code.casefold(), label.casefold())), "")
        if not found:
            self.refuse(name, text, f"is none that Cadence knows; write its code, for example {next(iter(known))}")
        return found

    def phone(self, name: str, text: str) -> str:
        number = read_phone(text, self.region)
        if not number:
            self.refuse(name, text, "is no telephone number that can be dialled; write it with area code")
        return number


def _parted(text: str) -> tuple[str, str]:
    """Family and given name of "Silva, Ana" or "Ana Silva"."""
    family, comma, given = text.partition(",")
    if comma:
        return family.strip(), given.strip()
    words = text.split()
    return "".join(words[-1:]), " ".join(words[:-1])


def printable(value: str) -> str:
    """``value`` as it can be stored and shown: at most 200 characters, broken ones replaced."""
    return CONTROL.sub("\ufffd", BROKEN.sub("\ufffd", value)).strip()[:200]


@lru_cache(maxsize=20_000)
def read_day(text: str, order: str) -> date:
    """The day that ``text`` writes: 1985-03-07, 7 Mar 1985, 19850307, or with slashes or dots in ``order``.

    Raises:
        ValueError: in words, when there is no such day or the year is not written in full.
    """
    plain = TIME_OF_DAY.sub("", text.strip()).casefold()
    if match := COMPACT.fullmatch(plain) or NUMERIC.fullmatch(plain):
        one, two, three = match.groups()
        year, month, number = _ordered(one, two, three, order)
    elif (match := WORDY.fullmatch(plain)) and (name := match[2] or match[4]) in MONTHS:
        year, month, number = match[3] or match[6], str(MONTHS[name]), match[1] or match[5]
    else:
        raise ValueError("is no date; write it as 1985-03-07")
    if len(year) != 4:  # noqa: PLR2004
        raise ValueError("has a year of two digits; write it in full, 1985-03-07")
    try:
        return date(int(year), int(month), int(number))
    except ValueError:
        raise ValueError("is a day that does not exist") from None


def _ordered(one: str, two: str, three: str, order: str) -> tuple[str, str, str]:
    """Year, month, day. A number above 12 is the day wherever it stands; a first number of four digits is the year."""
    if len(one) == 4:  # noqa: PLR2004
        return one, two, three
    first_is_day = (order == DAY_FIRST or int(one) > 12) and int(two) <= 12  # noqa: PLR2004 (months)
    return (three, two, one) if first_is_day else (three, one, two)


def told_order(values: Iterable[str]) -> str | None:
    """Which order dates with slashes or dots are written in, where the values tell: a number above 12 is a day.

    None when they do not tell, or contradict each other.
    """
    told = set()
    for value in values:
        match = NUMERIC.fullmatch(TIME_OF_DAY.sub("", value.strip()))
        if match and len(match[1]) < 4 and len(match[3]) == 4:  # noqa: PLR2004
            told |= {DAY_FIRST} if int(match[1]) > 12 else set()  # noqa: PLR2004
            told |= {MONTH_FIRST} if int(match[2]) > 12 else set()  # noqa: PLR2004
    return told.pop() if len(told) == 1 else None


@lru_cache(maxsize=5_000)
def read_phone(text: str, region: str) -> str:
    """The number in E.164, empty when none that can be dialled; without a country code it is one of ``region``."""
    international = re.sub(r"^\s*(00|011)(?=[1-9])", "+", text)
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number) or number.extension:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
