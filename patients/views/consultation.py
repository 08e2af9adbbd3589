"""The consultation's page: all sections on one page, each field saved by itself, rows that refresh themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.models import Consultation
from patients.pure.background import NONE_KNOWN
from patients.pure.consultation import (
    FIELD_LIMIT,
    FIELDS,
    SECTIONS,
    Completeness,
    Field,
    Kind,
    Sect,
    both,
    fingerprint,
)
from patients.pure.evidence import Severity
from patients.services.consultation_reading import around, settings_and_estimate
from patients.services.consultation_record import (
    Conflict,
    Saved,
    SignedRecordError,
    Typed,
    completeness,
    save_fields,
    text_of,
)
from patients.services.screening import latest_decision, screen
from patients.views.record import Head, open_record

BASE, RESOLVE = "base-", "resolve-"
UNSEEN = "unseen"
"""A base that fits no text: what is stored was not seen by this person, so their next save asks again."""
PARTS: dict[str, str] = {
    Sect.TREATMENTS: "treatments-changed",
    Sect.HISTORY: "background-changed",
    Sect.MEDICINES: "background-changed",
    Sect.ALLERGIES: "background-changed",
    Sect.BODY: "observations-changed",
    Sect.PREGNANCY: "observations-changed",
    Sect.SCREENING: "background-changed from:body, observations-changed from:body, screening-changed",
    Sect.COST: "estimate-changed",
}
"""Sections with rows above their fields (template ``_part_<section>.html``), and the event that refreshes them."""
TURNS = {"infusions_discussed": "estimate-changed"} | dict.fromkeys(
    ("indication", "can_be_pregnant", "substance_use", "safety_plan"), "screening-changed"
)
"""Fields whose value shows elsewhere on the page, and the event that refreshes those places."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One field as the page shows it."""

    field: Field
    value: str
    base: str
    choices: list[tuple[str, str]] = dataclass_field(default_factory=list)
    conflict: Conflict | None = None
    refusal: str = ""
    saved_at: datetime | None = None

    @property
    def words(self) -> str:
        """The value as one reads it."""
        if self.field.kind is Kind.CHECK:
            return "Yes" if self.value else ""
        return self.said(self.value)

    @property
    def their_words(self) -> str:
        if self.conflict is None:
            return ""
        return self.said(self.conflict.theirs) or "(empty)"

    @property
    def may_keep_both(self) -> bool:
        return self.field.kind is Kind.LONG and self.conflict is not None and bool(self.conflict.theirs)

    def said(self, value: str) -> str:
        if self.field.kind is Kind.CHECK:
            return "ticked" if value else "not ticked"
        return dict(self.choices).get(value, value) if value else ""


@dataclass(frozen=True, slots=True)
class ShownSection:
    """One section as the page shows it."""

    key: str
    title: str
    icon: str
    lead: str
    fields: list[Shown]
    missing: tuple[str, ...]

    @property
    def part(self) -> str:
        return f"patients/consultation/_part_{self.key}.html" if self.key in PARTS else ""

    @property
    def event(self) -> str:
        return PARTS.get(self.key, "")


