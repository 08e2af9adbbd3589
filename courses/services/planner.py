"""The planner's desk: one patient's question with the calendar read once, the answer, and the plan being shaped.

Nothing is written here: a plan that is not booked yet lives in the address of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from clinic.models import Location
from clinic.services.freetime import Calendar
from courses.planning.moves import drop_zones, nearest, only_this, shift_rest
from courses.planning.proposals import answer, verdict_of
from courses.planning.question import Demand, reference_for
from courses.planning.settings import PlanSettings
from courses.planning.solver import solve
from courses.planning.types import Answer, Instance, Placed, Proposal, Rule, Severity, Verdict, Zone
from courses.planning.words import say_day, say_minute, say_numbers
from courses.services.absences import why_away
from courses.services.planner_person import OpenCourse, Person
from courses.services.planning_input import FARTHEST_DAYS, Team, build_instance, team_at

# -- the desk ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """One question with its calendar. ``course`` is the open course that the series would continue."""

    settings: PlanSettings
    person: Person
    location: Location
    team: Team
    calendar: Calendar
    instance: Instance
    course: OpenCourse | None

    @cached_property
    def answer(self) -> Answer:
        return answer(self.instance)

    def zones(self, plan: Sequence[Placed], number: int, *, shift: bool) -> tuple[Zone, ...]:
        """Where one infusion may go, and what the judge says of each day."""
        return drop_zones(self.instance, plan, number, shift_rest=shift)

    def judge(self, plan: Sequence[Placed]) -> Verdict:
        return verdict_of(self.instance, plan)

    def why_not(self, day: date, start_min: int | None) -> str:
        """What the patient's own times say against a start; empty when nothing."""
        return why_away(self.person.away, day, start_min, self.settings.shape.patient_min)


def open_desk(
    settings: PlanSettings,
    *,
    person: Person,
    location: Location,
    now: datetime,
    indication: str = "",
    team: Team | None = None,
    reaching: Iterable[Placed] = (),
) -> Desk:
    """The calendar is read for this question; it reaches every day of ``reaching`` as well."""
    crew = team or team_at(location)
    calendar = Calendar(location, known=(*crew.everything, person.patient.resource))
    course = person.course_for(indication)
    before = course.last_day if course is not None and settings.continues else None

    def read(horizon_days: int | None = None) -> Instance:
        return build_instance(
            settings,
            patient=person.patient,
            now=now,
            location=location,
            team=crew,
            calendar=calendar,
            away=person.away,
            before=before,
            horizon_days=horizon_days,
        )

    instance = read()
    farthest = max((one.day for one in reaching), default=None)
    if farthest is not None and (not instance.free.days or farthest > instance.free.days[-1]):
        instance = read(min(FARTHEST_DAYS, (farthest - instance.not_before).days + 1))
    return Desk(settings, person, location, crew, calendar, instance, course)


# -- the plan that is being shaped -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    """The plan on the page: a proposal as it came, or one that was changed by hand.

    ``key`` is the proposal's, empty after a change; ``refusal`` says why the last change was not carried out;
    ``moved`` are the numbers that the last change touched.
    """

    placed: tuple[Placed, ...]
    verdict: Verdict
    key: str = ""
    refusal: str = ""
    moved: frozenset[int] = frozenset()

    @property
    def blocked(self) -> frozenset[int]:
        """Numbers that cannot be booked as they stand."""
        return frozenset(one.number for one in self.verdict.findings if one.severity is Severity.BLOCK)

    @property
    def taken(self) -> frozenset[int]:
        """Numbers whose time is not free."""
        return frozenset(one.number for one in self.verdict.findings if one.rule is Rule.NOT_FREE)


@dataclass(frozen=True, slots=True)
class Move:
    """One infusion shall be somewhere else."""

    number: int
    day: date
    start_min: int | None
    shift: bool = False


def chosen_proposal(desk: Desk, key: str) -> Proposal | None:
    """The proposal with a key, else the first one."""
    proposals = desk.answer.proposals
    return next((one for one in proposals if one.key == key), proposals[0] if proposals else None)


def draft_of(desk: Desk, *, key: str = "", plan: Sequence[Placed] = (), move: Move | None = None) -> Draft | None:
    """What the page shows: the plan by hand where there is one, else the proposal; after a move, if it is legal."""
    if plan:
        draft = Draft(tuple(plan), desk.judge(plan))
    else:
        proposal = chosen_proposal(desk, key)
        if proposal is None:
            return None
        draft = Draft(proposal.placed, proposal.verdict, proposal.key)
    return draft if move is None else moved(desk, draft, move)


def moved(desk: Desk, draft: Draft, move: Move) -> Draft:
    """The draft with one infusion elsewhere, or the same draft with the judge's refusal."""
    if not 1 <= move.number <= desk.settings.n:
        return replace(draft, refusal=f"There is no infusion {move.number} in this series.")
    reason = desk.why_not(move.day, move.start_min)
    if reason:
        at = f" at {say_minute(move.start_min)}" if move.start_min is not None else ""
        return replace(draft, refusal=f"Infusion {move.number} cannot start on {say_day(move.day)}{at}: {reason}.")
    target = Placed(move.number, move.day, move.start_min)
    shape = shift_rest if move.shift else only_this
    found = shape(desk.instance, draft.placed, target)
    blocks = [one for one in found.verdict.findings if one.severity is Severity.BLOCK]
    mine = [one for one in blocks if one.number == move.number or move.shift or one.rule is Rule.OUT_OF_ORDER]
    if mine:
        return replace(draft, refusal=" ".join(dict.fromkeys(one.message for one in mine)))
    lost = set(found.missing) - _missing(desk, draft.placed)
    if lost:
        text = (
            f"The rest cannot follow: there is no legal free time for {say_numbers(sorted(lost))}. Nothing was moved."
        )
        return replace(draft, refusal=text)
    landed = next(one for one in found.placed if one.number == move.number)
    if landed.start_min is None:
        return replace(draft, refusal=f"{say_day(move.day)} has no free start for this visit.")
    return Draft(found.placed, desk.judge(found.placed), moved=frozenset(one.number for one in found.changes))


def _missing(desk: Desk, placed: Iterable[Placed]) -> set[int]:
    return set(range(1, desk.settings.n + 1)) - {one.number for one in placed}


def repaired(desk: Desk, plan: Sequence[Placed], lost: Iterable[int]) -> Draft | None:
    """The nearest plan to one that lost some times: on the same days, else with the others kept, else the best."""
    gone = set(lost)
    kept = {one.number: one for one in plan if one.number not in gone}
    same_day = [
        nearest(desk.instance, one.number, one.day, one.start_min, list(plan)) for one in plan if one.number in gone
    ]
    found: tuple[Placed, ...] | None = None
    if all(one is not None for one in same_day):
        found = tuple(sorted([*kept.values(), *(one for one in same_day if one)], key=lambda one: one.number))
    if found is None or not desk.judge(found).is_legal:
        asked = replace(desk.instance, fixed=kept)
        solution = solve(asked, Demand(), {one.number: one.day for one in reference_for(asked)})
        found = solution.placed if solution is not None else None
    if found is None or not desk.judge(found).is_legal:
        return draft_of(desk)
    was = {one.number: one for one in plan}
    return Draft(found, desk.judge(found), moved=frozenset(one.number for one in found if was.get(one.number) != one))
