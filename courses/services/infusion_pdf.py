"""The record of one infusion in words, for its page of paper. Two queries beyond the desk: people booked, lots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from clinic.models import Allocation, AllocationRole, BookingStatus
from courses.models import DrugDraw, DrugLot, FlowsheetRow, LimitAlarm, RunEvent
from courses.pure.adverse import label_of
from courses.pure.checklist import ITEMS
from courses.pure.checklist_answers import say_answer
from courses.pure.leaving import from_kept
from courses.pure.summary_pdf import Block, Chart, Reading, Rows, Summary, chart_of
from courses.services.infusion_desk import Desk

HEAD = ("Time", "", "BP", "HR", "SpO2", "RR", "MOAA/S", "Dissoc.", "Nausea", "By", "Note")
BOOKED = {
    AllocationRole.STATION: "Chair",
    AllocationRole.NURSE: "Nurse booked",
    AllocationRole.CLINICIAN: "Clinician booked",
}


def summary_for(desk: Desk, *, notice: str = "") -> Summary:
    """The day as it stands, a draft until it is signed; ``notice``: what 42 CFR Part 2 wants said on it."""
    patient, place, record = desk.patient, desk.place, desk.record
    return Summary(
        clinic=place.name,
        address=place.address,
        title=f"Infusion {desk.infusion.number} of {desk.phase.n_planned}",
        day=f"{place.local(desk.booking.start):%A, %-d %B %Y}",
        patient=patient.legal_name,
        person=f"born {patient.birth_date:%-d %B %Y}, MRN {patient.mrn}",
        is_draft=not desk.is_signed,
        stands=_stands(desk),
        left=_blocks(("Visit", _visit(desk)), ("Check-in", _answers(desk))),
        right=_blocks(
            ("Order", _order(desk)),
            ("Holds and decisions", _holds(desk)),
            ("Course of events", _taps(desk)),
            ("Drug", _drug(desk)),
        ),
        head=HEAD,
        rows=tuple(_flow(desk, row) for row in desk.rows),
        struck=tuple(_struck(desk)),
        chart=_chart(desk),
        below=_blocks(
            ("Alarms", _alarms(desk)),
            ("Side effects", _effects(desk)),
            ("Leaving", _leaving(desk)),
            ("How it went", (("", record.session_note),) if record and record.session_note else ()),
        ),
        signatures=_signatures(desk),
        amendments=tuple(
            (one.reason, f"{desk.name(one.by_id)}, {_moment(desk, one.at)}", one.text) for one in desk.amendments
        ),
        made=f"Printed {_moment(desk, desk.now)}. {notice}".strip(),
    )


def _blocks(*parts: tuple[str, Rows]) -> tuple[Block, ...]:
    return tuple(Block(title, rows) for title, rows in parts if rows)


def _clock(desk: Desk, at: datetime | None) -> str:
    return f"{desk.place.local(at):%H:%M}" if at else ""


def _moment(desk: Desk, at: datetime) -> str:
    return f"{desk.place.local(at):%-d %b %Y, %H:%M}"


def _number(value: Decimal | None) -> str:
    """Without trailing zeros: 0.5, never 0.50."""
    return f"{value.normalize():f}" if value is not None else ""


def _joined(*words: str, by: str = ", ") -> str:
    return by.join(word for word in words if word)


def _stands(desk: Desk) -> str:
    if desk.record is not None and desk.record.completed_at is not None:
        return f"Completed by {desk.name(desk.record.completed_by_id)}, not signed by a prescriber yet."
    return "This record is neither complete nor signed."


# --- the visit --------------------------------------------------------------------------------------------------------
def _visit(desk: Desk) -> Rows:
    booked = Allocation.objects.filter(booking=desk.booking, role__in=list(BOOKED)).select_related("resource")
    names = {row.role: row.resource.name for row in booked}
    how = desk.visit.get_outcome_display()
    outcome = _joined(how, desk.visit.reason, by=": ") if desk.booking.status == BookingStatus.WITHHELD else how
    return (
        ("Protocol", f"{desk.protocol.title}, version {desk.protocol.number}"),
        ("Prescriber", desk.course.prescriber.display_name),
        *((label, names[role]) for role, label in BOOKED.items() if role in names),
        ("Outcome", outcome),
    )


def _holds(desk: Desk) -> Rows:
    return tuple(
        (
            f"{one.get_severity_display()} {_clock(desk, one.at)}",
            _joined(
                one.said,
                f"limits: {one.profile}" if one.profile else "",
                f"“{one.reason}”" if one.reason else "",
                desk.name(one.by_id),
                by=" · ",
            ),
        )
        for one in desk.decisions
    )


def _answers(desk: Desk) -> Rows:
    """What was answered at check-in, in the order of the checklist; ticks for leaving stand with the discharge."""
    known = desk.answers
    return tuple(
        (item.label, say_answer(item, known[item.code].value, known[item.code].detail))
        for item in ITEMS
        if item.code in known
    )


# --- dose and drug ----------------------------------------------------------------------------------------------------
def _order(desk: Desk) -> Rows:
    order = desk.order_given or desk.order
    if order is None:
        return ()
    weight = f" × {_number(order.weight_kg)} kg ({order.weight_on:%-d %b %Y})" if order.weight_kg else ""
    volume = (
        f"{order.volume_ml} mL of {_number(order.concentration_mg_per_ml)} mg/mL, contains {order.contains_mg} mg"
        if order.volume_ml is not None
        else f"{order.devices} devices"
    )
    pump = _joined(
        f"to {order.bag_ml} mL" if order.bag_ml else "",
        f"{_number(order.rate_ml_h)} mL/h" if order.rate_ml_h else "",
        f"{order.infusion_min} min",
    )
    checks = [one for one in desk.children["checks"] if one.order_id == order.pk]
    return (
        ("Dose", f"{order.dose_mg} mg: {_number(order.amount)} {order.get_basis_display()}{weight}"),
        ("Volume", volume),
        ("Given as", pump),
        ("Ordered by", f"{desk.name(order.by_id)}, {_clock(desk, order.at)}"),
        *((("Other than last time", order.change_reason),) if order.change_reason else ()),
        *((("Beyond the limits", order.override_reason),) if order.override_reason else ()),
        *((("Shown and accepted", " ".join(str(one) for one in order.warnings)),) if order.warnings else ()),
        ("Checked by", _joined(*(f"{desk.name(one.by_id)} {_clock(desk, one.at)}" for one in checks)) or "nobody"),
    )


def _taps(desk: Desk) -> Rows:
    rows = [_tap(desk, tap) for tap in desk.all_taps]
    delivered = desk.delivered_mg
    if delivered is not None:
        minutes = int(desk.run.run_for(desk.now).total_seconds() // 60)
        rows.append(("Delivered", f"{delivered} mg" + ("" if desk.is_nasal else f", pump ran {minutes} min")))
    return tuple(rows)


def _tap(desk: Desk, tap: RunEvent) -> tuple[str, str]:
    said = _joined(tap.get_kind_display(), tap.reason, by=": ")
    because = f", struck: {tap.struck_reason}" if tap.struck_at is not None else ""
    return _clock(desk, tap.at), f"{said}, {desk.name(tap.by_id)}{because}"


def _drug(desk: Desk) -> Rows:
    lots = DrugLot.objects.in_bulk([one.lot_id for one in desk.draws]) if desk.draws else {}
    return tuple((f"Lot {lots[one.lot_id].lot_number}", _split(desk, one)) for one in desk.draws)


def _split(desk: Desk, one: DrugDraw) -> str:
    drawn = f"{one.drawn_mg} mg drawn by {desk.name(one.drawn_by_id)}"
    if one.closed_at is None:
        return f"{drawn}, not accounted for yet"
    witness = f" (witness {desk.name(one.witness_id)})" if one.witness_id else ""
    return f"{drawn}; given {one.given_mg}, wasted {one.wasted_mg}{witness}, returned {one.returned_mg} mg"


# --- vital signs ------------------------------------------------------------------------------------------------------
def _flow(desk: Desk, row: FlowsheetRow) -> tuple[str, ...]:
    start = desk.run.started_at
    since = f"{int((row.at - start).total_seconds() // 60):+d}" if start else ""

    def said(value: int | None) -> str:
        return "" if value is None else str(value)

    return (
        _clock(desk, row.at),
        since,
        f"{row.systolic_mmhg}/{row.diastolic_mmhg}" if row.systolic_mmhg else "",
        said(row.heart_rate_bpm),
        f"{row.spo2_percent} %" if row.spo2_percent is not None else "",
        said(row.respiratory_rate),
        said(row.moaas),
        said(row.dissociation),
        said(row.nausea),
        desk.name(row.by_id),
        row.note,
    )


def _struck(desk: Desk) -> Iterable[str]:
    for row in desk.all_rows:
        if row.struck_at is not None:
            values = _joined(
                f"{row.systolic_mmhg}/{row.diastolic_mmhg} mmHg" if row.systolic_mmhg else "",
                f"heart rate {row.heart_rate_bpm}" if row.heart_rate_bpm else "",
                f"SpO2 {row.spo2_percent} %" if row.spo2_percent else "",
            )
            yield f"Struck {_clock(desk, row.at)} {values}: {row.struck_reason} ({desk.name(row.struck_by_id)})"


def _chart(desk: Desk) -> Chart | None:
    marks = [(at, word) for at, word in ((desk.run.started_at, "start"), (desk.run.ended_at, "end")) if at]
    found = [_reading(row) for row in desk.rows if row.systolic_mmhg]
    base = desk.baseline
    return chart_of(found, marks=marks, baseline=_reading(base) if base else None)


def _reading(row: FlowsheetRow) -> Reading:
    return Reading(row.at, row.systolic_mmhg or 0, row.diastolic_mmhg or 0)


# --- what happened ----------------------------------------------------------------------------------------------------
def _alarms(desk: Desk) -> Rows:
    return tuple(
        (f"{_clock(desk, one.raised_at)} {one.get_act_display()}", f"{one.said} {_answer(desk, one)}")
        for one in desk.alarms
    )


def _answer(desk: Desk, alarm: LimitAlarm) -> str:
    if alarm.answered_at is None:
        return "Not answered."
    return f"Done: {alarm.what_was_done} ({desk.name(alarm.answered_by_id)})"


def _effects(desk: Desk) -> Rows:
    record = desk.record
    rows = [
        (
            f"{_clock(desk, one.onset_at)} {label_of(one.code, one.text)}",
            _joined(
                one.get_severity_display().lower() + (", serious" if one.is_serious else ""),
                one.action,
                _joined(one.medicine, one.medicine_dose, _clock(desk, one.medicine_at), one.medicine_effect, by=" "),
                one.get_outcome_display().lower(),
                by=" · ",
            ),
        )
        for one in desk.effects
    ]
    if not rows and record is not None and record.no_adverse_events_at is not None:
        rows.append(("None", f"asked by {desk.name(record.no_adverse_events_by_id)}"))
    if record is not None and record.prophylaxis_note:
        rows.append(("Next time", record.prophylaxis_note))
    return tuple(rows)


def _leaving(desk: Desk) -> Rows:
    left = desk.discharge
    if left is None:
        return ()
    met = [_joined(one.label, one.value, by=": ") for one in from_kept(left.criteria) if one.is_met]
    return (
        ("Left", f"{_clock(desk, left.at)} {left.how}, {desk.name(left.by_id)}"),
        *((("Told", left.against_advice),) if left.against_advice else ()),
        *((("Criteria met", "; ".join(met)),) if met else ()),
        ("Instructions", left.get_instructions_way_display()),
        ("No driving until", f"{_moment(desk, left.no_driving_until)}, and after a full night’s sleep"),
    )


def _signatures(desk: Desk) -> Rows:
    record = desk.record
    if record is None:
        return (("Completed", "not yet"), ("Signed", "not yet"))
    done = f"{desk.name(record.completed_by_id)}, {_moment(desk, record.completed_at)}" if record.completed_at else ""
    signed = f"{desk.name(record.signed_by_id)}, {_moment(desk, record.signed_at)}" if record.signed_at else ""
    return (("Completed by", done or "not yet"), ("Signed electronically by", signed or "not yet"))
