"""Vital signs during the visit: what is due, one look, the rows with their chart, the alarms of the limits."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST

from clinic.edge.access import requires, staff
from clinic.models import Booking, BookingKind, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from courses.forms.flowsheet import AnswerForm, RowForm, StrikeRowForm
from courses.models import DissociationScale, FlowsheetRow, LimitAlarm
from courses.pure.flowsheet import began_at, is_late, label_of, scheduled
from courses.pure.limits import (
    HIGHEST_DISSOCIATION,
    NAUSEA_SCALE,
    POSSIBLE,
    RULE_LABELS,
    SEDATION_SCALE,
    USUALLY,
    Profile,
    Repeat,
    Rule,
    profile_of,
    repeat_of,
)
from courses.services import flowsheet as rows
from courses.services.alarms import answer_alarm, look_of, looks_of, waiting
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, RecordSignedError
from courses.views.infusion.frame import Section, State, done, refused
from patients.services.observations import UnusualValueError

NAMESPACE = uuid.UUID("5b0f0a53-6f0e-4f0e-9c3b-6a6f2d1f7a10")
BASELINE_SHARE = 0.2
"""The band in the chart. Source: clinical.md D7 (within 20 % of baseline)."""


# -- acts --------------------------------------------------------------------------------------------------------------


@requires(Can.RUN_INFUSION)
@require_POST
def save(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """One look at the patient; sent twice with the same key it is stored once."""
    form = RowForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, "flowsheet", form=form)
    booking = _booking(booking_id)
    now = timezone.now()
    try:
        rows.save_row(
            booking_id,
            uid=form.key,
            look=form.look(booking, now),
            note=form.cleaned_data["note"],
            confirmed=form.cleaned_data["confirmed"],
            timed=form.is_timed,
            by=staff(request),
            now=now,
        )
    except UnusualValueError as error:
        return refused(request, booking_id, "flowsheet", form=form, asks=[one.text for one in error.remarks])
    except ValidationError as error:
        _put(form, error)
        return refused(request, booking_id, "flowsheet", form=form)
    except DayRefusedError as error:
        return _refused(request, booking_id, error, form=form)
    return done(request, booking_id)


@requires(Can.RUN_INFUSION)
@require_POST
def strike(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """A row that was entered in error counts no more; it stays readable."""
    form = StrikeRowForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, "flowsheet", strike_form=form)
    row_id = form.cleaned_data["row"]
    if not FlowsheetRow.objects.filter(pk=row_id, record__visit__booking_id=booking_id).exists():
        raise Http404
    try:
        rows.strike_row(row_id, reason=form.cleaned_data["reason"], by=staff(request), now=timezone.now())
    except DayRefusedError as error:
        return _refused(request, booking_id, error, strike_form=form)
    return done(request, booking_id, notice="Struck. The row stays readable and counts no more.")


@requires(Can.RUN_INFUSION)
@require_POST
def answer(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """What was done about an alarm."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, "flowsheet", answer_form=form)
    alarm_id = form.cleaned_data["alarm"]
    if not LimitAlarm.objects.filter(pk=alarm_id, record__visit__booking_id=booking_id).exists():
        raise Http404
    deed = form.cleaned_data["what_was_done"]
    try:
        answer_alarm(alarm_id, what_was_done=deed, by=staff(request), now=timezone.now())
    except DayRefusedError as error:
        return _refused(request, booking_id, error, answer_form=form)
    return done(request, booking_id)


def _booking(booking_id: int) -> Booking:
    found = Booking.objects.select_related("location").filter(pk=booking_id, kind=BookingKind.INFUSION).first()
    if found is None:
        raise Http404
    return found


def _put(form: forms.Form, error: ValidationError) -> None:
    """The sentences of a refusal beside the fields that they are about."""
    if not hasattr(error, "error_dict"):
        form.add_error(None, error)
        return
    for name, found in error.error_dict.items():
        form.add_error(name if name in form.fields else None, found)


def _refused(request: HttpRequest, booking_id: int, error: DayRefusedError, **bound: Any) -> HttpResponseBase:
    conflict = isinstance(error, (RecordSignedError, ChangedMeanwhileError))
    return refused(request, booking_id, "flowsheet", problem=str(error), status=409 if conflict else 422, **bound)


