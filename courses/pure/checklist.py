"""The checklist before an infusion: what is asked, and what the answers come to. Go only when nothing is left open.

Nothing is assumed: what was not answered or not measured is missing. What speaks against the start is soft (a clinician
acknowledges it) or hard (only a prescriber overrides it, with a reason); some of it nobody overrides here.
Source: clinical.md D1 (the twelve items), D2, D3, D4, C2, R9. How long things count are clinic settings [D].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256

from courses.pure.fasting import FastingProfile, Intake, judge_fasting
from patients.pure.evidence import Mark, Severity
from patients.pure.interactions import CLASSES, Taken, interactions_of
from patients.pure.pressure import Profile, Verdict, judge_pressure

YES, NO, NONE, EARLIER = "yes", "no", "none", "earlier"
NOT_POSSIBLE = "not_possible"


class Kind(StrEnum):
    """How an item is answered."""

    YES_NO = "yes_no"
    PERSON = "person"  # yes with a name, or nobody yet
    MOMENT = "moment"  # an instant, or "earlier" than yesterday
    MEDICINES = "medicines"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One question. ``good`` is the answer that speaks for the start; ``ask`` what is wanted with the other one."""

    code: str
    number: int
    label: str
    kind: Kind = Kind.YES_NO
    good: str = YES
    hint: str = ""
    ask: str = ""
    is_optional: bool = False


ITEMS = (
    CheckItem("identity", 1, "Name and date of birth match", hint="Ask the patient to say both."),
    CheckItem("escort", 2, "Who takes the patient home?", Kind.PERSON, hint="By name."),
    CheckItem("fasting_solids", 3, "Last solid food", Kind.MOMENT),
    CheckItem("fasting_liquids", 3, "Last clear liquid", Kind.MOMENT),
    CheckItem("medicines_today", 4, "Taken today", Kind.MEDICINES, good=NONE),
    CheckItem("health_change", 5, "Any change in health since the last visit", good=NO, ask="What changed?"),
    CheckItem("pregnancy", 5, "Could the patient be pregnant?", good=NOT_POSSIBLE, is_optional=True),
    CheckItem("since_urinary", 6, "Bladder: pain, urgency, more often, blood", good=NO, ask="What, since when?"),
    CheckItem("since_memory", 6, "Memory or thinking", good=NO, ask="What, since when?"),
    CheckItem("since_mania", 6, "Mania: little sleep, racing thoughts, elated", good=NO, ask="What, since when?"),
    CheckItem("since_cravings", 6, "Craving for ketamine or other drugs", good=NO, ask="What, since when?"),
    CheckItem("since_other", 6, "Anything else since the last infusion", good=NO, ask="What, since when?"),
    CheckItem("measure", 7, "Score and suicide item reviewed"),
    CheckItem("temperature", 9, "Temperature", Kind.NUMBER, is_optional=True),
    CheckItem("airway", 11, "Emergency airway equipment is at hand", hint="L4: must be immediately available."),
)
"""Source: clinical.md D1. Consent (1), weight (8), vital signs (9) and mental status (12) are read from the record; the
check of the dose by two people (10) belongs to the dose."""
BY_CODE = {item.code: item for item in ITEMS}
SINCE = ("since_urinary", "since_memory", "since_mania", "since_cravings", "since_other")
MEDICINES = (
    ("benzodiazepine", "Benzodiazepine"),
    ("stimulant", "Stimulant"),
    ("antihypertensive", "Blood pressure medicine"),
    ("opioid", "Opioid"),
    ("naltrexone", "Naltrexone"),
    ("alcohol", "Alcohol"),
    ("cannabis", "Cannabis"),
)
"""Source: clinical.md D1 4."""
_CLASS = {one.code: one for one in CLASSES}
_CLASS["benzodiazepine"] = _CLASS["benzodiazepine_sedation"]
SPO2_ALERT, SPO2_URGENT, LOW_SYSTOLIC, ALERT_MOAAS = 94, 90, 90, 5
"""[D] Source: clinical.md D3 (SpO2 below 94 alert, below 90 urgent; systolic below 90 notify), D1 12."""


