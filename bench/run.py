"""`make bench`: builds the data set in a database of its own, measures, prints a table, writes var/bench/….json.

make bench                                    100,000 patients, 1,000,000 bookings, 20,000 courses over five years
make bench ARGS="--scale 27000 --years 1"     as many visits a day, one year of history
make bench ARGS="--small --only booking,contention"
make bench ARGS="--keep --report"             keeps the database, and a later --keep of the same size uses it again
make bench ARGS="--keep --flat"               the pages with five years of history beside those with one
make bench ARGS="--only races"                10,000 races of two connections (bench/races has its own options)
make bench ARGS="--only load"                 fifty people at once (so has bench/load)

Ends with an error where something needs more than its twelve statements, or answered wrongly.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")

if TYPE_CHECKING:
    from bench.dataset import Data
    from bench.harness import Figure
    from courses.services.demo.scale.size import Size

READY: list[bool] = []
PROGRAMS = ("races", "load")
"""Measured by programs of their own, on data of their own."""
MEASURES = (
    "freetime",
    "planning",
    "booking",
    "contention",
    "search",
    "calendar",
    "infusion",
    "following",
    "reports",
    "messages",
    "pages",
)
ELSEWHERE = (
    "Care and GNU Health: medians measured on another day on a machine of the same kind (2 cores, PostgreSQL 15 with "
    "fsync, 10,000 patients, 20 resources, 20,000 bookings), over HTTP with two gunicorn workers; "
    "literature, not this run."
)


def main() -> None:
    """Everything that was asked for has been measured."""
    if len(sys.argv) > 2 and sys.argv[1] == "--only" and sys.argv[2] in PROGRAMS:
        sys.exit(subprocess.call([sys.executable, "-m", f"bench.{sys.argv[2]}", *sys.argv[3:]], cwd=ROOT))
    options = _options()
    import django  # noqa: PLC0415 (the settings module is named above)

    django.setup()
    from django.conf import settings  # noqa: PLC0415

    from clinic.adapters import embedded  # noqa: PLC0415

    settings.DEBUG = False  # or every query would be kept
    logging.getLogger("clinic.access").setLevel(logging.WARNING)  # a line for each page would hide the table
    with embedded.running(settings.EMBEDDED, postgres=settings.EMBEDDED_POSTGRES, redis=settings.EMBEDDED_REDIS):
        _run(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, default=100_000, help="patients; ten bookings for each (100000)")
    parser.add_argument("--years", type=int, default=5, help="of history (5)")
    parser.add_argument("--small", action="store_true", help="5,000 patients in one year: to try the bench itself")
    parser.add_argument("--flat", action="store_true", help="only the pages, also with one year, and how they compare")
    parser.add_argument("--only", default="", help=f"comma separated: {', '.join(MEASURES)}")
    parser.add_argument("--keep", action="store_true", help="keep the database, or use the one that was kept")
    parser.add_argument("--report", action="store_true", help="put the figures into docs/performance.md as well")
    parser.add_argument("--json", type=Path, help="where to write the figures (default: var/bench/<time>.json)")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> None:
    from courses.services.demo.scale.size import Size  # noqa: PLC0415 (needs Django to be set up)

    size = Size(5_000, 1) if options.small else Size(options.scale, options.years)
    wanted = [one for one in options.only.split(",") if one] or list(MEASURES)
    unknown = set(wanted) - set(MEASURES)
    if unknown:
        sys.exit(f"There is no measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}.")
    if options.flat:
        from bench import flat  # noqa: PLC0415

        flat.compare(lambda one: measured_of(one, ["pages"], keep=options.keep), size)
        return
    plain = measured_of(size, wanted, keep=options.keep)
    print(f"\n{ELSEWHERE}")
    _write(options.json, plain)
    if options.report:
        from bench import report  # noqa: PLC0415

        report.put(plain, ROOT / "docs" / "performance.md")
    refuse_what_breaks_the_ledger(plain)


def measured_of(size: Size, wanted: list[str], *, keep: bool) -> dict[str, Any]:
    """These measures on a data set of this size, as plain values."""
    from bench import machine  # noqa: PLC0415 (needs Django to be set up)

    with _database(f"cadence_bench_{size.patients}_{size.years}", keep=keep) as is_new:
        data = _data(size, is_new=is_new)
        facts: dict[str, Any] = {
            "machine": machine.describe(),
            "data": data.described(),
            "started": time.strftime("%Y-%m-%d %H:%M %Z"),
        }
        print(_heading(facts))
        measured: dict[str, dict[str, Any]] = {}
        last = _last_booking()
        try:
            for one in wanted:
                load = machine.busy()
                title, figures = _measure(one, data)
                measured[one] = {"title": title, "load_before": load, "figures": figures}
        finally:
            if keep:
                _forget_bookings_after(last)
    return {**facts, "elsewhere": ELSEWHERE, "measured": _plain(measured)}


def refuse_what_breaks_the_ledger(plain: dict[str, Any]) -> None:
    """The query ledger holds on this data, too: SystemExit names what needs more statements, or answers wrongly."""
    figures = [one for part in plain["measured"].values() for one in part["figures"]]
    over = [
        f"{one['name']}: {one['queries']} statements, at most {one['bar_queries']} are allowed"
        for one in figures
        if one["bar_queries"] is not None and (one["queries"] or 0) > one["bar_queries"]
    ]
    wrong = [f"{one['name']}: {one['result'] or 'wrong result'}" for one in figures if not one["is_right"]]
    if over or wrong:
        sys.exit("\n".join(["", *over, *wrong]))


def _measure(name: str, data: Data) -> tuple[str, list[Figure]]:
    """(heading, figures); what is missing says so and is left out."""
    from bench.harness import Missing  # noqa: PLC0415

    title, figures = name, []
    try:
        module = importlib.import_module(f"bench.measures.{name}")
        title = module.TITLE
        print(f"\n{title}\n{'':<52}{'best':>9}{'median':>9}{'p95':>9}{'own CPU':>9}{'SQL':>5}  bar")
        for figure in module.measure(data):
            figures.append(figure)
            print(_line(figure), flush=True)
    except Missing as reason:
        print(f"\n{name}: skipped, {reason}")
    return title, figures


def _line(one: Figure) -> str:
    median = f"{one.median_ms:.1f}" if one.median_ms is not None else ""
    p95 = f"{one.p95_ms:.1f}" if one.p95_ms is not None else ""
    bars = [f"{one.bar_on} {one.bar_ms:g}"] if one.bar_ms is not None else []
    bars += [f"{one.bar_queries} SQL"] if one.bar_queries is not None else []
    best = f"{one.best_ms:.1f}" if one.best_ms is not None else ""
    cpu = f"{one.cpu_ms:.1f}" if one.cpu_ms is not None else ""
    verdict = {True: "kept", False: "MISSED", None: ""}[one.keeps_bar]
    remarks = [one.result] if one.result else []
    remarks += [f"{who} {took:g}" for who, took in one.elsewhere.items()]
    queries = one.queries if one.queries is not None else ""
    figures = f"  {one.name:<50}{best:>9}{median:>9}{p95:>9}{cpu:>9}{queries:>5}"
    return f"{figures}  {', '.join(bars):<22}{verdict:<8}{'; '.join(remarks)}".rstrip()


def _heading(facts: dict[str, Any]) -> str:
    lines = [
        f"{key}: {', '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else value}"
        for key, value in facts.items()
    ]
    return "\n".join(lines)


def _data(size: Size, *, is_new: bool) -> Data:
    from django.core.management import call_command  # noqa: PLC0415

    from bench import dataset  # noqa: PLC0415

    if not is_new:
        print("Using the data set that was kept.")
        READY.append(True)
        return dataset.find(size)
    begun = time.monotonic()
    call_command("migrate", verbosity=0)
    data = dataset.build(size, lambda what: print(what, flush=True))
    READY.append(True)
    print(f"{time.monotonic() - begun:6.0f} s  ready")
    return data


def _last_booking() -> int:
    from django.db.models import Max  # noqa: PLC0415

    from clinic.models import Booking  # noqa: PLC0415

    return int(Booking.objects.aggregate(last=Max("pk"))["last"] or 0)


def _forget_bookings_after(last: int) -> None:
    """What the measurements booked is gone, so that the next run finds the same data set."""
    from django.db import connection, transaction  # noqa: PLC0415

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM clinic_allocation WHERE booking_id > %s", [last])
        cursor.execute("DELETE FROM clinic_booking WHERE id > %s", [last])


@contextmanager
def _database(name: str, *, keep: bool) -> Iterator[bool]:
    """This process works in the database ``name``; yields whether it was made just now."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection, connections  # noqa: PLC0415

    usual = settings.DATABASES["default"]["NAME"]

    def use(database: str) -> None:
        connections.close_all()
        settings.DATABASES["default"]["NAME"] = database
        connection.settings_dict["NAME"] = database

    def execute(statement: str) -> None:
        use(usual)
        with connection.cursor() as cursor:
            cursor.execute(statement)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name])
        exists = bool(cursor.fetchone()[0])
    if exists and not keep:
        execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    if not (exists and keep):
        execute(f'CREATE DATABASE "{name}"')
    use(name)
    try:
        yield not (exists and keep)
    finally:
        use(usual)
        if not (keep and READY):  # half a data set is of no use to the next run
            execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        connections.close_all()


def _plain(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {**part, "figures": [asdict(one) | {"keeps_bar": one.keeps_bar} for one in part["figures"]]}
        for name, part in measured.items()
    }


def _write(file: Path | None, plain: dict[str, Any]) -> None:
    target = file or ROOT / "var" / "bench" / f"{time.strftime('%Y-%m-%d-%H%M')}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Written to {target.relative_to(ROOT) if target.is_relative_to(ROOT) else target}")


if __name__ == "__main__":
    main()
