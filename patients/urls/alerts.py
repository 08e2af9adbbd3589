"""Addresses of danger alerts."""

from django.urls import path

from patients.views import alerts

app_name = "alerts"
urlpatterns = [
    path("", alerts.alert_list, name="list"),
    path("count/", alerts.count, name="count"),
    path("<int:pk>/", alerts.alert, name="alert"),
    path("<int:pk>/take/", alerts.take, name="take"),
]
