"""Taking a device back that was handed to a patient."""

from __future__ import annotations

from allauth.core import ratelimit
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from clinic.edge.access import staff
from clinic.edge.handover import handed_over_to, take_back
from clinic.edge.links import own_page
from clinic.edge.sessions import mark_activity

WRONG = "This is not the password of {name}. Try again, or sign out."
LOCKED = "A wrong password was given too often. Wait 15 minutes, or sign out and sign in again."


@never_cache
@require_http_methods(["GET", "POST"])
def handover(request: HttpRequest) -> HttpResponseBase:
    """The only page of a handed-over session outside its place: back to it, or the password of whoever handed it over.

    Asks for no capability: somebody whose roles were taken away meanwhile must still be able to sign out here.
    """
    home = handed_over_to(request)
    if not home:
        return redirect("/")
    if request.method == "GET":
        return render(request, "clinic/handover.html", {"home": home})
    if "sign_out" in request.POST:
        logout(request)
        return redirect("account_login")
    if problem := _password_problem(request):
        return render(request, "clinic/handover.html", {"home": home, "problem": problem}, status=422)
    back = take_back(request)
    mark_activity(request)
    return redirect(own_page(request, back))


def _password_problem(request: HttpRequest) -> str:
    """Why the device stays locked; empty when the password is right. As many tries as at sign-in."""
    if not request.user.is_authenticated:
        return "You were signed out meanwhile. Sign out here, then sign in again."
    person = staff(request)
    key = f"handover-{person.pk}"
    if not ratelimit.consume(request, action="leave_handover", key=key):
        return LOCKED
    if not person.check_password(request.POST.get("password", "")[:4096]):
        return WRONG.format(name=person.get_full_name() or person.username)
    ratelimit.clear(request, action="leave_handover", key=key)
    return ""
