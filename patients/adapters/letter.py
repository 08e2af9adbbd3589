"""A letter as PDF, set by Typst: in this process, without the network, the same bytes for the same letter.

The words go in as data and never become Typst source, so nothing that a person typed can be a command.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Literal

import typst
from django.conf import settings

from patients.pure.letter import Letter

TEMPLATE = Path("templates") / "patients" / "letters" / "referrer.typ"


def pdf_of(letter: Letter, *, at: datetime) -> bytes:
    """The letter as a PDF made ``at`` that moment: accessible (PDF/UA) where the fonts have every letter of it.

    A name in a script that no font of this machine knows would break that standard; the letter is then made without
    it rather than not at all.
    """
    try:
        return _compiled(letter, at, standards=["ua-1"])
    except typst.TypstError:
        return _compiled(letter, at, standards=[])


def _compiled(letter: Letter, at: datetime, *, standards: list[Literal["ua-1"]]) -> bytes:
    return typst.compile(
        source(),
        format="pdf",
        sys_inputs=inputs_of(letter),
        timestamp=at.replace(microsecond=0),
        pdf_standards=list(standards),
    )


def source() -> bytes:
    """The template: the same for every letter."""
    return (Path(settings.BASE_DIR) / TEMPLATE).read_bytes()


def inputs_of(letter: Letter) -> dict[str, str]:
    """The letter as the template reads it."""
    return {"letter": json.dumps(letter.as_data())}
