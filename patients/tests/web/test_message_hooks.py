"""Who may call the addresses of providers: their signature is the key, and junk is never an error of ours."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    IncomingMessage,
    Patient,
)
from patients.tests.hooks_kit import (
    BASE,
    INCOMING,
    NOW,
    NUMBER,
    answer,
    make_texted,
    may_text,
)
from patients.tests.providers_kit import ACCOUNT, SENDER, TOKEN, signed


@pytest.fixture(autouse=True)
def _now(settings: Settings):
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = ACCOUNT, TOKEN, SENDER
    settings.CADENCE_BASE_URL = BASE
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic(db: None) -> Clinic:
    return make_clinic("Maple Clinic", phone="+12125550100")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_texted("Ada", clinic.location)


# --- who may call -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "Zm9yZ2Vk"}, {"X-Twilio-Signature": "ü" * 5000}],
)
def test_without_twilios_signature_nothing_is_read(client: Client, ada: Patient, headers: Mapping[str, str]) -> None:
    assert answer(client, "STOP", headers=headers).status_code == 403
    assert may_text(ada)
    assert answer(client, "STOP").status_code == 200
    assert not may_text(ada)


def test_a_signature_for_other_words_or_of_another_account_is_forged(client: Client, ada: Patient) -> None:
    form = {"MessageSid": "SM7", "From": NUMBER, "To": SENDER, "Body": "STOP"}
    others = signed(BASE + INCOMING, form | {"Body": "YES"})
    stolen = signed(BASE + INCOMING, form, token="of somebody else")
    elsewhere = signed("https://evil.example.org" + INCOMING, form)
    assert [client.post(INCOMING, form, headers=h).status_code for h in (others, stolen, elsewhere)] == [403] * 3
    assert not IncomingMessage.objects.exists()


def test_behind_our_proxy_the_address_that_was_called_counts_too(
    client: Client, ada: Patient, settings: Settings
) -> None:
    settings.SECURE_PROXY_SSL_HEADER, settings.ALLOWED_HOSTS = ("HTTP_X_FORWARDED_PROTO", "https"), ["sms.example.org"]
    form = {"MessageSid": "SM7", "From": NUMBER, "To": SENDER, "Body": "STOP"}
    through = {"Host": "sms.example.org", "X-Forwarded-Proto": "https"}
    headers = signed("https://sms.example.org" + INCOMING, form)
    assert client.post(INCOMING, form, headers=headers | through).status_code == 200
    assert client.post(INCOMING, form, headers=headers | through | {"X-Forwarded-Proto": "http"}).status_code == 403


def test_an_installation_without_twilio_has_no_such_address(client: Client, ada: Patient, settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    form = {"MessageSid": "SM7", "From": NUMBER, "To": SENDER, "Body": "STOP"}
    assert client.post(INCOMING, form, headers=signed(BASE + INCOMING, form, token="")).status_code == 404
    assert may_text(ada)


@pytest.mark.django_db
def test_who_forges_again_and_again_is_not_looked_at_for_a_while(client: Client) -> None:
    found = [answer(client, "STOP", headers={}).status_code for _ in range(31)]
    assert (found[:30], found[30]) == ([403] * 30, 429)
    assert answer(client, "STOP").status_code == 429
    elsewhere = Client(REMOTE_ADDR="203.0.113.9")
    assert answer(elsewhere, "STOP").status_code == 200


@pytest.mark.django_db
def test_no_cookie_is_set_no_csrf_token_needed_and_looking_is_not_calling() -> None:
    strict = Client(enforce_csrf_checks=True)
    response = answer(strict, "Hello")
    assert (response.status_code, response.cookies) == (200, {})
    assert strict.get(INCOMING).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"MessageSid": "SM1"},
        {"From": NUMBER, "Body": "STOP"},
        {"MessageSid": " ", "From": " "},
    ],
)
def test_a_signed_call_that_names_nobody_is_refused(client: Client, form: dict[str, str]) -> None:
    assert client.post(INCOMING, form, headers=signed(BASE + INCOMING, form)).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"a" * 16_385, "application/x-www-form-urlencoded", 413),
        (b"\xff\xfe%zz=%", "application/x-www-form-urlencoded", 403),
        (b"{", "application/json", 403),
        (b"--x", "multipart/form-data; boundary=x", 403),
        (b"--x", "multipart/form-data", 400),
        (b"a=1", "application/x-www-form-urlencoded; charset=latin-1", 400),
        (b"&".join(b"a=1" for _ in range(3000)), "application/x-www-form-urlencoded", 413),
    ],
)
def test_junk_is_refused_and_never_an_error_of_ours(client: Client, body: bytes, kind: str, expected: int) -> None:
    response = client.post(INCOMING, body, content_type=kind, headers={"X-Twilio-Signature": "Zm9yZ2Vk"})
    assert response.status_code in {400, 403, 413}
    assert response.status_code == expected


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["\x00\x01", "<script>alert(1)</script>", "Zoë 🙂", "", "a" * 1600, "१२३", "STOP\x00"])
def test_whatever_somebody_writes_is_kept(client: Client, body: str) -> None:
    make_clinic()
    assert answer(client, body, sid="SM9").status_code == 200
    assert IncomingMessage.objects.get().text == body.replace("\x00", "").strip()
