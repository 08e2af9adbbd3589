"""Which locations somebody reaches: the rule by role, where they work, and what happens where nobody said so."""

from __future__ import annotations

import pytest

from clinic.pure.reach import belongs, is_limited, places_reached
from clinic.pure.roles import Role

DOWNTOWN, UPTOWN, LAKESIDE = 1, 2, 3
DESK, NURSE = Role.FRONT_DESK.value, Role.NURSE.value


@pytest.mark.parametrize(("role", "limited"), [(role, role is Role.FRONT_DESK) for role in Role])
def test_unless_a_manager_says_otherwise_only_the_front_desk_is_limited(role: Role, limited: bool) -> None:
    assert is_limited([role.value], rules={}) is limited


@pytest.mark.parametrize(
    ("roles", "rules", "reached"),
    [
        ([DESK], {}, {DOWNTOWN, UPTOWN}),
        ([DESK], {DESK: False}, None),
        ([DESK, NURSE], {}, None),  # a second role never takes anything away
        ([DESK, NURSE], {NURSE: True}, {DOWNTOWN, UPTOWN}),
        ([NURSE], {}, None),
        ([NURSE], {NURSE: True}, {DOWNTOWN, UPTOWN}),
        ([], {}, None),  # nobody without a role passes the doorman
    ],
)
def test_a_person_is_limited_when_every_role_is(
    roles: list[str], rules: dict[str, bool], reached: set[int] | None
) -> None:
    assert places_reached(roles, rules=rules, home=DOWNTOWN, others=[UPTOWN]) == reached


def test_where_nobody_said_where_somebody_works_they_are_not_locked_out() -> None:
    assert places_reached([DESK], rules={}, home=None, others=[]) is None
    assert places_reached([DESK], rules={}, home=None, others=[UPTOWN]) == frozenset({UPTOWN})
    assert places_reached([DESK], rules={}, home=DOWNTOWN, others=[]) == frozenset({DOWNTOWN})


def test_what_belongs_nowhere_is_everybodys() -> None:
    assert belongs([], frozenset({DOWNTOWN}))
    assert belongs([UPTOWN, LAKESIDE], frozenset({DOWNTOWN, LAKESIDE}))
    assert not belongs([UPTOWN], frozenset({DOWNTOWN}))
    assert belongs([UPTOWN], None)
