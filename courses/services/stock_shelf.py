"""The shelf of the controlled drug: lots, what is received, counted, corrected and sent for destruction.

Every act is a line of the lot's log, posted under the lock of its lot. What is drawn for an infusion: ``stock.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Discrepancy, Drug, DrugDraw, DrugLot, LotForm, StockEntry, StockKind
from courses.pure.stock import TENTH_MG, ZERO_MG, LotFacts, amount_wrong
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError

MOVED_ON = (
    "Somebody wrote into this log meanwhile. Nothing was saved: look at the last line, then do it again if needed."
)


class StockRefusedError(DayRefusedError):
    """The log refuses; ``field`` names what to change in the form, empty for the whole of it."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


# -- the shelf --------------------------------------------------------------------------------------------------------
@dataclass
class Shelf:
    """One locked lot with the end of its log; ``post`` writes the next line."""

    lot: DrugLot
    number: int
    balance_mg: Decimal

    def post(
        self,
        kind: StockKind,
        amount_mg: Decimal,
        *,
        by: User,
        now: datetime,
        sign: int = 0,
        draw: DrugDraw | None = None,
        witness: User | None = None,
        reason: str = "",
    ) -> StockEntry:
        """The next line stands in the log. ``sign``: +1 onto the shelf, -1 from it, 0 leaves it as it is."""
        entry = StockEntry.objects.create(
            lot=self.lot,
            number=self.number + 1,
            kind=kind,
            amount_mg=amount_mg,
            change_mg=amount_mg * sign,
            balance_mg=self.balance_mg + amount_mg * sign,
            draw=draw,
            reason=reason.strip(),
            at=now,
            by=by,
            witness=witness,
        )
        self.number, self.balance_mg = entry.number, entry.balance_mg
        return entry

    def facts(self, *, is_here: bool = True) -> LotFacts:
        return facts_of(self.lot, self.balance_mg, is_here=is_here)


def facts_of(lot: DrugLot, balance_mg: Decimal, *, is_here: bool = True) -> LotFacts:
    return LotFacts(
        drug=lot.drug,
        is_device=lot.form == LotForm.DEVICE,
        content_mg=lot.content_mg,
        concentration_mg_per_ml=lot.concentration_mg_per_ml,
        expires_on=lot.expires_on,
        balance_mg=balance_mg,
        is_here=is_here,
    )


def locked_shelf(lot_id: int, seen: int | None = None) -> Shelf:
    """The lot, locked for this transaction.

    Raises:
        ChangedMeanwhileError: its log has gone on since the person saw line ``seen``.
        DrugLot.DoesNotExist: no such lot.
    """
    lot = DrugLot.objects.select_for_update(no_key=True, of=("self",)).select_related("location").get(pk=lot_id)
    last = StockEntry.objects.filter(lot=lot).order_by("-number").first()
    number, balance = (last.number, last.balance_mg) if last else (0, ZERO_MG)
    if seen is not None and seen != number:
        raise ChangedMeanwhileError(MOVED_ON)
    return Shelf(lot, number, balance)


@contextmanager
def _handling(by: User, now: datetime) -> Iterator[None]:
    if not by.can(Can.HANDLE_STOCK):
        raise PermissionDenied("Your role does not include this.")
    with recorded(by=by, now=now):
        yield


def second_of(witness: User | None, by: User) -> User:
    """Raises StockRefusedError: nobody, the same person, or somebody who may not handle the drug."""
    if witness is None or witness.pk == by.pk:
        raise StockRefusedError("This needs a second person, who gives their own password.", "witness")
    if not witness.can(Can.HANDLE_STOCK):
        raise StockRefusedError(f"{witness.display_name} does not handle the controlled drug. Ask somebody who does.")
    return witness


def today_at(place: Location, now: datetime) -> date:
    return place.local(now).date()


# -- lots -------------------------------------------------------------------------------------------------------------
def add_lot(
    *,
    location: Location,
    drug: str,
    lot_number: str,
    content_mg: Decimal,
    concentration_mg_per_ml: Decimal | None,
    expires_on: date,
    by: User,
    now: datetime,
    manufacturer: str = "",
) -> DrugLot:
    """The lot has a log, which is empty. Ketamine comes in vials, esketamine in nasal devices.

    Raises:
        ValidationError: by field: it is on the list already, has expired, or its numbers are not possible.
    """
    with _handling(by, now):
        if expires_on < today_at(location, now):
            raise ValidationError({"expires_on": "This day is past. Expired stock is not received."})
        lot = DrugLot(
            location=location,
            drug=drug,
            form=LotForm.DEVICE if drug == Drug.ESKETAMINE else LotForm.VIAL,
            concentration_mg_per_ml=concentration_mg_per_ml,
            content_mg=content_mg,
            lot_number=lot_number.strip(),
            manufacturer=manufacturer.strip(),
            expires_on=expires_on,
            created_at=now,
            created_by=by,
        )
        lot.full_clean()
        lot.save()
        return lot


def receive(
    *, lot_id: int, units: int, by: User, now: datetime, seen: int | None = None, invoice: str = ""
) -> StockEntry:
    """So many whole vials or devices are on the shelf. ``invoice`` becomes the reason of the line.

    Raises:
        StockRefusedError: none, or the lot has expired.
        ChangedMeanwhileError: the log has gone on since line ``seen``; a second click ends here too.
    """
    with _handling(by, now):
        shelf = locked_shelf(lot_id, seen)
        if units < 1:
            raise StockRefusedError("Enter how many were received, at least 1.", "units")
        if shelf.lot.expires_on < today_at(shelf.lot.location, now):
            raise StockRefusedError("This lot has expired. Send it back instead of receiving it.", "units")
        amount = shelf.lot.content_mg * units
        return shelf.post(StockKind.RECEIVED, amount, sign=1, by=by, now=now, reason=invoice)


