"""The log: lines for a person in development, JSON in production, and in neither anything about a patient.

What an exception says is not written: "Key (mrn)=(C-000123) already exists" repeats what somebody typed, and so do many
others. Written are its kind, its place, and the words of those kinds that speak of machines only (`PLAIN_SPOKEN`, and
of these the first line, because PostgreSQL puts values into DETAIL). Addresses become routes: /v/<token>/ is a secret.
"""

from __future__ import annotations

import logging
import os
import re
from types import TracebackType
from typing import Any

import psycopg2
import psycopg2.errors
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, InterfaceError, OperationalError
from pythonjsonlogger.json import JsonFormatter
from redis.exceptions import RedisError

from clinic.pure import requestid

PLAIN_SPOKEN: tuple[type[BaseException], ...] = (
    *(OperationalError, InterfaceError, IntegrityError),
    *(psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.IntegrityError),
    *(psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn),  # a migration that is missing
    *(RedisError, ImportError, ImproperlyConfigured, MemoryError),
)
"""Of their messages the first line is about machines: a constraint, a host, a module."""
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[srd]")
LONGEST_WORDS = 300
MAX_FRAMES = 60
MAX_CAUSES = 5

SCRUBBED = (
    (re.compile(r"(DETAIL|CONTEXT|PARAMETERS|HINT):.*", re.DOTALL), r"\1: (left out)"),
    (re.compile(r"Key \([^)]*\)=\(.*?\)(?= |$|\.|\n)"), "Key (left out)"),
    (re.compile(r"(\w+://)[^\s/@]+@"), r"\1(secret)@"),
    (re.compile(r"[^\s@<>\"'=,;:()\[\]]+@[^\s@<>\"'=,;:()\[\]]+\.[A-Za-z]{2,}"), "(e-mail)"),
    (re.compile(r"(?<![\w.:-])\+?(?:1[ .-])?(?:(?:\(\d{3}\)|\d{3})[ .-]?)?\d{3}[ .-]?\d{4,8}(?![\w:-])"), "(number)"),
    (re.compile(r"(https?://[^\s/]+)/[^\s\"')]+"), r"\1/(address)"),
    (re.compile(r"(?<![\w/.])/(?:v|q|offer|feeds|accounts|request)/[^\s\"')]+"), "(address)"),
)
"""A second net below the first: what looks like a person's address, number or token goes, wherever it stands."""


def without_persons(text: str) -> str:
    """``text`` without what looks like an e-mail address, a telephone number, a link or values out of the database."""
    for pattern, instead in SCRUBBED:
        text = pattern.sub(instead, text)
    return text


def what_happened(problem: BaseException) -> str:
    """The error's kind, with its words where these cannot be about a person."""
    kind = type(problem)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(problem, OSError) and problem.errno is not None:  # mail errors are of this kind, too, with addresses
        return f"{name}: {os.strerror(problem.errno)}" if kind.__module__ == "builtins" else name
    if not isinstance(problem, PLAIN_SPOKEN):
        return name
    words = str(problem).strip().partition("\n")[0][:LONGEST_WORDS]
    return f"{name}: {without_persons(words)}" if words else name


def where_it_happened(trace: TracebackType | None) -> list[str]:
    """A line for each frame, outermost first: file, line, function; neither source nor values."""
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_qualname}')
        trace = trace.tb_next
    return lines if len(lines) <= MAX_FRAMES else [*lines[:5], "  ...", *lines[5 - MAX_FRAMES :]]


def bare_traceback(problem: BaseException) -> str:
    """The whole chain of causes, the first cause first, without anything that a person wrote."""
    chain: list[str] = []
    seen: set[int] = set()
    here: BaseException | None = problem
    while here is not None and id(here) not in seen and len(chain) < MAX_CAUSES:
        seen.add(id(here))
        chain.insert(0, "\n".join(["Traceback:", *where_it_happened(here.__traceback__), what_happened(here)]))
        here = here.__cause__ or (None if here.__suppress_context__ else here.__context__)
    return "\n".join(chain)


