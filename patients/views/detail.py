"""The patient's page: overview, visits, history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.lists import listing
from clinic.models import AccessLog, Booking, BookingKind, BookingStatus
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from patients.models import Merge, Patient, Unavailability
from patients.pure.evidence import SEVERITY_LABELS, Severity
from patients.pure.interactions import Drug, interactions_of
from patients.services.availability import falls_into
from patients.services.history import Change, changes_of
from patients.services.messages.outbox import told_facts
from patients.services.panels import Concern, Level, TimelineEntry, marks_for, panels_for, timeline_for
from patients.services.trends import Card, assessments_in, card_of, has_score, score_facts, timeline_entries
from patients.views.record import Head, open_record

VISITS_READ = 80
CHANGES_ON_TIMELINE = 20
CHANGES_IN_HISTORY = 100
READINGS_IN_HISTORY = 50
CONFIRM_WITHIN = timedelta(hours=48)


@require_GET
@requires(Can.VIEW_PATIENT)
def detail(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Who this is, what is next, what is wrong; the timeline below."""
    head = open_record(request, pk, tab="patients:detail", page="Patient record", also=score_facts() | told_facts())
    if isinstance(head, HttpResponseBase):
        return head
    patient = head.patient
    visits = list(
        Booking.objects.filter(subject_id=patient.resource_id)
        .select_related("location")
        .order_by("-span")[:VISITS_READ]
    )
    ahead = sorted(
        (visit for visit in visits if visit.status in UPCOMING_STATUSES and visit.start >= head.moment.now),
        key=lambda visit: visit.start,
    )
    away = list(Unavailability.objects.filter(patient=patient, last_day__gte=head.moment.today))
    panels = panels_for(request, patient)
    scores = assessments_in(patient.score_facts)  # type: ignore[attr-defined]
    place = current_location(request)
    card = card_of(scores, place, marks_for(request, patient)) if head.is_clinical and place else None
    changes = changes_of(patient, clinical=head.is_clinical, limit=CHANGES_ON_TIMELINE)
    context = {
        "head": head,
        "patient": patient,
        "next_visit": ahead[0] if ahead else None,
        "ahead": ahead,
        "away": away,
        "panels": panels,
        "card": card,
        "has_score": staff(request).can(Can.SEND_MEASURE) and has_score(scores),
        "concerns": _worst_first(
            [
                *_concerns(head, visits, ahead, away),
                *_measure_concerns(card),
                *(c for panel in panels for c in panel.concerns),
            ]
        ),
        "timeline": timeline_for(
            request,
            patient,
            _visit_entries(visits, head),
            _consultation_entries(head),
            _change_entries(changes, patient),
            timeline_entries(scores if head.is_clinical else ()),
        ),
    }
    return render(request, "patients/detail.html", context)


