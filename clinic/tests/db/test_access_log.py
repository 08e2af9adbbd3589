"""The read log says who opened whose record, and cannot be rewritten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import InternalError, transaction

from clinic.models import AccessLog, Resource, ResourceKind, User
from clinic.services.access import QUIET, readings, record_reading

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def nurse() -> User:
    return User.objects.create(username="nora", first_name="Nora", last_name="Bell", roles=["nurse"])


@pytest.fixture
def patient() -> Resource:
    return Resource.objects.create(kind=ResourceKind.PATIENT, name="Ada Okafor")


def read(by: User, subject: Resource, **changes: object) -> AccessLog | None:
    facts = {"page": "Patient record", "path": "/patients/7/", "now": NOW}
    return record_reading(by=by, subject_id=subject.pk, **(facts | changes))


def test_a_reading_says_who_whose_what_and_when(nurse: User, patient: Resource) -> None:
    read(nurse, patient)
    row = AccessLog.objects.get()
    assert (row.user, row.subject, row.page, row.path, row.at) == (
        nurse,
        patient,
        "Patient record",
        "/patients/7/",
        NOW,
    )


def test_a_page_that_refreshes_itself_is_logged_once_and_again_after_a_pause(nurse: User, patient: Resource) -> None:
    assert read(nurse, patient) is not None
    assert read(nurse, patient, now=NOW + QUIET - timedelta(seconds=1)) is None
    assert read(nurse, patient, now=NOW + QUIET) is not None
    assert AccessLog.objects.count() == 2


def test_another_page_another_person_and_a_given_reason_are_always_logged(nurse: User, patient: Resource) -> None:
    other = User.objects.create(username="mara", roles=["manager"])
    read(nurse, patient)
    assert read(nurse, patient, page="Course", path="/courses/3/") is not None
    assert read(other, patient) is not None
    assert read(nurse, patient, reason="Opened from a report") is not None


def test_texts_longer_than_the_column_are_cut_and_not_lost(nurse: User, patient: Resource) -> None:
    row = read(nurse, patient, page="p" * 10_000, path="/" * 10_000, reason="r" * 10_000)
    assert row is not None
    assert (len(row.page), len(row.path), len(row.reason)) == (80, 300, 200)


def test_the_database_refuses_to_change_or_delete_a_reading(nurse: User, patient: Resource) -> None:
    read(nurse, patient)
    with pytest.raises(InternalError, match="append_only"), transaction.atomic():
        AccessLog.objects.update(page="nothing")
    with pytest.raises(InternalError, match="append_only"), transaction.atomic():
        AccessLog.objects.all().delete()


def test_the_list_is_filtered_by_span_person_and_patient(nurse: User, patient: Resource) -> None:
    other = Resource.objects.create(kind=ResourceKind.PATIENT, name="Mei Chen")
    first, second = read(nurse, patient), read(nurse, other, now=NOW + timedelta(hours=1))
    everything = {"since": NOW, "until": NOW + timedelta(days=1)}
    assert list(readings(**everything)) == [second, first]
    assert list(readings(since=NOW, until=NOW + timedelta(hours=1))) == [first]
    assert list(readings(**everything, subject_ids=[other.pk])) == [second]
    assert list(readings(**everything, user_id=nurse.pk + 999)) == []
