"""Signing in, staying signed in, and being sent away."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.edge.sessions import BACKGROUND_HEADER
from clinic.models import User
from clinic.pure.roles import Role
from clinic.services.staff import demand_second_factor
from clinic.tests.factories import make_location, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
LOGIN = "/accounts/login/"


@pytest.fixture
def nurse() -> User:
    make_location()
    person = make_user(Role.NURSE, email="ines@example.org")
    person.set_password(PASSWORD)
    person.save()
    return person


def sign_in(client: Client, login: str, password: str = PASSWORD):
    return client.post(LOGIN, {"login": login, "password": password})


def text_of(answer) -> str:
    return answer.content.decode()


@pytest.mark.parametrize("login", ["nurse", "ines@example.org", "Ines@Example.org"])
def test_user_name_or_e_mail_and_password_lead_to_today(client, nurse, login) -> None:
    answer = sign_in(client, login)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_the_page_that_was_wanted_opens_after_sign_in_and_a_foreign_one_does_not(client, nurse) -> None:
    answer = client.post(LOGIN, {"login": "nurse", "password": PASSWORD, "next": "/setup/me/"})
    assert answer.headers["Location"] == "/setup/me/"
    answer = Client().post(LOGIN, {"login": "nurse", "password": PASSWORD, "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_and_an_unknown_name_say_the_same(client, nurse) -> None:
    words = "do not belong together"
    assert words in text_of(sign_in(client, "nurse", "wrong"))
    assert words in text_of(sign_in(client, "nobody", "wrong"))


def test_after_five_wrong_passwords_sign_in_is_locked_with_a_clear_sentence_and_opens_again(client, nurse) -> None:
    with time_machine.travel(datetime(2027, 1, 4, 15, tzinfo=UTC), tick=False) as clock:
        for _ in range(5):
            sign_in(client, "nurse", "wrong")
        locked = sign_in(client, "nurse")
        assert "locked for 15 minutes" in text_of(locked)
        assert not client.session.get("_auth_user_id")
        clock.shift(15 * 60 + 1)
        assert sign_in(client, "nurse").status_code == 302


def test_somebody_who_is_switched_off_does_not_get_in(client, nurse) -> None:
    User.objects.update(is_active=False)
    answer = sign_in(client, "nurse")
    assert answer.status_code != 302 or "inactive" in answer.headers["Location"]
    assert client.get("/setup/me/").status_code == 302


@pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/email/", "/accounts/confirm-email/"])
def test_nobody_signs_up(client, path) -> None:
    assert client.get(path).status_code == 404
    assert client.post(path, {"username": "x", "email": "x@example.org", "password1": PASSWORD}).status_code == 404
    assert User.objects.count() == 0


def test_no_page_of_the_door_mentions_signing_up(client) -> None:
    for path in (LOGIN, "/accounts/password/reset/", "/accounts/password/reset/done/"):
        assert "sign up" not in text_of(client.get(path)).lower()
        assert "signup" not in text_of(client.get(path)).lower()


def test_a_forgotten_password_is_chosen_anew_by_the_link_in_the_mail(client, nurse) -> None:
    client.post("/accounts/password/reset/", {"email": "ines@example.org"})
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    form = client.get(link, follow=True)
    new = "another-horse-battery"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert sign_in(Client(), "nurse").status_code == 200
    assert sign_in(Client(), "nurse", new).status_code == 302
    assert "no longer works" in text_of(Client().get(link, follow=True))


def test_an_address_that_belongs_to_nobody_gets_no_mail_and_the_same_answer(client, nurse) -> None:
    answer = client.post("/accounts/password/reset/", {"email": "stranger@example.org"})
    assert (answer.status_code, mail.outbox) == (302, [])


# --- idle ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    with time_machine.travel(datetime(2027, 1, 4, 15, tzinfo=UTC), tick=False) as moving:
        yield moving


def minutes(count: float) -> float:
    return count * 60


def test_a_quiet_session_ends_and_the_person_comes_back_to_the_same_page(client, nurse, clock) -> None:
    client.force_login(nurse)
    clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) + 1)
    answer = client.get("/setup/me/?tab=1")
    assert answer.headers["Location"] == f"{LOGIN}?next=%2Fsetup%2Fme%2F%3Ftab%3D1&idle=1"
    assert "nothing happened for a while" in text_of(client.get(answer.headers["Location"]))
    assert client.get("/setup/me/").status_code == 302


def test_every_page_that_a_person_opens_keeps_the_session(client, nurse, clock) -> None:
    client.force_login(nurse)
    for _ in range(4):
        clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) - 30)
        assert client.get("/setup/me/").status_code == 200


@pytest.mark.parametrize("ask", [{"headers": {BACKGROUND_HEADER: "1"}}, {"data": {"background": "1"}}])
def test_a_page_that_refreshes_itself_does_not_keep_the_session(client, nurse, clock, ask) -> None:
    client.force_login(nurse)
    clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) - 60)
    assert client.get("/setup/me/", **ask).status_code == 200
    clock.shift(120)
    assert client.get("/setup/me/", **ask).status_code == 302


def test_the_sign_of_life_keeps_the_session(client, nurse, clock) -> None:
    client.force_login(nurse)
    clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) - 60)
    assert client.post(reverse("setup:alive")).status_code == 204
    clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) - 60)
    assert client.get("/setup/me/").status_code == 200


def test_htmx_is_sent_as_a_whole_to_sign_in_and_back_to_the_page_that_asked(client, nurse, clock) -> None:
    client.force_login(nurse)
    clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) + 1)
    page = "http://testserver/setup/staff/?q=a"
    answer = client.get("/setup/me/", headers={"HX-Request": "true", "HX-Current-URL": page})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (
        200,
        f"{LOGIN}?next=%2Fsetup%2Fstaff%2F%3Fq%3Da&idle=1",
    )
    assert answer.content == b""


def test_a_foreign_page_is_no_place_to_come_back_to(client, nurse, clock) -> None:
    client.force_login(nurse)
    clock.shift(minutes(settings.CADENCE_IDLE_MINUTES) + 1)
    answer = client.post("/setup/me/", headers={"Referer": "https://evil.example/x"})
    assert answer.headers["Location"] == f"{LOGIN}?next=%2F&idle=1"


def test_signed_out_in_another_tab_htmx_never_puts_the_sign_in_page_into_a_piece_of_the_page(client, nurse) -> None:
    page = "http://testserver/patients/?q=a"
    answer = client.get("/patients/quick/?q=b", headers={"HX-Request": "true", "HX-Current-URL": page})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, f"{LOGIN}?next=%2Fpatients%2F%3Fq%3Da&out=1")
    assert answer.content == b""


def test_signed_out_in_another_tab_a_form_leads_back_to_its_page_and_says_that_it_was_not_saved(client, nurse) -> None:
    answer = client.post("/visits/1/step/", headers={"Referer": "http://testserver/"})
    assert answer.headers["Location"] == f"{LOGIN}?next=%2F&out=1"
    assert "what you just did was not carried out" in text_of(client.get(answer.headers["Location"]))


def test_no_browser_keeps_a_page_of_the_clinic(client, nurse) -> None:
    client.force_login(nurse)
    for path in ("/", "/patients/", "/setup/me/"):
        assert client.get(path).headers["Cache-Control"] == "private, no-store"


def test_reading_pages_writes_no_session_row(client, nurse, queries) -> None:
    client.force_login(nurse)
    client.get("/setup/me/")
    with queries("my account"), CaptureQueriesContext(connection) as asked:
        assert client.get("/setup/me/").status_code == 200
    assert not [one["sql"] for one in asked if "django_session" in one["sql"] and not one["sql"].startswith("SELECT")]


# --- second factor ------------------------------------------------------------------------------------------------


def test_whoever_owes_a_second_factor_is_sent_to_set_one_up_before_anything_else(client, nurse) -> None:
    demand_second_factor(roles=[Role.NURSE], by=nurse, now=datetime(2027, 1, 4, tzinfo=UTC))
    client.force_login(nurse)
    for path in ("/", "/setup/me/", "/patients/", "/setup/alive/"):
        assert client.get(path).headers.get("Location") == reverse("mfa_index"), path
    assert client.get("/", headers={"HX-Request": "true"}).headers["HX-Redirect"] == reverse("mfa_index")
    page = text_of(client.get(reverse("mfa_index")))
    assert "Your role needs a second factor" in page
    assert client.get(reverse("mfa_activate_totp")).status_code in {200, 302}
    assert client.post(reverse("account_logout")).status_code == 302


def test_once_set_up_everything_opens(client, nurse) -> None:
    demand_second_factor(roles=[Role.NURSE], by=nurse, now=datetime(2027, 1, 4, tzinfo=UTC))
    Authenticator.objects.create(user=nurse, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client.force_login(nurse)
    assert client.get("/setup/me/").status_code == 200


def test_other_roles_are_left_alone(client, nurse) -> None:
    demand_second_factor(roles=[Role.MANAGER], by=nurse, now=datetime(2027, 1, 4, tzinfo=UTC))
    client.force_login(nurse)
    assert client.get("/setup/me/").status_code == 200


def test_a_second_factor_is_asked_for_at_sign_in(client, nurse) -> None:
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: PLC0415

    TOTP.activate(nurse, generate_totp_secret())
    answer = sign_in(client, "nurse")
    assert answer.headers["Location"] == reverse("mfa_authenticate")
    assert client.get("/setup/me/").status_code == 302
    assert "six-digit code" in text_of(client.get(reverse("mfa_authenticate")))


@pytest.mark.parametrize(
    "name", ["mfa_index", "mfa_activate_totp", "mfa_list_webauthn", "usersessions_list", "account_change_password"]
)
def test_the_pages_of_ones_own_account_ask_for_sign_in(client, name) -> None:
    assert client.get(reverse(name)).headers["Location"].startswith(LOGIN)


# --- one's own account --------------------------------------------------------------------------------------------


def test_a_person_changes_their_own_name_but_not_their_roles(client, nurse) -> None:
    client.force_login(nurse)
    client.post(
        "/setup/me/",
        {"first_name": "Inès", "last_name": "Moreau", "title": "RN", "roles": ["manager"], "username": "boss"},
    )
    nurse.refresh_from_db()
    assert (nurse.first_name, nurse.roles, nurse.username, nurse.resource.name) == (
        "Inès",
        ["nurse"],
        "nurse",
        "Inès Moreau, RN",
    )


def test_a_name_that_is_too_long_is_refused_at_its_field(client, nurse) -> None:
    client.force_login(nurse)
    answer = client.post("/setup/me/", {"first_name": "x" * 10_000, "last_name": "Moreau"})
    assert answer.status_code == 422
    assert "at most 150 characters" in text_of(answer)


def test_the_location_is_chosen_and_leads_back_only_into_the_product(client, nurse) -> None:
    uptown = make_location("Uptown")
    client.force_login(nurse)
    choose = reverse("setup:choose_location", args=[uptown.pk])
    assert client.post(choose, {"next": "/patients/?q=a"}).headers["Location"] == "/patients/?q=a"
    assert client.session["location_id"] == uptown.pk
    for foreign in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "10:00", "evil", ""):
        assert client.post(choose, {"next": foreign}).headers["Location"] == "/"
    assert client.get(choose).status_code == 405
    off = make_location("Closed", is_active=False)
    assert client.post(reverse("setup:choose_location", args=[off.pk])).status_code == 404
