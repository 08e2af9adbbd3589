"""Set-up of messages: who may, one press, words refused at their field, previews that are logged, tests to oneself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, Booking, BookingKind
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.ledger import Queries
from patients.models import MessageRule, Patient
from patients.services.messages.rules import FIELDS, add_like, ensure_rules, rules_of, words_of
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thursday, 10:00 in New York
MARKUP = "<img src=x onerror=alert(1)>"
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def manager(clinic: Clinic) -> Client:
    return signed_in(clinic, Role.MANAGER)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"rules:{name}", args=args)


def words(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def rule_of(clinic: Clinic, key: str = "infusion-2-days") -> MessageRule:
    ensure_rules(clinic.location, now=NOW)
    return MessageRule.objects.prefetch_related("texts").get(location=clinic.location, key=key)


def sent(rule: MessageRule, **changes: Any) -> dict[str, Any]:
    """What the form sends when nothing is changed: two days before at 10:00, useful for twelve hours."""
    form = {
        "version": rule.version,
        "title": rule.title,
        "amount": 2,
        "unit": "days",
        "side": "before",
        "clock": "10:00",
        "useful_amount": 12,
        "useful_unit": "hours",
        "channels": "sms,email",
    }
    for code, said in words_of(rule).items():
        form |= {f"{code}_{name}": getattr(said, name) for name in FIELDS}
    return form | changes


def consult(clinic: Clinic, patient: Patient) -> Booking:
    """A consultation on Wednesday 13 January 2027, 13:00 in New York."""
    place = clinic.location
    span = (place.at(date(2027, 1, 13), time(13)), place.at(date(2027, 1, 13), time(14)))
    return Booking.objects.create(
        kind=BookingKind.CONSULTATION, location=place, subject=patient.resource, span=span, created_at=NOW
    )


# --- who may ----------------------------------------------------------------------------------------------------------
def test_everybody_on_the_staff_may_read_what_patients_are_told(clinic: Clinic) -> None:
    rule = rule_of(clinic)
    for address in (url("list", clinic.location.pk), url("rule", rule.pk)):
        assert {signed_in(clinic, role).get(address).status_code for role in Role} == {200}
        assert Client().get(address).status_code == 302


@pytest.mark.parametrize("name", ["rule", "switch", "preview", "test", "shipped", "another", "remove"])
def test_only_a_manager_changes_anything(clinic: Clinic, name: str) -> None:
    rule = rule_of(clinic)
    for role in (Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN):
        assert signed_in(clinic, role).post(url(name, rule.pk), sent(rule, is_on="0", title="Mine")).status_code == 403
        assert signed_in(clinic, role).get(url("history", rule.pk)).status_code == 403
    rule.refresh_from_db()
    assert (rule.is_on, rule.title) == (True, "Infusion: 2 days before")
    assert signed_in(clinic, Role.MANAGER).post(url("switch", rule.pk), {"is_on": "0"}).status_code == 302


def test_who_only_reads_sees_the_words_and_no_button(clinic: Clinic) -> None:
    page = signed_in(clinic, Role.FRONT_DESK).get(url("rule", rule_of(clinic).pk)).content.decode()
    assert "Bring your driver" in page
    assert "data-insert" not in page
    assert "rule-form" not in page
    assert "Send me a test" not in page


def test_unknown_rules_and_locations_are_not_found(manager: Client) -> None:
    assert manager.get(url("rule", 987654)).status_code == 404
    assert manager.get(url("list", 987654)).status_code == 404
    assert manager.post(url("switch", 987654), {"is_on": "1"}).status_code == 404
    assert manager.get(url("copy", 987654)).status_code == 404


def test_set_up_leads_there(clinic: Clinic, manager: Client) -> None:
    assert url("list", clinic.location.pk) in manager.get(reverse("setup:index")).content.decode()
    assert manager.get(url("setup")).headers["Location"] == url("list", clinic.location.pk)


# --- the list ---------------------------------------------------------------------------------------------------------
def test_a_new_location_shows_the_shipped_rules_in_human_terms(clinic: Clinic, manager: Client) -> None:
    said = words(manager.get(url("list", clinic.location.pk)))
    for expected in ("2 days before, at 10:00", "2 hours before", "The day after, at 10:00", "26 of 27 rules are on"):
        assert expected in said


def test_one_press_switches_and_without_script_leads_back_to_the_list(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    answer = manager.post(url("switch", rule.pk), {"is_on": "0"}, **HTMX)
    assert 'aria-checked="false"' in answer.content.decode()
    assert manager.post(url("switch", rule.pk), {"is_on": "1"}).headers["Location"] == url("list", clinic.location.pk)
    rule.refresh_from_db()
    assert rule.is_on


def test_a_location_that_is_called_after_the_drug_is_told_how_messages_call_it(clinic: Clinic, manager: Client) -> None:
    place = make_location("Maple Ketamine Clinic", short_name="Maple")
    assert "is called Maple Clinic" in words(manager.get(url("list", place.pk)))
    assert "is called" not in words(manager.get(url("list", clinic.location.pk)))


def test_the_list_and_a_rule_need_few_queries_whatever_the_number_of_rules(
    clinic: Clinic, manager: Client, queries: Queries
) -> None:
    rule = rule_of(clinic)
    patient = make_patient()
    consult(clinic, patient)
    for _ in range(2):
        with queries("message rules"):
            manager.get(url("list", clinic.location.pk))
        with queries("message rule"):
            manager.get(url("rule", rule.pk))
        for _ in range(18):
            add_like(rule_id=rule.pk, by=clinic.manager, now=NOW)
    assert len(rules_of(clinic.location)) > 45
    ahead = rule_of(clinic, "consultation-2-days")
    with queries("message rule with a patient"):
        manager.get(url("rule", ahead.pk), {"patient": patient.pk, "q": "Okafor"})


# --- saving -----------------------------------------------------------------------------------------------------------
def test_a_rule_is_saved_as_it_was_typed(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    changes = {"amount": 3, "clock": "09:00", "channels": "email", "useful_amount": 45, "useful_unit": "minutes"}
    assert manager.post(url("rule", rule.pk), sent(rule, **changes)).status_code == 302
    rule.refresh_from_db()
    assert (rule.days, rule.at, rule.minutes) == (-3, time(9), None)
    assert (rule.channels, rule.useful_min, rule.version) == (["email"], 45, 2)
    assert manager.post(url("rule", rule.pk), sent(rule, amount=2, unit="hours", clock="")).status_code == 302
    rule.refresh_from_db()
    assert (rule.days, rule.at, rule.minutes) == (0, None, -120)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"clock": ""}, "clock", "Days need a time of day."),
        ({"clock": "22:00"}, "clock", "Between 08:00 and 21:00"),
        ({"clock": "25:00"}, "clock", ""),
        ({"amount": 401}, "amount", "At most 400 days."),
        ({"amount": 721, "unit": "hours"}, "amount", "At most 720 hours"),
        ({"amount": -1}, "amount", ""),
        ({"amount": "two"}, "amount", ""),
        ({"unit": "weeks"}, "unit", ""),
        ({"channels": "pigeon"}, "channels", ""),
        ({"useful_amount": 0}, "useful_amount", ""),
        ({"useful_amount": 31, "useful_unit": "days"}, "useful_amount", "At most 30 days."),
        ({"title": ""}, "title", ""),
        ({"en_subject": ""}, "en_subject", ""),
        ({"es_sms_text": ""}, "es_sms_text", ""),
        ({"en_subject": "Your {link}"}, "en_subject", "means nothing here"),
        ({"en_email_text": "{clinic}: your PHQ-9 score"}, "en_email_text", "“PHQ-9” must not stand in a message"),
        ({"es_email_text": "{clinic}: su ketamina"}, "es_email_text", "“ketamina” must not stand in a message"),
        ({"en_sms_text": "{clinic}: come {when}."}, "en_sms_text", "Reply STOP to opt out."),
        ({"en_sms_text": "{clinic} " + "x" * 170 + " reply STOP"}, "en_sms_text", "at most 160 may go out"),
        ({"en_sms_text": "x\x00"}, "en_sms_text", ""),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_nothing_is_saved(
    clinic: Clinic, manager: Client, changes: dict[str, Any], field: str, said: str
) -> None:
    rule = rule_of(clinic)
    answer = manager.post(url("rule", rule.pk), sent(rule, **changes))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert said in words(answer)
    rule.refresh_from_db()
    assert rule.version == 1
    assert manager.post(url("rule", rule.pk), sent(rule)).status_code == 302


def test_who_saves_on_top_of_somebody_else_sees_both_and_may_save_knowingly(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    mine = sent(rule, title="Mine", clock="11:00")
    assert manager.post(url("rule", rule.pk), sent(rule, title="Theirs")).status_code == 302
    answer = manager.post(url("rule", rule.pk), mine)
    assert answer.status_code == 409
    assert "saved: Theirs" in words(answer)
    assert "yours: 2 days before, at 11:00" in words(answer)
    assert answer.context["form"]["title"].value() == "Mine"
    assert (
        manager.post(url("rule", rule.pk), mine | {"version": answer.context["form"]["version"].value()}).status_code
        == 302
    )
    rule.refresh_from_db()
    assert (rule.title, rule.at) == ("Mine", time(11))


def test_markup_in_words_stays_words(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    fields = sent(rule, title=MARKUP, en_sms_text=f"{{clinic}} {MARKUP} Reply STOP to opt out.")
    assert manager.post(url("rule", rule.pk), fields).status_code == 302
    for address in (url("rule", rule.pk), url("list", clinic.location.pk), url("history", rule.pk)):
        assert MARKUP not in manager.get(address).content.decode()


# --- preview ----------------------------------------------------------------------------------------------------------
def test_a_preview_shows_what_is_typed_and_saves_nothing(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    fields = sent(rule, en_sms_text="{clinic}: {first_name}, come {when}. Reply STOP to opt out.", language="en")
    fragment = manager.post(url("preview", rule.pk), fields, **HTMX)
    assert "Downtown: Ada, come Sat, Jan 9, 1:00 PM. Reply STOP to opt out." in words(fragment)
    assert "<html" not in fragment.content.decode()
    whole = manager.post(url("rule", rule.pk), fields | {"preview": "1"})
    assert whole.status_code == 200
    assert "Downtown: Ada, come Sat, Jan 9, 1:00 PM." in words(whole)
    rule.refresh_from_db()
    assert rule.version == 1


def test_a_preview_counts_the_text_message_of_each_language_and_says_what_is_wrong(
    clinic: Clinic, manager: Client
) -> None:
    rule = rule_of(clinic)
    fields = sent(rule, en_sms_text="x" * 170, es_sms_text="{clinic}: cita aquí. Responda STOP para salir.")
    fragment = manager.post(url("preview", rule.pk), fields, **HTMX)
    assert "170 of 160 characters with the longest values: 10 too many · 2 parts · GSM-7" in words(fragment)
    assert "1 part · Unicode, because of í" in words(fragment)
    assert "Text message, English: Put {clinic} into it" in words(fragment)
    assert fragment.content.decode().count('hx-swap-oob="true"') == 2


def test_a_preview_with_a_real_patient_has_their_visit_and_is_logged(clinic: Clinic, manager: Client) -> None:
    patient = make_patient(given_name="Grace", language="es")
    consult(clinic, patient)
    rule = rule_of(clinic, "consultation-2-days")
    page = manager.get(url("rule", rule.pk), {"patient": patient.pk, "language": "es"})
    assert "cita el mié, 13 ene, 1:00 p.m. Confirme" in words(page)
    assert "Hola, Grace:" in words(page)
    log = AccessLog.objects.get()
    assert (log.user, log.subject_id, log.page) == (clinic.manager, patient.resource_id, "Preview of a message")


def test_what_a_patient_has_not_got_is_made_up_and_said(clinic: Clinic, manager: Client) -> None:
    patient = make_patient(given_name="Grace")
    rule = rule_of(clinic, "consultation-2-days")
    said = words(manager.post(url("preview", rule.pk), sent(rule, patient=patient.pk), **HTMX))
    assert "Made up: day and time, day" in said
    consult(clinic, patient)
    assert "Made up" not in words(manager.post(url("preview", rule.pk), sent(rule, patient=patient.pk), **HTMX))


def test_nobody_is_looked_up_for_who_may_not_edit(clinic: Clinic) -> None:
    patient = make_patient(given_name="Grace")
    page = signed_in(clinic, Role.NURSE).get(url("rule", rule_of(clinic).pk), {"patient": patient.pk, "q": "Grace"})
    assert "Grace" not in words(page)
    assert not AccessLog.objects.exists()


def test_patients_are_found_by_name_with_and_without_script(clinic: Clinic, manager: Client) -> None:
    make_patient(given_name="Grace", family_name=f"Hopper {MARKUP}")
    rule = rule_of(clinic)
    fragment = manager.get(url("patients", rule.pk), {"q": "hopper"}, **HTMX)
    assert "Grace Hopper" in words(fragment)
    assert MARKUP not in fragment.content.decode()
    assert "Grace Hopper" in words(manager.get(url("rule", rule.pk), {"q": "hopper"}))
    assert "Nobody is found" in words(manager.get(url("patients", rule.pk), {"q": "zzzz"}, **HTMX))


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 40, ""])
def test_a_patient_who_is_none_gives_sample_values(clinic: Clinic, manager: Client, number: str) -> None:
    rule = rule_of(clinic)
    answer = manager.post(url("preview", rule.pk), sent(rule, patient=number, language="xx"), **HTMX)
    assert answer.status_code == 200
    assert "With sample values." in words(answer)


# --- a test to oneself ------------------------------------------------------------------------------------------------
def test_a_test_goes_to_ones_own_address_and_says_that_it_is_one(
    clinic: Clinic, manager: Client, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    clinic.manager.email = "ruth@clinic.example"
    clinic.manager.save()
    rule = rule_of(clinic)
    assert manager.post(url("test", rule.pk), {"language": "es"}).status_code == 302
    (message,) = mail.outbox
    assert message.to == ["ruth@clinic.example"]
    assert message.subject.startswith("[Test] Su visita del")
    assert "Responda STOP para salir." in message.body


def test_who_has_no_address_is_told_and_nothing_is_sent(clinic: Clinic, manager: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    clinic.manager.email = ""
    clinic.manager.save()
    answer = manager.post(url("test", rule_of(clinic).pk), {"language": "en"})
    assert answer.status_code == 422
    assert "You have no e-mail address in Cadence" in words(answer)
    assert mail.outbox == []


# --- shipped words, one more, removing, copying, history --------------------------------------------------------------
def test_the_shipped_words_come_back_unless_somebody_was_faster(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    manager.post(url("rule", rule.pk), sent(rule, en_subject="Come"))
    assert "own words" in words(manager.get(url("list", clinic.location.pk)))
    assert manager.post(url("shipped", rule.pk), {"version": 1}).status_code == 409
    assert manager.post(url("shipped", rule.pk), {"version": "x"}).status_code == 409
    assert manager.post(url("shipped", rule.pk), {"version": 2}).status_code == 302
    assert "own words" not in words(manager.get(url("list", clinic.location.pk)))


def test_one_more_rule_can_be_added_and_removed_and_a_shipped_one_stays(clinic: Clinic, manager: Client) -> None:
    rule = rule_of(clinic)
    answer = manager.post(url("another", rule.pk))
    added = MessageRule.objects.get(title="Infusion: 2 days before, again")
    assert answer.headers["Location"] == url("rule", added.pk)
    assert manager.post(url("shipped", added.pk), {"version": 1}).status_code == 422
    assert manager.post(url("remove", rule.pk)).status_code == 422
    assert manager.post(url("remove", added.pk)).status_code == 302
    assert list(MessageRule.objects.filter(pk__in=[rule.pk, added.pk])) == [rule]


def test_copying_says_first_what_it_would_do(clinic: Clinic, manager: Client) -> None:
    other = make_location("Uptown", short_name="Uptown")
    rule = rule_of(clinic)
    manager.post(url("rule", rule.pk), sent(rule, title="Mine"))
    page = words(manager.get(url("copy", clinic.location.pk), {"to": other.pk}))
    assert "At Uptown 1 rule would be overwritten and 0 added; 26 are the same already." in page
    answer = manager.post(url("copy", clinic.location.pk), {"to": other.pk})
    assert answer.headers["Location"] == url("list", other.pk)
    assert MessageRule.objects.get(location=other, key=rule.key).title == "Mine"


def test_where_there_is_no_other_location_nothing_can_be_copied(clinic: Clinic, manager: Client) -> None:
    assert "There is no other location" in words(manager.get(url("copy", clinic.location.pk)))
    assert manager.post(url("copy", clinic.location.pk)).status_code == 422


def test_history_shows_who_changed_the_rule_and_its_words_and_no_other_rule(clinic: Clinic, manager: Client) -> None:
    rule, other = rule_of(clinic), rule_of(clinic, "infusion-1-day")
    manager.post(url("rule", rule.pk), sent(rule, title="Mine", en_subject="Come soon"))
    manager.post(url("rule", other.pk), sent(other, en_subject="Not this"))
    said = words(manager.get(url("history", rule.pk)))
    assert "Ruth Adeyemi" in said
    assert "Infusion: 2 days before" in said
    assert "Come soon" in said
    assert "Not this" not in said
