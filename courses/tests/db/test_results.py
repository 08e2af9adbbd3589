"""What every course of the cohort achieved: row by row as reckoned by hand, and as a naive calculation finds it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from courses.models import Course, CourseResult, Infusion, OutcomeDefinition, ResultDue
from courses.services.outcomes import outcomes_of_many
from courses.services.results import UpToDate, bring_up_to_date, count_due, work_out
from courses.tasks.reports import refresh
from courses.tests.cohort import NOW, load_cohort, only
from courses.tests.cohort_rows import ROWS, Facts, Row
from courses.tests.naive import naive
from patients.models import Patient
from patients.services.merge import merge_patients, undo_merge
from patients.tests.factories import make_patient, make_request

pytestmark = pytest.mark.django_db


def rounded(percent: Decimal | None) -> str | None:
    return None if percent is None else str(percent.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))


def later_of(row: CourseResult) -> tuple[Any, ...] | None:
    if not row.later_end:
        return None
    assert row.later_score is not None
    return int(row.later_score), rounded(row.later_improvement), row.later_end, row.is_later_remission


def facts_of(row: CourseResult) -> Facts:
    """A stored row in the words of the table."""
    return Facts(
        given=row.n_given,
        last=(row.last_on - row.started_on).days,
        span=row.span_days,
        on_window=row.gaps_on_window,
        completed=row.is_completed,
        kit=row.is_kit_completed,
        dropped=row.is_dropped_out,
        changes_on=row.changes_on,
        over=row.is_over,
        measure=row.measure,
        baseline=int(row.baseline) if row.baseline is not None else None,
        evaluable=row.is_evaluable,
        end=row.end,
        score=int(row.end_score) if row.end_score is not None else None,
        percent=rounded(row.end_improvement),
        remission=row.is_remission,
        first=row.first_response,
        speed=row.speed,
        lost=row.is_responder_lost,
        increase=row.has_any_increase,
        worse=row.has_worsened,
        danger=row.has_new_danger,
        later=later_of(row),
        held=row.held_days,
        relapsed=row.has_relapsed,
        censored=row.censored_by,
        maintenance_day=row.maintenance_day,
        given_in_all=row.n_given_in_all if row.n_given_in_all != row.n_given else None,
        mg=str(row.given_mg) if row.given_mg is not None else None,
        mg_per_kg=str(row.dose_mg_per_kg) if row.dose_mg_per_kg is not None else None,
        effects=(row.infusions_with_effects, row.infusions_stopped, row.serious_effects),
        severity=row.severity,
        failures=row.previous_failures,
    )


def test_each_of_the_forty_courses_achieved_what_was_reckoned_by_hand() -> None:
    cohort = load_cohort()
    stored = {key: CourseResult.objects.get(course=course) for key, course in cohort.courses.items()}
    assert len(stored) == 40
    assert {key: facts_of(row) for key, row in stored.items()} == {key: row.facts for key, row in ROWS.items()}


def test_a_second_calculation_from_the_rows_alone_finds_the_same() -> None:
    cohort = load_cohort()
    for key, course in cohort.courses.items():
        row, expected = CourseResult.objects.get(course=course), naive(key)
        percent = expected.pop("end_improvement")
        found = {name: getattr(row, name) for name in expected}
        assert (key, found) == (key, expected)
        if percent is None:
            assert row.end_improvement is None
        else:  # stored to six places
            assert row.end_improvement is not None
            assert abs(Fraction(row.end_improvement) - percent) <= Fraction(1, 2_000_000)


# -- case 37 of clinical.md --------------------------------------------------------------------------------------------
def case_37() -> dict[str, Row]:
    """20 courses of one or two infusions, 36 in all, 13 with a side effect; the score is taken the day after the last."""
    scores: list[dict[int, int]] = [
        *[{2: 3}] * 2,  # no baseline, however good the end
        {-4: 8, 2: 4, 3: 4},  # baseline 8, remission
        *[{-4: 20, 1: 4, 3: 4}] * 6,  # response and remission
        *[{-4: 20, 1: 8, 3: 8}] * 5,  # response
        *[{-4: 20, 1: 15, 3: 15}] * 6,  # 25 % better: none
    ]
    rows = {}
    for number, phq9 in enumerate(scores):
        days = (0,) if number in (0, 3, 9, 14) else (0, 2)  # four with one infusion, sixteen with two: 36
        effects = (
            {1: (False, False)} if number < 13 else {}
        )  # two effects at one infusion are one infusion with effects
        rows[f"{number:02}"] = Row(
            about="Case 37",
            start="2027-03-01",
            days=days,
            n=len(days),
            phq9=phq9,
            effects=effects,
            facts=Facts(baseline=None, end=""),
        )
    return rows


def test_case_37_every_share_has_its_own_denominator() -> None:
    """Response 11/17, remission 6/17 of the evaluable and 7/18 of all with a baseline, 2 without; effects 13/36."""
    load_cohort(case_37())
    rows = CourseResult.objects.all()
    evaluable = rows.filter(is_evaluable=True)
    with_baseline = rows.filter(baseline__isnull=False)
    assert rows.count() == 20
    assert (evaluable.filter(end="RESPONSE").count(), evaluable.count()) == (11, 17)
    assert (evaluable.filter(is_remission=True).count(), evaluable.count()) == (6, 17)
    assert (with_baseline.filter(is_remission=True).count(), with_baseline.count()) == (7, 18)
    assert rows.filter(end="NO_BASELINE").count() == 2
    assert rows.filter(end="NOT_EVALUABLE").count() == 1
    assert rows.aggregate(with_effects=Sum("infusions_with_effects"), given=Sum("n_given_in_all")) == {
        "with_effects": 13,
        "given": 36,
    }


# -- kept up to date ---------------------------------------------------------------------------------------------------
def test_a_few_who_are_due_are_worked_out_while_the_page_waits(django_assert_num_queries: Any) -> None:
    cohort = load_cohort(only("01", "16"), is_worked_out=False)
    assert bring_up_to_date(NOW) == UpToDate(waiting=0, as_of=NOW)
    assert set(CourseResult.objects.values_list("course", flat=True)) == {one.pk for one in cohort.courses.values()}
    with django_assert_num_queries(1):
        assert bring_up_to_date(NOW).waiting == 0


def test_of_many_who_are_due_the_page_is_told_and_the_task_begins(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """38 patients are few, 41 are many."""
    load_cohort(is_worked_out=False)
    for number in range(3):
        ResultDue.objects.create(patient=make_patient("Due", str(number)))
    sent: list[str] = []
    monkeypatch.setattr("clinic.services.jobs._send", lambda task, _arguments: sent.append(task))
    with django_capture_on_commit_callbacks(execute=True):
        assert bring_up_to_date(NOW).waiting == 41
    assert sent == ["courses.tasks.reports.refresh"]
    assert not CourseResult.objects.exists()
    with time_machine.travel(NOW, tick=False):
        assert refresh() == 41
    assert bring_up_to_date(NOW).waiting == 0
    assert CourseResult.objects.count() == 40


def test_a_running_course_drops_out_on_its_day_although_nobody_writes_anything() -> None:
    """Course 06: the last infusion was on Fri 17 Dec in New York; from Sat 1 Jan 0:00 there it has dropped out."""
    course = load_cohort(only("06")).courses["06"]
    eve = datetime(2028, 1, 1, 4, 59, tzinfo=UTC)  # 23:59 in New York
    assert bring_up_to_date(eve).waiting == 0
    assert not CourseResult.objects.get(course=course).is_dropped_out
    assert count_due(eve) == 0
    bring_up_to_date(eve + timedelta(minutes=1))
    row = CourseResult.objects.get(course=course)
    assert (row.is_dropped_out, row.changes_on) == (True, None)


def test_a_course_whose_infusions_were_all_taken_back_loses_its_row() -> None:
    cohort = load_cohort(only("21", "24"))
    gone, kept = cohort.courses["21"], cohort.courses["24"]
    Infusion.objects.filter(phase__course=gone).update(status="withheld")
    bring_up_to_date(NOW)
    assert list(CourseResult.objects.values_list("course", flat=True)) == [kept.pk]


def test_the_rows_follow_a_merge_and_its_undoing() -> None:
    course = load_cohort(only("16")).courses["16"]
    duplicate, kept = course.patient, make_patient("Ada", "Kept", referrer="Dr. Lee")
    by = course.prescriber
    merge = merge_patients(kept_id=kept.pk, duplicate_id=duplicate.pk, by=by, now=NOW)
    bring_up_to_date(NOW)
    row = CourseResult.objects.get(course=course)
    assert (row.patient_id, row.referrer) == (kept.pk, "Dr. Lee")
    undo_merge(merge_id=merge.pk, by=by, now=NOW)
    bring_up_to_date(NOW)
    row = CourseResult.objects.get(course=course)
    assert (row.patient_id, row.referrer) == (duplicate.pk, "")


def test_a_write_between_two_records_of_a_merge_reaches_the_course_of_the_other() -> None:
    """What was due under the duplicate's name is worked out for the record that has the course by now."""
    course = load_cohort(only("16")).courses["16"]
    duplicate, kept = course.patient, make_patient("Ada", "Kept")
    merge_patients(kept_id=kept.pk, duplicate_id=duplicate.pk, by=course.prescriber, now=NOW)
    bring_up_to_date(NOW)
    CourseResult.objects.filter(course=course).update(held_days=1)
    ResultDue.objects.create(patient=duplicate)
    bring_up_to_date(NOW)
    assert CourseResult.objects.get(course=course).held_days == 32


