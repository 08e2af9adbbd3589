"""A course ends in four ways; what waited for it ends with it, says why, and the next course knows the one before."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from clinic.models import Allocation
from courses.models import (
    Course,
    CourseStatus,
    FreedSlot,
    InfusionVisit,
    MaintenancePlan,
    OfferState,
    OfferWay,
    Revision,
    RevisionKind,
    SlotOffer,
    Task,
    TaskEnd,
    TaskKind,
    WaitingEntry,
)
from courses.services import courses
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError, ReasonNeededError
from courses.tests.series_kit import Booked, april, at, book
from patients.pure.indications import Indication

pytestmark = pytest.mark.django_db
NOW = at(april(10))


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05; 1 to 3 are given, 4 to 6 booked."""
    made = book()
    made.give(1, 2, 3)
    return made


def close(
    booked: Booked, status: CourseStatus, reason: str = "Rang three times, wrote a letter", **more: Any
) -> Course:
    known = {"by": booked.clinician, "now": NOW} | more
    return courses.close_course(booked.course.pk, status=status, reason=reason, **known)


def put_task(booked: Booked, kind: TaskKind, key: str = "") -> Task:
    return Task.objects.create(
        kind=kind,
        key=key or f"test:{kind}",
        location=booked.clinic.location,
        patient=booked.patient,
        course=booked.course,
        text="Something waits",
        due_on=april(9),
        opened_at=at(april(9)),
    )


@pytest.mark.parametrize(
    ("status", "to", "summary"),
    [
        (CourseStatus.COMPLETED, "", "Completed after 3 of 6 infusions; 3 bookings released."),
        (CourseStatus.STOPPED, "", "Stopped after 3 of 6 infusions; 3 bookings released."),
        (CourseStatus.TRANSFERRED, "Dr. Vega", "Transferred to Dr. Vega after 3 of 6 infusions; 3 bookings released."),
        (CourseStatus.LOST, "", "Lost to follow-up after 3 of 6 infusions; 3 bookings released."),
    ],
)
def test_each_end_releases_what_is_to_come_and_says_how(
    booked: Booked, status: CourseStatus, to: str, summary: str
) -> None:
    close(booked, status, to=to)
    course = Course.objects.get(pk=booked.course.pk)
    assert (course.status, course.closed_to, course.closed_on) == (status, to, april(10))
    assert course.closed_reason == "Rang three times, wrote a letter"
    assert Allocation.objects.held().values("booking").distinct().count() == 3
    revision = Revision.objects.get(kind=RevisionKind.CLOSED)
    assert revision.summary == summary
    assert revision.after == {"status": status.value} | ({"closed_to": to} if to else {})


def test_a_transfer_says_to_whom_and_another_end_keeps_no_name(booked: Booked) -> None:
    with pytest.raises(ChangeRefusedError, match="Say to whom the patient is transferred"):
        close(booked, CourseStatus.TRANSFERRED, to="  ")
    assert Course.objects.get(pk=booked.course.pk).closed_on is None
    assert close(booked, CourseStatus.LOST, to="Dr. Vega").closed_to == ""


@pytest.mark.parametrize("status", [CourseStatus.TRANSFERRED, CourseStatus.LOST])
def test_a_transferred_or_lost_course_is_closed_for_good(booked: Booked, status: CourseStatus) -> None:
    close(booked, status, to="Dr. Vega")
    with pytest.raises(ChangedMeanwhileError, match=f"{status.label.lower()} already"):
        close(booked, CourseStatus.COMPLETED)
    with pytest.raises(ChangeRefusedError, match="closed"):
        courses.preview_number(booked.series, n=8, now=NOW)


def test_only_a_prescriber_says_that_a_patient_is_lost_and_what_was_tried(booked: Booked) -> None:
    for person in (booked.desk, booked.nurse):
        with pytest.raises(PermissionDenied):
            close(booked, CourseStatus.LOST, by=person)
    with pytest.raises(ReasonNeededError):
        close(booked, CourseStatus.LOST, reason=" ")
    with pytest.raises(ValueError, match="a course is closed as"):
        close(booked, CourseStatus.ACTIVE)
    assert close(booked, CourseStatus.LOST).status == CourseStatus.LOST


def test_its_open_tasks_end_with_it_and_name_the_closing(booked: Booked) -> None:
    waiting = [
        put_task(booked, TaskKind.REVIEW),
        put_task(booked, TaskKind.DROPOUT),
        put_task(booked, TaskKind.MEASURE),
    ]
    close(booked, CourseStatus.LOST)
    revision = Revision.objects.get(kind=RevisionKind.CLOSED)
    for task in Task.objects.filter(pk__in=[one.pk for one in waiting]):
        assert (task.closed_at, task.closed_by, task.closed_how) == (NOW, booked.clinician, TaskEnd.DECIDED)
        assert task.closed_text == "Course closed: lost to follow-up"
        assert task.revision == revision


