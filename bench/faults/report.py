"""What a fault found: each check has a sentence and what was seen; one that fails does not hide the others."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field


@dataclass
class Report:
    """The checks of one fault, printed as they are made."""

    name: str
    failed: int = 0
    made: int = 0
    begun: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """What happens now, or a figure."""
        print(f"  {time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def check(self, sentence: str, *, holds: bool, seen: object = "") -> None:
        """``sentence`` is true; else the run fails at its end. ``seen``: the figures behind it."""
        self.made += 1
        self.failed += not holds
        mark = "ok    " if holds else "FAILED"
        print(f"            {mark} {sentence}{f'  [{seen}]' if seen != '' else ''}", flush=True)

    def crashed(self, problem: BaseException) -> None:
        """The run itself could not go on."""
        self.failed += 1
        print(f"            FAILED {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
