"""Courses written straight into the tables, for tests of what follows them: quick where a test needs many."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from clinic.tests.factories import Clinic
from courses.models import Course, Infusion, Phase, ProtocolVersion
from courses.tests.factories import LONG_BEFORE, make_protocol_version
from patients.models import Patient

MINUTES = {"preparation_min": 15, "infusion_min": 40, "observation_min": 60, "turnaround_min": 15}


def make_plain_course(clinic: Clinic, patient: Patient, given: Iterable[date] = (), **fields: Any) -> Course:
    """A course for depression in treatment, its series given on these days. No visit stands behind an infusion."""
    values = {
        "indication": "trd",
        "location": clinic.location,
        "prescriber": clinic.clinician,
        "status": "active",
        "created_at": LONG_BEFORE,
        "created_by": clinic.clinician,
    } | fields
    course = Course.objects.create(patient=patient, **values)
    add_phase(course, given)
    return course


def add_phase(course: Course, days: Iterable[date], *, kind: str = "initial", status: str = "given") -> Phase:
    """One more phase with infusions on these days."""
    dates = list(days)
    slug = f"T-{kind.upper()}"
    version = ProtocolVersion.objects.filter(protocol__slug=slug).first() or make_protocol_version(slug, kind=kind)
    phase = Phase.objects.create(
        course=course,
        kind=kind,
        position=course.phases.count() + 1,
        protocol_version=version,
        n_planned=max(len(dates), 1),
        **MINUTES,
    )
    for number, day in enumerate(dates, 1):
        Infusion.objects.create(phase=phase, number=number, status=status, day=day)
    return phase
