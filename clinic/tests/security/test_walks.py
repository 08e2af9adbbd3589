"""One rule, held against every address: what an attacker would try on each page is refused on all of them."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.conf import settings as configured
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from clinic.models import User
from clinic.pure.cells import FORMULA_SIGNS
from clinic.pure.roles import Role
from clinic.services.staff import demand_second_factor
from clinic.tests.security.fuzzing import noting_names
from clinic.tests.security.world import NOW, ODD_NAMES, Peopled, make_peopled
from clinic.tests.web.addresses import Address, World, every_address, make_world
from courses.pure.reports.contents import LEAST
from courses.tests.report_kit import put_result
from patients.models import ImportRefusal, ImportRun
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
GUARDED = [address for address in every_address() if not address.public_because]
BY_LINK = ("public:questionnaire", "public:visit_", "offer:", "hooks:")
"""Forms whose key is in their own address, or in the signature of who calls; no cookie is read for them."""
PUBLIC_EXAMPLES = {"token": UUID(int=7), "uid": UUID(int=7), "key": "x-y", "uidb36": "1", "measure": "phq9", "item": 1}
"""What to fill into addresses that ask for no capability."""
QUARTER = {"since": "2027-01-01", "until": "2027-03-31"}
REPORTS = ("outcomes", "safety", "operations")
TABLES: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("patients:import_refused", (("run",),)),
    ("stock:log_csv", ((),)),
    ("reports:table_file", (("csv",), ("xlsx",), ("dictionary",))),
    ("reports:events_file", (("csv",),)),
    ("reports:file", tuple((kind, suffix) for kind in REPORTS for suffix in ("csv", "xlsx"))),
)
"""Every address that hands out a table, and what to fill in; the page of a report refuses the kinds of other roles."""
FILES_OF = {Role.FRONT_DESK: 3, Role.NURSE: 1, Role.CLINICIAN: 10, Role.MANAGER: 12}
"""So many of these does each role get, by clinic/pure/roles.py."""


@pytest.fixture(autouse=True)
def undone_with_the_rest(settings) -> Iterator[None]:
    """Sessions lie in the database alone, so that a rollback takes back what a request did to them, too.

    Nothing is logged meanwhile: a thousand refusals with their tracebacks cost more than the walk.
    """
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def peopled() -> Iterator[Peopled]:
    with time_machine.travel(NOW, tick=False):
        yield make_peopled()


def sent(client: Client, method: str, path: str, **extra: Any) -> HttpResponseBase:
    """The answer, with whatever was written undone, also to the client's cookies."""
    before = {name: morsel.value for name, morsel in client.cookies.items()}
    with transaction.atomic():
        answer = client.generic(method, path, **extra)
        transaction.set_rollback(True)
    client.cookies.clear()
    client.cookies.load(before)
    return answer


def paths(world: World, addresses: list[Address]) -> Iterator[tuple[Address, str]]:
    for address in addresses:
        if address.name == "closed":
            continue
        known = {**PUBLIC_EXAMPLES, "pk": world.clinic.location.pk}
        given = {name: known[name] for name in address.parameters} if address.public_because else address.kwargs(world)
        yield address, reverse(address.name, kwargs=given)


# --- the second factor --------------------------------------------------------------------------------------------------
def test_whoever_owes_a_second_factor_reaches_no_page_no_fragment_and_no_file(world, client) -> None:
    demand_second_factor(roles=list(Role), by=world.clinic.manager, now=NOW)
    asks: tuple[dict[str, str], ...] = ({}, {"hx-request": "true"}, {"accept": "application/json"})
    reached = []
    client.force_login(world.clinic.clinician)
    for number, (address, path) in enumerate(paths(world, GUARDED)):
        for turn, method in enumerate(("GET", "POST")):
            headers = asks[(number + turn) % len(asks)]
            answer = sent(client, method, path, headers=headers)
            to = answer.headers.get("HX-Redirect") or answer.headers.get("Location", "")
            if to != reverse("mfa_index"):
                reached.append(f"{method} {address} {headers}: {answer.status_code} {to}")
    assert reached == []
    assert number > 200


