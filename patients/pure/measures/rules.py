"""How answers become scores. One function for each published way; numbers and names are those of clinical.md E1."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from patients.pure.measures.types import About, Answers, Flag, Measure, Scored

PHQ9_MAY_MISS = 2
"""Source: clinical.md E1 (M3): up to two items missing are replaced by the mean; three give no score."""
PHQ9_SYMPTOM_FROM = 2  # "more than half the days"
PHQ9_ITEM9_FROM = 1  # item 9 counts from "several days"
PHQ9_MAJOR_FROM = 5
PHQ9_OTHER_FROM = 2
PCL5_ENDORSED_FROM = 2  # "moderately" (M7)
PCL5_CLUSTERS = {"B": range(1, 6), "C": range(6, 8), "D": range(8, 15), "E": range(15, 21)}
PCL5_NEEDED = {"B": 1, "C": 1, "D": 2, "E": 2}
PCL5_CUT = (31, 33)
"""Source: clinical.md E1 (M7): provisional PTSD from 31 to 33; below is not reached, inside is open."""
PCL5_NOT_PTSD_MAX = 28
"""Source: clinical.md E1 (M8, Marx 2022): up to 28 lies in the range of people without PTSD."""
AUDITC_POSITIVE_FROM = {"female": 3, "male": 4}
"""Source: clinical.md E1 (M24)."""
QIDS_DOMAINS = {
    "sleep": (1, 2, 3, 4),
    "sad mood": (5,),
    "appetite and weight": (6, 7, 8, 9),
    "concentration": (10,),
    "view of oneself": (11,),
    "thoughts of death": (12,),
    "interest": (13,),
    "energy": (14,),
    "slowed or restless": (15, 16),
}
"""Source: clinical.md E1 (M14): the nine domains; each counts with its highest item."""
QIDS_EITHER = ((6, 7), (8, 9))
"""Less or more appetite, less or more weight: the form asks for one of each pair."""


def plain_sum(measure: Measure, answers: Answers, _about: About) -> Scored:
    """The sum of all scored items. Where the source names no rule for missing items, one missing gives no score."""
    missing = missing_of(measure, answers)
    if missing:
        flags = (*_danger(measure, answers), *_danger_open(measure, missing))
        return Scored(None, flags=flags, problem=_lacking(missing), missing=missing)
    total = sum(_value(answers, item.number) for item in measure.scored_items)
    return scored_total(measure, Decimal(total), flags=_danger(measure, answers))


def phq9(measure: Measure, answers: Answers, _about: About) -> Scored:
    """PHQ-9: sum, or mean × 9 rounded half up where one or two are missing; item 9 is never imputed.

    Source: clinical.md E1 (M1–M4).
    """
    missing = missing_of(measure, answers)
    given = {item.number: _value(answers, item.number) for item in measure.scored_items if item.number not in missing}
    flags = list(_danger(measure, answers))
    detail: dict[str, Any] = {"sum": sum(given.values()), "answered": len(given)}
    difficulty = answers.get(10)
    if difficulty is not None:
        detail["difficulty"] = measure.item(10).label_of(difficulty)
    if measure.danger_item in missing:
        flags += _danger_open(measure, missing)
        problem = "Item 9 was not answered. Ask it: it is never filled in from the others, so there is no final score."
        return Scored(None, flags=tuple(flags), detail=detail, problem=problem, missing=missing)
    if len(missing) > PHQ9_MAY_MISS:
        problem = f"{_lacking(missing)} With more than {PHQ9_MAY_MISS} missing there is no score."
        return Scored(None, flags=tuple(flags), detail=detail, problem=problem, missing=missing)
    if missing:
        mean = Decimal(detail["sum"]) / len(given) * len(measure.scored_items)
        total = mean.quantize(Decimal(1), ROUND_HALF_UP)
        return scored_total(measure, total, flags=flags, detail=detail, is_prorated=True, missing=missing)
    detail |= _syndrome(given)
    return scored_total(measure, Decimal(detail["sum"]), flags=flags, detail=detail)


def _syndrome(given: dict[int, int]) -> dict[str, Any]:
    """The count of symptoms: a pattern to look at, not a diagnosis. Source: clinical.md E1 (M1)."""
    counted = [
        number
        for number, value in given.items()
        if value >= (PHQ9_ITEM9_FROM if number == 9 else PHQ9_SYMPTOM_FROM)  # noqa: PLR2004 (item 9)
    ]
    has_core = max(given[1], given[2]) >= PHQ9_SYMPTOM_FROM
    if has_core and len(counted) >= PHQ9_MAJOR_FROM:
        name = "major depressive syndrome"
    elif has_core and len(counted) >= PHQ9_OTHER_FROM:
        name = "other depressive syndrome"
    else:
        name = ""
    return {"symptoms": len(counted), "syndrome": name}


def pcl5(measure: Measure, answers: Answers, _about: About) -> Scored:
    """PCL-5: total, clusters, and both ways to provisional PTSD. Source: clinical.md E1 (M7–M10)."""
    missing = missing_of(measure, answers)
    if missing:
        return Scored(None, problem=_lacking(missing), missing=missing)
    values = {item.number: _value(answers, item.number) for item in measure.scored_items}
    endorsed = {name: sum(values[n] >= PCL5_ENDORSED_FROM for n in numbers) for name, numbers in PCL5_CLUSTERS.items()}
    detail = {
        "clusters": {name: sum(values[n] for n in numbers) for name, numbers in PCL5_CLUSTERS.items()},
        "endorsed": endorsed,
        "by_symptoms": all(endorsed[name] >= needed for name, needed in PCL5_NEEDED.items()),
    }
    return scored_total(measure, Decimal(sum(values.values())), detail=detail)


def pcl5_by_total(total: Decimal) -> dict[str, Any]:
    """What the total alone says: "yes", "open" (between 31 and 33, where sources differ) or "no"."""
    low, high = PCL5_CUT
    answer = "yes" if total >= high else "open" if total >= low else "no"
    return {"by_total": answer, "non_ptsd_range": total <= PCL5_NOT_PTSD_MAX}


def qids(measure: Measure, answers: Answers, _about: About) -> Scored:
    """QIDS-SR16: the sum of nine domains, each its highest item; never the sum of sixteen. Source: E1 (M13–M15)."""
    missing = missing_of(measure, answers)
    spared = {n for pair in QIDS_EITHER if any(answers.get(m) is not None for m in pair) for n in pair}
    lacking = tuple(n for n in missing if n not in spared)
    flags = list(_danger(measure, answers))
    if lacking:
        flags += _danger_open(measure, lacking)
        return Scored(None, flags=tuple(flags), problem=_lacking(lacking), missing=lacking)
    domains = {
        name: max(value for n in numbers if (value := answers.get(n)) is not None)
        for name, numbers in QIDS_DOMAINS.items()
    }
    return scored_total(measure, Decimal(sum(domains.values())), flags=flags, detail={"domains": domains})


NO_POSITIVE, LOW, MODERATE, HIGH = "No positive answer", "Low", "Moderate", "High"
TRIAGE = (NO_POSITIVE, LOW, MODERATE, HIGH)
"""The screener's legend has three bands. All "no" is said in words: it is not "low"."""
CSSRS_LONG_AGO, CSSRS_RECENT = 1, 2
"""Question 6: yes but not within three months; yes within three months."""


