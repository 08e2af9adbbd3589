"""What the pages of screening show: findings, questions and decisions with their words. No database, no request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.urls import reverse

from patients.forms.screening import DecisionForm
from patients.models import ScreeningDecision
from patients.pure.evidence import MARK_LABELS, SEVERITY_LABELS, SEVERITY_MEANS, Mark, Severity, citations_in
from patients.pure.screening import (
    GROUPS,
    QUESTIONS,
    YES,
    Answer,
    Facts,
    Finding,
    Kind,
    Limits,
    Question,
    applies,
    recorded_for,
    worded,
)
from patients.pure.screening.decision import VERDICT_LABELS, Judged, Verdict
from patients.pure.screening.types import Applies
from patients.services.screening import Screened, opens_on

KIND_WORDS = {
    Kind.FOUND: "",
    Kind.RECORDED: "From the record: ask",
    Kind.MISSING: "Missing",
    Kind.SUGGESTED: "Suggested",
}
SOON_DAYS = 14
"""From so many days before its end a decision is shown as expiring."""
MISSING = "missing"
ORDER = (Severity.STOP.value, Severity.REVIEW.value, MISSING, Severity.WATCH.value, Severity.INFO.value)
READY = frozenset({Severity.WATCH, Severity.INFO})
"""Findings whose verdict begins as "accepted as it is"; the others are decided one by one."""


_VITALS = ("intake:vitals_add", (), "Record vital signs")
_TEST = ("intake:pregnancy_add", (), "Record a test")
_BACKGROUND = ("patients:background", (), "Open the background")
WAYS: dict[str, tuple[str, tuple[str, ...], str]] = {
    **dict.fromkeys(("pressure", "pressure_missing", "pressure_old", "pulse_missing"), _VITALS),
    **dict.fromkeys(("pregnancy_test_missing", "pregnancy_test_unclear", "pregnancy_test_old"), _TEST),
    **dict.fromkeys(("no_medicines", "no_allergies", "no_problems"), _BACKGROUND),
    "ask_cssrs": ("measures:entry", ("cssrs",), "Enter the C-SSRS"),
    "suggested_data": ("measures:patient", (), "Open the measures"),
}
"""Code of a finding -> address (of the patient), its further arguments, and the words of the link."""
SECTIONS = {"pregnancy_not_asked": "pregnancy", "safety_plan": "care"}
"""Code of a finding -> section of the consultation's record."""


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding as a page shows it."""

    code: str
    severity: str
    word: str
    means: str
    kind: str
    title: str
    reason: str
    citations: tuple[str, ...]
    source: str
    mark: str
    is_setting: bool
    raised_by: tuple[str, ...]
    asks: str = ""
    stamp: str = ""
    verdict: str = ""
    note: str = ""
    refusal: str = ""
    is_new: bool = False
    url: str = ""
    action: str = ""
    in_sheet: bool = False

    @property
    def is_missing(self) -> bool:
        return self.kind == KIND_WORDS[Kind.MISSING]

    @property
    def is_long(self) -> bool:
        """True when what it rests on is a list of names rather than sentences."""
        return self.kind in {KIND_WORDS[Kind.MISSING], KIND_WORDS[Kind.SUGGESTED]}

    @property
    def needs_words(self) -> bool:
        """True when only a reason makes it possible to go on."""
        return self.severity == Severity.STOP


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """One question as a page shows it."""

    code: str
    text: str
    raises: str  # the answer that makes a finding
    answer: Answer
    recorded: tuple[str, ...]
    setting: str
    hint: str = ""
    conflict: Answer | None = None
    mine: Answer | None = None

    @property
    def base(self) -> Answer:
        """What is stored now: who sends it back has seen it."""
        return self.conflict or self.answer


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Questions that are asked in one breath."""

    code: str
    title: str
    icon: str
    questions: list[ShownQuestion] = field(default_factory=list)
    left_out: str = ""

    @property
    def has_no_button(self) -> bool:
        return self.code != "data" and bool(self.questions)


# --- findings ---------------------------------------------------------------------------------------------------------
def shown_findings(screened: Screened, *, may_measure: bool) -> list[ShownFinding]:
    """The findings with their words, and the way to what is missing."""
    rows = [_shown(finding) for finding in screened.findings]
    return [replace(one, **_way(one.code, screened)) for one in rows] if may_measure else rows


def _way(code: str, screened: Screened) -> dict[str, Any]:
    """Where the thing that a finding misses can be recorded; empty where nothing is missing."""
    if code in SECTIONS:
        record = reverse("intake:consultation", args=[screened.consultation.pk])
        return {"url": f"{record}#{SECTIONS[code]}", "action": "Open the consultation"}
    if code not in WAYS:
        return {}
    name, arguments, action = WAYS[code]
    return {
        "url": reverse(name, args=[screened.patient.pk, *arguments]),
        "action": action,
        "in_sheet": name.endswith("_add"),
    }


def counts_of(findings: Iterable[Finding]) -> list[tuple[str, str, int]]:
    """Severity (or "missing"), its word, and how many; only those that there are."""
    found = Counter(MISSING if finding.kind is Kind.MISSING else finding.severity.value for finding in findings)
    words = {severity.value: SEVERITY_LABELS[severity].lower() for severity in Severity} | {
        MISSING: "not asked or missing"
    }
    return [(name, words[name], found[name]) for name in ORDER if found[name]]


