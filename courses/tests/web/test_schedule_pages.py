"""The page of measures due: what waits first, the rest by phase; sent, entered, waived; who sees and does what."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import MeasureAct
from courses.services.follow_up_acts import waive_item
from courses.tests.follow_kit import add_phase, make_plain_course
from courses.tests.series_kit import Booked, april, at, book
from courses.tests.web.test_course_pages import as_, text
from patients.models import MeasureLink, Patient
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_score

pytestmark = pytest.mark.django_db

NOW = at(april(20), "09:00")  # Tuesday: the series ended on Fri 16 April


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 of 5 to 16 April for Ada Okafor, all given; PHQ-9 17 at the end of the series, reported on Mon 19 April."""
    made = book()
    made.give(1, 2, 3, 4, 5, 6)
    make_score(made.patient, "phq9", 17, made.nurse, at(april(19)))
    return made


def page_url(booked: Booked) -> str:
    return reverse("following:schedule", args=[booked.course.pk])


def post(client: Client, booked: Booked, **data: object) -> HttpResponse:
    return client.post(reverse("following:schedule_act", args=[booked.course.pk]), data)  # type: ignore[return-value]


def said(response: object) -> str:
    return html.unescape(text(response))


def test_what_is_due_now_stands_first_and_the_rest_by_phase(client: Client, booked: Booked) -> None:
    page = said(as_(client, booked.nurse).get(page_url(booked)))
    now, rest = page.split('id="group-1"')
    assert "End of the series" in now
    assert now.index("Too late for a new score") < now.index("Check-in of infusion 1")  # nobody measured at it
    assert now.index("End of the series") < now.index("Too late for a new score")
    assert "Day 28 after the series" not in now
    assert "Day 28 after the series" in rest
    assert "Infusion 6 was given on Fri 16 Apr." in page
    assert page.index("End of the series</h2>") < page.index("Follow-up after the series</h2>")
    assert page.count("btn-primary") == 1
    assert page.count("<h1") == 1


def test_a_score_is_named_with_its_day_and_leads_to_its_page(client: Client, booked: Booked) -> None:
    page = said(as_(client, booked.nurse).get(page_url(booked)))
    row = booked.patient.assessments.get(score=17)
    assert reverse("measures:result", args=[row.pk]) in page
    assert '17 <span class="soft">on Mon 19 Apr</span>' in page
    assert reverse("measures:entry", args=[booked.patient.pk, "cssrs"]) in page


@pytest.mark.parametrize("role", ["desk", "manager"])
def test_desk_and_manager_see_names_days_and_states_and_never_a_score_or_reason(
    client: Client, booked: Booked, role: str
) -> None:
    waive_item(
        booked.course, key="series-end", measures=["cssrs"], reason="Psychotic on Sunday", by=booked.nurse, now=NOW
    )
    page = said(as_(client, getattr(booked.clinic, role)).get(page_url(booked)))
    for shown in ("End of the series", "Missing", "Complete", "Sat 17 Apr"):
        assert shown in page
    for hidden in ("17 <span", "Psychotic", "Waived", "measures/result", booked.nurse.display_name, ">Enter<"):
        assert hidden not in page
    assert ("Make a link" in page) == (role == "desk")
    nurse = said(as_(client, booked.nurse).get(page_url(booked)))
    assert "“Psychotic on Sunday”" in nurse


def test_a_stranger_signs_in_first_and_an_unknown_course_is_not_found(client: Client, booked: Booked) -> None:
    assert client.get(page_url(booked)).status_code == 302
    assert not AccessLog.objects.filter(page="Follow-up").exists()
    as_(client, booked.nurse)
    assert client.get(reverse("following:schedule", args=[987654])).status_code == 404
    client.get(page_url(booked))
    assert AccessLog.objects.get(page="Follow-up").subject_id == booked.patient.resource_id


def test_entering_a_measure_leads_back_to_what_is_due_and_to_no_other_site(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse)
    entry = reverse("measures:entry", args=[booked.patient.pk, "gad7"])
    assert f'href="{entry}?back={page_url(booked)}"' in text(client.get(page_url(booked)))
    page = text(client.get(entry, {"back": page_url(booked)}))
    assert f'name="back" value="{page_url(booked)}"' in page
    when = {"taken_on": "2027-04-20", "taken_time": "08:30", "token": "x", "how": "total", "total": "7"}
    saved = client.post(entry, when | {"back": page_url(booked)})
    assert saved.status_code == 302
    assert "Back to what is due" in text(client.get(saved["Location"]))
    assert 'name="back"' not in text(client.get(entry, {"back": "https://elsewhere.example/"}))


# -- acts --------------------------------------------------------------------------------------------------------------


