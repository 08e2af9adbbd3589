"""The safety report: side effects, what was withheld, paused and stopped, limits, danger alerts, how much in all.

Everything counts infusion visits of the period at the chosen location; terms by clinical.md F1 and D3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from clinic.pure.roles import Can
from courses.models import AdverseSeverity, ClinicalEventKind
from courses.pure.adverse import BY_CODE, EFFECTS, label_of
from courses.pure.limits import RULE_LABELS, Rule
from courses.pure.reports.contents import (
    LEAST,
    Chart,
    Drawing,
    Figure,
    Item,
    Missing,
    Report,
    Section,
    Table,
    Unit,
)
from courses.pure.reports.filters import Filters
from courses.pure.reports.rates import Quartiles, count_figure, median_figure, rate
from courses.pure.reports.safety import (
    Stop,
    cumulative_bands,
    finding_label,
    in_bands,
    judged,
    pressure_bands,
    reading_of,
    stop_from,
)
from courses.reports.reading import Row, spread_of
from courses.reports.registry import Listed, ReportKind
from courses.reports.rows import about, number, share_cell, text
from courses.reports.safety_facts import read_safety
from courses.reports.safety_lists import list_of
from patients.models import AlertKind
from patients.pure.pressure import VERDICT_LABELS, Verdict
from patients.pure.pressure import Reading as Sign

OWN = "Clinic's own"
F1 = "Outcome terms, clinical.md F1"
EFFECTS_SEEN = "Side effects recorded in the infusion record"
LATER = (
    "Worsening and new suicidal thoughts are reckoned from scores: they stand in the report Outcomes, for courses that "
    "began in its period."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The rows of the questions, and the numbers that most figures need."""

    rows: dict[str, list[Row]]
    now: datetime

    @property
    def counts(self) -> Row:
        return self.rows["counts"][0]

    @property
    def given(self) -> int:
        return int(self.counts["given"])

    def one(self, name: str) -> Row:
        return self.rows[name][0]


def build(filters: Filters, now: datetime) -> Report:
    """The page for the period and location of the filters; one query."""
    facts = Facts(read_safety(filters, now), now)
    return Report(
        key="safety",
        title="Safety",
        about=about(filters, facts.rows["places"], "infusions"),
        as_of=now,
        sections=(
            Section("effects", "Side effects", tuple(_effects(facts))),
            Section("holds", "Holds before the start", tuple(_holds(facts))),
            Section("stops", "Pauses and stops", tuple(_stops(facts))),
            Section("limits", "Pressures and other limits", tuple(_limits(facts))),
            Section("danger", "Serious events and danger alerts", tuple(_danger(facts)), LATER),
            Section("cumulative", "Treated over time", tuple(_cumulative(facts))),
        ),
    )


# -- side effects ------------------------------------------------------------------------------------------------------
def _effects(facts: Facts) -> Iterator[Item]:
    counts, given = facts.counts, facts.given
    silent = int(counts["nothing_entered"])
    yield rate(
        key="effects",
        title="Infusions with a side effect",
        definition="Infusions with at least one side effect, of the infusions given.",
        source=F1,
        n=counts["given_with_effects"],
        of=given,
        words=f"At {silent} of them neither an effect nor “none” was entered; they count as without." if silent else "",
    )
    yield rate(
        key="effect-patients",
        title="Patients with a side effect",
        definition="Patients with a side effect at one infusion of the period or more, of the patients with an "
        "infusion given in it.",
        source=F1,
        n=counts["patients_with_effects"],
        of=counts["patients"],
    )
    yield count_figure(
        key="serious",
        title="Serious side effects",
        definition="Side effects that were marked as serious; each effect counts.",
        source=EFFECTS_SEEN,
        n=counts["serious"],
        words=f"{counts['transferred']} sent to hospital" if counts["transferred"] else "",
    )
    seen = facts.rows["effects"]
    yield Chart(
        table=Table(
            key="effect-severity",
            title="Side effects by kind and severity",
            definition="How often each side effect was recorded, by its severity.",
            source=EFFECTS_SEEN,
            columns=(
                text("effect", "Side effect"),
                number("mild", "Mild"),
                number("moderate", "Moderate"),
                number("severe", "Severe"),
            ),
            rows=tuple((label_of(row["code"]), row["mild"], row["moderate"], row["severe"]) for row in seen),
            row_lists=tuple(f"effect-{row['code']}" for row in seen),
        ),
        drawing=Drawing.STACK,
        x_title="Times recorded",
    )
    yield _effects_table(facts)
    yield _worst(facts)


