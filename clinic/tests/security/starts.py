"""Where a walk over the product begins: every address that needs no parameter, and one of each that the data has."""

from __future__ import annotations

from django.urls import reverse

from clinic.tests.web.addresses import every_address


def starts() -> list[str]:
    """Addresses without parameters; what needs one is found through their links."""
    simple = (one for one in every_address() if one.name and not one.parameters and one.name != "closed")
    return [reverse(address.name) for address in simple]
