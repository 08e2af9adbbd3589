"""No combination of what might be known of a patient is told in the analysis table that fewer than the limit share."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.pure.reports.analysis_columns import HEAD, WITHHELD, age_band
from courses.pure.reports.analysis_kinds import QUASI, STEPS, Kind, cells_at, coarse, given_up, levels_of, words_of

ALL_WITHHELD = (WITHHELD,) * len(QUASI)
TOP = len(STEPS)
KINDS = st.tuples(
    st.sampled_from(["Brooklyn", "Queens", "other"]),
    st.sampled_from([age_band(years) for years in (25, 35, 45, 95)]),
    st.sampled_from(["female", "male", ""]),
    st.sampled_from([2026, 2027]),
    st.sampled_from([0, 1]),
    st.sampled_from(["trd", "ptsd", ""]),
)
TABLES = st.lists(st.tuples(st.integers(1, 25), KINDS), max_size=60)
HERE: Kind = ("Brooklyn", "40 to 49", "female", 2027, 1, "trd")


def but(kind: Kind = HERE, **changed: object) -> Kind:
    return tuple(changed.get(name, value) for name, value in zip(QUASI, kind, strict=True))


def said(rows: list[tuple[int, Kind]], least: int = 5) -> list[Kind]:
    return [coarse(kind, level) for (_, kind), level in zip(rows, levels_of(rows, least), strict=True)]


# --- for any table ----------------------------------------------------------------------------------------------------
@given(TABLES, st.integers(2, 6))
def test_every_combination_is_shared_by_enough_patients_or_is_wholly_withheld(
    rows: list[tuple[int, Kind]], least: int
) -> None:
    who: dict[Kind, set[int]] = defaultdict(set)
    for (patient, _), kind in zip(rows, said(rows, least), strict=True):
        who[kind].add(patient)
    assert all(len(them) >= least for kind, them in who.items() if kind != ALL_WITHHELD)
    if len({patient for patient, _ in rows}) >= least:
        assert all(len(them) >= least for them in who.values()), "what is withheld hides enough patients, too"


@given(TABLES, st.integers(2, 6))
def test_laying_the_courses_of_one_patient_together_tells_no_more(rows: list[tuple[int, Kind]], least: int) -> None:
    """What is withheld in one row of a patient is not read off another row with the same key."""
    together: dict[int, set[Kind]] = defaultdict(set)
    for (patient, _), kind in zip(rows, said(rows, least), strict=True):
        together[patient].add(kind)
    shared = Counter(frozenset(kinds) for kinds in together.values())
    few = len(together) < least
    assert all(many >= least or (few and kinds == {ALL_WITHHELD}) for kinds, many in shared.items())


@given(TABLES, st.integers(2, 6), st.randoms())
def test_no_row_is_lost_and_the_same_table_in_any_order_is_told_the_same(
    rows: list[tuple[int, Kind]], least: int, chance: Random
) -> None:
    once = said(rows, least)
    assert len(once) == len(rows)
    mixed = list(enumerate(rows))
    chance.shuffle(mixed)
    again = dict(zip([place for place, _ in mixed], said([row for _, row in mixed], least), strict=True))
    assert [again[place] for place in range(len(rows))] == once


@given(TABLES, st.integers(2, 6))
def test_the_dictionary_counts_what_the_rows_withhold(rows: list[tuple[int, Kind]], least: int) -> None:
    levels = levels_of(rows, least)
    cells = [cells_at(kind, level) for (_, kind), level in zip(rows, levels, strict=True)]
    lost = given_up(levels)
    for column in (*QUASI, "prescriber_key", "protocol"):
        assert lost.get(column, (0, 0))[0] == sum(one.get(column) == WITHHELD for one in cells), column
    own = [(kind[QUASI.index("age_band")], one["age_band"]) for (_, kind), one in zip(rows, cells, strict=True)]
    assert lost.get("age_band", (0, 0))[1] == sum(WITHHELD != now != before for before, now in own)


@given(KINDS, st.integers(0, TOP))
def test_a_cell_is_true_wider_or_withheld_and_nothing_else(kind: Kind, level: int) -> None:
    for name, before, now in zip(QUASI, kind, coarse(kind, level), strict=True):
        if name != "age_band":
            assert now in (before, WITHHELD)
    assert coarse(kind, TOP) == ALL_WITHHELD


# --- tables by hand ---------------------------------------------------------------------------------------------------
def test_what_five_share_stays_as_it_is() -> None:
    rows = [(patient, HERE) for patient in range(5)]
    assert levels_of(rows) == [0] * 5
    assert given_up([0] * 5) == {}


def test_a_band_becomes_wider_before_anything_but_the_referrer_is_given_up() -> None:
    """Ten women of 40 to 49 are enough; three of 20 to 29 and three of 30 to 39 are enough as 20 to 39."""
    young = [(patient, but(age_band="20 to 29")) for patient in range(10, 13)]
    young += [(patient, but(age_band="30 to 39")) for patient in range(13, 16)]
    rows = [(patient, HERE) for patient in range(10)] + young
    assert said(rows) == [HERE] * 10 + [but(age_band="20 to 39", has_referrer=WITHHELD)] * 6


def test_one_who_is_left_takes_the_nearest_along_and_the_others_keep_what_they_say() -> None:
    """One man among women here and there: sex is given up where he was treated, and only there."""
    there = but(location="Queens")
    man = but(sex="male")
    rows = [(patient, HERE) for patient in range(5)] + [(patient, there) for patient in range(5, 12)] + [(12, man)]
    told = said(rows)
    assert told[5:12] == [there] * 7
    assert set(told[:5]) == {told[12]} == {coarse(HERE, 6)}
    assert told[12][QUASI.index("condition")] == "trd"


def test_a_second_course_counts_with_the_first() -> None:
    """Five patients of 2027, one of them again in 2028: alone in that, so that nobody's year is told."""
    rows = [(patient, HERE) for patient in range(5)] + [(0, but(start_year=2028))]
    assert {kind[QUASI.index("start_year")] for kind in said(rows)} == {WITHHELD}
    assert {kind[QUASI.index("location")] for kind in said(rows)} == {"Brooklyn"}


