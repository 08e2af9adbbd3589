"""The desk's board, the sheet of one request, what was closed, requests by telephone: what each role sees and may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import (
    CloseReason,
    Consultation,
    ConsultationRequest,
    ContactOutcome,
    DangerAlert,
    Patient,
    RequestContact,
    RequestSource,
    RequestStatus,
)
from patients.services import request_board
from patients.services import requests as services
from patients.services.consultations import book_consultation
from patients.tests.factories import make_patient, make_request

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York
TIP = "<script>alert('x')</script>"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def signed_in(clinic: Clinic, role: Role = Role.FRONT_DESK) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    answer = client.get(reverse(f"intake:{name}", args=args), query)
    assert answer.status_code == 200, (name, answer.status_code)
    return answer.content.decode()


def act(client: Client, name: str, row: ConsultationRequest, *, version: int | None = None, **data: Any) -> Any:
    sent = {"version": row.version if version is None else version, **data}
    return client.post(reverse(f"intake:request_{name}", args=[row.pk]), sent, headers=HTMX)


def booked(clinic: Clinic, row: ConsultationRequest) -> None:
    """A consultation for the request, tomorrow at 10:00 with Dr Hart."""
    patient = make_patient("Iris", "Calloway")
    linked = services.link_patient(
        request_id=row.pk, patient_id=patient.pk, expected_version=row.version, by=clinic.desk, now=NOW
    )
    book_consultation(
        patient=patient,
        location=clinic.location,
        start=NOW + timedelta(days=1),
        length_min=60,
        clinician_id=clinic.clinician.resource_id,
        room_id=clinic.room.pk,
        request=linked,
        by=clinic.desk,
        now=NOW,
    )


# --- who may ----------------------------------------------------------------------------------------------------------
ACTS = ("contact", "assign", "link", "unlink", "register", "close", "reopen")


def test_the_desk_and_clinicians_act_nurses_look_managers_and_strangers_stay_outside(clinic: Clinic) -> None:
    row = make_request(clinic.location, message="Very private words")
    looks = [reverse("intake:board"), reverse("intake:closed"), reverse("intake:request", args=[row.pk])]
    deeds = [reverse(f"intake:request_{name}", args=[row.pk]) for name in ACTS]
    for role in Role:
        client = signed_in(clinic, role)
        may_look, may_act = role is not Role.MANAGER, role in (Role.FRONT_DESK, Role.CLINICIAN)
        assert {client.get(url).status_code for url in looks} == {200 if may_look else 403}, role
        assert client.get(reverse("intake:add")).status_code == (200 if may_act else 403)
        statuses = {client.post(url, {"version": 99}, headers=HTMX).status_code for url in deeds}
        assert statuses <= ({409, 422} if may_act else {403}), role
    roleless = Client()
    roleless.force_login(make_user())
    assert {roleless.get(url).status_code for url in looks} == {403}
    assert {Client().get(url).status_code for url in looks} == {302}
    row.refresh_from_db()
    assert row.version == 1


def test_a_nurse_sees_no_buttons_and_intake_stands_in_the_rail_of_those_who_work_there(clinic: Clinic) -> None:
    row = make_request(clinic.location)
    html = page(signed_in(clinic, Role.NURSE), "request", row.pk)
    assert "How did it go?" not in html
    assert "Spam" not in html
    assert reverse("intake:add") not in page(signed_in(clinic, Role.NURSE), "board")
    for role in Role:
        home = signed_in(clinic, role).get("/patients/").content.decode()
        assert (f'href="{reverse("intake:board")}"' in home) == (role is not Role.MANAGER)


# --- the board --------------------------------------------------------------------------------------------------------


def test_each_card_stands_in_its_column_urgent_first_then_the_longest_wait(clinic: Clinic) -> None:
    make_request(clinic.location, "Young", status_since=NOW - timedelta(hours=1))
    make_request(clinic.location, "Old", status_since=NOW - timedelta(hours=30))
    make_request(clinic.location, "Urgent", status_since=NOW, is_urgent=True)
    make_request(clinic.location, "Called", status=RequestStatus.CONTACTED)
    make_request(clinic.location, "Met", status=RequestStatus.SEEN)
    make_request(clinic.location, "Late", status=RequestStatus.DECIDED, status_since=NOW - timedelta(days=13))
    make_request(clinic.location, "Fresh", status=RequestStatus.DECIDED, status_since=NOW - timedelta(days=1))
    make_request(clinic.location, "Gone", status=RequestStatus.DECIDED, status_since=NOW - timedelta(days=15))
    answer = signed_in(clinic).get(reverse("intake:board"))
    columns = {
        column.status: [card.request.given_name for card in column.cards] for column in answer.context["columns"]
    }
    assert columns == {
        RequestStatus.NEW: ["Urgent", "Old", "Young"],
        RequestStatus.CONTACTED: ["Called"],
        RequestStatus.BOOKED: [],
        RequestStatus.SEEN: ["Met"],
        RequestStatus.DECIDED: ["Fresh", "Late"],
    }
    html = answer.content.decode()
    assert "Urgent</span>" in html  # a word beside the colour
    assert "alert-triangle" not in html  # the icon is drawn, not named
    assert html.count("> Late</span>") == 1


def test_a_card_says_its_age_who_owes_the_next_step_and_since_when(clinic: Clinic) -> None:
    row = make_request(clinic.location, received_at=NOW - timedelta(days=3), status_since=NOW - timedelta(hours=5))
    (card,) = signed_in(clinic).get(reverse("intake:board")).context["columns"][0].cards
    assert (card.age, card.here, card.owes) == ("3 days", "5 h", "Nobody yet")
    services.log_contact(
        request_id=row.pk, outcome=ContactOutcome.NO_ANSWER, expected_version=1, by=clinic.desk, now=NOW
    )
    (card,) = signed_in(clinic).get(reverse("intake:board")).context["columns"][0].cards
    assert (card.owes, card.is_due, card.is_late) == ("Maya Lindqvist", False, False)
    row.refresh_from_db()
    booked(clinic, row)
    (card,) = signed_in(clinic).get(reverse("intake:board")).context["columns"][2].cards
    assert card.owes == "Samuel Hart, MD"
    assert "Fri 8 Jan, 10:00" in page(signed_in(clinic), "board")
    refused = act(signed_in(clinic), "close", row, version=card.request.version, reason="declined")
    assert refused.status_code == 422  # a consultation stands
    booking = card.request.consultations.get().booking_id
    assert reverse("intake:booked", args=[booking]) in page(signed_in(clinic), "request", row.pk)


def test_a_new_request_is_late_after_a_day_and_a_try_after_its_day(
    clinic: Clinic, clock: time_machine.Traveller
) -> None:
    make_request(clinic.location)
    make_request(clinic.location, status=RequestStatus.CONTACTED, next_act_on=date(2027, 1, 8))

    def late() -> list[bool]:
        columns = signed_in(clinic).get(reverse("intake:board")).context["columns"]
        return [card.is_late for column in columns for card in column.cards]

    assert late() == [False, False]
    clock.shift(timedelta(hours=24, minutes=1))
    assert late() == [True, False]
    clock.shift(timedelta(hours=24))
    assert late() == [True, True]


def test_the_board_is_narrowed_by_location_owner_and_words(clinic: Clinic) -> None:
    other = make_location("Lakeside")
    make_request(clinic.location, "Iris", "Calloway", owner=clinic.desk)
    make_request(clinic.location, "Bo", "Ek", phone="+12125550188", owner=clinic.clinician)
    make_request(clinic.location, "Priya", "Raman", email="priya@example.org", phone="")
    make_request(other, "Sara", "Lund")
    client = signed_in(clinic)

    def names(**query: Any) -> set[str]:
        columns = client.get(reverse("intake:board"), query, headers=HTMX).context["columns"]
        return {card.request.given_name for column in columns for card in column.cards}

    assert names() == {"Iris", "Bo", "Priya"}  # of the location at which one works
    assert names(location="all") == {"Iris", "Bo", "Priya"}  # the front desk reaches no other
    clinic.desk.work_places.create(location=other)
    assert names(location="all") == {"Iris", "Bo", "Priya", "Sara"}
    assert names(location=other.pk) == {"Sara"}
    assert names(owner="mine") == {"Iris"}
    assert names(owner="nobody") == {"Priya"}
    assert names(owner=clinic.clinician.pk) == {"Bo"}
    assert names(q="call iris") == {"Iris"}
    assert names(q="555-0188") == {"Bo"}
    assert names(q="PRIYA@") == {"Priya"}
    assert names(q="100%") == names(q="_") == set()
    for odd in ({"owner": "9" * 30}, {"location": "x"}, {"owner": "x'--"}, {"q": "\x00"}):
        assert names(**odd) == {"Iris", "Bo", "Priya"}, odd
    assert "Nothing here with these filters." in page(client, "board", q="zzz")


def test_the_fragment_asks_for_itself_again_without_keeping_anybody_signed_in(clinic: Clinic) -> None:
    make_request(clinic.location)
    answer = signed_in(clinic).get(reverse("intake:board"), {"owner": "nobody"}, headers=HTMX)
    html = answer.content.decode()
    assert html.lstrip().startswith('<div id="board"')
    assert 'hx-get="/intake/?owner=nobody"' in html
    assert "every 30s" in html
    assert "X-Cadence-Background" in html


def test_a_full_column_shows_the_first_and_counts_the_rest(clinic: Clinic) -> None:
    for _ in range(request_board.CARDS_A_COLUMN + 2):
        make_request(clinic.location)
    column = signed_in(clinic).get(reverse("intake:board")).context["columns"][0]
    assert (len(column.cards), column.count, column.hidden) == (request_board.CARDS_A_COLUMN, 42, 2)


def test_an_empty_board_says_what_that_means(clinic: Clinic) -> None:
    assert "Everybody who asked has been answered." in page(signed_in(clinic), "board")


@pytest.mark.parametrize("count", [2, 20])
def test_the_board_needs_the_same_few_queries_with_2_and_20_cards(clinic: Clinic, queries: Queries, count: int) -> None:
    statuses = [RequestStatus.NEW, RequestStatus.CONTACTED, RequestStatus.SEEN, RequestStatus.DECIDED]
    for number in range(count):
        row = make_request(clinic.location, owner=clinic.desk, status=statuses[number % 4])
        RequestContact.objects.create(request=row, at=NOW, by=clinic.desk, outcome=ContactOutcome.REACHED)
        Consultation.objects.create(
            patient=make_patient(),
            request=row,
            location=clinic.location,
            clinician=clinic.clinician,
            created_at=NOW,
            created_by=clinic.desk,
        )
    client = signed_in(clinic)
    with queries("intake board"):
        answer = client.get(reverse("intake:board"))
    assert answer.status_code == 200


@pytest.mark.parametrize("count", [2, 20])
def test_the_sheet_and_the_closed_list_need_the_same_few_queries(clinic: Clinic, queries: Queries, count: int) -> None:
    row = make_request(clinic.location, email="iris@example.org", is_urgent=True)
    for number in range(count):
        make_patient("Iris", "Calloway", phones=["+12125550177"], birth_date=date(1990, 1, number + 1))
        RequestContact.objects.create(request=row, at=NOW, by=clinic.desk, outcome=ContactOutcome.REACHED)
        make_request(clinic.location, email="iris@example.org")
        closed = make_request(clinic.location, phone="+12125550199")
        services.close_request(
            request_id=closed.pk, reason=CloseReason.SPAM, expected_version=1, by=clinic.desk, now=NOW
        )
    client = signed_in(clinic)
    with queries("intake request"):
        answer = client.get(reverse("intake:request", args=[row.pk]))
    assert answer.status_code == 200
    stranger = make_request(
        clinic.location, "Nobody", "Known", birth_date=date(1990, 5, 2), email="n@example.org", phone="+12125550111"
    )
    with queries("intake request, nobody known"):
        answer = client.get(reverse("intake:request", args=[stranger.pk]))
    assert answer.status_code == 200
    with queries("intake closed"):
        answer = client.get(reverse("intake:closed"))
    assert answer.status_code == 200


# --- the sheet --------------------------------------------------------------------------------------------------------


def test_scripts_in_every_field_show_as_text_on_board_sheet_list_and_history(clinic: Clinic) -> None:
    patient = make_patient(TIP, TIP, phones=["+12125550177"])
    row = make_request(
        clinic.location,
        TIP,
        TIP,
        message=TIP,
        referrer=TIP,
        email="a@example.org",
        seeks_help_for=["trd"],
        wished_weekdays=[0],
    )
    services.log_contact(
        request_id=row.pk, outcome=ContactOutcome.REACHED, note=TIP, expected_version=1, by=clinic.desk, now=NOW
    )
    client, clinician = signed_in(clinic), signed_in(clinic, Role.CLINICIAN)
    pages = [page(client, "board"), page(client, "request", row.pk), page(clinician, "request", row.pk)]
    assert patient.mrn in pages[1]  # the likely duplicate
    services.close_request(
        request_id=row.pk, reason=CloseReason.OTHER, note=TIP, expected_version=2, by=clinic.desk, now=NOW
    )
    pages += [page(client, "closed"), page(client, "request", row.pk)]
    manager = make_user(Role.MANAGER, Role.CLINICIAN, username="both")
    audit = Client()
    audit.force_login(manager)
    pages.append(
        audit.get(reverse("setup:history"), {"first_day": "2026-01-01", "last_day": "2027-12-31"}).content.decode()
    )
    assert "&lt;script&gt;" in pages[-1]
    for html in pages:
        assert TIP not in html
        assert "&lt;script&gt;" in html


def test_ten_thousand_characters_fit_the_sheet(clinic: Clinic) -> None:
    row = make_request(clinic.location, message="ä" * 10_000)
    assert "ä" * 10_000 in page(signed_in(clinic), "request", row.pk)


def test_the_sheet_of_a_linked_request_is_a_reading_of_the_patients_record(clinic: Clinic) -> None:
    patient = make_patient()
    row = make_request(clinic.location, patient=patient)
    page(signed_in(clinic), "request", row.pk)
    assert AccessLog.objects.get().subject == patient.resource
    assert AccessLog.objects.get().page == "Request"


def test_an_unknown_request_is_not_found(clinic: Clinic) -> None:
    client = signed_in(clinic)
    assert client.get(reverse("intake:request", args=[999])).status_code == 404
    for name in ACTS:
        assert client.post(reverse(f"intake:request_{name}", args=[999]), {"version": 1}).status_code == 404


@pytest.mark.parametrize(
    ("known", "asked", "reason"),
    [
        ({"birth_date": date(1990, 5, 2)}, {"birth_date": date(1990, 5, 2)}, "same name and birth date"),
        ({"phones": ["+12125550177"]}, {}, "same phone and a similar name"),
        ({"email": "Iris@Example.org"}, {"email": "iris@example.org", "phone": ""}, "same e-mail and a similar name"),
        ({}, {"phone": "+12125550100"}, "same name, no birth date to compare"),
    ],
)
def test_known_patients_are_recognised(
    clinic: Clinic, known: dict[str, Any], asked: dict[str, Any], reason: str
) -> None:
    patient = make_patient("Iris", "Calloway", **known)
    make_patient("Boris", "Andersen")
    row = make_request(clinic.location, **asked)
    html = page(signed_in(clinic), "request", row.pk)
    assert reason in html
    assert f"MRN {patient.mrn}" in html
    assert "Andersen" not in html


def test_somebody_who_asked_twice_is_seen(clinic: Clinic) -> None:
    row, again = make_request(clinic.location), make_request(clinic.location, "I", "Calloway")
    html = page(signed_in(clinic), "request", row.pk)
    assert reverse("intake:request", args=[again.pk]) in html
    assert "asked twice" in html


def test_this_is_them_links_and_can_be_taken_back(clinic: Clinic) -> None:
    patient, row = make_patient("Iris", "Calloway", phones=["+12125550177"]), make_request(clinic.location)
    client = signed_in(clinic)
    answer = act(client, "link", row, patient=patient.pk)
    assert answer.status_code == 200
    assert "requests-changed" in answer["HX-Trigger"]
    assert "Somebody else after all" in answer.content.decode()
    assert act(client, "link", row, version=2, patient=patient.pk).status_code == 422
    assert act(client, "unlink", row, version=2).status_code == 200
    row.refresh_from_db()
    assert row.patient is None
    assert act(client, "link", row, patient=987_654).status_code == 422  # no such patient


def test_register_as_new_asks_for_the_birth_date_first(clinic: Clinic) -> None:
    row, client = make_request(clinic.location), signed_in(clinic)
    refused = act(client, "register", row)
    assert refused.status_code == 422
    assert "The registry needs a birth date." in refused.content.decode()
    future = act(client, "register", row, birth_date="2030-01-01")
    assert "in the future" in future.content.decode()
    assert act(client, "register", row, birth_date="1990-05-02").status_code == 200
    assert Patient.objects.get().name == "Iris Calloway"


def test_an_outcome_is_noted_with_one_button(clinic: Clinic) -> None:
    row, client = make_request(clinic.location), signed_in(clinic)
    answer = act(client, "contact", row, outcome="voicemail", note="Called the mobile")
    html = answer.content.decode()
    assert "Called the mobile" in html
    assert "Try again <strong>Fri 8 Jan</strong>" in html
    assert act(client, "contact", row, version=2, outcome="shouted").status_code == 422


def test_who_was_slower_is_told_and_their_note_is_kept(clinic: Clinic) -> None:
    row = make_request(clinic.location)
    assert act(signed_in(clinic), "contact", row, outcome="reached", note="First").status_code == 200
    late = act(signed_in(clinic, Role.CLINICIAN), "contact", row, outcome="no_answer", note="My own words")
    assert late.status_code == 409
    html = late.content.decode()
    assert "Somebody else changed this request" in html
    assert 'value="My own words"' in html
    assert "First" in html
    assert RequestContact.objects.count() == 1
    assert act(signed_in(clinic, Role.CLINICIAN), "contact", row, version=2, outcome="no_answer").status_code == 200


def test_handing_over_says_who_owes_the_next_step(clinic: Clinic) -> None:
    row, client = make_request(clinic.location), signed_in(clinic)
    assert "Samuel Hart" in act(client, "assign", row, owner=clinic.clinician.pk).content.decode()
    nurse = act(client, "assign", row, version=2, owner=clinic.nurse.pk)
    assert nurse.status_code == 422
    assert act(client, "assign", row, version=2, owner="").status_code == 200
    row.refresh_from_db()
    assert row.owner is None


def test_spam_is_one_click_and_one_more_takes_it_back(clinic: Clinic) -> None:
    row, client = make_request(clinic.location), signed_in(clinic)
    answer = act(client, "close", row, reason="spam")
    assert answer.status_code == 204
    events = json.loads(answer["HX-Trigger"])
    assert events["request-closed"] == {
        "text": "Iris Calloway: closed, spam.",
        "url": reverse("intake:request_reopen", args=[row.pk]),
        "version": 2,
    }
    assert {"close-sheet", "requests-changed"} <= set(events)
    assert "Calloway" not in page(client, "board")
    assert act(client, "reopen", row, version=2).status_code == 200
    assert "Calloway" in page(client, "board")


def test_without_scripts_each_act_leads_back_to_the_request(clinic: Clinic) -> None:
    row, client = make_request(clinic.location), signed_in(clinic)
    url = reverse("intake:request", args=[row.pk])
    acts: list[tuple[str, dict[str, Any]]] = [
        ("contact", {"outcome": "no_answer"}),
        ("assign", {"owner": clinic.desk.pk}),
        ("close", {"reason": "spam"}),
    ]
    for version, (name, data) in enumerate(acts, 1):
        answer = client.post(reverse(f"intake:request_{name}", args=[row.pk]), {"version": version, **data})
        assert answer["Location"] == url, name
    assert "Undo: open again" in client.get(url).content.decode()


def test_an_urgent_request_shows_crisis_lines_and_keeps_its_alert_when_closed(clinic: Clinic) -> None:
    row = services.take_phone_request(
        data=services.RequestData(given_name="Tomas", family_name="Berger", phone="+12125550144", danger="yes"),
        location=clinic.location,
        submission=uuid4(),
        by=clinic.desk,
        now=NOW,
    )
    client = signed_in(clinic)
    html = page(client, "request", row.pk)
    assert "Said yes to thoughts of harming" in html
    assert 'href="tel:988"' in html
    act(client, "close", row, reason="declined")
    assert DangerAlert.objects.waiting().count() == 1


# --- closed -----------------------------------------------------------------------------------------------------------


def test_closed_requests_are_found_sorted_and_paged(clinic: Clinic) -> None:
    client = signed_in(clinic)
    assert "Nothing closed here" in page(client, "closed")
    for number in range(52):
        row = make_request(clinic.location, "Iris", f"Calloway {number:02}", received_at=NOW - timedelta(days=number))
        reason = CloseReason.SPAM if number % 2 else CloseReason.DECLINED
        moment = NOW + timedelta(minutes=number)
        services.close_request(request_id=row.pk, reason=reason, expected_version=1, by=clinic.desk, now=moment)

    def names(**query: Any) -> list[str]:
        rows = client.get(reverse("intake:closed"), query).context["listing"].rows
        return [row.family_name[-2:] for row in rows]

    assert names()[:2] == ["51", "50"]  # closed last, first
    assert names(page=2) == ["01", "00"]
    assert names(sort="name")[:2] == ["00", "01"]
    assert names(sort="received")[0] == "51"
    assert len(names(reason="spam")) == 26
    assert names(q="calloway 07") == ["07"]
    assert names(sort="nonsense", page="x", reason="x") == names()
    assert "Nothing found" in page(client, "closed", q="zzz")


# --- by telephone -----------------------------------------------------------------------------------------------------


def called(**changes: Any) -> dict[str, Any]:
    return {
        "token": str(uuid4()),
        "location": changes.pop("location"),
        "source": "phone",
        "given_name": "Walt",
        "family_name": "Grimes",
        "phone": "212 555 0135",
        "danger": "not_asked",
        "wished_part": "any",
    } | changes


def test_a_caller_stands_on_the_board_and_their_sheet_opens(clinic: Clinic) -> None:
    client, data = signed_in(clinic), called(location=clinic.location.pk)
    answers = [client.post(reverse("intake:add"), data, headers=HTMX) for _ in range(2)]  # a double click
    row = ConsultationRequest.objects.get()
    assert (row.source, row.status, row.owner) == (RequestSource.PHONE, RequestStatus.CONTACTED, clinic.desk)
    for answer in answers:
        assert answer.status_code == 200
        assert "Walt Grimes" in answer.content.decode()
        assert "requests-changed" in answer["HX-Trigger"]
    plain = client.post(reverse("intake:add"), data)
    assert plain["Location"] == reverse("intake:request", args=[row.pk])


def test_a_caller_without_any_way_back_is_refused_at_the_field(clinic: Clinic) -> None:
    client = signed_in(clinic)
    for changes, field in (
        ({"phone": ""}, "phone"),
        ({"phone": "12"}, "phone"),
        ({"given_name": ""}, "given_name"),
        ({"message": "x" * 10_001}, "message"),
        ({"source": "web"}, "source"),
        ({"may_email": "on"}, "email"),
        ({"token": "x"}, "token"),
    ):
        answer = client.post(reverse("intake:add"), called(location=clinic.location.pk, **changes))
        assert answer.status_code == 422
        assert field in answer.context["form"].errors, field
    assert not ConsultationRequest.objects.exists()


def test_a_known_patient_is_recognised_while_the_desk_types(clinic: Clinic) -> None:
    patient = make_patient("Walt", "Grimes", phones=["+12125550135"])
    html = page(signed_in(clinic), "add")
    assert reverse("patients:duplicates") in html
    answer = signed_in(clinic).post(
        reverse("patients:duplicates"), called(location=clinic.location.pk) | {"exclude": "0"}, headers=HTMX
    )
    assert f"MRN {patient.mrn}" in answer.content.decode()
    assert "somebody_else" not in answer.content.decode()  # nothing to confirm: linking comes in the sheet
