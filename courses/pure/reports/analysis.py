"""A row of the analysis table: what it says about a course without saying whose it is."""

from __future__ import annotations

from collections.abc import Mapping

from courses.pure.reports.analysis_columns import OTHER, VARIABLES, Facts
from courses.pure.reports.analysis_kinds import QUASI, Kind
from courses.pure.reports.contents import LEAST, Cell

OF = {one.name: one.of for one in VARIABLES}
POOLED_FACTS = ("location", "protocol", "prescriber_key", "indication", "sex", "status", "measure", "censored_by")
"""Facts of which rare values are "other"."""
REMAINS = (
    "What remains: exact scores, doses and days make every row its own for whoever knows them of a patient; the "
    "number of a patient’s courses, the measure and the counts of infusions can suggest what was withheld. The "
    "keys are drawn anew for every file, so two files cannot be laid beside each other by them. This is de-identified "
    "data of a clinic and not anonymous data: keep it where patients’ data is kept, and give it to nobody without an "
    "agreement."
)


def kept(counts: Mapping[str, int], least: int = LEAST) -> frozenset[str]:
    """The categories that may be named; what is not among them is "other".

    Where all that was pooled would still be fewer than ``least``, the smallest of the others goes with it: else "other"
    would name what it hides.

    Args:
        counts: patients by category; "" is "not recorded" and hides nobody.
        least: of so many patients a category may be named.
    """
    known = {name: many for name, many in counts.items() if name}
    named = sorted((name for name, many in known.items() if many >= least), key=lambda name: (known[name], name))
    pooled = sum(many for many in known.values() if many < least)
    if 0 < pooled < least and named:
        named = named[1:]
    return frozenset(named)


def pooled(value: str, names: frozenset[str]) -> str:
    return value if not value or value in names else OTHER


def coarsened(facts: Facts, names: Mapping[str, frozenset[str]]) -> Facts:
    """The facts of a course with its rare categories pooled.

    Args:
        names: for each of ``POOLED_FACTS`` the values that may be named.
    """
    return {**facts, **{name: pooled(facts[name], names[name]) for name in POOLED_FACTS}}


def kind_of(facts: Facts) -> Kind:
    """What a course says by the quasi-identifiers before any of it is given up.

    Args:
        facts: with rare categories pooled.
    """
    return tuple(OF[name](facts) for name in QUASI)


def row_of(facts: Facts, cells: Mapping[str, Cell]) -> tuple[Cell, ...]:
    """The row of one course, in the order of ``HEAD``.

    Args:
        facts: with rare categories pooled.
        cells: of the columns of which something may have been given up, as the file says them.
    """
    return tuple(cells[one.name] if one.name in cells else one.of(facts) for one in VARIABLES)
