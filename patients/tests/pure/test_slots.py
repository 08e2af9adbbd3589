"""Which free consultations are offered: spread over clinicians, days and hours, and what would help when none is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from patients.models import PartOfDay, VisitMode
from patients.pure.slots import Board, Help, Mode, Offer, Part, Wish, offers, ways_out

MONDAY = date(2027, 1, 4)
MINUTES = tuple(range(8 * 60, 17 * 60, 15))
HART, OSEI, CHEN = 1, 2, 3
Rule = Callable[[int, int, int], bool]  # day, minute after midnight, clinician


def always(_day: int, _minute: int, _clinician: int) -> bool:
    return True


def make_board(
    rule: Rule = always, *, clinicians: tuple[int, ...] = (HART,), days: int = 5, location_id: int = 1, hour: int = 0
) -> Board:
    """Mondays to Fridays, 08:00 to 17:00 in quarters; ``rule`` says who is free when."""
    dates = tuple(MONDAY + timedelta(days=n) for n in range(days))
    first = int(datetime(2027, 1, 4, hour, tzinfo=UTC).timestamp()) // 60
    starts = np.asarray([[first + n * 1440 + minute for minute in MINUTES] for n in range(days)], dtype=np.int64)
    free = np.asarray([[[rule(n, m, one) for one in clinicians] for m in MINUTES] for n in range(days)], dtype=bool)
    ones = np.ones((days, len(MINUTES)), dtype=bool)
    return Board(location_id, dates, MINUTES, clinicians, starts, free, ones, ones.copy())


def said(found: tuple[Offer, ...], board: Board) -> list[str]:
    return [
        f"{board.days[one.day_index]:%a} {board.minutes[one.minute_index] // 60:02d}:"
        f"{board.minutes[one.minute_index] % 60:02d} {one.clinician_id}"
        for one in found
    ]


def test_the_words_are_those_of_the_models() -> None:
    assert {one.value for one in Part} == set(PartOfDay.values)
    assert {one.value for one in Mode} == set(VisitMode.values)


def test_one_clinician_with_all_the_time_is_offered_in_the_morning_and_the_afternoon_of_each_day() -> None:
    board = make_board()
    assert said(offers([board], Wish(), 5), board) == [
        "Mon 08:00 1",
        "Mon 12:00 1",
        "Tue 08:00 1",
        "Tue 12:00 1",
        "Wed 08:00 1",
    ]


def test_twenty_clinicians_are_not_offered_five_times_the_same_quarter_of_an_hour() -> None:
    board = make_board(clinicians=tuple(range(1, 21)))
    found = offers([board], Wish(), 5)
    assert len({one.start_min for one in found}) == 5
    assert len({one.clinician_id for one in found}) == 5  # and not five times the same one
    assert [day for day, _, _ in (text.split() for text in said(found, board))] == ["Mon", "Mon", "Tue", "Tue", "Wed"]


def test_mornings_and_afternoons_meet_at_noon() -> None:
    board = make_board()
    mornings = said(offers([board], Wish(part=Part.MORNING), 5), board)
    assert mornings == [f"{day} 08:00 1" for day in ("Mon", "Tue", "Wed", "Thu", "Fri")]
    assert said(offers([board], Wish(part=Part.AFTERNOON), 1), board) == ["Mon 12:00 1"]
    late = make_board(lambda _d, minute, _c: minute >= 11 * 60 + 45)
    assert said(offers([late], Wish(part=Part.MORNING), 1), late) == ["Mon 11:45 1"]


def test_with_one_clinician_and_on_some_weekdays() -> None:
    board = make_board(clinicians=(HART, OSEI))
    wish = Wish(clinician_id=OSEI, weekdays=frozenset({2, 4}))
    assert said(offers([board], wish, 5), board) == [
        "Wed 08:00 2",
        "Wed 09:00 2",  # only two days are left, so the first of them fills up
        "Wed 12:00 2",
        "Fri 08:00 2",
        "Fri 12:00 2",
    ]


def test_one_day_that_is_left_is_filled_an_hour_apart_and_only_then_more_closely() -> None:
    board = make_board(lambda day, minute, _c: day == 3 and 9 * 60 <= minute < 11 * 60)
    assert said(offers([board], Wish(), 5), board) == [
        "Thu 09:00 1",
        "Thu 09:15 1",
        "Thu 09:30 1",
        "Thu 09:45 1",
        "Thu 10:00 1",
    ]
    assert said(offers([board], Wish(), 2), board) == ["Thu 09:00 1", "Thu 10:00 1"]


def test_fewer_are_free_than_were_asked_for() -> None:
    board = make_board(lambda day, minute, _c: (day, minute) in {(0, 600), (4, 660)})
    assert said(offers([board], Wish(), 5), board) == ["Mon 10:00 1", "Fri 11:00 1"]


def test_two_locations_an_hour_apart_are_in_the_order_of_time() -> None:
    """Chicago's 08:00 is New York's 09:00."""
    east = make_board(location_id=1, hour=5, days=1)
    west = make_board(location_id=2, hour=6, days=1, clinicians=(CHEN,))
    found = offers([west, east], Wish(), 2)
    assert [one.location_id for one in found] == [1, 2]
    assert found[1].start_min - found[0].start_min == 60


def test_in_person_needs_a_room_and_video_does_not() -> None:
    board = make_board(days=1)
    board.rooms[:] = False
    assert offers([board], Wish(), 5) == ()
    assert len(offers([board], Wish(mode=Mode.VIDEO), 5)) == 5


def test_the_patients_own_time_is_left_alone() -> None:
    board = make_board(days=1)
    board.patient[0, : MINUTES.index(600)] = False
    assert said(offers([board], Wish(), 1), board) == ["Mon 10:00 1"]


def helps(boards: list[Board], wish: Wish) -> dict[Help, str]:
    return {way.help: said((way.first,), boards[0])[0] for way in ways_out(boards, wish)}


def test_nothing_free_and_what_would_help() -> None:
    """Dr Hart has time on Tuesday afternoon only, Dr Osei on Wednesday morning."""
    board = make_board(
        lambda day, minute, who: (day, minute, who) in {(1, 840, HART), (2, 540, OSEI)}, clinicians=(HART, OSEI)
    )
    wish = Wish(part=Part.MORNING, clinician_id=HART)
    assert offers([board], wish, 5) == ()
    assert helps([board], wish) == {Help.PART: "Tue 14:00 1", Help.CLINICIAN: "Wed 09:00 2"}


def test_another_location_video_or_the_patients_own_visits_may_be_what_helps() -> None:
    here, there = make_board(days=1), make_board(days=1, location_id=2)
    here.rooms[:] = False
    assert set(helps([here, there], Wish(location_id=1))) == {Help.LOCATION, Help.VIDEO}
    own = make_board(days=1)
    own.patient[:] = False
    assert set(helps([own], Wish())) == {Help.PATIENT}


def test_nothing_helps_where_nobody_works() -> None:
    board = make_board(lambda *_: False)
    assert ways_out([board], Wish(part=Part.MORNING, clinician_id=HART, location_id=1)) == ()


def test_a_place_without_hours_or_people_offers_nothing() -> None:
    empty = np.zeros((1, 0), dtype=bool)
    board = Board(1, (MONDAY,), (), (HART,), np.zeros((1, 0), dtype=np.int64), empty[:, :, None], empty, empty)
    assert offers([board], Wish(), 5) == ()
    nobody = make_board(clinicians=())
    assert offers([nobody, board], Wish(part=Part.AFTERNOON), 5) == ()
    assert ways_out([nobody, board], Wish()) == ()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(MINUTES), st.integers(1, 3)), max_size=60), st.integers(1, 6)
)
def test_what_is_offered_is_free_in_order_never_twice_and_never_less_than_there_is(
    free: list[tuple[int, int, int]], count: int
) -> None:
    known = set(free)
    board = make_board(lambda day, minute, who: (day, minute, who) in known, clinicians=(1, 2, 3))
    found = offers([board], Wish(), count)
    assert all((one.day_index, board.minutes[one.minute_index], one.clinician_id) in known for one in found)
    starts = [one.start_min for one in found]
    assert starts == sorted(set(starts))
    assert len(found) == min(count, len({(day, minute) for day, minute, _ in known}))
