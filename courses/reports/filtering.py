"""Filters put to the rows: which results they choose, what can be chosen, and how a choice is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Concat, NullIf, Trim

from clinic.models import Location, User
from courses.models import CourseResult, Protocol, ProtocolVersion
from courses.pure.reports.filters import CHOSEN, DOSES, FAILURES, LISTED, NONE, Band, Filters, words_of

FIELDS = {
    "location": "location",
    "indication": "indication",
    "severity": "severity",
    "protocol": "protocol_version__protocol",
    "prescriber": "prescriber",
    "referrer": "referrer",
}
BANDS: Mapping[str, tuple[str, tuple[Band, ...]]] = {
    "dose": ("dose_mg_per_kg", DOSES),
    "failures": ("previous_failures", FAILURES),
}


def results(filters: Filters) -> QuerySet[CourseResult]:
    """The courses that began in the period and are of the chosen kind; the second group is not looked at."""
    rows = CourseResult.objects.all()
    if filters.since:
        rows = rows.filter(started_on__gte=filters.since)
    if filters.until:
        rows = rows.filter(started_on__lte=filters.until)
    return reduce(lambda found, name: _chosen(found, name, getattr(filters, name)), CHOSEN, rows)


def _chosen(rows: QuerySet[CourseResult], name: str, value: int | str | None) -> QuerySet[CourseResult]:
    if value in ("", None):
        return rows
    if name in BANDS:
        field, bands = BANDS[name]
        return rows.filter(band_of(field, next(band for band in bands if band.key == value)))
    return rows.filter(**{FIELDS[name]: "" if value == NONE else value})


def band_of(field: str, band: Band) -> Q:
    """The rows whose number lies in the band; the band without bounds has those without a number."""
    if band.low is None and band.high is None:
        return Q(**{f"{field}__isnull": True})
    told = {f"{field}__gte": band.low, f"{field}__lt": band.high}
    return Q(**{name: bound for name, bound in told.items() if bound is not None}, **{f"{field}__isnull": False})


SEVERITIES = (
    *("None or minimal", "Minimal", "None", "Normal", "Mild"),
    *("Moderate", "Moderately severe", "Severe", "Very severe"),
)
"""Bands of the measures from the lowest on; a band that is not among them comes last."""


# -- what can be chosen ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Choices:
    """Name of a filter -> what is there to choose: value in the address, words."""

    of: Mapping[str, tuple[tuple[str, str], ...]]
    has_any_location: bool = True

    def any_of(self, name: str) -> list[tuple[str, str]]:
        """The choice of any, where somebody has it: who works at some locations only looks at one of them at a time."""
        return [("", "Any")] if name != "location" or self.has_any_location else []

    def name_of(self, name: str, value: int) -> str:
        """What is chosen in words; a row that is no longer there is said to be so."""
        return dict(self.of.get(name, ())).get(str(value), f"{name} {value}, which is not there")


def choices() -> Choices:
    """What the results hold, and every place, person and protocol among them. One query."""
    title = ProtocolVersion.objects.filter(protocol=OuterRef("pk")).order_by("-number").values("title")[:1]
    protocols = Protocol.objects.filter(pk__in=_ids("protocol_version__protocol"))
    person = Coalesce(NullIf(Trim(Concat("first_name", Value(" "), "last_name")), Value("")), "username")
    rows = _named("location", Location.objects.all(), "name").union(
        _named("protocol", protocols, Concat(Subquery(title), Value(" ("), Cast("slug", CharField()), Value(")"))),
        _named("prescriber", User.objects.filter(pk__in=_ids("prescriber")), person),
        *(_texts(name) for name in ("severity", "referrer", "indication")),
        all=True,
    )
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in CHOSEN}
    for name, value, words in rows:
        found[name].append((value, words))
    return Choices({name: tuple(_sorted(name, options)) for name, options in found.items()})


def _ids(field: str) -> QuerySet[CourseResult, Any]:
    return CourseResult.objects.order_by().values(field)


def _named(name: str, rows: QuerySet[Any, Any], words: str | Combinable) -> QuerySet[Any, Any]:
    return rows.order_by().values_list(Value(name), Cast("pk", CharField()), Cast(words, CharField()))


def _texts(name: str) -> QuerySet[Any, Any]:
    rows = CourseResult.objects.order_by().exclude(**{name: ""})
    return rows.values_list(Value(name), Cast(name, CharField()), Cast(name, CharField())).distinct()


def _sorted(name: str, options: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if name == "indication":
        present = {value for value, _ in options}
        return [(value, words) for value, words in LISTED[name].items() if value in present]
    if name in LISTED:
        return list(LISTED[name].items())
    if name == "severity":
        options.sort(key=lambda one: (SEVERITIES.index(one[0]) if one[0] in SEVERITIES else len(SEVERITIES), one[0]))
        return [*options, (NONE, "No baseline or no band")]
    options.sort(key=lambda one: one[1].casefold())
    return [*options, (NONE, "None recorded")] if name == "referrer" else options


def said(filters: Filters, known: Choices, *, lead: str = "started ") -> str:
    """The filters in words, as a report says them."""
    return words_of(filters, known.name_of, lead=lead)
