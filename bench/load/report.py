"""What locust measured as a table, and in plain words whether it was as it must be."""

from __future__ import annotations

from typing import Any

from bench.invariants import stand

REFUSED = ("409", "422")


def table(heading: str, measured: dict[str, Any]) -> str:
    """Markdown: one line for each page, times in milliseconds as the browser waits for them."""
    lines = [
        heading + ".",
        "",
        "| | requests | failed | refused (409, 422) | p50 | p95 | longest |",
        "|---|" + "--:|" * 6,
    ]
    for name, one in sorted(measured["pages"].items(), key=lambda item: -item[1]["requests"]):
        refused = sum(one["statuses"].get(status, 0) for status in REFUSED)
        numbers = (one["requests"], one["failures"], refused, one["p50"], one["p95"], one["max"])
        lines.append(f"| {name} | " + " | ".join(f"{number:,.0f}" for number in numbers) + " |")
    whole = measured["whole"]
    lines.append(
        f"| **all** | {whole['requests']:,} ({whole['per_second']:.1f} a second) | {whole['failures']} | | "
        f"{whole['p50']:,.0f} | {whole['p95']:,.0f} | |"
    )
    return "\n".join(lines)


def verdict(measured: dict[str, Any], broken: dict[str, int]) -> list[str]:
    """One line for the server errors, one for each invariant."""
    statuses = [status for one in measured["pages"].values() for status in one["statuses"].items()]
    errors = sum(count for status, count in statuses if status.startswith("5"))
    lines = [f"server errors (5xx): {errors}", *measured["faults"]]
    return lines + stand(broken)