def test_of_fewer_than_five_patients_everything_is_withheld() -> None:
    assert set(said([(patient, HERE) for patient in range(4)])) == {ALL_WITHHELD}
    assert levels_of([]) == []


def test_with_the_place_goes_the_prescriber_and_with_the_condition_the_protocol() -> None:
    """Else the key of the only prescriber at a place, or the protocol of a condition, would tell what is withheld."""
    assert "prescriber_key" not in cells_at(HERE, 4)
    assert cells_at(HERE, 5)["prescriber_key"] == WITHHELD
    assert "protocol" not in cells_at(HERE, 7)
    assert cells_at(HERE, 8)["protocol"] == WITHHELD
    assert {*QUASI, "prescriber_key", "protocol"} <= set(HEAD)


@pytest.mark.parametrize(
    ("years", "twenty", "half"),
    [
        (18, "0 to 19", "under 40"),
        (39, "20 to 39", "under 40"),
        (40, "40 to 59", "40 and over"),
        (79, "60 to 79", "40 and over"),
        (95, "80 and over", "40 and over"),
    ],
)
def test_a_wider_band_holds_the_narrower_one(years: int, twenty: str, half: str) -> None:
    place = QUASI.index("age_band")
    assert [coarse(but(age_band=age_band(years)), level)[place] for level in (1, 2, 3, 7)] == [
        age_band(years), twenty, half, WITHHELD,
    ]  # fmt: skip


def test_the_dictionary_says_how_many_and_why() -> None:
    words = words_of([0, 1, 2, 5])
    assert words["has_referrer"] == "3 of 4 withheld: fewer than 5 patients would share what is said of them"
    assert words["age_band"] == "0 of 4 withheld, 2 wider: fewer than 5 patients would share what is said of them"
    assert words["prescriber_key"].startswith("1 of 4 withheld:")
    assert words["condition"] == "0 of 4 withheld"


def test_twenty_thousand_courses_are_told_within_seconds() -> None:
    """A bound that only something quadratic passes; the figure itself is in docs/performance.md."""
    chance = Random(8)  # noqa: S311 (a table that is the same each time)
    rows: list[tuple[int, Kind]] = []
    for patient in range(17_000):
        place, sex = chance.choice(["Downtown", "Harbor", "Uptown"]), chance.choice(["female", "female", "male"])
        age, year = min(95, max(18, int(chance.gauss(44, 15)))), chance.randint(2022, 2026)
        condition, referred = chance.choices(["trd", "mdd", "ptsd", "pain"], [12, 4, 3, 1])[0], chance.randint(0, 1)
        rows += [
            (patient, (place, age_band(age + again), sex, year + again, referred, condition))
            for again in range(1 + (patient % 6 == 0))
        ]
    began = time.process_time()
    levels = levels_of(rows)
    assert time.process_time() - began < 10
    assert len(levels) == len(rows) > 19_000
    assert Counter(levels)[0] > 10_000, "in a large table most of what is told stays as it was"
