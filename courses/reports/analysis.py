"""The rows of the analysis table: read from the results, without names, days or numbers of any record."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.expressions import Func
from django.db.models.functions import ExtractYear, Least
from django.utils.crypto import salted_hmac

from courses.models import CourseResult, ProtocolVersion
from courses.pure.reports.analysis import POOLED_FACTS, kept, row_of
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


class Age(Func):
    """Completed years between two days, the later one first."""

    function = "AGE"
    template = "EXTRACT(YEAR FROM %(function)s(%(expressions)s))::int"
    output_field = IntegerField()


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is in the table, and how many of its rows are of a kind that few patients share."""

    courses: int
    patients: int
    rare: int

    @property
    def is_enough(self) -> bool:
        """Of fewer patients nothing is given out: whoever knows one of them knows the row."""
        return self.patients >= LEAST


def extent_of(filters: Filters) -> Extent:
    """How much the filters choose; two queries. Year, age band, sex, condition and place make a kind."""
    rows = results(filters).order_by()
    counted = rows.aggregate(courses=Count("pk"), patients=Count("patient", distinct=True))
    kinds = (
        _aged(rows)
        .values(
            year=ExtractYear("started_on"),
            band=Least(F("age") / 10, 9),
            sex=F("patient__sex"),
            condition=F("indication"),
            place=F("location"),
        )
        .annotate(n=Count("patient", distinct=True), many=Count("pk"))
        .filter(n__lt=LEAST)
    )
    return Extent(counted["courses"], counted["patients"], kinds.aggregate(sum=Sum("many"))["sum"] or 0)


def rows_of(filters: Filters, *, secret: str = "") -> Iterator[tuple[Cell, ...]]:
    """A row for each course, read as they are asked for, in an order that says nothing of when they were.

    Args:
        secret: of this file alone; drawn anew where none is given, and kept nowhere.
    """
    secret = secret or secrets.token_hex(32)
    names = names_of(filters, secret=secret)
    rows = _aged(results(filters)).annotate(**{f"of_{name}": way for name, way in NAMED.items()})
    known = rows.values(*FIELDS, "age", "course_id", "patient_id", "prescriber_id", *(f"of_{name}" for name in NAMED))
    shuffled = known.order_by(Func(F("course_id"), function="hashint8"), "course_id")
    for row in shuffled.iterator(chunk_size=CHUNK):
        yield row_of(_facts(row, secret), names)


def names_of(filters: Filters, *, secret: str) -> dict[str, frozenset[str]]:
    """For each fact of which rare values are pooled, those that may be named. A query for each."""
    return {name: kept(_counts(filters, name, secret)) for name in POOLED_FACTS}


def key_of(kind: str, pk: int, secret: str) -> str:
    """What stands for a course, patient or person in one file, and leads back to none.

    Args:
        secret: of that file: in another one the same thing has another key.
    """
    letter, purpose = KEYS[kind]
    mac = salted_hmac(f"{SALT}.{purpose}.{secret}", str(pk), algorithm="sha256").digest()[:KEY_BYTES]
    return f"{letter}_{base64.b32encode(mac).decode().lower()}"


def _counts(filters: Filters, name: str, secret: str) -> dict[str, int]:
    rows = results(filters).order_by().annotate(named=NAMED.get(name, F(name))).values_list("named")
    counted = rows.annotate(n=Count("patient", distinct=True))
    return {_said(name, value, secret): many for value, many in counted}


def _said(name: str, value: Any, secret: str) -> str:  # noqa: ANN401 (a cell of the database)
    return key_of(name, value, secret) if name in KEYS else str(value)


def _facts(row: Mapping[str, Any], secret: str) -> dict[str, Any]:
    keys = {name: key_of(name, row[f"{purpose}_id"], secret) for name, (_, purpose) in KEYS.items()}
    named = {name: row[f"of_{name}"] for name in NAMED if name not in KEYS}
    return {**row, **named, **keys}


def _aged(rows: QuerySet[CourseResult]) -> QuerySet[CourseResult]:
    return rows.annotate(age=Age(F("started_on"), F("patient__birth_date")))
