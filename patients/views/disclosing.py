"""A paper about one person for somebody else: Part 2 asks for a consent first, and what went out is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from clinic.edge.access import staff
from clinic.models import Location
from patients.models import Patient
from patients.pure.privacy import Audience
from patients.services.privacy_export import record_disclosure
from patients.services.privacy_part2 import (
    NOTHING,
    ConsentMissingError,
    PartTwo,
    check_disclosure,
    part_two_if_near,
    part_two_of,
)


@dataclass(frozen=True, slots=True)
class Paper:
    """What is about to leave, for whom, and on whose clocks it is today."""

    what: str
    audience: Audience
    recipient: str
    place: Location
    now: datetime
    is_near: bool | None = None  # whether Part 2 may protect it at all, where that was read already


def disclosed(
    request: HttpRequest, patient: Patient, paper: Paper, make: Callable[[str], bytes]
) -> bytes | HttpResponse:
    """The file, or the question that stands before it. Only protected records are asked about and written down here.

    Args:
        make: makes the file with the notice, which is empty for most.

    A reason that goes before a consent is posted, so that it stands in no address and no log of a server.
    """
    part_two, day = _part_two(patient, paper), paper.place.local(paper.now).date()
    reason = " ".join(request.POST.get("override_reason", "").replace("\x00", "").split())
    try:
        check_disclosure(part_two, audience=paper.audience, day=day, override_reason=reason)
    except ConsentMissingError as refusal:
        context = {
            "patient": patient,
            "refusal": str(refusal),
            "what": paper.what,
            "recipient": paper.recipient,
            "here": request.get_full_path(),
        }
        return render(request, "patients/privacy/ask.html", context, status=422)
    content = make(part_two.notice)
    if part_two.is_protected and paper.audience != Audience.PATIENT:
        record_disclosure(
            patient=patient,
            content=content,
            what=paper.what,
            audience=paper.audience,
            recipient=paper.recipient,
            reason="Treatment" if paper.audience == Audience.PROVIDER else "Payment",
            part_two=part_two,
            path=request.path,
            by=staff(request),
            now=paper.now,
            day=day,
            override_reason=reason,
        )
    return content


def _part_two(patient: Patient, paper: Paper) -> PartTwo:
    if paper.is_near is None:
        return part_two_if_near(patient)
    return part_two_of(patient) if paper.is_near else NOTHING
