"""The letter to the referrer: chosen with tick boxes, read before it leaves, then a PDF."""

from __future__ import annotations

from datetime import UTC

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.adapters.letter import pdf_of
from patients.models import Consultation
from patients.pure.letter import PART_LABELS, USUAL, Letter, Part, parts_from
from patients.pure.privacy import Audience
from patients.services.letter import letter_for
from patients.views.consultation import read
from patients.views.disclosing import Paper, disclosed


@require_GET
@requires(Can.VIEW_CLINICAL)
def consultation_letter(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What will stand in the letter, with a tick box for each part."""
    record, parts = read(pk), _parts(request)
    letter = _letter(request, record, parts, page="Letter to the referrer")
    context = {
        "record": record,
        "patient": record.patient,
        "letter": letter,
        "choices": [(part.value, PART_LABELS[part], part in parts) for part in Part],
        "empty": [PART_LABELS[part] for part in parts if PART_LABELS[part] not in {one.title for one in letter.blocks}],
        "chosen": [part.value for part in parts],
    }
    return render(request, "patients/consultation/letter.html", context)


@require_http_methods(["GET", "POST"])
@requires(Can.VIEW_CLINICAL)
def consultation_letter_pdf(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The letter as a file; its name tells nobody who it is about. Part 2 may ask for a consent first."""
    record, now = read(pk), timezone.now()
    letter = _letter(request, record, _parts(request), page="Letter to the referrer, PDF")
    paper = Paper("Letter to the referrer, PDF", Audience.PROVIDER, letter.recipient, record.location, now)
    content = disclosed(request, record.patient, paper, lambda _: pdf_of(letter, at=now.astimezone(UTC)))
    if isinstance(content, HttpResponse):
        return content
    answer = HttpResponse(content, content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="letter-{record.pk}.pdf"'
    answer["Cache-Control"] = "no-store, private"
    return answer


def _letter(request: HttpRequest, record: Consultation, parts: tuple[Part, ...], *, page: str) -> Letter:
    now = timezone.now()
    record_reading(by=staff(request), subject_id=record.patient.resource_id, page=page, path=request.path, now=now)
    return letter_for(record, parts, today=record.location.local(now).date())


def _parts(request: HttpRequest) -> tuple[Part, ...]:
    """What was ticked; the usual parts until somebody chooses."""
    return parts_from(request.GET.getlist("part")) if "chosen" in request.GET else USUAL
