"""Check-in: what was asked before the infusion, go or no-go, and withholding it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.models import User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from courses.forms.checkin import DAYS, CheckinForm, DecideForm, WithholdForm
from courses.models import PhaseKind
from courses.pure.adverse import label_of
from courses.pure.checklist import EARLIER, ITEMS, MEDICINES, NONE, NOT_POSSIBLE, YES, CheckItem, Kind, Standing
from courses.pure.checklist_answers import base_of_test, fingerprint, say_answer
from courses.pure.fasting import fasting_profile_of
from courses.services.checkin import (
    LONGEST_REASON,
    AnsweredMeanwhileError,
    Theirs,
    let_through,
    save_checkin,
    withhold_today,
)
from courses.services.gate import Finding, Gate, facts_of, gate_of
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused
from patients.models import PregnancyResult
from patients.pure.pressure import profile_of
from patients.services.observations import UnusualValueError

NAME = "checkin"
ELSEWHERE = ("consent", "measure")
"""What is mended on other pages, so that no write to the record tells of it."""


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    is_chosen: bool
    is_good: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """One question as it stands on the page: what is chosen, what the server knows, and what is wrong."""

    item: CheckItem
    choices: tuple[Choice, ...] = ()
    value: str = ""
    detail: str = ""
    unit: str = ""
    is_fatty: bool = False
    asks_fatty: bool = False
    base: str = ""
    errors: tuple[str, ...] = ()
    theirs: Theirs | None = None
    line: Finding | None = None
    hints: tuple[str, ...] = ()

    @property
    def template(self) -> str:
        return f"courses/infusion/_checkin_{self.item.kind}.html"

    @property
    def name(self) -> str:
        return f"checkin-{self.item.code}"

    @property
    def stands(self) -> str:
        """For the mark beside it: ok, missing, or what speaks against the start."""
        return self.line.state.value if self.line else ""


@dataclass(frozen=True, slots=True)
class Read:
    """A line that is read from the record, with the way to where it is entered."""

    title: str
    findings: tuple[Finding, ...]
    url: str = ""
    action: str = ""
    opens: str = ""

    @property
    def stands(self) -> str:
        states = {one.state for one in self.findings}
        return next((s.value for s in (Standing.HARD, Standing.SOFT, Standing.MISSING) if s in states), "ok")


@dataclass(frozen=True, slots=True)
class Held:
    """A finding that speaks against the start, as this person sees it."""

    finding: Finding
    title: str
    act: str
    rest_until: datetime | None = None
    problem: str = ""
    reason: str = ""
    alert_url: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the section was told by an act that was refused."""

    problem: str = ""
    form: CheckinForm | None = None
    theirs: Mapping[str, Theirs] = field(default_factory=dict)
    asks_weight: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""
    withhold_problem: str = ""
    withhold_reason: str = ""


def section(desk: Desk, user: User, **bound: Any) -> Section:
    """What was answered, what is left, and what speaks against the start; read from ``desk`` and ``desk.person``."""
    told = Bound(**bound)
    is_early = desk.booking.status in UPCOMING_STATUSES
    if is_early or (desk.is_ended and desk.record is None):
        return Section(State.WAITING, "", {"is_early": is_early})
    gate = gate_of(desk)
    may_write = user.can(Can.RUN_INFUSION) and not desk.run.is_started and not desk.is_signed and not desk.is_ended
    context: dict[str, Any] = {
        "gate": gate,
        "may_write": may_write,
        "problem": told.problem,
        "reminder": _reminder(desk),
        "allergies": desk.person.allergies,
        "decided": [(one, desk.name(one.decision.by_id)) for one in gate.decided if one.decision],
        "answered": [(item, _said(desk, item)) for item in ITEMS if item.code in desk.answers],
        "held": [_held(desk, user, one, told) for one in gate.holds],
        "may_decide": user.can(Can.ORDER_DOSE),
        "refresh_at": min((one.passes_from for one in gate.holds if one.passes_from), default=None),
        "watches": any(one.item in ELSEWHERE for one in (*gate.missing, *gate.holds)),
        "withhold_reason": told.withhold_reason or _withhold_reason(gate),
        "withhold_problem": told.withhold_problem,
        "withhold_limit": LONGEST_REASON,
    }
    if may_write:
        context |= _form_context(desk, gate, told)
    state, summary, act = _standing(desk, gate)
    return Section(state, summary, context, act if may_write else "")


