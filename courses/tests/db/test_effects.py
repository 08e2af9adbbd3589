"""Side effects in the database: recorded, followed, struck; "none"; and the notes that two people may write."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.tests.fixtures.parallel import Parallel
from courses.models import AdverseEvent, InfusionRecord
from courses.pure.adverse import How
from courses.services.effects import (
    answer_none,
    base_of,
    follow_effect,
    record_effect,
    save_note,
    strike_effect,
    take_none_back,
)
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, RecordSignedError
from courses.services.leaving import effects_said
from courses.tests.day_kit import Day, infusing, make_day, observing, put_tap, ten
from patients.pure.consultation import fingerprint

pytestmark = pytest.mark.django_db
MILD = How(severity="mild", is_serious=False, outcome="unknown")
ONDANSETRON = replace(
    MILD,
    severity="moderate",
    action="Slowed, cool cloth",
    medicine="Ondansetron",
    medicine_dose="4 mg IV",
    medicine_at=ten(32),
    medicine_effect="Better in 10 min",
    outcome="resolved",
    resolved_at=ten(45),
)


def record(day: Day, now: datetime | None = None, how: How = MILD, **facts: Any) -> AdverseEvent:
    values = {"code": "nausea", "onset_at": ten(30)} | facts
    return record_effect(booking_id=day.pk, how=how, by=day.nurse, now=now or ten(50), **values)


def wrong(error: pytest.ExceptionInfo[ValidationError]) -> set[str]:
    return set(error.value.message_dict)


def test_an_effect_is_stored_with_what_was_done_and_read_back() -> None:
    day = observing()
    record(day, how=ONDANSETRON)
    (effect,) = day.desk(ten(55)).effects
    assert (effect.code, effect.onset_at, effect.severity, effect.is_serious) == ("nausea", ten(30), "moderate", False)
    assert (effect.medicine, effect.medicine_dose, effect.medicine_at) == ("Ondansetron", "4 mg IV", ten(32))
    assert (effect.outcome, effect.resolved_at, effect.recorded_by_id) == ("resolved", ten(45), day.nurse.pk)
    assert effects_said(day.desk(ten(55))) == "Nausea (moderate)"


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"code": "gremlins"}, "code"),
        ({"code": "other"}, "text"),
        ({"onset_at": ten(51)}, "onset"),
        ({"onset_at": ten(-11)}, "onset"),
        ({"how": replace(MILD, medicine="Ondansetron")}, "medicine"),
        ({"how": replace(MILD, medicine_effect="Better")}, "medicine"),
        ({"how": replace(ONDANSETRON, medicine_at=ten(51))}, "medicine_time"),
        ({"how": replace(MILD, outcome="resolved")}, "resolved"),
        ({"how": replace(MILD, resolved_at=ten(40))}, "resolved"),
        ({"how": replace(ONDANSETRON, resolved_at=ten(29))}, "resolved"),
        ({"how": replace(ONDANSETRON, resolved_at=ten(51))}, "resolved"),
        ({"how": replace(MILD, outcome="transferred")}, "is_serious"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(facts: dict[str, Any], field: str) -> None:
    day = observing()  # arrived at 9:50, now 10:50
    with pytest.raises(ValidationError) as error:
        record(day, **facts)
    assert wrong(error) == {field}
    assert not AdverseEvent.objects.exists()


def test_boundaries_of_the_onset_the_minute_of_arrival_and_now_are_accepted() -> None:
    day = observing()
    record(day, onset_at=ten(-10))
    record(day, onset_at=ten(50))
    assert AdverseEvent.objects.count() == 2


def test_none_is_an_answer_with_a_name_and_only_after_the_end() -> None:
    day = infusing()
    with pytest.raises(DayRefusedError, match="not over"):
        answer_none(booking_id=day.pk, by=day.nurse, now=ten(20))
    assert effects_said(day.desk(ten(20))) == ""
    put_tap(day, "end", ten(40))
    answer_none(booking_id=day.pk, by=day.nurse, now=ten(50))
    assert (day.record.no_adverse_events_at, day.record.no_adverse_events_by) == (ten(50), day.nurse)
    assert effects_said(day.desk(ten(51))) == "None"


def test_none_is_refused_while_an_effect_is_recorded() -> None:
    day = observing()
    effect = record(day)
    with pytest.raises(DayRefusedError, match="is recorded"):
        answer_none(booking_id=day.pk, by=day.nurse, now=ten(51))
    strike_effect(booking_id=day.pk, effect_id=effect.pk, reason="Wrong patient", by=day.nurse, now=ten(52))
    answer_none(booking_id=day.pk, by=day.nurse, now=ten(53))
    assert effects_said(day.desk(ten(54))) == "None"


def test_an_effect_takes_none_back_and_the_history_keeps_who_had_answered() -> None:
    day = observing()
    answer_none(booking_id=day.pk, by=day.nurse, now=ten(50))
    record(day, now=ten(55))
    assert (day.record.no_adverse_events_at, day.record.no_adverse_events_by) == (None, None)
    assert day.record.events.filter(no_adverse_events_by=day.nurse).exists()  # type: ignore[attr-defined]


def test_none_can_be_taken_back_and_the_question_is_open_again() -> None:
    day = observing()
    answer_none(booking_id=day.pk, by=day.nurse, now=ten(50))
    take_none_back(booking_id=day.pk, by=day.nurse, now=ten(51))
    assert effects_said(day.desk(ten(52))) == ""


def test_a_struck_effect_stays_with_its_reason_and_counts_no_more() -> None:
    day = observing()
    effect = record(day)
    with pytest.raises(ValidationError):
        strike_effect(booking_id=day.pk, effect_id=effect.pk, reason=" ", by=day.nurse, now=ten(51))
    strike_effect(booking_id=day.pk, effect_id=effect.pk, reason="Wrong patient", by=day.nurse, now=ten(51))
    desk = day.desk(ten(52))
    assert desk.effects == ()
    assert [(one.struck_reason, one.struck_by_id) for one in desk.children["effects"]] == [
        ("Wrong patient", day.nurse.pk)
    ]
    with pytest.raises(ChangedMeanwhileError):
        strike_effect(booking_id=day.pk, effect_id=effect.pk, reason="Again", by=day.nurse, now=ten(53))


def test_how_it_went_on_is_added_and_a_second_person_does_not_overwrite_it() -> None:
    day = observing()
    effect = record(day)
    seen = base_of(effect)
    follow_effect(booking_id=day.pk, effect_id=effect.pk, how=ONDANSETRON, base=seen, by=day.nurse, now=ten(55))
    with pytest.raises(ChangedMeanwhileError):
        follow_effect(
            booking_id=day.pk,
            effect_id=effect.pk,
            how=replace(MILD, outcome="unchanged"),
            base=seen,
            by=day.clinician,
            now=ten(56),
        )
    (kept,) = day.desk(ten(57)).effects
    assert (kept.outcome, kept.medicine) == ("resolved", "Ondansetron")


def test_notes_are_saved_unless_somebody_wrote_meanwhile() -> None:
    day = observing()
    empty = fingerprint("")
    save_note(
        booking_id=day.pk, field="prophylaxis_note", text="Ondansetron before", base=empty, by=day.nurse, now=ten(50)
    )
    with pytest.raises(ChangedMeanwhileError, match="Ondansetron before"):
        save_note(
            booking_id=day.pk, field="prophylaxis_note", text="Eat before", base=empty, by=day.clinician, now=ten(51)
        )
    with pytest.raises(ValidationError):
        save_note(
            booking_id=day.pk,
            field="prophylaxis_note",
            text="x" * 301,
            base=fingerprint("Ondansetron before"),
            by=day.nurse,
            now=ten(52),
        )
    save_note(booking_id=day.pk, field="session_note", text="Calm throughout", base=empty, by=day.nurse, now=ten(53))
    assert (day.record.prophylaxis_note, day.record.session_note) == ("Ondansetron before", "Calm throughout")


def test_nothing_is_recorded_before_the_arrival_without_the_role_or_after_signing() -> None:
    coming = make_day()
    with pytest.raises(DayRefusedError, match="not arrived"):
        record(coming)
    with pytest.raises(PermissionDenied):
        record_effect(booking_id=coming.pk, code="nausea", onset_at=ten(), how=MILD, by=coming.clinic.desk, now=ten(1))


def test_a_signed_record_takes_no_effect() -> None:
    day = observing()
    InfusionRecord.objects.filter(pk=day.record.pk).update(
        completed_at=ten(60), completed_by=day.nurse, signed_at=ten(61), signed_by=day.clinician
    )
    with pytest.raises(RecordSignedError):
        record(day, now=ten(70))


@pytest.mark.django_db(transaction=True)
def test_none_and_an_effect_at_once_never_stand_together(parallel: Parallel) -> None:
    day = observing()

    def act(index: int) -> object:
        if index % 2:
            return record(day, now=ten(50) + timedelta(seconds=index))
        return answer_none(booking_id=day.pk, by=day.clinician, now=ten(50) + timedelta(seconds=index))

    outcomes = parallel(8, act)
    assert {type(one.error) for one in outcomes} <= {type(None), DayRefusedError}
    assert AdverseEvent.objects.count() == 4
    assert day.record.no_adverse_events_at is None
