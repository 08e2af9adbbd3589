"""Two people accept series that need the same times: exactly one is booked, the other not at all. Real connections."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from clinic.models import Allocation, Booking
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.parallel import Parallel
from courses.models import Course, Infusion, InfusionVisit, Phase, Revision
from courses.planning.types import Placed
from courses.services.series import OpenCourseError, SeriesRefusedError
from courses.tests.factories import make_course, make_plan, make_protocol_version, make_settings
from patients.tests.factories import make_patient

MONDAY = date(2027, 1, 11)
PARTS: dict[Any, int] = {Course: 1, Phase: 1, Infusion: 6, InfusionVisit: 6, Revision: 1, Booking: 6, Allocation: 30}


def counts() -> dict[Any, int]:
    return {model: model.objects.count() for model in PARTS}


def test_of_overlapping_series_exactly_one_is_booked_and_nothing_of_the_others(parallel: Parallel) -> None:
    clinic = make_clinic(chairs=1)
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    patients = [make_patient("Pat", f"Number{index}") for index in range(4)]
    plans = [make_plan(settings, patient) for patient in patients]
    assert len(set(plans)) == 1  # everybody saw the same free times

    outcomes = parallel(4, lambda index: make_course(clinic, patients[index], settings, placed=plans[index]))
    errors: list[Any] = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert [type(error) for error in errors] == [SeriesRefusedError] * 3
    assert all(error.taken == {1, 2, 3, 4, 5, 6} for error in errors)
    assert counts() == PARTS


def test_series_that_touch_in_one_visit_only_leave_nothing_half_saved(parallel: Parallel) -> None:
    clinic = make_clinic(chairs=1)
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    ada, mei = make_patient(), make_patient("Mei", "Chen")
    plan = make_plan(settings, ada)
    other = [one if one.number == 6 else _later(one) for one in plan]  # only the sixth visit is the same

    def accept(index: int) -> Course:
        return make_course(clinic, (ada, mei)[index], settings, placed=(plan, other)[index])

    outcomes = parallel(2, accept)
    errors: list[Any] = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert [type(error) for error in errors] == [SeriesRefusedError]
    assert errors[0].taken == {6}
    assert counts() == PARTS


def _later(one: Placed) -> Placed:
    assert one.start_min is not None
    return Placed(one.number, one.day, one.start_min + 180, one.chair_id, one.nurse_id, one.clinician_id)


def test_two_people_book_for_the_same_patient_and_one_course_stands(parallel: Parallel) -> None:
    clinic = make_clinic()
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    ada = make_patient()
    plan = make_plan(settings, ada)
    outcomes = parallel(3, lambda _index: make_course(clinic, ada, settings, placed=plan))
    course = next(outcome.value for outcome in outcomes if outcome.error is None)
    errors: list[Any] = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert [type(error) for error in errors] == [OpenCourseError] * 2
    assert {error.course for error in errors} == {course}
    assert counts() == PARTS


@pytest.mark.django_db
def test_the_plan_that_everybody_saw_is_really_free() -> None:
    """The other side of the races: without a rival the same plan is booked."""
    clinic = make_clinic(chairs=1)
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    make_course(clinic, make_patient(), settings)
    assert counts() == PARTS