def _standing(desk: Desk, gate: Gate) -> tuple[State, str, str]:
    left = len(gate.missing)
    if desk.run.is_started or desk.is_ended or desk.is_signed:
        words = "Withheld" if desk.is_ended else "Go"
        return State.DONE, words, ""
    act = f"Check in: {left} left" if left else "Decide"
    if gate.holds:
        more = f" and {len(gate.holds) - 1} more" if len(gate.holds) > 1 else ""
        return State.ASKS, f"Hold: {_short(desk, gate.holds[0])}{more}", act
    if left:
        return State.NOW, f"{left} left", act
    return State.DONE, f"Go · {len(gate.decided)} let through" if gate.decided else "Go", ""


_SHORT = {
    "fasting_solids": "not fasted",
    "fasting_liquids": "not fasted",
    "identity": "identity",
    "consent": "consent",
    "escort": "no escort",
    "pregnancy": "pregnancy test positive",
    "airway": "airway equipment",
    "mental": "mental status",
    "spo2": "SpO₂",
    "low_pressure": "low pressure",
    "health_change": "change in health",
}


def _short(desk: Desk, finding: Finding) -> str:
    if finding.code == "pressure":
        signs = facts_of(desk).signs
        return f"pressure {signs.systolic_mmhg}/{signs.diastolic_mmhg}"
    if finding.code.startswith("alert_"):
        return "danger signal"
    if finding.item == "medicines_today":
        return "medicines"
    return _SHORT.get(finding.code, "new side effect" if finding.code.startswith("since_") else finding.code)


def _said(desk: Desk, item: CheckItem) -> str:
    one = desk.answers[item.code]
    return say_answer(item, one.value, one.detail)


def _withhold_reason(gate: Gate) -> str:
    """The first hold, and the others as far as they fit; without one nothing."""
    said = ""
    for one in gate.holds:
        longer = f"{said} {one.said}".strip()
        if len(longer) <= LONGEST_REASON:
            said = longer
    return said or (gate.holds[0].said[:LONGEST_REASON] if gate.holds else "")


def _reminder(desk: Desk) -> dict[str, Any]:
    """What the infusion before this one left to remember."""
    last = desk.last
    if last is None or last.record is None:
        return {}
    effects = ", ".join(dict.fromkeys(label_of(one.code, one.text) for one in last.effects))
    note = last.record.prophylaxis_note
    return {"number": last.infusion.number, "note": note, "effects": effects} if note or effects else {}


# -- holds -------------------------------------------------------------------------------------------------------------


def _held(desk: Desk, user: User, finding: Finding, told: Bound) -> Held:
    may_decide = user.can(Can.ORDER_DOSE) and finding.may_override
    rest = None
    if finding.code == "pressure" and desk.baseline is not None:
        rest = desk.baseline.at + timedelta(minutes=desk.day_settings.rest_min)
    is_told = told.code == finding.code
    return Held(
        finding,
        _title(finding),
        ("Allow the start" if finding.is_hard else "Acknowledge") if may_decide else "",
        rest,
        told.problem if is_told else "",
        told.reason if is_told else "",
        reverse("alerts:alert", args=[int(finding.code[6:])]) if finding.code.startswith("alert_") else "",
    )


def _title(finding: Finding) -> str:
    if finding.is_hard:
        return "Hold"
    return "Weigh this first"


# -- the questions -----------------------------------------------------------------------------------------------------


