"""Answers by text message: STOP, START and HELP are done at once, a yes confirms, the rest waits for a person."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.parallel import Parallel
from patients.models import (
    Channel,
    ContactConsent,
    IncomingMessage,
    Meaning,
    Patient,
)
from patients.services.contact_consents import contact_consents_of
from patients.tests.factories import make_patient, make_phone, make_request
from patients.tests.hooks_kit import (
    BASE,
    NOW,
    NUMBER,
    OTHER_NUMBER,
    agree,
    answer,
    make_message,
    make_texted,
    make_visit,
    may_text,
    reply,
)
from patients.tests.providers_kit import ACCOUNT, SENDER, TOKEN


@pytest.fixture(autouse=True)
def _now(settings: Settings):
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = ACCOUNT, TOKEN, SENDER
    settings.CADENCE_BASE_URL = BASE
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic(db: None) -> Clinic:
    return make_clinic("Maple Clinic", phone="+12125550100")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_texted("Ada", clinic.location)


# --- STOP, START, HELP ------------------------------------------------------------------------------------------------
STOPS = ["STOP", "stop", " Stop. ", "STOP!!", "stopall", "Unsubscribe", "END", "quit", "Opt-out", "revoke"]
PARAS = ["ALTO", "Parar", "PARE", "no más", "Baja", "detener"]


@pytest.mark.parametrize("word", [*STOPS, *PARAS])
def test_stop_ends_text_messages_at_once_and_is_answered_once(client: Client, ada: Patient, word: str) -> None:
    said = reply(answer(client, word))
    assert not may_text(ada)
    assert said.startswith("Maple Clinic: ")
    assert "no more text messages" in said
    assert len(said) <= 160
    row = IncomingMessage.objects.get()
    assert (row.meaning, row.patient, row.handled_at) == (Meaning.STOP, ada, NOW)


@pytest.mark.parametrize(
    "text", ["Stop by at three?", "Please don't stop my visits", "I end work at five", "stopp", "👍"]
)
def test_a_sentence_with_such_a_word_is_none(client: Client, ada: Patient, text: str) -> None:
    answer(client, text)
    assert may_text(ada)
    row = IncomingMessage.objects.get()
    assert (row.meaning, row.handled_at) == (Meaning.OTHER, None)


def test_stop_counts_for_everybody_with_that_number_and_nobody_else(
    client: Client, ada: Patient, clinic: Clinic
) -> None:
    son = make_texted("Ben", clinic.location)
    neighbour = make_texted("Cara", clinic.location, number=OTHER_NUMBER)
    answer(client, "STOP")
    assert [may_text(patient) for patient in (ada, son, neighbour)] == [False, False, True]


def test_a_number_that_comes_back_on_record_stays_stopped(client: Client, ada: Patient) -> None:
    ada.phones.all().delete()
    answer(client, "STOP")
    make_phone(ada, NUMBER)
    assert not may_text(ada)


def test_stop_counts_for_who_asked_for_a_consultation_and_is_no_patient_yet(client: Client, clinic: Clinic) -> None:
    request = make_request(clinic.location, phone=NUMBER, may_sms=True, may_phone=True)
    assert "no more text" in reply(answer(client, "STOP"))
    request.refresh_from_db()
    assert (request.may_sms, request.may_phone) == (False, True)


def test_the_same_answer_again_does_nothing_again(client: Client, ada: Patient) -> None:
    first, second = answer(client, "STOP", sid="SM5"), answer(client, "STOP", sid="SM5")
    assert (bool(reply(first)), reply(second)) == (True, "")
    assert IncomingMessage.objects.count() == 1
    assert ContactConsent.objects.filter(patient=ada, granted=False).count() == 1


def test_looking_first_whether_an_answer_is_there_would_do_it_twice(parallel: Parallel) -> None:
    """The race without the guard (the unique number of the answer)."""
    ada = make_texted("Ada", make_clinic("Maple Clinic").location)
    both_looked = Barrier(2)

    def naive(_index: int) -> None:
        if not IncomingMessage.objects.filter(provider_id="SM5").exists():
            both_looked.wait(30)
            agree(ada, granted=False)

    parallel(2, naive)
    assert ContactConsent.objects.filter(patient=ada, granted=False).count() == 2


def test_two_at_the_same_moment_are_one(parallel: Parallel) -> None:
    ada = make_texted("Ada", make_clinic("Maple Clinic", phone="+12125550100").location)
    found = parallel(4, lambda _index: bool(reply(answer(Client(), "STOP", sid="SM5"))))
    assert sorted(outcome.value for outcome in found) == [False, False, False, True]
    assert ContactConsent.objects.filter(patient=ada, granted=False).count() == 1


def test_cancel_ends_texts_by_law_and_waits_for_a_person_since_a_visit_may_be_meant(
    client: Client, ada: Patient
) -> None:
    visit = make_visit(ada, ada.home_location)
    said = reply(answer(client, "CANCEL"))
    visit.refresh_from_db()
    row = IncomingMessage.objects.get()
    assert not may_text(ada)
    assert "(212) 555-0100" in said
    assert (visit.status, row.meaning, row.handled_at) == (BookingStatus.BOOKED, Meaning.STOP, None)
    assert "visit was meant" in row.handled_note


def test_start_gives_back_what_stop_took_and_nothing_more(client: Client, ada: Patient, clinic: Clinic) -> None:
    never = make_patient("Dora", phones=[NUMBER], home_location=clinic.location)
    answer(client, "STOP")
    said = reply(answer(client, "START"))
    assert (may_text(ada), may_text(never)) == (True, False)
    assert contact_consents_of(ada)[Channel.SMS].value == NUMBER
    assert "STOP" in said


def test_start_of_somebody_whom_staff_had_crossed_off_waits_for_a_person(client: Client, ada: Patient) -> None:
    agree(ada, granted=False)
    answer(client, "START")
    assert not may_text(ada)
    assert IncomingMessage.objects.get().handled_at is None


def test_start_twice_and_stop_twice_end_where_the_last_word_was(client: Client, ada: Patient) -> None:
    for word in ("STOP", "STOP", "START", "START", "STOP", "START"):
        with time_machine.travel(NOW + timedelta(minutes=IncomingMessage.objects.count()), tick=False):
            answer(client, word)
    assert may_text(ada)


def test_help_says_who_we_are_and_whom_to_call(client: Client, ada: Patient) -> None:
    said = reply(answer(client, "help"))
    assert said.startswith("Maple Clinic: ")
    assert "(212) 555-0100" in said
    assert "STOP" in said
    assert len(said) <= 160


def test_a_provider_that_has_answered_itself_is_not_repeated(client: Client, ada: Patient) -> None:
    assert reply(answer(client, "whatever they set up", OptOutType="STOP")) == ""
    assert not may_text(ada)


def test_a_number_that_nobody_has_gets_no_answer_beyond_the_words_of_the_field(client: Client, clinic: Clinic) -> None:
    assert reply(answer(client, "Who is this?", number=OTHER_NUMBER)) == ""
    row = IncomingMessage.objects.get()
    assert (row.patient, row.handled_at) == (None, None)
    assert reply(answer(client, "HELP", number=OTHER_NUMBER)).startswith("Maple Clinic: ")


def test_a_short_code_or_words_for_a_number_harm_nothing(client: Client, ada: Patient) -> None:
    assert answer(client, "STOP", number="72345").status_code == 200
    assert answer(client, "STOP", number="Ma<b>ple" * 20).status_code == 200
    assert may_text(ada)


# --- confirming -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["C", "Yes", "YES!", "confirm", "Sí", "si", "CONFIRMAR", "Confirmo.", "y"])
def test_a_yes_confirms_the_visit_that_was_asked_about(client: Client, ada: Patient, word: str) -> None:
    visit = make_visit(ada, ada.home_location)
    make_visit(ada, ada.home_location, days=4)
    message = make_message(ada, ada.home_location, booking=visit)
    said = reply(answer(client, word))
    visit.refresh_from_db()
    assert (visit.status, visit.confirmed_at) == (BookingStatus.CONFIRMED, NOW)
    assert "Wed, Jan 13, 1:00 PM" in said
    assert [step.text for step in message.steps.all()] == ["Confirmed by text message."]
    assert IncomingMessage.objects.get().handled_at == NOW


def test_the_moment_is_told_on_the_patients_own_clocks(client: Client, clinic: Clinic) -> None:
    away = make_texted("Eve", clinic.location, time_zone="America/Los_Angeles")
    visit = make_visit(away, clinic.location)
    make_message(away, clinic.location, booking=visit)
    assert "10:00 AM" in reply(answer(client, "YES"))


def test_a_yes_twice_confirms_once(client: Client, ada: Patient) -> None:
    visit = make_visit(ada, ada.home_location)
    message = make_message(ada, ada.home_location, booking=visit)
    assert "is confirmed" in reply(answer(client, "YES"))
    assert "is confirmed" in reply(answer(client, "YES"))
    visit.refresh_from_db()
    assert (visit.version, message.steps.count()) == (2, 1)


def test_without_a_question_a_yes_means_the_only_visit_near(client: Client, ada: Patient) -> None:
    visit = make_visit(ada, ada.home_location, days=3)
    make_visit(ada, ada.home_location, days=20)
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == BookingStatus.CONFIRMED


def test_a_yes_that_may_mean_several_visits_waits_for_a_person(client: Client, ada: Patient) -> None:
    visits = [make_visit(ada, ada.home_location, days=days) for days in (2, 4)]
    said = reply(answer(client, "YES"))
    assert {visit.status for visit in Booking.objects.filter(pk__in=[v.pk for v in visits])} == {BookingStatus.BOOKED}
    assert IncomingMessage.objects.get().handled_at is None
    assert "confirmed" not in said


def test_a_yes_from_a_number_of_two_patients_with_visits_waits_for_a_person(
    client: Client, ada: Patient, clinic: Clinic
) -> None:
    son = make_texted("Ben", clinic.location)
    visit, other = make_visit(ada, clinic.location), make_visit(son, clinic.location, days=3)
    make_message(ada, clinic.location, booking=visit)
    answer(client, "YES")
    assert not Booking.objects.filter(status=BookingStatus.CONFIRMED, pk__in=[visit.pk, other.pk]).exists()
    other.delete()
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == BookingStatus.CONFIRMED


def test_a_yes_to_a_visit_that_is_over_does_not_confirm_the_next(client: Client, ada: Patient) -> None:
    past = make_visit(ada, ada.home_location, days=-1)
    coming = make_visit(ada, ada.home_location, days=2)
    make_message(ada, ada.home_location, booking=past)
    answer(client, "YES")
    coming.refresh_from_db()
    assert coming.status == BookingStatus.BOOKED
    assert "another visit" in IncomingMessage.objects.get().handled_note


@pytest.mark.parametrize("status", [BookingStatus.CANCELLED, BookingStatus.DONE, BookingStatus.ARRIVED])
def test_a_yes_to_what_is_not_to_come_changes_nothing(client: Client, ada: Patient, status: BookingStatus) -> None:
    visit = make_visit(ada, ada.home_location, status=status)
    make_message(ada, ada.home_location, booking=visit)
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == status
    assert IncomingMessage.objects.get().handled_at is None


def test_who_stopped_texts_may_still_confirm(client: Client, ada: Patient) -> None:
    visit = make_visit(ada, ada.home_location)
    answer(client, "STOP")
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == BookingStatus.CONFIRMED
    assert not may_text(ada)


# --- everything else --------------------------------------------------------------------------------------------------
def test_anything_else_waits_for_the_desk_and_is_thanked_once_a_day(client: Client, ada: Patient) -> None:
    said = [reply(answer(client, text)) for text in ("Running late", "Ten minutes", "Is that ok?")]
    assert said[0].startswith("Maple Clinic: thank you. Texts are not read around the clock.")
    assert "911" in said[0]
    assert "988" in said[0]
    assert len(said[0]) <= 160
    assert said[1:] == ["", ""]
    assert IncomingMessage.objects.filter(handled_at__isnull=True, patient=ada, location=ada.home_location).count() == 3


def test_markup_in_the_name_of_a_clinic_is_text_in_the_answer(client: Client, db: None) -> None:
    place = make_location("A & B <script>")
    make_texted("Ada", place)
    response = answer(client, "HELP")
    assert b"<script>" not in response.content
    assert b"A &amp; B &lt;script&gt;" in response.content


def test_who_stopped_is_not_thanked(client: Client, ada: Patient) -> None:
    answer(client, "STOP")
    assert reply(answer(client, "Running late")) == ""
