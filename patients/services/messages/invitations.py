"""Visits as calendar entries that a patient adds: a neutral title, and the same entry again when the visit moves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event

from clinic.models import Booking
from clinic.models.bookings import RELEASED_STATUSES

ALARM = timedelta(days=1)
"""[D] The calendar reminds so long before."""


def calendar_of(bookings: Iterable[Booking], *, now: datetime) -> bytes:
    """The visits as one iCalendar file, in UTC, so that each calendar shows them on its own clocks.

    ``SEQUENCE`` is the visit's version: added again after a move, it changes the entry that is there.
    """
    rows = list(bookings)
    calendar = Calendar()
    calendar.add("prodid", "-//Cadence//Appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if rows and all(_is_gone(row) for row in rows) else "PUBLISH")
    for row in rows:
        calendar.add_component(_event(row, now))
    return calendar.to_ical()


def uid_of(booking: Booking) -> str:
    """Names the entry; says nothing about the visit, and stays when it moves."""
    return f"{salted_hmac('patients.invitation', str(booking.pk), algorithm='sha256').hexdigest()[:32]}@cadence"


def _event(booking: Booking, now: datetime) -> Event:
    title = _("Appointment at %(clinic)s") % {"clinic": booking.location.name}
    event = Event()
    event.add("uid", uid_of(booking))
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", booking.start.astimezone(UTC))
    event.add("dtend", booking.end.astimezone(UTC))
    event.add("sequence", booking.version)
    event.add("summary", title)
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if _is_gone(booking) else "CONFIRMED")
    if booking.location.address:
        event.add("location", booking.location.address)
    if booking.location.phone:
        event.add("description", str(booking.location.phone.as_national))
    if not _is_gone(booking):
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", title)
        alarm.add("trigger", -ALARM)
        event.add_component(alarm)
    return event


def _is_gone(booking: Booking) -> bool:
    return booking.status in RELEASED_STATUSES
