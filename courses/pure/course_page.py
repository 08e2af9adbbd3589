"""The page that sums up a course, for the patient or for the referrer: its shape, and scores in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from courses.planning.words import say_count
from courses.pure.adverse import BY_CODE, label_of
from courses.pure.course_chart import Trajectory
from courses.pure.outcomes.judging import Outcome, Score
from courses.pure.outcomes.terms import End
from courses.pure.summary_pdf import Block

HALF = Decimal("0.5")
TENTH = Decimal("0.1")


class Audience(StrEnum):
    """Who reads the page: one in plain words, two in clinical terms."""

    PATIENT = "patient"
    REFERRER = "referrer"
    INSURER = "insurer"  # what was needed, given and achieved; nothing of other care or of what waits here


@dataclass(frozen=True, slots=True)
class CoursePage:
    """The whole page in words. ``left`` and ``right`` stand beside each other, ``rows`` below, ``after`` at the end."""

    audience: Audience
    clinic: str
    address: str
    title: str
    span: str
    patient: str
    person: str
    lead: tuple[str, ...]
    left: tuple[Block, ...]
    right: tuple[Block, ...]
    table_title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    after: tuple[Block, ...]
    crisis: tuple[str, ...]
    made: str
    before: tuple[Block, ...] = ()  # under ``left`` and ``right``
    chart: Trajectory | None = None
    chart_title: str = ""
    notice: str = ""  # of 42 CFR Part 2, where it protects the record

    def as_data(self) -> dict[str, Any]:
        """Plain lists and texts, for the template of the PDF."""
        return asdict(self)


def say_day_year(day: date) -> str:
    """A date reads "April 5, 2027", as letters of the clinic do."""
    return f"{day:%B} {day.day}, {day.year}"


def say_number(value: Decimal) -> str:
    """Without trailing zeros: 8, never 8.00."""
    return f"{value.normalize():f}"


def say_percent(value: Decimal) -> str:
    """Half up to 0.1, as every page says an improvement: "55.6 %", never broken over two lines."""
    return f"{value.quantize(TENTH, rounding=ROUND_HALF_UP)}\N{NO-BREAK SPACE}%"


# -- for the patient ---------------------------------------------------------------------------------------------------


def say_points(value: Decimal) -> str:
    """As "1 point", "8 points"."""
    return "1 point" if value == 1 else f"{say_number(value)} points"


def say_change(before: Decimal, after: Decimal) -> str:
    """What became of a score of which fewer points are better, as people say it; never more than the numbers say.

    Args:
        before: points before the first infusion.
        after: points now.
    """
    if after == before:
        return "That is the same as before."
    if after > before:
        return f"That is {say_points(after - before)} more than before. Please talk with us about it."
    fewer = f"That is {say_points(before - after)} fewer than before"
    if after < before * HALF:
        return f"{fewer}, and less than half of what it was."
    return f"{fewer}, and half of what it was." if after == before * HALF else f"{fewer}."


def scores_in_words(outcome: Outcome, *, name: str, maximum: int, noun: str = "infusion") -> tuple[str, ...]:
    """How the scores of the leading questionnaire changed, in plain sentences.

    Args:
        outcome: of the course.
        name: of the questionnaire, as a patient knows it: "the questions about low mood (PHQ-9)".
        maximum: the most points that it gives.
        noun: what the patient calls one of them: infusion, treatment.
    """
    base = outcome.baseline
    if base is None:
        return (f"We have no answers to {name} from before your first {noun}. So we cannot say what changed.",)
    said = [
        f"We asked you {name}. They give 0 to {maximum} points. Fewer points mean fewer problems.",
        f"Before your first {noun} ({say_day_year(base.day)}): {say_points(base.value)}.",
    ]
    last = outcome.after[max(outcome.after)] if outcome.after else None
    if last is not None:
        said.append(f"After {noun} {max(outcome.after)} ({say_day_year(last.day)}): {_points_and_change(base, last)}")
    if outcome.follow_up:
        latest, _ = outcome.follow_up[-1]
        again = last is not None and latest.value == last.value
        now = f"{say_points(latest.value)}, the same." if again else _points_and_change(base, latest)
        if latest != last:
            said.append(f"Your latest answers ({say_day_year(latest.day)}): {now}")
    if last is None and not outcome.follow_up:
        said.append("We have no answers from you since then.")
    return tuple(said)


def _points_and_change(base: Score, now: Score) -> str:
    return f"{say_points(now.value)}. {say_change(base.value, now.value)}"


# -- for the referrer --------------------------------------------------------------------------------------------------


def outcome_rows(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """Baseline, end and latest score with improvement and outcome terms (clinical.md F1)."""
    rows: list[tuple[str, str]] = []
    if outcome.baseline is not None:
        rows.append(("Baseline", _scored(outcome.baseline)))
    if outcome.after:
        number = max(outcome.after)
        rows.append((f"After infusion {number}", _scored(outcome.after[number], outcome.improvement.get(number))))
    if outcome.follow_up:
        latest, improvement = outcome.follow_up[-1]
        rows.append(("Latest", _scored(latest, improvement)))
    rows.append(("Result", _result(outcome)))
    rows.extend(_firsts(outcome))
    rows.extend(_worse(outcome))
    return tuple(rows)


def _scored(score: Score, improvement: Decimal | None = None) -> str:
    said = f"{say_number(score.value)} ({say_day_year(score.day)})"
    return said if improvement is None else f"{said}, improvement {say_percent(improvement)}"


def _result(outcome: Outcome) -> str:
    end = outcome.end.value[0].upper() + outcome.end.value[1:]
    if outcome.end in (End.RESPONSE, End.PARTIAL, End.NON_RESPONSE, End.NOT_EVALUABLE):
        return f"{end}, {'remission' if outcome.is_remission else 'not remission'}"
    return end


def _firsts(outcome: Outcome) -> Iterable[tuple[str, str]]:
    found = (
        ("Improvement", outcome.first_improvement),
        ("Partial response", outcome.first_partial),
        ("Response", outcome.first_response),
    )
    said = [f"{name.lower()} after infusion {number}" for name, number in found if number is not None]
    if said:
        speed = f" ({outcome.speed.value})" if outcome.speed is not None else ""
        yield "First seen", f"{', '.join(said)}{speed}"


def _worse(outcome: Outcome) -> Iterable[tuple[str, str]]:
    if outcome.worsening_from is not None:
        yield "Worsening", f"from infusion {outcome.worsening_from} on"
    if outcome.new_danger_from is not None:
        yield "Item on suicidal thoughts", f"above the baseline after infusion {outcome.new_danger_from}"
    if outcome.is_responder_lost:
        yield "Response", "seen during the series, not at its end"
    if outcome.relapse is not None:
        lost = outcome.relapse
        by = f", by {lost.event}" if lost.event else ""
        said = say_count(lost.days, "day")
        yield "Relapse", f"{say_day_year(lost.day)}, {said} after the last infusion of the series{by}"
    elif outcome.lost_since is not None:
        yield "Below response", f"since {say_day_year(outcome.lost_since)}, one reading, not confirmed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One side effect at one infusion."""

    infusion: int
    code: str
    text: str
    severity: str  # "mild", "moderate", "severe"
    is_serious: bool = False


