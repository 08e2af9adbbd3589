"""What the words of a message may be. Sources: clinical.md G ("TCPA", "PHI in messages"); GSM 03.38 and 03.40."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from clinic.pure.dates import longest_moment, say_clock, say_day, say_moment
from patients.pure.messages.forbidden import telling_words, without_telling_words
from patients.pure.messages.offsets import Said, Side, Unit, offset_of, said_of, say_offset
from patients.pure.messages.timing import Offset
from patients.pure.messages.wording import (
    PLACEHOLDERS,
    Encoding,
    fill,
    lacks_opt_out,
    longest_samples,
    placeholders_in,
    problems_of,
    sms_length,
)

MODEL = "Maple Clinic: appointment Wed 1/13 1:00 PM. Bring your driver. Questions 555-0100. Reply STOP to opt out."
"""clinical.md G, "PHI in messages"."""
ALLOWED = ["first_name", "clinic", "when", "link"]
SPANISH = Path(__file__).resolve().parents[2] / "locale" / "es" / "LC_MESSAGES" / "django.po"


# --- what must not stand in a message ---------------------------------------------------------------------------------
def test_the_model_text_of_the_reference_may_go_out() -> None:
    assert telling_words(MODEL) == []
    assert not lacks_opt_out(MODEL)
    assert sms_length(MODEL).parts == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Your ketamine visit", "ketamine"),
        ("Your KETAMINE visit", "KETAMINE"),
        ("Esketamine today", "Esketamine"),
        ("Spravato today", "Spravato"),
        ("Su cita de ketamina", "ketamina"),
        ("Your infusion on Monday", "infusion"),
        ("Su infusión del lunes", "infusión"),
        ("su infusion del lunes", "infusion"),
        ("Your depression questions", "depression"),
        ("Sobre su depresión", "depresión"),
        ("Your PTSD questions", "PTSD"),
        ("post‑traumatic stress", "post‑traumatic"),
        ("para su ansiedad", "ansiedad"),
        ("Fill in the PHQ-9", "PHQ-9"),
        ("Fill in the phq9 today", "phq9"),
        ("Your score is 12", "score"),
        ("Su puntuación", "puntuación"),
        ("Stop Xanax the day before", "Xanax"),
        ("Take 20 mg", "mg"),
        ("Your psychiatrist waits", "psychiatrist"),
    ],
)
def test_drug_condition_score_and_treatment_are_refused_by_the_word_as_it_was_typed(text: str, word: str) -> None:
    assert [one.word for one in telling_words(text)] == [word]
    said = problems_of(f"{{clinic}}: {text}", allowed=ALLOWED)
    assert len(said) == 1
    assert f"“{word}”" in said[0]


@pytest.mark.parametrize(
    "text",
    ["Your visit on Monday. Bring your driver.", "Drink water, no alcohol.", "Su cita del lunes.", "{depression}"],
)
def test_usual_words_may_stand(text: str) -> None:
    assert telling_words(text) == []


def test_a_clinic_that_is_called_after_the_drug_is_called_otherwise_in_messages() -> None:
    assert without_telling_words("Maple Ketamine Clinic") == "Maple Clinic"
    assert without_telling_words("Ketamine") == ""
    assert without_telling_words("Maple Clinic") == "Maple Clinic"


# --- placeholders -----------------------------------------------------------------------------------------------------
def test_a_name_that_means_nothing_is_named_with_those_that_do() -> None:
    said = problems_of("{clinic}: {surname}, come {when}.", allowed=ALLOWED)
    assert said == ["“{surname}” means nothing here. Use only: {first_name}, {clinic}, {when}, {link}."]
    assert problems_of("{clinic}: {first_name}, come {when}.", allowed=ALLOWED) == []


def test_a_brace_that_stands_alone_is_refused() -> None:
    assert "stands alone" in problems_of("{clinic} { and {when}", allowed=ALLOWED)[0]
    assert problems_of("{clinic} and {when}", allowed=ALLOWED) == []


def test_a_text_names_the_clinic() -> None:
    assert "{clinic}" in problems_of("Come {when}.", allowed=ALLOWED)[0]
    assert problems_of("Come {when}.", allowed=ALLOWED, must_name=()) == []


@pytest.mark.parametrize("address", ["https://example.org/p/17", "www.maple.org", "maple.com/ada", "desk@maple.org"])
def test_no_address_but_the_link_may_lead_anywhere(address: str) -> None:
    assert "Only {link} may lead anywhere" in problems_of(f"{{clinic}}: see {address} today", allowed=ALLOWED)[0]


def test_what_a_value_contains_is_never_read_as_a_placeholder() -> None:
    assert fill("{first_name}: {when}", {"first_name": "{when}", "when": "now"}) == "{when}: now"
    with pytest.raises(KeyError):
        fill("{nobody}", {"first_name": "Ada"})


def test_the_point_of_an_abbreviation_ends_the_sentence_too() -> None:
    assert fill("Venga el {when}. Gracias", {"when": "lun, 1:00 p.m."}) == "Venga el lun, 1:00 p.m. Gracias"
    assert fill("Venga el {when} o llame", {"when": "lun, 1:00 p.m."}) == "Venga el lun, 1:00 p.m. o llame"


# --- how long a text message is ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "units", "parts", "encoding"),
    [
        ("", 0, 0, Encoding.GSM),
        ("a" * 160, 160, 1, Encoding.GSM),
        ("a" * 161, 161, 2, Encoding.GSM),  # 153 in each of several parts
        ("a" * 306, 306, 2, Encoding.GSM),
        ("a" * 307, 307, 3, Encoding.GSM),
        ("ñüàéèùìòÑÇ¿¡", 12, 1, Encoding.GSM),
        ("€" * 80, 160, 1, Encoding.GSM),  # the extension table takes two septets
        ("€" * 81, 162, 2, Encoding.GSM),
        ("a" * 152 + "€" + "a" * 152, 306, 3, Encoding.GSM),  # the pair is not split: 152 + 153 + 1
        ("í" * 70, 70, 1, Encoding.UNICODE),
        ("í" * 71, 71, 2, Encoding.UNICODE),  # 67 in each of several parts
        ("ç", 1, 1, Encoding.UNICODE),  # only the capital is in the alphabet
        ("😀" * 35, 70, 1, Encoding.UNICODE),
        ("😀" * 36, 72, 2, Encoding.UNICODE),
        ("😀" * 67, 134, 3, Encoding.UNICODE),  # 33 whole ones in 67 units
    ],
)
def test_a_text_message_is_counted_as_the_network_counts_it(
    text: str, units: int, parts: int, encoding: Encoding
) -> None:
    found = sms_length(text)
    assert (found.units, found.parts, found.encoding) == (units, parts, encoding)


def test_160_fit_and_161_do_not_and_the_letters_that_cost_are_named() -> None:
    assert sms_length("a" * 160).fits
    assert not sms_length("a" * 161).fits
    assert sms_length("a" * 161).over == 1
    assert sms_length("mañana está aquí").odd == ("á", "í")


@pytest.mark.parametrize(
    ("sms", "lacks"),
    [
        ("{clinic}: come. Reply STOP to opt out.", False),
        ("{clinic}: cita. Responda STOP para salir.", False),
        ("{clinic}: come {when}.", True),
        ("{clinic}: come, and stop by.", True),
        ("STOP! " + "This is a long sentence about your appointment at our place, and no more.", True),
        ("{clinic}: reply STOP to opt out. {link}", True),
    ],
)
def test_a_text_message_ends_with_how_to_stop(sms: str, *, lacks: bool) -> None:
    assert lacks_opt_out(sms) is lacks


# --- samples and dates ------------------------------------------------------------------------------------------------
def test_there_is_a_longest_value_for_each_placeholder_in_any_language() -> None:
    for language in ("en", "es", "fr"):
        values = longest_samples(language, clinic="Maple", phone="", where="", link="https://example.org/v/x/")
        assert set(values) == set(PLACEHOLDERS)
        assert all(values.values())


def test_days_and_clocks_are_said_in_the_language_and_never_with_a_narrow_space() -> None:
    moment = datetime(2027, 1, 13, 13, 0)
    assert say_moment(moment, "en") == "Wed, Jan 13, 1:00 PM"
    assert say_moment(moment, "es") == "mié, 13 ene, 1:00 p.m."
    assert say_day(date(2027, 1, 13), "en") == "Wed, Jan 13"
    assert say_clock(moment, "fr") == "13:00"
    assert say_moment(moment, "xx") == "Wed, Jan 13, 1:00 PM"
    assert sms_length(say_moment(moment, "en")).encoding is Encoding.GSM


def test_no_day_of_a_year_is_longer_than_the_longest() -> None:
    for language in ("en", "es"):
        longest = len(longest_moment(language))
        all_days = [date.fromordinal(date(2028, 1, 1).toordinal() + number) for number in range(366)]
        assert max(len(say_day(day, language)) for day in all_days) + len(", 12:30 AM") <= longest + 1
        assert longest <= 26


# --- when -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (Offset(days=-2, at=time(10)), "2 days before, at 10:00"),
        (Offset(days=-1, at=time(10)), "The day before, at 10:00"),
        (Offset(days=0, at=time(9, 30)), "On the day, at 09:30"),
        (Offset(days=1, at=time(10)), "The day after, at 10:00"),
        (Offset(minutes=-120), "2 hours before"),
        (Offset(minutes=-150), "2 hours 30 minutes before"),
        (Offset(minutes=45), "45 minutes after"),
        (Offset(minutes=0), "At once"),
    ],
)
def test_an_offset_is_said_as_people_say_it_and_read_back_from_the_form(offset: Offset, said: str) -> None:
    assert say_offset(offset) == said
    assert offset_of(said_of(offset)) == offset


def test_days_without_a_time_of_day_are_no_offset() -> None:
    with pytest.raises(ValueError, match="time of day"):
        offset_of(Said(amount=2, unit=Unit.DAYS, side=Side.BEFORE))
    assert offset_of(Said(amount=2, unit=Unit.HOURS, side=Side.BEFORE)) == Offset(minutes=-120)


# --- Spanish ----------------------------------------------------------------------------------------------------------
def test_every_spanish_text_has_the_placeholders_of_the_english_one_and_its_messages_tell_nothing() -> None:
    with SPANISH.open("rb") as file:
        texts = [
            (str(one.id), str(one.string)) for one in read_po(file, locale="es") if isinstance(one.id, str) and one.id
        ]
    assert len(texts) > 60
    for english, spanish in texts:
        assert spanish, english
        assert sorted(placeholders_in(english)) == sorted(placeholders_in(spanish)), english
        assert not re.search(r"\b(tú|tu|tus|te|ti|puedes|llama)\b", spanish, re.IGNORECASE), spanish  # usted throughout
        if "{clinic}" in english:  # a message; pages behind the links may say more
            assert telling_words(spanish) == [], spanish
