"""One visit: its sheet, and its end."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, Booking, BookingStatus
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.tests import series_kit
from courses.tests.sheet_kit import HTMX, ask, sheet, words
from courses.tests.visit_kit import block, consult, full_clinic, ny, release
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


# -- the sheet ---------------------------------------------------------------------------------------------------------


def test_the_sheet_says_who_when_where_with_whom_and_how_to_reach_them(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic, patient=make_patient(phones=["+12125550123"], email="ada@patients.example"))
    said = words(sheet(client, clinic.desk, booking))
    for part in ("Okafor, Ada", "Thu 7 Jan, 10:00 –11:00", "Room 1", "Samuel Hart, MD", "(212) 555-0123", "ada@"):
        assert part in said


def test_it_works_as_a_page_of_its_own(client: Client, clinic: Clinic) -> None:
    page = ask(client, clinic.desk, reverse("courses:visit", args=[consult(clinic).pk])).content.decode()
    assert page.count("<h1") == 1
    assert "<html" in page


def test_reading_it_is_logged_with_the_patient(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    sheet(client, clinic.nurse, booking)
    (row,) = AccessLog.objects.filter(page="Visit")
    assert (row.user, row.subject_id) == (clinic.nurse, booking.subject_id)
    sheet(client, clinic.nurse, block(clinic, "12:00", [clinic.room.pk]))
    assert AccessLog.objects.filter(page="Visit").count() == 1


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (Role.FRONT_DESK, {"Arrived", "Confirm", "Cancel this visit"}),
        (Role.NURSE, {"Arrived", "Open record"}),
        (Role.CLINICIAN, {"Arrived", "Confirm", "Cancel this visit", "Open record"}),
        (Role.MANAGER, set()),
    ],
)
def test_each_role_is_offered_what_it_may_do(client: Client, clinic: Clinic, role: Role, offered: set[str]) -> None:
    page = sheet(client, clinic.users[role], consult(clinic))
    buttons = {words(one).strip() for one in re.findall(r'<button class="btn.*?</button>', page, re.DOTALL)}
    assert buttons == offered
    assert ("Change time or people" in page) is (role in (Role.FRONT_DESK, Role.CLINICIAN))


def test_a_no_show_is_offered_from_the_start_on(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    assert "No-show" not in sheet(client, clinic.desk, booking, at="09:59")
    assert "No-show" in sheet(client, clinic.desk, booking, at="10:00")


def test_an_infusion_leads_to_what_its_course_offers(client: Client) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    page = sheet(client, booked.desk, booking)
    infusion = booked.infusion_any(1)
    for name, args in (("course", [booked.course.pk]), ("move", [infusion]), ("end_infusion", [infusion, "cancel"])):
        assert f'href="{reverse(f"courses:{name}", args=args)}"' in page
    assert "end-reason" not in page
    assert "Move" not in words(sheet(client, booked.nurse, booking))


def test_a_person_without_a_role_and_a_stranger_do_not_see_it(client: Client, clinic: Clinic) -> None:
    address = reverse("courses:visit", args=[consult(clinic).pk])
    client.force_login(make_user())
    assert client.get(address).status_code == 403
    assert Client().get(address)["Location"].startswith("/accounts/login/")
    client.force_login(clinic.desk)
    assert client.get(reverse("courses:visit", args=[987654])).status_code == 404


@pytest.mark.parametrize("visits", [2, 20])
def test_the_sheet_needs_as_many_queries_among_two_visits_as_among_twenty(
    client: Client, queries: Queries, visits: int
) -> None:
    clinic = full_clinic(visits)
    booking = Booking.objects.order_by("span")[0]
    ask(client, clinic.desk, "/")  # the first answer after signing in has more to do
    with time_machine.travel(ny("09:40"), tick=False), queries("visit sheet"):
        answer = client.get(reverse("courses:visit", args=[booking.pk]), headers=HTMX)
    assert answer.status_code == 200
    assert booking.location.name in answer.content.decode()


def test_released_visits_say_so_in_their_sheet(client: Client, clinic: Clinic) -> None:
    booking = release(consult(clinic), BookingStatus.CANCELLED, by=clinic.desk, at=ny("08:00"))
    page = sheet(client, clinic.desk, booking)
    assert "Cancelled" in words(page)
    assert "end-reason" not in page
    assert "Change time" not in page


# -- its end -----------------------------------------------------------------------------------------------------------


def end(
    client: Client, user: Any, booking: Booking, how: str, *, at: str = "09:40", reason: str = "Ill", **more: Any
) -> Any:
    facts = {"version": booking.version, "reason": reason, "next": "/"} | more
    return ask(client, user, f"/visits/{booking.pk}/end/{how}/", at=at, post=facts, headers=HTMX)


def test_a_cancelled_consultation_frees_its_time_and_keeps_the_reason(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    assert end(client, clinic.desk, booking, "cancel")["HX-Redirect"] == "/"
    booking.refresh_from_db()
    assert (booking.status, booking.ended_reason) == (BookingStatus.CANCELLED, "Ill")
    assert consult(clinic, patient=make_patient("Mei", "Chen")).pk
    assert "Ill" in words(sheet(client, clinic.desk, booking))


def test_a_cancellation_without_a_reason_is_asked_again_in_the_sheet(client: Client, clinic: Clinic) -> None:
    answer = end(client, clinic.desk, consult(clinic), "cancel", reason="  ")
    assert answer.status_code == 422
    assert "Say why, in a few words." in answer.content.decode()


def test_a_no_show_needs_no_reason_but_the_time_has_to_have_come(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    early = end(client, clinic.desk, booking, "no-show", reason="")
    assert early.status_code == 422
    assert "has not come yet" in early.content.decode()
    end(client, clinic.desk, booking, "no-show", reason="", at="10:20")
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.MISSED


def test_who_cancelled_by_mistake_takes_it_back_from_the_sheet(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    end(client, clinic.desk, booking, "cancel")
    booking.refresh_from_db()
    assert "Undo “Cancelled”" in words(sheet(client, clinic.desk, booking))
    address = reverse("courses:step_back", args=[booking.pk])
    ask(client, clinic.desk, address, post={"version": booking.version, "next": "/"})
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.BOOKED


def test_a_cancellation_is_not_taken_back_once_somebody_else_has_the_time(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    end(client, clinic.desk, booking, "cancel")
    consult(clinic, patient=make_patient("Mei", "Chen"))
    address = reverse("courses:step_back", args=[booking.pk])
    answer = ask(client, clinic.desk, address, post={"version": booking.version + 1}, headers=HTMX)
    assert answer.status_code == 422
    assert "The time is taken by now" in answer["HX-Trigger"]


def test_a_stale_sheet_ends_nothing(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    answer = end(client, clinic.desk, booking, "cancel", version=booking.version - 1)
    assert answer.status_code == 422
    assert "Somebody changed this visit" in answer.content.decode()
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.BOOKED


def test_blocked_time_is_freed_without_a_reason_and_is_never_a_no_show(client: Client, clinic: Clinic) -> None:
    booking = block(clinic, "12:00", [clinic.room.pk])
    assert end(client, clinic.desk, booking, "no-show", at="12:10").status_code == 404
    end(client, clinic.desk, booking, "cancel", reason="")
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.CANCELLED


def test_infusions_are_not_ended_here(client: Client) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    assert end(client, booked.desk, booking, "cancel").status_code == 404
    assert end(client, booked.desk, booking, "withhold").status_code == 404


@pytest.mark.parametrize("role", [Role.NURSE, Role.MANAGER])
def test_roles_that_do_not_book_cannot_cancel(client: Client, clinic: Clinic, role: Role) -> None:
    booking = consult(clinic)
    assert end(client, clinic.users[role], booking, "cancel").status_code == 403
    assert Client().post(f"/visits/{booking.pk}/end/cancel/")["Location"].startswith("/accounts/login/")
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.BOOKED


def test_a_consultation_that_nobody_followed_is_recorded_as_held_afterwards(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    address = reverse("courses:held", args=[booking.pk])
    assert "It took place" not in sheet(client, clinic.desk, booking, at="10:30")
    assert "It took place" in sheet(client, clinic.desk, booking, at="11:00")
    ask(client, clinic.desk, address, at="10:30", post={"version": booking.version})
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.BOOKED
    ask(client, clinic.desk, address, at="11:30", post={"version": booking.version})
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.DONE
    ask(client, clinic.desk, address, at="11:30", post={"version": booking.version + 3})  # again: nothing breaks


def test_the_other_roles_cannot_record_it(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    address = reverse("courses:held", args=[booking.pk])
    assert ask(client, clinic.manager, address, at="11:30", post={"version": booking.version}).status_code == 403
    assert Client().post(address)["Location"].startswith("/accounts/login/")