def test_with_the_second_factor_set_up_the_same_pages_open(world, client) -> None:
    demand_second_factor(roles=list(Role), by=world.clinic.manager, now=NOW)
    Authenticator.objects.create(user=world.clinic.manager, type=Authenticator.Type.TOTP, data={})
    client.force_login(world.clinic.manager)
    assert client.get(reverse("setup:staff")).status_code == 200


# --- other sites ---------------------------------------------------------------------------------------------------------
def plain_refusal(_request: HttpRequest, reason: str = "") -> HttpResponse:
    """In the place of the page about a missing key: to make that four hundred times costs more than all the rest."""
    return HttpResponse(reason, status=403)


def test_no_action_is_taken_without_the_key_of_its_form(world, settings) -> None:
    settings.CSRF_FAILURE_VIEW = f"{__name__}.plain_refusal"
    client = Client(enforce_csrf_checks=True)
    taken, people = [], (world.clinic.manager, world.clinic.clinician, world.clinic.desk, world.clinic.nurse)
    for user in people:
        client.force_login(user)
        for address, path in paths(world, every_address()):
            # Once for each address, by the first of them who may.
            if address.name.startswith(BY_LINK) or user != next((o for o in people if user_may(o, address)), None):
                continue
            answer = sent(client, "POST", path)
            if answer.status_code not in (403, 404, 405):
                taken.append(f"{user.username} {address}: {answer.status_code}")
    assert taken == []


def user_may(user: User, address: Address) -> bool:
    return not address.capabilities or any(user.can(capability) for capability in address.capabilities)


WANTED = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NEXTS = ("next", "back", "url", "to", "return", "return_to", "redirect")
LEADS_AWAY = re.compile(r"(https?:)?[/\\]{2}|https?:|javascript:|/\\")


def lacks(address: Address, answer: HttpResponseBase) -> Iterator[str]:
    """What an answer should say to the browser and does not."""
    policy = answer.headers.get("Content-Security-Policy", "")
    yield from (f"{name} is missing" for name, value in WANTED.items() if answer.headers.get(name) != value)
    if "default-src 'none'" not in policy or "unsafe" in policy:
        yield f"may load too much: {policy}"
    if "camera=()" not in answer.headers["Permissions-Policy"]:
        yield "may use what no page needs"
    if "no-store" not in answer.headers.get("Cache-Control", "") and address.name != "courses:feed":
        yield f"a browser keeps it, {answer.headers.get('Cache-Control')}"
    yield from (f"sends {name}" for name in answer.headers if name.lower().startswith("access-control-"))


def test_no_answer_lets_itself_be_framed_sniffed_loaded_elsewhere_or_kept_and_no_parameter_leads_away(
    world, client
) -> None:
    """One walk for both. Each address with one such target; with the other, too, where its view looked at it."""
    client.force_login(world.clinic.clinician)
    led, wrong, looked = [], [], 0
    for address, path in paths(world, every_address()):
        for method in ("GET", "POST"):
            for elsewhere in ("https://evil.example/", "/\\evil.example"):
                made: list[Any] = []
                query = "&".join(f"{name}={elsewhere}" for name in NEXTS)
                body = {"data": query, "content_type": "application/x-www-form-urlencoded"} if method == "POST" else {}
                with noting_names(made):
                    answer = sent(client, method, f"{path}?{query}", **body)
                wrong += [f"{method} {address} {answer.status_code}: {one}" for one in lacks(address, answer)]
                target = answer.headers.get("HX-Redirect") or answer.headers.get("Location") or ""
                if LEADS_AWAY.match(target.strip()):
                    led.append(f"{method} {address}: {target}")
                if not any(names_asked(request) & set(NEXTS) for request in made):
                    break
                looked += 1
    assert (led, wrong) == ([], [])
    assert looked > 10


