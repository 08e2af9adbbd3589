"""The intake of the demo's patients, through the services: consultation, screening, decision, consent, first scores.

Everything written here is invented; no sentence describes a real person.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError

from clinic.models import Location, User
from courses.services.demo.scores import answers_for, starting_total
from courses.services.demo.stories import Intake, Story
from courses.services.demo.vitals import PRESSURES, usual_weight_kg
from patients.models import (
    AssessmentSource,
    Channel,
    Consultation,
    DangerAlert,
    DecisionOutcome,
    Patient,
    ScreeningDecision,
)
from patients.pure.background import BackgroundKind
from patients.pure.consultation import fingerprint
from patients.pure.evidence import Severity
from patients.pure.indications import Indication
from patients.pure.readiness import BASELINES
from patients.pure.screening.decision import Judged, Verdict
from patients.pure.screening.questions import QUESTIONS
from patients.pure.screening.types import NO, YES
from patients.pure.vitals import Vitals
from patients.services.alerts import acknowledge_alert
from patients.services.assessments import Circumstances, record_assessment
from patients.services.background import EntryData, record_entry, record_none
from patients.services.consents import OnScreen, Signer, published_text, record_consent
from patients.services.consultation_record import Typed, save_fields, sign_consultation, start_consultation, text_of
from patients.services.contact_consents import record_contact_consent
from patients.services.observations import record_vitals
from patients.services.screening import GivenAnswer, save_answers, screen, sign_decision
from patients.services.treatments import TreatmentData, save_treatment

CONSULTED_BEFORE = timedelta(days=9)
SCORED_BEFORE = timedelta(days=2)
WHY_OVERRIDDEN = "Seen this morning, very low; the score follows at check-in"
SIGNATURE = [[[80, 520], [140, 300], [210, 620], [280, 380], [360, 560], [460, 420], [600, 500], [760, 430]]]
ONE_IN = 7
ANSWERED_WITHIN = timedelta(minutes=18)
DEED = "Called within the hour. Thoughts without plan or intent, partner at home, safety plan gone through again."
SCREENERS = ("gad7", "auditc")
CHECKED_FIRST = ("cssrs", "dast10", "icsi", "moca")
QUIET_TOTALS = {"gad7": 4, "dast10": 0, "icsi": 1, "moca": 27, "craving": 0}
"""Filled in beside the baseline of the condition."""

TREATMENTS = (
    ("medicine", "Sertraline", "200 mg a day", 12, YES, "partial"),
    ("medicine", "Bupropion", "300 mg a day", 8, YES, "none"),
    ("psychotherapy", "Cognitive behavioural therapy", "weekly", 24, YES, "partial"),
    ("medicine", "Venlafaxine", "225 mg a day", 10, YES, "lost"),
    ("tms", "Magnetic stimulation", "30 sessions", 6, YES, "none"),
)
MEDICINES = (
    ("Sertraline", "100 mg once a day"),
    ("Venlafaxine", "150 mg once a day"),
    ("Bupropion", "150 mg once a day"),
    ("Lamotrigine", "100 mg once a day"),
)
GUEST_MEDICINES = (("Sertraline", "150 mg once a day"), ("Diazepam", "10 mg once a day"))
WORDS: Mapping[str, str] = {
    "severity": "severe",
    "condition_since": "2019, after a move and a loss",
    "condition_history": "Two earlier episodes, the present one for eighteen months. Low mood, little sleep, no drive.",
    "medical_history": "Nothing that speaks against treatment; see the list of problems.",
    "family_history": "Mother treated for depression. No psychosis in the family that is known.",
    "substance_use": "A glass of wine at weekends. No cannabis, no other drugs.",
    "can_be_pregnant": NO,
    "preferences": "Mornings. Would like the same nurse throughout.",
    "concerns": "Afraid of losing control during the infusion; talked through.",
    "expectations_explained": YES,
    "long_term_discussed": YES,
    "escort_understood": YES,
    "psychotherapy": "Weekly, goes on during the series.",
    "other_care": "Sleep and walking plan agreed.",
    "safety_plan": "Warning signs known; partner and the crisis line are on the card in the wallet.",
    "insurance_note": "Asked on the phone: not covered, superbill on request.",
    "summary": "Adequate trials without lasting effect. A series is reasonable; risks and alternatives discussed.",
}


def prepare(
    patient: Patient,
    story: Story,
    *,
    location: Location,
    by: User,
    when: datetime,
    consented: datetime | None = None,
    turn: int = 0,
) -> None:
    """The patient is ready to start when the series is booked at ``when``, as far as the story says.

    Args:
        consented: when the consent was signed, where that was long before.
        turn: makes one patient different from the next.
    """
    consulted = when - CONSULTED_BEFORE
    prescribed = GUEST_MEDICINES if turn == 0 else ((MEDICINES[turn % len(MEDICINES)],) if turn % 3 else ())
    about(patient, location=location, by=by, when=consulted, turn=turn, medicines=prescribed)
    record = consulted_record(
        patient, indication=story.indication, infusions=story.n, location=location, by=by, when=consulted
    )
    decide(record, indication=story.indication, by=by, when=consulted + timedelta(hours=1))
    consent(patient, location=location, by=by, when=consented or consulted + timedelta(minutes=50))
    reachable(patient, by=by, when=consulted, turn=turn)
    if story.intake is Intake.READY:
        first_scores(patient, indication=story.indication, location=location, when=when - SCORED_BEFORE, turn=turn)
        checked(patient, CHECKED_FIRST, location=location, by=by, when=when - SCORED_BEFORE, turn=turn)
        answer_signals(patient, by=by, now=when - SCORED_BEFORE + ANSWERED_WITHIN)


def about(
    patient: Patient,
    *,
    location: Location,
    by: User,
    when: datetime,
    turn: int,
    medicines: tuple[tuple[str, str], ...] = (),
) -> None:
    """Medicines, allergies, earlier treatments and vital signs are on record."""
    today = location.local(when).date()
    for name, dose in medicines:
        data = EntryData(name, dose=dose, started_on=today - timedelta(days=200))
        record_entry(patient_id=patient.pk, kind=BackgroundKind.MEDICINE, data=data, today=today, by=by, now=when)
    if medicines == GUEST_MEDICINES:
        data = EntryData("Latex", reaction="Rash", severity="moderate", started_on=today - timedelta(days=4000))
        record_entry(patient_id=patient.pk, kind=BackgroundKind.ALLERGY, data=data, today=today, by=by, now=when)
    nothing = [BackgroundKind.ALLERGY] if medicines else [BackgroundKind.ALLERGY, BackgroundKind.MEDICINE]
    for kind in nothing:
        with suppress(ValidationError):  # the population knows some
            record_none(patient_id=patient.pk, kind=kind, today=today, by=by, now=when)
    for number in range(2 + turn % 2):
        method, name, dose, weeks, adequate, outcome = TREATMENTS[(turn + number) % len(TREATMENTS)]
        tried = TreatmentData(
            method=method, name=name, dose=dose, duration_weeks=weeks, adequate=adequate, outcome=outcome
        )
        save_treatment(patient_id=patient.pk, data=tried, by=by, now=when)
    systolic, diastolic = PRESSURES[turn % len(PRESSURES)]
    vitals = Vitals(usual_weight_kg(turn), systolic, diastolic, 64 + turn % 20)
    record_vitals(patient_id=patient.pk, vitals=vitals, measured_at=when, by=by, now=when)


def consulted_record(
    patient: Patient,
    *,
    indication: str,
    infusions: int,
    location: Location,
    by: User,
    when: datetime,
    record: Consultation | None = None,
    is_signed: bool = True,
) -> Consultation:
    """A whole consultation stands in the record, screening answered, signed 50 minutes later; or the draft of one."""
    record = record or start_consultation(patient_id=patient.pk, location=location, by=by, now=when)
    words = {**WORDS, "indication": indication, "infusions_discussed": str(infusions)}
    if not is_signed:
        words = {name: words[name] for name in ("indication", "severity", "condition_history", "preferences")}
    typed = {name: Typed(text, fingerprint(text_of(record, name))) for name, text in words.items()}
    save_fields(consultation_id=record.pk, typed=typed, by=by, now=when + timedelta(minutes=30))
    if not is_signed:
        return record
    answers = {one.code: GivenAnswer(NO if one.raises == YES else YES, "", "", "") for one in QUESTIONS}
    save_answers(consultation_id=record.pk, given=answers, by=by, now=when + timedelta(minutes=40))
    record.refresh_from_db(fields=["version"])
    return sign_consultation(consultation_id=record.pk, version=record.version, by=by, now=when + timedelta(minutes=50))


def decide(
    record: Consultation,
    *,
    indication: str,
    by: User,
    when: datetime,
    outcome: str = DecisionOutcome.FIT,
    conditions: str = "",
    reason: str = "",
) -> ScreeningDecision:
    """The decision is signed, with a verdict on everything that the rules found."""
    found = screen(record.pk, now=when).findings
    return sign_decision(
        consultation_id=record.pk,
        indication=indication,
        outcome=outcome,
        conditions=conditions,
        reason=reason,
        judged={one.code: _verdict(one.severity) for one in found},
        shown=[one.stamp for one in found],
        by=by,
        now=when,
    )


def _verdict(severity: Severity | None) -> Judged:
    if severity is Severity.STOP:
        return Judged(Verdict.NOT_APPLICABLE, "Entry of the registry is years old and was settled")
    return Judged(Verdict.DONE if severity is Severity.REVIEW else Verdict.ACCEPTED, "")


def consent(patient: Patient, *, location: Location, by: User, when: datetime) -> None:
    """The patient has signed the location's current text on a screen."""
    text = published_text(location)
    if text is None:
        raise ValueError(f"{location} has no consent text yet")
    record_consent(
        patient_id=patient.pk,
        text=text,
        signature=OnScreen(SIGNATURE),
        signer=Signer(patient.legal_name),
        signed_on=location.local(when).date(),
        by=by,
        now=when,
    )


