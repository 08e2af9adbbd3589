"""/healthz, /readyz and /metrics: what they say, to whom, and what they need for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from clinic.models import Release
from clinic.pure.version import VERSION
from clinic.services import release
from clinic.services.operation import queue_names
from clinic.tests.factories import make_clinic
from clinic.views import health

TOKEN = "a-token-that-nobody-has-to-type"


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READINESS", health.Readiness())


@pytest.fixture
def production(settings: Settings) -> None:
    """As behind a TLS proxy, asked from this machine without it."""
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["clinic.example.org"]


def words(answer: Any) -> dict[str, str]:
    return json.loads(answer.content)


def away(*_args: Any, **_kwargs: Any) -> None:
    raise OperationalError('connection to server at "db", port 5432 failed')


# --- alive ------------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("production")
def test_a_live_process_says_so_by_any_host_without_https_session_or_database(client: Client) -> None:
    answer = client.get("/healthz", headers={"host": "10.0.0.7:8000"})  # no database mark: a query would fail the test
    assert (answer.status_code, words(answer)) == (200, {"status": "alive"})
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


@pytest.mark.usefixtures("production")
def test_any_other_page_still_asks_for_its_host(client: Client) -> None:
    assert client.get("/accounts/login/", headers={"host": "10.0.0.7:8000"}).status_code == 400


def test_nothing_can_be_sent_to_a_probe(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405


# --- ready ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.usefixtures("production")
def test_with_database_and_redis_it_is_ready(client: Client) -> None:
    answer = client.get("/readyz", headers={"host": "127.0.0.1"})
    assert (answer.status_code, words(answer)) == (200, {"status": "ready", "database": "ok", "redis": "ok"})


@pytest.mark.django_db
def test_without_redis_it_serves_pages_and_says_degraded(client: Client, settings: Settings, tmp_path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    answer = client.get("/readyz")
    assert (answer.status_code, words(answer)) == (200, {"status": "degraded", "database": "ok", "redis": "away"})


@pytest.mark.django_db
def test_without_its_database_it_is_not_ready_and_says_no_more_than_that(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "is_migrated", away)
    answer = client.get("/readyz")
    assert (answer.status_code, words(answer)["database"]) == (503, "away")
    assert "5432" not in answer.content.decode()


@pytest.mark.django_db
def test_a_database_that_lacks_a_migration_is_not_served(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "_migrated", set())
    monkeypatch.setattr(release.MigrationExecutor, "migration_plan", lambda *_: [("clinic.0099", False)])
    answer = client.get("/readyz")
    assert (answer.status_code, words(answer)["database"]) == (503, "migrations pending")


@pytest.mark.django_db
def test_many_questions_at_once_cost_the_database_one(client: Client) -> None:
    release.is_migrated()
    with CaptureQueriesContext(connection) as asked:
        statuses = {client.get("/readyz").status_code for _ in range(20)}
    assert statuses == {200}
    assert [one["sql"] for one in asked] == ["SELECT 1"]


@pytest.mark.django_db
def test_every_migrate_notes_a_version_once() -> None:
    before = Release.objects.get(version=VERSION)
    release.note_release()
    assert list(Release.objects.all()) == [before]


# --- metrics ----------------------------------------------------------------------------------------------------------
def told(client: Client, token: str = TOKEN) -> dict[str, dict[str, float]]:
    """Name -> the values of its label (or "") -> the number."""
    answer = client.get("/metrics", headers={"authorization": f"Bearer {token}", "host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})["/".join(sample.labels.values())] = sample.value
    return found


@pytest.mark.django_db
def test_without_a_token_set_there_is_no_such_page(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = None
    assert client.get("/metrics", headers={"authorization": "Bearer None"}).status_code == 404


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} "[:-2]])
def test_whoever_lacks_the_token_learns_nothing(client: Client, settings: Settings, sent: str) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"authorization": sent} if sent else {})
    assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.django_db
@pytest.mark.usefixtures("production")
def test_it_tells_of_queues_tasks_messages_alerts_and_disk(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    found = told(client)
    assert found["cadence_info"] == {VERSION: 1}
    assert found["cadence_database_up"] == {"": 1}
    assert found["cadence_redis_up"] == {"": 1}
    assert set(found["cadence_queue_tasks"]) == set(queue_names())
    assert found["cadence_messages"] == {"due": 0, "held": 0, "failed_7d": 0, "to_call_7d": 0}
    assert found["cadence_danger_alerts_open"] == {"": 0}
    assert 0 < found["cadence_disk_free_bytes"][""] <= found["cadence_disk_size_bytes"][""]


@pytest.mark.django_db
def test_a_request_is_counted_by_its_route_and_never_by_its_address(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    clinic = make_clinic()
    client.get("/v/a-secret-of-a-patient/")
    client.get("/nothing/of/the/kind/")
    counted = told(client)["cadence_request_seconds_count"]
    assert {name for name in counted if name.startswith("GET/v/<str:token>/")}
    assert "GET/(no route)/404" in counted
    assert not [name for name in counted if "secret" in name or str(clinic.location) in name]


@pytest.mark.django_db
def test_a_refused_statement_is_counted_by_its_kind(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    before = told(client).get("cadence_database_errors_total", {}).get("ProgrammingError", 0)
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    assert told(client)["cadence_database_errors_total"]["ProgrammingError"] == before + 1


@pytest.mark.django_db
def test_with_the_database_away_the_rest_is_told(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr("patients.services.messages.figures._outbox", away)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction lives in it
    found = told(client)
    assert found["cadence_database_up"] == {"": 0}
    assert "cadence_messages" not in found


@pytest.mark.django_db
def test_the_metrics_cost_as_many_queries_with_much_in_the_database(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    with CaptureQueriesContext(connection) as empty:
        told(client)
    make_clinic()
    with CaptureQueriesContext(connection) as full:
        told(client)
    assert len(full) == len(empty) <= 8
