"""What a patient reads about infusions in Spanish: an offered time, how to prepare, the sheet for going home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from courses.pure.aftercare import usual_text
from courses.services.offers import offer_by_link
from courses.tests.offers_kit import NOW, Gap, another, make_gap, owes
from courses.tests.series_kit import Booked
from courses.views import home_sheet
from patients.models import Message, MessageEvent
from patients.services.messages.links import Purpose
from patients.tests.link_kit import make_message, page_of, words

pytestmark = pytest.mark.django_db
SPANISH = {"Accept-Language": "es"}


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def gap() -> Gap:
    return make_gap()


@pytest.fixture
def mei(gap: Gap) -> Booked:
    mei = another(gap.clinic, "Mei", "Chen")
    mei.patient.language = "es"
    mei.patient.save(update_fields=["language"])
    owes(mei)
    return mei


def lang_of(answer: Any) -> str:
    found = re.search(r'<html lang="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


def test_an_offer_is_read_and_taken_in_spanish(client: Client, gap: Gap, mei: Booked) -> None:
    _row, token = offer_by_link(gap.plan_for(mei), valid_min=120, by=gap.clinic.desk, now=NOW)
    url = reverse("offer:offer", args=[token])
    page = client.get(url)
    assert (page.status_code, lang_of(page)) == (200, "es")
    said = words(page)
    assert "Hola, Mei: quedó libre una hora" in said
    assert "lun, 12 abr, 8:00 a.m." in said  # the freed time, Mon 12 April at 08:00; CLDR, es-US
    assert "La oferta vale hasta el sáb, 10 abr, 11:00 a.m." in said
    unclear = client.post(url, {"answer": "quizás"})
    assert unclear.status_code == 422
    assert "Elija una de las dos." in words(unclear)
    taken = client.post(url, {"answer": "yes"}, follow=True)
    assert "Gracias, Mei. Le esperamos el:" in words(taken)


def test_a_forged_offer_speaks_the_browsers_language(client: Client, gap: Gap) -> None:
    url = reverse("offer:offer", args=["x" * 43])
    answer = client.get(url, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (404, "es")
    assert "Este enlace no funciona" in words(answer)
    assert lang_of(client.get(url)) == "en"


def test_how_to_prepare_for_an_infusion_is_spanish(client: Client, gap: Gap, mei: Booked) -> None:
    booking = mei.infusion(5).visits.get().booking
    message = make_message(mei.patient, gap.clinic.location, now=NOW, booking=booking, event=MessageEvent.INFUSION)
    said = words(client.get(page_of(message, "prepare")))
    assert "Alguien tiene que llevarle a casa." in said
    assert "Líquidos claros" in said


def sheet_of(client: Client, message: Message) -> str:
    return words(client.get(page_of(message, "link", Purpose.SHEET)))


def test_our_sheet_for_home_is_spanish_and_a_clinics_own_stays_as_written(
    client: Client, gap: Gap, mei: Booked, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Left:
        no_driving_until = datetime(2027, 4, 11, 14, 0, tzinfo=UTC)
        instructions = usual_text(is_nasal=False) + "\nOur own line about the parking garage."

    monkeypatch.setattr(home_sheet, "_discharge", lambda _booking: Left)
    message = make_message(mei.patient, gap.clinic.location, now=NOW + timedelta(minutes=1), event=MessageEvent.SHEET)
    said = sheet_of(client, message)
    assert "Nada de alcohol hoy ni durante 24 horas." in said  # clinical.md C2
    assert "No conduzca ni use maquinaria hasta mañana" in said  # clinical.md D7
    assert "dom, 11 abr, 10:00 a.m." in said
    assert "Our own line about the parking garage." in said
    assert "No alcohol today" not in said
