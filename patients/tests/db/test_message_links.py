"""The one link of a message: short, signed, for one purpose, with an end; nothing of it stands in the database."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.serializers import serialize

from clinic.models import Booking, BookingKind
from clinic.tests.factories import Clinic, make_clinic
from patients.models import Message, Patient, PatientStatus
from patients.services.messages import links
from patients.services.messages.links import LinkRefusedError, Purpose, Refusal, read, token, url
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
VISIT = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_patient()


@pytest.fixture
def booking(clinic: Clinic, ada: Patient) -> Booking:
    span = (VISIT, VISIT + timedelta(hours=1))
    row = Booking.objects.create(
        kind=BookingKind.CONSULTATION, location=clinic.location, subject=ada.resource, span=span, created_at=NOW
    )
    row.refresh_from_db()
    return row


@pytest.fixture
def message(clinic: Clinic, ada: Patient, booking: Booking) -> Message:
    return make_message(ada, clinic.location, now=NOW, booking=booking)


def refusal(link: str, purpose: Purpose = Purpose.VISIT, now: datetime = NOW) -> Refusal:
    with pytest.raises(LinkRefusedError) as error:
        read(link, purpose=purpose, now=now)
    return error.value.why


def test_it_opens_what_the_message_is_about(message: Message, booking: Booking, ada: Patient) -> None:
    opened = read(token(message, Purpose.VISIT), purpose=Purpose.VISIT, now=NOW)
    assert (opened.message, opened.booking, opened.patient) == (message, booking, ada)
    assert opened.first_name == "Ada"


def test_the_address_leaves_room_for_words_in_a_text_message(settings: Any, message: Message) -> None:
    settings.CADENCE_BASE_URL = "https://cadence.example.org/"
    found = url(message, Purpose.VISIT)
    assert re.fullmatch(r"https://cadence\.example\.org/v/[0-9A-Za-z]+/", found)  # nothing that a phone cuts off
    assert len(found) <= 60  # of 160
    many = Message(pk=99_999_999, uid=message.uid)
    assert len(url(many, Purpose.VISIT)) <= 60


def test_nothing_of_it_is_stored(message: Message) -> None:
    secret = token(message, Purpose.VISIT)[-links.MAC_DIGITS :]
    assert secret not in serialize("json", Message.objects.all())


def test_reading_takes_one_query_and_writes_nothing(message: Message, django_assert_num_queries: Any) -> None:
    before = serialize("json", Message.objects.all())
    with django_assert_num_queries(1):
        read(token(message, Purpose.VISIT), purpose=Purpose.VISIT, now=NOW)
    assert serialize("json", Message.objects.all()) == before
    assert not message.steps.exists()


# -- forged, altered, for another purpose ------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", list(Purpose))
@pytest.mark.parametrize("made", list(Purpose))
def test_a_token_of_one_purpose_opens_no_other(message: Message, made: Purpose, wanted: Purpose) -> None:
    link = token(message, made)
    if made is wanted:
        assert read(link, purpose=wanted, now=NOW).purpose is wanted
    else:
        assert refusal(link, wanted) is Refusal.UNKNOWN


@pytest.mark.parametrize("wanted", [one for one in Purpose if one is not Purpose.VISIT])
def test_the_letter_of_another_purpose_does_not_help(message: Message, wanted: Purpose) -> None:
    link = links.LETTERS[wanted] + token(message, Purpose.VISIT)[1:]
    assert refusal(link, wanted) is Refusal.UNKNOWN


def test_any_character_altered_opens_nothing(message: Message) -> None:
    link = token(message, Purpose.VISIT)
    for place, was in enumerate(link):
        for other in "aZ9":
            if other != was:
                assert refusal(f"{link[:place]}{other}{link[place + 1 :]}") is Refusal.UNKNOWN


@pytest.mark.parametrize(
    "junk",
    ["", "v", "v1", "v1" + "0" * 17, "v" + "z" * 12 + "0" * 17, "v1" + "0" * 16 + "\n", "v1" + "é" * 17, "x" * 4000],
)
def test_junk_opens_nothing(message: Message, junk: str) -> None:
    assert refusal(junk) is Refusal.UNKNOWN


def test_the_link_of_one_message_does_not_open_the_next(message: Message, clinic: Clinic, ada: Patient) -> None:
    other = make_message(ada, clinic.location, now=NOW, booking=message.booking)
    mine, theirs = token(message, Purpose.VISIT), token(other, Purpose.VISIT)
    swapped = theirs[: -links.MAC_DIGITS] + mine[-links.MAC_DIGITS :]
    assert refusal(swapped) is Refusal.UNKNOWN


def test_a_key_that_was_replaced_still_opens_what_was_sent_and_no_other_does(settings: Any, message: Message) -> None:
    link, before = token(message, Purpose.VISIT), settings.SECRET_KEY
    settings.SECRET_KEY = "another-key-that-is-long-enough-for-anybody"
    assert refusal(link) is Refusal.UNKNOWN
    settings.SECRET_KEY_FALLBACKS = [before]
    assert read(link, purpose=Purpose.VISIT, now=NOW).message == message
    assert token(message, Purpose.VISIT) != link


# -- the end -----------------------------------------------------------------------------------------------------------


def test_it_ends_some_days_after_the_visit_and_not_before(message: Message, booking: Booking) -> None:
    sent = make_message(
        message.patient or make_patient(), message.location, now=NOW - timedelta(days=40), booking=booking
    )
    link, end = token(sent, Purpose.VISIT), booking.end + links.STAYS_AFTER_VISIT
    assert read(link, purpose=Purpose.VISIT, now=end - timedelta(seconds=1)).expires_at == end
    assert refusal(link, now=end) is Refusal.EXPIRED


def test_it_lasts_as_long_as_a_visit_that_was_put_off(message: Message, booking: Booking) -> None:
    later = VISIT + timedelta(days=90)
    Booking.objects.filter(pk=booking.pk).update(span=(later, later + timedelta(hours=1)))
    link = token(message, Purpose.VISIT)
    assert read(link, purpose=Purpose.VISIT, now=later).booking == booking


def test_the_link_of_a_questionnaire_ends_by_the_message(message: Message) -> None:
    link = token(message, Purpose.QUESTIONNAIRE)
    assert message.sent_at is not None
    end = message.sent_at + links.LASTS[Purpose.QUESTIONNAIRE]
    assert read(link, purpose=Purpose.QUESTIONNAIRE, now=end - timedelta(seconds=1)).message == message
    assert refusal(link, Purpose.QUESTIONNAIRE, end) is Refusal.EXPIRED


def test_after_a_death_it_opens_nothing(message: Message, ada: Patient) -> None:
    Patient.objects.filter(pk=ada.pk).update(status=PatientStatus.DECEASED)
    assert refusal(token(message, Purpose.VISIT)) is Refusal.GONE


def test_a_visit_that_became_somebody_elses_is_not_shown(message: Message, booking: Booking) -> None:
    other = make_patient("Leo", "Park")
    Booking.objects.filter(pk=booking.pk).update(subject=other.resource)
    assert refusal(token(message, Purpose.VISIT)) is Refusal.GONE


def test_after_a_merge_the_visit_of_the_remaining_record_is_shown(
    message: Message, booking: Booking, ada: Patient
) -> None:
    stays = make_patient("Ada", "Okafor-Smith", birth_date=date(1990, 1, 1))
    Patient.objects.filter(pk=ada.pk).update(merged_into=stays)
    Booking.objects.filter(pk=booking.pk).update(subject=stays.resource)
    assert read(token(message, Purpose.VISIT), purpose=Purpose.VISIT, now=NOW).patient == stays


# -- noted -------------------------------------------------------------------------------------------------------------


def test_the_first_press_is_kept_and_each_is_in_the_history(message: Message) -> None:
    links.note_opened(message, now=NOW, said="Confirmed.")
    links.note_opened(message, now=NOW + timedelta(hours=1), said="Cancelled.")
    message.refresh_from_db()
    assert message.opened_at == NOW
    assert [(one.text, one.state) for one in message.steps.all()] == [("Confirmed.", "sent"), ("Cancelled.", "sent")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"facts": {"start": "2027-01-09T15:30:00+00:00"}}, datetime(2027, 1, 9, 15, 30, tzinfo=UTC)),
        ({"key": "reminder booking 17 2027-01-10T15:00Z"}, datetime(2027, 1, 10, 15, 0, tzinfo=UTC)),
        ({"key": "manual 4711"}, None),
    ],
)
def test_the_time_that_a_message_told_is_read_from_it(
    clinic: Clinic, ada: Patient, more: dict[str, Any], told: datetime | None
) -> None:
    message = make_message(ada, clinic.location, now=NOW, **more)
    assert links.start_told(message) == told
