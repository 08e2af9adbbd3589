"""The engine of the worklists: opened once, ended only by an act, worked on by those who may, safe under races."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import Error, connection, transaction

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from courses.models import Course, CourseStatus, Task, TaskEnd, TaskKind
from courses.services.worklists import engine
from courses.services.worklists.engine import (
    DECIDED_KINDS,
    END_WITH_COURSE,
    Swept,
    TaskClosedError,
    TaskRefusedError,
    TaskTakenError,
    Wanted,
    end_task,
    end_tasks,
    fresh_keys,
    give_back,
    put_off,
    sweep,
    take_task,
)
from courses.tests.series_kit import april, at, book
from patients.services.merge import merge_patients, undo_merge
from patients.tests.factories import make_patient

if TYPE_CHECKING:
    from clinic.tests.fixtures.parallel import Parallel

pytestmark = pytest.mark.django_db
NOW = at(april(10))
TODAY = april(10)
KIND = TaskKind.LONG_TERM


@dataclass
class Fake:
    """A list whose conditions a test decides."""

    conditions: list[Wanted] = field(default_factory=list)
    over: dict[str, str] = field(default_factory=dict)  # by key
    fails: bool = False

    def wanted(self, now: datetime, course_id: int | None) -> Iterable[Wanted]:
        assert now.tzinfo is not None
        if self.fails:
            raise RuntimeError("this list is broken")
        return [one for one in self.conditions if course_id in (None, one.course_id)]

    def settled(self, tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:
        assert now.tzinfo is not None
        return {task.pk: self.over[task.key] for task in tasks if task.key in self.over}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Stands in for every module."""
    made = Fake()
    monkeypatch.setattr(engine, "import_module", lambda _name: made)
    return made


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def want(clinic: Clinic, key: str = "check:1", **known: Any) -> Wanted:
    values: dict[str, Any] = {"kind": KIND, "location_id": clinic.location.pk, "text": "A check", "due_on": TODAY}
    return Wanted(key=key, **(values | known))


def make_task(clinic: Clinic, *, kind: TaskKind = KIND, key: str = "check:1", **known: Any) -> Task:
    values: dict[str, Any] = {"text": "A check", "due_on": TODAY, "opened_at": NOW} | known
    return Task.objects.create(kind=kind, key=key, location=clinic.location, **values)


def look(now: datetime = NOW, **known: Any) -> Swept:
    return sweep(now, kinds=[KIND], **known)


# -- opening -----------------------------------------------------------------------------------------------------------


def test_a_condition_has_its_task_once_however_often_it_is_looked_for(clinic: Clinic, fake: Fake) -> None:
    fake.conditions = [want(clinic), want(clinic), want(clinic, "check:2")]
    assert look() == Swept(opened=2, settled=0)
    assert look() == Swept(0, 0)
    assert sorted(Task.objects.values_list("key", "text", "opened_at")) == [
        ("check:1", "A check", NOW),
        ("check:2", "A check", NOW),
    ]


def test_what_moved_is_said_anew_in_the_open_task_and_not_in_a_closed_one(clinic: Clinic, fake: Fake) -> None:
    """When an infusion moves, what hangs on it moves (issue 5)."""
    fake.conditions = [want(clinic), want(clinic, "check:2")]
    look()
    end_task(Task.objects.get(key="check:2").pk, how=TaskEnd.DONE, text="Seen", by=clinic.nurse, now=NOW)
    fake.conditions = [
        want(clinic, key, due_on=april(12), text="Moved", facts={"said": "On Monday", "days": (1, 2)})
        for key in ("check:1", "check:2")
    ]
    assert look(NOW + timedelta(minutes=5)) == Swept(0, 0)
    rows = {task.key: (task.due_on, task.text, task.facts) for task in Task.objects.all()}
    assert rows == {
        "check:1": (april(12), "Moved", {"said": "On Monday", "days": [1, 2]}),
        "check:2": (TODAY, "A check", {}),
    }
    before = Task.objects.get(key="check:1").events.count()  # type: ignore[attr-defined]
    look(NOW + timedelta(minutes=10))
    assert Task.objects.get(key="check:1").events.count() == before, "the same words are not written again"  # type: ignore[attr-defined]


