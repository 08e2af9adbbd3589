"""The patient monitoring form of the esketamine REMS: when it is due, and what it asks, gathered from the session.

Source: clinical.md B3 12 (L2), H3 27. The wording of the form itself is not shipped; these are the facts that it asks
for. The software sends nothing: a person copies them into the form and says that it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from patients.pure.interactions import CLASSES, Taken

DAYS = 7
"""Days for the form after each session. Source: L2; clinical.md B3 12."""
PRESSURE_AFTER = timedelta(minutes=40)
PRESSURE_WINDOW = timedelta(minutes=10)
"""About 40 minutes after the last device (L1): measured from 30 to 50 minutes counts. The ten minutes are ours [D]."""
ALERT = 5
"""MOAA/S of somebody who is awake. Source: clinical.md D4."""

ASKED_CLASSES = (
    ("Benzodiazepines", ("benzodiazepine_sedation",)),
    ("Other sedatives", ("other_sedative",)),
    ("Opioids", ("opioid",)),
    ("Psychostimulants", ("stimulant",)),
    ("MAO inhibitors", ("maoi", "maoi_weak")),
)
"""What the form asks about, and the classes of ``patients.pure.interactions`` that answer it. Source: L2."""


def due_on(given_on: date, days: int = DAYS) -> date:
    """The last local day on which the form is in time: 1 February gives 8 February (case 27)."""
    return given_on + timedelta(days=days)


def say_standing(due: date, today: date) -> str:
    """How much time is left: "overdue by 2 days", "due today", "due in 3 days"."""
    left = (due - today).days
    if left == 0:
        return "due today"
    days = f"{abs(left)} day{'' if abs(left) == 1 else 's'}"
    return f"due in {days}" if left > 0 else f"overdue by {days}"


@dataclass(frozen=True, slots=True)
class Look:
    """One row of the flowsheet, as far as the form asks. Pressures in mmHg; empty: not measured."""

    at: datetime
    systolic: int | None = None
    diastolic: int | None = None
    spo2: int | None = None
    respiratory_rate: int | None = None
    moaas: int | None = None
    dissociation: int | None = None

    @property
    def pressure(self) -> str:
        return f"{self.systolic}/{self.diastolic} mmHg" if self.systolic else ""


@dataclass(frozen=True, slots=True)
class Session:
    """What the record says of one session. ``lots`` are of the devices; ``effects`` are words by onset."""

    dose_mg: Decimal | None
    devices: tuple[datetime, ...]
    lots: tuple[str, ...]
    left_at: datetime | None
    looks: tuple[Look, ...]
    medicines: tuple[Taken, ...]
    effects: tuple[str, ...] = ()
    none_said: bool = False
    taken_today: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that the form asks, and what the record says; ``is_missing`` when it says nothing."""

    asks: str
    says: str
    is_missing: bool = False


def lines_of(session: Session) -> tuple[Line, ...]:
    """Everything that the form asks for, in its order, from the record alone; what is not there is missing."""
    first, last = (session.devices[0], session.devices[-1]) if session.devices else (None, None)
    return (
        *_medicines(session),
        _line("Dose", f"{session.dose_mg} mg, {_count(len(session.devices), 'device')}" if session.devices else ""),
        _line("Lot", ", ".join(session.lots)),
        _line("Minutes from the first device until they left", _minutes(first, session.left_at)),
        _line("Blood pressure before", _before(session.looks, first)),
        _line("Blood pressure about 40 minutes after", _after(session.looks, last)),
        _line("Blood pressure before they left", _final(session.looks, session.left_at)),
        _line("Sedation", _sedation(session.looks)),
        _line("Dissociation", _dissociation(session.looks)),
        _line("Breathing", _breathing(session.looks)),
        _line("Side effects", "; ".join(session.effects) or ("None, and this was asked" if session.none_said else "")),
    )


def _line(asks: str, says: str) -> Line:
    return Line(asks, says or "Not on record", is_missing=not says)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _medicines(session: Session) -> Iterable[Line]:
    for asks, codes in ASKED_CLASSES:
        kinds = [kind for kind in CLASSES if kind.code in codes]
        named = [
            ", ".join(word for word in (one.description, one.dose) if word)
            for one in session.medicines
            if any(kind.recognises(one.description) for kind in kinds)
        ]
        yield Line(asks, "; ".join(named) or "None on the medicine list")
    if session.taken_today:
        yield Line("Taken that day", session.taken_today)


def _minutes(first: datetime | None, left: datetime | None) -> str:
    return str(round((left - first).total_seconds() / 60)) if first and left else ""


def _measured(looks: Sequence[Look]) -> list[Look]:
    return [look for look in looks if look.systolic is not None]


def _before(looks: Sequence[Look], first: datetime | None) -> str:
    found = [look for look in _measured(looks) if first is None or look.at <= first]
    return found[-1].pressure if found else ""


def _after(looks: Sequence[Look], last: datetime | None) -> str:
    if last is None:
        return ""
    wanted = last + PRESSURE_AFTER
    near = [look for look in _measured(looks) if abs(look.at - wanted) <= PRESSURE_WINDOW]
    if not near:
        return ""
    found = min(near, key=lambda look: abs(look.at - wanted))
    return f"{found.pressure}, after {round((found.at - last).total_seconds() / 60)} minutes"


def _final(looks: Sequence[Look], left: datetime | None) -> str:
    found = [look for look in _measured(looks) if left is not None and look.at <= left]
    return found[-1].pressure if found else ""


def _sedation(looks: Sequence[Look]) -> str:
    scores = [look.moaas for look in looks if look.moaas is not None]
    if not scores:
        return ""
    lowest = min(scores)
    return f"{'None' if lowest == ALERT else 'Yes'}, lowest MOAA/S {lowest}, last {scores[-1]}"


def _dissociation(looks: Sequence[Look]) -> str:
    scores = [look.dissociation for look in looks if look.dissociation is not None]
    return f"Highest score {max(scores)}, last {scores[-1]}; no cut-off exists" if scores else ""


def _breathing(looks: Sequence[Look]) -> str:
    rates = [look.respiratory_rate for look in looks if look.respiratory_rate is not None]
    oxygen = [look.spo2 for look in looks if look.spo2 is not None]
    said = [f"slowest breathing {min(rates)} a minute"] if rates else []
    said += [f"lowest SpO2 {min(oxygen)} %"] if oxygen else []
    words = ", ".join(said)
    return words[:1].upper() + words[1:]
