"""When a location is open, when its people work, and what speaks against a time for a visit."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from clinic.models import BookingKind, ExceptionKind
from clinic.tests.factories import Clinic, make_absence, make_clinic, make_closure, make_hours, make_location
from courses.services.hours import Objections, gaps, local_minutes, object_to, open_days_of, working
from courses.tests.visit_kit import DAY, LONG_BEFORE, ny
from patients.tests.factories import make_patient, make_unavailability

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def judged(clinic: Clinic, clock: str = "10:00", *, minutes: int = 60, day: date = DAY, **more: object) -> Objections:
    facts = {
        "kind": BookingKind.CONSULTATION,
        "resources": [clinic.clinician.resource, clinic.room],
        "now": LONG_BEFORE,
    }
    start = ny(clock, day)
    return object_to(location=clinic.location, start=start, end=start + timedelta(minutes=minutes), **(facts | more))


def test_a_lunch_break_is_no_open_time() -> None:
    place = make_location()
    make_hours(place, opens=time(8), closes=time(12))
    make_hours(place, opens=time(13), closes=time(18))
    opened = open_days_of(place, DAY)[DAY]
    assert opened.spans == ((480, 720), (780, 1080))
    assert opened.open_min == 9 * 60
    assert opened.in_words == "08:00–12:00 and 13:00–18:00"


def test_a_closure_of_part_of_the_day_takes_only_what_lies_inside_the_hours(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, from_time=time(17), until_time=time(20), reason="Fire drill")
    opened = open_days_of(clinic.location, DAY)[DAY]
    assert opened.open_min == 9 * 60
    assert [str(part) for part in opened.closures] == ["17:00–20:00: Fire drill"]


def test_a_closure_outside_the_hours_changes_nothing_and_is_not_mentioned(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, from_time=time(19), until_time=time(20))
    opened = open_days_of(clinic.location, DAY)[DAY]
    assert (opened.open_min, opened.closures) == (600, ())


def test_closures_that_cover_all_hours_close_the_day(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, from_time=time(7), until_time=time(13), reason="Flood")
    make_closure(clinic.location, DAY, from_time=time(12), until_time=time(19), reason="Flood again")
    opened = open_days_of(clinic.location, DAY)[DAY]
    assert not opened.is_open
    assert opened.closed_because == "Flood, Flood again"


def test_a_closure_over_several_days_closes_each_of_them(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, DAY + timedelta(days=1), reason="Snow")
    days = open_days_of(clinic.location, DAY - timedelta(days=1), 4)
    assert [one.closed_because for one in days.values()] == ["", "Snow", "Snow", "No opening hours on Saturdays"]


def test_open_until_midnight_is_said_as_2359_and_counted_to_the_end() -> None:
    place = make_location()
    make_hours(place, opens=time(20), closes=time(23, 59))
    assert open_days_of(place, DAY)[DAY].spans == ((1200, 1440),)


def test_somebody_works_their_shift_less_what_they_are_off_and_only_where_they_work(clinic: Clinic) -> None:
    make_absence(clinic.clinician, DAY, starts=time(12), ends=time(13))
    resource = clinic.clinician.resource
    assert resource is not None
    assert working(clinic.location, [resource], DAY) == {resource.pk: ((480, 720), (780, 1080))}
    assert working(make_location("Lakeside"), [resource], DAY) == {resource.pk: ()}


def test_gaps_are_what_lies_between() -> None:
    assert gaps([(480, 720), (780, 1080)], 420, 1140) == [(420, 480), (720, 780), (1080, 1140)]
    assert gaps([], 0, 60) == [(0, 60)]


@pytest.mark.parametrize(
    ("day", "first", "last", "expected"),
    [
        (date(2027, 3, 14), "01:30", "03:30", (90, 210)),  # one hour long: the clocks go forward at two
        (date(2027, 11, 7), "00:30", "03:30", (30, 210)),  # four hours long: they go back
    ],
)
def test_minutes_are_those_of_the_clock_on_the_wall_also_in_nights_when_it_changes(
    clinic: Clinic, day: date, first: str, last: str, expected: tuple[int, int]
) -> None:
    assert local_minutes(clinic.location, ny(first, day), ny(last, day), day) == expected


def test_what_crosses_midnight_is_cut_at_it(clinic: Clinic) -> None:
    start, end = ny("23:00"), ny("01:00", DAY + timedelta(days=1))
    assert local_minutes(clinic.location, start, end, DAY) == (23 * 60, 24 * 60)
    assert local_minutes(clinic.location, start, end, DAY + timedelta(days=1)) == (0, 60)


# -- what speaks against a time ----------------------------------------------------------------------------------------


def test_a_time_in_the_hours_and_the_shift_is_fine(clinic: Clinic) -> None:
    assert judged(clinic) == Objections()


def test_the_past_is_refused_but_who_walked_in_a_moment_ago_can_be_put_down(clinic: Clinic) -> None:
    assert judged(clinic, now=ny("10:16")).refusals == ("This time is over. Choose one from now on.",)
    assert judged(clinic, now=ny("10:15")) == Objections()


def test_a_closed_location_is_refused_with_the_reason(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, reason="Three Kings")
    (words,) = judged(clinic).refusals
    assert words == "Downtown is closed on Thu 7 Jan: Three Kings. Choose another day."
    assert "No opening hours on Saturdays" in judged(clinic, day=date(2027, 1, 9)).refusals[0]


def test_a_closure_of_part_of_the_day_refuses_what_touches_it(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, from_time=time(11), until_time=time(12), reason="Training")
    assert judged(clinic, "10:00") == Objections()
    assert "closed 11:00–12:00 on Thu 7 Jan: Training" in judged(clinic, "10:15").refusals[0]


def test_outside_the_hours_of_an_open_day_is_a_question(clinic: Clinic) -> None:
    said = judged(clinic, "17:30", resources=[clinic.room])
    assert (said.refusals, said.warnings) == ((), ("Downtown is open 08:00–18:00 on Thu 7 Jan.",))


def test_outside_somebodys_shift_is_a_question(clinic: Clinic) -> None:
    make_absence(clinic.clinician, DAY, starts=time(8), ends=time(12))
    assert judged(clinic).warnings == ("Samuel Hart works 12:00–18:00 that day.",)
    make_absence(clinic.clinician, DAY + timedelta(days=1), kind=ExceptionKind.OFF)
    (words,) = judged(clinic, day=DAY + timedelta(days=1)).warnings
    assert words == "Samuel Hart does not work at Downtown that day."


def test_when_the_patient_cannot_come_is_a_question(clinic: Clinic) -> None:
    patient = make_patient()
    make_unavailability(patient, DAY, from_time=time(9), until_time=time(11))
    assert judged(clinic, patient=patient).warnings == ("Okafor, Ada cannot come 09:00–11:00.",)
    assert judged(clinic, "11:00", patient=patient) == Objections()


def test_blocked_time_is_only_refused_in_the_past(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY)
    assert judged(clinic, "22:00", kind=BookingKind.BLOCK) == Objections()
    assert judged(clinic, "22:00", kind=BookingKind.BLOCK, now=ny("23:00")).refusals
