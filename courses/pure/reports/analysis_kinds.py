"""What the analysis table says of a course that might be known from elsewhere, made coarser where few share it.

A *profile* is what the courses of one patient say by the quasi-identifiers: the key of the patient ties them together,
so together they are shared by enough patients of the file, or said more coarsely. Outcomes are never touched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from courses.pure.reports.analysis_columns import OLDEST, WITHHELD, age_band
from courses.pure.reports.contents import LEAST, Cell
from courses.pure.reports.deidentified import climbed, taken_along

QUASI = ("location", "age_band", "sex", "start_year", "has_referrer", "condition")
"""Columns that somebody may know of a patient without the file."""
Kind = tuple[Cell, ...]
"""What one course says in these columns, in their order."""
Profile = tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is given up of a profile: a column becomes coarser, and what would tell it goes with it."""

    column: str
    says: str
    to: Callable[[Cell], Cell]
    also: tuple[str, ...] = ()


def _banded(widest: Mapping[int, str]) -> dict[Cell, Cell]:
    """For each band of ten years the wider one: the words by the first year of it."""
    return {
        age_band(years): next(words for first, words in sorted(widest.items(), reverse=True) if years >= first)
        for years in range(0, OLDEST + 1, 10)
    }


TWENTY = _banded({0: "0 to 19", 20: "20 to 39", 40: "40 to 59", 60: "60 to 79", 80: "80 and over"})
HALVES = _banded({0: "under 40", 40: "40 and over"})
HALVES |= {wide: HALVES[band] for band, wide in TWENTY.items()}
STEPS = (
    Step("has_referrer", "has_referrer is withheld", lambda _: WITHHELD),
    Step("age_band", "age_band is twenty years", TWENTY.__getitem__),
    Step("age_band", "age_band is under 40, or 40 and over", HALVES.__getitem__),
    Step("start_year", "start_year is withheld", lambda _: WITHHELD),
    Step("location", "location is withheld, and prescriber_key with it", lambda _: WITHHELD, ("prescriber_key",)),
    Step("sex", "sex is withheld", lambda _: WITHHELD),
    Step("age_band", "age_band is withheld", lambda _: WITHHELD),
    Step("condition", "condition is withheld, and protocol with it", lambda _: WITHHELD, ("protocol",)),
)
"""In this order, one more for as long as too few share what is said: what an analysis misses least goes first."""
ORDER = "; ".join(f"({place}) {step.says}" for place, step in enumerate(STEPS, 1))
METHOD = (
    f"What the courses of one patient say together by {', '.join(QUASI[:-1])} and {QUASI[-1]} is shared by {LEAST} "
    "patients of the file or more. Where fewer share it, all courses of these patients are said more coarsely, step by"
    f" step, until enough do: {ORDER}. No row is left out, and every other column is as it was."
)


@lru_cache(maxsize=65_536)
def coarse(kind: Kind, level: int) -> Kind:
    """What is said after the first so many steps."""
    if not level:
        return kind
    step, before = STEPS[level - 1], coarse(kind, level - 1)
    place = QUASI.index(step.column)
    return (*before[:place], step.to(before[place]), *before[place + 1 :])


def levels_of(rows: Sequence[tuple[int, Kind]], least: int = LEAST) -> list[int]:
    """For each course how many steps are given up, so that enough patients share what theirs say.

    Args:
        rows: for each course its patient and what it says.
        least: so many patients share a profile. Of fewer in all everything is withheld.
    """
    own: dict[int, set[Kind]] = defaultdict(set)
    for patient, kind in rows:
        own[patient].add(kind)
    profiles = {patient: tuple(sorted(kinds, key=repr)) for patient, kinds in own.items()}
    people: dict[Profile, set[int]] = defaultdict(set)
    for patient, profile in profiles.items():
        people[profile].add(patient)
    levels = climbed(people, _called, len(STEPS), least)
    levels = taken_along(people, _called, levels, len(STEPS), least)
    return [levels[profiles[patient]] for patient, _ in rows]


def cells_at(kind: Kind, level: int) -> dict[str, Cell]:
    """The cells of these columns after so many steps, and of those that would tell what was given up."""
    also = {column: WITHHELD for step in STEPS[:level] for column in step.also}
    return {**dict(zip(QUASI, coarse(kind, level), strict=True)), **also}


def given_up(levels: Sequence[int]) -> dict[str, tuple[int, int]]:
    """For each column that lost something: in how many courses it is withheld, in how many it is wider."""
    many = Counter(levels)
    lost: dict[str, tuple[int, int]] = {}
    for column in dict.fromkeys(name for step in STEPS for name in (step.column, *step.also)):
        places = [place for place, step in enumerate(STEPS, 1) if column in (step.column, *step.also)]
        withheld = sum(n for level, n in many.items() if level >= places[-1])
        wider = sum(n for level, n in many.items() if places[0] <= level < places[-1])
        if withheld or wider:
            lost[column] = withheld, wider
    return lost


def words_of(levels: Sequence[int]) -> dict[str, str]:
    """For the dictionary: of each column that may be given up, how much of it is, and why."""
    lost, many = given_up(levels), len(levels)
    return {
        column: _lost(*lost.get(column, (0, 0)), many)
        for column in dict.fromkeys(name for step in STEPS for name in (step.column, *step.also))
    }


def _lost(withheld: int, wider: int, many: int) -> str:
    said = [f"{withheld} of {many} {WITHHELD}", *([f"{wider} wider"] if wider else [])]
    why = f": fewer than {LEAST} patients would share what is said of them" if withheld or wider else ""
    return f"{', '.join(said)}{why}"


def _called(profile: Profile, level: int) -> tuple[str, ...]:
    return tuple(sorted({repr(coarse(kind, level)) for kind in profile}))
