"""Set-up of messages: the rules of a location, one rule with its words and a preview, copying, what was changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations, current_location
from clinic.edge.htmx import go, is_fragment
from clinic.edge.numbers import number_in
from clinic.forms.errors import show_refusal
from clinic.models import Location
from clinic.pure.roles import Can
from clinic.services.history import Cursor, Wanted, history
from patients.adapters.providers import ProviderError
from patients.forms.message_rules import LABELS, MessageRuleForm, say_order, useful_said
from patients.models import MessageEvent, MessageRule
from patients.pure.messages.offsets import said_of, say_offset
from patients.services.languages import ENGLISH, languages
from patients.services.messages.previews import NoAddressError, send_test
from patients.services.messages.rules import (
    FIELDS,
    OWN,
    NotShippedError,
    RuleData,
    ShippedRuleError,
    StaleRuleError,
    Words,
    add_like,
    back_to_shipped,
    copied_by,
    copy_rules,
    differs_from_shipped,
    ensure_rules,
    offset_of_rule,
    remove_rule,
    row_ids,
    save_rule,
    switch_rule,
    words_of,
)
from patients.services.messages.wording import clinic_name, opt_out, placeholders_of
from patients.views.messages.rule_preview import preview_facts

GROUPS = (
    ("Requests and consultations", ("request", "consultation")),
    ("Visits for infusions", ("series", "infusion", "after")),
    ("Around the course", ("measure", "maintenance", "booster", "review", "consent")),
    ("Offered and sent by staff", ("offer", "questionnaire", "sheet")),
)
"""Title -> with which word the events begin that stand under it."""
EVER = datetime(2000, 1, 1, tzinfo=UTC)
MOMENT = timedelta(days=1)
"""The history goes by the clock of the database, which may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule as the list shows it."""

    rule: MessageRule
    when: str
    order: str
    is_own: bool
    is_changed: bool


def _row(rule: MessageRule) -> Row:
    return Row(
        rule=rule,
        when=say_offset(offset_of_rule(rule)),
        order=say_order(rule.channels),
        is_own=rule.key.startswith(OWN),
        is_changed=differs_from_shipped(rule),
    )


# --- all rules of a location ------------------------------------------------------------------------------------------
@require_GET
@requires(Can.VIEW_MESSAGES)
def setup(request: HttpRequest) -> HttpResponseBase:
    """The rules of the location where this person works; from there one goes to the others."""
    place = current_location(request)
    if place is None:
        messages.error(request, "There is no location yet. A manager adds the first one in Set-up.")
        return redirect("/")
    return redirect("rules:list", place.pk)


@require_GET
@requires(Can.VIEW_MESSAGES)
def rule_list(request: HttpRequest, location_pk: int) -> HttpResponse:
    """Every rule: what it is about, when, how, on or off. A location that is new gets those that are shipped."""
    place = get_object_or_404(Location, pk=location_pk)
    rows = [_row(rule) for rule in ensure_rules(place, now=timezone.now())]
    grouped = [(title, [row for row in rows if row.rule.event.split("_")[0] in words]) for title, words in GROUPS]
    context = {
        "place": place,
        "groups": [(title, found) for title, found in grouped if found],
        "on": sum(row.rule.is_on for row in rows),
        "count": len(rows),
        "name": clinic_name(place),
        "is_renamed": clinic_name(place) != place.name,
        "others": [other for other in active_locations(request) if other.pk != place.pk],
    }
    return render(request, "patients/messages/rules.html", context)


@require_POST
@requires(Can.EDIT_MESSAGE_RULES)
def switch(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """On or off with one press."""
    rule = get_object_or_404(MessageRule.objects.select_related("location"), pk=rule_id)
    is_on = request.POST.get("is_on") == "1"
    rule.is_on = switch_rule(rule_id=rule.pk, is_on=is_on, by=staff(request), now=timezone.now()).is_on
    if is_fragment(request):
        return render(request, "patients/messages/_rules_switch.html", {"rule": rule, "may_edit": True})
    return redirect("rules:list", rule.location_id)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_MESSAGE_RULES)
def copy(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """First what would change at the other location, then, with a press, it does."""
    place = get_object_or_404(Location, pk=location_pk)
    others = [other for other in active_locations(request) if other.pk != place.pk]
    chosen = str(request.POST.get("to") or request.GET.get("to") or "")
    target = next((other for other in others if str(other.pk) == chosen), others[0] if others else None)
    ensure_rules(place, now=timezone.now())
    context: dict[str, Any] = {"place": place, "others": others, "target": target}
    if target is not None:
        ensure_rules(target, now=timezone.now())
        if request.method == "POST":
            try:
                done = copy_rules(source=place, target=target, by=staff(request), now=timezone.now())
            except ValidationError as refused:
                return _copy_page(request, context | {"refused": refused.messages}, status=422)
            said = f"{done.changed} changed, {done.added} added, {done.same} were the same."
            messages.success(request, f"{target} has the rules of {place} now: {said}")
            return redirect("rules:list", target.pk)
        context["would"] = copied_by(source=place, target=target)
    return _copy_page(request, context, status=422 if request.method == "POST" else 200)


def _copy_page(request: HttpRequest, context: dict[str, Any], *, status: int) -> HttpResponse:
    return render(request, "patients/messages/rules_copy.html", context, status=status)


# --- one rule ---------------------------------------------------------------------------------------------------------
def _rule_or_404(rule_id: int) -> MessageRule:
    return get_object_or_404(MessageRule.objects.select_related("location").prefetch_related("texts"), pk=rule_id)


@require_http_methods(["GET", "POST"])
@requires(Can.VIEW_MESSAGES)
def rule(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """When it goes out and what it says. Everybody who sees messages may read it, managers change it."""
    row = _rule_or_404(rule_id)
    if request.method == "GET":
        return _rule_page(request, row, _form_of(row))
    if not staff(request).can(Can.EDIT_MESSAGE_RULES):
        raise PermissionDenied("Only a manager changes when what goes out.")
    form = MessageRuleForm(request.POST, languages=languages())
    is_valid = form.is_valid()
    if "preview" in request.POST:
        return _rule_page(request, row, form, typed=form)
    if not is_valid:
        return _rule_page(request, row, form, typed=form, status=422)
    version = form.cleaned_data["version"]
    try:
        save_rule(rule_id=row.pk, data=_data(form), version=version, by=staff(request), now=timezone.now())
    except StaleRuleError as stale:
        return _stale(request, form, stale.current)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _rule_page(request, row, form, typed=form, status=422)
    messages.success(request, f"“{form.cleaned_data['title']}” is saved. Messages that wait follow within minutes.")
    return go(request, "rules:rule", row.pk)


def _form_of(row: MessageRule) -> MessageRuleForm:
    said = said_of(offset_of_rule(row))
    useful, unit = useful_said(row.useful_min)
    initial: dict[str, Any] = {
        "version": row.version,
        "title": row.title,
        "amount": said.amount,
        "unit": said.unit,
        "side": said.side,
        "clock": said.clock,
        "useful_amount": useful,
        "useful_unit": unit,
        "channels": ",".join(row.channels),
    }
    for code, words in words_of(row).items():
        initial |= {f"{code}_{name}": getattr(words, name) for name in FIELDS}
    return MessageRuleForm(initial=initial, languages=languages())


def _data(form: MessageRuleForm) -> RuleData:
    values = form.cleaned_data
    return RuleData(
        title=values["title"],
        offset=form.offset,
        useful_min=form.useful_min,
        channels=form.channel_order,
        texts={code: Words(**{name: values[f"{code}_{name}"] for name in FIELDS}) for code in languages()},
    )


def _stale(request: HttpRequest, form: MessageRuleForm, current: MessageRule) -> HttpResponse:
    """What was typed stays in the fields, what differs is listed, and saving again overwrites it knowingly."""
    row = _rule_or_404(current.pk)
    theirs, mine = _said(row), _said_by(form)
    differs = [(label, theirs[label], mine[label]) for label in mine if theirs.get(label, "") != mine[label]]
    typed = form.data.copy()  # type: ignore[attr-defined]
    typed["version"] = str(row.version)
    again = MessageRuleForm(typed, languages=languages())
    again.is_valid()
    return _rule_page(request, row, again, typed=again, status=409, theirs=differs)


def _said(row: MessageRule) -> dict[str, str]:
    useful, unit = useful_said(row.useful_min)
    said = {
        LABELS["title"]: row.title,
        LABELS["amount"]: say_offset(offset_of_rule(row)),
        LABELS["channels"]: say_order(row.channels),
        LABELS["useful_amount"]: f"{useful} {unit}",
    }
    return said | _texts_said({code: vars_of(words) for code, words in words_of(row).items()})


def _said_by(form: MessageRuleForm) -> dict[str, str]:
    values = form.cleaned_data
    useful, unit = useful_said(form.useful_min)
    said = {
        LABELS["title"]: values["title"],
        LABELS["amount"]: say_offset(form.offset),
        LABELS["channels"]: say_order(list(form.channel_order)),
        LABELS["useful_amount"]: f"{useful} {unit}",
    }
    return said | _texts_said({code: {name: values[f"{code}_{name}"] for name in FIELDS} for code in languages()})


def vars_of(words: Words) -> dict[str, str]:
    return {name: getattr(words, name) for name in FIELDS}


def _texts_said(texts: dict[str, dict[str, str]]) -> dict[str, str]:
    names = {"subject": "subject", "email_text": "e-mail", "sms_text": "text message"}
    return {
        f"{languages()[code]}, {names[name]}": text
        for code, words in texts.items()
        if code in languages()
        for name, text in words.items()
    }


def _rule_page(
    request: HttpRequest,
    row: MessageRule,
    form: MessageRuleForm,
    *,
    typed: MessageRuleForm | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    may_edit = staff(request).can(Can.EDIT_MESSAGE_RULES)
    context = {
        "rule": row,
        "place": row.location,
        "row": _row(row),
        "form": form,
        "event": MessageEvent(row.event).label,
        "may_edit": may_edit,
        "useful": " ".join(map(str, useful_said(row.useful_min))),
        "texts": [(languages().get(code, code), words) for code, words in words_of(row).items()],
        "placeholders": placeholders_of(row.event),
        "stops": {code: opt_out(code) for code in languages()},
        "own_address": staff(request).email,
    }
    context |= preview_facts(request, row, typed=typed, may_choose=may_edit)
    return render(request, "patients/messages/rule.html", context | more, status=status)


# --- acts on one rule -------------------------------------------------------------------------------------------------
@require_POST
@requires(Can.EDIT_MESSAGE_RULES)
def test(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """The saved words go to the signed-in person's own address."""
    row = _rule_or_404(rule_id)
    language = request.POST.get("language", "")
    language = language if language in languages() else ENGLISH
    try:
        address = send_test(row, language=language, by=staff(request), now=timezone.now())
    except (NoAddressError, ProviderError, ValidationError) as problem:
        said = problem.messages[0] if isinstance(problem, ValidationError) else str(problem)
        return _rule_page(request, row, _form_of(row), status=422, test_problem=said)
    messages.success(request, f"A test in {languages()[language]} is on its way to {address}.")
    return go(request, "rules:rule", row.pk)


