"""Worse or in danger: F1 "worsening" and "new SI" in open courses open a task that only a person ends. Cases 6 and 9."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.exceptions import PermissionDenied

from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, Task, TaskEnd, TaskKind
from courses.services.worklists.engine import end_task, sweep
from courses.tests.booster_kit import score
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 5 April with a baseline of 18; 1 and 2 are given."""
    made = book()
    made.give(1, 2)
    return made


def look(day: date) -> list[Task]:
    sweep(at(day, "18:00"), kinds=[TaskKind.WORSE])
    return list(Task.objects.open().filter(kind=TaskKind.WORSE))


def test_five_points_above_the_baseline_open_a_task_and_four_do_not(booked: Booked, queries: Queries) -> None:
    """MCID 5 (case 6: worsening from +5 on, not from +3)."""
    score(booked, april(8), 22)
    assert look(april(8)) == []
    row = score(booked, april(9), 23)
    with queries("worse: a sweep", at_most=16):
        sweep(at(april(9), "18:00"), kinds=[TaskKind.WORSE])
    (task,) = look(april(9))
    assert task.key == f"worse:{row.pk}"
    assert task.facts["why"] == ["PHQ-9 23: 5 above the baseline of 18 (Fri 9 Apr)"]
    assert task.text == "A clinician looks at this course today"
    assert task.due_on == april(9)


def test_the_same_person_has_one_open_task_and_a_new_one_after_it_was_ended(booked: Booked) -> None:
    score(booked, april(8), 23)
    score(booked, april(9), 25)
    (task,) = look(april(9))
    end_task(task.pk, how=TaskEnd.DONE, text="Rang; stays at home", by=booked.clinician, now=at(april(9), "19:00"))
    assert look(april(10)) == []
    row = score(booked, april(12), 24)
    assert [one.key for one in look(april(12))] == [f"worse:{row.pk}"]


def test_new_thoughts_of_suicide_open_a_task_whatever_the_total(booked: Booked) -> None:
    """F1: from 0 to 1 or more, or up by 1; case 9: any answer above 0, whatever the total."""
    score(booked, april(2), 18, answers={"9": 0})
    score(booked, april(6), 8, answers={"9": 0})
    assert look(april(6)) == []
    score(booked, april(8), 2, answers={"9": 1})
    (task,) = look(april(8))
    assert task.facts["flags"] == ["danger"]
    assert task.facts["why"] == ["PHQ-9, question about suicide: 1 (was 0) (Thu 8 Apr)"]


def test_as_much_as_before_the_course_is_not_new_and_back_after_it_was_gone_is(booked: Booked) -> None:
    score(booked, april(2), 18, answers={"9": 1})
    score(booked, april(6), 12, answers={"9": 1})
    assert look(april(6)) == []
    score(booked, april(7), 9, answers={"9": 0})
    score(booked, april(9), 9, answers={"9": 1})
    assert len(look(april(9))) == 1


def test_worse_and_in_danger_at_one_answer_is_one_task_and_a_later_danger_is_another(booked: Booked) -> None:
    score(booked, april(6), 24, answers={"9": 0})
    assert len(look(april(6))) == 1
    score(booked, april(8), 24, answers={"9": 2})
    assert sorted(task.facts["flags"] for task in look(april(8))) == [["danger"], ["score"]]


def test_only_a_struck_answer_settles_it(booked: Booked) -> None:
    wrong = score(booked, april(8), 25)
    assert len(look(april(8))) == 1
    score(booked, april(9), 10)
    Course.objects.update(status="stopped", closed_on=april(9))
    assert len(look(april(9))) == 1
    type(wrong).objects.filter(pk=wrong.pk).update(
        struck_at=at(april(9)), struck_by=booked.nurse, struck_reason="Another patient's"
    )
    assert look(april(9)) == []
    assert "struck" in Task.objects.get().closed_text


def test_before_the_first_infusion_and_in_closed_courses_nothing_is_opened() -> None:
    planned = book()
    score(planned, april(2), 25)
    assert look(april(2)) == []
    planned.give(1)
    assert look(april(6)) == []  # the score is the baseline by now
    Course.objects.update(status="stopped", closed_on=april(6))
    score(planned, april(7), 27, answers={"9": 3})
    assert look(april(7)) == []


def test_setting_it_aside_is_a_prescribers_act(booked: Booked) -> None:
    score(booked, april(8), 25)
    (task,) = look(april(8))
    for user in (booked.desk, booked.nurse):
        with pytest.raises(PermissionDenied):
            end_task(task.pk, how=TaskEnd.DONE, text="Fine", by=user, now=at(april(8)))
    assert look(april(8)) == [task]
