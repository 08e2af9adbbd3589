"""Names as the search sees them: exact on real names, and true for any text there is."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from patients.pure.names import (
    digits,
    edits_allowed,
    grams,
    key,
    marked,
    misspellings,
    normalise,
    search_columns,
    starts,
    tokens,
)

WORD = st.text(alphabet="abcdefg", min_size=1, max_size=12)
ANY_TEXT = st.text(max_size=40)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("José Eduardo", "jose eduardo"),
        ("GÓMEZ", "gomez"),
        ("O'Brien", "obrien"),
        ("O’Brien", "obrien"),
        ("O´Brien", "obrien"),
        ("D'Amore", "damore"),
        ("Smith-Jones", "smith jones"),
        ("de la Cruz", "de la cruz"),
        ("Patiño", "patino"),
        ("Jose\u0301", "jose"),  # e and a combining accent, as macOS writes it
        ("Straße", "strasse"),
        ("Łukasz Øst", "lukasz ost"),
        ("Ｍａｒｉａ", "maria"),  # full-width letters
        ("  two\u00a0 blanks\t", "two blanks"),
        ("a\x00b", "a b"),
        ("…—", ""),
    ],
)
def test_a_name_is_normalised_to_plain_letters(written, expected):
    assert normalise(written) == expected


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


@given(ANY_TEXT)
def test_normalised_text_is_plain_letters_digits_and_single_blanks(text):
    plain = normalise(text)
    assert set(plain) <= set("abcdefghijklmnopqrstuvwxyz0123456789 ")
    assert plain == " ".join(plain.split()) == " ".join(tokens(text))


@given(ANY_TEXT)
def test_capitals_and_accents_written_apart_make_no_difference(text):
    import unicodedata  # noqa: PLC0415

    assert normalise(unicodedata.normalize("NFD", text)) == normalise(unicodedata.normalize("NFC", text))


def test_pieces_of_a_word():
    assert grams("gomez") == {"gom", "ome", "mez"}
    assert grams("li") == set()
    assert starts("gomez") == {"g", "go", "gom"}
    assert starts("li") == {"l", "li"}


@pytest.mark.parametrize(
    ("word", "allowed"), [("lee", 0), ("chen", 1), ("wilkins", 1), ("hernande", 2), ("villalobos", 2)]
)
def test_longer_words_may_have_more_edits(word, allowed):
    assert edits_allowed(word) == allowed


@given(WORD, WORD)
def test_words_within_the_allowed_edits_share_a_misspelling_key(typed, name):
    """The promise on which the typo search stands, against the distance itself."""
    if OSA.distance(typed, name) <= edits_allowed(typed):
        assert misspellings(typed) & misspellings(name)


@given(WORD, st.data())
def test_one_edit_anywhere_in_a_word_of_four_letters_or_more_is_found(name, data):
    if len(name) < 5:
        name = f"{name}karin"
    at = data.draw(st.integers(0, len(name) - 2))
    letter = data.draw(st.sampled_from("axyz"))
    kind = data.draw(st.sampled_from(["left out", "put in", "another", "swapped"]))
    typed = {
        "left out": name[:at] + name[at + 1 :],
        "put in": name[:at] + letter + name[at:],
        "another": name[:at] + letter + name[at + 1 :],
        "swapped": name[:at] + name[at + 1] + name[at] + name[at + 2 :],
    }[kind]
    assert misspellings(typed) & misspellings(name)


@given(WORD)
def test_a_long_word_has_no_more_than_37_misspelling_keys(word):
    assert len(misspellings(word * 4)) <= 1 + 8 + 28


def test_keys_are_signed_32_bit_numbers_and_apart_for_each_kind():
    numbers = [key(kind, piece) for kind, piece in combinations("=^*~mary", 2)]
    assert all(-(2**31) <= number < 2**31 for number in numbers)
    assert key("=", "mary") != key("~", "mary")


def test_the_columns_of_a_real_synthea_patient():
    columns = search_columns(
        given_name="José Eduardo", family_name="Gómez", preferred_name="", mrn="10342", phones=["+14155550123"]
    )
    assert columns.text == " gomez jose eduardo joseeduardo | 10342 14155550123 "
    for kind, piece in [("=", "gomez"), ("^", "j"), ("*", "mez"), ("~", "gmez"), ("=", "10342"), ("*", "012")]:
        assert key(kind, piece) in columns.keys
    assert key("~", "10342") not in columns.keys  # nobody wants a patient whose number is nearly the one typed


def test_a_name_of_several_words_is_also_kept_in_one_piece():
    columns = search_columns(given_name="Ana", family_name="De la Cruz", preferred_name="Annie", mrn="10343", phones=[])
    assert columns.text == " de la cruz ana annie delacruz | 10343 "


@given(st.text(max_size=30), st.text(max_size=30), st.text(alphabet="0123456789+- ()", max_size=20))
def test_no_name_breaks_the_columns(given_name, family_name, phone):
    columns = search_columns(
        given_name=given_name, family_name=family_name, preferred_name="", mrn="10001", phones=[phone]
    )
    assert columns.text.count("|") == 1
    assert columns.text.startswith(" ")
    assert columns.text.endswith(" ")
    assert columns.keys == sorted(set(columns.keys))
    for word in tokens(family_name):
        assert f" {word} " in columns.text


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("José Eduardo Gómez", ["jos", "gomez"], ["José"[:3], "Gómez"]),
        ("Conor O'Brien", ["obri"], ["O'Bri"]),
        ("Ana Smith-Jones", ["jones"], ["Jones"]),
        ("Mariana Amaria", ["maria"], ["Maria"]),  # where a word begins counts first
        ("Rosalind", ["lin"], ["lin"]),  # inside, because no word begins so
        ("Jürgen Groß", ["gross"], ["Groß"]),
        ("Ada", ["zoe"], []),
    ],
)
def test_what_was_typed_is_marked_in_the_name_as_it_is_written(text, words, expected):
    assert [part.text for part in marked(text, words) if part.is_match] == expected


@given(ANY_TEXT, st.lists(WORD, max_size=3))
def test_marking_loses_no_letter(text, words):
    assert "".join(part.text for part in marked(text, words)) == text


def test_digits_of_a_number_as_people_write_it():
    assert digits("+1 (415) 555-0123") == "14155550123"
    assert digits("\u0661\u0662") == ""  # only the ten digits that a phone book knows
