"""Requests: somebody asks for a consultation, and what the front desk did about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Location
from clinic.models.history import track
from patients.models.background import INDICATION_CHOICES
from patients.models.registry import Patient

if TYPE_CHECKING:
    from patients.models.consultations import Consultation


class RequestStatus(models.TextChoices):
    """Where a request stands; the first five are the columns of the desk's board."""

    NEW = "new", "New"
    CONTACTED = "contacted", "Contacted"
    BOOKED = "booked", "Booked"
    SEEN = "seen", "Seen"
    DECIDED = "decided", "Decided"
    CLOSED = "closed", "Closed"


OPEN_REQUEST_STATUSES = (RequestStatus.NEW, RequestStatus.CONTACTED, RequestStatus.BOOKED, RequestStatus.SEEN)


class RequestSource(models.TextChoices):
    WEB = "web", "Web page"
    PHONE = "phone", "Phone"
    REFERRAL = "referral", "Referral"
    WALK_IN = "walk_in", "At the desk"


class CloseReason(models.TextChoices):
    SPAM = "spam", "Spam"
    DUPLICATE = "duplicate", "Asked twice"
    NOT_REACHED = "not_reached", "Could not be reached"
    DECLINED = "declined", "Decided against it"
    UNSUITABLE = "unsuitable", "Not what this clinic treats"
    OTHER = "other", "Another reason"


class PartOfDay(models.TextChoices):
    ANY = "any", "Any time"
    MORNING = "morning", "Mornings"
    AFTERNOON = "afternoon", "Afternoons"


class VisitMode(models.TextChoices):
    IN_PERSON = "in_person", "In person"
    VIDEO = "video", "Video"


class DangerAnswer(models.TextChoices):
    """Whether somebody who asks thinks of harming themselves or another person today."""

    NOT_ASKED = "not_asked", "Not asked"
    NO = "no", "No"
    YES = "yes", "Yes"
    NOT_SAID = "not_said", "Rather not say"


class RequestQuerySet(models.QuerySet["ConsultationRequest"]):
    def open(self) -> RequestQuerySet:
        return self.filter(status__in=OPEN_REQUEST_STATUSES)


@track()
class ConsultationRequest(models.Model):
    """Somebody asks for a consultation. ``patient`` is set when the registry knows them (or got to know them).

    ``owner`` owes the next step, since ``status_since``; nobody in particular while it is empty. ``submission`` comes
    with the form, so that one form sent twice is one request.
    """

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="requests")
    source = models.CharField(max_length=8, choices=RequestSource.choices, default=RequestSource.WEB)
    status = models.CharField(max_length=10, choices=RequestStatus.choices, default=RequestStatus.NEW)
    status_since = models.DateTimeField()
    received_at = models.DateTimeField()
    submission = models.UUIDField(unique=True, editable=False)
    given_name = models.CharField(max_length=80)
    family_name = models.CharField(max_length=80)
    birth_date = models.DateField(null=True, blank=True)
    email = models.EmailField(blank=True)
    phone = PhoneNumberField(blank=True)
    may_phone = models.BooleanField("may be called", default=False)
    may_sms = models.BooleanField("may be texted", default=False)
    may_email = models.BooleanField("may be written to", default=False)
    seeks_help_for = ArrayField(models.CharField(max_length=8, choices=INDICATION_CHOICES), default=list, blank=True)
    message = models.TextField(blank=True, max_length=10_000)
    language = models.CharField(max_length=8, default="en", help_text="In which they asked (ISO 639-1).")
    wished_mode = models.CharField(max_length=9, choices=VisitMode.choices, blank=True)
    wished_weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)  # 0 is Monday
    wished_part = models.CharField(max_length=9, choices=PartOfDay.choices, default=PartOfDay.ANY)
    referrer = models.CharField(max_length=160, blank=True)
    danger = models.CharField(max_length=9, choices=DangerAnswer.choices, default=DangerAnswer.NOT_ASKED)
    is_urgent = models.BooleanField(default=False)
    patient = models.ForeignKey(Patient, null=True, blank=True, on_delete=models.PROTECT, related_name="requests")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    next_act_on = models.DateField(null=True, blank=True, help_text="For example the day to call again.")
    closed_as = models.CharField(max_length=12, choices=CloseReason.choices, blank=True)
    closed_note = models.CharField(max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    version = models.PositiveIntegerField(default=1)

    objects = RequestQuerySet.as_manager()

    if TYPE_CHECKING:
        contacts: models.QuerySet[RequestContact]
        consultations: models.QuerySet[Consultation]

    class Meta:
        ordering = ["-is_urgent", "status_since", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(phone="") | ~Q(email=""),
                name="consultationrequest_can_be_answered",
                violation_error_message="Give a telephone number or an e-mail address.",
            ),
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False) & ~Q(closed_as="")
                | Q(closed_at__isnull=True, closed_as="", closed_by__isnull=True) & ~Q(status="closed"),
                name="consultationrequest_closed_with_reason",
            ),
        ]
        indexes = [models.Index(fields=["location", "status", "status_since"], name="request_by_location_status")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("intake:request", args=[self.pk])

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def list_name(self) -> str:
        return f"{self.family_name}, {self.given_name}"


class ContactOutcome(models.TextChoices):
    REACHED = "reached", "Reached"
    VOICEMAIL = "voicemail", "Left a voicemail"
    NO_ANSWER = "no_answer", "No answer"
    WRONG_NUMBER = "wrong_number", "Wrong number"
    WROTE = "wrote", "Wrote an e-mail"


@track()
class RequestContact(models.Model):
    """One attempt to reach the person who asked."""

    request = models.ForeignKey(ConsultationRequest, on_delete=models.CASCADE, related_name="contacts")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=12, choices=ContactOutcome.choices)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return self.get_outcome_display()
