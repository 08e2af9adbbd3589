"""How backups stand, for the page System and for whoever watches the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from clinic.models import BackupRun, BackupState, Restoration
from clinic.services.operation import Advice, Figure, Figures, Tone

LATE_AFTER = timedelta(hours=26)
"""A night and two hours: one was missed."""
TOO_LATE_AFTER = timedelta(days=3)
TOLD_FOR = timedelta(days=7)
"""So long the page says that these records were restored."""
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class LastBackup:
    """The last whole backup, and why the one after it failed.

    Attributes:
        at: None when there never was one. verified_at: when it was restored on trial, None when it was not.
        error: why the latest attempt failed; empty when it did not.
        is_expected: this installation is to make backups: production, or a recipient is set.
    """

    at: datetime | None
    verified_at: datetime | None
    bytes: int
    name: str
    error: str
    is_expected: bool
    tone: Tone


def last_backup(*, now: datetime) -> LastBackup:
    """One query."""
    ended = BackupRun.objects.exclude(state=BackupState.RUNNING)
    newest = [rows.values("pk")[:1] for rows in (ended, ended.filter(state=BackupState.DONE))]
    rows = list(BackupRun.objects.filter(Q(pk__in=newest[0]) | Q(pk__in=newest[1])))
    latest = rows[0] if rows else None
    done = next((one for one in rows if one.state == BackupState.DONE), None)
    error = latest.error or "Unknown." if latest is not None and latest.state == BackupState.FAILED else ""
    is_expected = bool(settings.PRODUCTION or settings.BACKUP_RECIPIENTS)
    tone = _tone(done, error, now) if is_expected or done is not None or error else Tone.OK
    if done is None:
        return LastBackup(None, None, 0, "", error, is_expected, tone)
    return LastBackup(done.started_at, done.verified_at, done.bytes, done.name, error, is_expected, tone)


def _tone(done: BackupRun | None, error: str, now: datetime) -> Tone:
    if done is None or now - done.started_at > TOO_LATE_AFTER:
        return Tone.DANGER
    return Tone.WARN if error or now - done.started_at > LATE_AFTER else Tone.OK


def figures(*, now: datetime) -> Figures:
    """The card of the page System; two queries."""
    last = last_backup(now=now)
    restored = Restoration.objects.filter(at__gt=now - TOLD_FOR).first()
    note = last.name or ("" if last.is_expected else "A development installation makes none by itself.")
    rows = (
        Figure("Last backup", last.at, last.tone, note),
        Figure("Checked by restoring it", last.verified_at, Tone.OK if last.verified_at or not last.at else Tone.WARN),
        Figure("Size in megabytes", round(last.bytes / MEGABYTE) if last.at else None),
    )
    return Figures("Backups", rows, (*_advice(last, now), *_after_restore(restored)))


def _advice(last: LastBackup, now: datetime) -> list[Advice]:
    if last.tone is Tone.OK:
        return []
    found = []
    if last.at is None:
        found.append(
            Advice(
                Tone.DANGER,
                "There is no backup",
                "If the disk dies, everything is lost. Whoever looks after the server makes a key "
                "(manage.py backup --make-key), sets BACKUP_RECIPIENT and runs manage.py backup; then one is made "
                "every night.",
            )
        )
    elif now - last.at > LATE_AFTER:
        hours = int((now - last.at).total_seconds() // 3600)
        found.append(
            Advice(
                last.tone,
                f"The last backup is {hours} hours old",
                "One is made every night while a worker takes tasks from the queue “slow”. Run manage.py backup on the "
                "server, which says what is in the way.",
            )
        )
    if last.error:
        found.append(Advice(Tone.WARN, "The latest backup failed", f"{last.error} The one before it is kept."))
    return found


def _after_restore(restored: Restoration | None) -> list[Advice]:
    if restored is None or restored.messages_held_until is None:
        return []
    return [
        Advice(
            Tone.WARN,
            "These records were restored from a backup",
            f"It was made at {restored.backup_at:%Y-%m-%d %H:%M} UTC; what was entered after it is not here. Messages "
            f"that were due before {restored.messages_held_until:%Y-%m-%d %H:%M} UTC may have gone out already: they "
            "are among the failed messages, where somebody sends each again or leaves it.",
        )
    ]
