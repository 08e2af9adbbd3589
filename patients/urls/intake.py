"""Requests, booking a consultation, the consultation's record, screening."""

from __future__ import annotations

from django.urls import path

from patients.views import consent_texts, consultation, intake_setup, request_board, requests, screening, slots
from patients.views import consultation_acts as acts
from patients.views import consultation_letter as letters
from patients.views import consultation_rows as rows

app_name = "intake"
urlpatterns = [
    # Requests
    path("", request_board.intake_board, name="board"),
    path("closed/", request_board.closed, name="closed"),
    path("add/", request_board.add, name="add"),
    path("requests/<int:pk>/", requests.request_page, name="request"),
    path("requests/<int:pk>/contact/", requests.contact, name="request_contact"),
    path("requests/<int:pk>/assign/", requests.assign, name="request_assign"),
    path("requests/<int:pk>/link/", requests.link, name="request_link"),
    path("requests/<int:pk>/unlink/", requests.unlink, name="request_unlink"),
    path("requests/<int:pk>/register/", requests.register, name="request_register"),
    path("requests/<int:pk>/close/", requests.close, name="request_close"),
    path("requests/<int:pk>/reopen/", requests.reopen, name="request_reopen"),
    # Booking a consultation
    path("slots/", slots.slots, name="slots"),
    path("booked/<int:booking_id>/", slots.booked, name="booked"),
    # The consultation's record
    path("patients/<int:pk>/consultations/", acts.consultations, name="consultations"),
    path("patients/<int:patient_id>/consultations/start/", acts.consultation_start, name="consultation_start"),
    path("bookings/<int:booking_id>/consultation/", acts.consultation_of_booking, name="consultation_of_booking"),
    path("consultations/<int:pk>/", consultation.consultation, name="consultation"),
    path("consultations/<int:pk>/fields/<str:field>/", consultation.consultation_field, name="consultation_field"),
    path(
        "consultations/<int:pk>/sections/<slug:section>/",
        consultation.consultation_section,
        name="consultation_section",
    ),
    path("consultations/<int:pk>/parts/<slug:section>/", consultation.consultation_part, name="consultation_part"),
    path("consultations/<int:pk>/sign/", acts.consultation_sign, name="consultation_sign"),
    path("consultations/<int:pk>/amend/", acts.consultation_amend, name="consultation_amend"),
    path("consultations/<int:pk>/letter/", letters.consultation_letter, name="consultation_letter"),
    path("consultations/<int:pk>/letter.pdf", letters.consultation_letter_pdf, name="consultation_letter_pdf"),
    path("patients/<int:patient_id>/treatments/add/", rows.treatment_add, name="treatment_add"),
    path("patients/<int:patient_id>/treatments/<int:treatment_id>/", rows.treatment_edit, name="treatment_edit"),
    path(
        "patients/<int:patient_id>/treatments/<int:treatment_id>/remove/",
        rows.treatment_remove,
        name="treatment_remove",
    ),
    path("patients/<int:patient_id>/vitals/add/", rows.vitals_add, name="vitals_add"),
    path("patients/<int:patient_id>/pregnancy-tests/add/", rows.pregnancy_add, name="pregnancy_add"),
    path(
        "patients/<int:patient_id>/strike/<slug:kind>/<int:record_id>/",
        rows.observation_strike,
        name="observation_strike",
    ),
    # Screening
    path("consultations/<int:pk>/screening/", screening.screening, name="screening"),
    path("consultations/<int:pk>/screening/answers/", screening.screening_answers, name="screening_answers"),
    path("consultations/<int:pk>/decide/", screening.decide, name="decide"),
    path("decisions/<int:pk>/", screening.decision, name="decision"),
    # Set-up
    path("setup/", intake_setup.setup, name="setup"),
    path("setup/<int:location_pk>/", intake_setup.settings, name="settings"),
    path("setup/<int:location_pk>/prices/", intake_setup.prices, name="prices"),
    path("setup/prices/<int:price_id>/", intake_setup.price_edit, name="price_edit"),
    path("setup/prices/<int:price_id>/retire/", intake_setup.price_retire, name="price_retire"),
    path("setup/prices/<int:price_id>/<slug:direction>/", intake_setup.price_move, name="price_move"),
    path("setup/<int:location_pk>/consent-texts/", consent_texts.texts, name="consent_texts"),
    path("setup/<int:location_pk>/consent-texts/start/", consent_texts.start, name="consent_text_start"),
    path("setup/consent-texts/<int:text_id>/", consent_texts.text, name="consent_text"),
    path("setup/consent-texts/<int:text_id>/publish/", consent_texts.publish, name="consent_text_publish"),
    path("setup/consent-texts/<int:text_id>/discard/", consent_texts.discard, name="consent_text_discard"),
]
