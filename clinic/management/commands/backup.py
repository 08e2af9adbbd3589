"""`manage.py backup`: an encrypted backup, checked by restoring it; the list of those there are; a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.adapters.pg_databases import DatabaseError
from clinic.management.stopping import stopped_like_ctrl_c
from clinic.services.backups import keeping
from clinic.services.backups.contents import BackupError
from clinic.services.backups.writing import make_backup, make_key

NO_FILE = "-"


class Command(BaseCommand):
    help = "Backs up database and uploads, encrypted, and restores the file on trial before it counts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--make-key",
            nargs="?",
            const=NO_FILE,
            metavar="FILE",
            help="write a new key there, print its recipient",
        )
        parser.add_argument("--list", action="store_true", help="the backups in BACKUP_DIR")
        parser.add_argument("--no-verify", action="store_true", help="do not restore it on trial; prunes nothing then")
        parser.add_argument("--no-prune", action="store_true", help="keep older ones whatever the settings say")
        for span in ("daily", "weekly", "monthly"):
            parser.add_argument(f"--keep-{span}", type=int, metavar="N", help=f"instead of BACKUP_KEEP_{span.upper()}")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with stopped_like_ctrl_c():
                self._do(options)
        except (BackupError, DatabaseError) as problem:
            raise CommandError(str(problem)) from None

    def _do(self, options: dict[str, Any]) -> None:
        if options["make_key"]:
            given = options["make_key"]
            self._make_key(Path(settings.BACKUP_OWN_KEY) if given == NO_FILE else Path(given))
        elif options["list"]:
            self._list()
        else:
            self._back_up(options)

    def _back_up(self, options: dict[str, Any]) -> None:
        for span in ("daily", "weekly", "monthly"):
            if options[f"keep_{span}"] is not None:
                setattr(settings, f"BACKUP_KEEP_{span.upper()}", options[f"keep_{span}"])
        made = make_backup(tell=self._tell, verify=not options["no_verify"], prune=not options["no_prune"])
        how = "checked by restoring it" if made.run.verified_at else "NOT checked"
        self.stdout.write(
            f"{made.path}\n{made.run.bytes:,} bytes, {made.contents.rows:,} rows, {made.contents.events:,} events of "
            f"history, {how}.\nsha256 {made.run.sha256}"
        )
        for path in made.removed:
            self.stdout.write(f"removed {path.name}")

    def _list(self) -> None:
        rows = keeping.listed(keeping.folder())
        for one in rows:
            state = "checked" if one.is_verified else "not checked" if one.run else "not known to these records"
            self.stdout.write(f"{one.made_at:%Y-%m-%d %H:%M} UTC  {one.bytes:>15,}  {state:<12}  {one.path}")
        if not rows:
            self.stdout.write(f"There is no backup in {settings.BACKUP_DIR}.")

    def _make_key(self, path: Path) -> None:
        told = make_key(path)
        self.stdout.write(
            f"The key is {path}. Without it no backup can be opened: keep it, and a copy, away from this server (a "
            "password manager, a safe), then remove it here.\n"
            f"On the server, in the environment:\nBACKUP_RECIPIENT={told}"
        )

    def _tell(self, what: str) -> None:
        self.stderr.write(f"backup | {what}")
