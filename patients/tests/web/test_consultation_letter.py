"""The letter to the referrer: only what was ticked, a draft until signed, and no typed word is ever a command."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NoReturn

import pytest
import time_machine
import typst
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from patients.adapters.letter import inputs_of, pdf_of, source
from patients.models import Assessment, Consultation, ScreeningDecision
from patients.pure.letter import Block, Letter, Part, parts_from
from patients.services.consultation_record import sign_consultation
from patients.services.letter import letter_for
from patients.tests.factories import (
    make_allergy,
    make_consultation,
    make_medicine,
    make_patient,
    make_previous_treatment,
    make_vitals,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 12, tzinfo=UTC)
NASTY = '#panic("no") $x^2$ [b] <script>alert(1)</script> *bold* _it_ @ref `raw` // \\ "q"'


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(address="12 Mercer Street, New York", phone="+12125550100")


@pytest.fixture
def record(clinic: Clinic) -> Consultation:
    patient = make_patient(preferred_name="Addie", referrer="Dr Lee, Riverside Practice")
    return make_consultation(
        patient,
        clinic.location,
        clinic.clinician,
        indication="trd",
        severity="severe",
        condition_since="since 2019",
        substance_use="Cannabis in 2015",
        family_history="Mother: psychosis",
        safety_plan="Call her sister",
        summary="Meets the criteria.\n\nSix infusions.",
        infusions_discussed=6,
    )


def letter(**facts: object) -> Letter:
    values = dict.fromkeys(("clinic", "address", "phone", "day", "recipient", "patient", "born", "mrn", "seen"), "x")
    return Letter(**({"is_draft": True, "signature": "x"} | values | facts))


def text_of(pdf: bytes) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (on Debian: apt-get install poppler-utils)")
    done = subprocess.run([program, "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def download(clinic: Clinic, record: Consultation, query: str = "", role: Role = Role.CLINICIAN) -> bytes:
    client = Client()
    client.force_login(clinic.users[role])
    answer = client.get(reverse("intake:consultation_letter_pdf", args=[record.pk]) + query)
    assert answer.status_code == 200
    return answer.content


# --- what stands in it ------------------------------------------------------------------------------------------------
def test_the_letter_names_the_clinic_the_legal_name_and_what_was_concluded(record: Consultation) -> None:
    found = letter_for(record, (Part.CONDITION, Part.PLAN), today=date(2027, 1, 7))
    assert (found.clinic, found.address, found.phone) == ("Downtown", "12 Mercer Street, New York", "(212) 555-0100")
    assert (found.patient, found.born, found.day) == ("Ada Okafor", "March 14, 1985", "January 7, 2027")
    assert (found.recipient, found.is_draft) == ("Dr Lee, Riverside Practice", True)
    assert [(block.title, block.paragraphs) for block in found.blocks] == [
        ("Condition and severity", ("Treatment-resistant depression, severe, since 2019",)),
        ("Assessment and plan", ("Meets the criteria.", "Six infusions.", "6 infusions were discussed.")),
    ]


def test_only_what_was_chosen_stands_in_it_and_some_things_never_do(clinic: Clinic, record: Consultation) -> None:
    make_medicine(record.patient, "Diazepam")
    make_allergy(record.patient, "Latex")
    make_previous_treatment(record.patient, "Venlafaxine")
    make_vitals(record.patient, clinic.nurse)
    least = repr(letter_for(record, (Part.PLAN,), today=date(2027, 1, 7)))
    for words in ("Diazepam", "Latex", "Venlafaxine", "132/84", "Treatment-resistant"):
        assert words not in least, words
    everything = repr(letter_for(record, tuple(Part), today=date(2027, 1, 7)))
    for words in ("Diazepam", "Latex", "Venlafaxine", "132/84 mmHg", "Treatment-resistant"):
        assert words in everything, words
    for words in ("Cannabis", "psychosis", "sister"):
        assert words not in everything, words


def test_the_latest_score_of_each_measure_stands_in_it_and_no_answer(clinic: Clinic, record: Consultation) -> None:
    for day, score, struck in ((5, "19.0", None), (6, "12.0", None), (7, "2.0", NOW)):
        Assessment.objects.create(
            patient=record.patient,
            measure="phq9",
            taken_at=datetime(2027, 1, day, 15, tzinfo=UTC),
            source="staff",
            answers={"9": 3},
            score=Decimal(score),
            band="Moderate",
            recorded_at=NOW,
            struck_at=struck,
            struck_by=clinic.nurse if struck else None,
        )
    block = letter_for(record, (Part.MEASURES,), today=date(2027, 1, 7)).blocks[0]
    assert block.rows == (("PHQ-9", "12 of 27, Moderate, January 6, 2027"),)


def test_unknown_parts_are_left_out_and_the_order_is_the_letters() -> None:
    assert parts_from(["plan", "nonsense", "condition"]) == (Part.CONDITION, Part.PLAN)


# --- the file ---------------------------------------------------------------------------------------------------------
def test_what_a_person_typed_is_text_in_the_pdf_whatever_characters_it_holds() -> None:
    made = pdf_of(
        letter(patient=NASTY, blocks=(Block(NASTY, (NASTY,), ((NASTY, NASTY),)),)), at=datetime(2027, 1, 7, tzinfo=UTC)
    )
    words = " ".join(text_of(made).split())
    assert words.count('#panic("no") $x^2$ [b] <script>alert(1)</script> *bold* _it_ @ref `raw` //') >= 3


def test_typst_itself_takes_typed_words_for_text() -> None:
    nasty = letter(blocks=(Block(NASTY, ("x",)),))
    found = json.loads(typst.query(source(), "heading", field="body", sys_inputs=inputs_of(nasty)))
    assert found == [{"func": "text", "text": NASTY}]


def test_a_letter_is_set_without_the_network_and_twice_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> NoReturn:
        raise AssertionError("The letter asked for the network.")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    facts = {"blocks": (Block("Condition", ("Łukasz, Дмитрий, José",)),)}
    first, second = (pdf_of(letter(**facts), at=datetime(2027, 1, 7, 9, 30, 0, 123_456, tzinfo=UTC)) for _ in range(2))
    assert first == second
    assert first.startswith(b"%PDF-")
    assert b"@preview" not in source()  # no package of Typst's registry, which would be fetched


def test_a_script_that_no_font_knows_does_not_stop_the_letter() -> None:
    assert pdf_of(letter(patient="\U0001f600 李小明"), at=datetime(2027, 1, 7, tzinfo=UTC)).startswith(b"%PDF-")


def test_a_draft_says_so_until_the_record_is_signed(clinic: Clinic, record: Consultation) -> None:
    draft = text_of(download(clinic, record))
    assert "Draft. The record of this consultation is not signed yet." in draft
    sign_consultation(consultation_id=record.pk, version=1, by=clinic.clinician, now=NOW)
    signed = text_of(download(clinic, record))
    assert "Draft" not in signed
    assert "Signed electronically by" in signed
    assert "Samuel Hart, MD" in signed


def test_the_pdf_holds_what_was_ticked_and_its_name_says_nothing(clinic: Clinic, record: Consultation) -> None:
    words = text_of(download(clinic, record, "?chosen=1&part=condition"))
    assert "Treatment-resistant depression" in words
    assert "Meets the criteria" not in words
    client = Client()
    client.force_login(clinic.clinician)
    answer = client.get(reverse("intake:consultation_letter_pdf", args=[record.pk]))
    assert answer["Content-Disposition"] == f'attachment; filename="letter-{record.pk}.pdf"'
    assert "no-store" in answer["Cache-Control"]


# --- who may ----------------------------------------------------------------------------------------------------------
def test_a_nurse_reads_it_the_front_desk_and_managers_do_not(clinic: Clinic, record: Consultation) -> None:
    assert download(clinic, record, role=Role.NURSE).startswith(b"%PDF-")
    for role in (Role.FRONT_DESK, Role.MANAGER):
        client = Client()
        client.force_login(clinic.users[role])
        for name in ("consultation_letter", "consultation_letter_pdf"):
            assert client.get(reverse(f"intake:{name}", args=[record.pk])).status_code == 403


def test_the_download_is_logged_as_a_reading(clinic: Clinic, record: Consultation) -> None:
    download(clinic, record)
    row = AccessLog.objects.get(subject=record.patient.resource)
    assert (row.page, row.user) == ("Letter to the referrer, PDF", clinic.clinician)


def test_the_preview_shows_the_letter_and_what_was_ticked_in_vain(
    clinic: Clinic, record: Consultation, queries: Queries
) -> None:
    client = Client()
    client.force_login(clinic.clinician)
    Consultation.objects.filter(pk=record.pk).update(summary="<script>alert(1)</script>")
    url = reverse("intake:consultation_letter", args=[record.pk])
    with queries("letter to the referrer"):
        text = client.get(url).content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "Ticked, but nothing is recorded: Latest scores, Decision." in text
    nothing = client.get(url + "?chosen=1").content.decode()
    assert "Nothing is ticked, or nothing is recorded yet." in nothing


def test_the_signed_decision_stands_in_the_letter_with_its_conditions(clinic: Clinic, record: Consultation) -> None:
    ScreeningDecision.objects.create(
        patient=record.patient,
        consultation=record,
        indication="trd",
        outcome="conditions",
        conditions="Blood pressure below 140/90.",
        pressure_profile="default",
        signed_at=NOW,
        signed_by=clinic.clinician,
        expires_on=date(2027, 4, 7),
    )
    block = letter_for(record, (Part.DECISION,), today=date(2027, 1, 7)).blocks[0]
    assert block.paragraphs == ("Fit with conditions (January 7, 2027)", "Blood pressure below 140/90.")
