"""Set-up of messages: rules, their words, previews."""

from django.urls import path

from patients.views.messages import rule_preview, rules

app_name = "rules"
urlpatterns = [
    path("", rules.setup, name="setup"),
    path("<int:location_pk>/", rules.rule_list, name="list"),
    path("<int:location_pk>/copy/", rules.copy, name="copy"),
    path("rules/<int:rule_id>/", rules.rule, name="rule"),
    path("rules/<int:rule_id>/switch/", rules.switch, name="switch"),
    path("rules/<int:rule_id>/preview/", rule_preview.rule_preview, name="preview"),
    path("rules/<int:rule_id>/patients/", rule_preview.patients, name="patients"),
    path("rules/<int:rule_id>/test/", rules.test, name="test"),
    path("rules/<int:rule_id>/shipped/", rules.shipped, name="shipped"),
    path("rules/<int:rule_id>/another/", rules.another, name="another"),
    path("rules/<int:rule_id>/remove/", rules.remove, name="remove"),
    path("rules/<int:rule_id>/history/", rules.rule_history, name="history"),
]
