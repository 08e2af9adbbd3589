"""The steps of a visit, as one table: which step may follow which, and what to say when it may not."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Kind(StrEnum):
    """The same values as ``BookingKind`` (a test compares them); layer 0 knows no models."""

    CONSULTATION = "consultation"
    INFUSION = "infusion"
    BLOCK = "block"


class Step(StrEnum):
    """The same values as ``BookingStatus`` (a test compares them)."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    IN_CHAIR = "in_chair"
    OBSERVING = "observing"
    DONE = "done"
    MISSED = "missed"
    CANCELLED = "cancelled"
    WITHHELD = "withheld"


_S = Step
_ARRIVING = {_S.BOOKED: (_S.ARRIVED, _S.CONFIRMED), _S.CONFIRMED: (_S.ARRIVED,)}
FORWARD: dict[Kind, dict[Step, tuple[Step, ...]]] = {
    Kind.INFUSION: {
        **_ARRIVING,
        _S.ARRIVED: (_S.IN_CHAIR,),
        _S.IN_CHAIR: (_S.OBSERVING,),
        _S.OBSERVING: (_S.DONE,),
    },
    # A consultation has no chair and no observation: the same column says "with clinician", and then it is over.
    Kind.CONSULTATION: {**_ARRIVING, _S.ARRIVED: (_S.IN_CHAIR,), _S.IN_CHAIR: (_S.DONE,)},
    Kind.BLOCK: {},
}
"""What may follow, the usual next step first. Confirming may be left out: many patients just come."""

_NOT_HERE = (_S.BOOKED, _S.CONFIRMED)
_UNTREATED = (*_NOT_HERE, _S.ARRIVED, _S.IN_CHAIR)
ENDINGS: dict[Step, tuple[Step, ...]] = {
    _S.MISSED: _NOT_HERE,
    # Up to the chair: pressure is measured and minds are changed there, before anything has been given.
    _S.CANCELLED: _UNTREATED,
    _S.WITHHELD: _UNTREATED,
}
"""From which steps a visit may end without having taken place."""

STAMPS: dict[Step, str] = {
    _S.CONFIRMED: "confirmed_at",
    _S.ARRIVED: "arrived_at",
    _S.IN_CHAIR: "started_at",
    _S.OBSERVING: "observing_at",
    _S.DONE: "left_at",
    _S.MISSED: "ended_at",
    _S.CANCELLED: "ended_at",
    _S.WITHHELD: "ended_at",
}
"""The field of the booking that says when the step was taken."""

_LABELS = {
    _S.BOOKED: "booked",
    _S.CONFIRMED: "confirmed",
    _S.ARRIVED: "arrived",
    _S.IN_CHAIR: "in chair",
    _S.OBSERVING: "observing",
    _S.DONE: "done",
    _S.MISSED: "no-show",
    _S.CANCELLED: "cancelled",
    _S.WITHHELD: "withheld",
}


def label(kind: str, step: str) -> str:
    """The step in the words of the clinic, in lower case: "in chair", or "with clinician" at a consultation."""
    if kind == Kind.CONSULTATION and step == _S.IN_CHAIR:
        return "with clinician"
    return _LABELS[Step(step)]


def standing(kind: str, step: str) -> str:
    """The step as it goes after "This visit is"."""
    return "a no-show" if step == _S.MISSED else label(kind, step)


def next_steps(kind: str, step: str) -> tuple[Step, ...]:
    """The steps that may follow, the usual one first; none after the end."""
    return FORWARD[Kind(kind)].get(Step(step), ())


def is_over(step: str) -> bool:
    """Whether nothing can follow except undoing."""
    return step == _S.DONE or step in ENDINGS


def refused_step(kind: str, step: str, to: str) -> str:
    """Why a visit that stands at ``step`` may not go on to ``to``; empty when it may."""
    if to in next_steps(kind, step):
        return ""
    if kind == Kind.BLOCK:
        return "Blocked time has no steps; it can only be cancelled."
    if step == to:
        return f"This visit is already {standing(kind, step)}."
    following = next_steps(kind, step)
    if not following:
        return f"This visit is {standing(kind, step)}, so nothing can follow. Undo that first if it was a mistake."
    usual = label(kind, following[0])
    return f"This visit is {label(kind, step)}; the next step is “{usual}”, not “{label(kind, to)}”."


def refused_ending(kind: str, step: str, to: str, *, has_begun: bool) -> str:
    """Why a visit may not end as ``to`` without having taken place; empty when it may.

    Args:
        has_begun: whether the booked time has come. Nobody has failed to come before that.
    """
    if to not in ENDINGS:
        raise ValueError(f"{to!r} is not a way to end a visit: use missed, cancelled or withheld")
    if kind == Kind.BLOCK and to != _S.CANCELLED:
        return "Blocked time can only be cancelled."
    if step in ENDINGS:
        return f"This visit was already released ({label(kind, step)}). Nothing was changed."
    if step not in ENDINGS[Step(to)]:
        return f"This visit is {standing(kind, step)}, so it can no longer be {_ended_as(to)}."
    if to == _S.MISSED and not has_begun:
        return "The booked time has not come yet, so this is no no-show. Cancel the visit instead."
    return ""


def _ended_as(to: str) -> str:
    return "recorded as a no-show" if to == _S.MISSED else _LABELS[Step(to)]


def step_before(kind: str, step: str, happened: Callable[[Step], bool]) -> Step | None:
    """The step that a visit goes back to when its last one is undone; None when there is nothing to undo.

    Args:
        happened: whether a step has been taken, which tells apart who confirmed from who just came.
    """
    if step == _S.BOOKED:
        return None
    table = FORWARD[Kind(kind)]
    if step in ENDINGS:
        candidates = [one for one in table if one in ENDINGS[Step(step)]]
    else:
        candidates = [one for one, following in table.items() if Step(step) in following]
    taken = [one for one in candidates if one != _S.BOOKED and happened(one)]
    return taken[-1] if taken else next(iter(candidates), _S.BOOKED)
