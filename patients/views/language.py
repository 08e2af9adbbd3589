"""The language of a public page: what was chosen on it, else what is known of its reader.

Behind a link a record stands, and its language counts until somebody presses another one. Where no record stands, the
browser is asked. A choice travels in the address ("?lang=es"): it needs no cookie and leaves none on a shared device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation.trans_real import parse_accept_lang_header

from patients.services.languages import ENGLISH, languages, own_names, speaking

PARAMETER = "lang"
SWITCH = "switch"
"""The button of a form that asks for the same page in another language, with what was typed still in it."""
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


def is_switch(request: HttpRequest) -> bool:
    """Whether a form was sent only to see it in another language: nothing is done with it, and nothing is lost."""
    return request.method == "POST" and SWITCH in request.POST


def kept(request: HttpRequest) -> str:
    """What the next address ends with, so that a choice goes along: "?lang=es", or nothing."""
    code = chosen_language(request)
    return f"?{PARAMETER}={code}" if code else ""


def onward(request: HttpRequest, name: str, *args: Any, **said: str) -> HttpResponseRedirect:
    """To another page of ours, in the language that was chosen; ``said`` goes along, as far as it says anything."""
    code = chosen_language(request)
    carried = {key: value for key, value in said.items() if value} | ({PARAMETER: code} if code else {})
    return HttpResponseRedirect(reverse(name, args=args) + (f"?{urlencode(carried)}" if carried else ""))


def switch_of(request: HttpRequest) -> dict[str, Any]:
    """The languages other than the one that is spoken now, to press, and what goes along with each address on the page.

    ``kept`` begins a query, ``kept_more`` goes on with one.
    """
    spoken = get_language()
    others = [(code, name) for code, name in own_names().items() if code != spoken]
    return {"other_languages": others, "kept": kept(request), "kept_more": kept(request).replace("?", "&")}


def in_asked_language(view: View) -> View:
    """The page is made in the language of `language_of`."""

    @wraps(view)
    def spoken(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with speaking(language_of(request)):
            answer = view(request, *args, **kwargs)
        patch_vary_headers(answer, ["Accept-Language"])
        return answer

    return spoken
