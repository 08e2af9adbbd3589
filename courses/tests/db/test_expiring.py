"""Consents, re-consents and decisions that expire while a course is open (clinical.md G, C1)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, FollowUpSettings, Infusion, MaintenancePlan, Task, TaskKind
from courses.services.worklists import expiring
from courses.services.worklists.engine import sweep
from courses.tests.follow_kit import add_phase, make_plain_course
from courses.tests.series_kit import april, at
from patients.models import Consent, Patient
from patients.services.consents import withdraw_consent
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_consent, make_decision

pytestmark = pytest.mark.django_db

KINDS = (TaskKind.EXPIRING,)
NOW = at(april(5))


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def patient() -> Patient:
    return make_patient()


def consent_until(clinic: Clinic, patient: Patient, last: date, signed: date = date(2026, 4, 20)) -> Consent:
    return make_consent(patient, clinic.location, clinic.nurse, at(signed), expires_on=last)


def texts() -> list[str]:
    return list(Task.objects.open().order_by("due_on").values_list("text", flat=True))


def test_a_consent_is_listed_two_weeks_before_it_ends_and_settled_when_it_is_signed_again(
    clinic: Clinic, patient: Patient
) -> None:
    make_plain_course(clinic, patient, [april(2)])
    consent_until(clinic, patient, april(19))
    assert sweep(at(april(4)), kinds=KINDS).opened == 0
    assert sweep(NOW, kinds=KINDS).opened == 1
    assert sweep(NOW, kinds=KINDS).opened == 0
    assert texts() == ["The treatment consent expires on Mon 19 Apr: have it signed again."]
    make_consent(patient, clinic.location, clinic.nurse, at(april(6)))
    sweep(at(april(6)), kinds=KINDS)
    assert Task.objects.get().closed_text == "Renewed: signed on Tue 6 Apr, valid to Wed 5 Apr."


def test_an_expired_consent_says_so_and_the_clinic_sets_how_early(clinic: Clinic, patient: Patient) -> None:
    make_plain_course(clinic, patient, [april(2)])
    consent_until(clinic, patient, april(4))
    FollowUpSettings.objects.create(location=clinic.location, expiring_days=0)
    sweep(NOW, kinds=KINDS)
    assert texts() == ["The treatment consent expired on Sun 4 Apr: have it signed again."]


def test_a_consent_of_a_closed_course_or_of_another_location_is_nobodys_task(clinic: Clinic, patient: Patient) -> None:
    make_plain_course(clinic, patient, [april(2)], status="completed")
    consent_until(clinic, patient, april(10))
    other = make_clinic("Uptown")
    make_plain_course(other, make_patient("Robin"), [april(2)])
    assert sweep(NOW, kinds=KINDS).opened == 0


def test_withdrawing_and_closing_settle_the_task(clinic: Clinic, patient: Patient) -> None:
    make_plain_course(clinic, patient, [april(2)])
    consent = consent_until(clinic, patient, april(10))
    other = make_plain_course(clinic, make_patient("Robin"), [april(2)])
    consent_until(clinic, other.patient, april(10))
    sweep(NOW, kinds=KINDS)
    withdraw_consent(consent_id=consent.pk, reason="Changed her mind", by=clinic.nurse, now=NOW)
    Course.objects.filter(pk=other.pk).update(status="stopped", closed_on=april(5))
    sweep(NOW, kinds=KINDS)
    assert set(Task.objects.values_list("closed_text", flat=True)) == {
        "The consent was withdrawn.",
        "The course was closed: stopped.",
    }


def planned(clinic: Clinic, patient: Patient, first: date | None) -> Course:
    """A course that has not begun."""
    course = make_plain_course(clinic, patient, status="planned")
    if first is not None:
        phase = course.phases.get()
        Infusion.objects.create(phase=phase, number=1, status="booked", day=first)
    return course


def test_a_decision_is_listed_only_where_the_series_begins_after_it_has_ended(clinic: Clinic, patient: Patient) -> None:
    course = planned(clinic, patient, april(15))
    make_decision(patient, "trd", clinic.clinician, at(april(1)), expires_on=april(12))
    in_time = planned(clinic, make_patient("Robin"), april(12))  # its last day is included
    make_decision(in_time.patient, "trd", clinic.clinician, at(april(1)), expires_on=april(12))
    begun = make_plain_course(clinic, make_patient("Sam"), [april(2)])
    make_decision(begun.patient, "trd", clinic.clinician, at(april(1)), expires_on=april(12))
    sweep(NOW, kinds=KINDS)
    (task,) = Task.objects.open()
    assert (task.course, task.text) == (
        course,
        "The signed decision expires on Mon 12 Apr, before the series begins: have a new one signed.",
    )


def test_a_decision_is_settled_by_a_new_one_by_an_earlier_day_and_by_beginning(
    clinic: Clinic, patient: Patient
) -> None:
    courses = [planned(clinic, make_patient(name), april(15)) for name in ("Ada", "Robin", "Sam")]
    for course in courses:
        make_decision(course.patient, "trd", clinic.clinician, at(april(1)), expires_on=april(12))
    sweep(NOW, kinds=KINDS)
    make_decision(courses[0].patient, "trd", clinic.clinician, at(april(6)), expires_on=date(2027, 7, 1))
    Infusion.objects.filter(phase__course=courses[1]).update(day=april(12))
    Infusion.objects.filter(phase__course=courses[2]).update(day=april(6), status="given")
    sweep(at(april(6)), kinds=KINDS)
    found = {task.course_id: task.closed_text for task in Task.objects.all()}
    assert found == {
        courses[0].pk: "A new decision was signed on Tue 6 Apr.",
        courses[1].pk: "The series begins on Mon 12 Apr, while the decision lasts.",
        courses[2].pk: "The series began on Tue 6 Apr.",
    }
    Infusion.objects.filter(phase__course=courses[1]).update(day=april(16))  # and later again: listed once more
    sweep(at(april(6)), kinds=KINDS)
    assert Task.objects.open().get().key.endswith("#2")


def test_maintenance_asks_for_its_new_consent(clinic: Clinic, patient: Patient) -> None:
    course = make_plain_course(clinic, patient, [date(2026, 4, 10)])
    add_phase(course, [april(2)], kind="maintenance")
    consent_until(clinic, patient, date(2028, 4, 20))
    plan = MaintenancePlan.objects.create(
        course=course, way="as_needed", review_on=april(19), reconsent_on=april(19), reason="x",
        decided_at=at(date(2026, 4, 20)), decided_by=clinic.clinician,
    )  # fmt: skip
    assert sweep(at(april(4)), kinds=KINDS).opened == 0
    sweep(NOW, kinds=KINDS)
    assert texts() == ["Maintenance asks for a new consent by Mon 19 Apr: have it signed again."]
    make_consent(patient, clinic.location, clinic.nurse, at(april(7)))
    sweep(at(april(7)), kinds=KINDS)
    assert Task.objects.get().closed_text == "Renewed: signed on Wed 7 Apr."
    MaintenancePlan.objects.filter(pk=plan.pk).update(reconsent_on=date(2027, 4, 20))
    assert sweep(at(april(8)), kinds=KINDS).opened == 0  # signed within 90 days of it


def test_a_plan_that_was_changed_settles_its_task(clinic: Clinic, patient: Patient) -> None:
    course = make_plain_course(clinic, patient, [april(2)])
    plan = MaintenancePlan.objects.create(
        course=course, way="none", review_on=april(19), reconsent_on=april(10), reason="x",
        decided_at=at(april(2)), decided_by=clinic.clinician,
    )  # fmt: skip
    sweep(NOW, kinds=KINDS)
    MaintenancePlan.objects.filter(pk=plan.pk).update(
        ended_at=NOW, ended_by=clinic.clinician, ended_reason="Another plan"
    )
    sweep(NOW, kinds=KINDS)
    assert Task.objects.get().closed_text == "The plan of maintenance was changed."


def test_the_list_needs_as_many_queries_for_twenty_courses_as_for_two(clinic: Clinic, queries: Queries) -> None:
    for number in range(20):
        patient = make_patient("Robin", f"Fictional{number:02d}")
        planned(clinic, patient, april(15))
        consent_until(clinic, patient, april(10))
        make_decision(patient, "trd", clinic.clinician, at(april(1)), expires_on=april(12))
        if number in (1, 19):
            with queries("worklists:expiring"):
                found = list(expiring.wanted(NOW, None))
            assert len(found) == 2 * (number + 1)
    sweep(NOW, kinds=KINDS)
    for count in (2, 40):
        with queries("worklists:expiring settled"):
            assert expiring.settled(list(Task.objects.open()[:count]), NOW) == {}
    late = at(april(5) + timedelta(days=1))
    assert sweep(late, kinds=KINDS).settled == 0
