"""What became of an infusion visit: cancelled, missed, withheld, given; and undoing the last of these.

An ending releases the booking at once. The infusion keeps its number and waits for a new time (``moves``, R5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F

from clinic.models import BookingStatus, User
from clinic.pure.roles import Can
from clinic.services import bookings
from courses.models import (
    Course,
    CourseStatus,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    RevisionKind,
    TaskKind,
    VisitOutcome,
)
from courses.planning.words import say_day, say_numbers
from courses.services.messages.changes import announce_back
from courses.services.revisions import placed_facts, write_revision
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError, ReasonNeededError, say_place
from courses.services.series_commit import release_rows
from courses.services.series_state import UNSETTLED, Row, Series, locked_series, read_series_of
from courses.services.worklists.engine import sweep_after


def cancel_infusion(
    infusion_id: int, *, reason: str, by: User, now: datetime, expected_version: int | None = None
) -> Infusion:
    """The visit is cancelled and its time free; the infusion keeps its number and waits for a new time (R5).

    Raises:
        PermissionDenied, ReasonNeededError, ChangedMeanwhileError, ChangeRefusedError
    """
    _demand(by, Can.MOVE_INFUSION, Can.EDIT_BOOKING)
    return _end(infusion_id, VisitOutcome.CANCELLED, reason, by=by, now=now, expected_version=expected_version)


def cancel_by_patient(infusion_id: int, *, reason: str, now: datetime, expected_version: int) -> Infusion:
    """The same, pressed by the patient behind a link: nobody is signed in, so the revision names no user."""
    return _end(infusion_id, VisitOutcome.CANCELLED, reason, by=None, now=now, expected_version=expected_version)


def record_no_show(
    infusion_id: int, *, reason: str = "", by: User, now: datetime, expected_version: int | None = None
) -> Infusion:
    """The patient did not come; the time is free, the infusion keeps its number and waits for a new time (R5)."""
    _demand(by, Can.EDIT_BOOKING, Can.RUN_INFUSION)
    return _end(infusion_id, VisitOutcome.MISSED, reason, by=by, now=now, expected_version=expected_version)


def withhold_infusion(
    infusion_id: int, *, reason: str, by: User, now: datetime, expected_version: int | None = None
) -> Infusion:
    """A clinical hold: nothing was given, nothing counts; the infusion keeps its number and waits for a time (R5)."""
    _demand(by, Can.RUN_INFUSION)
    return _end(infusion_id, VisitOutcome.WITHHELD, reason, by=by, now=now, expected_version=expected_version)


ENDINGS = {
    VisitOutcome.CANCELLED: (InfusionStatus.CANCELLED, RevisionKind.CANCELLED, "cancelled"),
    VisitOutcome.MISSED: (InfusionStatus.MISSED, RevisionKind.MISSED, "missed (no-show)"),
    VisitOutcome.WITHHELD: (InfusionStatus.WITHHELD, RevisionKind.WITHHELD, "withheld"),
}


def _end(
    infusion_id: int,
    outcome: VisitOutcome,
    reason: str,
    *,
    by: User | None,
    now: datetime,
    expected_version: int | None,
) -> Infusion:
    reason = reason.strip()
    if not reason and outcome is not VisitOutcome.MISSED:
        raise ReasonNeededError("Give the reason; it stays with the infusion.")
    status, kind, word = ENDINGS[outcome]
    try:
        with transaction.atomic():
            series = locked_series(read_series_of(infusion_id).phase.pk)
            row = _booked_row(series, infusion_id, expected_version)
            release_rows([row], outcome, reason=reason, by=by, now=now)
            Infusion.objects.filter(pk=infusion_id).update(status=status, day=None)
            Course.objects.filter(pk=series.course.pk).update(version=F("version") + 1)
            was = row.placed
            write_revision(
                course=series.course,
                phase=series.phase,
                kind=kind,
                summary=f"Infusion {row.number} on {say_place(was) if was else 'no day'} was {word}.",
                reason=reason[:300],
                by=by,
                now=now,
                before={"infusions": placed_facts([was] if was else [])},
                after={"infusions": [], "number": row.number, "status": status.value},
            )
    except bookings.StepRefusedError as error:
        raise ChangeRefusedError(str(error)) from error
    row.infusion.status, row.infusion.day = status, None
    return row.infusion


def _booked_row(series: Series, infusion_id: int, expected_version: int | None) -> Row:
    row = next((one for one in series.rows if one.infusion.pk == infusion_id), None)
    if row is None or not row.is_booked or row.booking is None:
        said = row.infusion.get_status_display().lower() if row else "no longer planned"
        raise ChangedMeanwhileError(f"This infusion is {said} now, so nothing was changed. Load the course again.")
    if expected_version is not None and row.booking.version != expected_version:
        where = say_place(row.placed) if row.placed else "another time"
        raise ChangedMeanwhileError(
            f"Somebody changed infusion {row.number} meanwhile: it is on {where} now. Nothing was changed; look again."
        )
    return row


def _demand(by: User, *capabilities: Can) -> None:
    if not any(by.can(capability) for capability in capabilities):
        raise PermissionDenied("Your role does not include this.")


# -- given -------------------------------------------------------------------------------------------------------------


@transaction.atomic
def record_given(*, booking_id: int, by: User, now: datetime) -> Infusion:
    """The infusion of this booking was given on the day of the booking; its course is in treatment. Repeat freely.

    Infusions are numbered in the order in which they are given: when an earlier one still waits for a new time, this
    one takes its number, and the waiting one comes later.

    Raises:
        InfusionVisit.DoesNotExist: the booking belongs to no infusion.
        ChangeRefusedError: the visit was released.
    """
    visit = InfusionVisit.objects.select_related("booking", "infusion__phase__course__location").get(
        booking_id=booking_id
    )
    infusion = visit.infusion
    if visit.outcome == VisitOutcome.GIVEN:
        return infusion
    if visit.outcome != VisitOutcome.OPEN:
        raise ChangeRefusedError(f"This visit is {visit.get_outcome_display().lower()}, so nothing was given at it.")
    course = infusion.phase.course
    visit.outcome, visit.at, visit.by = VisitOutcome.GIVEN, now, by
    visit.save(update_fields=["outcome", "at", "by"])
    infusion.status, infusion.day = InfusionStatus.GIVEN, course.location.local(visit.booking.start).date()
    infusion.save(update_fields=["status", "day"])
    _number_in_order(infusion, by=by, now=now)
    Course.objects.filter(pk=course.pk, status=CourseStatus.PLANNED).update(status=CourseStatus.ACTIVE)
    sweep_after(course.pk, now, kinds=[TaskKind.REVIEW])
    return infusion


def record_given_late(infusion_id: int, *, by: User, now: datetime) -> Infusion:
    """A visit that is over and was never recorded was given after all; its steps carry the booked times.

    Raises:
        PermissionDenied, ChangedMeanwhileError
        ChangeRefusedError: the visit is not over yet.
    """
    _demand(by, Can.RUN_INFUSION)
    with transaction.atomic():
        row = _booked_row(locked_series(read_series_of(infusion_id).phase.pk), infusion_id, None)
        booking = row.booking
        if booking is None or booking.end > now:
            raise ChangeRefusedError("This visit is not over yet. Record its steps on Today.")
        order = [BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING, BookingStatus.DONE]
        left = order[order.index(BookingStatus(booking.status)) + 1 :] if booking.status in order else order
        for step in left:
            moment = booking.end if step in (BookingStatus.OBSERVING, BookingStatus.DONE) else booking.start
            bookings.advance(booking.pk, to=step, by=by, now=moment)
        return record_given(booking_id=booking.pk, by=by, now=now)


ASIDE = 1000  # added to a number while infusions trade places, far above any real one


def _number_in_order(given: Infusion, *, by: User, now: datetime) -> None:
    """What was given takes the number of the first one that still waits; who traded is written down for an undo."""
    waiting = list(
        Infusion.objects.select_for_update()
        .filter(phase=given.phase, number__lt=given.number, status__in=UNSETTLED)
        .order_by("number")
    )
    if not waiting:
        return
    order = [given, *waiting]
    was = {one.pk: one.number for one in order}
    becomes = dict(zip(was, sorted(was.values()), strict=True))
    _renumber(order, becomes)
    late = [becomes[one.pk] for one in waiting]
    write_revision(
        course=given.phase.course,
        phase=given.phase,
        kind=RevisionKind.RENUMBERED,
        summary=f"Infusion {was[given.pk]} was given first and is infusion {given.number} now; "
        f"{say_numbers(late)} {'waits' if len(late) == 1 else 'wait'} for a time.",
        by=by,
        now=now,
        before={"given": given.pk, "numbers": _plain(was)},
        after={"given": given.pk, "numbers": _plain(becomes)},
    )


def _number_back(undone: Infusion, *, by: User, now: datetime) -> str:
    """The infusions that traded numbers when this one was given have their old ones again, if nothing happened since.

    Returns:
        Why not, as a sentence for the person who undid it; empty when there was nothing to trade back, or it was done.
    """
    trade = undone.phase.revisions.filter(kind=RevisionKind.RENUMBERED, after__given=undone.pk).first()
    if trade is None:
        return ""
    was, became = (_numbers(facts) for facts in (trade.before, trade.after))
    rows = list(Infusion.objects.select_for_update().filter(pk__in=became))
    if {one.pk: one.number for one in rows} == was:
        return ""  # traded back before
    others = [one for one in rows if one.pk != undone.pk]
    moved_on = [one.number for one in others if one.status not in UNSETTLED]
    if {one.pk: one.number for one in rows} != became or moved_on:
        verb = "waits" if len(moved_on) == 1 else "wait"
        why = f"{say_numbers(moved_on)} {verb} no longer" if moved_on else "others were given since"
        return f"The numbers stay as they are, because {why}: it is infusion {undone.number}."
    _renumber([undone, *others], was)
    write_revision(
        course=undone.phase.course,
        phase=undone.phase,
        kind=RevisionKind.RENUMBERED,
        summary=f"It was not given after all: infusion {became[undone.pk]} is infusion {undone.number} again.",
        by=by,
        now=now,
        before={"numbers": _plain(became)},
        after={"numbers": _plain(was)},
    )
    return ""


def _renumber(rows: Sequence[Infusion], becomes: Mapping[int, int]) -> None:
    Infusion.objects.filter(pk__in=[one.pk for one in rows]).update(number=F("number") + ASIDE)
    for one in rows:
        one.number = becomes[one.pk]
        Infusion.objects.filter(pk=one.pk).update(number=one.number)


def _plain(numbers: Mapping[int, int]) -> list[list[int]]:
    return [[pk, number] for pk, number in numbers.items()]


def _numbers(facts: Mapping[str, Any]) -> dict[int, int]:
    return dict(facts["numbers"])


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo left behind."""

    infusion: Infusion
    numbers_stay: str = ""  # why numbers that were traded are not traded back


