"""The pages of a running course: list, the course in five seconds, moving, ending, deciding, changing; who may what."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.factories import make_clinic, make_closure, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus, InfusionStatus, RevisionKind
from courses.services import courses as course_service
from courses.services import moves
from courses.services.moves import Mode, Target
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db

NOW = at(april(10))  # Saturday: 1 to 3 are given, 4 is on Monday
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05 for Ada Okafor; 1 to 3 given; 12, 14, 16 April booked."""
    made = book()
    made.give(1, 2, 3)
    return made


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def course_url(booked: Booked) -> str:
    return reverse("courses:course", args=[booked.course.pk])


def move_url(booked: Booked, number: int) -> str:
    return reverse("courses:move", args=[booked.infusion(number).pk])


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, "the page offers no confirmation"
    return found.group(1)


def text(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined]


# -- the course page ---------------------------------------------------------------------------------------------------


def test_a_course_reads_at_a_glance(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.clinician).get(course_url(booked)))
    assert "Ada Okafor" in page
    assert "Treatment-resistant depression" in page
    assert "6 in 2 weeks, Mon-Wed-Fri, v1" in page
    assert 'aria-label="3 of 6 given"' in page
    assert "Mon 12 Apr, 08:00" in page
    assert "2/2" in page  # gaps 2 and 2, both on window
    assert page.count("<h1") == 1


def test_reading_a_course_is_logged(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse).get(course_url(booked))
    (row,) = AccessLog.objects.all()
    assert (row.user, row.subject_id, row.page, row.path) == (
        booked.nurse,
        booked.patient.resource_id,
        "Course",
        course_url(booked),
    )


def test_an_unknown_course_is_not_found(client: Client, booked: Booked) -> None:
    assert as_(client, booked.nurse).get(reverse("courses:course", args=[987654])).status_code == 404


@pytest.mark.parametrize(
    ("role", "sees", "does_not_see"),
    [
        ("clinician", ["Change the course", "Withhold", "Minutes of this visit"], []),
        ("desk", ["Move", "Cancel the visit"], ["Change the course", "Withhold", "Minutes of this visit"]),
        ("nurse", ["Withhold", "Record a no-show"], ["Change the course", "Cancel the visit"]),
        ("manager", [], ["Change the course", "Withhold", "Record a no-show", "Cancel the visit"]),
    ],
)
def test_each_role_finds_only_its_own_actions(
    client: Client, booked: Booked, role: str, sees: list[str], does_not_see: list[str]
) -> None:
    page = text(as_(client, getattr(booked.clinic, role)).get(course_url(booked)))
    for words in sees:
        assert words in page
    for words in does_not_see:
        assert words not in page


def test_signed_out_and_without_a_role_nobody_reads_a_course(client: Client, booked: Booked) -> None:
    assert client.get(course_url(booked)).headers["Location"].startswith(reverse("account_login"))
    assert as_(client, make_user()).get(course_url(booked)).status_code == 403


def test_why_an_infusion_was_held_is_for_clinical_eyes(client: Client, booked: Booked) -> None:
    moves.withhold_infusion(booked.infusion(4).pk, reason="BP 166/98", by=booked.nurse, now=at(april(12), "09:00"))
    assert "BP 166/98" in text(as_(client, booked.nurse).get(course_url(booked)))
    page = text(as_(client, booked.desk).get(course_url(booked)))
    assert "BP 166/98" not in page
    assert "Withheld Mon 12 Apr" in page
    booking = booked.series.row(4).attempts[0].booking
    assert booking.ended_reason == "Clinical hold"


def test_an_override_stays_visible_with_who_and_why(client: Client, booked: Booked) -> None:
    offer = moves.preview_move(booked.infusion(6).pk, target=Target(april(20)), mode=Mode.ONLY, now=NOW)
    moves.move_infusion(offer.token, reason="Travels until Monday", by=booked.clinician, now=NOW)
    page = text(as_(client, booked.desk).get(course_url(booked)))
    assert "Allowed against the protocol" in page
    assert "Travels until Monday" in page
    assert "Samuel Hart, MD" in page


