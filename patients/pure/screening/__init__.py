"""Screening: the rules of clinical.md C1 and C2 as data, evaluated on what is recorded. No automatic decision."""

from patients.pure.screening.evaluate import applies, evaluate, recorded_for, worded, worst
from patients.pure.screening.questions import BY_CODE, GROUPS, QUESTIONS
from patients.pure.screening.types import (
    NO,
    NOT_ASKED,
    YES,
    Answer,
    Facts,
    Finding,
    Kind,
    Limits,
    Pregnancy,
    Pressure,
    Question,
    Recorded,
)

__all__ = [
    "BY_CODE",
    "GROUPS",
    "NO",
    "NOT_ASKED",
    "QUESTIONS",
    "YES",
    "Answer",
    "Facts",
    "Finding",
    "Kind",
    "Limits",
    "Pregnancy",
    "Pressure",
    "Question",
    "Recorded",
    "applies",
    "evaluate",
    "recorded_for",
    "worded",
    "worst",
]
