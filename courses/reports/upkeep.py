"""What waits in the worklists and how long, and where the controlled drug went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from courses.models import Drug, TaskKind
from courses.pure.reports.contents import LEAST, Chart, Drawing, Figure, Item, Missing, Section, Table, Unit
from courses.pure.reports.rates import count_figure
from courses.reports.reading import Row, quartiles, spread_of
from courses.reports.rows import Question, day, number, spread_cells, text

TASK = """
task AS MATERIALIZED (
    SELECT t.id, t.kind, t.patient_id, t.course_id, t.text, t.closed_at, t.later_until, place.time_zone,
           (t.opened_at AT TIME ZONE place.time_zone)::date AS opened_on,
           CASE WHEN t.closed_at IS NULL THEN EXTRACT(EPOCH FROM %(now)s - t.opened_at) / 86400 END AS age_days,
           EXTRACT(EPOCH FROM t.closed_at - t.opened_at) / 86400 AS took_days
    FROM place
    JOIN courses_task t ON t.location_id = place.id
        AND (t.closed_at IS NULL OR (t.closed_at >= place.lo AND t.closed_at < place.hi))
)"""
DRAWN = """
drawn AS MATERIALIZED (
    SELECT d.*, l.drug, l.lot_number, to_char(d.drawn_at AT TIME ZONE place.time_zone, 'YYYY-MM') AS month,
           (d.drawn_at AT TIME ZONE place.time_zone)::date AS day
    FROM place
    JOIN courses_druglot l ON l.location_id = place.id
    JOIN courses_drugdraw d ON d.lot_id = l.id AND d.drawn_at >= place.lo AND d.drawn_at < place.hi
        AND d.drawn_at >= %(earliest)s AND d.drawn_at < %(latest)s
)"""
OFF = """
off AS MATERIALIZED (
    SELECT d.id, l.drug, l.lot_number, d.counted_mg - d.expected_mg AS off_mg, d.settled_at, d.is_loss_reported,
           (d.opened_at AT TIME ZONE place.time_zone)::date AS day
    FROM place
    JOIN courses_discrepancy d
        ON d.location_id = place.id AND d.opened_at >= place.lo AND d.opened_at < place.hi
    JOIN courses_stockentry e ON e.id = d.entry_id
    JOIN courses_druglot l ON l.id = e.lot_id
)"""
SHARED = (TASK, DRAWN, OFF)
TASKS = """
    SELECT kind, count(*) FILTER (WHERE closed_at IS NULL) AS open,
           count(*) FILTER (WHERE closed_at IS NULL AND later_until > (%(now)s AT TIME ZONE time_zone)::date) AS later,
           round(max(age_days), 1) AS oldest, {age}, {took}
    FROM task GROUP BY kind"""
QUESTIONS = {
    "tasks": TASKS.format(
        age=quartiles("age", "age_days", where="closed_at IS NULL"),
        took=quartiles("took", "took_days", where="took_days >= 0"),
    ),
    "drug": """
        SELECT month, drug, count(*) AS draws, COALESCE(sum(drawn_mg) FILTER (WHERE closed_at IS NOT NULL), 0) AS drawn,
               COALESCE(sum(given_mg), 0) AS given, COALESCE(sum(wasted_mg), 0) AS wasted,
               COALESCE(sum(returned_mg), 0) AS returned, count(*) FILTER (WHERE closed_at IS NULL) AS open,
               COALESCE(sum(drawn_mg) FILTER (WHERE closed_at IS NULL), 0) AS open_mg
        FROM drawn GROUP BY month, drug ORDER BY month, drug""",
    "off": """
        SELECT drug, count(*) AS n, count(*) FILTER (WHERE settled_at IS NULL) AS open,
               COALESCE(-sum(off_mg) FILTER (WHERE off_mg < 0), 0) AS short_mg,
               COALESCE(sum(off_mg) FILTER (WHERE off_mg > 0), 0) AS over_mg,
               count(*) FILTER (WHERE is_loss_reported) AS reported
        FROM off GROUP BY drug ORDER BY drug""",
}
KINDS = {str(value): str(label) for value, label in TaskKind.choices}
DRUGS = {str(value): str(label) for value, label in Drug.choices}
LOG = "Drug log, clinical reference R8"


# -- worklists ---------------------------------------------------------------------------------------------------------
def tasks_section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001 (as every topic)
    """How long what is in the worklists waits."""
    return Section(
        "worklists",
        "Worklists",
        tuple(_tasks({row["kind"]: row for row in rows["tasks"]})),
        "What is open counts as of now, whatever the period; what was closed, in the period.",
    )


def _tasks(found: dict[str, Row]) -> Iterator[Item]:
    yield count_figure(
        key="tasks-open",
        title="Open tasks",
        definition="Tasks in all worklists that wait now, those put off included.",
        source="Worklists",
        n=sum(row["open"] for row in found.values()),
        words=_later(sum(row["later"] for row in found.values())),
    )
    kinds = [kind for kind in KINDS if kind in found]
    yield Table(
        key="tasks",
        title="Age of open tasks, and how long closed ones took",
        definition="Days since a task was opened, and days from opening to closing of those closed in the period; "
        "medians of five or more.",
        source="Worklists",
        columns=(
            text("kind", "Worklist"),
            number("open", "Open"),
            number("age", "Open, median", Unit.DAYS),
            number("oldest", "Oldest", Unit.DAYS),
            number("closed", "Closed in the period"),
            number("took", "Took, median", Unit.DAYS),
        ),
        rows=tuple(
            (
                KINDS[kind],
                found[kind]["open"],
                spread_cells(spread_of(found[kind], "age"))[0],
                found[kind]["oldest"],
                found[kind]["took_n"],
                spread_cells(spread_of(found[kind], "took"))[0],
            )
            for kind in kinds
        ),
        row_lists=tuple(f"tasks-{kind}" if found[kind]["open"] else "" for kind in kinds),
    )


def _later(n: int) -> str:
    return f"{n} of them put off to a later day" if n else ""


# -- the drug ----------------------------------------------------------------------------------------------------------
def drug_section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001
    """Where what was drawn went."""
    return Section("drug", "Ketamine: use and waste", tuple(_drug(rows)))


def _drug(rows: dict[str, list[Row]]) -> Iterator[Item]:
    for drug in DRUGS:
        mine = [row for row in rows["drug"] if row["drug"] == drug]
        if mine or drug == Drug.KETAMINE:
            yield _waste(drug, mine)
    yield count_figure(
        key="draws-open",
        title="Draws not accounted for",
        definition="Draws of the period of which nobody has entered yet what was given, wasted and returned.",
        source=LOG,
        n=sum(row["open"] for row in rows["drug"]),
    )
    yield _by_month(rows["drug"])
    yield _drug_table(rows["drug"])
    yield _discrepancies(rows["off"])


def _waste(drug: str, rows: list[Row]) -> Figure:
    drawn, wasted = (sum((Decimal(row[name]) for row in rows), Decimal(0)) for name in ("drawn", "wasted"))
    draws = sum(row["draws"] - row["open"] for row in rows)
    is_few = draws < LEAST
    return Figure(
        key=f"waste-{drug}",
        title=f"{DRUGS[drug]} wasted",
        definition="Milligrams wasted before a witness, of the milligrams drawn in the period and accounted for.",
        source=LOG,
        unit=Unit.PERCENT,
        value=None if is_few or not drawn else wasted / drawn * 100,
        is_few=is_few,
        missing=tuple(one for one in (Missing("draws not accounted for", sum(row["open"] for row in rows)),) if one.n),
        words=f"{draws} draws: too few to give a share" if is_few else f"{wasted} of {drawn} mg in {draws} draws",
    )


def _by_month(rows: list[Row]) -> Chart:
    """Ketamine alone: milligrams of two drugs do not add up."""
    mine = [row for row in rows if row["drug"] == Drug.KETAMINE]
    return Chart(
        table=Table(
            key="drug-months",
            title="Ketamine drawn, by month and where it went",
            definition="Milligrams of the draws that are accounted for, by the month in which they were drawn.",
            source=LOG,
            columns=(
                text("month", "Month"),
                number("given", "Given", Unit.MG),
                number("wasted", "Wasted", Unit.MG),
                number("returned", "Returned", Unit.MG),
            ),
            rows=tuple(
                (row["month"], *(Decimal(row[name]) for name in ("given", "wasted", "returned"))) for row in mine
            ),
        ),
        drawing=Drawing.STACK,
        y_title="mg",
    )


def _drug_table(rows: list[Row]) -> Table:
    return Table(
        key="drug",
        title="Drawn, given, wasted and returned",
        definition="Draws by the month in which they were drawn. Drawn = given + wasted + returned, for the draws that "
        "are accounted for; the others stand in the last two columns.",
        source=LOG,
        columns=(
            text("month", "Month"),
            text("drug", "Drug"),
            number("draws", "Draws"),
            number("drawn", "Drawn", Unit.MG),
            number("given", "Given", Unit.MG),
            number("wasted", "Wasted", Unit.MG),
            number("returned", "Returned", Unit.MG),
            number("share", "Wasted", Unit.PERCENT),
            number("open", "Not accounted for"),
            number("open_mg", "Not accounted for", Unit.MG),
        ),
        rows=tuple(
            (
                row["month"],
                DRUGS[row["drug"]],
                row["draws"],
                *(Decimal(row[name]) for name in ("drawn", "given", "wasted", "returned")),
                _share_of_mg(row),
                row["open"],
                Decimal(row["open_mg"]),
            )
            for row in rows
        ),
    )


def _share_of_mg(row: Row) -> Decimal | None:
    if row["draws"] - row["open"] < LEAST or not row["drawn"]:
        return None
    return Decimal(row["wasted"]) / Decimal(row["drawn"]) * 100


def _discrepancies(rows: list[Row]) -> Table:
    return Table(
        key="discrepancies",
        title="Counts that differed from the log",
        definition="Discrepancies opened in the period, with what was missing and what was too much.",
        source="Drug log",
        columns=(
            text("drug", "Drug"),
            number("n", "Discrepancies"),
            number("open", "Not settled"),
            number("short_mg", "Missing", Unit.MG),
            number("over_mg", "Too much", Unit.MG),
            number("reported", "Reported as loss or theft"),
        ),
        rows=tuple(
            (
                DRUGS[row["drug"]],
                row["n"],
                row["open"],
                Decimal(row["short_mg"]),
                Decimal(row["over_mg"]),
                row["reported"],
            )
            for row in rows
        ),
        row_lists=tuple(f"discrepancies-{row['drug']}" for row in rows),
    )


# -- lists -------------------------------------------------------------------------------------------------------------
OPEN_TASKS = """
    SELECT patient_id, course_id, NULL::bigint, opened_on, kind, round(age_days, 1), later_until
    FROM task WHERE closed_at IS NULL AND {where} ORDER BY age_days DESC, id"""
DRAWS = """
    SELECT c.patient_id, c.id, v.booking_id, drawn.day, drawn.drug, drawn.lot_number, drawn.drawn_mg, drawn.given_mg,
           drawn.wasted_mg, drawn.returned_mg
    FROM drawn
    JOIN courses_infusionrecord r ON r.id = drawn.record_id
    JOIN courses_infusionvisit v ON v.id = r.visit_id
    JOIN courses_infusion i ON i.id = v.infusion_id
    JOIN courses_phase p ON p.id = i.phase_id
    JOIN courses_course c ON c.id = p.course_id
    WHERE {where} ORDER BY drawn.wasted_mg DESC NULLS LAST, drawn.drawn_at DESC, drawn.id"""
OFFS = """
    SELECT NULL::bigint, NULL::bigint, NULL::bigint, day, lot_number, off_mg,
           CASE WHEN settled_at IS NULL THEN 'Not settled' ELSE 'Settled' END
    FROM off WHERE {where} ORDER BY day DESC, id DESC"""


def _open_tasks(title: str, where: str) -> Question:
    return Question(
        title=title,
        about="Open now, the oldest first.",
        columns=(
            day("opened", "Opened"),
            text("kind", "Worklist"),
            number("age", "Age", Unit.DAYS),
            day("later", "Put off until"),
        ),
        sql=OPEN_TASKS,
        where=where,
        cells=lambda values: (values[0], KINDS[values[1]], *values[2:]),
    )


def _draws(title: str, where: str) -> Question:
    return Question(
        title=title,
        about="Draws of the period, the most wasted first.",
        columns=(
            day(),
            text("drug", "Drug"),
            text("lot", "Lot"),
            number("drawn", "Drawn", Unit.MG),
            number("given", "Given", Unit.MG),
            number("wasted", "Wasted", Unit.MG),
            number("returned", "Returned", Unit.MG),
        ),
        sql=DRAWS,
        where=where,
        cells=lambda values: (values[0], DRUGS[values[1]], *values[2:]),
    )


LISTS = {
    "tasks-open": _open_tasks("Open tasks", "TRUE"),
    **{f"tasks-{kind}": _open_tasks(label, f"kind = '{kind}'") for kind, label in KINDS.items()},
    "draws-open": _draws("Draws not accounted for", "drawn.closed_at IS NULL"),
    **{
        f"waste-{drug}": _draws(f"{label} drawn", f"drawn.drug = '{drug}' AND drawn.closed_at IS NOT NULL")
        for drug, label in DRUGS.items()
    },
    **{
        f"discrepancies-{drug}": Question(
            title=f"{label}: counts that differed from the log",
            about="Discrepancies opened in the period; below zero is missing.",
            columns=(day(), text("lot", "Lot"), number("off", "Difference", Unit.MG), text("state", "State")),
            sql=OFFS,
            where=f"drug = '{drug}'",
        )
        for drug, label in DRUGS.items()
    },
}
