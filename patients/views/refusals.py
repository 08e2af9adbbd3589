"""A service's refusal, beside the fields that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError


def refuse(form: forms.Form, refused: ValidationError) -> None:
    """The words stand at the field where the form has it, else above the form."""
    errors: Mapping[str, Any] = refused.error_dict if hasattr(refused, "error_dict") else {"__all__": refused}
    for name, error in errors.items():
        form.add_error(name if name in form.fields else None, error)
