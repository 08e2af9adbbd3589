"""The sheet for going home behind the link of a message: to whom it opens, for how long, and in which language."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.serializers import serialize
from django.test import Client

from clinic.models import Location
from courses.models import Discharge
from courses.tests.day_kit import Day, ten
from courses.tests.db.test_leaving import case34, leave, say
from patients.models import Message, MessageEvent, MessageState, Patient, PatientStatus
from patients.services.messages.links import Purpose
from patients.tests.link_kit import make_message, page_of, words

pytestmark = pytest.mark.django_db
LEFT = ten(160)  # Mon 5 April 2027, 12:40 in New York; the infusion ended at 11:40


@pytest.fixture
def day() -> Day:
    """Gone home with the escort, at 12:40."""
    day = case34()
    Location.objects.update(phone="+12125550100")
    say(day, "escort", "Jordan", ten(159))
    leave(day, LEFT)
    return day


@pytest.fixture
def message(day: Day) -> Message:
    return sheet_message(day)


def sheet_message(day: Day, **fields: Any) -> Message:
    return make_message(
        day.patient, day.booking.location, now=LEFT, booking=day.booking, event=MessageEvent.SHEET, **fields
    )


def open_at(
    message: Message, purpose: Purpose = Purpose.SHEET, *, after: timedelta = timedelta(hours=2), query: str = ""
) -> Any:
    with time_machine.travel(LEFT + after, tick=False):
        return Client().get(page_of(message, "link", purpose) + query)


def test_it_says_until_when_nobody_drives_what_was_explained_and_whom_to_call(day: Day, message: Message) -> None:
    """24 hours after 11:40 on Monday is 11:40 on Tuesday (clinical.md D7)."""
    answer = open_at(message)
    assert answer.status_code == 200
    said = words(answer)
    for part in (
        f"Hello {day.patient.given_name},",
        "At least until Tue, Apr 6, 11:40 AM",
        "Make no important decisions for 24 hours.",
        "No alcohol today and for 24 hours.",
        "Call (212) 555-0100",
        "988",
    ):
        assert part in said
    page = answer.content.decode().lower()
    for word in (day.patient.family_name.lower(), "ketamine", "infusion", "depress", "dose"):
        assert word not in page
    assert "no-store" in answer["Cache-Control"]
    assert "noindex" in answer["X-Robots-Tag"]


def test_a_clinics_own_words_are_text_and_never_markup(day: Day, message: Message) -> None:
    Discharge.objects.update(instructions="Drink tea <b>slowly</b>.")
    page = open_at(message).content.decode()
    assert "Drink tea &lt;b&gt;slowly&lt;/b&gt;." in page


def test_it_speaks_the_patients_language_or_the_one_that_was_pressed(day: Day, message: Message) -> None:
    Patient.objects.filter(pk=day.patient.pk).update(language="es")
    spanish = open_at(message)
    assert '<html lang="es"' in spanish.content.decode()
    assert "Nada de alcohol hoy ni durante 24 horas." in words(spanish)
    assert "mar, 6 abr, 11:40 a.m." in words(spanish)
    assert "No alcohol today and for 24 hours." in words(open_at(message, query="?lang=en"))


def test_it_opens_for_two_weeks_and_then_says_that_it_is_over(message: Message) -> None:
    assert open_at(message, after=timedelta(days=13)).status_code == 200
    late = open_at(message, after=timedelta(days=15))
    assert late.status_code == 410
    assert "This link has expired" in words(late)
    assert "alcohol" not in words(late)


def test_a_discharge_that_was_taken_back_has_no_sheet(day: Day, message: Message) -> None:
    left = Discharge.objects.get()
    left.struck_at, left.struck_by, left.struck_reason = LEFT + timedelta(minutes=5), day.nurse, "Came back dizzy"
    left.save()
    answer = open_at(message)
    assert answer.status_code == 410
    assert "There is nothing here any more" in words(answer)
    assert "alcohol" not in words(answer)


def test_a_message_without_a_visit_or_of_one_who_died_opens_nothing(day: Day, message: Message) -> None:
    alone = make_message(day.patient, day.booking.location, now=LEFT, event=MessageEvent.SHEET)
    assert open_at(alone).status_code == 410
    Patient.objects.filter(pk=day.patient.pk).update(status=PatientStatus.DECEASED, deceased_on="2027-04-06")
    assert open_at(message).status_code == 410


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.SHEET])
def test_a_token_of_another_purpose_never_shows_the_sheet(message: Message, purpose: Purpose) -> None:
    """The visit's own token opens the visit, and no other shows what was explained."""
    assert "alcohol" not in words(open_at(message, purpose))


def test_a_token_for_the_sheet_opens_nothing_else_of_the_visit(message: Message) -> None:
    with time_machine.travel(LEFT + timedelta(hours=2), tick=False):
        for name in ("move", "cancel", "prepare", "calendar"):
            assert Client().get(page_of(message, name, Purpose.SHEET)).status_code == 404, name


def test_a_forged_token_is_no_link(message: Message) -> None:
    url = page_of(message, "link", Purpose.SHEET)
    forged = url[:-2] + ("a" if url[-2] != "a" else "b") + "/"
    with time_machine.travel(LEFT + timedelta(hours=2), tick=False):
        assert Client().get(forged).status_code == 404


def test_a_scanner_that_opens_it_changes_nothing_and_there_is_nothing_to_press(message: Message) -> None:
    def rows() -> str:
        steps = serialize("json", [*Message.objects.all(), *Discharge.objects.all(), *message.steps.all()])
        return str(steps)

    before = rows()
    for _time in range(3):
        open_at(message)
    with time_machine.travel(LEFT + timedelta(hours=2), tick=False):
        url = page_of(message, "link", Purpose.SHEET)
        assert Client().head(url).status_code == 200
        assert Client().post(url, {"answer": "confirm"}).status_code == 405
    assert rows() == before
    message.refresh_from_db()
    assert (message.state, message.opened_at) == (MessageState.SENT, None)
