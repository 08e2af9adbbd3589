"""The people who work here: accounts, roles, what can be booked of them, and what each role must prove at sign-in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core.exceptions import ValidationError
from django.db.models.functions import Lower

from clinic.adapters.accounts import with_second_factor
from clinic.models import Allocation, Booking, Location, Resource, ResourceKind, RolePolicy, User
from clinic.models.bookings import ATTENTION_LANE
from clinic.pure.roles import Role
from clinic.services.hours import BookingsInTheWayError, with_names
from clinic.services.recorded import recorded

BOOKABLE_ROLES = frozenset({Role.NURSE, Role.CLINICIAN})
"""Holders of these stand in the calendar; the others work beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffData:
    """What a manager says about a person. ``lanes``: how many chairs a nurse may watch at once, 1–9."""

    username: str
    first_name: str
    last_name: str
    roles: frozenset[Role]
    email: str = ""
    title: str = ""
    lanes: int = 1
    home_location: Location | None = None


def add_staff(*, data: StaffData, by: User | None, now: datetime) -> User:
    """The person has an account, still without a password, and can be booked if a role says so.

    Raises:
        ValidationError: by field, for example a user name or e-mail address that somebody else has.
    """
    person = User(date_joined=now)
    person.set_unusable_password()
    with recorded(by=by, now=now):
        if by is not None:
            User.objects.select_for_update().get(pk=by.pk)  # a double click meets its own first person
        _write(person, data)
        _write_resource(person, data)
    return person


def change_staff(*, person: User, data: StaffData, by: User, now: datetime) -> User:
    """The person is as ``data`` says, and so is what can be booked of them.

    Raises:
        ValidationError: by field; also when the last manager would lose the role.
        BookingsInTheWayError: visits are booked with them as what they would no longer be, or beyond ``lanes``.
    """
    with recorded(by=by, now=now):
        before = User.objects.select_for_update().get(pk=person.pk)
        if Role.MANAGER in before.roles and Role.MANAGER not in data.roles:
            _keep_a_manager(person, field="roles")
        if before.resource_id is not None:
            _refuse_lost_work(before, data, now=now)
        _write(person, data)
        _write_resource(person, data)
    return person


def _refuse_lost_work(person: User, data: StaffData, *, now: datetime) -> None:
    booked = work_of(person, now=now)
    if not data.roles & BOOKABLE_ROLES and booked:
        raise BookingsInTheWayError(booked)
    crowded = _crowded(person, lanes=_lanes(data), now=now)
    if crowded:
        raise BookingsInTheWayError([booking for booking in booked if booking.pk in crowded])


def _crowded(person: User, *, lanes: int, now: datetime) -> set[int]:
    """Bookings at moments to come when the person serves more than ``lanes`` at once."""
    held = Allocation.objects.held().filter(resource=person.resource, span__endswith__gt=now, lane__lt=ATTENTION_LANE)
    moments = []
    for booking_id, span in held.values_list("booking_id", "span"):
        moments += [(span.lower, 1, booking_id), (span.upper, 0, booking_id)]  # an end sorts before a start: half-open
    here: list[int] = []
    found: set[int] = set()
    for _, begins, booking_id in sorted(moments):
        if begins:
            here.append(booking_id)
            found |= set(here) if len(here) > lanes else set()
        else:
            here.remove(booking_id)
    return found


def deactivate(*, person: User, by: User, now: datetime, keep_bookings: bool = False) -> list[Booking]:
    """The person is signed out everywhere and cannot come back; the visits still booked with them are returned.

    Raises:
        ValidationError: it is oneself, or the last manager.
        BookingsInTheWayError: visits are booked with them, and ``keep_bookings`` is off.
    """
    if person.pk == by.pk:
        raise ValidationError("You cannot switch off your own account. Another manager can.")
    with recorded(by=by, now=now):
        User.objects.select_for_update().get(pk=person.pk)
        if Role.MANAGER in person.roles:
            _keep_a_manager(person)
        booked = work_of(person, now=now)
        if booked and not keep_bookings:
            raise BookingsInTheWayError(booked)
        person.is_active = False
        person.calendar_token = None
        person.save(update_fields=["is_active", "calendar_token"])
        _set_bookable(person, bookable=False)
    sign_out_everywhere(person)
    return booked


def reactivate(*, person: User, by: User, now: datetime) -> None:
    """The person may sign in again, with the password they had."""
    with recorded(by=by, now=now):
        person.is_active = True
        person.save(update_fields=["is_active"])
        _set_bookable(person, bookable=bool(BOOKABLE_ROLES.intersection(person.roles)))


