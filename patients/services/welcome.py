"""The first steps of a new clinic that belong to patients: how they ask for a consultation, what is sent."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q
from django.urls import reverse

from clinic.models import Location
from clinic.services.welcome import BEFORE_A_PLACE, Facts, Step
from patients.models import IntakeSettings


def _wording(facts: Facts, place: Location) -> dict[str, Any]:
    """Whether intake was saved at the location, and how many rules are on there. One query for both steps."""
    if "wording" not in facts.read:
        saved = Exists(IntakeSettings.objects.filter(location=OuterRef("pk")))
        rules = Count("message_rules", filter=Q(message_rules__is_on=True))
        row = Location.objects.filter(pk=place.pk).annotate(intake=saved, rules=rules)
        facts.read["wording"] = row.values("intake", "rules").get()
    found: dict[str, Any] = facts.read["wording"]
    return found


def intake_step(facts: Facts) -> Step:
    """Without words of their own the shipped ones are shown, so nothing waits for it."""
    place = facts.place
    is_done = place is not None and _wording(facts, place)["intake"]
    said = BEFORE_A_PLACE if place is None else "Read and saved." if is_done else "The shipped words are shown."
    return Step(
        key="intake",
        title="Intake",
        text="What people read who ask for a consultation, whom it may be for, prices, and your consent text.",
        said=said,
        url=reverse("intake:settings", args=[place.pk]) if place else "",
        is_done=is_done,
        is_needed=False,
    )


def messages_step(facts: Facts) -> Step:
    """Rules come with Cadence; what a manager has to see to is that texts can go out at all."""
    place = facts.place
    count = _wording(facts, place)["rules"] if place else 0
    texts = "e-mail and text messages" if settings.TWILIO_ACCOUNT_SID else "e-mail only, no text messages are set up"
    said = BEFORE_A_PLACE if place is None else f"{count} rules are on; {texts}." if count else "Read them once."
    return Step(
        key="messages",
        title="Messages",
        text="Which reminders go out, when, and in which words. They come with Cadence; read them first.",
        said=said,
        url=reverse("rules:list", args=[place.pk]) if place else "",
        is_done=count > 0,
        is_needed=False,
    )
