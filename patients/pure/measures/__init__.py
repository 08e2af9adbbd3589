"""Measures: which instruments there are, what may be shown of them, and what answers mean.

from patients.pure.measures import MEASURES, measure, score, score_total

score("phq9", {1: 2, 2: 3, ...}).score      # Decimal, or None with .problem in words
score_total("madrs", 31).band               # "Moderate"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from patients.pure.measures import rules
from patients.pure.measures.types import (
    DANGER_FLAGS,
    About,
    AnswerError,
    Answers,
    Band,
    Change,
    Cut,
    Direction,
    Entry,
    Flag,
    Group,
    Item,
    Measure,
    Option,
    Rater,
    Scored,
    Way,
)
from patients.pure.measures.unworded import UNWORDED
from patients.pure.measures.worded import WORDED

__all__ = [
    "DANGER_FLAGS",
    "MEASURES",
    "About",
    "AnswerError",
    "Band",
    "Change",
    "ChangeSeen",
    "Cut",
    "Direction",
    "Entry",
    "Flag",
    "Group",
    "Item",
    "Measure",
    "Option",
    "Rater",
    "Scored",
    "Way",
    "change_between",
    "measure",
    "measures_by_group",
    "score",
    "score_total",
    "sendable_measures",
]

MEASURES: dict[str, Measure] = {one.code: one for one in (*WORDED, *UNWORDED)}


def measure(code: str) -> Measure:
    """Raises: LookupError: no such measure."""
    try:
        return MEASURES[code]
    except KeyError:
        raise LookupError(f"There is no measure {code!r}.") from None


def measures_by_group() -> list[tuple[Group, list[Measure]]]:
    """All of them, in the order in which a list shows them."""
    return [(group, [one for one in MEASURES.values() if one.group is group]) for group in Group]


def sendable_measures() -> list[Measure]:
    """Those that a patient may fill in alone: self-reports whose words may be shown."""
    return [one for one in MEASURES.values() if one.can_be_sent]


def score(
    code: str, answers: Mapping[int, int | None] | Mapping[str, int | None], about: About | None = None
) -> Scored:
    """What the rules of the instrument make of the answers.

    Args:
        answers: item number (also as a string, as JSON keeps it) -> value of an option; None or absent: unanswered.
        about: sex for AUDIT-C, education for SLUMS.

    Raises:
        LookupError: no such measure.
        AnswerError: no such item or option, or the measure is entered as a total only.
    """
    one = measure(code)
    if one.rule is None:
        raise AnswerError(f"{one.short_name} is entered as a total.")
    given = _checked(one, answers)
    return _described(one, one.rule(one, given, about or About()), about or About())


def score_total(
    code: str, total: Decimal | int, about: About | None = None, *, danger_answer: int | None = None
) -> Scored:
    """What a total means, where the items are not known.

    Args:
        total: a whole number inside the range of the instrument.
        danger_answer: the answer to the item about suicide (``danger_item``), where it is known.

    Raises:
        LookupError: no such measure.
        AnswerError: no total belongs to the measure, or this one is not possible.
    """
    one, value = measure(code), Decimal(total)
    if not one.has_total:
        raise AnswerError(f"{one.short_name} has no total.")
    if value != value.to_integral_value() or not one.minimum <= value <= one.maximum:
        raise AnswerError(f"{one.short_name} goes from {one.minimum} to {one.maximum}, in whole numbers.")
    flags: tuple[Flag, ...] = ()
    if danger_answer is not None:
        if one.danger_item is None:
            raise AnswerError(f"{one.short_name} has no item about suicide.")
        _checked(one, {one.danger_item: danger_answer})
        flags = rules.danger_flags(one, danger_answer)
    found = rules.scored_total(one, value, flags=flags, detail={"entered": "total"})
    return _described(one, found, about or About())


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """The difference of two scores of one measure, and whether it matters by the rule chosen."""

    points: Decimal  # later minus earlier
    rule: Change | None  # None: the sources name no change that matters
    matters: bool
    is_better: bool

    @property
    def is_worse(self) -> bool:
        return self.points != 0 and not self.is_better

    @property
    def points_shown(self) -> str:
        """The size without its sign, as people write it: "5"."""
        return f"{abs(self.points).normalize():f}"


def change_between(code: str, earlier: Decimal, later: Decimal, *, rule: str = "") -> ChangeSeen:
    """How far a score has moved. Without ``rule`` (the key of one of the measure's changes) its default is taken.

    Raises:
        LookupError: no such measure, or it has no such rule.
    """
    one, points = measure(code), later - earlier
    chosen = next((change for change in one.changes if rule in ("", change.key)), None)
    if rule and chosen is None:
        raise LookupError(f"{one.short_name} has no rule of change {rule!r}.")
    matters = (
        chosen is not None
        and {
            Way.EITHER: abs(points) >= chosen.points,
            Way.RISE: points >= chosen.points,
            Way.DROP: -points >= chosen.points,
        }[chosen.way]
    )
    is_better = points < 0 if one.direction is Direction.WORSE else points > 0
    return ChangeSeen(points, chosen, matters, is_better)


def _checked(one: Measure, answers: Mapping[int, int | None] | Mapping[str, int | None]) -> Answers:
    given: dict[int, int | None] = {}
    for key, value in answers.items():
        try:
            item = one.item(int(key))
        except ValueError as wrong:
            raise AnswerError(f"{one.short_name} has no item {key!r}.") from wrong
        if value is not None and (isinstance(value, bool) or value not in item.values):
            raise AnswerError(f"Item {item.number} of {one.short_name} has no answer {value!r}.")
        given[item.number] = value
    return given


def _described(one: Measure, found: Scored, about: About) -> Scored:
    """With what depends on the person or on the total alone."""
    if found.score is None:
        return found
    detail: dict[str, Any] = dict(found.detail)
    band = found.band
    if one.code == "auditc":
        band, detail["said"] = rules.auditc_band(found.score, about.sex)
    elif one.code == "slums":
        band = rules.slums_band(found.score, finished_high_school=about.finished_high_school)
    elif one.code == "pcl5":
        detail |= rules.pcl5_by_total(found.score)
    if one.asks_education:
        detail["finished_high_school"] = about.finished_high_school
    if cuts := [cut.words for cut in one.cuts if cut.holds(found.score)]:
        detail["cuts"] = cuts
    return replace(found, band=band, detail=detail)
