"""What is kept in the folder of backups, and what the page of operation says about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import current_app
from pytest_django import Settings

from clinic.adapters import age
from clinic.adapters.pg_databases import BusyError
from clinic.models import BackupRun, BackupState, Restoration
from clinic.pure.retention import Keep
from clinic.services.backups import keeping, last_backup, writing
from clinic.services.backups.contents import BackupError
from clinic.services.backups.facts import figures
from clinic.services.operation import Tone, queue_names
from clinic.tasks import backups as tasks

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 4, 5, 16, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _expects_backups(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_RECIPIENTS, settings.BACKUP_DIR = ["age1of-somebody"], tmp_path / "backups"


def ran(ago: timedelta, *, is_verified: bool = True, error: str = "") -> BackupRun:
    at = NOW - ago
    return BackupRun.objects.create(
        started_at=at,
        finished_at=at,
        state=BackupState.FAILED if error else BackupState.DONE,
        name="" if error else keeping.name_for(at),
        bytes=5_000_000,
        verified_at=at if is_verified and not error else None,
        error=error,
        version="0.8.0",
    )


def titles() -> list[tuple[Tone, str]]:
    return [(one.tone, one.title) for one in figures(now=NOW).advice]


# --- the page ---------------------------------------------------------------------------------------------------------
def test_one_of_last_night_is_well() -> None:
    ran(timedelta(hours=9))
    assert titles() == []
    assert last_backup(now=NOW).at == NOW - timedelta(hours=9)
    assert [row.value for row in figures(now=NOW).rows][2] == 5


@pytest.mark.parametrize(
    ("ago", "tone"),
    [
        (timedelta(hours=25), None),
        (timedelta(hours=27), Tone.WARN),
        (timedelta(days=4), Tone.DANGER),
    ],
)
def test_one_that_is_old_is_said(ago: timedelta, tone: Tone | None) -> None:
    ran(ago)
    assert [one for one, _ in titles()] == ([tone] if tone else [])


def test_none_at_all_is_a_danger_where_there_ought_to_be_one(settings: Settings) -> None:
    assert titles() == [(Tone.DANGER, "There is no backup")]
    settings.BACKUP_RECIPIENTS = []
    assert titles() == []
    settings.PRODUCTION = True
    assert titles() == [(Tone.DANGER, "There is no backup")]


def test_a_failure_after_a_good_one_is_said_with_its_reason() -> None:
    ran(timedelta(hours=25))
    ran(timedelta(hours=1), error="The disk is full.")
    assert titles() == [(Tone.WARN, "The latest backup failed")]
    assert "The disk is full." in figures(now=NOW).advice[0].text
    ran(timedelta(minutes=5))
    assert titles() == []


def test_after_a_restore_the_page_says_where_the_messages_are() -> None:
    ran(timedelta(hours=9))
    Restoration.objects.create(at=NOW, backup_at=NOW, backup_name="x", backup_version="0.8.0", messages_held_until=NOW)
    assert titles() == [(Tone.WARN, "These records were restored from a backup")]


# --- the folder -------------------------------------------------------------------------------------------------------
def put(*ago: timedelta) -> list[str]:
    folder = keeping.folder()
    names = [keeping.name_for(NOW - one) for one in ago]
    for name in names:
        (folder / name).write_bytes(b"x")
    return names


def test_the_folder_is_for_its_owner_only_and_other_files_in_it_are_left_alone() -> None:
    folder = keeping.folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "notes.txt").write_text("keep")
    (folder / f"cadence-x.age{keeping.HALF}").write_text("half")
    [name] = put(timedelta())
    keeping.tidy(folder)
    keeping.prune(folder)
    assert {path.name for path in folder.iterdir()} == {"notes.txt", name}


def test_pruning_keeps_what_the_settings_say(settings: Settings) -> None:
    settings.BACKUP_KEEP_DAILY, settings.BACKUP_KEEP_WEEKLY, settings.BACKUP_KEEP_MONTHLY = 2, 0, 0
    days = [timedelta(days=number) for number in range(4)]
    names = put(*days)
    for one in days:
        ran(one)
    gone = keeping.prune(keeping.folder())
    assert {path.name for path in gone} == set(names[2:])
    assert [one.path.name for one in keeping.listed(keeping.folder())] == names[:2]


def test_the_newest_that_was_checked_is_never_removed_however_many_came_after_it() -> None:
    days = [timedelta(days=number) for number in range(5)]
    names = put(*days)
    ran(days[4])
    for one in days[:4]:
        ran(one, is_verified=False)
    kept = {one.path.name for one in keeping.listed(keeping.folder())}
    gone = {one.path.name for one in keeping.not_kept(keeping.listed(keeping.folder()), Keep(1, 0, 0))}
    assert kept - gone == {names[0], names[4]}


def test_a_folder_that_cannot_be_used_is_said(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings.BACKUP_DIR = tmp_path / "file" / "backups"
    with pytest.raises(BackupError, match=r"BACKUP_DIR .* cannot be used: Not a directory"):
        keeping.folder()


# --- keys -------------------------------------------------------------------------------------------------------------
def test_development_makes_a_key_once_and_production_wants_a_recipient(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_RECIPIENTS, settings.BACKUP_OWN_KEY = [], tmp_path / "own.txt"
    told: list[str] = []
    first = writing.recipients(now=NOW, tell=told.append)
    again = writing.recipients(now=NOW, tell=told.append)
    assert [str(one) for one in first] == [str(one) for one in again]
    assert len(told) == 1
    settings.PRODUCTION = True
    with pytest.raises(BackupError, match="BACKUP_RECIPIENT is not set"):
        writing.recipients(now=NOW, tell=told.append)


@pytest.mark.parametrize(
    ("text", "said"), [("", "holds no key"), ("AGE-SECRET-KEY-1NONSENSE", "is damaged"), (None, "cannot be read")]
)
def test_a_file_without_a_key_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "key.txt").write_text(text)
    with pytest.raises(age.AgeError, match=said):
        age.read_identities(tmp_path / "key.txt")


# --- by itself --------------------------------------------------------------------------------------------------------
def test_the_task_leaves_a_backup_that_is_running_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> None:
        raise BusyError("Another backup or restore is running.")

    monkeypatch.setattr(tasks, "make_backup", busy)
    assert tasks.back_up() == "another one is running"


def test_the_task_goes_to_the_slow_queue() -> None:
    route = current_app.amqp.router.route({}, "clinic.tasks.backups.back_up")
    assert route["queue"].name == "slow"
    assert "slow" in queue_names()
