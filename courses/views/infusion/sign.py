"""The end of the record: completed by the nurse, signed by the prescriber, added to afterwards, printed on one page."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.forms.errors import show_refusal
from clinic.models import Booking, BookingStatus, User
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.adapters.infusion_pdf import pdf_of
from courses.forms.signing import AmendForm, SeenForm
from courses.services import signing
from courses.services.infusion_desk import Desk
from courses.services.infusion_pdf import summary_for
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused
from patients.services.privacy_part2 import notice_for


def section(desk: Desk, user: User, *, amend_form: AmendForm | None = None, problem: str = "") -> Section:
    """Where the record stands between the patient's leaving and the signature."""
    record = desk.record
    missing = () if desk.is_signed or record is None else signing.missing_of(desk)
    is_changed = not desk.is_signed and signing.is_changed_after_completion(desk)
    is_completed = record is not None and record.completed_at is not None
    latest = signing.latest_entry(desk) if is_changed else None
    may_run, may_sign = user.can(Can.RUN_INFUSION), user.can(Can.SIGN_INFUSION)
    prescriber = desk.course.prescriber
    context = {
        "missing": missing,
        "is_completed": is_completed,
        "is_changed": is_changed,
        "changed": f"{signing.say_entry(desk, latest)}, after the record was completed." if latest else "",
        "completed_by": desk.name(record.completed_by_id) if record else "",
        "signed_by": desk.name(record.signed_by_id) if record else "",
        "prescriber": prescriber.display_name,
        "may_complete": may_run and record is not None and not missing and (not is_completed or is_changed),
        "may_sign": may_sign and is_completed and not is_changed and not missing,
        "may_take_back": may_run and is_completed and not desk.is_signed,
        "may_amend": desk.is_signed and (may_run or may_sign),
        "owes_rems": may_run and desk.is_nasal and desk.run.is_started,
        "rems_sent": desk.rems_form is not None and desk.rems_form.sent_at is not None,
        "amend_form": amend_form or AmendForm(),
        "amendments": [(one, desk.name(one.by_id)) for one in desk.amendments],
        "problem": problem,
    }
    return _said(desk, user, context)


def _said(desk: Desk, user: User, context: dict[str, Any]) -> Section:
    record, place = desk.record, desk.place
    if record is not None and record.signed_at is not None:
        added = f", {len(desk.amendments)} added since" if desk.amendments else ""
        said, state, act = f"Signed {place.local(record.signed_at):%H:%M}{added}", State.DONE, ""
    elif context["is_changed"]:
        said, state, act = "Changed after it was completed", State.ASKS, "Complete the record again"
    elif context["is_completed"]:
        said = f"Completed by {context['completed_by']}, waits for {context['prescriber']}"
        state, act = (State.NOW, "Sign the record") if user.can(Can.SIGN_INFUSION) else (State.DONE, "")
    elif record is None or (desk.discharge is None and desk.booking.status != BookingStatus.WITHHELD):
        said, state, act = "After the patient has left" if record else "Nothing recorded yet", State.WAITING, ""
    elif context["missing"]:
        count = len(context["missing"])
        said, state, act = f"{count} thing{'' if count == 1 else 's'} missing", State.NOW, ""
    else:
        said, state, act = "To complete", State.NOW, "Complete the record"
    return Section(state, said, context, act=act)


@requires(Can.RUN_INFUSION)
@require_POST
def complete(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The nurse says that the record is complete."""
    return _act(request, booking_id, signing.complete, "The record is complete. A prescriber signs it next.")


@requires(Can.RUN_INFUSION)
@require_POST
def take_back(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The record is opened again before it is signed."""
    return _act(request, booking_id, signing.take_back_completion, "The record is open again.")


@requires(Can.SIGN_INFUSION)
@require_POST
def sign(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The prescriber signs."""
    return _act(request, booking_id, signing.sign, "Signed. From now on the record is only added to.")


def _act(request: HttpRequest, booking_id: int, service: Any, notice: str) -> HttpResponseBase:  # noqa: ANN401
    form = SeenForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, "sign", problem="Nothing was saved. Look at the page again.")
    try:
        service(booking_id=booking_id, version=form.cleaned_data["version"], by=staff(request), now=timezone.now())
    except (DayRefusedError, Booking.DoesNotExist) as refusal:
        return _refused(request, booking_id, refusal)
    return done(request, booking_id, notice=notice)


@requires(Can.RUN_INFUSION, Can.SIGN_INFUSION)
@require_POST
def amend(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """Something is added to a signed record."""
    form = AmendForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, "sign", amend_form=form)
    values = form.cleaned_data
    try:
        signing.amend(
            booking_id=booking_id,
            reason=values["reason"],
            text=values["text"],
            by=staff(request),
            now=timezone.now(),
        )
    except ValidationError as wrong:
        show_refusal(form, wrong)
        return refused(request, booking_id, "sign", amend_form=form)
    except DayRefusedError as refusal:
        return _refused(request, booking_id, refusal, amend_form=form)
    return done(request, booking_id, notice="Added to the record.")


def _refused(request: HttpRequest, booking_id: int, refusal: Exception, **bound: Any) -> HttpResponseBase:
    status = 409 if isinstance(refusal, ChangedMeanwhileError) else 422
    return refused(request, booking_id, "sign", problem=str(refusal), status=status, **bound)


@requires(Can.VIEW_INFUSION)
@require_GET
def pdf(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The infusion on one page; the file's name tells nobody who it is about."""
    desk = desk_or_404(booking_id)
    if desk.booking.subject_id:
        record_reading(
            by=staff(request),
            subject_id=desk.booking.subject_id,
            page="Infusion record, PDF",
            path=request.path,
            now=desk.now,
        )
    made = pdf_of(summary_for(desk, notice=notice_for(desk.patient)), at=desk.now.astimezone(UTC))
    answer = HttpResponse(made, content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="infusion-{booking_id}.pdf"'
    answer["Cache-Control"] = "no-store, private"
    return answer