def _form_context(desk: Desk, gate: Gate, told: Bound) -> dict[str, Any]:
    person, form = desk.person, told.form
    lines = {one.item: one for one in gate.findings if one.state is not Standing.OK}
    lines = {one.item: one for one in gate.findings} | lines
    shown = {item.code: _shown(desk, item, lines.get(item.code), told) for item in ITEMS}
    findings = gate.findings
    patient = desk.patient.pk

    def read(title: str, *items: str, **way: str) -> Read:
        return Read(title, tuple(one for one in findings if one.item in items), **way)

    fasting = fasting_profile_of(desk.day_settings.fasting_profile, is_nasal=desk.is_nasal)
    test = person.test
    return {
        "who": [shown["identity"], shown["escort"]],
        "consent": read("Consent", "consent", url=reverse("consents:patient", args=[patient]), action="Consents"),
        "eaten": [shown["fasting_solids"], shown["fasting_liquids"]],
        "fasting": fasting,
        "medicines": shown["medicines_today"],
        "health": [shown["health_change"]],
        "pregnancy": shown["pregnancy"],
        "asks_pregnancy": person.asks_pregnancy,
        "asks_if_possible": not person.knows_pregnancy_is_possible,
        "pregnancy_read": read("Pregnancy test", "pregnancy"),
        "test_base": base_of_test(test.result, test.on) if test else "",
        "tests": [Choice(v, str(label), _sent(form, "test") == v) for v, label in PregnancyResult.choices],
        "test_errors": _errors(form, "test"),
        "test_theirs": told.theirs.get("test"),
        "since": [shown[code] for code in ("since_urinary", "since_memory", "since_mania", "since_cravings")]
        + [shown["since_other"]],
        "is_first": desk.phase.kind == PhaseKind.INITIAL and desk.infusion.number == 1,
        "measure": shown["measure"],
        "measure_stamp": person.measure.stamp if person.measure else "",
        "measure_read": read(
            f"Today's {person.measure_name}",
            "measure",
            url=reverse("measures:entry", args=[patient, person.measure_code]) if person.measure is None else "",
            action=f"Enter the {person.measure_name}",
        ),
        "weight_read": read("Weight", "weight"),
        "weight": {
            "value": _sent(form, "weight"),
            "units": [Choice(v, v, _sent(form, "weight_unit") == v) for v in ("kg", "lb")],
            "base": str(person.weight_id or ""),
            "errors": _errors(form, "weight"),
            "asks": told.asks_weight,
            "theirs": told.theirs.get("weight"),
        },
        "vitals_read": read("Vital signs before the start", "vitals", opens="flowsheet", action="Record vital signs"),
        "mental_read": read("Mental status", "mental", opens="flowsheet", action="Record MOAA/S"),
        "temperature": shown["temperature"],
        "airway": shown["airway"],
        "pressure_profile": profile_of(desk.intake_settings.pressure_profile),
        "escort_hint": desk.patient.emergency_name,
    }


def _sent(form: CheckinForm | None, name: str) -> str:
    return str(form.data.get(form.add_prefix(name), "")) if form is not None else ""


def _errors(form: CheckinForm | None, name: str) -> tuple[str, ...]:
    return tuple(str(one) for one in form.errors.get(name, ())) if form is not None and form.is_bound else ()


def _shown(desk: Desk, item: CheckItem, line: Finding | None, told: Bound) -> Shown:
    stored, form = desk.answers.get(item.code), told.form
    kept = (stored.value, stored.detail) if stored else ("", "")
    value, detail, unit, picked = _filled(desk, item, kept)
    is_fatty = kept[1] == "fatty"
    if form is not None:
        value, detail = _sent(form, item.code), _sent(form, f"{item.code}_detail")
        unit, is_fatty = _sent(form, f"{item.code}_unit"), bool(_sent(form, f"{item.code}_fatty"))
        picked = _sent(form, f"{item.code}_day")
        if item.kind is Kind.MEDICINES:
            picked = form.medicines
    chosen = picked.split(",") if item.kind is Kind.MEDICINES else [picked if item.kind is Kind.MOMENT else value]
    if item.code == "measure" and form is None and desk.person.measure and detail != desk.person.measure.stamp:
        chosen = []
    return Shown(
        item=item,
        choices=tuple(Choice(v, label, v in chosen, v == item.good) for v, label in _choices(item)),
        value=value,
        detail=detail,
        unit=unit,
        is_fatty=is_fatty,
        asks_fatty=item.code == "fasting_solids"
        and fasting_profile_of(desk.day_settings.fasting_profile, is_nasal=desk.is_nasal).fatty_min is not None,
        # After a conflict the page has shown what stands there now; otherwise it still shows what it was sent with.
        base=_sent(form, f"{item.code}_base")
        if form is not None and item.code not in told.theirs
        else fingerprint(*kept),
        errors=_errors(form, item.code),
        theirs=told.theirs.get(item.code),
        line=line,
    )


def _filled(desk: Desk, item: CheckItem, kept: tuple[str, str]) -> tuple[str, str, str, str]:
    """The stored answer as the fields show it: value, detail, unit, and what is picked (a day, some medicines)."""
    value, detail = kept
    if item.kind is Kind.MEDICINES:
        return "", detail, "", value
    if item.kind is Kind.NUMBER:
        return value, "", "c" if value else "", ""
    if item.kind is not Kind.MOMENT or not value:
        return value, detail, "", ""
    if value == EARLIER:
        return "", "", "", EARLIER
    moment, today = desk.place.local(datetime.fromisoformat(value)), desk.place.local(desk.now).date()
    day = "today" if moment.date() == today else "yesterday"
    return f"{moment:%H:%M}", "", "", day