class Standing(StrEnum):
    """How one finding stands. Hard beats soft."""

    OK = "ok"
    MISSING = "missing"
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one item comes to.

    Args:
        code: of the finding; a decision names it.
        item: the checklist item (or part of the record) that it is about.
        said: one sentence.
        source: whose rule it is.
        profile: code of the profile that it was judged by.
        facts: what it was judged from; changed facts ask anew.
        may_override: a prescriber may let it pass with a reason.
        mend: what would settle it otherwise.
        passes_from: from when it passes by itself.
    """

    code: str
    state: Standing
    said: str
    item: str = ""
    source: str = ""
    profile: str = ""
    facts: tuple[str, ...] = ()
    may_override: bool = True
    mend: str = ""
    passes_from: datetime | None = None

    @property
    def stamp(self) -> str:
        """A fingerprint of the facts, so that a decision holds for what was shown and for nothing else."""
        text = "\x1f".join((self.code, self.state, self.profile, *self.facts))
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Given:
    """A stored answer."""

    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Consented:
    """The latest consent of the patient at this place; ``is_valid`` on the day of the visit."""

    is_valid: bool
    said: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Today's measure: ``said`` is name, score and what the suicide item was."""

    said: str
    recorded_at: datetime

    @property
    def stamp(self) -> str:
        """What "reviewed" is about; a score that comes in later is to be reviewed anew."""
        return self.recorded_at.isoformat()


@dataclass(frozen=True, slots=True)
class LatestTest:
    """The latest pregnancy test."""

    result: str
    on: date