def names_asked(request: Any) -> set[str]:
    """The parameters that were looked at, of the address and of the form."""
    noted = (getattr(request, name, None) for name in ("_get_noted", "_post_noted"))
    return set().union(*(getattr(one, "asked", set()) for one in noted))


def test_an_unknown_host_is_refused_at_every_door(world, client) -> None:
    for path in ("/", "/accounts/login/", "/accounts/password/reset/", "/request/", "/setup/"):
        assert client.get(path, headers={"host": "evil.example"}).status_code == 400


# --- files ---------------------------------------------------------------------------------------------------------------
def cells(answer: HttpResponseBase) -> Iterator[str]:
    body = b"".join(answer) if answer.streaming else answer.content  # type: ignore[attr-defined]
    kind = answer.headers["Content-Type"]
    if "csv" in kind:
        for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")):
            yield from row
    elif "sheet" in kind:
        for sheet in load_workbook(io.BytesIO(body)):
            for row in sheet.iter_rows():
                for cell in row:
                    assert cell.data_type != "f"
                    if isinstance(cell.value, str):
                        yield cell.value


def test_every_address_that_hands_out_a_table_is_among_those_that_are_read() -> None:
    tables = {
        address.name
        for address in every_address()
        if "suffix" in address.parameters or address.route.endswith((".csv", ".xlsx"))
    }
    assert tables == {name for name, _ in TABLES}


@pytest.mark.parametrize("role", list(Role))
def test_no_cell_of_any_file_is_run_by_a_spreadsheet(peopled, client, role) -> None:
    for number in range(LEAST + 1):  # enough for the de-identified files
        put_result(peopled.booked.clinic, make_patient(ODD_NAMES[number % 6], ODD_NAMES[0], sex="female"))
    run = odd_import(peopled.users[role])  # whoever reaches some locations sees only their own
    user, found, run_by_it = peopled.users[role], set(), []
    client.force_login(user)
    may = {address.name: user_may(user, address) for address in every_address()}
    for name, arguments in TABLES:
        for each in arguments:
            answer = client.get(reverse(name, args=[run.pk if one == "run" else one for one in each]), QUARTER)
            if answer.status_code == 403:
                continue
            assert may[name], name
            assert answer.status_code == 200, (name, each)
            assert not re.search(r"[\r\n/\\]", answer.headers["Content-Disposition"])
            found.add((name, *each))
            run_by_it += [
                f"{name} {each}: {cell}"
                for cell in cells(answer)
                if cell.startswith(FORMULA_SIGNS) and not re.fullmatch(r"-?\d+(\.\d+)?%?", cell)
            ]
    assert run_by_it == []
    assert {name for name, *_ in found} == {name for name, _ in TABLES if may[name]}
    assert len(found) == FILES_OF[role]


def odd_import(by: User) -> ImportRun:
    """An import with a refused row, whose file, column and value would all be run."""
    run = ImportRun.objects.create(source="csv", state="checked", file_name="=1+1.csv", by=by, created_at=NOW)
    for number, text in enumerate(ODD_NAMES):
        ImportRefusal.objects.create(run=run, row=number + 2, column=text, value=text, reason=text)
    return run


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_patient_with_such_a_name_is_shown_as_text(peopled, client, name) -> None:
    client.force_login(peopled.users[Role.CLINICIAN])
    page = client.get(reverse("patients:list"), {"q": "hyperlink"} if "HYPER" in name else {})
    assert page.status_code == 200
    assert b"<script>" not in page.content


def test_no_address_serves_what_was_uploaded(client) -> None:
    assert str(configured.MEDIA_ROOT).startswith(str(configured.VAR_DIR))
    assert not str(configured.MEDIA_ROOT).startswith(str(configured.STATIC_ROOT))
    assert [str(a) for a in every_address() if a.route.startswith(configured.MEDIA_URL.strip("/"))] == []
    assert client.get(f"{configured.MEDIA_URL}imports/x.csv").status_code == 404
