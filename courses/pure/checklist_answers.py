"""The answers of the checklist before an infusion: what was typed, what may be stored, and how it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256

from courses.pure.checklist import EARLIER, MEDICINES, NO, NONE, NOT_POSSIBLE, YES, CheckItem, Kind
from patients.pure.vitals import Vitals

WEIGHT, TEST = "weight", "test"


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed for one item, and the fingerprint of the answer that their page had shown."""

    value: str
    detail: str = ""
    base: str = ""

    @property
    def is_touched(self) -> bool:
        """It is not what the page had shown."""
        return fingerprint(self.value, self.detail) != self.base


@dataclass(frozen=True, slots=True)
class Measured:
    """A weight or a pregnancy test that was taken now; ``base`` names the one that the page had shown."""

    base: str
    vitals: Vitals | None = None
    is_confirmed: bool = False
    result: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """Everything that was typed into the checklist."""

    answers: Mapping[str, Typed] = field(default_factory=dict)
    weight: Measured | None = None
    test: Measured | None = None


def fingerprint(value: str, detail: str = "") -> str:
    """What a page sends along to say which answer it had shown; empty for none."""
    return sha256(f"{value}\x1f{detail}".encode()).hexdigest()[:16] if value else ""


def base_of_test(result: str, on: date) -> str:
    """How a page names the latest pregnancy test that it has shown."""
    return f"{result} {on.isoformat()}"


TEMPERATURE_C = (Decimal(30), Decimal(45))
"""Outside it a temperature is a slip of the keyboard."""
YES_NO_WORDS = {YES: "Yes", NO: "No"}


def problem_with(item: CheckItem, value: str, detail: str, *, now: datetime) -> str:
    """Why this answer cannot be stored, as a sentence; empty when it can."""
    check = _CHECKS[item.kind]
    return check(item, value, detail, now)


def _yes_no(item: CheckItem, value: str, detail: str, now: datetime) -> str:  # noqa: ARG001
    allowed = (NOT_POSSIBLE,) if item.good == NOT_POSSIBLE else (YES, NO)
    if value not in allowed:
        return "Answer yes or no."
    if item.ask and value != item.good and not detail:
        return item.ask
    return ""


def _person(item: CheckItem, value: str, detail: str, now: datetime) -> str:  # noqa: ARG001
    if value not in (YES, NO):
        return "Somebody, or nobody yet?"
    return "Give the name." if value == YES and not detail else ""


def _moment(item: CheckItem, value: str, detail: str, now: datetime) -> str:  # noqa: ARG001
    if value == EARLIER:
        return ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return "Give the day and the time."
    if moment.tzinfo is None:
        return "Give the day and the time."
    return "This time has not come yet. Was it yesterday?" if moment.timestamp() > now.timestamp() else ""


def _several(item: CheckItem, value: str, detail: str, now: datetime) -> str:  # noqa: ARG001
    codes = value.split(",")
    if NONE in codes and len(codes) > 1:
        return "“None of these” and a medicine do not go together."
    known = {NONE, *dict(MEDICINES)}
    return "" if known.issuperset(codes) else "Choose from the list."


def _number(item: CheckItem, value: str, detail: str, now: datetime) -> str:  # noqa: ARG001
    low, high = TEMPERATURE_C
    try:
        degrees = Decimal(value)
    except InvalidOperation:
        return "Give a number."
    return "" if degrees.is_finite() and low <= degrees <= high else f"Must be between {low} and {high} °C."


_CHECKS: Mapping[Kind, Callable[[CheckItem, str, str, datetime], str]] = {
    Kind.YES_NO: _yes_no,
    Kind.PERSON: _person,
    Kind.MOMENT: _moment,
    Kind.MEDICINES: _several,
    Kind.NUMBER: _number,
}


def say_answer(item: CheckItem, value: str, detail: str = "") -> str:
    """A stored answer in words: "Yes: a rash", "Mon 5 Apr, 05:30", "Opioid, alcohol"."""
    if not value:
        return "Not answered"
    match item.kind:
        case Kind.MOMENT:
            said = "Before yesterday" if value == EARLIER else _say_moment(datetime.fromisoformat(value))
            return f"{said}, a fatty meal or meat" if detail == "fatty" else said
        case Kind.NUMBER:
            return f"{value} °C"
        case Kind.PERSON:
            return detail if value == YES else "Nobody yet"
        case Kind.MEDICINES:
            known = dict(MEDICINES)
            said = ", ".join(known.get(code, "None of these") for code in value.split(",")).capitalize()
        case _:
            said = "Not possible" if value == NOT_POSSIBLE else YES_NO_WORDS.get(value, value)
    if item.code == "measure":  # its detail names the score that was reviewed
        return "Reviewed"
    return f"{said}: {detail}" if detail else said


def _say_moment(moment: datetime) -> str:
    return f"{moment:%a} {moment.day} {moment:%b, %H:%M}"
