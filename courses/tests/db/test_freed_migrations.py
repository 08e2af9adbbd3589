"""The migration after which a visit may free a time more than once runs both ways, with rows in the tables."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import InternalError

from courses.models import FreedSlot, OfferState, SlotOffer
from courses.services import offers
from courses.services.moves import Mode, Target, move_infusion, preview_move
from courses.tests.offers_kit import NOW, another, ill, make_gap, owes, tasks
from courses.tests.series_kit import april

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

NAME = "0010_freed_again"
MIGRATION = import_module(f"courses.migrations.{NAME}").Migration
BEFORE = next(name for app, name in MIGRATION.dependencies if app == "courses")


def migrate(*name: str) -> None:
    """To that migration; without a name to the last one, where the tests after this one find the tables."""
    call_command("migrate", "courses", *name, verbosity=0)


def column(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [value for (value,) in cursor.fetchall()]


def test_back_keeps_the_open_time_of_each_visit_and_history_keeps_the_others() -> None:
    """Mei's visit left two times; the first is filled by telephone, the second is open. Ada's left one."""
    gap = make_gap()
    mei, leo = another(gap.clinic, "Mei", "Chen"), another(gap.clinic, "Leo", "Park")
    token = preview_move(mei.infusion(4).pk, target=Target(april(13)), mode=Mode.ONLY, now=NOW).token
    move_infusion(token, reason="Asked for it", by=mei.clinician, now=NOW)
    filled = FreedSlot.objects.exclude(pk=gap.slot.pk).get()
    owes(leo)
    gap.slot, ada = filled, gap.slot
    offers.accept_by_call(gap.plan_for(leo), by=gap.clinic.desk, now=NOW)
    ill(mei, 4, now=NOW + timedelta(minutes=1))
    still = FreedSlot.objects.get(closed_at=None, booking=filled.booking)
    kept_by_leo = set(FreedSlot.objects.filter(booking__subject=leo.patient.resource).values_list("pk", flat=True))
    try:
        migrate(BEFORE)
        left = set(column("SELECT id FROM courses_freedslot"))
        assert {ada.pk, still.pk} <= left
        assert filled.pk not in left
        assert len(left & kept_by_leo) == 1  # Leo's visit left two as well, both open: the last one stays
        assert column("SELECT count(*) FROM courses_slotoffer") == [0]
        assert f"{OfferState.ACCEPTED}" in column("SELECT state FROM courses_slotofferevent")
        assert filled.pk in column("SELECT id FROM courses_freedslotevent WHERE pgh_label = 'delete'")
        gone = [f"freed:{pk}" for pk in kept_by_leo - left]
        assert tasks().filter(key__in=gone, closed_text__contains="left another time since").count() == len(gone)
    finally:
        migrate()
    assert set(FreedSlot.objects.values_list("pk", flat=True)) == left
    assert tasks().open().filter(key=f"freed:{still.pk}").exists()


def test_the_guard_of_offers_stands_after_going_back_and_forth() -> None:
    gap = make_gap()
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    offers.decline_by_call(gap.plan_for(mei), reason="Works then", by=gap.clinic.desk, now=NOW)
    try:
        migrate(BEFORE)
    finally:
        migrate()
    with pytest.raises(InternalError, match="pgtrigger"), transaction.atomic():
        SlotOffer.objects.all().delete()
    assert SlotOffer.objects.get().state == OfferState.DECLINED
