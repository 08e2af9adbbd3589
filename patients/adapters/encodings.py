"""In which encoding a text file is written, told from all of its bytes."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

BLOCK = 1 << 20
SAMPLE = 1 << 16
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LABELS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with byte order mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16, little endian",
    "utf-16-be": "UTF-16, big endian",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252 (Western Europe; includes Latin-1)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "mac-roman": "Mac Roman",
}
OTHER_SCRIPTS = {"Cyrillic": "cp1251", "Greek and Coptic": "cp1253"}


@dataclass(frozen=True, slots=True)
class _Count:
    proper: int  # letters beyond ASCII that are correct UTF-8
    broken: int  # bytes that are not


def detect_encoding(path: Path) -> str:
    """The encoding of the file, as Python names it.

    A byte order mark decides; then whether the bytes are UTF-8, allowing few broken ones beside more right letters, so
    that one bad byte does not turn every "é" of a good file into "Ã©". What is left is taken for Windows-1252, unless
    the letters would be those of another script: statistics on short names guess wrong too often to decide between
    Western encodings.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    for mark, encoding in BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    if wide := _wide(sample):
        return wide
    count = _utf8(path)
    if not count.broken or count.proper > count.broken:
        return "utf-8"
    best = from_bytes(sample, cp_isolation=["cp1252", "cp1251", "cp1253"]).best()
    scripts = best.alphabets if best else []
    return next((encoding for script, encoding in OTHER_SCRIPTS.items() if script in scripts), "cp1252")


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: every other byte of plain text is zero."""
    pairs = len(sample) // 2
    if pairs and sample[1::2].count(0) > 0.6 * pairs > sample[0::2].count(0) * 10:
        return "utf-16-le"
    if pairs and sample[0::2].count(0) > 0.6 * pairs > sample[1::2].count(0) * 10:
        return "utf-16-be"
    return ""


def _utf8(path: Path) -> _Count:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    proper = broken = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            text = decoder.decode(block)
            if not text.isascii():
                lone = sum("\udc80" <= letter <= "\udcff" for letter in text if letter > "\x7f")
                broken += lone
                proper += sum(letter > "\x7f" for letter in text) - lone
    broken += len(decoder.getstate()[0])
    return _Count(proper, broken)
