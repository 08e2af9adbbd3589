"""A given series with scores, for tests about outcomes: T-MWF6 from Mon 2027-04-05 in New York, PHQ-9 by default.

Infusions stand on 5, 7, 9, 12, 14 and 16 April; scores are taken at 07:00, before the infusion of the day.
"""

from __future__ import annotations

from datetime import date

from courses.tests.series_kit import Booked, at, book
from patients.models import Assessment, AssessmentSource
from patients.services.assessments import record_assessment, strike_assessment

BEFORE = date(2027, 4, 1)
CHECK_INS = tuple(date(2027, 4, day) for day in (7, 9, 12, 14, 16, 17))
"""Each tells about the infusion before it: the last is the day after infusion 6."""


def put_score(
    booked: Booked,
    day: date,
    total: int,
    *,
    measure: str = "phq9",
    danger: int | None = None,
    clock: str = "07:00",
) -> Assessment:
    """One total on record, taken on ``day`` at ``clock``; ``danger`` answers the item about suicide."""
    moment = at(day, "13:00" if day == CHECK_INS[-1] and clock == "07:00" else clock)
    return record_assessment(
        patient=booked.patient,
        measure=measure,
        total=total,
        danger_answer=danger,
        taken_at=moment,
        source=AssessmentSource.STAFF,
        by=booked.nurse,
        location=booked.clinic.location,
        now=moment,
    )


def course_with(baseline: int | None, *after: int, booked: Booked | None = None, measure: str = "phq9") -> Booked:
    """As many infusions given as there are scores after them."""
    booked = booked or book()
    for row in Assessment.objects.filter(patient=booked.patient, measure="phq9"):  # readiness asked for one
        reason = "Not part of this test"
        strike_assessment(
            patient_id=booked.patient.pk, assessment_id=row.pk, reason=reason, by=booked.nurse, now=at(BEFORE)
        )
    booked.give(*range(1, len(after) + 1))
    if baseline is not None:
        put_score(booked, BEFORE, baseline, measure=measure)
    for day, total in zip(CHECK_INS, after, strict=False):
        put_score(booked, day, total, measure=measure)
    return booked
