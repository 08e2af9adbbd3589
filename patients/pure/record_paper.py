"""Everything about one person on paper: which tables, in which order, and each value as a reader says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]

FIRST = (
    *("patients.patient", "patients.phone", "patients.treatedcondition", "patients.problem", "patients.allergy"),
    *("patients.medicine", "patients.previoustreatment", "patients.vitalsigns", "patients.pregnancytest"),
    *("patients.consultationrequest", "patients.requestcontact", "patients.consultation", "patients.screeninganswer"),
    *("patients.consultationamendment", "patients.screeningdecision", "patients.consent", "patients.contactconsent"),
    *("patients.disclosureconsent", "patients.parttwomark", "patients.assessment", "patients.dangeralert"),
    *("clinic.booking", "courses.course", "courses.courseresult", "courses.maintenanceplan", "courses.revision"),
    *("courses.infusion", "courses.infusionrecord", "courses.checkanswer", "courses.doseorder", "courses.drugdraw"),
    *("courses.runevent", "courses.flowsheetrow", "courses.adverseevent", "courses.discharge"),
)
"""The order of the paper; tables that are not named here follow in the order in which they were found."""
ONLY_IN_JSON = frozenset(
    {"clinic.allocation", "patients.messagestep", "patients.externalid", "patients.measurelink", "patients.merge"}
    | {"courses.phasestep", "courses.infusionvisit", "courses.dosecheck", "courses.measureact"}
)
"""Tables that hold how something was kept rather than what; they are in the JSON file."""
UNSAID = frozenset({"id", "uid", "patient", "resource", "subject", "imported", "facts", "plan", "sha256"})
DRAWN = frozenset({"signature", "content"})
"""Drawings and files: the paper says that they are there."""
MOST_COLUMNS = 12
LONGEST_CELL = 42
MOST_BLOCKS = 12
"""More rows than that are lines of text instead of blocks, and say once what all of them say."""
MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d")
DAY = re.compile(r"^\d{4}-\d\d-\d\d$")


def paper_of(data: Mapping[str, Any], *, zone: str) -> dict[str, Any]:
    """What the template of the PDF reads.

    Args:
        data: as the JSON file has it.
        zone: on whose clocks times are said.
    """
    clock = ZoneInfo(zone)
    order = {name: place for place, name in enumerate(FIRST)}
    sections = [one for one in data["sections"] if one["table"] not in ONLY_IN_JSON]
    sections.sort(key=lambda one: order.get(one["table"], len(order)))
    parts = [_part(one["title"], one["fields"], one["rows"], clock) for one in sections]
    if "history" in data:
        changed = {"changed_at": "Changed", "change": "What", "changed_by": "By"}
        parts += [
            _part(f"History: {one['title']}", {**changed, **one["fields"]}, one["rows"], clock)
            for one in data["history"]
            if one["table"] not in ONLY_IN_JSON
        ]
    if "who_read" in data:
        labels = {"at": "When", "who": "Who", "page": "Page", "reason": "Reason"}
        parts.append(_part("Who read the record", labels, data["who_read"], clock))
    return {
        "clinic": data["clinic"],
        "mrn": data["patient"]["mrn"],
        "name": data["patient"]["name"],
        "made": _said(data["made_at"], clock),
        "zone": zone.replace("_", " "),
        "notice": data["notice"] or "",
        "parts": [part for part in parts if part["rows"]],
        "only_json": sorted(one["title"] for one in data["sections"] if one["table"] in ONLY_IN_JSON),
        "left_out": [[name, why] for name, why in data["left_out"].items()],
    }


def _part(title: str, labels: Mapping[str, str], rows: Sequence[Row], clock: ZoneInfo) -> dict[str, Any]:
    """A table where it is narrow enough, else a block or a line of facts for each row; empty columns fall out.

    A long history would be hundreds of pages of blocks, nearly all of them what stands in the block before.
    """
    said = [{name: _cell(row, name, clock) for name in labels if name not in UNSAID} for row in rows]
    used = [name for name in labels if any(row.get(name) for row in said)]
    is_many = len(rows) > MOST_BLOCKS
    same = [name for name in used if is_many and len({row[name] for row in said}) == 1]
    used = [name for name in used if name not in same]
    is_table = len(used) <= MOST_COLUMNS and _longest(said, used) <= LONGEST_CELL and len(rows) > 1
    if is_table:
        body: list[Any] = [[row[name] for name in used] for row in said]
    else:
        body = [[[labels[name], row[name]] for name in used if row[name]] for row in said]
    return {
        "title": title,
        "same": [[labels[name], said[0][name]] for name in same],
        "head": [labels[name] for name in used],
        "is_table": is_table,
        "is_lines": is_many and not is_table,
        "rows": body,
    }


def _longest(rows: Iterable[Mapping[str, str]], names: Sequence[str]) -> int:
    return max((len(row[name]) for row in rows for name in names), default=0)


def _cell(row: Row, name: str, clock: ZoneInfo) -> str:
    value = row.get(name)
    if name in DRAWN:
        return "on file; in the JSON file" if value else ""
    return str(row[f"{name}_label"]) if row.get(f"{name}_label") else _said(value, clock)


def _said(value: Any, clock: ZoneInfo) -> str:  # noqa: ANN401 (a value of JSON)
    """A value as a reader says it; empty for nothing."""
    if value is None or value in ("", [], {}):
        said = ""
    elif isinstance(value, bool):
        said = "yes" if value else "no"
    elif isinstance(value, dict) and set(value) == {"from", "to"}:
        said = _spanned(_said(value["from"], clock), _said(value["to"], clock))
    elif isinstance(value, dict):
        said = "; ".join(f"{name}: {_said(one, clock) or 'none'}" for name, one in value.items())
    elif isinstance(value, list):
        plain = all(isinstance(one, str | int | float) for one in value)
        said = (", " if plain else "\n").join(_said(one, clock) for one in value)
    elif isinstance(value, str) and MOMENT.match(value):
        local = datetime.fromisoformat(value).astimezone(clock)
        said = f"{local:%b} {local.day}, {local.year}, {local:%H:%M}"
    elif isinstance(value, str) and DAY.match(value):
        day = date.fromisoformat(value)
        said = f"{day:%b} {day.day}, {day.year}"
    else:
        said = str(value)
    return said


def _spanned(begin: str, end: str) -> str:
    """From one moment to another; the day is said once where it is one."""
    day, _, clock = end.rpartition(", ")
    return f"{begin} to {clock if day and begin.startswith(f'{day}, ') else end}"