def test_a_due_day_that_is_only_ever_today_does_not_run_away(clinic: Clinic, fake: Fake) -> None:
    """A condition that says "due today" every day would never be overdue."""
    for day in (april(10), april(11), april(12)):
        fake.conditions = [want(clinic, due_on=day)]
        look(at(day))
    assert Task.objects.get().due_on == april(10)
    fake.conditions = [want(clinic, due_on=april(20))]
    look(at(april(12)))
    assert Task.objects.get().due_on == april(20), "a condition that really moved moves it"


def test_a_list_that_fails_does_not_keep_the_others_from_being_swept(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = Fake(fails=True), Fake([want(clinic, kind=TaskKind.MEASURE)])
    modules = {engine.MODULES[KIND]: broken, engine.MODULES[TaskKind.MEASURE]: sound}
    monkeypatch.setattr(engine, "import_module", modules.__getitem__)
    with pytest.raises(RuntimeError, match="broken"):
        sweep(NOW, kinds=[KIND, TaskKind.MEASURE])
    assert Task.objects.get().kind == TaskKind.MEASURE


def test_one_course_is_swept_alone(clinic: Clinic, fake: Fake) -> None:
    mine, other = book(), book(clinic=clinic, patient=make_patient("Robin", "Other", home_location=clinic.location))
    fake.conditions = [
        want(clinic, f"check:{one.course.pk}", course_id=one.course.pk, patient_id=one.patient.pk)
        for one in (mine, other)
    ]
    assert look(course_id=mine.course.pk) == Swept(1, 0)
    fake.over = {f"check:{one.course.pk}": "Seen." for one in (mine, other)}
    assert look() == Swept(opened=1, settled=2)


# -- settling ----------------------------------------------------------------------------------------------------------


def test_what_an_act_settled_says_by_which_and_stays_closed(clinic: Clinic, fake: Fake) -> None:
    fake.conditions = [want(clinic)]
    look()
    fake.over = {"check:1": "The check was entered by Ines Moreau."}
    assert look(NOW + timedelta(hours=1)) == Swept(0, 1)
    task = Task.objects.get()
    assert (task.closed_how, task.closed_text, task.closed_at, task.closed_by) == (
        TaskEnd.SETTLED,
        "The check was entered by Ines Moreau.",
        NOW + timedelta(hours=1),
        None,
    )
    assert look(NOW + timedelta(hours=2)) == Swept(0, 0)


def test_a_condition_that_is_only_gone_closes_nothing(clinic: Clinic, fake: Fake) -> None:
    """Nothing can fall off a list except by an act (issue 5): a module has to name it."""
    fake.conditions = [want(clinic)]
    look()
    fake.conditions = []
    assert look() == Swept(0, 0)
    assert Task.objects.get().closed_at is None


@pytest.mark.parametrize("kind", [TaskKind.REVIEW, TaskKind.LONG_TERM])
def test_closing_the_course_ends_what_was_to_be_decided_about_it_and_nothing_else(fake: Fake, kind: TaskKind) -> None:
    booked = book()
    fake.conditions = []
    make_task(booked.clinic, kind=kind, course=booked.course, patient=booked.patient)
    Course.objects.filter(pk=booked.course.pk).update(status=CourseStatus.LOST, closed_on=april(9))
    settled = sweep(NOW, kinds=[kind]).settled
    assert settled == (1 if kind in END_WITH_COURSE else 0)
    if settled:
        assert Task.objects.get(kind=kind).closed_text == "The course was closed on Fri 9 Apr: lost to follow-up."


def test_a_condition_that_comes_back_has_a_fresh_key_and_an_open_one_keeps_its_own() -> None:
    booked = book()
    pk, known = booked.course.pk, {"course": booked.course, "patient": booked.patient}
    assert fresh_keys(KIND, {pk: "base"}) == {pk: "base:0"}
    task = make_task(booked.clinic, key="base:0", **known)
    assert fresh_keys(KIND, {pk: "other"}) == {pk: "base:0"}
    Task.objects.filter(pk=task.pk).update(closed_at=NOW, closed_how=TaskEnd.SETTLED, closed_text="Booked.")
    assert fresh_keys(KIND, {pk: "base"}) == {pk: "base:1"}
    ended = make_task(booked.clinic, key="base:1", **known)
    end_task(ended.pk, how=TaskEnd.DECLINED, text="No", by=booked.clinician, now=NOW)
    assert fresh_keys(KIND, {pk: "base"}) == {pk: "base:1"}, "what a person ended stays ended"


# -- people ------------------------------------------------------------------------------------------------------------


def test_taking_giving_back_and_taking_again(clinic: Clinic) -> None:
    task = make_task(clinic)
    assert take_task(task.pk, by=clinic.desk, now=NOW).owner == clinic.desk
    assert take_task(task.pk, by=clinic.desk, now=NOW).owner == clinic.desk, "twice is once"
    with pytest.raises(TaskTakenError, match="took it meanwhile"):
        take_task(task.pk, by=clinic.nurse, now=NOW)
    with pytest.raises(TaskTakenError):
        give_back(task.pk, by=clinic.nurse, now=NOW)
    assert take_task(task.pk, by=clinic.nurse, now=NOW, expected_owner=clinic.desk.pk).owner == clinic.nurse
    assert give_back(task.pk, by=clinic.nurse, now=NOW).owner is None
    assert give_back(task.pk, by=clinic.desk, now=NOW).owner is None


def test_putting_off_needs_a_reason_and_a_day_ahead_that_is_not_never(clinic: Clinic) -> None:
    task = make_task(clinic)
    for until, reason, why in (
        (april(12), " ", "Say why"),
        (april(10), "Away", "after today"),
        (date(2028, 4, 10), "Away", "later is not never"),
    ):
        with pytest.raises(TaskRefusedError, match=why):
            put_off(task.pk, until=until, reason=reason, by=clinic.desk, now=NOW)
    done = put_off(task.pk, until=april(12), reason=" Away until Monday ", by=clinic.desk, now=NOW)
    assert (done.later_until, done.later_reason, done.closed_at) == (april(12), "Away until Monday", None)


def test_today_is_that_of_the_location(clinic: Clinic) -> None:
    """23:00 in New York on 10 April is 11 April in Greenwich: the 11th is still tomorrow there."""
    task = make_task(clinic)
    assert put_off(task.pk, until=april(11), reason="Late", by=clinic.desk, now=at(april(10), "23:00")).later_until


@pytest.mark.parametrize("kind", list(TaskKind))
def test_clinical_lists_are_set_aside_only_by_a_prescriber(clinic: Clinic, kind: TaskKind) -> None:
    for number, person in enumerate((clinic.desk, clinic.nurse, clinic.clinician)):
        task = make_task(clinic, kind=kind, key=f"one:{number}")
        may = kind not in DECIDED_KINDS or person == clinic.clinician
        for how in (TaskEnd.DECLINED, TaskEnd.DONE):
            if not may:
                with pytest.raises(PermissionDenied):
                    end_task(task.pk, how=how, text="No", by=person, now=NOW)
        if may:
            assert end_task(task.pk, how=TaskEnd.DECLINED, text="No", by=person, now=NOW).closed_by == person
        else:
            task.refresh_from_db()
            assert task.closed_at is None


def test_somebody_who_is_worse_waits_only_by_a_prescribers_word(clinic: Clinic) -> None:
    task = make_task(clinic, kind=TaskKind.WORSE)
    for person in (clinic.desk, clinic.nurse):
        with pytest.raises(PermissionDenied):
            put_off(task.pk, until=april(12), reason="Busy", by=person, now=NOW)
    assert put_off(task.pk, until=april(12), reason="Seen today", by=clinic.clinician, now=NOW).later_until


@pytest.mark.parametrize("who", ["manager", "stranger"])
def test_who_works_on_no_tasks_changes_nothing(clinic: Clinic, who: str) -> None:
    person = clinic.manager if who == "manager" else make_user()
    task = make_task(clinic)
    for act in (
        lambda: take_task(task.pk, by=person, now=NOW),
        lambda: give_back(task.pk, by=person, now=NOW),
        lambda: put_off(task.pk, until=april(12), reason="Away", by=person, now=NOW),
        lambda: end_task(task.pk, how=TaskEnd.DONE, text="Done", by=person, now=NOW),
    ):
        with pytest.raises(PermissionDenied):
            act()
    task.refresh_from_db()
    assert (task.owner, task.later_until, task.closed_at) == (None, None, None)


def test_what_is_over_is_over_for_every_act(clinic: Clinic) -> None:
    task = make_task(clinic)
    end_task(task.pk, how=TaskEnd.DONE, text="Called", by=clinic.nurse, now=NOW)
    for act in (
        lambda: take_task(task.pk, by=clinic.desk, now=NOW),
        lambda: give_back(task.pk, by=clinic.desk, now=NOW),
        lambda: put_off(task.pk, until=april(12), reason="Away", by=clinic.desk, now=NOW),
        lambda: end_task(task.pk, how=TaskEnd.DECLINED, text="No", by=clinic.desk, now=NOW),
    ):
        with pytest.raises(TaskClosedError, match="over already: Called"):
            act()


def test_an_end_says_why(clinic: Clinic) -> None:
    task = make_task(clinic)
    with pytest.raises(TaskRefusedError):
        end_task(task.pk, how=TaskEnd.DECLINED, text=" \n", by=clinic.desk, now=NOW)
    with pytest.raises(TaskRefusedError):
        end_tasks(KIND, course_id=1, text=" ", by=clinic.desk, now=NOW)


def test_one_act_decides_all_open_tasks_of_its_kind_and_course() -> None:
    booked = book()
    mine, over, other = (
        make_task(booked.clinic, key=f"check:{number}", course=booked.course, kind=kind)
        for number, kind in enumerate((KIND, KIND, TaskKind.MEASURE))
    )
    end_task(over.pk, how=TaskEnd.DONE, text="Seen", by=booked.nurse, now=NOW)
    known: dict[str, Any] = {"course_id": booked.course.pk, "text": "All done", "by": booked.clinician, "now": NOW}
    with transaction.atomic():
        assert end_tasks(KIND, **known) == 1
    assert {one.pk: one.closed_text for one in (Task.objects.get(pk=pk) for pk in (mine.pk, over.pk, other.pk))} == {
        mine.pk: "All done",
        over.pk: "Seen",
        other.pk: "",
    }


def test_the_history_names_who_took_it(clinic: Clinic) -> None:
    task = make_task(clinic)
    take_task(task.pk, by=clinic.desk, now=NOW)
    metadata = task.events.latest("pgh_id").pgh_context.metadata  # type: ignore[attr-defined]
    assert metadata["user"] == clinic.desk.pk


def test_a_patient_who_is_merged_away_keeps_open_and_closed_tasks_and_gets_them_back(clinic: Clinic) -> None:
    kept, duplicate = make_patient("Ada", "Okafor"), make_patient("Ada", "Okafor-Two")
    make_task(clinic, patient=duplicate)
    over = make_task(clinic, key="check:2", patient=duplicate)
    end_task(over.pk, how=TaskEnd.DONE, text="Seen", by=clinic.nurse, now=NOW)
    merge = merge_patients(kept_id=kept.pk, duplicate_id=duplicate.pk, by=clinic.clinician, now=NOW)
    assert set(Task.objects.values_list("patient", flat=True)) == {kept.pk}
    undo_merge(merge_id=merge.pk, by=clinic.clinician, now=NOW)
    assert set(Task.objects.values_list("patient", flat=True)) == {duplicate.pk}


# -- past the services -------------------------------------------------------------------------------------------------


def refused(sql: str, *values: object) -> str:
    """What the database itself answers."""
    with pytest.raises(Error) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return str(caught.value)


def test_the_table_itself_keeps_every_task(clinic: Clinic) -> None:
    task = make_task(clinic)
    assert "Cannot delete" in refused("DELETE FROM courses_task WHERE id = %s", task.pk)
    assert Task.objects.filter(pk=task.pk).exists()
    with pytest.raises(Error), transaction.atomic():
        task.delete()
    assert Task.objects.filter(pk=task.pk).exists()


def test_the_table_itself_lets_no_closed_task_change_or_reopen(clinic: Clinic) -> None:
    task = make_task(clinic)
    end_task(task.pk, how=TaskEnd.DONE, text="Called", by=clinic.nurse, now=NOW)
    for change in (
        {"closed_at": None, "closed_how": "", "closed_text": ""},
        {"closed_text": "Something else"},
        {"owner": clinic.desk},
        {"due_on": april(20)},
    ):
        with pytest.raises(Error), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(**change)
    task.refresh_from_db()
    assert task.closed_text == "Called"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ("closed_at = now()", "task_ends_by_an_act"),
        ("closed_at = now(), closed_how = 'settled'", "task_ends_by_an_act"),
        ("closed_at = now(), closed_how = 'done', closed_text = 'Called'", "task_act_has_a_person"),
        ("later_until = '2027-05-01'", "task_put_off_with_a_reason"),
    ],
)
def test_the_table_itself_refuses_an_end_without_an_act(clinic: Clinic, values: str, name: str) -> None:
    task = make_task(clinic)
    assert name in refused(f"UPDATE courses_task SET {values} WHERE id = %s", task.pk)  # noqa: S608 (literals above)


