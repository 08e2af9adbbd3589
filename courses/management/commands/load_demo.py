"""``manage.py load_demo``: a fictitious clinic that lives around today's date."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from clinic.models import User
from courses.services.demo.load import clear_everything, is_empty, load_demo
from courses.services.demo.place import PASSWORD, SIGN_INS
from courses.services.demo.scale.load import load_scale
from courses.services.demo.scale.size import Size, TooLargeError

POPULATION = Path(__file__).resolve().parents[2] / "data" / "demo"


class Command(BaseCommand):
    help = "Loads the demo clinic: 2 locations, 8 chairs, a dozen people, 1,171 synthetic patients, about 60 courses."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reset", action="store_true", help="throw away everything and build the demo clinic anew")
        parser.add_argument("--if-empty", action="store_true", help="do nothing when somebody can sign in already")
        parser.add_argument(
            "--scale",
            type=int,
            metavar="PATIENTS",
            help="instead a group of three locations with so many patients, ten bookings for each and a course for "
            "every fifth: 100000 to see how it does after years",
        )
        parser.add_argument("--years", type=int, default=5, help="with --scale: over so many years (5)")

    def handle(self, *_args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("This is a production installation; the demo clinic does not belong here.")
        if not is_empty() and not options["reset"]:
            if options["if_empty"]:
                return
            raise CommandError("There are records already. To throw them away and start anew: load_demo --reset")
        if options["scale"] is not None:
            self._scale(options)
            return
        with transaction.atomic():
            if options["reset"]:
                clear_everything()
            done = load_demo(now=timezone.now(), import_people=self._import, report=self._say)
        for line in done.skipped:
            self._say(f"left out: {line}")
        self._say(f"{done.patients:,} patients and {done.courses} courses are in the demo clinic")
        self._write_sign_ins()

    def _scale(self, options: dict[str, Any]) -> None:
        try:
            size = Size(options["scale"], options["years"])
        except TooLargeError as refused:
            raise CommandError(str(refused)) from refused
        load_scale(size, now=timezone.now(), say=self._say, clear=options["reset"])
        if not connection.in_atomic_block:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM (ANALYZE)")
        self._say(f"{size.patients:,} patients, {size.bookings:,} bookings and {size.courses:,} courses are there")
        self._write_sign_ins()

    def _import(self, by: User) -> None:
        call_command(
            "import_patients", str(POPULATION), source="synthea", username=by.username, verbosity=0, stdout=self.stdout
        )

    def _say(self, text: str) -> None:
        self.stdout.write(f"demo: {text}")

    def _write_sign_ins(self) -> None:
        """What ``make start`` prints under its address."""
        lines = [f"{name:<10} {PASSWORD}   {what}" for name, what in SIGN_INS]
        path = settings.VAR_DIR / "demo-sign-ins.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
