"""From the rows of a file to persons: what each source writes where, and what its own habits are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from patients.adapters.tables import Record, Shape, UnreadableFileError, look, records
from patients.forms.registry import check_birth_date
from patients.models import ImportSource, Patient
from patients.pure.columns import LABELS, mapping_problems
from patients.pure.names import normalise
from patients.pure.people import Person, Problem, Reader
from patients.services.imports.job import Job

SYNTHEA_COUNTRY = "US"
"""Synthea's population lives in Massachusetts; its file has no column for the country."""
MADE = "sha256:"
"""Begins the ids that are made from name and birth date where a table has none."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as far as it can be judged alone. Without a person, `problems` says why."""

    line: int
    person: Person | None
    problems: tuple[tuple[str, str, str], ...] = ()  # column of the file, what stands there, reason


def open_patients(job: Job) -> Shape:
    """The shape of the patients' file.

    Raises:
        UnreadableFileError: when it is no table, or columns are missing.
    """
    shape = look(job.path, encoding=job.encoding, delimiter=job.delimiter)
    if job.source == ImportSource.SYNTHEA:
        missing = [column for column in job.mapping.values() if column not in shape.columns]
        problems = [f"The column “{column}” is missing; Synthea's patients.csv has it." for column in missing]
    else:
        problems = mapping_problems(job.mapping, shape.columns)
    if problems:
        raise UnreadableFileError(" ".join(problems), line=shape.header_line)
    return shape


def read_rows(job: Job, shape: Shape) -> Iterator[Row]:
    """Every row of the file, judged by itself: its values, and the rules that the registry has for them."""
    places = [(name, shape.columns.index(column)) for name, column in job.mapping.items()]
    reader = Reader(date_order=job.date_order, region=settings.PHONENUMBER_DEFAULT_REGION)
    for record in records(job.path, shape):
        if record.problem:
            yield Row(record.line, None, (("", "", record.problem),))
            continue
        cells = {name: record.values[place] for name, place in places}
        yield _row(record, _tidied(cells, job.source), reader, job)


def _tidied(cells: dict[str, str], source: str) -> dict[str, str]:
    """Synthea numbers its names (José Eduardo181 Gómez206), so that nobody takes them for real people."""
    if source != ImportSource.SYNTHEA:
        return cells
    names = {name: re.sub(r"[0-9]+", "", cells[name]) for name in ("given_name", "family_name")}
    return cells | names | {"country": SYNTHEA_COUNTRY}


def _row(record: Record, cells: dict[str, str], reader: Reader, job: Job) -> Row:
    person = reader.person(cells)
    problems = list(reader.problems)
    if person:
        problems += registry_problems(person, job)
        if "external_id" not in job.mapping:
            person = replace(person, external_id=_made_id(person))
        elif not person.external_id:
            problems.append(
                Problem("external_id", "", "is empty; without it a second import would add the patient again")
            )
    if not problems:
        return Row(record.line, person)
    full_name = job.column("full_name")
    columns = {"given_name": full_name, "family_name": full_name} | dict(job.mapping)
    return Row(
        record.line,
        None,
        tuple((columns.get(one.target) or LABELS.get(one.target, ""), one.value, one.reason) for one in problems),
    )


def _made_id(person: Person) -> str:
    """The same for the same name and birth date, so that a second import of a table without ids finds the first."""
    values = (person.values["family_name"], person.values["given_name"], person.born.isoformat())
    return MADE + sha256("|".join(normalise(str(value)) for value in values).encode()).hexdigest()[:64]


def registry_problems(person: Person, job: Job) -> list[Problem]:
    """What the registry would refuse: the same field rules as `register_patient`, without a query for each row."""
    found = []
    for name, value in person.values.items():
        if value in ("", None):
            continue
        try:
            _column(name).clean(value, None)
        except ValidationError as problem:
            found.append(Problem(name, str(value), _sentence(problem.messages)))
    if len(person.external_id) > 80:  # noqa: PLR2004 (ExternalId.value)
        found.append(Problem("external_id", person.external_id, "is longer than 80 characters"))
    try:
        check_birth_date(person.born, job.today)
    except ValidationError as problem:
        found.append(Problem("birth_date", person.born.isoformat(), _sentence(problem.messages)))
    died = person.values.get("deceased_on")
    if died and str(died) < person.born.isoformat():
        found.append(Problem("deceased_on", str(died), f"is before the birth date, {person.born.isoformat()}"))
    elif died and str(died) > job.today.isoformat():
        found.append(Problem("deceased_on", str(died), "is in the future"))
    return found


@cache
def _column(name: str) -> Any:  # noqa: ANN401 (any kind of field)
    return Patient._meta.get_field(name)


def _sentence(messages: list[str]) -> str:
    """Django's message as the second half of "Column: …"."""
    text = " ".join(messages)
    return text[:1].lower() + text[1:].rstrip(".")
