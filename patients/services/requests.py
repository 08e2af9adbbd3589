"""Requests for a consultation: received once, answered by somebody, moved on, closed with a reason and opened again.

Whoever acts on a card says which version of it they saw; where it moved on in the meantime, nothing is saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from django.core.exceptions import ValidationError

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.freetime import open_days
from clinic.services.recorded import recorded
from patients.models import (
    AlertKind,
    Channel,
    CloseReason,
    ConsultationRequest,
    ContactConsent,
    ContactOutcome,
    DangerAlert,
    DangerAnswer,
    PartOfDay,
    Patient,
    RequestContact,
    RequestSource,
    RequestStatus,
)
from patients.pure.requests import TRIES_PAUSE_DAYS, next_try, step_after
from patients.services.alerts import raise_alert
from patients.services.contact_consents import contact_consents_of, record_contact_consent
from patients.services.messages.consultation_kinds import tell_received
from patients.services.registry import PatientData, PhoneData, register_patient

HEARD_FROM_US = frozenset({ContactOutcome.REACHED, ContactOutcome.VOICEMAIL, ContactOutcome.WROTE})
"""After these the person knows that the clinic answered: the request counts as contacted."""
CLOSABLE = frozenset({RequestStatus.NEW, RequestStatus.CONTACTED, RequestStatus.SEEN})
SAID_THROUGH = {
    RequestSource.WEB: "Request page",
    RequestSource.PHONE: "On the phone",
    RequestSource.REFERRAL: "Referral",
    RequestSource.WALK_IN: "At the desk",
}
"""How consent to be contacted was said."""
LOOK_AHEAD_DAYS = 21
DANGER_DETAIL = "Answered yes: thoughts of harming themselves or someone else today."


class StaleRequestError(Exception):
    """Somebody else acted on the request after the page was opened; nothing was saved. `current` is how it stands."""

    def __init__(self, current: ConsultationRequest) -> None:
        self.current = current
        super().__init__("Somebody else changed this request while it was open here. Look at it again.")


class RequestRefusedError(Exception):
    """What was asked for does not fit where the request stands; nothing was saved. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestData:
    """What a person says who asks for a consultation. Names of the fields are those of `ConsultationRequest`."""

    given_name: str
    family_name: str
    birth_date: date | None = None
    email: str = ""
    phone: str = ""  # E.164
    may_phone: bool = False
    may_sms: bool = False
    may_email: bool = False
    seeks_help_for: tuple[str, ...] = ()
    message: str = ""
    wished_mode: str = ""
    wished_weekdays: tuple[int, ...] = ()  # 0 is Monday
    wished_part: str = PartOfDay.ANY
    language: str = "en"
    referrer: str = ""
    danger: str = DangerAnswer.NOT_ASKED

    def columns(self) -> dict[str, object]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"seeks_help_for": list(self.seeks_help_for), "wished_weekdays": list(self.wished_weekdays)}


# --- received ---------------------------------------------------------------------------------------------------------


def receive_request(*, data: RequestData, location: Location, submission: UUID, now: datetime) -> ConsultationRequest:
    """The request of the public page stands in the queue, once however often the same form arrives.

    The same form with other words (Back, corrected, sent again) is another request: no answer is lost, least of all a
    "yes" to the question about danger. That answer makes the request urgent and raises an alert.

    Args:
        submission: comes with the form.

    Raises:
        ValidationError: when a value does not fit its field.
    """
    with recorded(by=None, now=now):
        request = _received(data, location, submission, RequestSource.WEB, by=None, now=now)
        tell_received(request, now=now)
        return request


