"""Ready to start: what must be there before a series begins, judged item by item (design.md, invariant 4).

Each item is judged as of today. What will be too old on the first day, and is measured again at check-in anyway, says
so and does not stand in the way of booking; on the day itself it must have been renewed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import takewhile

from patients.pure.indications import Indication
from patients.pure.measures import MEASURES


class Need(StrEnum):
    """What is asked for, in the order in which it is shown."""

    CONSENT = "consent"
    DECISION = "decision"
    BASELINE = "baseline"
    PRESSURE = "pressure"
    PREGNANCY = "pregnancy"
    ESCORT = "escort"


LABELS = {
    Need.CONSENT: "Treatment consent",
    Need.DECISION: "Signed decision",
    Need.BASELINE: "Baseline score",
    Need.PRESSURE: "Blood pressure",
    Need.PREGNANCY: "Pregnancy test",
    Need.ESCORT: "Escort home",
}


NOT_ASKED = "not_asked"
"""Of a pregnancy test: first somebody has to ask whether a pregnancy is possible."""


class State(StrEnum):
    OK = "ok"
    EXPIRING = "expiring"  # good enough to book, to be renewed by the first day
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist. ``text`` is clinical; who may not read clinical facts sees ``word`` only."""

    need: Need
    state: State
    text: str
    about: str = ""  # what exactly would mend it: the measure of a baseline, or NOT_ASKED

    @property
    def label(self) -> str:
        return LABELS[self.need]

    @property
    def word(self) -> str:
        return "missing" if self.state is State.MISSING else "complete"


# -- what is known -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConsentFact:
    signed_on: date
    expires_on: date
    withdrawn_on: date | None = None

    def is_valid_on(self, day: date) -> bool:
        return self.withdrawn_on is None and self.signed_on <= day <= self.expires_on


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """The latest decision about a condition; ``expires_on`` is the last day on which a series may start by it."""

    outcome: str  # fit, conditions, not_now, no
    signed_on: date
    signed_by: str
    expires_on: date | None = None
    conditions: str = ""
    reason: str = ""

    @property
    def opens_the_way(self) -> bool:
        return self.outcome in ("fit", "conditions")


@dataclass(frozen=True, slots=True)
class ScoreFact:
    measure: str
    score: float
    taken_on: date


@dataclass(frozen=True, slots=True)
class PressureFact:
    systolic_mmhg: int
    diastolic_mmhg: int
    measured_on: date
    is_hard: bool  # the profile says: do not start
    heart_rate_bpm: int | None = None
    profile: str = "Default"

    @property
    def said(self) -> str:
        rate = f", heart rate {self.heart_rate_bpm}" if self.heart_rate_bpm is not None else ""
        return f"{self.systolic_mmhg}/{self.diastolic_mmhg}{rate}"


@dataclass(frozen=True, slots=True)
class PregnancyFact:
    result: str  # negative, positive, unclear
    tested_on: date


