"""What of the treatment forbids that a record is erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from courses.models import Course, DrugDraw
from courses.models.courses import OPEN_COURSE_STATUSES
from patients.models import Patient
from patients.pure.privacy import Kept, years_after


def obstacles(patients: Sequence[Patient], terms: Mapping[Kept, int], now: datetime) -> Iterable[str]:
    """An open course, and a controlled drug given so lately that the log must still tell to whom."""
    if Course.objects.filter(patient__in=patients, status__in=OPEN_COURSE_STATUSES).exists():
        yield "A course is open. Close it first."
    mine = DrugDraw.objects.filter(record__visit__infusion__phase__course__patient__in=patients)
    last = mine.order_by("-drawn_at").values_list("drawn_at", flat=True).first()
    if last is not None:
        until = years_after(timezone.localdate(last), terms[Kept.DRUG_LOG])
        if timezone.localdate(now) <= until:
            yield (
                f"Ketamine was drawn for this patient on {timezone.localdate(last):%-d %b %Y}. Until "
                f"{until:%-d %b %Y} the drug log must tell to whom (21 CFR 1304.04): no reason goes before that."
            )
