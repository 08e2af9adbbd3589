"""The dose order of an infusion day, and the people who check it before the start. An order is never edited."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.core.exceptions import ValidationError

from clinic.models import BookingStatus, User
from clinic.pure.roles import Can
from courses.models import DoseBasis, DoseCheck, DoseOrder
from courses.pure.doses import (
    Ask,
    Basis,
    Dose,
    DoseError,
    Finding,
    For,
    Limits,
    Ordered,
    devices_for,
    judge,
    plain,
    work_out,
)
from courses.services.infusion_desk import Desk, read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, changing
from patients.pure.indications import Indication

BEFORE_THE_START = (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR)
DRUGS = {False: "Ketamine", True: "Esketamine nasal spray"}
"""What the label must say, by ``desk.is_nasal``."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The patient's last weight; ``is_recent``: not older than the clinic lets a weight count."""

    kg: Decimal
    on: date
    is_recent: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an order would come to, and what has to be said about it."""

    ordered: Ordered
    dose: Dose
    weight: Weight | None
    findings: tuple[Finding, ...]

    def asks(self, ask: Ask) -> bool:
        return any(finding.ask is ask for finding in self.findings)

    @property
    def is_by_weight(self) -> bool:
        return self.ordered.basis != Basis.TOTAL_MG

    @property
    def seal(self) -> str:
        """What the prescriber saw; other facts have another one."""
        codes = ",".join(finding.code for finding in self.findings)
        return f"{self.dose.seal}|{codes}"


@dataclass(frozen=True, slots=True)
class Given:
    """What the prescriber gave beside the order itself."""

    seal: str
    after: int | None
    accepted: Collection[str] = ()
    change_reason: str = ""
    override_reason: str = ""


# -- reading -----------------------------------------------------------------------------------------------------------
def weight_of(desk: Desk) -> Weight | None:
    """The weight that the patient's record holds; None where nobody was ever weighed."""
    person, place = desk.person, desk.place
    if person.weight_kg is None or person.weighed_at is None:
        return None
    day = place.local(person.weighed_at).date()
    age = (place.local(desk.now).date() - day).days
    return Weight(person.weight_kg, day, age <= desk.day_settings.weight_max_age_days)


def concentrations_of(desk: Desk) -> list[Decimal]:
    """The strengths of vial that the clinic keeps, in mg/mL."""
    return [Decimal(str(one)) for one in desk.day_settings.concentrations_mg_per_ml]


def limits_of(desk: Desk) -> Limits:
    """What the protocol of this phase says about doses and minutes."""
    protocol = desk.protocol
    return Limits(
        basis=protocol.dose_basis,
        start=protocol.dose_start,
        low=protocol.dose_min,
        high=protocol.dose_max,
        planned_min=desk.visit.infusion_min,
        most_min=protocol.infusion_max_min,
        is_nasal=desk.is_nasal,
    )


def last_ordered(desk: Desk) -> Ordered | None:
    """The order with which the last given infusion of this course was started."""
    given = desk.last.order_given if desk.last else None
    return ordered_of(given) if given else None


def ordered_of(order: DoseOrder) -> Ordered:
    return Ordered(order.basis, order.amount, order.infusion_min, order.concentration_mg_per_ml, order.bag_ml)


def start_ordered(desk: Desk) -> Ordered | None:
    """The protocol's start dose; None where it goes on with the last one."""
    protocol = desk.protocol
    if protocol.dose_start is None or protocol.dose_basis == DoseBasis.LAST:
        return None
    return Ordered(protocol.dose_basis, protocol.dose_start, desk.visit.infusion_min)


def decided_ordered(desk: Desk) -> Ordered | None:
    """The dose that a review decided on and that no infusion was given with since; None where there is none."""
    decided, last = desk.dose_decided, desk.last.order_given if desk.last else None
    if decided is None or (last is not None and last.at > decided.at):
        return None
    return Ordered(decided.basis, decided.amount, desk.visit.infusion_min)


def say_order(order: DoseOrder) -> str:
    """As 41.2 mg (0.5 mg/kg × 82.4 kg); a total says only the mg."""
    said = f"{plain(order.dose_mg)} mg"
    if order.devices:
        return f"{plain(order.dose_mg)} mg ({order.devices} × 28 mg)"
    if order.basis == Basis.TOTAL_MG:
        return said
    return f"{said} ({ordered_of(order).said} × {order.weight_kg} kg)"


def propose(desk: Desk, ordered: Ordered) -> Proposal:
    """What this order comes to today; nothing is written.

    Raises:
        DoseError: no dose can be worked out, or the weight is too old.
    """
    weight = weight_of(desk)
    by_weight = ordered.basis != Basis.TOTAL_MG
    if by_weight and weight is not None and not weight.is_recent:
        raise DoseError(
            "basis",
            f"The weight is of {weight.on:%-d %b %Y}, more than {desk.day_settings.weight_max_age_days} days ago. "
            "Weigh the patient and enter it at the check-in, then order.",
        )
    if not desk.is_nasal and ordered.concentration_mg_per_ml not in concentrations_of(desk):
        raise DoseError("concentration", "Choose one of the clinic's concentrations.")
    kg = weight.kg if weight is not None and weight.is_recent else None
    dose = devices_for(ordered) if desk.is_nasal else work_out(ordered, kg)
    whom = For(
        weight_kg=kg,
        age_years=desk.patient.age_on(desk.place.local(desk.now).date()),
        last=last_ordered(desk),
        is_suicidal=desk.course.indication == Indication.SUICIDAL_IDEATION,
    )
    return Proposal(ordered, dose, weight if kg is not None else None, judge(ordered, limits_of(desk), whom))


