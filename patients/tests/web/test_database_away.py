"""The database does not answer, or the disk is full: a plain page says so, and what it means for what was just done."""

from __future__ import annotations

import errno
from typing import Any

import psycopg2
import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, close_old_connections, connection
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from psycopg2 import errors as pg

from clinic.edge.database_away import RETRY_AFTER_S, why_away
from clinic.tests.factories import Clinic, make_clinic
from patients.tests.link_kit import words
from patients.views import ask
from patients.views.messages import calls

SPANISH = {"Accept-Language": "es-US,es;q=0.9,en;q=0.5"}


def of_server(state: str, kind: type[Exception] = OperationalError) -> Exception:
    """As Django raises what PostgreSQL answered under this number."""
    problem = kind("…")
    problem.__cause__ = pg.lookup(state)("…")
    problem.__cause__.__setstate__({"pgcode": state})
    return problem


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("53100", "disk"),
        ("53300", "database"),  # too many connections
        ("57P01", "database"),  # shut down
        ("57P03", "database"),  # starting up
        ("08006", "database"),
        ("58030", "database"),  # an error of the disk below
        ("40P01", None),  # a deadlock is tried again elsewhere
        ("40001", None),
        ("55P03", None),
        ("57014", None),  # a statement that took too long
    ],
)
def test_what_postgresql_says_is_told_apart_by_its_number(state: str, why: str | None) -> None:
    assert why_away(of_server(state)) == why


def test_without_a_number_the_connection_is_gone() -> None:
    lost = OperationalError("server closed the connection unexpectedly")
    lost.__cause__ = psycopg2.OperationalError("server closed the connection unexpectedly")
    assert why_away(lost) == "database"
    assert why_away(InterfaceError("connection already closed")) == "database"
    assert why_away(ProgrammingError("no such table")) is None
    assert why_away(RuntimeError("ours")) is None
    assert why_away(None) is None


def test_what_lies_behind_an_error_counts() -> None:
    outer = RuntimeError("could not be written")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert why_away(outer) == "disk"
    assert why_away(OSError(errno.ENOENT, "no such file")) is None


# --- the pages --------------------------------------------------------------------------------------------------------
@pytest.fixture
def clinic(db: None) -> Clinic:
    return make_clinic(phone="+12125550100")


@pytest.fixture
def quiet() -> Client:
    """Answers as the real server does."""
    return Client(raise_request_exception=False)


def failing(problem: Exception) -> Any:
    def fail(*_args: Any, **_more: Any) -> Any:
        raise problem

    return fail


def test_staff_read_that_the_page_comes_back_by_itself(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.force_login(clinic.desk)
    monkeypatch.setattr("patients.views.messages.calls.moment_of", failing(of_server("57P03")))
    answer = quiet.get(reverse("outbox:calls"))
    assert (answer.status_code, answer["Retry-After"]) == (503, str(RETRY_AFTER_S))
    assert answer["Cache-Control"] == "no-store, private"
    page = answer.content.decode()
    assert "The database does not answer." in page
    assert f'<meta http-equiv="refresh" content="{RETRY_AFTER_S}">' in page
    assert "was most likely not saved" not in page


def test_who_sent_something_reads_that_it_was_most_likely_not_saved_and_nothing_is_sent_again(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.force_login(clinic.desk)
    monkeypatch.setattr("patients.forms.registry.PatientForm.is_valid", failing(of_server("53100")))
    answer = quiet.post(reverse("patients:add"), {"given_name": "Iris"})
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "The server's disk is full." in page
    assert "was most likely not saved, and never by half" in page
    assert "http-equiv" not in page


def test_patients_read_it_in_their_language_with_whom_to_call(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "public_settings_of", failing(of_server("08006")))
    url = reverse("public:request", args=[clinic.location.pk])
    answer = quiet.get(url, headers=SPANISH)
    assert (answer.status_code, answer["Retry-After"]) == (503, str(RETRY_AFTER_S))
    assert "No disponible en este momento" in words(answer)
    assert "Sus citas con nosotros quedan como están" in words(answer)
    assert 'href="tel:+12125550100"' in answer.content.decode()
    assert "Not available just now" in words(quiet.get(url))


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_in_mid_request_is_told_and_the_next_request_has_another(
    quiet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = make_clinic(phone="+12125550100")
    quiet.force_login(clinic.desk)
    usual = calls.moment_of

    def end_own_backend(request: HttpRequest) -> Any:
        monkeypatch.setattr(calls, "moment_of", usual)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return usual(request)

    monkeypatch.setattr(calls, "moment_of", end_own_backend)
    answer = quiet.get(reverse("outbox:calls"))
    assert (answer.status_code, answer["Retry-After"]) == (503, str(RETRY_AFTER_S))
    close_old_connections()  # what Django does before each request; the test's client leaves it out
    assert quiet.get(reverse("outbox:calls")).status_code == 200