def _shown(finding: Finding, judged: Judged | None = None, refusal: str = "", *, is_new: bool = False) -> ShownFinding:
    judged = judged or Judged()
    return ShownFinding(
        code=finding.code,
        severity=finding.severity.value,
        word=SEVERITY_LABELS[finding.severity],
        means=SEVERITY_MEANS[finding.severity],
        kind=KIND_WORDS[finding.kind],
        title=finding.title,
        reason=finding.reason,
        citations=citations_in(finding.source),
        source=finding.source,
        mark=MARK_LABELS[finding.mark],
        is_setting=finding.mark is Mark.SETTING,
        raised_by=finding.raised_by,
        asks=finding.asks,
        stamp=finding.stamp,
        verdict=judged.verdict,
        note=judged.note,
        refusal=refusal,
        is_new=is_new,
    )


def to_judge(
    findings: Iterable[Finding], form: DecisionForm, refused: Mapping[str, str], new: frozenset[str]
) -> list[ShownFinding]:
    """The findings with the verdicts that were sent; on a fresh page the mild ones are accepted as they are."""
    rows = []
    for finding in findings:
        if form.is_bound:
            judged = form.judged([finding.code])[finding.code]
        else:
            is_ready = finding.severity in READY and finding.kind is not Kind.MISSING
            judged = Judged(Verdict.ACCEPTED if is_ready else "")
        rows.append(_shown(finding, judged, refused.get(finding.code, ""), is_new=finding.code in new))
    return rows


def as_signed(kept: Mapping[str, Any]) -> ShownFinding:
    """A finding out of a signed decision; words of severities that are gone since stay as they were kept."""
    severity = Severity(kept["severity"])
    raised_by = kept["raised_by"]
    return ShownFinding(
        code=kept["code"],
        severity=severity.value,
        word=SEVERITY_LABELS[severity],
        means=SEVERITY_MEANS[severity],
        kind=KIND_WORDS.get(Kind(kept.get("kind", Kind.FOUND)), ""),
        title=kept["title"],
        reason=kept["reason"],
        citations=citations_in(kept["source"]),
        source=kept["source"],
        mark="",
        is_setting=False,
        raised_by=(raised_by,) if isinstance(raised_by, str) else tuple(raised_by),
        verdict=VERDICT_LABELS[Verdict(kept["verdict"])] if kept["verdict"] else "",
        note=kept["note"],
    )


# --- questions --------------------------------------------------------------------------------------------------------
def shown_groups(
    facts: Facts, limits: Limits, conflicts: Mapping[str, tuple[Answer, Answer]] | None = None
) -> list[ShownGroup]:
    """The questions that apply, group by group.

    Args:
        conflicts: by question, what somebody else answered meanwhile and what was sent.
    """
    groups = {group.code: ShownGroup(group.code, group.title, group.icon) for group in GROUPS}
    for question in QUESTIONS:
        if applies(question, facts) or question.applies is Applies.AT_RISK:
            groups[question.group].questions.append(_shown_question(question, facts, limits, conflicts or {}))
    if not groups["pregnancy"].questions:
        groups["pregnancy"] = ShownGroup("pregnancy", "Pregnancy", "baby-carriage", left_out="Sex recorded: male.")
    return list(groups.values())


def _shown_question(
    question: Question, facts: Facts, limits: Limits, conflicts: Mapping[str, tuple[Answer, Answer]]
) -> ShownQuestion:
    theirs, mine = conflicts.get(question.code, (None, None))
    is_spare = question.applies is Applies.AT_RISK and not applies(question, facts)
    return ShownQuestion(
        code=question.code,
        text=worded(question.text, limits),
        raises=question.raises,
        answer=facts.answers.get(question.code, Answer()),
        recorded=() if facts.answer(question.code) == YES else recorded_for(question, facts),
        setting=f"{limits.substance_window_months} months" if question.setting else "",
        hint="Nothing points to a risk so far: this can stay open." if is_spare else "",
        conflict=theirs,
        mine=mine,
    )


# --- decisions --------------------------------------------------------------------------------------------------------
def state_of(signed: ScreeningDecision, *, today: date, latest: Mapping[str, int]) -> tuple[str, str]:
    """A level and a word: valid, expires soon, expired, replaced; or what it decided against."""
    if latest.get(signed.indication) != signed.pk:
        return "", "Replaced by a later one"
    if not signed.opens_the_way:
        return "warn", signed.get_outcome_display()
    if not opens_on(signed, today):
        return "danger", "Expired: renew it"
    days = (signed.expires_on - today).days if signed.expires_on else 0
    if days <= SOON_DAYS:
        return "warn", "Expires today" if days == 0 else f"Expires in {days} day{'s' if days > 1 else ''}"
    return "ok", "Valid"


def shown_decisions(
    decisions: Iterable[ScreeningDecision], today: date
) -> list[tuple[ScreeningDecision, tuple[str, str]]]:
    """Each decision with its state today; the latest comes first."""
    rows = list(decisions)
    latest = latest_by_condition(rows)
    return [(one, state_of(one, today=today, latest=latest)) for one in rows]


def latest_by_condition(decisions: Iterable[ScreeningDecision]) -> dict[str, int]:
    latest: dict[str, int] = {}
    for one in decisions:  # the latest first
        latest.setdefault(one.indication, one.pk)
    return latest
