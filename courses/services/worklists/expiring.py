"""Consents, re-consents of maintenance and signed decisions that expire while a course is open.

A decision says until when a series may start by it, so it is watched only until the first infusion is given, and only
where that one is booked later than it lasts or not booked at all (``patients.pure.readiness.judge_phase`` asks later
phases for none). Source: clinical.md G (consent), C1 (decision).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile

from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet

from courses.models import Course, FollowUpSettings, Infusion, InfusionStatus, MaintenancePlan, Task, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_day
from courses.services.worklists.engine import Wanted
from courses.services.worklists.measures import base_of, once_more
from patients.models import Consent, ScreeningDecision
from patients.services.screening import opens_on

RENEWED_WITHIN = timedelta(days=90)
"""[D] A consent signed so shortly before the day by which maintenance asks for a new one is that new one."""


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    sight = _Sight.of(now, _near_the_end(now, course_id))
    return once_more([one for course in sight.courses for one in sight.wanted(course)])


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:
    if not tasks:
        return {}
    sight = _Sight.of(now, Course.objects.filter(pk__in={task.course_id for task in tasks}))
    by_id = {course.pk: course for course in sight.courses}
    said = {}
    for task in tasks:
        course = by_id.get(task.course_id or 0)
        text = sight.what_happened(course, task.key) if course is not None else ""
        if text:
            said[task.pk] = text
    return said


# -- which courses -----------------------------------------------------------------------------------------------------


def _near_the_end(now: datetime, course_id: int | None) -> QuerySet[Course]:
    """Open courses of which something ends soon or has ended; which of it still counts, ``_Sight`` knows."""
    longest = FollowUpSettings.objects.aggregate(most=Max("expiring_days"))["most"] or 0
    horizon = now.date() + timedelta(days=max(longest, FollowUpSettings(location_id=0).expiring_days) + 1)
    mine = {"patient": OuterRef("patient"), "expires_on__lte": horizon}
    consents = Consent.objects.filter(**mine, text__location=OuterRef("location"), withdrawn_at__isnull=True)
    plans = MaintenancePlan.objects.filter(course=OuterRef("pk"), ended_at__isnull=True, reconsent_on__lte=horizon)
    begun = Infusion.objects.filter(phase__course=OuterRef("pk"), status=InfusionStatus.GIVEN)
    decisions = ScreeningDecision.objects.filter(**mine, indication=OuterRef("indication"))
    courses = Course.objects.filter(
        Q(Exists(consents)) | Q(Exists(plans)) | Q(Exists(decisions)) & ~Q(Exists(begun)),
        status__in=OPEN_COURSE_STATUSES,
    )
    return courses if course_id is None else courses.filter(pk=course_id)


@dataclass(frozen=True, slots=True)
class _Dates:
    """When the infusions of a course are."""

    first_given: date | None = None
    first_booked: date | None = None


@dataclass(frozen=True, slots=True)
class _Sight:
    """Everything that expires about some courses, in six queries whatever their number."""

    now: datetime
    courses: Sequence[Course]
    consents: Mapping[tuple[int, int], Sequence[Consent]]  # patient and location: all, the latest first
    decisions: Mapping[tuple[int, str], ScreeningDecision]  # patient and condition: the latest
    plans: Mapping[int, Sequence[MaintenancePlan]]
    settings: Mapping[int, FollowUpSettings]
    dates: Mapping[int, _Dates]

    @classmethod
    def of(cls, now: datetime, courses: QuerySet[Course]) -> _Sight:
        found = list(courses.select_related("location").order_by("pk"))
        patients, ids = {course.patient_id for course in found}, [course.pk for course in found]
        consents: dict[tuple[int, int], list[Consent]] = defaultdict(list)
        signed = Consent.objects.filter(patient__in=patients).annotate(place=F("text__location_id"))
        for one in signed.defer("signature").order_by("-signed_on", "-id"):
            consents[one.patient_id, one.place].append(one)
        latest = ScreeningDecision.objects.filter(patient__in=patients).defer("findings")
        latest = latest.order_by("patient_id", "indication", "-signed_at", "-id").distinct("patient_id", "indication")
        plans: dict[int, list[MaintenancePlan]] = defaultdict(list)
        for plan in MaintenancePlan.objects.filter(course__in=ids):
            plans[plan.course_id].append(plan)
        rows = Infusion.objects.filter(phase__course__in=ids).order_by().values("phase__course")
        days = rows.annotate(
            given=Min("day", filter=Q(status=InfusionStatus.GIVEN)),
            booked=Min("day", filter=Q(status=InfusionStatus.BOOKED)),
        )
        places = FollowUpSettings.objects.filter(location__in={course.location_id for course in found})
        return cls(
            now=now,
            courses=found,
            consents=consents,
            decisions={(one.patient_id, one.indication): one for one in latest},
            plans=plans,
            settings={one.location_id: one for one in places},
            dates={row["phase__course"]: _Dates(row["given"], row["booked"]) for row in days},
        )

    def wanted(self, course: Course) -> Iterable[Wanted]:
        limit = self._limit(course)
        yield from self._wanted_consent(course, limit)
        yield from self._wanted_renewal(course, limit)
        yield from self._wanted_decision(course, limit)

    def _wanted_consent(self, course: Course, limit: date) -> Iterable[Wanted]:
        consent = self._consent(course)
        if consent is not None and consent.expires_on <= limit:
            text = f"The treatment consent {self._ends(course, consent.expires_on)}: have it signed again."
            yield self._task(course, f"consent:{consent.pk}", text, consent.expires_on)

    def _wanted_renewal(self, course: Course, limit: date) -> Iterable[Wanted]:
        plan = self._plan(course)
        day = plan.reconsent_on if plan is not None else None
        if plan is not None and day is not None and day <= limit and self._renewed_for(course, day) is None:
            text = f"Maintenance asks for a new consent by {say_day(day)}: have it signed again."
            yield self._task(course, f"reconsent:{plan.pk}", text, day)

    def _wanted_decision(self, course: Course, limit: date) -> Iterable[Wanted]:
        decision = self._decision(course)
        day = decision.expires_on if decision is not None else None
        if decision is not None and day is not None and day <= limit and not self._begins_in_time(course, decision):
            text = f"The signed decision {self._ends(course, day)}, before the series begins: have a new one signed."
            yield self._task(course, f"decision:{decision.pk}", text, day)

    def what_happened(self, course: Course, key: str) -> str:
        """By which act a task is settled; empty while its condition holds."""
        if course.status not in OPEN_COURSE_STATUSES:
            return f"The course was closed: {course.get_status_display().lower()}."
        kind, _, number = base_of(key).partition(":")
        said = {"consent": self._of_consent, "reconsent": self._of_plan, "decision": self._of_decision}
        return said[kind](course, int(number))

    def _of_consent(self, course: Course, pk: int) -> str:
        current = self._consent(course)
        if current is not None and current.pk != pk:
            return f"Renewed: signed on {say_day(current.signed_on)}, valid to {say_day(current.expires_on)}."
        if any(one.pk == pk and one.withdrawn_at is not None for one in self._all(course)):
            return "The consent was withdrawn."
        return ""

    def _of_plan(self, course: Course, pk: int) -> str:
        plan = self._plan(course)
        if plan is None or plan.pk != pk or plan.reconsent_on is None:
            return "The plan of maintenance was changed."
        consent = self._renewed_for(course, plan.reconsent_on)
        return f"Renewed: signed on {say_day(consent.signed_on)}." if consent is not None else ""

    def _of_decision(self, course: Course, pk: int) -> str:
        decision = self._decision(course)
        if decision is None or decision.pk != pk:
            signed = f" on {say_day(course.location.local(decision.signed_at).date())}" if decision else ""
            return f"A new decision was signed{signed}."
        if not self._begins_in_time(course, decision):
            return ""
        dates = self.dates.get(course.pk, _Dates())
        if dates.first_given is not None:
            return f"The series began on {say_day(dates.first_given)}."
        booked = dates.first_booked
        return f"The series begins on {say_day(booked)}, while the decision lasts." if booked is not None else ""

    # -- what counts ----------------------------------------------------------------------------------------------

    def _limit(self, course: Course) -> date:
        settings = self.settings.get(course.location_id) or FollowUpSettings(location_id=course.location_id)
        return course.location.local(self.now).date() + timedelta(days=settings.expiring_days)

    def _all(self, course: Course) -> Sequence[Consent]:
        return self.consents.get((course.patient_id, course.location_id), ())

    def _standing(self, course: Course) -> list[Consent]:
        """A withdrawal also ends whatever was signed before it, as everywhere."""
        return list(takewhile(lambda one: one.withdrawn_at is None, self._all(course)))

    def _consent(self, course: Course) -> Consent | None:
        return max(self._standing(course), key=lambda one: (one.expires_on, one.signed_on, one.pk), default=None)

    def _renewed_for(self, course: Course, day: date) -> Consent | None:
        return next((one for one in self._standing(course) if one.signed_on >= day - RENEWED_WITHIN), None)

    def _plan(self, course: Course) -> MaintenancePlan | None:
        return next((plan for plan in self.plans.get(course.pk, ()) if plan.ended_at is None), None)

    def _decision(self, course: Course) -> ScreeningDecision | None:
        return self.decisions.get((course.patient_id, course.indication))

    def _begins_in_time(self, course: Course, decision: ScreeningDecision) -> bool:
        dates = self.dates.get(course.pk, _Dates())
        booked = dates.first_booked
        return dates.first_given is not None or (booked is not None and opens_on(decision, booked))

    def _ends(self, course: Course, day: date) -> str:
        verb = "expired" if day < course.location.local(self.now).date() else "expires"
        return f"{verb} on {say_day(day)}"

    def _task(self, course: Course, key: str, text: str, due_on: date) -> Wanted:
        return Wanted(
            kind=TaskKind.EXPIRING,
            key=key,
            location_id=course.location_id,
            text=text,
            due_on=due_on,
            patient_id=course.patient_id,
            course_id=course.pk,
        )
