"""The outbox of the location at which this person works."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location, rail_count
from clinic.edge.htmx import is_fragment
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from patients.models import Channel, Message, MessageEvent
from patients.services.messages.outbox import (
    GROUPS,
    UNDECIDED,
    Group,
    OutboxFilter,
    events_to_choose,
    group_counts,
    outbox,
    rows_of,
)
from patients.views.record import moment_of

TEXT_AT_MOST = 80
SORTS = {
    "when": ["due_at"],
    "to": ["patient__family_name", "patient__given_name", "due_at"],
    "about": ["event", "due_at"],
    "state": ["state", "due_at"],
}
CHANNELS = (
    (Channel.SMS.value, "Text message"),
    (Channel.EMAIL.value, "E-mail"),
    (Channel.PHONE.value, "Phone call"),
    (UNDECIDED, "Not chosen yet"),
)
CHANGED = "messages-changed"
"""Lists of messages listen for it and fetch themselves again."""
NOTHING = {
    Group.COMING: ("Nothing is waiting to go out", "Reminders stand here as soon as visits are booked."),
    Group.CALL: (
        "Nobody is to be called",
        "Whoever may not be texted or written to stands here when a message is due.",
    ),
    Group.FAILED: ("Nothing failed", "What a provider refuses, or cannot deliver, stands here until it is settled."),
    Group.SENT: ("Nothing has gone out yet", "What was sent, delivered or told on the phone stands here."),
    Group.SKIPPED: (
        "Nothing was left out",
        "What was held back, came too late or is not needed stands here, with why.",
    ),
    Group.ALL: ("No messages yet", "Reminders stand here as soon as visits are booked."),
}
"""Title and text of an empty list."""


@require_GET
@requires(Can.VIEW_MESSAGES)
def outbox_page(request: HttpRequest) -> HttpResponse:
    """What will be sent, was sent, failed or was skipped; filters, order and page stand in the address."""
    wanted, by, place = filter_in(request), staff(request), current_location(request)
    today = moment_of(request).today
    rows = outbox(wanted, location=place, by=by, today=today) if place else Message.objects.none()
    page = listing(request, rows, sorts=SORTS, default="when" if wanted.group is Group.COMING else "-when")
    counts = group_counts(place) if place else {}
    count, counted = rail_count("outbox:list", place)
    context: dict[str, Any] = {
        "count": count,
        "counted": counted,
        "listing": page,
        "rows": rows_of(page.rows, by=by),
        "wanted": wanted,
        "groups": [(group, label, counts.get(group, 0)) for group, (label, _) in GROUPS.items()],
        "events": events_to_choose(),
        "channels": CHANNELS,
        "place": place,
        "nothing": NOTHING[wanted.group],
        "address": request.get_full_path(),
    }
    name = "patients/messages/_rows.html" if is_fragment(request) else "patients/messages/outbox.html"
    return render(request, name, context)


def filter_in(request: HttpRequest) -> OutboxFilter:
    """What the address asks for; whatever is no choice there counts as not asked."""
    asked = {name: request.GET.get(name, "") for name in ("show", "kind", "channel", "day", "q")}
    return OutboxFilter(
        group=Group(asked["show"]) if asked["show"] in set(Group) else Group.COMING,
        event=asked["kind"] if asked["kind"] in MessageEvent.values else "",
        channel=asked["channel"] if asked["channel"] in dict(CHANNELS) else "",
        day=day_in(asked["day"]),
        text=asked["q"].replace("\x00", "").strip()[:TEXT_AT_MOST],
    )


def day_in(text: str) -> date | None:
    """A day as date fields write it; None for anything else, also for years in which nobody lives."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None  # noqa: PLR2004
