"""python manage.py import_patients FILE: the import page's work, from a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from clinic.models import User
from patients.adapters.tables import UnreadableFileError, look
from patients.models import DateOrder, DuplicateChoice, ImportRun, ImportSource, ImportState
from patients.pure.columns import BY_NAME
from patients.services.imports.job import SYNTHEA_MAPPING
from patients.services.imports.refusals import write_refusals
from patients.services.imports.runs import Files, look_at, perform_run

SHOWN = 20


class Command(BaseCommand):
    help = "Imports patients from a CSV or XLSX file, or from a folder of Synthea. All or nothing unless --good-rows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file, or a folder with Synthea's patients.csv")
        parser.add_argument("--source", choices=ImportSource.values, help="told from the columns where left out")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done and save nothing")
        parser.add_argument("--good-rows", action="store_true", help="import the good rows even if others are refused")
        parser.add_argument("--conditions", type=Path, help="Synthea's conditions.csv; else the one beside FILE")
        parser.add_argument("--allergies", type=Path, help="Synthea's allergies.csv; else the one beside FILE")
        parser.add_argument("--duplicates", choices=DuplicateChoice.values, default=DuplicateChoice.SKIP.value)
        parser.add_argument("--map", action="append", default=[], metavar="NAME=COLUMN", help=", ".join(BY_NAME))
        parser.add_argument("--encoding", default="", help="for example cp1252; told from the bytes where left out")
        parser.add_argument("--delimiter", default="")
        parser.add_argument("--date-order", choices=DateOrder.values, help="of dates such as 3/7/1985")
        parser.add_argument("--id-system", default="", help="the system that gave the ids")
        parser.add_argument("--as", dest="username", default="", help="who imports, for the history")
        parser.add_argument("--refused", type=Path, help="write the refused rows with their reasons to this CSV file")

    def handle(self, *_: Any, **options: Any) -> None:
        files = _files(options)
        run = self._run(files, options)
        perform_run(run.pk, now=run.created_at, files=files)
        run.refresh_from_db()
        self._report(run)
        if options["refused"]:
            with options["refused"].open("w", encoding="utf-8", newline="") as file:
                write_refusals(run, file)
        if run.state not in (ImportState.DONE, ImportState.CHECKED):
            raise CommandError(run.message)

    def _run(self, files: Files, options: dict[str, Any]) -> ImportRun:
        now = timezone.now()
        try:
            shape = look(files.patients, encoding=options["encoding"], delimiter=options["delimiter"])
            is_synthea = set(SYNTHEA_MAPPING.values()) <= set(shape.columns)
            source = options["source"] or (ImportSource.SYNTHEA if is_synthea else ImportSource.GENERIC)
            run = ImportRun(
                source=source,
                file_name=files.patients.name[:200],
                encoding=options["encoding"],
                delimiter=options["delimiter"],
                id_system=options["id_system"],
                duplicates=options["duplicates"],
                by=_user(options["username"]),
                created_at=now,
            )
            look_at(run, files)
        except (UnreadableFileError, OSError, LookupError) as problem:
            raise CommandError(f"{files.patients}: {problem}") from None
        run.mapping = {**run.mapping, **_mapping(options["map"])}
        run.date_order = options["date_order"] or run.date_order
        run.is_dry_run, run.good_rows_only = options["dry_run"], options["good_rows"]
        run.state = ImportState.RUNNING
        run.save()
        return run

    def _report(self, run: ImportRun) -> None:
        if run.state in (ImportState.DONE, ImportState.CHECKED):
            verb = "would be" if run.is_dry_run else "were"
            self.stdout.write(
                f"{run.rows_read} rows: {run.created} patients {verb} created, {run.updated} updated,"
                f" {run.unchanged} unchanged; {run.refused} rows refused, {run.likely_duplicates} likely duplicates."
            )
            for name, counts in run.counts.items():
                self.stdout.write(f"{name}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
        for refusal in run.refusals.all()[:SHOWN]:
            place = f"{refusal.file_name or run.file_name}, line {refusal.row}"
            column = f", {refusal.column}" if refusal.column else ""
            self.stdout.write(f"  {place}{column}: {refusal.value!r} {refusal.reason}")
        if run.refusals.count() > SHOWN:
            self.stdout.write(f"  … and {run.refusals.count() - SHOWN} more; --refused FILE writes all of them.")


def _files(options: dict[str, Any]) -> Files:
    given: Path = options["file"]
    patients = given / "patients.csv" if given.is_dir() else given
    if not patients.is_file():
        raise CommandError(f"{patients} is no file. Name the file, or the folder with Synthea's patients.csv.")
    if options["source"] == ImportSource.GENERIC:
        return Files(patients)
    beside = {name: patients.with_name(f"{name}.csv") for name in ("conditions", "allergies")}
    found = {name: options[name] or (path if path.is_file() else None) for name, path in beside.items()}
    missing = next((path for path in found.values() if path and not path.is_file()), None)
    if missing:
        raise CommandError(f"{missing} is no file.")
    return Files(patients, **found)


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        name, sign, column = pair.partition("=")
        if not sign or name not in BY_NAME:
            raise CommandError(f"--map {pair}: write NAME=COLUMN, NAME being one of {', '.join(BY_NAME)}.")
        mapping[name] = column
    return mapping


def _user(username: str) -> User | None:
    if not username:
        return None
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"--as {username}: nobody signs in with this name.")
    return user
