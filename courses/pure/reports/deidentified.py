"""De-identified rows: rare combinations made coarser until enough people share them, days moved by a hidden number.

What stands in a row and might be known from elsewhere (age band, sex, condition) are quasi-identifiers. A *kind* is
one combination of them. Source: k-anonymity, Samarati and Sweeney 1998; 45 CFR 164.514(b).
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, timedelta

from courses.pure.reports.analysis_columns import OTHER
from courses.pure.reports.contents import LEAST

Kind = tuple[Hashable, ...]
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
    sets = {kind: frozenset(who) for kind, who in people.items()}
    called: dict[Kind, Kind | None] = {kind: kind for kind in sets}
    for position in order:
        small = _small(sets, called, least)
        for kind, name in called.items():
            if name in small and name is not None:
                called[kind] = (*name[:position], OTHER, *name[position + 1 :])
    small = _small(sets, called, least)
    return {kind: None if name in small else name for kind, name in called.items()}


def _small(sets: Mapping[Kind, frozenset[int]], called: Mapping[Kind, Kind | None], least: int) -> set[Kind | None]:
    """Names that too few people share."""
    shared: dict[Kind | None, set[int]] = defaultdict(set)
    for kind, name in called.items():
        shared[name] |= sets[kind]
    return {name for name, who in shared.items() if len(who) < least}


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
