"""What makes a patient ready to start, written straight into the tables: fixed, speaking values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clinic.models import Location, User
from patients.models import (
    Assessment,
    AssessmentSource,
    Consent,
    ConsentText,
    Consultation,
    DecisionOutcome,
    Patient,
    ScreeningDecision,
    SigningMethod,
    VitalSigns,
)
from patients.pure.indications import Indication
from patients.pure.readiness import BASELINES

VALID = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Ready:
    """The rows that say so."""

    consent: Consent
    consultation: Consultation
    decision: ScreeningDecision
    baseline: Assessment
    pressure: VitalSigns


def make_ready(patient: Patient, indication: str, location: Location, by: User, now: datetime) -> Ready:
    """Nothing is missing any more for a series that begins within 14 days of ``now``."""
    consultation = make_held_consultation(patient, location, by, now)
    return Ready(
        consent=make_consent(patient, location, by, now),
        consultation=consultation,
        decision=make_decision(patient, indication, by, now, consultation=consultation),
        baseline=make_score(patient, BASELINES[Indication(indication)][0], 18, by, now),
        pressure=make_pressure(patient, 128, 82, by, now),
    )


def make_consent(patient: Patient, location: Location, by: User, now: datetime, **fields: Any) -> Consent:
    """Signed on the day of ``now``, valid for a year."""
    text, _ = ConsentText.objects.get_or_create(
        location=location,
        version=1,
        defaults={"title": "Consent to ketamine", "body": "Off-label.", "created_at": now, "published_at": now},
    )
    day = location.local(now).date()
    values = {
        "method": SigningMethod.SCREEN,
        "signed_on": day,
        "expires_on": day + VALID,
        "signer_name": patient.name,
        "recorded_at": now,
        "recorded_by": by,
    } | fields
    return Consent.objects.create(patient=patient, text=text, **values)


def make_held_consultation(
    patient: Patient, location: Location, by: User, now: datetime, **fields: Any
) -> Consultation:
    """A consultation at which the escort was explained and a pregnancy ruled out."""
    values = {
        "clinician": by,
        "created_by": by,
        "created_at": now,
        "escort_understood": True,
        "can_be_pregnant": "no",
    } | fields
    return Consultation.objects.create(patient=patient, location=location, **values)


def make_decision(patient: Patient, indication: str, by: User, now: datetime, **fields: Any) -> ScreeningDecision:
    """Fit to start, for a year."""
    values = {
        "outcome": DecisionOutcome.FIT,
        "pressure_profile": "default",
        "signed_at": now,
        "signed_by": by,
        "expires_on": (now + VALID).date(),
    } | fields
    return ScreeningDecision.objects.create(patient=patient, indication=indication, **values)


def make_score(
    patient: Patient, measure: str, score: float | None, by: User | None, at: datetime, **fields: Any
) -> Assessment:
    values = {"source": AssessmentSource.STAFF, "recorded_at": at, "recorded_by": by} | fields
    return Assessment.objects.create(patient=patient, measure=measure, score=score, taken_at=at, **values)


def make_pressure(patient: Patient, systolic: int, diastolic: int, by: User, at: datetime, **fields: Any) -> VitalSigns:
    values = {"recorded_at": at, "recorded_by": by} | fields
    return VitalSigns.objects.create(
        patient=patient, systolic_mmhg=systolic, diastolic_mmhg=diastolic, measured_at=at, **values
    )
