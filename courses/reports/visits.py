"""What became of visits: no-shows, late cancellations, holds; starts on time; how long visits take against the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from clinic.models import BookingKind
from courses.pure.reports.contents import LEAST, Chart, Drawing, Item, Missing, Section, Table, Unit
from courses.pure.reports.rates import count_figure, median_figure, rate
from courses.reports.reading import Row, quartiles, spread_of
from courses.reports.rows import Question, day, number, spread_cells, text

ON_TIME_MIN = 10
"""[D] An infusion that starts at most so many minutes after its planned start is on time."""

BOOKED = """
booked AS MATERIALIZED (
    SELECT b.id, b.kind, b.status, b.subject_id, b.started_at, b.left_at, b.ended_at, b.ended_reason,
           lower(b.span) AS at, (lower(b.span) AT TIME ZONE place.time_zone)::date AS day, place.time_zone,
           CASE
               WHEN b.status IN ('arrived', 'in_chair', 'observing', 'done') THEN 'took_place'
               WHEN b.status IN ('missed', 'withheld') THEN b.status::text
               WHEN b.status = 'cancelled' AND b.ended_at > lower(b.span)
                   - make_interval(hours => COALESCE(n.link_change_hours, %(late_hours)s)) THEN 'late'
               WHEN b.status = 'cancelled' THEN 'early'
               WHEN upper(b.span) <= %(now)s THEN 'unrecorded'
               ELSE 'ahead' END AS became
    FROM place
    JOIN clinic_booking b
        ON b.location_id = place.id AND lower(b.span) >= place.lo AND lower(b.span) < place.hi
        AND lower(b.span) >= %(earliest)s AND lower(b.span) < %(latest)s
        AND b.kind IN ('consultation', 'infusion')
    LEFT JOIN patients_intakesettings n ON n.location_id = place.id
)"""
TIMED = """
timed AS MATERIALIZED (
    SELECT booked.id, booked.at, booked.day, booked.time_zone, booked.subject_id, v.id AS visit_id, v.infusion_id,
           v.preparation_min, v.infusion_min, v.observation_min,
           v.preparation_min + v.infusion_min + v.observation_min AS stay_min, s.at AS start_at,
           date_part('epoch', s.at - booked.at) / 60 - v.preparation_min AS late,
           date_part('epoch', s.at - booked.started_at) / 60 AS preparation,
           CASE WHEN e.kind = 'end' THEN date_part('epoch', e.at - s.at) / 60 END AS infusion,
           date_part('epoch', booked.left_at - e.at) / 60 AS observation,
           CASE WHEN s.at IS NOT NULL THEN date_part('epoch', booked.left_at - booked.started_at) / 60 END AS stay
    FROM booked
    JOIN courses_infusionvisit v ON v.booking_id = booked.id AND v.outcome = 'given' AND booked.kind = 'infusion'
    LEFT JOIN courses_infusionrecord r ON r.visit_id = v.id
    LEFT JOIN courses_runevent s ON s.record_id = r.id AND s.kind = 'start' AND s.struck_at IS NULL
    LEFT JOIN courses_runevent e ON e.record_id = r.id AND e.kind IN ('stop', 'end') AND e.struck_at IS NULL
)"""
SHARED = (BOOKED, TIMED)
STAGES = (
    ("Preparation, in the chair until the start", "preparation"),
    ("Infusion, start to end with pauses", "infusion"),
    ("Observation, end until leaving", "observation"),
    ("Whole stay, in the chair until leaving", "stay"),
)
TIMES = """
    SELECT count(*) AS given, count(late) AS started, count(*) FILTER (WHERE late <= %(on_time_min)s) AS on_time,
           {late}, {stages}
    FROM timed"""
QUESTIONS = {
    "visits": """
        SELECT kind, became, to_char(month, 'YYYY-MM') AS month, n
        FROM (
            SELECT kind, became, date_trunc('month', day::timestamp) AS month, count(*) AS n
            FROM booked GROUP BY 1, 2, 3
        ) AS one""",
    "times": TIMES.format(
        late=quartiles("late", "late"),
        stages=", ".join(
            quartiles(column, value, where=f"{name} >= 0")
            for _, name in STAGES
            for column, value in ((name, name), (f"{name}_plan", f"{name}_min"))
        ),
    ),
}
SOURCE = "clinical reference F1: separate reasons; only holds count as clinical"
KINDS = {str(value): str(label) for value, label in BookingKind.choices}
BECAME = {
    "took_place": "Took place",
    "missed": "No-show",
    "late": "Cancelled late",
    "withheld": "Withheld",
    "early": "Cancelled in time",
    "unrecorded": "Not recorded",
    "ahead": "Still to come",
}
DUE = ("took_place", "missed", "late", "withheld")
"""What a visit that stood when nobody could fill it any more may become: the denominator of all three reasons."""
OF = "of the visits that stood until it was late: took place, no-show, cancelled late or withheld"


def section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001 (as every topic)
    """No-shows, late cancellations and holds."""
    return Section("visits", "No-shows, late cancellations and holds", tuple(_items(rows)))


def times_section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001
    """Starts and lengths of the infusion visits."""
    return Section("times", "Starts and lengths", tuple(_times(rows["times"][0])))


def _items(rows: dict[str, list[Row]]) -> Iterator[Item]:
    found: Counter[tuple[str, str]] = Counter()
    for row in rows["visits"]:
        found[row["kind"], row["became"]] += row["n"]
    total = {name: sum(n for (_, became), n in found.items() if became == name) for name in BECAME}
    of = sum(total[name] for name in DUE)
    silent = (Missing("time over, nothing recorded", total["unrecorded"]),)
    yield rate(
        key="missed",
        title="No-shows",
        definition=f"Visits to which the patient did not come, {OF}.",
        source=SOURCE,
        n=total["missed"],
        of=of,
        missing=silent,
    )
    yield rate(
        key="late-cancelled",
        title="Cancelled late",
        definition="Visits cancelled later than the location's hours before a visit until which a link may change it "
        f"(24 unless set otherwise in Set-up), {OF}. Whoever cancelled.",
        source=SOURCE,
        n=total["late"],
        of=of,
        missing=silent,
    )
    yield rate(
        key="held",
        title="Withheld",
        definition=f"Visits at which the infusion was withheld for a clinical reason, {OF}.",
        source=SOURCE,
        n=total["withheld"],
        of=of,
        missing=silent,
    )
    yield count_figure(
        key="unrecorded",
        title="Nothing recorded",
        definition="Visits whose time is over and of which nobody recorded anything.",
        source="Bookings",
        n=total["unrecorded"],
    )
    yield _table(found)
    yield _months(rows["visits"])


def _table(found: Counter[tuple[str, str]]) -> Table:
    kinds = [kind for kind in KINDS if any((kind, name) in found for name in BECAME)]
    return Table(
        key="became",
        title="What became of the visits",
        definition="Every visit booked for a day of the period. A visit that was moved counts where it stands now.",
        source=SOURCE,
        columns=(text("kind", "Visit"), *(number(name, label) for name, label in BECAME.items())),
        rows=tuple((KINDS[kind], *(found.get((kind, name), 0) for name in BECAME)) for kind in kinds),
    )


def _months(rows: list[Row]) -> Chart:
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        found[row["month"], row["became"]] += row["n"]
    months = sorted({month for month, _ in found})
    return Chart(
        table=Table(
            key="reasons-months",
            title="No-shows, late cancellations and holds by month",
            definition="Visits by the month for which they were booked.",
            source=SOURCE,
            columns=(
                text("month", "Month"),
                number("missed", "No-shows"),
                number("late", "Cancelled late"),
                number("withheld", "Withheld"),
            ),
            rows=tuple((month, *(found[month, name] for name in ("missed", "late", "withheld"))) for month in months),
        ),
        drawing=Drawing.STACK,
        y_title="Visits",
    )


def _times(found: Row) -> Iterator[Item]:
    without = (Missing("no start recorded", found["given"] - found["started"]),)
    yield rate(
        key="on-time",
        title="Infusions started on time",
        definition=f"Infusions that started at most {ON_TIME_MIN} minutes after their planned start (the booked time "
        "and the minutes of preparation), of the infusions given with a recorded start.",
        source=f"Clinic setting: {ON_TIME_MIN} minutes",
        n=found["on_time"],
        of=found["started"],
        missing=without,
        has_list=False,
    )
    yield count_figure(
        key="late-starts",
        title="Started late",
        definition=f"Infusions that started more than {ON_TIME_MIN} minutes after their planned start.",
        source=f"Clinic setting: {ON_TIME_MIN} minutes",
        n=found["started"] - found["on_time"],
        missing=without,
    )
    yield median_figure(
        key="start-delay",
        title="Start against the plan",
        definition="Minutes from the planned start to the start; below zero is early. Median of the infusions given.",
        source="Taps of the infusion record",
        unit=Unit.MINUTES,
        spread=spread_of(found, "late"),
        missing=without,
        has_list=False,
    )
    yield Table(
        key="lengths",
        title="How long visits take, planned and real",
        definition="Medians of the infusions given with a recorded start, and where the inner half of the real lengths "
        "lies. An infusion that was stopped early is left out of the second line.",
        source="Bookings and taps of the infusion record",
        columns=(
            text("stage", "Part of the visit"),
            number("n", "Visits"),
            number("planned", "Planned, median", Unit.MINUTES),
            number("median", "Real, median", Unit.MINUTES),
            number("low", "Lower quartile", Unit.MINUTES),
            number("high", "Upper quartile", Unit.MINUTES),
        ),
        rows=tuple(
            (
                label,
                found[f"{name}_n"],
                spread_of(found, f"{name}_plan").middle if found[f"{name}_n"] >= LEAST else None,
                *spread_cells(spread_of(found, name)),
            )
            for label, name in STAGES
        ),
    )


# -- lists -------------------------------------------------------------------------------------------------------------
LIST = """
    SELECT pa.id, c.id, booked.id, booked.day, to_char(booked.at AT TIME ZONE booked.time_zone, 'HH24:MI'),
           booked.kind, round((EXTRACT(EPOCH FROM booked.at - booked.ended_at) / 3600)::numeric, 1),
           COALESCE(NULLIF(v.reason, ''), booked.ended_reason)
    FROM booked
    LEFT JOIN patients_patient pa ON pa.resource_id = booked.subject_id
    LEFT JOIN courses_infusionvisit v ON v.booking_id = booked.id
    LEFT JOIN courses_infusion i ON i.id = v.infusion_id
    LEFT JOIN courses_phase p ON p.id = i.phase_id
    LEFT JOIN courses_course c ON c.id = p.course_id
    WHERE {where} ORDER BY booked.at DESC, booked.id DESC"""
COLUMNS = (
    day(),
    text("clock", "At"),
    text("kind", "Visit"),
    number("notice", "Recorded before its time", Unit.HOURS),
    text("reason", "Reason"),
)
LATE = """
    SELECT pa.id, c.id, timed.id, timed.day,
           to_char(timed.at AT TIME ZONE timed.time_zone + make_interval(mins => timed.preparation_min), 'HH24:MI'),
           to_char(timed.start_at AT TIME ZONE timed.time_zone, 'HH24:MI'), round(timed.late)::int
    FROM timed
    JOIN courses_infusion i ON i.id = timed.infusion_id
    JOIN courses_phase p ON p.id = i.phase_id
    JOIN courses_course c ON c.id = p.course_id
    JOIN patients_patient pa ON pa.id = c.patient_id
    WHERE timed.late > %(on_time_min)s ORDER BY timed.at DESC, timed.id DESC"""


def _ended(title: str, became: str) -> Question:
    """Why an infusion was withheld is clinical: who reads this report need not read that."""

    def cells(values: tuple[Any, ...]) -> tuple[Any, ...]:
        on, clock, kind, notice, reason = values
        return on, clock, KINDS[kind], notice, "" if became == "withheld" else reason

    return Question(
        title=title,
        about="Visits booked for a day of the period, the latest first.",
        columns=COLUMNS,
        sql=LIST,
        where=f"became = '{became}'",
        cells=cells,
    )


LISTS = {
    "missed": _ended("No-shows", "missed"),
    "late-cancelled": _ended("Cancelled late", "late"),
    "held": _ended("Withheld", "withheld"),
    "unrecorded": _ended("Nothing recorded", "unrecorded"),
    "late-starts": Question(
        title="Started late",
        about=f"Infusions that started more than {ON_TIME_MIN} minutes after their planned start.",
        columns=(
            day(),
            text("planned", "Planned start"),
            text("real", "Started"),
            number("late", "Late", Unit.MINUTES),
        ),
        sql=LATE,
    ),
}
