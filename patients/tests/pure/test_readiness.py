"""The checklist before a series, item by item. Ages: clinical.md E4, F1 (14 days) and the clinic's settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from patients.pure.indications import Indication
from patients.pure.measures import MEASURES
from patients.pure.readiness import (
    BASELINES,
    LABELS,
    ConsentFact,
    DecisionFact,
    Facts,
    Item,
    Limits,
    Need,
    PregnancyFact,
    PressureFact,
    ScoreFact,
    State,
    is_ready,
    judge_phase,
    judge_readiness,
    missing,
)

TODAY = date(2027, 1, 4)
FIRST = date(2027, 1, 11)
LIMITS = Limits(baseline_days=14, pressure_days=30, pregnancy_days=7)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


CONSENT = ConsentFact(signed_on=ago(3), expires_on=ago(-362))
DECISION = DecisionFact("fit", signed_on=ago(3), signed_by="Samuel Hart", expires_on=ago(-87))
SCORE = ScoreFact("phq9", 18, ago(2))
PRESSURE = PressureFact(128, 82, ago(3), is_hard=False)
READY = Facts(
    consents=(CONSENT,),
    decision=DECISION,
    scores=(SCORE,),
    pressure=PRESSURE,
    consulted_on=ago(3),
    escort_understood=True,
    can_be_pregnant="no",
    sex="female",
    age=41,
)


def judged(
    facts: Facts, *, first: date | None = FIRST, today: date = TODAY, indication: str = "trd"
) -> dict[Need, Item]:
    items = judge_readiness(facts, indication=indication, limits=LIMITS, today=today, first_day=first)
    return {item.need: item for item in items}


def test_nothing_is_missing_and_each_item_says_why() -> None:
    items = judged(READY)
    assert {need: item.state for need, item in items.items()} == dict.fromkeys(
        [Need.CONSENT, Need.DECISION, Need.BASELINE, Need.PRESSURE, Need.ESCORT], State.OK
    )
    assert is_ready(items.values())
    assert items[Need.CONSENT].text == "Signed 1 Jan 2027, valid to 1 Jan 2028."
    assert items[Need.DECISION].text == "Fit to start; signed by Samuel Hart on 1 Jan 2027, valid to 1 Apr 2027."
    assert items[Need.BASELINE].text == "PHQ-9 18 on 2 Jan 2027, 2 days old."
    assert items[Need.PRESSURE].text == "128/82 on 1 Jan 2027, 3 days old."


def test_of_somebody_new_everything_is_missing_in_a_fixed_order() -> None:
    found = missing(judged(Facts(sex="female", age=41)).values())
    assert [item.need for item in found] == list(Need)
    assert [item.label for item in found] == list(LABELS.values())
    assert all(item.text.endswith(".") for item in found)


# -- consent -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("consents", "state", "words"),
    [
        ((), State.MISSING, "No consent"),
        ((CONSENT,), State.OK, "Signed"),
        ((ConsentFact(ago(365), ago(1)),), State.MISSING, "expired on 3 Jan"),
        ((ConsentFact(ago(360), FIRST),), State.OK, "valid to 11 Jan"),
        ((ConsentFact(ago(360), FIRST - timedelta(days=1)),), State.MISSING, "before the first day"),
        ((ConsentFact(ago(3), ago(-300), withdrawn_on=ago(1)),), State.MISSING, "withdrawn on 3 Jan"),
        ((ConsentFact(ago(3), ago(-300), withdrawn_on=ago(1)), ConsentFact(ago(9), ago(-300))), State.MISSING, "withdrawn"),
        ((CONSENT, ConsentFact(ago(9), ago(-300), withdrawn_on=ago(4))), State.OK, "Signed 1 Jan"),
    ],
)  # fmt: skip
def test_consent_holds_on_the_first_day_and_a_withdrawal_ends_what_was_signed_before(
    consents: tuple[ConsentFact, ...], state: State, words: str
) -> None:
    item = judged(replace(READY, consents=consents))[Need.CONSENT]
    assert item.state is state
    assert words in item.text


# -- decision ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "state", "words"),
    [
        (None, State.MISSING, "No decision"),
        (replace(DECISION, outcome="conditions", conditions="Escort by a relative."), State.OK, "Escort by a relative;"),
        (replace(DECISION, outcome="not_now", reason="Blood pressure first", expires_on=None), State.MISSING,
         "“Not now”, signed by Samuel Hart on 1 Jan 2027: Blood pressure first"),
        (replace(DECISION, outcome="no", reason="Psychosis", expires_on=None), State.MISSING, "“No”"),
        (replace(DECISION, expires_on=FIRST), State.OK, "valid to 11 Jan"),
        (replace(DECISION, expires_on=FIRST - timedelta(days=1)), State.MISSING, "expires on 10 Jan"),
    ],
)  # fmt: skip
def test_the_decision_opens_the_way_on_the_first_day(decision: DecisionFact | None, state: State, words: str) -> None:
    item = judged(replace(READY, decision=decision))[Need.DECISION]
    assert item.state is state
    assert words in item.text


# -- baseline ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "first", "state"),
    [
        (14, TODAY, State.OK),
        (15, TODAY, State.MISSING),
        (15, FIRST, State.MISSING),
        (7, FIRST, State.OK),  # 14 days old on the first day
        (8, FIRST, State.EXPIRING),
        (10, FIRST, State.EXPIRING),
        (14, None, State.OK),
    ],
)
def test_a_baseline_is_at_most_14_days_old(age: int, first: date | None, state: State) -> None:
    """Source: clinical.md E4 and F1 (last valid score at most 14 days before infusion 1)."""
    items = judged(replace(READY, scores=(ScoreFact("phq9", 18, ago(age)),)), first=first)
    assert items[Need.BASELINE].state is state
    assert is_ready(items.values()) is (state is not State.MISSING)


def test_booked_ahead_it_says_how_old_it_will_be_and_on_the_day_it_must_be_renewed() -> None:
    facts = replace(READY, scores=(ScoreFact("phq9", 18, ago(10)),))
    ahead = judged(facts)[Need.BASELINE]
    assert ahead.text == "PHQ-9 18 on 25 Dec 2026: will be 17 days old on the first day: repeat it at check-in."
    on_the_day = judged(facts, today=FIRST)[Need.BASELINE]
    assert on_the_day.state is State.MISSING
    assert on_the_day.text == "PHQ-9 18 on 25 Dec 2026: 17 days old, at most 14 are allowed."


@pytest.mark.parametrize("indication", list(Indication))
def test_each_condition_has_measures_of_its_own_and_others_do_not_count(indication: Indication) -> None:
    mine = BASELINES[indication]
    others = {measure for measures in BASELINES.values() for measure in measures} - set(mine)
    for measure in mine:
        facts = replace(READY, scores=(ScoreFact(measure, 8, ago(1)),))
        assert judged(facts, indication=indication)[Need.BASELINE].state is State.OK
    facts = replace(READY, scores=tuple(ScoreFact(measure, 8, ago(1)) for measure in sorted(others)))
    item = judged(facts, indication=indication)[Need.BASELINE]
    assert item.state is State.MISSING
    assert item.about == mine[0]


def test_the_measures_are_known_instruments() -> None:
    assert {measure for measures in BASELINES.values() for measure in measures} <= set(MEASURES)


def test_the_latest_of_several_measures_counts() -> None:
    facts = replace(READY, scores=(ScoreFact("phq9", 18, ago(20)), ScoreFact("madrs", 30, ago(1))))
    assert judged(facts)[Need.BASELINE].text.startswith("MADRS 30")


# -- pressure, pregnancy, escort ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pressure", "state"),
    [
        (None, State.MISSING),
        (PRESSURE, State.OK),
        (replace(PRESSURE, measured_on=ago(30)), State.EXPIRING),
        (replace(PRESSURE, measured_on=ago(31)), State.MISSING),
        (replace(PRESSURE, systolic_mmhg=166, diastolic_mmhg=98, is_hard=True), State.MISSING),
    ],
)
def test_a_pressure_is_recent_and_no_hard_limit(pressure: PressureFact | None, state: State) -> None:
    assert judged(replace(READY, pressure=pressure))[Need.PRESSURE].state is state


@pytest.mark.parametrize(
    ("answer", "sex", "age", "applies"),
    [
        ("yes", "male", 30, True),
        ("yes", "female", 60, True),
        ("no", "female", 30, False),
        ("", "female", 54, True),
        ("", "female", 55, False),
        ("", "female", 11, False),
        ("", "male", 30, False),
        ("", "unknown", 30, False),
    ],
)
def test_a_pregnancy_test_is_asked_for_where_it_applies(answer: str, sex: str, age: int, applies: bool) -> None:
    facts = replace(READY, can_be_pregnant=answer, sex=sex, age=age)
    assert (Need.PREGNANCY in judged(facts)) is applies


@pytest.mark.parametrize(
    ("test", "state"),
    [
        (None, State.MISSING),
        (PregnancyFact("negative", ago(0)), State.OK),
        (PregnancyFact("negative", ago(1)), State.EXPIRING),
        (PregnancyFact("negative", ago(8)), State.MISSING),
        (PregnancyFact("positive", ago(0)), State.MISSING),
        (PregnancyFact("unclear", ago(0)), State.MISSING),
    ],
)
def test_a_pregnancy_test_is_negative_and_fresh(test: PregnancyFact | None, state: State) -> None:
    facts = replace(READY, can_be_pregnant="yes", pregnancy=test)
    assert judged(facts)[Need.PREGNANCY].state is state


def test_that_somebody_takes_them_home_was_explained() -> None:
    assert judged(replace(READY, escort_understood=False))[Need.ESCORT].state is State.MISSING
    never = judged(replace(READY, escort_understood=False, consulted_on=None))[Need.ESCORT]
    assert "no consultation yet" in never.text


# -- a further phase ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "is_maintenance", "states"),
    [
        (replace(READY, scores=(), pressure=None), False, [State.OK]),
        (READY, True, [State.EXPIRING]),  # signed for the series: again at maintenance (clinical.md G)
        (replace(READY, consents=(replace(CONSENT, signed_on=TODAY),)), True, [State.OK]),
        (replace(READY, consents=()), False, [State.MISSING]),
        (replace(READY, decision=replace(DECISION, expires_on=ago(1))), False, [State.OK]),
        (replace(READY, decision=replace(DECISION, outcome="no", expires_on=None)), False, [State.OK, State.MISSING]),
    ],
)  # fmt: skip
def test_a_further_phase_asks_for_consent_and_no_decision_against_it(
    facts: Facts, is_maintenance: bool, states: list[State]
) -> None:
    items = judge_phase(facts, is_maintenance=is_maintenance, since=ago(2), today=TODAY, first_day=FIRST)
    assert [item.state for item in items] == states
