"""The outbox as staff see it: rows, filters, one message, acts and their races; who may, and who reads no names."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.edge.context import rail_count
from clinic.models import AccessLog, Location
from clinic.pure.roles import PERMISSIONS, Can, Role
from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.ledger import Queries
from patients.models import Channel, IncomingMessage, Meaning, Message, MessageState, MessageStep
from patients.services.messages.outbox import messages_waiting
from patients.services.messages.planning import sweep
from patients.services.messages.sending import claim_due, hold_back
from patients.tests.factories import make_request
from patients.tests.messages_kit import (
    DAY_BEFORE,
    MAIL,
    NOW,
    NUMBER,
    agree,
    consultation,
    make_message,
    make_reachable,
    make_rule,
)

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}
LIST = "/messages/"


@pytest.fixture(autouse=True)
def _monday_at_nine() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def desk(clinic: Clinic) -> Client:
    return signed_in(clinic, Role.FRONT_DESK)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def words(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def rows(answer: Any) -> list[str]:
    """The words of each row of the table."""
    body = answer.content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in body.split("</tr>")[:-1]]


def gone_out(clinic: Clinic, state: MessageState = MessageState.SENT, **fields: Any) -> Message:
    values = {"channel": Channel.SMS, "to": NUMBER, "sent_at": NOW} | fields
    patient = values.pop("patient", None) or make_reachable()
    return make_message(patient, clinic.location, state=state, **values)


# --- the list ---------------------------------------------------------------------------------------------------------
def test_a_planned_reminder_shows_when_to_whom_about_what_and_how_it_would_go(clinic: Clinic, desk: Client) -> None:
    make_rule(clinic.location)
    consultation(clinic, make_reachable())
    sweep(now=NOW)
    shown = rows(desk.get(LIST))
    assert len(shown) == 1
    assert shown[0].startswith(
        "Wed 6 Jan, 10:00 Ada Okafor Consultation Day before Text message (212) 555-0123 Planned"
    )


def test_the_hour_is_the_patients_and_the_clinics_stands_beside_it_only_where_they_differ(
    clinic: Clinic, desk: Client
) -> None:
    make_message(make_reachable(time_zone="America/Los_Angeles"), clinic.location, due_at=DAY_BEFORE)
    make_message(make_reachable("Bea", "+12125550124"), clinic.location, due_at=DAY_BEFORE)
    theirs, ours = rows(desk.get(f"{LIST}?sort=to"))
    assert theirs.startswith("Wed 6 Jan, 07:00 Los Angeles · 10:00 here Ada")
    assert ours.startswith("Wed 6 Jan, 10:00 Bea")


@pytest.mark.parametrize(
    ("show", "state"),
    [
        ("coming", MessageState.PLANNED),
        ("call", MessageState.TO_CALL),
        ("failed", MessageState.FAILED),
        ("sent", MessageState.DELIVERED),
        ("skipped", MessageState.WITHDRAWN),
    ],
)
def test_each_group_shows_its_own_states_and_no_other(
    clinic: Clinic, desk: Client, show: str, state: MessageState
) -> None:
    patient = make_reachable()
    for one in (
        MessageState.PLANNED,
        MessageState.TO_CALL,
        MessageState.FAILED,
        MessageState.DELIVERED,
        MessageState.WITHDRAWN,
    ):
        gone_out(clinic, one, patient=patient)
    shown = rows(desk.get(LIST, {"show": show}))
    assert len(shown) == 1
    assert state.label in shown[0]


def test_a_failure_says_why_in_its_row(clinic: Clinic, desk: Client) -> None:
    gone_out(clinic, MessageState.FAILED, error="The number does not exist.")
    assert "Failed The number does not exist." in rows(desk.get(f"{LIST}?show=failed"))[0]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "okafor"}, True),
        ({"q": "hopper"}, False),
        ({"kind": "manual"}, True),
        ({"kind": "infusion"}, False),
        ({"channel": "sms"}, True),
        ({"channel": "email"}, False),
        ({"day": "2027-01-04"}, True),
        ({"day": "2027-01-05"}, False),
    ],
)
def test_filters_narrow_and_an_empty_answer_offers_to_clear_them(
    clinic: Clinic, desk: Client, asked: dict[str, str], found: bool
) -> None:
    gone_out(clinic)
    page = desk.get(LIST, {"show": "sent", **asked})
    assert bool(rows(page)) is found
    assert ("Clear the filters" in words(page)) is not found


@pytest.mark.parametrize(
    "address", ["?show=x&kind=x&channel=x&day=x&page=99&sort=x", "?day=9999-12-31", "?q=%00", "?day=0001-01-01"]
)
def test_nonsense_in_the_address_never_fails(desk: Client, address: str) -> None:
    assert desk.get(f"{LIST}{address}").status_code == 200


def test_an_empty_outbox_says_so_and_messages_of_another_location_are_not_shown(clinic: Clinic, desk: Client) -> None:
    make_message(make_reachable(), make_location("Uptown"))
    page = desk.get(LIST)
    assert rows(page) == []
    assert "Nothing is waiting to go out" in words(page)


def test_whoever_asked_for_a_visit_has_a_name_only_for_those_who_see_requests(clinic: Clinic) -> None:
    """A manager sees no requests (design.md), so neither who it is nor where it goes."""
    row = make_message(None, clinic.location, request=make_request(clinic.location, may_sms=True))
    for role, may in ((Role.FRONT_DESK, True), (Role.MANAGER, False)):
        client = signed_in(clinic, role)
        for page in (client.get(LIST), client.get(f"{LIST}{row.pk}/")):
            assert page.status_code == 200
            assert ("Iris" in words(page)) is may, role
            assert ("555-0177" in words(page)) is may, role


def test_names_numbers_and_words_are_kept_from_who_may_not_see_patients(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PERMISSIONS, Can.VIEW_PATIENT, frozenset())
    row, client = gone_out(clinic, text="Hello Ada"), signed_in(clinic, Role.NURSE)
    waiting = make_message(row.patient, clinic.location, state=MessageState.TO_CALL, text="Hello Ada")
    IncomingMessage.objects.create(
        provider_id="1", from_number=NUMBER, to_number="", text="It is Ada", received_at=NOW, meaning=Meaning.OTHER
    )
    for address in (f"{LIST}?show=all", f"{LIST}{row.pk}/", f"{LIST}{waiting.pk}/", f"{LIST}calls/", f"{LIST}answers/"):
        page = client.get(address)
        assert page.status_code == 200
        assert "Ada" not in words(page), address
        assert "555-0123" not in words(page), address


# --- one message ------------------------------------------------------------------------------------------------------
def test_a_sent_message_shows_its_words_without_the_link_and_every_step_with_its_author(
    clinic: Clinic, desk: Client
) -> None:
    row = gone_out(clinic, text="Downtown: come on Thursday. [link] STOP")
    MessageStep.objects.create(message=row, at=NOW, state=row.state, text="To be sent now.", by=clinic.nurse)
    page = words(desk.get(f"{LIST}{row.pk}/"))
    assert "Downtown: come on Thursday. [link] STOP" in page
    assert "To be sent now. Mon 4 Jan, 09:00, Ines Moreau" in page


def test_a_planned_one_shows_how_it_will_read_and_that_its_link_is_not_used(clinic: Clinic, desk: Client) -> None:
    make_rule(clinic.location)
    consultation(clinic, make_reachable())
    sweep(now=NOW)
    page = words(desk.get(f"{LIST}{Message.objects.get().pk}/"))
    assert "How it will read Downtown:" in page
    assert "[link] STOP" in page
    assert "Not used yet" in page
    assert "Consultation, Thu 7 Jan, 14:00" in page


def test_a_used_link_says_when(clinic: Clinic, desk: Client) -> None:
    make_rule(clinic.location)
    consultation(clinic, make_reachable())
    sweep(now=NOW)
    Message.objects.update(opened_at=NOW)
    assert "Used Mon 4 Jan, 09:00" in words(desk.get(f"{LIST}{Message.objects.get().pk}/"))


def test_opening_a_message_is_logged_with_the_patient(clinic: Clinic, desk: Client) -> None:
    row = gone_out(clinic)
    desk.get(f"{LIST}{row.pk}/")
    log = AccessLog.objects.get(subject_id=row.patient.resource_id)
    assert (log.page, log.user) == ("Message", clinic.desk)


def test_what_a_patient_is_called_is_escaped(clinic: Clinic, desk: Client) -> None:
    row = gone_out(clinic, patient=make_reachable("<b>Ada</b>"), text="<script>alert(1)</script>")
    for address in (f"{LIST}?show=sent", f"{LIST}{row.pk}/"):
        page = desk.get(address).content.decode()
        assert "<b>Ada" not in page
        assert "<script>alert" not in page


def test_a_message_that_is_not_there_is_not_found(desk: Client) -> None:
    assert desk.get(f"{LIST}987654321/").status_code == 404


# --- acts -------------------------------------------------------------------------------------------------------------
def test_one_is_held_back_with_a_reason_that_stands_in_its_row(clinic: Clinic, desk: Client) -> None:
    row = make_message(make_reachable(), clinic.location)
    answer = desk.post(f"{LIST}{row.pk}/hold/", {"reason": "Told in person"}, **HTMX)
    row.refresh_from_db()
    assert (row.state, row.error) == (MessageState.SKIPPED, "Held back: Told in person")
    assert "messages-changed" in answer.headers["HX-Trigger"]
    assert row.steps.get().by == clinic.desk


def test_without_a_reason_nothing_is_held_back(clinic: Clinic, desk: Client) -> None:
    row = make_message(make_reachable(), clinic.location)
    answer = desk.post(f"{LIST}{row.pk}/hold/", {"reason": "  "})
    row.refresh_from_db()
    assert answer.status_code == 422
    assert "Say why" in words(answer)
    assert row.state == MessageState.PLANNED


def test_send_now_makes_it_due(clinic: Clinic, desk: Client) -> None:
    row = make_message(make_reachable(), clinic.location, due_at=DAY_BEFORE)
    assert desk.post(f"{LIST}{row.pk}/send/").status_code == 302
    row.refresh_from_db()
    assert (row.state, row.due_at) == (MessageState.PLANNED, NOW)


def test_a_failed_one_is_tried_again(clinic: Clinic, desk: Client) -> None:
    row = gone_out(clinic, MessageState.FAILED, error="No answer", attempts=4)
    desk.post(f"{LIST}{row.pk}/again/")
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error) == (MessageState.PLANNED, 0, "")


def test_who_comes_too_late_is_told_what_happened_and_by_whom(clinic: Clinic, desk: Client) -> None:
    row = make_message(make_reachable(), clinic.location)
    hold_back(row, reason="Told in person", by=clinic.nurse, now=NOW)
    answer = desk.post(f"{LIST}{row.pk}/send/")
    assert answer.status_code == 409
    assert "“Skipped” by now" in words(answer)
    assert "Held back: Told in person Ines Moreau" in words(answer)


def test_what_a_worker_is_sending_cannot_be_held_back(clinic: Clinic, desk: Client) -> None:
    row = make_message(make_reachable(), clinic.location)
    assert [one.pk for one in claim_due(now=NOW)] == [row.pk]
    answer = desk.post(f"{LIST}{row.pk}/hold/", {"reason": "Stop"})
    row.refresh_from_db()
    assert (answer.status_code, row.state) == (409, MessageState.SENDING)


@pytest.mark.parametrize("act", ["hold", "send", "again", "called"])
def test_a_manager_reads_and_does_nothing(clinic: Clinic, act: str) -> None:
    row, manager = make_message(make_reachable(), clinic.location), signed_in(clinic, Role.MANAGER)
    page = manager.get(f"{LIST}{row.pk}/")
    assert page.status_code == 200
    assert "Hold back" not in words(page)
    assert manager.post(f"{LIST}{row.pk}/{act}/", {"reason": "x"}).status_code == 403
    row.refresh_from_db()
    assert row.state == MessageState.PLANNED


# --- the number beside the rail ---------------------------------------------------------------------------------------
def test_beside_the_rail_stands_what_failed_lately_is_to_be_called_or_was_not_read(
    clinic: Clinic, desk: Client
) -> None:
    patient = make_reachable()
    gone_out(clinic, MessageState.FAILED, patient=patient, state_at=NOW - timedelta(days=2))
    gone_out(clinic, MessageState.FAILED, patient=patient, state_at=NOW - timedelta(days=8))
    gone_out(clinic, MessageState.TO_CALL, patient=patient)
    gone_out(clinic, MessageState.SENT, patient=patient)
    for number, place in enumerate((clinic.location, None, make_location("Uptown"))):
        IncomingMessage.objects.create(
            provider_id=str(number),
            from_number=NUMBER,
            to_number=str(number),
            text="Hm",
            received_at=NOW,
            meaning=Meaning.OTHER,
            location=place,
        )
    place = Location.objects.annotate(**messages_waiting()).get(pk=clinic.location.pk)
    assert rail_count("outbox:list", place) == (4, "messages need somebody")  # one failed, one to call, two answers
    assert "4 messages need somebody" in words(desk.get(LIST))


# --- queries ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("show", ["coming", "sent"])
def test_fifty_rows_cost_as_many_queries_as_one(clinic: Clinic, desk: Client, queries: Queries, show: str) -> None:
    make_rule(clinic.location)
    state = MessageState.PLANNED if show == "coming" else MessageState.SENT
    for number in range(50):
        patient = make_reachable(f"P{number}", f"+1212555{1000 + number}")
        fields = {"sent_at": NOW, "channel": Channel.SMS, "to": NUMBER} if show == "sent" else {}
        make_message(patient, clinic.location, state=state, **fields)
    with queries(f"outbox, {show}", at_most=12):
        page = desk.get(LIST, {"show": show})
    assert len(rows(page)) == 50


def test_one_message_costs_few_queries(clinic: Clinic, desk: Client, queries: Queries) -> None:
    make_rule(clinic.location)
    consultation(clinic, make_reachable())
    sweep(now=NOW)
    address = f"{LIST}{Message.objects.get().pk}/"
    with queries("outbox, one message", at_most=12):
        assert desk.get(address).status_code == 200


def test_e_mail_goes_where_that_was_agreed(clinic: Clinic, desk: Client) -> None:
    """The expected channel is the one that sending would choose: here e-mail, as that is all she agreed to."""
    patient = make_reachable(email=MAIL)
    agree(patient, Channel.SMS, NUMBER, granted=False, at=ny("2027-01-04 08:00"))
    agree(patient, Channel.EMAIL, MAIL)
    make_message(patient, clinic.location)
    assert f"E-mail {MAIL} Planned" in rows(desk.get(LIST))[0]


def test_every_page_of_messages_has_a_name() -> None:
    assert [reverse(f"outbox:{name}") for name in ("list", "calls", "answers")] == [
        LIST,
        f"{LIST}calls/",
        f"{LIST}answers/",
    ]
