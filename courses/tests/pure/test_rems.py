"""The REMS form: when it is due, and what it asks, from the record alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from courses.pure.rems import ASKED_CLASSES, Look, Session, due_on, lines_of, say_standing
from patients.pure.interactions import CLASSES, Drug

START = datetime(2027, 2, 1, 15, 0, tzinfo=UTC)


def later(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


WHOLE = Session(
    dose_mg=Decimal("56.0"),
    devices=(later(0), later(5)),
    lots=("E-1",),
    left_at=later(125),
    looks=(
        Look(later(-3), 128, 82, spo2=98, respiratory_rate=14, moaas=5, dissociation=0),
        Look(later(44), 141, 88, spo2=96, respiratory_rate=12, moaas=4, dissociation=9),
        Look(later(120), 126, 80, spo2=97, respiratory_rate=14, moaas=5, dissociation=0),
    ),
    medicines=(Drug("Lorazepam", "1 mg at night"), Drug("Sertraline", "100 mg")),
    effects=("Dizziness, mild",),
)


def said(session: Session) -> dict[str, str]:
    return {line.asks: line.says for line in lines_of(session)}


def test_the_form_of_1_february_is_due_on_8_february() -> None:
    assert due_on(date(2027, 2, 1)) == date(2027, 2, 8)  # clinical.md case 27
    assert due_on(date(2027, 2, 1), days=3) == date(2027, 2, 4)


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2027, 2, 1), "due in 7 days"),
        (date(2027, 2, 7), "due in 1 day"),
        (date(2027, 2, 8), "due today"),
        (date(2027, 2, 9), "overdue by 1 day"),
        (date(2027, 2, 11), "overdue by 3 days"),
    ],
)
def test_what_is_left_until_the_8th_is_said_in_days(today: date, words: str) -> None:
    assert say_standing(date(2027, 2, 8), today) == words


def test_everything_that_the_form_asks_is_there_from_the_record() -> None:
    found = said(WHOLE)
    assert found["Benzodiazepines"] == "Lorazepam, 1 mg at night"
    assert found["Opioids"] == "None on the medicine list"
    assert found["Dose"] == "56.0 mg, 2 devices"
    assert found["Lot"] == "E-1"
    assert found["Minutes from the first device until they left"] == "125"
    assert found["Blood pressure before"] == "128/82 mmHg"
    assert found["Blood pressure about 40 minutes after"] == "141/88 mmHg, after 39 minutes"
    assert found["Blood pressure before they left"] == "126/80 mmHg"
    assert found["Sedation"] == "Yes, lowest MOAA/S 4, last 5"
    assert found["Dissociation"] == "Highest score 9, last 0; no cut-off exists"
    assert found["Breathing"] == "Slowest breathing 12 a minute, lowest SpO2 96 %"
    assert found["Side effects"] == "Dizziness, mild"
    assert not any(line.is_missing for line in lines_of(WHOLE))


def test_what_the_record_does_not_say_is_missing_and_never_made_up() -> None:
    empty = Session(dose_mg=None, devices=(), lots=(), left_at=None, looks=(), medicines=())
    missing = {line.asks for line in lines_of(empty) if line.is_missing}
    assert missing == {
        "Dose",
        "Lot",
        "Minutes from the first device until they left",
        "Blood pressure before",
        "Blood pressure about 40 minutes after",
        "Blood pressure before they left",
        "Sedation",
        "Dissociation",
        "Breathing",
        "Side effects",
    }


@pytest.mark.parametrize(("minutes", "counts"), [(34, False), (35, True), (55, True), (56, False)])
def test_thirty_to_fifty_minutes_after_the_last_device_counts_as_about_forty(minutes: int, counts: bool) -> None:
    session = replace(WHOLE, looks=(Look(later(minutes), 140, 85),))
    says = said(session)["Blood pressure about 40 minutes after"]
    assert (says != "Not on record") is counts


def test_an_awake_patient_was_not_sedated() -> None:
    session = replace(WHOLE, looks=(Look(later(44), moaas=5),))
    assert said(session)["Sedation"] == "None, lowest MOAA/S 5, last 5"


def test_none_is_an_answer_and_no_answer_is_missing() -> None:
    asked = replace(WHOLE, effects=(), none_said=True)
    assert said(asked)["Side effects"] == "None, and this was asked"
    assert said(replace(WHOLE, effects=()))["Side effects"] == "Not on record"


def test_every_class_that_the_form_asks_about_exists() -> None:
    known = {kind.code for kind in CLASSES}
    assert {code for _, codes in ASKED_CLASSES for code in codes} <= known
