"""Every sentence that patients read stands in every catalog, whole; a language is there when its file is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.test import override_settings
from django.utils.translation import get_language, override

from clinic.adapters.catalogs import compile_catalogs
from clinic.edge.checks import compiled_words
from patients.adapters.languages import LOCALE, known, languages, own_names
from patients.adapters.words import ROOT, Sentence, read_catalog, sentences, write_catalog
from patients.services.languages import speaking
from patients.services.messages.defaults import SHIPPED

PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)[sd]")
TAG = re.compile(r"<[^>]+>")
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
CODES = [code for code in languages() if code != "en"]


@pytest.fixture(scope="module")
def said() -> dict[Sentence, str]:
    return sentences()


def lacks(catalog: Catalog, said: Mapping[Sentence, str]) -> list[str]:
    """One line for each fault of the catalog."""
    found = [f"line {message.lineno}: fuzzy" for message in catalog if message.id and message.fuzzy]
    for sentence, where in said.items():
        english = [sentence] if isinstance(sentence, str) else list(sentence)
        message = catalog.get(english[0])
        if message is None:
            found.append(f"{where}: missing {english[0]!r}")
            continue
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        if not all(strings) or message.pluralizable != isinstance(sentence, tuple):
            found.append(f"{where}: not translated {english[0]!r}")
        elif any(parts(string) not in [parts(one) for one in english] for string in strings):
            found.append(f"{where}: other placeholders or tags than {english[0]!r}")
    return found


def parts(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text) + TAG.findall(text))


# --- the catalogs -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", CODES)
def test_every_sentence_that_patients_read_is_translated(code: str, said: dict[Sentence, str]) -> None:
    assert lacks(read_catalog(LOCALE / code / "LC_MESSAGES" / "django.po"), said) == []


@pytest.mark.parametrize("code", CODES)
def test_a_catalog_has_no_sentence_that_nobody_says(code: str, said: dict[Sentence, str]) -> None:
    english = {one if isinstance(one, str) else one[0] for one in said}
    catalog = read_catalog(LOCALE / code / "LC_MESSAGES" / "django.po")
    ids = [message.id if isinstance(message.id, str) else message.id[0] for message in catalog if message.id]
    assert [one for one in ids if one not in english] == []


SOUND = 'msgid "Call %(number)s"\nmsgstr "Llamar al %(number)s"\n'
HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("", "missing"),
        ('msgid "Call %(number)s"\nmsgstr ""\n', "not translated"),
        ('msgid "Call %(number)s"\nmsgstr "Llamar al %(numero)s"\n', "other placeholders"),
        ('msgid "Call %(number)s"\nmsgstr "Llamar"\n', "other placeholders"),
        (f"#, fuzzy\n{SOUND}", "fuzzy"),
    ],
)
def test_a_removed_empty_fuzzy_or_broken_entry_is_found(tmp_path: Path, entry: str, fault: str) -> None:
    (tmp_path / "django.po").write_text(HEAD + entry, encoding="utf-8")
    with (tmp_path / "django.po").open("rb") as file:
        found = lacks(read_po(file, locale="es"), {"Call %(number)s": "x.html"})
    assert len(found) == 1
    assert fault in found[0]
    (tmp_path / "django.po").write_text(HEAD + SOUND, encoding="utf-8")
    with (tmp_path / "django.po").open("rb") as file:
        assert lacks(read_po(file, locale="es"), {"Call %(number)s": "x.html"}) == []


def test_sentences_are_found_in_templates_in_modules_and_in_marked_words(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "patients" / "tests").mkdir(parents=True)
    page = (
        '{% load i18n %}<p>\n    <b>{% translate "One" %}</b>\n  {% blocktranslate trimmed %}Two {{ name }}'
        "{% endblocktranslate %}\n {% blocktranslate count number=n %}{{ number }} day{% plural %}{{ number }} days"
        '{% endblocktranslate %}{% include "x.html" with label=_("Five") %}'
    )
    (tmp_path / "templates" / "page.html").write_text(page, encoding="utf-8")
    code = 'from x import gettext_lazy as _\nA = _("Three")\nB = translatable("Four")\nC = "Not said"\n'
    (tmp_path / "patients" / "module.py").write_text(code, encoding="utf-8")
    (tmp_path / "patients" / "tests" / "module.py").write_text('_("Of a test")', encoding="utf-8")
    plural = ("%(number)s day", "%(number)s days")
    assert set(sentences(tmp_path)) == {"One", "Two %(name)s", plural, "Three", "Four", "Five"}


def test_what_the_house_says_is_among_them(said: dict[Sentence, str]) -> None:
    shipped = {str(one.words.sms) for one in SHIPPED} | {str(one.words.subject) for one in SHIPPED}
    assert shipped <= set(said)
    assert {"Thank you. Your request was sent.", "Skip this question", "The time is yours"} <= set(said)
    assert "No alcohol today and for 24 hours." in said  # clinical.md C2, the sheet for going home


def test_the_clock_of_spanish_ends_in_a_period_so_no_sentence_adds_one() -> None:
    """CLDR writes "1:00 p.m."; "p.m.." would be wrong. The last day of a consent is no clock."""
    catalog = read_catalog(LOCALE / "es" / "LC_MESSAGES" / "django.po")
    clock = re.compile(r"(\{(old_)?when\}|%\((when|until)\)s)(</\w+>)?\.")
    strings = [one for message in catalog for one in (message.string, *message.string) if isinstance(one, str)]
    assert [one for one in strings if clock.search(one)] == []


# --- which language ---------------------------------------------------------------------------------------------------
def test_english_and_each_catalog_are_the_languages() -> None:
    assert languages() == {"en": "English", "es": "Spanish"}
    assert own_names() == {"en": "English", "es": "Español"}


@pytest.mark.parametrize(
    ("code", "spoken"),
    [
        ("es", "es"),
        ("ES", "es"),
        ("es-MX", "es"),
        ("es_US", "es"),
        ("en", "en"),
        ("tlh", "en"),
        ("", "en"),
        ("../es", "en"),
    ],
)
def test_a_language_that_we_lack_is_english(code: str, spoken: str) -> None:
    assert known(code) == spoken
    with override("fr"):
        with speaking(code):
            assert get_language() == spoken
        assert get_language() == "fr"


def test_adding_a_language_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes the file, the compiler compiles it, and the language is there."""
    locale = tmp_path / "patients" / "locale"
    path, missing = write_catalog("fr", now=NOW, locale=locale)
    assert path == locale / "fr" / "LC_MESSAGES" / "django.po"
    assert missing == len(sentences())
    text = path.read_text(encoding="utf-8").replace('msgid "Yes"\nmsgstr ""', 'msgid "Yes"\nmsgstr "Oui"')
    path.write_text(text, encoding="utf-8")
    assert write_catalog("fr", now=NOW, locale=locale) == (path, missing - 1)  # what is translated stays
    assert compile_catalogs(tmp_path) == [path]
    monkeypatch.setattr("patients.adapters.languages.LOCALE", locale)
    assert dict.fromkeys(["en", "fr"]).keys() == languages.__wrapped__().keys()


