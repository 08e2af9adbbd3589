"""Which courses an outcome figure counts: numerator, denominator and who is left out, each as a condition on rows.

The page counts by these conditions and the list behind a figure filters by them, so both speak of the same courses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Case, CharField, Count, F, IntegerField, Q, QuerySet, Sum, Value, When
from django.db.models.aggregates import Aggregate

from courses.models import CourseResult
from courses.pure.outcomes.terms import End, Speed, Terms
from patients.pure.measures import MEASURES

REACHED = range(2, 9)
"""Infusions of the funnel after the first."""

NOBODY = Q(pk__in=[])
RUNNING = Q(is_over=False, is_dropped_out=False, is_completed=False)
HAS_BASELINE = Q(baseline__isnull=False)
JUDGED = (End.RESPONSE, End.PARTIAL, End.NON_RESPONSE)
RESPONDED = Q(first_response__isnull=False)
WITH_DANGER_ITEM = Q(measure__in=[code for code, one in MEASURES.items() if one.danger_item is not None])


@dataclass(frozen=True, slots=True)
class Group:
    """One share: who counts, of whom, and who is left out and why. The three exclude each other."""

    n: Q
    of: Q
    left_out: tuple[tuple[str, Q], ...] = ()

    @property
    def all(self) -> Q:
        return reduce(or_, (condition for _, condition in self.left_out), self.of)


def groups(at: str, versions: Sequence[Terms]) -> Mapping[str, Group]:
    """Every share of the outcomes page by its key.

    Args:
        at: "end" or "later" (14 to 31 days after the series).
        versions: of the terms; they say for which measures remission and worsening are defined.
    """
    return {**_series(), **_response(at, versions), **_course(versions)}


def _series() -> dict[str, Group]:
    left_out = (("series still running", RUNNING),)
    return {
        "completed": Group(Q(is_completed=True), ~RUNNING, left_out),
        "kit-completed": Group(Q(is_kit_completed=True) & ~RUNNING, ~RUNNING, left_out),
        "dropped-out": Group(Q(is_dropped_out=True), ~RUNNING, left_out),
    }


def _response(at: str, versions: Sequence[Terms]) -> dict[str, Group]:
    """By the end of the series, or by the first score 14 to 31 days after it."""
    end, score, in_remission, missing = _at(at)
    judged = Q(**{f"{end}__in": [one.name for one in JUDGED]})
    baseline_low = ("baseline too low: not evaluable", Q(is_over=True, is_evaluable=False) & HAS_BASELINE)
    left_out = (
        ("no baseline", Q(is_over=True, baseline__isnull=True)),
        baseline_low,
        (missing, Q(is_over=True, is_evaluable=True) & ~judged),
        ("series still running", Q(is_over=False)),
    )
    known = _defined(versions, "remission_max")
    scored = Q(is_over=True, **{f"{score}__isnull": False}) & HAS_BASELINE
    no_line = "no score of remission for its measure"
    return {
        "response": Group(Q(**{end: End.RESPONSE.name}), judged, left_out),
        "partial": Group(Q(**{end: End.PARTIAL.name}), judged, left_out),
        "non-response": Group(Q(**{end: End.NON_RESPONSE.name}), judged, left_out),
        "remission": Group(in_remission & judged & known, judged & known, (*left_out, (no_line, judged & ~known))),
        "remission-all": Group(
            in_remission & scored & known,
            scored & known,
            (
                left_out[0],
                (missing, Q(is_over=True, **{f"{score}__isnull": True}) & HAS_BASELINE),
                left_out[-1],
                (no_line, scored & ~known),
            ),
        ),
    }


def _at(at: str) -> tuple[str, str, Q, str]:
    if at == "later":
        return "later_end", "later_score", Q(is_later_remission=True), "no score 14 to 31 days after the series"
    return "end", "end_score", Q(is_remission=True), "no score after the last infusion"


def _course(versions: Sequence[Terms]) -> dict[str, Group]:
    no_baseline = (("no baseline", Q(baseline__isnull=True)),)
    points = _defined(versions, "worsening_points")
    ended = Q(is_over=True, end__in=[one.name for one in JUDGED])
    return {
        **{
            f"speed-{speed.value}": Group(RESPONDED & Q(speed=speed.name), RESPONDED)
            for speed in (Speed.EARLY, Speed.GRADUAL, Speed.LATE)
        },
        "responder-lost": Group(
            RESPONDED & Q(is_responder_lost=True),
            RESPONDED & ended,
            (
                ("series still running", RESPONDED & Q(is_over=False)),
                ("no score at the end", RESPONDED & Q(is_over=True) & ~ended),
            ),
        ),
        "worsening": Group(
            Q(has_worsened=True) & HAS_BASELINE & points,
            HAS_BASELINE & points,
            (*no_baseline, ("no points of worsening for its measure", HAS_BASELINE & ~points)),
        ),
        "any-increase": Group(Q(has_any_increase=True) & HAS_BASELINE, HAS_BASELINE, no_baseline),
        "new-danger": Group(
            Q(has_new_danger=True) & HAS_BASELINE & WITH_DANGER_ITEM,
            HAS_BASELINE & WITH_DANGER_ITEM,
            (*no_baseline, ("its measure does not ask", HAS_BASELINE & ~WITH_DANGER_ITEM)),
        ),
    }


def _defined(versions: Sequence[Terms], name: str) -> Q:
    """The courses for whose measure their own version of the terms gives a number."""
    rows = [Q(terms_number=one.number, measure__in=list(getattr(one, name))) for one in versions]
    return reduce(or_, rows, NOBODY)


# -- counting ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Counts:
    """What one statement counted; ``names``: under which name each part of each group stands in ``rows``."""

    rows: Mapping[str, Any]
    names: Mapping[tuple[str, str | int], str]

    def n(self, key: str) -> int:
        return self.plain(self.names[key, "n"])

    def of(self, key: str) -> int:
        return self.plain(self.names[key, "of"])

    def left_out(self, key: str, index: int) -> int:
        return self.plain(self.names[key, index])

    def plain(self, name: str) -> int:
        return self.rows[name] or 0


def counted(found: Mapping[str, Group]) -> tuple[dict[str, Aggregate], dict[tuple[str, str | int], str]]:
    """The aggregates of all groups and the names of their parts; what stands in several groups is counted once."""
    aliases: dict[Q, str] = {}
    names: dict[tuple[str, str | int], str] = {}
    for key, group in found.items():
        parts: list[tuple[str | int, Q]] = [("n", group.n), ("of", group.of)]
        parts += [(index, condition) for index, (_, condition) in enumerate(group.left_out)]
        for part, condition in parts:
            names[key, part] = aliases.setdefault(condition, f"counted_{len(aliases)}")
    return {name: Count("pk", filter=condition) for condition, name in aliases.items()}, names


def whole_series() -> dict[str, Aggregate]:
    """How many began, how far they came, and where they were lost."""
    return {
        "started": Count("pk"),
        "patients": Count("patient", distinct=True),
        "gaps_in_all": Sum("gaps"),
        "gaps_in_window": Sum("gaps_on_window"),
        **{f"reached_{k}": Count("pk", filter=Q(n_given__gte=k)) for k in (1, *REACHED)},
        **{f"planned_{k}": Count("pk", filter=Q(n_planned__gte=k) | Q(n_given__gte=k)) for k in (1, *REACHED)},
        **{f"dropped_{k}": Count("pk", filter=dropped_after(k)) for k in (1, *REACHED)},
        **{f"ended_{k}": Count("pk", filter=ended_after(k)) for k in (1, *REACHED)},
        **{f"running_{k}": Count("pk", filter=RUNNING & _exactly(k)) for k in (1, *REACHED)},
    }


def dropped_after(k: int) -> Q:
    return Q(is_dropped_out=True) & _exactly(k)


def ended_after(k: int) -> Q:
    """Fewer than planned, by a decision and not by staying away."""
    return Q(is_over=True, is_completed=False, is_dropped_out=False) & _exactly(k)


def _exactly(k: int) -> Q:
    """The last step holds whatever is beyond it."""
    return Q(n_given__gte=k) if k == REACHED[-1] else Q(n_given=k)


# -- the rows behind ---------------------------------------------------------------------------------------------------
COUNTS, COUNTS_NOT = "Yes", "No"


def behind(rows: QuerySet[CourseResult], group: Group) -> QuerySet[CourseResult]:
    """The courses that a share speaks of, with ``part``: "Yes", "No", or why it is left out; in this order."""
    cases = [
        (group.n & group.of, COUNTS),
        (group.of, COUNTS_NOT),
        *((condition, f"Left out: {why}") for why, condition in group.left_out),
    ]
    return (
        rows.filter(group.all)
        .annotate(
            part=Case(*(When(condition, then=Value(words)) for condition, words in cases), output_field=CharField()),
            part_order=Case(
                *(When(condition, then=Value(index)) for index, (condition, _) in enumerate(cases)),
                output_field=IntegerField(),
            ),
        )
        .order_by("part_order", F("started_on").desc(), "-pk")
    )