def test_a_visit_that_nobody_recorded_is_named_and_can_be_recorded_late(client: Client, booked: Booked) -> None:
    with time_machine.travel(at(april(13)), tick=False):
        page = text(as_(client, booked.nurse).get(course_url(booked)))
        assert "Infusion 4 on Mon 12 Apr was recorded neither as given nor as missed." in page
        client.post(reverse("courses:given", args=[booked.infusion(4).pk]))
    assert booked.infusion(4).status == InfusionStatus.GIVEN
    assert booked.infusion(4).day == april(12)


def test_a_visit_to_come_is_not_recorded_as_given(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse).post(reverse("courses:given", args=[booked.infusion(4).pk]))
    assert booked.infusion(4).status == InfusionStatus.BOOKED


def test_the_course_page_needs_the_same_queries_for_2_and_20_infusions(client: Client, queries: Queries) -> None:
    clinic = make_clinic()
    two = book(slug="T-YALE4", n=2, clinic=clinic)
    twenty = book(n=20, clinic=clinic, patient=make_patient("Mei", "Chen"))
    as_(client, clinic.clinician)
    for one in (two, twenty):
        client.get(course_url(one))  # the session, and the reading that is logged once in five minutes
        with queries("course"):
            answer = client.get(course_url(one))
        assert answer.status_code == 200


# -- the list ----------------------------------------------------------------------------------------------------------


def test_the_list_shows_dots_next_and_what_is_wrong(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.desk).get(reverse("courses:list")))
    assert "Okafor, Ada" in page
    assert "3 of 6 given" in page
    assert "Mon 12 Apr, 08:00" in page


def test_the_list_filters_and_an_empty_one_says_what_to_do(client: Client, booked: Booked) -> None:
    as_(client, booked.desk)
    address = reverse("courses:list")
    assert "Okafor" in text(client.get(address, {"status": "active", "prescriber": booked.clinician.pk}))
    assert "Okafor" in text(client.get(address, {"protocol": booked.series.phase.protocol_version.protocol_id}))
    nothing = text(client.get(address, {"status": "interrupted"}))
    assert "No course matches" in nothing
    assert "Okafor" in text(client.get(address, {"status": "nonsense", "location": "x"}))
    course_service.close_course(
        booked.course.pk, status=CourseStatus.STOPPED, reason="Moved away", by=booked.clinician, now=NOW
    )
    assert "Nobody is in treatment yet" in text(client.get(address))
    assert "Okafor" in text(client.get(address, {"status": "all"}))


def test_the_list_needs_the_same_queries_for_2_and_20_courses(client: Client, queries: Queries) -> None:
    clinic = make_clinic(chairs=8)
    first = [book(slug="T-YALE4", n=2, clinic=clinic, patient=make_patient("Ada", f"Okafor {n}")) for n in range(2)]
    as_(client, clinic.desk).get(reverse("courses:list"))
    with queries("courses"):
        client.get(reverse("courses:list"))
    first += [
        book(slug="T-PAIN1", clinic=clinic, first=date(2027, 4, 5 + n % 5), patient=make_patient("Mei", f"Chen {n}"))
        for n in range(18)
    ]
    with queries("courses"):
        page = text(client.get(reverse("courses:list")))
    assert "1–20 of 20 courses" in page


# -- moving ------------------------------------------------------------------------------------------------------------


def test_the_move_page_asks_for_a_day_before_it_shows_a_change(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.desk).get(move_url(booked, 4)))
    assert "Choose a day" in page
    assert 'name="token"' not in page


