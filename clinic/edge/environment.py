"""Reads the process environment, once and strictly: an odd value is refused by name instead of guessed at."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import dj_database_url
import dj_email_url
from environs import Env, EnvError

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_SECRET_CHARS = 50
"""Django's own deploy check (security.W009) asks for at least this many characters."""
MIN_TOKEN_CHARS = 24
"""Of the token for /metrics, which nobody types."""
MAIL_TIMEOUT_S = 10
"""How long a mail server may take to answer, where EMAIL_URL does not say (?timeout=)."""
REDIS_SCHEMES = ("redis", "rediss", "unix")
POSTGRES_SCHEMES = ("postgres", "postgresql")
MAIL_PROVIDERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "brevo": (("api_key",), ()),
    "mailersend": (("api_token",), ("signing_secret",)),
    "mailgun": (("api_key", "sender_domain"), ("webhook_signing_key",)),
    "mailjet": (("api_key", "secret_key"), ()),
    "mailtrap": (("api_token",), ()),
    "postmark": (("server_token",), ()),
    "resend": (("api_key",), ()),
    "sendgrid": (("api_key",), ()),
    "sparkpost": (("api_key",), ()),
}
"""What each of django-anymail's providers must and may be told, by django-anymail's own names for it."""
FOR_EVERY_PROVIDER = ("api_url", "webhook_secret")
SENDER = re.compile(r"\+[1-9]\d{6,14}|MG[0-9a-f]{32}|\d{5,6}")
"""A number in E.164, the id of a Twilio messaging service, or a short code."""


