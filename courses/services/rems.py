"""The REMS forms of a location: which are due, what each asks, and that one was sent.

A form is owed from the moment at which esketamine was given, whether anybody opened it or not: the list is read from
the sessions themselves, so that none is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import (
    AdverseSeverity,
    DrugLot,
    InfusionDaySettings,
    InfusionRecord,
    RemsForm,
    Route,
    RunEvent,
    RunKind,
)
from courses.pure.adverse import label_of
from courses.pure.checklist import BY_CODE
from courses.pure.checklist_answers import say_answer
from courses.pure.rems import Line, Look, Session, due_on, lines_of, say_standing
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from patients.models import Medicine, Patient


@dataclass(frozen=True, slots=True)
class RemsDue:
    """One session whose form is open or was sent. ``record`` comes with visit, patient, location and form."""

    record: InfusionRecord
    given_on: date
    due_on: date
    today: date

    @property
    def booking_id(self) -> int:
        return self.record.visit.booking_id

    @property
    def patient(self) -> Patient:
        return self.record.visit.infusion.phase.course.patient

    @property
    def number(self) -> int:
        return self.record.visit.infusion.number

    @property
    def form(self) -> RemsForm | None:
        return getattr(self.record, "rems_form", None)

    @property
    def is_sent(self) -> bool:
        return self.form is not None and self.form.sent_at is not None

    @property
    def is_overdue(self) -> bool:
        return not self.is_sent and self.due_on < self.today

    @property
    def is_due_today(self) -> bool:
        return not self.is_sent and self.due_on == self.today

    @property
    def standing(self) -> str:
        """As "due in 3 days", "overdue by 2 days"."""
        return say_standing(self.due_on, self.today)


def _sessions() -> QuerySet[InfusionRecord]:
    given = RunEvent.objects.valid().filter(record=OuterRef("pk"), kind__in=[RunKind.START, RunKind.DEVICE])
    return InfusionRecord.objects.filter(
        Exists(given), visit__infusion__phase__protocol_version__protocol__route=Route.NASAL
    ).select_related(
        "rems_form__sent_by",
        "visit__booking__location__day_settings",
        "visit__infusion__phase__course__patient__resource",
    )


def _due(record: InfusionRecord, now: datetime) -> RemsDue:
    place = record.visit.booking.location
    form: RemsForm | None = getattr(record, "rems_form", None)
    given_on = place.local(record.visit.booking.start).date()
    settings = getattr(place, "day_settings", None) or InfusionDaySettings()
    return RemsDue(
        record=record,
        given_on=given_on,
        due_on=form.due_on if form else due_on(given_on, settings.rems_days),
        today=place.local(now).date(),
    )


def rems_due(location: Location, now: datetime) -> list[RemsDue]:
    """The forms of this location that were not sent yet, the most urgent first. One query."""
    rows = _sessions().filter(visit__booking__location=location)
    open_ones = rows.filter(Q(rems_form__isnull=True) | Q(rems_form__sent_at__isnull=True))
    return sorted((_due(row, now) for row in open_ones), key=lambda one: (one.due_on, one.record.pk))


def rems_sent(location: Location, now: datetime, *, at_most: int = 20) -> list[RemsDue]:
    """The forms that were sent last, the latest first. One query."""
    rows = _sessions().filter(visit__booking__location=location, rems_form__sent_at__isnull=False)
    return [_due(row, now) for row in rows.order_by("-rems_form__sent_at")[:at_most]]


def rems_of(record_id: int, now: datetime) -> RemsDue:
    """One session.

    Raises:
        InfusionRecord.DoesNotExist: no esketamine was given under this number.
    """
    return _due(_sessions().get(pk=record_id), now)


def rems_lines(desk: Desk) -> tuple[Line, ...]:
    """What the form asks, gathered from the record of this session. Two queries: medicines, lots."""
    lots = DrugLot.objects.filter(draws__record=desk.record).order_by("lot_number").distinct()
    session = Session(
        dose_mg=desk.delivered_mg,
        devices=desk.run.devices,
        lots=tuple(lot.lot_number for lot in lots),
        left_at=desk.discharge.at if desk.discharge else None,
        looks=tuple(
            Look(
                at=row.at,
                systolic=row.systolic_mmhg,
                diastolic=row.diastolic_mmhg,
                spo2=row.spo2_percent,
                respiratory_rate=row.respiratory_rate,
                moaas=row.moaas,
                dissociation=row.dissociation,
            )
            for row in desk.rows
        ),
        medicines=tuple(Medicine.objects.filter(patient=desk.patient, ended_on=None).order_by("pk")),
        effects=tuple(
            f"{label_of(one.code, one.text)}, {AdverseSeverity(one.severity).label.lower()}" for one in desk.effects
        ),
        taken_today=_taken_today(desk),
        none_said=desk.record is not None and desk.record.no_adverse_events_at is not None,
    )
    return lines_of(session)


def _taken_today(desk: Desk) -> str:
    answer = desk.answers.get("medicines_today")
    return say_answer(BY_CODE["medicines_today"], answer.value, answer.detail) if answer else ""


def mark_sent(*, record_id: int, reference: str, by: User, now: datetime) -> RemsForm:
    """The form of this session is sent; who did it, when, and the reference that came back are on record.

    Raises:
        PermissionDenied: the person may not do this.
        ChangedMeanwhileError: it was sent already.
        DayRefusedError: no esketamine was given at this visit.
    """
    if not by.can(Can.RUN_INFUSION):
        raise PermissionDenied("Your role does not include this.")
    with recorded(by=by, now=now):
        InfusionRecord.objects.select_for_update(no_key=True).filter(pk=record_id).first()
        found = _sessions().filter(pk=record_id).first()
        if found is None:
            raise DayRefusedError("No esketamine was given at this visit, so no form is due.")
        session = _due(found, now)
        if session.form is not None and session.form.sent_at is not None:
            who = session.form.sent_by.display_name if session.form.sent_by else "Somebody"
            raise ChangedMeanwhileError(f"{who} has marked this form as sent already.")
        form = session.form or RemsForm(record=found, due_on=session.due_on)
        form.sent_at, form.sent_by, form.reference = now, by, reference.strip()
        form.full_clean(validate_unique=False, validate_constraints=False)
        form.save()
        return form
