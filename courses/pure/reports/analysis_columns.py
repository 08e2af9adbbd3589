"""The columns of the analysis table: what each says, in which unit, with which values, and where it is from.

The columns of the file and the lines of its dictionary are the same tuple: neither can have what the other lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from courses.pure.outcomes.terms import End, Speed
from courses.pure.reports.contents import LEAST, Cell, Unit
from patients.pure.indications import INDICATION_LABELS

OLDEST = 90
"""From this age on people are one group (45 CFR 164.514(b)(2)(i)(C))."""
OTHER = "other"
WITHHELD = "withheld"
OR_WITHHELD = f"or {WITHHELD}"
NO_YES = "0 no, 1 yes"
RARE = f"{OTHER}: fewer than {LEAST} patients in this file, or the next larger where these would be alone"
RESULTS = "courses.pure.reports.results"
Facts = Mapping[str, Any]
"""One course as the database gives it: fields of its result, with its keys, age and names."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One column of the file and one line of its dictionary."""

    name: str
    meaning: str
    values: str
    source: str
    of: Callable[[Facts], Cell]
    unit: str = ""


def age_band(years: int) -> str:
    """Ten years: "30 to 39"; "90 and over". Not "30-39", which spreadsheets take for a date."""
    if years >= OLDEST:
        return f"{OLDEST} and over"
    first = years // 10 * 10
    return f"{first} to {first + 9}"


def _field(name: str) -> Callable[[Facts], Cell]:
    def read(facts: Facts) -> Cell:
        value: Cell = facts[name]
        return value

    return read


def _lower(name: str) -> Callable[[Facts], Cell]:
    def read(facts: Facts) -> Cell:
        return str(facts[name]).lower()

    return read


def _flag(name: str) -> Callable[[Facts], Cell]:
    def read(facts: Facts) -> Cell:
        return int(facts[name])

    return read


def _names(kind: type[End | Speed]) -> str:
    return ", ".join(one.name.lower() for one in kind)