class Kind(StrEnum):
    """What this installation is for; decides how much is refused."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class EnvironmentProblemError(ValueError):
    """A variable is missing or odd; the message names it and says what to do."""


@dataclass(frozen=True, kw_only=True)
class Twilio:
    """The account that text messages go through. ``api_url`` names another server than Twilio's: a stand-in."""

    account_sid: str
    auth_token: str
    sender: str
    api_url: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Every setting that comes from outside, parsed. None means "not given"."""

    kind: Kind
    debug: bool
    secret_key: str | None
    secret_key_fallbacks: list[str]
    database: Mapping[str, Any] | None
    redis_url: str | None
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    email: Mapping[str, Any] | None
    from_email: str
    twilio: Twilio | None
    base_url: str | None
    messages_per_minute: int
    idle_minutes: int
    session_hours: int
    behind_tls_proxy: bool
    log_level: str
    port: int
    var: Path | None
    static_root: Path | None
    metrics_token: str | None
    backup_recipients: list[str]
    backup_dir: str | None
    backup_identity: str | None
    backup_keep: tuple[int, int, int]


def read_environment(*, dotenv: Path | None = None) -> Environment:
    """The environment as one value.

    Args:
        dotenv: a file of `NAME=value` lines that fills in what the process environment leaves out.

    Raises:
        EnvironmentProblemError: with one sentence that names the variable.
    """
    env = Env()
    if dotenv is not None:
        env.read_env(dotenv, recurse=False)
    try:
        found = _read(env)
    except EnvError as problem:
        raise EnvironmentProblemError(str(problem)) from None
    if found.kind is Kind.PRODUCTION:
        _refuse_unsafe(found)
    return found


def _read(env: Env) -> Environment:
    kind = _one_of(env, "CADENCE_ENV", [k.value for k in Kind], Kind.DEVELOPMENT)
    return Environment(
        kind=Kind(kind),
        debug=_optional(env, "DEBUG", _boolean) or False,
        secret_key=_optional(env, "SECRET_KEY", str),
        secret_key_fallbacks=_optional(env, "SECRET_KEY_FALLBACKS", _keys) or [],
        database=_optional(env, "DATABASE_URL", _database),
        redis_url=_optional(env, "REDIS_URL", _redis),
        allowed_hosts=_optional(env, "ALLOWED_HOSTS", _names) or [],
        csrf_trusted_origins=_optional(env, "CSRF_TRUSTED_ORIGINS", _origins) or [],
        email=_optional(env, "EMAIL_URL", _email),
        from_email=_optional(env, "DEFAULT_FROM_EMAIL", str) or "Cadence <cadence@localhost>",
        twilio=_twilio(env),
        base_url=_optional(env, "CADENCE_BASE_URL", _address),
        messages_per_minute=_optional(env, "MESSAGES_PER_MINUTE", _rate) or 60,
        idle_minutes=_optional(env, "CADENCE_IDLE_MINUTES", _minutes) or 15,
        session_hours=_optional(env, "CADENCE_SESSION_HOURS", _hours) or 12,
        behind_tls_proxy=_optional(env, "CADENCE_BEHIND_TLS_PROXY", _boolean) or False,
        log_level=_one_of(env, "CADENCE_LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO"),
        port=_optional(env, "PORT", _port) or 8000,
        var=_optional(env, "CADENCE_VAR", _folder),
        static_root=_optional(env, "CADENCE_STATIC_ROOT", _folder),
        metrics_token=_optional(env, "METRICS_TOKEN", _token),
        backup_recipients=_optional(env, "BACKUP_RECIPIENT", _recipients) or [],
        backup_dir=_optional(env, "BACKUP_DIR", str),
        backup_identity=_optional(env, "BACKUP_IDENTITY", str),
        backup_keep=_backup_keep(env),
    )


def _optional(env: Env, name: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401 (each reader has its own type)
    """The parsed value of `name`, or None where it is unset or empty (as in a copied .env.example)."""
    text = env.str(name, "").strip()
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as problem:
        raise EnvironmentProblemError(f"{name} cannot be used: {problem}") from None


def _one_of(env: Env, name: str, allowed: list[str], default: str) -> str:
    value = env.str(name, "").strip() or default
    if value not in allowed:
        raise EnvironmentProblemError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value


def _boolean(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError(f"{text!r} is neither yes nor no; write 1 or 0.")
    return words[text.lower()]


def _database(text: str) -> Mapping[str, Any]:
    scheme = urlsplit(text).scheme
    if scheme not in POSTGRES_SCHEMES:
        raise ValueError(f"the scheme {scheme!r} is not PostgreSQL; write postgres://user:password@host:5432/name.")
    parsed = dict(dj_database_url.parse(text))
    if not parsed.get("NAME"):
        raise ValueError("it names no database; write postgres://user:password@host:5432/name.")
    return parsed


def _redis(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in REDIS_SCHEMES or not (parts.hostname or parts.path.strip("/")):
        raise ValueError("write redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/redis.sock?db=0.")
    return text


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not re.fullmatch(r"\*|\.?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]", name):
            raise ValueError(
                f"{name!r} is not a host name; write names such as clinic.example.org, separated by commas."
            )
    return names


def _origins(text: str) -> list[str]:
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        if urlsplit(origin).scheme not in {"http", "https"} or not urlsplit(origin).netloc:
            raise ValueError(f"{origin!r} is not an origin; write https://clinic.example.org.")
    return origins


def _email(text: str) -> Mapping[str, Any]:
    """Django's settings for e-mail; ``EMAIL_PROVIDER`` and ``ANYMAIL`` are empty for an SMTP server."""
    scheme = urlsplit(text).scheme
    if scheme in MAIL_PROVIDERS:
        return _mail_provider(scheme, text)
    if scheme not in dj_email_url.SCHEMES:
        raise ValueError(f"the scheme {scheme!r} is unknown; write submission://user:password@host:587.")
    parsed = dict(dj_email_url.parse(text))
    timeout = parsed.pop("EMAIL_TIMEOUT", None) or MAIL_TIMEOUT_S
    return parsed | {"EMAIL_TIMEOUT": timeout, "EMAIL_PROVIDER": "", "ANYMAIL": {}}


