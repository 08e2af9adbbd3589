"""Following a course: tasks that nobody loses, plans of maintenance, measures sent or waived, care beside, events."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q

from clinic.models import Location
from clinic.models.history import track
from courses.models.courses import Course, Phase, Revision
from courses.models.infusions import Infusion
from courses.models.outcomes import BoosterRuleFields
from patients.models import MeasureLink, Patient
from patients.models.observations import Strikeable, StrikeableQuerySet


class TaskKind(models.TextChoices):
    """One worklist each. What opens and settles them: ``courses.services.worklists``."""

    REVIEW = "review", "Reviews due"
    DROPOUT = "dropout", "Drop-out radar"
    INTERRUPTED = "interrupted", "Courses interrupted"
    BOOSTER = "booster", "Boosters proposed"
    MAINTENANCE = "maintenance", "Maintenance without a booking"
    MAINTENANCE_REVIEW = "maint_review", "Maintenance to review"
    MEASURE = "measure", "Measures overdue"
    LONG_TERM = "long_term", "Long-term checks"
    EXPIRING = "expiring", "Consents and decisions expiring"
    FREED_SLOT = "freed_slot", "Freed times to offer"
    WORSE = "worse", "Worse or in danger"
    MESSAGE = "message", "Messages that failed"


class TaskEnd(models.TextChoices):
    DONE = "done", "Done"
    DECIDED = "decided", "Decided"
    DECLINED = "declined", "Set aside with a reason"
    SETTLED = "settled", "Settled by what happened"


class TaskQuerySet(models.QuerySet["Task"]):
    def open(self) -> TaskQuerySet:
        return self.filter(closed_at__isnull=True)


@track()
class Task(models.Model):
    """Something about a patient that waits for an act. It ends only by one, and says by which.

    ``key`` names the condition ("review:phase 7:after 4"), so that it is opened once however often it is looked for.
    ``text`` says nothing clinical, for the front desk; ``facts`` holds what those may see who read clinical notes.
    """

    kind = models.CharField(max_length=12, choices=TaskKind.choices)
    key = models.CharField(max_length=100, unique=True)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="tasks", null=True, blank=True)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="tasks", null=True, blank=True)
    infusion = models.ForeignKey(Infusion, on_delete=models.CASCADE, related_name="tasks", null=True, blank=True)
    text = models.CharField(max_length=300)
    facts = models.JSONField(default=dict)
    due_on = models.DateField()
    opened_at = models.DateTimeField()
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks"
    )
    later_until = models.DateField(null=True, blank=True, help_text="Put off until this day, with a reason.")
    later_reason = models.CharField(max_length=300, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    closed_how = models.CharField(max_length=8, choices=TaskEnd.choices, blank=True)
    closed_text = models.CharField(max_length=300, blank=True, help_text="By which act, or why.")
    revision = models.ForeignKey(Revision, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["due_on", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_how="", closed_text="")
                | Q(closed_at__isnull=False) & ~Q(closed_how="") & ~Q(closed_text=""),
                name="task_ends_by_an_act",
            ),
            models.CheckConstraint(
                condition=Q(later_until__isnull=True) | ~Q(later_reason=""), name="task_put_off_with_a_reason"
            ),
            models.CheckConstraint(
                condition=~Q(closed_how__in=["done", "decided", "declined"]) | Q(closed_by__isnull=False),
                name="task_act_has_a_person",
            ),
        ]
        indexes = [
            models.Index(fields=["location", "kind", "due_on"], condition=Q(closed_at__isnull=True), name="task_open"),
            models.Index(fields=["-closed_at"], condition=Q(closed_at__isnull=False), name="task_closed_lately"),
            models.Index(fields=["course", "-opened_at"], name="task_by_course"),
            models.Index(fields=["patient", "-opened_at"], name="task_by_patient"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="closed_stays_closed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.closed_at IS NOT NULL AND ((to_jsonb(OLD) - '{patient_id,revision_id}'::text[]) "
                    "IS DISTINCT FROM (to_jsonb(NEW) - '{patient_id,revision_id}'::text[]))"
                ),
            ),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.text


class MaintenanceWay(models.TextChoices):
    STEPS = "steps", "By a plan"
    AS_NEEDED = "as_needed", "As needed"
    NONE = "none", "No more infusions: observe"


@track()
class MaintenancePlan(models.Model):
    """How a course goes on after its series: by a phase with steps, as needed, or not at all, with a review date.

    Source: clinical.md A 19-33, C5 (no single default, so an interval per patient and a mandatory review date).
    """

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="maintenance_plans")
    way = models.CharField(max_length=9, choices=MaintenanceWay.choices)
    phase = models.OneToOneField(
        Phase, null=True, blank=True, on_delete=models.CASCADE, related_name="maintenance_plan"
    )
    review_on = models.DateField("reviewed on")
    reconsent_on = models.DateField("consent renewed by", null=True, blank=True)
    reason = models.CharField(max_length=300)
    decided_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-decided_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["course"], condition=Q(ended_at__isnull=True), name="maintenanceplan_one_in_force"
            ),
            models.CheckConstraint(
                condition=Q(way="steps", phase__isnull=False) | (~Q(way="steps") & Q(phase__isnull=True)),
                name="maintenanceplan_steps_have_a_phase",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | ~Q(ended_reason=""), name="maintenanceplan_ends_with_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return self.get_way_display()


@track()
class CourseBoosterRule(BoosterRuleFields):
    """A course with a booster rule of its own, instead of the location's."""

    course = models.OneToOneField(Course, on_delete=models.CASCADE, related_name="booster_rule")
    reason = models.CharField(max_length=300)

    def __str__(self) -> str:
        return f"booster rule of {self.course}"


