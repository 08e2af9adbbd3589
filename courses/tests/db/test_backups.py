"""Backup and restore of a whole small clinic: what comes back, what is refused, what never happens afterwards."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
from django.contrib.sessions.backends.cached_db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from clinic.adapters import age, pg_databases, pg_dump
from clinic.models import Allocation, BackupRun, BackupState, Booking, Location, Restoration, User
from clinic.services.backups import archive, checking, writing
from clinic.services.backups.contents import BackupError, Head, applied_migrations, measure
from clinic.services.backups.restoring import IDS_SKIPPED, identities, restore
from clinic.services.backups.writing import Made, make_backup
from courses.models import DrugDraw, InfusionRecord, StockEntry
from courses.tests.backup_kit import database, own_name, replaced, set_up, template, unblocked
from courses.tests.small_clinic import make_small_clinic
from patients.models import Message, MessageState, Patient
from patients.services.messages.planning import sweep
from patients.services.messages.sending import claim_due, retry, send_claimed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("backups")]
ROOT = Path(__file__).resolve().parents[3]


class Source:
    """A backup of the small clinic, made once; each test works on a copy of its database."""

    name: str
    key: Path
    made: Made


@pytest.fixture(scope="module")
def source(django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory) -> Iterator[Source]:
    with pytest.MonkeyPatch.context() as patch, unblocked(django_db_blocker):
        from django.conf import settings  # noqa: PLC0415 (changed for the module, and put back)

        one, folder = Source(), tmp_path_factory.mktemp("backups")
        for name in ("BACKUP_RECIPIENTS", "BACKUP_DIR", "MEDIA_ROOT", "BACKUP_OWN_KEY"):
            patch.setattr(settings, name, getattr(settings, name))
        one.key = set_up(settings, folder)
        with database(own_name("source"), copied=template()) as one.name:
            make_small_clinic()
            one.made = make_backup()
            connection.close()
            yield one


@pytest.fixture
def clinic_db(source: Source, settings: Settings, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A copy of the small clinic, with folders of its own, that Django's connection leads to."""
    with unblocked(django_db_blocker):
        set_up(settings, tmp_path)
        with database(source.name.replace("_source", "_copy"), copied=source.name) as name:
            yield name


@pytest.fixture
def empty_db(source: Source, settings: Settings, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Django's connection leads to a database that does not exist yet, and the folders are empty."""
    with unblocked(django_db_blocker):
        set_up(settings, tmp_path)
        shutil.rmtree(settings.MEDIA_ROOT)
        with database(source.name.replace("_source", "_empty")) as name:
            yield name


def contents(name: str):
    with pg_databases.standing_still(name) as (cursor, _):
        return measure(cursor)


def back(source: Source, **how):
    return restore(source.made.path, keys=identities(source.key), **how)


# --- what a backup is -------------------------------------------------------------------------------------------------
def test_a_backup_is_whole_checked_and_noted(source: Source) -> None:
    made = source.made
    assert made.run.state == BackupState.DONE
    assert made.run.verified_at is not None
    assert made.run.bytes == made.path.stat().st_size
    assert made.run.sha256 == writing.digest_of(made.path)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert b"Vidal" not in made.path.read_bytes()
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]


def test_the_scratch_database_is_gone(source: Source) -> None:
    assert replaced(source.name) == []


def test_ordinary_tools_open_it_a_tar_with_a_dump_in_pieces(source: Source, tmp_path: Path) -> None:
    with age.decrypted(source.made.path, identities(source.key)) as stream:
        plain = stream.read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        tar.extractall(tmp_path, filter="data")
    assert {path.name for path in tmp_path.iterdir()} == {"head.json", "database", "media", "manifest.json"}
    assert (tmp_path / "database" / "000001").read_bytes()[:5] == b"PGDMP"
    assert (tmp_path / "media" / "imports" / "list.csv").read_text() == "given_name\nAda\n"


# --- restoring --------------------------------------------------------------------------------------------------------
def test_everything_comes_back_into_an_empty_database(source: Source, empty_db: str, settings: Settings) -> None:
    done = back(source)
    wanted, found = contents(source.name), contents(empty_db)
    may_differ = {"clinic_backuprun", "clinic_restoration"}
    assert {name: row for name, row in found.tables.items() if name not in may_differ} == {
        name: row for name, row in wanted.tables.items() if name not in may_differ
    }
    assert found.history == wanted.history
    assert found.events > 100
    assert set(found.guards) >= set(wanted.guards)
    assert done.kept_as == ""
    assert (Path(settings.MEDIA_ROOT) / "imports" / "list.csv").read_text() == "given_name\nAda\n"
    assert list(BackupRun.objects.values_list("state", "name")) == [("done", source.made.path.name)]
    assert replaced(empty_db) == []


