"""Interruption (R6), closing, and changes of number, rhythm and minutes of a running course."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied

from clinic.models import Allocation
from clinic.tests.factories import make_closure
from courses.models import Course, CourseStatus, InfusionStatus, Revision, RevisionKind
from courses.planning.types import Rule, VisitShape
from courses.services import courses, moves
from courses.services.moves import Mode, Target
from courses.tasks.courses import sweep
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05: 5, 7, 9, 12, 14, 16 April."""
    return book()


@pytest.fixture
def paused(booked: Booked) -> Booked:
    """Infusions 1 to 3 given, the rest cancelled on the day after."""
    booked.give(1, 2, 3)
    for number in (4, 5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=at(april(10)))
    return booked


def status(booked: Booked) -> str:
    return Course.objects.get(pk=booked.course.pk).status


# -- interruption ------------------------------------------------------------------------------------------------------


def test_a_series_is_interrupted_after_more_than_14_days_and_not_before(paused: Booked) -> None:
    """R6: last infusion Fri 9 April; 23 April is day 14, 24 April day 15."""
    assert courses.interrupted_courses(at(april(23), "23:00")) == []
    (found,) = courses.interrupted_courses(at(april(24), "00:30"))
    assert (found.course, found.days, found.last_given) == (paused.course, 15, april(9))
    assert found.sentence.startswith("Nothing was given for 15 days since infusion 3.")


def test_marking_changes_the_status_once(paused: Booked) -> None:
    assert courses.mark_interrupted(at(april(23))) == 0
    assert courses.mark_interrupted(at(april(24))) == 1
    assert courses.mark_interrupted(at(april(25))) == 0
    assert status(paused) == CourseStatus.INTERRUPTED


def test_the_hourly_sweep_marks_what_is_long_past(paused: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("courses.tasks.courses.timezone.now", lambda: at(april(24)))
    assert sweep() == 1
    assert status(paused) == CourseStatus.INTERRUPTED


def test_a_slow_rhythm_is_not_an_interruption() -> None:
    """M-CANBIND: every 4 weeks, up to 35 days, is the rhythm itself."""
    booked = book(date(2027, 4, 5), slug="M-CANBIND")
    booked.give(*range(1, 10))  # the ninth is the first of the four-week step
    last = booked.series.last_given
    assert last is not None
    assert courses.interrupted_courses(at(last + timedelta(days=35))) == []
    assert len(courses.interrupted_courses(at(last + timedelta(days=36)))) == 1


def test_an_interrupted_course_waits_for_the_prescriber(paused: Booked) -> None:
    courses.mark_interrupted(at(april(24)))
    with pytest.raises(moves.ChangeRefusedError, match="interrupted"):
        moves.preview_reslot(paused.infusion(4).pk, now=at(april(24)))
    with pytest.raises(PermissionDenied):
        courses.continue_course(paused.course.pk, reason="Back from travel", by=paused.desk, now=at(april(24)))
    with pytest.raises(moves.ReasonNeededError):
        courses.continue_course(paused.course.pk, reason=" ", by=paused.clinician, now=at(april(24)))


def test_a_continued_course_is_in_treatment_and_not_marked_again(paused: Booked) -> None:
    now = at(april(26))
    courses.mark_interrupted(now)
    courses.continue_course(paused.course.pk, reason="Back from travel", by=paused.clinician, now=now)
    assert status(paused) == CourseStatus.ACTIVE
    assert courses.mark_interrupted(at(april(28))) == 0
    offer = moves.preview_reslot(paused.infusion(4).pk, now=now)
    assert [finding.rule for finding in offer.breaches] == [Rule.INTERRUPTED]
    moves.move_infusion(offer.token, reason="Back from travel", by=paused.clinician, now=now)
    assert paused.days()[4] == april(26)
    (revision,) = Revision.objects.filter(kind=RevisionKind.CONTINUED)
    assert (revision.summary, revision.reason) == ("Continued after a pause of 17 days.", "Back from travel")


def test_a_pause_that_a_clinician_allowed_beforehand_is_no_interruption(booked: Booked) -> None:
    booked.give(1, 2, 3)
    for number in (5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=at(april(10)))
    now = at(april(10))
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(28)), mode=Mode.ONLY, now=now)
    moves.move_infusion(offer.token, reason="Long journey", by=booked.clinician, now=now)
    assert courses.interrupted_courses(at(april(27))) == []


def test_a_course_with_everything_given_is_not_interrupted(booked: Booked) -> None:
    booked.give(1, 2, 3, 4, 5, 6)
    assert courses.interrupted_courses(at(date(2027, 6, 1))) == []


# -- closing -----------------------------------------------------------------------------------------------------------


