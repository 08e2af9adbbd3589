"""The letter to the referrer, written from what is recorded: only the parts that were chosen are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from patients.models import (
    Allergy,
    Assessment,
    Consultation,
    DecisionOutcome,
    Medicine,
    PreviousTreatment,
    ScreeningDecision,
    TreatmentOutcome,
)
from patients.pure.letter import PART_LABELS, Block, Letter, Part
from patients.pure.measures import MEASURES
from patients.services.observations import latest_vitals
from patients.services.privacy_part2 import notice_for
from patients.services.screening import latest_decision
from patients.templatetags.people import phone_words

TO_NOBODY = "To whom it may concern"


def letter_for(record: Consultation, parts: Sequence[Part], *, today: date) -> Letter:
    """The letter of the consultation with these parts, a draft until the record is signed; empty parts fall out.

    Args:
        record: with its patient, location, clinician and signer.
        today: the date of the letter.
    """
    patient, place = record.patient, record.location
    request = record.request
    signer = record.signed_by or record.clinician
    signed = f"{place.local(record.signed_at):%-d %B %Y}" if record.signed_at else ""
    blocks = [block for part in parts if (block := WRITERS[part](record)) is not None]
    return Letter(
        clinic=place.name,
        address=place.address,
        phone=phone_words(place.phone) if place.phone else "",
        day=_day(today),
        recipient=patient.referrer or (request.referrer if request else "") or TO_NOBODY,
        patient=patient.legal_name,
        born=_day(patient.birth_date),
        mrn=patient.mrn,
        seen=_day(place.local(record.held_at).date()),
        is_draft=not record.is_signed,
        signature="\n".join(words for words in (signer.display_name, signed) if words),
        blocks=tuple(blocks),
        notice=notice_for(patient),
    )


def _day(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def _block(part: Part, paragraphs: Sequence[str] = (), rows: Sequence[tuple[str, str]] = ()) -> Block | None:
    said = tuple(words for text in paragraphs for words in text.split("\n\n") if words.strip())
    return Block(PART_LABELS[part], said, tuple(rows)) if said or rows else None


def _condition(record: Consultation) -> Block | None:
    facts = (record.get_indication_display(), record.get_severity_display().lower(), record.condition_since)
    words = ", ".join(word for word in facts if word)
    return _block(Part.CONDITION, [words])


def _history(record: Consultation) -> Block | None:
    return _block(Part.HISTORY, [record.condition_history])


def _treatments(record: Consultation) -> Block | None:
    rows = []
    for row in PreviousTreatment.objects.filter(patient=record.patient_id):
        weeks = f"{row.duration_weeks} weeks" if row.duration_weeks is not None else ""
        outcome = row.get_outcome_display().lower() if row.outcome != TreatmentOutcome.UNKNOWN else ""
        rows.append((row.name, ", ".join(word for word in (row.dose, weeks, outcome) if word)))
    return _block(Part.TREATMENTS, [record.treatment_note], rows)


def _medicines(record: Consultation) -> Block | None:
    current = {"patient": record.patient_id, "ended_on": None}
    rows = [(row.description, row.dose) for row in Medicine.objects.filter(**current)]
    rows += [(f"Allergy: {row.description}", row.reaction) for row in Allergy.objects.filter(**current)]
    return _block(Part.MEDICINES, (), rows)


def _vitals(record: Consultation) -> Block | None:
    reading = latest_vitals(record.patient)
    if reading is None:
        return None
    values = (
        f"{reading.weight_kg} kg" if reading.weight_kg is not None else "",
        f"{reading.systolic_mmhg}/{reading.diastolic_mmhg} mmHg" if reading.systolic_mmhg is not None else "",
        f"heart rate {reading.heart_rate_bpm} a minute" if reading.heart_rate_bpm is not None else "",
    )
    day = _day(record.location.local(reading.measured_at).date())
    return _block(Part.VITALS, [f"{day}: {', '.join(value for value in values if value)}"])


def _measures(record: Consultation) -> Block | None:
    """The latest score of each measure; never single answers."""
    latest = (
        Assessment.objects.filter(patient=record.patient_id, struck_at=None, score__isnull=False)
        .order_by("measure", "-taken_at", "-id")
        .distinct("measure")
    )
    rows = []
    for row in latest:
        known = MEASURES.get(row.measure)
        day = _day(record.location.local(row.taken_at).date())
        score = f"{row.score.normalize():f}" if row.score is not None else ""
        words = f"{score} of {known.maximum}" if known else score
        rows.append((known.short_name if known else row.measure, ", ".join(filter(None, (words, row.band, day)))))
    return _block(Part.MEASURES, (), rows)


def _decision(record: Consultation) -> Block | None:
    """The decision of this consultation, else the latest about the same condition."""
    own = ScreeningDecision.objects.filter(consultation=record).first()
    decision = own or (latest_decision(record.patient, record.indication) if record.indication else None)
    if decision is None:
        return None
    words = f"{decision.get_outcome_display()} ({_day(record.location.local(decision.signed_at).date())})"
    more = decision.conditions if decision.outcome == DecisionOutcome.CONDITIONS else decision.reason
    return _block(Part.DECISION, [words, more])


def _plan(record: Consultation) -> Block | None:
    planned = f"{record.infusions_discussed} infusions were discussed." if record.infusions_discussed else ""
    return _block(Part.PLAN, [record.summary, planned])


WRITERS: dict[Part, Callable[[Consultation], Block | None]] = {
    Part.CONDITION: _condition,
    Part.HISTORY: _history,
    Part.TREATMENTS: _treatments,
    Part.MEDICINES: _medicines,
    Part.VITALS: _vitals,
    Part.MEASURES: _measures,
    Part.DECISION: _decision,
    Part.PLAN: _plan,
}
