"""The story of each of some chosen courses on at most two pages, for referrers or for an insurer, as one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction

from clinic.models import User
from clinic.services.access import record_reading
from courses.adapters.course_pdf import pdf_of_many
from courses.models import Course
from courses.pure.course_page import Audience
from courses.services.course_pdf import page_for
from courses.services.course_whole import NothingGivenError, read_whole, to_sum_up
from courses.services.report_taken import record_taken
from patients.pure.privacy import Audience as Recipient
from patients.services.privacy_export import record_disclosure
from patients.services.privacy_part2 import PartTwo, part_two_of

MOST = 50
"""Courses in one file [D]: reading and setting them takes a few seconds."""
READERS = {Audience.REFERRER: "referrer", Audience.INSURER: "insurer"}
RECIPIENTS = {Audience.REFERRER: Recipient.PROVIDER, Audience.INSURER: Recipient.INSURER}


class NotChosenError(Exception):
    """There is nothing to print, or too much; the message says what to do."""


@transaction.atomic
def print_courses(
    course_ids: Sequence[int], *, audience: Audience, path: str, by: User, now: datetime
) -> tuple[bytes, int]:
    """The file and how many courses are in it; that each patient's record was read, and who took it, stand in the logs.

    Args:
        course_ids: in the order of the file; one named twice is in it once.
        audience: referrer or insurer; the patient's page is printed alone.
        path: the address, for the log.
        by: who prints.
        now: the moment.

    Raises:
        NotChosenError: none, too many, one that is not there or of which nothing was given; no reading is logged.
    """
    wanted = list(dict.fromkeys(course_ids))
    if not wanted:
        raise NotChosenError("No course is ticked. Tick the courses that the file is to hold.")
    if len(wanted) > MOST:
        raise NotChosenError(f"{len(wanted)} courses are ticked. A file holds at most {MOST}: print them in parts.")
    rows = to_sum_up().in_bulk(wanted)
    if len(rows) < len(wanted):
        raise NotChosenError("A ticked course is not there any more. Look at the list again and tick anew.")
    protected = _protected(rows.values(), audience, now)
    try:
        notices = {course.pk: part_two.notice for course, part_two in protected}
        pages = [replace(page_for(audience, read_whole(rows[pk], now)), notice=notices.get(pk, "")) for pk in wanted]
    except NothingGivenError as nothing:
        raise NotChosenError("In a ticked course nothing was given yet. Take the tick away.") from nothing
    for pk in wanted:
        record_reading(
            by=by,
            subject_id=rows[pk].patient.resource_id,
            page=f"Course report for the {READERS[audience]}, PDF",
            path=path,
            now=now,
        )
    record_taken(
        what=f"Course reports for the {READERS[audience]}, PDF",
        about="With names; each is in the read log",
        path=path,
        courses=len(wanted),
        by=by,
        now=now,
    )
    content = pdf_of_many(pages, at=now.astimezone(UTC))
    for course, part_two in protected:
        record_disclosure(
            patient=course.patient,
            content=content,
            what=f"Course report for the {READERS[audience]}, PDF",
            audience=RECIPIENTS[audience],
            recipient=f"The {READERS[audience]}",
            reason="Treatment" if audience == Audience.REFERRER else "Payment",
            part_two=part_two,
            path=path,
            by=by,
            now=now,
            day=course.location.local(now).date(),
        )
    return content, len(wanted)


def _protected(courses: Iterable[Course], audience: Audience, now: datetime) -> list[tuple[Course, PartTwo]]:
    """Those that 42 CFR Part 2 protects, each covered by a consent. Raises NotChosenError for one that is not."""
    found, missing = [], []
    for course in (one for one in courses if one.is_part_two_near):  # type: ignore[attr-defined]
        part_two = part_two_of(course.patient)
        if not part_two.is_protected:
            continue
        day = course.location.local(now).date()
        if part_two.consent_for(RECIPIENTS[audience], day) is None:
            missing.append(course.patient.mrn)
        found.append((course, part_two))
    if missing:
        raise NotChosenError(
            f"42 CFR Part 2 protects records of MRN {', '.join(sorted(set(missing)))}, and no valid consent covers the "
            f"{READERS[audience]}. Record the consent on the patient's page Privacy, or take the tick away."
        )
    return found
