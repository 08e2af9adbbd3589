"""Plain functions that make protocols and booked courses for a test: fixed, speaking values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from clinic.tests.factories import Clinic
from courses.models import Course, Protocol, ProtocolStep, ProtocolVersion, VersionStatus
from courses.planning.proposals import answer
from courses.planning.settings import PlanSettings
from courses.planning.types import Placed, Wishes
from courses.services.planning_input import build_instance, settings_from_version
from courses.services.series import book_series
from patients.models import Patient
from patients.pure.indications import Indication
from patients.tests.intake_kit import make_ready

LONG_BEFORE = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
THREE_A_WEEK = {"weekdays": [0, 2, 4], "min_gap_days": 2, "max_gap_days": 4}


def make_protocol_version(
    slug: str = "T-TEST6", *, kind: str = "initial", n: int = 6, step: dict[str, Any] | None = None, **fields: Any
) -> ProtocolVersion:
    """A published version with one step, Monday-Wednesday-Friday with gaps of 2 to 4 days unless said otherwise."""
    protocol = Protocol.objects.create(slug=slug, phase_kind=kind)
    values = {"title": slug, "n_min": 1, "n_default": n, "n_max": max(n, 8), "created_at": LONG_BEFORE} | fields
    version = ProtocolVersion.objects.create(protocol=protocol, **values)
    ProtocolStep.objects.create(version=version, count=n, **(step or THREE_A_WEEK))
    ProtocolVersion.objects.filter(pk=version.pk).update(status=VersionStatus.PUBLISHED, published_at=LONG_BEFORE)
    version.refresh_from_db()
    return version


def make_settings(
    clinic: Clinic, version: ProtocolVersion, first: date, *, start_min: int | None = 600
) -> PlanSettings:
    """The version's own settings, near 10:00 unless said otherwise."""
    settings = settings_from_version(version, location=clinic.location, not_before=first)
    return replace(settings, wishes=Wishes(preferred_min=start_min))


def make_plan(
    settings: PlanSettings, patient: Patient, *, now: datetime = LONG_BEFORE, **known: Any
) -> tuple[Placed, ...]:
    """The best proposal for these settings."""
    return answer(build_instance(settings, patient=patient, now=now, **known)).proposals[0].placed


def make_course(clinic: Clinic, patient: Patient, settings: PlanSettings, **known: Any) -> Course:
    """A course with its series booked, through the service, for a patient who is ready unless said otherwise."""
    values: dict[str, Any] = {
        "indication": Indication.TRD.value,
        "now": LONG_BEFORE,
        "prescriber": clinic.clinician,
        "by": clinic.clinician,
    } | known
    placed = values.pop("placed", None) or make_plan(settings, patient)
    if values.pop("is_ready", True):
        make_ready(patient, values["indication"], clinic.location, clinic.clinician, values["now"])
    return book_series(patient=patient, settings=settings, placed=placed, **values)
