"""What a signed decision must contain, judged before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from patients.pure.evidence import Severity
from patients.pure.screening.types import Finding


class Verdict(StrEnum):
    """What the clinician decided about one finding."""

    ACCEPTED = "accepted"
    DONE = "done"
    NOT_APPLICABLE = "not_applicable"
    OVERRIDDEN = "overridden"


VERDICT_LABELS = {
    Verdict.ACCEPTED: "Accepted as it is",
    Verdict.DONE: "Done",
    Verdict.NOT_APPLICABLE: "Does not apply",
    Verdict.OVERRIDDEN: "Overridden",
}

FIT, CONDITIONS, NOT_NOW, NO = OUTCOMES = ("fit", "conditions", "not_now", "no")
OPENING = (FIT, CONDITIONS)
"""Outcomes that open the way to a series."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one finding, with a note."""

    verdict: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stands in the way of signing; ``where`` is a finding's code or the name of a field."""

    where: str
    text: str


def refusals_of(
    findings: Sequence[Finding], judged: Mapping[str, Judged], *, outcome: str, conditions: str, reason: str
) -> tuple[Refusal, ...]:
    """Everything that is still to be said before this decision can be signed; empty: it can.

    A STOP closes the way until somebody says in words why it does not count. A finding that opens nothing needs no
    verdict where the decision opens nothing either.
    """
    found = []
    if outcome not in OUTCOMES:
        found.append(Refusal("outcome", "Choose the decision."))
    if outcome == CONDITIONS and not conditions.strip():
        found.append(Refusal("conditions", "Say which conditions."))
    if outcome in {NOT_NOW, NO} and not reason.strip():
        found.append(Refusal("reason", "Say why."))
    refused = ((finding, _refusal(finding, judged.get(finding.code, Judged()), outcome)) for finding in findings)
    found += [Refusal(finding.code, said) for finding, said in refused if said]
    return tuple(found)


def _refusal(finding: Finding, judged: Judged, outcome: str) -> str:
    """Why this verdict does not stand, or an empty string."""
    is_silent = not judged.note.strip()
    if judged.verdict and judged.verdict not in set(Verdict):
        return "Choose one of the verdicts."
    if judged.verdict == Verdict.OVERRIDDEN and is_silent:
        return "Say why it is overridden."
    if outcome not in OPENING:
        return ""
    if not judged.verdict:
        return "Decide on this finding."
    return _refusal_of_stop(judged, is_silent=is_silent) if finding.severity is Severity.STOP else ""


def _refusal_of_stop(judged: Judged, *, is_silent: bool) -> str:
    if judged.verdict == Verdict.ACCEPTED:
        return "A stop cannot be accepted and the way be open. Override it with a reason, or decide otherwise."
    return "Say why this stop does not count." if is_silent else ""
