"""A series is booked whole or not at all; what goes against a rule needs a clinician's reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from clinic.models import Allocation, AllocationRole, Booking
from clinic.tests.factories import Clinic, make_clinic, make_closure
from courses.models import (
    Course,
    CourseStatus,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    Phase,
    ProtocolVersion,
    Revision,
    RevisionKind,
    RuleOverride,
)
from courses.planning.types import Rule
from courses.services.courses import close_course
from courses.services.series import OpenCourseError, SeriesRefusedError
from courses.tests.factories import LONG_BEFORE, make_course, make_plan, make_protocol_version, make_settings
from patients.models import Patient, PatientStatus, Unavailability
from patients.pure.indications import Indication
from patients.tests.factories import make_patient, make_unavailability

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 11)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(home_location=clinic.location)


@pytest.fixture
def settings(clinic: Clinic):
    return make_settings(clinic, make_protocol_version(), MONDAY)


def nothing_saved() -> bool:
    return not any(
        model.objects.exists() for model in (Course, Phase, Infusion, InfusionVisit, Revision, Booking, Allocation)
    )


def test_the_whole_series_stands_with_its_phase_and_its_revision(clinic: Clinic, ada: Patient, settings) -> None:
    course = make_course(clinic, ada, settings)
    assert (course.status, course.indication, course.prescriber) == (CourseStatus.PLANNED, "trd", clinic.clinician)
    phase = course.phases.get()
    assert (phase.kind, phase.n_planned, phase.not_before) == ("initial", 6, MONDAY)
    assert [(step.count, step.weekdays, step.min_gap_days, step.max_gap_days) for step in phase.steps.all()] == [
        (6, [0, 2, 4], 2, 4)
    ]
    infusions = list(phase.infusions.all())
    assert [one.number for one in infusions] == [1, 2, 3, 4, 5, 6]
    assert {one.status for one in infusions} == {InfusionStatus.BOOKED}
    assert [one.day.day for one in infusions if one.day] == [11, 13, 15, 18, 20, 22]
    visits = [one.visits.get() for one in infusions]
    assert all((visit.preparation_min, visit.infusion_min) == (20, 40) for visit in visits)
    assert [clinic.location.local(visit.booking.start).date() for visit in visits] == [one.day for one in infusions]
    revision = course.revisions.get()
    assert (revision.kind, revision.by) == (RevisionKind.BOOKED, clinic.clinician)
    assert revision.summary == "6 infusions booked, Mon 11 Jan to Fri 22 Jan."
    assert revision.after["infusions"][0]["start"] == "10:00"


def test_one_course_is_open_for_one_condition(clinic: Clinic, ada: Patient, settings) -> None:
    first = make_course(clinic, ada, settings)
    later = replace(settings, not_before=date(2027, 3, 1))
    with pytest.raises(OpenCourseError) as refused:
        make_course(clinic, ada, later)
    assert refused.value.course == first
    assert make_course(clinic, ada, later, indication=Indication.PTSD.value) != first


def test_a_closed_course_makes_room_for_the_next(clinic: Clinic, ada: Patient, settings) -> None:
    first = make_course(clinic, ada, settings)
    Course.objects.update(status=CourseStatus.COMPLETED)
    second = make_course(clinic, ada, replace(settings, not_before=date(2027, 3, 1)), previous=first)
    assert second.previous == first


def test_only_a_published_version_can_be_planned_with(clinic: Clinic, ada: Patient, settings) -> None:
    plan = make_plan(settings, ada)
    ProtocolVersion.objects.update(status="retired")
    with pytest.raises(SeriesRefusedError, match="not published any more"):
        make_course(clinic, ada, settings, placed=plan)
    assert nothing_saved()


def test_a_time_that_was_taken_meanwhile_is_named_and_nothing_is_saved(clinic: Clinic, ada: Patient, settings) -> None:
    plan = make_plan(settings, ada)
    other = make_patient("Mei", "Chen")
    one = replace(make_settings(clinic, ProtocolVersion.objects.get(), MONDAY + timedelta(days=2)), n=1)
    make_course(clinic, other, one)
    before = Booking.objects.count()
    with pytest.raises(SeriesRefusedError) as refused:
        make_course(clinic, ada, settings, placed=plan)
    assert refused.value.taken == {2}
    assert "Infusion 2 cannot start on Wed 13 Jan at 10:00" in str(refused.value)
    assert Booking.objects.count() == before
    assert not Course.objects.filter(patient=ada).exists()


def test_a_closure_made_meanwhile_is_a_refusal(clinic: Clinic, ada: Patient, settings) -> None:
    plan = make_plan(settings, ada)
    make_closure(clinic.location, MONDAY)
    with pytest.raises(SeriesRefusedError, match="when the clinic is closed"):
        make_course(clinic, ada, settings, placed=plan)
    assert nothing_saved()


def test_a_breach_needs_a_reason_and_a_clinician(clinic: Clinic, ada: Patient, settings) -> None:
    plan = list(make_plan(settings, ada))
    plan[5] = replace(plan[5], day=date(2027, 1, 25))  # Mon 25: 5 days after Wed 20, at most 4 are allowed
    with pytest.raises(SeriesRefusedError, match=r"5 days after infusion 5.*with a reason"):
        make_course(clinic, ada, settings, placed=plan)
    with pytest.raises(SeriesRefusedError, match="with a reason"):
        make_course(clinic, ada, settings, placed=plan, overrides={6: "   "})
    reasons = {6: "Travels on Friday, agreed."}
    with pytest.raises(SeriesRefusedError, match="Only a clinician"):
        make_course(clinic, ada, settings, placed=plan, overrides=reasons, by=clinic.desk)
    assert nothing_saved()

    course = make_course(clinic, ada, settings, placed=plan, overrides=reasons)
    override = RuleOverride.objects.get(infusion__phase__course=course)
    assert (override.rule, override.actual, override.limit) == (Rule.GAP_TOO_LONG.value, 5, 4)
    assert (override.reason, override.by, override.day) == (reasons[6], clinic.clinician, date(2027, 1, 25))
    assert override.infusion.number == 6


def test_a_reason_does_not_unblock_what_is_impossible(clinic: Clinic, ada: Patient, settings) -> None:
    plan = list(make_plan(settings, ada))
    plan[1] = replace(plan[1], day=MONDAY)
    with pytest.raises(SeriesRefusedError, match="keep their order"):
        make_course(clinic, ada, settings, placed=plan, overrides={2: "please"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan[:5], "no time for infusion 6"),
        (lambda plan: [replace(plan[0], nurse_id=None), *plan[1:]], "missing for infusion 1"),
        (lambda plan: [replace(plan[0], clinician_id=None), *plan[1:]], "missing for infusion 1"),
        (lambda plan: [replace(plan[0], chair_id=999_999), *plan[1:]], "the chosen chair is taken"),
    ],
)
def test_an_incomplete_plan_is_refused(clinic: Clinic, ada: Patient, settings, change, message: str) -> None:
    with pytest.raises(SeriesRefusedError, match=message):
        make_course(clinic, ada, settings, placed=change(list(make_plan(settings, ada))))
    assert nothing_saved()


def test_nobody_is_booked_after_death_or_under_a_merged_record(clinic: Clinic, ada: Patient, settings) -> None:
    plan = make_plan(settings, ada)
    Patient.objects.update(status=PatientStatus.DECEASED)
    with pytest.raises(SeriesRefusedError, match="has died"):
        make_course(clinic, ada, settings, placed=plan)
    kept = make_patient("Ada", "Okafor-Lee")
    Patient.objects.filter(pk=ada.pk).update(status=PatientStatus.ACTIVE, merged_into=kept)
    with pytest.raises(SeriesRefusedError, match="merged"):
        make_course(clinic, ada, settings, placed=plan)


def test_maintenance_is_the_next_phase_and_a_second_click_adds_nothing(clinic: Clinic, ada: Patient, settings) -> None:
    course = make_course(clinic, ada, settings)
    weekly = {"target_gap_days": 7, "min_gap_days": 6, "max_gap_days": 9}
    version = make_protocol_version("M-TEST4", kind="maintenance", n=4, step=weekly)
    after = make_settings(clinic, version, date(2027, 1, 23))
    plan = make_plan(after, ada, before=date(2027, 1, 22))
    same = make_course(clinic, ada, after, placed=plan, seen_phases=1)
    assert same == course
    phase = course.phases.get(position=2)
    assert phase.kind == "maintenance"
    assert [one.day for one in phase.infusions.all()] == [date(2027, 1, 29) + timedelta(days=7 * k) for k in range(4)]
    with pytest.raises(OpenCourseError):
        make_course(clinic, ada, after, placed=plan, seen_phases=1)
    assert Booking.objects.count() == 10


def test_maintenance_too_soon_after_the_series_is_a_breach(clinic: Clinic, ada: Patient, settings) -> None:
    make_course(clinic, ada, settings)
    weekly = {"target_gap_days": 7, "min_gap_days": 6, "max_gap_days": 9}
    version = make_protocol_version("M-TEST1", kind="maintenance", n=1, step=weekly)
    after = make_settings(clinic, version, date(2027, 1, 23))
    plan = [replace(make_plan(after, ada)[0], day=date(2027, 1, 25))]
    with pytest.raises(SeriesRefusedError, match="3 days after the last infusion of the phase before"):
        make_course(clinic, ada, after, placed=plan)


def test_days_excluded_while_planning_are_remembered_once(clinic: Clinic, ada: Patient, settings) -> None:
    make_unavailability(ada, date(2027, 1, 19), date(2027, 1, 20))
    days = frozenset({date(2027, 1, 20), date(2027, 2, 1)})
    make_course(clinic, ada, replace(settings, wishes=replace(settings.wishes, unavailable=days)))
    assert [(one.first_day, one.last_day) for one in Unavailability.objects.filter(patient=ada)] == [
        (date(2027, 1, 19), date(2027, 1, 20)),
        (date(2027, 2, 1), date(2027, 2, 1)),
    ]


def test_a_protocol_without_clinician_and_attention_books_neither(clinic: Clinic, ada: Patient) -> None:
    version = make_protocol_version(clinician_min=0, attention_min=0)
    make_course(clinic, ada, make_settings(clinic, version, MONDAY))
    roles = set(Allocation.objects.values_list("role", flat=True))
    assert roles == {AllocationRole.PATIENT, AllocationRole.STATION, AllocationRole.NURSE}


# -- restarting --------------------------------------------------------------------------------------------------------


def closed(clinic: Clinic, patient: Patient, settings) -> Course:
    made = make_course(clinic, patient, settings)
    return close_course(made.pk, status=CourseStatus.STOPPED, reason="Pause", by=clinic.clinician, now=LONG_BEFORE)


def test_a_restart_knows_the_course_that_it_restarts(clinic: Clinic, ada: Patient, settings) -> None:
    first = closed(clinic, ada, settings)
    again = make_course(clinic, ada, settings, previous=first)
    assert again.previous == first
    assert again.revisions.get().summary == (
        "6 infusions booked, Mon 11 Jan to Fri 22 Jan. Restarts the course that was closed on Tue 1 Dec."
    )
    assert list(first.following.all()) == [again]


def test_only_a_closed_course_of_the_same_patient_can_be_restarted(clinic: Clinic, ada: Patient, settings) -> None:
    theirs = closed(clinic, make_patient("Mei", "Chen"), settings)
    with pytest.raises(SeriesRefusedError, match="belongs to another patient"):
        make_course(clinic, ada, settings, previous=theirs)
    running = make_course(clinic, ada, settings, indication=Indication.PTSD.value)
    later = replace(settings, not_before=date(2027, 3, 1))
    with pytest.raises(SeriesRefusedError, match="still open"):
        make_course(clinic, ada, later, previous=running)
    assert Course.objects.filter(patient=ada).count() == 1
