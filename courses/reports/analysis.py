"""The rows of the analysis table: read from the results, without names, days or numbers of any record."""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.expressions import Func
from django.utils.crypto import salted_hmac

from courses.models import CourseResult, ProtocolVersion
from courses.pure.reports.analysis import POOLED_FACTS, coarsened, kept, kind_of, row_of
from courses.pure.reports.analysis_columns import OTHER, Facts
from courses.pure.reports.analysis_kinds import Kind, cells_at, given_up, levels_of
from courses.pure.reports.contents import LEAST, Cell
from courses.pure.reports.filters import Filters
from courses.reports.filtering import results

SALT = "courses.reports.analysis"
KEY_BYTES = 10
CHUNK = 2000
KEYS = {"course_key": ("c", "course"), "patient_key": ("p", "patient"), "prescriber_key": ("u", "prescriber")}
FIELDS = (
    *("started_on", "last_on", "referrer", "indication", "status", "severity", "dose_mg_per_kg", "previous_failures"),
    *("n_planned", "n_given", "n_given_in_all", "given_mg", "span_days", "gaps", "gaps_on_window", "is_over"),
    *("is_completed", "is_kit_completed", "is_dropped_out", "terms_number", "measure", "baseline", "is_evaluable"),
    *("end", "end_score", "end_improvement", "is_remission", "first_response", "speed", "is_responder_lost"),
    *("has_any_increase", "has_worsened", "has_new_danger", "later_score", "later_improvement", "later_end"),
    *("is_later_remission", "held_days", "has_relapsed", "censored_by", "maintenance_day", "infusions_with_effects"),
    *("infusions_stopped", "serious_effects"),
)
TITLE = ProtocolVersion.objects.filter(protocol=OuterRef("protocol_version__protocol")).order_by("-number")
NAMED: Mapping[str, Any] = {
    "location": F("location__name"),
    "protocol": Subquery(TITLE.values("title")[:1]),
    "prescriber_key": F("prescriber"),
    "sex": F("patient__sex"),
}
"""Facts of ``POOLED_FACTS`` that are no field of the result."""
KIND_FIELDS = (
    *("started_on", "referrer", "indication", "status", "measure", "censored_by", "age"),
    *(f"of_{name}" for name in NAMED),
)
"""What has to be known of all courses before one of them is told."""


class Age(Func):
    """Completed years between two days, the later one first."""

    function = "AGE"
    template = "EXTRACT(YEAR FROM %(function)s(%(expressions)s))::int"
    output_field = IntegerField()


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is in the table, and what of each course is said in it: made once, for the page and for its file."""

    patients: int
    names: Mapping[str, frozenset[str]]
    kinds: Mapping[int, Kind]
    levels: Mapping[int, int]

    @property
    def courses(self) -> int:
        return len(self.kinds)

    @property
    def coarser(self) -> int:
        """Courses of which something is given up."""
        return sum(level > 0 for level in self.levels.values())

    @property
    def lost(self) -> dict[str, tuple[int, int]]:
        """For each column that lost something: in how many courses it is withheld, in how many it is wider."""
        return given_up(list(self.levels.values()))

    @property
    def is_enough(self) -> bool:
        """Of fewer patients nothing is given out: whoever knows one of them knows the row."""
        return self.patients >= LEAST


def extent_of(filters: Filters) -> Extent:
    """What the filters choose and how it may be told; one query, whose rows are all held at once (20,000: 0.5 s)."""
    rows = _known(filters).values_list("course_id", "patient_id", *KIND_FIELDS)
    known = [(course, patient, _plain(dict(zip(KIND_FIELDS, row, strict=True)))) for course, patient, *row in rows]
    who: dict[str, dict[str, set[int]]] = {name: defaultdict(set) for name in POOLED_FACTS}
    for _, patient, facts in known:
        for name in POOLED_FACTS:
            who[name][facts[name]].add(patient)
    names = {name: kept({value: len(them) for value, them in found.items()}) for name, found in who.items()}
    kinds = {course: kind_of(coarsened(facts, names)) for course, _, facts in known}
    levels = levels_of([(patient, kinds[course]) for course, patient, _ in known])
    numbers = [course for course, *_ in known]
    return Extent(len({patient for _, patient, _ in known}), names, kinds, dict(zip(numbers, levels, strict=True)))


def rows_of(filters: Filters, extent: Extent, *, secret: str = "") -> Iterator[tuple[Cell, ...]]:
    """A row for each course of the extent, read as they are asked for, in an order that says nothing of when they were.

    A course that came since the extent was made is left for the next file: nobody has reckoned with whom it shares.

    Args:
        secret: of this file alone; drawn anew where none is given, and kept nowhere.
    """
    secret = secret or secrets.token_hex(32)
    known = _known(filters).values(*FIELDS, "age", "course_id", "patient_id", *(f"of_{name}" for name in NAMED))
    shuffled = known.order_by(Func(F("course_id"), function="hashint8"), "course_id")
    for row in shuffled.iterator(chunk_size=CHUNK):
        course = row["course_id"]
        if course in extent.kinds:
            cells = cells_at(extent.kinds[course], extent.levels[course])
            yield row_of(_keyed(coarsened(_plain(row), extent.names), secret), cells)


def key_of(kind: str, pk: int, secret: str) -> str:
    """What stands for a course, patient or person in one file, and leads back to none.

    Args:
        secret: of that file: in another one the same thing has another key.
    """
    letter, purpose = KEYS[kind]
    mac = salted_hmac(f"{SALT}.{purpose}.{secret}", str(pk), algorithm="sha256").digest()[:KEY_BYTES]
    return f"{letter}_{base64.b32encode(mac).decode().lower()}"


def _known(filters: Filters) -> QuerySet[CourseResult]:
    rows = results(filters).order_by().annotate(age=Age(F("started_on"), F("patient__birth_date")))
    return rows.annotate(**{f"of_{name}": way for name, way in NAMED.items()})


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a row by their names; who prescribed is still a number."""
    named = {name: row[f"of_{name}"] for name in NAMED}
    return {**row, **named, "prescriber_key": str(row["of_prescriber_key"])}


def _keyed(facts: Facts, secret: str) -> Facts:
    prescriber = facts["prescriber_key"]
    said = prescriber if prescriber == OTHER else key_of("prescriber_key", int(prescriber), secret)
    own = {name: key_of(name, facts[f"{KEYS[name][1]}_id"], secret) for name in ("course_key", "patient_key")}
    return {**facts, **own, "prescriber_key": said}
