"""Which measures are due and when (clinical.md E4): anchored on infusions, moving with them, keys that stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from courses.pure.follow_up import (
    BOOSTER,
    INITIAL,
    MAINTENANCE,
    Dated,
    Due,
    Followed,
    Group,
    Rhythm,
    Timing,
    add_months,
    follow_days,
    many_given,
    schedule,
    taken_over,
)
from patients.pure.measures import MEASURES

RHYTHM = Rhythm()


def april(day: int) -> date:
    return date(2027, 4, day)


def series(*days: date | None, given: int = 0) -> list[Dated]:
    """An initial series; the first ``given`` of it have happened. Ids are 101, 102, ..."""
    return [Dated(100 + number, number, INITIAL, day, number <= given) for number, day in enumerate(days, 1)]


MWF = (april(5), april(7), april(9), april(12), april(14), april(16))  # T-MWF6, case 20 before the no-show


def items(
    infusions: list[Dated],
    indication: str = "trd",
    *,
    rhythm: Rhythm = RHYTHM,
    available: Collection[str] = MEASURES,
    **known: bool,
) -> dict[str, Due]:
    found = schedule(Followed(tuple(infusions), indication, **known), rhythm, available)
    assert len({one.key for one in found}) == len(found)
    return {one.key: one for one in found}


# -- what is asked, and when -------------------------------------------------------------------------------------------


def test_the_baseline_lies_at_most_14_days_before_the_first_infusion() -> None:
    """Source: clinical.md E4, first row."""
    one = items(series(*MWF))["baseline"]
    assert (one.first_day, one.last_day) == (date(2027, 3, 22), april(5))
    assert one.measures == ("phq9", "gad7", "cssrs", "auditc", "dast10", "icsi", "moca")
    assert [ask for ask in one.asks if ask.is_answered_by("qids16")] == [one.asks[0]]  # "PHQ-9 or QIDS"
    assert not one.asks[1].is_answered_by("phq9")


def test_ptsd_is_followed_by_the_pcl5_from_the_baseline_on() -> None:
    """Source: clinical.md E4: PCL-5 if PTSD."""
    found = items(series(*MWF), "ptsd")
    assert found["baseline"].measures[-1] == "pcl5"
    assert found["checkin:102"].measures == ("pcl5",)
    assert found["series-end"].measures == ("phq9", "gad7", "cssrs", "pcl5")
    assert "pcl5" not in items(series(*MWF))["baseline"].measures


def test_each_check_in_asks_on_its_day_and_counts_as_the_score_after_the_infusion_before() -> None:
    """Source: clinical.md E4, second row; A 134."""
    found = items(series(*MWF, given=3))
    assert [found[f"checkin:{pk}"].first_day for pk in range(101, 107)] == list(MWF)
    one = found["checkin:103"]
    assert (one.measures, one.counts_from, one.counts_to) == (("phq9",), april(9), april(9))
    assert one.anchor == "Infusion 3 was given on Fri 9 Apr. It counts as the score after infusion 2."
    assert not one.is_planned


def test_what_hangs_on_a_booked_infusion_says_that_it_is_planned() -> None:
    one = items(series(*MWF, given=3))["series-end"]
    assert one.is_planned
    assert one.anchor == "Planned by the booked date of infusion 6, Fri 16 Apr: it moves with it."
    assert not items(series(*MWF, given=6))["series-end"].is_planned


def test_after_the_fourth_infusion_the_gad7_and_not_where_the_fourth_is_the_last() -> None:
    """Source: clinical.md E4: after #4."""
    one = items(series(*MWF))["after-4"]
    assert (one.measures, one.anchor_id, one.first_day) == (("gad7",), 104, april(13))
    assert "after-4" not in items(series(*MWF[:4]))  # the end of the series asks it


def test_the_day_after_is_optional_and_never_overdue() -> None:
    """Source: clinical.md E4 (trial standard 24 h), A 50: 24 to 72 hours."""
    one = items(series(*MWF))["day-after:101"]
    assert (one.first_day, one.last_day, one.is_optional) == (april(6), april(8), True)
    assert [one.timing(april(day), 2) for day in (5, 6, 8, 9, 30)] == [
        Timing.LATER,
        Timing.DUE,
        Timing.DUE,
        Timing.PASSED,
        Timing.PASSED,
    ]


def test_the_end_of_the_series_is_asked_in_the_first_week_and_again_from_day_14_to_31() -> None:
    """Source: clinical.md E4 (P20)."""
    found = items(series(*MWF))
    assert [(found[key].first_day, found[key].last_day) for key in ("series-end", "series-14-31")] == [
        (april(17), april(23)),
        (april(30), date(2027, 5, 17)),
    ]
    assert found["series-end"].measures == ("phq9", "gad7", "cssrs")


