"""What an instrument is, and what comes out when one is scored. Facts only; no instrument stands here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

Answers = Mapping[int, int | None]
"""Item number -> the value of the option chosen; None, or not there: not answered."""


class AnswerError(ValueError):
    """An answer that the instrument does not know: no such item, or no such option."""


class Rater(StrEnum):
    """Who answers."""

    PATIENT = "patient"
    CLINICIAN = "clinician"


class Entry(StrEnum):
    """How a measure may be entered."""

    ITEMS = "items"  # item by item; a total is accepted from older papers
    TOTAL = "total"  # the total of a form that Cadence may not show


class Direction(StrEnum):
    """What a higher score says."""

    WORSE = "worse"
    BETTER = "better"


class Group(StrEnum):
    """Where a measure stands in a list."""

    MOOD = "Mood"
    SAFETY = "Safety"
    ANXIETY = "Anxiety and trauma"
    SUBSTANCES = "Alcohol and drugs"
    INFUSION = "During an infusion"
    BODY = "Bladder and pain"
    COGNITION = "Memory and thinking"
    OVERALL = "Overall"


class Flag(StrEnum):
    """What a clinician must know whatever the score. The first four are danger signals."""

    PHQ9_ITEM9 = "phq9_item9"
    SUICIDE_ITEM = "suicide_item"
    CSSRS_MODERATE = "cssrs_moderate"
    CSSRS_HIGH = "cssrs_high"
    ASK_CSSRS = "ask_cssrs"  # the suicide screen is the next step
    DANGER_ITEM_UNANSWERED = "danger_item_unanswered"


DANGER_FLAGS = (Flag.CSSRS_HIGH, Flag.CSSRS_MODERATE, Flag.PHQ9_ITEM9, Flag.SUICIDE_ITEM)


@dataclass(frozen=True, slots=True)
class Option:
    value: int
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One question. ``text`` is the wording where the licence allows it, else a neutral label ("Item 1")."""

    number: int
    text: str
    options: tuple[Option, ...]
    is_scored: bool = True
    only_after_yes_to: int | None = None  # asked only when that item was answered with more than 0

    @property
    def values(self) -> frozenset[int]:
        return frozenset(option.value for option in self.options)

    @property
    def highest(self) -> int:
        return max(self.values)

    def label_of(self, value: int) -> str:
        return next(option.label for option in self.options if option.value == value)


@dataclass(frozen=True, slots=True)
class Band:
    """A published span of scores with its name; both ends belong to it."""

    low: int
    high: int
    name: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A published score from which (or below which) something holds.

    ``is_confirmed`` is False where clinical.md marks the number as general knowledge ([GK]): pages say so.
    """

    value: int
    words: str
    is_below: bool = False  # True: holds for scores below the value
    is_confirmed: bool = True

    def holds(self, score: Decimal) -> bool:
        return score < self.value if self.is_below else score >= self.value


class Way(StrEnum):
    """Which change a threshold is about."""

    EITHER = "either"
    RISE = "rise"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Change:
    """How many points between two scores matter, by one published (or the clinic's) rule."""

    key: str
    points: int
    words: str
    way: Way = Way.EITHER
    is_clinic_setting: bool = False  # [D]


@dataclass(frozen=True, slots=True)
class About:
    """What some rules must know about the person."""

    sex: str = ""  # "female", "male", anything else: not known
    finished_high_school: bool | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """What the rules make of the answers.

    ``score`` is None where the rules give none; ``problem`` then says why, in a sentence. ``detail`` can be kept as
    JSON. ``missing`` are the scored items without an answer.
    """

    score: Decimal | None
    band: str = ""
    is_prorated: bool = False
    flags: tuple[Flag, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    missing: tuple[int, ...] = ()

    @property
    def dangers(self) -> tuple[Flag, ...]:
        return tuple(flag for flag in DANGER_FLAGS if flag in self.flags)


Rule = Callable[["Measure", Answers, About], Scored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One instrument: what may be shown, how it is scored, and on whose authority.

    Args:
        wording_allowed: its words may be shipped (clinical.md E2); False: ``items`` have neutral labels.
        licence: what was found about the terms, in a sentence.
        notice: the line that must stand beside the questions.
        checked_on: the day on which the terms were looked up.
        version: which wording or form is meant; kept with each assessment.
        recall_days: the span that the questions ask about, in days; None when it is now, ever, or not fixed.
        remission_max: the highest score that counts as remission; None where the sources name none.
    """

    code: str
    name: str
    short_name: str
    group: Group
    rater: Rater
    entry: Entry
    minimum: int
    maximum: int
    direction: Direction
    recall: str
    licence: str
    source_url: str
    wording_allowed: bool
    checked_on: date
    version: str
    sources: str
    rule: Rule | None = None
    stem: str = ""
    items: tuple[Item, ...] = ()
    notice: str = ""
    recall_days: int | None = None
    bands: tuple[Band, ...] = ()
    cuts: tuple[Cut, ...] = ()
    changes: tuple[Change, ...] = ()
    remission_max: int | None = None
    danger_item: int | None = None
    bands_confirmed: bool = True
    has_total: bool = True
    scale_words: str = ""
    asks_education: bool = False

    @property
    def can_be_sent(self) -> bool:
        """True when a patient may be asked to answer it without staff: own words, allowed words."""
        return self.wording_allowed and self.rater is Rater.PATIENT and self.entry is Entry.ITEMS

    @property
    def scored_items(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.is_scored)

    @property
    def range_words(self) -> str:
        return f"{self.minimum}–{self.maximum}"

    def item(self, number: int) -> Item:
        """Raises: AnswerError: no such item."""
        for item in self.items:
            if item.number == number:
                return item
        raise AnswerError(f"{self.short_name} has no item {number}.")

    def band_of(self, score: Decimal) -> str:
        """The name of the published band; empty where none is published."""
        return next((band.name for band in self.bands if band.low <= score <= band.high), "")