# -- the section -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One number of the entry form."""

    name: str
    label: str
    unit: str
    low: int
    high: int
    usual_low: int
    usual_high: int
    value: str = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    value: int
    label: str
    hint: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    row: FlowsheetRow
    label: str
    by: str
    struck_by: str
    alarms: tuple[LimitAlarm, ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """An alarm that waits for an answer."""

    alarm: LimitAlarm
    row: FlowsheetRow
    title: str
    limits: str
    repeat: Repeat | None
    suggestions: tuple[str, ...]
    errors: tuple[str, ...] = ()
    value: str = ""


NUMBERS = (
    ("systolic_mmhg", "Systolic", "mmHg"),
    ("diastolic_mmhg", "Diastolic", "mmHg"),
    ("heart_rate_bpm", "Heart rate", "/min"),
    ("spo2_percent", "SpO2", "%"),
    ("respiratory_rate", "Breaths", "/min"),
)
SUGGESTIONS = {
    "stop": ("Infusion stopped, prescriber told", "Prescriber at the chair"),
    "pause": ("Infusion paused, prescriber told", "Prescriber at the chair"),
    "urgent": ("Oxygen given, prescriber told", "Airway supported, prescriber told"),
    "notify": ("Prescriber told", "Prescriber at the chair"),
}


def section(desk: Desk, user: User, **bound: Any) -> Section:
    """Vital signs as they stand; ``bound`` brings back what was refused: a form, ``asks``, or a ``problem``."""
    now = desk.now
    due = rows.due_of(desk)
    may_write = (
        user.can(Can.RUN_INFUSION)
        and not desk.is_signed
        and not desk.is_ended
        and desk.booking.status not in UPCOMING_STATUSES
    )
    late = is_late(due, now=now, grace_min=desk.day_settings.late_grace_min)
    open_alarms = waiting(desk.alarms)
    profile = profile_of(desk.day_settings.limits_profile)
    form: RowForm | None = bound.get("form")
    context = {
        "may_write": may_write,
        "due": due,
        "due_what": _due_what(desk, due),
        "is_late": late,
        "grace_min": desk.day_settings.late_grace_min,
        "uid": _uid(desk, user),
        "numbers": _numbers(form),
        "clock": _value(form, "clock"),
        "clock_errors": _errors(form, "clock", "at", "uid"),
        "moaas": _options(form, "moaas", SEDATION_SCALE),
        "nausea": _options(form, "nausea", NAUSEA_SCALE),
        "dissociation": _dissociation(desk, form),
        "note": _value(form, "note"),
        "general_errors": tuple(form.non_field_errors()) if form else (),
        "asks": bound.get("asks", ()),
        "problem": bound.get("problem", ""),
        "strike_form": bound.get("strike_form"),
        "asking": _asking(desk, open_alarms, profile, bound.get("answer_form")),
        "answered": [one for one in desk.alarms if one.answered_at is not None],
        "lines": _lines(desk),
        "valid_rows": desk.rows,
        "coming": _coming(desk, due) if may_write else (),
        "profile": profile,
        "facts": _facts(desk, profile),
    }
    return Section(
        _state(desk, due, open_alarms, may_write=may_write, now=now),
        _summary(desk, open_alarms),
        context,
        _act(desk, due, open_alarms) if may_write else "",
    )


def _state(desk: Desk, due: datetime | None, alarms: Iterable[LimitAlarm], *, may_write: bool, now: datetime) -> State:
    if may_write and alarms:
        return State.ASKS
    if desk.booking.left_at is not None or desk.is_signed or desk.is_ended:
        return State.DONE if desk.rows else State.WAITING
    if began_at(desk.run) is not None or (due is not None and due <= now):
        return State.NOW
    return State.WAITING


def _act(desk: Desk, due: datetime | None, alarms: Iterable[LimitAlarm]) -> str:
    """The next act is a look while the infusion goes on; before and after it only when one is due."""
    if alarms:
        return "Answer the alarm"
    is_due = due is not None and due <= desk.now
    goes_on = began_at(desk.run) is not None and not desk.run.is_over and not desk.is_nasal
    return "Record vital signs" if is_due or (goes_on and due is not None) else ""


def _summary(desk: Desk, alarms: list[LimitAlarm]) -> str:
    last = next((row for row in reversed(desk.rows) if look_of(row).is_measured), None)
    said = []
    if alarms:
        said.append("1 alarm" if len(alarms) == 1 else f"{len(alarms)} alarms")
    if last is not None:
        if last.systolic_mmhg:
            said.append(f"{last.systolic_mmhg}/{last.diastolic_mmhg}")
        if last.heart_rate_bpm:
            said.append(f"HR {last.heart_rate_bpm}")
        if last.spo2_percent:
            said.append(f"{last.spo2_percent} %")
        said.append(f"at {desk.place.local(last.at):%H:%M}")
    return " · ".join(said)


def _due_what(desk: Desk, due: datetime | None) -> str:
    if due is None:
        return ""
    if began_at(desk.run) is None:
        return "Baseline"
    if due == rows.repeat_due(desk):
        return "Repeat the pressure"
    return f"Vital signs {label_of(due, desk.run)}"


def _uid(desk: Desk, user: User) -> uuid.UUID:
    """The key of a plain form: the same page sent twice is one row. A device with JavaScript makes its own."""
    return uuid.uuid5(NAMESPACE, f"{desk.booking.pk}.{desk.version}.{user.pk}")


def _value(form: RowForm | None, name: str) -> str:
    return str(form.data.get(name, "")) if form else ""


def _errors(form: RowForm | None, *names: str) -> tuple[str, ...]:
    return tuple(str(one) for name in names for one in form.errors.get(name, ())) if form else ()


def _numbers(form: RowForm | None) -> list[Field]:
    return [
        Field(name, label, unit, *POSSIBLE[name], *USUALLY[name], _value(form, name), _errors(form, name))
        for name, label, unit in NUMBERS
    ]


def _options(form: RowForm | None, name: str, scale: Mapping[int, str]) -> list[Option]:
    chosen = _value(form, name)
    return [Option(value, str(value), hint, str(value) == chosen) for value, hint in scale.items()]


def _dissociation(desk: Desk, form: RowForm | None) -> Field:
    scale = desk.day_settings.dissociation_scale
    high = HIGHEST_DISSOCIATION[scale]
    title = str(DissociationScale(scale).label).replace(" total", "").replace(" (", ", ").rstrip(")")  # "CADSS-6, 0–24"
    return Field(
        "dissociation", title, "", 0, high, 0, high, _value(form, "dissociation"), _errors(form, "dissociation")
    )


def _asking(desk: Desk, alarms: list[LimitAlarm], profile: Profile, form: AnswerForm | None) -> list[Asking]:
    by_row = {row.pk: row for row in desk.rows}
    looks = looks_of(desk.rows)
    failed = str(form.data.get("alarm", "")) if form else ""
    found = []
    for alarm in alarms:
        row = by_row[alarm.row_id]
        repeat = repeat_of(profile, look_of(row), looks) if alarm.rule == Rule.PRESSURE_PAUSE else None
        is_failed = form is not None and failed == str(alarm.pk)
        errors = tuple(str(one) for one in form.errors.get("what_was_done", ())) if form and is_failed else ()
        value = str(form.data.get("what_was_done", "")) if form and is_failed else ""
        title = RULE_LABELS.get(Rule(alarm.rule), alarm.rule) if alarm.rule in set(Rule) else alarm.rule
        limits = profile_of(alarm.profile).title
        found.append(Asking(alarm, row, title, limits, repeat, SUGGESTIONS[alarm.act], errors, value))
    return found


def _lines(desk: Desk) -> list[Line]:
    """The newest first."""
    return [
        Line(
            row,
            label_of(row.at, desk.run),
            desk.name(row.by_id),
            desk.name(row.struck_by_id),
            tuple(one for one in desk.alarms if one.row_id == row.pk),
        )
        for row in reversed(desk.all_rows)
    ]


def _coming(desk: Desk, due: datetime | None) -> list[dict[str, Any]]:
    """The next few times of the schedule after the one that is due."""
    if due is None or began_at(desk.run) is None:
        return []
    protocol = desk.protocol
    slots = scheduled(
        desk.run,
        is_nasal=desk.is_nasal,
        during_min=protocol.vitals_during_min,
        after_min=protocol.vitals_after_min,
        observation_min=protocol.observation_min,
        now=desk.now,
    )
    later = [slot for slot in slots if slot.at > due + timedelta(minutes=protocol.vitals_during_min / 2)]
    return [{"at": slot.at, "label": slot.label} for slot in later[:2]]


def _facts(desk: Desk, profile: Profile) -> dict[str, Any]:
    """What the chart draws: minutes since the start (or since the first look, before it), never a name."""
    began = began_at(desk.run)
    measured = [row for row in desk.rows if row.systolic_mmhg or row.heart_rate_bpm]
    zero = began or (measured[0].at if measured else desk.now)

    def minute(at: datetime) -> float:
        return round((at - zero).total_seconds() / 60, 1)

    baseline = desk.baseline
    end = desk.run.ended_at or (began + timedelta(minutes=desk.run.planned_min) if began else None)
    return {
        "started": began is not None,
        "ended": desk.run.is_over,
        "span": [0, minute(end)] if began and end else None,
        "baseline": [baseline.systolic_mmhg, baseline.diastolic_mmhg] if baseline else None,
        "share": BASELINE_SHARE,
        "limits": [
            {"at": profile.pause.systolic, "name": f"pause {profile.pause.systolic}"},
            {"at": profile.stop.systolic, "name": f"stop {profile.stop.systolic}"},
        ],
        "points": [
            [minute(row.at), row.systolic_mmhg, row.diastolic_mmhg, row.heart_rate_bpm, label_of(row.at, desk.run)]
            for row in measured
        ],
    }
