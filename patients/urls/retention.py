"""Addresses of retention and of the accounting of disclosures."""

from __future__ import annotations

from django.urls import path

from patients.views import retention

app_name = "retention"
urlpatterns = [
    path("", retention.page, name="page"),
    path("programs/<int:location_pk>/", retention.program, name="program"),
    path("disclosures/", retention.disclosures, name="disclosures"),
]
