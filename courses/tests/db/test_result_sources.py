"""A change of anything that a result rests on makes the patient due, whatever wrote it; nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from django.db import models, transaction

from clinic.models import Booking, Location
from courses.models import (
    RESULT_SOURCES,
    AdverseEvent,
    ClinicalEvent,
    Course,
    Infusion,
    InfusionRecord,
    InfusionVisit,
    OutcomeDefinition,
    Phase,
    PhaseStep,
    ResultDue,
    Revision,
    RevisionKind,
    RuleOverride,
    RunEvent,
)
from courses.models.result_sources import Source
from courses.tests.cohort import NOW, Cohort, load_cohort, only
from courses.tests.factories import make_protocol_version
from patients.models import Assessment, ConsultationRequest, Patient, PreviousTreatment
from patients.services.merge import merge_patients, undo_merge
from patients.tests.factories import make_patient, make_previous_treatment, make_request

pytestmark = pytest.mark.django_db
KEYS = ("04", "19", "35")
"""Doses and side effects; an admission; a planned pause with a booked infusion."""


@dataclass
class World:
    """Three courses and a patient of whom nothing is ever due."""

    cohort: Cohort

    def course(self, key: str = "04") -> Course:
        return self.cohort.courses[key]

    def patient(self, key: str = "04") -> Patient:
        return self.course(key).patient

    def first(self, model: type[models.Model], key: str = "04", **known: Any) -> models.QuerySet[Any]:
        """The first row of a course in a table, as a set that can be changed without any of our code."""
        way = {
            Course: "pk",
            Phase: "course",
            PhaseStep: "phase__course",
            Infusion: "phase__course",
            InfusionVisit: "infusion__phase__course",
            Booking: "infusion_visit__infusion__phase__course",
            RuleOverride: "infusion__phase__course",
            RunEvent: "record__visit__infusion__phase__course",
            AdverseEvent: "record__visit__infusion__phase__course",
            ClinicalEvent: "course",
            Location: "courses",
        }[model]
        found = model._default_manager.filter(**{way: self.course(key).pk}, **known).order_by("pk")
        return model._default_manager.filter(pk=found.values_list("pk", flat=True)[0])

    def score(self, **fields: Any) -> Assessment:
        values = {"measure": "phq9", "taken_at": NOW, "source": "staff", "score": 9, "recorded_at": NOW} | fields
        return Assessment.objects.create(patient=self.patient(), **values)


@pytest.fixture
def world() -> World:
    cohort = load_cohort(only(*KEYS))
    make_patient("Bystander", "Nobody")
    ResultDue.objects.all().delete()
    return World(cohort)


def due() -> set[int]:
    """Who is due by now; nobody afterwards."""
    found = set(ResultDue.objects.values_list("patient", flat=True))
    ResultDue.objects.all().delete()
    return found


Act = Callable[[World], Any]
"""Returns who else is due because of it, or nothing."""
M = TypeVar("M", bound=models.Model)


def ready(row: M) -> M:
    """What was prepared made somebody due; that is not what is asked."""
    ResultDue.objects.all().delete()
    return row


def change(model: type[models.Model], key: str = "04", where: dict[str, Any] | None = None, **fields: Any) -> Act:
    return lambda world: world.first(model, key, **(where or {})).update(**fields)


def drop(model: type[models.Model], key: str = "04") -> Act:
    return lambda world: world.first(model, key).delete()


def add_again(model: type[models.Model], key: str = "04", **fields: Any) -> Act:
    """A copy of the first row."""

    def act(world: World) -> None:
        row = world.first(model, key).get()
        row.pk = None
        for name, value in fields.items():
            setattr(row, name, value() if callable(value) else value)
        row.save(force_insert=True)

    return act


def later(name: str, **by: int) -> Act:
    """The booking's span or instant, a while later."""

    def act(world: World) -> None:
        booking = world.first(Booking).get()
        if name == "span":
            booking.span = (booking.start + timedelta(**by), booking.end + timedelta(**by))
        else:
            setattr(booking, name, booking.start + timedelta(**by))
        booking.save()

    return act


def new_terms(world: World) -> None:
    terms = OutcomeDefinition.objects.create(number=1, reason="x", created_at=NOW, created_by=world.cohort.clinic.nurse)
    world.first(Course).update(outcome_definition=terms)


