"""Addresses of the reports."""

from django.urls import path

from courses.views.reports import lists, page, saved

app_name = "reports"
urlpatterns = [
    path("", page.index, name="index"),
    # Saved views
    path("saved/save/", saved.save, name="save"),
    path("saved/<int:saved_id>/", saved.saved_view, name="saved"),
    path("saved/<int:saved_id>/delete/", saved.delete, name="saved_delete"),
    # Last, since they take every single word
    path("<slug:kind>/", page.report, name="page"),
    path("<slug:kind>/list/<slug:key>/", lists.figure_list, name="list"),
]
