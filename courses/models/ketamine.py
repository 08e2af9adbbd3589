"""The controlled drug: lots, a log that is only added to, and what was drawn for one infusion.

Invariant 9 of the design: drawn = given + wasted + returned, to 0.1 mg, waste with a witness. The database keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models import Location
from clinic.models.history import track
from courses.models.infusion_day import InfusionRecord


class Drug(models.TextChoices):
    KETAMINE = "ketamine", "Ketamine"
    ESKETAMINE = "esketamine", "Esketamine"


class LotForm(models.TextChoices):
    VIAL = "vial", "Vial"
    DEVICE = "device", "Nasal device"


@track()
class DrugLot(models.Model):
    """One lot of one drug at one location. Its balance is that of its last entry in the log."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="drug_lots")
    drug = models.CharField(max_length=10, choices=Drug.choices, default=Drug.KETAMINE)
    form = models.CharField(max_length=6, choices=LotForm.choices, default=LotForm.VIAL)
    concentration_mg_per_ml = models.DecimalField(
        "concentration (mg/mL)", max_digits=5, decimal_places=1, null=True, blank=True
    )
    content_mg = models.DecimalField("each vial or device contains (mg)", max_digits=7, decimal_places=1)
    lot_number = models.CharField(max_length=40)
    manufacturer = models.CharField(max_length=80, blank=True)
    expires_on = models.DateField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    if TYPE_CHECKING:
        entries: models.QuerySet[StockEntry]

    class Meta:
        ordering = ["location", "drug", "expires_on", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["location", "drug", "lot_number", "content_mg"],
                name="druglot_once",
                violation_error_message="This lot is on the list already.",
            ),
            models.CheckConstraint(
                condition=Q(form="device", concentration_mg_per_ml__isnull=True)
                # Named as not empty: a comparison with nothing is neither true nor false, and a check lets that pass.
                | Q(
                    form="vial",
                    concentration_mg_per_ml__isnull=False,
                    concentration_mg_per_ml__gt=0,
                    concentration_mg_per_ml__lte=200,
                ),
                name="druglot_vials_have_a_concentration",
                violation_error_message="A vial needs its concentration; a device has none.",
            ),
            models.CheckConstraint(condition=Q(content_mg__gt=0), name="druglot_contains_something"),
        ]

    def __str__(self) -> str:
        return f"{self.get_drug_display()} lot {self.lot_number}"


def log_agrees(name: str, draw: str, operation: pgtrigger.Operation) -> pgtrigger.Trigger:
    """At the end of each transaction the lines of the log say what the draw says, whichever of the two was written.

    Args:
        draw: the draw's number, in the words of the trigger.
    """
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.After,
        operation=operation,
        timing=pgtrigger.Deferred,
        level=pgtrigger.Row,
        declare=[("wrong", "BOOLEAN")],
        func=f"""
            SELECT d.drawn_mg <> COALESCE(SUM(e.amount_mg) FILTER (WHERE e.kind = 'drawn'), 0)
                OR COALESCE(d.given_mg, 0) <> COALESCE(SUM(e.amount_mg) FILTER (WHERE e.kind = 'given'), 0)
                OR COALESCE(d.wasted_mg, 0) <> COALESCE(SUM(e.amount_mg) FILTER (WHERE e.kind = 'wasted'), 0)
                OR COALESCE(d.returned_mg, 0) <> COALESCE(SUM(e.amount_mg) FILTER (WHERE e.kind = 'returned'), 0)
                INTO wrong
                FROM courses_drugdraw d LEFT JOIN courses_stockentry e ON e.draw_id = d.id
                WHERE d.id = {draw} GROUP BY d.id;
            IF wrong THEN
                RAISE EXCEPTION 'pgtrigger: the log and the draw must say the same';
            END IF;
            RETURN NULL;
        """,  # noqa: S608 (of two constants)
    )


