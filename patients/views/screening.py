"""Screening: the questions with what they come to beside them, the decision, and the signed decision to print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import is_fragment
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.screening import DecisionForm, group_of, sent_answers
from patients.models import Consultation, DecisionOutcome, Patient, ScreeningDecision
from patients.pure.pressure import PROFILES, profile_of
from patients.pure.screening import Answer
from patients.pure.screening.decision import VERDICT_LABELS, Verdict
from patients.services.registry import MergedPatientError
from patients.services.screening import (
    DecisionRefusedError,
    FindingsChangedError,
    GivenAnswer,
    Screened,
    decisions_of,
    latest_decisions,
    opens_on,
    save_answers,
    screen,
    sign_decision,
)
from patients.views.record import moment_of, open_record, to_kept
from patients.views.screening_shown import (
    as_signed,
    counts_of,
    shown_decisions,
    shown_findings,
    shown_groups,
    to_judge,
)

TAB = "intake:consultations"


# --- the questions ----------------------------------------------------------------------------------------------------
@require_GET
@requires(Can.VIEW_CLINICAL)
def screening(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Every question that applies, the findings beside them; to read for nurses, to answer for clinicians."""
    screened = _screened(pk, request.GET.get("profile", ""))
    if is_fragment(request):
        subject, now = screened.patient.resource_id, timezone.now()
        record_reading(by=staff(request), subject_id=subject, page="Screening", path=request.path, now=now)
        return render(request, "patients/screening/_findings.html", _findings_context(request, screened))
    head = open_record(request, screened.patient.pk, tab=TAB, page="Screening")
    if isinstance(head, HttpResponseBase):
        return head
    context = _findings_context(request, screened) | {
        "head": head,
        "groups": shown_groups(screened.facts, screened.limits),
        "may_answer": staff(request).can(Can.EDIT_CLINICAL),
        "decisions": shown_decisions(decisions_of(screened.patient), screened.today),
    }
    return render(request, "patients/screening/page.html", context)


