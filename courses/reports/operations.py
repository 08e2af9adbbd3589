"""The operations report: the way to the first infusion, use of chairs and people, visits, messages, worklists, drug.

Each topic is a module with its questions, its section and its lists; all questions go out as one statement.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from clinic.pure.roles import Can
from courses.pure.reports.contents import Report
from courses.pure.reports.filters import Filters
from courses.reports import funnel, occupancy, refills, reminders, upkeep, visits
from courses.reports.reading import Row, read
from courses.reports.registry import Listed, NoSuchListError, ReportKind
from courses.reports.rows import about, listed
from patients.models import IntakeSettings

SHARED = (*funnel.SHARED, *occupancy.SHARED, *visits.SHARED, *refills.SHARED, *reminders.SHARED, *upkeep.SHARED)
QUESTIONS = {
    "places": "SELECT name FROM place ORDER BY name",
    **funnel.QUESTIONS,
    **occupancy.QUESTIONS,
    **visits.QUESTIONS,
    **refills.QUESTIONS,
    **reminders.QUESTIONS,
    **upkeep.QUESTIONS,
}
LISTS = {
    key: replace(question, shared=module.SHARED)
    for module in (funnel, visits, refills, reminders, upkeep)
    for key, question in module.LISTS.items()
}


def params(now: datetime) -> dict[str, Any]:
    """What the statement names beside the period."""
    return {
        "now": now,
        "late_hours": IntakeSettings._meta.get_field("link_change_hours").get_default(),
        "on_time_min": visits.ON_TIME_MIN,
    }


def read_operations(filters: Filters, now: datetime) -> dict[str, list[Row]]:
    """The rows of every question; one query."""
    return read(filters, QUESTIONS, shared=SHARED, params=params(now))


def build(filters: Filters, now: datetime) -> Report:
    """The page for the period and location of the filters; one query."""
    rows = read_operations(filters, now)
    return Report(
        key="operations",
        title="Operations",
        about=about(filters, rows["places"], "what took place from"),
        as_of=now,
        sections=(
            funnel.section(rows, now),
            occupancy.section(rows, filters, now),
            visits.section(rows, now),
            refills.section(rows, now),
            visits.times_section(rows, now),
            reminders.section(rows, now),
            upkeep.tasks_section(rows, now),
            upkeep.drug_section(rows, now),
        ),
    )


def list_of(key: str, filters: Filters) -> Listed:
    """The list with this key; a query for its length, one for each page of it.

    Raises:
        NoSuchListError: there is none.
    """
    if key not in LISTS:
        raise NoSuchListError(key)
    return listed(filters, replace(LISTS[key], params=params(timezone.now())))


KIND = ReportKind(
    key="operations",
    title="Operations",
    can=Can.VIEW_OPERATION_REPORTS,
    build=build,
    listed=list_of,
    filters=("location",),
    period="Took place",
    lead="from ",
    names=Can.VIEW_PATIENT,  # its lists say nothing clinical
    unsaid="3-months",
)