@track()
class DrugDraw(models.Model):
    """What was taken from one lot for one infusion, and where each 0.1 mg of it went.

    Open until it is reconciled; then the three parts add up to what was drawn.
    """

    record = models.ForeignKey(InfusionRecord, on_delete=models.PROTECT, related_name="draws")
    lot = models.ForeignKey(DrugLot, on_delete=models.PROTECT, related_name="draws")
    drawn_mg = models.DecimalField(max_digits=7, decimal_places=1)
    given_mg = models.DecimalField(max_digits=7, decimal_places=1, null=True, blank=True)
    wasted_mg = models.DecimalField(max_digits=7, decimal_places=1, null=True, blank=True)
    returned_mg = models.DecimalField(max_digits=7, decimal_places=1, null=True, blank=True)
    drawn_at = models.DateTimeField()
    drawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    witness = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["drawn_at", "id"]
        indexes = [models.Index(fields=["drawn_at"], condition=Q(closed_at__isnull=True), name="drugdraw_open")]
        constraints = [
            models.CheckConstraint(condition=Q(drawn_mg__gt=0), name="drugdraw_positive"),
            models.CheckConstraint(
                condition=Q(
                    closed_at__isnull=True,
                    closed_by__isnull=True,
                    given_mg__isnull=True,
                    wasted_mg__isnull=True,
                    returned_mg__isnull=True,
                )
                | Q(
                    closed_at__isnull=False,
                    closed_by__isnull=False,
                    given_mg__isnull=False,
                    wasted_mg__isnull=False,
                    returned_mg__isnull=False,
                    given_mg__gte=0,
                    wasted_mg__gte=0,
                    returned_mg__gte=0,
                    drawn_mg=F("given_mg") + F("wasted_mg") + F("returned_mg"),
                ),
                name="drugdraw_adds_up",
                violation_error_message="Given, wasted and returned must add up to what was drawn.",
            ),
            models.CheckConstraint(
                condition=Q(wasted_mg__isnull=True)
                | Q(wasted_mg=0)
                | (Q(witness__isnull=False) & ~Q(witness=F("closed_by"))),
                name="drugdraw_waste_is_witnessed",
                violation_error_message="Waste needs a witness, who is somebody else.",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="closed_stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.closed_at IS NOT NULL"),
            ),
            pgtrigger.Protect(name="draw_is_kept", operation=pgtrigger.Delete),
            log_agrees("draw_agrees_with_log", "NEW.id", pgtrigger.Insert | pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"{self.drawn_mg} mg drawn"


class StockKind(models.TextChoices):
    RECEIVED = "received", "Received"
    DRAWN = "drawn", "Drawn"
    GIVEN = "given", "Given"
    WASTED = "wasted", "Wasted"
    RETURNED = "returned", "Returned to stock"
    DESTROYED = "destroyed", "Sent for destruction"
    COUNTED = "counted", "Counted"
    CORRECTED = "corrected", "Corrected after a count"


class StockEntry(models.Model):
    """One line of a lot's log. Append-only; a trigger keeps number and running balance unbroken, never below zero.

    ``amount_mg`` is what the line is about, ``change_mg`` what it does to the balance on the shelf: nothing for what
    was given or wasted, since that left the shelf when it was drawn.
    """

    lot = models.ForeignKey(DrugLot, on_delete=models.PROTECT, related_name="entries")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=9, choices=StockKind.choices)
    amount_mg = models.DecimalField(max_digits=9, decimal_places=1)
    change_mg = models.DecimalField(max_digits=9, decimal_places=1)
    balance_mg = models.DecimalField(max_digits=9, decimal_places=1)
    draw = models.ForeignKey(DrugDraw, null=True, blank=True, on_delete=models.PROTECT, related_name="entries")
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    witness = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["lot", "number"]
        verbose_name_plural = "stock entries"
        indexes = [models.Index(fields=["at"], name="stockentry_by_time")]
        constraints = [
            models.UniqueConstraint(fields=["lot", "number"], name="stockentry_number_once"),
            models.CheckConstraint(condition=Q(balance_mg__gte=0), name="stockentry_never_below_zero"),
            models.CheckConstraint(
                condition=Q(kind__in=["received", "returned"], change_mg=F("amount_mg"), amount_mg__gt=0)
                | Q(kind__in=["drawn", "destroyed"], change_mg=-F("amount_mg"), amount_mg__gt=0)
                | Q(kind__in=["given", "wasted"], change_mg=0, amount_mg__gt=0)
                | Q(kind="counted", change_mg=0, amount_mg__gte=0)
                | Q(kind="corrected", amount_mg__gt=0, change_mg=F("amount_mg"))
                | Q(kind="corrected", amount_mg__gt=0, change_mg=-F("amount_mg")),
                name="stockentry_changes_as_its_kind_says",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["drawn", "given", "wasted", "returned"], draw__isnull=False)
                | Q(kind__in=["received", "destroyed", "counted", "corrected"], draw__isnull=True),
                name="stockentry_draws_belong_to_an_infusion",
            ),
            models.CheckConstraint(
                condition=(~Q(kind__in=["wasted", "destroyed", "corrected"]) | Q(witness__isnull=False))
                & (Q(witness__isnull=True) | ~Q(witness=F("by"))),
                name="stockentry_two_people",
                violation_error_message="This needs a second person.",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["destroyed", "corrected"]) | ~Q(reason=""), name="stockentry_says_why"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="balance_runs_on",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("before", "RECORD")],
                func="""
                    PERFORM 1 FROM courses_druglot WHERE id = NEW.lot_id FOR NO KEY UPDATE;
                    SELECT number, balance_mg INTO before FROM courses_stockentry
                        WHERE lot_id = NEW.lot_id ORDER BY number DESC LIMIT 1;
                    IF NEW.number <> COALESCE(before.number, 0) + 1
                       OR NEW.balance_mg <> COALESCE(before.balance_mg, 0) + NEW.change_mg THEN
                        RAISE EXCEPTION 'pgtrigger: the running balance of a lot is unbroken';
                    END IF;
                    IF NEW.draw_id IS NOT NULL AND NOT EXISTS
                            (SELECT 1 FROM courses_drugdraw WHERE id = NEW.draw_id AND lot_id = NEW.lot_id) THEN
                        RAISE EXCEPTION 'pgtrigger: a draw is accounted for in the log of its own lot';
                    END IF;
                    RETURN NEW;
                """,
            ),
            log_agrees("log_agrees_with_draw", "NEW.draw_id", pgtrigger.Insert),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount_mg} mg"


