"""Go or no-go: what the checklist comes to for one infusion day, with what was decided about it.

No query of its own beyond the desk and ``desk.person``. A decision lets a finding through as long as the facts are
those that it was taken on (its ``stamp``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from courses.models import FlowsheetRow, GateDecision, GateSeverity
from courses.pure.checklist import Facts, Given, Judged, Signs, Standing, judge_checklist
from courses.pure.fasting import fasting_profile_of
from courses.services.infusion_desk import Desk
from patients.pure.pressure import profile_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the gate. ``decision`` lets it through; None while nobody has, or when the facts have changed."""

    code: str
    state: Standing
    said: str
    item: str
    source: str
    profile: str
    stamp: str
    may_override: bool
    mend: str
    passes_from: datetime | None
    decision: GateDecision | None

    @property
    def holds(self) -> bool:
        """It speaks against the start, and nobody has let it through."""
        return self.state in (Standing.SOFT, Standing.HARD) and self.decision is None

    @property
    def is_hard(self) -> bool:
        return self.state is Standing.HARD


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything that was found, in the order of the checklist."""

    findings: tuple[Finding, ...]

    @property
    def missing(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.state is Standing.MISSING)

    @property
    def holds(self) -> tuple[Finding, ...]:
        """What speaks against the start now; hard before soft."""
        found = [one for one in self.findings if one.holds]
        return tuple(sorted(found, key=lambda one: not one.is_hard))

    @property
    def decided(self) -> tuple[Finding, ...]:
        """What spoke against the start, and somebody answers for it."""
        return tuple(one for one in self.findings if one.decision is not None)

    @property
    def is_go(self) -> bool:
        return not self.missing and not self.holds

    @property
    def stops(self) -> tuple[str, ...]:
        """Why it may not start, one sentence each."""
        return tuple(one.said for one in (*self.holds, *self.missing))


def gate_of(desk: Desk) -> Gate:
    """Go or no-go as of the start, or of ``desk.now`` before it.

    Source: clinical.md D1, R9, S28.
    """
    decisions = {(one.code, one.stamp): one for one in desk.decisions}
    return Gate(tuple(_finding(one, decisions) for one in judge_checklist(facts_of(desk))))


def _finding(judged: Judged, decisions: dict[tuple[str, str], GateDecision]) -> Finding:
    decision = decisions.get((judged.code, judged.stamp))
    if decision is not None and not _covers(decision, judged):
        decision = None
    return Finding(
        code=judged.code,
        state=judged.state,
        said=judged.said,
        item=judged.item,
        source=judged.source,
        profile=judged.profile,
        stamp=judged.stamp,
        may_override=judged.may_override,
        mend=judged.mend,
        passes_from=judged.passes_from,
        decision=decision,
    )


def _covers(decision: GateDecision, judged: Judged) -> bool:
    """A soft acknowledgement never lets a hard finding through, and nothing lets through what nobody may override."""
    if judged.state is Standing.HARD:
        return judged.may_override and decision.severity == GateSeverity.HARD
    return judged.state is Standing.SOFT


def facts_of(desk: Desk) -> Facts:
    """What the checklist is judged from."""
    person, place = desk.person, desk.place
    signs, rows = _signs(desk)
    return Facts(
        now=place.local(desk.run.started_at or desk.now),
        today=place.local(desk.booking.start).date(),
        answers={item: Given(one.value, one.detail) for item, one in desk.answers.items()},
        fasting=fasting_profile_of(desk.day_settings.fasting_profile, is_nasal=desk.is_nasal),
        pressure=profile_of(desk.intake_settings.pressure_profile),
        signs=signs,
        signs_rows=rows,
        consent=person.consent,
        asks_pregnancy=person.asks_pregnancy,
        knows_pregnancy_is_possible=person.knows_pregnancy_is_possible,
        pregnancy_days=desk.intake_settings.pregnancy_test_max_age_days,
        test=person.test,
        measure=person.measure,
        measure_name=person.measure_name,
        alerts=tuple((one.pk, one.label) for one in person.alerts),
        weight_kg=person.weight_kg,
        weighed_on=place.local(person.weighed_at).date() if person.weighed_at else None,
        weight_days=desk.day_settings.weight_max_age_days,
        medicines=person.medicines,
    )


SIGNS = ("systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm", "spo2_percent", "respiratory_rate", "moaas")


def _signs(desk: Desk) -> tuple[Signs, dict[str, int]]:
    """Each sign as it was last measured before the start, and which row it is from."""
    start = desk.run.started_at
    found: dict[str, FlowsheetRow] = {}
    for row in desk.rows:
        if start is None or row.at <= start:
            found |= {name: row for name in SIGNS if getattr(row, name) is not None}
    return Signs(**{name: getattr(row, name) for name, row in found.items()}), {k: row.pk for k, row in found.items()}