def test_stopping_releases_what_is_to_come_and_keeps_what_was_given(booked: Booked) -> None:
    booked.give(1, 2)
    now = at(april(8))
    courses.close_course(
        booked.course.pk, status=CourseStatus.STOPPED, reason="Moved away", by=booked.clinician, now=now
    )
    course = Course.objects.get(pk=booked.course.pk)
    assert (course.status, course.closed_reason, course.closed_on) == (CourseStatus.STOPPED, "Moved away", april(8))
    assert Allocation.objects.held().values("booking").distinct().count() == 2
    assert [row.infusion.status for row in booked.series.rows] == [InfusionStatus.GIVEN] * 2
    (revision,) = Revision.objects.filter(kind=RevisionKind.CLOSED)
    assert revision.summary == "Stopped after 2 of 6 infusions; 4 bookings released."


def test_only_a_prescriber_closes_with_a_reason_and_only_once(booked: Booked) -> None:
    def close(by=booked.clinician, reason="Done", **more):
        return courses.close_course(
            booked.course.pk, status=CourseStatus.COMPLETED, reason=reason, by=by, now=at(april(8)), **more
        )

    with pytest.raises(PermissionDenied):
        close(by=booked.desk)
    with pytest.raises(moves.ReasonNeededError):
        close(reason="")
    with pytest.raises(moves.ChangedMeanwhileError, match="changed this course meanwhile"):
        close(expected_version=99)
    close()
    with pytest.raises(moves.ChangedMeanwhileError, match="completed already"):
        close()
    with pytest.raises(moves.ChangeRefusedError, match="closed"):
        moves.preview_move(booked.infusion_any(4), target=Target(april(13)), mode=Mode.ONLY, now=at(april(8)))


def test_a_course_in_the_middle_of_a_visit_cannot_be_closed(booked: Booked) -> None:
    from clinic.services import bookings  # noqa: PLC0415

    booking = booked.series.row(1).booking
    assert booking is not None
    for step in ("arrived", "in_chair", "observing"):
        bookings.advance(booking.pk, to=step, by=booked.nurse, now=at(april(5), "09:00"))
    with pytest.raises(moves.ChangeRefusedError, match="A visit is going on"):
        courses.close_course(
            booked.course.pk, status=CourseStatus.STOPPED, reason="x", by=booked.clinician, now=at(april(5), "09:30")
        )
    assert status(booked) == CourseStatus.PLANNED


def test_restarting_closes_the_course_so_that_a_new_one_can_follow(paused: Booked) -> None:
    now = at(april(24))
    courses.mark_interrupted(now)
    courses.close_course(
        paused.course.pk, status=CourseStatus.STOPPED, reason="Pause", by=paused.clinician, now=now, restart=True
    )
    again = book(april(26), clinic=paused.clinic, patient=paused.patient, now=now)
    assert again.course.pk != paused.course.pk
    assert Revision.objects.filter(course=paused.course, kind=RevisionKind.RESTARTED).exists()


# -- number ------------------------------------------------------------------------------------------------------------


def test_eight_instead_of_six_books_two_more_after_the_others(booked: Booked) -> None:
    booked.give(1, 2)
    now = at(april(8))
    offer = courses.preview_number(booked.series, n=8, now=now)
    assert [(row.number, row.becomes.day) for row in offer.rows if row.state == "new" and row.becomes] == [
        (7, april(19)),
        (8, april(21)),
    ]
    with pytest.raises(PermissionDenied):
        courses.change_course(offer.token, reason="Partial response", by=booked.desk, now=now)
    with pytest.raises(moves.ReasonNeededError):
        courses.change_course(offer.token, reason="", by=booked.clinician, now=now)
    courses.change_course(offer.token, reason="Partial response", by=booked.clinician, now=now)
    assert booked.days() == {
        1: april(5),
        2: april(7),
        3: april(9),
        4: april(12),
        5: april(14),
        6: april(16),
        7: april(19),
        8: april(21),
    }
    assert booked.series.settings.n == 8
    assert sum(step.count for step in booked.series.settings.steps) == 8
    (revision,) = Revision.objects.filter(kind=RevisionKind.NUMBER)
    assert (revision.summary, revision.reason, revision.by) == (
        "6 → 8 infusions.",
        "Partial response",
        booked.clinician,
    )
    assert (revision.before["n"], revision.after["n"]) == (6, 8)


def test_four_instead_of_six_cancels_the_last_two_and_six_again_brings_them_back(booked: Booked) -> None:
    now = at(april(5))
    offer = courses.preview_number(booked.series, n=4, now=now)
    assert [row.number for row in offer.rows if row.state == "dropped"] == [5, 6]
    courses.change_course(offer.token, reason="Remission", by=booked.clinician, now=now)
    assert sorted(booked.days()) == [1, 2, 3, 4]
    assert Allocation.objects.held().values("booking").distinct().count() == 4
    offer = courses.preview_number(booked.series, n=6, now=now)
    courses.change_course(offer.token, reason="Second thoughts", by=booked.clinician, now=now)
    assert sorted(booked.days()) == [1, 2, 3, 4, 5, 6]


