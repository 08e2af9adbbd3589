"""The shape of a tick and of a discharge. Whether somebody may leave, the service knows."""

from __future__ import annotations

from django import forms

from courses.models import InstructionsWay
from courses.pure.leaving import LONGEST_NAME, TICKS


class TickForm(forms.Form):
    """One criterion that a person answers; ``base`` is the fingerprint of what the page had shown."""

    item = forms.ChoiceField(choices=[(one, one) for one in TICKS])
    value = forms.CharField(max_length=LONGEST_NAME, required=False)
    base = forms.CharField(max_length=64)


class DischargeForm(forms.Form):
    """How the instructions were given."""

    use_required_attribute = False

    way = forms.ChoiceField(
        choices=InstructionsWay.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Say how the instructions were given."},
    )

    def without_message(self) -> DischargeForm:
        """As shown for a patient who agreed to neither text nor e-mail."""
        way = self.fields["way"]
        assert isinstance(way, forms.ChoiceField)  # noqa: S101 (for the type checker)
        way.choices = [choice for choice in InstructionsWay.choices if choice[0] != InstructionsWay.SENT]
        return self


class HospitalForm(forms.Form):
    """Who took over."""

    taken_over_by = forms.CharField(
        max_length=LONGEST_NAME, error_messages={"required": "Who took over: the crew or the person, in a few words."}
    )
