"""Reports taken away: the same numbers as the page, by whom they may be taken, and that it is written down."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import time_machine
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import CourseResult, ReportTaken
from courses.pure.reports.analysis_columns import HEAD, dictionary
from courses.tests.report_kit import put_result
from patients.models import Patient
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 4, 1, 13, 5, tzinfo=UTC)
QUARTER = {"since": "2027-01-01", "until": "2027-03-31"}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic("Brooklyn")


def people(many: int) -> list[Patient]:
    return [make_patient("Xanthippe", f"Quillfeather{n}", sex="female") for n in range(many)]


def responses(clinic: Clinic, good: int, of: int) -> list[CourseResult]:
    """So many courses responded of so many; one more has no baseline."""
    everybody = people(of + 1)
    rows = [put_result(clinic, one) for one in everybody[:good]]
    poor = {"end": "NON_RESPONSE", "end_score": Decimal(18), "end_improvement": Decimal(10), "first_response": None}
    rows += [put_result(clinic, one, **poor, speed="", held_days=None, censored_by="") for one in everybody[good:of]]
    none = {"baseline": None, "severity": "", "is_evaluable": False, "end": "NO_BASELINE", "end_score": None}
    last = put_result(
        clinic,
        everybody[of],
        **none,
        end_improvement=None,
        first_response=None,
        speed="",
        held_days=None,
        censored_by="",
    )
    return [*rows, last]


def file_url(suffix: str, kind: str = "outcomes") -> str:
    return reverse("reports:file", args=[kind, suffix])


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def lines_of(answer: Any) -> list[dict[str, str]]:
    text = body(answer).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


# -- a report as a file ------------------------------------------------------------------------------------------------
def test_csv_and_workbook_say_the_same_as_each_other_and_as_counting_by_hand(client: Client, clinic: Clinic) -> None:
    """11 of 17 responded: 64.70588 %."""
    responses(clinic, 11, 17)
    as_(client, clinic.manager)
    lines = lines_of(client.get(file_url("csv"), QUARTER))
    (response,) = [one for one in lines if one["key"] == "response" and one["line"] == "figure"]
    assert (response["numerator"], response["denominator"]) == ("11", "17")
    assert round(Decimal(response["value"]), 5) == Decimal("64.70588")
    assert "no baseline 1" in response["missing"]
    book = openpyxl.load_workbook(io.BytesIO(body(client.get(file_url("xlsx"), QUARTER))))
    rows = list(book["Figures"].iter_rows(values_only=True))
    (again,) = [row for row in rows if row[13] == "response"]
    assert (again[3], again[7], again[8]) == (float(Decimal(response["value"])), 11, 17)


@pytest.mark.parametrize(
    ("suffix", "kind", "begin"),
    [
        ("csv", "text/csv; charset=utf-8", "\ufeffreport,".encode()),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("pdf", "application/pdf", b"%PDF"),
    ],
)
def test_each_format_is_what_it_says_and_its_name_tells_the_period(
    client: Client, clinic: Clinic, suffix: str, kind: str, begin: bytes
) -> None:
    responses(clinic, 3, 6)
    answer = as_(client, clinic.manager).get(file_url(suffix), QUARTER)
    assert answer.status_code == 200
    assert answer["Content-Type"] == kind
    assert answer["Content-Disposition"] == (f'attachment; filename="outcomes-2027-01-01-to-2027-03-31.{suffix}"')
    assert answer["Cache-Control"] == "no-store, private"
    assert body(answer).startswith(begin)


def test_no_name_is_in_any_of_them(client: Client, clinic: Clinic) -> None:
    responses(clinic, 3, 6)
    text = body(as_(client, clinic.manager).get(file_url("csv"), QUARTER)).decode()
    assert "Quillfeather" not in text
    assert "Xanthippe" not in text


def test_an_empty_report_is_a_file_too(client: Client, clinic: Clinic) -> None:
    as_(client, clinic.manager)
    for suffix in ("csv", "xlsx", "pdf"):
        assert client.get(file_url(suffix), {"period": "all"}).status_code == 200
    assert 'filename="outcomes-all-time.csv"' in client.get(file_url("csv"), {"period": "all"})["Content-Disposition"]


def test_who_took_which_file_with_which_filters_is_written_down_for_good(client: Client, clinic: Clinic) -> None:
    as_(client, clinic.clinician).get(file_url("pdf"), QUARTER)
    row = ReportTaken.objects.get()
    assert (row.user, row.what, row.at, row.courses) == (clinic.clinician, "Outcomes, PDF", NOW, None)
    assert "1 Jan 2027 to 31 Mar 2027" in row.about
    assert row.path.startswith("/reports/outcomes/file/pdf/?since=2027-01-01")
    with pytest.raises(DatabaseError), transaction.atomic():
        ReportTaken.objects.update(what="x")
    with pytest.raises(DatabaseError), transaction.atomic():
        row.delete()


def test_odd_filters_are_the_page_with_what_is_wrong_and_no_file(client: Client, clinic: Clinic) -> None:
    answer = as_(client, clinic.manager).get(file_url("csv"), {"since": "2027-13-45"})
    assert answer.status_code == 422
    assert "is no day" in answer.content.decode()
    assert not ReportTaken.objects.exists()


def test_other_formats_and_reports_are_not_there(client: Client, clinic: Clinic) -> None:
    as_(client, clinic.manager)
    assert client.get("/reports/outcomes/file/exe/").status_code == 404
    assert client.get("/reports/nothing/file/csv/").status_code == 404


@pytest.mark.parametrize(
    ("kind", "who", "status"),
    [
        ("outcomes", "clinician", 200), ("outcomes", "manager", 200), ("outcomes", "desk", 403), ("outcomes", "nurse", 403),
        ("operations", "desk", 200), ("operations", "manager", 200), ("operations", "clinician", 403),
        ("operations", "nurse", 403),
    ],
)  # fmt: skip
def test_a_file_is_for_those_who_may_see_its_page(
    client: Client, clinic: Clinic, kind: str, who: str, status: int
) -> None:
    assert as_(client, getattr(clinic, who)).get(file_url("csv", kind)).status_code == status
    assert ReportTaken.objects.exists() == (status == 200)


def test_a_stranger_signs_in_first(client: Client) -> None:
    for url in (file_url("csv"), reverse("reports:table_file", args=["csv"]), reverse("reports:taken")):
        answer = client.get(url)
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


# -- who took what -----------------------------------------------------------------------------------------------------
def test_a_manager_reads_who_took_what_and_others_do_not(client: Client, clinic: Clinic) -> None:
    url = reverse("reports:taken")
    assert "No file was taken yet" in as_(client, clinic.manager).get(url).content.decode()
    as_(client, clinic.clinician).get(file_url("csv"), QUARTER)
    assert client.get(url).status_code == 403
    page = as_(client, clinic.manager).get(url).content.decode()
    assert "Outcomes, CSV" in page
    assert clinic.clinician.display_name in page
    assert "sums only" in page


def test_the_list_of_files_needs_few_queries(client: Client, clinic: Clinic, queries: Queries) -> None:
    as_(client, clinic.manager)
    for many in (2, 20):
        for number in range(many):
            ReportTaken.objects.create(at=NOW, user=clinic.manager, what=f"File {number}", path="/reports/")
        with queries("reports: files taken"):
            assert client.get(reverse("reports:taken")).status_code == 200


# -- the analysis table ------------------------------------------------------------------------------------------------
def test_the_table_has_a_line_for_each_course_and_its_dictionary_every_column(client: Client, clinic: Clinic) -> None:
    responses(clinic, 11, 17)
    lines = lines_of(as_(client, clinic.clinician).get(reverse("reports:table_file", args=["csv"]), QUARTER))
    assert len(lines) == 18
    assert tuple(lines[0]) == HEAD
    assert sorted({one["end"] for one in lines}) == ["no_baseline", "non_response", "response"]
    assert sum(one["end"] == "response" for one in lines) == 11
    page = client.get(reverse("reports:table"), QUARTER).content.decode()
    for name, *_ in dictionary({}):
        assert f"<code>{name}</code>" in page
    said = lines_of(client.get(reverse("reports:table_file", args=["dictionary"])))
    assert [one["variable"] for one in said] == list(HEAD)


def test_page_and_dictionaries_say_how_much_is_withheld_and_why(client: Client, clinic: Clinic) -> None:
    """Six women of 41 and one of 81: the referrer and the narrow band are given up, of all seven."""
    for one in people(6):
        put_result(clinic, one)
    put_result(clinic, make_patient("Old", "Person", birth_date=date(1945, 5, 1), sex="female"))
    as_(client, clinic.manager)
    page = client.get(reverse("reports:table"), QUARTER).content.decode()
    assert '<strong class="tabular">7</strong> of the courses were made coarser' in page
    assert "age_band is under 40, or 40 and over" in page
    url = reverse("reports:table_file", args=["dictionary"])
    assert f"{url}?since=2027-01-01&amp;until=2027-03-31" in page
    said = {one["variable"]: one["withheld"] for one in lines_of(client.get(url, QUARTER))}
    assert said["has_referrer"] == "7 of 7 withheld: fewer than 5 patients would share what is said of them"
    assert said["age_band"] == "0 of 7 withheld, 7 wider: fewer than 5 patients would share what is said of them"
    assert (said["sex"], said["end_score"]) == ("0 of 7 withheld", "")
    assert said["age_band"] in page
    book = openpyxl.load_workbook(io.BytesIO(body(client.get(reverse("reports:table_file", args=["xlsx"]), QUARTER))))
    lines = list(book["Dictionary"].iter_rows(values_only=True))
    assert {line[0]: line[5] or "" for line in lines[1:]} == said
    about = {row[0]: row[1] for row in book["About"].iter_rows(values_only=True) if row[0]}
    assert about["Courses told more coarsely"] == 7
    assert "(1) has_referrer is withheld; (2) age_band is twenty years" in about["Withheld"]


def test_the_dictionary_of_too_few_patients_counts_nobody(client: Client, clinic: Clinic) -> None:
    for one in people(4):
        put_result(clinic, one)
    answer = as_(client, clinic.manager).get(reverse("reports:table_file", args=["dictionary"]), QUARTER)
    assert {one["withheld"] for one in lines_of(answer)} == {""}


def test_the_workbook_has_the_same_rows_and_the_dictionary_beside_them(client: Client, clinic: Clinic) -> None:
    responses(clinic, 3, 6)
    as_(client, clinic.manager)
    lines = lines_of(client.get(reverse("reports:table_file", args=["csv"]), QUARTER))
    answer = client.get(reverse("reports:table_file", args=["xlsx"]), QUARTER)
    assert answer["Content-Disposition"] == 'attachment; filename="analysis-table-2027-01-01-to-2027-03-31.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(body(answer)))
    assert book.sheetnames == ["About", "Data", "Dictionary"]
    head, *rows = book["Data"].iter_rows(values_only=True)
    assert head == HEAD
    assert len({row[0] for row in rows}) == 7
    assert not {row[0] for row in rows} & {one["course_key"] for one in lines}  # keys belong to one file
    said = [HEAD.index("condition"), HEAD.index("end")]
    assert sorted(tuple(row[at] for at in said) for row in rows) == sorted(
        (one["condition"], one["end"]) for one in lines
    )
    assert [row[HEAD.index("given_in_all")] for row in rows] == [288.4] * 7
    assert [row[0] for row in list(book["Dictionary"].iter_rows(values_only=True))[1:]] == list(HEAD)
    about = {row[0]: row[1] for row in book["About"].iter_rows(values_only=True) if row[0]}
    assert about["Courses"] == 7
    assert "de-identified data of a clinic and not anonymous data" in about["What remains"]


def test_taking_it_is_written_down_with_how_many_and_reads_no_record(client: Client, clinic: Clinic) -> None:
    responses(clinic, 3, 6)
    as_(client, clinic.clinician).get(reverse("reports:table_file", args=["csv"]), QUARTER)
    row = ReportTaken.objects.get()
    assert (row.user, row.what, row.courses) == (clinic.clinician, "Analysis table, CSV", 7)
    assert not AccessLog.objects.exists()


def test_of_four_patients_there_is_no_table_and_the_page_says_why(client: Client, clinic: Clinic) -> None:
    for one in people(4):
        put_result(clinic, one)
    as_(client, clinic.manager)
    page = client.get(reverse("reports:table"), QUARTER)
    assert page.status_code == 200
    assert "Too few for a table" in page.content.decode()
    assert reverse("reports:table_file", args=["csv"]) not in page.content.decode()
    answer = client.get(reverse("reports:table_file", args=["csv"]), QUARTER)
    assert answer.status_code == 422
    assert "no table is given out" in answer.content.decode()
    assert not ReportTaken.objects.exists()


def test_without_a_course_the_page_says_so_and_still_explains_its_columns(client: Client, clinic: Clinic) -> None:
    page = as_(client, clinic.manager).get(reverse("reports:table")).content.decode()
    assert "No course to put into the table" in page
    assert "<code>course_key</code>" in page


def test_odd_filters_of_the_table_are_named(client: Client, clinic: Clinic) -> None:
    responses(clinic, 3, 6)
    as_(client, clinic.manager)
    for name, args in (("table", []), ("table_file", ["csv"])):
        answer = client.get(reverse(f"reports:{name}", args=args), {"location": "x"})
        assert answer.status_code == 422
        assert "is no choice of the list" in answer.content.decode()
    assert client.get(reverse("reports:table_file", args=["pdf"])).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("clinician", 200), ("manager", 200), ("desk", 403), ("nurse", 403)])
def test_the_table_is_for_clinicians_and_managers(client: Client, clinic: Clinic, who: str, status: int) -> None:
    responses(clinic, 3, 6)
    as_(client, getattr(clinic, who))
    assert client.get(reverse("reports:table")).status_code == status
    assert client.get(reverse("reports:table_file", args=["csv"]), QUARTER).status_code == status


def test_the_page_of_the_table_needs_few_queries(client: Client, clinic: Clinic, queries: Queries) -> None:
    as_(client, clinic.manager)
    for many in (5, 15):
        for one in people(many):
            put_result(clinic, one, date(2027, 1, 4))
        client.get(reverse("reports:table"), QUARTER)
        with queries("reports: analysis table"):
            assert client.get(reverse("reports:table"), QUARTER).status_code == 200
