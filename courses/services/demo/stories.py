"""The courses of the demo clinic: who is where in treatment on the day the demo is loaded. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from patients.pure.indications import Indication

DOWNTOWN, LAKESIDE = 0, 1


class Turn(StrEnum):
    """What happens to an infusion instead of being given at its first time."""

    MISSED = "missed"  # and given a new time by R5
    MISSED_OPEN = "missed_open"  # nobody has found a new time yet
    HELD = "held"  # blood pressure; new time by R5
    LEFT = "left"  # missed, and the patient does not come back


class End(StrEnum):
    NONE = "none"
    COMPLETED = "completed"
    STOPPED = "stopped"
    TRANSFERRED = "transferred"
    LOST = "lost"


class Intake(StrEnum):
    """How far the patient's intake is when the series is booked."""

    READY = "ready"
    UNFINISHED = "unfinished"  # no baseline yet: the series is held with a pencil
    OVERRIDDEN = "overridden"  # no baseline yet, and a clinician lets the series start


class After(StrEnum):
    """How it goes on when the series is done and no maintenance is booked."""

    NONE = "none"
    HOLDS = "holds"  # the response holds; infusions as needed
    FADES = "fades"  # it fades within weeks: a relapse, and a booster to propose
    OBSERVED = "observed"  # no more infusions
    UNPLANNED = "unplanned"  # nobody has decided yet
    WORSENS = "worsens"  # more than five points above the start, while the series goes on


@dataclass(frozen=True, slots=True)
class Story:
    """One course.

    Args:
        start: the day on which the first infusion is looked for, counted from today.
        protocol: slug of the initial series.
        n: infusions.
        weekdays: rhythm as offsets from today's weekday (0 = today), or empty for the protocol's own.
        turns: number of the infusion -> what happens at its first time.
        then: slug of the maintenance protocol that follows, booked when the series is done.
        intake: how far the patient's intake is when the series is booked.
        after: how the scores go, and how it goes on after the series.
        to: to whom the patient is transferred.
        consented: the day on which the consent was signed, counted from today; shortly before the series if empty.
    """

    start: int
    protocol: str = "T-MWF6"
    n: int = 6
    indication: Indication = Indication.TRD
    site: int = DOWNTOWN
    weekdays: tuple[int, ...] = ()
    morning: bool = True
    turns: Mapping[int, Turn] = field(default_factory=dict)
    then: str = ""
    end: End = End.NONE
    reason: str = ""
    intake: Intake = Intake.READY
    after: After = After.NONE
    to: str = ""
    consented: int | None = None


TODAYS = (0, 2, 4)  # three a week, one of them on today's weekday
TWICE = (0, 3)
WORSENING = 10
LAST_YEAR = -355  # a consent of that day ends within two weeks


def stories() -> tuple[Story, ...]:
    """Nearly eighty courses in every phase, the same at every call."""
    return (
        *_in_series(),
        *_with_turns(),
        *_to_start(),
        *_in_maintenance(),
        *_ended(),
        *_with_spray(),
        *_followed(),
        *_lost(),
    )


def _in_series() -> list[Story]:
    """In the initial series now, at every number."""
    rows = [Story(start=-offset, weekdays=TODAYS, morning=offset % 2 == 0) for offset in (13, 11, 9, 9, 7, 7, 4, 2, 0)]
    rows += [
        Story(
            start=-offset,
            indication=Indication.MDD,
            morning=offset % 3 != 0,
            after=After.WORSENS if offset == WORSENING else After.NONE,
        )
        for offset in (12, 10, 8, 6, 5, 3, 1)
    ]
    rows += [Story(start=-offset, protocol="T-2W6", weekdays=TWICE, morning=False) for offset in (17, 14, 10, 7, 3)]
    rows += [Story(start=-11, protocol="T-SEED8", n=8, weekdays=TODAYS), Story(start=-4, protocol="T-SEED8", n=8)]
    rows += [Story(start=-9, protocol="T-PTSD6", indication=Indication.PTSD, weekdays=TODAYS)]
    rows += [Story(start=-offset, site=LAKESIDE) for offset in (13, 10, 8, 4, 1)]
    rows += [Story(start=-6, site=LAKESIDE, indication=Indication.BIPOLAR)]
    rows += [Story(start=-10, protocol="T-2W6", site=LAKESIDE, morning=False, indication=Indication.ANXIETY)]
    return rows