@track()
class Discrepancy(models.Model):
    """A count found more or less than the log says. Open until two people have signed what is known about it."""

    entry = models.OneToOneField(StockEntry, on_delete=models.PROTECT, related_name="discrepancy")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="drug_discrepancies")
    expected_mg = models.DecimalField(max_digits=9, decimal_places=1)
    counted_mg = models.DecimalField(max_digits=9, decimal_places=1)
    opened_at = models.DateTimeField()
    explanation = models.CharField(max_length=500, blank=True)
    is_loss_reported = models.BooleanField("loss or theft was reported (DEA Form 106)", default=False)
    first_at = models.DateTimeField(null=True, blank=True)
    first_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-opened_at", "-id"]
        verbose_name_plural = "discrepancies"
        indexes = [models.Index(fields=["location"], condition=Q(settled_at__isnull=True), name="discrepancy_open")]
        constraints = [
            models.CheckConstraint(condition=~Q(expected_mg=F("counted_mg")), name="discrepancy_differs"),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True, settled_by__isnull=True)
                | (
                    Q(settled_at__isnull=False, settled_by__isnull=False, first_by__isnull=False)
                    & ~Q(settled_by=F("first_by"))
                    & ~Q(explanation="")
                ),
                name="discrepancy_settled_by_two",
                violation_error_message="Two different people sign, with an explanation.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.counted_mg - self.expected_mg:+} mg"
