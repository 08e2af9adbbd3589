"""Measures: entering, sending, trends."""

from __future__ import annotations

from django.urls import path

from patients.views import measure_links, measures

app_name = "measures"
urlpatterns = [
    path("patient/<int:pk>/send/", measure_links.send, name="send"),
    path("patient/<int:pk>/send/message/", measure_links.send_message, name="send_message"),
    path("patient/<int:pk>/hand-over/", measure_links.hand_device_over, name="hand_over"),
    path("patient/<int:pk>/links/<int:link_id>/take-back/", measure_links.revoke_link, name="revoke_link"),
    path("patient/<int:pk>/", measures.patient_measures, name="patient"),
    path("patient/<int:pk>/<slug:measure>/", measures.trend, name="trend"),
    path("patient/<int:pk>/<slug:measure>/add/", measures.entry, name="entry"),
    path("<int:pk>/", measures.result, name="result"),
    path("<int:pk>/strike/", measures.strike, name="strike"),
]
