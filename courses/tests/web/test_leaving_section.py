"""Leaving on the page of an infusion day: criteria, refusal with the list, discharge, and the sheet to take home."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, Location
from clinic.pure.roles import Role
from courses.models import Discharge
from courses.tests.day_kit import Day, infusing, observing, ten
from courses.tests.db.test_leaving import EMPTY, case34, leave, say
from courses.tests.web.test_effects_section import NAUSEA, ask, bar, part
from courses.views.infusion.discharge import section

pytestmark = pytest.mark.django_db


def leaving(answer: Any) -> str:
    return part(answer, "discharge")


def primary(answer: Any) -> bool:
    return bool(re.search(r'class="btn btn-lg btn-primary" id="discharge-button"', answer.content.decode()))


def test_before_the_end_the_section_waits(client: Client) -> None:
    day = infusing()
    page = ask(client, day, now=ten(20))
    assert "Begins when the infusion has ended" in leaving(page)
    assert section(day.desk(ten(20)), day.nurse).act == ""


def test_while_they_are_watched_it_says_how_long_and_what_is_missing(client: Client) -> None:
    page = ask(client, observing(), now=ten(50))
    said = leaving(page)
    assert "Earliest 11:40" in said
    assert 'data-clock-until="2027-04-05T15:40:00+00:00"' in page.content.decode()
    assert "11 missing" in said
    assert not primary(page)


def test_case_34_refused_with_the_list_and_discharged_with_the_escort(client: Client) -> None:
    day = case34()
    page = ask(client, day, now=ten(160))
    assert ("1 missing" in leaving(page), primary(page)) == (True, False)
    assert section(day.desk(ten(160)), day.nurse).act == "Leaving: 1 missing"
    refusal = ask(client, day, "discharge", {"way": "printed"}, now=ten(160))
    assert refusal.status_code == 422
    assert "They cannot leave yet. Missing: Escort missing" in leaving(refusal)
    assert "cannot be overridden" in leaving(refusal)
    assert not Discharge.objects.exists()
    ready = ask(client, day, "leaving_tick", {"item": "escort", "value": "Jordan", "base": EMPTY}, now=ten(160))
    assert ("Ready to leave" in leaving(ready), primary(ready)) == (True, True)
    assert section(day.desk(ten(160)), day.nurse).act == "Discharge"
    left = ask(client, day, "discharge", {"way": "printed"}, now=ten(160))
    assert left.status_code == 200
    said = leaving(left)
    for one in (
        "Left 12:40 with Jordan",
        "Tue 6 Apr, 11:40",
        "146/88, before 132/84 flowsheet 12:38",
        "Wed 7 Apr, 10:00",
    ):
        assert one in said
    again = ask(client, day, "discharge", {"way": "printed"}, now=ten(161))
    assert (again.status_code, "left at 12:40 already" in leaving(again)) == (409, True)


def test_the_phase_is_ready_to_leave_only_when_all_is_met(client: Client) -> None:
    day = case34()
    assert "Ready to leave" not in bar(ask(client, day, now=ten(160)))
    say(day, "escort", "Jordan", ten(159))
    assert "Ready to leave" in bar(ask(client, day, now=ten(160)))
    assert "Ready to leave" not in bar(ask(client, day, now=ten(159)))


def test_nobody_leaves_before_somebody_says_how_the_instructions_were_given(client: Client) -> None:
    day = case34()
    say(day, "escort", "Jordan", ten(159))
    refusal = ask(client, day, "discharge", {}, now=ten(160))
    assert (refusal.status_code, "Say how the instructions were given" in leaving(refusal)) == (422, True)


def test_a_discharge_is_taken_back_from_the_page_that_was_seen_and_not_from_a_stale_one(client: Client) -> None:
    day = case34()
    say(day, "escort", "Jordan", ten(159))
    leave(day, ten(160))
    day.booking.refresh_from_db()
    seen = day.booking.version
    stale = ask(client, day, "discharge_back", {"version": seen - 1}, now=ten(161))
    assert stale.status_code == 409
    assert Discharge.objects.valid().exists()
    assert ask(client, day, "discharge_back", {"version": "now"}, now=ten(161)).status_code == 422
    again = ask(client, day, "discharge_back", {"version": seen}, now=ten(161))
    assert (again.status_code, "Ready to leave" in leaving(again)) == (200, True)
    assert not Discharge.objects.valid().exists()


def test_handing_over_to_a_hospital_is_offered_only_with_such_an_effect_and_asks_who_took_over(client: Client) -> None:
    day = observing()
    assert "who took over" not in leaving(ask(client, day))
    refusal = ask(client, day, "hospital", {"taken_over_by": "Ambulance 12"})
    assert (refusal.status_code, "Record the side effect first" in leaving(refusal)) == (422, True)
    grave = {"code": "unconscious", "severity": "severe", "is_serious": "yes", "outcome": "transferred"}
    assert "who took over" in leaving(ask(client, day, "effect_add", NAUSEA | grave))
    assert ask(client, day, "hospital", {"taken_over_by": ""}).status_code == 422
    done = ask(client, day, "hospital", {"taken_over_by": "Ambulance 12"})
    assert (done.status_code, "with Ambulance 12" in leaving(done)) == (200, True)


def test_who_would_not_stay_is_recorded_with_what_they_were_told_and_with_whom_they_went(client: Client) -> None:
    day = case34()
    refusal = ask(client, day, "against_advice", {"told": "", "went_with": ""}, now=ten(110))
    assert refusal.status_code == 422
    assert "Say what they were told" in leaving(refusal)
    assert "Give a name, or say that they left alone." in leaving(refusal)
    both = {"told": "No driving", "went_with": "Jordan", "is_alone": "on"}
    assert ask(client, day, "against_advice", both, now=ten(110)).status_code == 422
    done = ask(client, day, "against_advice", {"told": "No driving <b>", "is_alone": "on"}, now=ten(110))
    assert done.status_code == 200
    assert "alone against advice" in leaving(done)
    assert "No driving &lt;b&gt;" in leaving(done)
    again = ask(client, day, "against_advice", {"told": "No driving", "is_alone": "on"}, now=ten(111))
    assert again.status_code == 409


def test_leaving_against_advice_is_not_offered_to_who_may_be_discharged(client: Client) -> None:
    day = case34()
    assert "left against advice" in leaving(ask(client, day, now=ten(150)))
    say(day, "escort", "Jordan", ten(159))
    assert "left against advice" not in leaving(ask(client, day, now=ten(160)))


def test_each_thing_that_is_missing_leads_to_where_it_is_done(client: Client) -> None:
    page = ask(client, observing(), "discharge", {"way": "told"}, now=ten(50)).content.decode()
    alert = page[page.index("They cannot leave yet") :][:3000]
    for target in ("#section-flowsheet", "#section-effects", "#leave-escort", "#leave-gait"):
        assert f'href="{target}"' in alert
    assert 'id="leave-escort"' in page


def test_a_tick_from_a_stale_page_gets_409_and_one_that_is_none_422(client: Client) -> None:
    day = observing()
    say(day, "gait", "no", ten(49))
    stale = ask(client, day, "leaving_tick", {"item": "gait", "value": "yes", "base": EMPTY})
    assert (stale.status_code, "answered “no” meanwhile" in leaving(stale)) == (409, True)
    wrong = ask(client, day, "leaving_tick", {"item": "gait", "value": "perhaps", "base": EMPTY})
    assert (wrong.status_code, "Answer yes or no" in leaving(wrong)) == (422, True)


def test_a_double_negative_is_never_asked(client: Client) -> None:
    page = ask(client, observing(), now=ten(50)).content.decode()
    labels = re.findall(r'aria-label="(No acute suicidal thoughts: [^"]+)"', page)
    assert labels == ["No acute suicidal thoughts: None", "No acute suicidal thoughts: Present"]


def test_the_sheet_has_first_name_phone_crisis_lines_and_neither_drug_nor_diagnosis(client: Client) -> None:
    day = observing()
    Location.objects.update(phone="+12125550100")
    answer = ask(client, day, "aftercare")
    sheet = re.search(r"<article.*?</article>", answer.content.decode(), re.DOTALL)
    assert sheet
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", sheet.group()))
    for one in (
        f"For {day.patient.given_name},",
        "until tomorrow, after a full night&#x27;s sleep, and at least 24 hours",
        "At least until Tue, Apr 6, 10:40 AM",
        "(212) 555-0100",
        "988",
        "Wed, Apr 7, 10:00 AM",
        "Drink enough and rest",
    ):
        assert one in words
    assert "ketamine" not in words.lower()
    assert day.patient.family_name not in words
    assert "it goes out as a message too, where they agreed" in answer.content.decode()
    assert AccessLog.objects.filter(page="Sheet to take home", subject_id=day.patient.resource_id).count() == 1


def test_after_leaving_the_sheet_says_what_was_given_then(client: Client) -> None:
    day = case34()
    say(day, "escort", "Jordan", ten(159))
    leave(day, ten(160))
    Discharge.objects.update(instructions="Drink tea <b>slowly</b>.")
    page = ask(client, day, "aftercare", now=ten(170)).content.decode()
    assert "Drink tea &lt;b&gt;slowly&lt;/b&gt;." in page


def test_the_protocols_own_text_is_given(client: Client) -> None:
    assert "Our own words." in ask(client, observing(aftercare="Our own words."), "aftercare").content.decode()


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_other_roles_and_strangers_neither_discharge_nor_read_the_sheet(client: Client, role: Role) -> None:
    day: Day = case34()
    user = day.clinic.users[role]
    assert ask(client, day, "discharge", {"way": "told"}, user=user).status_code == 403
    assert ask(client, day, "leaving_tick", {}, user=user).status_code == 403
    assert ask(client, day, "aftercare", user=user).status_code == 403
    assert Client().get(reverse("infusion:aftercare", args=[day.pk])).status_code == 302
