"""Rows written by one statement stand in the table as they do in the objects."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import DataError, IntegrityError, transaction

from clinic.models import CaughtMail
from clinic.services.at_once import update_at_once

pytestmark = pytest.mark.django_db

AT = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
LATER = datetime(2027, 3, 14, 7, 30, 0, 123456, tzinfo=UTC)


def mails(count: int = 3) -> list[CaughtMail]:
    return [CaughtMail.objects.create(channel="sms", to=f"to {n}", text=f"text {n}", at=AT) for n in range(count)]


def test_each_row_gets_its_own_values_by_one_statement(django_assert_num_queries: object) -> None:
    rows = mails()
    for number, row in enumerate(rows):
        row.text, row.at, row.to = f"it's {{{number}}} – ñ \\ \" %s", LATER, "never written"
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert update_at_once(rows[:2], ["text", "at"]) == 2
    assert list(CaughtMail.objects.order_by("pk").values_list("to", "text", "at")) == [
        ("to 0", "it's {0} – ñ \\ \" %s", LATER),
        ("to 1", "it's {1} – ñ \\ \" %s", LATER),
        ("to 2", "text 2", AT),
    ]


def test_rows_that_have_changed_hands_are_left_alone() -> None:
    rows = mails()
    CaughtMail.objects.filter(pk=rows[1].pk).update(channel="email")
    for row in rows:
        row.text = "mine"
    assert update_at_once(rows, ["text"], only={"channel": "sms"}) == 2
    assert list(CaughtMail.objects.order_by("pk").values_list("text", flat=True)) == ["mine", "text 1", "mine"]


def test_a_text_that_is_too_long_is_refused_and_not_cut() -> None:
    rows = mails(2)
    rows[1].to = "x" * 255
    with pytest.raises(DataError), transaction.atomic():
        update_at_once(rows, ["to"])
    assert CaughtMail.objects.get(pk=rows[0].pk).to == "to 0"


def test_what_may_not_be_empty_is_refused() -> None:
    rows = mails(1)
    rows[0].at = None
    with pytest.raises(IntegrityError), transaction.atomic():
        update_at_once(rows, ["at"])


def test_nothing_to_write_is_no_statement(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert update_at_once([], ["text"]) == 0
