"""Answers for htmx: which part of a page is wanted, and what else should happen in the browser."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event
from django_htmx.middleware import HtmxDetails

Response = TypeVar("Response", bound=HttpResponseBase)


def details(request: HttpRequest) -> HtmxDetails:
    return cast("HtmxDetails", request.htmx)  # type: ignore[attr-defined]


def is_fragment(request: HttpRequest) -> bool:
    """True when htmx wants a piece of the page; a boosted link or a history restore wants all of it."""
    htmx = details(request)
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def go(request: HttpRequest, to: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """Sends the browser to another page, whether htmx asked or a plain form did."""
    answer = redirect(to, *args, **kwargs)
    return HttpResponseClientRedirect(answer.url) if details(request) else answer


def announce(response: Response, event: str, **facts: Any) -> Response:
    """Neighbours on the page that listen for ``event`` refresh themselves."""
    return trigger_client_event(cast("HttpResponse", response), event, facts)  # type: ignore[return-value]
