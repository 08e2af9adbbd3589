"""Pages of maintenance: the plan with its windows, deciding, booking ahead, interval, one step back, review."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.fixtures.ledger import Queries
from courses.models import MaintenancePlan, MaintenanceWay, ProtocolVersion, RevisionKind
from courses.services import maintenance as service
from courses.tests.maintenance_kit import NOW, REVIEW, Kept, make_kept, weekly
from courses.tests.series_kit import at, book
from courses.tests.web.test_course_pages import as_, text, token_in
from patients.models import Assessment, Consent

pytestmark = pytest.mark.django_db

DATES = {"review_on": "2027-04-16", "reconsent_on": "2028-01-14", "reason": "Response held"}
CANBIND = {
    "step1-count": 4,
    "step1-target_gap_days": 7,
    "step1-min_gap_days": 5,
    "step1-max_gap_days": 9,
    "step2-count": 4,
    "step2-target_gap_days": 14,
    "step2-min_gap_days": 11,
    "step2-max_gap_days": 17,
    "step3-count": 3,
    "step3-target_gap_days": 28,
    "step3-min_gap_days": 21,
    "step3-max_gap_days": 35,
}
THREE_WEEKS = {"target": 21, "low": 18, "high": 28, "scope": "step", "replan": "1"}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def kept() -> Kept:
    """Six infusions given, the last on Fri 2027-01-15; it is Saturday."""
    return make_kept()


def url(kept: Kept, name: str = "maintenance") -> str:
    return reverse(f"following:{name}", args=[kept.course.pk])


def words(response: object) -> str:
    """The page without tags, spaces folded."""
    return " ".join(re.sub(r"<[^>]+>", " ", text(response)).split())


def put_score(kept: Kept, score: int, day: date) -> None:
    moment = at(day, "10:00")
    Assessment.objects.create(
        patient=kept.patient,
        measure="phq9",
        taken_at=moment,
        recorded_at=moment,
        source="staff",
        score=score,
        band="Mild",
    )


def version(slug: str) -> ProtocolVersion:
    return ProtocolVersion.objects.get(protocol__slug=slug, status="published")


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_before_anybody_decided_the_page_says_so_and_offers_it_to_the_prescriber(client: Client, kept: Kept) -> None:
    page = text(as_(client, kept.clinician).get(url(kept)))
    assert "Nobody has decided yet how this course goes on" in page
    assert url(kept, "maintenance_plan") in page
    assert url(kept, "maintenance_plan") not in text(as_(client, kept.desk).get(url(kept)))


def test_the_plan_stands_step_by_step_with_windows_and_bookings(client: Client, kept: Kept) -> None:
    """Case 25."""
    kept.decide()
    kept.book_next()
    page = words(as_(client, kept.clinician).get(url(kept)))
    assert "4 infusions once a week (5 to 9 days)" in page
    assert "1 Fri 22 Jan, 08:00 Wed 20 Jan – Sun 24 Jan Booked" in page
    assert "2 about Fri 29 Jan 2027 Wed 27 Jan – Sun 31 Jan planned" in page
    assert "11 about Fri 2 Jul 2027" in page
    assert "Next review Fri 16 Apr 2027" in page


def test_what_is_due_and_not_booked_is_amber_with_a_word(client: Client, kept: Kept) -> None:
    kept.decide()
    with time_machine.travel(at(date(2027, 1, 20)), tick=False):
        assert "Due, not booked" in text(as_(client, kept.desk).get(url(kept)))
    with time_machine.travel(at(date(2027, 1, 25)), tick=False):
        assert "Overdue, not booked" in text(as_(client, kept.desk).get(url(kept)))


def test_the_desk_sees_dates_and_windows_and_never_scores_or_reasons(client: Client, kept: Kept) -> None:
    kept.decide(reason="Thoughts of death again")
    kept.decide(reason="Sleeps through")
    put_score(kept, 17, date(2027, 1, 15))
    for user, may_read in (
        (kept.clinician, True),
        (kept.nurse, True),
        (kept.desk, False),
        (kept.clinic.manager, False),
    ):
        page = words(as_(client, user).get(url(kept)))
        assert "Wed 20 Jan – Sun 24 Jan" in page
        for secret in ("Sleeps through", "Thoughts of death", "PHQ-9", "Latest scores"):
            assert (secret in page) is may_read


def test_as_needed_and_none_say_what_happens_instead(client: Client, kept: Kept) -> None:
    kept.decide(way=MaintenanceWay.AS_NEEDED)
    assert "booster is booked when symptoms return" in text(as_(client, kept.desk).get(url(kept)))
    kept.decide(way=MaintenanceWay.NONE)
    assert "No more infusions: observed" in text(client.get(url(kept)))


def test_a_review_that_is_due_says_so_and_is_the_one_thing_to_do(client: Client, kept: Kept) -> None:
    kept.decide("M-MONTHLY")
    as_(client, kept.clinician)
    assert "Record the review" not in text(client.get(url(kept)))
    with time_machine.travel(at(REVIEW), tick=False):
        page = text(as_(client, kept.clinician).get(url(kept)))
        assert "Record the review" in page
        assert page.count("btn-primary") == 1


def test_who_may_do_what(client: Client, kept: Kept) -> None:
    kept.decide()
    clinical = (
        "maintenance_plan",
        "maintenance_interval",
        "maintenance_back",
        "maintenance_review",
        "maintenance_dates",
    )
    allowed = {
        kept.clinician: {"maintenance", "maintenance_next", *clinical},
        kept.desk: {"maintenance", "maintenance_next"},
        kept.nurse: {"maintenance"},
        kept.clinic.manager: {"maintenance"},
    }
    for user, names in allowed.items():
        as_(client, user)
        for name in ("maintenance", "maintenance_next", *clinical):
            assert (client.get(url(kept, name)).status_code != 403) is (name in names), (user, name)
    client.logout()
    assert client.get(url(kept)).status_code == 302


def test_names_with_markup_stay_names(client: Client, kept: Kept) -> None:
    kept.patient.family_name = "<b>Bold</b>"
    kept.patient.save()
    kept.decide(reason="<i>why</i>")
    page = text(as_(client, kept.clinician).get(url(kept)))
    assert "<b>Bold</b>" not in page
    assert "<i>why</i>" not in page


def test_the_page_needs_the_same_queries_for_2_and_20_infusions(client: Client, queries: Queries) -> None:
    for count in (2, 20):
        kept = make_kept()
        steps = kept.decision("M-W4").steps
        kept.decide("M-W4", steps=(type(steps[0])(count, 6, 9, target_gap_days=7),))
        kept.book_next(2)
        as_(client, kept.clinician)
        with queries("maintenance"):
            answer = client.get(url(kept))
        assert answer.status_code == 200
        if count > 2:
            with queries("maintenance next"):
                answer = client.get(url(kept, "maintenance_next"), {"n": 4})
            assert answer.status_code == 200
            asked = {"protocol": version("M-CANBIND").pk}
            with queries("maintenance plan"):
                answer = client.get(url(kept, "maintenance_plan"), asked)
            assert answer.status_code == 200
            with queries("maintenance interval"):
                answer = client.get(url(kept, "maintenance_interval"), THREE_WEEKS)
            assert answer.status_code == 200


def test_who_looks_at_the_calendar_for_a_plan_is_in_the_read_log(client: Client, kept: Kept, queries: Queries) -> None:
    """In the second step, so that there is one to go back to, with booked ones that would get new times."""
    kept.decide("M-CANBIND", steps=(weekly(1), *kept.decision("M-CANBIND").steps[1:]))
    kept.book_next(3)
    kept.give_next()
    pages = {
        "maintenance_next": "Maintenance: book",
        "maintenance_interval": "Maintenance: interval",
        "maintenance_back": "Maintenance: step back",
    }
    with time_machine.travel(at(date(2027, 1, 23)), tick=False):
        as_(client, kept.clinician)
        for name, said in pages.items():
            asked = THREE_WEEKS if name == "maintenance_interval" else {}
            with queries(f"{said}, its reading noted".lower()):
                answer = client.get(url(kept, name), asked)
            assert answer.status_code == 200, name
            row = AccessLog.objects.get(path=url(kept, name))
            assert (row.user, row.subject_id, row.page) == (kept.clinician, kept.patient.resource_id, said)


# -- deciding ----------------------------------------------------------------------------------------------------------


def test_a_plan_is_decided_through_the_page(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    asked = {"protocol": version("M-CANBIND").pk}
    page = words(client.get(url(kept, "maintenance_plan"), asked))
    assert "1 Fri 22 Jan 2027 Wed 20 Jan – Sun 24 Jan" in page  # case 25
    assert "Esketamine" not in page  # the route of the course decides
    address = f"{url(kept, 'maintenance_plan')}?protocol={version('M-CANBIND').pk}"
    answer = client.post(address, CANBIND | DATES | {"seen": 0}, follow=True)
    assert "The plan is decided." in text(answer)
    assert (kept.plan.way, kept.plan.review_on, kept.plan.reason) == ("steps", REVIEW, "Response held")


def test_the_review_date_is_proposed_from_the_settings_and_must_be_there(client: Client, kept: Kept) -> None:
    """C5: an interval per patient and a mandatory review date; 3 months [D]."""
    as_(client, kept.clinician)
    address = f"{url(kept, 'maintenance_plan')}?way=none"
    assert 'value="2027-04-16"' in text(client.get(address))
    answer = client.post(address, DATES | {"review_on": "", "seen": 0})
    assert (answer.status_code, MaintenancePlan.objects.count()) == (422, 0)
    assert "This field is required." in text(answer)
    answer = client.post(address, DATES | {"review_on": "2027-01-16", "seen": 0})
    assert answer.status_code == 422
    assert "The next review must be on a day after today." in text(answer)
    assert client.post(address, DATES | {"seen": 0}).status_code == 302


def test_changed_steps_show_their_dates_before_anything_is_saved(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    address = f"{url(kept, 'maintenance_plan')}?protocol={version('M-CANBIND').pk}"
    slower = CANBIND | {"step1-target_gap_days": 9, "step1-max_gap_days": 12}
    answer = client.post(address, slower | {"look": "1", "seen": 0})
    assert answer.status_code == 200
    assert "1 Mon 25 Jan 2027" in words(answer)  # Sunday is closed
    assert not MaintenancePlan.objects.exists()
    wrong = client.post(address, CANBIND | DATES | {"step1-min_gap_days": 12, "seen": 0})
    assert wrong.status_code == 422
    assert "The smallest gap (12 days) is above the largest (9 days)." in text(wrong)


def test_a_plan_that_somebody_decided_meanwhile_answers_409(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    kept.decide("M-W4")
    answer = client.post(f"{url(kept, 'maintenance_plan')}?way=none", DATES | {"seen": 0})
    assert answer.status_code == 409
    assert "Somebody decided about the maintenance meanwhile" in text(answer)
    assert kept.plan.way == "steps"


def test_another_plan_asks_what_becomes_of_the_bookings(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    kept.book_next()
    as_(client, kept.clinician)
    address = f"{url(kept, 'maintenance_plan')}?way=none"
    assert "Infusion 1, Fri 22 Jan, 08:00" in text(client.get(address))
    client.post(address, DATES | {"seen": kept.plan.pk, "release": "release"})
    assert kept.statuses() == ["dropped"] * 4


def test_a_maintenance_that_was_booked_whole_can_become_the_plan(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    address = f"{url(kept, 'maintenance_plan')}?way=booked"
    assert client.get(address).status_code == 404
    book(date(2027, 1, 22), slug="M-W4", clinic=kept.clinic, patient=kept.patient, now=NOW)
    assert "4 infusions once a week: 0 given, 4 booked" in words(client.get(address))
    client.post(address, DATES | {"seen": 0})
    assert kept.statuses() == ["booked"] * 4
    assert kept.plan.phase is not None


def test_missing_consent_is_said_and_can_be_overridden_with_a_reason(client: Client, kept: Kept) -> None:
    Consent.objects.filter(patient=kept.patient).update(
        withdrawn_at=NOW, withdrawn_by=kept.clinician, withdrawn_reason="Has doubts"
    )
    as_(client, kept.clinician)
    address = f"{url(kept, 'maintenance_plan')}?protocol={version('M-CANBIND').pk}"
    assert "Why it starts although something is missing" in text(client.get(address))
    assert client.post(address, CANBIND | DATES | {"seen": 0}).status_code == 422
    client.post(address, CANBIND | DATES | {"seen": 0, "override_reason": "Signs on Friday"})
    assert kept.plan.way == "steps"


def test_an_odd_address_shows_the_choice(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    for odd in ("?protocol=x", "?protocol=999999", "?way=magic", ""):
        answer = client.get(url(kept, "maintenance_plan") + odd)
        assert answer.status_code == 200
        assert "Decide this way" not in text(answer)
    assert client.post(url(kept, "maintenance_plan"), DATES | {"seen": 0}).status_code == 200
    assert not MaintenancePlan.objects.exists()


# -- booking ahead -----------------------------------------------------------------------------------------------------


def test_the_desk_books_two_ahead_as_they_were_shown(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    as_(client, kept.desk)
    page = client.get(url(kept, "maintenance_next"), {"n": 2})
    assert "Fri 22 Jan, 08:00 7 d" in words(page)
    answer = client.post(f"{url(kept, 'maintenance_next')}?n=2", {"token": token_in(text(page))}, follow=True)
    assert "Booked." in text(answer)
    assert kept.statuses() == ["booked", "booked", "planned", "planned"]


def test_a_second_click_or_somebody_faster_answers_409_and_books_nothing_twice(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    as_(client, kept.desk)
    token = token_in(text(client.get(url(kept, "maintenance_next"))))
    assert client.post(url(kept, "maintenance_next"), {"token": token}).status_code == 302
    answer = client.post(url(kept, "maintenance_next"), {"token": token})
    assert answer.status_code == 409
    assert "Somebody changed infusion 1 meanwhile" in text(answer)
    assert kept.statuses() == ["booked", "planned", "planned", "planned"]


def test_a_token_that_was_not_written_here_is_refused(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    answer = as_(client, kept.desk).post(url(kept, "maintenance_next"), {"token": "forged"})
    assert answer.status_code == 422
    assert "cannot be read" in text(answer)


def test_a_token_of_another_course_changes_nothing(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    other = make_kept()
    other.decide("M-W4")
    answer = as_(client, kept.desk).post(url(kept, "maintenance_next"), {"token": other.token()})
    assert answer.status_code == 409
    assert other.statuses() == ["planned"] * 4


def test_without_a_plan_there_is_nothing_to_book_and_the_page_says_so(client: Client, kept: Kept) -> None:
    answer = as_(client, kept.desk).get(url(kept, "maintenance_next"))
    assert answer.status_code == 422
    assert "There is no plan with steps in force." in text(answer)


def test_late_infusions_are_offered_with_a_breach_that_only_a_clinician_allows(client: Client, kept: Kept) -> None:
    kept.decide()
    late = at(date(2027, 1, 26))  # the window ended on Sunday 24 January
    with time_machine.travel(late, tick=False):
        page = text(as_(client, kept.desk).get(url(kept, "maintenance_next")))
        assert "Only a clinician may go against the protocol" in page
        assert 'name="token"' not in page
        page = text(as_(client, kept.clinician).get(url(kept, "maintenance_next")))
        assert client.post(url(kept, "maintenance_next"), {"token": token_in(page)}).status_code == 422
        client.post(url(kept, "maintenance_next"), {"token": token_in(page), "reason": "Was travelling"})
    assert kept.statuses()[0] == "booked"
    assert kept.plan_series.row(1).overrides[0].reason == "Was travelling"


# -- interval, step back -----------------------------------------------------------------------------------------------


def test_the_interval_is_changed_with_the_scores_in_view(client: Client, kept: Kept) -> None:
    """A 24, 33."""
    kept.decide("M-W4")
    kept.book_next()
    put_score(kept, 9, date(2027, 1, 8))
    put_score(kept, 6, date(2027, 1, 15))
    as_(client, kept.clinician)
    page = client.get(url(kept, "maintenance_interval"), THREE_WEEKS)
    assert "PHQ-9 Mild 6 -3 Fri 15 Jan" in words(page)
    assert "4 infusions every 21 days" in words(page)
    assert "Fri 5 Feb, 08:00" in words(page)
    address = f"{url(kept, 'maintenance_interval')}?target=21"
    assert client.post(address, {"token": token_in(text(page)), "reason": ""}).status_code == 422
    client.post(address, {"token": token_in(text(page)), "reason": "Below 7 twice"})
    assert kept.course.revisions.get(kind=RevisionKind.INTERVAL).reason == "Below 7 twice"
    assert [one.day for one in kept.plan_series.plan] == [date(2027, 2, 5)]


def test_a_gap_outside_its_own_limits_is_refused_at_its_field(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    as_(client, kept.clinician)
    page = text(client.get(url(kept, "maintenance_interval"), THREE_WEEKS | {"target": 40}))
    assert "The usual gap of 40 days is outside its own limits of 18 to 28 days." in page
    assert 'name="token"' not in page


def test_one_click_back_on_relapse(client: Client, kept: Kept) -> None:
    kept.decide("M-CANBIND", steps=kept.decision("M-CANBIND").steps[1:])  # begins with the fortnights
    as_(client, kept.clinician)
    answer = client.get(url(kept, "maintenance_back"))
    assert answer.status_code == 422
    assert "none to go back to" in text(answer)
    kept.decide(
        "M-CANBIND",
        steps=(type(kept.plan_series.settings.steps[0])(1, 5, 9, target_gap_days=7), *kept.decision().steps[1:]),
    )
    kept.book_next()
    kept.give_next()
    with time_machine.travel(at(date(2027, 1, 23)), tick=False):
        as_(client, kept.clinician)
        assert url(kept, "maintenance_back") in text(client.get(url(kept)))
        page = text(client.get(url(kept, "maintenance_back")))
        client.post(url(kept, "maintenance_back"), {"token": token_in(page), "reason": "PHQ-9 back at 15"})
    revision = kept.course.revisions.get(kind=RevisionKind.STEPPED_BACK)
    assert revision.reason == "PHQ-9 back at 15"
    assert kept.plan_series.settings.n == 9


# -- review, dates -----------------------------------------------------------------------------------------------------


def post(client: Client, kept: Kept, name: str, **values: Any) -> Any:
    return client.post(url(kept, name), DATES | {"seen": REVIEW.isoformat(), "review_on": "2027-07-16"} | values)


def test_a_review_goes_on_or_leads_to_the_change(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    as_(client, kept.clinician)
    assert post(client, kept, "maintenance_review").status_code == 422  # what comes of it is not said
    answer = post(client, kept, "maintenance_review", outcome="goes_on")
    assert answer["Location"] == url(kept)
    assert kept.plan.review_on == date(2027, 7, 16)
    answer = post(client, kept, "maintenance_review", outcome="changes", seen="2027-07-16", review_on="2027-08-02")
    assert answer["Location"] == url(kept, "maintenance_interval")
    stale = post(client, kept, "maintenance_review", outcome="goes_on")
    assert stale.status_code == 409
    assert kept.plan.review_on == date(2027, 8, 2)


def test_the_dates_are_moved_in_the_side_sheet_with_a_reason(client: Client, kept: Kept) -> None:
    kept.decide("M-W4")
    as_(client, kept.clinician)
    sheet = text(client.get(url(kept, "maintenance_dates"), headers={"HX-Request": "true"}))
    assert "<html" not in sheet
    assert "Review and consent dates" in sheet
    assert post(client, kept, "maintenance_dates", reason=" ").status_code == 422
    assert post(client, kept, "maintenance_dates").status_code == 302
    assert (kept.plan.review_on, kept.plan.reconsent_on) == (date(2027, 7, 16), date(2028, 1, 14))


def test_without_a_plan_there_is_no_review(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    assert client.get(url(kept, "maintenance_review")).status_code == 404
    assert client.get(url(kept, "maintenance_dates")).status_code == 404


# -- the course page ---------------------------------------------------------------------------------------------------


class Asking:
    """A request of somebody, for ``{% can %}`` in a part of a page."""

    def __init__(self, user: User) -> None:
        self.user = user


def test_the_remark_for_the_course_page(kept: Kept) -> None:
    def remark() -> str:
        kept.course.refresh_from_db()
        plans = MaintenancePlan.objects.filter(course=kept.course)
        glance = service.at_a_glance(kept.course, kept.found().phases, plans)
        context = {"maintenance": glance, "course": kept.course, "request": Asking(kept.clinician)}
        return render_to_string("courses/_course_maintenance.html", context)

    assert "Maintenance is not planned" in remark()
    kept.decide(way=MaintenanceWay.NONE)
    assert "not planned" not in remark()
    assert "to be reviewed on Fri 16 Apr 2027" in remark()


def test_a_stranger_course_is_not_found(client: Client, kept: Kept) -> None:
    as_(client, kept.clinician)
    assert client.get(reverse("following:maintenance", args=[kept.course.pk + 999])).status_code == 404
