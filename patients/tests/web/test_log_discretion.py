"""The log holds nothing about a patient: not on pages, not in errors, not of providers, not of tasks."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from smtplib import SMTPRecipientsRefused
from types import SimpleNamespace
from typing import Any

import pytest
from celery import shared_task
from celery.worker.consumer.consumer import MESSAGE_DECODE_ERROR, UNKNOWN_TASK_ERROR
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings

from clinic import celery as wiring
from clinic.adapters.logs import Discreet, JsonLines, logging_config, what_happened, without_persons
from clinic.edge.reporter import BareReporter
from clinic.models import User
from clinic.pure import requestid
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from patients.models import Patient
from patients.services.messages.delivering import _ask
from patients.services.messages.links import Purpose, token
from patients.tests import messages_kit
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message

NAME, FAMILY = "Zephyrine", "Quillfeather"
PHONE, SPOKEN, MAIL = "+12125550177", "(212) 555-0177", "zephyrine.q@example.net"
PERSONAL = (NAME, FAMILY, PHONE, "2125550177", "555-0177", MAIL)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What production would write: its own handler, filter and formatter, beside those of pytest."""
    written = io.StringIO()
    config = logging_config(level="INFO", as_json=True)
    handler = logging.StreamHandler(written)
    handler.addFilter(Discreet())
    formatter = config["formatters"]["one"]
    handler.setFormatter(JsonLines(formatter["fmt"], rename_fields=formatter["rename_fields"]))
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def patient(clinic: Clinic) -> Patient:
    return make_patient(NAME, family_name=FAMILY, phones=[PHONE], email=MAIL, home_location=clinic.location)


@pytest.fixture
def desk(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.users[Role.FRONT_DESK])
    client.raise_request_exception = False
    return client


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def assert_discreet(log: io.StringIO, *more: str) -> None:
    written = log.getvalue()
    assert written, "nothing was logged, so nothing was tried"
    assert [one for one in (*PERSONAL, *more) if one.lower() in written.lower()] == []


# --- pages ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_each_request_is_one_line_with_route_status_time_person_and_id(
    desk: Client, clinic: Clinic, patient: Patient, log: io.StringIO
) -> None:
    answer = desk.get(f"/patients/{patient.pk}/?q={NAME}")
    (line,) = [one for one in lines(log) if one["logger"] == "clinic.access"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "patients/<int:pk>/", 200)
    assert line["user_id"] == clinic.users[Role.FRONT_DESK].pk
    assert line["ms"] >= 0
    assert line["request_id"] == answer["X-Request-ID"]
    assert_discreet(log)


@pytest.mark.django_db
def test_searching_a_patient_and_asking_for_what_is_not_there_leaves_no_name(
    desk: Client, patient: Patient, log: io.StringIO
) -> None:
    assert desk.get("/patients/", {"q": f"{NAME} {FAMILY}"}).status_code == 200
    assert desk.get(f"/patients/{FAMILY}/").status_code == 404
    assert desk.post(f"/patients/{patient.pk}/", {"phone": PHONE}).status_code == 405
    assert {one["status"] for one in lines(log) if one["logger"] == "clinic.access"} == {200, 404, 405}
    assert_discreet(log)


@pytest.mark.django_db
def test_the_secret_link_of_a_patient_is_nowhere(
    client: Client, clinic: Clinic, patient: Patient, log: io.StringIO
) -> None:
    message = make_message(patient, clinic.location, now=messages_kit.NOW)
    secret = token(message, Purpose.VISIT)
    client.get(f"/v/{secret}/")
    client.get(f"/v/{secret}x/nowhere/")
    assert "v/<str:token>/" in {one.get("route") for one in lines(log)}
    assert_discreet(log, secret, secret.split(":")[0] + ":")


@pytest.mark.django_db
def test_probes_leave_no_line(client: Client, log: io.StringIO) -> None:
    client.get("/healthz")
    client.get("/accounts/login/")
    assert [one["route"] for one in lines(log) if one["logger"] == "clinic.access"] == ["accounts/login/"]


