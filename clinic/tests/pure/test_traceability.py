"""docs/traceability.md stays true: what it names exists, each fact stands in it once, and its sums are right.

Nothing is imported: the sources are read with `ast`, so that a page can be checked without a database.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "traceability.md"
FACTS = range(1, 157)
NONE = "–"
QUOTED = re.compile(r"`([^`]+)`")
IN_FILE = re.compile(r"(?P<file>[\w./-]+\.py)(?:::(?P<name>[\w.:]+))?")
URLS = (
    ("courses/urls/__init__.py", "/"),
    ("courses/urls/infusion.py", "/visits/<booking_id>/infusion/"),
    ("courses/urls/board.py", "/chairs/"),
    ("courses/urls/stock.py", "/stock/"),
    ("courses/urls/following.py", "/courses/<pk>/"),
    ("courses/urls/worklists.py", "/worklists/"),
    ("courses/urls/offers.py", "/offer/"),
    ("courses/urls/reports.py", "/reports/"),
    ("clinic/urls/setup.py", "/setup/"),
    ("patients/urls/__init__.py", "/patients/"),
    ("patients/urls/intake.py", "/intake/"),
    ("patients/urls/measures.py", "/measures/"),
    ("patients/urls/consents.py", "/consent/"),
    ("patients/urls/alerts.py", "/alerts/"),
    ("patients/urls/message_rules.py", "/setup/messages/"),
    ("patients/urls/messages.py", "/messages/"),
    ("patients/urls/retention.py", "/setup/retention/"),
    ("patients/urls/public.py", "/"),
    ("patients/urls/hooks.py", "/hooks/"),
)
PATHS_OF = ("path",)


@dataclass(frozen=True)
class Row:
    """One line of the matrix."""

    group: str
    number: str
    says: str
    home: str
    test: str

    @property
    def waits(self) -> bool:
        return self.home.startswith(("issue ", "none: "))

    @property
    def is_kept_out(self) -> bool:
        return self.home.startswith("kept out: ")

    @property
    def is_in_part(self) -> bool:
        return "; rest: issue " in self.home


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(page: str) -> Iterator[tuple[str, list[str]]]:
    """(heading, cells) of every table line that is no head and no rule."""
    heading = ""
    lines = page.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("|") and not line.startswith("|---") and not following.startswith("|---"):
            yield heading, cells(line)


def rows_of(page: str) -> list[Row]:
    return [Row(heading, *found) for heading, found in tables(page) if heading != "Summary"]


def sums_of(page: str) -> dict[str, list[int]]:
    """What the summary says: group -> its six figures."""
    return {found[0]: [int(figure) for figure in found[1:]] for heading, found in tables(page) if heading == "Summary"}


def counted(rows: list[Row]) -> list[int]:
    """Rows, with a home, of these in part, waiting, kept out, with a test."""
    homes = [row for row in rows if not row.waits and not row.is_kept_out]
    return [
        len(rows),
        len(homes),
        sum(row.is_in_part for row in rows),
        sum(row.waits for row in rows),
        sum(row.is_kept_out for row in rows),
        sum(row.test != NONE for row in rows),
    ]


@cache
def names_in(file: Path) -> frozenset[str]:
    """Top-level names of a module, and those inside its classes as "Class.name"."""
    return frozenset(_names(ast.parse(file.read_text(encoding="utf-8")).body))


def _names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from _names(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id
        elif isinstance(node, ast.Assign):
            yield from (prefix + one.id for one in node.targets if isinstance(one, ast.Name))


def problem_with(reference: str, root: Path) -> str:
    """Why "file.py::name" cannot be found, or nothing. A parameter in square brackets is not looked at."""
    match = IN_FILE.fullmatch(reference.partition("[")[0])
    if match is None:
        return f"{reference} is not written as file.py::name"
    file = root / match["file"]
    if not file.is_file():
        return f"{match['file']} does not exist"
    name = (match["name"] or "").replace("::", ".")
    return f"{match['file']} has no {name}" if name and name not in names_in(file) else ""


def addresses(root: Path) -> frozenset[str]:
    """Every address of the product's own pages, parameters without their converters: "/courses/<pk>/"."""
    found = set()
    for file, prefix in URLS:
        for node in ast.walk(ast.parse((root / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PATHS_OF:
                route = node.args[0]
                if isinstance(route, ast.Constant) and isinstance(route.value, str):
                    found.add(prefix + re.sub(r"<\w+:", "<", route.value))
    return frozenset(found)


ROWS = rows_of(PAGE.read_text(encoding="utf-8"))


def test_every_fact_stands_in_the_matrix_exactly_once() -> None:
    facts = Counter(int(row.number) for row in ROWS if row.number.isdigit())
    assert {number: times for number, times in facts.items() if times > 1} == {}
    assert sorted(facts) == list(FACTS)
    others = Counter((row.group, row.number) for row in ROWS)
    assert [key for key, times in others.items() if times > 1] == []


def test_every_row_has_a_home_or_says_why_not() -> None:
    empty = [row for row in ROWS if not row.says or not row.home or not row.test]
    assert empty == []
    odd = [row for row in ROWS if row.waits and not re.match(r"issue [2-8]\b|none: \S", row.home)]
    assert odd == []
    homeless = [row for row in ROWS if not row.waits and not row.is_kept_out and not QUOTED.search(row.home)]
    assert homeless == []


def test_every_test_that_is_named_exists() -> None:
    wrong = []
    for row in ROWS:
        if row.test == NONE:
            continue
        references = QUOTED.findall(row.test)
        if not references or any("::" not in reference for reference in references):
            wrong.append(f"{row.group}, row {row.number}: {row.test!r} names no test")
        wrong += [
            f"{row.group}, row {row.number}: {problem}"
            for reference in references
            if (problem := problem_with(reference, ROOT))
        ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_module_name_and_address_that_is_named_exists() -> None:
    known = addresses(ROOT)
    wrong = []
    for row in ROWS:
        for reference in QUOTED.findall(row.home):
            if reference.startswith("/"):
                problem = "" if reference in known else f"there is no address {reference}"
            elif ".py" in reference:
                problem = problem_with(reference, ROOT)
            else:
                problem = ""
            wrong += [f"{row.group}, row {row.number}: {problem}"] if problem else []
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_summary_counts_right() -> None:
    groups = dict.fromkeys(row.group for row in ROWS)
    expected = {group: counted([row for row in ROWS if row.group == group]) for group in groups}
    assert sums_of(PAGE.read_text(encoding="utf-8")) == expected | {"**All**": counted(ROWS)}


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("clinic/tests/pure/test_traceability.py::test_the_summary_counts_right", ""),
        ("clinic/tests/pure/test_traceability.py::test_the_summary_counts_right[one]", ""),
        ("clinic/tests/pure/test_traceability.py::Row.waits", ""),
        ("clinic/tests/pure/test_traceability.py::Row::waits", ""),
        ("clinic/tests/pure/test_traceability.py", ""),
        ("clinic/tests/pure/test_traceability.py::test_of_yesterday", "has no test_of_yesterday"),
        ("clinic/tests/pure/test_traceability.py::Row::rests", "has no Row.rests"),
        ("clinic/tests/pure/test_gone.py::test_x", "does not exist"),
        ("test_x of this file", "is not written as"),
    ],
)
def test_what_is_named_is_found_and_what_is_gone_is_told(reference: str, why: str) -> None:
    found = problem_with(reference, ROOT)
    assert why in found
    assert bool(found) == bool(why)


def test_a_page_is_read_row_by_row() -> None:
    page = "## Facts\n\n| row | says | home | test |\n|---|---|---|---|\n| 1 | a | issue 5 | – |\n| 2 | b | `x.py`; rest: issue 4 | `y.py::z` |\n"
    assert rows_of(page) == [
        Row("Facts", "1", "a", "issue 5", "–"),
        Row("Facts", "2", "b", "`x.py`; rest: issue 4", "`y.py::z`"),
    ]
    assert counted(rows_of(page)) == [2, 1, 1, 1, 0, 1]


def test_addresses_are_read_from_the_sources() -> None:
    assert {"/", "/courses/<pk>/", "/patients/<pk>/", "/setup/"} <= addresses(ROOT)
