"""Locations, chairs, hours and closures as a manager sets them up, and what is refused in words."""

from __future__ import annotations

from datetime import date, time

import pytest
from django.urls import reverse

from clinic.models import (
    Closure,
    Location,
    OpeningHours,
    Resource,
)
from clinic.pure.roles import Role
from clinic.tests.factories import (
    make_closure,
    make_location,
    make_user,
)
from clinic.tests.setup_kit import THURSDAY, url, visit, week, words
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


# --- set-up and locations ---------------------------------------------------------------------------------------------


def test_the_first_page_says_honestly_what_there_is_and_what_is_missing(clinic, manager) -> None:
    make_location("Uptown")
    make_user(Role.NURSE, username="new", first_name="Nora", last_name="Bell")
    visit(clinic.location, date(2027, 1, 9))
    said = words(manager.get(url("index")))
    assert "2 chairs in 2 locations" in said
    assert "No opening hours on Saturday and Sunday" in said
    assert "No chair yet: nothing can be planned here." in said
    assert "No shifts yet: Nora Bell, RN" in said
    assert "1 visit in closed time." in said


LOCATION = {
    "name": "Harbour",
    "short_name": "Harbour",
    "time_zone": "America/Chicago",
    "holiday_country": "us",
    "holiday_region": "il",
    "start_step_min": "10",
    "is_active": "on",
}


def test_a_location_is_added_and_leads_to_its_page(manager) -> None:
    answer = manager.post(url("location_add"), LOCATION)
    place = Location.objects.get(name="Harbour")
    assert answer.headers["Location"] == url("location", place.pk)
    assert (place.holiday_country, place.holiday_region, place.start_step_min) == ("US", "IL", 10)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"name": ""}, "required"),
        ({"name": "Downtown"}, "already exists"),
        ({"name": "x" * 10_000}, "at most 80 characters"),
        ({"time_zone": "Chicago"}, "is not a time zone"),
        ({"holiday_country": "XX"}, "not known"),
        ({"holiday_region": "ZZ"}, "Not a region of US"),
        ({"start_step_min": "7"}, "Select a valid choice"),
        ({"phone": "12"}, "valid phone number"),
    ],
)
def test_a_location_is_refused_in_words_at_its_field(manager, changes, refusal) -> None:
    answer = manager.post(url("location_add"), LOCATION | changes)
    assert answer.status_code == 422
    assert refusal in words(answer)
    assert Location.objects.count() == 1


def test_a_chair_is_added_renamed_moved_retired_and_brought_back(clinic, manager) -> None:
    place = clinic.location
    manager.post(url("station_add", place.pk), {"kind": "chair", "name": "Window"})
    chair = Resource.objects.get(name="Window")
    manager.post(url("station_edit", chair.pk), {"kind": "chair", "name": "Garden", "note": "recliner"})
    manager.post(url("station_move", chair.pk), {"to": "up"})
    assert [row.name for row in Resource.objects.chairs(place)] == ["Chair 1", "Garden", "Chair 2"]
    manager.post(url("station_retire", chair.pk))
    assert not Resource.objects.get(pk=chair.pk).is_active
    assert "Retired" in words(manager.get(url("location", place.pk)))
    manager.post(url("station_restore", chair.pk))
    assert Resource.objects.get(pk=chair.pk).is_active


def test_a_chair_that_is_booked_is_not_retired_and_the_visits_are_listed_with_their_page(clinic, manager) -> None:
    booking = visit(clinic.location, THURSDAY, chair=clinic.chairs[0])
    answer = manager.post(url("station_retire", clinic.chairs[0].pk))
    assert answer.status_code == 409
    assert "Chair 1 is still booked" in words(answer)
    assert "Thu 7 Jan, 09:00–11:00 Ada Okafor" in words(answer)
    assert reverse("courses:visit", args=[booking.pk]) in answer.content.decode()
    assert "keep_bookings" not in answer.content.decode()


