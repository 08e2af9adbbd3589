"""The preview beside a rule's words: with sample values or a real patient, and how long the text message gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.numbers import number_in
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.message_rules import MessageRuleForm
from patients.models import MessageRule, Patient
from patients.pure.messages.offsets import say_offset
from patients.pure.messages.timing import Offset
from patients.pure.messages.wording import SmsLength
from patients.services.languages import ENGLISH, languages
from patients.services.messages.previews import Preview, example_due, preview
from patients.services.messages.rules import FIELDS, RuleData, Words, data_of, problems_of_rule
from patients.services.messages.wording import sms_size
from patients.services.reach import mark_reach
from patients.services.search import Hit, search_patients

SHOWN = 6
FIELD_NAMES = {"subject": "Subject", "email_text": "E-mail", "sms_text": "Text message"}


@dataclass(frozen=True, slots=True)
class Counted:
    """How long the text message of one language gets."""

    language: str
    size: SmsLength


@require_POST
@requires(Can.EDIT_MESSAGE_RULES)
def rule_preview(request: HttpRequest, rule_id: int) -> HttpResponse:
    """What is typed, filled in; nothing is saved. The reading of a patient's data is logged."""
    row = get_object_or_404(MessageRule.objects.select_related("location").prefetch_related("texts"), pk=rule_id)
    form = MessageRuleForm(request.POST, languages=languages())
    form.is_valid()
    context = {"rule": row, "place": row.location, "is_live": True, "may_edit": True}
    context |= preview_facts(request, row, typed=form, may_choose=True)
    return render(request, "patients/messages/_rules_preview.html", context)


@require_GET
@requires(Can.EDIT_MESSAGE_RULES)
def patients(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Whom the typed text may mean, to preview with."""
    row = get_object_or_404(MessageRule, pk=rule_id)
    return render(request, "patients/messages/_rules_found.html", {"rule": row, **_found(request)})


def preview_facts(
    request: HttpRequest, row: MessageRule, *, typed: MessageRuleForm | None, may_choose: bool
) -> dict[str, Any]:
    """What ``_rules_preview.html`` needs: of what is typed, else of what is saved.

    Args:
        may_choose: only then a patient is looked up; others see sample values.
    """
    data = _typed(row, typed) if typed is not None else data_of(row)
    asked = request.POST if request.method == "POST" else request.GET
    language = asked.get("language", "")
    language = language if language in languages() else ENGLISH
    patient = _patient(request, asked.get("patient", "")) if may_choose else None
    words = data.texts.get(language) or Words("", "", "")
    shown: Preview = preview(
        words, event=row.event, location=row.location, language=language, patient=patient, now=timezone.now()
    )
    return {
        "shown": shown,
        "language": language,
        "languages": languages(),
        "patient": patient,
        "sizes": [
            Counted(code, sms_size(said.sms_text, location=row.location, language=code))
            for code, said in data.texts.items()
        ],
        "problems": _problems(data, row),
        "said_when": say_offset(data.offset),
        "example": example_due(data.offset, useful_min=data.useful_min, location=row.location, now=timezone.now()),
        **(_found(request) if may_choose and request.method == "GET" else {}),
    }


def _typed(row: MessageRule, form: MessageRuleForm) -> RuleData:
    """What stands in the fields now, whether or not it may be saved; what cannot be read is as it was."""
    saved = data_of(row)
    has_times = not {"amount", "unit", "side", "clock", "useful_amount", "useful_unit"} & set(form.errors)
    texts = {
        code: Words(*(str(form.data.get(f"{code}_{name}", "")).replace("\r\n", "\n").strip() for name in FIELDS))
        for code in languages()
    }
    offset: Offset = form.offset if has_times else saved.offset
    return RuleData(
        title=saved.title,
        offset=offset,
        useful_min=form.useful_min if has_times else saved.useful_min,
        channels=saved.channels,
        texts=texts,
    )


def _problems(data: RuleData, row: MessageRule) -> list[tuple[str, str]]:
    """(which text, what is wrong with it), in words."""
    found = problems_of_rule(data, event=row.event, location=row.location)
    said = []
    for field, problems in found.items():
        code, _, name = field.partition("_")
        said += [(f"{FIELD_NAMES[name]}, {languages().get(code, code)}", problem) for problem in problems]
    return said


def _patient(request: HttpRequest, number: str) -> Patient | None:
    pk = number_in(number)
    patient = Patient.objects.filter(pk=pk, merged_into=None).first() if pk is not None else None
    if patient is not None:
        record_reading(
            by=staff(request),
            subject_id=patient.resource_id,
            page="Preview of a message",
            path=request.path,
            now=timezone.now(),
        )
    return patient


def _found(request: HttpRequest) -> dict[str, Any]:
    text = request.GET.get("q", "").strip()[:80]
    today = timezone.now().date()  # of UTC, as in the palette: it only bounds birth dates
    hits: list[Hit] = search_patients(text, today=today, limit=SHOWN) if text else []
    mark_reach([hit.patient for hit in hits], person=staff(request), now=timezone.now())
    return {"q": text, "hits": hits}
