"""The planner's page: who may open it, what it shows, with and without JavaScript, and that it books once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, Booking
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_closure, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, ProtocolVersion, RuleOverride
from courses.services.plan_address import encode
from courses.services.planning_input import settings_from_version
from courses.services.protocols import install_shipped_protocols
from courses.tests.factories import LONG_BEFORE, make_course, make_plan, make_protocol_version, make_settings
from patients.models import Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_patient, make_unavailability
from patients.tests.intake_kit import make_ready

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 11)
NOW = datetime(2027, 1, 4, 14, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true", "HX-Target": "plan-answer"}


@pytest.fixture(autouse=True)
def _monday_before():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    install_shipped_protocols(now=LONG_BEFORE)
    return make_clinic()


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return ready(make_patient(home_location=clinic.location, conditions=[Indication.TRD]), clinic)


def ready(patient: Patient, clinic: Clinic, indication: Indication = Indication.TRD) -> Patient:
    """The patient, of whom nothing is missing for a series on the days of these tests."""
    make_ready(patient, indication, clinic.location, clinic.clinician, NOW)
    return patient


@pytest.fixture
def doctor(client: Client, clinic: Clinic) -> Client:
    client.force_login(clinic.clinician)
    return client


def address(patient: Patient, **wishes) -> str:
    return f"{reverse('courses:plan', args=[patient.pk])}?{urlencode({'first': MONDAY, **wishes}, doseq=True)}"


def read(client: Client, url: str, **known) -> str:
    answer = client.get(url, **known)
    assert answer.status_code == 200
    return answer.content.decode()


def whens(page: str) -> list[str]:
    return re.findall(r'<td class="plan-when"><strong class="num">([^<]+)</strong>', page)


def booking_form(page: str) -> tuple[str, dict[str, list[str]]]:
    """Where the page's booking form goes, and what it sends."""
    action = re.search(r'id="plan-book"[^>]*action="([^"]+)"', page)
    assert action is not None
    form = page[action.start() :]
    codes = re.findall(r'name="p" value="([^"]+)"', form)
    phases = re.findall(r'name="phases" value="([^"]+)"', form)
    return action[1].replace("&amp;", "&"), {"p": codes, "phases": phases}


# -- who ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"), [(Role.CLINICIAN, 200), (Role.NURSE, 403), (Role.FRONT_DESK, 403), (Role.MANAGER, 403)]
)
def test_only_a_clinician_plans(client: Client, clinic: Clinic, ada: Patient, role: Role, status: int) -> None:
    client.force_login(clinic.users[role])
    assert client.get(address(ada)).status_code == status
    assert client.post(address(ada)).status_code == (422 if status == 200 else status)
    zones = reverse("courses:plan_zones", args=[ada.pk]) + "?number=1"
    assert client.get(zones).status_code == status


def test_signed_out_means_sign_in(client: Client, ada: Patient) -> None:
    for url in (address(ada), reverse("courses:plan_zones", args=[ada.pk])):
        assert client.get(url).headers["Location"].startswith("/accounts/login/")


def test_the_reading_is_logged(doctor: Client, ada: Patient) -> None:
    read(doctor, address(ada))
    assert AccessLog.objects.get().page == "Planner"


def test_unknown_merged_and_dead_patients(doctor: Client, ada: Patient) -> None:
    assert doctor.get(reverse("courses:plan", args=[999_999])).status_code == 404
    kept = make_patient("Ada", "Okafor-Lee")
    Patient.objects.filter(pk=ada.pk).update(merged_into=kept)
    assert doctor.get(address(ada)).headers["Location"] == reverse("courses:plan", args=[kept.pk])
    Patient.objects.filter(pk=kept.pk).update(status="deceased")
    assert "This patient has died" in read(doctor, address(kept))


# -- what it shows -----------------------------------------------------------------------------------------------------