def _mail_provider(name: str, text: str) -> Mapping[str, Any]:
    needed, allowed = MAIL_PROVIDERS[name]
    given = dict(parse_qsl(urlsplit(text).query, strict_parsing=True))
    missing = [key for key in needed if not given.get(key)]
    odd = sorted(set(given) - {*needed, *allowed, *FOR_EVERY_PROVIDER})
    if missing or odd:
        shape = "&".join(f"{key}=…" for key in needed)
        what = f"{missing[0]} is missing" if missing else f"{odd[0]!r} is unknown"
        raise ValueError(f"{what}; write {name}://?{shape}.")
    if "webhook_secret" in given and not re.fullmatch(r"[^:]+:[^:]{16,}", given["webhook_secret"]):
        raise ValueError("webhook_secret must be name:secret, the secret of 16 or more characters.")
    own = {(key if key == "webhook_secret" else f"{name}_{key}").upper(): value for key, value in given.items()}
    backend = "clinic.adapters.resend.EmailBackend" if name == "resend" else f"anymail.backends.{name}.EmailBackend"
    return {"EMAIL_BACKEND": backend, "EMAIL_PROVIDER": name, "ANYMAIL": own | {"REQUESTS_TIMEOUT": MAIL_TIMEOUT_S}}


def _twilio(env: Env) -> Twilio | None:
    """All three or none: with one missing nothing could be sent, and nobody would know why."""
    account = _optional(env, "TWILIO_ACCOUNT_SID", _account)
    token = _optional(env, "TWILIO_AUTH_TOKEN", str)
    sender = _optional(env, "TWILIO_FROM", _sender)
    api = _optional(env, "TWILIO_API_URL", _address) or ""
    given = {"TWILIO_ACCOUNT_SID": account, "TWILIO_AUTH_TOKEN": token, "TWILIO_FROM": sender}
    if not any(given.values()):
        return None
    for name, value in given.items():
        if not value:
            raise EnvironmentProblemError(f"{name} must be set where the others of Twilio are (see .env.example).")
    return Twilio(account_sid=account, auth_token=token, sender=sender, api_url=api)


def _account(text: str) -> str:
    if not re.fullmatch(r"AC[0-9a-fA-F]{32}", text):
        raise ValueError("write the account SID: AC and 32 hexadecimal digits.")
    return text


def _sender(text: str) -> str:
    if not SENDER.fullmatch(text):
        raise ValueError(f"{text!r} is neither a number such as +12125550100 nor a messaging service (MG…).")
    return text