@require_POST
@requires(Can.EDIT_CLINICAL)
def screening_answers(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What was answered is saved; what somebody else answered meanwhile is shown, and not overwritten."""
    profile = request.POST.get("profile", "")
    given = {
        code: GivenAnswer(sent.value, sent.note, sent.base_value, sent.base_note)
        for code, sent in sent_answers(request.POST).items()
    }
    try:
        done = save_answers(consultation_id=pk, given=given, by=staff(request), now=timezone.now())
    except Consultation.DoesNotExist:
        raise Http404 from None
    screened = _screened(pk, profile)
    conflicts = {code: (theirs, Answer(given[code].value, given[code].note)) for code, theirs in done.conflicts.items()}
    groups = shown_groups(screened.facts, screened.limits, conflicts)
    if is_fragment(request):
        questions = [question for group in groups for question in group.questions]
        context = _findings_context(request, screened) | {
            "saved": [question for question in questions if question.code in done.saved],
            "conflicted": [question for question in questions if question.conflict],
            "may_answer": True,
        }
        return render(request, "patients/screening/_saved.html", context, status=409 if conflicts else 200)
    if not conflicts:
        messages.success(request, "Saved.")
        query = f"?profile={profile_of(profile).code}" if profile else ""
        return redirect(reverse("intake:screening", args=[pk]) + query + f"#group-{group_of(request.POST) or 'heart'}")
    head = open_record(request, screened.patient.pk, tab=TAB, page="Screening")
    if isinstance(head, HttpResponseBase):
        return head
    context = _findings_context(request, screened) | {"head": head, "groups": groups, "may_answer": True}
    return render(request, "patients/screening/page.html", context, status=409)


# --- deciding ---------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@requires(Can.SIGN_DECISION)
def decide(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A verdict on each finding, the decision, and the signature; refused with what is missing or new."""
    data = request.POST if request.method == "POST" else None
    screened = _screened(pk, (data or request.GET).get("profile", ""))
    initial = {"indication": screened.indication, "profile": screened.limits.pressure_profile}
    form = DecisionForm(data, initial=initial)
    refused: dict[str, str] = {}
    new: frozenset[str] = frozenset()
    gone = 0
    if form.is_bound and form.is_valid():
        try:
            decision = _signed(request, screened, form)
        except FindingsChangedError as changed:
            new, gone = changed.new, changed.gone
            screened = _screened(pk, form.cleaned_data["profile"])
            form.add_error(None, _changed_words(new, gone))
        except DecisionRefusedError as refusal:
            refused = {one.where: one.text for one in refusal.refusals}
            for name in refused.keys() & form.fields.keys():
                form.add_error(name, refused[name])
        except MergedPatientError:
            return to_kept(request, screened.patient, TAB)
        else:
            messages.success(request, f"Signed: {decision.get_outcome_display().lower()}.")
            return redirect("intake:decision", decision.pk)
    head = open_record(request, screened.patient.pk, tab=TAB, page="Screening decision")
    if isinstance(head, HttpResponseBase):
        return head
    context = _decide_context(request, screened, form, refused) | {"head": head}
    context["findings"] = to_judge(screened.findings, form, refused, new)
    context["open_findings"] = [one for one in context["findings"] if one.refusal or one.is_new]
    return render(request, "patients/screening/decide.html", context, status=422 if form.is_bound else 200)


@require_GET
@requires(Can.VIEW_CLINICAL)
def decision(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A signed decision as it was signed, to read and to print; beside it the others about the patient."""
    signed = get_object_or_404(
        ScreeningDecision.objects.select_related("signed_by", "patient", "consultation__location"), pk=pk
    )
    head = open_record(request, signed.patient_id, tab=TAB, page="Screening decision")
    if isinstance(head, HttpResponseBase):
        return head
    decisions = shown_decisions(decisions_of(head.patient), head.moment.today)
    context = {
        "head": head,
        "patient": head.patient,
        "decision": signed,
        "place": signed.consultation.location if signed.consultation else head.patient.home_location,
        "profile": profile_of(signed.pressure_profile),
        "findings": [as_signed(kept) for kept in signed.findings],
        "state": next(state for one, state in decisions if one.pk == signed.pk),
        "decisions": decisions,
    }
    return render(request, "patients/screening/decision.html", context)


def _signed(request: HttpRequest, screened: Screened, form: DecisionForm) -> ScreeningDecision:
    values = form.cleaned_data
    return sign_decision(
        consultation_id=screened.consultation.pk,
        indication=values["indication"],
        outcome=values["outcome"],
        conditions=values["conditions"],
        reason=values["reason"],
        profile=values["profile"],
        judged=form.judged(finding.code for finding in screened.findings),
        shown=form.shown,
        by=staff(request),
        now=timezone.now(),
    )


def _changed_words(new: Iterable[str], gone: int) -> str:
    said = []
    if count := len(frozenset(new)):
        said.append(f"{count} finding{'s are' if count > 1 else ' is'} new or changed since you opened this page")
    if gone:
        said.append(f"{gone} {'are' if gone > 1 else 'is'} gone")
    return f"Nothing was signed: {', and '.join(said)}. What is new is marked. Read it and decide again."


# --- what the pages show ----------------------------------------------------------------------------------------------
def decision_card(request: HttpRequest, patient: Patient) -> dict[str, Any] | None:
    """The panel of the patient's page: what was decided, by whom, until when; to the front desk only whether.

    None for a patient who has no consultation yet.
    """
    decisions = latest_decisions(patient)
    if not decisions and not getattr(patient, "consultation_facts", []):  # read with the head of the page
        return None
    today = moment_of(request).today
    if not staff(request).can(Can.VIEW_CLINICAL):
        is_complete = any(opens_on(one, today) for one in decisions)
        return {"template": "patients/screening/_card_desk.html", "context": {"is_complete": is_complete}}
    rows = shown_decisions(decisions, today)
    return {"template": "patients/screening/_card.html", "context": {"decisions": rows, "patient": patient}}


def _screened(pk: int, profile: str) -> Screened:
    try:
        return screen(pk, now=timezone.now(), profile=profile)
    except Consultation.DoesNotExist:
        raise Http404 from None


def _findings_context(request: HttpRequest, screened: Screened) -> dict[str, Any]:
    return {
        "record": screened.consultation,
        "patient": screened.patient,
        "place": screened.consultation.location,
        "screened": screened,
        "findings": shown_findings(screened, may_measure=staff(request).can(Can.RECORD_VITALS)),
        "counts": counts_of(screened.findings),
        "profiles": PROFILES,
        "profile": profile_of(screened.limits.pressure_profile),
        "may_sign": staff(request).can(Can.SIGN_DECISION),
    }


def _decide_context(
    request: HttpRequest, screened: Screened, form: DecisionForm, refused: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "record": screened.consultation,
        "patient": screened.patient,
        "place": screened.consultation.location,
        "screened": screened,
        "profile": profile_of(screened.limits.pressure_profile),
        "form": form,
        "refused": refused,
        "counts": counts_of(screened.findings),
        "verdicts": [(verdict.value, VERDICT_LABELS[verdict]) for verdict in Verdict],
        "outcomes": [
            (DecisionOutcome.FIT, "A series may start by it."),
            (DecisionOutcome.CONDITIONS, "A series may start when the conditions are met."),
            (DecisionOutcome.NOT_NOW, "Something comes first."),
            (DecisionOutcome.NO, "Ketamine is not for this patient."),
        ],
        "me": staff(request),
    }
