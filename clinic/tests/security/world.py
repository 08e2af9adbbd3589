"""One of many things in the tables, so that a walk over the product meets pages with content."""

from __future__ import annotations

from dataclasses import dataclass

from clinic.models import User
from clinic.pure.roles import Role
from courses.tests.series_kit import Booked, april, at, book
from courses.tests.stock_kit import make_lot
from patients.models import Patient
from patients.tests.factories import make_medicine, make_patient, make_phone, make_problem, make_request, make_vitals

NOW = at(april(5), "09:00")
"""Mon 5 April 2027: the first infusion of the series is today."""
ODD_NAMES = ('=HYPERLINK("http://evil.example","x")', "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1:A9)", "\t=1+1", "＝1+1")
"""Names that a spreadsheet would run."""


@dataclass(frozen=True)
class Peopled:
    """A clinic with a booked series, and patients with odd names."""

    booked: Booked
    patients: tuple[Patient, ...]

    @property
    def users(self) -> dict[Role, User]:
        return self.booked.clinic.users


def make_peopled() -> Peopled:
    """To be called at NOW."""
    booked = book()
    place, by = booked.clinic.location, booked.clinician
    patients = tuple(
        make_patient(family_name=name, given_name=name, preferred_name=name, home_location=place) for name in ODD_NAMES
    )
    make_phone(patients[0])
    make_medicine(patients[0], ODD_NAMES[0])
    make_problem(patients[0], ODD_NAMES[1])
    make_vitals(patients[0], by)
    make_request(place)
    make_lot(place, by)
    return Peopled(booked, (booked.patient, *patients))