def take_phone_request(
    *,
    data: RequestData,
    location: Location,
    submission: UUID,
    by: User,
    now: datetime,
    source: RequestSource = RequestSource.PHONE,
) -> ConsultationRequest:
    """The request stands in the same queue as those of the web page, and ``by`` owes the next step.

    Somebody who called or stands at the desk has been spoken to, so their request counts as contacted; a referral
    waits as new for the first call.

    Raises:
        ValidationError: when a value does not fit its field.
    """
    with recorded(by=by, now=now):
        request = _received(data, location, submission, source, by=by, now=now)
        if source in (RequestSource.PHONE, RequestSource.WALK_IN) and request.status == RequestStatus.NEW:
            note = "They called." if source == RequestSource.PHONE else "They came to the desk."
            RequestContact.objects.create(request=request, at=now, by=by, outcome=ContactOutcome.REACHED, note=note)
            _move(request, RequestStatus.CONTACTED, now)
            _save(request, "status", "status_since")
        return request


def _received(
    data: RequestData, location: Location, submission: UUID, source: RequestSource, *, by: User | None, now: datetime
) -> ConsultationRequest:
    key = uuid5(submission, repr((location.pk, source, astuple(data))))
    urgent = data.danger == DangerAnswer.YES
    fresh = ConsultationRequest(
        location=location,
        source=source,
        submission=key,
        status_since=now,
        received_at=now,
        is_urgent=urgent,
        owner=by,
        created_by=by,
        **data.columns(),
    )
    fresh.full_clean(exclude=["submission", "owner", "created_by", "location"], validate_unique=False)
    values = {
        column.attname: getattr(fresh, column.attname)
        for column in ConsultationRequest._meta.concrete_fields
        if not column.primary_key and column.name != "submission"
    }
    request, is_new = ConsultationRequest.objects.get_or_create(submission=key, defaults=values)
    if is_new and urgent:
        raise_alert(kind=AlertKind.URGENT_REQUEST, detail=DANGER_DETAIL, location=location, request=request, now=now)
    return request


# --- worked on --------------------------------------------------------------------------------------------------------


def log_contact(
    *,
    request_id: int,
    outcome: ContactOutcome,
    expected_version: int,
    by: User,
    now: datetime,
    note: str = "",
    next_act_on: date | None = None,
) -> ConsultationRequest:
    """The attempt stands on the card, with the day of the next one; whoever made it owes the next step.

    Reached, voicemail and e-mail make a new request "contacted"; no answer and a wrong number leave it where it is.
    Unless ``next_act_on`` is given, the next try is the next open day (the second one after an e-mail, today for an
    urgent request or a wrong number), and none after the person was reached.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when the request is closed.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        _refuse_closed(request)
        RequestContact.objects.create(request=request, at=now, by=by, outcome=outcome, note=note)
        if outcome in HEARD_FROM_US:
            _move(request, RequestStatus.CONTACTED, now)
        request.next_act_on = next_act_on or _next_act(request, outcome, now)
        request.owner = request.owner or by
    return request


def _next_act(request: ConsultationRequest, outcome: ContactOutcome, now: datetime) -> date | None:
    if outcome == ContactOutcome.REACHED:
        return None
    place = request.location
    today = place.local(now).date()
    if outcome == ContactOutcome.WRONG_NUMBER:
        return today
    days = open_days(place, today, today + timedelta(days=LOOK_AHEAD_DAYS))
    pause = TRIES_PAUSE_DAYS if outcome == ContactOutcome.WROTE else 1
    return next_try(today, days, pause=pause, urgent=request.is_urgent)


def assign(
    *, request_id: int, owner: User | None, expected_version: int, by: User, now: datetime
) -> ConsultationRequest:
    """``owner`` owes the next step, or nobody in particular.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when that person may not work on requests.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        if owner is not None and not owner.can(Can.EDIT_REQUESTS):
            raise RequestRefusedError(f"{owner} does not work on requests. Choose somebody from the desk.")
        request.owner = owner
    return request


