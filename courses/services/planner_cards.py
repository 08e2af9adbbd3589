"""What the planner's page says about a plan: cards, table, the judge's line, reasons, ways out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from courses.planning.dates import gap_days, next_target
from courses.planning.question import allowed_starts
from courses.planning.types import Finding, Placed, Proposal, ReferenceDate, Rule, Severity, Verdict, WayOut
from courses.planning.words import WEEKDAYS, say_count, say_day, say_days, say_list, say_minute
from courses.services.plan_address import encode
from courses.services.planner import Desk, Draft

LETTERS = "ABCDEFGH"
WEEKS_DRAWN = 4


# -- cards -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """One proposal, as a person compares it with the others."""

    key: str
    letter: str
    label: str
    days: str
    span: str
    gaps: str
    times: str
    people: tuple[str, ...]
    window: str
    costs: tuple[str, ...]
    weeks: tuple[tuple[int | None, ...], ...]
    is_chosen: bool
    needs_reason: bool


def cards_of(desk: Desk, draft: Draft | None) -> list[Card]:
    """The proposals in their order, as A, B, C."""
    names = desk.team.names()
    chosen = draft.key if draft is not None else ""
    return [
        _card(letter, proposal, names, chosen) for letter, proposal in zip(LETTERS, desk.answer.proposals, strict=False)
    ]


def _card(letter: str, proposal: Proposal, names: dict[int, str], chosen: str) -> Card:
    placed, verdict = proposal.placed, proposal.verdict
    return Card(
        key=proposal.key,
        letter=letter,
        label=proposal.label,
        days=say_stretch(placed),
        span=say_days(verdict.span_days),
        gaps=" ".join(str(gap) for gap in verdict.gaps_days),
        times=say_times(placed),
        people=tuple(
            say_list([names.get(pk, "?") for pk in _most_first(ids)])
            for ids in (
                [one.chair_id for one in placed],
                [one.nurse_id for one in placed],
                [one.clinician_id for one in placed],
            )
            if any(pk is not None for pk in ids)
        ),
        window=say_window(verdict),
        costs=proposal.costs,
        weeks=_weeks(placed),
        is_chosen=proposal.key == chosen,
        needs_reason=bool(verdict.needs_override),
    )


def say_stretch(placed: Sequence[Placed]) -> str:
    """First and last day: "Mon 11 – Fri 22 Jan"."""
    if not placed:
        return ""
    first, last = placed[0].day, placed[-1].day
    if first == last:
        return say_day(first)
    begin = f"{WEEKDAYS[first.weekday()]} {first.day}" if (first.year, first.month) == (last.year, last.month) else ""
    return f"{begin or say_day(first)} – {say_day(last)}"


def say_times(placed: Iterable[Placed]) -> str:
    """The times of day: "always 10:00", or "09:00 to 10:30, mostly 09:30"."""
    minutes = sorted(one.start_min for one in placed if one.start_min is not None)
    if not minutes:
        return ""
    if minutes[0] == minutes[-1]:
        return f"always {say_minute(minutes[0])}"
    most = max(sorted(set(minutes)), key=minutes.count)
    often = f", mostly {say_minute(most)}" if minutes.count(most) > 1 else ""
    return f"{say_minute(minutes[0])} to {say_minute(minutes[-1])}{often}"


def say_window(verdict: Verdict) -> str:
    """How many gaps are inside their limits."""
    count = len(verdict.gaps_days)
    if not count:
        return "no gap to judge"
    return f"{verdict.on_window} of {say_count(count, 'gap')} within limits"


def _most_first(ids: Sequence[int | None]) -> list[int]:
    known = [pk for pk in ids if pk is not None]
    return sorted(dict.fromkeys(known), key=lambda pk: -known.count(pk))


def _weeks(placed: Sequence[Placed]) -> tuple[tuple[int | None, ...], ...]:
    """Monday to Friday (to Sunday where needed) of each week, with the infusion's number; none for a long plan."""
    if not placed:
        return ()
    monday = placed[0].day - timedelta(days=placed[0].day.weekday())
    count = gap_days(monday, placed[-1].day) // 7 + 1
    if count > WEEKS_DRAWN:
        return ()
    number_on = {one.day: one.number for one in placed}
    width = 7 if any(one.day.weekday() > 4 for one in placed) else 5  # noqa: PLR2004 (Friday)
    return tuple(
        tuple(number_on.get(monday + timedelta(days=7 * week + day)) for day in range(width)) for week in range(count)
    )


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remark:
    """A short word about an infusion; ``tone`` is ok, note, warn or danger."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One infusion of the plan; without ``placed`` it has no time yet."""

    number: int
    placed: Placed | None
    code: str
    leaves_min: int | None
    gap: int | None
    chair: str
    nurse: str
    clinician: str
    remarks: tuple[Remark, ...]
    breach: Finding | None
    is_moved: bool
    is_blocked: bool


