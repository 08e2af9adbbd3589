"""The courses as rows: phases, steps, infusions, visits; then consents, decisions, reviews and plans of maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from clinic.models import User
from courses.models import ProtocolVersion
from courses.planning.settings import PlanSettings
from courses.services.demo.scale.bookings import Attempt, status_now
from courses.services.demo.scale.bulk import Progress, analyze, copy, execute
from courses.services.demo.scale.place import Site
from courses.services.demo.scale.plan import SERIES, UPKEEP, Dose, Planner, Treatment
from courses.services.planning_input import settings_from_version
from patients.models import ConsentText

STEP = 2_000
REASONS = {"stopped": "Side effects", "lost": "Not reached any more", "transferred": "Moved away"}
CONFIRMED_EVERY = 3
TWENTY_DAYS = timedelta(days=20)

VISITS = """
INSERT INTO courses_infusionvisit
    (id, infusion_id, booking_id, preparation_min, infusion_min, observation_min, turnaround_min, outcome, reason, at,
     by_id)
SELECT id, infusion_id, id, 20, 40, 60, 15,
       CASE status WHEN 'done' THEN 'given' WHEN 'missed' THEN 'missed' WHEN 'withheld' THEN 'withheld' ELSE 'open' END,
       CASE status WHEN 'withheld' THEN 'Pressure too high' ELSE '' END,
       CASE WHEN status IN ('done', 'missed', 'withheld') THEN starts + interval '2 hours' END,
       CASE WHEN status IN ('done', 'missed', 'withheld') THEN user_id END
FROM visit WHERE kind = 'infusion' ORDER BY id
"""

# By course: the patient, the first and the last infusion of the series that was given, whether the series is over.
BEGUN = """
CREATE TEMP TABLE begun ON COMMIT DROP AS
SELECT c.id, c.patient_id, c.prescriber_id, c.status, c.closed_on, c.location_id, p.id AS phase_id, p.n_planned,
       min(i.day) AS first, max(i.day) AS last, count(*) AS n,
       NOT bool_or(i.status IN ('booked', 'missed', 'withheld')) AS is_over
FROM courses_course c
JOIN courses_phase p ON p.course_id = c.id AND p.kind = 'initial'
JOIN courses_infusion i ON i.phase_id = p.id AND i.status IN ('given', 'booked', 'missed', 'withheld')
GROUP BY c.id, p.id
"""

# A consent holds for a year: it is renewed before a maintenance that goes on for longer.
CONSENTS = """
INSERT INTO patients_consent
    (method, signed_on, signer_name, signer_relation, signature, recorded_at, expires_on, withdrawn_reason, patient_id,
     recorded_by_id, text_id)
SELECT 'screen', first - 10, 'As shown', '', '[[[80, 520], [430, 560]]]', (first - 10)::timestamp, first + 355, '',
       b.patient_id, b.prescriber_id, t.id
FROM begun b JOIN patients_consenttext t ON t.location_id = b.location_id
WHERE first - 10 < %(today)s;
"""
DECISIONS = """
INSERT INTO patients_screeningdecision
    (indication, outcome, conditions, reason, pressure_profile, findings, signed_at, expires_on, patient_id,
     signed_by_id)
SELECT 'trd', 'fit', '', '', 'default', '[]', (first - 9)::timestamp, first + 81, patient_id, prescriber_id
FROM begun WHERE first - 9 < %(today)s
"""

# Of twenty courses whose series is over: half by a plan, six as needed, two observed, two that nobody decided about.
PLANS = """
INSERT INTO courses_maintenanceplan
    (course_id, way, phase_id, review_on, reconsent_on, reason, decided_at, decided_by_id, ended_at, ended_by_id,
     ended_reason)
SELECT b.id, CASE WHEN p.id IS NOT NULL THEN 'steps' WHEN b.id %% 10 < 6 THEN 'as_needed' ELSE 'none' END, p.id,
       b.last + 120, b.last + 360, 'As agreed at the end of the series', b.last::timestamp + interval '26 hours',
       b.prescriber_id, b.closed_on::timestamp, CASE WHEN b.closed_on IS NOT NULL THEN b.prescriber_id END,
       CASE WHEN b.closed_on IS NOT NULL THEN 'Course closed.' ELSE '' END
FROM begun b LEFT JOIN courses_phase p ON p.course_id = b.id AND p.kind = 'maintenance'
WHERE b.is_over AND b.status IN ('active', 'completed')
  AND (p.id IS NOT NULL OR (b.id %% 10 <> 9 AND b.last < %(today)s - 1))
"""

# What the reviews of series came to that ended more than four days ago.
REVIEWED = """
INSERT INTO courses_task
    (kind, key, patient_id, location_id, course_id, text, facts, due_on, opened_at, later_reason, closed_at,
     closed_by_id, closed_how, closed_text)
SELECT 'review', 'review:' || b.phase_id || ':end', b.patient_id, b.location_id, b.id,
       'Review at the end of the series.',
       jsonb_build_object('phase', b.phase_id, 'point', 'end', 'after', b.n_planned, 'n', b.n_planned), b.last + 1,
       b.last::timestamp + interval '20 hours', '', b.last::timestamp + interval '2 days', b.prescriber_id, 'decided',
       'Looked at with the patient: goes on as planned'
