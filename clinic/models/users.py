"""People who sign in, and what each role must do to prove who they are."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from clinic.models.history import track
from clinic.models.places import Location, Resource
from clinic.pure.roles import ROLE_LABELS, Can, Role, allowed

ROLE_CHOICES = [(role.value, label) for role, label in ROLE_LABELS.items()]


class StaffManager(UserManager["User"]):
    def with_role(self, role: Role) -> models.QuerySet[User]:
        """Active people who hold ``role``, by name."""
        return self.filter(is_active=True, roles__contains=[role.value]).order_by("last_name", "first_name", "id")


@track(exclude=["password", "last_login", "digest_on"])
class User(AbstractUser):
    """A member of staff. ``resource`` exists for those who can be booked (nurses and clinicians)."""

    roles = ArrayField(models.CharField(max_length=16, choices=ROLE_CHOICES), default=list, blank=True)
    title = models.CharField(max_length=40, blank=True, help_text="For example MD, RN, Practice manager.")
    resource = models.OneToOneField(Resource, null=True, blank=True, on_delete=models.PROTECT, related_name="user")
    home_location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Opens first."
    )
    wants_digest = models.BooleanField("a summary by e-mail each working day", default=True)
    digest_on = models.DateField(null=True, blank=True, editable=False, help_text="The local day of the latest one.")
    calendar_token = models.UUIDField(null=True, blank=True, unique=True, editable=False)

    objects: ClassVar[StaffManager] = StaffManager()

    class Meta:
        ordering = ["last_name", "first_name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(roles__contained_by=[role.value for role in Role]), name="user_roles_are_known"
            ),
            # Sign-in looks names and addresses up without regard to capitals: two of them differ in more than that.
            models.UniqueConstraint(
                Lower("username"),
                name="user_username_unique",
                violation_error_message="Somebody else has this user name.",
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=~Q(email=""),
                name="user_email_unique",
                violation_error_message="Somebody else has this e-mail address.",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        name = self.get_full_name() or self.username
        return f"{name}, {self.title}" if self.title else name

    @property
    def role_labels(self) -> list[str]:
        return [label for role, label in ROLE_LABELS.items() if role.value in self.roles]

    def can(self, capability: Can | str) -> bool:
        """True when this person is active and one of the roles held allows it."""
        return self.is_active and allowed(self.roles, Can(capability))


@track()
class RolePolicy(models.Model):
    """What a manager demands of everybody who holds a role."""

    role = models.CharField(max_length=16, choices=ROLE_CHOICES, unique=True)
    requires_second_factor = models.BooleanField(default=False)

    class Meta:
        ordering = ["role"]

    def __str__(self) -> str:
        return ROLE_LABELS[Role(self.role)]
