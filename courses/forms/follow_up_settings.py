"""The shape of how a location follows its courses; and of the rule for boosters, which a course may have of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from courses.models import CourseBoosterRule, FollowUpSettings
from patients.pure.intake_limits import OURS, Limit

RULE_LIMITS: dict[str, Limit] = {
    "score_from": Limit(10, 1, 27, "points", "PHQ-9; empty: not asked. Asks only where the score had been lower."),
    "gain_lost_percent": Limit(50, 1, 100, "%", "From the end of the series back to the baseline; empty: not asked."),
    "readings": Limit(2, 1, 5, "readings", "Two, as for a relapse."),
    "apart_days": Limit(5, 0, 60, "days", "As for a relapse."),
}
LIMITS: dict[str, Limit] = {
    "weekly_weeks": Limit(4, 0, 26, "weeks", "No published source fixes it; 0 leaves it out."),
    "follow_until_day": Limit(83, 7, 730, "days", "The longest follow-up of a trial (P1)."),
    "grace_days": Limit(2, 0, 30, "days", OURS),
    "bladder_days": Limit(30, 7, 365, "days", "At every visit or monthly is usual."),
    "cognition_months": Limit(6, 1, 36, "months", OURS),
    "cognition_infusions": Limit(12, 1, 60, "infusions", "Whichever comes first."),
    "many_infusions": Limit(12, 1, 60, "infusions", OURS),
    "many_months": Limit(12, 1, 60, "months", OURS),
    "review_months": Limit(3, 1, 24, "months", OURS),
    "reconsent_months": Limit(12, 1, 36, "months", OURS),
    "expiring_days": Limit(14, 1, 90, "days", OURS),
    "offer_min": Limit(120, 5, 2880, "minutes", OURS),
}
"""Source: clinical.md E4, F1, P1 for where a number comes from; none of them demands it, so all are [D]."""
LABELS = {
    "is_on": "Watch the scores and ask about boosters",
    "score_from": "Score back at or above",
    "gain_lost_percent": "Of the gain lost",
    "readings": "Readings in a row",
    "apart_days": "Readings apart, at least",
    "weekly_weeks": "Weekly follow-up after the series",
    "follow_until_day": "Then every 2 weeks, until day",
    "grace_days": "A measure is overdue after",
    "bladder_days": "Bladder and cravings are asked about every",
    "cognition_months": "Cognition is looked at every",
    "cognition_infusions": "… or every",
    "many_infusions": "The number of infusions is looked at every",
    "many_months": "… counted over",
    "review_months": "Maintenance is reviewed every",
    "reconsent_months": "Consent is renewed every",
    "expiring_days": "Warn before something expires",
    "offer_min": "An offered time is kept open",
}
UNIT_SAID = frozenset({"readings", "follow_until_day"})
RULE = ("is_on", "score_from", "gain_lost_percent", "readings", "apart_days")
GROUPS = (
    ("Boosters", RULE),
    ("Questionnaires after the series", ("weekly_weeks", "follow_until_day", "grace_days")),
    (
        "Long-term checks",
        ("bladder_days", "cognition_months", "cognition_infusions", "many_infusions", "many_months"),
    ),
    ("Maintenance and consent", ("review_months", "reconsent_months", "expiring_days")),
    ("Waiting list", ("offer_min",)),
)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    fields: list[forms.BoundField]


def _number(name: str, limit: Limit, *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(
        label=LABELS[name] if name in UNIT_SAID else f"{LABELS[name]} ({limit.unit})",
        min_value=limit.least,
        max_value=limit.most,
        required=required,
        help_text=f"Shipped: {limit.default} {limit.unit}. {limit.source}",
    )


def _add_numbers(form: forms.ModelForm, limits: Mapping[str, Limit]) -> None:
    for name, limit in limits.items():
        form.fields[name] = _number(name, limit, required=name not in {"score_from", "gain_lost_percent"})


class FollowUpSettingsForm(forms.ModelForm):
    """All of it at one location. ``expected`` tells whether somebody else saved in between."""

    expected = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    class Meta:
        model = FollowUpSettings
        fields = tuple(name for _, names in GROUPS for name in names)
        labels = LABELS
        help_texts = {"is_on": "Shipped: on. A person decides; the rule only asks."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _add_numbers(self, RULE_LIMITS | LIMITS)

    def groups(self) -> Iterator[Group]:
        for title, names in GROUPS:
            yield Group(title, [self[name] for name in names])


class CourseRuleForm(forms.ModelForm):
    """A booster rule of one course, with the reason."""

    expected = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)
    reason = forms.CharField(
        label="Reason",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It stays with the course, with your name.",
        error_messages={"required": "Give the reason; it stays with the course."},
    )

    class Meta:
        model = CourseBoosterRule
        fields = RULE
        labels = LABELS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _add_numbers(self, RULE_LIMITS)

    def rule_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in RULE]


class AskForm(forms.Form):
    """Why somebody asks for a booster, or why there is none."""

    reason = forms.CharField(
        label="Reason",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why; it stays with the booster as “why now”."},
    )
