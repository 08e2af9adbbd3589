"""De-identified rows: rare combinations made coarser until enough people share them, days moved by a hidden number.

What stands in a row and might be known from elsewhere (age band, sex, condition) are quasi-identifiers. A *kind* is
one combination of them. Source: k-anonymity, Samarati and Sweeney 1998; 45 CFR 164.514(b).
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from typing import TypeVar

from courses.pure.reports.analysis_columns import OTHER
from courses.pure.reports.contents import LEAST

Kind = tuple[Hashable, ...]
T = TypeVar("T", bound=Hashable)
SHIFT_DAYS = 364
"""A patient's days are moved back by 1 to so many: a random number for each patient and file."""
METHOD = (
    "Each patient’s days are moved back by one hidden number of 1 to 364 days, so the days between two rows are "
    "true and the days themselves are not. Keys and numbers are drawn anew for every file and kept nowhere: two "
    "files cannot be laid beside each other by them, and nobody can reckon the days back from the file. A "
    "combination of age band, sex and condition that fewer than {least} patients of the file share is made "
    "coarser, and where that is not enough its rows are left out. Names, places, referrers, prescribers, doses, "
    "notes and numbers of records are not in it."
)
LIMITS = (
    "Moved days are still days: by 45 CFR 164.514 a file with days is de-identified only if an expert says so, "
    "else it is a limited data set that needs an agreement on its use. Intervals and scores make a patient’s rows"
    " their own: who knows several of them exactly may find the patient."
)


def generalise(
    people: Mapping[Kind, Iterable[int]], order: Sequence[int], least: int = LEAST
) -> dict[Kind, Kind | None]:
    """What each kind is called in the file, so that at least ``least`` people share every name; None: left out.

    Args:
        people: who is of each kind; somebody may be of several.
        order: positions in a kind, in the order in which they are given up.
        least: of so many people a kind may be told.
    """

    def called(kind: Kind, level: int) -> Kind:
        gone = order[:level]
        return tuple(OTHER if place in gone else value for place, value in enumerate(kind))

    sets = {kind: frozenset(who) for kind, who in people.items()}
    names = {kind: called(kind, level) for kind, level in climbed(sets, called, len(order), least).items()}
    small = {name for name, kinds in _grouped(names).items() if len(_shared(sets, kinds)) < least}
    return {kind: None if name in small else name for kind, name in names.items()}


def climbed(
    people: Mapping[T, AbstractSet[int]], called: Callable[[T, int], Hashable], top: int, least: int = LEAST
) -> dict[T, int]:
    """How many steps each goes up: one more for as long as fewer than ``least`` people share what it is called.

    Args:
        people: who is of each.
        called: what one is called after so many steps.
        top: the number of steps there are; what is still rare there stays there.
        least: so many people share a name.
    """
    levels = dict.fromkeys(people, 0)
    for level in range(1, top + 1):
        names = _grouped({one: called(one, levels[one]) for one in levels})
        for ones in names.values():
            if len(_shared(people, ones)) < least:
                levels |= dict.fromkeys(ones, level)
    return levels


def taken_along(
    people: Mapping[T, AbstractSet[int]],
    called: Callable[[T, int], Hashable],
    levels: Mapping[T, int],
    top: int,
    least: int = LEAST,
) -> dict[T, int]:
    """``levels``, and where too few are left at the top each of these takes the nearest name with it that enough share.

    Nearest is what they have in common after the fewest steps, then the smaller, then the first by its words: so a
    small file need not give up everything for one patient. Where there is no other name all stays as it is.
    """
    found = dict(levels)
    for one in sorted((one for one, level in levels.items() if level == top), key=repr):
        alone = [other for other, level in found.items() if level == top]
        if not 0 < len(_shared(people, alone)) < least:
            break
        groups = _grouped({other: called(other, level) for other, level in found.items() if level < top})
        for level in range(1, top + 1):
            meant = called(one, level)
            near = [
                (len(_shared(people, ones)), repr(name), ones)
                for name, ones in groups.items()
                if all(found[other] <= level and called(other, level) == meant for other in ones)
            ]
            if near:
                found |= dict.fromkeys([*min(near, key=lambda group: group[:2])[2], one], level)
                break
    return found


def _grouped(names: Mapping[T, Hashable]) -> dict[Hashable, list[T]]:
    """Who is called the same."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for one, name in names.items():
        groups[name].append(one)
    return groups


def _shared(people: Mapping[T, AbstractSet[int]], ones: Iterable[T]) -> set[int]:
    """All people of these kinds."""
    return set().union(*(people[one] for one in ones))


def moved(day: date, patient: int, secret: bytes) -> date:
    """The day as the file has it. The same number of days for every row of a patient in one file.

    Args:
        patient: the patient's id.
        secret: of this file alone, at least 32 random bytes, kept nowhere.
    """
    number = int.from_bytes(hmac.digest(secret, b"days:%d" % patient, "sha256")[:8]) % SHIFT_DAYS + 1
    return day - timedelta(days=number)


def key(patient: int, secret: bytes) -> str:
    """What stands for a patient in one file."""
    return "p_" + hmac.digest(secret, b"key:%d" % patient, "sha256")[:10].hex()
