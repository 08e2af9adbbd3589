"""A QR code as numbers for an SVG path: drawn into the page, so no picture of a secret address is ever a file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

QUIET = 4
"""Empty modules on each side; the standard (ISO/IEC 18004) asks for four."""


@dataclass(frozen=True, slots=True)
class Code:
    """``size`` modules a side with the margin; ``path`` fills the dark ones (one unit is one module)."""

    size: int
    path: str


def qr_code(text: str) -> Code:
    """The code of ``text``, in the smallest version that holds it."""
    code: QRCode = QRCode(error_correction=ERROR_CORRECT_M, border=QUIET)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    runs = [f"M{x} {y}h{length}v1h-{length}z" for y, row in enumerate(matrix) for x, length in _dark_runs(row)]
    return Code(len(matrix), "".join(runs))


def _dark_runs(row: list[bool]) -> list[tuple[int, int]]:
    """(start, length) of each stretch of dark modules."""
    found, at = [], 0
    for is_dark, group in groupby(row):
        length = len(list(group))
        if is_dark:
            found.append((at, length))
        at += length
    return found
