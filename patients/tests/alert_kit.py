"""Danger signals for a test, written straight into the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clinic.models import Location
from patients.models import AlertKind, Assessment, DangerAlert, Patient
from patients.tests.intake_kit import make_score

DETAIL = "Item 9: several days"


def make_alert(patient: Patient, location: Location, at: datetime, **fields: Any) -> DangerAlert:
    """Item 9 of a PHQ-9 that the patient answered then."""
    answered: Assessment = fields.pop("assessment", None) or make_score(patient, "phq9", 14, None, at)
    values = {"kind": AlertKind.PHQ9_ITEM9, "detail": DETAIL, "raised_at": at} | fields
    return DangerAlert.objects.create(location=location, patient=patient, assessment=answered, **values)
