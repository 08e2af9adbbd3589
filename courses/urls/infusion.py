"""Addresses of one infusion day, below ``visits/<booking_id>/infusion/``. Each section has a block of its own."""

from django.urls import path

from courses.views.infusion import checkin, day, discharge, dose, effects, flowsheet, run, sign, stock

app_name = "infusion"
urlpatterns = [
    path("", day.day, name="day"),
    # Check-in
    path("check-in/", checkin.save, name="checkin_save"),
    path("check-in/decide/", checkin.decide, name="checkin_decide"),
    path("check-in/withhold/", checkin.withhold, name="checkin_withhold"),
    # Dose and its checks
    path("dose/", dose.order, name="order_dose"),
    path("dose/preview/", dose.preview, name="dose_preview"),
    path("dose/check/", dose.check, name="check_dose"),
    path("dose/check/second/", dose.second_checker, name="second_checker"),
    # Drug drawn
    path("stock/draw/", stock.draw, name="stock_draw"),
    path("stock/<int:draw_id>/account/", stock.account, name="stock_account"),
    path("stock/<int:draw_id>/close/", stock.close, name="stock_close"),
    # Run
    path("run/", run.record_tap, name="tap"),
    path("run/correct/", run.correct, name="correct_tap"),
    # Vital signs
    path("vitals/", flowsheet.save, name="save_row"),
    path("vitals/strike/", flowsheet.strike, name="strike_row"),
    path("vitals/answer/", flowsheet.answer, name="answer_alarm"),
    # Side effects
    path("effects/", effects.add, name="effect_add"),
    path("effects/<int:effect_id>/", effects.follow, name="effect_follow"),
    path("effects/<int:effect_id>/strike/", effects.strike, name="effect_strike"),
    path("effects/none/", effects.none, name="effects_none"),
    path("notes/", effects.note, name="note"),
    # Leaving
    path("leaving/tick/", discharge.tick, name="leaving_tick"),
    path("leaving/", discharge.leave, name="discharge"),
    path("leaving/back/", discharge.back, name="discharge_back"),
    path("leaving/hospital/", discharge.hospital, name="hospital"),
    path("leaving/against-advice/", discharge.against_advice, name="against_advice"),
    path("aftercare/", discharge.aftercare, name="aftercare"),
    # Signing
    path("complete/", sign.complete, name="complete"),
    path("complete/back/", sign.take_back, name="take_back"),
    path("sign/", sign.sign, name="sign"),
    path("amend/", sign.amend, name="amend"),
    path("record.pdf", sign.pdf, name="pdf"),
]
