"""A small clinic with a little of everything: what backup, restore and upgrade are tried on."""

from __future__ import annotations

from dataclasses import dataclass

from courses.tests.day_kit import BEFORE, Day
from courses.tests.messages_kit import told_clinic, told_series
from courses.tests.series_kit import Booked
from courses.tests.sign_kit import signed
from patients.models import Consent, Message
from patients.services.messages.planning import sweep
from patients.tests.factories import make_patient


@dataclass(frozen=True)
class SmallClinic:
    """Rosa's first infusion of 5 April 2027 is signed, her others are booked; Ada's series is booked and announced."""

    day: Day
    booked: Booked


def make_small_clinic() -> SmallClinic:
    """One location with its rules, two series, an infusion with drug log and signature, reminders in the outbox."""
    clinic = told_clinic(BEFORE)
    rosa = make_patient("Rosa", "Vidal", phones=["+12125550111"], emergency_name="Jordan Fictional")
    day = signed(clinic=clinic, patient=rosa)
    booked = told_series(BEFORE, clinic=clinic)
    sweep(now=BEFORE)
    assert Message.objects.exists()
    assert Consent.objects.exists()
    return SmallClinic(day, booked)
