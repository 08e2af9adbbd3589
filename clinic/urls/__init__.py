"""Every address of the product. The other packages are named as strings: the place does not know them."""

from django.urls import include, path, re_path

from clinic.views.account import closed
from clinic.views.handover import handover

urlpatterns = [
    re_path(r"^accounts/(signup|email|confirm-email|password/set)/", closed, name="closed"),  # nobody signs up
    path("accounts/", include("allauth.urls")),
    path("hand-over/", handover, name="handover"),
    path("setup/messages/", include("patients.urls.message_rules")),
    path("setup/retention/", include("patients.urls.retention")),
    path("setup/", include("clinic.urls.setup")),
    path("patients/", include("patients.urls")),
    path("intake/", include("patients.urls.intake")),
    path("measures/", include("patients.urls.measures")),
    path("consent/", include("patients.urls.consents")),
    path("alerts/", include("patients.urls.alerts")),
    path("messages/", include("patients.urls.messages")),
    path("hooks/", include("patients.urls.hooks")),
    path("", include("patients.urls.public")),
    path("visits/<int:booking_id>/infusion/", include("courses.urls.infusion")),
    path("chairs/", include("courses.urls.board")),
    path("stock/", include("courses.urls.stock")),
    path("courses/<int:pk>/", include("courses.urls.following")),
    path("worklists/", include("courses.urls.worklists")),
    path("reports/", include("courses.urls.reports")),
    path("offer/", include("courses.urls.offers")),
    path("", include("courses.urls")),
]

# Patients read these pages in their own language, staff in the house's (as strings, for the same reason).
handler400 = "patients.views.sorry.bad_request"
handler403 = "patients.views.sorry.forbidden"
handler404 = "patients.views.sorry.not_found"
handler500 = "patients.views.sorry.failed"
