"""The follow-up schedule of a booked series: it moves with its infusions; what is due is sent, entered or waived."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import (
    Course,
    FollowUpSettings,
    MaintenancePlan,
    MeasureAct,
    MeasureActKind,
    Task,
    TaskEnd,
    TaskKind,
)
from courses.services import moves
from courses.services.follow_up import Item, State, read_schedule
from courses.services.follow_up_acts import FollowUpRefusedError, send_item, strike_waiver, waive_item
from courses.services.moves import Mode, Target
from courses.services.worklists import measures
from courses.services.worklists.engine import end_task, sweep
from courses.tests.checkin_kit import checked_in
from courses.tests.day_kit import ten
from courses.tests.follow_kit import make_plain_course
from courses.tests.series_kit import Booked, april, at, book
from patients.models import LinkKind, MeasureLink
from patients.services import measure_links
from patients.services.assessments import strike_assessment
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_score

pytestmark = pytest.mark.django_db

MEASURE = (TaskKind.MEASURE,)


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05: 5, 7, 9, 12, 14, 16 April. A PHQ-9 of 18 on Mon 29 March."""
    return book()


def course_of(booked: Booked) -> Course:
    return Course.objects.select_related("patient", "location").get(pk=booked.course.pk)


def item(booked: Booked, key: str, day: date, clock: str = "07:00") -> Item:
    found = read_schedule(course_of(booked), at(day, clock)).item(key)
    assert found is not None
    return found


def states(booked: Booked, key: str, day: date) -> dict[str, State]:
    return {line.ask.measure: line.state for line in item(booked, key, day).lines}


def checkin(booked: Booked, number: int) -> str:
    return f"checkin:{booked.infusion(number).pk}"


# -- moving ------------------------------------------------------------------------------------------------------------


def test_a_moved_infusion_moves_its_measures_and_nothing_else(booked: Booked) -> None:
    """Through the real move: only infusion 6, from Fri 16 to Mon 19 April (gap 5: a clinician's reason)."""
    now = at(april(5))
    before = {one.key: one.due for one in read_schedule(course_of(booked), now).items}
    offer = moves.preview_move(booked.infusion(6).pk, target=Target(april(19)), mode=Mode.ONLY, now=now)
    moves.move_infusion(offer.token, reason="Away on Friday", by=booked.clinician, now=now)
    after = {one.key: one.due for one in read_schedule(course_of(booked), now).items}
    assert set(after) == set(before)
    moved = {key for key in before if after[key].first_day != before[key].first_day}
    last = booked.infusion(6).pk
    ends = {"series-end", "series-14-31", *(f"day-{day}" for day in (7, 14, 21, 28, 42, 56, 70, 83))}
    assert moved == {f"checkin:{last}", f"day-after:{last}", *ends}
    assert {after[key].last_day - before[key].last_day for key in moved} == {timedelta(days=3)}
    assert after["series-end"].anchor == "Planned by the booked date of infusion 6, Mon 19 Apr: it moves with it."


def test_shifting_the_rest_moves_the_measures_of_each_as_case_20_does(booked: Booked) -> None:
    """Source: clinical.md H3 case 20: #4 to Tue 13, #5 to Fri 16, #6 to Mon 19 April."""
    booked.give(1, 2, 3)
    now = at(april(12), "12:00")
    keys = {number: checkin(booked, number) for number in (4, 5, 6)}
    moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=now)
    assert read_schedule(course_of(booked), now).item(keys[4]) is None  # it has no time
    assert read_schedule(course_of(booked), now).waiting == ("infusion 4",)
    moves.move_infusion(moves.preview_reslot(booked.infusion(4).pk, now=now).token, by=booked.desk, now=now)
    days = [item(booked, keys[number], april(12)).due.first_day for number in (4, 5, 6)]
    assert days == [april(13), april(16), april(19)]
    assert item(booked, "after-4", april(12)).due.first_day == april(14)


def test_what_was_waived_stays_waived_when_its_infusion_moves(booked: Booked) -> None:
    now = at(april(5))
    waive_item(
        course_of(booked),
        key="series-end",
        measures=["cssrs"],
        reason="Asked by her therapist",
        by=booked.nurse,
        now=now,
    )
    offer = moves.preview_move(booked.infusion(6).pk, target=Target(april(19)), mode=Mode.ONLY, now=now)
    moves.move_infusion(offer.token, reason="Away", by=booked.clinician, now=now)
    assert states(booked, "series-end", april(20)) == {
        "phq9": State.DUE,
        "gad7": State.DUE,
        "cssrs": State.WAIVED,
    }


