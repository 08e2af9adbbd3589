"""Before a message leaves it is asked once more: does it still hold, is it the hour, was there one today (R11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic, make_clinic
from patients.models import Message, MessageEvent, MessageRule, Patient, PatientStatus
from patients.services.messages import kinds, sending
from patients.services.messages.planning import sweep, write
from patients.services.messages.sending import (
    Sent,
)
from patients.tests.messages_kit import (
    DAY_BEFORE,
    NOW,
    VISIT,
    consultation,
    make_message,
    make_reachable,
    make_rule,
    notice,
)
from patients.tests.sending_kit import Carrier, due_visit, go, only

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_reachable("Ada")


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Carrier:
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    return one


# --- checked again at sending -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (BookingStatus.CANCELLED, "The visit was cancelled."),
        (BookingStatus.MISSED, "The patient missed the visit."),
        (BookingStatus.ARRIVED, "The patient is here already, or was."),
    ],
)
def test_a_visit_that_is_off_is_not_reminded_of(
    clinic: Clinic, ada: Patient, carrier: Carrier, status: str, why: str
) -> None:
    visit = due_visit(clinic, ada)
    Booking.objects.filter(pk=visit.pk).update(status=status)  # unseen by the plan
    assert go(DAY_BEFORE) == Sent(withdrawn=1)
    assert (only().error, carrier.asked) == (why, [])


def test_a_visit_that_moved_unseen_is_not_reminded_of_at_the_old_time(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    visit = due_visit(clinic, ada)
    wanted = ny("2027-01-12 09:00")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE clinic_booking SET span = tstzrange(%s, %s) WHERE id = %s",
            [wanted, wanted + timedelta(hours=1), visit.pk],
        )
    assert go(DAY_BEFORE) == Sent(withdrawn=1)
    assert only().error == "The visit was moved."


def test_who_has_confirmed_is_not_asked_to_confirm_but_gets_directions(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_rule(clinic.location, "directions", minutes=-120, useful_min=75)
    visit = due_visit(clinic, ada)
    bookings.advance(visit.pk, to=BookingStatus.CONFIRMED, by=None, now=NOW)
    assert go(DAY_BEFORE) == Sent(skipped=1)
    assert Message.objects.get(state="skipped").error == "Confirmed already."
    assert go(ny("2027-01-07 12:00")) == Sent(sent=1)


def test_who_died_since_is_written_to_no_more(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location)
    Patient.objects.filter(pk=ada.pk).update(status=PatientStatus.DECEASED)
    assert go() == Sent(withdrawn=1)
    assert only().error == "The patient has died."


def test_a_rule_that_was_switched_off_sends_nothing(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    due_visit(clinic, ada)
    MessageRule.objects.update(is_on=False)
    assert go(DAY_BEFORE) == Sent(withdrawn=1)
    assert only().error == "The rule was switched off."


def test_what_comes_too_late_is_skipped_and_says_so(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    due_visit(clinic, ada)
    assert go(DAY_BEFORE + timedelta(hours=12)) == Sent(skipped=1)
    assert only().error == "Too late: it was due on Wed 6 Jan, 10:00 and of use until Wed 6 Jan, 22:00."


def test_in_the_patients_night_nothing_goes_out(clinic: Clinic, carrier: Carrier) -> None:
    """08:30 in New York is 05:30 in Los Angeles (R11: quiet hours in the patient's zone)."""
    early = ny("2027-01-05 08:30")
    here, there = make_reachable("Ada"), make_reachable("Ben", "+12125550124", time_zone="America/Los_Angeles")
    for one in (here, there):
        make_message(one, clinic.location, due_at=early, useful_until=early + timedelta(hours=12))
    assert go(early) == Sent(sent=1, put_off=1)
    row = Message.objects.get(patient=there)
    assert row.due_at.astimezone(ZoneInfo("America/Los_Angeles")).strftime("%H:%M") == "08:00"
    assert go(row.due_at) == Sent(sent=1)


@pytest.mark.parametrize(
    ("night", "morning"),
    [
        ("2027-03-13 21:30", "2027-03-14T12:00:00+00:00"),  # the clocks go forward: 08:00 EDT
        ("2027-11-06 21:30", "2027-11-07T13:00:00+00:00"),  # and back: 08:00 EST
    ],
)
def test_a_backlog_on_the_night_of_a_clock_change_waits_until_eight(
    clinic: Clinic, ada: Patient, carrier: Carrier, night: str, morning: str
) -> None:
    late = ny(night)
    make_message(ada, clinic.location, due_at=late, useful_until=late + timedelta(hours=24))
    assert go(late) == Sent(put_off=1)
    assert only().due_at == datetime.fromisoformat(morning)


def test_what_is_of_no_use_in_the_morning_is_skipped(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    late = ny("2027-01-04 21:30")
    make_message(ada, clinic.location, due_at=late, useful_until=late + timedelta(hours=2))
    assert go(late) == Sent(skipped=1)
    assert "of no use in the morning" in only().error


# --- one a day --------------------------------------------------------------------------------------------------------
def test_a_second_reminder_of_a_kind_on_one_day_is_skipped(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada)
    consultation(clinic, ada, VISIT + timedelta(hours=2))
    sweep(now=NOW)
    assert go(DAY_BEFORE) == Sent(sent=1, skipped=1)  # both in one batch
    consultation(clinic, ada, VISIT + timedelta(hours=4))
    sweep(now=NOW)
    assert go(DAY_BEFORE + timedelta(hours=1)) == Sent(skipped=1)  # and when the first went out before
    assert set(Message.objects.filter(state="skipped").values_list("error", flat=True)) == {
        "Another one of this kind went out today."
    }
    assert len(carrier.asked) == 1


def test_directions_for_one_visit_do_not_keep_back_the_preparation_of_the_next(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_rule(clinic.location, "directions", days=0)
    make_rule(clinic.location, "prepare", days=-2)
    consultation(clinic, ada)
    consultation(clinic, ada, VISIT + timedelta(days=2))
    sweep(now=NOW)
    assert go(DAY_BEFORE - timedelta(days=1)) == Sent(sent=1)  # the preparation of the first
    assert go(DAY_BEFORE + timedelta(days=1)) == Sent(sent=2)  # directions of the first, preparation of the second
    assert len(carrier.asked) == 3


def test_a_second_change_on_one_day_is_called_instead_of_lost(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    rule = notice(clinic.location, MessageEvent.CONSULTATION_BOOKED)
    first = consultation(clinic, ada)
    consultation(clinic, ada, VISIT + timedelta(hours=2))
    assert go() == Sent(sent=1, to_call=1)
    row = Message.objects.get(state="to_call")
    assert row.error == "A second notice on the same day: please call."
    assert "4:00 PM" in row.text
    assert rule.messages.get(booking=first).state == "sent"


def test_the_day_is_that_of_the_patients_calendar(clinic: Clinic, carrier: Carrier) -> None:
    """20:30 and 08:30 the next morning in Honolulu are on one date of New York, and on two of the patient's."""
    zone = ZoneInfo("Pacific/Honolulu")
    ada = make_reachable("Ada", time_zone="Pacific/Honolulu")
    rule = notice(clinic.location, MessageEvent.OFFER, sms="{clinic}: a time is free. STOP")
    evening = datetime(2027, 1, 4, 20, 30, tzinfo=zone)
    for moment in (evening, evening + timedelta(hours=12)):
        make_message(
            ada,
            clinic.location,
            rule=rule,
            event=MessageEvent.OFFER,
            due_at=moment,
            useful_until=moment + timedelta(hours=9),
        )
    assert kinds.kind_of(MessageEvent.OFFER)
    assert {row.due_at.astimezone(ZoneInfo("America/New_York")).date() for row in Message.objects.all()} == {
        datetime(2027, 1, 5, tzinfo=zone).date()
    }


def test_what_staff_write_has_no_such_limit(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    for text in ("Please call us.", "Please call us today."):
        write(patient=ada, location=clinic.location, text=text, by=clinic.desk, now=NOW)
    assert go() == Sent(sent=2)