def _effects_table(facts: Facts) -> Table:
    """Every effect that was seen, and every one for which a published number exists, also when it was not seen."""
    found = {row["code"]: row for row in facts.rows["effects"]}
    unseen = [one.code for one in EFFECTS if one.expected and one.code not in found]
    nothing = {"given": 0, "patients": 0, "serious": 0}
    rows = [(code, found.get(code, nothing)) for code in (*found, *unseen)]
    patients = facts.counts["patients"]
    return Table(
        key="effect-kinds",
        title="Side effects by kind",
        definition="Infusions and patients with this side effect, as a share of the infusions given and of the "
        "patients who had one.",
        source=F1,
        columns=(
            text("effect", "Side effect"),
            number("infusions", "Infusions"),
            number("of_infusions", "Of infusions", Unit.PERCENT),
            number("patients", "Patients"),
            number("of_patients", "Of patients", Unit.PERCENT),
            number("serious", "Serious"),
            text("published", "Published, with setting"),
        ),
        rows=tuple(
            (
                label_of(code),
                row["given"],
                share_cell(row["given"], facts.given),
                row["patients"],
                share_cell(row["patients"], patients),
                row["serious"],
                BY_CODE[code].expected if code in BY_CODE else "",
            )
            for code, row in rows
        ),
        row_lists=tuple(f"effect-{code}" if row["given"] else "" for code, row in rows),
        note="Published shares are of patients in trials, asked at each visit (clinical.md F2): L1 esketamine, P4 "
        "intravenous ketamine, P32 a review of 60 studies. They were not counted as here.",
    )


def _worst(facts: Facts) -> Table:
    found = {row["severity"]: row["given"] for row in facts.rows["worst"]}
    without = facts.given - facts.counts["given_with_effects"]
    counted = [(label, found.get(value, 0)) for value, label in AdverseSeverity.choices]
    return Table(
        key="worst",
        title="Infusions by their worst side effect",
        definition="Each infusion given counts once, by the most severe side effect at it.",
        source=EFFECTS_SEEN,
        columns=(
            text("severity", "Worst side effect"),
            number("infusions", "Infusions"),
            number("share", "Share", Unit.PERCENT),
        ),
        rows=tuple((str(label), n, share_cell(n, facts.given)) for label, n in (("None", without), *counted)),
        row_lists=("", *(f"worst-{value}" if found.get(value) else "" for value in AdverseSeverity.values)),
    )


# -- holds -------------------------------------------------------------------------------------------------------------
def _holds(facts: Facts) -> Iterator[Item]:
    withheld, decided = facts.counts["withheld"], facts.one("decided")
    yield rate(
        key="withheld",
        title="Infusions withheld",
        definition="Visits at which the infusion was withheld for a clinical reason, of those that ended with the "
        "infusion given or withheld. No-shows and cancellations are no holds: they stand in Operations.",
        source=F1,
        n=withheld,
        of=withheld + facts.given,
    )
    yield rate(
        key="overridden",
        title="Given in spite of a hard finding",
        definition="Infusions given after a prescriber overrode a finding that asked to hold, with a reason; of the "
        "infusions given.",
        source="Check-in rules, clinical.md D1, D3, R9",
        n=decided["hard"],
        of=facts.given,
    )
    yield rate(
        key="acknowledged",
        title="Given after a soft finding",
        definition="Infusions given after somebody acknowledged a finding that asks for attention; of the infusions "
        "given.",
        source="Check-in rules, clinical.md D1, D3, R9",
        n=decided["soft"],
        of=facts.given,
    )
    findings = facts.rows["findings"]
    yield Table(
        key="findings",
        title="Findings that were decided about, by rule",
        definition="Visits at which somebody let a finding of the check-in through: acknowledged (soft) or overridden "
        "by a prescriber (hard). “Given”: the infusion was given that day.",
        source="Check-in rules, clinical.md D1, D3, R9",
        columns=(
            text("rule", "Finding"),
            number("soft", "Acknowledged (soft)"),
            number("hard", "Overridden (hard)"),
            number("given", "Given"),
        ),
        rows=tuple((finding_label(row["code"]), row["soft"], row["hard"], row["given"]) for row in findings),
        row_lists=tuple(f"finding-{row['code']}" for row in findings),
    )
    yield Table(
        key="withheld-reasons",
        title="Why infusions were withheld",
        definition="Reasons as they were entered, the 30 most frequent.",
        source="Infusion visits",
        columns=(text("reason", "Reason"), number("n", "Visits")),
        rows=tuple((row["reason"], row["n"]) for row in facts.rows["withheld"]),
    )


