"""``manage.py work_out_results``."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from courses.services.results import work_out_all


class Command(BaseCommand):
    """Works out anew what every course achieved. The reports do so by themselves; after a restore it need not wait."""

    help = "Work out anew what every course achieved, for the reports. May be run at any time, and again."

    def handle(self, *_args: Any, **_options: Any) -> None:
        began = perf_counter()
        written = work_out_all(timezone.now(), self._tell)
        self.stdout.write(f"{written} courses worked out in {perf_counter() - began:.1f} s.")

    def _tell(self, done: int, of: int) -> None:
        self.stdout.write(f"{done} of {of} patients", ending="\n" if done == of else "\r")
