"""What every page of the reports shares: which kind is asked for, its filters, and the fields of the filter bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from clinic.edge.access import staff
from clinic.edge.context import current_location
from clinic.models import User
from clinic.pure.roles import Can
from courses.pure.reports.filters import (
    AT,
    BEFORE,
    CENSOR,
    CHOSEN,
    DAYS,
    PERIODS,
    SAME,
    USUAL,
    VS,
    Filters,
    OddFiltersError,
)
from courses.reports.filtering import Choices, choices
from courses.reports.registry import ReportKind, kinds

ANY_REPORT = (Can.VIEW_OUTCOME_REPORTS, Can.VIEW_OPERATION_REPORTS)
LABELS = {
    "location": "Location",
    "indication": "Condition",
    "severity": "Severity at baseline",
    "protocol": "Protocol",
    "dose": "Dose",
    "prescriber": "Clinician",
    "referrer": "Referrer",
    "failures": "Treatments without response before",
    "period": "Period",
    "since": "First day",
    "until": "Last day",
    "at": "Judged",
    "censor": "Followed",
}
FIRST_ROW = ("location", "indication")


def kinds_of(user: User) -> list[ReportKind]:
    """The reports that this person may see."""
    return [kind for kind in kinds().values() if user.can(kind.can)]


def kind_or_404(request: HttpRequest, key: str) -> ReportKind:
    """The report of the address.

    Raises:
        Http404: there is none of this name.
        PermissionDenied: this person may not see it.
    """
    kind = kinds().get(key)
    if kind is None:
        raise Http404
    if not staff(request).can(kind.can):
        raise PermissionDenied("Your role does not include this report.")
    return kind


def today_of(request: HttpRequest, now: datetime) -> date:
    """The day on the clocks of the place where this person works."""
    place = current_location(request)
    return place.local(now).date() if place else timezone.localdate(now)


def asked_filters(
    request: HttpRequest, query: QueryDict, now: datetime, kind: ReportKind | None = None
) -> tuple[Filters, Mapping[str, str]]:
    """The filters of an address, of ``kind`` where it belongs to one, and what is wrong with it by name.

    What is wrong is left out.
    """
    unsaid = kind.unsaid if kind is not None else USUAL
    try:
        return _within_reach(request, Filters.from_query(query, today=today_of(request, now), unsaid=unsaid)), {}
    except OddFiltersError as odd:
        return _within_reach(request, odd.rest), odd.problems


def _within_reach(request: HttpRequest, filters: Filters) -> Filters:
    """For a person of some locations only: the one that is asked for where it is theirs, else where they work now."""
    reach, place = staff(request).reach, current_location(request)
    if reach is None:
        return filters
    second = _within_reach(request, filters.compare) if filters.compare is not None else None
    usual = place.pk if place is not None else min(reach)
    return replace(filters, location=filters.location if filters.location in reach else usual, compare=second)


def choices_of(request: HttpRequest) -> Choices:
    """What there is to choose, of locations those that this person reaches."""
    known, reach = choices(), staff(request).reach
    if reach is None:
        return known
    places = tuple((value, words) for value, words in known.of["location"] if int(value) in reach)
    return Choices({**known.of, "location": places}, has_any_location=False)


def address_of(kind: ReportKind, filters: Filters) -> str:
    query = filters.under(kind.unsaid).to_query()
    return reverse("reports:page", args=[kind.key]) + (f"?{query}" if query else "")


def file_links(kind: ReportKind, filters: Filters) -> list[tuple[str, str]]:
    """Where the page can be taken away: format and address."""
    query = filters.to_query()
    found = []
    for suffix in ("csv", "xlsx", "pdf"):
        try:
            address = reverse("reports:file", args=[kind.key, suffix])
        except NoReverseMatch:
            continue
        found.append((suffix.upper(), address + (f"?{query}" if query else "")))
    return found


# -- the filter bar ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Field:
    """One field of the filter bar."""

    name: str
    label: str
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    problem: str = ""

    @property
    def id(self) -> str:
        return f"filter-{self.name}"

    @property
    def is_long(self) -> bool:
        """Its choices are sentences."""
        return self.name in ("at", "censor")


@dataclass(frozen=True, slots=True)
class Bar:
    """The filter bar: what is always seen, what is folded away, and the second group."""

    first: Sequence[Field]
    days: Sequence[Field]
    more: Sequence[Field]
    second: Sequence[Field]
    second_days: Sequence[Field]
    is_more_open: bool
    is_second_open: bool
    chosen: int = field(default=0)  # how many of those folded away choose something


def bar_of(kind: ReportKind, filters: Filters, known: Choices, problems: Mapping[str, str]) -> Bar:
    """The filter bar as it stands for these filters; a field with a problem says so."""
    first = [
        _period_field(kind, filters, problems),
        *(_choice(name, filters, known, problems) for name in FIRST_ROW if name in kind.filters),
        *(_option(name, filters, problems) for name in kind.options),
    ]
    more = [
        _choice(name, filters, known, problems) for name in CHOSEN if name in kind.filters and name not in FIRST_ROW
    ]
    second = [_second_period(filters, problems), *_second_choices(kind, filters, known, problems)]
    chosen = sum(1 for one in more if one.value)
    return Bar(
        first=first,
        days=[_day(name, filters, problems) for name in ("since", "until")],
        more=more,
        second=second,
        second_days=[_day(name, filters.compare, problems, VS) for name in ("since", "until")],
        is_more_open=any(one.problem for one in more),
        is_second_open=filters.compare is not None or any(name.startswith(VS) for name in problems),
        chosen=chosen,
    )


def _period_field(kind: ReportKind, filters: Filters, problems: Mapping[str, str]) -> Field:
    options = [*PERIODS.items(), (DAYS, "Chosen days")]
    return Field("period", kind.period, filters.period or DAYS, options, problems.get("period", ""))


def _choice(name: str, filters: Filters, known: Choices, problems: Mapping[str, str]) -> Field:
    value = getattr(filters, name)
    said = "" if value is None else str(value)
    options = [*known.any_of(name), *_with(known, name, said)]
    return Field(name, LABELS[name], said, options, problems.get(name, ""))


def _with(known: Choices, name: str, value: str) -> list[tuple[str, str]]:
    """What can be chosen, and what is chosen although nothing has it (any more)."""
    options = list(known.of[name])
    if value and value not in dict(options):
        options.append((value, known.name_of(name, int(value)) if value.isdigit() else value))
    return options


def _option(name: str, filters: Filters, problems: Mapping[str, str]) -> Field:
    options = {"at": AT, "censor": CENSOR}[name]
    words = [(value, said[:1].upper() + said[1:]) for value, said in options.items()]
    return Field(name, LABELS[name], getattr(filters, name), words, problems.get(name, ""))


def _second_period(filters: Filters, problems: Mapping[str, str]) -> Field:
    second, name = filters.compare, f"{VS}period"
    is_same = second is None or (second.since, second.until) == (filters.since, filters.until)
    value = SAME if is_same or second is None else second.period or DAYS
    options = [(SAME, "The same"), *BEFORE.items(), *PERIODS.items(), (DAYS, "Chosen days")]
    return Field(name, "Period", value, options, problems.get(name, ""))


def _second_choices(kind: ReportKind, filters: Filters, known: Choices, problems: Mapping[str, str]) -> Iterator[Field]:
    second = filters.compare or filters
    for name in CHOSEN:
        if name in kind.filters:
            mine, theirs = getattr(filters, name), getattr(second, name)
            said = SAME if mine == theirs else "" if theirs is None else str(theirs)
            options = [(SAME, "The same"), *known.any_of(name), *_with(known, name, said if said != SAME else "")]
            yield Field(VS + name, LABELS[name], said, options, problems.get(VS + name, ""))


def _day(name: str, filters: Filters | None, problems: Mapping[str, str], prefix: str = "") -> Field:
    problem = problems.get(prefix + name, "")
    day = getattr(filters, name) if filters is not None else None
    is_named = filters is not None and bool(filters.period)
    value = day.isoformat() if day and not is_named else ""  # a field for days shows nothing that is no day
    return Field(prefix + name, LABELS[name], value, (), problem)
