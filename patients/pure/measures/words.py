"""What a score means, in sentences: from the row as it is kept, by the rules of its measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from patients.pure.measures.types import Measure

BY_TOTAL = {
    "yes": "yes, 33 or more",
    "open": "open: from 31 to 33 sources differ",
    "no": "no, below 31",
}
TRIAGE_RULE = (
    "the highest answer counts: 1 or 2 low; 3, or 6 longer ago, moderate; 4, 5, or 6 in the past 3 months, high; "
    "without any yes there is no band"
)
"""Source: clinical.md E1 (M16–M18)."""


def explained(
    one: Measure, *, score: Decimal | None, is_prorated: bool, detail: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Term and sentence, in the order in which a clinician reads them."""
    return [*_whole(one, is_prorated=is_prorated, detail=detail), *_by_measure(one, score, detail)]


def _whole(one: Measure, *, is_prorated: bool, detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if detail.get("entered") == "total":
        yield "Entered as", "a total; the single answers are not known"
    if is_prorated:
        lost = ", ".join(str(number) for number in detail.get("missing", ()))
        count = len(one.scored_items)
        yield (
            "Prorated",
            f"item {lost} missing: the mean of {detail['answered']} answers (sum {detail['sum']}) × {count}, half up",
        )
    for said in detail.get("cuts", ()):
        unsure = any(cut.words == said and not cut.is_confirmed for cut in one.cuts)
        yield "Cut", f"{said}{' (general knowledge, not confirmed)' if unsure else ''}"


def _by_measure(one: Measure, score: Decimal | None, detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "symptoms" in detail:
        pattern = detail["syndrome"] or "no depressive syndrome"
        yield "Symptoms", f"{detail['symptoms']} of 9 count; pattern: {pattern} (a screen, not a diagnosis)"
    if "difficulty" in detail:
        yield "Difficulty", f"{detail['difficulty'].lower()} (not part of the score)"
    if "domains" in detail:
        yield "Domains", _listed(detail["domains"])
    yield from _ptsd(detail)
    if "triage" in detail:
        yield "Rule", TRIAGE_RULE
    if "contradiction" in detail:
        yield "Contradiction", detail["contradiction"]
    if "said" in detail:
        yield "Rule", detail["said"]
    if one.asks_education and score is not None:
        said = {True: "yes", False: "no", None: "not known"}
        yield "Finished high school", said[detail.get("finished_high_school")]
    if "form_version" in detail:
        yield "Form", detail["form_version"]


def _ptsd(detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "clusters" in detail:
        yield "Clusters", _listed(detail["clusters"])
        yield "Answered “moderately” or more", _listed(detail["endorsed"])
        yield "Provisional PTSD by symptoms", "yes" if detail["by_symptoms"] else "no"
    if "by_total" in detail:
        yield "Provisional PTSD by total", BY_TOTAL[detail["by_total"]]
        if detail["non_ptsd_range"]:
            yield "Range", "28 or less: range of people without PTSD (Marx 2022)"


def _listed(values: Mapping[str, int]) -> str:
    return " · ".join(f"{name} {value}" for name, value in values.items())
