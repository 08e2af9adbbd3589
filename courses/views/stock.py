"""The log of the controlled drug: the shelf, one lot's log and what is done with it, discrepancies, the inventory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.lists import listing
from clinic.edge.numbers import number_in
from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.pure.walltime import YEARS
from clinic.services.access import record_readings
from clinic.services.cosign import CosignError, second_people
from clinic.views.cosign import second_person
from courses.forms.stock import AddLotForm, CountForm, DestroyForm, DiscrepancyForm, LogFilterForm, ReceiveForm
from courses.models import Discrepancy, Drug, DrugLot, StockKind
from courses.services import stock_shelf
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.report_taken import record_taken
from courses.services.stock_pages import (
    LotRow,
    entries_of,
    read_board,
    read_inventory,
    read_lot,
    subjects_of,
    write_log,
)
from courses.services.stock_shelf import StockRefusedError, today_at

SORTS = {"number": ("number",), "kind": ("kind", "number"), "amount": ("amount_mg", "number")}
GET_POST = ["GET", "POST"]
FORM_CLASSES: dict[str, type[forms.Form]] = {"receive": ReceiveForm, "count": CountForm, "destroy": DestroyForm}


# -- to read ----------------------------------------------------------------------------------------------------------
@requires(Can.VIEW_STOCK)
@require_GET
def lots(request: HttpRequest) -> HttpResponseBase:
    """The lots of the current location with what is left of each, and what waits for people."""
    place = _place(request)
    drug = request.GET.get("drug", "") if request.GET.get("drug") in Drug.values else ""
    all_lots = request.GET.get("show") == "all"
    board = read_board(place, drug=drug, all_lots=all_lots, now=timezone.now())
    context = {
        "place": place,
        "board": board,
        "drug": drug,
        "all_lots": all_lots,
        "drugs": Drug.choices,
        "is_filtered": bool(drug),
    }
    return render(request, "courses/stock/lots.html", _may(request) | context)


@requires(Can.VIEW_STOCK)
@require_GET
def lot(request: HttpRequest, lot_id: int) -> HttpResponseBase:
    """One lot and its log, line by line, with the running balance."""
    row = _lot_or_404(lot_id)
    place = row.lot.location
    form = LogFilterForm(request.GET)
    wanted = form.wanted()
    listed = listing(request, entries_of(place, lot=row.lot, **wanted), sorts=SORTS, default="-number")
    waiting = Discrepancy.objects.filter(entry__lot=row.lot, settled_at__isnull=True).first()
    context = {
        "row": row,
        "lot": row.lot,
        "place": place,
        "form": form,
        "listing": listed,
        "is_filtered": bool(wanted),
        "waiting": waiting,
    }
    return render(request, "courses/stock/lot.html", _may(request) | context)


@requires(Can.VIEW_STOCK)
@require_GET
def inventory(request: HttpRequest) -> HttpResponseBase:
    """What was on the shelf at the end of a day, to print and sign."""
    place = _place(request)
    today = today_at(place, timezone.now())
    on = _day(request.GET.get("on", "")) or today
    context = {
        "place": place,
        "on": on,
        "today": today,
        "is_ahead": on > today,
        "inventory": read_inventory(place, min(on, today)),
        "now": timezone.now(),
        "month_ago": today - timedelta(days=30),
    }
    return render(request, "courses/stock/inventory.html", _may(request) | context)


@requires(Can.VIEW_STOCK)
@require_GET
def log_csv(request: HttpRequest) -> HttpResponseBase:
    """The log of all lots of the current location in a period, or of one lot, as CSV."""
    wanted = LogFilterForm(request.GET).wanted()
    lot_id = number_in(request.GET.get("lot"))
    lot_row = _lot_or_404(lot_id) if lot_id is not None else None
    place = lot_row.lot.location if lot_row else _place(request)
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"lot-{lot_row.lot.pk}" if lot_row else "all-lots"
    answer["Content-Disposition"] = f'attachment; filename="ketamine-log-{name}.csv"'
    entries = entries_of(place, lot=lot_row.lot if lot_row else None, **wanted)
    what, by, now = "Log of the controlled drug, CSV", staff(request), timezone.now()
    about = f"{place}, {name.replace('-', ' ')}"
    record_taken(what=what, about=about, path=request.get_full_path(), by=by, now=now)
    record_readings(by=by, subject_ids=subjects_of(entries), page=what, path=request.path, now=now, reason=about)
    write_log(place, entries, answer)  # type: ignore[arg-type]
    return answer


# -- to act -----------------------------------------------------------------------------------------------------------
@requires(Can.HANDLE_STOCK)
@require_http_methods(GET_POST)
def lot_new(request: HttpRequest) -> HttpResponseBase:
    """A lot is put on the list, and what came with it is received."""
    place = _place(request)
    form = AddLotForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        values = dict(form.cleaned_data)
        units, invoice = values.pop("units"), values.pop("invoice")
        by, now = staff(request), timezone.now()
        try:
            with transaction.atomic():
                made = stock_shelf.add_lot(location=place, by=by, now=now, **values)
                if units:
                    stock_shelf.receive(lot_id=made.pk, units=units, invoice=invoice, by=by, now=now)
        except ValidationError as error:
            _put_errors(form, error)
        else:
            messages.success(request, f"{made} is on the list.")
            return redirect("stock:lot", made.pk)
    return render(
        request, "courses/stock/lot_new.html", {"form": form, "place": place}, status=422 if form.is_bound else 200
    )


@requires(Can.HANDLE_STOCK)
@require_http_methods(GET_POST)
def receive(request: HttpRequest, lot_id: int) -> HttpResponseBase:
    def save(form: forms.Form, row: LotRow, by: User) -> str:
        data = form.cleaned_data
        entry = stock_shelf.receive(lot_id=row.lot.pk, by=by, now=timezone.now(), **data)
        return f"{entry.amount_mg} mg received. The balance is {entry.balance_mg} mg."

    return _act(request, lot_id, "receive", save)


@requires(Can.HANDLE_STOCK)
@require_http_methods(GET_POST)
def count(request: HttpRequest, lot_id: int) -> HttpResponseBase:
    def save(form: forms.Form, row: LotRow, by: User) -> str:
        counted = form.counted_mg(row.lot.content_mg)  # type: ignore[attr-defined]
        data = form.cleaned_data
        entry, off = stock_shelf.count_lot(
            lot_id=row.lot.pk,
            counted_mg=counted,
            seen=data["seen"],
            reason=data["reason"],
            by=by,
            now=timezone.now(),
        )
        if off is None:
            return f"Counted {entry.amount_mg} mg: the same as the log says."
        return f"Counted {entry.amount_mg} mg, the log says {entry.balance_mg} mg: a discrepancy waits for two people."

    return _act(request, lot_id, "count", save)


@requires(Can.HANDLE_STOCK)
@require_http_methods(GET_POST)
def destroy(request: HttpRequest, lot_id: int) -> HttpResponseBase:
    def save(form: forms.Form, row: LotRow, by: User) -> str:
        witness = second_person(request, Can.HANDLE_STOCK)
        data = form.cleaned_data
        entry = stock_shelf.destroy(lot_id=row.lot.pk, witness=witness, by=by, now=timezone.now(), **data)
        return f"{entry.amount_mg} mg sent for destruction. The balance is {entry.balance_mg} mg."

    return _act(request, lot_id, "destroy", save)


def _act(
    request: HttpRequest, lot_id: int, act: str, save: Callable[[forms.Form, LotRow, User], str]
) -> HttpResponseBase:
    """One act on a lot: its form, and what became of it. 409 when the log has gone on; the form then knows that."""
    row, by = _lot_or_404(lot_id), staff(request)
    form: forms.Form = FORM_CLASSES[act](initial={"seen": row.number})
    status, last, cosign_problem = 200, None, ""
    if request.method == "POST":
        form, status = FORM_CLASSES[act](request.POST), 422
        if form.is_valid():
            try:
                said = save(form, row, by)
            except ChangedMeanwhileError as moved:
                row, status = _lot_or_404(lot_id), 409
                last = row.lot.entries.select_related("by").latest("number")
                data = request.POST.copy()
                data["seen"] = str(row.number)
                form = FORM_CLASSES[act](data)
                form.add_error(None, str(moved))
            except CosignError as problem:
                cosign_problem = str(problem)
            except StockRefusedError as refusal:
                form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
            else:
                messages.success(request, said)
                return redirect("stock:lot", lot_id)
    context = {
        "row": row,
        "lot": row.lot,
        "place": row.lot.location,
        "form": form,
        "last": last,
        "people": second_people(Can.HANDLE_STOCK, besides=by) if act == "destroy" else [],
        "cosign_problem": cosign_problem,
    }
    return render(request, f"courses/stock/{act}.html", context, status=status)


@requires(Can.VIEW_STOCK)
@require_GET
def discrepancy(request: HttpRequest, discrepancy_id: int) -> HttpResponseBase:
    """What a count found, what is known about it, and the two signatures."""
    return _discrepancy(request, _found_or_404(discrepancy_id))


@requires(Can.HANDLE_STOCK)
@require_POST
def sign_discrepancy(request: HttpRequest, discrepancy_id: int) -> HttpResponseBase:
    """The first signature, with an explanation."""
    found, form = _found_or_404(discrepancy_id), DiscrepancyForm(request.POST)
    if not form.is_valid():
        return _discrepancy(request, found, form=form)
    try:
        stock_shelf.sign_discrepancy(
            discrepancy_id=found.pk, by=staff(request), now=timezone.now(), **form.cleaned_data
        )
    except DayRefusedError as refusal:
        return _discrepancy(request, _found_or_404(found.pk), form=form, problem=refusal)
    messages.success(request, "Signed. A second person signs next.")
    return redirect("stock:discrepancy", found.pk)


@requires(Can.HANDLE_STOCK)
@require_POST
def settle(request: HttpRequest, discrepancy_id: int) -> HttpResponseBase:
    """The second signature: by whoever is signed in, or, beside the person who signed first, by a second one."""
    found, by = _found_or_404(discrepancy_id), staff(request)
    try:
        second = second_person(request, Can.HANDLE_STOCK) if found.first_by_id == by.pk else by
        stock_shelf.settle(discrepancy_id=found.pk, by=second, now=timezone.now())
    except (CosignError, DayRefusedError) as refusal:
        return _discrepancy(request, _found_or_404(found.pk), problem=refusal)
    messages.success(request, "Settled: two people have signed, and the log says what is on the shelf.")
    return redirect("stock:lot", found.entry.lot_id)


def _found_or_404(discrepancy_id: int) -> Discrepancy:
    rows = Discrepancy.objects.select_related("entry__lot__location", "entry__by", "first_by", "settled_by")
    return get_object_or_404(rows, pk=discrepancy_id)


def _discrepancy(
    request: HttpRequest,
    found: Discrepancy,
    *,
    form: forms.Form | None = None,
    problem: Exception | None = None,
) -> HttpResponseBase:
    by, lot = staff(request), found.entry.lot
    count = lot.entries.filter(kind=StockKind.COUNTED).latest("number")
    is_mine, is_open = found.first_by_id == by.pk, found.settled_at is None
    known = {"explanation": found.explanation, "is_loss_reported": found.is_loss_reported}
    is_refused = problem is not None or form is not None
    context = {
        "found": found,
        "lot": lot,
        "place": lot.location,
        "off_mg": found.counted_mg - found.expected_mg,
        "recount": count if is_open and count.pk != found.entry_id else None,
        "form": form or DiscrepancyForm(initial=known),
        "problem": "" if isinstance(problem, CosignError) else str(problem or ""),
        "cosign_problem": str(problem) if isinstance(problem, CosignError) else "",
        "is_mine": is_mine,
        "people": second_people(Can.HANDLE_STOCK, besides=by) if is_mine and is_open else [],
    }
    status = 409 if isinstance(problem, ChangedMeanwhileError) else 422 if is_refused else 200
    return render(request, "courses/stock/discrepancy.html", _may(request) | context, status=status)


# -- small ------------------------------------------------------------------------------------------------------------
def _place(request: HttpRequest) -> Location:
    place = current_location(request)
    if place is None:
        raise Http404("There is no active location.")
    return place


def _lot_or_404(lot_id: int) -> LotRow:
    try:
        return read_lot(lot_id, now=timezone.now())
    except DrugLot.DoesNotExist as error:
        raise Http404 from error


def _may(request: HttpRequest) -> dict[str, Any]:
    user = staff(request)
    return {"may_handle": user.can(Can.HANDLE_STOCK), "may_see_day": user.can(Can.VIEW_INFUSION)}


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in YEARS else None


def _put_errors(form: forms.Form, error: ValidationError) -> None:
    """Of a model, beside the fields that the form has."""
    for name, texts in getattr(error, "message_dict", {"": error.messages}).items():
        for text in texts:
            form.add_error(name if name in form.fields else None, text)
