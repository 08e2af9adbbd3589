"""Where a patient belongs, and whose record each address of this package opens (clinic.edge.reach)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet

from clinic.edge.reach import Addresses, Bound, Open, as_standing, with_homes
from clinic.models import User
from patients.models import Consultation, ConsultationRequest, Patient

PATIENT = Bound("patients.Patient", "resource_id")
OTHER = Bound("patients.Patient", "resource_id", by="other_pk")
OF_PATIENT = Bound("patients.Patient", "resource_id", by="patient_id")
ASKED_PATIENT = Bound("patients.Patient", "resource_id", by="patient", asked=True)
REQUEST = Bound("patients.ConsultationRequest", "patient__resource_id", "location_id")
CONSULTATION = Bound("patients.Consultation", "patient__resource_id", "location_id")
BOOKING = Bound("clinic.Booking", "subject_id", "location_id", by="booking_id")
MESSAGE = Bound("patients.Message", "patient__resource_id", "location_id")
RULE = Bound("patients.MessageRule", place="location_id", by="rule_id")
AT_LOCATION = Bound("clinic.Location", place="pk", by="location_pk")
HERE = Open("a list of the locations that its reader reaches")
REDUCED = Open("finds everybody, so that nobody is registered twice; of other locations only who it is and where")

ADDRESSES: Addresses = (
    (r"patients:merge_compare", (PATIENT, OTHER)),
    (
        r"patients:merge_undo",
        (Bound("patients.Merge", "kept__resource_id"), Bound("patients.Merge", "duplicate__resource_id")),
    ),
    (r"patients:(list|quick|quick_add|add|duplicates)", REDUCED),
    (
        r"patients:import.*",
        Open("shows the rows of a file; whoever reaches some locations only sees their own imports alone"),
    ),
    (r"patients:.*", (PATIENT,)),
    (r"retention:program", (AT_LOCATION,)),
    (r"retention:.*", Open("the terms of the whole clinic, for managers; what is due or was given out, by number")),
    (r"consents:(document|scan|withdraw)", (Bound("patients.Consent", "patient__resource_id", by="consent_id"),)),
    (r"consents:.*", (PATIENT,)),
    (r"measures:(result|strike)", (Bound("patients.Assessment", "patient__resource_id"),)),
    (r"measures:.*", (PATIENT,)),
    (r"alerts:(list|count)", HERE),
    (r"alerts:.*", (Bound("patients.DangerAlert", "patient__resource_id", "location_id"),)),
    (r"outbox:(list|calls|answers)", HERE),
    (r"outbox:handle", (Bound("patients.IncomingMessage", "patient__resource_id", "location_id"),)),
    (r"outbox:.*", (MESSAGE,)),
    (r"rules:setup", HERE),
    (r"rules:(list|copy)", (AT_LOCATION, Bound("clinic.Location", place="pk", by="to", asked=True))),
    (r"rules:(rule|preview|patients)", (RULE, ASKED_PATIENT)),
    (r"rules:.*", (RULE,)),
    (r"intake:(board|closed|add|setup)", HERE),
    (
        r"intake:slots",
        (
            ASKED_PATIENT,
            Bound("patients.Patient", "resource_id", by="who", asked=True),
            Bound("patients.ConsultationRequest", "patient__resource_id", "location_id", by="request", asked=True),
            Bound("clinic.Booking", "subject_id", "location_id", by="move", asked=True),
        ),
    ),
    (r"intake:request_link", (REQUEST, ASKED_PATIENT)),
    (r"intake:request.*", (REQUEST,)),
    (r"intake:(booked|consultation_of_booking)", (BOOKING,)),
    (r"intake:consultations", (PATIENT,)),
    (r"intake:(consultation_start|treatment_.*|vitals_add|pregnancy_add|observation_strike)", (OF_PATIENT,)),
    (r"intake:decision", (Bound("patients.ScreeningDecision", "patient__resource_id"),)),
    (r"intake:price_.*", (Bound("patients.PriceItem", place="location_id", by="price_id"),)),
    (r"intake:(settings|prices|consent_texts|consent_text_start)", (AT_LOCATION,)),
    (r"intake:consent_text.*", (Bound("patients.ConsentText", place="location_id", by="text_id"),)),
    (r"intake:(consultation.*|screening.*|decide)", (CONSULTATION,)),
)


# -- where a patient belongs -------------------------------------------------------------------------------------------
def record_of(subject: OuterRef) -> QuerySet[Patient, Any]:
    """The record itself, with its home location."""
    return Patient.objects.filter(resource=subject)


def consultations_of(subject: OuterRef) -> QuerySet[Consultation, Any]:
    return Consultation.objects.filter(patient__resource=subject)


def requests_of(subject: OuterRef) -> QuerySet[ConsultationRequest, Any]:
    return ConsultationRequest.objects.filter(patient__resource=subject)


# -- lists and search --------------------------------------------------------------------------------------------------
def mark_reach(patients: Iterable[Patient], *, person: User, now: datetime) -> None:
    """Patients whom this person does not reach say where they belong (``Patient.elsewhere``).

    One query, of the ids alone, so that patients loaded in part serve too; none for whoever reaches every location.
    """
    if person.reach is None:
        return
    by_id = {patient.pk: patient for patient in patients}
    rows = Patient.objects.filter(pk__in=by_id).annotate(subject_=F("resource_id"))
    for row in with_homes(rows, person, now, "pk"):
        found = as_standing(row, person)
        if not found.is_reached:
            by_id[row["pk"]].elsewhere = found.where
