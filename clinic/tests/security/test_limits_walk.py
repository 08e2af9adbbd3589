"""Everything that is reached without signing in has a limit: each such address is hammered until it says no."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django_ratelimit.core import get_usage

from clinic.edge import limits
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.security.test_walks import paths
from clinic.tests.web.addresses import World, every_address, make_world

pytestmark = pytest.mark.django_db
PUBLIC = [address for address in every_address() if address.public_because]
FEW = 4


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every limit is FEW a minute; the real ones are noted, by group."""
    noted: list[str] = []

    def lower(request: Any, *, group: str, key: Any, rate: str, increment: bool) -> Any:
        noted.append(group)
        return get_usage(request, group=group, key=key, rate=f"{FEW}/h", increment=increment)

    monkeypatch.setattr(limits, "get_usage", lower)
    return noted


def hammered(address: str, method: str, path: str) -> list[int]:
    """The answers to somebody at one address of the network who asks a little too often."""
    client = Client(REMOTE_ADDR=address)
    return [client.generic(method, path).status_code for _ in range(FEW + 2)]


def test_every_address_without_sign_in_says_no_after_a_while(world: World, few: list[str]) -> None:
    endless = []
    for number, (address, path) in enumerate(paths(world, PUBLIC)):
        for last, method in enumerate(("GET", "POST"), start=1):
            statuses = hammered(f"10.1.{number}.{last}", method, path)
            if statuses[-1] != HTTPStatus.TOO_MANY_REQUESTS:
                endless.append(f"{method} {address}: {statuses}")
    assert endless == []
    assert few


def test_what_is_reached_by_a_link_has_a_narrower_limit_of_its_own(world: World, few: list[str]) -> None:
    own = {}
    for number, (address, path) in enumerate(paths(world, PUBLIC)):
        if not address.name.startswith(("account_", "mfa_", "usersessions", "handover")):
            few.clear()
            # Each from an address of its own: below lies the limit of everything signed out, which is FEW here too.
            client = Client(REMOTE_ADDR=f"10.2.{number}.1")
            client.generic("POST" if address.name.startswith("hooks:") else "GET", path)
            own[address.name] = set(few) - {"signed out"}
    assert {name for name, groups in own.items() if not groups} == set()
    assert len(own) >= 12


def test_an_address_that_does_not_exist_is_counted_too(few: list[str]) -> None:
    assert hammered("10.3.0.1", "GET", "/wp-admin/")[-1] == HTTPStatus.TOO_MANY_REQUESTS


def test_people_who_are_signed_in_are_not_counted(world: World, few: list[str]) -> None:
    client = Client(REMOTE_ADDR="10.4.0.1")
    client.force_login(world.clinic.manager)
    assert {client.get("/setup/").status_code for _ in range(FEW + 2)} == {HTTPStatus.OK}


def test_a_password_is_tried_five_times_and_one_place_tries_twenty(world: World) -> None:
    person = make_user(Role.NURSE, username="ines")
    person.set_password("correct-horse-battery")
    person.save()

    def tried(name: str, password: str) -> str:
        sent = {"login": name, "password": password}
        return Client(REMOTE_ADDR="10.5.0.1").post("/accounts/login/", sent).content.decode()

    for _ in range(5):
        assert "do not belong together" in tried("ines", "wrong")
    assert "locked for 15 minutes" in tried("ines", "correct-horse-battery")


def test_password_links_are_asked_for_five_times_a_minute(world: World) -> None:
    statuses = [Client().post("/accounts/password/reset/", {"email": "a@b.example"}).status_code for _ in range(6)]
    assert statuses == [302] * 5 + [429]
