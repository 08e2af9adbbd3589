"""What the results of courses rest on: every table whose changes make a patient's results due.

The database itself writes ``ResultDue`` in the transaction that changes something, so no way of writing (a page, an
import, a merge, a correction by hand) can leave a result stale without saying so. The triggers belong to models of all
three packages; each hangs on a proxy of its model, so that the list and its migrations stand here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import pgtrigger
from django.db import models

from clinic.models import Booking, Location
from courses.models.courses import Course, Phase, PhaseStep, Revision, RevisionKind
from courses.models.following import ClinicalEvent
from courses.models.infusion_run import AdverseEvent, RunEvent
from courses.models.infusions import Infusion, InfusionVisit, RuleOverride, VisitOutcome
from courses.pure.outcomes.leading import ALL_LEADING
from patients.models import Assessment, ConsultationRequest, Patient, PreviousTreatment

__all__ = ["RESULT_SOURCES", "Source"]

OF_COURSE = "JOIN courses_course c ON c.id = changed.course_id"
OF_PHASE = "JOIN courses_phase p ON p.id = changed.phase_id JOIN courses_course c ON c.id = p.course_id"
_UP = "JOIN courses_phase p ON p.id = i.phase_id JOIN courses_course c ON c.id = p.course_id"
OF_INFUSION = f"JOIN courses_infusion i ON i.id = changed.infusion_id {_UP}"
OF_RECORD = (
    "JOIN courses_infusionrecord r ON r.id = changed.record_id JOIN courses_infusionvisit v ON v.id = r.visit_id "
    f"JOIN courses_infusion i ON i.id = v.infusion_id {_UP}"
)
OF_VISIT_GIVEN = (
    f"JOIN courses_infusionvisit v ON v.booking_id = changed.id AND v.outcome = '{VisitOutcome.GIVEN.value}' "
    f"JOIN courses_infusion i ON i.id = v.infusion_id {_UP}"
)
SCORES = ", ".join(f"'{code}'" for code in ALL_LEADING)


@dataclass(frozen=True, slots=True)
class Source:
    """One table: which of its columns matter, how its rows lead to a patient, and which of its rows count at all."""

    model: type[models.Model]
    columns: tuple[str, ...]
    patient: str = "c.patient_id"
    join: str = ""
    only: str = "TRUE"
    on: tuple[str, ...] = ("insert", "update", "delete")

    def triggers(self) -> list[pgtrigger.Trigger]:
        return [getattr(self, f"_after_{operation}")() for operation in self.on]

    def _after_insert(self) -> pgtrigger.Trigger:
        rows = "(SELECT * FROM new_values)"
        return self._after(pgtrigger.Insert, rows, pgtrigger.Referencing(new="new_values"))

    def _after_delete(self) -> pgtrigger.Trigger:
        rows = "(SELECT * FROM old_values)"
        return self._after(pgtrigger.Delete, rows, pgtrigger.Referencing(old="old_values"))

    def _after_update(self) -> pgtrigger.Trigger:
        """Rows before and after, so that who had a row and who has it now are both due."""
        before = ", ".join(f"o.{name}" for name in self.columns)
        after = ", ".join(f"n.{name}" for name in self.columns)
        pairs = f"FROM old_values o JOIN new_values n ON n.id = o.id WHERE ({before}) IS DISTINCT FROM ({after})"
        rows = f"(SELECT o.* {pairs} UNION ALL SELECT n.* {pairs})"
        return self._after(pgtrigger.Update, rows, pgtrigger.Referencing(old="old_values", new="new_values"))

    def _after(
        self, operation: pgtrigger.Operation, rows: str, referencing: pgtrigger.Referencing
    ) -> pgtrigger.Trigger:
        """Once for each statement, however many rows it wrote."""
        return pgtrigger.Trigger(
            name=f"result_due_{str(operation).lower()}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=referencing,
            func=(  # nothing in it comes from outside this file
                f"INSERT INTO courses_resultdue (patient_id) SELECT DISTINCT {self.patient} FROM {rows} changed "  # noqa: S608
                f"{self.join} WHERE {self.only} AND {self.patient} IS NOT NULL; RETURN NULL;"
            ),
        )


RESULT_SOURCES = (
    Source(
        Course,
        ("patient_id", "indication", "location_id", "prescriber_id", "status", "outcome_definition_id"),
        patient="changed.patient_id",
    ),
    Source(Phase, ("course_id", "kind", "position", "protocol_version_id", "n_planned"), join=OF_COURSE),
    Source(
        PhaseStep,
        ("phase_id", "position", "count", "min_gap_days", "max_gap_days", "first_gap"),
        join=OF_PHASE,
    ),
    Source(Infusion, ("phase_id", "number", "status", "day"), join=OF_PHASE),
    Source(
        InfusionVisit,
        ("infusion_id", "booking_id", "outcome", "preparation_min", "infusion_min"),
        join=OF_INFUSION,
    ),
    Source(Booking, ("span", "observing_at"), join=OF_VISIT_GIVEN, on=("update",)),
    # A planned pause: a gap that was allowed, or a course that was continued (drop-out, clinical.md F1).
    Source(RuleOverride, ("infusion_id", "day"), join=OF_INFUSION),
    Source(Revision, (), join=OF_COURSE, only=f"changed.kind = '{RevisionKind.CONTINUED.value}'", on=("insert",)),
    # What was given: an order never changes, so it is enough to follow the taps that name it.
    Source(RunEvent, ("record_id", "kind", "at", "is_for_adverse_event", "order_id", "struck_at"), join=OF_RECORD),
    Source(AdverseEvent, ("record_id", "is_serious", "struck_at"), join=OF_RECORD),
    Source(
        Assessment,
        ("patient_id", "struck_at"),  # its other columns never change
        patient="changed.patient_id",
        only=f"changed.measure IN ({SCORES}) AND changed.score IS NOT NULL",
        on=("insert", "update"),
    ),
    Source(ClinicalEvent, ("course_id", "kind", "day", "struck_at"), join=OF_COURSE, on=("insert", "update")),
    Source(
        Patient,
        ("status", "deceased_on", "referrer", "merged_into_id"),
        patient="changed.id",
        on=("update",),
    ),
    Source(PreviousTreatment, ("patient_id", "adequate", "outcome"), patient="changed.patient_id"),
    Source(ConsultationRequest, ("patient_id", "referrer"), patient="changed.patient_id"),
    # Local days of everything that happened there.
    Source(Location, ("time_zone",), join="JOIN courses_course c ON c.location_id = changed.id", on=("update",)),
)


def _with_triggers(source: Source) -> type[models.Model]:
    """A proxy of the model: nothing of its own but the triggers."""
    options = {"proxy": True, "default_permissions": (), "triggers": source.triggers(), "__module__": __name__}
    name = f"{source.model.__name__}ResultSource"
    return type(name, (source.model,), {"__module__": __name__, "Meta": type("Meta", (), options)})


PROXIES = tuple(_with_triggers(source) for source in RESULT_SOURCES)
