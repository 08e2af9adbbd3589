"""Alarms of the limits: raised with the row that reached them, waiting until somebody says what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError

from clinic.models import Location, User
from courses.models import FlowsheetRow, InfusionRecord, LimitAlarm, RunEvent
from courses.pure.limits import FIELDS, Look, judge, profile_of
from courses.pure.running import Run, read_run
from courses.services.infusion_record import ChangedMeanwhileError, changing

LATE_AFTER = timedelta(minutes=2)
"""A row that comes in later than this after it was measured says so in its alarm."""


def look_of(row: FlowsheetRow) -> Look:
    """The row as numbers, for judging."""
    return Look(at=row.at, **{name: getattr(row, name) for name in FIELDS})


def looks_of(rows: Iterable[FlowsheetRow]) -> list[Look]:
    return [look_of(row) for row in rows]


def raise_alarms(record: InfusionRecord, *, profile_code: str, place: Location, now: datetime) -> list[LimitAlarm]:
    """Every limit that a valid row of this record reached has its alarm; those that were raised already stay.

    All rows are judged, each against those before it: a row that comes in late may confirm what a later one showed,
    and a struck one may have hidden it. Call it inside ``changing``.
    """
    rows = list(FlowsheetRow.objects.valid().filter(record=record).order_by("at", "pk"))
    run = _run_of(record)
    profile = profile_of(profile_code)
    looks = looks_of(rows)
    known = set(LimitAlarm.objects.filter(record=record).values_list("row_id", "rule"))
    fresh = [
        LimitAlarm(
            record=record,
            row=row,
            rule=found.rule,
            act=found.act,
            said=_said(found.said, row, place)[:300],
            profile=profile.code,
            raised_at=now,
        )
        for row, look in zip(rows, looks, strict=True)
        for found in judge(profile, looks, look, run)
        if (row.pk, found.rule) not in known
    ]
    return LimitAlarm.objects.bulk_create(fresh)


def _run_of(record: InfusionRecord) -> Run:
    """Start and end are enough to judge by; how long it was planned does not matter here."""
    taps = RunEvent.objects.valid().filter(record=record).values_list("kind", "at")
    return read_run(taps, planned_min=1)


def _said(text: str, row: FlowsheetRow, place: Location) -> str:
    if row.received_at - row.at <= LATE_AFTER:
        return text
    return f"{text} Measured at {place.local(row.at):%H:%M}, came in at {place.local(row.received_at):%H:%M}."


def answer_alarm(alarm_id: int, *, what_was_done: str, by: User, now: datetime) -> LimitAlarm:
    """The alarm asks no longer; what was done, by whom and when stands with it. Only once.

    Raises:
        ValidationError: it does not say what was done.
        ChangedMeanwhileError: somebody was faster, or its row was struck.
        DayRefusedError, PermissionDenied: as for every write (``changing``).
        LimitAlarm.DoesNotExist: no such alarm.
    """
    deed = what_was_done.strip()
    booking_id = LimitAlarm.objects.values_list("record__visit__booking_id", flat=True).get(pk=alarm_id)
    with changing(booking_id, by=by, now=now):
        alarm = LimitAlarm.objects.select_related("answered_by", "row").get(pk=alarm_id)
        if alarm.answered_by == by and alarm.what_was_done == deed[:300]:
            return alarm  # sent twice by a device whose network dropped
        if alarm.answered_by is not None:
            raise ChangedMeanwhileError(f"{alarm.answered_by.display_name} answered this already.")
        if alarm.row.is_struck:
            raise ChangedMeanwhileError("The row of this alarm was struck meanwhile.")
        if not deed:
            raise ValidationError({"what_was_done": "Say what was done."})
        alarm.answered_at, alarm.answered_by, alarm.what_was_done = now, by, deed[:300]
        alarm.save(update_fields=["answered_at", "answered_by", "what_was_done"])
        return alarm


def waiting(alarms: Sequence[LimitAlarm]) -> list[LimitAlarm]:
    """Those that nobody answered, the most pressing first: stop, pause, act now, notify."""
    order = ("stop", "pause", "urgent", "notify")
    return sorted((one for one in alarms if one.answered_at is None), key=lambda one: (order.index(one.act), one.pk))
