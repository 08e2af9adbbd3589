"""The safety report: side effects, what was withheld, paused and stopped, limits, danger alerts, how much in all.

Everything counts infusion visits of the period at the chosen location; terms by clinical.md F1 and D3.
"""

from __future__ import annotations

from datetime import datetime

from clinic.pure.roles import Can
from courses.pure.reports.contents import Report, Section
from courses.pure.reports.filters import Filters
from courses.reports.registry import ReportKind
from courses.reports.rows import about
from courses.reports.safety_effects import effects, holds, stops
from courses.reports.safety_facts import Facts, read_safety
from courses.reports.safety_limits import cumulative, danger, limits
from courses.reports.safety_lists import list_of

LATER = (
    "Worsening and new suicidal thoughts are reckoned from scores: they stand in the report Outcomes, for courses that "
    "began in its period."
)


def build(filters: Filters, now: datetime) -> Report:
    """The page for the period and location of the filters; one query."""
    facts = Facts(read_safety(filters, now), now)
    return Report(
        key="safety",
        title="Safety",
        about=about(filters, facts.rows["places"], "infusions"),
        as_of=now,
        sections=(
            Section("effects", "Side effects", tuple(effects(facts))),
            Section("holds", "Holds before the start", tuple(holds(facts))),
            Section("stops", "Pauses and stops", tuple(stops(facts))),
            Section("limits", "Pressures and other limits", tuple(limits(facts))),
            Section("danger", "Serious events and danger alerts", tuple(danger(facts)), LATER),
            Section("cumulative", "Treated over time", tuple(cumulative(facts))),
        ),
    )


KIND = ReportKind(
    key="safety",
    title="Safety",
    can=Can.VIEW_OUTCOME_REPORTS,
    build=build,
    listed=list_of,
    filters=("location",),
    period="Took place",
    lead="infusions ",
    unsaid="3-months",
)