# -- entered -----------------------------------------------------------------------------------------------------------


def test_the_check_in_of_an_infusion_day_enters_its_item() -> None:
    """The score that the infusion day shows as today's measure answers the item of that check-in."""
    day = checked_in()
    schedule = read_schedule(Course.objects.select_related("patient", "location").get(pk=day.course.pk), ten(5))
    infusion = day.course.phases.get().infusions.get(number=1)
    found = schedule.item(f"checkin:{infusion.pk}")
    assert found is not None
    assert (found.state, found.lines[0].assessment.score) == (State.ENTERED, 12)
    second = day.course.phases.get().infusions.get(number=2)
    other = schedule.item(f"checkin:{second.pk}")
    assert other is not None
    assert other.state is State.LATER


def test_a_score_counts_inside_the_window_and_not_outside(booked: Booked) -> None:
    booked.give(1, 2, 3, 4, 5, 6)
    assert states(booked, "series-end", april(20))["gad7"] is State.DUE
    make_score(booked.patient, "gad7", 4, booked.nurse, at(april(16), "18:00"))  # the day of the infusion itself
    assert states(booked, "series-end", april(20))["gad7"] is State.DUE
    make_score(booked.patient, "gad7", 5, booked.nurse, at(april(19)))
    line = item(booked, "series-end", april(20)).lines[1]
    assert (line.state, line.assessment.score) == (State.ENTERED, 5)
    strike_assessment(
        patient_id=booked.patient.pk,
        assessment_id=line.assessment.pk,
        reason="Of somebody else",
        by=booked.nurse,
        now=at(april(20)),
    )
    assert states(booked, "series-end", april(20))["gad7"] is State.DUE


def test_another_scale_answers_where_it_is_as_good_and_one_without_a_score_does_not(booked: Booked) -> None:
    """Source: clinical.md E4: PHQ-9 or QIDS. The C-SSRS has no score and answers all the same."""
    booked.give(1, 2, 3, 4, 5, 6)
    make_score(booked.patient, "phq9", None, booked.nurse, at(april(18)))  # too many items missing
    assert states(booked, "series-end", april(20))["phq9"] is State.DUE
    make_score(booked.patient, "qids16", 9, booked.nurse, at(april(19)))
    make_score(booked.patient, "cssrs", None, booked.nurse, at(april(19)))
    found = item(booked, "series-end", april(20))
    assert [line.name for line in found.lines] == ["QIDS-SR16", "GAD-7", "C-SSRS"]
    assert [line.state for line in found.lines] == [State.ENTERED, State.DUE, State.ENTERED]


def test_the_last_score_before_the_series_is_the_baseline(booked: Booked) -> None:
    """Source: clinical.md F1, baseline."""
    make_score(booked.patient, "phq9", 21, booked.nurse, at(date(2027, 4, 2)))
    line = item(booked, "baseline", april(5)).lines[0]
    assert line.assessment is not None
    assert line.assessment.score == 21


# -- sending -----------------------------------------------------------------------------------------------------------


def end_of_series(booked: Booked) -> None:
    booked.give(1, 2, 3, 4, 5, 6)


def send(booked: Booked, day: date, by: User | None = None) -> tuple[MeasureLink, str]:
    return send_item(course_of(booked), key="series-end", kind=LinkKind.PHONE, by=by or booked.desk, now=at(day))


def test_a_due_item_goes_out_as_one_link_with_all_that_a_patient_answers_alone(booked: Booked) -> None:
    end_of_series(booked)
    link, token = send(booked, april(17))
    assert link.measures == ["phq9", "gad7"]  # the C-SSRS is asked by a clinician
    assert {(act.measure, act.kind, act.link_id, act.by) for act in MeasureAct.objects.all()} == {
        ("phq9", "sent", link.pk, booked.desk),
        ("gad7", "sent", link.pk, booked.desk),
    }
    assert list(states(booked, "series-end", april(18)).values()) == [State.SENT, State.SENT, State.DUE]
    for number in range(1, 10):
        measure_links.save_answer(token, measure="phq9", item=number, value=1, seen=None, now=at(april(18)))
    measure_links.finish(token, now=at(april(18)))
    assert list(states(booked, "series-end", april(18)).values()) == [State.ENTERED, State.DUE, State.DUE]


