"""No name, subject or address adds a line to the head of a mail: whatever stood in the tables, nobody else gets a copy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message as Letter
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import Can
from clinic.tests.factories import Clinic, make_clinic
from courses.models import ReportMail
from courses.services.digest import send_digests
from courses.services.report_mail import tell_months
from courses.tests.db.test_digest import waiting as waiting_task
from courses.tests.series_kit import april, at
from patients.models import Channel, Message
from patients.services.alerts import tell_about
from patients.services.messages.planning import sweep
from patients.tests.alert_kit import make_alert
from patients.tests.factories import make_patient
from patients.tests.messages_kit import DAY_BEFORE, MAIL, NOW, agree, consultation, make_rule
from patients.tests.sending_kit import go

pytestmark = pytest.mark.django_db
BREAKS = ("\r\n", "\n", "\r", "\r\n ", "\x0b", "\u2028")
MORE = "Bcc: everybody@evil.example"
SEVEN = at(april(5), "07:00")
HEADS = {
    *("Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Content-Transfer-Encoding"),
    *("Auto-Submitted", "Resend-Idempotency-Key", "Reply-To"),
}


@pytest.fixture
def clinic() -> Clinic:
    """Clinician, desk and manager have an address, and their home is this clinic."""
    found = make_clinic()
    for person, address in (
        (found.clinician, "cora@clinic.example"),
        (found.desk, "dan@clinic.example"),
        (found.manager, "mona@clinic.example"),
    ):
        User.objects.filter(pk=person.pk).update(email=address, home_location=found.location)
        person.refresh_from_db()
    return found


@pytest.fixture
def spoilt(clinic: Clinic) -> Clinic:
    """An address of two lines stands in the tables, past every form: an import, a restored backup, a hand on the server."""
    for person in (clinic.clinician, clinic.manager):
        User.objects.filter(pk=person.pk).update(email=f"{person.username}@clinic.example\n{MORE}")
    return clinic


def letters() -> Iterator[Letter]:
    for one in mail.outbox:
        yield one.message()


def nobody_else_gets_one() -> None:
    for letter in letters():
        assert set(letter.keys()) <= HEADS, letter.items()
        assert "evil.example" not in f"{letter['To']} {letter['From']} {letter['Reply-To']}"
    assert not any("evil.example" in address for one in mail.outbox for address in one.recipients())


# --- what patients get ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("line_break", BREAKS)
def test_a_name_a_place_and_a_subject_of_two_lines_stay_one(clinic: Clinic, line_break: str) -> None:
    odd = f"Ada{line_break}{MORE}"
    patient = make_patient(odd, odd, preferred_name=odd, email=MAIL)
    agree(patient, Channel.EMAIL, MAIL)
    type(clinic.location).objects.filter(pk=clinic.location.pk).update(name=odd)
    clinic.location.refresh_from_db()
    rule = make_rule(clinic.location)
    rule.texts.update(subject="{first_name} " + odd + " {clinic}", email_text="{first_name} {clinic} {day}")
    consultation(clinic, patient)
    sweep(now=NOW)
    assert go(DAY_BEFORE).sent == 1
    (letter,) = letters()
    assert letter["To"] == MAIL
    assert letter["Bcc"] is None
    nobody_else_gets_one()


@pytest.mark.parametrize("line_break", BREAKS)
def test_an_address_of_two_lines_is_refused_and_somebody_is_told(clinic: Clinic, line_break: str) -> None:
    to = f"{MAIL}{line_break}{MORE}"
    patient = make_patient(email=to)
    agree(patient, Channel.EMAIL, to)
    make_rule(clinic.location)
    consultation(clinic, patient)
    sweep(now=NOW)
    go(DAY_BEFORE)
    assert mail.outbox == []
    assert Message.objects.get().state in ("failed", "to_call")


# --- what staff get ---------------------------------------------------------------------------------------------------
def test_an_alert_is_told_to_the_others_when_one_address_is_spoilt(spoilt: Clinic) -> None:
    User.objects.filter(pk=spoilt.manager.pk).update(email="mona@clinic.example")
    alert = make_alert(make_patient(), spoilt.location, NOW, escalated_at=NOW)
    assert tell_about(alert.pk, now=NOW) == 1
    assert [one.to for one in mail.outbox] == [["mona@clinic.example"]]
    nobody_else_gets_one()


def test_a_summary_of_the_morning_goes_to_the_others_when_one_address_is_spoilt(spoilt: Clinic) -> None:
    waiting_task(spoilt)
    make_alert(make_patient(), spoilt.location, SEVEN)
    send_digests(SEVEN)
    assert all(one.to == ["dan@clinic.example"] for one in mail.outbox)
    nobody_else_gets_one()


def test_a_monthly_report_goes_to_the_others_when_one_address_is_spoilt(spoilt: Clinic) -> None:
    for person in (spoilt.clinician, spoilt.manager, spoilt.desk):
        ReportMail.objects.create(owner=person, report="operations", location=spoilt.location, created_at=NOW)
    kinds = {"operations": ("Operations\r\nBcc: x@evil.example", Can.VIEW_OPERATION_REPORTS)}
    assert tell_months(datetime(2027, 4, 1, 12, 0, tzinfo=UTC), kinds) == 0  # a title of two lines is refused for all
    assert mail.outbox == []
    later = datetime(2027, 5, 1, 12, 0, tzinfo=UTC)
    tell_months(later, {"operations": ("Operations", Can.VIEW_OPERATION_REPORTS)})
    assert [one.to for one in mail.outbox] == [["dan@clinic.example"]]
    nobody_else_gets_one()


def test_a_link_for_a_new_password_goes_to_the_address_on_record_and_nowhere_else(clinic: Clinic) -> None:
    for typed in (f"cora@clinic.example{one}{MORE}" for one in BREAKS):
        Client().post("/accounts/password/reset/", {"email": typed})
    assert mail.outbox == []
    Client(REMOTE_ADDR="10.9.0.1").post("/accounts/password/reset/", {"email": "cora@clinic.example"})
    assert [one.to for one in mail.outbox] == [["cora@clinic.example"]]
    nobody_else_gets_one()


# --- what forms take --------------------------------------------------------------------------------------------------
def test_no_form_takes_an_address_of_two_lines(clinic: Clinic) -> None:
    manager, desk, place = Client(), Client(), clinic.location
    with time_machine.travel(NOW, tick=False):
        manager.force_login(clinic.manager)
        desk.force_login(clinic.desk)
    patient = make_patient("Ada", "Okafor")
    forms: tuple[tuple[Client, str, dict[str, Any]], ...] = (
        (manager, reverse("setup:staff_edit", args=[clinic.nurse.pk]), {"username": "nurse", "role": "nurse"}),
        (desk, reverse("patients:edit", args=[patient.pk]), {"given_name": "Ada", "family_name": "Okafor"}),
        (Client(), reverse("public:request", args=[place.pk]), {"given_name": "Ada", "family_name": "Okafor"}),
    )
    for line_break in ("\r\n", "\n"):
        for client, address, fields in forms:
            with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
                answer = client.post(address, fields | {"email": f"{MAIL}{line_break}{MORE}"})
            assert answer.status_code == 422, address
            assert "email" in answer.context["form"].errors, address
    assert not User.objects.filter(email__contains="evil").exists()
