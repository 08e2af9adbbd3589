"""Bookings and allocations are written in one module. The sources are read, so a second writer fails here at once."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("clinic", "patients", "courses")
WRITER = Path("clinic/services/bookings.py")
IN_BULK = Path("courses/services/demo/scale/bookings.py")
"""A million invented visits, into an empty database and never in production; the constraint is built over all of them
(courses/tests/db/test_demo_scale.py)."""
TABLES = {"Booking", "Allocation"}
WRITES = {
    *(
        "create",
        "bulk_create",
        "get_or_create",
        "update_or_create",
        "update",
        "bulk_update",
        "delete",
        "save",
        "_raw_delete",
    ),
    *("acreate", "abulk_create", "aget_or_create", "aupdate_or_create", "aupdate", "abulk_update", "adelete", "asave"),
    *("save_base", "add", "set", "remove", "clear"),
}
SPOKEN = re.compile(r"^(?:\w+_)?(?:bookings?|allocations?|visits)$")
"""Names that stand for rows of these tables: variables, and the related managers of the models."""
SQL = re.compile(
    r"(?:insert\s+into|update|delete\s+from|truncate(?:\s+table)?|copy)\s+\"?clinic_(?:booking|allocation)\b",
    re.IGNORECASE,
)


def product_files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            inside = path.relative_to(root)
            if inside not in (WRITER, IN_BULK) and not {"tests", "migrations"} & set(inside.parts):
                yield inside


def chain(node: ast.expr) -> list[str]:
    """The names along `a.b(…).c`, from the first to the last."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*chain(node.value), node.attr]
    if isinstance(node, (ast.Call, ast.Subscript, ast.Await)):
        return chain(node.func if isinstance(node, ast.Call) else node.value)
    return []


def row_names(tree: ast.AST) -> set[str]:
    """Variables that were given something made from the two models: `mine = Booking.objects.get(…)`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        value, targets = None, []
        if isinstance(node, ast.Assign):
            value, targets = node.value, node.targets
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            value, targets = node.value, [node.target]
        elif isinstance(node, (ast.For, ast.comprehension)):
            value, targets = node.iter, [node.target]
        if value is not None and TABLES & set(chain(value)[:1]):
            names |= {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return names


def writes(source: str) -> Iterator[tuple[int, str]]:
    """(line, what is written there) for each place of the source that writes one of the two tables."""
    tree = ast.parse(source)
    rows = row_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names = chain(node.func)
            if names and names[-1] in TABLES:
                yield node.lineno, f"makes a {names[-1]}"
            elif len(names) > 1 and names[-1] in WRITES and _is_ours(names[:-1], rows):
                yield node.lineno, ".".join(names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            yield node.lineno, "writes in SQL"
        elif isinstance(node, ast.ClassDef) and any(chain(base)[-1:] == ["ModelForm"] for base in node.bases):
            yield from _form_on_our_tables(node)


def _is_ours(names: list[str], rows: set[str]) -> bool:
    return (
        names[0] in TABLES
        or names[0] in rows
        or any(SPOKEN.match(name) and name != "bookings" for name in names)
        or (
            # `bookings.book(…)` is the service; `location.bookings.update(…)` is a related manager.
            "bookings" in names[1:]
        )
    )


def _form_on_our_tables(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Assign)
            and chain(inner.targets[0]) == ["model"]
            and chain(inner.value)[-1:][0] in TABLES
        ):
            yield inner.lineno, "is a form that saves"


def test_no_other_module_writes_bookings() -> None:
    found = [
        f"{path}:{line} {what}: go through clinic.services.bookings"
        for path in product_files(ROOT)
        for line, what in writes((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_writer_itself_is_recognised() -> None:
    """If the reader saw nothing here, it would see nothing anywhere."""
    seen = {what for _, what in writes((ROOT / WRITER).read_text(encoding="utf-8"))}
    assert {"makes a Booking", "makes a Allocation", "Booking.objects.bulk_create", "booking.save"} <= seen


@pytest.mark.parametrize(
    "source",
    [
        "Booking.objects.create(kind='infusion')",
        "Allocation.objects.filter(pk=1).delete()",
        "models.Booking(kind='infusion')",
        "booking.save(update_fields=['note'])",
        "infusion.booking.save()",
        "course.next_booking.delete()",
        "location.bookings.update(status='cancelled')",
        "booking.allocations.all().delete()",
        "patient.resource.visits.update(note='')",
        "mine = Booking.objects.get(pk=1)\nmine.save()",
        "for one in Booking.objects.all():\n    one.delete()",
        "cursor.execute('UPDATE clinic_booking SET status = 1')",
        "SQL = '''\nINSERT INTO clinic_allocation\n'''",
        "class F(forms.ModelForm):\n    class Meta:\n        model = Booking",
    ],
)
def test_a_planted_write_is_found(source: str) -> None:
    assert len(list(writes(textwrap.dedent(source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "bookings.book(wanted, by=by, now=now)",
        "Booking.objects.filter(pk=1).select_related('location')",
        "infusion.save()",
        "InfusionVisit.objects.create(booking=booking)",
        "seen.add(booking.pk)",
        "'SELECT * FROM clinic_booking'",
        "class F(django_filters.FilterSet):\n    class Meta:\n        model = Booking",
    ],
)
def test_reading_is_no_writing(source: str) -> None:
    assert list(writes(source)) == []
