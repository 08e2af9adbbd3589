"""Production: refuses to start unsafe with one sentence, passes Django's deployment checks, collects what pages name."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from pytest_django import Settings

ROOT = Path(__file__).resolve().parents[3]
NAMED = re.compile(r"{%\s*static\s+['\"]([^'\"]+)['\"]")


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` in a complete production environment, but for `variables` (an empty one counts as not set)."""
    production = {
        "CADENCE_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "DATABASE_URL": "postgres://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "ALLOWED_HOSTS": "cadence.example.org",
        "CADENCE_BASE_URL": "https://cadence.example.org",
        "DEBUG": "",
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
    }
    # A browser test in the same process allows itself what a deployment must not.
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=ROOT,
        env=inherited | production | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_djangos_deployment_checks_find_nothing() -> None:
    done = manage("check", "--deploy", "--fail-level", "INFO")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"), [("SECRET_KEY", ""), ("SECRET_KEY", "short"), ("DATABASE_URL", ""), ("DEBUG", "1")]
)
def test_an_unsafe_start_is_refused_in_one_sentence_that_names_the_variable(name: str, value: str) -> None:
    done = manage("check", **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cadence cannot start: {name} ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_every_static_file_that_a_template_names_is_collected(settings: Settings, tmp_path: Path) -> None:
    if not all(folder.is_dir() for folder in settings.VENDOR_FOLDERS.values()):
        pytest.skip("the front-end packages are not installed (make setup)")
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    named = {
        name
        for page in (ROOT / "templates").rglob("*.html")
        for name in NAMED.findall(page.read_text(encoding="utf-8"))
    }
    assert "vendor/tabler/css/tabler.min.css" in named
    for name in sorted(named):
        assert staticfiles_storage.url(name).startswith("/static/")
