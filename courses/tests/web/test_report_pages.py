"""Pages of the reports: filters, comparing, saved views, lists, names, who may see what, and odd addresses."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import CourseResult, ResultDue, SavedReport
from courses.tests.cohort import NOW, Cohort, load_cohort, only
from patients.models import Patient

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
OUTCOMES = "/reports/outcomes/"


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def cohort() -> Cohort:
    return load_cohort()


@pytest.fixture
def few() -> Cohort:
    """Six courses: 01 to 05 responded or not, 08 has no baseline."""
    return load_cohort(only("01", "02", "03", "04", "05", "08"))


def see(client: Client, user: User, path: str = OUTCOMES, **query: str) -> str:
    client.force_login(user)
    answer = client.get(path, query)
    assert answer.status_code == 200, answer.status_code
    return words(answer.content.decode())


def words(page: str) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def figure(page: str, key: str) -> str:
    """What the page says about one figure."""
    found = re.search(rf'<article[^>]*aria-labelledby="figure-{key}".*?</article>', page, re.DOTALL)
    assert found, key
    return words(found[0])


# -- who may -----------------------------------------------------------------------------------------------------------
def test_each_role_sees_its_reports(client: Client) -> None:
    clinic = make_clinic()
    desk = make_user(Role.FRONT_DESK, username="desk1")
    manager = make_user(Role.MANAGER, username="manager1")
    expected = {
        clinic.clinician: {"outcomes": 200, "safety": 200, "operations": 403},
        manager: {"outcomes": 200, "safety": 200, "operations": 200},
        desk: {"outcomes": 403, "safety": 403, "operations": 200},
        clinic.nurse: {"outcomes": 403, "safety": 403, "operations": 403},
    }
    for user, kinds in expected.items():
        client.force_login(user)
        seen = {kind: client.get(f"/reports/{kind}/").status_code for kind in kinds}
        assert seen == kinds, user
    client.force_login(desk)
    assert client.get("/reports/").headers["Location"] == "/reports/operations/"
    assert client.get("/reports/outcomes/list/response/").status_code == 403
    client.force_login(clinic.clinician)
    assert client.get("/reports/").headers["Location"] == OUTCOMES
    assert client.get("/reports/nothing/").status_code == 404


def test_signed_out_nothing_is_shown(client: Client) -> None:
    for path in ("/reports/", OUTCOMES, "/reports/outcomes/list/response/"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert "/accounts/login/" in answer.headers["Location"]


def test_the_rail_leads_to_the_reports_of_those_who_have_any(client: Client) -> None:
    clinic = make_clinic()
    for user, has_entry in (
        (clinic.clinician, True),
        (make_user(Role.FRONT_DESK, username="d"), True),
        (clinic.nurse, False),
    ):
        client.force_login(user)
        assert ('href="/reports/"' in client.get("/").content.decode()) is has_entry


# -- the page ----------------------------------------------------------------------------------------------------------
def test_the_page_says_numbers_with_all_that_belongs_to_them(client: Client, cohort: Cohort) -> None:
    """24 of 31 = 77.4 %; Wilson by hand: centre (0.774194 + 0.061959) / 1.123918, so 60.2 to 88.6."""
    client.force_login(cohort.clinic.clinician)
    page = client.get(OUTCOMES).content.decode()
    said = figure(page, "response")
    for part in (
        "77.4",
        "24 of 31",
        "95 % interval 60.2 to 88.6 %",
        "no baseline 2, baseline too low: not evaluable 2, no score after the last infusion 2, series still running 3",
        "at least 50 % below the baseline",
        "Source: Outcome terms, shipped",
        "Published: 18.3 to 91.6 % in 10 studies",
        "McInnes 2022: 178 clinics, 4 to 8 in 7 to 28 days, n = 537; scale: PHQ-9; 14 to 31 days after the series",
    ):
        assert part in said, part
    assert "Everything recorded until Mon 20 Dec, 10:00" in words(page)
    assert "n = 3: too few" in words(page)
    assert page.count("<h1") == 1
    assert not re.search(r"\son[a-z]+=|\sstyle=", page.split("<main", 1)[1])


def test_the_address_holds_the_filters_and_the_fragment_pushes_it(client: Client, few: Cohort) -> None:
    client.force_login(few.clinic.clinician)
    query = {"period": "this-year", "indication": "", "location": str(few.places["Downtown"].pk), "vs_location": "same"}
    answer = client.get(OUTCOMES, query, headers=HTMX)
    page = answer.content.decode()
    assert answer.headers["HX-Push-Url"] == f"{OUTCOMES}?period=this-year&location={few.places['Downtown'].pk}"
    assert "<html" not in page
    assert "Downtown · started 1 Jan 2027 to 20 Dec 2027" in words(page)
    assert "5 of 6" not in figure(page, "response")
    assert f'href="/reports/outcomes/list/response/?period=this-year&amp;location={few.places["Downtown"].pk}"' in page
    again = client.get(answer.headers["HX-Push-Url"]).content.decode()
    assert figure(again, "response") == figure(page, "response")


def test_the_period_ends_with_the_local_day(client: Client, cohort: Cohort) -> None:
    """On Tue 21 December at 04:00 UTC it is still Monday in New York: courses of that Monday are of "this month"."""
    with time_machine.travel(NOW + timedelta(hours=13), tick=False):
        page = see(client, cohort.clinic.clinician, period="this-month")
    assert "started 1 Dec 2027 to 20 Dec 2027" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "soon"}, "“soon” is no day. Write it as 2027-01-31."),
        ({"since": "2027-03-01", "until": "2027-02-01"}, "The last day is before the first. Turn them round."),
        ({"location": "one"}, "“one” is no choice of the list. Choose one from it."),
        ({"dose": "<script>"}, "“<script>” is no choice of the list. Choose one from it."),
        ({"vs_period": "previous", "period": "all"}, "All time has no period before it."),
        ({"referrer": "x" * 200}, "This is longer than 160 characters"),
    ],
)
def test_odd_values_are_refused_at_their_field(client: Client, query: dict[str, str], said: str) -> None:
    client.force_login(make_clinic().clinician)
    for headers in ({}, HTMX):
        answer = client.get(OUTCOMES, query, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 422
        assert said in html.unescape(page)
        assert 'aria-invalid="true"' in page
        assert "<script>”" not in page
        assert "HX-Push-Url" not in answer.headers


def test_an_empty_clinic_has_a_page(client: Client) -> None:
    said = see(client, make_clinic().clinician)
    assert "Nothing to count yet" in said


def test_what_is_being_worked_out_again_is_said(client: Client, few: Cohort) -> None:
    """Up to 40 patients are worked out at once; nobody is left, so nothing is said."""
    patient = few.courses["01"].patient
    ResultDue.objects.create(patient=patient)
    CourseResult.objects.filter(patient=patient).update(end="NO_SCORE")
    said = see(client, few.clinic.clinician)
    assert "being worked out again" not in said
    assert CourseResult.objects.get(patient=patient).end == "RESPONSE"


def test_markup_in_a_referrer_is_text(client: Client, few: Cohort) -> None:
    Patient.objects.filter(pk=few.courses["01"].patient_id).update(referrer="<script>alert(1)</script>")
    client.force_login(few.clinic.clinician)
    page = client.get(OUTCOMES).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    found = client.get(OUTCOMES, {"referrer": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert(1)" not in found
    assert "Referred by" in found or "referred by &lt;script&gt;" in found


# -- comparing ---------------------------------------------------------------------------------------------------------
def test_two_groups_stand_side_by_side_with_their_intervals(client: Client, cohort: Cohort) -> None:
    """The first half of 2027 against the second, by the end of the series."""
    client.force_login(cohort.clinic.clinician)
    query = {"since": "2027-07-01", "until": "2027-12-31", "vs_since": "2027-01-01", "vs_until": "2027-06-30"}
    page = client.get(OUTCOMES, query).content.decode()
    assert "compared with All courses · started 1 Jan 2027 to 30 Jun 2027" in words(page)
    # second half: 25, 26, 29, 31 is of March; 32, 34, 36, 37, 38, 40 responded; 30 and 39 are left out
    assert "9 of 9" in figure(page, "response")
    # first half: 31 evaluable in all less those nine
    assert "15 of 22" in figure(page, "response")
    assert figure(page, "response").count("95 % interval") == 2
    link = re.search(r'aria-label="Compared: Response[^"]*"', page)
    assert link


def test_comparing_stops_with_one_press(client: Client, few: Cohort) -> None:
    client.force_login(few.clinic.clinician)
    page = client.get(OUTCOMES, {"period": "this-year", "vs_period": "previous"}).content.decode()
    assert f'href="{OUTCOMES}?period=this-year">Stop comparing' in page
    assert "started 1 Jan 2027 to 20 Dec 2027" in words(page)
    assert "12 Jan 2026 to 31 Dec 2026" in words(page)  # 354 days up to the day before


# -- saved views -------------------------------------------------------------------------------------------------------
def test_a_view_is_saved_opened_and_deleted(client: Client, few: Cohort) -> None:
    owner = few.clinic.clinician
    client.force_login(owner)
    query = "period=last-month&vs_period=year-before"
    answer = client.post(reverse("reports:save"), {"name": " Each month ", "report": "outcomes", "query": query})
    row = SavedReport.objects.get()
    assert (row.owner, row.name, row.report, row.query) == (owner, "Each month", "outcomes", query)
    assert answer.headers["Location"] == reverse("reports:saved", args=[row.pk])
    assert client.get(answer.headers["Location"]).headers["Location"] == f"{OUTCOMES}?{query}"
    assert "Each month" in client.get(OUTCOMES).content.decode()
    assert client.post(reverse("reports:saved_delete", args=[row.pk])).status_code == 302
    assert not SavedReport.objects.exists()


def test_a_view_of_somebody_else_is_not_there(client: Client, few: Cohort) -> None:
    row = SavedReport.objects.create(owner=few.clinic.clinician, name="Mine", report="outcomes", created_at=NOW)
    client.force_login(make_user(Role.MANAGER, username="other"))
    assert client.get(reverse("reports:saved", args=[row.pk])).status_code == 404
    assert client.post(reverse("reports:saved_delete", args=[row.pk])).status_code == 404
    assert "Mine" not in words(client.get(OUTCOMES).content.decode())
    assert SavedReport.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Mine", "You have saved a report under this name already."),
        ("", "This field is required."),
        ("x" * 81, "at most 80"),
    ],
)
def test_a_view_without_a_name_of_its_own_is_refused_at_the_field(client: Client, name: str, said: str) -> None:
    clinic = make_clinic()
    SavedReport.objects.create(owner=clinic.clinician, name="Mine", report="outcomes", created_at=NOW)
    client.force_login(clinic.clinician)
    answer = client.post(reverse("reports:save"), {"name": name, "report": "outcomes", "query": "period=all"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in words(page)
    assert 'id="saved-views" open' in page
    assert "All courses · all time" in words(page)  # the filters are still those that were to be saved
    assert SavedReport.objects.count() == 1


def test_a_report_that_may_not_be_seen_may_not_be_saved(client: Client) -> None:
    make_clinic()
    client.force_login(make_user(Role.FRONT_DESK, username="desk1"))
    data = {"name": "Outcomes", "report": "outcomes", "query": ""}
    assert client.post(reverse("reports:save"), data).status_code == 403
    assert client.post(reverse("reports:save"), data | {"report": "nothing"}).status_code == 404
    assert not SavedReport.objects.exists()


# -- lists -------------------------------------------------------------------------------------------------------------
def test_a_list_shows_no_name_until_somebody_presses_for_them(client: Client, few: Cohort) -> None:
    user = few.clinic.clinician
    path = "/reports/outcomes/list/response/"
    page = see(client, user, path)
    people = [course.patient for course in few.courses.values()]
    for person in people:
        assert person.family_name not in page
        assert person.mrn not in page
    assert not AccessLog.objects.exists()
    answer = client.post(path)
    shown = words(answer.content.decode())
    for person in people:
        assert person.name in shown
    log = AccessLog.objects.all()
    assert {row.subject_id for row in log} == {person.resource_id for person in people}
    assert {(row.user, row.page, row.reason) for row in log} == {
        (user, "List behind a report", "Reports: Outcomes, Response")
    }


def test_a_manager_opens_names_in_operations_but_not_beside_scores(client: Client, few: Cohort) -> None:
    """design.md: for a manager reports are without scores of named people."""
    manager = make_user(Role.MANAGER, username="manager1")
    for path in ("/reports/outcomes/list/response/", "/reports/safety/list/effects/"):
        assert "Show names" not in see(client, manager, path)
        assert client.post(path).status_code == 403
    assert not AccessLog.objects.exists()
    assert client.post("/reports/operations/list/missed/").status_code == 200


def test_each_press_is_logged_again_and_only_the_page_that_is_shown(client: Client, few: Cohort) -> None:
    client.force_login(few.clinic.clinician)
    path = "/reports/outcomes/list/response/?until=2027-01-31"  # 01, 02, 03
    client.post(path)
    client.post(path)
    assert AccessLog.objects.count() == 6


def test_the_list_says_what_each_counts_as(client: Client, few: Cohort) -> None:
    """01 and 02 responded; 03, 04 and 05 did not; 08 has no baseline."""
    page = see(client, few.clinic.clinician, "/reports/outcomes/list/response/")
    assert page.count(" Yes ") == 2
    assert page.count(" No ") == 3
    assert "Left out: no baseline" in page
    assert "1–6 of 6 rows" in page


def test_a_list_that_is_not_there_is_404(client: Client) -> None:
    client.force_login(make_clinic().clinician)
    for path in ("/reports/outcomes/list/nothing/", "/reports/nothing/list/response/"):
        assert client.get(path).status_code == 404
        assert client.post(path).status_code == 404


# -- queries -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [2, 20])
def test_the_page_and_its_list_need_few_queries(client: Client, queries: Queries, n: int) -> None:
    keys = ["01", "02", *(f"{number:02d}" for number in range(3, n + 1))]
    cohort = load_cohort(only(*keys))
    client.force_login(cohort.clinic.clinician)
    client.get(OUTCOMES)
    with queries("report outcomes"):
        whole = client.get(OUTCOMES, {"period": "this-year"})
    with queries("report outcomes compared"):
        compared = client.get(OUTCOMES, {"period": "this-year", "vs_period": "previous"})
    with queries("report list"):
        listed = client.get("/reports/outcomes/list/response/")
    with queries("report list with names"):
        named = client.post("/reports/outcomes/list/response/")
    assert {one.status_code for one in (whole, compared, listed, named)} == {200}
    assert cohort.courses["01"].patient.name in words(named.content.decode())
    assert cohort.courses["01"].patient.name not in words(listed.content.decode())
