"""What is said before and after infusions, questionnaires due, and what waits on the worklists for the patient too."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from clinic.tests.factories import Clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import (
    AdverseEvent,
    AdverseOutcome,
    Course,
    InfusionRecord,
    InfusionVisit,
    MeasureAct,
    MeasureActKind,
    Task,
    TaskEnd,
    TaskKind,
    VisitOutcome,
)
from courses.services import boosters, moves
from courses.services.messages import measures, tasks, visits
from courses.services.worklists.engine import TaskClosedError, end_task, put_off, sweep
from courses.tests.follow_kit import make_plain_course
from courses.tests.messages_kit import NUMBER, agree, said, told_clinic, told_series, why_not
from courses.tests.series_kit import Booked, april, at
from patients.models import Message, MessageEvent, MessageState
from patients.services.measure_links import create_link
from patients.services.messages import planning
from patients.services.messages.kinds import EVERYBODY, Occasion, Scope
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_consent, make_score

pytestmark = pytest.mark.django_db
NOW = at(april(1), "09:00")
MARCH, JUNE = at(date(2027, 3, 1)), at(date(2027, 6, 30))


@pytest.fixture
def series() -> Booked:
    """T-MWF6: 5, 7, 9, 12, 14, 16 April 2027, told by text message."""
    return told_series(NOW)


def found(kind: object, now: datetime = NOW, scope: Scope = EVERYBODY) -> list[Occasion]:
    return list(kind(scope, since=MARCH, until=JUNE, now=now))  # type: ignore[operator]


def planned(event: MessageEvent) -> list[Message]:
    return list(Message.objects.filter(event=event, state=MessageState.PLANNED).order_by("due_at", "pk"))


# -- before an infusion ------------------------------------------------------------------------------------------------


def test_each_infusion_that_is_booked_and_firm_is_one_occasion(series: Booked) -> None:
    days = [series.clinic.location.local(one.anchor).date() for one in found(visits.find_visits)]
    assert days == [april(day) for day in (5, 7, 9, 12, 14, 16)]
    Course.objects.update(pencilled_until=NOW + timedelta(days=2))
    assert found(visits.find_visits) == []


def test_reminders_are_planned_two_days_and_one_day_before_at_ten_and_on_the_day(series: Booked) -> None:
    """R11: days and clocks of the patient. Infusion 1 is on Mon 5 April: Sat 3 and Sun 4 April at 10:00 New York."""
    planning.sweep(now=NOW)
    mine = [one for one in planned(MessageEvent.INFUSION) if one.booking_id == series.series.row(1).booking.pk]
    assert [one.due_at for one in mine[:2]] == [at(april(3), "10:00"), at(april(4), "10:00")]
    assert len(planned(MessageEvent.INFUSION)) == 18


def test_a_reminder_is_not_sent_once_the_visit_was_cancelled_or_is_only_pencilled(series: Booked) -> None:
    planning.sweep(now=NOW)
    message = planned(MessageEvent.INFUSION)[0]
    assert why_not(message, NOW) == ""
    assert said(message, NOW)["when"].startswith("Mon, Apr 5, ")
    Course.objects.update(pencilled_until=NOW + timedelta(days=2))
    assert why_not(message, NOW) == "The visit is only pencilled."


def test_the_clock_is_that_of_the_clinic_where_the_patient_lives_in_another_zone(series: Booked) -> None:
    """Who comes to the door at the time of their own zone would stand there an hour early, or late."""
    booking = series.series.row(1).booking
    assert booking is not None
    series.patient.time_zone = "America/Chicago"
    series.patient.save(update_fields=["time_zone"])
    planning.sweep(now=NOW)
    local = series.clinic.location.local(booking.start)
    assert said(planned(MessageEvent.INFUSION)[0], NOW)["time"] == f"{local:%-I:%M %p}"


def test_what_changes_in_one_transaction_is_swept_once_when_it_is_committed(
    series: Booked, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planning.sweep(now=NOW)
    swept: list[frozenset[int] | None] = []
    usual = planning.sweep

    def sweep(scope: Scope, *, now: datetime) -> planning.Swept:
        swept.append(scope.booking_ids)
        return usual(scope, now=now)

    monkeypatch.setattr(planning, "sweep", sweep)
    with django_capture_on_commit_callbacks(execute=True):
        for number in (4, 5, 6):
            moves.cancel_infusion(series.infusion(number).pk, reason="Away", by=series.desk, now=NOW)
    assert len(swept) == 1
    rows = Message.objects.filter(event=MessageEvent.INFUSION)
    gone = rows.filter(state=MessageState.WITHDRAWN)
    assert gone.values("booking").distinct().count() == 3
    assert rows.filter(state=MessageState.PLANNED).values("booking").distinct().count() == 3


# -- after an infusion -------------------------------------------------------------------------------------------------


def test_after_an_infusion_that_was_given_the_patient_is_asked_on_the_next_day(series: Booked) -> None:
    series.give(1)
    assert [one.booking_id for one in found(visits.find_after)] == [
        InfusionVisit.objects.get(outcome=VisitOutcome.GIVEN).booking_id
    ]
    planning.sweep(now=at(april(5), "18:00"))
    message = planned(MessageEvent.AFTER_INFUSION)[0]
    assert message.due_at == at(april(6), "10:00")
    assert why_not(message, at(april(6), "10:00")) == ""
    InfusionVisit.objects.filter(outcome=VisitOutcome.GIVEN).update(outcome=VisitOutcome.OPEN)
    assert why_not(message, at(april(6), "10:00")).startswith("The infusion is no longer recorded as given")


# -- questionnaires ----------------------------------------------------------------------------------------------------


def keys(now: datetime = NOW) -> dict[str, Occasion]:
    return {one.about.split(":", 2)[2]: one for one in found(measures.find_measures, now)}


def test_asked_for_are_the_baseline_the_fourth_the_end_and_the_follow_up(series: Booked) -> None:
    """E4; the score of a visit and the long-term checks are answered in the clinic, the optional one is not asked."""
    asked = set(keys(now=at(april(1))))
    assert {"series-end", "series-14-31", "day-7", "day-14", "after-4"} <= asked
    assert not {key for key in asked if key.startswith(("checkin", "maint", "day-after", "cognition", "bladder"))}


def test_a_follow_up_is_asked_on_its_first_day_with_its_measures_and_no_name(series: Booked) -> None:
    """Day 14 after Fri 16 April is Fri 30 April; a score counts from the day before (FOLLOW_EARLY)."""
    one = keys()["day-14"]
    assert series.clinic.location.local(one.anchor).isoformat()[:16] == "2027-04-29T06:00"
    assert one.facts == {"measures": ["phq9"]}
    planning.sweep(now=at(april(28)))
    message = next(row for row in planned(MessageEvent.MEASURE_DUE) if row.about.endswith(":day-14"))
    assert message.rule is not None
    texts = "".join(text.sms_text + text.email_text + text.subject for text in message.rule.texts.all()).lower()
    assert "phq" not in texts
    assert "depress" not in texts


@pytest.mark.parametrize("act", ["entered", "waived", "sent"])
def test_what_was_entered_waived_or_sent_by_staff_is_not_asked_for(series: Booked, act: str) -> None:
    series.give(1, 2, 3, 4, 5, 6)
    now = at(april(30), "09:00")
    planning.sweep(now=now)
    message = next(row for row in planned(MessageEvent.MEASURE_DUE) if row.about.endswith(":day-14"))
    assert why_not(message, now) == ""
    if act == "entered":
        make_score(series.patient, "phq9", 9, series.nurse, now)
    else:
        link = None
        if act == "sent":
            link, _ = create_link(
                patient=series.patient,
                measures=["phq9"],
                kind="phone",
                location=series.clinic.location,
                by=series.nurse,
                now=now,
            )
        MeasureAct.objects.create(
            course=series.course,
            key="day-14",
            measure="phq9",
            kind=MeasureActKind.SENT if link else MeasureActKind.WAIVED,
            link=link,
            reason="" if link else "Away",
            at=now,
            by=series.nurse,
        )
    assert "day-14" not in keys(now)
    assert why_not(message, now) != ""


def test_an_item_that_moves_with_its_infusion_is_another_occasion(series: Booked) -> None:
    before = keys()["day-14"].key
    row = series.infusion(6)
    row.day = april(19)
    row.save(update_fields=["day"])
    assert keys()["day-14"].key != before


def test_the_queries_do_not_grow_with_the_courses(series: Booked, queries: Queries) -> None:
    clinic = series.clinic
    for number in range(6):
        make_plain_course(clinic, make_patient(f"P{number}"), [april(2)])
    with queries("messages: measures due"):
        found(measures.find_measures)
    with queries("messages: infusions"):
        found(visits.find_visits)
    assert len({one.patient_id for one in found(measures.find_measures)}) == 7


# -- the worklists -----------------------------------------------------------------------------------------------------


@pytest.fixture
def clinic() -> Clinic:
    return told_clinic(NOW)


def expiring(clinic: Clinic) -> Task:
    """A consent that ends on Mon 19 April, listed from 5 April on."""
    patient = make_patient(phones=[NUMBER])
    agree(patient, NOW)
    make_plain_course(clinic, patient, [april(2)])
    make_consent(patient, clinic.location, clinic.nurse, at(date(2026, 4, 20)), expires_on=april(19))
    sweep(at(april(5)), kinds=[TaskKind.EXPIRING])
    return Task.objects.get(kind=TaskKind.EXPIRING)


def test_a_consent_that_ends_is_told_with_its_last_day(clinic: Clinic) -> None:
    task = expiring(clinic)
    now = at(april(5), "09:00")
    (one,) = found(tasks.find_consents, now)
    assert one.patient_id == task.patient_id
    planning.sweep(now=now)
    message = planned(MessageEvent.CONSENT_EXPIRING)[0]
    assert said(message, now) == {"until": "Mon, Apr 19"}
    assert why_not(message, now) == ""


@pytest.mark.parametrize("how", ["put off", "set aside", "signed"])
def test_what_somebody_did_about_a_task_withdraws_its_message(clinic: Clinic, how: str) -> None:
    task = expiring(clinic)
    now = at(april(5), "09:00")
    planning.sweep(now=now)
    message = planned(MessageEvent.CONSENT_EXPIRING)[0]
    if how == "put off":
        put_off(task.pk, until=april(9), reason="Comes on Friday", by=clinic.desk, now=now)
    elif how == "set aside":
        end_task(task.pk, how=TaskEnd.DECLINED, text="Signs on paper", by=clinic.desk, now=now)
    else:
        assert task.patient is not None
        make_consent(task.patient, clinic.location, clinic.nurse, at(april(5), "08:00"))
    assert why_not(message, now) != ""
    if how != "signed":
        assert found(tasks.find_consents, now) == []


def test_a_signed_decision_is_the_clinicians_own_and_asks_the_patient_nothing(clinic: Clinic) -> None:
    task = expiring(clinic)
    Task.objects.filter(pk=task.pk).update(key="decision:1")
    assert found(tasks.find_consents, at(april(5))) == []


def proposed(booked: Booked) -> Task:
    booked.give(1, 2, 3, 4, 5, 6)
    now = at(april(30))
    return boosters.ask_for_booster(
        booked.course.pk, by_whom=boosters.BY_CLINICIAN, reason="Sleeps badly again", by=booked.clinician, now=now
    )[0]


def test_a_proposed_booster_is_told_only_when_a_prescriber_says_so_and_then_once(series: Booked) -> None:
    task, now = proposed(series), at(april(30), "10:00")
    planning.sweep(now=now)
    assert not Message.objects.filter(event=MessageEvent.BOOSTER_DUE).exists()
    with pytest.raises(PermissionDenied):
        tasks.ask_about_booster(task.pk, by=series.desk, now=now)
    (message,) = tasks.ask_about_booster(task.pk, by=series.clinician, now=now)
    assert tasks.ask_about_booster(task.pk, by=series.clinician, now=now) == []
    assert "sleep" not in str(message.facts).lower()
    assert tasks.booster_messages([task], Message.objects.all()) == {task.pk: message}
    assert why_not(message, now) == ""
    end_task(task.pk, how=TaskEnd.DECLINED, text="Feels better", by=series.clinician, now=now)
    assert why_not(message, now).startswith("Its task is over")
    with pytest.raises(TaskClosedError):
        tasks.ask_about_booster(task.pk, by=series.clinician, now=now)


def test_a_patient_who_went_to_hospital_is_not_asked_how_it_was(series: Booked) -> None:
    series.give(1)
    (one,) = found(visits.find_after)
    visit = InfusionVisit.objects.get(booking=one.booking_id)
    record = InfusionRecord.objects.create(visit=visit, opened_at=one.anchor, opened_by=series.nurse)
    AdverseEvent.objects.create(
        record=record,
        code="other",
        text="Fainted",
        onset_at=one.anchor,
        severity="severe",
        is_serious=True,
        outcome=AdverseOutcome.TRANSFERRED,
        recorded_at=one.anchor,
        recorded_by=series.nurse,
    )
    assert found(visits.find_after) == []
