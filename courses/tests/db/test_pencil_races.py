"""A pencilled series is confirmed and released at the same moment: one of them happens, never both. Real connections."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest

from clinic.models import Allocation
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from courses.models import Course, CourseStatus, Revision, RevisionKind
from courses.services import pencils
from courses.services.pencils import confirm_pencilled, release_pencil
from courses.services.series_changes import ChangedMeanwhileError
from courses.services.series_state import read_latest_series
from courses.tests.factories import LONG_BEFORE, make_course, make_protocol_version, make_settings
from patients.pure.indications import Indication
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_ready

MONDAY = date(2027, 1, 11)
BEFORE = LONG_BEFORE + timedelta(hours=47, minutes=59)
AFTER = LONG_BEFORE + timedelta(hours=48)
BOTH = {RevisionKind.CONFIRMED, RevisionKind.RELEASED}


def held() -> tuple[Clinic, Course]:
    clinic = make_clinic()
    ada = make_patient()
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    course = make_course(clinic, ada, settings, is_ready=False, pencil=True)
    make_ready(ada, Indication.TRD, clinic.location, clinic.clinician, LONG_BEFORE)
    return clinic, course


def race(parallel: Parallel, clinic: Clinic, course: Course) -> list[Any]:
    def act(index: int) -> Any:
        if index == 0:
            return confirm_pencilled(course.pk, by=clinic.clinician, now=BEFORE)
        return release_pencil(course.pk, now=AFTER)

    return parallel(2, act)


def happened() -> set[str]:
    return set(Revision.objects.filter(kind__in=BOTH).values_list("kind", flat=True))


def test_without_the_lock_both_would_happen(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic, course = held()
    gate = threading.Barrier(2)

    def unlocked(course_id: int) -> Any:
        series = read_latest_series(course_id)
        gate.wait(10)  # both have looked before either writes
        return series.course, series

    monkeypatch.setattr(pencils, "locked_course", unlocked)
    race(parallel, clinic, course)
    assert happened() == BOTH


@pytest.mark.parametrize("turn", range(3))
def test_exactly_one_of_them_happens(parallel: Parallel, turn: int) -> None:
    clinic, course = held()
    confirmed, released = race(parallel, clinic, course)
    course.refresh_from_db()
    assert course.pencilled_until is None
    if confirmed.error is None:
        assert happened() == {RevisionKind.CONFIRMED}
        assert released.value is False
        assert (course.status, Allocation.objects.held().count() > 0) == (CourseStatus.PLANNED, True)
    else:
        assert isinstance(confirmed.error, ChangedMeanwhileError)
        assert happened() == {RevisionKind.RELEASED}
        assert (course.status, Allocation.objects.held().count()) == (CourseStatus.STOPPED, 0)


def test_two_sweeps_release_it_once(parallel: Parallel) -> None:
    _, course = held()
    outcomes = parallel(3, lambda _index: release_pencil(course.pk, now=AFTER))
    assert sorted(outcome.value for outcome in outcomes) == [False, False, True]
    assert Revision.objects.filter(kind=RevisionKind.RELEASED).count() == 1
