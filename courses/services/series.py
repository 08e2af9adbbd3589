"""Booking a whole series: everything the person agreed to, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time

from django.db import transaction

from clinic.models import Booking, Location, User
from clinic.pure.roles import Can
from clinic.services.bookings import BookingRefusedError, TimeTakenError, book
from courses.models import (
    Course,
    FirstGap,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    Phase,
    PhaseKind,
    PhaseStep,
    ProtocolVersion,
    RevisionKind,
    RuleOverride,
    VersionStatus,
)
from courses.planning.clock import clock_of
from courses.planning.rules import judge
from courses.planning.settings import PlanSettings
from courses.planning.types import Finding, Instance, Placed, Rule, Verdict
from courses.planning.words import say_count, say_day, say_list, say_moment, say_numbers
from courses.services.closing import latest_closed_course
from courses.services.outcome_terms import latest_definition
from courses.services.planning_input import build_instance, claims_for, last_day_before
from courses.services.readiness_gate import Admission, admit, readiness_before, running
from courses.services.refusals import NotReadyError, OpenCourseError, SeriesRefusedError
from courses.services.revisions import placed_facts, write_revision
from patients.models import Patient, Unavailability
from patients.models.registry import PatientStatus

__all__ = ["NotReadyError", "OpenCourseError", "SeriesRefusedError", "book_series", "judge_now", "visit_of"]


def book_series(
    *,
    patient: Patient,
    settings: PlanSettings,
    placed: Sequence[Placed],
    indication: str,
    prescriber: User,
    by: User,
    now: datetime,
    overrides: Mapping[int, str] | None = None,
    previous: Course | None = None,
    seen_phases: int | None = None,
    pencil: bool = False,
    override_reason: str = "",
) -> Course:
    """The series is booked on chairs and people, as a new course or as the next phase of the open one.

    A new course that is not ready to start is refused, or held until a moment (``Course.pencilled_until``), or let
    through by a clinician; see ``courses.services.readiness_gate``.

    Args:
        placed: what the person saw and agreed to: every infusion with day, start, chair, nurse, clinician.
        indication: what the patient is treated for.
        overrides: infusion number -> reason for letting it stand against a rule of the protocol.
        previous: the closed course of the patient that this one restarts. Without one a new course follows the latest
            closed one of the condition.
        seen_phases: how many phases the open course had when the plan was made, so that a second click adds nothing.
        pencil: where something is missing, hold the times for as long as the clinic's settings say.
        override_reason: why a clinician lets it start although something is missing.

    Raises:
        SeriesRefusedError: not legal, not free any more, or not allowed; then nothing is saved.
        NotReadyError: something must be there before the series starts; it is listed.
        OpenCourseError: an initial series where the patient has an open course for the condition already, or a phase
            that was added meanwhile.
    """
    series, reasons = sorted(placed, key=lambda one: one.number), overrides or {}
    _check_complete(series, settings)
    with _refused_in_words(series), transaction.atomic():
        person = _lock(patient)
        _check_previous(previous, person)
        version = _published(settings.protocol_version_id)
        location = Location.objects.get(pk=settings.location_id)
        running_course = _open_course(person, indication, version, seen_phases)
        asked = _Asked(
            person, settings, series, version, location, running_course, indication, prescriber, previous, by, now
        )
        allowed = _judged_again(person, settings, series, location, running_course, by=by, now=now, reasons=reasons)
        admission = _admitted(asked, pencil=pencil, override_reason=override_reason)
        course = running_course or _new_course(asked, admission)
        admission.write_override(course, by=by, now=now)
        phase = phase_of(course, version, settings)
        infusions = _infusions_of(phase, settings, series, location, person, by=by, now=now)
        _write_overrides(infusions, series, allowed, reasons, by=by, now=now)
        _remember_absences(person, settings)
        _write_booked(asked, course, phase, admission)
        return course


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be booked, read under the lock of the patient. ``course`` None: a new one begins."""

    patient: Patient
    settings: PlanSettings
    series: Sequence[Placed]  # by number
    version: ProtocolVersion
    location: Location
    course: Course | None
    indication: str
    prescriber: User
    previous: Course | None  # that a person restarts
    by: User
    now: datetime