def test_before_and_after_are_shown_and_confirmed(client: Client, booked: Booked) -> None:
    address = f"{move_url(booked, 4)}?mode=shift&day=2027-04-13"
    page = text(as_(client, booked.desk).get(address))
    for words in ("Mon 12 Apr, 08:00", "Tue 13 Apr, 08:00", "Fri 16 Apr, 08:00", "Mon 19 Apr, 08:00", "+1 d"):
        assert words in page
    assert "The series ends on <strong>Mon 19 Apr</strong> instead of Fri 16 Apr." in page
    answer = client.post(address, {"token": token_in(page)})
    assert answer.headers["Location"] == course_url(booked)
    assert booked.days() == {1: april(5), 2: april(7), 3: april(9), 4: april(13), 5: april(16), 6: april(19)}


def test_the_calendars_drag_arrives_with_day_time_and_chair(client: Client, booked: Booked) -> None:
    chair = booked.clinic.chairs[1]
    address = f"{move_url(booked, 4)}?day=2027-04-12&start=13:00&chair={chair.pk}"
    page = text(as_(client, booked.desk).get(address, headers=HTMX))
    assert "<html" not in page
    assert "Mon 12 Apr, 13:00" in page
    assert chair.name in page
    answer = client.post(address, {"token": token_in(page)}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == course_url(booked)
    place = booked.series.row(4).placed
    assert place is not None
    assert (place.start_min, place.chair_id) == (13 * 60, chair.pk)


def test_choosing_inside_the_panel_answers_with_the_panel_only(client: Client, booked: Booked) -> None:
    headers = HTMX | {"HX-Target": "move-panel"}
    page = text(as_(client, booked.desk).get(f"{move_url(booked, 4)}?day=2027-04-13", headers=headers))
    assert page.lstrip().startswith('<div id="move-panel"')


def test_a_move_that_began_on_the_calendar_ends_there_on_the_new_day(client: Client, booked: Booked) -> None:
    calendar = reverse("courses:calendar")
    there = HTMX | {"HX-Current-URL": f"http://testserver{calendar}?day=2027-04-12&show=chairs"}
    page = text(as_(client, booked.desk).get(f"{move_url(booked, 4)}?mode=shift&day=2027-04-13", headers=there))
    address = html.unescape(re.search(r'action="(/infusions/[^"]+\?[^"]+)"', page).group(1))
    answer = client.post(address, {"token": token_in(page)}, follow=True)
    assert answer.redirect_chain == [(f"{calendar}?day=2027-04-13&show=chairs", 302)]
    assert "Infusion 4 has its new time: Tue 13 Apr, 08:00." in text(answer)


@pytest.mark.parametrize(
    "current", ["http://evil.example/calendar/?day=2027-04-12", "http://testserver/courses/1/", "http://[broken"]
)
def test_a_move_that_began_elsewhere_ends_on_the_course(client: Client, booked: Booked, current: str) -> None:
    headers = HTMX | {"HX-Current-URL": current}
    page = text(as_(client, booked.desk).get(f"{move_url(booked, 4)}?mode=shift&day=2027-04-13", headers=headers))
    address = html.unescape(re.search(r'action="(/infusions/[^"]+\?[^"]+)"', page).group(1))
    assert client.post(address, {"token": token_in(page)}).headers["Location"] == course_url(booked)


def test_the_whole_page_of_a_move_remembers_the_calendar_that_led_to_it(client: Client, booked: Booked) -> None:
    calendar = f"{reverse('courses:calendar')}?day=2027-04-12&view=week"
    first = {"Referer": f"http://testserver{calendar}"}
    page = text(as_(client, booked.desk).get(move_url(booked, 4), headers=first))
    carried = html.unescape(re.search(r'name="calendar" value="([^"]*)"', page).group(1))
    page = text(client.get(move_url(booked, 4), {"mode": "shift", "day": "2027-04-13", "calendar": carried}))
    assert html.escape(calendar) in page  # the way out without a change
    address = html.unescape(re.search(r'action="(/infusions/[^"]+\?[^"]+)"', page).group(1))
    answer = client.post(address, {"token": token_in(page)})
    assert answer.headers["Location"] == f"{reverse('courses:calendar')}?day=2027-04-13&view=week"


def test_a_partial_new_time_is_refused_when_its_token_is_posted(client: Client, booked: Booked) -> None:
    make_closure(booked.clinic.location, april(14), date(2028, 6, 1))
    with time_machine.travel(at(april(12), "12:00"), tick=False):
        moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=at(april(12), "12:00"))
        offer = moves.preview_reslot(booked.infusion(4).pk, now=at(april(12), "12:00"))
        assert offer.missing == (5, 6)
        as_(client, booked.clinician)
        assert 'name="token"' not in text(client.get(move_url(booked, 4)))
        answer = client.post(move_url(booked, 4), {"token": offer.token, "reason": "By hand"})
    assert answer.status_code == 422
    assert "There is no time for infusions 5 and 6, so nothing was changed" in text(answer)
    assert booked.infusion(4).status == InfusionStatus.MISSED


