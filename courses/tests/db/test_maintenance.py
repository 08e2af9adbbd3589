"""Plans of maintenance: decided, reviewed, ended; two at once; their tasks. Source: clinical.md A 23-33, C5."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError

from clinic.models import Booking
from clinic.tests.fixtures.parallel import Parallel
from courses.models import (
    CourseStatus,
    Infusion,
    MaintenancePlan,
    MaintenanceWay,
    Phase,
    Revision,
    RevisionKind,
    Task,
    TaskEnd,
    TaskKind,
)
from courses.services import maintenance as service
from courses.services import maintenance_next as ahead
from courses.services import maintenance_plan as deciding
from courses.services import moves
from courses.services.courses import close_course, preview_number
from courses.services.refusals import NotReadyError
from courses.services.series_changes import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    ReasonNeededError,
)
from courses.services.series_commit import commit
from courses.services.worklists.engine import sweep
from courses.tests.maintenance_kit import NOW, REVIEW, Kept, make_kept
from courses.tests.series_kit import at, book
from patients.models import Consent

db = pytest.mark.django_db


@pytest.fixture
def kept() -> Kept:
    """Six infusions given, the last on Fri 2027-01-15; it is Saturday."""
    return make_kept()


# -- deciding ----------------------------------------------------------------------------------------------------------


@db
def test_a_plan_by_steps_is_a_phase_whose_infusions_wait_for_a_time(kept: Kept) -> None:
    """Case 25, anchored on the last infusion that was really given."""
    plan = kept.decide()
    series = kept.plan_series
    assert (series.phase.kind, series.settings.n, series.before) == ("maintenance", 11, date(2027, 1, 15))
    assert kept.statuses() == ["planned"] * 11
    assert [line.window.day.isoformat() for line in kept.found().lines] == [
        *("2027-01-22", "2027-01-29", "2027-02-05", "2027-02-12"),
        *("2027-02-26", "2027-03-12", "2027-03-26", "2027-04-09"),
        *("2027-05-07", "2027-06-04", "2027-07-02"),
    ]
    revision = kept.course.revisions.get(kind=RevisionKind.MAINTENANCE)
    assert (revision.by, revision.reason, revision.phase) == (kept.clinician, plan.reason, plan.phase)
    assert revision.summary == (
        "Maintenance: 4 infusions once a week, then 4 infusions every 14 days, then 3 infusions every 28 days. "
        "Review Fri 16 Apr 2027."
    )
    assert Booking.objects.count() == 6  # nothing was booked by deciding


@db
@pytest.mark.parametrize("way", [MaintenanceWay.AS_NEEDED, MaintenanceWay.NONE])
def test_as_needed_and_none_have_a_review_date_and_no_phase(kept: Kept, way: MaintenanceWay) -> None:
    """A 19, 28."""
    plan = kept.decide(way=way)
    assert (plan.phase, plan.review_on) == (None, REVIEW)
    assert kept.course.phases.count() == 1
    with pytest.raises(ChangeRefusedError, match="no plan with steps"):
        kept.token()


@db
def test_a_new_decision_ends_the_old_plan_and_drops_what_it_had_not_booked(kept: Kept) -> None:
    kept.decide("M-W4")
    kept.book_next(2)
    old = kept.plan
    kept.decide("M-MONTHLY", reason="Monthly is enough", release=False)
    old.refresh_from_db()
    assert (old.ended_by, old.ended_reason) == (kept.clinician, "A new plan was decided: Monthly is enough")
    assert kept.statuses() == ["booked", "booked", "dropped", "dropped", *["planned"] * 6]
    assert Phase.objects.get(pk=old.phase_id).n_planned == 2
    summary = kept.course.revisions.filter(kind=RevisionKind.MAINTENANCE).latest("pk").summary
    assert summary.endswith("2 infusions of the plan before dropped. 2 bookings kept.")
    # The first monthly one follows the last booking that was kept, Fri 29 January.
    assert kept.found().lines[0].window.day == date(2027, 2, 26)


@db
def test_bookings_of_the_old_plan_are_released_where_that_is_chosen(kept: Kept) -> None:
    kept.decide("M-W4")
    kept.book_next(2)
    kept.decide("M-MONTHLY", release=True)
    assert kept.statuses() == [*["dropped"] * 4, *["planned"] * 6]
    assert Booking.objects.filter(status="cancelled").count() == 2
    assert kept.found().lines[0].window.day == date(2027, 2, 12)  # four weeks after Fri 15 January


@db
def test_a_maintenance_that_was_booked_as_a_series_becomes_the_plan() -> None:
    """Booked whole by the planner before anybody spoke of a plan."""
    kept = make_kept()
    again = book(date(2027, 1, 22), slug="M-W4", clinic=kept.clinic, patient=kept.patient, now=NOW)
    assert again.course == kept.course
    assert kept.found().adoptable is not None
    plan = kept.decide(adopt=True)
    assert (plan.phase, kept.plan_series.settings.n) == (again.series.phase, 4)
    assert kept.statuses() == ["booked"] * 4
    assert kept.found().adoptable is None
    with pytest.raises(ChangedMeanwhileError, match="no booked maintenance"):
        kept.decide(adopt=True)


@db
def test_without_a_reason_or_in_another_role_nothing_is_decided(kept: Kept) -> None:
    with pytest.raises(ReasonNeededError):
        kept.decide(reason=" ")
    for other in (kept.desk, kept.nurse, kept.clinic.manager):
        with pytest.raises(PermissionDenied):
            kept.decide(by=other)
    assert not MaintenancePlan.objects.exists()


@db
def test_the_review_must_be_ahead(kept: Kept) -> None:
    with pytest.raises(ChangeRefusedError, match="review must be on a day after today"):
        kept.decide(review_on=date(2027, 1, 16))
    kept.decide(review_on=date(2027, 1, 17))


@db
def test_while_the_series_owes_an_infusion_there_is_no_plan_by_steps() -> None:
    kept = make_kept(given=5)
    moves.cancel_infusion(kept.infusion(6).pk, reason="Ill", by=kept.desk, now=at(date(2027, 1, 14)))
    with pytest.raises(ChangeRefusedError, match="Infusion 6 of the initial series still wait"):
        kept.decide()
    kept.decide(way=MaintenanceWay.NONE)  # observing only asks for nothing
    offer = preview_number(kept.series, n=5, now=NOW)
    commit(offer.token, reason="Five are enough", by=kept.clinician, now=NOW)
    kept.decide()


@db
def test_a_booked_last_infusion_does_not_stand_in_the_way() -> None:
    kept = make_kept(given=5)
    kept.decide(now=at(date(2027, 1, 14)))
    assert kept.found(at(date(2027, 1, 14))).lines[0].window.day == date(2027, 1, 22)


@db
def test_a_withdrawn_consent_stops_a_plan_unless_a_clinician_says_why_it_starts(kept: Kept) -> None:
    Consent.objects.filter(patient=kept.patient).update(
        withdrawn_at=NOW, withdrawn_by=kept.clinician, withdrawn_reason="Has doubts"
    )
    with pytest.raises(NotReadyError):
        kept.decide()
    kept.decide(override_reason="Signs at the next visit")
    assert kept.course.readiness_overrides.get().reason == "Signs at the next visit"


@db
def test_a_closed_course_has_no_maintenance_to_decide(kept: Kept) -> None:
    kept.decide()
    close_course(kept.course.pk, status=CourseStatus.COMPLETED, reason="Well", by=kept.clinician, now=NOW)
    assert service.plan_in_force(kept.course.pk) is None
    with pytest.raises(ChangeRefusedError, match="closed"):
        kept.decide()


@db
def test_a_course_says_that_nobody_decided_only_while_that_is_so() -> None:
    kept = make_kept(given=5)
    assert not kept.found().is_not_planned  # the sixth is still booked
    kept.give(6)
    assert kept.found().is_not_planned
    kept.decide(way=MaintenanceWay.NONE)
    assert not kept.found().is_not_planned


@db
def test_esketamine_goes_on_by_its_own_protocols(kept: Kept) -> None:
    def slugs() -> list[str]:
        return [one.protocol.slug for one in deciding.protocols_for(kept.found())]

    assert slugs() == ["M-1-2-MONTH", "M-CANBIND", "M-MONTHLY", "M-W4"]
    protocol = kept.series.phase.protocol_version.protocol
    protocol.route = "nasal"
    protocol.save()
    assert slugs() == ["M-ESK-2W", "M-ESK-W"]


# -- two at once -------------------------------------------------------------------------------------------------------


def test_without_the_lock_the_database_still_lets_only_one_plan_stand(parallel: Parallel) -> None:
    kept = make_kept()
    values = {"course": kept.course, "way": "none", "review_on": REVIEW, "reason": "x", "decided_at": NOW}
    outcomes = parallel(2, lambda _index: MaintenancePlan.objects.create(decided_by=kept.clinician, **values))
    assert sorted(type(one.error).__name__ for one in outcomes) == ["IntegrityError", "NoneType"]
    assert any(isinstance(one.error, IntegrityError) for one in outcomes)


def test_two_clinicians_decide_at_once_and_one_plan_stands(parallel: Parallel) -> None:
    """The other one is told, and nothing of theirs is left behind."""
    kept = make_kept()
    decisions = [kept.decision("M-W4"), kept.decision("M-CANBIND")]

    def decide(index: int) -> MaintenancePlan:
        return deciding.decide_plan(kept.course.pk, decisions[index], seen_plan=None, by=kept.clinician, now=NOW)

    outcomes = parallel(2, decide)
    assert sorted(type(one.error).__name__ for one in outcomes) == ["ChangedMeanwhileError", "NoneType"]
    assert MaintenancePlan.objects.count() == 1
    assert kept.course.phases.count() == 2
    assert Revision.objects.filter(kind=RevisionKind.MAINTENANCE).count() == 1


def test_two_desks_book_the_next_at_once_and_there_is_one_booking(parallel: Parallel) -> None:
    kept = make_kept()
    kept.decide("M-W4")
    tokens = [kept.token(), kept.token()]

    def save_one(index: int) -> object:
        return ahead.save_change(kept.course.pk, tokens[index], by=kept.desk, now=NOW)

    outcomes = parallel(2, save_one)
    assert sorted(type(one.error).__name__ for one in outcomes) == ["ChangedMeanwhileError", "NoneType"]
    assert kept.statuses() == ["booked", "planned", "planned", "planned"]
    assert Booking.objects.count() == 7


# -- review and dates --------------------------------------------------------------------------------------------------


def review(kept: Kept, *, goes_on: bool = True, on: date = date(2027, 7, 16), **known: Any) -> Revision:
    values = {"reconsent_on": None, "reason": "Well", "seen_review_on": kept.plan.review_on, "by": kept.clinician}
    values |= {"now": at(REVIEW)} | known
    return deciding.record_review(kept.plan.pk, goes_on=goes_on, review_on=on, **values)


@db
def test_a_review_is_a_revision_and_sets_the_next_date(kept: Kept) -> None:
    """A 33: regular evaluations guide the schedule."""
    kept.decide()
    revision = review(kept)
    assert (revision.kind, revision.reason) == (RevisionKind.REVIEWED, "Well")
    assert revision.summary == "Maintenance reviewed on Fri 16 Apr: it goes on as it is. Next review Fri 16 Jul 2027."
    assert kept.plan.review_on == date(2027, 7, 16)
    assert review(kept, goes_on=False, on=date(2027, 8, 1)).kind == RevisionKind.MAINTENANCE


@db
def test_a_review_of_what_somebody_reviewed_already_saves_nothing(kept: Kept) -> None:
    kept.decide()
    review(kept)
    with pytest.raises(ChangedMeanwhileError, match="moved the review to Fri 16 Jul"):
        review(kept, seen_review_on=REVIEW)
    with pytest.raises(ChangeRefusedError, match="after today"):
        review(kept, on=REVIEW)
    with pytest.raises(PermissionDenied):
        review(kept, by=kept.nurse)
    assert kept.course.revisions.filter(kind=RevisionKind.REVIEWED).count() == 1


@db
def test_review_and_consent_dates_move_with_a_reason(kept: Kept) -> None:
    plan = kept.decide()
    values: dict[str, Any] = {"reason": "Away in April", "seen_review_on": REVIEW, "by": kept.clinician, "now": NOW}
    revision = deciding.move_dates(plan.pk, review_on=date(2027, 5, 3), reconsent_on=date(2028, 1, 14), **values)
    assert revision.summary == (
        "Review Mon 3 May 2027 instead of Fri 16 Apr 2027; consent to be renewed by Fri 14 Jan 2028 instead of no day."
    )
    values["seen_review_on"] = date(2027, 5, 3)
    with pytest.raises(ChangeRefusedError, match="dates as they are"):
        deciding.move_dates(plan.pk, review_on=date(2027, 5, 3), reconsent_on=date(2028, 1, 14), **values)
    with pytest.raises(ReasonNeededError):
        deciding.move_dates(plan.pk, review_on=date(2027, 6, 1), reconsent_on=None, **values | {"reason": ""})


# -- tasks -------------------------------------------------------------------------------------------------------------


def tasks(kind: TaskKind) -> list[Task]:
    return list(Task.objects.filter(kind=kind).order_by("pk"))


@db
def test_an_infusion_without_a_booking_is_a_task_a_week_before_its_window(kept: Kept) -> None:
    kept.decide("M-MONTHLY")  # 21 to 35 days after 15 January: from 5 February
    sweep(at(date(2027, 1, 28)), kinds=[TaskKind.MAINTENANCE])
    assert tasks(TaskKind.MAINTENANCE) == []
    for _twice in range(2):
        sweep(at(date(2027, 1, 29)), kinds=[TaskKind.MAINTENANCE])
    (task,) = tasks(TaskKind.MAINTENANCE)
    assert task.key == f"maintenance:{kept.plan_series.row(1).infusion.pk}"
    assert task.text == "Maintenance infusion 1 has no booking: due Fri 5 Feb to Fri 19 Feb."
    assert (task.due_on, task.course, task.closed_at) == (date(2027, 2, 5), kept.course, None)


@db
def test_booking_it_settles_the_task_and_its_cancellation_opens_another(kept: Kept) -> None:
    kept.decide("M-W4")
    sweep(NOW, kinds=[TaskKind.MAINTENANCE])
    kept.book_next()
    sweep(NOW, kinds=[TaskKind.MAINTENANCE])
    first = Task.objects.get(kind=TaskKind.MAINTENANCE, infusion=kept.plan_series.row(1).infusion)
    assert (first.closed_how, first.closed_text) == (TaskEnd.SETTLED, "Booked for Fri 22 Jan.")
    moves.cancel_infusion(kept.plan_series.row(1).infusion.pk, reason="Ill", by=kept.desk, now=NOW)
    sweep(NOW, kinds=[TaskKind.MAINTENANCE])
    again = Task.objects.open().get(kind=TaskKind.MAINTENANCE, infusion=kept.plan_series.row(1).infusion)
    assert again.key == f"{first.key}:1"


@db
def test_the_task_of_a_plan_that_ended_says_so(kept: Kept) -> None:
    kept.decide("M-W4")
    sweep(NOW, kinds=[TaskKind.MAINTENANCE])
    kept.decide(way=MaintenanceWay.NONE)
    sweep(NOW, kinds=[TaskKind.MAINTENANCE])
    (task,) = tasks(TaskKind.MAINTENANCE)
    assert task.closed_text == "The plan ended: this infusion is no longer planned."


@db
def test_a_review_that_is_reached_is_a_task_until_it_is_recorded(kept: Kept) -> None:
    plan = kept.decide()
    sweep(at(REVIEW - timedelta(days=1), "23:00"), kinds=[TaskKind.MAINTENANCE_REVIEW])
    assert tasks(TaskKind.MAINTENANCE_REVIEW) == []
    sweep(at(REVIEW, "00:30"), kinds=[TaskKind.MAINTENANCE_REVIEW])
    (task,) = tasks(TaskKind.MAINTENANCE_REVIEW)
    assert (task.key, task.due_on) == (f"maint-review:{plan.pk}:2027-04-16", REVIEW)
    assert plan.reason not in task.text  # the front desk reads it
    revision = review(kept)
    task.refresh_from_db()
    assert (task.closed_how, task.closed_by, task.revision) == (TaskEnd.DECIDED, kept.clinician, revision)


@db
def test_a_review_that_is_moved_settles_its_task(kept: Kept) -> None:
    plan = kept.decide()
    sweep(at(REVIEW), kinds=[TaskKind.MAINTENANCE_REVIEW])
    values: dict[str, Any] = {"seen_review_on": REVIEW, "by": kept.clinician, "now": at(REVIEW), "reconsent_on": None}
    deciding.move_dates(plan.pk, review_on=date(2027, 5, 3), reason="Away", **values)
    sweep(at(REVIEW), kinds=[TaskKind.MAINTENANCE_REVIEW])
    (task,) = tasks(TaskKind.MAINTENANCE_REVIEW)
    assert task.closed_text == "The review was moved to Mon 3 May."


@db
def test_plans_of_many_courses_are_looked_at_in_as_many_queries_as_one(django_assert_max_num_queries: Any) -> None:
    for _course in range(3):
        make_kept().decide("M-W4")
    with django_assert_max_num_queries(5):
        sweep_wanted()


def sweep_wanted() -> None:
    from courses.services.worklists import maintenance  # noqa: PLC0415 (what is counted)

    assert len(list(maintenance.wanted(NOW, None))) == Infusion.objects.filter(status="planned", number=1).count() == 3
