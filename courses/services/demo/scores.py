"""What the demo's patients answer: made-up courses of a score, spread over the items of a questionnaire. Plain data."""

from __future__ import annotations

from patients.pure.measures import MEASURES

STARTING_TOTALS = {"phq9": 18, "gad7": 14, "pcl5": 48, "pain_nrs": 7, "auditc": 0}
SPREAD = 5
"""Patients start within this many points of each other."""

# Share of the starting total that is left after each infusion: the shapes of clinical.md H1, cases 1, 2, 4, 6 and 8.
EARLY = (0.70, 0.45, 0.40, 0.30, 0.25, 0.20)
GRADUAL = (0.86, 0.68, 0.55, 0.45, 0.41, 0.36)
SLIGHT = (0.95, 0.90, 0.86, 0.86, 0.81, 0.81)
WORSE = (1.05, 1.10, 1.20, 1.25, 1.25, 1.25)
WORSENING = (1.05, 1.15, 1.30, 1.30, 1.30, 1.30)
FADING = (0.65, 0.45, 0.35, 0.30, 0.30, 0.35, 0.45, 0.60, 0.65)
SHAPES = (EARLY, GRADUAL, GRADUAL, SLIGHT, EARLY, FADING, GRADUAL, EARLY, SLIGHT, EARLY, GRADUAL, WORSE)


def starting_total(measure: str, turn: int) -> int:
    """The score before the first infusion of the ``turn``-th patient."""
    return STARTING_TOTALS[measure] + (turn % SPREAD if measure != "pain_nrs" else 0)  # a 0-10 scale has no room


def total_after(measure: str, turn: int, given: int, shape: tuple[float, ...] = ()) -> int:
    """The score after ``given`` infusions (0: at the start); it stays at the last of its shape afterwards.

    Args:
        shape: instead of the patient's own; weeks after the series count as further infusions.
    """
    start = starting_total(measure, turn)
    shape = shape or SHAPES[turn % len(SHAPES)]
    return round(start * shape[min(given, len(shape)) - 1]) if given else start


def answers_for(measure: str, total: int, *, danger: int = 0) -> dict[int, int]:
    """Items that add up to ``total``, as evenly as they can; the item about suicide is ``danger``.

    Args:
        measure: one whose score is the sum of its items.
    """
    one = MEASURES[measure]
    items = [item for item in one.items if item.is_scored]
    most = {item.number: max(item.values) for item in items}
    given = {item.number: danger if item.number == one.danger_item else 0 for item in items}
    free = [number for number in given if number != one.danger_item]
    left = min(total, sum(most[number] for number in free) + danger) - danger
    while left > 0:
        for number in free:
            if left > 0 and given[number] < most[number]:
                given[number] += 1
                left -= 1
    return given
