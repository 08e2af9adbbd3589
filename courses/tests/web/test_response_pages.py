"""The Response page of a course, its card, and the terms. Expected values: clinical.md H1, F1, F2, C7, A 69-72."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from courses.models import CareItem, Course, CourseStatus, OutcomeDefinition
from courses.services import moves
from courses.services.courses import close_course
from courses.tests.day_kit import infusing, put_tap, ten
from courses.tests.outcome_kit import BEFORE, course_with, put_score
from courses.tests.series_kit import Booked, april, at, book
from patients.models import AssessmentSource
from patients.pure.indications import Indication
from patients.services.assessments import record_assessment
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
CASE_1 = (14, 9, 8, 6, 5, 4)
NOW = at(date(2027, 5, 20), "12:00")


@pytest.fixture(autouse=True)
def _later() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(booked: Booked) -> str:
    return reverse("following:response", args=[booked.course.pk])


def page(booked: Booked) -> str:
    answer = client_of(booked.clinician).get(url(booked))
    assert answer.status_code == 200
    return answer.content.decode()


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)).split())


def facts(text: str, code: str = "phq9") -> dict[str, Any]:
    found = re.search(rf'id="response-{code}-facts" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found
    return dict(json.loads(found.group(1)))


def test_case_1_is_said_in_the_headline_the_table_and_the_chart() -> None:
    text = page(course_with(20, *CASE_1))
    said = words(text)
    for one in (
        "80.0 % improvement",
        "Remission",
        "Early response: first after infusion 2",
        "PHQ-9, shipped terms",
        "After infusion 1",
        "30.0 %",
        "55.0 %",
        "75.0 %",
        "Infusion 6 of 6",
    ):
        assert one in said, one
    drawn = facts(text)
    assert [point["score"] for point in drawn["points"]] == [20, 14, 9, 8, 6, 5, 4]
    assert drawn["lines"] == [{"at": 10.0, "short": "response ≤ 10"}]
    assert drawn["remission"] == 4
    assert [mark["short"] for mark in drawn["marks"]] == ["1", "2", "3", "4", "5", "6"]
    assert drawn["points"][2]["says"] == "After infusion 2: 55.0 % lower"


def test_case_8_shows_the_relapse_with_its_days() -> None:
    booked = course_with(20, 14, 12, 10, 8, 7, 6)  # the last infusion on 16 April
    for day, score in ((23, 7), (30, 9)):
        put_score(booked, april(day), score)
    put_score(booked, date(2027, 5, 7), 12)
    assert "Below response since Fri 7 May" in words(page(booked))
    put_score(booked, date(2027, 5, 14), 13)
    said = words(page(booked))
    assert "Relapse: Fri 7 May, 21 days after the last infusion" in said
    assert "Confirmed on Fri 14 May" in said
    assert "Day 28 after the series" in said


def test_new_suicidal_thoughts_and_worsening_come_first() -> None:
    booked = course_with(None)
    booked.give(1, 2)
    put_score(booked, BEFORE, 15, danger=0)
    put_score(booked, april(7), 20, danger=2)
    text = page(booked)
    found = re.findall(r"<li><span class=\"tag([^\"]*)\">(.*?)</span>", text, re.DOTALL)
    assert [(tone.strip(), words(inner)) for tone, inner in found[:2]] == [
        ("tag-danger", "New suicidal thoughts after infusion 1, Wed 7 Apr"),
        ("tag-danger", "Worsening from infusion 1, Wed 7 Apr"),
    ]
    assert "33.3 % above baseline" in words(text)


def test_a_response_that_is_not_held_inside_the_series_is_said() -> None:
    assert "Response after infusion 2 not held after 3" in words(page(course_with(20, 14, 9, 15)))


def test_without_a_baseline_no_percentage_is_made_up() -> None:
    said = words(page(course_with(None, *CASE_1)))
    assert "No baseline" in said
    assert "This course counts as “no baseline” in reports." in said
    assert "improvement 80" not in said
    assert "80.0 %" not in said


def test_a_low_baseline_and_nothing_given_are_said_as_they_are() -> None:
    low = course_with(9, 4)
    close_course(low.course.pk, status=CourseStatus.STOPPED, reason="Enough", by=low.clinician, now=NOW)
    assert "Not evaluable for response" in words(page(low))
    assert "Remission" in words(page(low))
    fresh = book(date(2027, 6, 7), clinic=low.clinic, patient=make_patient("Mei", "Chen"))
    said = words(page(fresh))
    assert "Nothing given yet" in said
    assert "Response is judged from the first infusion on." in said


def test_the_literature_is_a_range_with_its_settings_and_the_articles_are_marked() -> None:
    """C7: never one number. F2: 18 to 92 % by setting."""
    said = words(page(course_with(20, *CASE_1)))
    assert "Between 18.3 and 91.6 % of patients responded in 10 studies" in said
    for one in ("McInnes 2022 P20", "178 clinics, n = 537", "14 to 31 days after the series", "not stated in what was"):
        assert one in said, one
    assert "clinic article, not trial data" in said
    assert "003:142" in said
    assert "[GK]" not in said


def test_published_medians_are_drawn_for_responders_only() -> None:
    """P1 18 days, P8 57 days, from the last infusion on 16 April."""
    drawn = facts(page(course_with(20, *CASE_1)))["ribbons"]
    assert [(one["from"], one["to"]) for one in drawn] == [("2027-05-04", "2027-06-12")]
    booked = course_with(21, 20, 19, 18, 18, 17, 17, booked=book(patient=make_patient("Mei", "Chen")))
    assert facts(page(booked))["ribbons"] == []


def test_ptsd_is_judged_by_pcl5_with_its_profiles_of_change_and_phq9_beside() -> None:
    booked = course_with(20, 14, 9)
    put_score(booked, BEFORE, 60, measure="pcl5")
    put_score(booked, april(7), 48, measure="pcl5")
    Course.objects.filter(pk=booked.course.pk).update(indication=Indication.PTSD)
    text = page(booked)
    said = words(text)
    assert "20.0 % improvement" in said
    assert "15 points: reliable change (Marx 2022 gives 15 to 18)" in said
    assert facts(text, "pcl5")["points"][1]["score"] == 48
    assert facts(text, "phq9")["points"][0]["score"] == 20
    assert "One study is no range" in said
    Course.objects.filter(pk=booked.course.pk).update(indication=Indication.PAIN)
    assert "A number from another condition would mislead." in words(page(booked))


def test_care_beside_is_drawn_as_a_span_and_its_words_are_only_words() -> None:
    booked = course_with(20, *CASE_1)
    known = {"course": booked.course, "responsible": "Dr Reed", "created_at": NOW, "created_by": booked.clinician}
    CareItem.objects.create(kind="therapy", title="<b>CBT</b>", started_on=april(8), **known)
    CareItem.objects.create(kind="lifestyle", title="Walks", started_on=april(8), on_chart=False, **known)
    struck = {"struck_at": NOW, "struck_by": booked.clinician, "struck_reason": "Wrong patient"}
    CareItem.objects.create(kind="treatment", title="Lithium", started_on=april(8), **known, **struck)
    text = page(booked)
    assert [(one["name"], one["from"], one["is_open"]) for one in facts(text)["spans"]] == [
        ("<b>CBT</b>", "2027-04-08", True)
    ]
    assert "&lt;b&gt;CBT&lt;/b&gt;" in text
    assert "<b>CBT</b>" not in text
    for hidden in ("Walks", "Lithium"):
        assert hidden not in text


def test_the_dose_that_was_delivered_stands_with_its_infusion() -> None:
    """R8: stopped after 10 of 40 minutes, 41.2 × 10 / 40 = 10.3 mg."""
    with time_machine.travel(ten(120), tick=False):
        day = infusing()
        put_tap(day, "stop", ten(10), reason="Anxious")
        for step, minutes in ((BookingStatus.OBSERVING, 11), (BookingStatus.DONE, 75)):
            bookings.advance(day.pk, to=step, by=day.nurse, now=ten(minutes))
        moves.record_given(booking_id=day.pk, by=day.nurse, now=ten(75))
        record_assessment(
            patient=day.patient,
            measure="phq9",
            total=20,
            taken_at=ten(-300),
            source=AssessmentSource.STAFF,
            by=day.nurse,
            location=day.clinic.location,
            now=ten(120),
        )
        text = client_of(day.nurse).get(reverse("following:response", args=[day.course.pk])).content.decode()
    assert "10.3 mg of 41.2, stopped early" in words(text)
    assert facts(text)["marks"][0]["label"] == "Infusion 1 of 6, 10.3 of 41.2 mg, stopped early"


def test_only_those_who_read_clinical_notes_see_response(client: Client) -> None:
    booked = course_with(20, *CASE_1)
    for allowed in (booked.clinician, booked.nurse):
        assert client_of(allowed).get(url(booked)).status_code == 200
        assert "80.0 %" in client_of(allowed).get(booked.course.get_absolute_url()).content.decode()
    for other in (booked.desk, booked.clinic.manager):
        assert client_of(other).get(url(booked)).status_code == 403
        shown = client_of(other).get(booked.course.get_absolute_url()).content.decode()
        assert "80.0 %" not in shown
        assert url(booked) not in shown
    assert client.get(url(booked)).status_code == 302


def test_the_card_on_the_course_says_the_same_and_leads_to_the_page() -> None:
    booked = course_with(20, *CASE_1)
    text = client_of(booked.clinician).get(booked.course.get_absolute_url()).content.decode()
    said = words(text)
    for one in ("Response", "80.0 %", "PHQ-9 20 → 4 after infusion 6", "Remission"):
        assert one in said, one
    assert url(booked) in text
    assert 'class="spark"' in text
    fresh = book(date(2027, 6, 7), clinic=booked.clinic, patient=make_patient("Mei", "Chen"))
    assert 'class="spark"' not in client_of(booked.clinician).get(fresh.course.get_absolute_url()).content.decode()


def test_the_pages_need_the_same_queries_for_few_and_many_scores(queries: Queries) -> None:
    booked = course_with(20, 14)
    terms = OutcomeDefinition.objects.create(number=1, reason="Ours", created_at=NOW, created_by=booked.clinician)
    Course.objects.filter(pk=booked.course.pk).update(outcome_definition=terms)
    client = client_of(booked.clinician)

    def count() -> None:
        for address, name in (
            (url(booked), "response page"),
            (booked.course.get_absolute_url(), "course, with scores"),
        ):
            client.get(address)  # the session, and the reading that is logged once in five minutes
            with queries(name):
                answer = client.get(address)
            assert answer.status_code == 200

    count()
    booked.give(2, 3, 4, 5, 6)
    for day in range(7, 28):
        put_score(booked, april(day), 12)
    CareItem.objects.create(
        course=booked.course,
        kind="therapy",
        title="CBT",
        responsible="Dr Reed",
        started_on=april(8),
        created_at=NOW,
        created_by=booked.clinician,
    )
    count()
    close_course(booked.course.pk, status=CourseStatus.COMPLETED, reason="Done", by=booked.clinician, now=NOW)
    count()


# -- the terms ---------------------------------------------------------------------------------------------------------
TERMS = "/setup/outcomes/"


def typed(text: str, **changed: str) -> dict[str, str]:
    """What the form holds as the page shows it."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", text):
        name, value = re.search(r'name="([a-z0-9_]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name.group(1)] = value.group(1) if value else ""
    return {key: value for key, value in found.items() if key != "csrfmiddlewaretoken"} | changed


def test_the_terms_show_the_shipped_ones_and_a_save_makes_the_first_version() -> None:
    booked = book()
    client = client_of(booked.clinic.manager)
    text = client.get(TERMS).content.decode()
    assert "The shipped terms are in use" in text
    shown = typed(text)
    assert (shown["response_percent"], shown["remission_max_phq9"], shown["relapse_scores_madrs"]) == ("50", "4", "")
    answer = client.post(TERMS, typed(text, relapse_scores_madrs="22", reason="As P24"), follow=True)
    said = words(answer.content.decode())
    assert "Version 1 is in use" in said
    assert "Relapse at once, from (score): none → MADRS 22" in said
    assert "As P24" in said
    assert OutcomeDefinition.objects.get().relapse_scores == {"madrs": 22}


def test_a_missing_reason_and_terms_out_of_order_stand_at_their_fields() -> None:
    client = client_of(book().clinician)
    text = client.get(TERMS).content.decode()
    answer = client.post(TERMS, typed(text, response_percent="60"))
    assert answer.status_code == 422
    assert "Say why the terms change" in answer.content.decode()
    answer = client.post(TERMS, typed(text, partial_percent="70", reason="Try"))
    assert answer.status_code == 422
    assert "must be in this order" in answer.content.decode()
    answer = client.post(TERMS, typed(text, remission_max_phq9="99", reason="Try"))
    assert answer.status_code == 422
    assert not OutcomeDefinition.objects.exists()


def test_somebody_faster_is_said_and_what_was_typed_stays() -> None:
    booked = book()
    client = client_of(booked.clinician)
    text = client.get(TERMS).content.decode()
    OutcomeDefinition.objects.create(
        number=1, response_percent=45, reason="Faster", created_at=NOW, created_by=booked.clinician
    )
    answer = client.post(TERMS, typed(text, response_percent="60", reason="Mine"))
    assert answer.status_code == 409
    again = answer.content.decode()
    assert "Somebody else made version 1" in again
    assert typed(again)["response_percent"] == "60"
    assert client.post(TERMS, typed(again)).status_code == 302
    assert list(OutcomeDefinition.objects.values_list("number", "response_percent")) == [(2, 60), (1, 45)]


def test_who_may_set_the_terms(client: Client) -> None:
    clinic = book().clinic
    for allowed in (clinic.clinician, clinic.manager):
        assert client_of(allowed).get(TERMS).status_code == 200
    for other in (clinic.nurse, clinic.desk):
        assert client_of(other).get(TERMS).status_code == 403
    assert client.get(TERMS).status_code == 302
    assert TERMS in client_of(clinic.manager).get(reverse("setup:index")).content.decode()


def test_the_terms_need_the_same_queries_for_1_and_20_versions(queries: Queries) -> None:
    clinic = book().clinic
    client = client_of(clinic.manager)
    for number in range(1, 21):
        OutcomeDefinition.objects.create(
            number=number, reason="Again", created_at=NOW - timedelta(days=number), created_by=clinic.manager
        )
        if number in (1, 20):
            client.get(TERMS)
            with queries("outcome terms"):
                answer = client.get(TERMS)
            assert answer.status_code == 200
