"""Two prescribers decide one review at the same instant: one decision stands, the other is told. Real connections."""

from __future__ import annotations

from decimal import Decimal
from threading import Barrier
from typing import Any

import pgtrigger
import pytest
import time_machine
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.parallel import Parallel
from courses.models import Revision, RevisionKind, Task
from courses.services import reviews as service
from courses.services.reviews import AlreadyDecidedError
from courses.services.worklists.engine import TaskClosedError
from courses.tests.review_kit import NOW, given_four
from courses.tests.series_kit import Booked

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = [RevisionKind.REVIEWED, RevisionKind.DOSE]


def decide(index: int, booked: Booked, task: Task) -> Revision:
    """One goes on as planned, the other changes the dose."""
    if index == 0:
        return service.continue_as_planned(task.pk, by=booked.clinician, now=NOW)
    return service.change_dose(task.pk, basis="mg_per_kg", amount=Decimal(1), reason="x", by=booked.clinician, now=NOW)


def decisions() -> list[str]:
    return sorted(Revision.objects.filter(kind__in=KINDS).values_list("kind", flat=True))


def without_the_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither patient nor task is locked, and both have read that the review is open before either writes."""
    wait, read = Barrier(2, timeout=20).wait, service.read_review

    def read_both(*args: Any) -> Any:
        found = read(*args)
        wait()
        return found

    monkeypatch.setattr(service, "locked_course", lambda _pk: None)
    monkeypatch.setattr(Task.objects, "select_for_update", lambda **_: Task.objects.all())
    monkeypatch.setattr(service, "read_review", read_both)


def test_without_the_locks_and_the_trigger_both_decisions_stand(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = given_four()
    task = Task.objects.open().get(key__endswith=":4")
    without_the_locks(monkeypatch)
    monkeypatch.setattr("courses.services.worklists.engine._locked", lambda pk: Task.objects.get(pk=pk))
    monkeypatch.setattr(service, "end_task", lambda *_args, **_kwargs: None)  # it asks once more whether it is open

    def act(index: int) -> Revision:
        with pgtrigger.ignore("courses.Task:closed_stays_closed"):
            return decide(index, booked, task)

    assert [one.error for one in parallel(2, act)] == [None, None]
    assert decisions() == [RevisionKind.DOSE, RevisionKind.REVIEWED]  # go on as planned, and with another dose


def test_without_the_locks_the_second_is_stopped_late_and_not_told_what_was_decided(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked = given_four()
    task = Task.objects.open().get(key__endswith=":4")
    without_the_locks(monkeypatch)
    (error,) = [one.error for one in parallel(2, lambda index: decide(index, booked, task)) if one.error is not None]
    assert isinstance(error, TaskClosedError | DatabaseError)  # the page knows neither: it would be an error page
    assert len(decisions()) == 1


def test_two_prescribers_at_once_and_one_is_told_what_was_decided(parallel: Parallel) -> None:
    booked = given_four()
    task = Task.objects.open().get(key__endswith=":4")
    (error,) = [one.error for one in parallel(2, lambda index: decide(index, booked, task)) if one.error is not None]
    assert isinstance(error, AlreadyDecidedError)
    assert len(decisions()) == 1


def test_on_the_page_the_second_gets_409_with_what_the_first_decided(parallel: Parallel) -> None:
    booked = given_four()
    task = Task.objects.open().get(key__endswith=":4")
    address = reverse("following:review", args=[booked.course.pk, task.pk])
    sent = [
        {"choice": "continue", "note": ""},
        {"choice": "treatment", "what": "Sertraline", "reason": "Partial", "responsible": "Dr. Lang"},
    ]
    people = [booked.clinician, make_user(Role.CLINICIAN)]
    clients = [Client(), Client()]

    with time_machine.travel(NOW, tick=False):
        for client, person in zip(clients, people, strict=True):
            client.force_login(person)
        answers = [one.value for one in parallel(2, lambda index: clients[index].post(address, sent[index]))]
    assert sorted(answer.status_code for answer in answers if answer is not None) == [302, 409]
    refused = next(answer for answer in answers if answer is not None and answer.status_code == 409)
    assert "ended this review meanwhile" in refused.content.decode()
    assert Revision.objects.filter(kind__in=[RevisionKind.REVIEWED, RevisionKind.TREATMENT]).count() == 1
