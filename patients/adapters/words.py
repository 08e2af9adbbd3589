"""Every sentence that a patient may read, found in the sources: what a catalog of another language has to have.

Python modules are read by Babel, templates by Django's own ``templatize``, which turns their tags into calls that Babel
understands. Words of modules without Django are marked by ``clinic.pure.words.translatable``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from patients.adapters.languages import LOCALE

ROOT = LOCALE.parents[1]
PACKAGES = ("clinic", "patients", "courses")
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "translatable": None,
}
Sentence = str | tuple[str, ...]
"""A msgid, or its singular and plural."""


def sentences(root: Path = ROOT) -> dict[Sentence, str]:
    """Sentence -> the first file that says it, relative to ``root``."""
    found: dict[Sentence, str] = {}
    for path, text in _sources(root):
        for _line, said, *_rest in extract("python", BytesIO(text.encode()), keywords=KEYWORDS):
            found.setdefault(said if isinstance(said, str) else tuple(said), path)
    return found


def _sources(root: Path) -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root)
            if not {"tests", "migrations"} & set(name.parts):
                yield str(name), path.read_text(encoding="utf-8")
    for path in sorted((root / "templates").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        calls = templatize(text, origin=str(path))  # the rest of the page is left of it as X, indented as it was
        yield str(path.relative_to(root)), "\n".join(line.strip() for line in calls.splitlines())


def read_catalog(path: Path) -> Catalog:
    """The catalog as it stands.

    Raises:
        babel.messages.pofile.PoFileError: it cannot be read.
    """
    with path.open("rb") as file:
        return read_po(file, locale=path.parents[1].name, abort_invalid=True)


def write_catalog(code: str, *, now: datetime, locale: Path = LOCALE) -> tuple[Path, int]:
    """The catalog of that language has every sentence, those that it lacked without a translation yet.

    What is translated stays; sentences that nobody says any more leave.

    Returns:
        The file, and how many sentences have no translation.
    """
    folder = code.replace("-", "_")
    path = locale / folder / "LC_MESSAGES" / "django.po"
    before = read_catalog(path) if path.exists() else Catalog(locale=folder)
    after = Catalog(locale=folder, project="Cadence", charset="utf-8", fuzzy=False)
    after.creation_date = now.astimezone(UTC)
    after.header_comment = before.header_comment if path.exists() else f"# {code} of what patients see."
    for said, where in sentences().items():
        known = before.get(said if isinstance(said, str) else said[0])
        is_same = known is not None and known.pluralizable == isinstance(said, tuple)
        after.add(said, known.string if known is not None and is_same else None, locations=[(where, 0)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, after, width=120, include_lineno=False, sort_by_file=True, omit_header=False)
    return path, sum(not _is_translated(message.string) for message in after if message.id)


def _is_translated(string: str | tuple[str, ...] | list[str] | None) -> bool:
    return bool(string) and all([string] if isinstance(string, str) else string or ())
