"""Everything about one infusion day, read at once: for its page, the chair board's card, discharge, PDF and signing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from clinic.models import Booking, BookingKind, Location, User
from clinic.models.bookings import RELEASED_STATUSES
from courses.models import (
    AdverseEvent,
    CheckAnswer,
    Course,
    Discharge,
    DoseCheck,
    DoseOrder,
    DrugDraw,
    FlowsheetRow,
    GateDecision,
    Infusion,
    InfusionAmendment,
    InfusionDaySettings,
    InfusionRecord,
    InfusionVisit,
    LimitAlarm,
    Phase,
    ProtocolVersion,
    RemsForm,
    Route,
    RunEvent,
)
from courses.pure.running import Run, read_run
from courses.services.day_person import PersonFacts, read_person
from courses.services.dose_decisions import Decided, decided_from, latest_dose_decision
from courses.services.together import rows_as_json, rows_from_json
from patients.models import IntakeSettings, Patient

CHILDREN: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "answers": (CheckAnswer, ("item",)),
    "decisions": (GateDecision, ("at", "pk")),
    "orders": (DoseOrder, ("-at", "-pk")),
    "checks": (DoseCheck, ("at", "pk")),
    "taps": (RunEvent, ("at", "pk")),
    "rows": (FlowsheetRow, ("at", "pk")),
    "alarms": (LimitAlarm, ("raised_at", "pk")),
    "effects": (AdverseEvent, ("onset_at", "pk")),
    "draws": (DrugDraw, ("drawn_at", "pk")),
    "discharges": (Discharge, ("-at", "-pk")),
    "amendments": (InfusionAmendment, ("at", "pk")),
    "rems_forms": (RemsForm, ("pk",)),
}
NOTHING: Mapping[str, tuple[Any, ...]] = dict.fromkeys(CHILDREN, ())


@dataclass(frozen=True)
class Desk:
    """One infusion day. Rows that were struck are among the rows; ``valid`` filters them."""

    booking: Booking
    visit: InfusionVisit
    record: InfusionRecord | None
    day_settings: InfusionDaySettings
    intake_settings: IntakeSettings
    now: datetime
    children: Mapping[str, tuple[Any, ...]]
    people: Mapping[int, User]

    # -- what it belongs to
    @property
    def infusion(self) -> Infusion:
        return self.visit.infusion

    @property
    def phase(self) -> Phase:
        return self.infusion.phase

    @property
    def protocol(self) -> ProtocolVersion:
        return self.phase.protocol_version

    @property
    def course(self) -> Course:
        return self.phase.course

    @property
    def patient(self) -> Patient:
        return self.course.patient

    @property
    def place(self) -> Location:
        return self.booking.location

    @property
    def is_nasal(self) -> bool:
        return self.protocol.protocol.route == Route.NASAL

    @property
    def is_signed(self) -> bool:
        return self.record is not None and self.record.is_signed

    @property
    def is_ended(self) -> bool:
        """Cancelled, missed or withheld: nothing can be recorded any more."""
        return self.booking.status in RELEASED_STATUSES

    @property
    def version(self) -> int:
        """Of the record; 0 before anything was recorded."""
        return self.record.version if self.record else 0

    # -- its rows
    @cached_property
    def answers(self) -> dict[str, CheckAnswer]:
        return {one.item: one for one in self.children["answers"]}

    @property
    def decisions(self) -> tuple[GateDecision, ...]:
        return self.children["decisions"]

    @property
    def orders(self) -> tuple[DoseOrder, ...]:
        """The latest first; only that one counts."""
        return self.children["orders"]

    @property
    def order(self) -> DoseOrder | None:
        return self.orders[0] if self.orders else None

    @cached_property
    def checks(self) -> tuple[DoseCheck, ...]:
        """Of the order that counts."""
        order = self.order
        return tuple(one for one in self.children["checks"] if order and one.order_id == order.pk)

    @cached_property
    def taps(self) -> tuple[RunEvent, ...]:
        return valid(self.children["taps"])

    @property
    def all_taps(self) -> tuple[RunEvent, ...]:
        return self.children["taps"]

    @cached_property
    def run(self) -> Run:
        order = self.order_given or self.order
        planned_min = order.infusion_min if order else self.visit.infusion_min
        return read_run(((tap.kind, tap.at) for tap in self.taps), planned_min=planned_min)

    @cached_property
    def order_given(self) -> DoseOrder | None:
        """The order that the infusion was started with; it may have been replaced since."""
        started = next((tap.order_id for tap in self.taps if tap.order_id), None)
        return next((one for one in self.orders if one.pk == started), None)

    @property
    def delivered_mg(self) -> Decimal | None:
        """What went in so far, by R8; None before the start. The dose is what the measured volume really contains."""
        given = self.order_given
        return self.run.delivered_mg(given.contains_mg, self.now) if given else None

    @cached_property
    def rows(self) -> tuple[FlowsheetRow, ...]:
        return valid(self.children["rows"])

    @property
    def all_rows(self) -> tuple[FlowsheetRow, ...]:
        return self.children["rows"]

    @cached_property
    def baseline(self) -> FlowsheetRow | None:
        """The last pressure before the start."""
        start = self.run.started_at
        before = [row for row in self.rows if row.systolic_mmhg and (start is None or row.at <= start)]
        return before[-1] if before else None

    @cached_property
    def alarms(self) -> tuple[LimitAlarm, ...]:
        """Of rows that were not struck."""
        kept = {row.pk for row in self.rows}
        return tuple(one for one in self.children["alarms"] if one.row_id in kept)

    @cached_property
    def effects(self) -> tuple[AdverseEvent, ...]:
        return valid(self.children["effects"])

    @property
    def draws(self) -> tuple[DrugDraw, ...]:
        return self.children["draws"]

    @cached_property
    def discharge(self) -> Discharge | None:
        return next(iter(valid(self.children["discharges"])), None)

    @property
    def amendments(self) -> tuple[InfusionAmendment, ...]:
        return self.children["amendments"]

    @cached_property
    def last(self) -> Desk | None:
        """The infusion of this course that was given before this one and has a record; None for the first."""
        return last_given(self)

    @cached_property
    def person(self) -> PersonFacts:
        """What the patient's own record says that matters today: weight, medicines, allergies, scores."""
        return read_person(self)

    @property
    def dose_decided(self) -> Decided | None:
        """The dose that the latest review decided on; None also where the day was read with many others."""
        return decided_from(getattr(self.booking, "dose_decisions", ()))

    @property
    def rems_form(self) -> RemsForm | None:
        return next(iter(self.children["rems_forms"]), None)

    def name(self, user_id: int | None) -> str:
        """Who did something, as the clinic calls them; empty for nobody."""
        user = self.people.get(user_id or 0)
        return user.display_name if user else ""


