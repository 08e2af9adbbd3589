"""The folder of backups: what is there, what is kept, what is tidied away."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from clinic.models import BackupRun, BackupState
from clinic.pure.retention import Keep, kept
from clinic.services.backups.contents import BackupError

HALF = ".part"
NAME = re.compile(r"cadence-(\d{8}T\d{12})Z\.age")
STAMP = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the folder; ``run`` is its row, None for one that these records do not know."""

    path: Path
    made_at: datetime
    bytes: int
    run: BackupRun | None

    @property
    def is_verified(self) -> bool:
        return self.run is not None and self.run.verified_at is not None


def folder() -> Path:
    """The folder of BACKUP_DIR; nobody else can look into one that is made here. Raises: BackupError."""
    path = Path(settings.BACKUP_DIR)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise BackupError(f"BACKUP_DIR {path} cannot be used: {problem.strerror}.") from None
    return path


def name_for(at: datetime) -> str:
    return f"cadence-{at.astimezone(UTC):{STAMP}}Z.age"


def tidy(path: Path) -> None:
    """What a killed run left half is gone. Call it while nobody else writes (``pg_databases.alone``)."""
    for half in path.glob(f"cadence-*{HALF}"):
        half.unlink(missing_ok=True)


def listed(path: Path) -> list[Kept]:
    """The whole backups of the folder, the newest first; one query."""
    found = {one.name: match for one in path.iterdir() if (match := NAME.fullmatch(one.name))} if path.is_dir() else {}
    runs = {run.name: run for run in BackupRun.objects.filter(state=BackupState.DONE, name__in=found)}
    rows = [
        Kept(one := path / name, _moment(match[1]), one.stat().st_size, runs.get(name)) for name, match in found.items()
    ]
    return sorted(rows, key=lambda one: one.made_at, reverse=True)


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)


def keep_settings() -> Keep:
    return Keep(settings.BACKUP_KEEP_DAILY, settings.BACKUP_KEEP_WEEKLY, settings.BACKUP_KEEP_MONTHLY)


def not_kept(files: Iterable[Kept], keep: Keep) -> list[Kept]:
    """Those that may go: never the newest, and never the newest that was verified."""
    rows = sorted(files, key=lambda one: one.made_at, reverse=True)
    wanted = kept([one.made_at for one in rows], keep)
    good = [one for one in rows if one.is_verified]
    wanted |= kept([one.made_at for one in good], keep)  # an unverified one does not push a good one out
    wanted |= {one.made_at for one in good[:1]}
    return [one for one in rows if one.made_at not in wanted]


def prune(path: Path) -> tuple[Path, ...]:
    """What is not kept any longer is gone; returns it."""
    gone = not_kept(listed(path), keep_settings())
    for one in gone:
        one.path.unlink(missing_ok=True)
    return tuple(one.path for one in gone)