def test_the_protocol_follows_the_condition_and_the_sentence_says_what_it_means(doctor: Client, ada: Patient) -> None:
    page = read(doctor, address(ada))
    assert "6 in 2 weeks, Mon-Wed-Fri</option>" in page
    assert "6 infusions at 3 times a week need 12 days." in page
    assert [when[:10] for when in whens(page)] == [
        *("Mon 11 Jan", "Wed 13 Jan", "Fri 15 Jan"),
        *("Mon 18 Jan", "Wed 20 Jan", "Fri 22 Jan"),
    ]
    assert "all gaps legal" in page
    assert "ends in 12 days, Fri 22 Jan" in page
    assert "Book these 6" in page
    ptsd = make_patient("Omar", "Haddad", conditions=[Indication.PTSD])
    assert re.search(r"selected>PTSD: 6 in 2 weeks", read(doctor, address(ptsd)))


def test_eight_twice_a_week_need_25_days_and_do_not_fit_21(doctor: Client, ada: Patient) -> None:
    """Source: clinical.md H3 case 19 (C2)."""
    version = ProtocolVersion.objects.get(protocol__slug="T-2W6", status="published")
    monday = date(2027, 2, 1)
    chosen = {"protocol": version.pk, "of": version.pk, "n": 8, "weekday": [0, 3], "first": monday}
    page = read(doctor, address(ada, **chosen))
    assert "8 infusions at twice a week need 25 days." in page
    assert "At most 6 fit into 21 days; 3 a week fits 8 in 17 days." in page
    assert "ends in 25 days, Thu 25 Feb" in page


def test_a_closure_is_in_the_judges_line(doctor: Client, clinic: Clinic, ada: Patient) -> None:
    """Source: clinical.md H3 case 17."""
    make_closure(clinic.location, date(2027, 1, 18), reason="Holiday")
    page = read(doctor, address(ada))
    assert "1 moved by the closure Mon 18 Jan" in page
    assert "ends in 15 days, Mon 25 Jan" in page
    assert "Moved from Mon 18 Jan: closed (Holiday)." in page


def test_days_off_from_the_address_and_from_the_record(doctor: Client, ada: Patient) -> None:
    make_unavailability(ada, date(2027, 1, 13), note="Court date")
    page = read(doctor, address(ada, not_on=["2027-01-20"]))
    assert "Wed 13 Jan (Court date)" in page
    assert not [when for when in whens(page) if when.startswith(("Wed 13 Jan", "Wed 20 Jan"))]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"gap_min": 5, "gap_max": 3}, "The largest gap must not be below the smallest, 5 days."),
        ({"n": 0}, "Ensure this value is greater than or equal to 1."),
        ({"first": "2026-12-01"}, "This day is past."),
        ({"first": "soon"}, "Enter a valid date."),
        ({"time": "at"}, "Give the time, for example 10:00."),
        ({"not_on": ["tomorrow"]}, "is not a date"),
    ],
)
def test_odd_wishes_are_explained(doctor: Client, ada: Patient, wishes: dict, message: str) -> None:
    version = ProtocolVersion.objects.get(protocol__slug="T-MWF6", status="published")
    page = read(doctor, address(ada, protocol=version.pk, of=version.pk, weekday=[0, 2, 4], **wishes))
    assert message in page
    assert "Book these" not in page


def test_nonsense_in_the_address_is_ignored(doctor: Client, ada: Patient) -> None:
    page = read(
        doctor, address(ada, p=["1.20270111", "x"], protocol="zero", at="moon", treats="joy", pick="none", edit="99")
    )
    assert "Book these 6" in page


def test_five_of_six_fit_and_each_way_out_is_a_button(doctor: Client, ada: Patient) -> None:
    for week in range(6):  # never from Saturday to Tuesday: Friday to Wednesday is 5 days, at most 4 are allowed
        saturday = date(2027, 1, 16) + timedelta(days=7 * week)
        make_unavailability(ada, saturday, saturday + timedelta(days=3))
    page = read(doctor, address(ada))
    assert "5 of 6 fit. The 4th has no legal free time on Mon 18 Jan, its only legal day." in page
    assert "A series is booked whole" in page
    assert "Book these" not in page
    links = re.findall(r'<a class="btn btn-sm"[^>]* href="(\?[^"]+)"[^>]*>([^<]+)</a>', page)
    url = reverse("courses:plan", args=[ada.pk])
    fewer = next(link for link, label in links if label == "Plan the first 3")
    assert "Book these 3" in read(doctor, url + fewer.replace("&amp;", "&"))
    allow = next(link for link, label in links if label == "Allow with a reason")
    allowed = read(doctor, url + allow.replace("&amp;", "&"))
    assert len(whens(allowed)) == 6
    assert "Against the protocol: a reason for each" in allowed
    assert "Book these 6" in allowed


