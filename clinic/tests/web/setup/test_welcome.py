"""The first steps of a new clinic: where a manager is led, what each step says, and that nothing else writes."""

from __future__ import annotations

from datetime import time

import pytest
from django.test import Client
from django.utils import timezone

from clinic.models import Location
from clinic.pure.roles import Role
from clinic.pure.week import Stretch
from clinic.services.hours import set_opening_hours
from clinic.services.places import StationData, add_station
from clinic.services.welcome import first_steps
from clinic.tests.factories import make_clinic, make_user
from courses.models import ProtocolVersion, VersionStatus
from courses.planning.templates import TEMPLATES
from courses.services.protocols import publish

pytestmark = pytest.mark.django_db

WELCOME = "/setup/welcome/"
PASSWORD = "four quiet chairs"
PLACE = {
    "name": "Harbor",
    "short_name": "HB",
    "time_zone": "America/New_York",
    "holiday_country": "US",
    "start_step_min": "15",
    "is_active": "on",
}


@pytest.fixture
def boss(client: Client) -> Client:
    """The first manager of an empty installation, signed in."""
    person = make_user(Role.MANAGER, username="first")
    person.set_password(PASSWORD)
    person.save()
    client.force_login(person)
    return client


def sign_in(client: Client, name: str, *, to: str = "") -> str:
    """Where the sign-in leads."""
    data = {"login": name, "password": PASSWORD} | ({"next": to} if to else {})
    answer = client.post("/accounts/login/", data)
    assert answer.status_code == 302
    return str(answer["Location"])


def states() -> dict[str, bool]:
    return {step.key: step.is_done for step in first_steps(now=timezone.now()).steps}


# --- who is led there -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("to", ["", "/"])
def test_the_first_manager_is_led_to_the_first_steps(boss: Client, to: str) -> None:
    boss.logout()
    assert sign_in(boss, "first", to=to) == WELCOME
    assert "First steps" in boss.get(WELCOME).content.decode()


def test_whoever_came_for_another_page_gets_that(boss: Client) -> None:
    boss.logout()
    assert sign_in(boss, "first", to="/setup/me/") == "/setup/me/"


def test_others_are_led_to_today_and_may_not_see_the_steps(client: Client) -> None:
    nurse = make_user(Role.NURSE, username="nora")
    nurse.set_password(PASSWORD)
    nurse.save()
    assert sign_in(client, "nora") == "/"
    assert client.get(WELCOME).status_code == 403
    assert client.get(f"{WELCOME}location/").status_code == 403


def test_once_visits_can_be_booked_nobody_is_led_there_any_more(client: Client) -> None:
    clinic = make_clinic()
    boss = clinic.users[Role.MANAGER]
    boss.set_password(PASSWORD)
    boss.save()
    assert sign_in(client, boss.username) == WELCOME  # no protocol yet
    client.post("/protocols/shipped/", {"protocol": TEMPLATES[0].id})
    client.logout()
    assert sign_in(client, boss.username) == "/"
    assert WELCOME in client.get("/setup/").content.decode()


# --- the steps --------------------------------------------------------------------------------------------------------
def test_an_empty_installation_has_everything_open_and_only_the_first_steps_can_be_opened(boss: Client) -> None:
    assert not any(states().values())
    assert boss.get(f"{WELCOME}location/")["Location"] == "/setup/locations/add/"
    assert boss.get(f"{WELCOME}hours/").status_code == 404
    assert boss.get(f"{WELCOME}nothing/").status_code == 404


def test_each_step_is_done_by_what_the_set_up_pages_save(boss: Client) -> None:
    boss.post("/setup/locations/add/", PLACE)
    place = Location.objects.get()
    assert [key for key, is_done in states().items() if is_done] == ["location"]
    by, now = make_user(Role.MANAGER), timezone.now()
    set_opening_hours(location=place, week={0: (Stretch(time(8), time(17)),)}, by=by, now=now)
    assert states()["hours"]
    for kind in ("chair", "room"):
        assert not states()["chairs"]
        add_station(location=place, data=StationData(kind=kind, name=kind.capitalize()), by=by, now=now)
    assert states()["chairs"]
    make_user(Role.NURSE)
    assert not states()["people"], "without a clinician nobody can decide anything"
    make_user(Role.CLINICIAN)
    assert states()["people"]
    assert not states()["protocols"]


def test_the_bar_leads_from_one_page_to_the_next_and_goes_away(boss: Client) -> None:
    boss.post("/setup/locations/add/", PLACE)
    place = Location.objects.get()
    answer = boss.get(f"{WELCOME}location/", follow=True)
    assert "Step 1 of 8" in answer.content.decode()
    answer = boss.get(f"{WELCOME}next/")
    assert answer["Location"] == f"/setup/locations/{place.pk}/hours/"
    assert "Step 2 of 8" in boss.get("/setup/staff/").content.decode(), "it stays while one looks around"
    assert boss.post(f"{WELCOME}later/")["Location"] == "/setup/"
    assert "Step 2 of 8" not in boss.get("/setup/staff/").content.decode()
    assert "1 of 8 done" in boss.get(WELCOME).content.decode(), "and is taken up where it was left"


def test_a_manager_chooses_protocols_and_a_clinician_publishes_them(boss: Client, client: Client) -> None:
    one = TEMPLATES[0]
    boss.post("/protocols/shipped/", {"protocol": one.id})
    draft = ProtocolVersion.objects.get()
    assert (draft.protocol.slug, draft.status) == (one.id, VersionStatus.DRAFT)
    assert "Waits for a clinician" in boss.get(WELCOME).content.decode()
    assert boss.post(f"/protocols/{draft.pk}/publish/").status_code == 403
    publish(draft.pk, by=make_user(Role.CLINICIAN), now=timezone.now())
    assert "Waits for a clinician" not in boss.get(WELCOME).content.decode()


def test_choosing_twice_makes_one_and_choosing_nothing_is_refused(boss: Client) -> None:
    one = TEMPLATES[0]
    boss.post("/protocols/shipped/", {"protocol": one.id})
    assert boss.post("/protocols/shipped/", {"protocol": one.id}).status_code == 422
    assert boss.post("/protocols/shipped/", {}).status_code == 422
    assert boss.post("/protocols/shipped/", {"protocol": "no-such"}).status_code == 422
    assert ProtocolVersion.objects.count() == 1
    boss.force_login(make_user(Role.NURSE))
    assert boss.get("/protocols/shipped/").status_code == 403
