"""The environment is read strictly: a good value is used, an odd one is refused by the name of its variable."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from anymail.backends.base_requests import AnymailRequestsBackend
from django.utils.module_loading import import_string

from clinic.edge.environment import (
    MAIL_PROVIDERS,
    Environment,
    EnvironmentProblemError,
    Kind,
    read_environment,
    read_or_make_secret,
)

ROOT = Path(__file__).resolve().parents[3]
VARIABLES = (
    *("CADENCE_ENV", "DEBUG", "SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"),
    *(
        "EMAIL_URL",
        "DEFAULT_FROM_EMAIL",
        "CADENCE_IDLE_MINUTES",
        "CADENCE_BEHIND_TLS_PROXY",
        "CADENCE_LOG_LEVEL",
        "PORT",
    ),
    *("CADENCE_BASE_URL", "MESSAGES_PER_MINUTE"),
    *("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "TWILIO_API_URL"),
    *("BACKUP_RECIPIENT", "BACKUP_DIR", "BACKUP_IDENTITY"),
    *("BACKUP_KEEP_DAILY", "BACKUP_KEEP_WEEKLY", "BACKUP_KEEP_MONTHLY"),
)
PRODUCTION = {
    "CADENCE_ENV": "production",
    "SECRET_KEY": "aB3-x" * 12,
    "DATABASE_URL": "postgres://cadence:pw@db.example.org:5432/cadence",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "ALLOWED_HOSTS": "cadence.example.org",
    "EMAIL_URL": "submission://mailer:pw@mail.example.org:587",
    "CADENCE_BASE_URL": "https://cadence.example.org",
}
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "0a" * 16,
    "TWILIO_AUTH_TOKEN": "secret",
    "TWILIO_FROM": "+12125550100",
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch):
    """`read(NAME="value")` reads an environment in which only these variables are set."""

    def reader(dotenv: Path | None = None, **variables: str) -> Environment:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return read_environment(dotenv=dotenv)

    return reader


def test_an_empty_environment_is_a_development_one_with_embedded_services(read) -> None:
    found = read()
    assert found.kind is Kind.DEVELOPMENT
    assert (found.debug, found.database, found.redis_url) == (False, None, None)
    assert (found.idle_minutes, found.port) == (15, 8000)
    assert (found.email, found.twilio, found.base_url, found.messages_per_minute) == (None, None, None, 60)


def test_empty_values_count_as_not_given(read) -> None:
    assert read(**dict.fromkeys(VARIABLES, "")) == read()


def test_good_values_are_used(read) -> None:
    found = read(
        DEBUG="yes",
        DATABASE_URL="postgres://me:pw@127.0.0.1:5433/mine",
        REDIS_URL="unix:///var/run/redis.sock?db=2",
        ALLOWED_HOSTS="a.example.org, .b.example.org",
        CADENCE_IDLE_MINUTES="30",
        PORT="8123",
    )
    assert found.debug is True
    assert found.database is not None
    assert (found.database["HOST"], found.database["PORT"], found.database["NAME"]) == ("127.0.0.1", 5433, "mine")
    assert found.redis_url == "unix:///var/run/redis.sock?db=2"
    assert found.allowed_hosts == ["a.example.org", ".b.example.org"]
    assert (found.idle_minutes, found.port) == (30, 8123)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CADENCE_ENV", "prod"),
        ("DEBUG", "maybe"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/cadence"),
        ("DATABASE_URL", "postgres://127.0.0.1:5432"),
        ("DATABASE_URL", "postgres://127.0.0.1:port/cadence"),
        ("DATABASE_URL", "127.0.0.1:5432/cadence"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("REDIS_URL", "redis://"),
        ("ALLOWED_HOSTS", "https://cadence.example.org"),
        ("CSRF_TRUSTED_ORIGINS", "cadence.example.org"),
        ("EMAIL_URL", "carrier-pigeon://roof"),
        ("EMAIL_URL", "resend://re_123"),
        ("EMAIL_URL", "resend://?api_key="),
        ("EMAIL_URL", "mailgun://?api_key=k"),
        ("EMAIL_URL", "postmark://?server_token=k&colour=blue"),
        ("EMAIL_URL", "resend://?api_key=k&webhook_secret=short"),
        ("EMAIL_URL", "resend://?api_key=k&webhook_secret=name:short"),
        ("CADENCE_BASE_URL", "cadence.example.org"),
        ("METRICS_TOKEN", "short"),
        ("METRICS_TOKEN", "long enough but with spaces in it"),
        ("CADENCE_VAR", "var"),
        ("CADENCE_STATIC_ROOT", "../static"),
        ("CADENCE_BASE_URL", "https://cadence.example.org/below"),
        ("CADENCE_BASE_URL", "https://cadence.example.org:port"),
        ("CADENCE_BASE_URL", "ftp://cadence.example.org"),
        ("TWILIO_ACCOUNT_SID", "SK" + "0a" * 16),
        ("TWILIO_FROM", "2125550100"),
        ("TWILIO_FROM", "Maple Clinic"),
        ("TWILIO_API_URL", "127.0.0.1:9000"),
        ("MESSAGES_PER_MINUTE", "0"),
        ("MESSAGES_PER_MINUTE", "many"),
        ("CADENCE_IDLE_MINUTES", "0"),
        ("CADENCE_IDLE_MINUTES", "a while"),
        ("CADENCE_IDLE_MINUTES", "99999"),
        ("CADENCE_BEHIND_TLS_PROXY", "2"),
        ("CADENCE_LOG_LEVEL", "chatty"),
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "80 80"),
    ],
)
def test_an_odd_value_is_refused_by_name(read, name: str, value: str) -> None:
    with pytest.raises(EnvironmentProblemError, match=f"^{name} "):
        read(**{name: value})


def test_a_complete_production_environment_is_accepted(read) -> None:
    assert read(**PRODUCTION).kind is Kind.PRODUCTION


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "EMAIL_URL", "CADENCE_BASE_URL"]
)
def test_production_refuses_to_start_without(read, name: str) -> None:
    with pytest.raises(EnvironmentProblemError, match=f"^{name} must be set"):
        read(**{key: value for key, value in PRODUCTION.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "1"),
        ("ALLOWED_HOSTS", "*"),
        ("CADENCE_BASE_URL", "http://cadence.example.org"),
        ("EMAIL_URL", "console://"),
        ("EMAIL_URL", "dummy://"),
        ("EMAIL_URL", "file:///tmp/mail"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 60),
        ("SECRET_KEY", "django-insecure-" + "aB3-x" * 12),
    ],
)
def test_production_refuses_to_start_with(read, name: str, value: str) -> None:
    with pytest.raises(EnvironmentProblemError, match=f"^{name} "):
        read(**PRODUCTION | {name: value})


def test_production_sends_text_messages_to_nobody_but_twilio(read) -> None:
    assert read(**PRODUCTION | TWILIO).twilio.sender == "+12125550100"
    with pytest.raises(EnvironmentProblemError, match=r"^TWILIO_API_URL must be empty"):
        read(**PRODUCTION | TWILIO | {"TWILIO_API_URL": "https://stand-in.example.org"})


@pytest.mark.parametrize("name", list(TWILIO))
def test_twilio_is_set_up_wholly_or_not_at_all(read, name: str) -> None:
    assert read(**TWILIO).twilio.account_sid == TWILIO["TWILIO_ACCOUNT_SID"]
    with pytest.raises(EnvironmentProblemError, match=f"^{name} must be set where"):
        read(**{key: value for key, value in TWILIO.items() if key != name})


def test_a_mail_provider_is_told_what_django_anymail_calls_it(read) -> None:
    address = "mailgun://?api_key=k%26y&sender_domain=mg.example.org&webhook_secret=hook:0123456789abcdef"
    email = read(EMAIL_URL=address).email
    assert (email["EMAIL_PROVIDER"], email["EMAIL_BACKEND"]) == ("mailgun", "anymail.backends.mailgun.EmailBackend")
    assert email["ANYMAIL"] == {
        "MAILGUN_API_KEY": "k&y",
        "MAILGUN_SENDER_DOMAIN": "mg.example.org",
        "WEBHOOK_SECRET": "hook:0123456789abcdef",
        "REQUESTS_TIMEOUT": 10,
    }


@pytest.mark.parametrize("name", sorted(MAIL_PROVIDERS))
def test_every_mail_provider_is_one_of_django_anymail(read, name: str) -> None:
    needed = "&".join(f"{key}=value" for key in MAIL_PROVIDERS[name][0])
    email = read(EMAIL_URL=f"{name}://?{needed}").email
    assert issubclass(import_string(email["EMAIL_BACKEND"]), AnymailRequestsBackend)


def test_a_mail_server_may_take_ten_seconds_unless_the_address_says_otherwise(read) -> None:
    assert read(EMAIL_URL="smtp://mail.example.org:25").email["EMAIL_TIMEOUT"] == 10
    assert read(EMAIL_URL="smtp://mail.example.org:25/?timeout=3").email["EMAIL_TIMEOUT"] == 3


def test_the_address_for_patients_has_no_slash_at_its_end(read) -> None:
    assert read(CADENCE_BASE_URL="https://cadence.example.org:8443/").base_url == "https://cadence.example.org:8443"


def test_a_dotenv_file_fills_in_and_the_process_environment_wins(read, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("CADENCE_IDLE_MINUTES=20\nDEBUG=1\n", encoding="utf-8")
    found = read(dotenv, DEBUG="0")
    assert (found.idle_minutes, found.debug) == (20, False)


def test_the_example_file_documents_every_variable_and_is_itself_acceptable(read) -> None:
    example = ROOT / ".env.example"
    documented = set(re.findall(r"^#? ?([A-Z_]+)=", example.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(VARIABLES) <= documented
    assert read(example) == read()


def test_the_development_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret-key"
    first = read_or_make_secret(path)
    assert len(first) >= 50
    assert read_or_make_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- backups ----------------------------------------------------------------------------------------------------------
RECIPIENT = "age1" + "q" * 58


def test_several_recipients_and_how_long_backups_are_kept(read) -> None:
    found = read(BACKUP_RECIPIENT=f"{RECIPIENT}, {RECIPIENT}", BACKUP_DIR="/backups", BACKUP_KEEP_WEEKLY="0")
    assert found.backup_recipients == [RECIPIENT, RECIPIENT]
    assert (found.backup_dir, found.backup_keep) == ("/backups", (7, 0, 12))
    assert (read().backup_recipients, read().backup_keep) == ([], (7, 5, 12))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BACKUP_RECIPIENT", "age1short", "is no recipient"),
        ("BACKUP_RECIPIENT", "AGE-SECRET-KEY-1ABC", "must not be on the server"),
        ("BACKUP_KEEP_DAILY", "a week", "is not a number"),
        ("BACKUP_KEEP_MONTHLY", "-1", "is not a number"),
    ],
)
def test_an_odd_setting_of_backups_is_refused_by_name(read, name: str, value: str, said: str) -> None:
    with pytest.raises(EnvironmentProblemError, match=rf"{name} cannot be used: .*{said}"):
        read(**{name: value})
