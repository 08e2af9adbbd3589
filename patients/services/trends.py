"""Scores over time: the points of a chart with its table, and the small card of the patient's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject
from django.urls import reverse

from clinic.models import Location
from patients.models import Assessment, Patient
from patients.pure.measures import MEASURES, ChangeSeen, Flag, Measure, change_between
from patients.pure.measures.trend import Spark, Window, percent_change, spark, windows
from patients.services.assessments import flags_of
from patients.services.panels import Mark, TimelineEntry

MOST_POINTS = 200
"""A chart and its table show at most so many of the latest assessments."""
CARD_MEASURE = "phq9"
CARD_READ = 120


@dataclass(frozen=True, slots=True)
class Point:
    """One assessment on a chart and in its table."""

    row: Assessment
    local: datetime
    window: Window
    change: ChangeSeen | None  # since the score before
    from_first: ChangeSeen | None
    percent: Decimal | None  # lower than the first score, in percent
    infusion: Mark | None  # the last one before it

    @property
    def percent_words(self) -> str:
        """In words, "30.0 % lower" or "5.3 % higher"; empty where it says nothing."""
        if self.percent is None or self.percent == 0:
            return ""
        return f"{abs(self.percent)} % {'lower' if self.percent > 0 else 'higher'}"

    @property
    def has_danger(self) -> bool:
        return bool(flags_of(self.row) & {Flag.PHQ9_ITEM9, Flag.SUICIDE_ITEM, Flag.CSSRS_MODERATE, Flag.CSSRS_HIGH})


def scores_of(patient: Patient, measure: str) -> QuerySet[Assessment]:
    """Assessments of this measure that count and have a score, the latest first."""
    return (
        Assessment.objects.valid()
        .filter(patient=patient, measure=measure, score__isnull=False)
        .order_by("-taken_at", "-id")
    )


def points_of(
    patient: Patient, measure: Measure, place: Location, marks: Sequence[Mark], *, rule: str = ""
) -> list[Point]:
    """The latest assessments that count, the earliest first; those without a score are among them.

    Args:
        rule: the key of the change that matters; empty: the default of the measure.
    """
    rows = Assessment.objects.valid().filter(patient=patient, measure=measure.code).order_by("-taken_at", "-id")
    return with_changes(measure, list(rows[:MOST_POINTS])[::-1], place, marks, rule=rule)


def with_changes(
    measure: Measure, rows: Sequence[Assessment], place: Location, marks: Sequence[Mark], *, rule: str = ""
) -> list[Point]:
    """Rows, the earliest first, with how far each has moved and which windows overlap."""
    days = [place.local(row.taken_at).date() for row in rows]
    labels = windows(days, [mark.day for mark in marks], measure.recall_days)
    first = next((row.score for row in rows if row.score is not None), None)
    found, before = [], None
    for row, day, window in zip(rows, days, labels, strict=True):
        found.append(
            Point(
                row=row,
                local=place.local(row.taken_at),
                window=window,
                change=_change(measure, before, row.score, rule),
                from_first=_change(measure, first, row.score, rule) if before is not None else None,
                percent=percent_change(first, row.score)
                if before is not None and first and row.score is not None
                else None,
                infusion=_last_before(marks, day),
            )
        )
        before = row.score if row.score is not None else before
    return found


def chart_facts(measure: Measure, points: Sequence[Point], marks: Sequence[Mark]) -> dict[str, Any]:
    """What ``static/js/trend.js`` draws: plain numbers and words, times as clock times of the location."""
    scored = [point for point in points if point.row.score is not None]
    days = [point.local.date() for point in scored]
    return {
        "name": measure.short_name,
        "low": measure.minimum,
        "high": measure.maximum,
        "bands": [{"low": band.low, "high": band.high, "name": band.name} for band in measure.bands],
        "lines": [{"at": cut.value, "name": cut.words} for cut in measure.cuts],
        "remission": measure.remission_max,
        "points": [
            {
                "at": point.local.strftime("%Y-%m-%dT%H:%M:00"),
                "score": float(point.row.score or 0),
                "band": point.row.band,
                "window": point.window.value,
                "danger": point.has_danger,
                "prorated": point.row.is_prorated,
            }
            for point in scored
        ],
        "marks": [
            {"at": mark.day.isoformat(), "short": mark.short, "label": mark.label}
            for mark in marks
            if days and days[0] <= mark.day <= max(days[-1], marks[-1].day)
        ],
    }


# -- the patient's page ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Card:
    """The latest score of the leading measure at a glance."""

    measure: Measure
    points: tuple[Point, ...]  # with a score, the earliest first
    drawing: Spark
    open_item: Assessment | None  # the latest, when its item about suicide was left out

    @property
    def latest(self) -> Point | None:
        return self.points[-1] if self.points else None


FACTS = ("id", "measure", "taken_at", "source", "score", "band", "is_prorated")


def score_facts() -> dict[str, Any]:
    """Annotations for the query that reads the patient: the latest assessments that count, the latest first."""
    rows = Assessment.objects.valid().filter(patient=OuterRef("pk")).order_by("-taken_at", "-id")
    facts = JSONObject(**{name: name for name in FACTS}, flags="detail__flags")
    return {"score_facts": ArraySubquery(rows.values(row=facts)[:CARD_READ])}


def assessments_in(rows: Iterable[Mapping[str, Any]]) -> list[Assessment]:
    """What `score_facts` brought along, as assessments without their answers; not to be saved."""
    return [
        Assessment(
            **{name: row[name] for name in FACTS if name not in {"taken_at", "score"}},
            taken_at=datetime.fromisoformat(row["taken_at"]),
            score=None if row["score"] is None else Decimal(str(row["score"])),
            detail={"flags": row["flags"] or []},
        )
        for row in rows
    ]


def has_score(rows: Iterable[Assessment]) -> bool:
    """Whether a score of the leading measure is on record: all that those may know who read no answers."""
    return any(row.measure == CARD_MEASURE and row.score is not None for row in rows)


def card_of(rows: Sequence[Assessment], place: Location, marks: Sequence[Mark]) -> Card:
    """The card of the leading measure, from what `assessments_in` gave."""
    one = MEASURES[CARD_MEASURE]
    mine = [row for row in rows if row.measure == one.code][::-1]
    scored = [row for row in mine if row.score is not None]
    points = with_changes(one, scored, place, marks)
    drawing = spark(
        [(point.local.date(), point.row.score) for point in points if point.row.score is not None],
        [mark.day for mark in marks],
        low=one.minimum,
        high=one.maximum,
        edges=[band.low for band in one.bands[1:]],
        width=640,
    )
    unasked = mine[-1] if mine and Flag.DANGER_ITEM_UNANSWERED in flags_of(mine[-1]) else None
    return Card(one, tuple(points), drawing, unasked)


def timeline_entries(rows: Sequence[Assessment]) -> list[TimelineEntry]:
    """Each assessment in the timeline of the patient's page."""
    return [_entry(row) for row in rows]


def _entry(row: Assessment) -> TimelineEntry:
    one = MEASURES.get(row.measure)
    name = one.short_name if one else row.measure
    score = f" {row.score.normalize():f}" if row.score is not None else ""
    band = f", {row.band.lower()}" if row.band else ""
    text = row.get_source_display() if row.score is not None or row.band else "No score: something was not answered"
    return TimelineEntry(
        row.taken_at, "clipboard-data", f"{name}{score}{band}", text, reverse("measures:result", args=[row.pk])
    )


def _change(measure: Measure, before: Decimal | None, now: Decimal | None, rule: str) -> ChangeSeen | None:
    return None if before is None or now is None else change_between(measure.code, before, now, rule=rule)


def _last_before(marks: Sequence[Mark], day: date) -> Mark | None:
    """A score of the day of an infusion is taken at check-in: it tells about the one before (clinical.md E4)."""
    return next((mark for mark in reversed(marks) if mark.day < day), None)
