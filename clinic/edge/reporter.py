"""What is said about an error that nobody caught, wherever Django would report it: kinds and places, no values."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

from clinic.adapters.logs import bare_traceback


class BareReporter(ExceptionReporter):
    """Django's own shows local variables, settings, form fields and the address: each can hold a patient."""

    def get_traceback_text(self) -> SafeString:
        return mark_safe(self._said())  # noqa: S308 (plain text, for a mail or a terminal)

    def get_traceback_html(self) -> SafeString:
        return format_html("<pre>{}</pre>", self._said())

    def _said(self) -> str:
        return bare_traceback(self.exc_value) if self.exc_value is not None else "No error."
