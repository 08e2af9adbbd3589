"""A series on its way with scores, and its review, for tests about reviews. Fixed dates of April 2027."""

from __future__ import annotations

from datetime import datetime, timedelta

from courses.models import Task, TaskKind
from courses.services.worklists.engine import Swept, sweep
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.intake_kit import make_score

NOW = at(april(14))  # Wednesday
REVIEWS = (TaskKind.REVIEW,)


def swept(booked: Booked, now: datetime = NOW) -> Swept:
    return sweep(now, course_id=booked.course.pk, kinds=REVIEWS)


def open_review(booked: Booked, now: datetime = NOW) -> Task:
    swept(booked, now)
    return Task.objects.open().get(course=booked.course, kind=TaskKind.REVIEW)


def keys(booked: Booked) -> list[str]:
    """The keys without the number of the phase, in the order in which they were opened."""
    phase = booked.series.phase.pk
    tasks = Task.objects.filter(course=booked.course, kind=TaskKind.REVIEW).order_by("pk")
    return [task.key.removeprefix(f"review:{phase}:") for task in tasks]


def scored(booked: Booked, baseline: int | None, *scores: int | None) -> None:
    """PHQ-9 the day before infusion 1, and the morning after each given infusion."""
    values = booked.series.given
    if baseline is not None:
        make_score(booked.patient, "phq9", baseline, booked.nurse, at(values[1].day - timedelta(days=1), "09:00"))
    for number, score in enumerate(scores, 1):
        if score is not None:
            when = at(values[number].day + timedelta(days=1), "08:30")
            make_score(booked.patient, "phq9", score, booked.nurse, when)


def given_four(*scores: int | None) -> Booked:
    """T-MWF6 from Mon 5 April, four given; 14 and 16 April are booked."""
    booked = book()
    booked.give(1, 2, 3, 4)
    if scores:
        scored(booked, *scores)
    return booked
