"""A clinic on its first morning: the first steps are done, and there is no patient, booking, message or result yet.

Every address that needs nothing in the tables is opened by each role, and so are those of what the first steps made.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.edge.context import RAIL, RAIL_FOOT
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.web.addresses import Address, every_address
from courses.models import ProtocolVersion
from courses.tests.factories import make_protocol_version

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)  # Mon 4 Jan 2027, 10:00 in New York
THERE: tuple[tuple[str, str, str], ...] = (
    (r"setup:station_.*", "pk", "station"),
    (r"setup:(location.*|opening_hours|closures|closure_add|holidays|choose_location)", "pk", "place"),
    (r"setup:(person|staff.*|shifts.*|exception.*)", "pk", "person"),
    (r"public:request.*", "pk", "place"),
    (r"(intake|retention|rules|setup):.*", "location_pk", "place"),
    (r"reports:(page|list|file|index)", "kind", "report"),
    (r"reports:.*", "suffix", "suffix"),
    (r"reports:.*", "key", "figure"),
    (r"worklists:.*", "kind", "worklist"),
    (r"courses:protocol.*", "pk", "protocol"),
)
"""Name of the address and parameter -> what the first steps made, or a word. What names anything else is left out."""
NEVER_ON_A_PAGE = re.compile(r"\bNone(?:%|,| of\b| mg\b| min\b| days?\b)|\b[Nn]a[Nn]\b|\binf\b|\b0 of 0\b|Traceback")
"""What an empty table turns into where nobody thought of it. "None" alone is a word of ours."""
REFUSED = {
    "reports:table_file": "too few people for a file without names",
    "reports:events_file": "too few people for a file without names",
}
EMPTY_WORDS = re.compile(r"\b(no|none|nobody|nothing|not yet|free|0)\b", re.IGNORECASE)


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel(NOW, tick=False):
        made = make_clinic(phone="+12125550100")
        make_protocol_version("acute-trd", title="Acute series")
        yield made


def addresses(clinic: Clinic) -> Iterator[tuple[Address, str]]:
    """Every address that can be opened in such a clinic, filled in."""
    version = ProtocolVersion.objects.get()
    known: dict[str, Any] = {
        "station": clinic.chairs[0].pk, "place": clinic.location.pk, "person": clinic.nurse.pk,
        "protocol": version.protocol_id, "report": "operations", "suffix": "csv", "figure": "visits",
        "worklist": "review",
    }  # fmt: skip
    for address in every_address():
        if not address.name or address.name in {"closed", "account_logout", "handover"}:
            continue
        given = {name: known.get(_thing(address, name)) for name in address.parameters}
        if None not in given.values():
            yield address, reverse(address.name, kwargs=given)


def _thing(address: Address, parameter: str) -> str:
    found = (thing for pattern, name, thing in THERE if re.fullmatch(pattern, address.name) and name == parameter)
    return next(found, "")


def main_of(answer: Any) -> str:
    """The page beside the rail."""
    page = answer.content.decode()
    main = re.search(r"<main.*?</main>", page, re.DOTALL)
    return main[0] if main else page


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", main_of(answer)).split())


@pytest.mark.parametrize("role", list(Role))
def test_no_page_of_an_empty_clinic_breaks_or_shows_what_is_not_there(clinic: Clinic, role: Role) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(clinic.users[role])
    broken, odd, opened = [], [], 0
    for address, path in addresses(clinic):
        answer = client.get(path)
        if answer.status_code not in (200, 302, 403, 404, 405, 422 if address.name in REFUSED else 200):
            broken.append(f"{address} {path}: {answer.status_code}")
        if answer.status_code == 200 and "html" in answer.headers["Content-Type"]:
            opened += 1
            if found := NEVER_ON_A_PAGE.search(words(answer)):
                odd.append(f"{address} {path}: {words(answer)[max(0, found.start() - 60) : found.end() + 40]}")
    assert (broken, odd) == ([], [])
    assert opened > 25


@pytest.mark.parametrize("role", list(Role))
def test_every_page_of_the_rail_says_that_there_is_nothing_yet_and_leads_to_no_closed_door(
    clinic: Clinic, role: Role
) -> None:
    client, person = Client(), clinic.users[role]
    client.force_login(person)
    silent, refused = [], set()
    for label, _, name, _, needs in (*RAIL, *RAIL_FOOT):
        if not any(person.can(one) for one in (needs if isinstance(needs, tuple) else (needs,))):
            continue
        answer = client.get(reverse(name), follow=True)
        assert answer.status_code == 200, label
        if not EMPTY_WORDS.search(words(answer)):
            silent.append(f"{label}: {words(answer)[:300]}")
        for link in re.findall(r'<a [^>]*href="(/[^"#]*)"', main_of(answer)):
            if client.get(html.unescape(link)).status_code in (403, 404):
                refused.add(f"{label} leads to {link}")
    assert refused == set()
    assert [one for one in silent if not one.startswith(("Protocols", "Set-up", "Calendar"))] == []
