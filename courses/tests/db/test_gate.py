"""Go or no-go from the record: case 32 and 33, every item missing, and who lets what through."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import BookingStatus
from clinic.tests.fixtures.ledger import Queries
from courses.models import CheckAnswer, GateDecision, InfusionDaySettings
from courses.pure.checklist import Standing
from courses.services.checkin import let_through
from courses.services.gate import Finding, Gate, gate_of
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.tests.checkin_kit import answered, checked_in, put_answers, tell_nothing
from courses.tests.day_kit import Day, in_chair, put_order, put_row, put_tap, ten
from patients.models import Consent, DangerAlert, IntakeSettings, Patient
from patients.tests.alert_kit import make_alert
from patients.tests.factories import make_medicine

pytestmark = pytest.mark.django_db


def gate(day: Day, when: Any = None) -> Gate:
    return gate_of(day.desk(when or ten()))


def held(day: Day, when: Any = None) -> Finding:
    (found,) = gate(day, when).holds
    return found


def decide(day: Day, finding: Finding, reason: str = "", by: Any = None, when: Any = None) -> GateDecision:
    who, now = by or day.clinician, when or ten()
    return let_through(booking_id=day.pk, code=finding.code, stamp=finding.stamp, reason=reason, by=who, now=now)


def test_a_patient_who_is_checked_in_well_is_a_go_in_four_queries(queries: Queries) -> None:
    day = checked_in()
    with queries("infusion gate", at_most=4):
        found = gate(day)
    assert (found.is_go, found.stops) == (True, ())


def test_nothing_answered_is_no_go_and_names_every_item() -> None:
    found = gate(in_chair())
    assert not found.is_go
    assert {one.item for one in found.missing} == {
        *("identity", "escort", "fasting_solids", "fasting_liquids", "medicines_today", "health_change"),
        *("since_urinary", "since_memory", "since_mania", "since_cravings", "since_other"),
        *("measure", "weight", "vitals", "airway", "mental"),
    }


def test_each_answer_taken_away_is_a_no_go() -> None:
    day = checked_in()
    for answer in list(CheckAnswer.objects.filter(record=day.record)):
        if answer.item == "temperature":
            continue
        CheckAnswer.objects.filter(pk=answer.pk).delete()
        found = gate(day)
        assert not found.is_go
        assert [one.item for one in found.missing] == [answer.item]
        CheckAnswer.objects.create(
            record=day.record, item=answer.item, value=answer.value, detail=answer.detail, at=answer.at, by=answer.by
        )
    assert gate(day).is_go


@pytest.mark.parametrize(
    ("systolic", "diastolic", "pulse", "state"),
    [
        (138, 88, 80, "proceed"),
        (140, 90, 80, "proceed"),
        (141, 85, 80, "soft"),
        (152, 94, 80, "soft"),
        (158, 100, 80, "hard"),
        (160, 85, 80, "hard"),
        (130, 80, 112, "hard"),
    ],
)
def test_case_32_through_the_gate(systolic: int, diastolic: int, pulse: int, state: str) -> None:
    day = checked_in(systolic, diastolic, pulse)
    found = gate(day)
    assert found.is_go is (state == "proceed")
    assert [one.state.value for one in found.holds] == ([] if state == "proceed" else [state])


def test_case_33_through_the_gate_passes_from_half_past_eleven() -> None:
    day = checked_in(solids=ten(-270), liquids=ten(-120))
    finding = held(day, ten())
    assert finding.code == "fasting_solids"
    assert finding.state is Standing.HARD
    assert finding.said == "Fasting not kept: Solids 4 h 30 ago, 6 h asked (profile “Default”)."
    assert finding.passes_from == ten(90)
    assert not gate(day, ten(90) - timedelta(seconds=1)).is_go
    assert gate(day, ten(90)).is_go


@pytest.mark.parametrize(("profile", "is_go"), [("article_4h", True), ("article_6h", False)])
def test_case_33_under_the_profiles_of_the_article(profile: str, is_go: bool) -> None:
    day = checked_in(solids=ten(-270), liquids=ten(-120))
    InfusionDaySettings.objects.update_or_create(location=day.clinic.location, defaults={"fasting_profile": profile})
    assert gate(day).is_go is is_go


def test_a_soft_hold_is_acknowledged_with_its_profile_and_a_new_reading_asks_anew() -> None:
    day = checked_in(152, 94)
    decision = decide(day, held(day))
    assert (decision.severity, decision.profile, decision.code) == ("soft", "default", "pressure")
    assert gate(day, ten(1)).is_go
    put_row(day, ten(5), 152, 94, heart_rate_bpm=80)
    assert held(day, ten(6)).code == "pressure"


def test_a_repeat_after_rest_below_the_limit_settles_it() -> None:
    day = checked_in(166, 98)
    assert held(day).state is Standing.HARD
    put_row(day, ten(10), 138, 86, heart_rate_bpm=76)
    assert gate(day, ten(11)).is_go


def test_a_decision_about_pressure_outlives_a_row_without_pressure() -> None:
    day = checked_in(152, 94)
    decide(day, held(day))
    put_row(day, ten(2), None, None, spo2_percent=97)
    assert gate(day, ten(3)).is_go


def test_a_hard_hold_needs_a_reason_and_a_prescriber() -> None:
    day = checked_in(166, 98)
    finding = held(day)
    with pytest.raises(ValidationError, match="Say why"):
        decide(day, finding, " ")
    for person in (day.nurse, day.clinic.desk, day.clinic.manager):
        with pytest.raises(PermissionDenied):
            decide(day, finding, "Anxious, usual for her", by=person)
    assert not GateDecision.objects.exists()
    decision = decide(day, finding, "Anxious, usual for her")
    assert (decision.severity, decision.reason) == ("hard", "Anxious, usual for her")
    assert gate(day, ten(1)).is_go


def test_an_acknowledgement_of_a_soft_reading_never_covers_a_hard_one() -> None:
    day = checked_in(152, 94)
    soft = held(day)
    decide(day, soft)
    IntakeSettings.objects.update_or_create(location=day.clinic.location, defaults={"pressure_profile": "trial_e2"})
    finding = held(day)
    assert (finding.state, finding.profile) == (Standing.HARD, "trial_e2")


def test_what_was_shown_and_is_no_longer_so_cannot_be_decided() -> None:
    day = checked_in(166, 98)
    shown = held(day)
    put_row(day, ten(2), 172, 99, heart_rate_bpm=80)
    with pytest.raises(ChangedMeanwhileError, match="have changed"):
        decide(day, shown, "Anxious", when=ten(3))


def test_decided_twice_the_second_hears_who_was_first() -> None:
    day = checked_in(166, 98)
    shown = held(day)
    decide(day, shown, "Anxious")
    with pytest.raises(ChangedMeanwhileError, match=day.clinician.display_name):
        decide(day, shown, "Anxious")


def test_a_danger_signal_holds_until_it_is_acknowledged_and_nobody_overrides_it() -> None:
    day = checked_in()
    alert = make_alert(day.patient, day.clinic.location, ten(-5))
    finding = held(day)
    assert finding.code == f"alert_{alert.pk}"
    with pytest.raises(DayRefusedError, match="Nobody overrides"):
        decide(day, finding, "She is fine")
    DangerAlert.objects.filter(pk=alert.pk).update(
        acknowledged_at=ten(), acknowledged_by=day.clinician, what_was_done="Spoke with her"
    )
    assert [one.item for one in gate(day).missing] == ["measure"]  # the answer came in after the review
    answered(day)
    assert gate(day).is_go


def test_consent_withdrawn_or_never_given_is_a_hard_hold() -> None:
    day = checked_in()
    consent = Consent.objects.get(patient=day.patient)
    Consent.objects.filter(pk=consent.pk).update(
        withdrawn_at=ten(-30), withdrawn_by=day.nurse, withdrawn_reason="Changed her mind"
    )
    assert "withdrawn" in held(day).said
    assert held(day).state is Standing.HARD


def test_theophylline_on_the_list_is_a_hard_hold_and_ended_it_is_none() -> None:
    day = checked_in()
    medicine = make_medicine(day.patient, "Theophylline 300 mg")
    assert held(day).code == "stop_theophylline"
    medicine.ended_on = ten().date() - timedelta(days=1)
    medicine.save()
    assert gate(day).is_go


def test_a_weight_counts_for_the_days_of_the_location() -> None:
    day = checked_in(weighed=ten() - timedelta(days=31))
    assert [one.item for one in gate(day).missing] == ["weight"]
    InfusionDaySettings.objects.update_or_create(location=day.clinic.location, defaults={"weight_max_age_days": 31})
    assert gate(day).is_go


def test_whether_a_pregnancy_is_possible_is_asked_of_those_whom_readiness_asks() -> None:
    day = checked_in()
    tell_nothing(day.patient)
    Patient.objects.filter(pk=day.patient.pk).update(sex="female")
    assert [one.item for one in gate(day).missing] == ["pregnancy"]
    put_answers(day, pregnancy=("not_possible", ""))
    assert gate(day).is_go


def test_after_the_start_the_gate_is_what_it_was_at_the_start() -> None:
    day = checked_in(solids=ten(-360), liquids=ten(-120))
    put_tap(day, "start", ten(), order=put_order(day, ten(-3)))
    put_row(day, ten(10), 170, 99, heart_rate_bpm=120)
    assert gate(day, ten(20)).is_go


def test_a_nasal_visit_follows_the_label_whatever_the_clinic_chose() -> None:
    day = checked_in(solids=ten(-120), liquids=ten(-30))
    assert {one.code for one in gate(day).holds} == {"fasting_solids", "fasting_liquids"}
    day.course.phases.get().protocol_version.protocol.__class__.objects.update(route="nasal")
    assert gate(day).is_go


def test_before_the_arrival_nobody_decides() -> None:
    day = checked_in(166, 98)
    finding = held(day)
    type(day.booking).objects.filter(pk=day.pk).update(status=BookingStatus.WITHHELD)
    with pytest.raises(DayRefusedError, match="withheld"):
        decide(day, finding, "Anxious")
