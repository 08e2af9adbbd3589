"""The demo clinic: when it may be loaded, what is thrown away before, and that it lives around the day of loading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Count
from django.test import Client
from pytest_django import Settings

from clinic.models import Allocation, Booking, BookingKind, Location, Resource, User
from clinic.pure.roles import Role
from clinic.services.hours import stranded
from clinic.tests.factories import make_clinic, make_user
from courses.management.commands import load_demo as command
from courses.models import (
    Course,
    CourseStatus,
    Discrepancy,
    DoseOrder,
    DrugDraw,
    InfusionAmendment,
    InfusionRecord,
    InfusionVisit,
    OutcomeDefinition,
    PhaseKind,
    RemsForm,
    RunEvent,
    RunKind,
    Task,
    TaskKind,
)
from courses.pure.phases import DayPhase
from courses.services.board import read_board
from courses.services.demo.load import clear_everything, is_empty, load_demo
from courses.services.demo.place import PASSWORD, SIGN_INS
from courses.services.demo.stories import stories
from courses.services.infusion_desk import read_desk
from courses.services.outcomes import outcomes_of_many
from patients.models import Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
THURSDAY_AT_ELEVEN = datetime(2027, 1, 7, 16, 7, tzinfo=UTC)  # in New York


def run(**options: Any) -> str:
    said = StringIO()
    call_command("load_demo", stdout=said, **options)
    return said.getvalue()


def refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError("the import stopped half way")


def test_with_records_there_it_refuses_and_says_how_to_go_on() -> None:
    make_user(Role.MANAGER)
    with pytest.raises(CommandError, match="load_demo --reset"):
        run()
    assert User.objects.count() == 1


def test_if_empty_leaves_a_clinic_alone_that_has_somebody() -> None:
    make_user(Role.MANAGER)
    assert run(if_empty=True) == ""
    assert User.objects.count() == 1


def test_production_refuses_even_a_reset(settings: Settings) -> None:
    settings.PRODUCTION = True
    make_user(Role.MANAGER)
    with pytest.raises(CommandError, match="production installation"):
        run(reset=True)
    with pytest.raises(ImproperlyConfigured, match="production installation"):
        clear_everything()
    assert User.objects.count() == 1


def test_a_reset_that_fails_half_way_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    make_clinic()
    make_patient()
    monkeypatch.setattr(command.Command, "_import", refuse)
    with pytest.raises(RuntimeError, match="half way"):
        run(reset=True)
    assert (User.objects.count(), Location.objects.get().name, Patient.objects.count()) == (4, "Downtown", 1)


def test_clearing_empties_every_table_with_its_history() -> None:
    clinic = make_clinic()
    make_patient()
    clear_everything()
    assert is_empty()
    for model in (Location, Resource, Patient, Booking):
        assert not model._default_manager.exists()
    events = Location.pgh_event_models if hasattr(Location, "pgh_event_models") else {}
    assert not any(model.objects.exists() for model in dict(events).values())
    assert make_clinic().location.pk == 1 <= clinic.location.pk  # numbers begin anew


@pytest.mark.slow
def test_the_whole_command_builds_the_clinic_of_the_issue_and_it_lives_around_that_hour(
    settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    with time_machine.travel(THURSDAY_AT_ELEVEN, tick=False):
        said = run()
    assert "1,181 patients and 79 courses" in said
    assert "left out" not in said
    sign_ins = (tmp_path / "demo-sign-ins.txt").read_text()
    for name, _ in SIGN_INS:
        assert f"{name} " in sign_ins
        assert Client().login(username=name, password=PASSWORD)
    assert PASSWORD in sign_ins
    assert run(if_empty=True) == ""
    with pytest.raises(CommandError, match="--reset"):
        run()
    assert_it_lives_around(THURSDAY_AT_ELEVEN)


def some_people(by: User) -> None:
    """Enough patients for every story, without the import."""
    for number in range(332):
        make_patient(
            "Robin", f"Fictional{number:03d}", birth_date=datetime(1960 + number % 40, 5, 17, tzinfo=UTC).date()
        )


def assert_it_lives_around(now: datetime) -> None:
    assert Location.objects.count() == 2
    assert Resource.objects.filter(kind="chair").count() == 8
    assert User.objects.count() == 12
    assert Course.objects.count() == len(stories())
    assert set(Course.objects.values_list("status", flat=True)) >= {
        CourseStatus.PLANNED, CourseStatus.ACTIVE, CourseStatus.INTERRUPTED, CourseStatus.COMPLETED, CourseStatus.STOPPED,
        CourseStatus.TRANSFERRED, CourseStatus.LOST,
    }  # fmt: skip
    assert Course.objects.filter(phases__kind=PhaseKind.MAINTENANCE).exists()
    assert_following_is_alive()
    here = Booking.objects.filter(location__name="Downtown")
    today = here.overlapping(now - timedelta(hours=6), now + timedelta(hours=8)).real()
    assert set(today.values_list("status", flat=True)) >= {"done", "observing", "confirmed", "booked"}
    assert today.filter(kind=BookingKind.CONSULTATION).exists()
    over = here.filter(span__endswith__lt=now - timedelta(days=1))
    assert not over.filter(status__in=["booked", "confirmed", "arrived", "in_chair", "observing"]).exists()
    assert not Booking.objects.filter(created_at__gt=now).exists()
    for place in Location.objects.all():
        assert not stranded(now=now, location=place).exists()  # nothing stands in closed time
    held = Allocation.objects.held().filter(resource__kind="chair")
    assert held.values("resource", "span").annotate(n=Count("id")).filter(n__gt=1).count() == 0
    assert InfusionVisit.objects.filter(outcome="given").count() > 200
    assert_the_days_before_are_on_record(now)
    assert_today_is_going_on(now)
    assert phases_at(now) >= {"preparing", "infusing", "observing", "held", "late"}


def assert_following_is_alive() -> None:
    """Each worklist has something to do where one signs in, and what courses can come to is there."""
    waiting = Task.objects.open().filter(location__name="Downtown")
    assert set(waiting.values_list("kind", flat=True)) >= {kind for kind in TaskKind if kind != "message"}
    ending = Task.objects.open().filter(kind=TaskKind.EXPIRING).values_list("key", flat=True)
    assert {key.partition(":")[0] for key in ending} >= {"consent", "decision"}
    transferred = Course.objects.get(status=CourseStatus.TRANSFERRED)
    assert transferred.closed_to == "Harbor Psychiatry, Boston"
    terms = OutcomeDefinition.objects.get()  # courses of before and after it are there
    assert set(Course.objects.values_list("outcome_definition", flat=True)) == {None, terms.pk}
    traumatised = Course.objects.filter(indication=Indication.PTSD).values_list("pk", flat=True)
    judged = outcomes_of_many(list(traumatised)).values()
    assert [one.measure for one in judged if one.outcome.relapse] == ["pcl5"]


def assert_the_days_before_are_on_record(now: datetime) -> None:
    """Completed, signed, amended, stopped early with its effect; the drug is counted, and a form is due."""
    yesterday = InfusionRecord.objects.filter(visit__booking__span__endswith__lt=now - timedelta(hours=11))
    assert not yesterday.filter(completed_at__isnull=True).exists()
    assert yesterday.filter(signed_at__isnull=True).count() == 1  # waits for the prescriber
    assert yesterday.filter(signed_at__isnull=False).count() > 10
    assert InfusionAmendment.objects.count() == 1
    stopped = RunEvent.objects.get(kind=RunKind.STOP)
    assert stopped.is_for_adverse_event
    effect = stopped.record.adverse_events.get()
    assert (effect.code, effect.severity, effect.medicine_dose) == ("nausea", "severe", "4 mg IV")
    draw = stopped.record.draws.get()
    assert draw.given_mg is not None
    assert draw.drawn_mg == draw.given_mg + (draw.wasted_mg or 0)
    assert draw.given_mg < stopped.record.orders.get().dose_mg  # by R8
    assert DrugDraw.objects.filter(wasted_mg__gt=0, witness__isnull=False).count() > 5
    assert Discrepancy.objects.filter(settled_at__isnull=True).count() == 1
    assert Discrepancy.objects.filter(settled_at__isnull=False).count() == 1
    assert RemsForm.objects.filter(sent_at__isnull=True).exists()
    assert DoseOrder.objects.exclude(change_reason="").exists()


def assert_today_is_going_on(now: datetime) -> None:
    """Everybody who is here has a record that fits the step of their visit."""
    here = InfusionRecord.objects.filter(visit__booking__status__in=["in_chair", "observing"])
    assert here.count() == Booking.objects.filter(
        kind=BookingKind.INFUSION, status__in=["in_chair", "observing"]
    ).count()  # fmt: skip
    for record in here.select_related("visit__booking"):
        desk = read_desk(record.visit.booking_id, now=now)
        assert desk.run.is_over == (desk.booking.status == "observing")
        assert desk.run.is_over or desk.run.remaining(now) > timedelta()


def phases_at(now: datetime) -> set[str]:
    """What the chairs of all locations show at this moment."""
    seats = [
        chair.seat for place in Location.objects.all() for chair in read_board(place, now=now).chairs if chair.seat
    ]
    late = {
        "late" if seat.is_late else "in time" for seat in seats if seat.phase in (DayPhase.INFUSING, DayPhase.PAUSED)
    }
    held = {"held" for seat in seats if seat.pressure and seat.pressure.systolic_mmhg == HELD_MMHG}
    return {str(seat.phase) for seat in seats} | late | held


HELD_MMHG = 166


@pytest.mark.slow
def test_in_the_late_afternoon_it_lives_as_well() -> None:
    now = THURSDAY_AT_ELEVEN + timedelta(hours=5, minutes=33)
    done = load_demo(now=now, import_people=some_people, report=lambda _: None)
    assert done.skipped == ()
    assert_the_days_before_are_on_record(now)
    assert_today_is_going_on(now)
    assert phases_at(now) >= {"observing"}
