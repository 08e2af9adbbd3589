"""The set-up pages are tested on a Monday morning, in a whole clinic, as its manager."""

from __future__ import annotations

import pytest
import time_machine
from django.test import Client

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.setup_kit import NOW


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def manager(clinic, client) -> Client:
    client.force_login(clinic.manager)
    return client
