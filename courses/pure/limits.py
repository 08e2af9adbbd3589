"""Limits for vital signs and sedation during an infusion visit: what a look asks of the people at the chair.

No published set of limits is agreed on (clinical.md D3, J 1), so a profile is data that a location chooses, and its
code is kept with every alarm. The software asks; people pause, stop, treat and say what they did (G, decision support).
What may be typed at all, and what is asked twice, stands here too. The limits *before* the start are another matter:
``patients/pure/pressure.py``.

Source: clinical.md D3 (pressure, heart rate, oxygen), D4 (MOAA/S), D5 (dissociation has no limits), H4 case 32c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from courses.pure.flowsheet import is_going_on
from courses.pure.running import Run
from patients.pure.evidence import Mark
from patients.pure.vitals import NARROWEST_PULSE_PRESSURE_MMHG, USUAL, Remark

CONFIRM_AFTER = timedelta(minutes=5)
"""A pressure is repeated, and a fast heart is "sustained", five minutes later. Source: clinical.md D3."""

# -- what may be typed -------------------------------------------------------------------------------------------------

POSSIBLE: dict[str, tuple[int, int]] = {
    "systolic_mmhg": (40, 300),
    "diastolic_mmhg": (20, 200),
    "heart_rate_bpm": (20, 300),
    "spo2_percent": (40, 100),
    "respiratory_rate": (2, 80),
    "moaas": (0, 5),
    "nausea": (0, 3),
}
"""Outside these a value is a slip of the finger; the table refuses it too (``flowsheetrow_possible``)."""
HIGHEST_DISSOCIATION = {"cadss": 92, "cadss6": 24}
"""Totals of 23 and of 6 items, 0 to 4 each. Source: clinical.md D5."""
USUALLY: dict[str, tuple[int, int]] = {
    **{name: (int(USUAL[name][0]), int(USUAL[name][1])) for name in ("systolic_mmhg", "diastolic_mmhg")},
    "heart_rate_bpm": (int(USUAL["heart_rate_bpm"][0]), int(USUAL["heart_rate_bpm"][1])),
    "spo2_percent": (90, 100),
    "respiratory_rate": (8, 30),
}
"""[D] Outside these a person is asked to read the display again; what a value means for treatment is said by limits."""
WORDS: dict[str, tuple[str, str]] = {
    "systolic_mmhg": ("Systolic pressure", "mmHg"),
    "diastolic_mmhg": ("Diastolic pressure", "mmHg"),
    "heart_rate_bpm": ("Heart rate", "a minute"),
    "spo2_percent": ("SpO2", "%"),
    "respiratory_rate": ("Respiratory rate", "a minute"),
    "moaas": ("MOAA/S", ""),
    "dissociation": ("Dissociation total", ""),
    "nausea": ("Nausea", ""),
}
FIELDS = tuple(WORDS)
"""What a look may measure."""

SEDATION_SCALE = {
    5: "Responds readily to name spoken in normal tone (alert)",
    4: "Lethargic response to name spoken in normal tone",
    3: "Responds only after name is called loudly and/or repeatedly",
    2: "Responds only after mild prodding or shaking",
    1: "Responds only after painful trapezius squeeze",
    0: "Does not respond to painful trapezius squeeze",
}
"""MOAA/S. Source: clinical.md D4 (Chernik 1990)."""
NAUSEA_SCALE = {0: "none", 1: "mild", 2: "moderate", 3: "severe"}


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the patient gave; None: not measured, never a default. Units are in the names."""

    at: datetime
    systolic_mmhg: int | None = None
    diastolic_mmhg: int | None = None
    heart_rate_bpm: int | None = None
    spo2_percent: int | None = None
    respiratory_rate: int | None = None
    moaas: int | None = None
    dissociation: int | None = None
    nausea: int | None = None

    def values(self) -> Iterator[tuple[str, int]]:
        """The fields that were measured."""
        for name in WORDS:
            value = getattr(self, name)
            if value is not None:
                yield name, value

    @property
    def is_measured(self) -> bool:
        """False for a note alone: that is no look at the vital signs."""
        return any(True for _ in self.values())


