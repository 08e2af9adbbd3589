"""Rows become the planner's question, and its answer becomes booking requests. Cases: clinical.md H3."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import AllocationRole, Booking, ExceptionKind
from clinic.models.bookings import ATTENTION_LANE
from clinic.pure.roles import Role
from clinic.tests.factories import (
    Clinic,
    make_absence,
    make_chair,
    make_clinic,
    make_closure,
    make_location,
    make_shifts,
    make_user,
)
from clinic.tests.fixtures.ledger import Queries
from courses.models import Phase, ProtocolVersion
from courses.planning.dates import reference_dates
from courses.planning.proposals import answer
from courses.planning.types import Placed, Wishes
from courses.services.planning_input import (
    build_instance,
    claims_for,
    settings_from_phase,
    settings_from_version,
    team_at,
)
from courses.services.protocols import install_shipped_protocols
from courses.tests.factories import LONG_BEFORE, make_course, make_plan, make_protocol_version, make_settings
from patients.models import Patient
from patients.tests.factories import make_patient, make_unavailability

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 11)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(home_location=clinic.location)


def shipped(slug: str) -> ProtocolVersion:
    install_shipped_protocols(now=LONG_BEFORE)
    return ProtocolVersion.objects.select_related("protocol").get(protocol__slug=slug, status="published")


def test_a_closed_monday_moves_the_series_as_case_17_says(clinic: Clinic, ada: Patient) -> None:
    make_closure(clinic.location, date(2027, 1, 18), reason="Martin Luther King Jr. Day")
    settings = settings_from_version(shipped("T-MWF6"), location=clinic.location, not_before=MONDAY)
    best = answer(build_instance(settings, patient=ada, now=LONG_BEFORE)).proposals[0]
    assert [one.day.isoformat()[5:] for one in best.placed] == ["01-11", "01-13", "01-15", "01-19", "01-22", "01-25"]
    assert (best.verdict.gaps_days, best.verdict.span_days) == ((2, 2, 4, 3, 3), 15)


def test_a_series_across_the_clock_change_keeps_its_local_time_as_case_22_says(clinic: Clinic, ada: Patient) -> None:
    tuesday_friday = {"weekdays": [1, 4], "min_gap_days": 3, "max_gap_days": 4}
    version = make_protocol_version(step=tuesday_friday)
    settings = make_settings(clinic, version, date(2027, 3, 2), start_min=13 * 60)
    make_course(clinic, ada, settings)
    starts = [booking.start.astimezone(UTC) for booking in Booking.objects.order_by("span")]
    assert [f"{start:%m-%d %H:%M}" for start in starts] == [
        *("03-02 18:00", "03-05 18:00", "03-09 18:00", "03-12 18:00"),
        *("03-16 17:00", "03-19 17:00"),
    ]


def test_a_visit_takes_each_resource_for_its_own_minutes(clinic: Clinic, ada: Patient) -> None:
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    nurse, doctor = clinic.nurse.resource_id, clinic.clinician.resource_id
    placed = Placed(1, MONDAY, 600, clinic.chairs[0].pk, nurse, doctor)
    wanted = claims_for(settings, placed, patient=ada, location=clinic.location)
    start = datetime(2027, 1, 11, 15, 0, tzinfo=UTC)
    assert {
        (one.role, one.resource_id, one.lane): (one.end - one.start) // timedelta(minutes=1) for one in wanted.claims
    } == {
        (AllocationRole.PATIENT, ada.resource_id, None): 120,
        (AllocationRole.STATION, clinic.chairs[0].pk, None): 135,
        (AllocationRole.NURSE, nurse, None): 120,
        (AllocationRole.ATTENTION, nurse, ATTENTION_LANE): 15,
        (AllocationRole.CLINICIAN, doctor, None): 15,
    }
    assert (wanted.start, wanted.end, wanted.subject_id) == (start, start + timedelta(minutes=135), ada.resource_id)


def test_a_visit_without_a_time_cannot_be_asked_for(clinic: Clinic, ada: Patient) -> None:
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    with pytest.raises(ValueError, match="infusion 2 has no time"):
        claims_for(settings, Placed(2, MONDAY), patient=ada, location=clinic.location)


def test_the_patients_unavailable_times_are_out(clinic: Clinic, ada: Patient) -> None:
    make_unavailability(ada, date(2027, 1, 13))
    make_unavailability(ada, MONDAY, date(2027, 1, 15), from_time=time(12), until_time=time(15))
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    settings = replace(settings, wishes=replace(settings.wishes, unavailable=frozenset({date(2027, 1, 20)})))
    instance = build_instance(settings, patient=ada, now=LONG_BEFORE)
    assert instance.wishes.unavailable == {date(2027, 1, 13), date(2027, 1, 20)}
    free = instance.free
    monday = free.possible[free.days.index(MONDAY)]
    starts = [minute for minute, ok in zip(free.minutes, monday, strict=True) if ok]
    # two hours with the patient: the last start before noon is 10:00, the first after is 15:00
    assert [minute for minute in starts if 600 <= minute <= 900] == [600, 900]


def test_the_patients_own_visits_are_in_the_way_unless_they_may_move(clinic: Clinic, ada: Patient) -> None:
    settings = make_settings(clinic, make_protocol_version(n=1), MONDAY)
    make_course(clinic, ada, settings)
    at_ten = lambda **known: possible_at(build_instance(settings, patient=ada, now=LONG_BEFORE, **known), MONDAY, 600)  # noqa: E731
    assert not at_ten()
    assert at_ten(ignoring={Booking.objects.get().pk})


def possible_at(instance, day: date, minute: int) -> bool:
    free = instance.free
    return bool(free.possible[free.days.index(day), free.minutes.index(minute)])


def test_nothing_starts_before_now(clinic: Clinic, ada: Patient) -> None:
    now = datetime(2027, 1, 11, 15, 20, tzinfo=UTC)  # 10:20 at the clinic
    instance = build_instance(make_settings(clinic, make_protocol_version(), date(2027, 1, 4)), patient=ada, now=now)
    assert instance.not_before == MONDAY
    assert not possible_at(instance, MONDAY, 615)
    assert possible_at(instance, MONDAY, 630)


def test_maintenance_reads_only_around_its_dates(clinic: Clinic, ada: Patient) -> None:
    settings = settings_from_version(shipped("M-CANBIND"), location=clinic.location, not_before=date(2027, 1, 18))
    instance = build_instance(settings, patient=ada, now=LONG_BEFORE, before=date(2027, 1, 15))
    wanted = reference_dates(settings.rule, instance.not_before, lambda _day: True, before=date(2027, 1, 15))
    assert wanted[-1].day == date(2027, 7, 2)  # case 25
    assert {one.day for one in wanted} <= set(instance.free.days)
    assert date(2027, 5, 21) not in instance.free.days  # a fortnight from 7 May and from 4 June


def test_a_phase_gives_back_the_settings_that_it_was_booked_with(clinic: Clinic, ada: Patient) -> None:
    settings = make_settings(clinic, make_protocol_version(), MONDAY).adapted(n=4, weekdays=[0, 3], max_gap_days=5)
    wishes = Wishes(earliest_min=540, latest_min=720, preferred_min=600, chair_id=clinic.chairs[1].pk)
    settings = replace(settings, wishes=wishes)
    make_course(clinic, ada, settings)
    phase = Phase.objects.select_related("course", "protocol_version").get()
    assert settings_from_phase(phase) == settings


def test_the_number_of_queries_does_not_grow(queries: Queries) -> None:
    version = make_protocol_version()
    for chairs, n in ((2, 2), (20, 20)):
        clinic = make_clinic(chairs=chairs)
        patient = make_patient(home_location=clinic.location)
        settings = make_settings(clinic, version, MONDAY).adapted(n=n)
        with queries("planner's question", at_most=9):
            question = build_instance(settings, patient=patient, now=LONG_BEFORE, location=clinic.location)
        assert question.free.chairs.shape[-1] == chairs


def test_a_location_without_hours_has_a_question_and_no_answer(ada: Patient, clinic: Clinic) -> None:
    clinic.location.opening_hours.all().delete()
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    found = answer(build_instance(settings, patient=ada, now=LONG_BEFORE))
    assert found.proposals == ()
    assert "no open day" in found.explanation


def test_judging_a_plan_reads_only_its_days(clinic: Clinic, ada: Patient) -> None:
    make_chair(clinic.location)
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    plan = make_plan(settings, ada)
    with CaptureQueriesContext(connection):
        instance = build_instance(settings, patient=ada, now=LONG_BEFORE, days={one.day for one in plan})
    assert instance.free.days == tuple(one.day for one in plan)


def test_the_team_of_a_location_is_who_has_shifts_or_extra_work_there(clinic: Clinic) -> None:
    uptown = make_location("Uptown")
    elsewhere, idle, left, both, helps_out, on_leave = (
        make_user(Role.NURSE, first_name=name) for name in ("Else", "Ida", "Lena", "Bo", "Helen", "Olga")
    )
    make_shifts(elsewhere, uptown)
    for user in (both, left):
        make_shifts(user, clinic.location)
    make_shifts(both, uptown)
    type(left).objects.filter(pk=left.pk).update(is_active=False)
    extra = {"kind": ExceptionKind.EXTRA, "starts": time(9), "ends": time(12)}
    make_absence(helps_out, MONDAY, location=clinic.location, **extra)
    make_absence(idle, MONDAY, location=uptown, **extra)
    make_absence(on_leave, MONDAY, location=clinic.location)  # time off is no work
    team = team_at(clinic.location)
    assert set(team.nurses) == {clinic.nurse.resource, both.resource, helps_out.resource}
    assert team.clinicians == (clinic.clinician.resource,)
    assert set(team.chairs) == set(clinic.chairs)
    assert set(team_at(uptown).nurses) == {elsewhere.resource, both.resource, idle.resource}


def test_the_team_needs_one_query_however_many_work_elsewhere(clinic: Clinic, queries: Queries) -> None:
    uptown = make_location("Uptown")
    for _ in range(2):
        with queries("team of a location"):
            assert len(team_at(clinic.location).everything) == 4
        for _ in range(10):
            make_shifts(make_user(Role.NURSE), uptown)