@contextmanager
def _refused_in_words(series: Sequence[Placed]) -> Iterator[None]:
    """What the bookings refuse is said by the infusions of the series."""
    try:
        yield
    except TimeTakenError as refusal:
        numbers = sorted({series[clash.index].number for clash in refusal.clashes})
        message = f"Somebody took the time of {say_numbers(numbers)} meanwhile. Nothing was booked."
        raise SeriesRefusedError(message, clashes=refusal.clashes, taken=numbers) from refusal
    except BookingRefusedError as refusal:
        raise SeriesRefusedError(str(refusal)) from refusal


def _admitted(asked: _Asked, *, pencil: bool, override_reason: str) -> Admission:
    """Whether the patient is ready for this phase, and what lets it begin where they are not."""
    first, location = asked.series[0], asked.location
    readiness = readiness_before(
        asked.patient,
        indication=asked.indication,
        location=location,
        kind=asked.version.protocol.phase_kind,
        course=running(asked.course),
        first_day=first.day,
        now=asked.now,
    )
    starts_at = location.at(first.day, clock_of(first.start_min) or time())
    hold_before = starts_at if pencil and asked.course is None else None
    return admit(readiness, hold_before=hold_before, override_reason=override_reason, by=asked.by, now=asked.now)


def _new_course(asked: _Asked, admission: Admission) -> Course:
    return Course.objects.create(
        patient=asked.patient,
        indication=asked.indication,
        location=asked.location,
        prescriber=asked.prescriber,
        previous=asked.previous or latest_closed_course(asked.patient.pk, asked.indication),
        outcome_definition=latest_definition(),
        pencilled_until=admission.pencilled_until,
        created_at=asked.now,
        created_by=asked.by,
    )


def _write_booked(asked: _Asked, course: Course, phase: Phase, admission: Admission) -> None:
    """The history of the course says what was booked."""
    earlier = course.previous if asked.course is None else None
    is_restart = asked.previous is not None
    write_revision(
        course=course,
        phase=phase,
        kind=RevisionKind.PENCILLED if admission.pencilled_until else RevisionKind.BOOKED,
        summary=_summary(asked.series, earlier, admission, asked.location, is_restart=is_restart),
        by=asked.by,
        now=asked.now,
        after={"infusions": placed_facts(asked.series)},
    )


def _open_course(patient: Patient, indication: str, version: ProtocolVersion, seen_phases: int | None) -> Course | None:
    """The open course that the series would go on; None when it begins a new one.

    Raises:
        OpenCourseError: the series begins a course where there is one, or a phase was added meanwhile.
        SeriesRefusedError: the open course is only pencilled.
    """
    course = Course.objects.open().filter(patient=patient, indication=indication).first()
    if course is None:
        return None
    if version.protocol.phase_kind == PhaseKind.INITIAL:
        raise OpenCourseError(course)
    if seen_phases is not None and course.phases.count() != seen_phases:
        raise OpenCourseError(course)
    if course.pencilled_until is not None:
        raise SeriesRefusedError("The course is only pencilled. Confirm it before you plan what follows.")
    return course


def _check_complete(series: Sequence[Placed], settings: PlanSettings) -> None:
    missing = sorted(set(range(1, settings.n + 1)) - {one.number for one in series})
    if missing:
        raise SeriesRefusedError(f"There is no time for {say_numbers(missing)}; a series is booked whole.")
    if len(series) != settings.n:
        raise SeriesRefusedError(f"The plan has {len(series)} infusions instead of {settings.n}.")
    undated = [one.number for one in series if None in (one.start_min, one.chair_id, one.nurse_id)]
    if settings.clinician_min:
        undated += [one.number for one in series if one.clinician_id is None]
    if undated:
        raise SeriesRefusedError(f"Time, chair or people are missing for {say_numbers(sorted(set(undated)))}.")


