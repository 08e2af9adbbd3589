"""The clock of the machine is put back: the schedule goes on, and whoever sits still is signed out all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from celery import Celery
from celery.schedules import crontab
from django.test import Client
from pytest_django import Settings

from clinic.adapters.beat import SteadyScheduler
from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user

NOON = datetime(2027, 1, 11, 12, 0, tzinfo=UTC)
BACK = NOON - timedelta(hours=3)


class Recorder(SteadyScheduler):
    """Notes what would have been sent."""

    begun: list[datetime]

    def apply_async(self, entry, **_) -> None:
        self.begun.append(entry.default_now())


def scheduler(file: Path) -> Recorder:
    app = Celery("clock", set_as_current=False)
    app.conf.beat_schedule = {"every minute": {"task": "x", "schedule": crontab(app=app)}}
    made = Recorder(app, schedule_filename=str(file))
    made.begun = []
    return made


def run(made: Recorder, clock: time_machine.Traveller, minutes: int) -> None:
    """So many minutes go by, and the scheduler looks twice in each."""
    for _ in range(2 * minutes):
        clock.shift(timedelta(seconds=30))
        while not made.tick():
            pass


def test_the_schedule_goes_on_at_once_when_the_clock_was_put_back(tmp_path: Path) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        made = scheduler(tmp_path / "beat")
        run(made, clock, 3)
        assert len(made.begun) == 3
        clock.move_to(BACK)
        run(made, clock, 3)
        made.close()
    assert [moment >= NOON for moment in made.begun] == [True] * 3 + [False] * 3


def test_a_scheduler_that_is_started_after_it_goes_on_too(tmp_path: Path) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        made = scheduler(tmp_path / "beat")
        run(made, clock, 3)
        made.close()
        clock.move_to(BACK)
        again = scheduler(tmp_path / "beat")
        run(again, clock, 2)
        again.close()
    assert again.begun == [BACK + timedelta(minutes=1), BACK + timedelta(minutes=2)]


def test_put_forward_each_task_is_begun_once_and_not_for_every_minute_that_was_left_out(tmp_path: Path) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        made = scheduler(tmp_path / "beat")
        run(made, clock, 1)
        clock.move_to(NOON + timedelta(hours=5, seconds=60))
        while not made.tick():
            pass
        made.close()
    assert len(made.begun) == 2


@pytest.mark.django_db
def test_who_sits_still_is_signed_out_also_when_the_clock_was_put_back(settings: Settings) -> None:
    settings.CADENCE_IDLE_MINUTES = 15
    make_location()
    nurse = make_user(Role.NURSE)
    client = Client()
    with time_machine.travel(NOON, tick=False) as clock:
        client.force_login(nurse)
        assert client.get("/").status_code == 200
        clock.move_to(BACK)
        assert client.get("/").status_code == 200
        clock.shift(timedelta(minutes=16))
        answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/login/?next=%2F&idle=1")
