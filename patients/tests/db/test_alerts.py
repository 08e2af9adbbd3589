"""Danger alerts: raised once, acknowledged once with what was done, escalated once, and nothing said outside."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied

from clinic.pure.roles import Role
from clinic.services import jobs
from clinic.tests.factories import Clinic, make_clinic, make_shifts, make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.models import AlertKind, DangerAlert, IntakeSettings
from patients.services import alerts
from patients.services.alerts import (
    AlertStateError,
    DeedMissingError,
    acknowledge_alert,
    alerts_for_today,
    escalate_overdue,
    people_to_tell,
    raise_alert,
    take_alert,
    tell_about,
    tell_untold,
)
from patients.tasks import alerts as tasks
from patients.tests.alert_kit import DETAIL, make_alert
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_score

NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture
def clinic(db: None) -> Clinic:
    return reachable(make_clinic())


def reachable(clinic: Clinic) -> Clinic:
    for user in clinic.users.values():
        user.email = f"{user.username}@clinic.example"
        user.save()
    return clinic


def waiting(clinic: Clinic, **fields: Any) -> DangerAlert:
    return make_alert(make_patient("Xanthippe", "Quillfeather"), clinic.location, NOW, **fields)


# -- raising and acknowledging -----------------------------------------------------------------------------------------


def test_the_same_answer_raises_one_alert_and_one_task_that_knows_only_an_id(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[str, tuple[Any, ...]]] = []
    monkeypatch.setattr(jobs.current_app, "send_task", lambda name, args: sent.append((name, args)))
    ada = make_patient()
    known = {"kind": AlertKind.PHQ9_ITEM9, "detail": DETAIL, "location": clinic.location, "now": NOW, "patient": ada}
    answered = make_score(ada, "phq9", 2, None, NOW)
    with django_capture_on_commit_callbacks(execute=True):
        first = raise_alert(assessment=answered, **known)
        assert raise_alert(assessment=answered, **known) == first
    assert sent == [("patients.tasks.alerts.tell", (first.pk,))]


def test_a_broker_that_cannot_be_reached_takes_nothing_away(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise jobs.OperationalError("no broker")

    monkeypatch.setattr(jobs.current_app, "send_task", fail)
    ada = make_patient()
    with django_capture_on_commit_callbacks(execute=True):
        raise_alert(
            kind=AlertKind.PHQ9_ITEM9,
            detail=DETAIL,
            location=clinic.location,
            now=NOW,
            patient=ada,
            assessment=make_score(ada, "phq9", 2, None, NOW),
        )
    assert DangerAlert.objects.waiting().count() == 1


def test_a_clinician_acknowledges_with_what_was_done_and_only_once(clinic: Clinic) -> None:
    alert = waiting(clinic)
    done = acknowledge_alert(alert.pk, what_was_done=" Called. ", by=clinic.clinician, now=NOW)
    assert (done.acknowledged_by, done.acknowledged_at, done.what_was_done) == (clinic.clinician, NOW, "Called.")
    assert done.assigned_to == clinic.clinician
    other = make_user(Role.CLINICIAN, username="other")
    with pytest.raises(AlertStateError, match=r"Hart, MD acknowledged this already") as there:
        acknowledge_alert(alert.pk, what_was_done="Me too", by=other, now=NOW)
    assert there.value.alert.what_was_done == "Called."
    with pytest.raises(AlertStateError):
        take_alert(alert.pk, by=other, now=NOW)


@pytest.mark.parametrize("who", ["desk", "nurse", "manager"])
def test_nobody_else_takes_or_acknowledges(clinic: Clinic, who: str) -> None:
    alert, by = waiting(clinic), getattr(clinic, who)
    with pytest.raises(PermissionDenied):
        acknowledge_alert(alert.pk, what_was_done="Called", by=by, now=NOW)
    with pytest.raises(PermissionDenied):
        take_alert(alert.pk, by=by, now=NOW)
    assert DangerAlert.objects.waiting().filter(assigned_to__isnull=True).exists()


def test_without_saying_what_was_done_it_goes_on_waiting(clinic: Clinic) -> None:
    alert = waiting(clinic)
    with pytest.raises(DeedMissingError):
        acknowledge_alert(alert.pk, what_was_done="  ", by=clinic.clinician, now=NOW)
    assert DangerAlert.objects.waiting().count() == 1


def test_taking_it_names_who_answers_for_it(clinic: Clinic) -> None:
    assert take_alert(waiting(clinic).pk, by=clinic.clinician, now=NOW).assigned_to == clinic.clinician


# -- escalating --------------------------------------------------------------------------------------------------------


def test_it_escalates_after_the_locations_minutes_and_once(clinic: Clinic) -> None:
    alert = waiting(clinic)
    assert escalate_overdue(NOW + timedelta(minutes=29)) == 0
    assert escalate_overdue(NOW + timedelta(minutes=30)) == 1  # [D] 30 by default
    assert escalate_overdue(NOW + timedelta(minutes=31)) == 0
    alert.refresh_from_db()
    assert alert.escalated_at == NOW + timedelta(minutes=30)
    IntakeSettings.objects.create(location=clinic.location, escalate_after_min=5)
    assert waiting(clinic).escalated_at is None
    assert escalate_overdue(NOW + timedelta(minutes=5)) == 1


def test_what_was_acknowledged_never_escalates(clinic: Clinic) -> None:
    alert = waiting(clinic)
    acknowledge_alert(alert.pk, what_was_done="Called", by=clinic.clinician, now=NOW)
    assert escalate_overdue(NOW + timedelta(days=1)) == 0


def test_today_shows_the_escalated_ones_of_every_location_first(clinic: Clinic) -> None:
    elsewhere = make_clinic("Uptown")
    late = waiting(clinic, raised_at=NOW + timedelta(minutes=5))
    early = waiting(clinic)
    far = make_alert(make_patient(), elsewhere.location, NOW)
    assert alerts_for_today(clinic.location) == [early, late]
    DangerAlert.objects.filter(pk=far.pk).update(escalated_at=NOW)
    assert alerts_for_today(clinic.location) == [far, early, late]
    assert alerts_for_today(elsewhere.location) == [far]


# -- telling -----------------------------------------------------------------------------------------------------------


def test_the_whole_message_says_nothing_but_to_open_cadence(clinic: Clinic) -> None:
    """Source: issue 3 ("nothing about it goes into an e-mail or SMS"); clinical.md G ("Safety replies")."""
    alert = waiting(clinic)
    assert tell_about(alert.pk, now=NOW) == 1
    message = mail.outbox[0]
    assert message.to == [clinic.clinician.email]
    assert message.subject == "Something in Cadence needs you"
    assert message.body == "Something in Cadence needs you. Please open Cadence.\n"
    assert not message.attachments
    whole = message.message().as_string().lower()
    for secret in ("quillfeather", "xanthippe", "phq", "item", "danger", "suicid", "ketamine", alert.patient.mrn):
        assert secret not in whole


def test_first_the_clinicians_then_the_managers_too(clinic: Clinic) -> None:
    elsewhere = reachable(make_clinic("Uptown"))
    alert = waiting(clinic)
    assert people_to_tell(alert) == [clinic.clinician]
    make_shifts(elsewhere.clinician, clinic.location)
    assert {one.pk for one in people_to_tell(alert)} == {clinic.clinician.pk, elsewhere.clinician.pk}
    take_alert(alert.pk, by=elsewhere.clinician, now=NOW)
    alert.refresh_from_db()
    assert people_to_tell(alert) == [elsewhere.clinician]
    DangerAlert.objects.update(escalated_at=NOW)
    alert.refresh_from_db()
    assert {one.pk for one in people_to_tell(alert)} == {
        clinic.clinician.pk,
        elsewhere.clinician.pk,
        clinic.manager.pk,
    }


def test_where_nobody_of_the_location_can_be_written_to_everybody_with_the_role_is(clinic: Clinic) -> None:
    empty = make_clinic("Uptown")
    assert people_to_tell(make_alert(make_patient(), empty.location, NOW)) == [clinic.clinician]


def test_a_mail_server_that_refuses_one_person_does_not_keep_the_next_from_being_told(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = waiting(clinic, escalated_at=NOW)
    usual = alerts.EmailMessage.send

    def send(message: Any, **known: Any) -> int:
        if message.to == [clinic.clinician.email]:
            raise SMTPRecipientsRefused({})
        return usual(message, **known)

    monkeypatch.setattr(alerts.EmailMessage, "send", send)
    assert tell_about(alert.pk, now=NOW) == 1
    assert [message.to for message in mail.outbox] == [[clinic.manager.email]]


def test_acknowledged_meanwhile_nobody_is_written_to(clinic: Clinic) -> None:
    alert = waiting(clinic)
    acknowledge_alert(alert.pk, what_was_done="Called", by=clinic.clinician, now=NOW)
    assert tasks.tell(alert.pk) == 0
    assert not mail.outbox


def test_told_once_and_once_more_when_it_is_escalated(clinic: Clinic) -> None:
    """A task that a broker delivers twice, and the sweep, write to nobody again."""
    alert, later = waiting(clinic), NOW + timedelta(hours=1)
    assert [tell_about(alert.pk, now=NOW), tell_about(alert.pk, now=NOW), tell_untold(later)] == [1, 0, 0]
    escalate_overdue(later)
    assert [tell_about(alert.pk, now=later), tell_about(alert.pk, now=later)] == [2, 0]
    assert len(mail.outbox) == 3


def test_what_no_worker_told_about_is_told_by_the_sweep_a_minute_later(clinic: Clinic) -> None:
    waiting(clinic)
    assert tell_untold(NOW + timedelta(seconds=30)) == 0
    assert tell_untold(NOW + timedelta(minutes=1)) == 1
    assert [message.to for message in mail.outbox] == [[clinic.clinician.email]]


def test_where_no_mail_left_at_all_it_is_tried_again(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = waiting(clinic)

    def refuse(*_: Any, **__: Any) -> int:
        raise SMTPRecipientsRefused({})

    with monkeypatch.context() as broken:
        broken.setattr(alerts.EmailMessage, "send", refuse)
        assert tell_about(alert.pk, now=NOW) == 0
    assert tell_untold(NOW + timedelta(minutes=2)) == 1


def test_it_goes_through_the_queue_of_messages(settings: Any) -> None:
    assert settings.CELERY_TASK_ROUTES["patients.tasks.alerts.tell"] == {"queue": "messages"}


# -- two at once -------------------------------------------------------------------------------------------------------


def acknowledged_by_two(parallel: Parallel) -> list[Any]:
    clinic = reachable(make_clinic())
    other = make_user(Role.CLINICIAN, username="other")
    alert = waiting(clinic)

    def act(index: int) -> Any:
        by = (clinic.clinician, other)[index]
        return acknowledge_alert(alert.pk, what_was_done=f"Deed {index}", by=by, now=NOW)

    return [outcome.error for outcome in parallel(2, act)]


def test_without_the_lock_both_would_think_that_they_did(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Barrier(2)

    def unlocked(alert_id: int) -> DangerAlert:
        found = DangerAlert.objects.get(pk=alert_id)
        gate.wait(10)
        return found

    monkeypatch.setattr(alerts, "_waiting", unlocked)
    assert acknowledged_by_two(parallel) == [None, None]  # and one of the two deeds is lost


def test_of_two_who_acknowledge_at_once_one_is_told_that_the_other_did(parallel: Parallel) -> None:
    errors = [error for error in acknowledged_by_two(parallel) if error is not None]
    assert [type(error) for error in errors] == [AlertStateError]
    assert DangerAlert.objects.get().what_was_done == errors[0].alert.what_was_done


def test_two_sweeps_escalate_it_once(parallel: Parallel) -> None:
    clinic = reachable(make_clinic())
    waiting(clinic)
    late = NOW + timedelta(hours=1)
    assert sorted(one.value for one in parallel(3, lambda _index: escalate_overdue(late))) == [0, 0, 1]


def told_by_four(parallel: Parallel) -> int:
    clinic = reachable(make_clinic())
    alert = waiting(clinic)
    parallel(4, lambda _index: tell_about(alert.pk, now=NOW))
    return len(mail.outbox)


def test_without_the_claim_each_worker_writes(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_mark_told", lambda *_, **__: True)
    assert told_by_four(parallel) == 4


def test_four_workers_tell_once(parallel: Parallel) -> None:
    assert told_by_four(parallel) == 1
