"""Two records of one person made into one, and how to undo that."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from patients.models.registry import Patient


@track()
class Merge(models.Model):
    """``duplicate`` was merged into ``kept``. ``moved`` names every row that changed hands: it can be undone."""

    kept = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="merges_kept")
    duplicate = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="merges_given_up")
    moved = models.JSONField(default=dict, help_text="Table -> ids of the rows that moved; field -> value before.")
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(kept=F("duplicate")), name="merge_of_two_records"),
            models.UniqueConstraint(
                fields=["duplicate"], condition=Q(undone_at__isnull=True), name="merge_gives_up_a_record_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.duplicate_id} into {self.kept_id}"
