"""Leaving: the criteria with their values, the ticks, the discharge, and the sheet that the patient takes home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.forms.errors import show_refusal
from clinic.models import BookingStatus, User
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from clinic.services.bookings import BookingRefusedError, StaleBookingError
from courses.forms.leaving import AgainstAdviceForm, DischargeForm, HospitalForm, TickForm
from courses.pure.aftercare import driving_line, no_driving_until
from courses.pure.leaving import FRESH, NO, WORDS, YES, Criterion
from courses.services import leaving as services
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.leaving import Leaving, leaving_of
from courses.services.messages.sheet import message_of
from courses.services.moves import ChangeRefusedError
from courses.services.visits import undo_step
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused
from patients.services.intake_settings import public_settings_of
from patients.services.languages import known, speaking
from patients.services.messages.addressing import choose_for

NAME = "discharge"


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion as the page shows it; ``answers`` are the buttons, where a person answers it."""

    one: Criterion
    base: str

    @property
    def standing(self) -> str:
        if self.one.is_met is None:
            return "open"
        return "met" if self.one.is_met else "not"

    @property
    def answers(self) -> tuple[tuple[str, str, bool], ...]:
        """Value, word, chosen."""
        words = WORDS.get(self.one.tick)
        if words is None:
            return ()
        said = self.one.is_met if self.one.source.startswith("ticked") else None
        return (YES, words[0], said is True), (NO, words[1], said is False)


def section(desk: Desk, user: User, **bound: Any) -> Section:
    """Waits for the end of the infusion, then shows what is missing; one query, for the next infusion."""
    found = leaving_of(desk)
    since = services.over_at(desk)
    may_write = user.can(Can.RUN_INFUSION) and not desk.is_signed and not desk.is_ended
    left = desk.discharge
    bases = services.base_of_ticks(desk)
    may_leave = may_write and left is None and since is not None
    to = choose_for(desk.patient, desk.place) if may_leave else None
    form = bound.get("form") or DischargeForm(auto_id="discharge_%s")
    context = {
        **bound,
        "leaving": found,
        "lines": [Line(one, bases.get(one.tick, "")) for one in found.criteria],
        "has_ended": since is not None,
        "again_at": services.facts_of(desk).changes_at if left is None else None,
        "is_watched": found.earliest is not None and found.earliest <= desk.now,
        "may_write": may_write and left is None,
        "left": left,
        "may_take_back": may_write and left is not None and desk.booking.status == BookingStatus.DONE,
        "left_by": desk.name(left.by_id) if left else "",
        "instructions": left.instructions if left else services.instructions_of(desk),
        "is_own_text": bool(desk.protocol.aftercare.strip()),
        "driving": driving_line(is_nasal=desk.is_nasal),
        "no_driving_until": no_driving_until(since) if since else None,
        "named_escort": services.escort_named(desk),
        "way_form": form if to is None or not to.is_call else form.without_message(),
        "sheet_to": to,
        "sheet_message": message_of(left.pk, desk.booking.pk) if left else None,
        "to_hospital": services.is_sent_to_hospital(desk),
        "advice_form": bound.get("advice_form") or AgainstAdviceForm(auto_id="advice_%s"),
        "fresh_min": int(FRESH.total_seconds() // 60),
        "next_visit": services.next_visit(desk) if since else None,
    }
    if left is not None:
        return Section(State.DONE, f"Left {desk.place.local(left.at):%H:%M} {left.how}", context)
    if since is None or desk.is_ended or desk.booking.status == BookingStatus.DONE:
        return Section(State.WAITING, "", context)
    return _standing(desk, found, context, may_write=may_write)


def _standing(desk: Desk, found: Leaving, context: dict[str, Any], *, may_write: bool) -> Section:
    if found.is_ready:
        return Section(State.NOW, "Ready to leave", context, act="Discharge" if may_write else "")
    missing = f"{len(found.missing)} missing"
    act = f"Leaving: {missing}" if may_write else ""
    if found.earliest and desk.now < found.earliest:
        earliest = f"{desk.place.local(found.earliest):%H:%M}"
        return Section(State.WAITING, f"Earliest {earliest}", context, act=act)
    return Section(State.ASKS, missing.capitalize(), context, act=act)


# -- acts --------------------------------------------------------------------------------------------------------------
@requires(Can.RUN_INFUSION)
@require_POST
def tick(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """One criterion is answered."""
    desk_or_404(booking_id)
    form = TickForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, NAME, problem="This answer could not be read. Nothing was saved.")
    try:
        services.tick(booking_id=booking_id, by=staff(request), now=timezone.now(), **form.cleaned_data)
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except (DayRefusedError, ValidationError) as refusal:
        said = " ".join(refusal.messages) if isinstance(refusal, ValidationError) else str(refusal)
        return refused(request, booking_id, NAME, problem=said)
    return done(request, booking_id)


@requires(Can.RUN_INFUSION)
@require_POST
def leave(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The patient leaves, or the list of what is missing comes back."""
    desk_or_404(booking_id)
    form = DischargeForm(request.POST, auto_id="discharge_%s")
    way = form.cleaned_data["way"] if form.is_valid() else ""
    try:
        left = services.discharge(booking_id=booking_id, way=way, by=staff(request), now=timezone.now())
    except services.NotReadyError as refusal:
        return refused(request, booking_id, NAME, form=form, missing=refusal.missing)
    except ValidationError as refusal:
        if form.is_valid():
            show_refusal(form, refusal)
        return refused(request, booking_id, NAME, form=form)
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, form=form, problem=str(refusal))
    return done(request, booking_id, notice=f"Left with {left.escort_name}.")


@requires(Can.RUN_INFUSION)
@require_POST
def hospital(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The patient was handed over to a hospital."""
    desk_or_404(booking_id)
    form = HospitalForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, NAME, hospital_problem=" ".join(map(str, form.errors["taken_over_by"])))
    name = form.cleaned_data["taken_over_by"]
    try:
        services.send_to_hospital(booking_id=booking_id, taken_over_by=name, by=staff(request), now=timezone.now())
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except (DayRefusedError, ValidationError) as refusal:
        said = " ".join(refusal.messages) if isinstance(refusal, ValidationError) else str(refusal)
        return refused(request, booking_id, NAME, problem=said)
    return done(request, booking_id, notice="Handed over to the hospital.")


@requires(Can.RUN_INFUSION)
@require_POST
def against_advice(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """They would not stay."""
    desk_or_404(booking_id)
    form = AgainstAdviceForm(request.POST, auto_id="advice_%s")
    if not form.is_valid():
        return refused(request, booking_id, NAME, advice_form=form)
    told, went_with = form.cleaned_data["told"], form.cleaned_data["went_with"]
    try:
        left = services.leave_against_advice(
            booking_id=booking_id, told=told, went_with=went_with, by=staff(request), now=timezone.now()
        )
    except ValidationError as refusal:
        show_refusal(form, refusal)
        return refused(request, booking_id, NAME, advice_form=form)
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, advice_form=form, problem=str(refusal))
    return done(request, booking_id, notice=f"Left {left.how}.")


@requires(Can.RUN_INFUSION)
@require_POST
def back(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """They have not left: the discharge is struck and the visit observes again."""
    desk_or_404(booking_id)
    version = request.POST.get("version", "")
    if not version.isdecimal():
        return refused(request, booking_id, NAME, problem="This could not be read. Load the page again.")
    try:
        undo_step(booking_id=booking_id, by=staff(request), now=timezone.now(), expected_version=int(version[:9]))
    except StaleBookingError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except (BookingRefusedError, ChangeRefusedError) as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal))
    return done(request, booking_id, notice="Taken back: they are still being watched.")


