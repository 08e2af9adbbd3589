"""What a location decides about its intake, with defaults where it has decided nothing yet."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from clinic.models import Location
from clinic.pure.words import translatable
from patients.models import IntakeSettings

WELCOME = translatable(
    "Tell us a little about yourself and how to reach you. Somebody from our team will call or write to you."
)
HOURS = translatable("We answer on working days, usually within one working day.")
PRIVACY = translatable(
    "What you write here goes to this clinic only, over an encrypted connection. Our front desk and clinicians read it "
    "to arrange your consultation. We sell nothing, show no advertising and send nothing to anybody else."
)
CRISIS = translatable(
    "If you are in danger now, call 911 or go to the nearest emergency department. "
    "You can call or text 988 (Suicide and Crisis Lifeline) at any hour."
)
DEFAULTS = {"welcome": WELCOME, "hours_text": HOURS, "privacy_note": PRIVACY, "crisis_text": CRISIS}


def intake_settings_of(location: Location) -> IntakeSettings:
    """The location's row, or an unsaved one with the defaults: asking writes nothing."""
    return IntakeSettings.objects.filter(location=location).first() or IntakeSettings(location=location, **DEFAULTS)


def public_settings_of(location: Location) -> IntakeSettings:
    """The same for pages that patients see: never without crisis lines, hours and a privacy note. Not to be saved.

    Our own words are those of the language in which the page is made; what a clinic wrote itself stays as it is.
    """
    return _spoken(worded(intake_settings_of(location)))


def usual_settings() -> IntakeSettings:
    """For a public page of no location in particular: our own words. Not to be saved."""
    return _spoken(worded(None))


def _spoken(shown: IntakeSettings) -> IntakeSettings:
    for name, text in DEFAULTS.items():
        if getattr(shown, name).strip() == text:
            setattr(shown, name, gettext_lazy(text))  # lazy: the page's language may be switched on later
    return shown


def worded(found: IntakeSettings | None) -> IntakeSettings:
    """``found`` with the default words where it has none of its own. Not to be saved."""
    shown = found or IntakeSettings()
    for name, text in DEFAULTS.items():
        if not getattr(shown, name).strip():
            setattr(shown, name, text)
    return shown