@dataclass(frozen=True, slots=True)
class Facts:
    """What the record says about one patient. Struck entries are left out before.

    Args:
        consents: the latest first.
        decision: the latest about the condition.
        scores: the latest of each measure that has a score.
        consulted_on: the day of the latest consultation that took place; None: there was none.
        escort_understood, can_be_pregnant: as ticked there ("yes", "no", or empty: not asked).
        sex: as recorded for clinical use.
        age: in whole years, today.
    """

    consents: tuple[ConsentFact, ...] = ()
    decision: DecisionFact | None = None
    scores: tuple[ScoreFact, ...] = ()
    pressure: PressureFact | None = None
    pregnancy: PregnancyFact | None = None
    consulted_on: date | None = None
    escort_understood: bool = False
    can_be_pregnant: str = ""
    sex: str = "unknown"
    age: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How old each thing may be, in days; clinic settings."""

    baseline_days: int = 14
    pressure_days: int = 30
    pregnancy_days: int = 7


@dataclass(frozen=True, slots=True)
class Days:
    """The day of judging, and the first day of the series (today, where that is over or not known)."""

    today: date
    first: date


# -- which score is a baseline -----------------------------------------------------------------------------------------

MOOD = ("phq9", "qids16", "madrs", "hamd17")
BASELINES: dict[Indication, tuple[str, ...]] = {
    Indication.MDD: MOOD,
    Indication.TRD: MOOD,
    Indication.BIPOLAR: MOOD,
    Indication.SUICIDAL_IDEATION: MOOD,
    Indication.OTHER: MOOD,
    Indication.ANXIETY: ("gad7",),
    Indication.PTSD: ("pcl5",),
    Indication.PAIN: ("pain_nrs",),
}
"""The measures of which one has to be there, the usual one first. Source: clinical.md E4 (baseline), B5 (templates)."""
ASKED_FROM_YEARS, ASKED_UNTIL_YEARS = 12, 55
"""[D] Whether a pregnancy is possible must have been asked of patients recorded as female, from 12 and below 55."""


# -- the judgement -----------------------------------------------------------------------------------------------------


def judge_readiness(
    facts: Facts, *, indication: str, limits: Limits, today: date, first_day: date | None = None
) -> tuple[Item, ...]:
    """Every item that applies, in the order of `Need`.

    Args:
        facts: what the record says.
        indication: what the series is for.
        limits: how old each thing may be.
        today: the day of judging, on the clocks of the location.
        first_day: of the series; None: not known yet, then the first day is taken to be today.

    Source: design.md invariant 4; clinical.md E4 and F1 (baseline at most 14 days before infusion 1), C1 (pregnancy,
    pressure), G (consent); ages other than the baseline's are clinic settings [D].
    """
    days = Days(today, max(first_day or today, today))
    return tuple(_items(facts, indication, limits, days))


def judge_phase(
    facts: Facts, *, is_maintenance: bool, since: date | None, today: date, first_day: date
) -> tuple[Item, ...]:
    """What a further phase of a running course asks for: consent, and no decision against it.

    Args:
        is_maintenance: the first maintenance asks for consent anew (clinical.md G); a booster does not.
        since: the first infusion of the course.
    """
    days = Days(today, max(first_day, today))
    consent = _consent(facts.consents, days)
    latest = valid_consent(facts.consents, days)
    if is_maintenance and latest is not None and since is not None and latest.signed_on <= since:
        said = f"Signed {_day(latest.signed_on)} for the series: have it signed again as maintenance begins."
        consent = Item(Need.CONSENT, State.EXPIRING, said)
    decision = facts.decision
    if decision is not None and not decision.opens_the_way:
        return (consent, _decision(decision, days.first))
    return (consent,)


def is_ready(items: Iterable[Item]) -> bool:
    """True when nothing is missing; what is expiring is renewed at check-in."""
    return all(item.state is not State.MISSING for item in items)


def missing(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(item for item in items if item.state is State.MISSING)


def _items(facts: Facts, indication: str, limits: Limits, days: Days) -> Iterator[Item]:
    yield _consent(facts.consents, days)
    yield _decision(facts.decision, days.first)
    yield _baseline(facts.scores, indication, limits.baseline_days, days)
    yield _pressure(facts.pressure, limits.pressure_days, days)
    pregnancy = _pregnancy(facts, limits.pregnancy_days, days)
    if pregnancy is not None:
        yield pregnancy
    yield _escort(facts)


def valid_consent(consents: Iterable[ConsentFact], days: Days) -> ConsentFact | None:
    """The latest consent that holds on both days; a withdrawal also ends whatever was signed before it."""
    standing = takewhile(lambda one: one.withdrawn_on is None, consents)
    return next((one for one in standing if one.is_valid_on(days.first) and one.is_valid_on(days.today)), None)


def _consent(consents: Iterable[ConsentFact], days: Days) -> Item:
    known = tuple(consents)
    valid = valid_consent(known, days)
    if valid is not None:
        return Item(Need.CONSENT, State.OK, f"Signed {_day(valid.signed_on)}, valid to {_day(valid.expires_on)}.")
    latest = known[0] if known else None
    if latest is None:
        said = "No consent to treatment is recorded."
    elif latest.withdrawn_on is not None:
        said = f"Consent was withdrawn on {_day(latest.withdrawn_on)}."
    elif latest.expires_on < days.today:
        said = f"Consent expired on {_day(latest.expires_on)}."
    else:
        said = f"Consent expires on {_day(latest.expires_on)}, before the first day: have it renewed."
    return Item(Need.CONSENT, State.MISSING, said)


OUTCOMES = {"not_now": "Not now", "no": "No"}


def _decision(decision: DecisionFact | None, first: date) -> Item:
    if decision is None:
        return Item(Need.DECISION, State.MISSING, "No decision is signed for this condition.")
    signed = f"signed by {decision.signed_by} on {_day(decision.signed_on)}"
    if not decision.opens_the_way:
        why = f": {decision.reason}" if decision.reason else "."
        return Item(Need.DECISION, State.MISSING, f"“{OUTCOMES[decision.outcome]}”, {signed}{why}")
    if decision.expires_on is None or decision.expires_on < first:
        until = f" on {_day(decision.expires_on)}" if decision.expires_on else ""
        return Item(Need.DECISION, State.MISSING, f"The decision, {signed}, expires{until}, before the first day.")
    fit = f"Fit with conditions: {decision.conditions}" if decision.outcome == "conditions" else "Fit to start"
    return Item(Need.DECISION, State.OK, f"{fit.rstrip('.')}; {signed}, valid to {_day(decision.expires_on)}.")


def _baseline(scores: Iterable[ScoreFact], indication: str, limit: int, days: Days) -> Item:
    measures = BASELINES.get(Indication(indication), MOOD)
    usable = [one for one in scores if one.measure in measures and one.taken_on <= days.today]
    latest = max(usable, key=lambda one: (one.taken_on, -measures.index(one.measure)), default=None)
    names = " or ".join(MEASURES[one].short_name for one in measures)
    if latest is None:
        return Item(Need.BASELINE, State.MISSING, f"No valid {names} is recorded.", measures[0])
    name = f"{MEASURES[latest.measure].short_name} {latest.score:g}"
    item = Item(Need.BASELINE, State.OK, f"{name} on {_day(latest.taken_on)}", latest.measure)
    return _aged(item, latest.taken_on, limit, days)


def _pressure(pressure: PressureFact | None, limit: int, days: Days) -> Item:
    if pressure is None:
        return Item(Need.PRESSURE, State.MISSING, "No blood pressure is recorded.")
    said = f"{pressure.said} on {_day(pressure.measured_on)}"
    if pressure.is_hard:
        text = f"{said} is too high to start by the profile “{pressure.profile}”: measure again, or treat it first."
        return Item(Need.PRESSURE, State.MISSING, text)
    return _aged(Item(Need.PRESSURE, State.OK, said), pressure.measured_on, limit, days)


def _pregnancy(facts: Facts, limit: int, days: Days) -> Item | None:
    if facts.can_be_pregnant == "no":
        return None
    if facts.can_be_pregnant != "yes":
        if facts.sex != "female" or not ASKED_FROM_YEARS <= facts.age < ASKED_UNTIL_YEARS:
            return None
        return Item(Need.PREGNANCY, State.MISSING, "Whether a pregnancy is possible was not asked.", NOT_ASKED)
    test = facts.pregnancy
    if test is None:
        return Item(Need.PREGNANCY, State.MISSING, "No pregnancy test is recorded.")
    if test.result != "negative":
        word = "positive" if test.result == "positive" else "not clear"
        return Item(Need.PREGNANCY, State.MISSING, f"The pregnancy test of {_day(test.tested_on)} was {word}.")
    return _aged(Item(Need.PREGNANCY, State.OK, f"Negative on {_day(test.tested_on)}"), test.tested_on, limit, days)


def _escort(facts: Facts) -> Item:
    if facts.escort_understood:
        said = "Knows that somebody has to take them home."
        return Item(Need.ESCORT, State.OK, said)
    said = "Not noted that they know somebody has to take them home."
    if facts.consulted_on is None:
        said = "There was no consultation yet, so nobody has explained it."
    return Item(Need.ESCORT, State.MISSING, said)


def _aged(item: Item, taken: date, limit: int, days: Days) -> Item:
    """Judged as of today; too old on the first day is a note as long as that day has not come."""
    age, then = (days.today - taken).days, (days.first - taken).days
    if age > limit:
        return replace(item, state=State.MISSING, text=f"{item.text}: {_days(age)} old, at most {limit} are allowed.")
    if then > limit:
        text = f"{item.text}: will be {_days(then)} old on the first day: repeat it at check-in."
        return replace(item, state=State.EXPIRING, text=text)
    return replace(item, text=f"{item.text}, {_days(age)} old." if age else f"{item.text}, today.")


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