def checks_lacking(desk: Desk) -> int:
    """How many people have still to check the order that counts."""
    return max(0, desk.day_settings.checks_needed - len({check.by_id for check in desk.checks}))


def has_checked(desk: Desk, user: User) -> bool:
    return any(check.by_id == user.pk for check in desk.checks)


# -- writing -----------------------------------------------------------------------------------------------------------
def order_dose(*, booking_id: int, ordered: Ordered, given: Given, by: User, now: datetime) -> DoseOrder:
    """The order counts from now on; one before it is replaced, and everybody checks anew.

    Args:
        given: what the prescriber saw (``after``: the order that the page showed), ticked, and gave as reasons.

    Raises:
        PermissionDenied: only a prescriber orders.
        DayRefusedError: the infusion has begun, or nobody is here.
        ChangedMeanwhileError: somebody ordered meanwhile, or the facts are no longer those of the preview.
        ValidationError: no dose can be worked out, or a reason or a tick is missing; by field.
    """
    with changing(booking_id, by=by, now=now, needs=Can.ORDER_DOSE) as record:
        desk = read_desk(booking_id, now=now)
        _refuse_after_start(desk)
        if (desk.order.pk if desk.order else None) != given.after:
            raise ChangedMeanwhileError(_what_stands(desk))
        try:
            proposal = propose(desk, ordered)
        except DoseError as error:
            raise ValidationError({error.field: str(error)}) from error
        if proposal.seal != given.seal:
            raise ChangedMeanwhileError("This is not what the preview showed. Look at it again, then order.")
        _refuse_unless_answered(proposal, given)
        dose = proposal.dose
        return DoseOrder.objects.create(
            record=record,
            basis=ordered.basis,
            amount=ordered.amount,
            weight_kg=proposal.weight.kg if proposal.weight else None,
            weight_on=proposal.weight.on if proposal.weight else None,
            infusion_min=ordered.infusion_min,
            dose_mg=dose.dose_mg,
            concentration_mg_per_ml=ordered.concentration_mg_per_ml,
            volume_ml=dose.volume_ml,
            contains_mg=dose.contains_mg,
            bag_ml=ordered.bag_ml,
            rate_ml_h=dose.rate_ml_h,
            devices=dose.devices,
            change_reason=given.change_reason.strip() if proposal.asks(Ask.CHANGE) else "",
            override_reason=given.override_reason.strip() if proposal.asks(Ask.OVERRIDE) else "",
            warnings=[finding.text for finding in proposal.findings],
            at=now,
            by=by,
        )


def check_dose(
    *, booking_id: int, order_id: int, ticked: Collection[str], wanted: Collection[str], by: User, now: datetime
) -> DoseCheck:
    """This person held the order against label, bag and pump. Tapped twice, it stands once.

    Args:
        order_id: the order that the person saw.
        wanted: every line that has to be ticked.

    Raises:
        PermissionDenied: the role does not run infusions.
        ChangedMeanwhileError: another order counts by now.
        DayRefusedError: the infusion has begun.
        ValidationError: a line is not ticked.
    """
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        if desk.order is None or desk.order.pk != order_id:
            raise ChangedMeanwhileError(_what_stands(desk))
        before = next((check for check in desk.checks if check.by_id == by.pk), None)
        if before is not None:
            return before
        _refuse_after_start(desk)
        if missing := [line for line in wanted if line not in ticked]:
            raise ValidationError({"checked": f"Not ticked: {', '.join(missing)}. Compare it, then tick it."})
        return DoseCheck.objects.create(record=record, order=desk.order, at=now, by=by)


def _refuse_after_start(desk: Desk) -> None:
    if desk.run.is_started:
        raise DayRefusedError("The infusion was started, so its dose does not change any more. Nothing was saved.")
    if desk.booking.status not in BEFORE_THE_START:
        status = desk.booking.get_status_display().lower()
        raise DayRefusedError(f"This visit is {status} already. If that is wrong, undo the step on Today.")


def _what_stands(desk: Desk) -> str:
    order = desk.order
    if order is None:
        return "There is no order any more. Look again."
    at = f"{desk.place.local(order.at):%H:%M}"
    return f"{desk.name(order.by_id)} ordered {say_order(order)} at {at}. Look at that order first; nothing was saved."


def _refuse_unless_answered(proposal: Proposal, given: Given) -> None:
    missing = {}
    if proposal.asks(Ask.CHANGE) and not given.change_reason.strip():
        missing["change_reason"] = "Say why the dose is another one."
    if proposal.asks(Ask.OVERRIDE) and not given.override_reason.strip():
        missing["override_reason"] = "Say why the protocol's limit is passed."
    unread = [one for one in proposal.findings if one.ask is Ask.ACCEPT and one.code not in given.accepted]
    if unread:
        missing["accept"] = f"Tick what you have read: {unread[0].text}"
    if missing:
        raise ValidationError(missing)
