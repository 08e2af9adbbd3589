"""What the outcome figures say about their definitions, and which publications stand beside them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from courses.pure.outcomes.terms import SHIPPED, Terms
from courses.pure.reports import references
from courses.pure.reports.outcome_terms import TermWords


def test_one_version_says_its_numbers_once() -> None:
    """clinical.md F1: 50 %, 20 hours, 14 days, PHQ-9 from 10, remission below 5."""
    said = TermWords([SHIPPED])
    assert said.source == "Outcome terms, shipped"
    assert said.response == (
        "The first score at least 20 hours and at most 14 days after the last infusion of the series is at least 50 % "
        "below the baseline."
    )
    assert said.evaluable == "Evaluable: PHQ-9 from 10."
    assert "PHQ-9 at most 4, QIDS-SR16 at most 5, MADRS at most 10, whatever the baseline" in said.remission
    assert (said.early, said.gradual, said.late) == (
        "First response by infusion 2.",
        "First response after infusion 3 to 4.",
        "First response after infusion 5 or later.",
    )


def test_several_versions_are_told_apart_only_where_they_differ() -> None:
    said = TermWords([SHIPPED, Terms(number=2, response_percent=60), Terms(number=5)])
    assert said.source == "Outcome terms, shipped, version 2 and version 5"
    assert "at least 50 % (shipped) or 60 % (version 2) or 50 % (version 5) below" in said.response
    assert said.baseline.count("14 days") == 1


def test_later_is_judged_by_its_own_score() -> None:
    assert TermWords([SHIPPED], "later").response == (
        "The first score 14 to 31 days after the last infusion of the series (as McInnes 2022) is at least 50 % below "
        "the baseline."
    )


@pytest.mark.parametrize(
    ("courses", "group", "is_mixed"),
    [
        ({}, "", False),
        ({"ptsd": 3}, "ptsd", False),
        ({"mdd": 2, "trd": 5}, "trd", False),  # both depression
        ({"trd": 6, "ptsd": 2}, "trd", True),
        ({"trd": 3, "ptsd": 3}, "", True),  # as many: nothing would speak of most of them
        ({"pain": 2, "ptsd": 3}, "", True),
    ],
)
def test_publications_are_those_of_most_courses(courses: dict[str, int], group: str, *, is_mixed: bool) -> None:
    assert (references.group_of(courses), references.is_mixed(courses)) == (group, is_mixed)


def test_published_numbers_come_with_everything_without_which_they_must_not_be_shown() -> None:
    """clinical.md F2: response 18.3 to 91.6 %, remission 13 to 66.6 %; 80 and 60 % held (P20), 5 of 11 (P3)."""
    found = references.responses("mdd")
    assert (found[-1].value, found[0].value, len(found)) == (Decimal("18.3"), Decimal("91.6"), 10)
    assert [one.value for one in references.remissions("mdd")] == sorted(
        (Decimal(value) for value in ("66.6", "46", "28.9", "27.3", "20", "15", "13")), reverse=True
    )
    assert {one.value for one in references.held("mdd", 28)} == {Decimal("45.5"), Decimal(80)}
    assert {one.value for one in references.held("mdd", 56)} == {Decimal(60)}
    assert {one.value for one in references.medians("mdd")} == {Decimal(18), Decimal(57)}
    for one in (*found, *references.held("mdd", 28), *references.medians("mdd"), *references.any_increase("mdd")):
        assert all((one.study, one.setting, one.n, one.scale, one.time_point, one.citation)), one


@pytest.mark.parametrize("condition", ["", "pain", "anxiety"])
def test_where_nothing_was_published_nothing_is_shown(condition: str) -> None:
    assert references.responses(condition) == ()
    assert references.held(condition, 28) == references.medians(condition) == references.new_thoughts(condition) == ()
