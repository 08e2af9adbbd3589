"""What a clinic means by response, remission and relapse (versioned, because it judges), and when it follows up."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from clinic.models import Location
from clinic.models.history import track

PERCENT = [MinValueValidator(1), MaxValueValidator(100)]


class OutcomeDefinition(models.Model):
    """One version of the clinic's outcome terms (clinical.md F1). Append-only: editing adds the next number.

    A course keeps the version with which it began (``Course.outcome_definition``); none means the shipped one
    (``courses.pure.outcomes.definitions.SHIPPED``). Scores above zero per measure stand in JSON by the measure's code.
    """

    number = models.PositiveSmallIntegerField(unique=True)
    baseline_days = models.PositiveSmallIntegerField("baseline, at most so many days before infusion 1", default=14)
    after_hours = models.PositiveSmallIntegerField("score after an infusion, at least (hours)", default=20)
    last_days = models.PositiveSmallIntegerField("score after the last infusion, within (days)", default=14)
    improvement_percent = models.PositiveSmallIntegerField("improvement (%)", default=20, validators=PERCENT)
    partial_percent = models.PositiveSmallIntegerField("partial response (%)", default=30, validators=PERCENT)
    response_percent = models.PositiveSmallIntegerField("response (%)", default=50, validators=PERCENT)
    remission_max = models.JSONField("remission, at most", default=dict, help_text='{"phq9": 4, "qids": 5}')
    evaluable_min = models.JSONField("evaluable for response, from", default=dict)
    worsening_points = models.JSONField("worsening, from (points)", default=dict)
    early_last = models.PositiveSmallIntegerField("early: response by infusion", default=2)
    gradual_last = models.PositiveSmallIntegerField("gradual: response by infusion", default=4)
    relapse_readings = models.PositiveSmallIntegerField("relapse: readings below response in a row", default=2)
    relapse_apart_days = models.PositiveSmallIntegerField("relapse: readings apart (days)", default=5)
    relapse_scores = models.JSONField(
        "relapse at once, from (score)", default=dict, help_text="MADRS 22 (P24): optional"
    )
    review_after = models.PositiveSmallIntegerField("ask about non-improvement after infusion", default=4)
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    improvement_percent__gte=1,
                    partial_percent__gte=F("improvement_percent"),
                    response_percent__gt=F("partial_percent"),
                    response_percent__lte=100,
                ),
                name="outcomedefinition_percents_in_order",
                violation_error_message="Improvement, partial response and response must be in this order.",
            ),
            models.CheckConstraint(
                condition=Q(early_last__gte=1, gradual_last__gt=F("early_last")),
                name="outcomedefinition_speeds_in_order",
                violation_error_message="Early must end before gradual does.",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="outcomedefinition_has_a_reason"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"outcome terms, version {self.number}"


class BoosterRuleFields(models.Model):
    """When the product asks about a booster. All values are clinic settings [D]; the person decides, never the rule."""

    is_on = models.BooleanField("watch for boosters", default=True)
    score_from = models.PositiveSmallIntegerField(
        "score back at or above", null=True, blank=True, default=10, help_text="PHQ-9. Empty: not asked."
    )
    gain_lost_percent = models.PositiveSmallIntegerField(
        "of the gain lost (%)", null=True, blank=True, default=50, validators=PERCENT, help_text="Empty: not asked."
    )
    readings = models.PositiveSmallIntegerField("readings in a row", default=2, validators=[MinValueValidator(1)])
    apart_days = models.PositiveSmallIntegerField("readings apart (days)", default=5)

    class Meta:
        abstract = True


@track()
class FollowUpSettings(BoosterRuleFields):
    """How one location follows its courses. A location without a row uses these defaults."""

    location = models.OneToOneField(Location, on_delete=models.CASCADE, related_name="follow_up_settings")
    weekly_weeks = models.PositiveSmallIntegerField("weekly follow-up (weeks)", default=4)  # clinical.md E4
    follow_until_day = models.PositiveSmallIntegerField("then every 2 weeks until day", default=83)  # P1
    grace_days = models.PositiveSmallIntegerField("a measure is overdue after (days)", default=2)
    bladder_days = models.PositiveSmallIntegerField("bladder and craving checks, every (days)", default=30)
    cognition_months = models.PositiveSmallIntegerField("cognition, every (months)", default=6)
    cognition_infusions = models.PositiveSmallIntegerField("... or every so many infusions", default=12)
    many_infusions = models.PositiveSmallIntegerField("cumulative count that is looked at, every", default=12)  # A 131
    many_months = models.PositiveSmallIntegerField("... counted over (months)", default=12)
    review_months = models.PositiveSmallIntegerField("maintenance is reviewed every (months)", default=3)
    reconsent_months = models.PositiveSmallIntegerField("consent is renewed every (months)", default=12)
    expiring_days = models.PositiveSmallIntegerField("warn before something expires (days)", default=14)
    offer_min = models.PositiveSmallIntegerField("an offered time is kept open (min)", default=120)

    def __str__(self) -> str:
        return f"follow-up at {self.location}"
