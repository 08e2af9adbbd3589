"""Rules of messages: what a location begins with, what a manager makes of them.

A location has its rules as soon as anybody asks for them (``ensure_rules``; the sweep asks for all of them), so neither
a migration nor the page that adds a location has to know them, and a rule or a language that a later version ships
arrives everywhere. What a manager changed is never touched by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils.translation import override

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import MessageRule, MessageText
from patients.pure.messages.timing import Offset
from patients.services.languages import languages
from patients.services.messages.defaults import BY_KEY, SHIPPED, Shipped
from patients.services.messages.kinds import kind_of
from patients.services.messages.wording import problems_of_texts

FIELDS = ("subject", "email_text", "sms_text")
OWN = "own-"
"""How the keys of rules begin that a manager added."""


class StaleRuleError(Exception):
    """Somebody else saved this rule meanwhile; ``current`` is what stands. Nothing was saved."""

    def __init__(self, current: MessageRule) -> None:
        self.current = current
        super().__init__("Somebody else saved this rule while it was open. Nothing was overwritten.")


class NotShippedError(Exception):
    """The rule was added here: there are no shipped words to go back to."""


class ShippedRuleError(Exception):
    """A shipped rule is switched off, never removed: it would come back."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of a rule in one language."""

    subject: str
    email_text: str
    sms_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleData:
    """What a manager decides about a rule. ``texts``: language -> words."""

    title: str
    offset: Offset
    useful_min: int
    channels: tuple[str, ...]
    texts: Mapping[str, Words]


# --- what a location begins with --------------------------------------------------------------------------------------
def ensure_rules(location: Location, *, now: datetime) -> list[MessageRule]:
    """The location has every shipped rule in every language; its rules with their texts, in their order.

    Two queries when nothing is missing. Whoever comes first writes them, under the lock of the location: many who ask
    at once get the same rows.
    """
    rules = rules_of(location)
    if not _lacks(rules):
        return rules
    with recorded(by=None, now=now):
        Location.objects.select_for_update(no_key=True).get(pk=location.pk)
        _install(location, rules_of(location))
    return rules_of(location)


def ensure_everywhere(*, now: datetime) -> int:
    """Every active location has its rules; how many got some. Three queries when nothing is missing."""
    places = list(Location.objects.active())
    by_place: dict[int, list[MessageRule]] = {place.pk: [] for place in places}
    rows = MessageRule.objects.filter(location__in=by_place, key__in=BY_KEY).only("location_id", "key")
    for rule in rows.prefetch_related("texts"):
        by_place[rule.location_id].append(rule)
    lacking = [place for place in places if _lacks(by_place[place.pk])]
    for place in lacking:
        ensure_rules(place, now=now)
    return len(lacking)


def rules_of(location: Location) -> list[MessageRule]:
    """In their order, with their texts; two queries."""
    return list(MessageRule.objects.filter(location=location).prefetch_related("texts"))


def _lacks(rules: Iterable[MessageRule]) -> bool:
    known = {rule.key: {text.language for text in rule.texts.all()} for rule in rules}
    return any(not known.get(one.key, set()) >= set(languages()) for one in SHIPPED)


def _install(location: Location, rules: Sequence[MessageRule]) -> None:
    """Rules and texts that are missing are written; what is there stays as it is."""
    known = {rule.key: rule for rule in rules}
    fresh = [_row(location, one, place) for place, one in enumerate(SHIPPED, 1) if one.key not in known]
    MessageRule.objects.bulk_create(fresh)
    known |= {rule.key: rule for rule in fresh}
    texts = []
    for one in SHIPPED:
        rule = known[one.key]
        had = set() if rule in fresh else {text.language for text in rule.texts.all()}
        said = shipped_words(one)
        texts += [_text(rule, language, words) for language, words in said.items() if language not in had]
    MessageText.objects.bulk_create(texts)


def _row(location: Location, one: Shipped, position: int) -> MessageRule:
    return MessageRule(
        location=location,
        key=one.key,
        event=one.event,
        title=one.title,
        is_on=one.is_on,
        days=one.offset.days,
        at=one.offset.at,
        minutes=one.offset.minutes,
        useful_min=one.useful_min,
        channels=list(one.channels),
        position=position,
    )


def _text(rule: MessageRule, language: str, words: Words) -> MessageText:
    return MessageText(
        rule=rule, language=language, subject=words.subject, email_text=words.email_text, sms_text=words.sms_text
    )


def shipped_words(one: Shipped) -> dict[str, Words]:
    """Language -> the words as they are delivered."""
    said = {}
    for language in languages():
        with override(language):
            said[language] = Words(str(one.words.subject), one.words.email_text(), one.words.sms_text())
    return said


# --- one rule ---------------------------------------------------------------------------------------------------------
def offset_of_rule(rule: MessageRule) -> Offset:
    return Offset(days=rule.days, at=rule.at, minutes=rule.minutes)


