"""The end of an infusion record: the nurse completes it, a prescriber signs it, afterwards it is only added to.

Who completes or signs says which version they saw. What was written between completion and signature counts against
it: the record is then completed again, by somebody who has seen what was added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F, Min

from clinic.models import Booking, BookingKind, BookingStatus, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import InfusionAmendment, InfusionRecord, RemsForm
from courses.pure.rems import due_on
from courses.services.infusion_desk import Desk, read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, RecordSignedError
from courses.services.stock import missing_draw, unaccounted


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing without which the record is not complete, and the section of the page in which it is done."""

    text: str
    section: str


class NotCompleteError(DayRefusedError):
    """Something is still missing; ``missing`` says what."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        self.missing = tuple(missing)
        super().__init__("The record is not complete yet. " + " ".join(one.text for one in missing))


# --- what is missing --------------------------------------------------------------------------------------------------
def missing_of(desk: Desk) -> tuple[Missing, ...]:
    """What has to be done before the record can be completed; nothing of a treatment at a visit that was withheld."""
    found = () if desk.is_ended else tuple(_missing_of_treatment(desk))
    return (*found, *_missing_of_drug(desk))


def _missing_of_treatment(desk: Desk) -> Iterable[Missing]:
    if not desk.run.is_started:
        yield Missing("Nothing was given. Record the start, or withhold the visit.", "run")
        return
    if not desk.run.is_over:
        yield Missing("The infusion has not ended.", "run")
    needed = desk.day_settings.checks_needed
    checked = sum(1 for one in desk.children["checks"] if desk.order_given and one.order_id == desk.order_given.pk)
    if checked < needed:
        yield Missing(f"The dose was checked by {checked} of {needed} people.", "dose")
    waiting = [one for one in desk.alarms if one.answered_at is None]
    if waiting:
        verb = "1 alarm is" if len(waiting) == 1 else f"{len(waiting)} alarms are"
        yield Missing(f"{verb} not answered.", "flowsheet")
    if not desk.effects and (desk.record is None or desk.record.no_adverse_events_at is None):
        yield Missing("Side effects: say which, or that there were none.", "effects")
    if desk.discharge is None:
        yield Missing("The patient has not left.", "discharge")


def _missing_of_drug(desk: Desk) -> Iterable[Missing]:
    for text in (missing_draw(desk), *unaccounted(desk)):
        if text:
            yield Missing(text, "stock")


# --- what was added last ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Entry:
    """The latest thing that was written: what, when by the clock of the server, and who."""

    at: datetime
    what: str
    by_id: int | None


WRITTEN: dict[str, tuple[tuple[str, str, str], ...]] = {
    "answers": (("at", "by_id", "answered a question"),),
    "decisions": (("at", "by_id", "decided on a hold"),),
    "orders": (("at", "by_id", "ordered a dose"),),
    "checks": (("at", "by_id", "checked the dose"),),
    "taps": (
        ("received_at", "by_id", "recorded a step of the infusion"),
        ("struck_at", "struck_by_id", "corrected a step of the infusion"),
    ),
    "rows": (
        ("received_at", "by_id", "recorded vital signs"),
        ("struck_at", "struck_by_id", "struck vital signs"),
    ),
    "alarms": (("answered_at", "answered_by_id", "answered an alarm"),),
    "effects": (
        ("recorded_at", "recorded_by_id", "recorded a side effect"),
        ("struck_at", "struck_by_id", "struck a side effect"),
    ),
    "draws": (("drawn_at", "drawn_by_id", "drew the drug"), ("closed_at", "closed_by_id", "accounted for the drug")),
    "discharges": (
        ("at", "by_id", "recorded that the patient left"),
        ("struck_at", "struck_by_id", "took back that the patient left"),
    ),
}


def latest_entry(desk: Desk) -> Entry | None:
    """What was written last to this record."""
    return max(_entries(desk), key=lambda one: one.at, default=None)


def _entries(desk: Desk) -> Iterator[Entry]:
    for name, kinds in WRITTEN.items():
        for row in desk.children[name]:
            for when, who, what in kinds:
                at = getattr(row, when)
                if at is not None:
                    yield Entry(at, what, getattr(row, who))
    record = desk.record
    if record is not None and record.no_adverse_events_at is not None:
        yield Entry(record.no_adverse_events_at, "said that there were no side effects", record.no_adverse_events_by_id)


def is_changed_after_completion(desk: Desk) -> bool:
    """Something was written after the nurse had completed the record."""
    record, latest = desk.record, latest_entry(desk)
    return bool(record and record.completed_at and latest and latest.at > record.completed_at)


def say_entry(desk: Desk, entry: Entry) -> str:
    """As "Rosa Vega recorded vital signs at 11:42"."""
    who = desk.name(entry.by_id) or "Somebody"
    return f"{who} {entry.what} at {desk.place.local(entry.at):%H:%M}"


# --- completing and signing -------------------------------------------------------------------------------------------
def complete(*, booking_id: int, version: int, by: User, now: datetime) -> InfusionRecord:
    """The record is complete and waits for the prescriber; a REMS form is opened where one is due.

    Args:
        version: of the record, as the page showed it.

    Raises:
        PermissionDenied: the person does not run infusions.
        NotCompleteError: something is missing.
        ChangedMeanwhileError: somebody wrote to the record meanwhile.
        DayRefusedError: see ``_holding``.
    """
    _demand(by, Can.RUN_INFUSION)
    with _holding(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        _check_version(desk, version, by, "complete the record")
        missing = missing_of(desk)
        if missing:
            raise NotCompleteError(missing)
        record.completed_at, record.completed_by = now, by
        _save(record, "completed_at", "completed_by")
        if desk.is_nasal and desk.run.is_started:
            given_on = desk.place.local(desk.booking.start).date()
            RemsForm.objects.get_or_create(
                record=record, defaults={"due_on": due_on(given_on, desk.day_settings.rems_days)}
            )
    return record


def take_back_completion(*, booking_id: int, version: int, by: User, now: datetime) -> InfusionRecord:
    """The record is open again.

    Raises:
        PermissionDenied: the person does not run infusions.
        ChangedMeanwhileError: somebody wrote to the record meanwhile.
        DayRefusedError: it is not completed; or see ``_holding``.
    """
    _demand(by, Can.RUN_INFUSION)
    with _holding(booking_id, by=by, now=now) as record:
        _check_version(read_desk(booking_id, now=now), version, by, "open it again")
        if record.completed_at is None:
            raise DayRefusedError("The record is not completed, so there is nothing to take back.")
        record.completed_at, record.completed_by = None, None
        _save(record, "completed_at", "completed_by")
    return record


def sign(*, booking_id: int, version: int, by: User, now: datetime) -> InfusionRecord:
    """The record is signed and never changes again.

    Raises:
        PermissionDenied: the person does not sign infusions.
        NotCompleteError: something is missing, for example because the last step of the visit was undone.
        ChangedMeanwhileError: somebody wrote to the record meanwhile, or after it was completed.
        DayRefusedError: it was not completed; or see ``_holding``.
    """
    _demand(by, Can.SIGN_INFUSION)
    with _holding(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        _check_version(desk, version, by, "sign")
        if record.completed_at is None:
            raise DayRefusedError("The nurse completes the record first; then a prescriber signs it.")
        if is_changed_after_completion(desk) or _versions_since_completion(record):
            latest = latest_entry(desk)
            who = f"{say_entry(desk, latest)}, after" if latest and latest.at > record.completed_at else "Changed after"
            raise ChangedMeanwhileError(f"{who} the record was completed. Look at it, then complete it again.")
        missing = missing_of(desk)
        if missing:
            raise NotCompleteError(missing)
        record.signed_at, record.signed_by = now, by
        _save(record, "signed_at", "signed_by")
    return record


def amend(*, booking_id: int, reason: str, text: str, by: User, now: datetime) -> InfusionAmendment:
    """A signed record has one more amendment. The same words of the same person twice are one amendment.

    Raises:
        PermissionDenied: the person neither runs nor signs infusions.
        DayRefusedError: the record is not signed: it can still be written to.
        ValidationError: without a reason or a text.
    """
    if not (by.can(Can.RUN_INFUSION) or by.can(Can.SIGN_INFUSION)):
        raise PermissionDenied("Your role does not include this.")
    reason, text = reason.strip(), text.strip()
    wrong = {name: ["This is needed."] for name, said in (("reason", reason), ("text", text)) if not said}
    if wrong:
        raise ValidationError(wrong)
    with recorded(by=by, now=now):
        record = _locked_record(booking_id)
        if record is None or not record.is_signed:
            raise DayRefusedError("The record is not signed yet: change it itself, an amendment is not needed.")
        known = InfusionAmendment.objects.filter(record=record, by=by, reason=reason, text=text).first()
        if known is not None:
            return known
        amendment = InfusionAmendment(record=record, reason=reason, text=text, by=by, at=now)
        amendment.full_clean()
        amendment.save()
        return amendment


# --- locks ------------------------------------------------------------------------------------------------------------
@contextmanager
def _holding(booking_id: int, *, by: User, now: datetime) -> Iterator[InfusionRecord]:
    """The record of this visit, locked in the order booking, record. Also of a visit that was withheld.

    Raises:
        DayRefusedError: nobody arrived, the visit was cancelled or missed, or nothing was recorded.
        RecordSignedError: it is signed.
    """
    with recorded(by=by, now=now):
        booking = Booking.objects.select_for_update(no_key=True).get(pk=booking_id, kind=BookingKind.INFUSION)
        if booking.status in UPCOMING_STATUSES:
            raise DayRefusedError("The patient has not arrived yet. Record the arrival first.")
        if booking.status in (BookingStatus.CANCELLED, BookingStatus.MISSED):
            raise DayRefusedError(f"This visit is {booking.get_status_display().lower()}: there is nothing to sign.")
        record = _locked_record(booking_id)
        if record is None:
            raise DayRefusedError("Nothing was recorded at this visit, so there is nothing to sign.")
        if record.is_signed:
            raise RecordSignedError
        yield record


def _locked_record(booking_id: int) -> InfusionRecord | None:
    return InfusionRecord.objects.select_for_update(no_key=True, of=("self",)).filter(visit__booking=booking_id).first()


def _save(record: InfusionRecord, *names: str) -> None:
    values: dict[str, Any] = {name: getattr(record, name) for name in names}
    InfusionRecord.objects.filter(pk=record.pk).update(version=F("version") + 1, **values)
    record.version += 1


def _versions_since_completion(record: InfusionRecord) -> int:
    """How many writes the record took since it was completed; its own history knows, whatever those wrote."""
    known = InfusionRecord.pgh_event_model.objects.filter(  # type: ignore[attr-defined]
        pgh_obj=record.pk, completed_at=record.completed_at
    ).aggregate(first=Min("version"))
    return record.version - (known["first"] or record.version)


def _check_version(desk: Desk, version: int, by: User, then: str) -> None:
    if desk.version == version:
        return
    latest = latest_entry(desk)
    said = say_entry(desk, latest) if latest and latest.by_id != by.pk else "Something was written"
    raise ChangedMeanwhileError(f"{said}, after you opened this page. Look at it, then {then}.")


def _demand(by: User, needs: Can) -> None:
    if not by.can(needs):
        raise PermissionDenied("Your role does not include this.")
