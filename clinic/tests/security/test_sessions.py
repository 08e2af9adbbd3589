"""Sessions end: at a fixed time after sign-in, when somebody ends them, when a password or a person changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import reverse

from clinic.edge.handover import HOME_KEY
from clinic.edge.sessions import SIGNED_IN_KEY
from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from clinic.views import account

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "correct-horse-battery", "wrong-donkey-charger"
MORNING = datetime(2027, 1, 4, 15, tzinfo=UTC)


@pytest.fixture
def clinic() -> Clinic:
    made = make_clinic()
    for person in made.users.values():
        person.set_password(PASSWORD)
        person.save()
    return made


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MORNING, tick=False) as moving:
        yield moving


def sign_in(person: User) -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get(reverse("setup:me")).status_code == 200


def work_for(client: Client, clock: time_machine.Traveller, minutes: int) -> None:
    """Something happens every ten minutes, so that the idle limit is never met."""
    until = MORNING + timedelta(minutes=minutes)
    now = MORNING
    while now + timedelta(minutes=10) < until:
        now += timedelta(minutes=10)
        clock.move_to(now)
        client.post(reverse("setup:alive"))
    clock.move_to(until)


# --- the longest time ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("hours", [1, 12])
def test_a_session_in_use_ends_at_its_last_minute_and_not_before(clinic, clock, settings, hours) -> None:
    settings.CADENCE_SESSION_HOURS = hours
    client = sign_in(clinic.nurse)
    work_for(client, clock, hours * 60 - 1)
    assert is_in(client)
    clock.move_to(MORNING + timedelta(hours=hours))
    answer = client.get(f"{reverse('setup:me')}?tab=1")
    assert answer.headers["Location"] == "/accounts/login/?next=%2Fsetup%2Fme%2F%3Ftab%3D1&long=1"
    assert "as long as one sign-in lasts" in client.get(answer.headers["Location"]).content.decode()
    assert not is_in(client)


def test_choosing_a_location_saves_the_session_and_does_not_make_it_longer(clinic, clock, settings) -> None:
    settings.CADENCE_SESSION_HOURS = 1
    client = sign_in(clinic.nurse)
    for minutes in (10, 20, 30, 40, 50):
        clock.move_to(MORNING + timedelta(minutes=minutes))
        assert client.post(reverse("setup:choose_location", args=[clinic.location.pk])).status_code == 302
    clock.move_to(MORNING + timedelta(minutes=60))
    assert not is_in(client)


def test_an_action_after_the_end_is_not_carried_out(clinic, clock, settings) -> None:
    settings.CADENCE_SESSION_HOURS = 1
    client = sign_in(clinic.manager)
    work_for(client, clock, 60)
    answer = client.post(reverse("setup:deactivate", args=[clinic.nurse.pk]))
    assert answer.headers["Location"].startswith("/accounts/login/")
    clinic.nurse.refresh_from_db()
    assert clinic.nurse.is_active


def test_a_session_that_does_not_say_when_it_began_is_over(clinic) -> None:
    client = Client()
    client.force_login(clinic.nurse)
    assert is_in(client)
    session = client.session
    del session[SIGNED_IN_KEY]
    session.save()
    assert not is_in(client)


def test_a_tablet_that_is_with_a_patient_is_signed_out_and_its_link_goes_on(clinic, clock, settings) -> None:
    settings.CADENCE_SESSION_HOURS = 1
    client = sign_in(clinic.nurse)
    session = client.session
    session[HOME_KEY] = "/q/nobody/"
    session.save()
    clock.move_to(MORNING + timedelta(minutes=60))
    assert client.get("/q/nobody/").status_code == 404  # the page of the link answers, not the sign-in page
    assert client.get("/").headers["Location"].startswith("/accounts/login/")


# --- ended by somebody --------------------------------------------------------------------------------------------------
def test_a_person_sees_their_own_sessions_and_ends_the_others(clinic) -> None:
    here, there, colleague = sign_in(clinic.nurse), sign_in(clinic.nurse), sign_in(clinic.desk)
    page = here.get(reverse("usersessions_list"))
    assert len(page.context["sessions"]) == 2
    here.post(reverse("usersessions_list"))
    assert (is_in(here), is_in(there), is_in(colleague)) == (True, False, True)


def test_a_manager_sees_where_somebody_is_signed_in_and_ends_it(clinic) -> None:
    manager, here, there, colleague = map(sign_in, (clinic.manager, clinic.nurse, clinic.nurse, clinic.desk))
    page = manager.get(reverse("setup:person", args=[clinic.nurse.pk])).content.decode()
    assert page.count("data-session") == 2
    answer = manager.post(reverse("setup:end_sessions", args=[clinic.nurse.pk]))
    assert answer.status_code == 302
    assert [is_in(one) for one in (manager, here, there, colleague)] == [True, False, False, True]
    assert "is not signed in" in manager.get(reverse("setup:person", args=[clinic.nurse.pk])).content.decode()


def test_a_manager_who_ends_their_own_sessions_keeps_this_one(clinic) -> None:
    here, there = sign_in(clinic.manager), sign_in(clinic.manager)
    here.post(reverse("setup:end_sessions", args=[clinic.manager.pk]))
    assert (is_in(here), is_in(there)) == (True, False)


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN])
def test_nobody_else_ends_the_sessions_of_a_colleague(clinic, role) -> None:
    colleague = sign_in(clinic.manager)
    answer = sign_in(clinic.users[role]).post(reverse("setup:end_sessions", args=[clinic.manager.pk]))
    assert (answer.status_code, is_in(colleague)) == (403, True)


def test_a_session_that_ends_while_a_request_is_on_its_way_leads_to_sign_in(clinic, monkeypatch) -> None:
    here = sign_in(clinic.nurse)
    back = {"HTTP_REFERER": "http://testserver/setup/me/"}

    def ended_meanwhile(*_: object) -> str:
        for one in UserSession.objects.filter(user=clinic.nurse):
            one.end()
        return "/"

    monkeypatch.setattr(account, "own_page", ended_meanwhile)
    answer = here.post(reverse("setup:choose_location", args=[clinic.location.pk]), **back)
    assert answer.headers["Location"] == "/accounts/login/?next=%2Fsetup%2Fme%2F&out=1"
    assert not is_in(here)
    here = sign_in(clinic.nurse)
    piece = here.post(reverse("setup:choose_location", args=[clinic.location.pk]), headers={"hx-request": "true"})
    assert piece.headers["HX-Redirect"] == "/accounts/login/?next=%2F&out=1"


# --- ended by what changes ----------------------------------------------------------------------------------------------
def test_a_new_password_ends_every_other_session(clinic) -> None:
    here, there = sign_in(clinic.nurse), sign_in(clinic.nurse)
    typed = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post(reverse("account_change_password"), typed).status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)


def test_a_password_by_link_ends_every_session_and_the_link_works_once(clinic) -> None:
    manager, here = sign_in(clinic.manager), sign_in(clinic.nurse)
    manager.post(reverse("setup:invite", args=[clinic.nurse.pk]))
    link = manager.get(reverse("setup:person", args=[clinic.nurse.pk])).context["invitation"]
    stranger = Client()
    form = stranger.get(link, follow=True)
    answer = stranger.post(form.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert answer.status_code == 302
    assert not is_in(here)
    assert "password1" not in Client().get(link, follow=True).content.decode()


def test_a_person_who_is_switched_off_is_out_at_once(clinic) -> None:
    manager, here = sign_in(clinic.manager), sign_in(clinic.nurse)
    manager.post(reverse("setup:deactivate", args=[clinic.nurse.pk]))
    assert not is_in(here)
    assert not UserSession.objects.filter(user=clinic.nurse).exists()
    refused = Client().post("/accounts/login/", {"login": "nurse", "password": PASSWORD})
    assert refused.headers.get("Location") != "/"


def test_signing_in_gives_the_session_another_key(clinic) -> None:
    client = Client()
    planted = SessionStore()
    planted.create()
    client.cookies["cadence_session"] = planted.session_key
    client.post("/accounts/login/", {"login": "nurse", "password": PASSWORD})
    assert client.cookies["cadence_session"].value != planted.session_key
    assert not SessionStore(planted.session_key).exists(planted.session_key)


def put_factor(person: User) -> None:
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={})


def test_a_manager_takes_off_a_lost_second_factor_and_the_person_is_signed_out(clinic) -> None:
    manager, here = sign_in(clinic.manager), sign_in(clinic.nurse)
    put_factor(clinic.nurse)
    assert manager.post(reverse("setup:forget_second_factor", args=[clinic.nurse.pk])).status_code == 302
    assert not Authenticator.objects.filter(user=clinic.nurse).exists()
    assert not is_in(here)


def test_nobody_takes_off_their_own_second_factor_without_their_password(clinic) -> None:
    manager = sign_in(clinic.manager)
    put_factor(clinic.manager)
    manager.post(reverse("setup:forget_second_factor", args=[clinic.manager.pk]))
    assert Authenticator.objects.filter(user=clinic.manager).count() == 1
    manager_as_nurse = sign_in(clinic.nurse).post(reverse("setup:forget_second_factor", args=[clinic.manager.pk]))
    assert manager_as_nurse.status_code == 403
