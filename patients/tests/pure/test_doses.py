"""Reading a daily dose: right, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.doses import daily_mg


@pytest.mark.parametrize(
    ("dose", "written", "mg"),
    [
        ("10 mg/day", "", "10"),
        ("10 mg a day", "", "10"),
        ("10mg qhs", "", "10"),
        ("10 mg once a day", "", "10"),
        ("5 mg twice a day", "", "10"),
        ("5 mg b.i.d.", "", "10"),
        ("0.5 mg tid", "", "1.5"),
        ("1 mg three times daily", "", "3"),
        ("2.5 mg q8h", "", "7.5"),
        ("2.5 mg every 6 hours", "", "10"),
        ("500 mcg twice a day", "", "1"),
        ("5-10 mg at night", "", "10"),
        ("5 mg in the morning and at bedtime", "", "10"),
        ("5 mg morning, 10 mg night", "", "15"),
        ("5 mg twice a day (morning and night)", "", "10"),
        ("20 mg daily in divided doses", "", "20"),
        ("1 tablet at bedtime", " 0.25 MG Oral Tablet", "0.25"),
        ("one tablet 3 times a day", " 2 MG Oral Tablet [Valium]", "6"),
        ("1-2 tablets daily", " 5 mg", "10"),
        ("½ tablet in the morning", " 5 mg", "2.5"),
        ("every 12 hours", " 0.5 mg", "1"),
        ("", " 10 mg/day", "10"),
    ],
)
def test_a_daily_dose_is_read(dose, written, mg) -> None:
    assert daily_mg(dose, written=written) == Decimal(mg)


@pytest.mark.parametrize(
    ("dose", "written"),
    [
        ("", ""),
        ("10 mg", ""),
        ("", " 0.25 MG Oral Tablet"),
        ("10 mg as needed", ""),
        ("1 tablet prn, max 3 a day", " 5 mg"),
        ("10 mg every other day", ""),
        ("10 mg weekly", ""),
        ("10 mg daily for 3 days then 5 mg", ""),
        ("5 mg twice a day and at bedtime", ""),
        ("5 mg or 10 mg at night", ""),
        ("5 mg x 2 daily", ""),
        ("0,5 mg daily", ""),
        ("1,000 mg daily", ""),
        ("5 mg/mL, 2 mL daily", ""),
        ("1 tablet daily", ""),
        ("1 tablet daily", " 5 MG / 12.5 MG Oral Tablet"),
        ("at night", ""),
    ],
)
def test_what_is_not_certain_is_not_read(dose, written) -> None:
    assert daily_mg(dose, written=written) is None


@given(st.text(max_size=60), st.text(max_size=40))
def test_no_text_makes_it_fail(dose, written) -> None:
    found = daily_mg(dose, written=written)
    assert found is None or found >= 0


@given(st.integers(1, 400), st.integers(1, 6))
def test_amount_times_times(quarter_mg, times) -> None:
    amount = Decimal(quarter_mg) / 4
    assert daily_mg(f"{amount} mg {times} times a day") == amount * times
