"""One small form on a page of its own or in a sheet, for what is written beside the infusions of a course."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from clinic.edge.access import staff
from clinic.edge.htmx import go, is_fragment
from clinic.forms.errors import show_refusal
from clinic.models import User
from courses.models import Course
from courses.services.care import CareChangedError

Write = Callable[[dict[str, Any], User, datetime], object]
FROM_CARE = {"back": "following:care", "back_label": "Care beside"}


def ask(request: HttpRequest, course: Course, form: Form, write: Write, said: Mapping[str, Any]) -> HttpResponseBase:
    """The form; what was sent is written, or stands there again with the refusal at its field.

    Args:
        request: GET shows the form, POST writes.
        course: read with patient and location.
        form: bound where something was sent.
        write: the one change, called with what the form read.
        said: head, button, done; note, item, entry, is_danger as the template takes them; back and back_label where
            it does not lead back to the care beside.
    """
    said, status = {**FROM_CARE, **said}, 422 if form.is_bound else 200
    if request.method == "POST" and form.is_valid():
        try:
            write(form.cleaned_data, staff(request), timezone.now())
        except CareChangedError as overtaken:
            form.add_error(None, str(overtaken))
            status = 409
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, said["done"])
            return go(request, said["back"], course.pk)
    context = {"course": course, "patient": course.patient, "place": course.location, "form": form, **said}
    context["back_url"] = reverse(said["back"], args=[course.pk])
    name = "_care_form" if is_fragment(request) else "care_form"
    return render(request, f"courses/following/{name}.html", context, status=status)
