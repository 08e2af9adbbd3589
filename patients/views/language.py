"""The language of a public page behind which no record stands: what was chosen on it, else what the browser asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from patients.services.languages import ENGLISH, languages, own_names, speaking

PARAMETER = "lang"
View = Callable[..., HttpResponseBase]


def chosen_language(request: HttpRequest) -> str:
    """The language that somebody pressed on the page; empty when they did not."""
    code = request.GET.get(PARAMETER, "")
    return code if code in languages() else ""


def language_of(request: HttpRequest) -> str:
    """What was chosen, else the first language of the browser that we speak, else English."""
    wanted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    codes = (part for code, _ in wanted for part in (code, code.partition("-")[0]))
    return chosen_language(request) or next((code for code in codes if code in languages()), ENGLISH)


def kept(request: HttpRequest) -> str:
    """What the next address ends with, so that a choice goes along: "?lang=es", or nothing."""
    code = chosen_language(request)
    return f"?{PARAMETER}={code}" if code else ""


def switch_of(request: HttpRequest) -> dict[str, Any]:
    """The other languages of a page, to press, and what goes along with every address on it."""
    spoken = language_of(request)
    others = [(code, name) for code, name in own_names().items() if code != spoken]
    return {"other_languages": others, "kept": kept(request)}


def in_asked_language(view: View) -> View:
    """The page is made in the language of `language_of`."""

    @wraps(view)
    def spoken(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with speaking(language_of(request)):
            answer = view(request, *args, **kwargs)
        patch_vary_headers(answer, ["Accept-Language"])
        return answer

    return spoken
