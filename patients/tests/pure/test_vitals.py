"""Vital signs as numbers. Sources: clinical.md H0 R7 (pounds), the constraints of the table (possible values)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from patients.pure.vitals import Vitals, impossible, kg_from_lb, unusual


@pytest.mark.parametrize(
    ("pounds", "kg"),
    [  # kg = lb × 0.45359237: 181.7 -> 82.41773…, 150 -> 68.0388…, 165.3 -> 74.97881…, 220.5 -> 100.0171…
        ("181.7", "82.4"),
        ("150", "68.0"),
        ("165.3", "75.0"),
        ("220.5", "100.0"),
        ("100", "45.4"),
    ],
)
def test_pounds_become_kilograms_to_a_tenth(pounds: str, kg: str) -> None:
    assert kg_from_lb(Decimal(pounds)) == Decimal(kg)


def test_a_half_of_a_tenth_is_rounded_up() -> None:
    exactly = Decimal("72.25") / Decimal("0.45359237")
    assert kg_from_lb(exactly + Decimal("1e-20")) == Decimal("72.3")


def test_nothing_measured_cannot_be_saved() -> None:
    assert [remark.field for remark in impossible(Vitals())] == [""]


@pytest.mark.parametrize(
    ("vitals", "fields"),
    [
        (Vitals(systolic_mmhg=120), ["diastolic_mmhg"]),
        (Vitals(diastolic_mmhg=80), ["systolic_mmhg"]),
        (Vitals(systolic_mmhg=80, diastolic_mmhg=120), ["diastolic_mmhg"]),
        (Vitals(systolic_mmhg=80, diastolic_mmhg=80), ["diastolic_mmhg"]),
        (Vitals(weight_kg=Decimal("824.0")), ["weight_kg"]),
        (Vitals(weight_kg=Decimal("19.9")), ["weight_kg"]),
        (Vitals(heart_rate_bpm=301), ["heart_rate_bpm"]),
        (Vitals(weight_kg=Decimal(20)), []),
        (Vitals(weight_kg=Decimal(400), systolic_mmhg=300, diastolic_mmhg=200, heart_rate_bpm=300), []),
    ],
)
def test_a_slip_of_the_keyboard_is_said_at_its_field(vitals: Vitals, fields: list[str]) -> None:
    assert [remark.field for remark in impossible(vitals)] == fields


@pytest.mark.parametrize(
    ("vitals", "fields"),
    [
        (Vitals(Decimal("82.4"), 132, 84, 78), []),
        (Vitals(systolic_mmhg=180, diastolic_mmhg=110), []),
        (Vitals(systolic_mmhg=181, diastolic_mmhg=110), ["systolic_mmhg"]),
        (Vitals(systolic_mmhg=150, diastolic_mmhg=111), ["diastolic_mmhg"]),
        (Vitals(systolic_mmhg=120, diastolic_mmhg=106), ["diastolic_mmhg"]),
        (Vitals(heart_rate_bpm=44), ["heart_rate_bpm"]),
        (Vitals(weight_kg=Decimal("180.1")), ["weight_kg"]),
    ],
)
def test_what_is_rare_is_asked_twice(vitals: Vitals, fields: list[str]) -> None:
    assert [remark.field for remark in unusual(vitals)] == fields


def test_a_weight_more_than_a_tenth_from_the_last_one_is_asked_twice() -> None:
    last = Decimal("80.0")
    assert unusual(Vitals(weight_kg=Decimal("88.0")), last_weight_kg=last) == ()
    assert [remark.field for remark in unusual(Vitals(weight_kg=Decimal("88.1")), last_weight_kg=last)] == ["weight_kg"]
    assert [remark.field for remark in unusual(Vitals(weight_kg=Decimal("71.9")), last_weight_kg=last)] == ["weight_kg"]