def words_of(rule: MessageRule) -> dict[str, Words]:
    """Language -> words, of a rule whose texts are read."""
    return {text.language: Words(text.subject, text.email_text, text.sms_text) for text in rule.texts.all()}


def data_of(rule: MessageRule) -> RuleData:
    return RuleData(
        title=rule.title,
        offset=offset_of_rule(rule),
        useful_min=rule.useful_min,
        channels=tuple(rule.channels),
        texts=words_of(rule),
    )


def problems_of_rule(data: RuleData, *, event: str, location: Location) -> dict[str, list[str]]:
    """Field ("es_sms_text") -> what is wrong with its words there."""
    return {
        f"{language}_{name}": said
        for language, words in data.texts.items()
        for name, said in problems_of_texts(
            {name: getattr(words, name) for name in FIELDS}, event=event, location=location, language=language
        ).items()
    }


def differs_from_shipped(rule: MessageRule) -> bool:
    """True when its words are no longer those that are delivered; False for a rule that was added here."""
    one = BY_KEY.get(rule.key)
    return one is not None and any(
        words_of(rule).get(language) != said for language, said in shipped_words(one).items()
    )


def save_rule(*, rule_id: int, data: RuleData, version: int, by: User, now: datetime) -> MessageRule:
    """The rule is as ``data`` says. Messages that are planned follow with the next sweep.

    Args:
        version: of the rule that the person had before them.

    Raises:
        StaleRuleError: somebody else saved meanwhile.
        ValidationError: words or times that must not be, by field.
    """
    with recorded(by=by, now=now):
        rule = _locked(rule_id, version)
        problems = problems_of_rule(data, event=rule.event, location=rule.location)
        if _is_before(data.offset) and is_notice(rule.event):
            problems["side"] = ["This is told when it happens: it cannot go out before."]
        if problems:
            raise ValidationError(problems)
        return _write(rule, data)


def switch_rule(*, rule_id: int, is_on: bool, by: User, now: datetime) -> MessageRule:
    """The rule is on, or off; pressing twice changes nothing more. What was planned by it is withdrawn by the sweep."""
    with recorded(by=by, now=now):
        rule = MessageRule.objects.select_for_update(no_key=True, of=("self",)).get(pk=rule_id)
        if rule.is_on != is_on:
            rule.is_on = is_on
            rule.save(update_fields=["is_on"])
        return rule


def back_to_shipped(*, rule_id: int, version: int, by: User, now: datetime) -> MessageRule:
    """The rule has the words again that are delivered, in every language; when it goes out stays as it is.

    Raises:
        StaleRuleError: somebody else saved meanwhile.
        NotShippedError: it was added here.
    """
    with recorded(by=by, now=now):
        rule = _locked(rule_id, version)
        one = BY_KEY.get(rule.key)
        if one is None:
            raise NotShippedError("This rule was added here; there are no shipped words for it.")
        _write_texts(rule, shipped_words(one))
        return _raised(rule)


def add_like(*, rule_id: int, by: User, now: datetime) -> MessageRule:
    """The location has one more rule for the same event, with the same words, and switched off."""
    with recorded(by=by, now=now):
        like = MessageRule.objects.select_related("location").prefetch_related("texts").get(pk=rule_id)
        Location.objects.select_for_update(no_key=True).get(pk=like.location_id)
        fresh = _bare_copy(like, like.location, key=_free_key(), title=_another(like.title), is_on=False)
        MessageRule.objects.filter(location=like.location, position__gt=like.position).update(
            position=F("position") + 1
        )
        fresh.position = like.position + 1
        fresh.save()
        _write_texts(fresh, words_of(like))
        return fresh


def remove_rule(*, rule_id: int, by: User, now: datetime) -> None:
    """The rule is gone; what it sent stays, what it planned is withdrawn by the sweep.

    Raises:
        ShippedRuleError: it was delivered, and is only switched off.
    """
    with recorded(by=by, now=now):
        rule = MessageRule.objects.select_for_update(of=("self",)).get(pk=rule_id)
        if not rule.key.startswith(OWN):
            raise ShippedRuleError("A rule that comes with Cadence is switched off, not removed.")
        rule.delete()


# --- another location -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Copied:
    """How many rules are new there, changed, and were the same before."""

    added: int
    changed: int
    same: int


def copy_rules(*, source: Location, target: Location, by: User, now: datetime) -> Copied:
    """``target`` has the rules of ``source``: times, channels, words, on or off. Rules that only it has stay.

    Raises:
        ValidationError: words that would be too long there, by the title of the rule. Nothing was copied.
    """
    with recorded(by=by, now=now):
        list(Location.objects.select_for_update(no_key=True).filter(pk__in=[source.pk, target.pk]).order_by("pk"))
        ours = rules_of(source)
        refused = {
            rule.title: said
            for rule in ours
            if (said := problems_of_rule(data_of(rule), event=rule.event, location=target))
        }
        if refused:
            first = next(iter(next(iter(refused.values())).values()))[0]
            raise ValidationError(f"Nothing was copied. At {target} this does not fit: {', '.join(refused)}. {first}")
        theirs = {_same_as(rule): rule for rule in rules_of(target)}
        outcomes = [_copy(rule, theirs.get(_same_as(rule)), target) for rule in ours]
        return Copied(outcomes.count("added"), outcomes.count("changed"), outcomes.count("same"))


