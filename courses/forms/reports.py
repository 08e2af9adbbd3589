"""A report saved under a name."""

from __future__ import annotations

from django import forms
from django.http import QueryDict

from courses.models import SavedReport


class SaveForm(forms.ModelForm):
    """The name; report and filters come along unseen."""

    class Meta:
        model = SavedReport
        fields = ("name", "report", "query")
        widgets = {"report": forms.HiddenInput, "query": forms.HiddenInput}
        labels = {"name": "Name of this view"}

    @property
    def filters(self) -> QueryDict:
        """What the view is to keep, as an address says it."""
        return QueryDict(str(self.data.get("query", ""))[:600])