class Discreet(logging.Filter):
    """Every record passes it before it is written: it says which request it belongs to, and nothing about a person."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = requestid.current.get()
        record.msg, record.args = without_persons(_words_of(record)), None
        return True


def _words_of(record: logging.LogRecord) -> str:
    """What the record says; those of others' that repeat an address, a value or an error are put into our words."""
    if (request := getattr(record, "request", None)) is not None:
        vars(record).pop("request")  # a JSON formatter would write the request out, with its address
        return f"{_first_word(record)} at {route_of(request)}"
    if record.name.startswith("django.security"):
        return f"{record.name.rpartition('.')[2]}: the request was refused"
    if record.name.startswith("gunicorn") and (record.exc_info or str(record.msg).startswith("Invalid request")):
        return "A request was refused or a worker ended with an error"
    if record.name.startswith(("celery", "kombu")) and (words := _of_celery(record)):
        return words
    args = record.args
    if isinstance(args, tuple):
        record.args = tuple(what_happened(one) if isinstance(one, BaseException) else one for one in args)
    return record.getMessage() if not isinstance(record.msg, BaseException) else what_happened(record.msg)


def _first_word(record: logging.LogRecord) -> str:
    """Django says "Not Found: /v/…/": the reason is its own, the address is not."""
    args = record.args
    if isinstance(args, tuple) and args and "%s: %s" in str(record.msg):
        return str(args[0])
    return f"{record.levelname.capitalize()} {getattr(record, 'status_code', '')}".strip()


def _of_celery(record: logging.LogRecord) -> str:
    """Empty where the record may say what it says."""
    if isinstance(task := getattr(record, "data", None), dict):
        vars(record).pop("data")  # arguments, result, exception and traceback
        return _of_task(record, task)
    if record.levelno >= logging.WARNING:
        # A message that no worker understands would be written out whole, with the arguments of its task.
        return PLACEHOLDER.sub("…", str(record.msg).partition("\n")[0])
    return ""


def _of_task(record: logging.LogRecord, task: dict[str, Any]) -> str:
    words = [f"Task {task.get('name')}[{task.get('id')}]", _deed(str(record.msg), task)]
    if isinstance(took := task.get("runtime"), float):
        words.append(f"in {took:.3f} s")
    return " ".join(words)


def _deed(template: str, task: dict[str, Any]) -> str:
    if "description" in task:
        return str(task["description"])
    known = ("received", "succeeded", "retry", "rejected")
    return next((word for word in known if word in template), "did something")


def route_of(request: Any) -> str:  # noqa: ANN401 (of Django, or of whoever logs)
    """The pattern of the address, never the address: that may be a patient's secret link."""
    match = getattr(request, "resolver_match", None)
    return match.route or "/" if match is not None else "(no route)"


class Lines(logging.Formatter):
    """For a person: time, level, who, what; an error's bare traceback below."""

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 (logging's own name and type)
        return bare_traceback(ei[1]) if ei[1] is not None else ""


class JsonLines(JsonFormatter):
    """For a machine: one object a line, the fields of ``extra`` beside the usual ones."""

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 (logging's own name and type)
        return bare_traceback(ei[1]) if ei[1] is not None else ""


def logging_config(*, level: str, as_json: bool) -> dict[str, Any]:
    """For ``logging.config.dictConfig``: one handler to standard error, for every program of the product.

    Args:
        level: of our own packages. Libraries say INFO at most: at DEBUG they print queries, arguments and mails.
    """
    json_lines = {
        "()": "clinic.adapters.logs.JsonLines",
        "fmt": ["asctime", "levelname", "name", "message", "request_id"],
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        "exc_info_as_array": False,
    }
    lines = {
        "()": "clinic.adapters.logs.Lines",
        "format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        "datefmt": "%H:%M:%S",
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"discreet": {"()": "clinic.adapters.logs.Discreet"}},
        "formatters": {"one": json_lines if as_json else lines},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "one", "filters": ["discreet"]}},
        "root": {"handlers": ["console"], "level": "INFO" if level == "DEBUG" else level},
        "loggers": {
            **{package: {"level": level} for package in ("clinic", "patients", "courses")},
            "django": {"handlers": [], "propagate": True},  # no mail to ADMINS: it has local variables in it
            "gunicorn.error": {"handlers": [], "propagate": True, "level": "INFO" if as_json else "WARNING"},
            "gunicorn.access": {"handlers": [], "propagate": False, "level": "CRITICAL"},  # it writes addresses
            "celery.beat": {"level": "WARNING"},  # a line for every task that it sends
            "twilio": {"level": "WARNING"},  # ten lines for each message otherwise, with the account's number
        },
    }
