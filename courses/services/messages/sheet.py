"""The sheet for going home, sent when the patient leaves after an infusion (clinical.md D7, D8, A 115-117)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from clinic.models import User
from courses.models import Discharge
from courses.services.messages.said import ids_of
from patients.models import Message, MessageEvent
from patients.services.messages.addressing import choose_for
from patients.services.messages.kinds import Occasion
from patients.services.messages.planning import announce

ABOUT = "discharge"
OF_USE = timedelta(hours=24)
"""For so long nobody drives; after it the sheet is of no use (clinical.md D8)."""


def announce_sheet(discharge: Discharge, *, by: User, now: datetime) -> list[Message]:
    """The link to the sheet goes out; belongs into the transaction of the discharge.

    Nothing where the patient agreed to neither text nor e-mail: they have it on paper, or read it here.
    """
    visit = discharge.record.visit
    patient = visit.infusion.phase.course.patient
    if choose_for(patient, visit.booking.location).is_call:
        return []
    occasion = Occasion(
        event=MessageEvent.SHEET,
        key=f"discharge {discharge.pk}",
        location_id=visit.booking.location_id,
        anchor=now,
        ends_at=max(discharge.no_driving_until, now + OF_USE),
        patient_id=patient.pk,
        booking_id=visit.booking_id,
        about=f"{ABOUT}:{discharge.pk}",
    )
    return announce([occasion], now=now, by=by)


def sheet_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001
    """The discharge was not taken back; one query."""
    ids = ids_of(messages, ABOUT)
    valid = set(Discharge.objects.valid().filter(pk__in=ids.values()).values_list("pk", flat=True))
    return {one.pk: "The discharge was taken back." for one in messages if ids.get(one.pk) not in valid}


def message_of(discharge_id: int, booking_id: int) -> Message | None:
    """What became of the sheet's message; one query."""
    rows = Message.objects.filter(booking=booking_id, event=MessageEvent.SHEET, about=f"{ABOUT}:{discharge_id}")
    return rows.order_by("-pk").first()