def test_an_answer_by_the_link_counts_also_when_it_comes_late(booked: Booked) -> None:
    """The window ends on Fri 23 April and two days of grace later; the link is good for seven days."""
    end_of_series(booked)
    _, token = send(booked, april(23))
    for number in range(1, 10):
        measure_links.save_answer(token, measure="phq9", item=number, value=0, seen=None, now=at(april(28)))
    measure_links.finish(token, now=at(april(28)))
    assert states(booked, "series-end", april(28))["phq9"] is State.ENTERED
    assert states(booked, "series-end", april(28))["gad7"] is State.OVERDUE


def test_a_late_answer_is_not_the_score_of_a_check_in(booked: Booked) -> None:
    """Answered after the infusion it is another score (clinical.md E4: the score after the infusion before)."""
    key = checkin(booked, 1)
    _, token = send_item(course_of(booked), key=key, kind=LinkKind.PHONE, by=booked.desk, now=at(april(5)))
    booked.give(1)
    for number in range(1, 10):
        measure_links.save_answer(token, measure="phq9", item=number, value=0, seen=None, now=at(april(6)))
    measure_links.finish(token, now=at(april(6)))
    assert states(booked, key, april(6)) == {"phq9": State.DUE}


def test_what_is_too_late_for_a_new_score_is_entered_from_paper_and_not_sent(booked: Booked) -> None:
    booked.give(1)
    key = checkin(booked, 1)
    assert item(booked, key, april(6)).is_missed
    with pytest.raises(FollowUpRefusedError, match="A score counted until Mon 5 Apr"):
        send_item(course_of(booked), key=key, kind=LinkKind.PHONE, by=booked.desk, now=at(april(6)))
    make_score(booked.patient, "phq9", 17, booked.nurse, at(april(5), "07:30"), recorded_at=at(april(6)))
    assert states(booked, key, april(6)) == {"phq9": State.ENTERED}


def test_an_expired_link_leaves_the_item_due(booked: Booked) -> None:
    FollowUpSettings.objects.create(location=booked.clinic.location, grace_days=10)
    end_of_series(booked)
    send(booked, april(17))
    assert states(booked, "series-end", april(23))["phq9"] is State.SENT
    assert states(booked, "series-end", april(24))["phq9"] is State.DUE


def test_a_second_link_takes_the_first_one_back_unless_the_patient_has_begun(booked: Booked) -> None:
    end_of_series(booked)
    first, _ = send(booked, april(17))
    second, token = send(booked, april(18))
    first.refresh_from_db()
    assert first.revoked_at is not None
    measure_links.save_answer(token, measure="phq9", item=1, value=1, seen=None, now=at(april(18)))
    with pytest.raises(FollowUpRefusedError, match="The patient is answering"):
        send(booked, april(19))
    second.refresh_from_db()
    assert second.revoked_at is None


def test_what_is_not_due_is_not_sent(booked: Booked) -> None:
    with pytest.raises(FollowUpRefusedError, match="not due before Sat 17 Apr"):
        send(booked, april(12))
    assert not MeasureLink.objects.exists()


def test_what_only_a_clinician_asks_is_entered_and_not_sent(booked: Booked) -> None:
    end_of_series(booked)
    for code in ("phq9", "gad7"):
        make_score(booked.patient, code, 5, booked.nurse, at(april(17)))
    with pytest.raises(FollowUpRefusedError, match="Enter it instead"):
        send(booked, april(18))


def test_an_item_that_is_gone_is_refused_with_what_to_do(booked: Booked) -> None:
    with pytest.raises(FollowUpRefusedError, match="Load the page again"):
        send_item(course_of(booked), key="checkin:1", kind=LinkKind.PHONE, by=booked.desk, now=at(april(5)))


# -- waiving -----------------------------------------------------------------------------------------------------------


def waive(booked: Booked, day: date, *, by: User | None = None, reason: str = "Declined today") -> list[MeasureAct]:
    return waive_item(
        course_of(booked), key="series-end", measures=["gad7"], reason=reason, by=by or booked.nurse, now=at(day)
    )


def test_a_waiver_names_its_reason_and_who_and_can_be_struck(booked: Booked) -> None:
    end_of_series(booked)
    (act,) = waive(booked, april(18))
    assert (act.kind, act.reason, act.by) == (MeasureActKind.WAIVED, "Declined today", booked.nurse)
    assert states(booked, "series-end", april(30))["gad7"] is State.WAIVED
    strike_waiver(course_of(booked), act_id=act.pk, reason="Wrong patient", by=booked.clinician, now=at(april(19)))
    assert states(booked, "series-end", april(19))["gad7"] is State.DUE
    with pytest.raises(FollowUpRefusedError, match="struck meanwhile"):
        strike_waiver(course_of(booked), act_id=act.pk, reason="x", by=booked.nurse, now=at(april(19)))
    waive(booked, april(20))  # and it can be waived anew
    assert states(booked, "series-end", april(20))["gad7"] is State.WAIVED


