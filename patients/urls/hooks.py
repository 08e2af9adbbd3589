"""Addresses that providers of messages call."""

from __future__ import annotations

from django.urls import path

from patients.views.messages import hooks

app_name = "hooks"
urlpatterns = [
    path("twilio/incoming/", hooks.incoming, name="incoming"),
    path("twilio/status/<uuid:uid>/", hooks.status, name="status"),
    path("mail/", hooks.mail, name="mail"),
]
