"""The calendar: a day with a column per chair and person, a week with a column per day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.models import AllocationRole, BookingKind, Location, Resource, ResourceKind
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from clinic.pure.walltime import MinuteSpan
from courses.services.calendar import Shade, columns, shades, week
from courses.services.day import Taken, VisitCard, day_span, visits_between
from courses.services.hours import OpenDay, local_minutes, open_days_of

KINDS = {"infusion": "Infusions", "consultation": "Consultations", "block": "Blocked"}
SHORT_MIN = 20  # a stretch this short has room for one line
SHOWN = {"all": "Chairs and people", "chairs": "Chairs and rooms", "people": "People"}
EARLIEST, LATEST = 7 * 60, 19 * 60  # what the day shows at least, in minutes after midnight
YEARS = range(2000, 2101)


@requires(Can.VIEW_CALENDAR)
@require_GET
def calendar(request: HttpRequest) -> HttpResponseBase:
    place = current_location(request)
    if place is None:
        return render(request, "courses/today_empty.html")
    now = timezone.now()
    today = place.local(now).date()
    day = parse_day(request.GET.get("day"), today)
    kinds = frozenset(BookingKind(k) for k in request.GET.getlist("kind") if k in KINDS) or frozenset(BookingKind)
    shown = request.GET.get("show", "all")
    shown = shown if shown in SHOWN else "all"
    context = {
        "place": place,
        "day": day,
        "today": today,
        "kinds": [(key, label, key in kinds) for key, label in KINDS.items()],
        "filtered": len(kinds) < len(KINDS),
        "shown": shown,
        "shown_choices": SHOWN.items(),
    }
    if request.GET.get("view") == "week":
        return render(request, "courses/calendar_week.html", context | _week(place, day, now, kinds))
    return render(request, "courses/calendar_day.html", context | _day(request, place, day, kinds, shown))


def parse_day(text: str | None, default: date) -> date:
    """The day that an address asks for; the default when it is none, or too far away to be meant."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return default
    return day if day.year in YEARS else default


def _week(place: Location, day: date, now: datetime, kinds: frozenset[BookingKind]) -> dict[str, Any]:
    monday = day - timedelta(days=day.weekday())
    return {
        "days": week(place, monday, now=now, keep=kinds),
        "monday": monday,
        "sunday": monday + timedelta(days=6),
        "previous": day - timedelta(days=7),
        "next": day + timedelta(days=7),
        "view": "week",
    }


def _day(request: HttpRequest, place: Location, day: date, kinds: frozenset[BookingKind], shown: str) -> dict[str, Any]:
    stations, people = columns(place, day)
    cards = [c for c in visits_between(place, *day_span(place, day)) if c.kind in kinds]
    opened = open_days_of(place, day)[day]
    lo, hi = _hours(opened, [local_minutes(place, c.start, c.end, day) for c in cards])
    grey = shades(place, opened, stations, people, within=(lo, hi))
    wanted = [*(stations if shown != "people" else []), *(people if shown != "chairs" else [])]
    user = staff(request)
    return {
        "cards": cards,
        "opened": opened,
        "has_visits": any(c.patient for c in cards),
        "view": "day",
        "previous": day - timedelta(days=1),
        "next": day + timedelta(days=1),
        "data": {
            "day": day.isoformat(),
            "resources": [{"id": r.pk, "title": _label(r), "extendedProps": _column(r)} for r in wanted],
            "events": [
                *(_shade(day, shade) for shade in grey if shade.since_min < shade.until_min),
                *(e for c in cards for e in _events(place, day, c, may_move=_may_move(user, c))),
            ],
            "hours": [_hhmm(lo), _hhmm(hi)],
            "step": place.start_step_min,
            "now": place.local(timezone.now()).strftime("%Y-%m-%dT%H:%M"),
            "new_url": reverse("courses:new_visit") if user.can(Can.EDIT_BOOKING) else "",
        },
    }


