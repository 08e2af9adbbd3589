"""The rows of the flowsheet: kept once however often they are sent, struck with a reason, never changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError

from clinic.models import Booking, User
from courses.models import FlowsheetRow, InfusionDaySettings
from courses.pure.flowsheet import next_due
from courses.pure.limits import FIELDS, Look, Standing, impossible, profile_of, repeat_of, unusual
from courses.services.alarms import look_of, looks_of, raise_alarms
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, changing
from patients.services.observations import UnusualValueError

CLOCK_SLACK = timedelta(minutes=5)
"""A tablet's clock may be ahead of the server's by this much."""


def save_row(
    booking_id: int,
    *,
    uid: UUID,
    look: Look,
    note: str = "",
    confirmed: bool = False,
    timed: bool = True,
    by: User,
    now: datetime,
) -> FlowsheetRow:
    """The look stands in the flowsheet, and every limit that it reached has its alarm. Sent again, nothing is added.

    Args:
        uid: made by the device; the same row sent twice carries the same one.
        look: what was measured and when. It may have been measured a while ago (the network was away); it is judged by
            its own time.
        confirmed: the person was asked about unusual values and said that they are right.
        timed: False when nobody said when it was measured; then ``look.at`` is the moment of saving.

    Raises:
        ChangedMeanwhileError: the same ``uid`` with other values.
        UnusualValueError: a value is rare and nobody has confirmed it.
        ValidationError: a value is not possible, or the moment is ahead or before the arrival.
        DayRefusedError, RecordSignedError, PermissionDenied: as for every write (``changing``).
    """
    text = note.strip()
    # Asked before the lock as well: what was stored before the record was signed is still "saved" when it comes again.
    if (stored := FlowsheetRow.objects.filter(uid=uid).first()) is not None:
        return _same(stored, booking_id, look if timed else replace(look, at=stored.at), text)
    with changing(booking_id, by=by, now=now) as record:
        if (stored := FlowsheetRow.objects.filter(uid=uid).first()) is not None:
            return _same(stored, booking_id, look if timed else replace(look, at=stored.at), text)
        booking = Booking.objects.select_related("location__day_settings").get(pk=booking_id)
        settings = getattr(booking.location, "day_settings", None) or InfusionDaySettings(location=booking.location)
        _refuse_time(look.at, booking, now)
        wrong = impossible(look, scale=settings.dissociation_scale)
        if wrong:
            raise ValidationError({remark.field: remark.text for remark in wrong})
        odd = unusual(look)
        if odd and not confirmed:
            raise UnusualValueError(odd)
        row = FlowsheetRow(
            record=record,
            uid=uid,
            at=look.at,
            dissociation_scale=settings.dissociation_scale if look.dissociation is not None else "",
            note=text,
            was_confirmed=bool(odd),
            received_at=now,
            by=by,
            **{name: getattr(look, name) for name in FIELDS},
        )
        row.full_clean(exclude=["record", "by"])
        row.save()
        raise_alarms(record, profile_code=settings.limits_profile, place=booking.location, now=now)
        return row


def _same(stored: FlowsheetRow, booking_id: int, look: Look, note: str) -> FlowsheetRow:
    """The stored row, when it is the one that was sent again."""
    is_same = look_of(stored) == look and stored.note == note
    if not is_same or stored.record.visit.booking_id != booking_id:
        raise ChangedMeanwhileError("This entry was saved before with other values. Look at the table, enter it anew.")
    return stored


def _refuse_time(at: datetime, booking: Booking, now: datetime) -> None:
    if at > now + CLOCK_SLACK:
        raise ValidationError({"clock": "This time is in the future. Check it, and the clock of this device."})
    if booking.arrived_at is not None and at < booking.arrived_at:
        came = booking.location.local(booking.arrived_at)
        raise ValidationError({"clock": f"This time is before the arrival at {came:%H:%M}."})


def strike_row(row_id: int, *, reason: str, by: User, now: datetime) -> FlowsheetRow:
    """The row counts no more and stays visible, with the reason; its alarms ask no longer.

    What it had hidden is judged anew: without it another row may reach a limit.

    Raises:
        ValidationError: no reason is given.
        ChangedMeanwhileError: it was struck already.
        DayRefusedError, RecordSignedError, PermissionDenied: as for every write (``changing``).
        FlowsheetRow.DoesNotExist: no such row.
    """
    why = reason.strip()
    booking_id = FlowsheetRow.objects.values_list("record__visit__booking_id", flat=True).get(pk=row_id)
    with changing(booking_id, by=by, now=now) as record:
        row = FlowsheetRow.objects.get(pk=row_id)
        if row.is_struck:
            raise ChangedMeanwhileError("This row was struck already.")
        if not why:
            raise ValidationError({"reason": "Say why this row is struck."})
        row.struck_at, row.struck_by, row.struck_reason = now, by, why[:200]
        row.save(update_fields=["struck_at", "struck_by", "struck_reason"])
        booking = Booking.objects.select_related("location__day_settings").get(pk=booking_id)
        settings = getattr(booking.location, "day_settings", None) or InfusionDaySettings(location=booking.location)
        raise_alarms(record, profile_code=settings.limits_profile, place=booking.location, now=now)
        return row


# -- reading -----------------------------------------------------------------------------------------------------------


def due_of(desk: Desk) -> datetime | None:
    """When somebody has to look next: by the schedule, or earlier to repeat a high pressure. None: not now."""
    if desk.is_ended or desk.is_signed:
        return None
    looks = looks_of(desk.rows)
    due = next_due(
        desk.run,
        [look.at for look in looks if look.is_measured],
        is_nasal=desk.is_nasal,
        during_min=desk.protocol.vitals_during_min,
        after_min=desk.protocol.vitals_after_min,
        arrived_at=desk.booking.arrived_at,
        left_at=desk.booking.left_at,
        now=desk.now,
    )
    again = repeat_due(desk) if due is not None else None
    return min(due, again) if due is not None and again is not None else due


def repeat_due(desk: Desk) -> datetime | None:
    """When the pressure has to be repeated because the last one was too high; None when it has not."""
    measured = [look for look in looks_of(desk.rows) if look.systolic_mmhg is not None]
    paused = {one.row_id for one in desk.alarms if one.rule == "pressure_pause"}
    profile = profile_of(desk.day_settings.limits_profile)
    for row in reversed(desk.rows):
        if row.pk in paused:
            repeat = repeat_of(profile, look_of(row), measured)
            return repeat.due_at if repeat.standing is Standing.PENDING else None
    return None
