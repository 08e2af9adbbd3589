"""Faults, one after the other, each with servers of its own; needs some minutes, and root for `disk_full` and `nodes`.

python -m bench.faults                      all of them
python -m bench.faults web_killed nodes     some of them
FAULTS_PORT=9300 python -m bench.faults     other ports (8300 to 8330 otherwise)
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback

os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = "", ""

from bench.faults import stage  # noqa: E402 (settles which database is meant before Django reads it)
from bench.faults.report import Report  # noqa: E402

FAULTS = (
    "web_killed",
    "worker_killed",
    "database_killed",
    "redis_away",
    "disk_full",
    "clock_moved",
    "provider_down",
    "nodes",
)


def main() -> int:
    """All that was asked for was tried; 1 where something did not hold."""
    wanted = sys.argv[1:] or list(FAULTS)
    if unknown := set(wanted) - set(FAULTS):
        sys.exit(f"There is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}.\n\n{__doc__}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also then nothing is left running
    os.environ.update(stage.environment(CADENCE_LOG_LEVEL="ERROR"))
    import django  # noqa: PLC0415 (the environment is named above)

    django.setup()
    failed = 0
    for name in wanted:
        module = importlib.import_module(f"bench.faults.{name}")
        report = Report(name)
        print(f"\n{module.TITLE}", flush=True)
        try:
            module.run(report)
        except Exception as problem:  # noqa: BLE001 (the others are tried all the same)
            traceback.print_exc()
            report.crashed(problem)
        print(f"  {report.made} checks, {report.failed} failed", flush=True)
        failed += report.failed
    print(f"\n{'Everything held.' if not failed else f'{failed} checks failed.'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
