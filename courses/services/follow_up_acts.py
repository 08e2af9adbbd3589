"""What is done about a measure that is due: sent, waived, a waiver struck."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Course, MeasureAct, MeasureActKind
from courses.planning.words import say_day
from courses.services.follow_up import OPEN_LINKS, Item, State, read_schedule
from courses.services.worklists.engine import sweep_after
from patients.models import LinkKind, MeasureLink, Message
from patients.services import measure_links
from patients.services.measure_links import LinkState
from patients.services.messages.questionnaires import CannotSendError, send_questionnaire
from patients.services.registry import lock_patient

LONGEST_REASON = 300
LONGEST_STRIKE = 200


class FollowUpRefusedError(Exception):
    """Nothing was changed; the message says what is wrong and what to do."""


def send_item(course: Course, *, key: str, kind: LinkKind, by: User, now: datetime) -> tuple[MeasureLink, str]:
    """What a patient may answer alone of this item goes out as one link; its token is shown now and never again.

    A link that went out for it before and that nobody has begun to answer opens nothing any more: it was shown once,
    and two of them would be answered twice.

    Raises:
        PermissionDenied: the role does not include sending.
        FollowUpRefusedError: the item is gone, not due, or nothing of it can be sent; or the patient is answering.
        ValidationError, MergedPatientError: see ``create_link``.
    """
    _demand(by, Can.SEND_MEASURE)
    with recorded(by=by, now=now):
        codes = _taken_for_sending(course, key, by=by, now=now)
        link, token = measure_links.create_link(
            patient=course.patient, measures=codes, kind=kind, location=course.location, by=by, now=now
        )
        _note_sent(course, key, codes, link, by=by, now=now)
        return link, token


def message_item(course: Course, *, key: str, by: User, now: datetime) -> Message:
    """The same, sent by text or e-mail as the patient agreed; nobody sees the link.

    Raises:
        PermissionDenied, FollowUpRefusedError, ValidationError, MergedPatientError: as for ``send_item``; also
            where the patient agreed to neither, or the clinic sends none.
    """
    _demand(by, Can.SEND_MEASURE)
    try:
        with recorded(by=by, now=now):
            codes = _taken_for_sending(course, key, by=by, now=now)
            link, message = send_questionnaire(
                patient=course.patient, measures=codes, location=course.location, by=by, now=now
            )
            _note_sent(course, key, codes, link, by=by, now=now)
            return message
    except CannotSendError as refusal:
        raise FollowUpRefusedError(str(refusal)) from refusal


def _taken_for_sending(course: Course, key: str, *, by: User, now: datetime) -> list[str]:
    """The codes of what can be sent of the item; links that are out for it open nothing any more."""
    lock_patient(course.patient_id)
    item = _item(course, key, now)
    if not item.is_open:
        raise FollowUpRefusedError(_why_closed(item))
    if item.is_missed:
        raise FollowUpRefusedError(
            f"A score counted until {say_day(item.due.counts_to)}. Enter one that was taken by then, or waive it."
        )
    if not item.sendable:
        raise FollowUpRefusedError("Nothing of this can be filled in by a patient alone. Enter it instead.")
    if any(line.link_state is LinkState.STARTED for line in item.sendable):
        said = "The patient is answering the link that was made before. Take it back first, or wait."
        raise FollowUpRefusedError(said)
    for link_id in {line.sent.link_id for line in item.sendable if line.sent and line.link_state in OPEN_LINKS}:
        measure_links.revoke(patient_id=course.patient_id, link_id=link_id or 0, by=by, now=now)
    return [line.ask.measure for line in item.sendable]


def _note_sent(course: Course, key: str, codes: Iterable[str], link: MeasureLink, *, by: User, now: datetime) -> None:
    for code in codes:
        MeasureAct.objects.create(
            course=course, key=key, measure=code, kind=MeasureActKind.SENT, link=link, at=now, by=by
        )
    sweep_after(course.pk, now)


def waive_item(
    course: Course, *, key: str, measures: Collection[str], reason: str, by: User, now: datetime
) -> list[MeasureAct]:
    """These measures of the item are not asked for, with the reason.

    Raises:
        PermissionDenied: the role does not include waiving.
        ValidationError: no reason, or no measure; by field.
        FollowUpRefusedError: the item is gone, or somebody entered or waived it meanwhile.
        MergedPatientError: the record was merged away.
    """
    _demand(by, Can.WAIVE_MEASURE)
    reason = _reason(reason, LONGEST_REASON)
    if not measures:
        raise ValidationError({"measures": "Choose what is not asked for."})
    with recorded(by=by, now=now):
        lock_patient(course.patient_id)
        item = _item(course, key, now)
        waivable = {line.ask.measure for line in item.waivable}
        if not set(measures) <= waivable:
            raise FollowUpRefusedError(_why_closed(item))
        made = [
            MeasureAct.objects.create(
                course=course, key=key, measure=code, kind=MeasureActKind.WAIVED, reason=reason, at=now, by=by
            )
            for code in item.due.measures
            if code in measures
        ]
        sweep_after(course.pk, now)
        return made


def strike_waiver(course: Course, *, act_id: int, reason: str, by: User, now: datetime) -> MeasureAct:
    """The measure is asked for again; the waiver stays in the history, with why it was struck.

    Raises:
        PermissionDenied: the role does not include waiving.
        ValidationError: no reason.
        FollowUpRefusedError: there is no such waiver, or somebody struck it meanwhile.
    """
    _demand(by, Can.WAIVE_MEASURE)
    reason = _reason(reason, LONGEST_STRIKE)
    with recorded(by=by, now=now):
        lock_patient(course.patient_id)
        waivers = MeasureAct.objects.valid().filter(course=course, kind=MeasureActKind.WAIVED)
        act = waivers.filter(pk=act_id).first()
        if act is None:
            raise FollowUpRefusedError("This waiver was struck meanwhile. Nothing was changed.")
        act.struck_at, act.struck_by, act.struck_reason = now, by, reason
        act.save(update_fields=["struck_at", "struck_by", "struck_reason"])
        sweep_after(course.pk, now)
        return act


def _demand(by: User, capability: Can) -> None:
    if not by.can(capability):
        raise PermissionDenied("Your role does not include this.")


def _reason(text: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise ValidationError({"reason": "Say why; it stays with the measure."})
    if len(text) > longest:
        raise ValidationError({"reason": f"At most {longest} characters."})
    return text


def _item(course: Course, key: str, now: datetime) -> Item:
    found = read_schedule(course, now).item(key)
    if found is None:
        raise FollowUpRefusedError(
            "This is not in the schedule any more: its infusion has no time now. Load the page again."
        )
    return found


def _why_closed(item: Item) -> str:
    if item.state is State.LATER:
        return f"This is not due before {say_day(item.due.first_day)}. Send it then."
    return "Somebody entered or waived this meanwhile. Nothing was changed: load the page again."
