"""What the template tags show, and the clocks of a location."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from django.template import Context, Template
from django.test import RequestFactory

from clinic.edge.context import current_location, shell
from clinic.models import Location
from clinic.pure.roles import Role
from clinic.templatetags import ui
from clinic.tests.factories import make_location, make_user

NEW_YORK = Location(name="Downtown", short_name="Downtown", time_zone="America/New_York")
# Clocks in New York (IANA tz database): forward on 14 March 2027 at 02:00, back on 7 November 2027 at 02:00.
SPRING, AUTUMN = date(2027, 3, 14), date(2027, 11, 7)


@pytest.mark.parametrize(
    ("day", "clock", "instant"),
    [
        (date(2027, 1, 7), time(10), datetime(2027, 1, 7, 15, tzinfo=UTC)),  # winter: UTC-5
        (date(2027, 7, 7), time(10), datetime(2027, 7, 7, 14, tzinfo=UTC)),  # summer: UTC-4
        (SPRING, time(10), datetime(2027, 3, 14, 14, tzinfo=UTC)),  # 10:00 stays 10:00 across the change
        (
            SPRING,
            time(2, 30),
            datetime(2027, 3, 14, 7, 30, tzinfo=UTC),
        ),  # skipped: the instant at which clocks show 03:30
        (AUTUMN, time(1, 30), datetime(2027, 11, 7, 5, 30, tzinfo=UTC)),  # twice: the first of the two
        (AUTUMN, time(10), datetime(2027, 11, 7, 15, tzinfo=UTC)),
    ],
)
def test_a_wall_time_is_the_right_instant_also_when_the_clocks_change(
    day: date, clock: time, instant: datetime
) -> None:
    assert NEW_YORK.at(day, clock).astimezone(UTC) == instant  # in UTC: PEP 495 makes a skipped time unequal to itself


def test_the_skipped_hour_reads_an_hour_later_and_every_other_time_reads_as_written() -> None:
    assert NEW_YORK.local(NEW_YORK.at(SPRING, time(2, 30)).astimezone(UTC)).time() == time(3, 30)
    assert NEW_YORK.local(NEW_YORK.at(AUTUMN, time(1, 30)).astimezone(UTC)).time() == time(1, 30)


def test_the_day_of_the_spring_change_has_23_hours_and_that_of_autumn_25() -> None:
    def hours(day: date) -> float:
        start, end = NEW_YORK.at(day, time()), NEW_YORK.at(date.fromordinal(day.toordinal() + 1), time())
        return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds() / 3600

    assert (hours(SPRING), hours(AUTUMN), hours(date(2027, 1, 7))) == (23, 25, 24)


MOMENT = datetime(2027, 1, 7, 15, 5, tzinfo=UTC)


def test_times_are_said_as_the_clinic_speaks_them_on_the_clocks_of_the_location() -> None:
    assert ui.moment(MOMENT, NEW_YORK) == "Thu 7 Jan, 10:05"
    assert ui.clock(MOMENT, NEW_YORK) == "10:05"
    assert ui.clock(time(9, 5)) == "09:05"
    assert ui.day(MOMENT, NEW_YORK) == "Thu 7 Jan"
    assert ui.day(datetime(2027, 1, 8, 2, tzinfo=UTC), NEW_YORK) == "Thu 7 Jan"  # already Friday in Greenwich
    assert ui.day_year(date(2027, 1, 7)) == "Thu 7 Jan 2027"


def test_nothing_is_said_of_no_time() -> None:
    assert [ui.moment(None), ui.clock(None), ui.day(None), ui.day_year(None), ui.minutes(None), ui.hhmm(None)] == [
        ""
    ] * 6


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0 min"), (45, "45 min"), (60, "1 h"), (135, "2 h 15"), (125, "2 h 05")]
)
def test_a_duration_is_said_in_hours_and_minutes(value: int, words: str) -> None:
    assert ui.minutes(value) == words


@pytest.mark.parametrize(("value", "words"), [(0, "00:00"), (570, "09:30"), (1439, "23:59")])
def test_minutes_after_midnight_are_a_clock_time(value: int, words: str) -> None:
    assert ui.hhmm(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_ordinals(value: int, words: str) -> None:
    assert ui.ordinal(value) == words


def test_an_icon_is_silent_unless_it_has_a_label_and_a_label_is_escaped() -> None:
    assert 'aria-hidden="true"' in ui.icon("check")
    labelled = ui.icon("check", label='<script>"')
    assert 'role="img"' in labelled
    assert "<script>" not in labelled


@pytest.mark.django_db
def test_can_asks_the_permission_table_for_whoever_is_signed_in() -> None:
    page = Template("{% load ui %}{% can 'edit_setup' as may %}{{ may }}")
    assert page.render(Context({"user": make_user(Role.MANAGER)})) == "True"
    assert page.render(Context({"user": make_user(Role.NURSE)})) == "False"
    assert page.render(Context({})) == "False"


def request_of(user, **session):
    request = RequestFactory().get("/setup/")
    request.user, request.session = user, session
    return request


@pytest.mark.django_db
def test_the_location_is_the_chosen_one_else_ones_own_else_the_first() -> None:
    downtown, uptown = make_location("Downtown"), make_location("Uptown")
    assert current_location(request_of(make_user(Role.NURSE))) == downtown
    assert current_location(request_of(make_user(Role.NURSE, home_location=uptown))) == uptown
    assert (
        current_location(request_of(make_user(Role.NURSE, home_location=uptown), location_id=downtown.pk)) == downtown
    )


@pytest.mark.django_db
def test_a_location_that_was_switched_off_is_not_chosen_any_more() -> None:
    off, on = make_location("Annex", is_active=False), make_location("Uptown")
    assert current_location(request_of(make_user(Role.NURSE, home_location=off), location_id=off.pk)) == on


@pytest.mark.django_db
def test_the_rail_shows_what_the_role_may_open_and_marks_where_one_is() -> None:
    make_location()
    manager, nurse = shell(request_of(make_user(Role.MANAGER))), shell(request_of(make_user(Role.NURSE)))
    assert [(entry.label, entry.is_current) for entry in manager["nav_foot"]] == [("Set-up", True)]
    assert nurse["nav_foot"] == []
    assert "Today" in [entry.label for entry in nurse["nav_entries"]]


@pytest.mark.django_db
def test_a_clinic_without_any_location_has_none() -> None:
    found = shell(request_of(make_user(Role.MANAGER)))
    assert (found["current_location"], found["locations"]) == (None, [])