def test_the_desk_sees_a_breach_but_cannot_confirm_it(client: Client, booked: Booked) -> None:
    address = f"{move_url(booked, 6)}?mode=only&day=2027-04-20"
    page = text(as_(client, booked.desk).get(address))
    assert "Only a clinician may go against the protocol" in page
    assert 'name="token"' not in page
    page = text(as_(client, booked.clinician).get(address))
    assert "Allow and confirm" in page
    refused = client.post(address, {"token": token_in(page), "reason": ""})
    assert refused.status_code == 422
    assert "A clinician may allow it, with a reason." in text(refused)
    token = token_in(page)
    forged = as_(client, booked.desk).post(address, {"token": token, "reason": "please"})
    assert forged.status_code == 422
    assert booked.days()[6] == april(16)
    as_(client, booked.clinician).post(address, {"token": token, "reason": "Travels until Monday"})
    assert booked.days()[6] == april(20)


def test_who_comes_second_is_told_and_sees_a_new_preview(client: Client, booked: Booked) -> None:
    address = f"{move_url(booked, 4)}?mode=shift&day=2027-04-13"
    token = token_in(text(as_(client, booked.desk).get(address)))
    other = moves.preview_move(booked.infusion(4).pk, target=Target(april(12), 900), mode=Mode.ONLY, now=NOW)
    moves.move_infusion(other.token, by=booked.clinician, now=NOW)
    answer = client.post(address, {"token": token})
    assert answer.status_code == 409
    page = text(answer)
    assert "infusion 4 is on Mon 12 Apr, 15:00 now" in page
    assert token_in(page) != token
    client.post(address, {"token": token_in(page)})
    assert booked.days()[4] == april(13)


def test_a_missed_infusion_gets_its_new_time_offered_at_once(client: Client, booked: Booked) -> None:
    """Case 20 through the pages (clinical.md H3)."""
    with time_machine.travel(at(april(12), "12:00"), tick=False):
        as_(client, booked.desk)
        address = reverse("courses:end_infusion", args=[booked.infusion(4).pk, "no-show"])
        assert "The patient did not come." in text(client.get(address))
        answer = client.post(address, {"version": booked.series.row(4).booking.version})
        assert answer.headers["Location"] == move_url(booked, 4)
        page = text(client.get(move_url(booked, 4)))
        assert "A new time for infusion 4" in page
        client.post(move_url(booked, 4), {"token": token_in(page)})
    assert booked.days() == {1: april(5), 2: april(7), 3: april(9), 4: april(13), 5: april(16), 6: april(19)}


@pytest.mark.parametrize(
    ("how", "role", "may"),
    [
        ("cancel", "desk", True),
        ("cancel", "nurse", False),
        ("cancel", "manager", False),
        ("no-show", "desk", True),
        ("no-show", "nurse", True),
        ("no-show", "manager", False),
        ("withhold", "nurse", True),
        ("withhold", "clinician", True),
        ("withhold", "desk", False),
        ("unknown", "clinician", None),
    ],
)
def test_who_may_end_a_visit_and_how(client: Client, booked: Booked, how: str, role: str, may: bool | None) -> None:
    address = reverse("courses:end_infusion", args=[booked.infusion(4).pk, how])
    expected = {True: 200, False: 403, None: 404}[may]
    assert as_(client, getattr(booked.clinic, role)).get(address).status_code == expected


