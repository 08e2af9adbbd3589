"""What an import can fill in, and which column of somebody's table that most likely is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patients.pure.names import tokens


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that an import can fill in."""

    name: str
    label: str
    called: tuple[str, ...]  # how headers name it, normalised; the label counts too
    hint: str = ""


TARGETS = (
    Target(
        "external_id",
        "Id in the other system",
        ("id", "patient id", "patientid", "external id", "mrn", "record number", "chart number", "chart no", "account"),
        "Lets a second import find the same patient. Without it, name and birth date do.",
    ),
    Target("given_name", "Given name", ("first", "first name", "firstname", "given", "forename", "vorname", "fname")),
    Target("family_name", "Family name", ("last", "last name", "lastname", "surname", "family", "nachname", "lname")),
    Target(
        "full_name",
        "Full name",
        ("name", "patient", "patient name", "full name", "fullname"),
        "“Silva, Ana” or “Ana Silva”; only where the two parts are not columns of their own.",
    ),
    Target("preferred_name", "Preferred name", ("nickname", "preferred", "known as", "goes by", "chosen name")),
    Target("pronouns", "Pronouns", ()),
    Target("birth_date", "Birth date", ("birthdate", "date of birth", "dob", "born", "birthday", "geburtsdatum")),
    Target("sex", "Sex for clinical use", ("sex", "gender", "legal sex", "sex at birth")),
    Target("deceased_on", "Date of death", ("deathdate", "died", "deceased", "date of death", "deceased on", "dod")),
    Target("mobile", "Mobile phone", ("phone", "cell", "cell phone", "mobile", "mobile number", "phone number", "tel")),
    Target("home_phone", "Home phone", ("home", "home tel", "home number", "landline", "phone home")),
    Target("work_phone", "Work phone", ("work", "work tel", "work number", "phone work", "office phone")),
    Target("email", "E-mail", ("email", "e mail", "mail", "email address", "e mail address")),
    Target(
        "address", "Street address", ("address", "street", "address 1", "address line 1", "address1", "street address")
    ),
    Target("city", "City", ("city", "town")),
    Target("region", "State or region", ("state", "region", "province", "county")),
    Target("postal_code", "Postal code", ("zip", "zip code", "zipcode", "postcode", "postal", "plz")),
    Target("country", "Country (two letters)", ("country", "country code")),
    Target("language", "Language (code)", ("language", "preferred language", "lang")),
    Target("emergency_name", "Emergency contact", ("emergency contact name", "emergency name", "next of kin")),
    Target("emergency_relation", "Relation", ("emergency relation", "relationship", "emergency contact relation")),
    Target("emergency_phone", "Phone of the emergency contact", ("emergency phone", "emergency contact phone")),
    Target("insurance_note", "Insurance note", ("insurance", "payer", "payor", "insurance plan", "insurer")),
    Target("referrer", "Referred by", ("referrer", "referring provider", "referral source", "referred")),
)
BY_NAME = {target.name: target for target in TARGETS}
LABELS = {target.name: target.label for target in TARGETS}
NEVER_SHOWN = re.compile(
    r"(?i)ssn|social.?sec|passport|driver|licen[cs]e|credit|card.?n|iban|password|tax.?(id|n)|national.?id"
)
"""Columns whose contents an import neither takes nor shows."""


def header_words(column: str) -> str:
    """A header as people mean it: "DateOfBirth", "date_of_birth" and "Date of birth:" are the same."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    return " ".join(tokens(spaced.replace("_", " ")))


def guess_mapping(columns: Iterable[str], remembered: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our names -> columns of the file. What was ``remembered`` from a file with these columns comes first.

    A column is used once. A full name is not used where given and family name have columns of their own.
    """
    by_words = {header_words(column): column for column in reversed(list(columns))}
    known = set(by_words.values())
    found = {name: column for name, column in (remembered or {}).items() if name in BY_NAME and column in known}
    for target in TARGETS:
        used = set(found.values())
        for words in (header_words(target.label), target.name.replace("_", " "), *target.called):
            column = by_words.get(words)
            if target.name not in found and column and column not in used and not NEVER_SHOWN.search(column):
                found[target.name] = column
    if {"given_name", "family_name"} <= found.keys():
        found.pop("full_name", None)
    return found


def missing_targets(mapping: Mapping[str, str]) -> list[str]:
    """What no patient can be registered without and no column stands for; in words."""
    missing = []
    if "full_name" not in mapping:
        missing += [LABELS[name] for name in ("given_name", "family_name") if name not in mapping]
    return missing + ([] if "birth_date" in mapping else [LABELS["birth_date"]])


def mapping_problems(mapping: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    """Why a file with these columns cannot be read with this mapping; empty when it can. One sentence each."""
    problems = [
        f"No column stands for “{label}”. Choose it below, or add it to the file." for label in missing_targets(mapping)
    ]
    problems += [f"The file has no column “{column}”." for column in mapping.values() if column not in columns]
    used = list(mapping.values())
    twice = sorted({column for column in used if used.count(column) > 1})
    problems += [f"The column “{column}” is chosen for two things. Choose it once." for column in twice]
    problems += [
        f"The column “{column}” is not imported: identity and payment numbers stay out of Cadence."
        for column in used
        if NEVER_SHOWN.search(column)
    ]
    return problems
