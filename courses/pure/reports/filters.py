"""Which courses or days a report counts: read from the address, written back into it, said in words.

A period may be a name ("last-month"), so that a saved view keeps its meaning as time goes on. A second group to compare
with stands in the same address with ``vs_`` before each name; what it does not say is as in the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from patients.pure.indications import INDICATION_LABELS

VS = "vs_"
SAME = "same"
"""In the address of the second group: as in the first. An empty value means any."""
NONE = "none"
"""Of severity, dose, referrer or failures: nothing is recorded."""
LONGEST = 160
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 12, 31)


@dataclass(frozen=True, slots=True)
class Band:
    """A span of numbers with a name; the lower bound belongs to it, the upper does not."""

    key: str
    title: str
    low: Decimal | None = None
    high: Decimal | None = None


DOSES = (
    Band("under-45", "below 0.45 mg/kg", None, Decimal("0.45")),
    Band("45-55", "0.45 to 0.54 mg/kg", Decimal("0.45"), Decimal("0.55")),
    Band("55-75", "0.55 to 0.74 mg/kg", Decimal("0.55"), Decimal("0.75")),
    Band("75-over", "0.75 mg/kg and more", Decimal("0.75"), None),
    Band(NONE, "dose per kg not recorded"),
)
"""Clinic settings [D]: around the published 0.5 mg/kg (clinical.md B1)."""
FAILURES = (
    Band("0", "none before", None, Decimal(1)),
    Band("1", "1 before", Decimal(1), Decimal(2)),
    Band("2", "2 before", Decimal(2), Decimal(3)),
    Band("3-over", "3 or more before", Decimal(3), None),
    Band(NONE, "not recorded"),
)
AT = {"end": "at the end of the series", "later": "14 to 31 days after the series"}
CENSOR = {"relapse": "until relapse", "maintenance": "until relapse or the first maintenance infusion"}
PERIODS = {
    "12-months": "Last 12 months",
    "3-months": "Last 3 months",
    "this-month": "This month",
    "last-month": "Last month",
    "this-quarter": "This quarter",
    "last-quarter": "Last quarter",
    "this-year": "This year",
    "last-year": "Last year",
    "all": "All time",
}
USUAL = "12-months"
"""Where an address says no period; a report may have another usual one."""
DAYS = "days"
"""The period is given by two days; before any is chosen they are those of the usual one."""
BEFORE = {"previous": "The period before", "year-before": "The same a year earlier"}
"""Periods of the second group that hang on that of the first."""


class OddFiltersError(Exception):
    """The address says something that cannot be. ``problems``: by name, in words; ``rest``: the filters without it."""

    def __init__(self, problems: Mapping[str, str], rest: Filters) -> None:
        self.problems, self.rest = problems, rest
        super().__init__(" ".join(problems.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a report counts. Days are both included; None is open, "" and None elsewhere are any."""

    since: date | None = None
    until: date | None = None
    period: str = ""  # name of the period where it has one; ``since`` and ``until`` hold its days
    location: int | None = None
    indication: str = ""
    severity: str = ""
    protocol: int | None = None  # Protocol, whatever the version
    dose: str = ""
    prescriber: int | None = None
    referrer: str = ""
    failures: str = ""
    at: str = "end"
    censor: str = "relapse"
    compare: Filters | None = None
    unsaid: str = field(default=USUAL, compare=False)  # the period that an address need not name

    @classmethod
    def usual(cls, today: date) -> Filters:
        """The twelve months up to today."""
        since, until = days_of(USUAL, today)
        return cls(since=since, until=until, period=USUAL)

    @classmethod
    def from_query(cls, query: Mapping[str, str], *, today: date, unsaid: str = USUAL) -> Filters:
        """What an address says.

        Args:
            query: gives one text for a name, as Django's QueryDict does.
            today: the day on which named periods end.
            unsaid: the period that it means where it names none.

        Raises:
            OddFiltersError: with all that cannot be read.
        """
        problems: dict[str, str] = {}
        first = _first(query, today, unsaid, problems)
        found = replace(first, compare=_second(query, first, today, problems))
        if problems:
            raise OddFiltersError(problems, found)
        return found

    def to_query(self) -> str:
        """As in an address, "location=2&period=last-month"; only what differs from the usual."""
        return urlencode([*_said(self), *_said_second(self)])

    @property
    def alone(self) -> Filters:
        """Without the second group."""
        return replace(self, compare=None)

    def under(self, unsaid: str) -> Filters:
        """For the address of a report with another usual period: who chose none gets that report's."""
        return replace(self, unsaid=unsaid, period=unsaid if self.period == self.unsaid else self.period)

    def without_period(self) -> Filters:
        return replace(self, since=None, until=None, period="all", compare=None)


