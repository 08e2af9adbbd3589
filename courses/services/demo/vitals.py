"""What is measured at the demo's infusions: invented, plausible, the same at every call. Arithmetic only.

Shapes after clinical.md D3 (a small rise that is highest about 30 minutes after the start: P27), D5 (dissociation
fades with repeated dosing: P4) and H4 29 (82.4 kg at 0.5 three times, at 0.6 twice, then 81.0 kg at 0.6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

PRESSURES = ((118, 76), (128, 82), (134, 84), (122, 78), (136, 86), (126, 80))
PEAK_MIN = 30
CASE_29, CASE_29_KG, CASE_29_LATER_KG = 9, Decimal("82.4"), Decimal("81.0")
LIGHTEST_KG, SPREAD_KG = 60, 35
WEIGHT_STEPS = (Decimal("0.0"), Decimal("0.4"), Decimal("-0.3"), Decimal("0.6"), Decimal("-0.5"))
USUAL, MORE, LESS = Decimal("0.5"), Decimal("0.6"), Decimal("0.4")
WHY_MORE = "Partial response after three, well tolerated; raised at the review"
WHY_LESS = "Marked dissociation at the last infusion; lowered at the review"
RAISED_FROM, LOWERED_FROM = 4, 3
RAISED_EVERY, LOWERED_EVERY = 4, 11
QUEASY_EVERY = 6
QUEASY_MIN = 30
SETTLED_MIN = 30  # after the end: alert, and dissociation as before
LARGEST_TOTAL = 24  # CADSS-6


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the patient, ``minute`` minutes after the start (before it: below zero)."""

    minute: int
    systolic_mmhg: int
    diastolic_mmhg: int
    heart_rate_bpm: int
    spo2_percent: int = 98
    respiratory_rate: int = 14
    moaas: int = 5
    dissociation: int | None = None
    nausea: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose infusion it is: ``turn`` tells one patient from the next, ``number`` counts their infusions."""

    turn: int
    number: int

    def jitter(self, minute: int, spread: int) -> int:
        """From ``-spread`` to ``spread``, different for each look."""
        return (self.turn * 31 + self.number * 17 + minute * 7) % (2 * spread + 1) - spread

    @property
    def is_queasy(self) -> bool:
        """Some are nauseous at their first two infusions."""
        return self.turn % QUEASY_EVERY == 2 and self.number <= 2  # noqa: PLR2004 (the third sort of patient)


def usual_weight_kg(turn: int) -> Decimal:
    """What the patient weighed at the consultation."""
    return CASE_29_KG if turn == CASE_29 else Decimal(LIGHTEST_KG + turn % SPREAD_KG)


def weight_kg(turn: int, number: int) -> Decimal:
    """Within a kilogram of the usual weight, and 1.4 kg below it at the sixth infusion of case 29."""
    if turn == CASE_29:
        return CASE_29_LATER_KG if number >= 6 else CASE_29_KG  # noqa: PLR2004 (case 29)
    return usual_weight_kg(turn) + WEIGHT_STEPS[(turn + number) % len(WEIGHT_STEPS)]


def dose_mg_per_kg(turn: int, number: int) -> tuple[Decimal, str]:
    """The dose, and why it is not the usual one; the reason is given from the change on."""
    if (turn == CASE_29 or turn % RAISED_EVERY == 1) and number >= RAISED_FROM:
        return MORE, WHY_MORE
    if turn % LOWERED_EVERY == 5 and number >= LOWERED_FROM:  # noqa: PLR2004 (one of eleven)
        return LESS, WHY_LESS
    return USUAL, ""


def look(person: Person, minute: int, *, infusion_min: int, has_total: bool = False) -> Look:
    """What the devices showed at this minute; the total of the dissociation scale only where it is asked."""
    systolic, diastolic = PRESSURES[person.turn % len(PRESSURES)]
    share = _share(minute, infusion_min)
    rise = 5 + person.turn % 9
    deep = 4 + person.turn % 8 - min(3, person.number - 1)
    under = 0 < minute < infusion_min + 15
    return Look(
        minute=minute,
        systolic_mmhg=systolic + round(rise * share) + person.jitter(minute, 2),
        diastolic_mmhg=diastolic + round(rise * share * 0.8) + person.jitter(minute + 1, 2),
        heart_rate_bpm=64 + person.turn % 20 + round(rise * share * 0.7) + person.jitter(minute + 2, 2),
        spo2_percent=98 + person.jitter(minute, 1) - (1 if under else 0),
        respiratory_rate=14 + person.jitter(minute, 2),
        moaas=4 if under and minute > 10 and person.turn % 3 else 5,  # noqa: PLR2004 (two of three grow drowsy)
        dissociation=min(LARGEST_TOTAL, round(deep * share) if share > 0.3 else 0) if has_total else None,  # noqa: PLR2004
        nausea=1 if person.is_queasy and minute >= QUEASY_MIN and minute <= infusion_min + 15 else 0,
    )


def _share(minute: int, infusion_min: int) -> float:
    """How much of the highest rise is there: none before the start, all at 30 minutes, gone an hour after the end."""
    if minute <= 0:
        return 0.0
    peak = min(PEAK_MIN, infusion_min)
    if minute <= peak:
        return minute / peak
    return max(0.0, 1.0 - (minute - peak) / (infusion_min + SETTLED_MIN + 10 - peak))


def before(person: Person) -> Look:
    """The baseline: never above the limits, with a total to compare with."""
    found = look(person, -5, infusion_min=40, has_total=True)
    return replace(
        found, systolic_mmhg=min(138, found.systolic_mmhg), diastolic_mmhg=min(88, found.diastolic_mmhg), nausea=0
    )


def minutes_of(infusion_min: int, observation_min: int, *, during_min: int, after_min: int) -> tuple[int, ...]:
    """When somebody looks, in minutes after the start: during, at the end, after."""
    during = range(during_min, infusion_min, during_min)
    after = range(infusion_min, infusion_min + observation_min + 1, after_min)
    return (*during, *after)


def few_minutes_of(infusion_min: int, observation_min: int) -> tuple[int, ...]:
    """Four looks: half way, at the end, half an hour later, on leaving."""
    return (infusion_min // 2, infusion_min, infusion_min + observation_min // 2, infusion_min + observation_min)


def is_asked(minute: int, infusion_min: int, observation_min: int) -> bool:
    """The total of dissociation is asked at the end, and on leaving (clinical.md D5)."""
    return minute in (infusion_min, infusion_min + observation_min)


# -- looks that mean something ----------------------------------------------------------------------------------------
def held(person: Person) -> Look:
    """Before an infusion that is held (clinical.md case 21)."""
    return replace(before(person), systolic_mmhg=166, diastolic_mmhg=98, heart_rate_bpm=88)


def high(person: Person, minute: int) -> Look:
    """During an infusion, so high that it is paused and measured again (clinical.md case 32c)."""
    found = look(person, minute, infusion_min=40)
    return replace(found, systolic_mmhg=184, diastolic_mmhg=104, heart_rate_bpm=96)


def lower_again(person: Person, minute: int) -> Look:
    """Five minutes later it is not confirmed (clinical.md case 32c)."""
    found = look(person, minute, infusion_min=40)
    return replace(found, systolic_mmhg=172, diastolic_mmhg=98, heart_rate_bpm=90)


def sick(person: Person, minute: int) -> Look:
    """Shortly before an infusion that is stopped for nausea."""
    found = look(person, minute, infusion_min=40)
    return replace(found, nausea=3, heart_rate_bpm=found.heart_rate_bpm + 14, note="Retching, asks to stop")
