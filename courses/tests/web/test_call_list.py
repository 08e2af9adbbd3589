"""The call list says what a caller has to say: the words without a link, the preparation, the dates; most urgent first."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.test import Client

from clinic.models import Booking
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.tests.series_kit import Booked, april, at, book
from patients.models import Channel, Message, MessageEvent, MessageState, Patient
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message

pytestmark = pytest.mark.django_db
NOW = at(april(9), "09:00")  # a Friday: infusion 4 of a T-MWF6 is on Mon 12 April at 08:00
CALLS = "/messages/calls/"
WORDS = "This is a reminder of your visit: Mon, Apr 12, 8:00 AM.\n\nHow to prepare, directions:\n[link]"


@pytest.fixture(autouse=True)
def _friday_at_nine() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada() -> Booked:
    booked = book(clinic=make_clinic(chairs=3, phone="+12125550100", address="1 Main Street"))
    booked.give(1, 2)
    return booked


@pytest.fixture
def desk(ada: Booked) -> Client:
    client = Client()
    client.force_login(ada.clinic.desk)
    return client


def visit_of(booked: Booked, number: int = 4) -> Booking:
    booking = booked.series.row(number).booking
    assert booking is not None
    return booking


def to_call(booked: Booked, *, booking: Booking | None = None, **fields: Any) -> Message:
    values: dict[str, Any] = {
        "event": MessageEvent.INFUSION,
        "state": MessageState.TO_CALL,
        "channel": Channel.PHONE,
        "sent_at": None,
        "text": WORDS,
        "useful_until": NOW + timedelta(hours=12),
    } | fields
    patient: Patient = values.pop("patient", booked.patient)
    return make_message(patient, booked.clinic.location, now=NOW, booking=booking, **values)


def words(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def test_a_caller_says_how_to_prepare_in_the_place_of_the_link(desk: Client, ada: Booked) -> None:
    """Solids 6 h and clear liquids 2 h before 08:00 (clinical.md D2, default)."""
    to_call(ada, booking=visit_of(ada))
    said = words(desk.get(CALLS))
    assert "[link]" not in said
    assert "This is a reminder of your visit: Mon, Apr 12, 8:00 AM." in said
    assert "Food, milk and anything with milk until Mon, Apr 12, 2:00 AM" in said
    assert "Clear drinks until Mon, Apr 12, 6:00 AM" in said
    assert "Somebody has to take you home." in said
    assert "Ask whether they are coming." in said


def test_the_page_of_one_call_has_no_link_to_read_out_either(desk: Client, ada: Booked) -> None:
    row = to_call(ada, booking=visit_of(ada))
    answer = desk.get(f"/messages/{row.pk}/")
    said = words(answer)
    assert "What to say This is a reminder of your visit: Mon, Apr 12, 8:00 AM." in said
    assert "[link]" not in said
    levels = [int(one) for one in re.findall(r"<h([1-6])", answer.content.decode())]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert levels[0] == 1


def test_in_the_patients_language_with_a_mark_for_whoever_calls(desk: Client, ada: Booked) -> None:
    to_call(ada, booking=visit_of(ada), language="es", text="Su visita: lun, 12 abr, 8:00 a.m.\n\nPrepárese:\n[link]")
    answer = desk.get(CALLS)
    said = words(answer)
    assert "Speaks Spanish" in said
    assert "lun, 12 abr, 2:00 a.m." in said
    assert "Somebody has to take you home." not in said
    assert '<div class="call-say" lang="es">' in answer.content.decode()
    assert "Fri 9 Apr, 21:00" in said  # what is for staff stays as staff read it


def test_a_visit_that_is_over_has_nothing_to_prepare_for(desk: Client, ada: Booked) -> None:
    to_call(ada, booking=visit_of(ada, 2))
    said = words(desk.get(CALLS))
    assert "This is a reminder of your visit" in said
    assert "Clear drinks" not in said


def test_the_dates_of_a_series_are_read_out(desk: Client, ada: Booked) -> None:
    to_call(ada, event=MessageEvent.SERIES_BOOKED, text="Your 6 visits are booked.\n\nAll dates:\n[link]")
    said = words(desk.get(CALLS))
    for date in ("Mon, Apr 12, 8:00 AM", "Wed, Apr 14, 8:00 AM", "Fri, Apr 16, 8:00 AM"):
        assert date in said
    assert "Read the dates to them" in said


def test_what_is_soon_of_no_use_is_called_first(desk: Client, ada: Booked) -> None:
    to_call(ada, text="Tomorrow", useful_until=NOW + timedelta(hours=26))  # Saturday 11:00
    to_call(ada, text="Tonight", useful_until=NOW + timedelta(hours=10))
    to_call(ada, text="At once", useful_until=NOW + timedelta(hours=3))
    said = words(desk.get(CALLS))
    order = [
        "Call first: of use for less than 4 hours",
        "At once",
        "Of use until tonight",
        "Tonight",
        "Of use until Saturday 10 April",
        "Tomorrow",
    ]
    places = [said.index(one) for one in order]
    assert places == sorted(places)


def test_the_list_can_be_narrowed_by_name_and_by_what_it_is_about(desk: Client, ada: Booked) -> None:
    other = make_patient("Ben", "Solano", phones=["+12125550188"])
    to_call(ada, text="For Ada")
    to_call(ada, text="For Ben", patient=other, event=MessageEvent.SERIES_CHANGED)
    assert "For Ben" not in words(desk.get(CALLS, {"q": ada.patient.family_name}))
    assert "For Ada" in words(desk.get(CALLS, {"q": ada.patient.family_name}))
    about = words(desk.get(CALLS, {"kind": "series_changed"}))
    assert ("For Ben" in about, "For Ada" in about) == (True, False)
    nothing = words(desk.get(CALLS, {"q": "Nobody"}))
    assert "No such call waits" in nothing


def test_a_long_list_has_pages(desk: Client, ada: Booked) -> None:
    for number in range(52):
        to_call(ada, text=f"Call {number:02d}.", useful_until=NOW + timedelta(hours=5, minutes=number))
    first, second = desk.get(CALLS), desk.get(CALLS, {"page": "2"})
    assert "1–50 of 52 calls" in words(first)
    assert "Call 49." in words(first)
    assert "Call 50." not in words(first)
    assert "Call 51." in words(second)


def test_a_noted_call_swaps_the_list_and_the_number_at_the_rail(desk: Client, ada: Booked) -> None:
    first, second = to_call(ada, text="The first."), to_call(ada, text="The second.")
    page = desk.get(CALLS).content.decode()
    assert re.search(r'id="rail-count-messages"[^>]*><span class="num" aria-hidden="true">2<', page)
    answer = desk.post(f"{CALLS}{first.pk}/called/?q=", {"outcome": "reached"}, headers={"HX-Request": "true"})
    html_now = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in html_now
    assert re.search(r'id="rail-count-messages" hx-swap-oob="true"><span class="num" aria-hidden="true">1<', html_now)
    assert ("The first." in html_now, "The second." in html_now) == (False, True)
    assert "reached" in answer["HX-Trigger"]
    last = desk.post(f"{CALLS}{second.pk}/called/", {"outcome": "voicemail"}, headers={"HX-Request": "true"})
    assert re.search(r'id="rail-count-messages" hx-swap-oob="true" hidden>', last.content.decode())


@pytest.mark.parametrize("calls", [2, 20])
def test_it_needs_as_many_queries_for_two_calls_as_for_twenty(
    desk: Client, ada: Booked, queries: Queries, calls: int
) -> None:
    for number in range(calls):
        language = ("en", "es")[number % 2]
        to_call(ada, booking=visit_of(ada), text=f"{number}. {WORDS}", language=language)
    to_call(ada, event=MessageEvent.SERIES_BOOKED, text="All dates:\n[link]")
    desk.get(CALLS)
    with queries("call list, what to say", at_most=12):
        answer = desk.get(CALLS)
    assert answer.content.decode().count('class="call-say"') == calls + 1