def test_no_waiver_without_a_reason_and_none_twice(booked: Booked) -> None:
    end_of_series(booked)
    with pytest.raises(ValidationError, match="Say why"):
        waive(booked, april(18), reason="  ")
    waive(booked, april(18))
    with pytest.raises(FollowUpRefusedError, match="entered or waived this meanwhile"):
        waive(booked, april(18))
    assert MeasureAct.objects.count() == 1


@pytest.mark.parametrize(
    ("role", "may_send", "may_waive"),
    [
        (Role.FRONT_DESK, True, False),
        (Role.NURSE, True, True),
        (Role.CLINICIAN, True, True),
        (Role.MANAGER, False, False),
    ],
)
def test_who_sends_and_who_waives(booked: Booked, role: Role, may_send: bool, may_waive: bool) -> None:
    end_of_series(booked)
    person = make_user(role, username=f"other-{role}")
    if may_send:
        send(booked, april(17), person)
    else:
        with pytest.raises(PermissionDenied):
            send(booked, april(17), person)
    if may_waive:
        (act,) = waive(booked, april(17), by=person)
        strike_waiver(course_of(booked), act_id=act.pk, reason="x", by=person, now=at(april(17)))
    else:
        with pytest.raises(PermissionDenied):
            waive(booked, april(17), by=person)
        (act,) = waive(booked, april(17))
        with pytest.raises(PermissionDenied):
            strike_waiver(course_of(booked), act_id=act.pk, reason="x", by=person, now=at(april(17)))


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_only_the_table_itself_stops_a_second_waiver(parallel: Parallel) -> None:
    """The race that the service's lock turns into a sentence: both have read that nothing is waived."""
    booked = book()

    def write(index: int) -> MeasureAct:
        return MeasureAct.objects.create(
            course=booked.course, key="series-end", measure="gad7", kind="waived", reason=f"Reason {index}",
            at=at(april(18)), by=booked.nurse,
        )  # fmt: skip

    errors = [one.error for one in parallel(2, write) if one.error is not None]
    assert [type(error) for error in errors] == [IntegrityError]


@pytest.mark.django_db(transaction=True)
def test_two_people_waive_at_once_and_one_is_told(parallel: Parallel) -> None:
    booked = book()
    end_of_series(booked)
    course = course_of(booked)

    def act(index: int) -> object:
        return waive_item(
            course, key="series-end", measures=["gad7"], reason=f"Reason {index}", by=booked.nurse, now=at(april(18))
        )

    outcomes = parallel(2, act)
    errors = [one.error for one in outcomes if one.error is not None]
    assert len(errors) == 1, outcomes
    assert isinstance(errors[0], FollowUpRefusedError)
    assert MeasureAct.objects.count() == 1


# -- the list of what is overdue ---------------------------------------------------------------------------------------


def open_tasks(booked: Booked) -> dict[str, Task]:
    rows = Task.objects.open().filter(course=booked.course, kind=TaskKind.MEASURE)
    return {task.facts["item"]: task for task in rows}


def test_an_overdue_item_has_one_task_however_often_it_is_looked_for(booked: Booked) -> None:
    end_of_series(booked)
    sweep(at(april(25)), kinds=MEASURE)
    assert "series-end" not in open_tasks(booked)  # Fri 23 and two days of grace
    assert sweep(at(april(26)), kinds=MEASURE).opened == 1
    assert sweep(at(april(26)), kinds=MEASURE).opened == 0
    task = open_tasks(booked)["series-end"]
    assert task.text == "Questionnaires overdue since Fri 23 Apr: end of the series."
    assert (task.due_on, task.patient, task.infusion_id) == (april(23), booked.patient, booked.infusion(6).pk)
    assert task.facts["measures"] == ["PHQ-9", "GAD-7", "C-SSRS"]


