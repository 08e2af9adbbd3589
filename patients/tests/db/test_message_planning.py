"""The plan of messages follows what is on record: booked, moved, cancelled, taken back, rules changed (clinical.md R11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.parallel import Parallel
from patients.models import Channel, Message, MessageEvent, MessageRule, MessageState, Patient, PatientStatus, VisitMode
from patients.services.consultations import move_consultation
from patients.services.messages import planning
from patients.services.messages.kinds import Occasion, Scope
from patients.services.messages.planning import Swept, announce, sweep, write
from patients.tests.factories import make_patient, make_request
from patients.tests.messages_kit import DAY_BEFORE, NOW, VISIT, consultation, make_reachable, make_rule, notice

pytestmark = pytest.mark.django_db
Commit = Callable[..., object]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_reachable("Ada")


def planned() -> list[tuple[datetime, str]]:
    return list(Message.objects.order_by("due_at", "pk").values_list("due_at", "state"))


def move(clinic: Clinic, visit: Booking, start: datetime, now: datetime = NOW) -> Booking:
    visit = Booking.objects.get(pk=visit.pk)
    return move_consultation(
        visit,
        location=clinic.location,
        start=start,
        clinician_id=clinic.clinician.resource_id or 0,
        room_id=clinic.room.pk,
        mode=VisitMode.IN_PERSON,
        expected_version=visit.version,
        by=clinic.desk,
        now=now,
    )


def cancel(clinic: Clinic, visit: Booking, now: datetime = NOW) -> None:
    bookings.release([visit.pk], status=BookingStatus.CANCELLED, reason="Called", by=clinic.desk, now=now)


# --- standing ---------------------------------------------------------------------------------------------------------
def test_a_visit_gets_a_row_for_each_rule_at_the_patients_wall_clock(clinic: Clinic, ada: Patient) -> None:
    make_rule(clinic.location, "two-days", days=-2)
    make_rule(clinic.location, "day-before")
    make_rule(clinic.location, "directions", minutes=-120)
    make_rule(make_location("Elsewhere"), "day-before")
    consultation(clinic, ada)
    assert sweep(now=NOW) == Swept(planned=3)
    assert planned() == [
        (ny("2027-01-05 10:00"), "planned"),
        (DAY_BEFORE, "planned"),
        (ny("2027-01-07 12:00"), "planned"),
    ]
    assert sweep(now=NOW) == Swept()


def test_the_rows_are_there_as_soon_as_the_booking_is_committed(
    clinic: Clinic, ada: Patient, django_capture_on_commit_callbacks: Commit
) -> None:
    make_rule(clinic.location)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        consultation(clinic, ada)
        assert not Message.objects.exists()
    assert planned() == [(DAY_BEFORE, "planned")]


def test_rows_follow_a_moved_visit(clinic: Clinic, ada: Patient, django_capture_on_commit_callbacks: Commit) -> None:
    make_rule(clinic.location)
    visit = consultation(clinic, ada)
    sweep(now=NOW)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        move(clinic, visit, ny("2027-01-12 09:00"))
    assert planned() == [(DAY_BEFORE, "withdrawn"), (ny("2027-01-11 10:00"), "planned")]
    assert Message.objects.get(due_at=DAY_BEFORE).error == "The visit was moved."
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        move(clinic, visit, VISIT)
    assert planned() == [(DAY_BEFORE, "planned"), (ny("2027-01-11 10:00"), "withdrawn")]


def test_rows_of_a_cancelled_visit_are_withdrawn_and_come_back_when_it_is_taken_back(
    clinic: Clinic, ada: Patient
) -> None:
    make_rule(clinic.location)
    visit = consultation(clinic, ada)
    sweep(now=NOW)
    cancel(clinic, visit)
    assert sweep(now=NOW) == Swept(withdrawn=1)
    row = Message.objects.get()
    assert (row.state, row.error) == ("withdrawn", "The visit was cancelled.")
    bookings.undo(visit.pk, by=clinic.desk, now=NOW)
    assert sweep(now=NOW) == Swept(planned=1)
    row.refresh_from_db()
    assert (row.state, row.due_at, row.error) == ("planned", DAY_BEFORE, "")
    assert [step.text for step in row.steps.all()] == ["Planned.", "The visit was cancelled.", "Wanted again."]


def test_a_rule_that_is_switched_off_takes_its_rows_with_it_and_brings_them_back(clinic: Clinic, ada: Patient) -> None:
    rule = make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    MessageRule.objects.filter(pk=rule.pk).update(is_on=False)
    assert sweep(now=NOW) == Swept(withdrawn=1)
    assert Message.objects.get().error == "The rule was switched off."
    MessageRule.objects.filter(pk=rule.pk).update(is_on=True)
    assert sweep(now=NOW) == Swept(planned=1)


def test_a_rule_that_is_deleted_takes_its_rows_with_it(clinic: Clinic, ada: Patient) -> None:
    rule = make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    rule.delete()
    assert sweep(now=NOW) == Swept(withdrawn=1)
    assert Message.objects.get().error == "The rule was deleted."


def test_rows_follow_a_rule_whose_hour_changes(clinic: Clinic, ada: Patient) -> None:
    rule = make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    MessageRule.objects.filter(pk=rule.pk).update(at=time(16, 30))
    assert sweep(now=NOW) == Swept(moved=1)
    row = Message.objects.get()
    assert (row.due_at, row.useful_until) == (ny("2027-01-06 16:30"), ny("2027-01-07 04:30"))
    assert row.steps.last().text == "Now due Wed 6 Jan, 16:30."


def test_rows_follow_a_patient_who_moves_to_another_zone(clinic: Clinic, ada: Patient) -> None:
    """10:00 in Los Angeles is 13:00 in New York (R11: the patient's zone)."""
    make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    Patient.objects.filter(pk=ada.pk).update(time_zone="America/Los_Angeles")
    assert sweep(now=NOW) == Swept(moved=1)
    row = Message.objects.get()
    assert row.due_at == ny("2027-01-06 13:00")
    assert row.due_at.astimezone(ZoneInfo("America/Los_Angeles")).time() == time(10)


def test_what_waits_for_a_retry_is_not_pulled_back_by_the_sweep(clinic: Clinic, ada: Patient) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    later = DAY_BEFORE + timedelta(minutes=5)
    Message.objects.update(due_at=later, attempts=2)
    assert sweep(now=DAY_BEFORE) == Swept()
    assert Message.objects.get().due_at == later


@pytest.mark.parametrize("state", ["sent", "failed", "skipped", "sending"])
def test_what_went_out_or_ended_is_left_alone(clinic: Clinic, ada: Patient, state: str) -> None:
    make_rule(clinic.location)
    visit = consultation(clinic, ada)
    sweep(now=NOW)
    more = {"sent_at": NOW, "to": "+12125550123", "channel": "sms"} if state == "sent" else {}
    if state == "sending":
        more = {"claim": "0b6e7d2e-6b0c-4b0e-9d67-5c1f8e3b5a11", "claimed_at": NOW}
    Message.objects.update(state=state, **more)
    cancel(clinic, visit)
    assert sweep(now=NOW) == Swept()
    assert Message.objects.get().state == state


def test_a_visit_booked_after_the_hour_of_its_reminder_gets_none(clinic: Clinic, ada: Patient) -> None:
    """Booked at 11:00 for the next day at 14:00: the reminder of 10:00 would only say what was just agreed."""
    make_rule(clinic.location)
    make_rule(clinic.location, "directions", minutes=-120)
    consultation(clinic, ada)
    sweep(now=ny("2027-01-06 11:00"))
    assert planned() == [(ny("2027-01-07 12:00"), "planned")]


def test_who_has_died_or_was_merged_gets_nothing(clinic: Clinic, ada: Patient) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    Patient.objects.filter(pk=ada.pk).update(status=PatientStatus.DECEASED)
    assert sweep(now=NOW) == Swept(withdrawn=1)
    assert Message.objects.get().error == "The patient has died."


def test_only_what_is_due_within_the_horizon_is_planned(clinic: Clinic, ada: Patient) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada, ny("2027-02-04 14:00"))
    assert sweep(now=NOW, horizon=timedelta(days=3)) == Swept()
    assert sweep(now=NOW) == Swept(planned=1)
    assert sweep(now=NOW, horizon=timedelta(days=3)) == Swept()  # and a short look takes nothing back


