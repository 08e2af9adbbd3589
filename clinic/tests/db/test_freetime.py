"""Free time: what is offered can be booked, and what can be booked is offered."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from clinic.models import (
    AllocationRole,
    BookingKind,
    BookingStatus,
    ExceptionKind,
    Location,
    Resource,
    ResourceKind,
    ShiftException,
)
from clinic.models.bookings import ATTENTION_LANE
from clinic.services.bookings import Claim, TimeTakenError, Wanted, book, release
from clinic.services.freetime import Calendar, Need, free_matrix, load, open_days, starts_minutes
from clinic.services.shifts import presence
from clinic.tests.factories import (
    Clinic,
    make_absence,
    make_chair,
    make_clinic,
    make_closure,
    make_hours,
    make_location,
    make_person,
    make_shifts,
)

if TYPE_CHECKING:
    from clinic.tests.fixtures.ledger import Queries

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
THURSDAY, FRIDAY, SATURDAY = date(2027, 1, 7), date(2027, 1, 8), date(2027, 1, 9)
HALF_HOURS = tuple(range(7 * 60, 19 * 60, 30))


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def free(
    clinic: Clinic, need: Need, *, day: date = THURSDAY, minutes: tuple[int, ...] = HALF_HOURS, **also: Any
) -> str:
    """The free starts of the need's first resource, as words."""
    [found] = free_matrix(clinic.location, [day], minutes, [need], **also)
    return " ".join(clock(minute) for minute, is_free in zip(minutes, found[0, :, 0], strict=True) if is_free)


def hold(
    clinic: Clinic,
    resource: Resource,
    start: str,
    end: str,
    *,
    role: str = "station",
    lane: int | None = None,
    day: date = THURSDAY,
) -> int:
    """The resource is taken between two clock times, with a patient of its own."""
    first, last = (clinic.location.at(day, time.fromisoformat(one)).astimezone(UTC) for one in (start, end))
    patient = Resource.objects.create(kind=ResourceKind.PATIENT, name="Patient")
    claims = (
        Claim(patient.pk, AllocationRole.PATIENT, first, last),
        Claim(resource.pk, AllocationRole(role), first, last, lane),
    )
    wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, first, last, claims, patient.pk)
    return book([wanted], by=clinic.desk, now=NOW)[0].pk


