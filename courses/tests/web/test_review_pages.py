"""The page of a review: the facts for those who read clinical notes, the decision for prescribers."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
import time_machine
from django.template import engines
from django.test import Client, RequestFactory
from django.urls import reverse

from clinic.models import AccessLog, BookingStatus
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from courses.models import AdverseEvent, Course, CourseStatus, InfusionRecord, Revision, RevisionKind, Task, TaskKind
from courses.services import moves
from courses.services import reviews as service
from courses.services.worklists.engine import sweep
from courses.tests.series_kit import Booked, april, at, book
from courses.tests.web.test_course_pages import HTMX, as_, course_url, text, token_in
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_score

pytestmark = pytest.mark.django_db

NOW = at(april(13))  # Tuesday: 1 to 4 are given, 5 is tomorrow


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """Case 4: 21 → 20, 19, 18, 18 by PHQ-9; 14 and 16 April booked."""
    made = book()
    made.give(1, 2, 3, 4)
    make_score(made.patient, "phq9", 21, made.nurse, at(april(4), "09:00"))
    for number, score in enumerate((20, 19, 18), 1):
        when = at(made.series.given[number].day + timedelta(days=1), "08:30")
        make_score(made.patient, "phq9", score, made.nurse, when)
    make_score(made.patient, "phq9", 18, made.nurse, at(april(13), "06:30"))
    sweep(NOW, kinds=[TaskKind.REVIEW])
    return made


def task_of(booked: Booked) -> Task:
    return Task.objects.get(course=booked.course, kind=TaskKind.REVIEW)


def url(booked: Booked, **asked: str) -> str:
    address = reverse("following:review", args=[booked.course.pk, task_of(booked).pk])
    return f"{address}?{'&'.join(f'{name}={value}' for name, value in asked.items())}" if asked else address


def plain(response: object) -> str:
    return html.unescape(text(response))


# -- the facts ---------------------------------------------------------------------------------------------------------


def test_the_facts_are_laid_out_with_the_prompt_its_source_and_the_other_opinion(
    client: Client, booked: Booked
) -> None:
    page = plain(as_(client, booked.clinician).get(url(booked)))
    assert "Review after infusion 4 of 6" in page
    assert "Below 20 % improvement after infusion 4" in page
    assert "14.3 %" in page
    assert "P25" in page
    assert "late responders" in page
    assert "nothing stops by itself" in page
    assert "here PHQ-9" in page
    assert "PHQ-9 asks about 14 days" in page  # scores inside a series overlap
    assert page.count("<h1") == 1


def test_side_effects_none_and_not_asked_are_three_different_things(client: Client, booked: Booked) -> None:
    records = {}
    for number in (1, 2):
        visit = booked.series.row(number).visit
        when = visit.booking.start
        records[number] = InfusionRecord.objects.create(visit=visit, opened_at=when, opened_by=booked.nurse)
    AdverseEvent.objects.create(
        record=records[1], code="nausea", onset_at=at(april(5), "09:00"), severity="moderate", outcome="resolved",
        recorded_at=at(april(5), "09:00"), recorded_by=booked.nurse,
    )  # fmt: skip
    InfusionRecord.objects.filter(pk=records[2].pk).update(
        no_adverse_events_at=at(april(7), "11:00"), no_adverse_events_by=booked.nurse
    )
    page = plain(as_(client, booked.clinician).get(url(booked)))
    assert "Nausea, moderate" in page
    assert "<td>None</td>" in page
    assert "Side effects were not recorded at infusions 3 and 4." in page


def test_reading_a_review_is_logged(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse).get(url(booked))
    (row,) = AccessLog.objects.all()
    assert (row.user, row.subject_id, row.page) == (booked.nurse, booked.patient.resource_id, "Review")


def test_a_nurse_reads_the_facts_and_may_not_decide(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse)
    page = plain(client.get(url(booked, choice="dose")))
    assert "14.3 %" in page
    assert "A prescriber decides here." in page
    assert "Record the decision" not in page
    assert client.post(url(booked), {"choice": "continue"}).status_code == 403
    assert task_of(booked).closed_at is None


@pytest.mark.parametrize("who", ["desk", "manager"])
def test_the_front_desk_and_the_manager_have_no_access(client: Client, booked: Booked, who: str) -> None:
    as_(client, getattr(booked.clinic, who))
    assert client.get(url(booked)).status_code == 403
    assert client.post(url(booked), {"choice": "continue"}).status_code == 403


def test_a_review_is_found_only_under_its_own_course_and_is_no_other_task(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    other = book(clinic=booked.clinic, patient=make_patient(given_name="Bea"))
    task = task_of(booked)
    assert client.get(reverse("following:review", args=[other.course.pk, task.pk])).status_code == 404
    assert client.get(reverse("following:review", args=[booked.course.pk, 987_654])).status_code == 404
    Task.objects.create(
        kind=TaskKind.DROPOUT, key="x", course=booked.course, location=booked.clinic.location, text="x",
        due_on=april(13), opened_at=NOW,
    )  # fmt: skip
    dropout = Task.objects.get(key="x")
    assert client.get(reverse("following:review", args=[booked.course.pk, dropout.pk])).status_code == 404


# -- decisions ---------------------------------------------------------------------------------------------------------


def test_going_on_as_planned(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    assert "Record the decision" in plain(client.get(url(booked, choice="continue")))
    answer = client.post(url(booked), {"choice": "continue", "note": "Wishes to go on"}, follow=True)
    assert "Reviewed: the course goes on as planned." in plain(answer)
    assert "Wishes to go on" in plain(answer)  # in the history of the course
    assert task_of(booked).closed_by == booked.clinician


def test_another_dose_is_shown_at_the_next_order_and_hidden_from_the_front_desk(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    wrong = client.post(url(booked), {"choice": "dose", "amount": "0.75", "basis": "mg_per_kg", "reason": " "})
    assert wrong.status_code == 422
    assert "Give the reason; it stays with the course." in plain(wrong)
    slip = client.post(url(booked), {"choice": "dose", "amount": "75", "basis": "mg_per_kg", "reason": "x"})
    assert slip.status_code == 422
    assert "up to 10 mg/kg" in plain(slip)
    data = {"choice": "dose", "amount": "0.75", "basis": "mg_per_kg", "reason": "Little effect"}
    assert client.post(url(booked), data).status_code == 302
    booking = booked.series.row(5).booking
    with time_machine.travel(at(april(14), "08:00"), tick=False):
        for step in ("arrived", "in_chair"):
            bookings.advance(booking.pk, to=BookingStatus(step), by=booked.nurse, now=at(april(14), "08:00"))
        as_(client, booked.clinician)
        day = reverse("infusion:day", args=[booking.pk])
        assert "Decided at the review: 0.75 mg/kg" in plain(client.get(day))
        filled = plain(client.post(reverse("infusion:order_dose", args=[booking.pk]), {"fill": "decided"}))
        assert 'value="0.75"' in filled
    page = plain(as_(client, booked.desk).get(course_url(booked)))
    assert "Another dose from the next infusion on" in page
    assert "0.75" not in page
    assert "Little effect" not in page


def test_a_longer_series_is_previewed_and_confirmed_on_the_same_page(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = text(client.get(url(booked, choice="number", n="8")))
    assert "Wed 21 Apr" in page
    answer = client.post(url(booked, choice="number", n="8"), {"token": token_in(page), "reason": "Still gaining"})
    assert answer.status_code == 302
    assert booked.days()[8] == april(21)
    assert task_of(booked).revision == Revision.objects.get(kind=RevisionKind.NUMBER)


def test_a_change_without_a_reason_comes_back_with_its_preview(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = text(client.get(url(booked, choice="number", n="8")))
    answer = client.post(url(booked, choice="number", n="8"), {"token": token_in(page), "reason": " "})
    assert answer.status_code == 422
    assert "Give the reason" in plain(answer)
    assert token_in(text(answer))
    assert len(booked.series.rows) == 6


def test_another_rhythm_is_previewed_and_confirmed(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = text(client.get(url(booked, choice="rhythm", rhythm="two")))
    assert "Thu 15 Apr" in page
    client.post(url(booked, choice="rhythm", rhythm="two"), {"token": token_in(page), "reason": "Tired"})
    assert booked.days()[5] == april(15)


def test_a_calendar_that_moved_on_answers_409_with_a_new_preview(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    address = url(booked, choice="number", n="8")
    token = token_in(text(client.get(address)))
    moves.cancel_infusion(booked.infusion(6).pk, reason="Ill", by=booked.desk, now=NOW)
    answer = client.post(address, {"token": token, "reason": "More"})
    assert answer.status_code == 409
    assert "meanwhile" in plain(answer)
    assert task_of(booked).closed_at is None


def test_other_treatment_with_somebody_responsible(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    data = {"choice": "treatment", "what": "CBT weekly", "reason": "Wants to talk", "beside": "on", "responsible": ""}
    refused = client.post(url(booked), data)
    assert refused.status_code == 422
    assert "Say who is responsible for it." in plain(refused)
    client.post(url(booked), data | {"responsible": "Dr. Lang"})
    assert booked.course.care_items.get().responsible == "Dr. Lang"
    assert Revision.objects.filter(kind=RevisionKind.TREATMENT).count() == 1


def test_stopping_names_what_is_released(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = plain(client.get(url(booked, choice="stop")))
    assert "Infusion 5, Wed 14 Apr, 08:00" in page
    client.post(url(booked), {"choice": "stop", "reason": "No improvement after four"})
    assert Course.objects.get(pk=booked.course.pk).status == CourseStatus.STOPPED


@pytest.mark.parametrize("choice", ["", "elsewhere"])
def test_no_choice_is_no_decision(client: Client, booked: Booked, choice: str) -> None:
    answer = as_(client, booked.clinician).post(url(booked), {"choice": choice, "reason": "x"})
    assert answer.status_code == 422
    assert "Choose how to go on." in plain(answer)


@pytest.mark.parametrize(
    "choice", [{"choice": "dose", "amount": "1", "basis": "mg_per_kg", "reason": "x"}, {"choice": "continue"}]
)
def test_the_second_of_two_prescribers_is_told_what_was_decided(
    client: Client, booked: Booked, choice: dict[str, str]
) -> None:
    service.continue_as_planned(task_of(booked).pk, note="Seen together", by=booked.clinician, now=NOW)
    answer = as_(client, booked.clinician).post(url(booked), choice)
    assert answer.status_code == 409
    page = plain(answer)
    assert "Goes on as planned" in page
    assert booked.clinician.display_name in page
    assert "Record the decision" not in page
    assert Revision.objects.filter(kind=RevisionKind.REVIEWED).count() == 1


def test_a_decided_review_can_be_read_and_offers_nothing(client: Client, booked: Booked) -> None:
    service.continue_as_planned(task_of(booked).pk, note="Seen together", by=booked.clinician, now=NOW)
    page = plain(as_(client, booked.nurse).get(url(booked)))
    assert "What was decided" in page
    assert "Seen together" in page
    assert "14.3 %" in page


def test_htmx_asks_for_the_decision_alone(client: Client, booked: Booked) -> None:
    page = text(as_(client, booked.clinician).get(url(booked, choice="dose"), headers=HTMX))
    assert page.lstrip().startswith("<section")
    assert "<h1" not in page
    assert "New dose" in page


def test_what_people_type_is_shown_as_text(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    data = {"choice": "treatment", "what": "<b>x</b>", "reason": "", "responsible": "<i>y</i>"}
    page = text(client.post(url(booked), data))
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_the_pages_ask_few_questions(client: Client, booked: Booked, queries: Queries) -> None:
    as_(client, booked.clinician)
    page, number = url(booked), url(booked, choice="number", n="8")
    client.get(page)
    with queries("review page"):
        answer = client.get(page)
    assert answer.status_code == 200
    with queries("review page, a number"):
        answer = client.get(number, headers=HTMX)
    assert answer.status_code == 200
    with queries("review page, a number, whole"):
        answer = client.get(number)
    assert answer.status_code == 200


def test_an_interrupted_course_offers_no_change_of_its_times(client: Client, booked: Booked) -> None:
    Course.objects.filter(pk=booked.course.pk).update(status=CourseStatus.INTERRUPTED)
    page = plain(as_(client, booked.clinician).get(url(booked)))
    assert "Another dose" in page
    assert "Another rhythm" not in page
    assert client.post(url(booked, choice="number", n="8"), {"token": "x", "reason": "x"}).status_code == 422


def test_case_27c_offers_to_return_to_twice_weekly_and_says_by_whose_word(client: Client) -> None:
    """T-ESK from 2027-02-01: the weekly session of 15 March was missed, PHQ-9 8 → 13 (L3)."""
    booked = book(date(2027, 2, 1), slug="T-ESK")
    booked.give(*range(1, 11))
    row = booked.series.row(11)
    make_score(booked.patient, "phq9", 8, booked.nurse, at(date(2027, 3, 8), "08:00"))
    moves.record_no_show(row.infusion.pk, by=booked.desk, now=row.booking.start + timedelta(minutes=30))
    make_score(booked.patient, "phq9", 13, booked.nurse, at(date(2027, 3, 17), "06:00"))
    now = at(date(2027, 3, 17))
    with time_machine.travel(now, tick=False):
        sweep(now, kinds=[TaskKind.REVIEW])
        task = Task.objects.get(key__contains=":return:")
        page_url = reverse("following:review", args=[booked.course.pk, task.pk])
        page = plain(as_(client, booked.clinician).get(page_url))
        assert "Infusion 11 was missed" in page
        assert "L3" in page
        assert 'value="two" class="form-check-input" id="id_rhythm_1" required checked' in " ".join(page.split())
        offer = text(client.get(page_url, {"choice": "rhythm", "rhythm": "two"}))
        assert "Wed 17 Mar" in offer
        answer = client.post(f"{page_url}?choice=rhythm&rhythm=two", {"token": token_in(offer), "reason": "Worse"})
        assert answer.status_code == 302
    assert booked.days()[11] == date(2027, 3, 17)


# -- on the course page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "label"), [("clinician", "Decide"), ("nurse", "See the facts"), ("desk", "")])
def test_the_open_review_is_linked_for_those_who_may_open_it(booked: Booked, who: str, label: str) -> None:
    template = engines["django"].from_string('{% include "courses/_course_reviews.html" %}')
    request = RequestFactory().get("/")
    request.user, request.session = getattr(booked.clinic, who), {}
    page = template.render({"tasks": [task_of(booked)], "course": booked.course}, request)
    assert "Review after infusion 4 of 6." in page
    assert (url(booked) in page) is bool(label)
    assert label in page
