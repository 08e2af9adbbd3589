"""How much a clinical rule weighs, how well it is supported, and where it was published.

Source: clinical.md, "How to read the evidence marks", C1 (severities), section I (publications). Full texts were not
read there: the medical director of a clinic confirms each rule before it is used.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Severity(StrEnum):
    """What a finding asks of the clinician, the most serious first."""

    STOP = "stop"
    REVIEW = "review"
    WATCH = "watch"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the most serious; what a list is sorted by."""
        return list(Severity).index(self)


SEVERITY_LABELS = {
    Severity.STOP: "Stop",
    Severity.REVIEW: "Review",
    Severity.WATCH: "Watch",
    Severity.INFO: "Info",
}
SEVERITY_MEANS = {
    Severity.STOP: "Do not start, unless a clinician overrides it with a reason.",
    Severity.REVIEW: "A clinician reviews it before the first infusion.",
    Severity.WATCH: "More monitoring.",
    Severity.INFO: "Good to know.",
}


class Mark(StrEnum):
    """How a number or a statement was found."""

    READ = "X"
    SECONDARY = "X2"
    GENERAL = "GK"
    SETTING = "D"


MARK_LABELS = {
    Mark.READ: "read in the named source",
    Mark.SECONDARY: "read in a secondary source",
    Mark.GENERAL: "general knowledge, to be confirmed by the clinic",
    Mark.SETTING: "clinic setting",
}

SOURCES = {
    "P4": "Singh 2016, Am J Psychiatry, doi 10.1176/appi.ajp.2016.16010037",
    "P8": "Ekstrand 2022, Int J Neuropsychopharmacol, PMC9154276",
    "P13": "McIntyre 2020 (CRTCE)",
    "P14": "NCT05004896",
    "P26b": "Andrade 2017, J Clin Psychiatry 78(7) e858-e861",
    "P28": "Szarmach 2020, Neuropsychiatr Dis Treat 16:2539-2551",
    "P29": "Andrashko 2020, Front Psychiatry, doi 10.3389/fpsyt.2020.00844",
    "P30": "Feeney 2023, J Clin Psychiatry 84(1) 22m14491",
    "P31": "Williams 2018, Am J Psychiatry, doi 10.1176/appi.ajp.2018.18020138",
    "G5": "Cohen 2018 (ASRA/AAPM/ASA), Reg Anesth Pain Med 43:521-546",
    "L1": "Esketamine nasal spray, US prescribing information",
    "L4": "Ketamine hydrochloride injection, US prescribing information (2024)",
    "L5": "Ketamine, Swiss product information (67199)",
    "L6": "Ketalar, UK summary of product characteristics",
    "E1": "Trial eligibility, PMC6727003 table 1 (age 55 and over)",
    "E2": "Trial eligibility, NCT04876066",
    "E3": "Trial eligibility, PMC10812090 table 1",
    "E4": "Trial eligibility, PMC6884875 table 1",
    "E5": "Trial eligibility, NCT07139106",
    "E6": "Trial eligibility, NCT02610712",
    "M1": "PHQ-9 (Pfizer; phqscreeners.com)",
    "M16": "C-SSRS triage guidance",
    "M24": "AUDIT-C (primarycare.ementalhealth.ca)",
    "P7": "Anand 2023 (ELEKT-D), N Engl J Med",
    "VA": "US Department of Veterans Affairs criteria, as reported by others",
    "BC": "British Columbia draft standard, as reported by others",
    "Z1": "Joint Clinical Practice Guideline on Benzodiazepine Tapering (2025), table 7: Ashton 2002 and VA/DoD 2021",
    "Z2": "WHO 2009, Withdrawal Management in Closed Settings, table 8",
}
"""Keys as in clinical.md section I; Z1 and Z2 are ours (the dose equivalents of benzodiazepines stand in neither)."""

_KEY = re.compile(r"\b(?:[PGLEMZ]\d{1,2}[a-z]?|VA|BC)\b")


def citations_in(text: str) -> tuple[str, ...]:
    """The publications that a short source line names, in its order: "L1, E4" gives two."""
    return tuple(SOURCES[key] for key in dict.fromkeys(_KEY.findall(text)) if key in SOURCES)
