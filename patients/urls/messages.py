"""Messages as staff see them: the outbox, one message, the call list, answers."""

from django.urls import path

from patients.views.messages import answers, calls, message, outbox

app_name = "outbox"
urlpatterns = [
    path("", outbox.outbox_page, name="list"),
    path("<int:pk>/", message.message, name="message"),
    path("<int:pk>/hold/", message.hold, name="hold"),
    path("<int:pk>/send/", message.send, name="send"),
    path("<int:pk>/again/", message.again, name="again"),
    path("<int:pk>/called/", message.called, name="message_called"),
    path("calls/", calls.call_list, name="calls"),
    path("calls/<int:pk>/called/", calls.called, name="called"),
    path("answers/", answers.answer_list, name="answers"),
    path("answers/<int:pk>/handled/", answers.handle, name="handle"),
]
