"""The de-identified table: one row a course, each cell by hand, nothing that names anybody, and what few share is pooled."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.pure.reports.analysis_columns import HEAD
from courses.pure.reports.analysis_kinds import QUASI
from courses.pure.reports.contents import LEAST
from courses.pure.reports.filters import Filters
from courses.reports.analysis import KEYS, extent_of, key_of, rows_of
from courses.tests.report_kit import put_result
from patients.models import Patient
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
EVER = Filters(period="all")
FILE = "secret of one file"


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic("Brooklyn")


def people(many: int, **fields: Any) -> list[Patient]:
    return [make_patient("Xanthippe", f"Quillfeather{n}", sex="female", **fields) for n in range(many)]


def table(filters: Filters = EVER) -> list[dict[str, Any]]:
    return [dict(zip(HEAD, row, strict=True)) for row in rows_of(filters, extent_of(filters), secret=FILE)]


def test_a_row_says_each_fact_by_its_definition(clinic: Clinic) -> None:
    """Born 14 March 1985: 41 on 4 January 2027. Twelve days from the first to the last, so the last is day 11."""
    for person in people(5):
        row = put_result(clinic, person, referrer="Dr. Vega")
    found = next(one for one in table() if one["course_key"] == key_of("course_key", row.course_id, FILE))
    assert found == {
        "course_key": key_of("course_key", row.course_id, FILE), "patient_key": key_of("patient_key", row.patient_id, FILE),
        "prescriber_key": key_of("prescriber_key", clinic.clinician.pk, FILE), "location": "Brooklyn",
        "age_band": "40 to 49", "sex": "female", "start_year": 2027, "has_referrer": 1, "condition": "trd",
        "protocol": row.protocol_version.title, "previous_failures": 2, "dose": Decimal("0.50"), "status": "completed",
        "infusions_planned": 6, "infusions_given": 6, "infusions_in_all": 7, "given_in_all": Decimal("288.4"),
        "span": 12, "last_day": 11, "gaps": 5, "gaps_on_window": 4, "is_over": 1, "is_completed": 1,
        "is_kit_completed": 1, "is_dropped_out": 0, "terms": 0, "measure": "phq9", "baseline": Decimal(20),
        "severity": "Severe", "is_evaluable": 1, "end": "response", "end_score": Decimal(8),
        "end_improvement": Decimal(60), "is_remission": 0, "first_response": 4, "speed": "gradual",
        "is_responder_lost": 0, "has_any_increase": 0, "has_worsened": 0, "has_new_suicidal_thoughts": 0,
        "later_score": None, "later_improvement": None, "later_end": "", "is_later_remission": 0, "held": 40,
        "has_relapsed": 0, "censored_by": "last_score", "maintenance_day": None, "infusions_with_effects": 0,
        "infusions_stopped": 0, "serious_effects": 0,
    }  # fmt: skip


def test_nothing_in_it_names_a_person_or_a_day(clinic: Clinic) -> None:
    User.objects.filter(pk=clinic.clinician.pk).update(first_name="Cora", last_name="Clinician")
    everybody = people(5, address="1 Secret Street", email="x@secret.example")
    rows = [put_result(clinic, person, referrer="Dr. Vega") for person in everybody]
    said = " ".join(str(cell) for one in table() for cell in one.values())
    for secret in ("Quillfeather", "Xanthippe", "Vega", "Cora", "Secret", "secret", *(one.mrn for one in everybody)):
        assert secret not in said
    assert not re.search(r"\d{4}-\d{2}-\d{2}", said)
    assert not {str(row.course_id) for row in rows} & {one["course_key"] for one in table()}
    assert not any(isinstance(cell, date) for one in table() for cell in one.values())


def test_a_key_differs_by_file_and_by_purpose_and_leads_back_to_no_number(settings: Any) -> None:
    key = key_of("course_key", 7, FILE)
    assert re.fullmatch(r"c_[a-z2-7]{16}", key)
    assert key == key_of("course_key", 7, FILE)
    others = [key_of(kind, 7, FILE) for kind in ("patient_key", "prescriber_key")] + [key_of("course_key", 8, FILE)]
    assert len({key[2:], *(one[2:] for one in others)}) == 4
    assert key_of("course_key", 7, "secret of another file") != key
    settings.SECRET_KEY = "another installation's"
    assert key_of("course_key", 7, FILE) != key


def test_two_courses_of_one_patient_have_one_patient_key(clinic: Clinic) -> None:
    everybody = people(5)
    for person in everybody:
        put_result(clinic, person)
    put_result(clinic, everybody[0], date(2028, 1, 4))
    found = table()
    assert len({one["course_key"] for one in found}) == 6
    assert len({one["patient_key"] for one in found}) == 5
    assert {one["start_year"] for one in found} == {"withheld"}  # who was there in both years is one patient
    assert {one["age_band"] for one in found} == {"40 and over"}


def test_what_fewer_than_five_patients_share_is_other(clinic: Clinic) -> None:
    """Five at each of two places, two at a third: alone they would be "other" and known, so the smaller goes with them."""
    second, third = make_location("Queens"), make_location("Harlem")
    colleague = make_user(Role.CLINICIAN, username="second")
    for person in people(6):
        put_result(clinic, person)
    for person in people(5):
        put_result(clinic, person, location=second)
    for person in people(2):
        put_result(clinic, person, location=third, indication="ptsd", prescriber=colleague)
    found = table()
    assert sorted(one["location"] for one in found) == ["Brooklyn"] * 6 + ["other"] * 7
    assert sorted(one["condition"] for one in found) == ["other"] * 13  # trd would be known from "other" 2
    assert {one["prescriber_key"] for one in found} == {"other"}
    assert "Harlem" not in str(found)


def test_three_courses_of_one_patient_are_one_patient(clinic: Clinic) -> None:
    """Who has many courses is no group: patients count."""
    for person in people(6):
        put_result(clinic, person)
    alone = people(1)[0]
    for year in range(2020, 2026):
        put_result(clinic, alone, date(year, 1, 6), indication="ptsd")
    assert {one["condition"] for one in table()} == {"other"}


def test_the_filters_choose_the_rows(clinic: Clinic) -> None:
    for person in people(5):
        put_result(clinic, person, date(2026, 12, 31))
        put_result(clinic, person, date(2027, 1, 1))
    found = table(replace(EVER, since=date(2027, 1, 1), period=""))
    assert [one["start_year"] for one in found] == [2027] * 5


def test_who_is_alone_by_what_is_known_is_told_more_coarsely_with_the_nearest_and_no_outcome_changes(
    clinic: Clinic,
) -> None:
    """Six women of 41 at one place, and one of 90: together they are 40 and over. Eight of Queens stay what they are."""
    queens = make_location("Queens")
    for person in people(6):
        put_result(clinic, person)
    old = make_patient("Old", "Person", birth_date=date(1936, 1, 5), sex="female")
    hers = put_result(clinic, old, date(2027, 1, 4), end_score=Decimal(3))  # a day before her 91st birthday
    for person in people(8):
        put_result(clinic, person, location=queens)
    extent, found = extent_of(EVER), table()
    assert (extent.courses, extent.patients, extent.coarser, extent.is_enough) == (15, 15, 7, True)
    assert extent.lost == {"has_referrer": (7, 0), "age_band": (0, 7)}
    told = sorted((one["location"], one["age_band"], one["has_referrer"], one["start_year"]) for one in found)
    assert told == [("Brooklyn", "40 and over", "withheld", 2027)] * 7 + [("Queens", "40 to 49", 0, 2027)] * 8
    (row,) = [one for one in found if one["course_key"] == key_of("course_key", hers.course_id, FILE)]
    assert (row["end_score"], row["baseline"], row["condition"]) == (Decimal(3), Decimal(20), "trd")
    assert sorted(one["end_score"] for one in found) == [Decimal(3), *[Decimal(8)] * 14]


def test_no_combination_of_the_file_is_shared_by_fewer_than_five_patients(clinic: Clinic) -> None:
    """Places, ages, sexes, years and conditions crossed, some patients twice: counted in the finished rows."""
    queens = make_location("Queens")
    for number in range(30):
        person = make_patient("Xan", f"Quill{number}", sex="male" if number % 3 else "female",
                              birth_date=date(1940 + 13 * (number % 5), 5, 1))  # fmt: skip
        where = {"location": queens} if number % 4 else {}
        put_result(
            clinic, person, date(2026 + number % 2, 1, 4), indication="ptsd" if number % 7 == 0 else "trd", **where
        )
        if number % 10 == 0:
            put_result(clinic, person, date(2028, 1, 4))
    found = table()
    assert len(found) == 33
    for columns in (QUASI, (*QUASI, "prescriber_key", "protocol")):
        who: dict[Any, set[str]] = {}
        for one in found:
            who.setdefault(tuple(one[name] for name in columns), set()).add(one["patient_key"])
        assert min(len(them) for them in who.values()) >= LEAST
        assert len(who) > 1, "not all is withheld"


def test_a_course_that_comes_while_the_file_is_read_waits_for_the_next(clinic: Clinic) -> None:
    for person in people(5):
        put_result(clinic, person)
    extent = extent_of(EVER)
    put_result(clinic, people(1)[0], indication="ptsd")
    assert len(list(rows_of(EVER, extent))) == 5


def test_four_patients_are_too_few_and_nobody_is_none(clinic: Clinic) -> None:
    assert (extent_of(EVER).courses, extent_of(EVER).is_enough, table()) == (0, False, [])
    for person in people(4):
        put_result(clinic, person)
    assert not extent_of(EVER).is_enough


def test_an_age_changes_on_the_birthday(clinic: Clinic) -> None:
    for person in people(5, birth_date=date(1987, 1, 4)):
        put_result(clinic, person, date(2027, 1, 3))
        put_result(clinic, person, date(2027, 1, 4))
    assert sorted(one["age_band"] for one in table()) == ["30 to 39"] * 5 + ["40 to 49"] * 5


def test_the_queries_do_not_grow_with_the_rows(clinic: Clinic, queries: Queries) -> None:
    for person in people(5):
        put_result(clinic, person)
    with queries("analysis table", at_most=2):
        assert len(table()) == 5
    with queries("extent of the analysis table", at_most=1):
        extent_of(EVER)


def test_two_files_of_the_same_courses_share_no_key(clinic: Clinic) -> None:
    for person in people(5):
        put_result(clinic, person)
    first, second = (
        {row[HEAD.index(name)] for row in rows_of(EVER, extent_of(EVER)) for name in KEYS} for _ in range(2)
    )
    assert len(first) == len(second) == 11  # five courses, five patients, one prescriber
    assert not first & second
