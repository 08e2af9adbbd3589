"""A quick look at many courses, so that a sweep judges only those about which a list may have something to say.

What is left out here would have opened no task: each look is wider than the condition that it stands before. It works
on plain numbers, without a model for each score; a sweep after an act on one course goes without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from django.db.models import Case, F, Func, Min, TextField, Value, When

from courses.models import Course, Infusion, InfusionStatus, OutcomeDefinition
from courses.pure.outcomes.leading import ALL_LEADING
from courses.pure.outcomes.terms import SHIPPED
from courses.services.outcomes import terms_of
from patients.models import Assessment

A_DAY = timedelta(days=1)  # between the date of an instant in UTC and on the clinic's clocks
NOT_AT_ALL = "0"
FEW = 50
"""So few courses are judged at once: a look would cost more than it saves."""
Scored = tuple[datetime, Decimal]


@dataclass(frozen=True, slots=True)
class Glance:
    """What the scores of a course did since its first infusion, seen without judging it."""

    is_above: bool  # one is as far above an earlier one from before the series as worsening asks
    is_rising: bool  # one is above the one before it


def is_worth_it(courses: Sequence[Course]) -> bool:
    """Whether there are so many courses that a look at their numbers comes first."""
    return len(courses) > FEW


def glance_at(courses: Sequence[Course]) -> dict[int, Glance]:
    """By course id; those in which nothing was given are left out. Three queries."""
    given = Infusion.objects.filter(phase__course__in=[one.pk for one in courses], status=InfusionStatus.GIVEN)
    firsts: dict[int, date] = dict(
        given.order_by().values_list("phase__course").annotate(first=Min("day")).filter(first__isnull=False)
    )
    begun = [one for one in courses if one.pk in firsts]
    scores: dict[int, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    rows = Assessment.objects.valid().filter(
        patient__in={one.patient_id for one in begun}, measure__in=ALL_LEADING, score__isnull=False
    )
    columns = ("patient_id", "measure", "taken_at", "score")
    for patient, measure, at, score in rows.order_by("taken_at", "pk").values_list(*columns):
        scores[patient][measure].append((at, score))
    points = _fewest_points()
    return {one.pk: _glance(firsts[one.pk], scores[one.patient_id], points) for one in begun}


def with_danger(courses: Sequence[Course], items: Mapping[str, str]) -> set[int]:
    """Patients who ever answered above 0 to a question about suicide; ``items``: measure -> its number. One query."""

    def answer_to(item: str) -> Func:
        # Not "answers__9": Django would look for the ninth element of a list.
        return Func(F("answers"), Value(item), function="jsonb_extract_path_text", output_field=TextField())

    answer = Case(*(When(measure=code, then=answer_to(item)) for code, item in items.items()))
    rows = Assessment.objects.valid().filter(patient__in={one.patient_id for one in courses}, measure__in=items)
    above = rows.annotate(answer=answer).filter(answer__isnull=False).exclude(answer=NOT_AT_ALL)
    return set(above.order_by().values_list("patient_id", flat=True).distinct())


def _fewest_points() -> Decimal | None:
    """By how many points somebody is worse at least, by any terms that courses are judged by."""
    terms = [SHIPPED, *(terms_of(one) for one in OutcomeDefinition.objects.all())]
    return min((points for one in terms for points in one.worsening_points.values()), default=None)


def _glance(first: date, scores: Mapping[str, Sequence[Scored]], points: Decimal | None) -> Glance:
    is_above = is_rising = False
    for rows in scores.values():
        before = min((score for at, score in rows if at.date() <= first + A_DAY), default=None)
        since = [score for at, score in rows if at.date() >= first - A_DAY]
        is_above |= points is not None and before is not None and max(since, default=before) - before >= points
        is_rising |= any(later > earlier for earlier, later in pairwise(since))
    return Glance(is_above, is_rising)
