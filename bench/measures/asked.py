"""Pages as a browser asks for them, but inside this process: with templates, without the network."""

from __future__ import annotations

from typing import Any

from django.test import Client

from bench.harness import Figure, queries_of, timed
from clinic.models import User

RUNS = 30


def page(name: str, address: str, user: User, *, bar_ms: float = 100, runs: int = RUNS) -> Figure:
    """The page at ``address`` as ``user`` gets it; budgets are for the 95th percentile and 12 statements."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)

    def ask() -> Any:  # noqa: ANN401 (an answer of the test client)
        return client.get(address)

    shown = ask()
    size = len(b"".join(shown)) if shown.streaming else len(shown.content)
    return timed(
        name,
        lambda _: ask(),
        runs=runs,
        queries=queries_of(ask),
        bar_ms=bar_ms,
        bar_on="p95",
        bar_queries=12,
        result=f"{size // 1024} kB",
        is_right=shown.status_code == 200,
    )