def sign_out_everywhere(person: User) -> None:
    """Every session of the person is over."""
    for session in UserSession.objects.filter(user=person):
        session.end()


def work_of(person: User, *, now: datetime) -> list[Booking]:
    """Visits and blocks to come that hold the person, soonest first."""
    if person.resource_id is None:
        return []
    rows = Booking.objects.real().filter(
        allocations__resource_id=person.resource_id, allocations__released=False, span__endswith__gt=now
    )
    return list(with_names(rows).distinct())


def change_own_account(
    *,
    person: User,
    first_name: str,
    last_name: str,
    title: str,
    home_location: Location | None,
    now: datetime,
    wants_digest: bool | None = None,
) -> User:
    """The person's own name, title and first location are these; roles and sign-in names stay a manager's.

    Args:
        wants_digest: None leaves it as it is.
    """
    person.first_name, person.last_name, person.title = first_name, last_name, title
    person.home_location = home_location
    person.wants_digest = person.wants_digest if wants_digest is None else wants_digest
    with recorded(by=person, now=now):
        person.full_clean()
        person.save(update_fields=["first_name", "last_name", "title", "home_location", "wants_digest"])
        _rename_resource(person)
    return person


def demand_second_factor(*, roles: Iterable[Role], by: User, now: datetime) -> None:
    """Exactly these roles demand a second factor, from the next page that their holders open."""
    wanted = frozenset(roles)
    with recorded(by=by, now=now):
        policies = {policy.role: policy for policy in RolePolicy.objects.select_for_update()}
        for role in Role:
            policy = policies.get(role.value, RolePolicy(role=role.value))
            if role.value not in policies or policy.requires_second_factor != (role in wanted):
                policy.requires_second_factor = role in wanted
                policy.save()


def second_factor_counts() -> dict[Role, tuple[int, int]]:
    """Role -> (active people who hold it, how many of them have a second factor)."""
    active = with_second_factor(User.objects.filter(is_active=True))
    people = [(person.roles, bool(vars(person)["has_second_factor"])) for person in active]
    return {
        role: (
            sum(role in roles for roles, _ in people),
            sum(role in roles and has for roles, has in people),
        )
        for role in Role
    }


def _keep_a_manager(leaving: User, *, field: str | None = None) -> None:
    others = User.objects.select_for_update().filter(is_active=True, roles__contains=[Role.MANAGER.value])
    if not others.exclude(pk=leaving.pk).exists():
        words = "This is the only manager. Make somebody else a manager first, or nobody could change the set-up."
        raise ValidationError({field: words} if field else words)


def _write(person: User, data: StaffData) -> None:
    person.username, person.email = data.username, data.email.lower()
    person.first_name, person.last_name, person.title = data.first_name, data.last_name, data.title
    person.roles = [role.value for role in Role if role in data.roles]
    person.home_location = data.home_location
    if not person.roles:
        raise ValidationError({"roles": "Choose at least one role; without one a person sees nothing."})
    others = User.objects.exclude(pk=person.pk).annotate(name_key=Lower("username"), email_key=Lower("email"))
    if others.filter(name_key=person.username.lower()).exists():
        raise ValidationError({"username": "Somebody else has this user name."})
    if person.email and others.filter(email_key=person.email).exists():
        raise ValidationError({"email": "Somebody else has this e-mail address."})
    person.full_clean(exclude=["password"])
    person.save()
    # allauth keeps its own list of addresses; one that a manager took away must not open the door any more.
    EmailAddress.objects.filter(user=person).exclude(email__iexact=person.email).delete()


def _lanes(data: StaffData) -> int:
    return data.lanes if Role.NURSE in data.roles else 1


def _write_resource(person: User, data: StaffData) -> None:
    """Bookable people have a resource; one that was made stays for its history and is switched off and on."""
    bookable = bool(data.roles & BOOKABLE_ROLES) and person.is_active
    if person.resource is None:
        if not bookable:
            return
        name = person.display_name[:80]
        person.resource = Resource.objects.create(kind=ResourceKind.PERSON, name=name, lanes=_lanes(data))
        person.save(update_fields=["resource"])
        return
    resource = person.resource
    resource.name, resource.lanes, resource.is_active = person.display_name[:80], _lanes(data), bookable
    resource.full_clean()
    resource.save()


def _rename_resource(person: User) -> None:
    if person.resource is not None and person.resource.name != person.display_name[:80]:
        person.resource.name = person.display_name[:80]
        person.resource.save(update_fields=["name"])


def _set_bookable(person: User, *, bookable: bool) -> None:
    if person.resource is not None and person.resource.is_active != bookable:
        person.resource.is_active = bookable
        person.resource.save(update_fields=["is_active"])
