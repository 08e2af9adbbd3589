"""The pages of a questionnaire link, as somebody with a phone, a forged link or bad intentions meets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pghistory.models import Context

from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.ledger import Queries
from patients.models import Assessment, DangerAlert, IntakeSettings, LinkKind, MeasureLink, Patient
from patients.pure.measures import MEASURES
from patients.services.measure_links import create_link, finish, revoke, save_answer
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
CRISIS = "You can talk to somebody right now"
Send = Callable[..., tuple[MeasureLink, str]]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(birth_date=datetime(1985, 3, 14, tzinfo=UTC).date(), phones=["+12125550123"])


@pytest.fixture
def now() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def send(clinic: Clinic, ada: Patient, now: Any) -> Send:
    def make(*codes: str, patient: Patient = ada, **changed: Any) -> tuple[MeasureLink, str]:
        values = {"kind": LinkKind.PHONE, "location": clinic.location, "by": clinic.nurse, "now": NOW} | changed
        return create_link(patient=patient, measures=codes or ("phq9",), **values)

    return make


def start(token: str) -> str:
    return reverse("public:questionnaire", args=[token])


def ask(token: str, item: int, measure: str = "phq9") -> str:
    return reverse("public:questionnaire_question", args=[token, measure, item])


def review(token: str) -> str:
    return reverse("public:questionnaire_review", args=[token])


def done(token: str) -> str:
    return reverse("public:questionnaire_done", args=[token])


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def main_of(answer: Any) -> str:
    """Without the foot, which has crisis lines on every page."""
    return text_of(answer).split("<footer")[0]


def fill(token: str, values: list[int], *, measure: str = "phq9") -> None:
    for item, value in enumerate(values, 1):
        save_answer(token, measure=measure, item=item, value=value, seen=None, now=NOW)


def every_page(token: str) -> list[str]:
    return [start(token), ask(token, 1), review(token), done(token)]


# --- the way through, without a script ----------------------------------------------------------------------------------
def test_from_the_first_page_to_thank_you_with_nothing_but_forms(client: Client, send: Send, ada: Patient) -> None:
    link, token = send("phq9", "auditc")
    first = text_of(client.get(start(token)))
    for words in (
        "Hello Ada",
        "13 questions",
        "about 2 minutes",
        "Who reads it",
        "around the clock",
        "until Mon, Jan 11, 10:00 AM",
    ):
        assert words in first
    step = client.post(start(token)).headers["Location"]
    assert step == ask(token, 1)
    for item in range(1, 11):
        page = text_of(client.get(step))
        assert f"Question {item} of 13" in page
        step = client.post(step, {"value": "0", "seen": ""}).headers["Location"]
    for item in (1, 2, 3):
        assert step == ask(token, item, "auditc")
        step = client.post(step, {"value": "1", "seen": ""}).headers["Location"]
    assert step == review(token)
    assert text_of(client.get(step)).count("Change") == 13
    answer = client.post(step)
    assert answer.headers["Location"] == done(token)
    thanks = text_of(client.get(done(token)))
    assert "Thank you. Your answers were sent." in thanks
    assert "may not be read at once" in thanks
    rows = Assessment.objects.filter(patient=ada)
    assert {row.measure: int(row.score or 0) for row in rows} == {"phq9": 0, "auditc": 3}
    link.refresh_from_db()
    assert (link.opened_at, link.finished_at) == (NOW, NOW)


def test_each_question_is_one_group_with_a_heading_that_takes_the_focus(client: Client, send: Send) -> None:
    page = text_of(client.get(ask(send()[1], 3)))
    assert page.count("<fieldset") == page.count("<legend") == page.count("<h1") == 1
    heading = page[page.index("<legend") : page.index("</legend>")]
    assert 'tabindex="-1" autofocus' in heading
    assert "Over the last 2 weeks" in heading
    assert "Trouble falling or staying asleep" in heading
    assert page.count('type="radio"') == 4
    assert MEASURES["phq9"].notice.split("©", maxsplit=1)[0].strip()[:30] in page


def test_nothing_chosen_is_said_at_the_question_and_nothing_is_saved(client: Client, send: Send) -> None:
    link, token = send()
    answer = client.post(ask(token, 1), {"seen": ""})
    assert answer.status_code == 422
    assert "Choose an answer, or skip this question." in text_of(answer)
    link.refresh_from_db()
    assert link.draft == {}


def test_a_skipped_question_is_said_on_the_review_and_can_be_answered_from_there(client: Client, send: Send) -> None:
    _, token = send()
    client.post(ask(token, 1), {"skip": "1", "seen": ""})
    client.post(ask(token, 2), {"value": "1", "seen": ""})
    page = text_of(client.get(review(token)))
    assert "9 questions are not answered" in page
    assert "Not answered" in page
    assert "You skipped this question" in text_of(client.get(ask(token, 1)))
    back = client.post(ask(token, 1), {"value": "3", "seen": "", "review": "1"})
    assert back.headers["Location"] == review(token)
    assert "8 questions are not answered" in text_of(client.get(review(token)))


def test_back_and_an_answer_given_before_are_there(client: Client, send: Send) -> None:
    _, token = send()
    client.post(ask(token, 1), {"value": "2", "seen": ""})
    page = text_of(client.get(ask(token, 2)))
    assert f'href="{ask(token, 1)}"' in page
    assert "Your answers are saved." in page
    assert 'value="2" checked' in text_of(client.get(ask(token, 1)))


def test_it_goes_on_where_somebody_stopped_also_on_another_device(client: Client, send: Send) -> None:
    _, token = send()
    for item in (1, 2, 3):
        client.post(ask(token, item), {"value": "1", "seen": ""})
    other = Client(headers={"User-Agent": "another phone"})
    page = text_of(other.get(start(token)))
    assert "3 of 10 questions are answered and saved" in page
    assert "Go on where you stopped" in page
    assert other.post(start(token)).headers["Location"] == ask(token, 4)


def test_the_other_screens_answer_is_never_replaced_in_silence(client: Client, send: Send) -> None:
    _, token = send()
    client.post(ask(token, 1), {"value": "3", "seen": ""})
    answer = client.post(ask(token, 1), {"value": "1", "seen": ""})
    assert "another screen" in text_of(client.get(answer.headers["Location"]))
    skipped = client.post(ask(token, 1), {"skip": "1", "seen": ""})
    assert "That answer is kept" in text_of(client.get(skipped.headers["Location"]))
    last = client.post(ask(token, 1), {"value": "2", "seen": "", "review": "1"})
    assert last.headers["Location"].startswith(review(token))
    assert "another screen" in text_of(client.get(last.headers["Location"]))


def test_a_choice_is_saved_by_itself_and_told_apart_from_next(client: Client, send: Send) -> None:
    link, token = send()
    auto = {"X-Cadence-Autosave": "1"}
    assert client.post(ask(token, 1), {"value": "2", "seen": ""}, headers=auto).status_code == 204
    link.refresh_from_db()
    assert link.draft == {"phq9": {"1": 2}}
    assert client.post(ask(token, 1), {"value": "3", "seen": ""}, headers=auto).status_code == 409
    finish(token, now=NOW)
    assert client.post(ask(token, 1), {"value": "3", "seen": ""}, headers=auto).status_code == 410


def test_nothing_answered_cannot_be_sent(client: Client, send: Send) -> None:
    _, token = send()
    answer = client.post(review(token))
    assert (answer.status_code, "nothing to send" in text_of(answer)) == (422, True)


def test_sent_twice_the_second_says_it_reached_us(client: Client, send: Send) -> None:
    _, token = send()
    fill(token, [1])
    assert client.post(review(token)).status_code == 302
    again = client.post(review(token))
    assert (again.status_code, "answered already" in text_of(again)) == (410, True)
    assert Assessment.objects.count() == 1


# --- danger -------------------------------------------------------------------------------------------------------------
def test_a_danger_answer_shows_crisis_lines_on_the_next_screen_on_the_review_and_at_the_end(
    client: Client, send: Send, clinic: Clinic
) -> None:
    IntakeSettings.objects.create(location=clinic.location, crisis_text="Call 988 now.")
    _, token = send("phq9", "gad7")
    answer = client.post(ask(token, 9), {"value": "1", "seen": ""})
    following = main_of(client.get(answer.headers["Location"]))
    assert CRISIS in following
    assert 'href="tel:988"' in following
    assert following.count("autofocus") == 1
    assert following.index("autofocus") < following.index("<legend")  # read out before the question
    assert CRISIS not in main_of(client.get(ask(token, 2)))
    assert CRISIS in main_of(client.get(review(token)))
    client.post(review(token))
    assert CRISIS in main_of(client.get(done(token)))


def test_without_a_danger_answer_only_the_foot_has_crisis_lines(client: Client, send: Send) -> None:
    _, token = send()
    fill(token, [3] * 8 + [0])
    for path in (ask(token, 10), review(token)):
        page = client.get(path)
        assert CRISIS not in main_of(page)
        assert "In danger now?" in text_of(page)
    client.post(review(token))
    assert CRISIS not in main_of(client.get(done(token)))


def test_item_9_brings_the_lines_on_its_own_screen_without_a_script_as_soon_as_it_is_chosen(
    client: Client, send: Send
) -> None:
    page = main_of(client.get(ask(send()[1], 9)))
    assert page.count("data-danger") == 3  # "several days" and more; public.css shows what follows when one is checked
    assert "crisis-when-yes" in page


# --- links that open nothing --------------------------------------------------------------------------------------------
def test_an_expired_link_says_so_on_every_page_with_whom_to_call(client: Client, send: Send, now: Any) -> None:
    _, token = send()
    now.shift(timedelta(days=7))
    for path in (start(token), ask(token, 1), review(token)):
        for answer in (client.get(path), client.post(path, {"value": "1"})):
            assert answer.status_code == 410
            assert "This link has expired" in text_of(answer)
            assert 'href="tel:+12125550100"' in text_of(answer)
            assert "Ada" not in text_of(answer)
    assert not Assessment.objects.exists()


def test_a_used_and_a_revoked_link_say_so_and_name_nobody(
    client: Client, send: Send, ada: Patient, clinic: Clinic
) -> None:
    _, used = send()
    fill(used, [1])
    finish(used, now=NOW)
    taken, back = send()
    revoke(patient_id=ada.pk, link_id=taken.pk, by=clinic.desk, now=NOW)
    for token, words in ((used, "answered already"), (back, "This link was taken back")):
        answer = client.get(start(token))
        assert (answer.status_code, words in text_of(answer)) == (410, True)
        assert "Ada" not in text_of(answer)
        assert "(212) 555-0100" in text_of(answer)


def test_forged_and_unknown_links_look_exactly_the_same_and_give_no_location_away(client: Client, send: Send) -> None:
    _, token = send()
    make_location("Lakeside", phone="+12125550199")
    secret, signature = token.split(".")
    pages = set()
    for wrong in (f"{secret}.{signature[::-1]}", f"{secret[::-1]}.{signature}", secret, "nothing", "x" * 3000):
        answer = client.get(start(wrong))
        assert answer.status_code == 404
        pages.add(text_of(answer))
    assert len(pages) == 1
    page = pages.pop()
    assert "This link does not work" in page
    assert "Downtown: (212) 555-0100" in page  # both telephone numbers: whoever is lost may call either
    assert "Lakeside: (212) 555-0199" in page


def test_thank_you_belongs_to_a_finished_link_only(client: Client, send: Send) -> None:
    _, token = send()
    assert client.get(done(token)).status_code == 404
    assert client.get(done("nothing")).status_code == 404


@pytest.mark.parametrize("path", ["gad7/1/", "phq9/11/", "phq9/0/", "phq9/99999999999999/", "cssrs/1/", "nothing/1/"])
def test_a_question_that_this_link_does_not_ask_is_refused_both_ways(client: Client, send: Send, path: str) -> None:
    link, token = send()
    for answer in (client.get(start(token) + path), client.post(start(token) + path, {"value": "1", "seen": ""})):
        assert answer.status_code == 404
    link.refresh_from_db()
    assert link.draft == {}


def test_a_link_of_one_patient_cannot_read_or_write_another(client: Client, send: Send, ada: Patient) -> None:
    """Whatever is put into the address or the form, what is written belongs to the patient of the link."""
    ben = make_patient("Ben", "Ruiz")
    theirs, _ = send(patient=ben)
    mine, token = send()
    tampered = {
        "value": "3",
        "seen": "",
        "patient": ben.pk,
        "patient_id": ben.pk,
        "link": theirs.pk,
        "token": "x",
        "pk": 1,
    }
    client.post(f"{ask(token, 1)}?patient={ben.pk}&link={theirs.pk}", tampered)
    client.post(review(token), tampered)
    assert [row.patient for row in Assessment.objects.all()] == [ada]
    theirs.refresh_from_db()
    assert (theirs.draft, theirs.opened_at, theirs.finished_at) == ({}, None, None)
    mine.refresh_from_db()
    assert mine.finished_at == NOW


def test_a_signed_in_member_of_staff_gets_the_same_page_and_no_staff_shell(
    client: Client, send: Send, clinic: Clinic
) -> None:
    client.force_login(clinic.clinician)
    page = text_of(client.get(start(send()[1])))
    assert "rail" not in page
    assert "Samuel" not in page


# --- what is given away -------------------------------------------------------------------------------------------------
def test_the_pages_name_nobody_beyond_a_first_name(client: Client, send: Send, ada: Patient) -> None:
    _, token = send()
    fill(token, [1])
    for path in (start(token), ask(token, 1), review(token)):
        page = text_of(client.get(path))
        for secret in ("Okafor", ada.mrn, "1985", "555-0123"):
            assert secret not in page, path
    assert "Hello Ada" in text_of(client.get(start(token)))


def test_the_preferred_name_is_used_and_markup_in_it_is_words(client: Client, send: Send) -> None:
    dee = make_patient(preferred_name="<b>Dee</b> & Co")
    page = text_of(client.get(start(send(patient=dee)[1])))
    assert "Hello &lt;b&gt;Dee&lt;/b&gt; &amp; Co" in page
    assert "<b>Dee" not in page


def test_no_browser_keeps_a_page_no_search_engine_lists_it_and_no_other_site_learns_the_address(
    client: Client, send: Send
) -> None:
    _, token = send()
    for path in [*every_page(token), start("nothing")]:
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store, private"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert "noindex" in text_of(answer)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_looking_at_a_link_as_mail_programs_do_changes_nothing(client: Client, send: Send) -> None:
    link, token = send()
    assert client.get(start(token)).status_code == 200
    assert client.head(start(token)).status_code == 200
    link.refresh_from_db()
    assert link.opened_at is None


def test_the_history_keeps_neither_the_address_of_a_link_nor_who_was_signed_in(
    client: Client, send: Send, clinic: Clinic
) -> None:
    """The history names the address of each change; this one is a key."""
    client.force_login(clinic.nurse)
    _, token = send()
    before = set(Context.objects.values_list("pk", flat=True))
    client.post(start(token))
    client.post(ask(token, 9), {"value": "2", "seen": ""})
    client.post(review(token))
    told = [context.metadata for context in Context.objects.exclude(pk__in=before)]
    assert told
    assert {(one["url"], one["user"]) for one in told} == {("/q/", None)}


# --- abuse --------------------------------------------------------------------------------------------------------------
SCRIPTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}",
    "' OR 1=1 --",
    "\x00",
    "２",
    "1e3",
    "-1",
    "01",
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("field", ["value", "seen", "skip", "review", "measure", "item"])
def test_scripts_in_every_field_are_refused_or_ignored_and_never_shown(
    client: Client, send: Send, script: str, field: str
) -> None:
    link, token = send()
    answer = client.post(ask(token, 1), {"value": "1", "seen": "", field: script})
    assert answer.status_code in {302, 422}
    if answer.status_code == 422:
        page = text_of(answer)
        assert "<script>alert" not in page
        assert "onerror" not in page
    link.refresh_from_db()
    assert link.draft.get("phq9", {}).get("1") in {1, 2, None}


def test_a_note_in_the_address_is_one_of_ours_or_nothing(client: Client, send: Send) -> None:
    page = text_of(client.get(f"{ask(send()[1], 1)}?note=<script>alert(1)</script>&review=<b>"))
    assert "<script>alert" not in page
    assert "another screen" not in page


@pytest.mark.parametrize("length", [10_000, 5_000_000])
def test_a_ten_thousand_character_answer_is_refused_in_plain_words(client: Client, send: Send, length: int) -> None:
    link, token = send()
    fill(token, [2])
    answer = client.post(ask(token, 2), {"value": "1" * length, "seen": ""})
    assert answer.status_code == 413
    assert "too much at once" in text_of(answer)
    link.refresh_from_db()
    assert link.draft == {"phq9": {"1": 2}}


def test_a_long_answer_that_still_fits_is_none_of_the_answers(client: Client, send: Send) -> None:
    answer = client.post(ask(send()[1], 1), {"value": "9" * 2_000, "seen": "9" * 2_000})
    assert (answer.status_code, "Choose one of the answers below" in text_of(answer)) == (422, True)


def test_a_thousand_requests_a_minute_from_one_address_are_cut_off_and_others_are_served(
    client: Client, send: Send, django_assert_max_num_queries: Any
) -> None:
    _, token = send()
    statuses = [client.get(start("nothing")).status_code for _ in range(300)]
    assert set(statuses) == {404}
    with django_assert_max_num_queries(0):  # a flood does not even reach the database
        flood = [client.get(start(token)) for _ in range(700)]
    assert {answer.status_code for answer in flood} == {429}
    assert "Please wait a minute" in text_of(flood[-1])
    assert "In danger now?" in text_of(flood[-1])
    assert client.get(start(token), REMOTE_ADDR="203.0.113.9").status_code == 200


def test_a_minute_later_the_same_address_is_served_again(client: Client, send: Send, now: Any) -> None:
    _, token = send()
    for _ in range(301):
        answer = client.get(start("nothing"))
    assert answer.status_code == 429
    now.shift(timedelta(minutes=2))
    assert client.get(start(token)).status_code == 200


def test_it_works_where_cookies_are_blocked_and_sets_none(send: Send) -> None:
    """The address is the key. Another site does not know it, and there is no sign-in that it could misuse."""
    link, token = send()
    for _ in range(2):
        phone = Client(enforce_csrf_checks=True)  # a new one each time: nothing is remembered
        for path in (start(token), ask(token, 1), review(token)):
            assert phone.get(path).cookies == {}
        assert phone.post(ask(token, 1), {"value": "1", "seen": ""}).status_code == 302
        assert phone.cookies == {}
    link.refresh_from_db()
    assert link.draft == {"phq9": {"1": 1}}


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_not_served(client: Client, send: Send, method: str) -> None:
    _, token = send()
    for path in every_page(token):
        assert getattr(client, method)(path).status_code == 405


def test_queries_of_each_page(client: Client, send: Send, queries: Queries) -> None:
    _, token = send("phq9", "gad7", "pcl5", "auditc")
    client.get(start("warm"))
    with queries("questionnaire, first page"):
        client.get(start(token))
    with queries("questionnaire, a question"):
        client.get(ask(token, 2))
    with queries("questionnaire, an answer"):
        client.post(ask(token, 2), {"value": "1", "seen": ""})
    fill(token, [1] * 9)
    with queries("questionnaire, review"):
        client.get(review(token))
    with queries("questionnaire, sent", at_most=40):
        client.post(review(token))
    with queries("questionnaire, thank you"):
        client.get(done(token))
    assert DangerAlert.objects.count() == 1
