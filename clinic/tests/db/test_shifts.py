"""When people work, and visits that nobody is there for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError

from clinic.models import Allocation, AllocationRole, Booking, BookingKind, ExceptionKind, Shift, ShiftException, User
from clinic.pure.roles import Role
from clinic.pure.week import Stretch
from clinic.services import shifts
from clinic.services.hours import BookingsInTheWayError
from clinic.services.shifts import ExceptionData
from clinic.tests.factories import Clinic, make_clinic, make_location, make_shifts, make_user
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)
MONDAY, THURSDAY = date(2027, 1, 4), date(2027, 1, 7)
LONG, MORNING, AFTERNOON = Stretch(time(8), time(18)), Stretch(time(8), time(12)), Stretch(time(13), time(18))


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def visit(clinic: Clinic, person: User, day: date, start: time, end: time, *, location=None) -> Booking:
    place = location or clinic.location
    span = (place.at(day, start), place.at(day, end))
    booking = Booking.objects.create(
        kind=BookingKind.INFUSION, location=place, subject=make_patient().resource, span=span, created_at=NOW
    )
    Allocation.objects.create(booking=booking, resource=person.resource, role=AllocationRole.NURSE, span=span)
    return booking


def save(clinic: Clinic, week, *, first_day=THURSDAY, person=None, location=None, keep_bookings=False):
    return shifts.set_shifts(
        person=person or clinic.nurse,
        location=location or clinic.location,
        first_day=first_day,
        week=week,
        by=clinic.manager,
        now=NOW,
        keep_bookings=keep_bookings,
    )


def pattern(clinic: Clinic, on: date):
    week = shifts.pattern_of(clinic.nurse, clinic.location, on=on)
    return {day: stretches for day, stretches in week.items() if stretches}


def test_a_new_pattern_holds_from_its_day_on_and_the_old_one_before(clinic) -> None:
    save(clinic, {0: (MORNING, AFTERNOON), 3: (LONG,)})
    assert pattern(clinic, THURSDAY - timedelta(days=1)) == dict.fromkeys(range(5), (LONG,))
    assert pattern(clinic, THURSDAY) == {0: (MORNING, AFTERNOON), 3: (LONG,)}


def test_what_stays_the_same_goes_on_as_one_row(clinic) -> None:
    thursday = Shift.objects.get(user=clinic.nurse, weekday=3)
    save(clinic, {3: (LONG,)})
    thursday.refresh_from_db()
    assert thursday.last_day is None
    assert Shift.objects.filter(user=clinic.nurse, weekday=3).count() == 1


def test_a_pattern_that_had_not_begun_is_replaced_and_leaves_nothing_behind(clinic) -> None:
    save(clinic, {0: (MORNING,)}, first_day=date(2027, 2, 1))
    save(clinic, {0: (AFTERNOON,)}, first_day=date(2027, 1, 18))
    assert pattern(clinic, date(2027, 1, 17))[0] == (LONG,)
    assert pattern(clinic, date(2027, 2, 8)) == {0: (AFTERNOON,)}


def test_nobody_works_in_two_places_at_once(clinic) -> None:
    uptown = make_location("Uptown")
    with pytest.raises(ValidationError, match="Monday: Ines Moreau, RN works at Downtown 08:00–18:00 then"):
        save(clinic, {0: (MORNING,)}, location=uptown)
    save(clinic, {0: (AFTERNOON,)})
    save(clinic, {0: (MORNING,)}, location=uptown)
    here = shifts.presence([clinic.nurse], date(2027, 1, 11), date(2027, 1, 11))[clinic.nurse.pk][date(2027, 1, 11)]
    assert here.stretches == ((uptown.pk, MORNING), (clinic.location.pk, AFTERNOON))


def test_a_shift_that_ended_elsewhere_is_no_reason_to_refuse(clinic) -> None:
    uptown = make_location("Uptown")
    other = make_user(Role.NURSE, username="other")
    make_shifts(other, uptown, last_day=date(2026, 12, 31))
    save(clinic, {0: (LONG,)}, person=other)
    monday = date(2027, 1, 11)
    here = shifts.presence([other], monday, monday)[other.pk][monday]
    assert here.stretches == ((clinic.location.pk, LONG),)


def test_overlapping_stretches_are_refused(clinic) -> None:
    with pytest.raises(ValidationError, match=r"Monday: .* overlap"):
        save(clinic, {0: (MORNING, Stretch(time(11), time(14)))})


def test_a_shift_that_leaves_a_visit_alone_is_refused_until_told_to(clinic) -> None:
    booked = visit(clinic, clinic.nurse, THURSDAY, time(14), time(16))
    visit(clinic, clinic.nurse, THURSDAY, time(9), time(11))
    with pytest.raises(BookingsInTheWayError) as refused:
        save(clinic, {3: (MORNING,)})
    assert refused.value.bookings == [booked]
    assert pattern(clinic, THURSDAY)[3] == (LONG,)
    assert save(clinic, {3: (MORNING,)}, keep_bookings=True) == [booked] == shifts.unattended(clinic.nurse, now=NOW)


def test_a_visit_at_a_location_where_the_person_does_not_work_is_on_the_list(clinic) -> None:
    booked = visit(clinic, clinic.nurse, THURSDAY, time(9), time(11), location=make_location("Uptown"))
    assert shifts.unattended(clinic.nurse, now=NOW) == [booked]


def except_(clinic: Clinic, *, keep_bookings=False, **facts) -> ShiftException:
    data = ExceptionData(**({"kind": ExceptionKind.OFF, "day": THURSDAY} | facts))
    return shifts.add_exception(person=clinic.nurse, data=data, by=clinic.manager, now=NOW, keep_bookings=keep_bookings)


def on(clinic: Clinic, day: date):
    return shifts.presence([clinic.nurse], day, day)[clinic.nurse.pk][day]


def test_a_day_off_empties_the_day_and_part_of_it_only_a_part(clinic) -> None:
    except_(clinic, reason="Training")
    assert on(clinic, THURSDAY) == shifts.Presence((), ("Off: Training",))
    except_(clinic, day=date(2027, 1, 8), starts=time(12), ends=time(13))
    assert on(clinic, date(2027, 1, 8)).stretches == ((clinic.location.pk, MORNING), (clinic.location.pk, AFTERNOON))


def test_an_extra_day_adds_to_a_day_without_shifts(clinic) -> None:
    saturday = date(2027, 1, 9)
    except_(clinic, kind=ExceptionKind.EXTRA, day=saturday, starts=time(8), ends=time(12), location=clinic.location)
    assert on(clinic, saturday).stretches == ((clinic.location.pk, MORNING),)


@pytest.mark.parametrize(
    "facts",
    [
        {"starts": time(12)},
        {"ends": time(12)},
        {"starts": time(12), "ends": time(11)},
        {"kind": ExceptionKind.EXTRA},
        {"kind": ExceptionKind.EXTRA, "starts": time(19), "ends": time(20)},
    ],
)
def test_an_incomplete_exception_is_refused(clinic, facts) -> None:
    with pytest.raises(ValidationError, match="needs a location"):
        except_(clinic, **facts)


def test_extra_time_inside_a_shift_and_the_same_exception_twice_are_refused(clinic) -> None:
    with pytest.raises(ValidationError, match="works 08:00–18:00 on that day anyway"):
        except_(clinic, kind=ExceptionKind.EXTRA, starts=time(9), ends=time(10), location=clinic.location)
    except_(clinic)
    with pytest.raises(ValidationError, match="already"):
        except_(clinic)


def test_time_off_with_visits_asks_first_and_removing_extra_time_too(clinic) -> None:
    booked = visit(clinic, clinic.nurse, THURSDAY, time(9), time(11))
    with pytest.raises(BookingsInTheWayError) as refused:
        except_(clinic)
    assert refused.value.bookings == [booked]
    row = except_(clinic, keep_bookings=True)
    shifts.remove_exception(row=row, by=clinic.manager, now=NOW)
    assert shifts.unattended(clinic.nurse, now=NOW) == []
    saturday = date(2027, 1, 9)
    extra = except_(
        clinic, kind=ExceptionKind.EXTRA, day=saturday, starts=time(8), ends=time(12), location=clinic.location
    )
    weekend = visit(clinic, clinic.nurse, saturday, time(9), time(11))
    with pytest.raises(BookingsInTheWayError) as refused:
        shifts.remove_exception(row=extra, by=clinic.manager, now=NOW)
    assert refused.value.bookings == [weekend]
    assert ShiftException.objects.filter(pk=extra.pk).exists()


def test_everything_booked_with_somebody_who_is_switched_off_is_on_the_list(clinic) -> None:
    booked = visit(clinic, clinic.nurse, THURSDAY, time(9), time(11))
    clinic.nurse.is_active = False
    assert shifts.unattended(clinic.nurse, now=NOW) == [booked]