def rows_of(desk: Desk, draft: Draft) -> list[Row]:
    """Every infusion by number."""
    names = desk.team.names()
    placed = {one.number: one for one in draft.placed}
    off = off_rhythm(desk, draft)
    rows = []
    for number in range(1, desk.settings.n + 1):
        one, before = placed.get(number), placed.get(number - 1)
        earlier = before.day if before else (desk.instance.before if number == 1 else None)
        mine = [finding for finding in draft.verdict.findings if finding.number == number]
        rows.append(
            Row(
                number=number,
                placed=one,
                code=encode(one) if one is not None else "",
                leaves_min=one.start_min + desk.settings.shape.patient_min
                if one and one.start_min is not None
                else None,
                gap=gap_days(earlier, one.day) if one and earlier else None,
                chair=names.get(one.chair_id or 0, "") if one else "",
                nurse=names.get(one.nurse_id or 0, "") if one else "",
                clinician=names.get(one.clinician_id or 0, "") if one else "",
                remarks=tuple(_remarks(desk, one, mine, off.get(number))),
                breach=next((finding for finding in mine if finding.severity is Severity.BREACH), None),
                is_moved=number in draft.moved,
                is_blocked=number in draft.blocked,
            )
        )
    return rows


def _remarks(desk: Desk, one: Placed | None, findings: Sequence[Finding], off: OffRhythm | None) -> Iterable[Remark]:
    if one is None:
        yield Remark("warn", "no legal free time")
        return
    for finding in findings:
        if finding.rule is Rule.OFF_RHYTHM and off is not None:
            continue
        tone = {Severity.BLOCK: "danger", Severity.BREACH: "warn", Severity.NOTE: "note"}[finding.severity]
        away = desk.why_not(one.day, one.start_min) if finding.severity is Severity.BLOCK else ""
        yield Remark(tone, f"{away[0].upper()}{away[1:]}." if away else _short(finding))
    if off is not None:
        yield Remark("note", off.message)


def _short(finding: Finding) -> str:
    """A gap in a table needs no name; the whole sentence stands where the reason is asked for."""
    if finding.actual is None or finding.limit is None:
        return finding.message
    if finding.rule is Rule.GAP_TOO_LONG:
        return f"{say_days(finding.actual)} apart, at most {finding.limit} allowed."
    if finding.rule is Rule.GAP_TOO_SHORT:
        return f"{say_days(finding.actual)} apart, at least {finding.limit} needed."
    return finding.message


@dataclass(frozen=True, slots=True)
class OffRhythm:
    """An infusion that is not on the day that the rhythm gives it, counted from the infusion before it (R4)."""

    target: date
    is_closure: bool
    message: str


def off_rhythm(desk: Desk, draft: Draft) -> dict[int, OffRhythm]:
    """The infusions that left the rhythm, and why, as far as the calendar tells."""
    rule, found = desk.instance.rule, {}
    placed = {one.number: one for one in draft.placed}
    first = next((one.target for one in desk.answer.reference if one.number == 1), None)
    for number, one in sorted(placed.items()):
        before = placed.get(number - 1)
        gap = rule.into(number)
        earlier = before.day if before is not None else (desk.instance.before if number == 1 else None)
        target = (
            next_target(earlier, gap) if earlier is not None and gap is not None else (first if number == 1 else None)
        )
        if target is not None:
            target = _past_weekends(desk, target, one.day)
        if target is not None and target != one.day:
            found[number] = _why_off(desk, draft, one, target)
    return found


def _past_weekends(desk: Desk, target: date, latest: date) -> date:
    """The target, or the first day after it that the clinic's week knows: a usual day off is no closure."""
    day = target
    while day < latest and day not in desk.instance.free.open_days and not desk.calendar.why_closed(day):
        day += timedelta(days=1)
    return day


