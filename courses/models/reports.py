"""What the reports read: one row for each course with what it achieved, and what people keep of the reports."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models import Location
from clinic.models.history import track
from courses.models.courses import Course
from courses.models.protocols import ProtocolVersion
from patients.models import Patient
from patients.models.background import INDICATION_CHOICES

__all__ = ["Censored", "CourseResult", "ReportMail", "ReportMonth", "ReportTaken", "ResultDue", "SavedReport"]


class Censored(models.TextChoices):
    """Why a response is followed no further (clinical.md F1, time to relapse)."""

    LAST_SCORE = "last_score", "Last assessment"
    NEXT_SERIES = "next_series", "A new series began"
    DEATH = "death", "Death"


class CourseResult(models.Model):
    """What a course achieved by F1, worked out by ``courses.pure.reports.results`` and kept for the reports.

    Derived: it may be thrown away and worked out anew at any time, so it has no history. Only
    ``courses.services.results`` writes it. A course has a row as soon as its first infusion was given. Percentages are
    unrounded to six places.
    """

    is_derived = True  # merging two records leaves it alone: it follows from the rows that move

    course = models.OneToOneField(Course, on_delete=models.CASCADE, primary_key=True, related_name="result")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="+")
    worked_out_at = models.DateTimeField()
    terms_number = models.PositiveSmallIntegerField(default=0, help_text="Version of the outcome terms; 0: shipped.")

    # By what reports are filtered and grouped.
    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="+")
    prescriber = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    protocol_version = models.ForeignKey(ProtocolVersion, on_delete=models.CASCADE, related_name="+")
    indication = models.CharField(max_length=8, choices=INDICATION_CHOICES)
    status = models.CharField(max_length=12)
    severity = models.CharField(max_length=40, blank=True, help_text="Band of the baseline; empty: no baseline.")
    dose_mg_per_kg = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, help_text="Median of the doses given in the series."
    )
    referrer = models.CharField(
        max_length=160, blank=True, help_text="Of the patient, else of their latest request that names one."
    )
    previous_failures = models.PositiveSmallIntegerField(
        null=True, help_text="Adequate treatments without response before; empty: not recorded."
    )

    # The series.
    started_on = models.DateField(help_text="Local day of the first infusion given.")
    last_on = models.DateField(help_text="Local day of the last infusion given in the series.")
    n_planned = models.PositiveSmallIntegerField()
    n_given = models.PositiveSmallIntegerField(help_text="In the series.")
    n_given_in_all = models.PositiveSmallIntegerField(help_text="Maintenance and boosters included.")
    given_mg = models.DecimalField(
        max_digits=9, decimal_places=1, null=True, help_text="Delivered in all, where recorded; empty: nowhere."
    )
    span_days = models.PositiveSmallIntegerField(help_text="Last less first day, plus 1 (R1).")
    gaps = models.PositiveSmallIntegerField(help_text="Between infusions given in the series.")
    gaps_on_window = models.PositiveSmallIntegerField()
    is_over = models.BooleanField(help_text="Nothing more is given in the series.")
    is_completed = models.BooleanField(help_text="Given at least as many as planned.")
    is_kit_completed = models.BooleanField(help_text="4 to 8 infusions in 7 to 28 days (P20).")
    is_dropped_out = models.BooleanField(help_text="Fewer than planned and none for 14 days without a planned pause.")
    changes_on = models.DateField(
        null=True, help_text="From this local day on it has dropped out unless something is recorded before."
    )

    # By the leading measure.
    measure = models.CharField(max_length=12, blank=True)
    baseline = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    is_evaluable = models.BooleanField(default=False)
    end = models.CharField(max_length=16, help_text="Name of courses.pure.outcomes.terms.End.")
    end_score = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    end_improvement = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    is_remission = models.BooleanField(default=False, help_text="At the end of the series.")
    first_response = models.PositiveSmallIntegerField(null=True, help_text="After which infusion.")
    speed = models.CharField(max_length=8, blank=True, help_text="Name of courses.pure.outcomes.terms.Speed.")
    is_responder_lost = models.BooleanField(default=False)
    has_any_increase = models.BooleanField(default=False, help_text="After an infusion of the series (P20).")
    has_worsened = models.BooleanField(
        default=False, help_text="By the points of the terms, on any day since the start, as the course's page says."
    )
    has_new_danger = models.BooleanField(
        default=False, help_text="Answer about suicide up by 1 or more, on any day since the start."
    )

    # 14 to 31 days after the last infusion of the series (P20): the first score then.
    later_score = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    later_improvement = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    later_end = models.CharField(max_length=16, blank=True, help_text="As ``end``; empty: no score in these days.")
    is_later_remission = models.BooleanField(default=False)

    # How long a response held, in days from the last infusion of the series; empty where there was no response.
    held_days = models.PositiveSmallIntegerField(null=True, help_text="Until relapse, or as long as it was followed.")
    has_relapsed = models.BooleanField(default=False)
    censored_by = models.CharField(max_length=12, choices=Censored.choices, blank=True)
    maintenance_day = models.PositiveSmallIntegerField(
        null=True, help_text="First infusion after the series, in days from its last one: censors there if asked."
    )

    # Safety, of all its infusions that were given.
    infusions_with_effects = models.PositiveSmallIntegerField(default=0)
    infusions_stopped = models.PositiveSmallIntegerField(default=0, help_text="Early, because of a side effect (F1).")
    serious_effects = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-started_on", "-course"]
        constraints = [
            models.CheckConstraint(
                condition=Q(gaps_on_window__lte=F("gaps")), name="courseresult_gaps_on_window_are_gaps"
            ),
            models.CheckConstraint(condition=Q(n_given__gte=1), name="courseresult_something_was_given"),
        ]
        indexes = [
            models.Index(fields=["started_on", "location"], name="courseresult_by_start"),
            models.Index(fields=["changes_on"], condition=Q(changes_on__isnull=False), name="courseresult_changing"),
        ]

    def __str__(self) -> str:
        return f"Result of course {self.course_id}"


class ResultDue(models.Model):
    """Something was written that the results of this patient's courses rest on. Triggers add, the refresher removes.

    The triggers are listed in ``courses.models.result_sources``. Without a unique constraint: two transactions that
    write about one patient never wait for each other here.
    """

    is_derived = True

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="+", db_constraint=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Results of patient {self.patient_id} are due"


class SavedReport(models.Model):
    """A report with its filters under a name, as the person who saved it sees it in the list."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_reports")
    name = models.CharField(max_length=80)
    report = models.CharField(max_length=20)
    query = models.CharField(max_length=600, blank=True, help_text="The filters, as in the address.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                name="savedreport_name_once",
                violation_error_message="You have saved a report under this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


@track()
class ReportMail(models.Model):
    """Somebody is told each month by e-mail that a report is ready. The e-mail has a link and no number."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="report_mails")
    report = models.CharField(max_length=20)
    query = models.CharField(max_length=600, blank=True, help_text="The filters but for the period.")
    location = models.ForeignKey(
        Location, on_delete=models.CASCADE, related_name="+", help_text="Whose first of the month, at 08:00 [D]."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["owner", "report", "id"]
        constraints = [models.UniqueConstraint(fields=["owner", "report", "query", "location"], name="reportmail_once")]

    def __str__(self) -> str:
        return f"{self.report} each month"


class ReportMonth(models.Model):
    """A month of which somebody was told: written before the e-mail leaves, so it leaves once."""

    mail = models.ForeignKey(ReportMail, on_delete=models.CASCADE, related_name="months")
    month = models.DateField(help_text="Its first day.")
    told_at = models.DateTimeField()

    class Meta:
        ordering = ["-month"]
        constraints = [models.UniqueConstraint(fields=["mail", "month"], name="reportmonth_once")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class ReportTaken(models.Model):
    """Somebody took numbers or data out of the reports as a file. Append-only, like the log of readings."""

    at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=80, help_text="The file in words: Outcomes, CSV.")
    about = models.CharField(max_length=300, blank=True, help_text="The filters in words.")
    path = models.CharField(max_length=300)
    courses = models.PositiveIntegerField(null=True, help_text="How many had a row in it; empty: it has sums only.")

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["-at", "-id"], name="reporttaken_by_time")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.what}"
