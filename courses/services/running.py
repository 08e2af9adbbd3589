"""The taps of an infusion: started, paused, resumed, stopped early, ended, a nasal device used; and their corrections.

What a tap says is judged at its own instant, so that one which comes in late from a tablet without network counts as if
it had come at once. One number of the device (``uid``) is stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.core.exceptions import ValidationError

from clinic.models import BookingStatus, User
from clinic.pure.roles import Can
from clinic.services import bookings
from courses.models import AlarmAct, DoseOrder, InfusionRecord, LimitAlarm, RunEvent, RunKind
from courses.pure.running import refused_tap, refused_taps, rest_left
from courses.services.dosing import BEFORE_THE_START, checks_lacking
from courses.services.gate import gate_of
from courses.services.infusion_desk import Desk, read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, changing

CLOCK_SLACK = timedelta(minutes=5)
"""A tablet's clock may be ahead of the server's by this much."""
EARLY_END = timedelta(minutes=1)
"""[D] An end that is more than this before its time needs a reason: otherwise all of the dose would count as given."""
NASAL_KINDS = (RunKind.DEVICE, RunKind.STOP)
BAG_KINDS = (RunKind.START, RunKind.PAUSE, RunKind.RESUME, RunKind.STOP, RunKind.END)
DONE_AS = {
    RunKind.START: "started",
    RunKind.PAUSE: "paused",
    RunKind.RESUME: "resumed",
    RunKind.STOP: "stopped",
    RunKind.END: "ended",
    RunKind.DEVICE: "used",
}


@dataclass(frozen=True, slots=True)
class Tapped:
    """One tap as the device sent it.

    Attributes:
        uid: the device's own number of it.
        order: the order that the page showed.
        number: of the nasal device, from 1.
    """

    kind: str
    uid: UUID
    at: datetime
    reason: str = ""
    for_adverse_event: bool = False
    order: int | None = None
    number: int | None = None


# -- reading -----------------------------------------------------------------------------------------------------------
def lacking(desk: Desk) -> list[str]:
    """What has still to be there before the start, each as half a sentence; empty when it may start."""
    missing = []
    if desk.order is None:
        missing.append("the prescriber's order")
    elif (left := checks_lacking(desk)) > 0:
        missing.append(f"{left} more {'person' if left == 1 else 'people'} to check the dose")
    if desk.baseline is None:
        missing.append("the baseline vital signs")
    gate = gate_of(desk)
    if not gate.is_go:
        count = len(gate.stops)
        missing.append(f"a “go” at the check-in ({count} {'point is' if count == 1 else 'points are'} open)")
    return missing


def needs_prescriber(desk: Desk) -> LimitAlarm | None:
    """The alarm because of which only a prescriber lets the infusion go on; None where a nurse may.

    Source: clinical.md case 32c (resume by prescriber).
    """
    going_since = max((tap.at for tap in desk.taps if tap.kind in (RunKind.START, RunKind.RESUME)), default=None)
    at_row = {row.pk: row.at for row in desk.rows}
    for alarm in reversed(desk.alarms):
        is_since = going_since is None or at_row[alarm.row_id] >= going_since
        if alarm.act in (AlarmAct.PAUSE, AlarmAct.STOP) and (alarm.answered_at is None or is_since):
            return alarm
    return None


def tap_id(desk: Desk, kind: str, user: User) -> UUID:
    """A number for a form without script: a second click of the same person on the same page gives the same one."""
    return uuid5(UUID(int=desk.booking.pk), f"{desk.version}:{kind}:{user.pk}")


# -- writing -----------------------------------------------------------------------------------------------------------
def tap(*, booking_id: int, tapped: Tapped, by: User, now: datetime) -> RunEvent:
    """The tap is on record, and the visit stands where it leads to. Sent twice, it stands once.

    Raises:
        PermissionDenied: the role does not run infusions; or only a prescriber resumes after a limit.
        ChangedMeanwhileError: it does not follow any more, because somebody was faster.
        DayRefusedError: something is missing before the start, a device follows too early, or the record is signed.
        ValidationError: its time is ahead or before the arrival, or a reason is missing; by field.
    """
    if known := _known(booking_id, tapped):
        return known
    with changing(booking_id, by=by, now=now) as record:
        if known := _known(booking_id, tapped):
            return known
        desk = read_desk(booking_id, now=min(tapped.at, now))
        _check_time(desk, tapped.at, now=now)
        _check_follows(desk, tapped)
        act = {
            RunKind.START: _start,
            RunKind.RESUME: _resume,
            RunKind.STOP: _stop,
            RunKind.END: _end,
            RunKind.DEVICE: _use_device,
        }.get(RunKind(tapped.kind), _pause)
        return act(desk, record, tapped, by, now)


def _known(booking_id: int, tapped: Tapped) -> RunEvent | None:
    """What was stored of this tap; a number that belongs to something else is refused."""
    event = RunEvent.objects.filter(uid=tapped.uid).select_related("record__visit").first()
    if event is None:
        return None
    if event.record.visit.booking_id != booking_id or event.kind != tapped.kind:
        raise ValidationError({"uid": "This number belongs to another tap. Reload the page."})
    return event


def _check_time(desk: Desk, at: datetime, *, now: datetime) -> None:
    if at > now + CLOCK_SLACK:
        raise ValidationError({"at": "This moment is in the future. Check the clock of the tablet."})
    arrived = desk.booking.arrived_at
    if arrived is not None and at < arrived.replace(second=0, microsecond=0):
        said = f"{desk.place.local(arrived):%H:%M}"
        raise ValidationError({"at": f"The patient arrived at {said}. Nothing can have been given before."})


def _check_follows(desk: Desk, tapped: Tapped) -> None:
    kind = RunKind(tapped.kind)
    if kind not in (NASAL_KINDS if desk.is_nasal else BAG_KINDS):
        raise ValidationError({"kind": "This is no step of this treatment."})
    refusal = refused_tap(desk.run, kind, tapped.at)
    if not refusal:
        return
    word = f"Not {DONE_AS[kind]}: {refusal}."
    last = desk.taps[-1] if desk.taps else None
    if last is not None:
        word += f" {last.get_kind_display()} at {desk.place.local(last.at):%H:%M} by {desk.name(last.by_id)}."
    raise ChangedMeanwhileError(f"{word} Nothing was saved.")


def _start(desk: Desk, record: InfusionRecord, tapped: Tapped, by: User, now: datetime) -> RunEvent:
    order = _order_to_start(desk, tapped)
    if desk.booking.status == BookingStatus.ARRIVED:
        bookings.advance(desk.booking.pk, to=BookingStatus.IN_CHAIR, by=by, now=tapped.at)
    return _add(record, tapped, by, now, order=order)


def _order_to_start(desk: Desk, tapped: Tapped) -> DoseOrder:
    if desk.booking.status not in BEFORE_THE_START:
        status = desk.booking.get_status_display().lower()
        raise DayRefusedError(f"This visit is {status} already. If that is wrong, undo the step on Today.")
    missing = lacking(desk)
    if missing or desk.order is None:
        raise DayRefusedError(f"The infusion cannot start yet. Still missing: {'; '.join(missing)}.")
    if tapped.order is not None and tapped.order != desk.order.pk:
        raise ChangedMeanwhileError("A new dose was ordered meanwhile. Look at it; the infusion was not started.")
    if desk.baseline is not None and desk.baseline.at > tapped.at:
        raise DayRefusedError("The baseline vital signs were measured after this start. Measure first, then start.")
    return desk.order


def _pause(desk: Desk, record: InfusionRecord, tapped: Tapped, by: User, now: datetime) -> RunEvent:  # noqa: ARG001
    return _add(record, tapped, by, now)


def _resume(desk: Desk, record: InfusionRecord, tapped: Tapped, by: User, now: datetime) -> RunEvent:
    alarm = needs_prescriber(desk)
    if alarm is not None and not by.can(Can.ORDER_DOSE):
        raise DayRefusedError(f"A limit was reached ({alarm.said}). Only a prescriber lets the infusion go on.")
    return _add(record, tapped, by, now)


def _stop(desk: Desk, record: InfusionRecord, tapped: Tapped, by: User, now: datetime) -> RunEvent:
    if not tapped.reason.strip():
        raise ValidationError({"reason": "Say why it was stopped."})
    event = _add(record, tapped, by, now)
    _to_observing(desk, by, tapped.at)
    return event


def _end(desk: Desk, record: InfusionRecord, tapped: Tapped, by: User, now: datetime) -> RunEvent:
    if desk.run.remaining(tapped.at) > EARLY_END and not tapped.reason.strip():
        left = desk.run.remaining(tapped.at)
        raise ValidationError(
            {
                "reason": f"{_clock(left)} are left. Say why it ended before its time, "
                "or choose “Stop early” where something remains in the bag."
            }
        )
    event = _add(record, tapped, by, now)
    _to_observing(desk, by, tapped.at)
    return event


def _use_device(desk: Desk, record: InfusionRecord, tapped: Tapped, by: User, now: datetime) -> RunEvent:
    """One nasal device of 28 mg: the first is the start, the last ordered one is the end.

    Source: clinical.md B3 (L1, L3): five minutes of rest between devices.
    """
    used = desk.run.devices
    if tapped.number is not None and tapped.number != len(used) + 1:
        raise ChangedMeanwhileError(f"Device {len(used)} is on record already. Nothing was saved.")
    if used and (left := rest_left(used, tapped.at)):
        seconds = -int(-left.total_seconds() // 1)
        raise DayRefusedError(
            f"Five minutes of rest lie between two devices (L1). {seconds} seconds are left; nothing was saved."
        )
    order = desk.order_given or _order_to_start(desk, tapped)
    if not desk.run.is_started:
        if desk.booking.status == BookingStatus.ARRIVED:
            bookings.advance(desk.booking.pk, to=BookingStatus.IN_CHAIR, by=by, now=tapped.at)
        start = replace(tapped, kind=RunKind.START.value, uid=uuid5(tapped.uid, RunKind.START))
        _add(record, start, by, now, order=order)
    event = _add(record, tapped, by, now, order=order)
    if len(used) + 1 >= (order.devices or 1):
        end = replace(tapped, kind=RunKind.END.value, uid=uuid5(tapped.uid, RunKind.END))
        _add(record, end, by, now, order=order)
        _to_observing(desk, by, tapped.at)
    return event


def _add(
    record: InfusionRecord, tapped: Tapped, by: User, now: datetime, *, order: DoseOrder | None = None
) -> RunEvent:
    return RunEvent.objects.create(
        record=record,
        uid=tapped.uid,
        kind=tapped.kind,
        at=tapped.at,
        reason=tapped.reason.strip(),
        is_for_adverse_event=tapped.for_adverse_event and tapped.kind == RunKind.STOP,
        order=order,
        received_at=now,
        by=by,
    )


def _to_observing(desk: Desk, by: User, at: datetime) -> None:
    desk.booking.refresh_from_db(fields=["status"])
    if desk.booking.status == BookingStatus.IN_CHAIR:
        bookings.advance(desk.booking.pk, to=BookingStatus.OBSERVING, by=by, now=at)


def _clock(left: timedelta) -> str:
    minutes, seconds = divmod(int(left.total_seconds()), 60)
    return f"{minutes}:{seconds:02d}"


# -- correcting --------------------------------------------------------------------------------------------------------
def correct_tap(
    *, booking_id: int, event_id: int, at: datetime | None, reason: str, by: User, now: datetime
) -> RunEvent | None:
    """The tap has another time, or (``at`` None) was none: the old one is struck with the reason and stays visible.

    A nasal device moves together with the start or the end that it was.

    Raises:
        ChangedMeanwhileError: somebody corrected it meanwhile.
        DayRefusedError: the taps would no longer fit together, what hangs on it would lose its start, or the patient
            has left.
        ValidationError: no reason, or a time that cannot be.
    """
    if not reason.strip():
        raise ValidationError({"reason": "Say why it is corrected."})
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        old = next((one for one in desk.taps if one.pk == event_id), None)
        if old is None:
            raise ChangedMeanwhileError("Somebody corrected this meanwhile. Look again.")
        together = _moves_with(desk, old)
        if at is not None:
            _check_time(desk, at, now=now)
        else:
            _check_removable(desk, old, together)
        _check_fit(desk, together, at)
        RunEvent.objects.filter(pk__in=[one.pk for one in together]).update(
            struck_at=now, struck_by=by, struck_reason=reason.strip()[:200]
        )
        if at is None:
            _step_back(desk, together, by=by, now=now)
            return None
        fresh = [_again(record, one, at, by, now) for one in together]
        return fresh[together.index(old)]


def _moves_with(desk: Desk, old: RunEvent) -> list[RunEvent]:
    """The tap itself, and at a nasal device the start and the end that it was."""
    if not desk.is_nasal:
        return [old]
    return [
        one
        for one in desk.taps
        if one.pk == old.pk
        or (one.at == old.at and old.kind != RunKind.STOP and one.kind in (RunKind.START, RunKind.END, RunKind.DEVICE))
    ]


def _check_removable(desk: Desk, old: RunEvent, together: Sequence[RunEvent]) -> None:
    if any(one.kind == RunKind.START for one in together):
        ids = {one.pk for one in together}
        if any(one.pk not in ids for one in desk.taps) or any(row.at > old.at for row in desk.rows):
            raise DayRefusedError("More was recorded after this start, so it stays. Correct its time instead.")
    is_finish = any(one.kind in (RunKind.STOP, RunKind.END) for one in together)
    if is_finish and desk.booking.status == BookingStatus.DONE:
        raise DayRefusedError("The patient has left, so the end stays. Correct its time instead.")


def _check_fit(desk: Desk, together: Sequence[RunEvent], at: datetime | None) -> None:
    ids = {one.pk for one in together}
    taps = [(one.kind, one.at) for one in desk.taps if one.pk not in ids]
    if at is not None:
        taps += [(one.kind, at) for one in together]
    refusal = refused_taps(taps, planned_min=desk.run.planned_min)
    if not refusal and desk.is_nasal:
        devices = [when for kind, when in taps if kind == RunKind.DEVICE]
        starts = [when for kind, when in taps if kind == RunKind.START]
        ends = [when for kind, when in taps if kind == RunKind.END]
        if devices and (not starts or min(devices) != starts[0]):
            refusal = "the first device is the start"
        elif ends and max(devices, default=ends[0]) != ends[0]:
            refusal = "the last device is the end"
    if refusal:
        raise DayRefusedError(f"The steps would not fit together: {refusal}. Nothing was saved.")
    start = next((when for kind, when in taps if kind == RunKind.START), None)
    first = min((row.at for row in desk.rows if row.systolic_mmhg), default=None)
    if start is not None and first is not None and first > start:
        raise DayRefusedError("No baseline vital signs would lie before this start. Correct their time first.")


def _step_back(desk: Desk, together: Sequence[RunEvent], *, by: User, now: datetime) -> None:
    """Without its end the visit is in the chair again."""
    is_finish = any(one.kind in (RunKind.STOP, RunKind.END) for one in together)
    if is_finish and desk.booking.status == BookingStatus.OBSERVING:
        bookings.undo(desk.booking.pk, by=by, now=now)


def _again(record: InfusionRecord, old: RunEvent, at: datetime, by: User, now: datetime) -> RunEvent:
    return RunEvent.objects.create(
        record=record,
        kind=old.kind,
        at=at,
        reason=old.reason,
        is_for_adverse_event=old.is_for_adverse_event,
        order_id=old.order_id,
        corrects=old,
        received_at=now,
        by=by,
    )
