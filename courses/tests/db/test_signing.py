"""Completing, signing and amending the record of an infusion: nothing missing, nothing unseen, nothing changed after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, transaction

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.tests.fixtures.parallel import Parallel
from courses.models import (
    Discharge,
    FlowsheetRow,
    InfusionAmendment,
    InfusionRecord,
    LimitAlarm,
    RunEvent,
)
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, RecordSignedError, changing
from courses.services.signing import (
    NotCompleteError,
    amend,
    complete,
    is_changed_after_completion,
    latest_entry,
    missing_of,
    say_entry,
    sign,
    take_back_completion,
)
from courses.tests.day_kit import Day, in_chair, infusing, make_day, observing, put_row, ten
from courses.tests.sign_kit import completed, finished, put_discharge, put_draw, put_no_effects, signed

pytestmark = pytest.mark.django_db


# --- completing -------------------------------------------------------------------------------------------------------
def test_the_nurse_completes_a_record_in_which_nothing_is_missing() -> None:
    day = finished()
    complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(110))
    assert (day.record.completed_at, day.record.completed_by) == (ten(110), day.nurse)
    assert day.record.signed_at is None


def test_an_incomplete_record_is_refused_with_the_list_of_what_is_missing() -> None:
    day = infusing()
    put_draw(day, ten(-4), None)
    row = put_row(day, ten(20), 184, 104)
    with changing(day.pk, by=day.nurse, now=ten(20)) as record:
        LimitAlarm.objects.create(
            record=record, row=row, rule="pause", act="pause", said="184/104.", profile="default", raised_at=ten(20)
        )
    with pytest.raises(NotCompleteError) as refusal:
        complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(30))
    assert [one.section for one in refusal.value.missing] == ["run", "flowsheet", "effects", "discharge", "stock"]
    said = str(refusal.value)
    for words in ("has not ended", "1 alarm is not answered", "Side effects", "has not left", "41.2 mg drawn at 09:56"):
        assert words in said, words
    assert day.record.completed_at is None


LACKS: dict[str, tuple[str, Callable[[Day], object]]] = {
    "the patient is still there": (
        "has not left",
        lambda day: Discharge.objects.filter(record=day.record).update(
            struck_at=ten(106), struck_by=day.nurse, struck_reason="Wrong chair"
        ),
    ),
    "nobody said whether there were side effects": (
        "Side effects",
        lambda day: InfusionRecord.objects.filter(pk=day.record.pk).update(
            no_adverse_events_at=None, no_adverse_events_by=None
        ),
    ),
    "the dose was checked by one person": (
        "checked by 1 of 2 people",
        lambda day: day.record.dose_checks.filter(by=day.clinician).delete(),
    ),
}


@pytest.mark.parametrize("why", LACKS)
def test_one_missing_thing_is_enough_to_refuse(why: str) -> None:
    said, spoil = LACKS[why]
    day = finished()
    assert missing_of(day.desk(ten(110))) == ()
    spoil(day)
    with pytest.raises(NotCompleteError, match=said) as refusal:
        complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(110))
    assert len(refusal.value.missing) == 1


def test_an_infusion_without_a_draw_in_the_log_is_not_accounted_for() -> None:
    day = observing()
    put_no_effects(day, ten(90))
    put_discharge(day, ten(105))
    with pytest.raises(NotCompleteError, match="no drug was drawn"):
        complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(110))


def test_who_has_not_seen_the_latest_entry_does_not_complete_over_it() -> None:
    day = finished()
    seen = day.record.version
    put_row(day, ten(108), 128, 82, note="Called back from the door")
    with pytest.raises(ChangedMeanwhileError, match="recorded vital signs at 11:48"):
        complete(booking_id=day.pk, version=seen, by=day.clinician, now=ten(110))
    with pytest.raises(ChangedMeanwhileError, match="Something was written"):
        complete(booking_id=day.pk, version=seen, by=day.nurse, now=ten(110))
    assert day.record.completed_at is None


def test_the_front_desk_neither_completes_nor_signs_and_a_nurse_does_not_sign() -> None:
    day = completed()
    seen = day.record.version
    for by in (day.clinic.desk, day.clinic.manager):
        for act in (complete, take_back_completion, sign):
            with pytest.raises(PermissionDenied):
                act(booking_id=day.pk, version=seen, by=by, now=ten(111))
    with pytest.raises(PermissionDenied):
        sign(booking_id=day.pk, version=seen, by=day.nurse, now=ten(111))
    assert day.record.signed_at is None


def test_completion_is_taken_back_before_the_signature_and_not_after() -> None:
    day = completed()
    take_back_completion(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(111))
    assert day.record.completed_at is None
    with pytest.raises(DayRefusedError, match="nothing to take back"):
        take_back_completion(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(111))
    complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(112))
    sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(113))
    with pytest.raises(RecordSignedError):
        take_back_completion(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(114))


# --- signing ----------------------------------------------------------------------------------------------------------
def test_the_prescriber_signs_what_the_nurse_completed() -> None:
    day = completed()
    sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(112))
    assert (day.record.signed_at, day.record.signed_by) == (ten(112), day.clinician)


def test_nobody_signs_before_it_is_completed() -> None:
    day = finished()
    with pytest.raises(DayRefusedError, match="completes the record first"):
        sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(112))


def _strike_first_row(day: Day) -> None:
    with changing(day.pk, by=day.nurse, now=ten(111)) as record:
        FlowsheetRow.objects.filter(record=record).update(
            struck_at=ten(111), struck_by=day.nurse, struck_reason="Other arm"
        )


def _note(day: Day) -> None:
    with changing(day.pk, by=day.nurse, now=ten(111)) as record:
        record.session_note = "Calm"
        record.save(update_fields=["session_note"])


CHANGES: dict[str, Callable[[Day], object]] = {
    "a row": lambda day: put_row(day, ten(111), 130, 80),
    "a struck row": _strike_first_row,
    "a note, which carries no time": _note,
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_written_after_completion_has_to_be_completed_again(what: str) -> None:
    day = completed()
    CHANGES[what](day)
    with pytest.raises(ChangedMeanwhileError, match="complete it again"):
        sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(112))
    complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(113))
    sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(114))
    assert day.record.is_signed


def test_the_page_knows_who_changed_a_completed_record() -> None:
    day = completed()
    assert not is_changed_after_completion(day.desk(ten(111)))
    put_row(day, ten(111), 130, 80)
    desk = day.desk(ten(112))
    assert is_changed_after_completion(desk)
    latest = latest_entry(desk)
    assert latest is not None
    assert say_entry(desk, latest) == f"{day.nurse.display_name} recorded vital signs at 11:51"


def test_a_row_that_reached_the_server_late_counts_by_its_arrival_there() -> None:
    day = completed()
    with changing(day.pk, by=day.nurse, now=ten(111)) as record:
        FlowsheetRow.objects.create(
            record=record, at=ten(95), received_at=ten(111), by=day.nurse, note="Kept on the tablet"
        )
    assert is_changed_after_completion(day.desk(ten(112)))


def test_a_visit_that_was_taken_back_a_step_is_not_signed() -> None:
    day = completed()
    bookings.undo(day.pk, by=day.nurse, now=ten(111))
    with pytest.raises(DayRefusedError):
        sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(112))
    assert not day.record.is_signed


def test_once_signed_nothing_is_written_any_more_by_whatever_way() -> None:
    day = signed()
    with pytest.raises(RecordSignedError):
        put_row(day, ten(115))
    for act, by in ((complete, day.nurse), (sign, day.clinician)):
        with pytest.raises(RecordSignedError):
            act(booking_id=day.pk, version=day.record.version, by=by, now=ten(115))
    for write in (
        lambda: RunEvent.objects.filter(record=day.record).update(reason="x"),
        lambda: InfusionRecord.objects.filter(pk=day.record.pk).update(signed_at=None, signed_by=None),
        lambda: Discharge.objects.filter(record=day.record).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            write()


@pytest.mark.django_db(transaction=True)
def test_two_prescribers_at_once_leave_one_signature(parallel: Parallel) -> None:
    day = completed()
    seen = day.record.version

    def act(index: int) -> None:
        sign(booking_id=day.pk, version=seen, by=day.clinician, now=ten(112) + timedelta(seconds=index))

    outcomes = parallel(4, act)
    failed = [one.error for one in outcomes if one.error is not None]
    assert len(failed) == 3
    assert all(isinstance(one, RecordSignedError) for one in failed)
    assert day.record.is_signed


@pytest.mark.django_db(transaction=True)
def test_a_row_and_a_signature_at_once_never_end_in_a_signed_record_nobody_saw(parallel: Parallel) -> None:
    day = completed()
    seen = day.record.version

    def act(index: int) -> None:
        if index:
            put_row(day, ten(112), 128, 80)
        else:
            sign(booking_id=day.pk, version=seen, by=day.clinician, now=ten(112))

    by_sign, by_row = parallel(2, act)
    if by_sign.error is None:
        assert isinstance(by_row.error, RecordSignedError)
    else:
        assert isinstance(by_sign.error, ChangedMeanwhileError)
        assert by_row.error is None
        assert not day.record.is_signed


# --- withheld visits --------------------------------------------------------------------------------------------------
def withheld() -> Day:
    """166/98 before the start, and the visit was withheld (case 21)."""
    day = in_chair()
    put_row(day, ten(), 166, 98)
    bookings.release([day.pk], status=BookingStatus.WITHHELD, reason="166/98", by=day.nurse, now=ten(5))
    return day


def test_a_hold_is_completed_and_signed_although_nothing_was_given() -> None:
    day = withheld()
    with pytest.raises(DayRefusedError):
        put_row(day, ten(6))
    complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(7))
    sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(8))
    assert day.record.is_signed


def test_drug_drawn_for_a_withheld_visit_is_accounted_for_before_it_is_complete() -> None:
    day = in_chair()
    put_draw(day, ten(-4), None)
    bookings.release([day.pk], status=BookingStatus.WITHHELD, reason="166/98", by=day.nurse, now=ten(5))
    with pytest.raises(NotCompleteError, match="not accounted for"):
        complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(7))


def test_there_is_nothing_to_sign_where_nothing_was_recorded() -> None:
    day = in_chair()
    with pytest.raises(DayRefusedError, match="Nothing was recorded"):
        complete(booking_id=day.pk, version=0, by=day.nurse, now=ten(7))


def test_there_is_nothing_to_sign_before_somebody_has_arrived() -> None:
    day = make_day()
    with pytest.raises(DayRefusedError, match="has not arrived"):
        complete(booking_id=day.pk, version=0, by=day.nurse, now=ten(-30))
    assert not InfusionRecord.objects.exists()


# --- amendments -------------------------------------------------------------------------------------------------------
def test_an_amendment_is_added_with_author_and_reason_and_stays_as_it_is() -> None:
    day = signed()
    amend(booking_id=day.pk, reason=" Late call ", text="Slept well.", by=day.nurse, now=ten(300))
    one = InfusionAmendment.objects.get()
    assert (one.reason, one.text, one.by, one.at) == ("Late call", "Slept well.", day.nurse, ten(300))
    for write in (lambda: InfusionAmendment.objects.update(text="x"), lambda: InfusionAmendment.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            write()


def test_the_same_words_sent_twice_are_one_amendment() -> None:
    day = signed()
    for _ in range(2):
        amend(booking_id=day.pk, reason="Kept on the tablet", text="11:20 128/80", by=day.nurse, now=ten(300))
    amend(booking_id=day.pk, reason="Kept on the tablet", text="11:30 126/80", by=day.nurse, now=ten(301))
    assert InfusionAmendment.objects.count() == 2


def test_an_amendment_needs_a_signature_a_reason_a_text_and_the_role() -> None:
    day = completed()
    known: dict[str, Any] = {"booking_id": day.pk, "now": ten(300)}
    with pytest.raises(DayRefusedError, match="not signed yet"):
        amend(reason="Late call", text="Slept well.", by=day.nurse, **known)
    sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(112))
    for reason, text, field in (("", "Slept well.", "reason"), ("Late call", "  ", "text")):
        with pytest.raises(ValidationError) as wrong:
            amend(reason=reason, text=text, by=day.nurse, **known)
        assert list(wrong.value.message_dict) == [field]
    for by in (day.clinic.desk, day.clinic.manager):
        with pytest.raises(PermissionDenied):
            amend(reason="Late call", text="Slept well.", by=by, **known)
    assert not InfusionAmendment.objects.exists()