def test_follow_up_is_weekly_for_four_weeks_then_every_two_until_day_83() -> None:
    """Source: clinical.md E4; P1 followed to day 83."""
    assert follow_days(4, 83) == (7, 14, 21, 28, 42, 56, 70, 83)
    assert follow_days(4, 84) == (7, 14, 21, 28, 42, 56, 70, 84)
    assert follow_days(4, 28) == (7, 14, 21, 28)
    assert follow_days(0, 30) == (14, 28)
    assert follow_days(0, 0) == ()
    found = items(series(*MWF))
    assert [key for key in found if key.startswith("day-") and ":" not in key] == [
        "day-7", "day-14", "day-21", "day-28", "day-42", "day-56", "day-70", "day-83",
    ]  # fmt: skip
    assert (found["day-7"].first_day, found["day-7"].last_day) == (april(22), april(26))  # around Fri 23 Apr


def test_overdue_begins_after_the_days_of_grace() -> None:
    one = items(series(*MWF))["series-end"]
    assert [one.timing(april(day), 2) for day in (16, 17, 25, 26)] == [
        Timing.LATER,
        Timing.DUE,
        Timing.DUE,
        Timing.OVERDUE,
    ]
    assert one.timing(april(24), 0) is Timing.OVERDUE


def test_what_hangs_on_an_infusion_without_a_day_waits_until_it_has_one() -> None:
    found = items(series(*MWF[:5], None, given=5))
    assert "checkin:105" in found
    assert not {"checkin:106", "series-end", "day-7"} & set(found)
    closed = items(series(*MWF[:5], None, given=5), is_over=True)  # then the fifth was the last
    assert closed["series-end"].first_day == april(15)


def test_a_measure_that_the_clinic_has_not_is_not_asked_for() -> None:
    found = items(series(*MWF), available={"phq9", "gad7"})
    assert found["baseline"].measures == ("phq9", "gad7")
    assert "day-after:101" not in found
    assert "cognition:1" not in found


# -- maintenance and the long run --------------------------------------------------------------------------------------


def visits(*days: date, kind: str = MAINTENANCE) -> list[Dated]:
    return [Dated(200 + number, number, kind, day, is_given=True) for number, day in enumerate(days, 1)]


def test_each_maintenance_visit_asks_the_score_and_bladder_and_cravings() -> None:
    """Source: clinical.md E4, last row; A 129, 130, 138."""
    found = items(series(*MWF, given=6) + visits(date(2027, 5, 14)))
    assert found["maint:201"].measures == ("phq9",)
    one = found["bladder:201"]
    assert (one.measures, one.group) == (("icsi", "craving"), Group.LONG_TERM)
    assert one.asks[0].is_answered_by("bpicss")


def test_a_bladder_check_of_three_weeks_ago_is_enough_and_one_of_four_is_not() -> None:
    """Source: clinical.md E4: every visit or monthly. 30 days are the clinic's setting [D]."""
    one = items(series(*MWF, given=6) + visits(date(2027, 6, 30)))["bladder:201"]
    assert one.counts_on(date(2027, 6, 30) - timedelta(days=21))
    assert not one.counts_on(date(2027, 6, 30) - timedelta(days=28))
    assert one.counts_on(date(2027, 7, 30))  # late, and a check all the same
    assert "bladder:201" not in items(visits(date(2027, 6, 30)), rhythm=replace(RHYTHM, bladder_days=0))


def test_a_long_term_check_takes_over_from_those_before_it_on_its_day_and_not_earlier() -> None:
    days = (date(2027, 5, 7), date(2027, 5, 14), date(2027, 5, 21))
    found = tuple(items(series(*MWF, given=6) + visits(*days)).values())
    assert taken_over(found, days[1] - timedelta(days=1)) == frozenset()
    assert taken_over(found, days[1]) == {"bladder:201"}
    assert taken_over(found, days[2]) == {"bladder:201", "bladder:202"}


def test_a_booster_is_checked_in_like_any_infusion() -> None:
    found = items(series(*MWF, given=6) + visits(date(2027, 6, 30), kind=BOOSTER))
    assert found["checkin:201"].anchor == "Booster 1 was given on Wed 30 Jun. The score of this visit."
    assert "bladder:201" in found


