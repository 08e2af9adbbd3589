"""What needs somebody now at one location: at the chairs first, then late arrivals, infusions that lost their time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from clinic.models import Booking, BookingStatus, Location, User
from clinic.models.bookings import OPEN_STATUSES, UPCOMING_STATUSES
from clinic.pure.roles import Can
from courses.models import (
    CourseStatus,
    Discrepancy,
    DrugDraw,
    Infusion,
    InfusionDaySettings,
    InfusionRecord,
    InfusionStatus,
    Route,
    RunKind,
)
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.pure.flowsheet import began_at, is_late
from courses.pure.rems import due_on, say_standing
from courses.services.board import desks_of, hold_of, open_alarms
from courses.services.day import VisitCard
from courses.services.flowsheet import due_of
from courses.services.infusion_desk import Desk, children_of, with_children
from courses.services.worklists.page import say_waiting

LATE_AFTER = timedelta(minutes=10)  # clinic setting: how long a chair waits before somebody calls
SHOWN = 8
IN_CLINIC = (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING)


REMS_SOON = timedelta(days=2)  # clinic setting: how long before a REMS form is due it is asked for


class Need(StrEnum):
    ALARM = "alarm"
    HOLD = "hold"
    VITALS = "vitals"
    SIGN = "sign"
    REMS = "rems"
    STOCK = "stock"
    TASKS = "tasks"
    LATE = "late"
    OVERSTAYED = "overstayed"
    WITHOUT_TIME = "without_time"
    INTERRUPTED = "interrupted"
    NO_OUTCOME = "no_outcome"
    PENCILLED = "pencilled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class NeedsYou:
    """One thing that waits for an act, with where to act."""

    need: Need
    who: str
    text: str
    booking_id: int | None = None
    patient_id: int | None = None
    course_id: int | None = None
    url: str = ""  # where it is done, when that is neither the visit nor the course
    act: str = ""


@dataclass(frozen=True, slots=True)
class AtChairs:
    """What the infusion days of a location ask for now, and when vital signs are due, by booking."""

    now: tuple[NeedsYou, ...] = ()
    later: tuple[NeedsYou, ...] = ()
    due: Mapping[int, datetime] = field(default_factory=dict)
    late: frozenset[int] = frozenset()


def chairs_at(location: Location, cards: Sequence[VisitCard], *, user: User, now: datetime) -> AtChairs:
    """What waits at the chairs, and what is left over from earlier days; one query. The cards were read ``with_day``.

    Records to sign are for who signs, REMS forms for who sees records; clinical values only for who may read them.
    """
    if not user.can(Can.VIEW_CALENDAR):
        return AtChairs()
    # A signed record asks for nothing more, and in the afternoon most of them are.
    cards = [card for card in cards if (record := _record(card)) is None or record.signed_at is None]
    mine = InfusionRecord.objects.filter(pk__in=[record.pk for card in cards if (record := _record(card))])
    # Several questions laid together, each with an index; asked as one, PostgreSQL would read every record there is.
    here = InfusionRecord.objects.filter(visit__booking__location=location, signed_at__isnull=True)
    more = []
    if user.can(Can.SIGN_INFUSION):
        more.append(here.filter(completed_at__isnull=False).order_by("pk")[:MANY])
    if user.can(Can.VIEW_INFUSION):
        more += _without_rems(location, here, now)
    wanted = mine.order_by().values("pk").union(*(records.values("pk") for records in more))
    rows = InfusionRecord.objects.filter(pk__in=wanted).select_related(
        "visit__booking__location__day_settings", "visit__infusion__phase__course__patient"
    )
    records = list(with_children(rows).order_by("pk"))
    desks = desks_of(cards, now=now, children={record.pk: children_of(record) for record in records})
    due = {pk: at for pk, desk in desks.items() if began_at(desk.run) and (at := due_of(desk))}
    late = {pk for pk, at in due.items() if is_late(at, now=now, grace_min=desks[pk].day_settings.late_grace_min)}
    by_booking = {card.booking_id: card for card in cards}
    at_once = sorted(
        (
            need
            for pk, desk in desks.items()
            for need in _of_desk(desk, by_booking[pk], due[pk] if pk in late else None, user)
        ),
        key=lambda need: URGENCY.index(need.need),
    )
    return AtChairs(tuple(at_once), tuple(_left_over(location, records, user, now)), due, frozenset(late))


def _without_rems(
    location: Location, unsigned: QuerySet[InfusionRecord], now: datetime
) -> Iterator[QuerySet[InfusionRecord]]:
    """Records whose REMS form is due soon, and those that have none yet: a record gets its form with its completion."""
    soon = location.local(now).date() + REMS_SOON
    unsent = InfusionRecord.objects.filter(rems_form__sent_at__isnull=True, rems_form__due_on__lte=soon)
    yield unsent.filter(visit__booking__location=location).order_by("pk")[:MANY]
    nasal = unsigned.filter(visit__infusion__phase__protocol_version__protocol__route=Route.NASAL)
    done = nasal.filter(completed_at__isnull=True, rems_form__isnull=True, visit__booking__status=BookingStatus.DONE)
    yield done.order_by("pk")[:MANY]


MANY = 50
"""More records than this are not counted one by one."""
URGENCY = (Need.ALARM, Need.HOLD, Need.VITALS)


def _record(card: VisitCard) -> InfusionRecord | None:
    visit = getattr(card.booking, "infusion_visit", None)
    return getattr(visit, "record", None)


def _of_desk(desk: Desk, card: VisitCard, late_since: datetime | None, user: User) -> Iterator[NeedsYou]:
    pk, place, may_read = desk.booking.pk, desk.place, user.can(Can.VIEW_CLINICAL)
    chair = f", {card.where.lower()}" if card.where else ""
    url = reverse("infusion:day", args=[pk]) if user.can(Can.VIEW_INFUSION) else ""

    def need(kind: Need, text: str, act: str) -> NeedsYou:
        known = {"booking_id": pk, "patient_id": desk.patient.pk, "course_id": desk.course.pk}
        return NeedsYou(kind, desk.patient.list_name, text, url=url, act=act if url else "", **known)

    for alarm in open_alarms(desk)[:1]:
        said = f"alarm not answered: {alarm.said}" if may_read else "an alarm at the chair is not answered"
        yield need(Need.ALARM, f"{said}{chair}, since {place.local(alarm.raised_at):%H:%M}", "Answer")
    hold = hold_of(desk)
    if hold is not None:
        word = "pressure hold" if hold.is_hard else "pressure above the soft limit"
        said = f"{word} {hold.row.systolic_mmhg}/{hold.row.diastolic_mmhg}" if may_read else "waits for a decision"
        yield need(Need.HOLD, f"{said}{chair}, waiting {_ago(desk.now - hold.row.at)}", "Open")
    if late_since is not None:
        yield need(Need.VITALS, f"vital signs late{chair}, due at {place.local(late_since):%H:%M}", "Open")


def _left_over(location: Location, records: Sequence[InfusionRecord], user: User, now: datetime) -> Iterator[NeedsYou]:
    """Records that wait for a signature, as one line, and REMS forms that are due."""
    to_sign = sorted(
        (one for one in records if one.completed_at is not None and one.signed_at is None),
        key=lambda one: one.visit.booking.start,
    )
    if to_sign and user.can(Can.SIGN_INFUSION):
        first = to_sign[0]
        many = f"{len(to_sign)}{'+' if len(to_sign) >= MANY else ''}"
        who = f"{many} infusion record{'s' if len(to_sign) > 1 else ''} to sign"
        text = f"{'the oldest: ' if len(to_sign) > 1 else ''}{first.visit.infusion.phase.course.patient.list_name}, "
        text += _day(location.local(first.visit.booking.start))
        yield NeedsYou(Need.SIGN, who, text, url=_page(first), act="Review")
    if not user.can(Can.VIEW_INFUSION):
        return
    today = location.local(now).date()
    for one in records:
        due = _rems_due(one)
        if due is not None and due <= today + REMS_SOON:
            patient = one.visit.infusion.phase.course.patient
            known = {"booking_id": one.visit.booking_id, "patient_id": patient.pk}
            text = f"REMS form {say_standing(due, today)}"
            yield NeedsYou(Need.REMS, patient.list_name, text, url=_page(one), act="Open", **known)


def _rems_due(record: InfusionRecord) -> date | None:
    """The day until which the form of this session is wanted; None where none is, or it was sent."""
    children = children_of(record)
    for form in children["rems_forms"]:
        return None if form.sent_at else form.due_on
    if not any(tap.kind == RunKind.DEVICE and tap.struck_at is None for tap in children["taps"]):
        return None
    booking = record.visit.booking
    settings = getattr(booking.location, "day_settings", None) or InfusionDaySettings()
    return due_on(booking.location.local(booking.start).date(), settings.rems_days)


def stock_waiting(location: str = "pk") -> dict[str, Coalesce]:
    """Annotations of a location: differences that nobody has settled, and draws left open after the patient went.

    The shell reads them with its locations (``clinic.edge.context``), so Today needs no query of its own.
    """
    off = Discrepancy.objects.filter(location=OuterRef(location), settled_at__isnull=True).order_by().values("location")
    open_draws = DrugDraw.objects.filter(lot__location=OuterRef(location), closed_at__isnull=True)
    left = open_draws.exclude(record__visit__booking__status__in=IN_CLINIC).order_by().values("lot__location")
    return {"waiting_discrepancies": _counted(off), "waiting_draws": _counted(left)}


def _counted(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


def task_needs(location: Location, user: User) -> list[NeedsYou]:
    """One line for the worklists; ``location`` comes from the shell, with ``tasks_waiting``.

    Interrupted courses and infusions without a time have lines of their own here, so they are not counted again.
    """
    many, said = say_waiting(getattr(location, "waiting_tasks", ()))
    if not many or not user.can(Can.VIEW_WORKLISTS):
        return []
    who = f"{many} task{'s are' if many > 1 else ' is'} due"
    url = f"{reverse('worklists:all')}?location={location.pk}"
    return [NeedsYou(Need.TASKS, who, said, url=url, act="Worklists")]


def stock_needs(location: Location, user: User) -> list[NeedsYou]:
    """One line for what waits in the drug log; ``location`` comes from the shell, with ``stock_waiting``."""
    if not user.can(Can.VIEW_STOCK):
        return []
    off, left = getattr(location, "waiting_discrepancies", 0), getattr(location, "waiting_draws", 0)
    said = [
        f"{number} {what}{'s' if number > 1 else ''} {rest}"
        for number, what, rest in ((off, "difference", "to explain and sign"), (left, "draw", "not accounted for"))
        if number
    ]
    url = reverse("stock:lots")
    return [NeedsYou(Need.STOCK, "Drug log", ", ".join(said), url=url, act="Open")] if said else []


def _page(record: InfusionRecord) -> str:
    return reverse("infusion:day", args=[record.visit.booking_id])


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def needs_at(location: Location, cards: Iterable[VisitCard], *, now: datetime) -> list[NeedsYou]:
    """What waits at ``location`` right now, the most urgent first; two queries.

    Of visits without an outcome the latest ``SHOWN``; when those are recorded, earlier ones come up.
    """
    return [*_from_visits(location, cards, now), *_without_outcome(location, now), *_from_courses(location)]


def _from_visits(location: Location, cards: Iterable[VisitCard], now: datetime) -> Iterator[NeedsYou]:
    for card in cards:
        if card.patient is None:
            continue
        need: Need | None = None
        said = ""
        if card.status in UPCOMING_STATUSES and card.start + LATE_AFTER < now:
            need, said = Need.LATE, _late(location, card, now)
        elif card.status in IN_CLINIC and card.leaves_at + LATE_AFTER < now:
            need, said = Need.OVERSTAYED, f"was planned to leave {_ago(now - card.leaves_at)} ago"
        if need is not None:
            yield NeedsYou(need, card.patient.list_name, said, card.booking_id, card.patient.pk, card.course_id)


def _late(location: Location, card: VisitCard, now: datetime) -> str:
    if now < card.end:
        return f"was due {_ago(now - card.start)} ago and has not arrived"
    return f"was due at {location.local(card.start):%H:%M}; nobody has recorded an arrival or a no-show"


def _without_outcome(location: Location, now: datetime) -> Iterator[NeedsYou]:
    """Visits of earlier days of which nobody has said how they ended."""
    today = location.at(location.local(now).date(), time.min)
    # The beginning is said too, because the index of what is still open goes by it.
    rows = Booking.objects.filter(location=location, status__in=OPEN_STATUSES, span__startswith__lt=today)
    rows = rows.filter(subject__isnull=False, span__endswith__lte=today)
    shown = rows.select_related("subject__patient", "infusion_visit__infusion__phase").order_by("-span", "id")
    for booking in shown[:SHOWN]:
        visit, subject = getattr(booking, "infusion_visit", None), booking.subject
        if subject is not None:
            yield NeedsYou(
                Need.NO_OUTCOME,
                subject.patient.list_name,
                f"{_moment(location.local(booking.start))}: nobody has recorded whether the visit took place",
                booking.pk,
                subject.patient.pk,
                visit.infusion.phase.course_id if visit else None,
            )


def _from_courses(location: Location) -> Iterator[NeedsYou]:
    """One line for each course with infusions that wait for a time, the interrupted ones first."""
    waiting = (
        Infusion.objects.filter(phase__course__location=location, phase__course__status__in=OPEN_COURSE_STATUSES)
        .filter(status__in=[InfusionStatus.MISSED, InfusionStatus.WITHHELD, InfusionStatus.CANCELLED])
        .select_related("phase__course__patient")
        .order_by("day", "number", "id")
    )
    by_course: dict[int, list[Infusion]] = {}
    for infusion in waiting:
        by_course.setdefault(infusion.phase.course_id, []).append(infusion)
    rows = [_of_course(course_id, infusions) for course_id, infusions in by_course.items()]
    yield from sorted(rows, key=lambda row: row.need is not Need.INTERRUPTED)


def _of_course(course_id: int, waiting: Sequence[Infusion]) -> NeedsYou:
    phase, course = waiting[0].phase, waiting[0].phase.course
    if course.status == CourseStatus.INTERRUPTED:
        need, said = Need.INTERRUPTED, f"course interrupted at infusion {waiting[0].number} of {phase.n_planned}"
        said += ": the prescriber decides how it goes on"
    else:
        need, said = Need.WITHOUT_TIME, f"{_numbers(waiting)} of {phase.n_planned}: {_why(waiting)}"
    return NeedsYou(need, course.patient.list_name, said, patient_id=course.patient_id, course_id=course_id)


def _numbers(waiting: Sequence[Infusion]) -> str:
    numbers = [str(infusion.number) for infusion in waiting]
    if len(numbers) == 1:
        return f"infusion {numbers[0]}"
    return f"infusions {', '.join(numbers[:-1])} and {numbers[-1]}"


def _why(waiting: Sequence[Infusion]) -> str:
    words = {InfusionStatus(infusion.status).label.lower() for infusion in waiting}
    return f"{words.pop() if len(words) == 1 else 'did not take place'}, no new time yet"


def _moment(local: datetime) -> str:
    return f"{local:%a} {local.day} {local:%b, %H:%M}"


def _ago(length: timedelta) -> str:
    hours, minutes = divmod(length // timedelta(minutes=1), 60)
    return f"{hours} h {minutes:02d}" if hours else f"{minutes} min"
