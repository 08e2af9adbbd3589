"""Whether the numbers of a protocol fit each other: what a page says before a draft is saved.

A warning about the span (clinical.md A2 C2) is no error: a clinic may want it. What stands here could never be kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from courses.planning.protocols import Step
from courses.planning.words import say_count, say_days, say_weekdays


def rhythm_gaps(weekdays: frozenset[int]) -> tuple[int, ...]:
    """The distances in days between the neighbouring weekdays of a rhythm, round the week.

    Mon-Wed-Fri gives 2, 2, 3; a single weekday gives 7.
    """
    ordered = sorted(weekdays)
    following = [*ordered[1:], ordered[0] + 7] if ordered else []
    return tuple(later - earlier for earlier, later in zip(ordered, following, strict=True))


def check_gaps(
    weekdays: frozenset[int], target_gap_days: int | None, min_gap_days: int, max_gap_days: int
) -> tuple[str, ...]:
    """One sentence for each way in which a rhythm cannot be kept inside its own gap limits (R2)."""
    if min_gap_days > max_gap_days:
        return (f"The smallest gap ({say_days(min_gap_days)}) is above the largest ({say_days(max_gap_days)}).",)
    if weekdays:
        if target_gap_days is not None:
            return ("Give weekdays or a usual gap, not both: the weekdays already say the gap.",)
        return _against_weekdays(weekdays, min_gap_days, max_gap_days)
    if target_gap_days is None:
        return ("Give weekdays or a usual gap.",)
    if not min_gap_days <= target_gap_days <= max_gap_days:
        limits = f"{min_gap_days} to {say_days(max_gap_days)}"
        return (f"The usual gap of {say_days(target_gap_days)} is outside its own limits of {limits}.",)
    return ()


def _against_weekdays(weekdays: frozenset[int], min_gap_days: int, max_gap_days: int) -> tuple[str, ...]:
    gaps, name = rhythm_gaps(weekdays), say_weekdays(weekdays)
    found = []
    if min_gap_days > min(gaps):
        found.append(
            f"{name} comes round after {say_days(min(gaps))}, but the smallest gap is {say_days(min_gap_days)}: "
            "some of these weekdays could never be used."
        )
    if max_gap_days < max(gaps):
        found.append(
            f"{name} leaves {say_days(max(gaps))} between two infusions, "
            f"but the largest gap is {say_days(max_gap_days)}: the rhythm would break its own limit."
        )
    return tuple(found)


def check_numbers(
    steps: Sequence[Step], *, n_min: int, n_default: int, n_max: int, decision_points: Sequence[int] = ()
) -> tuple[str, ...]:
    """One sentence for each way in which the numbers of a protocol contradict its steps."""
    found = []
    if not n_min <= n_default <= n_max:
        found.append(f"Fewest, usual and most infusions must be in this order, not {n_min}, {n_default}, {n_max}.")
    planned = sum(step.count for step in steps)
    if planned != n_default:
        found.append(f"The steps add up to {say_count(planned, 'infusion')}, but the usual number is {n_default}.")
    late = [number for number in decision_points if not 1 <= number <= n_max]
    if late:
        found.append(f"There is no infusion {late[0]} to review after: this protocol has at most {n_max}.")
    return tuple(found)


def note_number(n: int, *, n_min: int, n_max: int) -> str:
    """A remark on a number of infusions outside what the protocol is made for; empty when it is inside.

    Never a refusal: the clinician decides. Source: clinical.md A2 C1 (warn outside 4-8).
    """
    if n_min <= n <= n_max:
        return ""
    few = "fewer" if n < n_min else "more"
    made_for = str(n_min) if n_min == n_max else f"{n_min} to {n_max}"
    return f"{say_count(n, 'infusion')} {'is' if n == 1 else 'are'} {few} than this protocol is made for: {made_for}."


def note_infusion(infusion_min: int, *, usual_min: int, longest_min: int | None) -> str:
    """A remark on an infusion that takes longer than the protocol says; empty when it does not.

    Args:
        infusion_min: minutes of the infusion itself.
        usual_min: the protocol's usual minutes.
        longest_min: the protocol's longest, where it names one.
    """
    if longest_min is None or infusion_min <= longest_min:
        return ""
    said = f"{usual_min} min" if usual_min == longest_min else f"{usual_min} to {longest_min} min"
    return f"The infusion of {infusion_min} min is longer than this protocol says, {said}."
