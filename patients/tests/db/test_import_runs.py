"""The life of an import: upload, check, import; refused, lost with its worker, begun again. And the command."""

import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from clinic.pure.cells import safe_cell
from clinic.tests.factories import make_user
from clinic.tests.processes_kit import database_url
from patients.adapters.tables import UnreadableFileError
from patients.models import (
    Allergy,
    ImportRefusal,
    ImportRun,
    ImportSource,
    ImportState,
    Patient,
    PatientStatus,
    Problem,
)
from patients.services.imports.refusals import write_refusals
from patients.services.imports.runs import (
    NotNowError,
    begin_run,
    forget_old_files,
    perform_run,
    progress_of,
    request_run,
    settle_lost,
)

NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
WHOLE_POPULATION = settings.BASE_DIR.parent / "shared" / "data" / "synthea"
GOOD = "Chart no,First name,Last name,DOB,SSN\n1,Ada,Okafor,3/14/1985,999-12-3456\n2,Bo,Chen,12/24/1990,999-12-3457\n"
ONE_BAD = GOOD + "3,Cy,Diaz,2/31/1985,999-12-3458\n"


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


def begin(text=GOOD, name="list.csv", **options):
    file = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
    wishes: dict[str, Any] = {"file": file, "source": ImportSource.GENERIC, "by": make_user(), "now": NOW} | options
    return begin_run(**wishes)


def go(run, **wishes):
    """Asked for and worked on, as a worker would."""
    request_run(run.pk, **wishes)
    perform_run(run.pk, now=NOW)
    run.refresh_from_db()
    return run


def kept_files():
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


@pytest.mark.django_db
def test_an_uploaded_file_is_understood_before_anything_is_saved():
    run = begin(GOOD.encode("utf-16"))
    assert (run.state, run.encoding, run.delimiter) == (ImportState.UPLOADED, "utf-16", ",")
    assert run.columns == ["Chart no", "First name", "Last name", "DOB", "SSN"]
    assert run.mapping == {
        "external_id": "Chart no",
        "given_name": "First name",
        "family_name": "Last name",
        "birth_date": "DOB",
    }
    assert run.date_order == "mdy"  # 14 and 24 are no months
    assert len(kept_files()) == 1
    assert not Patient.objects.exists()


@pytest.mark.django_db
def test_a_file_that_is_no_table_is_not_kept():
    with pytest.raises(UnreadableFileError):
        begin("")
    assert not ImportRun.objects.exists()
    assert kept_files() == []


@pytest.mark.django_db
def test_check_then_import_then_the_file_is_gone():
    run = go(begin(), is_dry_run=True)
    assert (run.state, run.created, run.refused, run.rows_read) == (ImportState.CHECKED, 2, 0, 2)
    assert not Patient.objects.exists()
    run = go(run, is_dry_run=False)
    assert (run.state, run.created) == (ImportState.DONE, 2)
    assert Patient.objects.get(family_name="Okafor").birth_date == date(1985, 3, 14)
    assert kept_files() == []  # it held numbers that Cadence does not keep


@pytest.mark.django_db
def test_an_upload_that_nobody_imports_is_forgotten_after_a_week():
    run = begin()
    assert forget_old_files(now=NOW + timedelta(days=6)) == 0
    assert len(kept_files()) == 1
    assert forget_old_files(now=NOW + timedelta(days=8)) == 1
    assert kept_files() == []
    run.refresh_from_db()
    assert not run.file


@pytest.mark.django_db
def test_a_refused_row_refuses_the_file_and_the_good_rows_can_be_chosen():
    run = go(begin(ONE_BAD), is_dry_run=False)
    assert (run.state, run.created, run.refused) == (ImportState.REFUSED, 0, 1)
    assert run.message == "1 row was refused; nothing was saved."
    refusal = run.refusals.get()
    assert (refusal.row, refusal.column, refusal.value) == (4, "DOB", "2/31/1985")
    assert refusal.reason == "is a day that does not exist"
    assert not Patient.objects.exists()
    run = go(run, is_dry_run=False, good_rows_only=True)
    assert (run.state, run.created, run.refused) == (ImportState.DONE, 2, 1)


@pytest.mark.django_db
def test_the_columns_of_a_file_like_this_are_remembered():
    text = GOOD.replace("SSN", "Sent by")
    run = begin(text)
    assert "referrer" not in run.mapping
    run.mapping = {**run.mapping, "referrer": "Sent by"}
    run.id_system = "Old EHR"
    run.save()
    assert go(run, is_dry_run=False).state == ImportState.DONE
    again = begin(text)
    assert (again.mapping["referrer"], again.id_system) == ("Sent by", "Old EHR")


