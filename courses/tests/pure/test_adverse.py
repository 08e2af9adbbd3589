"""The coded list of side effects, and how several are said in one line."""

from __future__ import annotations

import re

from courses.pure.adverse import BY_CODE, EFFECTS, OTHER, label_of, said_effects

ARTICLES = {
    "A 118": "nausea",
    "A 119": "dizziness",
    "A 120": "taste",
    "A 121": "fatigue",
    "A 122": "heart_rate",
    "A 123": "hallucinations",
    "A 124": "brain_fog",
    "A 125": "drowsiness",
    "A 128": "memory",
    "A 129": "bladder",
    "A 130": "craving",
}


def test_each_fact_of_the_articles_has_its_code() -> None:
    assert {fact: BY_CODE[code].source.split(";")[0] for fact, code in ARTICLES.items()} == {f: f for f in ARTICLES}


def test_each_expected_effect_of_the_literature_has_a_code_that_names_it() -> None:
    from_f2 = {one.code for one in EFFECTS if "F2" in one.source}
    assert from_f2 == {
        *("nausea", "dizziness", "dissociation", "sedation", "headache", "anxiety"),
        *("raised_pressure", "blurred_vision", "unconscious"),
    }


def test_no_frequency_stands_without_its_study_and_route() -> None:
    said = [one.expected for one in EFFECTS if one.expected]
    assert len(said) == 9
    assert all(re.search(r"\((esketamine|intravenous|P32)", one) and re.search(r"[LP]\d", one) for one in said)


def test_codes_are_there_once_and_something_else_is_one_of_them() -> None:
    assert len(BY_CODE) == len(EFFECTS)
    assert OTHER in BY_CODE


def test_the_worst_is_named_and_the_others_are_counted() -> None:
    assert said_effects([]) == ""
    assert said_effects([("nausea", "", "moderate")]) == "Nausea (moderate)"
    assert said_effects([("headache", "", "mild"), ("nausea", "", "moderate")]) == "Nausea (moderate), 1 more"


def test_something_else_is_called_as_it_was_written() -> None:
    assert label_of("other", "Itching") == "Itching"
    assert label_of("nausea", "after the water") == "Nausea"