# --- compiled -----------------------------------------------------------------------------------------------------------
def test_a_fresh_clone_is_compiled_once(tmp_path: Path) -> None:
    """As a clone has it: text files only. The second time nothing is left to do; a change is compiled again."""
    text = tmp_path / "patients" / "locale" / "es" / "LC_MESSAGES" / "django.po"
    text.parent.mkdir(parents=True)
    text.write_bytes((LOCALE / "es" / "LC_MESSAGES" / "django.po").read_bytes())
    with override_settings(BASE_DIR=tmp_path):
        assert [problem.id for problem in compiled_words()] == ["clinic.W003"]
    with override_settings(BASE_DIR=tmp_path, PRODUCTION=True):
        assert [problem.id for problem in compiled_words()] == ["clinic.E003"]
    assert compile_catalogs(tmp_path) == [text]
    with override_settings(BASE_DIR=tmp_path, PRODUCTION=True):
        assert compiled_words() == []
    compiled = text.with_suffix(".mo")
    assert compiled.stat().st_size > 1000
    assert compile_catalogs(tmp_path) == []
    later = compiled.stat().st_mtime_ns + 1
    os.utime(text, ns=(later, later))
    assert compile_catalogs(tmp_path) == [text]
    assert sorted(path.name for path in text.parent.iterdir()) == ["django.mo", "django.po"]


def test_a_catalog_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    text = tmp_path / "patients" / "locale" / "es" / "LC_MESSAGES" / "django.po"
    text.parent.mkdir(parents=True)
    text.write_text('msgid "One"\nmsgstr "Uno"\nand so on\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"django\.po"):
        compile_catalogs(tmp_path)
    assert not text.with_suffix(".mo").exists()


def test_setup_compiles_with_the_python_of_the_environment() -> None:
    """What `make setup` runs; the compiled file is not in the repository."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "clinic" / "adapters" / "catalogs.py")], check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (LOCALE / "es" / "LC_MESSAGES" / "django.mo").exists()
    assert "*.mo" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
