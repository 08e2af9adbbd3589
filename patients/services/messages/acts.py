"""What a patient does with a visit by a link: confirms it, moves it, cancels it, reads how to prepare.

Each kind of visit registers how it is moved, cancelled and prepared for: consultations here, infusions in ``courses``
(``CoursesConfig.ready``). Everything here is done without a user: the history says that the patient did it.

Pressed twice, or on two devices, an act is done once. Whoever looked at a time that is no longer the visit's is shown
the new one before anything happens (``ChangedError``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from django.db.models import Case, CharField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils.module_loading import import_string

from clinic.models import Booking, BookingKind, BookingStatus, Location
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.services import bookings
from clinic.services.bookings import BookingRefusedError
from clinic.services.recorded import recorded
from patients.models import IntakeSettings, Message, MessageStep
from patients.pure.messages.sheets import Sheet
from patients.services.messages.links import Opened, mark_opened, note, note_opened

BY_LINK = "by the patient, by a link"
BY_TEXT = "Confirmed by text message."
SHOWN = (
    (f"Confirmed {BY_LINK}", "by link"),
    (f"Moved {BY_LINK}", "moved by link"),
    (f"Cancelled {BY_LINK}", "by link"),
    (BY_TEXT, "by text"),
)
"""How the history of a message begins where the patient did something, and what stands beside the visit's status."""
LONGEST_REASON = 120
OFFERED = 12
"""[D] So many other times are shown at once."""


class Why(StrEnum):
    """Why nothing was done; the page words it, in the patient's language."""

    OVER = "over"  # cancelled, missed, begun or past
    LATE = "late"  # too short before the visit: a person has to see to it
    CHANGED = "changed"  # the visit is at another time than the page showed
    TAKEN = "taken"  # somebody else has that time by now
    CALL = "call"  # cannot be done without a person


class ActRefusedError(Exception):
    """Nothing was done."""

    def __init__(self, why: Why) -> None:
        self.why = why
        super().__init__(f"Nothing was done: {why}.")


@dataclass(frozen=True, slots=True)
class Choice:
    """Another time for a visit. ``key`` stands for it in a form; it is checked again when it is taken."""

    key: str
    start: datetime
    location: Location


class Choices(Protocol):
    def __call__(self, opened: Opened, *, since: datetime, count: int, now: datetime) -> Sequence[Choice]:
        """At most ``count`` legal free times from ``since`` on, soonest first, without the visit's own.

        Raises:
            ActRefusedError: CALL, where none can be offered without a person.
        """


class MoveIt(Protocol):
    def __call__(self, opened: Opened, *, key: str, since: datetime, now: datetime) -> None:
        """The visit stands at the time of the key, if it is still legal and free, and not before ``since``.

        Raises:
            ActRefusedError: TAKEN, CHANGED or CALL; nothing was changed.
        """


class CancelIt(Protocol):
    def __call__(self, opened: Opened, *, reason: str, now: datetime) -> None:
        """The visit is cancelled as staff would. Raises ActRefusedError: CHANGED or CALL."""


class Prepare(Protocol):
    def __call__(self, bookings: Sequence[Booking]) -> Mapping[int, Sheet]:
        """How to prepare for each visit, by its id; sentences are those of the catalog, clock times are instants.

        As many queries for one as for fifty. A visit that is over, or that another one replaced, is left out.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitActs:
    """Dotted names of the functions of one kind of visit, imported when first needed."""

    choices: str  # Choices
    move: str  # MoveIt
    cancel: str  # CancelIt
    sheet: str  # Prepare


_acts: dict[BookingKind, VisitActs] = {}
_pages: dict[str, str] = {}


def register_acts(kind: BookingKind, acts: VisitActs) -> None:
    """Visits of this kind can be changed by a link from now on."""
    _acts[kind] = acts


def register_page(purpose: str, view: str) -> None:
    """The dotted name of a view ``(request, opened)`` that shows links of this purpose, for packages above this one."""
    _pages[purpose] = view


def page_of(purpose: str) -> str:
    """The registered view's dotted name; empty where there is none."""
    return _pages.get(purpose, "")


# -- who did it --------------------------------------------------------------------------------------------------------


