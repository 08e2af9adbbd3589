"""The house keeps its one direction: `courses → patients → clinic`, and layer 5 → 0 inside each package.

Every import of the three packages is read from the source with `ast`, also those inside functions and under
TYPE_CHECKING: a cycle that only a type checker sees is still a cycle for the person who reads.
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("clinic", "patients", "courses")
LAYERS = {
    **dict.fromkeys(("pure", "planning", "outcomes"), 0),
    **dict.fromkeys(("models", "querysets"), 1),
    **dict.fromkeys(("forms", "adapters", "edge", "templatetags"), 2),
    **dict.fromkeys(("services", "reports"), 3),
    **dict.fromkeys(("views", "tasks", "management", "admin"), 4),
    **dict.fromkeys(("urls", "settings", "apps", "celery", "wsgi", "asgi", "gunicorn"), 5),
}
UNLAYERED = {"tests", "migrations"}
"""Tests may import anything; migrations are history and import what they were written against."""


def modules(root: Path) -> list[Path]:
    """Every product module below `root`, as paths relative to it."""
    found = [path.relative_to(root) for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return [path for path in found if len(path.parts) > 1 and path.parts[1] not in UNLAYERED]


def layer_of(parts: tuple[str, ...]) -> int | None:
    """The layer of a dotted name such as ("clinic", "services", "bookings"); None for a bare package."""
    if len(parts) < 2 or not parts[1]:
        return None
    return LAYERS.get(parts[1])


def imported_names(path: Path, root: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything the module imports; `from clinic import models` names clinic.models."""
    names = []
    package = path.with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            bare = module in PACKAGES
            names += [(node.lineno, f"{module}.{alias.name}" if bare else module) for alias in node.names]
    return names


def breaches(root: Path) -> list[str]:
    """One sentence for each import that goes up, and for each file that no layer claims."""
    said = []
    for path in modules(root):
        here = path.with_suffix("").parts
        if here[1] == "__init__":
            continue
        mine = layer_of(here)
        if mine is None:
            said.append(f"{path} is in no layer: put it into one of {', '.join(sorted(LAYERS))}")
            continue
        said += [
            f"{path}:{line} {why}" for line, name in imported_names(path, root) if (why := breach(here, mine, name))
        ]
    return said


def breach(here: tuple[str, ...], mine: int, name: str) -> str:
    """Why a module in layer `mine` may not import `name`, or an empty string."""
    there = tuple(name.split("."))
    if mine == 0 and there[0] == "django":
        return "imports Django into layer 0"
    if there[0] not in PACKAGES:
        return ""
    if PACKAGES.index(there[0]) > PACKAGES.index(here[0]):
        return f"imports {name}: {here[0]} may not know {there[0]}"
    if len(there) > 1 and there[1] == "tests":
        return f"imports {name}: the product may not know its tests"
    theirs = layer_of(there)
    if theirs is not None and theirs > mine:
        return f"imports {name}: layer {mine} may not know layer {theirs}"
    return ""


def test_no_import_goes_up() -> None:
    found = breaches(ROOT)
    assert not found, "\n" + "\n".join(found)


def test_all_three_packages_are_read() -> None:
    read = {path.parts[0] for path in modules(ROOT)}
    assert read == set(PACKAGES)
    assert len(modules(ROOT)) > 20


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("clinic/services/a.py", "from patients.models import people", "clinic may not know patients"),
        ("patients/services/a.py", "import courses.services.series", "patients may not know courses"),
        ("clinic/models/a.py", "from clinic.services import bookings", "layer 1 may not know layer 3"),
        ("clinic/models/a.py", "from clinic import services", "layer 1 may not know layer 3"),
        ("clinic/models/a.py", "def f():\n    from ..services import bookings", "layer 1 may not know layer 3"),
        ("clinic/models/a.py", "if TYPE_CHECKING:\n    import clinic.views.home", "layer 1 may not know layer 4"),
        ("courses/planning/a.py", "from django.utils import timezone", "Django into layer 0"),
        ("courses/planning/a.py", "from courses.models import courses", "layer 0 may not know layer 1"),
        ("courses/views/a.py", "from clinic.tests.fixtures import parallel", "may not know its tests"),
        ("courses/helpers.py", "x = 1", "is in no layer"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, module: str, source: str, why: str) -> None:
    plant(tmp_path, module, source)
    found = breaches(tmp_path)
    assert len(found) == 1
    assert why in found[0]
    assert module in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("courses/services/a.py", "from patients.services import people\nfrom clinic.models import places"),
        ("courses/views/a.py", "from courses.planning import rules\nimport django"),
        ("clinic/urls.py", 'include("courses.urls")'),
        ("clinic/tests/db/test_a.py", "from courses.services import series"),
        ("patients/migrations/0001_initial.py", "import courses"),
    ],
)
def test_what_goes_down_or_sideways_is_allowed(tmp_path: Path, module: str, source: str) -> None:
    plant(tmp_path, module, source)
    assert breaches(tmp_path) == []


def plant(root: Path, module: str, source: str) -> None:
    """A tree with this one module in it."""
    (root / module).parent.mkdir(parents=True)
    (root / module).write_text(textwrap.dedent(source), encoding="utf-8")
