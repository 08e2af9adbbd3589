"""The shape of a wish for a monthly e-mail about a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

LONGEST = 600


class MailForm(forms.Form):
    """The report and whose first of the month; the filters come along unseen."""

    report = forms.ChoiceField(label="Report")
    location = forms.ChoiceField(
        label="On the clocks of", help_text="The e-mail leaves there on the first of each month from 08:00."
    )
    query = forms.CharField(required=False, max_length=LONGEST, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        kinds: Sequence[tuple[str, str]],
        places: Sequence[tuple[int, str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["report"].choices = list(kinds)  # type: ignore[attr-defined]
        self.fields["location"].choices = [(str(pk), name) for pk, name in places]  # type: ignore[attr-defined]
