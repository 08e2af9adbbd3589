"""A report written by hand with one of everything: figures, too few, a comparison, each drawing, text that is a formula."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from clinic.tests.factories import Clinic
from courses.models import CourseResult, ResultDue
from courses.pure.reports.contents import (
    Chart,
    Column,
    Drawing,
    Figure,
    Kind,
    Missing,
    Reference,
    Report,
    Section,
    Table,
    Unit,
)
from courses.tests.follow_kit import make_plain_course
from patients.models import Patient

AS_OF = datetime(2027, 4, 1, 13, 5, 9, tzinfo=UTC)
NASTY = '=HYPERLINK("http://evil.example","x")'
P20 = Reference(
    value=Decimal("53.6"), study="McInnes 2022", setting="178 clinics", n="n = 537", scale="PHQ-9",
    time_point="14 to 31 days after 4 to 8 infusions", citation="McInnes LA et al. J Affect Disord 2022;301:486-495",
)  # fmt: skip
RESPONSE = Figure(
    key="response",
    title="Response",
    definition="At least 50 % below the baseline at the end of the series.",
    source="Outcome terms, version 2",
    unit=Unit.PERCENT,
    value=Decimal(11) / Decimal(17) * 100,
    numerator=11,
    denominator=17,
    low=Decimal("41.301245"),
    high=Decimal("82.691234"),
    missing=(Missing("no baseline", 2), Missing("no score at the end", 1)),
    references=(P20,),
)
FEW = Figure(
    key="remission",
    title="Remission",
    definition="PHQ-9 below 5.",
    source="Outcome terms, version 2",
    unit=Unit.PERCENT,
    denominator=3,
    is_few=True,
    words="n = 3: too few to give a share",
)
CHANGE = Figure(
    key="change",
    title="Median change of PHQ-9",
    definition="Last score less the baseline.",
    source="Clinic's own",
    unit=Unit.POINTS,
    value=Decimal("-7.5"),
    denominator=17,
)
FUNNEL = Table(
    key="funnel",
    title="From the first infusion to the last",
    definition="Courses that reached each infusion.",
    source="Clinic's own",
    columns=(
        Column("step", "Step"),
        Column("n", "Courses", Kind.NUMBER),
        Column("share", "Of those who began", Kind.NUMBER, Unit.PERCENT),
    ),
    rows=(
        ("Infusion 1", 20, Decimal(100)),
        ("Infusion 2", 19, Decimal(95)),
        ("Infusion 4", 17, Decimal(85)),
        ("Infusion 6", 13, Decimal(65)),
    ),
)
SURVIVAL = Table(
    key="durability",
    title="How long a response holds",
    definition="Kaplan-Meier estimate from the last infusion of the series.",
    source="Clinic's own",
    columns=(
        Column("day", "Day", Kind.NUMBER, Unit.DAYS),
        Column("estimate", "Still responding", Kind.NUMBER, Unit.PERCENT),
        Column("low", "Low", Kind.NUMBER, Unit.PERCENT),
        Column("high", "High", Kind.NUMBER, Unit.PERCENT),
        Column("at_risk", "At risk", Kind.NUMBER),
    ),
    rows=(
        (0, Decimal(100), Decimal(100), Decimal(100), 11),
        (14, Decimal("90.909091"), Decimal("50.8"), Decimal("98.7"), 11),
        (28, Decimal("70.707071"), Decimal("33.7"), Decimal("89.6"), 9),
        (56, Decimal("53.030303"), Decimal("20.1"), Decimal("78.2"), 4),
        (83, Decimal("53.030303"), None, None, 2),
    ),
)
BY_PROTOCOL = Table(
    key="by-protocol",
    title="Response by protocol [end]: 2027/1",
    definition="Response at the end of the series.",
    source="Outcome terms, version 2",
    columns=(
        Column("protocol", "Protocol"),
        Column("since", "Used since", Kind.DATE),
        Column("n", "Courses", Kind.NUMBER),
        Column("share", "Response", Kind.NUMBER, Unit.PERCENT),
    ),
    rows=((NASTY, date(2027, 1, 4), 12, Decimal("66.666667")), ("-4 weeks, twice", None, 5, None)),
    note="Protocols with fewer than 5 courses have no share.",
)
BARS = Table(
    key="effects",
    title="Side effects",
    definition="Infusions with at least one.",
    source="clinical.md A 118-130",
    columns=(
        Column("effect", "Side effect"),
        Column("share", "Share of infusions", Kind.NUMBER, Unit.PERCENT),
        Column("low", "Low", Kind.NUMBER, Unit.PERCENT),
        Column("high", "High", Kind.NUMBER, Unit.PERCENT),
    ),
    rows=(
        ("Dissociation", Decimal("41.2"), Decimal(30), Decimal(53)),
        ("Nausea, with vomiting or without it", Decimal("11.8"), Decimal(6), Decimal(22)),
        ("Headache", None, None, None),
    ),
)
STACK = Table(
    key="ends",
    title="How the series ended, by severity",
    definition="Of evaluable courses.",
    source="Outcome terms, version 2",
    columns=(
        Column("severity", "Baseline"),
        Column("response", "Response", Kind.NUMBER),
        Column("partial", "Partial response", Kind.NUMBER),
        Column("none", "Non-response", Kind.NUMBER),
    ),
    rows=(("Moderate", 5, 1, 2), ("Moderately severe", 4, 2, 0), ("Severe", 2, 0, 1)),
)
LINE = Table(
    key="months",
    title="Courses by month",
    definition="By the day of the first infusion.",
    source="Clinic's own",
    columns=(
        Column("month", "Month"),
        Column("begun", "Begun", Kind.NUMBER),
        Column("completed", "Completed", Kind.NUMBER),
    ),
    rows=(("Jan 2027", 6, 4), ("Feb 2027", 9, 6), ("Mar 2027", 5, None)),
)
HEAT = Table(
    key="chairs",
    title="Chair use by hour",
    definition="Minutes taken of minutes open.",
    source="Clinic's own",
    columns=(Column("day", "Weekday"), *(Column(f"h{h}", f"{h}:00", Kind.NUMBER, Unit.PERCENT) for h in range(8, 17))),
    rows=(
        ("Mon", *(Decimal(n) for n in (10, 35, 80, 95, 60, 20, 75, 100, 40))),
        ("Tue", *(Decimal(n) for n in (0, 15, 45, 55, 50, 30, 65, 70, 20))),
        ("Sat", *(None for _ in range(9))),
    ),
)
REPORT = Report(
    key="outcomes",
    title="Outcomes",
    about="Brooklyn · started 1 Jan 2027 to 31 Mar 2027",
    as_of=AS_OF,
    sections=(
        Section("headline", "In short", (RESPONSE, FEW, CHANGE), about="At the end of the series."),
        Section(
            "series",
            "The series",
            (
                Chart(table=FUNNEL, drawing=Drawing.FUNNEL),
                BY_PROTOCOL,
                Chart(table=STACK, drawing=Drawing.STACK, x_title="Courses"),
                Chart(table=LINE, drawing=Drawing.LINE, y_title="Courses"),
            ),
        ),
        Section(
            "after",
            "After it",
            (
                Chart(table=SURVIVAL, drawing=Drawing.SURVIVAL, x_title="Days", y_title="Still responding", references=(P20,)),
                Chart(table=BARS, drawing=Drawing.BARS, x_title="Share of infusions"),
                Chart(table=HEAT, drawing=Drawing.HEAT),
            ),
        ),
    ),
)  # fmt: skip
COMPARED = replace(
    REPORT,
    compared_with="Queens · started 1 Jan 2027 to 31 Mar 2027",
    others={"response": replace(RESPONSE, value=Decimal(40), numerator=4, denominator=10, missing=())},
)
EMPTY = Report(key="outcomes", title="Outcomes", about="All courses · all time", as_of=AS_OF, sections=())


# -- rows ----------------------------------------------------------------------------------------------------------------
def put_result(clinic: Clinic, patient: Patient, started_on: date = date(2027, 1, 4), **fields: Any) -> CourseResult:
    """A course with the row that the reports read, written by hand: six given in 12 days, PHQ-9 20 to 8."""
    closed = {"status": "completed", "closed_on": started_on + timedelta(days=12), "closed_reason": "All given"}
    course = make_plain_course(clinic, patient, [started_on], **closed)
    phase = course.phases.get()
    values = {
        "worked_out_at": AS_OF, "location": clinic.location, "prescriber": clinic.clinician,
        "protocol_version": phase.protocol_version, "indication": "trd", "status": "completed",
        "severity": "Severe", "dose_mg_per_kg": Decimal("0.50"), "referrer": "", "previous_failures": 2,
        "started_on": started_on, "last_on": started_on + timedelta(days=11), "n_planned": 6, "n_given": 6,
        "n_given_in_all": 7, "given_mg": Decimal("288.4"), "span_days": 12, "gaps": 5, "gaps_on_window": 4,
        "is_over": True, "is_completed": True, "is_kit_completed": True, "is_dropped_out": False, "measure": "phq9",
        "baseline": Decimal(20), "is_evaluable": True, "end": "RESPONSE", "end_score": Decimal(8),
        "end_improvement": Decimal(60), "first_response": 4, "speed": "GRADUAL", "held_days": 40,
        "censored_by": "last_score",
    } | fields  # fmt: skip
    row = CourseResult.objects.create(course=course, patient=patient, **values)
    ResultDue.objects.all().delete()  # the row stands as it was written
    return row
