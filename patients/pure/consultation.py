"""What a consultation covers: its sections, their fields, what is still missing, and how a field's text is compared.

Source: clinical.md A 80-106, 110, 116, 117, 143-147; C, suggested pre-course data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FIELD_LIMIT = 20_000
"""Characters of one long text ([D]): about eight printed pages."""
MOST_INFUSIONS = 60


class Kind(StrEnum):
    """How a field is typed in."""

    LONG = "long"
    SHORT = "short"
    CHOICE = "choice"
    NUMBER = "number"
    CHECK = "check"


class Sect(StrEnum):
    """The sections of the page, in the order in which a consultation usually goes."""

    CONDITION = "condition"
    TREATMENTS = "treatments"
    HISTORY = "history"
    MEDICINES = "medicines"
    ALLERGIES = "allergies"
    SUBSTANCES = "substances"
    BODY = "body"
    PREGNANCY = "pregnancy"
    SCREENING = "screening"
    WISHES = "wishes"
    EXPLAINED = "explained"
    CARE = "care"
    COST = "cost"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Field:
    """One autosaved field. ``need`` says what is missing while it is empty; empty itself: nothing is."""

    name: str
    section: Sect
    kind: Kind
    label: str
    hint: str = ""
    need: str = ""
    limit: int = FIELD_LIMIT


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page."""

    key: Sect
    title: str
    icon: str
    lead: str = ""


SECTIONS = (
    Section(Sect.CONDITION, "Condition", "target", "What brings the person here, how severe, since when."),
    Section(Sect.TREATMENTS, "Previous treatments", "history", "What was tried, for how long, and what came of it."),
    Section(Sect.HISTORY, "Health and family", "report-medical", "Illnesses that matter for safety."),
    Section(Sect.MEDICINES, "Medicines", "pill", "Prescribed, over the counter, supplements; with the dose."),
    Section(Sect.ALLERGIES, "Allergies", "alert-triangle", "Medicines, latex, food: with the reaction."),
    Section(Sect.SUBSTANCES, "Substance use", "glass", "Alcohol, cannabis, other drugs; now and earlier."),
    Section(Sect.BODY, "Vital signs", "heartbeat", "Weight, blood pressure, heart rate."),
    Section(Sect.PREGNANCY, "Pregnancy", "baby-carriage", "Where it applies, with a dated test."),
    Section(Sect.SCREENING, "Screening", "shield-check", "What the rules make of what is recorded."),
    Section(Sect.WISHES, "Wishes and concerns", "message-circle", "In the person's own words where possible."),
    Section(Sect.EXPLAINED, "Talked about", "checklist", "Tick what was explained and understood."),
    Section(Sect.CARE, "Other care", "users", "Psychotherapy, other clinicians, and the plan for a crisis."),
    Section(Sect.COST, "Cost and insurance", "receipt", "What the planned series would cost here."),
    Section(Sect.PLAN, "Assessment and plan", "clipboard-check", "What is concluded, and what comes next."),
)

