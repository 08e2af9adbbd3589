"""Addresses of the registry."""

from django.urls import path

from patients.views import availability, background, detail, edit, imports, merge, privacy, quick
from patients.views import list as lists
from patients.views.messages import person, write

app_name = "patients"
urlpatterns = [
    # Registry
    path("", lists.patient_list, name="list"),
    path("add/", edit.add, name="add"),
    path("add/quick/", edit.quick_add, name="quick_add"),
    path("duplicates/", edit.likely_duplicates, name="duplicates"),
    path("<int:pk>/", detail.detail, name="detail"),
    path("<int:pk>/visits/", detail.bookings, name="bookings"),
    path("<int:pk>/messages/", person.person, name="messages"),
    path("<int:pk>/messages/write/", write.write, name="write_message"),
    path("<int:pk>/history/", detail.history, name="history"),
    path("<int:pk>/edit/", edit.edit, name="edit"),
    path("<int:pk>/status/", edit.status, name="status"),
    path("<int:pk>/unavailable/add/", availability.unavailable_add, name="unavailable_add"),
    path(
        "<int:pk>/unavailable/<int:unavailability_id>/remove/",
        availability.unavailable_remove,
        name="unavailable_remove",
    ),
    # Privacy
    path("<int:pk>/everything/", privacy.everything, name="everything"),
    path("<int:pk>/privacy/", privacy.privacy, name="privacy"),
    path("<int:pk>/privacy/part-2/", privacy.part_two_mark, name="part_two_mark"),
    path("<int:pk>/privacy/consents/add/", privacy.disclosure_consent_add, name="disclosure_consent_add"),
    path(
        "<int:pk>/privacy/consents/<int:consent_id>/revoke/",
        privacy.disclosure_consent_revoke,
        name="disclosure_consent_revoke",
    ),
    path("<int:pk>/privacy/hold/", privacy.hold_place, name="hold_place"),
    path("<int:pk>/privacy/hold/<int:hold_id>/lift/", privacy.hold_lift, name="hold_lift"),
    path("<int:pk>/privacy/erasure/", privacy.erasure_propose, name="erasure_propose"),
    path("<int:pk>/privacy/erasure/<int:proposal_id>/confirm/", privacy.erasure_confirm, name="erasure_confirm"),
    path("<int:pk>/privacy/erasure/<int:proposal_id>/back/", privacy.erasure_take_back, name="erasure_take_back"),
    # Background
    path("<int:pk>/background/", background.background, name="background"),
    path("<int:pk>/background/<slug:kind>/add/", background.entry_add, name="entry_add"),
    path("<int:pk>/background/<slug:kind>/none/", background.entry_none, name="entry_none"),
    path("<int:pk>/background/<slug:kind>/<int:entry_id>/edit/", background.entry_edit, name="entry_edit"),
    path("<int:pk>/background/<slug:kind>/<int:entry_id>/remove/", background.entry_remove, name="entry_remove"),
    # Merge
    path("<int:pk>/merge/", merge.merge_choose, name="merge_choose"),
    path("<int:pk>/merge/<int:other_pk>/", merge.merge_compare, name="merge_compare"),
    path("merges/<int:pk>/undo/", merge.merge_undo, name="merge_undo"),
    # Search and import
    path("quick/", quick.quick, name="quick"),
    path("import/", imports.start, name="import"),
    path("import/<int:pk>/", imports.run_page, name="import_run"),
    path("import/<int:pk>/check/", imports.check, name="import_check"),
    path("import/<int:pk>/start/", imports.go, name="import_start"),
    path("import/<int:pk>/progress/", imports.progress, name="import_progress"),
    path("import/<int:pk>/refused.csv", imports.refused_rows, name="import_refused"),
    path("import/<int:pk>/discard/", imports.discard, name="import_discard"),
]