def test_the_same_name_twice_is_refused_at_the_field(clinic, manager) -> None:
    answer = manager.post(url("station_add", clinic.location.pk), {"kind": "chair", "name": "chair 1"})
    assert answer.status_code == 422
    assert "Another chair of this location has this name." in words(answer)


def test_a_patient_is_no_chair(manager) -> None:
    assert manager.get(url("station_edit", make_patient().resource_id)).status_code == 404


# --- hours ------------------------------------------------------------------------------------------------------------


def test_a_lunch_break_is_saved_as_two_stretches(clinic, manager) -> None:
    sent = week(d0_0_until="12:00", d0_1_from="13:00", d0_1_until="18:00")
    answer = manager.post(url("opening_hours", clinic.location.pk), sent)
    assert answer.status_code == 302
    assert OpeningHours.objects.filter(weekday=0).count() == 2


def test_monday_is_copied_to_the_weekdays_without_saving(clinic, manager) -> None:
    sent = week(d0_0_from="07:00", d3_1_from="20:00", d3_1_until="21:00", copy="monday")
    answer = manager.post(url("opening_hours", clinic.location.pk), sent)
    assert answer.content.decode().count('value="07:00"') == 5
    assert 'value="20:00"' not in answer.content.decode()
    assert not OpeningHours.objects.filter(opens=time(7)).exists()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"d0_0_until": ""}, "Say until when."),
        ({"d0_0_from": ""}, "Say from when."),
        ({"d0_0_until": "07:00"}, "08:00–07:00: the end must be after the start."),
        ({"d0_1_from": "17:00", "d0_1_until": "19:00"}, "08:00–18:00 and 17:00–19:00 overlap."),
        ({"d0_0_from": "x" * 10_000}, "Write a time such as 08:30."),
    ],
)
def test_hours_that_make_no_sense_are_refused_beside_their_day(clinic, manager, changes, refusal) -> None:
    answer = manager.post(url("opening_hours", clinic.location.pk), week(**changes))
    assert answer.status_code == 422
    assert refusal in words(answer)
    assert OpeningHours.objects.count() == 5


def test_shorter_hours_list_the_visits_first_and_then_keep_them_to_move(clinic, manager) -> None:
    visit(clinic.location, THURSDAY, 15)
    here = url("opening_hours", clinic.location.pk)
    sent = week(d3_0_until="16:00")
    asked = manager.post(here, sent)
    assert asked.status_code == 409
    assert "Visits are booked outside these hours" in words(asked)
    assert all(f'name="{name}" value="{value}"' in asked.content.decode() for name, value in sent.items())
    assert OpeningHours.objects.get(weekday=3).closes == time(18)
    done = manager.post(here, sent | {"keep_bookings": "1"}, follow=True)
    assert "To move: visits in closed time" in words(done)
    assert "Thu 7 Jan, 15:00–17:00 Ada Okafor" in words(done)


# --- closures ---------------------------------------------------------------------------------------------------------


def closing(**changes: str) -> dict[str, str]:
    return {"reason": "Flood", "first_day": "2027-01-07", "last_day": "", "from_time": "", "until_time": ""} | changes


def test_a_day_is_closed_and_stands_in_the_list(clinic, manager) -> None:
    answer = manager.post(url("closure_add", clinic.location.pk), closing(), follow=True)
    assert "Thu 7 Jan 2027 Flood" in words(answer)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"last_day": "2027-01-06"}, "The last day is before the first day."),
        ({"last_day": "2037-01-06"}, "longer than a year"),
        ({"from_time": "12:00"}, "Give both times"),
        ({"from_time": "12:00", "until_time": "11:00"}, "The end must be after the start."),
        ({"reason": "x" * 10_000}, "at most 120 characters"),
        ({"first_day": "the day after tomorrow"}, "Enter a valid date"),
    ],
)
def test_a_closure_that_makes_no_sense_is_refused(clinic, manager, changes, refusal) -> None:
    answer = manager.post(url("closure_add", clinic.location.pk), closing(**changes))
    assert answer.status_code == 422
    assert refusal in words(answer)
    assert not Closure.objects.exists()


