"""Rules of messages: what a location begins with, two people at once, back to the shipped words, another location.

Sources: clinical.md G ("TCPA", "PHI in messages"), R11 [D]: preparation two days and one day before, directions on the
day, a check-in on the day after; issue 6.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from clinic.models import Location
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.models import Channel, MessageEvent, MessageRule, MessageText
from patients.pure.messages.timing import Offset
from patients.pure.messages.wording import lacks_opt_out, placeholders_in
from patients.services.languages import languages
from patients.services.messages.defaults import SHIPPED
from patients.services.messages.kinds import kind_of, kinds
from patients.services.messages.rules import (
    NotShippedError,
    RuleData,
    ShippedRuleError,
    StaleRuleError,
    Words,
    add_like,
    back_to_shipped,
    copied_by,
    copy_rules,
    data_of,
    differs_from_shipped,
    ensure_everywhere,
    ensure_rules,
    problems_of_rule,
    remove_rule,
    rules_of,
    save_rule,
    switch_rule,
    words_of,
)
from patients.services.messages.wording import clinic_name

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
PEOPLE = 6


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def rule_of(location: Location, key: str) -> MessageRule:
    ensure_rules(location, now=NOW)
    return MessageRule.objects.prefetch_related("texts").get(location=location, key=key)


def changed(rule: MessageRule, **changes: Any) -> RuleData:
    """What the rule says, with these parts said differently; `sms` is the English text message."""
    texts = dict(words_of(rule))
    if "sms" in changes:
        english = texts["en"]
        texts["en"] = Words(english.subject, english.email_text, changes.pop("sms"))
    had = data_of(rule)
    parts = {name: getattr(had, name) for name in ("title", "offset", "useful_min", "channels")}
    return RuleData(**(parts | {"texts": texts} | changes))


# --- what a location begins with --------------------------------------------------------------------------------------
def test_a_location_begins_with_the_reminders_that_the_issue_names(clinic: Clinic) -> None:
    rules = {
        (rule.event, rule.days, rule.at, rule.minutes): rule.is_on for rule in ensure_rules(clinic.location, now=NOW)
    }
    ten = time(10)
    for visit in (MessageEvent.CONSULTATION, MessageEvent.INFUSION):
        assert rules[visit, -2, ten, None]
        assert rules[visit, -1, ten, None]
        assert rules[visit, 0, None, -120]
    assert rules[MessageEvent.AFTER_INFUSION, 1, ten, None]
    assert not rules[MessageEvent.REVIEW_DUE, 0, ten, None]
    wanted = set(MessageEvent) - {MessageEvent.MANUAL}
    assert {event for event, *_ in rules} == wanted


def test_every_kind_of_message_that_is_registered_has_a_rule(clinic: Clinic) -> None:
    assert kinds()
    ruled = {rule.event for rule in ensure_rules(clinic.location, now=NOW)}
    assert {kind.event for kind in kinds()} - {MessageEvent.MANUAL} <= ruled


@pytest.mark.parametrize("name", ["Downtown", "Maple Ketamine Clinic of Upper Manhattan"])
def test_every_shipped_text_may_be_saved_as_it_is_in_every_language(name: str, settings: Any) -> None:
    settings.CADENCE_BASE_URL = "https://cadence.example.org"
    place = make_location(name, short_name="Maple Uptown", phone="+12125550100")
    rules = ensure_rules(place, now=NOW)
    assert languages() == {"en": "English", "es": "Spanish"}
    for rule in rules:
        data = data_of(rule)
        assert set(data.texts) == {"en", "es"}, rule.key
        assert data.texts["en"] != data.texts["es"], rule.key
        assert problems_of_rule(data, event=rule.event, location=place) == {}, rule.key
        assert not any(lacks_opt_out(words.sms_text) for words in data.texts.values()), rule.key


def test_shipped_texts_use_only_what_their_kind_fills_in() -> None:
    for one in SHIPPED:
        kind = kind_of(one.event)
        known = {"first_name", "clinic", "phone", *kind.placeholders, *(["link"] if kind.purpose else [])}
        used = {
            name
            for text in (str(one.words.subject), one.words.email_text(), one.words.sms_text())
            for name in placeholders_in(text)
        }
        assert used <= known, one.key


def test_preparation_stands_behind_the_link_and_in_no_text() -> None:
    """A 107-113: fasting, clothes and medicines are told on the page of the visit."""
    telling = ("eat", "food", "fast", "drink", "cloth", "medic")
    for one in SHIPPED:
        if one.event == MessageEvent.INFUSION:
            texts = f"{one.words.email_text()} {one.words.sms_text()}".lower()
            assert "{link}" in one.words.sms_text()
            assert [word for word in telling if word in texts] == [], one.key


def test_the_check_in_tells_to_rest_to_drink_and_not_to_drive() -> None:
    """A 115 (drink and rest), H 24 (a full night's sleep and at least 24 hours), G "Safety replies" (911, 988)."""
    (check_in,) = [one for one in SHIPPED if one.event == MessageEvent.AFTER_INFUSION]
    said = check_in.words.email_text()
    for expected in ("Rest, and drink enough water", "slept a full night", "24 hours", "911", "988", "{phone}"):
        assert expected in said


def test_asking_again_adds_nothing_and_touches_nothing(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-1-day")
    switch_rule(rule_id=rule.pk, is_on=False, by=clinic.manager, now=NOW)
    count = MessageRule.objects.count()
    ensure_rules(clinic.location, now=NOW)
    rule.refresh_from_db()
    assert (MessageRule.objects.count(), rule.is_on) == (count, False)


def test_a_rule_and_a_language_that_a_later_version_ships_arrive_and_leave_the_others_alone(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-1-day")
    save_rule(rule_id=rule.pk, data=changed(rule, title="Mine"), version=1, by=clinic.manager, now=NOW)
    MessageRule.objects.filter(key="sheet").delete()
    MessageText.objects.filter(rule=rule, language="es").delete()
    again = {one.key: one for one in ensure_rules(clinic.location, now=NOW)}
    assert "sheet" in again
    assert set(words_of(again["infusion-1-day"])) == {"en", "es"}
    assert again["infusion-1-day"].title == "Mine"


def test_the_sweep_gives_every_active_location_its_rules_and_then_finds_nothing_to_do(clinic: Clinic) -> None:
    shut = make_location("Shut", is_active=False)
    other = make_location("Uptown")
    assert ensure_everywhere(now=NOW) == 2
    assert len(rules_of(clinic.location)) == len(rules_of(other)) == len(SHIPPED)
    assert rules_of(shut) == []
    assert ensure_everywhere(now=NOW) == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_second_of_two_first_calls_fails(parallel: Parallel) -> None:
    """The race itself: both look, find nothing, and write. Only the constraint keeps the second set out."""
    place = make_location()
    meet = Barrier(2, timeout=30)

    def careless(_: int) -> None:
        with transaction.atomic():
            assert not MessageRule.objects.filter(location=place).exists()
            meet.wait()  # both have looked before either writes
            MessageRule.objects.create(
                location=place, key="sheet", event=MessageEvent.SHEET, title="Sheet", minutes=0, channels=[Channel.SMS]
            )

    outcomes = parallel(2, careless)
    assert [type(outcome.error) for outcome in outcomes if outcome.error] == [IntegrityError]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_first_calls_at_once_leave_one_set_of_rules(parallel: Parallel) -> None:
    place = make_location()
    outcomes = parallel(PEOPLE, lambda _: [rule.pk for rule in ensure_rules(place, now=NOW)])
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    assert len({tuple(outcome.value) for outcome in outcomes}) == 1
    assert MessageRule.objects.filter(location=place).count() == len(SHIPPED)
    assert MessageText.objects.filter(rule__location=place).count() == len(SHIPPED) * len(languages())


# --- one rule ---------------------------------------------------------------------------------------------------------
def test_a_saved_rule_says_what_was_typed(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    data = changed(rule, offset=Offset(days=-3, at=time(9)), channels=("email",), useful_min=60, title="Early")
    save_rule(rule_id=rule.pk, data=data, version=rule.version, by=clinic.manager, now=NOW)
    saved = rule_of(clinic.location, "infusion-2-days")
    assert data_of(saved) == data
    assert saved.version == 2
    assert not differs_from_shipped(saved)  # its words are as they were


def test_who_saves_on_top_of_somebody_else_is_told_and_nothing_is_overwritten(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    save_rule(rule_id=rule.pk, data=changed(rule, title="Theirs"), version=1, by=clinic.manager, now=NOW)
    with pytest.raises(StaleRuleError) as stale:
        save_rule(rule_id=rule.pk, data=changed(rule, title="Mine"), version=1, by=clinic.manager, now=NOW)
    assert stale.value.current.title == "Theirs"
    assert rule_of(clinic.location, "infusion-2-days").title == "Theirs"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_saves_at_once_one_gets_in_and_the_others_are_told(parallel: Parallel) -> None:
    clinic = make_clinic()
    rule = rule_of(clinic.location, "infusion-2-days")
    outcomes = parallel(
        PEOPLE,
        lambda number: save_rule(
            rule_id=rule.pk, data=changed(rule, title=f"By {number}"), version=1, by=clinic.manager, now=NOW
        ),
    )
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {StaleRuleError}


@pytest.mark.parametrize(
    ("sms", "said"),
    [
        ("{clinic}: your ketamine visit. Reply STOP to opt out.", "“ketamine”"),
        ("{clinic}: come {when}.", "Reply STOP to opt out."),
        ("Come {when}. Reply STOP to opt out.", "{clinic}"),
        ("{clinic}: {surname}. Reply STOP to opt out.", "{surname}"),
        ("{clinic}: " + "x" * 200 + " Reply STOP to opt out.", "at most 160"),
    ],
)
def test_words_that_must_not_go_out_are_refused_at_their_field(clinic: Clinic, sms: str, said: str) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    with pytest.raises(ValidationError) as refused:
        save_rule(rule_id=rule.pk, data=changed(rule, sms=sms), version=1, by=clinic.manager, now=NOW)
    assert list(refused.value.message_dict) == ["en_sms_text"]
    assert said in refused.value.message_dict["en_sms_text"][0]
    fine = "{clinic}: come {when}. Reply STOP to opt out."
    save_rule(rule_id=rule.pk, data=changed(rule, sms=fine), version=1, by=clinic.manager, now=NOW)
    assert words_of(rule_of(clinic.location, "infusion-2-days"))["en"].sms_text == fine


def test_160_characters_with_the_longest_values_go_out_and_161_do_not(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    frame = "{clinic}:  Reply STOP to opt out."
    room = 160 - len(frame.replace("{clinic}", clinic_name(clinic.location, Channel.SMS)))
    fits = frame.replace(":  ", f": {'x' * room} ")
    save_rule(rule_id=rule.pk, data=changed(rule, sms=fits), version=1, by=clinic.manager, now=NOW)
    with pytest.raises(ValidationError, match=r"it is 161 characters; at most 160 may go out\. Take 1 away\."):
        save_rule(
            rule_id=rule.pk, data=changed(rule, sms=fits.replace("xx", "xxx", 1)), version=2, by=clinic.manager, now=NOW
        )


def test_what_is_told_as_it_happens_cannot_go_out_before(clinic: Clinic) -> None:
    notice, standing = rule_of(clinic.location, "infusion-moved"), rule_of(clinic.location, "infusion-2-days")
    before = Offset(minutes=-60)
    with pytest.raises(ValidationError, match="cannot go out before"):
        save_rule(rule_id=notice.pk, data=changed(notice, offset=before), version=1, by=clinic.manager, now=NOW)
    save_rule(rule_id=standing.pk, data=changed(standing, offset=before), version=1, by=clinic.manager, now=NOW)
    assert rule_of(clinic.location, "infusion-2-days").minutes == -60


def test_one_press_switches_a_rule_off_and_a_second_leaves_it_off(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    for _ in range(2):
        assert not switch_rule(rule_id=rule.pk, is_on=False, by=clinic.manager, now=NOW).is_on
    assert not rule_of(clinic.location, "infusion-2-days").is_on


def test_the_shipped_words_come_back_and_the_time_stays(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    before = words_of(rule)
    data = changed(rule, sms="{clinic}: come. Reply STOP to opt out.", offset=Offset(days=-3, at=time(9)))
    save_rule(rule_id=rule.pk, data=data, version=1, by=clinic.manager, now=NOW)
    assert differs_from_shipped(rule_of(clinic.location, "infusion-2-days"))
    back_to_shipped(rule_id=rule.pk, version=2, by=clinic.manager, now=NOW)
    again = rule_of(clinic.location, "infusion-2-days")
    assert (words_of(again), again.days) == (before, -3)
    with pytest.raises(StaleRuleError):
        back_to_shipped(rule_id=rule.pk, version=2, by=clinic.manager, now=NOW)


def test_a_rule_of_ones_own_is_added_off_after_its_model_and_can_be_removed(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    added = add_like(rule_id=rule.pk, by=clinic.manager, now=NOW)
    rows = rules_of(clinic.location)
    assert [row.pk for row in rows].index(added.pk) == [row.pk for row in rows].index(rule.pk) + 1
    assert (added.is_on, words_of(added) == words_of(rule)) == (False, True)
    with pytest.raises(NotShippedError):
        back_to_shipped(rule_id=added.pk, version=1, by=clinic.manager, now=NOW)
    with pytest.raises(ShippedRuleError):
        remove_rule(rule_id=rule.pk, by=clinic.manager, now=NOW)
    remove_rule(rule_id=added.pk, by=clinic.manager, now=NOW)
    again = add_like(rule_id=rule.pk, by=clinic.manager, now=NOW)
    assert again.key != added.key  # what the removed one sent must not pass for what this one is to send


# --- another location -------------------------------------------------------------------------------------------------
def test_copying_makes_the_other_location_the_same_and_leaves_what_only_it_has(clinic: Clinic) -> None:
    other = make_location("Uptown")
    rule, own = rule_of(clinic.location, "infusion-2-days"), rule_of(other, "sheet")
    data = changed(rule, sms="{clinic}: come {when}. Reply STOP to opt out.", offset=Offset(days=-3, at=time(9)))
    save_rule(rule_id=rule.pk, data=data, version=1, by=clinic.manager, now=NOW)
    switch_rule(rule_id=rule_of(clinic.location, "offer").pk, is_on=False, by=clinic.manager, now=NOW)
    add_like(rule_id=rule.pk, by=clinic.manager, now=NOW)
    theirs = add_like(rule_id=own.pk, by=clinic.manager, now=NOW)
    would = copied_by(source=clinic.location, target=other)
    done = copy_rules(source=clinic.location, target=other, by=clinic.manager, now=NOW)
    assert done == would
    assert (done.added, done.changed) == (1, 2)
    assert data_of(rule_of(other, "infusion-2-days")) == data
    assert not rule_of(other, "offer").is_on
    assert MessageRule.objects.filter(pk=theirs.pk).exists()
    assert copied_by(source=clinic.location, target=other).same == len(SHIPPED) + 1


def test_words_that_get_too_long_at_the_other_location_are_not_copied(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    other = make_location("Upper Manhattan W", short_name="Upper Man W")
    room = 160 - len(f"{clinic_name(clinic.location, Channel.SMS)}:  Reply STOP to opt out.")
    sms = f"{{clinic}}: {'x' * room} Reply STOP to opt out."
    save_rule(rule_id=rule.pk, data=changed(rule, sms=sms), version=1, by=clinic.manager, now=NOW)
    before = words_of(rule_of(other, "infusion-2-days"))
    with pytest.raises(ValidationError, match="Nothing was copied"):
        copy_rules(source=clinic.location, target=other, by=clinic.manager, now=NOW)
    assert words_of(rule_of(other, "infusion-2-days")) == before


# --- what the clinic is called ----------------------------------------------------------------------------------------
def test_a_text_message_names_the_clinic_shortly_and_never_after_the_drug() -> None:
    place = make_location("Maple Ketamine Clinic of Manhattan", short_name="Maple")
    assert clinic_name(place) == "Maple Clinic of Manhattan"
    assert clinic_name(place, Channel.SMS) == "Maple"
    assert clinic_name(make_location("Ketamine", short_name="Ketamine")) == "Your clinic"


def test_the_history_of_a_rule_names_who_changed_it(clinic: Clinic) -> None:
    rule = rule_of(clinic.location, "infusion-2-days")
    person = make_user(username="second")
    save_rule(rule_id=rule.pk, data=changed(rule, title="Mine"), version=1, by=person, now=NOW)
    events = MessageRule.pgh_event_model.objects.filter(pgh_obj_id=rule.pk).order_by("pgh_id")  # type: ignore[attr-defined]
    assert [event.title for event in events] == ["Infusion: 2 days before", "Mine"]
    assert [event.pgh_context.metadata["user"] for event in events] == [None, person.pk]
