"""What the page "System" says about the installation: versions, disk, encryption, second factor."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from pytest_django import Settings

from clinic.adapters import broker
from clinic.models import Release, RolePolicy
from clinic.pure.version import VERSION
from clinic.services import system
from clinic.services.operation import Figures, Tone
from clinic.services.system import disk, installation, sized

NOW = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)


class Usage(NamedTuple):
    total: float
    used: float
    free: float


def value(card: Figures, label: str) -> object:
    return next(row.value for row in card.rows if row.label == label)


def titles(card: Figures) -> list[str]:
    return [advice.title for advice in card.advice]


@pytest.mark.django_db
def test_it_says_version_since_when_database_and_redis() -> None:
    Release.objects.update(at=NOW)
    card = installation(now=NOW)
    assert value(card, "Version of Cadence") == VERSION
    assert value(card, "In use since") == NOW
    assert str(value(card, "Database")).startswith("PostgreSQL ")
    assert value(card, "Its structure") == "as this version"
    assert value(card, "Redis") not in ("", "away")
    assert card.advice == ()


@pytest.mark.django_db
def test_a_database_behind_the_version_is_dangerous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "is_migrated", lambda: False)
    (advice,) = installation(now=NOW).advice
    assert (advice.tone, advice.title) == (Tone.DANGER, "The database is behind this version")


@pytest.mark.django_db
def test_in_production_what_is_not_encrypted_and_a_missing_second_factor_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRODUCTION = True
    settings.REDIS_URL = "redis://redis.example.org:6379/0"
    monkeypatch.setattr(broker, "server", lambda: broker.Server("7.2.0", keeps=False))
    card = installation(now=NOW)
    assert value(card, "To Redis") == "not encrypted"
    assert titles(card) == [
        "Redis forgets everything at a restart",
        "The way to Redis is not encrypted",
        "Nobody has to use a second factor",
    ]
    RolePolicy.objects.create(role="manager", requires_second_factor=True)
    settings.REDIS_URL = "rediss://redis.example.org:6379/0"
    monkeypatch.setattr(broker, "server", lambda: broker.Server("7.2.0", keeps=True))
    card = installation(now=NOW)
    assert value(card, "To Redis") == "encrypted"
    assert value(card, "Second factor demanded of") == "Manager"
    assert titles(card) == []


@pytest.mark.parametrize(
    ("free", "tone"), [(15, None), (14.9, Tone.WARN), (5, Tone.WARN), (4.9, Tone.DANGER), (0, Tone.DANGER)]
)
def test_a_disk_that_fills_warns_below_15_and_is_dangerous_below_5_percent(
    free: float, tone: Tone | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100e9, (100 - free) * 1e9, free * 1e9))
    card = disk(now=NOW)
    assert [advice.tone for advice in card.advice] == ([tone] if tone else [])


@pytest.mark.parametrize(("count", "said"), [(12_345_000_000, "12.3 GB"), (840_000_000, "840 MB"), (0, "0 MB")])
def test_bytes_are_said_as_people_say_them(count: int, said: str) -> None:
    assert sized(count) == said