@require_POST
@requires(Can.EDIT_MESSAGE_RULES)
def shipped(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """Back to the words that come with Cadence."""
    row = _rule_or_404(rule_id)
    version = number_in(request.POST.get("version")) or 0  # what is no number is no version that anybody saw
    try:
        back_to_shipped(rule_id=row.pk, version=version, by=staff(request), now=timezone.now())
    except NotShippedError as refused:
        return _rule_page(request, row, _form_of(row), status=422, refused=str(refused))
    except StaleRuleError as stale:
        return _rule_page(request, row, _form_of(row), status=409, refused=str(stale))
    messages.success(request, "The shipped words are back, in every language. When it goes out stays as it was.")
    return go(request, "rules:rule", row.pk)


@require_POST
@requires(Can.EDIT_MESSAGE_RULES)
def another(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """One more rule for the same event, switched off."""
    row = _rule_or_404(rule_id)
    added = add_like(rule_id=row.pk, by=staff(request), now=timezone.now())
    messages.success(
        request, "One more rule, with the same words and switched off. Say when it goes out, then switch it on."
    )
    return go(request, "rules:rule", added.pk)


@require_POST
@requires(Can.EDIT_MESSAGE_RULES)
def remove(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """A rule that was added here goes; a shipped one is only switched off."""
    row = _rule_or_404(rule_id)
    try:
        remove_rule(rule_id=row.pk, by=staff(request), now=timezone.now())
    except ShippedRuleError as refused:
        return _rule_page(request, row, _form_of(row), status=422, refused=str(refused))
    messages.success(request, f"“{row.title}” is removed. What it sent stays on record.")
    return go(request, "rules:list", row.location_id)


@require_GET
@requires(Can.EDIT_MESSAGE_RULES)
def rule_history(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Who changed the rule and its words, before and after."""
    row = _rule_or_404(rule_id)
    after = Cursor.parse(request.GET.get("after", ""))
    wanted = Wanted(since=EVER, until=timezone.now() + MOMENT, rows=row_ids(row), after=after)
    page = history(wanted, with_clinical=False, location=row.location)
    context = {"rule": row, "place": row.location, "page": page, "is_first": after is None}
    return render(request, "patients/messages/rules_history.html", context)
