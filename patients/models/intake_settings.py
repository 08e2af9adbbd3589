"""What a location decides about its intake: wording, limits, prices. Every number here is a clinic setting ([D])."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clinic.models import Location
from clinic.models.history import track


@track()
class IntakeSettings(models.Model):
    """One row a location, made when it is first asked for (``patients.services.intake_settings``)."""

    location = models.OneToOneField(Location, on_delete=models.CASCADE, related_name="intake_settings")
    # the public request page
    takes_requests = models.BooleanField("show the request page", default=True)
    welcome = models.TextField(blank=True)
    hours_text = models.CharField("hours", max_length=200, blank=True)
    privacy_note = models.TextField(blank=True)
    crisis_text = models.TextField("crisis lines", blank=True)
    # consultation
    consultation_min = models.PositiveSmallIntegerField("minutes of a consultation", default=60)
    # screening and readiness
    pressure_profile = models.SlugField(max_length=20, default="default")
    decision_valid_days = models.PositiveSmallIntegerField(default=90)
    consent_valid_days = models.PositiveSmallIntegerField(default=365)
    baseline_max_age_days = models.PositiveSmallIntegerField(default=14)  # clinical.md E4, F1
    pressure_max_age_days = models.PositiveSmallIntegerField(default=30)
    pregnancy_test_max_age_days = models.PositiveSmallIntegerField(default=7)
    benzodiazepine_limit_mg = models.PositiveSmallIntegerField(
        "diazepam equivalent to review (mg a day)",
        default=8,  # clinical.md C2, P29
    )
    substance_window_months = models.PositiveSmallIntegerField(
        "months in which an alcohol or drug use disorder counts as recent",
        default=3,  # clinical.md C1: 3 months (E1, E6); 2 or 6 by severity (E5)
    )
    pencil_hours = models.PositiveSmallIntegerField(
        "hours that a pencilled series is held (0: not allowed)", default=48
    )
    # safety
    escalate_after_min = models.PositiveSmallIntegerField("minutes until a danger alert escalates", default=30)
    link_valid_days = models.PositiveSmallIntegerField("days that a questionnaire link is valid", default=7)
    link_change_hours = models.PositiveSmallIntegerField(
        "hours before a visit until which a link may move or cancel it", default=24
    )
    currency = models.CharField(max_length=3, default="USD")

    class Meta:
        verbose_name_plural = "intake settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(consultation_min__gte=5, consultation_min__lte=480), name="intakesettings_minutes_plausible"
            ),
            models.CheckConstraint(
                condition=Q(decision_valid_days__gte=1, consent_valid_days__gte=1, link_valid_days__gte=1)
                & Q(baseline_max_age_days__gte=1, pressure_max_age_days__gte=1, pregnancy_test_max_age_days__gte=1)
                & Q(escalate_after_min__gte=1),
                name="intakesettings_at_least_one",
            ),
            models.CheckConstraint(
                condition=Q(substance_window_months__gte=1, substance_window_months__lte=24),
                name="intakesettings_window_plausible",
                violation_error_message="Between 1 and 24 months.",
            ),
        ]

    def __str__(self) -> str:
        return f"Intake of {self.location}"


class PriceKind(models.TextChoices):
    CONSULTATION = "consultation", "Consultation"
    INFUSION = "infusion", "Each infusion"
    SERIES = "series", "Once a series"
    OTHER = "other", "Other, not in the estimate"


@track()
class PriceItem(models.Model):
    """One line of a location's price list."""

    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="prices")
    kind = models.CharField(max_length=12, choices=PriceKind.choices)
    label = models.CharField(max_length=120)
    amount = models.DecimalField(max_digits=9, decimal_places=2)
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["location", "position", "id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gte=0), name="priceitem_not_negative")]

    def __str__(self) -> str:
        return self.label
