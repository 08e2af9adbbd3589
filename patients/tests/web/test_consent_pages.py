"""The pages of consent: who sees what, signing with and without scripts, scans that are no scans, contact by channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import Channel, Consent, ConsentText, ContactConsent, Patient
from patients.services.contact_consents import record_contact_consent
from patients.tests.factories import make_allergy, make_consent, make_consent_text, make_patient, make_phone
from patients.tests.pure.test_signatures_and_scans import JPEG, PDF, PNG

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York
TODAY = date(2027, 1, 7)
DRAWN = json.dumps([[[100, 500], [700, 200]], [[300, 300], [900, 800]]])
MARKUP = "<img src=x onerror=alert(1)>"
MAY = (Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN)


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def text(clinic: Clinic) -> ConsentText:
    return make_consent_text(clinic.location)


@pytest.fixture
def ada() -> Patient:
    return make_patient(phones=["+12125550123"], email="ada@example.org")


def signed_in(
    clinic: Clinic, role: Role = Role.FRONT_DESK
) -> Any:  # a Client, whose answers have more than the stubs know
    client = Client()
    client.force_login(clinic.users[role])
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"consents:{name}", args=args)


def page(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, (address, answer.status_code)
    return answer.content.decode()


def sign(client: Client, patient: Patient, shown: ConsentText, **changes: Any) -> Any:
    values = {"text": shown.pk, "strokes": DRAWN, "signer_name": "Ada Okafor", "signer_relation": ""}
    return client.post(url("sign", patient.pk), values | changes)


# --- who sees what ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", MAY)
def test_desk_nurse_and_clinician_see_the_state_and_no_clinical_fact(
    clinic: Clinic, ada: Patient, text: ConsentText, role: Role
) -> None:
    make_allergy(ada, "Latex")
    make_consent(ada, text, by=clinic.desk, signed_on=TODAY)
    answer = page(signed_in(clinic, role), url("patient", ada.pk))
    assert "Complete" in answer
    assert ("Latex" in answer) is (role != Role.FRONT_DESK)  # the head shows it to clinical staff only


@pytest.mark.parametrize("name", ["patient", "sign", "signed", "upload", "contact"])
def test_managers_and_strangers_see_no_consent(clinic: Clinic, ada: Patient, text: ConsentText, name: str) -> None:
    assert text
    for user in (clinic.manager, make_user()):
        client = Client()
        client.force_login(user)
        page(client, url(name, ada.pk), 403)
    assert Client().get(url(name, ada.pk)).status_code == 302


def test_the_page_says_what_is_missing_and_where_nothing_can_be_signed(clinic: Clinic, ada: Patient) -> None:
    client = signed_in(clinic)
    answer = page(client, url("patient", ada.pk))
    assert "No text to sign yet" in answer
    assert "Ask a clinician or the manager" in answer
    assert reverse("intake:consent_texts", args=[clinic.location.pk]) in page(
        signed_in(clinic, Role.CLINICIAN), url("patient", ada.pk)
    )
    assert client.get(url("sign", ada.pk)).status_code == 302
    make_consent_text(clinic.location)
    answer = page(client, url("patient", ada.pk))
    assert "Not signed yet." in answer
    assert "Nothing signed yet" in answer


@pytest.mark.parametrize(
    ("signed_on", "words"),
    [
        (TODAY, "Complete"),
        (date(2026, 2, 6), "Ends in 30 days"),
        (date(2026, 1, 7), "Ends today"),
        (date(2026, 1, 6), "Ended on 6 Jan 2027"),
    ],
)
def test_the_state_at_a_glance(clinic: Clinic, ada: Patient, text: ConsentText, signed_on: date, words: str) -> None:
    make_consent(ada, text, by=clinic.desk, signed_on=signed_on)
    assert words in " ".join(page(signed_in(clinic), url("patient", ada.pk)).split())


def test_an_older_version_says_so_and_the_patient_page_says_until_when(
    clinic: Clinic, ada: Patient, text: ConsentText
) -> None:
    make_consent(ada, text, by=clinic.desk, signed_on=TODAY)
    make_consent_text(clinic.location, version=2)
    client = signed_in(clinic)
    assert "Signed version 1, current is 2." in page(client, url("patient", ada.pk))
    assert "until Fri 7 Jan 2028" in page(client, reverse("patients:detail", args=[ada.pk]))


def test_the_patient_page_says_missing_when_it_ended_was_withdrawn_or_is_of_another_location(
    clinic: Clinic, ada: Patient, text: ConsentText
) -> None:
    make_consent(ada, text, by=clinic.desk, signed_on=date(2026, 1, 6))
    make_consent(ada, make_consent_text(make_location("Uptown")), by=clinic.desk, signed_on=TODAY)
    make_consent(
        ada, text, by=clinic.desk, signed_on=TODAY, withdrawn_at=NOW, withdrawn_by=clinic.desk, withdrawn_reason="No"
    )
    answer = page(signed_in(clinic), reverse("patients:detail", args=[ada.pk]))
    card = answer.split('id="consent-title"')[1].split("</section>")[0]
    assert "missing" in card


# --- signing on screen ------------------------------------------------------------------------------------------------
def test_the_text_is_read_as_headings_paragraphs_and_lists_never_as_markup(clinic: Clinic, ada: Patient) -> None:
    body = f"off-label {MARKUP}\n\n## Risks {MARKUP}\n\n- Bladder {MARKUP}\n- Memory\n"
    make_consent_text(clinic.location, title=f"Consent {MARKUP}", body=body)
    answer = page(signed_in(clinic), url("sign", ada.pk))
    assert MARKUP not in answer
    assert answer.count("&lt;img src=x") >= 4
    assert '<h2 class="consent-heading">Risks' in answer
    assert "<li>Memory</li>" in answer


def test_the_signing_page_shows_nothing_else_of_the_clinic(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    make_allergy(ada, "Latex")
    answer = page(signed_in(clinic, Role.NURSE), url("sign", ada.pk))
    for word in ("Search patients", "Latex", ada.mrn, "rail", "(212) 555-0123"):
        assert word not in answer, word
    assert text.title in answer


def test_a_drawn_signature_is_recorded_and_drawn_again_by_the_server(
    clinic: Clinic, ada: Patient, text: ConsentText
) -> None:
    client = signed_in(clinic)
    assert sign(client, ada, text).url == url("signed", ada.pk)
    consent = Consent.objects.get()
    assert (consent.signer_name, consent.recorded_by, consent.signed_on) == ("Ada Okafor", clinic.desk, TODAY)
    answer = page(client, url("document", consent.pk))
    assert '<path d="M100 150L700 60"/>' in answer
    assert '<path d="M300 90L900 240"/>' in answer
    assert "Thank you" in page(client, url("signed", ada.pk))


def test_without_scripts_a_typed_name_signs_with_the_tick_only(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    client = signed_in(clinic)
    refused = sign(client, ada, text, strokes="")
    assert refused.status_code == 422
    assert "Sign in the box, or tick that the typed name is the signature." in refused.content.decode()
    assert sign(client, ada, text, strokes="", typed_is_signature="on").status_code == 302
    assert "Signed by typing the name" in page(client, url("document", Consent.objects.get().pk))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"signer_name": ""}, "This field is required"),
        ({"signer_name": "x" * 161}, "at most 160"),
        ({"strokes": "[[[1,99999]]]"}, "cannot be read"),
        ({"strokes": '[[["<script>",1]]]'}, "cannot be read"),
        ({"strokes": "[" * 200_000}, "at most 100000"),
        ({"strokes": "[[[5,5]]]"}, "Sign in the box"),
    ],
)
def test_what_cannot_be_signed_is_refused_beside_its_field(
    clinic: Clinic, ada: Patient, text: ConsentText, changes: dict[str, Any], words: str
) -> None:
    refused = sign(signed_in(clinic), ada, text, **changes)
    assert refused.status_code == 422
    assert words in refused.content.decode()
    assert "<script>" not in refused.content.decode().replace('<script src="', "")
    assert not Consent.objects.exists()


def test_a_version_published_meanwhile_is_shown_and_must_be_signed_instead(
    clinic: Clinic, ada: Patient, text: ConsentText
) -> None:
    newer = make_consent_text(clinic.location, version=2)
    for sent in (text.pk, 987_654, "x"):
        answer = sign(signed_in(clinic), ada, text, text=sent)
        assert answer.status_code == 409
        assert "This text is new." in answer.content.decode()
        assert f'value="{newer.pk}"' in answer.content.decode()
    assert not Consent.objects.exists()


def test_a_draft_or_another_locations_text_is_never_signed(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    assert text
    for other in (
        make_consent_text(clinic.location, version=2, is_published=False),
        make_consent_text(make_location("Uptown")),
    ):
        assert sign(signed_in(clinic), ada, other).status_code == 409
    assert not Consent.objects.exists()


def test_handed_over_the_device_shows_the_signing_page_only_until_staff_take_it_back(
    clinic: Clinic, ada: Patient, text: ConsentText
) -> None:
    clinic.desk.set_password("a-long-password-of-maya")
    clinic.desk.save()
    client = signed_in(clinic)
    assert client.post(url("hand_over", ada.pk)).url == url("sign", ada.pk)
    for address in (url("patient", ada.pk), reverse("patients:list"), url("contact", ada.pk), "/"):
        assert client.get(address).url == reverse("handover"), address
    answer = page(client, url("sign", ada.pk))
    assert "Back to the record" not in answer
    assert sign(client, ada, text).url == url("signed", ada.pk)
    assert "Please give the device back" in page(client, url("signed", ada.pk))
    back = client.post(reverse("handover"), {"password": "a-long-password-of-maya"})
    assert back.url == url("patient", ada.pk)
    assert "Complete" in page(client, url("patient", ada.pk))


# --- scans ------------------------------------------------------------------------------------------------------------
def upload(client: Client, patient: Patient, text: ConsentText, file: SimpleUploadedFile | None, **changes: Any) -> Any:
    values = {"text": text.pk, "signed_on": "2027-01-06", "signer_name": "Ada Okafor", "signer_relation": ""}
    return client.post(url("upload", patient.pk), values | ({"scan": file} if file else {}) | changes)


@pytest.mark.parametrize(
    ("name", "content", "kind", "ending"),
    [
        ("a.pdf", PDF, "application/pdf", "pdf"),
        ("a.exe", PNG, "image/png", "png"),
        ('a b".JPG', JPEG, "image/jpeg", "jpg"),
    ],
)
def test_a_scan_is_kept_and_downloaded_as_what_it_is(
    clinic: Clinic, ada: Patient, text: ConsentText, *, name: str, content: bytes, kind: str, ending: str
) -> None:
    client = signed_in(clinic)
    sent = upload(client, ada, text, SimpleUploadedFile(name, content, content_type="text/html"))
    assert sent.url == url("patient", ada.pk)
    consent = Consent.objects.get()
    answer = client.get(url("scan", consent.pk))
    assert answer.content == content
    assert answer["Content-Type"] == kind
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["Content-Disposition"].rstrip('"').endswith(ending)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in answer["Cache-Control"]
    assert AccessLog.objects.filter(page="Consent scan", subject_id=ada.resource_id).count() == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("consent.pdf", b"MZ\x90\x00\x03 This program cannot be run in DOS mode", "no PDF, PNG or JPEG"),
        ("consent.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no PDF, PNG"),
        ("consent.pdf", PDF + b"\0" * (11 * 1024 * 1024), "11.0 MB, at most 10"),
        ("consent.pdf", b"", "The file is empty"),
        ("consent.pdf", PDF[:30], "breaks off"),
    ],
    ids=["program", "svg with script", "11 MB", "empty", "cut off"],
)
def test_what_is_no_scan_is_refused_whatever_its_name_says(
    clinic: Clinic, ada: Patient, text: ConsentText, *, name: str, content: bytes, words: str
) -> None:
    refused = upload(signed_in(clinic), ada, text, SimpleUploadedFile(name, content, content_type="application/pdf"))
    assert refused.status_code == 422
    assert words in refused.content.decode()
    assert not Consent.objects.exists()


def test_without_a_file_or_with_another_locations_text_nothing_is_kept(
    clinic: Clinic, ada: Patient, text: ConsentText
) -> None:
    client = signed_in(clinic)
    assert upload(client, ada, text, None).status_code == 422
    other = make_consent_text(make_location("Uptown"))
    assert upload(client, ada, other, SimpleUploadedFile("a.pdf", PDF)).status_code == 422
    assert upload(client, ada, text, SimpleUploadedFile("a.pdf", PDF), signed_on="2027-01-08").status_code == 422
    assert not Consent.objects.exists()


def test_a_scan_is_for_those_who_handle_consent(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    upload(signed_in(clinic), ada, text, SimpleUploadedFile("a.pdf", PDF))
    address = url("scan", Consent.objects.get().pk)
    assert signed_in(clinic, Role.MANAGER).get(address).status_code == 403
    assert Client().get(address).status_code == 302
    assert signed_in(clinic).get(url("scan", 987_654)).status_code == 404


# --- taking it back ---------------------------------------------------------------------------------------------------
def test_withdrawing_asks_for_a_reason_and_is_said_once(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    consent = make_consent(ada, text, by=clinic.desk, signed_on=TODAY)
    client, address = signed_in(clinic, Role.NURSE), url("withdraw", consent.pk)
    assert "cannot be undone" in page(client, address)
    assert client.post(address, {"reason": " "}).status_code == 422
    assert client.post(address, {"reason": MARKUP}).url == url("patient", ada.pk)
    answer = page(client, url("patient", ada.pk))
    assert "Withdrawn" in answer
    assert MARKUP not in answer
    assert client.post(address, {"reason": "again"}).status_code == 422


def test_names_with_markup_are_escaped_everywhere(clinic: Clinic, text: ConsentText) -> None:
    eve = make_patient(MARKUP, MARKUP, phones=["+12125550123"])
    consent = make_consent(eve, text, by=clinic.desk, signed_on=TODAY, signer_name=MARKUP, signer_relation=MARKUP)
    client = signed_in(clinic, Role.CLINICIAN)
    addresses = [url(name, eve.pk) for name in ("patient", "sign", "signed", "upload", "contact")]
    for address in (*addresses, url("document", consent.pk), url("withdraw", consent.pk)):
        assert MARKUP not in page(client, address), address


# --- contact ----------------------------------------------------------------------------------------------------------
def said(client: Client, patient: Patient, channel: str = "sms", **changes: Any) -> Any:
    values = {
        "granted": "yes",
        "value": "+12125550123",
        "scope": "Appointments and questionnaires",
        "was_read": "on",
        "source": "On the phone",
    }
    return client.post(url("contact_record", patient.pk, channel), values | changes)


def test_nothing_said_is_not_asked_and_no_consent(clinic: Clinic, ada: Patient) -> None:
    answer = page(signed_in(clinic, Role.NURSE), url("contact", ada.pk))
    assert answer.count("Not asked") == 4
    assert url("contact_record", ada.pk, "sms") not in answer  # a nurse reads, and changes nothing


def test_a_yes_to_texts_is_express_and_keeps_who_when_number_and_scope(clinic: Clinic, ada: Patient) -> None:
    """Source: clinical.md G, TCPA: prior express consent; consent record with who, when, number, scope; STOP."""
    client = signed_in(clinic)
    words = page(client, url("contact_record", ada.pk, "sms"))
    for part in ("sent automatically", "does not depend on your answer", "STOP"):
        assert part in words, part
    refused = said(client, ada, was_read="")
    assert refused.status_code == 422
    assert "a yes to texts must be express" in refused.content.decode()
    assert said(client, ada).url == url("contact", ada.pk)
    row = ContactConsent.objects.get()
    assert (row.channel, row.granted, row.value, row.by, row.at) == ("sms", True, "+12125550123", clinic.desk, NOW)
    assert row.scope == "Appointments and questionnaires"
    assert "(212) 555-0123" in page(client, url("contact", ada.pk))


def test_a_no_needs_no_words_and_the_history_stays(clinic: Clinic, ada: Patient) -> None:
    client = signed_in(clinic)
    said(client, ada)
    assert said(client, ada, granted="no", was_read="", note=MARKUP).status_code == 302
    answer = page(client, url("contact", ada.pk))
    assert "1 earlier" in answer
    assert MARKUP not in answer
    assert [row.granted for row in ContactConsent.objects.all()] == [False, True]


def test_a_yes_for_a_number_that_the_patient_no_longer_has_is_visible_as_such(clinic: Clinic, ada: Patient) -> None:
    client = signed_in(clinic)
    said(client, ada)
    ada.phones.all().delete()
    make_phone(ada, "+12125550199")
    for name in ("contact", "patient"):
        answer = page(client, url(name, ada.pk))
        assert "Ask again" in answer, name
        assert "iven for" in answer, name
        assert "(212) 555-0123" in answer, name


def test_the_same_number_written_otherwise_is_the_same_number(clinic: Clinic, ada: Patient) -> None:
    record_contact_consent(
        patient=ada, channel=Channel.SMS, granted=True, source="Request page", by=None, now=NOW, value="212-555-0123"
    )
    assert "Ask again" not in page(signed_in(clinic), url("contact", ada.pk))


@pytest.mark.parametrize("value", ["+19175550100", "", "<b>"])
def test_a_yes_is_about_a_number_of_this_patient(clinic: Clinic, ada: Patient, value: str) -> None:
    assert said(signed_in(clinic), ada, value=value).status_code == 422
    assert not ContactConsent.objects.exists()


def test_a_channel_without_an_address_says_what_to_do(clinic: Clinic, ada: Patient) -> None:
    refused = said(signed_in(clinic), ada, "letter", value="")
    assert refused.status_code == 422
    assert "There is no postal address on record" in refused.content.decode()
    assert said(signed_in(clinic), ada, "pigeon").status_code == 404


def test_only_who_edits_patients_changes_contact_consent(clinic: Clinic, ada: Patient) -> None:
    for role, status in ((Role.NURSE, 403), (Role.MANAGER, 403), (Role.CLINICIAN, 302), (Role.FRONT_DESK, 302)):
        assert said(signed_in(clinic, role), ada).status_code == status, role


# --- merged records, htmx, ledger -------------------------------------------------------------------------------------
def test_a_merged_record_leads_to_the_kept_one(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    assert text
    gone = make_patient("Ada", "Reed", merged_into=ada)
    client = signed_in(clinic)
    for name in ("patient", "sign", "upload"):
        assert client.get(url(name, gone.pk)).url == url("patient", ada.pk), name
    assert sign(client, gone, text).url == url("patient", ada.pk)
    assert client.get(url("contact_record", gone.pk, "sms")).url == url("contact", ada.pk)


def test_sheets_are_fragments(clinic: Clinic, ada: Patient, text: ConsentText) -> None:
    consent = make_consent(ada, text, by=clinic.desk, signed_on=TODAY)
    client = signed_in(clinic)
    for address in (url("withdraw", consent.pk), url("contact_record", ada.pk, "email")):
        answer = client.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in answer
        assert "<form" in answer


@pytest.mark.parametrize("count", [2, 20])
def test_the_number_of_queries_does_not_grow(
    clinic: Clinic, ada: Patient, text: ConsentText, queries: Queries, count: int
) -> None:
    for number in range(count):
        make_consent(ada, text, by=clinic.desk, signed_on=date(2026, 1, 1 + number))
        record_contact_consent(
            patient=ada, channel=Channel.SMS, granted=bool(number % 2), source="Desk", by=clinic.desk, now=NOW
        )
    client = signed_in(clinic)
    for name in ("patient", "contact", "sign", "upload"):
        with queries(f"consent {name}"):
            shown = page(client, url(name, ada.pk))
        assert ada.family_name in shown
