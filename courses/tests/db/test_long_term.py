"""Long-term checks: memory, bladder, cravings, and the number of infusions in a year (clinical.md E4, A 128-131)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, FollowUpSettings, Infusion, Task, TaskEnd, TaskKind
from courses.services.follow_up_acts import waive_item
from courses.services.worklists import long_term
from courses.services.worklists.engine import end_task, sweep
from courses.tests.follow_kit import add_phase, make_plain_course
from courses.tests.series_kit import april, at
from patients.models import Patient
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_score

pytestmark = pytest.mark.django_db

KINDS = (TaskKind.LONG_TERM,)
SERIES = [april(day) for day in (5, 7, 9, 12, 14, 16)]
MAY = date(2027, 5, 14)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def patient() -> Patient:
    return make_patient()


def weekly(count: int, first: date = date(2027, 4, 23)) -> list[date]:
    return [first + timedelta(days=7 * week) for week in range(count)]


def maintained(clinic: Clinic, patient: Patient, days: list[date], status: str = "given") -> Course:
    course = make_plain_course(clinic, patient, SERIES)
    add_phase(course, days, kind="maintenance", status=status)
    return course


def open_texts() -> list[str]:
    return [task.text for task in Task.objects.open().order_by("due_on", "id")]


def test_bladder_and_cravings_are_due_on_the_day_of_a_maintenance_visit(clinic: Clinic, patient: Patient) -> None:
    course = maintained(clinic, patient, [MAY], status="booked")
    assert sweep(at(MAY - timedelta(days=1)), kinds=KINDS).opened == 0
    assert sweep(at(MAY), kinds=KINDS).opened == 1
    assert sweep(at(MAY), kinds=KINDS).opened == 0
    task = Task.objects.get()
    assert task.text == "Long-term check due by Fri 14 May: bladder and cravings, maintenance infusion 1."
    assert task.facts["measures"] == ["ICSI", "Craving"]
    make_score(patient, "icsi", 3, clinic.nurse, at(MAY, "10:00"))
    waive_item(
        course, key=task.facts["item"], measures=["craving"], reason="Asked", by=clinic.nurse, now=at(MAY, "10:05")
    )
    sweep(at(MAY, "10:10"), kinds=KINDS)
    task.refresh_from_db()
    assert (task.closed_how, task.closed_text) == (TaskEnd.SETTLED, "ICSI entered on Fri 14 May and Craving waived.")


def test_a_check_of_last_week_is_enough_for_this_visit(clinic: Clinic, patient: Patient) -> None:
    """Source: clinical.md E4: every visit or monthly."""
    maintained(clinic, patient, [MAY - timedelta(days=7), MAY], status="booked")
    for code in ("icsi", "craving"):
        make_score(patient, code, 1, clinic.nurse, at(MAY - timedelta(days=7)))
    assert sweep(at(MAY), kinds=KINDS).opened == 0


def test_a_clinic_that_asks_twice_a_year_is_content_with_a_check_of_five_months_ago(
    clinic: Clinic, patient: Patient
) -> None:
    FollowUpSettings.objects.create(location=clinic.location, bladder_days=182)
    day = date(2027, 9, 30)
    maintained(clinic, patient, [day], status="booked")
    for code in ("icsi", "craving"):
        make_score(patient, code, 1, clinic.nurse, at(day - timedelta(days=150)))
    assert sweep(at(day), kinds=KINDS).opened == 0
    sweep(at(day + timedelta(days=90)), kinds=KINDS)  # so old a score is still read, when the visit itself is old
    assert not Task.objects.filter(key__contains="bladder").exists()


def test_a_missed_check_waits_until_the_next_visit_asks_for_it_anew(clinic: Clinic, patient: Patient) -> None:
    maintained(clinic, patient, [MAY, MAY + timedelta(days=7)], status="booked")
    sweep(at(MAY), kinds=KINDS)
    first = Task.objects.get()
    sweep(at(MAY + timedelta(days=6)), kinds=KINDS)
    first.refresh_from_db()
    assert first.closed_at is None
    sweep(at(MAY + timedelta(days=7)), kinds=KINDS)
    first.refresh_from_db()
    assert first.closed_text == "The check of a later visit has taken its place."
    assert open_texts() == ["Long-term check due by Fri 21 May: bladder and cravings, maintenance infusion 2."]


def test_a_visit_that_moves_takes_its_check_along(clinic: Clinic, patient: Patient) -> None:
    course = maintained(clinic, patient, [MAY], status="booked")
    sweep(at(MAY), kinds=KINDS)
    Infusion.objects.filter(phase__course=course, day=MAY).update(day=MAY + timedelta(days=5))
    sweep(at(MAY), kinds=KINDS)
    assert Task.objects.get().closed_text == "It moved with its infusion: in time until Wed 19 May now."
    sweep(at(MAY + timedelta(days=5)), kinds=KINDS)
    assert Task.objects.open().get().key.endswith("#2")


def test_memory_is_due_at_the_twelfth_infusion(clinic: Clinic, patient: Patient) -> None:
    """Source: clinical.md E4: every 6 months or every 12 infusions; A 128, 137."""
    days = weekly(6)
    maintained(clinic, patient, days)
    for day in days:
        make_score(patient, "icsi", 1, clinic.nurse, at(day))
        make_score(patient, "craving", 1, clinic.nurse, at(day))
    FollowUpSettings.objects.create(location=clinic.location, many_infusions=20)
    assert sweep(at(days[-1] - timedelta(days=1)), kinds=KINDS).opened == 0
    sweep(at(days[-1]), kinds=KINDS)
    assert open_texts() == ["Long-term check due by Fri 11 Jun: memory and thinking."]
    make_score(patient, "slums", 28, clinic.nurse, at(days[-1]))
    sweep(at(days[-1]), kinds=KINDS)
    assert Task.objects.get().closed_text == "SLUMS entered on Fri 28 May."


def test_twelve_infusions_within_a_year_ask_to_look_at_the_number(clinic: Clinic, patient: Patient) -> None:
    """Source: clinical.md A 131."""
    maintained(clinic, patient, weekly(5))
    now = at(weekly(6)[-1], "18:00")
    assert not [one for one in long_term.wanted(now, None) if one.key.startswith("many")]
    add_phase(Course.objects.get(), [weekly(6)[-1]], kind="booster")
    (found,) = (one for one in long_term.wanted(now, None) if one.key.startswith("many"))
    assert found.text == "12 infusions given within 12 months, 12 in all: look at the number of treatments."
    assert found.key == f"many:{patient.pk}:12"
    sweep(now, kinds=KINDS)
    task = Task.objects.get(key=found.key)
    sweep(now, kinds=KINDS)
    task.refresh_from_db()
    assert task.closed_at is None  # only a person ends it
    end_task(task.pk, how=TaskEnd.DECIDED, text="Spaced to 6 weeks", by=clinic.clinician, now=now)
    sweep(now, kinds=KINDS)
    assert not Task.objects.open().filter(key__startswith="many").exists()


def test_infusions_of_an_earlier_course_count_and_an_undone_one_does_not(clinic: Clinic, patient: Patient) -> None:
    make_plain_course(clinic, patient, SERIES, status="completed")
    course = make_plain_course(clinic, patient, weekly(6))
    now = at(weekly(6)[-1], "18:00")
    sweep(now, kinds=KINDS)
    task = Task.objects.get(key=f"many:{patient.pk}:12")
    assert task.course == course
    Infusion.objects.filter(phase__course=course, number=6).update(status="booked")
    sweep(now, kinds=KINDS)
    task.refresh_from_db()
    assert task.closed_text == "An infusion was undone: fewer were given."


def test_a_closed_course_ends_its_checks(clinic: Clinic, patient: Patient) -> None:
    course = maintained(clinic, patient, weekly(6))
    now = at(weekly(6)[-1])
    sweep(now, kinds=KINDS)
    assert len(open_texts()) > 1
    Course.objects.filter(pk=course.pk).update(status="completed", closed_on=MAY)
    sweep(now, kinds=KINDS)
    assert open_texts() == []


def test_the_list_needs_as_many_queries_for_twenty_courses_as_for_two(clinic: Clinic, queries: Queries) -> None:
    now = at(weekly(6)[-1])
    for number in range(20):
        maintained(clinic, make_patient("Robin", f"Fictional{number:02d}"), weekly(6))
        if number in (1, 19):
            with queries("worklists:long_term"):
                found = list(long_term.wanted(now, None))
            assert len({one.course_id for one in found}) == number + 1
    sweep(now, kinds=KINDS)
    for count in (2, 100):
        rows = [*Task.objects.open().filter(key__startswith="many")[:count], *Task.objects.open()[:count]]
        with queries("worklists:long_term settled"):
            assert long_term.settled(rows, now) == {}