def test_the_desk_makes_a_link_that_is_shown_once(client: Client, booked: Booked) -> None:
    page = said(post(as_(client, booked.desk), booked, act="send", key="series-end"))
    link = MeasureLink.objects.get()
    assert link.measures == ["gad7"]  # the PHQ-9 is entered
    assert "The link for Ada Okafor is ready" in page
    assert "/q/" in page or 'id="link-address"' in page
    assert page.count("btn-primary") == 1
    later = said(client.get(page_url(booked)))
    assert 'id="link-address"' not in later
    assert "Sent" in later


def test_the_device_is_handed_over_and_comes_back_to_this_page(client: Client, booked: Booked) -> None:
    answer = post(as_(client, booked.nurse), booked, act="tablet", key="series-end")
    assert answer.status_code == 302
    assert MeasureLink.objects.get().kind == "tablet"
    assert client.get(page_url(booked)).status_code != 200  # the session is with the patient


def test_a_waiver_needs_its_reason_at_the_field(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse)
    refused = post(client, booked, act="waive", key="series-end", measures=["gad7"], reason=" ")
    assert refused.status_code == 422
    assert "Say why; it stays with the measure." in said(refused)
    assert not MeasureAct.objects.exists()
    answer = post(client, booked, act="waive", key="series-end", measures=["gad7"], reason="Declined <b>today</b>")
    assert answer.status_code == 302
    page = text(client.get(page_url(booked)))
    assert "Declined &lt;b&gt;today&lt;/b&gt;" in page


def test_a_waiver_is_struck_with_a_reason(client: Client, booked: Booked) -> None:
    (act,) = waive_item(booked.course, key="series-end", measures=["gad7"], reason="Ill", by=booked.nurse, now=NOW)
    as_(client, booked.clinician)
    refused = post(client, booked, act="undo", key="series-end", act_id=act.pk, reason="")
    assert refused.status_code == 422
    assert "Say why; it stays with the measure." in said(refused)
    assert post(client, booked, act="undo", key="series-end", act_id=act.pk, reason="Well again").status_code == 302
    again = post(client, booked, act="undo", key="series-end", act_id=act.pk, reason="Well again")
    assert again.status_code == 409
    assert "This waiver was struck meanwhile." in said(again)


def test_somebody_was_faster(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse)
    data = {"act": "waive", "key": "series-end", "measures": ["gad7"], "reason": "Ill"}
    assert post(client, booked, **data).status_code == 302
    again = post(client, booked, **data)
    assert again.status_code == 409
    assert "entered or waived this meanwhile" in said(again)
    assert MeasureAct.objects.count() == 1


def test_the_desk_waives_nothing_and_the_manager_does_nothing(client: Client, booked: Booked) -> None:
    data = {"act": "waive", "key": "series-end", "measures": ["gad7"], "reason": "Ill"}
    assert post(as_(client, booked.desk), booked, **data).status_code == 403
    assert post(as_(client, booked.clinic.manager), booked, act="send", key="series-end").status_code == 403
    assert not MeasureAct.objects.exists()


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"act": "eat", "key": "series-end"},
        {"act": "send", "key": "x" * 61},
        {"act": "waive", "key": "series-end", "measures": ["nothing"], "reason": "x"},
        {"act": "undo", "key": "series-end", "act_id": "9" * 40, "reason": "x"},
    ],
)
def test_junk_is_refused(client: Client, booked: Booked, junk: dict[str, object]) -> None:
    assert post(as_(client, booked.nurse), booked, **junk).status_code == 422
    assert post(client, booked, act="send", key="baseline:9").status_code == 409


def test_a_course_without_a_time_teaches_the_next_step(client: Client) -> None:
    clinic = make_clinic()
    course = make_plain_course(clinic, make_patient())
    page = said(as_(client, clinic.nurse).get(reverse("following:schedule", args=[course.pk])))
    assert "No measures yet" in page
    assert "give the first one a time" in page


def test_an_infusion_without_a_time_is_named(client: Client) -> None:
    clinic = make_clinic()
    course = make_plain_course(clinic, make_patient(), [april(5)])
    add_phase(course, [april(19)], kind="booster", status="cancelled")
    page = said(as_(client, clinic.nurse).get(reverse("following:schedule", args=[course.pk])))
    assert "Booster 1 has no time yet." in page


def test_the_page_needs_as_many_queries_for_twenty_infusions_as_for_two(client: Client, queries: Queries) -> None:
    clinic = make_clinic()
    as_(client, clinic.nurse)
    for number in (2, 20):
        patient: Patient = make_patient("Robin", f"Fictional{number}")
        days = [april(16) - timedelta(days=2 * step) for step in reversed(range(number))]
        course = make_plain_course(clinic, patient, days)
        for day in days:
            make_score(patient, "phq9", 12, clinic.nurse, at(day))
        waive_item(course, key="series-end", measures=["gad7"], reason="Ill", by=clinic.nurse, now=NOW)
        client.post(reverse("following:schedule_act", args=[course.pk]), {"act": "send", "key": "series-end"})
        with queries("following:schedule"):
            answer = client.get(reverse("following:schedule", args=[course.pk]))
        assert answer.status_code == 200
