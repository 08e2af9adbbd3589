"""Everything about one person with 60 infusions and their flowsheets: how long the JSON and the PDF take.

    .venv/bin/python bench/everything.py

Works on any migrated database that has the demonstration's data; writes nothing that stays.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from courses.models import CheckAnswer, FlowsheetRow, Infusion, InfusionRecord, InfusionVisit  # noqa: E402
from patients.adapters.record_pdf import record_pdf  # noqa: E402
from patients.models import Patient  # noqa: E402
from patients.pure.record_paper import paper_of  # noqa: E402
from patients.services.privacy_export import everything_of  # noqa: E402

INFUSIONS = 60
ROWS = 25
"""Looks at the patient in one infusion: every five minutes for two hours."""


def grow(record: InfusionRecord) -> Patient:
    """The record's patient has 60 infusions, each with as many looks and answers as a long one."""
    visit = record.visit
    sheet = (list(FlowsheetRow.objects.filter(record=record)) * ROWS)[:ROWS]
    answers = list(CheckAnswer.objects.filter(record=record))
    for number in range(INFUSIONS):
        booking = visit.booking
        shift = timedelta(days=7 * (number + 60))
        booking.pk, booking.span = None, type(booking.span)(booking.span.lower - shift, booking.span.upper - shift)
        booking.save()
        infusion = Infusion.objects.create(
            phase=visit.infusion.phase, number=1000 + number, status="given", day="2020-01-01"
        )
        again = _copy(InfusionVisit.objects.get(pk=visit.pk), booking=booking, infusion=infusion)
        copied = _copy(InfusionRecord.objects.get(pk=record.pk), visit=again, completed_at=None, completed_by=None,
                       signed_at=None, signed_by=None)  # fmt: skip
        for place, row in enumerate(sheet):
            _copy(row, record=copied, uid=uuid4(), at=row.at + timedelta(minutes=place))
        for answer in answers:
            _copy(answer, record=copied)
    patient: Patient = visit.booking.subject.patient
    return patient


def _copy(row: Any, **changes: Any) -> Any:  # noqa: ANN401 (any model)
    row.pk = None
    row._state.adding = True  # noqa: SLF001 (Django's documented way to copy a row)
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()
    return row


def main() -> None:
    busiest = InfusionRecord.objects.filter(rows__isnull=False).select_related(
        "visit__booking", "visit__infusion__phase"
    )
    with transaction.atomic():
        patient = grow(busiest.first())  # type: ignore[arg-type]
        for asked in ({}, {"with_history": True, "with_readings": True}):
            began = time.perf_counter()
            with CaptureQueriesContext(connection) as queries:
                data = everything_of(patient, clinic="Bench", now=timezone.now(), **asked).as_data()
            content = json.dumps(data).encode()
            made = time.perf_counter()
            paper = record_pdf(paper_of(data, zone="America/New_York"), at=timezone.now())
            done = time.perf_counter()
            rows = sum(len(one["rows"]) for one in data["sections"])
            print(
                f"{rows} rows{', history' if asked else ''}: {len(queries)} queries, JSON {made - began:.2f} s "
                f"({len(content) / 1e6:.1f} MB), PDF {done - made:.2f} s ({len(paper) / 1e6:.1f} MB)"
            )
        transaction.set_rollback(True)


if __name__ == "__main__":
    main()