def impossible(look: Look, *, scale: str) -> tuple[Remark, ...]:
    """What cannot be saved: half a pressure, swapped pressures, values that no patient has.

    Args:
        scale: "cadss" or "cadss6", the scale that the location uses for dissociation.
    """
    found = []
    if (look.systolic_mmhg is None) != (look.diastolic_mmhg is None):
        missing = "systolic_mmhg" if look.systolic_mmhg is None else "diastolic_mmhg"
        found.append(Remark(missing, "Give both pressures, or neither."))
    ranges: Mapping[str, tuple[int, int]] = POSSIBLE | {"dissociation": (0, HIGHEST_DISSOCIATION[scale])}
    for name, value in look.values():
        low, high = ranges[name]
        if not low <= value <= high:
            what, unit = WORDS[name]
            found.append(Remark(name, f"{what} must be between {low} and {high} {unit}".strip() + "."))
    if (
        look.systolic_mmhg is not None
        and look.diastolic_mmhg is not None
        and look.systolic_mmhg <= look.diastolic_mmhg
        and not found
    ):
        found.append(Remark("diastolic_mmhg", "The systolic pressure must be above the diastolic. Were they swapped?"))
    return tuple(found)


def unusual(look: Look) -> tuple[Remark, ...]:
    """What is possible but rare enough to be asked twice: "Read the display again: SpO2 61 %?"."""
    found = []
    for name, value in look.values():
        low, high = USUALLY.get(name, (value, value))
        if not low <= value <= high:
            what, unit = WORDS[name]
            found.append(Remark(name, f"Read the display again: {what} {value} {unit}?"))
    if (
        look.systolic_mmhg is not None
        and look.diastolic_mmhg is not None
        and 0 < look.systolic_mmhg - look.diastolic_mmhg < NARROWEST_PULSE_PRESSURE_MMHG
    ):
        pressures = f"{look.systolic_mmhg}/{look.diastolic_mmhg}"
        found.append(Remark("diastolic_mmhg", f"Read the display again: {pressures}? They are unusually close."))
    return tuple(found)


# -- limits ------------------------------------------------------------------------------------------------------------


class Act(StrEnum):
    """What a limit asks for. The same values as ``AlarmAct`` (a test compares them)."""

    NOTIFY = "notify"
    URGENT = "urgent"
    PAUSE = "pause"
    STOP = "stop"


class Rule(StrEnum):
    """The rules, named; an alarm keeps the name of its rule."""

    PRESSURE_STOP = "pressure_stop"
    PRESSURE_CONFIRMED = "pressure_confirmed"
    PRESSURE_PAUSE = "pressure_pause"
    PRESSURE_LOW = "pressure_low"
    HEART_RATE = "heart_rate"
    OXYGEN_URGENT = "oxygen_urgent"
    OXYGEN = "oxygen"
    SEDATION_STOP = "sedation_stop"
    SEDATION = "sedation"


RULE_LABELS = {
    Rule.PRESSURE_STOP: "Very high pressure, once",
    Rule.PRESSURE_CONFIRMED: "High pressure, confirmed",
    Rule.PRESSURE_PAUSE: "High pressure",
    Rule.PRESSURE_LOW: "Low pressure",
    Rule.HEART_RATE: "Fast heart, sustained",
    Rule.OXYGEN_URGENT: "Very low oxygen",
    Rule.OXYGEN: "Low oxygen",
    Rule.SEDATION_STOP: "Deep sedation",
    Rule.SEDATION: "Sedation",
}


