"""The shape of what is typed about a protocol. Whether the numbers fit each other is the service's business."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.validators import RegexValidator, validate_slug

from clinic.models.hours import Weekday
from courses.models import Protocol, ProtocolStep, ProtocolVersion
from courses.models.protocol_fields import STEP_FIELDS, VERSION_FIELDS
from patients.models.background import INDICATION_CHOICES

SHORT_WEEKDAYS = [(day.value, day.label[:3]) for day in Weekday]


def dress(form: forms.BaseForm) -> None:
    """Every plain field has the product's look; check boxes keep theirs."""
    for field in form.fields.values():
        if isinstance(field.widget, forms.CheckboxSelectMultiple | forms.HiddenInput):
            continue
        look = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
        if isinstance(field.widget, forms.CheckboxInput):
            look = "form-check-input"
        field.widget.attrs.setdefault("class", look)


class VersionForm(forms.ModelForm):
    """Everything a version says except its steps."""

    indications = forms.MultipleChoiceField(
        choices=INDICATION_CHOICES,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        required=False,
        label="For",
    )
    decision_points = SimpleArrayField(
        forms.IntegerField(min_value=1, max_value=60),
        required=False,
        label="Review after infusion",
        help_text="Numbers with commas, for example 2, 4. The end of the series is always reviewed.",
    )

    class Meta:
        model = ProtocolVersion
        fields = VERSION_FIELDS
        widgets = {
            "assess_note": forms.Textarea(attrs={"rows": 2}),
            "maintenance_note": forms.Textarea(attrs={"rows": 2}),
            "evidence_note": forms.Textarea(attrs={"rows": 4}),
            "aftercare": forms.Textarea(attrs={"rows": 4}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)
        for name in ("dose_start", "dose_min", "dose_max"):
            dose = self.initial.get(name)
            if dose is not None:
                self.initial[name] = f"{dose.normalize():f}"  # 0.5, never 0.50: a trailing zero has been misread as 50

    def clean_decision_points(self) -> list[int]:
        """In order and each once, however they were typed."""
        return sorted(set(self.cleaned_data["decision_points"] or []))

    def clean(self) -> dict[str, Any]:
        """A dose in mg needs a number; "as last given" must not have one."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("dose_basis") == "last":
            for name in ("dose_start", "dose_min", "dose_max"):
                if values.get(name) is not None:
                    self.add_error(name, "Leave this empty: the dose is the one last given.")
        elif "dose_basis" in values and "dose_start" in values and values["dose_start"] is None:
            self.add_error("dose_start", "Give the starting dose, or choose “as last given”.")
        return values


class StepForm(forms.ModelForm):
    """One row of the rhythm."""

    weekdays = forms.TypedMultipleChoiceField(
        choices=SHORT_WEEKDAYS, coerce=int, widget=forms.CheckboxSelectMultiple, required=False
    )

    class Meta:
        model = ProtocolStep
        fields = STEP_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)

    def _post_clean(self) -> None:
        """The numbers are judged together by the service, which says more than a constraint could."""


StepFormSet = forms.formset_factory(StepForm, extra=0, can_delete=True)


class NewProtocolForm(forms.Form):
    """A new protocol begins as a copy of one that exists."""

    title = forms.CharField(
        max_length=100, label="Name", help_text="As the clinic says it, for example “6 in 3 weeks”."
    )
    slug = forms.CharField(
        max_length=24,
        label="Short code",
        help_text="Letters, digits and hyphens, for example T-OWN6. Shown where space is short.",
        validators=[validate_slug, RegexValidator(r"[A-Za-z]", "Use at least one letter.")],
    )
    source = forms.ModelChoiceField(
        queryset=ProtocolVersion.objects.filter(status="published").select_related("protocol"),
        label="Start from",
        help_text="Its numbers are copied; you change them next.",
    )

    def clean_slug(self) -> str:
        """The code is not in use yet."""
        slug: str = self.cleaned_data["slug"]
        if Protocol.objects.filter(slug__iexact=slug).exists():
            raise forms.ValidationError("There is a protocol with this code already. Choose another code.")
        return slug
