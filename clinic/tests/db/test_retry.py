"""A true deadlock between a request and a stranger (two connections): run again, once more, or said in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client

from clinic.edge import retry
from clinic.models import AccessLog
from clinic.pure.sqlstates import sqlstate
from clinic.tests import deadlock_kit as kit
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Outcome, run_parallel
from clinic.tests.pure.test_repeated import task_of
from patients.tests.link_kit import words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("parallel")]
TRIES = retry.ATTEMPTS


@pytest.fixture(autouse=True)
def rows(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = kit.__name__
    kit.make_rows()
    kit.after_commit.clear()
    kit.runs.clear()
    yield
    kit.drop_rows()


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100")


@pytest.fixture
def desk(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.desk)
    return client


def against_a_stranger(work: Any, *, deadlocks: int) -> Outcome:
    """What `work()` came to while a stranger won so many deadlocks against it."""
    with kit.Stranger(deadlocks) as stranger:
        ours, theirs = run_parallel(2, lambda index: stranger.win() if index else work())
    assert theirs.error is None, theirs.error
    return ours


def post(client: Client, page: str, *, deadlocks: int, **more: Any) -> Any:
    data = {"word": "kept", "paper": SimpleUploadedFile("a.txt", b"all of it")}
    ours = against_a_stranger(lambda: client.post(page, data, **more), deadlocks=deadlocks)
    if ours.error:
        raise ours.error
    return ours.value


# --- a request --------------------------------------------------------------------------------------------------------
def test_without_the_middleware_a_deadlock_is_an_error_and_nothing_is_written(desk: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != "clinic.edge.retry.TryAgain"]
    with pytest.raises(OperationalError) as raised:
        post(desk, "/deadlock/one/", deadlocks=1)
    assert sqlstate(raised.value) == "40P01"
    assert kit.added() == [0, 0, 0]
    desk.raise_request_exception = False
    assert post(desk, "/deadlock/one/", deadlocks=1).status_code == HTTPStatus.INTERNAL_SERVER_ERROR


@pytest.mark.parametrize("deadlocks", [1, TRIES - 1])
def test_with_it_the_view_runs_again_and_all_is_written_once(desk: Client, deadlocks: int) -> None:
    answer = post(desk, "/deadlock/one/", deadlocks=deadlocks)
    assert answer.status_code == HTTPStatus.OK
    assert kit.runs == ["one"] * (deadlocks + 1)
    assert kit.added() == [1, 1, 0]
    assert kit.after_commit == ["done"]


def test_nothing_of_the_failed_run_stays_and_what_was_sent_is_read_again(desk: Client) -> None:
    answer = post(desk, "/deadlock/one/", deadlocks=1)
    assert answer.json() == {"was_here": 0, "upload": "all of it", "word": "kept"}
    assert desk.session["runs"] == ["one"]
    assert [str(one) for one in get_messages(answer.wsgi_request)] == ["Added"]


def test_after_three_failures_a_plain_page_says_so_and_nothing_is_saved(desk: Client) -> None:
    answer = post(desk, "/deadlock/one/", deadlocks=TRIES)
    assert (answer.status_code, answer["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")
    assert "Somebody else was writing at the same time" in words(answer)
    assert "Nothing of yours was saved" in words(answer)
    assert kit.runs == ["one"] * TRIES
    assert kit.added() == [0, 0, 0]
    assert kit.after_commit == []
    assert post(desk, "/deadlock/one/", deadlocks=0).status_code == HTTPStatus.OK  # press again
    assert kit.added() == [1, 1, 0]


def test_a_part_of_a_page_is_told_in_one_sentence_that_its_script_shows(desk: Client) -> None:
    answer = post(desk, "/deadlock/one/", deadlocks=TRIES, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["Content-Type"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8")
    assert answer.content.decode().startswith("Nothing of yours was saved, because somebody else was writing")


def test_a_patient_behind_a_link_gets_it_done_without_noticing(clinic: Clinic) -> None:
    answer = post(Client(), "/v/abc/deadlock/", deadlocks=1)
    assert (answer.status_code, kit.added()) == (HTTPStatus.OK, [1, 1, 0])


def test_a_patient_is_told_in_their_language_when_it_fails_three_times(clinic: Clinic) -> None:
    answer = post(Client(), "/v/abc/deadlock/", deadlocks=TRIES, headers={"Accept-Language": "es"})
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "No se guardó nada suyo" in words(answer)
    assert "(212) 555-0100" in words(answer)
    assert kit.added() == [0, 0, 0]


@pytest.mark.parametrize("page", ["two", "statement"])
def test_a_view_that_had_committed_before_is_not_run_twice(desk: Client, page: str) -> None:
    answer = post(desk, f"/deadlock/{page}/", deadlocks=1)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "A part of what you did is saved" in words(answer)
    assert kit.runs == [page]
    assert kit.added() == [0, 0, 1]


@pytest.mark.parametrize("page", ["undone", "looked"])
def test_what_was_rolled_back_and_the_log_of_readings_do_not_count_as_committed(desk: Client, page: str) -> None:
    assert post(desk, f"/deadlock/{page}/", deadlocks=1).status_code == HTTPStatus.OK
    assert kit.added() == [1, 1, 0]
    assert AccessLog.objects.count() == (page == "looked")  # the second reading within five minutes is the same one


def test_an_upload_that_was_closed_cannot_be_sent_again_so_the_person_is_asked_to(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closing(before: retry.Before) -> bool:
        vars(before._request)["_files"]["paper"].close()
        return rewind(before)

    rewind = retry.Before._rewind
    monkeypatch.setattr(retry.Before, "_rewind", closing)
    answer = post(desk, "/deadlock/one/", deadlocks=1)
    assert (answer.status_code, kit.runs) == (HTTPStatus.SERVICE_UNAVAILABLE, ["one"])


def test_another_error_of_the_database_goes_its_usual_way(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        kit.runs.append("gone")
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(kit, "add_to_both", gone)
    with pytest.raises(OperationalError):
        desk.post("/deadlock/one/")
    assert kit.runs == ["one", "gone"]


def test_the_connection_is_as_good_as_before_after_all_this(desk: Client) -> None:
    desk.get("/")
    before = list(connection.execute_wrappers)  # the metrics count on the connection for as long as it lives
    post(desk, "/deadlock/one/", deadlocks=1)
    assert connection.execute_wrappers == before
    assert not any(isinstance(one, retry.Watch) for one in before)
    assert desk.get("/").status_code == HTTPStatus.OK


# --- a task -----------------------------------------------------------------------------------------------------------
def test_a_task_that_loses_a_deadlock_is_run_again_and_all_is_written_once() -> None:
    assert against_a_stranger(task_of(kit.add_to_both), deadlocks=1).error is None
    assert kit.added() == [1, 1, 0]
    assert kit.after_commit == ["done"]
