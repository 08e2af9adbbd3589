"""Staff, shifts and days off as a manager sets them up, and what is refused in words."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.test import Client

from clinic.models import (
    Resource,
    RolePolicy,
    Shift,
    ShiftException,
    User,
)
from clinic.pure.roles import Role
from clinic.tests.factories import (
    make_absence,
    make_closure,
    make_location,
    make_user,
)
from clinic.tests.setup_kit import THURSDAY, url, visit, week, words

pytestmark = pytest.mark.django_db


def person(**changes) -> dict[str, object]:
    facts = {"first_name": "Nora", "last_name": "Bell", "title": "RN", "username": "nora", "email": "nora@example.org"}
    return facts | {"roles": ["nurse"], "lanes": "4", "home_location": ""} | changes


def test_a_person_is_added_and_chooses_a_password_by_the_link(clinic, manager) -> None:
    page = manager.post(url("staff_add"), person(), follow=True)
    link = re.search(r'value="http://testserver(/accounts/password/reset/key/[^"]+)"', page.content.decode())[1]
    nora = User.objects.get(username="nora")
    assert (nora.roles, nora.resource.lanes) == (["nurse"], 4)
    assert "/accounts/password/reset/key/" not in manager.get(url("person", nora.pk)).content.decode()  # shown once
    other = Client()
    form = other.get(link, follow=True)
    chosen = "quite-a-good-secret"
    other.post(form.redirect_chain[-1][0], {"password1": chosen, "password2": chosen})
    assert Client().post("/accounts/login/", {"login": "nora", "password": chosen}).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"username": "MANAGER"}, "Somebody else has this user name."),
        ({"roles": []}, "Choose at least one role"),
        ({"roles": ["surgeon"]}, "not one of the available choices"),
        ({"lanes": "10"}, "less than or equal to 9"),
        ({"lanes": ""}, "required"),
        ({"email": "nowhere"}, "valid email"),
        ({"first_name": "x" * 10_000}, "at most 150 characters"),
    ],
)
def test_a_person_who_cannot_be_is_refused_at_the_field(manager, changes, refusal) -> None:
    answer = manager.post(url("staff_add"), person(**changes))
    assert answer.status_code == 422
    assert refusal in words(answer)
    assert not User.objects.filter(username="nora").exists()


def test_roles_and_lanes_are_edited_and_a_booked_nurse_stays_one(clinic, manager) -> None:
    edit = url("staff_edit", clinic.nurse.pk)
    same = person(username="nurse", first_name="Ines", last_name="Moreau", email="")
    assert manager.post(edit, same | {"lanes": "2"}).status_code == 302
    assert Resource.objects.get(pk=clinic.nurse.resource_id).lanes == 2
    visit(clinic.location, THURSDAY, person=clinic.nurse)
    asked = manager.post(edit, same | {"roles": ["front_desk"]})
    assert asked.status_code == 409
    assert "is booked for more than that" in words(asked)


def test_the_list_finds_by_name_role_and_state(clinic, manager) -> None:
    make_user(Role.NURSE, username="gone", first_name="Gone", last_name="Away", is_active=False)
    assert "Gone Away" not in words(manager.get(url("staff")))
    assert "Gone Away" in words(manager.get(url("staff"), {"state": "off"}))
    assert "Ines Moreau" in words(manager.get(url("staff"), {"q": "mor ine", "role": "nurse"}))
    assert "Nobody fits" in words(manager.get(url("staff"), {"q": "mor", "role": "manager"}))
    for odd in ({"role": "surgeon"}, {"q": "x" * 10_000}, {"sort": "password"}, {"page": "-7"}):
        assert manager.get(url("staff"), odd).status_code == 200


def test_a_person_is_switched_off_after_a_look_at_their_visits(clinic, manager) -> None:
    visit(clinic.location, THURSDAY, person=clinic.nurse)
    off = url("deactivate", clinic.nurse.pk)
    assert manager.post(off).status_code == 409
    done = manager.post(off, {"keep_bookings": "1"}, follow=True)
    assert "Thu 7 Jan, 09:00–11:00 Ada Okafor" in words(done)
    assert not User.objects.get(pk=clinic.nurse.pk).is_active
    manager.post(url("reactivate", clinic.nurse.pk))
    assert User.objects.get(pk=clinic.nurse.pk).is_active


def test_a_manager_cannot_switch_themselves_off(clinic, manager) -> None:
    answer = manager.post(url("deactivate", clinic.manager.pk), follow=True)
    assert "You cannot switch off your own account" in words(answer)
    assert User.objects.get(pk=clinic.manager.pk).is_active


def test_shifts_are_saved_from_a_day_on(clinic, manager) -> None:
    sent = week(first_day="2027-01-11", d4_0_from="", d4_0_until="")
    manager.post(url("shifts", clinic.nurse.pk, clinic.location.pk), sent)
    friday = Shift.objects.get(user=clinic.nurse, weekday=4)
    assert friday.last_day == date(2027, 1, 10)
    assert Shift.objects.filter(user=clinic.nurse).count() == 5


def test_shifts_elsewhere_at_the_same_time_are_refused_in_words(clinic, manager) -> None:
    uptown = make_location("Uptown")
    answer = manager.post(url("shifts", clinic.nurse.pk, uptown.pk), week(first_day="2027-01-11"))
    assert answer.status_code == 422
    assert "Monday: Ines Moreau, RN works at Downtown 08:00–18:00 then." in words(answer)


def test_a_day_off_with_visits_is_asked_about_and_can_be_taken_back(clinic, manager) -> None:
    visit(clinic.location, THURSDAY, person=clinic.nurse)
    add = url("exception_add", clinic.nurse.pk)
    sent = {"kind": "off", "day": "2027-01-07", "starts": "", "ends": "", "location": "", "reason": "Ill"}
    assert manager.post(add, sent).status_code == 409
    page = manager.post(add, sent | {"keep_bookings": "1"}, follow=True)
    assert "Thu 7 Jan 2027 Not working all day Ill" in words(page)
    assert "Ada Okafor" in words(page)
    manager.post(url("exception_delete", ShiftException.objects.get().pk))
    assert "Ada Okafor" not in words(manager.get(url("person", clinic.nurse.pk)))


def test_the_week_shows_shifts_days_off_and_closures(clinic, manager) -> None:
    make_absence(clinic.nurse, THURSDAY, reason="Course")
    make_closure(clinic.location, date(2027, 1, 8), reason="Painters")
    said = words(manager.get(url("staff_week"), {"day": "2027-01-06"}))
    assert "Week of Mon 4 Jan 2027" in said
    assert "Off: Course" in said
    assert "Downtown: Painters" in said
    for odd in ("x", "0001-01-01", "9999-12-31", "2027-02-30"):
        assert "Week of Mon 4 Jan 2027" in words(manager.get(url("staff_week"), {"day": odd}))


def test_a_second_factor_is_demanded_by_role_and_counted(clinic, manager) -> None:
    manager.post(url("second_factor"), {"roles": ["nurse", "clinician"]})
    assert {row.role for row in RolePolicy.objects.filter(requires_second_factor=True)} == {"nurse", "clinician"}
    assert "Nurse 0 of 1 has one" in words(manager.get(url("second_factor")))
    assert manager.post(url("second_factor"), {"roles": ["surgeon"]}).status_code == 200
    assert RolePolicy.objects.filter(requires_second_factor=True).count() == 2
