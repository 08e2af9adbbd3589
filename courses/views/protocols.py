"""Protocols: the list, one version, writing a draft and seeing at once what it means, publishing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.pure.roles import Can
from courses.forms.protocols import NewProtocolForm, StepFormSet, VersionForm
from courses.models import ProtocolVersion, VersionStatus
from courses.models.protocol_fields import STEP_FIELDS
from courses.planning.sources import citations_in, without_keys
from courses.services import protocol_facts as facts
from courses.services import protocols as service

VERSIONS = ProtocolVersion.objects.select_related("protocol", "published_by", "created_by").prefetch_related("steps")


@requires(Can.VIEW_PROTOCOL)
@require_GET
def protocol_list(request: HttpRequest) -> HttpResponse:
    """Every protocol by phase, with what it means in a line."""
    with_retired = "retired" in request.GET
    groups = facts.protocol_groups(with_retired=with_retired)
    return render(request, "courses/protocols.html", {"groups": groups, "with_retired": with_retired})


@requires(Can.VIEW_PROTOCOL)
@require_GET
def protocol_version(request: HttpRequest, pk: int) -> HttpResponse:
    """All facts of one version, and how it came about."""
    version = get_object_or_404(VERSIONS, pk=pk)
    siblings = list(VERSIONS.filter(protocol_id=version.protocol_id).order_by("-number"))
    in_use = facts.in_use_by_version(version.protocol_id)
    history = [
        (one, in_use.get(one.pk, 0), facts.changes_between(older, one) if older else [])
        for one, older in zip(siblings, [*siblings[1:], None], strict=True)
    ]
    context = {
        "version": version,
        "meaning": facts.meaning_of_version(version),
        "rhythm": facts.say_rhythm(version),
        "dose": facts.say_dose(version),
        "citations": citations_in(version.source),
        "source_note": without_keys(version.source),
        "step_lines": facts.step_lines(version),
        "observation_from": version.preparation_min + version.infusion_min,
        "turnaround_from": version.visit_min - version.turnaround_min,
        "reviews": facts.say_reviews(version),
        "indications": facts.say_value("indications", version.indications),
        "history": history,
        "in_use": in_use.get(version.pk, 0),
        "draft": next((one for one in siblings if one.status == VersionStatus.DRAFT and one.pk != version.pk), None),
        "published": next((one for one in siblings if one.status == VersionStatus.PUBLISHED), None),
        "changes": next((changes for one, _n, changes in history if one.pk == version.pk), []),
    }
    return render(request, "courses/protocols_version.html", context)


@requires(Can.EDIT_PROTOCOL)
@require_http_methods(["GET", "POST"])
def protocol_new(request: HttpRequest) -> HttpResponseBase:
    """A new protocol, copied from one that exists."""
    form = NewProtocolForm(request.POST or None, initial={"source": request.GET.get("source")})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        draft = service.start_protocol(
            data["source"], slug=data["slug"], title=data["title"], by=staff(request), now=timezone.now()
        )
        messages.success(request, "The draft exists. Nobody can plan with it before a clinician publishes it.")
        return redirect("courses:protocol_edit", draft.pk)
    return render(request, "courses/protocols_new.html", {"form": form}, status=422 if form.is_bound else 200)


@requires(Can.EDIT_PROTOCOL)
@require_http_methods(["GET", "POST"])
def shipped(request: HttpRequest) -> HttpResponseBase:
    """Drafts of chosen ones of those that come with Cadence; publishing them is a clinician's act."""
    chosen = request.POST.getlist("protocol")
    error = ""
    if request.method == "POST":
        made = service.draft_shipped_protocols(chosen, by=staff(request), now=timezone.now())
        if made:
            what = "1 draft exists" if len(made) == 1 else f"{len(made)} drafts exist"
            messages.success(request, f"{what}. Waits for a clinician: nobody can plan with it before it is published.")
            return redirect("courses:protocols")
        error = "Nothing was chosen. Tick at least one protocol."
    rows = service.templates_left()
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    context = {"rows": rows, "chosen": chosen, "error": error}
    return render(request, "courses/protocols_shipped.html", context, status=status)