@transaction.atomic
def undo_visit(*, booking_id: int, by: User, now: datetime, expected_version: int | None = None) -> Undone:
    """The last step of an infusion visit is undone: a released one holds its time again, a given one is open again.

    Where infusions had traded numbers because this one was given first, they trade back, unless something happened
    since; then ``numbers_stay`` of the answer says so.

    Raises:
        ChangeRefusedError: the infusion has another time by now.
        TimeTakenError, StepRefusedError, StaleBookingError: see ``clinic.services.bookings.undo``.
    """
    visit = InfusionVisit.objects.select_related("infusion__phase__course__location").get(booking_id=booking_id)
    infusion = visit.infusion
    if infusion.visits.exclude(pk=visit.pk).filter(outcome__in=[VisitOutcome.OPEN, VisitOutcome.GIVEN]).exists():
        raise ChangeRefusedError(f"Infusion {infusion.number} has a new time already. Move that one instead.")
    was_over, was_given = visit.outcome != VisitOutcome.OPEN, visit.outcome == VisitOutcome.GIVEN
    booking = bookings.undo(booking_id, by=by, now=now, expected_version=expected_version)
    if not was_over:
        return Undone(infusion)
    location = infusion.phase.course.location
    visit.outcome, visit.reason, visit.at, visit.by = VisitOutcome.OPEN, "", None, None
    visit.save(update_fields=["outcome", "reason", "at", "by"])
    infusion.status, infusion.day = InfusionStatus.BOOKED, location.local(booking.start).date()
    infusion.save(update_fields=["status", "day"])
    numbers_stay = _number_back(infusion, by=by, now=now) if was_given else ""
    summary = f"Infusion {infusion.number} on {say_day(infusion.day)}: the last entry was undone. {numbers_stay}"
    course = infusion.phase.course
    if not Infusion.objects.filter(phase__course=course, status=InfusionStatus.GIVEN).exists():
        Course.objects.filter(pk=course.pk, status=CourseStatus.ACTIVE).update(status=CourseStatus.PLANNED)
    write_revision(
        course=course,
        phase=infusion.phase,
        kind=RevisionKind.RESLOTTED,
        summary=summary.strip(),
        by=by,
        now=now,
    )
    announce_back(visit, booking, by=by, now=now)
    sweep_after(course.pk, now, kinds=[TaskKind.REVIEW])
    return Undone(infusion, numbers_stay)
