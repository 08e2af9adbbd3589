"""Psychiatric admissions and suicide attempts of a course: recorded, struck, judged, and asked about."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, transaction

from clinic.models import User
from courses.models import ClinicalEvent, CourseStatus, Task, TaskEnd, TaskKind
from courses.services import events
from courses.services.courses import close_course
from courses.services.outcomes import outcomes_of_many
from courses.services.reviews import AlreadyDecidedError, continue_as_planned, read_review
from courses.services.worklists.engine import sweep
from courses.tests.outcome_kit import course_with
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
CASE_8 = (14, 12, 10, 8, 7, 6)
NOW = at(april(28), "12:00")
TUESDAY = april(27)


@pytest.fixture
def booked() -> Booked:
    """Case 8: a response at the end of the series; the last infusion on 16 April."""
    return course_with(20, *CASE_8)


def put(booked: Booked, day: date = TUESDAY, kind: str = "attempt", by: User | None = None) -> ClinicalEvent:
    person = by or booked.nurse
    return events.record_event(booked.course.pk, kind=kind, day=day, note="Rang from St. Luke's", by=person, now=NOW)


def of_event() -> Task:
    sweep(NOW, kinds=[TaskKind.REVIEW, TaskKind.WORSE])
    return Task.objects.get(key__contains="event:")


def test_it_is_a_relapse_on_its_day_for_the_course(booked: Booked) -> None:
    assert outcomes_of_many([booked.course.pk])[booked.course.pk].outcome.relapse is None
    put(booked)
    lost = outcomes_of_many([booked.course.pk])[booked.course.pk].outcome.relapse
    assert lost is not None
    assert (lost.day, lost.days, lost.event) == (april(27), 11, "suicide attempt")


def test_it_opens_a_review_that_very_day_and_says_nothing_clinical_to_the_desk(booked: Booked) -> None:
    event = put(booked)
    task = of_event()
    assert (task.kind, task.key, task.due_on) == (TaskKind.REVIEW, f"review:event:{event.pk}", april(28))
    assert "suicide" not in task.text.lower()
    assert task.facts["said"] == "Suicide attempt on Tue 27 Apr: Rang from St. Luke's"
    assert read_review(task, NOW).point.words == "after an event"


def test_a_prescriber_ends_it_once_and_it_does_not_come_again(booked: Booked) -> None:
    put(booked)
    task = of_event()
    revision = continue_as_planned(task.pk, note="Seen today", by=booked.clinician, now=NOW)
    assert revision.before["review"]["point"] == "event"
    sweep(NOW, kinds=[TaskKind.REVIEW])
    assert Task.objects.get(key=task.key).closed_how == TaskEnd.DECIDED
    with pytest.raises(AlreadyDecidedError):
        continue_as_planned(task.pk, by=booked.clinician, now=NOW)


def test_deciding_about_the_event_leaves_the_review_of_the_series_open_and_the_other_way_round(booked: Booked) -> None:
    put(booked)
    task = of_event()
    ended = Task.objects.open().get(key__endswith=":end")
    continue_as_planned(task.pk, by=booked.clinician, now=NOW)
    assert Task.objects.get(pk=ended.pk).closed_at is None
    put(booked, kind="admission")
    sweep(NOW, kinds=[TaskKind.REVIEW])
    continue_as_planned(ended.pk, by=booked.clinician, now=NOW)
    assert Task.objects.open().filter(key__startswith="review:event:").count() == 1


def test_after_the_course_was_closed_it_stands_among_those_who_are_worse(booked: Booked) -> None:
    close_course(booked.course.pk, status=CourseStatus.COMPLETED, reason="Done", by=booked.clinician, now=NOW)
    event = put(booked)
    task = of_event()
    assert (task.kind, task.key) == (TaskKind.WORSE, f"worse:event:{event.pk}")
    assert task.facts["why"] == ["Suicide attempt (Tue 27 Apr), after the course"]
    events.strike_event(event.pk, reason="Another patient", by=booked.nurse, now=NOW)
    sweep(NOW, kinds=[TaskKind.WORSE])
    assert Task.objects.get(pk=task.pk).closed_text == "The event was struck as entered in error."


def test_closing_the_course_ends_its_review_and_brings_no_second_task(booked: Booked) -> None:
    put(booked)
    task = of_event()
    close_course(booked.course.pk, status=CourseStatus.STOPPED, reason="In hospital", by=booked.clinician, now=NOW)
    assert of_event() == task
    assert Task.objects.get(pk=task.pk).closed_how == TaskEnd.DECIDED


def test_what_was_struck_counts_no_more_and_stays_readable(booked: Booked) -> None:
    event = put(booked)
    task = of_event()
    events.strike_event(event.pk, reason="Another patient", by=booked.clinician, now=NOW)
    assert outcomes_of_many([booked.course.pk])[booked.course.pk].outcome.relapse is None
    sweep(NOW, kinds=[TaskKind.REVIEW])
    assert Task.objects.get(pk=task.pk).closed_text == "The event was struck as entered in error."
    event.refresh_from_db()
    assert (event.struck_by, event.struck_reason) == (booked.clinician, "Another patient")
    with pytest.raises(ValidationError, match="struck meanwhile"):
        events.strike_event(event.pk, reason="Again", by=booked.nurse, now=NOW)


def test_striking_needs_a_reason(booked: Booked) -> None:
    event = put(booked)
    with pytest.raises(ValidationError, match="Give the reason"):
        events.strike_event(event.pk, reason=" ", by=booked.nurse, now=NOW)
    assert not ClinicalEvent.objects.get(pk=event.pk).is_struck


@pytest.mark.parametrize(
    ("day", "said"), [(april(29), "still ahead"), (date(2026, 12, 1), "began on"), (april(27), "recorded already")]
)
def test_a_day_ahead_before_the_course_or_twice_is_refused(booked: Booked, day: date, said: str) -> None:
    put(booked)
    with pytest.raises(ValidationError, match=said) as refusal:
        put(booked, day=day)
    assert list(refusal.value.message_dict) == ["day"]
    assert ClinicalEvent.objects.count() == 1


def test_both_may_happen_on_one_day_and_after_striking_it_is_recorded_anew(booked: Booked) -> None:
    first = put(booked)
    put(booked, kind="admission")
    events.strike_event(first.pk, reason="Wrong day", by=booked.nurse, now=NOW)
    put(booked)
    assert ClinicalEvent.objects.valid().count() == 2


@pytest.mark.parametrize("who", ["nurse", "clinician"])
def test_a_nurse_and_a_clinician_record_it(booked: Booked, who: str) -> None:
    assert put(booked, by=getattr(booked, who)).by == getattr(booked, who)


@pytest.mark.parametrize("who", ["desk", "manager"])
def test_nobody_else_records_or_strikes_it(booked: Booked, who: str) -> None:
    event, person = put(booked), getattr(booked.clinic, who)
    with pytest.raises(PermissionDenied):
        put(booked, day=april(26), by=person)
    with pytest.raises(PermissionDenied):
        events.strike_event(event.pk, reason="x", by=person, now=NOW)
    assert ClinicalEvent.objects.valid().get() == event


def test_it_is_kept_and_its_history_names_who_did_what(booked: Booked) -> None:
    event = put(booked)
    events.strike_event(event.pk, reason="Another patient", by=booked.clinician, now=NOW)
    lines = event.events.order_by("pgh_id").values_list("pgh_label", "pgh_context__metadata__user")  # type: ignore[attr-defined]
    assert list(lines) == [("insert", booked.nurse.pk), ("update", booked.clinician.pk)]
    with pytest.raises(DatabaseError), transaction.atomic():
        event.delete()
    assert ClinicalEvent.objects.filter(pk=event.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_its_review_is_there_as_soon_as_it_is_saved_and_gone_as_soon_as_it_is_struck() -> None:
    booked = book()
    booked.give(1)
    event = put(booked, day=april(6))
    task = Task.objects.get(key=f"review:event:{event.pk}")
    assert task.closed_at is None
    events.strike_event(event.pk, reason="Another patient", by=booked.nurse, now=NOW)
    task.refresh_from_db()
    assert task.closed_how == TaskEnd.SETTLED
