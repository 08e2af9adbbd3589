"""Who read what."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models

from clinic.models.places import Resource


class AccessLog(models.Model):
    """One reading of one patient's record. Append-only: the database refuses to change or delete a row."""

    at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    subject = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="readings")
    page = models.CharField(max_length=80)
    path = models.CharField(max_length=300)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["subject", "-at"], name="accesslog_by_subject"),
            models.Index(fields=["user", "-at"], name="accesslog_by_user"),
            models.Index(fields=["-at"], name="accesslog_by_time"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.page}"
