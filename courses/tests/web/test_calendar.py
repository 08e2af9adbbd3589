"""The calendar: a day with a column per chair and person, a week with counts and what is free."""

from __future__ import annotations

import json
import re
from datetime import date, time, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import BookingStatus
from clinic.pure.roles import Role
from clinic.tests.factories import (
    Clinic,
    make_absence,
    make_chair,
    make_clinic,
    make_closure,
    make_hours,
    make_location,
    make_shifts,
    make_user,
)
from clinic.tests.fixtures.ledger import Queries
from courses.services.calendar import week
from courses.tests import series_kit
from courses.tests.visit_kit import DAY, LONG_BEFORE, block, consult, full_clinic, ny, release, take
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
MONDAY = DAY - timedelta(days=3)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def look(client: Client, user: Any, *, at: str = "09:40", **query: Any) -> str:
    with time_machine.travel(ny(at), tick=False):
        client.force_login(user)
        return client.get(reverse("courses:calendar"), {"day": str(DAY)} | query).content.decode()


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="calendar-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def events(page: str) -> list[dict[str, Any]]:
    return [one for one in data_of(page)["events"] if one.get("display") != "background"]


def grey(page: str, resource_id: int) -> list[tuple[str, str, str]]:
    shades = [one for one in data_of(page)["events"] if one.get("display") == "background"]
    return [
        (one["start"][11:16], one["end"][11:16], one["extendedProps"]["why"])
        for one in shades
        if resource_id in one["resourceIds"]
    ]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


# -- the day -----------------------------------------------------------------------------------------------------------


def test_columns_are_chairs_then_rooms_then_the_people_of_that_day(client: Client, clinic: Clinic) -> None:
    make_user(Role.NURSE, username="elsewhere")  # has no shift here
    titles = [one["title"] for one in data_of(look(client, clinic.desk))["resources"]]
    assert titles == ["Chair 1", "Chair 2", "Room 1", "I. Moreau", "S. Hart"]
    assert [one["title"] for one in data_of(look(client, clinic.desk, show="people"))["resources"]] == titles[3:]
    assert [one["title"] for one in data_of(look(client, clinic.desk, show="chairs"))["resources"]] == titles[:3]


def test_somebody_who_helps_out_that_day_has_a_column(client: Client, clinic: Clinic) -> None:
    helper = make_user(Role.NURSE, username="helper", first_name="Ola", last_name="Berg")
    make_absence(helper, DAY, kind="extra", location=clinic.location, starts=time(9), ends=time(12))
    assert "O. Berg" in [one["title"] for one in data_of(look(client, clinic.desk))["resources"]]


