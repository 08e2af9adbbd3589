"""Set-up of consent texts: the versions of a location, the draft, what it changes, and publishing it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.models import Location
from clinic.pure.roles import Can
from patients.forms.intake_setup import ConsentTextForm
from patients.models import ConsentText
from patients.pure.consent_text import Piece, blocks_of, changes_between, missing_topics
from patients.services.consents import (
    ConsentTextStateError,
    StaleDraftError,
    discard_draft,
    publish_text,
    save_draft,
    seen,
    start_draft,
    text_before,
    texts_of,
)


@require_GET
@requires(Can.EDIT_INTAKE_SETTINGS)
def texts(request: HttpRequest, location_pk: int) -> HttpResponse:
    """Every version of the location, the draft first."""
    place = get_object_or_404(Location, pk=location_pk)
    rows = list(texts_of(place))
    context = {
        "place": place,
        "draft": next((row for row in rows if row.published_at is None), None),
        "published": [row for row in rows if row.published_at is not None],
        "tab": "texts",
    }
    return render(request, "patients/intake_setup/consent_texts.html", context)


@require_POST
@requires(Can.EDIT_INTAKE_SETTINGS)
def start(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """The draft of the next version: the one that is there, else a new one."""
    place = get_object_or_404(Location, pk=location_pk)
    draft = start_draft(location=place, by=staff(request), now=timezone.now())
    return go(request, "intake:consent_text", draft.pk)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_INTAKE_SETTINGS)
def text(request: HttpRequest, text_id: int) -> HttpResponseBase:
    """A draft with its preview and what it changes; a published version to read."""
    row = get_object_or_404(ConsentText.objects.select_related("location", "published_by"), pk=text_id)
    if request.method == "POST":
        return _save(request, row)
    if row.published_at is not None:
        return render(request, "patients/intake_setup/consent_text.html", _facts(row))
    return _draft_page(request, row, _form_of(row))


@require_POST
@requires(Can.EDIT_INTAKE_SETTINGS)
def publish(request: HttpRequest, text_id: int) -> HttpResponseBase:
    """From now on patients sign this version."""
    row = get_object_or_404(ConsentText.objects.select_related("location"), pk=text_id)
    try:
        published = publish_text(
            draft_id=text_id, expected=request.POST.get("expected", "")[:64], by=staff(request), now=timezone.now()
        )
    except (StaleDraftError, ConsentTextStateError) as refused:
        messages.error(request, str(refused))
        return go(request, "intake:consent_text", text_id)
    except ValidationError as refused:
        return _draft_page(request, row, _form_of(row), status=422, refusal=" ".join(refused.messages))
    messages.success(request, f"Version {published.version} is what patients at {row.location} sign from now on.")
    return go(request, "intake:consent_texts", row.location_id)


@require_POST
@requires(Can.EDIT_INTAKE_SETTINGS)
def discard(request: HttpRequest, text_id: int) -> HttpResponseBase:
    """The draft is thrown away."""
    row = get_object_or_404(ConsentText, pk=text_id)
    try:
        discard_draft(
            draft_id=text_id, expected=request.POST.get("expected", "")[:64], by=staff(request), now=timezone.now()
        )
    except (StaleDraftError, ConsentTextStateError) as refused:
        messages.error(request, str(refused))
        return go(request, "intake:consent_text", text_id)
    messages.success(request, "The draft is discarded. History keeps what it said.")
    return go(request, "intake:consent_texts", row.location_id)


# --- helpers of these views -------------------------------------------------------------------------------------------
def _save(request: HttpRequest, row: ConsentText) -> HttpResponseBase:
    form = ConsentTextForm(request.POST)
    if not form.is_valid():
        return _draft_page(request, row, form, status=422)
    title, body = form.cleaned_data["title"], form.cleaned_data["body"]
    try:
        save_draft(
            draft_id=row.pk,
            title=title,
            body=body,
            expected=form.cleaned_data["expected"],
            by=staff(request),
            now=timezone.now(),
        )
    except StaleDraftError as stale:
        again = ConsentTextForm(initial={"title": title, "body": body, "expected": seen(stale.current)})
        theirs = changes_between(stale.current.body, body)
        return _draft_page(request, row, again, status=409, theirs=theirs, their_title=stale.current.title)
    except ConsentTextStateError as refused:
        messages.error(request, str(refused))
        return go(request, "intake:consent_texts", row.location_id)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _draft_page(request, row, form, status=422)
    messages.success(request, "Saved. Patients see it only once it is published.")
    return go(request, "intake:consent_text", row.pk)


def _form_of(row: ConsentText) -> ConsentTextForm:
    return ConsentTextForm(initial={"title": row.title, "body": row.body, "expected": seen(row)})


def _draft_page(
    request: HttpRequest, row: ConsentText, form: ConsentTextForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = _facts(row) | {"form": form, "expected": seen(row), "missing": missing_topics(row.body)} | more
    return render(request, "patients/intake_setup/consent_draft.html", context, status=status)


def _facts(row: ConsentText) -> dict[str, Any]:
    """The text, readable, and what it changes in the version before."""
    before = text_before(row)
    changes = changes_between(before.body, row.body) if before else ()
    differs = any(span.kind != Piece.SAME for block in changes for span in block.spans)
    return {
        "place": row.location,
        "text": row,
        "blocks": blocks_of(row.body),
        "before": before,
        "changes": changes if differs else (),
    }