CHOSEN = ("location", "indication", "severity", "protocol", "dose", "prescriber", "referrer", "failures")
"""By what courses are chosen, in the order in which forms and words name them."""
LEN_OF_NUMBER = 11
NUMBERS = frozenset({"location", "protocol", "prescriber"})
LISTED: Mapping[str, Mapping[str, str]] = {
    "indication": {str(key): label for key, label in INDICATION_LABELS.items()},
    "dose": {one.key: one.title for one in DOSES},
    "failures": {one.key: one.title for one in FAILURES},
}
"""Names whose values are known without the database."""


# -- periods -----------------------------------------------------------------------------------------------------------
def days_of(period: str, today: date) -> tuple[date | None, date | None]:
    """First and last day of a named period. What is still going on ends today."""
    month = today.replace(day=1)
    quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    before_quarter = (quarter - timedelta(days=1)).replace(day=1)
    spans: dict[str, tuple[date | None, date | None]] = {
        "12-months": (year_before(today) + timedelta(days=1), today),
        "3-months": (_months_before(today, 3) + timedelta(days=1), today),
        "this-month": (month, today),
        "last-month": ((month - timedelta(days=1)).replace(day=1), month - timedelta(days=1)),
        "this-quarter": (quarter, today),
        "last-quarter": (_quarter_of(before_quarter), quarter - timedelta(days=1)),
        "this-year": (date(today.year, 1, 1), today),
        "last-year": (date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
        "all": (None, None),
    }
    return spans[period]


def year_before(day: date) -> date:
    """The same date a year earlier; 28 February for the 29th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def period_before(filters: Filters) -> tuple[date, date] | None:
    """As many days, up to the day before; a whole month, quarter or year has whole ones before it. None: it is open."""
    since, until = filters.since, filters.until
    if since is None or until is None:
        return None
    months = _whole_months(since, until)
    last = since - timedelta(days=1)
    if months:
        return _months_earlier(since, months), last
    return since - (until - since) - timedelta(days=1), last


def _quarter_of(day: date) -> date:
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _whole_months(since: date, until: date) -> int:
    """How many, where the span begins on a first and ends on a last day of a month; else 0."""
    if since.day != 1 or (until + timedelta(days=1)).day != 1:
        return 0
    after = until + timedelta(days=1)
    return (after.year - since.year) * 12 + after.month - since.month


def _months_before(day: date, months: int) -> date:
    """The same date so many months earlier; the last of that month where it is shorter."""
    first = _months_earlier(day.replace(day=1), months)
    last = _months_earlier(first, -1) - timedelta(days=1)
    return min(last, first + timedelta(days=day.day - 1))


def _months_earlier(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


# -- reading -----------------------------------------------------------------------------------------------------------
def _first(query: Mapping[str, str], today: date, unsaid: str, problems: dict[str, str]) -> Filters:
    chosen = {name: _value(name, query.get(name, ""), name, problems) for name in CHOSEN}
    chosen["at"] = _one_of("at", query.get("at", ""), AT, "end", problems)
    chosen["censor"] = _one_of("censor", query.get("censor", ""), CENSOR, "relapse", problems)
    since, until, period = _period(query, "", today, problems, unsaid)
    return Filters(since=since, until=until, period=period, unsaid=unsaid, **chosen)  # type: ignore[arg-type]


def _second(query: Mapping[str, str], first: Filters, today: date, problems: dict[str, str]) -> Filters | None:
    """The first with what the second says; None where it says nothing or nothing else."""
    told = {
        name: _value(name, query[VS + name], VS + name, problems)
        for name in CHOSEN
        if query.get(VS + name, SAME).strip() != SAME
    }
    found = replace(first, **told)  # type: ignore[arg-type]
    span = query.get(f"{VS}period", "").strip()
    days = [query.get(f"{VS}{name}", "").strip() for name in ("since", "until")]
    if span in BEFORE:
        found = _earlier(found, span, problems)
    elif span == DAYS and not any(days) and first.since and first.until:
        found = replace(_earlier(found, "year-before", problems), period="")  # days to begin choosing from
    elif span not in ("", SAME) or any(days):
        since, until, period = _period(query, VS, today, problems)
        found = replace(found, since=since, until=until, period=period)
    return None if found == first else found


def _earlier(filters: Filters, span: str, problems: dict[str, str]) -> Filters:
    if filters.since is None or filters.until is None:
        problems[f"{VS}period"] = "All time has no period before it. Choose a period first, then compare."
        return filters
    a_year_before = (year_before(filters.since), year_before(filters.until))
    since, until = (period_before(filters) if span == "previous" else a_year_before) or (None, None)
    return replace(filters, since=since, until=until, period=span)


def _period(
    query: Mapping[str, str], prefix: str, today: date, problems: dict[str, str], unsaid: str = USUAL
) -> tuple[date | None, date | None, str]:
    named = query.get(f"{prefix}period", "").strip()
    since = _day(query, f"{prefix}since", problems)
    until = _day(query, f"{prefix}until", problems)
    if named in PERIODS:
        return *days_of(named, today), named
    if named not in ("", DAYS, SAME):
        problems[f"{prefix}period"] = f"“{named[:40]}” is no period. Choose one from the list."
    if since is None and until is None:
        return *days_of(unsaid, today), "" if named == DAYS else unsaid
    if since and until and since > until:
        problems[f"{prefix}until"] = "The last day is before the first. Turn them round."
    return since, until, ""


def _day(query: Mapping[str, str], name: str, problems: dict[str, str]) -> date | None:
    said = query.get(name, "").strip()
    if not said:
        return None
    try:
        day = date.fromisoformat(said)
    except ValueError:
        problems[name] = f"“{said[:20]}” is no day. Write it as 2027-01-31."
        return None
    if not EARLIEST <= day <= LATEST:
        problems[name] = f"The day must lie between {EARLIEST.year} and {LATEST.year}."
        return None
    return day


def _value(name: str, said: str, field: str, problems: dict[str, str]) -> int | str | None:
    said = said.strip()
    if name in NUMBERS:
        return _number(said, field, problems)
    if name in LISTED:
        return _one_of(field, said, LISTED[name], "", problems)
    if len(said) > LONGEST or "\x00" in said:
        problems[field] = f"This is longer than {LONGEST} characters or not a text. Choose one from the list."
        return ""
    return said


def _number(said: str, field: str, problems: dict[str, str]) -> int | None:
    if not said:
        return None
    if said.isascii() and said.isdigit() and len(said) < LEN_OF_NUMBER and 0 < int(said) < 2**31:
        return int(said)
    problems[field] = f"“{said[:20]}” is no choice of the list. Choose one from it."
    return None


def _one_of(field: str, said: str, known: Mapping[str, str], usual: str, problems: dict[str, str]) -> str:
    said = said.strip()
    if not said or said in known:
        return said or usual
    problems[field] = f"“{said[:40]}” is no choice of the list. Choose one from it."
    return usual


# -- writing -----------------------------------------------------------------------------------------------------------
def _said(filters: Filters) -> Iterator[tuple[str, str]]:
    if filters.period and filters.period != filters.unsaid:
        yield "period", filters.period
    elif not filters.period:
        yield from _said_days(filters, "")
    for name in CHOSEN:
        value = getattr(filters, name)
        if value not in ("", None):
            yield name, str(value)
    if filters.at != "end":
        yield "at", filters.at
    if filters.censor != "relapse":
        yield "censor", filters.censor


def _said_second(filters: Filters) -> Iterator[tuple[str, str]]:
    second = filters.compare
    if second is None:
        return
    if (second.since, second.until) != (filters.since, filters.until):
        if second.period:
            yield f"{VS}period", second.period
        else:
            yield from _said_days(second, VS)
    for name in CHOSEN:
        value = getattr(second, name)
        if value != getattr(filters, name):
            yield VS + name, "" if value is None else str(value)


def _said_days(filters: Filters, prefix: str) -> Iterator[tuple[str, str]]:
    if filters.since:
        yield f"{prefix}since", filters.since.isoformat()
    if filters.until:
        yield f"{prefix}until", filters.until.isoformat()


# -- words -------------------------------------------------------------------------------------------------------------
def period_words(filters: Filters) -> str:
    """The days: "1 Jan 2027 to 31 Mar 2027", "until 31 Mar 2027", "all time"."""
    if filters.since and filters.until:
        return f"{day_words(filters.since)} to {day_words(filters.until)}"
    if filters.since:
        return f"from {day_words(filters.since)} on"
    return f"until {day_words(filters.until)}" if filters.until else "all time"


def day_words(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def value_words(filters: Filters, name: str, name_of: Callable[[str, int], str]) -> str:
    """What one filter chooses; "" where it chooses nothing. ``name_of``: the words for a row of the database."""
    value = getattr(filters, name)
    if value in ("", None):
        return ""
    if name in NUMBERS:
        return name_of(name, value)
    if name in LISTED:
        return LISTED[name][value]
    if value == NONE:
        return {"severity": "no band of severity", "referrer": "no referrer recorded"}[name]
    return {"severity": f"baseline {value.lower()}", "referrer": f"referred by {value}"}[name]


def words_of(filters: Filters, name_of: Callable[[str, int], str], *, lead: str = "started ") -> str:
    """The filters as ``Report.about`` says them: "Brooklyn · started 1 Jan 2027 to 31 Mar 2027"."""
    chosen = [value_words(filters, name, name_of) for name in CHOSEN]
    told = [part for part in chosen if part] or ["All courses"]
    return " · ".join([*told, f"{lead}{period_words(filters)}" if filters.since or filters.until else "all time"])
