"""People who sign in, and what each role must do to prove who they are."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, OuterRef, Q
from django.db.models.functions import JSONObject, Lower

from clinic.models.history import track
from clinic.models.places import Location, Resource
from clinic.pure.reach import Places, is_limited, places_reached
from clinic.pure.roles import ROLE_LABELS, Can, Role, allowed

ROLE_CHOICES = [(role.value, label) for role, label in ROLE_LABELS.items()]


class StaffManager(UserManager["User"]):
    def with_role(self, role: Role) -> models.QuerySet[User]:
        """Active people who hold ``role``, by name."""
        return self.filter(is_active=True, roles__contains=[role.value]).order_by("last_name", "first_name", "id")

    def with_reach(self) -> models.QuerySet[User]:
        """With what ``User.reach`` is worked out from, so that it costs no query of its own."""
        return self.annotate(**reach_facts())


def reach_facts() -> dict[str, Any]:
    """Annotations of a ``User`` query: what each role reaches, and where the person also works."""
    rules = RolePolicy.objects.order_by("role").values(row=JSONObject(role="role", own="own_locations_only"))
    places = WorkPlace.objects.filter(user=OuterRef("pk")).order_by("location_id").values("location_id")
    return {"reach_rules": ArraySubquery(rules), "reach_places": ArraySubquery(places)}


@track(exclude=["password", "last_login", "digest_on"])
class User(AbstractUser):
    """A member of staff. ``resource`` exists for those who can be booked (nurses and clinicians)."""

    roles = ArrayField(models.CharField(max_length=16, choices=ROLE_CHOICES), default=list, blank=True)
    title = models.CharField(max_length=40, blank=True, help_text="For example MD, RN, Practice manager.")
    resource = models.OneToOneField(Resource, null=True, blank=True, on_delete=models.PROTECT, related_name="user")
    home_location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Opens first."
    )
    locations = models.ManyToManyField(
        Location, through="WorkPlace", related_name="+", blank=True, help_text="Also works at."
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
        return self.named(self.first_name, self.last_name, self.title, self.username)

    @staticmethod
    def named(first_name: str, last_name: str, title: str, username: str) -> str:
        """How these columns name a person, for lists that read nothing else: "Dana Whitfield, MD"."""
        name = f"{first_name} {last_name}".strip() or username
        return f"{name}, {title}" if title else name

    @property
    def role_labels(self) -> list[str]:
        return [label for role, label in ROLE_LABELS.items() if role.value in self.roles]

    def can(self, capability: Can | str) -> bool:
        """True when this person is active and one of the roles held allows it."""
        return self.is_active and allowed(self.roles, Can(capability))

    @cached_property
    def reach(self) -> Places | None:
        """Ids of the locations whose patients this person opens; None: of all. No query for users of a request."""
        return places_reached(self.roles, rules=self._rules, home=self.home_location_id, others=self._works_at)

    @property
    def has_no_place(self) -> bool:
        """True when nobody said where the person works."""
        return self.home_location_id is None and not self._works_at

    @property
    def is_limited(self) -> bool:
        """True when the roles say that only the person's own locations are reached, whether any is known or not."""
        return is_limited(self.roles, rules=self._rules)

    @cached_property
    def opened_because(self) -> dict[int, str]:
        """Patient's resource id -> the reason with which the record stands open, as far as this request has met one."""
        return {}

    @cached_property
    def _rules(self) -> dict[str, bool]:
        known: list[dict[str, Any]] | None = vars(self).get("reach_rules")
        rows = RolePolicy.objects.values("role", own=F("own_locations_only")) if known is None else known
        return {row["role"]: row["own"] for row in rows if row["own"] is not None}

    @cached_property
    def _works_at(self) -> list[int]:
        known: list[int] | None = vars(self).get("reach_places")
        if known is not None:
            return known
        return list(WorkPlace.objects.filter(user=self).values_list("location_id", flat=True)) if self.pk else []


@track()
class WorkPlace(models.Model):
    """A location that a person works at besides the one that opens first."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="work_places")
    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="+")

    class Meta:
        ordering = ["user", "location"]
        constraints = [models.UniqueConstraint(fields=["user", "location"], name="workplace_once")]

    def __str__(self) -> str:
        return str(self.location)


@track()
class RolePolicy(models.Model):
    """What a manager demands of everybody who holds a role."""

    role = models.CharField(max_length=16, choices=ROLE_CHOICES, unique=True)
    requires_second_factor = models.BooleanField(default=False)
    own_locations_only = models.BooleanField(
        null=True, help_text="Holders open only patients of their locations. Empty: as is usual for the role."
    )

    class Meta:
        ordering = ["role"]

    def __str__(self) -> str:
        return ROLE_LABELS[Role(self.role)]
