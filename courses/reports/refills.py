"""Times at a chair that became free before they began: what filled them again, and what offering them led to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from courses.pure.reports.contents import Item, Missing, Section, Table, Unit
from courses.pure.reports.rates import median_figure, rate
from courses.reports.reading import Row, quartiles, spread_of
from courses.reports.rows import Question, day, number, share_cell, text

# One for each time that a visit let go of, also when it let go of it twice. The chair is asked through the exclusion
# index, which holds only what is not released; block of time is no visit and fills nothing.
FREED = """
freed AS MATERIALIZED (
    SELECT s.*, chair.name AS chair_name, CASE
        WHEN s.is_back THEN 'back'
        WHEN s.by_offer THEN 'offer'
        WHEN s.by_other THEN 'other'
        WHEN s.start > %(now)s THEN 'open'
        ELSE 'empty' END AS became, CASE
        WHEN s.status = 'cancelled' AND s.freed_at > s.start - make_interval(hours => s.late_hours) THEN 'late'
        WHEN s.status = 'cancelled' THEN 'early'
        WHEN s.status IN ('withheld', 'missed') THEN 'withheld'
        ELSE 'moved' END AS why
    FROM (
        SELECT DISTINCT ON (f.booking_id, f.chair_id, f.start)
               f.id, f.booking_id, f.chair_id, f.start, f.freed_at, b.status, b.subject_id, place.time_zone,
               (f.start AT TIME ZONE place.time_zone)::date AS day,
               COALESCE(n.link_change_hours, %(late_hours)s) AS late_hours,
               EXISTS (
                   SELECT 1 FROM courses_slotoffer o JOIN courses_freedslot g ON g.id = o.slot_id
                   WHERE o.state = 'accepted' AND g.booking_id = f.booking_id AND g.chair_id = f.chair_id
                     AND g.start = f.start
               ) AS by_offer,
               EXISTS (
                   SELECT 1 FROM clinic_allocation a
                   WHERE int8range(a.resource_id, a.resource_id, '[]') && int8range(f.chair_id, f.chair_id, '[]')
                     AND a.span && tstzrange(f.start, f."end") AND NOT a.released AND a.role = 'station'
                     AND a.booking_id <> f.booking_id
               ) AS by_other,
               EXISTS (
                   SELECT 1 FROM clinic_allocation a
                   WHERE int8range(a.resource_id, a.resource_id, '[]') && int8range(f.chair_id, f.chair_id, '[]')
                     AND a.span && tstzrange(f.start, f."end") AND NOT a.released AND a.role = 'station'
                     AND a.booking_id = f.booking_id
               ) AS is_back
        FROM place
        JOIN courses_freedslot f ON f.location_id = place.id AND f.start >= place.lo AND f.start < place.hi
        JOIN clinic_booking b ON b.id = f.booking_id
        LEFT JOIN patients_intakesettings n ON n.location_id = place.id
        ORDER BY f.booking_id, f.chair_id, f.start, f.freed_at DESC, f.id DESC
    ) AS s
    JOIN clinic_resource chair ON chair.id = s.chair_id
)"""
SHARED = (FREED,)
OFFERED = """
    SELECT count(*) AS n, count(*) FILTER (WHERE o.state = 'accepted') AS accepted,
           count(*) FILTER (WHERE o.state = 'declined') AS declined,
           count(*) FILTER (WHERE o.state = 'open' AND o.expires_at > %(now)s) AS waiting, {wait}
    FROM place
    JOIN courses_freedslot f ON f.location_id = place.id AND f.start >= place.lo AND f.start < place.hi
    JOIN courses_slotoffer o ON o.slot_id = f.id"""
QUESTIONS = {
    "freed": "SELECT why, became, count(*) AS n FROM freed GROUP BY why, became",
    "offers": OFFERED.format(
        wait=quartiles(
            "wait", "date_part('epoch', o.answered_at - o.offered_at) / 60", where="o.state IN ('accepted', 'declined')"
        )
    ),
}
WHY = {"late": "Cancelled late", "early": "Cancelled in time", "withheld": "Withheld or no-show", "moved": "Moved"}
SOURCE = "Freed times and offers"


def section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001 (as every topic)
    """What filled the times that became free."""
    return Section(
        "refills",
        "Freed times, and what filled them",
        tuple(_items(rows)),
        "A time becomes free when a visit lets go of its chair more than an hour before it begins. No-shows free none.",
    )


def _items(rows: dict[str, list[Row]]) -> Iterator[Item]:
    found = {(row["why"], row["became"]): row["n"] for row in rows["freed"]}
    total = {name: sum(n for (_, became), n in found.items() if became == name) for name in BECAME}
    filled = total["offer"] + total["other"]
    yield rate(
        key="refilled",
        title="Freed times filled again",
        definition="Freed times at which another visit stands in the same chair as the calendar is now, or that were "
        "accepted when offered; of those that were filled or have passed.",
        source=SOURCE,
        n=filled,
        of=filled + total["empty"],
        missing=(Missing("still to come and free", total["open"]), Missing("taken back by the visit", total["back"])),
        words=f"{total['offer']} of them by an offer" if filled else "",
    )
    yield _table(found)
    yield from _offers(rows["offers"][0])


def _table(found: dict[tuple[str, str], int]) -> Table:
    kinds = [why for why in WHY if any((why, became) in found for became in BECAME)]
    return Table(
        key="freed",
        title="What became of freed times",
        definition="Freed times that begin in the period, by what became of the visit that let go of them.",
        source=SOURCE,
        columns=(
            text("why", "The visit was"),
            number("n", "Freed"),
            *(number(name, label) for name, label in BECAME.items()),
            number("share", "Filled again", Unit.PERCENT),
        ),
        rows=tuple(
            (
                WHY[why],
                sum(found.get((why, name), 0) for name in BECAME),
                *(found.get((why, name), 0) for name in BECAME),
                share_cell(filled, filled + found.get((why, "empty"), 0)),
            )
            for why in kinds
            for filled in (found.get((why, "offer"), 0) + found.get((why, "other"), 0),)
        ),
        row_lists=tuple(f"freed-{why}" for why in kinds),
    )


BECAME = {
    "offer": "Filled by an offer",
    "other": "Filled otherwise",
    "empty": "Stayed empty",
    "open": "Still to come",
    "back": "Taken back",
}


def _offers(found: Row) -> Iterator[Item]:
    yield rate(
        key="offers",
        title="Offers accepted",
        definition="Offers of a freed time that a patient accepted, of all offers of times that begin in the period.",
        source=SOURCE,
        n=found["accepted"],
        of=found["n"],
        missing=(),
        has_list=False,
        words=f"{found['declined']} declined" if found["declined"] else "",
    )
    yield median_figure(
        key="offer-wait",
        title="From offer to answer",
        definition="Minutes from an offer until the patient accepted or declined it.",
        source=SOURCE,
        unit=Unit.MINUTES,
        spread=spread_of(found, "wait"),
        missing=(Missing("no answer", found["n"] - found["wait_n"]),),
        has_list=False,
    )


# -- lists -------------------------------------------------------------------------------------------------------------
LIST = """
    SELECT pa.id, NULL::bigint, freed.booking_id, freed.day,
           to_char(freed.start AT TIME ZONE freed.time_zone, 'HH24:MI'), freed.chair_name, freed.why, freed.became
    FROM freed LEFT JOIN patients_patient pa ON pa.resource_id = freed.subject_id
    WHERE {where} ORDER BY freed.start DESC, freed.id DESC"""


def _listed(title: str, where: str) -> Question:
    return Question(
        title=title,
        about="Each time with the visit that let go of it.",
        columns=(
            day(),
            text("clock", "At"),
            text("chair", "Chair"),
            text("why", "The visit was"),
            text("became", "The time"),
        ),
        sql=LIST,
        where=where,
        cells=lambda values: (*values[:3], WHY[values[3]], BECAME[values[4]]),
    )


LISTS = {
    "refilled": _listed("Freed times filled again", "became IN ('offer', 'other')"),
    **{f"freed-{why}": _listed(f"Freed times: {label.lower()}", f"why = '{why}'") for why, label in WHY.items()},
}
