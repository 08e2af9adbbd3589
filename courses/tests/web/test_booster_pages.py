"""The page of boosters: why now, times, one click; what the front desk sees; refusals beside their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, Booking
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import CourseBoosterRule, Phase, PhaseKind, RevisionKind, Task, TaskEnd, TaskKind
from courses.services.booster_rules import seen_rule
from courses.services.worklists.engine import sweep
from courses.tests.booster_kit import NOW, come_back, helped, maintain
from courses.tests.series_kit import Booked, book
from courses.tests.web.test_course_pages import as_, text
from patients.models import Consent
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """Scores have come back, and the task is open."""
    made = come_back()
    sweep(NOW, kinds=[TaskKind.BOOSTER])
    return made


def url(booked: Booked, name: str = "booster", *more: int) -> str:
    return reverse(f"following:{name}", args=[booked.course.pk, *more])


def slots_in(page: str) -> list[str]:
    return re.findall(r'name="slot" value="([^"]+)"', page)


def phases_in(page: str) -> str:
    return re.findall(r'name="phases" value="(\d+)"', page)[0]


def times(client: Client, booked: Booked) -> str:
    """What the page fetches for itself."""
    return text(client.get(url(booked, "booster_times"), headers={"HX-Request": "true"}))


def test_a_clinician_sees_why_now_the_rule_and_times(client: Client, booked: Booked, queries: Queries) -> None:
    as_(client, booked.clinician)
    with queries("boosters of a course"):
        page = text(client.get(url(booked)))
    assert url(booked, "booster_times") in page
    with queries("boosters of a course, times"):
        page += times(client, booked)
    for said in (
        "PHQ-9 back at 10 or more: 12 on Mon 26 Apr, 13 on Mon 3 May.",
        "PHQ-9 back at 10 or more or 50 % of the gain lost, at 2 readings in a row",
        "clinic setting",
        "Fri 16 Apr 2027",
        "Initial series, infusion 6 of 6",
        "Tue 4 May, 08:00",
        "18 d after the last",
    ):
        assert said in page, said
    assert 3 <= len(slots_in(page)) <= 5
    assert page.count("btn-primary") == 1


def test_one_click_books_and_a_second_one_adds_nothing(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = times(client, booked)
    click = {"phases": phases_in(page), "slot": slots_in(page)[0]}
    after = client.post(url(booked, "booster_accept"), click, follow=True)
    assert "The booster is booked." in text(after)
    assert "A booster of this course is booked for Tue 4 May." in text(after)
    assert Task.objects.get().closed_how == TaskEnd.DECIDED
    again = client.post(url(booked, "booster_accept"), click)
    assert again.status_code == 409
    assert Phase.objects.filter(kind=PhaseKind.BOOSTER).count() == 1


def test_a_time_that_is_gone_answers_409_with_fresh_ones(client: Client) -> None:
    booked = come_back(clinic=make_clinic(chairs=1))
    sweep(NOW, kinds=[TaskKind.BOOSTER])
    as_(client, booked.clinician)
    page = times(client, booked)
    chosen = slots_in(page)[0]
    other = book(NOW.date(), clinic=booked.clinic, patient=make_patient("Mei", "Chen"), n=1, now=NOW)
    taken = Booking.objects.get(infusion_visit__infusion__phase__course=other.course)
    local = booked.clinic.location.local(taken.start)
    chosen = re.sub(r"\.\d{8}\.\d{4}\.", f".{local:%Y%m%d}.{local:%H%M}.", chosen)
    answer = client.post(url(booked, "booster_accept"), {"phases": phases_in(page), "slot": chosen})
    assert answer.status_code == 409
    assert "free now" in text(answer)
    assert slots_in(text(answer))
    assert chosen not in slots_in(text(answer))
    assert not Phase.objects.filter(kind=PhaseKind.BOOSTER).exists()


def test_the_front_desk_sees_times_and_nothing_clinical_and_books_none(client: Client, booked: Booked) -> None:
    as_(client, booked.desk)
    page = text(client.get(url(booked))) + times(client, booked)
    assert "A booster is proposed. A clinician sees why, and decides." in page
    assert "Tue 4 May, 08:00" in page
    for hidden in ("PHQ-9", "gain", "threshold", 'name="slot"', "booster_decline", "My judgement"):
        assert hidden not in page, hidden
    assert client.post(url(booked, "booster_accept"), {"phases": "1", "slot": ""}).status_code == 403
    assert client.get(url(booked, "booster_rule")).status_code == 403


def test_why_now_is_not_shown_to_the_front_desk_on_the_course_either(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = times(client, booked)
    client.post(url(booked, "booster_accept"), {"phases": phases_in(page), "slot": slots_in(page)[0]})
    course = reverse("courses:course", args=[booked.course.pk])
    assert "Booster booked for Tue 4 May, 08:00." in text(client.get(course))
    as_(client, booked.desk)
    page = text(client.get(course))
    assert "Booster booked for Tue 4 May, 08:00." in page
    assert "PHQ-9 back" not in page


def test_without_scripts_the_times_stand_on_the_page_itself(client: Client, booked: Booked, queries: Queries) -> None:
    as_(client, booked.clinician)
    assert client.get(url(booked, "booster_times"))["Location"] == f"{url(booked)}?times=1"
    assert not AccessLog.objects.exists()  # so the reading of the page itself is noted, and counted
    with queries("boosters of a course, without scripts"):
        page = text(client.get(f"{url(booked)}?times=1"))
    assert "Why now" in page
    assert len(slots_in(page)) >= 3
    assert AccessLog.objects.get().page == "Boosters"
    assert slots_in(text(client.get(url(booked)))) == []


def test_strangers_see_nothing_and_a_manager_only_looks(client: Client, booked: Booked) -> None:
    assert client.get(url(booked)).status_code == 302
    as_(client, booked.clinic.manager)
    page = text(client.get(url(booked)))
    assert "PHQ-9" not in page
    assert "Ask for a booster" not in page
    assert client.post(url(booked, "booster_ask"), {"reason": "Low"}).status_code == 403


def test_the_desk_enters_what_the_patient_asks_for(client: Client) -> None:
    booked = helped()
    as_(client, booked.desk)
    assert "Nothing asks for a booster" in text(client.get(url(booked)))
    empty = client.post(url(booked, "booster_ask"), {"reason": " ", "by_whom": "patient"})
    assert empty.status_code == 422
    assert "Say why; it stays" in text(empty)
    said = {"reason": "<b>Low</b> again", "by_whom": "patient"}
    assert "on the list of boosters now" in text(client.post(url(booked, "booster_ask"), said, follow=True))
    assert "on the list already" in text(client.post(url(booked, "booster_ask"), said, follow=True))
    assert client.post(url(booked, "booster_ask"), {"reason": "Low", "by_whom": "clinician"}).status_code == 403
    as_(client, booked.clinician)
    page = text(client.get(url(booked)))
    assert "The patient asked on Mon 3 May: &lt;b&gt;Low&lt;/b&gt; again" in page
    assert Task.objects.count() == 1


def test_declined_with_a_reason_and_refused_without(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    task = Task.objects.get()
    address = url(booked, "booster_decline", task.pk)
    refused = client.post(address, {"reason": ""})
    assert refused.status_code == 422
    assert "Say why this is set aside" in text(refused)
    assert "Set aside." in text(client.post(address, {"reason": "Starts therapy"}, follow=True))
    task.refresh_from_db()
    assert task.closed_how == TaskEnd.DECLINED
    assert client.post(address, {"reason": "Again"}).status_code == 409
    assert client.post(url(booked, "booster_decline", task.pk + 1), {"reason": "No"}).status_code == 404


def test_without_consent_it_says_what_is_missing_and_takes_a_reason(client: Client, booked: Booked) -> None:
    Consent.objects.update(withdrawn_at=NOW, withdrawn_by=booked.clinician, withdrawn_reason="Wants to think")
    as_(client, booked.clinician)
    page = times(client, booked)
    click = {"phases": phases_in(page), "slot": slots_in(page)[0]}
    refused = client.post(url(booked, "booster_accept"), click)
    assert refused.status_code == 422
    assert 'name="override_reason"' in text(refused)
    client.post(url(booked, "booster_accept"), click | {"override_reason": "Signs at the visit"})
    assert booked.course.revisions.filter(kind=RevisionKind.BOOSTER).exists()


def test_while_maintenance_goes_on_it_leads_to_the_next_infusion(client: Client, booked: Booked) -> None:
    maintain(booked)
    as_(client, booked.clinician)
    page = times(client, booked)
    assert "The maintenance goes on: infusion 1 is booked for" in page
    assert reverse("courses:move", args=[booked.infusion(1).pk]) in page
    assert slots_in(page) == []


RULE = {"is_on": "on", "score_from": "8", "gain_lost_percent": "", "readings": "2", "apart_days": "5"}


def test_a_rule_of_its_own_and_the_way_back(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = text(client.get(url(booked, "booster_rule")))
    assert 'value="10"' in page
    refused = client.post(url(booked, "booster_rule"), RULE | {"reason": "", "expected": ""})
    assert refused.status_code == 422
    assert "Give the reason; it stays with the course." in text(refused)
    saved = client.post(url(booked, "booster_rule"), RULE | {"reason": "Falls fast", "expected": ""}, follow=True)
    assert "own rule now" in text(saved)
    assert "PHQ-9 back at 8 or more, at 2 readings in a row" in text(saved)
    assert "Falls fast" in text(saved)
    stale = client.post(url(booked, "booster_rule"), RULE | {"reason": "Other", "expected": ""})
    assert stale.status_code == 409
    back = {"how": "clinic", "reason": "Steady", "expected": seen_rule(CourseBoosterRule.objects.get())}
    assert "counts for this course again" in text(client.post(url(booked, "booster_rule"), back, follow=True))
    assert not CourseBoosterRule.objects.exists()


def test_a_course_without_a_series_has_a_page(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    Task.objects.update(closed_at=NOW, closed_how=TaskEnd.SETTLED, closed_text="Gone")
    assert "The rule watches the scores of this course." in text(client.get(url(booked)))
    assert client.get(reverse("following:booster", args=[987_654])).status_code == 404
    assert client.post(reverse("following:booster_accept", args=[987_654])).status_code == 404
