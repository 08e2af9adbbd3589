"""The operations report against numbers that were reckoned by hand: the way in, visits, starts, freed times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import Booking
from clinic.tests.factories import Clinic, make_clinic
from courses.models import FreedSlot, InfusionVisit, SlotOffer
from courses.pure.reports.contents import Figure, Table
from courses.pure.reports.filters import Filters
from courses.reports.operations import KIND
from courses.reports.registry import NoSuchListError
from courses.tests.series_kit import at
from courses.tests.visits_kit import course_of, put_allocation, put_booking, put_run, put_visit
from patients.models import ConsultationRequest, IntakeSettings, Patient, ScreeningDecision
from patients.tests.factories import make_consultation, make_patient, make_request

pytestmark = pytest.mark.django_db

MARCH = Filters(since=date(2027, 3, 1), until=date(2027, 3, 31))
NOW = at(date(2027, 4, 15), "12:00")


def march(day: int, clock: str = "10:00") -> datetime:
    return at(date(2027, 3, day), clock)


def figure(key: str, filters: Filters = MARCH) -> Figure:
    return next(one for one in KIND.build(filters, NOW).figures() if one.key == key)


def table(key: str, filters: Filters = MARCH) -> Table:
    return next(one for one in KIND.build(filters, NOW).tables() if one.key == key)


def row(key: str, first: str, filters: Filters = MARCH) -> tuple[Any, ...]:
    return next(one for one in table(key, filters).rows if one[0] == first)


def listed(key: str, filters: Filters = MARCH) -> list[tuple[Any, ...]]:
    with time_machine.travel(NOW, tick=False):
        found = KIND.listed(key, filters)
        rows = list(found.rows[0:100])
    assert len(rows) == found.total
    assert all(len(one.cells) == len(found.columns) for one in rows)
    return [one.cells for one in rows]


def one_of(found: Figure) -> tuple[int | None, int | None, str]:
    """Numerator, denominator, percent to one decimal."""
    return found.numerator, found.denominator, "" if found.value is None else f"{found.value:.1f}"


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


# -- the way to the first infusion -------------------------------------------------------------------------------------
def asks(clinic: Clinic, when: datetime, **fields: Any) -> ConsultationRequest:
    """Somebody who is registered asks."""
    patient = make_patient(family_name=f"Asks {ConsultationRequest.objects.count()}")
    return make_request(clinic.location, received_at=when, status_since=when, **({"patient": patient} | fields))


def is_seen(clinic: Clinic, request: ConsultationRequest, when: datetime, status: str = "done") -> None:
    booking = put_booking(clinic, request.patient, when, status, minutes=60, kind="consultation")
    make_consultation(request.patient, clinic.location, clinic.clinician, request=request, booking=booking)


def decides(clinic: Clinic, patient: Patient, when: datetime, outcome: str = "fit", **fields: Any) -> None:
    fits = {"expires_on": date(2027, 12, 31)} if outcome == "fit" else {"reason": "Not the right treatment"}
    ScreeningDecision.objects.create(
        patient=patient, indication="trd", outcome=outcome, pressure_profile="default", signed_at=when,
        signed_by=clinic.clinician, **(fits | fields),
    )  # fmt: skip


def begins(clinic: Clinic, patient: Patient, when: datetime, *, planned: datetime | None = None) -> None:
    course = course_of(clinic, patient)
    type(course).objects.filter(pk=course.pk).update(created_at=planned or when - timedelta(days=1))
    put_visit(clinic, patient, when)


def test_the_funnel_counts_each_step_and_the_days_between(clinic: Clinic):
    # Day of the request, of the consultation, of the decision, of the first infusion.
    for asked, seen, decided, begun in ((1, 4, 4, 8), (1, 5, 6, 11), (2, 7, 9, 15), (3, 9, 10, 20), (4, 11, 12, 24)):
        request = asks(clinic, march(asked))
        is_seen(clinic, request, march(seen, "09:00"))
        decides(clinic, request.patient, march(decided, "17:00"))
        begins(clinic, request.patient, march(begun))
    is_seen(clinic, asks(clinic, march(20)), march(25))
    asks(clinic, march(30))
    assert table("funnel").rows == (
        ("Request", 7, Decimal(100)),
        ("Consultation", 6, Decimal(6) / 7 * 100),
        ("Decision", 5, Decimal(5) / 7 * 100),
        ("First infusion", 5, Decimal(5) / 7 * 100),
    )
    # 3 4 5 6 7 and 5: median 5 (quartiles 4.25 and 5.75); 0 1 2 1 1: 1; 4 5 6 10 12: 6; in all 7 10 13 17 20: 13.
    assert row("funnel-days", "Request to consultation")[1:5] == (6, Decimal(5), Decimal("4.25"), Decimal("5.75"))
    assert row("funnel-days", "Consultation to decision")[1:3] == (5, Decimal(1))
    assert row("funnel-days", "Decision to first infusion")[1:3] == (5, Decimal(6))
    assert figure("request-to-infusion").value == 13
    assert one_of(figure("begun")) == (5, 7, "71.4")


def test_days_are_those_of_the_locations_clocks(clinic: Clinic):
    # 23:30 on the 1st to 00:30 on the 2nd is one day, though one hour; five of them, so that a median is given.
    for _ in range(5):
        is_seen(clinic, asks(clinic, march(1, "23:30")), march(2, "00:30"))
    assert row("funnel-days", "Request to consultation")[1:3] == (5, Decimal(1))


def test_who_waits_at_which_step_and_who_left_and_why(clinic: Clinic):
    asks(clinic, march(2), status="booked")
    asks(clinic, march(3), patient=None)
    asks(clinic, march(4), status="closed", closed_as="not_reached", closed_at=march(9))
    asks(clinic, march(5), status="closed", closed_as="spam", closed_at=march(5))
    is_seen(clinic, asks(clinic, march(6)), march(8))
    gone = asks(clinic, march(6), status="closed", closed_as="declined", closed_at=march(20))
    is_seen(clinic, gone, march(9))
    for outcome, expires_on in (("fit", date(2027, 4, 15)), ("fit", date(2027, 4, 14)), ("no", None)):
        request = asks(clinic, march(7), status="decided")
        is_seen(clinic, request, march(9))
        decides(clinic, request.patient, march(10), outcome, expires_on=expires_on)
    counts = {key: figure(key).value for key in ("waits-consultation", "waits-decision", "waits-infusion")}
    assert counts == {"waits-consultation": 2, "waits-decision": 1, "waits-infusion": 1}
    assert figure("waits-consultation").words == "1 of them have a date"
    assert set(table("left").rows) == {
        ("Before the consultation", "Could not be reached", 1),
        ("After the consultation", "Decided against it", 1),
        ("Decision", "Decision expired", 1),
        ("Decision", "No", 1),
    }
    assert row("funnel", "Request")[1] == 8  # without spam
    assert [cells[0].day for cells in listed("waits-consultation")] == [2, 3]
    assert [cells[4] for cells in listed("waits-infusion")] == [date(2027, 3, 10)]


def test_an_appointment_that_did_not_take_place_is_no_consultation(clinic: Clinic):
    for status in ("booked", "missed", "cancelled"):
        is_seen(clinic, asks(clinic, march(1)), march(5), status)
    assert row("funnel", "Consultation")[1] == 0


def test_an_infusion_of_a_course_that_was_planned_before_the_request_is_not_its_first(clinic: Clinic):
    request = asks(clinic, march(10))
    is_seen(clinic, request, march(12))
    decides(clinic, request.patient, march(12, "17:00"))
    begins(clinic, request.patient, march(15), planned=march(1))
    assert figure("begun").denominator == 1
    assert row("funnel", "First infusion")[1] == 0


def test_requests_count_by_the_day_they_came_and_by_location(clinic: Clinic):
    asks(clinic, at(date(2027, 2, 28), "23:59"))
    asks(clinic, march(31, "23:30"))
    asks(clinic, at(date(2027, 4, 1), "00:00"))
    asks(make_clinic("Uptown"), march(5))
    assert row("funnel", "Request")[1] == 2
    assert row("funnel", "Request", replace(MARCH, location=clinic.location.pk))[1] == 1


# -- what became of visits ---------------------------------------------------------------------------------------------
def test_no_shows_late_cancellations_and_holds_are_separate_and_share_a_denominator(clinic: Clinic):
    patients = [make_patient(family_name=f"P{number}") for number in range(12)]
    for number in range(6):
        put_visit(clinic, patients[number], march(2 + number))
    put_visit(clinic, patients[6], march(10), "missed")
    put_visit(clinic, patients[7], march(11), "withheld", reason="Pressure 170/104")
    put_visit(clinic, patients[8], march(12), "cancelled", ended_at=march(11, "10:01"))  # 23 h 59 min before
    put_visit(clinic, patients[9], march(13), "cancelled", ended_at=march(12, "10:00"))  # 24 hours before: in time
    put_booking(clinic, patients[10], march(14), "booked")
    put_booking(clinic, patients[11], march(15), "done", kind="consultation", minutes=60)
    # 6 given and a consultation took place; with a no-show, a hold and a late cancellation: 10.
    assert one_of(figure("missed")) == (1, 10, "10.0")
    assert one_of(figure("late-cancelled")) == (1, 10, "10.0")
    assert one_of(figure("held")) == (1, 10, "10.0")
    assert [(one.why, one.n) for one in figure("missed").missing] == [("time over, nothing recorded", 1)]
    assert row("became", "Infusion")[1:] == (6, 1, 1, 1, 1, 1, 0)
    assert row("became", "Consultation")[1:] == (1, 0, 0, 0, 0, 0, 0)
    assert table("reasons-months").rows == (("2027-03", 1, 1, 1),)
    assert [cells[:4] for cells in listed("late-cancelled")] == [
        (date(2027, 3, 12), "10:00", "Infusion", Decimal("24.0"))
    ]
    assert len(listed("missed")) == len(listed("held")) == len(listed("unrecorded")) == 1


def test_the_front_desk_does_not_read_why_an_infusion_was_withheld(clinic: Clinic):
    put_visit(clinic, make_patient(), march(11), "withheld", reason="Pressure 170/104")
    assert "170/104" not in str(listed("held"))


def test_the_locations_own_hours_say_what_is_late(clinic: Clinic):
    IntakeSettings.objects.create(location=clinic.location, link_change_hours=48)
    put_visit(clinic, make_patient(), march(12), "cancelled", ended_at=march(10, "11:00"))
    assert row("became", "Infusion")[1:6] == (0, 0, 1, 0, 0)


def test_a_visit_at_half_past_eleven_on_the_last_day_counts_and_one_after_midnight_does_not(clinic: Clinic):
    patient = make_patient()
    put_visit(clinic, patient, march(31, "23:30"), "missed")
    put_visit(clinic, patient, at(date(2027, 4, 1), "00:15"), "missed")
    assert row("became", "Infusion")[2] == 1
    assert listed("missed")[0][0] == date(2027, 3, 31)


def test_another_location_does_not_count(clinic: Clinic):
    put_visit(make_clinic("Uptown"), make_patient(), march(5), "missed")
    assert table("became", replace(MARCH, location=clinic.location.pk)).rows == ()
    assert row("became", "Infusion")[2] == 1


# -- starts and lengths ------------------------------------------------------------------------------------------------
def runs(clinic: Clinic, day: int, *minutes: int, last: str = "end") -> InfusionVisit:
    """In the chair, start, end, left: minutes after the booked time. Planned are 15, 40 and 60 between them."""
    in_chair, start, end, left = minutes
    begin = march(day)
    visit = put_visit(
        clinic, Patient.objects.first() or make_patient(), begin,
        started_at=begin + timedelta(minutes=in_chair), left_at=begin + timedelta(minutes=left),
    )  # fmt: skip
    put_run(visit, ("start", start), (last, end), reason="Ill" if last == "stop" else "")
    return visit


def test_starts_against_the_plan_ten_minutes_are_on_time(clinic: Clinic):
    # Planned at minute 15. Starts 0, 10, 11, -5 and 20 minutes after that.
    for day, start in enumerate((15, 25, 26, 10, 35), 2):
        runs(clinic, day, 0, start, start + 40, start + 100)
    put_visit(clinic, Patient.objects.get(), march(20))
    assert one_of(figure("on-time")) == (3, 5, "60.0")
    assert [(one.why, one.n) for one in figure("on-time").missing] == [("no start recorded", 1)]
    assert figure("late-starts").value == 2
    assert figure("start-delay").value == 10  # of -5 0 10 11 20
    assert listed("late-starts") == [
        (date(2027, 3, 6), "10:15", "10:35", 20),
        (date(2027, 3, 4), "10:15", "10:26", 11),
    ]


def test_lengths_planned_and_real(clinic: Clinic):
    # In chair 2 minutes late, start at 15, 41 to 45 minutes of infusion, 60 to 64 after its end; one was stopped.
    for number in range(5):
        runs(clinic, 2 + number, 2, 15, 56 + number, 116 + 2 * number)
    runs(clinic, 10, 2, 15, 25, 95, last="stop")
    assert row("lengths", "Preparation, in the chair until the start")[1:4] == (6, Decimal(15), Decimal(13))
    # 41 42 43 44 45: the median is 43, the quartiles 42 and 44. The stopped one is left out.
    assert row("lengths", "Infusion, start to end with pauses")[1:] == (
        5, Decimal(40), Decimal(43), Decimal(42), Decimal(44),
    )  # fmt: skip
    # 60 61 62 63 64 and 70 after the stop: between 62 and 63.
    assert row("lengths", "Observation, end until leaving")[1:4] == (6, Decimal(60), Decimal("62.5"))
    # 114 116 118 120 122 and 93: between 116 and 118.
    assert row("lengths", "Whole stay, in the chair until leaving")[1:4] == (6, Decimal(115), Decimal(117))


def test_a_length_over_the_night_on_which_clocks_change_is_elapsed_time(clinic: Clinic):
    # Sunday 14 March 2027, 01:30: the clocks go from 02:00 to 03:00. 40 minutes are 40 minutes.
    begin = march(14, "01:30")
    for _ in range(5):
        visit = put_visit(clinic, make_patient(), begin, started_at=begin, left_at=begin + timedelta(minutes=115))
        put_run(visit, ("start", 15), ("end", 55))
    assert row("lengths", "Infusion, start to end with pauses")[3] == 40
    assert row("lengths", "Whole stay, in the chair until leaving")[3] == 115


# -- freed times -------------------------------------------------------------------------------------------------------
def frees(clinic: Clinic, booking: Booking, *, hours: int = 48) -> FreedSlot:
    """The booking let go of the first chair so many hours before it begins."""
    return FreedSlot.objects.create(
        booking=booking, location=clinic.location, chair=clinic.chairs[0], start=booking.start, end=booking.end,
        freed_at=booking.start - timedelta(hours=hours),
    )  # fmt: skip


def test_what_filled_freed_times_again(clinic: Clinic):
    patient, chair = make_patient(), clinic.chairs[0]
    ended = {number: put_booking(clinic, patient, march(number), "cancelled") for number in range(2, 9)}
    slots = {number: frees(clinic, booking, hours=4 if number == 2 else 48) for number, booking in ended.items()}
    put_allocation(put_booking(clinic, make_patient(), march(2, "11:00")), chair)  # another visit in the same chair
    visit = put_visit(clinic, make_patient(), march(20))
    SlotOffer.objects.create(
        slot=slots[3], infusion=visit.infusion, patient=make_patient(), way="call", why="Fits", plan="",
        offered_at=march(1), offered_by=clinic.desk, expires_at=march(2), state="accepted",
        answered_at=march(1, "10:30"),
    )  # fmt: skip
    released = put_booking(clinic, make_patient(), march(4), "cancelled")
    put_allocation(released, chair, released=True)  # let go of again: fills nothing
    put_allocation(put_booking(clinic, make_patient(), march(5)), clinic.chairs[1])  # another chair
    FreedSlot.objects.filter(pk=slots[6].pk).update(closed_at=march(5))
    frees(clinic, ended[6], hours=60)  # the same time of the same visit once more: one
    came_back = put_booking(clinic, patient, march(9))
    put_allocation(came_back, chair)
    frees(clinic, came_back)
    # 2 filled by another visit, 3 by an offer; 4 to 8 stayed empty; the 9th was taken back.
    assert one_of(figure("refilled")) == (2, 7, "28.6")
    assert figure("refilled").words == "1 of them by an offer"
    assert [(one.why, one.n) for one in figure("refilled").missing] == [("taken back by the visit", 1)]
    assert row("freed", "Cancelled late")[1:] == (1, 0, 1, 0, 0, 0, None)
    assert row("freed", "Cancelled in time")[1:] == (6, 1, 0, 5, 0, 0, Decimal(1) / 6 * 100)
    assert row("freed", "Moved")[1:] == (1, 0, 0, 0, 0, 1, None)
    assert [cells[4] for cells in listed("refilled")] == ["Filled by an offer", "Filled otherwise"]
    assert (figure("offers").denominator, figure("offer-wait").denominator) == (1, 1)


def test_blocked_time_fills_nothing_and_a_time_to_come_is_open(clinic: Clinic):
    booking = put_booking(clinic, make_patient(), march(2), "cancelled")
    frees(clinic, booking)
    block = Booking.objects.create(kind="block", location=clinic.location, span=booking.span, created_at=NOW)
    put_allocation(block, clinic.chairs[0], "blocked")
    later = put_booking(clinic, make_patient(), at(date(2027, 4, 20), "10:00"), "cancelled")
    frees(clinic, later)
    assert row("freed", "Cancelled in time", Filters())[1:6] == (2, 0, 0, 1, 1)


# -- the whole ---------------------------------------------------------------------------------------------------------
def test_an_empty_clinic_says_so_and_divides_by_nothing():
    report = KIND.build(MARCH, NOW)
    assert all(one.value in (None, 0) for one in report.figures())
    assert all(listed(one.key) == [] for one in report.figures() if one.has_list)


def test_the_page_takes_one_query_however_much_there_is(clinic: Clinic):
    for number in range(6):
        put_visit(clinic, make_patient(), march(2 + number), "missed")
    with CaptureQueriesContext(connection) as queries:
        KIND.build(MARCH, NOW)
    assert len(queries) == 1


def test_every_list_that_is_named_opens_and_no_other(clinic: Clinic):
    put_visit(clinic, make_patient(), march(2), "missed")
    frees(clinic, put_booking(clinic, make_patient(), march(3), "cancelled"))
    asks(clinic, march(4))
    report = KIND.build(MARCH, NOW)
    keys = [one.key for one in report.figures() if one.has_list]
    keys += [key for one in report.tables() for key in one.row_lists if key]
    assert {"missed", "freed-early", "step-asked"} <= set(keys)
    for key in keys:
        listed(key)
    for odd in ("nothing", "freed-none", "tasks-"):
        with pytest.raises(NoSuchListError):
            KIND.listed(odd, MARCH)


def test_a_report_of_the_whole_past_has_no_bounds(clinic: Clinic):
    put_visit(clinic, make_patient(), datetime(2026, 1, 5, 15, 0, tzinfo=UTC), "missed")
    assert row("became", "Infusion", Filters())[2] == 1
    assert KIND.build(Filters(), NOW).about == "All locations · all time"
