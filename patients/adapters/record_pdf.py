"""Everything about one person as PDF, set by Typst in this process, without the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import typst
from django.conf import settings

TEMPLATE = Path("templates") / "patients" / "privacy" / "everything.typ"


def record_pdf(paper: Mapping[str, Any], *, at: datetime) -> bytes:
    """The paper as a PDF made ``at`` that moment: accessible (PDF/UA) where the fonts have every letter of it.

    Other requests of the process go on meanwhile: Typst works without holding Python's lock.
    """
    try:
        return _compiled(paper, at, standards=["ua-1"])
    except typst.TypstError:
        return _compiled(paper, at, standards=[])


def _compiled(paper: Mapping[str, Any], at: datetime, *, standards: list[Literal["ua-1"]]) -> bytes:
    return typst.compile(
        (Path(settings.BASE_DIR) / TEMPLATE).read_bytes(),
        format="pdf",
        sys_inputs={"record": json.dumps(paper)},
        timestamp=at.replace(microsecond=0),
        pdf_standards=list(standards),
    )