def patients_act() -> Coalesce:
    """An annotation of bookings: what the patient did to bring the visit where it stands; empty where staff did.

    The line in the message's history and the stamp of the visit are of the same instant. A later act of staff has
    another stamp, so it is never said to be the patient's.
    """
    steps = MessageStep.objects.filter(
        Q(at=OuterRef("confirmed_at"), message__booking__status=BookingStatus.CONFIRMED)
        | Q(at=OuterRef("ended_at"), message__booking__status=BookingStatus.CANCELLED),
        message__booking=OuterRef("pk"),
        by=None,
    )
    said = Case(*(When(text__startswith=begins, then=Value(word)) for begins, word in SHOWN), default=Value(""))
    found = steps.annotate(said=said).exclude(said="").order_by("-id").values("said")[:1]
    return Coalesce(Subquery(found, output_field=CharField()), Value(""))


# -- where a visit stands ----------------------------------------------------------------------------------------------


class Standing(StrEnum):
    """What the page has to say about a visit."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    HERE = "here"
    PAST = "past"


_STANDINGS = {
    BookingStatus.BOOKED: Standing.BOOKED,
    BookingStatus.CONFIRMED: Standing.CONFIRMED,
    BookingStatus.CANCELLED: Standing.CANCELLED,
    BookingStatus.WITHHELD: Standing.CANCELLED,
    BookingStatus.MISSED: Standing.MISSED,
    BookingStatus.DONE: Standing.PAST,
}


def standing_of(booking: Booking, *, now: datetime) -> Standing:
    """A visit whose time is over is past, whatever was written down about it."""
    found = _STANDINGS.get(BookingStatus(booking.status), Standing.HERE)
    is_running = found in (Standing.BOOKED, Standing.CONFIRMED, Standing.HERE)
    return Standing.PAST if is_running and now >= booking.end else found


def closes_at(booking: Booking, intake: IntakeSettings) -> datetime:
    """The first instant at which a link moves or cancels this visit no more."""
    return booking.start - timedelta(hours=intake.link_change_hours)


def earliest_start(intake: IntakeSettings, now: datetime) -> datetime:
    """Nothing sooner is offered: it could not be changed by a link any more."""
    return now + timedelta(hours=intake.link_change_hours)


# -- the acts ----------------------------------------------------------------------------------------------------------


def confirm(opened: Opened, *, seen: datetime | None, now: datetime) -> None:
    """The visit is confirmed; pressed again, it stays so.

    Args:
        seen: the start that the page showed.

    Raises:
        ActRefusedError: OVER or CHANGED.
    """
    booking = _visit(opened)
    _check_seen(booking, seen)
    if not confirm_visit(booking, message=opened.message, said=f"Confirmed {BY_LINK}.", now=now):
        raise ActRefusedError(Why.OVER)
    mark_opened(opened.message, now=now)


def confirm_visit(booking: Booking, *, message: Message | None, said: str, now: datetime) -> bool:
    """True when the visit stands confirmed; also for an answer by text message. False: it is over, or has begun.

    Args:
        booking: as it was read; one that changed since is not confirmed unseen.
        message: in whose history it is written, once.
        said: the words there.

    Raises:
        ActRefusedError: CHANGED, it was moved or changed since it was read.
    """
    if booking.status == BookingStatus.CONFIRMED:
        return True
    if booking.status != BookingStatus.BOOKED or now >= booking.start:
        return False
    try:
        with recorded(by=None, now=now):
            bookings.advance(booking.pk, to=BookingStatus.CONFIRMED, by=None, now=now, expected_version=booking.version)
            if message is not None:
                note(message, now=now, said=said)
    except BookingRefusedError as error:
        there = Booking.objects.get(pk=booking.pk)
        if there.status != BookingStatus.CONFIRMED or there.start != booking.start:
            raise ActRefusedError(Why.CHANGED) from error
    return True


def choices(opened: Opened, *, since: datetime, intake: IntakeSettings, now: datetime) -> Sequence[Choice]:
    """Other legal times for the visit, soonest first; none when nothing is free.

    Args:
        since: from where to look on; never sooner than a link may move to.

    Raises:
        ActRefusedError: OVER, LATE, or CALL.
    """
    booking = _visit(opened)
    check_may_change(booking, intake=intake, now=now)
    found: Choices = import_string(_acts_of(booking).choices)
    return found(opened, since=max(since, earliest_start(intake, now)), count=OFFERED, now=now)


def move(opened: Opened, *, key: str, seen: datetime | None, intake: IntakeSettings, now: datetime) -> None:
    """The visit stands at the time that was picked, at once; pressed again, it stays there.

    Raises:
        ActRefusedError: TAKEN (others have to be shown), CHANGED, OVER, LATE or CALL; nothing was changed.
    """
    booking, act = _visit(opened), _acts_of(_visit(opened))
    if _is_at(booking, key):
        return
    _check_seen(booking, seen)
    check_may_change(booking, intake=intake, now=now)
    done: MoveIt = import_string(act.move)
    try:
        with recorded(by=None, now=now):
            done(opened, key=key, since=earliest_start(intake, now), now=now)
            moved = Booking.objects.select_related("location").get(pk=booking.pk)
            # Whoever picked the time themselves need not be asked whether it suits them.
            bookings.advance(moved.pk, to=BookingStatus.CONFIRMED, by=None, now=now, expected_version=moved.version)
            said = f"Moved {BY_LINK}, from {_said(booking)} to {_said(moved)}."
            note_opened(opened.message, now=now, said=said)
    except ActRefusedError:
        if _is_at(Booking.objects.get(pk=booking.pk), key):  # the other half of a double press was faster
            return
        raise


def cancel(opened: Opened, *, reason: str, seen: datetime | None, intake: IntakeSettings, now: datetime) -> None:
    """The visit is cancelled as the desk would cancel it, with the patient's words; pressed again, it stays so.

    Args:
        reason: optional; the front desk reads it.

    Raises:
        ActRefusedError: CHANGED, OVER, LATE or CALL; nothing was changed.
    """
    booking = _visit(opened)
    if booking.status == BookingStatus.CANCELLED:
        return
    _check_seen(booking, seen)
    check_may_change(booking, intake=intake, now=now)
    said = f"Cancelled {BY_LINK}."
    words = " ".join(reason.split())[:LONGEST_REASON]
    done: CancelIt = import_string(_acts_of(booking).cancel)
    try:
        with recorded(by=None, now=now):
            done(opened, reason=f"{said} “{words}”" if words else said, now=now)
            note_opened(opened.message, now=now, said=said)
    except ActRefusedError:
        if Booking.objects.get(pk=booking.pk).status == BookingStatus.CANCELLED:
            return
        raise


def sheet(opened: Opened) -> Sheet:
    """How to prepare for the visit.

    Raises:
        ActRefusedError: CALL, when there is nothing to prepare for.
    """
    booking = _visit(opened)
    found = sheets_of([booking]).get(booking.pk)
    if found is None:
        raise ActRefusedError(Why.CALL)
    return found


def sheets_of(visits: Sequence[Booking]) -> dict[int, Sheet]:
    """How to prepare for each of the visits that has a sheet; asked once for each kind of visit."""
    found: dict[int, Sheet] = {}
    for kind in dict.fromkeys(BookingKind(one.kind) for one in visits):
        if kind in _acts:
            prepare: Prepare = import_string(_acts[kind].sheet)
            found |= prepare([one for one in visits if one.kind == kind])
    return found


def has_sheet(booking: Booking) -> bool:
    return booking.kind in _acts


def check_may_change(booking: Booking, *, intake: IntakeSettings, now: datetime) -> None:
    """Raises ActRefusedError: OVER or LATE."""
    if booking.status not in UPCOMING_STATUSES or now >= booking.start:
        raise ActRefusedError(Why.OVER)
    if now >= closes_at(booking, intake):
        raise ActRefusedError(Why.LATE)


# -- parts -------------------------------------------------------------------------------------------------------------


def _visit(opened: Opened) -> Booking:
    if opened.booking is None:  # ``links.read`` refuses such a link
        raise ActRefusedError(Why.OVER)
    return opened.booking


def _acts_of(booking: Booking) -> VisitActs:
    try:
        return _acts[BookingKind(booking.kind)]
    except KeyError:
        raise ActRefusedError(Why.CALL) from None


def _check_seen(booking: Booking, seen: datetime | None) -> None:
    if seen != booking.start and booking.status in UPCOMING_STATUSES:
        raise ActRefusedError(Why.CHANGED)


def _is_at(booking: Booking, key: str) -> bool:
    return booking.status in UPCOMING_STATUSES and key.startswith(key_of(booking.start))


def key_of(start: datetime) -> str:
    """How every key of a time begins."""
    return f"{start:%Y%m%dT%H%M}"


def _said(booking: Booking) -> str:
    return f"{booking.location.local(booking.start):%a %-d %b, %H:%M}"
