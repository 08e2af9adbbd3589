"""Plays the demo clinic's stories in the order of time, each act through its service with its own "now"."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import count

from clinic.models import Booking, BookingKind, BookingStatus, User
from clinic.services.bookings import TimeTakenError
from clinic.services.freetime import open_days
from courses.models import Course, CourseStatus, InfusionVisit, MaintenanceWay, ProtocolVersion, Route, VersionStatus
from courses.planning.proposals import answer
from courses.planning.settings import PlanSettings
from courses.planning.types import Status
from courses.services import courses, moves
from courses.services.demo.after import plan_maintenance, review
from courses.services.demo.casting import Candidate, Part, Times, cast_past, cast_today, times_of
from courses.services.demo.intake import WHY_OVERRIDDEN, about, checked, consulted_record, decide, prepare
from courses.services.demo.place import Site
from courses.services.demo.scores import EARLY, FADING, WORSENING, answers_for, total_after
from courses.services.demo.shelf import counts
from courses.services.demo.stock import Shelf, stock_up
from courses.services.demo.stories import After, End, Intake, Story, Turn
from courses.services.demo.treatment import KEPT_DAYS, Detail, Treatment, detail_of, look_at, sign_held
from courses.services.demo.vitals import Person, held
from courses.services.hours import object_to
from courses.services.planning_input import build_instance, last_day_before, settings_from_version
from courses.services.series import book_series
from courses.services.visits import step_visit
from patients.models import AssessmentSource, Consultation, Patient, VisitMode
from patients.pure.indications import Indication
from patients.pure.readiness import BASELINES
from patients.services.assessments import record_assessment
from patients.services.consultations import book_consultation

AFTER_SHAPES = {After.FADES: FADING, After.HOLDS: EARLY, After.OBSERVED: EARLY, After.WORSENS: WORSENING}
WAYS = {
    After.FADES: MaintenanceWay.AS_NEEDED,
    After.HOLDS: MaintenanceWay.AS_NEEDED,
    After.OBSERVED: MaintenanceWay.NONE,
}
ASKED_MORE_AFTER = 4
REVIEWED_AFTER = timedelta(hours=20)
REVIEWS_LEFT = timedelta(days=4)  # one patient in four has a review of these days that nobody has decided
BOOKED_BEFORE = timedelta(days=5)
CONFIRMED_BEFORE = timedelta(days=2)
CONSULTATION = timedelta(minutes=60)
CONSULTATION_SHIFTS = (0, 30, 60, -30, 90, 120, -60, -90)  # minutes about the time that is tried first
PAST_PARTS = {1: (Part.UNSIGNED,), 3: (Part.STOPPED, Part.AMENDED)}  # so many clinic days ago -> its last infusions
MORNING, AFTERNOON = (None, 12 * 60), (12 * 60, None)


@dataclass
class Played:
    """One story on its way."""

    story: Story
    patient: Patient
    site: Site
    turn: int
    course: Course | None = None
    left: bool = False
    given: int = 0


@dataclass
class Play:
    """The clinic's past and present, act by act.

    Args:
        now: the real present; nothing is done after it.
        sites: the locations, in the order that stories name them.
    """

    now: datetime
    sites: Sequence[Site]
    queue: list[tuple[datetime, int, Callable[[datetime], None]]] = field(default_factory=list)
    ticket: count[int] = field(default_factory=count)
    skipped: list[str] = field(default_factory=list)
    told: int = 0
    expected: dict[int, datetime] = field(default_factory=dict)  # visit -> the start for which it waits
    due: dict[int, datetime] = field(default_factory=dict)  # visit -> when the patient shows up for it
    falls_out: set[int] = field(default_factory=set)  # visits at which nothing will be given
    cast: dict[int, tuple[Part, Times]] = field(default_factory=dict)  # visit -> what is special about it
    shelves: dict[int, Shelf] = field(default_factory=dict)  # location -> its lots

    def at(self, when: datetime, act: Callable[[datetime], None]) -> None:
        heapq.heappush(self.queue, (when, next(self.ticket), act))

    def run(self, progress: Callable[[int, int], None] = lambda _done, _left: None) -> None:
        """Every act up to now has happened, the earliest first."""
        done = 0
        while self.queue:
            when, _, act = heapq.heappop(self.queue)
            if when <= self.now:
                act(when)
                done += 1
                progress(done, len(self.queue))

    # -- courses ---------------------------------------------------------------------------------------------------

    def tell(self, story: Story, patient: Patient) -> None:
        """The story begins when its series is booked: a few days before its first infusion, never after now."""
        site = self.sites[story.site]
        today = site.location.local(self.now).date()
        booked = site.location.at(today + timedelta(days=story.start) - BOOKED_BEFORE, time(11))
        played = Played(story, patient, site, turn=self.told)
        self.told += 1
        self.at(min(booked, self.now - timedelta(hours=20)), lambda when: self._book_first(played, when))

    def _book_first(self, played: Played, when: datetime) -> None:
        story, place = played.story, played.site.location
        today = place.local(self.now).date()
        settings = settings_from_version(
            published(story.protocol), location=place, not_before=today + timedelta(days=story.start)
        )
        settings = settings.adapted(n=story.n)
        if story.weekdays:
            settings = settings.adapted(weekdays=sorted({(today.weekday() + offset) % 7 for offset in story.weekdays}))
        played.course = self._book(played, settings, when)

    def _book_then(self, played: Played, when: datetime) -> None:
        course, place = played.course, played.site.location
        if course is None:
            return
        before = last_day_before(course)
        settings = settings_from_version(
            published(played.story.then), location=place, not_before=place.local(when).date()
        )
        if self._book(played, replace(settings, continues=True), when, before=before) is not None:
            plan_maintenance(course, MaintenanceWay.STEPS, by=course.prescriber, now=when)

    def _book(
        self, played: Played, settings: PlanSettings, when: datetime, *, before: date | None = None
    ) -> Course | None:
        """The best plan is booked; hours of the day are a wish that gives way when nothing fits."""
        story, site = played.story, played.site
        earliest, latest = MORNING if story.morning else AFTERNOON
        wished = replace(settings, wishes=replace(settings.wishes, earliest_min=earliest, latest_min=latest))
        one, found = wished, answer(build_instance(wished, patient=played.patient, now=when, before=before))
        if found.status is not Status.OPTIMAL:
            one, found = settings, answer(build_instance(settings, patient=played.patient, now=when, before=before))
        if found.status is not Status.OPTIMAL:
            self.skipped.append(f"{story.protocol} from day {story.start}: {found.explanation}")
            return None
        prescriber = site.clinicians[played.turn % len(site.clinicians)]
        if played.course is None:
            signed = self.now + timedelta(days=story.consented) if story.consented is not None else None
            prepare(
                played.patient,
                story,
                location=site.location,
                by=prescriber,
                when=when,
                consented=signed,
                turn=played.turn,
            )
        course = book_series(
            patient=played.patient,
            settings=one,
            placed=found.proposals[0].placed,
            indication=story.indication,
            prescriber=prescriber,
            by=prescriber,
            now=when,
            pencil=story.intake is Intake.UNFINISHED,
            override_reason=WHY_OVERRIDDEN if story.intake is Intake.OVERRIDDEN else "",
        )
        self._expect_visits(played, course, when)
        return course

    # -- visits ----------------------------------------------------------------------------------------------------

    def _expect_visits(self, played: Played, course: Course, now: datetime) -> None:
        """Every open visit waits for its time; one that has moved waits for the new time."""
        rows = InfusionVisit.objects.filter(infusion__phase__course=course, outcome="open")
        for visit in rows.select_related("booking", "infusion"):
            if self.expected.get(visit.pk) != visit.booking.start:
                self.expected[visit.pk] = visit.booking.start
                self._expect(played, visit, now)

    def _expect(self, played: Played, visit: InfusionVisit, now: datetime) -> None:
        start, pk = visit.booking.start, visit.pk
        if visit.infusion.number % 4:  # one in four is not confirmed in time
            self.at(max(start - CONFIRMED_BEFORE, now), lambda when: self._confirm(played, pk, when))
        self.due[pk] = _shows_up(played, visit)
        if visit.infusion.number in played.story.turns:
            self.falls_out.add(pk)
        self.at(self.due[pk], lambda when: self._happen(played, pk, when))

    def _confirm(self, played: Played, visit_pk: int, when: datetime) -> None:
        booking_id, status = _open_booking(visit_pk)
        if booking_id and status == BookingStatus.BOOKED and not played.left:
            step_visit(booking_id=booking_id, to=BookingStatus.CONFIRMED, by=played.site.desk, now=when)

    def _happen(self, played: Played, visit_pk: int, when: datetime) -> None:
        visit = _open_visit(visit_pk)
        if visit is None or played.left or self.due[visit_pk] != when:
            return  # gone, or moved to another time, for which it is expected anew
        turn = played.story.turns.get(visit.infusion.number) if visit.infusion.phase.position == 1 else None
        first_time = not visit.infusion.visits.exclude(pk=visit.pk).exists()
        if turn and first_time:
            self._turn(played, visit, turn, when)
        else:
            self._give(played, visit, when)

    def _give(self, played: Played, visit: InfusionVisit, when: datetime) -> None:
        """Arrived a little early; then through the day by its record, as far as it has come by now."""
        site = played.site
        cast = self.cast.get(visit.pk)
        times = cast[1] if cast else _plan(visit, when)
        detail = self._detail(played, visit)
        self._step(visit.pk, BookingStatus.ARRIVED, site.desk, when)
        self.at(when + timedelta(minutes=1), partial(self._check_in, played, given=played.given))
        played.given += 1
        Treatment(
            at=self.at,
            site=site,
            shelves=self.shelves,
            visit=visit,
            times=times,
            part=cast[0] if cast else Part.PLAIN,
            detail=detail,
            turn=played.turn,
            number=played.given,
            now=self.now,
            left=lambda at: self._after(played, visit.pk, at),
            escort=played.patient.emergency_name or f"Robin {played.patient.family_name}",
        ).begin()

    def _detail(self, played: Played, visit: InfusionVisit) -> Detail:
        place = played.site.location
        days_ago = (place.local(self.now).date() - place.local(visit.booking.start).date()).days
        part, _ = self.cast.get(visit.pk, (Part.PLAIN, None))
        is_nasal = visit.infusion.phase.protocol_version.protocol.route == Route.NASAL
        return detail_of(days_ago, turn=played.turn, is_shown=is_nasal or part is not Part.PLAIN)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def stage(self, site: Site) -> None:
        """The shelf is filled, and the infusions of today and of some days before have parts that show something."""
        place = site.location
        today = place.local(self.now).date()
        self.at(place.at(today - timedelta(days=KEPT_DAYS + 8), time(8)), partial(self._fill_shelf, site))
        before = sorted(open_days(place, today - timedelta(days=10), today - timedelta(days=1)), reverse=True)
        for days_ago, parts in PAST_PARTS.items():
            if site is self.sites[0] and len(before) >= days_ago:
                self.at(place.at(before[days_ago - 1], time(0, 5)), partial(self._cast_past, site, parts))
        if site is self.sites[-1]:
            self.at(place.at(today, time(0, 5)), lambda _: self._cast_today())
        counts(self.at, site, self.shelves, before, is_home=site is self.sites[0])

    def _fill_shelf(self, site: Site, when: datetime) -> None:
        expiring_on = site.location.local(self.now).date() + timedelta(days=38)
        nurse, witness = site.nurses[:2]
        self.shelves[site.location.pk] = stock_up(site.location, nurse, witness, when, expiring_on=expiring_on)

    def _cast_today(self) -> None:
        """Of all locations at once, so that each state is somewhere."""
        today = [one for site in self.sites for one in self._candidates(site, site.location.local(self.now).date())]
        self.cast |= cast_today(today, self.now)

    def _cast_past(self, site: Site, parts: Sequence[Part], when: datetime) -> None:
        found = {one.visit: one.times for one in self._candidates(site, site.location.local(when).date())}
        rows = self._candidates(site, site.location.local(when).date())
        self.cast |= {pk: (part, found[pk]) for pk, part in cast_past(rows, parts).items()}

    def _candidates(self, site: Site, day: date) -> list[Candidate]:
        """Who will be given something there on that day, as far as nothing comes between."""
        place = site.location
        rows = InfusionVisit.objects.filter(
            booking__location=place,
            outcome="open",
            booking__span__startswith__gte=place.at(day, time(0)),
            booking__span__startswith__lt=place.at(day + timedelta(days=1), time(0)),
        ).select_related("booking", "infusion__phase__protocol_version__protocol")
        return [
            Candidate(
                row.pk,
                _plan(row, self.due[row.pk]),
                is_home=site is self.sites[0],
                is_nasal=row.infusion.phase.protocol_version.protocol.route == Route.NASAL,
            )
            for row in rows.order_by("booking__span", "pk")
            if row.pk in self.due and row.pk not in self.falls_out
        ]

    def _step(self, visit_pk: int, to: BookingStatus, by: User, when: datetime) -> None:
        booking_id, _ = _open_booking(visit_pk)
        if booking_id:
            step_visit(booking_id=booking_id, to=to, by=by, now=when)

    def _after(self, played: Played, visit_pk: int, when: datetime) -> None:
        """When the series is done, what follows it."""
        visit = InfusionVisit.objects.select_related("infusion__phase__protocol_version").get(pk=visit_pk)
        phase, course = visit.infusion.phase, played.course
        asked = visit.infusion.number in {*phase.protocol_version.decision_points, phase.n_planned}
        if course is not None and asked and (played.turn % 4 or when < self.now - REVIEWS_LEFT):
            self.at(when + REVIEWED_AFTER, lambda at: review(course.pk, by=course.prescriber, now=at))
        if course is None or phase.infusions.exclude(status__in=["given", "dropped"]).exists():
            return
        if phase.position == 1 and not played.story.then:
            self._follow_up(played, when)
        way = WAYS.get(played.story.after)
        if phase.position == 1 and way is not None:
            self.at(when + timedelta(days=1), lambda at: plan_maintenance(course, way, by=course.prescriber, now=at))
        if phase.position == 1 and played.story.then:
            self._book_then(played, when)
        elif played.story.end is End.COMPLETED:
            self._close(played, when)

    def _score(self, played: Played, when: datetime, given: int | None = None) -> None:
        """The patient fills in the measure of the condition on a tablet."""
        measure = BASELINES[played.story.indication][0]
        so_far = played.given - 1 if given is None else given
        total = total_after(measure, played.turn, so_far, AFTER_SHAPES.get(played.story.after, ()))
        is_total_only = measure == "pain_nrs"
        record_assessment(
            patient=played.patient,
            measure=measure,
            taken_at=when,
            source=AssessmentSource.TABLET,
            location=played.site.location,
            now=when,
            by=None,
            total=total if is_total_only else None,
            answers=None if is_total_only else answers_for(measure, total),
        )

    def _check_in(self, played: Played, when: datetime, given: int) -> None:
        """The condition's measure; what else the schedule asks for after infusion 4 and in maintenance."""
        self._score(played, when, given)
        if given == ASKED_MORE_AFTER and played.story.indication is not Indication.PAIN:
            self._also(played, ("gad7",), when)
        if given >= played.story.n:
            self._also(played, ("icsi", "craving"), when)

    def _also(self, played: Played, measures: tuple[str, ...], when: datetime) -> None:
        by, place = played.site.nurses[0], played.site.location
        checked(played.patient, measures, location=place, by=by, when=when, turn=played.turn)

    def _follow_up(self, played: Played, when: datetime) -> None:
        """One and three weeks after the series the patient is asked again; as E4 has it where the story goes on."""
        for week in (1, 2, 3, 4, 6, 8, 10) if played.story.after in AFTER_SHAPES else (1, 3):
            self.at(when + timedelta(weeks=week), partial(self._score, played, given=played.story.n + week))

    def _close(self, played: Played, when: datetime) -> None:
        if played.course is not None:
            story, prescriber = played.story, played.course.prescriber
            courses.close_course(
                played.course.pk,
                status=CourseStatus(story.end),
                reason=story.reason,
                to=story.to,
                by=prescriber,
                now=when,
            )

    def _turn(self, played: Played, visit: InfusionVisit, turn: Turn, when: datetime) -> None:
        prescriber = visit.infusion.phase.course.prescriber
        if turn is Turn.HELD:
            self._step(visit.pk, BookingStatus.ARRIVED, played.site.desk, when)
            look_at(visit.booking_id, held(Person(played.turn, played.given + 1)), by=played.site.nurses[0], now=when)
            moves.withhold_infusion(
                visit.infusion_id, reason="Blood pressure 166/98 at check-in", by=prescriber, now=when
            )
            sign_held(visit.booking_id, nurse=played.site.nurses[0], prescriber=prescriber, now=when)
        else:
            moves.record_no_show(visit.infusion_id, reason="No call", by=played.site.desk, now=when)
        if turn in (Turn.HELD, Turn.MISSED):
            self._new_time(played, visit.infusion_id, prescriber, when + timedelta(minutes=30))
        if turn is Turn.LEFT:
            self._leave(played, visit.infusion.phase.course_id, when)

    def _leave(self, played: Played, course_id: int, when: datetime) -> None:
        """Two days later the desk gives up the times that are still booked."""
        played.left = True

        def give_up(at: datetime) -> None:
            rows = InfusionVisit.objects.filter(infusion__phase__course=course_id, outcome="open")
            for infusion_id in rows.order_by("infusion__number").values_list("infusion_id", flat=True):
                moves.cancel_infusion(infusion_id, reason="Could not be reached", by=played.site.desk, now=at)

        self.at(when + timedelta(days=1), give_up)
        if played.story.end not in (End.NONE, End.COMPLETED):
            self.at(when + timedelta(days=6), lambda at: self._close(played, at))

    def _new_time(self, played: Played, infusion_id: int, by: User, when: datetime) -> None:
        """The infusion gets the time that R5 gives it, and the rest follows."""
        suggestion = moves.preview_reslot(infusion_id, now=when)
        if not suggestion.is_possible:
            return  # it waits, as it would in the clinic, until somebody finds a time
        course = moves.move_infusion(suggestion.token, reason="New time after the visit fell out", by=by, now=when)
        self._expect_visits(played, course, when)

    # -- consultations ---------------------------------------------------------------------------------------------

    def consult(
        self,
        *,
        site: Site,
        patient: Patient,
        day: date,
        clock: time,
        turn: int,
        booked: datetime | None = None,
        mode: VisitMode = VisitMode.IN_PERSON,
    ) -> None:
        """A consultation on that day about that time, where nothing speaks against it; else none.

        Args:
            booked: when it is booked; six days before, unless given.
        """
        start = site.location.at(day, clock)
        self.at(
            booked or min(start - timedelta(days=6), self.now - timedelta(hours=1)),
            partial(self._book_consultation, site, patient, start, turn, mode),
        )

    def _book_consultation(  # noqa: PLR0917 -- an act of the queue takes its time last
        self, site: Site, patient: Patient, start: datetime, turn: int, mode: VisitMode, when: datetime
    ) -> None:
        for minutes in CONSULTATION_SHIFTS:
            for number in range(len(site.clinicians)):
                clinician = site.clinicians[(turn + number) % len(site.clinicians)]
                at = start + timedelta(minutes=minutes)
                booking = self._try_consultation(site, patient, at, clinician, turn, mode, when)
                if booking is not None:
                    self._expect_consultation(site, booking, clinician, when)
                    return

    @staticmethod
    def _try_consultation(  # noqa: PLR0917 -- one attempt of the loop above
        site: Site, patient: Patient, start: datetime, clinician: User, turn: int, mode: VisitMode, when: datetime
    ) -> Booking | None:
        room = site.rooms[turn % len(site.rooms)]
        said = object_to(
            kind=BookingKind.CONSULTATION,
            location=site.location,
            start=start,
            end=start + CONSULTATION,
            resources=[one for one in (clinician.resource, room) if one],
            patient=patient,
            now=when,
        )
        if said.refusals or said.warnings:
            return None
        try:
            return book_consultation(
                patient=patient,
                location=site.location,
                start=start,
                length_min=CONSULTATION // timedelta(minutes=1),
                clinician_id=clinician.resource_id or 0,
                room_id=room.pk if mode == VisitMode.IN_PERSON else None,
                mode=mode,
                by=site.desk,
                now=when,
            )
        except TimeTakenError:
            return None

    def _expect_consultation(self, site: Site, booking: Booking, clinician: User, when: datetime) -> None:
        for moment, to, by in (
            (booking.start - CONFIRMED_BEFORE, BookingStatus.CONFIRMED, site.desk),
            (booking.start - timedelta(minutes=4), BookingStatus.ARRIVED, site.desk),
            (booking.start + timedelta(minutes=3), BookingStatus.IN_CHAIR, clinician),
            (booking.end, BookingStatus.DONE, clinician),
        ):
            self.at(max(moment, when), partial(self._step_booking, booking, to, by))
        self.at(booking.end + timedelta(minutes=5), partial(self._write_up, booking))

    def _write_up(self, booking: Booking, when: datetime) -> None:
        """Of every four without a request two are decided, one is signed and waits, one is still a draft."""
        record = Consultation.objects.select_related("patient", "location", "clinician").get(booking=booking)
        if record.request_id is not None:
            return
        indication, turn = Indication.TRD.value, record.pk % 4
        about(record.patient, location=record.location, by=record.clinician, when=when, turn=record.pk)
        signed = consulted_record(
            record.patient,
            indication=indication,
            infusions=6,
            location=record.location,
            by=record.clinician,
            when=when,
            record=record,
            is_signed=turn > 0,
        )
        if turn > 1:
            decide(signed, indication=indication, by=record.clinician, when=when + timedelta(minutes=55))

    def _step_booking(self, booking: Booking, to: BookingStatus, by: User, when: datetime) -> None:
        step_visit(booking_id=booking.pk, to=to, by=by, now=when)


