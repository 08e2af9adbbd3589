"""Changing a running series: the preview that a person sees and agrees to.

A preview is a plain value with a signed token in it. The token holds the new places and the state from which they were
computed; committing it compares that state with the present one, judges the plan again on the calendar of this moment,
and writes everything in one transaction, or nothing (``series_commit``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.core import signing

from clinic.models import User
from clinic.pure.roles import Can
from courses.models import RevisionKind
from courses.planning.dates import gap_days
from courses.planning.protocols import FirstGap, Step, say_steps
from courses.planning.rules import gap_limits, judge
from courses.planning.settings import PlanSettings
from courses.planning.types import Finding, Instance, Placed, Rule, Severity, Verdict, VisitShape
from courses.planning.words import say_count, say_day, say_list, say_minute, say_numbers
from courses.services.series_state import Series

SALT = "courses.series_changes"
NEEDS = {
    RevisionKind.MOVED: Can.MOVE_INFUSION,
    RevisionKind.SHIFTED: Can.MOVE_INFUSION,
    RevisionKind.RESLOTTED: Can.MOVE_INFUSION,
    RevisionKind.OFFERED: Can.MOVE_INFUSION,
    RevisionKind.NUMBER: Can.DECIDE_COURSE,
    RevisionKind.RHYTHM: Can.DECIDE_COURSE,
    RevisionKind.WISHES: Can.DECIDE_COURSE,
    RevisionKind.BOOKED: Can.MOVE_INFUSION,
    RevisionKind.INTERVAL: Can.DECIDE_COURSE,
    RevisionKind.STEPPED_BACK: Can.DECIDE_COURSE,
}
NEEDS_REASON = frozenset(
    {
        RevisionKind.NUMBER,
        RevisionKind.RHYTHM,
        RevisionKind.WISHES,
        RevisionKind.INTERVAL,
        RevisionKind.STEPPED_BACK,
    }
)


class ChangeRefusedError(Exception):
    """Nothing was changed; the message says what is wrong, why, and what to do."""


class ChangedMeanwhileError(ChangeRefusedError):
    """The calendar or the course is no longer what the person saw: look at a new preview."""


class ReasonNeededError(ChangeRefusedError):
    """The change goes against a rule of the protocol (or is one that must be explained) and no reason was given."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A series as it would stand, before anybody has judged it."""

    kind: RevisionKind
    series: Series
    settings: PlanSettings
    placed: tuple[Placed, ...]
    number: int = 0  # the infusion that it is about, 0 for the whole series
    by_hand: bool = False  # a person chose the time of ``number``, so the wished hours are only noted
    missing: tuple[int, ...] = ()
    explanation: str = ""
    shapes: Mapping[int, VisitShape] = field(default_factory=dict)  # number -> minutes of its own

    @property
    def changed(self) -> tuple[Placed, ...]:
        """The places that would be written."""
        was = {one.number: one for one in self.series.plan}
        return tuple(one for one in self.placed if one != was.get(one.number) or one.number in self.shapes)

    @property
    def dropped(self) -> tuple[int, ...]:
        """The numbers that would no longer be planned."""
        return tuple(row.number for row in self.series.rows if row.number > self.settings.n)


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One infusion before and after."""

    number: int
    was: Placed | None
    becomes: Placed | None
    gap_was: int | None
    gap: int | None
    limits: tuple[int, int] | None  # smallest and largest legal gap
    state: str  # given, same, moved, new, dropped, waiting

    @property
    def on_window(self) -> bool:
        return self.gap is None or self.limits is None or self.limits[0] <= self.gap <= self.limits[1]

    @property
    def day_changes(self) -> bool:
        return self.was is not None and self.becomes is not None and self.was.day != self.becomes.day

    @property
    def time_changes(self) -> bool:
        return self.was is not None and self.becomes is not None and self.was.start_min != self.becomes.start_min

    @property
    def shift_days(self) -> int | None:
        return gap_days(self.was.day, self.becomes.day) if self.was is not None and self.becomes is not None else None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a person sees and agrees to; nothing is saved."""

    proposed: Proposed
    rows: tuple[PreviewRow, ...]
    verdict: Verdict
    token: str
    missing: tuple[int, ...] = ()
    explanation: str = ""

    @property
    def blocked(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.verdict.findings if one.severity is Severity.BLOCK)

    @property
    def breaches(self) -> tuple[Finding, ...]:
        return self.verdict.needs_override

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is worth knowing about infusions that would change."""
        numbers = {one.number for one in self.proposed.changed} | {0}
        return tuple(one for one in self.verdict.findings if one.severity is Severity.NOTE and one.number in numbers)

    @property
    def changes_something(self) -> bool:
        proposed = self.proposed
        return bool(proposed.changed or proposed.dropped or proposed.settings != proposed.series.settings)

    @property
    def needs_reason(self) -> bool:
        return bool(self.breaches) or self.proposed.kind in NEEDS_REASON

    @property
    def is_possible(self) -> bool:
        return self.verdict.is_bookable and not self.missing and self.changes_something

    @property
    def ends(self) -> tuple[date | None, date | None]:
        """The last day before and after."""
        was = max((one.day for one in self.proposed.series.plan), default=None)
        return was, max((one.day for one in self.proposed.placed), default=None)

    def becomes(self, number: int) -> Placed:
        """Where an infusion would be.

        Raises:
            KeyError: it would have no time.
        """
        for one in self.proposed.placed:
            if one.number == number:
                return one
        raise KeyError(number)

    def row_gaps(self) -> dict[int, int]:
        """The gap into each infusion, by number, as it would be."""
        return {row.number: row.gap for row in self.rows if row.gap is not None}

    def may_confirm(self, user: User) -> bool:
        """True when this person may save it (with a reason, where one is needed)."""
        return (
            self.is_possible
            and user.can(NEEDS[self.proposed.kind])
            and (not self.breaches or user.can(Can.OVERRIDE_RULE))
        )


# -- preview -----------------------------------------------------------------------------------------------------------


def preview(proposed: Proposed, instance: Instance | None) -> Preview:
    """The proposal, judged, row by row, with the token that commits it. ``instance`` is the calendar it was made on."""
    return Preview(
        proposed=proposed,
        rows=tuple(_rows(proposed)),
        verdict=judged(proposed, instance),
        token=signing.dumps(_payload(proposed), salt=SALT, compress=True),
        missing=proposed.missing,
        explanation=proposed.explanation,
    )


def judged(proposed: Proposed, instance: Instance | None) -> Verdict:
    settled = frozenset(one.number for one in proposed.placed) - {one.number for one in proposed.changed}
    verdict = judge(
        proposed.placed,
        proposed.settings.rule,
        today=instance.not_before if instance else None,
        is_open=instance.free.open_days.__contains__ if instance else lambda _day: True,
        wishes=instance.wishes if instance else None,
        free=instance.free if instance else None,
        before=proposed.series.before,
        done=settled,
    )
    if not proposed.by_hand:
        return verdict
    return replace(verdict, findings=tuple(_lenient(one, proposed.number) for one in verdict.findings))


def _lenient(finding: Finding, number: int) -> Finding:
    """Whoever chose this time with the patient on the phone knows better than a wish from the planning."""
    if finding.rule is Rule.OUTSIDE_WISHED_HOURS and finding.number == number:
        return replace(finding, severity=Severity.NOTE)
    return finding


def _rows(proposed: Proposed) -> Iterable[PreviewRow]:
    series = proposed.series
    was = {one.number: one for one in series.plan}
    now = {one.number: one for one in proposed.placed}
    numbers = sorted({row.number for row in series.rows} | now.keys())
    for number in numbers:
        before, after = was.get(number), now.get(number)
        yield PreviewRow(
            number=number,
            was=before,
            becomes=after,
            gap_was=_gap_into(number, was),
            gap=_gap_into(number, now),
            limits=_limits_into(number, now, proposed),
            state=_state(number, before, after, proposed),
        )


def _state(number: int, before: Placed | None, after: Placed | None, proposed: Proposed) -> str:
    if number in proposed.series.given:
        return "given"
    if number in proposed.dropped:
        return "dropped"
    if after is None:
        return "waiting"
    if before is None:
        return "new"
    return "same" if before == after and number not in proposed.shapes else "moved"


def _gap_into(number: int, placed: Mapping[int, Placed]) -> int | None:
    earlier = max((one for one in placed if one < number), default=None)
    if number not in placed or earlier is None:
        return None
    return gap_days(placed[earlier].day, placed[number].day)


def _limits_into(number: int, placed: Mapping[int, Placed], proposed: Proposed) -> tuple[int, int] | None:
    earlier = max((one for one in placed if one < number), default=None)
    if number not in placed or earlier is None or number > proposed.settings.n:
        return None
    return gap_limits(earlier, number, proposed.settings.rule)


# -- the token ---------------------------------------------------------------------------------------------------------


def _payload(proposed: Proposed) -> dict[str, Any]:
    return {
        "phase": proposed.series.phase.pk,
        "kind": proposed.kind.value,
        "number": proposed.number,
        "by_hand": proposed.by_hand,
        "saw": fingerprint(proposed.series),
        "missing": list(proposed.missing),
        "to": [_plain(one) for one in proposed.changed],
        "shapes": {str(number): minutes_of(shape) for number, shape in proposed.shapes.items()},
        "settings": plain_settings(proposed.settings) if proposed.settings != proposed.series.settings else None,
    }


def read_token(token: str) -> dict[str, Any]:
    """What a preview wrote into its token.

    Raises:
        ChangeRefusedError: the token was not written here.
    """
    try:
        plain: dict[str, Any] = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise ChangeRefusedError("This preview cannot be read. Choose the new time again.") from error
    return plain


def fingerprint(series: Series) -> list[list[Any]]:
    """What a preview was computed from: each infusion with its booking's version, the course's status, the number."""
    rows = [
        [
            row.number,
            row.infusion.status,
            row.booking.pk if row.booking else 0,
            row.booking.version if row.booking else 0,
        ]
        for row in series.rows
    ]
    return [[0, series.course.status, series.phase.pk, series.settings.n], *rows]


def _plain(one: Placed) -> list[Any]:
    return [one.number, one.day.isoformat(), one.start_min, one.chair_id, one.nurse_id, one.clinician_id]


def _placed(plain: Sequence[Any]) -> Placed:
    number, day, start, chair, nurse, clinician = plain
    return Placed(number, date.fromisoformat(day), start, chair, nurse, clinician)


def minutes_of(shape: VisitShape) -> list[int]:
    return [shape.preparation_min, shape.infusion_min, shape.observation_min, shape.turnaround_min]


def plain_settings(settings: PlanSettings) -> dict[str, Any]:
    wishes = settings.wishes
    return {
        "n": settings.n,
        "steps": [
            [s.count, s.min_gap_days, s.max_gap_days, sorted(s.weekdays), s.target_gap_days, s.first_gap.value]
            for s in settings.steps
        ],
        "shape": minutes_of(settings.shape),
        "wishes": [
            wishes.earliest_min,
            wishes.latest_min,
            wishes.preferred_min,
            wishes.clinician_id,
            wishes.nurse_id,
            wishes.chair_id,
        ],
    }


def _settings(plain: Mapping[str, Any] | None, series: Series) -> PlanSettings:
    if plain is None:
        return series.settings
    earliest, latest, preferred, clinician, nurse, chair = plain["wishes"]
    steps = tuple(
        Step(count, low, high, frozenset(weekdays), target, FirstGap(first))
        for count, low, high, weekdays, target, first in plain["steps"]
    )
    wishes = replace(
        series.settings.wishes,
        earliest_min=earliest,
        latest_min=latest,
        preferred_min=preferred,
        clinician_id=clinician,
        nurse_id=nurse,
        chair_id=chair,
    )
    return replace(series.settings, n=plain["n"], steps=steps, shape=VisitShape(*plain["shape"]), wishes=wishes)


def from_token(series: Series, plain: Mapping[str, Any]) -> Proposed:
    settings = _settings(plain["settings"], series)
    to = {one.number: one for one in map(_placed, plain["to"])}
    kept = {one.number: one for one in series.plan if one.number <= settings.n or one.number in series.given}
    return Proposed(
        kind=RevisionKind(plain["kind"]),
        series=series,
        settings=settings,
        placed=tuple(one for _number, one in sorted((kept | to).items())),
        number=plain["number"],
        by_hand=plain["by_hand"],
        shapes={int(number): VisitShape(*minutes) for number, minutes in plain["shapes"].items()},
    )


# -- words -------------------------------------------------------------------------------------------------------------


def say_place(one: Placed) -> str:
    """Day and time: "Tue 13 Apr, 10:00"."""
    return say_day(one.day) if one.start_min is None else f"{say_day(one.day)}, {say_minute(one.start_min)}"


def summary_of(proposed: Proposed) -> str:
    """What a change did, in a sentence."""
    was = {one.number: one for one in proposed.series.plan}
    changed = proposed.changed
    others = [one.number for one in changed if one.number != proposed.number]
    rest = f"; {say_numbers(others)} shifted" if others else ""
    mine = next((one for one in changed if one.number == proposed.number), None)
    if proposed.kind in (RevisionKind.BOOKED, RevisionKind.INTERVAL, RevisionKind.STEPPED_BACK):
        return _summary_of_plan(proposed)
    if proposed.kind is RevisionKind.NUMBER:
        before, after = proposed.series.settings.n, proposed.settings.n
        return f"{before} → {say_count(after, 'infusion')}."
    is_offered_anew = proposed.kind is RevisionKind.OFFERED and mine is not None and mine.number not in was
    if mine is not None and (proposed.kind is RevisionKind.RESLOTTED or is_offered_anew):
        return f"Infusion {proposed.number} has a new time: {say_place(mine)}{rest}."
    if mine is not None and mine.number in was:
        before_place, after_place = say_place(was[mine.number]), say_place(mine)
        if before_place == after_place:
            return f"Infusion {mine.number} on {after_place}: chair, people or minutes changed{rest}."
        return f"Infusion {mine.number} moved from {before_place} to {after_place}{rest}."
    what = "Rhythm, gaps or minutes" if proposed.kind is RevisionKind.RHYTHM else "Times or people"
    return f"{what} changed{f'; {say_numbers(others)} moved' if others else ''}."


def _summary_of_plan(proposed: Proposed) -> str:
    """What a change to a plan of maintenance did."""
    if proposed.kind is RevisionKind.BOOKED:
        return f"Booked: {say_list([f'infusion {one.number} on {say_place(one)}' for one in proposed.changed])}."
    moved = [one.number for one in proposed.changed]
    rest = f"; {say_numbers(moved)} moved" if moved else ""
    return f"From infusion {proposed.number} on: {say_steps(_steps_from(proposed))}{rest}."


def _steps_from(proposed: Proposed) -> list[Step]:
    """The steps from the infusion on that the change is about."""
    found, last = [], 0
    for step in proposed.settings.steps:
        last += step.count
        if last >= proposed.number:
            found.append(replace(step, count=min(step.count, last - proposed.number + 1)))
    return found