# -- htmx and plain ----------------------------------------------------------------------------------------------------


def test_a_wish_refreshes_the_answer_and_another_protocol_the_whole_planner(doctor: Client, ada: Patient) -> None:
    page = read(doctor, address(ada))
    hidden = dict(re.findall(r'<input type="hidden" name="(of\w*|at)" value="([^"]+)"', page))
    same = doctor.get(address(ada, n=8, weekday=[0, 2, 4], protocol=hidden["of"], treats="trd", **hidden), headers=HTMX)
    assert 'id="plan-answer"' in same.content.decode()
    assert "<html" not in same.content.decode()
    assert 'id="plan-form"' not in same.content.decode()
    assert 'id="plan-derived" class="plan-derived" hx-swap-oob="true"' in same.content.decode()
    assert "n=8" in same.headers["HX-Push-Url"]
    other = ProtocolVersion.objects.get(protocol__slug="T-2W6", status="published")
    whole = doctor.get(address(ada, n=8, protocol=other.pk, treats="trd", **hidden), headers=HTMX)
    assert whole.headers["HX-Retarget"] == "#planner"
    assert 'id="plan-form"' in whole.content.decode()
    assert "6 infusions at twice a week need 18 days." in whole.content.decode()


def test_another_proposal_is_a_link(doctor: Client, ada: Patient) -> None:
    page = read(doctor, address(ada))
    links = re.findall(r'<a class="plan-card[^"]*" id="card-(\w+)" href="([^"]+)"', page)
    assert len(links) >= 2
    key, link = links[1]
    chosen = read(doctor, reverse("courses:plan", args=[ada.pk]) + link.replace("&amp;", "&"))
    assert re.search(rf'is-chosen" id="card-{key}"', chosen)


def test_an_infusion_moves_without_javascript(doctor: Client, ada: Patient) -> None:
    page = read(doctor, address(ada, edit=3))
    form = page[page.index('<form class="plan-edit"') :]
    form = form[: form.index("</form>")]
    assert re.search(r'<optgroup label="Sat', form) is None
    fields = [(name, value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)]
    url = reverse("courses:plan", args=[ada.pk])
    moved = read(doctor, f"{url}?{urlencode([*fields, ('to', '2027-01-16T10:00'), ('mode', 'only')])}")
    assert "Not moved." in moved  # a Saturday
    assert whens(moved) == whens(page)
    moved = read(doctor, f"{url}?{urlencode([*fields, ('to', '2027-01-15T11:30'), ('mode', 'only')])}")
    assert whens(moved)[2] == "Fri 15 Jan, 11:30"
    assert "changed by hand" in moved
    shifted = read(doctor, f"{url}?{urlencode([*fields, ('to', '2027-01-16T10:00'), ('mode', 'shift')])}")
    assert "Not moved." in shifted
    shifted = read(doctor, f"{url}?{urlencode([*fields, ('to', '2027-01-14T10:00'), ('mode', 'only')])}")
    assert "1 day apart, at least 2 needed." in shifted
    assert 'name="reason_3"' in shifted


def test_zones_say_where_an_infusion_may_be_dropped(doctor: Client, ada: Patient) -> None:
    zones = doctor.get(reverse("courses:plan_zones", args=[ada.pk]), {"first": str(MONDAY), "number": "3"}).json()[
        "days"
    ]
    assert zones["2027-01-15"]["tone"] == "legal"
    assert 600 in zones["2027-01-15"]["minutes"]
    assert zones["2027-01-14"]["tone"] == "breach"
    assert "at least 2 days" in zones["2027-01-14"]["message"]
    assert zones["2027-01-13"]["tone"] == "block"
    assert zones["2027-01-13"]["minutes"] == []
    assert doctor.get(reverse("courses:plan_zones", args=[ada.pk]), {"first": str(MONDAY)}).status_code == 404


# -- booking -----------------------------------------------------------------------------------------------------------


