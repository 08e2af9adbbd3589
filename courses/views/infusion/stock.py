"""Drug drawn: from which lot, how much, and where each 0.1 mg of it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import is_fragment
from clinic.models import Booking, User
from clinic.pure.roles import Can
from clinic.services.cosign import CosignError, second_people
from clinic.views.cosign import second_person
from courses.forms.stock import CloseDrawForm, DrawForm
from courses.models import Drug, DrugDraw, DrugLot
from courses.pure.stock import Split, lot_unfit
from courses.services import stock
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.stock_pages import LotRow, lots_for, rows_of
from courses.services.stock_shelf import StockRefusedError, facts_of, today_at
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused


@dataclass(frozen=True, slots=True)
class OfferedLot:
    """A lot to draw from; ``unfit`` says why not."""

    row: LotRow
    unfit: str


@dataclass(frozen=True, slots=True)
class ShownDraw:
    """One draw with its lot and people; ``form`` when its account was refused."""

    draw: DrugDraw
    lot: LotRow | None
    by: str
    closed_by: str
    witness: str

    @property
    def is_open(self) -> bool:
        return self.draw.closed_at is None


def section(desk: Desk, user: User, **bound: Any) -> Section:
    """What was drawn and where it went. One query, and only when something is or can be drawn."""
    order = stock.order_facts(desk)
    may = user.can(Can.HANDLE_STOCK) and not desk.is_signed
    may_draw = may and not desk.is_ended and order is not None
    rows = _lots(desk) if may_draw or desk.draws else {}
    today = today_at(desk.place, desk.now)
    offers = [
        OfferedLot(row, lot_unfit(facts_of(row.lot, row.balance_mg), order, today=today))
        for row in rows.values()
        if order and row.lot.location_id == desk.place.pk and row.balance_mg
    ]
    open_draws = [one for one in desk.draws if one.closed_at is None]
    missing = stock.missing_draw(desk)
    going_on = stock.is_going_on(desk)
    context = {
        "draws": [
            ShownDraw(one, rows.get(one.lot_id), *map(desk.name, (one.drawn_by_id, one.closed_by_id, one.witness_id)))
            for one in desk.draws
        ],
        "fit": [one for one in offers if not one.unfit],
        "unfit": [one for one in offers if one.unfit],
        "may_draw": may_draw,
        "may_close": may and not going_on,
        "is_going_on": going_on,
        "missing": missing,
        "form": DrawForm(initial={"seen": len(desk.draws)}),
        "unit": "devices" if desk.is_nasal else "vials",
        "problem": "",
    } | bound
    return Section(
        _state(desk, open_draws, missing), _summary(desk, open_draws), context, _act(desk, open_draws) if may else ""
    )


def _state(desk: Desk, open_draws: list[DrugDraw], missing: str) -> State:
    if desk.is_signed:
        return State.DONE if desk.draws else State.WAITING
    if open_draws:
        return State.WAITING if _is_too_early(desk) else State.NOW
    if desk.draws:
        return State.DONE
    if missing:
        return State.ASKS
    return State.NOW if desk.order and not desk.is_ended else State.WAITING


def _is_too_early(desk: Desk) -> bool:
    """To account for it: it is drawn up and waits for the start, or it runs."""
    return stock.is_going_on(desk) or not (stock.was_given(desk) or desk.is_ended)


def _act(desk: Desk, open_draws: list[DrugDraw]) -> str:
    if open_draws and not _is_too_early(desk):
        return "Account for the rest"
    before_start = desk.order and not desk.draws and not stock.was_given(desk) and not desk.is_ended
    return "Draw the drug" if before_start else ""


def _summary(desk: Desk, open_draws: list[DrugDraw]) -> str:
    if not desk.draws:
        return ""
    drawn = sum(one.drawn_mg for one in desk.draws)
    if open_draws:
        return f"{drawn} mg drawn" + ("" if _is_too_early(desk) else ", not accounted for")
    parts = [
        f"{total} {word}"
        for word in ("given", "wasted", "returned")
        if (total := sum(getattr(one, f"{word}_mg") for one in desk.draws))
    ]
    seen_by = sorted({desk.name(one.witness_id) for one in desk.draws if one.witness_id})
    return f"{drawn} mg drawn = {' + '.join(parts)}" + (f" (witness {', '.join(seen_by)})" if seen_by else "")


def _lots(desk: Desk) -> dict[int, LotRow]:
    drug = Drug.ESKETAMINE if desk.is_nasal else Drug.KETAMINE
    found = lots_for(desk.place, drug=drug, also=[one.lot_id for one in desk.draws])
    return {row.lot.pk: row for row in rows_of(found, today_at(desk.place, desk.now))}


# -- acts -------------------------------------------------------------------------------------------------------------
@requires(Can.HANDLE_STOCK)
@require_POST
def draw(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """So much was taken from a lot for this infusion."""
    form = DrawForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, "stock", form=form)
    data = form.cleaned_data
    try:
        drawn = stock.draw(
            booking_id=booking_id,
            lot_id=data["lot"],
            seen=data["seen"],
            by=staff(request),
            now=timezone.now(),
            **form.taken(),
        )
    except (Booking.DoesNotExist, DrugLot.DoesNotExist) as error:
        raise Http404 from error
    except ChangedMeanwhileError as moved:
        return refused(request, booking_id, "stock", problem=str(moved), status=409)
    except DayRefusedError as refusal:
        _put(form, refusal)
        return refused(request, booking_id, "stock", form=form)
    return done(request, booking_id, notice=f"{drawn.drawn_mg} mg drawn.")


@requires(Can.HANDLE_STOCK)
@require_GET
def account(request: HttpRequest, booking_id: int, draw_id: int) -> HttpResponseBase:
    """The form that accounts for a draw, with who may witness; ``use=record`` fills in what the record says."""
    desk = desk_or_404(booking_id)
    one = _draw_or_404(desk, draw_id)
    suggested = stock.suggestion(desk, one)
    filled = request.GET.get("use") == "record"
    initial = {"given_mg": suggested.given_mg, "wasted_mg": suggested.wasted_mg, "returned_mg": suggested.returned_mg}
    return _show_account(request, desk, one, CloseDrawForm(initial=initial if filled else None))


@requires(Can.HANDLE_STOCK)
@require_POST
def close(request: HttpRequest, booking_id: int, draw_id: int) -> HttpResponseBase:
    """Given, wasted before a witness, returned: it adds up to what was drawn."""
    one = _draw_or_404(desk_or_404(booking_id), draw_id)
    form, cosign_problem, status = CloseDrawForm(request.POST), "", 422
    if form.is_valid():
        data = form.cleaned_data
        split = Split(data["given_mg"], data["wasted_mg"], data["returned_mg"])
        try:
            witness = second_person(request, Can.HANDLE_STOCK) if split.wasted_mg else None
            closed = stock.close_draw(
                draw_id=one.pk,
                split=split,
                witness=witness,
                reason=data["reason"],
                by=staff(request),
                now=timezone.now(),
            )
        except CosignError as problem:
            cosign_problem = str(problem)
        except ChangedMeanwhileError as moved:
            return refused(request, booking_id, "stock", problem=str(moved), status=409)
        except DayRefusedError as refusal:
            _put(form, refusal)
        else:
            return done(request, booking_id, notice=f"{closed.drawn_mg} mg accounted for.")
    desk = desk_or_404(booking_id)
    context = _account_context(request, desk, _draw_or_404(desk, draw_id), form) | {"cosign_problem": cosign_problem}
    if not is_fragment(request):
        return render(request, "courses/infusion/stock_account.html", context, status=status)
    return refused(request, booking_id, "stock", status=status, account=context)


def _draw_or_404(desk: Desk, draw_id: int) -> DrugDraw:
    found = next((one for one in desk.draws if one.pk == draw_id), None)
    if found is None:
        raise Http404
    return found


def _show_account(request: HttpRequest, desk: Desk, one: DrugDraw, form: forms.Form) -> HttpResponseBase:
    context = _account_context(request, desk, one, form)
    if is_fragment(request):
        return render(request, "courses/infusion/_stock_account.html", context)
    return render(request, "courses/infusion/stock_account.html", context)


def _account_context(request: HttpRequest, desk: Desk, one: DrugDraw, form: forms.Form) -> dict[str, Any]:
    return {
        "desk": desk,
        "place": desk.place,
        "patient": desk.patient,
        "draw": one,
        "account_form": form,
        "suggested": stock.suggestion(desk, one),
        "delivered_mg": stock.delivered(desk),
        "was_given": stock.was_given(desk),
        "people": second_people(Can.HANDLE_STOCK, besides=staff(request)),
        "cosign_problem": "",
    }


def _put(form: forms.Form, refusal: DayRefusedError) -> None:
    field = refusal.field if isinstance(refusal, StockRefusedError) else ""
    form.add_error(field if field in form.fields else None, str(refusal))