# -- the sheet ---------------------------------------------------------------------------------------------------------
@requires(Can.VIEW_INFUSION)
@require_GET
def aftercare(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """What the patient takes home, to print or to show; no drug, no diagnosis."""
    desk = desk_or_404(booking_id)
    if desk.booking.subject_id:
        user, subject = staff(request), desk.booking.subject_id
        record_reading(by=user, subject_id=subject, page="Sheet to take home", path=request.path, now=desk.now)
    since = services.over_at(desk)
    left = desk.discharge
    spoken, said = known(desk.patient.language), left.instructions if left else services.instructions_of(desk)
    with speaking(spoken):  # the usual lines have translations; a clinic's own text stays as it was written
        lines = [gettext(one.strip()) for one in said.splitlines() if one.strip()]
        driving = gettext(driving_line(is_nasal=desk.is_nasal))
    context = {
        "desk": desk,
        "place": desk.place,
        "patient": desk.patient,
        "first_name": desk.patient.preferred_name or desk.patient.given_name,
        "spoken": spoken,
        "lines": lines,
        "driving": driving,
        "no_driving_until": left.no_driving_until if left else (no_driving_until(since) if since else None),
        "next_visit": services.next_visit(desk),
        "message": message_of(left.pk, desk.booking.pk) if left else None,
        "crisis_text": public_settings_of(desk.place).crisis_text,
    }
    return render(request, "courses/infusion/aftercare.html", context)
