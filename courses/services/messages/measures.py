"""Questionnaires of the follow-up schedule that patients are asked for by message.

Asked for are the baseline, what follows the fourth infusion and the end of the series, and the follow-up. Not asked for
are the score of a visit and the long-term checks, which are answered in the clinic, and what is optional: with the
reminders before each infusion they would be more messages a week than anybody wants (clinical.md G, "TCPA exemption
frequency"). Source: clinical.md E4, A 139; the choice is a clinic setting [D].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta

from courses.models import Course
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.pure.follow_up import Group
from courses.services.follow_up import Item, Line, Schedule, State, followed_courses, read_schedules
from patients.models import Message, MessageEvent, MessageState
from patients.services.messages.kinds import Occasion, Scope
from patients.services.messages.questionnaires import ABOUT as LINK

ABOUT = "measure"
AT_THE_CLINIC = ("checkin:", "maint:")
MORNING = time(6)
"""Before any message leaves, and the same date on every clock of the country."""
LONGEST_OPEN = timedelta(days=60)
"""An item that began longer ago than so is not open any more, apart from long-term checks."""
SETTLED = (State.ENTERED, State.WAIVED, State.PASSED)


def find_measures(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:
    """Each item with something that a patient may answer alone and that is neither entered nor waived; six queries."""
    if scope.booking_ids is not None:
        return
    courses = Course.objects.all()
    if scope.patient_ids is not None:
        courses = courses.filter(patient__in=scope.patient_ids)
    first = (since - LONGEST_OPEN).date()
    followed = followed_courses(courses, since=first)
    for schedule in read_schedules(followed, now, since=since.date(), until=until.date()):
        for item in schedule.items:
            occasion = _occasion(schedule, item)
            if asked_for(item) and since <= occasion.anchor < until:
                yield occasion


def asked_for(item: Item) -> tuple[Line, ...]:
    """What the patient is asked for of this item: not what staff sent already, or what is answered in the clinic."""
    due = item.due
    if due.is_optional or due.group is Group.LONG_TERM or due.key.startswith(AT_THE_CLINIC) or item.is_missed:
        return ()
    return tuple(
        line for line in item.lines if line.state not in SETTLED and line.measure.can_be_sent and line.sent is None
    )


def _occasion(schedule: Schedule, item: Item) -> Occasion:
    course, due = schedule.course, item.due
    place = course.location
    return Occasion(
        event=MessageEvent.MEASURE_DUE,
        key=f"measure {course.pk} {due.key} {due.first_day}",
        location_id=course.location_id,
        anchor=place.at(due.first_day, MORNING),
        ends_at=place.at(due.counts_to + timedelta(days=1), time()),
        patient_id=course.patient_id,
        about=about(course.pk, due.key),
        facts={"measures": [line.ask.measure for line in asked_for(item)]},
    )


def about(course_id: int, key: str) -> str:
    """``Message.about`` of an item of a course: "measure:7:day-14"."""
    return f"{ABOUT}:{course_id}:{key}"


def item_of(message: Message) -> tuple[int, str]:
    """The course and the item that a message is about; (0, "") where it is about something else."""
    what, _, rest = message.about.partition(":")
    course, _, key = rest.partition(":")
    return (int(course), key) if what == ABOUT and course.isdecimal() else (0, "")


def measures_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """Still to be answered, and the course goes on; six queries."""
    schedules = _schedules(messages, now)
    return {message.pk: said for message in messages if (said := _why_not(message, schedules))}


def _why_not(message: Message, schedules: Mapping[int, Schedule]) -> str:
    course_id, key = item_of(message)
    schedule = schedules.get(course_id)
    if schedule is None or schedule.course.status not in OPEN_COURSE_STATUSES:
        return "The course is closed."
    item = schedule.item(key)
    if item is None:
        return "Its infusion has no time any more."
    if not asked_for(item):
        return "It was answered or waived meanwhile." if item.is_settled else "It is not asked for any more."
    return "It has moved: it is not due yet." if item.state is State.LATER else ""


def _schedules(messages: Sequence[Message], now: datetime) -> dict[int, Schedule]:
    courses = Course.objects.filter(pk__in={item_of(message)[0] for message in messages})
    return {one.course.pk: one for one in read_schedules(courses, now)}


def messages_about(schedule: Schedule) -> dict[str, Message]:
    """Item key -> the latest message that asked for it, planned, sent or failed; one query.

    Asked by itself, or sent by a person (then the message is about the link that the item names).
    """
    course = schedule.course
    links = {line.sent.link_id: item.key for item in schedule.items for line in item.lines if line.sent is not None}
    by_about = {about(course.pk, item.key): item.key for item in schedule.items}
    by_about |= {f"{LINK}:{pk}": key for pk, key in links.items() if pk is not None}
    events = [MessageEvent.MEASURE_DUE, MessageEvent.QUESTIONNAIRE]
    rows = Message.objects.filter(patient=course.patient_id, event__in=events, about__in=by_about)
    rows = rows.exclude(state=MessageState.WITHDRAWN)
    return {by_about[row.about]: row for row in rows.order_by("due_at", "pk")}
