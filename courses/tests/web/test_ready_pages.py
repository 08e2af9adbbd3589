"""Ready to start on the pages: the planner's button, the pencilled course, Today, the patient, by role."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus, ReadinessOverride
from courses.services.pencils import release_expired_pencils
from courses.tests.factories import make_course, make_plan, make_protocol_version, make_settings
from courses.tests.web.test_planner import address, booking_form
from patients.models import IntakeSettings, Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_decision, make_ready

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 11)
NOW = datetime(2027, 1, 4, 14, 0, tzinfo=UTC)  # 09:00 in New York
UNTIL = "Wed 6 Jan, 09:00"


@pytest.fixture(autouse=True)
def _monday_before():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(home_location=clinic.location, conditions=[Indication.TRD], sex="female")


@pytest.fixture
def held(clinic: Clinic, ada: Patient) -> Course:
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    placed = make_plan(settings, ada, now=NOW)
    return make_course(clinic, ada, settings, now=NOW, is_ready=False, pencil=True, placed=placed)


def ready(patient: Patient, clinic: Clinic, now: datetime = NOW) -> None:
    make_ready(patient, Indication.TRD, clinic.location, clinic.clinician, now)


def read(client: Client, user: Any, url: str, status: int = 200) -> str:
    client.force_login(user)
    answer = client.get(url)
    assert answer.status_code == status
    return answer.content.decode()


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# -- planner -----------------------------------------------------------------------------------------------------------


def test_the_planner_lists_what_is_missing_with_links_and_offers_a_pencil(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    make_protocol_version()
    page = read(client, clinic.clinician, address(ada))
    said = words(page)
    assert "Not ready to start" in said
    assert f"Pencil these 6 until {UNTIL}" in said
    assert "Book these 6" not in said
    assert reverse("consents:patient", args=[ada.pk]) in page
    assert reverse("measures:entry", args=[ada.pk, "phq9"]) in page
    assert f"{reverse('intake:slots')}?patient={ada.pk}" in page
    action, data = booking_form(page)
    assert client.post(action, data).status_code == 422  # neither pencilled nor let through
    answer = client.post(action, data | {"how": ["pencil"]})
    course = Course.objects.get()
    assert answer.headers["Location"] == course.get_absolute_url()
    assert course.pencilled_until == NOW + timedelta(hours=48)
    ready(ada, clinic)


def test_green_it_books(client: Client, clinic: Clinic, ada: Patient) -> None:
    make_protocol_version()
    ready(ada, clinic)
    page = read(client, clinic.clinician, address(ada))
    assert "Ready to start" in words(page)
    assert "Book these 6" in words(page)
    assert "Pencil these" not in words(page)


def test_a_reason_lets_it_start_and_without_one_the_page_asks(client: Client, clinic: Clinic, ada: Patient) -> None:
    make_protocol_version()
    action, data = booking_form(read(client, clinic.clinician, address(ada)))
    refused = client.post(action, data | {"how": ["override"], "override_reason": [" "]})
    assert refused.status_code == 422
    assert "Give the reason for letting this series start" in refused.content.decode()
    assert client.post(action, data | {"how": ["override"], "override_reason": ["Very low today"]}).status_code == 302
    page = read(client, clinic.clinician, Course.objects.get().get_absolute_url())
    assert "Started although something was missing" in page
    assert "Very low today" in page
    assert ReadinessOverride.objects.get().by == clinic.clinician
    desk = read(client, clinic.desk, Course.objects.get().get_absolute_url())
    assert "Started although something was missing" in desk
    assert "Very low today" not in desk


def test_a_typed_reason_does_not_slip_through_with_the_pencil(client: Client, clinic: Clinic, ada: Patient) -> None:
    make_protocol_version()
    action, data = booking_form(read(client, clinic.clinician, address(ada)))
    client.post(action, data | {"how": ["pencil"], "override_reason": ["Half a thought"]})
    assert Course.objects.get().pencilled_until is not None
    assert not ReadinessOverride.objects.exists()


def test_a_clinic_that_holds_nothing_shows_no_pencil(client: Client, clinic: Clinic, ada: Patient) -> None:
    make_protocol_version()
    IntakeSettings.objects.create(location=clinic.location, pencil_hours=0)
    said = words(read(client, clinic.clinician, address(ada)))
    assert "Pencil these" not in said
    assert "Nothing can be booked until what is missing is there." in said


# -- the pencilled course ----------------------------------------------------------------------------------------------


def test_the_course_counts_down_and_is_confirmed(client: Client, clinic: Clinic, ada: Patient, held: Course) -> None:
    url, confirm = held.get_absolute_url(), reverse("courses:confirm", args=[held.pk])
    page = read(client, clinic.clinician, url)
    assert f"Pencilled until {UNTIL} · 2 d 0 h left" in words(page)
    assert "Confirm the series" not in page
    refused = client.post(confirm)
    assert refused.status_code == 422
    assert "Not ready to start. Missing: treatment consent" in refused.content.decode()
    ready(ada, clinic)
    assert "Confirm the series" in read(client, clinic.clinician, url)
    assert client.post(confirm).headers["Location"] == url
    assert "Pencilled until" not in words(read(client, clinic.clinician, url))
    assert client.post(confirm).status_code == 422


@pytest.mark.parametrize("who", ["desk", "nurse", "manager"])
def test_only_who_plans_confirms(client: Client, clinic: Clinic, held: Course, who: str) -> None:
    client.force_login(getattr(clinic, who))
    assert client.post(reverse("courses:confirm", args=[held.pk])).status_code == 403


def test_the_front_desk_reads_complete_or_missing_and_a_manager_neither(
    client: Client, clinic: Clinic, ada: Patient, held: Course
) -> None:
    ready(ada, clinic)
    url = held.get_absolute_url()
    clinical = words(read(client, clinic.nurse, url))
    assert "PHQ-9 18" in clinical
    assert "128/82" in clinical
    desk = words(read(client, clinic.desk, url))
    assert "Baseline score complete" in desk
    assert "PHQ-9" not in desk
    assert "128/82" not in desk
    assert "Baseline score" not in words(read(client, clinic.manager, url))


def test_a_lapsed_pencil_never_looks_held(client: Client, clinic: Clinic, held: Course) -> None:
    with time_machine.travel(NOW + timedelta(hours=48), tick=False):
        page = words(read(client, clinic.clinician, held.get_absolute_url()))
        assert "Released. The series was pencilled and the patient was not ready in time" in page
        held.refresh_from_db()
        assert held.status == CourseStatus.STOPPED
        assert "the pencilled series was released: not ready in time" in words(read(client, clinic.desk, "/"))


# -- marked everywhere -------------------------------------------------------------------------------------------------


def test_pencilled_visits_carry_the_word(client: Client, clinic: Clinic, ada: Patient, held: Course) -> None:
    assert "Pencilled" in words(read(client, clinic.desk, reverse("courses:list")))
    day = read(client, clinic.desk, f"{reverse('courses:calendar')}?day=2027-01-11")
    assert "Pencilled" in words(day)
    assert '"isPencilled": true' in day
    assert "pencilled" in words(read(client, clinic.desk, f"{reverse('courses:calendar')}?day=2027-01-11&view=week"))
    patient = words(read(client, clinic.desk, ada.get_absolute_url()))
    assert f"The series is pencilled until {UNTIL}." in patient
    assert "Not ready to start" in patient
    today = words(read(client, clinic.desk, "/"))
    assert f"series pencilled until {UNTIL}, missing: treatment consent" in today
    manager = words(read(client, clinic.manager, "/"))
    assert f"series pencilled until {UNTIL}" in manager
    assert "treatment consent" not in manager
    sheet = words(read(client, clinic.desk, reverse("courses:visit", args=[Booking.objects.order_by("span")[0].pk])))
    assert "Pencilled" in sheet
    assert "Not ready to start" in sheet


def test_on_the_first_day_today_says_what_has_to_be_renewed(client: Client, clinic: Clinic, ada: Patient) -> None:
    ready(ada, clinic, NOW - timedelta(days=10))
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    make_course(clinic, ada, settings, now=NOW, is_ready=False, placed=make_plan(settings, ada, now=NOW))
    with time_machine.travel(clinic.location.at(MONDAY, datetime.min.time()) + timedelta(hours=9), tick=False):
        assert "not ready: baseline score" in words(read(client, clinic.desk, "/"))
        booking = Booking.objects.order_by("span")[0]
        sheet = words(read(client, clinic.nurse, reverse("courses:visit", args=[booking.pk])))
        assert "17 days old, at most 14 are allowed" in sheet
        client.force_login(clinic.desk)  # shown at check-in; what holds the start back is the infusion day's
        answer = client.post(reverse("courses:step", args=[booking.pk]), {"to": "arrived", "version": booking.version})
        assert answer.status_code == 302


def test_a_refused_check_in_lists_what_is_missing(client: Client, clinic: Clinic, held: Course) -> None:
    booking = Booking.objects.order_by("span")[0]
    Course.objects.filter(pk=held.pk).update(pencilled_until=booking.end)
    with time_machine.travel(booking.start, tick=False):
        client.force_login(clinic.desk)
        answer = client.post(
            reverse("courses:step", args=[booking.pk]),
            {"to": "arrived", "version": booking.version},
            headers={"HX-Request": "true"},
        )
        assert answer.status_code == 422
        assert "only pencilled" in answer.headers["HX-Trigger"]
        assert "baseline score" in answer.headers["HX-Trigger"]
    assert release_expired_pencils(booking.end) == 1


def test_a_decision_without_a_consultation_stands_on_the_patients_page(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    make_decision(ada, Indication.TRD, clinic.clinician, NOW)
    assert "Fit to start" in words(read(client, clinic.clinician, ada.get_absolute_url()))


def test_the_pages_of_a_pencilled_series_stay_within_their_queries(
    client: Client, clinic: Clinic, held: Course, queries: Queries
) -> None:
    client.force_login(clinic.clinician)
    with queries("course, pencilled"):
        answer = client.get(held.get_absolute_url())
    assert answer.status_code == 200
    with queries("today, with a pencilled series"):
        answer = client.get("/")
    assert answer.status_code == 200
    with queries("patient with a pencilled series"):
        answer = client.get(held.patient.get_absolute_url())
    assert answer.status_code == 200
