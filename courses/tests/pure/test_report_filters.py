"""Filters in the address and in words. Today is Sat 21 Nov 2026."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.pure.reports.filters import (
    CHOSEN,
    PERIODS,
    Filters,
    OddFiltersError,
    days_of,
    period_before,
    words_of,
)

TODAY = date(2026, 11, 21)
PLACES = {("location", 2): "Brooklyn", ("protocol", 3): "T-MWF6", ("prescriber", 4): "Ann Park"}


def read(**query: str) -> Filters:
    return Filters.from_query(query, today=TODAY)


def say(filters: Filters) -> str:
    return words_of(filters, lambda name, pk: PLACES[name, pk])


@pytest.mark.parametrize(
    ("period", "since", "until"),
    [
        ("12-months", date(2025, 11, 22), TODAY),
        ("this-month", date(2026, 11, 1), TODAY),
        ("last-month", date(2026, 10, 1), date(2026, 10, 31)),
        ("this-quarter", date(2026, 10, 1), TODAY),
        ("last-quarter", date(2026, 7, 1), date(2026, 9, 30)),
        ("this-year", date(2026, 1, 1), TODAY),
        ("last-year", date(2025, 1, 1), date(2025, 12, 31)),
        ("all", None, None),
    ],
)
def test_each_named_period_has_its_days(period: str, since: date | None, until: date | None) -> None:
    assert days_of(period, TODAY) == (since, until)
    found = read(period=period)
    assert (found.since, found.until, found.period) == (since, until, period)


def test_in_january_the_last_quarter_is_that_of_the_year_before() -> None:
    assert days_of("last-quarter", date(2027, 1, 31)) == (date(2026, 10, 1), date(2026, 12, 31))
    assert days_of("last-month", date(2027, 1, 1)) == (date(2026, 12, 1), date(2026, 12, 31))


def test_on_a_leap_day_the_twelve_months_begin_on_the_first_of_march() -> None:
    assert days_of("12-months", date(2028, 2, 29)) == (date(2027, 3, 1), date(2028, 2, 29))


def test_an_empty_address_means_the_last_twelve_months() -> None:
    assert read() == Filters.usual(TODAY)
    assert read().to_query() == ""


def test_a_report_may_mean_another_period_where_its_address_names_none() -> None:
    asked = Filters.from_query({"location": "2"}, today=TODAY, unsaid="3-months")
    assert (asked.since, asked.until, asked.period) == (date(2026, 8, 22), TODAY, "3-months")
    assert asked.to_query() == "location=2"
    longer = Filters.from_query({"period": "12-months"}, today=TODAY, unsaid="3-months")
    assert longer.to_query() == "period=12-months"


def test_a_period_that_nobody_chose_does_not_go_along_to_another_report() -> None:
    assert read(location="2").under("3-months").to_query() == "location=2"
    assert read(period="last-month").under("3-months").to_query() == "period=last-month"
    chosen = Filters.from_query({"period": "12-months"}, today=TODAY, unsaid="3-months")
    assert chosen.under("12-months").to_query() == ""  # which means twelve months there


@pytest.mark.parametrize(
    ("today", "since"),
    [
        (date(2026, 11, 21), date(2026, 8, 22)),
        (date(2027, 1, 31), date(2026, 11, 1)),
        (date(2027, 5, 31), date(2027, 3, 1)),  # February has no 31st: after its last day
        (date(2028, 5, 30), date(2028, 3, 1)),
    ],
)
def test_three_months_end_today(today: date, since: date) -> None:
    assert days_of("3-months", today) == (since, today)


def test_chosen_days_begin_with_those_of_the_usual_period() -> None:
    """So that the two fields have something to be changed; they stand in the address as days, not as a name."""
    found = read(period="days")
    assert (found.since, found.until, found.period) == (date(2025, 11, 22), TODAY, "")
    assert found.to_query() == "since=2025-11-22&until=2026-11-21"
    second = read(period="last-month", vs_period="days").compare
    assert second is not None
    assert (second.since, second.until, second.period) == (date(2025, 10, 1), date(2025, 10, 31), "")


def test_everything_that_can_be_chosen_is_read() -> None:
    found = read(
        since="2026-01-01",
        until="2026-03-31",
        location="2",
        indication="trd",
        severity="Severe",
        protocol="3",
        dose="45-55",
        prescriber="4",
        referrer="Dr Lee",
        failures="2",
        at="later",
        censor="maintenance",
    )
    assert found == Filters(
        since=date(2026, 1, 1),
        until=date(2026, 3, 31),
        location=2,
        indication="trd",
        severity="Severe",
        protocol=3,
        dose="45-55",
        prescriber=4,
        referrer="Dr Lee",
        failures="2",
        at="later",
        censor="maintenance",
    )


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("since", "yesterday", "“yesterday” is no day. Write it as 2027-01-31."),
        ("until", "2026-02-30", "“2026-02-30” is no day. Write it as 2027-01-31."),
        ("since", "0001-01-01", "The day must lie between 2000 and 2100."),
        ("period", "fortnight", "“fortnight” is no period. Choose one from the list."),
        ("location", "-1", "“-1” is no choice of the list. Choose one from it."),
        ("location", "9" * 30, f"“{'9' * 20}” is no choice of the list. Choose one from it."),
        ("location", "²", "“²” is no choice of the list. Choose one from it."),
        ("indication", "flu", "“flu” is no choice of the list. Choose one from it."),
        ("dose", "lots", "“lots” is no choice of the list. Choose one from it."),
        ("at", "noon", "“noon” is no choice of the list. Choose one from it."),
        ("vs_protocol", "x", "“x” is no choice of the list. Choose one from it."),
        (
            "referrer",
            "a\x00b",
            "This is longer than 160 characters or not a text. Choose one from the list.",
        ),
    ],
)
def test_what_cannot_be_read_is_named_and_left_out(name: str, said: str, words: str) -> None:
    with pytest.raises(OddFiltersError) as refused:
        read(**{name: said})
    assert refused.value.problems == {name: words}
    assert refused.value.rest == Filters.usual(TODAY)


def test_days_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(OddFiltersError) as refused:
        read(since="2026-03-31", until="2026-01-01")
    assert refused.value.problems == {"until": "The last day is before the first. Turn them round."}


def test_a_second_group_is_as_the_first_but_for_what_it_says() -> None:
    found = read(location="2", indication="mdd", vs_location="5", vs_indication="same")
    assert found.compare == replace(found.alone, location=5)


def test_a_second_group_may_be_anywhere() -> None:
    found = read(location="2", vs_location="")
    assert found.compare is not None
    assert found.compare.location is None


def test_a_second_group_like_the_first_is_none() -> None:
    assert read(location="2", vs_location="2", vs_period="same", vs_dose="same").compare is None


@pytest.mark.parametrize(
    ("since", "until", "span", "days"),
    [
        ("2026-10-01", "2026-10-31", "previous", (date(2026, 9, 1), date(2026, 9, 30))),  # a month has a month before
        ("2026-07-01", "2026-09-30", "previous", (date(2026, 4, 1), date(2026, 6, 30))),
        ("2026-01-01", "2026-12-31", "previous", (date(2025, 1, 1), date(2025, 12, 31))),
        ("2026-11-02", "2026-11-11", "previous", (date(2026, 10, 23), date(2026, 11, 1))),  # ten days
        ("2026-10-01", "2026-10-31", "year-before", (date(2025, 10, 1), date(2025, 10, 31))),
        ("2028-02-01", "2028-02-29", "year-before", (date(2027, 2, 1), date(2027, 2, 28))),
    ],
)
def test_a_period_is_compared_with_one_before_it(since: str, until: str, span: str, days: tuple[date, date]) -> None:
    found = read(since=since, until=until, vs_period=span).compare
    assert found is not None
    assert (found.since, found.until, found.period) == (*days, span)


def test_all_time_has_nothing_before_it() -> None:
    assert period_before(Filters(period="all")) is None
    with pytest.raises(OddFiltersError, match="All time has no period before it"):
        read(period="all", vs_period="previous")


def test_a_named_period_of_the_second_group_hangs_on_today() -> None:
    found = read(period="this-month", vs_period="last-month").compare
    assert found is not None
    assert (found.since, found.until) == (date(2026, 10, 1), date(2026, 10, 31))


OPTIONS = {
    "period": st.sampled_from([*PERIODS, ""]),
    "location": st.sampled_from(["", "1", "2"]),
    "indication": st.sampled_from(["", "mdd", "ptsd"]),
    "severity": st.sampled_from(["", "none", "Severe"]),
    "dose": st.sampled_from(["", "none", "75-over"]),
    "referrer": st.sampled_from(["", "none", "<script>&=", "Ärztin Groß"]),
    "at": st.sampled_from(["", "later"]),
    "vs_period": st.sampled_from(["", "same", "last-year"]),
    "vs_location": st.sampled_from(["same", "", "7"]),
    "vs_referrer": st.sampled_from(["same", "", "none"]),
    "since": st.sampled_from(["", "2026-02-01"]),
}


@given(st.fixed_dictionaries(OPTIONS))
def test_what_is_written_into_an_address_is_read_the_same(query: dict[str, str]) -> None:
    from urllib.parse import parse_qsl  # noqa: PLC0415

    found = read(**query)
    again = read(**dict(parse_qsl(found.to_query(), keep_blank_values=True)))
    assert again == found


def test_the_words_name_what_is_chosen() -> None:
    found = read(location="2", indication="trd", severity="none", protocol="3", period="last-month", failures="1")
    assert say(found) == (
        "Brooklyn · Treatment-resistant depression · no band of severity · T-MWF6 · 1 before · started 1 Oct 2026 to 31 Oct 2026"
    )
    assert say(read(period="all")) == "All courses · all time"


def test_every_choice_has_words() -> None:
    some = {
        "location": "2",
        "indication": "mdd",
        "severity": "Severe",
        "protocol": "3",
        "dose": "45-55",
        "prescriber": "4",
        "referrer": "Dr Lee",
        "failures": "none",
    }
    assert set(some) == set(CHOSEN)
    for name, value in some.items():
        assert say(read(**{name: value})) != say(read())
