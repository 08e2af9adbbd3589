"""Set-up of the infusion days: every field a clinic setting, profiles explained, nobody overwrites unseen."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.ledger import Queries
from courses.models import InfusionDaySettings

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(clinic: Clinic) -> str:
    return reverse("courses:day_settings_of", args=[clinic.location.pk])


def typed(text: str, **changed: str) -> dict[str, str]:
    """What the form holds as the page shows it."""
    values = dict(re.findall(r'<input[^>]*?name="([a-z_]+)" value="([^"]*)"', text))
    for name, body in re.findall(r'<select name="([a-z_]+)".*?>(.*?)</select>', text, re.DOTALL):
        values[name] = re.findall(r'value="([^"]*)" selected', body)[0]
    return values | changed


def test_each_field_is_marked_and_the_profiles_are_explained(clinic: Clinic, queries: Queries) -> None:
    make_location(name="Uptown")
    client = client_of(clinic.manager)
    with queries("day settings"):
        text = client.get(url(clinic)).content.decode()
    assert text.count("setting-mark") == 10
    for said in ("ASA 2017", "≥180 or ≥110 mmHg", "solids 6 h", "read in the named source", "Uptown"):
        assert said in text, said
    assert 'value="10, 50, 100"' in text


def test_a_save_stands_and_says_so(clinic: Clinic) -> None:
    client = client_of(clinic.clinician)
    page = client.get(url(clinic)).content.decode()
    answer = client.post(url(clinic), typed(page, rest_min="15", fasting_profile="asa_2017"), follow=True)
    assert "go by these settings now" in answer.content.decode()
    found = InfusionDaySettings.objects.get()
    assert (found.rest_min, found.fasting_profile, found.location) == (15, "asa_2017", clinic.location)


def test_what_is_wrong_stands_at_its_field_and_nothing_is_saved(clinic: Clinic) -> None:
    client = client_of(clinic.manager)
    page = client.get(url(clinic)).content.decode()
    answer = client.post(url(clinic), typed(page, rems_days="9", concentrations_mg_per_ml="0", limits_profile="own"))
    assert answer.status_code == 422
    assert not InfusionDaySettings.objects.exists()
    assert 'value="9"' in answer.content.decode()


def test_somebody_elses_save_is_shown_beside_ones_own(clinic: Clinic) -> None:
    manager, clinician = client_of(clinic.manager), client_of(clinic.clinician)
    page = manager.get(url(clinic)).content.decode()
    clinician.post(url(clinic), typed(page, rest_min="15"))
    answer = manager.post(url(clinic), typed(page, rest_min="12"))
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "saved <strong>15</strong>, yours <strong>12</strong>" in text
    assert InfusionDaySettings.objects.get().rest_min == 15
    assert manager.post(url(clinic), typed(text)).status_code == 302
    assert InfusionDaySettings.objects.get().rest_min == 12


def test_the_short_address_leads_to_ones_own_location(clinic: Clinic) -> None:
    answer = client_of(clinic.manager).get(reverse("courses:day_settings"))
    assert answer["Location"] == url(clinic)


def test_set_up_and_the_intake_settings_lead_there(clinic: Clinic) -> None:
    client = client_of(clinic.manager)
    for page in (reverse("setup:index"), reverse("intake:settings", args=[clinic.location.pk])):
        assert url(clinic) in client.get(page).content.decode()


def test_nurses_the_front_desk_and_strangers_do_not_get_there(clinic: Clinic) -> None:
    for user in (clinic.nurse, clinic.desk):
        assert client_of(user).get(url(clinic)).status_code == 403
        assert client_of(user).post(url(clinic)).status_code == 403
    assert Client().get(url(clinic)).status_code == 302
