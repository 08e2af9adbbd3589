"""What kind of file somebody chose, by what is in it; its name and what the browser says about it prove nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SCAN_BYTES = 10 * 1024 * 1024
TAIL = 2048
"""The end of a PDF stands within its last bytes; scanners add some after it."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that is taken: how it begins and what stands at its end."""

    content_type: str
    suffix: str
    begins: bytes
    ends: bytes


KINDS = (
    FileKind("application/pdf", ".pdf", b"%PDF-", b"%%EOF"),
    FileKind("image/png", ".png", b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    FileKind("image/jpeg", ".jpg", b"\xff\xd8\xff", b"\xff\xd9"),
)


class ScanError(Exception):
    """The file is not taken; the message says why and what to do."""


def check_size(size: int) -> None:
    """Nothing, for what is neither empty nor larger than 10 MB; asked before a file is read.

    Raises:
        ScanError: else.
    """
    if not size:
        raise ScanError("The file is empty. Scan the page again.")
    if size > MAX_SCAN_BYTES:
        raise ScanError(f"The file has {size / 1024 / 1024:.1f} MB, at most 10 are taken. Scan it at 200 dpi, in grey.")


def kind_of_scan(content: bytes) -> FileKind:
    """PDF, PNG or JPEG.

    Raises:
        ScanError: when it is empty, larger than 10 MB, cut off, or anything else.
    """
    if not content:
        raise ScanError("The file is empty. Scan the page again.")
    if len(content) > MAX_SCAN_BYTES:
        megabytes = len(content) / 1024 / 1024
        raise ScanError(
            f"The file has {megabytes:.1f} MB, at most 10 are taken. Scan in black and white or at 200 dpi."
        )
    kind = next((one for one in KINDS if content.startswith(one.begins)), None)
    if kind is None:
        raise ScanError(
            "This is no PDF, PNG or JPEG, whatever its name says. Scan the signed page and choose that file."
        )
    if kind.ends not in content[-TAIL:]:
        raise ScanError("The file breaks off before its end. Scan the page again.")
    return kind


def safe_filename(name: str, kind: FileKind) -> str:
    """A name for the disk: letters, digits, dots and dashes, with the ending that its content has."""
    stem = re.sub(r"[^\w.-]+", "-", re.sub(r"\.\w{1,5}$", "", name), flags=re.ASCII)
    return (stem.strip("-.")[:80] or "consent") + kind.suffix
