"""What a course came to, in words: the headline and everything that holds beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from courses.planning.words import say_count, say_day
from courses.pure.outcomes.judging import Outcome
from courses.pure.outcomes.terms import End, Speed


@dataclass(frozen=True, slots=True)
class Badge:
    """One thing that holds, as an icon with words. ``tone`` is that of a tag: "ok", "warn", "danger", "info" or ""."""

    tone: str
    symbol: str
    text: str
    note: str = ""


ENDS = {
    End.RESPONSE: ("Response", "ok", "circle-check"),
    End.PARTIAL: ("Partial response", "info", "circle-half-2"),
    End.NON_RESPONSE: ("No response", "", "circle-minus"),
    End.NOT_EVALUABLE: ("Not evaluable for response", "", "circle-minus"),
    End.NO_BASELINE: ("No baseline", "warn", "alert-circle"),
    End.NO_SCORE: ("No score after the last infusion", "warn", "alert-circle"),
    End.NOT_BEGUN: ("Nothing given yet", "", "hourglass"),
}
SPEEDS = {
    Speed.EARLY: "Early response",
    Speed.GRADUAL: "Gradual response",
    Speed.LATE: "Late response",
}


def headline(outcome: Outcome) -> tuple[str, str, str]:
    """Title, tone and icon of what the series came to, or of what it has come to so far."""
    if outcome.end is not End.RUNNING:
        return ENDS[outcome.end]
    if outcome.baseline is None:
        return ENDS[End.NO_BASELINE]
    percent = outcome.latest_improvement
    return _so_far(outcome, percent) if percent is not None else ("No score since the baseline", "", "hourglass")


def _so_far(outcome: Outcome, percent: Decimal) -> tuple[str, str, str]:
    terms = outcome.terms
    if outcome.is_evaluable and percent >= terms.response_percent:
        return "Response so far", "ok", "circle-check"
    if outcome.is_evaluable and percent >= terms.partial_percent:
        return "Partial response so far", "info", "circle-half-2"
    if percent >= terms.improvement_percent:
        return "Improvement so far", "info", "trending-down"
    return ("Above baseline", "warn", "trending-up") if percent < 0 else ("No improvement so far", "", "circle-minus")


def badges_of(outcome: Outcome) -> Iterator[Badge]:
    """Everything that holds besides the headline, the gravest first."""
    yield from _dangers(outcome)
    yield from _losses(outcome)
    yield from _flat(outcome)
    terms = outcome.terms
    if outcome.is_remission:
        most = terms.remission_max[outcome.measure].normalize()
        yield Badge("ok", "sparkles", "Remission", f"A score of {most:f} or less at the end of the series.")
    if outcome.speed and outcome.first_response:
        text = f"{SPEEDS[outcome.speed]}: first after infusion {outcome.first_response}"
        early, gradual = terms.early_last, terms.gradual_last
        note = f"Early: infusions 1 to {early}; gradual: {early + 1} to {gradual}; late: from {gradual + 1} on."
        yield Badge("", "stairs-down", text, note)


def _dangers(outcome: Outcome) -> Iterator[Badge]:
    if outcome.new_danger_on:
        where = f" after infusion {outcome.new_danger_from}" if outcome.new_danger_from else ""
        text = f"New suicidal thoughts{where}, {say_day(outcome.new_danger_on)}"
        yield Badge("danger", "alert-triangle", text, "The item about suicide is higher than at baseline.")
    if outcome.worse_on:
        points = outcome.terms.worsening_points[outcome.measure].normalize()
        where = f" from infusion {outcome.worsening_from}" if outcome.worsening_from else ""
        text = f"Worsening{where}, {say_day(outcome.worse_on)}"
        yield Badge("danger", "trending-up", text, f"{points:f} points or more above baseline.")
    elif outcome.any_increase_from:
        yield Badge("", "trending-up", f"Above baseline after infusion {outcome.any_increase_from}")


def _losses(outcome: Outcome) -> Iterator[Badge]:
    terms = outcome.terms
    if lost := outcome.relapse:
        note = (
            f"By {lost.event}: it counts at once, whatever the scores say."
            if lost.event
            else f"Confirmed on {say_day(lost.confirmed_on)}. Dated at the first reading below response."
        )
        when = f"{say_day(lost.day)}, {say_count(lost.days, 'day')} after the last infusion"
        yield Badge("warn", "arrow-back-up", f"Relapse: {when}", note)
    elif outcome.lost_since:
        readings = f"{say_count(terms.relapse_readings, 'reading')} in a row, {terms.relapse_apart_days} days apart"
        text = f"Below response since {say_day(outcome.lost_since)}"
        yield Badge("warn", "arrow-back-up", text, f"Not confirmed: a relapse needs {readings}.")
    if outcome.is_responder_lost:
        text = f"Responder lost: response after infusion {outcome.first_response}, not at the end"
        yield Badge("warn", "arrow-back-up", text)
    latest = outcome.latest_improvement
    if outcome.end is End.RUNNING and outcome.first_response and latest is not None and latest < terms.response_percent:
        text = f"Response after infusion {outcome.first_response} not held after {max(outcome.improvement)}"
        yield Badge("warn", "arrow-back-up", text)


def _flat(outcome: Outcome) -> Iterator[Badge]:
    terms = outcome.terms
    if outcome.is_not_improving:
        note = (
            f"Improvement below {terms.improvement_percent} % after infusion {terms.review_after} or later predicted "
            "non-response in one study (Transl Psychiatry 2024, P25). It asks for a review and never stops a course."
        )
        yield Badge("warn", "alert-circle", f"Not improving after infusion {max(outcome.improvement)}", note)
    elif outcome.is_flat_after_three:
        yield Badge("", "minus", f"Below {terms.improvement_percent} % after each of infusions 1, 2 and 3")