def _with_turns() -> list[Story]:
    """Series in which something went otherwise."""
    return [
        Story(start=-12, weekdays=TODAYS, turns={3: Turn.MISSED}),
        Story(start=-10, turns={2: Turn.HELD}),
        Story(start=-9, weekdays=TODAYS, turns={2: Turn.HELD, 4: Turn.MISSED}),
        Story(start=-8, turns={3: Turn.MISSED_OPEN}, indication=Indication.MDD),
        Story(start=-7, protocol="T-2W6", turns={2: Turn.MISSED_OPEN}),
        Story(start=-6, site=LAKESIDE, turns={2: Turn.MISSED_OPEN}),
        Story(start=-34, turns={3: Turn.LEFT}),
        Story(start=-40, protocol="T-2W6", turns={2: Turn.LEFT}, indication=Indication.PTSD),
        Story(start=-30, site=LAKESIDE, turns={5: Turn.LEFT}),
    ]


def _to_start() -> list[Story]:
    """Booked, not begun."""
    rows = [Story(start=offset, morning=offset % 2 == 0) for offset in (1, 2, 3, 5)]
    rows += [Story(start=4, intake=Intake.UNFINISHED), Story(start=3, protocol="T-2W6", intake=Intake.OVERRIDDEN)]
    rows += [Story(start=5, site=LAKESIDE, intake=Intake.UNFINISHED)]
    rows += [Story(start=6, protocol="T-2W6"), Story(start=9, protocol="T-SEED8", n=8)]
    rows += [Story(start=2, site=LAKESIDE), Story(start=7, site=LAKESIDE, protocol="T-YALE4", n=4)]
    return rows


def _in_maintenance() -> list[Story]:
    """The series is done and the taper has begun."""
    rows = [Story(start=-24, then="M-W4", consented=LAST_YEAR)]
    rows += [Story(start=-offset, then="M-W4") for offset in (26, 28, 31, 33, 38)]
    rows += [Story(start=-offset, then="M-CANBIND", indication=Indication.MDD) for offset in (27, 45, 59, 80)]
    rows += [Story(start=-29, then="M-W4", site=LAKESIDE), Story(start=-52, then="M-CANBIND", site=LAKESIDE)]
    return rows


def _followed() -> list[Story]:
    """The series is done, the course is open, and the scores are followed."""
    return [
        Story(start=-41, after=After.HOLDS, site=LAKESIDE),
        Story(start=-46, after=After.FADES, site=LAKESIDE, indication=Indication.MDD),
        Story(start=-38, after=After.OBSERVED, site=LAKESIDE),
        Story(start=-22, after=After.UNPLANNED, site=LAKESIDE),
        Story(start=-43, after=After.FADES, site=LAKESIDE),
        # Both before the others of their location, so that they take no time from anybody who is here today.
        Story(start=-78, protocol="T-PTSD6", site=LAKESIDE, after=After.FADES, indication=Indication.PTSD),
        # Missed the first one weeks ago: the decision by which the series was to begin is about to expire.
        Story(start=-68, site=LAKESIDE, turns={1: Turn.LEFT}, indication=Indication.MDD),
    ]


def _ended() -> list[Story]:
    """Closed courses, with the reason."""
    return [
        Story(start=-70, end=End.COMPLETED, reason="Series completed, remission, follow-up with the referrer"),
        Story(start=-62, protocol="T-2W6", end=End.COMPLETED, reason="Series completed, response"),
        Story(start=-90, end=End.COMPLETED, reason="Series completed, patient prefers to wait"),
        Story(start=-55, site=LAKESIDE, end=End.COMPLETED, reason="Series completed, response"),
        Story(
            start=-48,
            turns={3: Turn.LEFT},
            end=End.TRANSFERRED,
            to="Harbor Psychiatry, Boston",
            reason="Moved away, records sent to the new clinic",
        ),
        Story(start=-66, turns={2: Turn.LEFT}, end=End.STOPPED, reason="Side effects, patient chose to stop"),
        Story(start=-75, protocol="T-SEED8", n=8, then="M-W4", end=End.COMPLETED, reason="Maintenance completed"),
    ]


def _lost() -> list[Story]:
    """Nobody could reach them any more."""
    tried = "Called three times, texted twice; the letter came back"
    return [Story(start=-100, turns={2: Turn.LEFT}, end=End.LOST, reason=tried)]


def _with_spray() -> list[Story]:
    """Esketamine: the form of the REMS is due after each session."""
    return [Story(start=-7, protocol="T-ESK", n=8, weekdays=TWICE, site=LAKESIDE)]
