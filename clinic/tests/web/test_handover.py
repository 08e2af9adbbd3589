"""A device that is with a patient shows one place and nothing else, until staff take it back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from clinic.edge.handover import BACK_KEY, HOME_KEY, hand_over, take_back
from clinic.models import User
from clinic.pure.roles import Role
from clinic.services.staff import demand_second_factor
from clinic.tests.factories import make_clinic, make_user
from clinic.tests.web.addresses import Address, World, every_address, make_world

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
HOME = "/setup/me/"  # any place will do; which one it is, this module does not care
PAGE = "/hand-over/"
SECRET = "Ruth Adeyemi wrote to Ada Okafor"


@pytest.fixture
def nurse() -> User:
    person = make_clinic().nurse
    person.set_password(PASSWORD)
    person.save()
    return person


@pytest.fixture
def tablet(client: Client, nurse: User) -> Client:
    """The nurse's browser, handed over."""
    client.force_login(nurse)
    return lock(client)


def lock(client: Client) -> Client:
    session = client.session
    session[HOME_KEY], session[BACK_KEY] = HOME, "/patients/"
    session.save()
    return client


def path_of(address: Address, world: World) -> str:
    """An address of allauth or another public one may have parameters of its own shape; its route does as well then."""
    try:
        return reverse(address.name, kwargs=address.kwargs(world))
    except (LookupError, NoReverseMatch):
        return "/" + re.sub(r"[^a-z0-9/_-]", "", address.route)


def text_of(answer) -> str:
    return answer.content.decode()


@pytest.fixture
def world() -> World:
    return make_world()


def test_every_address_of_the_product_is_locked_for_every_way_of_asking(world: World, client: Client) -> None:
    client.force_login(world.clinic.clinician)
    lock(client)
    wrong = []
    for address in every_address():
        path = path_of(address, world)
        if path.startswith((HOME, PAGE)):
            continue
        seen, sent, piece = client.get(path), client.post(path), client.get(path, headers={"HX-Request": "true"})
        if (seen.status_code, seen.headers.get("Location")) != (302, PAGE):
            wrong.append(f"GET {path}: {seen.status_code}")
        if sent.status_code != 423 or "with a patient" not in text_of(sent):
            wrong.append(f"POST {path}: {sent.status_code}")
        if piece.headers.get("HX-Redirect") != PAGE:
            wrong.append(f"htmx {path}: {piece.status_code}")
    assert wrong == []


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_locked_too(tablet: Client, method: str) -> None:
    assert getattr(tablet, method)("/patients/").status_code == 423


@pytest.mark.parametrize(
    "path", ["/nowhere/", "/setup/", "/setup/mess/", "//setup/me/", "/setup/me", "/accounts/logout/", "/accounts/2fa/"]
)
def test_addresses_beside_the_place_and_addresses_that_do_not_exist_are_locked(tablet: Client, path: str) -> None:
    assert tablet.get(path).headers.get("Location", "") in {PAGE, HOME}
    assert tablet.post(path).status_code in {423, 301}


@pytest.mark.parametrize("path", [HOME + "../../patients/", HOME + "%2e%2e/%2e%2e/patients/", HOME + "nothing/"])
def test_what_does_not_exist_below_the_place_shows_no_piece_of_the_clinic(tablet: Client, path: str) -> None:
    answer = tablet.get(path)
    assert answer.status_code == 404
    assert "rail" not in text_of(answer)
    assert "Moreau" not in text_of(answer)


def test_notices_meant_for_staff_wait_until_the_device_is_back(tablet: Client) -> None:
    storage = CookieStorage(RequestFactory().get("/"))
    tablet.cookies["messages"] = storage._encode([Message(constants.SUCCESS, SECRET)])  # type: ignore[attr-defined]
    assert SECRET not in text_of(tablet.get(HOME + "nothing/"))
    assert SECRET not in text_of(tablet.get(PAGE))
    answer = tablet.post(PAGE, {"password": PASSWORD}, follow=True)
    assert SECRET in text_of(answer)


def test_the_place_itself_and_what_lies_below_open(tablet: Client) -> None:
    assert tablet.get(HOME).status_code == 200


