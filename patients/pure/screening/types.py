"""What screening looks at, and what it says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from patients.pure.background import ADULT_FROM_YEARS
from patients.pure.evidence import Mark, Severity
from patients.pure.interactions import BENZODIAZEPINE_LIMIT_MG, Drug
from patients.pure.pressure import DEFAULT
from patients.pure.wordmatch import any_of, plain

YES, NO, NOT_ASKED = "yes", "no", ""
SUBSTANCE_WINDOW_MONTHS = 3
"""Source: clinical.md C1: within 3 months (E1, E6); E5 has 2 months for a mild and 6 for a severe disorder. [D]"""


class Applies(StrEnum):
    """Whom a question is for."""

    EVERYBODY = "everybody"
    NOT_MEN = "not_men"
    MAY_BE_PREGNANT = "may_be_pregnant"
    AT_RISK = "at_risk"  # asked only where something points to a risk of suicide


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are asked in one breath."""

    code: str
    title: str
    icon: str


@dataclass(frozen=True)
class Question:
    """One row of clinical.md C1 (or a part of one), as it is asked.

    Args:
        raises: the answer that makes a finding: mostly yes; "no" where something should have been done.
        recognise: phrases in a problem of the registry that suggest it, as whole words.
        icd10: beginnings of ICD-10-CM codes that suggest it, without the dot.
        unless: phrases that say something else ("ocular hypertension" is no hypertension).
        ever: a problem that has ended suggests it as well.
        recorded_as: how serious a problem of the registry is by itself, where the question asks for more than the
            problem says ("uncontrolled", "active"); an answer of "no" then settles it. None: as the question itself.
        setting: the name of the clinic setting that stands in ``text`` in braces.
        is_suggested: no more than suggested before a course.
    """

    code: str
    group: str
    row: str
    text: str
    title: str
    severity: Severity
    reason: str
    source: str
    mark: Mark = Mark.READ
    raises: str = YES
    applies: Applies = Applies.EVERYBODY
    recognise: tuple[str, ...] = ()
    icd10: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    ever: bool = False
    recorded_as: Severity | None = None
    setting: str = ""
    is_suggested: bool = False

    @cached_property
    def _phrases(self) -> re.Pattern[str]:
        return any_of(self.recognise)

    @cached_property
    def _other(self) -> re.Pattern[str]:
        return any_of(self.unless)

    def finds_in(self, text: str) -> re.Match[str] | None:
        """Where the phrases stand in a clause of plain text; nowhere when it says something else."""
        return None if self._other.search(text) else self._phrases.search(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; the empty answer is "not asked"."""

    value: str = NOT_ASKED
    note: str = ""

    @property
    def words(self) -> str:
        return (self.value or "not asked") + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A problem of the registry."""

    description: str
    code_system: str = ""
    code: str = ""
    is_current: bool = True

    @property
    def icd10(self) -> str:
        """The code without its dot where it is one of ICD-10."""
        return self.code.replace(".", "").upper() if self.code_system == "icd10" else ""


@dataclass(frozen=True, slots=True)
class Pressure:
    """The latest blood pressure; ``heart_rate`` None: not measured with it."""

    systolic: int
    diastolic: int
    heart_rate: int | None = None
    age_days: int = 0

    def __str__(self) -> str:
        pulse = f", pulse {self.heart_rate}" if self.heart_rate is not None else ""
        return f"{self.systolic}/{self.diastolic} mmHg{pulse}"


@dataclass(frozen=True, slots=True)
class Pregnancy:
    """The latest pregnancy test: "negative", "positive" or "unclear"."""

    result: str
    age_days: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the rules look at. A list that nobody asked about is told from an empty one by ``asked``."""

    age: int
    sex: str = ""
    treated_for: frozenset[str] = frozenset()  # values of ``Indication``
    answers: Mapping[str, Answer] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()  # of "medicines", "allergies", "problems"
    medicines: tuple[Drug, ...] = ()
    allergies: tuple[str, ...] = ()
    problems: tuple[Recorded, ...] = ()
    family_history: str = ""
    can_be_pregnant: str = NOT_ASKED
    pregnancy: Pregnancy | None = None
    pressure: Pressure | None = None
    has_weight: bool = False
    has_safety_plan: bool = False
    measures: frozenset[str] = frozenset()  # codes of the measures that were taken
    auditc: Decimal | None = None
    cssrs: str = ""  # the band, as ``patients.pure.measures.rules.TRIAGE`` names it
    phq9_item9: int | None = None

    def answer(self, code: str) -> str:
        return self.answers.get(code, Answer()).value


@dataclass(frozen=True, slots=True)
class Limits:
    """What a clinic may set ([D]); the rest of the rules is fixed."""

    pressure_profile: str = DEFAULT
    benzodiazepine_limit_mg: int = BENZODIAZEPINE_LIMIT_MG
    substance_window_months: int = SUBSTANCE_WINDOW_MONTHS
    pressure_max_age_days: int = 30
    pregnancy_test_max_age_days: int = 7
    adult_from_years: int = ADULT_FROM_YEARS


class Kind(StrEnum):
    """Where a finding comes from."""

    FOUND = "found"  # an answer, a value, a medicine
    RECORDED = "recorded"  # only the registry says so: ask
    MISSING = "missing"  # nobody asked or measured
    SUGGESTED = "suggested"  # would be good to have


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the clinician looks at and decides on. ``raised_by`` is what it rests on, in words."""

    code: str
    severity: Severity
    title: str
    reason: str
    source: str
    raised_by: tuple[str, ...]
    mark: Mark = Mark.READ
    kind: Kind = Kind.FOUND
    asks: str = ""

    @property
    def stamp(self) -> str:
        """The same for the same finding: a page sends back what it showed, and a change since then is noticed."""
        said = "\x1f".join((self.code, self.severity, self.kind, self.title, self.reason, *self.raised_by, self.asks))
        return f"{self.code}:{hashlib.sha256(said.encode()).hexdigest()[:16]}"


NEGATIONS = any_of(("no", "not", "denies", "denied", "without", "negative for", "ruled out", "rule out", "excluded"))
FAMILY = any_of(("family history", "fh", "family hx"))


def clauses(text: str) -> tuple[str, ...]:
    """The parts of a description as plain text: "Glaucoma, left; asthma" gives three."""
    return tuple(said for part in re.split(r"[,;:()\n.]", text) if (said := plain(part)))
