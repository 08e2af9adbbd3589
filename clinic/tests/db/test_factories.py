"""The factories that everybody's tests start from make rows that the tables accept, also twice."""

from __future__ import annotations

import pytest

from clinic.models import User
from clinic.pure.roles import Can, Role
from clinic.tests.factories import make_clinic, make_user

pytestmark = pytest.mark.django_db


def test_two_clinics_stand_side_by_side() -> None:
    first, second = make_clinic(), make_clinic()
    assert [first.location.name, second.location.name] == ["Downtown", "Downtown 2"]
    assert [chair.name for chair in second.chairs] == ["Chair 1", "Chair 2"]
    assert User.objects.count() == 8
    assert first.nurse.shifts.count() == 5


def test_a_user_can_what_the_roles_allow_and_only_bookable_people_have_a_resource() -> None:
    desk, both = make_user(Role.FRONT_DESK), make_user(Role.NURSE, Role.MANAGER)
    assert desk.can(Can.EDIT_PATIENT)
    assert not desk.can(Can.VIEW_CLINICAL)
    assert desk.resource is None
    assert both.can(Can.RUN_INFUSION)
    assert both.can(Can.EDIT_SETUP)
    assert both.resource is not None
    assert both.resource.lanes == 3
    assert not make_user().can(Can.VIEW_PATIENT)
