"""What the import pages accept: a file, and which column is what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from patients.adapters.encodings import LABELS as ENCODINGS
from patients.models import DateOrder, DuplicateChoice, ImportRun, ImportSource
from patients.pure.columns import NEVER_SHOWN, TARGETS, mapping_problems

MAX_MEGABYTES = 200
NOT_IN_FILE = "Not in the file"
FEW_ROWS_OF_TARGETS = ("external_id", "given_name", "family_name", "full_name", "birth_date", "sex")
"""What most files have; the rest stands under "More columns"."""


class UploadForm(forms.Form):
    """The file to import from, and what kind of file that is."""

    source = forms.ChoiceField(
        label="What kind of file is it?",
        choices=ImportSource.choices,
        initial=ImportSource.GENERIC,
        widget=forms.RadioSelect,
    )
    file = forms.FileField(
        label="File with the patients",
        help_text=f"CSV or XLSX with a header line, up to {MAX_MEGABYTES} MB. For Synthea: patients.csv.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
    )
    conditions = forms.FileField(required=False, label="conditions.csv", help_text="Their conditions become problems.")
    allergies = forms.FileField(required=False, label="allergies.csv")

    def clean_file(self) -> UploadedFile:
        return self._small_enough("file")

    def clean_conditions(self) -> UploadedFile:
        return self._small_enough("conditions")

    def clean_allergies(self) -> UploadedFile:
        return self._small_enough("allergies")

    def _small_enough(self, name: str) -> UploadedFile:
        file: UploadedFile = self.cleaned_data[name]
        if file and (file.size or 0) > MAX_MEGABYTES << 20:
            raise ValidationError(f"The file is larger than {MAX_MEGABYTES} MB. Divide it and import the parts.")
        return file


class ColumnsForm(forms.Form):
    """How the file is to be read: which column is what, encoding, the order of dates, what to do with duplicates."""

    encoding = forms.ChoiceField(
        label="Encoding of the text", required=False, help_text="Change it when letters look wrong in the preview."
    )
    date_order = forms.ChoiceField(
        label="Dates such as 3/7/1985", choices=DateOrder.choices, help_text="1985-03-07 is always read rightly."
    )
    id_system = forms.CharField(
        label="System the ids come from",
        required=False,
        max_length=40,
        help_text="For example the name of the old software, so that its ids and those of another are kept apart.",
    )
    duplicates = forms.ChoiceField(
        label="A row with the name and birth date of a patient who is here under another id",
        choices=DuplicateChoice.choices,
        widget=forms.RadioSelect,
        help_text="Two records of one person can be booked at the same time; so such rows are left out by default.",
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, run: ImportRun) -> None:
        initial = {
            "encoding": run.encoding,
            "date_order": run.date_order,
            "id_system": run.id_system,
            "duplicates": run.duplicates,
        }
        super().__init__(data, initial=initial)
        self.run = run
        self.is_generic = run.source == ImportSource.GENERIC
        encodings: Any = self.fields["encoding"]
        encodings.choices = [(name, label) for name, label in ENCODINGS.items() if run.encoding or name]
        if not run.encoding:
            del self.fields["encoding"]  # a workbook knows its own
        if not self.is_generic:
            del self.fields["date_order"], self.fields["id_system"]
            return
        columns = [(column, column) for column in run.columns if not NEVER_SHOWN.search(column)]
        for target in TARGETS:
            self.fields[target.name] = forms.ChoiceField(
                label=target.label,
                required=False,
                choices=[("", NOT_IN_FILE), *columns],
                initial=run.mapping.get(target.name, ""),
                help_text=target.hint,
            )

    @property
    def main_columns(self) -> list[forms.BoundField]:
        return [self[name] for name in FEW_ROWS_OF_TARGETS if name in self.fields]

    @property
    def more_columns(self) -> list[forms.BoundField]:
        return [
            self[target.name]
            for target in TARGETS
            if target.name in self.fields and target.name not in FEW_ROWS_OF_TARGETS
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        problems = mapping_problems(self.mapping(), self.run.columns)
        if self.is_generic and problems:
            raise ValidationError(problems)
        return cleaned

    def mapping(self) -> dict[str, str]:
        """Our names -> columns of the file."""
        if not self.is_generic:
            return dict(self.run.mapping)
        return {target.name: self.cleaned_data[target.name] for target in TARGETS if self.cleaned_data.get(target.name)}

    def settle(self) -> ImportRun:
        """The run with what was chosen; not saved."""
        run = self.run
        for name in ("encoding", "date_order", "id_system", "duplicates"):
            if name in self.fields:
                setattr(run, name, self.cleaned_data[name])
        run.mapping = self.mapping()
        return run
