"""How django-allauth serves this house: nobody signs up, a manager adds people, a role may demand a second factor."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, Func, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.module_loading import import_string

from clinic.models import RolePolicy, User

STRONG_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What counts as a second factor; recovery codes only stand in for one of these."""


FIRST_PAGE = "clinic.services.welcome.first_page"
"""As a string: what a clinic still lacks is judged by services."""


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in for staff whom a manager has added."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": (
            "Sign-in is locked for 15 minutes, because a wrong password was given too often. "
            "Wait, or ask a manager for a new password link."
        ),
        "username_password_mismatch": "This user name and password do not belong together. Check both and try again.",
        "email_password_mismatch": "This e-mail address and password do not belong together. Check both and try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 (allauth's signature)
        """False: no address of the product lets a stranger make an account."""
        return False

    def post_login(
        self,
        request: HttpRequest,
        user: User,
        **kwargs: Any,
    ) -> HttpResponse:
        """Where every sign-in ends: a manager of a clinic that is not set up yet is led to its first steps."""
        answer: HttpResponse = super().post_login(request, user, **kwargs)
        if answer.headers.get("Location") == resolve_url(settings.LOGIN_REDIRECT_URL):
            first = import_string(FIRST_PAGE)(user, now=timezone.now())
            answer.headers["Location"] = first or answer.headers["Location"]
        return answer


class StaffBackend(AuthenticationBackend):
    """allauth's way to check a password; each request's user also knows whether a second factor is still due."""

    def get_user(self, user_id: Any) -> User | None:  # noqa: ANN401 (Django's signature)
        """The active user with ``needs_second_factor`` and ``reach``, in the one query that a request makes anyway."""
        user = with_second_factor(User.objects.with_reach().filter(pk=user_id)).first()
        return user if user is not None and self.user_can_authenticate(user) else None


def with_second_factor(users: QuerySet[User]) -> QuerySet[User]:
    """Each user with ``has_second_factor`` and ``needs_second_factor``: a role held demands one and none is set up."""
    is_own = Func(
        F("role"), OuterRef("roles"), template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField()
    )
    demanded = Exists(RolePolicy.objects.filter(is_own, requires_second_factor=True))
    held = Exists(Authenticator.objects.filter(user=OuterRef("pk"), type__in=STRONG_TYPES))
    return users.annotate(
        has_second_factor=held,
        needs_second_factor=ExpressionWrapper(demanded & ~held, output_field=BooleanField()),
    )
