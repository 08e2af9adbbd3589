"""Whose clocks a patient's page shows: their own, and the clinic's where those differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clinic.models import Location
from patients.models import Patient


@dataclass(frozen=True, slots=True)
class Clocks:
    """The patient's clocks; the filters of templates (``|moment:clocks``) ask for ``local``."""

    zone: ZoneInfo
    place: Location

    def local(self, instant: datetime) -> datetime:
        """On the patient's clocks."""
        return instant.astimezone(self.zone)

    def differ(self, instant: datetime) -> bool:
        """Whether the clinic's clocks show another time then."""
        return instant.astimezone(self.zone).utcoffset() != self.place.local(instant).utcoffset()

    @property
    def town(self) -> str:
        """What the patient's zone is called after: "Los Angeles"."""
        return self.zone.key.rpartition("/")[2].replace("_", " ")


def clocks_of(patient: Patient, place: Location) -> Clocks:
    """The patient's own zone, else that of the location."""
    return Clocks(ZoneInfo(patient.time_zone) if patient.time_zone else place.tz, place)
