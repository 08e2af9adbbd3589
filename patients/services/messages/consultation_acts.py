"""A consultation by a link: other free times of the slot finder, moved, cancelled, what to bring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from clinic.models import Booking, BookingStatus
from clinic.pure.words import translatable as _
from clinic.services import bookings
from clinic.services.bookings import BookingRefusedError, StaleBookingError, StepRefusedError
from patients.models import Consultation, VisitMode
from patients.pure.messages.sheets import Part, Sheet
from patients.pure.slots import Mode, SlotKey, Wish
from patients.services.messages.acts import ActRefusedError, Choice, Why
from patients.services.messages.links import Opened
from patients.services.slots import Patience, move_to_slot, read_desk


def choices(opened: Opened, *, since: datetime, count: int, now: datetime) -> Sequence[Choice]:
    """Free times of the same length at the same place: with the same clinician, else with any. See ``acts.Choices``."""
    booking, visit = _booking(opened), _consultation(opened)
    place = booking.location
    ahead = Patience(place.local(since).date())
    desk = read_desk(locations=[place], ahead=ahead, now=now, patient=opened.patient, moving=booking)
    mode = Mode(visit.mode)
    # Times sooner than ``since``, and the visit's own, are left out: so a few more are asked for.
    for wish in (Wish(mode=mode, clinician_id=visit.clinician.resource_id), Wish(mode=mode)):
        found = desk.find(wish, count=count + 6).slots
        fit = [one for one in found if one.start >= since and one.start != booking.start]
        if fit:
            return [Choice(one.key, one.start, one.location) for one in fit[:count]]
    return []


def move(opened: Opened, *, key: str, since: datetime, now: datetime) -> None:
    """The consultation stands at that slot. See ``acts.MoveIt``."""
    booking, visit = _booking(opened), _consultation(opened)
    try:
        slot = SlotKey.parse(key)
    except ValueError:
        raise ActRefusedError(Why.TAKEN) from None
    if slot.start < since or slot.location_id != booking.location_id:
        raise ActRefusedError(Why.TAKEN)
    try:
        move_to_slot(
            key=slot,
            mode=VisitMode(visit.mode),
            booking=booking,
            patient=opened.patient,
            location=booking.location,
            expected_version=booking.version,
            by=None,
            now=now,
        )
    except (StaleBookingError, StepRefusedError) as error:
        raise ActRefusedError(Why.CHANGED) from error
    except BookingRefusedError as error:
        raise ActRefusedError(Why.TAKEN) from error


def cancel(opened: Opened, *, reason: str, now: datetime) -> None:
    """The consultation is cancelled; its request waits for the desk again. See ``acts.CancelIt``."""
    booking = _booking(opened)
    try:
        bookings.release(
            [booking.pk],
            status=BookingStatus.CANCELLED,
            reason=reason[: bookings.LONGEST_REASON],
            by=None,
            now=now,
            expected_version=booking.version,
        )
    except BookingRefusedError as error:
        raise ActRefusedError(Why.CHANGED) from error


def sheets(visits: Sequence[Booking]) -> dict[int, Sheet]:
    """What to bring, by visit. One query. See ``acts.Prepare``."""
    modes = dict(Consultation.objects.filter(booking__in=visits).values_list("booking", "mode"))
    return {one.pk: _sheet(VisitMode(modes[one.pk])) for one in visits if one.pk in modes}


def _sheet(mode: VisitMode) -> Sheet:
    """Source: clinical.md A 92-99, 112 (history, earlier treatments, medicines)."""
    bring = Part(
        "clipboard-list",
        _("Please have with you"),
        (
            _("A photo ID, and your insurance card if you have one."),
            _("A list of your medicines and how much of each you take, also those without a prescription."),
            _("What you have tried before and how it went, as far as you remember."),
            _("Your questions. Write them down; there is time for them."),
        ),
    )
    if mode is VisitMode.VIDEO:
        where = Part(
            "video",
            _("By video"),
            (_("Choose a quiet place where you can talk freely."), _("Have your phone near, in case the line drops.")),
        )
    else:
        where = Part(
            "clock",
            _("On the day"),
            (
                _("Please come 10 minutes early."),
                _("You may bring somebody whom you trust."),
                _("You can eat and drink as usual, and take your medicines as usual."),
            ),
        )
    return Sheet((bring, where))


def _booking(opened: Opened) -> Booking:
    return cast("Booking", opened.booking)  # ``acts`` asks only about a visit


def _consultation(opened: Opened) -> Consultation:
    found = Consultation.objects.select_related("clinician").filter(booking=opened.booking).first()
    if found is None:
        raise ActRefusedError(Why.CALL)
    return found