@dataclass(frozen=True, slots=True)
class Signs:
    """Vital signs before the start, each the latest that was measured; None: not measured."""

    systolic_mmhg: int | None = None
    diastolic_mmhg: int | None = None
    heart_rate_bpm: int | None = None
    spo2_percent: int | None = None
    respiratory_rate: int | None = None
    moaas: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the checklist is judged from, at one instant on the day ``today`` of the visit."""

    now: datetime
    today: date
    answers: Mapping[str, Given]
    fasting: FastingProfile
    pressure: Profile
    signs: Signs = Signs()
    signs_rows: Mapping[str, int] = field(default_factory=dict)  # which reading each is from: a repeated one asks anew
    consent: Consented | None = None
    asks_pregnancy: bool = False
    knows_pregnancy_is_possible: bool = False
    pregnancy_days: int = 7
    test: LatestTest | None = None
    measure: Measured | None = None
    measure_name: str = "PHQ-9"
    alerts: tuple[tuple[int, str], ...] = ()  # number and kind of what waits for a clinician
    weight_kg: Decimal | None = None
    weighed_on: date | None = None
    weight_days: int = 30
    medicines: Sequence[Taken] = field(default_factory=tuple)


def judge_checklist(facts: Facts) -> tuple[Judged, ...]:
    """Every item in the order of the list, each with at least one line; the start is free when all are OK or decided.

    Source: clinical.md D1, S28.
    """
    return (
        *_identity(facts),
        *_consent(facts),
        *_escort(facts),
        *_fasting(facts),
        *_medicines(facts),
        *_health(facts),
        *_pregnancy(facts),
        *_since(facts),
        *_measure(facts),
        *_weight(facts),
        *_vitals(facts),
        *_airway(facts),
        *_mental(facts),
    )


def _missing(item: str, said: str, *, mend: str = "") -> Judged:
    return Judged(f"{item}_missing"[:32], Standing.MISSING, said, item=item, may_override=False, mend=mend)


def _ok(item: str, said: str) -> Judged:
    return Judged(item, Standing.OK, said, item=item)


def _given(facts: Facts, code: str) -> Given | None:
    found = facts.answers.get(code)
    return found if found and found.value else None


def _identity(facts: Facts) -> Iterator[Judged]:
    given = _given(facts, "identity")
    if given is None:
        yield _missing("identity", "Identity is not confirmed by two identifiers.")
    elif given.value == YES:
        yield _ok("identity", "Identity confirmed by name and date of birth.")
    else:
        said = "Name and date of birth do not match: this may be somebody else's record."
        yield Judged("identity", Standing.HARD, said, "identity", "D1", facts=(NO,), may_override=False,
                     mend="Find the right record before anything else.")  # fmt: skip


def _consent(facts: Facts) -> Iterator[Judged]:
    if facts.consent is not None and facts.consent.is_valid:
        yield _ok("consent", facts.consent.said)
        return
    said = facts.consent.said if facts.consent else "No consent to treatment is on file."
    yield Judged("consent", Standing.HARD, said, "consent", "D1, G", facts=(said,), mend="Have it signed.")


def _escort(facts: Facts) -> Iterator[Judged]:
    given = _given(facts, "escort")
    if given is None:
        yield _missing("escort", "Nobody is named who takes the patient home.")
    elif given.value == YES:
        yield _ok("escort", f"{given.detail} takes the patient home.")
    else:
        said = "Nobody takes the patient home. Without an escort nobody is discharged."
        yield Judged("escort", Standing.HARD, said, "escort", "D1, A 110", facts=(NO,), mend="Find somebody.")


def _fasting(facts: Facts) -> Iterator[Judged]:
    for kind, item in ((Intake.SOLIDS, "fasting_solids"), (Intake.LIQUIDS, "fasting_liquids")):
        given = _given(facts, item)
        what = "solid food" if kind is Intake.SOLIDS else "clear liquid"
        if given is None:
            yield _missing(item, f"When the last {what} was is not answered.")
            continue
        if given.value == EARLIER:
            yield _ok(item, f"Last {what} before yesterday.")
            continue
        profile, last = facts.fasting, datetime.fromisoformat(given.value)
        found = judge_fasting(profile, kind, last_at=last, start_at=facts.now, is_fatty=given.detail == "fatty")
        if found.is_kept:
            yield _ok(item, f"{found.said} (profile “{profile.title}”).")
            continue
        yield Judged(
            item,
            Standing.HARD,
            f"Fasting not kept: {found.said} (profile “{profile.title}”).",
            item,
            "D2" if profile.mark is Mark.SETTING else f"D2, {profile.source}",
            profile.code,
            (given.value, given.detail),
            passes_from=found.passes_from,
        )


def _medicines(facts: Facts) -> Iterator[Judged]:
    for one in interactions_of(facts.medicines):
        if one.severity is Severity.STOP:
            said = f"{one.medicine} is on the list of medicines. {one.reason}"
            yield Judged(f"stop_{one.code}"[:32], Standing.HARD, said, "medicines_today", f"C2, {one.source}",
                         facts=(one.medicine,))  # fmt: skip
    given = _given(facts, "medicines_today")
    if given is None:
        yield _missing("medicines_today", "What was taken today is not answered.")
        return
    taken = given.value.split(",")
    known = dict(MEDICINES)
    quiet = []
    for code in taken:
        group = _CLASS.get(code)
        if group is None:
            quiet.append(known.get(code, "None of these"))
            continue
        said = f"{known[code]} taken today. {group.reason}"
        yield Judged(f"taken_{code}"[:32], Standing.SOFT, said, "medicines_today", f"C2, {group.source}",
                     facts=(code, given.detail))  # fmt: skip
    if quiet:
        yield _ok("medicines_today", f"Taken today: {', '.join(quiet).lower()}.")


def _health(facts: Facts) -> Iterator[Judged]:
    given = _given(facts, "health_change")
    if given is None:
        yield _missing("health_change", "Whether health has changed is not answered.")
    elif given.value == NO:
        yield _ok("health_change", "No change in health.")
    else:
        said = f"Health has changed: {given.detail}"
        yield Judged("health_change", Standing.SOFT, said, "health_change", "D1", facts=(given.detail,))


def _pregnancy(facts: Facts) -> Iterator[Judged]:
    test = facts.test
    if test is not None and test.result == "positive" and (facts.asks_pregnancy or test.on >= facts.today):
        said = f"The pregnancy test of {say_date(test.on)} is positive."
        yield Judged("pregnancy", Standing.HARD, said, "pregnancy", "C1, L1", facts=(test.on.isoformat(),))
        return
    if not facts.asks_pregnancy:
        return
    given = _given(facts, "pregnancy")
    if given is not None and given.value == NOT_POSSIBLE and not facts.knows_pregnancy_is_possible:
        yield _ok("pregnancy", "A pregnancy is not possible.")
    elif test is None:
        yield _missing("pregnancy", "No pregnancy test is recorded.")
    elif test.result != "negative":
        yield _missing("pregnancy", f"The pregnancy test of {say_date(test.on)} was not clear.", mend="Repeat it.")
    elif (facts.today - test.on).days > facts.pregnancy_days:
        said = f"The pregnancy test of {say_date(test.on)} is older than {facts.pregnancy_days} days."
        yield _missing("pregnancy", said, mend="Test today.")
    else:
        yield _ok("pregnancy", f"Pregnancy test negative on {say_date(test.on)}.")


_SINCE_WORDS = {
    "since_urinary": ("Bladder symptoms", "A 129"),
    "since_memory": ("Memory or thinking", "A 128"),
    "since_mania": ("Signs of mania", "D1"),
    "since_cravings": ("Craving", "A 130"),
    "since_other": ("Something else since the last infusion", "D1"),
}


def _since(facts: Facts) -> Iterator[Judged]:
    for item in SINCE:
        words, source = _SINCE_WORDS[item]
        given = _given(facts, item)
        if given is None:
            yield _missing(item, f"{words}: not answered.")
        elif given.value == NO:
            yield _ok(item, f"{words}: none.")
        else:
            yield Judged(item, Standing.SOFT, f"{words}: {given.detail}", item, f"D1, {source}" if source != "D1"
                         else source, facts=(given.detail,))  # fmt: skip


def _measure(facts: Facts) -> Iterator[Judged]:
    for number, kind in facts.alerts:
        said = f"A danger signal waits for a clinician: {kind}."
        yield Judged(f"alert_{number}", Standing.HARD, said, "measure", "E1", facts=(str(number),),
                     may_override=False, mend="A clinician acknowledges it first.")  # fmt: skip
    if facts.measure is None:
        yield _missing("measure", f"No {facts.measure_name} of today.")
        return
    given = _given(facts, "measure")
    if given is None or given.value != YES or given.detail != facts.measure.stamp:
        yield _missing("measure", f"{facts.measure.said}: not reviewed yet.")
    else:
        yield _ok("measure", f"{facts.measure.said}, reviewed.")


def _weight(facts: Facts) -> Iterator[Judged]:
    if facts.weight_kg is None or facts.weighed_on is None:
        yield _missing("weight", "No weight is recorded.")
        return
    age = (facts.today - facts.weighed_on).days
    said = f"{facts.weight_kg} kg on {say_date(facts.weighed_on)}"
    if age > facts.weight_days:
        yield _missing("weight", f"{said}: {age} days old, at most {facts.weight_days} count.", mend="Weigh today.")
    else:
        yield _ok("weight", f"{said}.")


_SIGNS = (
    ("systolic_mmhg", "blood pressure"),
    ("heart_rate_bpm", "heart rate"),
    ("spo2_percent", "SpO₂"),
    ("respiratory_rate", "respiratory rate"),
)


def _vitals(facts: Facts) -> Iterator[Judged]:
    signs = facts.signs
    lacking = [words for name, words in _SIGNS if getattr(signs, name) is None]
    if lacking:
        yield _missing("vitals", f"Before the start, not measured: {', '.join(lacking)}.")
    if signs.systolic_mmhg is not None and signs.diastolic_mmhg is not None:
        yield _pressure(facts, signs.systolic_mmhg, signs.diastolic_mmhg)
        if signs.systolic_mmhg < LOW_SYSTOLIC:
            said = f"Systolic {signs.systolic_mmhg} mmHg is below {LOW_SYSTOLIC}."
            yield Judged("low_pressure", Standing.SOFT, said, "vitals", "D3 [D]",
                         facts=_seen(facts, "systolic_mmhg"))  # fmt: skip
    spo2 = signs.spo2_percent
    if spo2 is not None and spo2 < SPO2_ALERT:
        limit, state = (SPO2_URGENT, Standing.HARD) if spo2 < SPO2_URGENT else (SPO2_ALERT, Standing.SOFT)
        said = f"SpO₂ {spo2} % is below {limit}."
        yield Judged("spo2", state, said, "vitals", "D3 [D]", facts=_seen(facts, "spo2_percent"))


def _seen(facts: Facts, *names: str) -> tuple[str, ...]:
    """The values and the readings that they are from."""
    return tuple(f"{name} {getattr(facts.signs, name)} {facts.signs_rows.get(name)}" for name in names)


def _pressure(facts: Facts, systolic: int, diastolic: int) -> Judged:
    pulse = facts.signs.heart_rate_bpm
    found = judge_pressure(facts.pressure, systolic, diastolic, pulse)
    reading = f"{systolic}/{diastolic} mmHg" + (f", heart rate {pulse}" if pulse is not None else "")
    if found.verdict is Verdict.PROCEED:
        return _ok("pressure", f"{reading}: within the limits of “{facts.pressure.title}”.")
    state = Standing.HARD if found.verdict is Verdict.HARD else Standing.SOFT
    return Judged(
        "pressure",
        state,
        f"{reading}: {'; '.join(found.limits)} (profile “{facts.pressure.title}”).",
        "vitals",
        f"R9, {facts.pressure.source}",
        facts.pressure.code,
        _seen(facts, "systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm"),
        mend="Repeat after rest.",
    )


def _airway(facts: Facts) -> Iterator[Judged]:
    given = _given(facts, "airway")
    if given is None:
        yield _missing("airway", "Emergency airway equipment is not checked.")
    elif given.value == YES:
        yield _ok("airway", "Emergency airway equipment is at hand.")
    else:
        said = "Emergency airway equipment is not at hand; it must be immediately available."
        yield Judged("airway", Standing.HARD, said, "airway", "D1, L4", facts=(NO,), may_override=False,
                     mend="Bring it to the chair.")  # fmt: skip


def _mental(facts: Facts) -> Iterator[Judged]:
    score = facts.signs.moaas
    if score is None:
        yield _missing("mental", "MOAA/S before the start is not recorded.")
    elif score == ALERT_MOAAS:
        yield _ok("mental", "MOAA/S 5: alert.")
    else:
        said = f"MOAA/S {score} before the start: 5 is asked."
        yield Judged("mental", Standing.HARD, said, "mental", "D1, D4", facts=_seen(facts, "moaas"))


def say_date(day: date) -> str:
    """As "5 Apr 2027"."""
    return f"{day.day} {day:%b %Y}"
