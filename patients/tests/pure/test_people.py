"""One row of somebody's table, read as a person."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.people import DAY_FIRST, MONTH_FIRST, Reader, printable, read_day, read_phone, told_order

ROW = {"external_id": "7", "given_name": "Ada", "family_name": "Okafor", "birth_date": "1985-03-14"}


def read(**cells):
    reader = Reader()
    return reader.person(ROW | cells), [(one.target, one.reason) for one in reader.problems]


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("1985-03-07", MONTH_FIRST, date(1985, 3, 7)),
        ("1985/3/7", DAY_FIRST, date(1985, 3, 7)),
        ("3/7/1985", MONTH_FIRST, date(1985, 3, 7)),
        ("3/7/1985", DAY_FIRST, date(1985, 7, 3)),
        ("07.03.1985", DAY_FIRST, date(1985, 3, 7)),
        ("25/3/1985", MONTH_FIRST, date(1985, 3, 25)),  # there is no month 25
        ("19850307", MONTH_FIRST, date(1985, 3, 7)),
        ("7 Mar 1985", MONTH_FIRST, date(1985, 3, 7)),
        ("March 7, 1985", MONTH_FIRST, date(1985, 3, 7)),
        ("1985-03-07T00:00:00Z", MONTH_FIRST, date(1985, 3, 7)),
        ("3/7/1985 12:00", MONTH_FIRST, date(1985, 3, 7)),
        ("2000-02-29", MONTH_FIRST, date(2000, 2, 29)),
    ],
)
def test_a_day_is_read(text, order, expected):
    assert read_day(text, order) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1985-02-31", "is a day that does not exist"),
        ("1900-02-29", "is a day that does not exist"),
        ("31/31/1985", "is a day that does not exist"),
        ("3/7/85", "has a year of two digits; write it in full, 1985-03-07"),
        ("yesterday", "is no date; write it as 1985-03-07"),
        ("31113", "is no date; write it as 1985-03-07"),  # a day number of a spreadsheet
    ],
)
def test_what_is_no_day_is_refused_in_words(text, reason):
    with pytest.raises(ValueError, match=reason):
        read_day(text, MONTH_FIRST)


def test_dates_tell_their_order_only_when_a_number_is_above_twelve():
    assert told_order(["3/7/1985", "25/12/1990"]) == DAY_FIRST
    assert told_order(["3/7/1985", "12/25/1990"]) == MONTH_FIRST
    assert told_order(["3/7/1985", "1990-12-25"]) is None
    assert told_order(["25/12/1990", "12/25/1990"]) is None


@given(st.dates(date(1900, 1, 1), date(2030, 1, 1)), st.sampled_from([MONTH_FIRST, DAY_FIRST]))
def test_every_day_written_out_is_read_back(day, order):
    slashes = f"{day.month}/{day.day}/{day.year}" if order == MONTH_FIRST else f"{day.day}/{day.month}/{day.year}"
    assert read_day(day.isoformat(), order) == read_day(slashes, order) == day


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(212) 555-0123", "+12125550123"),
        ("+44 20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("12", ""),
        ("call mother", ""),
        ("212 555 0123 ext. 7", ""),
    ],
)
def test_a_number_is_kept_with_its_country_code_or_refused(text, expected):
    assert read_phone(text, "US") == expected


def test_a_full_row_becomes_a_person():
    person, problems = read(
        sex="F",
        mobile="212-555-0123",
        home_phone="(212) 555-0123",
        work_phone="212 555 0199",
        country="United States",
        language="Spanish",
        deceased_on="",
        address="1 Main Street\nApt 4",
        given_name="  Jose\u0301   Eduardo ",
    )
    assert problems == []
    assert person.values["given_name"] == "José Eduardo"  # composed, one blank
    assert person.values["sex"] == "female"
    assert person.values["address"] == "1 Main Street, Apt 4"  # a quoted newline is no reason to refuse
    assert (person.values["country"], person.values["language"]) == ("US", "es")
    assert person.values["deceased_on"] is None
    assert person.phones == (("mobile", "+12125550123"), ("work", "+12125550199"))  # the same number once
    assert person.said["home_phone"] == "+12125550123"
    assert person.said["birth_date"] == "1985-03-14"


@pytest.mark.parametrize(
    ("text", "given_name", "family_name"),
    [
        ("Silva, Ana Maria", "Ana Maria", "Silva"),
        ("Ana Maria Silva", "Ana Maria", "Silva"),
        ("De la Cruz, Ana", "Ana", "De la Cruz"),
    ],
)
def test_a_full_name_is_parted(text, given_name, family_name):
    cells = {"full_name": text, "birth_date": "1985-03-14"}
    person = Reader().person(cells)
    assert person is not None
    assert (person.values["given_name"], person.values["family_name"]) == (given_name, family_name)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"family_name": " "}, ("family_name", "is empty")),
        ({"birth_date": ""}, ("birth_date", "is empty")),
        ({"given_name": "A\x00da"}, ("given_name", "holds control characters (for example a zero byte); remove them")),
        (
            {"given_name": "Jos\udce9"},
            ("given_name", "holds bytes that are no letters in this file's encoding; choose another encoding"),
        ),
        ({"sex": "7"}, ("sex", "is none of female, male, other, unknown")),
        ({"mobile": "12"}, ("mobile", "is no telephone number that can be dialled; write it with area code")),
        ({"country": "Atlantis"}, ("country", "is none that Cadence knows; write its code, for example US")),
    ],
)
def test_what_is_wrong_is_named_with_its_column(cells, expected):
    person, problems = read(**cells)
    assert person is None
    assert problems[0][0] == expected[0]
    assert problems[0][1].split(", for example")[0] == expected[1].split(", for example")[0]


def test_all_that_is_wrong_with_a_row_is_said_at_once():
    _, problems = read(family_name="", birth_date="31.2.1985", mobile="12")
    assert [target for target, _ in problems] == ["family_name", "birth_date", "mobile"]


@given(
    st.dictionaries(
        st.sampled_from(["given_name", "family_name", "birth_date", "sex", "mobile", "address"]), st.text(max_size=30)
    )
)
def test_no_row_breaks_the_reader(cells):
    reader = Reader()
    assert reader.person(ROW | cells) or reader.problems


def test_a_value_is_shown_without_what_cannot_be_stored():
    assert printable("a\x00b\udce9" + "x" * 300) == "a\ufffdb\ufffd" + "x" * 196
