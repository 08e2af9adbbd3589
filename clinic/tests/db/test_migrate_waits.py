"""`manage.py migrate` behind somebody who holds a table: it gives up in time, or goes on as soon as the table is free."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from pytest_django import Settings

from clinic.management.commands.migrate import PATIENCE_S, Command
from clinic.tests.fixtures.parallel import run_parallel

APP = "messages"
"""An app of Django's own that has no tables and no migrations: it gets two for a while."""
FIRST = """
from django.db import migrations

class Migration(migrations.Migration):
    operations = [migrations.RunSQL("CREATE TABLE waits_first (id int)", "DROP TABLE waits_first")]
"""
SECOND = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("messages", "0001_free")]
    operations = [
        migrations.RunSQL("CREATE TABLE waits_second (id int)", "DROP TABLE waits_second"),
        migrations.RunSQL(
            "ALTER TABLE clinic_closure ADD COLUMN waits int", "ALTER TABLE clinic_closure DROP COLUMN waits"
        ),
    ]
"""


@pytest.fixture
def _two_migrations(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that touches nothing which is there, and one that needs the table of closures."""
    folder = tmp_path / "waiting_migrations"
    folder.mkdir()
    for name, text in (("__init__", ""), ("0001_free", FIRST), ("0002_needs_closures", SECOND)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {APP: folder.name}
    yield
    connection.close()  # with it the patience of the command, which it sets for its connection
    call_command("migrate", APP, "zero", verbosity=0)


@pytest.fixture
def reader() -> Iterator[Any]:
    """Somebody else's connection, in a transaction that has read closures, as a page or a long report does."""
    known = connections["default"].get_connection_params()
    server = {key: known[key] for key in ("dbname", "user", "password", "host", "port") if known.get(key)}
    other = psycopg2.connect(**server)
    other.cursor().execute("SELECT count(*) FROM clinic_closure")
    yield other
    other.close()


def there() -> dict[str, bool]:
    """What of the two migrations is in the database, and what Django has on record as done."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('waits_first') IS NOT NULL, to_regclass('waits_second') IS NOT NULL,"
            " EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'clinic_closure'"
            " AND column_name = 'waits'),"
            " EXISTS (SELECT 1 FROM django_migrations WHERE app = %s AND name LIKE '0002%%')",
            [APP],
        )
        return dict(zip(("first", "second", "column", "on record"), cursor.fetchone(), strict=True))


def release_when_waited_for(reader: Any) -> bool:
    """The reader ends its transaction as soon as somebody stands behind it; False when nobody ever did."""
    for _ in range(3000):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)))",
                [reader.info.backend_pid],
            )
            if cursor.fetchone()[0]:
                reader.rollback()
                return True
        time.sleep(0.01)
    return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("parallel")
@pytest.mark.usefixtures("_two_migrations")
def test_it_gives_up_after_the_time_with_what_to_do_and_goes_through_when_the_table_is_free(reader: Any) -> None:
    began = time.monotonic()
    with pytest.raises(CommandError) as refused:
        call_command("migrate", APP, lock_timeout=0.5, verbosity=0)
    assert 0.5 <= time.monotonic() - began < 30
    assert str(refused.value) == (
        "A table was in use for longer than 0.5 seconds, so nothing more was changed: run it again in a quieter "
        "moment, or with --lock-timeout 60. What was migrated before stands."
    )
    assert there() == {"first": True, "second": False, "column": False, "on record": False}

    def migrate_again() -> None:
        call_command("migrate", APP, lock_timeout=30, verbosity=0)

    again, released = run_parallel(2, lambda index: release_when_waited_for(reader) if index else migrate_again())
    assert released.value is True  # it did stand and wait
    assert again.error is None
    assert there() == {"first": True, "second": True, "column": True, "on record": True}


@pytest.mark.parametrize(("production", "patience"), [(True, PATIENCE_S), (False, None)])
def test_only_production_is_impatient_without_being_told(
    production: bool, patience: float | None, settings: Settings
) -> None:
    settings.PRODUCTION = production
    parser = Command().create_parser("manage.py", "migrate")
    assert parser.parse_args([]).lock_timeout == patience
    assert parser.parse_args(["--lock-timeout", "60"]).lock_timeout == 60
