"""No series starts before the patient is ready: refused, held with a pencil, or let through by a clinician (invariant 4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from clinic.models import Allocation, Booking, BookingKind, BookingStatus
from clinic.services.bookings import StepRefusedError
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus, ProtocolVersion, ReadinessOverride, Revision, RevisionKind
from courses.services.courses import close_course
from courses.services.pencils import NOT_IN_TIME, confirm_pencilled, release_expired_pencils
from courses.services.planning_input import last_day_before
from courses.services.refusals import NotReadyError, SeriesRefusedError
from courses.services.series_changes import ChangedMeanwhileError
from courses.services.visits import step_visit
from courses.tests.factories import make_course, make_plan, make_protocol_version, make_settings
from patients.models import Assessment, Consent, Consultation, IntakeSettings, Patient, ScreeningDecision, VitalSigns
from patients.pure.indications import Indication
from patients.pure.readiness import Need
from patients.services.readiness import readiness_of
from patients.tests.factories import make_patient
from patients.tests.intake_kit import (
    make_consent,
    make_decision,
    make_held_consultation,
    make_pressure,
    make_ready,
    make_score,
)

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 11)
NOW = datetime(2027, 1, 4, 14, 0, tzinfo=UTC)  # the Monday before, 09:00 in New York
TRD = Indication.TRD.value


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(home_location=clinic.location)


def book(clinic: Clinic, patient: Patient, **known: Any) -> Course:
    settings = make_settings(clinic, six(), MONDAY)
    values = {"now": NOW, "is_ready": False, "placed": make_plan(settings, patient, now=NOW)} | known
    return make_course(clinic, patient, settings, **values)


def six() -> ProtocolVersion:
    return ProtocolVersion.objects.filter(protocol__slug="T-TEST6").first() or make_protocol_version()


def missing(patient: Patient, clinic: Clinic, now: datetime = NOW, first: date = MONDAY) -> list[Need]:
    found = readiness_of(patient, indication=TRD, location=clinic.location, now=now, first_day=first)
    return [item.need for item in found.missing]


# -- what the record says ----------------------------------------------------------------------------------------------


def test_everything_that_counts_is_read_in_one_query(clinic: Clinic, ada: Patient, queries: Queries) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    with queries("readiness of a patient", at_most=1):
        found = readiness_of(ada, indication=TRD, location=clinic.location, now=NOW, first_day=MONDAY)
    assert found.is_ready


def test_without_any_record_each_item_is_missing(clinic: Clinic, ada: Patient) -> None:
    assert missing(ada, clinic) == [Need.CONSENT, Need.DECISION, Need.BASELINE, Need.PRESSURE, Need.ESCORT]


@pytest.mark.parametrize(
    ("model", "need"),
    [
        (Consent, Need.CONSENT),
        (ScreeningDecision, Need.DECISION),
        (Assessment, Need.BASELINE),
        (VitalSigns, Need.PRESSURE),
    ],
)
def test_what_was_withdrawn_struck_or_decided_otherwise_is_missing(
    clinic: Clinic, ada: Patient, model: Any, need: Need
) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    assert missing(ada, clinic) == []
    by = {"struck_at": NOW, "struck_by": clinic.clinician, "struck_reason": "Wrong patient"}
    if model is Consent:
        by = {"withdrawn_at": NOW, "withdrawn_by": clinic.clinician, "withdrawn_reason": "Changed their mind"}
    if model is ScreeningDecision:
        make_decision(
            ada, TRD, clinic.clinician, NOW + timedelta(minutes=1), outcome="not_now", reason="X", expires_on=None
        )
    else:
        model.objects.filter(patient=ada).update(**by)
    assert missing(ada, clinic) == [need]


def test_another_location_condition_or_a_score_without_a_number_does_not_count(clinic: Clinic, ada: Patient) -> None:
    elsewhere = make_clinic("Uptown")
    make_consent(ada, elsewhere.location, clinic.clinician, NOW)
    make_decision(ada, Indication.PTSD.value, clinic.clinician, NOW)
    make_score(ada, "phq9", None, clinic.clinician, NOW)
    make_score(ada, "gad7", 15, clinic.clinician, NOW)
    assert {Need.CONSENT, Need.DECISION, Need.BASELINE} <= set(missing(ada, clinic))


def test_a_consultation_that_is_still_to_come_says_nothing_yet(clinic: Clinic, ada: Patient) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    span = (NOW + timedelta(days=2), NOW + timedelta(days=2, hours=1))
    booking = Booking.objects.create(
        kind=BookingKind.CONSULTATION, location=clinic.location, subject=ada.resource, span=span, created_at=NOW
    )
    make_held_consultation(
        ada, clinic.location, clinic.clinician, NOW + timedelta(hours=1), booking=booking, escort_understood=False
    )
    assert missing(ada, clinic) == []
    assert missing(ada, clinic, now=NOW + timedelta(days=3)) == [Need.ESCORT]
    Booking.objects.filter(pk=booking.pk).update(status=BookingStatus.CANCELLED, ended_at=NOW, ended_reason="Ill")
    assert missing(ada, clinic, now=NOW + timedelta(days=3)) == []


def test_the_profile_of_the_location_judges_the_pressure(clinic: Clinic, ada: Patient) -> None:
    """Source: clinical.md H4 case 32: 158/100 is hard by the default profile; C1: the Swiss label says above 180/100."""
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    make_pressure(ada, 158, 100, clinic.clinician, NOW + timedelta(minutes=5), heart_rate_bpm=80)
    assert missing(ada, clinic) == [Need.PRESSURE]
    make_decision(ada, TRD, clinic.clinician, NOW + timedelta(minutes=6), pressure_profile="swiss_label")
    assert missing(ada, clinic) == []


def test_the_clinics_own_limits_apply(clinic: Clinic, ada: Patient) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW - timedelta(days=5))
    assert missing(ada, clinic) == []
    IntakeSettings.objects.create(location=clinic.location, baseline_max_age_days=4)
    assert missing(ada, clinic) == [Need.BASELINE]


def test_booked_ahead_a_baseline_is_fresh_enough_and_on_the_day_it_is_not(clinic: Clinic, ada: Patient) -> None:
    """Source: clinical.md F1: at most 14 days before infusion 1."""
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW - timedelta(days=10))
    assert missing(ada, clinic) == []
    assert missing(ada, clinic, now=NOW + timedelta(days=7)) == [Need.BASELINE]


# -- the gate ----------------------------------------------------------------------------------------------------------


def test_a_series_is_refused_with_what_is_missing_and_nothing_is_saved(clinic: Clinic, ada: Patient) -> None:
    with pytest.raises(NotReadyError) as refused:
        book(clinic, ada)
    assert [item.need for item in refused.value.readiness.missing] == missing(ada, clinic)
    assert str(refused.value) == (
        "Not ready to start. Missing: treatment consent, signed decision, baseline score, blood pressure, escort home."
    )
    assert not Course.objects.exists()
    assert not Booking.objects.exists()
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    assert book(clinic, ada).pencilled_until is None


def test_a_clinician_lets_it_start_with_a_reason_that_stays(clinic: Clinic, ada: Patient) -> None:
    course = book(clinic, ada, override_reason=" Seen this morning ")
    row = ReadinessOverride.objects.get(course=course)
    assert (row.reason, row.by, row.at) == ("Seen this morning", clinic.clinician, NOW)
    assert "Baseline score: No valid PHQ-9" in row.missing[2]
    assert course.pencilled_until is None
    assert Revision.objects.get(course=course).kind == RevisionKind.BOOKED


@pytest.mark.parametrize("who", ["desk", "nurse", "manager"])
def test_nobody_else_lets_it_start(clinic: Clinic, ada: Patient, who: str) -> None:
    with pytest.raises(SeriesRefusedError, match="Only a clinician"):
        book(clinic, ada, override_reason="Please", by=getattr(clinic, who))
    assert not Course.objects.exists()


def test_who_is_ready_is_booked_firmly_whatever_was_asked(clinic: Clinic, ada: Patient) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    course = book(clinic, ada, pencil=True, override_reason="Not needed")
    assert course.pencilled_until is None
    assert not ReadinessOverride.objects.exists()


def test_a_pencilled_series_holds_its_times_until_a_moment(clinic: Clinic, ada: Patient) -> None:
    plan = make_plan(make_settings(clinic, six(), MONDAY), ada, now=NOW)
    course = book(clinic, ada, pencil=True, placed=plan)
    assert course.pencilled_until == NOW + timedelta(hours=48)  # the clinic's setting, 48 by default
    assert course.is_pencilled_at(NOW + timedelta(hours=47))
    assert not course.is_pencilled_at(NOW + timedelta(hours=48))
    assert Allocation.objects.held().filter(resource=ada.resource).count() == 6
    change = Revision.objects.get(course=course)
    assert change.kind == RevisionKind.PENCILLED
    assert "pencilled until Wed 6 Jan, 09:00" in change.summary
    with pytest.raises(SeriesRefusedError, match="the chosen chair is taken"):  # nobody else has these times meanwhile
        book(clinic, make_patient("Mei", "Chen"), pencil=True, placed=plan)


def test_nothing_is_held_beyond_the_first_infusion(clinic: Clinic, ada: Patient) -> None:
    late = clinic.location.at(MONDAY - timedelta(days=1), datetime.min.time())
    settings = make_settings(clinic, six(), MONDAY)
    course = make_course(clinic, ada, settings, now=late, is_ready=False, pencil=True)
    assert course.pencilled_until == Booking.objects.order_by("span")[0].start


def test_a_clinic_that_holds_nothing_refuses_a_pencil(clinic: Clinic, ada: Patient) -> None:
    IntakeSettings.objects.create(location=clinic.location, pencil_hours=0)
    with pytest.raises(NotReadyError, match="does not hold a series"):
        book(clinic, ada, pencil=True)


# -- a further phase ---------------------------------------------------------------------------------------------------


def follow(clinic: Clinic, patient: Patient, course: Course, **known: Any) -> Course:
    weekly = {"weekdays": [], "target_gap_days": 7, "min_gap_days": 6, "max_gap_days": 8}
    version = make_protocol_version("M-TEST4", kind="maintenance", n=4, step=weekly)
    settings = make_settings(clinic, version, MONDAY + timedelta(days=18))
    before = last_day_before(course)
    placed = make_plan(settings, patient, now=NOW, before=before)
    return make_course(clinic, patient, settings, now=NOW, is_ready=False, placed=placed, **known)


def test_maintenance_asks_for_consent_only(clinic: Clinic, ada: Patient) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    course = book(clinic, ada)
    Assessment.objects.update(struck_at=NOW, struck_by=clinic.clinician, struck_reason="X")
    make_decision(ada, TRD, clinic.clinician, NOW + timedelta(minutes=1), expires_on=NOW.date())
    assert follow(clinic, ada, course) == course


def test_maintenance_is_refused_after_consent_was_withdrawn_or_a_clinician_said_no(
    clinic: Clinic, ada: Patient
) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, NOW)
    course = book(clinic, ada)
    make_decision(ada, TRD, clinic.clinician, NOW + timedelta(minutes=1), outcome="no", reason="X", expires_on=None)
    with pytest.raises(NotReadyError, match="signed decision"):
        follow(clinic, ada, course, pencil=True)  # a running course is never only pencilled


def test_nothing_follows_a_pencilled_series(clinic: Clinic, ada: Patient) -> None:
    course = book(clinic, ada, pencil=True)
    with pytest.raises(SeriesRefusedError, match="only pencilled"):
        follow(clinic, ada, course)


# -- confirming and releasing ------------------------------------------------------------------------------------------


@pytest.fixture
def held(clinic: Clinic, ada: Patient) -> Course:
    return book(clinic, ada, pencil=True)


SOON = NOW + timedelta(hours=3)
OVER = NOW + timedelta(hours=48)


def test_it_is_confirmed_when_everything_is_there(clinic: Clinic, ada: Patient, held: Course) -> None:
    with pytest.raises(NotReadyError):
        confirm_pencilled(held.pk, by=clinic.clinician, now=SOON)
    make_ready(ada, TRD, clinic.location, clinic.clinician, SOON)
    course = confirm_pencilled(held.pk, by=clinic.clinician, now=SOON)
    assert course.pencilled_until is None
    assert course.revisions.get(kind=RevisionKind.CONFIRMED).by == clinic.clinician
    assert release_expired_pencils(OVER) == 0
    with pytest.raises(ChangedMeanwhileError, match="already"):
        confirm_pencilled(held.pk, by=clinic.clinician, now=SOON)


def test_it_is_confirmed_with_a_reason_or_not_at_all(clinic: Clinic, held: Course) -> None:
    course = confirm_pencilled(held.pk, by=clinic.clinician, now=SOON, override_reason="Score at check-in")
    assert course.pencilled_until is None
    assert ReadinessOverride.objects.get().reason == "Score at check-in"


def test_an_expired_pencil_is_released_once_and_cannot_be_confirmed(clinic: Clinic, ada: Patient, held: Course) -> None:
    make_ready(ada, TRD, clinic.location, clinic.clinician, SOON)
    assert release_expired_pencils(OVER - timedelta(seconds=1)) == 0
    with pytest.raises(ChangedMeanwhileError, match="Plan anew"):  # not swept yet, and over all the same
        confirm_pencilled(held.pk, by=clinic.clinician, now=OVER)
    assert release_expired_pencils(OVER) == 1
    assert release_expired_pencils(OVER) == 0
    held.refresh_from_db()
    assert (held.status, held.closed_reason, held.pencilled_until) == (CourseStatus.STOPPED, NOT_IN_TIME, None)
    assert not Allocation.objects.held().filter(resource=ada.resource).exists()
    assert held.revisions.get(kind=RevisionKind.RELEASED).summary == (
        "Not ready by Wed 6 Jan, 09:00, so the pencilled times were released by themselves, "
        "after 0 of 6 infusions; 6 bookings released."
    )
    assert book(clinic, ada, now=OVER).pencilled_until is None


def test_a_pencilled_course_that_is_closed_by_hand_is_not_released_again(clinic: Clinic, held: Course) -> None:
    close_course(held.pk, status=CourseStatus.STOPPED, reason="Decided against it", by=clinic.clinician, now=SOON)
    assert release_expired_pencils(OVER) == 0
    held.refresh_from_db()
    assert (held.closed_reason, held.pencilled_until) == ("Decided against it", None)


def test_nobody_is_checked_in_for_a_pencilled_series(clinic: Clinic, ada: Patient, held: Course) -> None:
    booking = Booking.objects.order_by("span")[0]
    Course.objects.filter(pk=held.pk).update(pencilled_until=booking.end)
    with pytest.raises(StepRefusedError, match=r"only pencilled.*Missing: treatment consent"):
        step_visit(booking_id=booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=booking.start)
    make_ready(ada, TRD, clinic.location, clinic.clinician, booking.start)
    with pytest.raises(StepRefusedError, match="a clinician can confirm it"):
        step_visit(booking_id=booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=booking.start)
    confirm_pencilled(held.pk, by=clinic.clinician, now=booking.start)
    step_visit(booking_id=booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=booking.start)


def test_only_who_plans_confirms(clinic: Clinic, held: Course) -> None:
    for user in (clinic.desk, clinic.nurse, clinic.manager):
        with pytest.raises(Exception, match="Your role"):
            confirm_pencilled(held.pk, by=user, now=SOON)
    assert Consultation.objects.count() == 0