def _may_move(user: Any, c: VisitCard) -> bool:  # noqa: ANN401 (clinic.models.User)
    asked = Can.MOVE_INFUSION if c.kind is BookingKind.INFUSION else Can.EDIT_BOOKING
    return c.status in UPCOMING_STATUSES and bool(user.can(asked))


def _label(resource: Resource) -> str:
    """Columns are narrow: "E. Hart"."""
    user = resource.user if resource.kind == ResourceKind.PERSON else None  # a chair has none: do not ask for it
    return f"{user.first_name[:1]}. {user.last_name}" if user and user.last_name else resource.name


def _column(resource: Resource) -> dict[str, str]:
    is_person = resource.kind == ResourceKind.PERSON
    return {"kind": resource.kind, "name": resource.user.display_name if is_person else resource.name}


def _hours(opened: OpenDay, booked: Sequence[MinuteSpan]) -> tuple[int, int]:
    """First and last minute to draw: 07:00 to 19:00, or further where the location is open or something is booked."""
    spans = [*opened.spans, *booked]
    return (
        min([EARLIEST, *(lo // 60 * 60 for lo, _ in spans)]),
        max([LATEST, *(-(-hi // 60) * 60 for _, hi in spans)]),
    )


def _hhmm(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _shade(day: date, shade: Shade) -> dict[str, Any]:
    """Grey behind the columns: time that has nothing to offer."""
    return {
        "resourceIds": list(shade.resource_ids),
        "start": _wall(day, shade.since_min),
        "end": _wall(day, shade.until_min),
        "display": "background",
        "extendedProps": {"why": shade.why},
    }


def _events(place: Location, day: date, c: VisitCard, *, may_move: bool) -> list[dict[str, Any]]:
    """One event for each column that the visit stands in, cut at midnight.

    The one on the chair or room can be dragged, and at a consultation the clinician's too: to another time, to another
    room, to another clinician.
    """
    found = []
    for t in c.taken:
        lo, hi = local_minutes(place, t.start, t.end, day)
        if lo < hi:
            found.append(
                {
                    "id": f"{c.booking_id}-{t.resource_id}-{t.role}",
                    "resourceIds": [t.resource_id],
                    "start": _wall(day, lo),
                    "end": _wall(day, hi),
                    "startEditable": may_move and _can_be_dragged(c, t) and place.local(t.start).date() == day,
                    "extendedProps": _props(place, c, t, hi - lo),
                }
            )
    return found


def _can_be_dragged(c: VisitCard, t: Taken) -> bool:
    if c.kind is BookingKind.CONSULTATION:
        return t is c.station or t.role == AllocationRole.CLINICIAN
    return t is c.station or c.kind is BookingKind.BLOCK


def _props(place: Location, c: VisitCard, t: Taken, length_min: int) -> dict[str, Any]:
    now = timezone.now()
    total = (t.end - t.start).total_seconds()
    pieces = c.stretches if t is c.station and c.kind is BookingKind.INFUSION else ()
    return {
        "who": c.who,
        "short": c.short,
        "what": c.what if c.patient else "blocked",
        "mark": f"{c.number}/{c.of}" if c.number else "consult." if c.patient else "",
        "from": f"{place.local(t.start):%H:%M}",
        "time": f"{place.local(t.start):%H:%M}–{place.local(t.end):%H:%M}",
        "isShort": length_min <= SHORT_MIN,
        "kind": c.kind,
        "status": c.status,
        "state": (c.pencil_at(now) or c.state) if c.patient else "",
        "isPencilled": bool(c.pencil_at(now)),
        "sheet": reverse("courses:visit", args=[c.booking_id]),
        "move": reverse("courses:move_visit", args=[c.booking_id]),
        "version": c.version,
        "pieces": [[p.stage, round(100 * (p.end - p.start).total_seconds() / total, 2)] for p in pieces],
    }


def _wall(day: date, minute: int) -> str:
    """The location's clocks, without an offset: the browser shows them as they are, whatever its own zone."""
    at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    return at.strftime("%Y-%m-%dT%H:%M:%S")
