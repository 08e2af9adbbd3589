"""The table of sessions and scores: one row for each, with moved days and without anything that names anybody."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F

from courses.models import Infusion, InfusionStatus
from courses.pure.outcomes.leading import ALL_LEADING
from courses.pure.reports.analysis_columns import age_band
from courses.pure.reports.contents import Cell
from courses.pure.reports.deidentified import Kind, generalise, key, moved
from courses.pure.reports.filters import Filters
from courses.reports.analysis import Age
from courses.reports.filtering import results
from patients.models import Assessment

HEAD = ("patient_key", "age_band", "sex", "condition", "what", "day", "infusion", "measure", "score")
ORDER = (0, 1, 2)
"""The age band is given up first, then sex, then the condition."""
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Plan:
    """Whose rows are in the file and what they are called there. ``secret`` belongs to this file alone."""

    names: dict[int, Kind]
    zones: dict[int, str]
    left_out: int
    coarser: int
    secret: bytes = field(repr=False)


def plan_of(filters: Filters, *, secret: bytes | None = None) -> Plan:
    """Every patient of the chosen courses, by their earliest chosen course; one query."""
    rows = results(filters).order_by("patient", "started_on", "course").distinct("patient")
    aged = rows.annotate(age=Age(F("started_on"), F("patient__birth_date")))
    own: dict[int, Kind] = {}
    zones: dict[int, str] = {}
    facts = aged.values_list("patient", "age", "patient__sex", "indication", "location__time_zone")
    for patient, age, sex, indication, zone in facts:
        own[patient], zones[patient] = (age_band(age), sex, indication), zone
    people: dict[Kind, list[int]] = defaultdict(list)
    for patient, kind in own.items():
        people[kind].append(patient)
    called = generalise(people, ORDER)
    names = {patient: name for patient, kind in own.items() if (name := called[kind]) is not None}
    coarser = sum(names[patient] != own[patient] for patient in names)
    return Plan(names, zones, len(own) - len(names), coarser, secret or secrets.token_bytes(32))


def events_of(plan: Plan) -> Iterator[tuple[Cell, ...]]:
    """Infusions given and scores of the leading measures, patient by patient in the order of their keys."""
    told: dict[int, list[tuple[date, tuple[Cell, ...]]]] = defaultdict(list)
    for patient, day, *cells in [*_infusions(plan), *_scores(plan)]:
        told[patient].append((moved(day, patient, plan.secret), tuple(cells)))
    for patient in sorted(told, key=lambda one: key(one, plan.secret)):
        head: tuple[Any, ...] = (key(patient, plan.secret), *plan.names[patient])
        for day, (what, *rest) in sorted(told[patient], key=lambda one: (one[0], str(one[1]))):
            yield (*head, what, day.isoformat(), *rest)


def _infusions(plan: Plan) -> Iterator[tuple[Any, ...]]:
    """Numbered over all that a patient was given, so that the phase and the course of it are not told."""
    rows = Infusion.objects.filter(
        phase__course__patient__in=plan.names, status=InfusionStatus.GIVEN, day__isnull=False
    )
    counted: dict[int, int] = defaultdict(int)
    for patient, day in rows.order_by("day", "pk").values_list("phase__course__patient", "day").iterator(CHUNK):
        counted[patient] += 1
        yield patient, day, "infusion", counted[patient], "", None


def _scores(plan: Plan) -> Iterator[tuple[Any, ...]]:
    """On the days of the place where the patient is treated, as the infusions are."""
    rows = Assessment.objects.filter(
        patient__in=plan.names, struck_at=None, score__isnull=False, measure__in=ALL_LEADING
    )
    for patient, at, measure, score in rows.values_list("patient", "taken_at", "measure", "score").iterator(CHUNK):
        yield patient, at.astimezone(ZoneInfo(plan.zones[patient])).date(), "score", None, measure, score
