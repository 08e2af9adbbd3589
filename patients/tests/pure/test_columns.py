"""Which column of somebody's table is what."""

import pytest

from patients.pure.columns import guess_mapping, header_words, mapping_problems, missing_targets


@pytest.mark.parametrize("header", ["DateOfBirth", "date_of_birth", "Date of birth:", "DATE OF BIRTH"])
def test_headers_are_read_as_people_mean_them(header):
    assert header_words(header) == "date of birth"


def test_usual_headers_are_guessed():
    columns = ["Chart no.", "First Name", "LastName", "DOB", "Gender", "Cell phone", "E-mail", "ZIP", "Colour"]
    assert guess_mapping(columns) == {
        "external_id": "Chart no.",
        "given_name": "First Name",
        "family_name": "LastName",
        "birth_date": "DOB",
        "sex": "Gender",
        "mobile": "Cell phone",
        "email": "E-mail",
        "postal_code": "ZIP",
    }


def test_a_full_name_is_used_only_where_its_parts_have_no_columns():
    assert guess_mapping(["Name", "DOB"]) == {"full_name": "Name", "birth_date": "DOB"}
    assert "full_name" not in guess_mapping(["Name", "First", "Last", "DOB"])


def test_what_was_remembered_comes_first_as_far_as_the_file_still_has_it():
    remembered = {"given_name": "Rufname", "referrer": "Gone", "nonsense": "Last"}
    assert guess_mapping(["Rufname", "First", "Last", "DOB"], remembered) == {
        "given_name": "Rufname",
        "family_name": "Last",
        "birth_date": "DOB",
    }


@pytest.mark.parametrize("column", ["SSN", "Social Security No", "PassportNumber", "Driver's license", "Credit card"])
def test_identity_and_payment_numbers_are_never_taken(column):
    assert column not in guess_mapping([column, "First", "Last", "DOB"]).values()
    problems = mapping_problems(
        {"given_name": "First", "family_name": "Last", "birth_date": "DOB", "referrer": column},
        ["First", "Last", "DOB", column],
    )
    assert problems == [f"The column “{column}” is not imported: identity and payment numbers stay out of Cadence."]


def test_a_missing_column_is_named():
    assert missing_targets({"given_name": "First"}) == ["Family name", "Birth date"]
    assert missing_targets({"full_name": "Name", "birth_date": "DOB"}) == []
    assert mapping_problems({"given_name": "A", "family_name": "B", "birth_date": "C"}, ["A", "B"]) == [
        "The file has no column “C”."
    ]


def test_one_column_is_not_two_things():
    mapping = {"given_name": "A", "family_name": "A", "birth_date": "C"}
    assert mapping_problems(mapping, ["A", "C"]) == ["The column “A” is chosen for two things. Choose it once."]