def cssrs(measure: Measure, answers: Answers, _about: About) -> Scored:
    """C-SSRS screener: the highest band that any answer reaches; no number.

    Questions 3 to 5 are asked only after a yes to 2. What is answered counts even while something is missing, so that
    a danger is never lost for an empty field.
    Source: clinical.md E1 (M16–M18).
    """
    skipped = (3, 4, 5) if answers.get(2) == 0 else ()
    missing = tuple(n for n in missing_of(measure, answers) if n not in skipped)
    reached = [NO_POSITIVE]
    reached += [LOW for n in (1, 2) if answers.get(n) == 1]
    reached += [MODERATE for _ in (0,) if answers.get(3) == 1]
    reached += [HIGH for n in (4, 5) if answers.get(n) == 1]
    reached += [{CSSRS_LONG_AGO: MODERATE, CSSRS_RECENT: HIGH}.get(answers.get(6) or 0, NO_POSITIVE)]
    triage = max(reached, key=TRIAGE.index)
    flags = {MODERATE: (Flag.CSSRS_MODERATE,), HIGH: (Flag.CSSRS_HIGH,)}.get(triage, ())
    detail: dict[str, Any] = {"triage": triage, "skipped": list(skipped)}
    if answers.get(2) == 0 and any(answers.get(n) == 1 for n in (3, 4, 5)):
        detail["contradiction"] = "Question 2 is “no”, but a later one is “yes”. The highest answer counts; ask again."
    if missing and triage != HIGH:
        said = f" What is answered so far reaches “{triage}”." if flags else ""
        problem = _lacking(missing, "question") + said
        return Scored(None, flags=flags, detail=detail, problem=problem, missing=missing)
    return Scored(None, band=triage, flags=flags, detail=detail, missing=missing)


