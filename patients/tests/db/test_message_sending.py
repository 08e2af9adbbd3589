"""Due messages leave once, to somebody who agreed, at an hour when they may, or their row says why not (clinical.md R11, G)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from patients.adapters.providers import Receipt, RefusedError, TryLaterError, UnknownOutcomeError
from patients.models import Channel, Message, MessageEvent, MessageRule, MessageState, Patient, PatientStatus
from patients.services.messages import delivering, kinds, sending
from patients.services.messages.kinds import Kind
from patients.services.messages.planning import sweep, write
from patients.services.messages.sending import (
    STALE_AFTER,
    MessageRefusedError,
    Sent,
    claim_due,
    hold_back,
    release_stale,
    retry,
    send_claimed,
    send_now,
)
from patients.tests.factories import make_patient, make_phone, make_request
from patients.tests.messages_kit import (
    DAY_BEFORE,
    MAIL,
    NOW,
    NUMBER,
    VISIT,
    agree,
    consultation,
    make_message,
    make_reachable,
    make_rule,
    notice,
    states,
)
from patients.tests.providers_kit import ACCEPT_AND_BREAK, Fail, SmsStandIn, sms_provider, use_twilio

pytestmark = pytest.mark.django_db


class Carrier:
    """A provider in this process: remembers what it was asked, and answers as it is told."""

    def __init__(self, *, gives_idempotency: bool = False) -> None:
        self.name, self.gives_idempotency = "carrier", gives_idempotency
        self.asked: list[dict[str, str]] = []
        self.answers: list[Exception] = []

    def send(self, **asked: str) -> Receipt:
        self.asked.append(asked)
        if self.answers:
            raise self.answers.pop(0)
        return Receipt(f"no-{len(self.asked)}")


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


def go(now: datetime = NOW) -> Sent:
    """What a worker does with one batch."""
    return send_claimed(claim_due(now=now), now=now)


def only() -> Message:
    return Message.objects.get()


# --- what goes out ----------------------------------------------------------------------------------------------------
def test_a_due_message_goes_out_filled_in_and_is_kept_without_its_link(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada)
    sweep(now=NOW)
    assert go(DAY_BEFORE) == Sent(sent=1)
    asked, row = carrier.asked[0], only()
    assert asked["to"] == NUMBER
    assert asked["text"].startswith("Downtown: Thu, Jan 7, 2:00 PM. http")
    assert asked["key"] == str(row.uid)
    assert row.text == "Downtown: Thu, Jan 7, 2:00 PM. [link] STOP"
    assert (row.state, row.channel, row.to, row.language) == ("sent", "sms", NUMBER, "en")
    assert (row.sent_at, row.attempts, row.provider, row.provider_id) == (DAY_BEFORE, 1, "carrier", "no-1")
    assert [step.text for step in row.steps.all()] == ["Planned.", "Sent: text message."]


def test_nothing_goes_out_before_it_is_due(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location, due_at=NOW + timedelta(minutes=1))
    assert go() == Sent()
    assert go(NOW + timedelta(minutes=1)) == Sent(sent=1)
    assert go(NOW + timedelta(minutes=2)) == Sent()
    assert len(carrier.asked) == 1


def test_the_language_is_the_patients_and_falls_back_to_english(clinic: Clinic, carrier: Carrier) -> None:
    rule = make_rule(clinic.location)
    rule.texts.create(language="es", subject="El {day}", email_text="Hola {when}", sms_text="{clinic}: el {when}. STOP")
    for number, language in enumerate(("es", "es-MX", "fr")):
        patient = make_reachable(f"P{number}", f"+1212555013{number}", language=language)
        consultation(clinic, patient, VISIT + timedelta(hours=number))
    sweep(now=NOW)
    go(DAY_BEFORE)
    said = [asked["text"] for asked in carrier.asked]
    assert ["el jue" in text for text in said] == [True, True, False]  # es, and es-MX by its main language
    assert "Thu, Jan 7, 4:00 PM" in said[2]  # words and days in one language
    assert [clock in text for clock, text in zip(("2:00", "3:00", "4:00"), said, strict=True)] == [True] * 3


def test_the_times_in_it_are_those_of_the_patients_clocks(clinic: Clinic, carrier: Carrier) -> None:
    make_rule(clinic.location)
    consultation(clinic, make_reachable(time_zone="America/Los_Angeles"))
    sweep(now=NOW)
    go(ny("2027-01-06 13:00"))
    assert "11:00 AM" in carrier.asked[0]["text"]


def test_the_queries_do_not_grow_with_the_messages(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider with keys, asked in a batch; everything else is read and written in bulk."""
    monkeypatch.setattr(sending, "provider_for", lambda _: Carrier(gives_idempotency=True))
    counts = []
    for size in (2, 20):
        for number in range(size):
            make_message(make_reachable(f"P{size}", f"+1212555{size:02}{number:02}"), clinic.location)
        with CaptureQueriesContext(connection) as seen:
            assert go().sent == size
        counts.append(len(seen))
    assert counts[0] == counts[1]