def advance(
    request_id: int, *, to: RequestStatus, by: User | None, now: datetime, expected_version: int | None = None
) -> ConsultationRequest:
    """``to`` happened to the request: a consultation was booked, took place, fell away, was decided on.

    It moves forward any number of steps, and back from booked to contacted or from seen to booked; otherwise it stays
    where it is (see ``patients.pure.requests.step_after``), so a caller need not know where it stands. A closed
    request for which a consultation is booked, held or decided is open again.

    Raises:
        StaleRequestError: only when ``expected_version`` is given and somebody else acted in the meantime.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        _move(request, to, now)
        if request.status != RequestStatus.CLOSED and request.closed_at is not None:
            _forget_closing(request)
    return request


# --- whose request it is ----------------------------------------------------------------------------------------------


def link_patient(
    *, request_id: int, patient_id: int, expected_version: int, by: User, now: datetime
) -> ConsultationRequest:
    """The request is that patient's, and what they said about being contacted counts for the patient.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when it is linked already, or the record was merged into another one.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        _link(request, Patient.objects.get(pk=patient_id), by=by, now=now)
    return request


def register_from_request(
    *, request_id: int, birth_date: date | None, expected_version: int, by: User, now: datetime
) -> ConsultationRequest:
    """The person is in the registry with what they wrote, and the request is theirs.

    Args:
        birth_date: needed where the request has none; it wins over the one in the request.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when it is linked already.
        ValidationError: under "birth_date" when that is missing, or when a value does not fit the registry.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        born = birth_date or request.birth_date
        if born is None:
            raise ValidationError({"birth_date": "The registry needs a birth date. Ask for it."})
        _refuse_linked(request)
        phones = (PhoneData(request.phone.as_e164, is_primary=True),) if request.phone else ()
        data = PatientData(
            given_name=request.given_name,
            family_name=request.family_name,
            birth_date=born,
            email=request.email,
            home_location_id=request.location_id,
            referrer=request.referrer,
            language=request.language,
            phones=phones,
        )
        request.birth_date = born
        _link(request, register_patient(data=data, by=by, now=now), by=by, now=now)
    return request


def unlink_patient(*, request_id: int, expected_version: int, by: User, now: datetime) -> ConsultationRequest:
    """The request is nobody's again, and for the patient counts what was said before about being contacted.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when it is not linked, or a consultation was booked for it: that one is the patient's.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        if request.patient is None:
            raise RequestRefusedError("This request is not linked to anybody.")
        if request.consultations.exists():
            raise RequestRefusedError("A consultation was booked for this patient. Cancel or correct that first.")
        _take_back_consents(request, request.patient, by=by, now=now)
        DangerAlert.objects.filter(request=request).update(patient=None)
        request.patient = None
    return request


def _link(request: ConsultationRequest, patient: Patient, *, by: User, now: datetime) -> None:
    _refuse_linked(request)
    if patient.merged_into_id:
        raise RequestRefusedError("This record was merged into another one. Choose that one.")
    request.patient = patient
    DangerAlert.objects.filter(request=request, patient=None).update(patient=patient)
    for channel, value in _granted(request):
        record_contact_consent(
            patient=patient, channel=channel, granted=True, value=value, source=_source(request), by=by, now=now
        )


def _granted(request: ConsultationRequest) -> list[tuple[Channel, str]]:
    """The channels that were allowed. One that was left unticked says nothing, so it takes nothing back."""
    phone = str(request.phone.as_e164) if request.phone else ""
    said = (
        (Channel.PHONE, phone, request.may_phone),
        (Channel.SMS, phone, request.may_sms),
        (Channel.EMAIL, request.email, request.may_email),
    )
    return [(channel, value) for channel, value, is_granted in said if is_granted and value]


def _source(request: ConsultationRequest) -> str:
    return SAID_THROUGH[RequestSource(request.source)]


def _take_back_consents(request: ConsultationRequest, patient: Patient, *, by: User, now: datetime) -> None:
    """What the link wrote no longer counts: the word before it is said again, or there is none."""
    latest = contact_consents_of(patient)
    for channel, value in _granted(request):
        counts = latest[channel]
        if counts is None or (counts.source, counts.value) != (_source(request), value):
            continue  # something newer was said
        earlier = ContactConsent.objects.filter(patient=patient, channel=channel, pk__lt=counts.pk).order_by("-pk")
        before = earlier.first()
        record_contact_consent(
            patient=patient,
            channel=channel,
            granted=before.granted if before else False,
            value=before.value if before else value,
            source=before.source if before else "Correction",
            note="A request was linked to this patient by mistake; what was said before counts again.",
            by=by,
            now=now,
        )