# -- races -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_the_unique_key_two_sweeps_would_open_it_twice(clinic: Clinic, parallel: Parallel) -> None:
    """Looking first guards nothing: each of the eight has looked before any of them writes."""
    looked = threading.Barrier(8)

    def look_then_open(number: int) -> bool:
        if Task.objects.filter(text="A check").exists():
            return False
        looked.wait(30)
        make_task(clinic, key=f"no key in common:{number}")
        return True

    assert [one.value for one in parallel(8, look_then_open)] == [True] * 8


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_open_each_task_once_and_none_dies(clinic: Clinic, parallel: Parallel) -> None:
    """Wanted in different orders, which without sorting would be a deadlock."""
    conditions = [want(clinic, f"check:{number}") for number in range(40)]

    def run(number: int) -> None:
        mine = Fake(conditions if number % 2 else conditions[::-1])
        engine._open(list(mine.wanted(NOW, None)), NOW)

    outcomes = parallel(8, run)
    assert [one.error for one in outcomes] == [None] * 8
    assert Task.objects.count() == 40


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_people_exactly_one_takes_it(clinic: Clinic, parallel: Parallel) -> None:
    people: list[User] = [make_user(Role.FRONT_DESK, username=f"person{number}") for number in range(8)]
    task = make_task(clinic)
    outcomes = parallel(8, lambda number: take_task(task.pk, by=people[number], now=NOW))
    winners = [one.value.owner for one in outcomes if one.error is None]
    assert len(winners) == 1
    assert all(isinstance(one.error, TaskTakenError) for one in outcomes if one.error)
    task.refresh_from_db()
    assert task.owner == winners[0]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_sweep_and_a_person_at_once_end_it_once_and_the_words_fit(
    clinic: Clinic, fake: Fake, parallel: Parallel
) -> None:
    for number in range(6):
        fake.conditions, fake.over = [want(clinic, f"check:{number}")], {}
        look()
        task = Task.objects.get(key=f"check:{number}")
        fake.over = {task.key: "Settled by what happened."}

        def act(who: int, pk: int = task.pk) -> str:
            if who:
                sweep(NOW, kinds=[KIND])
                return "sweep"
            end_task(pk, how=TaskEnd.DONE, text="Called", by=clinic.nurse, now=NOW)
            return "person"

        outcomes = parallel(3, act)
        task.refresh_from_db()
        if outcomes[0].error is None:
            assert (task.closed_text, task.closed_by) == ("Called", clinic.nurse)
        else:
            assert isinstance(outcomes[0].error, TaskClosedError)
            assert (task.closed_text, task.closed_by) == ("Settled by what happened.", None)
        assert [one.error for one in outcomes[1:]] == [None, None]
