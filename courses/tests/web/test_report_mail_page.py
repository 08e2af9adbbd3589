"""The page on which the monthly e-mail about a report is asked for and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import ReportMail
from courses.tasks.reports import tell

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 15, 16, 0, tzinfo=UTC)
URL = "/reports/mail/"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


@pytest.fixture
def clinic() -> Clinic:
    found = make_clinic("Brooklyn")
    User.objects.filter(pk=found.manager.pk).update(email="mona@clinic.example")
    return found


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def wish(clinic: Clinic, report: str = "outcomes", query: str = "") -> dict[str, object]:
    return {"report": report, "location": clinic.location.pk, "query": query}


def test_what_was_asked_for_with_its_filters_is_listed_told_of_and_taken_back(
    client: Client, clinic: Clinic, clock: time_machine.Traveller
) -> None:
    as_(client, clinic.manager)
    assert "You are told of no report" in client.get(URL).content.decode()
    opened = client.get(URL, {"report": "outcomes", "indication": "trd", "period": "last-year"}).content.decode()
    assert "Only for: Treatment-resistant depression" in opened
    assert 'value="indication=trd"' in opened
    answer = client.post(URL, wish(clinic, query="indication=trd&period=last-year"), follow=True)
    assert "You are told of “Outcomes” on the first of each month." in answer.content.decode()
    row = ReportMail.objects.get()
    assert (row.owner, row.report, row.query, row.location) == (
        *(clinic.manager, "outcomes", "indication=trd", clinic.location),
    )
    assert "Treatment-resistant depression" in client.get(URL).content.decode()
    clock.move_to(datetime(2027, 4, 1, 12, 2, tzinfo=UTC))
    assert tell() == 1
    address = next(word for word in mail.outbox[0].body.split() if "/reports/outcomes/" in word)
    as_(client, clinic.manager)  # seventeen days later
    assert client.get("/" + address.split("/", 3)[3]).status_code == 200  # the link opens the report
    off = reverse("reports:mail_off", args=[row.pk])
    assert client.post(off)["Location"] == URL
    clock.move_to(datetime(2027, 5, 1, 12, 2, tzinfo=UTC))
    assert tell() == 0


def test_odd_filters_an_unknown_report_and_a_missing_address_are_said(client: Client, clinic: Clinic) -> None:
    as_(client, clinic.manager)
    odd = client.post(URL, wish(clinic, query="indication=gone"))
    assert (odd.status_code, "is no choice of the list" in odd.content.decode()) == (422, True)
    assert client.post(URL, wish(clinic, report="nothing")).status_code == 422
    assert client.post(URL, {}).status_code == 422
    User.objects.filter(pk=clinic.manager.pk).update(email="")
    without = client.post(URL, wish(clinic))
    assert (without.status_code, "no e-mail address" in without.content.decode()) == (422, True)
    assert not ReportMail.objects.exists()


def test_the_desk_is_offered_operations_alone_and_a_clinician_outcomes(client: Client, clinic: Clinic) -> None:
    desk = as_(client, clinic.desk).get(URL).content.decode()
    assert 'value="operations"' in desk
    assert 'value="outcomes"' not in desk
    assert client.post(URL, wish(clinic)).status_code == 422
    clinician = as_(client, clinic.clinician).get(URL).content.decode()
    assert 'value="outcomes"' in clinician
    assert 'value="operations"' not in clinician
    assert as_(client, clinic.nurse).get(URL).status_code == 403


def test_nobody_takes_back_what_is_somebody_elses(client: Client, clinic: Clinic) -> None:
    as_(client, clinic.manager).post(URL, wish(clinic))
    row = ReportMail.objects.get()
    off = reverse("reports:mail_off", args=[row.pk])
    assert as_(client, clinic.clinician).post(off).status_code == 404
    assert "Treatment" not in client.get(URL).content.decode().split("One more")[0]
    client.logout()
    assert client.post(off).status_code in (302, 401)
    assert ReportMail.objects.get().is_active


def test_the_page_needs_few_queries(client: Client, clinic: Clinic, queries: Queries) -> None:
    as_(client, clinic.manager)
    for many in (2, 20):
        for number in range(many):
            ReportMail.objects.get_or_create(
                owner=clinic.manager, report="outcomes", query=f"protocol={number + 1}", location=clinic.location,
                defaults={"created_at": NOW},
            )  # fmt: skip
        with queries("reports: monthly e-mail"):
            assert client.get(URL).status_code == 200
