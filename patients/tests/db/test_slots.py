"""The slot finder on a real calendar, and its bookings: the record, the request, rooms, races."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import Booking, BookingStatus, Location, Resource
from clinic.pure.roles import Role
from clinic.services import bookings
from clinic.services.visits import block_time, shift_visit
from clinic.tests.factories import (
    Clinic,
    make_absence,
    make_clinic,
    make_closure,
    make_hours,
    make_location,
    make_room,
    make_shifts,
    make_user,
)
from patients.models import Consultation, ConsultationRequest, IntakeSettings, RequestStatus, VisitMode
from patients.pure.slots import Help, Mode, Part, SlotKey, Wish
from patients.services.consultations import RequestBookedError, book_consultation
from patients.services.slots import (
    Answer,
    Patience,
    SlotGoneError,
    book_slot,
    move_to_slot,
    read_desk,
)
from patients.tests.factories import make_patient, make_request, make_unavailability

if TYPE_CHECKING:
    from clinic.models import User
    from clinic.tests.fixtures.parallel import Parallel
    from patients.models import Patient

NY = ZoneInfo("America/New_York")
DAY = date(2027, 1, 7)  # a Thursday


def ny(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY).astimezone(UTC)


NOW = ny("07:00")


@pytest.fixture
def clinic(db: None) -> Clinic:
    return make_clinic()


def ask(
    clinic: Clinic,
    wish: Wish | None = None,
    *,
    patient: Patient | None = None,
    from_day: date = DAY,
    now: datetime = NOW,
    locations: list[Location] | None = None,
    moving: Booking | None = None,
    count: int = 5,
) -> Answer:
    desk = read_desk(
        locations=locations or [clinic.location], ahead=Patience(from_day), now=now, patient=patient, moving=moving
    )
    return desk.find(wish or Wish(), count=count)


def said(answer: Answer) -> list[str]:
    return [f"{slot.location.local(slot.start):%a %d %b %H:%M}" for slot in answer.slots]


def busy(clinic: Clinic, what: Resource, since: str, until: str, day: date = DAY) -> None:
    block_time(
        location=clinic.location,
        resource_ids=[what.pk],
        start=ny(since, day),
        end=ny(until, day),
        title="Meeting",
        by=clinic.desk,
        now=ny("07:00", day - timedelta(days=1)),
    )


def doctor(user: User) -> Resource:
    assert user.resource
    return user.resource


def key_at(clinic: Clinic, clock: str, day: date = DAY) -> SlotKey:
    return SlotKey(ny(clock, day), clinic.location.pk, doctor(clinic.clinician).pk)


def take(
    clinic: Clinic,
    patient: Patient,
    clock: str = "10:00",
    *,
    day: date = DAY,
    mode: VisitMode = VisitMode.IN_PERSON,
    request: ConsultationRequest | None = None,
    by: User | None = None,
) -> Consultation:
    return book_slot(
        key=key_at(clinic, clock, day),
        mode=mode,
        patient=patient,
        location=clinic.location,
        request=request,
        by=by or clinic.desk,
        now=NOW,
    )


# --- what is found ----------------------------------------------------------------------------------------------------


def test_the_next_free_ones_morning_and_afternoon_of_each_open_day(clinic: Clinic) -> None:
    answer = ask(clinic)
    assert said(answer) == [
        "Thu 07 Jan 08:00",
        "Thu 07 Jan 12:00",
        "Fri 08 Jan 08:00",
        "Fri 08 Jan 12:00",
        "Mon 11 Jan 08:00",  # the weekend is closed
    ]
    first = answer.slots[0]
    assert (first.clinician, first.room, first.mode) == (doctor(clinic.clinician), clinic.room, VisitMode.IN_PERSON)
    assert first.end - first.start == timedelta(hours=1)
    assert SlotKey.parse(first.key) == SlotKey(first.start, clinic.location.pk, doctor(clinic.clinician).pk)
    assert answer.next_day == date(2027, 1, 12)


def test_nothing_in_the_past_is_offered(clinic: Clinic) -> None:
    assert said(ask(clinic, now=ny("10:00")))[0] == "Thu 07 Jan 10:00"
    assert said(ask(clinic, now=ny("10:01")))[0] == "Thu 07 Jan 10:15"
    assert said(ask(clinic, now=ny("17:01")))[0] == "Fri 08 Jan 08:00"  # an hour no longer fits before six
    assert said(ask(clinic, from_day=DAY - timedelta(days=3)))[0] == "Thu 07 Jan 08:00"


def test_the_length_is_the_locations_own_setting(clinic: Clinic) -> None:
    IntakeSettings.objects.create(location=clinic.location, consultation_min=90)
    busy(clinic, clinic.room, "08:00", "10:00")
    busy(clinic, clinic.room, "11:15", "13:00")  # 75 minutes between them
    answer = ask(clinic)
    assert said(answer)[0] == "Thu 07 Jan 13:00"
    assert answer.slots[0].end == ny("14:30")


def test_clinician_room_and_patient_must_all_be_free(clinic: Clinic) -> None:
    patient = make_patient()
    busy(clinic, doctor(clinic.clinician), "08:00", "09:00")
    busy(clinic, clinic.room, "09:30", "10:30")
    take(clinic, patient, "10:30")
    assert said(ask(clinic, patient=patient))[0] == "Thu 07 Jan 11:30"
    assert said(ask(clinic, Wish(mode=Mode.VIDEO)))[0] == "Thu 07 Jan 09:00"  # needs no room


def test_a_visit_that_is_moved_leaves_its_own_time_free(clinic: Clinic) -> None:
    patient = make_patient()
    booking = take(clinic, patient, "08:00").booking
    assert said(ask(clinic, patient=patient))[0] == "Thu 07 Jan 09:00"
    assert said(ask(clinic, patient=patient, moving=booking))[0] == "Thu 07 Jan 08:00"


def test_closures_absences_and_closed_days_also_on_video(clinic: Clinic) -> None:
    make_closure(clinic.location, DAY)
    make_absence(clinic.clinician, DAY + timedelta(days=1))
    make_closure(clinic.location, date(2027, 1, 11), from_time=time(8), until_time=time(10))
    make_shifts(clinic.clinician, clinic.location, weekdays=[5])  # at work on a Saturday on which the door is shut
    for mode in Mode:
        assert said(ask(clinic, Wish(mode=mode)))[0] == "Mon 11 Jan 10:00"


def test_when_the_patient_cannot_come(clinic: Clinic) -> None:
    patient = make_patient()
    make_unavailability(patient, DAY)
    make_unavailability(patient, DAY + timedelta(days=1), from_time=time(9), until_time=time(15))
    found = said(ask(clinic, patient=patient))
    assert found[:3] == ["Fri 08 Jan 08:00", "Fri 08 Jan 15:00", "Mon 11 Jan 08:00"]


def test_mornings_afternoons_weekdays_and_with_whom(clinic: Clinic) -> None:
    osei = make_user(Role.CLINICIAN, first_name="Samuel", last_name="Osei")
    make_shifts(osei, clinic.location, weekdays=[1])
    assert said(ask(clinic, Wish(part=Part.AFTERNOON)))[:2] == ["Thu 07 Jan 12:00", "Fri 08 Jan 12:00"]
    with_osei = ask(clinic, Wish(clinician_id=doctor(osei).pk, part=Part.MORNING), count=2)
    assert said(with_osei) == ["Tue 12 Jan 08:00", "Tue 19 Jan 08:00"]
    assert said(ask(clinic, Wish(weekdays=frozenset({0})), count=2)) == ["Mon 11 Jan 08:00", "Mon 11 Jan 12:00"]


def test_who_is_no_longer_active_is_not_offered(clinic: Clinic) -> None:
    clinic.clinician.is_active = False
    clinic.clinician.save()
    assert ask(clinic).slots == ()
    assert ask(clinic).ways == ()


def test_a_free_room_is_chosen_and_another_one_when_it_is_taken(clinic: Clinic) -> None:
    second = make_room(clinic.location)
    busy(clinic, clinic.room, "08:00", "09:00")
    assert ask(clinic).slots[0].room == second


def test_several_locations_in_their_own_zones(clinic: Clinic) -> None:
    """Chicago opens at 08:00, which is 09:00 in New York."""
    chicago = make_location("Lakeside", time_zone="America/Chicago")
    make_hours(chicago)
    make_room(chicago)
    solberg = make_user(Role.CLINICIAN, first_name="Ingrid", last_name="Solberg")
    make_shifts(solberg, chicago)
    busy(clinic, clinic.room, "08:00", "09:30")
    places = [clinic.location, chicago]
    answer = ask(clinic, locations=places)
    assert [(slot.location, slot.start) for slot in answer.slots[:2]] == [
        (chicago, ny("09:00")),
        (clinic.location, ny("12:00")),  # 09:30 is within an hour of the first
    ]
    only = ask(clinic, Wish(location_id=clinic.location.pk), locations=places)
    assert {slot.location for slot in only.slots} == {clinic.location}


def test_on_the_day_when_the_clocks_go_forward_the_hour_that_is_skipped_is_not_offered(db: None) -> None:
    """Sunday 14 March 2027 has no 02:00 to 03:00 in New York."""
    clinic = make_clinic("Night")
    sunday = date(2027, 3, 14)
    make_hours(clinic.location, weekdays=[6], opens=time(0), closes=time(6))
    make_shifts(clinic.clinician, clinic.location, weekdays=[6], starts=time(0), ends=time(6))
    now = ny("07:00", date(2027, 3, 13))
    IntakeSettings.objects.create(location=clinic.location, consultation_min=15)
    desk = read_desk(locations=[clinic.location], ahead=Patience(sunday, days=1), now=now)
    found = desk.find(Wish(), count=60)
    clocks = [f"{clinic.location.local(slot.start):%H:%M}" for slot in found.slots]
    assert len(clocks) == 5 * 4  # six hours on the clock, five that pass
    assert not any(clock.startswith("02") for clock in clocks)
    assert len({slot.start for slot in found.slots}) == len(clocks)


def test_nothing_free_and_an_honest_answer(clinic: Clinic) -> None:
    Resource.objects.filter(pk=clinic.room.pk).update(is_active=False)
    answer = ask(clinic)
    assert answer.slots == ()
    assert {way.help for way in answer.ways} == {Help.VIDEO}
    assert answer.ways[0].slot.start == ny("08:00")
    assert (answer.first_day, answer.last_day, answer.next_day) == (DAY, date(2027, 2, 17), date(2027, 2, 18))


@pytest.mark.parametrize("people", [2, 20])
def test_the_queries_do_not_grow_with_days_people_or_locations(clinic: Clinic, people: int) -> None:
    for number in range(people):
        make_shifts(make_user(Role.CLINICIAN, username=f"c{number}"), clinic.location)
    patient = make_patient()
    places = [clinic.location, *(make_clinic(f"Site {n}").location for n in range(people // 10))]
    for days in (1, 42, 180):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            read_desk(locations=places, ahead=Patience(DAY, days=days), now=NOW, patient=patient).find(Wish())
        assert len(seen) == 8


@pytest.mark.parametrize("text", ["", "1.2", "20270107T1500.1.2.3", "20270107T1500.x.1", "99990107T1500.1.1", "a.b.c"])
def test_a_key_that_was_never_offered_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        SlotKey.parse(text)


# --- what is booked ---------------------------------------------------------------------------------------------------


def test_booked_in_person_with_record_request_and_room(clinic: Clinic) -> None:
    patient = make_patient()
    request = make_request(clinic.location, patient=patient, status=RequestStatus.CONTACTED)
    consultation = take(clinic, patient, request=request)
    booking = consultation.booking
    assert booking
    assert (booking.start, booking.end) == (ny("10:00"), ny("11:00"))
    assert (consultation.mode, consultation.clinician, consultation.created_by) == (
        VisitMode.IN_PERSON,
        clinic.clinician,
        clinic.desk,
    )
    held = {row.resource for row in booking.allocations.select_related("resource")}
    assert held == {patient.resource, clinic.room, doctor(clinic.clinician)}
    request.refresh_from_db()
    assert (request.status, request.status_since) == (RequestStatus.BOOKED, NOW)
    assert list(request.consultations.all()) == [consultation]


def test_booked_on_video_takes_no_room(clinic: Clinic) -> None:
    patient, other = make_patient(), make_patient("Ben")
    consultation = take(clinic, patient, mode=VisitMode.VIDEO)
    assert consultation.booking
    held = {row.resource for row in consultation.booking.allocations.select_related("resource")}
    assert held == {patient.resource, doctor(clinic.clinician)}
    with pytest.raises(SlotGoneError):  # the clinician is still in one place only
        take(clinic, other, mode=VisitMode.VIDEO)


def test_a_room_and_video_do_not_go_together(clinic: Clinic) -> None:
    values = {"patient": make_patient(), "location": clinic.location, "start": ny("10:00"), "length_min": 60}
    people = {"clinician_id": doctor(clinic.clinician).pk, "by": clinic.desk, "now": NOW}
    with pytest.raises(ValueError, match="takes none"):
        book_consultation(**values, **people, room_id=clinic.room.pk, mode=VisitMode.VIDEO)
    with pytest.raises(ValueError, match="takes a room"):
        book_consultation(**values, **people, room_id=None)


def test_a_booking_anywhere_answers_the_patients_waiting_request(clinic: Clinic) -> None:
    """On the calendar page nobody names the request."""
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    other = make_request(clinic.location, "Zoe", "Quill")
    take(clinic, patient)
    request.refresh_from_db()
    other.refresh_from_db()
    assert (request.status, other.status) == (RequestStatus.BOOKED, RequestStatus.NEW)
    follow_up = take(clinic, patient, "14:00")  # a second one answers nothing, and takes nothing away
    assert follow_up.request is None


def test_the_same_request_is_not_booked_twice_and_nothing_is_left_behind(clinic: Clinic) -> None:
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    take(clinic, patient, request=request)
    with pytest.raises(RequestBookedError, match=r"already for Thu 7 Jan, 10:00 by Maya Lindqvist"):
        take(clinic, patient, "14:00", request=request)
    assert Booking.objects.count() == Consultation.objects.count() == 1


def test_another_patients_request_is_refused(clinic: Clinic) -> None:
    request = make_request(clinic.location, patient=make_patient("Ben"))
    with pytest.raises(bookings.BookingRefusedError, match="another patient"):
        take(clinic, make_patient(), request=request)
    assert Booking.objects.count() == 0


def test_a_double_click_books_once(clinic: Clinic) -> None:
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    assert take(clinic, patient, request=request) == take(clinic, patient, request=request)
    assert Booking.objects.count() == 1


@pytest.mark.parametrize("clock", ["06:00", "10:07", "17:30", "18:00"])
def test_a_time_that_was_never_offered_is_refused(clinic: Clinic, clock: str) -> None:
    with pytest.raises(SlotGoneError):
        take(clinic, make_patient(), clock)
    with pytest.raises(SlotGoneError):
        take(clinic, make_patient("Ben"), "10:00", day=DAY + timedelta(days=2))  # a Saturday
    assert Booking.objects.count() == 0


def test_when_the_room_went_meanwhile_another_free_one_is_taken(clinic: Clinic) -> None:
    second = make_room(clinic.location)
    offered = ask(clinic).slots[0]
    assert offered.room == clinic.room
    busy(clinic, clinic.room, "08:00", "09:00")
    consultation = take(clinic, make_patient(), "08:00")
    assert consultation.booking
    assert consultation.booking.allocations.filter(resource=second).exists()


# --- what becomes of it -----------------------------------------------------------------------------------------------


def status_of(request: ConsultationRequest) -> str:
    return ConsultationRequest.objects.get(pk=request.pk).status


@pytest.mark.parametrize("ending", [BookingStatus.CANCELLED, BookingStatus.MISSED])
def test_cancelled_or_missed_the_request_is_on_the_list_again_and_taken_back_it_is_booked(
    clinic: Clinic, ending: BookingStatus
) -> None:
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    booking = take(clinic, patient, request=request).booking
    assert booking
    later = ny("10:30")
    bookings.release([booking.pk], status=ending, reason="Fell ill", by=clinic.desk, now=later)
    assert status_of(request) == RequestStatus.CONTACTED
    bookings.undo(booking.pk, by=clinic.desk, now=later)
    assert status_of(request) == RequestStatus.BOOKED
    bookings.release([booking.pk], status=ending, reason="Fell ill", by=clinic.desk, now=later)
    again = take(clinic, patient, "14:00", request=request)  # another time, for the same request
    assert again.request == request
    assert status_of(request) == RequestStatus.BOOKED


def test_done_is_seen_and_one_step_back_is_booked(clinic: Clinic) -> None:
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    booking = take(clinic, patient, request=request).booking
    assert booking
    for step in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR):
        bookings.advance(booking.pk, to=step, by=clinic.clinician, now=ny("10:00"))
        assert status_of(request) == RequestStatus.BOOKED
    bookings.advance(booking.pk, to=BookingStatus.DONE, by=clinic.clinician, now=ny("11:00"))
    assert status_of(request) == RequestStatus.SEEN
    bookings.undo(booking.pk, by=clinic.clinician, now=ny("11:00"))
    assert status_of(request) == RequestStatus.BOOKED


def test_a_follow_up_that_is_cancelled_takes_back_nothing_that_was_seen_or_decided(clinic: Clinic) -> None:
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    first = take(clinic, patient, request=request).booking
    assert first
    for step in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.DONE):
        bookings.advance(first.pk, to=step, by=clinic.clinician, now=ny("11:00"))
    second = take(clinic, patient, "14:00", request=request).booking
    assert second
    assert status_of(request) == RequestStatus.SEEN
    bookings.release([second.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
    assert status_of(request) == RequestStatus.SEEN
    ConsultationRequest.objects.filter(pk=request.pk).update(status=RequestStatus.DECIDED)
    bookings.undo(first.pk, by=clinic.clinician, now=ny("11:00"))
    assert status_of(request) == RequestStatus.DECIDED


def test_moved_to_another_slot_it_changes_clinician_place_and_mode(clinic: Clinic) -> None:
    osei = make_user(Role.CLINICIAN, first_name="Samuel", last_name="Osei")
    make_shifts(osei, clinic.location)
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    booking = take(clinic, patient, request=request).booking
    assert booking
    bookings.advance(booking.pk, to=BookingStatus.CONFIRMED, by=clinic.desk, now=NOW)
    moved = move_to_slot(
        key=SlotKey(ny("10:30"), clinic.location.pk, doctor(osei).pk),  # overlaps its own old time
        mode=VisitMode.VIDEO,
        booking=Booking.objects.get(pk=booking.pk),
        patient=patient,
        location=clinic.location,
        expected_version=2,
        by=clinic.desk,
        now=NOW,
    )
    consultation = moved.consultation
    assert (consultation.clinician, consultation.mode) == (osei, VisitMode.VIDEO)
    assert (moved.start, moved.status) == (ny("10:30"), BookingStatus.BOOKED)  # asked again whether it suits
    assert not moved.allocations.filter(resource=clinic.room).exists()
    assert status_of(request) == RequestStatus.BOOKED


def test_dragged_to_another_clinician_the_record_is_theirs(clinic: Clinic) -> None:
    osei = make_user(Role.CLINICIAN, first_name="Samuel", last_name="Osei")
    consultation = take(clinic, make_patient())
    assert consultation.booking
    instead = {doctor(clinic.clinician).pk: doctor(osei).pk}
    shift_visit(consultation.booking, start=ny("12:00"), instead=instead, by=clinic.desk, now=NOW)
    consultation.refresh_from_db()
    assert consultation.clinician == osei


def test_a_move_on_a_page_that_is_out_of_date_is_refused(clinic: Clinic) -> None:
    patient = make_patient()
    booking = take(clinic, patient).booking
    assert booking
    shift_visit(booking, start=ny("12:00"), by=clinic.clinician, now=NOW)
    with pytest.raises(bookings.StaleBookingError):
        move_to_slot(
            key=key_at(clinic, "14:00"),
            mode=VisitMode.IN_PERSON,
            booking=Booking.objects.get(pk=booking.pk),
            patient=patient,
            location=clinic.location,
            expected_version=1,
            by=clinic.desk,
            now=NOW,
        )
    assert Booking.objects.get(pk=booking.pk).start == ny("12:00")


# --- two desks at once ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_the_lock_two_desks_book_the_same_request_twice(parallel: Parallel) -> None:
    """What the service would be without its lock: both look before either writes."""
    clinic = make_clinic()
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    both_looked = threading.Barrier(2)

    def look_then_book(number: int) -> bool:
        if Consultation.objects.filter(request=request).exists():
            return False
        both_looked.wait()
        Consultation.objects.create(
            patient=patient,
            request=request,
            location=clinic.location,
            clinician=clinic.clinician,
            created_at=NOW,
            created_by=clinic.desk,
        )
        return True

    assert [one.value for one in parallel(2, look_then_book)] == [True, True]
    assert Consultation.objects.filter(request=request).count() == 2


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ten_desks_book_the_same_request_at_different_times_and_one_does(parallel: Parallel) -> None:
    clinic = make_clinic()
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)

    def book(number: int) -> Consultation:
        return take(clinic, patient, f"{8 + number:02d}:00", request=request)

    outcomes = parallel(10, book)
    assert sum(one.error is None for one in outcomes) == 1
    assert {type(one.error) for one in outcomes if one.error} == {RequestBookedError}
    assert Booking.objects.count() == Consultation.objects.count() == 1
    assert status_of(request) == RequestStatus.BOOKED


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ten_patients_want_the_same_slot_and_one_gets_it(parallel: Parallel) -> None:
    clinic = make_clinic()
    everybody = [make_patient("Robin", f"Fictional{number}") for number in range(10)]
    outcomes = parallel(10, lambda number: take(clinic, everybody[number]))
    assert sum(one.error is None for one in outcomes) == 1
    assert all(isinstance(one.error, bookings.BookingRefusedError) for one in outcomes if one.error)
    assert Booking.objects.count() == Consultation.objects.count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ten_clicks_of_one_person_book_once_and_all_are_told_it_is_booked(parallel: Parallel) -> None:
    clinic = make_clinic()
    patient = make_patient()
    request = make_request(clinic.location, patient=patient)
    outcomes = parallel(10, lambda _: take(clinic, patient, request=request))
    assert [one.error for one in outcomes] == [None] * 10
    assert len({one.value.pk for one in outcomes}) == 1
