"""The migration of the reports runs both ways with courses in the tables, and marks every patient of theirs."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from courses.models import Course, CourseResult, ResultDue
from courses.services.results import bring_up_to_date
from courses.tests.cohort import NOW, load_cohort, only
from patients.tests.factories import make_patient

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_back_and_forth_everybody_with_a_course_is_due_and_the_triggers_stand_again() -> None:
    cohort = load_cohort(only("16", "27", "28"))  # two courses are one patient's
    make_patient("Without", "Course")
    patients = sorted({course.patient_id for course in cohort.courses.values()})
    try:
        call_command("migrate", "courses", "0013", verbosity=0)
        assert "courses_courseresult" not in connection.introspection.table_names()
        Course.objects.filter(pk=cohort.courses["16"].pk).update(status="stopped")  # no trigger is left to fail
    finally:
        call_command("migrate", "courses", verbosity=0)
    assert sorted(ResultDue.objects.values_list("patient", flat=True)) == patients
    assert bring_up_to_date(NOW).waiting == 0
    assert CourseResult.objects.count() == 3
    Course.objects.filter(pk=cohort.courses["16"].pk).update(status="completed")
    assert ResultDue.objects.get().patient_id == cohort.courses["16"].patient_id
