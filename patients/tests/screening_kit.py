"""A consultation in which everything was asked and is fine, written straight into the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clinic.models import Location, User
from patients.models import Assessment, Consultation, Patient, ScreeningAnswer
from patients.pure.background import NONE_KNOWN
from patients.pure.screening import QUESTIONS
from patients.pure.screening.decision import Judged
from patients.services.screening import Screened
from patients.tests.factories import make_allergy, make_consultation, make_medicine, make_problem, make_vitals

MEASURES = ("phq9", "gad7", "auditc", "dast10", "icsi", "moca")


def answer_all(consultation: Consultation, **answers: str) -> None:
    """Every question is answered so that nothing is found, but for those that are said differently."""
    good = {question.code: "yes" if question.is_suggested else "no" for question in QUESTIONS}
    ScreeningAnswer.objects.bulk_create(
        ScreeningAnswer(consultation=consultation, code=code, answer=answer)
        for code, answer in (good | answers).items()
    )


def make_clean(patient: Patient, location: Location, by: User, now: datetime, **fields: Any) -> Consultation:
    """Asked, measured and fine: the rules find nothing."""
    values = {"can_be_pregnant": "no", "indication": "trd"} | fields
    consultation = make_consultation(patient, location, by, **values)
    answer_all(consultation)
    none = {kind.value: entry.description for kind, entry in NONE_KNOWN.items()}
    make_medicine(patient, none["medicine"], dose="")
    make_allergy(patient, none["allergy"])
    make_problem(patient, none["problem"])
    make_vitals(patient, by, systolic_mmhg=128, diastolic_mmhg=82, measured_at=now, recorded_at=now)
    for measure in MEASURES:
        make_score(patient, measure, now, score=1)
    make_score(patient, "cssrs", now, band="No positive answer")
    return consultation


def make_score(patient: Patient, measure: str, taken_at: datetime, **fields: Any) -> Assessment:
    values = {"source": "staff", "recorded_at": taken_at} | fields
    return Assessment.objects.create(patient=patient, measure=measure, taken_at=taken_at, **values)


def stamps(screened: Screened) -> list[str]:
    """What a page that shows these findings sends back."""
    return [finding.stamp for finding in screened.findings]


def all_accepted(screened: Screened, **overridden: str) -> dict[str, Judged]:
    """Every finding accepted as it is, but for those that are overridden for the reason given."""
    return {
        finding.code: Judged("overridden", overridden[finding.code])
        if finding.code in overridden
        else Judged("accepted")
        for finding in screened.findings
    }
