"""The rules of the record: what is missing, how texts are compared. Source: clinical.md A 92-117, C."""

from __future__ import annotations

import pytest

from patients.pure.consultation import (
    FIELDS,
    SECTIONS,
    Facts,
    Sect,
    both,
    completeness_of,
    fingerprint,
    infusions_from,
    tidy,
)

NEEDED = frozenset(name for name, one in FIELDS.items() if one.need)
ALL = Facts(
    filled=NEEDED,
    has_treatments=True,
    has_medicines=True,
    has_allergies=True,
    has_weight=True,
    has_pressure=True,
    has_heart_rate=True,
    may_be_pregnant=False,
)


def changed(**facts: object) -> Facts:
    values = {name: getattr(ALL, name) for name in Facts.__slots__} | facts
    return Facts(**values)


def test_nothing_is_missing_from_a_record_that_covers_every_topic() -> None:
    found = completeness_of(ALL)
    assert found.is_complete
    assert str(found) == "complete"
    assert found.words == ()


def test_an_empty_record_lacks_every_topic_in_the_order_of_the_page() -> None:
    found = completeness_of(Facts())
    assert str(found) == "missing"
    order = [section.key for section in SECTIONS]
    assert list(found.missing) == [key for key in order if key not in {Sect.SCREENING, Sect.COST}]
    assert found.missing[Sect.CONDITION] == ("condition", "severity", "since when", "history")
    assert found.missing[Sect.BODY] == ("weight", "blood pressure", "heart rate")
    assert found.missing[Sect.EXPLAINED] == ("expectations", "long-term questions", "way home")


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_each_needed_field_alone_makes_the_record_incomplete(name: str) -> None:
    found = completeness_of(changed(filled=NEEDED - {name}))
    assert found.words == (FIELDS[name].need,)


def test_words_about_treatments_do_as_well_as_rows_and_problems_as_a_medical_history() -> None:
    assert not completeness_of(changed(has_treatments=False)).is_complete
    assert completeness_of(changed(has_treatments=False, filled=NEEDED | {"treatment_note"})).is_complete
    assert completeness_of(changed(filled=NEEDED - {"medical_history"}, has_problems=True)).is_complete


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"may_be_pregnant": None}, ("whether it applies",)),
        ({"may_be_pregnant": None, "asks_pregnancy": False}, ()),
        ({"may_be_pregnant": True}, ("pregnancy test",)),
        ({"may_be_pregnant": True, "has_pregnancy_test": True}, ()),
        ({"may_be_pregnant": True, "asks_pregnancy": False}, ("pregnancy test",)),
    ],
)
def test_a_pregnancy_test_is_missing_only_where_it_applies(facts: dict[str, object], words: tuple[str, ...]) -> None:
    assert completeness_of(changed(**facts)).words == words


def test_texts_that_read_the_same_have_one_fingerprint() -> None:
    assert fingerprint("a\r\nb ") == fingerprint("a\nb")
    assert fingerprint("a\nb") != fingerprint("a b")
    assert tidy("\x00 a\rb\x00 ") == "a\nb"


def test_both_keeps_theirs_then_mine() -> None:
    assert both("theirs", "mine") == "theirs\n\nmine"
    assert both("", "mine") == "mine"


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("60", 60), ("0", None), ("61", None), ("6.5", None), ("²", None)]
)
def test_the_number_of_infusions_is_between_1_and_60(text: str, number: int | None) -> None:
    assert infusions_from(text) == number