def _address(text: str) -> str:
    """Without a slash at its end, so that paths are put behind it as they are."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{text!r} is not the address of a server; write https://clinic.example.org.")
    _ = parts.port  # raises ValueError where it is no number
    return f"{parts.scheme}://{parts.netloc}"


def _rate(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a number of messages from 1 to 999999.")
    return int(text)


def _minutes(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text) or not 1 <= int(text) <= 24 * 60:
        raise ValueError(f"{text!r} is not a number of minutes from 1 to 1440.")
    return int(text)


def _folder(text: str) -> Path:
    if not Path(text).is_absolute():
        raise ValueError(f"{text!r} is not the whole path of a folder, such as /var/lib/cadence.")
    return Path(text)


def _token(text: str) -> str:
    if not re.fullmatch(rf"[\x21-\x7e]{{{MIN_TOKEN_CHARS},}}", text):
        raise ValueError(f"use {MIN_TOKEN_CHARS} or more random characters without spaces.")
    return text


def _hours(text: str) -> int:
    if not re.fullmatch(r"\d{1,2}", text) or not 1 <= int(text) <= 24:  # noqa: PLR2004 (a day)
        raise ValueError(f"{text!r} is not a number of hours from 1 to 24.")
    return int(text)


def _keys(text: str) -> list[str]:
    keys = [key.strip() for key in text.split(",") if key.strip()]
    if any(len(key) < MIN_SECRET_CHARS for key in keys):
        raise ValueError(f"each former key has {MIN_SECRET_CHARS} or more characters; write them separated by commas.")
    return keys


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or not 1 <= int(text) <= 65535:  # noqa: PLR2004 (what TCP has)
        raise ValueError(f"{text!r} is not a number from 1 to 65535.")
    return int(text)


def _recipients(text: str) -> list[str]:
    found = [one for one in re.split(r"[\s,]+", text) if one]
    for one in found:
        if one.startswith("AGE-SECRET-KEY-"):
            raise ValueError("it holds a secret key, which must not be on the server; write the recipient (age1…).")
        if not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", one):
            raise ValueError(f"{one!r} is no recipient; write what `manage.py backup --make-key FILE` prints (age1…).")
    return found


def _backup_keep(env: Env) -> tuple[int, int, int]:
    """Days, weeks and months of which the last backup is kept."""
    spans = {"BACKUP_KEEP_DAILY": 7, "BACKUP_KEEP_WEEKLY": 5, "BACKUP_KEEP_MONTHLY": 12}
    given = [_optional(env, name, _count) for name in spans]
    daily, weekly, monthly = (usual if one is None else one for one, usual in zip(given, spans.values(), strict=True))
    return daily, weekly, monthly


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text):
        raise ValueError(f"{text!r} is not a number from 0 to 9999.")
    return int(text)


def _refuse_unsafe(found: Environment) -> None:
    """Nothing is left to chance in production: each refusal names its variable."""
    needed: dict[str, object] = {"SECRET_KEY": found.secret_key, "DATABASE_URL": found.database}
    needed |= {"REDIS_URL": found.redis_url, "ALLOWED_HOSTS": found.allowed_hosts, "EMAIL_URL": found.email}
    needed |= {"CADENCE_BASE_URL": found.base_url}
    for name, value in needed.items():
        if not value:
            raise EnvironmentProblemError(f"{name} must be set when CADENCE_ENV=production (see .env.example).")
    if found.debug:
        raise EnvironmentProblemError(
            "DEBUG must be off when CADENCE_ENV=production: it shows patients' data in traces."
        )
    if "*" in found.allowed_hosts:
        raise EnvironmentProblemError(
            "ALLOWED_HOSTS must name the hosts when CADENCE_ENV=production; * lets any name in."
        )
    _refuse_unsafe_sending(found)
    key = found.secret_key or ""
    if len(key) < MIN_SECRET_CHARS or len(set(key)) < 5 or key.startswith("django-insecure-"):  # noqa: PLR2004
        raise EnvironmentProblemError(
            f"SECRET_KEY is too weak for production: use at least {MIN_SECRET_CHARS} random characters "
            "(python -c 'import secrets; print(secrets.token_urlsafe(50))')."
        )


def _refuse_unsafe_sending(found: Environment) -> None:
    """Messages reach people, and what stands in them leads to the right place, unread on the way."""
    if not (found.base_url or "").startswith("https://"):
        raise EnvironmentProblemError(
            "CADENCE_BASE_URL must begin with https:// when CADENCE_ENV=production: patients open links below it."
        )
    backend = str((found.email or {}).get("EMAIL_BACKEND", ""))
    if not (backend.endswith(".smtp.EmailBackend") or (found.email or {}).get("EMAIL_PROVIDER")):
        raise EnvironmentProblemError(
            "EMAIL_URL must name a mail server or provider when CADENCE_ENV=production: nobody reads this one."
        )
    if found.twilio and found.twilio.api_url:
        raise EnvironmentProblemError(
            "TWILIO_API_URL must be empty when CADENCE_ENV=production: it sends messages to a stand-in."
        )


def read_or_make_secret(path: Path) -> str:
    """The development secret kept in `path`, made on first use, readable by its owner only."""
    import secrets  # noqa: PLC0415 (only a first start needs it)

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text(encoding="utf-8").strip()