def test_the_number_cannot_fall_below_what_was_given(booked: Booked) -> None:
    booked.give(1, 2, 3)
    with pytest.raises(moves.ChangeRefusedError, match="Infusion 3 was given already"):
        courses.preview_number(booked.series, n=2, now=at(april(10)))


# -- rhythm, minutes, wishes -------------------------------------------------------------------------------------------


def test_another_rhythm_replans_what_is_to_come(booked: Booked) -> None:
    booked.give(1, 2)
    now = at(april(8))
    settings = booked.series.settings.adapted(weekdays=[0, 3], min_gap_days=3, max_gap_days=5)
    offer = courses.preview_settings(booked.series, settings=settings, replan=True, now=now)
    assert {row.number: row.becomes.day for row in offer.rows if row.becomes} == {
        1: april(5),
        2: april(7),
        3: april(12),
        4: april(15),
        5: april(19),
        6: april(22),
    }
    courses.change_course(offer.token, reason="Tired after each", by=booked.clinician, now=now)
    assert booked.days()[6] == april(22)
    (step,) = booked.series.settings.steps
    assert (sorted(step.weekdays), step.min_gap_days, step.max_gap_days) == ([0, 3], 3, 5)
    assert booked.series.phase.protocol_version.steps.get().weekdays == [0, 2, 4]  # the protocol stays


def test_wider_limits_without_replanning_move_nothing_and_allow_more(booked: Booked) -> None:
    now = at(april(5))
    settings = booked.series.settings.adapted(max_gap_days=7)
    offer = courses.preview_settings(booked.series, settings=settings, replan=False, now=now)
    courses.change_course(offer.token, reason="Works shifts", by=booked.clinician, now=now)
    assert booked.days()[6] == april(16)
    wide = moves.preview_move(booked.infusion(6).pk, target=Target(april(20)), mode=Mode.ONLY, now=now)
    assert wide.verdict.is_legal


def test_longer_visits_keep_their_times_and_take_the_chair_longer(booked: Booked) -> None:
    now = at(april(5))
    settings = replace(booked.series.settings, shape=VisitShape(20, 60, 60, 15))
    offer = courses.preview_settings(booked.series, settings=settings, replan=False, now=now)
    courses.change_course(offer.token, reason="Slower infusion", by=booked.clinician, now=now)
    for row in booked.series.rows:
        assert row.visit is not None
        assert row.visit.infusion_min == 60
        assert (row.visit.booking.end - row.visit.booking.start) == timedelta(minutes=155)


def test_one_infusion_has_minutes_of_its_own_and_keeps_them_when_it_moves(booked: Booked) -> None:
    now = at(april(5))
    offer = courses.preview_minutes(booked.infusion(4).pk, shape=VisitShape(20, 60, 90, 15), now=now)
    courses.change_course(offer.token, reason="Slow to wake", by=booked.clinician, now=now)
    assert booked.series.shape_of(4) == VisitShape(20, 60, 90, 15)
    assert booked.series.shape_of(5) == VisitShape(20, 40, 60, 15)
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(13)), mode=Mode.SHIFT, now=now)
    moves.move_infusion(offer.token, by=booked.desk, now=now)
    row = booked.series.row(4)
    assert row.booking is not None
    assert row.booking.end - row.booking.start == timedelta(minutes=185)


def test_longer_visits_that_no_longer_fit_are_refused(booked: Booked) -> None:
    """The clinic closes at 18:00: a visit at 15:45 has no room for another hour."""
    now = at(april(5))
    late = moves.preview_move(booked.infusion(6).pk, target=Target(april(16), 15 * 60 + 45), mode=Mode.ONLY, now=now)
    moves.move_infusion(late.token, by=booked.desk, now=now)
    offer = courses.preview_minutes(booked.infusion(6).pk, shape=VisitShape(20, 100, 60, 15), now=now)
    assert not offer.is_possible
    with pytest.raises(moves.ChangeRefusedError):
        courses.change_course(offer.token, reason="x", by=booked.clinician, now=now)


def test_what_does_not_fit_is_said_and_nothing_can_be_confirmed(booked: Booked) -> None:
    make_closure(booked.clinic.location, april(17), date(2028, 6, 1))
    offer = courses.preview_number(booked.series, n=8, now=at(april(5)))
    assert offer.missing == (7, 8)
    assert offer.explanation == "There is no free time for infusions 7 and 8."
    assert not offer.may_confirm(booked.clinician)
