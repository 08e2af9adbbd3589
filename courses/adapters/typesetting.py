"""Setting a page by Typst in this process, without the network: what the clinic's PDFs share.

The words go in as data and never become Typst source, so nothing that a person typed can be a command.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import typst
from django.conf import settings

TEMPLATES = Path("templates") / "courses"
PARTS = TEMPLATES / "pdf_parts.typ"


def source_of(template: str) -> bytes:
    """A template below ``templates/courses``, after the parts that all of them use."""
    base = Path(settings.BASE_DIR)
    return (base / PARTS).read_bytes() + (base / TEMPLATES / template).read_bytes()


def inputs_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The facts as a template reads them."""
    return {"summary": json.dumps(data)}


def typeset(source: bytes, data: Mapping[str, Any], *, at: datetime) -> bytes:
    """The page as a PDF made ``at`` that moment: accessible (PDF/UA) where the fonts have every letter of it."""
    try:
        return _compiled(source, data, at, standards=["ua-1"])
    except typst.TypstError:
        return _compiled(source, data, at, standards=[])


def _compiled(source: bytes, data: Mapping[str, Any], at: datetime, *, standards: list[Literal["ua-1"]]) -> bytes:
    return typst.compile(
        source,
        format="pdf",
        sys_inputs=inputs_of(data),
        timestamp=at.replace(microsecond=0),  # Typst refuses parts of a second
        pdf_standards=list(standards),
    )
