"""Addresses of the worklists and of freed times."""

from django.urls import path

from courses.views import freed, worklists

app_name = "worklists"
urlpatterns = [
    path("", worklists.all_lists, name="all"),
    # One list, one task
    path("task/<int:task_id>/", worklists.task, name="task"),
    path("task/<int:task_id>/take/", worklists.take, name="take"),
    path("task/<int:task_id>/give-back/", worklists.back, name="give_back"),
    path("task/<int:task_id>/later/", worklists.later, name="put_off"),
    path("task/<int:task_id>/message/again/", worklists.try_again, name="message_again"),
    path("task/<int:task_id>/message/called/", worklists.called, name="message_called"),
    path("task/<int:task_id>/end/<slug:how>/", worklists.end, name="end"),
    # Freed times and offers
    path("freed/<int:slot_id>/", freed.freed, name="freed"),
    path("freed/<int:slot_id>/fit/", freed.fit, name="freed_fit"),
    path("freed/<int:slot_id>/accepted/", freed.accepted, name="freed_accepted"),
    path("freed/<int:slot_id>/declined/", freed.declined, name="freed_declined"),
    path("freed/<int:slot_id>/link/", freed.by_link, name="freed_link"),
    path("freed/<int:slot_id>/offers/<int:offer_id>/withdraw/", freed.withdraw, name="freed_withdraw"),
    path("freed/<int:slot_id>/leave/", freed.leave_open, name="freed_leave"),
    path("waiting/", freed.waiting, name="waiting"),
    # Last, since it takes every single word
    path("<slug:kind>/", worklists.one_list, name="list"),
]
