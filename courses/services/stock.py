"""What is drawn of the controlled drug for one infusion, and where each 0.1 mg of it went; what of the log waits.

Order of locks: booking, record, lot. What is drawn leaves the shelf; what is given or wasted has left it already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.db.models import CharField, F, Value
from django.db.models.functions import Coalesce, Concat, NullIf
from django.urls import reverse

from clinic.models import Booking, BookingKind, BookingStatus, Location, User
from clinic.models.bookings import RELEASED_STATUSES
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Discrepancy, Drug, DrugDraw, InfusionRecord, LotForm, StockKind
from courses.pure.running import DEVICE_MG
from courses.pure.stock import ZERO_MG, OrderFacts, Split, Taken, amount_wrong, judge_split, lot_unfit, suggest_split
from courses.services.infusion_desk import Desk, read_desk
from courses.services.infusion_record import ChangedMeanwhileError, RecordSignedError, changing
from courses.services.stock_shelf import StockRefusedError, locked_shelf, second_of, today_at

PATIENT = "record__visit__infusion__phase__course__patient"


# -- one infusion -----------------------------------------------------------------------------------------------------
def order_facts(desk: Desk) -> OrderFacts | None:
    """What the drug must fit; None while nothing is ordered."""
    order = desk.order
    return OrderFacts(desk.is_nasal, order.concentration_mg_per_ml) if order else None


def draw(
    *,
    booking_id: int,
    lot_id: int,
    by: User,
    now: datetime,
    amount_mg: Decimal | None = None,
    units: int | None = None,
    seen: int | None = None,
) -> DrugDraw:
    """So much was taken from the lot for this infusion, in mg or in whole vials or devices.

    Args:
        seen: how many draws of this visit the person saw.

    Raises:
        StockRefusedError: nothing is ordered, the lot does not fit the order, or there is not enough of it.
        ChangedMeanwhileError: somebody has drawn for this visit meanwhile; a second click ends here too.
        DayRefusedError: see ``changing``.
    """
    if not by.can(Can.HANDLE_STOCK):
        raise PermissionDenied("Your role does not include this.")
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        if seen is not None and seen != len(desk.draws):
            raise ChangedMeanwhileError(
                "Somebody has drawn for this infusion meanwhile. Nothing was saved: look again."
            )
        order = order_facts(desk)
        if order is None:
            raise StockRefusedError("No dose is ordered yet. The prescriber orders first, then the drug is drawn.")
        shelf = locked_shelf(lot_id)
        facts = shelf.facts(is_here=shelf.lot.location_id == desk.place.pk)
        if unfit := lot_unfit(facts, order, today=today_at(desk.place, now)):
            raise StockRefusedError(unfit, "lot")
        amount = shelf.lot.content_mg * units if units is not None else amount_mg or ZERO_MG
        if wrong := amount_wrong(facts, amount):
            raise StockRefusedError(wrong, "amount")
        drawn = DrugDraw.objects.create(record=record, lot=shelf.lot, drawn_mg=amount, drawn_at=now, drawn_by=by)
        shelf.post(StockKind.DRAWN, amount, sign=-1, draw=drawn, by=by, now=now)
        return drawn


def close_draw(
    *, draw_id: int, split: Split, witness: User | None, by: User, now: datetime, reason: str = ""
) -> DrugDraw:
    """Each 0.1 mg of the draw is accounted for: given, wasted before a witness, or back on the shelf.

    Also for a visit that was withheld after the drug had been drawn.

    Raises:
        StockRefusedError: it does not add up, the infusion goes on, or the waste has no witness.
        ChangedMeanwhileError: it is accounted for already.
        DayRefusedError: see ``changing``.

    Source: clinical.md H0 R8, G (DEA wastage); design.md, invariant 9.
    """
    if not by.can(Can.HANDLE_STOCK):
        raise PermissionDenied("Your role does not include this.")
    booking_id = DrugDraw.objects.values_list("record__visit__booking_id", flat=True).get(pk=draw_id)
    with _accounting(booking_id, by=by, now=now):
        desk = read_desk(booking_id, now=now)
        drawn = DrugDraw.objects.get(pk=draw_id)
        if drawn.closed_at is not None:
            raise ChangedMeanwhileError("Somebody has accounted for this draw meanwhile. Nothing was overwritten.")
        if is_going_on(desk):
            raise StockRefusedError("The infusion is still going on. Account for the rest after its end.")
        shelf = locked_shelf(drawn.lot_id)
        taken = Taken(
            drawn_mg=drawn.drawn_mg,
            suggested=suggestion(desk, drawn),
            was_started=was_given(desk),
            unit_mg=shelf.lot.content_mg if shelf.lot.form == LotForm.DEVICE else None,
        )
        wrong = judge_split(taken, split, reason=reason)
        for field, text in wrong.items():
            raise StockRefusedError(text, field)
        second = second_of(witness, by) if split.wasted_mg or witness is not None else None
        drawn.given_mg, drawn.wasted_mg, drawn.returned_mg = split.given_mg, split.wasted_mg, split.returned_mg
        drawn.closed_at, drawn.closed_by, drawn.witness = now, by, second
        drawn.save()
        for kind, amount, sign in (
            (StockKind.GIVEN, split.given_mg, 0),
            (StockKind.WASTED, split.wasted_mg, 0),
            (StockKind.RETURNED, split.returned_mg, 1),
        ):
            if amount:
                witnessed = second if kind == StockKind.WASTED else None
                shelf.post(kind, amount, sign=sign, draw=drawn, by=by, now=now, witness=witnessed, reason=reason)
        return drawn


def suggestion(desk: Desk, drawn: DrugDraw) -> Split:
    """How this draw would be accounted for by what the pump delivered, or by the devices that were used."""
    before = sum((one.given_mg for one in desk.draws if one.given_mg and one.pk != drawn.pk), ZERO_MG)
    return suggest_split(drawn.drawn_mg, delivered(desk), before)


def delivered(desk: Desk) -> Decimal:
    """What the infusion's record says was given so far, in mg; zero before the start."""
    return desk.delivered_mg or DEVICE_MG * len(desk.run.devices)


