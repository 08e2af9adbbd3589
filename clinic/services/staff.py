"""The people who work here: accounts, roles, what can be booked of them, and what each role must prove at sign-in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.db.models.functions import Lower

from clinic.adapters.accounts import with_second_factor
from clinic.models import Allocation, Booking, Location, Resource, ResourceKind, RolePolicy, User, WorkPlace
from clinic.models.bookings import ATTENTION_LANE
from clinic.pure.reach import is_limited
from clinic.pure.roles import Role
from clinic.services.hours import BookingsInTheWayError, with_names
from clinic.services.recorded import recorded

BOOKABLE_ROLES = frozenset({Role.NURSE, Role.CLINICIAN})
"""Holders of these stand in the calendar; the others work beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffData:
    """What a manager says about a person.

    ``lanes``: how many chairs a nurse may watch at once, 1–9. ``locations``: where they work besides ``home_location``.
    """

    username: str
    first_name: str
    last_name: str
    roles: frozenset[Role]
    email: str = ""
    title: str = ""
    lanes: int = 1
    home_location: Location | None = None
    locations: Collection[Location] = ()


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


def sessions_of(person: User, *, now: datetime) -> QuerySet[UserSession]:
    """Where the person is signed in, newest first."""
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    return UserSession.objects.filter(user=person, session_key__in=alive).order_by("-created_at")


def sign_out_everywhere(person: User, *, but: str = "") -> None:
    """Every session of the person is over; only the one with the key ``but`` goes on."""
    for session in UserSession.objects.filter(user=person).exclude(session_key=but):
        session.end()


def forget_second_factor(*, person: User, by: User) -> None:
    """The person has no second factor and is signed out: a lost telephone neither locks out nor lets in.

    Raises:
        ValidationError: it is oneself; one's own is taken off where it was set up, after the password.
    """
    if person.pk == by.pk:
        raise ValidationError("Take off your own second factor on its page. Another manager can do it here.")
    Authenticator.objects.filter(user=person).delete()
    sign_out_everywhere(person)


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

    Where they work does not change by it: the location that opened first is one that they also work at from now on.

    Args:
        wants_digest: None leaves it as it is.

    Raises:
        ValidationError: the location is none that they reach.
    """
    stored = User.objects.with_reach().get(pk=person.pk)  # a form may have written into ``person`` already
    reach, before = stored.reach, stored.home_location_id
    if home_location is not None and reach is not None and home_location.pk not in reach:
        raise ValidationError({"home_location": "Only a manager can add a location to your account."})
    person.first_name, person.last_name, person.title = first_name, last_name, title
    person.home_location = home_location
    person.wants_digest = person.wants_digest if wants_digest is None else wants_digest
    with recorded(by=person, now=now):
        person.full_clean()
        person.save(update_fields=["first_name", "last_name", "title", "home_location", "wants_digest"])
        if reach is not None and before is not None:
            works_at(person, (reach | {before}) - {person.home_location_id})
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


def limit_to_own_locations(*, roles: Iterable[Role], by: User, now: datetime) -> None:
    """Holders of exactly these roles open only patients of their own locations, from the next page on."""
    wanted = frozenset(roles)
    with recorded(by=by, now=now):
        policies = {policy.role: policy for policy in RolePolicy.objects.select_for_update()}
        for role in Role:
            policy = policies.get(role.value, RolePolicy(role=role.value))
            if policy.own_locations_only != (role in wanted):
                policy.own_locations_only = role in wanted
                policy.save()


def limited_roles(policies: Iterable[RolePolicy]) -> list[Role]:
    """The roles whose holders open only patients of their own locations, by what a manager said or by default."""
    said = {one.role: one.own_locations_only for one in policies if one.own_locations_only is not None}
    return [role for role in Role if is_limited([role], rules=said)]


def limited_counts() -> dict[Role, tuple[int, int]]:
    """Role -> (active people who hold it, how many of them have no location: these open every patient)."""
    active = [(set(person.roles), person.has_no_place) for person in User.objects.with_reach().filter(is_active=True)]
    return {
        role: (
            sum(role in roles for roles, _ in active),
            sum(role in roles and nowhere for roles, nowhere in active),
        )
        for role in Role
    }


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
    works_at(person, {place.pk for place in data.locations} - {person.home_location_id})
    # allauth keeps its own list of addresses; one that a manager took away must not open the door any more.
    EmailAddress.objects.filter(user=person).exclude(email__iexact=person.email).delete()


def works_at(person: User, location_ids: Collection[int]) -> None:
    """Besides the first location the person works at exactly these."""
    places = WorkPlace.objects.filter(user=person)
    places.exclude(location_id__in=location_ids).delete()
    known = set(places.values_list("location_id", flat=True))
    WorkPlace.objects.bulk_create(WorkPlace(user=person, location_id=one) for one in sorted(set(location_ids) - known))


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
