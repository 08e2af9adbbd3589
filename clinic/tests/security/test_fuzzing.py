"""Junk at every address and in every form, by each role and signed out: refused in words, never a fault of ours.

A small share of what ``python -m bench.fuzz`` sends. The seed is fixed, so a finding comes again. Looking is judged on
the same walk: whoever only reads changes nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection
from django.http.response import HttpResponseBase
from django.test.utils import CaptureQueriesContext

from clinic.pure.roles import Role
from clinic.tests.security.fuzzing import Fuzzer
from clinic.tests.security.starts import starts
from clinic.tests.security.world import NOW, Peopled, make_peopled

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
READS_THAT_WRITE = {
    "clinic_accesslog",
    "django_session",
    "pghistory_context",
    "courses_reporttaken",
    "usersessions_usersession",
}
"""What a reading leaves behind on purpose: that it happened, and the session."""
CHANGES = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"(\w+)"', re.IGNORECASE)


class Onlooker(Fuzzer):
    """Notes which tables a request of the walk changed; each page is asked for by HEAD, too."""

    is_walking = True

    def __init__(self, *args: object, **known: object) -> None:
        super().__init__(*args, **known)
        self.changed: list[str] = []

    def send(self, method: str, path: str, *args: object, **known: object) -> HttpResponseBase:
        if not self.is_walking:
            return super().send(method, path, *args, **known)
        for one in ("HEAD", method):  # the answer to the latter is read on
            with CaptureQueriesContext(connection) as seen:
                answer = super().send(one, path)
            tables = {match[1] for query in seen.captured_queries if (match := CHANGES.match(query["sql"]))}
            if tables - READS_THAT_WRITE:
                self.changed.append(f"{one} {path}: {sorted(tables)}")
        return answer


@pytest.fixture
def peopled(settings) -> Iterator[Peopled]:
    """Sessions lie in the database alone, so that a rollback takes back what a request did to them, too.

    Nothing is logged meanwhile: a thousand refusals with their tracebacks cost more than the walk.
    """
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    logging.disable()
    with time_machine.travel(NOW, tick=False):
        yield make_peopled()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.MANAGER, None])
def test_looking_changes_nothing_and_no_junk_is_answered_with_a_fault_of_ours(
    peopled: Peopled, role: Role | None
) -> None:
    fuzzer = Onlooker(peopled.users[role] if role else None, seed=8)
    fuzzer.walk(starts(), each=1, most=90)
    assert fuzzer.changed == []
    fuzzer.is_walking = False
    fuzzer.attack(1)
    assert [str(one) for one in fuzzer.findings.values()] == []
    assert len(fuzzer.seen.paths) > (10 if role is None else 30)
    assert fuzzer.seen.forms
