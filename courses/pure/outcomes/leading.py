"""By which measure a course is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from courses.pure.outcomes.judging import Event, Given, Outcome, Score, judge_outcome
from courses.pure.outcomes.terms import Terms
from patients.pure.indications import Indication

LEADING = ("phq9", "qids16", "madrs")
"""The measure by which a course is judged: the first of these with a baseline; PCL-5 first where PTSD is treated."""
ALL_LEADING = ("pcl5", *LEADING)


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome by the leading measure, and by the others that have a score."""

    outcome: Outcome
    others: tuple[Outcome, ...] = ()


def leading_measures(indication: str) -> tuple[str, ...]:
    """The measures by which a course may be judged, the first one preferred."""
    return ALL_LEADING if indication == Indication.PTSD else LEADING


def judge_by_leading(  # noqa: PLR0913 (everything an outcome rests on)
    indication: str,
    scores: Mapping[str, tuple[Score, ...]],
    infusions: tuple[Given, ...],
    *,
    is_over: bool,
    events: Sequence[Event],
    until: date | None,
    terms: Terms,
) -> Judged:
    """The outcome of a series by the measure that leads: the preferred one with a baseline, else with a score since.

    Args:
        indication: what is treated.
        scores: by measure.
        infusions: see ``judge_outcome``, as for all others.
    """
    wanted = leading_measures(indication)
    found = {
        code: judge_outcome(
            code, scores.get(code, ()), infusions, is_over=is_over, events=events, until=until, terms=terms
        )
        for code in ALL_LEADING
        if scores.get(code) or code == wanted[0]
    }
    known = [code for code in wanted if code in found]
    leading = next((code for code in known if found[code].baseline), None) or next(
        (code for code in known if found[code].after), wanted[0]
    )
    others = tuple(one for code, one in found.items() if code != leading and (one.baseline or one.after))
    return Judged(found[leading], others)