_S, _K = Sect, Kind
FIELDS: dict[str, Field] = {
    one.name: one
    for one in (
        Field("indication", _S.CONDITION, _K.CHOICE, "Condition", need="condition"),
        Field("severity", _S.CONDITION, _K.CHOICE, "Severity", "As judged today.", need="severity"),
        Field("condition_since", _S.CONDITION, _K.SHORT, "Since when", "A year, or an event.", "since when", 120),
        Field("condition_history", _S.CONDITION, _K.LONG, "History of the condition", need="history"),
        Field("treatment_note", _S.TREATMENTS, _K.LONG, "In words", "What a table cannot say."),
        Field("medical_history", _S.HISTORY, _K.LONG, "Medical history", need="medical history"),
        Field(
            "family_history",
            _S.HISTORY,
            _K.LONG,
            "Family history",
            "Mental illness in the family, and psychosis in particular.",
            "family history",
        ),
        Field("substance_use", _S.SUBSTANCES, _K.LONG, "Substance use", need="substance use"),
        Field("can_be_pregnant", _S.PREGNANCY, _K.CHOICE, "Could the person be or become pregnant?"),
        Field("preferences", _S.WISHES, _K.LONG, "Preferences", need="preferences"),
        Field("concerns", _S.WISHES, _K.LONG, "Questions and concerns"),
        Field(
            "infusions_discussed",
            _S.WISHES,
            _K.NUMBER,
            "Number of infusions discussed",
            f"1 to {MOST_INFUSIONS}; the estimate below uses it.",
            "number of infusions",
        ),
        Field(
            "expectations_explained",
            _S.EXPLAINED,
            _K.CHECK,
            "What to expect, and that some people do not respond",
            need="expectations",
        ),
        Field(
            "long_term_discussed",
            _S.EXPLAINED,
            _K.CHECK,
            "How long the effect may last, maintenance, what is not known yet",
            need="long-term questions",
        ),
        Field(
            "escort_understood",
            _S.EXPLAINED,
            _K.CHECK,
            "Somebody takes them home after each infusion, and they know it",
            need="way home",
        ),
        Field("psychotherapy", _S.CARE, _K.LONG, "Psychotherapy", "Now, earlier, wished for.", "psychotherapy"),
        Field("other_care", _S.CARE, _K.LONG, "Other care", "Sleep, exercise, other clinicians."),
        Field("safety_plan", _S.CARE, _K.LONG, "Safety plan", "Warning signs, people to call, crisis lines."),
        Field("insurance_note", _S.COST, _K.LONG, "Insurance", "What the insurer was asked and said."),
        Field("open_questions", _S.PLAN, _K.LONG, "Questions left open", "What has to come before a decision."),
        Field("summary", _S.PLAN, _K.LONG, "Assessment and plan", need="assessment and plan"),
    )
}
TO_SIGN = ("indication", "summary")
"""Without these a record says nothing that could be signed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is there, without saying what it says: all that the rules of completeness look at."""

    filled: frozenset[str] = frozenset()
    has_treatments: bool = False
    has_problems: bool = False
    has_medicines: bool = False  # or "takes none"
    has_allergies: bool = False  # or "none known"
    has_weight: bool = False
    has_pressure: bool = False
    has_heart_rate: bool = False
    may_be_pregnant: bool | None = None  # None: not asked
    asks_pregnancy: bool = True
    has_pregnancy_test: bool = False


@dataclass(frozen=True, slots=True)
class Completeness:
    """What is still missing, by section; sections with nothing missing are not in it."""

    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not self.missing

    @property
    def count(self) -> int:
        return sum(map(len, self.missing.values()))

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that is missing, in the order of the page."""
        return tuple(word for words in self.missing.values() for word in words)

    def __str__(self) -> str:
        """All that the front desk learns."""
        return "complete" if self.is_complete else "missing"


def completeness_of(facts: Facts) -> Completeness:
    """What the record still lacks.

    Source: clinical.md A 92-106, 110, 117; C (weight, pressure, heart rate, medicines, pregnancy test).
    """
    found: dict[str, list[str]] = {}
    filled = facts.filled | {"medical_history"} if facts.has_problems else facts.filled
    for name, one in FIELDS.items():
        if one.need and name not in filled:
            found.setdefault(one.section, []).append(one.need)
    rows = (
        (Sect.TREATMENTS, facts.has_treatments or "treatment_note" in facts.filled, "what was tried"),
        (Sect.MEDICINES, facts.has_medicines, "medicines"),
        (Sect.ALLERGIES, facts.has_allergies, "allergies"),
        (Sect.BODY, facts.has_weight, "weight"),
        (Sect.BODY, facts.has_pressure, "blood pressure"),
        (Sect.BODY, facts.has_heart_rate, "heart rate"),
        (Sect.PREGNANCY, not facts.asks_pregnancy or facts.may_be_pregnant is not None, "whether it applies"),
        (Sect.PREGNANCY, not facts.may_be_pregnant or facts.has_pregnancy_test, "pregnancy test"),
    )
    for section, is_there, word in rows:
        if not is_there:
            found.setdefault(section, []).append(word)
    return Completeness({one.key: tuple(found[one.key]) for one in SECTIONS if found.get(one.key)})


def infusions_from(text: str) -> int | None:
    """The number of infusions that was typed, or None when it is none that a series can have."""
    return int(text) if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= MOST_INFUSIONS else None


def fingerprint(text: str) -> str:
    """A short name for a field's text as a page showed it; equal texts have equal ones, whatever the line ends."""
    return hashlib.sha256(tidy(text).encode()).hexdigest()[:16]


def tidy(text: str) -> str:
    """The text as it is stored: line ends of one kind, nothing around it, no NUL (which PostgreSQL refuses)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()


def both(theirs: str, mine: str) -> str:
    """Two versions of one text kept in one: theirs, then mine."""
    return "\n\n".join(part for part in (tidy(theirs), tidy(mine)) if part)
