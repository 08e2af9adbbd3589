"""What the pages of the controlled drug show: lots with their balance, one lot's log, the inventory of a day."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TextIO

from django.db.models import DecimalField, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from clinic.models import Location
from clinic.pure.cells import safe_cell
from courses.models import Discrepancy, Drug, DrugDraw, DrugLot, LotForm, StockEntry, StockKind
from courses.pure.stock import ZERO_MG, expiry_of, in_units
from courses.services.stock_shelf import today_at

PATIENT = "record__visit__infusion__phase__course__patient"


# -- lots -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LotRow:
    """One lot as it stands on the shelf. ``expiry`` is "expired", "soon" or empty."""

    lot: DrugLot
    balance_mg: Decimal
    number: int
    counted_at: datetime | None
    expiry: str

    @property
    def units(self) -> str:
        return in_units(self.balance_mg, self.lot.content_mg, is_device=self.is_device)

    @property
    def is_device(self) -> bool:
        return self.lot.form == LotForm.DEVICE

    @property
    def strength(self) -> str:
        """As on the label: "10 mg/mL, 200.0 mg in a vial"."""
        content = f"{self.lot.content_mg.normalize():f} mg in a {'device' if self.is_device else 'vial'}"
        per_ml = self.lot.concentration_mg_per_ml
        return f"{per_ml.normalize():f} mg/mL, {content}" if per_ml is not None else content


def with_balance(lots: QuerySet[DrugLot], *, before: datetime | None = None) -> QuerySet[DrugLot, Any]:
    """Annotated with ``balance_mg``, ``last_number`` and ``counted_at``, as they stood at ``before`` or stand now."""
    entries = StockEntry.objects.filter(lot=OuterRef("pk")).order_by("-number")
    if before is not None:
        entries = entries.filter(at__lt=before)
    return lots.annotate(
        balance_mg=Coalesce(
            Subquery(entries.values("balance_mg")[:1]),
            Value(ZERO_MG),
            output_field=DecimalField(max_digits=9, decimal_places=1),
        ),
        last_number=Coalesce(Subquery(entries.values("number")[:1]), Value(0), output_field=IntegerField()),
        counted_at=Subquery(entries.filter(kind=StockKind.COUNTED).values("at")[:1]),
    )


def rows_of(lots: Iterable[Any], today: date) -> list[LotRow]:
    return [
        LotRow(lot, lot.balance_mg, lot.last_number, lot.counted_at, expiry_of(lot.expires_on, today)) for lot in lots
    ]


@dataclass(frozen=True, slots=True)
class Board:
    """The lots of a location and what waits there."""

    rows: list[LotRow]
    totals: list[tuple[str, Decimal]]
    open_draws: list[DrugDraw]
    discrepancies: list[Discrepancy]


def read_board(location: Location, *, drug: str, all_lots: bool, now: datetime) -> Board:
    """Three queries. Without ``all_lots`` those that are used up and expired are left out."""
    today = today_at(location, now)
    lots = with_balance(DrugLot.objects.filter(location=location))
    every = rows_of(lots.order_by("-drug", "expires_on", "pk"), today)
    rows = [
        row
        for row in every
        if (not drug or row.lot.drug == drug) and (all_lots or row.balance_mg or row.expiry != "expired")
    ]
    totals = [
        (kind.label, sum((row.balance_mg for row in every if row.lot.drug == kind), ZERO_MG))
        for kind in Drug
        if any(row.lot.drug == kind for row in every)
    ]
    draws = DrugDraw.objects.filter(
        lot__location=location, closed_at__isnull=True, drawn_at__lt=location.at(today, time())
    )
    return Board(
        rows=rows,
        totals=totals,
        open_draws=list(draws.select_related("lot", "drawn_by", "record__visit", PATIENT)),
        discrepancies=list(
            Discrepancy.objects.filter(location=location, settled_at__isnull=True).select_related(
                "entry__lot", "entry__by", "first_by"
            )
        ),
    )


def lots_for(location: Location, *, drug: str, also: Iterable[int]) -> QuerySet[DrugLot, Any]:
    """The lots of this drug with something left, and those that are named; for the page of an infusion, one query."""
    return (
        with_balance(DrugLot.objects.all())
        .filter(Q(location=location, drug=drug, balance_mg__gt=0) | Q(pk__in=list(also)))
        .order_by("expires_on", "pk")
    )


def read_lot(lot_id: int, *, now: datetime) -> LotRow:
    """One lot, its location read with it. One query.

    Raises:
        DrugLot.DoesNotExist: no such lot.
    """
    lot: Any = with_balance(DrugLot.objects.select_related("location", "created_by")).get(pk=lot_id)
    return rows_of([lot], today_at(lot.location, now))[0]


# -- the log ----------------------------------------------------------------------------------------------------------
def entries_of(
    place: Location, *, lot: DrugLot | None = None, kind: str = "", since: date | None = None, until: date | None = None
) -> QuerySet[StockEntry]:
    """Lines of the log, of one lot or of all of the location, between two local days, both included."""
    rows = StockEntry.objects.filter(lot=lot) if lot else StockEntry.objects.filter(lot__location=place)
    if kind in StockKind.values:
        rows = rows.filter(kind=kind)
    if since:
        rows = rows.filter(at__gte=place.at(since, time()))
    if until:
        rows = rows.filter(at__lt=end_of(place, until))
    return rows.select_related("lot", "by", "witness", "draw__record__visit__infusion", f"draw__{PATIENT}")


def subjects_of(entries: QuerySet[StockEntry]) -> set[int]:
    """The patients' resource ids that these lines name."""
    return set(entries.filter(draw__isnull=False).values_list(f"draw__{PATIENT}__resource_id", flat=True))


