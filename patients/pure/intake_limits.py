"""The numbers that a location decides about its intake: their bounds, what is shipped, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One number. ``is_setting``: no published source gives it, it is the clinic's own choice ([D] in clinical.md)."""

    default: int
    least: int
    most: int
    unit: str
    source: str
    is_setting: bool = True


OURS = "No published source gives this number."
LIMITS: dict[str, Limit] = {
    "consultation_min": Limit(60, 5, 480, "minutes", OURS),
    "decision_valid_days": Limit(90, 1, 3650, "days", OURS),
    "consent_valid_days": Limit(365, 1, 3650, "days", OURS),
    "baseline_max_age_days": Limit(14, 1, 365, "days", "The usual baseline of the measures in use (E4, F1)."),
    "pressure_max_age_days": Limit(30, 1, 365, "days", OURS),
    "pregnancy_test_max_age_days": Limit(7, 1, 365, "days", OURS),
    "benzodiazepine_limit_mg": Limit(
        8, 1, 200, "mg a day", "Above 8 mg fewer patients responded (P29).", is_setting=False
    ),
    "substance_window_months": Limit(3, 1, 24, "months", "Trials: 3 months (E1, E6), or 2 and 6 by severity (E5)."),
    "pencil_hours": Limit(48, 0, 720, "hours", OURS),
    "escalate_after_min": Limit(30, 1, 1440, "minutes", OURS),
    "link_valid_days": Limit(7, 1, 90, "days", OURS),
    "link_change_hours": Limit(24, 0, 336, "hours", OURS),
}
"""Source: clinical.md C2 (P29), E4, F1; the others are [D]."""
CURRENCIES = ("USD", "CAD", "EUR", "GBP", "AUD", "CHF")