SEVERITIES = ("mild", "moderate", "severe")


def effect_rows(seen: Sequence[Seen], *, asked: int, given: int) -> tuple[tuple[str, str], ...]:
    """Each side effect with the infusions at which it was noticed, the most frequent first.

    Args:
        seen: every valid entry.
        asked: infusions at which side effects were answered, "none" among the answers.
        given: infusions in all.
    """
    if not asked:
        return (("Not recorded", f"at any of the {given} infusions"),)
    rest = f" Not answered at {given - asked} of {given}." if asked < given else ""
    if not seen:
        return (("None", f"at {asked} of {asked} infusions.{rest}"),)
    by_name: dict[str, list[Seen]] = {}
    for one in seen:
        by_name.setdefault(label_of(one.code, one.text), []).append(one)
    order = list(BY_CODE)
    found = sorted(by_name.items(), key=lambda pair: (-_times(pair[1]), order.index(pair[1][0].code), pair[0]))
    rows = [(name, f"at {_times(rows)} of {asked} infusions, {_worst(rows)}") for name, rows in found]
    return (*rows, ("", rest.strip())) if rest else tuple(rows)


def _times(seen: Iterable[Seen]) -> int:
    return len({one.infusion for one in seen})


def _worst(seen: Sequence[Seen]) -> str:
    worst = max(seen, key=lambda one: SEVERITIES.index(one.severity)).severity
    serious = ", serious" if any(one.is_serious for one in seen) else ""
    return f"{worst if len(seen) == 1 else f'{worst} at most'}{serious}"
