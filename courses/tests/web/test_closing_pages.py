"""Closing a course through the pages: four ends, and the summary on paper for patient and referrer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.template import Context, Engine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus
from courses.services import courses as service
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
NOW = at(april(10))
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05; 1 to 3 are given, 4 to 6 booked."""
    made = book()
    made.give(1, 2, 3)
    return made


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def text(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined]


def close_url(booked: Booked) -> str:
    return reverse("courses:close", args=[booked.course.pk])


def course(booked: Booked) -> Course:
    return Course.objects.get(pk=booked.course.pk)


def data(booked: Booked, status: str, reason: str = "Rang three times", to: str = "") -> dict[str, object]:
    return {"status": status, "reason": reason, "closed_to": to, "version": course(booked).version}


def pdf_url(booked: Booked, audience: str) -> str:
    return f"{reverse('following:summary_pdf', args=[booked.course.pk])}?for={audience}"


@pytest.mark.parametrize(
    ("status", "tag"),
    [
        ("completed", "Completed"),
        ("stopped", "Stopped"),
        ("transferred", "Transferred"),
        ("lost", "Lost to follow-up"),
    ],
)
def test_each_end_is_offered_recorded_and_shown(client: Client, booked: Booked, status: str, tag: str) -> None:
    as_(client, booked.clinician)
    assert f'value="{status}"' in text(client.get(close_url(booked)))
    assert client.post(close_url(booked), data(booked, status, to="Dr. <i>Vega</i>")).status_code == 302
    assert course(booked).status == status
    page = text(client.get(booked.course.get_absolute_url()))
    assert f"{tag}</span>" in page
    assert "Rang three times" in page
    assert ("Dr. &lt;i&gt;Vega&lt;/i&gt;" in page) == (status == "transferred")
    listed = text(client.get(reverse("courses:list"), {"status": status}))
    assert f"{tag}</span>" in listed


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_transfer_without_a_name_is_refused_at_its_field(
    client: Client, booked: Booked, headers: dict[str, str]
) -> None:
    answer = as_(client, booked.clinician).post(close_url(booked), data(booked, "transferred"), headers=headers)
    assert answer.status_code == 422
    assert "Say to whom the patient is transferred." in text(answer)
    assert course(booked).closed_on is None


def test_without_a_choice_or_a_reason_nothing_is_closed(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = client.post(close_url(booked), data(booked, "", reason=""))
    assert (page.status_code, "Choose how it ended." in text(page)) == (422, True)
    assert client.post(close_url(booked), data(booked, "lost", reason=" ")).status_code == 422
    assert course(booked).closed_on is None


def test_somebody_who_was_faster_is_answered_with_409(client: Client, booked: Booked) -> None:
    seen = data(booked, "lost")
    Course.objects.filter(pk=booked.course.pk).update(version=9)
    answer = as_(client, booked.clinician).post(close_url(booked), seen)
    assert (answer.status_code, "Nothing was closed; look again." in text(answer)) == (409, True)


def test_the_desk_sees_that_it_ended_and_where_to_but_not_why(client: Client, booked: Booked) -> None:
    service.close_course(
        booked.course.pk,
        status=CourseStatus.TRANSFERRED,
        reason="Psychosis",
        to="Dr. Vega",
        by=booked.clinician,
        now=NOW,
    )
    page = text(as_(client, booked.desk).get(booked.course.get_absolute_url()))
    assert "Dr. Vega" in page
    assert "Psychosis" not in page


@pytest.mark.parametrize("status", ["transferred", "lost"])
def test_an_interrupted_course_can_end_as_transferred_or_lost(client: Client, booked: Booked, status: str) -> None:
    """R6: the prescriber decides; nothing was given for 17 days."""
    address = reverse("courses:decide", args=[booked.course.pk])
    with time_machine.travel(at(april(26)), tick=False):
        as_(client, booked.clinician).get(booked.course.get_absolute_url())
        assert course(booked).status == CourseStatus.INTERRUPTED
        said = {"choice": status, "reason": "Rang three times"}
        if status == "transferred":
            refused = client.post(address, said)
            assert (refused.status_code, "Say to whom" in text(refused)) == (422, True)
        assert client.post(address, said | {"closed_to": "Dr. Vega"}).status_code == 302
    assert course(booked).status == status


def test_both_courses_of_a_patient_name_each_other(client: Client, booked: Booked) -> None:
    service.close_course(booked.course.pk, status=CourseStatus.COMPLETED, reason="Well", by=booked.clinician, now=NOW)
    again = book(april(26), clinic=booked.clinic, patient=booked.patient, now=NOW)
    as_(client, booked.clinician)
    new, old = text(client.get(again.course.get_absolute_url())), text(client.get(booked.course.get_absolute_url()))
    assert f'Follows the <a href="{booked.course.get_absolute_url()}">earlier course</a>, completed on' in new
    assert f'Followed by the <a href="{again.course.get_absolute_url()}">' in old


# -- the summary on paper ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["patient", "referrer"])
def test_nurses_and_clinicians_print_the_summary_and_its_reading_is_logged(
    client: Client, booked: Booked, audience: str
) -> None:
    for person in (booked.nurse, booked.clinician):
        answer = as_(client, person).get(pdf_url(booked, audience))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF-")
        assert answer.headers["Content-Disposition"] == f'inline; filename="course-{booked.course.pk}-{audience}.pdf"'
        assert answer.headers["Cache-Control"] == "no-store, private"
        read = AccessLog.objects.filter(user=person, subject=booked.patient.resource)
        assert read.filter(page=f"Summary of the course for the {audience}, PDF").exists()


@pytest.mark.parametrize("who", ["desk", "manager"])
def test_the_desk_and_the_manager_print_none(client: Client, booked: Booked, who: str) -> None:
    assert as_(client, getattr(booked.clinic, who)).get(pdf_url(booked, "patient")).status_code == 403


def test_an_unknown_reader_or_course_is_not_found_and_a_stranger_signs_in(client: Client, booked: Booked) -> None:
    assert client.get(pdf_url(booked, "patient")).status_code == 302
    as_(client, booked.nurse)
    for reader in ("", "everybody", "PATIENT"):
        assert client.get(pdf_url(booked, reader)).status_code == 404
    missing = reverse("following:summary_pdf", args=[987654])
    assert client.get(f"{missing}?for=patient").status_code == 404


def test_before_the_first_infusion_the_course_page_says_that_there_is_nothing_yet(client: Client) -> None:
    answer = as_(client, (made := book(april(12), now=NOW)).nurse).get(pdf_url(made, "patient"), follow=True)
    assert "Nothing was given in this course yet" in text(answer)


@pytest.mark.parametrize(("who", "given", "shown"), [("nurse", 3, True), ("nurse", 0, False), ("desk", 3, False)])
def test_the_choice_of_readers_is_for_those_who_may_read(booked: Booked, who: str, given: int, *, shown: bool) -> None:
    context = Context({"course": course(booked), "given": given, "user": getattr(booked, who)})
    part = Engine.get_default().get_template("courses/_course_close_summary.html").render(context)
    assert (pdf_url(booked, "referrer") in part) == shown


def test_the_pages_of_the_end_need_few_queries(client: Client, booked: Booked, queries: Queries) -> None:
    as_(client, booked.clinician)
    with queries("close course form"):
        answer = client.get(close_url(booked))
    assert answer.status_code == 200
    with queries("course summary pdf"):
        answer = client.get(pdf_url(booked, "referrer"))
    assert answer.status_code == 200