FROM begun b
WHERE b.is_over AND b.last < %(today)s - 4
"""


def protocols_of(site: Site, today: date) -> Mapping[str, PlanSettings]:
    """How the shipped protocols are planned, by their names."""
    versions = ProtocolVersion.objects.filter(protocol__slug__in={*SERIES, *UPKEEP}).select_related("protocol")
    return {
        one.protocol.slug: settings_from_version(one, location=site.location, not_before=today)
        for one in versions.prefetch_related("steps")
    }


def write_courses(planner: Planner, sites: Sequence[Site], now: datetime, progress: Progress) -> list[Attempt]:
    """The courses are planned and written, but for their visits; returns these."""
    courses: list[Treatment] = []
    for course in planner.courses():
        courses.append(course)
        if len(courses) % STEP == 0:
            progress("courses planned and judged", len(courses), planner.size.courses)
    progress("courses planned and judged", len(courses), planner.size.courses)
    attempts: list[Attempt] = []
    phases: list[tuple[Any, ...]] = []
    steps: list[tuple[Any, ...]] = []
    infusions: list[tuple[Any, ...]] = []
    for course in courses:
        for position, part in enumerate(course.stretches, 1):
            phase, settings = len(phases) + 1, part.settings
            shape, kind = settings.shape, "maintenance" if settings.continues else "initial"
            phases.append(
                (
                    *(phase, course.number, kind, position, settings.protocol_version_id, settings.n, part.not_before),
                    *(shape.preparation_min, shape.infusion_min, shape.observation_min, shape.turnaround_min),
                )
            )
            steps += [
                (phase, number, "", step.count, sorted(step.weekdays), step.target_gap_days, step.min_gap_days,
                 step.max_gap_days, step.first_gap.value)
                for number, step in enumerate(settings.steps, 1)
            ]  # fmt: skip
            for dose in part.doses:
                number = len(infusions) + 1
                status = _attempts(course, dose, number, sites[course.site], now, attempts)
                infusions.append((number, phase, dose.number, status, dose.day))
    columns: tuple[str, ...] = (
        "id",
        "patient_id",
        "indication",
        "location_id",
        "prescriber_id",
        "status",
        "previous_id",
        "closed_on",
    )
    columns += ("closed_reason", "closed_to", "created_at", "created_by_id")
    copy("courses_course", columns, (_course(one, sites[one.site]) for one in courses))
    columns = ("id", "course_id", "kind", "position", "protocol_version_id", "n_planned", "not_before")
    columns += ("preparation_min", "infusion_min", "observation_min", "turnaround_min")
    copy("courses_phase", columns, phases)
    columns = ("phase_id", "position", "label", "count", "weekdays", "target_gap_days", "min_gap_days", "max_gap_days")
    copy("courses_phasestep", (*columns, "first_gap"), steps)
    progress("infusions", copy("courses_infusion", ("id", "phase_id", "number", "status", "day"), infusions))
    return attempts


def _attempts(course: Treatment, dose: Dose, number: int, site: Site, now: datetime, into: list[Attempt]) -> str:  # noqa: PLR0917 (one caller)
    """The visits of one infusion; returns how the infusion stands at this moment."""
    for day, slot, how in dose.failed:
        into.append(Attempt(number, course.patient, course.site, day, slot, how))
    if dose.day is None or dose.status not in {"given", "booked"}:
        return str(dose.status)
    status = status_now(site, dose.day, dose.slot, now)
    shown = "confirmed" if status == "booked" and number % CONFIRMED_EVERY == 0 else status
    into.append(Attempt(number, course.patient, course.site, dose.day, dose.slot, shown))
    return "given" if status == "done" else "booked"


def _course(one: Treatment, site: Site) -> tuple[Any, ...]:
    prescriber = site.starters[one.number % len(site.starters)].pk
    begun = one.series.not_before - TWENTY_DAYS
    return (
        *(one.number, one.patient, "trd", site.location.pk, prescriber, one.status, one.previous, one.closed_on),
        *(REASONS.get(one.status, ""), "Northside Clinic" if one.status == "transferred" else ""),
        *(f"{begun} 15:00+00", prescriber),
    )


def write_visits_of_courses(progress: Progress) -> None:
    """Each attempt at an infusion belongs to its booking; reads ``visit``."""
    progress("infusion visits", execute(VISITS, {}))
    analyze(["courses_course", "courses_phase", "courses_infusion", "courses_infusionvisit", "clinic_booking"])


def write_care(sites: Sequence[Site], today: date, progress: Progress) -> None:
    """Consents, decisions, plans and reviews; ``begun`` says for later steps which course has begun and when."""
    now = timezone.now()
    for site in sites:
        by: User = site.starters[0]
        ConsentText.objects.create(
            location=site.location,
            version=1,
            title="Treatment with ketamine",
            body="As shown.",
            created_at=now,
            published_at=now,
            published_by=by,
        )
    values = {"today": today}
    execute(BEGUN, values)
    analyze(["begun"])
    for what, statement in (
        ("consents", CONSENTS),
        ("screening decisions", DECISIONS),
        ("plans of maintenance", PLANS),
        ("reviews", REVIEWED),
    ):
        progress(what, execute(statement, values))
