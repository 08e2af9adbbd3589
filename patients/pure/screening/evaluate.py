"""What the rules find in everything that is recorded. They show; a clinician decides.

Source: clinical.md C1 (conditions), C2 (medicines), D3 (pressure), E1 (AUDIT-C, C-SSRS), H9 (item 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from patients.pure.evidence import Mark, Severity
from patients.pure.indications import INDICATION_LABELS, Indication
from patients.pure.interactions import Interaction, interactions_of, unrecognised
from patients.pure.measures.rules import HIGH, MODERATE, auditc_band
from patients.pure.pressure import Verdict, judge_pressure, profile_of
from patients.pure.screening.questions import BY_CODE, GROUPS, QUESTIONS
from patients.pure.screening.types import (
    FAMILY,
    NEGATIONS,
    NO,
    NOT_ASKED,
    YES,
    Applies,
    Facts,
    Finding,
    Kind,
    Limits,
    Question,
    Recorded,
    clauses,
)
from patients.pure.wordmatch import any_of, plain

STOP, REVIEW, WATCH, INFO = Severity
MALE = "male"
KETAMINE = any_of(
    ("ketamine", "esketamine", "s-ketamine", "arketamine", "Ketalar", "Spravato", "benzethonium chloride")
)
"""What an allergy to it stops: the active substances, their US brands, and the preservative of vials [GK]."""
SUGGESTED_MEASURES = (
    (("phq9", "qids16"), "PHQ-9 or QIDS"),
    (("gad7",), "GAD-7"),
    (("cssrs",), "C-SSRS"),
    (("auditc",), "AUDIT-C"),
    (("dast10",), "DAST-10"),
    (("icsi", "icpi", "bpicss"), "Bladder baseline"),
    (("moca", "slums"), "Memory and thinking baseline"),
)
"""Source: clinical.md C1, suggested pre-course data; any measure of a group will do."""
LISTS = (("medicines", "medicines"), ("allergies", "allergies"), ("problems", "earlier illnesses"))


def evaluate(facts: Facts, limits: Limits | None = None) -> tuple[Finding, ...]:
    """Every finding, STOP first; what was found before what is only recorded, missing or suggested.

    Each question that applies and that nobody asked is in one of them: silence is never taken for "no".
    """
    limits = limits or Limits()
    found = [
        *_from_questions(facts, limits),
        *_hypersensitivity(facts),
        *_pressure(facts, limits),
        *_pregnancy(facts, limits),
        *_age(facts, limits),
        *_suicide(facts),
        *_alcohol(facts),
        *_medicines(facts, limits),
        *_not_asked(facts),
        *_suggested(facts),
    ]
    kinds = list(Kind)
    return tuple(sorted(found, key=lambda one: (one.severity.rank, kinds.index(one.kind))))


def applies(question: Question, facts: Facts) -> bool:
    """True when the question is for this person."""
    if question.applies is Applies.NOT_MEN:
        return facts.sex != MALE or facts.can_be_pregnant == YES
    if question.applies is Applies.MAY_BE_PREGNANT:
        return facts.can_be_pregnant == YES or (facts.sex != MALE and facts.can_be_pregnant != NO)
    if question.applies is Applies.AT_RISK:
        return bool(risk_of_suicide(facts))
    return True


def worded(text: str, limits: Limits) -> str:
    """A question's text or title with the clinic's number in it."""
    return text.format(substance_window_months=limits.substance_window_months) if "{" in text else text


def question_raised(question: Question, facts: Facts, limits: Limits) -> Finding | None:
    """What the answer to one question, and what the registry says about it, come to."""
    answer, recorded = facts.answer(question.code), recorded_for(question, facts)
    base = Finding(
        code=question.code,
        severity=question.severity,
        title=worded(question.title, limits),
        reason=question.reason,
        source=question.source,
        mark=question.mark,
        raised_by=(),
    )
    if answer == question.raises:
        return replace(base, raised_by=(_answered(question, facts, limits), *recorded))
    if not recorded or (answer == NO and question.recorded_as is not None):
        return None
    if answer == NO:
        milder = max(question.severity, REVIEW, key=lambda one: one.rank)
        return replace(
            base,
            severity=milder,
            kind=Kind.RECORDED,
            raised_by=(_answered(question, facts, limits), *recorded),
            asks="The answer and the record disagree. Which is right?",
        )
    return replace(
        base,
        severity=question.recorded_as or question.severity,
        kind=Kind.RECORDED,
        raised_by=recorded,
        asks=worded(question.text, limits),
    )


def recorded_for(question: Question, facts: Facts) -> tuple[str, ...]:
    """What the registry says about a question, in words; a suggestion to be asked about, no more."""
    if not applies(question, facts):
        return ()
    said = _in_registry(question, facts)
    if question.code == "bipolar" and Indication.BIPOLAR in facts.treated_for:
        said.append(_treated_for(Indication.BIPOLAR))
    if question.code == "family_psychosis" and _named_in(question, facts.family_history):
        said.append("Written under family history")
    return tuple(said)


def risk_of_suicide(facts: Facts) -> tuple[str, ...]:
    """What points to a risk of suicide, in words; empty when nothing does."""
    said = []
    if facts.cssrs in (MODERATE, HIGH):
        said.append(f"C-SSRS: {facts.cssrs.lower()}")
    if facts.answer("suicide_imminent") == YES:
        said.append("Asked about a serious, imminent risk: yes")
    if Indication.SUICIDAL_IDEATION in facts.treated_for:
        said.append(_treated_for(Indication.SUICIDAL_IDEATION))
    return tuple(said)


# --- questions --------------------------------------------------------------------------------------------------------
OWN_RULE = {"hypersensitivity", "pregnancy", "suicide_imminent", "level_of_care"}
"""Questions that are weighed together with other facts."""


def _from_questions(facts: Facts, limits: Limits) -> Iterator[Finding]:
    for question in QUESTIONS:
        if question.code in OWN_RULE or question.is_suggested or not applies(question, facts):
            continue
        if finding := question_raised(question, facts, limits):
            yield finding


def _answered(question: Question, facts: Facts, limits: Limits) -> str:
    note = facts.answers[question.code].note.strip()
    return f"{worded(question.text, limits)} {facts.answer(question.code).capitalize()}" + (
        f" ({note})" if note else ""
    )


def _in_registry(question: Question, facts: Facts) -> list[str]:
    return [
        f"Recorded in the registry: {problem.description}" + ("" if problem.is_current else " (ended)")
        for problem in facts.problems
        if _suggests(question, problem)
    ]


def _treated_for(indication: Indication) -> str:
    return f"Treated for: {INDICATION_LABELS[indication].lower()}"


def _suggests(question: Question, problem: Recorded) -> bool:
    if not question.recognise or (not problem.is_current and not question.ever):
        return False
    is_family = bool(FAMILY.search(plain(problem.description)))
    if is_family != (question.code == "family_psychosis"):
        return False
    if problem.icd10 and problem.icd10.startswith(question.icd10 or ("?",)):
        return True
    return _named_in(question, problem.description)


def _named_in(question: Question, text: str) -> bool:
    """True when a clause of the text names it and no "no" stands before it."""
    for clause in clauses(text):
        match = question.finds_in(clause)
        if match and not NEGATIONS.search(clause[: match.start()]):
            return True
    return False


# --- single rules -----------------------------------------------------------------------------------------------------
def _hypersensitivity(facts: Facts) -> Iterator[Finding]:
    question = BY_CODE["hypersensitivity"]
    listed = tuple(f"Recorded as an allergy: {said}" for said in facts.allergies if KETAMINE.search(plain(said)))
    answer = facts.answer(question.code)
    answered = (_answered(question, facts, Limits()),) if answer else ()
    if answer == YES or listed:
        yield Finding(
            code=question.code,
            severity=STOP,
            title=question.title,
            reason=question.reason,
            source=question.source,
            raised_by=(*answered, *listed),
            kind=Kind.RECORDED if answer == NO else Kind.FOUND,
            asks="The answer and the record disagree. Which is right?" if answer == NO else "",
        )


def _pressure(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """Source: clinical.md C1 (uncontrolled hypertension), D3, H0 R9, case 32."""
    profile, pressure = profile_of(limits.pressure_profile), facts.pressure
    if pressure is None:
        yield _missing("pressure_missing", "No blood pressure", "No series starts without one.", "D3")
        return
    judged = judge_pressure(profile, pressure.systolic, pressure.diastolic, pressure.heart_rate)
    reading = f"{pressure}, {_ago(pressure.age_days)}"
    if judged.verdict is not Verdict.PROCEED:
        is_hard = judged.verdict is Verdict.HARD
        yield Finding(
            code="pressure",
            severity=STOP if is_hard else REVIEW,
            title="Blood pressure or pulse: hold" if is_hard else "Blood pressure above the soft limit",
            reason=f"Profile “{profile.title}”. {profile.note}",
            source=profile.source,
            mark=profile.mark,
            raised_by=(reading, *judged.limits),
            asks="Measure again after 10 to 15 minutes of rest.",
        )
    if judged.unjudged:
        yield _missing(
            "pulse_missing", "Pulse not measured", f"Profile “{profile.title}” has a limit for it.", "D3", reading
        )
    if pressure.age_days > limits.pressure_max_age_days:
        yield _missing(
            "pressure_old",
            "The blood pressure is too old",
            f"It may be at most {limits.pressure_max_age_days} days old.",
            "D3",
            reading,
        )


def _pregnancy(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """Source: clinical.md C1: STOP; a dated test result."""
    question, test = BY_CODE["pregnancy"], facts.pregnancy
    said = []
    if facts.answer(question.code) == YES:
        said.append(_answered(question, facts, limits))
    if test and test.result == "positive":
        said.append(f"Pregnancy test positive, {_ago(test.age_days)}")
    recorded = _in_registry(question, facts)  # also where the consultation says that it is not possible
    if said or recorded:
        yield Finding(
            code=question.code,
            severity=STOP,
            title=question.title,
            reason=question.reason,
            source=question.source,
            raised_by=(*said, *recorded),
            kind=Kind.FOUND if said else Kind.RECORDED,
            asks="" if said else question.text,
        )
    if facts.can_be_pregnant == YES and not (test and test.result == "positive"):
        yield from _pregnancy_test(facts, limits)
    elif facts.can_be_pregnant == NOT_ASKED and facts.sex != MALE:
        yield _missing(
            "pregnancy_not_asked",
            "Not asked: can the patient be pregnant?",
            "Where it is possible, a dated test belongs to the decision.",
            question.source,
        )


def _pregnancy_test(facts: Facts, limits: Limits) -> Iterator[Finding]:
    test, days = facts.pregnancy, limits.pregnancy_test_max_age_days
    reason = f"A test of the last {days} days belongs to the decision."
    source = BY_CODE["pregnancy"].source
    if test is None:
        yield _missing("pregnancy_test_missing", "No pregnancy test", reason, source)
    elif test.result != "negative":
        yield _missing("pregnancy_test_unclear", "The pregnancy test was not clear", "Repeat it.", source)
    elif test.age_days > days:
        said = f"Negative, {_ago(test.age_days)}"
        yield _missing("pregnancy_test_old", "The pregnancy test is too old", reason, source, said)


def _age(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """Source: clinical.md C1: trials from 18 (P4, P8); esketamine not approved below 18 (L1)."""
    if facts.age < limits.adult_from_years:
        yield Finding(
            code="age",
            severity=REVIEW,
            title=f"Younger than {limits.adult_from_years}",
            reason="The youngest patients of the trials were 18; esketamine is not approved below 18.",
            source="P4, P8, L1",
            raised_by=(f"{facts.age} years old",),
        )


def _suicide(facts: Facts) -> Iterator[Finding]:
    """Not a bar by itself: it asks for a safety plan and a decision on the level of care. Source: clinical.md C1."""
    question, plan = BY_CODE["suicide_imminent"], BY_CODE["level_of_care"]
    said = risk_of_suicide(facts)
    finding = question_raised(question, facts, Limits())
    if said or finding:
        yield Finding(
            code="suicide_risk",
            severity=REVIEW,
            title=question.title,
            reason=question.reason,
            source=question.source,
            raised_by=(*said, *recorded_for(question, facts)),
            kind=Kind.FOUND if said else Kind.RECORDED,
            asks="" if said else question.text,
        )
    if said and not facts.has_safety_plan:
        yield _missing(
            "safety_plan", "No safety plan is written down", "A risk of suicide asks for one.", question.source
        )
    if said and facts.answer(plan.code) != YES:
        yield _missing(plan.code, plan.title, plan.reason, plan.source)
    if facts.phq9_item9 and not facts.cssrs:
        yield _missing(
            "ask_cssrs",
            "Ask the C-SSRS",
            "Any answer but “not at all” to item 9 of the PHQ-9 asks for it, whatever the total.",
            "M1, M16",
            f"PHQ-9 item 9: {facts.phq9_item9}",
        )


def _alcohol(facts: Facts) -> Iterator[Finding]:
    """Source: clinical.md E1 (M24): positive from 4 for a man, from 3 for a woman; C1, substance use."""
    if facts.auditc is None:
        return
    band, rule = auditc_band(facts.auditc, facts.sex)
    if band == "Negative":
        return
    yield Finding(
        code="alcohol_screen",
        severity=REVIEW,
        title="AUDIT-C positive" if band else "AUDIT-C: positive or negative by sex",
        reason=f"{rule} A positive screen is no diagnosis: ask about a disorder, and about alcohol around infusions.",
        source="M24, E1, E5, E6",
        raised_by=(f"AUDIT-C: {facts.auditc.normalize():f}",),
    )


def _medicines(facts: Facts, limits: Limits) -> Iterator[Finding]:
    by_class: dict[str, list[Interaction]] = {}
    for one in interactions_of(facts.medicines, limits.benzodiazepine_limit_mg):
        by_class.setdefault(one.code, []).append(one)
    for code, ones in by_class.items():
        first = ones[0]
        yield Finding(
            code=f"medicine_{code}",
            severity=min((one.severity for one in ones), key=lambda severity: severity.rank),
            title=first.title,
            reason=first.reason,
            source=first.source,
            mark=first.mark,
            raised_by=tuple(f"{one.medicine}. {one.remark}".removesuffix(". ") for one in ones),
            asks=" ".join(dict.fromkeys(one.asks for one in ones if one.asks)),
        )
    if unknown := unrecognised(facts.medicines):
        yield Finding(
            code="medicines_unknown",
            severity=INFO,
            title="Not in the list of interactions",
            reason="Cadence knows the classes of its reference only. Check these medicines yourself.",
            source="clinical.md C2",
            mark=Mark.SETTING,
            raised_by=unknown,
            kind=Kind.SUGGESTED,
        )


def _not_asked(facts: Facts) -> Iterator[Finding]:
    """One for each group of questions, one for each list that nobody asked about."""
    for group in GROUPS:
        open_ones = [
            question.title.split(" in the last {")[0]
            for question in QUESTIONS
            if question.group == group.code
            and not question.is_suggested
            and question.applies is not Applies.AT_RISK
            and applies(question, facts)
            and facts.answer(question.code) == NOT_ASKED
        ]
        if open_ones:
            yield _missing(
                f"not_asked_{group.code}",
                f"Not asked: {group.title.lower()}",
                "An answer that is missing is not a no.",
                "clinical.md C1",
                *open_ones,
            )
    for code, words in LISTS:
        if code not in facts.asked:
            yield _missing(
                f"no_{code}",
                f"Nothing is recorded about {words}",
                "Write them down, or that there are none.",
                "clinical.md C1",
            )


def _suggested(facts: Facts) -> Iterator[Finding]:
    """What is suggested before a course and not there. Source: clinical.md C1, last paragraph."""
    missing = [question.title for question in QUESTIONS if question.is_suggested and facts.answer(question.code) != YES]
    missing += [words for codes, words in SUGGESTED_MEASURES if not facts.measures.intersection(codes)]
    if not facts.has_weight:
        missing.append("Weight")
    if missing:
        yield Finding(
            code="suggested_data",
            severity=INFO,
            title="Suggested before a course, and not there",
            reason="A clinic decides which of these it wants. A draft standard lists ECG, kidney and liver values and "
            "a sleep apnea screen; the rest is a suggestion.",
            source="BC",
            mark=Mark.SETTING,
            raised_by=tuple(missing),
            kind=Kind.SUGGESTED,
        )


def _missing(code: str, title: str, reason: str, source: str, *raised_by: str) -> Finding:
    return Finding(code, REVIEW, title, reason, source, raised_by, Mark.SETTING, Kind.MISSING)


def _ago(days: int) -> str:
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The most serious severity; None when there is nothing."""
    return min((finding.severity for finding in findings), key=lambda severity: severity.rank, default=None)
