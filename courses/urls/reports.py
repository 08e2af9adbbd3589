"""Addresses of the reports."""

from django.urls import path

from courses.views.reports import analysis, chosen, files, lists, mail, page, saved

app_name = "reports"
urlpatterns = [
    path("", page.index, name="index"),
    # Saved views
    path("saved/save/", saved.save, name="save"),
    path("saved/<int:saved_id>/", saved.saved_view, name="saved"),
    path("saved/<int:saved_id>/delete/", saved.delete, name="saved_delete"),
    # Taking away
    path("table/", analysis.table, name="table"),
    path("table/file/<slug:suffix>/", analysis.table_file, name="table_file"),
    path("table/events/<slug:suffix>/", analysis.events_file, name="events_file"),
    path("courses/", chosen.courses, name="courses"),
    path("mail/", mail.mails, name="mail"),
    path("mail/<int:mail_id>/off/", mail.off, name="mail_off"),
    path("taken/", files.taken, name="taken"),
    # Last, since they take every single word
    path("<slug:kind>/", page.report, name="page"),
    path("<slug:kind>/list/<slug:key>/", lists.figure_list, name="list"),
    path("<slug:kind>/file/<slug:suffix>/", files.report_file, name="file"),
]
