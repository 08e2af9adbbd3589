"""The infusion on one page: everything that was recorded, a draft until signed, and no typed word is ever a command."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, timedelta
from typing import NoReturn

import pytest
import typst

from clinic.tests.fixtures.ledger import Queries
from courses.adapters.infusion_pdf import inputs_of, pdf_of, source
from courses.models import AdverseEvent, CheckAnswer, GateDecision, RunEvent
from courses.pure.summary_pdf import Block, Summary
from courses.services.infusion_pdf import summary_for
from courses.services.infusion_record import changing
from courses.services.signing import amend
from courses.tests.day_kit import Day, infusing, put_row, put_tap, ten
from courses.tests.sign_kit import finished, nasal, put_draw, signed

pytestmark = pytest.mark.django_db
NASTY = '#panic("no") $x^2$ [b] <script>alert(1)</script> *bold* _it_ @ref `raw` // \\ "q"'


def text_of(pdf: bytes) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (on Debian: apt-get install poppler-utils)")
    done = subprocess.run([program, "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def words_of(day: Day, minutes: int = 120) -> str:
    return " ".join(text_of(made(summary_for(day.desk(ten(minutes))))).split())


def made(summary: Summary) -> bytes:
    return pdf_of(summary, at=ten(120).astimezone(UTC) + timedelta(microseconds=123_456))


def normal_day() -> Day:
    """A usual day: checklist, soft hold, rows as the protocol wants them, one effect, all before the discharge."""
    day = infusing()
    put_draw(day, ten(-4), None)
    with changing(day.pk, by=day.nurse, now=ten(-6)) as record:
        for item, value, detail in (
            ("identity", "yes", ""),
            ("escort", "yes", "Jordan Fictional"),
            ("medicines_today", "none", ""),
            ("health_change", "no", ""),
            ("since_urinary", "no", ""),
            ("since_memory", "no", ""),
            ("since_mania", "no", ""),
            ("since_cravings", "no", ""),
            ("measure", "yes", ""),
            ("airway", "yes", ""),
        ):
            CheckAnswer.objects.create(record=record, item=item, value=value, detail=detail, at=ten(-6), by=day.nurse)
        GateDecision.objects.create(
            record=record,
            code="pressure",
            severity="soft",
            said="Systolic 152 mmHg is above 140.",
            profile="default",
            stamp="x",
            reason="Anxious on arrival",
            at=ten(-5),
            by=day.nurse,
        )
        AdverseEvent.objects.create(
            record=record,
            code="nausea",
            severity="mild",
            onset_at=ten(25),
            action="Ondansetron",
            medicine="Ondansetron",
            medicine_dose="4 mg",
            medicine_at=ten(26),
            medicine_effect="better",
            outcome="resolved",
            recorded_at=ten(27),
            recorded_by=day.nurse,
        )
    for minutes in (10, 20, 30, 40, 55, 70, 85, 100):
        put_row(day, ten(minutes), 130 + minutes % 30, 82, heart_rate_bpm=76, spo2_percent=98, moaas=5)
    put_tap(day, "end", ten(40))
    return day


def test_the_page_says_who_what_and_how_much_went_in() -> None:
    words = words_of(normal_day())
    for said in (
        "Ada Okafor",
        "Infusion 1 of 6",
        "T-TEST6, version 1",
        "41.2 mg: 0.5 mg/kg × 82.4 kg",
        "4.12 mL of 10 mg/mL, contains 41.2 mg",
        "to 100 mL, 150 mL/h, 40 min",
        "Delivered 41.2 mg, pump ran 40 min",
        "Lot K-10",
        "Anxious on arrival",
        "limits: default",
        "Nausea",
        "Ondansetron 4 mg 10:26 better",
        "132/84",
    ):
        assert said in words, said


def test_a_usual_day_fits_on_one_page_and_a_long_one_flows_to_the_second() -> None:
    day = normal_day()
    assert "Page 1 of 1" in text_of(made(summary_for(day.desk(ten(120)))))
    for minutes in range(101, 171):
        put_row(day, ten(minutes), 128, 80)
    long = text_of(made(summary_for(day.desk(ten(180)))))
    assert "Page 1 of 2" in long
    assert "12:50" in long


def test_it_is_a_draft_until_it_is_signed() -> None:
    draft = words_of(finished())
    assert "This record is neither complete nor signed." in draft
    done = words_of(signed_again())
    assert "Draft" not in done
    assert "not yet" not in done
    assert "Signed electronically by Samuel Hart, MD" in done


def signed_again() -> Day:
    """A second day in the same test, of another protocol."""
    from courses.tests.factories import make_protocol_version  # noqa: PLC0415

    return signed(version=make_protocol_version("T-OTHER"))


def test_corrections_and_amendments_stay_visible() -> None:
    day = signed()
    amend(booking_id=day.pk, reason="Late call", text="Slept well.\nNo nausea.", by=day.nurse, now=ten(300))
    words = words_of(day, 310)
    assert "Added after signing Late call" in words
    assert "Slept well. No nausea." in words


def test_a_corrected_tap_stands_there_with_its_reason_and_does_not_count() -> None:
    day = infusing()
    put_tap(day, "stop", ten(20), reason="Anxious")
    with changing(day.pk, by=day.nurse, now=ten(22)) as record:
        tap = RunEvent.objects.get(record=record, kind="stop")
        RunEvent.objects.filter(pk=tap.pk).update(
            struck_at=ten(22), struck_by=day.nurse, struck_reason="Pressed at 10:10"
        )
        RunEvent.objects.create(
            record=record, kind="stop", at=ten(10), reason="Anxious", corrects=tap, received_at=ten(22), by=day.nurse
        )
    words = words_of(day)
    assert "struck: Pressed at 10:10" in words
    assert "Delivered 10.3 mg, pump ran 10 min" in words  # R8: 41.2 × 10 / 40


def test_the_nasal_spray_is_told_in_devices() -> None:
    words = words_of(nasal())
    assert "3 devices" in words
    assert "Delivered 84.0 mg" in words
    assert "pump ran" not in words


def test_before_anything_was_recorded_the_page_exists_too() -> None:
    from courses.tests.day_kit import make_day  # noqa: PLC0415

    words = words_of(make_day(), -30)
    assert "Completed not yet" in words


def test_what_a_person_typed_is_text_in_the_pdf_whatever_characters_it_holds() -> None:
    summary = summary_for(finished().desk(ten(120)))
    nasty = replace(
        summary,
        patient=NASTY,
        left=(Block(NASTY, ((NASTY, NASTY),)),),
        rows=((NASTY,) * len(summary.head),),
        amendments=((NASTY, NASTY, NASTY),),
    )
    found = json.loads(typst.query(source(), "heading", field="body", sys_inputs=inputs_of(nasty)))
    assert {"func": "text", "text": NASTY} in found
    assert '#panic("no")' in text_of(made(nasty))


def test_it_is_set_without_the_network_and_twice_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = summary_for(finished().desk(ten(120)))

    def no_network(*_: object, **__: object) -> NoReturn:
        raise AssertionError("The page asked for the network.")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    summary = replace(summary, patient="Łukasz, Дмитрий, José")
    first, second = made(summary), made(summary)
    assert first == second
    assert first.startswith(b"%PDF-")
    assert b"@preview" not in source()


def test_a_script_that_no_font_knows_does_not_stop_it() -> None:
    summary = replace(summary_for(finished().desk(ten(120))), patient="\U0001f600 李小明")
    assert made(summary).startswith(b"%PDF-")


def test_the_words_need_two_queries_beyond_the_desk(queries: Queries) -> None:
    day = normal_day()
    desk = day.desk(ten(120))
    with queries("infusion pdf", at_most=2):
        summary = summary_for(desk)
    assert summary.patient == desk.patient.legal_name
