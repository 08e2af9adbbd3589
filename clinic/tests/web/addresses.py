"""Every address of the product, and what to fill into those that name a thing.

A new address with a parameter needs a line in ``EXAMPLES``; the permission test says so when it meets one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

from clinic.models import Booking, BookingKind, Closure, ShiftException
from clinic.tests.factories import Clinic, make_absence, make_clinic, make_closure
from patients.models import Patient
from patients.tests.factories import make_patient

NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)

PUBLIC: dict[str, str] = {
    r"account_.*": "django-allauth: signing in and out, one's own password; it guards its own pages",
    r"mfa_.*": "django-allauth: one's own second factor; it asks for sign-in itself (tested in test_sign_in)",
    r"handover": "shows only that the device is with a patient; leaving asks for a password (test_handover)",
    r"usersessions_list": "django-allauth: one's own sessions; it asks for sign-in itself",
    r"closed": "answers 404 to everybody: sign-up and the like, which allauth offers and this house does not",
    r"public:questionnaire.*": "a patient has no account; a signed one-use link is the key (test_questionnaire)",
    r"public:request.*": "people who ask for a consultation have no account; limits, signed form, no data shown",
    r"public:visit_.*": "a patient has no account; a signed link for one purpose is the key (test_visit_link)",
    r"offer:offer": "a patient has no account; a signed link is the key, and looking accepts nothing (test_offer_public)",
    r"hooks:.*": "providers of messages cannot sign in; their signature is the key (test_message_hooks)",
    r"courses:feed": "a calendar program cannot sign in; the address carries a secret token and shows no patient",
}
"""Addresses that ask for no capability, with the reason. Anything else needs ``@requires(Can.…)``."""

NARROWER: dict[str, str] = {
    r"reports:(page|list|index|save|file)": "which report decides: each kind names its own capability (test_report_pages)",
    r"courses:end_infusion": "what is done decides: its own table of capabilities by act is tested with the moves",
}
"""Addresses whose view asks for more than ``view.capabilities`` say, with the reason. Who lacks all of those is still refused."""


@dataclass(frozen=True)
class World:
    """One of each thing that an address may name."""

    clinic: Clinic
    patient: Patient
    booking: Booking
    closure: Closure
    exception: ShiftException


def make_world() -> World:
    clinic = make_clinic()
    patient = make_patient()
    span = (clinic.location.at(date(2027, 1, 7), OPENS), clinic.location.at(date(2027, 1, 7), CLOSES))
    booking = Booking.objects.create(
        kind=BookingKind.CONSULTATION, location=clinic.location, subject=patient.resource, span=span, created_at=NOW
    )
    return World(
        clinic=clinic,
        patient=patient,
        booking=booking,
        closure=make_closure(clinic.location, date(2027, 2, 15)),
        exception=make_absence(clinic.nurse, date(2027, 2, 16)),
    )


OPENS, CLOSES = datetime.min.time().replace(hour=10), datetime.min.time().replace(hour=12)
MISSING = 987_654_321
"""For things that take much to make: nobody may reach such an address who lacks the capability, whether it exists or not."""

# name of the address (a pattern) and parameter -> what to fill in. The first line that fits is taken.
EXAMPLES: tuple[tuple[str, str, Callable[[World], Any]], ...] = (
    (
        r"setup:(location.*|station_add|opening_hours|closures|closure_add|holidays|choose_location)",
        "pk",
        lambda w: w.clinic.location.pk,
    ),
    (r"setup:welcome_step", "key", lambda _: "location"),
    (r"setup:station_.*", "pk", lambda w: w.clinic.chairs[0].pk),
    (r"setup:closure(_delete)?", "pk", lambda w: w.closure.pk),
    (r"setup:exception_delete", "pk", lambda w: w.exception.pk),
    (r"setup:(look_at|close_record)", "pk", lambda _: MISSING),
    (r"setup:open_record", "subject_id", lambda w: w.patient.resource_id),
    (r"setup:.*", "pk", lambda w: w.clinic.nurse.pk),
    (r"setup:.*", "location_pk", lambda w: w.clinic.location.pk),
    (r"patients:merge_undo", "pk", lambda _: MISSING),
    (r"patients:import.*", "pk", lambda _: MISSING),
    (r"alerts:.*", "pk", lambda _: MISSING),
    (r"measures:revoke_link", "link_id", lambda _: MISSING),
    (r"measures:(send|send_message|hand_over|revoke_link|patient|trend|entry)", "pk", lambda w: w.patient.pk),
    (r"measures:(result|strike)", "pk", lambda _: MISSING),
    (r"measures:.*", "measure", lambda _: "phq9"),
    (r"patients:.*", "pk", lambda w: w.patient.pk),
    (r"consents:.*", "pk", lambda w: w.patient.pk),
    (r"consents:.*", "consent_id", lambda _: MISSING),
    (r"consents:.*", "channel", lambda _: "sms"),
    (r"intake:.*", "location_pk", lambda w: w.clinic.location.pk),
    (r"retention:.*", "location_pk", lambda w: w.clinic.location.pk),
    (r"rules:.*", "location_pk", lambda w: w.clinic.location.pk),
    (r"rules:.*", "rule_id", lambda _: MISSING),
    (r"outbox:.*", "pk", lambda _: MISSING),
    (r"intake:(price|consent_text).*", "(price_id|text_id)", lambda _: MISSING),
    (r"intake:price_move", "direction", lambda _: "up"),
    (r"intake:(request.*|board.*)", "pk", lambda _: MISSING),
    (r"intake:(screening.*|decide|decision)", "pk", lambda _: MISSING),
    (r"intake:consultations", "pk", lambda w: w.patient.pk),
    (r"intake:consultation.*", "pk", lambda _: MISSING),
    (r"intake:consultation.*", "field", lambda _: "summary"),
    (r"intake:consultation.*", "section", lambda _: "condition"),
    (r"intake:(treatment|observation).*", "(treatment|record)_id", lambda _: MISSING),
    (r"intake:observation_strike", "kind", lambda _: "vitals"),
    (r"stock:.*", "(lot|discrepancy)_id", lambda _: MISSING),
    (r"infusion:stock.*", "draw_id", lambda _: MISSING),
    (r"infusion:effect.*", "effect_id", lambda _: MISSING),
    (r".*", "patient_id", lambda w: w.patient.pk),
    (r".*", "booking_id", lambda w: w.booking.pk),
    (r"patients:.*", "kind", lambda _: "problems"),
    (r"reports:.*", "kind", lambda _: "outcomes"),
    (r"reports:.*", "key", lambda _: "response"),
    (r"reports:.*", "(saved|mail)_id", lambda _: MISSING),
    (r"reports:.*", "suffix", lambda _: "csv"),
    (r".*", "how", lambda _: "cancel"),
    (r".*", "step", lambda _: "confirm"),
    (r".*", "token", lambda _: UUID(int=7)),
    (r"following:.*", "pk", lambda _: MISSING),
    (r"worklists:.*", "kind", lambda _: "review"),
    (r"(following|worklists):.*", "(.*_id|.*_pk)", lambda _: MISSING),
    (r"courses:.*", "(pk|number|.*_id|.*_pk)", lambda _: MISSING),
    (r"patients:.*", "(other_pk|.*_id|.*_pk)", lambda _: MISSING),
)


@dataclass(frozen=True)
class Address:
    """One pattern of the URL configuration. ``name`` is what ``reverse`` takes; ``route`` stands in when it has none."""

    name: str
    route: str
    parameters: tuple[str, ...]
    view: Callable[..., Any]

    def __str__(self) -> str:
        return self.name or self.route

    @property
    def public_because(self) -> str:
        return next((reason for pattern, reason in PUBLIC.items() if re.fullmatch(pattern, self.name)), "")

    @property
    def is_narrower(self) -> bool:
        return any(re.fullmatch(pattern, self.name) for pattern in NARROWER)

    @property
    def capabilities(self) -> frozenset[Any]:
        found: frozenset[Any] = getattr(self.view, "capabilities", frozenset())
        return found

    def kwargs(self, world: World) -> dict[str, Any]:
        """What to reverse the address with.

        Raises:
            LookupError: when no example fits, saying what to add where.
        """
        return {name: self._example(name)(world) for name in self.parameters}

    def _example(self, parameter: str) -> Callable[[World], Any]:
        for pattern, wanted, example in EXAMPLES:
            if re.fullmatch(pattern, self.name) and re.fullmatch(wanted, parameter):
                return example
        raise LookupError(
            f"No example for {parameter!r} of the address {self.name!r}: "
            "add a line to EXAMPLES in clinic/tests/web/addresses.py."
        )


def every_address() -> list[Address]:
    """All of them, also those inside ``include``."""
    return list(_walk(get_resolver().url_patterns))


def _walk(
    patterns: Any, *, namespaces: tuple[str, ...] = (), route: str = "", given: tuple[str, ...] = ()
) -> Iterator[Address]:
    """``given``: the parameters of the patterns that include these."""
    for pattern in patterns:
        here, parameters = route + str(pattern.pattern), (*given, *pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _walk(pattern.url_patterns, namespaces=inner, route=here, given=parameters)
        elif isinstance(pattern, URLPattern):
            name = ":".join((*namespaces, pattern.name)) if pattern.name else ""
            yield Address(name, here, parameters, pattern.callback)
