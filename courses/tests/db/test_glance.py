"""A sweep of all courses looks at their numbers first. It leaves out no course that a sweep of that course alone finds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from importlib import import_module

import pytest

from clinic.tests.factories import make_clinic
from courses.models import Course, TaskKind
from courses.services.worklists import glance, once
from courses.services.worklists.engine import MODULES, sweep
from courses.services.worklists.glance import glance_at
from courses.services.worklists.once import one_sweep
from courses.tests.booster_kit import come_back, helped, score
from courses.tests.outcome_kit import course_with, put_score
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
LATER = at(date(2027, 5, 28), "12:00")
LOOKED_AT_FIRST = (TaskKind.WORSE, TaskKind.REVIEW, TaskKind.BOOSTER, TaskKind.MEASURE, TaskKind.LONG_TERM)


def keys(kind: TaskKind, course_id: int | None = None) -> set[str]:
    with one_sweep():
        return {one.key for one in import_module(MODULES[kind]).wanted(LATER, course_id)}


def one_by_one(kind: TaskKind, courses: Iterable[int]) -> set[str]:
    return {key for pk in courses for key in keys(kind, pk)}


@pytest.fixture(autouse=True)
def _look_at_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "FEW", 1)


@pytest.fixture
def several() -> list[Booked]:
    """Better, worse by 5 and by 4, in danger, back after a response, without a baseline, and not begun."""
    clinic = make_clinic(chairs=8)

    def somebody(number: int) -> Booked:
        return book(clinic=clinic, patient=make_patient("Robin", f"Fictional{number}", home_location=clinic.location))

    made = [
        course_with(18, 14, 10, 6, booked=somebody(1)),
        course_with(18, 20, 23, booked=somebody(2)),
        course_with(18, 20, 22, booked=somebody(3)),
        course_with(18, 14, 10, booked=somebody(4)),
        course_with(None, 14, 20, booked=somebody(5)),
        somebody(6),
    ]
    put_score(made[3], april(10), 9, danger=2)
    for number, kept in ((7, helped), (8, come_back)):
        patient = make_patient("Robin", f"Fictional{number}", home_location=clinic.location)
        made.append(kept(clinic=clinic, patient=patient))
    return made


@pytest.mark.parametrize("kind", LOOKED_AT_FIRST)
def test_all_courses_at_once_ask_for_the_same_tasks_as_one_by_one(several: list[Booked], kind: TaskKind) -> None:
    courses = [one.course.pk for one in several]
    assert Course.objects.count() == len(courses)
    assert keys(kind) == one_by_one(kind, courses)


def test_what_there_is_to_find_was_among_them(several: list[Booked]) -> None:
    """Else the comparison above could not fail. Worse: F1 and case 6 (+5), and a new answer about suicide (case 9)."""
    assert len(keys(TaskKind.WORSE)) == 2
    assert len(keys(TaskKind.BOOSTER)) == 1
    assert all(keys(kind) for kind in LOOKED_AT_FIRST[:4])


def test_the_look_knows_who_is_above_the_start_and_who_rises(several: list[Booked]) -> None:
    found = glance_at([one.course for one in several])
    seen = [
        (found[one.course.pk].is_above, found[one.course.pk].is_rising) for one in several if one.course.pk in found
    ]
    assert seen[:2] == [(False, False), (True, True)]
    assert seen[-1] == (False, True)
    assert several[5].course.pk not in found  # nothing is given


def test_a_new_score_is_seen_by_the_next_sweep(several: list[Booked]) -> None:
    """Nothing that was read in one sweep is remembered in the next."""
    sweep(LATER, kinds=[TaskKind.WORSE])
    row = score(several[0], april(13), 24)
    assert f"worse:{row.pk}" in keys(TaskKind.WORSE)
    assert once.read_before("glances") is None