# --- errors -----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_an_error_in_a_view_says_its_kind_and_place_only(
    desk: Client, patient: Patient, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: HttpRequest, *_: Any, **__: Any) -> None:
        whom = f"{NAME} {FAMILY}, {SPOKEN}"
        raise ValueError(f"{whom} has no {request.GET['q']}") from KeyError(whom)

    monkeypatch.setattr("clinic.edge.context.current_location", broken)  # what every page asks for
    answer = desk.get("/setup/me/", {"q": MAIL})
    assert answer.status_code == 500
    (line,) = [one for one in lines(log) if one["logger"] == "django.request"]
    assert line["message"] == "Internal Server Error at setup/me/"
    assert "ValueError" in line["exc_info"]
    assert "KeyError" in line["exc_info"]
    assert "test_log_discretion.py" in line["exc_info"]
    assert line["request_id"] == answer["X-Request-ID"]
    assert_discreet(log, SPOKEN)


@pytest.mark.django_db
def test_a_broken_constraint_is_named_without_the_values_that_broke_it(log: io.StringIO) -> None:
    User.objects.create(username=f"{NAME}.{FAMILY}")
    with pytest.raises(IntegrityError, match=NAME) as caught, transaction.atomic():  # PostgreSQL says the value
        User.objects.create(username=f"{NAME}.{FAMILY}")
    logging.getLogger("clinic.views").error("It could not be saved: %s", caught.value, exc_info=caught.value)
    (line,) = lines(log)
    assert "duplicate key value violates unique constraint" in line["message"]
    assert "duplicate key value violates unique constraint" in line["exc_info"]
    assert_discreet(log)


def test_a_provider_that_fails_is_logged_without_whom_it_was_for(log: io.StringIO) -> None:
    def refuse(**asked: str) -> None:
        raise SMTPRecipientsRefused({asked["to"]: (550, f"no {NAME} {FAMILY} here: {asked['text']}".encode())})

    one = SimpleNamespace(
        message=SimpleNamespace(to=MAIL, uid="0"),
        rendered=SimpleNamespace(subject="Your visit", text=f"Hello {NAME}, call {PHONE}", html=""),
        provider=SimpleNamespace(name="smtp", send=refuse),
    )
    outcome = _ask(one)
    assert outcome.error is not None
    (line,) = lines(log)
    assert "SMTPRecipientsRefused" in line["exc_info"]
    assert_discreet(log)


@shared_task
def fails_for(name: str) -> None:
    raise LookupError(f"{name} {PHONE}")


@shared_task
def succeeds_for(name: str) -> str:
    return f"{name} {MAIL}"


def test_a_task_is_logged_without_arguments_result_and_error_text(log: io.StringIO) -> None:
    fails_for.apply(args=[NAME])
    succeeds_for.apply(kwargs={"name": FAMILY})
    failed, succeeded = [one for one in lines(log) if one["logger"] == "celery.app.trace"]
    assert failed["message"].startswith(f"Task {fails_for.name}[")
    assert "LookupError" in failed["exc_info"]
    assert "succeeded in" in succeeded["message"]
    assert_discreet(log)


def test_a_message_that_no_worker_understands_is_not_written_out(log: io.StringIO) -> None:
    logger = logging.getLogger("celery.worker.consumer.consumer")
    logger.error(UNKNOWN_TASK_ERROR, KeyError("a.task"), f"b'[[{NAME}]]'", {"argsrepr": f"['{PHONE}']"}, {})
    logger.critical(MESSAGE_DECODE_ERROR, KeyError(NAME), "json", "utf-8", {"argsrepr": MAIL}, FAMILY)
    assert [line["message"] for line in lines(log)] == [
        "Received unregistered task of type ….",
        "Can't decode message body: … [type:… encoding:… headers:…]",
    ]
    assert_discreet(log)