def _lock(patient: Patient) -> Patient:
    """The patient's row is held until the end: one person plans for a patient at a time."""
    held = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    if held.merged_into_id is not None:
        raise SeriesRefusedError("This record was merged into another one; plan there.")
    if held.status == PatientStatus.DECEASED:
        raise SeriesRefusedError("This patient has died; nothing can be booked.")
    return held


def _check_previous(previous: Course | None, patient: Patient) -> None:
    if previous is None:
        return
    if previous.patient_id != patient.pk:
        raise SeriesRefusedError("The course to restart belongs to another patient. Start from this patient's course.")
    if Course.objects.open().filter(pk=previous.pk).exists():
        raise SeriesRefusedError("The course to restart is still open. Close it first, or continue it.")


def _published(version_id: int) -> ProtocolVersion:
    version = ProtocolVersion.objects.select_related("protocol").filter(pk=version_id).first()
    if version is None or version.status != VersionStatus.PUBLISHED:
        raise SeriesRefusedError("This version of the protocol is not published any more; choose the current one.")
    return version


def _judged_again(
    patient: Patient,
    settings: PlanSettings,
    series: Sequence[Placed],
    location: Location,
    course: Course | None,
    *,
    by: User,
    now: datetime,
    reasons: Mapping[int, str],
) -> tuple[Finding, ...]:
    """The breaches that a clinician allows, on the free times of this moment; refuses everything else that is wrong."""
    before = last_day_before(course) if course is not None else None
    days = {one.day for one in series}
    instance = build_instance(settings, patient=patient, now=now, location=location, before=before, days=days)
    verdict = judge_now(instance, series, location=location, now=now)
    blocked = [finding for finding in verdict.findings if finding.severity == "block"]
    if blocked:
        taken = {finding.number for finding in blocked if finding.rule is Rule.NOT_FREE}
        message = " ".join(finding.message for finding in blocked)
        raise SeriesRefusedError(message, verdict=verdict, taken=taken)
    unexplained = [finding for finding in verdict.needs_override if not reasons.get(finding.number, "").strip()]
    if unexplained:
        message = " ".join(finding.message for finding in unexplained)
        raise SeriesRefusedError(f"{message} A clinician may allow it with a reason.", verdict=verdict)
    if verdict.needs_override and not by.can(Can.OVERRIDE_RULE):
        raise SeriesRefusedError("Only a clinician may go against a rule of the protocol.", verdict=verdict)
    return verdict.needs_override


def judge_now(instance: Instance, series: Iterable[Placed], *, location: Location, now: datetime) -> Verdict:
    """The judge's verdict about a plan on the free times of an instance."""
    return judge(
        series,
        instance.rule,
        today=location.local(now).date(),
        is_open=instance.free.open_days.__contains__,
        wishes=instance.wishes,
        free=instance.free,
        before=instance.before,
        done=frozenset(instance.fixed),
    )


def phase_of(course: Course, version: ProtocolVersion, settings: PlanSettings) -> Phase:
    """The next phase of the course, with the protocol's steps as they were adapted to this patient."""
    wishes, shape = settings.wishes, settings.shape
    phase = Phase.objects.create(
        course=course,
        kind=version.protocol.phase_kind,
        position=course.phases.count() + 1,
        protocol_version=version,
        n_planned=settings.n,
        not_before=settings.not_before,
        preparation_min=shape.preparation_min,
        infusion_min=shape.infusion_min,
        observation_min=shape.observation_min,
        turnaround_min=shape.turnaround_min,
        earliest_start=clock_of(wishes.earliest_min),
        latest_start=clock_of(wishes.latest_min),
        preferred_start=clock_of(wishes.preferred_min),
        preferred_clinician_id=wishes.clinician_id,
        preferred_nurse_id=wishes.nurse_id,
        preferred_chair_id=wishes.chair_id,
    )
    labels = [step.label for step in version.steps.all()]
    PhaseStep.objects.bulk_create(
        PhaseStep(
            phase=phase,
            position=position,
            label=labels[position - 1] if position <= len(labels) else "",
            count=step.count,
            weekdays=sorted(step.weekdays),
            target_gap_days=step.target_gap_days,
            min_gap_days=step.min_gap_days,
            max_gap_days=step.max_gap_days,
            first_gap=FirstGap(step.first_gap.value),
        )
        for position, step in enumerate(settings.adapted().steps, 1)
    )
    return phase