@requires(Can.EDIT_PROTOCOL)
@require_POST
def protocol_draft(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The next version begins as a copy of this one."""
    version = get_object_or_404(VERSIONS, pk=pk)
    draft = service.draft_from(version, by=staff(request), now=timezone.now())
    return redirect("courses:protocol_edit", draft.pk)


@requires(Can.EDIT_PROTOCOL)
@require_http_methods(["GET", "POST"])
def protocol_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A draft is written; what its numbers mean stands beside them."""
    draft = get_object_or_404(VERSIONS, pk=pk)
    if draft.status != VersionStatus.DRAFT:
        messages.warning(request, "This version is published and does not change. Start its next version instead.")
        return redirect("courses:protocol", draft.pk)
    if request.method == "GET":
        return _edit_page(request, draft, VersionForm(instance=draft), _steps_form(draft))
    form, steps = VersionForm(request.POST, instance=draft), StepFormSet(request.POST, prefix="steps")
    if "more" in request.POST:
        return _edit_page(request, draft, form, _with_blank_row(request))
    if form.is_valid() and steps.is_valid():
        try:
            service.save_draft(draft.pk, values=form.cleaned_data, steps=_step_values(steps), by=staff(request))
        except service.ProtocolStateError as refused:
            messages.error(request, str(refused))
            return redirect("courses:protocols")
        except ValidationError as refused:
            for sentence in refused.messages:
                form.add_error(None, sentence)
        else:
            messages.success(request, "The draft is saved.")
            return redirect("courses:protocol", draft.pk)
    return _edit_page(request, draft, form, steps, status=422)


@requires(Can.EDIT_PROTOCOL)
@require_POST
def protocol_meaning(request: HttpRequest, pk: int) -> HttpResponse:
    """What the numbers typed so far mean; nothing is saved."""
    draft = get_object_or_404(VERSIONS, pk=pk)
    form, steps = VersionForm(request.POST, instance=draft), StepFormSet(request.POST, prefix="steps")
    return render(request, "courses/_protocol_meaning.html", {"meaning": _meaning(form, steps)})


@requires(Can.APPROVE_PROTOCOL)
@require_POST
def protocol_publish(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A clinician puts the draft into use."""
    draft = get_object_or_404(VERSIONS, pk=pk)
    try:
        service.publish(pk, by=staff(request), now=timezone.now())
    except (service.ProtocolStateError, ValidationError) as refused:
        messages.error(request, " ".join(getattr(refused, "messages", [str(refused)])))
    else:
        said = f"Version {draft.number} of “{draft.title}” is in use from now on. Running courses keep theirs."
        messages.success(request, said)
    return redirect("courses:protocol", pk)


@requires(Can.APPROVE_PROTOCOL)
@require_POST
def protocol_retire(request: HttpRequest, pk: int) -> HttpResponseBase:
    """New courses cannot choose the version any more."""
    version = get_object_or_404(VERSIONS, pk=pk)
    try:
        service.retire(pk, by=staff(request))
    except service.ProtocolStateError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"“{version.title}” is retired. Running courses keep it; new ones cannot choose it.")
    return redirect("courses:protocol", pk)


@requires(Can.EDIT_PROTOCOL)
@require_POST
def protocol_discard(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The draft is thrown away."""
    get_object_or_404(VERSIONS, pk=pk)
    try:
        service.discard_draft(pk, by=staff(request))
    except service.ProtocolStateError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "The draft is discarded. The version in use has not changed.")
    return redirect("courses:protocols")


def _edit_page(
    request: HttpRequest,
    draft: ProtocolVersion,
    form: VersionForm,
    steps: Any,  # noqa: ANN401 (a formset class made by a factory)
    *,
    status: int = 200,
) -> HttpResponse:
    if form.is_bound:
        meaning = _meaning(form, steps)
        draft = VERSIONS.get(pk=draft.pk)  # a bound form has written the refused values onto its own copy
    else:
        meaning = facts.meaning_of_version(draft)
    context = {"version": draft, "form": form, "steps": steps, "meaning": meaning}
    return render(request, "courses/protocols_edit.html", context, status=status)


def _steps_form(draft: ProtocolVersion) -> Any:  # noqa: ANN401 (a formset class made by a factory)
    return StepFormSet(initial=facts.step_values_of(draft), prefix="steps")


def _with_blank_row(request: HttpRequest) -> Any:  # noqa: ANN401
    """The rows as typed and one more, for browsers without JavaScript too."""
    data = request.POST.copy()
    count = int(data.get("steps-TOTAL_FORMS") or 0)
    data["steps-TOTAL_FORMS"] = str(min(count + 1, 12))
    data.setdefault(f"steps-{count}-first_gap", "own")
    return StepFormSet(data, prefix="steps")


def _step_values(steps: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """The rows that were filled in and not taken out, as the service wants them."""
    kept = [form.cleaned_data for form in steps.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
    return [{name: row[name] for name in STEP_FIELDS} for row in kept if row.get("count")]


def _meaning(form: VersionForm, steps: Any) -> facts.Meaning | None:  # noqa: ANN401
    """What the typed numbers mean; nothing while a number is missing."""
    form.is_valid()
    needed = ("n_min", "n_default", "n_max", "span_warn_days", "preparation_min", "infusion_min", "observation_min")
    values = getattr(form, "cleaned_data", {})
    if not steps.is_valid() or any(name not in values for name in (*needed, "turnaround_min")):
        return None
    return facts.meaning_of({"decision_points": [], **values}, _step_values(steps))
