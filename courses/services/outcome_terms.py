"""The clinic's outcome terms: the version in use, and the next one. Nothing is edited, because courses were judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import OutcomeDefinition
from courses.pure.outcomes.terms import Terms
from courses.services.outcomes import terms_of
from patients.pure.measures import MEASURES

NUMBERS = (
    "baseline_days",
    "after_hours",
    "last_days",
    "improvement_percent",
    "partial_percent",
    "response_percent",
    "early_last",
    "gradual_last",
    "relapse_readings",
    "relapse_apart_days",
    "review_after",
)
SCORES = ("remission_max", "evaluable_min", "worsening_points", "relapse_scores")
"""Held by the code of a measure; a measure that is not there has none."""
LABELS = {
    name: str(OutcomeDefinition._meta.get_field(name).verbose_name).capitalize()  # type: ignore[union-attr]
    for name in (*NUMBERS, *SCORES)
}


class StaleTermsError(Exception):
    """Somebody else made a version meanwhile; ``current`` is what is in use now. Nothing was saved."""

    def __init__(self, current: OutcomeDefinition | None) -> None:
        self.current = current
        super().__init__("Somebody else changed the outcome terms while they were open. Nothing was overwritten.")


@dataclass(frozen=True, slots=True)
class Version:
    """One version as the page lists it, with what it changed against the one before."""

    definition: OutcomeDefinition
    courses: int
    changes: tuple[tuple[str, str, str], ...]  # what, before, after


def latest_definition() -> OutcomeDefinition | None:
    """The version that new courses get; None: the shipped terms."""
    return OutcomeDefinition.objects.order_by("-number").first()


def versions() -> list[Version]:
    """Every version, the latest first, with how many courses are judged by it. One query."""
    rows = list(OutcomeDefinition.objects.select_related("created_by").annotate(n=Count("courses")).order_by("number"))
    found, before = [], terms_of(None)
    for row in rows:
        terms = terms_of(row)
        found.append(Version(row, row.n, tuple(_changes(before, terms))))
        before = terms
    return found[::-1]


def values_of(terms: Terms) -> dict[str, Any]:
    """The terms as the fields of a version hold them."""
    scores = {name: {code: float(value) for code, value in getattr(terms, name).items()} for name in SCORES}
    return {name: getattr(terms, name) for name in NUMBERS} | scores


def write_next_version(
    *, values: Mapping[str, Any], reason: str, expected: int, by: User, now: datetime
) -> OutcomeDefinition:
    """The next version stands beside the earlier ones; courses that begin from now on get it, running ones keep theirs.

    Args:
        values: all of ``NUMBERS`` and ``SCORES``.
        expected: the number that was in use when the person opened the page; 0 for the shipped terms.

    Raises:
        PermissionDenied: the person may not do this.
        StaleTermsError: somebody else was faster.
        ValidationError: the values do not fit each other, nothing is changed, or no reason is given.
    """
    if not by.can(Can.EDIT_FOLLOW_UP):
        raise PermissionDenied("Your role does not include this.")
    if not reason.strip():
        raise ValidationError({"reason": "Say why the terms change: the reason stays with the version."})
    current = latest_definition()
    if (current.number if current else 0) != expected:
        raise StaleTermsError(current)
    row = OutcomeDefinition(
        number=expected + 1,
        reason=reason.strip(),
        created_at=now,
        created_by=by,
        **{key: values[key] for key in values},
    )
    row.full_clean(exclude=["number", *SCORES])  # empty scores are an answer; a number taken meanwhile is seen below
    if not any(_changes(terms_of(current), terms_of(row))):
        raise ValidationError("Nothing is changed, so no version was made.")
    try:
        with transaction.atomic(), recorded(by=by, now=now):
            row.save()
    except IntegrityError as taken:
        raise StaleTermsError(latest_definition()) from taken
    return row


def _changes(before: Terms, after: Terms) -> Iterator[tuple[str, str, str]]:
    for name in NUMBERS:
        if getattr(before, name) != getattr(after, name):
            yield LABELS[name], str(getattr(before, name)), str(getattr(after, name))
    for name in SCORES:
        if getattr(before, name) != getattr(after, name):
            yield LABELS[name], _said(getattr(before, name)), _said(getattr(after, name))


def _said(scores: Mapping[str, Decimal]) -> str:
    found = [f"{MEASURES[code].short_name} {value.normalize():f}" for code, value in scores.items() if code in MEASURES]
    return ", ".join(found) or "none"
