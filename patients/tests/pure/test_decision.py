"""What a decision must contain before it is signed (issue 3, screening: overriding STOP only with a reason)."""

import pytest

from patients.models import DecisionOutcome
from patients.pure.evidence import Severity
from patients.pure.screening.decision import OPENING, OUTCOMES, Judged, refusals_of
from patients.pure.screening.types import Finding

STOP = Finding("psychosis", Severity.STOP, "Psychosis", "why", "E1", ("yes",))
REVIEW = Finding("glaucoma", Severity.REVIEW, "Glaucoma", "why", "E6", ("yes",))


def refused(*findings: Finding, outcome: str = "fit", conditions: str = "", reason: str = "", **verdicts: tuple):
    judged = {code: Judged(*verdict) for code, verdict in verdicts.items()}
    found = refusals_of(findings, judged, outcome=outcome, conditions=conditions, reason=reason)
    return [one.where for one in found]


def test_without_findings_fit_needs_nothing_more() -> None:
    assert refused() == []


def test_the_outcomes_that_open_are_those_of_the_table() -> None:
    assert list(OUTCOMES) == DecisionOutcome.values
    assert OPENING == (DecisionOutcome.FIT, DecisionOutcome.CONDITIONS)


@pytest.mark.parametrize(
    ("outcome", "fields", "where"),
    [
        ("", {}, ["outcome"]),
        ("maybe", {}, ["outcome"]),
        ("conditions", {}, ["conditions"]),
        ("conditions", {"conditions": "  "}, ["conditions"]),
        ("conditions", {"conditions": "Pressure below 140/90"}, []),
        ("not_now", {}, ["reason"]),
        ("not_now", {"reason": "Wait for the ECG"}, []),
        ("no", {}, ["reason"]),
    ],
)
def test_conditions_are_named_and_a_refusal_has_its_reason(outcome, fields, where) -> None:
    assert refused(outcome=outcome, **fields) == where


def test_each_finding_needs_a_verdict_where_the_way_opens() -> None:
    assert refused(STOP, REVIEW) == ["psychosis", "glaucoma"]
    assert refused(STOP, REVIEW, outcome="no", reason="Psychosis") == []


@pytest.mark.parametrize("verdict", ["accepted", "done", "not_applicable", "overridden"])
def test_a_review_needs_no_reason_unless_it_is_overridden(verdict) -> None:
    assert refused(REVIEW, glaucoma=(verdict,)) == (["glaucoma"] if verdict == "overridden" else [])


@pytest.mark.parametrize(
    ("verdict", "note", "is_refused"),
    [
        ("accepted", "I know", True),
        ("overridden", "", True),
        ("overridden", "   ", True),
        ("overridden", "Single episode in 1998, psychiatrist agrees", False),
        ("not_applicable", "", True),
        ("not_applicable", "Another person's record", False),
        ("done", "", True),
        ("invented", "because", True),
    ],
)
def test_a_stop_closes_the_way_until_somebody_says_why_not(verdict, note, is_refused) -> None:
    assert refused(STOP, psychosis=(verdict, note)) == (["psychosis"] if is_refused else [])
    assert refused(STOP, outcome="conditions", conditions="x", psychosis=(verdict, note)) == (
        ["psychosis"] if is_refused else []
    )


def test_overriding_needs_its_reason_whatever_the_outcome() -> None:
    assert refused(STOP, outcome="no", reason="Not here", psychosis=("overridden",)) == ["psychosis"]