def test_cancelling_without_a_reason_is_refused_and_can_be_undone_with_one(client: Client, booked: Booked) -> None:
    address = reverse("courses:end_infusion", args=[booked.infusion(5).pk, "cancel"])
    as_(client, booked.desk)
    assert client.post(address, {"version": 1, "reason": ""}).status_code == 422
    booking = booked.series.row(5).booking
    assert booking is not None
    client.post(address, {"version": 1, "reason": "Ill"})
    assert booked.infusion(5).status == InfusionStatus.CANCELLED
    client.post(reverse("courses:undo_infusion", args=[booking.pk]))
    assert booked.infusion(5).status == InfusionStatus.BOOKED


def test_a_stale_cancel_says_so(client: Client, booked: Booked) -> None:
    address = reverse("courses:end_infusion", args=[booked.infusion(5).pk, "cancel"])
    answer = as_(client, booked.desk).post(address, {"version": 7, "reason": "Ill"})
    assert answer.status_code == 422
    assert "Somebody changed infusion 5 meanwhile" in text(answer)


# -- decisions and changes ---------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(booked: Booked) -> Booked:
    for number in (4, 5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=NOW)
    return booked


def test_an_interrupted_course_is_marked_when_it_is_opened_and_asks_for_a_decision(
    client: Client, interrupted: Booked
) -> None:
    with time_machine.travel(at(april(26)), tick=False):
        page = text(as_(client, interrupted.clinician).get(course_url(interrupted)))
        assert "Nothing was given for 17 days since infusion 3." in page
        assert "Decide how to go on" in page
        assert Course.objects.get(pk=interrupted.course.pk).status == CourseStatus.INTERRUPTED
        assert "Decide how to go on" not in text(as_(client, interrupted.desk).get(course_url(interrupted)))


@pytest.mark.parametrize(
    ("choice", "status", "kind"),
    [
        ("continue", CourseStatus.ACTIVE, RevisionKind.CONTINUED),
        ("restart", CourseStatus.STOPPED, RevisionKind.RESTARTED),
        ("stopped", CourseStatus.STOPPED, RevisionKind.CLOSED),
    ],
)
def test_the_prescriber_continues_restarts_or_closes(
    client: Client, interrupted: Booked, choice: str, status: str, kind: str
) -> None:
    address = reverse("courses:decide", args=[interrupted.course.pk])
    with time_machine.travel(at(april(26)), tick=False):
        as_(client, interrupted.clinician).get(course_url(interrupted))
        assert client.post(address, {"choice": choice, "reason": ""}).status_code == 422
        answer = client.post(address, {"choice": choice, "reason": "Back from travel"})
        assert answer.status_code == 302
    assert Course.objects.get(pk=interrupted.course.pk).status == status
    assert interrupted.course.revisions.filter(kind=kind, reason="Back from travel").count() == 1


def test_a_restart_links_both_courses(client: Client, interrupted: Booked) -> None:
    with time_machine.travel(at(april(26)), tick=False):
        interrupted.make_ready(at(april(26)))
        as_(client, interrupted.clinician).get(course_url(interrupted))
        answer = client.post(
            reverse("courses:decide", args=[interrupted.course.pk]), {"choice": "restart", "reason": "Back from travel"}
        )
        page = text(client.get(answer.headers["Location"]))
        assert "course of Mon 5 Apr 2027</a>, stopped on Mon 26 Apr after 3 infusions." in page
        action = html.unescape(re.search(r'class="plan-book" method="post" action="([^"]+)"', page).group(1))
        booked = client.post(action, {"p": re.findall(r'name="p" value="([^"]+)"', page)})
        again = Course.objects.latest("pk")
        assert booked.headers["Location"] == again.get_absolute_url()
        assert again.previous == interrupted.course
        assert course_url(interrupted) in text(client.get(again.get_absolute_url()))
        assert again.get_absolute_url() in text(client.get(course_url(interrupted)))


