"""One visit: its sheet, and how it ends."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import details, go, is_fragment
from clinic.edge.links import own_page
from clinic.edge.numbers import number_in
from clinic.models import Booking, BookingKind, BookingStatus, Location, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from clinic.services import bookings
from clinic.services.access import record_reading
from courses.forms.calendar import EndVisitForm
from courses.models import Course, CourseStatus
from courses.services.day import VisitCard, card
from courses.services.pencils import readiness_now
from courses.services.visits import is_of_a_later_day, may_step, record_consultation_held
from courses.views.today import NEXT_IN_CONSULTATION, NEXT_STEP, day_url_of, may_undo, remember_step, safe_return
from patients.services.readiness import Seen

# how -> (status, whether a reason is needed)
ENDINGS = {"cancel": (BookingStatus.CANCELLED, True), "no-show": (BookingStatus.MISSED, False)}


@requires(Can.VIEW_CALENDAR)
@require_GET
def visit(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """One visit in the side sheet: who, when, with whom, and what can be done."""
    booking = read_booking(booking_id)
    now = timezone.now()
    if booking.subject_id:
        record_reading(by=staff(request), subject_id=booking.subject_id, page="Visit", path=request.path, now=now)
    return _sheet(request, booking, now)


def read_booking(booking_id: int) -> Booking:
    rows = Booking.objects.select_related("location", "subject__patient", "infusion_visit__infusion__phase__course")
    booking = get_object_or_404(rows.prefetch_related("allocations__resource__user"), pk=booking_id)
    booking.has_phone = True  # type: ignore[attr-defined]  # the sheet shows the numbers themselves
    return booking


def _sheet(
    request: HttpRequest, booking: Booking, now: datetime, *, form: EndVisitForm | None = None, how: str = ""
) -> HttpResponseBase:
    shown, user = card(booking), staff(request)
    step = (NEXT_STEP if shown.kind is BookingKind.INFUSION else NEXT_IN_CONSULTATION).get(shown.status)
    is_upcoming = shown.status in UPCOMING_STATUSES
    may_go_on = step is not None and may_step(user, step[0]) and not is_of_a_later_day(booking, now)
    is_held_possible = shown.kind is BookingKind.CONSULTATION and shown.end <= now and step is not None
    context = {
        "card": shown,
        "booking": booking,
        "place": booking.location,
        "phones": list(shown.patient.phones.all()) if shown.patient else [],
        "is_upcoming": is_upcoming,
        "has_begun": shown.start <= now,
        "step": step if shown.patient and may_go_on and not is_held_possible else None,
        "may_confirm": shown.status is BookingStatus.BOOKED
        and shown.start > now
        and may_step(user, BookingStatus.CONFIRMED),
        "may_record_held": is_held_possible and (user.can(Can.EDIT_BOOKING) or user.can(Can.RUN_INFUSION)),
        "can_undo": may_undo(request, shown, now),
        "day_url": day_url_of(user, shown),
        "ready": _readiness(shown, user, now),
        "form": form,
        "how": how,
        "next": opened_on(request, shown, booking.location),
    }
    template = "courses/_visit.html" if is_fragment(request) else "courses/visit.html"
    return render(request, template, context, status=422 if form is not None else 200)


def _readiness(shown: VisitCard, user: User, now: datetime) -> Seen | None:
    """The checklist of a course that begins with this visit; on the day itself nothing may be too old any more."""
    if shown.kind is not BookingKind.INFUSION or shown.number != 1 or shown.status not in UPCOMING_STATUSES:
        return None
    course = (
        Course.objects.filter(pk=shown.course_id or 0, status=CourseStatus.PLANNED).select_related("location").first()
    )
    return readiness_now(course, now).seen_by(user) if course is not None else None


def opened_on(request: HttpRequest, shown: VisitCard, place: Location) -> str:
    """The page that the sheet lies on: what is done in it leads back there."""
    page = request.POST.get("next") or details(request).current_url_abs_path or ""
    return own_page(request, page, calendar_at(place, shown.start))


def calendar_at(place: Location, at: datetime) -> str:
    return f"{reverse('courses:calendar')}?day={place.local(at):%Y-%m-%d}"


@requires(Can.EDIT_BOOKING)
@require_POST
def end_visit(request: HttpRequest, booking_id: int, how: str) -> HttpResponseBase:
    """Cancels a consultation or blocked time, or records a no-show; infusions are ended on their course."""
    booking = read_booking(booking_id)
    is_block = booking.kind == BookingKind.BLOCK
    if how not in ENDINGS or booking.kind == BookingKind.INFUSION or (is_block and how == "no-show"):
        raise Http404
    status, needs_reason = ENDINGS[how]
    form, now = EndVisitForm(request.POST, needs_reason=needs_reason and not is_block), timezone.now()
    if form.is_valid():
        try:
            ended = bookings.release(
                [booking.pk],
                status=status,
                reason=form.cleaned_data["reason"],
                by=staff(request),
                now=now,
                expected_version=form.cleaned_data["version"],
            )[0]
        except bookings.BookingRefusedError as refusal:
            form.add_error(None, str(refusal))
        else:
            remember_step(request, ended, now)
            messages.success(request, _ended_words(card(booking), status))
            return go(request, safe_return(request, "courses:calendar"))
    return _sheet(request, booking, now, form=form, how=how)


def _ended_words(ended: VisitCard, status: BookingStatus) -> str:
    if ended.kind is BookingKind.BLOCK:
        return f"{ended.who}: the time is free again."
    if status is BookingStatus.MISSED:
        return f"{ended.who}: recorded as a no-show."
    return f"{ended.who}: the visit is cancelled, its time is free again."


@requires(Can.EDIT_BOOKING, Can.RUN_INFUSION)
@require_POST
def held(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """A consultation of which nobody recorded the steps took place."""
    booking = read_booking(booking_id)
    version = number_in(request.POST.get("version"))
    try:
        if version is None:
            raise bookings.StepRefusedError("This could not be read. Load the page again.")
        record_consultation_held(booking_id=booking.pk, by=staff(request), now=timezone.now(), expected_version=version)
    except bookings.BookingRefusedError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{card(booking).who}: the consultation is recorded as held.")
    return go(request, safe_return(request, "courses:calendar"))
