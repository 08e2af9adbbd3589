"""What follows a course, read at once: tasks, maintenance, rules, measures asked for, care beside, events, scores."""

from __future__ import annotations

from dataclasses import dataclass

from courses.models import (
    CareEntry,
    CareItem,
    ClinicalEvent,
    Course,
    CourseBoosterRule,
    FollowUpSettings,
    MaintenancePlan,
    MeasureAct,
    OutcomeDefinition,
    SlotOffer,
    Task,
    WaitingEntry,
)
from courses.services.together import rows_as_json, rows_from_json
from patients.models import Assessment

CHILDREN = {
    "tasks": (Task, "course", "-opened_at"),
    "plans": (MaintenancePlan, "course", "-decided_at"),
    "rules": (CourseBoosterRule, "course", "id"),
    "acts": (MeasureAct, "course", "at"),
    "care": (CareItem, "course", "started_on"),
    "entries": (CareEntry, "item__course", "day"),
    "events": (ClinicalEvent, "course", "day"),
    "waiting": (WaitingEntry, "course", "-opened_at"),
    "offers": (SlotOffer, "infusion__phase__course", "offered_at"),
    "definitions": (OutcomeDefinition, "courses", "number"),
    "settings": (FollowUpSettings, "location__courses", "id"),
}


@dataclass(frozen=True, slots=True)
class Following:
    """Everything beside the infusions of one course: the rows as the database holds them, struck ones among them."""

    tasks: tuple[Task, ...]  # the latest first, closed ones too
    plans: tuple[MaintenancePlan, ...]  # the latest first
    acts: tuple[MeasureAct, ...]
    care: tuple[CareItem, ...]
    entries: tuple[CareEntry, ...]
    events: tuple[ClinicalEvent, ...]  # the earliest first
    waiting: tuple[WaitingEntry, ...]
    offers: tuple[SlotOffer, ...]
    rule: CourseBoosterRule | None
    definition: OutcomeDefinition | None  # None: the shipped one
    settings: FollowUpSettings  # of the course's location; unsaved defaults where it has none
    scores: tuple[Assessment, ...]  # that count, the earliest first; those without a score too

    @property
    def open_tasks(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.closed_at is None)

    @property
    def plan(self) -> MaintenancePlan | None:
        """The plan of maintenance that is in force."""
        return next((plan for plan in self.plans if plan.ended_at is None), None)


def read_following(course: Course) -> Following:
    """Two queries, whatever there is."""
    wanted = {f"its_{name}": rows_as_json(model, link, order, "id") for name, (model, link, order) in CHILDREN.items()}
    found = Course.objects.filter(pk=course.pk).annotate(**wanted).values(*wanted).get()
    row = {name: found[f"its_{name}"] for name in CHILDREN}
    scores = Assessment.objects.valid().filter(patient=course.patient_id).order_by("taken_at", "id")
    return Following(
        tasks=rows_from_json(Task, row["tasks"]),
        plans=rows_from_json(MaintenancePlan, row["plans"]),
        acts=rows_from_json(MeasureAct, row["acts"]),
        care=rows_from_json(CareItem, row["care"]),
        entries=rows_from_json(CareEntry, row["entries"]),
        events=rows_from_json(ClinicalEvent, row["events"]),
        waiting=rows_from_json(WaitingEntry, row["waiting"]),
        offers=rows_from_json(SlotOffer, row["offers"]),
        rule=next(iter(rows_from_json(CourseBoosterRule, row["rules"])), None),
        definition=next(iter(rows_from_json(OutcomeDefinition, row["definitions"])), None),
        settings=next(
            iter(rows_from_json(FollowUpSettings, row["settings"])), FollowUpSettings(location_id=course.location_id)
        ),
        scores=tuple(scores),
    )
