"""Courses interrupted (R6) wait on a list until a prescriber has decided."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus, Task, TaskEnd, TaskKind
from courses.services import courses, moves
from courses.services.worklists import interrupted
from courses.services.worklists.engine import Swept, end_task, sweep
from courses.tests.db.test_dropout import copy_of
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
KINDS = (TaskKind.INTERRUPTED,)


@pytest.fixture
def paused() -> Booked:
    """T-MWF6: 1 to 3 given (5, 7, 9 April), the rest cancelled; interrupted on Sat 24 April, day 15 (R6)."""
    booked = book()
    booked.give(1, 2, 3)
    for number in (4, 5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=at(april(10)))
    courses.mark_interrupted(at(april(24)))
    return booked


def the_task() -> Task:
    return Task.objects.get(kind=TaskKind.INTERRUPTED)


def test_an_interrupted_course_has_one_task_due_on_the_day_it_became_so(paused: Booked) -> None:
    assert sweep(at(april(26)), kinds=KINDS) == Swept(opened=1, settled=0)
    assert sweep(at(april(26), "08:00"), kinds=KINDS) == Swept(0, 0)
    task = the_task()
    assert (task.due_on, task.course_id) == (april(24), paused.course.pk)
    assert task.text == "Interrupted at infusion 4 of 6: the prescriber decides how it goes on."
    assert task.facts["said"] == (
        "Nothing was given since infusion 3 on Fri 9 Apr: 3 of 6 so far. Continue, restart or close."
    )
    assert task.key == f"interrupted:{paused.course.pk}:{paused.infusion(3).pk}:0"


def test_a_running_course_has_none(paused: Booked) -> None:
    Course.objects.filter(pk=paused.course.pk).update(status=CourseStatus.ACTIVE)
    assert sweep(at(april(24)), kinds=KINDS) == Swept(0, 0)


@pytest.mark.parametrize("how", ["continue", "restart", "close"])
def test_each_decision_settles_it_and_says_whose(paused: Booked, how: str) -> None:
    sweep(at(april(24)), kinds=KINDS)
    now = at(april(26))
    if how == "continue":
        courses.continue_course(paused.course.pk, reason="Back", by=paused.clinician, now=now)
    else:
        status = CourseStatus.STOPPED
        courses.close_course(
            paused.course.pk, status=status, reason="Moved", by=paused.clinician, now=now, restart=how == "restart"
        )
    sweep(now + timedelta(minutes=5), kinds=KINDS)
    task = the_task()
    assert task.closed_at is not None
    if how == "continue":
        assert task.closed_how == TaskEnd.SETTLED
        assert task.closed_text == f"Continued after a pause of 17 days. {paused.clinician} decided."
    assert not Task.objects.open().filter(kind=TaskKind.INTERRUPTED).exists()


def test_only_a_prescriber_sets_it_aside(paused: Booked) -> None:
    sweep(at(april(24)), kinds=KINDS)
    task = the_task()
    for person in (paused.desk, paused.nurse):
        with pytest.raises(PermissionDenied):
            end_task(task.pk, how=TaskEnd.DECLINED, text="Later", by=person, now=at(april(25)))
    end_task(task.pk, how=TaskEnd.DECLINED, text="Decides on Monday", by=paused.clinician, now=at(april(25)))
    assert sweep(at(april(26)), kinds=KINDS) == Swept(0, 0), "set aside by a person, it stays so"


def test_interrupted_again_after_it_was_continued_it_is_a_new_task(paused: Booked) -> None:
    sweep(at(april(24)), kinds=KINDS)
    courses.continue_course(paused.course.pk, reason="Back", by=paused.clinician, now=at(april(26)))
    sweep(at(april(26), "08:00"), kinds=KINDS)
    Course.objects.filter(pk=paused.course.pk).update(status=CourseStatus.INTERRUPTED)
    assert sweep(at(april(27)), kinds=KINDS).opened == 1
    assert Task.objects.open().get(kind=TaskKind.INTERRUPTED).key.endswith(":1")


@pytest.mark.parametrize("many", [2, 20])
def test_twenty_courses_cost_what_two_cost(paused: Booked, queries: Queries, many: int) -> None:
    for number in range(1, many):
        copy_of(paused, number)
    now = at(april(26))
    with queries("interrupted: wanted"):
        found = list(interrupted.wanted(now, None))
    assert len(found) == many
    sweep(now, kinds=KINDS)
    Course.objects.filter(pk=paused.course.pk).update(status=CourseStatus.ACTIVE)
    tasks = list(Task.objects.open().filter(kind=TaskKind.INTERRUPTED))
    with queries("interrupted: settled"):
        said = interrupted.settled(tasks, now)
    assert len(said) == 1
