"""`python -m bench.load`: fifty people at once for some minutes, then the invariants; exit status 1 when one is broken.

python -m bench.load                        a demo clinic in a database of its own, 50 people, 5 minutes
python -m bench.load --minutes 10 --keep    keeps the database; a later --keep uses it again
python -m bench.load --template NAME        copies a database that has the demo clinic already (or more than that)
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(60))  # gunicorn reads the sessions that are made here


def main() -> None:
    """The load has run, its table was printed, and the invariants were asked for."""
    import django  # noqa: PLC0415 (the settings module is named above)

    django.setup()
    from bench.databases import own_database  # noqa: PLC0415 (need Django to be set up)

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--workers", type=int, default=2, help="of gunicorn, as `make start` has them")
    parser.add_argument("--threads", type=int, default=4, help="of each worker")
    parser.add_argument("--port", type=int, default=8290)
    parser.add_argument("--template", default="", help="a database to copy instead of loading the demo clinic")
    parser.add_argument("--keep", action="store_true", help="keep the database, or use the one that was kept")
    parser.add_argument("--markdown", type=Path, help="write the table there as well")
    options = parser.parse_args()
    with own_database("cadence_bench_load", template=options.template, keep=options.keep) as is_new:
        sys.exit(run(options, is_new=is_new))


def run(options: argparse.Namespace, *, is_new: bool) -> int:
    """0 when nothing failed and every invariant holds."""
    from django.core.management import call_command  # noqa: PLC0415 (need Django to be set up)
    from django.utils import timezone  # noqa: PLC0415

    from bench import invariants, machine  # noqa: PLC0415
    from bench.load.report import table, verdict  # noqa: PLC0415
    from bench.load.scene import set_scene  # noqa: PLC0415
    from bench.load.serving import serving  # noqa: PLC0415

    if is_new and not options.template:
        call_command("load_demo", stdout=sys.stdout)
    elif options.template:
        call_command("migrate", verbosity=0)
    scene = set_scene(timezone.now(), people=options.people)
    print(scene.described, flush=True)
    before = machine.busy()
    with tempfile.TemporaryDirectory() as folder:
        facts, result = Path(folder) / "facts.json", Path(folder) / "result.json"
        facts.write_text(json.dumps(scene.facts), encoding="utf-8")
        with serving(port=options.port, workers=options.workers, threads=options.threads) as server:
            _load(options, facts, result)
            memory = server.memory_mb()
        measured: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    heading = (
        f"{options.people} people for {options.minutes:g} minutes, gunicorn with {options.workers} workers of "
        f"{options.threads} threads ({memory} MB), {scene.described}; "
        f"load average {before} before, {machine.busy()} after"
    )
    written = table(heading, measured)
    print(written)
    if options.markdown:
        options.markdown.write_text(written + "\n", encoding="utf-8")
    found = invariants.broken()
    for line in verdict(measured, found):
        print(line)
    return 1 if found or measured["whole"]["failures"] else 0


def _load(options: argparse.Namespace, facts: Path, result: Path) -> None:
    """Locust in a process of its own: gevent patches what it imports, and none of that is the product's."""
    command = [sys.executable, "-m", "locust", "-f", "bench/load/locustfile.py", "--headless", "--only-summary"]
    command += ["-u", str(options.people), "-r", "5", "-t", f"{round(options.minutes * 60)}s", "--loglevel", "WARNING"]
    command += ["--host", f"http://127.0.0.1:{options.port}", "--stop-timeout", "10"]
    more = {"BENCH_LOAD_FACTS": str(facts), "BENCH_LOAD_RESULT": str(result), "PYTHONPATH": str(Path.cwd())}
    subprocess.run(command, env=os.environ | more, check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
