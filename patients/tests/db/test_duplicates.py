"""The warning that somebody may be known already."""

from datetime import date

import pytest

from patients.services.duplicates import Reason, similar_patients
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db

BORN = date(1989, 5, 25)


@pytest.fixture
def gomez():
    return make_patient("José Eduardo", "Gómez", mrn="10001", birth_date=BORN, phones=["+14155550123"])


@pytest.mark.parametrize(
    ("given", "family", "born", "phone", "reason"),
    [
        ("José Eduardo", "Gómez", BORN, "", Reason.NAME_AND_BIRTH),
        ("jose eduardo", "GOMEZ", BORN, "", Reason.NAME_AND_BIRTH),
        ("José", "Gómez", BORN, "", Reason.SIMILAR_NAME),  # without the second name
        ("Jose", "Gomes", BORN, "", Reason.SIMILAR_NAME),  # one letter off
        ("Gómez", "José", BORN, "", Reason.SIMILAR_NAME),  # in the wrong boxes
        ("José Eduardo", "Gómez", date(1989, 5, 24), "", Reason.SIMILAR_BIRTH),
        ("José Eduardo", "Gómez", date(1988, 5, 25), "", Reason.SIMILAR_BIRTH),
        ("José", "Gómez", None, "(415) 555-0123", Reason.PHONE),
        ("José", "Gómez", date(1950, 1, 1), "+1 415 555 0123", Reason.PHONE),
    ],
)
def test_a_likely_duplicate_is_found_with_its_reason(gomez, given, family, born, phone, reason):  # noqa: PLR0917
    found = similar_patients(given=given, family=family, birth_date=born, phone=phone)
    assert [(one.patient, one.reason) for one in found] == [(gomez, reason)]


@pytest.mark.parametrize(
    ("given", "family", "born", "phone"),
    [
        ("Ana", "Gómez", BORN, ""),  # perhaps a twin
        ("José Eduardo", "Ruiz", BORN, ""),
        ("José Eduardo", "Gómez", date(1960, 1, 1), ""),
        ("Ana", "Ruiz", None, "+14155550123"),  # a telephone that two people share
        ("José Eduardo", "Gómez", None, ""),  # a name alone is no likeness
        ("José Eduardo", "Gómez", None, "no number"),
        ("", "", BORN, ""),
    ],
)
def test_somebody_else_raises_no_warning(gomez, given, family, born, phone):
    assert similar_patients(given=given, family=family, birth_date=born, phone=phone) == []


def test_day_and_month_swapped_is_nearly_the_same_birth_date():
    patient = make_patient("Ada", "Okafor", birth_date=date(1985, 3, 7))
    found = similar_patients(given="Ada", family="Okafor", birth_date=date(1985, 7, 3))
    assert [(one.patient, one.reason) for one in found] == [(patient, Reason.SIMILAR_BIRTH)]


def test_the_record_being_edited_and_merged_ones_are_left_out(gomez):
    merged = make_patient("José Eduardo", "Gómez", birth_date=BORN, merged_into=gomez)
    found = similar_patients(given="José Eduardo", family="Gómez", birth_date=BORN, exclude=gomez.pk)
    assert found == []
    assert merged.merged_into == gomez


def test_the_likeliest_stands_first(gomez):
    other = make_patient("José", "Gomes", birth_date=BORN)
    found = similar_patients(given="José Eduardo", family="Gómez", birth_date=BORN)
    assert [one.patient for one in found] == [gomez, other]