def _why_off(desk: Desk, draft: Draft, one: Placed, target: date) -> OffRhythm:
    instance, day = desk.instance, say_day(target)
    if target not in instance.free.open_days:
        reason = desk.calendar.why_closed(target)
        return OffRhythm(target, True, f"Moved from {day}: closed{f' ({reason})' if reason else ''}.")
    if target in instance.wishes.unavailable:
        return OffRhythm(target, False, f"Moved from {day}: the patient cannot come.")
    if target in instance.free.days and not allowed_starts(instance)[instance.free.days.index(target)].any():
        return OffRhythm(target, False, f"Moved from {day}: no free time.")
    if one.number in draft.moved or not draft.key:
        return OffRhythm(target, False, f"The rhythm would be {day}.")
    return OffRhythm(target, False, f"Moved from {day}: the others would not fit.")


def why_moved(desk: Desk, reference: ReferenceDate) -> str:
    """Why the rhythm's own day cannot be used."""
    reason = desk.calendar.why_closed(reference.target)
    return f"closed ({reason})" if reason else "the clinic is closed"


# -- the judge's line, and why ---------------------------------------------------------------------------------------


def judge_line(desk: Desk, draft: Draft) -> list[Remark]:
    """The judge in a line: gaps, what closures moved, how long it takes."""
    verdict, placed = draft.verdict, draft.placed
    breaches, blocks = verdict.needs_override, draft.blocked
    line = []
    if blocks:
        line.append(Remark("danger", f"{say_count(len(blocks), 'infusion')} cannot be booked as planned"))
    if breaches:
        line.append(Remark("warn", f"{say_count(len(breaches), 'gap')} outside the limits"))
    elif not blocks and verdict.gaps_days:
        line.append(Remark("ok", "all gaps legal"))
    elif not blocks:
        line.append(Remark("ok", "legal"))
    off = off_rhythm(desk, draft)
    closed = [one.target for one in off.values() if one.is_closure]
    if closed:
        days = say_list([say_day(day) for day in closed])
        line.append(
            Remark("note", f"{len(closed)} moved by the {'closure' if len(closed) == 1 else 'closures'} {days}")
        )
    if len(off) > len(closed):
        why = " for want of time" if draft.key else ""
        line.append(Remark("note", f"{len(off) - len(closed)} off the rhythm{why}"))
    if placed:
        line.append(Remark("note", f"ends in {say_days(verdict.span_days)}, {say_day(placed[-1].day)}"))
    line += [Remark("warn", one.message) for one in verdict.findings if one.number == 0]
    return line


@dataclass(frozen=True, slots=True)
class Reason:
    """Where the protocol puts an infusion, by which rule of clinical.md H0."""

    number: int
    day: date
    rule: str
    text: str


def reasons_of(desk: Desk) -> list[Reason]:
    """Each reference date with the rule that gave it (R1-R6)."""
    found = []
    for one in desk.answer.reference:
        if one.is_breach:
            rule, text = (
                "R3c",
                f"no open day within the limits around {say_day(one.target)}; the next open day after them",
            )
        elif one.moved and one.day > one.target:
            rule, text = (
                "R3a",
                f"{say_day(one.target)}: {why_moved(desk, one)}; the next open day within the largest gap",
            )
        elif one.moved:
            rule, text = "R3b", f"{say_day(one.target)}: {why_moved(desk, one)}; the last open day before it"
        elif one.number == 1 and one.gap_days is None:
            rule, text = "R2", "the first day of the rhythm on or after the day that was asked for"
        else:
            gap = "" if one.gap_days is None else f", {say_days(one.gap_days)} after the one before"
            rule, text = "R2", f"the next day of the rhythm with at least the smallest gap{gap}"
        found.append(Reason(one.number, one.day, rule, text))
    return found


# -- ways out ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of "5 of 6 fit". ``kind`` says which button it gets: allow, hours, absence, or none."""

    message: str
    kind: str
    number: int
    day: date | None
    start_min: int | None


def exits_of(desk: Desk) -> list[Exit]:
    """The ways out of an answer that does not hold everything."""
    return [Exit(way.message, _kind(desk, way), way.number, way.day, way.start_min) for way in desk.answer.missing]


def _kind(desk: Desk, way: WayOut) -> str:
    wishes = desk.instance.wishes
    if way.needs is not None:
        return "all" if way.message.startswith("All ") else "allow"
    if way.day in wishes.unavailable:
        return "absence"
    low, high = wishes.earliest_min, wishes.latest_min
    start = way.start_min
    if start is not None and ((low is not None and start < low) or (high is not None and start > high)):
        return "hours"
    return "none"
