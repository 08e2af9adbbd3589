"""The dose of an infusion day: the prescriber's order with its preview, and the checks of two people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import is_fragment
from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.cosign import CosignError, second_people
from clinic.views.cosign import second_person
from courses.forms.dose import CHECKS, NASAL_CHECKS, NASAL_MG, CheckForm, OrderForm
from courses.pure.doses import Ask, DoseError, Ordered, plain
from courses.services.dosing import (
    BEFORE_THE_START,
    DRUGS,
    Given,
    Proposal,
    check_dose,
    checks_lacking,
    concentrations_of,
    decided_ordered,
    has_checked,
    last_ordered,
    order_dose,
    ordered_of,
    propose,
    say_order,
    start_ordered,
    weight_of,
)
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused, render_day

ORDERED = ("basis", "amount", "infusion_min", "concentration", "bag_ml")
LOOKS = {
    Ask.OVERRIDE: ("alert-triangle", "danger", "Beyond the protocol"),
    Ask.CHANGE: ("arrows-exchange", "warn", "Another dose"),
    Ask.ACCEPT: ("alert-triangle", "warn", "Warning"),
    Ask.NOTE: ("info-circle", "info", "To know"),
}


# -- the section -------------------------------------------------------------------------------------------------------
def section(desk: Desk, user: User, **bound: Any) -> Section:
    """The order as it counts with who checked it; for a prescriber, before the start, the form of a new one."""
    order = desk.order
    is_open = desk.booking.status in BEFORE_THE_START and not desk.run.is_started and not desk.is_signed
    may_order = is_open and user.can(Can.ORDER_DOSE)
    may_check = is_open and user.can(Can.RUN_INFUSION) and order is not None
    left = checks_lacking(desk) if order else 0
    given = desk.day_settings.checks_needed - left
    context: dict[str, Any] = {
        "order": order,
        "said": say_order(order) if order else "",
        "facts": _facts(desk) if order else None,
        "ordered_by": desk.name(order.by_id) if order else "",
        "replaced": [(one, say_order(one), desk.name(one.by_id)) for one in desk.orders[1:]],
        "checks": [(check, desk.name(check.by_id)) for check in desk.checks],
        "checks_left": left,
        "checks_needed": desk.day_settings.checks_needed,
        "check_number": given + 1,
        "is_open": is_open,
        "may_order": may_order,
        "may_check": may_check and left > 0,
        "has_checked": has_checked(desk, user),
        "lines": _lines(desk) if order else [],
        "asks_second": bound.get("people") is not None,
        "people": bound.get("people"),
        "second_problem": bound.get("second_problem", ""),
        "check_problem": bound.get("check_problem", ""),
        "problem": bound.get("problem", ""),
    }
    if may_order:
        context |= order_context(desk, bound.get("form"))
        context["is_new_open"] = order is None or bound.get("form") is not None
    return Section(*_standing(desk, may_order=may_order, left=left, given=given, context=context))


def _standing(
    desk: Desk, *, may_order: bool, left: int, given: int, context: Mapping[str, Any]
) -> tuple[State, str, Mapping[str, Any], str]:
    if desk.order is None:
        if not context["is_open"]:
            return State.WAITING, "", context, ""
        act = "Order the dose" if may_order else ""
        return State.NOW, "" if may_order else "Waiting for the prescriber's order", context, act
    said = _short(desk)
    if left and context["is_open"]:
        act = f"Check the dose ({given + 1} of {desk.day_settings.checks_needed})"
        return State.NOW, f"{said} · {left} to check", context, act
    return State.DONE, said, context, ""


def _short(desk: Desk) -> str:
    order = desk.order_given or desk.order
    if order is None:
        return ""
    parts = [say_order(order)]
    if order.volume_ml is not None:
        parts.append(f"{plain(order.volume_ml)} mL of {plain(order.concentration_mg_per_ml)} mg/mL")
        parts.append(f"{plain(order.rate_ml_h)} mL/h")
    return " · ".join(parts)


def order_context(desk: Desk, form: OrderForm | None) -> dict[str, Any]:
    """What the form of an order shows: its fields, the weight, the doses to begin from, and what it comes to."""
    form = form or new_form(desk)
    proposal, refusal = _proposal(desk, form)
    return {
        "form": form,
        "weight": weight_of(desk),
        "weight_days": desk.day_settings.weight_max_age_days,
        "nasal_mg": NASAL_MG if desk.is_nasal else (),
        "suggestions": [(name, label, ordered.said) for name, label, ordered in _suggestions(desk)],
        "proposal": proposal,
        "refusal": refusal,
        "remarks": [(one, *LOOKS[one.ask]) for one in proposal.findings] if proposal else [],
        "asks_override": bool(proposal and proposal.asks(Ask.OVERRIDE)),
        "accepted": form.accepted if form.is_bound else frozenset(),
        "deviation": _signed(proposal) if proposal else "",
        "numbers": _numbers(proposal) if proposal else {},
    }


def new_form(
    desk: Desk, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any] | None = None
) -> OrderForm:
    """The dose is empty; the minutes are the visit's, the bag is the clinic's usual one."""
    initial = initial or {
        "infusion_min": desk.visit.infusion_min,
        "bag_ml": desk.day_settings.bag_ml,
    }
    return OrderForm(data, concentrations=concentrations_of(desk), is_nasal=desk.is_nasal, initial=initial)


def _suggestions(desk: Desk) -> list[tuple[str, str, Ordered]]:
    last, start, decided = last_ordered(desk), start_ordered(desk), decided_ordered(desk)
    found = []
    if decided is not None:
        found.append(("decided", "Decided at the review", decided))
    if last is not None:
        found.append(("last", "As last time", last))
    if start is not None:
        found.append(("start", "The protocol's start dose", start))
    return found


def _proposal(desk: Desk, form: OrderForm) -> tuple[Proposal | None, str]:
    if not form.is_bound or any(name in form.errors for name in ORDERED):
        return None, ""
    try:
        return propose(desk, form.ordered(desk.visit.infusion_min)), ""
    except DoseError as error:
        return None, str(error)


def _signed(proposal: Proposal) -> str:
    percent = proposal.dose.deviation_percent
    if not percent:
        return ""
    return f"{'−' if percent < 0 else '+'}{abs(percent)} %"


def _numbers(proposal: Proposal) -> dict[str, str]:
    dose, ordered = proposal.dose, proposal.ordered
    return {
        "dose": plain(dose.dose_mg),
        "volume": plain(dose.volume_ml),
        "contains": str(dose.contains_mg),
        "strength": plain(ordered.concentration_mg_per_ml),
        "rate": plain(dose.rate_ml_h),
        "per_min": plain(dose.mg_per_min),
    }


def _facts(desk: Desk) -> dict[str, str]:
    """The numbers of the order that counts, as they are read out."""
    order = desk.order
    if order is None:
        return {}
    return {
        "dose": plain(order.dose_mg),
        "basis": "" if order.devices else ordered_of(order).said,
        "weight": f"{order.weight_kg} kg" if order.weight_kg else "",
        "volume": plain(order.volume_ml),
        "strength": plain(order.concentration_mg_per_ml),
        "contains": plain(order.contains_mg) if order.contains_mg != order.dose_mg else "",
        "rate": plain(order.rate_ml_h),
    }


def _lines(desk: Desk) -> list[tuple[str, str, str]]:
    """What is held against label, bag and pump: code, what, value."""
    order = desk.order
    if order is None:
        return []
    drug = ("drug", "Drug", DRUGS[desk.is_nasal])
    dose = ("dose", "Dose", say_order(order))
    if order.devices:
        return [drug, dose, ("devices", "Devices", f"{order.devices} × 28 mg")]
    return [
        drug,
        dose,
        ("concentration", "Concentration", f"{plain(order.concentration_mg_per_ml)} mg/mL"),
        ("volume", "Volume", f"{plain(order.volume_ml)} mL"),
        ("bag", "Bag", f"made to {order.bag_ml} mL"),
        ("rate", "Rate", f"{plain(order.rate_ml_h)} mL/h for {order.infusion_min} min"),
    ]


# -- ordering ----------------------------------------------------------------------------------------------------------
@requires(Can.ORDER_DOSE)
@require_GET
def preview(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """What the order that is being typed comes to; nothing is written."""
    desk = desk_or_404(booking_id)
    form = new_form(desk, request.GET)
    if not is_fragment(request):
        return render_day(request, desk, bound={"dose": {"form": form}})
    context = {"desk": desk, "place": desk.place, "section": order_context(desk, form)}
    return render(request, "courses/infusion/_dose_preview.html", context)


@requires(Can.ORDER_DOSE)
@require_POST
def order(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The order counts; or the form comes back, filled in, with its preview, or with what is wrong."""
    desk = desk_or_404(booking_id)
    if "fill" in request.POST:
        return refused(request, booking_id, "dose", status=200, form=_filled(request, desk))
    form = new_form(desk, request.POST)
    if not form.is_valid() or not form.cleaned_data["seal"]:  # without script the preview comes first
        return refused(request, booking_id, "dose", status=200 if form.is_valid() else 422, form=form)
    values = form.cleaned_data
    given = Given(
        seal=values["seal"],
        after=values["after"],
        accepted=form.accepted,
        change_reason=values["change_reason"],
        override_reason=values["override_reason"],
    )
    try:
        ordered = form.ordered(desk.visit.infusion_min)
        made = order_dose(booking_id=booking_id, ordered=ordered, given=given, by=staff(request), now=desk.now)
    except ValidationError as error:
        problem = _take_errors(form, error)
        return refused(request, booking_id, "dose", form=form, problem=problem)
    except DayRefusedError as refusal:
        return refused(request, booking_id, "dose", status=status_of(refusal), form=form, problem=str(refusal))
    return done(request, booking_id, notice=f"Ordered: {say_order(made)}.")


