"""Asking for a consultation without signing in: what is taken, what is refused, what floods and scripts come to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Location
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.ledger import Queries
from patients.forms.requests import LONGEST_MESSAGE
from patients.models import ConsultationRequest, DangerAlert, IntakeSettings, Patient, RequestSource
from patients.services.intake_settings import CRISIS
from patients.tests.factories import make_patient
from patients.views import ask

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York
TIP = "<script>alert('x')</script>"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture(autouse=True)
def _stands_still(clock: time_machine.Traveller) -> None:
    """All of these tests happen on that morning."""


@pytest.fixture
def place() -> Location:
    return make_clinic(phone="+12125550100").location


def opened(place: Location, client: Client | None = None) -> str:
    """The stamp of a page that was opened just now."""
    html = (client or Client()).get(reverse("public:request", args=[place.pk])).content.decode()
    found = re.search(r'name="stamp" value="([^"]+)"', html)
    assert found
    return found[1]


def answers(stamp: str, **changes: Any) -> dict[str, Any]:
    given = {
        "stamp": stamp,
        "given_name": "Iris",
        "family_name": "Calloway",
        "birth_date": "1990-05-02",
        "phone": "(212) 555-0177",
        "email": "",
        "may_phone": "on",
        "seeks_help_for": ["trd", "anxiety"],
        "message": "Nothing has helped so far.",
        "wished_weekdays": ["0", "2"],
        "wished_part": "morning",
        "wished_mode": "video",
        "danger": "no",
        "homepage": "",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def send(
    place: Location, clock: time_machine.Traveller, *, stamp: str = "", client: Client | None = None, **changes: Any
) -> Any:
    stamp = stamp or opened(place)
    clock.shift(timedelta(seconds=30))
    return (client or Client()).post(reverse("public:request", args=[place.pk]), answers(stamp, **changes))


# --- taken ------------------------------------------------------------------------------------------------------------


def test_a_filled_in_page_is_one_new_request_with_everything_that_was_said(
    place: Location, clock: time_machine.Traveller
) -> None:
    answer = send(place, clock)
    assert answer.status_code == 302
    assert answer["Location"] == reverse("public:request_sent", args=[place.pk])
    request = ConsultationRequest.objects.get()
    assert (request.source, request.location, request.name) == (RequestSource.WEB, place, "Iris Calloway")
    assert (request.birth_date, str(request.phone.as_e164)) == (date(1990, 5, 2), "+12125550177")
    assert (request.may_phone, request.may_sms, request.may_email) == (True, False, False)
    assert request.seeks_help_for == ["trd", "anxiety"]
    assert (request.wished_weekdays, request.wished_part, request.wished_mode) == ([0, 2], "morning", "video")
    assert (request.danger, request.is_urgent, request.created_by) == ("no", False, None)


def test_the_page_after_it_says_what_happens_next_and_nothing_about_the_person(
    place: Location, clock: time_machine.Traveller
) -> None:
    make_patient("Iris", "Calloway", birth_date=date(1990, 5, 2), phones=["+12125550177"])
    known = send(place, clock)
    stranger = send(place, clock, given_name="Nobody", family_name="Known", phone="212 555 0188")
    pages = {Client().get(answer["Location"]).content for answer in (known, stranger)}
    assert len(pages) == 1
    html = pages.pop().decode()
    assert "What happens next" in html
    assert 'href="tel:+12125550100"' in html
    assert "Calloway" not in html
    assert ConsultationRequest.objects.filter(patient=None).count() == 2


def test_no_cookie_but_that_of_the_form_and_no_shell_of_the_staff(place: Location) -> None:
    client = Client()
    html = client.get(reverse("public:request", args=[place.pk])).content.decode()
    assert set(client.cookies) == {"csrftoken"}
    assert 'class="rail"' not in html
    assert "tabler" not in html


def test_the_page_shows_the_clinics_own_words_and_falls_back_where_it_has_none(place: Location) -> None:
    IntakeSettings.objects.create(
        location=place,
        welcome=f"Welcome {TIP}",
        hours_text="Mon to Fri, 8 to 5",
        privacy_note="We keep it.",
        crisis_text="",
    )
    html = Client().get(reverse("public:request", args=[place.pk])).content.decode()
    assert "Welcome &lt;script&gt;" in html
    assert TIP not in html
    assert "Mon to Fri, 8 to 5" in html
    assert "We keep it." in html
    assert 'href="tel:988"' in html  # never without crisis lines


def test_the_page_costs_few_queries(place: Location, queries: Queries) -> None:
    with queries("request page"):
        answer = Client().get(reverse("public:request", args=[place.pk]))
    assert answer.status_code == 200


# --- danger -----------------------------------------------------------------------------------------------------------


def test_yes_to_danger_shows_the_crisis_lines_at_once_and_raises_an_alert(
    place: Location, clock: time_machine.Traveller
) -> None:
    answer = send(place, clock, danger="yes")
    assert answer["Location"] == reverse("public:request_sent_danger", args=[place.pk])
    html = Client().get(answer["Location"]).content.decode()
    assert html.index('role="alert"') < html.index("<h1")
    assert 'href="tel:911"' in html
    request = ConsultationRequest.objects.get()
    assert request.is_urgent
    assert DangerAlert.objects.get().request == request


def test_a_refused_page_with_a_yes_shows_the_crisis_lines_too(place: Location, clock: time_machine.Traveller) -> None:
    answer = send(place, clock, danger="yes", family_name="")
    assert answer.status_code == 422
    html = answer.content.decode()
    assert html.index('role="alert"') < html.index("<h1")
    assert not ConsultationRequest.objects.exists()


@pytest.mark.parametrize("danger", ["no", "not_said"])
def test_other_answers_are_not_urgent(place: Location, clock: time_machine.Traveller, danger: str) -> None:
    assert send(place, clock, danger=danger)["Location"] == reverse("public:request_sent", args=[place.pk])
    assert not DangerAlert.objects.exists()


# --- refused at the field ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"given_name": " "}, "given_name", "Write your given name."),
        ({"phone": "12"}, "phone", "valid phone number"),
        ({"phone": "", "email": ""}, "phone", "so that we can answer"),
        ({"may_phone": None}, "may_phone", "Tick at least one way"),
        ({"may_phone": None, "may_email": "on"}, "email", "address that we may write to"),
        ({"phone": "", "email": "a@example.org"}, "phone", "number that we may call"),
        ({"email": "nobody"}, "email", "valid email"),
        ({"birth_date": "2027-02-01"}, "birth_date", "in the future"),
        ({"danger": None}, "danger", "Choose one answer"),
        ({"danger": "maybe"}, "danger", "not one of the available choices"),
        ({"seeks_help_for": ["si"]}, "seeks_help_for", "not one of the available choices"),
        ({"wished_weekdays": ["6"]}, "wished_weekdays", "not one of the available choices"),  # closed on Sundays
        ({"message": "x\x00y"}, "message", "Null characters"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field_and_nothing_is_saved(
    place: Location, clock: time_machine.Traveller, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = send(place, clock, **changes)
    assert answer.status_code == 422
    assert words in " ".join(answer.context["form"].errors[field])
    html = answer.content.decode()
    assert f'id="id_{field}_error"' in html
    assert "Nothing was sent yet." in html
    assert not ConsultationRequest.objects.exists()


def test_ten_thousand_characters_are_taken_and_one_more_is_refused_at_the_field(
    place: Location, clock: time_machine.Traveller
) -> None:
    lines = "ab\n" * (LONGEST_MESSAGE // 3) + "z"
    assert len(lines) == LONGEST_MESSAGE
    too_much = send(place, clock, message=lines.replace("\n", "\r\n") + "!")
    assert too_much.status_code == 422
    assert "at most 10000 characters (it has 10001)" in too_much.context["form"].errors["message"][0]
    assert send(place, clock, message=lines.replace("\n", "\r\n")).status_code == 302  # a line break is one character
    assert ConsultationRequest.objects.get().message == lines


def test_scripts_in_every_field_are_refused_or_come_back_as_text(
    place: Location, clock: time_machine.Traveller
) -> None:
    changes: dict[str, Any] = dict.fromkeys(
        ("given_name", "family_name", "birth_date", "phone", "email", "message", "wished_part", "danger"), TIP
    )
    changes |= {"wished_mode": TIP, "seeks_help_for": [TIP], "wished_weekdays": [TIP], "homepage": TIP, "stamp": TIP}
    answer = send(place, clock, **changes)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert TIP not in html
    assert html.count("&lt;script&gt;") >= 3


# --- programs ---------------------------------------------------------------------------------------------------------


def test_the_field_that_must_stay_empty_refuses_and_asks_a_person_again(
    place: Location, clock: time_machine.Traveller
) -> None:
    stamp = opened(place)
    answer = send(place, clock, stamp=stamp, homepage="http://example.com")
    assert answer.status_code == 422
    assert "Send the form once more." in answer.content.decode()
    assert "http://example.com" not in answer.content.decode()
    assert not ConsultationRequest.objects.exists()
    assert send(place, clock, stamp=stamp).status_code == 302


def test_nobody_answers_all_of_it_in_three_seconds(place: Location, clock: time_machine.Traveller) -> None:
    url, stamp = reverse("public:request", args=[place.pk]), opened(place)
    clock.shift(timedelta(seconds=3))
    answer = Client().post(url, answers(stamp))
    assert answer.status_code == 422
    assert "very quick" in answer.content.decode()
    assert not ConsultationRequest.objects.exists()
    clock.shift(timedelta(seconds=3))
    assert Client().post(url, answers(stamp)).status_code == 302


@pytest.mark.parametrize("stamp", ["", "forged", "eyJhIjoxfQ:1aaaaa:bbbbbbbbbbb"])
def test_a_stamp_that_is_not_ours_is_refused_and_replaced(
    place: Location, clock: time_machine.Traveller, stamp: str
) -> None:
    clock.shift(timedelta(seconds=30))
    answer = Client().post(reverse("public:request", args=[place.pk]), answers(stamp))
    assert answer.status_code == 422
    assert not ConsultationRequest.objects.exists()
    fresh = answer.context["form"].data["stamp"]
    assert send(place, clock, stamp=fresh).status_code == 302


def test_a_page_left_open_for_two_days_can_be_sent_again(place: Location, clock: time_machine.Traveller) -> None:
    stamp = opened(place)
    clock.shift(timedelta(days=2))
    answer = send(place, clock, stamp=stamp)
    assert answer.status_code == 422
    assert "open for too long" in answer.content.decode()
    assert send(place, clock, stamp=answer.context["form"].data["stamp"]).status_code == 302


def test_the_same_form_sent_twice_is_one_request(place: Location, clock: time_machine.Traveller) -> None:
    stamp = opened(place)
    places = {send(place, clock, stamp=stamp)["Location"] for _ in range(2)}
    assert places == {reverse("public:request_sent", args=[place.pk])}
    assert ConsultationRequest.objects.count() == 1


def test_a_form_from_another_site_is_refused(place: Location) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(reverse("public:request", args=[place.pk]), answers(opened(place)))
    assert answer.status_code == 403
    assert not ConsultationRequest.objects.exists()


def test_a_thousand_requests_a_minute_from_one_address_are_stopped_and_others_are_not(
    place: Location, clock: time_machine.Traveller
) -> None:
    stamp, url = opened(place), reverse("public:request", args=[place.pk])
    clock.shift(timedelta(seconds=5))
    flood = Client(REMOTE_ADDR="203.0.113.7")
    statuses = []
    for number in range(1000):
        answer = flood.post(url, answers(stamp, family_name=f"Flood {number}", phone="212 555 0177"))
        statuses.append(answer.status_code)
    allowed = int(ask.SENT.split("/")[0])
    assert statuses == [302] * allowed + [429] * (1000 - allowed)
    assert ConsultationRequest.objects.count() == allowed
    assert answer.templates[0].name == "patients/public/too_many.html"
    html = answer.content.decode()
    assert 'href="tel:+12125550100"' in html
    assert 'href="tel:988"' in html
    other = Client(REMOTE_ADDR="203.0.113.8")
    assert send(place, clock, client=other).status_code == 302


def test_opening_the_page_too_often_is_stopped_too(place: Location) -> None:
    allowed = int(ask.OPENED.split("/")[0])
    flood = Client(REMOTE_ADDR="203.0.113.7")
    for url in (reverse("public:request", args=[place.pk]), reverse("public:request_choose")):
        statuses = [flood.get(url).status_code for _ in range(allowed + 2)]
        assert statuses[-2:] == [429, 429]


def test_a_flood_from_many_addresses_is_stopped_at_the_location(
    place: Location, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "TAKEN", "3/h")
    url, stamp = reverse("public:request", args=[place.pk]), opened(place)
    clock.shift(timedelta(seconds=30))  # once: an hour of counting begins at another moment for each location
    statuses = [
        Client(REMOTE_ADDR=f"203.0.113.{n}").post(url, answers(stamp, family_name=f"F{n}")).status_code
        for n in range(5)
    ]
    assert statuses == [302, 302, 302, 429, 429]
    assert ConsultationRequest.objects.count() == 3


def test_behind_the_proxy_each_visitor_is_counted_alone(
    place: Location, clock: time_machine.Traveller, settings: Any
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    stamp, allowed = opened(place), int(ask.SENT.split("/")[0])
    for number in range(allowed + 1):
        visitor = Client(REMOTE_ADDR="10.0.0.2", headers={"X-Forwarded-For": f"192.0.2.1, 203.0.113.{number}"})
        assert send(place, clock, stamp=stamp, client=visitor, family_name=f"F{number}").status_code == 302


# --- which location ---------------------------------------------------------------------------------------------------


def test_with_one_location_its_page_comes_at_once_and_with_two_one_chooses(place: Location) -> None:
    url = reverse("public:request_choose")
    assert Client().get(url)["Location"] == reverse("public:request", args=[place.pk])
    other = make_location("Lakeside")
    shut = make_location("Harbour")
    IntakeSettings.objects.create(location=shut, takes_requests=False)
    make_location("Old site", is_active=False)
    html = Client().get(url).content.decode()
    assert reverse("public:request", args=[other.pk]) in html
    assert "Harbour" not in html
    assert "Old site" not in html


def test_a_page_that_is_switched_off_says_so_and_takes_nothing(place: Location, clock: time_machine.Traveller) -> None:
    stamp = opened(place)
    IntakeSettings.objects.create(location=place, takes_requests=False, crisis_text=CRISIS)
    page = Client().get(reverse("public:request", args=[place.pk]))
    assert page.status_code == 200
    assert "<form" not in page.content.decode()
    assert "would not reach anybody" in page.content.decode()
    assert send(place, clock, stamp=stamp).status_code == 409
    assert not ConsultationRequest.objects.exists()
    html = Client().get(reverse("public:request_choose")).content.decode()
    assert "no requests on this page" in html


@pytest.mark.parametrize("name", ["request", "request_sent", "request_sent_danger"])
def test_unknown_and_closed_down_locations_are_not_found(place: Location, name: str) -> None:
    gone = make_location("Old site", is_active=False)
    for pk in (gone.pk, 999_999):
        assert Client().get(reverse(f"public:{name}", args=[pk])).status_code == 404


def test_staff_who_look_at_the_page_see_what_a_patient_sees(clinic_with_phone: Clinic) -> None:
    client = Client()
    client.force_login(clinic_with_phone.desk)
    html = client.get(reverse("public:request", args=[clinic_with_phone.location.pk])).content.decode()
    assert 'class="rail"' not in html
    assert Patient.objects.count() == 0


@pytest.fixture
def clinic_with_phone() -> Clinic:
    return make_clinic(phone="+12125550100")
