"""Side effects at an infusion: recorded, followed up, struck; "none" as an answer; and two notes about the session."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from django.core.exceptions import ValidationError

from clinic.models import Booking, User
from courses.models import AdverseEvent, AdverseOutcome, InfusionRecord
from courses.pure.adverse import BY_CODE, OTHER, How
from courses.services.infusion_desk import read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, changing
from patients.pure.consultation import fingerprint, tidy

LONGEST = {"prophylaxis_note": 300, "session_note": 4000}
"""Characters of the notes that are written here."""


def how_of(effect: AdverseEvent) -> How:
    return How(**{name: getattr(effect, name) for name in How.__dataclass_fields__})


def base_of(effect: AdverseEvent) -> str:
    """A fingerprint of how it went on so far: who sends it back has seen that."""
    return fingerprint(repr([str(value) for value in asdict(how_of(effect)).values()]))


# -- effects -----------------------------------------------------------------------------------------------------------
def record_effect(
    *, booking_id: int, code: str, text: str = "", onset_at: datetime, how: How, by: User, now: datetime
) -> AdverseEvent:
    """The effect stands in the record; "none" is taken back where somebody had answered it.

    Raises:
        ValidationError: an unknown code, no words for something else, a time ahead or before the arrival, a medicine
            without dose and time, an outcome that does not fit.
    """
    with changing(booking_id, by=by, now=now) as record:
        arrived_at = _arrived_at(booking_id)
        if code not in BY_CODE:
            raise ValidationError({"code": "Choose what it was."})
        if code == OTHER and not text.strip():
            raise ValidationError({"text": "Say in words what it was."})
        _check_time("onset", onset_at, arrived_at=arrived_at, now=now)
        _check_how(how, onset_at=onset_at, arrived_at=arrived_at, now=now)
        effect = AdverseEvent.objects.create(
            record=record,
            code=code,
            text=text.strip(),
            onset_at=onset_at,
            recorded_at=now,
            recorded_by=by,
            **asdict(how),
        )
        _take_none_back(record)
        return effect


def follow_effect(*, booking_id: int, effect_id: int, how: How, base: str, by: User, now: datetime) -> AdverseEvent:
    """The effect says how it went on.

    Args:
        base: `base_of` what the person saw.

    Raises:
        ChangedMeanwhileError: somebody else wrote about it meanwhile, or struck it.
        ValidationError: as for `record_effect`.
    """
    with changing(booking_id, by=by, now=now) as record:
        effect = _valid_effect(record, effect_id)
        if how == how_of(effect):
            return effect
        if base_of(effect) != base:
            raise ChangedMeanwhileError("Somebody else wrote about this effect meanwhile. Look again, then save yours.")
        _check_how(how, onset_at=effect.onset_at, arrived_at=_arrived_at(booking_id), now=now)
        for name, value in asdict(how).items():
            setattr(effect, name, value)
        effect.save(update_fields=list(asdict(how)))
        return effect


def strike_effect(*, booking_id: int, effect_id: int, reason: str, by: User, now: datetime) -> AdverseEvent:
    """The effect was entered in error: it stays, struck, and counts no more. The question is open again without any.

    Raises:
        ValidationError: no reason.
        ChangedMeanwhileError: it is struck already.
    """
    with changing(booking_id, by=by, now=now) as record:
        if not reason.strip():
            raise ValidationError({"reason": "Say why it was entered in error."})
        effect = _valid_effect(record, effect_id)
        effect.struck_at, effect.struck_by, effect.struck_reason = now, by, reason.strip()
        effect.save(update_fields=["struck_at", "struck_by", "struck_reason"])
        return effect


# -- none --------------------------------------------------------------------------------------------------------------
def answer_none(*, booking_id: int, by: User, now: datetime) -> InfusionRecord:
    """There were no side effects, and somebody said so (clinical.md A 127, C9). The same answer again changes nothing.

    Raises:
        DayRefusedError: one is recorded, or the infusion is not over: then nobody can know yet.
    """
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        if desk.effects:
            raise DayRefusedError(
                "A side effect is recorded, so the answer cannot be “none”. Strike it first if it was wrong."
            )
        if not desk.run.is_over:
            raise DayRefusedError("The infusion is not over. Ask about side effects when it has ended.")
        if record.no_adverse_events_at is None:
            record.no_adverse_events_at, record.no_adverse_events_by = now, by
            record.save(update_fields=["no_adverse_events_at", "no_adverse_events_by"])
        return record


def take_none_back(*, booking_id: int, by: User, now: datetime) -> InfusionRecord:
    """The question is open again; the history keeps who had answered it."""
    with changing(booking_id, by=by, now=now) as record:
        if read_desk(booking_id, now=now).discharge is not None:
            raise DayRefusedError("The patient has left on this answer. Record what was noticed since instead.")
        _take_none_back(record)
        return record


# -- notes -------------------------------------------------------------------------------------------------------------
def save_note(*, booking_id: int, field: str, text: str, base: str, by: User, now: datetime) -> InfusionRecord:
    """The note says ``text``; the same text again changes nothing.

    Args:
        field: ``session_note`` or ``prophylaxis_note``.
        base: fingerprint of what the person's page had shown there.

    Raises:
        ChangedMeanwhileError: somebody else wrote there meanwhile.
        ValidationError: too long.
        KeyError: there is no such note.
    """
    limit, mine = LONGEST[field], tidy(text)
    with changing(booking_id, by=by, now=now) as record:
        stored = getattr(record, field)
        if mine == tidy(stored):
            return record
        if fingerprint(stored) != base:
            raise ChangedMeanwhileError(f"Somebody else wrote here meanwhile: “{stored}”. Nothing was overwritten.")
        if len(mine) > limit:
            raise ValidationError(
                {field: f"At most {limit:,} characters fit here; this is {len(mine) - limit} too long."}
            )
        setattr(record, field, mine)
        record.save(update_fields=[field])
        return record


# -- what is checked ---------------------------------------------------------------------------------------------------
def _take_none_back(record: InfusionRecord) -> None:
    if record.no_adverse_events_at is not None:
        record.no_adverse_events_at = record.no_adverse_events_by = None
        record.save(update_fields=["no_adverse_events_at", "no_adverse_events_by"])


def _valid_effect(record: InfusionRecord, effect_id: int) -> AdverseEvent:
    found = AdverseEvent.objects.valid().filter(record=record, pk=effect_id).first()
    if found is None:
        raise ChangedMeanwhileError("This effect is struck, or belongs to another visit. Look again.")
    return found


def _arrived_at(booking_id: int) -> datetime | None:
    return Booking.objects.values_list("arrived_at", flat=True).get(pk=booking_id)


def _check_time(field: str, at: datetime, *, arrived_at: datetime | None, now: datetime) -> None:
    if at > now:
        raise ValidationError({field: "This time is ahead. Check it."})
    if arrived_at and at < arrived_at.replace(second=0, microsecond=0):
        raise ValidationError({field: "This is before the arrival. What was noticed at home belongs to the check-in."})


def _check_how(how: How, *, onset_at: datetime, arrived_at: datetime | None, now: datetime) -> None:
    if how.medicine_at is not None:
        _check_time("medicine_time", how.medicine_at, arrived_at=arrived_at, now=now)
    given = [bool(how.medicine), bool(how.medicine_dose), how.medicine_at is not None]
    if any(given) and not all(given):
        raise ValidationError({"medicine": "Give the medicine, its dose and the time."})
    if how.medicine_effect and not how.medicine:
        raise ValidationError({"medicine": "Which medicine had this effect?"})
    if how.outcome == AdverseOutcome.RESOLVED and how.resolved_at is None:
        raise ValidationError({"resolved": "When was it over?"})
    if how.resolved_at is not None:
        if how.outcome != AdverseOutcome.RESOLVED:
            raise ValidationError({"resolved": "Only a resolved effect has this time."})
        if how.resolved_at < onset_at:
            raise ValidationError({"resolved": "It cannot be over before it began."})
        if how.resolved_at > now:
            raise ValidationError({"resolved": "This time is ahead. Check it."})
    if how.outcome == AdverseOutcome.TRANSFERRED and not how.is_serious:
        raise ValidationError({"is_serious": "Sent to hospital: that is serious."})
