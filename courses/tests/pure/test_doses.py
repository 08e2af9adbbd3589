"""Doses: cases 28, 28b and 29 of clinical.md exactly, and what is asked before an order counts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from courses.models import DoseBasis
from courses.pure.doses import (
    Ask,
    Basis,
    DoseError,
    Finding,
    For,
    Limits,
    Ordered,
    devices_for,
    judge,
    plain,
    work_out,
)
from patients.pure.vitals import kg_from_lb

D = Decimal
MOOD = Limits(basis="mg_per_kg", start=D("0.50"), low=D("0.10"), high=D("0.75"), planned_min=40, most_min=60)
SPRAY = Limits(basis="total_mg", start=D(56), low=D(56), high=D(84), planned_min=15, most_min=30, is_nasal=True)
HALF = Ordered("mg_per_kg", D("0.5"), 40, D(10), 100)


def per_kg(amount: str, *, strength: int = 10, minutes: int = 40, bag: int = 100) -> Ordered:
    return Ordered("mg_per_kg", D(amount), minutes, D(strength), bag)


def total(mg: int, minutes: int = 40) -> Ordered:
    return Ordered("total_mg", D(mg), minutes, D(10), 100)


def codes(found: tuple[Finding, ...]) -> dict[str, Ask]:
    return {one.code: one.ask for one in found}


def of(ordered: Ordered, limits: Limits = MOOD, *, last: Ordered | None = HALF, **known: object) -> dict[str, Ask]:
    whom = {"weight_kg": D("82.4"), "age_years": 41, "last": last} | known
    return codes(judge(ordered, limits, For(**whom)))


def test_the_bases_are_those_of_the_orders() -> None:
    assert {basis.value for basis in Basis} == set(DoseBasis.values) - {DoseBasis.LAST}


# -- R7 ----------------------------------------------------------------------------------------------------------------
def test_case_28_at_50_mg_per_ml() -> None:
    dose = work_out(per_kg("0.5", strength=50), D("82.4"))
    assert (dose.dose_mg, dose.volume_ml) == (D("41.2"), D("0.82"))
    assert (dose.contains_mg, dose.deviation_percent) == (D("41.0"), D("-0.5"))
    assert (dose.rate_ml_h, dose.mg_per_min) == (D("150.0"), D("1.03"))


def test_case_28_at_10_mg_per_ml() -> None:
    dose = work_out(HALF, D("82.4"))
    assert (dose.volume_ml, dose.contains_mg, dose.deviation_percent) == (D("4.12"), D("41.2"), D("0.0"))


@pytest.mark.parametrize(("strength", "volume"), [(10, "4.49"), (100, "0.45")])
def test_case_28b_pounds_become_kilograms_first(strength: int, volume: str) -> None:
    kg = kg_from_lb(D(198))
    dose = work_out(per_kg("0.5", strength=strength), kg)
    assert (kg, dose.dose_mg, dose.volume_ml) == (D("89.8"), D("44.9"), D(volume))


def test_case_29_the_doses_of_a_series_add_up() -> None:
    series = [("0.5", "82.4")] * 3 + [("0.6", "82.4")] * 2 + [("0.6", "81.0")]
    given = [work_out(per_kg(amount), D(kg)).dose_mg for amount, kg in series]
    assert given == [D("41.2"), D("41.2"), D("41.2"), D("49.4"), D("49.4"), D("48.6")]
    assert sum(given) == D("271.0")
    assert sum(D(amount) for amount, _ in series) == D("3.3")


def test_the_volume_comes_from_the_unrounded_mg() -> None:
    # 82.5 × 0.55 = 45.375 mg, shown as 45.4: from that it would be 45.40 mL
    dose = work_out(Ordered("mg_per_kg", D("0.55"), 40, D(1), 100), D("82.5"))
    assert (dose.dose_mg, dose.volume_ml) == (D("45.4"), D("45.38"))


@pytest.mark.parametrize(("mg", "shown"), [("0.05", "0.1"), ("41.25", "41.3"), ("41.35", "41.4")])
def test_halves_are_rounded_up(mg: str, shown: str) -> None:
    assert work_out(Ordered("total_mg", D(mg), 40, D(1), 100), None).dose_mg == D(shown)


def test_mg_per_kg_per_hour_counts_the_minutes() -> None:
    # B2, CRPS-10: 0.35 mg/kg per hour over 240 minutes
    dose = work_out(Ordered("mg_per_kg_h", D("0.35"), 240, D(10), 250), D(80))
    assert (dose.dose_mg, dose.rate_ml_h) == (D("112.0"), D("62.5"))


@pytest.mark.parametrize(
    ("ordered", "kg", "field"),
    [
        (per_kg("0.5"), None, "basis"),
        (per_kg("0"), "82.4", "amount"),
        (per_kg("50"), "82.4", "amount"),
        (Ordered("mg_per_kg", D("0.5"), 40, None, 100), "82.4", "concentration"),
        (per_kg("0.5", strength=10, bag=4), "82.4", "bag_ml"),
        (Ordered("total_mg", D("0.1"), 40, D(100), 100), None, "concentration"),
        (Ordered("mg_per_kg", D("0.5"), 0, D(10), 100), "82.4", "infusion_min"),
    ],
)
def test_what_cannot_be_worked_out_names_its_field(ordered: Ordered, kg: str | None, field: str) -> None:
    with pytest.raises(DoseError) as error:
        work_out(ordered, D(kg) if kg else None)
    assert error.value.field == field


@pytest.mark.parametrize(("mg", "devices"), [(28, 1), (56, 2), (84, 3)])
def test_nasal_doses_are_whole_devices(mg: int, devices: int) -> None:
    dose = devices_for(total(mg))
    assert (dose.devices, dose.contains_mg, dose.volume_ml) == (devices, D(mg), None)


@pytest.mark.parametrize("mg", [14, 40, 57, 112])
def test_other_nasal_doses_are_refused(mg: int) -> None:
    with pytest.raises(DoseError, match="28, 56 or 84"):
        devices_for(total(mg))


@pytest.mark.parametrize(
    ("value", "said"), [("0.50", "0.5"), ("80.00", "80"), ("56", "56"), ("1E+1", "10"), (".5", "0.5"), ("150.0", "150")]
)
def test_numbers_have_no_trailing_zero_and_always_a_leading_one(value: str, said: str) -> None:
    assert plain(D(value)) == said


# -- what is asked -----------------------------------------------------------------------------------------------------
def test_the_usual_dose_asks_nothing() -> None:
    assert of(HALF) == {}


def test_100_mg_per_ml_is_never_given_undiluted_and_50_is_not_asked() -> None:
    assert of(per_kg("0.5", strength=100)) == {"undiluted": Ask.ACCEPT}
    assert of(per_kg("0.5", strength=50)) == {}


@pytest.mark.parametrize(
    ("amount", "asked"),
    [
        ("0.1", {"change"}),
        ("0.09", {"change", "range", "published"}),
        ("0.75", {"change"}),
        ("0.76", {"change", "range", "published"}),
    ],
)
def test_the_limits_themselves_are_inside(amount: str, asked: set[str]) -> None:
    assert of(per_kg(amount)).keys() == asked


def test_beyond_the_protocol_wants_a_reason_and_beyond_the_literature_a_tick() -> None:
    found = of(per_kg("0.9"))
    assert (found["range"], found["published"], found["change"]) == (Ask.OVERRIDE, Ask.ACCEPT, Ask.CHANGE)


def test_a_total_is_compared_by_the_weight_and_without_one_not_at_all() -> None:
    assert "range" not in of(total(41), last=total(41))
    assert of(total(70), last=total(70))["range"] is Ask.OVERRIDE  # 0.85 mg/kg
    assert of(total(41), last=total(41), weight_kg=None) == {"range": Ask.OVERRIDE}


@pytest.mark.parametrize(
    ("minutes", "asked"), [(60, {}), (61, {"minutes": Ask.OVERRIDE}), (39, {"faster": Ask.ACCEPT})]
)
def test_minutes_have_the_protocols_limit(minutes: int, asked: dict[str, Ask]) -> None:
    assert of(per_kg("0.5", minutes=minutes)) == asked


def test_a_change_is_one_of_the_dose_not_of_the_mg() -> None:
    assert of(HALF, weight_kg=D("81.0")) == {}
    assert of(per_kg("0.6")) == {"change": Ask.CHANGE}


def test_the_first_infusion_is_compared_with_the_protocols_start() -> None:
    assert of(HALF, last=None) == {}
    assert of(per_kg("0.4"), last=None) == {"change": Ask.CHANGE}


def test_a_protocol_that_goes_on_with_the_last_dose_compares_with_that() -> None:
    goes_on = Limits(basis="last", planned_min=40, most_min=60)
    assert of(per_kg("0.7"), goes_on, last=per_kg("0.7")) == {}
    assert of(per_kg("0.6"), goes_on, last=per_kg("0.7")) == {"change": Ask.CHANGE}
    assert of(per_kg("0.5"), goes_on, last=None) == {"change": Ask.CHANGE}


def test_per_hour_other_minutes_are_another_dose() -> None:
    pain = Limits(basis="mg_per_kg_h", start=D("0.35"), planned_min=240, most_min=300)
    hourly = Ordered("mg_per_kg_h", D("0.35"), 240, D(10), 250)
    longer = Ordered("mg_per_kg_h", D("0.35"), 300, D(10), 250)
    assert of(hourly, pain, last=hourly) == {}
    assert of(longer, pain, last=hourly) == {"change": Ask.CHANGE}


def test_28_mg_is_a_start_from_65_on_and_beyond_the_protocol_before() -> None:
    assert of(total(28, 15), SPRAY, last=total(28, 15), age_years=65) == {"older": Ask.NOTE}
    assert of(total(28, 15), SPRAY, last=total(28, 15), age_years=64) == {"range": Ask.OVERRIDE}


def test_acute_suicidal_thoughts_recall_84_mg() -> None:
    last = total(56, 15)
    assert of(total(56, 15), SPRAY, last=last, is_suicidal=True) == {"suicidal": Ask.NOTE}
    assert "suicidal" not in of(total(84, 15), SPRAY, last=last, is_suicidal=True)
