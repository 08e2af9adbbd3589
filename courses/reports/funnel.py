"""From a request to the first infusion: how many came how far, after how many days, and who still waits at which step.

A request counts in the period in which it came. Each step is of those who took the step before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from courses.pure.reports.contents import Chart, Drawing, Item, Section, Table, Unit
from courses.pure.reports.rates import count_figure, median_figure, rate
from courses.reports.reading import Row, quartiles, spread_of
from courses.reports.rows import Question, day, number, share_cell, spread_cells, text
from patients.models import CloseReason, DecisionOutcome, RequestSource

ASKED = """
asked AS MATERIALIZED (
    SELECT q.id, q.patient_id, q.source, q.status, q.closed_as, q.received_at,
           (q.received_at AT TIME ZONE place.time_zone)::date AS asked_on,
           (seen.at AT TIME ZONE place.time_zone)::date AS seen_on,
           (decided.at AT TIME ZONE place.time_zone)::date AS decided_on, decided.outcome AS decision,
           decided.expires_on, begun.day AS begun_on, begun.course_id,
           (%(now)s AT TIME ZONE place.time_zone)::date AS today
    FROM place
    JOIN patients_consultationrequest q
        ON q.location_id = place.id AND q.received_at >= place.lo AND q.received_at < place.hi
        AND q.closed_as NOT IN ('spam', 'duplicate')
    LEFT JOIN LATERAL (
        SELECT min(COALESCE(lower(b.span), k.created_at)) AS at
        FROM patients_consultation k LEFT JOIN clinic_booking b ON b.id = k.booking_id
        WHERE (k.request_id = q.id OR k.patient_id = q.patient_id)
          AND COALESCE(lower(b.span), k.created_at) >= q.received_at
          AND (k.signed_at IS NOT NULL OR b.id IS NULL OR b.status IN ('in_chair', 'observing', 'done'))
    ) AS seen ON TRUE
    LEFT JOIN LATERAL (
        SELECT min(d.signed_at) AS at, (array_agg(d.outcome ORDER BY d.signed_at DESC, d.id DESC))[1] AS outcome,
               (array_agg(d.expires_on ORDER BY d.signed_at DESC, d.id DESC))[1] AS expires_on
        FROM patients_screeningdecision d
        WHERE d.patient_id = q.patient_id AND d.signed_at >= q.received_at AND seen.at IS NOT NULL
    ) AS decided ON TRUE
    LEFT JOIN LATERAL (
        SELECT i.day, c.id AS course_id
        FROM courses_course c
        JOIN courses_phase p ON p.course_id = c.id
        JOIN courses_infusion i ON i.phase_id = p.id AND i.status = 'given'
        WHERE c.patient_id = q.patient_id AND c.created_at >= q.received_at AND decided.at IS NOT NULL
        ORDER BY i.day, i.id LIMIT 1
    ) AS begun ON TRUE
)"""
STAGED = """
staged AS MATERIALIZED (
    SELECT *, CASE
        WHEN begun_on IS NOT NULL THEN 'begun'
        WHEN decided_on IS NOT NULL AND decision IN ('fit', 'conditions') AND expires_on >= today THEN 'waits-infusion'
        WHEN decided_on IS NOT NULL THEN 'left-decided'
        WHEN seen_on IS NOT NULL AND status <> 'closed' THEN 'waits-decision'
        WHEN seen_on IS NOT NULL THEN 'left-seen'
        WHEN status <> 'closed' THEN 'waits-consultation'
        ELSE 'left-asked' END AS stage
    FROM asked
)"""
SHARED = (ASKED, STAGED)
COUNTED = """
    SELECT count(*) AS asked, count(seen_on) AS seen, count(decided_on) AS decided, count(begun_on) AS begun,
           count(*) FILTER (WHERE stage = 'waits-consultation') AS waits_consultation,
           count(*) FILTER (WHERE stage = 'waits-consultation' AND status = 'booked') AS booked,
           count(*) FILTER (WHERE stage = 'waits-decision') AS waits_decision,
           count(*) FILTER (WHERE stage = 'waits-infusion') AS waits_infusion,
           count(*) FILTER (WHERE stage = 'left-asked') AS left_asked,
           count(*) FILTER (WHERE stage = 'left-seen') AS left_seen,
           count(*) FILTER (WHERE stage = 'left-decided') AS left_decided,
           {to_seen}, {to_decided}, {to_begun}, {whole}, {wait_consultation}, {wait_decision}, {wait_infusion}
    FROM staged"""
LEFT = """
    SELECT stage, CASE stage WHEN 'left-decided' THEN decision ELSE closed_as END AS why, count(*) AS n
    FROM staged WHERE stage LIKE 'left-%%' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"""
QUESTIONS = {
    "funnel": COUNTED.format(
        to_seen=quartiles("to_seen", "seen_on - asked_on"),
        to_decided=quartiles("to_decided", "decided_on - seen_on"),
        to_begun=quartiles("to_begun", "begun_on - decided_on"),
        whole=quartiles("whole", "begun_on - asked_on"),
        wait_consultation=quartiles("wait_consultation", "today - asked_on", where="stage = 'waits-consultation'"),
        wait_decision=quartiles("wait_decision", "today - seen_on", where="stage = 'waits-decision'"),
        wait_infusion=quartiles("wait_infusion", "today - decided_on", where="stage = 'waits-infusion'"),
    ),
    "left": LEFT,
}
SOURCE = "Requests, consultations, decisions, infusions"
FIT = "fit to start, with or without conditions, and the decision still holds"
STAGES = {"left-asked": "Before the consultation", "left-seen": "After the consultation", "left-decided": "Decision"}


def section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001 (as every topic)
    """The funnel of the requests that came in the period."""
    return Section(
        "funnel",
        "From the request to the first infusion",
        tuple(_items(rows)),
        "Requests that came in the period, spam and duplicates left out, with what became of them up to now. Who asked "
        "lately has had less time to come far.",
    )


def _items(rows: dict[str, list[Row]]) -> Iterator[Item]:
    found = rows["funnel"][0]
    yield rate(
        key="begun",
        title="Requests that led to an infusion",
        definition="Requests after which a course was planned and its first infusion given, of all that came.",
        source=SOURCE,
        n=found["begun"],
        of=found["asked"],
    )
    yield median_figure(
        key="request-to-infusion",
        title="From request to first infusion",
        definition="Calendar days from the day of the request to that of the first infusion, median of those who had "
        "it.",
        source=SOURCE,
        unit=Unit.DAYS,
        spread=spread_of(found, "whole"),
        has_list=False,
    )
    for key, title, what in (
        ("waits-consultation", "Wait for a consultation", "Asked, not seen, and the request is not closed."),
        ("waits-decision", "Wait for a decision", "Seen, no decision is signed, and the request is not closed."),
        ("waits-infusion", "Wait for the first infusion", f"Decided: {FIT}; nothing was given yet."),
    ):
        name = key.replace("-", "_")
        words = f"{found['booked']} of them have a date" if key == "waits-consultation" and found["booked"] else ""
        yield count_figure(key=key, title=title, definition=what, source=SOURCE, n=found[name], words=words)
    yield _funnel(found)
    yield _days(found)
    yield _left(rows["left"])


def _funnel(found: Row) -> Chart:
    steps = (("Request", "asked"), ("Consultation", "seen"), ("Decision", "decided"), ("First infusion", "begun"))
    return Chart(
        table=Table(
            key="funnel",
            title="Requests of the period, step by step",
            definition="How many took each step, of those who took the step before; the share is of all requests. "
            "A decision of any kind counts as one.",
            source=SOURCE,
            columns=(
                text("step", "Step"),
                number("n", "Requests"),
                number("share", "Of all requests", Unit.PERCENT),
            ),
            rows=tuple((label, found[name], share_cell(found[name], found["asked"])) for label, name in steps),
            row_lists=tuple(f"step-{name}" if found[name] else "" for _, name in steps),
        ),
        drawing=Drawing.FUNNEL,
    )


def _days(found: Row) -> Table:
    rows = (
        ("Request to consultation", "to_seen", "waits_consultation", "wait_consultation", "left_asked"),
        ("Consultation to decision", "to_decided", "waits_decision", "wait_decision", "left_seen"),
        ("Decision to first infusion", "to_begun", "waits_infusion", "wait_infusion", "left_decided"),
    )
    return Table(
        key="funnel-days",
        title="Days between the steps, and who is still in each",
        definition="Calendar days between the days of two steps: the median and where the inner half lies. “Still "
        "waiting” and its median are as of now. “Left”: the request was closed, or the decision was not to treat or "
        "has expired.",
        source=SOURCE,
        columns=(
            text("between", "Between"),
            number("n", "Went on"),
            number("median", "Median", Unit.DAYS),
            number("low", "Lower quartile", Unit.DAYS),
            number("high", "Upper quartile", Unit.DAYS),
            number("waiting", "Still waiting"),
            number("waited", "Waiting, median", Unit.DAYS),
            number("left", "Left"),
        ),
        rows=tuple(
            (
                label,
                found[f"{days}_n"],
                *spread_cells(spread_of(found, days)),
                found[waits],
                spread_cells(spread_of(found, waited))[0],
                found[left],
            )
            for label, days, waits, waited, left in rows
        ),
    )


def _left(rows: list[Row]) -> Table:
    known = {**dict(CloseReason.choices), **dict(DecisionOutcome.choices)}
    expired = {DecisionOutcome.FIT.value, DecisionOutcome.CONDITIONS.value}
    return Table(
        key="left",
        title="Why requests went no further",
        definition="Requests of the period that left, by where and why.",
        source=SOURCE,
        columns=(text("where", "Where"), text("why", "Why"), number("n", "Requests")),
        rows=tuple(
            (
                STAGES[row["stage"]],
                "Decision expired" if row["why"] in expired else str(known.get(row["why"], row["why"])),
                row["n"],
            )
            for row in rows
        ),
    )


# -- lists -------------------------------------------------------------------------------------------------------------
LIST = """
    SELECT patient_id, course_id, NULL::bigint, asked_on, source, status, seen_on, decided_on, begun_on
    FROM staged WHERE {where} ORDER BY asked_on, id"""
COLUMNS = (
    day("asked", "Asked"),
    text("source", "Came by"),
    text("status", "Request"),
    day("seen", "Consultation"),
    day("decided", "Decision"),
    day("begun", "First infusion"),
)
WHERE = {
    "begun": ("Requests that led to an infusion", "begun_on IS NOT NULL"),
    "step-asked": ("Requests of the period", "TRUE"),
    "step-seen": ("Requests with a consultation", "seen_on IS NOT NULL"),
    "step-decided": ("Requests with a decision", "decided_on IS NOT NULL"),
    "step-begun": ("Requests that led to an infusion", "begun_on IS NOT NULL"),
    "waits-consultation": ("Wait for a consultation", "stage = 'waits-consultation'"),
    "waits-decision": ("Wait for a decision", "stage = 'waits-decision'"),
    "waits-infusion": ("Wait for the first infusion", "stage = 'waits-infusion'"),
}
SOURCES = {str(value): str(label) for value, label in RequestSource.choices}
LISTS = {
    key: Question(
        title=title,
        about="Requests of the period, the oldest first. Who is not registered yet has no record to open.",
        columns=COLUMNS,
        sql=LIST,
        where=where,
        cells=lambda values: (values[0], SOURCES.get(values[1], values[1]), values[2].capitalize(), *values[3:]),
    )
    for key, (title, where) in WHERE.items()
}
