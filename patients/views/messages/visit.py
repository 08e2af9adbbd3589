"""The pages behind the link of a message: a visit, its other times, cancelling, preparing, the calendar entry.

Looking changes nothing, so a mail scanner may open everything: acting takes a press. Works without JavaScript.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from http import HTTPStatus
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.views.decorators.http import require_http_methods, require_safe

from clinic.models import Booking, BookingKind
from patients.models import Consultation, VisitMode
from patients.pure.measures import MEASURES
from patients.pure.questionnaire import minutes_for, steps_of
from patients.services.messages import acts
from patients.services.messages.acts import ActRefusedError, Choice, Standing, Why
from patients.services.messages.clocks import Clocks, clocks_of
from patients.services.messages.invitations import calendar_of
from patients.services.messages.links import LinkRefusedError, Opened, Purpose, Refusal, start_told
from patients.services.messages.questions import link_made, measures_of, open_questions
from patients.views.language import is_switch, onward
from patients.views.messages.doors import by_link, page_around

MAPS = "https://www.openstreetmap.org/search?"
"""A link that the patient may follow; our own pages ask no other site for anything."""
FARTHEST_DAYS = 366
SAID = ("confirmed", "moved")
"""What a press just did, for the page after it; it says so only where the visit stands so."""


@by_link(*Purpose)
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """What the link is for: one of the pages below, or one that ``courses`` registered."""
    own = {Purpose.VISIT: _visit, Purpose.QUESTIONNAIRE: _questionnaire, Purpose.COURSE: _course}
    view = own.get(opened.purpose)
    if view is not None:
        return view(request, opened)
    name = acts.page_of(opened.purpose)
    if not name:
        raise LinkRefusedError(Refusal.GONE, opened.message)
    answer: HttpResponseBase = import_string(name)(request, opened)
    return answer


@by_link(Purpose.VISIT)
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """Other times; the one that is pressed is booked at once."""
    now, page = timezone.now(), page_around(request, opened)
    if request.method != "POST":
        return _other_times(request, opened, page, now)
    key, seen = request.POST.get("time", ""), _seen(request)
    if not key:
        return _other_times(request, opened, page, now, problem="none", status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        acts.move(opened, key=key, seen=seen, intake=page["intake"], now=now)
    except ActRefusedError as refusal:
        if refusal.why is Why.TAKEN:
            return _other_times(request, opened, page, now, problem="taken", status=HTTPStatus.CONFLICT)
        return _visit_page(request, _again(opened), page, now, problem=refusal.why)
    return _back(request, opened, "moved")


@by_link(Purpose.VISIT)
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """Asks once more before the visit is cancelled; a reason may be given."""
    now, page = timezone.now(), page_around(request, opened)
    reason = request.POST.get("reason", "").replace("\x00", "")
    try:
        if request.method == "POST" and not is_switch(request):
            acts.cancel(opened, reason=reason, seen=_seen(request), intake=page["intake"], now=now)
            return _back(request, opened)
        acts.check_may_change(_booking(opened), intake=page["intake"], now=now)
    except ActRefusedError as refusal:
        return _visit_page(request, _again(opened), page, now, problem=refusal.why)
    context = page | _when(opened) | {"longest": acts.LONGEST_REASON, "reason": reason}
    return render(request, "patients/visit_link/cancel.html", context)


@by_link(Purpose.VISIT)
@require_safe
def prepare(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """How to prepare, with exact times on the patient's clocks; to read or to print."""
    page = page_around(request, opened)
    try:
        sheet = acts.sheet(opened)
    except ActRefusedError:  # the visit is over, or another one took its place
        return _visit_page(request, opened, page, timezone.now(), problem=Why.OVER)
    return render(request, "patients/visit_link/prepare.html", page | _when(opened) | {"sheet": sheet})