def _plan(visit: InfusionVisit, comes: datetime) -> Times:
    return times_of(
        comes,
        visit.booking.start,
        visit.booking.end,
        preparation_min=visit.preparation_min,
        infusion_min=visit.infusion_min,
        observation_min=visit.observation_min,
    )


def published(slug: str) -> ProtocolVersion:
    return ProtocolVersion.objects.select_related("protocol").get(protocol__slug=slug, status=VersionStatus.PUBLISHED)


EARLY_MIN = (3, 9, 1, 14, 6, -9)  # how long before the time people come; the last sort comes late


def _shows_up(played: Played, visit: InfusionVisit) -> datetime:
    """When the patient comes in; who has a turn of the story is missed or held from the start of the visit on."""
    if visit.infusion.number in played.story.turns:
        return visit.booking.start + timedelta(minutes=1)
    return visit.booking.start - timedelta(minutes=EARLY_MIN[(played.turn + visit.infusion.number) % len(EARLY_MIN)])


def _open_visit(pk: int) -> InfusionVisit | None:
    rows = InfusionVisit.objects.select_related(
        "booking",
        "infusion__phase__course__prescriber",
        "infusion__phase__course__patient",
        "infusion__phase__protocol_version__protocol",
    )
    return rows.filter(pk=pk, outcome="open").first()


def _open_booking(pk: int) -> tuple[int | None, str]:
    """The booking of a visit that is still to come or going on, and its status; (None, "") when it is over."""
    rows = InfusionVisit.objects.filter(pk=pk, outcome="open").order_by()
    return rows.values_list("booking_id", "booking__status").first() or (None, "")
