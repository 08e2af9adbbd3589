"""Set-up pages: staff, chairs, hours, closures, audit."""

from django.urls import path

from clinic.views import account, audit, hours, openings, operation, places, setup, shifts, staff, welcome

app_name = "setup"
urlpatterns = [
    path("", setup.index, name="index"),
    path("own-locations/", setup.own_locations, name="own_locations"),
    path("second-factor/", setup.second_factor, name="second_factor"),
    # First steps
    path("welcome/", welcome.welcome, name="welcome"),
    path("welcome/next/", welcome.onward, name="welcome_next"),
    path("welcome/later/", welcome.later, name="welcome_later"),
    path("welcome/<slug:key>/", welcome.step, name="welcome_step"),
    # One's own account
    path("me/", account.me, name="me"),
    path("location/<int:pk>/choose/", account.choose_location, name="choose_location"),
    path("alive/", account.alive, name="alive"),
    # Locations, chairs, rooms
    path("locations/", places.location_list, name="locations"),
    path("locations/add/", places.location_add, name="location_add"),
    path("locations/<int:pk>/", places.location, name="location"),
    path("locations/<int:pk>/edit/", places.location_edit, name="location_edit"),
    path("locations/<int:pk>/stations/add/", places.station_add, name="station_add"),
    path("stations/<int:pk>/edit/", places.station_edit, name="station_edit"),
    path("stations/<int:pk>/move/", places.station_move, name="station_move"),
    path("stations/<int:pk>/retire/", places.station_retire, name="station_retire"),
    path("stations/<int:pk>/restore/", places.station_restore, name="station_restore"),
    # Opening hours and closures
    path("locations/<int:pk>/hours/", hours.opening_hours, name="opening_hours"),
    path("locations/<int:pk>/closures/", hours.closure_list, name="closures"),
    path("locations/<int:pk>/closures/add/", hours.closure_add, name="closure_add"),
    path("locations/<int:pk>/holidays/", hours.public_holidays, name="holidays"),
    path("closures/<int:pk>/", hours.closure, name="closure"),
    path("closures/<int:pk>/delete/", hours.closure_delete, name="closure_delete"),
    # People
    path("staff/", staff.staff_list, name="staff"),
    path("staff/add/", staff.staff_add, name="staff_add"),
    path("staff/week/", shifts.week, name="staff_week"),
    path("staff/<int:pk>/", staff.person, name="person"),
    path("staff/<int:pk>/edit/", staff.staff_edit, name="staff_edit"),
    path("staff/<int:pk>/invite/", staff.invite, name="invite"),
    path("staff/<int:pk>/sessions/end/", staff.end_sessions, name="end_sessions"),
    path("staff/<int:pk>/second-factor/forget/", staff.forget_second_factor, name="forget_second_factor"),
    path("staff/<int:pk>/deactivate/", staff.deactivate, name="deactivate"),
    path("staff/<int:pk>/reactivate/", staff.reactivate, name="reactivate"),
    path("staff/<int:pk>/shifts/<int:location_pk>/", shifts.weekly, name="shifts"),
    path("staff/<int:pk>/exceptions/add/", shifts.exception_add, name="exception_add"),
    path("exceptions/<int:pk>/delete/", shifts.exception_delete, name="exception_delete"),
    # How it runs
    path("operation/", operation.overview, name="operation"),
    path("caught/", operation.caught, name="caught"),
    # Audit
    path("history/", audit.changes, name="history"),
    path("readings/", audit.reads, name="readings"),
    # Records of other locations
    path("openings/", openings.opening_list, name="openings"),
    path("openings/<int:pk>/looked-at/", openings.look_at, name="look_at"),
    path("openings/<int:pk>/close/", openings.close_record, name="close_record"),
    path("openings/of/<int:subject_id>/", openings.open_record, name="open_record"),
]
