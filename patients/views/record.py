"""What each page about one patient begins with: the record, read once and logged, and the head above all tabs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Exists, F, OuterRef, Value, When
from django.db.models.functions import Coalesce, Concat, JSONObject
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from clinic.edge.access import staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.models import BookingStatus
from clinic.models.bookings import RELEASED_STATUSES
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.models import (
    Allergy,
    Consent,
    Consultation,
    Erasure,
    IntakeSettings,
    Medicine,
    Patient,
    PatientStatus,
    Phone,
    Problem,
    TreatedCondition,
)
from patients.pure.background import ADULT_FROM_YEARS, BackgroundKind, says_none
from patients.pure.indications import INDICATION_LABELS, Indication
from patients.pure.interactions import BENZODIAZEPINE_LIMIT_MG
from patients.services.alerts import WaitingAlert, waiting_facts, waiting_in
from patients.services.background import Completeness, completeness, with_completeness

CONSULTATIONS_SHOWN = 4
TABS = (
    # name of the address, label, icon, who sees it (any of these)
    ("patients:detail", "Overview", "layout-dashboard", (Can.VIEW_PATIENT,)),
    ("patients:background", "Background", "stethoscope", (Can.VIEW_CLINICAL,)),
    ("intake:consultations", "Consultations", "notes", (Can.VIEW_CLINICAL,)),
    ("measures:patient", "Measures", "clipboard-data", (Can.VIEW_CLINICAL,)),
    ("consents:patient", "Consent", "signature", (Can.RECORD_CONSENT,)),
    ("patients:bookings", "Visits", "calendar", (Can.VIEW_PATIENT,)),
    ("patients:messages", "Messages", "messages", (Can.VIEW_MESSAGES,)),
    ("patients:history", "History", "history", (Can.VIEW_AUDIT, Can.EDIT_CLINICAL)),
    ("patients:privacy", "Privacy", "lock", (Can.ERASE_PATIENT, Can.EDIT_RETENTION)),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and the date on the clocks of the location at which this person works."""

    now: datetime
    today: date
    region: str


@dataclass(frozen=True, slots=True)
class Head:
    """The patient, and what stands above every tab. Clinical parts are empty for those who may not read them."""

    patient: Patient
    moment: Moment
    is_clinical: bool
    conditions: list[str]
    allergies: list[dict[str, str]]
    no_known_allergies: bool
    phones: list[dict[str, Any]]
    medicines: list[str]
    problems: list[str]
    completeness: Completeness
    benzodiazepine_limit_mg: int = BENZODIAZEPINE_LIMIT_MG
    consultations: list[dict[str, Any]] = field(default_factory=list)
    has_signed_record: bool | None = None  # of the latest consultation; None where there is none
    alerts: list[WaitingAlert] = field(default_factory=list)
    consent_until: date | None = None  # last day of the consent to treatment that holds here today
    tabs: list[tuple[str, str, str, bool]] = field(default_factory=list)

    @property
    def age(self) -> int:
        return self.patient.age_on(self.moment.today)

    @property
    def is_minor(self) -> bool:
        return self.age < ADULT_FROM_YEARS and self.patient.status != PatientStatus.DECEASED

    @property
    def is_active(self) -> bool:
        return self.patient.status == PatientStatus.ACTIVE

    @property
    def is_deceased(self) -> bool:
        return self.patient.status == PatientStatus.DECEASED


def moment_of(request: HttpRequest) -> Moment:
    """Now, here."""
    now, place = timezone.now(), current_location(request)
    return Moment(now, place.local(now).date() if place else now.date(), place.holiday_country if place else "US")


def open_record(
    request: HttpRequest, pk: int, *, tab: str, page: str, also: Mapping[str, Any] | None = None
) -> Head | HttpResponseBase:
    """The head of the record, its reading logged; or the way to the record that this one was merged into.

    Args:
        also: annotations that the page wants of the patient, read by the same query.
    """
    patient = get_object_or_404(_with_facts().annotate(**also or {}), pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, tab)
    if patient.is_erased:
        return erased(request, patient)
    moment = moment_of(request)
    record_reading(by=staff(request), subject_id=patient.resource_id, page=page, path=request.path, now=moment.now)
    return head_of(request, patient, moment, tab)


def erased(request: HttpRequest, patient: Patient) -> HttpResponse:
    """What stands where a record was: that it was erased, by whom and why, and nothing else."""
    erasure = Erasure.objects.select_related("by", "proposed_by").get(patient=patient)
    context = {"erasure": erasure, "removed": sum(erasure.counts["removed"].values())}
    return render(request, "patients/privacy/erased.html", context, status=410)


