"""Limits, serious events, danger alerts and infusions in all, as the safety report says them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from courses.models import ClinicalEventKind
from courses.pure.limits import RULE_LABELS, Rule
from courses.pure.reports.contents import LEAST, Chart, Drawing, Figure, Item, Missing, Table, Unit
from courses.pure.reports.rates import count_figure, median_figure, rate
from courses.pure.reports.safety import cumulative_bands, in_bands, judged, pressure_bands, reading_of
from courses.reports.reading import Row, spread_of
from courses.reports.rows import number, share_cell, text
from courses.reports.safety_facts import Facts
from patients.models import AlertKind
from patients.pure.pressure import VERDICT_LABELS, Verdict
from patients.pure.pressure import Reading as Sign

OWN = "Clinic's own"


# -- limits ------------------------------------------------------------------------------------------------------------
def limits(facts: Facts) -> Iterator[Item]:
    yield rate(
        key="high-pressure",
        title="Infusions with a pressure over the limit",
        definition="Infusions at which a blood pressure reached a limit of the location's profile during or after the "
        "infusion (default: 180/110 mmHg to pause, 200/120 to stop), of the infusions given.",
        source="clinical reference D3",
        n=facts.one("high")["given"],
        of=facts.given,
    )
    alarms = facts.rows["alarms"]
    yield Table(
        key="alarms",
        title="Limits reached, by rule",
        definition="Alarms of the flowsheet at infusions given, by the rule that raised them. Rows entered in error do "
        "not count.",
        source="clinical reference D3, D4",
        columns=(
            text("rule", "Rule"),
            number("n", "Alarms"),
            number("infusions", "Infusions"),
            number("share", "Of infusions", Unit.PERCENT),
            number("unanswered", "Without an answer"),
        ),
        rows=tuple(
            (_rule(row["rule"]), row["n"], row["given"], share_cell(row["given"], facts.given), row["unanswered"])
            for row in alarms
        ),
        row_lists=tuple(f"alarm-{row['rule']}" for row in alarms),
    )
    yield _before(facts)
    for sign in (Sign.SYSTOLIC, Sign.DIASTOLIC):
        yield _peaks(facts, sign)


def _rule(code: str) -> str:
    return RULE_LABELS[Rule(code)] if code in set(Rule) else code


def _before(facts: Facts) -> Table:
    """The last pressure before the start, judged as at the check-in."""
    found = judged(map(reading_of, facts.rows["before"]))
    of = sum(found.values())
    rows = [(verdict, found[verdict, "given"], found[verdict, "withheld"]) for verdict in Verdict]
    return Table(
        key="before",
        title="Pressure and pulse before the start",
        definition="The last reading before the start (of the whole visit, where the infusion was withheld), judged by "
        "the profile that the location has now.",
        source="clinical reference R9, D3",
        columns=(
            text("verdict", "Reading"),
            number("given", "Given"),
            number("withheld", "Withheld"),
            number("share", "Of the readings", Unit.PERCENT),
        ),
        rows=tuple(
            (VERDICT_LABELS[verdict], given, withheld, share_cell(given + withheld, of))
            for verdict, given, withheld in rows
        ),
        row_lists=tuple(
            f"before-{verdict}" if verdict is not Verdict.PROCEED and given + withheld else ""
            for verdict, given, withheld in rows
        ),
        note=f"{_without(facts, of)} had no pressure on record before the start." if _without(facts, of) else "",
    )


def _without(facts: Facts, of: int) -> int:
    return int(facts.given + facts.counts["withheld"] - of)


def _peaks(facts: Facts, sign: Sign) -> Chart:
    values: dict[int, int] = {}
    for row in facts.rows["peaks"]:
        values[row[sign.value]] = values.get(row[sign.value], 0) + row["n"]
    bands, of = pressure_bands(sign), sum(values.values())
    return Chart(
        table=Table(
            key=f"peak-{sign.value}",
            title=f"Highest {sign.value} pressure of an infusion",
            definition="The highest reading after the start, up to the discharge; each infusion counts once. Bands lie "
            "between the limits of the default profiles, before the start and during the infusion.",
            source="clinical reference R9, D3",
            columns=(text("band", "mmHg"), number("n", "Infusions"), number("share", "Share", Unit.PERCENT)),
            rows=tuple(
                (band.title, n, share_cell(n, of)) for band, n in zip(bands, in_bands(bands, values), strict=True)
            ),
            note=f"{facts.given - of} infusions have no reading after the start." if facts.given > of else "",
        ),
        drawing=Drawing.BARS,
        x_title=f"{sign.value.capitalize()}, mmHg",
        y_title="Infusions",
    )


# -- serious events, danger alerts -------------------------------------------------------------------------------------
def danger(facts: Facts) -> Iterator[Item]:
    events = {row["kind"]: row["n"] for row in facts.rows["events"]}
    for kind in ClinicalEventKind:
        yield count_figure(
            key=f"event-{kind.value}",
            title={"admission": "Psychiatric admissions", "attempt": "Suicide attempts"}[kind.value],
            definition="Recorded for patients of this location's courses on a day of the period; entries struck as "
            "errors do not count.",
            source="Events of the course",
            n=events.get(kind.value, 0),
        )
    alerts = facts.one("alerts")
    yield count_figure(
        key="alerts",
        title="Danger alerts",
        definition="Alerts raised in the period by an answer, a score or a request.",
        source="Danger alerts, clinical reference E1",
        n=alerts["n"],
    )
    yield median_figure(
        key="alert-wait",
        title="Until an alert was acknowledged",
        definition="From the alert until a clinician acknowledged it and said what was done, median.",
        source=OWN,
        unit=Unit.MINUTES,
        spread=spread_of(alerts, "wait"),
        missing=(Missing("not acknowledged yet", alerts["open"]),),
        words=f"90 in 100 within {_minutes(alerts['ninetieth'])}" if alerts["wait_n"] >= LEAST else "",
        has_list=False,
    )
    yield from _alert_counts(alerts)
    yield _alert_kinds(facts)


def _minutes(value: Decimal | int) -> str:
    return f"{Decimal(value):.0f} min"


def _alert_counts(alerts: Row) -> Iterator[Figure]:
    told = (
        ("alerts-open", "Alerts not acknowledged", "open", "Raised in the period and not acknowledged until now."),
        (
            "alerts-late",
            "Alerts acknowledged late",
            "late",
            "Waited longer than the location's time until an alert escalates, those that still wait included.",
        ),
        (
            "alerts-escalated",
            "Alerts escalated",
            "escalated",
            "Nobody acknowledged in time, and more people were told.",
        ),
    )
    for key, title, name, definition in told:
        yield count_figure(key=key, title=title, definition=definition, source=OWN, n=alerts[name])


def _alert_kinds(facts: Facts) -> Table:
    rows = facts.rows["alert_kinds"]
    return Table(
        key="alert-kinds",
        title="Danger alerts by kind",
        definition="Alerts raised in the period. The median is of those acknowledged, where there are five or more.",
        source="Danger alerts, clinical reference E1",
        columns=(
            text("kind", "Alert"),
            number("n", "Raised"),
            number("open", "Not acknowledged"),
            number("late", "Late"),
            number("escalated", "Escalated"),
            number("median", "Median wait", Unit.MINUTES),
        ),
        rows=tuple(
            (
                str(AlertKind(row["kind"]).label),
                *(row[name] for name in ("n", "open", "late", "escalated")),
                spread_of(row, "wait").middle if row["wait_n"] >= LEAST else None,
            )
            for row in rows
        ),
        row_lists=tuple(f"alerts-kind-{row['kind']}" for row in rows),
    )


# -- in all ------------------------------------------------------------------------------------------------------------
def cumulative(facts: Facts) -> Iterator[Item]:
    sums = facts.one("sums")
    definition = "Of each patient with an infusion given in the period: all their courses here, up to now"
    yield median_figure(
        key="infusions-in-all",
        title="Infusions in all, per patient",
        definition=f"{definition}.",
        source=OWN,
        unit=Unit.COUNT,
        spread=spread_of(sums, "infusions"),
    )
    for name in ("ketamine", "esketamine"):
        spread = spread_of(sums, name)
        if spread.n or name == "ketamine":
            yield median_figure(
                key=f"{name}-in-all",
                title=f"{name.capitalize()} in all, per patient",
                definition=f"{definition}; milligrams delivered, where an infusion record says so.",
                source="clinical reference R8, case 29",
                unit=Unit.MG,
                spread=spread,
                has_list=False,
            )
    patients = {int(n): count for n, count in (facts.one("cumulative")["patients"] or {}).items()}
    yield Chart(
        table=Table(
            key="cumulative",
            title="Patients by their infusions in all",
            definition=f"{definition}.",
            source=OWN,
            columns=(text("infusions", "Infusions in all"), number("patients", "Patients")),
            rows=tuple(cumulative_bands(patients)),
        ),
        drawing=Drawing.BARS,
        x_title="Infusions in all",
        y_title="Patients",
    )
