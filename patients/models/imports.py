"""Imports of patients: what was read, what came of it, which rows were refused and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models


class ImportSource(models.TextChoices):
    GENERIC = "generic", "Generic table (CSV or XLSX)"
    SYNTHEA = "synthea", "Synthea"


class ImportState(models.TextChoices):
    UPLOADED = "uploaded", "Uploaded"
    CHECKED = "checked", "Checked"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused, nothing was saved"
    FAILED = "failed", "Failed, nothing was saved"


class DuplicateChoice(models.TextChoices):
    """What happens to a row with the name and birth date of a patient who is known under another id."""

    SKIP = "skip", "Leave it out and list it"
    IMPORT = "import", "Import it and list it"


class DateOrder(models.TextChoices):
    """How a date such as 3/7/1985 is read where a file does not tell by itself."""

    MONTH_FIRST = "mdy", "Month first: 3/7/1985 is 7 March"
    DAY_FIRST = "dmy", "Day first: 3/7/1985 is 3 July"


class ImportRun(models.Model):
    """One file on its way into the registry."""

    source = models.CharField(max_length=8, choices=ImportSource.choices)
    state = models.CharField(max_length=8, choices=ImportState.choices, default=ImportState.UPLOADED)
    file_name = models.CharField(max_length=200)
    file = models.FileField(upload_to="imports/", blank=True)
    conditions_file = models.FileField(upload_to="imports/", blank=True)
    allergies_file = models.FileField(upload_to="imports/", blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    encoding = models.CharField(max_length=24, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    columns = models.JSONField(default=list, help_text="The columns of the file, in order.")
    mapping = models.JSONField(default=dict, help_text="Our field -> column of the file.")
    date_order = models.CharField(max_length=3, choices=DateOrder.choices, default=DateOrder.MONTH_FIRST)
    id_system = models.CharField(
        "system the ids come from", max_length=40, blank=True, help_text="So that ids of two systems are not mixed up."
    )
    duplicates = models.CharField(max_length=6, choices=DuplicateChoice.choices, default=DuplicateChoice.SKIP)
    good_rows_only = models.BooleanField(default=False, help_text="Import the good rows even if others are refused.")
    is_dry_run = models.BooleanField(default=False)
    rows_total = models.PositiveIntegerField(default=0)
    rows_read = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    likely_duplicates = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="Problems and allergies: created, updated, unchanged.")
    message = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        refusals: models.QuerySet[ImportRefusal]

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def percent(self) -> int:
        return 100 * self.rows_read // self.rows_total if self.rows_total else 0


class RefusalKind(models.TextChoices):
    REFUSED = "refused", "Refused"
    DUPLICATE = "duplicate", "Likely duplicate"


class ImportRefusal(models.Model):
    """One row that was not imported, or was imported with a doubt, and why."""

    kind = models.CharField(max_length=9, choices=RefusalKind.choices, default=RefusalKind.REFUSED)
    file_name = models.CharField(max_length=200, blank=True, help_text="Empty: the file with the patients.")
    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="refusals")
    row = models.PositiveIntegerField(help_text="Line of the file, the header being 1.")
    column = models.CharField(max_length=80, blank=True)
    value = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["row", "id"]

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"
