"""For tests that start other processes: how those reach the test's own database."""

from __future__ import annotations

from urllib.parse import quote

from django.db import connection


def database_url() -> str:
    """The test's database, as DATABASE_URL names it. The host of the embedded server is a socket's folder."""
    base = connection.settings_dict
    secret = f":{quote(base['PASSWORD'], safe='')}" if base["PASSWORD"] else ""
    host = quote(base["HOST"] or "127.0.0.1", safe="")
    return f"postgres://{base['USER']}{secret}@{host}:{base['PORT'] or 5432}/{base['NAME']}"