def end_of(place: Location, day: date) -> datetime:
    """The first instant of the next day on the clocks of the place."""
    return place.at(day + timedelta(days=1), time())


CSV_HEADER = (
    *("Date", "Time", "Drug", "Lot", "Concentration (mg/mL)", "Line", "Kind", "Amount (mg)", "In (mg)", "Out (mg)"),
    *("Balance (mg)", "Patient", "MRN", "Infusion", "By", "Witness", "Reason"),
)


def write_log(place: Location, entries: QuerySet[StockEntry], file: TextIO) -> None:
    """The lines in the order in which they were written; no cell is a formula. The first mark tells Excel UTF-8."""
    file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow(CSV_HEADER)
    for entry in entries.order_by("at", "lot", "number").iterator():
        at, lot = place.local(entry.at), entry.lot
        infusion = entry.draw.record.visit.infusion if entry.draw else None
        patient = infusion.phase.course.patient if infusion else None
        change = entry.change_mg
        cells = (
            f"{at:%Y-%m-%d}",
            f"{at:%H:%M}",
            lot.get_drug_display(),
            lot.lot_number,
            "" if lot.concentration_mg_per_ml is None else str(lot.concentration_mg_per_ml),
            str(entry.number),
            entry.get_kind_display(),
            str(entry.amount_mg),
            str(change) if change > 0 else "",
            str(-change) if change < 0 else "",
            str(entry.balance_mg),
            patient.list_name if patient else "",
            patient.mrn if patient else "",
            str(infusion.number) if infusion else "",
            entry.by.display_name,
            entry.witness.display_name if entry.witness else "",
            entry.reason,
        )
        writer.writerow([safe_cell(cell) for cell in cells])


# -- the inventory of a day -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Inventory:
    """What was on the shelf when a day ended, and what was in syringes and bags then."""

    rows: list[LotRow]
    totals: list[tuple[str, Decimal]]
    drawn_mg: Decimal


def read_inventory(place: Location, on: date) -> Inventory:
    """The balance of each lot at the end of this local day; lots without any are left out. Two queries."""
    until = end_of(place, on)
    lots = with_balance(DrugLot.objects.filter(location=place), before=until)
    rows = [row for row in rows_of(lots.order_by("-drug", "expires_on", "pk"), on) if row.balance_mg]
    out = DrugDraw.objects.filter(Q(closed_at__isnull=True) | Q(closed_at__gte=until), drawn_at__lt=until)
    drawn = out.filter(lot__location=place).aggregate(sum=Sum(F("drawn_mg")))["sum"] or ZERO_MG
    totals = [
        (kind.label, sum((row.balance_mg for row in rows if row.lot.drug == kind), ZERO_MG))
        for kind in Drug
        if any(row.lot.drug == kind for row in rows)
    ]
    return Inventory(rows, totals, drawn)
