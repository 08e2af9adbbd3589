"""The page of operation, and the page of caught messages: who sees what, Redis away, production."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from clinic.adapters.catcher import EmailBackend, catch
from clinic.models import Beat, CaughtMail, TaskFailure
from clinic.pure.roles import Role
from clinic.tests.setup_kit import NOW
from clinic.views import operation as view

pytestmark = pytest.mark.django_db

CATCHER = "clinic.adapters.catcher.EmailBackend"
OPERATION, CAUGHT = "/setup/operation/", "/setup/caught/"


@pytest.fixture(autouse=True)
def _catches(settings: Settings) -> None:
    settings.EMAIL_BACKEND = CATCHER


def text_of(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def as_role(client: Client, clinic, role: Role) -> Client:
    client.force_login(clinic.users[role])
    return client


# --- operation --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN])
def test_only_a_manager_sees_how_it_runs(client: Client, clinic, role: Role) -> None:
    assert as_role(client, clinic, role).get(OPERATION).status_code == 403
    assert as_role(client, clinic, Role.MANAGER).get(OPERATION).status_code == 200


def test_the_page_shows_what_ran_and_what_failed_and_asks_again_by_itself(manager: Client) -> None:
    Beat.objects.create(name="patients.tasks.alerts.escalate", at=NOW - timedelta(minutes=1), took_ms=42)
    TaskFailure.objects.create(task="a.task", task_id="t", error="KeyError in x.py, line 3 <b>", at=NOW)
    page = text_of(manager, OPERATION)
    assert "42 ms" in page
    assert "KeyError in x.py, line 3 &lt;b&gt;" in page
    assert f'hx-get="{OPERATION}"' in page
    assert "X-Cadence-Background" in page


def test_what_the_page_asks_for_is_the_part_alone(manager: Client) -> None:
    part = text_of(manager, OPERATION, **{"HX-Request": "true"})
    assert part.lstrip().startswith('<div id="operation"')
    assert "<html" not in part


def test_without_redis_the_page_says_so(manager: Client, settings: Settings, tmp_path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    page = text_of(manager, OPERATION)
    assert "Redis does not answer" in page
    assert "Not known" in page


def test_a_page_right_after_the_start_waits_for_the_first_signs(
    manager: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"global_keyprefix": "none:"}
    monkeypatch.setattr(view, "STARTED_AT", timezone.now() - timedelta(minutes=1))
    page = text_of(manager, OPERATION)
    assert "Waiting for the first sign of the scheduler" in page
    assert "The scheduler is not running" not in page
    monkeypatch.setattr(view, "STARTED_AT", timezone.now() - timedelta(minutes=3))
    assert "The scheduler is not running" in text_of(manager, OPERATION)


def test_the_page_costs_the_same_with_many_rows(manager: Client, queries) -> None:
    def more(count: int) -> None:
        for number in range(count):
            TaskFailure.objects.create(task=f"a.task.{number}", task_id="t", error="KeyError", at=NOW)

    more(2)
    with queries("setup operation: 2 failures"):
        manager.get(OPERATION)
    more(18)
    with queries("setup operation: 20 failures"):
        response = manager.get(OPERATION)
    assert response.status_code == 200


def test_set_up_leads_there(manager: Client) -> None:
    page = text_of(manager, reverse("setup:index"))
    assert f'href="{OPERATION}"' in page
    assert f'href="{CAUGHT}"' in page


# --- caught messages --------------------------------------------------------------------------------------------------
def test_newest_first_as_text_with_links_that_work(manager: Client) -> None:
    catch(channel="sms", to="+12125550123", text="See https://cadence.example.org/v/abc/ or call.", now=NOW)
    catch(
        channel="email",
        to="ada@example.org",
        subject="Your <script>visit</script>",
        text="One\n\nTwo",
        now=NOW + timedelta(minutes=1),
    )
    page = text_of(manager, CAUGHT)
    assert page.index("Your &lt;script&gt;visit&lt;/script&gt;") < page.index("+12125550123")
    assert 'href="https://cadence.example.org/v/abc/"' in page
    assert "<p>One</p>" in page
    assert "<script>visit" not in page


def test_it_says_honestly_that_nothing_left_the_machine(manager: Client, settings: Settings) -> None:
    assert "Nothing left this machine." in text_of(manager, CAUGHT)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    page = text_of(manager, CAUGHT)
    assert "Nothing left this machine." not in page
    assert "sent for real" in page


def test_only_those_to_an_address(manager: Client) -> None:
    for to in ("ada@example.org", "ben@example.org"):
        catch(channel="email", to=to, subject=f"For {to}", text="Hello", now=NOW)
    page = text_of(manager, f"{CAUGHT}?to=ADA@")
    assert "For ada@example.org" in page
    assert "For ben@example.org" not in page
    assert "Nothing went there" in text_of(manager, f"{CAUGHT}?to=%25")
    assert manager.get(f"{CAUGHT}?to=%00{'x' * 9000}&page=x&sort=y").status_code == 200


@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_messages_to_patients_and_only_managers_those_to_staff(
    client: Client, clinic, role: Role
) -> None:
    clinic.manager.email = "Boss@example.org"
    clinic.manager.save()
    catch(channel="email", to="ada@example.org", subject="Your visit", text="Hello", now=NOW)
    catch(channel="email", to="boss@example.org", subject="Set your password", text="a link", now=NOW)
    page = text_of(as_role(client, clinic, role), CAUGHT)
    assert "Your visit" in page
    assert ("Set your password" in page) is (role is Role.MANAGER)


def test_in_production_there_is_no_such_page_and_no_way_to_it(manager: Client, settings: Settings) -> None:
    settings.PRODUCTION = True
    assert manager.get(CAUGHT).status_code == 404
    for page in (OPERATION, reverse("setup:index")):
        assert CAUGHT not in text_of(manager, page)


def test_the_page_of_caught_messages_costs_the_same_with_many(manager: Client, queries) -> None:
    for number in range(2):
        catch(channel="email", to=f"{number}@example.org", text="Hello", now=NOW)
    with queries("setup caught: 2 messages"):
        manager.get(CAUGHT)
    for number in range(18):
        catch(channel="email", to=f"{number}@example.org", text="Hello", now=NOW)
    with queries("setup caught: 20 messages"):
        response = manager.get(CAUGHT)
    assert response.status_code == 200


# --- the backend that catches -----------------------------------------------------------------------------------------
def test_each_recipient_has_a_copy_and_what_is_too_long_is_cut() -> None:
    message = EmailMultiAlternatives(
        "S" * 300, "Plain 🙂\x00 \ud83d", to=["Ada <ada@example.org>"], cc=["ben@example.org"]
    )
    message.attach_alternative("<p>Rich</p>", "text/html")
    assert EmailBackend().send_messages([message, EmailMessage("To nobody", "Hello")]) == 1
    rows = CaughtMail.objects.order_by("id").values_list("to", "text", "html")
    assert list(rows) == [(to, "Plain 🙂 ?", "<p>Rich</p>") for to in ("ada@example.org", "ben@example.org")]
    assert len(CaughtMail.objects.first().subject) == 200


def test_five_megabytes_are_kept_and_shown_in_part(manager: Client) -> None:
    catch(channel="email", to="ada@example.org", subject="Long", text="Wort " * 1_000_000, now=NOW)
    assert len(CaughtMail.objects.get().text) == 5_000_000
    assert len(text_of(manager, CAUGHT)) < 100_000
