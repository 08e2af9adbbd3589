"""The import pages: upload, columns, check, progress, result; by role."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from patients.models import ImportRun, ImportState, Patient
from patients.services.imports.runs import perform_run
from patients.services.search import refresh_search
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db

GOOD = "Chart no,Rufname,Last name,DOB,SSN\n1,Ada,Okafor,3/14/1985,999-12-3456\n2,José,Gómez,5/25/1989,999-12-3457\n"
BAD = GOOD + "3,Cy,Diaz,2/31/1985,999-12-3458\n"
MAY = (Role.FRONT_DESK, Role.CLINICIAN, Role.MANAGER)


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def desk(client):
    client.force_login(make_user(Role.FRONT_DESK))
    return client


def upload(client, text=BAD, **fields):
    file = SimpleUploadedFile("list.csv", text.encode() if isinstance(text, str) else text)
    return client.post(reverse("patients:import"), {"source": "generic", "file": file} | fields)


def uploaded(client, text=BAD):
    upload(client, text)
    return ImportRun.objects.latest("pk")


def columns_of(run, **changes):
    return {
        **run.mapping,
        "given_name": "Rufname",
        "encoding": run.encoding,
        "date_order": "mdy",
        "id_system": "",
        "duplicates": "skip",
    } | changes


def at(name, run):
    return reverse(f"patients:{name}", args=[run.pk])


def work(run):
    perform_run(run.pk, now=timezone.now())


def test_from_upload_to_result(desk):
    run = uploaded(desk)
    page = desk.get(at("import_run", run)).content.decode()
    assert "José" in page
    assert "UTF-8, separated by comma" in page
    assert "999-12-3456" not in page  # what is never imported is not shown
    assert "Never imported and not shown: SSN" in page

    answer = desk.post(at("import_check", run), columns_of(run), follow=True)
    assert "Waiting for a background worker" in answer.content.decode()
    work(run)
    page = desk.get(at("import_run", run)).content.decode()
    assert "1 row is refused." in page
    assert "is a day that does not exist" in page
    assert "Import the good rows (2)" in page
    assert not Patient.objects.exists()

    desk.post(at("import_start", run), {"good_rows": "1"})
    work(run)
    page = desk.get(at("import_run", run)).content.decode()
    assert "2 patients are new" in page
    assert Patient.objects.filter(family_name="Gómez", given_name="José").exists()

    listed = desk.get(at("import_refused", run))
    assert listed.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "list.csv,4,Refused,DOB,2/31/1985,is a day that does not exist" in listed.content.decode()


def test_a_file_that_is_no_table_is_refused_on_the_form(desk):
    answer = upload(desk, b"%PDF-1.7")
    assert answer.status_code == 422
    assert "This is a PDF. Export the list as CSV or XLSX and choose that." in answer.content.decode()
    assert not ImportRun.objects.exists()


def test_a_missing_column_is_named_and_nothing_is_started(desk):
    run = uploaded(desk)
    answer = desk.post(at("import_check", run), columns_of(run, given_name=""))
    assert answer.status_code == 422
    assert "No column stands for “Given name”." in answer.content.decode()
    run.refresh_from_db()
    assert run.state == ImportState.UPLOADED


def test_an_identity_number_cannot_be_chosen(desk):
    run = uploaded(desk)
    answer = desk.post(at("import_check", run), columns_of(run, referrer="SSN"))
    assert answer.status_code == 422


def test_progress_is_asked_for_until_it_ends_and_works_without_javascript(desk):
    run = uploaded(desk, GOOD)
    desk.post(at("import_check", run), columns_of(run))
    waiting = desk.get(at("import_progress", run), headers={"HX-Request": "true"})
    assert "Waiting for a background worker" in waiting.content.decode()
    assert at("import_run", run) in waiting.content.decode()  # the link that works without JavaScript
    work(run)
    ended = desk.get(at("import_progress", run), headers={"HX-Request": "true"})
    assert ended.headers["HX-Refresh"] == "true"
    assert desk.get(at("import_progress", run)).headers["Location"] == at("import_run", run)


def test_a_likely_duplicate_is_shown_and_left_out(desk):
    known = make_patient("Ada", "Okafor")
    known.birth_date = known.birth_date.replace(year=1985, month=3, day=14)
    known.save()
    refresh_search([known])
    run = uploaded(desk, GOOD)
    desk.post(at("import_check", run), columns_of(run))
    work(run)
    page = desk.get(at("import_run", run)).content.decode()
    assert f"likely duplicate of MRN {known.mrn}" in page
    assert "Import 1 patient<" in page


def test_settings_can_be_changed_after_a_check(desk):
    run = uploaded(desk, GOOD)
    desk.post(at("import_check", run), columns_of(run))
    work(run)
    page = desk.get(at("import_run", run) + "?columns").content.decode()
    assert "Which column is what" in page


def test_a_run_that_is_being_worked_on_is_left_alone(desk):
    run = uploaded(desk, GOOD)
    desk.post(at("import_check", run), columns_of(run))
    answer = desk.post(at("import_start", run), follow=True)
    assert "being worked on already" in answer.content.decode()
    desk.post(at("import_discard", run))
    assert ImportRun.objects.filter(pk=run.pk).exists()


def test_a_discarded_file_is_gone_from_the_disk(desk, tmp_path):
    run = uploaded(desk)
    assert [path for path in tmp_path.rglob("*") if path.is_file()]
    desk.post(at("import_discard", run))
    assert not ImportRun.objects.exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("role", list(Role))
def test_who_may_import(client, role):
    run = uploaded_by_somebody(client)
    client.force_login(make_user(role))
    expected = 200 if role in MAY else 403
    assert client.get(reverse("patients:import")).status_code == expected
    assert client.get(at("import_run", run)).status_code == expected
    assert client.get(at("import_refused", run)).status_code == expected
    for name in ("import_check", "import_start", "import_discard"):
        assert (client.post(at(name, run)).status_code == 403) == (role not in MAY)


def test_signed_out_nothing_of_it_is_reached(client):
    run = uploaded_by_somebody(client)
    client.logout()
    for name in ("import_run", "import_progress", "import_refused"):
        assert client.get(at(name, run)).headers["Location"].startswith(reverse("account_login"))


def uploaded_by_somebody(client):
    client.force_login(make_user(Role.MANAGER))
    return uploaded(client, GOOD)


@pytest.mark.parametrize("count", [2, 20])
def test_the_pages_take_as_many_queries_for_20_refused_rows_as_for_2(desk, queries, count):
    run = uploaded(desk, GOOD + "".join(f"{n + 9},X,Y,2/31/1985,\n" for n in range(count)))
    with queries("import, columns"):
        answer = desk.get(at("import_run", run))
    assert answer.status_code == 200
    desk.post(at("import_check", run), columns_of(run))
    work(run)
    with queries("import, result"):
        answer = desk.get(at("import_run", run))
    assert answer.status_code == 200
    with queries("import, list"):
        answer = desk.get(reverse("patients:import"))
    assert answer.status_code == 200


def test_a_run_whose_file_is_gone_says_so_and_can_be_discarded(desk):
    run = uploaded(desk)
    Path(run.file.path).unlink()
    page = desk.get(at("import_run", run))
    assert page.status_code == 200
    assert "The file is no longer there. Choose it again." in page.content.decode()
    desk.post(at("import_check", run), columns_of(run))
    work(run)
    run.refresh_from_db()
    assert (run.state, run.message) == (ImportState.FAILED, "The file is no longer there. Choose it again.")
    assert desk.post(at("import_discard", run)).status_code == 302
    assert not ImportRun.objects.filter(pk=run.pk).exists()
