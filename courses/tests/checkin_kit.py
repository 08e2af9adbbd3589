"""A patient who is checked in, for tests of the gate: everything answered well at 9:58, unless said otherwise."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from courses.models import CheckAnswer
from courses.pure.checklist import SINCE
from courses.services.infusion_record import changing
from courses.tests.day_kit import Day, in_chair, put_row, ten
from patients.models import Consultation, Patient
from patients.tests.factories import make_vitals
from patients.tests.intake_kit import make_score

NOTICED = ten(-2)


def put_answers(day: Day, when: datetime | None = None, **answers: tuple[str, str]) -> None:
    """Answers written straight into the table: ``identity=("yes", "")``."""
    now = when or NOTICED
    with changing(day.pk, by=day.nurse, now=now) as record:
        for item, (value, detail) in answers.items():
            CheckAnswer.objects.update_or_create(
                record=record, item=item, defaults={"value": value, "detail": detail, "at": now, "by": day.nurse}
            )


def answered(day: Day, *, solids: datetime | None = None, liquids: datetime | None = None) -> None:
    """Every question answered so that nothing speaks against the start at ten o'clock."""
    measure = day.desk(NOTICED).person.measure
    put_answers(
        day,
        identity=("yes", ""),
        escort=("yes", "Jordan Fictional"),
        fasting_solids=((solids or ten(-600)).isoformat(), ""),
        fasting_liquids=((liquids or ten(-180)).isoformat(), ""),
        medicines_today=("none", ""),
        health_change=("no", ""),
        measure=("yes", measure.stamp if measure else ""),
        airway=("yes", ""),
        **dict.fromkeys(SINCE, ("no", "")),
    )


def checked_in(
    systolic: int = 132,
    diastolic: int = 84,
    pulse: int = 78,
    *,
    solids: datetime | None = None,
    liquids: datetime | None = None,
    weighed: datetime | None = None,
    **known: Any,
) -> Day:
    """In the chair, answered well, weighed, a score of today, and a baseline at 9:58."""
    day = in_chair(**known)
    measured(day, weighed)
    put_row(day, NOTICED, systolic, diastolic, heart_rate_bpm=pulse, spo2_percent=98, respiratory_rate=14, moaas=5)
    answered(day, solids=solids, liquids=liquids)
    return day


def measured(day: Day, weighed: datetime | None = None) -> None:
    """A score and a weight of 82.4 kg, both of today unless said otherwise."""
    make_score(day.patient, "phq9", 12, day.nurse, ten(-30))
    make_vitals(
        day.patient, day.nurse, measured_at=weighed or ten(-20), weight_kg=Decimal("82.4"),
        systolic_mmhg=None, diastolic_mmhg=None, heart_rate_bpm=None,
    )  # fmt: skip


def tell_nothing(patient: Patient) -> None:
    """As if nobody had asked at the consultation whether a pregnancy is possible."""
    Consultation.objects.filter(patient=patient).update(can_be_pregnant="")
