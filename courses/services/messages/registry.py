"""Every kind of message that ``courses`` knows, named to the outbox by ``CoursesConfig.ready``."""

from __future__ import annotations

from patients.models import MessageEvent
from patients.services.messages.kinds import Kind, register_kind
from patients.services.messages.links import Purpose

HERE = "courses.services.messages"
VISIT = ("when", "day", "time", "where")
SERIES = ("count", "when", "last_day", "where")


def _standing(event: MessageEvent, module: str, what: str, *, purpose: str = "", has: tuple[str, ...] = ()) -> Kind:
    """Found anew at any time by ``find_<what>``, asked again by ``<what>_still``."""
    base = f"{HERE}.{module}"
    values = f"{base}.{what}_values" if has else ""
    return Kind(
        event=event,
        placeholders=has,
        purpose=purpose,
        find=f"{base}.find_{what}",
        still=f"{base}.{what}_still",
        values=values,
    )


def _notice(
    event: MessageEvent,
    module: str,
    what: str,
    *,
    purpose: str = "",
    has: tuple[str, ...] = (),
    is_change: bool = False,
) -> Kind:
    """Announced once when it happens, asked again by ``<what>_still``."""
    base = f"{HERE}.{module}"
    return Kind(
        event=event,
        placeholders=has,
        purpose=purpose,
        still=f"{base}.{what}_still",
        values=f"{base}.{what}_values" if has else "",
        is_change=is_change,
    )


KINDS = (
    _standing(MessageEvent.INFUSION, "visits", "visits", purpose=Purpose.VISIT, has=VISIT),
    _standing(MessageEvent.AFTER_INFUSION, "visits", "after"),
    _notice(MessageEvent.SERIES_BOOKED, "changes", "series", purpose=Purpose.COURSE, has=SERIES),
    _notice(MessageEvent.SERIES_CHANGED, "changes", "series", purpose=Purpose.COURSE, has=SERIES, is_change=True),
    _notice(MessageEvent.INFUSION_BOOKED, "changes", "booked", purpose=Purpose.VISIT, has=VISIT, is_change=True),
    _notice(
        MessageEvent.INFUSION_MOVED,
        "changes",
        "booked",
        purpose=Purpose.VISIT,
        has=(*VISIT, "old_when"),
        is_change=True,
    ),
    _notice(MessageEvent.INFUSION_CANCELLED, "changes", "cancelled", has=VISIT, is_change=True),
    _notice(MessageEvent.INFUSION_MISSED, "changes", "missed", has=VISIT),
    _standing(MessageEvent.MEASURE_DUE, "measures", "measures", purpose=Purpose.QUESTIONNAIRE),
    _standing(MessageEvent.MAINTENANCE_DUE, "tasks", "maintenance"),
    _standing(MessageEvent.REVIEW_DUE, "tasks", "reviews"),
    _standing(MessageEvent.CONSENT_EXPIRING, "tasks", "consents", has=("until",)),
    _notice(MessageEvent.BOOSTER_DUE, "tasks", "booster"),
    _notice(MessageEvent.OFFER, "offers", "offer", purpose=Purpose.OFFER, has=("when", "until")),
    _notice(MessageEvent.OFFER_GONE, "offers", "gone", has=("when",), is_change=True),
    _notice(MessageEvent.SHEET, "sheet", "sheet", purpose=Purpose.SHEET),
)


def register() -> None:
    """The outbox plans and sends all of them from now on."""
    for kind in KINDS:
        register_kind(kind)