def reachable(patient: Patient, *, by: User, when: datetime, turn: int) -> None:
    """Most may be texted and written to, some only called."""
    phone = patient.phones.filter(is_primary=True).first()
    if phone is not None:
        for channel in (Channel.PHONE, Channel.SMS):
            granted = channel is Channel.PHONE or bool(turn % 4)
            record_contact_consent(
                patient=patient,
                channel=channel,
                granted=granted,
                value=str(phone.number),
                source="On the consent form",
                by=by,
                now=when,
            )
    if patient.email:
        record_contact_consent(
            patient=patient,
            channel=Channel.EMAIL,
            granted=bool(turn % 5),
            value=patient.email,
            source="On the consent form",
            by=by,
            now=when,
        )


def first_scores(patient: Patient, *, indication: str, location: Location, when: datetime, turn: int) -> None:
    """The baseline of the condition and the screeners beside it; one in ``ONE_IN`` has thoughts of death."""
    baseline = BASELINES[Indication(indication)][0]
    for measure in dict.fromkeys((baseline, *SCREENERS)):
        total = starting_total(measure, turn)
        is_total_only = measure == "pain_nrs"
        danger = 1 if measure == "phq9" and turn % ONE_IN == 1 else 0
        record_assessment(
            patient=patient,
            measure=measure,
            taken_at=when,
            source=AssessmentSource.TABLET,
            location=location,
            now=when,
            by=None,
            answers=None if is_total_only else answers_for(measure, total, danger=danger),
            total=total if is_total_only else None,
        )


def checked(
    patient: Patient, measures: tuple[str, ...], *, location: Location, by: User, when: datetime, turn: int
) -> None:
    """Measures that staff ask or enter as a total: nothing is found."""
    for measure in measures:
        record_assessment(
            patient=patient,
            measure=measure,
            taken_at=when,
            source=AssessmentSource.STAFF,
            location=location,
            now=when,
            by=by,
            answers={1: 0, 2: 0, 6: 0} if measure == "cssrs" else None,
            total=None if measure == "cssrs" else QUIET_TOTALS[measure] + turn % 2,
            circumstances=Circumstances(finished_high_school=True) if measure == "moca" else None,
        )


def answer_signals(patient: Patient, *, by: User, now: datetime) -> None:
    """A clinician has said what was done about each danger signal of the patient."""
    for alert in DangerAlert.objects.waiting().filter(patient=patient):
        acknowledge_alert(alert.pk, what_was_done=DEED, by=by, now=now)
