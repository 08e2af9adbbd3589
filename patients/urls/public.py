"""Pages for people who are not signed in: asking for a consultation, answering a questionnaire."""

from __future__ import annotations

from django.urls import path

from patients.views import ask, questionnaire
from patients.views.messages import visit

app_name = "public"
urlpatterns = [
    # Asking for a consultation
    path("request/", ask.choose_place, name="request_choose"),
    path("request/<int:pk>/", ask.ask, name="request"),
    path("request/<int:pk>/sent/", ask.sent, name="request_sent"),
    path("request/<int:pk>/sent/now/", ask.sent, {"says_danger": True}, name="request_sent_danger"),
    # Answering a questionnaire
    path("q/<str:token>/", questionnaire.questionnaire, name="questionnaire"),
    path("q/<str:token>/<slug:measure>/<int:item>/", questionnaire.question, name="questionnaire_question"),
    path("q/<str:token>/review/", questionnaire.review, name="questionnaire_review"),
    path("q/<str:token>/done/", questionnaire.done, name="questionnaire_done"),
    # What a patient does by the one link of a message
    path("v/<str:token>/", visit.link, name="visit_link"),
    path("v/<str:token>/move/", visit.move, name="visit_move"),
    path("v/<str:token>/cancel/", visit.cancel, name="visit_cancel"),
    path("v/<str:token>/prepare/", visit.prepare, name="visit_prepare"),
    path("v/<str:token>/appointment.ics", visit.calendar, name="visit_calendar"),
]
