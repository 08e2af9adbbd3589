"""A clinic with a booked series, for tests about what happens after booking: fixed dates of 2027, local times in New York."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.factories import Clinic, make_clinic
from courses.models import Course, Infusion, ProtocolVersion
from courses.planning.proposals import answer
from courses.services import moves
from courses.services.planning_input import build_instance, settings_from_version
from courses.services.protocols import install_shipped_protocols
from courses.services.series import book_series
from courses.services.series_state import Series, read_series
from patients.models import Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_ready

LONG_BEFORE = datetime(2027, 1, 1, 14, 0, tzinfo=UTC)
NY = ZoneInfo("America/New_York")


def at(day: date, clock: str = "07:00") -> datetime:
    """The instant when New York's clocks show ``clock`` on ``day``."""
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY).astimezone(UTC)


def april(day: int) -> date:
    return date(2027, 4, day)


@dataclass
class Booked:
    """One booked series in one clinic."""

    clinic: Clinic
    patient: Patient
    course: Course

    @property
    def clinician(self) -> User:
        return self.clinic.clinician

    @property
    def desk(self) -> User:
        return self.clinic.desk

    @property
    def nurse(self) -> User:
        return self.clinic.nurse

    @property
    def series(self) -> Series:
        """Read afresh."""
        return read_series(self.course.phases.order_by("-position")[0].pk)

    def infusion(self, number: int) -> Infusion:
        return self.series.row(number).infusion

    def infusion_any(self, number: int) -> int:
        """The id of an infusion, also of one that is no longer planned."""
        return Infusion.objects.get(phase=self.series.phase, number=number).pk

    def make_ready(self, now: datetime) -> None:
        """The patient has everything that a new series asks for."""
        make_ready(self.patient, self.course.indication, self.clinic.location, self.clinician, now)

    def days(self) -> dict[int, date]:
        return {one.number: one.day for one in self.series.plan}

    def starts(self) -> dict[int, int | None]:
        return {one.number: one.start_min for one in self.series.plan}

    def give(self, *numbers: int) -> None:
        """The visits run through all their steps on their day."""
        for number in numbers:
            booking = self.series.row(number).booking
            assert booking is not None
            for step in ("arrived", "in_chair", "observing", "done"):
                bookings.advance(booking.pk, to=BookingStatus(step), by=self.nurse, now=booking.start)
            moves.record_given(booking_id=booking.pk, by=self.nurse, now=booking.end)


def book(
    first: date = date(2027, 4, 5),
    *,
    slug: str = "T-MWF6",
    clinic: Clinic | None = None,
    patient: Patient | None = None,
    n: int | None = None,
    now: datetime | None = None,
) -> Booked:
    """A series by a shipped protocol, first infusion on ``first`` where the clinic is open then."""
    clinic = clinic or make_clinic()
    install_shipped_protocols(now=LONG_BEFORE)
    patient = patient or make_patient(home_location=clinic.location)
    version = (
        ProtocolVersion.objects.prefetch_related("steps")
        .select_related("protocol")
        .get(protocol__slug=slug, status="published")
    )
    settings = settings_from_version(version, location=clinic.location, not_before=first)
    if n is not None:
        settings = settings.adapted(n=n)
    now = now or at(first - timedelta(days=7))
    make_ready(patient, Indication.TRD, clinic.location, clinic.clinician, now)
    found = answer(build_instance(settings, patient=patient, now=now, location=clinic.location))
    course = book_series(
        patient=patient,
        settings=settings,
        placed=found.proposals[0].placed,
        indication=Indication.TRD.value,
        prescriber=clinic.clinician,
        by=clinic.clinician,
        now=now,
    )
    return Booked(clinic, patient, course)
