"""Messages of the period: how many went out, arrived, were confirmed, failed; by what they are about and channel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from courses.pure.reports.contents import Item, Missing, Section, Table
from courses.pure.reports.rates import count_figure, rate
from courses.reports.reading import Row
from courses.reports.rows import Question, day, number, text
from patients.models import Channel, MessageEvent, MessageState

# A visit counts as confirmed when that happened after its reminder went out. A visit that was moved has to be confirmed
# anew, so what stands in the booking belongs to the time that the reminder was about.
SENT = """
sent AS MATERIALIZED (
    SELECT m.id, m.event, m.channel, m.state, m.patient_id, m.booking_id, m.due_at, m.error, place.time_zone,
           (m.due_at AT TIME ZONE place.time_zone)::date AS day,
           m.state IN ('sent', 'delivered', 'called') AS is_out,
           m.event IN ('consultation', 'infusion') AS is_reminder,
           m.state IN ('sent', 'delivered', 'called')
               AND b.confirmed_at >= COALESCE(m.sent_at, m.state_at) AS is_confirmed
    FROM place
    JOIN patients_message m
        ON m.location_id = place.id AND m.due_at >= place.lo AND m.due_at < place.hi AND m.due_at <= %(now)s
        AND m.due_at >= %(earliest)s AND m.due_at < %(latest)s
        AND m.state NOT IN ('planned', 'sending')
    LEFT JOIN clinic_booking b ON b.id = m.booking_id AND m.event IN ('consultation', 'infusion')
)"""
SHARED = (SENT,)
QUESTIONS = {
    "messages": """
        SELECT event, channel, count(*) AS due, count(*) FILTER (WHERE is_out) AS out,
               count(*) FILTER (WHERE state = 'delivered') AS delivered,
               count(*) FILTER (WHERE is_confirmed) AS confirmed,
               count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'to_call') AS to_call,
               count(*) FILTER (WHERE state = 'skipped') AS skipped,
               count(*) FILTER (WHERE state = 'withdrawn') AS withdrawn
        FROM sent GROUP BY event, channel ORDER BY event, channel""",
    "reminded": """
        SELECT count(DISTINCT booking_id) AS visits, count(DISTINCT booking_id) FILTER (WHERE is_confirmed) AS confirmed
        FROM sent WHERE is_reminder AND is_out AND booking_id IS NOT NULL""",
}
COUNTED = ("due", "out", "delivered", "confirmed", "failed", "to_call", "skipped", "withdrawn")
REMINDERS = {MessageEvent.CONSULTATION.value, MessageEvent.INFUSION.value}
EVENTS = {str(value): str(label) for value, label in MessageEvent.choices}
CHANNELS = {str(value): str(label) for value, label in Channel.choices}
STATES = {str(value): str(label) for value, label in MessageState.choices}
SOURCE = "Outbox"


def section(rows: dict[str, list[Row]], now: datetime) -> Section:  # noqa: ARG001 (as every topic)
    """Messages that were due in the period."""
    return Section("reminders", "Reminders and other messages", tuple(_items(rows)))


def _items(rows: dict[str, list[Row]]) -> Iterator[Item]:
    mine = [row for row in rows["messages"] if row["event"] in REMINDERS]
    total = {name: sum(row[name] for row in mine) for name in COUNTED}
    yield rate(
        key="reminders",
        title="Reminders that went out",
        definition="Reminders of a consultation or an infusion that were sent, or told by telephone; of those that "
        "were due and still wanted.",
        source=SOURCE,
        n=total["out"],
        of=total["out"] + total["failed"] + total["to_call"],
        missing=(
            Missing("skipped as not wanted any more or not allowed", total["skipped"]),
            Missing("withdrawn with their visit", total["withdrawn"]),
        ),
        has_list=False,
        words=f"{total['delivered']} with a receipt that they arrived" if total["delivered"] else "",
    )
    reminded = rows["reminded"][0]
    yield rate(
        key="confirmed",
        title="Confirmed after a reminder",
        definition="Visits that were confirmed after a reminder of them went out, by link, text message or at the "
        "desk; of the visits reminded.",
        source="Outbox and bookings",
        n=reminded["confirmed"],
        of=reminded["visits"],
        has_list=False,
    )
    yield count_figure(
        key="failed",
        title="Failed messages",
        definition="Messages of any kind that could not be delivered.",
        source=SOURCE,
        n=sum(row["failed"] for row in rows["messages"]),
    )
    yield count_figure(
        key="to-call",
        title="Still to call",
        definition="Messages of any kind that can be neither texted nor written, and that nobody has told yet.",
        source=SOURCE,
        n=sum(row["to_call"] for row in rows["messages"]),
    )
    yield _table(rows["messages"])


def _table(rows: list[Row]) -> Table:
    order = list(EVENTS)
    ordered = sorted(rows, key=lambda row: (order.index(row["event"]), row["channel"]))
    titles = {
        "due": "Due",
        "out": "Went out",
        "delivered": "Delivered",
        "confirmed": "Visit confirmed",
        "failed": "Failed",
        "to_call": "To call",
        "skipped": "Skipped",
        "withdrawn": "Withdrawn",
    }
    return Table(
        key="messages",
        title="Messages by kind and channel",
        definition="Messages that were due in the period and up to now. “Went out”: sent, delivered or told by "
        "telephone. A message that was skipped or withdrawn early has no channel.",
        source=SOURCE,
        columns=(
            text("kind", "About"),
            text("channel", "Channel"),
            *(number(name, titles[name]) for name in COUNTED),
        ),
        rows=tuple(
            (
                EVENTS[row["event"]],
                CHANNELS.get(row["channel"], "None"),
                *(row[name] for name in COUNTED[:3]),
                row["confirmed"] if row["event"] in REMINDERS else None,
                *(row[name] for name in COUNTED[4:]),
            )
            for row in ordered
        ),
    )


LIST = """
    SELECT patient_id, NULL::bigint, booking_id, day, to_char(due_at AT TIME ZONE time_zone, 'HH24:MI'), event, channel,
           error
    FROM sent WHERE {where} ORDER BY due_at DESC, id DESC"""


def _listed(title: str, where: str) -> Question:
    return Question(
        title=title,
        about="Messages that were due in the period, the latest first.",
        columns=(
            day(),
            text("clock", "Due at"),
            text("kind", "About"),
            text("channel", "Channel"),
            text("error", "What went wrong"),
        ),
        sql=LIST,
        where=where,
        cells=lambda values: (
            *values[:2],
            EVENTS.get(values[2], values[2]),
            CHANNELS.get(values[3], "None"),
            values[4],
        ),
    )


LISTS = {
    "failed": _listed("Failed messages", "state = 'failed'"),
    "to-call": _listed("Still to call", "state = 'to_call'"),
}
