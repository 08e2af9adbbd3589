"""Plain functions that make patients for a test: fixed, speaking values, and everything can be said differently."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from clinic.models import Location, Resource, ResourceKind, User
from patients.models import (
    Allergy,
    Consent,
    ConsentText,
    Consultation,
    ConsultationRequest,
    DangerAnswer,
    Medicine,
    Patient,
    Phone,
    PreviousTreatment,
    Problem,
    SigningMethod,
    TreatedCondition,
    Unavailability,
    VitalSigns,
)
from patients.pure.indications import Indication
from patients.services.search import refresh_search

REGISTERED = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
ASKED = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
FIRST_TEST_MRN = 20001
"""Far from the numbers that the clinic's own sequence gives out (from 10001)."""


def make_patient(
    given_name: str = "Ada",
    family_name: str = "Okafor",
    *,
    mrn: str = "",
    phones: Iterable[str] = (),
    conditions: Iterable[Indication] = (),
    **fields: Any,
) -> Patient:
    """A patient who can be booked and found, 41 years old in January 2027 unless `birth_date` says otherwise.

    Args:
        phones: numbers in E.164, the first is the primary one, for example "+12125550123".
        conditions: what this clinic treats the patient for.
    """
    mrn = mrn or str(FIRST_TEST_MRN + Resource.objects.filter(kind=ResourceKind.PATIENT).count())
    values = {"birth_date": date(1985, 3, 14), "created_at": REGISTERED} | fields
    patient = Patient.objects.create(
        resource=Resource.objects.create(kind=ResourceKind.PATIENT, name=f"MRN {mrn}"),
        mrn=mrn,
        given_name=given_name,
        family_name=family_name,
        **values,
    )
    for number in phones:
        make_phone(patient, number)
    for indication in conditions:
        make_condition(patient, indication)
    refresh_search([patient])
    return patient


def make_phone(patient: Patient, number: str = "+12125550123", **fields: Any) -> Phone:
    """One more number of the patient; the first is the primary one."""
    values = {"is_primary": not patient.phones.exists()} | fields
    phone = Phone.objects.create(patient=patient, number=number, **values)
    refresh_search([patient])
    return phone


def make_condition(patient: Patient, indication: Indication = Indication.TRD, **fields: Any) -> TreatedCondition:
    return TreatedCondition.objects.create(patient=patient, indication=indication, **fields)


def make_allergy(patient: Patient, description: str = "Latex", **fields: Any) -> Allergy:
    return Allergy.objects.create(patient=patient, description=description, **fields)


def make_problem(patient: Patient, description: str = "Hypertension", **fields: Any) -> Problem:
    return Problem.objects.create(patient=patient, description=description, **fields)


def make_medicine(patient: Patient, description: str = "Sertraline", **fields: Any) -> Medicine:
    return Medicine.objects.create(patient=patient, description=description, **({"dose": "100 mg once a day"} | fields))


def make_unavailability(
    patient: Patient, first_day: date, last_day: date | None = None, **fields: Any
) -> Unavailability:
    """The patient cannot come from the first to the last day (one day unless said otherwise)."""
    return Unavailability.objects.create(patient=patient, first_day=first_day, last_day=last_day or first_day, **fields)


def make_request(
    location: Location, given_name: str = "Iris", family_name: str = "Calloway", **fields: Any
) -> ConsultationRequest:
    """A request of the web page, new since Thursday 7 January 2027, 10:00 in New York, with a phone number."""
    values: dict[str, Any] = {
        "submission": uuid4(),
        "received_at": ASKED,
        "status_since": ASKED,
        "phone": "+12125550177",
        "may_phone": True,
        "danger": DangerAnswer.NO,
    } | fields
    return ConsultationRequest.objects.create(
        location=location, given_name=given_name, family_name=family_name, **values
    )


# --- consent ----------------------------------------------------------------------------------------------------------
def make_consent_text(location: Location, *, version: int = 1, is_published: bool = True, **fields: Any) -> ConsentText:
    """One version of the location's consent text, published on the day the registry began unless said otherwise."""
    values = {
        "title": "Consent to ketamine infusions",
        "body": f"This use is off-label.\n\n## Risks\n\n- Bladder\n- Memory\n\nVersion {version}.\n",
        "created_at": REGISTERED,
        "published_at": REGISTERED if is_published else None,
    }
    return ConsentText.objects.create(location=location, version=version, **(values | fields))


def make_consent(patient: Patient, text: ConsentText, *, by: User, signed_on: date, **fields: Any) -> Consent:
    """A consent that the patient signed on screen with three strokes; valid for 365 days unless said otherwise."""
    values = {
        "method": SigningMethod.SCREEN,
        "signer_name": patient.legal_name,
        "signature": [[[100, 500], [300, 200], [500, 800]], [[600, 500], [900, 400]]],
        "recorded_at": datetime.combine(signed_on, REGISTERED.time(), tzinfo=UTC),
        "recorded_by": by,
        "expires_on": signed_on + timedelta(days=365),
    }
    return Consent.objects.create(patient=patient, text=text, signed_on=signed_on, **(values | fields))


# --- consultations ----------------------------------------------------------------------------------------------------
def make_consultation(patient: Patient, location: Location, clinician: User, **fields: Any) -> Consultation:
    """A record that the clinician began on Thu 7 Jan 2027, 10:00 in New York, with nothing in it."""
    values = {"created_at": datetime(2027, 1, 7, 15, 0, tzinfo=UTC), "created_by": clinician} | fields
    return Consultation.objects.create(patient=patient, location=location, clinician=clinician, **values)


def make_previous_treatment(patient: Patient, name: str = "Sertraline", **fields: Any) -> PreviousTreatment:
    """A medicine that was taken long enough and did not help."""
    values = {"dose": "150 mg", "duration_weeks": 12, "adequate": "yes", "outcome": "none"} | fields
    return PreviousTreatment.objects.create(patient=patient, name=name, **values)


def make_vitals(patient: Patient, by: User, **fields: Any) -> VitalSigns:
    """82.4 kg, 132/84 mmHg, 78 a minute, on Thu 7 Jan 2027."""
    at = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
    values = {
        "measured_at": at,
        "recorded_at": at,
        "weight_kg": Decimal("82.4"),
        "systolic_mmhg": 132,
        "diastolic_mmhg": 84,
        "heart_rate_bpm": 78,
    }
    return VitalSigns.objects.create(patient=patient, recorded_by=by, **(values | fields))
