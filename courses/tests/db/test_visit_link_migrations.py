"""The migration after which a revision may name no user runs both ways, with rows in the tables."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import InternalError

from courses.models import Revision
from courses.services import moves
from courses.tests.series_kit import april, at, book

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_back_names_the_prescriber_and_revisions_stay_append_only() -> None:
    ada = book()
    booking = ada.series.row(4).booking
    assert booking is not None
    said = "Cancelled by the patient, by a link."
    moves.cancel_by_patient(
        ada.infusion(4).pk, reason=said, now=at(april(2), "09:00"), expected_version=booking.version
    )
    assert Revision.objects.get(reason=said).by is None
    try:
        call_command("migrate", "courses", "0011", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT by_id FROM courses_revision WHERE reason = %s", [said])
            assert cursor.fetchone() == (ada.course.prescriber_id,)
        with pytest.raises(InternalError), transaction.atomic():
            Revision.objects.update(reason="")
    finally:
        call_command("migrate", "courses", verbosity=0)
    assert Revision.objects.get(reason=said).by == ada.clinician
