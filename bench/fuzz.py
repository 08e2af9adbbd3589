"""Junk at every address of a running data set: ``python -m bench.fuzz --examples 50``, after ``load_demo``.

The database is that of DATABASE_URL. Every request is rolled back. The findings, one for each place in the code that
failed, are printed; the exit status says whether there were any.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.tests.settings")


def main() -> int:
    """Nought when no address answered 5xx."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--examples", type=int, default=10, help="hostile requests for each address and form")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--pages", type=int, default=400, help="pages that are opened to find addresses and forms")
    options.add_argument("--who", default="nobody,desk,nurse,clinician,manager", help="sign-in names")
    given = options.parse_args()
    import django  # noqa: PLC0415 (the settings module is named above)

    django.setup()
    logging.disable()  # each refusal would be a line
    from clinic.models import User  # noqa: PLC0415
    from clinic.tests.security.fuzzing import Fuzzer  # noqa: PLC0415
    from clinic.tests.security.starts import starts  # noqa: PLC0415

    failed = 0
    for name in given.who.split(","):
        user = None if name == "nobody" else User.objects.get(username=name)
        fuzzer, began = Fuzzer(user, seed=given.seed), time.monotonic()
        fuzzer.walk(starts(), each=3, most=given.pages)
        fuzzer.attack(given.examples)
        print(
            f"{name}: {sum(map(bool, fuzzer.seen.paths.values()))} addresses, {len(fuzzer.seen.forms)} forms, "
            f"{fuzzer.sent} requests, {time.monotonic() - began:.0f} s, {len(fuzzer.findings)} findings",
            flush=True,
        )
        for finding in fuzzer.findings.values():
            print(finding, flush=True)
        failed += len(fuzzer.findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
