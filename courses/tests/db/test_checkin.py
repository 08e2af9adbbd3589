"""Answers of the check-in: stored, refused, two people at one question, and a visit that is withheld (case 21)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.tests.fixtures.parallel import Parallel
from courses.models import CheckAnswer, InfusionRecord, InfusionStatus
from courses.pure.checklist_answers import Entries, Measured, Typed, fingerprint
from courses.services import moves
from courses.services.checkin import AnsweredMeanwhileError, save_checkin, withhold_today
from courses.services.gate import gate_of
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.visits import step_visit
from courses.tests.checkin_kit import checked_in, put_answers
from courses.tests.day_kit import Day, in_chair, infusing, make_day, put_row, ten
from courses.tests.series_kit import at
from courses.tests.sign_kit import put_draw
from patients.models import PregnancyTest, VitalSigns
from patients.pure.vitals import Vitals, kg_from_lb
from patients.services.observations import UnusualValueError
from patients.tests.factories import make_vitals

pytestmark = pytest.mark.django_db


def save(day: Day, by: Any = None, entries: Entries | None = None, **answers: Typed) -> None:
    who = by or day.nurse
    save_checkin(booking_id=day.pk, entries=entries or Entries(answers), by=who, now=ten())


def stored(day: Day) -> dict[str, tuple[str, str]]:
    return {one.item: (one.value, one.detail) for one in CheckAnswer.objects.filter(record=day.record)}


def test_answers_stand_with_who_gave_them_and_when() -> None:
    day = in_chair()
    save(day, identity=Typed("yes"), since_memory=Typed("yes", "forgets names"))
    assert stored(day) == {"identity": ("yes", ""), "since_memory": ("yes", "forgets names")}
    answer = CheckAnswer.objects.get(item="identity")
    assert (answer.by, answer.at) == (day.nurse, ten())


def test_an_answer_that_cannot_be_saves_nothing_of_the_rest_either() -> None:
    day = in_chair()
    with pytest.raises(ValidationError) as refusal:
        save(day, identity=Typed("yes"), escort=Typed("yes", ""))
    assert refusal.value.message_dict == {"escort": ["Give the name."]}
    assert not InfusionRecord.objects.exists()


def test_an_item_that_nobody_asks_is_refused() -> None:
    with pytest.raises(ValidationError, match="not asked"):
        save(in_chair(), horoscope=Typed("yes"))


def test_an_answer_may_be_corrected_by_who_has_seen_it() -> None:
    day = in_chair()
    save(day, identity=Typed("no"))
    save(day, identity=Typed("yes", base=fingerprint("no")))
    assert stored(day)["identity"] == ("yes", "")


def test_what_somebody_else_answered_meanwhile_is_not_overwritten_and_both_are_told() -> None:
    day = in_chair()
    save(day, health_change=Typed("yes", "a cold"))
    with pytest.raises(AnsweredMeanwhileError) as conflict:
        save(day, by=day.clinician, health_change=Typed("no"), airway=Typed("yes"))
    theirs = conflict.value.theirs["health_change"]
    assert (theirs.said, theirs.by) == ("Yes: a cold", day.nurse.display_name)
    assert stored(day) == {"health_change": ("yes", "a cold")}


def test_the_same_answer_of_two_people_is_no_conflict_and_an_untouched_one_is_left_alone() -> None:
    day = in_chair()
    save(day, airway=Typed("yes"), identity=Typed("no"))
    save(day, airway=Typed("yes"))
    put_answers(day, identity=("yes", ""))
    save(day, by=day.clinician, identity=Typed("no", base=fingerprint("no")), health_change=Typed("no"))
    assert stored(day)["identity"] == ("yes", "")


@pytest.mark.django_db(transaction=True)
def test_two_people_at_one_question_at_once_one_is_stored_and_the_other_told(parallel: Parallel) -> None:
    day = in_chair()
    people = [day.nurse, day.clinician]
    outcomes = parallel(
        2, lambda index: save(day, by=people[index], health_change=Typed("yes", f"told to {people[index].username}"))
    )
    errors = [one.error for one in outcomes]
    assert sorted(type(error).__name__ for error in errors) == ["AnsweredMeanwhileError", "NoneType"]
    winner = people[errors.index(None)]
    assert stored(day) == {"health_change": ("yes", f"told to {winner.username}")}


@pytest.mark.django_db(transaction=True)
def test_two_people_at_two_questions_at_once_are_both_stored(parallel: Parallel) -> None:
    day = in_chair()
    items = ["airway", "identity", "since_memory", "since_mania"]
    values = ["yes", "yes", "no", "no"]
    outcomes = parallel(4, lambda index: save(day, **{items[index]: Typed(values[index])}))
    assert [one.error for one in outcomes] == [None] * 4
    assert set(stored(day)) == set(items)


def test_the_front_desk_and_the_manager_answer_nothing() -> None:
    day = in_chair()
    for person in (day.clinic.desk, day.clinic.manager):
        with pytest.raises(PermissionDenied):
            save(day, by=person, identity=Typed("yes"))


def test_before_the_arrival_and_after_the_start_nothing_is_answered() -> None:
    with pytest.raises(DayRefusedError, match="not arrived"):
        save(make_day(), identity=Typed("yes"))


def test_after_the_start_the_check_in_stays_as_it_was() -> None:
    day = infusing()
    with pytest.raises(DayRefusedError, match="was started"):
        save(day, identity=Typed("yes"))


# -- measured now ------------------------------------------------------------------------------------------------------


def weigh(day: Day, kg: str, *, base: str = "", confirmed: bool = False) -> None:
    save(day, entries=Entries(weight=Measured(base, Vitals(weight_kg=Decimal(kg)), is_confirmed=confirmed)))


def test_case_28b_in_pounds_stands_as_kilograms_in_the_patients_record() -> None:
    day = in_chair()
    weigh(day, str(kg_from_lb(Decimal(198))))
    assert VitalSigns.objects.filter(weight_kg=Decimal("89.8"), measured_at=ten()).exists()


def test_an_unusual_weight_is_asked_twice() -> None:
    day = in_chair()
    last = make_vitals(day.patient, day.nurse, measured_at=ten(-60))
    with pytest.raises(UnusualValueError, match="more than 10 % apart"):
        weigh(day, "94.2", base=str(last.pk))
    assert not VitalSigns.objects.filter(weight_kg=Decimal("94.2")).exists()
    weigh(day, "94.2", base=str(last.pk), confirmed=True)
    assert VitalSigns.objects.filter(weight_kg=Decimal("94.2")).exists()


def test_an_impossible_weight_is_refused_beside_its_field() -> None:
    with pytest.raises(ValidationError) as refusal:
        weigh(in_chair(), "8.2")
    assert list(refusal.value.message_dict) == ["weight"]


def test_a_weight_that_somebody_took_meanwhile_is_shown_first() -> None:
    day = in_chair()
    make_vitals(day.patient, day.nurse, measured_at=ten(-1))
    with pytest.raises(AnsweredMeanwhileError) as conflict:
        weigh(day, "82.5")
    assert conflict.value.theirs["weight"].said == "82.4 kg"


def test_a_positive_test_stands_in_the_patients_record_and_holds() -> None:
    day = checked_in()
    save(day, entries=Entries(test=Measured("", result="positive")))
    assert PregnancyTest.objects.get().tested_on == date(2027, 4, 5)
    assert [one.code for one in gate_of(day.desk(ten())).holds] == ["pregnancy"]


# -- withholding -------------------------------------------------------------------------------------------------------

WEDNESDAY = date(2027, 4, 7)


def held_on_wednesday() -> Day:
    """Case 21: infusion 2, Wed 7 April 2027, 166/98."""
    day = make_day(number=1)
    for step in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING, BookingStatus.DONE):
        bookings.advance(day.pk, to=step, by=day.nurse, now=ten())
    moves.record_given(booking_id=day.pk, by=day.nurse, now=ten())
    second = day.course.phases.get().infusions.get(number=2).visits.get()
    day.booking = second.booking
    for step in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR):
        step_visit(booking_id=day.pk, to=step, by=day.nurse, now=at(WEDNESDAY, "09:50"))
    put_row(day, at(WEDNESDAY, "09:55"), 166, 98, heart_rate_bpm=80)
    return day


def hold(day: Day, reason: str = "Pressure 166/98", by: Any = None, version: int | None = None) -> None:
    withhold_today(booking_id=day.pk, reason=reason, version=version, by=by or day.nurse, now=at(WEDNESDAY, "10:05"))


def test_case_21_held_for_166_98_is_withheld_counts_nothing_and_goes_to_thursday() -> None:
    day = held_on_wednesday()
    (finding,) = gate_of(day.desk(at(WEDNESDAY, "10:00"))).holds
    assert (finding.code, finding.state.value) == ("pressure", "hard")
    hold(day, finding.said[:200])
    infusion = day.course.phases.get().infusions.get(number=2)
    assert infusion.status == InfusionStatus.WITHHELD
    visit = infusion.visits.get(booking=day.booking)
    assert (visit.outcome, visit.reason) == ("withheld", finding.said[:200])
    assert Booking.objects.get(pk=day.pk).status == BookingStatus.WITHHELD
    desk = moves.open_move(infusion.pk, mode=None, now=at(WEDNESDAY, "10:10"))
    offer = desk.suggestion()
    assert offer is not None
    days = {one.number: one.day for one in offer.proposed.placed}
    april = [date(2027, 4, number) for number in (8, 12, 14, 16, 19)]
    assert [days[number] for number in (2, 3, 4, 5, 6)] == april


def test_withholding_needs_a_reason_a_role_and_an_arrival() -> None:
    day = held_on_wednesday()
    with pytest.raises(ValidationError, match="Give the reason"):
        hold(day, " ")
    for person in (day.clinic.desk, day.clinic.manager):
        with pytest.raises(PermissionDenied):
            hold(day, by=person)
    with pytest.raises(DayRefusedError, match="not arrived"):
        hold(make_day(clinic=day.clinic, version=day.course.phases.get().protocol_version))


def test_what_was_started_is_not_withheld() -> None:
    day = infusing()
    with pytest.raises(DayRefusedError, match="was started"):
        withhold_today(booking_id=day.pk, reason="Pressure", version=None, by=day.nurse, now=ten(1))


def test_a_visit_that_changed_meanwhile_is_not_withheld() -> None:
    day = held_on_wednesday()
    with pytest.raises(ChangedMeanwhileError):
        hold(day, version=1)


def test_drug_that_was_drawn_is_accounted_for_first() -> None:
    day = held_on_wednesday()
    put_draw(day, at(WEDNESDAY, "09:58"), None)
    with pytest.raises(DayRefusedError, match="Return or waste it"):
        hold(day)
    assert Booking.objects.get(pk=day.pk).status == BookingStatus.IN_CHAIR
