"""A page of the reports on paper: typeset, accessible, the same numbers, and nothing that somebody typed is a command."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from courses.adapters import typesetting
from courses.adapters.report_pdf import report_pdf, source
from courses.pure.reports.contents import Report, Section
from courses.pure.reports.paper import as_data
from courses.tests.report_kit import AS_OF, BY_PROTOCOL, COMPARED, EMPTY, FEW, REPORT, RESPONSE

TYPST = '#panic("no") $x^2$ [b] *bold* _it_ @ref `raw` // \\ "q"'


def made(report: Report) -> bytes:
    return report_pdf(report, clinic="Brooklyn Clinic", said_at="Thu 1 Apr 2027, 09:05", at=AS_OF)


def words_of(pdf: bytes) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (on Debian: apt-get install poppler-utils)")
    done = subprocess.run([program, "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def test_the_page_says_its_figures_tables_definitions_and_as_of_when() -> None:
    words = words_of(made(REPORT))
    for said in (
        "Outcomes", "Brooklyn · started 1 Jan 2027 to 31 Mar 2027", "As of Thu 1 Apr 2027, 09:05",
        "64.7 % 11 of 17", "95 % interval 41.3 to 82.7 %", "Left out: no baseline 2, no score at the end 1",
        "n = 3: too few to give a share", "Infusion 4 17 85.0", "4 Jan 2027 12 66.7", "28 70.7 33.7 89.6 9",
        "At least 50 % below the baseline at the end of the series. Source: Outcome terms, version 2.",
        "McInnes LA et al. J Affect Disord 2022;301:486-495", "Page 1 of 3",
    ):  # fmt: skip
        assert said in words, said


def test_two_groups_stand_beside_each_other() -> None:
    words = words_of(made(COMPARED))
    assert "Compared with Queens · started 1 Jan 2027 to 31 Mar 2027" in words
    assert "40.0 % 4 of 10" in words


def test_every_chart_is_accessible_paper() -> None:
    """Compiled strictly: PDF/UA refuses what cannot be read aloud."""
    data = as_data(COMPARED, clinic="Brooklyn", said_at="now")
    assert typesetting._compiled(source(), data, AS_OF, standards=["ua-1"]).startswith(b"%PDF-1.7")


def test_nothing_to_say_is_said() -> None:
    assert "There is nothing in this report for these filters." in words_of(made(EMPTY))
    empty = replace(EMPTY, sections=(Section("s", "By protocol", (replace(BY_PROTOCOL, rows=()),)),))
    assert "Nothing to count in this period." in words_of(made(empty))


def test_what_a_person_typed_is_text() -> None:
    nasty = replace(
        REPORT, title=TYPST, about=TYPST, sections=(Section("s", TYPST, (replace(RESPONSE, title=TYPST),), about=TYPST),)
    )  # fmt: skip
    assert '#panic("no") $x^2$ [b] *bold*' in words_of(made(nasty))


@pytest.mark.parametrize("many", [1, 2, 4, 5, 7])
def test_any_number_of_figures_fits(many: int) -> None:
    figures = tuple(replace(FEW, key=f"f{n}", title=f"Figure {n}") for n in range(many))
    words = words_of(made(replace(REPORT, sections=(Section("s", "S", figures),))))
    assert all(f"Figure {n}" in words for n in range(many))


def test_two_prints_of_the_same_are_the_same() -> None:
    assert made(REPORT) == made(REPORT)
