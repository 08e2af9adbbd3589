"""Figures as the tables of docs/performance.md, between two marks; the words around them are written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: written by bench/run.py --report -->", "<!-- end of figures -->"
COLUMNS = "| | best | median | p95 | own CPU | SQL | budget | |\n|---|--:|--:|--:|--:|--:|---|---|"


def put(measured: dict[str, Any], file: Path) -> None:
    """``file`` shows these figures instead of the ones it had."""
    text = file.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    file.write_text(f"{before}{BEGIN}\n{render(measured)}\n{END}{after}", encoding="utf-8")


def render(measured: dict[str, Any]) -> str:
    """Machine, data set and one table for each measurement."""
    machine, data = measured["machine"], measured["data"]
    rows = ", ".join(f"{count:,} {what}" for what, count in data["rows"].items())
    loads = [part["load_before"] for part in measured["measured"].values()]
    told = (
        f"Measured {measured['started']} on {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}; Python {machine['python']}, Django {machine['django']}, "
        f"PostgreSQL {machine['postgresql']} (shared_buffers {machine['shared_buffers']}, fsync {machine['fsync']}, "
        f"synchronous_commit {machine['synchronous_commit']})."
    )
    load = f"Load average before each part: {min(loads):g} to {max(loads):g} on {machine['cores']} cores."
    if max(loads) > machine["cores"]:
        load += " Other programs wanted the processors meanwhile, so *best* and *own CPU* say more than median and p95."
    lines = [told, "", f"Data set: {rows}.", "", load]
    for part in measured["measured"].values():
        lines += ["", f"### {part['title']}", "", COLUMNS, *(_row(one) for one in part["figures"])]
    return "\n".join(lines)


def _row(one: dict[str, Any]) -> str:
    budget = [f"{one['bar_on']} {one['bar_ms']:g}"] if one["bar_ms"] is not None else []
    budget += [f"{one['bar_queries']} SQL"] if one["bar_queries"] is not None else []
    verdict = {True: " ✓", False: " **missed**", None: ""}[one["keeps_bar"]]
    remarks = [one["result"]] if one["result"] else []
    remarks += [f"{who}: {took:g}" for who, took in one["elsewhere"].items()]
    times = " | ".join(
        "" if one[key] is None else f"{one[key]:.1f}" for key in ("best_ms", "median_ms", "p95_ms", "cpu_ms")
    )
    queries = "" if one["queries"] is None else one["queries"]
    return f"| {one['name']} | {times} | {queries} | {', '.join(budget)}{verdict} | {'; '.join(remarks)} |"
