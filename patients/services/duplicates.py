"""Is this person known already? For the warning while somebody types, and for imports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from django.conf import settings
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import NumberParseException
from rapidfuzz.distance import OSA

from patients.models import Patient, Phone
from patients.pure.names import edits_allowed, tokens

CANDIDATES = 400
SHOWN = 5


class Reason(StrEnum):
    """Why two records may be one person, the strongest first."""

    NAME_AND_BIRTH = "same name and birth date"
    PHONE = "same phone and a similar name"
    EMAIL = "same e-mail and a similar name"
    SIMILAR_NAME = "similar name, same birth date"
    SIMILAR_BIRTH = "same name, birth date nearly the same"
    NAME = "same name, no birth date to compare"


@dataclass(frozen=True, slots=True)
class Similar:
    """A patient of the registry who may be the person in question."""

    patient: Patient
    reason: Reason


def similar_patients(
    *,
    given: str = "",
    family: str = "",
    birth_date: date | None = None,
    phone: str = "",
    exclude: int | None = None,
    limit: int = SHOWN,
) -> list[Similar]:
    """Patients who may be this person, the likeliest first; merged records are left out.

    One query for the birth date, one for the phone. Everything is given as far as it is known, the phone as people
    write it: without a country code it is one of the clinic's own country. ``exclude`` is the record being edited.
    """
    known = Patient.objects.current().exclude(pk=exclude or 0)
    found: dict[int, Patient] = {}
    if birth_date:  # a few dozen patients are born on these days, in a registry of 100,000
        found |= {one.pk: one for one in known.filter(birth_date__in=_confusable(birth_date))[:CANDIDATES]}
    if number := _e164(phone):
        holders = Phone.objects.filter(number=number).values("patient")[:CANDIDATES]
        found |= {one.pk: one for one in known.filter(pk__in=holders)}
    judged = [Similar(one, reason) for one in found.values() if (reason := judge(one, given, family, birth_date))]
    order = list(Reason)
    return sorted(judged, key=lambda one: (order.index(one.reason), one.patient.pk))[:limit]


def judge(patient: Patient, given: str, family: str, birth_date: date | None) -> Reason | None:
    """Why ``patient`` may be the person of that name and birth date; None when most likely somebody else.

    A patient whose birth date is another one is here because of the telephone number.
    """
    theirs = tokens(f"{patient.given_name} {patient.preferred_name}"), tokens(patient.family_name)
    ours = tokens(given), tokens(family)
    same = tokens(patient.given_name) == ours[0] and theirs[1] == ours[1]
    similar = _share(ours[0], theirs[0]) and _share(ours[1], theirs[1])
    if birth_date == patient.birth_date:
        swapped = _share(ours[0], theirs[1]) and _share(ours[1], theirs[0])
        return Reason.NAME_AND_BIRTH if same else Reason.SIMILAR_NAME if similar or swapped else None
    if birth_date and patient.birth_date in _confusable(birth_date):
        return Reason.SIMILAR_BIRTH if same else None
    return Reason.PHONE if similar else None


def _share(ours: list[str], theirs: list[str]) -> bool:
    """At least one word of each is the same, a misspelling of the other, or its beginning (Dan, Daniel)."""
    return any(_alike(one, other) for one in ours for other in theirs)


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long.startswith(short):  # noqa: PLR2004 (an initial is no likeness)
        return True
    return one == other or OSA.distance(one, other) <= edits_allowed(short)


def _confusable(day: date) -> list[date]:
    """``day`` and the days that people write instead: day and month swapped, a neighbouring day, year or decade."""
    if not date.min.year + 10 < day.year < date.max.year - 10:
        return [day]
    found = {day, day - timedelta(days=1), day + timedelta(days=1)}
    parts = [(day.year, day.day, day.month), *((day.year + years, day.month, day.day) for years in (-10, -1, 1, 10))]
    for year, month, number in parts:
        try:
            found.add(date(year, month, number))
        except ValueError:
            continue
    return sorted(found)


def _e164(phone: str) -> str:
    """The number as the registry keeps it; empty when it is none."""
    if not phone:
        return ""
    try:
        number = PhoneNumber.from_string(phone, region=settings.PHONENUMBER_DEFAULT_REGION)
    except NumberParseException:
        return ""
    return str(number.as_e164) if number.is_valid() else ""