def head_of(request: HttpRequest, patient: Patient, moment: Moment, tab: str) -> Head:
    """The head of a patient that came through `_with_facts`."""
    is_clinical = staff(request).can(Can.VIEW_CLINICAL)
    facts: Any = patient
    none = [row for row in facts.allergy_facts if says_none(BackgroundKind.ALLERGY, row["description"])]
    return Head(
        patient=patient,
        moment=moment,
        is_clinical=is_clinical,
        conditions=[INDICATION_LABELS[Indication(name)] for name in facts.condition_facts] if is_clinical else [],
        allergies=[row for row in facts.allergy_facts if row not in none] if is_clinical else [],
        no_known_allergies=is_clinical and bool(none) and len(none) == len(facts.allergy_facts),
        medicines=facts.medicine_facts if is_clinical else [],
        benzodiazepine_limit_mg=_limit_here(request, facts.limit_facts),
        problems=facts.problem_facts if is_clinical else [],
        phones=facts.phone_facts,
        completeness=completeness(patient),
        consultations=[_consultation(row) for row in facts.consultation_facts] if is_clinical else [],
        has_signed_record=bool(facts.consultation_facts[0]["signed_at"]) if facts.consultation_facts else None,
        alerts=waiting_in(facts.alert_facts) if staff(request).can(Can.VIEW_ALERT) else [],
        consent_until=_consent_until(request, facts.consent_facts, moment.today),
        tabs=[
            (name, label, icon, name == tab)
            for name, label, icon, capabilities in TABS
            if any(staff(request).can(capability) for capability in capabilities)
        ],
    )


def _consent_until(request: HttpRequest, rows: list[dict[str, Any]], today: date) -> date | None:
    """As `patients.services.consents.current_consent` answers, from the facts that came with the patient."""
    place = current_location(request)
    here = [row for row in rows if place and row["location"] == place.pk]
    days = [(date.fromisoformat(row["signed_on"]), date.fromisoformat(row["expires_on"])) for row in here]
    return next((last for first, last in days if first <= today <= last), None)


def _limit_here(request: HttpRequest, rows: list[dict[str, int]]) -> int:
    place = current_location(request)
    return next((row["limit"] for row in rows if place and row["location"] == place.pk), BENZODIAZEPINE_LIMIT_MG)


def _consultation(row: dict[str, Any]) -> dict[str, Any]:
    """A consultation as the overview names it; ``state`` is one of booked, ended, draft, signed."""
    status = BookingStatus(row["status"]) if row["status"] else None
    state = "signed" if row["signed_at"] else "draft"
    if state == "draft" and status in RELEASED_STATUSES:
        state = "ended"
    elif state == "draft" and status is not None and row["version"] == 1:
        state = "booked"
    return row | {
        "held": datetime.fromisoformat(row["held"]),
        "signed_at": datetime.fromisoformat(row["signed_at"]) if row["signed_at"] else None,
        "indication": INDICATION_LABELS[Indication(row["indication"])] if row["indication"] else "",
        "state": state,
        "status": status.label if status else "",
    }


def to_kept(request: HttpRequest, patient: Patient, tab: str) -> HttpResponseBase:
    """The same tab of the record that this one was merged into, which says so."""
    messages.info(request, f"MRN {patient.mrn} was merged into this record.")
    return go(request, tab, patient.merged_into_id)


def _with_facts() -> Any:  # noqa: ANN401 (a queryset with annotations, for which there is no type)
    """Patients with phones, conditions and current allergies in the same query: the head costs one query, not four."""
    mine = {"patient": OuterRef("pk")}
    phones = Phone.objects.filter(**mine).values(row=JSONObject(number="number", kind="kind", is_primary="is_primary"))
    allergies = Allergy.objects.filter(**mine, ended_on__isnull=True).values(
        row=JSONObject(description="description", severity="severity", reaction="reaction")
    )
    dose = Case(When(dose="", then=F("description")), default=Concat("description", Value(", "), "dose"))
    medicines = Medicine.objects.filter(**mine, ended_on__isnull=True).annotate(words=dose).values("words")
    problems = Problem.objects.filter(**mine, ended_on__isnull=True).values("description")
    consultations = Consultation.objects.filter(**mine).annotate(
        held=Coalesce(F("booking__span__startswith"), F("created_at")), status=F("booking__status")
    )
    facts = JSONObject(
        id="id",
        held="held",
        indication="indication",
        signed_at="signed_at",
        version="version",
        status="status",
        clinician=Concat("clinician__first_name", Value(" "), "clinician__last_name"),
    )
    standing = Consent.objects.filter(**mine, withdrawn_at__isnull=True).values(
        row=JSONObject(signed_on="signed_on", expires_on="expires_on", location="text__location_id")
    )
    latest = consultations.order_by("-held", "-id").values(row=facts)[:CONSULTATIONS_SHOWN]
    rows = with_completeness(Patient.objects.select_related("resource", "home_location"))
    return rows.annotate(
        phone_facts=ArraySubquery(phones),
        allergy_facts=ArraySubquery(allergies),
        medicine_facts=ArraySubquery(medicines),
        problem_facts=ArraySubquery(problems),
        alert_facts=ArraySubquery(waiting_facts("pk")),
        consultation_facts=ArraySubquery(latest),
        consent_facts=ArraySubquery(standing),
        is_erased=Exists(Erasure.objects.filter(**mine)),
        condition_facts=ArraySubquery(TreatedCondition.objects.filter(**mine).values("indication")),
        limit_facts=ArraySubquery(
            IntakeSettings.objects.values(row=JSONObject(location="location_id", limit="benzodiazepine_limit_mg"))
        ),
    )
