"""The five kinds of races: booking, moving, accepting an offer, signing a record, drawing the last of a vial."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from bench.races.pair import Race, one_won
from clinic.models import BookingStatus
from clinic.services.bookings import TimeTakenError, advance, book, release
from clinic.tests import bookings_kit
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.parallel import Outcome
from courses.models import FreedSlot, InfusionStatus, InfusionVisit
from courses.services import moves, offers, stock
from courses.services.infusion_record import RecordSignedError
from courses.services.moves import Mode, Target
from courses.services.signing import complete, sign
from courses.services.stock_shelf import StockRefusedError
from courses.tests.day_kit import Day, infusing, put_row
from courses.tests.factories import make_course, make_protocol_version, make_settings
from courses.tests.offers_kit import NOW as SATURDAY
from courses.tests.offers_kit import Gap, another, owes
from courses.tests.series_kit import Booked, april, at
from courses.tests.series_kit import book as book_course
from courses.tests.stock_kit import VIAL, make_lot
from patients.tests.factories import make_patient


class Booking:
    """One chair, one nurse or one patient is wanted twice; never more than one of the two gets in."""

    name = "booking a slot"
    refusals = (TimeTakenError,)

    def __init__(self) -> None:
        self.clinic = bookings_kit.make_clinic()

    def ready(self, number: int) -> Callable[[int], Any]:
        start = bookings_kit.THURSDAY_AT_TEN + timedelta(days=number)
        clinic, one, two = self.clinic, self.clinic.patient(0), self.clinic.patient(1)
        first = clinic.infusion(start, patient=one)
        second = (
            clinic.infusion(start, patient=two),  # the same time of the same chair
            clinic.infusion(start + timedelta(minutes=15 * (number % 9)), patient=two),  # a part of it
            clinic.consultation(start, patient=one),  # the same patient, elsewhere
            clinic.infusion(start, chair=clinic.chairs[1], patient=two),  # the nurse's first quarter of an hour
        )[number % 4]
        wanted = ([first], [second])
        return lambda index: book(wanted[index], by=clinic.desk, now=bookings_kit.NOW)

    def wrong(self, outcomes: list[Outcome]) -> str:
        return one_won(outcomes, self.refusals)


class Moving:
    """Two series of one chair. In turn: one infusion is moved to two times, two infusions are moved to one time."""

    name = "moving an infusion"
    refusals = (moves.ChangedMeanwhileError,)
    NOW = at(april(5))
    TIMES = (8 * 60, 10 * 60 + 30, 13 * 60, 15 * 60 + 30)
    NUMBER, DAY = 4, april(12)

    def __init__(self) -> None:
        clinic = make_clinic("Races of moves", chairs=1)
        self.series = [
            book_course(clinic=clinic, patient=make_patient("Mo", f"Ving{number}", home_location=clinic.location))
            for number in (1, 2)
        ]
        for one, minute in zip(self.series, self.TIMES, strict=False):
            self._move(one, minute)

    def _token(self, one: Booked, minute: int) -> str:
        found = moves.preview_move(
            one.infusion(self.NUMBER).pk, target=Target(self.DAY, minute), mode=Mode.ONLY, now=self.NOW
        )
        if not found.is_possible or found.breaches:
            raise AssertionError(f"{minute} is no legal time: {found}")
        return found.token

    def _move(self, one: Booked, minute: int) -> None:
        if one.starts()[self.NUMBER] != minute:
            moves.move_infusion(self._token(one, minute), by=one.desk, now=self.NOW)

    def ready(self, number: int) -> Callable[[int], Any]:
        held = {one.starts()[self.NUMBER] for one in self.series}
        free = [minute for minute in self.TIMES if minute not in held]
        first, second = self.series if number % 4 < 2 else self.series[::-1]
        if number % 2:
            tokens = [self._token(first, free[0]), self._token(second, free[0])]
        else:
            tokens = [self._token(first, free[0]), self._token(first, free[1])]
        return lambda index: moves.move_infusion(tokens[index], by=first.desk, now=self.NOW)

    def wrong(self, outcomes: list[Outcome]) -> str:
        return one_won(outcomes, self.refusals)


class Offering:
    """Three patients, one time on one day: who holds it lets it go, the two others accept it by their links at once."""

    name = "accepting an offer"
    refusals: tuple[type[Exception], ...] = ()  # a patient reads an answer, no exception
    NUMBER, DAY = 4, april(12)

    def __init__(self) -> None:
        self.clinic = make_clinic("Races of offers", chairs=2, phone="+12125550100")
        self.people = [another(self.clinic, "Offa", f"Fictional{number}") for number in (1, 2, 3)]
        for one in self.people[1:]:
            owes(one)

    def ready(self, _number: int) -> Callable[[int], Any]:
        [holder] = [one for one in self.people if one.infusion(self.NUMBER).status == InfusionStatus.BOOKED]
        owes(holder)  # is moved to the next day, which frees the time, and cancels there
        slots = FreedSlot.objects.order_by("-pk")[:2]
        gap = Gap(self.clinic, holder, next(one for one in slots if one.start.date() == self.DAY))
        freed = gap.freed()
        asked = [one for one in gap.candidates() if one.patient_id in {person.patient.pk for person in self.people}]
        plans = [offers.read_plan(offers.plan_token(freed, one), slot_id=gap.slot.pk) for one in asked]
        links = [offers.offer_by_link(one, valid_min=120, by=self.clinic.desk, now=SATURDAY)[1] for one in plans]
        return lambda index: offers.accept_link(links[index], now=SATURDAY).reply.value

    def wrong(self, outcomes: list[Outcome]) -> str:
        said = sorted(str(one.value) for one in outcomes)
        return "" if said == ["gone", "yours"] else f"they were told {outcomes}"


class Signing:
    """A completed record, two signatures. Every six rounds a new patient comes, whose six visits were withheld."""

    name = "signing a record"
    refusals = (RecordSignedError,)
    VISITS = 6

    def __init__(self) -> None:
        self.clinic = make_clinic("Races of signatures")
        self.version = make_protocol_version("RACES-SIGN")
        self.days: list[Day] = []
        self.monday = date(2027, 4, 5)

    def _come(self, number: int) -> None:
        patient = make_patient("Sig", f"Fictional{number}")
        first = self.monday + timedelta(weeks=3 * (number // self.VISITS))
        now = self.clinic.location.at(first - timedelta(days=7), time(9))
        course = make_course(self.clinic, patient, make_settings(self.clinic, self.version, first), now=now)
        visits = InfusionVisit.objects.filter(infusion__phase__course=course).select_related("booking")
        self.days = [Day(self.clinic, patient, course, one.booking) for one in visits.order_by("infusion__number")]

    def ready(self, number: int) -> Callable[[int], Any]:
        if number % self.VISITS == 0:
            self._come(number)
        day = self.days[number % self.VISITS]
        start = day.booking.start
        for step in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR):
            advance(day.pk, to=step, by=day.nurse, now=start)
        put_row(day, start, 166, 98)
        release([day.pk], status=BookingStatus.WITHHELD, reason="166/98", by=day.nurse, now=start)
        later = start + timedelta(minutes=5)
        complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=later)
        seen = day.record.version
        moments = (later + timedelta(minutes=1), later + timedelta(minutes=2))
        return lambda index: sign(booking_id=day.pk, version=seen, by=day.clinician, now=moments[index])

    def wrong(self, outcomes: list[Outcome]) -> str:
        return one_won(outcomes, self.refusals)


class Drawing:
    """A lot that has enough for one of two infusions: one vial for both, or two and each wants more than half."""

    name = "drawing the last of a vial"
    refusals = (StockRefusedError,)

    def __init__(self) -> None:
        first = infusing(clinic=make_clinic("Races of vials"), slug="RACES-VIAL-1")
        second = infusing(clinic=first.clinic, patient=make_patient("Bo", "Vial"), slug="RACES-VIAL-2")
        self.days = (first, second)

    def ready(self, number: int) -> Callable[[int], Any]:
        place, nurse = self.days[0].booking.location, self.days[0].nurse
        units = 1 + number % 2
        lot = make_lot(place, nurse, units=units)
        amount = VIAL if units == 1 else Decimal("200.1")
        now = self.days[0].booking.start + timedelta(minutes=1)

        def draw(index: int) -> object:
            return stock.draw(booking_id=self.days[index].pk, lot_id=lot.pk, amount_mg=amount, by=nurse, now=now)

        return draw

    def wrong(self, outcomes: list[Outcome]) -> str:
        return one_won(outcomes, self.refusals)


KINDS: dict[str, Callable[[], Race]] = {
    "booking": Booking,
    "moving": Moving,
    "offers": Offering,
    "signing": Signing,
    "vials": Drawing,
}
