"""Junk at every address and in every form, by each role and signed out: refused in words, never a fault of ours.

A small share of what ``python -m bench.fuzz`` sends. The seed is fixed, so a finding comes again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from clinic.pure.roles import Role
from clinic.tests.security.fuzzing import Fuzzer
from clinic.tests.security.starts import starts
from clinic.tests.security.world import NOW, Peopled, make_peopled

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def peopled() -> Iterator[Peopled]:
    with time_machine.travel(NOW, tick=False):
        yield make_peopled()


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.MANAGER, None])
def test_no_junk_in_addresses_and_forms_is_answered_with_a_fault_of_ours(peopled: Peopled, role: Role | None) -> None:
    fuzzer = Fuzzer(peopled.users[role] if role else None, seed=8)
    fuzzer.walk(starts(), each=1, most=80)
    fuzzer.attack(1)
    assert [str(one) for one in fuzzer.findings.values()] == []
    assert len(fuzzer.seen.paths) > (10 if role is None else 30)
    assert fuzzer.seen.forms