def test_booking_leads_to_the_course_and_a_second_post_too(doctor: Client, clinic: Clinic, ada: Patient) -> None:
    action, data = booking_form(read(doctor, address(ada)))
    answer = doctor.post(action, data)
    course = Course.objects.get(patient=ada)
    assert answer.headers["Location"] == reverse("courses:course", args=[course.pk])
    assert (course.indication, course.prescriber) == ("trd", clinic.clinician)
    again = doctor.post(action, data)
    assert again.headers["Location"] == answer.headers["Location"]
    assert Booking.objects.count() == 6
    back = doctor.get(action)  # the back button
    assert back.headers["Location"] == answer.headers["Location"]
    fresh = read(doctor, reverse("courses:plan", args=[ada.pk]))
    assert "has an open course for this condition" in fresh
    assert "Book these" not in fresh


def test_a_time_taken_meanwhile_is_named_and_the_nearest_plan_is_offered(
    doctor: Client, clinic: Clinic, ada: Patient
) -> None:
    page = read(doctor, address(ada, time="around", clock="10:00"))
    action, data = booking_form(page)
    version = ProtocolVersion.objects.select_related("protocol").get(protocol__slug="T-MWF6", status="published")
    rival = replace(make_settings(clinic, version, date(2027, 1, 13)), n=1)
    make_course(clinic, make_patient("Mei", "Chen"), rival)
    refused = doctor.post(action, data)
    assert refused.status_code == 422
    text = refused.content.decode()
    assert "Somebody took the time of infusion 2 meanwhile." in text
    assert "Chen" not in text
    assert 'value="around" selected' in text
    assert [when for when, old in zip(whens(text), whens(page), strict=True) if when != old] == ["Wed 13 Jan, 09:45"]
    assert not Course.objects.filter(patient=ada).exists()
    action, data = booking_form(text)
    assert doctor.post(action, data).status_code == 302
    assert Course.objects.filter(patient=ada).exists()


def test_a_reason_is_asked_for_and_kept(doctor: Client, ada: Patient) -> None:
    action, data = booking_form(read(doctor, address(ada)))
    data["p"][2] = data["p"][2].replace("20270115", "20270114")
    refused = doctor.post(action, data)
    assert refused.status_code == 422
    assert 'name="reason_3"' in refused.content.decode()
    assert doctor.post(action, {**data, "reason_3": "Wedding on Friday"}).status_code == 302
    assert RuleOverride.objects.get().reason == "Wedding on Friday"


def test_maintenance_follows_an_open_course(doctor: Client, clinic: Clinic, ada: Patient) -> None:
    version = ProtocolVersion.objects.select_related("protocol").get(protocol__slug="T-MWF6", status="published")
    settings = settings_from_version(version, location=clinic.location, not_before=MONDAY)
    course = make_course(clinic, ada, settings, placed=make_plan(settings, ada), now=NOW)
    weekly = ProtocolVersion.objects.get(protocol__slug="M-W4", status="published")
    url = f"{reverse('courses:plan', args=[ada.pk])}?treats=trd&protocol={weekly.pk}"
    page = read(doctor, url)
    assert [when[:10] for when in whens(page)] == ["Fri 29 Jan", "Fri 5 Feb,", "Fri 12 Feb", "Fri 19 Feb"]
    action, data = booking_form(page)
    assert doctor.post(action, data).headers["Location"] == reverse("courses:course", args=[course.pk])
    assert doctor.post(action, data).headers["Location"] == reverse("courses:course", args=[course.pk])
    assert course.phases.count() == 2
    assert Booking.objects.count() == 10


# -- how fast ----------------------------------------------------------------------------------------------------------


def test_the_page_needs_as_many_queries_for_twenty_infusions_as_for_two(
    doctor: Client, clinic: Clinic, queries: Queries
) -> None:
    version = make_protocol_version("T-LONG", n=20)
    for n in (2, 20):
        pat = make_patient("Pat", f"Number{n}", home_location=clinic.location)
        make_user(Role.NURSE, username=f"nurse{n}", first_name="Tomas")
        make_unavailability(pat, date(2027, 1, n))
        url = address(pat, protocol=version.pk, of=version.pk, weekday=[0, 2, 4], n=n)
        with queries("planner"):
            read(doctor, url)
        with queries("planner, a wish"):
            answer = doctor.get(url, headers=HTMX)
        assert answer.status_code == 200
        with queries("planner, zones"):
            answer = doctor.get(reverse("courses:plan_zones", args=[pat.pk]) + f"?{url.split('?')[1]}&number=1")
        assert answer.status_code == 200


