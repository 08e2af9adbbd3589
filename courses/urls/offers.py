"""The address of an offered time, for patients who are not signed in."""

from django.urls import path

from courses.views import offer

app_name = "offer"
urlpatterns = [
    path("<str:token>/", offer.offer, name="offer"),
]
