"""The first steps of a new clinic: what there is to do, in which order, how far it is, and the page where it is done.

Nothing is stored about them: a step is done when what it is about is there. So they can be left at any moment, taken up
by another manager, and never disagree with the set-up pages, which do all the writing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.urls import reverse
from django.utils.module_loading import import_string

from clinic.models import Location, User
from clinic.pure.roles import ROLE_LABELS, Can, Role
from clinic.services.overview import Overview, setup_cards

STEPS = (
    "clinic.services.welcome.location_step",
    "clinic.services.welcome.hours_step",
    "clinic.services.welcome.stations_step",
    "clinic.services.welcome.people_step",
    "clinic.services.welcome.shifts_step",
    "courses.services.welcome.protocols_step",
    "patients.services.welcome.intake_step",
    "patients.services.welcome.messages_step",
)
"""In their order. Those of other packages stand here as strings only: the place does not know them."""
BEFORE_A_PLACE = "First the location."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. ``url``: where; empty while an earlier step has to come first. ``said``: how far it is.

    ``is_needed``: nothing can be booked without it. ``waits``: done here, and now somebody else's turn.
    """

    key: str
    title: str
    text: str
    said: str
    url: str
    is_done: bool
    is_needed: bool = True
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the steps are judged by, read once.

    ``place``: the first location, the one that they set up. ``read``: what several steps of a package have in common.
    """

    place: Location | None
    overview: Overview
    read: dict[str, Any] = field(default_factory=dict)


class FindStep(Protocol):
    def __call__(self, facts: Facts) -> Step:
        """In a constant number of queries."""


@dataclass(frozen=True, slots=True)
class FirstSteps:
    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_over(self) -> bool:
        """True once visits can be booked: what is open after that can wait."""
        return all(step.is_done for step in self.steps if step.is_needed)

    @property
    def next(self) -> Step | None:
        """The first that is open and can be done now."""
        return next((step for step in self.steps if not step.is_done and step.url and not step.waits), None)

    def number(self, key: str) -> int | None:
        """1 for the first; None for a key that is none."""
        return next((number for number, step in enumerate(self.steps, 1) if step.key == key), None)

    def after(self, key: str) -> Step | None:
        """The next that can be opened after this one; None after the last."""
        number = self.number(key) or 0
        return next((step for step in self.steps[number:] if step.url), None)


def first_steps(*, now: datetime) -> FirstSteps:
    """How far the set-up of this clinic is."""
    overview = setup_cards(now=now)
    facts = Facts(overview.places[0].location if overview.places else None, overview)
    finders: list[FindStep] = [import_string(name) for name in STEPS]
    return FirstSteps(tuple(find(facts) for find in finders))


def first_page(person: User, *, now: datetime) -> str:
    """Where signing in leads this person while the clinic is not set up; empty: where it always does."""
    if not person.can(Can.EDIT_SETUP) or first_steps(now=now).is_over:
        return ""
    return reverse("setup:welcome")


# --- the steps of the place -------------------------------------------------------------------------------------------
def location_step(facts: Facts) -> Step:
    place = facts.place
    return Step(
        key="location",
        title="Location",
        text="Name, address and telephone as patients read them, and the time zone by which everything is planned.",
        said=f"{place}, {place.time_zone}" if place else "None yet.",
        url=reverse("setup:location_edit", args=[place.pk]) if place else reverse("setup:location_add"),
        is_done=place is not None,
    )


def hours_step(facts: Facts) -> Step:
    hours = facts.overview.places[0].hours if facts.place else ""
    return Step(
        key="hours",
        title="Opening hours",
        text="Nothing is offered outside of them. Closures and public holidays can follow later.",
        said=hours or (BEFORE_A_PLACE if facts.place is None else "None yet: nothing can be booked."),
        url=_of_place("setup:opening_hours", facts),
        is_done=bool(hours),
    )


def stations_step(facts: Facts) -> Step:
    chairs, rooms = (facts.overview.places[0].chairs, facts.overview.places[0].rooms) if facts.place else (0, 0)
    return Step(
        key="chairs",
        title="Chairs and rooms",
        text="Infusions take a chair, consultations a room. Add each one that can be used at the same time.",
        said=f"{chairs} chair{_s(chairs)}, {rooms} room{_s(rooms)}" if facts.place else BEFORE_A_PLACE,
        url=_of_place("setup:location", facts),
        is_done=bool(chairs and rooms),
    )


def people_step(facts: Facts) -> Step:
    counts = dict(facts.overview.people_by_role)
    lacking = [
        ROLE_LABELS[role] for role in (Role.CLINICIAN, Role.NURSE, Role.FRONT_DESK) if not counts[ROLE_LABELS[role]]
    ]
    people = facts.overview.people
    said = f"{people} {'person' if people == 1 else 'people'}."
    if lacking:
        said += f" Nobody yet as: {', '.join(lacking).lower()}."
    return Step(
        key="people",
        title="People",
        text="Who works here, and as what. Each gets a link and chooses a password; one person may have several roles.",
        said=said,
        url=reverse("setup:staff_add" if lacking else "setup:staff"),
        is_done=not {ROLE_LABELS[Role.CLINICIAN], ROLE_LABELS[Role.NURSE]} & set(lacking),
    )


def shifts_step(facts: Facts) -> Step:
    without = facts.overview.without_shifts
    bookable = sum(count for label, count in facts.overview.people_by_role if label in _bookable_labels())
    names = ", ".join(person.display_name for person in without[:3])
    said = "First the people." if not bookable else f"No shifts yet: {names}." if without else "Everybody has shifts."
    place = facts.place
    return Step(
        key="shifts",
        title="Who works when",
        text="A visit needs a nurse or clinician who is at work then. Give each a usual week; exceptions follow later.",
        said=said,
        url=reverse("setup:shifts", args=[without[0].pk, place.pk])
        if without and place
        else reverse("setup:staff_week")
        if bookable
        else "",
        is_done=bool(bookable) and not without,
    )


def _bookable_labels() -> frozenset[str]:
    return frozenset({ROLE_LABELS[Role.NURSE], ROLE_LABELS[Role.CLINICIAN]})


def _of_place(name: str, facts: Facts) -> str:
    return reverse(name, args=[facts.place.pk]) if facts.place else ""


def _s(count: int) -> str:
    return "" if count == 1 else "s"
