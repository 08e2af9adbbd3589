"""What a row of the analysis table may say: bands, pooled categories, and a dictionary that has every column."""

from __future__ import annotations

import pytest

from courses.models import CourseResult
from courses.pure.reports.analysis import POOLED_FACTS, kept, pooled
from courses.pure.reports.analysis_columns import DICTIONARY_HEAD, HEAD, VARIABLES, age_band, dictionary
from courses.pure.reports.analysis_kinds import words_of
from courses.reports.analysis import FIELDS, KEYS, NAMED


@pytest.mark.parametrize(
    ("years", "band"),
    [(18, "10 to 19"), (29, "20 to 29"), (30, "30 to 39"), (89, "80 to 89"), (90, "90 and over"), (104, "90 and over")],
)
def test_an_age_is_ten_years_and_ninety_is_the_last(years: int, band: str) -> None:
    assert age_band(years) == band


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ({"A": 12, "B": 5}, {"A", "B"}),  # nothing is rare
        ({"A": 12, "B": 9, "C": 4}, {"A"}),  # C alone as "other" would be C: B goes with it
        ({"A": 12, "B": 9, "C": 3, "D": 2}, {"A", "B"}),  # five in "other" may be either
        ({"A": 4}, set()),
        ({"A": 7, "B": 1}, set()),
        ({"A": 7, "": 1}, {"A"}),  # "not recorded" hides nobody
        ({}, set()),
    ],
)
def test_a_category_is_named_from_five_patients_on_and_what_is_pooled_is_at_least_five(
    counts: dict[str, int], named: set[str]
) -> None:
    assert kept(counts, 5) == named


def test_what_may_not_be_named_is_other_and_what_is_not_recorded_stays_so() -> None:
    assert [pooled(value, frozenset({"A"})) for value in ("A", "B", "")] == ["A", "other", ""]


def test_every_column_has_one_line_in_the_dictionary_and_every_line_says_everything() -> None:
    lines = dictionary(words_of([0, 4]))
    assert tuple(line[0] for line in lines) == HEAD
    assert len(set(HEAD)) == len(HEAD) == 51
    assert len(DICTIONARY_HEAD) == len(lines[0]) == 6
    for name, meaning, _unit, values, source, withheld in lines:
        assert meaning.endswith("."), name
        assert values, name
        assert source, name
        assert bool(withheld) == ("or withheld" in values), name


def test_no_column_is_a_name_a_day_or_a_number_of_a_record() -> None:
    """45 CFR 164.514(b)(2): of dates only the year; no names, numbers of records or free text."""
    text = {"referrer", "started_on", "last_on", "worked_out_at", "changes_on", "course", "patient", "prescriber"}
    assert not text & set(HEAD)
    assert not {name for name in HEAD if name.endswith(("_on", "_id", "_at", "name", "mrn"))}


def test_every_field_of_a_result_is_in_the_table_or_left_out_on_purpose() -> None:
    """A field that is added later makes this fail: somebody decides."""
    fields = {field.name for field in CourseResult._meta.concrete_fields}
    keys = {purpose for _, purpose in KEYS.values()}
    left_out = {"worked_out_at", "changes_on", "protocol_version", "location"}  # the last two come by name
    assert fields == set(FIELDS) | keys | left_out
    assert set(POOLED_FACTS) <= set(FIELDS) | set(NAMED)
    assert {one.of.__name__ for one in VARIABLES} == {"read", "<lambda>"}