# --- to whom ----------------------------------------------------------------------------------------------------------
def test_who_agreed_to_nothing_is_called_and_never_lost(clinic: Clinic, carrier: Carrier) -> None:
    ben = make_patient("Ben", phones=[NUMBER])
    make_message(ben, clinic.location)
    assert go() == Sent(to_call=1)
    row = only()
    assert (row.state, row.channel, row.to, row.error) == (
        "to_call",
        "phone",
        NUMBER,
        "No consent to text or e-mail.",
    )
    assert row.text == "Call Downtown"  # whoever calls sees what it would have said
    assert carrier.asked == []


def test_consent_that_was_withdrawn_after_planning_counts(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location)
    agree(ada, Channel.SMS, granted=False, at=NOW - timedelta(minutes=5))
    assert go() == Sent(to_call=1)
    assert carrier.asked == []


def test_a_yes_holds_for_the_number_that_it_was_given_for(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    """clinical.md G, TCPA: express consent is for a number."""
    make_message(ada, clinic.location)
    ada.phones.update(number="+12125550199")
    assert go() == Sent(to_call=1)
    assert only().error == f"Text messages: agreed for {NUMBER}, which is no longer on record."
    make_message(ada, clinic.location, "again")
    make_phone(ada, NUMBER)
    assert go() == Sent(sent=1)
    assert carrier.asked[0]["to"] == NUMBER


def test_the_channel_is_the_preferred_one_else_the_rules_first(clinic: Clinic, carrier: Carrier) -> None:
    for number, wish in enumerate(("", "email", "letter", "sms")):
        patient = make_reachable(f"P{number}", f"+1212555014{number}", email=MAIL, preferred_channel=wish)
        agree(patient, Channel.EMAIL, MAIL)
        make_message(patient, clinic.location)
    go()
    assert list(Message.objects.order_by("pk").values_list("channel", flat=True)) == ["sms", "email", "sms", "sms"]


def test_who_prefers_calls_is_called_where_the_rule_has_calls(clinic: Clinic, carrier: Carrier) -> None:
    rule = make_rule(clinic.location, "calls", event=MessageEvent.MANUAL, minutes=0, channels=["sms", "phone"])
    make_message(make_reachable("Ada", preferred_channel="phone"), clinic.location, rule=rule)
    make_message(make_reachable("Ben", "+12125550124"), clinic.location, rule=rule)
    assert go() == Sent(sent=1, to_call=1, failed=0) or states() == {"to_call": 1, "failed": 1}
    assert Message.objects.get(state="to_call").error == "Prefers to be called."


def test_somebody_who_only_asked_is_reached_by_what_they_allowed(clinic: Clinic, carrier: Carrier) -> None:
    notice(clinic.location, MessageEvent.REQUEST_RECEIVED, email="{clinic} has it, {first_name}.")
    rule = MessageRule.objects.get()
    for number, allowed in enumerate(({"may_email": True}, {"may_sms": True}, {})):
        request = make_request(clinic.location, email=f"iris{number}@example.org", **allowed)
        make_message(None, clinic.location, request=request, rule=rule, event=MessageEvent.REQUEST_RECEIVED)
    go()
    assert list(Message.objects.order_by("pk").values_list("channel", "state")) == [
        ("email", "sent"),
        ("sms", "failed"),  # this rule's short text speaks of a visit
        ("phone", "to_call"),
    ]
    assert carrier.asked[0]["text"] == "Downtown has it, Iris."


# --- checked again at sending -----------------------------------------------------------------------------------------
def due_visit(clinic: Clinic, ada: Patient, **rule: Any) -> Booking:
    make_rule(clinic.location, **rule)
    visit = consultation(clinic, ada)
    sweep(now=NOW)
    return visit


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


# --- the words --------------------------------------------------------------------------------------------------------
def test_a_text_that_asks_for_what_is_not_known_fails_visibly(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    rule = make_rule(clinic.location, "odd", event=MessageEvent.MANUAL, minutes=0, sms="See you {whenever}")
    make_message(ada, clinic.location, rule=rule)
    assert go() == Sent(failed=1)
    assert only().error == "The text asks for {whenever}, which this message does not have."
    assert carrier.asked == []


def test_a_telling_word_never_leaves_the_house(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    """clinical.md G: no drug in a message, whoever wrote it."""
    write(patient=ada, location=clinic.location, text="Your ketamine visit is booked.", by=clinic.desk, now=NOW)
    assert go() == Sent(failed=1)
    assert "ketamine" in only().error
    assert carrier.asked == []


# --- the provider -----------------------------------------------------------------------------------------------------
def test_a_refusal_for_now_is_tried_again_after_1_5_20_and_60_minutes_and_then_fails(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_message(ada, clinic.location)
    moment, waits = NOW, []
    for _ in range(4):
        carrier.answers = [TryLaterError("The provider has trouble (500).")]
        assert go(moment) == Sent(put_off=1)
        waits.append((only().due_at - moment) // timedelta(minutes=1))
        moment = only().due_at
    assert waits == [1, 5, 20, 60]
    carrier.answers = [TryLaterError("The provider has trouble (500).")]
    assert go(moment) == Sent(failed=1)
    row = only()
    assert (row.state, row.attempts, row.error) == ("failed", 5, "The provider has trouble (500).")
    assert {asked["key"] for asked in carrier.asked} == {str(row.uid)}


def test_a_provider_that_asks_us_to_wait_is_waited_for(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location)
    carrier.answers = [TryLaterError("Too much to do.", after=timedelta(minutes=12))]
    go()
    assert only().due_at == NOW + timedelta(minutes=12)


def test_a_retry_that_would_come_too_late_fails_at_once(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location, useful_until=NOW + timedelta(seconds=50))
    carrier.answers = [TryLaterError("The provider cannot be reached.")]
    assert go() == Sent(failed=1)
    assert only().error == "It could not be sent while it was of use. The provider cannot be reached."


@pytest.mark.parametrize("error", [RefusedError("Not a mobile number."), UnknownOutcomeError("No answer.")])
def test_a_refusal_for_good_and_an_unknown_outcome_fail_at_once(
    clinic: Clinic, ada: Patient, carrier: Carrier, error: Exception
) -> None:
    make_message(ada, clinic.location)
    carrier.answers = [error]
    assert go() == Sent(failed=1)
    assert go(NOW + timedelta(hours=2)) == Sent()
    assert len(carrier.asked) == 1


def test_an_unknown_outcome_is_asked_again_where_the_key_makes_it_harmless(
    clinic: Clinic, ada: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Carrier(gives_idempotency=True)
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    make_message(ada, clinic.location)
    one.answers = [UnknownOutcomeError("No answer.")]
    assert go() == Sent(put_off=1)
    assert go(NOW + timedelta(minutes=1)) == Sent(sent=1)
    assert len({asked["key"] for asked in one.asked}) == 1


def test_an_error_that_nobody_expected_counts_as_unknown(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location)
    carrier.answers = [ZeroDivisionError("a bug")]
    assert go() == Sent(failed=1)
    assert only().error == "Sending ended with an error that is in the log."


def test_a_provider_that_is_away_is_not_asked_for_a_whole_batch(
    clinic: Clinic, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        make_message(make_reachable(f"P{number}", f"+1212555015{number}"), clinic.location)
    carrier.answers = [TryLaterError("The provider cannot be reached.")] * 9
    assert go() == Sent(put_off=9)
    assert len(carrier.asked) == delivering.GIVE_UP_AFTER
    assert sorted(Message.objects.values_list("attempts", flat=True)) == [0] * 4 + [1] * 5


def test_a_kind_that_fails_does_not_hold_up_the_others(
    clinic: Clinic, ada: Patient, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds._kinds, MessageEvent.OFFER, Kind(event=MessageEvent.OFFER, still=f"{__name__}.broken"))
    rule = notice(clinic.location, MessageEvent.OFFER, sms="{clinic}: free. STOP")
    make_message(ada, clinic.location, rule=rule, event=MessageEvent.OFFER)
    make_message(ada, clinic.location)
    assert go() == Sent(sent=1, put_off=1)
    row = Message.objects.get(state="planned")
    assert (row.attempts, row.due_at) == (1, NOW + timedelta(minutes=1))


def broken(messages: Any, *, now: datetime) -> dict[int, str]:
    """A kind with a bug that also breaks its transaction."""
    del messages, now
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    return {}


# --- real text messages over HTTP -------------------------------------------------------------------------------------
@pytest.fixture
def twilio(settings: Any) -> Any:
    settings.MESSAGES_PER_MINUTE = 1000
    with sms_provider() as stand_in:
        use_twilio(settings, stand_in)
        yield stand_in


def test_each_message_is_at_the_provider_once_whatever_it_answers(clinic: Clinic, twilio: SmsStandIn) -> None:
    for number in range(5):
        make_message(make_reachable(f"P{number}", f"+1212555016{number}"), clinic.location)
    twilio.next(Fail(500), Fail(429, after=120), ACCEPT_AND_BREAK, Fail(400, code=21614))
    assert go() == Sent(sent=1, put_off=2, failed=2)
    assert go(NOW + timedelta(minutes=1)) == Sent(sent=1)
    assert go(NOW + timedelta(minutes=2)) == Sent(sent=1)
    assert twilio.duplicates() == {}
    assert len(twilio.accepted) == 4  # one of them broke off: it is on the list of failures
    assert set(Message.objects.filter(state="failed").values_list("error", flat=True)) == {
        "The provider did not answer; it may have accepted the message.",
        "The number cannot get text messages: it is not a mobile number.",
    }


# --- the rate ---------------------------------------------------------------------------------------------------------
def test_after_an_outage_no_more_leave_in_a_minute_than_allowed(
    clinic: Clinic, carrier: Carrier, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = 5
    for number in range(12):
        make_message(make_reachable(f"P{number:02}", f"+121255502{number:02}"), clinic.location)
    sent = [go(NOW + timedelta(seconds=second)).sent for second in (0, 20, 40, 60, 80, 120)]
    assert sent == [5, 0, 0, 5, 0, 2]


def test_what_was_granted_and_not_needed_is_given_back(
    clinic: Clinic, ada: Patient, carrier: Carrier, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = 2
    assert [len(claim_due(now=NOW)) for _ in range(3)] == [0, 0, 0]
    make_message(ada, clinic.location)
    assert go() == Sent(sent=1)


# --- many workers -----------------------------------------------------------------------------------------------------
def many(count: int) -> None:
    clinic = make_clinic()
    for number in range(count):
        make_message(make_reachable(f"P{number:02}", f"+121255503{number:02}"), clinic.location)


def test_without_the_claim_two_workers_send_the_same(parallel: Parallel, settings: Any) -> None:
    """The race that the claim is there for: everybody reads what is due and sends it."""
    settings.MESSAGES_PER_MINUTE = 1000
    many(12)

    def naive(_: int) -> list[int]:
        return list(Message.objects.due(NOW).values_list("pk", flat=True))

    outcomes = parallel(4, naive)
    assert sum(len(one.value) for one in outcomes) == 4 * 12


def test_with_it_any_number_of_workers_share_them(parallel: Parallel, settings: Any) -> None:
    settings.MESSAGES_PER_MINUTE = 1000
    many(40)

    def work(_: int) -> list[int]:
        mine: list[int] = []
        while some := claim_due(now=NOW, limit=3):
            mine += [one.pk for one in some]
        return mine

    outcomes = parallel(8, work)
    assert [one.error for one in outcomes] == [None] * 8
    claimed = [pk for one in outcomes for pk in one.value]
    assert sorted(claimed) == sorted(Message.objects.values_list("pk", flat=True))
    assert Message.objects.values("claim").distinct().count() == len(claimed) // 3 + 1


def test_workers_that_send_at_once_send_each_message_once(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    many(30)
    outcomes = parallel(6, lambda _: [send_claimed(claim_due(now=NOW, limit=4), now=NOW).sent for _ in range(4)])
    assert [one.error for one in outcomes] == [None] * 6
    assert states() == {"sent": 30}
    keys = [asked["key"] for asked in one.asked]
    assert len(keys) == len(set(keys)) == 30


def test_two_workers_with_a_message_each_to_one_person_send_only_one(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Both pass the check when nobody else's message is looked at; the lock on the person lets one look at a time."""
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    clinic = make_clinic()
    rule = notice(clinic.location, MessageEvent.CONSULTATION_MISSED, sms="{clinic}: call us. STOP")
    people = [make_reachable(f"P{number}", f"+1212555017{number}") for number in range(8)]
    for _ in range(2):
        for person in people:
            make_message(person, clinic.location, rule=rule, event=MessageEvent.CONSULTATION_MISSED)
    halves = [list(Message.objects.order_by("pk").values_list("pk", flat=True))[at : at + 8] for at in (0, 8)]

    def work(number: int) -> Sent:
        claim = uuid4()
        Message.objects.filter(pk__in=halves[number]).update(state="sending", claim=claim, claimed_at=NOW)
        return send_claimed(sending._read(halves[number]), now=NOW)

    outcomes = parallel(2, work)
    assert [found.error for found in outcomes] == [None] * 2
    sent_to = [asked["to"] for asked in one.asked]
    assert sorted(sent_to) == sorted(person.phones.get().number.as_e164 for person in people)


# --- a worker that was killed -----------------------------------------------------------------------------------------
def held(clinic: Clinic, patient: Patient, **fields: Any) -> Message:
    return make_message(
        patient,
        clinic.location,
        **({"state": "sending", "claim": uuid4(), "claimed_at": NOW, "channel": "sms", "to": NUMBER} | fields),
    )


def test_what_a_killed_worker_held_is_due_again_after_some_minutes(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    held(clinic, ada)
    assert release_stale(now=NOW + STALE_AFTER - timedelta(seconds=1)) == 0
    assert release_stale(now=NOW + STALE_AFTER) == 1
    assert (only().state, only().error) == ("planned", "The worker stopped before it was sent.")
    assert go(NOW + STALE_AFTER) == Sent(sent=1)


def test_one_that_was_being_asked_for_goes_to_a_person_unless_its_key_makes_it_harmless(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    row = held(clinic, ada, attempted_at=NOW, provider="carrier")
    release_stale(now=NOW + STALE_AFTER)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 1)
    assert row.error == "The worker was killed while the provider was asked: it may have gone out."
    carrier.gives_idempotency = True
    other = held(clinic, ada, attempted_at=NOW, provider="carrier")
    release_stale(now=NOW + STALE_AFTER)
    other.refresh_from_db()
    assert other.state == "planned"


def test_a_worker_that_was_taken_for_dead_writes_nothing_and_asks_nobody(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_message(ada, clinic.location)
    slow = claim_due(now=NOW)
    release_stale(now=NOW + STALE_AFTER)
    assert go(NOW + STALE_AFTER) == Sent(sent=1)
    send_claimed(slow, now=NOW + STALE_AFTER)
    assert len(carrier.asked) == 1
    assert (only().state, only().sent_at) == ("sent", NOW + STALE_AFTER)


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_a_failed_message_is_sent_again_by_hand(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    row = make_message(ada, clinic.location)
    carrier.answers = [RefusedError("The provider refused it (400).")]
    go()
    late = NOW + timedelta(hours=5)
    retry(row, by=clinic.desk, now=late)
    assert go(late) == Sent(sent=1)
    assert [(step.text, step.by) for step in row.steps.all()][-2] == ("Tried again.", clinic.desk)


def test_one_that_was_skipped_for_the_day_is_sent_when_somebody_wants_it(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada)
    consultation(clinic, ada, VISIT + timedelta(hours=2))
    sweep(now=NOW)
    go(DAY_BEFORE)
    retry(Message.objects.get(state="skipped"), by=clinic.desk, now=DAY_BEFORE)
    sweep(now=DAY_BEFORE)
    assert go(DAY_BEFORE) == Sent(sent=1)


def test_one_that_went_out_is_not_tried_again(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    row = make_message(ada, clinic.location)
    go()
    with pytest.raises(MessageRefusedError, match="Sent"):
        retry(row, by=clinic.desk, now=NOW)
    with pytest.raises(MessageRefusedError, match="Sent"):
        hold_back(row, reason="", by=clinic.desk, now=NOW)


def test_one_that_is_held_back_stays_so(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    due_visit(clinic, ada)
    hold_back(only(), reason="She knows", by=clinic.desk, now=NOW)
    sweep(now=NOW)
    assert go(DAY_BEFORE) == Sent()
    assert (only().state, only().error) == ("skipped", "Held back: She knows")


def test_a_planned_one_is_sent_now(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    due_visit(clinic, ada)
    send_now(only(), by=clinic.desk, now=NOW)
    assert go() == Sent(sent=1)
    assert MessageState(only().state) == MessageState.SENT