def test_a_restored_clinic_keeps_its_rules(source: Source, empty_db: str) -> None:
    back(source)
    one = Allocation.objects.filter(released=False).select_related("booking").first()
    assert one is not None
    other = Booking.objects.exclude(pk=one.booking_id).first()
    with pytest.raises(IntegrityError, match="allocation_never_in_two_places"), transaction.atomic():
        Allocation.objects.create(
            booking=other, resource_id=one.resource_id, lane=one.lane, span=one.span, role=one.role
        )
    record = InfusionRecord.objects.get(signed_at__isnull=False)
    with pytest.raises(DatabaseError, match="signed_stays_as_it_is"), transaction.atomic():
        InfusionRecord.objects.filter(pk=record.pk).update(no_adverse_events_at=None)
    rosa = Patient.objects.get(given_name="Rosa")
    assert rosa.family_name == "Vidal"
    assert DrugDraw.objects.get().given_mg == DrugDraw.objects.get().drawn_mg
    assert list(StockEntry.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]


def test_records_are_replaced_only_by_name_and_kept_twice(source: Source, clinic_db: str) -> None:
    Location.objects.update(name="Changed since")
    with pytest.raises(BackupError, match="holds records"):
        back(source)
    with pytest.raises(BackupError, match="is not the name of this database"):
        back(source, replace="something_else")
    assert Location.objects.get().name == "Changed since"
    done = back(source, replace=clinic_db)
    assert Location.objects.get().name == "Downtown"
    assert done.before is not None
    assert done.before.exists()
    with pg_databases.connected(done.kept_as) as old, old.cursor() as cursor:
        cursor.execute("SELECT name FROM clinic_location")
        assert cursor.fetchall() == [("Changed since",)]


def test_whoever_is_connected_is_sent_away_and_finds_the_restored_records(source: Source, clinic_db: str) -> None:
    with pg_databases.connected(clinic_db) as other:
        back(source, replace=clinic_db, backup_first=False)
        with pytest.raises(psycopg2.OperationalError), other.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert Restoration.objects.get().backup_name == source.made.path.name


# --- what must not happen afterwards ----------------------------------------------------------------------------------
def test_what_was_due_before_the_restore_is_not_sent_again_until_somebody_says_so(
    source: Source, empty_db: str
) -> None:
    back(source)
    restored = Restoration.objects.get()
    due = Message.objects.filter(state=MessageState.PLANNED).order_by("due_at").first()
    assert due is not None
    Message.objects.filter(pk=due.pk).update(
        created_at=restored.at - timedelta(days=1), due_at=restored.at - timedelta(hours=1)
    )
    Message.objects.exclude(pk=due.pk).filter(state=MessageState.PLANNED).update(due_at=restored.at + timedelta(days=1))
    after = restored.at + timedelta(minutes=5)
    send_claimed(claim_due(now=after), now=after)
    due.refresh_from_db()
    assert due.state == MessageState.FAILED
    assert "may have gone out" in due.error
    sweep(now=after)
    due.refresh_from_db()
    assert due.state == MessageState.FAILED
    retry(due, by=User.objects.get(username="desk"), now=after)
    send_claimed(claim_due(now=after), now=after)
    due.refresh_from_db()
    assert "may have gone out" not in due.error


def test_nobody_is_signed_in_after_a_restore(source: Source, clinic_db: str) -> None:
    store = SessionStore()
    store["_auth_user_id"] = "1"
    store.create()
    assert SessionStore(store.session_key).load()
    back(source, replace=clinic_db, backup_first=False)
    assert Session.objects.count() == 0
    assert SessionStore(store.session_key).load() == {}


def test_numbers_that_were_given_away_since_are_not_given_again(source: Source, clinic_db: str) -> None:
    lost = Location.objects.create(name="Opened since", short_name="Since", time_zone="America/New_York")
    back(source, replace=clinic_db, backup_first=False)
    fresh = Location.objects.create(name="Opened later", short_name="Later", time_zone="America/New_York")
    assert fresh.pk == lost.pk + IDS_SKIPPED + 1


def test_moving_to_another_machine_holds_nothing_and_skips_no_numbers(source: Source, empty_db: str) -> None:
    last = max(contents(source.name).tables["clinic_location"][0], 1)
    assert back(source, was_moved=True).held_until is None
    fresh = Location.objects.create(name="Opened later", short_name="Later", time_zone="America/New_York")
    assert fresh.pk == last + 1


