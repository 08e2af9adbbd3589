"""The summary of the morning: who has it, when, once; numbers and links, no names (issue 6, "Staff messages")."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail

from clinic.models import Closure, User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_shifts, make_user
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import Task, TaskKind
from courses.services import digest
from courses.services.digest import send_digests
from courses.tests.follow_kit import make_plain_course
from courses.tests.series_kit import april, at
from patients.tests.alert_kit import make_alert
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
SEVEN = at(april(5), "07:00")  # a Monday in New York


@pytest.fixture
def clinic() -> Clinic:
    """Only the clinician and the desk have an address; their home is this clinic."""
    found = make_clinic()
    User.objects.update(email="")
    for person, address in ((found.clinician, "cora@clinic.example"), (found.desk, "dan@clinic.example")):
        person.email, person.home_location = address, found.location
        person.save(update_fields=["email", "home_location"])
    return found


def waiting(clinic: Clinic, kind: TaskKind = TaskKind.REVIEW, **fields: Any) -> Task:
    """A task of a course of this clinic's clinician, due."""
    patient = make_patient("Xanthippe", "Quillfeather")
    course = make_plain_course(clinic, patient, [april(2)])
    values = {"text": "Review due", "due_on": april(5), "opened_at": SEVEN, "key": f"test:{course.pk}"} | fields
    return Task.objects.create(kind=kind, patient=patient, location=clinic.location, course=course, **values)


def to() -> list[str]:
    return sorted(address for message in mail.outbox for address in message.to)


# -- what it says ------------------------------------------------------------------------------------------------------


def test_it_has_numbers_and_links_and_no_name_of_a_patient(clinic: Clinic, settings: Any) -> None:
    settings.CADENCE_BASE_URL = "https://cadence.example"
    task = waiting(clinic)
    waiting(clinic)
    assert task.patient is not None
    make_alert(task.patient, clinic.location, SEVEN)
    assert send_digests(SEVEN) == 2
    message = next(one for one in mail.outbox if one.to == ["cora@clinic.example"])
    assert message.subject == "Cadence: 3 things need you today"
    assert "- 1 danger signal waits: https://cadence.example/alerts/" in message.body
    assert "- 2 tasks of yours are due: https://cadence.example/" in message.body
    whole = message.message().as_string().lower()
    for secret in ("quillfeather", "xanthippe", task.patient.mrn, "phq", "ketamine", "depress"):
        assert secret not in whole


def test_the_desk_has_its_own_lists_and_not_what_only_a_prescriber_decides(clinic: Clinic) -> None:
    waiting(clinic)
    assert send_digests(SEVEN) == 1
    assert to() == ["cora@clinic.example"]
    mail.outbox.clear()
    waiting(clinic, TaskKind.MAINTENANCE)
    send_digests(at(april(6), "07:00"))
    said = {message.to[0]: message.body for message in mail.outbox}
    assert "1 task of the front desk is due" in said["dan@clinic.example"]
    assert "front desk" not in said["cora@clinic.example"]


def test_what_was_put_off_or_is_not_due_yet_needs_nobody(clinic: Clinic) -> None:
    waiting(clinic, due_on=april(6))
    waiting(clinic, later_until=april(9), later_reason="On holiday")
    assert send_digests(SEVEN) == 0
    assert not mail.outbox


# -- who and when ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clock", "leaves"), [("06:59", 0), ("07:00", 1), ("09:59", 1), ("10:00", 0)])
def test_it_leaves_at_seven_on_the_clocks_of_the_location_and_after_ten_not_any_more(
    clinic: Clinic, clock: str, leaves: int
) -> None:
    waiting(clinic)
    assert send_digests(at(april(5), clock)) == leaves


def test_once_a_day_and_again_on_the_next(clinic: Clinic) -> None:
    waiting(clinic)
    assert [send_digests(SEVEN), send_digests(SEVEN + timedelta(minutes=15))] == [1, 0]
    assert send_digests(at(april(6), "07:15")) == 1


def test_nobody_is_written_to_on_a_day_off_and_who_has_no_shifts_when_the_clinic_is_shut(clinic: Clinic) -> None:
    """The clinician works from Monday to Friday by the shifts of the test clinic; the desk has none."""
    waiting(clinic)
    waiting(clinic, TaskKind.MAINTENANCE)
    make_shifts(clinic.clinician, clinic.location, weekdays=[0])
    Closure.objects.create(location=clinic.location, first_day=april(5), last_day=april(5), reason="Holiday")
    send_digests(SEVEN)
    assert to() == ["cora@clinic.example"]
    mail.outbox.clear()
    assert send_digests(at(april(10), "07:00")) == 0  # a Saturday


def test_a_nurse_has_none_and_who_switched_it_off_neither(clinic: Clinic) -> None:
    waiting(clinic)
    make_user(Role.NURSE, username="nora", email="nora@clinic.example", home_location=clinic.location)
    User.objects.filter(pk=clinic.clinician.pk).update(wants_digest=False)
    assert send_digests(SEVEN) == 0


def test_a_mail_server_that_refuses_gives_the_day_back(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(clinic)

    def refuse(*_: Any, **__: Any) -> int:
        raise SMTPServerDisconnected

    with monkeypatch.context() as broken:
        broken.setattr(digest.EmailMessage, "send", refuse)
        assert send_digests(SEVEN) == 0
    assert send_digests(SEVEN + timedelta(minutes=15)) == 1


def test_the_queries_do_not_grow_with_the_people(clinic: Clinic, queries: Queries) -> None:
    waiting(clinic)
    for number in range(4):
        make_user(
            Role.CLINICIAN, username=f"c{number}", email=f"c{number}@clinic.example", home_location=clinic.location
        )
    User.objects.exclude(pk=clinic.clinician.pk).update(digest_on=april(5))
    with queries("digest", at_most=20):
        assert send_digests(SEVEN) == 1


# -- two workers -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
class TestTwoWorkers:
    @pytest.fixture
    def many(self) -> int:
        clinic = make_clinic()
        User.objects.update(email="")
        clinic.clinician.email, clinic.clinician.home_location = "cora@clinic.example", clinic.location
        clinic.clinician.save(update_fields=["email", "home_location"])
        waiting(clinic)
        return 6

    def test_without_the_claim_each_of_them_writes(
        self, many: int, parallel: Parallel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The race: all have looked before the first has written."""
        monkeypatch.setattr(digest, "_claim", lambda *_: True)
        parallel(many, lambda _: send_digests(SEVEN))
        assert len(mail.outbox) == many

    def test_with_it_one_of_them_does(self, many: int, parallel: Parallel) -> None:
        done = parallel(many, lambda _: send_digests(SEVEN))
        assert [one.error for one in done if one.error] == []
        assert sum(one.value for one in done) == len(mail.outbox) == 1


def test_the_day_is_that_of_the_location(clinic: Clinic) -> None:
    """Seven in New York on 5 April is still that day; one row for one day, whatever UTC says."""
    waiting(clinic)
    send_digests(SEVEN)
    assert User.objects.get(pk=clinic.clinician.pk).digest_on == date(2027, 4, 5)
    assert datetime.fromisoformat("2027-04-05T11:00+00:00") == SEVEN
