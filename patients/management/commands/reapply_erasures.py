"""After a restore: what was erased since that backup was made is erased again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from patients.services.privacy import reapply


class Command(BaseCommand):
    help = "Erases again what stands in the list of erasures (var/erasures.jsonl) and came back with a restore."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="path", help="The list, where it is not var/erasures.jsonl.")

    def handle(self, *_args: Any, **options: Any) -> None:
        done = reapply(now=timezone.now(), path=Path(options["path"]) if options["path"] else None)
        self.stdout.write(
            f"{done.again} erased again, {done.known} stand as erased already, {done.absent} not in this database."
        )
