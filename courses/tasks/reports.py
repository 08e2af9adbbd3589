"""The rows that the reports read keep themselves up to date; who asked for it is told of the month that is over."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from courses.reports.registry import kinds
from courses.services.report_mail import tell_months
from courses.services.results import BATCH, refresh_due


@shared_task(soft_time_limit=4 * 60, time_limit=5 * 60)
def refresh() -> int:
    """Every minute, and when a page finds too many due; two workers share the work. How many patients were done.

    After an import thousands are due: it goes on until nobody is, or the next run goes on where this one was ended.
    """
    done = some = refresh_due(limit=BATCH, now=timezone.now())
    while some == BATCH:
        some = refresh_due(limit=BATCH, now=timezone.now())
        done += some
    return done


@shared_task(soft_time_limit=4 * 60, time_limit=5 * 60)
def tell() -> int:
    """Every hour, since the first of the month differs by location; how many e-mails about a report left."""
    return tell_months(timezone.now(), {kind.key: (kind.title, kind.can) for kind in kinds().values()})