def test_closing_a_booked_day_never_strands_anybody_silently(clinic, manager) -> None:
    booking = visit(clinic.location, THURSDAY)
    add = url("closure_add", clinic.location.pk)
    asked = manager.post(add, closing())
    assert asked.status_code == 409
    assert "Visits are booked then" in words(asked)
    assert f'href="{add}"' in asked.content.decode()  # go back
    assert not Closure.objects.exists()

    done = manager.post(add, closing(keep_bookings="1"), follow=True)
    row = Closure.objects.get()
    assert done.redirect_chain[-1][0] == url("closure", row.pk)
    for page in (url("closure", row.pk), url("closures", clinic.location.pk), url("opening_hours", clinic.location.pk)):
        body = manager.get(page)
        assert "Thu 7 Jan, 09:00–11:00 Ada Okafor" in words(body)
        assert reverse("courses:visit", args=[booking.pk]) in body.content.decode()
    assert "1 visit in closed time" in words(manager.get(url("index")))

    place = clinic.location
    booking.span = (place.at(date(2027, 1, 8), time(9)), place.at(date(2027, 1, 8), time(11)))
    booking.save()
    assert "No visit stands in this closure" in words(manager.get(url("closure", row.pk)))
    assert "closed time" not in words(manager.get(url("index")))


def test_a_double_click_closes_once(clinic, manager) -> None:
    add = url("closure_add", clinic.location.pk)
    manager.post(add, closing())
    assert "The location is closed then already: Flood." in words(manager.post(add, closing()))
    assert Closure.objects.count() == 1


def test_a_closure_is_changed_and_removed_and_a_stale_page_does_no_harm(clinic, manager) -> None:
    row = make_closure(clinic.location, THURSDAY)
    manager.post(url("closure", row.pk), closing(reason="Snow", last_day="2027-01-08"))
    row.refresh_from_db()
    assert (row.reason, row.last_day) == ("Snow", date(2027, 1, 8))
    manager.post(url("closure_delete", row.pk))
    assert not Closure.objects.exists()
    assert manager.post(url("closure_delete", row.pk)).status_code == 404
    assert manager.post(url("closure", row.pk), closing()).status_code == 404


def test_public_holidays_are_ticked_and_not_added_twice(clinic, manager) -> None:
    here = url("holidays", clinic.location.pk)
    assert "Memorial Day" in words(manager.get(here))
    sent = {"year": "2027", "day": ["2027-05-31", "2027-01-13"]}  # the second is no holiday
    manager.post(here, sent)
    manager.post(here, sent)
    assert [(row.first_day, row.reason) for row in Closure.objects.all()] == [(date(2027, 5, 31), "Memorial Day")]
    assert "checked disabled" in manager.get(here).content.decode()


def test_no_tick_adds_nothing_and_says_so(clinic, manager) -> None:
    assert "Nothing to add" in words(manager.post(url("holidays", clinic.location.pk), {"year": "2027"}))


@pytest.mark.parametrize("year", ["1066", "x" * 10_000, "99999999999999999999"])
def test_an_odd_year_shows_this_one(clinic, manager, year) -> None:
    assert "Public holidays 2027" in words(manager.get(url("holidays", clinic.location.pk), {"year": year}))


def test_a_holiday_with_visits_is_asked_about(clinic, manager) -> None:
    visit(clinic.location, date(2027, 5, 31))
    sent = {"year": "2027", "day": ["2027-05-31", "2027-12-24"]}
    asked = manager.post(url("holidays", clinic.location.pk), sent)
    assert asked.status_code == 409
    assert asked.content.decode().count('name="day"') == 2
    assert "Visits are booked on these holidays" in words(asked)
