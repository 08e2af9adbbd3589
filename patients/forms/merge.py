"""What a merge accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms


class MergeForm(forms.Form):
    """For each difference the side whose value stays, and why the two are one person."""

    reason = forms.CharField(
        max_length=200,
        label="How do you know that both are the same person?",
        help_text="For example: same insurance card; asked the patient.",
    )

    def __init__(self, *args: Any, differing: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """Args: differing: (name of the field, suggested side) for every field in which the records differ."""
        super().__init__(*args, **kwargs)
        for name, suggested in differing:
            sides = [("kept", "kept"), ("duplicate", "duplicate")]
            self.fields[f"take_{name}"] = forms.ChoiceField(choices=sides, initial=suggested)

    def taken(self) -> list[str]:
        """Fields whose value comes from the duplicate."""
        return [
            name.removeprefix("take_")
            for name, side in self.cleaned_data.items()
            if name.startswith("take_") and side == "duplicate"
        ]