def test_the_address_carries_a_whole_plan(doctor: Client, clinic: Clinic, ada: Patient) -> None:
    version = ProtocolVersion.objects.select_related("protocol").get(protocol__slug="T-MWF6", status="published")
    settings = make_settings(clinic, version, MONDAY, start_min=11 * 60)
    plan = make_plan(settings, ada)
    page = read(doctor, address(ada, p=[encode(one) for one in plan]))
    assert [when[-5:] for when in whens(page)] == ["11:00"] * 6
    links = re.findall(r'id="change-1" href="\?([^"#]+)', page)
    assert [value for name, value in parse_qsl(links[0].replace("&amp;", "&")) if name == "p"] == [
        encode(one) for one in plan
    ]


def test_the_home_location_is_planned_for_and_another_can_be_chosen(
    doctor: Client, clinic: Clinic, ada: Patient
) -> None:
    uptown = make_clinic("Uptown", time_zone="America/Chicago")
    ready(ada, uptown)  # consent is given to a location
    page = read(doctor, address(ada))
    assert re.search(rf'<option value="{clinic.location.pk}" selected>Downtown', page)
    page = read(doctor, address(ada, at=uptown.location.pk))
    action, data = booking_form(page)
    assert doctor.post(action, data).status_code == 302
    first = Booking.objects.order_by("span")[0]
    assert first.location == uptown.location
    assert uptown.location.local(first.start).date() == MONDAY


def test_nothing_to_plan_with_is_said(doctor: Client, clinic: Clinic, ada: Patient) -> None:
    clinic.location.resources.update(is_active=False)
    assert "There is nothing to plan with" in read(doctor, address(ada))
    ProtocolVersion.objects.update(status="retired")
    assert "No protocol is published" in read(doctor, address(ada))


def test_weekdays_that_do_not_go_with_the_gaps_are_pointed_out(doctor: Client, ada: Patient) -> None:
    version = ProtocolVersion.objects.get(protocol__slug="T-MWF6", status="published")
    page = read(doctor, address(ada, protocol=version.pk, of=version.pk, weekday=[0, 1]))
    assert "These weekdays are up to 6 days apart, and the largest gap is 4 days" in page
    assert "Some of these weekdays are 1 day apart, and the smallest gap is 2 days" in page
    page = read(doctor, address(ada, protocol=version.pk, of=version.pk, weekday=[0, 2, 4], n=9))
    assert "9 infusions are more than this protocol is made for: 4 to 8." in page


# -- restarting and notes ----------------------------------------------------------------------------------------------


def test_a_course_that_cannot_be_restarted_is_said_and_not_linked(doctor: Client, ada: Patient, clinic: Clinic) -> None:
    settings = make_settings(clinic, make_protocol_version(), MONDAY)
    theirs = make_course(clinic, make_patient("Mei", "Chen"), settings)
    for previous in (theirs.pk, 987654, "x", "9" * 40):
        page = doctor.get(address(ada, previous=previous)).content.decode()
        assert "is not a closed course of Ada Okafor" in page
        assert 'name="previous"' not in page


def test_a_number_or_minutes_outside_the_protocol_are_noted_and_can_be_booked(doctor: Client, ada: Patient) -> None:
    """Source: clinical.md A2 C1, "warn outside 4-8"; B5, 40-60 min."""
    version = ProtocolVersion.objects.get(protocol__slug="T-MWF6")
    asked = {"protocol": version.pk, "of": version.pk, "weekday": [0, 2, 4]}
    said = "9 infusions are more than this protocol is made for: 4 to 8."
    inside = doctor.get(address(ada, **asked, n=8)).content.decode()
    assert "made for:" not in inside
    page = doctor.get(address(ada, **asked, n=9, infusion=90)).content.decode()
    assert said in page
    assert "The infusion of 90 min is longer than this protocol says, 40 to 60 min." in page
    assert "Book these 9" in page
