"""The cohort of forty courses in the database, for every test that compares figures of the reports.

``cohort = load_cohort()`` puts the courses of ``courses.tests.cohort_rows.ROWS`` into the tables and works out their
results; ``cohort.courses["01"]`` is one of them, ``ROWS["01"].facts`` what it achieved, reckoned by hand.
Rows are written straight into the tables, so nothing that is tested has written what it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from clinic.models import Booking, BookingKind, BookingStatus, Location, User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from courses.models import (
    AdverseEvent,
    ClinicalEvent,
    Course,
    DoseOrder,
    Infusion,
    InfusionRecord,
    InfusionVisit,
    Phase,
    PhaseStep,
    ProtocolVersion,
    RuleOverride,
    RunEvent,
)
from courses.services.results import work_out_all
from courses.tests.cohort_rows import ROWS, Row
from courses.tests.factories import make_protocol_version
from patients.models import Assessment, Patient, PatientStatus
from patients.tests.factories import make_patient, make_previous_treatment

NOW = datetime(2027, 12, 20, 15, 0, tzinfo=UTC)
"""Mon 20 December 2027, 10:00 in New York and 7:00 in Los Angeles."""
PREPARATION_MIN, INFUSION_MIN = 15, 40
OPEN = ("planned", "active", "interrupted")
BANDS = {
    "phq9": ((20, "Severe"), (15, "Moderately severe"), (10, "Moderate"), (5, "Mild"), (0, "None or minimal")),
    "qids16": ((21, "Very severe"), (16, "Severe"), (11, "Moderate"), (6, "Mild"), (0, "None")),
    "pcl5": ((0, ""),),
}


@dataclass(frozen=True)
class Cohort:
    """Two locations (``places``, Downtown in New York and Harbour in Los Angeles), two prescribers, forty courses."""

    clinic: Clinic  # of Downtown, with a person of each role
    places: Mapping[str, Location]
    prescribers: Mapping[str, User]
    versions: Mapping[str, ProtocolVersion]  # by protocol
    courses: Mapping[str, Course]  # by the key in ROWS
    now: datetime = NOW


def load_cohort(rows: Mapping[str, Row] = ROWS, *, is_worked_out: bool = True) -> Cohort:
    """The rows stand in the database as they would on Mon 20 December 2027, with their results.

    Args:
        rows: by key; all forty unless said otherwise.
        is_worked_out: without, everybody is due and no result is there.
    """
    clinic = make_clinic()
    places = {"Downtown": clinic.location, "Harbour": make_location("Harbour", time_zone="America/Los_Angeles")}
    prescribers = {"Hart": clinic.clinician, "Osei": make_user(Role.CLINICIAN, username="osei", last_name="Osei")}
    kit = {"min_gap_days": 1, "max_gap_days": 14, "target_gap_days": 4}
    weekly = {"min_gap_days": 6, "max_gap_days": 8, "target_gap_days": 7}
    versions = {
        "T-MWF6": make_protocol_version("T-MWF6"),
        "IV-KIT": make_protocol_version("IV-KIT", n=8, step=kit),
        "M-W4": make_protocol_version("M-W4", kind="maintenance", n=4, step=weekly),
    }
    people: dict[str, Patient] = {}
    courses = {}
    for key, row in rows.items():
        name = row.person or f"Case {key}"
        if name not in people:
            people[name] = _patient(row, name, places[row.place])
        loading = _Loading(row, people[name], places[row.place], prescribers[row.prescriber], clinic.nurse, versions)
        courses[key] = loading.load()
    if is_worked_out:
        work_out_all(NOW)
    return Cohort(clinic, places, prescribers, versions, courses)


def _patient(row: Row, name: str, place: Location) -> Patient:
    died = date.fromisoformat(row.start) + timedelta(days=row.died) if row.died is not None else None
    patient = make_patient(
        name,
        "Cohort",
        home_location=place,
        referrer=row.referrer,
        status=PatientStatus.DECEASED if died else PatientStatus.ACTIVE,
        deceased_on=died,
    )
    for adequate, outcome in row.treatments:
        make_previous_treatment(patient, adequate=adequate, outcome=outcome)
    return patient


@dataclass(frozen=True)
class _Loading:
    row: Row
    patient: Patient
    place: Location
    prescriber: User
    nurse: User
    versions: Mapping[str, ProtocolVersion]

    def load(self) -> Course:
        row = self.row
        course = Course.objects.create(
            patient=self.patient,
            indication=row.indication,
            location=self.place,
            prescriber=self.prescriber,
            status=row.status,
            closed_on=None if row.status in OPEN else self._day(max(row.days)) + timedelta(days=1),
            created_at=self._at(-7),
            created_by=self.prescriber,
        )
        series = self._phase(course, "initial", 1, self.versions[row.protocol], row.n)
        for number, day in enumerate(row.days, start=1):
            self._give(series, number, day)
        self._ungiven(series)
        if row.maintenance:
            phase = self._phase(course, "maintenance", 2, self.versions["M-W4"], 4)
            for number, day in enumerate(row.maintenance, start=1):
                self._give(phase, number, day)
        if row.admitted is not None:
            day = self._day(row.admitted)
            ClinicalEvent.objects.create(course=course, kind="admission", day=day, at=NOW, by=self.nurse)
        self._scores()
        return course

    def _day(self, offset: int) -> date:
        return date.fromisoformat(self.row.start) + timedelta(days=offset)

    def _at(self, offset: int, clock: str = "10:00") -> datetime:
        return self.place.at(self._day(offset), time.fromisoformat(clock))

    def _phase(self, course: Course, kind: str, position: int, version: ProtocolVersion, n: int) -> Phase:
        minutes = {"preparation_min": PREPARATION_MIN, "infusion_min": INFUSION_MIN}
        phase = Phase.objects.create(
            course=course,
            kind=kind,
            position=position,
            protocol_version=version,
            n_planned=n,
            observation_min=60,
            turnaround_min=10,
            **minutes,
        )
        step = version.steps.get()
        PhaseStep.objects.create(
            phase=phase,
            count=n,
            weekdays=step.weekdays,
            target_gap_days=step.target_gap_days,
            min_gap_days=step.min_gap_days,
            max_gap_days=step.max_gap_days,
        )
        return phase

    def _visit(self, infusion: Infusion, day: int, outcome: str, status: BookingStatus) -> InfusionVisit:
        start = self._at(day)
        booking = Booking.objects.create(
            kind=BookingKind.INFUSION,
            status=status,
            location=self.place,
            subject=self.patient.resource,
            span=(start, start + timedelta(minutes=125)),
            created_at=self._at(-7),
        )
        return InfusionVisit.objects.create(
            infusion=infusion,
            booking=booking,
            outcome=outcome,
            preparation_min=PREPARATION_MIN,
            infusion_min=INFUSION_MIN,
            observation_min=60,
            turnaround_min=10,
        )

    def _give(self, phase: Phase, number: int, day: int) -> None:
        row = self.row
        infusion = Infusion.objects.create(phase=phase, number=number, status="given", day=self._day(day))
        if phase.kind == "initial":
            for tried, outcome in row.tries.items():
                if row.days[number - 2] < tried < day:
                    self._visit(infusion, tried, outcome, BookingStatus(outcome))
        visit = self._visit(infusion, day, "given", BookingStatus.DONE)
        if phase.kind == "initial" and (row.mg or number in row.effects):
            self._record(visit, number, day)

    def _record(self, visit: InfusionVisit, number: int, day: int) -> None:
        """Ordered, started at 10:15, ended at 10:55 or stopped before, with its side effects."""
        row = self.row
        began = self._at(day, "10:15")
        record = InfusionRecord.objects.create(visit=visit, opened_at=began, opened_by=self.nurse)
        if row.mg:
            order = self._order(record, Decimal(row.mg[number - 1]), Decimal(row.kg[number - 1]), day)
            known = {"record": record, "by": self.nurse, "received_at": began}
            RunEvent.objects.create(kind="start", at=began, order=order, **known)
            ran = row.stopped_after_min.get(number)
            reason = {"kind": "stop", "reason": "Anxious", "is_for_adverse_event": True} if ran else {"kind": "end"}
            RunEvent.objects.create(at=began + timedelta(minutes=ran or INFUSION_MIN), **reason, **known)
        for is_serious in row.effects.get(number, ()):
            AdverseEvent.objects.create(
                record=record,
                code="anxiety",
                onset_at=began,
                severity="severe" if is_serious else "mild",
                is_serious=is_serious,
                outcome="resolved",
                recorded_at=began,
                recorded_by=self.nurse,
            )

    def _order(self, record: InfusionRecord, mg: Decimal, kg: Decimal, day: int) -> DoseOrder:
        return DoseOrder.objects.create(
            record=record,
            basis="total_mg",
            amount=mg,
            weight_kg=kg,
            weight_on=self._day(day),
            infusion_min=INFUSION_MIN,
            dose_mg=mg,
            contains_mg=mg,
            concentration_mg_per_ml=Decimal(10),
            volume_ml=mg / 10,
            at=self._at(day),
            by=self.prescriber,
        )

    def _ungiven(self, series: Phase) -> None:
        """Those planned and not given: booked where the row says so, else owed, or cancelled with a closed course."""
        row = self.row
        booked = iter(row.booked.items())
        for number in range(len(row.days) + 1, row.n + 1):
            day, reason = next(booked, (None, ""))
            if day is None:
                status = "planned" if row.status in OPEN else "cancelled"
                Infusion.objects.create(phase=series, number=number, status=status)
                continue
            infusion = Infusion.objects.create(phase=series, number=number, status="booked", day=self._day(day))
            self._visit(infusion, day, "open", BookingStatus.BOOKED)
            known = {"rule": "gap_too_long", "message": "26 days after the one before", "at": NOW}
            RuleOverride.objects.create(
                infusion=infusion, day=self._day(day), reason=reason, by=self.prescriber, **known
            )

    def _scores(self) -> None:
        row = self.row
        valid = [
            self._score(code, day, total)
            for code in ("phq9", "pcl5", "qids16")
            for day, total in getattr(row, code).items()
        ]
        struck = [self._score("phq9", day, total, is_struck=True) for day, total in row.struck.items()]
        Assessment.objects.bulk_create([*valid, *struck])

    def _score(self, code: str, day: int, total: int, *, is_struck: bool = False) -> Assessment:
        at = self._at(day, self.row.clocks.get(day, "07:00"))
        danger = self.row.item9.get(day) if code == "phq9" else None
        return Assessment(
            patient=self.patient,
            measure=code,
            taken_at=at,
            source="staff",
            answers={} if danger is None else {"9": danger},
            score=Decimal(total),
            band=next(band for least, band in BANDS[code] if total >= least),
            recorded_at=at,
            recorded_by=self.nurse,
            struck_at=at if is_struck else None,
            struck_by=self.nurse if is_struck else None,
            struck_reason="Entered for another patient" if is_struck else "",
        )


def only(*keys: str) -> dict[str, Row]:
    """Some of the forty rows, for a smaller cohort: ``load_cohort(only("01", "17"))``."""
    return {key: ROWS[key] for key in keys}


def patients_of(courses: Iterable[Course]) -> set[int]:
    """The ids of their patients."""
    return {course.patient_id for course in courses}
