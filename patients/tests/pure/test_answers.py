"""What an answer by text message is taken for. Source: 47 CFR 64.1200(a)(10), CTIA Messaging Principles 5.1."""

from __future__ import annotations

import pytest

from patients.pure.messages.answers import Word, meaning_of

PER_SE = ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"]
"""Named by the rule, word by word."""


@pytest.mark.parametrize("word", PER_SE)
@pytest.mark.parametrize("written", ["{}", "{}.", " {} ", "“{}”!"])
def test_what_the_rule_names_ends_texts_however_it_is_written(word: str, written: str) -> None:
    said = written.format(word)
    assert {meaning_of(said), meaning_of(said.upper()), meaning_of(said.title())} <= {Word.STOP, Word.CANCEL}


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("STOP", Word.STOP),
        ("Stop-all", Word.STOP),
        ("please stop", Word.STOP),
        ("no MÁS", Word.STOP),
        ("Alto!", Word.STOP),
        ("Parar", Word.STOP),
        ("CANCEL", Word.CANCEL),
        ("Cancelar", Word.CANCEL),
        ("start", Word.START),
        ("UNSTOP", Word.START),
        ("C", Word.CONFIRM),
        ("Y", Word.CONFIRM),
        ("¡Sí, confirmo!", Word.CONFIRM),
        ("si\u0301", Word.CONFIRM),
        ("ＹＥＳ", Word.CONFIRM),
        ("HELP", Word.HELP),
        ("ayuda", Word.HELP),
        ("Información", Word.HELP),
    ],
)
def test_each_word_in_both_languages(said: str, word: Word) -> None:
    assert meaning_of(said) is word


@pytest.mark.parametrize(
    "said",
    [
        *("", " ", "?", "👍", "no", "N", "stopp", "yes but later", "can I cancel tomorrow", "Stop by at three?"),
        *("don't stop", "is 10:30 ok", "s", "1", "\x00", "stop " * 200, "y" * 100_000, "help me find parking"),
    ],
)
def test_what_is_no_agreed_word_waits_for_a_person(said: str) -> None:
    assert meaning_of(said) is Word.OTHER
