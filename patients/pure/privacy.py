"""Privacy in words and figures: how long what is kept, who may be given a record, what 42 CFR Part 2 protects.

Every term is a clinic setting [D]; where a rule of the United States names a least, the setting cannot go below it.
State law on medical records differs and usually asks for more: the clinic sets what holds where it works.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

PART_2_NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
"""The short statement that 42 CFR 2.32(a)(2) allows, word for word."""
ERASED = "(erased)"


class Kept(StrEnum):
    """A class of records with a term of its own."""

    MEDICAL = "medical"
    MINOR = "minor"
    DRUG_LOG = "drug_log"
    DOCUMENTS = "documents"
    ACCESS_LOG = "access_log"
    BACKUPS = "backups"


@dataclass(frozen=True, slots=True)
class Term:
    """How long one class is kept: the shipped figure, the least that may be set, and where it is from."""

    kept: Kept
    title: str
    text: str
    unit: str
    usual: int
    least: int
    most: int
    source: str


TERMS = (
    Term(
        Kept.MEDICAL,
        "Medical record of an adult",
        "After the last contact. Messages, scores, consents and files that belong to the record go with it.",
        "years",
        7,
        1,
        99,
        "State medical-record law, mostly 5 to 10 years; set what your state says",
    ),
    Term(
        Kept.MINOR,
        "Medical record of who came as a minor",
        "Not before this age, and not before the term of an adult is over either.",
        "years of age",
        21,
        18,
        40,
        "State medical-record law, mostly majority and 3 years or more",
    ),
    Term(
        Kept.DRUG_LOG,
        "Log of the controlled drug",
        "Lines of the log are never removed. So long it also tells to whom the drug was given.",
        "years",
        2,
        2,
        30,
        "21 CFR 1304.04(a): at least 2 years",
    ),
    Term(
        Kept.DOCUMENTS,
        "Disclosures, erasures, settings and their history",
        "Never removed by Cadence; the accounting of disclosures covers the last 6 years.",
        "years",
        6,
        6,
        99,
        "45 CFR 164.316(b)(2)(i), 164.528(a): 6 years",
    ),
    Term(
        Kept.ACCESS_LOG,
        "Record of who read what",
        "Never removed by Cadence; after an erasure it names the erased record by its number.",
        "years",
        6,
        6,
        99,
        "45 CFR 164.312(b) with 164.316(b)(2)(i): 6 years",
    ),
    Term(
        Kept.BACKUPS,
        "Backups",
        "How long your server keeps them: what was erased stays in older backups until then.",
        "days",
        35,
        1,
        3650,
        "Set it as the backups are set",
    ),
)
TERM_OF = {term.kept: term for term in TERMS}


class Audience(StrEnum):
    """To whom a record is given."""

    PATIENT = "patient"
    PROVIDER = "provider"
    INSURER = "insurer"
    COURT = "court"
    OTHER = "other"


AUDIENCE_LABELS = {
    Audience.PATIENT: "The patient, at their own request",
    Audience.PROVIDER: "Another provider, for treatment",
    Audience.INSURER: "Insurer, for payment",
    Audience.COURT: "Court or authority",
    Audience.OTHER: "Somebody else whom the patient named",
}
TPO = frozenset({Audience.PROVIDER, Audience.INSURER})
"""What a single consent for treatment, payment and health care operations covers (42 CFR 2.31, 2.33)."""


class Basis(StrEnum):
    """Why a record may be erased."""

    OVER = "over"
    LAW = "law"


BASIS_LABELS = {
    Basis.OVER: "The time for which it must be kept is over",
    Basis.LAW: "The law asks for it before that",
}

# ICD-10-CM F10 to F19 without F17: 42 CFR 2.11 leaves tobacco and caffeine out of "substance use disorder".
SUBSTANCE_CODE = re.compile(r"^F1[0-689](\.|$|\d)", re.IGNORECASE)
SUBSTANCE_WORDS = re.compile(
    r"\b(alcoholi(sm|c)|(alcohol|opioid|opiate|cocaine|stimulant|(meth)?amphetamine|cannabis|sedative|hypnotic|"
    r"benzodiazepine|heroin|substance|drug|polysubstance|ketamine)[ -](use disorder|dependence|dependency|abuse|"
    r"addiction|withdrawal|misuse)|addiction|(use|abuse|dependence) of (alcohol|opioids?|drugs?))\b",
    re.IGNORECASE,
)
SUBSTANCE_MEASURES = frozenset({"auditc"})
SUBSTANCE_QUESTIONS = frozenset({"substance_active", "substance_recent"})


def is_substance_problem(description: str, code: str) -> bool:
    """A problem of the list that speaks of a substance use disorder, by its code or its words."""
    return bool(SUBSTANCE_CODE.match(code.strip()) or SUBSTANCE_WORDS.search(description))


def years_after(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def kept_until(*, last_contact: date, first_contact: date, born: date, medical_years: int, minor_age: int) -> date:
    """The last day on which the record must still be there.

    Args:
        last_contact: local day of the latest contact.
        first_contact: of the first one: who was not yet 18 then came as a minor.
        born: date of birth.
        medical_years: term of an adult's record, in years after the last contact.
        minor_age: age until which the record of a minor is kept at least.
    """
    until = years_after(last_contact, medical_years)
    if first_contact < years_after(born, 18):
        until = max(until, years_after(born, minor_age))
    return until
