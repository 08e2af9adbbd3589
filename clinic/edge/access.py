"""The doorman: which page asks for which capability."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from clinic.edge.htmx import details
from clinic.edge.sessions import to_sign_in
from clinic.models import User
from clinic.pure.roles import Can

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def requires(*capabilities: Can) -> Callable[[View], View]:
    """Only signed-in people who hold one of ``capabilities`` reach the view.

    Others get the sign-in page (signed out) or 403 (signed in). The capabilities are left on the view as
    ``view.capabilities``: the permission test walks every address by them, and an address without any fails that test.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _sign_in_first(request)
            user = staff(request)
            if not any(user.can(capability) for capability in capabilities):
                raise PermissionDenied("Your role does not include this page.")
            return view(request, *args, **kwargs)

        guarded.capabilities = frozenset(capabilities)  # type: ignore[attr-defined]
        return cast("View", guarded)

    return decorate


def _sign_in_first(request: HttpRequest) -> HttpResponseBase:
    """The sign-in page and back here; for an action or a piece of a page back to the page that it was on."""
    if request.method == "GET" and not details(request):
        return redirect_to_login(request.get_full_path())
    return to_sign_in(request, why="out")


def staff(request: HttpRequest) -> User:
    """The signed-in person, typed."""
    return cast("User", request.user)
