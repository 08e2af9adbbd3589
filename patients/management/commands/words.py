"""`manage.py words fr`: the catalog of a language, with every sentence that patients read and what is translated."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from babel import Locale, UnknownLocaleError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from patients.adapters.words import ROOT, write_catalog


class Command(BaseCommand):
    help = "Writes the catalog of a language: adds sentences that it lacks, drops those that nobody says any more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="ISO 639-1 code of the language, such as es")

    def handle(self, *_args: Any, code: str, **_options: Any) -> None:
        try:
            Locale.parse(code, sep="-")
        except (UnknownLocaleError, ValueError) as problem:
            raise CommandError(f"“{code}” is not the code of a language, such as es or pt-BR.") from problem
        path, missing = write_catalog(code, now=timezone.now())
        said = "every sentence is translated" if not missing else f"{missing} sentences wait for a translation"
        self.stdout.write(f"{path.relative_to(ROOT)}: {said}.")
