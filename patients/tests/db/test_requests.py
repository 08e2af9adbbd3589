"""Requests: once in the queue, answered, moved on, linked, closed and opened again; never overwritten unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from patients.models import (
    AlertKind,
    Channel,
    CloseReason,
    ConsultationRequest,
    ContactConsent,
    ContactOutcome,
    DangerAlert,
    DangerAnswer,
    Patient,
    RequestContact,
    RequestSource,
    RequestStatus,
)
from patients.services import requests as services
from patients.services.contact_consents import contact_consents_of, record_contact_consent
from patients.services.requests import RequestData, RequestRefusedError, StaleRequestError
from patients.tests.factories import make_patient, make_request

NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thursday 10:00 in New York
FORM = UUID(int=11)
ADA = RequestData(
    given_name="Ada",
    family_name="Okafor",
    birth_date=date(1985, 3, 14),
    phone="+12125550123",
    email="ada@example.org",
    may_phone=True,
    may_sms=True,
    message="Nothing has helped so far.",
)


@pytest.fixture
def house(db: None) -> Clinic:
    return make_clinic()


def receive(house: Clinic, data: RequestData = ADA, *, form: UUID = FORM) -> ConsultationRequest:
    return services.receive_request(data=data, location=house.location, submission=form, now=NOW)


def test_the_same_form_sent_twice_is_one_request(house: Clinic) -> None:
    assert receive(house).pk == receive(house).pk
    request = ConsultationRequest.objects.get()
    assert (request.status, request.source, request.version) == (RequestStatus.NEW, RequestSource.WEB, 1)
    assert not request.is_urgent
    assert not DangerAlert.objects.exists()


def test_the_same_form_with_a_corrected_answer_is_another_request(house: Clinic) -> None:
    receive(house)
    second = receive(house, replace(ADA, danger=DangerAnswer.YES))
    assert ConsultationRequest.objects.count() == 2
    assert second.is_urgent


def test_yes_to_danger_is_urgent_and_raises_one_alert(house: Clinic) -> None:
    urgent = replace(ADA, danger=DangerAnswer.YES)
    request = receive(house, urgent)
    receive(house, urgent)
    alert = DangerAlert.objects.get()
    assert (alert.kind, alert.request, alert.location) == (AlertKind.URGENT_REQUEST, request, house.location)
    assert request.is_urgent


def test_rather_not_say_is_no_alert(house: Clinic) -> None:
    assert not receive(house, replace(ADA, danger=DangerAnswer.NOT_SAID)).is_urgent
    assert not DangerAlert.objects.exists()


# --- on the phone -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (RequestSource.PHONE, RequestStatus.CONTACTED),
        (RequestSource.WALK_IN, RequestStatus.CONTACTED),
        (RequestSource.REFERRAL, RequestStatus.NEW),
    ],
)
def test_a_request_taken_by_the_desk_enters_the_same_queue_and_has_an_owner(
    house: Clinic, source: RequestSource, status: RequestStatus
) -> None:
    for _ in range(2):  # a double click
        services.take_phone_request(
            data=ADA, location=house.location, submission=FORM, source=source, by=house.desk, now=NOW
        )
    request = ConsultationRequest.objects.get()
    assert (request.status, request.owner, request.created_by) == (status, house.desk, house.desk)
    assert request.contacts.count() == (status == RequestStatus.CONTACTED)


def test_a_caller_in_danger_raises_the_alert_too(house: Clinic) -> None:
    services.take_phone_request(
        data=replace(ADA, danger=DangerAnswer.YES), location=house.location, submission=FORM, by=house.desk, now=NOW
    )
    assert DangerAlert.objects.get().request.is_urgent


def test_neither_a_number_nor_an_address_is_refused(house: Clinic) -> None:
    with pytest.raises(ValidationError, match="telephone number or an e-mail"):
        receive(house, replace(ADA, phone="", email=""))
    with pytest.raises(ValidationError, match="phone"):
        receive(house, replace(ADA, phone="+1212"))
    assert not ConsultationRequest.objects.exists()


# --- attempts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status", "next_act_on"),
    [
        (ContactOutcome.REACHED, RequestStatus.CONTACTED, None),
        (ContactOutcome.VOICEMAIL, RequestStatus.CONTACTED, date(2027, 1, 8)),
        (ContactOutcome.NO_ANSWER, RequestStatus.NEW, date(2027, 1, 8)),
        (ContactOutcome.WRONG_NUMBER, RequestStatus.NEW, date(2027, 1, 7)),
        (ContactOutcome.WROTE, RequestStatus.CONTACTED, date(2027, 1, 11)),  # Friday, then Monday
    ],
)
def test_an_attempt_says_when_to_try_again_and_who_does(
    house: Clinic, outcome: ContactOutcome, status: RequestStatus, next_act_on: date | None
) -> None:
    request = make_request(house.location)
    services.log_contact(
        request_id=request.pk, outcome=outcome, note="Ask for Bo", expected_version=1, by=house.desk, now=NOW
    )
    request.refresh_from_db()
    assert (request.status, request.next_act_on, request.owner) == (status, next_act_on, house.desk)
    assert request.version == 2
    attempt = RequestContact.objects.get()
    assert (attempt.outcome, attempt.note, attempt.by, attempt.at) == (outcome, "Ask for Bo", house.desk, NOW)


def test_an_urgent_request_is_tried_again_the_same_day_and_a_said_day_wins(house: Clinic) -> None:
    urgent = make_request(house.location, is_urgent=True)
    done = services.log_contact(
        request_id=urgent.pk, outcome=ContactOutcome.NO_ANSWER, expected_version=1, by=house.desk, now=NOW
    )
    assert done.next_act_on == date(2027, 1, 7)
    monday = date(2027, 1, 11)
    done = services.log_contact(
        request_id=urgent.pk,
        outcome=ContactOutcome.REACHED,
        next_act_on=monday,
        expected_version=2,
        by=house.desk,
        now=NOW,
    )
    assert done.next_act_on == monday


def test_a_stale_card_is_refused_and_nothing_of_it_is_saved(house: Clinic) -> None:
    request = make_request(house.location)
    services.assign(request_id=request.pk, owner=house.desk, expected_version=1, by=house.desk, now=NOW)
    with pytest.raises(StaleRequestError) as refused:
        services.log_contact(
            request_id=request.pk, outcome=ContactOutcome.REACHED, expected_version=1, by=house.clinician, now=NOW
        )
    assert refused.value.current.owner == house.desk
    assert not RequestContact.objects.exists()


def test_only_somebody_who_works_on_requests_can_owe_the_next_step(house: Clinic) -> None:
    request = make_request(house.location)
    for person in (house.nurse, house.manager):
        with pytest.raises(RequestRefusedError, match="does not work on requests"):
            services.assign(request_id=request.pk, owner=person, expected_version=1, by=house.desk, now=NOW)
    taken = services.assign(request_id=request.pk, owner=house.clinician, expected_version=1, by=house.desk, now=NOW)
    assert taken.owner == house.clinician
    free = services.assign(request_id=request.pk, owner=None, expected_version=2, by=house.desk, now=NOW)
    assert free.owner is None


# --- moved on ---------------------------------------------------------------------------------------------------------


def test_what_happens_to_a_request_moves_it_and_says_since_when(house: Clinic) -> None:
    request = make_request(house.location)
    later = NOW + timedelta(hours=1)
    moved = services.advance(request.pk, to=RequestStatus.BOOKED, by=house.desk, now=later)
    assert (moved.status, moved.status_since) == (RequestStatus.BOOKED, later)
    back = services.advance(request.pk, to=RequestStatus.CONTACTED, by=house.desk, now=later)
    assert back.status == RequestStatus.CONTACTED
    decided = services.advance(request.pk, to=RequestStatus.DECIDED, by=house.clinician, now=later)
    stays = services.advance(request.pk, to=RequestStatus.CONTACTED, by=house.desk, now=later + timedelta(days=1))
    assert decided.status == stays.status == RequestStatus.DECIDED
    assert stays.status_since == later


def test_a_closed_request_that_is_booked_nevertheless_is_open_again(house: Clinic) -> None:
    request = make_request(house.location)
    services.close_request(
        request_id=request.pk, reason=CloseReason.NOT_REACHED, expected_version=1, by=house.desk, now=NOW
    )
    still = services.advance(request.pk, to=RequestStatus.CONTACTED, by=house.desk, now=NOW)
    assert still.status == RequestStatus.CLOSED
    booked = services.advance(request.pk, to=RequestStatus.BOOKED, by=house.desk, now=NOW)
    assert (booked.status, booked.closed_as, booked.closed_at) == (RequestStatus.BOOKED, "", None)


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_linking_makes_the_consent_and_the_alert_the_patients(house: Clinic) -> None:
    request = receive(house, replace(ADA, danger=DangerAnswer.YES))
    patient = make_patient()
    services.link_patient(request_id=request.pk, patient_id=patient.pk, expected_version=1, by=house.desk, now=NOW)
    said = contact_consents_of(patient)
    assert {channel for channel, row in said.items() if row} == {Channel.PHONE, Channel.SMS}  # e-mail was not ticked
    row = said[Channel.SMS]
    assert row is not None
    assert (row.granted, row.value, row.source, row.by) == (True, "+12125550123", "Request page", house.desk)
    assert DangerAlert.objects.get().patient == patient


def test_undoing_a_link_gives_back_what_the_patient_had_said_before(house: Clinic) -> None:
    request, patient = receive(house), make_patient()
    record_contact_consent(
        patient=patient,
        channel=Channel.SMS,
        granted=True,
        value="+12125550199",
        source="At the desk",
        by=house.desk,
        now=NOW - timedelta(days=9),
    )
    services.link_patient(request_id=request.pk, patient_id=patient.pk, expected_version=1, by=house.desk, now=NOW)
    after = NOW + timedelta(minutes=1)
    services.unlink_patient(request_id=request.pk, expected_version=2, by=house.desk, now=after)
    said = contact_consents_of(patient)
    sms, phone = said[Channel.SMS], said[Channel.PHONE]
    assert sms is not None
    assert phone is not None
    assert (sms.granted, sms.value, sms.source) == (True, "+12125550199", "At the desk")
    assert not phone.granted  # nothing had been said: no consent
    assert ConsultationRequest.objects.get().patient is None


def test_registering_from_a_request_needs_a_birth_date_and_happens_once(house: Clinic) -> None:
    request = receive(house, replace(ADA, birth_date=None))
    with pytest.raises(ValidationError, match="birth date"):
        services.register_from_request(
            request_id=request.pk, birth_date=None, expected_version=1, by=house.desk, now=NOW
        )
    born = date(1985, 3, 14)
    done = services.register_from_request(
        request_id=request.pk, birth_date=born, expected_version=1, by=house.desk, now=NOW
    )
    patient = Patient.objects.get()
    assert done.patient == patient
    assert (patient.given_name, patient.birth_date, patient.email) == ("Ada", born, "ada@example.org")
    assert [str(phone.number.as_e164) for phone in patient.phones.all()] == ["+12125550123"]
    assert patient.home_location == house.location
    with pytest.raises(RequestRefusedError, match="linked"):
        services.register_from_request(
            request_id=request.pk, birth_date=born, expected_version=2, by=house.desk, now=NOW
        )
    assert Patient.objects.count() == 1


def test_a_merged_record_is_not_linked(house: Clinic) -> None:
    kept = make_patient()
    merged = make_patient("Adah", merged_into=kept)
    request = make_request(house.location)
    with pytest.raises(RequestRefusedError, match="merged"):
        services.link_patient(request_id=request.pk, patient_id=merged.pk, expected_version=1, by=house.desk, now=NOW)
    assert not ContactConsent.objects.exists()


# --- closed -----------------------------------------------------------------------------------------------------------


def test_a_closed_request_can_be_opened_where_it_stood(house: Clinic) -> None:
    request = make_request(house.location)
    services.log_contact(
        request_id=request.pk, outcome=ContactOutcome.VOICEMAIL, expected_version=1, by=house.desk, now=NOW
    )
    closed = services.close_request(
        request_id=request.pk, reason=CloseReason.SPAM, expected_version=2, by=house.desk, now=NOW
    )
    assert (closed.status, closed.closed_as, closed.closed_by) == (RequestStatus.CLOSED, CloseReason.SPAM, house.desk)
    assert closed not in ConsultationRequest.objects.open()
    for act in (
        lambda: services.close_request(
            request_id=request.pk, reason=CloseReason.SPAM, expected_version=3, by=house.desk, now=NOW
        ),
        lambda: services.log_contact(
            request_id=request.pk, outcome=ContactOutcome.REACHED, expected_version=3, by=house.desk, now=NOW
        ),
    ):
        with pytest.raises(RequestRefusedError, match="closed"):
            act()
    again = services.reopen(request_id=request.pk, expected_version=3, by=house.desk, now=NOW)
    assert (again.status, again.closed_as, again.closed_at) == (RequestStatus.CONTACTED, "", None)
    with pytest.raises(RequestRefusedError, match="open already"):
        services.reopen(request_id=request.pk, expected_version=4, by=house.desk, now=NOW)


def test_another_reason_needs_words_and_a_booked_consultation_is_cancelled_first(house: Clinic) -> None:
    request = make_request(house.location)
    with pytest.raises(ValidationError, match="why"):
        services.close_request(
            request_id=request.pk, reason=CloseReason.OTHER, expected_version=1, by=house.desk, now=NOW
        )
    services.advance(request.pk, to=RequestStatus.BOOKED, by=house.desk, now=NOW)
    with pytest.raises(RequestRefusedError, match="Cancel that first"):
        services.close_request(
            request_id=request.pk, reason=CloseReason.SPAM, expected_version=2, by=house.desk, now=NOW
        )


# --- two people at once -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_and_version_two_people_overwrite_each_other(parallel: Parallel) -> None:
    house = make_clinic()
    pk = make_request(house.location).pk
    both_read = Barrier(2)

    def carelessly(index: int) -> None:
        row = ConsultationRequest.objects.get(pk=pk)
        both_read.wait(10)
        row.owner = (house.desk, house.clinician)[index]
        row.save(update_fields=["owner"])

    assert [outcome.error for outcome in parallel(2, carelessly)] == [None, None]  # both believe it worked


@pytest.mark.django_db(transaction=True)
def test_two_people_act_on_one_card_and_one_of_them_is_told(parallel: Parallel) -> None:
    house = make_clinic()
    pk = make_request(house.location).pk
    people = (house.desk, house.clinician)

    def act(index: int) -> None:
        if index:
            services.close_request(
                request_id=pk, reason=CloseReason.SPAM, expected_version=1, by=people[index], now=NOW
            )
        else:
            services.log_contact(
                request_id=pk, outcome=ContactOutcome.REACHED, expected_version=1, by=people[index], now=NOW
            )

    outcomes = parallel(2, act)
    refused = [outcome.error for outcome in outcomes if outcome.error]
    assert [type(error) for error in refused] == [StaleRequestError]
    request = ConsultationRequest.objects.get()
    assert request.version == 2
    assert (request.status == RequestStatus.CLOSED) == (not RequestContact.objects.exists())


@pytest.mark.django_db(transaction=True)
def test_a_form_that_arrives_ten_times_at_once_is_one_request_and_one_alert(parallel: Parallel) -> None:
    house = make_clinic()
    urgent = replace(ADA, danger=DangerAnswer.YES)
    outcomes = parallel(10, lambda _: receive(house, urgent).pk)
    assert [outcome.error for outcome in outcomes] == [None] * 10
    assert len({outcome.value for outcome in outcomes}) == 1
    assert ConsultationRequest.objects.count() == DangerAlert.objects.count() == 1