def copied_by(*, source: Location, target: Location) -> Copied:
    """What copying would do there, without doing it; four queries."""
    theirs = {_same_as(rule): rule for rule in rules_of(target)}
    outcomes = [_outcome(rule, theirs.get(_same_as(rule))) for rule in rules_of(source)]
    return Copied(outcomes.count("added"), outcomes.count("changed"), outcomes.count("same"))


def _same_as(rule: MessageRule) -> tuple[str, str]:
    """What makes two rules of two locations the same one: the key of a shipped one, the title of one's own."""
    return (rule.event, rule.title) if rule.key.startswith(OWN) else (rule.key, "")


def _outcome(rule: MessageRule, there: MessageRule | None) -> str:
    if there is None:
        return "added"
    return "same" if (data_of(there), there.is_on) == (data_of(rule), rule.is_on) else "changed"


def _copy(rule: MessageRule, there: MessageRule | None, target: Location) -> str:
    outcome = _outcome(rule, there)
    if there is None:
        key = _free_key() if rule.key.startswith(OWN) else rule.key
        fresh = _bare_copy(rule, target, key=key, title=rule.title, is_on=rule.is_on)
        fresh.save()
        _write_texts(fresh, words_of(rule))
    elif outcome == "changed":
        there.is_on = rule.is_on
        _write(there, data_of(rule))
    return outcome


# --- history ----------------------------------------------------------------------------------------------------------
def row_ids(rule: MessageRule) -> dict[str, frozenset[int]]:
    """Table -> the rows whose changes are this rule's: itself, and every text that it has or had."""
    texts = apps.get_model("patients", "MessageTextEvent").objects.filter(rule_id=rule.pk)
    return {
        "patients.messagerule": frozenset({rule.pk}),
        "patients.messagetext": frozenset(texts.values_list("pgh_obj_id", flat=True).distinct()),
    }


# --- parts ------------------------------------------------------------------------------------------------------------
def is_notice(event: str) -> bool:
    """True for what is told as it happens; what nobody registered yet is taken for something with a date."""
    try:
        return not kind_of(event).find
    except KeyError:
        return False


def _is_before(offset: Offset) -> bool:
    return offset.days < 0 or (offset.minutes or 0) < 0


def _locked(rule_id: int, version: int) -> MessageRule:
    """Raises StaleRuleError when it is not the version that the person saw."""
    rows = MessageRule.objects.select_for_update(no_key=True, of=("self",)).select_related("location")
    rule = rows.get(pk=rule_id)
    if rule.version != version:
        raise StaleRuleError(rule)
    return rule


def _write(rule: MessageRule, data: RuleData) -> MessageRule:
    rule.title, rule.useful_min, rule.channels = data.title, data.useful_min, list(data.channels)
    rule.days, rule.at, rule.minutes = data.offset.days, data.offset.at, data.offset.minutes
    rule.full_clean(exclude=["location"])
    _write_texts(rule, data.texts)
    return _raised(rule)


def _raised(rule: MessageRule) -> MessageRule:
    rule.version += 1
    rule.save()
    return rule


def _write_texts(rule: MessageRule, texts: Mapping[str, Words]) -> None:
    """Only what differs is written, so that the history shows what was changed."""
    had = {text.language: text for text in MessageText.objects.filter(rule=rule)}
    for language, words in texts.items():
        row = had.get(language) or MessageText(rule=rule, language=language)
        if row.pk and Words(row.subject, row.email_text, row.sms_text) == words:
            continue
        row.subject, row.email_text, row.sms_text = words.subject, words.email_text, words.sms_text
        row.full_clean(exclude=["rule"])
        row.save()


def _bare_copy(rule: MessageRule, location: Location, *, key: str, title: str, is_on: bool) -> MessageRule:
    return MessageRule(
        location=location,
        key=key,
        event=rule.event,
        title=title,
        is_on=is_on,
        days=rule.days,
        at=rule.at,
        minutes=rule.minutes,
        useful_min=rule.useful_min,
        channels=list(rule.channels),
        position=rule.position,
    )


def _free_key() -> str:
    """Never one that was used before: what a removed rule sent must not pass for what this one is to send."""
    return f"{OWN}{uuid4().hex[:12]}"


def _another(title: str) -> str:
    longest = MessageRule._meta.get_field("title").max_length or len(title)
    return f"{title[: longest - len(', again')]}, again"
