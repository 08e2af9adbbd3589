"""What follows the demo's series: reviews decided, maintenance, care beside, the waiting list, a freed time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db.models import QuerySet

from clinic.models import Location, User
from courses.models import (
    CareKind,
    Course,
    InfusionStatus,
    InfusionVisit,
    MaintenanceWay,
    PhaseKind,
    Task,
    TaskKind,
    VisitOutcome,
)
from courses.pure.outcomes.terms import SHIPPED
from courses.services import moves, reviews
from courses.services.boosters import BY_PATIENT, ask_for_booster
from courses.services.care import add_care, add_entry
from courses.services.demo.place import Site
from courses.services.maintenance_plan import Decision, decide_plan
from courses.services.outcome_terms import values_of, write_next_version
from courses.services.waiting import put_on_list
from courses.services.worklists.engine import put_off, sweep, take_task

REVIEWED_AFTER, RENEWED_AFTER = timedelta(days=63), timedelta(days=360)
CARE = (
    (CareKind.PSYCHOTHERAPY, "Cognitive behavioural therapy", "weekly", "Dr. Ellen Marsh, outside"),
    (CareKind.LIFESTYLE, "Sleep", "in bed at 23:00, no screen after 22:00", "patient"),
    (CareKind.REFERRAL, "Sleep laboratory", "suspected sleep apnoea", "front desk"),
    (CareKind.TREATMENT, "Sertraline raised to 150 mg", "", "referring psychiatrist"),
)
SESSIONS = ("Began", "Behavioural activation", "Weekly plan kept")


def review(course_id: int, *, by: User, now: datetime) -> None:
    """What the protocol asks to be looked at by now goes on as planned."""
    sweep(now, course_id=course_id, kinds=[TaskKind.REVIEW])
    for task in Task.objects.open().filter(kind=TaskKind.REVIEW, course=course_id).order_by("due_on", "pk"):
        if Task.objects.open().filter(pk=task.pk).exists():  # deciding a later point ends the earlier ones
            reviews.continue_as_planned(task.pk, note="Looked at with the patient", by=by, now=now)


def plan_maintenance(course: Course, way: MaintenanceWay, *, by: User, now: datetime) -> None:
    """The prescriber says how it goes on; a maintenance that is booked becomes the plan."""
    today = course.location.local(now).date()
    decision = Decision(
        way=way,
        review_on=today + REVIEWED_AFTER,
        reason="Response held; agreed with the patient",
        reconsent_on=today + RENEWED_AFTER,
        adopt=way == MaintenanceWay.STEPS,
    )
    decide_plan(course.pk, decision, seen_plan=None, by=by, now=now)


def own_terms(*, by: User, now: datetime) -> None:
    """The clinic's own outcome terms: courses that begin from then on are judged by them, the others as before."""
    values = values_of(SHIPPED) | {"relapse_apart_days": 7, "relapse_scores": {"madrs": 22.0}}
    why = "Scores come once a week here; MADRS of 22 or more counts as a relapse at once (P24)"
    write_next_version(values=values, reason=why, expected=0, by=by, now=now)


def live(sites: Sequence[Site], now: datetime) -> None:
    """What the pages of follow-up show on the day of loading; then every list is looked for once."""
    for site in sites:
        place = site.location
        running = list(
            Course.objects.open()
            .filter(location=place, phases__infusions__status=InfusionStatus.GIVEN)
            .distinct()
            .order_by("pk")
        )
        _care(running[1::4], place, site.clinicians[0], now)
        _waiting(running[-9::3], site.desk, now)
        _cancelled(place, site.desk, now)
        _away(place, site.desk, now)
        if running:
            wish = "Feels the effect fading, asks for one more"
            ask_for_booster(running[0].pk, by_whom=BY_PATIENT, reason=wish, by=site.desk, now=now)
    sweep(now)
    _owned(sites[0], now)


def _care(courses: Sequence[Course], place: Location, by: User, now: datetime) -> None:
    today = place.local(now).date()
    for turn, course in enumerate(courses):
        kind, title, detail, responsible = CARE[turn % len(CARE)]
        began = today - timedelta(days=21 + turn)
        values = {"kind": kind, "title": title, "detail": detail, "responsible": responsible, "started_on": began}
        item = add_care(course.pk, values=values, by=by, now=now)
        if kind == CareKind.PSYCHOTHERAPY:
            for week, note in enumerate(SESSIONS):
                add_entry(item.pk, day=began + timedelta(days=7 * week), note=note, by=by, now=now)


def _waiting(courses: Sequence[Course], by: User, now: datetime) -> None:
    for turn, course in enumerate(courses):
        note = ("Lives round the corner", "Can leave work early", "")[turn % 3]
        put_on_list(course.pk, weekdays=[0, 1, 2, 3, 4], notice_hours=3 + turn, note=note, by=by, now=now)


def _cancelled(place: Location, by: User, now: datetime) -> None:
    """Somebody cannot come tomorrow or the day after: the time is free, and their infusion waits for another."""
    visit = _ahead(place, now, days=3).filter(infusion__phase__kind=PhaseKind.INITIAL).first()
    if visit is not None:
        moves.cancel_infusion(visit.infusion_id, reason="Has a cold", by=by, now=now)


def _away(place: Location, by: User, now: datetime) -> None:
    """Somebody in maintenance is on a journey: their next infusion is due this week and has no time."""
    visit = _ahead(place, now, days=6).filter(infusion__phase__kind=PhaseKind.MAINTENANCE).last()
    if visit is not None:
        moves.cancel_infusion(visit.infusion_id, reason="On a journey, back next week", by=by, now=now)


def _ahead(place: Location, now: datetime, *, days: int) -> QuerySet[InfusionVisit]:
    """Firm visits from tomorrow on, the first ones first."""
    return InfusionVisit.objects.filter(
        booking__location=place,
        outcome=VisitOutcome.OPEN,
        booking__span__startswith__gte=_from(place, now, 1),
        booking__span__startswith__lt=_from(place, now, 1 + days),
        infusion__phase__course__pencilled_until__isnull=True,
    ).order_by("booking__span", "pk")


def _from(place: Location, now: datetime, days: int) -> datetime:
    day: date = place.local(now).date() + timedelta(days=days)
    return place.at(day, datetime.min.time())


def _owned(site: Site, now: datetime) -> None:
    """Some tasks have somebody who looks after them, one waits until next week."""
    rows = Task.objects.open().filter(location=site.location)
    for task in rows.filter(kind=TaskKind.DROPOUT).order_by("pk")[:2]:
        take_task(task.pk, by=site.desk, now=now)
    for task in rows.filter(kind=TaskKind.DROPOUT).order_by("-pk")[:1]:
        until = site.location.local(now).date() + timedelta(days=4)
        put_off(task.pk, until=until, reason="On holiday, called back for Monday", by=site.desk, now=now)
    for task in rows.filter(kind=TaskKind.REVIEW).order_by("pk")[:2]:
        take_task(task.pk, by=site.clinicians[0], now=now)