@pytest.mark.django_db
def test_a_run_is_not_started_twice_nor_after_it_is_done():
    run = begin()
    request_run(run.pk, is_dry_run=False)
    with pytest.raises(NotNowError):
        request_run(run.pk, is_dry_run=False)
    perform_run(run.pk, now=NOW)
    perform_run(run.pk, now=NOW)  # the broker hands it out once more
    assert Patient.objects.count() == 2
    with pytest.raises(NotNowError):
        request_run(run.pk, is_dry_run=False)


@pytest.mark.django_db
def test_the_work_is_given_to_the_slow_queue_once_the_request_is_committed(
    django_capture_on_commit_callbacks, monkeypatch
):
    sent = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args: sent.append((name, args)))
    run = begin()
    with django_capture_on_commit_callbacks(execute=True):
        request_run(run.pk, is_dry_run=True)
        assert sent == []
    assert sent == [("patients.tasks.imports.run_import", (run.pk,))]
    assert settings.CELERY_TASK_ROUTES["patients.tasks.imports.*"] == {"queue": "slow"}


@pytest.mark.django_db
def test_something_unexpected_is_shown_as_failed_and_can_be_repeated(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("disk full")

    run = begin()
    with monkeypatch.context() as patched:
        patched.setattr("patients.services.imports.perform.create_patients", broken)
        run = go(run, is_dry_run=False)
    assert run.state == ImportState.FAILED
    assert run.message.startswith("Something unexpected went wrong; nothing was saved.")
    assert not Patient.objects.exists()
    assert go(run, is_dry_run=False).state == ImportState.DONE


KILLED = """
import sys, time, django
django.setup()
from django.conf import settings
from patients.services.imports import runs
settings.MEDIA_ROOT = sys.argv[2]
from django.utils import timezone
def slow(key, rows, timeout):
    print("reading", rows, flush=True)
    time.sleep(60)
runs.cache.set = slow
runs.perform_run(int(sys.argv[1]), now=timezone.now())
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_leaves_nothing_and_its_run_is_failed_and_repeatable():
    """A real process, killed with rows already written in its open transaction."""
    run = begin()
    request_run(run.pk, is_dry_run=False)
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(run.pk), str(settings.MEDIA_ROOT)],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "clinic.settings",
            "CADENCE_ENV": "development",
        },
        cwd=settings.BASE_DIR,
    )
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline().startswith("reading 2")
        run.refresh_from_db()
        settle_lost(run, now=NOW)
        assert run.state == ImportState.RUNNING  # its worker lives
        other = begin("Id,First,Last,DOB\n9,Eve,Long,1970-01-01\n", by=None)
        assert go(other, is_dry_run=False).message.startswith("Another import is running.")
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()
    for _ in range(50):  # until the server has noticed
        settle_lost(run, now=NOW)
        if run.state != ImportState.RUNNING:
            break
        time.sleep(0.1)
    assert run.state == ImportState.FAILED
    assert run.message == "The worker was stopped in the middle. Nothing was saved; start the import again."
    assert not Patient.objects.exists()
    assert go(run, is_dry_run=False).created == 2


@pytest.mark.django_db
def test_a_redelivered_run_whose_worker_died_is_failed_not_begun_again():
    run = begin()
    request_run(run.pk, is_dry_run=False)
    ImportRun.objects.update(started_at=NOW)  # a worker began and is gone
    perform_run(run.pk, now=NOW)
    run.refresh_from_db()
    assert run.state == ImportState.FAILED
    assert not Patient.objects.exists()


@pytest.mark.django_db
def test_progress_is_told_while_the_transaction_is_open(monkeypatch):
    seen = []
    run = begin("Id,First,Last,DOB\n" + "".join(f"{n},Ada{n:03d},Okafor,1985-03-14\n" for n in range(6)))
    monkeypatch.setattr("patients.services.imports.perform.BATCH", 2)
    monkeypatch.setattr("patients.services.imports.perform.read_clinical", lambda *_: seen.append(progress_of(run)))
    go(run, is_dry_run=True)
    assert seen == [6]


# --- the list of refused rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_no_cell_of_the_list_is_a_formula(text):
    """OWASP, CSV Injection: cells that begin with one of these are run by a spreadsheet."""
    assert safe_cell(text) == f"'{text}"


def test_other_cells_stay_as_they_are():
    assert safe_cell("1985-03-14") == "1985-03-14"


@pytest.mark.django_db
def test_the_list_names_line_column_value_and_reason():
    run = begin(name="=evil.csv")
    ImportRefusal.objects.create(
        run=run, row=7, column="E-mail", value="=cmd|' /C calc'!A0", reason="enter a valid email"
    )
    file = StringIO()
    write_refusals(run, file)
    lines = file.getvalue().lstrip("\ufeff").splitlines()
    assert lines == [
        "File,Line,Kind,Column,Value,Reason",
        "'=evil.csv,7,Refused,E-mail,'=cmd|' /C calc'!A0,enter a valid email",
    ]


# --- the command ---------------------------------------------------------------------------------------------------


def command(*arguments):
    out = StringIO()
    call_command("import_patients", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.django_db
@pytest.mark.skipif(not WHOLE_POPULATION.is_dir(), reason="the public population is not beside this checkout")
def test_the_whole_synthea_population_comes_in_by_one_command():
    """Counted in the files themselves: 1,171 patients, 171 with a day of death, 8,376 conditions, 597 allergies."""
    assert command(WHOLE_POPULATION, "--dry-run").startswith("1171 rows: 1171 patients would be created")
    assert not Patient.objects.exists()
    assert command(WHOLE_POPULATION).startswith(
        "1171 rows: 1171 patients were created, 0 updated, 0 unchanged; 0 rows refused"
    )
    assert Patient.objects.count() == 1171
    assert Patient.objects.filter(status=PatientStatus.DECEASED, deceased_on__isnull=False).count() == 171
    assert Patient.objects.filter(birth_date__gt=date(2010, 1, 1)).count() > 100  # there are children
    assert (Problem.objects.count(), Allergy.objects.count()) == (8376, 597)
    assert command(WHOLE_POPULATION).startswith("1171 rows: 0 patients were created, 0 updated, 1171 unchanged")
    assert (Problem.objects.count(), Allergy.objects.count()) == (8376, 597)


@pytest.mark.django_db
def test_the_command_reads_a_table_and_says_what_it_refused(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(ONE_BAD, encoding="utf-8")
    listed = tmp_path / "refused.csv"
    with pytest.raises(CommandError, match="nothing was saved"):
        command(path, "--refused", listed)
    assert "2/31/1985" in listed.read_text(encoding="utf-8-sig")
    assert not Patient.objects.exists()
    make_user(username="ruth")
    said = command(path, "--good-rows", "--as", "ruth")
    assert "2 patients were created" in said
    assert "list.csv, line 4, DOB: '2/31/1985' is a day that does not exist" in said
    assert ImportRun.objects.values_list("by__username", flat=True)[0] == "ruth"
    assert path.exists()  # the caller's own file is not touched


@pytest.mark.django_db
def test_the_command_takes_columns_and_order_of_dates(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("Vor;Nach;Tag\nAda;Okafor;3/4/1985\n", encoding="utf-8")
    with pytest.raises(CommandError, match="No column stands for “Given name”"):
        command(path)
    command(
        path, "--map", "given_name=Vor", "--map", "family_name=Nach", "--map", "birth_date=Tag", "--date-order", "dmy"
    )
    assert Patient.objects.get().birth_date == date(1985, 4, 3)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "is no file"),
        (["{empty}"], "The file is empty"),
        (["{good}", "--as", "nobody"], "nobody signs in with this name"),
        (["{good}", "--map", "colour=DOB"], "write NAME=COLUMN"),
        (["{good}", "--encoding", "klingon"], "unknown encoding"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, arguments, words):
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    places = {"empty": tmp_path / "empty.csv", "good": tmp_path / "good.csv"}
    with pytest.raises(CommandError, match=words):
        command(*[argument.format(**places) for argument in arguments])


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_the_run_says_so_and_can_be_started_again(monkeypatch):
    run = begin()
    with monkeypatch.context() as away:
        nobody = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
        away.setattr("clinic.services.jobs.current_app", nobody)
        with pytest.raises(NotNowError, match="cannot be reached"):
            request_run(run.pk, is_dry_run=True)
    run.refresh_from_db()
    assert run.state == ImportState.FAILED
    assert "try it again in a minute" in run.message
    request_run(run.pk, is_dry_run=True)
    perform_run(run.pk, now=NOW)
    run.refresh_from_db()
    assert run.state == ImportState.CHECKED