def test_the_referrer_is_the_patient_s_else_that_of_the_latest_request_which_names_one() -> None:
    course = load_cohort(only("16")).courses["16"]
    for day, name in ((1, "Dr. Old"), (3, ""), (2, "Dr. New")):
        asked = datetime(2027, 1, day, tzinfo=UTC)
        make_request(course.location, patient=course.patient, referrer=name, received_at=asked)
    bring_up_to_date(NOW)
    assert CourseResult.objects.get(course=course).referrer == "Dr. New"
    Patient.objects.filter(pk=course.patient_id).update(referrer="Dr. Own")
    bring_up_to_date(NOW)
    assert CourseResult.objects.get(course=course).referrer == "Dr. Own"


def test_a_course_is_judged_by_its_own_version_of_the_terms() -> None:
    """By terms that ask for 70 % better, 60 % is a partial response."""
    course = load_cohort(only("16")).courses["16"]
    terms = OutcomeDefinition.objects.create(
        number=3,
        response_percent=70,
        evaluable_min={"phq9": 10},
        reason="Stricter",
        created_at=NOW,
        created_by=course.prescriber,
    )
    Course.objects.filter(pk=course.pk).update(outcome_definition=terms)
    bring_up_to_date(NOW)
    row = CourseResult.objects.get(course=course)
    assert (row.end, row.terms_number) == ("PARTIAL", 3)


