"""A patient of whom very many tables know something, each text of them with the same strange word in it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pgtrigger
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Case, Value, When
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import CaughtMail, Opening
from clinic.services.access import record_reading
from courses.models import Course, CourseStatus, InfusionAmendment, Task
from courses.services.courses import close_course
from courses.services.moves import record_given
from courses.tests.day_kit import Day
from courses.tests.sign_kit import signed
from patients.models import (
    ConsentScan,
    ConsultationAmendment,
    ContactConsent,
    DangerAlert,
    ExternalId,
    IncomingMessage,
    Message,
    MessageStep,
    RequestContact,
    ScreeningAnswer,
)
from patients.pure.indications import Indication
from patients.services.privacy import Fate, fate_of
from patients.services.privacy_part2 import mark_part_two
from patients.services.privacy_rows import events, ids_of, tables
from patients.tests.factories import (
    make_allergy,
    make_condition,
    make_consent,
    make_consent_text,
    make_consultation,
    make_medicine,
    make_previous_treatment,
    make_problem,
    make_request,
    make_unavailability,
    make_vitals,
)

WORD = "Zyxwort"
PHONE = "+12125550111"
LATER = datetime(2035, 6, 1, 15, 0, tzinfo=UTC)
"""More than seven years after the visit of April 2027: nothing has to be kept any more."""
SEEN = datetime(2027, 4, 6, 15, 0, tzinfo=UTC)


def known_everywhere() -> Day:
    """The visit is signed with a draw of ketamine; then the course is closed."""
    day = signed()
    patient, place, by = day.patient, day.clinic.location, day.clinician
    request = make_request(place, patient=patient, status="decided")
    RequestContact.objects.create(request=request, at=SEEN, by=by, outcome="reached", note="Called")
    text = make_consent_text(place, version=9)
    consent = make_consent(patient, text, by=by, signed_on=date(2027, 3, 1))
    ConsentScan.objects.create(
        consent=consent, filename="a.pdf", content_type="application/pdf", content=b"x", sha256="0"
    )
    consultation = make_consultation(patient, place, by, request=request, substance_use="Wine")
    ScreeningAnswer.objects.create(consultation=consultation, code="substance_active", answer="no", note="Asked")
    ConsultationAmendment.objects.create(consultation=consultation, at=SEEN, by=by, reason="More", text="Words")
    for make in (make_allergy, make_problem, make_medicine, make_previous_treatment):
        make(patient, note="Said")
    make_condition(patient, Indication.TRD, note="Said")
    make_vitals(patient, by)
    make_unavailability(patient, date(2027, 4, 7), note="Trip")
    ContactConsent.objects.create(patient=patient, channel="sms", granted=True, value=PHONE, source="Phone", at=SEEN)
    ExternalId.objects.create(patient=patient, source="old", value="4711", imported={"name": WORD})
    message = Message.objects.create(
        key="test", event="visit", location=place, patient=patient, due_at=SEEN, useful_until=SEEN, state="sent",
        state_at=SEEN, channel="sms", to=PHONE, sent_at=SEEN, text="Tomorrow", created_at=SEEN,
    )  # fmt: skip
    MessageStep.objects.create(message=message, at=SEEN, state="sent", text="Sent")
    for number, owner in (("1", patient), ("2", None)):
        IncomingMessage.objects.create(
            provider_id=number, from_number=PHONE, to_number="+12125550100", text=f"{WORD} {number}", received_at=SEEN,
            meaning="other", patient=owner,
        )  # fmt: skip
    DangerAlert.objects.create(
        location=place, patient=patient, kind="request", detail="Said so", raised_at=SEEN, acknowledged_at=SEEN,
        acknowledged_by=by, what_was_done="Called",
    )  # fmt: skip
    InfusionAmendment.objects.create(record=day.record, at=SEEN, by=by, reason="More", text="Words")
    Task.objects.create(
        kind="review", key="x", patient=patient, location=place, text="Look", opened_at=SEEN, due_on=SEEN.date()
    )
    mark_part_two(patient=patient, is_protected=True, reason="Told", by=by, now=SEEN)
    record_reading(by=by, subject_id=patient.resource_id, page="Names", path="/x/?q=" + WORD, now=SEEN, reason="Told")
    Opening.objects.create(
        user=by,
        subject=patient.resource,
        location=place,
        kind="cover",
        reason="Told",
        at=SEEN,
        until=SEEN + timedelta(hours=1),
    )
    CaughtMail.objects.create(channel="sms", to=PHONE, text=WORD, at=SEEN)
    end(day)
    return day


def stained() -> Day:
    """The same, with the strange word in every text."""
    day = known_everywhere()
    stain(day)
    return day


def end(day: Day) -> None:
    """Nothing is booked ahead and no course is open."""
    record_given(booking_id=day.pk, by=day.nurse, now=SEEN)
    course = Course.objects.get(pk=day.course.pk)
    close_course(course.pk, status=CourseStatus.STOPPED, reason="Moved away", by=day.clinician, now=SEEN)


def stain(day: Day) -> None:
    """Every text of every row about the patient, and of its history, has the word in it."""
    ids = ids_of(day.patient, with_past=True)
    with pgtrigger.ignore():
        for model in tables():
            event = events().get(model)
            words = {f.name: WORD for f in model._meta.concrete_fields if _is_word(f)}
            if not words or fate_of(model) == Fate.KEPT:
                continue
            for pk in ids[model]:
                _stain_row(model, pk, words)
            if event is not None:
                kept = {f.name for f in event._meta.concrete_fields}
                said = {name: word for name, word in words.items() if name in kept}
                event._base_manager.filter(pgh_obj_id__in=list(ids[model])).update(**said)
    day.patient.refresh_from_db()


def _stain_row(model: type[models.Model], pk: int, words: dict[str, str]) -> None:
    """All its texts; where a rule wants some of them empty, those that are not."""
    unique = {f.name: f"{WORD}{pk}" for f in model._meta.concrete_fields if f.name in words and f.unique}
    said = words | unique
    try:
        with transaction.atomic():
            model._base_manager.filter(pk=pk).update(**said)
    except IntegrityError:
        kept = {name: Case(When(**{name: ""}, then=Value("")), default=Value(word)) for name, word in said.items()}
        model._base_manager.filter(pk=pk).update(**kept)


UNSTAINED = {"source", "kind", "code", "item", "measure", "profile", "rule", "key", "label", "page", "language"}
UNSTAINED |= {"time_zone", "dissociation_scale", "measure_version", "pressure_profile", "mrn", "from_number", "number"}
SHORTEST = 20


def _is_word(column: models.Field[Any, Any]) -> bool:
    is_text = isinstance(column, models.CharField | models.TextField) and not isinstance(column, PhoneNumberField)
    return (
        is_text
        and not column.choices
        and column.name not in UNSTAINED
        and (column.max_length or SHORTEST) >= SHORTEST
        and type(column) is not models.SlugField
    )


def said_where(words: list[str]) -> dict[str, list[str]]:
    """Every table of the database in which one of the words stands: table -> words. Reads all of it."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            name = connection.ops.quote_name(table)
            for word in words:
                cursor.execute(f"SELECT count(*) FROM {name} t WHERE to_jsonb(t)::text ILIKE %s", [f"%{word}%"])  # noqa: S608
                if cursor.fetchone()[0]:
                    found.setdefault(table, []).append(word)
    return found
