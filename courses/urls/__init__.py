"""Addresses of Today, calendar, courses, planner and protocols."""

from django.urls import path

from courses.views import (
    booking,
    calendar,
    course,
    course_changes,
    day_settings,
    feeds,
    follow_up_settings,
    moves,
    outcome_terms,
    planner,
    protocols,
    rems,
    today,
    visits,
)

app_name = "courses"
urlpatterns = [
    # Today and calendar
    path("", today.today, name="today"),
    path("visits/<int:booking_id>/step/", today.step, name="step"),
    path("visits/<int:booking_id>/back/", today.step_back, name="step_back"),
    path("calendar/", calendar.calendar, name="calendar"),
    path("calendar/new/", booking.new_visit, name="new_visit"),
    path("calendar/feed/", feeds.feed_link, name="feed_link"),
    path("visits/<int:booking_id>/", visits.visit, name="visit"),
    path("visits/<int:booking_id>/time/", booking.visit_time, name="visit_time"),
    path("visits/<int:booking_id>/move/", booking.move_visit, name="move_visit"),
    path("visits/<int:booking_id>/held/", visits.held, name="held"),
    path("visits/<int:booking_id>/end/<slug:how>/", visits.end_visit, name="end_visit"),
    path("feeds/<uuid:token>.ics", feeds.staff_feed, name="feed"),
    # Protocols
    path("protocols/", protocols.protocol_list, name="protocols"),
    path("protocols/new/", protocols.protocol_new, name="protocol_new"),
    path("protocols/shipped/", protocols.shipped, name="protocols_shipped"),
    path("protocols/<int:pk>/", protocols.protocol_version, name="protocol"),
    path("protocols/<int:pk>/draft/", protocols.protocol_draft, name="protocol_draft"),
    path("protocols/<int:pk>/edit/", protocols.protocol_edit, name="protocol_edit"),
    path("protocols/<int:pk>/meaning/", protocols.protocol_meaning, name="protocol_meaning"),
    path("protocols/<int:pk>/publish/", protocols.protocol_publish, name="protocol_publish"),
    path("protocols/<int:pk>/retire/", protocols.protocol_retire, name="protocol_retire"),
    path("protocols/<int:pk>/discard/", protocols.protocol_discard, name="protocol_discard"),
    # Courses
    path("courses/", course.course_list, name="list"),
    path("courses/<int:pk>/", course.course, name="course"),
    path("courses/<int:pk>/number/", course_changes.change_number, name="change_number"),
    path("courses/<int:pk>/rhythm/", course_changes.change_rhythm, name="change_rhythm"),
    path("courses/<int:pk>/decide/", course.decide, name="decide"),
    path("courses/<int:pk>/close/", course.close, name="close"),
    path("courses/<int:pk>/confirm/", course.confirm, name="confirm"),
    path("infusions/<int:infusion_id>/move/", moves.move, name="move"),
    path("infusions/<int:infusion_id>/given/", moves.given, name="given"),
    path("infusions/<int:infusion_id>/minutes/", moves.minutes, name="minutes"),
    path("infusions/<int:infusion_id>/end/<slug:how>/", moves.end_infusion, name="end_infusion"),
    path("infusions/undo/<int:booking_id>/", moves.undo_visit, name="undo_infusion"),
    # REMS forms of esketamine
    path("rems/", rems.rems, name="rems"),
    path("rems/<int:pk>/", rems.rems_form, name="rems_form"),
    path("rems/<int:pk>/sent/", rems.rems_mark_sent, name="rems_mark_sent"),
    # Set-up of the infusion days
    path("setup/infusion-days/", day_settings.day_settings, name="day_settings"),
    path("setup/infusion-days/<int:location_pk>/", day_settings.day_settings_of_place, name="day_settings_of"),
    path("setup/outcomes/", outcome_terms.outcome_terms, name="outcome_terms"),
    path("setup/follow-up/", follow_up_settings.follow_up_settings, name="follow_up_settings"),
    path(
        "setup/follow-up/<int:location_pk>/",
        follow_up_settings.follow_up_settings_of_place,
        name="follow_up_settings_of",
    ),
    # Planner
    path("patients/<int:patient_id>/plan/", planner.plan, name="plan"),
    path("patients/<int:patient_id>/plan/zones/", planner.plan_zones, name="plan_zones"),
]
