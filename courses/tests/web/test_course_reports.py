"""Course reports: a list to tick, one PDF with the story of each, every reading in the log (issue 7, "Course reports")."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.fixtures.ledger import Queries
from courses.adapters.course_pdf import pdf_of_many
from courses.models import ReportTaken
from courses.pure.course_page import Audience
from courses.services.course_pdf import page_for
from courses.services.course_reports import MOST
from courses.services.course_whole import read_whole, to_sum_up
from courses.services.results import work_out
from courses.tests.closing_kit import whole_course
from courses.tests.report_kit import put_result
from courses.tests.series_kit import Booked, april, at, book
from patients.models import PreviousTreatment
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = at(april(20))
URL = "/reports/courses/"
ALL = f"{URL}?period=all"


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """All six given, PHQ-9 22 to 8 (case 2); sertraline was tried before."""
    found = whole_course()
    PreviousTreatment.objects.create(
        patient=found.patient, name="Sertraline", dose="150 mg", duration_weeks=8, adequate="yes", outcome="none"
    )
    work_out([found.patient.pk], NOW)
    return found


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def words_of(pdf: bytes) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (on Debian: apt-get install poppler-utils)")
    done = subprocess.run([program, "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def second_course(booked: Booked) -> int:
    """Another patient of the same clinic with three given."""
    other = book(clinic=booked.clinic, patient=make_patient("Mei", "Chen", home_location=booked.clinic.location))
    other.give(1, 2, 3)
    work_out([other.patient.pk], NOW)
    return other.course.pk


def test_ticked_courses_come_as_one_file_each_with_its_own_pages(client: Client, booked: Booked) -> None:
    other = second_course(booked)
    as_(client, booked.clinician)
    page = client.get(ALL).content.decode()
    assert f'value="{booked.course.pk}"' in page
    assert "Okafor" in page
    answer = client.post(ALL, {"audience": "insurer", "course": [booked.course.pk, other]})
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="course-reports-insurer.pdf"'
    assert answer["Cache-Control"] == "no-store, private"
    words = words_of(answer.content)
    for said in ("Ada Okafor", "Mei Chen", "Report of a course of treatment", "Sertraline 150 mg, 8 weeks, adequate"):
        assert said in words, said
    assert words.count("Page 1 of 1") == 2


def test_each_reading_and_who_took_the_file_stand_in_the_logs(client: Client, booked: Booked) -> None:
    other = second_course(booked)
    as_(client, booked.clinician).post(URL, {"audience": "referrer", "course": [booked.course.pk, other]})
    read = AccessLog.objects.filter(page="Course report for the referrer, PDF")
    assert {row.subject.patient.family_name for row in read} == {"Okafor", "Chen"}
    assert {row.user for row in read} == {booked.clinician}
    taken = ReportTaken.objects.get()
    assert (taken.what, taken.courses, taken.user) == ("Course reports for the referrer, PDF", 2, booked.clinician)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Choose for whom the file is."),
        ({"audience": "referrer"}, "No course is ticked."),
        ({"audience": "patient", "course": ["1"]}, "Choose a reader of the list."),
        ({"audience": "referrer", "course": ["987654321"]}, "is not there any more"),
        ({"audience": "referrer", "course": ["x"]}, "A tick is not one of the list."),
        ({"audience": "referrer", "course": [str(n) for n in range(1, MOST + 2)]}, "51 courses are ticked."),
    ],
)
def test_what_cannot_be_printed_is_refused_with_what_to_do_and_nothing_is_logged(
    client: Client, booked: Booked, data: dict[str, object], said: str
) -> None:
    answer = as_(client, booked.clinician).post(ALL, data)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not ReportTaken.objects.exists()
    assert not AccessLog.objects.filter(page__startswith="Course report").exists()


def test_a_refused_list_keeps_its_ticks(client: Client, booked: Booked) -> None:
    answer = as_(client, booked.clinician).post(ALL, {"course": [booked.course.pk]})
    assert f'id="course-{booked.course.pk}" checked' in answer.content.decode()


def test_a_course_of_which_nothing_was_given_is_refused(client: Client, booked: Booked) -> None:
    course = book(clinic=booked.clinic, patient=make_patient("Mei", "Chen")).course
    answer = as_(client, booked.clinician).post(ALL, {"audience": "referrer", "course": [course.pk]})
    assert answer.status_code == 422
    assert "nothing was given yet" in answer.content.decode()


@pytest.mark.parametrize(("who", "status"), [("clinician", 200), ("nurse", 403), ("desk", 403), ("manager", 403)])
def test_names_and_scores_are_for_those_who_may_read_them(
    client: Client, booked: Booked, who: str, status: int
) -> None:
    as_(client, getattr(booked.clinic, who))
    assert client.get(URL).status_code == status
    data = {"audience": "referrer", "course": [booked.course.pk]}
    assert client.post(URL, data).status_code == status
    assert ReportTaken.objects.exists() == (status == 200)


def test_a_stranger_signs_in_first(client: Client) -> None:
    assert "/login/" in client.get(URL)["Location"]


def test_no_course_is_said_and_odd_filters_are_named(client: Client) -> None:
    clinician = book().clinician
    assert "No course to report on" in as_(client, clinician).get(ALL).content.decode()
    odd = client.get(URL, {"since": "x"})
    assert (odd.status_code, "is no day" in odd.content.decode()) == (422, True)


def test_the_insurer_reads_of_no_other_care_no_open_question_and_no_reason(booked: Booked) -> None:
    course = to_sum_up().get(pk=booked.course.pk)
    whole = read_whole(course, NOW)
    insurer, referrer = page_for(Audience.INSURER, whole), page_for(Audience.REFERRER, whole)
    titles = {one.title for one in insurer.after}
    assert titles == {"Side effects", "How it stands", "What follows", "Contact"}
    assert {one.title for one in referrer.after} - titles == {"Open questions"}
    assert insurer.before[0].rows == (("Sertraline", "150 mg, 8 weeks, adequate, no effect"),)


def test_the_scores_are_drawn_from_the_baseline_to_the_last(booked: Booked) -> None:
    """Case 2: 22, then 19 to 8 in six scores; from 1 to 17 April, the scale ends at 30 (three tens above 22)."""
    whole = read_whole(to_sum_up().get(pk=booked.course.pk), NOW)
    chart = page_for(Audience.REFERRER, whole).chart
    assert chart is not None
    assert [word for _, _, word in chart.points] == ["22", "19", "15", "12", "10", "9", "8"]
    assert chart.points[0][:2] == (0.0, 0.2667)  # 1 - 22/30
    assert chart.points[-1][:2] == (1.0, 0.7333)  # 1 - 8/30
    assert chart.infusions[0] == 0.25  # 5 April: 4 of 16 days
    assert chart.lines == ((0.6333, "response"), (0.8667, "remission"))  # 11 of 30, 4 of 30
    assert page_for(Audience.PATIENT, whole).chart is None


def test_two_pages_are_enough_for_the_longest_course_and_each_counts_its_own(booked: Booked) -> None:
    """A phase has at most 60 infusions, and twelve earlier treatments are named."""
    page = page_for(Audience.REFERRER, read_whole(to_sum_up().get(pk=booked.course.pk), NOW))
    block = replace(page.before[0], rows=page.before[0].rows * 12)
    long = replace(page, rows=page.rows * 10, before=(block,))
    words = words_of(pdf_of_many([page, long], at=NOW.astimezone(UTC)))
    assert [words.count(f"Page {said}") for said in ("1 of 1", "1 of 2", "2 of 2", "1 of 3")] == [1, 1, 1, 0]


def test_the_insurer_s_page_is_on_the_course_too(client: Client, booked: Booked) -> None:
    url = reverse("following:summary_pdf", args=[booked.course.pk])
    answer = as_(client, booked.clinician).get(f"{url}?for=insurer")
    assert answer["Content-Disposition"] == f'inline; filename="course-{booked.course.pk}-insurer.pdf"'
    assert AccessLog.objects.filter(page="Summary of the course for the insurer, PDF").exists()
    assert f"{url}?for=insurer" in client.get(booked.course.get_absolute_url()).content.decode()


def test_the_list_needs_few_queries(client: Client, booked: Booked, queries: Queries) -> None:
    as_(client, booked.clinician)
    for many in (2, 18):
        for number in range(many):
            put_result(booked.clinic, make_patient("Mei", f"Chen{many}{number}"), april(1))
        client.get(ALL)
        with queries("reports: course reports"):
            assert client.get(ALL).status_code == 200
