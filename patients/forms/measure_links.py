"""Which questionnaires a patient is asked to fill in."""

from __future__ import annotations

from django import forms

from patients.pure.measures import sendable_measures


class SendForm(forms.Form):
    """At least one of the questionnaires that a patient may fill in alone."""

    measures = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choose at least one questionnaire.",
            "invalid_choice": "This questionnaire cannot be filled in by a patient alone.",
        },
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["measures"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 (for the type checker)
        field.choices = [(one.code, one.name) for one in sendable_measures()]
