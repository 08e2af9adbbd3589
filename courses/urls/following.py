"""Addresses that follow one course; they begin with /courses/<pk>/."""

from django.urls import path

from courses.views.following import boosters, care, closing, events, maintenance, response, reviews, schedule, waiting

app_name = "following"
urlpatterns = [
    # Response and outcome
    path("response/", response.response, name="response"),
    path("events/add/", events.add, name="event_add"),
    path("events/<int:event_id>/strike/", events.strike, name="event_strike"),
    # Reviews
    path("reviews/<int:task_id>/", reviews.review, name="review"),
    # Maintenance
    path("maintenance/", maintenance.maintenance, name="maintenance"),
    path("maintenance/plan/", maintenance.plan, name="maintenance_plan"),
    path("maintenance/next/", maintenance.book_next, name="maintenance_next"),
    path("maintenance/interval/", maintenance.interval, name="maintenance_interval"),
    path("maintenance/back/", maintenance.step_back, name="maintenance_back"),
    path("maintenance/review/", maintenance.review, name="maintenance_review"),
    path("maintenance/dates/", maintenance.dates, name="maintenance_dates"),
    # Boosters
    path("boosters/", boosters.booster, name="booster"),
    path("boosters/times/", boosters.times, name="booster_times"),
    path("boosters/accept/", boosters.accept, name="booster_accept"),
    path("boosters/ask/", boosters.ask, name="booster_ask"),
    path("boosters/<int:task_id>/decline/", boosters.decline, name="booster_decline"),
    path("boosters/<int:task_id>/ask-patient/", boosters.ask_patient, name="booster_ask_patient"),
    path("boosters/rule/", boosters.rule, name="booster_rule"),
    # Measures due
    path("follow-up/", schedule.schedule, name="schedule"),
    path("follow-up/act/", schedule.act, name="schedule_act"),
    # Care beside
    path("care/", care.care, name="care"),
    path("care/add/", care.add, name="care_add"),
    path("care/<int:item_id>/edit/", care.edit, name="care_edit"),
    path("care/<int:item_id>/entry/", care.entry, name="care_entry"),
    path("care/<int:item_id>/end/", care.end, name="care_end"),
    path("care/<int:item_id>/strike/", care.strike, name="care_strike"),
    path("care/entries/<int:entry_id>/strike/", care.strike_entry, name="care_strike_entry"),
    # Closing
    path("summary.pdf", closing.summary_pdf, name="summary_pdf"),
    # Waiting list
    path("waiting/", waiting.waiting, name="waiting"),
]
