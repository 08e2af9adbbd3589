"""When a message is due and how long it is of use: wall-clock days and quiet hours in the patient's own zone.

Source: clinical.md R11 (quiet hours 08:00-21:00 in the patient's zone; reminders are set in wall-clock days).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

NOT_BEFORE, NOT_AFTER = time(8), time(21)
"""Messages go out in [08:00, 21:00) of the patient's clocks."""
EVENING = time(20)
"""What would fall due in the quiet hours, and would be of no use after them, goes out on the evening before."""
USEFUL = timedelta(minutes=45)
"""[D] What had to wait for 08:00 helps nobody who has to travel when the visit is nearer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """``days`` local days and a wall-clock time, or elapsed ``minutes``; negative is before."""

    days: int = 0
    at: time | None = None
    minutes: int | None = None

    def reach(self) -> timedelta:
        """How far from the anchor the message can fall, negative before it; exact to a day and a half."""
        return timedelta(days=self.days, minutes=self.minutes or 0)


NEAR = timedelta(days=2)
"""More than any zone, clock change or wait for the morning adds to ``Offset.reach``."""


@dataclass(frozen=True, slots=True)
class Due:
    """Both instants are UTC; ``useful_until`` is exclusive."""

    at: datetime
    useful_until: datetime


def due(anchor: datetime, offset: Offset, *, zone: tzinfo, useful: timedelta, ends_at: datetime | None) -> Due:
    """When the message goes out for something at ``anchor``, moved out of the quiet hours, and until when it helps.

    A day is a date on the patient's calendar, so 10:00 stays 10:00 across a clock change; minutes are elapsed time.
    What falls into the quiet hours waits until 08:00 if it is of use then, else it goes out at 20:00 the day before.

    Args:
        ends_at: nothing helps after it (a reminder after the visit began); None: ``useful`` alone decides.
    """
    wished = _wished(anchor, offset, zone)
    opens = out_of_quiet_hours(wished, zone)
    if ends_at is None:
        return Due(opens, opens + useful)
    if opens > wished and ends_at - opens < USEFUL:
        opens = _evening_before(wished, zone)
    return Due(opens, min(opens + useful, ends_at))


def out_of_quiet_hours(instant: datetime, zone: tzinfo) -> datetime:
    """The instant itself in the patient's day; in their night the next 08:00. UTC."""
    local = instant.astimezone(zone)
    if local.time() < NOT_BEFORE:
        return wall(local.date(), NOT_BEFORE, zone)
    if local.time() >= NOT_AFTER:
        return wall(local.date() + timedelta(days=1), NOT_BEFORE, zone)
    return instant.astimezone(UTC)


def is_quiet(instant: datetime, zone: tzinfo) -> bool:
    return not NOT_BEFORE <= instant.astimezone(zone).time() < NOT_AFTER


def day_of(instant: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Beginning and end of the patient's day around the instant, half open, UTC; 23 or 25 hours on a clock change."""
    day = instant.astimezone(zone).date()
    return wall(day, time(0), zone), wall(day + timedelta(days=1), time(0), zone)


def wall(day: date, clock: time, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which clocks of ``zone`` show that; one that spring skips becomes one an hour later."""
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def _evening_before(wished: datetime, zone: tzinfo) -> datetime:
    """20:00 on the evening at whose night the wished instant lies."""
    local = wished.astimezone(zone)
    return wall(local.date() if local.time() >= NOT_AFTER else local.date() - timedelta(days=1), EVENING, zone)


def _wished(anchor: datetime, offset: Offset, zone: tzinfo) -> datetime:
    if offset.at is None:
        return anchor.astimezone(UTC) + timedelta(minutes=offset.minutes or 0)
    return wall(anchor.astimezone(zone).date() + timedelta(days=offset.days), offset.at, zone)