@by_link(Purpose.VISIT, Purpose.COURSE)
@require_safe
def calendar(_request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """The visit, or all that are to come, for the patient's own calendar."""
    now = timezone.now()
    rows = [_booking(opened)] if opened.purpose is Purpose.VISIT else _to_come(opened, now)
    answer = HttpResponse(calendar_of(rows, now=now), content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return answer


# -- the visit ---------------------------------------------------------------------------------------------------------


def _visit(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    now, page = timezone.now(), page_around(request, opened)
    if request.method != "POST":
        return _visit_page(request, opened, page, now)
    if request.POST.get("answer") != "confirm":
        return _visit_page(request, opened, page, now, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        acts.confirm(opened, seen=_seen(request), now=now)
    except ActRefusedError as refusal:
        return _visit_page(request, _again(opened), page, now, problem=refusal.why)
    return _back(request, opened, "confirmed")


def _visit_page(  # noqa: PLR0913 (what the page is made of)
    request: HttpRequest,
    opened: Opened,
    page: dict[str, Any],
    now: datetime,
    *,
    problem: Why | None = None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    booking = _booking(opened)
    standing = acts.standing_of(booking, now=now)
    is_ahead = standing in (Standing.BOOKED, Standing.CONFIRMED) and now < booking.start
    closes = acts.closes_at(booking, page["intake"])
    told = start_told(opened.message)
    said = request.GET.get("said", "")
    context = (
        page
        | _when(opened)
        | {
            "standing": standing.value,
            "is_ahead": is_ahead,
            "may_confirm": is_ahead and standing is Standing.BOOKED,
            "may_change": is_ahead and now < closes,
            "closes": closes,
            "is_moved": is_ahead and told is not None and told != booking.start,
            "said": said if said in SAID and standing is Standing.CONFIRMED else "",
            "problem": problem.value if problem else "",
            "next_visit": None if is_ahead else _next(opened, now),
            "has_sheet": is_ahead and acts.has_sheet(booking),
        }
    )
    status = HTTPStatus.CONFLICT if problem else status
    return render(request, "patients/visit_link/visit.html", context, status=status)


def _when(opened: Opened) -> dict[str, Any]:
    """Time and place of the visit."""
    booking = _booking(opened)
    clocks = clocks_of(opened.patient, booking.location)
    return {
        "booking": booking,
        "clocks": clocks,
        "differs": clocks.differ(booking.start),
        "seen": booking.start.astimezone(UTC).isoformat(),
        "is_video": _is_video(booking),
        "map": MAPS + urlencode({"query": booking.location.address}),
    }


def _is_video(booking: Booking) -> bool:
    if booking.kind != BookingKind.CONSULTATION:
        return False
    return Consultation.objects.filter(booking=booking, mode=VisitMode.VIDEO).exists()


def _next(opened: Opened, now: datetime) -> Booking | None:
    return next(iter(_to_come(opened, now, count=1)), None)


def _to_come(opened: Opened, now: datetime, *, count: int = 60) -> list[Booking]:
    rows = Booking.objects.upcoming(now).filter(subject=opened.patient.resource_id)
    return list(rows.select_related("location").order_by("span")[:count])


# -- other times -------------------------------------------------------------------------------------------------------


def _other_times(  # noqa: PLR0913 (what the page is made of)
    request: HttpRequest,
    opened: Opened,
    page: dict[str, Any],
    now: datetime,
    *,
    problem: str = "",
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    when = _when(opened)
    try:
        since = _since(request, opened) or now
        found = list(acts.choices(opened, since=since, intake=page["intake"], now=now))
    except ActRefusedError as refusal:
        return _visit_page(request, _again(opened), page, now, problem=refusal.why)
    context = (
        page
        | when
        | {
            "days": _days(found, when["clocks"]),
            "is_later": "after" in request.GET,
            "after": opened.location.local(found[-1].start).date().isoformat() if found else "",
            "problem": problem,
        }
    )
    return render(request, "patients/visit_link/move.html", context, status=status)


def _since(request: HttpRequest, opened: Opened) -> datetime | None:
    """The day after the one that the address names, at the clinic."""
    try:
        day = parse_date(request.GET.get("after", ""))
    except ValueError:
        return None
    now = timezone.now()
    if day is None or not 0 <= (day - now.date()).days <= FARTHEST_DAYS:
        return None
    return opened.location.at(date.fromordinal(day.toordinal() + 1), time(0))


def _days(found: list[Choice], clocks: Clocks) -> list[tuple[datetime, list[Choice]]]:
    """The times by the day on the patient's clocks."""
    grouped = groupby(found, key=lambda one: clocks.local(one.start).date())
    days = [list(rows) for _day, rows in grouped]
    return [(rows[0].start, rows) for rows in days]


# -- questionnaires, all visits ----------------------------------------------------------------------------------------


def _questionnaire(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """What is asked and how long it takes; a press makes the questionnaire and opens it."""
    now = timezone.now()
    if request.method == "POST":
        try:
            return onward(request, "public:questionnaire", open_questions(opened, now=now))
        except ActRefusedError:
            raise LinkRefusedError(Refusal.GONE, opened.message) from None
    steps = steps_of([code for code in measures_of(opened.message) if MEASURES[code].can_be_sent])
    if not steps:
        raise LinkRefusedError(Refusal.GONE, opened.message)
    made = link_made(opened.message)
    context = page_around(request, opened) | {
        "questions": len(steps),
        "minutes": minutes_for(steps),
        "is_done": made is not None and made.finished_at is not None,
        "is_begun": made is not None and bool(made.draft),
    }
    return render(request, "patients/visit_link/questionnaire.html", context)


def _course(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """Everything that is booked for the patient; each on the patient's clocks. There is nothing to press."""
    now = timezone.now()
    rows = [
        {
            "booking": row,
            "clocks": (clocks := clocks_of(opened.patient, row.location)),
            "differs": clocks.differ(row.start),
        }
        for row in _to_come(opened, now)
    ]
    status = HTTPStatus.METHOD_NOT_ALLOWED if request.method == "POST" else HTTPStatus.OK
    return render(
        request, "patients/visit_link/visits.html", page_around(request, opened) | {"visits": rows}, status=status
    )


# -- parts -------------------------------------------------------------------------------------------------------------


def _booking(opened: Opened) -> Booking:
    if opened.booking is None:
        raise LinkRefusedError(Refusal.GONE, opened.message)
    return opened.booking


def _again(opened: Opened) -> Opened:
    """The visit as it stands by now, for the page that says what changed."""
    fresh = Booking.objects.select_related("location").get(pk=_booking(opened).pk)
    return Opened(opened.message, opened.purpose, opened.token, opened.patient, fresh, opened.expires_at)


def _seen(request: HttpRequest) -> datetime | None:
    """The start that the page showed; None when the form was altered."""
    try:
        found = parse_datetime(request.POST.get("seen", ""))
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _back(request: HttpRequest, opened: Opened, said: str = "") -> HttpResponseBase:
    return onward(request, "public:visit_link", opened.token, said=said)