def _choices(item: CheckItem) -> tuple[tuple[str, str], ...]:
    if item.kind is Kind.MEDICINES:
        return (*MEDICINES, (NONE, "None of these"))
    if item.kind is Kind.MOMENT:
        return DAYS
    if item.kind is Kind.PERSON:
        return ((YES, "Somebody"), ("no", "Nobody yet"))
    if item.good == NOT_POSSIBLE:
        return ((NOT_POSSIBLE, "Not possible"),)
    if item.code == "measure":
        return ((YES, "Reviewed"),)
    return ((YES, "Yes"), ("no", "No"))


# -- acts --------------------------------------------------------------------------------------------------------------


@requires(Can.RUN_INFUSION)
@require_POST
def save(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The answers that were typed are stored; 422 with what does not fit, 409 with what somebody else answered."""
    desk = desk_or_404(booking_id)
    form = CheckinForm(request.POST, place=desk.place, now=desk.now)
    if not form.is_valid():
        return refused(request, booking_id, NAME, form=form, problem=_look(form))
    try:
        save_checkin(booking_id=booking_id, entries=form.entries, by=staff(request), now=timezone.now())
    except AnsweredMeanwhileError as conflict:
        return refused(request, booking_id, NAME, form=form, theirs=conflict.theirs, problem=str(conflict), status=409)
    except UnusualValueError as unusual:
        asks = tuple(remark.text for remark in unusual.remarks)
        problem = "Nothing was saved yet: read the scale again and confirm the weight."
        return refused(request, booking_id, NAME, form=form, asks_weight=asks, problem=problem)
    except ValidationError as error:
        form.add_problems(error.message_dict)
        return refused(request, booking_id, NAME, form=form, problem=_look(form))
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal))
    return done(request, booking_id, notice="Check-in saved.")


def _look(form: CheckinForm) -> str:
    count = len(form.errors)
    rest = " ".join(str(one) for one in form.non_field_errors())
    return f"Nothing was saved: {count} answer{'s' if count > 1 else ''} to look at. {rest}".strip()


@requires(Can.ORDER_DOSE)
@require_POST
def decide(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """A clinician acknowledges a soft finding, or overrides a hard one with a reason."""
    desk_or_404(booking_id)
    form = DecideForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, NAME, problem="This decision could not be read. Look again.")
    data = form.cleaned_data
    told = {"code": data["code"], "reason": data["reason"]}
    try:
        let_through(booking_id=booking_id, by=staff(request), now=timezone.now(), **data)
    except ValidationError as error:
        return refused(request, booking_id, NAME, problem=" ".join(error.messages), **told)
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), **told)
    return done(request, booking_id, notice="Decided. It holds for this reading only.")


@requires(Can.RUN_INFUSION)
@require_POST
def withhold(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """Nothing is given today; then the next time that fits is offered (R5)."""
    desk_or_404(booking_id)
    form = WithholdForm(request.POST)
    reason = request.POST.get("reason", "").replace("\x00", "")
    if not form.is_valid():
        said = " ".join(str(one) for errors in form.errors.values() for one in errors)
        return refused(request, booking_id, NAME, withhold_problem=said, withhold_reason=reason)
    try:
        visit = withhold_today(booking_id=booking_id, by=staff(request), now=timezone.now(), **form.cleaned_data)
    except ValidationError as error:
        return refused(request, booking_id, NAME, withhold_problem=" ".join(error.messages), withhold_reason=reason)
    except ChangedMeanwhileError as refusal:
        told = {"withhold_problem": str(refusal), "withhold_reason": reason}
        return refused(request, booking_id, NAME, status=409, **told)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, withhold_problem=str(refusal), withhold_reason=reason)
    number = visit.infusion.number
    if staff(request).can(Can.MOVE_INFUSION):
        messages.success(request, f"Withheld. Here is the next time that fits for infusion {number}.")
        return go(request, reverse("courses:move", args=[visit.infusion_id]))
    messages.success(request, f"Withheld. The front desk finds a new time for infusion {number}.")
    return go(request, "courses:course", visit.infusion.phase.course_id)
