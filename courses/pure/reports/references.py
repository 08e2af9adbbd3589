"""Published results as references beside the clinic's own figures, always several, each with its setting and scale.

Source: ``courses.pure.outcomes.published`` (clinical.md F2, B1). What fits no condition of the group is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from courses.pure.outcomes.published import DEPRESSION, HELD, MOOD, Published, medians_for, published_for
from courses.pure.reports.contents import Reference

BY_KEY = {one.key: one for one in MOOD}


def group_of(courses: Mapping[str, int]) -> str:
    """The condition whose publications may stand beside a group: its only one, or depression where most have one.

    Args:
        courses: how many courses treat each condition.
    """
    if not courses:
        return ""
    depressed = {one: n for one, n in courses.items() if one in DEPRESSION}
    if 2 * sum(depressed.values()) > sum(courses.values()):
        return max(depressed, key=lambda one: depressed[one])
    return next(iter(courses)) if len(courses) == 1 else ""


def is_mixed(courses: Mapping[str, int]) -> bool:
    """Whether publications about one condition do not speak of all of them."""
    return len({"depression" if one in DEPRESSION else one for one in courses}) > 1


def responses(indication: str) -> tuple[Reference, ...]:
    """Shares of responders, the highest first."""
    return tuple(_references((one, one.response) for one in published_for(indication)))


def remissions(indication: str) -> tuple[Reference, ...]:
    rows = sorted(published_for(indication), key=lambda one: -(one.remission or 0))
    return tuple(_references((one, one.remission) for one in rows))


def held(indication: str, day: int) -> tuple[Reference, ...]:
    """Of those who responded, how many still did after so many days."""
    if indication not in DEPRESSION:
        return ()
    return tuple(_reference(BY_KEY[one.key], one.percent, time_point=one.words) for one in HELD if one.days == day)


def medians(indication: str) -> tuple[Reference, ...]:
    """Days until half had lost the effect."""
    return tuple(
        _reference(BY_KEY[one.key], one.days, time_point=one.words.rpartition(", ")[2])
        for one in medians_for(indication)
    )


WORSE = Decimal("8.4")
WORSE_THOUGHTS = Decimal("6.0")


def any_increase(indication: str) -> tuple[Reference, ...]:
    """Source: clinical.md B1 ``IV-KIT`` and F1 (P20)."""
    return (_reference(BY_KEY["P20"], WORSE),) if indication in DEPRESSION else ()


def new_thoughts(indication: str) -> tuple[Reference, ...]:
    """Source: clinical.md B1 ``IV-KIT`` and F1 (P20)."""
    return (_reference(BY_KEY["P20"], WORSE_THOUGHTS),) if indication in DEPRESSION else ()


def _references(rows: Iterable[tuple[Published, Decimal | None]]) -> Iterator[Reference]:
    return (_reference(one, value) for one, value in rows if value is not None)


def _reference(one: Published, value: Decimal, *, time_point: str = "") -> Reference:
    return Reference(
        value=value,
        study=one.study,
        setting=f"{one.setting}, {one.regimen}",
        n=one.n,
        scale=one.scale,
        time_point=time_point or one.time_point,
        citation=one.citation,
    )
