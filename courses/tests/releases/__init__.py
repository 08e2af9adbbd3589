"""What the releases looked like: the last migrations of each, and the data of a small clinic at that release.

``<release>.sql.xz`` is the schema and the rows of ``courses.tests.small_clinic`` at that release, in plain SQL:

    pg_dump --no-owner --no-privileges --inserts --rows-per-insert=200 NAME | xz -9e > courses/tests/releases/0.8.sql.xz

made of a test database at the day of the release, and kept for as long as somebody may upgrade from there.
"""

from __future__ import annotations

import lzma
from pathlib import Path

LEAVES = {
    "0.7": {"clinic": "0007_digest", "patients": "0013_request_language", "courses": "0014_reports"},
}
PREVIOUS = "0.7"
"""The release that installations have which upgrade to this one."""


def sql_of(release: str) -> str:
    """Statements that make the database; without those that only psql understands."""
    text = lzma.decompress((Path(__file__).parent / f"{release}.sql.xz").read_bytes()).decode()
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
