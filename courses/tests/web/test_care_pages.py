"""The page of care beside the infusions: what it shows, its small forms, who may, and the patient's timeline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.fixtures.ledger import Queries
from courses.models import CareEntry, CareItem
from courses.services import care
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
NOW = at(april(15), "12:00")
HTMX = {"HX-Request": "true"}
FIELDS = {
    "kind": "therapy",
    "title": "Talk <b>therapy</b>",
    "responsible": "Dr. Ruiz",
    "started_on": "2027-04-06",
    "detail": "",
    "on_chart": "on",
}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    return book()


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def url(booked: Booked, name: str = "care", *more: int) -> str:
    return reverse(f"following:{name}", args=[booked.course.pk, *more])


def text(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined]


def put(booked: Booked, **fields: Any) -> CareItem:
    values = FIELDS | {"started_on": april(6), "on_chart": True} | fields
    return care.add_care(booked.course.pk, values=values, by=booked.nurse, now=NOW)


def test_an_empty_page_teaches_and_its_reading_is_logged(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.nurse).get(url(booked)))
    assert "Only the infusions so far" in page
    assert page.count("btn-primary") == 1
    for goal in ("Sleep", "Balanced diet", "Stress management", "Exercise", "Self-care"):  # clinical.md A 116
        assert goal in page
    assert AccessLog.objects.filter(page="Care beside", subject=booked.patient.resource, user=booked.nurse).exists()


def test_a_nurse_adds_a_therapy_with_a_session_and_its_end(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse)
    answer = client.post(url(booked, "care_add"), FIELDS, follow=True)
    page = text(answer)
    assert "Talk &lt;b&gt;therapy&lt;/b&gt;" in page
    assert "<b>therapy" not in page
    item = CareItem.objects.get()
    client.post(url(booked, "care_entry", item.pk), {"day": "2027-04-08", "note": "First session"})
    page = text(client.get(url(booked)))
    assert "1 session, on Thu 8 Apr" in page
    assert "First session" in page
    assert "Dr. Ruiz" in page
    client.post(url(booked, "care_end", item.pk), {"ended_on": "2027-04-14", "reason": "Goals reached"})
    page = text(client.get(url(booked)))
    assert "Ended: Goals reached" in page
    assert "Correct the end" in page


def test_a_suggestion_fills_in_the_form(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.nurse).get(url(booked, "care_add") + "?kind=lifestyle&title=Sleep"))
    assert 'value="Sleep"' in page
    assert '<option value="lifestyle" selected>' in page
    odd = client.get(url(booked, "care_add") + "?kind=magic&title=" + "x" * 500)
    assert odd.status_code == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": ""}, "Say what it is."),
        ({"responsible": ""}, "Say who is responsible."),
        ({"started_on": ""}, "Give the day."),
        ({"started_on": "2027-04-16"}, "This day is still ahead."),
        ({"kind": "magic"}, "Select a valid choice"),
    ],
)
def test_a_refusal_stands_at_its_field_with_422(
    client: Client, booked: Booked, change: dict[str, str], said: str
) -> None:
    as_(client, booked.nurse)
    whole = client.post(url(booked, "care_add"), FIELDS | change)
    assert (whole.status_code, said in text(whole)) == (422, True)
    sheet = client.post(url(booked, "care_add"), FIELDS | change, headers=HTMX)
    assert (sheet.status_code, said in text(sheet), "<html" in text(sheet)) == (422, True, False)
    assert not CareItem.objects.exists()


def test_an_error_is_struck_and_stays_readable(client: Client, booked: Booked) -> None:
    item = put(booked)
    entry = care.add_entry(item.pk, day=april(8), note="Mistyped", by=booked.nurse, now=NOW)
    as_(client, booked.clinician)
    address = url(booked, "care_strike_entry", entry.pk)
    assert client.post(address, {"reason": ""}).status_code == 422
    assert client.post(address, {"reason": "Another day"}).status_code == 302
    assert "<del>Mistyped</del>" in text(client.get(url(booked)))
    assert client.post(url(booked, "care_strike", item.pk), {"reason": "Another patient"}).status_code == 302
    page = text(client.get(url(booked)))
    assert "Entered in error" in page
    assert "Another patient" in page
    assert client.get(url(booked, "care_entry", item.pk)).status_code == 404


@pytest.mark.parametrize("who", ["desk", "manager"])
def test_the_desk_and_the_manager_see_nothing_of_it(client: Client, booked: Booked, who: str) -> None:
    item = put(booked)
    as_(client, getattr(booked.clinic, who))
    for address in (url(booked), url(booked, "care_add"), url(booked, "care_end", item.pk)):
        assert client.get(address).status_code == 403
    assert client.post(url(booked, "care_entry", item.pk), {"day": "2027-04-08"}).status_code == 403
    assert "Talk" not in text(client.get(booked.patient.get_absolute_url()))
    assert not CareEntry.objects.exists()


def test_a_stranger_is_asked_to_sign_in(client: Client, booked: Booked) -> None:
    assert client.get(url(booked)).status_code == 302


def test_an_item_is_reached_only_through_its_own_course(client: Client, booked: Booked) -> None:
    item, other = put(booked), book(clinic=booked.clinic)
    as_(client, booked.nurse)
    assert client.get(url(booked, "care_entry", item.pk)).status_code == 200
    assert client.get(url(other, "care_entry", item.pk)).status_code == 404


def test_it_stands_in_the_patient_s_timeline_by_day_without_a_clock_time(client: Client, booked: Booked) -> None:
    item = put(booked, title="Talk therapy")
    care.add_entry(item.pk, day=april(8), note="Sleep diary", by=booked.nurse, now=NOW)
    struck = care.add_entry(item.pk, day=april(9), note="Mistyped", by=booked.nurse, now=NOW)
    care.strike_entry(struck.pk, reason="Another day", by=booked.nurse, now=NOW)
    care.end_care(item.pk, ended_on=april(14), reason="Goals reached", by=booked.nurse, now=NOW)
    page = text(as_(client, booked.nurse).get(booked.patient.get_absolute_url()))
    for said in (
        "Psychotherapy began: Talk therapy",
        "Talk therapy: session",
        "Sleep diary",
        "Psychotherapy ended: Talk therapy",
        "Goals reached",
    ):
        assert said in page, said
    assert "Mistyped" not in page
    assert "12:00" not in page.split("Talk therapy: session")[1].split("</li>")[0]


@pytest.mark.parametrize("rows", [2, 20])
def test_twenty_rows_cost_no_more_queries_than_two(client: Client, booked: Booked, queries: Queries, rows: int) -> None:
    for number in range(rows):
        item = put(booked, title=f"Therapy {number}")
        care.add_entry(item.pk, day=april(8), note="", by=booked.nurse, now=NOW)
    as_(client, booked.nurse)
    with queries("care beside"):
        answer = client.get(url(booked))
    assert answer.status_code == 200
    with queries("patient page with care beside"):
        answer = client.get(booked.patient.get_absolute_url())
    assert answer.status_code == 200


# -- editing -----------------------------------------------------------------------------------------------------------
EDITED = {"title": "Talk therapy, weekly", "responsible": "Dr. Lang", "detail": "", "on_chart": "on"}


def expected_in(page: str) -> str:
    found = re.search(r'name="expected" value="(\d+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("who", ["nurse", "clinician"])
def test_title_and_person_are_edited_and_the_history_keeps_what_stood_there(
    client: Client, booked: Booked, who: str
) -> None:
    item, person = put(booked), getattr(booked, who)
    address = url(booked, "care_edit", item.pk)
    form = text(as_(client, person).get(address))
    assert 'value="Talk &lt;b&gt;therapy&lt;/b&gt;"' in form
    assert client.post(address, EDITED | {"expected": expected_in(form)}).status_code == 302
    item.refresh_from_db()
    assert (item.title, item.responsible, item.kind, item.started_on) == (
        "Talk therapy, weekly", "Dr. Lang", "therapy", april(6),
    )  # fmt: skip
    lines = item.events.order_by("pgh_id").values_list("title", "pgh_context__metadata__user")  # type: ignore[attr-defined]
    assert list(lines) == [("Talk <b>therapy</b>", booked.nurse.pk), ("Talk therapy, weekly", person.pk)]


def test_an_edit_of_what_somebody_changed_meanwhile_is_409_with_what_stands_there_now(
    client: Client, booked: Booked
) -> None:
    item = put(booked)
    address = url(booked, "care_edit", item.pk)
    seen = expected_in(text(as_(client, booked.nurse).get(address)))
    care.edit_care(
        item.pk,
        values={"title": "EMDR", "responsible": "Dr. Ruiz", "detail": "", "on_chart": True},
        expected=care.state_of(item),
        by=booked.clinician,
        now=NOW,
    )
    answer = client.post(address, EDITED | {"expected": seen})
    assert answer.status_code == 409
    assert "It now reads “EMDR”, Dr. Ruiz." in text(answer)
    assert CareItem.objects.get().title == "EMDR"
    again = client.post(address, EDITED | {"expected": expected_in(text(answer))})  # read, and meant
    assert again.status_code == 302
    assert CareItem.objects.get().title == "Talk therapy, weekly"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"title": ""}, "Say what it is."),
        ({"responsible": ""}, "Say who is responsible."),
        ({"title": "EMDR"}, "there already"),
    ],
)
def test_an_edit_that_cannot_be_is_said_at_its_field(
    client: Client, booked: Booked, wrong: dict[str, str], said: str
) -> None:
    put(booked, title="EMDR")
    item = put(booked)
    sent = EDITED | {"expected": str(care.state_of(item))} | wrong
    answer = as_(client, booked.nurse).post(url(booked, "care_edit", item.pk), sent)
    assert answer.status_code == 422
    assert said in text(answer)
    assert CareItem.objects.get(pk=item.pk).title == "Talk <b>therapy</b>"


def test_what_was_struck_is_not_edited_and_others_are_refused(client: Client, booked: Booked) -> None:
    item = put(booked)
    sent = EDITED | {"expected": str(care.state_of(item))}
    assert as_(client, booked.desk).post(url(booked, "care_edit", item.pk), sent).status_code == 403
    care.strike_care(item.pk, reason="Another patient", by=booked.nurse, now=NOW)
    assert as_(client, booked.nurse).post(url(booked, "care_edit", item.pk), sent).status_code == 404
    assert CareItem.objects.get(pk=item.pk).title == "Talk <b>therapy</b>"
