"""Five megabytes in a field of free text: refused at that field with its limit, the rest kept, and nothing written.

The consultation record has its own tests of the same (``test_consultation_pages``).
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from clinic.tests.factories import make_clinic
from courses.models import InfusionRecord
from courses.tests.day_kit import observing, ten
from patients.models import ConsultationRequest, IncomingMessage, Message
from patients.pure.consultation import fingerprint
from patients.tests.messages_kit import NOW, make_reachable
from patients.tests.web.test_request_page import answers, opened

pytestmark = pytest.mark.django_db
FAR_TOO_LONG = "Slept badly. " * (5_000_000 // 13)
PATIENCE_S = 20
"""For pages that take a moment with so much, not minutes; this machine may have other work."""


def near(answer: Any, field_id: str) -> str:
    """What is said at the field: the words that its ``aria-describedby`` or the box around it has."""
    page = answer.content.decode().replace(FAR_TOO_LONG.strip(), "…").replace(FAR_TOO_LONG, "…")
    assert len(page) < 200_000, "what was typed stands there more than once"
    found = re.search(rf'id="{field_id}"', page)
    assert found, page[:2000]
    around = page[max(0, found.start() - 1500) : found.end() + 1500]
    return " ".join(re.sub(r"<[^>]+>", " ", around).split())


def test_a_stranger_is_told_at_the_field_of_the_public_page() -> None:
    place = make_clinic(phone="+12125550100").location
    with time_machine.travel(NOW, tick=False) as clock:
        stamp = opened(place)
        clock.shift(timedelta(seconds=30))
        began = time.monotonic()
        answer = Client().post(
            reverse("public:request", args=[place.pk]), answers(stamp, message=FAR_TOO_LONG, given_name="Iris")
        )
    assert answer.status_code == 422
    assert "at most 10000 characters (it has 49" in near(answer, "id_message")
    assert 'value="Iris"' in answer.content.decode()
    assert not ConsultationRequest.objects.exists()
    assert time.monotonic() - began < PATIENCE_S


@pytest.mark.parametrize("field", ["session_note", "prophylaxis_note"])
def test_a_note_of_an_infusion_is_refused_at_its_field(client: Client, field: str) -> None:
    day = observing()
    with time_machine.travel(ten(50), tick=False):
        client.force_login(day.nurse)
        answer = client.post(
            reverse("infusion:note", args=[day.pk]),
            {"field": field, "text": FAR_TOO_LONG, "base": fingerprint("")},
            headers={"HX-Request": "true"},
        )
    assert answer.status_code == 422
    limit = {"session_note": "4,000", "prophylaxis_note": "300"}[field]
    assert f"At most {limit} characters fit here; this is 4" in near(answer, f"effects-{field}")
    assert FAR_TOO_LONG.strip() in answer.content.decode()  # nothing that was typed is lost
    assert getattr(InfusionRecord.objects.get(), field) == ""


def test_words_to_a_patient_are_refused_at_their_field(client: Client) -> None:
    clinic, patient = make_clinic(), make_reachable()
    with time_machine.travel(NOW, tick=False):
        client.force_login(clinic.desk)
        for channel in ("sms", "email", "phone"):
            answer = client.post(
                reverse("patients:write_message", args=[patient.pk]),
                {"channel": channel, "subject": "Hello", "text": FAR_TOO_LONG, "token": "a" * 32},
            )
            assert answer.status_code == 422
            assert "at most 2000 characters (it has 49" in near(answer, "id_text")
    assert not Message.objects.exists()


def test_what_was_done_about_an_answer_is_refused_at_its_field(client: Client) -> None:
    clinic = make_clinic()
    row = IncomingMessage.objects.create(
        provider_id="SM1", from_number="+12125550123", text="Late", received_at=NOW, meaning="other",
        patient=make_reachable(home_location=clinic.location),
    )  # fmt: skip
    with time_machine.travel(NOW, tick=False):
        client.force_login(clinic.desk)
        answer = client.post(reverse("outbox:handle", args=[row.pk]), {"note": FAR_TOO_LONG})
    assert answer.status_code == 422
    assert "at most 120 characters (it has 49" in answer.content.decode()
    row.refresh_from_db()
    assert row.handled_at is None


@pytest.mark.parametrize("size", [5, 40])
def test_what_is_larger_than_any_form_is_refused_before_it_is_read(client: Client, size: int) -> None:
    """Beyond the room for one text nothing is parsed: one plain page, to staff and to patients."""
    clinic, patient = make_clinic(), make_reachable()
    body = {"text": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + size)}
    with time_machine.travel(NOW, tick=False):
        client.force_login(clinic.desk)
        assert client.post(reverse("patients:write_message", args=[patient.pk]), body).status_code == 413
        assert Client().post(reverse("public:request", args=[clinic.location.pk]), body).status_code == 413