def test_a_decision_without_a_choice_is_refused(client: Client, interrupted: Booked) -> None:
    address = reverse("courses:decide", args=[interrupted.course.pk])
    with time_machine.travel(at(april(26)), tick=False):
        as_(client, interrupted.clinician).get(course_url(interrupted))
        answer = client.post(address, {"reason": "hm"})
    assert answer.status_code == 422
    assert "Choose how to go on" in text(answer)


def test_closing_lists_what_is_released_first(client: Client, booked: Booked) -> None:
    address = reverse("courses:close", args=[booked.course.pk])
    page = text(as_(client, booked.clinician).get(address))
    assert "Infusion 4, Mon 12 Apr, 08:00" in page
    version = Course.objects.get(pk=booked.course.pk).version
    client.post(address, {"status": "stopped", "reason": "Moved away", "version": version})
    assert Course.objects.get(pk=booked.course.pk).status == CourseStatus.STOPPED
    assert "Closed" in text(client.get(course_url(booked)))


def test_eight_instead_of_six_through_the_page(client: Client, booked: Booked) -> None:
    address = reverse("courses:change_number", args=[booked.course.pk])
    page = text(as_(client, booked.clinician).get(address, {"n": 8}))
    assert "Mon 19 Apr, 08:00" in page
    client.post(f"{address}?n=8", {"token": token_in(page), "reason": "Partial response"})
    assert sorted(booked.days()) == [1, 2, 3, 4, 5, 6, 7, 8]
    refused = client.get(address, {"n": 2})
    assert "Infusion 3 was given already" in text(refused)


def test_one_visit_gets_its_own_minutes_through_the_page(client: Client, booked: Booked) -> None:
    address = reverse("courses:minutes", args=[booked.infusion(4).pk])
    as_(client, booked.clinician)
    data = {"preparation_min": 20, "infusion_min": 60, "observation_min": 90, "turnaround_min": 15}
    assert client.post(address, data | {"reason": ""}).status_code == 422
    client.post(address, data | {"reason": "Slow to wake"})
    assert booked.series.shape_of(4).infusion_min == 60


@pytest.mark.parametrize("name", ["change_number", "change_rhythm", "decide", "close"])
def test_only_a_prescriber_changes_a_course(client: Client, booked: Booked, name: str) -> None:
    address = reverse(f"courses:{name}", args=[booked.course.pk])
    assert client.get(address).headers["Location"].startswith(reverse("account_login"))
    for user in (booked.desk, booked.nurse, booked.clinic.manager):
        assert as_(client, user).get(address).status_code == 403
    assert as_(client, booked.clinician).get(address).status_code == 200


# -- the patient's page ------------------------------------------------------------------------------------------------


def test_the_patients_page_shows_the_course_and_its_story(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.clinician).get(reverse("patients:detail", args=[booked.patient.pk])))
    assert "3 of 6 given" in page
    assert "on window 2/2" in page
    assert "Mon 12 Apr, 08:00" in page
    assert "Infusion 3 of 6 given" in page
    assert "Series booked" in page


def test_a_patient_without_a_course_is_offered_a_series_by_role(client: Client, booked: Booked) -> None:
    other = make_patient("Mei", "Chen")
    address = reverse("patients:detail", args=[other.pk])
    assert "Not in treatment." in text(as_(client, booked.clinician).get(address))
    page = text(as_(client, booked.nurse).get(address))
    assert "Not in treatment." in page


def test_the_move_page_needs_the_same_queries_for_2_and_20_infusions(client: Client, queries: Queries) -> None:
    """It reads the series and the whole free calendar."""
    clinic = make_clinic()
    two = book(slug="T-YALE4", n=2, clinic=clinic)
    twenty = book(n=20, clinic=clinic, patient=make_patient("Mei", "Chen"))
    as_(client, clinic.clinician)
    for one in (two, twenty):
        address = f"{move_url(one, 2)}?mode=shift&day=2027-04-13"
        client.get(address)
        with queries("move infusion"):
            answer = client.get(address)
        assert answer.status_code == 200
