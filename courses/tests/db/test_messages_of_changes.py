"""A change of a course is told once, whatever it moved; what does not concern the patient's times is told to nobody.

Source: issue 6 ("moved / cancelled", one message for a series), clinical.md A 99-117.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from clinic.models import BookingStatus
from clinic.services import bookings
from courses.models import Course, CourseStatus, Revision, RevisionKind
from courses.services import moves
from courses.services.courses import close_course
from courses.services.moves import Mode, Target
from courses.services.pencils import confirm_pencilled
from courses.tests.messages_kit import latest, newest, notices, revisions, said, told_series, went_out, why_not
from courses.tests.series_kit import Booked, april, at
from patients.models import Message, MessageEvent

pytestmark = pytest.mark.django_db
BOOKED_ON = at(april(1), "09:00")  # a Thursday
SATURDAY = at(april(10), "09:00")  # infusions 1 to 3 are given


@pytest.fixture
def series() -> Booked:
    return told_series(BOOKED_ON)


@pytest.fixture
def running(series: Booked) -> Booked:
    series.give(1, 2, 3)
    return series


def move(booked: Booked, number: int, day: int, mode: Mode, *, by: object = None, start: int | None = None) -> None:
    preview = moves.preview_move(booked.infusion(number).pk, target=Target(april(day), start), mode=mode, now=SATURDAY)
    moves.move_infusion(preview.token, reason="Asked for it", by=by or booked.clinician, now=SATURDAY)


# -- booked ------------------------------------------------------------------------------------------------------------


def test_a_series_of_six_is_one_message_with_its_first_and_last_day(series: Booked) -> None:
    """T-MWF6 from Mon 5 April 2027: 5, 7, 9, 12, 14 and 16 April."""
    assert [event for event, _ in notices(series)] == [MessageEvent.SERIES_BOOKED]
    message = latest(series)
    assert said(message, BOOKED_ON)["count"] == "6"
    assert said(message, BOOKED_ON)["when"].startswith("Mon, Apr 5, ")
    assert said(message, BOOKED_ON)["last_day"] == "Fri, Apr 16"
    assert said(message, BOOKED_ON)["where"] == "120 Madison Avenue"
    assert why_not(message, BOOKED_ON) == ""


def test_what_is_only_pencilled_is_told_to_nobody_until_it_is_firm(series: Booked) -> None:
    known = newest()
    Course.objects.filter(pk=series.course.pk).update(pencilled_until=BOOKED_ON + timedelta(days=2))
    move_before = moves.preview_move(series.infusion(6).pk, target=Target(april(17)), mode=Mode.ONLY, now=BOOKED_ON)
    if move_before.is_possible:
        moves.move_infusion(move_before.token, reason="Asked", by=series.clinician, now=BOOKED_ON)
    assert notices(series, since=known) == []
    series.make_ready(BOOKED_ON)
    confirm_pencilled(series.course.pk, by=series.clinician, now=BOOKED_ON)
    told = notices(series, since=known)
    assert [(event, facts["count"]) for event, facts in told] == [(MessageEvent.SERIES_BOOKED, 6)]


# -- moved -------------------------------------------------------------------------------------------------------------


def test_a_move_of_one_infusion_says_the_old_time_and_the_new(running: Booked) -> None:
    """Infusion 4 from Mon 12 to Tue 13 April, alone."""
    known, was = newest(), running.series.row(4).booking
    assert was is not None
    move(running, 4, 13, Mode.ONLY)
    assert [event for event, _ in notices(running, since=known)] == [MessageEvent.INFUSION_MOVED]
    message = latest(running)
    words = said(message, SATURDAY)
    assert words["old_when"].startswith("Mon, Apr 12, ")
    assert words["when"].startswith("Tue, Apr 13, ")
    assert message.booking_id == was.pk


def test_a_replan_that_moves_three_infusions_is_one_message(running: Booked) -> None:
    """Infusion 4 goes to Tue 13 April and takes the two after it along."""
    known, before = newest(), running.days()
    move(running, 4, 13, Mode.SHIFT)
    after = running.days()
    assert sum(before[number] != after[number] for number in (4, 5, 6)) == 3
    told = notices(running, since=known)
    assert [(event, facts["count"]) for event, facts in told] == [(MessageEvent.SERIES_CHANGED, 3)]
    assert said(latest(running), SATURDAY)["when"].startswith("Tue, Apr 13, ")


def test_another_chair_at_the_same_time_is_told_to_nobody(running: Booked) -> None:
    known, row = newest(), running.series.row(4)
    assert row.placed is not None
    other = next(chair for chair in running.clinic.chairs if chair.pk != row.placed.chair_id)
    target = Target(row.placed.day, row.placed.start_min, chair_id=other.pk)
    preview = moves.preview_move(row.infusion.pk, target=target, mode=Mode.ONLY, now=SATURDAY)
    moves.move_infusion(preview.token, reason="", by=running.clinician, now=SATURDAY)
    assert running.series.row(4).placed.chair_id == other.pk
    assert notices(running, since=known) == []


def test_a_move_that_was_moved_again_before_it_went_out_is_not_sent(running: Booked) -> None:
    move(running, 4, 13, Mode.ONLY)
    first = latest(running)
    assert why_not(first, SATURDAY) == ""
    move(running, 4, 14, Mode.SHIFT)
    assert why_not(first, SATURDAY) == "The visit was moved."


# -- cancelled, missed, and back ---------------------------------------------------------------------------------------


def test_a_cancelled_infusion_is_told_with_its_time(running: Booked) -> None:
    known = newest()
    moves.cancel_infusion(running.infusion(4).pk, reason="Has a cold", by=running.desk, now=SATURDAY)
    assert [event for event, _ in notices(running, since=known)] == [MessageEvent.INFUSION_CANCELLED]
    message = latest(running)
    assert said(message, SATURDAY)["when"].startswith("Mon, Apr 12, ")
    assert why_not(message, SATURDAY) == ""
    assert "cold" not in str(message.facts)


def test_a_new_time_found_before_the_cancellation_went_out_is_told_instead(running: Booked) -> None:
    moves.cancel_infusion(running.infusion(4).pk, reason="Has a cold", by=running.desk, now=SATURDAY)
    cancelled, known = latest(running), newest()
    preview = moves.preview_reslot(running.infusion_any(4), now=SATURDAY)
    moves.move_infusion(preview.token, reason="", by=running.clinician, now=SATURDAY)
    assert "new time" in why_not(cancelled, SATURDAY)
    assert len(notices(running, since=known)) == 1


def test_a_missed_infusion_is_told_as_missed(running: Booked) -> None:
    known, booking = newest(), running.series.row(4).booking
    assert booking is not None
    noticed = booking.start + timedelta(minutes=30)
    moves.record_no_show(running.infusion(4).pk, by=running.desk, now=noticed)
    assert [event for event, _ in notices(running, since=known)] == [MessageEvent.INFUSION_MISSED]
    assert why_not(latest(running), noticed) == ""


def test_a_no_show_that_is_written_down_a_week_later_is_told_to_nobody(running: Booked) -> None:
    known, booking = newest(), running.series.row(4).booking
    assert booking is not None
    moves.record_no_show(running.infusion(4).pk, by=running.desk, now=booking.start + timedelta(days=7))
    assert notices(running, since=known) == []


def test_a_withheld_infusion_is_told_to_nobody_because_the_patient_is_there(running: Booked) -> None:
    known, booking = newest(), running.series.row(4).booking
    assert booking is not None
    bookings.advance(booking.pk, to=BookingStatus.ARRIVED, by=running.nurse, now=booking.start)
    moves.withhold_infusion(running.infusion(4).pk, reason="Blood pressure", by=running.nurse, now=booking.start)
    assert revisions(running)[-1] == RevisionKind.WITHHELD
    assert notices(running, since=known) == []


@pytest.mark.parametrize("has_gone_out", [True, False])
def test_a_cancellation_that_is_taken_back_is_told_only_where_it_was_told(
    running: Booked, *, has_gone_out: bool
) -> None:
    booking = running.series.row(4).booking
    assert booking is not None
    moves.cancel_infusion(running.infusion(4).pk, reason="Has a cold", by=running.desk, now=SATURDAY)
    cancelled, known = latest(running), newest()
    if has_gone_out:
        went_out(cancelled, SATURDAY)
    moves.undo_visit(booking_id=booking.pk, by=running.desk, now=SATURDAY)
    told = [event for event, _ in notices(running, since=known)]
    assert told == ([MessageEvent.INFUSION_BOOKED] if has_gone_out else [])
    assert why_not(cancelled, SATURDAY) == "The visit takes place after all."


def test_closing_a_course_tells_once_that_what_was_booked_is_gone(running: Booked) -> None:
    known = newest()
    close_course(running.course.pk, status=CourseStatus.STOPPED, reason="Moved", by=running.clinician, now=SATURDAY)
    told = notices(running, since=known)
    assert [(event, facts["count"]) for event, facts in told] == [(MessageEvent.SERIES_CHANGED, 3)]


# -- who is told, and what becomes of it -------------------------------------------------------------------------------


def test_without_rules_nothing_is_written_and_the_change_is_saved_all_the_same(series: Booked) -> None:
    series.clinic.location.message_rules.all().delete()
    known = newest()
    moves.cancel_infusion(series.infusion(4).pk, reason="Has a cold", by=series.desk, now=BOOKED_ON)
    assert newest() == known
    assert series.series.row(4).is_booked is False


def test_the_notice_is_undone_with_its_change(running: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    known = newest()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("courses.services.endings.sweep_after", broken)
    moves.cancel_infusion(running.infusion(4).pk, reason="Has a cold", by=running.desk, now=SATURDAY)
    booking = running.series.row(4).attempts[-1].booking
    with pytest.raises(RuntimeError):
        moves.undo_visit(booking_id=booking.pk, by=running.desk, now=SATURDAY)
    assert [event for event, _ in notices(running, since=known)] == [MessageEvent.INFUSION_CANCELLED]
    assert revisions(running)[-1] == RevisionKind.CANCELLED


def test_every_kind_of_revision_was_thought_of() -> None:
    """A new kind has to say whether it tells: what moves times is told by its facts, the others are silent."""
    from courses.services.messages.changes import SILENT  # noqa: PLC0415

    moves_times = {
        *(RevisionKind.BOOKED, RevisionKind.CONFIRMED, RevisionKind.MOVED, RevisionKind.SHIFTED, RevisionKind.OFFERED),
        *(RevisionKind.CANCELLED, RevisionKind.MISSED, RevisionKind.RESLOTTED, RevisionKind.NUMBER),
        *(RevisionKind.RHYTHM, RevisionKind.WISHES, RevisionKind.RESTARTED, RevisionKind.CLOSED),
        *(RevisionKind.MAINTENANCE, RevisionKind.INTERVAL, RevisionKind.STEPPED_BACK),
    }
    assert set(RevisionKind) - SILENT == moves_times


def test_the_queries_of_a_change_do_not_grow_with_what_it_moves(
    running: Booked, django_assert_max_num_queries: object
) -> None:
    from courses.services.messages.changes import announce_change  # noqa: PLC0415

    move(running, 4, 13, Mode.SHIFT)
    revision = Revision.objects.select_related("course__location").get(kind=RevisionKind.SHIFTED)
    Message.objects.filter(event=MessageEvent.SERIES_CHANGED).update(key="other")
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        announce_change(revision, by=running.clinician, now=SATURDAY)
    assert Message.objects.filter(event=MessageEvent.SERIES_CHANGED).count() == 2
