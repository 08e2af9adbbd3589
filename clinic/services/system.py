"""What is installed and how safely, for the page of a manager: versions, database, disk, encryption, secrets."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils.formats import number_format

from clinic.adapters import broker
from clinic.pure.roles import ROLE_LABELS, Role
from clinic.pure.version import VERSION
from clinic.services.operation import Advice, Figure, Figures, Tone
from clinic.services.release import is_migrated

LITTLE_SPACE, NO_SPACE = 0.15, 0.05
"""[D] Shares of the disk that are free, from which on somebody should look, and must act."""
NEAR = frozenset({"", "localhost", "127.0.0.1", "::1"})
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What the database says about itself and the installation."""

    version: str
    size: int
    is_encrypted: bool
    since: datetime | None
    demanding: tuple[str, ...]


def installation(*, now: datetime) -> Figures:  # noqa: ARG001 (as every card is asked)
    """Version, database, Redis, what of it is encrypted and secret. One query, and one question to Redis."""
    told, redis, behind = _told(), broker.server(), not is_migrated()
    advice = [BEHIND] if behind else []
    if redis is not None and not redis.keeps and settings.PRODUCTION:
        advice.append(FORGETS)
    rows = (
        Figure("Version of Cadence", VERSION),
        Figure("In use since", told.since),
        Figure("Database", f"PostgreSQL {told.version}"),
        Figure("Its size", sized(told.size)),
        Figure("Its structure", "behind this version" if behind else "as this version", _worst(danger=behind)),
        Figure("Redis", redis.version if redis else "away", _worst(danger=redis is None)),
        *_safety(told),
    )
    return Figures("Installation", rows, tuple(advice + (_of_safety(rows, told) if settings.PRODUCTION else [])))


def _told() -> Told:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), pg_database_size(current_database()),"
            " COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),"
            " (SELECT at FROM clinic_release WHERE version = %s),"
            " ARRAY(SELECT role FROM clinic_rolepolicy WHERE requires_second_factor ORDER BY role)",
            [VERSION],
        )
        version, size, is_encrypted, since, roles = cursor.fetchone()
    return Told(str(version).split()[0], int(size), bool(is_encrypted), since, tuple(roles))


def _safety(told: Told) -> list[Figure]:
    database = _way(str(connection.settings_dict.get("HOST") or ""), is_encrypted=told.is_encrypted)
    parts = urlsplit(settings.REDIS_URL)
    redis = _way(parts.hostname or "", is_encrypted=parts.scheme == "rediss")
    factor = ", ".join(ROLE_LABELS[Role(role)] for role in told.demanding) or "nobody"
    https = settings.SECURE_SSL_REDIRECT
    return [
        Figure("For", "real patients") if settings.PRODUCTION else Figure("For", "trying out", note=TRY),
        Figure("Browsers", "HTTPS only" if https else "HTTP too", _loose(https)),
        Figure("To the database", database, _loose(database != PLAIN)),
        Figure("To Redis", redis, _loose(redis != PLAIN)),
        Figure("Secret key", "from the environment" if settings.ENVIRONMENT.secret_key else "made here, in a file"),
        Figure("Second factor demanded of", factor, _loose(bool(told.demanding))),
        Figure("Metrics", "with a token" if settings.METRICS_TOKEN else "off"),
    ]


def disk(*, now: datetime) -> Figures:  # noqa: ARG001 (as every card is asked)
    """What is free where this server keeps its files. The database's own disk is its server's affair."""
    folder = disk_folder()
    found = shutil.disk_usage(folder)
    share = found.free / found.total
    tone = Tone.DANGER if share < NO_SPACE else Tone.WARN if share < LITTLE_SPACE else Tone.OK
    words = f"{sized(found.free)} of {sized(found.total)}"
    rows = (Figure("Free where files are kept", words, tone, f"{share:.0%} of the disk of {folder}"),)
    if tone == Tone.OK:
        return Figures("Disk", rows)
    text = (
        "Make room: old backups that have a copy elsewhere, old logs. A database on this disk stops taking bookings "
        "when it is full."
    )
    return Figures("Disk", rows, (Advice(tone, f"Only {share:.0%} of the disk is free", text),))


PLAIN = "not encrypted"
TRY = "CADENCE_ENV=production is what refuses to start unsafe."
BEHIND = Advice(
    Tone.DANGER,
    "The database is behind this version",
    "Pages that need what is missing fail. Run “manage.py migrate”, then start the web servers again.",
)
FORGETS = Advice(
    Tone.INFO,
    "Redis forgets everything at a restart",
    "No message is lost by it, they stand in the database; what was asked of the workers at that moment is asked again "
    "by the scheduler. Set appendonly yes to keep it.",
)


def _of_safety(rows: tuple[Figure, ...], told: Told) -> list[Advice]:
    plain = [row.label[:1].lower() + row.label[1:] for row in rows if row.value == PLAIN]
    found = []
    if plain:
        text = (
            "Whoever is in that network can read along. Use ?sslmode=verify-full in DATABASE_URL and rediss:// in "
            "REDIS_URL, unless it is a private network of these servers alone."
        )
        found.append(Advice(Tone.INFO, f"The way {' and '.join(plain)} is not encrypted", text))
    if not told.demanding:
        text = "A stolen password is enough to read records. Demand one of each role in Set-up, Second factor."
        found.append(Advice(Tone.WARN, "Nobody has to use a second factor", text))
    return found


def _way(host: str, *, is_encrypted: bool) -> str:
    if is_encrypted:
        return "encrypted"
    return "on this machine" if host in NEAR or host.startswith("/") else PLAIN


def _loose(is_right: bool) -> Tone:  # noqa: FBT001 (one obvious word)
    """What a real clinic should mend; while trying out it is as it should be."""
    return Tone.OK if is_right or not settings.PRODUCTION else Tone.WARN


def _worst(*, danger: bool) -> Tone:
    return Tone.DANGER if danger else Tone.OK


def disk_folder() -> Path:
    """Where this server keeps its files, or the nearest folder above that there is."""
    folder: Path = settings.VAR_DIR
    return next(one for one in (folder, *folder.parents) if one.exists())


def sized(count: int) -> str:
    """Bytes as a person says them: 12.3 GB, 840 MB."""
    if count >= GB:
        return f"{number_format(count / GB, 1)} GB"
    return f"{number_format(count / 1_000_000, 0)} MB"