def test_a_task_is_settled_by_entering_and_waiving_and_says_which(booked: Booked) -> None:
    end_of_series(booked)
    now = at(april(26))
    sweep(now, kinds=MEASURE)
    task = open_tasks(booked)["series-end"]
    make_score(booked.patient, "phq9", 5, booked.nurse, at(april(22)))  # from paper, dated
    make_score(booked.patient, "gad7", 4, booked.nurse, at(april(22)))
    assert sweep(now, kinds=MEASURE).settled == 0  # the C-SSRS is still missing
    waive_item(
        course_of(booked), key="series-end", measures=["cssrs"], reason="Asked by phone", by=booked.nurse, now=now
    )
    sweep(now, kinds=MEASURE)
    task.refresh_from_db()
    assert (task.closed_how, task.closed_by) == (TaskEnd.SETTLED, None)
    assert task.closed_text == "PHQ-9 entered on Thu 22 Apr, GAD-7 entered on Thu 22 Apr and C-SSRS waived."
    assert "series-end" not in open_tasks(booked)


def test_an_infusion_without_a_time_settles_its_task_and_a_new_time_asks_again(booked: Booked) -> None:
    """Nothing falls off the list: what is overdue once more has a task once more."""
    booked.give(1, 2, 3)
    first_key = checkin(booked, 4)
    sweep(at(april(15)), kinds=MEASURE)  # infusion 4 of Mon 12 April was recorded neither way
    task = open_tasks(booked)[first_key]
    moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=at(april(15)))
    sweep(at(april(15)), kinds=MEASURE)
    task.refresh_from_db()
    assert task.closed_text == "Its infusion has no time any more; it comes up again when there is one."
    now = at(april(15), "12:00")
    offer = moves.preview_reslot(booked.infusion(4).pk, now=now)
    moves.move_infusion(offer.token, reason="Late", by=booked.clinician, now=now)
    day = booked.days()[4]
    sweep(at(day + timedelta(days=3)), kinds=MEASURE)
    again = open_tasks(booked)[first_key]
    assert again.key == f"{task.key}#2"


def test_what_a_person_set_aside_stays_aside(booked: Booked) -> None:
    end_of_series(booked)
    sweep(at(april(26)), kinds=MEASURE)
    task = open_tasks(booked)["series-end"]
    end_task(task.pk, how=TaskEnd.DECLINED, text="Followed by her GP", by=booked.nurse, now=at(april(26)))
    assert sweep(at(april(27)), kinds=MEASURE).opened == 0
    assert "series-end" not in open_tasks(booked)


def test_closing_the_course_settles_its_tasks(booked: Booked) -> None:
    end_of_series(booked)
    sweep(at(april(26)), kinds=MEASURE)
    assert open_tasks(booked)
    Course.objects.filter(pk=booked.course.pk).update(status="stopped", closed_on=april(26))
    sweep(at(april(26)), kinds=MEASURE)
    assert not open_tasks(booked)
    assert set(Task.objects.values_list("closed_text", flat=True)) == {"The course was closed: stopped."}


def test_an_optional_measure_is_never_on_the_list(booked: Booked) -> None:
    end_of_series(booked)
    sweep(at(april(30)), kinds=MEASURE)
    assert not [key for key in open_tasks(booked) if key.startswith("day-after")]


def test_the_list_needs_as_many_queries_for_twenty_courses_as_for_two(queries: Queries) -> None:
    """The same entry of the ledger for both: a number that grows with the courses fails one of them."""
    clinic, now = make_clinic(), at(date(2027, 4, 28))
    for number in range(20):
        patient = make_patient("Robin", f"Fictional{number:02d}")
        course = make_plain_course(clinic, patient, [april(day) for day in (5, 7, 9, 12, 14, 16)])
        make_score(patient, "phq9", 9, clinic.nurse, at(april(9)))
        waive_item(course, key="series-end", measures=["gad7"], reason="Ill", by=clinic.nurse, now=at(april(18)))
        if number in (1, 19):
            with queries("worklists:measures"):
                found = list(measures.wanted(now, None))
            assert len({one.course_id for one in found}) == number + 1
    sweep(now, kinds=MEASURE)
    with queries("worklists:measures settled"):
        assert measures.settled(list(Task.objects.open()[:2]), now) == {}
    with queries("worklists:measures settled"):
        assert measures.settled(list(Task.objects.open()), now) == {}


def test_a_course_without_an_infusion_for_long_is_not_looked_at_unless_it_is_in_maintenance() -> None:
    clinic = make_clinic()
    course = make_plain_course(clinic, make_patient(), [april(5)])
    assert list(measures.wanted(at(date(2027, 4, 20)), None))
    late = at(date(2027, 12, 1))
    assert measures.schedules_now(late, None) == []
    MaintenancePlan.objects.create(
        course=course, way="as_needed", review_on=date(2027, 12, 1), reason="x", decided_at=late,
        decided_by=clinic.clinician,
    )  # fmt: skip
    assert [one.course for one in measures.schedules_now(late, None)] == [course]