@dataclass(frozen=True, slots=True)
class Pressure:
    """A pair of pressures in mmHg; reached by either, at it when ``inclusive``, else above it."""

    systolic: int
    diastolic: int
    inclusive: bool = True

    def is_reached_by(self, look: Look) -> bool:
        return self.said_of(look) != ""

    def said_of(self, look: Look) -> str:
        """Which of the two reached it, as "184 (limit ≥180)"; empty when neither did."""
        parts = []
        for name, value, limit in (
            ("systolic", look.systolic_mmhg, self.systolic),
            ("diastolic", look.diastolic_mmhg, self.diastolic),
        ):
            if value is not None and (value >= limit if self.inclusive else value > limit):
                parts.append(f"{name} {value} is {'≥' if self.inclusive else '>'}{limit} mmHg")
        return ", ".join(parts)

    def __str__(self) -> str:
        sign = "≥" if self.inclusive else ">"
        return f"{sign}{self.systolic} or {sign}{self.diastolic} mmHg"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of limits. ``source`` uses the keys of clinical.md, section I."""

    code: str
    title: str
    pause: Pressure
    stop: Pressure
    low_systolic: int  # mmHg; reached below it
    heart_rate: int  # a minute; reached above it, when sustained
    oxygen: int  # per cent; reached below it
    oxygen_urgent: int  # per cent; reached below it
    sedation: int  # MOAA/S; reached at it or below
    sedation_stop: int  # MOAA/S; reached at it or below
    source: str
    mark: Mark
    note: str

    @property
    def said(self) -> str:
        """The limits in one line."""
        return (
            f"pause at {self.pause} (repeat after 5 min), stop at {self.stop} once; notify: systolic "
            f"<{self.low_systolic}, heart rate >{self.heart_rate} for 5 min, SpO2 <{self.oxygen} % (urgent "
            f"<{self.oxygen_urgent} %), MOAA/S ≤{self.sedation} (stop ≤{self.sedation_stop})"
        )


DEFAULT = "default"
PROFILES = (
    Profile(
        DEFAULT,
        "Default",
        pause=Pressure(180, 110),
        stop=Pressure(200, 120),
        low_systolic=90,
        heart_rate=120,
        oxygen=94,
        oxygen_urgent=90,
        sedation=3,
        sedation_stop=2,
        source="clinical.md D3, D4",
        mark=Mark.SETTING,
        note="Clinic settings near what is called hypertensive urgency and near one clinic's published practice.",
    ),
    Profile(
        "one_clinic",
        "One clinic's practice",
        pause=Pressure(180, 110, inclusive=False),
        stop=Pressure(200, 120, inclusive=False),
        low_systolic=90,
        heart_rate=120,
        oxygen=94,
        oxygen_urgent=90,
        sedation=3,
        sedation_stop=2,
        source="clinical.md D3",
        mark=Mark.SECONDARY,
        note="Above 180/110 twice five minutes apart, or above 200/120 once; anecdotal. The rest are clinic settings.",
    ),
)
"""Source: clinical.md D3, D4."""
_BY_CODE = {profile.code: profile for profile in PROFILES}


def profile_of(code: str) -> Profile:
    """The profile of this code; the default one for a code that no longer exists, never none."""
    return _BY_CODE.get(code, _BY_CODE[DEFAULT])


@dataclass(frozen=True, slots=True)
class Finding:
    """A limit that a look reached: its rule, what it asks for, the value, the limit, and the whole in a sentence."""

    rule: Rule
    act: Act
    value: str
    limit: str
    said: str
    profile: str
    mark: Mark


def judge(profile: Profile, looks: Sequence[Look], look: Look, run: Run) -> tuple[Finding, ...]:
    """The limits that ``look`` reached, the most pressing first; empty when none.

    Pause and stop belong to an infusion that is going on at that moment; before the start and after the end the same
    limits ask to notify (deep sedation: to act now).

    Args:
        looks: every valid look of the visit, in any order; only those before this one are compared with it.

    Source: clinical.md D3, D4, H4 case 32c.
    """
    before = sorted((one for one in looks if one.at < look.at), key=lambda one: one.at)
    going_on = is_going_on(look.at, run)
    found = [
        *_pressure(profile, before, look, going_on=going_on),
        *_heart_rate(profile, before, look),
        *_oxygen(profile, look),
        *_sedation(profile, look, going_on=going_on),
    ]
    return tuple(sorted(found, key=lambda one: list(reversed(Act)).index(one.act)))


def _pressure(profile: Profile, before: Sequence[Look], look: Look, *, going_on: bool) -> Iterator[Finding]:
    pressures = f"{look.systolic_mmhg}/{look.diastolic_mmhg} mmHg"

    def finding(rule: Rule, act: Act, limit: str, what: str, do: str) -> Finding:
        return Finding(rule, act, pressures, limit, f"Blood pressure {pressures}: {what}. {do}", *_of(profile))

    if profile.stop.is_reached_by(look):
        do = "Stop the infusion and notify the prescriber at once." if going_on else "Notify the prescriber at once."
        what = f"{profile.stop.said_of(look)}, once is enough"
        yield finding(Rule.PRESSURE_STOP, Act.STOP if going_on else Act.NOTIFY, str(profile.stop), what, do)
    elif profile.pause.is_reached_by(look):
        what = profile.pause.said_of(look)
        measured = [one for one in before if one.systolic_mmhg is not None]
        first = _since(measured, profile.pause.is_reached_by, clears_after=CONFIRM_AFTER)
        if first is not None and look.at - first.at >= CONFIRM_AFTER:
            do = "Keep the infusion paused and notify the prescriber." if going_on else "Notify the prescriber."
            what = f"{what}, still so after 5 minutes or more"
            yield finding(Rule.PRESSURE_CONFIRMED, Act.NOTIFY, str(profile.pause), what, do)
        elif first is None:
            do = "Pause the infusion and measure again in 5 minutes."
            do = do if going_on else "Notify the prescriber and measure again in 5 minutes."
            yield finding(Rule.PRESSURE_PAUSE, Act.PAUSE if going_on else Act.NOTIFY, str(profile.pause), what, do)
        # Within the five minutes the first reading still waits for its repeat: nothing new is asked for.
    elif look.systolic_mmhg is not None and look.systolic_mmhg < profile.low_systolic:
        what = f"systolic {look.systolic_mmhg} is <{profile.low_systolic} mmHg"
        limit = f"<{profile.low_systolic} mmHg"
        yield finding(Rule.PRESSURE_LOW, Act.NOTIFY, limit, what, "Notify the prescriber.")


def _heart_rate(profile: Profile, before: Sequence[Look], look: Look) -> Iterator[Finding]:
    rate = look.heart_rate_bpm
    if rate is None or rate <= profile.heart_rate:
        return
    measured = [one for one in before if one.heart_rate_bpm is not None]
    first = _since(measured, lambda one: (one.heart_rate_bpm or 0) > profile.heart_rate, clears_after=timedelta())
    if first is not None and look.at - first.at >= CONFIRM_AFTER:
        said = f"Heart rate {rate} a minute is >{profile.heart_rate}, for 5 minutes or more. Notify the prescriber."
        limit = f">{profile.heart_rate} a minute for 5 minutes"
        yield Finding(Rule.HEART_RATE, Act.NOTIFY, f"{rate} a minute", limit, said, *_of(profile))


def _oxygen(profile: Profile, look: Look) -> Iterator[Finding]:
    value = look.spo2_percent
    if value is None or value >= profile.oxygen:
        return
    if value < profile.oxygen_urgent:
        said = f"SpO2 {value} % is <{profile.oxygen_urgent} %. Act now: airway and oxygen, notify the prescriber."
        yield Finding(Rule.OXYGEN_URGENT, Act.URGENT, f"{value} %", f"<{profile.oxygen_urgent} %", said, *_of(profile))
        return
    said = f"SpO2 {value} % is <{profile.oxygen} %. Notify the prescriber."
    yield Finding(Rule.OXYGEN, Act.NOTIFY, f"{value} %", f"<{profile.oxygen} %", said, *_of(profile))


def _sedation(profile: Profile, look: Look, *, going_on: bool) -> Iterator[Finding]:
    score = look.moaas
    if score is None or score > profile.sedation:
        return
    if score <= profile.sedation_stop:
        do = "Stop the infusion, support the airway" if going_on else "Support the airway"
        said = f"MOAA/S {score} is ≤{profile.sedation_stop}. {do}, notify the prescriber."
        act = Act.STOP if going_on else Act.URGENT
        yield Finding(Rule.SEDATION_STOP, act, str(score), f"≤{profile.sedation_stop}", said, *_of(profile))
        return
    said = f"MOAA/S {score} is ≤{profile.sedation}. Notify the prescriber."
    yield Finding(Rule.SEDATION, Act.NOTIFY, str(score), f"≤{profile.sedation}", said, *_of(profile))


def _of(profile: Profile) -> tuple[str, Mark]:
    return profile.code, profile.mark


def _since(before: Sequence[Look], is_high: Callable[[Look], bool], *, clears_after: timedelta) -> Look | None:
    """The first of the looks that have been high up to now; None when it went down meanwhile.

    Args:
        clears_after: a lower look counts only when it is at least this long after the first high one.
    """
    first: Look | None = None
    for one in before:
        if is_high(one):
            first = first or one
        elif first is not None and one.at - first.at >= clears_after:
            first = None
    return first


# -- the repeat of a high pressure -------------------------------------------------------------------------------------


class Standing(StrEnum):
    """How a high pressure went on."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"


@dataclass(frozen=True, slots=True)
class Repeat:
    """The reading that answers a high pressure: five minutes later or more. ``look`` is None while it is awaited."""

    standing: Standing
    due_at: datetime
    look: Look | None = None


def repeat_of(profile: Profile, high: Look, looks: Sequence[Look]) -> Repeat:
    """Whether the high pressure of this look was confirmed, was not, or still waits for its repeat.

    Not confirmed does not resume anything: the prescriber decides that.

    Source: clinical.md D3, case 32c.
    """
    due_at = high.at + CONFIRM_AFTER
    later = sorted((one for one in looks if one.at >= due_at and one.systolic_mmhg is not None), key=lambda one: one.at)
    if not later:
        return Repeat(Standing.PENDING, due_at)
    still = profile.pause.is_reached_by(later[0]) or profile.stop.is_reached_by(later[0])
    return Repeat(Standing.CONFIRMED if still else Standing.NOT_CONFIRMED, due_at, later[0])
