"""Two people write about the same care, or close the same course, at the same instant (real connections)."""

from __future__ import annotations

from datetime import datetime
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from clinic.tests.fixtures.parallel import Parallel
from courses.models import CareItem, Course, CourseStatus, Revision, RevisionKind
from courses.services import care, courses
from courses.services.series_changes import ChangedMeanwhileError
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db(transaction=True)
NOW: datetime = at(april(15), "12:00")


def add(booked: Booked) -> CareItem:
    values = {"kind": "lifestyle", "title": "Sleep", "responsible": "Ada", "started_on": april(6), "on_chart": True}
    return care.add_care(booked.course.pk, values=values, by=booked.nurse, now=NOW)


def before_saving(monkeypatch: pytest.MonkeyPatch, wait: Any) -> None:
    """Everybody has looked whether it is there before anybody writes."""
    save = CareItem.save

    def slow(self: CareItem, *args: Any, **kwargs: Any) -> None:
        wait()
        save(self, *args, **kwargs)

    monkeypatch.setattr(CareItem, "save", slow)


def test_without_the_lock_the_same_goal_is_added_twice(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    booked = book()
    unlocked = Course.objects.select_related("location")
    monkeypatch.setattr(care, "lock_course", lambda pk: unlocked.get(pk=pk))
    before_saving(monkeypatch, Barrier(2, timeout=20).wait)
    assert [one.error for one in parallel(2, lambda _: add(booked))] == [None, None]
    assert CareItem.objects.count() == 2


def test_with_it_the_second_is_told(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    booked = book()
    before_saving(monkeypatch, lambda: sleep(0.3))
    errors = [one.error for one in parallel(2, lambda _: add(booked)) if one.error is not None]
    assert len(errors) == 1
    assert isinstance(errors[0], ValidationError)
    assert "This is there already" in errors[0].message_dict["title"][0]
    assert CareItem.objects.count() == 1


def test_two_prescribers_close_the_course_in_two_ways_and_one_is_told(parallel: Parallel) -> None:
    booked = book()
    ends = [CourseStatus.LOST, CourseStatus.STOPPED]

    def close(index: int) -> Course:
        known = {"reason": "Rang three times", "by": booked.clinician, "now": at(april(3))}
        return courses.close_course(booked.course.pk, status=ends[index], **known)

    errors = [one.error for one in parallel(2, close) if one.error is not None]
    assert len(errors) == 1
    assert isinstance(errors[0], ChangedMeanwhileError)
    assert Revision.objects.filter(course=booked.course, kind=RevisionKind.CLOSED).count() == 1
