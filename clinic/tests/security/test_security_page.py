"""docs/security.md stays true: every file, name and test in it exists, and every chapter of the standard has its rows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:clinic|patients|courses|docs|bench)/[\w./-]+?)(?:::(\w+))?`")


def names_in(path: Path) -> set[str]:
    """Functions, classes and assigned names at the top of a module."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_whatever_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE)
    missing = [path for path, _ in named if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()]
    missing += [f"{path}::{name}" for path, name in named if name and name not in names_in(ROOT / path)]
    assert missing == []
    assert len(named) > 80


def test_every_chapter_of_the_standard_stands_in_the_table() -> None:
    chapters = {int(number) for number in re.findall(r"^\| [^|]*?\bV(\d+)", PAGE, re.MULTILINE)}
    assert chapters == set(range(1, 18))


def test_a_requirement_that_is_not_met_is_said_plainly() -> None:
    assert PAGE.count("**not met**") >= 3