def test_gunicorns_line_about_a_broken_request_has_no_address(log: io.StringIO) -> None:
    problem, address = ValueError(f"broken pipe for {MAIL}"), f"/v/secret:of:a:patient/?q={NAME}"
    logging.getLogger("gunicorn.error").error("Error handling request %s", address, exc_info=problem)
    (line,) = lines(log)
    assert "ValueError" in line["exc_info"]
    assert_discreet(log, "secret")
    assert logging_config(level="DEBUG", as_json=True)["loggers"]["gunicorn.access"]["level"] == "CRITICAL"


def test_an_error_report_has_neither_values_nor_the_words_of_the_error(settings: Settings) -> None:
    with pytest.raises(ValueError, match=NAME) as caught:
        int(f"{NAME} {FAMILY}")
    assert f"{BareReporter.__module__}.{BareReporter.__name__}" == settings.DEFAULT_EXCEPTION_REPORTER
    report = BareReporter(None, caught.type, caught.value, caught.tb)
    for text in (report.get_traceback_text(), report.get_traceback_html()):
        assert "ValueError" in text
        assert NAME not in text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("to ada@example.org now", "to (e-mail) now"),
        ("call +12125550100", "call (number)"),
        ("call 212-555-0100 at 10:15", "call (number) at 10:15"),
        ("call (212) 555-0100", "call (number)"),
        ("opened /v/abc:def/move/", "opened (address)"),
        ("redis://user:word@host:6379/0", "redis://(secret)@host:6379/0"),
        ("duplicate key\nDETAIL:  Key (mrn)=(C-1) already exists.", "duplicate key\nDETAIL: (left out)"),
        ("Key (name)=(Ada) already exists", "Key (left out) already exists"),
        (
            "40 messages in 1.203 s, line 271, at 2027-01-04 09:00:00",
            "40 messages in 1.203 s, line 271, at 2027-01-04 09:00:00",
        ),
    ],
)
def test_what_looks_personal_is_taken_out_and_what_does_not_stays(text: str, left: str) -> None:
    assert without_persons(text) == left


@pytest.mark.parametrize(
    "problem", [ValueError(NAME), UnicodeDecodeError("utf-8", NAME.encode(), 0, 1, NAME), KeyError(NAME)]
)
def test_only_errors_of_machines_may_speak(problem: BaseException) -> None:
    assert what_happened(problem) == type(problem).__name__
    assert what_happened(OSError(28, NAME)) == "OSError: No space left on device"


# --- the id of a request ----------------------------------------------------------------------------------------------
PROPOSED = "0123456789abcdef0123456789abcdef"


@pytest.mark.django_db
def test_our_proxys_id_is_kept_and_nobody_elses(client: Client, settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert client.get("/accounts/login/", headers={"x-request-id": PROPOSED})["X-Request-ID"] == PROPOSED
    for odd in (NAME, f"{PROPOSED}x", PROPOSED.upper(), "", "../etc"):
        made = client.get("/accounts/login/", headers={"x-request-id": odd})["X-Request-ID"]
        assert made != odd
        assert requestid.WELL_FORMED.fullmatch(made)
    settings.SECURE_PROXY_SSL_HEADER = None
    assert client.get("/accounts/login/", headers={"x-request-id": PROPOSED})["X-Request-ID"] != PROPOSED


def test_a_task_carries_the_id_of_the_request_that_asked_for_it() -> None:
    headers: dict[str, Any] = {}
    mark = requestid.current.set(PROPOSED)
    try:
        wiring.send_request_id(headers=headers)
    finally:
        requestid.current.reset(mark)
    assert headers == {wiring.REQUEST_ID: PROPOSED}


def test_a_worker_carries_the_id_of_no_task_once_that_task_is_over() -> None:
    task = SimpleNamespace(request=SimpleNamespace(headers={wiring.REQUEST_ID: PROPOSED}))
    before = requestid.current.get()
    wiring._enter(task)
    assert requestid.current.get() == PROPOSED
    wiring._leave(task)
    assert requestid.current.get() == before


def test_outside_of_a_request_a_task_carries_none() -> None:
    headers: dict[str, Any] = {}
    wiring.send_request_id(headers=headers)
    assert headers == {}