class MeasureActKind(models.TextChoices):
    SENT = "sent", "Sent"
    WAIVED = "waived", "Waived"


@track()
class MeasureAct(Strikeable):
    """What was done about a measure that the follow-up schedule asks for. Its ``key`` names the item of the schedule.

    That it was entered is seen from the assessment itself. The key hangs on what the item is anchored to (an infusion,
    a day after the series), never on a date, so it stays the same when an infusion moves.
    """

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="measure_acts")
    key = models.CharField(max_length=60)
    measure = models.SlugField(max_length=20)
    kind = models.CharField(max_length=6, choices=MeasureActKind.choices)
    link = models.ForeignKey(MeasureLink, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "key", "measure"],
                condition=Q(kind="waived", struck_at__isnull=True),
                name="measureact_waived_once",
            ),
            models.CheckConstraint(condition=~Q(kind="waived") | ~Q(reason=""), name="measureact_waived_with_a_reason"),
            models.CheckConstraint(condition=~Q(kind="sent") | Q(link__isnull=False), name="measureact_sent_by_a_link"),
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.get_kind_display().lower()}"


class CareKind(models.TextChoices):
    PSYCHOTHERAPY = "therapy", "Psychotherapy"
    TREATMENT = "treatment", "Other treatment"
    LIFESTYLE = "lifestyle", "Lifestyle goal"
    REFERRAL = "referral", "Referral"


@track()
class CareItem(Strikeable):
    """Care beside the infusions (clinical.md A 63, 116, 117): what, since when, and who is responsible."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="care_items")
    kind = models.CharField(max_length=9, choices=CareKind.choices)
    title = models.CharField("what", max_length=120)
    detail = models.CharField(max_length=500, blank=True)
    responsible = models.CharField("who is responsible", max_length=120)
    started_on = models.DateField("since")
    ended_on = models.DateField("until", null=True, blank=True)
    ended_reason = models.CharField(max_length=300, blank=True)
    on_chart = models.BooleanField("show on the chart", default=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["started_on", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_on__isnull=True) | Q(ended_on__gte=models.F("started_on")),
                name="careitem_ends_after_it_began",
                violation_error_message="It cannot end before it began.",
            )
        ]

    def __str__(self) -> str:
        return self.title


@track()
class CareEntry(Strikeable):
    """One dated entry of a care item: a psychotherapy session that took place, a step towards a goal, an answer."""

    item = models.ForeignKey(CareItem, on_delete=models.CASCADE, related_name="entries")
    day = models.DateField()
    note = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["day", "id"]

    def __str__(self) -> str:
        return f"{self.item}, {self.day}"


class ClinicalEventKind(models.TextChoices):
    """What ends a response at once, whatever the scores say. Source: clinical.md F1 "Relapse"."""

    ADMISSION = "admission", "Psychiatric admission"
    ATTEMPT = "attempt", "Suicide attempt"


@track()
class ClinicalEvent(Strikeable):
    """Something grave that happened to the patient of a course, on a day. What was entered in error is struck."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="clinical_events")
    kind = models.CharField(max_length=9, choices=ClinicalEventKind.choices)
    day = models.DateField()
    note = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(help_text="When it was recorded.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["day", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "kind", "day"],
                condition=Q(struck_at__isnull=True),
                name="clinicalevent_once_a_day",
            ),
            models.CheckConstraint(
                condition=Q(struck_at__isnull=True) | ~Q(struck_reason=""), name="clinicalevent_struck_with_a_reason"
            ),
        ]
        triggers = [pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.day}"
