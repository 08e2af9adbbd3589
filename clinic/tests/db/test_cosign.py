"""A second person at one device proves that it is them, and the first one stays signed in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from django.http import HttpRequest
from django.test import RequestFactory

from clinic.models import User
from clinic.pure.roles import Can, Role
from clinic.services.cosign import CosignError, confirm_second, second_people
from clinic.tests.factories import make_user
from clinic.views.cosign import second_person

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
RUN = Can.RUN_INFUSION


@pytest.fixture
def first() -> User:
    return make_user(Role.NURSE, username="first")


@pytest.fixture
def second() -> User:
    user = make_user(Role.NURSE, username="second")
    user.set_password(PASSWORD)
    user.save()
    return user


def asked(first: User, second: User | None, password: str) -> HttpRequest:
    data = {"second": second.pk if second else "", "second_password": password}
    request = RequestFactory().post("/", data)
    request.user = first
    return request


def test_the_right_password_confirms_the_second_person(first: User, second: User) -> None:
    request = asked(first, second, PASSWORD)
    assert second_person(request, RUN) == second
    assert request.user == first


def test_the_wrong_password_does_not_and_says_whose_it_is_not(first: User, second: User) -> None:
    with pytest.raises(CosignError, match=f"not the password of {second.display_name}"):
        second_person(asked(first, second, "wrong"), RUN)


def test_nobody_is_their_own_second_person(second: User) -> None:
    with pytest.raises(CosignError, match="somebody else"):
        second_person(asked(second, second, PASSWORD), RUN)


@pytest.mark.parametrize(("role", "counts"), [(Role.CLINICIAN, True), (Role.FRONT_DESK, False), (Role.MANAGER, False)])
def test_the_second_person_needs_the_role(first: User, second: User, role: Role, counts: bool) -> None:
    second.roles = [role]
    second.save()
    if counts:
        assert second_person(asked(first, second, PASSWORD), RUN) == second
        return
    with pytest.raises(CosignError, match="Choose the second person"):
        second_person(asked(first, second, PASSWORD), RUN)


def test_who_has_left_the_clinic_confirms_nothing(first: User, second: User) -> None:
    second.is_active = False
    second.save()
    with pytest.raises(CosignError, match="Choose"):
        confirm_second(user_id=second.pk, password=PASSWORD, needs=RUN, besides=first)


def test_nobody_named_is_refused(first: User) -> None:
    with pytest.raises(CosignError, match="Choose"):
        second_person(asked(first, None, PASSWORD), RUN)


@time_machine.travel(datetime(2027, 4, 5, 14, 2, tzinfo=UTC), tick=False)  # windows of ten minutes begin on the clock
def test_after_ten_wrong_passwords_not_even_the_right_one_counts_for_this_person(first: User, second: User) -> None:
    for _ in range(10):
        with pytest.raises(CosignError, match="not the password"):
            second_person(asked(first, second, "wrong"), RUN)
    with pytest.raises(CosignError, match="Too many wrong passwords"):
        second_person(asked(first, second, PASSWORD), RUN)
    other = make_user(Role.NURSE, username="third")
    with pytest.raises(CosignError, match="not the password"):
        second_person(asked(first, other, "wrong"), RUN)


def test_the_names_are_those_who_may_besides_oneself(first: User, second: User) -> None:
    clinician = make_user(Role.CLINICIAN, username="prescriber")
    make_user(Role.FRONT_DESK, username="desk")
    away = make_user(Role.NURSE, username="away")
    away.is_active = False
    away.save()
    assert set(second_people(RUN, besides=first)) == {second, clinician}
