"""The monthly e-mail that a report is ready: a link to the report of last month, no number and no name.

It leaves on the first of the month from eight on the clocks of the chosen location [D]; after an outage later in that
month. The month is claimed by a row before the e-mail leaves, so it leaves once however many workers look.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db import connection
from django.http import QueryDict
from django.urls import reverse

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import ReportMail, ReportMonth
from courses.pure.reports.filters import Filters, OddFiltersError

logger = logging.getLogger(__name__)

FROM = time(8)
"""[D] Of the first day of the month, local."""
CLAIM = """
    INSERT INTO courses_reportmonth (mail_id, month, told_at) VALUES (%(mail)s, %(month)s, %(now)s)
    ON CONFLICT ON CONSTRAINT reportmonth_once DO NOTHING
"""


class MailRefusedError(Exception):
    """It was not subscribed; the message says why and what to do."""


# -- subscribing -------------------------------------------------------------------------------------------------------
def subscribe(*, report: str, can: Can, query: str, location: Location, by: User, now: datetime) -> ReportMail:
    """This person is told of the report each month, from the next first of a month on.

    Args:
        report: its key.
        can: what the report asks for.
        query: the filters without a period, as ``standing_query`` gives them.
        location: whose first of the month.
        by: who is told.
        now: the moment.

    Raises:
        PermissionDenied: this person may not see the report.
        MailRefusedError: there is no address to write to.
    """
    if not by.can(can):
        raise PermissionDenied("Your role does not include this report.")
    if not by.email:
        raise MailRefusedError("You have no e-mail address here. A manager can enter it in your entry under Staff.")
    with recorded(by=by, now=now):
        row, _ = ReportMail.objects.update_or_create(
            owner=by,
            report=report,
            query=query,
            location=location,
            defaults={"is_active": True},
            create_defaults={"is_active": True, "created_at": now},
        )
        if is_time(location, now):  # who subscribes on the 20th does not want the month before at once
            ReportMonth.objects.get_or_create(mail=row, month=month_at(location, now), defaults={"told_at": now})
    return row


def unsubscribe(row: ReportMail, *, by: User, now: datetime) -> None:
    """This person is told no more.

    Raises:
        PermissionDenied: it is somebody else's.
    """
    if row.owner_id != by.pk:
        raise PermissionDenied("This e-mail belongs to somebody else.")
    with recorded(by=by, now=now):
        row.is_active = False
        row.save(update_fields=["is_active"])


def standing_query(filters: Filters) -> str:
    """The filters as an address, without period and second group: the period is the month before."""
    query = QueryDict(filters.without_period().to_query(), mutable=True)
    query.pop("period", None)
    return query.urlencode()


def filters_of(row: ReportMail, today: date) -> Filters:
    """The filters of last month's report as of ``today``; what has become unreadable is left out."""
    query = QueryDict(row.query, mutable=True)
    query["period"] = "last-month"
    try:
        return Filters.from_query(query, today=today)
    except OddFiltersError as odd:
        return odd.rest


def month_at(place: Location, now: datetime) -> date:
    """The first day of the month before the one that it is there."""
    first = place.local(now).date().replace(day=1)
    return (first - timedelta(days=1)).replace(day=1)


def is_time(place: Location, now: datetime) -> bool:
    """The hour from which the month before is told of has come there."""
    return now >= place.at(place.local(now).date().replace(day=1), FROM)


# -- telling -----------------------------------------------------------------------------------------------------------
def tell_months(now: datetime, known: Mapping[str, tuple[str, Can]]) -> int:
    """Everybody who asked for it is told of last month's report, once; returns how many e-mails left.

    Args:
        now: the moment.
        known: for the key of each report its title and what it asks for.
    """
    sent = 0
    for row in list(_due(now)):
        title, can = known.get(row.report, ("", None))
        if can is None or not row.owner.can(can):
            continue
        month = month_at(row.location, now)
        if not _claim(row, month, now):
            continue
        if _send(row, title, month):
            sent += 1
        else:
            ReportMonth.objects.filter(mail=row, month=month).delete()
    return sent


def _due(now: datetime) -> Iterator[ReportMail]:
    """Whose month is over where they asked for it, and who was not told of it yet."""
    rows = ReportMail.objects.filter(is_active=True, owner__is_active=True, location__is_active=True)
    for row in rows.exclude(owner__email="").select_related("owner", "location").prefetch_related("months"):
        month = month_at(row.location, now)
        if is_time(row.location, now) and all(one.month != month for one in row.months.all()):
            yield row


def _claim(row: ReportMail, month: date, now: datetime) -> bool:
    """True for the one worker that may write: insert … on conflict do nothing."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"mail": row.pk, "month": month, "now": now})
        return cursor.rowcount == 1


def _send(row: ReportMail, title: str, month: date) -> bool:
    subject = f"Cadence: {title} of {said_month(month)}"
    mail = EmailMessage(subject, body_of(row, title, month), settings.DEFAULT_FROM_EMAIL, [row.owner.email])
    try:
        return mail.send() == 1
    except (OSError, ValueError):  # SMTPException is one; an address of two lines is the other
        logger.exception("An e-mail about a report could not be sent; the next look tries again")
        return False


def said_month(month: date) -> str:
    return f"{month:%B %Y}"


def link_of(row: ReportMail, month: date) -> str:
    """The address of the report of that very month: the link means the same a year later."""
    last = (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    query = QueryDict(row.query, mutable=True)
    query.update({"since": month.isoformat(), "until": last.isoformat()})
    base = str(getattr(settings, "CADENCE_BASE_URL", "")).rstrip("/")
    return f"{base}{reverse('reports:page', args=[row.report])}?{query.urlencode()}"


def body_of(row: ReportMail, title: str, month: date) -> str:
    """An address and no number: an e-mail is read by whoever holds the telephone."""
    base = str(getattr(settings, "CADENCE_BASE_URL", "")).rstrip("/")
    off = f"{base}{reverse('reports:mail')}"
    return (
        f"Good morning. The report “{title}” of {said_month(month)} can be read:\n\n{link_of(row, month)}\n\n"
        f"It opens after you have signed in.\n\nTo have no more of these e-mails: {off}\n"
    )
