"""A course whose series is over and helped, and whose scores come back: T-MWF6 from Mon 2027-04-05, baseline 18, end 6."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from courses.models import ProtocolVersion
from courses.planning.proposals import answer
from courses.services.planning_input import build_instance, last_day_before, settings_from_version
from courses.services.series import book_series
from courses.tests.series_kit import Booked, april, at, book
from patients.models import Assessment
from patients.tests.intake_kit import make_score

MAY_3 = date(2027, 5, 3)
NOW = at(MAY_3, "12:00")  # the second score is there since this morning


def score(booked: Booked, day: date, value: float, **fields: Any) -> Assessment:
    """A PHQ-9 at nine in the morning."""
    return make_score(booked.patient, "phq9", value, booked.nurse, at(day, "09:00"), **fields)


def helped(**known: Any) -> Booked:
    """The series is given, from 18 to 6; nothing since."""
    booked = book(**known)
    booked.give(1, 2, 3, 4, 5, 6)
    score(booked, april(19), 6)
    return booked


def come_back(**known: Any) -> Booked:
    """12 on Mon 26 April and 13 on Mon 3 May: back at 10 or more, twice, 7 days apart."""
    booked = helped(**known)
    score(booked, april(26), 12)
    score(booked, MAY_3, 13)
    return booked


def maintain(booked: Booked, *, slug: str = "M-W4", now: datetime = NOW) -> None:
    """The next phase by a shipped protocol of maintenance, booked at its first free times."""
    version = (
        ProtocolVersion.objects.prefetch_related("steps")
        .select_related("protocol")
        .get(protocol__slug=slug, status="published")
    )
    place = booked.clinic.location
    first = place.local(now).date() + timedelta(days=1)
    settings = settings_from_version(version, location=place, not_before=first)
    before = last_day_before(booked.course)
    instance = build_instance(settings, patient=booked.patient, now=now, location=place, before=before)
    placed = answer(instance).proposals[0].placed
    overrides = {one.number: "Asked for by the patient" for one in placed}
    book_series(
        patient=booked.patient,
        settings=settings,
        placed=placed,
        indication=booked.course.indication,
        prescriber=booked.clinician,
        by=booked.clinician,
        now=now,
        overrides=overrides,
    )
