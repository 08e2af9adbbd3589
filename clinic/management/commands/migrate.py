"""Django's `migrate`, which in production gives up instead of making everybody wait behind it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangosMigrate
from django.db import OperationalError, connections
from psycopg2.errors import LockNotAvailable

PATIENCE_S = 5
"""[D] A change of a table waits for whoever uses it, and all others wait behind it: pages stand still for so long."""


class Command(DjangosMigrate):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=float,
            default=PATIENCE_S if settings.PRODUCTION else None,
            metavar="SECONDS",
            help=f"give up where a table is in use for longer; in production {PATIENCE_S} unless said otherwise",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["lock_timeout"]:
            with connections[options["database"]].cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, false)", [f"{options['lock_timeout'] * 1000:.0f}"]
                )
        try:
            super().handle(*args, **options)
        except OperationalError as problem:
            if not isinstance(problem.__cause__, LockNotAvailable):
                raise
            raise CommandError(
                f"A table was in use for longer than {options['lock_timeout'] or 0:g} seconds, so nothing more was "
                "changed: run it again in a quieter moment, or with --lock-timeout 60. What was migrated before stands."
            ) from None
