"""Due messages leave once, in their words, to somebody who agreed (clinical.md R11, G)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic, make_clinic
from patients.models import Channel, Message, MessageEvent, MessageRule, Patient
from patients.services.messages import sending
from patients.services.messages.planning import sweep, write
from patients.services.messages.sending import (
    Sent,
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
from patients.tests.sending_kit import Carrier, go, only

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