def revise(kind: str) -> Act:
    return lambda world: Revision.objects.create(course=world.course(), kind=kind, at=NOW, summary="x")


def second_phase(world: World) -> Phase:
    phase = world.first(Phase).get()
    phase.pk, phase.position = None, 2
    phase.save(force_insert=True)
    return phase


def later_visit(world: World) -> Booking:
    """A booking that no visit names yet."""
    booking = world.first(Booking).get()
    booking.pk = None
    booking.save(force_insert=True)
    return booking


def to_new_phase(model: type[models.Model]) -> Act:
    return lambda world: world.first(model).update(phase=ready(second_phase(world)))


def to_new_infusion(model: type[models.Model], key: str = "04") -> Act:
    def act(world: World) -> None:
        other = ready(Infusion.objects.create(phase=world.first(Phase, key).get(), number=20))
        world.first(model, key).update(infusion=other)

    return act


def to_new_record(model: type[models.Model]) -> Act:
    """Of a visit to the same patient."""

    def act(world: World) -> None:
        visit = world.first(InfusionVisit, outcome="given").get()
        visit.pk, visit.booking = None, later_visit(world)
        visit.infusion = Infusion.objects.create(phase=world.first(Phase).get(), number=20)
        visit.save(force_insert=True)
        record = InfusionRecord.objects.create(visit=visit, opened_at=NOW, opened_by=world.cohort.clinic.nurse)
        world.first(model).update(record=ready(record))

    return act


def another_visit(world: World) -> InfusionVisit:
    visit = world.first(InfusionVisit).get()
    visit.pk, visit.booking, visit.outcome = None, later_visit(world), "missed"
    visit.save(force_insert=True)
    return visit


def another_course(world: World, key: str = "04") -> Course:
    """Of the same patient."""
    course = world.first(Course, key).get()
    course.pk, course.indication = None, "pain"
    course.save(force_insert=True)
    return course


def another_order(world: World) -> int:
    return int(RunEvent.objects.filter(order__isnull=False).order_by("-pk").values_list("order", flat=True)[0])


def to_somebody_else(rows: Callable[[World], models.QuerySet[Any]]) -> Act:
    def act(world: World) -> set[int]:
        found = rows(world)
        mei = ready(make_patient("Mei", "Chen"))
        found.update(patient=mei)
        return {mei.pk}

    return act


def scores_of(world: World) -> models.QuerySet[Assessment]:
    found = Assessment.objects.filter(patient=world.patient()).order_by("-taken_at", "-pk")
    return Assessment.objects.filter(pk=found[0].pk)


def patient_row(world: World) -> models.QuerySet[Patient]:
    return Patient.objects.filter(pk=world.patient().pk)


def treatment(world: World) -> models.QuerySet[PreviousTreatment]:
    return PreviousTreatment.objects.filter(pk=ready(make_previous_treatment(world.patient())).pk)


def request(world: World, **fields: Any) -> models.QuerySet[ConsultationRequest]:
    made = make_request(world.course().location, **({"patient": world.patient()} | fields))
    return ConsultationRequest.objects.filter(pk=ready(made).pk)


