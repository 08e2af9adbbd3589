"""Boosters: scores that ask, tasks that end by an act, legal times, one act that books. clinical.md A 20, 24, 31, 32."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from django.core.exceptions import PermissionDenied

from clinic.models import Booking, User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import (
    Course,
    CourseBoosterRule,
    FollowUpSettings,
    InfusionStatus,
    Phase,
    PhaseKind,
    ProtocolVersion,
    RevisionKind,
    Task,
    TaskEnd,
    TaskKind,
)
from courses.services import boosters as service
from courses.services.booster_rules import seen_rule, set_course_rule
from courses.services.boosters import (
    BY_CLINICIAN,
    BY_PATIENT,
    BoosterRefusedError,
    Offer,
    StaleBoosterError,
    accept_booster,
    ask_for_booster,
    decline_booster,
    offer_for,
    read_phases,
    read_sheet,
)
from courses.services.plan_address import encode
from courses.services.refusals import NotReadyError, SeriesRefusedError
from courses.services.series import book_series
from courses.services.series_changes import ChangedMeanwhileError, ReasonNeededError
from courses.services.worklists.engine import TaskRefusedError, sweep
from courses.tests.booster_kit import MAY_3, NOW, come_back, helped, maintain, score
from courses.tests.series_kit import Booked, april, at, book
from patients.models import Consent, Patient
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


def look(now: datetime = NOW) -> list[Task]:
    """The list of boosters after a sweep, the open ones."""
    sweep(now, kinds=[TaskKind.BOOSTER])
    return list(Task.objects.open().filter(kind=TaskKind.BOOSTER))


def offered(booked: Booked, now: datetime = NOW) -> Offer:
    sheet = read_sheet(booked.course.pk)
    return offer_for(sheet.course, sheet.phases, sheet.version, now=now)


def accept(booked: Booked, code: str, *, by: User | None = None, seen: int = 1, reason: str = "") -> Course:
    who = by or booked.clinician
    return accept_booster(booked.course.pk, code=code, seen_phases=seen, by=who, now=NOW, override_reason=reason)


# -- what asks -----------------------------------------------------------------------------------------------------


def test_scores_that_come_back_open_one_task_with_why_now(queries: Queries) -> None:
    booked = come_back()
    with queries("boosters: a sweep", at_most=20):
        sweep(NOW, kinds=[TaskKind.BOOSTER])
    (task,) = look()
    first = booked.patient.assessments.get(score=12)
    assert task.key == f"booster:{booked.course.pk}:{first.pk}"
    assert task.due_on == MAY_3
    assert task.facts["why"] == [
        "PHQ-9 back at 10 or more: 12 on Mon 26 Apr, 13 on Mon 3 May.",
        "50 % of the gain lost (PHQ-9 from 18 to 6 in the series): 12 on Mon 26 Apr, 13 on Mon 3 May; now 58.3 %.",
    ]
    assert task.facts["source"] == "clinic setting"


def test_the_words_for_the_front_desk_say_nothing_clinical() -> None:
    come_back()
    (task,) = look()
    assert task.text == "Booster proposed: a time to find"


def test_many_courses_cost_no_more_questions(queries: Queries) -> None:
    booked = come_back()
    come_back(clinic=booked.clinic, patient=_other(booked))
    with queries("boosters: a sweep", at_most=20):
        sweep(NOW, kinds=[TaskKind.BOOSTER])
    assert len(look()) == 2


def test_what_was_settled_stays_so_while_the_scores_are_the_same() -> None:
    come_back()
    look()
    Task.objects.open().update(closed_at=NOW, closed_how=TaskEnd.SETTLED, closed_text="gone")
    assert look() == []


def test_one_score_or_a_series_that_goes_on_asks_nothing() -> None:
    booked = helped()
    score(booked, april(26), 12)
    assert look() == []
    going = book(date(2027, 6, 7), clinic=booked.clinic, patient=_other(booked))
    going.give(1, 2, 3)
    for day, value in ((10, 4), (12, 12), (19, 14)):
        score(going, date(2027, 6, day), value)
    assert look(at(date(2027, 6, 20))) == []


def _other(booked: Booked) -> Patient:
    return make_patient("Mei", "Chen", home_location=booked.clinic.location)


def test_the_location_and_the_course_may_have_rules_of_their_own() -> None:
    booked = come_back()
    row = FollowUpSettings.objects.create(location=booked.clinic.location, score_from=14, gain_lost_percent=None)
    assert look() == []
    own = CourseBoosterRule.objects.create(course=booked.course, score_from=12, gain_lost_percent=None, reason="Early")
    (task,) = look()
    assert task.facts["why"] == ["PHQ-9 back at 12 or more: 12 on Mon 26 Apr, 13 on Mon 3 May."]
    assert task.facts["source"] == "this course’s own rule"
    row.delete()
    own.delete()


def test_a_rule_that_is_off_asks_nothing() -> None:
    booked = come_back()
    CourseBoosterRule.objects.create(course=booked.course, is_on=False, reason="Asks herself")
    assert look() == []


# -- what settles it -----------------------------------------------------------------------------------------------


def test_maintenance_that_is_booked_or_given_since_settles_it_and_says_so() -> None:
    booked = come_back()
    look()
    maintain(booked, now=NOW + timedelta(hours=1))
    assert look(NOW + timedelta(hours=2)) == []
    task = Task.objects.get(kind=TaskKind.BOOSTER)
    assert task.closed_how == TaskEnd.SETTLED
    assert task.closed_text.startswith("An infusion of the maintenance was booked for Tue 4 May")


def test_maintenance_that_was_booked_before_settles_it_only_when_it_is_given() -> None:
    """The plan as it was is no answer to scores that come back; the infusion is."""
    booked = helped()
    maintain(booked, now=at(april(20)))  # 23, 30 April, 7, 14 May or the days after
    score(booked, april(26), 12)
    score(booked, MAY_3, 13)
    assert len(look()) == 1
    first = booked.series.row(1)
    assert first.infusion.day is not None
    assert first.infusion.day < MAY_3
    coming = next(row for row in booked.series.rows if row.infusion.day and row.infusion.day > MAY_3)
    booked.give(*(row.number for row in booked.series.rows if row.number <= coming.number))
    assert look(at(coming.infusion.day or MAY_3, "18:00")) == []
    assert Task.objects.get(kind=TaskKind.BOOSTER).closed_text.startswith("An infusion of the maintenance was given on")


def test_a_score_that_was_entered_in_error_settles_it() -> None:
    booked = come_back()
    look()
    booked.patient.assessments.filter(score=12).update(
        struck_at=NOW, struck_by=booked.nurse, struck_reason="Another patient's"
    )
    assert look() == []
    assert "struck" in Task.objects.get(kind=TaskKind.BOOSTER).closed_text


def test_a_better_score_does_not_settle_it() -> None:
    booked = come_back()
    look()
    score(booked, date(2027, 5, 10), 5)
    assert len(look(at(date(2027, 5, 11)))) == 1


# -- times ---------------------------------------------------------------------------------------------------------


def test_the_times_are_free_legal_few_and_different() -> None:
    """M-PRN: at least 3 days after the last infusion on Fri 16 April; decision 42: two a day, an hour apart."""
    booked = come_back()
    found = offered(booked)
    assert 3 <= len(found.slots) <= 5
    days = [one.placed.day for one in found.slots]
    assert days == sorted(days)
    assert days[0] == MAY_3 + timedelta(days=1)  # never today
    assert max(days.count(one) for one in days) <= 2
    for one, other in pairwise(found.slots):
        same = one.placed.day == other.placed.day
        assert not same or abs((other.placed.start_min or 0) - (one.placed.start_min or 0)) >= 60
    assert all(one.gap_days == (one.placed.day - april(16)).days for one in found.slots)


def test_the_smallest_gap_of_the_protocol_holds_from_the_last_infusion() -> None:
    """Asked on the day of the last infusion, Wed 14 April: Thu and Fri are too soon (M-PRN: 3 days), Sat is closed."""
    booked = book(n=5)
    booked.give(1, 2, 3, 4, 5)
    evening = at(april(14), "18:00")
    pk = booked.course.pk
    ask_for_booster(pk, by_whom=BY_PATIENT, reason="Low", by=booked.desk, now=evening)
    slot = offered(booked, evening).slots[0]
    assert slot.placed.day == april(19)
    friday = slot.code.replace("20270419", "20270416")
    with pytest.raises(SeriesRefusedError, match="needs at least 3 days"):
        accept_booster(pk, code=friday, seen_phases=1, by=booked.clinician, now=evening)
    assert Phase.objects.count() == 1


def test_while_the_series_or_the_maintenance_goes_on_the_page_says_what_comes_first() -> None:
    booked = book()
    assert "Nothing was given" in offered(booked, at(april(1))).why_none
    booked.give(1, 2)
    assert offered(booked, at(april(8))).why_none.startswith("The initial series goes on: infusion 3 is booked for")
    booked.give(3, 4, 5, 6)
    maintain(booked, now=at(april(20)))
    found = offered(booked, at(april(20), "12:00"))
    assert found.is_maintenance
    assert found.waits_for is not None
    assert "Bring it forward" in found.why_none


def test_without_a_protocol_for_a_booster_the_page_says_so() -> None:
    booked = come_back()
    ProtocolVersion.objects.filter(protocol__slug="M-PRN").update(status="retired")
    assert "No protocol for a booster is published" in offered(booked).why_none


# -- accepted ------------------------------------------------------------------------------------------------------


def test_one_act_books_it_writes_why_now_and_ends_the_task() -> None:
    booked = come_back()
    (task,) = look()
    slot = offered(booked).slots[1]
    course = accept(booked, slot.code)
    phase = course.phases.get(kind=PhaseKind.BOOSTER)
    infusion = phase.infusions.get()
    assert (phase.n_planned, infusion.status, infusion.day) == (1, InfusionStatus.BOOKED, slot.placed.day)
    revision = course.revisions.get(kind=RevisionKind.BOOSTER)
    said = revision.before["tasks"][0]["facts"]["why"]
    assert said[0] == "PHQ-9 back at 10 or more: 12 on Mon 26 Apr, 13 on Mon 3 May."
    assert (revision.phase, revision.by) == (phase, booked.clinician)
    task.refresh_from_db()
    assert (task.closed_how, task.closed_by, task.revision) == (TaskEnd.DECIDED, booked.clinician, revision)
    assert look() == []


def test_a_second_click_adds_nothing() -> None:
    booked = come_back()
    look()
    first, second, *_ = offered(booked).slots
    accept(booked, first.code)
    before = Booking.objects.count()
    for seen in (1, 2):
        with pytest.raises(StaleBoosterError):
            accept(booked, second.code, seen=seen)
    assert Booking.objects.count() == before
    assert Phase.objects.filter(kind=PhaseKind.BOOSTER).count() == 1


def test_a_time_that_somebody_took_is_refused_and_nothing_is_saved() -> None:
    booked = come_back(clinic=_one_chair())
    look()
    slot = offered(booked).slots[0]
    other = book(slot.placed.day, clinic=booked.clinic, patient=_other(booked), n=1, now=NOW)
    taken = next(iter(other.series.plan))
    code = encode(taken)
    with pytest.raises(StaleBoosterError, match="free now"):
        accept(booked, code)
    assert not Phase.objects.filter(kind=PhaseKind.BOOSTER).exists()
    assert len(look()) == 1


def _one_chair() -> Clinic:
    return make_clinic(chairs=1)


def test_only_a_prescriber_accepts_or_declines() -> None:
    booked = come_back()
    (task,) = look()
    code = offered(booked).slots[0].code
    for user in (booked.desk, booked.nurse, booked.clinic.manager):
        with pytest.raises(PermissionDenied):
            accept(booked, code, by=user)
        with pytest.raises(PermissionDenied):
            decline_booster(booked.course.pk, task.pk, reason="No", by=user, now=NOW)
    assert Phase.objects.count() == 1


def test_without_anything_that_asks_nothing_is_booked() -> None:
    """Why now is recorded for every booster: first the reason, then the time."""
    booked = helped()
    code = offered(booked).slots[0].code
    with pytest.raises(StaleBoosterError, match="Nothing asks"):
        accept(booked, code)


def test_what_is_no_time_is_refused() -> None:
    booked = come_back()
    look()
    for code in ("", "tomorrow", "2.20270504.0800.1.1.1"):
        with pytest.raises(BoosterRefusedError, match="Choose one of the times"):
            accept(booked, code)


def test_without_consent_it_is_refused_and_a_clinician_may_book_with_a_reason() -> None:
    booked = come_back()
    look()
    Consent.objects.update(withdrawn_at=NOW, withdrawn_by=booked.clinician, withdrawn_reason="Wants to think")
    code = offered(booked).slots[0].code
    with pytest.raises(NotReadyError):
        accept(booked, code)
    assert accept(booked, code, reason="Signs at the visit").readiness_overrides.count() == 1


# -- by hand -------------------------------------------------------------------------------------------------------


def test_the_patient_asks_and_a_clinician_judges_each_once_with_a_reason() -> None:
    booked = helped()
    pk = booked.course.pk
    task, is_new = ask_for_booster(pk, by_whom=BY_PATIENT, reason="Sleeps badly again", by=booked.desk, now=NOW)
    assert is_new
    assert task.facts["why"] == ["The patient asked on Mon 3 May: Sleeps badly again"]
    assert "Sleeps" not in task.text
    again, is_new = ask_for_booster(pk, by_whom=BY_PATIENT, reason="Asks again", by=booked.nurse, now=NOW)
    assert (again.pk, is_new) == (task.pk, False)
    ask_for_booster(pk, by_whom=BY_CLINICIAN, reason="Withdrawn", by=booked.clinician, now=NOW)
    assert len(look()) == 2
    slot = offered(booked).slots[0]
    before = accept(booked, slot.code).revisions.get(kind=RevisionKind.BOOSTER).before
    assert [one["facts"]["by"] for one in before["tasks"]] == [BY_PATIENT, BY_CLINICIAN]
    assert look() == []


def test_who_may_not_who_gives_no_reason_and_a_closed_course_are_refused() -> None:
    booked = helped()
    pk = booked.course.pk
    for user in (booked.desk, booked.nurse):
        with pytest.raises(PermissionDenied):
            ask_for_booster(pk, by_whom=BY_CLINICIAN, reason="Seems low", by=user, now=NOW)
    with pytest.raises(PermissionDenied):
        ask_for_booster(pk, by_whom=BY_PATIENT, reason="Low", by=booked.clinic.manager, now=NOW)
    with pytest.raises(BoosterRefusedError, match="Say why"):
        ask_for_booster(pk, by_whom=BY_PATIENT, reason=" ", by=booked.desk, now=NOW)
    Course.objects.update(status="completed", closed_on=MAY_3)
    with pytest.raises(BoosterRefusedError, match="closed"):
        ask_for_booster(pk, by_whom=BY_PATIENT, reason="Low", by=booked.desk, now=NOW)
    assert not Task.objects.exists()


def test_declined_with_a_reason_the_same_scores_do_not_ask_again_and_new_ones_do() -> None:
    booked = come_back()
    (task,) = look()
    with pytest.raises(TaskRefusedError):
        decline_booster(booked.course.pk, task.pk, reason=" ", by=booked.clinician, now=NOW)
    decline_booster(booked.course.pk, task.pk, reason="Starts therapy", by=booked.clinician, now=NOW)
    task.refresh_from_db()
    assert (task.closed_how, task.closed_text) == (TaskEnd.DECLINED, "Starts therapy")
    score(booked, date(2027, 5, 10), 14)
    assert look(at(date(2027, 5, 11))) == []
    score(booked, date(2027, 5, 17), 14)
    (new,) = look(at(date(2027, 5, 18)))
    assert [one["day"] for one in new.facts["readings"]] == ["2027-05-10", "2027-05-17"]


def test_a_task_of_another_course_is_not_declined_here() -> None:
    booked = come_back()
    (task,) = look()
    with pytest.raises(Task.DoesNotExist):
        decline_booster(booked.course.pk + 1, task.pk, reason="No", by=booked.clinician, now=NOW)


# -- the course's own rule -----------------------------------------------------------------------------------------


RULE = {"is_on": True, "score_from": 8, "gain_lost_percent": None, "readings": 1, "apart_days": 0}


def test_a_rule_of_its_own_with_the_reason_and_the_way_back() -> None:
    booked = helped()
    pk, by = booked.course.pk, booked.clinician
    row = set_course_rule(pk, values=RULE, reason="Falls fast", expected="", by=by, now=NOW)
    assert row is not None
    assert (row.score_from, row.reason) == (8, "Falls fast")
    with pytest.raises(ChangedMeanwhileError):
        set_course_rule(pk, values=RULE | {"score_from": 9}, reason="Other", expected="", by=by, now=NOW)
    assert set_course_rule(pk, values=None, reason="Steady", expected=seen_rule(row), by=by, now=NOW) is None
    assert not CourseBoosterRule.objects.exists()


def test_the_rule_asks_for_a_reason_and_a_prescriber() -> None:
    booked = helped()
    with pytest.raises(ReasonNeededError):
        set_course_rule(booked.course.pk, values=RULE, reason=" ", expected="", by=booked.clinician, now=NOW)
    with pytest.raises(PermissionDenied):
        set_course_rule(booked.course.pk, values=RULE, reason="Why", expected="", by=booked.nurse, now=NOW)
    assert not CourseBoosterRule.objects.exists()


# -- two at once ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_without_the_guard_two_clinicians_at_once_book_two_boosters(parallel: Parallel) -> None:
    """The race: both look before either books, and each booking by itself is legal.

    As ``accept_booster`` without its lock around looking and booking, and without what the page had shown.
    """
    booked = come_back()
    look()
    course, first = booked.course, offered(booked).slots[0].placed
    places = (first, replace(first, day=first.day + timedelta(days=3)))
    looked, earlier_is_booked = threading.Barrier(2), threading.Event()

    def accept_unguarded(index: int) -> int:
        phases = read_phases(course.pk)
        version = service.booster_version(course, phases)
        assert version is not None
        assert service.hindrance(course, phases) is None
        looked.wait(30)
        if index:  # the later day second: the judge would see the wrong order, which is not what this is about
            earlier_is_booked.wait(30)
        book_series(
            patient=booked.patient,
            settings=service.settings_for(version, phases, now=NOW),
            placed=[places[index]],
            indication=course.indication,
            prescriber=booked.clinician,
            by=booked.clinician,
            now=NOW,
        )
        earlier_is_booked.set()
        return len(phases)

    outcomes = parallel(2, accept_unguarded)
    assert [(one.value, one.error) for one in outcomes] == [(1, None), (1, None)]
    assert Phase.objects.filter(kind=PhaseKind.BOOSTER).count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_two_clinicians_accept_at_once_and_one_booster_stands(parallel: Parallel) -> None:
    booked = come_back()
    other = make_user(Role.CLINICIAN, first_name="Elena", last_name="Brandt", home_location=booked.clinic.location)
    look()
    slots = offered(booked).slots
    people = (booked.clinician, other)
    outcomes = parallel(2, lambda index: accept(booked, slots[index * 2].code, by=people[index]))
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert [type(error) for error in errors] == [StaleBoosterError]
    assert Phase.objects.filter(kind=PhaseKind.BOOSTER).count() == 1
    assert booked.course.revisions.filter(kind=RevisionKind.BOOSTER).count() == 1
    assert look() == []