def valid(rows: Iterable[Any]) -> tuple[Any, ...]:
    """Those that were not struck."""
    return tuple(row for row in rows if row.struck_at is None)


def read_desk(booking_id: int, *, now: datetime) -> Desk:
    """The infusion day of this booking: three queries, however much was recorded.

    Raises:
        Booking.DoesNotExist: there is no infusion visit with this number.
    """
    booking = (
        Booking.objects.filter(kind=BookingKind.INFUSION)
        .select_related(
            "location__day_settings",
            "location__intake_settings",
            "infusion_visit__record",
            "infusion_visit__infusion__phase__course__patient",
            "infusion_visit__infusion__phase__course__prescriber",
            "infusion_visit__infusion__phase__protocol_version__protocol",
        )
        .annotate(dose_decisions=latest_dose_decision("infusion_visit__infusion__phase__course"))
        .get(pk=booking_id)
    )
    visit: InfusionVisit = booking.infusion_visit
    record: InfusionRecord | None = getattr(visit, "record", None)
    found = read_children([record.pk]) if record else {}
    children = found.get(record.pk, NOTHING) if record else NOTHING
    place = booking.location
    return Desk(
        booking=booking,
        visit=visit,
        record=record,
        day_settings=getattr(place, "day_settings", None) or InfusionDaySettings(location=place),
        intake_settings=getattr(place, "intake_settings", None) or IntakeSettings(location=place),
        now=now,
        children=children,
        people=people_in(record, children) if record else {},
    )


def read_children(record_ids: Iterable[int]) -> dict[int, dict[str, tuple[Any, ...]]]:
    """All rows of these records, by record and kind: one query."""
    statement, params = _children_statement()
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, list(record_ids)])
        return {
            pk: {
                name: rows_from_json(model, [json.loads(one) for one in rows or ()])
                for (name, (model, _)), rows in zip(CHILDREN.items(), all_rows, strict=True)
            }
            for pk, *all_rows in cursor.fetchall()
        }


@cache
def _children_statement() -> tuple[str, tuple[Any, ...]]:
    """The query of ``with_children``, made once: putting it together takes ten times as long as asking it."""
    names = [f"all_{name}" for name in CHILDREN]
    query = with_children(InfusionRecord.objects.order_by()).values_list("pk", *names).query
    statement, params = query.sql_with_params()
    return f"SELECT * FROM ({statement}) AS whole WHERE pk = ANY(%s)", params  # noqa: S608 (Django's own statement)


def with_children(records: QuerySet[InfusionRecord]) -> QuerySet[InfusionRecord]:
    """The same records, each with all of its rows for ``children_of``; still one query."""
    wanted = {name: rows_as_json(model, "record", *order) for name, (model, order) in CHILDREN.items()}
    return records.annotate(**{f"all_{name}": rows for name, rows in wanted.items()})


def children_of(record: InfusionRecord) -> dict[str, tuple[Any, ...]]:
    """The rows of a record that was read ``with_children``, by kind."""
    return {name: rows_from_json(model, getattr(record, f"all_{name}")) for name, (model, _) in CHILDREN.items()}


PEOPLE = ("by_id", "opened_by_id", "completed_by_id", "signed_by_id", "recorded_by_id", "answered_by_id")
MORE_PEOPLE = ("drawn_by_id", "closed_by_id", "witness_id", "struck_by_id", "sent_by_id", "no_adverse_events_by_id")


def people_in(record: InfusionRecord, children: Mapping[str, tuple[Any, ...]]) -> dict[int, User]:
    """Everybody who did something on this record, by id: one query."""
    rows = [record, *(row for rows in children.values() for row in rows)]
    ids = {getattr(row, name, None) for row in rows for name in (*PEOPLE, *MORE_PEOPLE)}
    return User.objects.in_bulk([one for one in ids if one])


def last_given(desk: Desk) -> Desk | None:
    """The infusion of this course that was given before this one and has a record; None for the first. Two queries."""
    record = (
        InfusionRecord.objects.filter(
            visit__infusion__phase__course=desk.course,
            visit__outcome="given",
            visit__booking__span__startswith__lt=desk.booking.start,
        )
        .select_related("visit__booking", "visit__infusion__phase")
        .order_by("-visit__booking__span")
        .first()
    )
    if record is None:
        return None
    return Desk(
        booking=record.visit.booking,
        visit=record.visit,
        record=record,
        day_settings=desk.day_settings,
        intake_settings=desk.intake_settings,
        now=desk.now,
        children=read_children([record.pk]).get(record.pk, NOTHING),
        people={},
    )
