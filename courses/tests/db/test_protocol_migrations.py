"""The migrations of courses run backwards and forwards, and the guards of published protocols are there again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.utils import InternalError

from courses.models import ProtocolStep, ProtocolVersion
from courses.services.protocols import install_shipped_protocols

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

NOW = datetime(2027, 1, 4, 14, 0, tzinfo=UTC)


def test_the_guards_stand_after_migrating_back_and_forth() -> None:
    call_command("migrate", "courses", "zero", verbosity=0)
    call_command("migrate", "courses", verbosity=0)
    version = install_shipped_protocols(now=NOW)[0]
    with pytest.raises(InternalError, match="pgtrigger"), transaction.atomic():
        ProtocolVersion.objects.filter(pk=version.pk).update(infusion_min=55)
    with pytest.raises(InternalError, match="does not change"), transaction.atomic():
        ProtocolStep.objects.filter(version=version).update(max_gap_days=9)