def test_a_scope_touches_nobody_else(clinic: Clinic, ada: Patient) -> None:
    make_rule(clinic.location)
    ben = make_reachable("Ben", "+12125550124")
    first, second = consultation(clinic, ada), consultation(clinic, ben, ny("2027-01-07 15:00"))
    sweep(now=NOW)
    cancel(clinic, first)
    cancel(clinic, second)
    assert sweep(Scope(patient_ids=frozenset({ada.pk})), now=NOW) == Swept(withdrawn=1)
    assert sweep(Scope(booking_ids=frozenset({second.pk})), now=NOW) == Swept(withdrawn=1)


def test_the_queries_do_not_grow_with_the_visits(clinic: Clinic) -> None:
    make_rule(clinic.location)
    counts = []
    for number in range(12):
        patient = make_patient(f"P{number}")
        consultation(
            clinic, patient, ny("2027-01-07 08:00") + timedelta(hours=24 * (number // 6), minutes=60 * (number % 6))
        )
        if number in (1, 11):
            with CaptureQueriesContext(connection) as seen:
                sweep(now=NOW)
            counts.append(len(seen))
    assert counts[0] == counts[1]
    assert Message.objects.count() == 12


def test_sweeps_at_the_same_time_plan_each_message_once(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic, ada = make_clinic(), make_reachable("Ada")
    make_rule(clinic.location)
    make_rule(clinic.location, "directions", minutes=-120)
    consultation(clinic, ada)
    Message.objects.all()
    monkeypatch.setattr(planning, "_withdraw_others", lambda *_, **__: Swept())
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE patients_message CASCADE")  # what booking itself planned
    outcomes = parallel(6, lambda _: sweep(now=NOW).planned)
    assert [one.error for one in outcomes] == [None] * 6
    assert sum(one.value for one in outcomes) == 2
    assert sorted(Message.objects.values_list("rule__key", flat=True)) == ["day-before", "directions"]
    assert all(row.steps.count() == 1 for row in Message.objects.all())


# --- calls ------------------------------------------------------------------------------------------------------------
def test_calls_leave_the_list_when_nobody_needs_them_any_more(clinic: Clinic, ada: Patient) -> None:
    make_rule(clinic.location)
    notice(clinic.location, MessageEvent.CONSULTATION_BOOKED)
    visit = consultation(clinic, ada)
    sweep(now=NOW)
    Message.objects.update(state=MessageState.TO_CALL)
    cancel(clinic, visit)
    assert sweep(now=NOW) == Swept(withdrawn=2)
    assert set(Message.objects.values_list("state", "error")) == {("withdrawn", "The visit was cancelled.")}


def test_a_call_that_nobody_made_in_time_is_skipped_and_says_so(clinic: Clinic, ada: Patient) -> None:
    notice(clinic.location, MessageEvent.CONSULTATION_BOOKED)
    consultation(clinic, ada)
    Message.objects.update(state=MessageState.TO_CALL)
    sweep(now=VISIT)
    row = Message.objects.get()
    assert (row.state, row.error) == ("skipped", "Nobody called while it was of use.")


# --- notices ----------------------------------------------------------------------------------------------------------
def test_booked_moved_and_cancelled_are_told_each_once(clinic: Clinic, ada: Patient) -> None:
    for event in (
        MessageEvent.CONSULTATION_BOOKED,
        MessageEvent.CONSULTATION_MOVED,
        MessageEvent.CONSULTATION_CANCELLED,
    ):
        notice(clinic.location, event)
    visit = consultation(clinic, ada)
    move(clinic, visit, ny("2027-01-08 11:00"))
    cancel(clinic, visit)
    rows = Message.objects.order_by("pk")
    assert [(row.event, row.state, row.due_at) for row in rows] == [
        ("consultation_booked", "planned", NOW),
        ("consultation_moved", "planned", NOW),
        ("consultation_cancelled", "planned", NOW),
    ]
    assert rows[1].facts["start"] == "2027-01-08T16:00Z"
    assert rows[1].facts["was"] == "2027-01-07T19:00Z"
    assert {row.booking_id for row in rows} == {visit.pk}
    assert {row.created_by_id for row in rows} == {clinic.desk.pk}


def test_another_room_is_no_news(clinic: Clinic, ada: Patient) -> None:
    notice(clinic.location, MessageEvent.CONSULTATION_MOVED)
    visit = consultation(clinic, ada)
    move(clinic, visit, VISIT)
    assert not Message.objects.exists()


def test_a_cancellation_that_was_told_and_taken_back_is_told_as_booked_again(clinic: Clinic, ada: Patient) -> None:
    notice(clinic.location, MessageEvent.CONSULTATION_BOOKED)
    notice(clinic.location, MessageEvent.CONSULTATION_CANCELLED)
    visit = consultation(clinic, ada)
    cancel(clinic, visit)
    Message.objects.update(state=MessageState.SENT, sent_at=NOW, to="+12125550123", channel=Channel.SMS)
    bookings.undo(visit.pk, by=clinic.desk, now=NOW)
    events = list(Message.objects.order_by("pk").values_list("event", "state"))
    assert events == [
        ("consultation_booked", "sent"),
        ("consultation_cancelled", "sent"),
        ("consultation_booked", "planned"),
    ]


def test_what_is_over_is_told_to_nobody(clinic: Clinic, ada: Patient) -> None:
    notice(clinic.location, MessageEvent.CONSULTATION_BOOKED)
    notice(clinic.location, MessageEvent.CONSULTATION_CANCELLED)
    visit = consultation(clinic, ada, now=VISIT + timedelta(hours=3))
    cancel(clinic, visit, now=VISIT + timedelta(hours=4))
    assert not Message.objects.exists()


def test_a_notice_in_the_night_waits_for_the_morning(clinic: Clinic, ada: Patient) -> None:
    notice(clinic.location, MessageEvent.CONSULTATION_BOOKED)
    consultation(clinic, ada, now=ny("2027-01-04 22:15"))
    assert planned() == [(ny("2027-01-05 08:00"), "planned")]


def test_the_same_occasion_is_announced_once(clinic: Clinic, ada: Patient) -> None:
    notice(clinic.location, MessageEvent.OFFER)
    one = Occasion(
        event=MessageEvent.OFFER, key="offer 1", location_id=clinic.location.pk, anchor=NOW, patient_id=ada.pk
    )
    assert len(announce([one], now=NOW)) == 1
    assert announce([one], now=NOW) == []
    assert Message.objects.count() == 1


def test_somebody_who_asked_is_told_that_it_arrived(clinic: Clinic) -> None:
    from patients.services.messages.consultation_kinds import tell_received  # noqa: PLC0415

    notice(clinic.location, MessageEvent.REQUEST_RECEIVED)
    request = make_request(clinic.location, email="iris@example.org", may_email=True)
    tell_received(request, now=NOW)
    tell_received(request, now=NOW)
    row = Message.objects.get()
    assert (row.request, row.patient, row.state) == (request, None, "planned")


def test_what_staff_write_is_due_at_once_and_written_once_for_one_key(clinic: Clinic, ada: Patient) -> None:
    first, second = (
        write(patient=ada, location=clinic.location, text="Please call.", by=clinic.desk, now=NOW, key="form 7")
        for _ in range(2)
    )
    assert first.pk == second.pk
    assert (first.due_at, first.event, first.created_by) == (NOW, "manual", clinic.desk)
    write(patient=ada, location=clinic.location, text="Please call.", by=clinic.desk, now=NOW)
    assert Message.objects.count() == 2
    assert sweep(now=NOW) == Swept()
