"""A questionnaire in a real browser: on a phone by touch, by keyboard alone, without scripts, on a second device; and a
tablet that shows nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from patients.models import Assessment, DangerAlert, LinkKind, MeasureLink, Patient
from patients.services.measure_links import create_link, finish, revoke, save_answer
from patients.tests.factories import make_patient
from patients.views import questionnaire

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct-horse-battery"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SMALLEST_TARGET = 44  # WCAG 2.5.5 (enhanced); 2.5.8 asks for 24


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient()


@pytest.fixture
def phone(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, **PHONE)
    window = context.new_page()
    window.set_default_timeout(10_000)
    problems: list[str] = []
    window.on("pageerror", lambda error: problems.append(str(error)))
    yield window
    context.close()
    assert problems == []


def make(patient: Patient, clinic: Clinic, *codes: str, **changed: Any) -> str:
    values = {"kind": LinkKind.PHONE, "location": clinic.location, "by": clinic.nurse, "now": timezone.now()} | changed
    return create_link(patient=patient, measures=codes or ("auditc",), **values)[1]


def start(token: str) -> str:
    return reverse("public:questionnaire", args=[token])


def ask(token: str, item: int, measure: str = "phq9") -> str:
    return reverse("public:questionnaire_question", args=[token, measure, item])


def say(token: str, item: int, value: int) -> None:
    save_answer(token, measure="phq9", item=item, value=value, seen=None, now=timezone.now())


def choose(page: Page, label: str) -> None:
    """Chooses, and waits until the page says that it is saved."""
    page.get_by_label(label, exact=True).tap()
    page.locator("#saved", has_text="Saved.").wait_for()


def test_by_touch_on_a_phone_from_the_first_page_to_thank_you(
    phone: Page, clinic: Clinic, ada: Patient, expect: Expect
) -> None:
    token = make(ada, clinic)
    phone.goto(start(token))
    phone.get_by_role("button", name="Start").tap()
    for label in ("Monthly or less", "1 or 2", "Never"):
        choose(phone, label)
        phone.get_by_role("button", name="Next").tap()
    expect(phone.get_by_role("heading", name="Check your answers")).to_be_visible()
    phone.get_by_role("button", name="Send my answers").first.tap()
    expect(phone.get_by_role("heading", name="Thank you")).to_be_visible()
    assert Assessment.objects.get(patient=ada).score == 1
    phone.go_back()
    expect(phone.get_by_role("heading", name="answered already")).to_be_visible()


def test_every_target_on_a_phone_is_big_enough_for_a_thumb_and_nothing_is_cut_off(
    phone: Page, clinic: Clinic, ada: Patient
) -> None:
    token = make(ada, clinic, "phq9")
    say(token, 1, 2)
    for path in (start(token), ask(token, 1), ask(token, 8), start(token) + "review/"):
        phone.goto(path)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, path
        for target in phone.locator("main .choice, main button, main .q-back, main .q-change a").all():
            box = target.bounding_box()
            assert box is not None
            assert min(box["height"], box["width"]) >= SMALLEST_TARGET, (path, target.inner_text(), box)
        for answer in phone.locator(".choice").all():
            box = answer.bounding_box()
            assert box is not None
            assert box["height"] >= 56


def test_by_keyboard_alone_with_the_focus_on_each_question(
    page: Page, clinic: Clinic, ada: Patient, expect: Expect
) -> None:
    token = make(ada, clinic)
    page.goto(start(token))
    page.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    for number in (1, 2, 3):
        heading = page.get_by_role("heading", level=1)
        expect(page).to_have_title(f"Question {number} of 3 · {clinic.location}")
        expect(heading).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("radio").first).to_be_focused()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#saved")).to_have_text("Saved.")
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Check your answers")).to_be_focused()
    page.get_by_role("button", name="Send my answers").first.press("Enter")
    expect(page.get_by_role("heading", name="Thank you")).to_be_focused()
    assert Assessment.objects.get(patient=ada).score == 3


def test_a_screen_reader_hears_a_group_its_question_and_what_was_saved(
    page: Page, clinic: Clinic, ada: Patient, expect: Expect
) -> None:
    page.goto(ask(make(ada, clinic, "phq9"), 2))
    group = page.get_by_role("group", name="Over the last 2 weeks")
    expect(group).to_contain_text("Feeling down, depressed, or hopeless")
    expect(group.get_by_role("radio")).to_have_count(4)
    expect(page.get_by_role("progressbar", name="Progress")).to_have_count(1)
    live = page.get_by_role("status")
    expect(live).to_have_text("Your answers are saved.")
    group.get_by_label("Several days").check()
    expect(live).to_have_text("Saved.")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose an answer")
    expect(page.get_by_role("radio").first).to_be_focused()


def test_back_works_by_the_browser_and_by_the_page_and_keeps_the_answers(
    phone: Page, clinic: Clinic, ada: Patient, expect: Expect
) -> None:
    token = make(ada, clinic, "phq9")
    phone.goto(ask(token, 1))
    choose(phone, "Several days")
    phone.get_by_role("button", name="Next").tap()
    expect(phone.get_by_text("Question 2 of 10")).to_be_visible()
    phone.go_back()
    expect(phone.get_by_text("Question 1 of 10")).to_be_visible()
    expect(phone.get_by_label("Several days")).to_be_checked()
    phone.get_by_role("button", name="Next").tap()
    phone.get_by_role("link", name="Back").tap()
    expect(phone.get_by_label("Several days")).to_be_checked()


def test_chosen_and_closed_without_next_it_is_there_on_another_device(
    page: Page, phone: Page, clinic: Clinic, ada: Patient, expect: Expect
) -> None:
    token = make(ada, clinic, "phq9")
    phone.goto(ask(token, 1))
    choose(phone, "Nearly every day")
    phone.close()
    other = page  # a window of its own, without the phone's cookies
    other.goto(start(token))
    expect(other.get_by_text("1 of 10 questions are answered")).to_be_visible()
    other.get_by_role("button", name="Go on").click()
    expect(other.get_by_text("Question 2 of 10")).to_be_visible()
    other.get_by_role("link", name="Back").click()
    expect(other.get_by_label("Nearly every day")).to_be_checked()


def test_without_scripts_the_whole_way_and_the_crisis_lines_as_soon_as_they_are_chosen(
    browser: Browser, clinic: Clinic, ada: Patient, live_server: LiveServer, expect: Expect
) -> None:
    token = make(ada, clinic, "phq9")
    for item in range(1, 9):
        say(token, item, 1)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, **PHONE)
    page = context.new_page()
    page.goto(start(token))
    page.get_by_role("button", name="Go on").click()
    lines = page.locator("main").get_by_text("You can talk to somebody right now")
    expect(lines).to_be_hidden()
    page.get_by_label("Several days").check()
    expect(lines).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(lines).to_be_visible()
    expect(page.locator("main").get_by_role("link", name="988").first).to_be_visible()
    page.get_by_role("button", name="Skip this question").click()
    page.get_by_role("button", name="Send my answers").first.click()
    expect(lines).to_be_visible()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    context.close()
    assert Assessment.objects.get(patient=ada).score == 9
    assert DangerAlert.objects.count() == 1


def test_a_lost_connection_is_said_and_next_saves_when_it_is_back(
    phone: Page, clinic: Clinic, ada: Patient, expect: Expect
) -> None:
    phone.goto(ask(make(ada, clinic, "phq9"), 1))
    phone.context.set_offline(True)
    phone.get_by_label("Several days").tap()
    expect(phone.locator("#saved")).to_contain_text("No connection")
    phone.context.set_offline(False)
    phone.get_by_role("button", name="Next").tap()
    expect(phone.get_by_text("Question 2 of 10")).to_be_visible()
    assert MeasureLink.objects.get().draft == {"phq9": {"1": 1}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_public_page(phone: Page, clinic: Clinic, ada: Patient, axe: Axe, scheme: Any) -> None:
    token = make(ada, clinic, "phq9", "gad7")
    say(token, 9, 1)
    now, week = timezone.now(), timedelta(days=8)
    used, expired = make(ada, clinic, "phq9"), make(ada, clinic, now=now - week)
    say(used, 9, 1)
    finish(used, now=now)
    back = make(ada, clinic)
    revoke(patient_id=ada.pk, link_id=MeasureLink.objects.order_by("-id")[0].pk, by=clinic.desk, now=now)
    page = phone
    page.emulate_media(color_scheme=scheme)
    review, done = start(token) + "review/", start(used) + "done/"
    plain = [start(token), ask(token, 1), ask(token, 9), ask(token, 10), f"{ask(token, 2)}?note=replaced", review, done]
    for path in [*plain, start(used), start(expired), start(back), start("nothing")]:
        page.goto(path)
        assert axe(page) == [], path
    page.goto(ask(token, 1))
    page.get_by_role("button", name="Next").click()
    page.get_by_role("alert").wait_for()
    assert axe(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_for_too_often_and_too_much(
    phone: Page, axe: Axe, monkeypatch: pytest.MonkeyPatch, clinic: Clinic, scheme: Any
) -> None:
    phone.emulate_media(color_scheme=scheme)
    for name, value, words in (("RATE", "0/m", "Please wait a minute"), ("LARGEST_FORM", -1, "too much at once")):
        with monkeypatch.context() as changed:
            changed.setattr(questionnaire, name, value)
            phone.goto(start("any"))
            phone.get_by_role("heading", name=words).wait_for()
            assert axe(phone) == []


# --- staff --------------------------------------------------------------------------------------------------------------
def nurse_of(clinic: Clinic) -> Any:
    clinic.nurse.set_password(PASSWORD)
    clinic.nurse.save()
    return clinic.nurse


def test_the_desk_makes_a_link_copies_it_and_takes_it_back(
    clinic: Clinic, ada: Patient, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    page = sign_in(clinic.desk)
    page.goto(reverse("patients:detail", args=[ada.pk]))
    page.get_by_role("button", name="More").click()
    page.get_by_role("link", name="Questionnaires").click()
    expect(page.get_by_role("heading", name="Sent so far")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("heading", name="is ready")).to_be_focused()
    expect(page.get_by_role("img", name="QR code of the link")).to_be_visible()
    expect(page.get_by_label("Address")).to_have_value("http" + page.url[4:].split("/measures")[0] + start_of(page))
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Cop")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("The link was taken back")).to_be_visible()


def start_of(page: Page) -> str:
    """The path of the address that the page shows."""
    return "/q/" + page.get_by_label("Address").input_value().split("/q/")[1]


def test_a_tablet_shows_the_questionnaire_and_nothing_else_until_the_password_comes(
    clinic: Clinic, ada: Patient, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    page = sign_in(nurse_of(clinic))
    page.goto(reverse("measures:send", args=[ada.pk]))
    second = page.context.new_page()
    second.goto(reverse("patients:detail", args=[ada.pk]))
    expect(second.get_by_role("heading", level=1)).to_contain_text("Okafor")
    page.get_by_role("button", name="Hand over this device").click()
    expect(page.get_by_role("heading", name="Hello Ada")).to_be_visible()
    expect(second.get_by_role("heading", name="This device is with a patient")).to_be_visible()  # by itself
    assert "Okafor" not in second.content()
    page.go_back()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        expect(page.get_by_role("heading", name="This device is with a patient")).to_be_visible()
        assert axe(page) == [], scheme
    page.goto("/patients/")
    expect(page.get_by_role("heading", name="This device is with a patient")).to_be_visible()
    page.get_by_role("link", name="Back to where you were").click()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("link", name="take this device back").click()
    page.get_by_label("Password of Ines Moreau").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    assert axe(page) == []
    page.get_by_label("Password of Ines Moreau").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sent so far")).to_be_visible()
    second.goto("/patients/")
    expect(second.get_by_role("heading", name="Patients")).to_be_visible()


def test_after_the_device_is_back_the_questionnaire_can_go_on_elsewhere(
    clinic: Clinic, ada: Patient, sign_in: SignIn, expect: Expect
) -> None:
    page = sign_in(nurse_of(clinic))
    page.goto(reverse("measures:send", args=[ada.pk]))
    page.get_by_role("button", name="Hand over this device").click()
    page.get_by_role("button", name="Start").click()
    page.get_by_label("Several days").check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Question 2 of 10")).to_be_visible()
    page.get_by_role("link", name="take this device back").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    assert "Okafor" not in page.content()
    assert MeasureLink.objects.get().draft == {"phq9": {"1": 1}}