# --- while others write -----------------------------------------------------------------------------------------------
def test_writers_that_go_on_do_not_make_a_backup_differ(source: Source, clinic_db: str) -> None:
    stop, written = threading.Event(), []

    def write() -> None:
        with pg_databases.connected(clinic_db) as other, other.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("UPDATE clinic_location SET phone = phone || '1' RETURNING length(phone)")
                written.append(cursor.fetchone()[0])
                cursor.execute("UPDATE clinic_location SET phone = ''")

    before = contents(clinic_db).history["clinic_locationevent"][0]
    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = make_backup()
    finally:
        stop.set()
        writer.join()
    after = contents(clinic_db).history["clinic_locationevent"][0]
    assert made.run.verified_at is not None
    assert before <= made.contents.history["clinic_locationevent"][0] < after
    assert after - before >= 2 * len(written) > 0


def test_two_backups_never_run_at_once(source: Source, clinic_db: str) -> None:
    with pg_databases.alone(clinic_db), pytest.raises(pg_databases.BusyError, match="Another backup or restore"):
        make_backup()
    assert BackupRun.objects.filter(state=BackupState.RUNNING).count() == 0
    assert make_backup().run.state == BackupState.DONE


# --- what goes wrong --------------------------------------------------------------------------------------------------
def broken(path: Path, source: Source, change) -> Path:
    content = bytearray(source.made.path.read_bytes())
    path.write_bytes(change(content))
    return path


def flipped(content: bytearray) -> bytearray:
    content[len(content) // 2] ^= 1
    return content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[: len(content) // 2], "cut short or altered"),
        (lambda content: content[:-1], "cut short or altered"),
        (flipped, "cut short or altered"),
        (lambda _: bytearray(b"no backup at all"), "cut short or altered"),
        (lambda _: bytearray(), "cut short or altered"),
    ],
)
def test_a_file_that_was_cut_or_altered_restores_nothing(
    source: Source, empty_db: str, tmp_path: Path, change, said: str
) -> None:
    with pytest.raises(BackupError, match=said):
        restore(broken(tmp_path / "x.age", source, change), keys=identities(source.key))
    assert not pg_databases.exists(empty_db)
    assert replaced(empty_db) == []


def test_another_key_opens_nothing(source: Source, empty_db: str, tmp_path: Path) -> None:
    age.write_identity(tmp_path / "other.txt", now=timezone.now())
    with pytest.raises(BackupError, match="was written for another one"):
        restore(source.made.path, keys=identities(tmp_path / "other.txt"))
    assert not pg_databases.exists(empty_db)


