"""What a prescriber decides at a review: once, with its reason, and with the facts kept."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.factories import make_clinic
from courses.models import CareItem, CareKind, CourseStatus, Revision, RevisionKind, TaskEnd
from courses.pure.reviews import Rhythm
from courses.services import moves
from courses.services import reviews as service
from courses.services.courses import preview_number
from courses.services.dosing import decided_ordered
from courses.services.reviews import AlreadyDecidedError, Beside
from courses.services.series_changes import ChangeRefusedError, ReasonNeededError
from courses.services.worklists.engine import TaskClosedError, put_off, take_task
from courses.tests.day_kit import Day, put_order, put_tap
from courses.tests.review_kit import NOW, given_four, open_review
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


def latest(booked: Booked) -> Revision:
    return booked.course.revisions.order_by("-pk")[0]


def test_going_on_is_a_revision_with_the_facts() -> None:
    booked = given_four(21, 20, 19, 18, 18)
    task = open_review(booked)
    revision = service.continue_as_planned(task.pk, note="Patient wishes to", by=booked.clinician, now=NOW)
    task.refresh_from_db()
    assert revision == latest(booked)
    assert (revision.kind, revision.reason) == (RevisionKind.REVIEWED, "Patient wishes to")
    seen = revision.before["review"]
    assert (seen["baseline"], seen["rule_after_4"]) == ("21.0", "met")
    assert [one["score"] for one in seen["infusions"]] == ["20.0", "19.0", "18.0", "18.0"]
    assert (task.closed_how, task.closed_by, task.revision) == (TaskEnd.DECIDED, booked.clinician, revision)
    assert task.facts["seen"] == seen


def test_a_dose_is_decided_with_unit_and_reason_and_says_no_dose_to_the_front_desk() -> None:
    booked = given_four()
    task = open_review(booked)
    revision = service.change_dose(
        task.pk, basis="mg_per_kg", amount=Decimal("0.75"), reason="Little effect", by=booked.clinician, now=NOW
    )
    assert revision.kind == RevisionKind.DOSE
    assert "0.75" not in revision.summary  # the summary is for everybody, the reason is not
    assert revision.reason == "0.75 mg/kg: Little effect"
    assert revision.after["dose"]["amount"] == "0.75"
    task.refresh_from_db()
    assert "0.75" not in task.closed_text


@pytest.mark.parametrize(
    ("amount", "reason", "error"), [("0.75", " ", ReasonNeededError), ("75", "x", ValidationError)]
)
def test_a_dose_without_a_reason_or_by_a_slip_of_the_hand_is_refused(
    amount: str, reason: str, error: type[Exception]
) -> None:
    """[D] above 10 mg/kg an amount is a slip of the keyboard."""
    booked = given_four()
    task = open_review(booked)
    with pytest.raises(error):
        service.change_dose(
            task.pk, basis="mg_per_kg", amount=Decimal(amount), reason=reason, by=booked.clinician, now=NOW
        )
    task.refresh_from_db()
    assert task.closed_at is None
    assert "seen" not in task.facts


def test_a_nasal_dose_is_whole_devices() -> None:
    """28 mg each (L1): 40 mg is no dose, 84 mg is."""
    booked = book(slug="T-ESK")
    booked.give(*range(1, 9))
    now = at(date(2027, 4, 30))
    task = open_review(booked, now)
    with pytest.raises(ValidationError, match="28, 56 or 84"):
        service.change_dose(task.pk, basis="total_mg", amount=Decimal(40), reason="x", by=booked.clinician, now=now)
    service.change_dose(task.pk, basis="total_mg", amount=Decimal(84), reason="x", by=booked.clinician, now=now)


def test_the_next_order_shows_the_decided_dose_until_it_was_given() -> None:
    booked = book()
    booked.give(1, 2)
    task = open_review(booked, at(april(8)))
    service.change_dose(
        task.pk,
        basis="mg_per_kg",
        amount=Decimal("0.75"),
        reason="Little effect",
        by=booked.clinician,
        now=at(april(8)),
    )
    day = day_of(booked, 3)
    found = decided_ordered(day.desk(at(april(9), "08:00")))
    assert found is not None
    assert (found.basis, found.amount, found.said) == ("mg_per_kg", Decimal("0.75"), "0.75 mg/kg")
    start = day.booking.start
    for step in ("arrived", "in_chair"):
        bookings.advance(day.pk, to=BookingStatus(step), by=booked.nurse, now=start)
    order = put_order(day, start)
    put_tap(day, "start", start, order=order)
    for step in ("observing", "done"):
        bookings.advance(day.pk, to=BookingStatus(step), by=booked.nurse, now=start + timedelta(hours=2))
    moves.record_given(booking_id=day.pk, by=booked.nurse, now=start + timedelta(hours=2))
    assert decided_ordered(day_of(booked, 4).desk(at(april(12), "08:00"))) is None


def day_of(booked: Booked, number: int) -> Day:
    booking = booked.series.row(number).booking
    assert booking is not None
    return Day(booked.clinic, booked.patient, booked.course, booking)


def test_six_become_eight_through_the_judge_and_the_review_is_decided() -> None:
    booked = given_four(20, 14, 12, 11, 11)
    task = open_review(booked)
    offer = preview_number(booked.series, n=8, now=NOW)
    revision = service.commit_change(
        task.pk, offer.token, reason="Partial, still gaining", by=booked.clinician, now=NOW
    )
    assert (revision.kind, revision.summary) == (RevisionKind.NUMBER, "6 → 8 infusions.")
    assert revision.before["review"]["infusions"][0]["score"] == "14.0"
    assert revision.before["n"] == 6
    assert booked.days() == {
        1: april(5), 2: april(7), 3: april(9), 4: april(12), 5: april(14), 6: april(16), 7: april(19), 8: april(21),
    }  # fmt: skip
    task.refresh_from_db()
    assert (task.revision, task.closed_text) == (revision, "Number changed: 6 → 8 infusions")


def test_another_rhythm_replans_what_is_to_come_and_leaves_what_was_given() -> None:
    booked = given_four()
    task = open_review(booked, at(april(13)))
    offer = service.preview_rhythm(booked.series, Rhythm.TWO, now=at(april(13)))
    revision = service.commit_change(task.pk, offer.token, reason="Tired", by=booked.clinician, now=at(april(13)))
    assert revision.kind == RevisionKind.RHYTHM
    assert [booked.days()[number] for number in (4, 5, 6)] == [april(12), april(15), april(19)]
    assert [(step.count, len(step.weekdays)) for step in booked.series.settings.steps] == [(4, 3), (2, 2)]


def test_a_preview_that_no_longer_holds_leaves_the_review_open() -> None:
    booked = given_four()
    task = open_review(booked)
    offer = preview_number(booked.series, n=8, now=NOW)
    moves.cancel_infusion(booked.infusion(6).pk, reason="Ill", by=booked.desk, now=NOW)
    with pytest.raises(ChangeRefusedError, match="meanwhile"):
        service.commit_change(task.pk, offer.token, reason="More", by=booked.clinician, now=NOW)
    task.refresh_from_db()
    assert task.closed_at is None
    assert len(booked.series.rows) == 6


def test_a_preview_of_somebody_else_is_refused() -> None:
    clinic = make_clinic()
    booked = book(clinic=clinic)
    other = book(clinic=clinic, patient=make_patient(given_name="Bea", home_location=clinic.location))
    booked.give(1, 2)
    task = open_review(booked)
    offer = preview_number(other.series, n=8, now=at(april(8)))
    with pytest.raises(ChangeRefusedError, match="does not belong"):
        service.commit_change(task.pk, offer.token, reason="More", by=booked.clinician, now=at(april(8)))
    assert len(other.series.rows) == 6


def test_other_treatment_stands_in_the_history_and_under_the_care_beside() -> None:
    booked = given_four()
    task = open_review(booked)
    revision = service.change_treatment(
        task.pk, what="CBT weekly", reason="Wants to talk", care=Beside("Dr. Lang"), by=booked.clinician, now=NOW
    )
    assert (revision.kind, revision.reason) == (RevisionKind.TREATMENT, "CBT weekly: Wants to talk")
    assert "CBT" not in revision.summary
    item = CareItem.objects.get()
    assert (item.kind, item.title, item.responsible, item.started_on) == (
        CareKind.TREATMENT,
        "CBT weekly",
        "Dr. Lang",
        april(14),
    )
    assert revision.after["care"] == item.pk


def test_other_treatment_without_care_beside_writes_none() -> None:
    booked = given_four()
    service.change_treatment(open_review(booked).pk, what="Sertraline 100 mg", reason="x", by=booked.clinician, now=NOW)
    assert not CareItem.objects.exists()


def test_stopping_closes_the_course_with_the_reason_and_releases_what_is_booked() -> None:
    booked = given_four(21, 20, 19, 18, 18)
    task = open_review(booked)
    course = service.stop(task.pk, reason="No improvement after four", by=booked.clinician, now=NOW)
    assert (course.status, course.closed_reason) == (CourseStatus.STOPPED, "No improvement after four")
    assert booked.series.booked == ()
    task.refresh_from_db()
    assert (task.closed_how, task.closed_by) == (TaskEnd.DECIDED, booked.clinician)
    assert task.facts["seen"]["rule_after_4"] == "met"
    assert task.revision is not None
    assert task.revision.kind == RevisionKind.CLOSED


def test_closing_at_the_end_is_a_completed_course() -> None:
    booked = book()
    booked.give(1, 2, 3, 4, 5, 6)
    now = at(april(19))
    assert service.stop(open_review(booked, now).pk, reason="Remission", by=booked.clinician, now=now).status == (
        CourseStatus.COMPLETED
    )


@pytest.mark.parametrize("who", ["nurse", "desk"])
def test_only_a_prescriber_decides(who: str) -> None:
    booked = given_four()
    task, user = open_review(booked), getattr(booked, who)
    acts = [
        lambda: service.continue_as_planned(task.pk, by=user, now=NOW),
        lambda: service.change_dose(task.pk, basis="mg_per_kg", amount=Decimal(1), reason="x", by=user, now=NOW),
        lambda: service.change_treatment(task.pk, what="x", reason="x", by=user, now=NOW),
        lambda: service.commit_change(task.pk, "x", reason="x", by=user, now=NOW),
        lambda: service.stop(task.pk, reason="x", by=user, now=NOW),
    ]
    for act in acts:
        with pytest.raises(PermissionDenied):
            act()
    task.refresh_from_db()
    assert task.closed_at is None
    take_task(task.pk, by=user, now=NOW)  # looking after it is not deciding
    put_off(task.pk, until=april(20), reason="Waits for the score", by=user, now=NOW)


def test_what_is_decided_is_not_decided_again() -> None:
    booked = given_four()
    task = open_review(booked)
    service.continue_as_planned(task.pk, by=booked.clinician, now=NOW)
    with pytest.raises(AlreadyDecidedError, match="Goes on as planned"):
        service.stop(task.pk, reason="x", by=booked.clinician, now=NOW)
    with pytest.raises(TaskClosedError):
        take_task(task.pk, by=booked.clinician, now=NOW)


def test_somebody_who_is_no_user_of_the_clinic_decides_nothing() -> None:
    booked = given_four()
    with pytest.raises(PermissionDenied):
        service.continue_as_planned(open_review(booked).pk, by=User(), now=NOW)
