"""The table of sessions and scores: nobody in it alone, days that tell intervals and nothing else, keys of one file only."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from courses.models import ReportTaken
from courses.pure.reports.contents import LEAST
from courses.pure.reports.deidentified import SHIFT_DAYS, generalise, moved
from courses.pure.reports.filters import Filters
from courses.reports.deidentified import HEAD, events_of, plan_of
from courses.tests.follow_kit import make_plain_course
from courses.tests.report_kit import put_result
from patients.models import Patient
from patients.tests.factories import make_patient

EVER = Filters(period="all")
DAYS = (date(2027, 1, 4), date(2027, 1, 6), date(2027, 1, 11))
KINDS = st.tuples(st.sampled_from("abc"), st.sampled_from("mf"), st.sampled_from("xy"))


# --- the arithmetic ---------------------------------------------------------------------------------------------------
@given(st.lists(KINDS, max_size=60), st.integers(2, 6))
def test_every_name_that_is_told_is_shared_by_enough(kinds: list[tuple[str, str, str]], least: int) -> None:
    people: dict[Any, set[int]] = defaultdict(set)
    for person, kind in enumerate(kinds):
        people[kind].add(person)
    called = generalise(people, (0, 1, 2), least)
    shared = Counter(called[kind] for kind in kinds)
    assert all(many >= least for name, many in shared.items() if name is not None)
    assert {kind for kind, who in people.items() if len(who) >= least} <= {
        kind for kind, name in called.items() if name == kind
    }, "what enough people share stays as it is"


def test_a_rare_kind_gives_up_as_little_as_is_enough() -> None:
    people = {("30", "f", "trd"): range(5), ("40", "f", "trd"): [6, 7, 8], ("50", "f", "trd"): [9, 10]}
    assert generalise(people, (0, 1, 2), 5) == {
        ("30", "f", "trd"): ("30", "f", "trd"),
        ("40", "f", "trd"): ("other", "f", "trd"),
        ("50", "f", "trd"): ("other", "f", "trd"),
    }
    assert generalise({("30", "f", "trd"): [1]}, (0, 1, 2), 5) == {("30", "f", "trd"): None}


@given(st.integers(1, 10**9), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 400))
def test_days_move_back_together_and_keep_their_intervals(patient: int, day: date, later: int) -> None:
    first, second = moved(day, patient, b"k" * 32), moved(day + timedelta(days=later), patient, b"k" * 32)
    assert 1 <= (day - first).days <= SHIFT_DAYS
    assert (second - first).days == later


def test_without_the_secret_the_number_is_one_of_364_and_no_two_files_agree() -> None:
    """Of 2,000 secrets every number occurs for one patient, none much more often than its share (5.5)."""
    day = date(2027, 1, 4)
    numbers = Counter((day - moved(day, 7, b"%032d" % one)).days for one in range(2000))
    assert len(numbers) > SHIFT_DAYS * 0.98
    assert max(numbers.values()) < 25
    assert len({moved(day, patient, b"k" * 32) for patient in range(1, 200)}) > 100, "each patient has a number"


# --- the file ---------------------------------------------------------------------------------------------------------
def put(clinic: Clinic, many: int, born: date = date(1985, 3, 14), sex: str = "female") -> list[Patient]:
    found = []
    for number in range(many):
        person = make_patient("Xanthippe", f"Quillfeather{number}", birth_date=born, sex=sex, referrer="Dr. Vega")
        make_plain_course(clinic, person, DAYS[1:])  # the first day comes with the result
        put_result(clinic, person)
        found.append(person)
    return found


def rows(secret: bytes | None = None) -> list[dict[str, Any]]:
    return [dict(zip(HEAD, row, strict=True)) for row in events_of(plan_of(EVER, secret=secret))]


@pytest.mark.django_db
def test_who_knows_a_patient_by_age_sex_and_condition_finds_five_or_nobody() -> None:
    clinic = make_clinic("Brooklyn")
    put(clinic, 6)
    put(clinic, 2, born=date(1940, 1, 1))
    put(clinic, 1, sex="male")
    found = rows()
    shared: dict[Any, set[str]] = defaultdict(set)
    for row in found:
        shared[row["age_band"], row["sex"], row["condition"]].add(row["patient_key"])
    assert all(len(who) >= LEAST for who in shared.values())
    plan = plan_of(EVER)
    assert (len(plan.names), plan.left_out) == (6, 3)


@pytest.mark.django_db
def test_nothing_that_names_anybody_and_no_true_day_is_in_it() -> None:
    clinic = make_clinic("Brooklyn")
    people = put(clinic, 5)
    text = repr(rows(b"k" * 32))
    for word in ("Quillfeather", "Vega", "Brooklyn", "Hart", *(person.mrn for person in people)):
        assert word not in text
    by_key: dict[str, list[date]] = defaultdict(list)
    for row in rows(b"k" * 32):
        by_key[row["patient_key"]].append(date.fromisoformat(row["day"]))
    assert {tuple((day - days[0]).days for day in days) for days in by_key.values()} == {(0, 2, 7)}
    assert len({days[0] for days in by_key.values()}) > 1, (
        "the patients' first days lie apart, though they were one day"
    )


@pytest.mark.django_db
def test_two_files_share_no_key() -> None:
    put(make_clinic(), 5)
    first, second = ({row["patient_key"] for row in rows()} for _ in range(2))
    assert len(first) == len(second) == 5
    assert not first & second


@pytest.mark.django_db
def test_the_file_is_written_down_and_too_few_get_the_page_with_the_reason(client: Client) -> None:
    clinic = make_clinic()
    client.force_login(clinic.users[Role.CLINICIAN])
    address = reverse("reports:events_file", args=["csv"]) + "?period=all"
    put(clinic, 4)
    assert client.get(address).status_code == 422
    assert not ReportTaken.objects.exists()
    put(clinic, 1)
    answer = client.get(address)
    assert answer.getvalue().count(b",infusion,") == 1 + 15  # the head, and five patients with three each
    assert ReportTaken.objects.get().what == "Sessions and scores, de-identified, CSV"


@pytest.mark.django_db
def test_the_front_desk_takes_none(client: Client) -> None:
    clinic = make_clinic()
    client.force_login(clinic.users[Role.FRONT_DESK])
    assert client.get(reverse("reports:events_file", args=["csv"])).status_code == 403