def test_a_danger_signal_outlives_the_course_and_so_does_an_older_end(booked: Booked) -> None:
    """Nothing can fall off a list except by an act: somebody has to look at it."""
    danger, done = put_task(booked, TaskKind.WORSE), put_task(booked, TaskKind.REVIEW)
    known = {"closed_at": at(april(9)), "closed_by": booked.nurse, "closed_how": "done", "closed_text": "Rang her"}
    Task.objects.filter(pk=done.pk).update(**known)
    close(booked, CourseStatus.LOST)
    assert Task.objects.get(pk=danger.pk).closed_at is None
    assert Task.objects.get(pk=done.pk).closed_text == "Rang her"


def test_another_course_keeps_its_tasks(booked: Booked) -> None:
    other = book(april(5), clinic=booked.clinic)
    mine, theirs = put_task(booked, TaskKind.REVIEW, "mine"), put_task(other, TaskKind.REVIEW, "theirs")
    close(booked, CourseStatus.STOPPED)
    assert Task.objects.get(pk=mine.pk).closed_at == NOW
    assert Task.objects.get(pk=theirs.pk).closed_at is None


def test_the_plan_of_maintenance_ends_with_the_reason(booked: Booked) -> None:
    known = {"decided_at": at(april(9)), "decided_by": booked.clinician, "reason": "Wishes so"}
    plan = MaintenancePlan.objects.create(course=booked.course, way="as_needed", review_on=date(2027, 7, 1), **known)
    close(booked, CourseStatus.LOST)
    plan.refresh_from_db()
    assert (plan.ended_at, plan.ended_by) == (NOW, booked.clinician)
    assert plan.ended_reason == "Course closed: lost to follow-up. Rang three times, wrote a letter"


def test_the_waiting_list_and_open_offers_let_go_without_the_clinical_reason(booked: Booked) -> None:
    known = {"opened_at": at(april(9)), "opened_by": booked.desk}
    entry = WaitingEntry.objects.create(patient=booked.patient, course=booked.course, **known)
    slot_of = InfusionVisit.objects.get(infusion=booked.infusion(6)).booking
    slot = FreedSlot.objects.create(
        booking=slot_of,
        location=booked.clinic.location,
        chair=booked.clinic.chairs[0],
        start=slot_of.start,
        end=slot_of.end,
        freed_at=at(april(9)),
    )
    offer = SlotOffer.objects.create(
        slot=slot,
        infusion=booked.infusion(4),
        patient=booked.patient,
        way=OfferWay.CALL,
        why="Earlier",
        plan="x",
        offered_at=at(april(9)),
        offered_by=booked.desk,
        expires_at=at(april(12)),
    )
    close(booked, CourseStatus.STOPPED, reason="No improvement")
    entry.refresh_from_db()
    offer.refresh_from_db()
    assert (entry.closed_at, entry.closed_by, entry.closed_reason) == (NOW, booked.clinician, "Course closed: stopped")
    assert (offer.state, offer.answered_at) == (OfferState.WITHDRAWN, NOW)


def test_a_closing_that_is_refused_ends_nothing(booked: Booked) -> None:
    task = put_task(booked, TaskKind.REVIEW)
    with pytest.raises(ChangedMeanwhileError):
        close(booked, CourseStatus.LOST, expected_version=99)
    assert Task.objects.get(pk=task.pk).closed_at is None


# -- the next course ---------------------------------------------------------------------------------------------------


def test_a_later_course_of_the_condition_follows_the_latest_closed_one(booked: Booked) -> None:
    close(booked, CourseStatus.COMPLETED)
    second = book(april(26), clinic=booked.clinic, patient=booked.patient)
    assert second.course.previous == booked.course
    assert second.course.revisions.get().summary.endswith(" Follows the course that was closed on Sat 10 Apr.")
    courses.close_course(
        second.course.pk, status=CourseStatus.LOST, reason="No answer", by=booked.clinician, now=at(april(27))
    )
    third = book(date(2027, 5, 24), clinic=booked.clinic, patient=booked.patient)
    assert third.course.previous == second.course
    assert [one.pk for one in booked.course.following.all()] == [second.course.pk]


def test_a_course_of_another_condition_or_another_patient_follows_nothing(booked: Booked) -> None:
    close(booked, CourseStatus.COMPLETED)
    Course.objects.filter(pk=booked.course.pk).update(indication=Indication.PTSD)
    assert book(april(26), clinic=booked.clinic, patient=booked.patient).course.previous is None
    assert book(april(26), clinic=booked.clinic).course.previous is None