# -- pauses and stops --------------------------------------------------------------------------------------------------
def _stops(facts: Facts) -> Iterator[Item]:
    stops = [stop_from(row, now=facts.now) for row in facts.rows["stops"]]
    effects = [one for one in stops if one.for_effect]
    yield rate(
        key="stopped",
        title="Stopped for a side effect",
        definition="Infusions stopped before their planned end because of a side effect, of the infusions given.",
        source=F1,
        n=len(effects),
        of=facts.given,
    )
    yield rate(
        key="stopped-other",
        title="Stopped for another reason",
        definition="Infusions stopped before their planned end for another reason than a side effect, of the "
        "infusions given.",
        source=F1,
        n=len(stops) - len(effects),
        of=facts.given,
    )
    yield rate(
        key="paused",
        title="Infusions paused",
        definition="Infusions with at least one pause, of the infusions given.",
        source="Taps of the infusion record",
        n=facts.one("paused")["given"],
        of=facts.given,
    )
    known = [one.share for one in stops if one.share is not None]
    yield median_figure(
        key="stopped-share",
        title="Delivered when it was stopped",
        definition="Milligrams delivered until the stop as a share of the dose ordered (mg × minutes run ÷ minutes "
        "planned), median of the infusions stopped.",
        source="clinical.md R8, F1",
        unit=Unit.PERCENT,
        spread=Quartiles.of(known),
        missing=(Missing("no order with the start", len(stops) - len(known)),),
        has_list=False,
    )
    yield _stops_table(stops)
    yield Table(
        key="pauses",
        title="Why infusions were paused",
        definition="Reasons as they were entered, the 30 most frequent; each pause counts.",
        source="Taps of the infusion record",
        columns=(text("reason", "Reason"), number("n", "Pauses"), number("infusions", "Infusions")),
        rows=tuple((row["reason"], row["n"], row["given"]) for row in facts.rows["pauses"]),
    )


def _stops_table(stops: list[Stop]) -> Table:
    """By reason, the most frequent first."""
    reasons: dict[tuple[bool, str], list[Stop]] = {}
    for one in stops:
        reasons.setdefault((one.for_effect, one.reason.strip()), []).append(one)
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), not item[0][0], item[0][1]))
    return Table(
        key="stop-reasons",
        title="Why infusions were stopped, and what was delivered",
        definition="Reasons as they were entered, with the median of what was delivered until the stop.",
        source="clinical.md F1, R8",
        columns=(
            text("reason", "Reason"),
            text("effect", "For a side effect"),
            number("n", "Infusions"),
            number("mg", "Delivered", Unit.MG),
            number("share", "Of the dose", Unit.PERCENT),
        ),
        rows=tuple(
            (
                reason,
                "Yes" if for_effect else "No",
                len(found),
                Quartiles.of([one.given.delivered_mg for one in found if one.given]).middle,
                Quartiles.of([one.share for one in found if one.share is not None]).middle,
            )
            for (for_effect, reason), found in ordered[:30]
        ),
    )


# -- limits ------------------------------------------------------------------------------------------------------------
def _limits(facts: Facts) -> Iterator[Item]:
    yield rate(
        key="high-pressure",
        title="Infusions with a pressure over the limit",
        definition="Infusions at which a blood pressure reached a limit of the location's profile during or after the "
        "infusion (default: 180/110 mmHg to pause, 200/120 to stop), of the infusions given.",
        source="clinical.md D3",
        n=facts.one("high")["given"],
        of=facts.given,
    )
    alarms = facts.rows["alarms"]
    yield Table(
        key="alarms",
        title="Limits reached, by rule",
        definition="Alarms of the flowsheet at infusions given, by the rule that raised them. Rows entered in error do "
        "not count.",
        source="clinical.md D3, D4",
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
        source="clinical.md R9, D3",
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
            source="clinical.md R9, D3",
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
def _danger(facts: Facts) -> Iterator[Item]:
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
        source="Danger alerts, clinical.md E1",
        n=alerts["n"],
    )
    yield median_figure(
        key="alert-wait",
        title="Time to acknowledgement",
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
        source="Danger alerts, clinical.md E1",
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
def _cumulative(facts: Facts) -> Iterator[Item]:
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
                source="clinical.md R8, case 29",
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


def listed(key: str, filters: Filters) -> Listed:
    """The list behind a figure or a row; see ``safety_lists``."""
    return list_of(key, filters)


KIND = ReportKind(
    key="safety",
    title="Safety",
    can=Can.VIEW_OUTCOME_REPORTS,
    build=build,
    listed=listed,
    filters=("location",),
    period="Took place",
    lead="infusions ",
)
