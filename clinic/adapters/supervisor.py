"""Runs a few programs side by side with one log, and stops all of them together.

honcho does this for Procfiles; it was tried. It takes shell strings (a path with a space needs quoting twice), forks
around each program, says twelve lines of its own for one Ctrl-C, and fails when that comes before all have started.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

GRACE_SECONDS = 20
"""How long a program may take to finish what it is doing; a worker finishes its task."""
COLOURS = (36, 35, 33, 32, 34)


@dataclass(frozen=True)
class Program:
    """One program of the log: its short name there, and its command."""

    name: str
    command: list[str]


class Supervisor:
    """Starts programs, relays their lines, ends all when one ends or when asked to."""

    def __init__(self, programs: list[Program], *, output: TextIO = sys.stdout, width: int = 8) -> None:
        self.programs = programs
        self.output = output
        self.width = width
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._events: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._write = threading.Lock()

    def say(self, line: str, *, name: str = "cadence") -> None:
        """One line of the log; threads do not mix theirs."""
        mark = f"{name:<{self.width}}| "
        if self.output.isatty():
            names = [program.name for program in self.programs]
            colour = COLOURS[names.index(name) % len(COLOURS)] if name in names else 1
            mark = f"\033[{colour}m{mark}\033[0m"
        with self._write:
            print(mark + line, file=self.output, flush=True)

    def run(self, *, when_started: Callable[[], None] = lambda: None) -> int:
        """All programs have ended; 0 when a person asked for it, 1 when one of them ended by itself."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._events.put(("asked", "")))
        for program in self.programs:
            self._start(program)
        threading.Thread(target=when_started, daemon=True).start()
        kind, name = self._events.get()
        if kind == "ended":
            self.say(f"{name} ended by itself (exit status {self._running[name].returncode}); stopping the others")
        else:
            self.say("stopping")
        self._stop()
        return 1 if kind == "ended" else 0

    def _start(self, program: Program) -> None:
        # A session of its own: Ctrl-C reaches this process only, which then stops each program in its own time.
        running = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._running[program.name] = running
        threading.Thread(target=self._relay, args=(program.name, running), daemon=True).start()

    def _relay(self, name: str, running: subprocess.Popen[str]) -> None:
        for line in running.stdout or ():
            if line.strip():
                self.say(line.rstrip("\n"), name=name)
        running.wait()
        self._events.put(("ended", name))

    def _stop(self) -> None:
        """Ask politely, wait, insist; a second Ctrl-C insists at once."""
        for running in self._running.values():
            _signal_group(running, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(running.poll() is None for running in self._running.values()):
            try:
                kind, _ = self._events.get(timeout=max(0.0, min(0.2, deadline - time.monotonic())))
            except queue.Empty:
                kind = ""
            if kind == "asked" or time.monotonic() >= deadline:
                for running in self._running.values():
                    _signal_group(running, signal.SIGKILL)
                break
        for running in self._running.values():
            running.wait()


def _signal_group(running: subprocess.Popen[str], number: int) -> None:
    """The program and what it started get the signal; one that has ended already is left alone."""
    if running.poll() is None:
        try:
            os.killpg(running.pid, number)
        except ProcessLookupError:
            return
