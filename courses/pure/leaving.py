"""Whether a patient may leave: the criteria of clinical.md D7, each with its value and where that comes from.

Every number is a clinic setting ([D]); no published scheme is agreed on. Values come from the flowsheet, as measured
after the infusion; what no device measures is ticked by a person, also after the infusion. Nobody may leave without an
escort (D7, L4), whatever a prescriber says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

FRESH = timedelta(minutes=30)
"""A value counts so long; an older one is measured again ([D])."""
NASAL_OBSERVATION_MIN = 120
"""After the last device. Source: clinical.md B3 (L1), case 34."""
ALERT_MOAAS = 5
SPO2_PERCENT = 94
SHARE_OF_BASELINE = 0.20
HIGHEST_SYSTOLIC, HIGHEST_DIASTOLIC = 160, 100
"""mmHg; below both, whatever the baseline was (D7)."""
LOWEST_SYSTOLIC = 90
"""mmHg; below it the pressure must be near the baseline (D3: notify below 90)."""
NAUSEA_TO_CONTROL = 2
"""0 to 3; from here on somebody says that it is controlled ([D])."""

YES, NO = "yes", "no"
TICKS = ("oriented", "gait", "dissociation", "nausea", "no_si", "escort")
"""What a person answers; the escort by a name, the others yes or no."""
LONGEST_NAME = 120
LONGEST_ADVICE = 300
WORDS = {
    "oriented": ("Oriented", "Not oriented"),
    "gait": ("Steady", "Not steady"),
    "dissociation": ("Back to baseline", "Not yet"),
    "nausea": ("Controlled", "Not controlled"),
    "no_si": ("None", "Present"),
}
"""What yes and no mean, said in full: nobody should have to work out a no to a no."""


@dataclass(frozen=True, slots=True)
class Look:
    """One row of the flowsheet; None: not measured. Pressures in mmHg, SpO2 in %."""

    at: datetime
    systolic_mmhg: int | None = None
    diastolic_mmhg: int | None = None
    spo2_percent: int | None = None
    moaas: int | None = None
    dissociation: int | None = None
    scale: str = ""
    nausea: int | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """What a person said about one criterion: yes, no, or a name."""

    value: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition for leaving. ``is_met`` None: not known yet. ``todo`` says what is missing, empty when met.

    ``where`` is the section of the page in which it is done; ``tick`` the item of the checklist that a person may tick.
    """

    code: str
    label: str
    is_met: bool | None
    value: str = ""
    source: str = ""
    todo: str = ""
    where: str = "flowsheet"
    tick: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known when somebody asks.

    Args:
        since: the end of the infusion, or the last nasal device; None while it goes on.
        observation_min: minutes of observation that the visit was planned with.
        before, after: looks before the start and since ``since``, in the order of time.
        ticks: what was ticked, by item without ``leave_``.
        effects: the answer about side effects in words; empty when nobody answered.
        clock: an instant as the clocks of the place show it.
    """

    now: datetime
    since: datetime | None
    observation_min: int
    before: Sequence[Look]
    after: Sequence[Look]
    ticks: Mapping[str, Tick]
    open_alarms: int
    effects: str
    clock: Callable[[datetime], str]
    is_nasal: bool = False
    named_escort: str = ""
    counted: Mapping[str, Tick] = field(init=False)

    def __post_init__(self) -> None:
        kept = {item: tick for item, tick in self.ticks.items() if self.since is not None and tick.at >= self.since}
        object.__setattr__(self, "counted", kept)

    @property
    def earliest(self) -> datetime | None:
        """When the observation is over.

        Source: clinical.md case 34 (13:40 and 60 min: 14:40; esketamine at 13:40: 15:40).
        """
        return self.since + timedelta(minutes=self.minutes) if self.since else None

    @property
    def minutes(self) -> int:
        return max(self.observation_min, NASAL_OBSERVATION_MIN) if self.is_nasal else self.observation_min

    @property
    def changes_at(self) -> datetime | None:
        """When the answer changes by the clock alone: the observation is over, or a value has become too old."""
        ahead = [self.earliest, *(look.at + FRESH + timedelta(seconds=1) for look in self.after)]
        return min((at for at in ahead if at and at > self.now), default=None)

    def last(self, *names: str) -> Look | None:
        """The latest look after the infusion that has all of these."""
        return _last(self.after, *names)

    def is_fresh(self, look: Look) -> bool:
        return self.now - look.at <= FRESH

    def said(self, look: Look) -> str:
        return f"flowsheet {self.clock(look.at)}"


def _last(looks: Sequence[Look], *names: str) -> Look | None:
    for look in reversed(looks):
        if all(getattr(look, name) is not None for name in names):
            return look
    return None


def judge_leaving(facts: Facts) -> tuple[Criterion, ...]:
    """Every criterion, in the order in which a nurse goes through them.

    Source: clinical.md D7 (default [D]), case 34.
    """
    return (
        _observation(facts),
        _alertness(facts),
        _ticked(facts, "oriented", "Oriented", no="Not oriented", todo="Oriented? Ask and tick"),
        _ticked(facts, "gait", "Steady gait", no="Gait not steady", todo="Steady gait? Let them walk and tick"),
        _dissociation(facts),
        _pressure(facts),
        _saturation(facts),
        _nausea(facts),
        _ticked(
            facts,
            "no_si",
            "No acute suicidal thoughts",
            no="Acute suicidal thoughts",
            todo="Suicidal thoughts? Ask and tick",
        ),
        _escort(facts),
        _alarms(facts),
        _effects(facts),
    )


def _observation(facts: Facts) -> Criterion:
    label = f"Watched for at least {facts.minutes} min"
    if facts.since is None or facts.earliest is None:
        todo = "The last device is not recorded" if facts.is_nasal else "The end of the infusion is not recorded"
        return Criterion("observation", label, None, todo=todo, where="run")
    since = f"since {facts.clock(facts.since)}"
    until = facts.clock(facts.earliest)
    if facts.now < facts.earliest:
        return Criterion("observation", label, False, f"until {until}", since, f"Observation until {until}", "")
    return Criterion("observation", label, True, f"over at {until}", since, where="")


def _alertness(facts: Facts) -> Criterion:
    code, label = "moaas", "Alert (MOAA/S 5)"
    look = facts.last("moaas")
    if look is None or not facts.is_fresh(look):
        return _measure_again(facts, Criterion(code, label, None, f"{look.moaas}" if look else "", todo="MOAA/S"), look)
    is_met = look.moaas == ALERT_MOAAS
    todo = "" if is_met else f"MOAA/S is {look.moaas}, not 5"
    return Criterion(code, label, is_met, f"{look.moaas}", facts.said(look), todo)


def _dissociation(facts: Facts) -> Criterion:
    """By the totals where both were measured on one scale; otherwise somebody says so. No cut-off exists (D5)."""
    code, label, item = "dissociation", "Dissociation back to baseline", "dissociation"
    look = facts.last("dissociation")
    before = _last([one for one in facts.before if look and one.scale == look.scale], "dissociation")
    if look and before and facts.is_fresh(look):
        is_met = (look.dissociation or 0) <= (before.dissociation or 0)
        value = f"{look.dissociation}, before {before.dissociation}"
        todo = "" if is_met else f"Dissociation {look.dissociation} is above the {before.dissociation} before"
        return Criterion(code, label, is_met, value, facts.said(look), todo)
    said = _said_by_hand(facts, item, look)
    value = f"{look.dissociation}, nothing to compare" if look else "not measured"
    if said is None:
        return Criterion(code, label, None, value, "", "Dissociation back to baseline? Measure, or tick", tick=item)
    is_met = said.value == YES
    todo = "" if is_met else "Dissociation not back to baseline"
    return Criterion(code, label, is_met, _word(item, said), _by(facts, said), todo, tick=item)


def is_pressure_fit(systolic_mmhg: int, diastolic_mmhg: int, baseline: tuple[int, int] | None) -> bool:
    """Within 20 % of the baseline (both numbers, either way, boundary included), or below 160/100 and not low.

    Source: clinical.md D7; case 34 (146/88 after 132/84: 132 + 20 % = 158.4).
    """
    if LOWEST_SYSTOLIC <= systolic_mmhg < HIGHEST_SYSTOLIC and diastolic_mmhg < HIGHEST_DIASTOLIC:
        return True
    if baseline is None:
        return False
    pairs = ((systolic_mmhg, baseline[0]), (diastolic_mmhg, baseline[1]))
    return all(abs(value - before) * 100 <= before * SHARE_OF_BASELINE * 100 for value, before in pairs)


def _pressure(facts: Facts) -> Criterion:
    code, label = "pressure", "Pressure within 20 % of baseline, or below 160/100"
    names = ("systolic_mmhg", "diastolic_mmhg")
    look, before = facts.last(*names), _last(facts.before, *names)
    value = f"{look.systolic_mmhg}/{look.diastolic_mmhg}" if look else ""
    if look is None or not facts.is_fresh(look):
        return _measure_again(facts, Criterion(code, label, None, value, todo="Pressure"), look)
    baseline = (before.systolic_mmhg or 0, before.diastolic_mmhg or 0) if before else None
    is_met = is_pressure_fit(look.systolic_mmhg or 0, look.diastolic_mmhg or 0, baseline)
    compared = f"{value}, before {baseline[0]}/{baseline[1]}" if baseline else f"{value}, no baseline"
    todo = "" if is_met else f"Pressure {value} is outside the limits"
    return Criterion(code, label, is_met, compared, facts.said(look), todo)


def _saturation(facts: Facts) -> Criterion:
    code, label = "spo2", "SpO₂ at least 94 %, or as before"
    look, before = facts.last("spo2_percent"), _last(facts.before, "spo2_percent")
    value = f"{look.spo2_percent} %" if look else ""
    if look is None or not facts.is_fresh(look):
        return _measure_again(facts, Criterion(code, label, None, value, todo="SpO₂"), look)
    lowest = min(SPO2_PERCENT, before.spo2_percent or SPO2_PERCENT) if before else SPO2_PERCENT
    is_met = (look.spo2_percent or 0) >= lowest
    compared = f"{value}, before {before.spo2_percent} %" if before else value
    return Criterion(code, label, is_met, compared, facts.said(look), "" if is_met else f"SpO₂ is {value}")


def _nausea(facts: Facts) -> Criterion:
    code, label, item = "nausea", "No uncontrolled nausea", "nausea"
    look = facts.last("nausea")
    fresh = look if look and facts.is_fresh(look) else None
    if fresh and (fresh.nausea or 0) < NAUSEA_TO_CONTROL:
        return Criterion(code, label, True, f"{fresh.nausea} of 3", facts.said(fresh))
    said = _said_by_hand(facts, item, look)
    value = f"{fresh.nausea} of 3" if fresh else "not measured lately"
    if said is None:
        todo = f"Nausea is {fresh.nausea} of 3. Controlled? Tick" if fresh else "Nausea? Measure, or tick"
        return Criterion(code, label, None, value, facts.said(fresh) if fresh else "", todo, tick=item)
    is_met = said.value == YES
    todo = "" if is_met else "Nausea not controlled"
    return Criterion(code, label, is_met, _word(item, said), _by(facts, said), todo, tick=item)


def _escort(facts: Facts) -> Criterion:
    said = facts.counted.get("escort")
    label = "Escort here, by name"
    if said and said.value:
        return Criterion("escort", label, True, said.value, _by(facts, said), where="discharge", tick="escort")
    expected = f"{facts.named_escort} named at check-in" if facts.named_escort else ""
    return Criterion("escort", label, None, expected, "", "Escort missing", "discharge", "escort")


def _alarms(facts: Facts) -> Criterion:
    count = facts.open_alarms
    if not count:
        return Criterion("alarms", "Alarms answered", True, "none open")
    said = f"{count} alarm{'s' if count > 1 else ''} not answered"
    return Criterion("alarms", "Alarms answered", False, said, "", said)


def _effects(facts: Facts) -> Criterion:
    label = "Side effects answered"
    if facts.effects:
        return Criterion("effects", label, True, facts.effects, where="effects")
    todo = "Side effects not answered (none, or which)"
    return Criterion("effects", label, None, "", "", todo, "effects")


def _ticked(facts: Facts, item: str, label: str, *, no: str, todo: str) -> Criterion:
    said = facts.counted.get(item)
    if said is None or said.value not in (YES, NO):
        return Criterion(item, label, None, "", "", todo, "discharge", item)
    is_met = said.value == YES
    return Criterion(item, label, is_met, _word(item, said), _by(facts, said), "" if is_met else no, "discharge", item)


def _said_by_hand(facts: Facts, item: str, look: Look | None) -> Tick | None:
    """What was ticked, unless something was measured since then."""
    said = facts.counted.get(item)
    if said is None or said.value not in (YES, NO) or (look and look.at > said.at):
        return None
    return said


def _word(item: str, said: Tick) -> str:
    return WORDS[item][0 if said.value == YES else 1]


def _by(facts: Facts, said: Tick) -> str:
    return f"ticked by {said.by} {facts.clock(said.at)}"


def _measure_again(facts: Facts, one: Criterion, look: Look | None) -> Criterion:
    """``one`` names what is to be measured; its value is the old one."""
    what = one.todo
    if look is None:
        return replace(one, value="not measured since the end", todo=f"{what}: measure")
    old = int(FRESH.total_seconds() // 60)
    return replace(one, source=facts.said(look), todo=f"{what} is older than {old} min: measure again")


def as_kept(criteria: Sequence[Criterion]) -> list[dict[str, Any]]:
    """What a discharge keeps: plain values, to be shown as they were then."""
    return [asdict(one) for one in criteria]


def from_kept(kept: Sequence[Mapping[str, Any]]) -> tuple[Criterion, ...]:
    names = Criterion.__dataclass_fields__
    return tuple(Criterion(**{name: value for name, value in one.items() if name in names}) for one in kept)
