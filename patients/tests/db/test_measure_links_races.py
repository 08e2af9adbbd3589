"""Two tabs, two devices, a double tap: real connections at the same instant, first without the guard."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from patients.models import Assessment, DangerAlert, LinkKind, MeasureLink, Patient
from patients.services.measure_links import (
    LinkRefusedError,
    Refusal,
    create_link,
    finish,
    open_link,
    revoke,
    save_answer,
)
from patients.services.merge import merge_patients
from patients.tests.factories import make_patient

if TYPE_CHECKING:
    from clinic.tests.fixtures.parallel import Parallel

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def send(patient: Patient, clinic: Clinic) -> tuple[MeasureLink, str]:
    return create_link(
        patient=patient,
        measures=["phq9", "gad7"],
        kind=LinkKind.PHONE,
        location=clinic.location,
        by=clinic.nurse,
        now=NOW,
    )


def say(token: str, item: int, value: int) -> None:
    save_answer(token, measure="phq9", item=item, value=value, seen=None, now=NOW)


def test_without_a_lock_two_answers_at_once_lose_one(clinic: Clinic, parallel: Parallel) -> None:
    """What code does that reads the draft, adds its answer and writes it back."""
    link, _ = send(make_patient(), clinic)
    both_read = threading.Barrier(2)

    def write(index: int) -> None:
        with transaction.atomic():
            row = MeasureLink.objects.get(pk=link.pk)
            both_read.wait(10)
            row.draft = {"phq9": {**row.draft.get("phq9", {}), str(index + 1): 1}}
            row.save(update_fields=["draft"])

    parallel(2, write)
    link.refresh_from_db()
    assert len(link.draft["phq9"]) == 1


def test_nine_answers_from_nine_screens_at_once_are_all_kept(clinic: Clinic, parallel: Parallel) -> None:
    link, token = send(make_patient(), clinic)
    outcomes = parallel(9, lambda index: say(token, index + 1, 1))
    assert [outcome.error for outcome in outcomes] == [None] * 9
    link.refresh_from_db()
    assert link.draft["phq9"] == {str(item): 1 for item in range(1, 10)}
    assert DangerAlert.objects.count() == 1


def test_without_a_lock_two_screens_both_believe_they_may_finish(clinic: Clinic, parallel: Parallel) -> None:
    _, token = send(make_patient(), clinic)
    say(token, 1, 2)
    both_looked = threading.Barrier(2)

    def look(_: int) -> bool:
        is_open = open_link(token, now=NOW).finished_at is None
        both_looked.wait(10)
        return is_open

    assert [outcome.value for outcome in parallel(2, look)] == [True, True]


def test_ten_screens_finish_at_once_and_it_is_recorded_exactly_once(clinic: Clinic, parallel: Parallel) -> None:
    link, token = send(make_patient(), clinic)
    say(token, 9, 1)
    save_answer(token, measure="gad7", item=1, value=1, seen=None, now=NOW)
    outcomes = parallel(10, lambda _: finish(token, now=NOW))
    refused = [outcome.error for outcome in outcomes if outcome.error]
    assert len(refused) == 9
    assert {error.why for error in refused if isinstance(error, LinkRefusedError)} == {Refusal.USED}
    assert sorted(row.measure for row in Assessment.objects.all()) == ["gad7", "phq9"]
    assert DangerAlert.objects.count() == 1
    link.refresh_from_db()
    assert link.draft == {}


def test_an_answer_that_comes_with_the_finish_is_either_in_it_or_refused(clinic: Clinic, parallel: Parallel) -> None:
    """Never written into a link that is finished already."""
    for _ in range(5):
        link, token = send(make_patient(), clinic)
        say(token, 1, 1)
        finished, said = parallel(2, lambda index, token=token: say(token, 2, 3) if index else finish(token, now=NOW))
        assert finished.error is None
        row = Assessment.objects.get(link=link)
        assert row.answers["2"] == (None if said.error else 3)
        link.refresh_from_db()
        assert link.draft == {}


def test_taking_a_link_back_and_finishing_it_at_once_ends_in_one_of_both(clinic: Clinic, parallel: Parallel) -> None:
    for _ in range(5):
        patient = make_patient()
        link, token = send(patient, clinic)
        say(token, 1, 1)

        def act(index: int, patient: Patient = patient, link: MeasureLink = link, token: str = token) -> None:
            if index:
                revoke(patient_id=patient.pk, link_id=link.pk, by=clinic.desk, now=NOW)
            else:
                finish(token, now=NOW)

        finished, revoked = parallel(2, act)
        link.refresh_from_db()
        assert revoked.error is None
        assert (link.finished_at is None) == (link.revoked_at is not None)
        assert (link.finished_at is None) == (finished.error is not None)


def test_a_merge_and_a_finish_at_once_wait_for_each_other(clinic: Clinic, parallel: Parallel) -> None:
    for _ in range(5):
        kept, duplicate = make_patient(), make_patient("Adah")
        link, token = send(duplicate, clinic)
        say(token, 1, 1)

        def act(index: int, kept: Patient = kept, duplicate: Patient = duplicate, token: str = token) -> None:
            if index:
                merge_patients(kept_id=kept.pk, duplicate_id=duplicate.pk, by=clinic.clinician, now=NOW)
            else:
                finish(token, now=NOW)

        assert [outcome.error for outcome in parallel(2, act)] == [None, None]
        assert Assessment.objects.get(link=link).patient == kept


def test_two_tabs_press_send_at_once_and_one_is_told_that_it_reached_us(clinic: Clinic, parallel: Parallel) -> None:
    """Through the pages: whoever comes second is not shown an error."""
    link, token = send(make_patient(), clinic)
    MeasureLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() + timedelta(days=1))
    save_answer(token, measure="phq9", item=1, value=1, seen=None, now=timezone.now())
    path = reverse("public:questionnaire_review", args=[token])
    answers = [outcome.value for outcome in parallel(4, lambda _: Client().post(path))]
    assert sorted(answer.status_code for answer in answers) == [302, 410, 410, 410]
    assert all("answered already" in answer.content.decode() for answer in answers if answer.status_code == 410)
    assert Assessment.objects.filter(link=link).count() == 1
