"""What a course of the cohort achieved, worked out a second time and differently: from the rows as they were written.

Nothing of ``courses.pure`` is used, nor the database. It is slow, plain, and only as general as the cohort asks.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from courses.tests.cohort_rows import ROWS, Row

TODAY = date(2027, 12, 20)
ZONES = {"Downtown": ZoneInfo("America/New_York"), "Harbour": ZoneInfo("America/Los_Angeles")}
GAPS = {"T-MWF6": (2, 4), "IV-KIT": (1, 14)}
REMISSION = {"phq9": 4, "qids16": 5}  # at most (clinical.md F1); PCL-5 has none


class Reading(NamedTuple):
    at: datetime  # with its zone
    day: date
    score: int


def day_of(row: Row, offset: int) -> date:
    return date.fromisoformat(row.start) + timedelta(days=offset)


def instant(row: Row, offset: int, clock: str) -> datetime:
    return datetime.combine(day_of(row, offset), time.fromisoformat(clock), ZONES[row.place])


def seconds_between(earlier: datetime, later: datetime) -> float:
    """Elapsed, not by the clocks on the wall."""
    return later.timestamp() - earlier.timestamp()


def same_person(key: str) -> list[Row]:
    mine = ROWS[key]
    return [row for other, row in ROWS.items() if other == key or (mine.person and row.person == mine.person)]


def readings(key: str, measure: str) -> list[Reading]:
    found = [
        Reading(instant(row, day, row.clocks.get(day, "07:00")), day_of(row, day), score)
        for row in same_person(key)
        for day, score in getattr(row, measure).items()
    ]
    return sorted(found, key=lambda one: one.at.timestamp())


def next_start(key: str) -> date:
    starts = [day_of(row, 0) for row in same_person(key)]
    return min((day for day in starts if day > day_of(ROWS[key], 0)), default=date.max)


def naive(key: str) -> dict[str, Any]:
    """Names as in ``CourseResult``; percentages as fractions."""
    row = ROWS[key]
    return _series(key, row) | _outcome(key, row)


def _series(key: str, row: Row) -> dict[str, Any]:
    days = [day_of(row, day) for day in row.days]
    smallest, largest = GAPS[row.protocol]
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    span = (days[-1] - days[0]).days + 1
    two_weeks_later = days[-1] + timedelta(days=14)
    pause = max((day_of(row, day) for day in row.booked), default=date.min)
    excused = (
        row.status == "transferred"
        or (row.died is not None and day_of(row, row.died) <= two_weeks_later)
        or next_start(key) <= two_weeks_later
        or bool(row.maintenance)
    )
    return {
        "started_on": days[0],
        "last_on": days[-1],
        "n_given": len(days),
        "n_given_in_all": len(days) + len(row.maintenance),
        "span_days": span,
        "gaps": len(gaps),
        "gaps_on_window": len([gap for gap in gaps if smallest <= gap <= largest]),
        "is_completed": len(days) >= row.n,
        "is_kit_completed": len(days) in (4, 5, 6, 7, 8) and 7 <= span <= 28,
        "is_dropped_out": len(days) < row.n and not excused and max(two_weeks_later, pause) < TODAY,
    }


def _outcome(key: str, row: Row) -> dict[str, Any]:
    measure = next(code for code in ("pcl5", "qids16", "phq9") if getattr(row, code))
    scores = [one for one in readings(key, measure) if one.day <= next_start(key)]
    begins = [instant(row, day, "10:15") for day in row.days]
    ends = [instant(row, day, "10:55") for day in row.days]
    before = [one for one in scores if one.at < begins[0] and one.day >= day_of(row, -14)]
    baseline = before[-1].score if before else None
    after = _after(scores, begins, ends, day_of(row, row.days[-1]))
    is_over = row.status not in ("planned", "active") or len(row.days) >= row.n or bool(row.maintenance)
    end = after.get(len(row.days)) if is_over else None
    is_evaluable = baseline is not None and (baseline >= 10 if measure == "phq9" else baseline > 0)
    better = {number: Fraction(baseline - one.score, baseline) for number, one in after.items()} if baseline else {}
    last = day_of(row, row.days[-1])
    asked_later = [one for one in scores if 14 <= (one.day - last).days <= 31] if is_over else []
    responded = [number for number in sorted(better) if better[number] >= Fraction(1, 2)] if is_evaluable else []
    name = _name(better.get(len(row.days)) if end else None, baseline, is_over=is_over, is_evaluable=is_evaluable)
    return {
        "measure": measure,
        "baseline": baseline,
        "is_evaluable": is_evaluable,
        "is_over": is_over,
        "end": name,
        "end_score": end.score if end else None,
        "end_improvement": better[len(row.days)] * 100 if end and baseline else None,
        "is_remission": end is not None and end.score <= REMISSION.get(measure, -1),
        "first_response": responded[0] if responded else None,
        "later_score": asked_later[0].score if asked_later else None,
        **(_held(row, scores, baseline, end, last) if name == "RESPONSE" and baseline and end else NOT_HELD),
    }


def _after(scores: list[Reading], begins: list[datetime], ends: list[datetime], last: date) -> dict[int, Reading]:
    found: dict[int, Reading] = {}
    for number, end in enumerate(ends, start=1):
        fresh = [one for one in scores if seconds_between(end, one.at) >= 20 * 60 * 60]
        if number < len(begins):
            fresh = [one for one in fresh if seconds_between(one.at, begins[number]) > 0]
        else:
            fresh = [one for one in fresh if one.day <= last + timedelta(days=14)]
        if fresh:
            found[number] = fresh[0]
    return found


def _name(better: Fraction | None, baseline: int | None, *, is_over: bool, is_evaluable: bool) -> str:
    if not is_over:
        return "RUNNING"
    if baseline is None:
        return "NO_BASELINE"
    if not is_evaluable:
        return "NOT_EVALUABLE"
    if better is None:
        return "NO_SCORE"
    return "RESPONSE" if 2 * better >= 1 else "PARTIAL" if 10 * better >= 3 else "NON_RESPONSE"


NOT_HELD = {"held_days": None, "has_relapsed": False}


def _held(row: Row, scores: list[Reading], baseline: int, end: Reading, last: date) -> dict[str, Any]:
    follow_up = [one for one in scores if one.at > end.at]
    relapses = [
        first.day
        for first, second in pairwise(follow_up)
        if 2 * first.score > baseline and 2 * second.score > baseline and (second.day - first.day).days >= 5
    ]
    if row.admitted is not None:
        relapses.append(day_of(row, row.admitted))
    until = min(relapses) if relapses else [end, *follow_up][-1].day
    return {"held_days": (until - last).days, "has_relapsed": bool(relapses)}
