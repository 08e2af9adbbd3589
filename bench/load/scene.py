"""A clinic in the middle of its working day, whatever the hour here: chairs taken, people waiting, staff signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.test import Client

from clinic.models import Booking, BookingStatus, Resource, RolePolicy, User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_hours, make_shifts, make_user
from courses.models import Course, InfusionVisit, Protocol
from courses.services.visits import step_visit
from courses.tests.day_kit import Day, put_order, put_row, put_tap
from courses.tests.factories import make_course, make_plan, make_protocol_version, make_settings
from patients.models import Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_ready

ZONES = (
    *("Pacific/Auckland", "Australia/Sydney", "Asia/Tokyo", "Asia/Kolkata", "Asia/Dubai", "Europe/Athens"),
    *("Europe/Berlin", "Atlantic/Azores", "America/Sao_Paulo", "America/New_York", "America/Denver"),
    *("America/Los_Angeles", "Pacific/Honolulu"),
)
LATE_MORNING = 11
CHAIRS, TURNS, NURSES, CLINICIANS = 12, 3, 6, 6
EVERY_DAY = range(7)
MIX = {Role.FRONT_DESK: 18, Role.NURSE: 16, Role.CLINICIAN: 12, Role.MANAGER: 4}
"""Fifty: who works at a clinic of this size, with the desk on the telephone."""


@dataclass(frozen=True)
class Scene:
    """What the people of the load know when they come to work; plain values, as they go to another process."""

    facts: dict[str, Any]
    described: str


def set_scene(now: datetime, *, people: int) -> Scene:
    """The clinic is there and open, a dozen infusions run, and so many people have signed in."""
    zone = min(ZONES, key=lambda name: abs(now.astimezone(ZoneInfo(name)).hour - LATE_MORNING))
    clinic = _clinic(zone)
    # The records of the demo clinic belong to its own locations; here everybody works for all of them.
    RolePolicy.objects.update_or_create(role=Role.FRONT_DESK.value, defaults={"own_locations_only": False})
    team = [clinic.desk, *_staff(clinic, people)]
    days = _visits(clinic, now)
    local = clinic.location.local(now)
    to_plan = [_waiting(clinic, number, now) for number in range(4 * CLINICIANS)]
    facts = {
        "staff": [{"role": one.roles[0], "cookie": _signed_in(one)} for one in team[1:]],
        "patients": list(Patient.objects.order_by("pk").values_list("pk", flat=True)[:1500]),
        "names": list(Patient.objects.order_by("pk").values_list("family_name", flat=True)[:300]),
        "courses": list(Course.objects.order_by("pk").values_list("pk", flat=True)[:200]),
        "in_chair": [day.pk for day in days if day.booking.status == BookingStatus.IN_CHAIR],
        "today": [day.pk for day in days],
        "to_plan": to_plan,
        "clinicians": list(
            User.objects.with_role(Role.CLINICIAN)
            .filter(home_location=clinic.location, resource__isnull=False)
            .values_list("resource_id", flat=True)
        ),
        "rooms": list(Resource.objects.filter(location=clinic.location, kind="room").values_list("pk", flat=True)),
        "days": [(local.date() + timedelta(days=ahead)).isoformat() for ahead in range(1, 15)],
    }
    described = (
        f"{Patient.objects.count():,} patients, {Booking.objects.count():,} bookings, {Course.objects.count():,} "
        f"courses; {CHAIRS} chairs, {len(facts['in_chair'])} infusions running, {local:%H:%M} on the clinic's clocks"
    )
    return Scene(facts, described)


def _clinic(zone: str) -> Clinic:
    clinic = make_clinic("Load", chairs=CHAIRS, time_zone=zone)
    make_hours(clinic.location, weekdays=(5, 6))
    for role, count in ((Role.NURSE, NURSES), (Role.CLINICIAN, CLINICIANS)):
        for _ in range(count):
            make_shifts(make_user(role, home_location=clinic.location), clinic.location, weekdays=EVERY_DAY)
    return clinic


def _staff(clinic: Clinic, people: int) -> list[User]:
    """So many accounts in the proportions of ``MIX``; they are in no calendar, others stand there."""
    whole = sum(MIX.values())
    roles = [next(role for role, until in _until() if number * whole // people < until) for number in range(people)]
    return [_account(role, number, clinic) for number, role in enumerate(roles)]


def _until() -> list[tuple[Role, int]]:
    total, found = 0, []
    for role, count in MIX.items():
        total += count
        found.append((role, total))
    return found


def _account(role: Role, number: int, clinic: Clinic) -> User:
    user = User(
        username=f"load-{clinic.location.pk}-{role.value}-{number}",
        first_name="Load",
        last_name=f"Number {number}",
        roles=[role.value],
        home_location=clinic.location,
    )
    user.set_unusable_password()
    user.save()
    return user


def _visits(clinic: Clinic, now: datetime) -> list[Day]:
    """Today's infusions: each chair had one since nine, and has two more to come."""
    version = make_protocol_version(
        f"LOAD-{Protocol.objects.count()}", step={"weekdays": list(EVERY_DAY), "min_gap_days": 2, "max_gap_days": 4}
    )
    today, before = clinic.location.local(now).date(), now - timedelta(days=6)
    days = []
    for number in range(CHAIRS * TURNS):
        start_min = 8 * 60 + 30 + 150 * (number // CHAIRS) + 15 * (number % (CHAIRS // NURSES + 1))
        patient = make_patient("Loa", f"Dinger{number}", home_location=clinic.location)
        settings_of = make_settings(clinic, version, today, start_min=start_min)
        placed = make_plan(settings_of, patient, now=before, location=clinic.location)
        course = make_course(clinic, patient, settings_of, now=before, placed=placed)
        first = InfusionVisit.objects.select_related("booking").get(infusion__phase__course=course, infusion__number=1)
        days.append(Day(clinic, patient, course, first.booking))
    for day in days:
        if day.booking.start < now - timedelta(minutes=20):
            _begin(day)
    return days


def _begin(day: Day) -> None:
    """In the chair since the time of the booking, checked and started ten minutes later."""
    start = day.booking.start
    for step in (BookingStatus.ARRIVED, BookingStatus.IN_CHAIR):
        day.booking = step_visit(booking_id=day.pk, to=step, by=day.nurse, now=start)
    order = put_order(day, start + timedelta(minutes=4), weight_on=start.date(), amount=Decimal("0.5"))
    put_row(day, start + timedelta(minutes=6), heart_rate_bpm=78, spo2_percent=98, moaas=5)
    put_tap(day, "start", start + timedelta(minutes=10), order=order)


def _waiting(clinic: Clinic, number: int, now: datetime) -> int:
    """A patient who has everything that a series asks for, and no series yet."""
    treated_for = [Indication.TRD]
    patient = make_patient("Pla", f"Nnable{number}", home_location=clinic.location, conditions=treated_for)
    make_ready(patient, Indication.TRD, clinic.location, clinic.clinician, now - timedelta(days=1))
    return patient.pk


def _signed_in(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
