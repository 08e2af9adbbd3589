"""Whose request it is, behind our proxy or not, and how often a stranger may ask."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.test import RequestFactory

from clinic.edge.limits import NOWHERE, client_address, over_limit


def asked(**headers: Any) -> Any:
    return RequestFactory().get("/request/", **headers)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "server_saw", "address"),
    [
        (0, "", "203.0.113.7", "203.0.113.7"),
        (0, "198.51.100.1", "203.0.113.7", "203.0.113.7"),  # no proxy of ours: whoever says so may invent it
        (1, "198.51.100.1", "10.0.0.2", "198.51.100.1"),
        (1, "192.0.2.66, 198.51.100.1", "10.0.0.2", "198.51.100.1"),  # the first part was the client's own
        (1, "", "10.0.0.2", "10.0.0.2"),
        (1, "198.51.100.1:4711", "10.0.0.2", "198.51.100.1"),
        (1, "[2001:db8::1]:4711", "10.0.0.2", "2001:db8::1"),
        (1, "2001:DB8::1", "10.0.0.2", "2001:db8::1"),
        (1, "<script>", "10.0.0.2", NOWHERE),
        (0, "", "", NOWHERE),  # a unix socket
    ],
)
def test_the_address_is_the_one_that_our_own_proxy_saw(
    settings: Any, proxies: int, forwarded: str, server_saw: str, address: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert client_address(asked(REMOTE_ADDR=server_saw, **headers)) == address


def test_three_are_let_through_and_the_fourth_is_not_while_others_are() -> None:
    def ask(address: str, group: str = "a page") -> bool:
        return over_limit(asked(REMOTE_ADDR=address), group=group, rate="3/d")

    assert [ask("203.0.113.7") for _ in range(4)] == [False, False, False, True]
    assert not ask("203.0.113.8")
    assert not ask("203.0.113.7", "another page")
    assert [ask(f"2001:db8::{number}") for number in range(4)] == [False, False, False, True]  # one customer's /64


def test_a_key_of_its_own_counts_whoever_asks() -> None:
    answers = [
        over_limit(asked(REMOTE_ADDR=f"203.0.113.{number}"), group="a page", rate="2/d", key="place 1")
        for number in range(3)
    ]
    assert answers == [False, False, True]


def test_the_system_checks_of_the_counting_find_nothing_to_complain_about() -> None:
    found = [one for one in checks.run_checks(tags=["django_ratelimit"]) if not one.is_silenced()]
    assert found == []
