"""Consent to treatment and to be contacted."""

from __future__ import annotations

from django.urls import path

from patients.views import consents, contact_consents

app_name = "consents"
urlpatterns = [
    path("patient/<int:pk>/", consents.overview, name="patient"),
    # The device that is handed to the patient is locked to what lies below this address.
    path("patient/<int:pk>/sign/", consents.sign, name="sign"),
    path("patient/<int:pk>/sign/done/", consents.signed, name="signed"),
    path("patient/<int:pk>/hand-over/", consents.hand_over, name="hand_over"),
    path("patient/<int:pk>/paper/", consents.upload, name="upload"),
    path("<int:consent_id>/", consents.document, name="document"),
    path("<int:consent_id>/scan/", consents.download_scan, name="scan"),
    path("<int:consent_id>/withdraw/", consents.withdraw, name="withdraw"),
    path("patient/<int:pk>/contact/", contact_consents.contact, name="contact"),
    path("patient/<int:pk>/contact/<slug:channel>/", contact_consents.record, name="contact_record"),
]
