"""`python -m bench.races`: 10,000 races of two connections in a database of its own; exit status 1 when one went wrong.

python -m bench.races --rounds 10000                 2,000 of each kind
python -m bench.races --rounds 200 --only moving,vials
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")


def main() -> None:
    """All rounds were raced, the invariants asked for, and both were printed."""
    import django  # noqa: PLC0415 (the settings module is named above)

    django.setup()
    from bench.databases import own_database  # noqa: PLC0415 (need Django to be set up)
    from bench.races.kinds import KINDS  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10_000, help="of all kinds together")
    parser.add_argument("--only", default=",".join(KINDS), help=f"comma separated: {', '.join(KINDS)}")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many, with the rounds raced until then")
    parser.add_argument("--template", default="", help="copy this migrated, empty database instead of migrating")
    options = parser.parse_args()
    kinds = [one for one in options.only.split(",") if one]
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"there is no race {', '.join(sorted(unknown))}")
    with own_database(f"cadence_bench_races_{os.getpid()}", template=options.template):
        sys.exit(run(kinds, options.rounds // len(kinds), minutes=options.minutes))


def run(kinds: list[str], rounds: int, *, minutes: float) -> int:
    """0 when every race had one winner, its loser was told, and every invariant holds."""
    from bench.invariants import broken, stand  # noqa: PLC0415 (need Django to be set up)
    from bench.machine import busy  # noqa: PLC0415
    from bench.races.kinds import KINDS  # noqa: PLC0415
    from bench.races.play import play  # noqa: PLC0415

    print(f"load average {busy()}")
    begun, is_wrong, raced = time.monotonic(), False, 0
    for kind in kinds:
        started = time.monotonic()
        until = started + 60 * minutes / len(kinds) if minutes else math.inf
        played = play(KINDS[kind](), rounds, until=until, say=lambda text: print(f"    {text}", flush=True))
        raced += played.rounds
        is_wrong |= bool(played.mistakes)
        verdict = "all as they must be" if not played.mistakes else "WRONG"
        took = f"{played.seconds:.0f} s racing, {time.monotonic() - started:.0f} s with setting the scenes"
        print(f"{played.name}: {played.rounds} races, {took}: {verdict}", *played.mistakes, sep="\n    ", flush=True)
    print(f"{raced} races in {time.monotonic() - begun:.0f} s; load average {busy()}")
    found = broken()
    print(*stand(found), sep="\n")
    return 1 if is_wrong or found else 0


if __name__ == "__main__":
    main()