MATTERS: dict[type[models.Model], dict[str, Act]] = {
    Course: {
        "added": another_course,
        "removed": lambda world: ready(another_course(world)).delete(),
        "patient_id": to_somebody_else(lambda world: world.first(Course)),
        "indication": change(Course, indication="pain"),
        "location_id": lambda world: world.first(Course).update(location=world.cohort.places["Harbour"]),
        "prescriber_id": lambda world: world.first(Course).update(prescriber=world.cohort.prescribers["Osei"]),
        "status": change(Course, status="stopped"),
        "outcome_definition_id": new_terms,
    },
    Phase: {
        "added": second_phase,
        "removed": lambda world: ready(second_phase(world)).delete(),
        "course_id": lambda world: world.first(Phase).update(course=ready(another_course(world))),
        "kind": change(Phase, kind="booster"),
        "position": change(Phase, position=3),
        "protocol_version_id": lambda world: world.first(Phase).update(protocol_version=make_protocol_version("T-NEW")),
        "n_planned": change(Phase, n_planned=7),
    },
    PhaseStep: {
        "added": add_again(PhaseStep, position=2),
        "removed": drop(PhaseStep),
        "phase_id": to_new_phase(PhaseStep),
        "count": change(PhaseStep, count=5),
        "position": change(PhaseStep, position=4),
        "min_gap_days": change(PhaseStep, min_gap_days=1),
        "max_gap_days": change(PhaseStep, max_gap_days=9),
        "first_gap": change(PhaseStep, first_gap="previous"),
    },
    Infusion: {
        "added": add_again(Infusion, number=9),
        "removed": lambda world: ready(Infusion.objects.create(phase=world.first(Phase).get(), number=40)).delete(),
        "phase_id": to_new_phase(Infusion),
        "status": change(Infusion, status="missed"),
        "day": change(Infusion, day=date(2027, 2, 3)),
        "number": change(Infusion, number=30),
    },
    InfusionVisit: {
        "added": another_visit,
        "removed": lambda world: ready(another_visit(world)).delete(),
        "infusion_id": to_new_infusion(InfusionVisit),
        "booking_id": lambda world: world.first(InfusionVisit).update(booking=ready(later_visit(world))),
        "outcome": change(InfusionVisit, outcome="withheld"),
        "preparation_min": change(InfusionVisit, preparation_min=30),
        "infusion_min": change(InfusionVisit, infusion_min=60),
    },
    Booking: {"span": later("span", minutes=30), "observing_at": later("observing_at", minutes=70)},
    RuleOverride: {
        "added": add_again(RuleOverride, "35"),
        "removed": drop(RuleOverride, "35"),
        "infusion_id": to_new_infusion(RuleOverride, "35"),
        "day": change(RuleOverride, "35", day=date(2027, 12, 24)),
    },
    Revision: {"added": revise(RevisionKind.CONTINUED)},
    RunEvent: {
        "added": add_again(RunEvent, kind="pause", uid=uuid4),
        "removed": drop(RunEvent),
        "record_id": to_new_record(RunEvent),
        "kind": lambda world: world.first(RunEvent, kind="end").update(kind="stop", reason="x"),
        "at": change(RunEvent, at=NOW),
        "is_for_adverse_event": change(RunEvent, is_for_adverse_event=True),
        "order_id": lambda world: world.first(RunEvent).update(order=another_order(world)),
        "struck_at": change(RunEvent, struck_at=NOW),
    },
    AdverseEvent: {
        "added": add_again(AdverseEvent),
        "removed": drop(AdverseEvent),
        "record_id": to_new_record(AdverseEvent),
        "is_serious": change(AdverseEvent, is_serious=True),
        "struck_at": change(AdverseEvent, struck_at=NOW),
    },
    Assessment: {
        "added": World.score,
        "added pcl5": partial(World.score, measure="pcl5"),
        "added qids16": partial(World.score, measure="qids16"),
        "added madrs": partial(World.score, measure="madrs"),
        "patient_id": to_somebody_else(scores_of),
        "struck_at": lambda world: scores_of(world).update(struck_at=NOW),
    },
    ClinicalEvent: {
        "added": add_again(ClinicalEvent, "19", day=date(2027, 8, 1)),
        "course_id": lambda world: world.first(ClinicalEvent, "19").update(course=ready(another_course(world, "19"))),
        "day": change(ClinicalEvent, "19", day=date(2027, 8, 2)),
        "kind": change(ClinicalEvent, "19", kind="attempt"),
        "struck_at": change(ClinicalEvent, "19", struck_at=NOW, struck_reason="x"),
    },
    Patient: {
        "status": lambda world: patient_row(world).update(status="deceased"),
        "deceased_on": lambda world: patient_row(world).update(status="deceased", deceased_on=date(2027, 12, 1)),
        "referrer": lambda world: patient_row(world).update(referrer="Dr. Lee"),
        "merged_into_id": lambda world: patient_row(world).update(merged_into=make_patient("Mei", "Chen")),
    },
    PreviousTreatment: {
        "added": lambda world: make_previous_treatment(world.patient()),
        "removed": lambda world: treatment(world).delete(),
        "patient_id": to_somebody_else(treatment),
        "adequate": lambda world: treatment(world).update(adequate="no"),
        "outcome": lambda world: treatment(world).update(outcome="good"),
    },
    ConsultationRequest: {
        "added": lambda world: make_request(world.course().location, patient=world.patient()),
        "removed": lambda world: request(world).delete(),
        "patient_id": lambda world: request(world, patient=None).update(patient=world.patient()),
        "referrer": lambda world: request(world).update(referrer="Dr. Lee"),
    },
}
OF = {RuleOverride: "35", ClinicalEvent: "19"}
"""Whose course is changed, where it is not the first one."""