def test_the_number_of_queries_does_not_hang_on_the_number_of_patients(
    django_assert_num_queries: Any,
) -> None:
    cohort = load_cohort()
    one = [cohort.courses["01"].patient_id]
    with CaptureQueriesContext(connection) as few:
        work_out(one, NOW)
    with django_assert_num_queries(len(few)):
        work_out({course.patient_id for course in cohort.courses.values()}, NOW)


def test_the_page_of_a_course_and_its_result_say_the_same() -> None:
    """Both read the database in their own way; what they find goes through one judge."""
    cohort = load_cohort()
    judged = outcomes_of_many([course.pk for course in cohort.courses.values()])
    for key, course in cohort.courses.items():
        row, found = CourseResult.objects.get(course=course), judged[course.pk]
        outcome = found.outcome
        assert (key, row.measure, row.end, row.is_over) == (key, found.measure, outcome.end.name, found.is_over)
        assert (key, row.end_score) == (key, outcome.end_score.value if outcome.end_score else None)
        assert (key, row.first_response) == (key, outcome.first_response)


def test_the_command_works_everything_out_and_says_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    load_cohort(is_worked_out=False)
    call_command("work_out_results")
    assert "40 courses worked out" in capsys.readouterr().out
    assert not ResultDue.objects.exists()
