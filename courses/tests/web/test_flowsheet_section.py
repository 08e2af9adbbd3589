"""The section of vital signs: what it shows and takes, what it refuses and how, and who may."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.tests.fixtures.ledger import Queries
from courses.models import FlowsheetRow, InfusionRecord, LimitAlarm
from courses.tests.day_kit import Day, in_chair, infusing, make_day, put_row, ten

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def send(
    client: Client, day: Day, name: str, minute: int = 10, *, by: Any = None, fragment: bool = True, **data: Any
) -> Any:
    with time_machine.travel(ten(minute), tick=False):
        client.force_login(by or day.nurse)
        headers = HTMX if fragment else {}
        return client.post(reverse(f"infusion:{name}", args=[day.pk]), data, headers=headers)


def row(client: Client, day: Day, minute: int = 10, **data: Any) -> Any:
    values = {"uid": str(uuid4()), "at": ten(minute).isoformat()} | data
    return send(client, day, "save_row", minute, **values)


def show(client: Client, day: Day, minute: int = 10, **more: Any) -> str:
    with time_machine.travel(ten(minute), tick=False):
        client.force_login(more.pop("by", day.nurse))
        answer = client.get(reverse("infusion:day", args=[day.pk]), **more)
    assert answer.status_code == 200
    return str(answer.content.decode())


def section(html: str) -> str:
    found = re.search(r'data-section="flowsheet".*?</section>', html, re.DOTALL)
    assert found
    return found.group(0)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_row_is_saved_and_the_answer_is_the_day_with_it(client: Client) -> None:
    day = infusing()
    answer = row(
        client, day, systolic_mmhg=148, diastolic_mmhg=92, heart_rate_bpm=85, spo2_percent=97, note="<b>calm</b>"
    )
    assert answer.status_code == 200
    html = section(answer.content.decode())
    assert "148/92" in html
    assert "+10" in html
    assert "&lt;b&gt;calm&lt;/b&gt;" in html
    assert FlowsheetRow.objects.latest("pk").at == ten(10)


def test_without_htmx_the_form_goes_back_to_the_page_and_now_is_meant(client: Client) -> None:
    day = infusing()
    answer = send(client, day, "save_row", fragment=False, heart_rate_bpm=85, uid="", at="")
    assert (answer.status_code, answer["Location"]) == (302, reverse("infusion:day", args=[day.pk]))
    assert FlowsheetRow.objects.latest("pk").at == ten(10)


def test_a_time_typed_by_hand_is_a_time_of_the_visits_day_on_the_clocks_of_the_place(client: Client) -> None:
    day = infusing()
    assert row(client, day, heart_rate_bpm=85, clock="10:05").status_code == 200
    assert FlowsheetRow.objects.latest("pk").at == ten(5)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Enter at least one value or a note."),
        ({"systolic_mmhg": "301", "diastolic_mmhg": "80"}, "Systolic pressure must be between 40 and 300 mmHg."),
        ({"systolic_mmhg": "132"}, "Give both pressures, or neither."),
        ({"heart_rate_bpm": "eighty"}, "Enter a whole number."),
        ({"heart_rate_bpm": "80", "clock": "09:30"}, "This time is before the arrival at 09:50."),
        ({"heart_rate_bpm": "80", "clock": "11:30"}, "This time is in the future."),
        ({"heart_rate_bpm": "80", "at": "yesterday"}, "This is not a moment."),
    ],
)
def test_a_refused_row_comes_back_with_what_was_typed_and_the_reason(
    client: Client, data: dict[str, str], said: str
) -> None:
    day = infusing()
    answer = row(client, day, **data)
    assert answer.status_code == 422
    html = section(answer.content.decode())
    assert said in words(html)
    for value in data.values():
        assert f'value="{value}"' in html or value == "yesterday"
    assert FlowsheetRow.objects.count() == 1


def test_an_unusual_value_is_asked_in_place_and_saved_when_confirmed(client: Client) -> None:
    day = infusing()
    uid = str(uuid4())
    answer = row(client, day, uid=uid, spo2_percent=61)
    assert answer.status_code == 422
    html = section(answer.content.decode())
    assert "data-unusual" in html
    assert "Read the display again: SpO2 61 %?" in html
    assert row(client, day, uid=uid, spo2_percent=61, confirmed="1").status_code == 200
    assert FlowsheetRow.objects.get(uid=uid).was_confirmed


def test_the_same_entry_sent_twice_is_one_row_and_changed_it_is_a_conflict(client: Client) -> None:
    day = infusing()
    uid = str(uuid4())
    for _ in range(2):
        assert row(client, day, uid=uid, heart_rate_bpm=85).status_code == 200
    assert FlowsheetRow.objects.filter(uid=uid).count() == 1
    answer = row(client, day, uid=uid, heart_rate_bpm=86)
    assert answer.status_code == 409
    assert "with other values" in answer.content.decode()


def test_a_signed_record_answers_409_and_says_what_to_do(client: Client) -> None:
    day = infusing()
    people = {"completed_by": day.nurse, "signed_by": day.clinician}
    InfusionRecord.objects.update(completed_at=ten(9), signed_at=ten(9), **people)
    answer = row(client, day, heart_rate_bpm=85)
    assert answer.status_code == 409
    assert "This record is signed" in answer.content.decode()
    assert 'id="flowsheet-form"' not in show(client, day)


def test_an_alarm_says_rule_value_and_limit_and_goes_when_answered(client: Client) -> None:
    day = infusing()
    html = section(row(client, day, systolic_mmhg=184, diastolic_mmhg=104, confirmed="1").content.decode())
    for part in ("Pause, repeat in 5 minutes", "systolic 184 is ≥180 mmHg", "Repeat at 10:15", "clinic setting"):
        assert part in words(html)
    alarm = LimitAlarm.objects.get()
    refused = send(client, day, "answer_alarm", 11, alarm=alarm.pk, what_was_done="")
    assert refused.status_code == 422
    assert "Say what was done." in section(refused.content.decode())
    row(client, day, 15, systolic_mmhg=178, diastolic_mmhg=102)
    assert "Not confirmed at 10:15: 178/102. The prescriber decides whether to resume." in words(show(client, day, 16))
    assert send(client, day, "answer_alarm", 16, alarm=alarm.pk, what_was_done="Paused").status_code == 200
    assert (
        send(client, day, "answer_alarm", 17, by=day.clinician, alarm=alarm.pk, what_was_done="Me").status_code == 409
    )
    html = section(show(client, day, 18))
    assert 'role="alert"' not in html
    assert "Answered alarms (1)" in html


def test_a_row_is_struck_with_a_reason_and_stays_readable(client: Client) -> None:
    day = infusing()
    wrong = put_row(day, ten(9), 190, 95)
    refused = send(client, day, "strike_row", row=wrong.pk, reason="")
    assert refused.status_code == 422
    assert "Say why this row is struck." in section(refused.content.decode())
    answer = send(client, day, "strike_row", row=wrong.pk, reason="Cuff too small")
    assert answer.status_code == 200
    html = section(answer.content.decode())
    assert "Struck: Cuff too small" in html
    assert "190/95" in html
    assert send(client, day, "strike_row", row=wrong.pk, reason="Again").status_code == 409


def test_rows_and_alarms_of_another_visit_are_not_found_here(client: Client) -> None:
    day = infusing()
    row(client, day, systolic_mmhg=205, diastolic_mmhg=118, confirmed="1")
    other = day.course.phases.get().infusions.get(number=2).visits.get().booking_id
    client.force_login(day.nurse)
    strike = {"row": FlowsheetRow.objects.latest("pk").pk, "reason": "x"}
    reply = {"alarm": LimitAlarm.objects.get().pk, "what_was_done": "x"}
    assert client.post(reverse("infusion:strike_row", args=[other]), strike).status_code == 404
    assert client.post(reverse("infusion:answer_alarm", args=[other]), reply).status_code == 404


def test_only_those_who_run_infusions_write_and_nobody_signed_out(client: Client) -> None:
    day = infusing()
    assert send(client, day, "save_row", by=day.clinic.desk, heart_rate_bpm=80).status_code == 403
    client.logout()
    answer = client.post(reverse("infusion:save_row", args=[day.pk]), {"heart_rate_bpm": 80}, headers=HTMX)
    assert "data-day-stamp" not in answer.content.decode()
    assert "login" in answer["HX-Redirect"]
    assert FlowsheetRow.objects.count() == 1


def test_before_the_arrival_there_is_nothing_to_enter(client: Client) -> None:
    early = section(show(client, make_day(), -30))
    assert "as soon as the patient has arrived" in early
    assert 'id="flowsheet-form"' not in early


def test_after_the_arrival_the_baseline_is_due_and_nothing_is_preselected(client: Client) -> None:
    html = section(show(client, in_chair(), -4))
    assert "Baseline" in html
    assert f'data-due="{ten(-10).isoformat()}"' in html
    assert "checked" not in html


def test_the_page_says_when_the_next_look_is_due_and_what_comes_after_it(client: Client) -> None:
    said = words(section(show(client, infusing(), 3)))
    for part in ("Vital signs +10", "due 10:10", "+20 10:20", "+30 10:30", "Baseline 09:58 132/84"):
        assert part in said


def test_twenty_rows_cost_no_more_queries_than_two(client: Client, queries: Queries) -> None:
    day = infusing()
    for count in (2, 18):
        for number in range(count):
            put_row(day, ten(1 + number), 184, 104)
        with time_machine.travel(ten(20 + count), tick=False):
            client.force_login(day.nurse)
            with queries("infusion day with vital signs"):
                assert client.get(reverse("infusion:day", args=[day.pk])).status_code == 200
