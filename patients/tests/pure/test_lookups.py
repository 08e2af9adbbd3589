"""What somebody who types into the search field may mean."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.lookups import MAX_READINGS, Days, Reading, proposed_name, readings

TODAY = date(2027, 1, 7)
MARCH_7 = Days(date(1985, 3, 7), date(1985, 3, 7))
JULY_3 = Days(date(1985, 7, 3), date(1985, 7, 3))


@pytest.mark.parametrize(
    ("typed", "born"),
    [
        ("1985-03-07", [MARCH_7]),
        ("1985/3/7", [MARCH_7]),
        ("3/7/1985", [MARCH_7, JULY_3]),  # 7 March where the month stands first, 3 July elsewhere: both
        ("07.03.1985", [JULY_3, MARCH_7]),
        ("03071985", [MARCH_7, JULY_3]),
        ("19850307", [MARCH_7]),
        ("3 7 1985", [MARCH_7, JULY_3]),
        ("7 Mar 1985", [MARCH_7]),
        ("7mar1985", [MARCH_7]),
        ("7th of", []),
        ("March 7th, 1985", [MARCH_7]),
        ("Mar 7 1985", [MARCH_7]),
        ("1985 march 7", [MARCH_7]),
        ("13/2/1985", [Days(date(1985, 2, 13), date(1985, 2, 13))]),  # there is no month 13
        ("3/7/85", [MARCH_7, JULY_3]),
        ("1985", [Days(date(1985, 1, 1), date(1985, 12, 31))]),
        ("mar 1985", [Days(date(1985, 3, 1), date(1985, 3, 31))]),
        ("dec 1985", [Days(date(1985, 12, 1), date(1985, 12, 31))]),
        ("31/2/1985", []),  # no such day, and then the year alone is not meant either
        ("7 Mar 2031", []),  # nobody is born in the future
        ("1850", []),
    ],
)
def test_a_birth_date_is_read_in_its_usual_spellings(typed, born):
    assert list(readings(typed, today=TODAY)[0].born) == born


def test_two_digits_of_a_year_mean_the_last_two_such_years():
    assert [span.first for span in readings("1/1/05", today=TODAY)[0].born] == [date(2005, 1, 1), date(1905, 1, 1)]


def test_a_name_and_a_year_are_meant_together():
    assert readings("silva 1985", today=TODAY) == (
        Reading(words=("silva",), born=(Days(date(1985, 1, 1), date(1985, 12, 31)),)),
        Reading(words=("silva",), numbers=("1985",)),
    )


def test_a_month_may_also_be_the_beginning_of_a_name():
    year = (Days(date(1985, 1, 1), date(1985, 12, 31)),)
    assert Reading(words=("mar",), born=year) in readings("mar 1985", today=TODAY)


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("(415) 555-0123", ("4155550123",)),
        ("+1 415 555 0123", ("14155550123",)),
        ("MRN 10342", ("10342",)),
        ("#10342", ("10342",)),
        ("+44 (0)20 7946 0958", ("442079460958",)),
    ],
)
def test_a_number_is_read_however_it_is_grouped(typed, numbers):
    assert readings(typed, today=TODAY)[0] == Reading(numbers=numbers)


def test_a_leading_zero_may_be_one_that_is_not_kept():
    assert Reading(numbers=("2079460958",)) in readings("020 7946 0958", today=TODAY)


def test_groups_of_digits_may_be_parts_of_one_number_or_several():
    assert readings("415 0123", today=TODAY) == (Reading(numbers=("4150123",)), Reading(numbers=("415", "0123")))


@pytest.mark.parametrize("typed", ["", "   ", "…", "'", "%_"])
def test_text_without_letters_and_digits_means_nothing(typed):
    assert readings(typed, today=TODAY) == ()


@given(st.text(max_size=200))
def test_any_text_has_a_bounded_number_of_readings_all_of_plain_letters(text):
    found = readings(text, today=TODAY)
    assert len(found) <= MAX_READINGS
    for reading in found:
        assert all(term.isascii() and term.isalnum() for term in (*reading.words, *reading.numbers))
        assert all(span.first <= span.last <= date(2027, 12, 31) for span in reading.born)


@pytest.mark.parametrize(
    ("typed", "given_name", "family_name"),
    [
        ("ana silva", "Ana", "Silva"),
        ("Silva, Ana", "Ana", "Silva"),
        ("silva", "", "Silva"),
        ("José Eduardo Gómez", "José Eduardo", "Gómez"),
        ("conor o'brien", "Conor", "O'Brien"),
        ("Ana Souza 7 Mar 1985", "Ana", "Souza"),
        ("silva 1985", "", "Silva"),
        ("(415) 555-0123", "", ""),
        ("McDonald", "", "McDonald"),  # written with care, so left as it is
    ],
)
def test_a_new_record_starts_with_the_name_that_was_typed(typed, given_name, family_name):
    assert proposed_name(typed) == (given_name, family_name)
