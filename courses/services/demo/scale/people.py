"""The patients: names combined by counting, so that every data set has the same people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from clinic.models import ResourceKind
from courses.services.demo.scale.bulk import Progress, copy, execute
from courses.services.demo.scale.names import name_of
from courses.services.demo.scale.place import Site
from courses.services.demo.scale.size import Size
from patients.pure.names import search_columns

FIRST_RESOURCE = 1_000_000
"""The resource of the first patient; those of chairs and staff come before it."""
FIRST_MRN = 10_001
OLDEST, AGES_IN_DAYS = date(1940, 1, 1), 23_000  # the youngest was born in 2002
STEP = 5_000
NO_MAIL_EVERY = 10  # is reached by text message only
REFERRERS = ("Dr. Lena Fischer", "Dr. Omar Haddad", "Hudson Psychiatry", "Self", "Dr. Priya Nair", "Lakeview Clinic")

PHONES = """
INSERT INTO patients_phone (patient_id, number, kind, is_primary)
SELECT id, '+1212' || lpad((2000000 + (id - 1) * 61 %% 7999999)::text, 7, '0'), 'mobile', true FROM patients_patient
"""
CONSENTS = """
INSERT INTO patients_contactconsent (patient_id, channel, granted, value, scope, source, note, at)
SELECT id, channel, true, '', 'Appointments and questionnaires', 'On the consent form', '', created_at
FROM patients_patient CROSS JOIN (VALUES ('sms'), ('email')) AS said (channel)
WHERE channel = 'sms' OR email <> ''
"""
CONDITIONS = """
INSERT INTO patients_treatedcondition (patient_id, indication)
SELECT DISTINCT patient_id, indication FROM courses_course
"""


def phone_of(number: int) -> str:
    return f"+1212{2_000_000 + (number - 1) * 61 % 7_999_999:07d}"


def site_of(patient: int) -> int:
    """At which location (by its place in the list) a patient is at home."""
    return patient % 3


def write_people(size: Size, sites: Sequence[Site], first: date, progress: Progress) -> None:
    """Patients 1 to N, their telephones, and that they agreed to be written to."""
    joined = datetime.combine(first, datetime.min.time()) - timedelta(days=30)

    def resources() -> Iterator[Sequence[Any]]:
        for number in range(1, size.patients + 1):
            yield FIRST_RESOURCE + number, ResourceKind.PATIENT.value, f"MRN {FIRST_MRN + number - 1}", 1, 0, True, ""

    def patients() -> Iterator[Sequence[Any]]:
        for number in range(1, size.patients + 1):
            given, family = name_of(number - 1)
            mrn = str(FIRST_MRN + number - 1)
            found = search_columns(
                given_name=given, family_name=family, preferred_name="", mrn=mrn, phones=[phone_of(number)]
            )
            born = OLDEST + timedelta(days=(number - 1) * 7919 % AGES_IN_DAYS)
            mail = f"p{number}@patients.example" if number % NO_MAIL_EVERY else ""
            home = sites[site_of(number)].location.pk
            yield (
                *(number, FIRST_RESOURCE + number, mrn, given, family, born, ("female", "male", "unknown")[number % 3]),
                *(mail, home, REFERRERS[number // 3 % len(REFERRERS)], f"{joined}+00", found.text, found.keys),
            )
            if number % STEP == 0 or number == size.patients:
                progress("patients", number, size.patients)

    columns: tuple[str, ...] = ("id", "kind", "name", "lanes", "position", "is_active", "note")
    copy("clinic_resource", columns, resources())
    columns = ("id", "resource_id", "mrn", "given_name", "family_name", "birth_date", "sex", "email")
    columns += ("home_location_id", "referrer", "created_at", "search_name", "search_keys")
    copy("patients_patient", columns, patients())
    execute(PHONES, {})
    execute(CONSENTS, {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('patients_mrn', %s)", [FIRST_MRN + size.patients - 1])
