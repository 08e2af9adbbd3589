#!/usr/bin/env python
"""Django's command line for Cadence. A command that needs the embedded PostgreSQL or Redis finds them running."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext

NEED_NO_SERVICES = {
    *("", "check", "help", "version", "--help", "--version", "-h"),
    *("collectstatic", "findstatic", "compilemessages", "diffsettings", "makemessages"),
}


def services(command: str) -> AbstractContextManager[None]:
    """What must run while `command` does: nothing where DATABASE_URL and REDIS_URL name servers."""
    from django.conf import settings  # noqa: PLC0415 (the settings module is named in main)

    from clinic.adapters import embedded  # noqa: PLC0415

    if command in NEED_NO_SERVICES:
        return nullcontext()
    return embedded.running(settings.EMBEDDED, postgres=settings.EMBEDDED_POSTGRES, redis=settings.EMBEDDED_REDIS)


def main() -> None:
    """The command in sys.argv has run; a setting or a server that cannot be used is one sentence, not a trace."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
        from django.core.management import execute_from_command_line  # noqa: PLC0415

        from clinic.adapters.embedded_postgres import EmbeddedError  # noqa: PLC0415
    except ImportError as problem:
        sys.exit(f"Cadence's packages are not installed here ({problem}): run `make setup`, then .venv/bin/python.")
    try:
        with services(sys.argv[1] if len(sys.argv) > 1 else ""):
            execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EmbeddedError) as problem:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"Cadence cannot start: {problem}")


if __name__ == "__main__":
    main()
