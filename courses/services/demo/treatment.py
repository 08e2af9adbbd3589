"""Plays one infusion of the demo clinic: its record, act by act through the services, each with its own "now"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import partial
from uuid import UUID, uuid5

from clinic.models import Allocation, AllocationRole, BookingStatus, User
from clinic.services import bookings
from courses.models import DoseOrder, InfusionRecord, InfusionVisit, LimitAlarm, Route, RunKind
from courses.pure import limits
from courses.pure.checklist_answers import Entries, Typed
from courses.pure.checklist_answers import Measured as Weighed
from courses.pure.doses import Ordered
from courses.services import checkin, dosing, effects, leaving, moves, running, signing, stock
from courses.services.alarms import answer_alarm
from courses.services.demo import vitals
from courses.services.demo.casting import LATE_BY, MINUTE, Part, Times
from courses.services.demo.place import Site, on_duty
from courses.services.demo.stock import Shelf
from courses.services.demo.vitals import Look, Person
from courses.services.flowsheet import save_row
from courses.services.gate import gate_of
from courses.services.infusion_desk import read_desk
from courses.services.infusion_record import DayRefusedError
from courses.services.running import Tapped
from courses.services.visits import step_visit
from patients.models import Patient
from patients.pure.consultation import fingerprint
from patients.pure.vitals import Vitals
from patients.services.observations import latest_weight

At = Callable[[datetime, Callable[[datetime], None]], None]


class Detail(StrEnum):
    """How much of an infusion is on record."""

    WHOLE = "whole"
    LEAN = "lean"  # baseline and four looks
    NONE = "none"  # given before the clinic kept records with Cadence


WHOLE_DAYS, LEAN_DAYS, KEPT_DAYS = 1, 2, 14
TOLD_IN_FULL = (0, vitals.CASE_29)
"""Patients all of whose infusions of two weeks are on record; of the others it would make loading slow."""
NOTHING = fingerprint("")
FIRST = ("identity", "escort", "fasting_solids", "fasting_liquids", "medicines_today")
SINCE = ("since_urinary", "since_memory", "since_mania", "since_cravings", "since_other")
REST = ("health_change", *SINCE, "airway")
WHY_STARTED = "Known for years, talked through at the consultation; watched more closely today"
SPRAY_FIRST_MIN, SPRAY_EVERY_MIN = 40, 15
SIGNED_AT = time(17, 20)
NAUSEA_MIN, ALARM_MIN, PAUSED_MIN = 22, 20, 6
DIZZY_EVERY, FIFTY_EVERY, EXACT_EVERY = 5, 6, 3
SYRINGE_MG = Decimal(10)  # a syringe is drawn up to the next whole 10 mg
BAG_ML = 100
SPRAY_MG = Decimal(56)
WHY_LAST = "Goes on with the dose of the series"
ANSWER = "Paused, prescriber at the chair, pressure repeated after 5 minutes"
TICKED = (("oriented", "yes"), ("gait", "yes"), ("no_si", "yes"))
NOTES = (
    "Quiet session with music. Said that it was lighter afterwards.",
    "Cried for a while at 25 minutes, calm again before the end.",
    "Slept most of the time, woke without being called.",
    "Strong images, not frightening. Asked for a blanket.",
)
AMENDMENT = ("Called the next morning", "Slept well, slight headache until noon, no medicine needed.")


def detail_of(days_ago: int, *, turn: int, is_shown: bool) -> Detail:
    """Whole records of today and yesterday, leaner ones of the day before; older ones only where they show something.

    Args:
        is_shown: it has a part, or owes a form.
    """
    if days_ago <= WHOLE_DAYS:
        return Detail.WHOLE
    is_told = is_shown or turn in TOLD_IN_FULL
    return Detail.LEAN if days_ago <= LEAN_DAYS or (is_told and days_ago <= KEPT_DAYS) else Detail.NONE


def look_at(booking_id: int, look: Look, *, by: User, now: datetime) -> None:
    """One row of the flowsheet."""
    values = {name: getattr(look, name) for name in limits.FIELDS}
    save_row(
        booking_id,
        uid=uuid5(UUID(int=booking_id), f"{now}"),
        look=limits.Look(at=now, **values),
        note=look.note,
        confirmed=True,
        by=by,
        now=now,
    )


def sign_held(booking_id: int, *, nurse: User, prescriber: User, now: datetime) -> None:
    """The record of a visit that was withheld is complete, and signed by who held it."""
    for write, by in ((signing.complete, nurse), (signing.sign, prescriber)):
        version = InfusionRecord.objects.values_list("version", flat=True).get(visit__booking=booking_id)
        write(booking_id=booking_id, version=version, by=by, now=now)


@dataclass
class Treatment:
    """One infusion on its way through the day.

    Args:
        at: puts an act into the queue of the play.
        visit: with booking, location, course, prescriber and protocol.
        turn, number: which patient, and the how many-th infusion of theirs.
        resume: what the play does when the patient has left.
    """

    at: At
    site: Site
    shelves: Mapping[int, Shelf]
    visit: InfusionVisit
    times: Times
    part: Part
    detail: Detail
    turn: int
    number: int
    now: datetime
    left: Callable[[datetime], None]
    draw_id: int = 0
    escort: str = ""
    _nurse: User | None = field(default=None, repr=False)

    # -- who -----------------------------------------------------------------------------------------------------------
    @property
    def pk(self) -> int:
        return self.visit.booking_id

    @property
    def person(self) -> Person:
        return Person(self.turn, self.number)

    @property
    def prescriber(self) -> User:
        return self.visit.infusion.phase.course.prescriber

    @property
    def patient(self) -> Patient:
        return self.visit.infusion.phase.course.patient

    @property
    def is_nasal(self) -> bool:
        return self.visit.infusion.phase.protocol_version.protocol.route == Route.NASAL

    @property
    def nurse(self) -> User:
        """Whoever was booked for it."""
        if self._nurse is None:
            booked = Allocation.objects.filter(booking=self.pk, role=AllocationRole.NURSE)
            by_resource = {nurse.resource_id: nurse for nurse in self.site.nurses}
            found = (by_resource.get(pk) for pk in booked.values_list("resource_id", flat=True))
            self._nurse = next((one for one in found if one), self.site.nurses[0])
        return self._nurse

    def second(self, when: datetime) -> User:
        """Another nurse who is there; the prescriber when there is none."""
        here = (one for one in self.site.nurses if one != self.nurse)
        local = self.site.location.local(when)
        return next((one for one in here if on_duty(one.username, local)), self.prescriber)

    # -- the day -------------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """Everything that is going to happen is in the queue."""
        if self.detail is Detail.NONE:
            self._without_record()
        else:
            self._prepare()

    def _without_record(self) -> None:
        times = self.times
        self.at(times.in_chair, lambda when: self._step(BookingStatus.IN_CHAIR, when))
        self.at(times.end, lambda when: self._step(BookingStatus.OBSERVING, when))
        self.at(times.leaves, self._leave_unrecorded)

    def _step(self, to: BookingStatus, when: datetime) -> None:
        bookings.advance(self.pk, to=to, by=self.nurse, now=when)

    def _leave_unrecorded(self, when: datetime) -> None:
        self._step(BookingStatus.DONE, when)
        moves.record_given(booking_id=self.pk, by=self.nurse, now=when)
        self.left(when)

    def _prepare(self) -> None:
        times = self.times
        self.at(times.begun + 2 * MINUTE, self._ask_first)
        self.at(times.in_chair, self._sit_down)
        if self.part is Part.HALF:
            return
        self.at(times.in_chair + 2 * MINUTE, self._ask_rest)
        if self.part is Part.HOLD:
            self.at(times.in_chair + 3 * MINUTE, lambda when: self._look(vitals.held(self.person), when))
            return
        self.at(times.in_chair + 3 * MINUTE, lambda when: self._look(vitals.before(self.person), when))
        self.at(times.in_chair + 4 * MINUTE, self._order)
        self.at(times.in_chair + 5 * MINUTE, self._draw)
        self.at(times.start - 2 * MINUTE, self._check)
        self.at(times.start, self._start)

    def _sit_down(self, when: datetime) -> None:
        step_visit(booking_id=self.pk, to=BookingStatus.IN_CHAIR, by=self.nurse, now=when)

    # -- before the start ----------------------------------------------------------------------------------------------
    def _answers(self, begun: datetime) -> dict[str, tuple[str, str]]:
        """What the patient says, by item of the checklist."""
        local = self.site.location.local
        eaten = begun - timedelta(hours=9 + self.turn % 3)
        drunk = begun - timedelta(hours=3, minutes=10 * (self.turn % 4))
        return {
            "identity": ("yes", ""),
            "escort": ("yes", self.escort),
            "fasting_solids": (local(eaten).isoformat(), ""),
            "fasting_liquids": (local(drunk).isoformat(), ""),
            "medicines_today": ("none", ""),
            "health_change": ("no", ""),
            **dict.fromkeys(SINCE, ("no", "")),
            "airway": ("yes", ""),
        }

    def _ask_first(self, when: datetime) -> None:
        answers = self._answers(self.times.begun)
        entries = Entries({item: Typed(*answers[item]) for item in FIRST})
        checkin.save_checkin(booking_id=self.pk, entries=entries, by=self.nurse, now=when)

    def _ask_rest(self, when: datetime) -> None:
        before, measure = latest_weight(self.patient), read_desk(self.pk, now=when).person.measure
        today = Vitals(weight_kg=vitals.weight_kg(self.turn, self.number))
        answers = {item: Typed(*self._answers(self.times.begun)[item]) for item in REST}
        if measure is not None:
            answers["measure"] = Typed("yes", measure.stamp)
        weight = Weighed(str(before.pk) if before else "", today, is_confirmed=True)
        checkin.save_checkin(booking_id=self.pk, entries=Entries(answers, weight=weight), by=self.nurse, now=when)

    def _let_through(self, when: datetime) -> None:
        """What speaks against the start is answered for by the prescriber, with a reason."""
        for one in gate_of(read_desk(self.pk, now=when)).holds:
            checkin.let_through(
                booking_id=self.pk, code=one.code, stamp=one.stamp, reason=WHY_STARTED, by=self.prescriber, now=when
            )

    # -- dose and drug -------------------------------------------------------------------------------------------------
    def _order(self, when: datetime) -> None:
        amount, why = vitals.dose_mg_per_kg(self.turn, self.number)
        strength = Decimal(50) if self.turn % FIFTY_EVERY == 4 else Decimal(10)  # noqa: PLR2004 (one of six)
        ordered = Ordered("mg_per_kg", amount, self.visit.infusion_min, strength, BAG_ML)
        if self.is_nasal:
            ordered = Ordered("total_mg", SPRAY_MG, self.visit.infusion_min)
        proposal = dosing.propose(read_desk(self.pk, now=when), ordered)
        given = dosing.Given(
            proposal.seal,
            None,
            accepted=[one.code for one in proposal.findings],
            change_reason=why or WHY_LAST,
            override_reason=why or WHY_LAST,
        )
        dosing.order_dose(booking_id=self.pk, ordered=ordered, given=given, by=self.prescriber, now=when)

    def _draw(self, when: datetime) -> None:
        order = DoseOrder.objects.filter(record__visit=self.visit).latest("at")
        shelf = self.shelves[self.site.location.pk]
        if order.devices:
            drawn = stock.draw(
                booking_id=self.pk, lot_id=shelf.devices.pk, units=order.devices, by=self.nurse, now=when
            )
        else:
            lot = shelf.fifty if order.concentration_mg_per_ml == shelf.fifty.concentration_mg_per_ml else (shelf.ten)
            amount = order.contains_mg
            if self.turn % EXACT_EVERY:
                amount = (amount / SYRINGE_MG).to_integral_value(ROUND_CEILING) * SYRINGE_MG
            drawn = stock.draw(booking_id=self.pk, lot_id=lot.pk, amount_mg=amount, by=self.nurse, now=when)
        self.draw_id = drawn.pk

    def _check(self, when: datetime) -> None:
        order_id = DoseOrder.objects.filter(record__visit=self.visit).latest("at").pk
        for minute, person in enumerate((self.nurse, self.second(when))):
            dosing.check_dose(
                booking_id=self.pk, order_id=order_id, ticked=(), wanted=(), by=person, now=when + minute * MINUTE / 2
            )

    # -- taps ----------------------------------------------------------------------------------------------------------
    def _tap(self, kind: RunKind, when: datetime, *, by: User | None = None, reason: str = "") -> None:
        tapped = Tapped(kind.value, uuid5(UUID(int=self.pk), f"{kind}{when}"), when, reason, kind is RunKind.STOP)
        running.tap(booking_id=self.pk, tapped=tapped, by=by or self.nurse, now=when)

    def _start(self, when: datetime) -> None:
        try:
            self._begin(when)
        except DayRefusedError:
            self._let_through(when)
            self._begin(when)

    def _begin(self, when: datetime) -> None:
        if self.is_nasal:
            self._tap(RunKind.DEVICE, when)
            self._spray(when)
        else:
            self._tap(RunKind.START, when)
            self._go_on()

    def _spray(self, when: datetime) -> None:
        """Two devices, five minutes apart; watched for two hours."""
        second = when + 5 * MINUTE
        self.at(second, lambda at: self._tap(RunKind.DEVICE, at))
        watched = self.visit.observation_min
        self.times = replace(self.times, start=when, end=second, leaves=second + (watched + 1) * MINUTE)
        last = watched + 5
        self._looks((*range(SPRAY_FIRST_MIN, last, SPRAY_EVERY_MIN), last))
        self._afterwards()

    def _stop(self, when: datetime) -> None:
        self._tap(RunKind.STOP, when, reason="Nausea with retching, the patient asked to stop")
        how = effects.How(
            "severe",
            False,
            "resolved",
            action="Stopped, head up, basin",
            medicine="Ondansetron",
            medicine_dose="4 mg IV",
            medicine_at=when + 2 * MINUTE,
            medicine_effect="Better after 15 minutes",
            resolved_at=when + 35 * MINUTE,
        )
        later, note = when + 36 * MINUTE, "Ask the prescriber for ondansetron 4 mg IV before the start"

        def write(at: datetime) -> None:
            effects.record_effect(booking_id=self.pk, code="nausea", onset_at=when, how=how, by=self.nurse, now=at)
            effects.save_note(
                booking_id=self.pk, field="prophylaxis_note", text=note, base=NOTHING, by=self.nurse, now=at
            )

        self.at(later, write)

    # -- vital signs ---------------------------------------------------------------------------------------------------
    def _look(self, look: Look, when: datetime) -> None:
        look_at(self.pk, look, by=self.nurse, now=when)

    def _looks(self, minutes: Iterable[int]) -> None:
        """The looks at these minutes after the start are in the queue."""
        run_min, watch_min = self._run_min, self.visit.observation_min
        for minute in minutes:
            is_asked = vitals.is_asked(minute, run_min, watch_min)
            one = vitals.look(self.person, minute, infusion_min=run_min, has_total=is_asked)
            self.at(self.times.start + minute * MINUTE, partial(self._look, one))

    @property
    def _run_min(self) -> int:
        return (self.times.end - self.times.start) // MINUTE

    def _minutes(self) -> tuple[int, ...]:
        run_min, watch_min = self._run_min, self.visit.observation_min
        if self.detail is Detail.LEAN:
            return vitals.few_minutes_of(run_min, watch_min)
        protocol = self.visit.infusion.phase.protocol_version
        every = {"during_min": protocol.vitals_during_min, "after_min": protocol.vitals_after_min}
        return vitals.minutes_of(run_min, watch_min, **every)

    # -- the infusion --------------------------------------------------------------------------------------------------
    def _go_on(self) -> None:
        """What comes after the start, by the part."""
        start, minutes = self.times.start, self._minutes()
        if self.part is Part.LATE:
            self._looks(one for one in minutes if start + one * MINUTE <= self.now - LATE_BY)
            return
        if self.part is Part.PAUSED:
            self._pause_now(minutes)
            return
        if self.part is Part.ALARM:
            self._alarm_and_go_on(minutes)
        elif self.part is Part.STOPPED:
            self._stop_early()
        else:
            self._looks(minutes)
            self.at(self.times.end, lambda when: self._tap(RunKind.END, when))
        self._afterwards()

    def _pause_now(self, minutes: Iterable[int]) -> None:
        """It is paused a moment before the demo is loaded, and waits to be measured again."""
        last = (self.now - self.times.start) // MINUTE - 3
        self._looks(one for one in minutes if one < last)
        high = vitals.high(self.person, last)
        self.at(self.times.start + last * MINUTE, lambda when: self._look(high, when))
        self.at(self.times.start + (last + 1) * MINUTE, lambda when: self._tap(RunKind.PAUSE, when))

    def _alarm_and_go_on(self, minutes: Iterable[int]) -> None:
        """Too high at 20 minutes: paused, the prescriber called, lower five minutes later, resumed."""
        start, at = self.times.start, ALARM_MIN
        self._looks(one for one in minutes if one < at)
        self.at(start + at * MINUTE, lambda when: self._look(vitals.high(self.person, at), when))
        self.at(start + at * MINUTE, lambda when: self._tap(RunKind.PAUSE, when))
        self.at(start + (at + 1) * MINUTE, self._answer)
        again = at + PAUSED_MIN - 1
        self.at(start + again * MINUTE, lambda when: self._look(vitals.lower_again(self.person, again), when))
        self.at(start + (at + PAUSED_MIN) * MINUTE, lambda when: self._tap(RunKind.RESUME, when, by=self.prescriber))
        self.times = self.times.longer(PAUSED_MIN * MINUTE)
        self._looks(one for one in self._minutes() if one > again)
        self.at(self.times.end, lambda when: self._tap(RunKind.END, when))

    def _answer(self, when: datetime) -> None:
        waiting = LimitAlarm.objects.filter(record__visit=self.visit, answered_at__isnull=True)
        for pk in waiting.values_list("pk", flat=True):
            answer_alarm(pk, what_was_done=ANSWER, by=self.nurse, now=when)

    def _stop_early(self) -> None:
        """Nausea: stopped after 22 minutes, treated, and watched as long as after any other."""
        start = self.times.start
        self._looks(one for one in self._minutes() if one < NAUSEA_MIN)
        sick = vitals.sick(self.person, NAUSEA_MIN)
        self.at(start + NAUSEA_MIN * MINUTE, lambda when: self._look(sick, when))
        self.times = self.times.stopped_after(NAUSEA_MIN * MINUTE)
        self.at(self.times.end, self._stop)
        self._looks(one for one in self._minutes() if one > NAUSEA_MIN)

    # -- afterwards ----------------------------------------------------------------------------------------------------
    def _afterwards(self) -> None:
        end, leaves = self.times.end, self.times.leaves
        self.at(end + 6 * MINUTE, self._account)
        self.at(leaves - 2 * MINUTE, self._ask_effects)
        self.at(leaves - MINUTE, self._tick)
        if self.part is Part.READY:
            return
        self.at(leaves + 2 * MINUTE, self._discharge)
        self.at(leaves + 5 * MINUTE, self._complete)
        self.at(leaves + 6 * MINUTE, self.left)

    def _account(self, when: datetime) -> None:
        """Given is what the pump says; the rest is wasted before a second person."""
        desk = read_desk(self.pk, now=when)
        drawn = next(one for one in desk.draws if one.pk == self.draw_id)
        split = stock.suggestion(desk, drawn)
        witness = self.second(when) if split.wasted_mg else None
        stock.close_draw(draw_id=self.draw_id, split=split, witness=witness, by=self.nurse, now=when)

    def _ask_effects(self, when: datetime) -> None:
        if self.part is Part.STOPPED:
            return  # it was recorded when it was stopped
        if self.person.is_queasy:
            self._effect("nausea", when, begun=30)
        elif self.turn % DIZZY_EVERY == 3 and self.number <= 2:  # noqa: PLR2004 (one sort of patient, at first)
            self._effect("dizziness", when, begun=20)
        else:
            effects.answer_none(booking_id=self.pk, by=self.nurse, now=when)

    def _effect(self, code: str, when: datetime, *, begun: int) -> None:
        onset = self.times.start + begun * MINUTE
        how = effects.How("mild", False, "resolved", action="Told to keep still", resolved_at=when - 15 * MINUTE)
        effects.record_effect(booking_id=self.pk, code=code, onset_at=onset, how=how, by=self.nurse, now=when)

    def _tick(self, when: datetime) -> None:
        for item, value in (*TICKED, ("escort", self.escort)):
            leaving.tick(booking_id=self.pk, item=item, value=value, base=NOTHING, by=self.nurse, now=when)
        if self.detail is Detail.WHOLE:
            note = NOTES[self.turn % len(NOTES)]
            effects.save_note(
                booking_id=self.pk, field="session_note", text=note, base=NOTHING, by=self.nurse, now=when
            )

    def _discharge(self, when: datetime) -> None:
        leaving.discharge(booking_id=self.pk, way="printed", by=self.nurse, now=when)

    def _complete(self, when: datetime) -> None:
        signing.complete(booking_id=self.pk, version=self._version(), by=self.nurse, now=when)
        if self.part is Part.UNSIGNED:
            return
        place = self.site.location
        evening = place.at(place.local(when).date(), SIGNED_AT)
        self.at(max(evening, when + 4 * MINUTE), self._sign)

    def _sign(self, when: datetime) -> None:
        signing.sign(booking_id=self.pk, version=self._version(), by=self.prescriber, now=when)
        if self.part is Part.AMENDED:
            self.at(when + timedelta(hours=17), self._amend)

    def _amend(self, when: datetime) -> None:
        reason, text = AMENDMENT
        signing.amend(booking_id=self.pk, reason=reason, text=text, by=self.nurse, now=when)

    def _version(self) -> int:
        return InfusionRecord.objects.values_list("version", flat=True).get(visit=self.visit)