def test_cognition_is_due_after_six_months_or_twelve_infusions_whichever_comes_first() -> None:
    """Source: clinical.md E4; A 128, 137."""
    weekly = visits(*(april(16) + timedelta(days=7 * week) for week in range(1, 9)))
    found = items(series(*MWF, given=6) + weekly)
    first, second = found["cognition:1"], found["cognition:2"]
    assert (first.first_day, first.anchor_id) == (april(16) + timedelta(days=42), 206)  # 6 + 6 = 12
    assert first.anchor.endswith("It is the 12th of the course.")
    assert (second.first_day, second.anchor) == (date(2027, 11, 28), "6 months after Fri 28 May.")
    monthly = items(series(*MWF, given=6) + visits(date(2027, 5, 14), date(2027, 6, 11)))
    assert (monthly["cognition:1"].first_day, monthly["cognition:1"].anchor_id) == (date(2027, 10, 5), None)
    assert "cognition:2" not in monthly


def test_a_series_alone_asks_for_cognition_only_by_its_number() -> None:
    assert "cognition:1" not in items(series(*MWF, given=6))
    assert "cognition:1" in items(series(*MWF, given=6), in_maintenance=True)
    twelve = series(*(april(1) + timedelta(days=2 * step) for step in range(12)))
    assert items(twelve)["cognition:1"].first_day == april(23)
    off = replace(RHYTHM, cognition_months=0, cognition_infusions=0)
    assert "cognition:1" not in items(twelve, in_maintenance=True, rhythm=off)


def test_the_number_of_infusions_is_looked_at_each_time_so_many_more_were_given_in_time() -> None:
    """Source: clinical.md A 131."""
    quick = [april(1) + timedelta(days=7 * week) for week in range(25)]
    assert many_given(quick, many=12, months=12) == (12, 24)
    assert many_given(quick[:11], many=12, months=12) == ()
    slow = [add_months(april(1), 2 * step) for step in range(12)]  # 12 in 22 months
    assert many_given(slow, many=12, months=12) == ()
    mixed = slow + [slow[-1] + timedelta(days=7 * week) for week in range(1, 12)]
    assert many_given(mixed, many=12, months=12) == (18,)  # the first 12 in a row within a year
    assert many_given(quick, many=0, months=12) == ()


def test_months_end_on_the_last_day_of_a_shorter_one() -> None:
    assert add_months(date(2027, 8, 31), 6) == date(2028, 2, 29)
    assert add_months(date(2027, 1, 15), 12) == date(2028, 1, 15)


# -- moving ------------------------------------------------------------------------------------------------------------

SPANS = ("first_day", "last_day", "counts_from", "counts_to")


@st.composite
def courses(draw: st.DrawFn) -> list[Dated]:
    """A series, then visits of maintenance; in order, with gaps of 2 to 40 days."""
    n, m = draw(st.integers(1, 8)), draw(st.integers(0, 4))
    day, found = date(2027, 1, 4), []
    given = draw(st.integers(0, n + m))
    for index in range(n + m):
        kind = INITIAL if index < n else MAINTENANCE
        number = index + 1 if index < n else index + 1 - n
        found.append(Dated(500 + index, number, kind, day, index < given))
        day += timedelta(days=draw(st.integers(2, 40)))
    return found


@given(courses(), st.data())
def test_moving_an_infusion_moves_exactly_its_items_and_changes_no_key(
    course: list[Dated], data: st.DataObject
) -> None:
    """Cognition by months is apart: it hangs on the calendar, not on one infusion (see its own tests)."""
    index = data.draw(st.integers(0, len(course) - 1))
    shift = timedelta(days=data.draw(st.integers(-30, 30)))
    moved = list(course)
    moved[index] = replace(course[index], day=course[index].day + shift)  # type: ignore[operator]
    before, after = items(course), items(moved)
    its_own = course[index].id
    hangs = {key for key in before if not key.startswith("cognition")}
    assert hangs == {key for key in after if not key.startswith("cognition")}
    for key in hangs:
        by = shift if before[key].anchor_id == its_own else timedelta(0)
        assert [getattr(after[key], name) - getattr(before[key], name) for name in SPANS] == [by] * 4
        assert after[key].measures == before[key].measures


@given(courses(), st.integers(-30, 30))
def test_moving_a_whole_course_moves_every_item_that_hangs_on_an_infusion(course: list[Dated], days: int) -> None:
    shift = timedelta(days=days)
    moved = [replace(one, day=one.day + shift) for one in course]  # type: ignore[operator]
    before, after = items(course), items(moved)
    for key, one in before.items():
        if one.anchor_id is not None and not key.startswith("cognition"):
            assert after[key].first_day - one.first_day == shift


@given(courses())
def test_every_item_has_a_window_in_order_and_something_to_ask(course: list[Dated]) -> None:
    for one in items(course).values():
        assert one.counts_from <= one.first_day <= one.last_day <= one.counts_to
        assert one.asks
        assert one.anchor.endswith(".")
