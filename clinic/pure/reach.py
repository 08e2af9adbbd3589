"""Which locations a member of staff reaches, and with them which patients. Pure: ids in, ids out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from clinic.pure.roles import Role

LIMITED_BY_DEFAULT = frozenset({Role.FRONT_DESK})
"""[D] Roles that reach only their own locations where a manager said nothing about it."""
OPEN_FOR = timedelta(hours=12)
"""[D] How long a record of another location stays open after somebody gave a reason: one working day."""
REASON_AT_LEAST = 10
"""[D] Letters that a reason has, so that "x" is none."""

Places = frozenset[int]


def places_reached(
    roles: Collection[str], *, rules: Mapping[str, bool], home: int | None, others: Collection[int]
) -> Places | None:
    """The ids of the locations that somebody reaches; None: all of them.

    A person is limited when every role held is, so that a second role never takes anything away. Whoever is limited but
    has no location at all reaches every one: an installation that never asked for locations is not locked out by an
    update (the list of staff says so, for a manager to mend).

    Args:
        roles: what the person holds.
        rules: role -> whether its holders reach only their own locations, as far as a manager said so.
        home: the location that opens first for them.
        others: further ones that they work at.
    """
    if not is_limited(roles, rules=rules):
        return None
    return frozenset({home} - {None} | set(others)) or None  # type: ignore[arg-type]


def is_limited(roles: Collection[str], *, rules: Mapping[str, bool]) -> bool:
    """True when every one of these roles reaches only its holder's own locations; False without a role."""
    return bool(roles) and all(rules.get(role, Role(role) in LIMITED_BY_DEFAULT) for role in roles)


def belongs(places: Collection[int], reached: Places | None) -> bool:
    """True when somebody who reaches ``reached`` also reaches what belongs to ``places``; nowhere is everybody's."""
    return reached is None or not places or not reached.isdisjoint(places)