class TestStations:
    def test_a_visit_fits_between_opening_and_closing(self, clinic: Clinic) -> None:
        need = Need((clinic.chairs[0].pk,), 0, 8 * 60)
        assert free(clinic, need) == "08:00 08:30 09:00 09:30 10:00"
        assert free(clinic, need, day=SATURDAY) == ""

    def test_a_part_that_comes_later_must_still_end_in_time(self, clinic: Clinic) -> None:
        need = Need((clinic.chairs[0].pk,), 60, 8 * 60)
        assert free(clinic, need) == "07:00 07:30 08:00 08:30 09:00"

    def test_bookings_are_half_open(self, clinic: Clinic) -> None:
        hold(clinic, clinic.chairs[0], "10:00", "12:00")
        need = Need((clinic.chairs[0].pk,), 0, 120)
        assert free(clinic, need) == "08:00 12:00 12:30 13:00 13:30 14:00 14:30 15:00 15:30 16:00"

    def test_a_lunch_break_divides_the_day(self, clinic: Clinic) -> None:
        clinic.location.opening_hours.filter(weekday=3).delete()
        make_hours(clinic.location, weekdays=[3], opens=time(8), closes=time(12))
        make_hours(clinic.location, weekdays=[3], opens=time(13), closes=time(17))
        need = Need((clinic.chairs[0].pk,), 0, 180)
        assert free(clinic, need) == "08:00 08:30 09:00 13:00 13:30 14:00"

    def test_stretches_that_touch_are_one(self, clinic: Clinic) -> None:
        clinic.location.opening_hours.filter(weekday=3).delete()
        make_hours(clinic.location, weekdays=[3], opens=time(8), closes=time(12))
        make_hours(clinic.location, weekdays=[3], opens=time(12), closes=time(13))
        assert free(clinic, Need((clinic.chairs[0].pk,), 0, 270)) == "08:00 08:30"

    def test_nothing_is_free_in_a_closure(self, clinic: Clinic) -> None:
        need = Need((clinic.chairs[0].pk,), 0, 120)
        make_closure(clinic.location, FRIDAY, FRIDAY + timedelta(days=3))
        make_closure(clinic.location, THURSDAY, from_time=time(11), until_time=time(15))
        assert free(clinic, need, day=FRIDAY) == ""
        assert free(clinic, need) == "08:00 08:30 09:00 15:00 15:30 16:00"

    def test_a_closure_of_another_location_closes_nothing_here(self, clinic: Clinic) -> None:
        make_closure(make_location("Uptown"), THURSDAY)
        assert free(clinic, Need((clinic.chairs[0].pk,), 0, 600)) == "08:00"

    def test_a_booking_ignored_for_a_move_is_no_obstacle(self, clinic: Clinic) -> None:
        first = hold(clinic, clinic.chairs[0], "08:00", "12:00")
        hold(clinic, clinic.chairs[0], "12:00", "16:00")
        need = Need((clinic.chairs[0].pk,), 0, 240)
        assert free(clinic, need) == ""
        assert free(clinic, need, ignoring=frozenset({first})) == "08:00"

    def test_released_time_is_free_again(self, clinic: Clinic) -> None:
        booking = hold(clinic, clinic.chairs[0], "08:00", "17:00")
        need = Need((clinic.chairs[0].pk,), 0, 600)
        assert free(clinic, need) == ""
        release([booking], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        assert free(clinic, need) == "08:00"

    def test_a_booking_of_odd_seconds_takes_whole_minutes(self, clinic: Clinic) -> None:
        hold(clinic, clinic.chairs[0], "10:00:30", "11:59:30")
        need = Need((clinic.chairs[0].pk,), 0, 120)
        assert free(clinic, need).startswith("08:00 12:00")
        assert free(clinic, Need((clinic.chairs[0].pk,), 0, 121)).startswith("12:00")

    def test_what_is_retired_elsewhere_or_unknown_is_never_free(self, clinic: Clinic) -> None:
        retired = make_chair(clinic.location, is_active=False)
        far = make_chair(make_location("Uptown"))
        ids = (clinic.chairs[0].pk, retired.pk, far.pk, 999_999)
        [found] = free_matrix(clinic.location, [THURSDAY], HALF_HOURS, [Need(ids, 0, 60)])
        assert found.shape == (1, len(HALF_HOURS), 4)
        assert found.any(axis=(0, 1)).tolist() == [True, False, False, False]

    def test_no_days_and_no_resources_are_answered_too(self, clinic: Clinic) -> None:
        [found] = free_matrix(clinic.location, [], HALF_HOURS, [Need((clinic.chairs[0].pk,), 0, 60)])
        assert found.shape == (0, len(HALF_HOURS), 1)
        [found] = free_matrix(clinic.location, [THURSDAY], HALF_HOURS, [Need((), 0, 60)])
        assert found.shape == (1, len(HALF_HOURS), 0)
        assert free_matrix(clinic.location, [THURSDAY], (), [Need((clinic.chairs[0].pk,), 0, 60)])[0].shape == (1, 0, 1)


class TestPeople:
    def need(self, clinic: Clinic, minutes: int = 240) -> Need:
        return Need((clinic.nurse.resource_id or 0,), 0, minutes)

    def test_people_are_free_in_their_shifts(self, clinic: Clinic) -> None:
        clinic.nurse.shifts.all().delete()
        make_shifts(clinic.nurse, clinic.location, weekdays=[3], starts=time(12), ends=time(17), last_day=THURSDAY)
        assert free(clinic, self.need(clinic)) == "12:00 12:30 13:00"
        assert free(clinic, self.need(clinic), day=FRIDAY) == ""
        assert free(clinic, self.need(clinic), day=THURSDAY + timedelta(days=7)) == ""

    def test_a_shift_counts_from_its_first_day(self, clinic: Clinic) -> None:
        clinic.nurse.shifts.update(first_day=FRIDAY)
        assert free(clinic, self.need(clinic)) == ""
        assert free(clinic, self.need(clinic), day=FRIDAY) != ""

    def test_work_at_another_location_is_no_presence_here(self, clinic: Clinic) -> None:
        other = make_location("Uptown")
        clinic.nurse.shifts.update(location=other)
        assert free(clinic, self.need(clinic)) == ""
        assert free(clinic, self.need(clinic), persons_at=other) != ""

    def test_absences_and_extra_work_change_single_days(self, clinic: Clinic) -> None:
        make_absence(clinic.nurse, THURSDAY)
        make_absence(clinic.nurse, FRIDAY, starts=time(10), ends=time(14))
        assert free(clinic, self.need(clinic)) == ""
        assert free(clinic, self.need(clinic), day=FRIDAY) == "14:00"
        extra = {"kind": ExceptionKind.EXTRA, "location": clinic.location}
        make_absence(clinic.nurse, SATURDAY, **extra, starts=time(9), ends=time(13))
        assert free(clinic, self.need(clinic), day=SATURDAY) == "09:00"
        make_absence(clinic.nurse, THURSDAY, **extra, starts=time(9), ends=time(13, 30))
        assert free(clinic, self.need(clinic)) == "09:00 09:30"

    def test_extra_work_elsewhere_is_none_here(self, clinic: Clinic) -> None:
        elsewhere = {"kind": ExceptionKind.EXTRA, "location": make_location("Uptown")}
        make_absence(clinic.nurse, SATURDAY, **elsewhere, starts=time(9), ends=time(13))
        assert free(clinic, self.need(clinic), day=SATURDAY) == ""

    def test_nobody_works_in_a_closure(self, clinic: Clinic) -> None:
        make_closure(clinic.location, THURSDAY, from_time=time(8), until_time=time(14))
        assert free(clinic, self.need(clinic)) == "14:00"

    def test_who_has_left_is_not_free(self, clinic: Clinic) -> None:
        clinic.nurse.is_active = False
        clinic.nurse.save()
        assert free(clinic, self.need(clinic)) == ""

    def test_shifts_are_read_as_the_staff_pages_read_them(self, clinic: Clinic) -> None:
        """Two readings of the same rows, one in bulk; they must not drift apart."""
        people = [clinic.nurse, clinic.clinician]
        make_shifts(clinic.nurse, clinic.location, weekdays=[5], starts=time(9), ends=time(12), first_day=FRIDAY)
        make_absence(clinic.nurse, THURSDAY, starts=time(9), ends=time(10))
        make_absence(clinic.nurse, FRIDAY)
        make_absence(clinic.clinician, FRIDAY, location=make_location("Uptown"))
        ShiftException.objects.create(
            user=clinic.nurse,
            day=FRIDAY,
            kind=ExceptionKind.EXTRA,
            location=clinic.location,
            starts=time(15),
            ends=time(19),
        )
        days = [THURSDAY - timedelta(days=3) + timedelta(days=n) for n in range(14)]
        read = presence(people, days[0], days[-1])
        minutes = tuple(range(0, 1440, 15))
        needs = [Need(tuple(one.resource_id or 0 for one in people), 0, 15)]
        [found] = free_matrix(clinic.location, days, minutes, needs)
        for column, person in enumerate(people):
            for row, day in enumerate(days):
                there = [s for place, s in read[person.pk][day].stretches if place == clinic.location.pk]
                for spot, minute in enumerate(minutes):
                    inside = any(s.start <= time(minute // 60, minute % 60) < s.end for s in there)
                    assert found[row, spot, column] == inside, (person, day, clock(minute))


class TestLanes:
    def test_a_nurse_is_free_until_every_lane_is_taken(self, clinic: Clinic) -> None:
        nurse = clinic.nurse.resource
        assert nurse is not None
        for start, end in (("08:00", "12:00"), ("09:00", "12:00"), ("10:00", "11:00")):
            hold(clinic, nurse, start, end, role="nurse")
        need = Need((nurse.pk,), 0, 60)
        assert free(clinic, need, minutes=(480, 510, 540, 570, 600, 630, 660)) == "08:00 08:30 09:00 11:00"

    def test_room_is_counted_and_not_tied_to_one_lane(self, clinic: Clinic) -> None:
        """Lane 0 is taken before ten and lane 1 after ten, and there is still room for one more throughout."""
        person = make_person("Two at once", lanes=2)
        clinic.clinician.resource = person
        clinic.clinician.save()
        hold(clinic, person, "09:00", "10:00", role="nurse", lane=0)
        hold(clinic, person, "10:00", "11:00", role="nurse", lane=1)
        assert free(clinic, Need((person.pk,), 0, 120), minutes=(540,)) == "09:00"
        hold(clinic, person, "09:00", "11:00", role="nurse")  # and the service finds it
        assert free(clinic, Need((person.pk,), 0, 120), minutes=(540,)) == ""

    def test_attention_is_apart_from_the_lanes(self, clinic: Clinic) -> None:
        nurse = clinic.nurse.resource
        assert nurse is not None
        hold(clinic, nurse, "10:00", "10:15", role="attention", lane=ATTENTION_LANE)
        quarters = (585, 590, 600, 610, 615)
        attention, lane = Need((nurse.pk,), 0, 15, attention=True), Need((nurse.pk,), 0, 15)
        assert free(clinic, attention, minutes=quarters) == "09:45 10:15"
        assert free(clinic, lane, minutes=quarters) == "09:45 09:50 10:00 10:10 10:15"

    def test_blocked_time_leaves_neither(self, clinic: Clinic) -> None:
        nurse = clinic.nurse.resource
        assert nurse is not None
        start, end = (clinic.location.at(THURSDAY, time(hour)).astimezone(UTC) for hour in (9, 10))
        claim = Claim(nurse.pk, AllocationRole.BLOCKED, start, end)
        book([Wanted(BookingKind.BLOCK, clinic.location.pk, start, end, (claim,))], by=clinic.desk, now=NOW)
        nurse.lanes = 4  # more than there were when the time was blocked
        nurse.save()
        for attention in (False, True):
            need = Need((nurse.pk,), 0, 30, attention=attention)
            assert free(clinic, need, minutes=(510, 540, 570, 600)) == "08:30 10:00"

    def test_a_patient_is_free_at_any_hour_but_not_twice(self, clinic: Clinic) -> None:
        booking = hold(clinic, clinic.chairs[0], "10:00", "12:00")
        patient = Resource.objects.get(kind=ResourceKind.PATIENT, visits=booking)
        need = Need((patient.pk,), 0, 120)
        assert free(clinic, need, minutes=(0, 480, 510, 690, 720, 1380)) == "00:00 08:00 12:00 23:00"


def test_what_is_offered_can_be_booked_and_what_is_not_cannot(clinic: Clinic) -> None:
    """Every start of a day, tried for real: the two ways of answering agree."""
    nurse, chair = clinic.nurse.resource, clinic.chairs[0]
    assert nurse is not None
    for first, last in (("08:00", "11:00"), ("09:30", "12:15"), ("11:45", "14:00"), ("12:15", "12:45")):
        hold(clinic, nurse, first, last, role="nurse")
    hold(clinic, nurse, "12:20", "12:40", role="nurse")
    hold(clinic, nurse, "13:00", "13:15", role="attention", lane=ATTENTION_LANE)
    hold(clinic, chair, "09:00", "09:45")
    hold(clinic, chair, "15:10", "15:20")
    minutes = tuple(range(8 * 60, 17 * 60, 5))
    needs = [Need((chair.pk,), 0, 60), Need((nurse.pk,), 0, 45), Need((nurse.pk,), 5, 10, attention=True)]
    offered = [found[0, :, 0] for found in free_matrix(clinic.location, [THURSDAY], minutes, needs)]
    patient = Resource.objects.create(kind=ResourceKind.PATIENT, name="Patient")
    seen = set()
    for index, minute in enumerate(minutes):
        start = clinic.location.at(THURSDAY, time(minute // 60, minute % 60)).astimezone(UTC)
        parts = (
            Claim(chair.pk, AllocationRole.STATION, start, start + timedelta(minutes=60)),
            Claim(nurse.pk, AllocationRole.NURSE, start, start + timedelta(minutes=45)),
            Claim(nurse.pk, AllocationRole.ATTENTION, start + timedelta(minutes=5), start + timedelta(minutes=15)),
        )
        for part, one in zip(parts, offered, strict=True):
            own = Claim(patient.pk, AllocationRole.PATIENT, part.start, part.end)
            wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, part.start, part.end, (own, part), patient.pk)
            try:
                with transaction.atomic():
                    book([wanted], by=clinic.desk, now=NOW)
                    transaction.set_rollback(True)
                worked = True
            except TimeTakenError:
                worked = False
            assert worked == bool(one[index]), (clock(minute), part.role)
            seen.add((part.role, worked))
    assert len(seen) == 6  # each of the three was offered somewhere and refused somewhere


class TestClockChanges:
    @pytest.fixture
    def night_clinic(self, request: pytest.FixtureRequest) -> Clinic:
        """Open around the clock, every day."""
        clinic = make_clinic(time_zone=request.param)
        clinic.location.opening_hours.all().delete()
        make_hours(clinic.location, weekdays=range(7), opens=time(0), closes=time(23, 59))
        return clinic

    @pytest.mark.parametrize(
        ("night_clinic", "day"),
        [("America/New_York", date(2027, 3, 14)), ("Europe/Berlin", date(2027, 3, 28))],
        indirect=["night_clinic"],
    )
    def test_the_hour_that_spring_skips_is_not_offered(self, night_clinic: Clinic, day: date) -> None:
        need = Need((night_clinic.chairs[0].pk,), 0, 30)
        minutes = (90, 105, 120, 135, 150, 165, 180, 195)
        assert free(night_clinic, need, day=day, minutes=minutes) == "01:30 01:45 03:00 03:15"
        assert free(night_clinic, need, day=day - timedelta(days=1), minutes=minutes).count(":") == len(minutes)

    @pytest.mark.parametrize(
        ("night_clinic", "day"),
        [("America/New_York", date(2027, 3, 14)), ("Europe/Berlin", date(2027, 3, 28))],
        indirect=["night_clinic"],
    )
    def test_two_hours_across_the_spring_change_end_an_hour_later_on_the_clock(
        self, night_clinic: Clinic, day: date
    ) -> None:
        """From 01:00, two hours last until the clocks show 04:00."""
        chair = night_clinic.chairs[0]
        hold(night_clinic, chair, "04:00", "05:00", day=day)
        need = Need((chair.pk,), 0, 120)
        assert free(night_clinic, need, day=day, minutes=(0, 60, 90, 180, 300)) == "00:00 01:00 05:00"

    @pytest.mark.parametrize(
        ("night_clinic", "day", "hour"),
        [("America/New_York", date(2027, 11, 7), 1), ("Europe/Berlin", date(2027, 10, 31), 2)],
        indirect=["night_clinic"],
    )
    def test_an_hour_that_autumn_repeats_means_its_first_occurrence(
        self, night_clinic: Clinic, day: date, hour: int
    ) -> None:
        """Two hours from its beginning end when the clocks show one hour later, not two."""
        chair, start = night_clinic.chairs[0], hour * 60
        hold(night_clinic, chair, f"{hour + 1:02}:00", f"{hour + 2:02}:00", day=day)
        found = free(
            night_clinic, Need((chair.pk,), 0, 120), day=day, minutes=(start - 60, start, start + 30, start + 120)
        )
        assert found == f"{hour - 1:02}:00 {hour:02}:00 {hour + 2:02}:00"

    @pytest.mark.parametrize("night_clinic", ["America/New_York"], indirect=True)
    def test_a_visit_may_run_past_midnight_where_the_clinic_stays_open(self, night_clinic: Clinic) -> None:
        need = Need((night_clinic.chairs[0].pk,), 0, 120)
        days = [THURSDAY, FRIDAY]
        [found] = free_matrix(night_clinic.location, days, [1410], [need])
        assert found[0, 0, 0]
        hold(night_clinic, night_clinic.chairs[0], "00:30", "01:00", day=FRIDAY)
        [found] = free_matrix(night_clinic.location, days, [1410], [need])
        assert not found[0, 0, 0]


class TestDaysAndMinutes:
    def test_a_day_is_open_unless_its_hours_are_all_closed(self, clinic: Clinic) -> None:
        make_closure(clinic.location, FRIDAY)
        make_closure(clinic.location, THURSDAY, from_time=time(8), until_time=time(12))
        monday = THURSDAY - timedelta(days=3)
        first_three = {monday + timedelta(days=n) for n in range(3)}
        assert open_days(clinic.location, monday, SATURDAY) == first_three | {THURSDAY}
        make_closure(clinic.location, THURSDAY, from_time=time(12), until_time=time(18))
        assert open_days(clinic.location, monday, SATURDAY) == first_three

    def test_starts_follow_the_step_of_the_location(self, clinic: Clinic) -> None:
        clinic.location.opening_hours.filter(weekday=3).update(opens=time(8, 10), closes=time(9, 30))
        assert [clock(one) for one in starts_minutes(clinic.location, [THURSDAY])] == [
            *("08:15", "08:30", "08:45", "09:00", "09:15")
        ]
        assert len(starts_minutes(clinic.location, [THURSDAY, FRIDAY])) == 40
        assert starts_minutes(clinic.location, [SATURDAY]) == ()

    def test_the_load_is_the_share_of_active_chairs_in_use(self, clinic: Clinic) -> None:
        make_chair(clinic.location, is_active=False)
        hold(clinic, clinic.chairs[0], "10:00", "12:00")
        hold(clinic, clinic.chairs[1], "11:00", "12:00")
        hold(clinic, clinic.room, "10:00", "12:00")
        minutes = (585, 600, 660, 720)
        assert load(clinic.location, [THURSDAY], minutes).tolist() == [[0.0, 0.5, 1.0, 0.0]]
        assert load(make_location("Uptown"), [THURSDAY], minutes).tolist() == [[0.0, 0.0, 0.0, 0.0]]

    def test_scattered_days_are_answered_like_a_whole_range(self, clinic: Clinic) -> None:
        hold(clinic, clinic.chairs[0], "10:00", "12:00")
        days = [THURSDAY + timedelta(days=n) for n in (0, 1, 4, 21, 60, 180)]
        needs = [Need((clinic.chairs[0].pk, clinic.nurse.resource_id or 0), 0, 120)]
        [scattered] = free_matrix(clinic.location, days, HALF_HOURS, needs)
        whole_days = [days[0] + timedelta(days=n) for n in range(181)]
        [whole] = free_matrix(clinic.location, whole_days, HALF_HOURS, needs)
        assert (scattered == whole[[0, 1, 4, 21, 60, 180]]).all()


class TestQueries:
    def ask(self, location: Location, ids: tuple[int, ...], people: tuple[int, ...], days: int) -> tuple[int, ...]:
        """How much was answered: days and starts of each need."""
        calendar = Calendar(location)
        first = THURSDAY
        read = sorted(calendar.open_days(first, first + timedelta(days=days)))
        minutes = calendar.starts_minutes(read)
        needs = [Need(ids, 0, 135), Need(people, 0, 120), Need(people, 0, 15, attention=True)]
        [chairs, *_] = calendar.free_matrix(read, minutes, needs)
        return chairs.shape[:2]

    def test_a_question_takes_six_queries_whatever_its_size(self, clinic: Clinic, queries: Queries) -> None:
        chairs = tuple(make_chair(clinic.location).pk for _ in range(20))
        people = (clinic.nurse.resource_id or 0, clinic.clinician.resource_id or 0)
        with queries("free time", at_most=6):
            few = self.ask(clinic.location, chairs[:2], people[:1], 2)
        with queries("free time", at_most=6):
            many = self.ask(clinic.location, chairs, people, 180)
        assert many[0] > few[0] > 0

    def test_the_load_is_not_read_again(self, clinic: Clinic, queries: Queries) -> None:
        hold(clinic, clinic.chairs[1], "10:00", "12:00")
        calendar, chairs = Calendar(clinic.location), tuple(chair.pk for chair in clinic.chairs)
        with queries("free time and load", at_most=6):
            calendar.free_matrix([THURSDAY], [600], [Need(chairs, 0, 60)])
            shared = calendar.load([THURSDAY], [600])
        assert shared.tolist() == load(clinic.location, [THURSDAY], [600]).tolist() == [[0.5]]
