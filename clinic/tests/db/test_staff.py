"""People: accounts, roles, what is booked of them, and the second factor."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError

from clinic.adapters.accounts import StaffBackend
from clinic.models import Allocation, AllocationRole, Booking, BookingKind, Resource, RolePolicy, User
from clinic.pure.roles import Role
from clinic.services import staff
from clinic.services.hours import BookingsInTheWayError
from clinic.services.staff import StaffData
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def data(**changes) -> StaffData:
    facts = {
        "username": "nora",
        "first_name": "Nora",
        "last_name": "Bell",
        "roles": frozenset({Role.NURSE}),
        "title": "RN",
    }
    return StaffData(**(facts | changes))


def as_data(person: User, **changes) -> StaffData:
    facts = {name: getattr(person, name) for name in ("username", "first_name", "last_name", "title", "email")}
    lanes = person.resource.lanes if person.resource else 1
    roles = frozenset(Role(role) for role in person.roles)
    return StaffData(**(facts | {"roles": roles, "lanes": lanes} | changes))


def visits(clinic: Clinic, person: User, *, together: int = 1) -> list[Booking]:
    span = (clinic.location.at(date(2027, 1, 7), time(9)), clinic.location.at(date(2027, 1, 7), time(11)))
    rows = []
    for lane in range(together):
        booking = Booking.objects.create(
            kind=BookingKind.INFUSION,
            location=clinic.location,
            subject=make_patient().resource,
            span=span,
            created_at=NOW,
        )
        Allocation.objects.create(
            booking=booking, resource=person.resource, role=AllocationRole.NURSE, lane=lane, span=span
        )
        rows.append(booking)
    return rows


def test_a_nurse_is_added_with_a_resource_of_as_many_lanes_and_no_password(clinic) -> None:
    person = staff.add_staff(data=data(lanes=4), by=clinic.manager, now=NOW)
    assert (person.resource.name, person.resource.lanes, person.has_usable_password()) == ("Nora Bell, RN", 4, False)


def test_somebody_at_the_desk_is_not_in_the_calendar_and_a_clinician_has_one_lane(clinic) -> None:
    desk = staff.add_staff(data=data(roles=frozenset({Role.FRONT_DESK})), by=clinic.manager, now=NOW)
    doctor = staff.add_staff(
        data=data(username="dora", roles=frozenset({Role.CLINICIAN}), lanes=5), by=clinic.manager, now=NOW
    )
    assert desk.resource is None
    assert doctor.resource.lanes == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "DESK"}, "username"),
        ({"username": "with space"}, "username"),
        ({"username": "x" * 10_000}, "username"),
        ({"email": "Desk@Example.org"}, "email"),
        ({"email": "nowhere"}, "email"),
        ({"roles": frozenset()}, "roles"),
        ({"first_name": "x" * 10_000}, "first_name"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(clinic, changes, field) -> None:
    User.objects.filter(pk=clinic.desk.pk).update(email="desk@example.org")
    with pytest.raises(ValidationError) as refused:
        staff.add_staff(data=data(**changes), by=clinic.manager, now=NOW)
    assert field in refused.value.message_dict
    assert not Resource.objects.filter(name__startswith="Nora").exists()


def test_a_double_click_adds_one_person(parallel: Parallel) -> None:
    manager = make_user(Role.MANAGER)
    outcomes = parallel(5, lambda _: staff.add_staff(data=data(), by=manager, now=NOW))
    assert [type(outcome.error) for outcome in outcomes if outcome.error] == [ValidationError] * 4
    assert User.objects.filter(username="nora").count() == 1


def test_a_new_name_reaches_the_calendar(clinic) -> None:
    staff.change_staff(person=clinic.nurse, data=as_data(clinic.nurse, last_name="Bell"), by=clinic.manager, now=NOW)
    assert Resource.objects.get(pk=clinic.nurse.resource_id).name == "Ines Bell, RN"


def test_a_role_that_makes_bookable_comes_and_goes_and_keeps_the_same_resource(clinic) -> None:
    desk = clinic.desk
    staff.change_staff(
        person=desk, data=as_data(desk, roles=frozenset({Role.FRONT_DESK, Role.NURSE})), by=clinic.manager, now=NOW
    )
    first = desk.resource
    assert first.is_active
    staff.change_staff(person=desk, data=as_data(desk, roles=frozenset({Role.FRONT_DESK})), by=clinic.manager, now=NOW)
    assert not Resource.objects.get(pk=first.pk).is_active
    staff.change_staff(person=desk, data=as_data(desk, roles=frozenset({Role.NURSE})), by=clinic.manager, now=NOW)
    assert User.objects.get(pk=desk.pk).resource == first
    assert Resource.objects.get(pk=first.pk).is_active


def test_somebody_with_visits_keeps_the_role_that_they_are_booked_for(clinic) -> None:
    booked = visits(clinic, clinic.nurse)
    with pytest.raises(BookingsInTheWayError) as refused:
        staff.change_staff(
            person=clinic.nurse,
            data=as_data(clinic.nurse, roles=frozenset({Role.FRONT_DESK})),
            by=clinic.manager,
            now=NOW,
        )
    assert refused.value.bookings == booked
    assert User.objects.get(pk=clinic.nurse.pk).roles == ["nurse"]


def test_a_nurse_who_watches_three_at_once_is_not_cut_to_two_but_to_three(clinic) -> None:
    booked = visits(clinic, clinic.nurse, together=3)
    with pytest.raises(BookingsInTheWayError) as refused:
        staff.change_staff(person=clinic.nurse, data=as_data(clinic.nurse, lanes=2), by=clinic.manager, now=NOW)
    assert set(refused.value.bookings) == set(booked)
    staff.change_staff(person=clinic.nurse, data=as_data(clinic.nurse, lanes=9), by=clinic.manager, now=NOW)
    staff.change_staff(person=clinic.nurse, data=as_data(clinic.nurse, lanes=3), by=clinic.manager, now=NOW)
    assert Resource.objects.get(pk=clinic.nurse.resource_id).lanes == 3


@pytest.mark.parametrize("lanes", [0, 10])
def test_lanes_are_one_to_nine(clinic, lanes) -> None:
    with pytest.raises(ValidationError):
        staff.change_staff(person=clinic.nurse, data=as_data(clinic.nurse, lanes=lanes), by=clinic.manager, now=NOW)


def test_the_last_manager_keeps_the_role_and_the_account(clinic) -> None:
    nurse_now = as_data(clinic.manager, roles=frozenset({Role.NURSE}))
    with pytest.raises(ValidationError, match="only manager"):
        staff.change_staff(person=clinic.manager, data=nurse_now, by=clinic.manager, now=NOW)
    with pytest.raises(ValidationError, match="only manager"):
        staff.deactivate(person=clinic.manager, by=clinic.desk, now=NOW)
    other = make_user(Role.MANAGER)
    staff.change_staff(person=clinic.manager, data=nurse_now, by=other, now=NOW)
    assert not User.objects.get(pk=clinic.manager.pk).can("edit_setup")


def test_nobody_switches_off_their_own_account(clinic) -> None:
    make_user(Role.MANAGER)
    with pytest.raises(ValidationError, match="your own account"):
        staff.deactivate(person=clinic.manager, by=clinic.manager, now=NOW)


def test_switching_off_ends_the_sessions_and_the_person_cannot_be_booked(clinic, client) -> None:
    client.force_login(clinic.nurse)
    assert client.get("/setup/me/").status_code == 200
    staff.deactivate(person=clinic.nurse, by=clinic.manager, now=NOW)
    assert client.get("/setup/me/").status_code == 302
    assert StaffBackend().get_user(clinic.nurse.pk) is None
    assert not Resource.objects.get(pk=clinic.nurse.resource_id).is_active
    staff.reactivate(person=clinic.nurse, by=clinic.manager, now=NOW)
    assert Resource.objects.get(pk=clinic.nurse.resource_id).is_active


def test_switching_off_with_visits_asks_first_and_keeps_them_when_told_to(clinic) -> None:
    booked = visits(clinic, clinic.nurse)
    with pytest.raises(BookingsInTheWayError) as refused:
        staff.deactivate(person=clinic.nurse, by=clinic.manager, now=NOW)
    assert refused.value.bookings == booked
    assert User.objects.get(pk=clinic.nurse.pk).is_active
    assert staff.deactivate(person=clinic.nurse, by=clinic.manager, now=NOW, keep_bookings=True) == booked


def test_an_address_that_a_manager_took_away_opens_no_door(clinic) -> None:
    EmailAddress.objects.create(user=clinic.desk, email="old@example.org", primary=True, verified=True)
    staff.change_staff(
        person=clinic.desk, data=as_data(clinic.desk, email="New@example.org"), by=clinic.manager, now=NOW
    )
    assert not EmailAddress.objects.filter(email="old@example.org").exists()
    assert User.objects.get(pk=clinic.desk.pk).email == "new@example.org"


# --- second factor ------------------------------------------------------------------------------------------------


def due(person: User) -> bool:
    return StaffBackend().get_user(person.pk).needs_second_factor


def test_exactly_the_roles_that_were_said_demand_a_second_factor(clinic) -> None:
    staff.demand_second_factor(roles=[Role.MANAGER, Role.CLINICIAN], by=clinic.manager, now=NOW)
    assert [due(person) for person in (clinic.desk, clinic.nurse, clinic.clinician, clinic.manager)] == [
        False,
        False,
        True,
        True,
    ]
    staff.demand_second_factor(roles=[Role.NURSE], by=clinic.manager, now=NOW)
    assert [due(person) for person in (clinic.desk, clinic.nurse, clinic.clinician, clinic.manager)] == [
        False,
        True,
        False,
        False,
    ]
    assert RolePolicy.objects.count() == 4


def test_a_second_of_several_roles_counts_too(clinic) -> None:
    staff.demand_second_factor(roles=[Role.MANAGER], by=clinic.manager, now=NOW)
    both = make_user(Role.FRONT_DESK, Role.MANAGER, username="both")
    assert due(both)


def test_an_app_or_a_key_settles_it_and_recovery_codes_alone_do_not(clinic) -> None:
    staff.demand_second_factor(roles=[Role.NURSE], by=clinic.manager, now=NOW)
    Authenticator.objects.create(user=clinic.nurse, type=Authenticator.Type.RECOVERY_CODES, data={})
    assert due(clinic.nurse)
    Authenticator.objects.create(user=clinic.nurse, type=Authenticator.Type.WEBAUTHN, data={})
    assert not due(clinic.nurse)
    assert staff.second_factor_counts()[Role.NURSE] == (1, 1)
    assert staff.second_factor_counts()[Role.MANAGER] == (1, 0)
