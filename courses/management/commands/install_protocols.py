"""``manage.py install_protocols``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from courses.services.protocols import install_shipped_protocols


class Command(BaseCommand):
    """Installs the protocols that Cadence ships; what exists already stays as it is."""

    help = "Install the shipped protocols. Existing protocols are not touched, so it may be run again."

    def handle(self, *_args: Any, **_options: Any) -> None:
        made = install_shipped_protocols(now=timezone.now())
        for version in made:
            self.stdout.write(f"{version.protocol.slug:10} {version.title}")
        self.stdout.write(
            f"{len(made)} protocols installed." if made else "All shipped protocols are installed already."
        )
