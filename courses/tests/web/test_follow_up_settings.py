"""Set-up of follow-up: every field a clinic setting, nobody overwrites unseen."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.ledger import Queries
from courses.forms.follow_up_settings import LIMITS, RULE_LIMITS
from courses.models import FollowUpSettings
from courses.services.follow_up_settings import SETTINGS
from courses.tests.web.test_day_settings import typed as typed_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(clinic: Clinic) -> str:
    return reverse("courses:follow_up_settings_of", args=[clinic.location.pk])


def typed(text: str, **changed: str) -> dict[str, str]:
    """What the form holds as the page shows it."""
    return typed_fields(text, **({"is_on": "on"} | changed))


def test_each_field_is_there_marked_with_its_shipped_value(clinic: Clinic, queries: Queries) -> None:
    make_location(name="Uptown")
    client = client_of(clinic.manager)
    with queries("follow-up settings"):
        text = client.get(url(clinic)).content.decode()
    assert text.count("setting-mark") == len(SETTINGS) == 17
    for name in SETTINGS:
        assert f'name="{name}"' in text, name
    for said in ("Shipped: 83 days.", "Shipped: 10 points.", "Uptown"):
        assert said in text, said


def test_what_is_called_shipped_is_what_a_location_without_settings_goes_by() -> None:
    row = FollowUpSettings()
    for name, limit in (RULE_LIMITS | LIMITS).items():
        assert getattr(row, name) == limit.default, name


def test_a_save_stands_and_an_empty_rule_is_not_asked(clinic: Clinic) -> None:
    client = client_of(clinic.clinician)
    page = client.get(url(clinic)).content.decode()
    answer = client.post(url(clinic), typed(page, score_from="", weekly_weeks="6"), follow=True)
    assert "follows its courses by these settings now" in answer.content.decode()
    found = FollowUpSettings.objects.get()
    assert (found.location, found.score_from, found.weekly_weeks, found.is_on) == (clinic.location, None, 6, True)


def test_what_is_wrong_stands_at_its_field_and_nothing_is_saved(clinic: Clinic) -> None:
    client = client_of(clinic.manager)
    page = client.get(url(clinic)).content.decode()
    answer = client.post(url(clinic), typed(page, gain_lost_percent="120", readings="0"))
    assert answer.status_code == 422
    assert "less than or equal to 100" in answer.content.decode()
    assert not FollowUpSettings.objects.exists()


def test_somebody_elses_save_is_shown_beside_ones_own(clinic: Clinic) -> None:
    manager, clinician = client_of(clinic.manager), client_of(clinic.clinician)
    page = manager.get(url(clinic)).content.decode()
    clinician.post(url(clinic), typed(page, score_from="12"))
    answer = manager.post(url(clinic), typed(page, score_from=""))
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "saved <strong>12</strong>, yours <strong>not asked</strong>" in text
    assert FollowUpSettings.objects.get().score_from == 12
    assert manager.post(url(clinic), typed(text, score_from="")).status_code == 302
    assert FollowUpSettings.objects.get().score_from is None


def test_the_short_address_leads_to_ones_own_location(clinic: Clinic) -> None:
    answer = client_of(clinic.manager).get(reverse("courses:follow_up_settings"))
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