def test_the_password_takes_the_device_back_to_where_it_was_handed_over(tablet: Client) -> None:
    page = text_of(tablet.get(PAGE))
    assert "This device is with a patient" in page
    assert "Password of Ines Moreau" in page
    assert 'autocomplete="new-password"' in page  # or the browser would offer the patient the one it remembers
    answer = tablet.post(PAGE, {"password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/patients/")
    assert tablet.get("/patients/").status_code == 200
    assert tablet.get(PAGE).headers["Location"] == "/"


@pytest.mark.parametrize("given", ["", "wrong", "x" * 10_000, "<script>alert(1)</script>"])
def test_a_wrong_password_says_so_and_the_lock_stays(tablet: Client, given: str) -> None:
    answer = tablet.post(PAGE, {"password": given})
    assert answer.status_code == 422
    assert "not the password of Ines Moreau" in text_of(answer)
    assert "<script>alert" not in text_of(answer)
    assert tablet.get("/patients/").headers["Location"] == PAGE


def test_after_five_wrong_passwords_even_the_right_one_waits_15_minutes(tablet: Client) -> None:
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        for _ in range(5):
            tablet.post(PAGE, {"password": "wrong"})
        answer = tablet.post(PAGE, {"password": PASSWORD})
        assert (answer.status_code, "given too often" in text_of(answer)) == (422, True)
        assert tablet.get("/patients/").headers["Location"] == PAGE
        clock.shift(timedelta(minutes=15, seconds=1))
        assert tablet.post(PAGE, {"password": PASSWORD}).headers["Location"] == "/patients/"


def test_wrong_passwords_here_do_not_lock_the_persons_own_sign_in(tablet: Client) -> None:
    for _ in range(6):
        tablet.post(PAGE, {"password": "wrong"})
    answer = Client().post("/accounts/login/", {"login": "nurse", "password": PASSWORD})
    assert answer.status_code == 302


def test_somebody_else_takes_over_by_signing_out_and_in(tablet: Client) -> None:
    colleague = make_user(Role.FRONT_DESK, username="colleague")
    answer = tablet.post(PAGE, {"sign_out": "1"})
    assert answer.headers["Location"] == reverse("account_login")
    assert "_auth_user_id" not in tablet.session
    assert tablet.get("/patients/").headers["Location"].startswith("/accounts/login/")
    tablet.force_login(colleague)
    assert tablet.get("/patients/").status_code == 200


def test_a_second_tab_of_the_same_session_is_locked_too(tablet: Client) -> None:
    second = Client()
    second.cookies = tablet.cookies
    assert second.get("/patients/").headers["Location"] == PAGE


def test_the_same_person_on_another_device_works_on(tablet: Client, nurse: User) -> None:
    desk = Client()
    desk.force_login(nurse)
    assert desk.get("/patients/").status_code == 200


def test_a_patient_who_takes_long_is_not_signed_out_and_the_lock_stays(tablet: Client) -> None:
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        tablet.get(HOME)
        clock.shift(timedelta(minutes=settings.CADENCE_IDLE_MINUTES * 3))
        assert tablet.get(HOME).status_code == 200
        assert tablet.get("/patients/").headers["Location"] == PAGE
        assert tablet.post(PAGE, {"password": PASSWORD}).headers["Location"] == "/patients/"
        assert tablet.get("/patients/").status_code == 200  # and the idle clock began anew
        clock.shift(timedelta(minutes=settings.CADENCE_IDLE_MINUTES, seconds=1))
        assert tablet.get("/patients/").headers["Location"].startswith("/accounts/login/")


def test_a_second_factor_demanded_meanwhile_does_not_open_the_set_up_page(tablet: Client, nurse: User) -> None:
    demand_second_factor(roles={Role.NURSE}, by=nurse, now=datetime.now(UTC))
    assert tablet.get(HOME).status_code == 200
    assert tablet.get("/accounts/2fa/").headers["Location"] == PAGE


def test_somebody_switched_off_meanwhile_leaves_a_locked_device_that_can_only_sign_out(tablet: Client) -> None:
    User.objects.update(is_active=False)
    assert tablet.get("/patients/").headers["Location"] == PAGE
    answer = tablet.post(PAGE, {"password": PASSWORD})
    assert (answer.status_code, "You were signed out" in text_of(answer)) == (422, True)
    assert tablet.post(PAGE, {"sign_out": "1"}).status_code == 302


def test_no_page_of_a_handed_over_session_is_kept_by_the_browser(tablet: Client) -> None:
    for path in (HOME, PAGE):
        assert "no-store" in tablet.get(path).headers["Cache-Control"]


def test_where_it_leads_back_to_is_a_page_of_this_product(tablet: Client) -> None:
    session = tablet.session
    session[BACK_KEY] = "https://evil.example/"
    session.save()
    assert tablet.post(PAGE, {"password": PASSWORD}).headers["Location"] == "/"


# --- the session's key --------------------------------------------------------------------------------------------------
@pytest.fixture
def request_of(client: Client, nurse: User) -> SimpleNamespace:
    client.force_login(nurse)
    return SimpleNamespace(session=client.session)


def store(key: str):
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def test_without_a_new_key_a_request_that_began_before_takes_the_lock_off(request_of: SimpleNamespace) -> None:
    """Why the key changes: sessions are saved whole, and the last one wins."""
    before = store(request_of.session.session_key)
    before["seen"] = 1  # it has read the session and will save it
    request_of.session[HOME_KEY] = HOME
    request_of.session.save()
    before.save()
    assert HOME_KEY not in store(request_of.session.session_key)


def test_a_request_that_began_before_cannot_take_the_lock_off(request_of: SimpleNamespace) -> None:
    before = store(request_of.session.session_key)
    before["seen"] = 1
    hand_over(request_of, home=HOME, back="/")
    request_of.session.save()
    with pytest.raises(UpdateError):
        before.save()
    assert store(request_of.session.session_key)[HOME_KEY] == HOME
    assert not store(before.session_key).exists(before.session_key)


def test_the_list_of_ones_sessions_goes_on_knowing_the_device(request_of: SimpleNamespace, nurse: User) -> None:
    key = request_of.session.session_key
    UserSession.objects.create(user=nurse, session_key=key, ip="127.0.0.1", user_agent="")
    hand_over(request_of, home=HOME, back="/")
    assert UserSession.objects.get(user=nurse).session_key == request_of.session.session_key != key
    take_back(request_of)
    assert UserSession.objects.get(user=nurse).session_key == request_of.session.session_key


def test_a_place_without_a_slash_at_its_end_is_refused(request_of: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="slash"):
        hand_over(request_of, home="/q/abc", back="/")
