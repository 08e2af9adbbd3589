"""What comes in from the screening page and from the page on which a decision is signed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from patients.models import DecisionOutcome, YesNo
from patients.models.background import INDICATION_CHOICES
from patients.pure.screening import BY_CODE, GROUPS, NO
from patients.pure.screening.decision import Judged

ANSWER, NOTE, BASE, BASE_NOTE = "answer-", "note-", "base-", "base-note-"
ALL_NO = "all_no"
LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Sent:
    """One question as the form sent it, with what the page had shown there."""

    value: str
    note: str
    base_value: str
    base_note: str


def sent_answers(data: QueryDict) -> dict[str, Sent]:
    """The questions that the form holds; what stands there but is no question or no answer is left out.

    The button "the rest: no" of a group answers what is still open in that group.
    """
    group = data.get(ALL_NO, "")
    return {code: _with_rest(code, sent, group) for code, sent in _sent(data)}


def _sent(data: QueryDict) -> Iterator[tuple[str, Sent]]:
    for name in data:
        code, value = name.removeprefix(ANSWER), str(data.get(name, ""))
        if name.startswith(ANSWER) and code in BY_CODE and value in YesNo.values:
            note = " ".join(data.get(NOTE + code, "").split())
            yield code, Sent(value, note, data.get(BASE + code, ""), data.get(BASE_NOTE + code, ""))


def _with_rest(code: str, sent: Sent, group: str) -> Sent:
    question = BY_CODE[code]
    is_open = question.group == group and question.raises != NO and sent.value == YesNo.UNKNOWN
    return Sent(YesNo.NO, sent.note, sent.base_value, sent.base_note) if is_open else sent


def group_of(data: QueryDict) -> str:
    """The group whose button was pressed, if there is such a group."""
    return next((group.code for group in GROUPS if group.code == data.get(ALL_NO)), "")


class DecisionForm(forms.Form):
    """The decision itself; the verdicts on the findings stand beside it, one by one (`judged`)."""

    indication = forms.ChoiceField(label="Decision about", choices=[("", "Choose a condition"), *INDICATION_CHOICES])
    outcome = forms.ChoiceField(
        label="Decision", choices=DecisionOutcome.choices, widget=forms.RadioSelect, required=False
    )
    conditions = forms.CharField(
        label="Conditions", required=False, max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 2})
    )
    reason = forms.CharField(
        label="Reason", required=False, max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 2})
    )
    profile = forms.SlugField(required=False, widget=forms.HiddenInput)
    confirmed = forms.BooleanField(error_messages={"required": "Confirm that you sign this decision."})

    def judged(self, codes: Iterable[str]) -> dict[str, Judged]:
        """The verdicts that were sent for these findings."""
        data: Mapping[str, Any] = self.data
        return {
            code: Judged(data.get(f"verdict-{code}", ""), str(data.get(f"why-{code}", ""))[:1000]) for code in codes
        }

    @property
    def shown(self) -> list[str]:
        """The stamps of the findings that the page showed."""
        return self.data.getlist("shown") if isinstance(self.data, QueryDict) else []