ENDS = _names(End)
WHO = (
    Variable(
        "course_key",
        "Which course this row is. In another file the same course has another key.",
        "c_ and 16 letters or digits",
        "HMAC-SHA256 of the course with a secret drawn for this file and kept nowhere",
        _field("course_key"),
    ),
    Variable(
        "patient_key",
        "Which courses are of one patient. Not the number on any record.",
        "p_ and 16 letters or digits",
        "HMAC-SHA256 of the patient with a secret drawn for this file and kept nowhere",
        _field("patient_key"),
    ),
    Variable(
        "prescriber_key",
        "Which courses had one prescriber.",
        f"u_ and 16 letters or digits; {RARE}; {OR_WITHHELD}",
        "HMAC-SHA256 of the person with a secret drawn for this file and kept nowhere",
        _field("prescriber_key"),
    ),
    Variable(
        "location",
        "Where the course was given.",
        f"name of the location; {RARE}; {OR_WITHHELD}",
        "Course",
        _field("location"),
    ),
    Variable(
        "age_band",
        "Age on the day of the first infusion.",
        f"ten years, {OLDEST} and over; wider where few share it: twenty years, under 40 or 40 and over; {OR_WITHHELD}",
        "Patient",
        lambda facts: age_band(facts["age"]),
        "years",
    ),
    Variable(
        "sex",
        "Sex recorded for clinical use.",
        f"female, male, unknown; {RARE}; also where recorded so; {OR_WITHHELD}",
        "Patient",
        _field("sex"),
    ),
    Variable(
        "start_year",
        "Year of the first infusion. No other date is in this file.",
        f"four digits; {OR_WITHHELD}",
        "Course",
        lambda facts: facts["started_on"].year,
    ),
    Variable(
        "has_referrer",
        "A referrer is recorded. Who it is is left out.",
        f"{NO_YES}; {OR_WITHHELD}",
        "Patient",
        lambda facts: int(bool(facts["referrer"])),
    ),
)
WHAT = (
    Variable(
        "condition",
        "What the course was for.",
        f"{', '.join(INDICATION_LABELS)}; {RARE}; also where recorded so; {OR_WITHHELD}",
        "Course",
        _field("indication"),
    ),
    Variable(
        "protocol",
        "The protocol of the series, whatever its version.",
        f"title of the protocol; {RARE}; {OR_WITHHELD}",
        "Course",
        _field("protocol"),
    ),
    Variable(
        "previous_failures",
        "Adequate treatments without response before.",
        "whole number; empty: not recorded",
        "Consultation",
        _field("previous_failures"),
    ),
    Variable(
        "dose",
        "Median of the doses given in the series.",
        "number; empty: not recorded by weight",
        "Infusion record",
        _field("dose_mg_per_kg"),
        Unit.MG_PER_KG,
    ),
    Variable(
        "status",
        "How the course stands.",
        f"active, interrupted, completed, stopped, transferred, lost; {RARE}",
        "Course",
        _field("status"),
    ),
    Variable(
        "infusions_planned",
        "Infusions planned in the series.",
        "whole number",
        RESULTS,
        _field("n_planned"),
        "infusions",
    ),
    Variable(
        "infusions_given",
        "Infusions given in the series.",
        "whole number from 1",
        RESULTS,
        _field("n_given"),
        "infusions",
    ),
    Variable(
        "infusions_in_all",
        "Infusions given in the whole course, maintenance and boosters included.",
        "whole number",
        RESULTS,
        _field("n_given_in_all"),
        "infusions",
    ),
    Variable(
        "given_in_all",
        "Drug delivered in the whole course, where it is recorded.",
        "number",
        RESULTS,
        _field("given_mg"),
        Unit.MG,
    ),
    Variable(
        "span",
        "Last less first day of the series, plus 1.",
        "whole number from 1",
        "R1",
        _field("span_days"),
        Unit.DAYS,
    ),
    Variable(
        "last_day",
        "Day of the last infusion of the series, counted from the first infusion, which is day 0.",
        "whole number",
        RESULTS,
        lambda facts: (facts["last_on"] - facts["started_on"]).days,
        Unit.DAYS,
    ),
    Variable(
        "gaps", "Gaps between the infusions given in the series.", "whole number", RESULTS, _field("gaps"), "gaps"
    ),
    Variable(
        "gaps_on_window",
        "Those that kept the limits of the protocol.",
        "whole number",
        "F1",
        _field("gaps_on_window"),
        "gaps",
    ),
    Variable("is_over", "Nothing more is given in the series.", NO_YES, RESULTS, _flag("is_over")),
    Variable("is_completed", "As many were given as were planned.", NO_YES, "F1", _flag("is_completed")),
    Variable(
        "is_kit_completed", "4 to 8 infusions in 7 to 28 days.", NO_YES, "McInnes 2022", _flag("is_kit_completed")
    ),
    Variable(
        "is_dropped_out",
        "Fewer than planned, and none for 14 days without a planned pause.",
        NO_YES,
        "F1",
        _flag("is_dropped_out"),
    ),
)
OUTCOME = (
    Variable(
        "terms",
        "Version of the outcome terms by which the course was judged.",
        "0: as shipped",
        "Outcome terms",
        _field("terms_number"),
    ),
    Variable(
        "measure",
        "The measure by which it was judged.",
        f"phq9, qids16, madrs, pcl5; empty: none; {RARE}",
        "Outcome terms",
        _field("measure"),
    ),
    Variable(
        "baseline",
        "Last score of at most 14 days before the first infusion.",
        "score; empty: no baseline",
        "F1",
        _field("baseline"),
        Unit.POINTS,
    ),
    Variable(
        "severity",
        "Published band of the baseline.",
        "name of the band; empty: no baseline or no published band",
        "Measure",
        _field("severity"),
    ),
    Variable("is_evaluable", "The baseline is high enough to judge a response.", NO_YES, "F1", _flag("is_evaluable")),
    Variable("end", "How the series ended.", ENDS, "F1", _lower("end")),
    Variable(
        "end_score",
        "Score after the last infusion of the series.",
        "score; empty: none",
        "F1",
        _field("end_score"),
        Unit.POINTS,
    ),
    Variable(
        "end_improvement",
        "Baseline less that score, of the baseline.",
        "number; empty: not known",
        "F1",
        _field("end_improvement"),
        Unit.PERCENT,
    ),
    Variable("is_remission", "Remission at the end of the series.", NO_YES, "F1", _flag("is_remission")),
    Variable(
        "first_response",
        "After which infusion response was first seen.",
        "number of the infusion; empty: never",
        "F1",
        _field("first_response"),
    ),
    Variable("speed", "When response was first seen.", f"{_names(Speed)}; empty: never", "F1", _lower("speed")),
    Variable(
        "is_responder_lost", "Response during the series, not at its end.", NO_YES, "F1", _flag("is_responder_lost")
    ),
    Variable("has_any_increase", "A score above the baseline.", NO_YES, "McInnes 2022", _flag("has_any_increase")),
    Variable(
        "has_worsened", "A score above the baseline by the points of the terms.", NO_YES, "F1", _flag("has_worsened")
    ),
    Variable(
        "has_new_suicidal_thoughts",
        "The answer about suicide rose by 1 or more.",
        NO_YES,
        "F1",
        _flag("has_new_danger"),
    ),
    Variable(
        "later_score",
        "First score 14 to 31 days after the last infusion of the series.",
        "score; empty: none",
        "McInnes 2022",
        _field("later_score"),
        Unit.POINTS,
    ),
    Variable(
        "later_improvement",
        "Baseline less that score, of the baseline.",
        "number; empty: not known",
        "F1",
        _field("later_improvement"),
        Unit.PERCENT,
    ),
    Variable(
        "later_end", "As end, by that score.", f"{ENDS}; empty: no score in these days", "F1", _lower("later_end")
    ),
    Variable("is_later_remission", "Remission by that score.", NO_YES, "F1", _flag("is_later_remission")),
    Variable(
        "held",
        "Days from the last infusion of the series until relapse, or as long as the response was followed.",
        "whole number; empty: no response",
        "F1",
        _field("held_days"),
        Unit.DAYS,
    ),
    Variable("has_relapsed", "A relapse ended it.", NO_YES, "F1", _flag("has_relapsed")),
    Variable(
        "censored_by",
        "Why it was followed no further.",
        f"last_score, next_series, death; empty: relapse or no response; {RARE}",
        "F1",
        _field("censored_by"),
    ),
    Variable(
        "maintenance_day",
        "First infusion after the series, counted from its last one.",
        "whole number; empty: none",
        RESULTS,
        _field("maintenance_day"),
        Unit.DAYS,
    ),
    Variable(
        "infusions_with_effects",
        "Infusions with at least one side effect.",
        "whole number",
        "F1",
        _field("infusions_with_effects"),
        "infusions",
    ),
    Variable(
        "infusions_stopped",
        "Infusions stopped early because of a side effect.",
        "whole number",
        "F1",
        _field("infusions_stopped"),
        "infusions",
    ),
    Variable(
        "serious_effects",
        "Serious side effects.",
        "whole number",
        "Infusion record",
        _field("serious_effects"),
        "events",
    ),
)
VARIABLES = (*WHO, *WHAT, *OUTCOME)
HEAD = tuple(one.name for one in VARIABLES)
DICTIONARY_HEAD = ("variable", "meaning", "unit", "values", "source", "withheld")


def dictionary(lost: Mapping[str, str]) -> tuple[tuple[str, str, str, str, str, str], ...]:
    """A line for each column, in their order.

    Args:
        lost: for the columns of which something may be withheld, how much of it is in this file, and why.
    """
    return tuple(
        (one.name, one.meaning, str(one.unit), one.values, one.source, lost.get(one.name, "")) for one in VARIABLES
    )