def dues_after(world: World, act: Act) -> tuple[set[int], set[int]]:
    """Who is due after an act, which is then undone, and who else the act says should be."""
    with transaction.atomic():
        others = act(world)
        found = due()
        transaction.set_rollback(True)
    return found, others if isinstance(others, set) else set()


@pytest.mark.parametrize("model", MATTERS, ids=lambda model: model.__name__)
def test_a_change_that_matters_makes_the_patient_due(world: World, model: type[models.Model]) -> None:
    patient = world.patient(OF.get(model, "04"))
    for what, act in MATTERS[model].items():
        found, others = dues_after(world, act)
        assert (what, found) == (what, {patient.pk} | others)


def test_a_location_s_other_time_zone_makes_everybody_due_who_has_a_course_there(world: World) -> None:
    world.cohort.places["Harbour"].courses.all().delete()
    due()
    Location.objects.filter(pk=world.cohort.clinic.location.pk).update(time_zone="America/Chicago")
    assert due() == {world.patient(key).pk for key in KEYS}


def columns_of(source: Source) -> set[str]:
    """What a test must change: every column, and rows that come and go."""
    words = {"insert": {"added"}, "delete": {"removed"}, "update": set(source.columns)}
    return set().union(*(words[operation] for operation in source.on))


def test_every_column_of_every_source_is_tried_above() -> None:
    tried = {model: set(acts) for model, acts in MATTERS.items()} | {Location: {"time_zone"}}
    for source in RESULT_SOURCES:
        assert columns_of(source) <= tried[source.model], source.model
    assert set(tried) == {source.model for source in RESULT_SOURCES}


UNRELATED: dict[str, Act] = {
    "the reason why a course was closed": change(Course, closed_reason="x", version=7),
    "minutes of a phase": change(Phase, preparation_min=99, not_before=date(2027, 1, 1)),
    "the rhythm of a step": change(PhaseStep, label="x", weekdays=[0], target_gap_days=3),
    "the same day once more": lambda world: world.first(Infusion).update(day=models.F("day"), status="given"),
    "the reason of a visit": change(InfusionVisit, reason="x", observation_min=90),
    "a note on a booking": change(Booking, note="x", version=9),
    "a booked visit that moves": lambda world: world.first(Booking, "35", status="booked").update(
        span=(NOW, NOW + timedelta(hours=2))
    ),
    "why a gap was allowed": change(RuleOverride, "35", reason="y"),
    "another change to the course": revise(RevisionKind.MOVED),
    "the reason of a tap": change(RunEvent, reason="x"),
    "how bad an effect was": change(AdverseEvent, severity="moderate", action="x"),
    "another measure": partial(World.score, measure="gad7"),
    "a form without a score": partial(World.score, score=None),
    "the note on an event": change(ClinicalEvent, "19", note="x"),
    "an address": lambda world: patient_row(world).update(email="ada@example.org"),
    "the dose of an earlier treatment": lambda world: treatment(world).update(dose="x"),
    "a request of somebody unknown": lambda world: make_request(world.course().location),
    "what a request says": lambda world: request(world).update(message="x"),
    "the address of a location": change(Location, address="x"),
}


def test_an_unrelated_change_makes_nobody_due(world: World) -> None:
    for what, act in UNRELATED.items():
        found, _ = dues_after(world, act)
        assert (what, found) == (what, set())


def test_a_merge_makes_both_due_and_so_does_its_undoing(world: World) -> None:
    kept, by = ready(make_patient("Ada", "Kept")), world.cohort.clinic.desk
    ids = {kept.pk, world.patient().pk}
    merge = merge_patients(kept_id=kept.pk, duplicate_id=world.patient().pk, by=by, now=NOW)
    assert due() == ids
    undo_merge(merge_id=merge.pk, by=by, now=NOW)
    assert due() == ids


def test_one_statement_leaves_one_row_for_each_patient_however_many_rows_it_wrote(world: World) -> None:
    Infusion.objects.filter(phase__course=world.course()).update(status="missed")
    assert ResultDue.objects.count() == 1