def auditc_band(score: Decimal, sex: str) -> tuple[str, str]:
    """The band ("Positive", "Negative", or empty) and a sentence. Source: clinical.md E1 (M24)."""
    limits = sorted(AUDITC_POSITIVE_FROM.values())
    limit = AUDITC_POSITIVE_FROM.get(sex)
    if limit is None and limits[0] <= score < limits[-1]:
        return "", "Positive for a woman, negative for a man. The sex recorded for clinical use is not known."
    limit = limit or limits[0]
    rule = f"Positive from {AUDITC_POSITIVE_FROM['male']} for a man, from {AUDITC_POSITIVE_FROM['female']} for a woman."
    return ("Positive" if score >= limit else "Negative"), rule


SLUMS_BANDS = {
    True: ((27, "Normal"), (21, "Mild cognitive impairment"), (0, "Dementia range")),
    False: ((25, "Normal"), (20, "Mild cognitive impairment"), (0, "Dementia range")),
}
"""Source: clinical.md E1 (M23): lowest score of each band, for people who finished high school and who did not."""


def slums_band(score: Decimal, *, finished_high_school: bool | None) -> str:
    """The band for this education; empty while the education is not known."""
    if finished_high_school is None:
        return ""
    return next(name for low, name in SLUMS_BANDS[finished_high_school] if score >= low)


# -- parts -------------------------------------------------------------------------------------------------------------
def scored_total(  # noqa: PLR0913 (what a score may carry)
    measure: Measure,
    total: Decimal,
    *,
    flags: Iterable[Flag] = (),
    detail: dict[str, Any] | None = None,
    is_prorated: bool = False,
    missing: tuple[int, ...] = (),
) -> Scored:
    """The total with its published band."""
    return Scored(
        total,
        band=measure.band_of(total),
        is_prorated=is_prorated,
        flags=tuple(flags),
        detail=detail or {},
        missing=missing,
    )


def missing_of(measure: Measure, answers: Answers) -> tuple[int, ...]:
    return tuple(item.number for item in measure.scored_items if answers.get(item.number) is None)


def _danger(measure: Measure, answers: Answers) -> tuple[Flag, ...]:
    """Any non-zero answer to the item about suicide is a signal, whatever the total."""
    if measure.danger_item is None:
        return ()
    return danger_flags(measure, answers.get(measure.danger_item))


def _danger_open(measure: Measure, missing: tuple[int, ...]) -> tuple[Flag, ...]:
    """Somebody must ask the item about suicide when it was left out."""
    return (Flag.DANGER_ITEM_UNANSWERED,) if measure.danger_item in missing else ()


def danger_flags(measure: Measure, answer: int | None) -> tuple[Flag, ...]:
    """Source: clinical.md E1 and case 9 for PHQ-9; for the suicide items of other measures it is a default ([D])."""
    if not answer:
        return ()
    return (Flag.PHQ9_ITEM9 if measure.code == "phq9" else Flag.SUICIDE_ITEM, Flag.ASK_CSSRS)


def _value(answers: Answers, number: int) -> int:
    return answers[number] or 0


def _lacking(missing: tuple[int, ...], noun: str = "item") -> str:
    if len(missing) == 1:
        return f"{noun.capitalize()} {missing[0]} was not answered."
    said = ", ".join(str(number) for number in missing[:-1])
    return f"{noun.capitalize()}s {said} and {missing[-1]} were not answered."
