"""The registry: who a patient is and how to reach them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Location, Resource
from clinic.models.history import track
from clinic.models.places import validate_time_zone

if TYPE_CHECKING:
    from patients.models.background import Allergy, Medicine, Problem, TreatedCondition


class Sex(models.TextChoices):
    """Sex recorded for clinical use (for example for reference ranges and pregnancy tests)."""

    FEMALE = "female", "Female"
    MALE = "male", "Male"
    OTHER = "other", "Other, see notes"
    UNKNOWN = "unknown", "Not recorded"


class PatientStatus(models.TextChoices):
    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Inactive"
    DECEASED = "deceased", "Deceased"


class Channel(models.TextChoices):
    """A way to reach a patient. Whether it may be used is said by ``ContactConsent``."""

    PHONE = "phone", "Phone call"
    SMS = "sms", "Text message"
    EMAIL = "email", "E-mail"
    LETTER = "letter", "Letter"


class PatientQuerySet(models.QuerySet["Patient"]):
    def current(self) -> PatientQuerySet:
        """Without records that were merged into another one."""
        return self.filter(merged_into__isnull=True)


@track(exclude=["search_name", "search_keys"])
class Patient(models.Model):
    """A person whom the clinic knows. Takes part in bookings through ``resource``."""

    resource = models.OneToOneField(Resource, on_delete=models.PROTECT, related_name="patient", editable=False)
    mrn = models.CharField("MRN", max_length=12, unique=True, editable=False)
    given_name = models.CharField("legal given name", max_length=80)
    family_name = models.CharField("legal family name", max_length=80)
    preferred_name = models.CharField(max_length=80, blank=True)
    pronouns = models.CharField(max_length=30, blank=True)
    birth_date = models.DateField()
    sex = models.CharField("sex recorded for clinical use", max_length=8, choices=Sex.choices, default=Sex.UNKNOWN)
    status = models.CharField(max_length=8, choices=PatientStatus.choices, default=PatientStatus.ACTIVE)
    deceased_on = models.DateField(null=True, blank=True)
    email = models.EmailField(blank=True)
    address = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=80, blank=True)
    region = models.CharField("state or region", max_length=80, blank=True)
    postal_code = models.CharField(max_length=16, blank=True)
    country = models.CharField(max_length=2, blank=True)
    language = models.CharField(max_length=8, default="en", help_text="For messages and letters.")
    preferred_channel = models.CharField(
        "prefers to be reached by", max_length=6, choices=Channel.choices, blank=True, help_text="Empty: no preference."
    )
    time_zone = models.CharField(
        max_length=64, blank=True, validators=[validate_time_zone], help_text="Empty: that of the location."
    )
    home_location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="patients"
    )
    emergency_name = models.CharField("emergency contact", max_length=120, blank=True)
    emergency_relation = models.CharField("relation", max_length=40, blank=True)
    emergency_phone = PhoneNumberField(blank=True)
    insurance_note = models.CharField(max_length=300, blank=True)
    referrer = models.CharField(max_length=160, blank=True)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged_records", editable=False
    )
    created_at = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    # Derived by patients.services.search from names, MRN and phones; never shown. Byte order, so that the beginning of
    # a name is found through the index on every server, whatever its collation.
    search_name = models.TextField(default="", editable=False, db_collation="C")
    search_keys = ArrayField(models.IntegerField(), default=list, editable=False)

    objects = PatientQuerySet.as_manager()

    elsewhere: str = ""
    """Where this patient belongs when the reader does not reach them: then a list shows who it is and where, and no
    more. Set by ``patients.services.reach.mark_reach``, not kept."""

    if TYPE_CHECKING:
        phones: models.QuerySet[Phone]
        allergies: models.QuerySet[Allergy]
        problems: models.QuerySet[Problem]
        medicines: models.QuerySet[Medicine]
        treated_conditions: models.QuerySet[TreatedCondition]

    class Meta:
        ordering = ["family_name", "given_name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(deceased_on__isnull=True) | Q(deceased_on__gte=F("birth_date")),
                name="patient_died_after_birth",
                violation_error_message="The date of death is before the date of birth.",
            ),
            models.CheckConstraint(
                condition=Q(status="deceased") | Q(deceased_on__isnull=True),
                name="patient_date_of_death_only_when_deceased",
                violation_error_message="A date of death belongs only to a patient who has died.",
            ),
            models.CheckConstraint(condition=~Q(merged_into=F("id")), name="patient_not_merged_into_itself"),
        ]
        indexes = [
            models.Index(fields=["family_name", "given_name", "id"], name="patient_by_name"),
            models.Index(fields=["birth_date"], name="patient_by_birth_date"),
            models.Index(fields=["search_name"], name="patient_by_search_name"),
            GinIndex(fields=["search_keys"], name="patient_search_keys"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("patients:detail", args=[self.pk])

    @property
    def name(self) -> str:
        """The name to say: the preferred one where there is one."""
        return f"{self.preferred_name or self.given_name} {self.family_name}"

    @property
    def list_name(self) -> str:
        """The name to look up: "Okafor, Ada"."""
        return f"{self.family_name}, {self.preferred_name or self.given_name}"

    @property
    def legal_name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def initials(self) -> str:
        return ((self.preferred_name or self.given_name)[:1] + self.family_name[:1]).upper()

    def age_on(self, day: date) -> int:
        """Completed years of life on ``day``; at death for somebody who has died before it."""
        until = min(day, self.deceased_on) if self.deceased_on else day
        return (
            until.year
            - self.birth_date.year
            - ((until.month, until.day) < (self.birth_date.month, self.birth_date.day))
        )


class PhoneKind(models.TextChoices):
    MOBILE = "mobile", "Mobile"
    HOME = "home", "Home"
    WORK = "work", "Work"


@track()
class Phone(models.Model):
    """One telephone number of a patient, in E.164."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="phones")
    number = PhoneNumberField()
    kind = models.CharField(max_length=8, choices=PhoneKind.choices, default=PhoneKind.MOBILE)
    is_primary = models.BooleanField(default=False)

    class Meta:
        ordering = ["-is_primary", "id"]
        constraints = [
            models.UniqueConstraint(fields=["patient", "number"], name="phone_once_per_patient"),
            models.UniqueConstraint(
                fields=["patient"], condition=Q(is_primary=True), name="phone_one_primary_per_patient"
            ),
        ]
        indexes = [models.Index(fields=["number"], name="phone_by_number")]

    def __str__(self) -> str:
        return str(self.number)


@track(exclude=["imported"])
class ExternalId(models.Model):
    """The name under which another system knows a patient; makes a second import find the first."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="external_ids")
    source = models.CharField(max_length=40)
    value = models.CharField(max_length=80)
    imported = models.JSONField(
        default=dict, editable=False, help_text="What that system last said: only what it says anew is taken over."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "value"], name="externalid_known_once")]

    def __str__(self) -> str:
        return f"{self.source} {self.value}"
