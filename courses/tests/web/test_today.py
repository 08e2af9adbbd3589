"""Today: who comes when, what needs somebody, the next step, and a page that refreshes itself quietly."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking, BookingStatus
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_closure, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.tests import series_kit
from courses.tests.visit_kit import DAY, consult, full_clinic, ny, release, take
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def look(client: Client, user: Any, at: str = "09:40", day: date = DAY, **query: str) -> str:
    with time_machine.travel(ny(at, day), tick=False):
        client.force_login(user)  # signing in is activity: nobody is signed out for being idle between two looks
        return client.get("/", query).content.decode()


def press(client: Client, user: Any, booking: Booking, to: str, *, at: str = "09:40", **more: Any) -> Any:
    version = more.pop("version", booking.version)
    with time_machine.travel(ny(at), tick=False):
        client.force_login(user)
        return client.post(reverse("courses:step", args=[booking.pk]), {"to": to, "version": version}, **more)


def row(page: str, booking: Booking) -> str:
    found = re.search(rf'<li class="visit [^>]*data-visit="{booking.pk}".*?</li>', page, re.DOTALL)
    return found[0] if found else ""


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


# -- who comes when ----------------------------------------------------------------------------------------------------


def test_a_visit_stands_with_its_time_patient_room_and_clinician(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    said = words(row(look(client, clinic.desk), booking))
    for part in ("10:00", "Okafor, Ada", "consultation", clinic.room.name, clinic.clinician.display_name, "Booked"):
        assert part in said


@pytest.mark.parametrize(
    ("at", "hint"),
    [("08:59", ""), ("09:01", "in 59 min"), ("09:48", "in 12 min"), ("10:00", "now"), ("10:03", "3 min late"),
     ("11:30", "no arrival recorded")],
)  # fmt: skip
def test_the_clock_says_how_far_an_expected_visit_is(client: Client, clinic: Clinic, at: str, hint: str) -> None:
    booking = consult(clinic)
    said = words(row(look(client, clinic.desk, at), booking))
    assert "Okafor" in said
    assert (hint in said) if hint else not re.search(r"\bin \d+ min|late", said)


def test_somebody_who_has_arrived_is_waiting_so_many_minutes(client: Client, clinic: Clinic) -> None:
    booking = take(consult(clinic), "arrived", by=clinic.desk, at=ny("09:50"))
    assert "waiting 12 min" in words(row(look(client, clinic.desk, "10:02"), booking))


def test_a_visit_that_goes_on_says_what_is_left_and_then_how_much_it_is_over(client: Client, clinic: Clinic) -> None:
    booking = take(consult(clinic), "arrived", "in_chair", by=clinic.clinician)
    assert "24 min left" in words(row(look(client, clinic.desk, "10:36"), booking))
    assert "5 min over" in words(row(look(client, clinic.desk, "11:05"), booking))


def test_observation_counts_from_when_it_really_began() -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    visit = booking.infusion_visit
    begun = booking.start + timedelta(minutes=visit.preparation_min + visit.infusion_min + 20)  # twenty minutes late
    take(booking, "arrived", "in_chair", by=booked.nurse)
    take(booking, "observing", by=booked.nurse, at=begun)
    client = Client()
    with time_machine.travel(begun + timedelta(minutes=10), tick=False):
        client.force_login(booked.desk)
        page = client.get("/").content.decode()
    assert f"{visit.observation_min - 10} min left" in words(row(page, booking))


def test_a_consultation_is_with_the_clinician_not_in_a_chair(client: Client, clinic: Clinic) -> None:
    booking = take(consult(clinic), "arrived", "in_chair", by=clinic.clinician)
    assert "With clinician" in words(row(look(client, clinic.desk, "10:10"), booking))


def test_groups_count_and_filter(client: Client, clinic: Clinic) -> None:
    coming = consult(clinic, "15:00")
    here = take(consult(clinic, "10:00", patient=make_patient("Mei", "Chen")), "arrived", by=clinic.desk)
    gone = take(
        consult(clinic, "08:00", patient=make_patient("Tom", "Silva")),
        "arrived",
        "in_chair",
        "done",
        by=clinic.clinician,
    )
    off = release(
        consult(clinic, "12:00", patient=make_patient("Bo", "Lind")),
        BookingStatus.CANCELLED,
        by=clinic.desk,
        at=ny("08:00"),
    )
    page = look(client, clinic.desk, "10:05")
    assert re.findall(r"(All|Arriving|In clinic|Done|Not happening) <span class=\"num\">(\d+)", page) == [
        ("All", "3"), ("Arriving", "1"), ("In clinic", "1"), ("Done", "1"), ("Not happening", "1"),
    ]  # fmt: skip
    for show, booking in (("arriving", coming), ("in", here), ("done", gone), ("off", off)):
        shown = re.findall(r'data-visit="(\d+)"', look(client, clinic.desk, "10:05", show=show))
        assert shown == [str(booking.pk)]
    assert not row(page, off)


def test_what_is_missing_for_a_visit_is_said_until_it_has_begun(client: Client, clinic: Clinic) -> None:
    unreachable = consult(clinic, patient=make_patient("Mei", "Chen"))
    assert "missing: phone or e-mail" in words(row(look(client, clinic.desk), unreachable))
    take(unreachable, "arrived", by=clinic.desk)
    assert "missing" not in words(row(look(client, clinic.desk), unreachable))


def test_an_infusion_without_an_emergency_contact_says_so() -> None:
    booked = series_kit.book(patient=make_patient(phones=["+12125550123"]))
    client, booking = Client(), booked.series.row(1).booking
    assert booking is not None
    with time_machine.travel(booking.start - timedelta(minutes=30), tick=False):
        client.force_login(booked.desk)
        page = client.get("/").content.decode()
    assert "missing: emergency contact" in words(row(page, booking))


# -- steps by role -----------------------------------------------------------------------------------------------------


def buttons(page: str, booking: Booking) -> list[str]:
    return re.findall(
        r'<button id="[a-z_]+-\d+"[^>]*>(?:<svg.*?</svg>)?\s*(.*?)</button>', row(page, booking), re.DOTALL
    )


@pytest.mark.parametrize(
    ("role", "taken", "offered"),
    [
        (Role.FRONT_DESK, (), ["Confirm", "Arrived"]),
        (Role.FRONT_DESK, ("arrived",), []),
        (Role.FRONT_DESK, ("arrived", "in_chair"), ["Done"]),
        (Role.NURSE, (), ["Arrived"]),
        (Role.NURSE, ("arrived",), ["With clinician"]),
        (Role.CLINICIAN, (), ["Confirm", "Arrived"]),
        (Role.MANAGER, (), []),
        (Role.MANAGER, ("arrived",), []),
    ],
)
def test_each_role_is_offered_its_own_steps_of_a_consultation(
    client: Client, clinic: Clinic, role: Role, taken: tuple[str, ...], offered: list[str]
) -> None:
    booking = take(consult(clinic), *taken, by=clinic.clinician)
    assert buttons(look(client, clinic.users[role]), booking) == offered


@pytest.mark.parametrize(
    ("taken", "desk", "nurse"),
    [
        ((), ["Confirm", "Arrived"], ["Arrived"]),
        (("arrived",), [], ["In chair"]),
        (("arrived", "in_chair"), [], []),  # what follows, the record of the infusion says by itself
        (("arrived", "in_chair", "observing"), [], []),
    ],
)
def test_each_role_is_offered_its_own_steps_of_an_infusion(
    taken: tuple[str, ...], desk: list[str], nurse: list[str]
) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    take(booking, *taken, by=booked.nurse)
    for user, offered in ((booked.desk, desk), (booked.nurse, nurse)):
        client = Client()
        with time_machine.travel(booking.start, tick=False):
            client.force_login(user)
            assert buttons(client.get("/").content.decode(), booking) == offered


def test_a_press_takes_the_step_and_answers_with_the_fresh_board(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    answer = press(client, clinic.desk, booking, "arrived", headers=HTMX)
    assert answer.status_code == 200
    assert "Arrived" in words(row(answer.content.decode(), booking))
    booking.refresh_from_db()
    assert (booking.status, booking.arrived_at) == (BookingStatus.ARRIVED, ny("09:40"))


def test_without_javascript_the_step_leads_back_to_the_page(client: Client, clinic: Clinic) -> None:
    answer = press(client, clinic.desk, consult(clinic), "arrived")
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_the_way_back_is_never_another_site(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.desk)
    ours = "/calendar/?day=2027-01-07"
    for number, (page, leads_to) in enumerate([("https://evil.example/", "/"), ("//evil.example", "/"), (ours, ours)]):
        booking = consult(clinic, f"{10 + number}:00", patient=make_patient())
        facts = {"to": "arrived", "version": booking.version, "next": page}
        assert client.post(reverse("courses:step", args=[booking.pk]), facts)["Location"] == leads_to


def test_the_second_press_of_a_double_click_changes_nothing_and_shows_the_board_as_it_is(
    client: Client, clinic: Clinic
) -> None:
    booking = consult(clinic)
    press(client, clinic.desk, booking, "confirmed", headers=HTMX)
    answer = press(client, clinic.desk, booking, "confirmed", headers=HTMX)  # with the version of the first
    assert answer.status_code == 422
    assert "Somebody changed this visit" in answer["HX-Trigger"]
    assert "Confirmed" in words(row(answer.content.decode(), booking))
    assert Booking.objects.get(pk=booking.pk).version == booking.version + 1


@pytest.mark.parametrize(("to", "status"), [("done", 422), ("flying", 422), ("", 422), ("missed", 422)])
def test_a_step_that_does_not_follow_is_refused_in_words(client: Client, clinic: Clinic, to: str, status: int) -> None:
    booking = consult(clinic)
    answer = press(client, clinic.clinician, booking, to, headers=HTMX)
    assert answer.status_code == status
    assert '"level": "error"' in answer["HX-Trigger"]
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.BOOKED


def test_a_version_that_is_no_number_is_refused(client: Client, clinic: Clinic) -> None:
    assert press(client, clinic.desk, consult(clinic), "arrived", version="x", headers=HTMX).status_code == 422


def test_a_role_without_the_step_is_refused(client: Client, clinic: Clinic) -> None:
    booking = take(consult(clinic), "arrived", by=clinic.desk)
    assert press(client, clinic.desk, booking, "in_chair", headers=HTMX).status_code == 403
    assert press(client, clinic.manager, booking, "in_chair", headers=HTMX).status_code == 403
    assert press(client, clinic.nurse, booking, "in_chair", headers=HTMX).status_code == 200


def test_signed_out_nothing_is_shown_and_nothing_can_be_pressed(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    assert client.get("/")["Location"].startswith("/accounts/login/")
    answer = client.post(reverse("courses:step", args=[booking.pk]), {"to": "arrived", "version": booking.version})
    assert answer["Location"].startswith("/accounts/login/")
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.BOOKED


# -- undo --------------------------------------------------------------------------------------------------------------


def undo(client: Client, booking: Booking, *, at: str = "09:42", version: int | None = None) -> Any:
    with time_machine.travel(ny(at), tick=False):
        return client.post(
            reverse("courses:step_back", args=[booking.pk]),
            {"version": booking.version + 1 if version is None else version},
            headers=HTMX,
        )


def test_who_took_a_step_may_take_it_back_for_five_minutes(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    press(client, clinic.desk, booking, "arrived", headers=HTMX)
    assert buttons(look(client, clinic.desk, "09:44"), booking) == ["Undo"]
    assert buttons(look(client, clinic.desk, "09:45"), booking) == []
    assert undo(client, booking).status_code == 200
    booking.refresh_from_db()
    assert (booking.status, booking.arrived_at) == (BookingStatus.BOOKED, None)


def test_nobody_else_is_offered_to_take_it_back(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    press(client, clinic.desk, booking, "arrived", headers=HTMX)
    assert "Undo" not in buttons(look(Client(), clinic.clinician, "09:41"), booking)


def test_a_step_that_somebody_else_has_built_on_is_not_taken_back(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    press(client, clinic.desk, booking, "arrived", headers=HTMX)
    take(booking, "in_chair", by=clinic.clinician)
    assert buttons(look(client, clinic.desk, "09:41"), booking) == ["Done"]
    answer = undo(client, booking)
    assert answer.status_code == 422
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.IN_CHAIR


def test_a_role_that_could_not_take_the_step_cannot_take_it_back(client: Client, clinic: Clinic) -> None:
    booking = take(consult(clinic), "arrived", "in_chair", by=clinic.clinician)
    look(client, clinic.desk)
    assert undo(client, booking, version=booking.version).status_code == 403
    look(client, clinic.manager)
    assert undo(client, booking, version=booking.version).status_code == 403
    assert Client().post(reverse("courses:step_back", args=[booking.pk]))["Location"].startswith("/accounts/login/")


def test_an_infusion_that_was_done_by_mistake_is_open_again() -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    take(booking, "arrived", "in_chair", "observing", "done", by=booked.nurse)
    assert booked.series.row(1).infusion.status == "given"
    with time_machine.travel(booking.start, tick=False):
        client = signed_in(booked.nurse)
        answer = client.post(
            reverse("courses:step_back", args=[booking.pk]), {"version": booking.version + 4}, headers=HTMX
        )
    assert answer.status_code == 200
    assert booked.series.row(1).infusion.status == "booked"
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.OBSERVING


@pytest.mark.parametrize(
    ("taken", "to", "said"),
    [
        (("arrived", "in_chair"), "observing", "The infusion's own page does this: end the infusion there."),
        (
            ("arrived", "in_chair", "observing"),
            "done",
            "The infusion's own page does this: discharge the patient there.",
        ),
    ],
)
def test_nobody_ends_an_infusion_or_discharges_from_today(taken: tuple[str, ...], to: str, said: str) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    booking = take(booking, *taken, by=booked.nurse)
    with time_machine.travel(booking.start, tick=False):
        answer = signed_in(booked.nurse).post(
            reverse("courses:step", args=[booking.pk]), {"to": to, "version": booking.version}, headers=HTMX
        )
    assert answer.status_code == 422
    assert said in json.loads(answer["HX-Trigger"])["notice"]["text"]
    assert Booking.objects.get(pk=booking.pk).status == taken[-1]
    assert booked.series.row(1).infusion.status == "booked"


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


# -- a page that refreshes itself --------------------------------------------------------------------------------------


def poll_address(page: str) -> str:
    found = re.search(r'hx-get="(\?[^"]+)"', page)
    assert found
    return "/" + found[1].replace("&amp;", "&")


def test_asking_again_answers_nothing_while_nothing_has_changed(client: Client, clinic: Clinic) -> None:
    consult(clinic)
    address = poll_address(look(client, clinic.desk))
    with time_machine.travel(ny("09:40"), tick=False):
        assert client.get(address, headers=HTMX).status_code == 204


def test_when_only_the_clock_moved_on_the_answer_says_so(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    address = poll_address(look(client, clinic.desk))
    with time_machine.travel(ny("09:41"), tick=False):
        answer = client.get(address, headers=HTMX)
    assert answer["X-Board-Only-Clock"] == "1"
    assert "in 19 min" in words(row(answer.content.decode(), booking))


def test_when_something_changed_the_new_board_comes(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    address = poll_address(look(client, clinic.desk))
    take(booking, "arrived", by=clinic.desk)
    with time_machine.travel(ny("09:41"), tick=False):
        answer = client.get(address, headers=HTMX)
    assert answer.status_code == 200
    assert "X-Board-Only-Clock" not in answer
    assert "<h1>" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert poll_address(answer.content.decode()) != address


def test_asking_again_is_marked_so_that_it_keeps_nobody_signed_in(client: Client, clinic: Clinic) -> None:
    page = look(client, clinic.desk)
    assert re.search(r"hx-headers='\{\"X-Cadence-Background\": \"1\"\}'", page)
    assert "every 15s" in page


def test_everything_that_can_have_the_focus_keeps_its_name_when_the_board_is_swapped(
    client: Client, clinic: Clinic
) -> None:
    consult(clinic)
    page = look(client, clinic.desk)
    board = page[page.index('<div id="board">') : page.index('id="board-news"')]
    nameless = [tag for tag in re.findall(r"<(?:a|button)\b[^>]*>", board) if " id=" not in tag]
    assert nameless == []
    ids = re.findall(r'\bid="([^"]+)"', board)
    assert len(ids) == len(set(ids))


# -- what needs somebody -----------------------------------------------------------------------------------------------


def needs(page: str) -> list[str]:
    return [words(one).strip() for one in re.findall(r"<li data-need=.*?</li>", page, re.DOTALL)]


def test_somebody_who_is_late_needs_a_call_after_ten_minutes(client: Client, clinic: Clinic) -> None:
    consult(clinic)
    assert needs(look(client, clinic.desk, "10:10")) == []
    assert "was due 11 min ago and has not arrived" in needs(look(client, clinic.desk, "10:11"))[0]
    assert "was due at 10:00; nobody has recorded" in needs(look(client, clinic.desk, "11:40"))[0]


def test_somebody_who_is_kept_too_long_is_named(client: Client, clinic: Clinic) -> None:
    take(consult(clinic), "arrived", "in_chair", by=clinic.clinician)
    assert needs(look(client, clinic.desk, "11:10")) == []
    assert "was planned to leave 11 min ago" in needs(look(client, clinic.desk, "11:11"))[0]


def test_a_visit_of_an_earlier_day_without_an_outcome_is_asked_about(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic, day=DAY - timedelta(days=1))
    (said,) = needs(look(client, clinic.desk))
    assert "Wed 6 Jan, 10:00: nobody has recorded whether the visit took place" in said
    release(booking, BookingStatus.MISSED, by=clinic.desk, at=ny("09:00"))
    assert needs(look(client, clinic.desk)) == []


def test_a_course_with_infusions_that_wait_is_one_line_however_many_wait() -> None:
    from courses.services import moves  # noqa: PLC0415 (only here)

    booked = series_kit.book()
    for number in (1, 2, 3):
        moves.cancel_infusion(
            booked.infusion_any(number), reason="Ill", by=booked.desk, now=series_kit.at(date(2027, 4, 1))
        )
    client = Client()
    with time_machine.travel(series_kit.at(date(2027, 4, 2), "09:00"), tick=False):
        client.force_login(booked.desk)
        (said,) = needs(client.get("/").content.decode())
    assert "infusions 1, 2 and 3 of 6: cancelled, no new time yet" in said
    assert "Find a time" in said


# -- days that are not like others -------------------------------------------------------------------------------------


def test_a_clinic_without_a_location_says_what_to_do_by_role(client: Client) -> None:
    assert "Set up the clinic" in look(client, make_user(Role.MANAGER))
    assert "A manager has to add the first location" in look(client, make_user(Role.FRONT_DESK))


def test_an_empty_day_teaches_what_will_appear(client: Client, clinic: Clinic) -> None:
    page = look(client, clinic.desk)
    assert "No visits today" in page
    assert "open 08:00–18:00" in words(page)


def test_a_closed_day_says_so_and_why(client: Client, clinic: Clinic) -> None:
    make_closure(clinic.location, DAY, reason="Three Kings")
    said = words(look(client, clinic.desk))
    assert "Closed today. Three Kings." in said


def test_a_weekday_without_hours_says_so(client: Client, clinic: Clinic) -> None:
    assert "No opening hours on Saturdays" in words(look(client, clinic.desk, day=date(2027, 1, 9)))


def test_visits_on_a_closed_day_are_shown_with_a_warning(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    make_closure(clinic.location, DAY)
    page = look(client, clinic.desk)
    assert row(page, booking)
    assert "somebody has to move them" in page


def test_a_closure_of_part_of_the_day_is_said_with_its_times(client: Client, clinic: Clinic) -> None:
    from datetime import time  # noqa: PLC0415

    make_closure(clinic.location, DAY, from_time=time(13), until_time=time(15), reason="Emergency training")
    assert "Closed 13:00–15:00: Emergency training." in words(look(client, clinic.desk))


def test_the_day_is_the_one_of_the_location_not_of_the_server(client: Client, clinic: Clinic) -> None:
    late = consult(clinic, "23:15", length_min=30)
    page = look(client, clinic.desk, "23:00")  # 04:00 of the next day in UTC
    assert row(page, late)
    assert "Thu 7 Jan 2027" in page
    tokyo = make_location("Shibuya", time_zone="Asia/Tokyo")
    clinic.desk.home_location = tokyo
    clinic.desk.save()
    page = look(client, clinic.desk, "23:00")  # already one in the afternoon of Friday there
    assert "Fri 8 Jan 2027" in page
    assert not row(page, late)


def test_a_person_without_a_role_does_not_see_the_page(client: Client, clinic: Clinic) -> None:
    client.force_login(make_user())
    assert client.get("/").status_code == 403


# -- queries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visits", [2, 20])
def test_today_needs_as_many_queries_for_two_visits_as_for_twenty(
    client: Client, queries: Queries, visits: int
) -> None:
    clinic = full_clinic(visits)
    look(client, clinic.desk, "07:30")  # the second look finds the session as usual
    with time_machine.travel(ny("07:30"), tick=False), queries("today"):
        page = client.get("/").content.decode()
    assert page.count("data-visit=") == visits


@pytest.mark.parametrize("visits", [2, 20])
def test_a_step_needs_as_many_queries_among_two_visits_as_among_twenty(
    client: Client, queries: Queries, visits: int
) -> None:
    clinic = full_clinic(visits)
    booking = Booking.objects.order_by("span")[0]
    look(client, clinic.desk, "07:30")
    # One of them asks whose visit it is: the desk opens those of its own locations only.
    with time_machine.travel(ny("07:30"), tick=False), queries("today, a step", at_most=21):
        answer = client.post(
            reverse("courses:step", args=[booking.pk]), {"to": "arrived", "version": booking.version}, headers=HTMX
        )
    assert answer.status_code == 200
    booking.refresh_from_db()
    assert booking.status == "arrived"
