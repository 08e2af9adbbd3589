"""The side effects of an infusion day on its page: the question, the form, what is refused, and who may."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.pure.roles import Role
from courses.models import AdverseEvent
from courses.services.effects import base_of, record_effect, save_note
from courses.tests.day_kit import Day, in_chair, infusing, observing, put_tap, ten
from courses.tests.db.test_effects import MILD
from courses.tests.db.test_leaving import case34, leave, say
from courses.views.infusion.effects import section
from patients.pure.consultation import fingerprint

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NAUSEA = {"code": "nausea", "onset": "10:30", "severity": "moderate", "is_serious": "no", "outcome": "unknown"}


def ask(
    client: Client,
    day: Day,
    name: str = "day",
    post: dict[str, Any] | None = None,
    *,
    now: datetime | None = None,
    user: Any = None,
    **args: Any,
) -> Any:
    address = reverse(f"infusion:{name}", kwargs={"booking_id": day.pk, **args})
    with time_machine.travel(now or ten(50), tick=False):
        client.force_login(user or day.nurse)
        return client.get(address) if post is None else client.post(address, post, headers=HTMX)


def part(answer: Any, name: str = "effects") -> str:
    """The section, without its markup."""
    found = re.search(rf'data-section="{name}".*?</section>', answer.content.decode(), re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found.group()))


def bar(answer: Any) -> str:
    found = re.search(r'class="day-bar".*', answer.content.decode(), re.DOTALL)
    assert found
    return found.group()


def test_during_the_infusion_nobody_is_asked_and_after_it_somebody_is(client: Client) -> None:
    day = infusing()
    page = ask(client, day, now=ten(20))
    assert section(day.desk(ten(20)), day.nurse).act == ""
    assert 'id="effects-none"' not in page.content.decode()
    put_tap(day, "end", ten(40))
    page = ask(client, day)
    assert section(day.desk(ten(50)), day.nurse).act == "Side effects?"
    assert section(day.desk(ten(50)), day.clinic.desk).act == ""
    assert "Not answered yet" in part(page)


def test_none_is_answered_with_one_tap_and_taken_back_with_another(client: Client) -> None:
    day = observing()
    said = part(ask(client, day, "effects_none", {}))
    assert f"None , answered by {day.nurse.display_name} at 10:50" in said
    assert "Side effects None" in said
    assert "Not answered yet" in part(ask(client, day, "effects_none", {"undo": "yes"}))


def test_none_too_early_is_refused_with_the_reason(client: Client) -> None:
    answer = ask(client, infusing(), "effects_none", {}, now=ten(20))
    assert answer.status_code == 422
    assert "Ask about side effects when it has ended" in part(answer)


def test_an_effect_is_recorded_and_summed_up(client: Client) -> None:
    day = observing()
    more = {"medicine": "Ondansetron", "medicine_dose": "4 mg IV", "medicine_time": "10:32", "action": "Slowed"}
    answer = ask(client, day, "effect_add", NAUSEA | more)
    assert answer.status_code == 200
    said = part(answer)
    for one in ("Nausea (moderate)", "from 10:30", "Slowed", "Ondansetron 4 mg IV at 10:32", "Not known yet"):
        assert one in said
    ask(client, day, "effect_add", NAUSEA | {"code": "headache", "severity": "mild"})
    assert "Nausea (moderate), 1 more" in part(ask(client, day))


def test_an_empty_form_says_what_each_field_needs_and_keeps_what_was_typed(client: Client) -> None:
    answer = ask(client, observing(), "effect_add", {"action": "Cool cloth"})
    assert answer.status_code == 422
    said = part(answer)
    for one in (
        "Choose what it was.",
        "When did it begin?",
        "how strong it is",
        "whether it is serious",
        "how it is now",
    ):
        assert one in said
    assert 'value="Cool cloth"' in answer.content.decode()
    assert not AdverseEvent.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"onset": "10:51"}, "This time is ahead"),
        ({"onset": "09:49"}, "before the arrival"),
        ({"code": "other"}, "Say in words"),
        ({"medicine": "Ondansetron"}, "Give the medicine, its dose and the time."),
        ({"outcome": "resolved"}, "When was it over?"),
    ],
)
def test_what_the_service_refuses_stands_beside_its_field(client: Client, changed: dict[str, str], said: str) -> None:
    day = observing()
    answer = ask(client, day, "effect_add", NAUSEA | changed)
    assert answer.status_code == 422
    assert said in part(answer)


def recorded(day: Day) -> AdverseEvent:
    return record_effect(booking_id=day.pk, code="nausea", onset_at=ten(30), how=MILD, by=day.nurse, now=ten(45))


def test_how_it_went_on_is_saved_and_a_stale_page_gets_409(client: Client) -> None:
    day = observing()
    effect = recorded(day)
    base = base_of(effect)
    typed = {"severity": "mild", "is_serious": "no", "outcome": "resolved", "resolved": "10:48", "base": base}
    assert "from 10:30 to 10:48" in part(ask(client, day, "effect_follow", typed, effect_id=effect.pk))
    late = ask(client, day, "effect_follow", typed | {"outcome": "unchanged", "resolved": ""}, effect_id=effect.pk)
    assert late.status_code == 409
    assert "Somebody else wrote about this effect" in part(late)


def test_striking_asks_why_and_then_shows_it_struck(client: Client) -> None:
    day = observing()
    effect = recorded(day)
    refusal = ask(client, day, "effect_strike", {"reason": ""}, effect_id=effect.pk)
    assert (refusal.status_code, "Say why" in part(refusal)) == (422, True)
    said = part(ask(client, day, "effect_strike", {"reason": "Wrong patient"}, effect_id=effect.pk))
    assert "“Wrong patient”" in said
    assert "Not answered yet" in said


def test_a_note_that_somebody_else_wrote_meanwhile_is_not_overwritten_and_mine_stays_in_the_field(
    client: Client,
) -> None:
    day = observing()
    empty = fingerprint("")
    save_note(booking_id=day.pk, field="session_note", text="Calm", base=empty, by=day.clinician, now=ten(49))
    answer = ask(client, day, "note", {"field": "session_note", "text": "Tearful, then calm", "base": empty})
    assert answer.status_code == 409
    assert "“Calm”" in part(answer)
    assert "Tearful, then calm" in part(answer)
    again = ask(client, day, "note", {"field": "session_note", "text": "Tearful", "base": fingerprint("Calm")})
    assert again.status_code == 200
    assert day.record.session_note == "Tearful"


def test_words_with_markup_stay_words(client: Client) -> None:
    day = observing()
    page = ask(client, day, "effect_add", NAUSEA | {"code": "other", "text": "<b>itch</b>"}).content.decode()
    assert "&lt;b&gt;itch&lt;/b&gt;" in page
    assert "<b>itch" not in page


def test_without_scripts_the_page_comes_back(client: Client) -> None:
    day = observing()
    with time_machine.travel(ten(50), tick=False):
        client.force_login(day.nurse)
        answer = client.post(reverse("infusion:effects_none", args=[day.pk]))
    assert (answer.status_code, answer["Location"]) == (302, reverse("infusion:day", args=[day.pk]))


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_other_roles_record_nothing(client: Client, role: Role) -> None:
    day = in_chair()
    assert ask(client, day, "effect_add", NAUSEA, user=day.clinic.users[role]).status_code == 403
    assert Client().post(reverse("infusion:effect_add", args=[day.pk]), NAUSEA).status_code == 302
    assert not AdverseEvent.objects.exists()


def test_after_the_patient_left_the_answer_none_is_not_taken_back_silently(client: Client) -> None:
    day = case34()
    say(day, "escort", "Jordan", ten(159))
    assert 'id="effects-none-undo"' in ask(client, day, now=ten(160)).content.decode()
    leave(day, ten(160))
    assert 'id="effects-none-undo"' not in ask(client, day, now=ten(161)).content.decode()
    refusal = ask(client, day, "effects_none", {"undo": "yes"}, now=ten(161))
    assert (refusal.status_code, "has left on this answer" in part(refusal)) == (422, True)
