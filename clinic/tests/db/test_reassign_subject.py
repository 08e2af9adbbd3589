"""Visits change hands between two records of one person, all of them or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clinic.models import AllocationRole, Booking, BookingKind, BookingStatus, Resource
from clinic.services.bookings import Claim, TimeTakenError, Wanted, book, reassign_subject, release
from clinic.tests.factories import Clinic, make_clinic
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)
TEN = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # 10:00 in New York
HOUR = timedelta(hours=1)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def visit(clinic: Clinic, patient: Resource, start: datetime, chair: int = 0) -> Booking:
    claims = (
        Claim(patient.pk, AllocationRole.PATIENT, start, start + HOUR),
        Claim(clinic.chairs[chair].pk, AllocationRole.STATION, start, start + HOUR),
    )
    wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, start, start + HOUR, claims, subject_id=patient.pk)
    return book([wanted], by=clinic.desk, now=NOW)[0]


def test_all_visits_follow_also_cancelled_ones_and_chairs_stay(clinic: Clinic) -> None:
    old, new = make_patient().resource, make_patient().resource
    ahead = visit(clinic, old, TEN)
    cancelled = visit(clinic, old, TEN + 2 * HOUR)
    release([cancelled.pk], status=BookingStatus.CANCELLED, reason="asked for it", by=clinic.desk, now=NOW)
    kept = visit(clinic, new, TEN + HOUR)  # begins when the other one ends: no clash
    moved = reassign_subject(from_resource_id=old.pk, to_resource_id=new.pk, by=clinic.clinician, now=NOW)
    assert moved == [ahead.pk, cancelled.pk]
    assert set(Booking.objects.filter(subject=new)) == {ahead, cancelled, kept}
    assert not Booking.objects.filter(subject=old).exists()
    assert not old.allocations.exists()
    assert {row.resource_id for row in ahead.allocations.all()} == {new.pk, clinic.chairs[0].pk}
    ahead.refresh_from_db()
    assert ahead.version == 2


def test_the_same_time_in_both_records_is_refused_with_both_times_and_nothing_moves(clinic: Clinic) -> None:
    old, new = make_patient().resource, make_patient().resource
    visit(clinic, old, TEN - 2 * HOUR)
    mine = visit(clinic, old, TEN)
    other = visit(clinic, new, TEN + timedelta(minutes=30), chair=1)
    with pytest.raises(TimeTakenError, match=r"Thu 07 Jan 2027, 10:00 and Thu 07 Jan 2027, 10:30") as refused:
        reassign_subject(from_resource_id=old.pk, to_resource_id=new.pk, by=clinic.clinician, now=NOW)
    assert [(clash.index, clash.booking_id) for clash in refused.value.clashes] == [(1, other.pk)]
    mine.refresh_from_db()
    assert (mine.subject_id, mine.version) == (old.pk, 1)


def test_only_the_named_visits_go_back(clinic: Clinic) -> None:
    one, two = make_patient().resource, make_patient().resource
    goes, stays = visit(clinic, one, TEN), visit(clinic, one, TEN + HOUR)
    moved = reassign_subject(
        from_resource_id=one.pk, to_resource_id=two.pk, booking_ids=[goes.pk], by=clinic.clinician, now=NOW
    )
    assert moved == [goes.pk]
    assert list(Booking.objects.filter(subject=one)) == [stays]