def was_given(desk: Desk) -> bool:
    return desk.run.is_started or bool(desk.run.devices)


def is_going_on(desk: Desk) -> bool:
    """It has begun and not ended, so that nobody can say yet how much it will be."""
    if not was_given(desk) or desk.run.is_over or desk.booking.status in (BookingStatus.OBSERVING, BookingStatus.DONE):
        return False
    all_used = desk.is_nasal and desk.order is not None and len(desk.run.devices) >= (desk.order.devices or 0)
    return not all_used


@contextmanager
def _accounting(booking_id: int, *, by: User, now: datetime) -> Iterator[None]:
    """As ``changing``, and also for a visit that was withheld, cancelled or missed after the drug had been drawn."""
    with recorded(by=by, now=now):
        booking = Booking.objects.select_for_update(no_key=True).get(pk=booking_id, kind=BookingKind.INFUSION)
        if booking.status not in RELEASED_STATUSES:
            with changing(booking_id, by=by, now=now, needs=Can.HANDLE_STOCK):
                yield
            return
        record = InfusionRecord.objects.select_for_update(no_key=True).get(visit__booking=booking)
        if record.is_signed:
            raise RecordSignedError
        yield
        InfusionRecord.objects.filter(pk=record.pk).update(version=F("version") + 1)


# -- what others ask --------------------------------------------------------------------------------------------------
def unaccounted(desk: Desk) -> tuple[str, ...]:
    """What keeps the record from being complete: one sentence for each draw that is still open. No query."""
    return tuple(
        f"{one.drawn_mg} mg drawn at {desk.place.local(one.drawn_at):%H:%M} are not accounted for: "
        "enter what was given, wasted and returned."
        for one in desk.draws
        if one.closed_at is None
    )


def missing_draw(desk: Desk) -> str:
    """The infusion was started and no drug was drawn for it by the log; empty otherwise. No query."""
    return (
        "The infusion was started, but no drug was drawn for it by the log."
        if was_given(desk) and not desk.draws
        else ""
    )


@dataclass(frozen=True, slots=True)
class StockTask:
    """Something in the log that waits for people. ``url`` is where it is done."""

    kind: str  # "discrepancy" or "draw"
    title: str
    detail: str
    at: datetime
    url: str


def stock_tasks(location: Location, now: datetime) -> list[StockTask]:
    """Open discrepancies, and draws of earlier days that nobody has accounted for; the oldest first. One query."""
    midnight = location.at(today_at(location, now), time())
    off = Discrepancy.objects.filter(location=location, settled_at__isnull=True).values_list(
        Value("discrepancy", CharField()),
        "pk",
        "entry__lot__lot_number",
        "entry__lot__drug",
        F("counted_mg") - F("expected_mg"),
        "opened_at",
        Concat("first_by__first_name", Value(" "), "first_by__last_name", output_field=CharField()),
    )
    left = DrugDraw.objects.filter(lot__location=location, closed_at__isnull=True, drawn_at__lt=midnight).values_list(
        Value("draw", CharField()),
        "record__visit__booking_id",
        "lot__lot_number",
        "lot__drug",
        "drawn_mg",
        "drawn_at",
        Concat(
            f"{PATIENT}__family_name",
            Value(", "),
            Coalesce(NullIf(f"{PATIENT}__preferred_name", Value("")), f"{PATIENT}__given_name"),
            output_field=CharField(),
        ),
    )
    return [_task(location, *row) for row in sorted(off.union(left, all=True), key=lambda row: row[5])]


def _task(  # noqa: PLR0917 (the columns of one row)
    location: Location, kind: str, pk: int, lot: str, drug: str, amount: Decimal, at: datetime, who: str
) -> StockTask:
    name = Drug(drug).label
    if kind == "draw":
        title = f"{amount} mg of {name.lower()} not accounted for"
        when = location.local(at)
        return StockTask(
            kind, title, f"{who}, drawn {when.day} {when:%b} from lot {lot}", at, reverse("infusion:day", args=[pk])
        )
    title = f"{name} lot {lot}: {abs(amount)} mg {'missing' if amount < 0 else 'too many'} at the count"
    signed = f"Signed by {who.strip()}; a second person signs" if who.strip() else "Two people explain and sign"
    return StockTask(kind, title, signed, at, reverse("stock:discrepancy", args=[pk]))
