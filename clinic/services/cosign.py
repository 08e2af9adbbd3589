"""A second person at the same device: who it may be, and proof that it is them, without signing the first one out."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password

from clinic.models import User
from clinic.pure.roles import PERMISSIONS, Can


class CosignError(Exception):
    """The second person was not confirmed; the text says what to do."""


def second_people(needs: Can, *, besides: User) -> list[User]:
    """Everybody but ``besides`` who may do this, by name."""
    roles = [role.value for role in PERMISSIONS[needs]]
    rows = User.objects.filter(is_active=True, roles__overlap=roles).exclude(pk=besides.pk)
    return list(rows.order_by("last_name", "first_name", "pk"))


def confirm_second(*, user_id: int | None, password: str, needs: Can, besides: User) -> User:
    """The second person, who gave their own password.

    Raises:
        CosignError: nobody was named, it is the same person, they may not do this, or the password is wrong.
    """
    if user_id == besides.pk:
        raise CosignError("The second person must be somebody else than the first.")
    person = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    if person is None or not person.can(needs):
        make_password(password)  # so that a name that does not count takes as long as one that does
        raise CosignError("Choose the second person, who then gives their own password.")
    if not person.check_password(password):
        raise CosignError(f"This is not the password of {person.display_name}. Nothing was saved.")
    return person
