"""The refused rows of an import as a file that a spreadsheet can open safely."""

from __future__ import annotations

import csv
from typing import TextIO

from clinic.pure.cells import safe_cell
from patients.models import ImportRun

HEADER = ("File", "Line", "Kind", "Column", "Value", "Reason")


def write_refusals(run: ImportRun, file: TextIO) -> None:
    """The file lists every kept refusal and likely duplicate by line; its byte order mark tells Excel UTF-8."""
    file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow(HEADER)
    for one in run.refusals.order_by("file_name", "row", "id").iterator():
        cells = (
            one.file_name or run.file_name,
            str(one.row),
            one.get_kind_display(),
            one.column,
            one.value,
            one.reason,
        )
        writer.writerow([safe_cell(cell) for cell in cells])
