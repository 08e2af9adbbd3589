"""The pages of danger signals: who sees what, the number in the top bar, taking and acknowledging."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import DangerAlert, IntakeSettings
from patients.services.alerts import acknowledge_alert
from patients.tests.alert_kit import DETAIL, make_alert
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_held_consultation

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def alert(clinic: Clinic) -> DangerAlert:
    ada = make_patient(phones=["+12125550123"], emergency_name="Jordan Okafor", emergency_phone="+16465550101")
    return make_alert(ada, clinic.location, NOW - timedelta(minutes=12))


def read(client: Client, user: Any, url: str, **query: str) -> str:
    client.force_login(user)
    answer = client.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# -- who sees what -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["today", "list", "alert", "patient"])
def test_clinical_people_see_what_was_answered_and_the_desk_only_that_somebody_must_act(
    client: Client, clinic: Clinic, alert: DangerAlert, page: str
) -> None:
    urls = {
        "today": "/",
        "list": reverse("alerts:list"),
        "alert": alert.get_absolute_url(),
        "patient": alert.patient.get_absolute_url() if alert.patient else "",
    }
    for user in (clinic.clinician, clinic.nurse):
        said = read(client, user, urls[page])
        assert DETAIL in said
        assert "PHQ-9 item 9" in said
    said = read(client, clinic.desk, urls[page])
    assert DETAIL not in said
    assert "item 9" not in said.lower()
    assert "danger signal" in words(said).lower()
    assert "Okafor" in said


def test_a_manager_sees_nothing_of_it(client: Client, clinic: Clinic, alert: DangerAlert) -> None:
    assert "anger signal" not in read(client, clinic.manager, "/")
    assert alert.patient
    assert "anger signal" not in read(client, clinic.manager, alert.patient.get_absolute_url())
    for url in (reverse("alerts:list"), reverse("alerts:count"), alert.get_absolute_url()):
        assert client.get(url).status_code == 403


def test_on_today_it_stands_above_everything_else(client: Client, clinic: Clinic, alert: DangerAlert) -> None:
    page = read(client, clinic.clinician, "/")
    needs = page[page.index("Needs you") :]
    assert needs.index(f'data-alert="{alert.pk}"') < needs.index("Visits")
    assert "Review" in needs
    assert "Open" in read(client, clinic.desk, "/")


def test_an_escalated_one_says_so_and_stays_until_it_is_acknowledged(
    client: Client, clinic: Clinic, alert: DangerAlert
) -> None:
    assert "Escalated" not in words(read(client, clinic.clinician, "/"))
    DangerAlert.objects.update(escalated_at=NOW)
    assert "Escalated" in words(read(client, clinic.clinician, "/"))
    assert "1 danger signal waiting, 1 escalated" in words(read(client, clinic.clinician, "/patients/"))
    acknowledge_alert(alert.pk, what_was_done="Called", by=clinic.clinician, now=NOW)
    page = words(read(client, clinic.clinician, "/"))
    assert "Escalated" not in page
    assert DETAIL not in page


def test_the_page_says_whom_to_call_and_what_the_plan_is(client: Client, clinic: Clinic, alert: DangerAlert) -> None:
    assert alert.patient
    make_held_consultation(alert.patient, clinic.location, clinic.clinician, NOW, safety_plan="Calls her sister first")
    IntakeSettings.objects.create(location=clinic.location, crisis_text="Call 988 at any hour.")
    page = read(client, clinic.clinician, alert.get_absolute_url())
    for part in ("tel:+12125550123", "Jordan Okafor", "tel:+16465550101", "Calls her sister first", "Call 988"):
        assert part in page
    desk = read(client, clinic.desk, alert.get_absolute_url())
    assert "tel:+12125550123" in desk
    assert "sister" not in desk
    assert "Acknowledge" not in words(desk)
    assert AccessLog.objects.filter(page="Danger alert").count() == 2


def test_names_and_answers_with_markup_are_shown_as_text(client: Client, clinic: Clinic) -> None:
    mallory = make_patient("<script>alert(1)</script>", "<b>Bold</b>")
    row = make_alert(mallory, clinic.location, NOW, detail="<img src=x>")
    for url in ("/", reverse("alerts:list"), row.get_absolute_url(), mallory.get_absolute_url()):
        page = read(client, clinic.clinician, url)
        assert "<b>Bold" not in page
        assert "<img src=x>" not in page
        assert "<script>alert(1)" not in page


# -- acting ------------------------------------------------------------------------------------------------------------


def test_taking_it_and_saying_what_was_done(client: Client, clinic: Clinic, alert: DangerAlert) -> None:
    client.force_login(clinic.clinician)
    assert client.post(reverse("alerts:take", args=[alert.pk])).status_code == 302
    answer = client.post(alert.get_absolute_url(), {"deeds": ["called", "plan"], "note": "Her sister is with her."})
    assert answer.status_code == 302
    alert.refresh_from_db()
    assert alert.assigned_to == alert.acknowledged_by == clinic.clinician
    assert alert.what_was_done == "Called the patient; Went through the safety plan. Her sister is with her."
    page = read(client, clinic.clinician, alert.get_absolute_url())
    assert "Next: the C-SSRS." in page
    assert alert.patient
    assert reverse("measures:entry", args=[alert.patient.pk, "cssrs"]) in page


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Say what was done: tick at least one, or write it down."),
        ({"deeds": ["other"]}, "Say what else was done."),
        ({"deeds": ["nonsense"]}, "Select a valid choice"),
    ],
)
def test_without_a_deed_it_is_refused_beside_the_field(
    client: Client, clinic: Clinic, alert: DangerAlert, data: dict[str, Any], said: str
) -> None:
    client.force_login(clinic.clinician)
    answer = client.post(alert.get_absolute_url(), data)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert DangerAlert.objects.waiting().exists()


def test_who_comes_second_is_told_and_keeps_what_they_wrote(client: Client, clinic: Clinic, alert: DangerAlert) -> None:
    acknowledge_alert(alert.pk, what_was_done="Called", by=clinic.clinician, now=NOW)
    client.force_login(make_user(Role.CLINICIAN, username="other"))
    answer = client.post(alert.get_absolute_url(), {"note": "I went to see him"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Somebody was faster" in page
    assert "I went to see him" in page
    assert "Called" in page


@pytest.mark.parametrize("who", ["desk", "nurse"])
def test_others_who_see_it_cannot_acknowledge_it(client: Client, clinic: Clinic, alert: DangerAlert, who: str) -> None:
    client.force_login(getattr(clinic, who))
    assert client.post(alert.get_absolute_url(), {"deeds": ["called"]}).status_code == 403
    assert client.post(reverse("alerts:take", args=[alert.pk])).status_code == 403


# -- list and number ---------------------------------------------------------------------------------------------------


def test_the_list_shows_waiting_escalated_and_acknowledged_ones(client: Client, clinic: Clinic) -> None:
    uptown = make_clinic("Uptown")
    first = make_alert(make_patient("Ada", "Okafor"), clinic.location, NOW)
    second = make_alert(make_patient("Mei", "Chen"), uptown.location, NOW, escalated_at=NOW)
    third = make_alert(make_patient("Tom", "Silva"), clinic.location, NOW)
    acknowledge_alert(third.pk, what_was_done="Called Tom", by=clinic.clinician, now=NOW)

    def shown(**query: str) -> list[str]:
        page = read(client, clinic.clinician, reverse("alerts:list"), **query)
        return [name for name in ("Okafor, Ada", "Chen, Mei", "Silva, Tom") if name in page]

    assert shown() == ["Okafor, Ada", "Chen, Mei"]
    assert shown(show="escalated") == ["Chen, Mei"]
    assert shown(show="acknowledged") == ["Silva, Tom"]
    assert shown(location=str(uptown.location.pk)) == ["Chen, Mei"]
    assert shown(show="nonsense", location="x", page="99") == ["Okafor, Ada", "Chen, Mei"]
    assert first != second


@pytest.mark.parametrize(
    ("show", "said"),
    [
        ("waiting", "Nothing is waiting"),
        ("escalated", "Nothing is escalated"),
        ("acknowledged", "None was acknowledged"),
    ],
)
def test_an_empty_list_says_so_honestly(client: Client, clinic: Clinic, show: str, said: str) -> None:
    assert said in read(client, clinic.clinician, reverse("alerts:list"), show=show)


def test_the_number_is_sent_only_when_it_changed(client: Client, clinic: Clinic, alert: DangerAlert) -> None:
    client.force_login(clinic.desk)
    url = reverse("alerts:count")
    assert client.get(url, {"seen": "1.0"}).status_code == 204
    said = client.get(url, {"seen": "0.0"}).content.decode()
    assert "1 danger signal waiting" in words(said)


@pytest.mark.parametrize("number", [2, 20])
def test_the_pages_need_as_many_queries_for_two_as_for_twenty(
    client: Client, clinic: Clinic, queries: Queries, number: int
) -> None:
    rows = [make_alert(make_patient("Pat", f"Number{one}"), clinic.location, NOW) for one in range(number)]
    client.force_login(clinic.clinician)
    with queries("danger signals"):
        answer = client.get(reverse("alerts:list"))
    assert answer.status_code == 200
    with queries("danger signal"):
        answer = client.get(rows[0].get_absolute_url())
    assert answer.status_code == 200
    with queries("danger signals, the number"):
        answer = client.get(reverse("alerts:count"))
    assert answer.status_code == 200