def test_a_consultation_stands_in_the_room_and_with_the_clinician(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    found = events(look(client, clinic.desk))
    assert {one["resourceIds"][0] for one in found} == {clinic.room.pk, clinic.clinician.resource_id}
    assert {(one["start"], one["end"]) for one in found} == {("2027-01-07T10:00:00", "2027-01-07T11:00:00")}
    props = found[0]["extendedProps"]
    assert (props["who"], props["what"], props["state"]) == ("Okafor, Ada", "consultation", "Booked")
    assert props["sheet"] == reverse("courses:visit", args=[booking.pk])


def test_an_infusion_shows_its_stages_on_the_chair(client: Client) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    visit = booking.infusion_visit
    found = events(look(client, booked.desk, day=str(booked.days()[1])))
    pieces = [one["extendedProps"]["pieces"] for one in found if one["extendedProps"]["pieces"]]
    assert len(pieces) == 1
    total = (booking.end - booking.start).total_seconds() / 60
    lengths = {stage: round(share * total / 100) for stage, share in pieces[0]}
    assert lengths["infusion"] == visit.infusion_min
    assert lengths["observation"] == visit.observation_min
    assert sum(share for _, share in pieces[0]) == pytest.approx(100, abs=0.1)


def test_blocked_time_stands_in_every_column_that_it_blocks_once(client: Client, clinic: Clinic) -> None:
    assert clinic.nurse.resource_id
    block(clinic, "12:00", [clinic.nurse.resource_id, clinic.room.pk])  # the nurse has three lanes
    found = events(look(client, clinic.desk))
    assert sorted(one["resourceIds"][0] for one in found) == sorted([clinic.nurse.resource_id, clinic.room.pk])
    assert {one["extendedProps"]["who"] for one in found} == {"Staff meeting"}


def test_released_visits_never_appear(client: Client, clinic: Clinic) -> None:
    for clock, status in (("10:00", BookingStatus.CANCELLED), ("12:00", BookingStatus.MISSED)):
        booking = consult(clinic, clock, patient=make_patient(family_name="Gone"))
        release(booking, status, by=clinic.desk, at=ny("13:00"))
    page = look(client, clinic.desk)
    assert events(page) == []
    assert "Gone" not in page


@pytest.mark.parametrize(
    ("kind", "seen"), [("consultation", {"Okafor, Ada"}), ("block", {"Staff meeting"}), ("infusion", set())]
)
def test_filters_choose_kinds(client: Client, clinic: Clinic, kind: str, seen: set[str]) -> None:
    consult(clinic)
    block(clinic, "12:00", [clinic.room.pk])
    found = events(look(client, clinic.desk, kind=kind))
    assert {one["extendedProps"]["who"] for one in found} == seen


def test_every_visit_has_a_name_in_the_grid_and_in_the_list(client: Client, clinic: Clinic) -> None:
    consult(clinic)
    block(clinic, "12:00", [clinic.room.pk], title="")
    page = look(client, clinic.desk)
    assert all(one["extendedProps"]["who"] and one["extendedProps"]["short"] for one in events(page))
    listed = re.findall(r'<th scope="row"><a [^>]*>(.*?)</a>', page)
    assert listed == ["Okafor, Ada", "Blocked time"]


@pytest.mark.parametrize("role", list(Role))
def test_only_who_may_move_visits_can_drag_them(client: Client, clinic: Clinic, role: Role) -> None:
    consult(clinic)
    may = role in (Role.FRONT_DESK, Role.CLINICIAN)
    page = look(client, clinic.users[role])
    assert {one["startEditable"] for one in events(page)} == {may}
    assert bool(data_of(page)["new_url"]) is may


def test_a_visit_that_has_begun_cannot_be_dragged(client: Client, clinic: Clinic) -> None:
    take(consult(clinic), "arrived", by=clinic.desk)
    assert {one["startEditable"] for one in events(look(client, clinic.desk))} == {False}


def test_of_an_infusion_only_the_chair_can_be_dragged(client: Client) -> None:
    booked = series_kit.book()
    found = events(look(client, booked.desk, day=str(booked.days()[1])))
    chairs = {chair.pk for chair in booked.clinic.chairs}
    assert {one["startEditable"] for one in found if one["resourceIds"][0] in chairs} == {True}
    assert {one["startEditable"] for one in found if one["resourceIds"][0] not in chairs} == {False}


def test_closed_hours_are_grey_in_every_column_and_off_duty_in_that_person_s(client: Client, clinic: Clinic) -> None:
    make_absence(clinic.clinician, DAY, starts=time(12), ends=time(13))
    page = look(client, clinic.desk)
    closed = [("07:00", "08:00", ""), ("18:00", "19:00", "")]
    assert grey(page, clinic.chairs[0].pk) == closed
    assert clinic.clinician.resource_id
    assert grey(page, clinic.clinician.resource_id) == [closed[0], ("12:00", "13:00", ""), closed[1]]


def test_a_closure_of_part_of_the_day_is_grey_with_its_reason(client: Client, clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, from_time=time(13), until_time=time(15), reason="Training")
    page = look(client, clinic.desk)
    assert ("13:00", "15:00", "Training") in grey(page, clinic.room.pk)
    assert "Closed 13:00–15:00: Training." in words(page)


def test_a_closed_day_is_grey_from_end_to_end_and_says_why(client: Client, clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, reason="Three Kings")
    page = look(client, clinic.desk)
    assert grey(page, clinic.room.pk) == [("07:00", "19:00", "")]
    assert "Closed on this day. Three Kings." in words(page)


def test_the_grid_reaches_as_far_as_hours_and_visits_do(client: Client, clinic: Clinic) -> None:
    assert data_of(look(client, clinic.desk))["hours"] == ["07:00", "19:00"]
    consult(clinic, "05:30")
    block(clinic, "23:30", [clinic.room.pk])  # until half past midnight: cut at it
    page = look(client, clinic.desk)
    assert data_of(page)["hours"] == ["05:00", "24:00"]
    assert max(one["end"] for one in events(page)) == "2027-01-08T00:00:00"
    tomorrow = look(client, clinic.desk, day="2027-01-08")
    assert [(one["start"], one["end"]) for one in events(tomorrow)] == [("2027-01-08T00:00:00", "2027-01-08T00:30:00")]


def test_times_are_those_of_the_location_and_so_is_the_line_of_the_present(client: Client) -> None:
    berlin = make_clinic("Mitte", time_zone="Europe/Berlin")
    page = look(client, berlin.desk, at="09:40")
    assert data_of(page)["now"] == "2027-01-07T15:40"


@pytest.mark.parametrize("day", ["yesterday", "9999-12-31", "0001-01-01", "2027-02-30", ""])
def test_a_day_that_cannot_be_meant_shows_today(client: Client, clinic: Clinic, day: str) -> None:
    for view in ("day", "week"):
        with time_machine.travel(ny("09:40"), tick=False):
            client.force_login(clinic.desk)
            answer = client.get(reverse("courses:calendar"), {"day": day, "view": view})
        assert answer.status_code == 200
        assert "7 Jan 2027" in answer.content.decode() or "4 Jan" in answer.content.decode()


@pytest.mark.parametrize("day", [date(2027, 3, 14), date(2027, 11, 7)])
def test_days_with_23_and_25_hours_are_shown(client: Client, clinic: Clinic, day: date) -> None:
    make_hours(clinic.location, weekdays=[6])
    consult(clinic, "10:00", day=day)
    (first, *_) = events(look(client, clinic.desk, day=str(day)))
    assert first["start"] == f"{day}T10:00:00"


def test_the_other_role_and_the_stranger_do_not_see_it(client: Client, clinic: Clinic) -> None:
    client.force_login(make_user())
    assert client.get(reverse("courses:calendar")).status_code == 403
    assert Client().get(reverse("courses:calendar"))["Location"].startswith("/accounts/login/")


# -- the week ----------------------------------------------------------------------------------------------------------


def test_a_week_counts_visits_and_chair_time(clinic: Clinic) -> None:
    consult(clinic)
    block(clinic, "12:00", [clinic.chairs[0].pk], minutes=120)
    thursday = week(clinic.location, MONDAY, now=LONG_BEFORE)[3]
    assert (thursday.infusions, thursday.consultations) == (0, 1)
    assert (thursday.chair_min, thursday.used_min) == (2 * 600, 120)
    assert (thursday.used_share, thursday.free_h) == (10, 18)


def test_infusions_of_a_week_take_chair_time_with_turnaround() -> None:
    booked = series_kit.book()
    monday = booked.days()[1]
    days = week(booked.clinic.location, monday, now=LONG_BEFORE)
    booking = booked.series.row(1).booking
    assert booking is not None
    assert [one.infusions for one in days] == [1, 0, 1, 0, 1, 0, 0]
    assert days[0].used_min == (booking.end - booking.start).total_seconds() / 60


def test_lunch_breaks_and_closures_take_capacity_only_where_the_clinic_would_be_open() -> None:
    place = make_location()
    for _ in range(3):
        make_chair(place)
    make_hours(place, opens=time(8), closes=time(12))
    make_hours(place, opens=time(13), closes=time(17))
    make_closure(place, DAY, from_time=time(11), until_time=time(14))  # two of these three hours are open ones
    make_closure(place, DAY, from_time=time(19), until_time=time(22))  # in the evening: nothing
    make_closure(place, DAY + timedelta(days=1), reason="Holiday")
    days = week(place, MONDAY, now=LONG_BEFORE)
    assert [one.chair_min / 60 for one in days] == [24, 24, 24, 18, 0, 0, 0]
    assert days[4].opened.closed_because == "Holiday"


def test_what_is_booked_in_closed_time_takes_nothing_from_the_open_time(clinic: Clinic) -> None:
    block(clinic, "16:00", [clinic.chairs[0].pk], minutes=240)  # two hours of it after closing
    thursday = week(clinic.location, MONDAY, now=LONG_BEFORE)[3]
    assert thursday.used_min == 120
    assert thursday.free_h == 18


def test_closed_days_of_the_week_say_why(client: Client, clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, reason="Three Kings")
    said = words(look(client, clinic.desk, view="week"))
    assert "Three Kings" in said
    assert "No opening hours on Sundays" in said


def test_a_filter_hides_visits_but_counts_stay_true(client: Client, clinic: Clinic) -> None:
    consult(clinic)
    page = look(client, clinic.desk, view="week", kind="block")
    assert "Okafor" not in page
    assert "1 consultation" in words(page)


# -- queries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visits", [2, 20])
@pytest.mark.parametrize("view", ["day", "week"])
def test_the_calendar_needs_as_many_queries_for_two_visits_as_for_twenty(
    client: Client, queries: Queries, visits: int, view: str
) -> None:
    clinic = full_clinic(visits)
    look(client, clinic.desk)
    with time_machine.travel(ny("09:40"), tick=False), queries(f"calendar {view}"):
        page = client.get(reverse("courses:calendar"), {"day": str(DAY), "view": view}).content.decode()
    assert page.count("Fictional") >= visits


def test_twenty_chairs_and_fifteen_people_need_no_more_queries(client: Client, queries: Queries) -> None:
    clinic = full_clinic(20)
    for _ in range(18):
        make_chair(clinic.location)
    for number in range(13):
        nurse = make_user(Role.NURSE, username=f"many{number:02d}", last_name=f"Many{number:02d}")
        make_shifts(nurse, clinic.location)
    look(client, clinic.desk)
    with time_machine.travel(ny("09:40"), tick=False), queries("calendar day"):
        page = client.get(reverse("courses:calendar"), {"day": str(DAY)}).content.decode()
    assert len(data_of(page)["resources"]) == 20 + 1 + 15


def test_visits_on_a_closed_day_are_to_be_moved(client: Client, clinic: Clinic) -> None:
    consult(clinic)
    make_closure(clinic.location, DAY)
    assert "somebody has to move them" in look(client, clinic.desk)
    assert "visits to move" in look(client, clinic.desk, view="week")
