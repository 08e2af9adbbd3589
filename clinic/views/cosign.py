"""The fields ``second`` and ``second_password`` of a form that two people sign at one device (_parts/_cosign.html)."""

from __future__ import annotations

from django.http import HttpRequest

from clinic.edge.access import staff
from clinic.edge.limits import is_over_limit, over_limit
from clinic.edge.numbers import number_in
from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.cosign import CosignError, confirm_second

RATE = "10/10m"
"""Wrong passwords for one person; a clinic setting of the software's own making."""
TOO_MANY = "Too many wrong passwords. Wait ten minutes, or ask somebody else."


def second_person(request: HttpRequest, needs: Can) -> User:
    """Who signed as the second person.

    Raises:
        CosignError: see ``clinic.services.cosign``; or too many wrong passwords were given for this person.
    """
    user_id = number_in(request.POST.get("second"))
    counted = {"group": "second person", "rate": RATE, "key": str(user_id)}
    if is_over_limit(request, **counted):  # also the right one, else guessing would go on
        raise CosignError(TOO_MANY)
    try:
        return confirm_second(
            user_id=user_id, password=request.POST.get("second_password", ""), needs=needs, besides=staff(request)
        )
    except CosignError:
        if over_limit(request, **counted):
            raise CosignError(TOO_MANY) from None
        raise
