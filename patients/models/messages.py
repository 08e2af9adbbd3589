"""Messages: rules that a manager edits, their texts, the outbox, what became of each message, what people answered."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from clinic.models import Booking, Location
from clinic.models.history import track
from patients.models.consents import Channel
from patients.models.registry import Patient
from patients.models.requests import ConsultationRequest

if TYPE_CHECKING:
    from datetime import datetime


class MessageEvent(models.TextChoices):
    """What a message is about. Who knows when it happens registers it: ``patients.services.messages.kinds``."""

    REQUEST_RECEIVED = "request_received", "Request received"
    CONSULTATION = "consultation", "Consultation"
    CONSULTATION_BOOKED = "consultation_booked", "Consultation booked"
    CONSULTATION_MOVED = "consultation_moved", "Consultation moved"
    CONSULTATION_CANCELLED = "consultation_cancelled", "Consultation cancelled"
    CONSULTATION_MISSED = "consultation_missed", "Consultation missed"
    SERIES_BOOKED = "series_booked", "Series of infusions booked"
    SERIES_CHANGED = "series_changed", "Several infusions changed"
    INFUSION = "infusion", "Infusion"
    INFUSION_BOOKED = "infusion_booked", "Infusion booked"
    INFUSION_MOVED = "infusion_moved", "Infusion moved"
    INFUSION_CANCELLED = "infusion_cancelled", "Infusion cancelled"
    INFUSION_MISSED = "infusion_missed", "Infusion missed"
    AFTER_INFUSION = "after_infusion", "After an infusion"
    MEASURE_DUE = "measure_due", "Questionnaire due"
    MAINTENANCE_DUE = "maintenance_due", "Maintenance infusion due"
    BOOSTER_DUE = "booster_due", "Booster proposed"
    REVIEW_DUE = "review_due", "Review due"
    CONSENT_EXPIRING = "consent_expiring", "Consent expires"
    OFFER = "offer", "Freed time offered"
    OFFER_GONE = "offer_gone", "Offered time is gone"
    QUESTIONNAIRE = "questionnaire", "Questionnaire sent by staff"
    SHEET = "sheet", "Sheet for going home"
    MANUAL = "manual", "Written by staff"


@track()
class MessageRule(models.Model):
    """When a message about something goes out at one location. A manager edits it; ``key`` names a shipped one.

    Either ``at`` (that many local days before or after, at a wall-clock time of the *patient's* zone, R11) or
    ``minutes`` (elapsed; negative is before). Source: clinical.md R11, A 99-117, E4.
    """

    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="message_rules")
    key = models.SlugField(max_length=40)
    event = models.CharField(max_length=24, choices=MessageEvent.choices)
    title = models.CharField(max_length=80)
    is_on = models.BooleanField("on", default=True)
    days = models.SmallIntegerField(default=0, help_text="Local days: -2 is two days before, 1 the day after.")
    at = models.TimeField("at (patient's clock)", null=True, blank=True)
    minutes = models.IntegerField(null=True, blank=True, help_text="Elapsed minutes: -120 is two hours before.")
    useful_min = models.PositiveIntegerField(
        "of use for (minutes)", default=720, help_text="Later than so long after its time it is skipped."
    )
    channels = ArrayField(models.CharField(max_length=6, choices=Channel.choices), default=list)
    position = models.PositiveSmallIntegerField(default=0)
    version = models.PositiveIntegerField(default=1, editable=False)

    if TYPE_CHECKING:
        texts: models.QuerySet[MessageText]

    class Meta:
        ordering = ["location", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["location", "key"], name="messagerule_key_unique_at_location"),
            models.CheckConstraint(
                condition=Q(at__isnull=False, minutes__isnull=True) | Q(at__isnull=True, minutes__isnull=False, days=0),
                name="messagerule_clock_or_minutes",
                violation_error_message="Give either a day and a time of day, or minutes before or after.",
            ),
            models.CheckConstraint(condition=~Q(channels=[]), name="messagerule_has_a_channel"),
            models.CheckConstraint(
                condition=Q(days__gte=-400, days__lte=400)
                & (Q(minutes__isnull=True) | Q(minutes__gte=-60 * 24 * 30, minutes__lte=60 * 24 * 30))
                & Q(useful_min__gte=1, useful_min__lte=60 * 24 * 30),
                name="messagerule_offset_plausible",
            ),
        ]

    def __str__(self) -> str:
        return self.title


@track()
class MessageText(models.Model):
    """The words of a rule in one language; names in braces such as {first_name} are filled in when it is sent."""

    rule = models.ForeignKey(MessageRule, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(max_length=8)
    subject = models.CharField(max_length=120)
    email_text = models.TextField("e-mail")
    sms_text = models.CharField("text message", max_length=320)

    class Meta:
        ordering = ["rule", "language"]
        constraints = [models.UniqueConstraint(fields=["rule", "language"], name="messagetext_once_a_language")]

    def __str__(self) -> str:
        return f"{self.rule} ({self.language})"


class MessageState(models.TextChoices):
    PLANNED = "planned", "Planned"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"
    WITHDRAWN = "withdrawn", "Withdrawn"
    TO_CALL = "to_call", "To call"
    CALLED = "called", "Called"


GONE_OUT = (MessageState.SENT, MessageState.DELIVERED, MessageState.CALLED)
"""The patient has it, as far as we can know."""
STILL_OPEN = (MessageState.PLANNED, MessageState.SENDING, MessageState.TO_CALL)


class MessageQuerySet(models.QuerySet["Message"]):
    def due(self, now: datetime) -> MessageQuerySet:
        return self.filter(state=MessageState.PLANNED, due_at__lte=now)


class Message(models.Model):
    """One message of the outbox. ``key`` names what it is for, so it is planned once however often it is looked for.

    ``uid`` is what a provider gets as idempotency key, and what the links in the text are derived from; neither a link
    nor its secret is stored: ``text`` shows "[link]" in its place. What happened, and when, is in ``steps``.
    A worker owns a message while ``claim`` is set; ``attempted_at`` is written before a provider is asked.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=160, unique=True)
    event = models.CharField(max_length=24, choices=MessageEvent.choices)
    rule = models.ForeignKey(MessageRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    patient = models.ForeignKey(Patient, null=True, blank=True, on_delete=models.CASCADE, related_name="messages")
    request = models.ForeignKey(
        ConsultationRequest, null=True, blank=True, on_delete=models.CASCADE, related_name="messages"
    )
    booking = models.ForeignKey(Booking, null=True, blank=True, on_delete=models.PROTECT, related_name="messages")
    about = models.CharField(max_length=80, blank=True, help_text="What it hangs on beside the visit, for its kind.")
    facts = models.JSONField(default=dict, help_text="What its kind keeps: nothing clinical.")
    due_at = models.DateTimeField()
    useful_until = models.DateTimeField()
    state = models.CharField(max_length=9, choices=MessageState.choices, default=MessageState.PLANNED)
    state_at = models.DateTimeField()
    channel = models.CharField(max_length=6, choices=Channel.choices, blank=True)
    to = models.CharField(max_length=254, blank=True)
    language = models.CharField(max_length=8, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    attempted_at = models.DateTimeField(null=True, blank=True, editable=False)
    provider = models.CharField(max_length=20, blank=True)
    provider_id = models.CharField(max_length=80, blank=True)
    error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True, help_text="When its link was first opened by somebody.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = MessageQuerySet.as_manager()

    if TYPE_CHECKING:
        steps: models.QuerySet[MessageStep]

    class Meta:
        ordering = ["-due_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(patient__isnull=False) | Q(request__isnull=False), name="message_has_an_addressee"
            ),
            models.CheckConstraint(
                condition=Q(state="sending", claim__isnull=False, claimed_at__isnull=False)
                | (~Q(state="sending") & Q(claim__isnull=True)),
                name="message_claimed_while_sending",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sent", "delivered"])
                | Q(sent_at__isnull=False) & ~Q(to="") & Q(channel__in=["sms", "email"]),
                name="message_sent_says_where",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=Q(state="planned"), name="message_due"),
            models.Index(fields=["claimed_at"], condition=Q(state="sending"), name="message_claimed"),
            models.Index(fields=["location", "-due_at", "-id"], name="message_by_location"),
            models.Index(fields=["location", "state", "-due_at"], name="message_by_state"),
            # What is still to come, in the order in which it leaves; without it the list reads all that has gone.
            models.Index(
                fields=["location", "due_at", "id"],
                condition=Q(state__in=["planned", "sending"]),
                name="message_to_come",
            ),
            models.Index(fields=["patient", "-due_at"], name="message_by_patient"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="message_by_provider_id"),
        ]
        triggers = [
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="gone_out_stays_gone_out",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.state IN ('sent', 'delivered', 'called') "
                    "AND NEW.state NOT IN ('sent', 'delivered', 'called', 'failed')"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} ({self.get_state_display()})"


class MessageStep(models.Model):
    """What happened to a message: planned, moved, skipped, tried, sent, opened, answered. Append-only."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="steps")
    at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=MessageState.choices)
    text = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["message", "at"], name="messagestep_by_message")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.text


class Meaning(models.TextChoices):
    """What an answer to a text message was taken for."""

    STOP = "stop", "Stop"
    START = "start", "Start again"
    CONFIRM = "confirm", "Confirmed"
    HELP = "help", "Help"
    OTHER = "other", "Something else"


@track()
class IncomingMessage(models.Model):
    """What somebody answered by text message. What is no keyword waits for a person."""

    provider_id = models.CharField(max_length=80, unique=True)
    from_number = models.CharField(max_length=32)
    to_number = models.CharField(max_length=32)
    text = models.CharField(max_length=1600)
    received_at = models.DateTimeField()
    meaning = models.CharField(max_length=7, choices=Meaning.choices)
    patient = models.ForeignKey(
        Patient, null=True, blank=True, on_delete=models.CASCADE, related_name="incoming_messages"
    )
    location = models.ForeignKey(Location, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    handled_at = models.DateTimeField(null=True, blank=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    handled_note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(handled_at__isnull=True), name="incoming_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.get_meaning_display()} from {self.from_number}"