def status_of(refusal: DayRefusedError) -> int:
    """409 when somebody was faster, else 422."""
    return 409 if isinstance(refusal, ChangedMeanwhileError) else 422


def _filled(request: HttpRequest, desk: Desk) -> OrderForm:
    """What was typed, with the dose that the pressed button stands for; what is still empty is no error yet."""
    data = request.POST.copy()
    data.pop("seal", None)
    for name, _label, ordered in _suggestions(desk):
        if name == request.POST["fill"]:
            data["basis"], data["amount"] = ordered.basis, plain(ordered.amount)
            if name == "decided" and desk.dose_decided and not data.get("change_reason"):
                data["change_reason"] = desk.dose_decided.why
    form = new_form(desk, data)
    return form if form.is_valid() else new_form(desk, initial=data.dict())


def _take_errors(form: OrderForm, error: ValidationError) -> str:
    """The errors stand at their fields; what has none is returned."""
    rest = []
    for name, texts in (error.message_dict if hasattr(error, "error_dict") else {"": error.messages}).items():
        if name in form.fields:
            form.add_error(name, texts)
        else:
            rest += texts
    return " ".join(rest)


# -- checking ----------------------------------------------------------------------------------------------------------
@requires(Can.RUN_INFUSION)
@require_POST
def check(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """Whoever is signed in, or a second person with their own password, held the order against the label."""
    desk, form = desk_or_404(booking_id), CheckForm(request.POST)
    is_second = "second" in request.POST
    people = second_people(Can.RUN_INFUSION, besides=staff(request)) if is_second else None
    if not form.is_valid():
        return refused(request, booking_id, "dose", check_problem="This could not be read. Load the page again.")
    try:
        person = second_person(request, Can.RUN_INFUSION) if is_second else staff(request)
        check_dose(
            booking_id=booking_id,
            order_id=form.cleaned_data["order"],
            ticked=form.ticked,
            wanted=NASAL_CHECKS if desk.is_nasal else CHECKS,
            by=person,
            now=desk.now,
        )
    except CosignError as refusal:
        return refused(request, booking_id, "dose", people=people, second_problem=str(refusal))
    except ValidationError as error:
        problem = " ".join(error.messages)
        where = {"people": people, "second_problem": problem} if is_second else {"check_problem": problem}
        return refused(request, booking_id, "dose", **where)
    except DayRefusedError as refusal:
        return refused(request, booking_id, "dose", status=status_of(refusal), problem=str(refusal))
    return done(request, booking_id, notice=f"Checked by {person.display_name}.")


@requires(Can.RUN_INFUSION)
@require_GET
def second_checker(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The form of the second person; the list of names is read only when somebody asks for it."""
    desk, user = desk_or_404(booking_id), staff(request)
    people = second_people(Can.RUN_INFUSION, besides=user)
    if not is_fragment(request):
        return render_day(request, desk, bound={"dose": {"people": people}})
    context = {"desk": desk, "place": desk.place, "section": section(desk, user, people=people).context}
    return render(request, "courses/infusion/_dose_second.html", context)