def _infusions_of(
    phase: Phase,
    settings: PlanSettings,
    series: Sequence[Placed],
    location: Location,
    patient: Patient,
    *,
    by: User,
    now: datetime,
) -> list[Infusion]:
    """Every infusion is booked, through the one door that writes bookings."""
    infusions = Infusion.objects.bulk_create(
        Infusion(phase=phase, number=one.number, status=InfusionStatus.BOOKED, day=one.day) for one in series
    )
    wanted = [claims_for(settings, one, patient=patient, location=location) for one in series]
    bookings = book(wanted, by=by, now=now)
    InfusionVisit.objects.bulk_create(
        visit_of(infusion, booking, settings) for infusion, booking in zip(infusions, bookings, strict=True)
    )
    return infusions


def visit_of(infusion: Infusion, booking: Booking, settings: PlanSettings) -> InfusionVisit:
    """An unsaved visit with the minutes of the settings."""
    shape = settings.shape
    return InfusionVisit(
        infusion=infusion,
        booking=booking,
        preparation_min=shape.preparation_min,
        infusion_min=shape.infusion_min,
        observation_min=shape.observation_min,
        turnaround_min=shape.turnaround_min,
    )


def _write_overrides(
    infusions: Sequence[Infusion],
    series: Sequence[Placed],
    allowed: Iterable[Finding],
    reasons: Mapping[int, str],
    *,
    by: User,
    now: datetime,
) -> None:
    row_of = {infusion.number: infusion for infusion in infusions}
    day_of = {one.number: one.day for one in series}
    RuleOverride.objects.bulk_create(
        RuleOverride(
            infusion=row_of[finding.number],
            rule=finding.rule.value,
            day=day_of[finding.number],
            actual=finding.actual,
            limit=finding.limit,
            message=finding.message[:300],
            reason=reasons[finding.number].strip()[:300],
            at=now,
            by=by,
        )
        for finding in allowed
    )


def _remember_absences(patient: Patient, settings: PlanSettings) -> None:
    """Days that were excluded while planning stay excluded when the series is moved later."""
    wanted = settings.wishes.unavailable
    if not wanted:
        return
    known = Unavailability.objects.filter(
        patient=patient, from_time__isnull=True, first_day__lte=max(wanted), last_day__gte=min(wanted)
    )
    spans = [(one.first_day, one.last_day) for one in known]
    Unavailability.objects.bulk_create(
        Unavailability(patient=patient, first_day=day, last_day=day, note="Said when the series was planned")
        for day in sorted(wanted)
        if not any(first <= day <= last for first, last in spans)
    )


def _summary(
    series: Sequence[Placed], previous: Course | None, admission: Admission, location: Location, *, is_restart: bool
) -> str:
    closed = previous.closed_on if previous is not None else None
    verb = "Restarts" if is_restart else "Follows"
    again = f" {verb} the course that was closed on {say_day(closed)}." if closed is not None else ""
    days = [say_day(series[0].day), *([say_day(series[-1].day)] if len(series) > 1 else [])]
    until = admission.pencilled_until
    how = f"pencilled until {say_moment(location.local(until))}" if until else "booked"
    allowed = " A clinician let it start although something was missing." if admission.override_reason else ""
    return f"{say_count(len(series), 'infusion')} {how}, {say_list(days, last='to')}.{allowed}{again}"