@require_GET
@requires(Can.VIEW_PATIENT)
def bookings(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Every visit of the patient, the latest first."""
    head = open_record(request, pk, tab="patients:bookings", page="Visits")
    if isinstance(head, HttpResponseBase):
        return head
    visits = Booking.objects.filter(subject_id=head.patient.resource_id).select_related("location")
    page = listing(request, visits, sorts={"when": ["span"]}, default="-when")
    return render(request, "patients/bookings.html", {"head": head, "patient": head.patient, "listing": page})


@require_GET
@requires(Can.VIEW_AUDIT, Can.EDIT_CLINICAL)
def history(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Who read the record and who changed it. Contents of clinical rows are shown only to those who may read them."""
    head = open_record(request, pk, tab="patients:history", page="History")
    if isinstance(head, HttpResponseBase):
        return head
    merged = list(Patient.objects.filter(merged_into=head.patient).only("id", "mrn", "resource_id"))
    subjects = [head.patient.resource_id, *(row.resource_id for row in merged)]
    readings = AccessLog.objects.filter(subject_id__in=subjects).select_related("user")[:READINGS_IN_HISTORY]
    changes = changes_of(head.patient, also=merged, clinical=head.is_clinical, limit=CHANGES_IN_HISTORY)
    context = {
        "head": head,
        "patient": head.patient,
        "changes": changes,
        "readings": readings,
        "merges": Merge.objects.filter(kept=head.patient).select_related("duplicate", "by", "undone_by"),
        "readings_shown": READINGS_IN_HISTORY,
        "changes_shown": CHANGES_IN_HISTORY,
    }
    return render(request, "patients/history.html", context)


# --- what is wrong ----------------------------------------------------------------------------------------------------
def _concerns(
    head: Head, visits: Sequence[Booking], ahead: Sequence[Booking], away: Sequence[Unavailability]
) -> Iterator[Concern]:
    patient, edit = head.patient, reverse("patients:edit", args=[head.patient.pk])
    where = reverse("patients:bookings", args=[patient.pk])
    if not head.is_active and ahead:
        said = f"{len(ahead)} visit{'s are' if len(ahead) > 1 else ' is'} still booked"
        yield Concern(
            Level.DANGER, f"{said}, although the patient is {patient.get_status_display().lower()}", where, "See visits"
        )
    if head.is_deceased:
        return
    if not head.phones and not patient.email:
        yield Concern(Level.WARN, "No phone number and no e-mail: nobody can reach this patient", edit, "Add")
    if head.is_active and head.completeness.missing:
        background = reverse("patients:background", args=[patient.pk]) if head.is_clinical else ""
        said = ", ".join(head.completeness.missing)
        yield Concern(
            Level.WARN, f"Background not complete. Missing: {said}", background, "Complete" if background else ""
        )
    yield from _medicine_concerns(head)
    yield from _visit_concerns(head, visits, ahead, away, where)


def _medicine_concerns(head: Head) -> Iterator[Concern]:
    """Medicines that stop a series or ask for a review (clinical.md C2); empty for who may not read them."""
    levels = {Severity.STOP: Level.DANGER, Severity.REVIEW: Level.WARN}
    background = reverse("patients:background", args=[head.patient.pk])
    taken = [Drug(words) for words in head.medicines]
    for found in interactions_of(taken, head.benzodiazepine_limit_mg):
        if level := levels.get(found.severity):
            said = " ".join(part for part in (f"{found.medicine}.", found.remark, found.title) if part)
            yield Concern(level, f"{SEVERITY_LABELS[found.severity]}: {said}", background, "Medicines")


def _measure_concerns(card: Card | None) -> Iterator[Concern]:
    """Somebody must ask the item about suicide when it was left out (clinical.md E1, case 10)."""
    if card and card.open_item:
        text = f"{card.measure.short_name} item {card.measure.danger_item} was not answered: ask it today"
        yield Concern(Level.DANGER, text, reverse("measures:result", args=[card.open_item.pk]), "Open")


def _visit_concerns(
    head: Head, visits: Sequence[Booking], ahead: Sequence[Booking], away: Sequence[Unavailability], where: str
) -> Iterator[Concern]:
    soon = [visit for visit in ahead if visit.start - head.moment.now <= CONFIRM_WITHIN]
    if soon and soon[0].status == BookingStatus.BOOKED:
        yield Concern(Level.INFO, "The next visit is not confirmed yet", where, "See visits")
    if clashing := sum(any(falls_into(visit, row) for row in away) for visit in ahead):
        said = "1 visit falls" if clashing == 1 else f"{clashing} visits fall"
        yield Concern(Level.WARN, f"{said} into a time when the patient cannot come", where, "See visits")
    last = next((visit for visit in visits if visit.start < head.moment.now), None)
    if last and last.status == BookingStatus.MISSED and not ahead:
        day = f"{last.location.local(last.start):%-d %b}"
        yield Concern(Level.WARN, f"No-show on {day}, and nothing is booked since", where, "See visits")


def _worst_first(concerns: Sequence[Concern]) -> list[Concern]:
    order = list(Level)
    return sorted(concerns, key=lambda concern: order.index(concern.level))


# --- the timeline -----------------------------------------------------------------------------------------------------
ICONS = {
    BookingStatus.DONE: "check",
    BookingStatus.MISSED: "user-x",
    BookingStatus.CANCELLED: "calendar-x",
    BookingStatus.WITHHELD: "hand-stop",
}


def _visit_entries(visits: Sequence[Booking], head: Head) -> Iterator[TimelineEntry]:
    """What became of each visit, and when visits were booked. Infusions are told by their course, with numbers."""
    visits = [visit for visit in visits if visit.kind != BookingKind.INFUSION]
    for visit in visits:
        local = visit.location.local(visit.start)
        if visit.is_released:
            when = f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"
            text = f"{when} at {visit.location}" + (f": {visit.ended_reason}" if visit.ended_reason else "")
            title = f"{visit.get_kind_display()}: {visit.get_status_display().lower()}"
            yield TimelineEntry(visit.ended_at or visit.start, ICONS[BookingStatus(visit.status)], title, text)
        elif visit.start < head.moment.now:
            title = f"{visit.get_kind_display()}: {visit.get_status_display().lower()}"
            yield TimelineEntry(
                visit.start, ICONS.get(BookingStatus(visit.status), "calendar"), title, str(visit.location)
            )
    by_call = sorted(visits, key=lambda visit: (visit.created_at, visit.kind, visit.start))
    for (at, _), group in groupby(by_call, key=lambda visit: (visit.created_at, visit.kind)):
        rows = list(group)
        first, last = (row.location.local(row.start) for row in (rows[0], rows[-1]))
        days = f"{first:%a} {first.day} {first:%b}" + (f" to {last:%a} {last.day} {last:%b}" if len(rows) > 1 else "")
        many = f"{len(rows)} {rows[0].get_kind_display().lower()}s" if len(rows) > 1 else rows[0].get_kind_display()
        yield TimelineEntry(at, "calendar-plus", f"{many} booked", f"{days} at {rows[0].location}")


def _consultation_entries(head: Head) -> Iterator[TimelineEntry]:
    """Signed records; drafts stand in their card."""
    for row in head.consultations:
        if row["signed_at"]:
            url = reverse("intake:consultation", args=[row["id"]])
            text = f"{row['indication']} · {row['clinician']}"
            yield TimelineEntry(row["signed_at"], "notes", "Consultation record signed", text, url)


def _change_entries(changes: Sequence[Change], patient: Patient) -> Iterator[TimelineEntry]:
    """What was saved together stands in one entry."""
    for (at, who), group in groupby(changes, key=lambda change: (change.at, change.who)):
        rows = list(group)
        is_new = any(change.model == "Patient" and change.action == "added" for change in rows)
        by = f"by {who}" if who else ""
        if is_new:
            yield TimelineEntry(patient.created_at, "user-plus", "Registered", by)
        elif len(rows) == 1:
            said = "; ".join(
                f"{one.label}: {one.before or '(empty)'} → {one.after or '(empty)'}" for one in rows[0].fields[:4]
            )
            title = "Particulars changed" if rows[0].model == "Patient" else rows[0].sentence
            yield TimelineEntry(at, "pencil", title, " · ".join(part for part in (said, by) if part))
        else:
            said = "; ".join(change.sentence for change in rows[:6])
            yield TimelineEntry(
                at, "pencil", f"{len(rows)} changes of the record", " · ".join(part for part in (said, by) if part)
            )