# --- the page ---------------------------------------------------------------------------------------------------------
@require_GET
@requires(Can.VIEW_CLINICAL)
def consultation(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The whole record: to read for all clinical staff, to write for prescribers until it is signed."""
    record = read(pk)
    head = open_record(request, record.patient_id, tab="intake:consultations", page="Consultation record")
    if isinstance(head, HttpResponseBase):
        return head
    return render(request, "patients/consultation/page.html", page_context(request, record, head))


def page_context(request: HttpRequest, record: Consultation, head: Head, done: Saved | None = None) -> dict[str, Any]:
    """All that the page shows; ``done`` is what a save without JavaScript could not save."""
    context = part_context(request, record)
    return context | {
        "head": head,
        "patient": head.patient,
        "sections": sections_of(record, context["around"].completeness, done),
        "amendments": context["around"].amendments,
        "done": done,
        "limit": FIELD_LIMIT,
    }


def part_context(request: HttpRequest, record: Consultation) -> dict[str, Any]:
    """What the sections with rows need."""
    intake_settings, cost = settings_and_estimate(record)
    found = screen(record.pk, now=timezone.now()).findings
    counts = Counter(finding.severity for finding in found)
    return {
        "findings": [(severity.value, counts[severity]) for severity in Severity if counts[severity]],
        "decision": latest_decision(record.patient, record.indication) if record.indication else None,
        "record": record,
        "patient": record.patient,
        "place": record.location,
        "around": around(record, intake_settings),
        "cost": cost,
        "may_edit": staff(request).can(Can.EDIT_CLINICAL) and not record.is_signed,
        "may_change_rows": staff(request).can(Can.EDIT_CLINICAL),
        "may_measure": staff(request).can(Can.RECORD_VITALS),
        "none_words": {kind.value: none.description for kind, none in NONE_KNOWN.items()},
    }


def read(pk: int) -> Consultation:
    """The record with all that its page needs of its neighbours."""
    rows = Consultation.objects.select_related("patient", "location", "clinician", "signed_by", "booking", "request")
    return get_object_or_404(rows, pk=pk)


def sections_of(record: Consultation, found: Completeness, done: Saved | None = None) -> list[ShownSection]:
    return [
        ShownSection(
            section.key.value,
            section.title,
            section.icon,
            section.lead,
            [shown(record, one, done) for one in FIELDS.values() if one.section is section.key],
            found.missing.get(section.key, ()),
        )
        for section in SECTIONS
    ]


def shown(record: Consultation, one: Field, done: Saved | None = None) -> Shown:
    """The field with what is stored, or with what was typed where that could not be saved."""
    stored = text_of(record, one.name)
    column: Any = Consultation._meta.get_field(one.name)
    choices = [(str(value), str(label)) for value, label in column.flatchoices if value] if column.choices else []
    conflict = done.conflicts.get(one.name) if done else None
    refusal = done.refused.get(one.name, "") if done else ""
    value = conflict.mine if conflict else done.typed[one.name] if done and refusal else stored
    base = UNSEEN if conflict else fingerprint(stored)
    return Shown(one, value, base, choices, conflict, refusal)


# --- saving -----------------------------------------------------------------------------------------------------------
def bounded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """What is too large to be read at all gets the same words as what is a little too long, at its field.

    Django refuses such a body with a bare 400 as soon as anything reads it, and its CSRF check does, before any view.
    So the check is left to the view, after the size; nothing is written for a body that was not read.
    """
    guarded = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def measured(request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
        if int(request.META.get("CONTENT_LENGTH") or 0) <= (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
            return guarded(request, pk, **kwargs)
        while request.read(1 << 20):  # read to the end, so that the answer arrives
            pass
        return _too_large(request, pk, **kwargs)

    return measured


@require_POST
@requires(Can.EDIT_CLINICAL)
@bounded
def consultation_field(request: HttpRequest, pk: int, field: str) -> HttpResponseBase:
    """Saves one field; answers with its state: saved, refused, or what somebody else wrote meanwhile."""
    if field not in FIELDS:
        raise Http404
    one, now = FIELDS[field], timezone.now()
    typed = {field: Typed(request.POST.get(field, ""), request.POST.get(BASE + field, ""))}
    try:
        done = save_fields(consultation_id=pk, typed=typed, by=staff(request), now=now)
    except Consultation.DoesNotExist:
        raise Http404 from None
    except SignedRecordError:
        return _signed_meanwhile(request, read(pk), field)
    record = done.consultation  # as it was saved, not as somebody may have changed it since: its base was seen
    _log(request, record, now)
    context: dict[str, Any] = {"record": record, "place": record.location, "one": shown(record, one, done)}
    if done.is_whole:
        found = completeness(record)
        touched = [section for section in sections_of(record, found) if section.key == one.section]
        context |= {"saved_at": now, "is_answer": True, "around_sections": touched}
    answer = render(request, "patients/consultation/_answer.html", context, status=200 if done.is_whole else 422)
    if done.is_whole and field in TURNS:
        answer["HX-Trigger-After-Swap"] = TURNS[field]
    return answer


@require_POST
@requires(Can.EDIT_CLINICAL)
@bounded
def consultation_section(request: HttpRequest, pk: int, section: str) -> HttpResponseBase:
    """Saves the fields of one section: the button of a page without JavaScript."""
    record = read(pk)
    names = [name for name, one in FIELDS.items() if one.section == section and BASE + name in request.POST]
    if not names:
        raise Http404
    try:
        done = save_fields(
            consultation_id=pk, typed=_typed(request, record, names), by=staff(request), now=timezone.now()
        )
    except SignedRecordError:
        messages.error(request, "The record was signed meanwhile. Add what is new as an amendment.")
        return go(request, "intake:consultation", pk)
    if done.is_whole:
        messages.success(request, "Saved.")
        return go(request, f"{record.get_absolute_url()}#{section}")
    head = open_record(request, record.patient_id, tab="intake:consultations", page="Consultation record")
    if isinstance(head, HttpResponseBase):
        return head
    return render(request, "patients/consultation/page.html", page_context(request, read(pk), head, done), status=422)


def _typed(request: HttpRequest, record: Consultation, names: Iterable[str]) -> dict[str, Typed]:
    """What was typed, after "keep mine", "take theirs" and "both" were applied."""
    found = {}
    for name in names:
        text, base = request.POST.get(name, ""), request.POST[BASE + name]
        how, _, seen = request.POST.get(RESOLVE + name, "").partition(":")
        if how == "theirs":
            continue
        if how == "both":
            text = both(text_of(record, name), text)
        found[name] = Typed(text, seen if how else base)
    return found


def _log(request: HttpRequest, record: Consultation, now: datetime) -> None:
    """Writing is reading too: who saves sees what others wrote."""
    record_reading(
        by=staff(request),
        subject_id=record.patient.resource_id,
        page="Consultation record",
        path=record.get_absolute_url(),
        now=now,
    )


def _too_large(request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
    record = read(pk)
    one = FIELDS.get(kwargs.get("field", ""))
    refusal = (
        f"At most {FIELD_LIMIT:,} characters fit here; this is far longer. Nothing was saved, and what you typed is "
        "still in the field."
    )
    if one is None:
        return render(
            request, "patients/consultation/too_large.html", {"record": record, "limit": FIELD_LIMIT}, status=422
        )
    state = Shown(one, "", UNSEEN, refusal=refusal)
    return render(request, "patients/consultation/_answer.html", {"record": record, "one": state}, status=422)


def _signed_meanwhile(request: HttpRequest, record: Consultation, field: str) -> HttpResponse:
    who = record.signed_by.display_name if record.signed_by else ""
    refusal = f"Not saved: {who} signed this record meanwhile. Copy what you typed and add it as an amendment."
    state = Shown(FIELDS[field], "", UNSEEN, refusal=refusal)
    return render(request, "patients/consultation/_answer.html", {"record": record, "one": state}, status=409)


# --- pieces -----------------------------------------------------------------------------------------------------------
@require_GET
@requires(Can.VIEW_CLINICAL)
def consultation_part(request: HttpRequest, pk: int, section: str) -> HttpResponseBase:
    """The rows of one section, after something in them changed, and what is still missing there."""
    if section not in PARTS:
        raise Http404
    record = read(pk)
    _log(request, record, timezone.now())
    context = part_context(request, record)
    context |= {"key": section, "missing": context["around"].completeness.missing.get(section, ()), "is_answer": True}
    context["template"] = f"patients/consultation/_part_{section}.html"
    return render(request, "patients/consultation/_part.html", context)
