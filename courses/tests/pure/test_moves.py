"""Moving one infusion: only this one, or the rest with it; and the days on which it may be dropped."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from courses.planning.moves import changes_between, drop_zones, nearest, only_this, shift_rest
from courses.planning.templates import BY_ID
from courses.planning.types import FreeStarts, Instance, Placed, Rule, Severity, Wishes, Zone

MONDAY = date(2027, 1, 4)
MWF6 = BY_ID["T-MWF6"].rule()
MINUTES = (540, 600, 660)


def calendar(days: int = 40) -> FreeStarts:
    dates = tuple(MONDAY + timedelta(days=offset) for offset in range(days))
    shape = (days, len(MINUTES), 2)
    return FreeStarts(
        days=dates,
        minutes=MINUTES,
        chair_ids=(1, 2),
        nurse_ids=(3, 4),
        clinician_ids=(5, 6),
        chairs=np.ones(shape, dtype=bool),
        nurses=np.ones(shape, dtype=bool),
        clinicians=np.ones(shape, dtype=bool),
        load=np.zeros(shape[:2], dtype=np.float32),
        open_days=frozenset(day for day in dates if day.weekday() < 5),
    )


PLAN = tuple(
    Placed(n, MONDAY + timedelta(days=offset), 600, 2, 4, 6) for n, offset in enumerate((0, 2, 4, 7, 9, 11), start=1)
)


def day(number: int) -> date:
    return date(2027, 1, number)


def asked(free: FreeStarts | None = None, given: int = 0, not_before: date = MONDAY) -> Instance:
    return Instance(MWF6, not_before, free or calendar(), Wishes(), {n: PLAN[n - 1] for n in range(1, given + 1)})


def zone(zones: tuple[Zone, ...], number: int) -> Zone:
    return next(one for one in zones if one.day == day(number))


def test_only_this_moves_one_and_keeps_its_time_and_people() -> None:
    found = only_this(asked(), PLAN, Placed(6, day(16) - timedelta(days=1)))
    assert found.changes == ()  # dropped where it was
    found = only_this(asked(), PLAN, Placed(6, day(15), 540))
    assert [(change.number, change.becomes) for change in found.changes] == [(6, Placed(6, day(15), 540, 2, 4, 6))]
    assert found.verdict.is_legal


def test_only_this_is_judged_on_both_sides() -> None:
    found = only_this(asked(), PLAN, Placed(4, day(12)))
    assert [(f.rule, f.number, f.actual) for f in found.verdict.needs_override] == [(Rule.GAP_TOO_SHORT, 5, 1)]
    assert not found.verdict.is_legal
    assert found.verdict.is_bookable


def test_only_this_past_its_neighbour_is_blocked() -> None:
    found = only_this(asked(), PLAN, Placed(4, day(14)))
    assert not found.verdict.is_bookable
    assert Rule.OUT_OF_ORDER in {finding.rule for finding in found.verdict.findings}


def test_only_this_onto_a_taken_start_is_blocked_and_says_so() -> None:
    free = calendar()
    free.chairs[11, 0, :] = False
    found = only_this(asked(free), PLAN, Placed(6, day(15), 540))
    assert "cannot start on Fri 15 Jan at 09:00" in found.verdict.findings[0].message


def test_shifting_the_rest_follows_the_new_date_by_r2_to_r4() -> None:
    found = shift_rest(asked(given=3, not_before=day(9)), PLAN, Placed(4, day(12)))
    assert [one.day.day for one in found.placed] == [4, 6, 8, 12, 15, 18]
    assert [change.number for change in found.changes] == [4, 5, 6]
    assert [
        (change.was.day.day, change.becomes.day.day) for change in found.changes if change.was and change.becomes
    ] == [
        (11, 12),
        (13, 15),
        (15, 18),
    ]
    assert found.verdict.is_legal
    assert found.missing == ()


def test_shifting_the_rest_keeps_the_usual_time_chair_and_people() -> None:
    found = shift_rest(asked(given=3, not_before=day(9)), PLAN, Placed(4, day(12)))
    assert {(one.start_min, one.chair_id, one.nurse_id, one.clinician_id) for one in found.placed} == {(600, 2, 4, 6)}


def test_shifting_the_rest_leaves_what_comes_before_alone_even_when_it_is_not_given_yet() -> None:
    found = shift_rest(asked(), PLAN, Placed(4, day(12)))
    assert found.placed[:3] == PLAN[:3]


def test_a_shift_that_breaks_the_gap_before_it_is_a_breach() -> None:
    found = shift_rest(asked(given=3, not_before=day(9)), PLAN, Placed(4, day(13)))
    assert [(f.rule, f.number, f.actual) for f in found.verdict.needs_override] == [(Rule.GAP_TOO_LONG, 4, 5)]


def test_a_shift_into_a_full_week_says_what_is_lost() -> None:
    free = calendar()
    free.chairs[13:25] = False  # from Sun 17 to Thu 28 Jan
    found = shift_rest(asked(free, given=3, not_before=day(9)), PLAN, Placed(4, day(12)))
    assert found.missing == (6,)
    assert found.explanation == "The 6th would have no legal free time."


def test_changes_name_each_infusion_that_is_not_what_it_was() -> None:
    other_chair = (*PLAN[:5], Placed(6, PLAN[5].day, 600, 1, 4, 6))
    assert [change.number for change in changes_between(PLAN, other_chair)] == [6]
    assert changes_between(PLAN, PLAN) == ()
    assert changes_between(PLAN, PLAN[:5])[0].becomes is None


def test_the_nearest_start_is_the_nearest_free_minute_with_the_usual_people() -> None:
    free = calendar()
    free.chairs[1, 1, :] = False  # 10:00 is taken on Tue 5 Jan
    free.nurses[1, 0, 1] = False  # and nurse 4 is away at 09:00
    assert nearest(asked(free), 2, day(5), 600, PLAN) == Placed(2, day(5), 540, 2, 3, 6)
    assert nearest(asked(free), 2, day(5), 640, PLAN) == Placed(2, day(5), 660, 2, 4, 6)


def test_a_full_a_closed_or_an_unread_day_has_no_nearest_start() -> None:
    free = calendar()
    free.chairs[1] = False
    assert nearest(asked(free), 2, day(5)) is None
    assert nearest(asked(free), 2, day(9)) is None  # a Saturday
    assert nearest(asked(free), 2, date(2027, 12, 1)) is None


def test_drop_zones_tell_legal_noted_breaching_and_blocked_days_apart() -> None:
    zones = drop_zones(asked(given=3, not_before=day(9)), PLAN, 4)
    assert zones[0].day == day(9)
    assert zone(zones, 11) == Zone(day(11), MINUTES)
    assert zone(zones, 12).severity is Severity.BREACH
    assert zone(zones, 12).minutes == MINUTES
    assert "Infusion 5 would be 1 day after infusion 4" in zone(zones, 12).message
    assert zone(zones, 13).severity is Severity.BLOCK
    assert zone(zones, 9).severity is Severity.BLOCK
    assert "closed" in zone(zones, 9).message


def test_drop_zones_with_the_rest_shifting_open_the_days_after() -> None:
    zones = drop_zones(asked(given=3, not_before=day(9)), PLAN, 4, shift_rest=True)
    assert zone(zones, 11) == Zone(day(11), MINUTES)
    assert zone(zones, 12).severity is Severity.NOTE  # off the rhythm, and legal
    assert zone(zones, 13).severity is Severity.BREACH  # 5 days after the third


def test_a_day_without_a_free_start_and_a_day_with_two_are_told_apart() -> None:
    free = calendar()
    free.chairs[7] = False
    free.nurses[8, 1] = False
    zones = drop_zones(asked(free, given=3, not_before=day(9)), PLAN, 4, shift_rest=True)
    assert (zone(zones, 11).severity, zone(zones, 11).message) == (
        Severity.BLOCK,
        "Mon 11 Jan has no free start for this visit.",
    )
    assert zone(zones, 12).minutes == (540, 660)


def test_a_day_after_which_the_rest_cannot_follow_is_blocked() -> None:
    free = calendar()
    free.chairs[9:14] = False  # from Wed 13 to Sun 17 Jan nothing is free
    zones = drop_zones(asked(free, given=3, not_before=day(9)), PLAN, 4, shift_rest=True)
    assert zone(zones, 11).message == "After Mon 11 Jan the rest of the series has no legal free time."
    assert zone(zones, 11).minutes == ()
    free.chairs[10, 0] = True  # Thu 14 Jan at 09:00
    zones = drop_zones(asked(free, given=3, not_before=day(9)), PLAN, 4, shift_rest=True)
    assert zone(zones, 11).severity is None


def test_every_legal_zone_is_legal_when_dropped_there() -> None:
    free = calendar()
    free.chairs[[7, 9, 14], :2] = False
    instance = asked(free, given=2, not_before=day(7))
    for one in drop_zones(instance, PLAN, 3):
        for minute in one.minutes:
            found = only_this(instance, PLAN, Placed(3, one.day, minute))
            assert found.verdict.is_legal == (one.severity in (None, Severity.NOTE))
            assert found.verdict.is_bookable
