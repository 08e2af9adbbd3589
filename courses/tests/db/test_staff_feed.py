"""The staff feed as iCalendar: valid, private, without a patient's name, right across clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from icalendar import Calendar

from clinic.models import BookingStatus
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.services.calendar import feed, feed_owner, renew_feed, switch_off_feed
from courses.tests import series_kit
from courses.tests.visit_kit import DAY, LONG_BEFORE, block, consult, full_clinic, ny, release, take
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = ny("07:00")


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def events(body: bytes) -> list[dict[str, object]]:
    """The events, parsed back; the parser must have nothing to complain about."""
    calendar = Calendar.from_ical(body)
    assert calendar.errors == []
    assert all(part.errors == [] for part in calendar.walk())
    return [dict(event) for event in calendar.walk("VEVENT")]


def test_the_feed_is_a_valid_calendar_with_one_event_a_visit(clinic: Clinic) -> None:
    booking = take(consult(clinic), "confirmed", by=clinic.desk, at=LONG_BEFORE)
    (event,) = Calendar.from_ical(feed(clinic.clinician, now=NOW)).walk("VEVENT")
    assert event.decoded("dtstart") == datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
    assert event.decoded("dtend") == datetime(2027, 1, 7, 16, 0, tzinfo=UTC)
    assert str(event["summary"]) == "Consultation · Room 1"
    assert str(event["location"]) == "Downtown"
    assert str(event["uid"]) == f"booking-{booking.pk}-clinician@cadence"
    assert (str(event["status"]), event["sequence"]) == ("CONFIRMED", booking.version)
    assert event.decoded("dtstamp") == NOW


def test_a_visit_that_is_not_confirmed_is_tentative(clinic: Clinic) -> None:
    consult(clinic)
    assert str(events(feed(clinic.clinician, now=NOW))[0]["STATUS"]) == "TENTATIVE"


def test_lines_are_folded_and_ended_as_the_standard_says(clinic: Clinic) -> None:
    clinic.location.name = "Downtown Ketamine Clinic, third floor, second door on the left behind the pharmacy"[:80]
    clinic.location.save()
    consult(clinic)
    body = feed(clinic.clinician, now=NOW)
    assert body.endswith(b"END:VCALENDAR\r\n")
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    assert b"\n" not in body.replace(b"\r\n", b"")


def test_no_patient_is_named_whatever_was_typed(clinic: Clinic) -> None:
    patient = make_patient("Xanthippe", "Quillfeather", preferred_name="Zuzu", mrn="77001", phones=["+12125550199"])
    consult(clinic, patient=patient)
    assert clinic.clinician.resource_id
    block(clinic, "13:00", [clinic.clinician.resource_id], title="Call Quillfeather back")
    body = feed(clinic.clinician, now=NOW).decode()
    assert len(events(body.encode())) == 2
    for secret in ("Xanthippe", "Quillfeather", "Zuzu", "77001", "5550199"):
        assert secret not in body


def test_infusions_name_no_patient_and_hold_a_nurse_once() -> None:
    booked = series_kit.book(patient=make_patient("Xanthippe", "Quillfeather"))
    body = feed(booked.nurse, now=series_kit.at(date(2027, 4, 1)))
    found = events(body)
    assert len(found) == 6
    assert {str(event["SUMMARY"]).split(" · ")[0] for event in found} == {"Infusion"}
    assert b"Quillfeather" not in body


def test_blocked_time_of_a_nurse_with_three_lanes_is_one_event(clinic: Clinic) -> None:
    assert clinic.nurse.resource_id
    block(clinic, "13:00", [clinic.nurse.resource_id])
    found = events(feed(clinic.nurse, now=NOW))
    assert [str(event["SUMMARY"]) for event in found] == ["Blocked time"]


def test_an_identifier_is_never_used_twice(clinic: Clinic) -> None:
    for number in range(4):
        consult(clinic, f"{9 + number:02d}:00", patient=make_patient())
    uids = [str(event["UID"]) for event in events(feed(clinic.clinician, now=NOW))]
    assert len(uids) == len(set(uids)) == 4


def test_what_was_cancelled_and_what_is_far_away_is_left_out(clinic: Clinic) -> None:
    release(consult(clinic), BookingStatus.CANCELLED, by=clinic.desk, at=LONG_BEFORE)
    consult(clinic, day=DAY + timedelta(days=130), patient=make_patient())
    assert events(feed(clinic.clinician, now=NOW)) == []


@pytest.mark.parametrize(
    ("day", "utc_hour"),
    [(date(2027, 3, 12), 15), (date(2027, 3, 15), 14), (date(2027, 11, 5), 14), (date(2027, 11, 8), 15)],
)
def test_ten_o_clock_is_ten_o_clock_on_both_sides_of_a_clock_change(clinic: Clinic, day: date, utc_hour: int) -> None:
    consult(clinic, day=day)
    (event,) = Calendar.from_ical(feed(clinic.clinician, now=ny("08:00", day))).walk("VEVENT")
    assert event.decoded("dtstart") == datetime(day.year, day.month, day.day, utc_hour, 0, tzinfo=UTC)


def test_an_empty_feed_is_valid_too(clinic: Clinic) -> None:
    calendar = Calendar.from_ical(feed(clinic.clinician, now=NOW))
    assert calendar.walk("VEVENT") == []
    assert len(calendar.subcomponents) == 1  # RFC 5545, 3.6: at least one component
    assert Calendar.from_ical(feed(make_user(Role.MANAGER, username="boss"), now=NOW)).subcomponents


def test_the_address_belongs_to_one_person_while_they_work_here(clinic: Clinic) -> None:
    token = renew_feed(user=clinic.nurse, now=NOW)
    assert feed_owner(token) == clinic.nurse
    newer = renew_feed(user=clinic.nurse, now=NOW)
    assert feed_owner(token) is None
    assert feed_owner(newer) == clinic.nurse
    clinic.nurse.is_active = False
    clinic.nurse.save()
    assert feed_owner(newer) is None


def test_a_feed_that_was_switched_off_has_no_address(clinic: Clinic) -> None:
    token = renew_feed(user=clinic.nurse, now=NOW)
    switch_off_feed(user=clinic.nurse, now=NOW)
    assert feed_owner(token) is None


@pytest.mark.parametrize("visits", [2, 20])
def test_a_feed_needs_as_many_queries_for_two_visits_as_for_twenty(queries: Queries, visits: int) -> None:
    clinic = full_clinic(visits)
    with queries("staff feed"):
        body = feed(clinic.clinician, now=NOW)
    assert len(events(body)) == visits
