"""What every page shows around its content: the rail, the location."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string

from clinic.edge.access import staff
from clinic.edge.handover import handed_over_to
from clinic.models import Location
from clinic.pure.roles import Can

LOCATION_KEY = "location_id"
OPENED_KEY = "cadence_opened"
"""Of a request: the openings by which its page is seen at all (clinic.edge.reach)."""
FIRST_STEP_KEY = "first_step"
"""In the session while a manager is on the way through the first steps: what the bar above each page says."""


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    icon: str
    url: str
    is_current: bool
    count: int = 0  # of what waits there, for this person's location
    counted: str = ""

    @property
    def count_id(self) -> str:
        """Of the number in the page: "rail-count", with the last part of the address where there are several."""
        return "rail-count" if self.url.startswith("/worklists/") else f"rail-count-{self.url.strip('/')}"


RailRow = tuple[str, str, str, str | None, Can | tuple[Can, ...]]
# label, icon, name of the address, the beginning of the addresses that belong to it, who sees it (any of several).
# Other packages stand here as strings only: the place does not know them.
RAIL: tuple[RailRow, ...] = (
    ("Today", "sun", "courses:today", None, Can.VIEW_CALENDAR),
    ("Calendar", "calendar", "courses:calendar", "/calendar/", Can.VIEW_CALENDAR),
    ("Chairs", "armchair", "board:board", "/chairs/", Can.VIEW_CALENDAR),
    ("Patients", "users", "patients:list", "/patients/", Can.VIEW_PATIENT),
    ("Intake", "inbox", "intake:board", "/intake/", Can.VIEW_REQUESTS),
    ("Worklists", "list-check", "worklists:all", "/worklists/", Can.VIEW_WORKLISTS),
    ("Messages", "messages", "outbox:list", "/messages/", Can.VIEW_MESSAGES),
    ("Courses", "timeline", "courses:list", "/courses/", Can.VIEW_COURSE),
    (
        "Reports",
        "chart-bar",
        "reports:index",
        "/reports/",
        (Can.VIEW_OUTCOME_REPORTS, Can.VIEW_OPERATION_REPORTS),
    ),
    ("Drug log", "bottle", "stock:lots", "/stock/", Can.VIEW_STOCK),
    ("Protocols", "clipboard-list", "courses:protocols", "/protocols/", Can.VIEW_PROTOCOL),
)
RAIL_COUNTS = {
    "worklists:all": (("waiting_tasks",), "open tasks"),
    "outbox:list": (("waiting_messages", "waiting_answers"), "messages need somebody"),
}
"""Address -> the annotations of the location whose rows are added up beside it (their "n"), and what they are."""
LOCATION_FACTS = (
    "patients.services.alerts.waiting_count",
    "courses.services.attention.stock_waiting",
    "courses.services.worklists.page.tasks_waiting",
    "courses.services.freed.freed_waiting",
    "patients.services.messages.outbox.messages_waiting",
)
"""What is counted for each location on every page: annotations, named as strings for the same reason.

Asked for once, so whatever they compare with the present moment they compare with a ``Moment``.
"""
RAIL_FOOT: tuple[RailRow, ...] = (("Set-up", "settings", "setup:index", "/setup/", Can.EDIT_SETUP),)


def active_locations(request: HttpRequest, *, also: Mapping[str, Any] | None = None) -> list[Location]:
    """The active locations that this person reaches, read once for each request.

    Args:
        also: annotations that the first who asks wants to have along.
    """
    known: list[Location] | None = request.__dict__.get("cadence_locations")
    if known is None:
        places, reach = _places().annotate(**also or {}), staff(request).reach
        if reach is not None:
            places = places.filter(pk__in=reach)
        known = request.__dict__["cadence_locations"] = list(places)
    return known


_kept = threading.local()


def _places() -> QuerySet[Location]:
    """The active locations with their facts, not read yet.

    Putting the query together takes longer than asking it, so each thread does it once.
    """
    if not hasattr(_kept, "places"):
        facts = {name: fact for path in LOCATION_FACTS for name, fact in import_string(path)().items()}
        _kept.places = Location.objects.active().annotate(**facts)
    return _kept.places.all()


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """Danger signals that wait at the active locations, and how many of them are escalated."""

    waiting: int
    escalated: int

    @property
    def seen(self) -> str:
        """What the browser sends back, so that it is told only news."""
        return f"{self.waiting}.{self.escalated}"


def alert_counts(request: HttpRequest) -> AlertCounts:
    """Counted in the query that reads the locations: no query of its own."""
    places: Any = active_locations(request)
    return AlertCounts(sum(place.waiting_alerts for place in places), sum(place.escalated_alerts for place in places))


def current_location(request: HttpRequest) -> Location | None:
    """The location that this person works at now: the one chosen, else their own, else the first."""
    places = active_locations(request)
    wanted = request.session.get(LOCATION_KEY) or staff(request).home_location_id
    return next((place for place in places if place.pk == wanted), places[0] if places else None)


def rail_count(name: str, place: Location | None) -> tuple[int, str]:
    """How much waits at the address for this location, and what: (12, "open tasks"). Costs no query of its own."""
    facts, counted = RAIL_COUNTS.get(name, ((), ""))
    return sum(row["n"] for fact in facts for row in getattr(place, fact, ())), counted


def shell(request: HttpRequest) -> dict[str, Any]:
    """The rail and the location chooser, for signed-in people."""
    if handed_over_to(request):
        return {"is_handed_over": True}  # base.html then shows neither the rail nor notices meant for staff
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    person = staff(request)

    place = current_location(request)

    def entries(rows: tuple[RailRow, ...]) -> list[Entry]:
        return [
            Entry(
                label,
                icon,
                url,
                request.path.startswith(prefix) if prefix else request.path == url,
                *rail_count(name, place),
            )
            for label, icon, name, prefix, needs in rows
            if any(person.can(one) for one in (needs if isinstance(needs, tuple) else (needs,)))
            for url in [reverse(name)]
        ]

    return {
        "nav_entries": entries(RAIL),
        "nav_foot": entries(RAIL_FOOT),
        "current_location": place,
        "locations": active_locations(request),
        "opened_records": list(request.__dict__.get(OPENED_KEY, {}).values()),
        "idle_minutes": settings.CADENCE_IDLE_MINUTES,
        "alert_counts": alert_counts(request) if person.can(Can.VIEW_ALERT) else None,
        "first_step": request.session.get(FIRST_STEP_KEY),
        "second_factor_is_due": getattr(person, "needs_second_factor", False),
    }