# --- closed and opened again ------------------------------------------------------------------------------------------


def close_request(
    *, request_id: int, reason: CloseReason, expected_version: int, by: User, now: datetime, note: str = ""
) -> ConsultationRequest:
    """The request has left the board, with the reason. An alert that it raised goes on waiting.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when it is closed already, a consultation stands booked, or it was decided.
        ValidationError: when "Another reason" comes without a note, or the note is too long.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        _refuse_closed(request)
        if request.status == RequestStatus.BOOKED:
            raise RequestRefusedError("A consultation is booked for this request. Cancel that first.")
        if request.status not in CLOSABLE:
            raise RequestRefusedError("This request was decided. It leaves the board by itself.")
        if reason == CloseReason.OTHER and not note.strip():
            raise ValidationError({"note": "Say in a few words why."})
        request.status, request.status_since = RequestStatus.CLOSED, now
        request.closed_as, request.closed_note, request.closed_at, request.closed_by = reason, note.strip(), now, by
        request.next_act_on = None
        request.clean_fields(exclude=["submission", "owner", "created_by", "closed_by", "location", "patient"])
    return request


def reopen(*, request_id: int, expected_version: int, by: User, now: datetime) -> ConsultationRequest:
    """The request stands where it stood before it was closed.

    Raises:
        StaleRequestError: when somebody else acted in the meantime.
        RequestRefusedError: when it is not closed.
    """
    with _changing(request_id, expected_version, by=by, now=now) as request:
        if request.status != RequestStatus.CLOSED:
            raise RequestRefusedError("This request is open already.")
        before = request.events.exclude(status=RequestStatus.CLOSED).order_by("-pgh_id").first()  # type: ignore[attr-defined]
        request.status = before.status if before else RequestStatus.NEW
        request.status_since = now
        _forget_closing(request)
    return request


# --- helpers ----------------------------------------------------------------------------------------------------------


@contextmanager
def _changing(
    request_id: int, expected_version: int | None, *, by: User | None, now: datetime
) -> Iterator[ConsultationRequest]:
    """The locked request; what the block changes is saved as its next version, or nothing of it."""
    with recorded(by=by, now=now):
        rows = ConsultationRequest.objects.select_related("location", "patient", "owner")
        request = rows.select_for_update(of=("self",), no_key=True).get(pk=request_id)
        if expected_version is not None and request.version != expected_version:
            raise StaleRequestError(request)
        before = {name: getattr(request, name) for name in WORKED_ON}
        yield request
        changed = [name for name, value in before.items() if getattr(request, name) != value]
        if changed or expected_version is not None:  # an attempt to call changes the card even where no column moved
            _save(request, *changed)


WORKED_ON = (
    *("status", "status_since", "birth_date", "patient", "owner", "next_act_on"),
    *("closed_as", "closed_note", "closed_at", "closed_by"),
)


def _save(request: ConsultationRequest, *changed: str) -> None:
    request.version += 1
    request.save(update_fields=[*changed, "version"])


def _move(request: ConsultationRequest, to: RequestStatus, now: datetime) -> None:
    after = RequestStatus(step_after(request.status, to))
    if after != request.status:
        request.status, request.status_since = after, now
        request.next_act_on = None


def _forget_closing(request: ConsultationRequest) -> None:
    request.closed_as, request.closed_note, request.closed_at, request.closed_by = "", "", None, None


def _refuse_closed(request: ConsultationRequest) -> None:
    if request.status == RequestStatus.CLOSED:
        raise RequestRefusedError("This request is closed. Open it again first.")


def _refuse_linked(request: ConsultationRequest) -> None:
    if request.patient_id is not None:
        raise RequestRefusedError("This request is linked to a patient already.")
