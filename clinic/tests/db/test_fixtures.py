"""The helpers of the tests do what tests rely on; each can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection

from clinic.tests.fixtures.ledger import RECORD, Entry
from clinic.tests.fixtures.parallel import Parallel


def ask(times: int) -> None:
    with connection.cursor() as cursor:
        for _ in range(times):
            cursor.execute("SELECT 1")


@pytest.fixture
def no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RECORD, raising=False)


@pytest.mark.django_db
@pytest.mark.usefixtures("no_recording")
def test_the_ledger_accepts_the_recorded_count_and_refuses_another(tmp_path: Path) -> None:
    ledger = tmp_path / "query_counts.json"
    ledger.write_text(json.dumps({"page": 2}), encoding="utf-8")
    with Entry(ledger, "page", at_most=12):
        ask(2)
    with (
        pytest.raises(pytest.fail.Exception, match=r"3 queries instead of 2(.|\n)*3\. SELECT 1"),
        Entry(ledger, "page", at_most=12),
    ):
        ask(3)


@pytest.mark.django_db
@pytest.mark.usefixtures("no_recording")
def test_the_ledger_refuses_what_it_does_not_know_and_what_is_over_budget(tmp_path: Path) -> None:
    ledger = tmp_path / "query_counts.json"
    with pytest.raises(pytest.fail.Exception, match="no entry 'page'"), Entry(ledger, "page", at_most=12):
        ask(1)
    with pytest.raises(pytest.fail.Exception, match="13 queries, at most 12"), Entry(ledger, "page", at_most=12):
        ask(13)


@pytest.mark.django_db
def test_the_ledger_records_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RECORD, "1")
    ledger = tmp_path / "query_counts.json"
    for name, times in (("b", 1), ("a", 4)):
        with Entry(ledger, name, at_most=12):
            ask(times)
    assert ledger.read_text(encoding="utf-8") == '{\n  "a": 4,\n  "b": 1\n}\n'


def test_the_ledger_cannot_be_called_without_with(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from clinic.tests.fixtures.ledger import queries")
    pytester.mkpydir("tests").joinpath("test_it.py").write_text("def test_it(queries):\n    queries('page')\n")
    run = pytester.runpytest_inprocess("-p", "no:django", "-p", "no:cacheprovider")
    assert run.parseoutcomes() == {"passed": 1, "errors": 1}
    assert "queries('page') was called without `with`, so nothing was counted" in run.stdout.str()


def test_parallel_threads_have_their_own_connections(parallel: Parallel) -> None:
    def backend(_: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    outcomes = parallel(8, backend)
    assert len({outcome.value for outcome in outcomes}) == 8
    assert not any(outcome.error for outcome in outcomes)


def test_parallel_threads_see_committed_rows_and_report_their_errors(parallel: Parallel) -> None:
    users = get_user_model().objects
    users.create_user(username="nurse")

    def look(index: int) -> int:
        if index == 1:
            raise ValueError("the second thread")
        return users.count()

    outcomes = parallel(2, look)
    assert outcomes[0].value == 1
    assert str(outcomes[1].error) == "the second thread"


@pytest.mark.parametrize("number", [1, 2])
def test_no_test_meets_the_cache_of_another(number: int) -> None:
    assert cache.get("left-behind") is None
    cache.set("left-behind", number, timeout=30)
    assert cache.get("left-behind") == number
