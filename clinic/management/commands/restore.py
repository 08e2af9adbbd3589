"""`manage.py restore FILE`: database and uploads are those of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.adapters import pg_databases
from clinic.management.stopping import stopped_like_ctrl_c
from clinic.services.backups.contents import BackupError
from clinic.services.backups.restoring import Restored, identities, restore


class Command(BaseCommand):
    help = "Restores a backup beside the database, compares it, and exchanges the two."
    requires_system_checks: list[str] = []  # the database may not be there yet
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--identity", type=Path, help="the file with the key; else that of BACKUP_IDENTITY")
        parser.add_argument("--replace", action="store_true", help="the database holds records, and they are replaced")
        parser.add_argument("--yes-replace", metavar="NAME", default="", help="the database, instead of typing it")
        parser.add_argument("--no-backup-first", action="store_true", help="what is replaced cannot be read any more")
        parser.add_argument(
            "--moved", action="store_true", help="everything was stopped before the backup was made: hold no messages"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with stopped_like_ctrl_c():
                done = restore(
                    options["file"],
                    keys=identities(self._key(options)),
                    replace=self._replace(options),
                    backup_first=not options["no_backup_first"],
                    was_moved=options["moved"],
                    tell=lambda what: self.stderr.write(f"restore | {what}"),
                )
        except (BackupError, pg_databases.DatabaseError) as problem:
            raise CommandError(str(problem)) from None
        self._say(done)

    def _key(self, options: dict[str, Any]) -> Path:
        if options["identity"]:
            return Path(options["identity"])
        if settings.BACKUP_IDENTITY:
            return Path(settings.BACKUP_IDENTITY)
        if not settings.PRODUCTION and Path(settings.BACKUP_OWN_KEY).exists():
            return Path(settings.BACKUP_OWN_KEY)
        raise BackupError("Which key opens it? Name its file with --identity FILE.")

    def _replace(self, options: dict[str, Any]) -> str:
        if options["yes_replace"] or not options["replace"]:
            return str(options["yes_replace"]) if options["replace"] else ""
        name = pg_databases.own_name()
        return input(f"All records in {name} are replaced. Type the name of the database: ").strip() or "(nothing)"

    def _say(self, done: Restored) -> None:
        head, contents = done.head, done.manifest.contents
        self.stdout.write(
            f"Restored: the records as they were on {head.made_at:%Y-%m-%d at %H:%M} UTC, {contents.rows:,} rows, "
            f"{contents.events:,} events of history. Everybody has been signed out."
        )
        if done.before:
            self.stdout.write(f"What was there before is in {done.before}")
        if done.kept_as:
            self.stdout.write(f"and still in the database {done.kept_as}: drop it once all is well.")
        if done.held_until:
            self.stdout.write(
                f"Messages due before {done.held_until:%Y-%m-%d %H:%M} UTC may have gone out already. They are not "
                "sent by themselves: each comes up among the failed ones, where somebody sends it again or leaves it."
            )
        self.stdout.write("Restart the web servers and workers.")
