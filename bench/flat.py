"""Is a page as quick after five years as after one? The same visits a day, the same pages, two lengths of history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from courses.services.demo.scale.size import A_YEAR, DAYS_IN_YEAR, WEEKS_AHEAD, Size

Measure = Callable[[Size], dict[str, Any]]
AHEAD = WEEKS_AHEAD * 7 / DAYS_IN_YEAR


def compare(measure: Measure, size: Size) -> None:
    """Prints best times and statements of each page for one year and for ``size``."""
    share = size.patients / (A_YEAR * (size.years + AHEAD))
    year = Size(int(A_YEAR * (1 + AHEAD) * min(share, 1)) // 100 * 100, 1)
    short, long = (_by_name(measure(one)) for one in (year, size))
    heads = (f"{year.bookings:,} bookings", f"{size.bookings:,}", "ratio", "SQL")
    print(f"\n{'best, ms':<44}{heads[0]:>20}{heads[1]:>12}{heads[2]:>8}{heads[3]:>8}")
    for name, one in long.items():
        before = short.get(name)
        if before is None or one["best_ms"] is None or before["best_ms"] is None:
            continue
        ratio = one["best_ms"] / before["best_ms"]
        statements = f"{before['queries']}/{one['queries']}"
        print(f"{name:<44}{before['best_ms']:>20.1f}{one['best_ms']:>12.1f}{ratio:>8.2f}{statements:>8}")


def _by_name(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for part in measured["measured"].values() for one in part["figures"]}