def test_a_backup_of_a_newer_version_is_refused(source: Source, empty_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    later = applied_migrations_of(source.name) | {"clinic": ("9999_later",)}
    parse = Head.parse
    monkeypatch.setattr(
        Head,
        "parse",
        classmethod(lambda _, known: parse(known | {"version": "9.0", "migrations": later})),
    )
    with pytest.raises(BackupError, match=r"made by version 9\.0, which is newer than this one \(clinic 9999_later\)"):
        back(source)
    assert not pg_databases.exists(empty_db)


def applied_migrations_of(name: str) -> dict[str, tuple[str, ...]]:
    with pg_databases.pointed_at(name):
        return applied_migrations()


class Full(io.RawIOBase):
    """A disk with room for so many bytes, and no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, some) -> int:
        self.room -= len(some)
        if self.room < 0:
            raise OSError(28, "No space left on device", "/full")
        return len(some)


@pytest.mark.parametrize("room", [0, 200_000])
def test_a_full_disk_is_said_and_leaves_nothing_half(
    source: Source, clinic_db: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    encrypt = age.encrypt
    monkeypatch.setattr(age, "encrypt", lambda chunks, _, to: encrypt(chunks, Full(room), to))
    with pytest.raises(BackupError, match="The disk is full"):
        make_backup()
    assert list(Path(settings.BACKUP_DIR).iterdir()) == []
    run = BackupRun.objects.first()
    assert run is not None
    assert (run.state, run.error.startswith("The disk is full")) == (BackupState.FAILED, True)


def test_pg_dump_that_is_killed_makes_no_backup(
    source: Source, clinic_db: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks, popen, started = archive.chunks, subprocess.Popen, []

    def starting(*arguments, **known):
        started.append(popen(*arguments, **known))
        return started[-1]

    def killing(head, known, dump, media):
        for number, some in enumerate(chunks(head, known, dump, media)):
            if number == 0:
                started[-1].kill()
            yield some

    monkeypatch.setattr(pg_dump.subprocess, "Popen", starting)
    monkeypatch.setattr(archive, "chunks", killing)
    with pytest.raises(BackupError, match="pg_dump ended with an error"):
        make_backup()
    assert list(Path(settings.BACKUP_DIR).iterdir()) == []


def test_what_was_restored_on_trial_and_differs_is_no_backup(
    source: Source, clinic_db: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(cursor):
        if cursor.connection.info.dbname.endswith("_scratch"):
            with pg_databases.connected(cursor.connection.info.dbname) as other, other.cursor() as elsewhere:
                elsewhere.execute("SET session_replication_role = replica")
                elsewhere.execute(
                    "DELETE FROM clinic_bookingevent WHERE pgh_id = (SELECT max(pgh_id) FROM clinic_bookingevent)"
                )
            cursor.connection.rollback()
        return measure(cursor)

    monkeypatch.setattr(checking, "measure", measured)
    with pytest.raises(
        BackupError, match=r"clinic_bookingevent has .* rows instead of .*; history of clinic_bookingevent"
    ):
        make_backup()
    assert list(Path(settings.BACKUP_DIR).iterdir()) == []
    assert replaced(clinic_db) == []


def test_a_database_without_one_of_its_triggers_is_not_backed_up_as_if_all_were_well(
    source: Source, clinic_db: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'clinic_booking'::regclass AND NOT tgisinternal")
        name = cursor.fetchone()[0]
        cursor.execute(f'DROP TRIGGER "{name}" ON clinic_booking')
    with pytest.raises(BackupError, match=rf"lacks what keeps its rules .*{name}"):
        make_backup()
    assert BackupRun.objects.latest_done() is None or BackupRun.objects.first().state == BackupState.FAILED


def test_production_without_a_recipient_makes_none(clinic_db: str, settings: Settings) -> None:
    settings.PRODUCTION, settings.BACKUP_RECIPIENTS = True, []
    with pytest.raises(CommandError, match="BACKUP_RECIPIENT is not set"):
        call_command("backup")
    assert not list(Path(settings.BACKUP_DIR).glob("*"))


def test_pg_dump_that_is_older_than_the_server_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_dump, "_all", lambda: iter([pg_dump.Programs(Path("/x"), 13)]))
    with pytest.raises(
        pg_dump.ProgramError, match="server is PostgreSQL 15 and pg_dump here is 13, which must not be older"
    ):
        pg_dump.programs(150020)
    assert pg_dump.programs(130004).major == 13


# --- the commands, as processes ---------------------------------------------------------------------------------------
def test_the_commands_say_what_they_did(source: Source, clinic_db: str, settings: Settings, tmp_path: Path) -> None:
    said = io.StringIO()
    call_command("backup", stdout=said, stderr=io.StringIO())
    assert "checked by restoring it" in said.getvalue()
    path = next(Path(settings.BACKUP_DIR).glob("*.age"))
    call_command("backup", list=True, stdout=said)
    assert "checked" in said.getvalue()
    call_command(
        "restore",
        path,
        identity=tmp_path / "key.txt",
        replace=True,
        yes_replace=clinic_db,
        stdout=said,
        stderr=io.StringIO(),
    )
    assert "may have gone out already" in said.getvalue()
    call_command("backup", make_key=str(tmp_path / "new.txt"), stdout=said)
    assert (tmp_path / "new.txt").stat().st_mode & 0o777 == 0o600
    assert "BACKUP_RECIPIENT=age1" in said.getvalue()
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", make_key=str(tmp_path / "new.txt"))
    with pytest.raises(CommandError, match="must not lie beside the backups"):
        call_command("backup", make_key=str(Path(settings.BACKUP_DIR) / "key.txt"))


def test_a_backup_that_is_stopped_leaves_nothing_behind(
    source: Source, clinic_db: str, settings: Settings, tmp_path: Path
) -> None:
    from clinic.tests.processes_kit import database_url  # noqa: PLC0415

    connection.close()
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "BACKUP_DIR": str(settings.BACKUP_DIR),
        "BACKUP_RECIPIENT": settings.BACKUP_RECIPIENTS[0],
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "backup"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "checking" in line:
            break
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert "Stopped." in rest
    assert list(Path(settings.BACKUP_DIR).iterdir()) == []
    assert replaced(clinic_db) == []
    run = BackupRun.objects.first()
    assert run is not None
    assert (run.state, run.error) == (BackupState.FAILED, writing.KILLED)