def destroy(
    *,
    lot_id: int,
    amount_mg: Decimal,
    reason: str,
    witness: User | None,
    by: User,
    now: datetime,
    seen: int | None = None,
) -> StockEntry:
    """So much left the shelf for destruction, which two people saw.

    Raises:
        StockRefusedError: no reason, no second person, or more than there is.
        ChangedMeanwhileError: the log has gone on since line ``seen``.

    Source: clinical.md G, DEA wastage (Form 41 with two witnesses is for inventory, not for waste after a dose).
    """
    with _handling(by, now):
        shelf = locked_shelf(lot_id, seen)
        if wrong := amount_wrong(shelf.facts(), amount_mg):
            raise StockRefusedError(wrong, "amount_mg")
        if not reason.strip():
            raise StockRefusedError("Say why, who took it, and the number of the form.", "reason")
        second = second_of(witness, by)
        return shelf.post(StockKind.DESTROYED, amount_mg, sign=-1, by=by, now=now, witness=second, reason=reason)


# -- counts and discrepancies -----------------------------------------------------------------------------------------
def count_lot(
    *, lot_id: int, counted_mg: Decimal, by: User, now: datetime, seen: int | None = None, reason: str = ""
) -> tuple[StockEntry, Discrepancy | None]:
    """The count stands in the log. When it is not what the log says, a discrepancy waits for two signatures.

    While one waits, a new count does not open another: it is what the correction will go by, and whoever had signed
    the first one signs again.

    Raises:
        StockRefusedError: below zero, or not to 0.1 mg.
        ChangedMeanwhileError: the log has gone on since line ``seen``.
    """
    with _handling(by, now):
        shelf = locked_shelf(lot_id, seen)
        if counted_mg < 0 or counted_mg % TENTH_MG:
            raise StockRefusedError("Enter what was counted, 0 or more, to 0.1 mg.", "counted_mg")
        entry = shelf.post(StockKind.COUNTED, counted_mg, by=by, now=now, reason=reason)
        waiting = _waiting(shelf.lot)
        if waiting is not None:
            waiting.first_at = waiting.first_by = None
            waiting.save(update_fields=["first_at", "first_by"])
            return entry, waiting
        if counted_mg == shelf.balance_mg:
            return entry, None
        return entry, Discrepancy.objects.create(
            entry=entry,
            location=shelf.lot.location,
            expected_mg=shelf.balance_mg,
            counted_mg=counted_mg,
            opened_at=now,
        )


def _waiting(lot: DrugLot) -> Discrepancy | None:
    return Discrepancy.objects.filter(entry__lot=lot, settled_at__isnull=True).first()


def sign_discrepancy(
    *, discrepancy_id: int, explanation: str, is_loss_reported: bool, by: User, now: datetime
) -> Discrepancy:
    """The first person has signed what is known about it.

    Raises:
        StockRefusedError: no explanation.
        ChangedMeanwhileError: it is settled.
    """
    with _handling(by, now):
        _, found = _discrepancy(discrepancy_id)
        if not explanation.strip():
            raise StockRefusedError("Say what was found, as far as it is known.", "explanation")
        found.explanation, found.is_loss_reported = explanation.strip(), is_loss_reported
        found.first_at, found.first_by = now, by
        found.full_clean(exclude=["entry", "location"])
        found.save()
        return found


def settle(*, discrepancy_id: int, by: User, now: datetime) -> Discrepancy:
    """A second person has signed: the log is corrected to the last count, with the first one as the witness.

    A recount that agrees with the log needs no correction.

    Raises:
        StockRefusedError: nobody has signed yet, it is the same person, or the shelf cannot bear the correction.
        ChangedMeanwhileError: it is settled.
    """
    with _handling(by, now):
        shelf, found = _discrepancy(discrepancy_id)
        first = found.first_by
        if first is None:
            raise StockRefusedError("Nobody has explained it yet. The first person signs with an explanation.")
        if first.pk == by.pk:
            raise StockRefusedError("You signed first. The second signature is somebody else’s.", "witness")
        count = shelf.lot.entries.filter(kind=StockKind.COUNTED).latest("number")
        off = count.amount_mg - count.balance_mg  # a count leaves the balance as it was
        if off < 0 and shelf.balance_mg + off < 0:
            raise StockRefusedError("More was drawn since the count than it left. Count the lot again first.")
        if off:
            shelf.post(
                StockKind.CORRECTED,
                abs(off),
                sign=1 if off > 0 else -1,
                by=by,
                now=now,
                witness=first,
                reason=found.explanation[:300],
            )
        found.settled_at, found.settled_by = now, by
        found.save()
        return found


def _discrepancy(discrepancy_id: int) -> tuple[Shelf, Discrepancy]:
    lot_id = Discrepancy.objects.values_list("entry__lot_id", flat=True).get(pk=discrepancy_id)
    shelf = locked_shelf(lot_id)
    found = Discrepancy.objects.select_related("first_by").get(pk=discrepancy_id)
    if found.settled_at is not None:
        raise ChangedMeanwhileError("This discrepancy was settled meanwhile.")
    return shelf, found
