"""Compiles the words of other languages: beside each ``locale/<code>/LC_MESSAGES/django.po`` lies its ``django.mo``.

`make setup` runs this file with the Python of the environment, the test run calls it, and a catalog that has not
changed since is left alone. The compiled files are not in the repository: the text file is the one place of a word.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PATTERN = "*/locale/*/LC_MESSAGES/django.po"


def compile_catalogs(root: Path) -> list[Path]:
    """Every catalog below ``root`` is compiled; returns those that were not.

    Many processes may do so at once: a compiled catalog appears whole or not at all.

    Raises:
        ValueError: a catalog cannot be read; the message names the file and its line.
    """
    behind = catalogs_behind(root)
    for path in behind:
        _compile(path)
    return behind


def catalogs_behind(root: Path) -> list[Path]:
    """The catalogs below ``root`` that changed after they were compiled, or never were."""
    return [path for path in sorted(root.glob(PATTERN)) if _is_behind(path)]


def _is_behind(text: Path) -> bool:
    compiled = text.with_suffix(".mo")
    return not compiled.exists() or compiled.stat().st_mtime_ns <= text.stat().st_mtime_ns


def _compile(text: Path) -> None:
    from babel.messages.mofile import write_mo  # noqa: PLC0415 (slow to import, and mostly there is nothing to do)
    from babel.messages.pofile import PoFileError, read_po  # noqa: PLC0415

    with text.open("rb") as file:
        try:
            catalog = read_po(file, locale=text.parents[1].name, abort_invalid=True)
        except PoFileError as problem:
            raise ValueError(f"{text}: {problem}") from problem
    unfinished = text.with_name(f".{text.stem}.{os.getpid()}.mo")
    with unfinished.open("wb") as file:
        write_mo(file, catalog)
    unfinished.replace(text.with_suffix(".mo"))


if __name__ == "__main__":
    compile_catalogs(Path(__file__).resolve().parents[2])
    sys.exit()
